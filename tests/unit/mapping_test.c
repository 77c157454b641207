/* SPDX-License-Identifier: ISC */
/* The table of mappings: news, age, order, and what happens when full. */
#include "stund/mapping.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct mapping_table t;

static struct mapping
make(uint8_t peer, enum mapping_proto proto, const char *local,
    const char *mapped)
{
	struct mapping m;

	memset(&m, 0, sizeof(m));
	m.proto = (uint8_t)proto;
	memset(m.peer, peer, sizeof(m.peer));
	assert_int_equal(naddr_parse(&m.local, local), 0);
	assert_int_equal(naddr_parse(&m.mapped, mapped), 0);
	assert_int_equal(naddr_parse(&m.via, "192.0.2.1:3478"), 0);
	return m;
}

static enum mapping_news
report(uint8_t peer, enum mapping_proto proto, const char *local,
    const char *mapped, int64_t ms)
{
	struct mapping m = make(peer, proto, local, mapped);

	return mapping_report(&t, &m, (struct wall){ ms });
}

static const uint8_t *
peer_id(uint8_t peer)
{
	static uint8_t id[MAPPING_PEER];

	memset(id, peer, sizeof(id));
	return id;
}

#define L4 "192.168.1.2:4000"
#define L6 "[2001:db8::2]:4000"

/* clang-format off */
static const struct step {
	const char *name;
	uint8_t peer;
	enum mapping_proto proto;
	const char *local, *mapped;
	enum mapping_news news;
	size_t n;
	int64_t since_ms; /* of the entry, the step number being the clock */
} steps[] = {
	{ "first", 1, MAPPING_UDP, L4, "8.8.8.8:1", MAPPING_NEW, 1, 0 },
	{ "again", 1, MAPPING_UDP, L4, "8.8.8.8:1", MAPPING_SAME, 1, 0 },
	{ "other port", 1, MAPPING_UDP, L4, "8.8.8.8:2", MAPPING_CHANGED, 1, 2 },
	{ "other address", 1, MAPPING_UDP, L4, "8.8.8.9:2", MAPPING_CHANGED, 1,
	    3 },
	{ "other local", 1, MAPPING_UDP, "192.168.1.3:4000", "8.8.8.9:2",
	    MAPPING_CHANGED, 1, 4 },
	{ "tcp", 1, MAPPING_TCP, L4, "8.8.8.9:2", MAPPING_NEW, 2, 5 },
	{ "v6", 1, MAPPING_UDP, L6, L6, MAPPING_NEW, 3, 6 },
	{ "another peer", 2, MAPPING_UDP, L4, "8.8.8.9:2", MAPPING_NEW, 4, 7 },
	{ "tcp again", 1, MAPPING_TCP, L4, "8.8.8.9:2", MAPPING_SAME, 4, 5 },
};
/* clang-format on */

static void
test_news(void **state)
{
	const struct mapping *m;
	size_t i, k;

	(void)state;
	mapping_init(&t);
	for (i = 0; i < N(steps); i++) {
		const struct step *s = &steps[i];

		print_message("%s\n", s->name);
		assert_int_equal(
		    report(s->peer, s->proto, s->local, s->mapped, (int64_t)i),
		    s->news);
		assert_int_equal(t.n, s->n);
		for (k = 0; (m = mapping_at(&t, k)) != NULL; k++)
			if (m->seen.ms == (int64_t)i)
				assert_int_equal(m->since.ms, s->since_ms);
	}
}

static void
test_order_and_drop(void **state)
{
	static const uint8_t left[] = { 0, 1, 3, 4, 5, 6, 7 };
	size_t i;

	(void)state;
	mapping_init(&t);
	for (i = 0; i < 8; i++)
		(void)report((uint8_t)i, MAPPING_UDP, L4, "8.8.8.8:1", 0);
	(void)report(2, MAPPING_TCP, L4, "8.8.8.8:1", 0);
	(void)report(2, MAPPING_UDP, L6, L6, 0);
	/* A change does not move an entry. */
	assert_int_equal(report(0, MAPPING_UDP, L4, "8.8.8.8:9", 1),
	    MAPPING_CHANGED);
	assert_int_equal(mapping_drop(&t, peer_id(2), NADDR_V6, MAPPING_UDP),
	    1);
	assert_int_equal(mapping_drop(&t, peer_id(2), NADDR_V6, MAPPING_UDP),
	    0);
	assert_int_equal(t.n, 9);
	assert_int_equal(mapping_drop_peer(&t, peer_id(2)), 2);
	assert_int_equal(mapping_drop_peer(&t, peer_id(2)), 0);
	for (i = 0; i < N(left); i++)
		assert_int_equal(mapping_at(&t, i)->peer[0], left[i]);
	assert_null(mapping_at(&t, i));
}

static void
test_full(void **state)
{
	unsigned i;

	(void)state;
	mapping_init(&t);
	for (i = 0; i < MAPPING_MAX; i++)
		assert_int_equal(
		    report((uint8_t)i, MAPPING_UDP, L4, "8.8.8.8:1", 0),
		    MAPPING_NEW);
	assert_int_equal(report(200, MAPPING_UDP, L4, "8.8.8.8:1", 0),
	    MAPPING_FULL);
	assert_int_equal(t.refused, 1);
	assert_int_equal(report(5, MAPPING_UDP, L4, "8.8.8.8:2", 0),
	    MAPPING_CHANGED);
	assert_int_equal(mapping_drop_peer(&t, peer_id(63)), 1);
	assert_int_equal(report(200, MAPPING_UDP, L4, "8.8.8.8:1", 0),
	    MAPPING_NEW);
}

static void
test_age(void **state)
{
	static const struct {
		int64_t ms;
		bool stale;
		size_t gone;
	} cases[] = {
		{ 0, false, 0 },
		{ MAPPING_STALE_MS, false, 0 },
		{ MAPPING_STALE_MS + 1, true, 0 },
		{ MAPPING_GONE_MS, true, 0 },
		{ MAPPING_GONE_MS + 1, true, 1 },
		/* the clock was set back */
		{ -MAPPING_STALE_MS, false, 0 },
		{ -MAPPING_STALE_MS - 1, true, 0 },
		{ -MAPPING_GONE_MS - 1, true, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		struct wall now = { 1000000000000 + cases[i].ms };

		mapping_init(&t);
		(void)report(1, MAPPING_UDP, L4, "8.8.8.8:1", 1000000000000);
		assert_int_equal(mapping_is_stale(mapping_at(&t, 0), now),
		    cases[i].stale);
		assert_int_equal(mapping_expire(&t, now), cases[i].gone);
		assert_int_equal(t.n, 1 - cases[i].gone);
	}
}

static void
test_failures(void **state)
{
	(void)state;
	mapping_init(&t);
	(void)report(1, MAPPING_UDP, L4, "8.8.8.8:1", 0);
	assert_false(mapping_fail(&t, peer_id(1), NADDR_V4, MAPPING_TCP));
	assert_true(mapping_fail(&t, peer_id(1), NADDR_V4, MAPPING_UDP));
	assert_true(mapping_fail(&t, peer_id(1), NADDR_V4, MAPPING_UDP));
	assert_int_equal(mapping_at(&t, 0)->failures, 2);
	(void)report(1, MAPPING_UDP, L4, "8.8.8.8:1", 0);
	assert_int_equal(mapping_at(&t, 0)->failures, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_order_and_drop),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
