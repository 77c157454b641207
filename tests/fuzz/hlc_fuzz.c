/* SPDX-License-Identifier: ISC */
/*
 * Stamps of a clock that goes wherever it likes, after stamps that came from
 * anybody: ours only grow, or there is none; the future is the future for
 * every later bound; a lease never ends before it began.
 */
#include "common/hlc.h"

#include "common/assert.h"
#include "common/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t last = 0, next, had;
	struct wall now, back;
	uint32_t bound;

	for (; size >= 20; data += 20, size -= 20) {
		now.ms = (int64_t)get_u64(data);
		had = get_u64(data + 8);
		bound = get_u32(data + 16);
		next = hlc_next(now, last, had);
		if (next != 0) {
			ASSERT(next > last && next > had);
			last = next;
		}
		back = hlc_wall(hlc_from_wall(now));
		if (now.ms >= 0 && now.ms <= HLC_MS_MAX)
			ASSERT(back.ms == now.ms);
		ASSERT(back.ms >= 0 && back.ms <= HLC_MS_MAX);
		ASSERT(hlc_expiry(had, bound).ms >= hlc_wall(had).ms);
		if (now.ms >= 0 && now.ms <= HLC_MS_MAX && bound > 0 &&
		    hlc_is_future(had, now, bound))
			ASSERT(hlc_is_future(had, now, bound - 1));
	}
	return 0;
}
