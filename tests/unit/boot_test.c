/* SPDX-License-Identifier: ISC */
/*
 * Fetching everything: honest helpers, however slow, end it; whoever only
 * claims to help is found out, and keeps nothing from the others meanwhile.
 */
#include "peerd/boot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "common/rec.h"
#include "common/tree_hash.h"

#define REC_BYTES 300

static struct boot b;
static struct mono now;

static const uint8_t *
id(uint32_t link)
{
	static uint8_t buf[32];

	put_u32(buf, link);
	return buf;
}

static bool
offer(uint32_t link, uint64_t claim, uint64_t have)
{
	return boot_offer(&b, link, id(link), claim, have, now);
}

static void
fresh(void)
{
	memset(&b, 0, sizeof(b));
	now = (struct mono){ 1000000 };
}

static void
seconds(unsigned n)
{
	while (n-- > 0) {
		now = mono_add_ms(now, 1000);
		boot_tick(&b, false, now);
	}
}

/* Ask a link for what there is for it; how many ranges it has then. */
static unsigned
ask(uint32_t link)
{
	struct boot_task *t;
	unsigned i, n = 0;

	while ((t = boot_next(&b, link, now)) != NULL)
		boot_asked(&b, t, link, now);
	for (i = 0; i < b.n; i++)
		n += b.tasks[i].state == BOOT_ASKED && b.tasks[i].link == link;
	return n;
}

static struct boot_task *
task_of(uint32_t link)
{
	unsigned i;

	for (i = 0; i < b.n; i++)
		if (b.tasks[i].state == BOOT_ASKED && b.tasks[i].link == link)
			return &b.tasks[i];
	return NULL;
}

/* The nth key of a range. */
static const uint8_t *
key_in(const struct boot_task *t, uint32_t n)
{
	static uint8_t key[32];

	memcpy(key, t->range.prefix, 32);
	put_u32(key + 8, n);
	return key;
}

static void
bring(uint32_t link, const struct boot_task *t, uint32_t first, unsigned n)
{
	while (n-- > 0)
		boot_record(&b, link, key_in(t, first++), REC_BYTES);
}

static void
answer(uint32_t link, const struct boot_task *t, bool more, uint32_t last)
{
	boot_answer(&b, link, t->sid, more, key_in(t, last), now);
}

/* Every range ends at once, and is of whoever asks first. */
static void
help(uint32_t link)
{
	const struct boot_task *t;

	while (ask(link) > 0) {
		t = task_of(link);
		bring(link, t, 1, 10);
		answer(link, t, false, 10);
	}
}

static void
test_every_key_once(void **state)
{
	uint8_t key[32] = { 0 };
	unsigned k, i, in, firsts = 0;

	(void)state;
	fresh();
	assert_true(offer(1, 5000, 0));
	for (k = 0; k < 65536; k += 16) {
		key[0] = (uint8_t)(k >> 8);
		key[1] = (uint8_t)k;
		for (in = i = 0; i < b.n; i++)
			in += tree_diff_bit(b.tasks[i].range.prefix, key) >=
			    b.tasks[i].range.bits;
		assert_int_equal(in, 1);
	}
	for (i = 0; i < b.n; i++)
		firsts += b.tasks[i].first;
	assert_int_equal(firsts, 2);
}

static void
test_honest(void **state)
{
	(void)state;
	fresh();
	assert_false(offer(1, BOOT_MANY - 1, 0)); /* a sync is as good */
	assert_false(offer(1, 5000, 1300));
	assert_true(offer(1, 5000, 0));
	assert_true(offer(2, 5000, 0));
	assert_int_equal(ask(1), 2);
	assert_int_equal(ask(2), 0);       /* members and nodes come first */
	assert_true(offer(3, 5000, 2500)); /* we had nothing, and it has much */
	assert_int_equal(ask(3), 0);
	help(1);
	assert_true(boot_finish(&b, 5000, now));
	assert_false(b.on);
	assert_int_equal(b.barred, 0);
}

