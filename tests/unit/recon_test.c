/* SPDX-License-Identifier: ISC */
/*
 * Anti-entropy between two nodes: whatever they differ in, they end with
 * the union of both; and a stranger's messages cost what they cost, no more.
 */
#include "peerd/recon.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mp.h"
#include "tests/unit/guard.h"
#include "tests/unit/recon_pair.h"
#include "tests/unit/tree_model.h"
#include "tests/unit/vec.h"

static struct pair_node a, b;

static const uint8_t no_salt[8];

static void
open_pair(uint32_t n_stack, uint32_t n_wants)
{
	pair_init(&a, &b, 1, n_stack, n_wants, 0);
	pair_init(&b, &a, 2, n_stack, n_wants, 0);
}

static void
close_pair(void)
{
	pair_free(&a);
	pair_free(&b);
}

static bool
trees_equal(void)
{
	struct tree_sum x, y;

	mtree_top(&a.tree, MTREE_CURRENT, &x);
	mtree_top(&b.tree, MTREE_CURRENT, &y);
	return sum_equal(&x, &y);
}

static void
check_union(const struct model *all)
{
	struct tree_sum x, want;

	mtree_top(&a.tree, MTREE_CURRENT, &x);
	model_top(&want, all->e, all->n, 0);
	assert_true(sum_equal(&x, &want));
	assert_true(trees_equal());
}

/* One session and a merge on both sides; the round trips. */
static int
session(uint64_t tick, uint16_t sid, uint64_t salt, struct mono *now)
{
	uint8_t s[8];
	int rtt;

	put_u64(s, salt);
	a.ended = false;
	assert_int_equal(recon_start(&a.rc, 2, sid, tick, s, *now), RECON_OK);
	rtt = pair_run(&a, &b, now, 100);
	assert_true(rtt >= 0 && a.ended);
	(void)pair_merge(&a, tick + 1);
	(void)pair_merge(&b, tick + 1);
	return rtt;
}

struct diff {
	const char *name;
	unsigned n;       /* records in all */
	unsigned miss_a;  /* percent that a has not */
	unsigned miss_b;  /* percent that b has not */
	unsigned newer_a; /* percent that a has newer */
	unsigned newer_b;
	unsigned manner; /* of keys: 0 spread, 1 few subjects, 2 one part */
};

static const struct diff diffs[] = {
	{ "equal", 3000, 0, 0, 0, 0, 0 },
	{ "both empty", 0, 0, 0, 0, 0, 0 },
	{ "one record", 1, 100, 0, 0, 0, 0 },
	{ "a has nothing", 3000, 100, 0, 0, 0, 0 },
	{ "b has nothing", 3000, 0, 100, 0, 0, 0 },
	{ "few missing here", 5000, 1, 0, 0, 0, 0 },
	{ "few missing there", 5000, 0, 1, 0, 0, 0 },
	{ "few updates", 5000, 0, 0, 1, 1, 0 },
	{ "of everything", 5000, 5, 5, 5, 5, 0 },
	{ "half and half", 5000, 50, 50, 0, 0, 0 },
	{ "all updated", 2000, 0, 0, 100, 0, 0 },
	{ "few subjects", 5000, 10, 10, 5, 5, 1 },
	{ "disjoint parts", 6000, 0, 0, 0, 0, 2 },
	{ "small and large", 3000, 99, 0, 1, 0, 0 },
	{ "large and small", 3000, 0, 99, 0, 1, 1 },
};

static void
newer(struct mtree_entry *e, struct rng *rng)
{
	/* By much, by little, by the counter alone. */
	static const uint64_t by[3] = { UINT64_C(1) << 45, 1 << 16, 1 };

	e->hlc += by[rng_below(rng, 3)];
	rng_fill(rng, e->rid, 32);
}

