/* SPDX-License-Identifier: ISC */
/*
 * The table of ports against a plain model, and the queue of chunks against a
 * plain array.
 */
#include "appd/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appd/fifo.h"

static struct ports *p;

static int
setup(void **state)
{
	(void)state;
	p = calloc(1, sizeof(*p));
	ports_init(p);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(p);
	return 0;
}

static void
test_lowest(void **state)
{
	(void)state;
	ports_reserve(p, 12, true);
	assert_int_equal(ports_take(p, 1), 10);
	assert_int_equal(ports_take(p, 2), 11);
	assert_int_equal(ports_take(p, 3), 13); /* 12 is kept for its app */
	assert_int_equal(ports_owner(p, 12), PORT_NOBODY);
	assert_true(ports_bind(p, 12, 4));
	assert_false(ports_bind(p, 12, 5));
	assert_int_equal(ports_owner(p, 12), 4);
	ports_unref(p, 11);
	assert_int_equal(ports_owner(p, 11), PORT_NOBODY);
	assert_int_equal(ports_take(p, 1), 11);
	/* Given back, it still is reserved. */
	ports_unref(p, 12);
	assert_int_equal(ports_take(p, 1), 14);
	ports_reserve(p, 12, false);
	assert_int_equal(ports_take(p, 1), 12);
}

static void
test_refs(void **state)
{
	(void)state;
	assert_true(ports_bind(p, 10, 0));
	ports_ref(p, 10);
	ports_unref(p, 10);
	assert_int_equal(ports_owner(p, 10), 0);
	ports_unref(p, 10);
	assert_int_equal(ports_owner(p, 10), PORT_NOBODY);
	assert_int_equal(p->n, 0);
}

static void
test_all(void **state)
{
	unsigned i;

	(void)state;
	for (i = PORT_DYNAMIC; i <= PORT_LAST; i++)
		assert_int_equal(ports_take(p, 7), i);
	assert_int_equal(ports_take(p, 7), 0);
	ports_unref(p, 40000);
	assert_int_equal(ports_take(p, 7), 40000);
	assert_int_equal(p->n, PORT_LAST - PORT_DYNAMIC + 1);
}

/* --- fifo --- */

static size_t lent;
static bool none;

static struct fifo_chunk *
get(void *ctx)
{
	(void)ctx;
	if (none)
		return NULL;
	lent++;
	return malloc(sizeof(struct fifo_chunk));
}

static void
put(void *ctx, struct fifo_chunk *c)
{
	(void)ctx;
	lent--;
	free(c);
}

static void
test_fifo(void **state)
{
	static uint8_t in[100000], scratch[100000];
	const struct fifo_mem mem = { get, put, NULL };
	struct fifo f = { NULL, NULL, 0 };
	uint32_t seed = 1, written = 0, read = 0, i, step;
	const uint8_t *at;
	size_t n;

	(void)state;
	for (step = 0; step < 3000; step++) {
		seed = seed * 1664525u + 1013904223u;
		n = seed >> 8;
		if (seed >> 31 != 0 && f.len < 300000) {
			n %= n % 3 == 0 ? sizeof(in) : 200;
			for (i = 0; i < n; i++)
				in[i] = (uint8_t)((written + i) * 31);
			assert_true(fifo_put(&f, &mem, in, n));
			written += (uint32_t)n;
		} else {
			at = fifo_peek(&f, scratch, n % 70000, &n);
			for (i = 0; i < n; i++)
				assert_int_equal(at[i],
				    (uint8_t)((read + i) * 31));
			fifo_drop(&f, &mem, n);
			read += (uint32_t)n;
		}
		assert_int_equal(f.len, written - read);
		assert_true(f.len > 0 || lent == 0);
	}
	fifo_clear(&f, &mem);
	assert_int_equal(lent, 0);
	/* Without memory nothing is half done. */
	assert_true(fifo_put(&f, &mem, in, 10));
	none = true;
	assert_false(fifo_put(&f, &mem, in, 99999));
	assert_int_equal(f.len, 10);
	none = false;
	fifo_clear(&f, &mem);
	assert_int_equal(lent, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lowest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test(test_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
