/* SPDX-License-Identifier: ISC */
/*
 * The Noise handshake, as promised in noise.h.  Function names follow the
 * specification, sections 4 and 5, so that the two can be read together.
 */
#include "peerd/noise.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"

#define BLOCK_LEN 128 /* BLAKE2b's, for HMAC */

static const char protocol[] = "Noise_XX_25519_ChaChaPoly_BLAKE2b";

struct part {
	const void *p;
	size_t len;
};

static void
hash_parts(uint8_t out[NOISE_HASH_LEN], const struct part *parts, size_t n)
{
	crypto_generichash_blake2b_state st;
	size_t i;

	(void)crypto_generichash_blake2b_init(&st, NULL, 0, NOISE_HASH_LEN);
	for (i = 0; i < n; i++)
		(void)crypto_generichash_blake2b_update(&st, parts[i].p,
		    parts[i].len);
	(void)crypto_generichash_blake2b_final(&st, out, NOISE_HASH_LEN);
	sodium_memzero(&st, sizeof(st));
}

/* HMAC (RFC 2104) over BLAKE2b-512, with the 64-byte keys HKDF gives it. */
static void
hmac(uint8_t out[NOISE_HASH_LEN], const uint8_t key[NOISE_HASH_LEN],
    const struct part *a, const struct part *b)
{
	uint8_t pad[BLOCK_LEN], inner[NOISE_HASH_LEN];
	struct part parts[3] = { { pad, sizeof(pad) }, *a, *b };
	size_t i;

	memset(pad, 0x36, sizeof(pad));
	for (i = 0; i < NOISE_HASH_LEN; i++)
		pad[i] ^= key[i];
	hash_parts(inner, parts, 3);
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	parts[1] = (struct part){ inner, sizeof(inner) };
	hash_parts(out, parts, 2);
	sodium_memzero(pad, sizeof(pad));
	sodium_memzero(inner, sizeof(inner));
}

/* HKDF with two outputs (section 4.3).  ck is both input and first output. */
static void
hkdf(uint8_t ck[NOISE_HASH_LEN], uint8_t out2[NOISE_HASH_LEN], const void *ikm,
    size_t ikm_len)
{
	static const uint8_t one = 1, two = 2;
	uint8_t temp[NOISE_HASH_LEN];
	struct part in = { ikm, ikm_len }, none = { &one, 0 };
	struct part first = { ck, NOISE_HASH_LEN };

	hmac(temp, ck, &in, &none);
	hmac(ck, temp, &(struct part){ &one, 1 }, &none);
	hmac(out2, temp, &first, &(struct part){ &two, 1 });
	sodium_memzero(temp, sizeof(temp));
}

static void
mix_hash(struct noise *ns, const void *data, size_t len)
{
	struct part parts[2] = { { ns->h, NOISE_HASH_LEN }, { data, len } };

	hash_parts(ns->h, parts, 2);
}

/* 0, or -1 when the shared secret is all zero, as a hostile key makes it. */
static int
mix_dh(struct noise *ns, const uint8_t sk[32], const uint8_t pk[32])
{
	uint8_t dh[32], k[NOISE_HASH_LEN];
	int rc = crypto_scalarmult(dh, sk, pk);

	if (rc == 0) {
		hkdf(ns->ck, k, dh, sizeof(dh));
		memcpy(ns->cs.k, k, NOISE_KEY_LEN);
		ns->cs.n = 0;
		ns->has_k = true;
	}
	sodium_memzero(dh, sizeof(dh));
	sodium_memzero(k, sizeof(k));
	return rc == 0 ? 0 : -1;
}

static void
nonce_bytes(uint8_t out[12], uint64_t n)
{
	size_t i;

	memset(out, 0, 4);
	for (i = 0; i < 8; i++)
		out[4 + i] = (uint8_t)(n >> 8 * i);
}

static int
seal(struct noise_cipher *cs, const uint8_t *ad, size_t ad_len,
    const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t nonce[12];

	if (cs->n == UINT64_MAX || len > NOISE_MSG_MAX - NOISE_TAG_LEN)
		return -1;
	nonce_bytes(nonce, cs->n++);
	return crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, ad,
	    ad_len, NULL, nonce, cs->k);
}

static int
unseal(struct noise_cipher *cs, const uint8_t *ad, size_t ad_len,
    const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t nonce[12];

	if (cs->n == UINT64_MAX || len < NOISE_TAG_LEN || len > NOISE_MSG_MAX)
		return -1;
	nonce_bytes(nonce, cs->n);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len,
		ad, ad_len, nonce, cs->k) != 0)
		return -1;
	cs->n++;
	return 0;
}

/* Returns the bytes written; a tag longer once there is a key. */
static size_t
encrypt_and_hash(struct noise *ns, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t out_len = len;

	if (ns->has_k) {
		if (seal(&ns->cs, ns->h, NOISE_HASH_LEN, in, len, out) != 0)
			ns->failed = true;
		out_len += NOISE_TAG_LEN;
	} else if (len > 0) {
		memcpy(out, in, len);
	}
	mix_hash(ns, out, out_len);
	return out_len;
}

/* in is len bytes of ciphertext; out gets a tag less once there is a key. */
static void
decrypt_and_hash(struct noise *ns, const uint8_t *in, size_t len, uint8_t *out)
{
	if (ns->has_k) {
		if (unseal(&ns->cs, ns->h, NOISE_HASH_LEN, in, len, out) != 0)
			ns->failed = true;
	} else if (len > 0) {
		memcpy(out, in, len);
	}
	mix_hash(ns, in, len);
}