static void
make_diff(const struct diff *d, struct rng *rng, struct model *all)
{
	struct model ma = { 0 }, mb = { 0 };
	struct mtree_entry e, f;
	bool in_a, in_b;
	unsigned i;

	memset(all, 0, sizeof(*all));
	for (i = 0; i < d->n; i++) {
		vec_record(&e, i);
		if (d->manner == 0)
			rng_fill(rng, e.key, 32);
		else if (d->manner == 1)
			memset(e.key + 1, (int)(i % 3), 15);
		in_a = rng_below(rng, 100) >= d->miss_a;
		in_b = rng_below(rng, 100) >= d->miss_b;
		if (d->manner == 2) { /* a below, b above, far apart inside */
			e.key[0] = (uint8_t)(i % 2 == 0 ? 0x20 : 0x21);
			in_a = i % 2 == 0;
			in_b = !in_a;
		}
		if (!in_a && !in_b)
			continue;
		f = e;
		if (rng_below(rng, 100) < d->newer_a)
			newer(&e, rng);
		else if (rng_below(rng, 100) < d->newer_b)
			newer(&f, rng);
		if (in_a)
			model_put(&ma, &e);
		if (in_b)
			model_put(&mb, &f);
		if (!in_a || (in_b && (f.hlc > e.hlc)))
			model_put(all, &f);
		else
			model_put(all, &e);
	}
	assert_int_equal(model_build(&a.tree, 10, &ma), MTREE_OK);
	assert_int_equal(model_build(&b.tree, 10, &mb), MTREE_OK);
	model_free(&ma);
	model_free(&mb);
}

static void
test_converges(void **state)
{
	struct mono now = { 0 };
	struct rng rng = { 4 };
	struct model all;
	unsigned seed, k, again = 0;
	size_t i;

	(void)state;
	for (seed = 0; seed < 6; seed++) {
		for (i = 0; i < sizeof(diffs) / sizeof(diffs[0]); i++) {
			open_pair(RECON_STACK, RECON_WANTS);
			make_diff(&diffs[i], &rng, &all);
			/*
			 * Versions of one millisecond may look the same for
			 * a session, one in 256; not for three.
			 */
			for (k = 0; k < 4; k++) {
				(void)session(10 + k, (uint16_t)k,
				    rng_next(&rng), &now);
				assert_int_equal(a.how, RECON_DONE);
				if (trees_equal())
					break;
				now = mono_add_ms(now, 30000);
			}
			if (!trees_equal())
				fail_msg("%s, seed %u", diffs[i].name, seed);
			again += k;
			check_union(&all);
			assert_int_equal(a.rc.dropped + b.rc.dropped, 0);
			model_free(&all);
			close_pair();
		}
	}
	assert_true(again < 20);
}

/* Equal trees cost one message and its END. */
static void
test_quiet_when_equal(void **state)
{
	struct mono now = { 0 };
	struct model all;
	struct rng rng = { 1 };

	(void)state;
	open_pair(64, 64);
	make_diff(&diffs[0], &rng, &all);
	assert_int_equal(session(10, 1, 5, &now), 1);
	assert_true(a.meta_bytes < 260 && b.meta_bytes < 8);
	model_free(&all);
	close_pair();
}

/*
 * Of what differs each body travels once, but for two versions of one
 * millisecond.
 */
static void
test_bodies_once(void **state)
{
	struct mono now = { 0 };
	struct model m = { 0 }, ma = { 0 }, mb = { 0 };
	struct mtree_entry e;
	struct rng rng = { 2 };
	size_t i, needed = 0;

	(void)state;
	open_pair(RECON_STACK, RECON_WANTS);
	for (i = 0; i < 20000; i++) {
		vec_record(&e, (uint32_t)i);
		if (i % 40 != 1)
			model_put(&ma, &e);
		if (i % 40 == 0) {
			e.hlc += UINT64_C(5000) << 16;
			rng_fill(&rng, e.rid, 32);
		}
		if (i % 40 != 2)
			model_put(&mb, &e);
		needed += i % 40 < 3;
	}
	assert_int_equal(model_build(&a.tree, 3, &ma), MTREE_OK);
	assert_int_equal(model_build(&b.tree, 3, &mb), MTREE_OK);
	assert_true(session(3, 1, 77, &now) <= 6);
	assert_true(trees_equal());
	assert_int_equal(a.n_recs + b.n_recs, needed);
	model_free(&m);
	model_free(&ma);
	model_free(&mb);
	close_pair();
}

