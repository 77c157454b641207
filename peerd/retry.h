/* SPDX-License-Identifier: ISC */
/*
 * When to look again for something better than what there is: at longer and
 * longer intervals, never quite at the same time as others, and sooner when
 * there is news, yet not because somebody makes news all the time.
 *
 * Pure; tested in tests/unit/retry_test.c.
 */
#ifndef WARREN_RETRY_H
#define WARREN_RETRY_H

#include "common/mono.h"

#define RETRY_WAIT_MAX_MS 600000
#define RETRY_NEWS_MS     30000 /* news brings a try no closer to the last */

struct retry {
	struct mono due, last; /* the next try; the last one */
	uint32_t wait_ms;      /* behind the next */
	uint32_t tries;
	uint64_t stamp; /* of what was known when it was tried last */
};

/* The first try in first_ms. */
void retry_init(struct retry *r, uint32_t first_ms, struct mono now);

/* stamp: of what is known now; another than last time is news. */
bool retry_is_due(const struct retry *r, uint64_t stamp, struct mono now);

/* A try begins.  random: any bits. */
void retry_begin(struct retry *r, uint64_t stamp, uint32_t random,
    struct mono now);

/* There is no need for one now, so that none is due for a while. */
void retry_put_off(struct retry *r, struct mono now);

#endif