/* Four kilobytes a second for half an hour is slow, and no crime. */
static void
test_slow_is_honest(void **state)
{
	struct boot_task *t;
	uint32_t at = 0;
	unsigned i;

	(void)state;
	fresh();
	assert_true(offer(1, 100000, 0));
	assert_int_equal(ask(1), 2);
	t = task_of(1);
	for (i = 1; i < 1800; i++) {
		bring(1, t, at + 1, 14);
		at += 14;
		if (i % 250 == 0) {
			answer(1, t, true, at);
			assert_int_equal(ask(1), 2);
		}
		seconds(1);
	}
	assert_true(boot_is_helper(&b, 1));
	help(1);
	assert_true(boot_finish(&b, 100000, now));
	assert_int_equal(b.barred, 0);
}

static void
nothing(uint32_t link, unsigned second)
{
	(void)link;
	(void)second;
}

static void
wrong_sid(uint32_t link, unsigned second)
{
	(void)second;
	boot_answer(&b, link, (uint16_t)(task_of(link)->sid + 77), false,
	    key_in(task_of(link), 1), now);
}

static void
creeps(uint32_t link, unsigned second)
{
	answer(link, task_of(link), true, second + 1);
	(void)ask(link);
}

static void
drips(uint32_t link, unsigned second)
{
	bring(link, task_of(link), second + 1, 1);
}

static void
repeats(uint32_t link, unsigned second)
{
	unsigned i;

	(void)second;
	for (i = 0; i < 1000; i++)
		bring(link, task_of(link), 7, 1);
}

/* Told again of each part: the range was held all along. */
static void
repeats_by_parts(uint32_t link, unsigned second)
{
	bring(link, task_of(link), 1, 50);
	answer(link, task_of(link), true, second + 1);
	(void)ask(link);
}

static void
elsewhere(uint32_t link, unsigned second)
{
	struct boot_task t = { .range = { { 200 }, 8 } };

	bring(link, &t, second * 1000 + 1, 1000);
}

static const struct {
	const char *name;
	void (*act)(uint32_t link, unsigned second);
} lies[] = {
	{ "says nothing", nothing },
	{ "answers what it was not asked", wrong_sid },
	{ "goes on and on without a record", creeps },
	{ "brings a record a second", drips },
	{ "brings one record many times", repeats },
	{ "brings the same in every part", repeats_by_parts },
	{ "brings what it was not asked", elsewhere },
};

static void
test_liars(void **state)
{
	unsigned i, s;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fresh();
		assert_true(offer(1, UINT64_C(1) << 60, 0));
		assert_int_equal(ask(1), 2);
		assert_true(offer(2, 5000, 0));
		assert_int_equal(ask(2), 0);
		for (s = 0; s < 20 && boot_is_helper(&b, 1); s++) {
			lies[i].act(1, s);
			seconds(1);
		}
		if (boot_is_helper(&b, 1))
			fail_msg("a liar %s and still helps", lies[i].name);
		/* The honest one ends it, and the liar stays out. */
		assert_false(offer(1, UINT64_C(1) << 60, 0));
		help(2);
		assert_true(boot_finish(&b, 5000, now));
		assert_false(offer(1, UINT64_C(1) << 60, 5000));
		now = mono_add_ms(now, BOOT_BAR_MS);
		assert_true(offer(1, UINT64_C(1) << 60, 5000));
		/* The next time it is out for longer. */
		assert_int_equal(ask(1), 2);
		seconds(BOOT_WINDOW_MS / 1000 + 1);
		now = mono_add_ms(now, BOOT_BAR_MS);
		assert_false(offer(1, UINT64_C(1) << 60, 5000));
		now = mono_add_ms(now, BOOT_BAR_MS);
		assert_true(offer(1, UINT64_C(1) << 60, 5000));
	}
}

/* A part that ends before the last one, or outside: nobody honest's. */
static void
test_not_onwards(void **state)
{
	uint8_t out[32] = { 255 };

	(void)state;
	fresh();
	assert_true(offer(1, 5000, 0));
	assert_int_equal(ask(1), 2);
	answer(1, task_of(1), true, 10);
	assert_int_equal(ask(1), 2);
	answer(1, task_of(1), true, 10);
	assert_false(boot_is_helper(&b, 1));
	fresh();
	assert_true(offer(1, 5000, 0));
	assert_int_equal(ask(1), 2);
	boot_answer(&b, 1, task_of(1)->sid, true, out, now);
	assert_false(boot_is_helper(&b, 1));
}

