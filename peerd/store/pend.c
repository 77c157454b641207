/* SPDX-License-Identifier: ISC */
/*
 * A hash table with chains through an array, as promised in pend.h.
 */
#include "peerd/store/pend.h"

#include <stdlib.h>
#include <string.h>

#define NIL   UINT32_MAX
#define FIRST 256u

void
pends_init(struct pends *p, uint32_t max, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->max = max;
	p->free = NIL;
	p->seed = seed | 1;
}

void
pends_fini(struct pends *p)
{
	free(p->all);
	free(p->heads);
	pends_init(p, p->max, p->seed);
}

/* Keys are hashes already; the seed keeps chains from being chosen. */
static uint32_t
head_of(const struct pends *p, const uint8_t key[32])
{
	uint64_t a, b;

	memcpy(&a, key + 1, 8);
	memcpy(&b, key + 16, 8);
	a = (a ^ p->seed) * UINT64_C(0x9e3779b97f4a7c15) ^ b * p->seed;
	return (uint32_t)(a >> 32 ^ a) & (p->n_heads - 1);
}

static void
link_in(struct pends *p, uint32_t i)
{
	uint32_t h = head_of(p, p->all[i].key);

	p->all[i].next = p->heads[h];
	p->heads[h] = i;
}

static bool
grow(struct pends *p)
{
	uint32_t cap = p->cap == 0 ? FIRST : p->cap * 2, i;
	struct pend *all;
	uint32_t *heads;

	if (cap > p->max)
		cap = p->max;
	if (cap <= p->cap)
		return false;
	if ((all = reallocarray(p->all, cap, sizeof(*all))) == NULL)
		return false;
	p->all = all;
	memset(all + p->cap, 0, (cap - p->cap) * sizeof(*all));
	for (i = p->cap; i < cap; i++) {
		all[i].next = p->free;
		p->free = i;
	}
	p->cap = cap;
	if (p->n_heads >= cap)
		return true;
	for (i = FIRST; i < cap; i *= 2)
		continue;
	if ((heads = reallocarray(p->heads, i, sizeof(*heads))) == NULL)
		return p->n_heads > 0; /* longer chains then */
	p->heads = heads;
	p->n_heads = i;
	memset(heads, 0xff, i * sizeof(*heads));
	for (i = 0; i < p->cap; i++)
		if (all[i].used)
			link_in(p, i);
	return true;
}

static struct pend *
next_of(const struct pends *p, uint32_t i, const uint8_t key[32])
{
	for (; i != NIL; i = p->all[i].next)
		if (memcmp(p->all[i].key, key, 32) == 0)
			return &p->all[i];
	return NULL;
}

static struct pend *
first_of(const struct pends *p, const uint8_t key[32])
{
	if (p->n == 0)
		return NULL;
	return next_of(p, p->heads[head_of(p, key)], key);
}

struct pend *
pends_upto(const struct pends *p, const uint8_t key[32], uint64_t tick)
{
	struct pend *e = first_of(p, key), *best = NULL;

	for (; e != NULL; e = next_of(p, e->next, key))
		if (e->tick <= tick && (best == NULL || e->tick > best->tick))
			best = e;
	return best;
}

struct pend *
pends_newest(const struct pends *p, const uint8_t key[32])
{
	return pends_upto(p, key, UINT64_MAX);
}

struct pend *
pends_at(const struct pends *p, const uint8_t key[32], uint64_t tick)
{
	struct pend *e = pends_upto(p, key, tick);

	return e != NULL && e->tick == tick ? e : NULL;
}

struct pend *
pends_add(struct pends *p, const uint8_t key[32], uint64_t tick)
{
	uint32_t i;

	if (p->free == NIL && !grow(p))
		return NULL;
	i = p->free;
	p->free = p->all[i].next;
	memset(&p->all[i], 0, sizeof(p->all[i]));
	memcpy(p->all[i].key, key, 32);
	p->all[i].tick = tick;
	p->all[i].used = true;
	p->n++;
	link_in(p, i);
	return &p->all[i];
}

static void
remove_range(struct pends *p, const uint8_t key[32], uint64_t from,
    uint64_t upto)
{
	uint32_t *at, i;

	if (p->n == 0)
		return;
	at = &p->heads[head_of(p, key)];
	while ((i = *at) != NIL) {
		if (p->all[i].tick > upto || p->all[i].tick < from ||
		    memcmp(p->all[i].key, key, 32) != 0) {
			at = &p->all[i].next;
			continue;
		}
		*at = p->all[i].next;
		p->held -= p->all[i].held;
		p->all[i].used = false;
		p->all[i].next = p->free;
		p->free = i;
		p->n--;
	}
}

void
pends_remove(struct pends *p, const uint8_t key[32], uint64_t upto)
{
	remove_range(p, key, 0, upto);
}

void
pends_remove_at(struct pends *p, const uint8_t key[32], uint64_t tick)
{
	remove_range(p, key, tick, tick);
}

void
pends_trim(struct pends *p)
{
	struct pends small;
	struct pend *e;
	uint32_t i, next;

	if (p->cap <= FIRST || p->n > p->cap / 8)
		return;
	pends_init(&small, p->max, p->seed);
	for (i = 0; i < p->cap; i++) {
		if (!p->all[i].used)
			continue;
		e = pends_add(&small, p->all[i].key, p->all[i].tick);
		if (e == NULL) { /* no memory: all stays as it is */
			pends_fini(&small);
			return;
		}
		next = e->next;
		*e = p->all[i];
		e->next = next;
		small.held += e->held;
	}
	pends_fini(p);
	*p = small;
}

size_t
pends_bytes(const struct pends *p)
{
	return p->cap * sizeof(*p->all) + p->n_heads * sizeof(*p->heads);
}
