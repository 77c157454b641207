/* SPDX-License-Identifier: ISC */
/*
 * Who asked us: bounds, evictions, verification, and the two lists inside
 * checked against each other after every step of a long random walk.
 */
#include "stund/requesters.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define TTL  REQUESTERS_TTL_MS

static const uint8_t key[REQUESTERS_KEY] = { 1, 6, 1, 8 };
static const uint8_t alice[REQUESTERS_PEER] = { 0xa1 };
static const uint8_t bob[REQUESTERS_PEER] = { 0xb0 };
static struct requesters rq;

/* 10.net.net.host:port */
static struct naddr
addr_of(unsigned net, unsigned host, uint16_t port)
{
	struct naddr a = { .fam = NADDR_V4, .port = port };

	a.ip[0] = 10;
	a.ip[1] = (uint8_t)(net >> 8);
	a.ip[2] = (uint8_t)net;
	a.ip[3] = (uint8_t)host;
	return a;
}

static void
note(unsigned net, unsigned host, uint16_t port, const uint8_t *peer,
    int64_t ms)
{
	struct naddr a = addr_of(net, host, port);

	requesters_note(&rq, &a, 0, peer, (struct wall){ ms });
}

static const struct requester *
find(unsigned net, unsigned host, uint16_t port)
{
	const struct requester *e = NULL;
	struct naddr a = addr_of(net, host, port);

	while ((e = requesters_next(&rq, e)) != NULL)
		if (naddr_equal(&e->addr, &a))
			return e;
	return NULL;
}

/* Every entry is once in the list by age and once in its chain. */
static void
check_lists(void)
{
	const struct requester *e = NULL;
	uint16_t seen[REQUESTERS_MAX] = { 0 };
	unsigned i, k, n = 0;

	while ((e = requesters_next(&rq, e)) != NULL) {
		seen[e - rq.list]++;
		n++;
		assert_true(n <= rq.n);
	}
	assert_int_equal(n, rq.n);
	for (i = 0; i < REQUESTERS_HEADS; i++)
		for (k = rq.heads[i]; k != UINT16_MAX; k = rq.list[k].next) {
			assert_int_equal(rq.list[k].head, i);
			seen[k]++;
		}
	for (i = 0; i < rq.n; i++)
		assert_int_equal(seen[i], 2);
}

static void
test_note(void **state)
{
	const struct requester *e;
	struct naddr a = addr_of(1, 1, 100);

	(void)state;
	requesters_init(&rq, key);
	assert_null(requesters_next(&rq, NULL));
	note(1, 1, 100, NULL, 5);
	note(1, 1, 100, NULL, 9);
	note(1, 1, 101, NULL, 10); /* another port, another entry */
	requesters_note(&rq, &a, 1, NULL, (struct wall){ 11 }); /* and proto */
	assert_int_equal(rq.n, 3);
	e = requesters_next(&rq, NULL); /* latest first */
	assert_int_equal(e->proto, 1);
	e = requesters_next(&rq, requesters_next(&rq, e));
	assert_int_equal(e->addr.port, 100);
	assert_int_equal(e->first.ms, 5);
	assert_int_equal(e->last.ms, 9);
	assert_int_equal(e->count, 2);
	assert_false(e->authenticated);
	note(1, 1, 100, NULL, 12); /* moves to the front */
	assert_int_equal(requesters_next(&rq, NULL)->count, 3);
	check_lists();
}

static void
test_full(void **state)
{
	unsigned i;

	(void)state;
	requesters_init(&rq, key);
	note(0, 0, 1, alice, 0);
	for (i = 1; i < 10000; i++)
		note(i, 0, 1, NULL, i);
	assert_int_equal(rq.n, REQUESTERS_MAX);
	assert_int_equal(rq.evicted, 10000 - REQUESTERS_MAX);
	assert_non_null(find(0, 0, 1)); /* verified: stays */
	assert_non_null(find(9999, 0, 1));
	assert_non_null(find(10000 - 255, 0, 1));
	assert_null(find(10000 - 256, 0, 1));
	check_lists();
}

static void
test_all_verified(void **state)
{
	unsigned i;

	(void)state;
	requesters_init(&rq, key);
	for (i = 0; i < REQUESTERS_MAX; i++)
		note(i, 0, 1, alice, i);
	note(1000, 0, 1, NULL, 1000); /* hearsay has no place */
	assert_null(find(1000, 0, 1));
	note(1001, 0, 1, bob, 1001); /* fact has: the oldest goes */
	assert_non_null(find(1001, 0, 1));
	assert_null(find(0, 0, 1));
	assert_int_equal(rq.n, REQUESTERS_MAX);
	check_lists();
}

