/* SPDX-License-Identifier: ISC */
/*
 * The Merkle-sum Patricia tree over all settled records, in memory.  Hashes
 * and shape are those of common/tree_hash.h: one set of records has one tree.
 *
 *   current, tick t      previous, the tick before
 *         o                    o           Whatever no change touched is
 *        / \                  / \          shared.  The next batch makes a
 *      o'   `------ o -------'   o         new current; what only the old
 *     / \          / \          / \        previous used is reused.
 *
 * Changes come as one sorted batch a tick; only the nodes above a change are
 * hashed anew, once.  Entries lie in leaves of 1 to 8, each leaf a block of
 * just its size out of a slab for that size, so that copying one on write is
 * small and nothing is allocated per node.  About 103 bytes a record, and 8 MB
 * per 10,000 changes for each of the two versions.
 *
 * Who reads while the tick turns: nobody, the tree is one thread's.  Names of
 * nodes never leave this file; readers resume by key.  Memory comes from
 * struct mtree_mem; when it gives none, the batch is refused and current
 * stays.  Pure; tested in tests/unit/mtree_test.c against a sorted
 * array, fuzzed in mtree_fuzz.c.
 */
#ifndef WARREN_MTREE_H
#define WARREN_MTREE_H

#include "common/proof.h"

#define MTREE_RECORDS_MAX (UINT32_C(1) << 28)
#define MTREE_SPLIT_MAX   64
#define MTREE_CLASSES     (TREE_BUCKET + 1) /* leaves of 1..8, and branches */

enum mtree_err {
	MTREE_OK,
	MTREE_NOMEM, /* the allocator gave none */
	MTREE_ORDER, /* keys not strictly ascending */
	MTREE_TICK,  /* not later than the current tick */
	MTREE_SUM,   /* a count or sum would overflow */
	MTREE_FULL,  /* more than MTREE_RECORDS_MAX */
	MTREE_INPUT, /* the iterator of a build failed */
	MTREE_ROOM,  /* the answer does not fit the writer */
	MTREE_NONE   /* no such version */
};

enum mtree_ver { MTREE_CURRENT, MTREE_PREVIOUS, MTREE_VERS };

/* A record as the tree keeps it. */
struct mtree_entry {
	uint8_t key[32];
	uint8_t rid[32];
	uint64_t hlc; /* for anti-entropy; not part of any hash */
	uint64_t row; /* the caller's: where the rest is; nor is this */
	int32_t w;
};

/* One change of a batch: put e, replacing what has its key, or delete. */
struct mtree_change {
	struct mtree_entry e; /* deleting looks at e.key alone */
	bool del;
};

/* A part of the tree, for anti-entropy. */
struct mtree_range {
	uint8_t prefix[32]; /* bits beyond bits are zero */
	uint16_t bits;      /* 0..256 */
	struct tree_sum set;
};

/* Where memory comes from.  put gets the size that get was asked for. */
struct mtree_mem {
	void *(*get)(void *arg, size_t len); /* NULL: none left */
	void (*put)(void *arg, void *p, size_t len);
	void *arg;
};

/* Private from here ... */
struct mtree_slab {
	uint8_t **chunks; /* each of the same number of blocks */
	uint32_t n_chunks, cap_chunks;
	uint32_t n_blocks; /* handed out at least once */
	uint32_t free;     /* list through the blocks */
	uint32_t n_free;
};

struct mtree_refs {
	uint32_t *at;
	size_t n, cap;
};

struct mtree_root {
	uint32_t node;
	bool there;
	uint64_t tick;
};
/* ... to here. */

struct mtree {
	struct mtree_mem mem;
	struct mtree_slab slabs[MTREE_CLASSES];
	struct mtree_root roots[MTREE_VERS];
	struct mtree_refs retired; /* in previous and not in current */
	struct mtree_refs made;    /* by the batch under way */
	struct mtree_refs leaving; /* retired by the batch under way */
	size_t bytes;              /* held from mem now */
};

