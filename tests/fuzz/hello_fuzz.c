/* SPDX-License-Identifier: ISC */
/* Whatever decodes as a hello encodes back to the same bytes. */
#include "peerd/hello.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32];
	uint8_t out[HELLO_MAX];
	struct hello he;
	struct wr w;

	if (hello_decode(&he, data, size) != HELLO_OK)
		return 0;
	(void)hello_verify(&he, key, key, (struct wall){ 1766000000000 });
	wr_init(&w, out, sizeof(out));
	hello_encode(&w, &he);
	ASSERT(!w.bad && w.len == size && memcmp(out, data, size) == 0);
	return 0;
}
