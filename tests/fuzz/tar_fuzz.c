/* SPDX-License-Identifier: ISC */
/*
 * Headers of archives: what is read has a clean name, and written again it is
 * read as the same.
 */
#include <string.h>

#include "common/assert.h"
#include "common/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tar_file f, again;
	uint8_t block[TAR_BLOCK];

	if (size < TAR_BLOCK)
		return 0;
	if (tar_get(&f, data) != 1)
		return 0;
	ASSERT(f.name[0] != '/' && strstr(f.name, "/../") == NULL);
	if (!tar_put(block, &f))
		return 0;
	ASSERT(tar_get(&again, block) == 1);
	ASSERT(strcmp(f.name, again.name) == 0 && f.size == again.size);
	return 0;
}
