/* SPDX-License-Identifier: ISC */
/*
 * Byte cursors.  A reader (rd) and a writer (wr) over the caller's memory,
 * both sticky on failure: go straight down, look at .bad once at the end.
 * Network byte order.  Lengths are compared by subtraction, never by adding to
 * a pointer.  What every message takes a dozen times is inline.
 * Pure; tested in tests/unit/bytes_test.c.
 */
#ifndef WARREN_BYTES_H
#define WARREN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
	const uint8_t *p; /* next byte */
	size_t left;      /* bytes from p to the end */
	bool bad;         /* something was asked for that was not there */
};

struct wr {
	uint8_t *p;  /* start of the buffer */
	size_t len;  /* bytes written so far */
	size_t cap;  /* room in all */
	bool bad;    /* something did not fit; len stays where it was */
};

/* Big-endian numbers at a fixed place, for lengths filled in afterwards. */

static inline void
put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void
put_u32(uint8_t *at, uint32_t v)
{
	put_u16(at, (uint16_t)(v >> 16));
	put_u16(at + 2, (uint16_t)v);
}

static inline void
put_u64(uint8_t *at, uint64_t v)
{
	put_u32(at, (uint32_t)(v >> 32));
	put_u32(at + 4, (uint32_t)v);
}

static inline uint16_t
get_u16(const uint8_t *at)
{
	return (uint16_t)((at[0] << 8) | at[1]);
}

static inline uint32_t
get_u32(const uint8_t *at)
{
	return ((uint32_t)get_u16(at) << 16) | get_u16(at + 2);
}

static inline uint64_t
get_u64(const uint8_t *at)
{
	return ((uint64_t)get_u32(at) << 32) | get_u32(at + 4);
}

/* --- reading --- */

static inline void
rd_init(struct rd *r, const void *buf, size_t len)
{
	r->p = buf;
	r->left = len;
	r->bad = false;
}

/* The next n bytes, borrowed from the buffer; NULL and bad if not there. */
static inline const uint8_t *
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

static inline uint8_t
rd_u8(struct rd *r)
{
	const uint8_t *at = rd_take(r, 1);

	return at == NULL ? 0 : at[0];
}

static inline uint16_t
rd_u16(struct rd *r)
{
	const uint8_t *at = rd_take(r, 2);

	return at == NULL ? 0 : get_u16(at);
}

static inline uint32_t
rd_u32(struct rd *r)
{
	const uint8_t *at = rd_take(r, 4);

	return at == NULL ? 0 : get_u32(at);
}

static inline uint64_t
rd_u64(struct rd *r)
{
	const uint8_t *at = rd_take(r, 8);

	return at == NULL ? 0 : get_u64(at);
}

/* Copy the next n bytes to out; zeroes it when they are not there. */
void rd_copy(struct rd *r, void *out, size_t n);

/* True when nothing failed and nothing is left over. */
static inline bool
rd_done(const struct rd *r)
{
	return !r->bad && r->left == 0;
}

/* --- writing --- */

static inline void
wr_init(struct wr *w, void *buf, size_t cap)
{
	w->p = buf;
	w->len = 0;
	w->cap = cap;
	w->bad = false;
}

/* Leave n bytes to be filled later; NULL and bad if they do not fit. */
static inline uint8_t *
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

void wr_bytes(struct wr *w, const void *src, size_t n);

static inline void
wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *at = wr_room(w, 1);

	if (at != NULL)
		at[0] = v;
}

static inline void
wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *at = wr_room(w, 2);

	if (at != NULL)
		put_u16(at, v);
}

static inline void
wr_u32(struct wr *w, uint32_t v)
{
	uint8_t *at = wr_room(w, 4);

	if (at != NULL)
		put_u32(at, v);
}

static inline void
wr_u64(struct wr *w, uint64_t v)
{
	uint8_t *at = wr_room(w, 8);

	if (at != NULL)
		put_u64(at, v);
}

/*
 * Zero n bytes, writing only where they are not zero yet: large tables that
 * the system has not handed out page by page stay so until they are used.
 */
void bytes_zero(void *p, size_t n);

#endif
