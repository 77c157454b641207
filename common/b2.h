/* SPDX-License-Identifier: ISC */
/*
 * BLAKE2b-256 with a personalisation, the one hash of records, charters and
 * proofs.  The person string keeps two uses of it from ever meeting.  Pure;
 * tested through tests/unit/rec_test.c.
 */
#ifndef WARREN_B2_H
#define WARREN_B2_H

#include <stddef.h>
#include <stdint.h>

#define B2_LEN      32
#define B2_SALT_LEN 16

/* person is at most 16 bytes of text, zero padded to 16. */
void b2_256(uint8_t out[B2_LEN], const char *person, const void *in,
    size_t len);

/* The same with a salt besides, where one kind of hash has a parameter. */
void b2_256_salted(uint8_t out[B2_LEN], const char *person,
    const uint8_t salt[B2_SALT_LEN], const void *in, size_t len);

#endif
