/* SPDX-License-Identifier: ISC */
/*
 * The overlay core: whom it dials, whom it lets in, who goes for whom, and
 * what hostile neighbours may cost.
 */
#include "peerd/overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/abook.h"

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

static void
put(enum op op, unsigned link, uint32_t v, uint32_t node, uint8_t why)
{
	assert_true(n_was < LOG);
	was[n_was].op = op;
	was[n_was].link = link;
	was[n_was].v = v;
	was[n_was].node = node;
	was[n_was++].why = why;
}

static struct wire_addr
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

static uint32_t
node_of(const struct wire_addr *a)
{
	uint32_t node;

	memcpy(&node, a->id, 4);
	return node;
}

static bool
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

static void
dial(void *ctx, uint32_t tag, enum overlay_why why,
    const struct overlay_cand *c)
{
	(void)ctx;
	put(DIAL, 0, tag, node_of(&c->at), (uint8_t)why);
}

static void
close_link(void *ctx, unsigned link)
{
	(void)ctx;
	put(CLOSE, link, 0, 0, 0);
}

static void
send_join(void *ctx, unsigned link, unsigned ttl, const struct wire_addr *node)
{
	(void)ctx;
	put(JOIN, link, ttl, node_of(node), 0);
}

static void
send_neighbor(void *ctx, unsigned link, enum wire_want want)
{
	(void)ctx;
	put(NEIGHBOR, link, (uint32_t)want, 0, 0);
}

static void
send_disconnect(void *ctx, unsigned link, enum wire_gone why)
{
	(void)ctx;
	put(DISCONNECT, link, (uint32_t)why, 0, 0);
}

static void
send_swap(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	put(SWAP, link, 0, node_of(node), 0);
}

static void
give(void *ctx, unsigned link)
{
	(void)ctx;
	put(GIVE, link, 0, 0, 0);
}

static void
ping(void *ctx, unsigned link)
{
	(void)ctx;
	put(PING, link, 0, 0, 0);
}

static void
view_up(void *ctx, unsigned link, unsigned slot)
{
	(void)ctx;
	assert_true(slot < OVERLAY_SLOTS);
	put(UP, link, slot, 0, 0);
}

static void
view_down(void *ctx, unsigned link, unsigned slot)
{
	(void)ctx;
	put(DOWN, link, slot, 0, 0);
}

static void
heard_of(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	put(HEARD_OF, link, 0, node_of(node), 0);
}

static uint64_t
rnd(void *ctx)
{
	(void)ctx;
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return seed ^ seed >> 31;
}

static const struct overlay_ops ops = { pick, dial, close_link, send_join,
	send_neighbor, send_disconnect, send_swap, give, ping, view_up,
	view_down, heard_of, rnd };

static size_t
count(enum op op, int link)
{
	size_t i, n = 0;

	for (i = 0; i < n_was; i++)
		n += was[i].op == op &&
		    (link == -1 || was[i].link == (unsigned)link);
	return n;
}

/* The last of that kind; fails when there is none. */
static size_t
last(enum op op)
{
	size_t i = n_was;

	while (i > 0)
		if (was[--i].op == op)
			return i;
	fail_msg("nothing of kind %d happened", op);
	return 0;
}

static void
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

static int
setup(void **state)
{
	(void)state;
	begin(false);
	return 0;
}

static void
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
static void
connect_at(size_t at, unsigned link)
{
	struct wire_addr a = addr_of(was[at].node);

	assert_int_equal(was[at].op, DIAL);
	overlay_link_up(&ov, link, (enum overlay_why)was[at].why, was[at].v, &a,
	    abook_group(&a.addr), now);
}

static void
accept_from(unsigned link, uint32_t node)
{
	struct wire_addr a = addr_of(node);

	overlay_link_up(&ov, link, OVERLAY_THEIRS, 0, &a, abook_group(&a.addr),
	    now);
}

/* A view of six dialled links, numbers 0..5, to nodes 100..105. */
static void
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
static void
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

