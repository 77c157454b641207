/* SPDX-License-Identifier: ISC */
/*
 * What all files of apid share (apid.h): the worker's numbers and its clocks,
 * read once a wakeup.  Apart from the shell, so that tests can link it.
 */
#include "apid/apid.h"

#define WALL_FRESH_US 50000 /* the wall clock is read that seldom */

struct apid apid;

static struct state_time clocks;

struct state_time
apid_time(void)
{
	return clocks;
}

void
apid_touch_clock(void)
{
	static struct mono wall_at = { INT64_MIN / 2 };

	clocks.mono = mono_now();
	if (clocks.mono.us - wall_at.us < WALL_FRESH_US)
		return;
	wall_at = clocks.mono;
	clocks.wall = wall_now();
}
