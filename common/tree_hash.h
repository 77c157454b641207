/* SPDX-License-Identifier: ISC */
/*
 * The hashes of the Merkle-sum Patricia tree, shared by the tree itself and
 * by those who check its proofs.
 *
 *   leaf   h = B2b(person "WarrenLeaf1", (K:32 | rid:32 | w:i64be) ..)
 *   branch h = B2b(person "WarrenNode1", salt = b:u16be | 14 zero bytes,
 *                  Lh:32 | Lcnt:u64be | Lsum:i64be | Rh | Rcnt | Rsum |
 *                  the first b bits of K, zero padded to 32)     128 bytes
 *   root   R = B2b(person "WarrenRoot1",
 *                  netid | tick:u64be | h | cnt:u64be | sum:i64be)
 *
 * A set of at most 8 records is a leaf, sorted by K; a larger one is a branch
 * at the first bit b where its keys differ, 0 to the left.  So a set has one
 * shape, whoever builds it.  A branch commits to the count and the sum of
 * each child by itself: hashing only their total is forgeable (ePrint
 * 2018/1139).  Bits are counted from the most significant bit of byte 0.
 * Pure; tested in tests/unit/mtree_test.c and verify_test.c against
 * tests/vectors/tree.txt.
 */
#ifndef WARREN_TREE_HASH_H
#define WARREN_TREE_HASH_H

#include "common/bytes.h"

#define TREE_BUCKET   8 /* records of a leaf at most */
#define TREE_KEY_BITS 256

#define TREE_ENTRY_LEN (32 + 32 + 8) /* of one record in a leaf's hash */

/* What a node says of the records below it. */
struct tree_sum {
	uint8_t h[32];
	uint64_t cnt;
	int64_t sum; /* of their w */
};

/* A record as the hash sees it. */
struct tree_entry {
	uint8_t key[32];
	uint8_t rid[32];
	int32_t w;
};

/* Bit number bit of key, 0..255. */
static inline unsigned
tree_bit(const uint8_t key[32], unsigned bit)
{
	return (key[bit / 8] >> (7 - bit % 8)) & 1u;
}

/* The first bit where a and b differ; TREE_KEY_BITS when they are equal. */
unsigned tree_diff_bit(const uint8_t a[32], const uint8_t b[32]);

/* True when a and b agree in their first bits bits, 0..256. */
bool tree_has_prefix(const uint8_t a[32], const uint8_t b[32], unsigned bits);

/* The first bits bits of key, the rest zero.  out may be key. */
void tree_mask(uint8_t out[32], const uint8_t key[32], unsigned bits);

/* *sum += add; false, and *sum as it was, when that overflows. */
bool tree_add_sum(int64_t *sum, int64_t add);
bool tree_add_count(uint64_t *cnt, uint64_t add);

/* A leaf of n <= TREE_BUCKET entries in ascending order; 0 is the empty tree. */
void tree_leaf(struct tree_sum *out, const struct tree_entry *e, size_t n);

/* Its two halves, for who keeps entries in another shape. */
void tree_leaf_put(uint8_t out[TREE_ENTRY_LEN], const uint8_t key[32],
    const uint8_t rid[32], int32_t w);
void tree_leaf_hash(uint8_t h[32], const uint8_t *in, size_t n);

/*
 * The branch at bit, 0..255, over left and right; key is any key below it.
 * False when count or sum overflow.  out may be left or right.
 */
bool tree_branch(struct tree_sum *out, unsigned bit, const uint8_t key[32],
    const struct tree_sum *left, const struct tree_sum *right);

/*
 * The node over a whole sorted set, built anew: what every tree that holds
 * exactly these records says.  False when keys are not strictly ascending or
 * a sum overflows.
 */
bool tree_of_sorted(struct tree_sum *out, const struct tree_entry *e, size_t n);

/* The root of a tick. */
void tree_root(uint8_t root[32], const uint8_t netid[32], uint64_t tick,
    const struct tree_sum *top);

#endif
