/* SPDX-License-Identifier: ISC */
/* Levels by their thresholds, and that they do not flutter. */
#include "peerd/temper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define H UINT64_C(3600)
#define D (24 * H)

/* The start of windows of all spans at once: 210 days after some month. */
#define T0 (UINT64_C(100) * 210 * 86400)

/* n reads, spread evenly from the start on, over so many seconds. */
static void
spread(struct temper *t, uint32_t n, uint64_t from, uint64_t s)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		temper_read(t, 1, from + s * i / n);
}

static const struct {
	const char *name;
	uint32_t reads;
	uint64_t over;
	enum temper_level want;
} cases[] = {
	{ "never", 0, 1, TEMPER_FROZEN },
	{ "once", 1, 1, TEMPER_COLD },
	{ "9 in a month", 9, 30 * D - 1, TEMPER_COLD },
	{ "10 in a month", 10, 30 * D - 1, TEMPER_COOL },
	{ "49 in a week", 49, 7 * D - 1, TEMPER_COOL },
	{ "50 in a week", 50, 7 * D - 1, TEMPER_WARM },
	{ "100 in a month", 100, 30 * D - 1, TEMPER_WARM },
	{ "99 in a day", 99, D - 1, TEMPER_WARM },
	{ "100 in a day", 100, D - 1, TEMPER_HOT },
	{ "500 in a week", 500, 7 * D - 1, TEMPER_HOT },
	{ "999 in an hour", 999, H - 1, TEMPER_HOT },
	{ "1000 in an hour", 1000, H - 1, TEMPER_VIRAL },
	{ "1000 in two hours", 1000, 2 * H - 1, TEMPER_HOT },
};

static void
test_thresholds(void **state)
{
	enum temper_level got;
	struct temper t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&t, 0, sizeof(t));
		spread(&t, cases[i].reads, T0, cases[i].over);
		got = temper_level(&t, TEMPER_FROZEN, 0, T0 + cases[i].over);
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].name, temper_name(got));
	}
}

static void
test_quarter(void **state)
{
	struct temper t = { 0 };

	(void)state;
	/* Ten a month would be COOL by itself: 9 in this one, 11 before. */
	spread(&t, 11, T0, 10 * D);
	spread(&t, 9, T0 + 50 * D, 5 * D);
	assert_true(temper_count(&t, TEMPER_MONTH, T0 + 58 * D) < 10);
	assert_int_equal(temper_level(&t, TEMPER_COLD, 0, T0 + 58 * D),
	    TEMPER_COOL);
}

static void
test_year(void **state)
{
	struct temper t = { 0 };

	(void)state;
	temper_read(&t, 1, T0);
	assert_int_equal(temper_level(&t, TEMPER_COLD, T0, T0 + 364 * D),
	    TEMPER_COLD);
	assert_int_equal(temper_level(&t, TEMPER_COLD, T0, T0 + 365 * D),
	    TEMPER_FROZEN);
}

/* Counts slide: half a span on, half of the window before still counts. */
static void
test_sliding(void **state)
{
	struct temper t = { 0 };

	(void)state;
	spread(&t, 1000, T0, H);
	assert_int_equal(temper_count(&t, TEMPER_HOUR, T0 + H), 1000);
	assert_int_equal(temper_count(&t, TEMPER_HOUR, T0 + H + H / 2), 500);
	assert_int_equal(temper_count(&t, TEMPER_HOUR, T0 + 2 * H), 0);
	assert_int_equal(temper_count(&t, TEMPER_DAY, T0 + 2 * H), 1000);
	temper_read(&t, 0, T0 + 9 * H);
	assert_int_equal(t.last, T0 + H * 999 / 1000);
	temper_read(&t, 5, T0); /* the clock went back */
	assert_int_equal(temper_count(&t, TEMPER_HOUR, T0), 1005);
	temper_read(&t, UINT32_MAX, T0);
	assert_int_equal(t.cur[TEMPER_HOUR], UINT32_MAX);
}

static void
test_hysteresis(void **state)
{
	struct temper t = { 0 };
	uint64_t now = T0 + D / 2, since = T0;

	(void)state;
	/* Below HOT but not below 0.8 of it: it stands, however long. */
	temper_read(&t, 81, now);
	assert_int_equal(temper_level(&t, TEMPER_HOT, since, now + 2 * H),
	    TEMPER_HOT);
	assert_int_equal(temper_level(&t, TEMPER_WARM, since, now),
	    TEMPER_WARM);
	/* Below 0.8: it falls, but not before the cool-down. */
	memset(&t, 0, sizeof(t));
	temper_read(&t, 79, now);
	assert_int_equal(
	    temper_level(&t, TEMPER_HOT, now, now + TEMPER_COOLDOWN_S - 1),
	    TEMPER_HOT);
	assert_int_equal(
	    temper_level(&t, TEMPER_HOT, now, now + TEMPER_COOLDOWN_S),
	    TEMPER_WARM);
	/* And up again at once. */
	temper_read(&t, 21, now);
	assert_int_equal(temper_level(&t, TEMPER_WARM, now, now), TEMPER_HOT);
}

/* A block on the edge of HOT for a week changes a few times, not hourly. */
static void
test_flutter(void **state)
{
	enum temper_level level = TEMPER_FROZEN, next;
	struct temper t = { 0 };
	uint64_t now, since = T0;
	unsigned changes = 0;

	(void)state;
	for (now = T0; now < T0 + 14 * D; now += H) {
		temper_read(&t, 4 + (now / H) % 2, now); /* 96 to 120 a day */
		next = temper_level(&t, level, since, now);
		if (next != level) {
			changes++;
			since = now;
		}
		level = next;
	}
	assert_int_equal(level, TEMPER_HOT);
	assert_in_range(changes, 3, 5);
}

static void
test_forms(void **state)
{
	struct temper t = { .last = 9,
		.cur = { 1, 2, 3, UINT32_MAX },
		.before = { 5, 6, 7, INT32_MAX } },
		      u = { .last = 9 };
	enum temper_span s;
	int i;

	(void)state;
	for (s = 0; s < TEMPER_SPANS; s++)
		temper_unpack(&u, s, temper_pack(&t, s));
	assert_memory_equal(&t, &u, sizeof(t));
	for (i = 0; i < TEMPER_N; i++)
		assert_int_equal(
		    temper_of_weight(temper_weight((enum temper_level)i)), i);
	assert_int_equal(temper_of_weight(-1), TEMPER_FROZEN);
	assert_int_equal(temper_of_weight(999999), TEMPER_VIRAL);
	assert_string_equal(temper_name(TEMPER_VIRAL), "VIRAL");
	assert_int_equal(temper_weight(TEMPER_VIRAL), 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_quarter),
		cmocka_unit_test(test_year),
		cmocka_unit_test(test_sliding),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_flutter),
		cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
