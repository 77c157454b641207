/* SPDX-License-Identifier: ISC */
/* Hashes of block bodies: sizes at every edge, and the id's own bytes. */
#include "peerd/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/b2.h"
#include "common/bytes.h"

static uint8_t body[BLOCK_SIZE_MAX];

static void
test_sizes(void **state)
{
	static const struct {
		uint32_t size;
		unsigned chunks;
		uint32_t last;
	} cases[] = { { 1, 1, 1 }, { BLOCK_CHUNK - 1, 1, BLOCK_CHUNK - 1 },
		{ BLOCK_CHUNK, 1, BLOCK_CHUNK }, { BLOCK_CHUNK + 1, 2, 1 },
		{ BLOCK_SIZE_MAX - 1, 64, BLOCK_CHUNK - 1 },
		{ BLOCK_SIZE_MAX, 64, BLOCK_CHUNK } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(blocks_chunks(cases[i].size), cases[i].chunks);
		assert_int_equal(
		    blocks_chunk_len(cases[i].size, cases[i].chunks - 1),
		    cases[i].last);
	}
	assert_int_equal(blocks_chunks(0), 0);
}

/* The id by hand, from the header's words. */
static void
test_id(void **state)
{
	uint8_t in[8 + 2 * 32], want[32], id[32];
	struct manifest m;

	(void)state;
	memset(body, 7, BLOCK_CHUNK + 3);
	put_u64(in, BLOCK_CHUNK + 3);
	b2_256(in + 8, "WarrenChk1", body, BLOCK_CHUNK);
	b2_256(in + 40, "WarrenChk1", body, 3);
	b2_256(want, "WarrenBlk1", in, sizeof(in));
	blocks_manifest(&m, body, BLOCK_CHUNK + 3);
	blocks_id(id, &m);
	assert_memory_equal(id, want, 32);
}

static void
test_chunks(void **state)
{
	struct manifest m;

	(void)state;
	blocks_manifest(&m, body, BLOCK_CHUNK + 3);
	assert_true(blocks_is_chunk(&m, 0, body, BLOCK_CHUNK));
	assert_true(blocks_is_chunk(&m, 1, body, 3));
	assert_false(blocks_is_chunk(&m, 1, body, 2));
	assert_false(blocks_is_chunk(&m, 1, body, 4));
	assert_false(blocks_is_chunk(&m, 2, body, 3));
	body[9] ^= 1;
	assert_false(blocks_is_chunk(&m, 0, body, BLOCK_CHUNK));
	body[9] ^= 1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
