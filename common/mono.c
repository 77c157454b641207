/* SPDX-License-Identifier: ISC */
/*
 * The two questions about time that go to the kernel.  Everything else about
 * time is in mono.h and pure.
 */
#include "common/mono.h"

#include <time.h>

struct mono
mono_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct mono){ (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 };
}

struct wall
wall_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (struct wall){ (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 };
}
