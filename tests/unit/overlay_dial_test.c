/* SPDX-License-Identifier: ISC */
/*
 * The overlay core's dialling: whom it dials and when, feelers and what they
 * find, the hidden link, and links that fall silent.
 */
#include "tests/unit/overlay_kit.h"

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
	pass(OVERLAY_FEELER_MS + 1000);
	for (i = 0; i < n_was; i++)
		if (was[i].op == DIAL && was[i].why == OVERLAY_HIDDEN)
			break;
	assert_true(i < n_was);
	connect_at(i, 14);
	assert_true(overlay_is_hidden(&ov, 14));
	assert_int_equal(overlay_active(&ov), 6);
	assert_int_equal(count(NEIGHBOR, 14), 0);
	assert_int_equal(count(JOIN, 14), 0);
	/* The network shrank: no two nodes are spared as neighbours. */
	overlay_set_nodes(&ov, OVERLAY_HIDES, now);
	pass(OVERLAY_FEELER_MS + 1000);
	assert_int_equal(count(CLOSE, 14), 0);
	overlay_set_nodes(&ov, OVERLAY_HIDES - 1, now);
	pass(OVERLAY_FEELER_MS + 1000);
	assert_int_equal(count(CLOSE, 14), 1);
	n_was = 0;
	pass(2 * OVERLAY_FEELER_MS);
	for (i = 0; i < n_was; i++)
		assert_false(was[i].op == DIAL && was[i].why == OVERLAY_HIDDEN);
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
		T(test_silence),
		T(test_silence_far),
		T(test_lag),
		T(test_island),
		T(test_island_anchors),
		T(test_no_island),
		T(test_pinned),
		T(test_pin_accepted),
		T(test_others),
		T(test_spare),
		T(test_times),
		T(test_groups),
		T(test_anchors),
		T(test_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