void
noise_init(struct noise *ns, enum noise_role role, const uint8_t s_sk[32],
    const uint8_t e_sk[32], const void *prologue, size_t prologue_len)
{
	memset(ns, 0, sizeof(*ns));
	ns->role = (uint8_t)role;
	memcpy(ns->s_sk, s_sk, 32);
	memcpy(ns->e_sk, e_sk, 32);
	(void)crypto_scalarmult_base(ns->s_pk, s_sk);
	(void)crypto_scalarmult_base(ns->e_pk, e_sk);
	memcpy(ns->h, protocol, sizeof(protocol) - 1); /* below HASHLEN */
	memcpy(ns->ck, ns->h, NOISE_HASH_LEN);
	mix_hash(ns, prologue, prologue_len);
}

/* Initiators write messages 0 and 2, responders message 1. */
static bool
turn_is_ours(const struct noise *ns)
{
	return ns->step < 3 && (ns->step == 1) == (ns->role == NOISE_RESPONDER);
}

bool
noise_may_write(const struct noise *ns)
{
	return !ns->failed && turn_is_ours(ns);
}

bool
noise_is_done(const struct noise *ns)
{
	return !ns->failed && ns->step == 3;
}

static int
fail(struct noise *ns)
{
	noise_wipe(ns);
	ns->failed = true;
	return -1;
}

static const size_t overhead[3] = { NOISE_MSG0_LEN, NOISE_MSG1_LEN,
	NOISE_MSG2_LEN };

int
noise_write(struct noise *ns, const void *payload, size_t payload_len,
    uint8_t *out, size_t cap, size_t *len)
{
	size_t at = 0;

	*len = 0;
	if (!noise_may_write(ns))
		return -1;
	if (cap > NOISE_MSG_MAX)
		cap = NOISE_MSG_MAX;
	if (cap < overhead[ns->step] || payload_len > cap - overhead[ns->step])
		return -1;
	if (ns->step < 2) {
		memcpy(out, ns->e_pk, 32);
		mix_hash(ns, out, 32);
		at = 32;
	}
	if (ns->step == 1) {
		if (mix_dh(ns, ns->e_sk, ns->re) != 0)
			return fail(ns);
		at += encrypt_and_hash(ns, ns->s_pk, 32, out + at);
		if (mix_dh(ns, ns->s_sk, ns->re) != 0)
			return fail(ns);
	} else if (ns->step == 2) {
		at += encrypt_and_hash(ns, ns->s_pk, 32, out + at);
		if (mix_dh(ns, ns->s_sk, ns->re) != 0)
			return fail(ns);
	}
	at += encrypt_and_hash(ns, payload, payload_len, out + at);
	if (ns->failed)
		return fail(ns);
	ns->step++;
	*len = at;
	return 0;
}

/* Their encrypted static key at msg, then the DH that both tokens mean. */
static int
read_static(struct noise *ns, const uint8_t *msg)
{
	decrypt_and_hash(ns, msg, 32 + NOISE_TAG_LEN, ns->rs);
	if (ns->failed)
		return -1;
	return mix_dh(ns, ns->e_sk, ns->rs);
}

int
noise_read(struct noise *ns, const uint8_t *msg, size_t msg_len, uint8_t *out,
    size_t cap, size_t *len)
{
	size_t at = 0, payload_len;

	*len = 0;
	if (ns->failed || ns->step > 2 || turn_is_ours(ns))
		return -1;
	if (msg_len < overhead[ns->step] || msg_len > NOISE_MSG_MAX)
		return fail(ns);
	payload_len = msg_len - overhead[ns->step];
	if (payload_len > cap)
		return fail(ns);
	if (ns->step < 2) {
		memcpy(ns->re, msg, 32);
		mix_hash(ns, msg, 32);
		at = 32;
	}
	if (ns->step == 1 && mix_dh(ns, ns->e_sk, ns->re) != 0)
		return fail(ns);
	if (ns->step > 0) {
		if (read_static(ns, msg + at) != 0)
			return fail(ns);
		at += 32 + NOISE_TAG_LEN;
	}
	decrypt_and_hash(ns, msg + at, msg_len - at, out);
	if (ns->failed)
		return fail(ns);
	ns->step++;
	*len = payload_len;
	return 0;
}

void
noise_split(struct noise *ns, struct noise_cipher *tx, struct noise_cipher *rx,
    uint8_t hash[NOISE_HASH_LEN])
{
	uint8_t k2[NOISE_HASH_LEN];
	struct noise_cipher *first = tx, *second = rx;

	ASSERT(noise_is_done(ns));
	if (ns->role == NOISE_RESPONDER) {
		first = rx;
		second = tx;
	}
	hkdf(ns->ck, k2, "", 0);
	memcpy(first->k, ns->ck, NOISE_KEY_LEN);
	memcpy(second->k, k2, NOISE_KEY_LEN);
	first->n = second->n = 0;
	memcpy(hash, ns->h, NOISE_HASH_LEN);
	sodium_memzero(k2, sizeof(k2));
	noise_wipe(ns);
}

void
noise_wipe(struct noise *ns)
{
	sodium_memzero(ns, sizeof(*ns));
	ns->failed = true;
}

int
noise_encrypt(struct noise_cipher *cs, const uint8_t *in, size_t len,
    uint8_t *out)
{
	return seal(cs, NULL, 0, in, len, out);
}

int
noise_decrypt(struct noise_cipher *cs, const uint8_t *in, size_t len,
    uint8_t *out)
{
	return unseal(cs, NULL, 0, in, len, out);
}
