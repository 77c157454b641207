/* SPDX-License-Identifier: ISC */
/*
 * Who asked our STUN server, and from where: the STUN data of peers.  Fact
 * when the address belongs to a peer on an authenticated link, otherwise
 * hearsay that is marked so and soon forgotten.  A source of UDP may be
 * forged, so the list is bounded, no network may fill it, and what is
 * unverified makes room before what is not.
 *
 * Two peers behind one outside address look alike here; the one whose link
 * came first keeps the entry.
 *
 * Pure; tested in tests/unit/requesters_test.c.
 */
#ifndef WARREN_REQUESTERS_H
#define WARREN_REQUESTERS_H

#include <stddef.h>

#include "common/mono.h"
#include "common/naddr.h"

#define REQUESTERS_MAX     256
#define REQUESTERS_HEADS   512              /* power of two */
#define REQUESTERS_NET_MAX 16               /* per /24 or /56 */
#define REQUESTERS_TTL_MS  (10 * 60 * 1000) /* of the unverified */
#define REQUESTERS_PEER    32               /* bytes of a node id */
#define REQUESTERS_KEY     16               /* bytes of a secret */

struct requester {
	struct naddr addr; /* as our server saw it */
	uint8_t proto;     /* enum mapping_proto */
	bool authenticated;
	uint8_t peer[REQUESTERS_PEER]; /* whose address; 0 when unverified */
	struct wall first, last;
	uint64_t count;
	/* private */
	uint64_t net;  /* keyed hash of its network */
	uint16_t head; /* hash chain it is in */
	uint16_t next; /* in that chain */
	uint16_t newer, older;
};

struct requesters {
	uint16_t n; /* entries 0..n-1 of list are in use */
	uint16_t newest, oldest;
	uint16_t max; /* entries wanted, at most REQUESTERS_MAX */
	uint64_t evicted;
	uint16_t heads[REQUESTERS_HEADS];
	uint8_t key[REQUESTERS_KEY];
	struct requester list[REQUESTERS_MAX];
};

/* An empty list.  key is secret. */
void requesters_init(struct requesters *rq, const uint8_t key[REQUESTERS_KEY]);

/* Keep at most this many; 0 keeps none.  The longest silent go first. */
void requesters_set_max(struct requesters *rq, uint16_t max);

/*
 * addr asked and was answered.  peer is the linked peer with that IP, NULL
 * when there is none.  When a network or the list is full, its longest
 * silent unverified entry makes room; a network full of verified ones
 * takes no unverified newcomer.
 */
void requesters_note(struct requesters *rq, const struct naddr *addr,
    uint8_t proto, const uint8_t *peer, struct wall now);

/* A peer linked up from this IP: its entries become fact. */
void requesters_link_up(struct requesters *rq, const struct naddr *ip,
    const uint8_t peer[REQUESTERS_PEER]);

/* Its last link ended: back to hearsay, with REQUESTERS_TTL_MS from now. */
void requesters_link_down(struct requesters *rq,
    const uint8_t peer[REQUESTERS_PEER], struct wall now);

/* Forget the unverified not heard of for REQUESTERS_TTL_MS; how many. */
size_t requesters_expire(struct requesters *rq, struct wall now);

/*
 * Walk from the latest to the longest silent: start with NULL, ends with
 * NULL.  Borrowed until the next change.
 */
const struct requester *requesters_next(const struct requesters *rq,
    const struct requester *at);

#endif
