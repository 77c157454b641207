/* SPDX-License-Identifier: ISC */
/*
 * Claims: their bytes against tests/vectors/tree.txt, their signature, and
 * what makes two of them a proof of lying.
 */
#include "common/claim.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

#define FILE_VEC "tests/vectors/tree.txt"

static const uint8_t seed[32] = "warren claim test seed, 32 bytes";
static uint8_t sk[64];

static void
signed_claim(struct claim *c)
{
	struct tree_sum top = { .h = { 1, 2, 3 }, .cnt = 77, .sum = -5 };
	uint8_t netid[32] = { 9 };

	memset(c, 0, sizeof(*c));
	claim_set(c, netid, 12, &top);
	c->wall_ms = 1700000000000;
	(void)crypto_sign_seed_keypair(c->node, sk, seed);
	claim_sign(c, sk);
}

static void
test_vector(void **state)
{
	uint8_t body[CLAIM_BODY_MAX], msg[CLAIM_SIGN_MAX], h[48];
	struct claim c = { 0 };
	struct tree_sum top;
	uint8_t netid[32];
	size_t len;
	int n;

	(void)state;
	n = vec_get(FILE_VEC, "claim.body", body, sizeof(body));
	assert_true(n > 0);
	assert_int_equal(vec_get(FILE_VEC, "netid", netid, 32), 32);
	assert_int_equal(vec_get(FILE_VEC, "set3000.top", h, 48), 48);
	memcpy(top.h, h, 32);
	top.cnt = get_u64(h + 32);
	top.sum = (int64_t)get_u64(h + 40);
	claim_set(&c, netid, 4000, &top);
	memcpy(c.node, body + n - 9 - 32, 32); /* before the wall clock */
	c.wall_ms = 1700000000000;
	len = claim_sign_bytes(msg, &c);
	assert_int_equal(len, 15 + n);
	assert_memory_equal(msg, "warren/claim/1", 15);
	assert_memory_equal(msg + 15, body, (size_t)n);
}

static void
test_round_trip(void **state)
{
	uint8_t buf[CLAIM_MAX + 1];
	struct claim c, d;
	struct flush fl;
	struct wr w;
	size_t i;

	(void)state;
	signed_claim(&c);
	assert_true(claim_verify(&c));
	wr_init(&w, buf, CLAIM_MAX);
	claim_encode(&w, &c);
	assert_false(w.bad);
	assert_int_equal(claim_decode(&d, buf, w.len), 0);
	assert_memory_equal(&c, &d, sizeof(c));
	for (i = 0; i < w.len; i++) {
		flush_copy(&fl, buf, i);
		assert_int_equal(claim_decode(&d, fl.at, i), -1);
		flush_free(&fl);
	}
	buf[w.len] = 0;
	assert_int_equal(claim_decode(&d, buf, w.len + 1), -1);
	for (i = 0; i < w.len * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
		if (claim_decode(&d, buf, w.len) == 0)
			assert_false(claim_verify(&d));
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void
test_longest(void **state)
{
	uint8_t buf[CLAIM_MAX];
	struct claim c, d;
	struct wr w;

	(void)state;
	signed_claim(&c);
	c.tick = c.cnt = c.wall_ms = UINT64_MAX;
	c.sum = INT64_MIN;
	claim_sign(&c, sk);
	wr_init(&w, buf, sizeof(buf));
	claim_encode(&w, &c);
	assert_false(w.bad);
	assert_int_equal(w.len, CLAIM_MAX);
	assert_int_equal(claim_decode(&d, buf, w.len), 0);
	assert_true(claim_verify(&d));
}

static void
test_two_claims_convict(void **state)
{
	struct claim a, b;
	uint8_t other[64], pk[32];

	(void)state;
	signed_claim(&a);
	b = a;
	assert_false(claim_contradicts(&a, &b));
	b.wall_ms++; /* said twice: no lie */
	claim_sign(&b, sk);
	assert_false(claim_contradicts(&a, &b));
	b = a;
	b.root[3] ^= 1;
	assert_false(claim_contradicts(&a, &b)); /* not signed */
	claim_sign(&b, sk);
	assert_true(claim_contradicts(&a, &b));
	assert_true(claim_contradicts(&b, &a));
	b = a;
	b.cnt++;
	claim_sign(&b, sk);
	assert_true(claim_contradicts(&a, &b));
	b = a;
	b.sum++;
	claim_sign(&b, sk);
	assert_true(claim_contradicts(&a, &b));
	a.sig[0] ^= 1;
	assert_false(claim_contradicts(&a, &b));
	a.sig[0] ^= 1;
	b.tick++; /* of another tick anything may differ */
	claim_sign(&b, sk);
	assert_false(claim_contradicts(&a, &b));
	b = a;
	b.root[0] ^= 1;
	b.netid[0] ^= 1;
	claim_sign(&b, sk);
	assert_false(claim_contradicts(&a, &b));
	b = a;
	b.root[0] ^= 1;
	(void)crypto_sign_keypair(pk, other);
	memcpy(b.node, pk, 32);
	claim_sign(&b, other);
	assert_true(claim_verify(&b));
	assert_false(claim_contradicts(&a, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_two_claims_convict),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