static void
test_newcomer(void **state)
{
	(void)state;
	boot_on = true;
	overlay_start(&ov, now);
	(void)overlay_tick(&ov, now);
	assert_int_equal(count(DIAL, -1), 1);
	assert_int_equal(was[0].node, 1000);
	connect_at(0, 3);
	assert_int_equal(was[last(JOIN)].v, OVERLAY_TTL);
	assert_int_equal(was[last(JOIN)].node, 999);
	(void)overlay_on_neighbor(&ov, 3, WIRE_WANT_YES, now);
	assert_int_equal(overlay_state(&ov, 3), OVERLAY_ACTIVE);
	assert_int_equal(count(UP, 3), 1);
}

/* Refused by a full contact: what it gave us is dialled, soon. */
static void
test_refused(void **state)
{
	(void)state;
	boot_on = true;
	overlay_start(&ov, now);
	(void)overlay_tick(&ov, now);
	connect_at(0, 3);
	(void)overlay_on_disconnect(&ov, 3, WIRE_GONE_FULL, now);
	assert_int_equal(count(CLOSE, 3), 1);
	boot_on = false;
	book_end = 104;
	pass(OVERLAY_REPLACE_MS);
	assert_int_equal(count(DIAL, -1), 5);
}

static void
test_replace(void **state)
{
	(void)state;
	settle();
	book_end = 120;
	n_was = 0;
	overlay_link_down(&ov, 2, now);
	assert_int_equal(count(DOWN, 2), 1);
	pass(OVERLAY_REPLACE_MS);
	assert_int_equal(count(DIAL, -1), 1);
	assert_int_equal(overlay_active(&ov), 5);
	/* The dial fails: another at once, for five are too few. */
	overlay_dial_failed(&ov, was[last(DIAL)].v, now);
	pass(OVERLAY_REPLACE_MS);
	assert_int_equal(count(DIAL, -1), 2);
}

/* With links enough, refusals make us patient. */
static void
test_patience(void **state)
{
	size_t n;

	(void)state;
	fill();
	book_end = 10000;
	overlay_link_down(&ov, 5, now);
	pass(OVERLAY_REPLACE_MS);
	n = count(DIAL, -1);
	assert_int_equal(n, 1);
	while (now.us < 1000000000 + INT64_C(200000000)) {
		overlay_dial_failed(&ov, was[last(DIAL)].v, now);
		pass(500);
	}
	assert_true(count(DIAL, -1) > 5 && count(DIAL, -1) < 25);
}

static void
test_accept(void **state)
{
	(void)state;
	fill();
	assert_int_equal(overlay_active(&ov), 12);
	accept_from(12, 300);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_LOW, now);
	assert_int_equal(count(GIVE, 12), 1);
	assert_int_equal(was[last(DISCONNECT)].v, WIRE_GONE_FULL);
	/* Its dialler closes it, or has another use for it. */
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_CONTACT);
	pass(3000);
	assert_int_equal(count(CLOSE, 12), 0);
}

static void
test_high(void **state)
{
	unsigned victim;

	(void)state;
	fill();
	accept_from(12, 300);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_HIGH, now);
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_ACTIVE);
	victim = was[last(DISCONNECT)].link;
	assert_int_equal(was[last(DISCONNECT)].v, WIRE_GONE_EVICTED);
	assert_true(victim >= 6 && victim < 12); /* an accepted one */
	assert_int_equal(overlay_active(&ov), 12);
	/* The same key again: not for ten seconds. */
	overlay_link_down(&ov, 12, now);
	accept_from(13, 301);
	(void)overlay_on_neighbor(&ov, 13, WIRE_WANT_LOW, now);
	now = mono_add_ms(now, 2000);
	accept_from(12, 300);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_HIGH, now);
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_CONTACT);
	/* Another key in the same breath: changes come slowly. */
	accept_from(14, 302);
	(void)overlay_on_neighbor(&ov, 14, WIRE_WANT_HIGH, now);
	assert_int_equal(overlay_state(&ov, 14), OVERLAY_ACTIVE);
	accept_from(15, 303);
	(void)overlay_on_neighbor(&ov, 15, WIRE_WANT_HIGH, now);
	assert_int_equal(overlay_state(&ov, 15), OVERLAY_CONTACT);
}

