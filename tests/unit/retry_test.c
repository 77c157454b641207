/* SPDX-License-Identifier: ISC */
/* Retries: how many in which time, by the clock and by news. */
#include "peerd/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct retry r;
static struct mono now;

static int
setup(void **state)
{
	(void)state;
	now.us = 1000000;
	retry_init(&r, 1000, now);
	return 0;
}

static void
after_ms(int64_t ms)
{
	now = mono_add_ms(now, ms);
}

/* Tries in so many seconds, with a stamp that changes when news is true. */
static unsigned
tries_in(int64_t s, bool news)
{
	struct mono end = mono_add_ms(now, s * 1000);
	unsigned n = 0;
	uint64_t stamp = 1;

	while (mono_before(now, end)) {
		stamp += news;
		if (retry_is_due(&r, stamp, now)) {
			retry_begin(&r, stamp, (uint32_t)stamp * 2654435761u,
			    now);
			n++;
		}
		after_ms(100);
	}
	return n;
}

static void
test_doubles(void **state)
{
	uint32_t wait = 2000;
	int i;

	(void)state;
	after_ms(999);
	assert_false(retry_is_due(&r, 0, now));
	after_ms(1);
	for (i = 0; i < 20; i++) {
		assert_true(retry_is_due(&r, 0, now));
		retry_begin(&r, 0, 0, now); /* the least of chance */
		assert_int_equal(mono_ms_between(now, r.due), wait * 3 / 4);
		after_ms(wait * 3 / 4 - 1);
		assert_false(retry_is_due(&r, 0, now));
		after_ms(1);
		wait =
		    wait * 2 > RETRY_WAIT_MAX_MS ? RETRY_WAIT_MAX_MS : wait * 2;
	}
	assert_int_equal(r.tries, 20);
}

static void
test_spread(void **state)
{
	uint32_t i;
	int64_t ms;

	(void)state;
	r.wait_ms = RETRY_WAIT_MAX_MS;
	for (i = 0; i < 1000; i++) {
		retry_begin(&r, 0, i * 4294967u, now);
		ms = mono_ms_between(now, r.due);
		assert_true(ms >= RETRY_WAIT_MAX_MS * 3 / 4);
		assert_true(ms <= RETRY_WAIT_MAX_MS * 5 / 4);
	}
}

static void
test_bounded(void **state)
{
	unsigned first;

	(void)state;
	first = tries_in(3600, false);
	assert_in_range(first, 12, 18);
	assert_in_range(tries_in(3600, false), 4, 9);
}

/* News is worth a try, but who makes news all the time gets two a minute. */
static void
test_news(void **state)
{
	(void)state;
	after_ms(1000);
	retry_begin(&r, 1, 0, now);
	r.due = mono_add_ms(now, 600000);
	after_ms(RETRY_NEWS_MS - 1);
	assert_false(retry_is_due(&r, 2, now));
	after_ms(1);
	assert_true(retry_is_due(&r, 2, now));
	assert_false(retry_is_due(&r, 1, now));
	(void)setup(NULL);
	assert_in_range(tries_in(3600, true), 100, 130);
}

static void
test_put_off(void **state)
{
	(void)state;
	after_ms(1000);
	retry_begin(&r, 0, 0, now); /* what follows waits 4 s */
	retry_put_off(&r, now);
	after_ms(3999);
	assert_false(retry_is_due(&r, 0, now));
	after_ms(1);
	assert_true(retry_is_due(&r, 0, now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_doubles, setup),
		cmocka_unit_test_setup(test_spread, setup),
		cmocka_unit_test_setup(test_bounded, setup),
		cmocka_unit_test_setup(test_news, setup),
		cmocka_unit_test_setup(test_put_off, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
