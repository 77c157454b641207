/* SPDX-License-Identifier: ISC */
/*
 * One overlay core and all it asks for, in a log, for its two tests: an
 * address book that counts, links that come up when a test says so, a clock
 * that jumps.
 */
#ifndef WARREN_TESTS_OVERLAY_KIT_H
#define WARREN_TESTS_OVERLAY_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/abook.h"
#include "peerd/overlay.h"

#define LINKS 24
#define LOG   4096

enum op {
	DIAL,
	CLOSE,
	JOIN,
	NEIGHBOR,
	DISCONNECT,
	SWAP,
	GIVE,
	PING,
	UP,
	DOWN,
	HEARD_OF
};

static struct {
	enum op op;
	unsigned link;
	uint32_t v; /* tag, ttl, want, reason, slot */
	uint32_t node;
	uint8_t why;
} was[LOG];
static size_t n_was;
static uint64_t seed;
static struct overlay ov;
static struct overlay_link links[LINKS];
static struct mono now;
static uint32_t book_next, book_end; /* nodes the book offers */
static bool boot_on, one_group;

static inline void
put(enum op op, unsigned link, uint32_t v, uint32_t node, uint8_t why)
{
	assert_true(n_was < LOG);
	was[n_was].op = op;
	was[n_was].link = link;
	was[n_was].v = v;
	was[n_was].node = node;
	was[n_was++].why = why;
}

static inline struct wire_addr
addr_of(uint32_t node)
{
	struct wire_addr a;

	memset(&a, 0, sizeof(a));
	memcpy(a.id, &node, 4);
	a.id[31] = 1;
	a.addr.fam = NADDR_V4;
	a.addr.ip[0] = 20;
	a.addr.ip[1] = one_group ? 1 : (uint8_t)node;
	a.addr.ip[3] = (uint8_t)node;
	a.addr.port = 38080;
	return a;
}

static inline uint32_t
node_of(const struct wire_addr *a)
{
	uint32_t node;

	memcpy(&node, a->id, 4);
	return node;
}

static inline bool
pick(void *ctx, enum overlay_pick kind, const uint64_t *groups, size_t n,
    struct overlay_cand *c)
{
	(void)ctx;
	(void)groups;
	assert_true(n <= 64);
	if (kind == OVERLAY_PICK_BOOT
		? !boot_on
		: (kind != OVERLAY_PICK_BOOK && kind != OVERLAY_PICK_NEW) ||
		    book_next == book_end)
		return false;
	c->at = addr_of(kind == OVERLAY_PICK_BOOT ? 1000 : book_next++);
	c->has_id = true;
	c->group = abook_group(&c->at.addr);
	return true;
}

static inline void
dial(void *ctx, uint32_t tag, enum overlay_why why,
    const struct overlay_cand *c)
{
	(void)ctx;
	put(DIAL, 0, tag, node_of(&c->at), (uint8_t)why);
}

static inline void
close_link(void *ctx, unsigned link)
{
	(void)ctx;
	put(CLOSE, link, 0, 0, 0);
}

static inline void
send_join(void *ctx, unsigned link, unsigned ttl, const struct wire_addr *node)
{
	(void)ctx;
	put(JOIN, link, ttl, node_of(node), 0);
}

static inline void
send_neighbor(void *ctx, unsigned link, enum wire_want want)
{
	(void)ctx;
	put(NEIGHBOR, link, (uint32_t)want, 0, 0);
}

static inline void
send_disconnect(void *ctx, unsigned link, enum wire_gone why)
{
	(void)ctx;
	put(DISCONNECT, link, (uint32_t)why, 0, 0);
}

static inline void
send_swap(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	put(SWAP, link, 0, node_of(node), 0);
}

static inline void
give(void *ctx, unsigned link)
{
	(void)ctx;
	put(GIVE, link, 0, 0, 0);
}

static inline void
ping(void *ctx, unsigned link)
{
	(void)ctx;
	put(PING, link, 0, 0, 0);
}