/* Never dial who evicted us, for a minute. */
static void
test_evicted(void **state)
{
	(void)state;
	settle();
	n_was = 0;
	(void)overlay_on_disconnect(&ov, 2, WIRE_GONE_EVICTED, now);
	assert_int_equal(count(CLOSE, 2), 1);
	book_next = 102; /* that very node, and nobody else */
	book_end = 103;
	pass(30000);
	assert_int_equal(count(DIAL, -1), 0);
	while (now.us < INT64_C(1061000000)) {
		pass(500);
		book_next = 102;
	}
	book_next = 102;
	pass(2000);
	assert_true(count(DIAL, -1) >= 1);
}

static void
test_walk(void **state)
{
	struct wire_addr a = addr_of(500);
	unsigned to;

	(void)state;
	fill();
	assert_true(overlay_on_join(&ov, 7, 4, &a, now));
	assert_int_equal(count(HEARD_OF, 7), 1);
	assert_int_equal(count(JOIN, -1), 1);
	to = was[last(JOIN)].link;
	assert_int_equal(was[last(JOIN)].v, 3);
	assert_true(to != 7 && to < 12);
	/* At its end: dial, then a swap gives the newcomer a second place. */
	n_was = 0;
	assert_true(overlay_on_join(&ov, 7, 0, &a, now));
	assert_int_equal(count(JOIN, -1), 0);
	assert_int_equal(was[last(DIAL)].node, 500);
	connect_at(last(DIAL), 12);
	assert_int_equal(was[last(NEIGHBOR)].v, WIRE_WANT_LOW);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_YES, now);
	assert_int_equal(count(SWAP, 12), 1);
	assert_int_equal(was[last(DISCONNECT)].v, WIRE_GONE_SWAPPED);
	assert_int_equal(was[last(SWAP)].node,
	    node_of(&links[was[last(DISCONNECT)].link].node));
	assert_int_equal(overlay_dialled(&ov), 6);
}

/* A walk finds somebody with a place: that is the end of it. */
static void
test_walk_wanted(void **state)
{
	struct wire_addr a = addr_of(500);

	(void)state;
	settle();
	overlay_link_down(&ov, 5, now);
	n_was = 0;
	assert_true(overlay_on_join(&ov, 1, 4, &a, now));
	pass(1);
	assert_int_equal(count(JOIN, -1), 0);
	assert_int_equal(was[last(DIAL)].node, 500);
}

static void
test_contact(void **state)
{
	struct wire_addr a = addr_of(300), other = addr_of(301);

	(void)state;
	settle();
	n_was = 0;
	accept_from(12, 300);
	assert_false(overlay_on_join(&ov, 12, 6, &other, now));
	assert_int_equal(n_was, 0);
	assert_true(overlay_on_join(&ov, 12, 6, &a, now));
	assert_int_equal(was[last(NEIGHBOR)].v, WIRE_WANT_YES);
	assert_int_equal(count(GIVE, 12), 1);
	assert_int_equal(count(JOIN, -1), 3);
	assert_int_equal(was[last(JOIN)].v, OVERLAY_TTL - 1);
	/* A full contact evicts nobody. */
	begin(false);
	fill();
	accept_from(12, 300);
	assert_true(overlay_on_join(&ov, 12, 6, &a, now));
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_CONTACT);
	assert_int_equal(overlay_active(&ov), 12);
	assert_int_equal(count(GIVE, 12), 1);
	assert_int_equal(count(JOIN, -1), 3);
	/* Said again, it walks no further. */
	assert_true(overlay_on_join(&ov, 12, 6, &a, now));
	assert_int_equal(count(JOIN, -1), 3);
	assert_int_equal(overlay_stats(&ov)->limited, 1);
}

