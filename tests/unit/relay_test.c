/* SPDX-License-Identifier: ISC */
/* Circuits and reservations: every cap, its text, and what time does. */
#include "peerd/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct relay_circuit circuits[RELAY_CIRCUITS_MAX];
static struct relay_res res[RELAY_RESERVATIONS_MAX];
static struct relay r;
static struct mono now;
static const uint8_t a[32] = { 1 }, b[32] = { 2 }, c[32] = { 3 };

static struct relay_conf conf = { .enable = true,
	.circuits = 4,
	.per_peer = 2,
	.reservations = 2,
	.bytes = 1000,
	.seconds = 100,
	.free_bytes = 50,
	.free_seconds = 10 };

static int
setup(void **state)
{
	(void)state;
	memset(circuits, 0, sizeof(circuits));
	memset(res, 0, sizeof(res));
	now.us = 1000000;
	relay_init(&r, circuits, res);
	relay_configure(&r, &conf);
	return 0;
}

static void
after(int64_t s)
{
	now = mono_add_ms(now, s * 1000);
}

static void
test_unreserved(void **state)
{
	struct relay_circuit *x;

	(void)state;
	assert_null(relay_open(&r, a, b, now, &x));
	assert_true(relay_carry(&r, x, 0, 20, now));
	assert_true(relay_carry(&r, x, 1, 30, now));
	assert_false(relay_carry(&r, x, 0, 1, now));
	assert_int_equal(x->bytes[0], 20);
	assert_int_equal(x->bytes[1], 30);
	assert_int_equal(x->since.us, now.us);
	relay_close(&r, x);
	/* Time ends it as well, by the clock or with the next byte. */
	assert_null(relay_open(&r, a, b, now, &x));
	after(9);
	assert_false(relay_is_over(&r, x, now));
	after(1);
	assert_true(relay_is_over(&r, x, now));
	assert_false(relay_carry(&r, x, 0, 1, now));
	relay_close(&r, x);
	assert_int_equal(r.n_circuits, 0);
	assert_int_equal(r.cut, 2);
	assert_int_equal(r.bytes, 50);
}

static void
test_caps(void **state)
{
	struct relay_circuit *x, *y;
	struct relay_conf off = conf;

	(void)state;
	assert_null(relay_open(&r, a, b, now, &x));
	assert_null(relay_open(&r, a, c, now, &y));
	assert_string_equal(relay_open(&r, a, b, now, &x),
	    "relay: too many circuits of this node");
	assert_null(relay_open(&r, b, a, now, &x));
	assert_null(relay_open(&r, b, c, now, &x));
	assert_string_equal(relay_open(&r, c, b, now, &x),
	    "relay: no circuits left");
	relay_close(&r, y);
	assert_null(relay_open(&r, c, b, now, &x));
	assert_int_equal(r.refused, 2);
	off.enable = false;
	relay_configure(&r, &off);
	assert_string_equal(relay_open(&r, c, b, now, &x),
	    "relay: switched off");
	/* What is under way goes on. */
	assert_true(relay_carry(&r, y, 0, 1, now));
	off = conf;
	off.free_bytes = 0;
	off.circuits = 100000;
	relay_configure(&r, &off);
	assert_string_equal(relay_open(&r, c, b, now, &x),
	    "relay: no reservation");
	assert_int_equal(r.conf.circuits, RELAY_CIRCUITS_MAX);
	/* Each is counted under its reason, and all together. */
	assert_int_equal(r.refusals[RELAY_NO_PER_PEER], 1);
	assert_int_equal(r.refusals[RELAY_NO_CIRCUITS], 1);
	assert_int_equal(r.refusals[RELAY_NO_OFF], 1);
	assert_int_equal(r.refusals[RELAY_NO_RESERVATION], 1);
	assert_int_equal(r.refused, 4);
}

/* What the shell refuses is counted with the rest; every reason has words. */
static void
test_refusals(void **state)
{
	enum relay_refusal i;

	(void)state;
	for (i = 0; i < RELAY_REFUSAL_N; i++) {
		assert_string_equal(relay_refuse(&r, i) + strlen("relay: "),
		    relay_refusal_name(i));
		assert_int_equal(r.refusals[i], 1);
		assert_int_equal(r.refused, i + 1);
	}
}

