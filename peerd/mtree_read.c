/* SPDX-License-Identifier: ISC */
/*
 * Reading a version of the tree, as promised in mtree.h.
 *
 * Nodes keep no prefix.  Where one matters, we first follow the key asked
 * for down to some leaf: of all keys in the tree, one there agrees with it
 * the longest, and the bit where they differ says at which node above the
 * two part.
 */
#include <string.h>

#include "common/assert.h"
#include "peerd/mtree.h"
#include "peerd/mtree_priv.h"

/* What is under a prefix: nothing, one node, or a part of a leaf. */
struct cover {
	uint32_t ref; /* REF_NONE: nothing */
	struct leaf_entry
	    e[TREE_BUCKET]; /* of a leaf: those under the prefix */
	size_t n;
};

static void
unpack(struct mtree_entry *out, const struct leaf_entry *e)
{
	memcpy(out->key, e->key, 32);
	memcpy(out->rid, e->rid, 32);
	out->hlc = (uint64_t)e->hlc_hi << 32 | e->hlc_lo;
	out->row = (uint64_t)e->row_hi << 32 | e->row_lo;
	out->w = e->w;
}

static uint32_t
top_of(const struct mtree *t, enum mtree_ver ver)
{
	return t->roots[ver].there ? t->roots[ver].node : REF_NONE;
}

/* The leaf that key leads to from ref. */
static uint32_t
follow(const struct mtree *t, uint32_t ref, const uint8_t key[32])
{
	const struct branch *b;

	while (ref_is_branch(ref)) {
		b = ref_branch(t, ref);
		ref = b->kids[tree_bit(key, b->bit)];
	}
	return ref;
}

static void
find_cover(struct cover *c, const struct mtree *t, enum mtree_ver ver,
    const uint8_t prefix[32], unsigned bits)
{
	const struct leaf *l;
	const struct branch *b;
	unsigned i;

	ASSERT(bits <= TREE_KEY_BITS);
	c->n = 0;
	c->ref = top_of(t, ver);
	if (c->ref == REF_NONE)
		return;
	while (ref_is_branch(c->ref)) {
		b = ref_branch(t, c->ref);
		if (b->bit >= bits)
			break;
		c->ref = b->kids[tree_bit(prefix, b->bit)];
	}
	if (ref_is_branch(c->ref)) {
		/* All below share bits bits, so any key speaks for all. */
		if (!tree_has_prefix(mtree_some_key(t, c->ref), prefix, bits))
			c->ref = REF_NONE;
		return;
	}
	l = ref_leaf(t, c->ref);
	for (i = 0; i < ref_class(c->ref); i++)
		if (tree_has_prefix(l->e[i].key, prefix, bits))
			c->e[c->n++] = l->e[i];
	if (c->n == 0)
		c->ref = REF_NONE;
}

bool
mtree_tick(const struct mtree *t, enum mtree_ver ver, uint64_t *tick)
{
	*tick = t->roots[ver].tick;
	return t->roots[ver].there;
}

bool
mtree_find_tick(const struct mtree *t, uint64_t tick, enum mtree_ver *ver)
{
	for (*ver = MTREE_CURRENT; *ver < MTREE_VERS; (*ver)++)
		if (t->roots[*ver].there && t->roots[*ver].tick == tick)
			return true;
	*ver = MTREE_CURRENT;
	return false;
}

void
mtree_top(const struct mtree *t, enum mtree_ver ver, struct tree_sum *out)
{
	uint32_t ref = top_of(t, ver);

	if (ref == REF_NONE)
		tree_leaf(out, NULL, 0);
	else
		mtree_node_sum(t, ref, out);
}

bool
mtree_get(const struct mtree *t, enum mtree_ver ver, const uint8_t key[32],
    struct mtree_entry *out)
{
	uint32_t ref = top_of(t, ver);
	const struct leaf *l;
	unsigned i;

