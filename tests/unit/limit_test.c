/* SPDX-License-Identifier: ISC */
/*
 * limit and prefix on virtual time: windows, blacklist, full sets, counters.
 */
#include "apid/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key[PREFIX_KEY_LEN] = { 1, 2, 3 };
static const struct limit_conf conf = { .window_ms = 1000,
	.max_requests = 3,
	.threshold = 2,
	.blacklist_ms = 60000 };
static struct limit l;

static struct prefix
pre(const char *ip)
{
	struct naddr a;
	struct prefix p;

	assert_int_equal(naddr_parse_ip(&a, ip, 99), 0);
	prefix_of(&p, &a);
	return p;
}

static struct mono
at(int64_t ms)
{
	return (struct mono){ ms * 1000 };
}

static void
test_prefix(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::ffff:0:0:1", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
		{ "::ffff:192.0.2.1", "192.0.2.1", true },
		{ "::", "0.0.0.0", false },
	};
	struct prefix a, b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		a = pre(pairs[i].a);
		b = pre(pairs[i].b);
		assert_int_equal(prefix_equal(&a, &b), pairs[i].same);
	}
	assert_true(pre("127.9.9.9").loopback);
	assert_true(pre("::1").loopback);
	assert_true(pre("::ffff:127.0.0.1").loopback);
	assert_false(pre("128.0.0.1").loopback);
}

static enum limit_act
take(const char *ip, uint32_t n, int64_t ms, uint64_t *wait)
{
	struct prefix p = pre(ip);

	return limit_take(&l, &p, n, at(ms), wait);
}

static void
test_window(void **state)
{
	uint64_t wait;
	int i;

	(void)state;
	limit_init(&l, &conf, key);
	for (i = 0; i < 3; i++)
		assert_int_equal(take("192.0.2.1", 1, 100, &wait), LIMIT_PASS);
	assert_int_equal(take("192.0.2.1", 1, 600, &wait), LIMIT_SLOW);
	assert_int_equal(wait, 500);
	assert_int_equal(take("192.0.2.1", 1, 700, &wait), LIMIT_SLOW);
	assert_int_equal(take("192.0.2.2", 3, 700, &wait), LIMIT_PASS);
	assert_int_equal(take("192.0.2.2", 1, 700, &wait), LIMIT_SLOW);
	assert_int_equal(take("192.0.2.3", 4, 700, &wait), LIMIT_SLOW);
	assert_int_equal(take("192.0.2.1", 3, 1100, &wait), LIMIT_PASS);
}

static void
test_blacklist(void **state)
{
	struct prefix p = pre("192.0.2.1"), lo = pre("127.0.0.1");
	uint64_t wait;
	int i;

	(void)state;
	limit_init(&l, &conf, key);
	assert_int_equal(take("192.0.2.1", 4, 0, &wait), LIMIT_SLOW);
	assert_int_equal(take("192.0.2.1", 4, 1000, &wait), LIMIT_BLACKEN);
	assert_int_equal(wait, 60000);
	assert_int_equal(take("192.0.2.1", 1, 2000, &wait), LIMIT_BANNED);
	assert_int_equal(wait, 59000);
	assert_true(limit_is_banned(&l, &p, at(2000), &wait));
	assert_int_equal(limit_bans(&l, at(2000)), 1);
	assert_int_equal(take("192.0.2.1", 1, 61000, &wait), LIMIT_PASS);
	/* a clean window between two broken ones forgives */
	assert_int_equal(take("192.0.2.7", 4, 0, &wait), LIMIT_SLOW);
	assert_int_equal(take("192.0.2.7", 4, 2000, &wait), LIMIT_SLOW);
	/* loopback may be slow, never banned */
	for (i = 0; i < 9; i++)
		assert_int_equal(take("127.0.0.1", 4, i * 1000, &wait),
		    LIMIT_SLOW);
	limit_ban(&l, &lo, MONO_NEVER, at(0));
	assert_false(limit_is_banned(&l, &lo, at(0), &wait));
}

static void
test_told(void **state)
{
	struct prefix p = pre("2001:db8::5");
	uint64_t wait;

	(void)state;
	limit_init(&l, &conf, key);
	limit_ban(&l, &p, MONO_NEVER, at(0));
	assert_int_equal(take("2001:db8::9", 1, 1u << 30, &wait), LIMIT_BANNED);
	limit_ban(&l, &p, at(5), at(5));
	assert_int_equal(take("2001:db8::9", 1, 5, &wait), LIMIT_PASS);
}

static void
test_off(void **state)
{
	static const struct limit_conf off = { .window_ms = 1000 };
	struct prefix p = pre("192.0.2.1");
	uint64_t wait;

	(void)state;
	limit_init(&l, &off, key);
	assert_int_equal(take("192.0.2.1", UINT32_MAX, 0, &wait), LIMIT_PASS);
	assert_int_equal(l.used, 0);
	limit_ban(&l, &p, at(10), at(0));
	assert_int_equal(take("192.0.2.1", 1, 0, &wait), LIMIT_BANNED);
}

/* A flood of strangers does not wash out a ban. */
static void
test_flood(void **state)
{
	struct prefix p = pre("192.0.2.1");
	uint64_t wait;
	uint32_t i;

	(void)state;
	limit_init(&l, &conf, key);
	limit_ban(&l, &p, at(1000000), at(0));
	for (i = 0; i < 100000; i++) {
		struct prefix q = { .bits = i + 5, .fam = NADDR_V6 };

		(void)limit_take(&l, &q, 1, at(1), &wait);
	}
	assert_true(limit_is_banned(&l, &p, at(2), &wait));
	assert_true(l.evicted > 90000);
	assert_int_equal(l.used, LIMIT_SETS * LIMIT_WAYS);
}

/* Random takes and drops against a plain array. */
static void
test_count(void **state)
{
	struct prefix_slot slots[64] = { { 0 } };
	struct prefix_count pc = { .slots = slots, .cap = 64 };
	uint32_t want[40] = { 0 }, all = 0, i, k;
	unsigned seed = 7;

	(void)state;
	assert_int_equal(prefix_slots(32), 64);
	for (i = 0; i < 200000; i++) {
		struct prefix p = { .fam = NADDR_V4 };

		seed = seed * 1103515245u + 12345u;
		k = (seed >> 16) % 40;
		p.bits = k * 77;
		if ((seed >> 8 & 1) != 0 && all < 32) {
			assert_int_equal(prefix_take(&pc, &p, 3), want[k] < 3);
			all += want[k] < 3;
			want[k] += want[k] < 3;
		} else if (want[k] > 0) {
			prefix_drop(&pc, &p);
			want[k]--;
			all--;
		}
	}
	for (k = 0; k < 40; k++)
		for (; want[k] > 0; want[k]--) {
			struct prefix p = { .bits = k * 77, .fam = NADDR_V4 };

			prefix_drop(&pc, &p);
		}
	for (i = 0; i < 64; i++)
		assert_int_equal(slots[i].count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_blacklist),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
