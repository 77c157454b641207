/* SPDX-License-Identifier: ISC */
/*
 * Control requests that look and change nothing.  Each answer is parts with
 * the request's id and one end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "peerd/peerd.h"

#define ALONE_MS   30000 /* no link for so long is a problem */
#define ANSWER_MAX (4u << 20) /* bytes of an answer waiting */

static struct wall alone_since; /* 0: not alone */

/* --- status --- */

static void
problem(struct ipc *ch, uint32_t id, const char *code, uint64_t since,
    const char *text)
{
	struct msg_ctl_problem p = { .since = since };

	(void)strlcpy(p.code, code, sizeof(p.code));
	(void)strlcpy(p.text, text, sizeof(p.text));
	(void)ipc_send(ch, CTL_PROBLEM, id, &p);
}

static void
problems(struct ipc *ch, uint32_t id)
{
	uint64_t now = (uint64_t)wall_now().ms;
	char text[160];
	int64_t ms;

	if (alone_since.ms != 0 && (int64_t)now - alone_since.ms > ALONE_MS &&
	    (targets_next(NULL) != NULL || peerd.known.n > 0))
		problem(ch, id, "no-peers", (uint64_t)alone_since.ms,
		    "no peer is linked; see: warrenctl show peers static");
	if (clocks_skew(&ms)) {
		(void)snprintf(text, sizeof(text),
		    "the clock is %.1f s %s those of most peers",
		    (double)(ms < 0 ? -ms : ms) / 1000,
		    ms < 0 ? "ahead of" : "behind");
		problem(ch, id, "clock-skew", now, text);
	}
}

void
show_status(struct ipc *ch, const struct ipc_msg *m)
{
	const struct conn *c;
	struct msg_ctl_status s = { .now = (uint64_t)wall_now().ms,
		.peers_up = conn_links(-1),
		.peers_in = conn_links(0),
		.peers_known = peerd.known.n,
		.peers_max = peerd.conf.max_peers,
		.peers_banned = peerd.bans.n,
		.dialling = asks_dials(),
		.bytes_in = peerd.n.bytes_in,
		.bytes_out = peerd.n.bytes_out };

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		s.loop_links += c->loops && c->state == CONN_UP;
	(void)ipc_send(ch, CTL_STATUS, m->id, &s);
	problems(ch, m->id);
	child_ctl_end(ch, m->id, 0, "%s", "");
}

/* --- peers --- */

/* A configured peer nobody has met yet. */
static void
view_target(const struct target *t, struct msg_peer *v)
{
	memset(v, 0, sizeof(*v));
	if (t->p.has_key)
		memcpy(v->id, t->p.key, 32);
	else if (t->has_id)
		memcpy(v->id, t->id, 32);
	(void)strlcpy(v->name, t->p.name, sizeof(v->name));
	v->status = t->state == TARGET_IDLE ? PEER_OFFLINE : PEER_PENDING;
	v->pinned = t->p.origin == PEERD_PINNED;
	(void)naddr_parse_ip(&v->addr, t->p.host, t->p.port);
	v->rtt_us = v->last_seen = v->since = MSG_NULL64;
	v->bytes_in = v->bytes_out = v->seq = MSG_NULL64;
	(void)strlcpy(v->last_error, t->error, sizeof(v->last_error));
}

struct answer {
	struct ipc *ch;
	uint32_t id;
	const char *word;
	bool cut;
};

static bool
wanted(const struct msg_peer *v, const char *word, bool is_static)
{
	if (word[0] == '\0')
		return true;
	if (strcmp(word, "up") == 0)
		return v->dir != PEER_DIR_NONE;
	if (strcmp(word, "inbound") == 0)
		return v->dir == PEER_DIR_IN;
	if (strcmp(word, "outbound") == 0)
		return v->dir == PEER_DIR_OUT;
	if (strcmp(word, "loops") == 0)
		return v->role == PEER_ROLE_LOOPS ||
		    v->role == PEER_ROLE_CIRCUIT;
	if (strcmp(word, "static") == 0)
		return is_static;
	return strcmp(word, "known") == 0 && v->dir == PEER_DIR_NONE &&
	    v->known;
}

