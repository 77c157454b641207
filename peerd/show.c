/* SPDX-License-Identifier: ISC */
/*
 * Control requests that look and change nothing.  Each answer is parts with
 * the request's id and one end.
 */
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "peerd/peerd.h"

#define ALONE_MS     30000 /* no link for so long is a problem */
#define SKEW_MS      5000
#define SKEW_PEERS   3
#define PREFIX_MIN   4          /* digits of a key that name a peer */
#define ANSWER_MAX   (4u << 20) /* bytes of an answer waiting */
#define PING_EACH_MS 1000
#define PING_WAIT_MS 5000

static struct wall alone_since; /* 0: not alone */

/* --- status --- */

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* How far our clock is behind most others', in ms. */
static bool
clock_skew(int64_t *ms)
{
	int64_t off[256];
	const struct conn *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &peerd.conns, next)
		if (c->state == CONN_UP && c->has_clock && n < 256)
			off[n++] = c->clock_off_ms;
	if (n < SKEW_PEERS)
		return false;
	qsort(off, n, sizeof(off[0]), by_value);
	*ms = off[n / 2];
	return *ms > SKEW_MS || *ms < -SKEW_MS;
}

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
	if (clock_skew(&ms)) {
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
	struct msg_ctl_status s = { .now = (uint64_t)wall_now().ms,
		.peers_up = conn_links(-1),
		.peers_in = conn_links(0),
		.peers_known = peerd.known.n,
		.peers_max = peerd.conf.max_peers,
		.peers_banned = peerd.bans.n,
		.dialling = asks_dials(),
		.bytes_in = peerd.n.bytes_in,
		.bytes_out = peerd.n.bytes_out };

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

static const uint8_t *
target_id(const struct target *t)
{
	return t->p.has_key ? t->p.key : t->has_id ? t->id : NULL;
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
		"static", "known" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static void
answer_all(struct answer *a)
{
	static struct msg_peer v;
	const struct known_node *n = NULL;
	const struct target *t = NULL;
	const struct conn *c;

	while ((n = known_next(&peerd.known, n)) != NULL) {
		nodes_view(n, conn_find(n->id), &v);
		answer_peer(a, &v, targets_of_id(n->id) != NULL);
	}
	TAILQ_FOREACH(c, &peerd.conns, next) {
		if (c->state != CONN_UP || c->node != NULL)
			continue;
		nodes_view_link(c, &v);
		answer_peer(a, &v, targets_of_id(c->id) != NULL);
	}
	while ((t = targets_next(t)) != NULL) {
		if (t->p.origin == PEERD_DNS_SEED ||
		    (target_id(t) != NULL &&
			known_find(&peerd.known, target_id(t)) != NULL))
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
		    "known");
		return;
	}
	answer_all(&a);
	child_ctl_end(ch, m->id, 0, "%s",
	    a.cut ? "too many to show all of them" : "");
}

/* --- whom a word means --- */

struct lookup {
	const char *word;
	size_t len;
	unsigned n;
	uint8_t id[32];
};

static void
found(struct lookup *l, const uint8_t id[32])
{
	if (l->n > 0 && memcmp(l->id, id, 32) == 0)
		return;
	memcpy(l->id, id, 32);
	l->n++;
}

static void
match_digits(struct lookup *l, const uint8_t id[32])
{
	char hex[NODE_ID_HEX];

	if (strncasecmp(node_id_hex(id, hex), l->word, l->len) == 0)
		found(l, id);
}

static void
match_addr(struct lookup *l, const uint8_t id[32], const struct naddr *at)
{
	char text[NADDR_STR];

	if (at->fam != NADDR_NONE &&
	    (strcmp(naddr_str(at, text), l->word) == 0 ||
		strcmp(naddr_ip_str(at, text), l->word) == 0))
		found(l, id);
}

static void
match_node(struct lookup *l, const struct known_node *n)
{
	struct naddr a;
	unsigned nth;

	match_addr(l, n->id, &n->observed);
	for (nth = 0; nodes_dial_addr(n, nth, &a); nth++)
		match_addr(l, n->id, &a);
}

static bool
is_digits(const char *word)
{
	size_t n = 0;

	for (; isxdigit((unsigned char)word[n]); n++)
		continue;
	return word[n] == '\0' && n >= PREFIX_MIN && n <= 64;
}

/* Each way of naming a peer in turn; the first that finds one counts. */
static void
by_name(struct lookup *l)
{
	const struct target *t = targets_find(l->word);
	const struct known_node *n = NULL;

	if (t != NULL && target_id(t) != NULL)
		found(l, target_id(t));
	while (l->n == 0 && (n = known_next(&peerd.known, n)) != NULL)
		if (n->node.name[0] != '\0' &&
		    strcmp(n->node.name, l->word) == 0)
			found(l, n->id);
}

static void
by_digits(struct lookup *l)
{
	const struct known_node *n = NULL;
	const struct target *t = NULL;
	const struct conn *c;

	if (!is_digits(l->word))
		return;
	while ((n = known_next(&peerd.known, n)) != NULL)
		match_digits(l, n->id);
	TAILQ_FOREACH(c, &peerd.conns, next)
		if (c->state == CONN_UP && c->node == NULL)
			match_digits(l, c->id);
	while ((t = targets_next(t)) != NULL)
		if (target_id(t) != NULL &&
		    known_find(&peerd.known, target_id(t)) == NULL)
			match_digits(l, target_id(t));
}

static void
by_addr(struct lookup *l)
{
	const struct known_node *n = NULL;
	const struct conn *c;

	TAILQ_FOREACH(c, &peerd.conns, next)
		if (c->state == CONN_UP)
			match_addr(l, c->id, &c->remote);
	while (l->n == 0 && (n = known_next(&peerd.known, n)) != NULL)
		match_node(l, n);
}

int
show_lookup(const char *word, uint8_t id[32], const char **why)
{
	struct lookup l = { .word = word, .len = strlen(word) };

	by_name(&l);
	if (l.n == 0)
		by_digits(&l);
	if (l.n == 0)
		by_addr(&l);
	*why = l.n > 1 ? "that may be several peers; give more digits"
		       : "no such peer";
	memcpy(id, l.id, 32);
	return l.n == 1 ? 0 : -1;
}

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

	if (show_lookup(w->word, id, &why) == 0) {
		c = conn_find(id);
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

/* --- pings, one at a time for each request --- */

static struct ping {
	uint32_t ctl_id; /* 0: free */
	uint32_t conn;   /* serial of the link */
	uint16_t seq, count;
	bool waiting;
	uint64_t token;
	struct mono sent;
} pings[PINGS_MAX];

unsigned
show_pings(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < PINGS_MAX; i++)
		n += pings[i].ctl_id != 0;
	return n;
}

static void
ping_send(struct ping *p, struct conn *c, struct mono now)
{
	do
		randombytes_buf(&p->token, sizeof(p->token));
	while (p->token == 0);
	p->seq++;
	p->sent = now;
	p->waiting = true;
	traffic_ping(c, p->token);
}

static void
ping_answer(struct ping *p, const struct conn *c, uint64_t rtt_us)
{
	struct msg_ctl_pong pong = { .seq = p->seq,
		.rtt_us = rtt_us,
		.addr = c->remote };

	p->waiting = false;
	(void)ipc_send(child_parent(), CTL_PONG, p->ctl_id, &pong);
	if (p->seq < p->count)
		return;
	child_ctl_end(child_parent(), p->ctl_id, 0, "%s", "");
	p->ctl_id = 0;
}

void
show_ping(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_ping *q = m->body;
	struct ping *p = NULL;
	struct conn *c;
	const char *why;
	uint8_t id[32];
	size_t i;

	if (show_lookup(q->peer, id, &why) == -1) {
		child_ctl_end(ch, m->id, 1, "%s", why);
		return;
	}
	if ((c = conn_find(id)) == NULL) {
		child_ctl_end(ch, m->id, 1, "that peer is not linked");
		return;
	}
	for (i = 0; p == NULL && i < PINGS_MAX; i++)
		if (pings[i].ctl_id == 0)
			p = &pings[i];
	if (p == NULL) {
		child_ctl_end(ch, m->id, 1, "too many pings at a time");
		return;
	}
	memset(p, 0, sizeof(*p));
	p->ctl_id = m->id;
	p->conn = c->serial;
	p->count = q->count == 0 ? 1 : q->count;
	ping_send(p, c, mono_now());
}

bool
show_pong(const struct conn *c, uint64_t token, struct mono now)
{
	size_t i;

	for (i = 0; i < PINGS_MAX; i++) {
		if (pings[i].ctl_id == 0 || !pings[i].waiting ||
		    pings[i].conn != c->serial || pings[i].token != token)
			continue;
		ping_answer(&pings[i], c,
		    (uint64_t)(now.us - pings[i].sent.us));
		return true;
	}
	return false;
}

static void
ping_tick(struct ping *p, struct mono now)
{
	struct conn *c = conn_by_serial(p->conn);
	int64_t ms = mono_ms_between(p->sent, now);

	if (c == NULL) {
		child_ctl_end(child_parent(), p->ctl_id, 1,
		    "the link went down");
		p->ctl_id = 0;
	} else if (p->waiting && ms >= PING_WAIT_MS) {
		ping_answer(p, c, MSG_NULL64);
	} else if (!p->waiting && ms >= PING_EACH_MS) {
		ping_send(p, c, now);
	}
}

void
show_tick(struct mono now)
{
	size_t i;

	if (conn_links(-1) > 0)
		alone_since.ms = 0;
	else if (alone_since.ms == 0)
		alone_since = wall_now();
	for (i = 0; i < PINGS_MAX; i++)
		if (pings[i].ctl_id != 0)
			ping_tick(&pings[i], now);
}
