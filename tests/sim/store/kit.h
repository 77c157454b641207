/* SPDX-License-Identifier: ISC */
/*
 * What the nodes of scenario `store` are given: a charter with a fast clock,
 * a handful of authors with real keys, every genuine record ever written, and
 * a disk each.
 */
#ifndef WARREN_SIM_KIT_H
#define WARREN_SIM_KIT_H

#include "common/charter.h"
#include "common/mono.h"
#include "common/rec.h"

#define KIT_TICK_MS   2000
#define KIT_SETTLE_MS 2000
#define KIT_FUTURE_MS 10000
#define KIT_TTL_S     60 /* of what is rated and described */
#define KIT_QUOTA     6
#define KIT_START_MS  INT64_C(1700000000000)

#define KIT_AUTHORS  6
#define KIT_STEADY   4 /* the first of them are admitted all the time, */
#define KIT_FICKLE   4 /* this one comes and goes, */
#define KIT_OUTSIDER 5 /* and this one never was */

#define KIT_KEYS 1024 /* different ones, of all authors */

/* A genuine record: what its author signed. */
struct kit_rec {
	uint8_t *raw;
	size_t len;
	uint8_t key[32], rid[32];
	uint64_t hlc;
	uint16_t key_no; /* below KIT_KEYS */
	uint8_t kind, author;
	bool tombstone;
};

/* What to write. */
struct kit_say {
	uint8_t kind, author, target;
	int32_t w;
	uint64_t hlc;
	bool tombstone;
};

extern struct charter kit_charter;

void kit_init(uint64_t seed);
void kit_fini(void);

/* The tree key of what is to be written. */
void kit_key(uint8_t key[32], const struct kit_say *say);

/* Sign it and remember it: borrowed until the next call. */
const struct kit_rec *kit_write(const struct kit_say *say);

/* Of that hash, or NULL when nobody ever signed it. */
const struct kit_rec *kit_find(const uint8_t rid[32]);

/* Any of those written so far, or NULL. */
const struct kit_rec *kit_any(uint64_t n);

/* --- disks --- */

enum kit_fault { KIT_HEALTHY, KIT_FULL, KIT_IO };

void disks_init(uint64_t seed);
void disks_fini(void);
void disk_fault(uint32_t node, enum kit_fault fault);
/* The power goes after so many operations; 0: now. */
void disk_cut(uint32_t node, unsigned ops);
void disk_uncut(uint32_t node);
bool disk_is_dead(uint32_t node);
/* It runs again.  lost: what was not synced may be gone, or torn. */
void disk_revive(uint32_t node, bool lost);
uint64_t disk_faults(uint32_t node);

#endif
