/* SPDX-License-Identifier: ISC */
/*
 * The handshake against the published vectors in tests/vectors/noise.txt,
 * byte for byte in both roles, and against damage and misuse.
 */
#include "peerd/noise.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

#define FILE_VEC "tests/vectors/noise.txt"
#define CASES    6

static int
vec(int c, const char *field, uint8_t *out, size_t cap)
{
	char full[64];

	(void)snprintf(full, sizeof(full), "%d.%s", c, field);
	return vec_get(FILE_VEC, full, out, cap);
}

static void
start(struct noise *ns, int c, enum noise_role role)
{
	const char *who = role == NOISE_INITIATOR ? "init" : "resp";
	uint8_t s[32], e[32], prologue[256];
	char field[32];
	int n;

	(void)snprintf(field, sizeof(field), "%s_static", who);
	assert_int_equal(vec(c, field, s, 32), 32);
	(void)snprintf(field, sizeof(field), "%s_ephemeral", who);
	assert_int_equal(vec(c, field, e, 32), 32);
	(void)snprintf(field, sizeof(field), "%s_prologue", who);
	n = vec(c, field, prologue, sizeof(prologue));
	assert_true(n >= 0);
	noise_init(ns, role, s, e, prologue, (size_t)n);
}

/* Message i of case c; false when the case has no more. */
static bool
message(int c, int i, uint8_t *from, uint8_t *payload, int *payload_len,
    uint8_t *cipher, int *cipher_len)
{
	char field[32];

	(void)snprintf(field, sizeof(field), "%d.from", i);
	if (vec(c, field, from, 1) != 1)
		return false;
	(void)snprintf(field, sizeof(field), "%d.payload", i);
	*payload_len = vec(c, field, payload, 1024);
	(void)snprintf(field, sizeof(field), "%d.ciphertext", i);
	*cipher_len = vec(c, field, cipher, 1024);
	assert_true(*payload_len >= 0 && *cipher_len > 0);
	return true;
}

static void
handshake(int c, struct noise *a, struct noise *b)
{
	uint8_t payload[1024], cipher[1024], out[2048], back[2048], from;
	int i, plen, clen;
	struct noise *w, *r;
	size_t len;

	start(a, c, NOISE_INITIATOR);
	start(b, c, NOISE_RESPONDER);
	for (i = 0; i < 3; i++) {
		assert_true(
		    message(c, i, &from, payload, &plen, cipher, &clen));
		w = i == 1 ? b : a;
		r = i == 1 ? a : b;
		assert_int_equal(from, i == 1 ? 'r' : 'i');
		assert_true(noise_may_write(w));
		assert_false(noise_may_write(r));
		assert_int_equal(noise_write(w, payload, (size_t)plen, out,
				     sizeof(out), &len),
		    0);
		assert_int_equal(len, clen);
		assert_memory_equal(out, cipher, len);
		assert_int_equal(
		    noise_read(r, out, len, back, sizeof(back), &len), 0);
		assert_int_equal(len, plen);
		assert_memory_equal(back, payload, len);
	}
	assert_true(noise_is_done(a) && noise_is_done(b));
	assert_memory_equal(a->rs, b->s_pk, 32);
	assert_memory_equal(b->rs, a->s_pk, 32);
}

static void
transport(int c, struct noise_cipher *itx, struct noise_cipher *irx,
    struct noise_cipher *rtx, struct noise_cipher *rrx)
{
	uint8_t payload[1024], cipher[1024], out[2048], back[2048], from;
	int i, plen, clen;
	size_t n;

	for (i = 3; message(c, i, &from, payload, &plen, cipher, &clen); i++) {
		n = (size_t)plen;
		assert_int_equal(
		    noise_encrypt(from == 'i' ? itx : rtx, payload, n, out), 0);
		assert_int_equal(n + NOISE_TAG_LEN, clen);
		assert_memory_equal(out, cipher, n + NOISE_TAG_LEN);
		assert_int_equal(noise_decrypt(from == 'i' ? rrx : irx, out,
				     n + NOISE_TAG_LEN, back),
		    0);
		assert_memory_equal(back, payload, n);
	}
	assert_true(i > 3);
}

static void
test_vectors(void **state)
{
	struct noise_cipher itx, irx, rtx, rrx;
	uint8_t ih[64], rh[64], want[64];
	struct noise a, b;
	int c;

	(void)state;
	for (c = 0; c < CASES; c++) {
		handshake(c, &a, &b);
		noise_split(&a, &itx, &irx, ih);
		noise_split(&b, &rtx, &rrx, rh);
		assert_memory_equal(ih, rh, 64);
		if (vec(c, "handshake_hash", want, 64) == 64)
			assert_memory_equal(ih, want, 64);
		transport(c, &itx, &irx, &rtx, &rrx);
	}
	assert_true(vec(CASES, "init_static", want, 32) < 0);
}

