/* SPDX-License-Identifier: ISC */
/*
 * Byte cursors, as promised in bytes.h.  Lengths are compared by
 * subtraction, never by adding to a pointer.
 */
#include "common/bytes.h"

#include <string.h>

void
put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

void
put_u32(uint8_t *at, uint32_t v)
{
	put_u16(at, (uint16_t)(v >> 16));
	put_u16(at + 2, (uint16_t)v);
}

void
put_u64(uint8_t *at, uint64_t v)
{
	put_u32(at, (uint32_t)(v >> 32));
	put_u32(at + 4, (uint32_t)v);
}

uint16_t
get_u16(const uint8_t *at)
{
	return (uint16_t)((at[0] << 8) | at[1]);
}

uint32_t
get_u32(const uint8_t *at)
{
	return ((uint32_t)get_u16(at) << 16) | get_u16(at + 2);
}

uint64_t
get_u64(const uint8_t *at)
{
	return ((uint64_t)get_u32(at) << 32) | get_u32(at + 4);
}

void
rd_init(struct rd *r, const void *buf, size_t len)
{
	r->p = buf;
	r->left = len;
	r->bad = false;
}

const uint8_t *
rd_take(struct rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	if (n > 0) {
		r->p += n;
		r->left -= n;
	}
	return at;
}

void
rd_copy(struct rd *r, void *out, size_t n)
{
	const uint8_t *at = rd_take(r, n);

	if (r->bad)
		memset(out, 0, n);
	else if (n > 0)
		memcpy(out, at, n);
}

uint8_t
rd_u8(struct rd *r)
{
	const uint8_t *at = rd_take(r, 1);

	return at == NULL ? 0 : at[0];
}

uint16_t
rd_u16(struct rd *r)
{
	const uint8_t *at = rd_take(r, 2);

	return at == NULL ? 0 : get_u16(at);
}

uint32_t
rd_u32(struct rd *r)
{
	const uint8_t *at = rd_take(r, 4);

	return at == NULL ? 0 : get_u32(at);
}

uint64_t
rd_u64(struct rd *r)
{
	const uint8_t *at = rd_take(r, 8);

	return at == NULL ? 0 : get_u64(at);
}

bool
rd_done(const struct rd *r)
{
	return !r->bad && r->left == 0;
}

void
wr_init(struct wr *w, void *buf, size_t cap)
{
	w->p = buf;
	w->len = 0;
	w->cap = cap;
	w->bad = false;
}

uint8_t *
wr_room(struct wr *w, size_t n)
{
	uint8_t *at;

	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	at = w->p + w->len;
	w->len += n;
	return at;
}

void
wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *at = wr_room(w, n);

	if (at != NULL && n > 0)
		memcpy(at, src, n);
}

void
wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

void
wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *at = wr_room(w, 2);

	if (at != NULL)
		put_u16(at, v);
}

void
wr_u32(struct wr *w, uint32_t v)
{
	uint8_t *at = wr_room(w, 4);

	if (at != NULL)
		put_u32(at, v);
}

void
wr_u64(struct wr *w, uint64_t v)
{
	uint8_t *at = wr_room(w, 8);

	if (at != NULL)
		put_u64(at, v);
}

void
bytes_zero(void *p, size_t n)
{
	static const uint8_t zero[512];
	uint8_t *at = p;
	size_t len;

	for (; n > 0; at += len, n -= len) {
		len = n < sizeof(zero) ? n : sizeof(zero);
		if (memcmp(at, zero, len) != 0)
			memset(at, 0, len);
	}
}
