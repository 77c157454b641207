/* SPDX-License-Identifier: ISC */
/*
 * The charter's codec, as promised in charter.h.
 */
#include "common/charter.h"

#include <sodium.h>
#include <string.h>

#include "common/b2.h"
#include "common/mp.h"

static const char sign_prefix[17] = "warren/charter/1"; /* with its NUL */

static void
encode_kind(struct wr *w, const struct charter_kind *k)
{
	mp_wr_array(w, 6);
	mp_wr_uint(w, k->kind);
	mp_wr_uint(w, k->pmax);
	mp_wr_uint(w, k->ttl_s);
	mp_wr_uint(w, k->quota);
	mp_wr_int(w, k->w_min);
	mp_wr_int(w, k->w_max);
}

void
charter_encode_body(struct wr *w, const struct charter *ch)
{
	size_t i;

	mp_wr_array(w, 11);
	mp_wr_uint(w, CHARTER_VERSION);
	mp_wr_str(w, ch->name);
	mp_wr_bin(w, ch->root_pk, 32);
	mp_wr_uint(w, ch->tick_ms);
	mp_wr_uint(w, ch->settle_ms);
	mp_wr_uint(w, ch->future_ms);
	mp_wr_uint(w, ch->admission);
	mp_wr_uint(w, ch->pow_bits);
	mp_wr_array(w, ch->n_authority);
	for (i = 0; i < ch->n_authority; i++)
		mp_wr_bin(w, ch->authority[i], 32);
	mp_wr_array(w, ch->n_kinds);
	for (i = 0; i < ch->n_kinds; i++)
		encode_kind(w, &ch->kinds[i]);
	mp_wr_uint(w, ch->r);
}

void
charter_encode(struct wr *w, const void *body, size_t len,
    const uint8_t sig[64])
{
	mp_wr_array(w, 2);
	mp_wr_bin(w, body, len);
	mp_wr_bin(w, sig, 64);
}

static void
decode_kind(struct rd *r, struct charter_kind *k)
{
	mp_rd_arity(r, 6);
	k->kind = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	k->pmax = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	k->ttl_s = (uint32_t)mp_rd_uint(r, UINT32_MAX);
	k->quota = (uint32_t)mp_rd_uint(r, UINT32_MAX);
	k->w_min = (int32_t)mp_rd_int(r, INT32_MIN, INT32_MAX);
	k->w_max = (int32_t)mp_rd_int(r, INT32_MIN, INT32_MAX);
}

static bool
kinds_in_range(const struct charter *ch)
{
	const struct charter_kind *k;
	int before = 0;
	size_t i;

	for (i = 0; i < ch->n_kinds; i++) {
		k = &ch->kinds[i];
		if (k->kind <= before || k->pmax > CHARTER_PMAX_MAX ||
		    k->ttl_s < CHARTER_TTL_MIN_S ||
		    k->ttl_s > CHARTER_TTL_MAX_S ||
		    k->quota > CHARTER_QUOTA_MAX || k->w_min > k->w_max)
			return false;
		before = k->kind;
	}
	/* Admission and the node records are what a network lives by. */
	return charter_kind(ch, 1) != NULL && charter_kind(ch, 2) != NULL;
}

static bool
in_range(const struct charter *ch)
{
	if (ch->name[0] == '\0' || ch->tick_ms < CHARTER_TICK_MIN_MS ||
	    ch->tick_ms > CHARTER_TIME_MAX_MS ||
	    ch->settle_ms > CHARTER_TIME_MAX_MS ||
	    ch->future_ms > CHARTER_TIME_MAX_MS)
		return false;
	if (ch->admission > CHARTER_MEMBERS || ch->pow_bits > CHARTER_POW_MAX)
		return false;
	if (ch->admission == CHARTER_MEMBERS && ch->n_authority == 0)
		return false;
	return ch->r >= 1 && ch->r <= CHARTER_R_MAX && kinds_in_range(ch);
}

