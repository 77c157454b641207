/* SPDX-License-Identifier: ISC */
/*
 * Is our clock wrong?  Each link tells how far its clock is ahead of ours;
 * the median of them is as good as anybody's word, for it takes half of the
 * links to bend it.  Whoever may come in could bring that half, so only links
 * that we chose to dial can stop this node from writing in its own name; a
 * clock is never corrected by anybody's word (warren-records(7)).
 * Pure; tested in tests/unit/skew_test.c.
 */
#ifndef WARREN_SKEW_H
#define WARREN_SKEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKEW_WARN_MS 5000  /* more than this is worth a word */
#define SKEW_STOP_MS 30000 /* more than this stops what we author */
#define SKEW_WARN_OF 3     /* links that must have told */
#define SKEW_STOP_OF 5     /* dialled links, likewise */
#define SKEW_LINKS   256   /* that are looked at */

/* The median of n offsets, which are sorted for it; 0 of none. */
int64_t skew_median(int64_t *off, size_t n);

/*
 * Shall we stop, or go on being stopped, for what n dialled links say?  Fewer
 * than SKEW_STOP_OF cannot begin it, yet one is enough to end it; while there
 * is none, nothing is known and nothing changes.
 */
bool skew_stops(bool stopped, int64_t median, size_t n);

#endif
