/* SPDX-License-Identifier: ISC */
/*
 * Made-up sets of records for the benches of the tree, the same for the same
 * seed: 2% nodes, 12% blocks, three locations and a temperature for each
 * block, a fifth metadata of 5 names a subject, the rest ratings of 20 a
 * subject.
 */
#ifndef WARREN_BENCH_TREE_GEN_H
#define WARREN_BENCH_TREE_GEN_H

#include <stdlib.h>
#include <string.h>

#include "common/b2.h"
#include "peerd/mtree.h"

struct gen_set {
	struct mtree_entry *e;
	size_t n;
};

struct gen_iter {
	const struct gen_set *set;
	size_t i;
};

/* splitmix64's step as a hash: even, and the same everywhere. */
static inline uint64_t
gen_mix(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void
gen_fill(uint8_t *out, size_t n, uint64_t seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = (uint8_t)gen_mix(seed + i / 8 * 77 + (i % 8) * 3);
}

/* Record i of a set for so many. */
static inline void
gen_record(struct mtree_entry *e, size_t i, size_t n, uint64_t seed)
{
	size_t part = i * 100 / n;
	uint64_t subject = i;

	memset(e, 0, sizeof(*e));
	if (part < 2) {
		e->key[0] = 2;
	} else if (part < 14) {
		e->key[0] = 16;
		e->w = 4 << 20;
	} else if (part < 50) {
		e->key[0] = 17;
		subject = n / 50 + (i - n * 14 / 100) / 3;
	} else if (part < 62) {
		e->key[0] = 18;
		subject = n / 50 + (i - n / 2);
		e->w = (int32_t)(i % 3000);
	} else if (part < 82) {
		e->key[0] = 19;
		subject = n * 2 + i / 5;
	} else {
		e->key[0] = 20;
		subject = n * 3 + i / 20;
		e->w = (int32_t)(i % 201) - 100;
	}
	gen_fill(e->key + 1, 15, gen_mix(seed) + subject * 1000003);
	gen_fill(e->key + 16, 16, gen_mix(seed + 1) + i * 1000003);
	gen_fill(e->rid, 32, gen_mix(seed + 2) + i * 1000003);
	e->hlc = (UINT64_C(1700000000000) + gen_mix(i + seed) % 8640000000)
	    << 16;
}

static inline int
gen_cmp(const void *a, const void *b)
{
	return memcmp(((const struct mtree_entry *)a)->key,
	    ((const struct mtree_entry *)b)->key, 32);
}

/* n records, in order; dies without memory. */
static inline void
gen_open(struct gen_set *set, size_t n, uint64_t seed)
{
	size_t i;

	set->n = n;
	set->e = malloc(n * sizeof(*set->e));
	if (set->e == NULL)
		abort();
	for (i = 0; i < n; i++)
		gen_record(&set->e[i], i, n, seed);
	qsort(set->e, n, sizeof(*set->e), gen_cmp);
}

static inline void
gen_close(struct gen_set *set)
{
	free(set->e);
	set->e = NULL;
}

static inline int
gen_next(void *arg, struct mtree_entry *e)
{
	struct gen_iter *it = arg;

	if (it->i == it->set->n)
		return 0;
	*e = it->set->e[it->i++];
	return 1;
}

/*
 * About n changes, sorted, all over the set: half of them new versions, a
 * quarter new records, a quarter deleted (which return in another round).
 */
static inline size_t
gen_changes(const struct gen_set *set, struct mtree_change *ch, size_t n,
    uint64_t round)
{
	size_t step = set->n / n, i, at, got = 0;

	for (i = 0; i < n; i++) {
		at = i * step + gen_mix(round * 1000003 + i) % step;
		ch[got].e = set->e[at];
		ch[got].del = false;
		if (i % 4 == 0) {
			/* Behind its model and before the next, nearly always. */
			ch[got].e.key[31] ^= (uint8_t)(1 + round);
			if (at + 1 < set->n &&
			    memcmp(ch[got].e.key, set->e[at + 1].key, 32) >= 0)
				ch[got].e = set->e[at];
		} else if (i % 4 == 1) {
			ch[got].del = round % 2 == 0;
		}
		gen_fill(ch[got].e.rid, 32, round * 7919 + i);
		if (got > 0 &&
		    memcmp(ch[got - 1].e.key, ch[got].e.key, 32) >= 0)
			continue;
		got++;
	}
	return got;
}

#endif
