/* SPDX-License-Identifier: ISC */
/*
 * The broadcast core's tree: what is pruned and grafted, how slowly, and to
 * whom it moves.
 */
#include "tests/unit/bcast_kit.h"

/* Nine duplicates are none; the tenth prunes; a first delivery forgives. */
static void
test_prune(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 9; i++) {
		(void)take(0, i, BCAST_PUSH);
		(void)take(1, i, BCAST_PUSH);
	}
	assert_int_equal(count(PRUNE, -1), 0);
	(void)take(1, 100, BCAST_PUSH);
	assert_int_equal(bcast_link_dups(b, 1), 0);
	for (i = 10; i < 20; i++) {
		(void)take(0, i, BCAST_PUSH);
		(void)take(1, i, BCAST_PUSH);
	}
	assert_int_equal(count(PRUNE, 1), 1);
	assert_false(bcast_is_eager(b, 1));
	assert_int_equal(bcast_eager_links(b), 3);
}

/* One prune in 1..3 s, and two links stay eager whatever they bring. */
static void
test_prune_slowly(void **state)
{
	uint32_t i;
	unsigned l;

	(void)state;
	for (i = 0; i < 30; i++)
		for (l = 0; l < 4; l++)
			(void)take(l, i, BCAST_PUSH);
	assert_int_equal(count(PRUNE, -1), 1);
	pass(900);
	for (l = 1; l < 4; l++)
		(void)take(l, 0, BCAST_PUSH);
	assert_int_equal(count(PRUNE, -1), 1);
	pass(2200);
	for (l = 1; l < 4; l++)
		(void)take(l, 0, BCAST_PUSH);
	assert_int_equal(count(PRUNE, -1), 2);
	for (i = 0; i < 5; i++) {
		pass(4000);
		for (l = 1; l < 4; l++)
			(void)take(l, 0, BCAST_PUSH);
	}
	assert_int_equal(bcast_eager_links(b), 2);
	assert_true(bcast_stats(b)->kept > 0);
}

static void
test_pruned_and_grafted(void **state)
{
	(void)state;
	bcast_on_prune(b, 2, 10000, now);
	assert_false(bcast_is_eager(b, 2));
	(void)take(0, 1, BCAST_PUSH);
	assert_int_equal(count(PUSH, 2), 0);
	bcast_on_graft(b, 2, now); /* it pruned us, so it may */
	assert_true(bcast_is_eager(b, 2));
	(void)take(0, 2, BCAST_PUSH);
	assert_int_equal(count(PUSH, 2), 1);
	/* And it hears of what it missed, at the next flush. */
	pass(60);
	assert_int_equal(count(IHAVE, 2), 1);
}

static void
test_backoff(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 10; i++) {
		(void)take(0, i, BCAST_PUSH);
		(void)take(1, i, BCAST_PUSH);
	}
	assert_int_equal(count(PRUNE, 1), 1);
	bcast_on_graft(b, 1, now); /* crossed on the way */
	assert_false(bcast_is_eager(b, 1));
	assert_int_equal(count(SCORE, 1), 0);
	assert_int_equal(count(PRUNE, 1), 2); /* told again */
	now = mono_add_ms(now, BCAST_GRACE_MS);
	bcast_on_graft(b, 1, now);
	assert_int_equal(count(SCORE, 1), 1);
	assert_int_equal(was[n_was - 2].v, SCORE_REGRAFT);
	now = mono_add_ms(now, BCAST_BACKOFF_MS);
	bcast_on_graft(b, 1, now);
	assert_true(bcast_is_eager(b, 1));
	assert_int_equal(bcast_stats(b)->refused, 2);
}

/* Pruned by all, it does not wait until it misses something. */
static void
test_last_prune(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		assert_int_equal(count(GRAFT, -1), 0);
		bcast_on_prune(b, i, 10000, now);
		if (i < 3)
			assert_int_equal(bcast_eager_links(b), 3 - i);
	}
	assert_int_equal(count(GRAFT, -1), 0); /* all ask for a pause */
	now = mono_add_ms(now, 20000);
	bcast_on_prune(b, 0, 1000, now);
	assert_int_equal(count(GRAFT, -1), 1);
	assert_int_equal(count(GRAFT, 0), 0);
}

static void
test_graft(void **state)
{
	uint32_t i;

	(void)state;
	bcast_on_prune(b, 1, 0, now);
	for (i = 0; i < 3; i++) {
		assert_int_equal(count(GRAFT, -1), 0);
		announce(1, i);
		pass(300);
		(void)take(1, i, BCAST_PULL);
	}
	assert_int_equal(count(GRAFT, 1), 1);
	assert_true(bcast_is_eager(b, 1));
	/* Within a backoff we keep asking and do not graft. */
	bcast_on_prune(b, 1, 60000, now);
	for (i = 10; i < 16; i++) {
		announce(1, i);
		pass(300);
		(void)take(1, i, BCAST_PULL);
	}
	assert_int_equal(count(GRAFT, 1), 1);
}

