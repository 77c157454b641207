/* SPDX-License-Identifier: ISC */
/*
 * What becomes of a peer that misbehaves.  A score outlives its link for a
 * while, or whoever was near a ban would just dial again.
 */
#include <string.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/peerd.h"

#define REMEMBERED 64

static struct {
	bool used;
	uint8_t id[32];
	struct score score;
} memory[REMEMBERED];
static size_t oldest;

void
misdeed_remember(struct conn *c)
{
	size_t i;

	if (score_verdict(&c->score, mono_now()) == SCORE_FINE)
		return;
	i = oldest++ % REMEMBERED;
	memory[i].used = true;
	memcpy(memory[i].id, c->id, 32);
	memory[i].score = c->score;
}

void
misdeed_recall(struct conn *c)
{
	size_t i;

	for (i = 0; i < REMEMBERED; i++) {
		if (!memory[i].used || memcmp(memory[i].id, c->id, 32) != 0)
			continue;
		c->score = memory[i].score;
		memory[i].used = false;
		return;
	}
}

static void
ban(struct conn *c, const char *reason)
{
	struct ban_target key = ban_key(c->id), host = ban_host(&c->remote);
	struct wall now = wall_now();
	char id[9];

	if (targets_pinned(c->id)) {
		log_warn("peer %s: %s; pinned, so not banned",
		    id_short(c->id, id), reason);
		discover_hold(c->id, HOLD_S, true);
		return;
	}
	(void)ban_auto(&peerd.bans, &key, reason, now);
	/* On loopback the address tells no one apart, and a circuit has none. */
	if (c->circuit == NULL && addr_class(&c->remote) != ADDR_LOOPBACK)
		(void)ban_auto(&peerd.bans, &host, reason, now);
	keep_dirty(PEERD_FILE_BANS, true);
	log_info("peer %s banned: %s", id_short(c->id, id), reason);
	child_event("peer", "%s banned: %s", id_short(c->id, id), reason);
}

void
misdeed(struct conn *c, enum score_event event)
{
	const char *text = score_event_text(event);

	peerd.n.protocol_errors += event == SCORE_MALFORMED;
	if (c->state != CONN_UP ||
	    score_add(&c->score, event, mono_now()) != SCORE_BAN)
		return;
	ban(c, text);
	conn_end(c, WIRE_BYE_PROTOCOL, text);
	misdeed_ban_links();
}

void
misdeed_ban_links(void)
{
	struct wall now = wall_now();
	struct conn *c, *after;

	for (c = TAILQ_FIRST(&peerd.conns); c != NULL; c = after) {
		after = TAILQ_NEXT(c, next);
		if ((c->circuit == NULL &&
			ban_find_addr(&peerd.bans, &c->remote, now) != NULL) ||
		    (c->state == CONN_UP &&
			ban_find_key(&peerd.bans, c->id, now) != NULL))
			conn_end(c, WIRE_BYE_BANNED, "banned");
	}
}