/* A flood of requests on a link that is not let in. */
static void
test_flood(void **state)
{
	struct wire_addr a = addr_of(300);
	unsigned i;

	(void)state;
	fill();
	accept_from(12, 300);
	for (i = 0; i < 300; i++) {
		(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_LOW, now);
		(void)overlay_on_join(&ov, 12, 6, &a, now);
	}
	assert_int_equal(overlay_active(&ov), 12);
	assert_int_equal(count(DISCONNECT, 12), 31); /* 30 and the JOIN */
	assert_int_equal(count(GIVE, 12), 31);
	assert_int_equal(count(JOIN, -1), 3);
	assert_int_equal(overlay_stats(&ov)->limited, 270 + 299);
	/* A swap as well, and none of it lasts. */
	assert_true(overlay_on_swap(&ov, 12, &a, now));
	assert_int_equal(count(SWAP, -1), 0);
	now = mono_add_ms(now, 1000);
	assert_true(overlay_on_swap(&ov, 12, &a, now));
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_ACTIVE);
}

static void
test_walk_rate(void **state)
{
	struct wire_addr a;
	uint32_t i;

	(void)state;
	fill();
	for (i = 0; i < 200; i++) {
		a = addr_of(5000 + i);
		assert_true(overlay_on_join(&ov, 7, 4, &a, now));
	}
	/* Thirty requests at once, and its NEIGHBOR was one of them. */
	assert_int_equal(count(JOIN, -1), 29);
	assert_int_equal(overlay_stats(&ov)->limited, 171);
	now = mono_add_ms(now, 1000);
	assert_true(overlay_on_join(&ov, 7, 4, &a, now));
	assert_int_equal(count(JOIN, -1), 30);
}

static void
test_swap(void **state)
{
	struct wire_addr a = addr_of(300), lie = addr_of(301);
	unsigned v;

	(void)state;
	fill();
	accept_from(12, 300);
	assert_false(overlay_on_swap(&ov, 12, &lie, now));
	assert_true(overlay_on_swap(&ov, 12, &a, now));
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_ACTIVE);
	v = was[last(SWAP)].link;
	assert_true(v >= 6 && v < 12);
	assert_int_equal(was[last(SWAP)].node, 300);
	assert_int_equal(was[last(DISCONNECT)].link, v);
	assert_int_equal(overlay_active(&ov), 12);
}

/* The other side of it: evicted by a swap, we dial who stands between. */
static void
test_swapped(void **state)
{
	struct wire_addr a = addr_of(300);

	(void)state;
	settle();
	n_was = 0;
	assert_true(overlay_on_swap(&ov, 1, &a, now));
	pass(0);
	assert_int_equal(count(DIAL, -1), 0); /* six are dialled */
	(void)overlay_on_disconnect(&ov, 1, WIRE_GONE_SWAPPED, now);
	pass(OVERLAY_REPLACE_MS);
	assert_int_equal(count(DIAL, -1), 1);
	assert_int_equal(was[last(DIAL)].node, 300);
}

static void
test_stuck(void **state)
{
	unsigned i;

	(void)state;
	settle();
	for (i = 2; i < 6; i++)
		overlay_link_down(&ov, i, now);
	pass(OVERLAY_STUCK_MS);
	n_was = 0;
	book_end = book_next + 1;
	pass(1500);
	connect_at(last(DIAL), 5);
	assert_int_equal(count(SWAP, 5), 1);
	assert_int_equal(was[last(SWAP)].node, 999);
	/* With one link or none it says HIGH instead. */
	overlay_link_down(&ov, 1, now);
	overlay_link_down(&ov, 5, now);
	book_end = book_next + 1;
	pass(1500);
	connect_at(last(DIAL), 4);
	assert_int_equal(was[last(NEIGHBOR)].v, WIRE_WANT_HIGH);
}