	if (ref == REF_NONE)
		return false;
	ref = follow(t, ref, key);
	l = ref_leaf(t, ref);
	for (i = 0; i < ref_class(ref); i++) {
		if (memcmp(l->e[i].key, key, 32) == 0) {
			unpack(out, &l->e[i]);
			return true;
		}
	}
	return false;
}

void
mtree_sum(const struct mtree *t, enum mtree_ver ver, const uint8_t prefix[32],
    unsigned bits, struct tree_sum *out)
{
	struct cover c;

	find_cover(&c, t, ver, prefix, bits);
	if (c.ref != REF_NONE && ref_is_branch(c.ref))
		mtree_node_sum(t, c.ref, out);
	else
		mtree_hash_leaf(out, c.e, c.n);
}

/* Listing: the nodes still to come, nearest on top. */
struct walk {
	uint32_t refs[TREE_KEY_BITS + 1];
	unsigned n;
};

/*
 * Put on the walk what lies right of after under ref.  Where after and the
 * keys of a node differ before its bit, the node lies all on one side.
 */
static void
walk_from(struct walk *wk, const struct mtree *t, uint32_t ref,
    const uint8_t after[32])
{
	const struct branch *b;
	unsigned differ;

	differ =
	    tree_diff_bit(ref_leaf(t, follow(t, ref, after))->e[0].key, after);
	while (ref_is_branch(ref)) {
		b = ref_branch(t, ref);
		if (differ < b->bit) {
			if (tree_bit(after, differ) != 0)
				return;
			break;
		}
		if (tree_bit(after, b->bit) == 0) {
			wk->refs[wk->n++] = b->kids[1];
			ref = b->kids[0];
		} else {
			ref = b->kids[1];
		}
	}
	wk->refs[wk->n++] = ref;
}

static size_t
list_entries(const struct leaf_entry *e, size_t n, const uint8_t *after,
    struct mtree_entry *out, size_t max)
{
	size_t i, got = 0;

	for (i = 0; i < n && got < max; i++)
		if (after == NULL || memcmp(e[i].key, after, 32) > 0)
			unpack(&out[got++], &e[i]);
	return got;
}

size_t
mtree_list(const struct mtree *t, enum mtree_ver ver, const uint8_t prefix[32],
    unsigned bits, const uint8_t *after, struct mtree_entry *out, size_t max)
{
	const struct branch *b;
	struct walk wk;
	struct cover c;
	size_t got = 0;
	uint32_t ref;

	find_cover(&c, t, ver, prefix, bits);
	if (c.ref == REF_NONE)
		return 0;
	if (!ref_is_branch(c.ref))
		return list_entries(c.e, c.n, after, out, max);
	wk.n = 0;
	if (after == NULL)
		wk.refs[wk.n++] = c.ref;
	else
		walk_from(&wk, t, c.ref, after);
	while (wk.n > 0 && got < max) {
		ref = wk.refs[--wk.n];
		if (ref_is_branch(ref)) {
			b = ref_branch(t, ref);
			wk.refs[wk.n++] = b->kids[1];
			wk.refs[wk.n++] = b->kids[0];
		} else {
			got += list_entries(ref_leaf(t, ref)->e, ref_class(ref),
			    after, out + got, max - got);
		}
	}
	return got;
}

/* Splitting */

/* A node of a split, and where it parts from the one before it. */
struct part {
	uint32_t ref;
	uint16_t bits;
};

/* The largest branch that has more than floor records, or n. */
static size_t
largest(const struct mtree *t, const struct part *parts, size_t n,
    uint32_t floor)
{
	const struct branch *b;
	uint32_t most = floor;
	size_t i, at = n;

	for (i = 0; i < n; i++) {
		if (!ref_is_branch(parts[i].ref))
			continue;
		b = ref_branch(t, parts[i].ref);
		if (b->cnt > most) {
			most = b->cnt;
			at = i;
		}
	}
	return at;
}

