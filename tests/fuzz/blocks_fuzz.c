/* SPDX-License-Identifier: ISC */
/*
 * Any body: its chunks are those of its manifest and of no other place in it,
 * and one bit changed is found.
 */
#include "peerd/blocks.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest m, other;
	static uint8_t body[3 * BLOCK_CHUNK];
	uint8_t id[32], id2[32];
	uint32_t len, at = 0;
	unsigned i;

	if (size < 8)
		return 0;
	/* The input says how long it is, and is repeated to that. */
	len = ((uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2]) %
		sizeof(body) + 1;
	for (i = 0; i < len; i++)
		body[i] = (uint8_t)(data[3 + i % (size - 3)] + i / 65521);
	blocks_manifest(&m, body, len);
	blocks_id(id, &m);
	ASSERT(m.size == len);
	for (i = 0; i < blocks_chunks(len); i++) {
		ASSERT(blocks_is_chunk(&m, i, body + at,
		    blocks_chunk_len(len, i)));
		ASSERT(!blocks_is_chunk(&m, i, body + at,
		    blocks_chunk_len(len, i) - 1));
		at += blocks_chunk_len(len, i);
	}
	ASSERT(at == len && !blocks_is_chunk(&m, i, body, 1));
	at = (uint32_t)(data[3] << 8 | data[4]) % len;
	body[at] ^= 1;
	ASSERT(!blocks_is_chunk(&m, at / BLOCK_CHUNK,
	    body + at / BLOCK_CHUNK * BLOCK_CHUNK,
	    blocks_chunk_len(len, at / BLOCK_CHUNK)));
	blocks_manifest(&other, body, len);
	blocks_id(id2, &other);
	ASSERT(memcmp(id, id2, 32) != 0);
	return 0;
}
