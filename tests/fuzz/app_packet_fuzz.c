/* SPDX-License-Identifier: ISC */
/*
 * A pipe's bytes: every packet lies within them, follows the one before, and
 * written again is what it was read from.
 */
#include "appd/packet.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[PACKET_MAX];
	struct packet p;
	size_t at = 0;
	int n;

	while ((n = packet_next(data + at, size - at, &p)) > 0) {
		ASSERT((size_t)n <= size - at && n >= PACKET_HEAD);
		ASSERT(p.body == data + at + PACKET_HEAD);
		ASSERT(p.body_len == (size_t)n - PACKET_HEAD);
		/* One byte less would not have been enough. */
		ASSERT(packet_next(data + at, (size_t)n - 1, &p) == 0);
		ASSERT(packet_put(again, sizeof(again), p.type, p.id, p.body,
			   p.body_len) == (size_t)n);
		ASSERT(memcmp(again, data + at, (size_t)n) == 0);
		at += (size_t)n;
	}
	if (n == -1)
		ASSERT(data[at] == 0 && data[at + 1] < 2);
	return 0;
}