/* Both begin at once: one session goes on, and no body travels twice. */
static void
test_both_begin(void **state)
{
	static const uint8_t low[8] = { 1 }, high[8] = { 2 };
	struct mono now = { 0 };
	struct model ma = { 0 }, mb = { 0 };
	struct mtree_entry e;
	uint32_t i;

	(void)state;
	open_pair(RECON_STACK, RECON_WANTS);
	for (i = 0; i < 3000; i++) {
		vec_record(&e, i);
		model_put(i % 2 == 0 ? &ma : &mb, &e);
	}
	assert_int_equal(model_build(&a.tree, 10, &ma), MTREE_OK);
	assert_int_equal(model_build(&b.tree, 10, &mb), MTREE_OK);
	assert_int_equal(recon_start(&a.rc, 2, 1, 10, low, now), RECON_OK);
	assert_int_equal(recon_start(&b.rc, 1, 1, 10, high, now), RECON_OK);
	assert_true(pair_run(&a, &b, &now, 100) >= 0);
	assert_true(a.ended && a.how == RECON_REFUSED && a.retry_s > 0);
	assert_true(b.ended && b.how == RECON_DONE);
	assert_int_equal(a.n_recs + b.n_recs, 3000);
	(void)pair_merge(&a, 11);
	(void)pair_merge(&b, 11);
	assert_true(trees_equal());
	model_free(&ma);
	model_free(&mb);
	close_pair();
}

/* A stack of four ranges and a small want set: slower, but it gets there. */
static void
test_small_bounds(void **state)
{
	struct mono now = { 0 };
	struct rng rng = { 6 };
	struct model all;
	uint64_t tick = 10;
	unsigned i;

	(void)state;
	open_pair(4, 64);
	make_diff(&diffs[8], &rng, &all);
	for (i = 0; i < 400 && !trees_equal(); i++) {
		/* Three a minute, or b refuses. */
		now = mono_add_ms(now, 30000);
		(void)session(tick++, (uint16_t)i, rng_next(&rng), &now);
		assert_true(a.how != RECON_REFUSED);
	}
	assert_true(i > 1 && i < 400);
	check_union(&all);
	model_free(&all);
	close_pair();
}

/* The tree turns once during a session: it goes on over the previous one. */
static void
test_tick_turns(void **state)
{
	struct mono now = { 0 };
	struct rng rng = { 9 };
	struct model all;
	unsigned i;

	(void)state;
	open_pair(RECON_STACK, RECON_WANTS);
	make_diff(&diffs[8], &rng, &all);
	assert_int_equal(recon_start(&a.rc, 2, 1, 10, no_salt, now), RECON_OK);
	assert_int_equal(recon_start(&a.rc, 2, 2, 10, no_salt, now),
	    RECON_BUSY);
	(void)pair_deliver(&b, now);
	assert_int_equal(mtree_apply(&a.tree, 11, NULL, 0), MTREE_OK);
	assert_int_equal(mtree_apply(&b.tree, 11, NULL, 0), MTREE_OK);
	assert_true(pair_run(&a, &b, &now, 10) > 0);
	assert_int_equal(a.how, RECON_DONE);
	(void)pair_merge(&a, 12);
	(void)pair_merge(&b, 12);
	check_union(&all);
	/* Gone on both sides: we say so, they say busy. */
	assert_int_equal(recon_start(&a.rc, 2, 3, 10, no_salt, now),
	    RECON_NO_TICK);
	assert_int_equal(recon_start(&a.rc, 2, 3, 12, no_salt, now), RECON_OK);
	for (i = 13; i < 15; i++)
		assert_int_equal(mtree_apply(&b.tree, i, NULL, 0), MTREE_OK);
	a.ended = false;
	assert_true(pair_run(&a, &b, &now, 10) >= 0);
	assert_true(a.ended && a.how == RECON_REFUSED);
	assert_int_equal(a.retry_s, RECON_BUSY_S);
	assert_int_equal(recon_start(&a.rc, 2, 4, 12, no_salt, now), RECON_OK);
	for (i = 13; i < 15; i++)
		assert_int_equal(mtree_apply(&a.tree, i, NULL, 0), MTREE_OK);
	recon_tick(&a.rc, now);
	assert_int_equal(a.how, RECON_LOST);
	model_free(&all);
	close_pair();
}

