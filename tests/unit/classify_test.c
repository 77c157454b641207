/* SPDX-License-Identifier: ISC */
/* NAT classes: who said what, and what to believe. */
#include "stund/classify.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#include "common/addr_policy.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define HERE "192.168.1.2:4000"
#define PUB  "9.9.9.9:4000" /* a host with a public address of its own */

static struct mapping_table t;

struct voice {
	const char *via;
	const char *mapped;
	const char *local; /* NULL: HERE */
};

/* clang-format off */
static const struct class_case {
	const char *name;
	enum nat_mapping mapping;
	enum nat_ports ports;
	const char *advertise; /* NULL: nothing */
	struct voice voices[6];
} cases[] = {
	{ "nobody", NAT_MAP_UNKNOWN, NAT_PORTS_UNKNOWN, NULL, { { 0 } } },
	{ "one alone", NAT_MAP_UNKNOWN, NAT_PORTS_UNKNOWN, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL } } },
	{ "two of one network", NAT_MAP_UNKNOWN, NAT_PORTS_UNKNOWN, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.1.255.1:1", "8.8.8.8:5000", NULL } } },
	{ "two agree", NAT_MAP_INDEPENDENT, NAT_PORTS_RANDOM,
	    "8.8.8.8:5000", {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL } } },
	{ "two agree, port kept", NAT_MAP_INDEPENDENT, NAT_PORTS_PRESERVED,
	    "8.8.8.8:4000", {
		{ "1.1.0.1:1", "8.8.8.8:4000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:4000", NULL } } },
	{ "two disagree", NAT_MAP_DEPENDENT, NAT_PORTS_RANDOM, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:6000", NULL } } },
	{ "two disagree on the address", NAT_MAP_DEPENDENT,
	    NAT_PORTS_PRESERVED, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:4000", NULL },
		{ "1.2.0.1:1", "8.8.8.9:4000", NULL } } },
	{ "no NAT", NAT_MAP_NONE, NAT_PORTS_PRESERVED, PUB, {
		{ "1.1.0.1:1", PUB, PUB },
		{ "1.2.0.1:1", PUB, PUB } } },
	{ "no NAT, says one", NAT_MAP_UNKNOWN, NAT_PORTS_UNKNOWN, NULL, {
		{ "1.1.0.1:1", PUB, PUB } } },
	{ "no NAT, one liar of three", NAT_MAP_NONE, NAT_PORTS_PRESERVED,
	    PUB, {
		{ "1.3.0.1:1", "6.6.6.6:666", PUB },
		{ "1.1.0.1:1", PUB, PUB },
		{ "1.2.0.1:1", PUB, PUB } } },
	{ "one liar of three, first", NAT_MAP_INDEPENDENT, NAT_PORTS_RANDOM,
	    "8.8.8.8:5000", {
		{ "1.3.0.1:1", "6.6.6.6:666", NULL },
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL } } },
	{ "one liar of three, last", NAT_MAP_INDEPENDENT, NAT_PORTS_RANDOM,
	    "8.8.8.8:5000", {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.3.0.1:1", "6.6.6.6:666", NULL } } },
	{ "a liar says there is no NAT", NAT_MAP_INDEPENDENT,
	    NAT_PORTS_RANDOM, "8.8.8.8:5000", {
		{ "1.3.0.1:1", HERE, NULL },
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL } } },
	{ "four liars of one network", NAT_MAP_INDEPENDENT,
	    NAT_PORTS_RANDOM, "8.8.8.8:5000", {
		{ "1.3.0.1:1", "6.6.6.6:666", NULL },
		{ "1.3.0.2:1", "6.6.6.6:666", NULL },
		{ "1.3.0.3:1", "6.6.6.6:666", NULL },
		{ "1.3.0.4:1", "6.6.6.6:666", NULL },
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL } } },
	{ "two against two", NAT_MAP_DEPENDENT, NAT_PORTS_RANDOM, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.3.0.1:1", "8.8.8.8:6000", NULL },
		{ "1.4.0.1:1", "8.8.8.8:6000", NULL } } },
	{ "sequential by 2", NAT_MAP_DEPENDENT, NAT_PORTS_SEQUENTIAL, NULL,
	    {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5002", NULL },
		{ "1.3.0.1:1", "8.8.8.8:5004", NULL } } },
	{ "uneven steps", NAT_MAP_DEPENDENT, NAT_PORTS_RANDOM, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5002", NULL },
		{ "1.3.0.1:1", "8.8.8.8:5003", NULL } } },
	{ "downward", NAT_MAP_DEPENDENT, NAT_PORTS_RANDOM, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5002", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5000", NULL } } },
	{ "step 16", NAT_MAP_DEPENDENT, NAT_PORTS_SEQUENTIAL, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5016", NULL } } },
	{ "step 17", NAT_MAP_DEPENDENT, NAT_PORTS_RANDOM, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5017", NULL } } },
	{ "different sockets are not compared", NAT_MAP_UNKNOWN,
	    NAT_PORTS_UNKNOWN, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", "192.168.1.2:4000" },
		{ "1.2.0.1:1", "8.8.8.8:6000", "192.168.1.2:4001" } } },
	{ "the socket most speak about", NAT_MAP_INDEPENDENT,
	    NAT_PORTS_RANDOM, "8.8.8.8:6000", {
		{ "1.1.0.1:1", "8.8.8.8:5000", "192.168.1.2:4000" },
		{ "1.2.0.1:1", "8.8.8.8:6000", "192.168.1.2:4001" },
		{ "1.3.0.1:1", "8.8.8.8:6000", "192.168.1.2:4001" } } },
	{ "agreed but private", NAT_MAP_INDEPENDENT, NAT_PORTS_RANDOM, NULL,
	    {
		{ "1.1.0.1:1", "10.0.0.1:5000", NULL },
		{ "1.2.0.1:1", "10.0.0.1:5000", NULL } } },
	{ "one network in two spellings", NAT_MAP_UNKNOWN,
	    NAT_PORTS_UNKNOWN, NULL, {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "[64:ff9b::1.1.0.2]:1", "8.8.8.8:5000", NULL } } },
};
/* clang-format on */

