/* SPDX-License-Identifier: ISC */
/*
 * Hashes of block bodies, as laid down in blocks.h.
 */
#include "peerd/blocks.h"

#include <string.h>

#include "common/assert.h"
#include "common/b2.h"
#include "common/bytes.h"

unsigned
blocks_chunks(uint32_t size)
{
	return (size + BLOCK_CHUNK - 1) / BLOCK_CHUNK;
}

uint32_t
blocks_chunk_len(uint32_t size, unsigned i)
{
	uint32_t left = size - i * BLOCK_CHUNK;

	return left < BLOCK_CHUNK ? left : BLOCK_CHUNK;
}

void
blocks_hash_chunk(uint8_t hash[32], const void *chunk, size_t len)
{
	b2_256(hash, "WarrenChk1", chunk, len);
}

void
blocks_manifest(struct manifest *m, const void *body, uint32_t size)
{
	const uint8_t *p = body;
	unsigned i;

	ASSERT(size >= 1 && size <= BLOCK_SIZE_MAX);
	m->size = size;
	for (i = 0; i < blocks_chunks(size); i++)
		blocks_hash_chunk(m->chunks[i], p + (size_t)i * BLOCK_CHUNK,
		    blocks_chunk_len(size, i));
}

void
blocks_id(uint8_t id[32], const struct manifest *m)
{
	uint8_t in[8 + BLOCK_CHUNKS_MAX * 32];
	size_t len = blocks_chunks(m->size) * 32u;

	put_u64(in, m->size);
	memcpy(in + 8, m->chunks, len);
	b2_256(id, "WarrenBlk1", in, 8 + len);
}

bool
blocks_is_chunk(const struct manifest *m, unsigned i, const void *chunk,
    size_t len)
{
	uint8_t hash[32];

	if (i >= blocks_chunks(m->size) || len != blocks_chunk_len(m->size, i))
		return false;
	blocks_hash_chunk(hash, chunk, len);
	return memcmp(hash, m->chunks[i], 32) == 0;
}
