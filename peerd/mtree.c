/* SPDX-License-Identifier: ISC */
/*
 * The tree's memory and its changes, as promised in mtree.h.
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

/* Memory */

static void *
mem_get(struct mtree *t, size_t len)
{
	void *p = t->mem.get(t->mem.arg, len);

	if (p != NULL)
		t->bytes += len;
	return p;
}

static void
mem_put(struct mtree *t, void *p, size_t len)
{
	if (p == NULL)
		return;
	t->mem.put(t->mem.arg, p, len);
	t->bytes -= len;
}

/* Double an array of cap items of size bytes, n in use; false: no memory. */
static bool
grow(struct mtree *t, void **at, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap == 0 ? 64 : *cap * 2;
	void *p = mem_get(t, more * size);

	if (p == NULL)
		return false;
	if (n > 0)
		memcpy(p, *at, n * size);
	mem_put(t, *at, *cap * size);
	*at = p;
	*cap = more;
	return true;
}

static bool
refs_add(struct mtree *t, struct mtree_refs *refs, uint32_t ref)
{
	void *at = refs->at;

	if (refs->n == refs->cap) {
		if (!grow(t, &at, refs->n, &refs->cap, sizeof(ref)))
			return false;
		refs->at = at;
	}
	refs->at[refs->n++] = ref;
	return true;
}

static bool
slab_add_chunk(struct mtree *t, unsigned class)
{
	struct mtree_slab *s = &t->slabs[class];
	size_t cap = s->cap_chunks;
	void *at = s->chunks;
	uint8_t *chunk;

	if (s->n_chunks == s->cap_chunks) {
		if (!grow(t, &at, s->n_chunks, &cap, sizeof(*s->chunks)))
			return false;
		s->chunks = at;
		s->cap_chunks = (uint32_t)cap;
	}
	chunk = mem_get(t, CHUNK_BLOCKS * class_size(class));
	if (chunk == NULL)
		return false;
	s->chunks[s->n_chunks++] = chunk;
	return true;
}

/* A block of that class, its content undefined; REF_NONE: no memory. */
static uint32_t
block_get(struct mtree *t, unsigned class)
{
	struct mtree_slab *s = &t->slabs[class];
	uint32_t ref;

	if (s->n_free > 0) {
		ref = class << 28 | s->free;
		memcpy(&s->free, ref_block(t, ref), sizeof(s->free));
		if (--s->n_free > 0)
			ref_prefetch(t, class << 28 | s->free);
		return ref;
	}
	if (s->n_blocks == MTREE_RECORDS_MAX ||
	    (s->n_blocks == s->n_chunks * CHUNK_BLOCKS &&
		!slab_add_chunk(t, class)))
		return REF_NONE;
	return class << 28 | s->n_blocks++;
}

static void
block_put(struct mtree *t, uint32_t ref)
{
	struct mtree_slab *s = &t->slabs[ref_class(ref)];

	memcpy(ref_block(t, ref), &s->free, sizeof(s->free));
	s->free = ref & 0x0fffffff;
	s->n_free++;
}

static void
put_all(struct mtree *t, struct mtree_refs *refs)
{
	size_t i;

	for (i = 0; i < refs->n; i++) {
		if (i + 8 < refs->n)
			ref_prefetch(t, refs->at[i + 8]);
		block_put(t, refs->at[i]);
	}
	refs->n = 0;
}

static void
refs_fini(struct mtree *t, struct mtree_refs *refs)
{
	mem_put(t, refs->at, refs->cap * sizeof(*refs->at));
	memset(refs, 0, sizeof(*refs));
}

/* All memory back, both versions gone. */
static void
drop(struct mtree *t)
{
	struct mtree_slab *s;
	unsigned class;
	uint32_t i;

	for (class = 0; class < MTREE_CLASSES; class ++) {
		s = &t->slabs[class];
		for (i = 0; i < s->n_chunks; i++)
			mem_put(t, s->chunks[i],
			    CHUNK_BLOCKS * class_size(class));
		mem_put(t, s->chunks, s->cap_chunks * sizeof(*s->chunks));
		memset(s, 0, sizeof(*s));
	}
	refs_fini(t, &t->retired);
	refs_fini(t, &t->made);
	refs_fini(t, &t->leaving);
	memset(t->roots, 0, sizeof(t->roots));
	t->roots[MTREE_CURRENT].node = REF_NONE;
	t->roots[MTREE_PREVIOUS].node = REF_NONE;
}