static void
test_silence(void **state)
{
	struct mono now = { 0 };
	struct rng rng = { 9 };
	struct model all;

	(void)state;
	open_pair(64, 64);
	assert_true(recon_due(&a.rc).us == MONO_NEVER.us);
	make_diff(&diffs[8], &rng, &all);
	assert_int_equal(recon_start(&a.rc, 2, 1, 10, no_salt, now), RECON_OK);
	now = mono_add_ms(now, RECON_SILENCE_MS - 1);
	recon_tick(&a.rc, now);
	assert_false(a.ended);
	now = recon_due(&a.rc);
	recon_tick(&a.rc, now);
	assert_true(a.ended && a.how == RECON_SILENT);
	/* A link that goes takes its session along, without a word. */
	a.ended = false;
	assert_int_equal(recon_start(&a.rc, 2, 2, 10, no_salt, now), RECON_OK);
	recon_forget_peer(&a.rc, 2);
	assert_false(a.ended || a.rc.own.on);
	model_free(&all);
	close_pair();
}

/* Until the session of a is over; seconds, while each of them act() talks. */
static int64_t
held(struct mono now, void (*act)(struct mono now))
{
	struct mono began = now;

	while (a.rc.own.on && mono_ms_between(began, now) < 3600000) {
		now = mono_add_ms(now, 1000);
		act(now);
		if (mono_reached(recon_due(&a.rc), now))
			recon_tick(&a.rc, now);
	}
	return mono_ms_between(began, now) / 1000;
}

static void
drip(struct mono now)
{
	recon_heard(&a.rc, 2, now);
}

/* Somebody else's records are not to its credit. */
static void
drip_beside(struct mono now)
{
	recon_heard(&a.rc, 2, now);
	recon_gained(&a.rc, 3);
}

/* Whatever is asked is answered, with what makes us ask again. */
static void
answer_in_turn(struct mono now)
{
	uint8_t buf[64], zero[1] = { 0 };
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	mp_wr_array(&w, 3);
	mp_wr_uint(&w, RECON_ITEMS);
	mp_wr_uint(&w, a.rc.own.sid);
	mp_wr_array(&w, 3);
	mp_wr_uint(&w, 0);
	mp_wr_bin(&w, zero, 0);
	mp_wr_bin(&w, zero, 0);
	assert_int_equal(recon_input(&a.rc, 2, buf, w.len, now), RECON_OK);
	wr_init(&w, buf, sizeof(buf));
	mp_wr_array(&w, 3);
	mp_wr_uint(&w, RECON_END);
	mp_wr_uint(&w, a.rc.own.sid);
	mp_wr_uint(&w, 0);
	assert_int_equal(recon_input(&a.rc, 2, buf, w.len, now), RECON_OK);
}

/* Our only session is not for whoever just goes on talking. */
static void
test_held(void **state)
{
	static void (*const acts[])(
	    struct mono) = { drip, drip_beside, answer_in_turn };
	struct mono now = { 0 };
	struct rng rng = { 9 };
	struct model all;
	int64_t s;
	size_t i;

	(void)state;
	open_pair(RECON_STACK, RECON_WANTS);
	make_diff(&diffs[8], &rng, &all);
	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		a.ended = false;
		assert_int_equal(
		    recon_start(&a.rc, 2, (uint16_t)i, 10, no_salt, now),
		    RECON_OK);
		s = held(now, acts[i]);
		assert_true(a.ended && a.how == RECON_SILENT);
		assert_true(s >= 20 && s <= RECON_LEASE_MS / 1000);
	}
	/* The tree has turned: not even so long. */
	assert_int_equal(recon_start(&a.rc, 2, 9, 10, no_salt, now), RECON_OK);
	assert_int_equal(mtree_apply(&a.tree, 11, NULL, 0), MTREE_OK);
	assert_int_equal(mtree_apply(&a.tree, 12, NULL, 0), MTREE_OK);
	assert_in_range(held(now, drip), 1, RECON_SILENCE_MS / 1000);
	model_free(&all);
	close_pair();
}