static void
add(const struct voice *v, size_t i, enum mapping_proto proto, int64_t ms)
{
	struct mapping m;

	memset(&m, 0, sizeof(m));
	m.proto = (uint8_t)proto;
	m.peer[0] = (uint8_t)i;
	assert_int_equal(naddr_parse(&m.via, v->via), 0);
	assert_int_equal(naddr_parse(&m.mapped, v->mapped), 0);
	assert_int_equal(
	    naddr_parse(&m.local, v->local == NULL ? HERE : v->local), 0);
	(void)mapping_report(&t, &m, (struct wall){ ms });
}

static void
load(const struct class_case *c)
{
	size_t i;

	mapping_init(&t);
	for (i = 0; i < N(c->voices) && c->voices[i].via != NULL; i++)
		add(&c->voices[i], i, MAPPING_UDP, 1000 + (int64_t)i);
}

static void
test_classes(void **state)
{
	const struct classify_cfg cfg = CLASSIFY_DEFAULTS;
	const struct wall now = { 2000 };
	const struct naddr *adv;
	struct nat_class got;
	char buf[NADDR_STR];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		const struct class_case *c = &cases[i];

		load(c);
		got = classify(&t, &cfg, NADDR_V4, MAPPING_UDP, now);
		print_message("%s: %s %s\n", c->name,
		    nat_mapping_name((uint8_t)got.mapping),
		    nat_ports_name((uint8_t)got.ports));
		assert_int_equal(got.mapping, c->mapping);
		assert_int_equal(got.ports, c->ports);
		assert_int_equal(got.filtering, NAT_FILTER_UNKNOWN);
		adv = classify_advertise(&t, &cfg, NADDR_V4, MAPPING_UDP, now);
		assert_string_equal(adv == NULL ? "-" : naddr_str(adv, buf),
		    c->advertise == NULL ? "-" : c->advertise);
		/* The other ones are not touched by it. */
		got = classify(&t, &cfg, NADDR_V4, MAPPING_TCP, now);
		assert_int_equal(got.mapping, NAT_MAP_UNKNOWN);
		assert_null(
		    classify_advertise(&t, &cfg, NADDR_V6, MAPPING_UDP, now));
	}
}

/* The steps are those of the NAT's clock, not of our table. */
static void
test_sequence_by_age(void **state)
{
	static const struct voice voices[] = {
		{ "1.1.0.1:1", "8.8.8.8:5000", NULL },
		{ "1.2.0.1:1", "8.8.8.8:5004", NULL },
		{ "1.3.0.1:1", "8.8.8.8:5002", NULL },
	};
	static const int64_t since[] = { 1000, 1002, 1001 };
	const struct classify_cfg cfg = CLASSIFY_DEFAULTS;
	size_t i;

	(void)state;
	mapping_init(&t);
	for (i = 0; i < N(voices); i++)
		add(&voices[i], i, MAPPING_UDP, since[i]);
	assert_int_equal(
	    classify(&t, &cfg, NADDR_V4, MAPPING_UDP, (struct wall){ 2000 })
		.ports,
	    NAT_PORTS_SEQUENTIAL);
}