/* Run the handshake of case 0 with bit `bit` of message i flipped. */
static int
damaged(int i_bad, size_t bit)
{
	uint8_t out[1024], back[1024];
	struct noise a, b;
	struct noise *w, *r;
	size_t len;
	int i;

	start(&a, 0, NOISE_INITIATOR);
	start(&b, 0, NOISE_RESPONDER);
	for (i = 0; i < 3; i++) {
		w = i == 1 ? &b : &a;
		r = i == 1 ? &a : &b;
		if (noise_write(w, "hi", 2, out, sizeof(out), &len) != 0)
			return i;
		if (i == i_bad)
			out[bit / 8 % len] ^= (uint8_t)(1u << bit % 8);
		if (noise_read(r, out, len, back, sizeof(back), &len) != 0)
			return i;
	}
	return 3;
}

static void
test_damage(void **state)
{
	size_t bit;

	(void)state;
	assert_int_equal(damaged(-1, 0), 3);
	/* The first message is in the clear: it fails one message later. */
	for (bit = 0; bit < NOISE_MSG0_LEN * 8; bit++)
		if (bit != 255) /* X25519 ignores the top bit, the hash not */
			assert_int_equal(damaged(0, bit), 1);
	for (bit = 0; bit < (NOISE_MSG1_LEN + 2) * 8; bit += 3)
		assert_int_equal(damaged(1, bit), 1);
	for (bit = 0; bit < (NOISE_MSG2_LEN + 2) * 8; bit += 3)
		assert_int_equal(damaged(2, bit), 2);
}

static void
test_prologue(void **state)
{
	uint8_t key[32] = { 1 }, eph[32] = { 2 }, out[256], back[256];
	struct noise a, b;
	size_t len;

	(void)state;
	noise_init(&a, NOISE_INITIATOR, key, eph, "one net", 7);
	noise_init(&b, NOISE_RESPONDER, key, eph, "another", 7);
	assert_int_equal(noise_write(&a, NULL, 0, out, sizeof(out), &len), 0);
	assert_int_equal(noise_read(&b, out, len, back, 256, &len), 0);
	assert_int_equal(noise_write(&b, NULL, 0, out, sizeof(out), &len), 0);
	assert_int_equal(noise_read(&a, out, len, back, 256, &len), -1);
	assert_true(a.failed);
	assert_true(sodium_is_zero(a.s_sk, 32) && sodium_is_zero(a.ck, 64));
	assert_int_equal(noise_write(&a, NULL, 0, out, sizeof(out), &len), -1);
}

static void
test_bounds(void **state)
{
	static uint8_t big[NOISE_MSG_MAX], out[NOISE_MSG_MAX + 64];
	uint8_t key[32] = { 1 }, eph[32] = { 2 }, zero[32] = { 0 }, back[8];
	struct noise a, b;
	struct flush fl;
	size_t len, cut;

	(void)state;
	noise_init(&a, NOISE_INITIATOR, key, eph, NULL, 0);
	assert_int_equal(
	    noise_write(&a, big, NOISE_MSG_MAX - 31, out, sizeof(out), &len),
	    -1);
	assert_int_equal(noise_write(&a, big, 1, out, 32, &len), -1);
	assert_int_equal(noise_write(&a, big, 9, out, sizeof(out), &len), 0);
	for (cut = 0; cut < NOISE_MSG0_LEN; cut++) {
		noise_init(&b, NOISE_RESPONDER, key, eph, NULL, 0);
		(void)flush_copy(&fl, out, cut);
		assert_int_equal(noise_read(&b, fl.at, cut, back, 8, &len), -1);
		flush_free(&fl);
	}
	/* A payload longer than the reader's room ends the handshake. */
	noise_init(&b, NOISE_RESPONDER, key, eph, NULL, 0);
	assert_int_equal(noise_read(&b, out, 41, back, 8, &len), -1);
	assert_true(b.failed);
	/* So does a key of small order. */
	noise_init(&b, NOISE_RESPONDER, key, eph, NULL, 0);
	assert_int_equal(noise_read(&b, zero, 32, back, 8, &len), 0);
	assert_int_equal(noise_write(&b, NULL, 0, out, sizeof(out), &len), -1);
}

static void
test_cipher_bounds(void **state)
{
	static uint8_t buf[NOISE_MSG_MAX + 64];
	struct noise_cipher tx = { { 7 }, 0 }, rx = { { 7 }, 0 };

	(void)state;
	assert_int_equal(
	    noise_encrypt(&tx, buf, NOISE_MSG_MAX - NOISE_TAG_LEN, buf), 0);
	assert_int_equal(
	    noise_encrypt(&tx, buf, NOISE_MSG_MAX - NOISE_TAG_LEN + 1, buf),
	    -1);
	assert_int_equal(noise_decrypt(&rx, buf, 15, buf), -1);
	assert_int_equal(noise_decrypt(&rx, buf, NOISE_MSG_MAX, buf), 0);
	/* Once in order, never twice. */
	assert_int_equal(noise_decrypt(&rx, buf, NOISE_MSG_MAX, buf), -1);
	tx.n = rx.n = UINT64_MAX - 1;
	assert_int_equal(noise_encrypt(&tx, buf, 5, buf), 0);
	assert_int_equal(noise_decrypt(&rx, buf, 21, buf), 0);
	assert_int_equal(noise_encrypt(&tx, buf, 5, buf), -1);
	assert_int_equal(noise_decrypt(&rx, buf, 21, buf), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_prologue),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_cipher_bounds),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
