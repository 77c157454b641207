/* SPDX-License-Identifier: ISC */
/*
 * Which bodies are held here, and in what state.
 *
 *   placing.c   blocks that are ours to hold; those with too few copies
 *   holders.c   live nodes, and who of them announces a block
 *   warmth.c    reads counted, temperatures and locations said anew
 *   care.c      files against rows, damage
 */
#ifndef WARREN_STORE_PLACING_H
#define WARREN_STORE_PLACING_H

#include "peerd/blocks.h"
#include "peerd/place.h"
#include "peerd/store/store.h"

/* Times of a network whose tick is 10 s; where it is another, they scale. */
#define PLACING_REPAIR_MS (30 * 60 * 1000) /* too few copies for so long */
#define PLACING_WALK_MS   (60 * 60 * 1000) /* all blocks are looked at */
#define WARMTH_PASS_MS    (60 * 60 * 1000) /* all bodies held here are */
#define PLACING_TICK_MS   10000

#define LACKING_MAX 16384 /* blocks with too few copies that are watched */

/* That time in this network. */
int64_t placing_scaled(int64_t ms);

/* --- holders.c --- */

/* Look at the node records again; true when who is live has changed. */
bool holders_refresh(void);
size_t holders_nodes(void); /* live nodes that store blocks */
bool holders_is_live(const uint8_t id[32]);

/* Authors of live location records of a block, at most max. */
unsigned placing_holders(const uint8_t id[32], bool settled, uint8_t (*ids)[32],
    unsigned max);

/* Our place among those that should hold it, from 0; r or more: none. */
unsigned holders_rank(const uint8_t id[32], unsigned r);

/*
 * False when so many nodes score better than we that only a network of very
 * few groups would pick us: one hash instead of one for each node.  Good
 * enough where copies are not lacking.
 */
bool holders_may_rank(const uint8_t id[32], unsigned r);

/* --- placing.c --- */

void placing_start(void);
void placing_tick(void); /* a tick was settled */
void placing_look(const uint8_t id[32]);
void placing_fetched(const uint8_t id[32], bool good);
uint64_t placing_below(void); /* blocks known to have too few copies */
void placing_limits(limit_emit emit, void *arg);

/* --- warmth.c --- */

void warmth_read(const uint8_t id[32]); /* somebody read the body */
void warmth_limits(limit_emit emit, void *arg);
void warmth_tick(void);
void warmth_flush(void); /* write down what was read */

/* --- care.c --- */

void care_start(void);
void care_tick(void);

/* The manifest of a body that is held; false when it is not, or not whole. */
bool care_manifest(const uint8_t id[32], struct manifest *man);

/* Its file is gone or wrong: forget it, withdraw it, get it again. */
void care_lost(const uint8_t id[32], const char *why);

#endif