/* An empty tree of that tick, without a previous version.  Holds no memory. */
void mtree_init(struct mtree *t, const struct mtree_mem *mem, uint64_t tick);

/* Give all memory back.  Safe on a tree zeroed or finished already. */
void mtree_fini(struct mtree *t);

/*
 * Replace all there is by the entries that next() gives in ascending order
 * of key, as of tick; there is no previous version then.  next returns 1 and
 * fills *e, 0 at the end, -1 when it failed.  On any error the tree is
 * empty.
 */
enum mtree_err mtree_build(struct mtree *t, uint64_t tick,
    int (*next)(void *arg, struct mtree_entry *e), void *arg);

/*
 * Turn the tick: current becomes previous, and current with these changes,
 * in strictly ascending order of key, is the new current as of tick, which
 * must be later.  A put of what is there already and a delete of what is not
 * change nothing and are no error.  n may be 0.
 *
 * On MTREE_TICK and MTREE_ORDER both versions are as they were.  On any
 * other error current is as it was and there is no previous: its memory went
 * into the attempt, which saves a third generation of nodes.
 */
enum mtree_err mtree_apply(struct mtree *t, uint64_t tick,
    const struct mtree_change *ch, size_t n);

/* The version of that tick; false when neither is. */
bool mtree_find_tick(const struct mtree *t, uint64_t tick, enum mtree_ver *ver);

/* True when there is such a version; *tick is set to its tick. */
bool mtree_tick(const struct mtree *t, enum mtree_ver ver, uint64_t *tick);

/*
 * The readers below take an absent version for an empty tree, and prefix
 * with bits 0..256: bits of prefix beyond that are not looked at.
 */

/* Hash, count and sum of it all; tree_root() or claim_set() make R of it. */
void mtree_top(const struct mtree *t, enum mtree_ver ver, struct tree_sum *out);

/* The record of that key into *out; false when there is none. */
bool mtree_get(const struct mtree *t, enum mtree_ver ver, const uint8_t key[32],
    struct mtree_entry *out);

/*
 * Hash, count and sum of exactly the records under a prefix: what a tree of
 * these alone would say at its top.  So two nodes that hold the same records
 * there say the same.
 */
void mtree_sum(const struct mtree *t, enum mtree_ver ver,
    const uint8_t prefix[32], unsigned bits, struct tree_sum *out);

/*
 * The records under a prefix, in order, from the first whose key is above
 * *after, or from the first of all when after is NULL; at most max.  How
 * many; fewer than max means that was the last.  To go on, pass the last
 * key as after.
 */
size_t mtree_list(const struct mtree *t, enum mtree_ver ver,
    const uint8_t prefix[32], unsigned bits, const uint8_t *after,
    struct mtree_entry *out, size_t max);

/*
 * Cut the records under a prefix into at most max ranges, 1 to
 * MTREE_SPLIT_MAX, in ascending order: the largest is cut in two again and
 * again, but none of floor records or fewer, and no leaf.  A range's prefix
 * goes just past the bit where it was cut, and what is under prefix and in
 * no range, nobody here has.  How many; 0 when nothing is there.
 */
size_t mtree_split(const struct mtree *t, enum mtree_ver ver,
    const uint8_t prefix[32], unsigned bits, uint32_t floor,
    struct mtree_range *out, size_t max);

/*
 * Write the proof for a prefix (common/proof.h), or for a key when bits is
 * 256: inclusion and absence, sum and completeness alike.  MTREE_NONE or
 * MTREE_ROOM when it cannot; PROOF_MAX always suffices.
 */
enum mtree_err mtree_prove(const struct mtree *t, enum mtree_ver ver,
    const uint8_t prefix[32], unsigned bits, struct wr *w);

/* For logs: "ok", "out of memory", ... */
const char *mtree_err_name(enum mtree_err err);

#endif