static unsigned left;

/* Twenty records a second that we lacked, as long as there are any. */
static void
trickle(struct mono now)
{
	unsigned i;

	if (left > 0)
		recon_heard(&a.rc, 2, now);
	for (i = 0; i < 20 && left > 0; i++, left--)
		recon_gained(&a.rc, 2);
}

/* A thin line is no reason to cut what goes on. */
static void
test_long_session(void **state)
{
	struct mono now = { 0 };
	struct rng rng = { 9 };
	struct model all;

	(void)state;
	open_pair(RECON_STACK, RECON_WANTS);
	make_diff(&diffs[3], &rng, &all);
	assert_int_equal(recon_start(&a.rc, 2, 1, 10, no_salt, now), RECON_OK);
	left = 20 * 600;
	assert_in_range(held(now, trickle), 600, 600 + 20);
	/* What came so fast is not saved up for later. */
	assert_int_equal(recon_start(&a.rc, 2, 2, 10, no_salt, now), RECON_OK);
	for (left = 0; left < 100000; left++)
		recon_gained(&a.rc, 2);
	assert_in_range(held(now, drip), 60, 61);
	model_free(&all);
	close_pair();
}

/* A request as a stranger may send it. */
static size_t
request(uint8_t *out, uint16_t sid, uint64_t tick)
{
	static const uint8_t rest[] = { 0x93, 0x00, 0xc4, 0x00, 0xc4, 0x00 };
	uint8_t head[] = { 0x95, RECON_ITEMS, (uint8_t)sid, (uint8_t)tick, 0xc4,
		8, 0, 0, 0, 0, 0, 0, 0, 0 };

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), rest, sizeof(rest));
	return sizeof(head) + sizeof(rest);
}

/* Whether b answered node's request, and takes the answer off the link. */
static bool
answered(uint64_t peer, uint16_t sid, struct mono now)
{
	static struct pair_node c;
	struct pair_node *was = b.other;
	uint8_t buf[64];
	enum recon_rc rc;
	struct pair_msg *m;

	memset(&c, 0, sizeof(c));
	c.id = peer;
	c.last = &c.first;
	b.other = &c;
	rc = recon_input(&b.rc, peer, buf, request(buf, sid, 10), now);
	pair_send_recs(&b);
	b.other = was;
	while ((m = c.first) != NULL) {
		c.first = m->next;
		free(m);
	}
	assert_true(rc == RECON_OK || rc == RECON_BUSY);
	return rc == RECON_OK;
}

static void
test_limits_of_responder(void **state)
{
	struct mono now = { 1 };
	struct model all;
	struct rng rng = { 1 };

	(void)state;
	open_pair(64, 64);
	make_diff(&diffs[0], &rng, &all);
	assert_true(answered(11, 1, now));
	assert_true(answered(12, 1, now));
	assert_false(answered(13, 1, now)); /* two at once */
	assert_true(answered(11, 1, now));  /* they go on */
	assert_true(answered(11, 2, now));  /* a new one ends its last */
	assert_true(answered(11, 3, now));
	assert_false(answered(11, 4, now)); /* three a minute */
	assert_true(answered(11, 3, now));
	now = mono_add_ms(now, RECON_SILENCE_MS);
	assert_true(answered(13, 1, now)); /* a silent one gives its place */
	now = mono_add_ms(now, 60000);
	assert_true(answered(11, 4, now));
	b.rc.conf.tick_ms = 1000; /* and with short ticks, three in six */
	now = mono_add_ms(now, 5999);
	assert_true(answered(11, 5, now));
	assert_true(answered(11, 6, now));
	assert_false(answered(11, 7, now));
	now = mono_add_ms(now, 1);
	assert_true(answered(11, 7, now));
	b.rc.conf.tick_ms = 3600000;
	now = mono_add_ms(now, 59998);
	assert_false(answered(11, 8, now));
	recon_forget_peer(&b.rc, 11);
	recon_forget_peer(&b.rc, 13);
	assert_true(answered(14, 1, now));
	assert_true(answered(15, 1, now));
	model_free(&all);
	close_pair();
}