static void
test_silence(void **state)
{
	(void)state;
	settle();
	n_was = 0;
	now = mono_add_ms(now, 1000);
	overlay_heard(&ov, 0, now);
	now = mono_add_ms(now, 1000);
	(void)overlay_tick(&ov, now);
	assert_int_equal(count(PING, 0), 0);
	assert_int_equal(count(PING, 3), 1);
	while (now.us < 1000000000 + INT64_C(6100000)) {
		now = overlay_due(&ov);
		overlay_heard(&ov, 0, now);
		(void)overlay_tick(&ov, now);
	}
	assert_int_equal(overlay_state(&ov, 0), OVERLAY_ACTIVE);
	assert_int_equal(overlay_state(&ov, 3), OVERLAY_NONE);
	assert_int_equal(overlay_stats(&ov)->silent, 5);
	assert_true(now.us >= 1000000000 + INT64_C(6000000));
}

/* A far neighbour may be silent for longer. */
static void
test_silence_far(void **state)
{
	(void)state;
	settle();
	overlay_link_rtt(&ov, 3, 1000000);
	while (now.us < 1000000000 + INT64_C(11000000)) {
		now = overlay_due(&ov);
		(void)overlay_tick(&ov, now);
	}
	assert_int_equal(overlay_state(&ov, 3), OVERLAY_ACTIVE);
	assert_int_equal(overlay_active(&ov), 1);
}

/* Our loop hung for ten seconds: nobody is dead for that. */
static void
test_lag(void **state)
{
	(void)state;
	settle();
	now = mono_add_ms(now, 10000);
	(void)overlay_tick(&ov, now);
	assert_int_equal(overlay_active(&ov), 6);
	assert_true(ov.lag_ms > 5000);
	/* And for a while after it has more patience. */
	now = mono_add_ms(now, 6500);
	(void)overlay_tick(&ov, now);
	assert_int_equal(overlay_active(&ov), 6);
	/* Nor after a suspend, beyond all patience. */
	now = mono_add_ms(now, 600000);
	(void)overlay_tick(&ov, now);
	assert_int_equal(overlay_active(&ov), 6);
}

static size_t
feeler(void)
{
	size_t i;

	book_end = book_next + 5;
	pass(OVERLAY_FEELER_MS);
	i = last(DIAL);
	assert_int_equal(was[i].why, OVERLAY_FEELER);
	return i;
}

static void
neighbours_say(uint64_t tick, uint64_t root)
{
	unsigned i;

	for (i = 0; i < 12; i++)
		if (overlay_state(&ov, i) == OVERLAY_ACTIVE)
			overlay_on_root(&ov, i, tick, root, now);
}

static void
test_island(void **state)
{
	(void)state;
	fill();
	connect_at(feeler(), 12);
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_FEELING);
	overlay_own_root(&ov, 7, 111, now);
	neighbours_say(7, 111);
	overlay_on_root(&ov, 12, 7, 222, now);
	overlay_on_root(&ov, 12, 7, 222, now); /* the same tick again */
	assert_int_equal(count(NEIGHBOR, 12), 0);
	/* This time it speaks before our own tick is over, and our neighbours
	 * after it. */
	overlay_on_root(&ov, 12, 8, 333, now);
	overlay_own_root(&ov, 8, 112, now);
	assert_int_equal(count(NEIGHBOR, 12), 0);
	neighbours_say(8, 112);
	assert_int_equal(was[last(NEIGHBOR)].link, 12);
	assert_int_equal(was[last(NEIGHBOR)].v, WIRE_WANT_HIGH);
	assert_int_equal(was[last(DISCONNECT)].v, WIRE_GONE_ISLAND);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_YES, now);
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_ACTIVE);
	assert_int_equal(overlay_active(&ov), 12);
}

/* Whoever goes for the other island, it is no anchor. */
static void
test_island_anchors(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 30; i++) {
		begin(false);
		settle();
		connect_at(feeler(), 12);
		seed = i;
		overlay_own_root(&ov, 7, 1, now);
		overlay_on_root(&ov, 12, 7, 2, now);
		neighbours_say(8, 1);
		overlay_own_root(&ov, 8, 1, now);
		overlay_on_root(&ov, 12, 8, 2, now);
		assert_int_equal(was[last(DISCONNECT)].v, WIRE_GONE_ISLAND);
		assert_true(was[last(DISCONNECT)].link >= OVERLAY_ANCHORS);
	}
}

