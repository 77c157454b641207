/* SPDX-License-Identifier: ISC */
/*
 * Prefixes and their counters, as promised in prefix.h.  Open addressing;
 * a slot that falls free is filled from behind, so no tombstones gather.
 */
#include "apid/prefix.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"

void
prefix_of(struct prefix *p, const struct naddr *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t one[16] = { [15] = 1 };
	uint32_t v4;

	*p = (struct prefix){ .fam = addr->fam };
	if (addr->fam == NADDR_V6 && memcmp(addr->ip, mapped, 12) != 0) {
		memcpy(&p->bits, addr->ip, 8);
		p->loopback = memcmp(addr->ip, one, 16) == 0;
		return;
	}
	if (addr->fam == NADDR_NONE)
		return;
	memcpy(&v4, addr->fam == NADDR_V6 ? addr->ip + 12 : addr->ip, 4);
	p->fam = NADDR_V4;
	p->bits = v4;
	p->loopback = *(const uint8_t *)&v4 == 127;
}

void
prefix_to_addr(const struct prefix *p, struct naddr *addr)
{
	uint32_t v4 = (uint32_t)p->bits;

	*addr = (struct naddr){ .fam = p->fam };
	if (p->fam == NADDR_V6)
		memcpy(addr->ip, &p->bits, 8);
	else
		memcpy(addr->ip, &v4, 4);
}

bool
prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->bits == b->bits && a->fam == b->fam;
}

uint64_t
prefix_hash(const struct prefix *p, const uint8_t key[PREFIX_KEY_LEN])
{
	uint8_t in[9], out[crypto_shorthash_BYTES];
	uint64_t h;

	_Static_assert(PREFIX_KEY_LEN == crypto_shorthash_KEYBYTES, "key");
	memcpy(in, &p->bits, 8);
	in[8] = p->fam;
	(void)crypto_shorthash(out, in, sizeof(in), key);
	memcpy(&h, out, sizeof(h));
	return h;
}

size_t
prefix_slots(size_t n)
{
	size_t cap = 16;

	while (cap < n * 2)
		cap *= 2;
	return cap;
}

static size_t
home(const struct prefix_count *pc, const struct prefix_slot *s)
{
	struct prefix p = { .bits = s->bits, .fam = s->fam };

	return (size_t)prefix_hash(&p, pc->key) & (pc->cap - 1);
}

/* The slot of p, or the free one where it would go. */
static size_t
find(const struct prefix_count *pc, const struct prefix *p)
{
	size_t i = (size_t)prefix_hash(p, pc->key) & (pc->cap - 1);

	while (pc->slots[i].count > 0 &&
	    (pc->slots[i].bits != p->bits || pc->slots[i].fam != p->fam))
		i = (i + 1) & (pc->cap - 1);
	return i;
}

bool
prefix_take(struct prefix_count *pc, const struct prefix *p, uint32_t max)
{
	struct prefix_slot *s = &pc->slots[find(pc, p)];

	if (max > 0 && s->count >= max)
		return false;
	s->bits = p->bits;
	s->fam = p->fam;
	s->count++;
	return true;
}

void
prefix_drop(struct prefix_count *pc, const struct prefix *p)
{
	size_t mask = pc->cap - 1, hole = find(pc, p), i;

	ASSERT(pc->slots[hole].count > 0);
	if (--pc->slots[hole].count > 0)
		return;
	for (i = (hole + 1) & mask; pc->slots[i].count > 0;
	     i = (i + 1) & mask) {
		/* May it move to the hole without jumping before its home? */
		if (((i - home(pc, &pc->slots[i])) & mask) <
		    ((i - hole) & mask))
			continue;
		pc->slots[hole] = pc->slots[i];
		pc->slots[i].count = 0;
		hole = i;
	}
}
