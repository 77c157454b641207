/* SPDX-License-Identifier: ISC */
/*
 * Two clocks that cannot be mixed up: struct mono counts microseconds from
 * an arbitrary start and only moves forward; struct wall is milliseconds
 * since 1970 in UTC, for people, records and logs.  The inline parts are
 * pure; mono_now() and wall_now() are the only ones that ask the kernel.
 */
#ifndef WARREN_MONO_H
#define WARREN_MONO_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t us;
};

struct wall {
	int64_t ms;
};

#define MONO_NEVER ((struct mono){ INT64_MAX })

/* Now.  Never fails; defined in mono.c. */
struct mono mono_now(void);
struct wall wall_now(void);

static inline bool
mono_reached(struct mono due, struct mono now)
{
	return now.us >= due.us;
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.us < b.us;
}

/* t + ms, staying at MONO_NEVER once there. */
static inline struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	if (t.us == INT64_MAX || ms > (INT64_MAX - t.us) / 1000)
		return MONO_NEVER;
	return (struct mono){ t.us + ms * 1000 };
}

/* Whole milliseconds from a to b, negative when b is earlier. */
static inline int64_t
mono_ms_between(struct mono a, struct mono b)
{
	return (b.us - a.us) / 1000;
}

static inline struct mono
mono_min(struct mono a, struct mono b)
{
	return a.us < b.us ? a : b;
}

#endif