static void
test_no_island(void **state)
{
	size_t i;

	(void)state;
	fill();
	connect_at(i = feeler(), 12);
	overlay_own_root(&ov, 7, 111, now);
	overlay_on_root(&ov, 12, 7, 111, now);
	pass(OVERLAY_TELL_MS);
	assert_int_equal(count(CLOSE, 12), 1); /* knows what we know */
	connect_at(feeler(), 13);
	/* It differs, but so do our neighbours: we are the odd one. */
	for (i = 8; i < 11; i++) {
		neighbours_say(i, 5);
		overlay_own_root(&ov, i, 111, now);
		overlay_on_root(&ov, 13, i, 222, now);
	}
	assert_int_equal(count(NEIGHBOR, 13), 0);
	pass(OVERLAY_FEELER_MS);
	assert_int_equal(count(CLOSE, 13), 1);
}

static void
test_mesh(void **state)
{
	unsigned i;

	(void)state;
	overlay_set_nodes(&ov, 8, now);
	book_end = 107;
	overlay_start(&ov, now);
	(void)overlay_tick(&ov, now);
	assert_int_equal(count(DIAL, -1), 7);
	begin(false);
	overlay_set_nodes(&ov, 8, now);
	for (i = 0; i < 8; i++) {
		accept_from(i, 200 + i);
		(void)overlay_on_neighbor(&ov, i, WIRE_WANT_LOW, now);
	}
	assert_int_equal(overlay_active(&ov), 8);
}

/* A mesh that grew: what is above the bounds goes, one link at a time. */
static void
test_shed(void **state)
{
	unsigned i;
	size_t k;

	(void)state;
	overlay_set_nodes(&ov, 8, now);
	book_end = 108;
	overlay_start(&ov, now);
	(void)overlay_tick(&ov, now);
	for (i = 0, k = 0; k < n_was; k++)
		if (was[k].op == DIAL) {
			connect_at(k, i);
			(void)overlay_on_neighbor(&ov, i++, WIRE_WANT_YES, now);
		}
	assert_int_equal(overlay_dialled(&ov), 8);
	for (i = 8; i < 16; i++) {
		accept_from(i, 200 + i);
		(void)overlay_on_neighbor(&ov, i, WIRE_WANT_LOW, now);
	}
	assert_int_equal(overlay_active(&ov), 16);
	book_next = book_end;
	overlay_set_nodes(&ov, 20, now);
	n_was = 0;
	pass(OVERLAY_SHED_MS - 100);
	assert_int_equal(overlay_active(&ov), 16);
	pass(400);
	assert_int_equal(overlay_active(&ov), 15);
	pass(5000);
	assert_int_equal(overlay_active(&ov), 12);
	assert_int_equal(overlay_dialled(&ov), 6);
	assert_int_equal(overlay_stats(&ov)->shed, 4);
	assert_int_equal(count(CLOSE, -1), 2); /* those we dialled */
	assert_true(overlay_is_anchor(&ov, 0));
	assert_true(overlay_is_anchor(&ov, 1));
}

static void
by_others(unsigned link, enum overlay_why why, uint32_t node)
{
	struct wire_addr a = addr_of(node);

	overlay_link_up(&ov, link, why, 0, &a, abook_group(&a.addr), now);
}

