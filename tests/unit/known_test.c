/* SPDX-License-Identifier: ISC */
/* Known nodes: newer wins, leases end, and who is forgotten first. */
#include "peerd/known.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "common/hlc.h"
#include "tests/unit/vec.h"

#define CAP   8
#define TTL_S 3600

static const uint8_t key[16] = { 'k' };
static struct known kn;
static struct known_node nodes[CAP];
static uint32_t buckets[3]; /* fewer than nodes: chains are walked */
static uint8_t payload[NODEREC_MAX];
static size_t payload_len;

static int
setup(void **state)
{
	struct noderec nr = { .caps = CAP_STUN };
	struct wr w;

	(void)state;
	known_init(&kn, nodes, CAP, buckets, 3, key, TTL_S);
	wr_init(&w, payload, sizeof(payload));
	if (noderec_encode(&w, &nr) != 0)
		return -1;
	payload_len = w.len;
	return 0;
}

static uint64_t source; /* of what put() puts */

static enum known_rc
put(uint8_t id, int64_t ms, uint8_t rid0, uint8_t flags, int64_t now_ms)
{
	struct wall now = { now_ms };
	struct rec rec = { .kind = REC_NODE, .flags = flags };
	uint8_t rid[32] = { rid0 };

	rec.author[0] = id;
	rec.hlc = hlc_from_wall((struct wall){ ms });
	rec.payload = payload;
	rec.payload_len = flags ? 0 : payload_len;
	return known_put(&kn, &rec, rid, "raw", 3, source, now);
}

static struct known_node *
get(uint8_t id)
{
	uint8_t full[32] = { id };

	return known_find(&kn, full);
}

static const struct {
	const char *name;
	int64_t ms;
	uint8_t rid0, flags;
	int64_t now_ms;
	enum known_rc want;
} put_cases[] = {
	{ "first", 1000000, 5, 0, 1000000, KNOWN_NEW },
	{ "the same again", 1000000, 5, 0, 1000001, KNOWN_OLD },
	{ "older", 999999, 9, 0, 1000002, KNOWN_OLD },
	{ "same stamp, larger rid", 1000000, 6, 0, 1000003, KNOWN_NEWER },
	{ "newer", 1000001, 1, 0, 1000004, KNOWN_NEWER },
	{ "tombstone", 1000002, 1, 1, 1000005, KNOWN_GONE },
	{ "back again", 1000003, 1, 0, 1000006, KNOWN_NEWER },
	{ "newer, but expired", 1000004, 1, 0, 1000004 + TTL_S * 1000,
	    KNOWN_EXPIRED },
};

static void
test_put(void **state)
{
	enum known_rc rc;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(put_cases) / sizeof(put_cases[0]); i++) {
		rc = put(7, put_cases[i].ms, put_cases[i].rid0,
		    put_cases[i].flags, put_cases[i].now_ms);
		if (rc != put_cases[i].want)
			fail_msg("%s: %d", put_cases[i].name, rc);
		assert_int_equal(get(7)->left, rc == KNOWN_GONE);
	}
	assert_int_equal(get(7)->node.caps, CAP_STUN);
	assert_memory_equal(get(7)->raw, "raw", 3);
	payload_len--;
	assert_int_equal(put(8, 1000000, 1, 0, 1000000), KNOWN_BAD);
	assert_null(get(8));
}

static void
test_status(void **state)
{
	struct wall t = { 1000000 }, late = { 1000000 + TTL_S * 1000 };
	uint8_t id[32] = { 9 };
	struct known_node *node = known_get(&kn, id, t);
	uint32_t count[KNOWN_N];

	(void)state;
	assert_int_equal(known_status(&kn, node, t), KNOWN_OFFLINE);
	node->link = KNOWN_DIALLING;
	assert_int_equal(known_status(&kn, node, t), KNOWN_PENDING);
	node->link = KNOWN_LINKED;
	assert_int_equal(known_status(&kn, node, t), KNOWN_ACTIVE);
	node->link = KNOWN_UNLINKED;
	assert_int_equal(put(9, 1000000, 1, 0, 1000000), KNOWN_NEW);
	assert_int_equal(known_status(&kn, node, t), KNOWN_PENDING);
	assert_int_equal(known_status(&kn, node, late), KNOWN_OFFLINE);
	assert_int_equal(put(9, 1000001, 1, 1, 1000001), KNOWN_GONE);
	assert_int_equal(known_status(&kn, node, t), KNOWN_OFFLINE);
	known_count(&kn, t, count);
	assert_int_equal(count[KNOWN_OFFLINE], 1);
	assert_int_equal(count[KNOWN_ACTIVE] + count[KNOWN_PENDING], 0);
	assert_string_equal(known_status_name(KNOWN_OFFLINE), "OFFLINE");
}

static void
test_eviction(void **state)
{
	const struct known_node *node = NULL;
	int64_t ms = 1000000;
	size_t n = 0;
	uint8_t i;

	(void)state;
	for (i = 1; i <= CAP; i++)
		assert_int_equal(put(i, ms + i, 1, 0, ms + i), KNOWN_NEW);
	get(1)->link = KNOWN_LINKED;
	get(2)->link = KNOWN_DIALLING;
	assert_int_equal(put(5, ms + 20, 1, 1, ms + 20), KNOWN_GONE);
	/* The one that left goes first, then the oldest that may go. */
	assert_int_equal(put(20, ms + 30, 1, 0, ms + 30), KNOWN_NEW);
	assert_null(get(5));
	assert_int_equal(put(21, ms + 31, 1, 0, ms + 31), KNOWN_NEW);
	assert_null(get(3));
	assert_non_null(get(1));
	assert_non_null(get(2));
	while ((node = known_next(&kn, node)) != NULL)
		n++;
	assert_int_equal(n, CAP);
	while ((node = known_next(&kn, node)) != NULL)
		get(node->id[0])->link = KNOWN_LINKED;
	assert_int_equal(put(22, ms + 40, 1, 0, ms + 40), KNOWN_FULL);
	known_remove(&kn, get(1));
	assert_int_equal(put(22, ms + 40, 1, 0, ms + 40), KNOWN_NEW);
	assert_int_equal(kn.n, CAP);
}

/* One that makes up nodes without end pushes out no more than its share. */
static void
test_share(void **state)
{
	int64_t ms = 1000000;
	uint8_t i;

	(void)state;
	for (i = 1; i <= CAP; i++) {
		source = i <= CAP / 2 ? 7 : 100u + i;
		assert_int_equal(put(i, ms + i, 1, 0, ms + i), KNOWN_NEW);
	}
	source = 7;
	for (i = 100; i < 200; i++)
		assert_int_equal(put(i, ms + i, 1, 0, ms + i), KNOWN_NEW);
	assert_null(get(1));
	for (i = CAP / 2 + 1; i <= CAP; i++)
		assert_non_null(get(i));
	/* Another source makes the oldest go, wherever that is from. */
	source = 8;
	assert_int_equal(put(201, ms + 300, 1, 0, ms + 300), KNOWN_NEW);
	assert_null(get(CAP / 2 + 1));
	source = 0;
	assert_int_equal(kn.evictions, 101);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_put, setup),
		cmocka_unit_test_setup(test_status, setup),
		cmocka_unit_test_setup(test_eviction, setup),
		cmocka_unit_test_setup(test_share, setup),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