void
mtree_init(struct mtree *t, const struct mtree_mem *mem, uint64_t tick)
{
	memset(t, 0, sizeof(*t));
	t->mem = *mem;
	drop(t);
	t->roots[MTREE_CURRENT].there = true;
	t->roots[MTREE_CURRENT].tick = tick;
}

void
mtree_fini(struct mtree *t)
{
	drop(t);
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

/* The loom */

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

static void
loom_init(struct loom *lo, struct mtree *t, bool from_old)
{
	lo->t = t;
	lo->err = MTREE_OK;
	lo->from_old = from_old;
	lo->n = lo->low = lo->n_open = lo->n_window = 0;
}

static uint32_t
make(struct loom *lo, unsigned class)
{
	uint32_t ref = block_get(lo->t, class);

	if (ref == REF_NONE) {
		lo->err = MTREE_NOMEM;
	} else if (lo->from_old && !refs_add(lo->t, &lo->t->made, ref)) {
		block_put(lo->t, ref);
		lo->err = MTREE_NOMEM;
		ref = REF_NONE;
	}
	return ref;
}

/* An old node is not part of the new tree. */
static void
retire(struct loom *lo, uint32_t ref)
{
	if (ref != REF_NONE && !refs_add(lo->t, &lo->t->leaving, ref))
		lo->err = MTREE_NOMEM;
}

/* The lowest unsettled item becomes a leaf, if it is not one already. */
static void
settle(struct loom *lo)
{
	struct item *it = &lo->items[lo->low];
	struct tree_sum sum;
	struct leaf *l;

	if (it->ref == REF_NONE) {
		it->ref = make(lo, it->n);
		if (it->ref == REF_NONE)
			return;
		l = ref_leaf(lo->t, it->ref);
		memcpy(l->e, lo->window, it->n * sizeof(l->e[0]));
		mtree_hash_leaf(&sum, l->e, it->n);
		memcpy(l->h, sum.h, 32);
		l->sum_hi = (uint32_t)((uint64_t)sum.sum >> 32);
		l->sum_lo = (uint32_t)sum.sum;
		lo->n_window -= it->n;
		memmove(lo->window, lo->window + it->n,
		    lo->n_window * sizeof(lo->window[0]));
	}
	lo->n_open -= it->n;
	it->n = 0;
	lo->low++;
}

static void
settle_until(struct loom *lo, unsigned n_max)
{
	while (lo->err == MTREE_OK && lo->n_open > n_max)
		settle(lo);
}

/* Fetch an old leaf's entries into the window, n_above from its end. */
static void
open_leaf(struct loom *lo, struct item *it, unsigned n_above)
{
	struct leaf_entry *at = lo->window + lo->n_window - n_above;

	if (it->ref == REF_NONE)
		return;
	memmove(at + it->n, at, n_above * sizeof(*at));
	memcpy(at, ref_leaf(lo->t, it->ref)->e, it->n * sizeof(*at));
	lo->n_window += it->n;
	retire(lo, it->ref);
	it->ref = REF_NONE;
}

/* A branch over two settled items, into the left one. */
static void
join(struct loom *lo, struct item *left, const struct item *right)
{
	struct tree_sum sum, ls, rs;
	struct branch *b;
	uint32_t ref;

	mtree_node_sum(lo->t, left->ref, &ls);
	mtree_node_sum(lo->t, right->ref, &rs);
	if (!tree_branch(&sum, right->bit, left->key, &ls, &rs))
		lo->err = MTREE_SUM;
	else if (sum.cnt > MTREE_RECORDS_MAX)
		lo->err = MTREE_FULL;
	if (lo->err != MTREE_OK)
		return;
	ref = make(lo, 0);
	if (ref == REF_NONE)
		return;
	b = ref_branch(lo->t, ref);
	memcpy(b->h, sum.h, 32);
	b->sum = sum.sum;
	b->cnt = (uint32_t)sum.cnt;
	b->kids[0] = left->ref;
	b->kids[1] = right->ref;
	b->bit = right->bit;
	left->ref = ref;
}

/* The two topmost items become one. */
static void
close_top(struct loom *lo)
{
	struct item *left = &lo->items[lo->n - 2], *right = left + 1;

	if (lo->low <= lo->n - 2) { /* neither is settled: a leaf's worth */
		open_leaf(lo, right, 0);
		open_leaf(lo, left, right->n);
		left->n = (uint8_t)(left->n + right->n);
		lo->n--;
		return;
	}
	settle_until(lo, 0);
	if (lo->err == MTREE_OK)
		join(lo, left, right);
	lo->n--;
	lo->low = lo->n;
}

/* Room on the stack for what begins with key and lies right of all. */
static struct item *
push(struct loom *lo, const uint8_t key[32])
{
	struct item *it;
	unsigned bit = 0;

	if (lo->n > 0) {
		bit = tree_diff_bit(lo->items[lo->n - 1].key, key);
		if (bit == TREE_KEY_BITS || tree_bit(key, bit) == 0)
			lo->err = MTREE_ORDER;
		while (lo->err == MTREE_OK && lo->n > 1 &&
		    lo->items[lo->n - 1].bit > bit)
			close_top(lo);
	}
	if (lo->err != MTREE_OK)
		return NULL;
	it = &lo->items[lo->n++];
	memcpy(it->key, key, 32);
	it->ref = REF_NONE;
	it->bit = (uint16_t)bit;
	it->n = 0;
	return it;
}

static void
loom_entry(struct loom *lo, const struct leaf_entry *e)
{
	struct item *it;

	if (lo->err != MTREE_OK || (it = push(lo, e->key)) == NULL)
		return;
	it->n = 1;
	lo->n_open++;
	lo->window[lo->n_window++] = *e;
	settle_until(lo, TREE_BUCKET);
}

/* A whole old subtree; key as in struct item. */
static void
loom_node(struct loom *lo, uint32_t ref, const uint8_t key[32])
{
	struct item *it;

	if (lo->err != MTREE_OK || (it = push(lo, key)) == NULL)
		return;
	it->ref = ref;
	if (ref_is_branch(ref)) { /* too many for whoever waits below */
		settle_until(lo, 0);
		lo->low = lo->n;
		return;
	}
	it->n = (uint8_t)ref_class(ref);
	lo->n_open += it->n;
	settle_until(lo, TREE_BUCKET);
}

/* Close everything; the node at the top, or REF_NONE of nothing. */
static uint32_t
loom_end(struct loom *lo)
{
	while (lo->err == MTREE_OK && lo->n > 1)
		close_top(lo);
	settle_until(lo, 0);
	return lo->err == MTREE_OK && lo->n == 1 ? lo->items[0].ref : REF_NONE;
}

/* Building */

static void
pack(struct leaf_entry *out, const struct mtree_entry *e)
{
	memcpy(out->key, e->key, 32);
	memcpy(out->rid, e->rid, 32);
	out->hlc_hi = (uint32_t)(e->hlc >> 32);
	out->hlc_lo = (uint32_t)e->hlc;
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

	drop(t);
	t->roots[MTREE_CURRENT].there = true;
	t->roots[MTREE_CURRENT].tick = tick;
	loom_init(&lo, t, false);
	while (lo.err == MTREE_OK && (rc = next(arg, &e)) > 0) {
		pack(&packed, &e);
		loom_entry(&lo, &packed);
	}
	top = loom_end(&lo);
	if (lo.err == MTREE_OK && rc < 0)
		lo.err = MTREE_INPUT;
	if (lo.err == MTREE_OK) {
		t->roots[MTREE_CURRENT].node = top;
		return MTREE_OK;
	}
	drop(t);
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
	loom_entry(lo, &e);
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

	retire(lo, ref);
	while (i < ref_class(ref) || c < n) {
		if (i == ref_class(ref))
			cmp = 1;
		else if (c == n)
			cmp = -1;
		else
			cmp = memcmp(l->e[i].key, ch[c].e.key, 32);
		if (cmp < 0) {
			loom_entry(lo, &l->e[i++]);
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
		loom_node(lo, ref, key);
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
		loom_node(lo, ref, key);
	} else {
		retire(lo, ref);
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
	put_all(t, &t->retired);
	t->roots[MTREE_PREVIOUS] = (struct mtree_root){ .node = REF_NONE };
	loom_init(&lo, t, true);
	if (now->node == REF_NONE)
		weave_changes(&lo, ch, n);
	else
		weave(&lo, now->node, mtree_some_key(t, now->node), ch, n,
		    SIZE_MAX);
	top = loom_end(&lo);
	if (lo.err != MTREE_OK) {
		put_all(t, &t->made);
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
