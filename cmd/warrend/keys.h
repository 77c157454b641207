/* SPDX-License-Identifier: ISC */
/*
 * The node's identity: one Ed25519 key, held by warrend alone, unreadable in
 * memory between signatures.
 */
#ifndef WARREN_KEYS_H
#define WARREN_KEYS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Read the key at path, or make one there on the first start (0600, written
 * whole or not at all, never overwritten).  Refuses a file that others may
 * read or write.  Fatal with the right exit code when it cannot be had.
 * Returns 1 when it was made now, 0 when read.
 */
int keys_open(const char *path);

const uint8_t *keys_public(void); /* 32 bytes: the node id */

/* Sign n bytes with the identity key; 64 bytes at sig. */
void keys_sign(uint8_t sig[64], const uint8_t *msg, size_t n);

#endif
