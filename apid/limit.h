/* SPDX-License-Identifier: ISC */
/*
 * How much one prefix may ask: max requests in a window, and a place on the
 * blacklist for those who break several windows.  A table of fixed size,
 * placed by siphash; where a set is full, the one that asked least gives way,
 * so that no flood of addresses washes out whoever earned a ban.
 * Pure: time and key come from the caller.  Tested in tests/unit/limit_test.c.
 */
#ifndef WARREN_LIMIT_H
#define WARREN_LIMIT_H

#include "apid/prefix.h"
#include "common/mono.h"

#define LIMIT_WAYS 4
#define LIMIT_SETS 1024 /* a power of two */

struct limit_conf {
	uint32_t window_ms;
	uint32_t max_requests; /* in a window; 0: any number */
	uint32_t threshold;    /* broken windows until blacklisted, 0: never */
	uint32_t blacklist_ms;
};

struct limit_entry {
	uint64_t bits;
	struct mono start;  /* of the window */
	struct mono banned; /* until then; in the past: not banned */
	uint32_t count;     /* in this window */
	uint16_t broken;    /* windows; a clean one forgives one */
	uint8_t fam;        /* NADDR_NONE: free */
	bool broke;         /* this window */
};

struct limit {
	struct limit_conf conf;
	uint8_t key[PREFIX_KEY_LEN];
	struct limit_entry entries[LIMIT_SETS][LIMIT_WAYS];
	uint64_t evicted; /* gave way in a full set */
	uint32_t used;    /* entries ever taken */
};

enum limit_act {
	LIMIT_PASS,
	LIMIT_SLOW,    /* too many in this window: 429 */
	LIMIT_BLACKEN, /* too many, and now blacklisted: 429, tell the others */
	LIMIT_BANNED   /* still blacklisted: 429 */
};

void limit_init(struct limit *l, const struct limit_conf *conf,
    const uint8_t key[PREFIX_KEY_LEN]);

/* New numbers for what comes from now on; counts and bans stay. */
void limit_configure(struct limit *l, const struct limit_conf *conf);

/*
 * p asks n things at once.  When not LIMIT_PASS, *wait_ms is after how many
 * milliseconds to come again.  A loopback prefix is never blacklisted.
 */
enum limit_act limit_take(struct limit *l, const struct prefix *p, uint32_t n,
    struct mono now, uint64_t *wait_ms);

/* Is p blacklisted?  Fills *wait_ms when so. */
bool limit_is_banned(const struct limit *l, const struct prefix *p,
    struct mono now, uint64_t *wait_ms);

/* Somebody else blacklisted p until then; a past time lifts the ban. */
void limit_ban(struct limit *l, const struct prefix *p, struct mono until,
    struct mono now);

/* Prefixes blacklisted now. */
uint32_t limit_bans(const struct limit *l, struct mono now);

#endif
