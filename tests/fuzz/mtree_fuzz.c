/* SPDX-License-Identifier: ISC */
/*
 * The tree under made-up batches: each input byte pair changes one record
 * among a few hundred keys that share long prefixes; 0xff turns the tick.
 * The tree says what its sorted records say when hashed anew, both versions,
 * and its proofs verify.
 */
#include "peerd/mtree.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/verify.h"

#define KEYS      768
#define BATCH_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *
get(void *arg, size_t len)
{
	(void)arg;
	return malloc(len);
}

static void
put(void *arg, void *p, size_t len)
{
	(void)arg;
	(void)len;
	free(p);
}

/* Three families: counting, one late bit, one early bit. */
static void
key_of(uint8_t key[32], unsigned i)
{
	memset(key, 0, 32);
	if (i < 256) {
		key[0] = 20;
		key[1] = (uint8_t)(i * 37);
	} else if (i < 512) {
		key[0] = 20;
		key[31] = (uint8_t)i;
	} else {
		key[(i - 512) / 8] = (uint8_t)(0x80 >> i % 8);
	}
}

static int
cmp(const void *a, const void *b)
{
	return memcmp(((const struct mtree_change *)a)->e.key,
	    ((const struct mtree_change *)b)->e.key, 32);
}

/* All records of a version, a few at a time, hashed anew. */
static void
check(const struct mtree *t, enum mtree_ver ver, const uint8_t key[32],
    unsigned bits)
{
	static struct tree_entry all[KEYS];
	static uint8_t buf[PROOF_MAX];
	struct mtree_entry got[7];
	struct verify_answer a;
	struct tree_sum top, sum;
	struct claim c = { 0 };
	uint8_t last[32], zero[32] = { 0 };
	size_t n = 0, k, i, first = KEYS, under = 0;
	struct wr w;

	do {
		k = mtree_list(t, ver, zero, 0, n == 0 ? NULL : last, got, 7);
		for (i = 0; i < k; i++) {
			ASSERT(n < KEYS);
			memcpy(all[n].key, got[i].key, 32);
			memcpy(all[n].rid, got[i].rid, 32);
			all[n].w = got[i].w;
			if (tree_has_prefix(all[n].key, key, bits)) {
				first = under++ == 0 ? n : first;
			}
			memcpy(last, all[n++].key, 32);
		}
	} while (k == 7);
	mtree_top(t, ver, &top);
	ASSERT(tree_of_sorted(&sum, all, n));
	ASSERT(sum.cnt == top.cnt && sum.sum == top.sum);
	ASSERT(memcmp(sum.h, top.h, 32) == 0);
	wr_init(&w, buf, sizeof(buf));
	if (mtree_prove(t, ver, key, bits, &w) == MTREE_NONE)
		return;
	ASSERT(mtree_tick(t, ver, &c.tick));
	claim_set(&c, c.netid, c.tick, &top);
	ASSERT(verify_bytes(&a, buf, w.len, &c, key, bits) == VERIFY_OK);
	ASSERT(tree_of_sorted(&sum, all + (under == 0 ? 0 : first), under));
	ASSERT(memcmp(a.set.h, sum.h, 32) == 0 && a.set.cnt == under);
	mtree_sum(t, ver, key, bits, &top);
	ASSERT(memcmp(a.set.h, top.h, 32) == 0 && top.cnt == under);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mtree_change ch[BATCH_MAX];
	const struct mtree_mem mem = { get, put, NULL };
	struct mtree t;
	uint64_t tick = 0;
	uint8_t key[32];
	unsigned v;
	size_t i, n = 0, m;

	mtree_init(&t, &mem, tick);
	for (i = 0; i + 1 < size && i < 2048; i += 2) {
		v = get_u16(data + i);
		if (data[i] != 0xff && n < BATCH_MAX) {
			memset(&ch[n], 0, sizeof(ch[n]));
			key_of(ch[n].e.key, v % KEYS);
			ch[n].e.rid[0] = (uint8_t)n;
			ch[n].e.w = (int32_t)(v * 65537u);
			ch[n].del = v / KEYS % 3 == 0;
			n++;
			continue;
		}
		qsort(ch, n, sizeof(ch[0]), cmp);
		for (m = 0; n > 0 && v % 5 != 0 && m + 1 < n;) {
			/* Mostly without the doubles, which are refused. */
			if (cmp(&ch[m], &ch[m + 1]) != 0) {
				m++;
				continue;
			}
			memmove(&ch[m], &ch[m + 1], (--n - m) * sizeof(ch[0]));
		}
		(void)mtree_apply(&t, ++tick, ch, n);
		n = 0;
		key_of(key, v % KEYS);
		check(&t, MTREE_CURRENT, key, v % 257);
		check(&t, MTREE_PREVIOUS, key, 256);
	}
	mtree_fini(&t);
	return 0;
}
