/* SPDX-License-Identifier: ISC */
/*
 * The address book: what a flood can reach, tests before evictions, waiting
 * times, whom it picks, and the file.
 */
#include "peerd/abook.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

#define T0 INT64_C(1766000000)

static const uint8_t key[16] = { 'k' }, id[32] = { 'i' };
static struct abook ab;
static struct abook_entry *cells;
static uint32_t heads[1024];

static struct wall
at(int64_t s)
{
	return (struct wall){ (T0 + s) * 1000 };
}

static struct naddr
v4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	struct naddr n = { .fam = NADDR_V4, .port = 38080 };

	n.ip[0] = (uint8_t)a;
	n.ip[1] = (uint8_t)b;
	n.ip[2] = (uint8_t)c;
	n.ip[3] = (uint8_t)d;
	return n;
}

static int
start(struct abook_conf conf)
{
	free(cells);
	cells = calloc(abook_cells(&conf), sizeof(cells[0]));
	if (cells == NULL)
		return -1;
	abook_init(&ab, &conf, cells, heads, 1024, key);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return start(ABOOK_CONF_DEFAULT);
}

static int
teardown(void **state)
{
	(void)state;
	free(cells);
	cells = NULL;
	return 0;
}

static void
test_groups(void **state)
{
	static const struct {
		const char *name, *a, *b;
		bool same;
	} cases[] = {
		{ "one /16", "8.8.8.8", "8.8.4.4", true },
		{ "two /16", "8.8.8.8", "8.9.8.8", false },
		{ "one /32", "2a00:1::1", "2a00:1:5::1", true },
		{ "two /32", "2a00:1::1", "2a00:2::1", false },
		{ "mapped", "8.8.8.8", "::ffff:8.8.1.1", true },
		{ "private", "10.0.0.1", "192.168.7.7", true },
		{ "private and not", "10.0.0.1", "11.0.0.1", false },
	};
	struct naddr a, b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(naddr_parse_ip(&a, cases[i].a, 1), 0);
		assert_int_equal(naddr_parse_ip(&b, cases[i].b, 1), 0);
		if ((abook_group(&a) == abook_group(&b)) != cases[i].same)
			fail_msg("%s", cases[i].name);
	}
}

static void
test_add_and_good(void **state)
{
	struct naddr a = v4(8, 8, 8, 8), none = { 0 };
	const struct abook_entry *e;
	uint8_t other[32] = { 'o' };

	(void)state;
	assert_int_equal(abook_add(&ab, &none, NULL, 1, at(0)), ABOOK_FULL);
	assert_int_equal(abook_add(&ab, &a, NULL, 1, at(0)), ABOOK_ADDED);
	assert_int_equal(abook_add(&ab, &a, id, 2, at(1)), ABOOK_SEEN);
	e = abook_find(&ab, &a);
	assert_false(abook_is_tried(&ab, e));
	assert_int_equal(e->seen, T0 + 1);
	assert_int_equal(e->source, 1);
	assert_int_equal(abook_good(&ab, &a, id, at(2)), ABOOK_TRIED);
	e = abook_find(&ab, &a);
	assert_true(abook_is_tried(&ab, e));
	assert_int_equal(ab.n_new, 0);
	assert_int_equal(ab.n_tried, 1);
	/* Gossip does not overrule a handshake. */
	assert_int_equal(abook_add(&ab, &a, other, 3, at(3)), ABOOK_SEEN);
	assert_memory_equal(abook_find(&ab, &a)->id, id, 32);
}

/* One source may fill a sixteenth of new, whatever it sends. */
static void
test_flood(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		struct naddr a =
		    v4(1 + i % 200, i / 200 % 250, i / 50000, i % 251);

		(void)abook_add(&ab, &a, NULL, 42, at(0));
	}
	assert_true(ab.n_new <= 256 * 32 / 16);
	assert_true(ab.n_new > 256 * 32 / 32);
	/* Others still find room. */
	for (i = 0; i < 100; i++) {
		struct naddr a = v4(9, i, 1, 1);

		(void)abook_add(&ab, &a, NULL, 1000 + i, at(0));
	}
	assert_true(ab.n_new > 256 * 32 / 32 + 80);
}

