/* SPDX-License-Identifier: ISC */
/*
 * Addresses that links ask for and tell: GETADDR and ADDR.  Only what we
 * dialled ourselves with success is told on; what we are told only ever
 * enters the book as a claim.
 */
#include <sodium.h>
#include <string.h>

#include "common/addr_policy.h"
#include "peerd/peerd.h"

#define ADDR_EVERY_MS 30000 /* a link may ask so often */

/* Proven by ourselves, and of no network that the asker cannot see. */
static bool
is_tellable(const struct conn *c, const struct abook_entry *e)
{
	enum addr_class class = addr_class(&e->addr);

	return e->good != 0 && e->has_id && memcmp(e->id, c->id, 32) != 0 &&
	    (class == ADDR_GLOBAL || class == addr_class(&c->remote));
}

void
addrs_asked(struct conn *c, unsigned n)
{
	static struct wire_addr told[WIRE_ADDRS_MAX];
	static uint8_t buf[WIRE_ADDRS_MAX * 64 + 16];
	const struct abook_entry *e = NULL;
	struct mono now = mono_now();
	uint32_t seen = 0, at;
	struct wr w;

	if (c->addr_answered.us != 0 &&
	    mono_ms_between(c->addr_answered, now) < ADDR_EVERY_MS)
		return;
	c->addr_answered = now;
	/* A fair sample of n out of all: each newcomer replaces one. */
	while ((e = abook_next(&peerd.book, e)) != NULL) {
		if (!is_tellable(c, e))
			continue;
		at = seen < n ? seen : randombytes_uniform(seen + 1);
		seen++;
		if (at >= n)
			continue;
		memcpy(told[at].id, e->id, 32);
		told[at].addr = e->addr;
	}
	wr_init(&w, buf, sizeof(buf));
	wire_put_addr(&w, told, seen < n ? seen : n);
	if (!w.bad)
		(void)traffic_send(c, LANE_CONTROL, buf, w.len);
}

bool
addrs_learn(struct conn *c, const struct wire_addr *a)
{
	if (!addr_policy(&a->addr, ADDR_ADVERTISE, peerd.allow) ||
	    memcmp(a->id, peerd.node.id, 32) == 0 || discover_is_self(&a->addr))
		return true;
	if (!abook_source_take(&c->source, mono_now()))
		return false;
	(void)abook_add(&peerd.book, &a->addr, a->id, abook_group(&c->remote),
	    wall_now());
	keep_dirty(PEERD_FILE_BOOK, false);
	return true;
}

void
addrs_told(struct conn *c, struct wire_msg *m)
{
	struct wire_addr a;

	while (wire_next_addr(m, &a) && addrs_learn(c, &a))
		continue;
	discover_soon();
}
