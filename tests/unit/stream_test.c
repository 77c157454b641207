/* SPDX-License-Identifier: ISC */
/*
 * Streams of two ends face to face, driven at random against a plain model:
 * order and credit hold in any interleaving.  And what a liar gets.
 */
#include "peerd/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAP   64
#define HEADS 16

static struct end {
	struct streams ss;
	struct stream at[STREAMS_LINK_MAX + 8];
	uint32_t heads[HEADS];
	struct stream_link sl;
} a, b;

static const uint8_t key[16] = { 7 };

static void
begin(uint32_t cap)
{
	streams_init(&a.ss, a.at, cap, a.heads, HEADS, key);
	streams_init(&b.ss, b.at, cap, b.heads, HEADS, key);
	stream_link_init(&a.sl, 1, true);
	stream_link_init(&b.sl, 1, false);
}

static int
setup(void **state)
{
	(void)state;
	begin(CAP);
	return 0;
}

static void
unlend(struct end *e, struct stream *s)
{
	free(stream_lend(&e->ss, &e->sl, s, NULL, 0));
}

static void
drop(struct end *e, struct stream *s, bool theirs)
{
	unlend(e, s);
	stream_free(&e->ss, &e->sl, s, theirs);
}

/* Hold bytes, lending as a shell would. */
static void
hold(struct end *e, struct stream *s, const uint8_t *p, uint32_t n)
{
	if (stream_hold(&e->ss, &e->sl, s, p, n))
		return;
	free(stream_lend(&e->ss, &e->sl, s, malloc(s->len + n + 7),
	    s->len + n + 7));
	assert_true(stream_hold(&e->ss, &e->sl, s, p, n));
}

/* A stream that a opened and b took, both ends of it. */
static void
pair(uint32_t open_a, uint32_t open_b, struct stream **sa, struct stream **sb)
{
	*sa = stream_ask(&a.ss, &a.sl, open_a);
	assert_non_null(*sa);
	assert_int_equal(stream_offer(&b.ss, &b.sl, (*sa)->id, open_a, sb),
	    STREAM_FINE);
	stream_accept(*sb, open_b);
	stream_opened(&a.ss, &a.sl, *sa, open_b);
}

static void
test_ids(void **state)
{
	struct stream *s, *t;

	(void)state;
	s = stream_ask(&a.ss, &a.sl, 1);
	t = stream_ask(&a.ss, &a.sl, 1);
	assert_int_equal(s->id, 1);
	assert_int_equal(t->id, 3);
	assert_ptr_equal(stream_find(&a.ss, &a.sl, 3), t);
	assert_null(stream_find(&a.ss, &a.sl, 5));
	assert_true(stream_was(&a.sl, 1) && !stream_was(&a.sl, 5));
	assert_false(stream_was(&a.sl, 0) || stream_was(&a.sl, 2));
	/* Theirs are even and grow; ours are not theirs to use. */
	assert_int_equal(stream_offer(&a.ss, &a.sl, 4, 0, &s), STREAM_FINE);
	assert_int_equal(stream_offer(&a.ss, &a.sl, 4, 0, &s), STREAM_BAD);
	assert_int_equal(stream_offer(&a.ss, &a.sl, 2, 0, &s), STREAM_BAD);
	assert_int_equal(stream_offer(&a.ss, &a.sl, 5, 0, &s), STREAM_BAD);
	assert_int_equal(stream_offer(&a.ss, &a.sl, 0, 0, &s), STREAM_BAD);
	assert_true(stream_was(&a.sl, 2) && !stream_was(&a.sl, 6));
	/* The end of all numbers. */
	a.sl.next_id = UINT32_MAX - 2;
	assert_non_null(stream_ask(&a.ss, &a.sl, 1));
	assert_null(stream_ask(&a.ss, &a.sl, 1));
}

static void
test_full(void **state)
{
	struct stream *s = NULL, *first;
	uint32_t i;

	(void)state;
	first = stream_ask(&a.ss, &a.sl, 1);
	for (i = 1; i < CAP; i++)
		assert_non_null(stream_ask(&a.ss, &a.sl, 1));
	assert_null(stream_ask(&a.ss, &a.sl, 1));
	assert_int_equal(stream_offer(&a.ss, &a.sl, 2, 0, &s), STREAM_FULL);
	/* A number that was refused is used up all the same. */
	assert_int_equal(stream_offer(&a.ss, &a.sl, 2, 0, &s), STREAM_BAD);
	drop(&a, first, false);
	assert_int_equal(a.ss.used, CAP - 1);
	assert_int_equal(stream_offer(&a.ss, &a.sl, 4, 0, &s), STREAM_FINE);
	/* A link's own bound. */
	begin(STREAMS_LINK_MAX + 8);
	for (i = 0; i < STREAMS_LINK_MAX; i++)
		assert_non_null(stream_ask(&a.ss, &a.sl, 1));
	assert_null(stream_ask(&a.ss, &a.sl, 1));
	for (i = 0; i < STREAMS_LINK_MAX; i++)
		drop(&a, stream_find(&a.ss, &a.sl, 1 + 2 * i), false);
	assert_int_equal(a.ss.used, 0);
	assert_int_equal(a.sl.n, 0);
}

