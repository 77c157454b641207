/* SPDX-License-Identifier: ISC */
/*
 * What warrend signs for its children, and what it does not, with a key and a
 * channel that are not real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/warrend/keys.h"
#include "cmd/warrend/warrend.h"
#include "common/hlc.h"
#include "common/rec.h"

struct warrend warrend;
static uint16_t answer; /* type of the last one */
static char why[160];

/* --- what signer.c calls --- */

const uint8_t *
keys_public(void)
{
	static const uint8_t pk[32] = { 7 };

	return pk;
}

void
keys_sign(uint8_t sig[64], const uint8_t *msg, size_t n)
{
	assert_true(n > 8);
	assert_memory_equal(msg, "warren/", 7);
	memset(sig, 9, 64);
}

int
ipc_send(struct ipc *ch, uint16_t type, uint32_t id, const void *body)
{
	assert_null(ch);
	assert_int_equal(id, 5);
	answer = type;
	why[0] = '\0';
	if (type == STORE_FAILED)
		(void)snprintf(why, sizeof(why), "%s",
		    ((const struct msg_store_failed *)body)->error);
	if (type == PEERD_FAILED)
		(void)snprintf(why, sizeof(why), "%s",
		    ((const struct msg_peerd_failed *)body)->error);
	return 0;
}

/* --- asking --- */

static uint64_t
stamp(int64_t ms_from_now)
{
	return (uint64_t)(wall_now().ms + ms_from_now) << 16;
}

static bool
record(uint8_t kind, uint64_t hlc)
{
	static const uint8_t subject[32];
	struct msg_store_sign_rec q = { .kind = kind,
		.hlc = hlc,
		.subject = { .p = subject, .len = 32 } };
	struct ipc_msg m = { .id = 5, .body = &q };

	signer_record(NULL, &m);
	return answer == STORE_SIGNED;
}

static bool
node(uint64_t hlc, bool leave, size_t payload)
{
	static const uint8_t bytes[8];
	struct msg_peerd_sign_node q = { .hlc = hlc,
		.leave = leave,
		.payload = { .p = bytes, .len = (uint32_t)payload } };
	struct ipc_msg m = { .id = 5, .body = &q };

	signer_node(NULL, &m);
	return answer == PEERD_SIGNED;
}

static bool
claim(uint64_t tick, uint8_t root)
{
	struct msg_store_sign_claim q = { .tick = tick, .root = { root } };
	struct ipc_msg m = { .id = 5, .body = &q };

	signer_claim(NULL, &m);
	return answer == STORE_SIGNED;
}

static void
test_record(void **state)
{
	uint64_t t = stamp(-5000);

	(void)state;
	assert_true(record(REC_LOCATION, t));
	assert_true(record(REC_TEMPERATURE, t + 1));
	/* Two with one stamp would contradict each other. */
	assert_false(record(REC_LOCATION, t + 1));
	assert_non_null(strstr(why, "does not grow"));
	assert_false(record(REC_LOCATION, t));
	assert_true(record(REC_MEMBER, t + 2));
	assert_false(record(REC_LOCATION, stamp(120000)));
	assert_non_null(strstr(why, "future"));
	/* What was refused does not count. */
	assert_true(record(REC_LOCATION, t + 3));
}

static void
test_not_its_own(void **state)
{
	(void)state;
	assert_false(record(REC_NODE, stamp(0)));
	assert_non_null(strstr(why, "not the store's"));
	assert_false(record(REC_RATING, stamp(0)));
	assert_false(record(REC_META, stamp(0)));
}

static void
test_node(void **state)
{
	uint64_t t = stamp(-5000);

	(void)state;
	assert_true(node(t, false, 8));
	assert_false(node(t, false, 8));
	assert_non_null(strstr(why, "does not grow"));
	assert_false(node(t + 1, true, 8));
	assert_non_null(strstr(why, "farewell"));
	assert_true(node(t + 1, true, 0));
	assert_false(node(stamp(120000), false, 8));
}

static void
test_claim(void **state)
{
	(void)state;
	assert_true(claim(10, 1));
	assert_true(claim(10, 1)); /* the same over again */
	assert_false(claim(10, 2));
	assert_non_null(strstr(why, "differs"));
	assert_false(claim(9, 1));
	assert_true(claim(11, 2));
}

static void
test_rates(void **state)
{
	uint64_t t = stamp(-4000);
	unsigned i, n = 0;

	(void)state;
	for (i = 0; i < 1000; i++)
		n += record(REC_LOCATION, t + i);
	assert_in_range(n, 1, 560);
	for (n = 0, i = 0; i < 200; i++)
		n += node(t + i, false, 8);
	assert_in_range(n, 1, 70);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_not_its_own),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_rates),
	};

	(void)log_open(LOG_TO_STDERR, "signer_test", NULL);
	log_set_level(LOG_LVL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