static void
test_one_network(void **state)
{
	unsigned i;

	(void)state;
	requesters_init(&rq, key);
	note(2, 0, 1, NULL, 0);
	for (i = 0; i < 1000; i++) /* a /24 and all its ports */
		note(1, i % 256, (uint16_t)(1 + i), NULL, i);
	assert_int_equal(rq.n, 1 + REQUESTERS_NET_MAX);
	assert_non_null(find(2, 0, 1));
	assert_non_null(find(1, 999 % 256, 1000));
	check_lists();
}

static void
test_links(void **state)
{
	struct naddr ip = addr_of(1, 1, 0);

	(void)state;
	requesters_init(&rq, key);
	note(1, 1, 100, NULL, 0);
	note(1, 1, 101, NULL, 0);
	note(1, 2, 100, NULL, 0);
	requesters_link_up(&rq, &ip, alice);
	assert_true(find(1, 1, 100)->authenticated);
	assert_memory_equal(find(1, 1, 101)->peer, alice, sizeof(alice));
	assert_false(find(1, 2, 100)->authenticated);
	requesters_link_up(&rq, &ip, bob); /* same house, came later */
	assert_memory_equal(find(1, 1, 100)->peer, alice, sizeof(alice));
	requesters_link_down(&rq, bob, (struct wall){ TTL });
	assert_true(find(1, 1, 100)->authenticated);
	assert_int_equal(requesters_expire(&rq, (struct wall){ TTL }), 1);
	requesters_link_down(&rq, alice, (struct wall){ TTL });
	assert_false(find(1, 1, 100)->authenticated);
	assert_int_equal(requesters_expire(&rq, (struct wall){ 2 * TTL - 1 }),
	    0);
	assert_int_equal(requesters_expire(&rq, (struct wall){ 2 * TTL }), 2);
	assert_null(requesters_next(&rq, NULL));
	check_lists();
}

static void
test_clock_back(void **state)
{
	(void)state;
	requesters_init(&rq, key);
	note(1, 1, 100, NULL, 10 * TTL);
	assert_int_equal(requesters_expire(&rq, (struct wall){ 9 * TTL + 1 }),
	    0);
	assert_int_equal(requesters_expire(&rq, (struct wall){ 9 * TTL }), 1);
}

/* Ten thousand steps from one seed; the lists agree after each. */
static void
test_walk(void **state)
{
	uint32_t x = 2463534242u; /* xorshift */
	struct naddr ip;
	unsigned i;

	(void)state;
	requesters_init(&rq, key);
	for (i = 0; i < 10000; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		ip = addr_of(x % 64, x / 64 % 8, 0);
		switch (x / 1024 % 32) {
		case 0:
			requesters_link_up(&rq, &ip, x & 1 ? alice : bob);
			break;
		case 1:
			requesters_link_down(&rq, x & 1 ? alice : bob,
			    (struct wall){ i });
			break;
		case 2:
			(void)requesters_expire(&rq,
			    (struct wall){ i + TTL - 300 });
			break;
		default:
			note(x % 64, x / 64 % 8, (uint16_t)(1 + x / 512 % 2),
			    NULL, i);
		}
		check_lists();
	}
	assert_true(rq.n > 0);
}

static void
test_max(void **state)
{
	unsigned i;

	(void)state;
	requesters_init(&rq, key);
	for (i = 0; i < 10; i++)
		note(i, 1, 5000, i == 0 ? alice : NULL, 1000 + (int64_t)i);
	requesters_set_max(&rq, 3);
	assert_int_equal(rq.n, 3);
	assert_non_null(find(0, 1, 5000)); /* verified: the last to go */
	assert_non_null(find(8, 1, 5000));
	assert_non_null(find(9, 1, 5000));
	note(20, 1, 5000, NULL, 2000);
	assert_int_equal(rq.n, 3);
	assert_null(find(8, 1, 5000));
	requesters_set_max(&rq, 0);
	note(21, 1, 5000, bob, 3000);
	assert_int_equal(rq.n, 0);
	requesters_set_max(&rq, UINT16_MAX);
	assert_int_equal(rq.max, REQUESTERS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_note),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_all_verified),
		cmocka_unit_test(test_one_network),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_clock_back),
		cmocka_unit_test(test_max),
		cmocka_unit_test(test_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