/* Two who go on for ever have both places for a minute, not for longer. */
static void
test_places_are_lent(void **state)
{
	struct mono now = { 1 };
	unsigned s, got = 0, sid = 1;
	struct model all;
	struct rng rng = { 1 };

	(void)state;
	open_pair(64, 64);
	make_diff(&diffs[0], &rng, &all);
	/* Nobody else comes: let them. */
	for (s = 0; s < 300; s += 10, now = mono_add_ms(now, 10000)) {
		assert_true(answered(11, 1, now));
		assert_true(answered(12, 1, now));
	}
	/* Somebody does; the two begin anew whenever they may. */
	for (s = 0; s < 120; s += 5, now = mono_add_ms(now, 5000)) {
		sid += !answered(11, (uint16_t)(s < 50 ? 1 : sid), now);
		(void)answered(12, (uint16_t)sid, now);
		got += answered(13, 1, now);
	}
	assert_true(got >= 60 / 5);
	/* Who was silent in between has not had it for long. */
	now = mono_add_ms(now, 2 * RECON_LEASE_MS);
	assert_true(answered(13, 2, now));
	assert_true(answered(14, 1, now));
	now = mono_add_ms(now, 1);
	assert_false(answered(15, 1, now));
	now = mono_add_ms(now, RECON_LEASE_MS);
	assert_true(answered(13, 2, now));
	model_free(&all);
	close_pair();
}

/* Messages that are nearly right, each malformed in one thing. */
static void
test_malformed(void **state)
{
	static const struct {
		const char *name;
		uint8_t len;
		uint8_t b[64];
	} bad[] = {
		{ "empty", 0, { 0 } },
		{ "no array", 1, { 0xc0 } },
		{ "unknown type", 4, { 0x93, 24, 1, 0 } },
		{ "root is not ours", 4, { 0x93, 16, 1, 0 } },
		{ "arity 4", 5, { 0x94, 21, 1, 0, 0 } },
		{ "end from nowhere", 4, { 0x95, 21, 1, 0 } },
		{ "recs without any", 4, { 0x93, 20, 1, 0x90 } },
		{ "rec of no bytes", 6, { 0x93, 20, 1, 0x91, 0xc4, 0 } },
		{ "request without a list", 14,
		    { 0x95, 18, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0 } },
		{ "list of none", 15,
		    { 0x95, 18, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0,
			0x90 } },
		{ "list of two", 18,
		    { 0x95, 18, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x92, 0,
			0xc4, 0 } },
		{ "prefix too long", 21,
		    { 0x95, 18, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 1, 0, 0xc4, 0 } },
		{ "prefix beyond its bits", 21,
		    { 0x95, 18, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 3,
			0xc4, 1, 0x10, 0xc4, 0 } },
		{ "half an item", 24,
		    { 0x95, 18, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 0, 0xc4, 4, 1, 2, 3, 4 } },
		{ "no parts", 20,
		    { 0x95, 17, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 0, 0xc4, 0 } },
		{ "half a part", 24,
		    { 0x95, 17, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 0, 0xc4, 4, 1, 0, 1, 1 } },
		{ "part beyond its bits", 30,
		    { 0x95, 17, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 0, 0xc4, 10, 1, 0x40 } },
		{ "parts that overlap", 40,
		    { 0x95, 17, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 0, 0xc4, 20, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 2,
			0xc0 } },
		{ "wants nothing", 20,
		    { 0x95, 19, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x93, 0,
			0xc4, 0, 0xc4, 0 } },
	};
	struct mono now = { 1 };
	struct model all;
	struct rng rng = { 1 };
	struct flush fl;
	size_t i;

	(void)state;
	open_pair(64, 64);
	make_diff(&diffs[0], &rng, &all);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		flush_copy(&fl, bad[i].b, bad[i].len);
		if (recon_input(&b.rc, 1, fl.at, bad[i].len, now) !=
		    RECON_MALFORMED)
			fail_msg("%s: taken", bad[i].name);
		flush_free(&fl);
	}
	model_free(&all);
	close_pair();
}

