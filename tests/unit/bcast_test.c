/* SPDX-License-Identifier: ISC */
/*
 * The broadcast core: the tree and its dampers, announcements and questions,
 * rates, and what hostile neighbours may cost.
 */
#include "peerd/bcast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/recent.h"

#define LINKS 8
#define LOG   4096

enum op { PUSH, IHAVE, PULL, GRAFT, PRUNE, SCORE, FORGET };

static struct {
	enum op op;
	unsigned link;
	uint64_t v;
	uint8_t how;
} was[LOG];
static size_t n_was;
static bool lane_full;
static uint64_t seed;
static struct bcast *b;
static void *mem;
static struct mono now;

static void
put(enum op op, unsigned link, uint64_t v, uint8_t how)
{
	if (n_was < LOG) {
		was[n_was].op = op;
		was[n_was].link = link;
		was[n_was].v = v;
		was[n_was++].how = how;
	}
}

static bool
send_gossip(void *ctx, unsigned link, uint32_t handle, enum bcast_how how)
{
	(void)ctx;
	if (!lane_full)
		put(PUSH, link, handle, (uint8_t)how);
	return !lane_full;
}

static void
put_ids(enum op op, unsigned link, const uint8_t *ids, size_t n)
{
	uint64_t id;
	size_t i;

	assert_true(n >= 1 && n <= BCAST_IDS_MAX);
	for (i = 0; i < n; i++) {
		memcpy(&id, ids + i * BCAST_ID, BCAST_ID);
		put(op, link, id, 0);
	}
}

static void
send_ihave(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	(void)ctx;
	put_ids(IHAVE, link, ids, n);
}

static void
send_pull(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	(void)ctx;
	put_ids(PULL, link, ids, n);
}

static void
send_graft(void *ctx, unsigned link)
{
	(void)ctx;
	put(GRAFT, link, 0, 0);
}

static void
send_prune(void *ctx, unsigned link, uint32_t backoff_ms)
{
	(void)ctx;
	put(PRUNE, link, backoff_ms, 0);
}

static void
score(void *ctx, unsigned link, enum score_event event)
{
	(void)ctx;
	put(SCORE, link, (uint64_t)event, 0);
}

static void
forget(void *ctx, uint32_t handle)
{
	(void)ctx;
	put(FORGET, 0, handle, 0);
}

static uint64_t
rnd(void *ctx)
{
	(void)ctx;
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return seed ^ seed >> 31;
}

static const struct bcast_ops ops = { send_gossip, send_ihave, send_pull,
	send_graft, send_prune, score, forget, rnd };

static size_t
count(enum op op, int link)
{
	size_t i, n = 0;

	for (i = 0; i < n_was; i++)
		n += was[i].op == op &&
		    (link == -1 || was[i].link == (unsigned)link);
	return n;
}

static void
key_of(unsigned link, uint8_t key[16])
{
	memset(key, 0, 16);
	key[0] = (uint8_t)(link + 1);
}

static void
up(unsigned link, bool lan)
{
	uint8_t key[16];

	key_of(link, key);
	bcast_link_up(b, link, key, 40000, lan, now);
}

static const uint8_t *
rid_of(uint32_t i)
{
	static uint8_t rid[32];

	memset(rid, 0, sizeof(rid));
	memcpy(rid, &i, 4);
	return rid;
}

/* The short id of record i on a link, as its other end makes it. */
static uint64_t
id_of(unsigned link, uint32_t i)
{
	struct recent_ids ids;

	key_of(link, ids.key);
	return recent_id(&ids, rid_of(i));
}

static struct bcast_msg
msg(uint32_t i)
{
	return (struct bcast_msg){ rid_of(i), i, 7000 + i, i };
}

static void
begin(unsigned links, uint16_t pending)
{
	struct bcast_limits lim = { LINKS, 64, pending, 16, 4 };
	static const uint8_t secret[16] = { 's' };
	unsigned i;

	free(mem);
	mem = malloc(bcast_size(&lim));
	assert_non_null(mem);
	memset(mem, 0xa5, bcast_size(&lim));
	seed = 42;
	now.us = 1000000000;
	n_was = 0;
	lane_full = false;
	b = bcast_init(mem, &lim, secret, &ops, NULL);
	for (i = 0; i < links; i++)
		up(i, false);
}

static int
setup(void **state)
{
	(void)state;
	begin(4, 64);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(mem);
	mem = NULL;
	return 0;
}

static void
pass(int64_t ms)
{
	struct mono end = mono_add_ms(now, ms), due;

	while (due = bcast_due(b), mono_reached(due, end)) {
		if (mono_before(now, due))
			now = due;
		if (bcast_tick(b, now).us == due.us && due.us <= now.us)
			fail_msg("a tick that changes nothing is due again");
	}
	now = end;
	(void)bcast_tick(b, now);
}

/* Record i comes over link and is found good. */
static enum bcast_rc
take(unsigned link, uint32_t i, enum bcast_how how)
{
	struct bcast_msg m = msg(i);
	enum bcast_rc rc;
	uint32_t token;

	rc = bcast_receive(b, link, m.rid, how, &token, now);
	if (rc == BCAST_NEW)
		bcast_settle(b, token, BCAST_GOOD, &m, now);
	return rc;
}

static void
announce(unsigned link, uint32_t i)
{
	uint64_t id = id_of(link, i);

	bcast_on_ihave(b, link, (const uint8_t *)&id, 1, now);
}

static void
ask(unsigned link, uint32_t i)
{
	uint64_t id = id_of(link, i);

	bcast_on_pull(b, link, (const uint8_t *)&id, 1, now);
}

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
		T(test_prune),
		T(test_prune_slowly),
		T(test_pruned_and_grafted),
		T(test_backoff),
		T(test_last_prune),
		T(test_announce),
		T(test_lan),
		T(test_pull),
		T(test_cover),
		T(test_uncover),
		T(test_unanswered),
		T(test_graft),
		T(test_move),
		T(test_no_move),
		T(test_move_slowly),
		T(test_move_anew),
		T(test_move_lan),
		T(test_answers),
		T(test_settle),
		T(test_synced),
		T(test_beside),
		T(test_lane_full),
		T(test_author),
		T(test_spammer),
		T(test_conflate),
		T(test_slot_again),
		T(test_down_frees_questions),
		T(test_ring),
		T(test_liar),
		T(test_id_rate),
		T(test_poor),
		T(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
