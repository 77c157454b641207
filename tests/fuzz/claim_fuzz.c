/* SPDX-License-Identifier: ISC */
/* Whatever decodes as a claim encodes back to the same bytes. */
#include "common/claim.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[CLAIM_MAX], msg[CLAIM_SIGN_MAX];
	struct claim c;
	struct wr w;

	if (claim_decode(&c, data, size) != 0)
		return 0;
	wr_init(&w, out, sizeof(out));
	claim_encode(&w, &c);
	ASSERT(!w.bad && w.len == size && memcmp(out, data, size) == 0);
	ASSERT(claim_sign_bytes(msg, &c) <= sizeof(msg));
	ASSERT(!claim_contradicts(&c, &c));
	return 0;
}