static void
answer_peer(struct answer *a, const struct msg_peer *v, bool is_static)
{
	if (!wanted(v, a->word, is_static))
		return;
	if (ipc_queued(a->ch) > ANSWER_MAX)
		a->cut = true;
	else
		(void)ipc_send(a->ch, CTL_PEER, a->id, v);
}

static bool
is_word(const char *word)
{
	static const char *const words[] = { "", "up", "inbound", "outbound",
		"static", "known", "loops" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/*
 * What no known node is shown with: links of nodes the table had no room for,
 * and those for loops, each beside the node itself.
 */
static void
answer_links(struct answer *a)
{
	static struct msg_peer v;
	const struct known_node *n;
	const struct conn *c;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c)) {
		if (c->state != CONN_UP || c->node != NULL)
			continue;
		n = known_find(&peerd.known, c->id);
		if (n != NULL && c->loops)
			nodes_view(n, c, &v);
		else
			nodes_view_link(c, &v);
		answer_peer(a, &v, !c->loops && targets_of_id(c->id) != NULL);
	}
}

static void
answer_all(struct answer *a)
{
	static struct msg_peer v;
	const struct known_node *n = NULL;
	const struct target *t = NULL;

	while ((n = known_next(&peerd.known, n)) != NULL) {
		nodes_view(n, conn_find(n->id), &v);
		answer_peer(a, &v, targets_of_id(n->id) != NULL);
	}
	answer_links(a);
	while ((t = targets_next(t)) != NULL) {
		if (t->p.origin == PEERD_DNS_SEED ||
		    (targets_id(t) != NULL &&
			known_find(&peerd.known, targets_id(t)) != NULL))
			continue;
		view_target(t, &v);
		answer_peer(a, &v, true);
	}
}

void
show_peers(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_word *w = m->body;
	struct answer a = { ch, m->id, w->word, false };

	if (!is_word(w->word)) {
		child_ctl_end(ch, m->id, 1,
		    "no such choice; one of up, inbound, outbound, static, "
		    "known, loops");
		return;
	}
	answer_all(&a);
	child_ctl_end(ch, m->id, 0, "%s",
	    a.cut ? "too many to show all of them" : "");
}

/* --- one peer --- */

void
show_peer(struct ipc *ch, const struct ipc_msg *m)
{
	static struct msg_peer v;
	const struct msg_ctl_word *w = m->body;
	const struct known_node *n;
	const struct target *t = targets_find(w->word);
	const struct conn *c;
	const char *why;
	uint8_t id[32];

	if (lookup_peer(w->word, id, &why) == 0) {
		if ((c = conn_find(id)) == NULL)
			c = conn_find_any(id);
		n = known_find(&peerd.known, id);
		t = targets_of_id(id);
		if (n != NULL)
			nodes_view(n, c, &v);
		else if (c != NULL)
			nodes_view_link(c, &v);
		else if (t != NULL)
			view_target(t, &v);
	} else if (t != NULL) {
		view_target(t, &v);
	} else {
		child_ctl_end(ch, m->id, 1, "%s", why);
		return;
	}
	(void)ipc_send(ch, CTL_PEER, m->id, &v);
	child_ctl_end(ch, m->id, 0, "%s", "");
}

void
show_bans(struct ipc *ch, const struct ipc_msg *m)
{
	const struct ban *b = NULL;
	struct msg_banned out;

	while ((b = ban_next(&peerd.bans, b, wall_now())) != NULL) {
		memset(&out, 0, sizeof(out));
		(void)edit_ban_text(b, out.what);
		out.until =
		    b->until == BAN_EVER ? 0 : (uint64_t)b->until * 1000;
		out.manual = b->manual;
		(void)strlcpy(out.reason, b->reason, sizeof(out.reason));
		(void)ipc_send(ch, CTL_BANNED, m->id, &out);
	}
	child_ctl_end(ch, m->id, 0, "%s", "");
}

void
show_tick(void)
{
	if (conn_links(-1) > 0)
		alone_since.ms = 0;
	else if (alone_since.ms == 0)
		alone_since = wall_now();
}
