/* SPDX-License-Identifier: ISC */
/* Requests a window: scripts of requests at given milliseconds. */
#include "common/winlimit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t key[WINLIMIT_KEY] = { 2, 7, 1, 8 };
static struct winlimit_entry entries[4 * WINLIMIT_WAYS];

/* 10 a second; the second violated window costs a minute. */
static const struct winlimit_cfg cfg = { 1000, 10, 2, 60000, 32, 64 };

struct step {
	int64_t ms;
	uint32_t cost;
	enum winlimit_answer answer;
	int64_t retry_ms;
};

/* clang-format off */
static const struct script {
	const char *name;
	struct step steps[8];
} scripts[] = {
	{ "window opens with the first request", {
		{ 500, 10, WINLIMIT_OK, 0 },
		{ 1499, 1, WINLIMIT_OVER, 1 },
		{ 1500, 10, WINLIMIT_OK, 0 } } },
	{ "a batch is all or nothing", {
		{ 0, 8, WINLIMIT_OK, 0 },
		{ 1, 3, WINLIMIT_OVER, 999 },
		{ 2, 2, WINLIMIT_OK, 0 } } },
	{ "one violation a window", {
		{ 0, 11, WINLIMIT_OVER, 1000 },
		{ 1, 11, WINLIMIT_OVER, 999 },
		{ 2, 11, WINLIMIT_OVER, 998 } } },
	{ "the second window is one too many", {
		{ 0, 11, WINLIMIT_OVER, 1000 },
		{ 1000, 11, WINLIMIT_BLACKLISTED, 60000 },
		{ 2000, 1, WINLIMIT_BLACKLISTED, 59000 },
		{ 60999, 1, WINLIMIT_BLACKLISTED, 1 },
		{ 61000, 1, WINLIMIT_OK, 0 } } },
	{ "clean windows between do not help", {
		{ 0, 11, WINLIMIT_OVER, 1000 },
		{ 5000, 1, WINLIMIT_OK, 0 },
		{ 9000, 11, WINLIMIT_BLACKLISTED, 60000 } } },
	{ "a violation is forgotten in time", {
		{ 0, 11, WINLIMIT_OVER, 1000 },
		{ 60000, 11, WINLIMIT_OVER, 1000 },
		{ 61000, 11, WINLIMIT_BLACKLISTED, 60000 } } },
	{ "after the blacklist all is new", {
		{ 0, 11, WINLIMIT_OVER, 1000 },
		{ 1000, 11, WINLIMIT_BLACKLISTED, 60000 },
		{ 61000, 11, WINLIMIT_OVER, 1000 } } },
};
/* clang-format on */

static void
run_script(const struct script *s, const struct naddr *from)
{
	struct winlimit wl;
	int64_t retry_ms;
	size_t i;

	winlimit_init(&wl, &cfg, entries, N(entries), key);
	print_message("%s\n", s->name);
	for (i = 0; i < N(s->steps) && s->steps[i].cost > 0; i++) {
		const struct step *t = &s->steps[i];
		struct mono now = { t->ms * 1000 };

		assert_int_equal(
		    winlimit_ask(&wl, from, t->cost, now, &retry_ms),
		    t->answer);
		assert_int_equal(retry_ms, t->retry_ms);
	}
}

static void
test_scripts(void **state)
{
	struct naddr from;
	size_t i;

	(void)state;
	assert_int_equal(naddr_parse(&from, "192.0.2.1:5"), 0);
	for (i = 0; i < N(scripts); i++)
		run_script(&scripts[i], &from);
}

static void
test_networks(void **state)
{
	static const struct {
		const char *from;
		enum winlimit_answer answer;
	} asks[] = {
		{ "192.0.2.1:1", WINLIMIT_OK },
		{ "192.0.2.1:2", WINLIMIT_OVER },
		{ "[::ffff:192.0.2.1]:2", WINLIMIT_OVER },
		{ "192.0.2.2:1", WINLIMIT_OK },
		{ "[2001:db8::1]:1", WINLIMIT_OK },
		{ "[2001:db8::ffff:0:0:1]:1", WINLIMIT_OVER },
		{ "[2001:db8:0:1::1]:1", WINLIMIT_OK },
	};
	struct winlimit wl;
	struct naddr from;
	int64_t retry_ms;
	size_t i;

	(void)state;
	winlimit_init(&wl, &cfg, entries, N(entries), key);
	for (i = 0; i < N(asks); i++) {
		print_message("%s\n", asks[i].from);
		assert_int_equal(naddr_parse(&from, asks[i].from), 0);
		assert_int_equal(
		    winlimit_ask(&wl, &from, 10, (struct mono){ 0 }, &retry_ms),
		    asks[i].answer);
	}
}

