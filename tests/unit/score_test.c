/* SPDX-License-Identifier: ISC */
/* Scores: events, verdicts, the half-life, and the cap on good deeds. */
#include "peerd/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mono
at_s(int64_t s)
{
	return (struct mono){ s * 1000 * 1000 };
}

static const struct {
	const char *name;
	enum score_event event;
	unsigned times;
	enum score_verdict want;
} event_cases[] = {
	{ "one bad signature", SCORE_BAD_SIG, 1, SCORE_BAN },
	{ "one malformed message", SCORE_MALFORMED, 1, SCORE_BAN },
	{ "one byte past credit", SCORE_CREDIT, 1, SCORE_BAN },
	{ "four bad records", SCORE_CHARTER, 4, SCORE_POOR },
	{ "five bad records", SCORE_CHARTER, 5, SCORE_BAN },
	{ "one root lie", SCORE_ROOT_LIE, 1, SCORE_POOR },
	{ "two root lies", SCORE_ROOT_LIE, 2, SCORE_BAN },
	{ "nineteen unkept promises", SCORE_NO_PULL, 19, SCORE_POOR },
	{ "twenty unkept promises", SCORE_NO_PULL, 20, SCORE_BAN },
	{ "good deeds", SCORE_FIRST_50, 3, SCORE_FINE },
};

static void
test_events(void **state)
{
	enum score_verdict v;
	struct score s;
	size_t i;
	unsigned n;

	(void)state;
	for (i = 0; i < sizeof(event_cases) / sizeof(event_cases[0]); i++) {
		score_init(&s, at_s(0));
		assert_int_equal(score_verdict(&s, at_s(0)), SCORE_FINE);
		v = SCORE_FINE;
		for (n = 0; n < event_cases[i].times; n++)
			v = score_add(&s, event_cases[i].event, at_s(0));
		if (v != event_cases[i].want)
			fail_msg("%s", event_cases[i].name);
	}
}

static void
test_half_life(void **state)
{
	struct score often, once;
	int64_t s;

	(void)state;
	score_init(&often, at_s(0));
	score_init(&once, at_s(0));
	(void)score_add(&often, SCORE_BAD_SIG, at_s(0));
	(void)score_add(&once, SCORE_BAD_SIG, at_s(0));
	for (s = 0; s < 1800; s++)
		(void)score_points(&often, at_s(s));
	assert_int_equal(score_points(&often, at_s(300)), -12);
	assert_in_range(-score_points(&once, at_s(600)), 49, 50);
	assert_in_range(-score_points(&once, at_s(1200)), 24, 25);
	assert_int_equal(score_points(&often, at_s(1800)),
	    score_points(&once, at_s(1800)));
	assert_int_equal(score_points(&once, at_s(1000000)), 0);
	assert_int_equal(score_points(&once, at_s(5)), 0); /* time stands */
}

static void
test_good_deeds(void **state)
{
	struct score s;
	unsigned i;

	(void)state;
	score_init(&s, at_s(0));
	for (i = 0; i < 49; i++)
		score_first_delivery(&s, at_s(0));
	assert_int_equal(score_points(&s, at_s(0)), 0);
	score_first_delivery(&s, at_s(0));
	assert_int_equal(score_points(&s, at_s(0)), 1);
	for (i = 0; i < 5000; i++)
		score_first_delivery(&s, at_s(0));
	assert_int_equal(score_points(&s, at_s(0)), SCORE_MAX);
	for (i = 0; i < 100; i++)
		(void)score_add(&s, SCORE_BAD_SIG, at_s(0));
	assert_int_equal(score_points(&s, at_s(0)), SCORE_MIN);
	assert_string_equal(score_event_text(SCORE_BAD_SIG), "bad signature");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_half_life),
		cmocka_unit_test(test_good_deeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