static void
test_test_before_evict(void **state)
{
	struct abook_conf one = { 64, 32, 1, 1 };
	struct naddr a = v4(8, 8, 8, 8), b = v4(9, 9, 9, 9);

	(void)state;
	assert_int_equal(start(one), 0);
	assert_int_equal(abook_good(&ab, &a, id, at(0)), ABOOK_TRIED);
	assert_int_equal(abook_good(&ab, &b, id, at(1)), ABOOK_CLASH);
	assert_true(naddr_equal(&abook_test(&ab, at(1))->addr, &a));
	/* The holder answers: it stays, and nothing more is to be tested. */
	assert_int_equal(abook_good(&ab, &a, id, at(2)), ABOOK_TRIED);
	assert_null(abook_test(&ab, at(2)));
	assert_true(abook_is_tried(&ab, abook_find(&ab, &a)));
	/* The holder fails: they change places. */
	assert_int_equal(abook_good(&ab, &b, id, at(3)), ABOOK_CLASH);
	abook_failed(&ab, &a, at(4));
	assert_true(abook_is_tried(&ab, abook_find(&ab, &b)));
	assert_false(abook_is_tried(&ab, abook_find(&ab, &a)));
	assert_int_equal(ab.n_tried, 1);
	assert_int_equal(ab.n_new, 1);
	assert_null(abook_test(&ab, at(5)));
}

static void
test_waiting(void **state)
{
	static const int64_t waits[] = { 20, 40, 80, 160, 320, 600, 600 };
	struct naddr a = v4(8, 8, 8, 8);
	struct abook_want want = { .rnd = 12345 };
	int64_t now = 0;
	size_t i;

	(void)state;
	assert_int_equal(abook_add(&ab, &a, NULL, 1, at(0)), ABOOK_ADDED);
	assert_non_null(abook_pick(&ab, &want, at(0)));
	abook_dialled(&ab, &a, at(0));
	assert_null(abook_pick(&ab, &want, at(9)));
	assert_non_null(abook_pick(&ab, &want, at(10)));
	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		abook_failed(&ab, &a, at(now));
		assert_null(abook_pick(&ab, &want, at(now + waits[i] - 1)));
		now += waits[i];
		assert_non_null(abook_pick(&ab, &want, at(now)));
	}
}

static void
test_worthless_makes_room(void **state)
{
	struct abook_conf one = { 1, 1, 1, 1 };
	struct naddr a = v4(8, 8, 8, 8), b = v4(9, 9, 9, 9);
	int i;

	(void)state;
	assert_int_equal(start(one), 0);
	assert_int_equal(abook_add(&ab, &a, NULL, 1, at(0)), ABOOK_ADDED);
	assert_int_equal(abook_add(&ab, &b, NULL, 1, at(0)), ABOOK_FULL);
	for (i = 0; i < ABOOK_NEW_FAILS; i++)
		abook_failed(&ab, &a, at(i));
	assert_int_equal(abook_add(&ab, &b, NULL, 1, at(9)), ABOOK_ADDED);
	assert_null(abook_find(&ab, &a));
	assert_int_equal(abook_add(&ab, &a, NULL, 1, at(9)), ABOOK_FULL);
	assert_int_equal(abook_add(&ab, &a, NULL, 1, at(10 + ABOOK_HORIZON_S)),
	    ABOOK_ADDED);
}

static void
test_pick(void **state)
{
	uint64_t groups[1];
	struct abook_want want = { .groups = groups, .n_groups = 1 };
	const struct abook_entry *e;
	struct naddr a;
	unsigned i, tried = 0, seen[20] = { 0 };
	uint64_t rnd = 1;

	(void)state;
	for (i = 0; i < 20; i++) {
		a = v4(20 + i, 1, 1, 1);
		(void)abook_add(&ab, &a, NULL, i, at(0));
		if (i < 5)
			(void)abook_good(&ab, &a, id, at(0));
	}
	a = v4(20, 1, 1, 1);
	groups[0] = abook_group(&a);
	for (i = 0; i < 2000; i++) {
		rnd = rnd * UINT64_C(6364136223846793005) + 1442695040888963407;
		want.rnd = rnd ^ rnd >> 29;
		e = abook_pick(&ab, &want, at(100));
		assert_non_null(e);
		seen[e->addr.ip[0] - 20]++;
		tried += abook_is_tried(&ab, e);
	}
	assert_int_equal(seen[0], 0); /* its group is linked already */
	assert_in_range(tried, 900, 1100);
	for (i = 1; i < 20; i++)
		assert_in_range(seen[i], i < 5 ? 150 : 30, i < 5 ? 350 : 110);
	want.new_only = true;
	assert_false(abook_is_tried(&ab, abook_pick(&ab, &want, at(100))));
	/* When nothing else is left, even a linked group. */
	assert_int_equal(start(ABOOK_CONF_DEFAULT), 0);
	(void)abook_add(&ab, &a, NULL, 1, at(0));
	want.new_only = false;
	assert_non_null(abook_pick(&ab, &want, at(0)));
	want.rnd = 0;
	assert_non_null(abook_pick(&ab, &want, at(0)));
}

