/* SPDX-License-Identifier: ISC */
/*
 * The tree's hashes, as promised in tree_hash.h.
 */
#include "common/tree_hash.h"

#include <string.h>

#include "common/assert.h"
#include "common/b2.h"

#define SIDE_LEN (32 + 8 + 8)

/* Eight bytes at once; compilers know this for a load. */
static uint64_t
word(const uint8_t *at)
{
	return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 |
	    (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32 |
	    (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
	    (uint64_t)at[6] << 8 | at[7];
}

unsigned
tree_diff_bit(const uint8_t a[32], const uint8_t b[32])
{
	unsigned i, bit, half;
	uint64_t x;

	for (i = 0; i < 32; i += 8) {
		x = word(a + i) ^ word(b + i);
		if (x == 0)
			continue;
		bit = i * 8;
		for (half = 32; half > 0; half /= 2) {
			if (x >> (64 - half) == 0) {
				x <<= half;
				bit += half;
			}
		}
		return bit;
	}
	return TREE_KEY_BITS;
}

bool
tree_has_prefix(const uint8_t a[32], const uint8_t b[32], unsigned bits)
{
	return tree_diff_bit(a, b) >= bits;
}

void
tree_mask(uint8_t out[32], const uint8_t key[32], unsigned bits)
{
	unsigned whole = bits / 8;

	ASSERT(bits <= TREE_KEY_BITS);
	memmove(out, key, 32);
	if (whole == 32)
		return;
	out[whole] &= (uint8_t)(0xff00u >> (bits % 8));
	memset(out + whole + 1, 0, 31 - whole);
}

bool
tree_add_sum(int64_t *sum, int64_t add)
{
	if (add > 0 ? *sum > INT64_MAX - add : *sum < INT64_MIN - add)
		return false;
	*sum += add;
	return true;
}

bool
tree_add_count(uint64_t *cnt, uint64_t add)
{
	if (*cnt > UINT64_MAX - add)
		return false;
	*cnt += add;
	return true;
}

void
tree_leaf_put(uint8_t out[TREE_ENTRY_LEN], const uint8_t key[32],
    const uint8_t rid[32], int32_t w)
{
	memcpy(out, key, 32);
	memcpy(out + 32, rid, 32);
	put_u64(out + 64, (uint64_t)(int64_t)w);
}

void
tree_leaf_hash(uint8_t h[32], const uint8_t *in, size_t n)
{
	ASSERT(n <= TREE_BUCKET);
	b2_256(h, "WarrenLeaf1", in, n * TREE_ENTRY_LEN);
}

void
tree_leaf(struct tree_sum *out, const struct tree_entry *e, size_t n)
{
	uint8_t in[TREE_BUCKET * TREE_ENTRY_LEN];
	size_t i;

	ASSERT(n <= TREE_BUCKET);
	out->cnt = n;
	out->sum = 0; /* eight numbers of 32 bits cannot overflow it */
	for (i = 0; i < n; i++) {
		tree_leaf_put(in + i * TREE_ENTRY_LEN, e[i].key, e[i].rid,
		    e[i].w);
		out->sum += e[i].w;
	}
	tree_leaf_hash(out->h, in, n);
}

static void
put_side(struct wr *w, const struct tree_sum *s)
{
	wr_bytes(w, s->h, 32);
	wr_u64(w, s->cnt);
	wr_u64(w, (uint64_t)s->sum);
}

bool
tree_branch(struct tree_sum *out, unsigned bit, const uint8_t key[32],
    const struct tree_sum *left, const struct tree_sum *right)
{
	uint8_t in[2 * SIDE_LEN + 32], salt[B2_SALT_LEN] = { 0 };
	struct tree_sum all = { .cnt = left->cnt, .sum = left->sum };
	struct wr w;

	ASSERT(bit < TREE_KEY_BITS);
	if (!tree_add_count(&all.cnt, right->cnt) ||
	    !tree_add_sum(&all.sum, right->sum))
		return false;
	put_u16(salt, (uint16_t)bit);
	wr_init(&w, in, sizeof(in));
	put_side(&w, left);
	put_side(&w, right);
	tree_mask(wr_room(&w, 32), key, bit);
	b2_256_salted(all.h, "WarrenNode1", salt, in, sizeof(in));
	*out = all;
	return true;
}

/*
 * Every level takes one bit of the keys at least, so this nests 257 deep at
 * most, whatever keys somebody ground.
 */
static bool
of_sorted(struct tree_sum *out, const struct tree_entry *e, size_t n)
{
	struct tree_sum left, right;
	size_t lo = 0, hi = n, mid;
	unsigned bit;

	if (n <= TREE_BUCKET) {
		tree_leaf(out, e, n);
		return true;
	}
	bit = tree_diff_bit(e[0].key, e[n - 1].key);
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (tree_bit(e[mid].key, bit) == 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return of_sorted(&left, e, lo) && of_sorted(&right, e + lo, n - lo) &&
	    tree_branch(out, bit, e[0].key, &left, &right);
}

bool
tree_of_sorted(struct tree_sum *out, const struct tree_entry *e, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (memcmp(e[i - 1].key, e[i].key, 32) >= 0)
			return false;
	return of_sorted(out, e, n);
}

void
tree_root(uint8_t root[32], const uint8_t netid[32], uint64_t tick,
    const struct tree_sum *top)
{
	uint8_t in[32 + 8 + SIDE_LEN];
	struct wr w;

	wr_init(&w, in, sizeof(in));
	wr_bytes(&w, netid, 32);
	wr_u64(&w, tick);
	put_side(&w, top);
	b2_256(root, "WarrenRoot1", in, sizeof(in));
}