/* Pinned peers: one is in the view, the others wait beside it. */
static void
test_pinned(void **state)
{
	(void)state;
	settle();
	n_was = 0;
	by_others(12, OVERLAY_PINNED, 300);
	assert_int_equal(count(NEIGHBOR, 12), 1);
	/* No room there now: the link stays for all that. */
	(void)overlay_on_disconnect(&ov, 12, WIRE_GONE_FULL, now);
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_CONTACT);
	assert_int_equal(count(CLOSE, 12), 0);
	by_others(13, OVERLAY_PINNED, 301);
	(void)overlay_on_neighbor(&ov, 13, WIRE_WANT_YES, now);
	assert_int_equal(overlay_state(&ov, 13), OVERLAY_ACTIVE);
	by_others(14, OVERLAY_PINNED, 302);
	assert_int_equal(overlay_state(&ov, 14), OVERLAY_CONTACT);
	assert_int_equal(count(NEIGHBOR, 14), 0);
	/* Seven are dialled: one goes, and it is not the pinned one. */
	pass(OVERLAY_SHED_MS + 2500);
	assert_int_equal(overlay_dialled(&ov), 6);
	assert_int_equal(overlay_state(&ov, 13), OVERLAY_ACTIVE);
	/* Another link is lost: who waits beside the view is asked first. */
	n_was = 0;
	overlay_link_down(&ov, 0, now);
	pass(OVERLAY_REPLACE_MS);
	assert_int_equal(count(DIAL, -1), 0);
	assert_int_equal(count(NEIGHBOR, 12) + count(NEIGHBOR, 14), 1);
	/* Nobody who lets it in: it hangs on. */
	pass(OVERLAY_ANSWER_MS + 100);
	assert_int_equal(count(CLOSE, 12) + count(CLOSE, 14), 0);
}

/* A pinned peer that dialled is let in, and not sent away for others. */
static void
test_pin_accepted(void **state)
{
	unsigned i;

	(void)state;
	fill();
	accept_from(12, 300);
	overlay_pin(&ov, 12, true);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_LOW, now);
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_ACTIVE);
	for (i = 0; i < 20; i++) {
		now = mono_add_ms(now, 2000);
		accept_from(13, 400 + i);
		(void)overlay_on_neighbor(&ov, 13, WIRE_WANT_HIGH, now);
		assert_int_equal(overlay_state(&ov, 13), OVERLAY_ACTIVE);
		overlay_link_down(&ov, 13, now);
		accept_from(14, 500 + i);
		(void)overlay_on_neighbor(&ov, 14, WIRE_WANT_LOW, now);
		overlay_link_down(&ov, 14, now);
	}
	assert_int_equal(overlay_state(&ov, 12), OVERLAY_ACTIVE);
}

/* Bootstrap nodes serve while there is need; other uses are left alone. */
static void
test_others(void **state)
{
	(void)state;
	settle();
	n_was = 0;
	by_others(12, OVERLAY_BOOT, 300);
	assert_int_equal(count(CLOSE, 12), 1);
	by_others(13, OVERLAY_ASIDE, 301);
	assert_int_equal(overlay_state(&ov, 13), OVERLAY_CONTACT);
	assert_int_equal(count(NEIGHBOR, -1), 0);
	begin(false);
	overlay_start(&ov, now);
	by_others(12, OVERLAY_BOOT, 300);
	assert_int_equal(count(JOIN, 12), 1);
	(void)overlay_on_disconnect(&ov, 12, WIRE_GONE_FULL, now);
	assert_int_equal(count(CLOSE, 12), 1);
	by_others(13, OVERLAY_ASIDE, 301);
	assert_int_equal(count(JOIN, 13), 1);
	(void)overlay_on_disconnect(&ov, 13, WIRE_GONE_FULL, now);
	assert_int_equal(overlay_state(&ov, 13), OVERLAY_CONTACT);
}

/* Let in nowhere: a link beside the view is kept until there are two. */
static void
test_spare(void **state)
{
	(void)state;
	overlay_start(&ov, now);
	pass(OVERLAY_STUCK_MS + 100);
	by_others(3, OVERLAY_BOOT, 300);
	(void)overlay_on_disconnect(&ov, 3, WIRE_GONE_FULL, now);
	assert_int_equal(overlay_state(&ov, 3), OVERLAY_CONTACT);
	accept_from(4, 301);
	(void)overlay_on_neighbor(&ov, 4, WIRE_WANT_LOW, now);
	pass(10);
	assert_int_equal(count(CLOSE, 3), 0);
	accept_from(5, 302);
	(void)overlay_on_neighbor(&ov, 5, WIRE_WANT_LOW, now);
	pass(10);
	assert_int_equal(count(CLOSE, 3), 1);
}

