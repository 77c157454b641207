/* SPDX-License-Identifier: ISC */
/* Stamps: order, exhaustion, the future bound and expiry. */
#include "common/hlc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *name;
	int64_t wall_ms;
	uint64_t last, replaced, want;
} next_cases[] = {
	{ "wall clock leads", 5, 0, 0, 5 << 16 },
	{ "own last leads", 5, (5 << 16) + 7, 0, (5 << 16) + 8 },
	{ "replaced leads", 5, 1, 9 << 16, (9 << 16) + 1 },
	{ "same as wall", 5, 5 << 16, 0, (5 << 16) + 1 },
	{ "counter runs into the next millisecond", 5, (5 << 16) + 65535, 0,
	    6 << 16 },
	{ "clock before 1970", -5, 0, 0, 1 },
	{ "used up", 5, UINT64_MAX, 0, 0 },
};

static void
test_next(void **state)
{
	struct wall now;
	uint64_t got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(next_cases) / sizeof(next_cases[0]); i++) {
		now.ms = next_cases[i].wall_ms;
		got = hlc_next(now, next_cases[i].last, next_cases[i].replaced);
		if (got != next_cases[i].want)
			fail_msg("%s", next_cases[i].name);
	}
}

static void
test_future(void **state)
{
	struct wall now = { 1000000 };

	(void)state;
	assert_false(hlc_is_future(hlc_from_wall(now), now, 0));
	assert_false(
	    hlc_is_future(UINT64_C(1060000) << 16 | 0xffff, now, 60000));
	assert_true(hlc_is_future(UINT64_C(1060001) << 16, now, 60000));
	assert_true(hlc_is_future(UINT64_MAX, now, UINT32_MAX));
}

static void
test_expiry(void **state)
{
	(void)state;
	assert_int_equal(hlc_expiry(UINT64_C(1000) << 16 | 9, 3600).ms,
	    3601000);
	assert_int_equal(hlc_wall(hlc_from_wall((struct wall){ 77 })).ms, 77);
	assert_int_equal(hlc_wall(hlc_from_wall((struct wall){ INT64_MAX })).ms,
	    HLC_MS_MAX);
	assert_true(hlc_expiry(UINT64_MAX, UINT32_MAX).ms > HLC_MS_MAX);
}

static void
test_tick(void **state)
{
	(void)state;
	assert_int_equal(hlc_tick(UINT64_C(20000) << 16 | 9, 10000), 2);
	assert_int_equal(hlc_tick(UINT64_C(20001) << 16, 10000), 3);
	assert_int_equal(hlc_tick(9, 10000), 0);
	assert_true(hlc_tick(UINT64_MAX, 1) == HLC_MS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_future),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
