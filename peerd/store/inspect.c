/* SPDX-License-Identifier: ISC */
/*
 * Looking after the rows: soon after the start, and then once a day, all of
 * them are walked over, for a disk may forget what nobody asks for.  A slice
 * takes a few milliseconds, and nine tenths of the time are others'.
 */
#include "common/log.h"
#include "peerd/store/store.h"

#define FIRST_MS 2000 /* the start itself is over by then */
#define SLICE_US 2000
#define STEPS    8 /* between two looks at the clock: half a millisecond */
#define REST_MS  20
#define AGAIN_MS 86400000

static struct recstore_walk walk;
static struct event *timer;

static bool
slice(void)
{
	struct mono from = mono_now();

	while (!walk.done && mono_now().us - from.us < SLICE_US)
		recstore_walk(store.rs, &walk, STEPS);
	store_damage();
	return walk.done;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	int64_t wait = REST_MS;
	struct mono now;
	size_t n;

	(void)fd;
	(void)what;
	(void)arg;
	if (slice()) {
		(void)recstore_damages(store.rs, &n);
		log_info("database: %llu rows inspected, %zu damaged",
		    (unsigned long long)walk.rows, n);
		walk = (struct recstore_walk){ .done = false };
		wait = AGAIN_MS;
	}
	now = mono_now();
	child_timer_set(timer, mono_add_ms(now, wait), now);
}

void
inspect_start(void)
{
	struct mono now = mono_now();

	timer = child_timer(on_timer, NULL);
	child_timer_set(timer, mono_add_ms(now, FIRST_MS), now);
}
