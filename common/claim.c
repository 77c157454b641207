/* SPDX-License-Identifier: ISC */
/*
 * Claims, as promised in claim.h.
 */
#include "common/claim.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"
#include "common/mp.h"

static const char sign_prefix[15] = "warren/claim/1"; /* with its NUL */

void
claim_set(struct claim *c, const uint8_t netid[32], uint64_t tick,
    const struct tree_sum *top)
{
	memmove(c->netid, netid, 32);
	c->tick = tick;
	c->cnt = top->cnt;
	c->sum = top->sum;
	tree_root(c->root, netid, tick, top);
}

static void
put_body(struct wr *w, const struct claim *c)
{
	mp_wr_array(w, 7);
	mp_wr_bin(w, c->netid, 32);
	mp_wr_uint(w, c->tick);
	mp_wr_bin(w, c->root, 32);
	mp_wr_uint(w, c->cnt);
	mp_wr_int(w, c->sum);
	mp_wr_bin(w, c->node, 32);
	mp_wr_uint(w, c->wall_ms);
}

static void
get_body(struct rd *r, struct claim *c)
{
	mp_rd_arity(r, 7);
	mp_rd_bin_exact(r, c->netid, 32);
	c->tick = mp_rd_uint(r, UINT64_MAX);
	mp_rd_bin_exact(r, c->root, 32);
	c->cnt = mp_rd_uint(r, UINT64_MAX);
	c->sum = mp_rd_int(r, INT64_MIN, INT64_MAX);
	mp_rd_bin_exact(r, c->node, 32);
	c->wall_ms = mp_rd_uint(r, UINT64_MAX);
}

size_t
claim_sign_bytes(uint8_t out[CLAIM_SIGN_MAX], const struct claim *c)
{
	struct wr w;

	wr_init(&w, out, CLAIM_SIGN_MAX);
	wr_bytes(&w, sign_prefix, sizeof(sign_prefix));
	put_body(&w, c);
	ASSERT(!w.bad);
	return w.len;
}

void
claim_sign(struct claim *c, const uint8_t sk[64])
{
	uint8_t msg[CLAIM_SIGN_MAX];
	size_t len = claim_sign_bytes(msg, c);

	(void)crypto_sign_detached(c->sig, NULL, msg, len, sk);
}

void
claim_encode(struct wr *w, const struct claim *c)
{
	uint8_t body[CLAIM_BODY_MAX];
	struct wr b;

	wr_init(&b, body, sizeof(body));
	put_body(&b, c);
	ASSERT(!b.bad);
	mp_wr_array(w, 2);
	mp_wr_bin(w, body, b.len);
	mp_wr_bin(w, c->sig, 64);
}

int
claim_decode(struct claim *c, const void *buf, size_t len)
{
	const uint8_t *body;
	struct rd r, b;
	size_t body_len;

	memset(c, 0, sizeof(*c));
	if (len > CLAIM_MAX)
		return -1;
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 2);
	body = mp_rd_bin(&r, 1, CLAIM_BODY_MAX, &body_len);
	mp_rd_bin_exact(&r, c->sig, 64);
	if (!rd_done(&r))
		return -1;
	rd_init(&b, body, body_len);
	get_body(&b, c);
	return rd_done(&b) ? 0 : -1;
}

bool
claim_verify(const struct claim *c)
{
	uint8_t msg[CLAIM_SIGN_MAX];
	size_t len = claim_sign_bytes(msg, c);

	return crypto_sign_verify_detached(c->sig, msg, len, c->node) == 0;
}

bool
claim_contradicts(const struct claim *a, const struct claim *b)
{
	if (memcmp(a->netid, b->netid, 32) != 0 || a->tick != b->tick ||
	    memcmp(a->node, b->node, 32) != 0)
		return false;
	if (memcmp(a->root, b->root, 32) == 0 && a->cnt == b->cnt &&
	    a->sum == b->sum)
		return false;
	return claim_verify(a) && claim_verify(b);
}