/* What takes long goes to one who has nothing to do, and goes on there. */
static void
test_taken_over(void **state)
{
	struct boot_task *t;
	uint16_t sid;
	unsigned s;

	(void)state;
	fresh();
	assert_true(offer(1, 1000000, 0));
	assert_int_equal(ask(1), 2);
	assert_true(offer(2, 1000000, 0));
	t = task_of(1);
	sid = t->sid;
	for (s = 0; s < BOOT_ROB_MS / 1000; s++) {
		assert_int_equal(ask(2), 0);
		bring(1, t, s * 20 + 1, 20); /* enough to stay */
		answer(1, t, true, s * 20 + 20);
		assert_int_equal(ask(1), 2);
		seconds(1);
	}
	assert_int_equal(ask(2), 2);
	assert_true(boot_is_helper(&b, 1));
	assert_int_equal(t->link, 2);
	assert_true(t->has_after);
	/* Its word is no longer asked for. */
	boot_answer(&b, 1, sid, false, t->after, now);
	assert_int_equal(b.done, 0);
	/* It takes nothing back for long. */
	for (s = 0; s < 2 * BOOT_ROB_MS / 1000; s++) {
		bring(2, t, 1000 + s * 20 + 1, 20);
		seconds(1);
		assert_int_equal(ask(1), 0);
	}
	help(2);
	assert_true(boot_finish(&b, 1000000, now));
}

/* Who has about as much as we is compared with, whoever claims what. */
static void
test_established(void **state)
{
	(void)state;
	fresh();
	assert_true(offer(1, UINT64_C(1) << 60, 5000));
	assert_int_equal(ask(1), 2);
	assert_false(offer(2, 5100, 5000));
	assert_int_equal(ask(2), 0);
	seconds(BOOT_WINDOW_MS / 1000);
	assert_false(b.on);
}

/* Who finds no place is compared with when the database does not grow. */
static void
test_no_growth(void **state)
{
	uint32_t link;
	uint64_t have = 0;
	unsigned s;

	(void)state;
	fresh();
	for (link = 1; link <= BOOT_HELPERS; link++) {
		assert_true(offer(link, 100000, 0));
		(void)ask(link);
	}
	for (s = 0; s < 90; s++) {
		bring(1, task_of(1), s * 20 + 1, 20);
		seconds(1);
		have += 20;
		assert_true(offer(9, 100000, have));
	}
	for (s = 0; s < 61; s++) {
		bring(1, task_of(1), (s + 90) * 20 + 1, 20);
		seconds(1);
	}
	assert_true(boot_is_helper(&b, 1));
	assert_false(offer(9, 100000, have));
}

/* All its ranges are empty, and it claims a hundred thousand. */
static void
test_withheld(void **state)
{
	(void)state;
	fresh();
	assert_true(offer(1, 100000, 0));
	while (ask(1) > 0)
		answer(1, task_of(1), false, 0);
	assert_true(boot_finish(&b, 0, now));
	assert_false(offer(1, 100000, 0));
	assert_true(offer(2, 100000, 0));
}

/* Our disk was busy, or all of us: no helper is blamed. */
static void
test_our_own_time(void **state)
{
	unsigned s;

	(void)state;
	fresh();
	assert_true(offer(1, 100000, 0));
	assert_int_equal(ask(1), 2);
	for (s = 0; s < 60; s++) {
		now = mono_add_ms(now, 1000);
		boot_tick(&b, true, now);
	}
	now = mono_add_ms(now, 60000);
	boot_tick(&b, false, now);
	assert_true(boot_is_helper(&b, 1));
	seconds(BOOT_WINDOW_MS / 1000);
	assert_false(b.on);
}

static void
test_gone(void **state)
{
	(void)state;
	fresh();
	assert_true(offer(1, 100000, 0));
	assert_int_equal(ask(1), 2);
	assert_true(offer(2, 100000, 0));
	boot_gone(&b, 1);
	boot_gone(&b, 0);
	assert_int_equal(ask(2), 2);
	assert_int_equal(b.barred, 0);
	boot_gone(&b, 2);
	seconds(1);
	assert_false(b.on);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key_once),
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_slow_is_honest),
		cmocka_unit_test(test_liars),
		cmocka_unit_test(test_not_onwards),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_established),
		cmocka_unit_test(test_no_growth),
		cmocka_unit_test(test_withheld),
		cmocka_unit_test(test_our_own_time),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
