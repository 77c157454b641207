/* SPDX-License-Identifier: ISC */
/*
 * Whose word counts about our clock.
 */
#include "peerd/skew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_median(void **state)
{
	int64_t one[] = { -7 }, odd[] = { 900, -3, 5, 90000000, 4 };
	int64_t even[] = { 40000, 10, 40001, 20 };

	(void)state;
	assert_int_equal(skew_median(NULL, 0), 0);
	assert_int_equal(skew_median(one, 1), -7);
	assert_int_equal(skew_median(odd, 5), 5);
	/* Of two in the middle the upper one: half of them lie. */
	assert_int_equal(skew_median(even, 4), 40000);
}

static void
test_stops(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name;
		bool stopped;
		int64_t median;
		size_t n;
		bool want;
	} cases[] = {
		{ "right",               false, 100,    6, false },
		{ "at the bound",        false, 30000,  6, false },
		{ "behind",              false, 30001,  5, true },
		{ "ahead",               false, -30001, 5, true },
		{ "too few to stop us",  false, 90000,  4, false },
		{ "few are enough to go on with it", true, 90000, 1, true },
		{ "one can end it",      true,  200,    1, false },
		{ "nobody knows: still", true,  0,      0, true },
		{ "nobody knows: not",   false, 0,      0, false },
	};
	/* clang-format on */
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (skew_stops(cases[i].stopped, cases[i].median, cases[i].n) !=
		    cases[i].want)
			fail_msg("%s", cases[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
