/* SPDX-License-Identifier: ISC */
/*
 * The broadcast core: announcements and questions, rates, and what hostile
 * neighbours may cost.  Its tree: bcast_tree_test.c.
 */
#include "tests/unit/bcast_kit.h"

static void
test_push(void **state)
{
	(void)state;
	assert_int_equal(take(1, 5, BCAST_PUSH), BCAST_NEW);
	assert_int_equal(count(PUSH, -1), 3);
	assert_int_equal(count(PUSH, 1), 0);
	assert_int_equal(take(2, 5, BCAST_PUSH), BCAST_DUP);
	assert_int_equal(count(PUSH, -1), 3);
	assert_int_equal(bcast_link_dups(b, 2), 1);
	/* Our own goes to all. */
	struct bcast_msg m = msg(6);

	bcast_local(b, &m, now);
	assert_int_equal(count(PUSH, -1), 7);
	assert_int_equal(bcast_stats(b)->pushed, 7);
}

static void
test_announce(void **state)
{
	unsigned i, told = 0;

	(void)state;
	begin(8, 64);
	for (i = 1; i < 8; i++)
		bcast_on_prune(b, i, 60000, now);
	(void)take(1, 1, BCAST_PULL);
	(void)take(1, 2, BCAST_PULL);
	assert_int_equal(bcast_due(b).us,
	    mono_add_ms(now, BCAST_FLUSH_WAN_MS).us);
	pass(49);
	assert_int_equal(count(IHAVE, -1), 0);
	pass(1);
	for (i = 0; i < 8; i++)
		told += count(IHAVE, (int)i) == 2;
	/* Four are drawn; one of them may be the link it came from. */
	assert_true(told == 3 || told == 4);
	assert_int_equal(count(IHAVE, 0), 0);
	assert_int_equal(count(IHAVE, 1), 0);
	for (i = 0; i < n_was; i++)
		if (was[i].op == IHAVE)
			assert_true(was[i].v == id_of(was[i].link, 1) ||
			    was[i].v == id_of(was[i].link, 2));
	assert_int_equal(bcast_due(b).us, MONO_NEVER.us);
}

static void
test_lan(void **state)
{
	(void)state;
	begin(0, 64);
	up(0, false);
	up(1, true);
	bcast_on_prune(b, 0, 60000, now);
	bcast_on_prune(b, 1, 60000, now);
	(void)take(0, 1, BCAST_PULL);
	pass(BCAST_FLUSH_LAN_MS);
	assert_int_equal(count(IHAVE, 1), 1);
	announce(1, 9);
	pass(25);
	assert_int_equal(count(PULL, 1), 0);
	pass(25);
	assert_int_equal(count(PULL, 1), 1);
}

static void
test_pull(void **state)
{
	(void)state;
	announce(0, 1);
	assert_int_equal(bcast_pending(b), 1);
	pass(150);
	assert_int_equal(count(PULL, -1), 0);
	pass(70);
	assert_int_equal(count(PULL, 0), 1);
	assert_int_equal(was[n_was - 1].v, id_of(0, 1));
	assert_int_equal(take(0, 1, BCAST_PULL), BCAST_NEW);
	assert_int_equal(bcast_pending(b), 0);
	assert_int_equal(count(PUSH, -1), 3); /* its branch hears of it too */
	/* Pushed in time: no question. */
	announce(0, 2);
	(void)take(1, 2, BCAST_PUSH);
	assert_int_equal(bcast_pending(b), 0);
	pass(1000);
	assert_int_equal(count(PULL, -1), 1);
	/* Nobody who announced it is pushed it. */
	assert_int_equal(count(PUSH, 0), 0);
}

