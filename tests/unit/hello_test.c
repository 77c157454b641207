/* SPDX-License-Identifier: ISC */
/* The certificate inside the handshake: its form, its times, its signature. */
#include "peerd/hello.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

#define NOW_S 1766000000u

static const uint8_t netid[32] = { 'n' }, noise_pk[32] = { 'x' };
static uint8_t sk[64];

/* A hello whose certificate runs from `from` to `to` seconds around now. */
static void
make(struct hello *he, int from, int to)
{
	uint8_t seed[32] = { 's' }, msg[HELLO_SIGN_LEN];

	memset(he, 0, sizeof(*he));
	he->proto_min = LINK_PROTO_MIN;
	he->proto_max = LINK_PROTO_MAX;
	he->caps = 0xffffffff;
	(void)crypto_sign_seed_keypair(he->identity, sk, seed);
	he->not_before = (uint64_t)((int64_t)NOW_S + from);
	he->not_after = (uint64_t)((int64_t)NOW_S + to);
	hello_sign_bytes(msg, netid, noise_pk, he->not_before, he->not_after);
	(void)crypto_sign_detached(he->sig, NULL, msg, sizeof(msg), sk);
}

static const struct {
	const char *name;
	int from, to;
	enum hello_err want;
} time_cases[] = {
	{ "in the middle", -100, 100, HELLO_OK },
	{ "whole day", 0, 86400, HELLO_OK },
	{ "a second too long", 0, 86401, HELLO_TIME },
	{ "no time at all", 5, 5, HELLO_TIME },
	{ "reversed", 50, -50, HELLO_TIME },
	{ "just expired, within skew", -1000, -59, HELLO_OK },
	{ "expired", -1000, -60, HELLO_TIME },
	{ "starts soon, within skew", 60, 1000, HELLO_OK },
	{ "starts later", 61, 1000, HELLO_TIME },
};

static void
test_times(void **state)
{
	struct wall now = { (int64_t)NOW_S * 1000 };
	struct hello he;
	enum hello_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(time_cases) / sizeof(time_cases[0]); i++) {
		make(&he, time_cases[i].from, time_cases[i].to);
		err = hello_verify(&he, netid, noise_pk, now);
		if (err != time_cases[i].want)
			fail_msg("%s: %s", time_cases[i].name,
			    hello_err_name(err));
	}
}

static void
test_signature(void **state)
{
	struct wall now = { (int64_t)NOW_S * 1000 };
	uint8_t other[32] = { 'y' };
	struct hello he;

	(void)state;
	make(&he, 0, 100);
	assert_int_equal(hello_verify(&he, netid, noise_pk, now), HELLO_OK);
	assert_int_equal(hello_verify(&he, netid, other, now), HELLO_SIG);
	assert_int_equal(hello_verify(&he, other, noise_pk, now), HELLO_SIG);
	he.not_after++;
	assert_int_equal(hello_verify(&he, netid, noise_pk, now), HELLO_SIG);
	he.not_after--;
	memset(he.identity, 0, 32); /* small order */
	assert_int_equal(hello_verify(&he, netid, noise_pk, now), HELLO_SIG);
}

static void
test_codec(void **state)
{
	uint8_t buf[HELLO_MAX], prologue[HELLO_PROLOGUE_LEN];
	struct hello he, back;
	struct flush fl;
	struct wr w;
	size_t cut;

	(void)state;
	make(&he, 0, 100);
	he.not_before = he.not_after = INT64_MAX;
	he.proto_max = UINT16_MAX;
	wr_init(&w, buf, sizeof(buf));
	hello_encode(&w, &he);
	assert_false(w.bad);
	assert_int_equal(hello_decode(&back, buf, w.len), HELLO_OK);
	assert_int_equal(back.proto_max, UINT16_MAX);
	assert_int_equal(back.caps, 0xffffffff);
	assert_memory_equal(back.identity, he.identity, 32);
	assert_memory_equal(back.sig, he.sig, 64);
	for (cut = 0; cut < w.len; cut++) {
		(void)flush_copy(&fl, buf, cut);
		assert_int_equal(hello_decode(&back, fl.at, cut),
		    HELLO_MALFORMED);
		flush_free(&fl);
	}
	buf[1] = 0; /* proto_min */
	assert_int_equal(hello_decode(&back, buf, w.len), HELLO_MALFORMED);
	hello_prologue(prologue, netid);
	assert_memory_equal(prologue, "warren/link/1\0n", 15);
}

static void
test_agree(void **state)
{
	struct hello a = { .proto_min = 1, .proto_max = 3 };
	struct hello b = { .proto_min = 2, .proto_max = 9 };
	struct hello c = { .proto_min = 4, .proto_max = 9 };

	(void)state;
	assert_int_equal(hello_agree(&a, &b), 3);
	assert_int_equal(hello_agree(&b, &a), 3);
	assert_int_equal(hello_agree(&a, &c), 0);
	assert_int_equal(hello_agree(&b, &c), 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_codec),
		cmocka_unit_test(test_agree),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
