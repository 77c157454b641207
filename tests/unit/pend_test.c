/* SPDX-License-Identifier: ISC */
/* The table of pending versions: what a busy time needed is given back. */
#include "peerd/store/pend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 3000

static const uint8_t *
key(unsigned i)
{
	static uint8_t k[32];

	k[1] = (uint8_t)i;
	k[20] = (uint8_t)(i >> 8);
	return k;
}

static void
test_trim(void **state)
{
	struct pends p;
	struct pend *e;
	size_t few, many;
	unsigned i;

	(void)state;
	pends_init(&p, MANY * 2, 42);
	assert_non_null(pends_add(&p, key(0), 7));
	few = pends_bytes(&p);
	for (i = 1; i < MANY; i++) {
		assert_non_null(e = pends_add(&p, key(i), 5 + i % 3));
		e->hlc = i;
		e->held = i % 2 == 1;
		p.held += e->held;
	}
	many = pends_bytes(&p);
	assert_true(many > 8 * few);
	pends_trim(&p); /* all of it is in use */
	assert_int_equal(pends_bytes(&p), many);
	for (i = 0; i < MANY; i++)
		if (i % 1000 != 1)
			pends_remove(&p, key(i), UINT64_MAX);
	assert_int_equal(p.n, 3);
	pends_trim(&p);
	assert_int_equal(pends_bytes(&p), few);
	assert_int_equal(p.n, 3);
	assert_int_equal(p.held, 3);
	for (i = 1; i < MANY; i += 1000) {
		assert_non_null(e = pends_newest(&p, key(i)));
		assert_int_equal(e->hlc, i);
		assert_int_equal(e->tick, 5 + i % 3);
		assert_true(e->held);
	}
	assert_null(pends_newest(&p, key(2)));
	for (i = 0; i < MANY; i++)
		if (i % 1000 != 1)
			assert_non_null(pends_add(&p, key(i), 9));
	assert_int_equal(p.n, MANY);
	for (i = 0; i < MANY; i++)
		pends_remove(&p, key(i), UINT64_MAX);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.held, 0);
	pends_trim(&p);
	assert_int_equal(pends_bytes(&p), 0);
	pends_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_trim) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
