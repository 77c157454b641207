/* SPDX-License-Identifier: ISC */
/*
 * Checking what a node answered, by its proof, against a root that came from
 * elsewhere: from a claim (claim.h), best agreed on by several nodes.  This
 * is all that a thin client needs, and it depends on nothing but BLAKE2b,
 * Ed25519 and the byte cursors.
 *
 * A question is a prefix of bits bits, 0..256; a key is one of 256, and 0
 * asks for the whole tree.  A proof that verifies answers it in full: the
 * count and sum of the records under the prefix and the hash of exactly
 * that set, see struct verify_answer.  The rest follows:
 *
 *   inclusion     bits = 256, found, and rid is the hash of the body shown
 *   absence       bits = 256, not found
 *   sum of ..     cnt and sum
 *   completeness  the entries shown rebuild the hash of the set
 *
 * Pure; tested in tests/unit/verify_test.c, fuzzed in verify_fuzz.c.
 */
#ifndef WARREN_VERIFY_H
#define WARREN_VERIFY_H

#include "common/claim.h"
#include "common/proof.h"

enum verify_err {
	VERIFY_OK,
	VERIFY_MALFORMED, /* not a proof at all */
	VERIFY_TICK,      /* of another tick than the claim */
	VERIFY_PATH,      /* leads elsewhere, or stops short of an answer */
	VERIFY_SUM,       /* counts or sums overflow */
	VERIFY_ROOT,      /* right in itself, but not of this root */
	VERIFY_DIFFERS    /* proven, and not what was said */
};

/* What is under the prefix. */
struct verify_answer {
	struct tree_sum set;  /* the node over exactly these records */
	bool found;           /* bits = 256 and the key is there */
	struct tree_entry at; /* that record */
};

/*
 * Check a proof for the prefix against a root of this network and tick; cnt
 * and sum of the whole tree must fit as well.  On VERIFY_OK *out is proven,
 * otherwise it is zeroed.
 */
enum verify_err verify_proof(struct verify_answer *out, const struct proof *p,
    const struct claim *root, const uint8_t prefix[32], unsigned bits);

/* The same from the bytes; VERIFY_MALFORMED zeroes *out as well. */
enum verify_err verify_bytes(struct verify_answer *out, const void *buf,
    size_t len, const struct claim *root, const uint8_t prefix[32],
    unsigned bits);

/* The record with this key has this rid; *w is set when not NULL. */
enum verify_err verify_inclusion(const void *buf, size_t len,
    const struct claim *root, const uint8_t key[32], const uint8_t rid[32],
    int32_t *w);

/* There is no record with this key. */
enum verify_err verify_absence(const void *buf, size_t len,
    const struct claim *root, const uint8_t key[32]);

/* The records under prefix are so many and sum up to so much. */
enum verify_err verify_sum(const void *buf, size_t len,
    const struct claim *root, const uint8_t prefix[32], unsigned bits,
    uint64_t *cnt, int64_t *sum);

/*
 * These n entries, in ascending order, are all the records under prefix: no
 * more, no fewer, none changed.
 */
enum verify_err verify_list(const void *buf, size_t len,
    const struct claim *root, const uint8_t prefix[32], unsigned bits,
    const struct tree_entry *e, size_t n);

/* For logs: "ok", "malformed", ... */
const char *verify_err_name(enum verify_err err);

#endif
