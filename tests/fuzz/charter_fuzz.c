/* SPDX-License-Identifier: ISC */
/* The fuzzer cannot sign, so the body is fed besides the whole. */
#include "common/charter.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[CHARTER_MAX];
	struct charter ch;
	struct wr w;

	(void)charter_decode(&ch, data, size);
	if (charter_decode_body(&ch, data, size) != CHARTER_OK)
		return 0;
	wr_init(&w, out, sizeof(out));
	charter_encode_body(&w, &ch);
	ASSERT(!w.bad && w.len == size && memcmp(out, data, size) == 0);
	return 0;
}