static bool
is_this(void *ctx, const struct abook_entry *e)
{
	return naddr_equal(&e->addr, ctx);
}

/* The one entry that suits is found among many that do not. */
static void
test_pick_suits(void **state)
{
	struct naddr a, one = v4(77, 1, 1, 1);
	uint64_t groups[1] = { abook_group(&one) };
	struct abook_want want = { .groups = groups,
		.n_groups = 1,
		.suits = is_this,
		.ctx = &one };
	const struct abook_entry *e;
	unsigned i;

	(void)state;
	for (i = 20; i < 120; i++) {
		a = v4(i, 1, 1, 1);
		(void)abook_add(&ab, &a, NULL, i, at(0));
	}
	for (i = 0; i < 20; i++) {
		want.rnd = i * UINT64_C(0x9e3779b97f4a7c15);
		e = abook_pick(&ab, &want, at(100));
		assert_non_null(e);
		assert_true(naddr_equal(&e->addr, &one));
	}
	one.port++;
	assert_null(abook_pick(&ab, &want, at(100)));
}

static void
test_source(void **state)
{
	struct mono now = { 5000000 };
	struct abook_source s;
	unsigned n = 0;

	(void)state;
	abook_source_init(&s, now);
	while (abook_source_take(&s, now))
		n++;
	assert_int_equal(n, ABOOK_SOURCE_BURST);
	assert_false(abook_source_take(&s, mono_add_ms(now, 9990)));
	assert_true(abook_source_take(&s, mono_add_ms(now, 10000)));
	assert_false(abook_source_take(&s, mono_add_ms(now, 10001)));
	now = mono_add_ms(now, INT64_C(1000) * 3600 * 1000);
	for (n = 0; abook_source_take(&s, now); n++)
		;
	assert_int_equal(n, ABOOK_SOURCE_BURST);
}

static void
test_file(void **state)
{
	static uint8_t buf[64 * 1024], again[64 * 1024];
	const uint8_t other[16] = { 'x' };
	struct abook_conf conf = ABOOK_CONF_DEFAULT;
	struct naddr a;
	struct flush fl;
	struct wr w, w2;
	uint32_t from = 0, was, n;
	size_t len = 0, cut;
	unsigned i;
	bool done;

	(void)state;
	for (i = 0; i < 100; i++) {
		a = v4(20 + i, 1, 1, 1);
		(void)abook_add(&ab, &a, i % 2 ? id : NULL, i, at(0));
		if (i % 3 == 0)
			(void)abook_good(&ab, &a, id, at(1));
		if (i % 5 == 0)
			abook_failed(&ab, &a, at(2));
	}
	n = ab.n_new + ab.n_tried;
	assert_true(n > 90);
	/* In small pieces, as the shell writes it. */
	do {
		wr_init(&w, buf + len, ABOOK_ROW_MAX);
		was = from;
		done = abook_save(&ab, &w, &from);
		assert_false(w.bad);
		assert_true(done || from > was);
		len += w.len;
	} while (!done);
	abook_init(&ab, &conf, cells, heads, 1024, other);
	assert_int_equal(abook_load(&ab, buf, len), 0);
	assert_int_equal(ab.n_new + ab.n_tried, n);
	assert_memory_equal(ab.key, key, 16);
	from = 0;
	wr_init(&w2, again, sizeof(again));
	assert_true(abook_save(&ab, &w2, &from));
	assert_int_equal(w2.len, len);
	assert_memory_equal(buf, again, len);
	for (cut = 0; cut < 300; cut++) {
		abook_init(&ab, &conf, cells, heads, 1024, other);
		(void)flush_copy(&fl, buf, cut);
		(void)abook_load(&ab, fl.at, cut);
		flush_free(&fl);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test_setup_teardown(test_add_and_good, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_test_before_evict, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_worthless_makes_room,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_pick, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pick_suits, setup,
		    teardown),
		cmocka_unit_test(test_source),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
