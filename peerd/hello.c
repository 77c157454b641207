/* SPDX-License-Identifier: ISC */
/*
 * The hello's codec and checks, as promised in hello.h.
 */
#include "peerd/hello.h"

#include <sodium.h>
#include <string.h>

#include "common/mp.h"

static const char sign_prefix[15] = "warren/noise/1"; /* with its NUL */
static const char link_prefix[14] = "warren/link/1";

void
hello_encode(struct wr *w, const struct hello *he)
{
	mp_wr_array(w, 7);
	mp_wr_uint(w, he->proto_min);
	mp_wr_uint(w, he->proto_max);
	mp_wr_uint(w, he->caps);
	mp_wr_bin(w, he->identity, 32);
	mp_wr_uint(w, he->not_before);
	mp_wr_uint(w, he->not_after);
	mp_wr_bin(w, he->sig, 64);
}

enum hello_err
hello_decode(struct hello *he, const void *buf, size_t len)
{
	struct rd r;

	memset(he, 0, sizeof(*he));
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 7);
	he->proto_min = (uint16_t)mp_rd_uint(&r, UINT16_MAX);
	he->proto_max = (uint16_t)mp_rd_uint(&r, UINT16_MAX);
	he->caps = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	mp_rd_bin_exact(&r, he->identity, 32);
	he->not_before = mp_rd_uint(&r, INT64_MAX);
	he->not_after = mp_rd_uint(&r, INT64_MAX);
	mp_rd_bin_exact(&r, he->sig, 64);
	if (he->proto_min == 0 || he->proto_min > he->proto_max)
		r.bad = true;
	return rd_done(&r) ? HELLO_OK : HELLO_MALFORMED;
}

static bool
time_is_good(const struct hello *he, uint64_t now)
{
	if (he->not_after <= he->not_before ||
	    he->not_after - he->not_before > HELLO_LIFE_MAX_S)
		return false;
	if (now + HELLO_SKEW_S < he->not_before)
		return false;
	return now < he->not_after + HELLO_SKEW_S;
}

enum hello_err
hello_verify(const struct hello *he, const uint8_t netid[32],
    const uint8_t noise_pk[32], struct wall now)
{
	uint8_t msg[HELLO_SIGN_LEN];

	if (now.ms < 0 || !time_is_good(he, (uint64_t)now.ms / 1000))
		return HELLO_TIME;
	hello_sign_bytes(msg, netid, noise_pk, he->not_before, he->not_after);
	if (crypto_sign_verify_detached(he->sig, msg, sizeof(msg),
		he->identity) != 0)
		return HELLO_SIG;
	return HELLO_OK;
}

void
hello_sign_bytes(uint8_t out[HELLO_SIGN_LEN], const uint8_t netid[32],
    const uint8_t noise_pk[32], uint64_t not_before, uint64_t not_after)
{
	struct wr w;

	wr_init(&w, out, HELLO_SIGN_LEN);
	wr_bytes(&w, sign_prefix, sizeof(sign_prefix));
	wr_bytes(&w, netid, 32);
	wr_bytes(&w, noise_pk, 32);
	wr_u64(&w, not_before);
	wr_u64(&w, not_after);
}

void
hello_prologue(uint8_t out[HELLO_PROLOGUE_LEN], const uint8_t netid[32])
{
	memcpy(out, link_prefix, sizeof(link_prefix));
	memcpy(out + sizeof(link_prefix), netid, 32);
}

uint16_t
hello_agree(const struct hello *a, const struct hello *b)
{
	uint16_t lo = a->proto_min, hi = a->proto_max;

	if (b->proto_min > lo)
		lo = b->proto_min;
	if (b->proto_max < hi)
		hi = b->proto_max;
	return lo <= hi ? hi : 0;
}

const char *
hello_err_name(enum hello_err err)
{
	static const char *const names[] = {
		[HELLO_OK] = "ok",
		[HELLO_MALFORMED] = "malformed",
		[HELLO_TIME] = "certificate time",
		[HELLO_SIG] = "certificate signature",
	};

	return names[err];
}
