/* SPDX-License-Identifier: ISC */
/* Bans: prefixes, doubling, the operator's word, a full table, the file. */
#include "peerd/ban.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/vec.h"

#define CAP 4
#define T0  INT64_C(1766000000)

static struct bans bans;
static struct ban list[CAP];

static struct wall
at(int64_t s)
{
	return (struct wall){ (T0 + s) * 1000 };
}

static struct naddr
ip(const char *text)
{
	struct naddr a;

	assert_int_equal(naddr_parse_ip(&a, text, 1), 0);
	return a;
}

static int
setup(void **state)
{
	(void)state;
	bans_init(&bans, list, CAP);
	return 0;
}

static const struct {
	const char *name, *banned;
	uint8_t bits;
	const char *addr;
	bool want;
} prefix_cases[] = {
	{ "same host", "192.0.2.7", 32, "192.0.2.7", true },
	{ "next host", "192.0.2.7", 32, "192.0.2.8", false },
	{ "in the /24", "192.0.2.7", 24, "192.0.2.200", true },
	{ "mapped, in the /24", "192.0.2.7", 24, "::ffff:192.0.2.200", true },
	{ "mapped ban", "::ffff:192.0.2.7", 128, "192.0.2.7", true },
	{ "in the /64", "2001:db8::1", 64, "2001:db8::ffff:1", true },
	{ "beside the /64", "2001:db8::1", 64, "2001:db8:0:1::1", false },
	{ "all of 6to4", "2002::", 16, "2002:c000:207::1", true },
	{ "6to4 of a banned host", "192.0.2.7", 32, "2002:c000:207::1", true },
	{ "other family", "0.0.0.1", 1, "2001:db8::1", false },
};

static void
test_prefixes(void **state)
{
	struct ban_target t;
	struct naddr a, b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(prefix_cases) / sizeof(prefix_cases[0]); i++) {
		bans_init(&bans, list, CAP);
		a = ip(prefix_cases[i].banned);
		b = ip(prefix_cases[i].addr);
		t = ban_prefix(&a, prefix_cases[i].bits);
		assert_non_null(ban_manual(&bans, &t, 0, "test", at(0)));
		if ((ban_find_addr(&bans, &b, at(1)) != NULL) !=
		    prefix_cases[i].want)
			fail_msg("%s", prefix_cases[i].name);
	}
	a = ip("2001:db8::1");
	assert_int_equal(ban_host(&a).bits, 64);
	a = ip("::ffff:192.0.2.1");
	assert_int_equal(ban_host(&a).bits, 32);
}

static void
test_doubling(void **state)
{
	static const int64_t hours[] = { 1, 2, 4, 8, 16, 24, 24 };
	const uint8_t key[32] = { 1 };
	struct ban_target t = ban_key(key);
	const struct ban *ban;
	int64_t now = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
		ban = ban_auto(&bans, &t, "bad\nsignature", at(now));
		assert_int_equal(ban->until - ban->since, hours[i] * 3600);
		assert_non_null(ban_find_key(&bans, key, at(now)));
		now += hours[i] * 3600;
		assert_null(ban_find_key(&bans, key, at(now)));
	}
	assert_string_equal(ban->reason, "bad?signature");
	/* A day of good behaviour, and it starts over. */
	ban = ban_auto(&bans, &t, "x", at(now + BAN_MEMORY_S));
	assert_int_equal(ban->until - ban->since, 3600);
	assert_int_equal(bans.n, 1);
}

static void
test_operator(void **state)
{
	const uint8_t key[32] = { 1 };
	struct ban_target t = ban_key(key);
	const struct ban *ban;
	struct naddr none = { 0 };

	(void)state;
	ban = ban_manual(&bans, &t, 0, "spam", at(0));
	assert_int_equal(ban->until, BAN_EVER);
	assert_ptr_equal(ban_auto(&bans, &t, "score", at(1)), ban);
	assert_true(ban->manual);
	assert_non_null(ban_find_key(&bans, key, at(1000000000)));
	assert_null(ban_find_addr(&bans, &none, at(1)));
	assert_ptr_equal(ban_next(&bans, NULL, at(1)), ban);
	assert_null(ban_next(&bans, ban, at(1)));
	assert_true(ban_lift(&bans, &t));
	assert_false(ban_lift(&bans, &t));
	assert_null(ban_find_key(&bans, key, at(1)));
	ban = ban_manual(&bans, &t, 60, "a minute", at(0));
	assert_null(ban_find_key(&bans, key, at(60)));
}

static void
test_full(void **state)
{
	uint8_t key[32] = { 0 };
	struct ban_target t;
	uint8_t i;

	(void)state;
	for (i = 0; i < CAP; i++) {
		key[0] = i;
		t = ban_key(key);
		assert_non_null(i == 0 ? ban_manual(&bans, &t, 0, "m", at(0))
				       : ban_auto(&bans, &t, "a", at(i)));
	}
	/* The automatic ban that ends first makes room, never the manual. */
	key[0] = 77;
	t = ban_key(key);
	assert_non_null(ban_auto(&bans, &t, "a", at(10)));
	key[0] = 0;
	assert_non_null(ban_find_key(&bans, key, at(11)));
	key[0] = 1;
	assert_null(ban_find_key(&bans, key, at(11)));
	for (i = 0; i < CAP - 1; i++) {
		key[0] = (uint8_t)(100 + i);
		t = ban_key(key);
		assert_non_null(ban_manual(&bans, &t, 100, "m", at(12)));
	}
	key[0] = 200;
	t = ban_key(key);
	assert_null(ban_auto(&bans, &t, "a", at(13)));
	assert_null(ban_manual(&bans, &t, 0, "m", at(13)));
	assert_non_null(ban_manual(&bans, &t, 0, "m", at(112)));
	assert_int_equal(bans.n, CAP);
}

static void
test_file(void **state)
{
	uint8_t buf[CAP * BAN_ROW_MAX], again[CAP * BAN_ROW_MAX];
	const uint8_t key[32] = { 1 };
	struct naddr a = ip("2001:db8::1");
	struct ban_target k = ban_key(key), p = ban_host(&a);
	struct ban other[CAP];
	struct bans back;
	struct flush fl;
	struct wr w, w2;
	size_t cut;

	(void)state;
	assert_non_null(ban_manual(&bans, &k, 0,
	    "a reason of just about sixty-three characters, as long as it is",
	    at(0)));
	assert_non_null(ban_auto(&bans, &p, "bad signature", at(0)));
	wr_init(&w, buf, sizeof(buf));
	bans_save(&bans, &w);
	assert_false(w.bad);
	bans_init(&back, other, CAP);
	assert_int_equal(bans_load(&back, buf, w.len), 0);
	wr_init(&w2, again, sizeof(again));
	bans_save(&back, &w2);
	assert_int_equal(w.len, w2.len);
	assert_memory_equal(buf, again, w.len);
	assert_non_null(ban_find_addr(&back, &a, at(1)));
	for (cut = 0; cut < w.len; cut++) {
		bans_init(&back, other, CAP);
		(void)flush_copy(&fl, buf, cut);
		(void)bans_load(&back, fl.at, cut);
		assert_true(back.n < 2);
		flush_free(&fl);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_prefixes, setup),
		cmocka_unit_test_setup(test_doubling, setup),
		cmocka_unit_test_setup(test_operator, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_file, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
