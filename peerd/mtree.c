/* SPDX-License-Identifier: ISC */
/*
 * The tree and its changes, as promised in mtree.h.
 *
 * A batch walks the old tree in the order of keys and gives what it meets to
 * a loom: single entries where something changed, whole subtrees where
 * nothing did.  The loom weaves them into the one shape that the set has.
 * So there is one way to make a tree, for a build and a batch alike, and no
 * case for splitting a leaf or closing up a branch.
 */
#include "peerd/mtree.h"

#include <string.h>

#include "common/assert.h"
#include "peerd/mtree_priv.h"

void
mtree_init(struct mtree *t, const struct mtree_mem *mem, uint64_t tick)
{
	memset(t, 0, sizeof(*t));
	t->mem = *mem;
	mtree_drop(t);
	t->roots[MTREE_CURRENT].there = true;
	t->roots[MTREE_CURRENT].tick = tick;
}

void
mtree_fini(struct mtree *t)
{
	mtree_drop(t);
	ASSERT(t->bytes == 0);
}

/* Nodes */

const uint8_t *
mtree_some_key(const struct mtree *t, uint32_t ref)
{
	while (ref_is_branch(ref))
		ref = ref_branch(t, ref)->kids[0];
	return ref_leaf(t, ref)->e[0].key;
}

void
mtree_hash_leaf(struct tree_sum *out, const struct leaf_entry *e, size_t n)
{
	uint8_t in[TREE_BUCKET * TREE_ENTRY_LEN];
	size_t i;

	out->cnt = n;
	out->sum = 0;
	for (i = 0; i < n; i++) {
		tree_leaf_put(in + i * TREE_ENTRY_LEN, e[i].key, e[i].rid,
		    e[i].w);
		out->sum += e[i].w;
	}
	tree_leaf_hash(out->h, in, n);
}

void
mtree_node_sum(const struct mtree *t, uint32_t ref, struct tree_sum *out)
{
	const struct branch *b;
	const struct leaf *l;

	if (ref_is_branch(ref)) {
		b = ref_branch(t, ref);
		memcpy(out->h, b->h, 32);
		out->cnt = b->cnt;
		out->sum = b->sum;
		return;
	}
	l = ref_leaf(t, ref);
	memcpy(out->h, l->h, 32);
	out->cnt = ref_class(ref);
	out->sum = (int64_t)((uint64_t)l->sum_hi << 32 | l->sum_lo);
}

const uint8_t *
mtree_near_key(const struct mtree *t, uint32_t ref, const uint8_t key[32])
{
	const struct branch *b;

	while (ref_is_branch(ref)) {
		b = ref_branch(t, ref);
		ref = b->kids[tree_bit(key, b->bit)];
	}
	return ref_leaf(t, ref)->e[0].key;
}

/* Building */

static void
pack(struct leaf_entry *out, const struct mtree_entry *e)
{
	memcpy(out->key, e->key, 32);
	memcpy(out->rid, e->rid, 32);
	out->hlc_hi = (uint32_t)(e->hlc >> 32);
	out->hlc_lo = (uint32_t)e->hlc;
	out->row_hi = (uint32_t)(e->row >> 32);
	out->row_lo = (uint32_t)e->row;
	out->w = e->w;
}

enum mtree_err
mtree_build(struct mtree *t, uint64_t tick,
    int (*next)(void *arg, struct mtree_entry *e), void *arg)
{
	struct leaf_entry packed;
	struct mtree_entry e;
	struct loom lo;
	uint32_t top;
	int rc = 0;

	mtree_drop(t);
	t->roots[MTREE_CURRENT].there = true;
	t->roots[MTREE_CURRENT].tick = tick;
	mtree_loom_init(&lo, t, false);
	while (lo.err == MTREE_OK && (rc = next(arg, &e)) > 0) {
		pack(&packed, &e);
		mtree_loom_entry(&lo, &packed);
	}
	top = mtree_loom_end(&lo);
	if (lo.err == MTREE_OK && rc < 0)
		lo.err = MTREE_INPUT;
	if (lo.err == MTREE_OK) {
		t->roots[MTREE_CURRENT].node = top;
		return MTREE_OK;
	}
	mtree_drop(t);
	t->roots[MTREE_CURRENT].there = true;
	t->roots[MTREE_CURRENT].tick = tick;
	return lo.err;
}

/* Changing */

static void
weave_change(struct loom *lo, const struct mtree_change *ch)
{
	struct leaf_entry e;

	if (ch->del)
		return;
	pack(&e, &ch->e);
	mtree_loom_entry(lo, &e);
}

static void
weave_changes(struct loom *lo, const struct mtree_change *ch, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		weave_change(lo, &ch[i]);
}

/* The entries of a leaf with changes among them: a merge of two lists. */
static void
weave_leaf(struct loom *lo, uint32_t ref, const struct mtree_change *ch,
    size_t n)
{
	const struct leaf *l = ref_leaf(lo->t, ref);
	unsigned i = 0;
	size_t c = 0;
	int cmp;

	mtree_retire(lo, ref);
	while (i < ref_class(ref) || c < n) {
		if (i == ref_class(ref))
			cmp = 1;
		else if (c == n)
			cmp = -1;
		else
			cmp = memcmp(l->e[i].key, ch[c].e.key, 32);
		if (cmp < 0) {
			mtree_loom_entry(lo, &l->e[i++]);
			continue;
		}
		weave_change(lo, &ch[c++]);
		i += cmp == 0;
	}
}

/*
 * How many of the changes have keys whose first bits bits are below those of
 * key; with or_equal, those that have the same as well.
 */
