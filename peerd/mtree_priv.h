/* SPDX-License-Identifier: ISC */
/*
 * How the tree lies in memory: shared by mtree.c, which changes it,
 * mtree_loom.c, which makes its nodes, mtree_mem.c, which has room for them,
 * and mtree_read.c, which reads it.  Nobody else looks here.
 */
#ifndef WARREN_MTREE_PRIV_H
#define WARREN_MTREE_PRIV_H

#include "peerd/mtree.h"

/*
 * A node's name: its slab in the upper four bits (0 a branch, 1..8 a leaf of
 * so many), its place there in the lower 28.
 */
#define REF_NONE UINT32_MAX

static inline unsigned
ref_class(uint32_t ref)
{
	return ref >> 28;
}

static inline bool
ref_is_branch(uint32_t ref)
{
	return ref_class(ref) == 0;
}

/* 84 bytes: a million of them make every pad byte a megabyte. */
struct leaf_entry {
	uint8_t key[32];
	uint8_t rid[32];
	uint32_t hlc_hi, hlc_lo;
	uint32_t row_hi, row_lo;
	int32_t w;
};

/*
 * How many there are its class says.  The sum is kept, or asking a sibling
 * for it would fetch six cache lines; in two halves, so that blocks of odd
 * length stay aligned.
 */
struct leaf {
	uint8_t h[32];
	uint32_t sum_hi, sum_lo;
	struct leaf_entry e[];
};

/* The prefix is not here: any key below tells it. */
struct branch {
	uint8_t h[32];
	int64_t sum;
	uint32_t cnt;
	uint32_t kids[2];
	uint16_t bit;
};

/* Above 128 blocks a chunk, allocators would map pages for each. */
#define CHUNK_BLOCKS 128

static inline size_t
class_size(unsigned class)
{
	return class == 0
	    ? sizeof(struct branch)
	    : sizeof(struct leaf) + class * sizeof(struct leaf_entry);
}

static inline void *
ref_block(const struct mtree *t, uint32_t ref)
{
	unsigned class = ref_class(ref);
	uint32_t i = ref & 0x0fffffff;

	return t->slabs[class].chunks[i / CHUNK_BLOCKS] +
	    i % CHUNK_BLOCKS * class_size(class);
}

/*
 * Most of a batch's time is waiting for memory.  This fetches a node's head
 * ahead of its use; it changes nothing else.
 */
static inline void
ref_prefetch(const struct mtree *t, uint32_t ref)
{
	const uint8_t *at = ref_block(t, ref);

	__builtin_prefetch(at, 1);
	__builtin_prefetch(at + 39, 1); /* it may lie across two lines */
}

static inline struct branch *
ref_branch(const struct mtree *t, uint32_t ref)
{
	return ref_block(t, ref);
}

static inline struct leaf *
ref_leaf(const struct mtree *t, uint32_t ref)
{
	return ref_block(t, ref);
}

/* Some key below the node, borrowed; its leftmost. */
const uint8_t *mtree_some_key(const struct mtree *t, uint32_t ref);

/* The key below the node that agrees with key the longest, or as long. */
const uint8_t *mtree_near_key(const struct mtree *t, uint32_t ref,
    const uint8_t key[32]);

/* Hash, count and sum of a node. */
void mtree_node_sum(const struct mtree *t, uint32_t ref, struct tree_sum *out);

/* The tree_leaf() of n packed entries. */
void mtree_hash_leaf(struct tree_sum *out, const struct leaf_entry *e,
    size_t n);

/* mtree_mem.c */

/* A block of that class, its content undefined; REF_NONE: no memory. */
uint32_t mtree_get_block(struct mtree *t, unsigned class);
void mtree_put_block(struct mtree *t, uint32_t ref);

/* All of a list back to the slabs; the list is empty then. */
void mtree_put_blocks(struct mtree *t, struct mtree_refs *refs);

/* False: no memory. */
bool mtree_add_ref(struct mtree *t, struct mtree_refs *refs, uint32_t ref);

/* All memory back, both versions gone. */
void mtree_drop(struct mtree *t);

/* mtree_loom.c */

/*
 * A part of the new tree that waits for its right neighbour.  Neighbours
 * part at bits that grow from the bottom of the stack to its top, so there
 * are never more of them than bits.
 */
struct item {
	uint8_t key[32]; /* of something in it, as far as that can matter */
	uint32_t ref;    /* its node, once it has one */
	uint16_t bit;    /* where it parts from the item below */
	uint8_t n;       /* entries, while its shape is open; 0: settled */
};

/*
 * Items whose shape is not settled yet are a run at the top of the stack.  Of
 * more than a leaf's worth, the lowest must be a leaf by itself: what it
 * would share one with lies above it and is too many.  Their entries wait in
 * the window, in order, but for those of an old leaf, which are fetched only
 * when it is to share after all.
 */
struct loom {
	struct mtree *t;
	enum mtree_err err;
	bool from_old; /* note what comes and goes */
	unsigned n;
	unsigned low;      /* the lowest unsettled item */
	unsigned n_open;   /* entries of unsettled items ... */
	unsigned n_window; /* ... and those of them in the window */
	struct item items[TREE_KEY_BITS + 2];
	struct leaf_entry window[2 * TREE_BUCKET];
};

/* from_old: nodes of a current version are about, and this may fail. */
void mtree_loom_init(struct loom *lo, struct mtree *t, bool from_old);

/* The next entry, or the next old subtree with key as in struct item. */
void mtree_loom_entry(struct loom *lo, const struct leaf_entry *e);
void mtree_loom_node(struct loom *lo, uint32_t ref, const uint8_t key[32]);

/* Close everything; the node at the top, or REF_NONE of nothing. */
uint32_t mtree_loom_end(struct loom *lo);

/* An old node is not part of the new tree. */
void mtree_retire(struct loom *lo, uint32_t ref);

#endif
