/* SPDX-License-Identifier: ISC */
/*
 * Block bodies by their content.
 *
 *   chunk i  = the 64 KiB from i * 64 KiB on; the last may be shorter
 *   hash i   = BLAKE2b-256(person "WarrenChk1", chunk i)
 *   block id = BLAKE2b-256(person "WarrenBlk1", size:u64be | hash 0 | ..)
 *
 * The size and the hashes are the manifest: whoever has it can check each
 * chunk by itself, from whomever it comes.  A body has 1 byte to 4 MiB.
 * Pure; tested in tests/unit/blocks_test.c.
 */
#ifndef WARREN_BLOCKS_H
#define WARREN_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_CHUNK      65536u
#define BLOCK_CHUNKS_MAX 64u
#define BLOCK_SIZE_MAX   (BLOCK_CHUNK * BLOCK_CHUNKS_MAX)

struct manifest {
	uint32_t size; /* 1..BLOCK_SIZE_MAX */
	uint8_t chunks[BLOCK_CHUNKS_MAX][32];
};

/* Chunks of a body of that size. */
unsigned blocks_chunks(uint32_t size);

/* Bytes of chunk i. */
uint32_t blocks_chunk_len(uint32_t size, unsigned i);

void blocks_hash_chunk(uint8_t hash[32], const void *chunk, size_t len);

/* The manifest of a whole body. */
void blocks_manifest(struct manifest *m, const void *body, uint32_t size);

void blocks_id(uint8_t id[32], const struct manifest *m);

/* Is this chunk i of the block? */
bool blocks_is_chunk(const struct manifest *m, unsigned i, const void *chunk,
    size_t len);

#endif
