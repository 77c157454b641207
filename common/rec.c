/* SPDX-License-Identifier: ISC */
/*
 * The record codec, as promised in rec.h.
 */
#include "common/rec.h"

#include <sodium.h>
#include <string.h>

#include "common/b2.h"
#include "common/mp.h"

static const char sign_prefix[13] = "warren/rec/1"; /* with its NUL */

/* What a kind wants of its subject and name, beside the charter's row. */
struct shape {
	uint8_t kind;
	uint8_t subject_len; /* exactly; 0: anything from 1 to 64 */
	uint8_t name_max;
	bool own; /* subject is the author's key */
};

static const struct shape shapes[] = {
	{ REC_MEMBER, 32, 0, false },
	{ REC_NODE, 32, 0, true },
	{ REC_BLOCK, 32, 0, false },
	{ REC_LOCATION, 32, 0, false },
	{ REC_TEMPERATURE, 32, 0, false },
	{ REC_META, 0, REC_NAME_MAX, false },
	{ REC_RATING, 0, 0, false },
};

void
rec_encode_body(struct wr *w, const struct rec *rec)
{
	mp_wr_array(w, 9);
	mp_wr_uint(w, REC_VERSION);
	mp_wr_uint(w, rec->kind);
	mp_wr_bin(w, rec->subject, rec->subject_len);
	mp_wr_bin(w, rec->name, rec->name_len);
	mp_wr_bin(w, rec->author, 32);
	mp_wr_uint(w, rec->hlc);
	mp_wr_uint(w, rec->flags);
	mp_wr_int(w, rec->w);
	mp_wr_bin(w, rec->payload, rec->payload_len);
}

void
rec_encode(struct wr *w, const void *body, size_t len, const uint8_t sig[64])
{
	mp_wr_array(w, 2);
	mp_wr_bin(w, body, len);
	mp_wr_bin(w, sig, 64);
}

static bool
shape_fits(const struct rec *rec)
{
	const struct shape *s;
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		s = &shapes[i];
		if (s->kind != rec->kind)
			continue;
		if (s->subject_len != 0 && rec->subject_len != s->subject_len)
			return false;
		if (s->own && memcmp(rec->subject, rec->author, 32) != 0)
			return false;
		return rec->name_len <= s->name_max;
	}
	return true; /* a kind we know nothing of travels as it is */
}

enum rec_err
rec_check(const struct rec *rec, const struct charter *ch)
{
	const struct charter_kind *k = charter_kind(ch, rec->kind);

	if (k == NULL)
		return REC_KIND;
	if (rec->payload_len > k->pmax || rec->body_len > REC_BODY_MAX)
		return REC_RULE;
	if (rec->hlc == 0 || (rec->flags & ~REC_TOMBSTONE) != 0)
		return REC_RULE;
	if (rec->flags & REC_TOMBSTONE) {
		if (rec->payload_len != 0 || rec->w != 0)
			return REC_RULE;
	} else if (rec->w < k->w_min || rec->w > k->w_max) {
		return REC_RULE;
	}
	return shape_fits(rec) ? REC_OK : REC_RULE;
}

/* A bin of at most 64 bytes into a fixed field; its length. */
static uint8_t
rd_field(struct rd *r, uint8_t out[64], size_t len_min)
{
	size_t len;
	const uint8_t *at = mp_rd_bin(r, len_min, 64, &len);

	if (at != NULL)
		memcpy(out, at, len);
	return (uint8_t)len;
}

enum rec_err
rec_decode_body(struct rec *rec, const struct charter *ch, const void *body,
    size_t len)
{
	struct rd r;

	memset(rec, 0, sizeof(*rec));
	rd_init(&r, body, len);
	mp_rd_arity(&r, 9);
	if (mp_rd_uint(&r, UINT8_MAX) != REC_VERSION)
		r.bad = true;
	rec->kind = (uint8_t)mp_rd_uint(&r, UINT8_MAX);
	rec->subject_len = rd_field(&r, rec->subject, 1);
	rec->name_len = rd_field(&r, rec->name, 0);
	mp_rd_bin_exact(&r, rec->author, 32);
	rec->hlc = mp_rd_uint(&r, UINT64_MAX);
	rec->flags = (uint8_t)mp_rd_uint(&r, UINT8_MAX);
	rec->w = (int32_t)mp_rd_int(&r, INT32_MIN, INT32_MAX);
	rec->payload = mp_rd_bin(&r, 0, REC_BODY_MAX, &rec->payload_len);
	if (!rd_done(&r) || len > REC_BODY_MAX)
		return REC_MALFORMED;
	rec->body = body;
	rec->body_len = len;
	return rec_check(rec, ch);
}