static void
test_credit(void **state)
{
	struct stream *s, *t;

	(void)state;
	pair(100, 50, &s, &t);
	assert_true(stream_passes(s, 50) && !stream_passes(s, 51));
	stream_passed(s, 50);
	assert_false(stream_passes(s, 1));
	assert_true(stream_take(t, 50));
	assert_false(stream_take(t, 1));
	assert_true(stream_grant(t, 10));
	assert_true(stream_take(t, 10));
	assert_true(stream_granted(&a.ss, &a.sl, s, STREAM_CREDIT_MAX));
	assert_false(stream_granted(&a.ss, &a.sl, s, 1));
	assert_true(stream_grant(t, STREAM_CREDIT_MAX));
	assert_false(stream_grant(t, 1));
	/* What was not opened cannot be sent on. */
	s = stream_ask(&a.ss, &a.sl, 100);
	assert_false(stream_take(s, 1));
}

static void
test_late(void **state)
{
	struct stream *s, *t;

	(void)state;
	pair(100, 50, &s, &t);
	assert_true(stream_take(s, 30));
	drop(&a, s, false);
	assert_true(stream_late(&a.sl, 70));
	assert_false(stream_late(&a.sl, 1));
	/* Whoever ended it himself has nothing left to send. */
	drop(&b, t, true);
	assert_false(stream_late(&b.sl, 1));
}

static void
test_turns(void **state)
{
	static uint8_t many[STREAM_SLICE * 3];
	struct stream *s[3], *t, *got;
	uint32_t i, n, order[9], k = 0;

	(void)state;
	for (i = 0; i < 3; i++) {
		pair(1, sizeof(many), &s[i], &t);
		hold(&a, s[i], many, sizeof(many));
	}
	while ((got = stream_next(&a.ss, &a.sl, UINT32_MAX, &n)) != NULL) {
		assert_int_equal(n, STREAM_SLICE);
		assert_true(k < 9);
		order[k++] = got->id;
		stream_sent(&a.ss, &a.sl, got, n);
	}
	assert_int_equal(k, 9);
	for (i = 3; i < 9; i++)
		assert_int_equal(order[i], order[i - 3]);
	assert_int_not_equal(order[0], order[1]);
	assert_int_not_equal(order[1], order[2]);
	for (i = 0; i < 3; i++)
		drop(&a, s[i], false);
}

static void
test_end(void **state)
{
	struct stream *s, *t, *got;
	uint32_t n;

	(void)state;
	pair(1, 3, &s, &t);
	hold(&a, s, (const uint8_t *)"abcdef", 6);
	stream_end(&a.ss, &a.sl, s, 2);
	assert_false(stream_passes(s, 0)); /* nothing overtakes */
	got = stream_next(&a.ss, &a.sl, UINT32_MAX, &n);
	assert_ptr_equal(got, s);
	assert_int_equal(n, 3);
	stream_sent(&a.ss, &a.sl, s, n);
	assert_null(stream_next(&a.ss, &a.sl, UINT32_MAX, &n));
	assert_true(stream_granted(&a.ss, &a.sl, s, 100));
	got = stream_next(&a.ss, &a.sl, 2, &n);
	assert_int_equal(n, 2);
	stream_sent(&a.ss, &a.sl, got, n);
	got = stream_next(&a.ss, &a.sl, 2, &n);
	assert_int_equal(n, 1);
	stream_sent(&a.ss, &a.sl, got, n);
	assert_ptr_equal(stream_next(&a.ss, &a.sl, 2, &n), s);
	assert_int_equal(n, 0);
	assert_int_equal(s->why, 2);
	drop(&a, s, false);
	assert_null(stream_next(&a.ss, &a.sl, 2, &n));
	/* One that was never opened drops what waits. */
	s = stream_ask(&a.ss, &a.sl, 1);
	hold(&a, s, (const uint8_t *)"abc", 3);
	stream_end(&a.ss, &a.sl, s, 0);
	assert_ptr_equal(stream_next(&a.ss, &a.sl, 9, &n), s);
	assert_int_equal(n, 0);
	drop(&a, s, false);
}

