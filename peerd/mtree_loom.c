/* SPDX-License-Identifier: ISC */
/*
 * The loom: weaves entries and whole old subtrees, given in the order of
 * their keys, into the one shape that their set has, and hashes each new
 * node once.
 */
#include <string.h>

#include "peerd/mtree_priv.h"

void
mtree_loom_init(struct loom *lo, struct mtree *t, bool from_old)
{
	lo->t = t;
	lo->err = MTREE_OK;
	lo->from_old = from_old;
	lo->n = lo->low = lo->n_open = lo->n_window = 0;
}

static uint32_t
make(struct loom *lo, unsigned class)
{
	uint32_t ref = mtree_get_block(lo->t, class);

	if (ref == REF_NONE) {
		lo->err = MTREE_NOMEM;
	} else if (lo->from_old && !mtree_add_ref(lo->t, &lo->t->made, ref)) {
		mtree_put_block(lo->t, ref);
		lo->err = MTREE_NOMEM;
		ref = REF_NONE;
	}
	return ref;
}

void
mtree_retire(struct loom *lo, uint32_t ref)
{
	if (ref != REF_NONE && !mtree_add_ref(lo->t, &lo->t->leaving, ref))
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
	mtree_retire(lo, it->ref);
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

void
mtree_loom_entry(struct loom *lo, const struct leaf_entry *e)
{
	struct item *it;

	if (lo->err != MTREE_OK || (it = push(lo, e->key)) == NULL)
		return;
	it->n = 1;
	lo->n_open++;
	lo->window[lo->n_window++] = *e;
	settle_until(lo, TREE_BUCKET);
}

void
mtree_loom_node(struct loom *lo, uint32_t ref, const uint8_t key[32])
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

uint32_t
mtree_loom_end(struct loom *lo)
{
	while (lo->err == MTREE_OK && lo->n > 1)
		close_top(lo);
	settle_until(lo, 0);
	return lo->err == MTREE_OK && lo->n == 1 ? lo->items[0].ref : REF_NONE;
}
