/* SPDX-License-Identifier: ISC */
/*
 * The records seen last, found by their hash or by the short id that one
 * link gives them.  A short id is SipHash-2-4 of the hash under that link's
 * key, so nobody can make two records that look alike to others.  Ids are
 * not kept: a link has a chained index that is brought up to date when it is
 * asked, and a hit is proved by hashing again.
 *
 * Records lie in a ring; the oldest makes room.  The memory is the caller's.
 * Pure; tested through tests/unit/bcast_test.c.
 */
#ifndef WARREN_RECENT_H
#define WARREN_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"

enum recent_state {
	RECENT_FREE,
	RECENT_HELD,  /* being verified */
	RECENT_LIVE,  /* stored: pushed, announced, sent when asked for */
	RECENT_STALE, /* known and of no use */
	RECENT_BAD    /* not there for anybody who looks */
};

struct recent_entry {
	uint8_t rid[32];
	uint32_t handle;
	uint32_t has;   /* links that have it, one bit each */
	uint32_t gave;  /* links whose PULL was answered */
	uint32_t owes;  /* links that must hear of it: a push found no room */
	uint16_t prev;  /* in its chain */
	uint8_t state;  /* enum recent_state */
	uint8_t from;   /* link it came over */
	bool old;       /* from a sync */
	struct mono at; /* since when it may be passed on */
};

struct recent {
	struct recent_entry *entries;
	uint16_t *heads;
	uint32_t n;    /* entries, a power of two */
	uint32_t next; /* number of the entry to come */
	uint8_t secret[16];
};

/* One link's index. */
struct recent_ids {
	uint16_t *heads, *prevs; /* n each */
	uint32_t upto;           /* entries before this are in the index */
	uint8_t key[16];
};

/* entries and heads: n of each, n a power of two from 16 to 16384. */
void recent_init(struct recent *rc, struct recent_entry *entries,
    uint16_t *heads, uint32_t n, const uint8_t secret[16]);

/* The record of that hash unless it is BAD or forgotten, or NULL. */
struct recent_entry *recent_find(const struct recent *rc,
    const uint8_t rid[32]);

/* The entry numbered seq, while it is in the ring, or NULL. */
struct recent_entry *recent_at(const struct recent *rc, uint32_t seq);

/* The entry that recent_add() will overwrite. */
const struct recent_entry *recent_oldest(const struct recent *rc);

/* A new entry, HELD, under the number rc->next had. */
struct recent_entry *recent_add(struct recent *rc, const uint8_t rid[32]);

/* Number of an entry. */
uint32_t recent_seq(const struct recent *rc, const struct recent_entry *e);

/* Begin an index over heads and prevs, for a link of that key. */
void recent_ids_init(struct recent_ids *ids, const struct recent *rc,
    const uint8_t key[16]);

/* The short id of a hash on that link. */
uint64_t recent_id(const struct recent_ids *ids, const uint8_t rid[32]);

/* The record that link calls id, unless it is BAD or forgotten, or NULL. */
struct recent_entry *recent_by_id(const struct recent *rc,
    struct recent_ids *ids, uint64_t id);

#endif
