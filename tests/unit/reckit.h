/* SPDX-License-Identifier: ISC */
/*
 * A network with a fast clock, its authors and their records, for tests of
 * the record store.
 */
#ifndef WARREN_TESTS_RECKIT_H
#define WARREN_TESTS_RECKIT_H

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/admit.h"
#include "common/b2.h"
#include "common/hlc.h"
#include "peerd/store/recstore.h"

#define AUTHORS  7
#define RECORDS  4000
#define TICK_MS  1000
#define TTL_S    60
#define QUOTA    6
#define START_MS INT64_C(1700000000000)

static struct charter ch;
static uint8_t pk[AUTHORS][32], sk[AUTHORS][64], root_sk[64];

/* --- a small generator of our own, so that a seed means a run --- */

static uint64_t rng_state;

static inline uint32_t
rng(uint32_t n)
{
	rng_state =
	    rng_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(rng_state >> 33) % n;
}

/* --- the network --- */

static void
make_charter(uint8_t admission)
{
	uint8_t body[2048], bytes[CHARTER_SIGN_LEN], sig[64], all[4096];
	uint8_t netid[32];
	struct charter c = { .tick_ms = TICK_MS,
		.settle_ms = TICK_MS,
		.future_ms = 60000,
		.admission = admission,
		.pow_bits = 4,
		.n_kinds = 4,
		.r = 3 };
	struct wr w, out;

	(void)snprintf(c.name, sizeof(c.name), "test");
	(void)crypto_sign_keypair(c.root_pk, root_sk);
	c.kinds[0] = (struct charter_kind){ REC_MEMBER, 256, 3600, 0, 0, 0 };
	c.kinds[1] = (struct charter_kind){ REC_NODE, 768, 3600, 1, 0, 0 };
	c.kinds[2] = (struct charter_kind){ REC_META, 256, TTL_S, 0, 0, 0 };
	c.kinds[3] =
	    (struct charter_kind){ REC_RATING, 64, TTL_S, QUOTA, -100, 100 };
	if (admission == CHARTER_MEMBERS) {
		c.n_authority = 1;
		memcpy(c.authority[0], pk[0], 32);
	}
	wr_init(&w, body, sizeof(body));
	charter_encode_body(&w, &c);
	charter_netid(netid, body, w.len);
	charter_sign_bytes(bytes, netid);
	(void)crypto_sign_detached(sig, NULL, bytes, sizeof(bytes), root_sk);
	wr_init(&out, all, sizeof(all));
	charter_encode(&out, body, w.len, sig);
	assert_int_equal(charter_decode(&ch, all, out.len), CHARTER_OK);
}

/* --- records and the model --- */

struct item {
	uint8_t raw[512];
	size_t len;
	uint8_t key[32], rid[32];
	uint64_t hlc;
	int32_t w;
	uint8_t kind, author, flags;
	bool gone; /* its author was not admitted at some tick: for good */
};

static struct item *items;
static size_t n_items;

static uint16_t counter;

/* hlc 0: of that millisecond, and of no other record. */
static struct item *
make_at(uint8_t kind, unsigned author, unsigned target, int64_t ms,
    uint64_t hlc, int32_t w, bool tombstone)
{
	struct rec rec = { .kind = kind, .subject_len = 32, .w = w };
	struct item *it = &items[n_items++];
	uint8_t body[400], rid[32], sig[64], nonce[8], text[8];
	uint64_t from = 0;
	struct wr b, out;

	assert_true(n_items <= RECORDS);
	memset(it, 0, sizeof(*it));
	rec.subject[0] = (uint8_t)target;
	rec.flags = tombstone ? REC_TOMBSTONE : 0;
	memcpy(rec.author, pk[author], 32);
	rec.hlc = hlc_from_wall((struct wall){ ms }) + ++counter % 1000;
	if (hlc != 0)
		rec.hlc = hlc;
	put_u64(text, counter);
	if (kind == REC_MEMBER) {
		memcpy(rec.subject, pk[target], 32);
		assert_true(
		    admit_stamp_search(&ch, pk[target], &from, 100000, nonce));
		rec.payload = nonce;
		rec.payload_len = sizeof(nonce);
	} else {
		rec.payload = text;
		rec.payload_len = sizeof(text);
	}
	if (tombstone)
		rec.payload_len = 0;
	wr_init(&b, body, sizeof(body));
	rec_encode_body(&b, &rec);
	rec_rid(rid, body, b.len);
	rec_sign(sig, ch.netid, rid, sk[author]);
	wr_init(&out, it->raw, sizeof(it->raw));
	rec_encode(&out, body, b.len, sig);
	assert_false(out.bad);
	it->len = out.len;
	rec_key(it->key, &rec, ch.netid);
	memcpy(it->rid, rid, 32);
	it->hlc = rec.hlc;
	it->w = w;
	it->kind = kind;
	it->author = (uint8_t)author;
	it->flags = rec.flags;
	return it;
}

static inline struct item *
make(uint8_t kind, unsigned author, unsigned target, int64_t ms, int32_t w,
    bool tombstone)
{
	return make_at(kind, author, target, ms, 0, w, tombstone);
}

/* Whether there is something to write or not. */
static inline void
commit_all(struct recstore *rs)
{
	enum sql_rc rc = recstore_commit(rs);

	if (rc != SQL_NONE)
		assert_int_equal(rc, SQL_OK);
}

#endif
