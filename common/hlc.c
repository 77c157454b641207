/* SPDX-License-Identifier: ISC */
/*
 * Hybrid logical stamps, as promised in hlc.h.
 */
#include "common/hlc.h"

uint64_t
hlc_from_wall(struct wall t)
{
	if (t.ms < 0)
		t.ms = 0;
	if (t.ms > HLC_MS_MAX)
		t.ms = HLC_MS_MAX;
	return (uint64_t)t.ms << 16;
}

struct wall
hlc_wall(uint64_t hlc)
{
	return (struct wall){ (int64_t)(hlc >> 16) };
}

uint64_t
hlc_next(struct wall now, uint64_t last, uint64_t replaced)
{
	uint64_t before = last > replaced ? last : replaced;
	uint64_t wall = hlc_from_wall(now);

	if (wall > before)
		return wall;
	return before == UINT64_MAX ? 0 : before + 1;
}

bool
hlc_is_future(uint64_t hlc, struct wall now, uint32_t bound_ms)
{
	return hlc_wall(hlc).ms > hlc_wall(hlc_from_wall(now)).ms + bound_ms;
}

struct wall
hlc_expiry(uint64_t hlc, uint32_t ttl_s)
{
	return (struct wall){ hlc_wall(hlc).ms + (int64_t)ttl_s * 1000 };
}

uint64_t
hlc_tick(uint64_t hlc, uint32_t tick_ms)
{
	return ((uint64_t)hlc_wall(hlc).ms + tick_ms - 1) / tick_ms;
}