static void
test_stale_is_silent(void **state)
{
	const struct classify_cfg cfg = CLASSIFY_DEFAULTS;
	struct wall now = { 1000 + MAPPING_STALE_MS };

	(void)state;
	load(&cases[3]); /* two agree, at 1000 and 1001 */
	assert_int_equal(classify(&t, &cfg, NADDR_V4, MAPPING_UDP, now).mapping,
	    NAT_MAP_INDEPENDENT);
	now.ms++;
	assert_int_equal(classify(&t, &cfg, NADDR_V4, MAPPING_UDP, now).mapping,
	    NAT_MAP_UNKNOWN);
}

static void
test_config(void **state)
{
	static const struct voice lab[] = {
		{ "127.0.0.2:1", "127.0.0.1:4000", "127.0.0.1:4000" },
		{ "127.0.0.3:1", "127.0.0.1:4000", "127.0.0.1:4000" },
	};
	struct classify_cfg cfg = CLASSIFY_DEFAULTS;
	const struct wall now = { 2000 };

	(void)state;
	mapping_init(&t);
	add(&lab[0], 0, MAPPING_TCP, 1000);
	add(&lab[1], 1, MAPPING_TCP, 1000);
	assert_int_equal(classify(&t, &cfg, NADDR_V4, MAPPING_TCP, now).mapping,
	    NAT_MAP_UNKNOWN);
	cfg.v4_bits = 32;
	assert_int_equal(classify(&t, &cfg, NADDR_V4, MAPPING_TCP, now).mapping,
	    NAT_MAP_NONE);
	assert_null(classify_advertise(&t, &cfg, NADDR_V4, MAPPING_TCP, now));
	cfg.allow = ADDR_ALLOW_LOOPBACK;
	assert_non_null(
	    classify_advertise(&t, &cfg, NADDR_V4, MAPPING_TCP, now));
}

/* No NAT on IPv6, an easy one on TCP, a hard one on UDP: hard, in all. */
static void
test_overall(void **state)
{
	static const char *const vias[] = { "1.1.0.1:1", "1.2.0.1:1" };
	const struct classify_cfg cfg = CLASSIFY_DEFAULTS;
	const struct wall now = { 2000 };
	struct voice v = { 0 };
	struct nat_class got;
	size_t i;

	(void)state;
	mapping_init(&t);
	for (i = 0; i < 2; i++) {
		v = (struct voice){ vias[i], "[2600::1]:4000",
			"[2600::1]:4000" };
		add(&v, i, MAPPING_UDP, 1000);
	}
	got = classify_overall(&t, &cfg, now);
	assert_int_equal(got.networks, 2);
	assert_int_equal(got.mapping, NAT_MAP_NONE);
	assert_int_equal(got.ports, NAT_PORTS_PRESERVED);
	for (i = 0; i < 2; i++) {
		v = (struct voice){ vias[i], "8.8.8.8:4000", NULL };
		add(&v, i, MAPPING_TCP, 1000);
	}
	got = classify_overall(&t, &cfg, now);
	assert_int_equal(got.mapping, NAT_MAP_INDEPENDENT);
	for (i = 0; i < 2; i++) {
		v = (struct voice){ vias[i],
			i == 0 ? "8.8.8.8:9000" : "8.8.8.8:7000", NULL };
		add(&v, i, MAPPING_UDP, 1000);
	}
	got = classify_overall(&t, &cfg, now);
	assert_int_equal(got.mapping, NAT_MAP_DEPENDENT);
	assert_int_equal(got.ports, NAT_PORTS_RANDOM);
}

static void
test_republish(void **state)
{
	struct mono now = { 5000000 };
	struct republish r;
	unsigned i, n = 0;

	(void)state;
	republish_init(&r);
	assert_true(republish_due(&r).us == INT64_MAX);
	assert_false(republish_tick(&r, now));
	for (i = 0; i < 3; i++) {
		republish_want(&r);
		assert_true(republish_tick(&r, now));
		assert_false(republish_tick(&r, now));
	}
	republish_want(&r);
	republish_want(&r);
	assert_false(republish_tick(&r, now));
	assert_int_equal(mono_ms_between(now, republish_due(&r)), 10000);
	assert_true(republish_tick(&r, mono_add_ms(now, 10000)));
	/* A mapping that changes every second for an hour. */
	republish_init(&r);
	for (i = 0; i < 3600; i++) {
		republish_want(&r);
		n += republish_tick(&r, mono_add_ms(now, (int64_t)i * 1000));
	}
	assert_int_equal(n, 3 + 359);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_sequence_by_age),
		cmocka_unit_test(test_stale_is_silent),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_overall),
		cmocka_unit_test(test_republish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
