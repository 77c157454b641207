/* SPDX-License-Identifier: ISC */
/*
 * What the clocks of linked nodes say about ours (skew.h).  The store hears
 * when it must not write in this node's name, and when it may again.
 */
#include "peerd/peerd.h"
#include "peerd/skew.h"

static bool judged, stopped;
static int64_t behind_ms; /* as the store was told */

static size_t
collect(int64_t off[SKEW_LINKS], bool dialled)
{
	const struct conn *c;
	size_t n = 0;

	for (c = conn_next(NULL); c != NULL && n < SKEW_LINKS; c = conn_next(c))
		if (c->state == CONN_UP && c->has_clock &&
		    (c->outbound || !dialled))
			off[n++] = c->clock_off_ms;
	return n;
}

bool
clocks_skew(int64_t *ms)
{
	int64_t off[SKEW_LINKS];
	size_t n = collect(off, false);

	*ms = skew_median(off, n);
	return n >= SKEW_WARN_OF && (*ms > SKEW_WARN_MS || *ms < -SKEW_WARN_MS);
}

void
clocks_tick(void)
{
	int64_t off[SKEW_LINKS], ms;
	size_t n = collect(off, true);
	bool was = stopped;

	if (n == 0)
		return;
	ms = skew_median(off, n);
	stopped = skew_stops(stopped, ms, n);
	if (judged && was == stopped)
		return;
	judged = true;
	behind_ms = ms;
	dbchan_clock(behind_ms, stopped);
}

void
clocks_tell(void)
{
	if (judged)
		dbchan_clock(behind_ms, stopped);
}