/* --- the model: bytes of a stream are numbers in order --- */

#define LIVES 12

struct life {
	bool used, ended;
	struct stream *from, *to;
	struct end *e, *f; /* the sender, the receiver */
	uint32_t put, got; /* bytes so far */
	uint32_t given;    /* bytes the receiver has granted so far */
};

static struct life lives[LIVES];
static uint32_t seed;

static uint32_t
dice(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static uint8_t
byte_of(const struct life *l, uint32_t i)
{
	return (uint8_t)(i * 31 + (uint32_t)(l - lives));
}

static void
arrive(struct life *l, const uint8_t *p, uint32_t n)
{
	uint32_t i;

	assert_true(stream_take(l->to, n));
	for (i = 0; i < n; i++)
		assert_int_equal(p[i], byte_of(l, l->got + i));
	l->got += n;
	assert_true(l->got <= l->given);
}

static void
life_begin(struct life *l)
{
	struct stream *s, *t;

	memset(l, 0, sizeof(*l));
	l->used = true;
	l->given = dice(3000);
	/* Either end of either stream may be the one that sends. */
	if (dice(2) == 0) {
		pair(1, l->given, &s, &t);
		l->e = &a, l->f = &b, l->from = s, l->to = t;
	} else {
		pair(l->given, 1, &s, &t);
		l->e = &b, l->f = &a, l->from = t, l->to = s;
	}
}

static void
life_feed(struct life *l)
{
	uint8_t buf[2000];
	uint32_t n = 1 + dice(sizeof(buf) - 1), i;

	if (l->ended || l->from->len + n > STREAM_HOLD)
		return;
	for (i = 0; i < n; i++)
		buf[i] = byte_of(l, l->put + i);
	l->put += n;
	if (stream_passes(l->from, n)) {
		stream_passed(l->from, n);
		arrive(l, buf, n);
	} else {
		hold(l->e, l->from, buf, n);
	}
}

static struct life *
life_of(const struct stream *s)
{
	size_t i;

	for (i = 0; i < LIVES; i++)
		if (lives[i].used && lives[i].from == s)
			return &lives[i];
	fail();
	return NULL;
}

static void
life_over(struct life *l)
{
	assert_true(l->ended);
	assert_int_equal(l->put, l->got);
	drop(l->e, l->from, false);
	drop(l->f, l->to, true);
	l->used = false;
}

static void
send_one(struct end *e)
{
	const uint8_t *part[2];
	uint32_t len[2], n;
	struct stream *s = stream_next(&e->ss, &e->sl, 1 + dice(5000), &n);
	struct life *l;

	if (s == NULL)
		return;
	l = life_of(s);
	if (n == 0) {
		life_over(l);
		return;
	}
	stream_peek(s, n, part, len);
	arrive(l, part[0], len[0]);
	if (len[1] > 0)
		arrive(l, part[1], len[1]);
	stream_sent(&e->ss, &e->sl, s, n);
	if (s->len == 0)
		unlend(e, s);
}

static void
step(void)
{
	struct life *l = &lives[dice(LIVES)];
	uint32_t n;

	switch (dice(6)) {
	case 0:
		if (!l->used)
			life_begin(l);
		break;
	case 1:
		n = 1 + dice(4000);
		if (l->used && stream_grant(l->to, n)) {
			l->given += n;
			assert_true(stream_granted(&l->e->ss, &l->e->sl,
			    l->from, n));
		}
		break;
	case 2:
		if (l->used && dice(20) == 0) {
			l->ended = true;
			stream_end(&l->e->ss, &l->e->sl, l->from, 0);
		}
		break;
	case 3:
		if (l->used)
			life_feed(l);
		break;
	default:
		send_one(dice(2) == 0 ? &a : &b);
		break;
	}
}

static void
test_model(void **state)
{
	uint32_t round, i;

	(void)state;
	for (round = 1; round <= 30; round++) {
		seed = round;
		begin(CAP);
		memset(lives, 0, sizeof(lives));
		for (i = 0; i < 20000; i++)
			step();
		for (i = 0; i < LIVES; i++)
			if (lives[i].used) {
				drop(lives[i].e, lives[i].from, false);
				drop(lives[i].f, lives[i].to, false);
			}
		assert_int_equal(a.ss.used, 0);
		assert_int_equal(a.sl.turn, STREAM_NONE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ids, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_credit, setup),
		cmocka_unit_test_setup(test_late, setup),
		cmocka_unit_test_setup(test_turns, setup),
		cmocka_unit_test_setup(test_end, setup),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