enum rec_err
rec_decode(struct rec *rec, const struct charter *ch, const void *buf,
    size_t len)
{
	const uint8_t *body;
	enum rec_err err;
	uint8_t sig[64];
	size_t body_len;
	struct rd r;

	memset(rec, 0, sizeof(*rec));
	if (len > REC_MAX)
		return REC_MALFORMED;
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 2);
	body = mp_rd_bin(&r, 1, REC_BODY_MAX, &body_len);
	mp_rd_bin_exact(&r, sig, sizeof(sig));
	if (!rd_done(&r))
		return REC_MALFORMED;
	err = rec_decode_body(rec, ch, body, body_len);
	memcpy(rec->sig, sig, sizeof(sig));
	return err;
}

void
rec_rid(uint8_t rid[32], const void *body, size_t len)
{
	b2_256(rid, "WarrenRec1", body, len);
}

void
rec_sign_bytes(uint8_t out[REC_SIGN_LEN], const uint8_t netid[32],
    const uint8_t rid[32])
{
	memcpy(out, sign_prefix, sizeof(sign_prefix));
	memcpy(out + sizeof(sign_prefix), netid, 32);
	memcpy(out + sizeof(sign_prefix) + 32, rid, 32);
}

void
rec_sign(uint8_t sig[64], const uint8_t netid[32], const uint8_t rid[32],
    const uint8_t sk[64])
{
	uint8_t msg[REC_SIGN_LEN];

	rec_sign_bytes(msg, netid, rid);
	(void)crypto_sign_detached(sig, NULL, msg, sizeof(msg), sk);
}

bool
rec_verify(const struct rec *rec, const uint8_t netid[32],
    const uint8_t rid[32])
{
	uint8_t msg[REC_SIGN_LEN];

	rec_sign_bytes(msg, netid, rid);
	return crypto_sign_verify_detached(rec->sig, msg, sizeof(msg),
		   rec->author) == 0;
}

void
rec_key(uint8_t key[32], const struct rec *rec, const uint8_t netid[32])
{
	uint8_t in[32 + 1 + 1 + REC_SUBJECT_MAX + 1 + REC_NAME_MAX + 32];
	uint8_t hash[B2_LEN];
	struct wr w;

	key[0] = rec->kind;

	wr_init(&w, in, sizeof(in));
	wr_bytes(&w, netid, 32);
	wr_bytes(&w, rec->subject, rec->subject_len);
	b2_256(hash, "WarrenSubj1", in, w.len);
	memcpy(key + 1, hash, 15);

	wr_init(&w, in, sizeof(in));
	wr_bytes(&w, netid, 32);
	wr_u8(&w, rec->kind);
	wr_u8(&w, rec->subject_len);
	wr_bytes(&w, rec->subject, rec->subject_len);
	wr_u8(&w, rec->name_len);
	wr_bytes(&w, rec->name, rec->name_len);
	wr_bytes(&w, rec->author, 32);
	b2_256(hash, "WarrenKey1", in, w.len);
	memcpy(key + 16, hash, 16);
}

bool
rec_wins(const struct rec_version *a, const struct rec_version *b)
{
	if (a->hlc != b->hlc)
		return a->hlc > b->hlc;
	return memcmp(a->rid, b->rid, 32) > 0;
}

const char *
rec_err_name(enum rec_err err)
{
	static const char *const names[] = {
		[REC_OK] = "ok",
		[REC_MALFORMED] = "malformed",
		[REC_KIND] = "unknown kind",
		[REC_RULE] = "breaks the charter",
		[REC_SIG] = "bad signature",
	};

	return names[err];
}
