/* SPDX-License-Identifier: ISC */
/*
 * Token buckets.  One bucket for a whole socket, or a fixed table of them
 * keyed by the network an address lies in, so that a million spoofed ports
 * or a whole /24 share one budget.  A bucket is a single number: the moment
 * at which it will be full again (the "virtual scheduling" of ITU I.371).
 * Pure; tested in tests/unit/ratelimit_test.c.
 */
#ifndef WARREN_RATELIMIT_H
#define WARREN_RATELIMIT_H

#include "common/mono.h"
#include "common/naddr.h"

#define RATELIMIT_KEY 16 /* bytes of a secret, crypto_shorthash_KEYBYTES */

struct rate {
	uint32_t per_s; /* sustained events a second; 0 = no limit at all */
	uint32_t burst; /* events at once after a rest; 0 counts as 1 */
};

struct bucket {
	int64_t step_ns;  /* time one event costs; 0 = no limit */
	int64_t slack_ns; /* how far ahead of the clock full_ns may run */
	int64_t full_ns;  /* when the bucket is full again */
};

struct ratelimit {
	int64_t step_ns;
	int64_t slack_ns;
	int64_t *full_ns; /* one bucket a slot; the caller's memory */
	uint32_t mask;    /* slots - 1 */
	uint8_t v4_bits, v6_bits;
	uint8_t key[RATELIMIT_KEY];
};

/* A full bucket. */
void bucket_init(struct bucket *b, struct rate rate);

/* Take one token.  False when there is none; refusals cost nothing. */
bool bucket_allow(struct bucket *b, struct mono now);

/*
 * A table of full buckets in slots[0..n), which must outlive it; n is a
 * power of two.  Addresses count by their first v4_bits or v6_bits, in plain
 * form (addr_canon) and without port.  key is secret, so that nobody can aim
 * at a victim's slot; networks that fall into one slot share its budget.
 */
void ratelimit_init(struct ratelimit *rl, struct rate rate, unsigned v4_bits,
    unsigned v6_bits, int64_t *slots, size_t n,
    const uint8_t key[RATELIMIT_KEY]);

/* Take one token of the network of from.  No allocation, constant time. */
bool ratelimit_allow(struct ratelimit *rl, const struct naddr *from,
    struct mono now);

#endif
