/* SPDX-License-Identifier: ISC */
/*
 * Canonical msgpack, as promised in mp.h.  The format is that of
 * github.com/msgpack/msgpack/blob/master/spec.md; a longer form of a number
 * or a length than needed is malformed, because two encodings of one record
 * would have two hashes.
 */
#include "common/mp.h"

#include <limits.h>
#include <msgpack.h>
#include <string.h>

uint32_t
mp_rd_array(struct rd *r, uint32_t n_max)
{
	uint8_t b = rd_u8(r);
	uint32_t n = 0;

	if (b >= 0x90 && b <= 0x9f) {
		n = b & 0x0fu;
	} else if (b == 0xdc) {
		n = rd_u16(r);
		if (n < 16)
			r->bad = true;
	} else {
		r->bad = true; /* array32 never fits one of our messages */
	}
	/* An item takes a byte at least: no count may exceed what is left. */
	if (n > n_max || n > r->left)
		r->bad = true;
	return r->bad ? 0 : n;
}

void
mp_rd_arity(struct rd *r, uint32_t n)
{
	if (mp_rd_array(r, n) != n)
		r->bad = true;
}

/* The unsigned forms behind lead byte b; bad when b is none of them. */
static uint64_t
rd_uint_form(struct rd *r, uint8_t b)
{
	uint64_t v;

	if (b <= 0x7f)
		return b;
	switch (b) {
	case 0xcc:
		v = rd_u8(r);
		r->bad |= v < 0x80;
		return v;
	case 0xcd:
		v = rd_u16(r);
		r->bad |= v < 0x100;
		return v;
	case 0xce:
		v = rd_u32(r);
		r->bad |= v < 0x10000;
		return v;
	case 0xcf:
		v = rd_u64(r);
		r->bad |= v < 0x100000000;
		return v;
	default:
		r->bad = true;
		return 0;
	}
}

