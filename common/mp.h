/* SPDX-License-Identifier: ISC */
/*
 * Canonical msgpack over byte cursors, for what is signed or comes from a
 * peer: arrays of known arity, integers in their shortest form, byte
 * strings, text.  No maps, floats, nil or extensions.  Reading is ours and
 * strict; writing goes through msgpack-c's packer into the caller's buffer.
 * Pure; tested in tests/unit/mp_test.c.
 */
#ifndef WARREN_MP_H
#define WARREN_MP_H

#include "common/bytes.h"

/* Array header; its length, or 0 and bad when it is none or above n_max. */
uint32_t mp_rd_array(struct rd *r, uint32_t n_max);

/* Array header that must say exactly n. */
void mp_rd_arity(struct rd *r, uint32_t n);

/* Unsigned integer 0..max in shortest form. */
uint64_t mp_rd_uint(struct rd *r, uint64_t max);

/* Signed integer min..max in shortest form. */
int64_t mp_rd_int(struct rd *r, int64_t min, int64_t max);

/*
 * Byte string of len_min..len_max bytes in the shortest header.  Returns its
 * bytes, borrowed from the buffer, and sets *len; NULL and bad on failure.
 */
const uint8_t *mp_rd_bin(
    struct rd *r, size_t len_min, size_t len_max, size_t *len);

/* Byte string of exactly n bytes, copied out. */
void mp_rd_bin_exact(struct rd *r, void *out, size_t n);

/*
 * Text (msgpack str) of at most cap - 1 bytes, copied out with its NUL.
 * A NUL or a control byte inside is malformed.
 */
void mp_rd_str(struct rd *r, char *out, size_t cap);

void mp_wr_array(struct wr *w, uint32_t n);
void mp_wr_uint(struct wr *w, uint64_t v);
void mp_wr_int(struct wr *w, int64_t v);
void mp_wr_bin(struct wr *w, const void *src, size_t n);
void mp_wr_str(struct wr *w, const char *s);

/*
 * Look through one msgpack object before anything unpacks it: every count
 * fits the bytes that are left, nesting stays within depth_max, and nothing
 * follows the object.  Allocates nothing.  True when it is safe to unpack.
 */
bool mp_scan(const void *buf, size_t len, unsigned depth_max);

#endif
