/* SPDX-License-Identifier: ISC */
/*
 * The messages of anti-entropy to bytes and back, as drawn in recon.h.
 */
#include <sodium.h>
#include <string.h>

#include "common/assert.h"
#include "common/b2.h"
#include "common/mp.h"
#include "common/rec.h"
#include "peerd/recon_priv.h"

#define FP_LEN    8
#define RANGE_MAX (3 + 34 + 3) /* of a range in a list, beside its bin */

void
recon_session_key(uint8_t key[16], const uint8_t netid[32],
    const uint8_t salt[8])
{
	uint8_t in[40], out[B2_LEN];

	memcpy(in, netid, 32);
	memcpy(in + 32, salt, 8);
	b2_256(out, "WarrenSync1", in, sizeof(in));
	memcpy(key, out, 16);
}

uint64_t
recon_hash(const struct recon_step *st, const void *in, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];

	(void)crypto_shorthash(h, in, len, st->key);
	return get_u64(h);
}

static struct recon_box *
box_of(struct recon *rc, enum recon_type type)
{
	switch (type) {
	case RECON_RANGE:
		return &rc->boxes[0];
	case RECON_ITEMS:
		return &rc->boxes[1];
	case RECON_WANT:
		return &rc->boxes[2];
	default:
		return &rc->boxes[3];
	}
}

/* The list begins at HEAD_MAX; the head is put flush in front of it. */
static void
send_box(struct recon_step *st, enum recon_type type)
{
	struct recon_box *box = box_of(st->rc, type);
	uint8_t head[HEAD_MAX], *at;
	struct wr w;

	if (box->n == 0)
		return;
	wr_init(&w, head, sizeof(head));
	mp_wr_array(&w, st->initiator ? 5 : 3);
	mp_wr_uint(&w, type);
	mp_wr_uint(&w, st->sid);
	if (st->initiator) {
		mp_wr_uint(&w, st->tick);
		mp_wr_bin(&w, st->salt, sizeof(st->salt));
		recon_note_request(st);
	}
	mp_wr_array(&w, box->n * 3);
	ASSERT(!w.bad);
	at = box->b + HEAD_MAX - w.len;
	memcpy(at, head, w.len);
	st->out += w.len;
	st->rc->sent_bytes += w.len + box->len;
	st->rc->conf.ops.send(st->rc->conf.ops.arg, st->peer, at,
	    w.len + box->len);
	box->n = 0;
	box->len = 0;
}

void
recon_add(struct recon_step *st, enum recon_type type,
    const struct recon_range *r, const uint8_t *bin, size_t len)
{
	struct recon_box *box = box_of(st->rc, type);
	struct wr w;

	if (box->len + RANGE_MAX + len > RECON_MSG_MAX - HEAD_MAX)
		send_box(st, type);
	wr_init(&w, box->b + HEAD_MAX + box->len,
	    RECON_MSG_MAX - HEAD_MAX - box->len);
	mp_wr_uint(&w, r->bits);
	mp_wr_bin(&w, r->prefix, (r->bits + 7u) / 8);
	mp_wr_bin(&w, bin, len);
	ASSERT(!w.bad);
	box->len += w.len;
	box->n++;
	st->out += w.len;
}

void
recon_flush(struct recon_step *st)
{
	send_box(st, RECON_RANGE);
	send_box(st, RECON_ITEMS);
	send_box(st, RECON_FULL);
	send_box(st, RECON_WANT);
}

void
recon_discard(struct recon *rc)
{
	size_t i;

	for (i = 0; i < sizeof(rc->boxes) / sizeof(rc->boxes[0]); i++)
		rc->boxes[i].n = 0, rc->boxes[i].len = 0;
}

void
recon_send_end(struct recon *rc, uint64_t peer, uint16_t sid, uint32_t retry_s)
{
	uint8_t buf[16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	mp_wr_array(&w, 3);
	mp_wr_uint(&w, RECON_END);
	mp_wr_uint(&w, sid);
	mp_wr_uint(&w, retry_s);
	rc->sent_bytes += w.len;
	rc->conf.ops.send(rc->conf.ops.arg, peer, buf, w.len);
}

/* Eight bits of key from bit at on; zeros behind its end. */
static uint8_t
bits_at(const uint8_t key[32], unsigned at)
{
	unsigned i = at / 8, two = (unsigned)key[i] << 8;

	if (i < 31)
		two |= key[i + 1];
	return (uint8_t)(two >> (8 - at % 8));
}

void
recon_put_part(struct wr *w, const struct recon_range *in,
    const struct recon_part *part)
{
	unsigned at, d = part->range.bits - (unsigned)in->bits;

	wr_u8(w, (uint8_t)d);
	for (at = in->bits; at < part->range.bits; at += 8)
		wr_u8(w, bits_at(part->range.prefix, at)); /* masked: zeros */
	wr_bytes(w, part->fp, FP_LEN);
}

bool
recon_get_part(struct rd *r, const struct recon_range *in,
    struct recon_part *part)
{
	unsigned at, d = rd_u8(r);
	uint8_t b, masked[32];

	part->range = *in;
	if (d > TREE_KEY_BITS - (unsigned)in->bits)
		return false;
	part->range.bits = (uint16_t)(in->bits + d);
	for (at = in->bits; at < part->range.bits; at += 8) {
		b = rd_u8(r);
		part->range.prefix[at / 8] |= (uint8_t)(b >> at % 8);
		if (at % 8 != 0 && at / 8 < 31)
			part->range.prefix[at / 8 + 1] |=
			    (uint8_t)(b << (8 - at % 8));
	}
	rd_copy(r, part->fp, FP_LEN);
	/* Bits beyond, other than zero, would be a second way to say it. */
	tree_mask(masked, part->range.prefix, part->range.bits);
	return !r->bad && memcmp(masked, part->range.prefix, 32) == 0;
}

const uint8_t *
recon_get_range(struct rd *r, struct recon_range *range, size_t len_max,
    size_t *len)
{
	uint8_t masked[32];
	const uint8_t *at;
	size_t n;

	memset(range, 0, sizeof(*range));
	range->bits = (uint16_t)mp_rd_uint(r, TREE_KEY_BITS);
	n = (range->bits + 7u) / 8;
	at = mp_rd_bin(r, n, n, &n);
	if (at != NULL && n > 0)
		memcpy(range->prefix, at, n);
	tree_mask(masked, range->prefix, range->bits);
	if (memcmp(masked, range->prefix, 32) != 0)
		r->bad = true;
	return mp_rd_bin(r, 0, len_max, len);
}

size_t
recon_put_recs(struct wr *w, uint16_t sid, const uint8_t *const *recs,
    const size_t *lens, size_t n)
{
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		len += lens[i] + 3;
		if (len + 12 > RECON_MSG_MAX || len + 12 > w->cap - w->len)
			break;
	}
	if (i == 0)
		return 0;
	n = i;
	mp_wr_array(w, 3);
	mp_wr_uint(w, RECON_RECS);
	mp_wr_uint(w, sid);
	mp_wr_array(w, (uint32_t)n);
	for (i = 0; i < n; i++)
		mp_wr_bin(w, recs[i], lens[i]);
	return n;
}