/*
 * n records are announced by the lazy link 3, and pushed by link 0 so many ms
 * later; before, when negative.
 */
static void
race(uint32_t from, uint32_t n, int ms)
{
	uint32_t i;

	for (i = from; i < from + n; i++) {
		if (ms >= 0)
			announce(3, i);
		else
			(void)take(0, i, BCAST_PUSH);
		pass(ms < 0 ? -ms : ms);
		if (ms < 0)
			announce(3, i);
		else
			(void)take(0, i, BCAST_PUSH);
		pass(200);
	}
}

/* Announcements that run ahead of the tree: it is better there. */
static void
test_move(void **state)
{
	(void)state;
	bcast_on_prune(b, 3, 0, now);
	race(100, 50, BCAST_AHEAD_MS - 10);
	assert_int_equal(count(GRAFT, -1), 0);
	race(200, 40, BCAST_AHEAD_MS + 40);
	assert_int_equal(count(GRAFT, 3), 1);
	assert_int_equal(bcast_stats(b)->moves, 1);
	assert_true(bcast_is_eager(b, 3));
	assert_int_equal(count(PULL, -1), 0);
	/* Sent away again, it is asked after a while, and not each time. */
	bcast_on_prune(b, 3, 0, now);
	race(300, 40, BCAST_AHEAD_MS + 40);
	assert_int_equal(count(GRAFT, 3), 2);
}

/* Ahead now and then is not ahead. */
static void
test_no_move(void **state)
{
	uint32_t i;

	(void)state;
	bcast_on_prune(b, 3, 0, now);
	for (i = 0; i < 20; i++) {
		race(100 + 2 * i, 1, 2 * BCAST_AHEAD_MS);
		race(101 + 2 * i, 1, -2 * BCAST_AHEAD_MS);
	}
	assert_int_equal(count(GRAFT, -1), 0);
}

/* Links 2 and 3 are lazy, and both announce n records ahead of link 0. */
static void
both_ahead(uint32_t from, uint32_t n)
{
	uint32_t i;

	for (i = from; i < from + n; i++) {
		announce(2, i);
		announce(3, i);
	}
	pass(BCAST_AHEAD_MS + 40);
	for (i = from; i < from + n; i++)
		(void)take(0, i, BCAST_PUSH);
}

/* One in so long, or a whole neighbourhood runs to whom is ahead. */
static void
test_move_slowly(void **state)
{
	(void)state;
	bcast_on_prune(b, 2, 0, now);
	bcast_on_prune(b, 3, 0, now);
	both_ahead(100, 25);
	both_ahead(200, 25);
	assert_int_equal(count(GRAFT, -1), 1);
	pass(2 * BCAST_MOVE_MS);
	both_ahead(300, 1);
	assert_int_equal(count(GRAFT, -1), 2);
}

/* After a move, what was measured before it says nothing. */
static void
test_move_anew(void **state)
{
	(void)state;
	bcast_on_prune(b, 2, 0, now);
	bcast_on_prune(b, 3, 0, now);
	both_ahead(100, 20);
	assert_int_equal(count(GRAFT, -1), 1);
	pass(2 * BCAST_MOVE_MS);
	both_ahead(200, 1);
	assert_int_equal(count(GRAFT, -1), 1);
}

/* In a LAN the same is said in milliseconds. */
static void
test_move_lan(void **state)
{
	uint32_t i;

	(void)state;
	bcast_link_down(b, 3, now);
	up(3, true);
	bcast_on_prune(b, 3, 0, now);
	for (i = 0; i < 40 && count(GRAFT, 3) == 0; i++)
		race(100 + i, 1, 15);
	assert_int_equal(count(GRAFT, 3), 1);
}

static void
test_poor(void **state)
{
	(void)state;
	bcast_link_poor(b, 0, true, now);
	assert_int_equal(count(PRUNE, 0), 1);
	now = mono_add_ms(now, 60000);
	bcast_on_graft(b, 0, now);
	assert_false(bcast_is_eager(b, 0));
	bcast_link_poor(b, 0, false, now);
	now = mono_add_ms(now, 60000);
	bcast_on_graft(b, 0, now);
	assert_true(bcast_is_eager(b, 0));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_prune),
		T(test_prune_slowly),
		T(test_pruned_and_grafted),
		T(test_backoff),
		T(test_last_prune),
		T(test_graft),
		T(test_move),
		T(test_no_move),
		T(test_move_slowly),
		T(test_move_anew),
		T(test_move_lan),
		T(test_poor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
