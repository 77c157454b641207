/* SPDX-License-Identifier: ISC */
/* Verdicts of named batches: how many, for how long, and whose. */
#include "peerd/store/memo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct memos m;

static const uint8_t *
key(unsigned i)
{
	static uint8_t k[32];

	k[0] = (uint8_t)i;
	k[31] = (uint8_t)(i >> 8);
	return k;
}

static struct mono
at_ms(int64_t ms)
{
	return mono_add_ms((struct mono){ 5 }, ms);
}

static void
test_again(void **state)
{
	static const uint8_t a[] = { 0, 1, 255 }, b[] = { 9 };
	const struct memo *e;

	(void)state;
	memset(&m, 0, sizeof(m));
	assert_null(memos_get(&m, key(1), at_ms(0)));
	memos_put(&m, key(1), a, sizeof(a), at_ms(0));
	memos_put(&m, key(2), b, sizeof(b), at_ms(0));
	e = memos_get(&m, key(1), at_ms(MEMO_MS - 1));
	assert_non_null(e);
	assert_int_equal(e->n, sizeof(a));
	assert_memory_equal(e->words, a, sizeof(a));
	/* The first answer is the answer. */
	memos_put(&m, key(1), b, sizeof(b), at_ms(1));
	assert_int_equal(memos_get(&m, key(1), at_ms(1))->n, sizeof(a));
}

static void
test_bounds(void **state)
{
	static uint8_t words[MEMO_WORDS + 1];
	unsigned i;

	(void)state;
	memset(&m, 0, sizeof(m));
	memos_put(&m, key(1), words, 0, at_ms(0));
	memos_put(&m, key(2), words, MEMO_WORDS + 1, at_ms(0));
	assert_null(memos_get(&m, key(1), at_ms(0)));
	assert_null(memos_get(&m, key(2), at_ms(0)));
	for (i = 0; i <= MEMO_BATCHES; i++)
		memos_put(&m, key(i), words, 1, at_ms(0));
	assert_null(memos_get(&m, key(0), at_ms(0)));
	assert_non_null(memos_get(&m, key(1), at_ms(0)));
	assert_non_null(memos_get(&m, key(MEMO_BATCHES), at_ms(0)));
}

static void
test_time(void **state)
{
	static const uint8_t a[] = { 1 }, b[] = { 2 };

	(void)state;
	memset(&m, 0, sizeof(m));
	memos_put(&m, key(1), a, 1, at_ms(0));
	assert_null(memos_get(&m, key(1), at_ms(MEMO_MS)));
	memos_put(&m, key(1), b, 1, at_ms(MEMO_MS));
	assert_int_equal(memos_get(&m, key(1), at_ms(MEMO_MS))->words[0], 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