static inline void
view_up(void *ctx, unsigned link, unsigned slot)
{
	(void)ctx;
	assert_true(slot < OVERLAY_SLOTS);
	put(UP, link, slot, 0, 0);
}

static inline void
view_down(void *ctx, unsigned link, unsigned slot)
{
	(void)ctx;
	put(DOWN, link, slot, 0, 0);
}

static inline void
heard_of(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	put(HEARD_OF, link, 0, node_of(node), 0);
}

static inline uint64_t
rnd(void *ctx)
{
	(void)ctx;
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return seed ^ seed >> 31;
}

static const struct overlay_ops ops = { pick, dial, close_link, send_join,
	send_neighbor, send_disconnect, send_swap, give, ping, view_up,
	view_down, heard_of, rnd };

static inline size_t
count(enum op op, int link)
{
	size_t i, n = 0;

	for (i = 0; i < n_was; i++)
		n += was[i].op == op &&
		    (link == -1 || was[i].link == (unsigned)link);
	return n;
}

/* The last of that kind; fails when there is none. */
static inline size_t
last(enum op op)
{
	size_t i = n_was;

	while (i > 0)
		if (was[--i].op == op)
			return i;
	fail_msg("nothing of kind %d happened", op);
	return 0;
}

static inline void
begin(bool hidden)
{
	struct wire_addr self = addr_of(999);

	seed = 7;
	now.us = 1000000000;
	n_was = 0;
	book_next = 100;
	book_end = 100;
	boot_on = one_group = false;
	self = addr_of(999);
	overlay_init(&ov, links, LINKS, &self, true, hidden, &ops, NULL);
	overlay_set_nodes(&ov, 1000, now);
}

static inline int
setup(void **state)
{
	(void)state;
	begin(false);
	return 0;
}

static inline void
pass(int64_t ms)
{
	struct mono end = mono_add_ms(now, ms), due;
	unsigned i;

	while (due = overlay_due(&ov), mono_reached(due, end)) {
		now = mono_before(now, due) ? due : now;
		for (i = 0; i < LINKS; i++) /* everybody is alive */
			overlay_heard(&ov, i, now);
		(void)overlay_tick(&ov, now);
	}
	now = end;
	(void)overlay_tick(&ov, now);
}

/* The dial of the log's entry at succeeds, on that link. */
static inline void
connect_at(size_t at, unsigned link)
{
	struct wire_addr a = addr_of(was[at].node);

	assert_int_equal(was[at].op, DIAL);
	overlay_link_up(&ov, link, (enum overlay_why)was[at].why, was[at].v, &a,
	    abook_group(&a.addr), now);
}

static inline void
accept_from(unsigned link, uint32_t node)
{
	struct wire_addr a = addr_of(node);

	overlay_link_up(&ov, link, OVERLAY_THEIRS, 0, &a, abook_group(&a.addr),
	    now);
}

/* A view of six dialled links, numbers 0..5, to nodes 100..105. */
static inline void
settle(void)
{
	unsigned i;
	size_t k;

	book_next = 100;
	book_end = 106;
	overlay_start(&ov, now);
	(void)overlay_tick(&ov, now);
	assert_int_equal(count(DIAL, -1), 6);
	for (i = 0, k = 0; i < 6; k++)
		if (was[k].op == DIAL)
			connect_at(k, i++);
	for (i = 0; i < 6; i++) {
		now.us += 1000;
		assert_true(overlay_on_neighbor(&ov, i, WIRE_WANT_YES, now));
	}
	assert_int_equal(overlay_dialled(&ov), 6);
	(void)overlay_tick(&ov, now);
}

/* And six accepted ones, 6..11, of nodes 200..205. */
static inline void
fill(void)
{
	unsigned i;

	settle();
	for (i = 6; i < 12; i++) {
		accept_from(i, 194 + i);
		(void)overlay_on_neighbor(&ov, i, WIRE_WANT_LOW, now);
		assert_int_equal(overlay_state(&ov, i), OVERLAY_ACTIVE);
	}
	n_was = 0;
}

#endif