/*
 * The dearest message found: the whole tree again and again, with one part
 * deep within, so that all else of it is a gap.  Answered up to a bound.
 */
static void
test_dear_message(void **state)
{
	static uint8_t msg[RECON_MSG_MAX];
	static const uint8_t head[] = { 0x95, 17, 1, 10, 0xc4, 8, 0, 0, 0, 0, 0,
		0, 0, 0, 0xdc, 0x17, 0x70 }; /* 2000 ranges of three items */
	struct mono now = { 1 };
	struct rng rng = { 1 };
	struct model all;
	struct wr w;
	unsigned i;

	(void)state;
	open_pair(64, 64);
	make_diff(&diffs[0], &rng, &all);
	wr_init(&w, msg, sizeof(msg));
	wr_bytes(&w, head, sizeof(head));
	for (i = 0; i < 2000; i++) {
		wr_bytes(&w, "\0\xc4\0\xc4\x0b\x10", 6);
		wr_bytes(&w, all.e[i].key, 2);
		wr_u64(&w, 0);
	}
	assert_false(w.bad);
	assert_int_equal(recon_input(&b.rc, 1, msg, w.len, now), RECON_OK);
	assert_true(b.rc.pushed > 0);
	assert_true(b.meta_bytes + b.rc.pushed * 300 < 2 * RECON_REPLY_MAX);
	model_free(&all);
	close_pair();
}

/* Far beyond the rate, even a session under way is told to come back. */
static void
test_rate(void **state)
{
	struct mono now = { 1 };
	struct model all;
	struct rng rng = { 1 };
	unsigned i;

	(void)state;
	open_pair(64, 64);
	make_diff(&diffs[0], &rng, &all);
	for (i = 0; i < 1000000 && answered(11, 1, now); i++)
		;
	assert_true(i > 1000 && i < 1000000);
	now = mono_add_ms(now, 10000);
	assert_true(answered(11, 1, now));
	model_free(&all);
	close_pair();
}

static void
run_session(uint64_t peer, uint16_t sid, struct mono *now)
{
	b.id = peer;
	assert_int_equal(recon_start(&a.rc, peer, sid, 10, no_salt, *now),
	    RECON_OK);
	assert_true(pair_run(&a, &b, now, 10) > 0);
	assert_int_equal(a.how, RECON_DONE);
}

/* What one neighbour is sending, another is not asked for. */
static void
test_want_once(void **state)
{
	struct mono now = { 0 };
	struct model all;
	struct rng rng = { 12 };
	uint64_t wanted;

	(void)state;
	open_pair(RECON_STACK, RECON_WANTS);
	make_diff(&diffs[5], &rng, &all);
	b.mute = true;
	run_session(2, 1, &now);
	wanted = a.rc.wanted;
	assert_true(wanted > 10 && a.rc.spared == 0);
	run_session(3, 2, &now);
	assert_int_equal(a.rc.wanted, wanted);
	assert_int_equal(a.rc.spared, wanted);
	run_session(2, 3, &now); /* the same one may be asked again */
	assert_int_equal(a.rc.wanted, 2 * wanted);
	/* It does not come: after a while the other is asked after all. */
	now = mono_add_ms(now, 60000 + RECON_WANT_MS);
	b.mute = false;
	run_session(3, 4, &now);
	assert_int_equal(a.rc.wanted, 3 * wanted);
	(void)pair_merge(&a, 11);
	(void)pair_merge(&b, 11);
	check_union(&all);
	for (wanted = 0; wanted < RECON_WANTS; wanted++)
		assert_int_equal(a.rc.conf.wants[wanted].n, 0);
	model_free(&all);
	close_pair();
}