uint64_t
mp_rd_uint(struct rd *r, uint64_t max)
{
	uint8_t b = rd_u8(r);
	uint64_t v = rd_uint_form(r, b);

	if (v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

int64_t
mp_rd_int(struct rd *r, int64_t min, int64_t max)
{
	uint8_t b = rd_u8(r);
	int64_t v = 0;
	uint64_t u;

	if (b >= 0xe0) {
		v = (int8_t)b;
	} else if (b == 0xd0) {
		v = (int8_t)rd_u8(r);
		r->bad |= v >= -32;
	} else if (b == 0xd1) {
		v = (int16_t)rd_u16(r);
		r->bad |= v >= INT8_MIN;
	} else if (b == 0xd2) {
		v = (int32_t)rd_u32(r);
		r->bad |= v >= INT16_MIN;
	} else if (b == 0xd3) {
		v = (int64_t)rd_u64(r);
		r->bad |= v >= INT32_MIN;
	} else {
		u = rd_uint_form(r, b);
		r->bad |= u > INT64_MAX;
		v = (int64_t)u;
	}
	if (v < min || v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

const uint8_t *
mp_rd_bin(struct rd *r, size_t len_min, size_t len_max, size_t *len)
{
	uint8_t b = rd_u8(r);
	size_t n = 0;

	*len = 0;
	if (b == 0xc4) {
		n = rd_u8(r);
	} else if (b == 0xc5) {
		n = rd_u16(r);
		r->bad |= n < 0x100;
	} else {
		r->bad = true;
	}
	if (n < len_min || n > len_max)
		r->bad = true;
	if (r->bad)
		return NULL;
	*len = n;
	return rd_take(r, n);
}

void
mp_rd_bin_exact(struct rd *r, void *out, size_t n)
{
	size_t len;
	const uint8_t *at = mp_rd_bin(r, n, n, &len);

	if (r->bad)
		memset(out, 0, n);
	else
		memcpy(out, at, n);
}

void
mp_rd_str(struct rd *r, char *out, size_t cap)
{
	uint8_t b = rd_u8(r);
	const uint8_t *at;
	size_t n = 0, i;

	out[0] = '\0';
	if (b >= 0xa0 && b <= 0xbf) {
		n = b & 0x1fu;
	} else if (b == 0xd9) {
		n = rd_u8(r);
		r->bad |= n < 32;
	} else {
		r->bad = true;
	}
	if (n >= cap)
		r->bad = true;
	at = rd_take(r, n);
	if (at == NULL)
		return;
	for (i = 0; i < n; i++)
		if (at[i] < 0x20 || at[i] == 0x7f)
			r->bad = true;
	if (r->bad)
		return;
	memcpy(out, at, n);
	out[n] = '\0';
}

/* msgpack-c's packer writes through this into struct wr: a few bytes, whose
 * number the compiler sees. */
static inline int
wr_write(void *data, const char *buf, size_t len)
{
	uint8_t *at = wr_room(data, len);

	if (at != NULL)
		memcpy(at, buf, len);
	return 0;
}

static msgpack_packer
packer(struct wr *w)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, w, wr_write);
	return pk;
}

void
mp_wr_array(struct wr *w, uint32_t n)
{
	msgpack_packer pk = packer(w);

	msgpack_pack_array(&pk, n);
}

void
mp_wr_uint(struct wr *w, uint64_t v)
{
	msgpack_packer pk = packer(w);

	msgpack_pack_uint64(&pk, v);
}

void
mp_wr_int(struct wr *w, int64_t v)
{
	msgpack_packer pk = packer(w);

	msgpack_pack_int64(&pk, v);
}

void
mp_wr_bin(struct wr *w, const void *src, size_t n)
{
	msgpack_packer pk = packer(w);

	msgpack_pack_bin(&pk, n);
	wr_bytes(w, src, n);
}

void
mp_wr_str(struct wr *w, const char *s)
{
	msgpack_packer pk = packer(w);
	size_t n = strlen(s);

	msgpack_pack_str(&pk, n);
	wr_bytes(w, s, n);
}

/* Fixed payload bytes behind lead bytes 0xc0..0xdf, without containers. */
static bool
scan_scalar(struct rd *r, uint8_t b)
{
	static const uint8_t fixed[32] = {
		[0xca - 0xc0] = 4, [0xcb - 0xc0] = 8, /* float */
		[0xcc - 0xc0] = 1, [0xcd - 0xc0] = 2, /* uint */
		[0xce - 0xc0] = 4, [0xcf - 0xc0] = 8,
		[0xd0 - 0xc0] = 1, [0xd1 - 0xc0] = 2, /* int */
		[0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8,
		[0xd4 - 0xc0] = 2, [0xd5 - 0xc0] = 3, /* fixext */
		[0xd6 - 0xc0] = 5, [0xd7 - 0xc0] = 9, [0xd8 - 0xc0] = 17,
	};
	size_t n;

	switch (b) {
	case 0xc1: /* never used by the format */
		return false;
	case 0xc4: /* bin 8, str 8 */
	case 0xd9:
		n = rd_u8(r);
		break;
	case 0xc5:
	case 0xda:
		n = rd_u16(r);
		break;
	case 0xc6:
	case 0xdb:
		n = rd_u32(r);
		break;
	case 0xc7: /* ext 8, 16, 32: one byte of type besides */
		n = (size_t)rd_u8(r) + 1;
		break;
	case 0xc8:
		n = (size_t)rd_u16(r) + 1;
		break;
	case 0xc9:
		n = (size_t)rd_u32(r) + 1;
		break;
	default:
		n = fixed[b - 0xc0];
		break;
	}
	(void)rd_take(r, n);
	return !r->bad;
}

/* Items that container b announces, or -1 when b is no container. */
static int64_t
scan_container(struct rd *r, uint8_t b)
{
	if (b >= 0x80 && b <= 0x8f)
		return (b & 0x0f) * 2;
	if (b >= 0x90 && b <= 0x9f)
		return b & 0x0f;
	if (b == 0xdc)
		return rd_u16(r);
	if (b == 0xdd)
		return rd_u32(r);
	if (b == 0xde)
		return (int64_t)rd_u16(r) * 2;
	if (b == 0xdf)
		return (int64_t)rd_u32(r) * 2;
	return -1;
}

#define SCAN_DEPTH_MAX 16

bool
mp_scan(const void *buf, size_t len, unsigned depth_max)
{
	uint64_t todo[SCAN_DEPTH_MAX + 1];
	struct rd r;
	unsigned depth = 0;
	int64_t items;
	uint8_t b;

	if (depth_max > SCAN_DEPTH_MAX)
		depth_max = SCAN_DEPTH_MAX;
	rd_init(&r, buf, len);
	todo[0] = 1;
	for (;;) {
		while (todo[depth] == 0) {
			if (depth == 0)
				return rd_done(&r);
			depth--;
		}
		todo[depth]--;
		b = rd_u8(&r);
		if (r.bad)
			return false;
		items = scan_container(&r, b);
		if (items >= 0) {
			if (r.bad || (uint64_t)items > r.left)
				return false;
			if (depth == depth_max)
				return false;
			todo[++depth] = (uint64_t)items;
		} else if (b >= 0xa0 && b <= 0xbf) {
			(void)rd_take(&r, b & 0x1fu);
		} else if (b >= 0xc0 && b <= 0xdf) {
			if (!scan_scalar(&r, b))
				return false;
		}
		if (r.bad)
			return false;
	}
}