static size_t
count_below(const struct mtree_change *ch, size_t n, const uint8_t key[32],
    unsigned bits, bool or_equal)
{
	size_t lo = 0, hi = n, mid;
	unsigned differ;
	bool below;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		differ = tree_diff_bit(ch[mid].e.key, key);
		below = differ >= bits ? or_equal : tree_bit(key, differ) != 0;
		if (below)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * Walk to the leaves of a few changes below ref side by side, one level at a
 * time, so that memory fetches for all of them at once what weaving would
 * wait for one by one: a sixth of a large batch's time.
 */
#define WARM 32

static void
warm(const struct mtree *t, uint32_t ref, const struct mtree_change *ch,
    size_t n)
{
	uint32_t at[WARM];
	const struct branch *b;
	const uint8_t *line;
	bool more = true;
	unsigned side;
	size_t i, len;

	for (i = 0; i < n; i++)
		at[i] = ref;
	while (more) {
		more = false;
		for (i = 0; i < n; i++) {
			if (!ref_is_branch(at[i]))
				continue;
			b = ref_branch(t, at[i]);
			side = tree_bit(ch[i].e.key, b->bit);
			at[i] = b->kids[side];
			ref_prefetch(t, b->kids[1 - side]);
			ref_prefetch(t, at[i]);
			more = true;
		}
	}
	for (i = 0; i < n; i++) {
		line = ref_block(t, at[i]);
		for (len = 64; len < class_size(ref_class(at[i])); len += 64)
			__builtin_prefetch(line + len);
	}
}

/*
 * Weave a subtree and the n changes that lie at its place.  key is one below
 * it, where n > 0; else it need only begin as they all do, past the bit
 * where they part from their neighbours.  n_above: changes of its parent.
 */
static void
weave(struct loom *lo, uint32_t ref, const uint8_t key[32],
    const struct mtree_change *ch, size_t n, size_t n_above)
{
	const struct branch *b;
	size_t from, mid, to;
	uint8_t other[32];
	unsigned side;

	if (lo->err != MTREE_OK)
		return;
	if (n == 0) {
		mtree_loom_node(lo, ref, key);
		return;
	}
	if (!ref_is_branch(ref)) {
		weave_leaf(lo, ref, ch, n);
		return;
	}
	if (n <= WARM && n_above > WARM)
		warm(lo->t, ref, ch, n);
	b = ref_branch(lo->t, ref);
	from = count_below(ch, n, key, b->bit, false);
	to = from + count_below(ch + from, n - from, key, b->bit, true);
	weave_changes(lo, ch, from);
	if (from == to) {
		mtree_loom_node(lo, ref, key);
	} else {
		mtree_retire(lo, ref);
		side = tree_bit(key, b->bit);
		memcpy(other, key, 32);
		other[b->bit / 8] ^= (uint8_t)(0x80 >> b->bit % 8);
		mid = from +
		    count_below(ch + from, to - from, side == 0 ? other : key,
			b->bit + 1u, false);
		/*
		 * A made-up key will do for a side nothing changes on.  On
		 * the other, we go now where we shall go anyway.
		 */
		if (side == 0 && mid < to)
			memcpy(other,
			    mtree_near_key(lo->t, b->kids[1], ch[mid].e.key),
			    32);
		else if (side == 1 && from < mid)
			memcpy(other,
			    mtree_near_key(lo->t, b->kids[0], ch[from].e.key),
			    32);
		weave(lo, b->kids[0], side == 0 ? key : other, ch + from,
		    mid - from, n);
		weave(lo, b->kids[1], side == 0 ? other : key, ch + mid,
		    to - mid, n);
	}
	weave_changes(lo, ch + to, n - to);
}

static bool
is_sorted(const struct mtree_change *ch, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (memcmp(ch[i - 1].e.key, ch[i].e.key, 32) >= 0)
			return false;
	return true;
}

enum mtree_err
mtree_apply(struct mtree *t, uint64_t tick, const struct mtree_change *ch,
    size_t n)
{
	struct mtree_root *now = &t->roots[MTREE_CURRENT];
	struct mtree_refs spare;
	struct loom lo;
	uint32_t top;

	if (tick <= now->tick)
		return MTREE_TICK;
	if (!is_sorted(ch, n))
		return MTREE_ORDER;
	/* What only the old previous still used makes room for the new. */
	mtree_put_blocks(t, &t->retired);
	t->roots[MTREE_PREVIOUS] = (struct mtree_root){ .node = REF_NONE };
	mtree_loom_init(&lo, t, true);
	if (now->node == REF_NONE)
		weave_changes(&lo, ch, n);
	else
		weave(&lo, now->node, mtree_some_key(t, now->node), ch, n,
		    SIZE_MAX);
	top = mtree_loom_end(&lo);
	if (lo.err != MTREE_OK) {
		mtree_put_blocks(t, &t->made);
		t->leaving.n = 0;
		return lo.err;
	}
	spare = t->retired;
	t->retired = t->leaving;
	t->leaving = spare;
	t->made.n = 0;
	t->roots[MTREE_PREVIOUS] = *now;
	now->node = top;
	now->tick = tick;
	return MTREE_OK;
}

const char *
mtree_err_name(enum mtree_err err)
{
	static const char *const names[] = {
		[MTREE_OK] = "ok",
		[MTREE_NOMEM] = "out of memory",
		[MTREE_ORDER] = "out of order",
		[MTREE_TICK] = "tick not later",
		[MTREE_SUM] = "sum overflows",
		[MTREE_FULL] = "too many records",
		[MTREE_INPUT] = "input failed",
		[MTREE_ROOM] = "answer too long",
		[MTREE_NONE] = "no such version",
	};

	return names[err];
}
