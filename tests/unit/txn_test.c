/* SPDX-License-Identifier: ISC */
/* Transactions: the RFC's own timetable, met by jumping between deadlines. */
#include "stund/txn.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t tid[STUN_TID] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static const struct {
	const char *name;
	struct txn_plan plan;
	size_t nsends;
	int64_t at_ms[8]; /* of each request, and of giving up */
} plans[] = {
	/* RFC 8489 section 6.2.1 */
	{ "udp", { 7, 2, 500, 16 * 500 }, 7,
	    { 0, 500, 1500, 3500, 7500, 15500, 31500, 39500 } },
	{ "keepalive", { 3, 1, 500, 500 }, 3, { 0, 500, 1000, 1500 } },
	{ "tcp", { 1, 1, 0, 39500 }, 1, { 0, 39500 } },
};

static void
test_timetable(void **state)
{
	const struct txn_plan named[] = { TXN_UDP, TXN_KEEPALIVE, TXN_TCP };
	const struct mono start = { 123456789 };
	enum txn_act act;
	struct mono now;
	struct txn t;
	size_t i, n;

	(void)state;
	for (i = 0; i < N(plans); i++) {
		print_message("%s\n", plans[i].name);
		txn_start(&t, named[i], tid, start);
		for (n = 0;; n++) {
			now = txn_due(&t); /* jump, do not sleep */
			assert_int_equal(mono_ms_between(start, now),
			    plans[i].at_ms[n]);
			assert_int_equal(
			    txn_tick(&t, (struct mono){ now.us - 1 }),
			    TXN_WAIT);
			act = txn_tick(&t, now);
			if (act == TXN_FAIL)
				break;
			assert_int_equal(act, TXN_SEND);
			assert_int_equal(txn_tick(&t, now), TXN_WAIT);
		}
		assert_int_equal(n, plans[i].nsends);
		assert_true(txn_due(&t).us == INT64_MAX);
		assert_int_equal(txn_tick(&t, MONO_NEVER), TXN_WAIT);
	}
}

static void
test_late(void **state)
{
	struct mono now = { 0 };
	struct txn t;

	(void)state;
	txn_start(&t, TXN_UDP, tid, now);
	assert_int_equal(txn_tick(&t, now), TXN_SEND);
	now = mono_add_ms(now, 20000); /* slept through five of them */
	assert_int_equal(txn_tick(&t, now), TXN_SEND);
	assert_int_equal(txn_tick(&t, now), TXN_WAIT);
	assert_int_equal(mono_ms_between(now, txn_due(&t)), 1000);
}

static void
test_answers(void **state)
{
	static const struct {
		uint16_t type;
		bool taken;
	} cases[] = {
		{ STUN_BINDING_SUCCESS, true },
		{ STUN_BINDING_ERROR, true },
		{ STUN_BINDING_REQUEST, false },
		{ STUN_BINDING_INDICATION, false },
		{ 0x0103, false },
	};
	const struct mono now = { 0 };
	uint8_t other[STUN_TID];
	struct stun_msg m;
	struct txn t;
	size_t i;

	(void)state;
	memset(&m, 0, sizeof(m));
	m.type = STUN_BINDING_SUCCESS;
	m.tid = tid;
	txn_start(&t, TXN_UDP, tid, now);
	assert_false(txn_is_answer(&t, &m)); /* nothing was asked yet */
	assert_int_equal(txn_tick(&t, now), TXN_SEND);
	for (i = 0; i < N(cases); i++) {
		m.type = cases[i].type;
		assert_int_equal(txn_is_answer(&t, &m), cases[i].taken);
	}
	m.type = STUN_BINDING_SUCCESS;
	m.tid = other;
	for (i = 0; i < STUN_TID; i++) {
		memcpy(other, tid, sizeof(other));
		other[i] ^= 0x80;
		assert_false(txn_is_answer(&t, &m));
	}
	m.tid = tid;
	assert_true(txn_is_answer(&t, &m));
	txn_stop(&t);
	assert_false(txn_is_answer(&t, &m));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timetable),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
