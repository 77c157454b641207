/* SPDX-License-Identifier: ISC */
/*
 * Byte cursors.  A reader (rd) and a writer (wr) over the caller's memory,
 * both sticky on failure: go straight down, look at .bad once at the end.
 * Network byte order.  Pure; tested in tests/unit/bytes_test.c.
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

void rd_init(struct rd *r, const void *buf, size_t len);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);

/* The next n bytes, borrowed from the buffer; NULL and bad if not there. */
const uint8_t *rd_take(struct rd *r, size_t n);

/* Copy the next n bytes to out; zeroes it when they are not there. */
void rd_copy(struct rd *r, void *out, size_t n);

/* True when nothing failed and nothing is left over. */
bool rd_done(const struct rd *r);

void wr_init(struct wr *w, void *buf, size_t cap);
void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, const void *src, size_t n);

/* Leave n bytes to be filled later; NULL and bad if they do not fit. */
uint8_t *wr_room(struct wr *w, size_t n);

/*
 * Zero n bytes, writing only where they are not zero yet: large tables that
 * the system has not handed out page by page stay so until they are used.
 */
void bytes_zero(void *p, size_t n);

/* Big-endian numbers at a fixed place, for lengths filled in afterwards. */
void put_u16(uint8_t *at, uint16_t v);
void put_u32(uint8_t *at, uint32_t v);
void put_u64(uint8_t *at, uint64_t v);
uint16_t get_u16(const uint8_t *at);
uint32_t get_u32(const uint8_t *at);
uint64_t get_u64(const uint8_t *at);

#endif
