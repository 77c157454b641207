/* SPDX-License-Identifier: ISC */
/*
 * Which nodes hold a block: rendezvous hashing.  Each node's score for a
 * block is
 *
 *   BLAKE2b-256(person "WarrenPlace1", block id | node id), its first 8 bytes
 *
 * and the highest win, so whoever knows the same nodes picks the same ones,
 * and a node that comes or goes moves its own share and no more.  A second
 * node of a region or of a network group (IPv4 /16, IPv6 /32) that has one
 * already is passed over while others remain: what fails together should not
 * hold all copies, and one who rents a network should not win them all.
 * Pure; tested in tests/unit/place_test.c.
 */
#ifndef WARREN_PLACE_H
#define WARREN_PLACE_H

#include "common/naddr.h"
#include "peerd/noderec.h"

#define PLACE_PICK_MAX 32

struct place_node {
	uint8_t id[32];
	uint64_t group; /* place_group(); nodes that hide theirs share 0 */
	char region[NODEREC_REGION_MAX + 1]; /* empty: not said, so no rule */
};

/* The network an address belongs to; 0 when it has none. */
uint64_t place_group(const struct naddr *a);

/* What a node says of itself, for the table. */
void place_node_set(struct place_node *pn, const uint8_t id[32],
    const struct noderec *nr);

uint64_t place_score(const uint8_t block[32], const uint8_t node[32]);

/*
 * Pick at most r (<= PLACE_PICK_MAX) of n nodes for a block, best first, as
 * indices into nodes[].  How many were picked: r, or n when there are fewer.
 * scores[] is the caller's scratch memory, n of them.  The order of nodes[]
 * does not matter.
 */
unsigned place_pick(const struct place_node *nodes, size_t n,
    const uint8_t block[32], unsigned r, uint64_t *scores, uint32_t *out);

#endif