size_t
mtree_split(const struct mtree *t, enum mtree_ver ver, const uint8_t prefix[32],
    unsigned bits, uint32_t floor, struct mtree_range *out, size_t max)
{
	struct part parts[MTREE_SPLIT_MAX];
	const struct branch *b;
	struct cover c;
	size_t i, n = 0;

	find_cover(&c, t, ver, prefix, bits);
	if (c.ref == REF_NONE || max == 0)
		return 0;
	if (!ref_is_branch(c.ref)) {
		out->bits = (uint16_t)bits;
		tree_mask(out->prefix, prefix, bits);
		mtree_hash_leaf(&out->set, c.e, c.n);
		return 1;
	}
	if (max > MTREE_SPLIT_MAX)
		max = MTREE_SPLIT_MAX;
	parts[n++] = (struct part){ c.ref, (uint16_t)bits };
	while (n < max && (i = largest(t, parts, n, floor)) < n) {
		b = ref_branch(t, parts[i].ref);
		memmove(parts + i + 1, parts + i, (n - i) * sizeof(parts[0]));
		parts[i] = (struct part){ b->kids[0], (uint16_t)(b->bit + 1) };
		parts[i + 1] = (struct part){ b->kids[1], parts[i].bits };
		n++;
	}
	for (i = 0; i < n; i++) {
		out[i].bits = parts[i].bits;
		tree_mask(out[i].prefix, mtree_some_key(t, parts[i].ref),
		    parts[i].bits);
		mtree_node_sum(t, parts[i].ref, &out[i].set);
	}
	return n;
}

/* Proving */

static void
end_branch(struct proof *p, const struct mtree *t, uint32_t ref)
{
	const struct branch *b = ref_branch(t, ref);

	p->end = PROOF_BRANCH;
	p->bit = b->bit;
	tree_mask(p->prefix, mtree_some_key(t, ref), b->bit);
	mtree_node_sum(t, b->kids[0], &p->left);
	mtree_node_sum(t, b->kids[1], &p->right);
}

static void
end_leaf(struct proof *p, const struct mtree *t, uint32_t ref)
{
	const struct leaf *l;
	struct tree_entry *e;

	p->end = PROOF_LEAF;
	p->n_entries = 0;
	if (ref == REF_NONE)
		return;
	l = ref_leaf(t, ref);
	while (p->n_entries < ref_class(ref)) {
		e = &p->entries[p->n_entries];
		memcpy(e->key, l->e[p->n_entries].key, 32);
		memcpy(e->rid, l->e[p->n_entries].rid, 32);
		e->w = l->e[p->n_entries].w;
		p->n_entries++;
	}
}

enum mtree_err
mtree_prove(const struct mtree *t, enum mtree_ver ver, const uint8_t prefix[32],
    unsigned bits, struct wr *w)
{
	const struct branch *b;
	struct proof_step *s;
	unsigned differ = 0, side;
	uint8_t asked[32];
	struct proof p;
	uint32_t ref;

	ASSERT(bits <= TREE_KEY_BITS);
	if (!t->roots[ver].there)
		return MTREE_NONE;
	tree_mask(asked, prefix, bits);
	p.tick = t->roots[ver].tick;
	p.n_steps = 0;
	ref = t->roots[ver].node;
	if (ref != REF_NONE)
		differ = tree_diff_bit(mtree_near_key(t, ref, asked), asked);
	while (ref != REF_NONE && ref_is_branch(ref)) {
		b = ref_branch(t, ref);
		if (b->bit >= bits || b->bit > differ)
			break;
		side = tree_bit(asked, b->bit);
		s = &p.steps[p.n_steps++];
		s->bit = b->bit;
		mtree_node_sum(t, b->kids[1 - side], &s->sibling);
		ref = b->kids[side];
	}
	if (ref != REF_NONE && ref_is_branch(ref))
		end_branch(&p, t, ref);
	else
		end_leaf(&p, t, ref);
	proof_encode(w, &p);
	return w->bad ? MTREE_ROOM : MTREE_OK;
}
