/* SPDX-License-Identifier: ISC */
/*
 * Hybrid logical stamps of records: milliseconds since 1970 in the upper 48
 * bits, a counter in the lower 16.  An author's stamps strictly increase;
 * nobody's clock is ever moved by somebody else's stamp, so a wrong one
 * harms only its author.  Pure; tested in tests/unit/hlc_test.c.
 */
#ifndef WARREN_HLC_H
#define WARREN_HLC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mono.h"

#define HLC_MS_MAX ((INT64_C(1) << 48) - 1)

/* First stamp of that millisecond; a time outside 48 bits is clamped. */
uint64_t hlc_from_wall(struct wall t);

/* The millisecond of a stamp. */
struct wall hlc_wall(uint64_t hlc);

/*
 * The stamp for a new record: the largest of the wall clock, the author's own
 * last stamp + 1 and the stamp of the version it replaces + 1.  Pass 0 where
 * there is none.  Returns 0 when the stamps are used up, which a sane clock
 * never meets; the record must not be written then.
 */
uint64_t hlc_next(struct wall now, uint64_t last, uint64_t replaced);

/* True when the stamp is more than bound_ms ahead of now: defer the record. */
bool hlc_is_future(uint64_t hlc, struct wall now, uint32_t bound_ms);

/*
 * When a record stamped hlc ends, given its kind's ttl_s.  The author cannot
 * choose it: a newer version always outlives the older.
 */
struct wall hlc_expiry(uint64_t hlc, uint32_t ttl_s);

/* The first tick that counts a record of this stamp; tick t is at t times
 * tick_ms, which is not 0. */
uint64_t hlc_tick(uint64_t hlc, uint32_t tick_ms);

#endif