static void
test_free_rate(void **state)
{
	struct relay_circuit *x;
	unsigned i;

	(void)state;
	for (i = 0; i < RELAY_FREE_BURST; i++) {
		assert_null(relay_open(&r, a, b, now, &x));
		relay_close(&r, x);
	}
	assert_string_equal(relay_open(&r, a, b, now, &x),
	    "relay: too many circuits without reservation");
	after(1);
	assert_null(relay_open(&r, a, b, now, &x));
}

static void
test_reserve(void **state)
{
	struct relay_circuit *x, *y;
	uint64_t bytes;
	uint32_t s;

	(void)state;
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_true(bytes == 1000 && s == 100);
	assert_null(relay_open(&r, a, b, now, &x)); /* to it, */
	assert_null(relay_open(&r, b, c, now, &y)); /* and from it */
	assert_true(relay_carry(&r, x, 0, 600, now));
	assert_true(relay_carry(&r, y, 0, 300, now));
	/* Asked too early, it only says what is left. */
	after(49);
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_true(bytes == 100 && s == 51);
	assert_false(relay_carry(&r, x, 0, 101, now));
	assert_false(relay_carry(&r, y, 0, 1, now));
	assert_string_equal(relay_open(&r, c, b, now, &x),
	    "relay: reservation used up");
	after(1);
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_true(bytes == 1000 && s == 100);
	assert_true(relay_carry(&r, y, 0, 1, now));
	after(99);
	assert_false(relay_is_over(&r, y, now));
	after(1);
	assert_true(relay_is_over(&r, y, now));
	assert_false(relay_carry(&r, y, 0, 1, now));
}

/* Bytes once in half of the time, without having to ask at the right moment. */
static void
test_refill(void **state)
{
	struct relay_circuit *x, *y;
	struct relay_conf off = conf;
	uint64_t bytes;
	uint32_t s;

	(void)state;
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_null(relay_open(&r, a, b, now, &x));
	assert_true(relay_carry(&r, x, 0, 900, now));
	after(50);
	assert_true(relay_carry(&r, x, 0, 600, now));
	/* It is the first half again: no more than that. */
	after(49);
	assert_true(relay_carry(&r, x, 0, 400, now));
	assert_string_equal(relay_open(&r, c, b, now, &y),
	    "relay: reservation used up");
	after(1);
	assert_null(relay_open(&r, c, b, now, &y));
	assert_true(relay_carry(&r, y, 0, 1000, now));
	assert_false(relay_carry(&r, x, 0, 1, now));
	/* Asked now it tells what is left, and for how long. */
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_true(bytes == 0 && s == 100);
	/* More than there ever is. */
	after(50);
	assert_false(relay_carry(&r, x, 0, 1001, now));
	/* A relay that was switched off gives what it has, and no more. */
	(void)setup(NULL);
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_null(relay_open(&r, a, b, now, &x));
	off.enable = false;
	relay_configure(&r, &off);
	after(60);
	assert_true(relay_carry(&r, x, 0, 1000, now));
	assert_false(relay_carry(&r, x, 0, 1, now));
	/* Nor does time that is over come back. */
	(void)setup(NULL);
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_null(relay_open(&r, a, b, now, &x));
	after(100);
	assert_false(relay_carry(&r, x, 0, 1001, now));
	assert_true(relay_is_over(&r, x, now));
}

static void
test_reservations_end(void **state)
{
	struct relay_circuit *x;
	uint64_t bytes;
	uint32_t s;

	(void)state;
	assert_null(relay_reserve(&r, a, now, &bytes, &s));
	assert_null(relay_reserve(&r, b, now, &bytes, &s));
	assert_string_equal(relay_reserve(&r, c, now, &bytes, &s),
	    "relay: no reservations left");
	assert_null(relay_open(&r, c, a, now, &x));
	after(100);
	/* One place is free again; the other has a circuit on it still. */
	assert_null(relay_reserve(&r, c, now, &bytes, &s));
	assert_int_equal(r.n_res, 2);
	relay_close(&r, x);
	relay_tick(&r, now);
	assert_int_equal(r.n_res, 1);
	/* Without its reservation a circuit to a is like any other. */
	assert_null(relay_open(&r, b, a, now, &x));
	assert_int_equal(x->res, RELAY_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_unreserved, setup),
		cmocka_unit_test_setup(test_caps, setup),
		cmocka_unit_test_setup(test_refusals, setup),
		cmocka_unit_test_setup(test_free_rate, setup),
		cmocka_unit_test_setup(test_reserve, setup),
		cmocka_unit_test_setup(test_refill, setup),
		cmocka_unit_test_setup(test_reservations_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
