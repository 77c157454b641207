/* SPDX-License-Identifier: ISC */
/*
 * What is not inline of bytes.h.
 */
#include "common/bytes.h"

#include <string.h>

void
rd_copy(struct rd *r, void *out, size_t n)
{
	const uint8_t *at = rd_take(r, n);

	if (r->bad)
		memset(out, 0, n);
	else if (n > 0)
		memcpy(out, at, n);
}

void
wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *at = wr_room(w, n);

	if (at != NULL && n > 0)
		memcpy(at, src, n);
}

void
bytes_zero(void *p, size_t n)
{
	static const uint8_t zero[512];
	uint8_t *at = p;
	size_t len;

	for (; n > 0; at += len, n -= len) {
		len = n < sizeof(zero) ? n : sizeof(zero);
		if (memcmp(at, zero, len) != 0)
			memset(at, 0, len);
	}
}
