/* SPDX-License-Identifier: ISC */
/*
 * CRC-32 of ISO 3309, as FINGERPRINT wants it (RFC 8489 section 14.7).
 * Pure; tested in tests/unit/stun_msg_test.c.
 */
#ifndef WARREN_CRC32_H
#define WARREN_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Checksum of len bytes at buf; 0 for none. */
uint32_t crc32_of(const uint8_t *buf, size_t len);

#endif