/* One record, two ids: ask one, and the other only when no answer comes. */
static void
test_cover(void **state)
{
	(void)state;
	announce(0, 1);
	announce(1, 1);
	pass(260);
	assert_int_equal(count(PULL, -1), 1);
	pass(260);
	assert_int_equal(count(PULL, -1), 2);
	assert_int_equal(count(PULL, 0), 1);
	assert_int_equal(count(PULL, 1), 1);
	/* The answer of either ends it for both, but each still owes one. */
	(void)take(1, 1, BCAST_PULL);
	assert_int_equal(bcast_pending(b), 1);
	(void)take(0, 1, BCAST_PULL);
	assert_int_equal(bcast_pending(b), 0);
	pass(20000);
	assert_int_equal(count(SCORE, -1), 0);
}

/* Two records announced together: the answer frees the other question. */
static void
test_uncover(void **state)
{
	(void)state;
	announce(0, 1);
	announce(1, 2);
	pass(215);
	assert_int_equal(count(PULL, -1), 1);
	(void)take(was[n_was - 1].link, was[n_was - 1].link + 1, BCAST_PULL);
	pass(1);
	assert_int_equal(count(PULL, -1), 2);
}

static void
test_unanswered(void **state)
{
	(void)state;
	announce(3, 1);
	pass(BCAST_ANSWER_MS);
	assert_int_equal(count(SCORE, 3), 0);
	pass(1000);
	assert_int_equal(count(SCORE, 3), 1);
	assert_int_equal(bcast_pending(b), 0);
}

static void
test_answers(void **state)
{
	struct bcast_msg m;

	(void)state;
	bcast_on_prune(b, 3, 60000, now);
	(void)take(0, 1, BCAST_PUSH);
	m = msg(9);
	assert_true(bcast_synced(b, &m, BCAST_LINKS_MAX, now));
	n_was = 0;
	ask(3, 1);
	ask(3, 1); /* once is enough */
	ask(3, 9);
	ask(3, 77); /* nobody has that */
	assert_int_equal(n_was, 2);
	assert_int_equal(was[0].how, BCAST_PULL);
	assert_int_equal(was[1].how, BCAST_OLD);
	/* What we pushed may be asked for once: they may have thrown it away. */
	ask(1, 1);
	assert_int_equal(count(PUSH, 1), 1);
}

/* Copies that come while one is verified; if that one was bad, ask. */
static void
test_settle(void **state)
{
	struct bcast_msg m = msg(1);
	uint32_t token, other;

	(void)state;
	assert_int_equal(bcast_receive(b, 0, m.rid, BCAST_PUSH, &token, now),
	    BCAST_NEW);
	assert_int_equal(bcast_receive(b, 1, m.rid, BCAST_PUSH, &other, now),
	    BCAST_DUP);
	assert_int_equal(n_was, 0);
	bcast_settle(b, token, BCAST_BAD, NULL, now);
	pass(1);
	assert_int_equal(count(PULL, 1), 1);
	assert_int_equal(count(PULL, -1), 1);
	assert_int_equal(take(1, 1, BCAST_PULL), BCAST_NEW);
	assert_int_equal(count(PUSH, -1), 3);
	bcast_settle(b, token, BCAST_GOOD, &m, now); /* too late */
	assert_int_equal(count(FORGET, -1), 1);
	/* Of no use: not passed on, known all the same. */
	m = msg(2);
	(void)bcast_receive(b, 0, m.rid, BCAST_PUSH, &token, now);
	bcast_settle(b, token, BCAST_STALE, NULL, now);
	assert_int_equal(take(1, 2, BCAST_PUSH), BCAST_DUP);
	assert_int_equal(count(PUSH, -1), 3);
}

static void
test_synced(void **state)
{
	struct bcast_msg m;
	uint32_t i, n = 0;

	(void)state;
	for (i = 0; i < 2; i++) {
		m = msg(i);
		assert_true(bcast_synced(b, &m, 2, now));
	}
	assert_int_equal(count(PUSH, -1), 0);
	pass(60);
	assert_int_equal(count(IHAVE, 2), 0);
	assert_int_equal(count(IHAVE, -1), 6); /* eager links as well */
	for (i = 0; i < 5000; i++) {
		m = msg(1000 + i);
		n += bcast_synced(b, &m, 2, now);
	}
	assert_int_equal(n, 16 - 2); /* a quarter of the ring a second */
}