/*
 * Two versions that look the same in a list, of one millisecond and with the
 * same ver, are told apart by the whole list.
 */
static void
test_full_lists(void **state)
{
	struct model one_a = { 0 }, one_b = { 0 };
	struct mono now = { 0 };
	struct mtree_entry e;
	uint32_t k;

	(void)state;
	open_pair(64, 1024);
	vec_record(&e, 7);
	model_put(&one_a, &e);
	e.hlc++;
	model_put(&one_b, &e);
	assert_int_equal(model_build(&a.tree, 10, &one_a), MTREE_OK);
	for (k = 0; b.by_type[RECON_FULL] == 0 && k < 20000; k++) {
		now = mono_add_ms(now, 30000);
		put_u32(one_b.e[0].rid, k); /* until the ver is as well */
		assert_int_equal(model_build(&b.tree, 10, &one_b), MTREE_OK);
		a.n_got = b.n_got = 0;
		assert_int_equal(recon_start(&a.rc, 2, 1, 10, no_salt, now),
		    RECON_OK);
		assert_true(pair_run(&a, &b, &now, 10) >= 0);
	}
	assert_true(b.by_type[RECON_FULL] > 0);
	(void)pair_merge(&a, 11);
	(void)pair_merge(&b, 11);
	check_union(&one_b);
	model_free(&one_a);
	model_free(&one_b);
	close_pair();
}

/* Real messages with random damage: bounded work, no crash, sticky limits. */
static void
test_damage(void **state)
{
	static uint8_t last[RECON_MSG_MAX];
	struct mono now = { 0 };
	struct rng rng = { 33 };
	struct model all;
	struct pair_msg *m;
	struct guard g;
	unsigned i, bad = 0;
	size_t len = 0;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	open_pair(256, 256);
	make_diff(&diffs[8], &rng, &all);
	assert_int_equal(recon_start(&a.rc, 2, 1, 10, no_salt, now), RECON_OK);
	for (i = 0; i < 4000; i++) {
		/* To and fro, with one message of the past altered. */
		struct pair_node *to = i % 2 == 0 ? &b : &a;

		m = to->first;
		if (m != NULL) {
			len = m->len < g.page ? m->len : g.page;
			memcpy(last, m->b, len);
			to->first = m->next;
			if (to->first == NULL)
				to->last = &to->first;
			(void)recon_input(&to->rc, to->other->id, m->b, m->len,
			    now);
			free(m);
			to->n_push = 0;
		} else if (!a.rc.own.on) {
			now = mono_add_ms(now, 30000);
			(void)recon_start(&a.rc, 2, (uint16_t)(i & 0x7f), 10,
			    no_salt, now);
		}
		if (len > 0) {
			last[rng_below(&rng, (uint32_t)len)] ^=
			    (uint8_t)(1 << rng_below(&rng, 8));
			bad += recon_input(&to->rc, to->other->id,
				   guard_put(&g, last, len), len,
				   now) == RECON_MALFORMED;
			bad += recon_input(&to->rc, to->other->id,
				   guard_put(&g, last, len / 2), len / 2,
				   now) == RECON_MALFORMED;
			to->n_push = 0;
		}
		now = mono_add_ms(now, 50);
		recon_tick(&a.rc, now);
		assert_true(a.rc.own.n_stack <= 256);
	}
	assert_true(bad > 1000);
	model_free(&all);
	close_pair();
	guard_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_converges),
		cmocka_unit_test(test_quiet_when_equal),
		cmocka_unit_test(test_bodies_once),
		cmocka_unit_test(test_both_begin),
		cmocka_unit_test(test_small_bounds),
		cmocka_unit_test(test_tick_turns),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_long_session),
		cmocka_unit_test(test_limits_of_responder),
		cmocka_unit_test(test_places_are_lent),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_dear_message),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_want_once),
		cmocka_unit_test(test_full_lists),
		cmocka_unit_test(test_damage),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("recon", tests, NULL, NULL);
}
