/* SPDX-License-Identifier: ISC */
/* Node records: the fullest one, the emptiest, and each field out of range. */
#include "peerd/noderec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/vec.h"

static void
full(struct noderec *nr)
{
	size_t i;

	memset(nr, 0, sizeof(*nr));
	nr->caps = UINT32_MAX;
	nr->free_gib = UINT32_MAX;
	nr->nat = NAT_BYTE(NAT_MAP_DEPENDENT, NAT_FILTER_ADDRESS_PORT,
	    NAT_PORTS_SEQUENTIAL);
	nr->n_addrs = NODEREC_ADDRS_MAX;
	nr->n_stun = NODEREC_STUN_MAX;
	nr->n_vias = NODEREC_VIAS_MAX;
	for (i = 0; i < NODEREC_ADDRS_MAX; i++) {
		nr->addrs[i].proto = (uint8_t)i;
		nr->addrs[i].src = NODE_SRC_STUN;
		(void)naddr_parse(&nr->addrs[i].addr, "[2001:db8::1]:38080");
	}
	for (i = 0; i < NODEREC_STUN_MAX; i++) {
		nr->stun[i].proto = 1;
		nr->stun[i].service = NODE_WSUDP;
		nr->stun[i].verified = NODE_VERIFIED_FALSE;
		nr->stun[i].via8[7] = 9;
		nr->stun[i].since = 1766000000;
		nr->stun[i].seen = 1766000001;
		(void)naddr_parse(&nr->stun[i].addr, "[2001:db8::2]:65535");
	}
	nr->vias[2][31] = 3;
	(void)snprintf(nr->region, sizeof(nr->region), "eu-west1");
	(void)snprintf(nr->agent, sizeof(nr->agent), "123.123.123-rc9");
	(void)snprintf(nr->name, sizeof(nr->name),
	    "a-name-of-thirty-one-characters");
}

static void
test_full(void **state)
{
	uint8_t buf[NODEREC_MAX], again[NODEREC_MAX];
	struct noderec nr, got;
	struct flush fl;
	struct wr w, w2;
	size_t cut;

	(void)state;
	full(&nr);
	wr_init(&w, buf, sizeof(buf));
	assert_int_equal(noderec_encode(&w, &nr), 0);
	assert_in_range(w.len, 700, NODEREC_MAX);
	assert_int_equal(noderec_decode(&got, buf, w.len), 0);
	assert_int_equal(NAT_FILTERING(got.nat), NAT_FILTER_ADDRESS_PORT);
	assert_string_equal(got.name, nr.name);
	assert_true(naddr_equal(&got.stun[7].addr, &nr.stun[7].addr));
	wr_init(&w2, again, sizeof(again));
	assert_int_equal(noderec_encode(&w2, &got), 0);
	assert_int_equal(w2.len, w.len);
	assert_memory_equal(again, buf, w.len);
	for (cut = 0; cut < w.len; cut++) {
		(void)flush_copy(&fl, buf, cut);
		assert_int_equal(noderec_decode(&got, fl.at, cut), -1);
		flush_free(&fl);
		wr_init(&w2, again, cut);
		assert_int_equal(noderec_encode(&w2, &nr), -1);
	}
}

static void
test_empty(void **state)
{
	uint8_t buf[NODEREC_MAX];
	struct noderec nr, got;
	struct wr w;

	(void)state;
	memset(&nr, 0, sizeof(nr));
	wr_init(&w, buf, sizeof(buf));
	assert_int_equal(noderec_encode(&w, &nr), 0);
	assert_int_equal(w.len, 11);
	assert_int_equal(noderec_decode(&got, buf, w.len), 0);
	assert_int_equal(noderec_decode(&got, buf, w.len + 1), -1);
	/* "The address you reach me at" */
	nr.n_addrs = 1;
	nr.addrs[0].addr.port = 38080;
	wr_init(&w, buf, sizeof(buf));
	assert_int_equal(noderec_encode(&w, &nr), 0);
	assert_int_equal(noderec_decode(&got, buf, w.len), 0);
	assert_int_equal(got.addrs[0].addr.fam, NADDR_NONE);
	assert_int_equal(got.addrs[0].addr.port, 38080);
}

static void
bad_nat(struct noderec *nr)
{
	nr->nat = 0x40;
}

static void
bad_port(struct noderec *nr)
{
	nr->addrs[3].addr.port = 0;
}

static void
bad_fam(struct noderec *nr)
{
	nr->addrs[3].addr.fam = 5;
}

static void
bad_stun_fam(struct noderec *nr)
{
	nr->stun[3].addr.fam = NADDR_NONE;
}

static void
bad_stun_proto(struct noderec *nr)
{
	nr->stun[0].proto = 2;
}

static void
bad_verified(struct noderec *nr)
{
	nr->stun[0].verified = 3;
}

static void
bad_times(struct noderec *nr)
{
	nr->stun[0].seen = nr->stun[0].since - 1;
}

static void
bad_time(struct noderec *nr)
{
	nr->stun[0].seen = NODEREC_TIME_MAX + 1;
}

static void
bad_name(struct noderec *nr)
{
	nr->name[3] = '\n';
}

static void
bad_region(struct noderec *nr)
{
	nr->region[0] = '\xc3';
}

static void
too_many(struct noderec *nr)
{
	nr->n_vias = NODEREC_VIAS_MAX + 1;
}

static void
too_long(struct noderec *nr)
{
	size_t i;

	for (i = 0; i < NODEREC_STUN_MAX; i++)
		nr->stun[i].since = nr->stun[i].seen = NODEREC_TIME_MAX;
}

static const struct {
	const char *name;
	void (*spoil)(struct noderec *nr);
} bad_cases[] = {
	{ "nat beyond 6 bits", bad_nat },
	{ "port 0", bad_port },
	{ "family 5", bad_fam },
	{ "stun without address", bad_stun_fam },
	{ "stun proto 2", bad_stun_proto },
	{ "verified 3", bad_verified },
	{ "seen before since", bad_times },
	{ "time beyond 40 bits", bad_time },
	{ "line feed in name", bad_name },
	{ "non-ASCII region", bad_region },
	{ "four vias", too_many },
	{ "over 768 bytes", too_long },
};

static void
test_bad(void **state)
{
	uint8_t buf[2048];
	struct noderec nr;
	struct wr w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		full(&nr);
		bad_cases[i].spoil(&nr);
		wr_init(&w, buf, sizeof(buf));
		if (noderec_encode(&w, &nr) != -1)
			fail_msg("%s", bad_cases[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
