/* SPDX-License-Identifier: ISC */
/*
 * The tree's memory: a slab of equal blocks for each size of node, and the
 * lists of nodes that came or went.  Nothing is allocated per node.
 */
#include <string.h>

#include "peerd/mtree_priv.h"

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

bool
mtree_add_ref(struct mtree *t, struct mtree_refs *refs, uint32_t ref)
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

uint32_t
mtree_get_block(struct mtree *t, unsigned class)
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

void
mtree_put_block(struct mtree *t, uint32_t ref)
{
	struct mtree_slab *s = &t->slabs[ref_class(ref)];

	memcpy(ref_block(t, ref), &s->free, sizeof(s->free));
	s->free = ref & 0x0fffffff;
	s->n_free++;
}

void
mtree_put_blocks(struct mtree *t, struct mtree_refs *refs)
{
	size_t i;

	for (i = 0; i < refs->n; i++) {
		if (i + 8 < refs->n)
			ref_prefetch(t, refs->at[i + 8]);
		mtree_put_block(t, refs->at[i]);
	}
	refs->n = 0;
}

static void
refs_fini(struct mtree *t, struct mtree_refs *refs)
{
	mem_put(t, refs->at, refs->cap * sizeof(*refs->at));
	memset(refs, 0, sizeof(*refs));
}

void
mtree_drop(struct mtree *t)
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
