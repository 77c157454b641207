/* SPDX-License-Identifier: ISC */
/*
 * Base64 as in RFC 4648 section 4, for the payload of app packets: the
 * standard alphabet, always padded, by tables.  There is one text for every
 * string of bytes and one only: no line breaks, no missing padding, no stray
 * bits in the last digit.  Pure; tested in tests/unit/base64_test.c, fuzzed
 * in tests/fuzz/app_json_fuzz.c.
 */
#ifndef WARREN_BASE64_H
#define WARREN_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters that n bytes become, and bytes that n characters give at most. */
#define BASE64_TEXT_LEN(n)  (((n) + 2) / 3 * 4)
#define BASE64_BYTES_MAX(n) ((n) / 4 * 3)

/*
 * Write the BASE64_TEXT_LEN(len) characters of in to out, without a NUL.
 * The two may not overlap.  Returns that number.
 */
size_t base64_encode(char *out, const uint8_t *in, size_t len);

/*
 * The bytes that the len characters of in are, if they are base64: at most
 * BASE64_BYTES_MAX(len), and two fewer at least.
 */
size_t base64_bytes(const void *in, size_t len);

/*
 * Decode the len characters of in into out, which has room for as many bytes
 * as base64_bytes() says; out may be where in is, or before it.
 *
 * Returns 0 and the bytes written in *out_len; -1 when in is not base64, with
 * what out then holds of no meaning (and in too, when they are one).
 */
int base64_decode(uint8_t *out, size_t *out_len, const void *in, size_t len);

#endif