enum charter_err
charter_decode_body(struct charter *ch, const void *body, size_t len)
{
	struct rd r;
	size_t i;

	memset(ch, 0, sizeof(*ch));
	rd_init(&r, body, len);
	mp_rd_arity(&r, 11);
	if (mp_rd_uint(&r, UINT8_MAX) != CHARTER_VERSION)
		r.bad = true;
	mp_rd_str(&r, ch->name, sizeof(ch->name));
	mp_rd_bin_exact(&r, ch->root_pk, 32);
	ch->tick_ms = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	ch->settle_ms = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	ch->future_ms = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	ch->admission = (uint8_t)mp_rd_uint(&r, UINT8_MAX);
	ch->pow_bits = (uint8_t)mp_rd_uint(&r, UINT8_MAX);
	ch->n_authority = (uint8_t)mp_rd_array(&r, CHARTER_AUTHORITY_MAX);
	for (i = 0; i < ch->n_authority; i++)
		mp_rd_bin_exact(&r, ch->authority[i], 32);
	ch->n_kinds = (uint8_t)mp_rd_array(&r, CHARTER_KINDS_MAX);
	for (i = 0; i < ch->n_kinds; i++)
		decode_kind(&r, &ch->kinds[i]);
	ch->r = (uint8_t)mp_rd_uint(&r, UINT8_MAX);
	if (!rd_done(&r))
		return CHARTER_MALFORMED;
	if (!in_range(ch))
		return CHARTER_RANGE;
	charter_netid(ch->netid, body, len);
	return CHARTER_OK;
}

enum charter_err
charter_decode(struct charter *ch, const void *buf, size_t len)
{
	uint8_t sig[64], msg[CHARTER_SIGN_LEN];
	const uint8_t *body;
	enum charter_err err;
	size_t body_len;
	struct rd r;

	memset(ch, 0, sizeof(*ch));
	if (len > CHARTER_MAX)
		return CHARTER_MALFORMED;
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 2);
	body = mp_rd_bin(&r, 1, CHARTER_MAX, &body_len);
	mp_rd_bin_exact(&r, sig, sizeof(sig));
	if (!rd_done(&r))
		return CHARTER_MALFORMED;
	err = charter_decode_body(ch, body, body_len);
	if (err != CHARTER_OK)
		return err;
	charter_sign_bytes(msg, ch->netid);
	if (crypto_sign_verify_detached(sig, msg, sizeof(msg), ch->root_pk) !=
	    0)
		return CHARTER_SIG;
	return CHARTER_OK;
}

void
charter_netid(uint8_t netid[32], const void *body, size_t len)
{
	b2_256(netid, "WarrenNet1", body, len);
}

void
charter_sign_bytes(uint8_t out[CHARTER_SIGN_LEN], const uint8_t netid[32])
{
	memcpy(out, sign_prefix, sizeof(sign_prefix));
	memcpy(out + sizeof(sign_prefix), netid, 32);
}

const struct charter_kind *
charter_kind(const struct charter *ch, uint8_t kind)
{
	const struct charter_kind *rest = NULL;
	size_t i;

	for (i = 0; i < ch->n_kinds; i++) {
		if (ch->kinds[i].kind == kind)
			return &ch->kinds[i];
		if (ch->kinds[i].kind == CHARTER_KIND_REST)
			rest = &ch->kinds[i];
	}
	return kind > CHARTER_KIND_REST ? rest : NULL;
}

bool
charter_is_authority(const struct charter *ch, const uint8_t pk[32])
{
	size_t i;

	for (i = 0; i < ch->n_authority; i++)
		if (memcmp(ch->authority[i], pk, 32) == 0)
			return true;
	return false;
}

const char *
charter_err_name(enum charter_err err)
{
	static const char *const names[] = {
		[CHARTER_OK] = "ok",
		[CHARTER_MALFORMED] = "malformed",
		[CHARTER_RANGE] = "out of range",
		[CHARTER_SIG] = "bad signature",
	};

	return names[err];
}