/* Pushed on a link that is not ours: pushed on, once, as if it were new. */
static void
test_beside(void **state)
{
	struct bcast_msg m = msg(1);
	size_t n;

	(void)state;
	bcast_beside(b, &m, now);
	n = count(PUSH, -1);
	assert_true(n > 0);
	bcast_beside(b, &m, now);
	assert_int_equal(count(PUSH, -1), n);
	/* A copy that comes by a link of the view is a duplicate. */
	(void)take(0, 1, BCAST_PUSH);
	assert_int_equal(count(PUSH, -1), n);
}

/* Refused, then better is known: passed on, but not to who pushed it. */
static void
test_stale_no_more(void **state)
{
	struct bcast_msg m = msg(1);
	uint32_t token;

	(void)state;
	assert_int_equal(bcast_receive(b, 0, m.rid, BCAST_PUSH, &token, now),
	    BCAST_NEW);
	bcast_settle(b, token, BCAST_STALE, NULL, now);
	pass(100);
	assert_int_equal(count(PUSH, -1) + count(IHAVE, -1), 0);
	bcast_beside(b, &m, now);
	pass(100);
	assert_int_equal(count(PUSH, 0) + count(IHAVE, 0), 0);
	assert_true(count(PUSH, -1) > 0);
	assert_int_equal(count(FORGET, -1), 0);
	bcast_beside(b, &m, now);
	assert_int_equal(count(FORGET, -1), 1);
}

static void
test_lane_full(void **state)
{
	(void)state;
	lane_full = true;
	(void)take(0, 1, BCAST_PUSH);
	assert_int_equal(count(PUSH, -1), 0);
	lane_full = false;
	pass(60);
	assert_int_equal(count(IHAVE, 1), 1);
	assert_int_equal(count(IHAVE, -1), 3);
	ask(1, 1);
	assert_int_equal(count(PUSH, 1), 1);
}

static void
test_author(void **state)
{
	struct bcast_msg m;
	uint32_t i;

	(void)state;
	for (i = 0; i < BCAST_AUTHOR_BURST + 10; i++) {
		m = msg(i);
		m.author = 1;
		m.key =
		    i < BCAST_AUTHOR_BURST + 4 ? i : 5; /* versions of one */
		bcast_local(b, &m, now);
		now.us++;
	}
	assert_int_equal(bcast_stats(b)->pushed, BCAST_AUTHOR_BURST * 4);
	assert_int_equal(bcast_stats(b)->delayed, 10);
	assert_true(bcast_stats(b)->dropped >= 1); /* there is room for four */
	/* Another author is not held up. */
	(void)take(0, 9999, BCAST_PUSH);
	assert_int_equal(bcast_stats(b)->pushed, BCAST_AUTHOR_BURST * 4 + 3);
	pass(1000);
	assert_int_equal(bcast_stats(b)->pushed,
	    BCAST_AUTHOR_BURST * 4 + 3 + 16);
}

/* A spammer holds up few of the others, and not ourselves. */
static void
test_spammer(void **state)
{
	struct bcast_msg m;
	uint32_t i, token;
	uint64_t before;

	(void)state;
	for (i = 0; i < BCAST_AUTHOR_BURST + 20; i++) {
		m = msg(i);
		m.author = 1;
		(void)bcast_receive(b, 0, m.rid, BCAST_PUSH, &token, now);
		bcast_settle(b, token, BCAST_GOOD, &m, now);
		now.us++;
	}
	assert_int_equal(bcast_stats(b)->delayed, 20);
	before = bcast_stats(b)->pushed;
	for (i = 1000; i < 1100; i++)
		(void)take(0, i, BCAST_PUSH);
	/* There are sixteen places for them all: one in 120 has both. */
	assert_true(bcast_stats(b)->pushed >= before + 95 * 3);
	before = bcast_stats(b)->pushed;
	m = msg(2000);
	bcast_local(b, &m, now);
	assert_int_equal(bcast_stats(b)->pushed, before + 4);
}

