/* SPDX-License-Identifier: ISC */
/*
 * What one stranger can be told apart by: an IPv4 address or an IPv6 /64.
 * And an exact table of counters by prefix, sized at start, for connections.
 * Pure; tested in tests/unit/limit_test.c.
 */
#ifndef WARREN_PREFIX_H
#define WARREN_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/naddr.h"

#define PREFIX_KEY_LEN 16 /* of siphash */

struct prefix {
	uint64_t bits; /* of the address, in network order as it lies */
	uint8_t fam;   /* enum naddr_fam; an IPv4-mapped address is IPv4 */
	bool loopback;
};

void prefix_of(struct prefix *p, const struct naddr *addr);
void prefix_to_addr(const struct prefix *p, struct naddr *addr);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
uint64_t prefix_hash(const struct prefix *p, const uint8_t key[PREFIX_KEY_LEN]);

struct prefix_slot {
	uint64_t bits;
	uint32_t count; /* 0: free */
	uint8_t fam;
};

/* cap is a power of two, at least twice what is ever counted at once. */
struct prefix_count {
	struct prefix_slot *slots; /* the caller's */
	size_t cap;
	uint8_t key[PREFIX_KEY_LEN];
};

/* Slots needed for n things counted at once. */
size_t prefix_slots(size_t n);

/* Count one more and return true, or refuse above max (0: no bound). */
bool prefix_take(struct prefix_count *pc, const struct prefix *p, uint32_t max);
void prefix_drop(struct prefix_count *pc, const struct prefix *p);

#endif
