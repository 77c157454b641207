/* SPDX-License-Identifier: ISC */
/* Token buckets: rates over hours in no time, and who shares a budget. */
#include "common/ratelimit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t key[RATELIMIT_KEY] = { 3, 1, 4, 1, 5, 9, 2, 6 };
static int64_t slots[4096];

static const struct {
	const char *name;
	struct rate rate;
	int64_t every_us; /* one try each */
	unsigned tries;
	unsigned allowed;
} rates[] = {
	{ "burst at once", { 10, 30 }, 0, 100, 30 },
	{ "burst and rate, 10 s", { 10, 30 }, 1000, 10000, 129 },
	{ "exactly the rate", { 10, 1 }, 100000, 1000, 1000 },
	{ "a bit too fast", { 10, 1 }, 99999, 1000, 500 },
	{ "burst 0 is 1", { 10, 0 }, 0, 5, 1 },
	{ "no limit", { 0, 0 }, 0, 100000, 100000 },
	{ "ten million a second", { 10000000, 1 }, 1, 1000, 1000 },
	{ "one a second, an hour", { 1, 1 }, 1000000, 3600, 3600 },
};

static void
test_rates(void **state)
{
	struct bucket b;
	struct mono now;
	unsigned k, allowed;
	size_t i;

	(void)state;
	for (i = 0; i < N(rates); i++) {
		bucket_init(&b, rates[i].rate);
		now.us = 0;
		allowed = 0;
		for (k = 0; k < rates[i].tries; k++) {
			allowed += bucket_allow(&b, now);
			now.us += rates[i].every_us;
		}
		print_message("%s: %u\n", rates[i].name, allowed);
		assert_int_equal(allowed, rates[i].allowed);
	}
}

/* However long the rest, no more than the burst is saved up. */
static void
test_rest(void **state)
{
	struct mono now = { 0 };
	struct bucket b;
	unsigned k, n;

	(void)state;
	bucket_init(&b, (struct rate){ 10, 30 });
	for (k = 0; k < 3; k++) {
		for (n = 0; bucket_allow(&b, now); n++)
			;
		assert_int_equal(n, 30);
		now = mono_add_ms(now, 86400000);
	}
}

static bool
shares_budget(const char *a, const char *b)
{
	const struct mono now = { 1000000 };
	struct naddr from_a, from_b;
	struct ratelimit rl;

	assert_int_equal(naddr_parse(&from_a, a), 0);
	assert_int_equal(naddr_parse(&from_b, b), 0);
	ratelimit_init(&rl, (struct rate){ 1, 1 }, 24, 56, slots, N(slots),
	    key);
	assert_true(ratelimit_allow(&rl, &from_a, now));
	return !ratelimit_allow(&rl, &from_b, now);
}

static void
test_prefixes(void **state)
{
	static const struct {
		const char *a, *b;
		bool shared;
	} cases[] = {
		{ "192.0.2.1:1", "192.0.2.1:2", true },
		{ "192.0.2.1:1", "192.0.2.254:1", true },
		{ "192.0.2.1:1", "192.0.3.1:1", false },
		{ "[2001:db8::1]:1", "[2001:db8:0:ff:9::2]:7", true },
		{ "[2001:db8::1]:1", "[2001:db8:0:100::1]:1", false },
		/* canonical: the same neighbours in other clothes */
		{ "192.0.2.1:1", "[::ffff:192.0.2.9]:1", true },
		{ "192.0.2.1:1", "[2002:c000:209::1]:1", true },
		{ "192.0.2.1:1", "[64:ff9b::192.0.2.9]:1", true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s %s\n", cases[i].a, cases[i].b);
		assert_int_equal(shares_budget(cases[i].a, cases[i].b),
		    cases[i].shared);
	}
}

/* With one slot every network collides: they share, nothing overflows. */
static void
test_collisions(void **state)
{
	struct naddr from = { .fam = NADDR_V4 };
	const struct mono now = { 0 };
	struct ratelimit rl;
	unsigned i, allowed = 0;

	(void)state;
	ratelimit_init(&rl, (struct rate){ 10, 30 }, 24, 56, slots, 1, key);
	for (i = 0; i < 256; i++) {
		from.ip[0] = (uint8_t)i;
		allowed += ratelimit_allow(&rl, &from, now);
	}
	assert_int_equal(allowed, 30);
}

/* Networks spread over the slots, and another key spreads them elsewhere. */
static void
test_spread(void **state)
{
	struct naddr from = { .fam = NADDR_V4 };
	uint8_t other[RATELIMIT_KEY] = { 2 };
	const struct mono now = { 0 };
	struct ratelimit rl;
	unsigned i, k, allowed;

	(void)state;
	for (k = 0; k < 2; k++) {
		ratelimit_init(&rl, (struct rate){ 1, 1 }, 24, 56, slots,
		    N(slots), k == 0 ? key : other);
		allowed = 0;
		for (i = 0; i < 256; i++) {
			from.ip[1] = (uint8_t)i;
			allowed += ratelimit_allow(&rl, &from, now);
		}
		assert_in_range(allowed, 230, 256); /* 248 expected */
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