static void
test_conflate(void **state)
{
	struct bcast_msg m;
	uint32_t i;

	(void)state;
	for (i = 0; i < BCAST_AUTHOR_BURST + 3; i++) {
		m = msg(i);
		m.author = 1;
		m.key = 5;
		bcast_local(b, &m, now);
	}
	assert_int_equal(bcast_stats(b)->conflated, 2);
	n_was = 0;
	pass(1000);
	assert_int_equal(count(PUSH, 0), 1);
	assert_int_equal(was[0].v, BCAST_AUTHOR_BURST + 2); /* the newest */
}

/* A slot says nothing of who had it before. */
static void
test_slot_again(void **state)
{
	(void)state;
	(void)take(0, 1, BCAST_PUSH);
	pass(BCAST_RETELL_MS + 100);
	(void)take(0, 2, BCAST_PUSH);
	n_was = 0;
	bcast_link_down(b, 0, now);
	assert_false(bcast_is_up(b, 0));
	up(0, false);
	pass(60);
	/* It hears of the last five seconds, though the old link 0 had them. */
	assert_int_equal(count(IHAVE, 0), 1);
	assert_int_equal(was[0].v, id_of(0, 2));
}

static void
test_down_frees_questions(void **state)
{
	(void)state;
	announce(0, 1);
	announce(1, 1);
	pass(220);
	assert_int_equal(count(PULL, 0), 1);
	bcast_link_down(b, 0, now);
	pass(1);
	assert_int_equal(count(PULL, 1), 1);
	assert_int_equal(bcast_pending(b), 1);
}

static void
test_ring(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 64 + 5; i++)
		(void)take(0, i, BCAST_PUSH);
	assert_int_equal(count(FORGET, -1), 5);
	for (i = 5; i < 64 + 5; i++)
		assert_int_equal(take(1, i, BCAST_PUSH), BCAST_DUP);
	assert_int_equal(take(1, 4, BCAST_PUSH), BCAST_NEW);
	/* Many times round: numbers wrap, chains stay true. */
	for (i = 1000; i < 1000 + 200000; i++) {
		assert_int_equal(take(0, i, BCAST_PUSH), BCAST_NEW);
		announce(2, i);
		assert_int_equal(bcast_pending(b), 0);
		now.us += 1000;
	}
}

/* One liar: its rows are bounded, others have room, and it pays. */
static void
test_liar(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		announce(0, 5000 + i);
	assert_int_equal(bcast_pending(b), 32);
	for (i = 0; i < 8; i++)
		announce(1, i);
	assert_int_equal(bcast_pending(b), 40);
	pass(12000);
	assert_int_equal(bcast_stats(b)->unanswered, 40);
	assert_true(count(SCORE, 0) >= 1); /* not for each: see S10 */
	assert_true(count(SCORE, 0) < 8);
	assert_int_equal(bcast_pending(b), 0);
}

static void
test_id_rate(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 3000; i++)
		announce(0, 5000 + i);
	assert_int_equal(bcast_stats(b)->ids_in, BCAST_LINK_RATE);
}

static void
test_key(void **state)
{
	uint8_t a[16], c[16];

	(void)state;
	bcast_link_key(a, "handshake", 9);
	bcast_link_key(c, "handshakf", 9);
	assert_memory_not_equal(a, c, 16);
	/* The same record, other links: other ids. */
	assert_true(id_of(0, 1) != id_of(1, 1));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_push),
		T(test_announce),
		T(test_lan),
		T(test_pull),
		T(test_cover),
		T(test_uncover),
		T(test_unanswered),
		T(test_answers),
		T(test_settle),
		T(test_synced),
		T(test_beside),
		T(test_stale_no_more),
		T(test_lane_full),
		T(test_author),
		T(test_spammer),
		T(test_conflate),
		T(test_slot_again),
		T(test_down_frees_questions),
		T(test_ring),
		T(test_liar),
		T(test_id_rate),
		T(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