/* A crowd passing by does not wash anybody off the blacklist. */
static void
test_crowd(void **state)
{
	struct naddr bad = { .fam = NADDR_V4, .ip = { 192, 0, 2, 1 } };
	struct naddr from = { .fam = NADDR_V4, .ip = { 10 } };
	struct mono now = { 0 };
	struct winlimit wl;
	int64_t retry_ms;
	unsigned i;

	(void)state;
	winlimit_init(&wl, &cfg, entries, N(entries), key);
	(void)winlimit_ask(&wl, &bad, 11, now, &retry_ms);
	now = mono_add_ms(now, 1000);
	(void)winlimit_ask(&wl, &bad, 11, now, &retry_ms);
	for (i = 0; i < 5000; i++) {
		from.ip[2] = (uint8_t)(i >> 8);
		from.ip[3] = (uint8_t)i;
		now.us++;
		assert_int_equal(winlimit_ask(&wl, &from, 1, now, &retry_ms),
		    WINLIMIT_OK);
	}
	assert_int_equal(winlimit_ask(&wl, &bad, 1, now, &retry_ms),
	    WINLIMIT_BLACKLISTED);
	winlimit_pardon(&wl, &bad);
	assert_int_equal(winlimit_ask(&wl, &bad, 1, now, &retry_ms),
	    WINLIMIT_OK);
}

/* In a full row the longest unused goes; if all are listed, the next free. */
static void
test_full_row(void **state)
{
	struct naddr from = { .fam = NADDR_V4 };
	struct mono now = { 0 };
	struct winlimit wl;
	int64_t retry_ms;
	unsigned i, k;

	(void)state;
	winlimit_init(&wl, &cfg, entries, WINLIMIT_WAYS, key);
	for (k = 0; k < 2; k++) /* all on the blacklist, 0 first */
		for (i = 0; i < WINLIMIT_WAYS; i++) {
			from.ip[3] = (uint8_t)i;
			now.us = (int64_t)k * 1000000 + i;
			(void)winlimit_ask(&wl, &from, 11, now, &retry_ms);
		}
	from.ip[3] = 100;
	assert_int_equal(winlimit_ask(&wl, &from, 1, now, &retry_ms),
	    WINLIMIT_OK);
	for (i = 1; i < WINLIMIT_WAYS; i++) {
		from.ip[3] = (uint8_t)i;
		assert_int_equal(winlimit_ask(&wl, &from, 1, now, &retry_ms),
		    WINLIMIT_BLACKLISTED);
	}
	from.ip[3] = 0;
	assert_int_equal(winlimit_ask(&wl, &from, 1, now, &retry_ms),
	    WINLIMIT_OK);
}

static void
test_switches(void **state)
{
	struct naddr from = { .fam = NADDR_V4 };
	struct winlimit_cfg c = cfg;
	struct mono now = { 0 };
	struct winlimit wl;
	int64_t retry_ms;
	unsigned i;

	(void)state;
	c.requests_max = 0;
	winlimit_init(&wl, &c, entries, N(entries), key);
	assert_int_equal(winlimit_ask(&wl, &from, 1000000, now, &retry_ms),
	    WINLIMIT_OK);
	c.requests_max = 1;
	c.violations = 0;
	winlimit_init(&wl, &c, entries, N(entries), key);
	for (i = 0; i < 100; i++) {
		now = mono_add_ms(now, 1000);
		assert_int_equal(winlimit_ask(&wl, &from, 2, now, &retry_ms),
		    WINLIMIT_OVER);
	}
	c = WINLIMIT_DEFAULTS;
	assert_int_equal(c.window_ms, 30000);
	assert_int_equal(c.requests_max, 500);
	assert_int_equal(winlimit_retry_s(0), 0);
	assert_int_equal(winlimit_retry_s(1), 1);
	assert_int_equal(winlimit_retry_s(1000), 1);
	assert_int_equal(winlimit_retry_s(1001), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_full_row),
		cmocka_unit_test(test_switches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
