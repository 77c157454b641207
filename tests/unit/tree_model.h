/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the tree share: seeded random numbers, the records of
 * tests/vectors/tree.txt, an allocator that counts and can fail, and the
 * model, a sorted array with a hash computed straight from the definition.
 */
#ifndef WARREN_TESTS_TREE_MODEL_H
#define WARREN_TESTS_TREE_MODEL_H

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/b2.h"
#include "peerd/mtree.h"

/* splitmix64: small, seeded, the same everywhere. */
struct rng {
	uint64_t s;
};

static inline uint64_t
rng_next(struct rng *r)
{
	uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(rng_next(r) % n);
}

static inline void
rng_fill(struct rng *r, void *out, size_t n)
{
	uint8_t *at = out;

	while (n-- > 0)
		*at++ = (uint8_t)rng_next(r);
}

/* Heap with a count and a fuse. */
struct heap {
	size_t held;
	long fuse; /* allocations until they fail; negative: never */
};

static inline void *
heap_get(void *arg, size_t len)
{
	struct heap *h = arg;

	if (h->fuse == 0)
		return NULL;
	if (h->fuse > 0)
		h->fuse--;
	h->held += len;
	return malloc(len);
}

static inline void
heap_put(void *arg, void *p, size_t len)
{
	struct heap *h = arg;

	h->held -= len;
	memset(p, 0xdb, len); /* whoever looks again sees it */
	free(p);
}

static inline struct mtree_mem
heap_mem(struct heap *h)
{
	h->held = 0;
	h->fuse = -1;
	return (struct mtree_mem){ heap_get, heap_put, h };
}

static inline void
vec_label(uint8_t out[32], const char *text, size_t len, uint32_t i)
{
	uint8_t in[36];

	memcpy(in, text, len);
	put_u32(in + len, i);
	b2_256(out, "WarrenTest1", in, len + 4);
}

/* Record i of the vectors, as tree_vectors.py says. */
static inline void
vec_record(struct mtree_entry *e, uint32_t i)
{
	static const uint8_t kinds[4] = { 2, 16, 18, 20 };
	uint8_t h[32];

	memset(e, 0, sizeof(*e));
	e->key[0] = kinds[i % 4];
	vec_label(h, "s", 1, i / 3);
	memcpy(e->key + 1, h, 15);
	vec_label(h, "k", 1, i);
	memcpy(e->key + 16, h, 16);
	vec_label(e->rid, "r", 1, i);
	e->w = (int32_t)((uint64_t)i * 7919 % 2001) - 1000;
	e->hlc = (UINT64_C(1700000000000) + i) << 16;
}

struct model {
	struct mtree_entry *e;
	size_t n, cap;
};

static inline int
entry_cmp(const void *a, const void *b)
{
	return memcmp(((const struct mtree_entry *)a)->key,
	    ((const struct mtree_entry *)b)->key, 32);
}