/* The shell sees to silence itself; news of the book shorten a wait. */
static void
test_times(void **state)
{
	(void)state;
	settle();
	overlay_set_times(&ov, 0, 1000);
	overlay_link_down(&ov, 0, now);
	(void)overlay_tick(&ov, now);
	while (now.us < 1000000000 + INT64_C(60000000)) {
		now = mono_add_ms(now, 500);
		(void)overlay_tick(&ov, now);
	}
	assert_int_equal(overlay_active(&ov), 5);
	assert_int_equal(count(PING, -1), 0);
	(void)overlay_tick(&ov, now);
	assert_true(mono_before(now, overlay_due(&ov)));
	n_was = 0;
	book_end++;
	overlay_news(&ov, now);
	(void)overlay_tick(&ov, now);
	assert_int_equal(count(DIAL, -1), 1);
}

static void
test_groups(void **state)
{
	(void)state;
	settle();
	accept_from(6, 201);
	(void)overlay_on_neighbor(&ov, 6, WIRE_WANT_LOW, now);
	overlay_link_down(&ov, 5, now);
	n_was = 0;
	/* Six links are left, and all the book has is a group we are in. */
	book_next = 100 + 256;
	book_end = book_next + 1;
	pass(OVERLAY_REPLACE_MS);
	assert_int_equal(book_next, book_end);
	assert_int_equal(count(DIAL, -1), 0);
	/* With five that is better than nothing. */
	overlay_link_down(&ov, 4, now);
	book_next = 100 + 512;
	book_end = book_next + 1;
	pass(1000);
	assert_int_equal(count(DIAL, -1), 1);
}

static void
test_anchors(void **state)
{
	struct wire_addr a[OVERLAY_ANCHORS];

	(void)state;
	fill();
	assert_int_equal(overlay_anchors(&ov, a), 2);
	assert_int_equal(node_of(&a[0]) + node_of(&a[1]), 100 + 101);
	overlay_link_down(&ov, 0, now);
	assert_int_equal(overlay_anchors(&ov, a), 2);
	assert_int_equal(node_of(&a[0]) + node_of(&a[1]), 101 + 102);
}

static void
test_hidden(void **state)
{
	size_t i;

	(void)state;
	begin(true);
	settle();
	book_end = 140;
	pass(31000);
	for (i = 0; i < n_was; i++)
		if (was[i].op == DIAL && was[i].why == OVERLAY_HIDDEN)
			break;
	assert_true(i < n_was);
	connect_at(i, 14);
	assert_true(overlay_is_hidden(&ov, 14));
	assert_int_equal(overlay_active(&ov), 6);
	assert_int_equal(count(NEIGHBOR, 14), 0);
	assert_int_equal(count(JOIN, 14), 0);
	/* The network shrank: all links belong to the mesh. */
	overlay_set_nodes(&ov, 8, now);
	pass(31000);
	assert_int_equal(count(CLOSE, 14), 1);
}

static void
test_stop(void **state)
{
	(void)state;
	fill();
	book_end = 140;
	overlay_stop(&ov, now);
	assert_int_equal(count(DISCONNECT, -1), 12);
	pass(5000);
	assert_int_equal(count(CLOSE, -1), 12);
	assert_int_equal(count(DIAL, -1), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(test_newcomer),
		T(test_refused),
		T(test_replace),
		T(test_patience),
		T(test_accept),
		T(test_high),
		T(test_evicted),
		T(test_walk),
		T(test_walk_wanted),
		T(test_contact),
		T(test_walk_rate),
		T(test_swap),
		T(test_swapped),
		T(test_stuck),
		T(test_silence),
		T(test_silence_far),
		T(test_lag),
		T(test_island),
		T(test_island_anchors),
		T(test_no_island),
		T(test_mesh),
		T(test_flood),
		T(test_shed),
		T(test_pinned),
		T(test_pin_accepted),
		T(test_others),
		T(test_spare),
		T(test_times),
		T(test_groups),
		T(test_anchors),
		T(test_hidden),
		T(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
