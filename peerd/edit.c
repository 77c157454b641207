/* SPDX-License-Identifier: ISC */
/*
 * Control requests that change something: peers added by hand, links made
 * and cut, bans.  What warren.conf says is changed there, never here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/peerd.h"

#define REFUSED    1
#define CUT_HOLD_S 60 /* after peer disconnect */

/* --- peers --- */

void
edit_peer_add(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_peer_add *a = m->body;
	struct msg_peerd_peer p = { .origin =
					a->pinned ? PEERD_PINNED : PEERD_STATIC,
		.port = a->port };

	if (a->host[0] == '\0' || a->port == 0) {
		child_ctl_end(ch, m->id, REFUSED, "a host and a port, please");
		return;
	}
	if (a->key[0] != '\0' && node_id_parse(p.key, a->key) == -1) {
		child_ctl_end(ch, m->id, REFUSED, "a key has 64 hex digits");
		return;
	}
	if (a->pinned && a->key[0] == '\0') {
		child_ctl_end(ch, m->id, REFUSED, "a pinned peer needs a key");
		return;
	}
	p.has_key = a->key[0] != '\0';
	if (p.has_key && memcmp(p.key, peerd.node.id, 32) == 0) {
		child_ctl_end(ch, m->id, REFUSED, SHAKE_SELF);
		return;
	}
	(void)strlcpy(p.host, a->host, sizeof(p.host));
	(void)strlcpy(p.name, a->name, sizeof(p.name));
	if (targets_add(&p) == NULL) {
		child_ctl_end(ch, m->id, REFUSED,
		    "that peer is there already, or %d are", TARGETS_MAX);
		return;
	}
	log_info("peer %s:%u added", p.host, p.port);
	keep_dirty(PEERD_FILE_PEERS, true);
	discover_soon();
	child_ctl_end(ch, m->id, 0, "added; it is being dialled");
}

/* The target that a word names, by its own names or by its node's. */
static struct target *
target_of(const char *word)
{
	struct target *t = targets_find(word);
	const char *why;
	uint8_t id[32];

	if (t == NULL && lookup_peer(word, id, &why) == 0)
		t = targets_of_id(id);
	return t;
}

void
edit_peer_delete(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_word *w = m->body;
	struct target *t = target_of(w->word);
	struct conn *c = NULL;

	if (t == NULL) {
		child_ctl_end(ch, m->id, REFUSED, "no such added peer");
		return;
	}
	if (!t->added) {
		child_ctl_end(ch, m->id, REFUSED,
		    "%s is in warren.conf; remove it there and reload",
		    t->p.name[0] != '\0' ? t->p.name : t->p.host);
		return;
	}
	if (t->p.has_key)
		c = conn_find(t->p.key);
	else if (t->has_id)
		c = conn_find(t->id);
	log_info("peer %s:%u deleted", t->p.host, t->p.port);
	targets_delete(t);
	keep_dirty(PEERD_FILE_PEERS, true);
	if (c != NULL)
		conn_end(c, WIRE_BYE_NONE, "deleted by the operator");
	child_ctl_end(ch, m->id, 0, "deleted");
}

/* Where to dial what a word means.  False with *why set. */
static bool
where(const char *word, struct dial_why *dial, const char **why)
{
	const struct target *t = targets_find(word);
	const struct known_node *n;

	if (t != NULL &&
	    naddr_parse_ip(&dial->addr, t->p.host, t->p.port) == 0) {
		dial->configured = true;
		dial->target = t->serial;
		dial->has_key = t->p.has_key;
		memcpy(dial->key, t->p.key, 32);
		return true;
	}
	if (lookup_peer(word, dial->key, why) == 0) {
		n = known_find(&peerd.known, dial->key);
		dial->has_key = true;
		*why = "that peer names no address to dial";
		return n != NULL && nodes_dial_addr(n, 0, &dial->addr);
	}
	if (naddr_parse(&dial->addr, word) == 0 && dial->addr.port != 0) {
		dial->configured = true;
		return true;
	}
	return false;
}

void
edit_peer_connect(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_word *w = m->body;
	struct dial_why dial = { .kind = DIAL_CTL, .ctl_id = m->id };
	struct target *t = targets_find(w->word);
	const char *why = "no such peer";

	if (!peerd.running) {
		child_ctl_end(ch, m->id, EX_TEMPFAIL, "not running yet");
		return;
	}
	if (!where(w->word, &dial, &why)) {
		if (t == NULL) {
			child_ctl_end(ch, m->id, REFUSED, "%s", why);
			return;
		}
		/* A name: resolved and dialled like any target. */
		targets_wake(t);
		discover_soon();
		child_ctl_end(ch, m->id, 0, "its name is being looked up");
		return;
	}
	if (dial.has_key && conn_find(dial.key) != NULL) {
		child_ctl_end(ch, m->id, 0, "already linked");
		return;
	}
	if (dial.has_key)
		discover_release(dial.key);
	dial.target = 0; /* its own turn is not this one */
	if (!asks_dial(&dial))
		child_ctl_end(ch, m->id, EX_TEMPFAIL,
		    "too many dials at a time");
}

