/* SPDX-License-Identifier: ISC */
/* Whatever decodes as a node record encodes back to the same bytes. */
#include "peerd/noderec.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[NODEREC_MAX];
	struct noderec nr;
	struct wr w;

	if (noderec_decode(&nr, data, size) != 0)
		return 0;
	wr_init(&w, out, sizeof(out));
	ASSERT(noderec_encode(&w, &nr) == 0);
	ASSERT(w.len == size && memcmp(out, data, size) == 0);
	return 0;
}
