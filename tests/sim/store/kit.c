/* SPDX-License-Identifier: ISC */
/*
 * Charter, authors and records, as promised in kit.h.  All keys come from the
 * seed, and so does whatever libsodium calls random.
 */
#include "tests/sim/store/kit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "tests/sim/sim.h"

#define RECS_MAX  65536
#define POW_BITS  4
#define POW_TRIES 100000

struct charter kit_charter;

static struct kit_rec *recs;
static uint32_t n_recs, *by_rid; /* the latter of 2 * RECS_MAX, number + 1 */
static uint8_t (*keys)[32];
static uint32_t n_keys;
static uint8_t pk[KIT_AUTHORS][32], sk[KIT_AUTHORS][64];
static uint8_t nonces[KIT_AUTHORS][8];
static struct rng chance;

/* --- libsodium's chances --- */

static const char *
chance_name(void)
{
	return "sim";
}

static uint32_t
chance_u32(void)
{
	return (uint32_t)(rng_next(&chance) >> 32);
}

static void
chance_buf(void *const buf, const size_t len)
{
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(rng_next(&chance) >> 56);
}

static struct randombytes_implementation chance_from_seed = {
	.implementation_name = chance_name,
	.random = chance_u32,
	.buf = chance_buf,
};

/* --- the network --- */

static void
make_charter(void)
{
	uint8_t body[2048], bytes[CHARTER_SIGN_LEN], sig[64], all[4096];
	uint8_t netid[32], root_sk[64];
	struct charter c = { .tick_ms = KIT_TICK_MS,
		.settle_ms = KIT_SETTLE_MS,
		.future_ms = KIT_FUTURE_MS,
		.admission = CHARTER_OPEN,
		.pow_bits = POW_BITS,
		.n_kinds = 4,
		.r = 3 };
	struct wr w, out;

	(void)snprintf(c.name, sizeof(c.name), "sim");
	(void)crypto_sign_keypair(c.root_pk, root_sk);
	c.kinds[0] = (struct charter_kind){ REC_MEMBER, 256, 3600, 0, 0, 0 };
	c.kinds[1] = (struct charter_kind){ REC_NODE, 768, 3600, 1, 0, 0 };
	c.kinds[2] = (struct charter_kind){ REC_META, 256, KIT_TTL_S, 0, 0, 0 };
	c.kinds[3] = (struct charter_kind){ REC_RATING, 64, KIT_TTL_S,
		KIT_QUOTA, -100, 100 };
	wr_init(&w, body, sizeof(body));
	charter_encode_body(&w, &c);
	charter_netid(netid, body, w.len);
	charter_sign_bytes(bytes, netid);
	(void)crypto_sign_detached(sig, NULL, bytes, sizeof(bytes), root_sk);
	wr_init(&out, all, sizeof(all));
	charter_encode(&out, body, w.len, sig);
	if (charter_decode(&kit_charter, all, out.len) != CHARTER_OK)
		sim_die("the charter is refused");
}

void
kit_init(uint64_t seed)
{
	uint64_t from;
	unsigned a;

	rng_init(&chance, seed, UINT64_C(3) << 40);
	(void)randombytes_set_implementation(&chance_from_seed);
	make_charter();
	for (a = 0; a < KIT_AUTHORS; a++) {
		(void)crypto_sign_keypair(pk[a], sk[a]);
		from = 0;
		if (!admit_stamp_search(&kit_charter, pk[a], &from, POW_TRIES,
			nonces[a]))
			sim_die("no stamp found");
	}
	recs = sim_alloc(RECS_MAX, sizeof(*recs));
	by_rid = sim_alloc((size_t)2 * RECS_MAX, sizeof(*by_rid));
	keys = sim_alloc(KIT_KEYS, sizeof(*keys));
	n_recs = n_keys = 0;
}

void
kit_fini(void)
{
	while (n_recs > 0)
		free(recs[--n_recs].raw);
	free(recs);
	free(by_rid);
	free(keys);
}

/* --- records --- */

static uint16_t
key_no(const uint8_t key[32])
{
	uint32_t i;

	for (i = 0; i < n_keys; i++)
		if (memcmp(keys[i], key, 32) == 0)
			return (uint16_t)i;
	if (n_keys == KIT_KEYS)
		sim_die("too many keys");
	memcpy(keys[n_keys], key, 32);
	return (uint16_t)n_keys++;
}

static uint32_t *
slot_of(const uint8_t rid[32])
{
	uint32_t i = get_u32(rid) % (2 * RECS_MAX);

	while (by_rid[i] != 0 && memcmp(recs[by_rid[i] - 1].rid, rid, 32) != 0)
		i = (i + 1) % (2 * RECS_MAX);
	return &by_rid[i];
}

const struct kit_rec *
kit_find(const uint8_t rid[32])
{
	uint32_t i = *slot_of(rid);

	return i == 0 ? NULL : &recs[i - 1];
}

const struct kit_rec *
kit_any(uint64_t n)
{
	return n_recs == 0 ? NULL : &recs[n % n_recs];
}

static void
fill(struct rec *rec, const struct kit_say *say)
{
	memset(rec, 0, sizeof(*rec));
	rec->kind = say->kind;
	rec->subject_len = 32;
	rec->subject[0] = say->target;
	if (say->kind == REC_MEMBER)
		memcpy(rec->subject, pk[say->author], 32);
	memcpy(rec->author, pk[say->author], 32);
	rec->flags = say->tombstone ? REC_TOMBSTONE : 0;
	rec->w = say->kind == REC_RATING && !say->tombstone ? say->w : 0;
	rec->hlc = say->hlc;
}

void
kit_key(uint8_t key[32], const struct kit_say *say)
{
	struct rec rec;

	fill(&rec, say);
	rec_key(key, &rec, kit_charter.netid);
}

const struct kit_rec *
kit_write(const struct kit_say *say)
{
	uint8_t body[512], raw[640], sig[64], rid[32], text[8];
	struct kit_rec *k;
	struct wr b, w;
	struct rec rec;
	uint32_t *slot;

	fill(&rec, say);
	put_u64(text, rng_next(&chance));
	rec.payload = say->kind == REC_MEMBER ? nonces[say->author] : text;
	rec.payload_len = say->tombstone ? 0 : 8;
	wr_init(&b, body, sizeof(body));
	rec_encode_body(&b, &rec);
	rec_rid(rid, body, b.len);
	if (*(slot = slot_of(rid)) != 0)
		return &recs[*slot - 1];
	rec_sign(sig, kit_charter.netid, rid, sk[say->author]);
	wr_init(&w, raw, sizeof(raw));
	rec_encode(&w, body, b.len, sig);
	if (b.bad || w.bad || n_recs == RECS_MAX)
		sim_die("no room for a record");
	k = &recs[n_recs++];
	*slot = n_recs;
	k->raw = sim_alloc(1, w.len);
	memcpy(k->raw, raw, w.len);
	k->len = w.len;
	rec_key(k->key, &rec, kit_charter.netid);
	memcpy(k->rid, rid, 32);
	k->hlc = say->hlc;
	k->kind = say->kind;
	k->author = say->author;
	k->tombstone = say->tombstone;
	k->key_no = key_no(k->key);
	return k;
}
