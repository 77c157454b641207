/* SPDX-License-Identifier: ISC */
/*
 * A claim: a node's signed word on the root of one tick.
 *
 *   claim = [ body:bin, sig:bin(64) ]
 *   body  = [ netid:bin(32), tick:uint, R:bin(32), cnt:uint, sum:int,
 *             node:bin(32), wall:uint ]
 *   sig   = Ed25519(node, "warren/claim/1\0" | body)
 *
 * Canonical msgpack.  R covers cnt and sum too; they are said again so that
 * they can be read.  wall is milliseconds since 1970 at signing, for people.
 * A root is a function of the records and the tick alone, so two claims of
 * one node for one tick that differ in R, cnt or sum prove it a liar, to
 * anybody.  Pure; tested in tests/unit/claim_test.c, fuzzed in claim_fuzz.c.
 */
#ifndef WARREN_CLAIM_H
#define WARREN_CLAIM_H

#include "common/bytes.h"
#include "common/tree_hash.h"

#define CLAIM_BODY_MAX 139 /* every number at its longest */
#define CLAIM_MAX      208 /* and the whole */
#define CLAIM_SIGN_MAX (15 + CLAIM_BODY_MAX)

struct claim {
	uint8_t netid[32];
	uint64_t tick;
	uint8_t root[32];
	uint64_t cnt;
	int64_t sum;
	uint8_t node[32];
	uint64_t wall_ms;
	uint8_t sig[64];
};

/* Fill in what follows from a tree's top; wall, node and sig are left. */
void claim_set(struct claim *c, const uint8_t netid[32], uint64_t tick,
    const struct tree_sum *top);

/* The bytes the node signs, at most CLAIM_SIGN_MAX; how many. */
size_t claim_sign_bytes(uint8_t out[CLAIM_SIGN_MAX], const struct claim *c);

/* Sign with libsodium's 64-byte secret key, whose public half is c->node. */
void claim_sign(struct claim *c, const uint8_t sk[64]);

/* Write the claim, CLAIM_MAX at most; w->bad when it does not fit. */
void claim_encode(struct wr *w, const struct claim *c);

/* Read it to the last byte; 0, or -1 when malformed.  Nothing is verified. */
int claim_decode(struct claim *c, const void *buf, size_t len);

/* True when c->sig is the node's. */
bool claim_verify(const struct claim *c);

/*
 * True when the two are proof that their node lies: both signed by it, for
 * the same network and tick, with different contents.
 */
bool claim_contradicts(const struct claim *a, const struct claim *b);

#endif