/* Place of key, or where it would be. */
static inline size_t
model_place(const struct model *m, const uint8_t key[32])
{
	size_t lo = 0, hi = m->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (memcmp(m->e[mid].key, key, 32) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static inline bool
model_has(const struct model *m, const uint8_t key[32])
{
	size_t at = model_place(m, key);

	return at < m->n && memcmp(m->e[at].key, key, 32) == 0;
}

static inline void
model_put(struct model *m, const struct mtree_entry *e)
{
	size_t at = model_place(m, e->key);

	if (at < m->n && memcmp(m->e[at].key, e->key, 32) == 0) {
		m->e[at] = *e;
		return;
	}
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 64 : m->cap * 2;
		m->e = realloc(m->e, m->cap * sizeof(*m->e));
	}
	memmove(m->e + at + 1, m->e + at, (m->n - at) * sizeof(*m->e));
	m->e[at] = *e;
	m->n++;
}

static inline void
model_del(struct model *m, const uint8_t key[32])
{
	size_t at = model_place(m, key);

	if (at == m->n || memcmp(m->e[at].key, key, 32) != 0)
		return;
	m->n--;
	memmove(m->e + at, m->e + at + 1, (m->n - at) * sizeof(*m->e));
}

static inline void
model_copy(struct model *to, const struct model *from)
{
	if (to->cap < from->n) {
		to->cap = from->n;
		to->e = realloc(to->e, to->cap * sizeof(*to->e));
	}
	to->n = from->n;
	if (from->n > 0)
		memcpy(to->e, from->e, from->n * sizeof(*to->e));
}

static inline void
model_free(struct model *m)
{
	free(m->e);
	memset(m, 0, sizeof(*m));
}

static inline void
model_hash(uint8_t out[32], const char *person, const uint8_t *salt,
    const void *in, size_t len)
{
	uint8_t pad[16] = { 0 };

	memcpy(pad, person, strlen(person));
	crypto_generichash_blake2b_salt_personal(out, 32, in, len, NULL, 0,
	    salt, pad);
}

/*
 * The hash of a sorted set, bit by bit from the definition: nothing here is
 * shared with the code under test but the memory layout of an entry.
 */
static inline void
model_top(struct tree_sum *out, const struct mtree_entry *e, size_t n,
    unsigned bit)
{
	uint8_t in[8 * 72], salt[16] = { 0 };
	struct tree_sum kid[2];
	size_t i, j, ones = 0;

	out->cnt = n;
	out->sum = 0;
	for (i = 0; i < n; i++)
		out->sum += e[i].w;
	if (n <= 8) {
		for (i = 0; i < n; i++) {
			memcpy(in + i * 72, e[i].key, 32);
			memcpy(in + i * 72 + 32, e[i].rid, 32);
			for (j = 0; j < 8; j++)
				in[i * 72 + 64 + j] =
				    (uint8_t)((uint64_t)(int64_t)e[i].w >>
					(56 - 8 * j));
		}
		model_hash(out->h, "WarrenLeaf1", NULL, in, n * 72);
		return;
	}
	for (; ones == 0 || ones == n; bit++)
		for (i = ones = 0; i < n; i++)
			ones += e[i].key[bit / 8] >> (7 - bit % 8) & 1;
	model_top(&kid[0], e, n - ones, bit);
	model_top(&kid[1], e + (n - ones), ones, bit);
	bit--;
	for (i = 0; i < 2; i++) {
		memcpy(in + i * 48, kid[i].h, 32);
		for (j = 0; j < 8; j++) {
			in[i * 48 + 32 + j] =
			    (uint8_t)(kid[i].cnt >> (56 - 8 * j));
			in[i * 48 + 40 + j] =
			    (uint8_t)((uint64_t)kid[i].sum >> (56 - 8 * j));
		}
	}
	memset(in + 96, 0, 32);
	for (j = 0; j < bit; j++)
		in[96 + j / 8] |= e[0].key[j / 8] & (0x80 >> j % 8);
	salt[0] = (uint8_t)(bit >> 8);
	salt[1] = (uint8_t)bit;
	model_hash(out->h, "WarrenNode1", salt, in, 128);
}

/* The run of entries under a prefix. */
static inline size_t
model_under(const struct model *m, const uint8_t prefix[32], unsigned bits,
    size_t *first)
{
	size_t i, n = 0;
	unsigned b;

	*first = 0;
	for (i = 0; i < m->n; i++) {
		for (b = 0; b < bits; b++)
			if (((m->e[i].key[b / 8] ^ prefix[b / 8]) >>
				(7 - b % 8)) &
			    1)
				break;
		if (b < bits)
			continue;
		if (n++ == 0)
			*first = i;
	}
	return n;
}

/* mtree_build() from a model. */
struct model_iter {
	const struct model *m;
	size_t i;
	size_t fail_at; /* SIZE_MAX: never */
};

static inline int
model_next(void *arg, struct mtree_entry *e)
{
	struct model_iter *it = arg;

	if (it->i == it->fail_at)
		return -1;
	if (it->i == it->m->n)
		return 0;
	*e = it->m->e[it->i++];
	return 1;
}

static inline enum mtree_err
model_build(struct mtree *t, uint64_t tick, const struct model *m)
{
	struct model_iter it = { m, 0, SIZE_MAX };

	return mtree_build(t, tick, model_next, &it);
}

static inline bool
sum_equal(const struct tree_sum *a, const struct tree_sum *b)
{
	return a->cnt == b->cnt && a->sum == b->sum &&
	    memcmp(a->h, b->h, 32) == 0;
}

#endif