void
edit_peer_disconnect(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_word *w = m->body;
	struct conn *c, *after;
	const char *why;
	uint8_t id[32];

	if (lookup_peer(w->word, id, &why) == -1) {
		child_ctl_end(ch, m->id, REFUSED, "%s", why);
		return;
	}
	if (conn_find(id) == NULL && conn_find_any(id) == NULL) {
		child_ctl_end(ch, m->id, REFUSED, "that peer is not linked");
		return;
	}
	discover_hold(id, CUT_HOLD_S, true);
	for (c = conn_next_any(NULL); c != NULL; c = after) {
		after = conn_next_any(c);
		if (c->state == CONN_UP && memcmp(c->id, id, 32) == 0)
			conn_end(c, WIRE_BYE_NONE,
			    "disconnected by the operator");
	}
	child_ctl_end(ch, m->id, 0, "disconnected, and left alone for %d s",
	    CUT_HOLD_S);
}

/* --- bans --- */

const char *
edit_ban_text(const struct ban *ban, char buf[72])
{
	const struct ban_target *t = &ban->target;
	char ip[NADDR_STR];

	if (t->addr.fam == NADDR_NONE)
		(void)node_id_hex(t->key, buf);
	else if (t->bits == naddr_ip_len(&t->addr) * 8)
		(void)snprintf(buf, 72, "%s", naddr_ip_str(&t->addr, ip));
	else
		(void)snprintf(buf, 72, "%s/%u", naddr_ip_str(&t->addr, ip),
		    t->bits);
	return buf;
}

/* "192.0.2.0/24" or "192.0.2.7" */
static bool
parse_prefix(const char *what, struct ban_target *t)
{
	char ip[72];
	const char *err = NULL;
	char *slash;
	struct naddr a;
	long long bits;

	(void)strlcpy(ip, what, sizeof(ip));
	if ((slash = strchr(ip, '/')) != NULL)
		*slash++ = '\0';
	if (naddr_parse_ip(&a, ip, 0) == -1)
		return false;
	bits = (long long)naddr_ip_len(&a) * 8;
	if (slash != NULL)
		bits = strtonum(slash, 1, bits, &err);
	if (err != NULL)
		return false;
	*t = ban_prefix(&a, (uint8_t)bits);
	return true;
}

static bool
parse_target(const char *what, struct ban_target *t, const char **why)
{
	uint8_t id[32];

	if (parse_prefix(what, t))
		return true;
	if (node_id_parse(id, what) == -1 && lookup_peer(what, id, why) == -1)
		return false;
	*t = ban_key(id);
	return true;
}

void
edit_ban_add(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_ban *b = m->body;
	const struct ban *ban;
	struct ban_target t;
	const char *why;
	char text[72];

	if (!parse_target(b->what, &t, &why)) {
		child_ctl_end(ch, m->id, REFUSED,
		    "a ban is of a key, an address or a prefix: %s", why);
		return;
	}
	if (t.addr.fam == NADDR_NONE && memcmp(t.key, peerd.node.id, 32) == 0) {
		child_ctl_end(ch, m->id, REFUSED, SHAKE_SELF);
		return;
	}
	ban = ban_manual(&peerd.bans, &t, b->for_s, b->reason, wall_now());
	if (ban == NULL) {
		child_ctl_end(ch, m->id, REFUSED, "the table of bans is full");
		return;
	}
	(void)edit_ban_text(ban, text);
	log_info("%s banned by the operator", text);
	child_event("peer", "%s banned by the operator", text);
	keep_dirty(PEERD_FILE_BANS, true);
	misdeed_ban_links();
	child_ctl_end(ch, m->id, 0, "%s is banned", text);
}

void
edit_ban_delete(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_word *w = m->body;
	struct ban_target t;
	const char *why;

	if (!parse_target(w->word, &t, &why) || !ban_lift(&peerd.bans, &t)) {
		child_ctl_end(ch, m->id, REFUSED, "no such ban");
		return;
	}
	keep_dirty(PEERD_FILE_BANS, true);
	log_info("ban of %s lifted", w->word);
	child_ctl_end(ch, m->id, 0, "lifted");
}
