/* SPDX-License-Identifier: ISC */
/*
 * The overlay core's view: whom it lets in, who goes for whom, and what
 * hostile neighbours may cost.  Whom it dials: overlay_dial_test.c.
 */
#include "tests/unit/overlay_kit.h"

static void
test_accept(void **state)
{
	(void)state;
	fill();
	assert_int_equal(overlay_active(&ov), 12);
	accept_from(12, 300);
	(void)overlay_on_neighbor(&ov, 12, WIRE_WANT_LOW, now);
	assert_int_equal(count(GIVE, 12), 0); /* it knows others */
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
	assert_int_equal(count(GIVE, 12), 1);
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
		T(test_mesh),
		T(test_flood),
		T(test_shed),
		T(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
