/* SPDX-License-Identifier: ISC */
/*
 * Proofs from strangers: two bytes of how many bits are asked for, 32 of
 * prefix, then the proof.  What decodes encodes back to the same bytes; and
 * where it folds up at all, it proves the very root it folds up to, so that
 * the fuzzer gets past the hash.
 */
#include "common/verify.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fold as the checker does, to learn which root it would be. */
static bool
top_of(struct tree_sum *top, const struct proof *p, const uint8_t prefix[32])
{
	const struct proof_step *s;
	const struct tree_sum *l, *r;
	size_t i;

	if (p->end == PROOF_LEAF)
		tree_leaf(top, p->entries, p->n_entries);
	else if (!tree_branch(top, p->bit, p->prefix, &p->left, &p->right))
		return false;
	for (i = p->n_steps; i-- > 0;) {
		s = &p->steps[i];
		l = tree_bit(prefix, s->bit) == 0 ? top : &s->sibling;
		r = l == top ? &s->sibling : top;
		if (!tree_branch(top, s->bit, prefix, l, r))
			return false;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[PROOF_MAX];
	static struct proof p;
	struct verify_answer a;
	struct claim c = { 0 };
	enum verify_err err;
	struct tree_sum top;
	unsigned bits;
	struct wr w;

	if (size < 34)
		return 0;
	bits = get_u16(data) % 257;
	if (proof_decode(&p, data + 34, size - 34) != 0)
		return 0;
	wr_init(&w, out, sizeof(out));
	proof_encode(&w, &p);
	ASSERT(!w.bad && w.len == size - 34);
	ASSERT(memcmp(out, data + 34, w.len) == 0);
	c.tick = p.tick;
	err = verify_proof(&a, &p, &c, data + 2, bits);
	ASSERT(err != VERIFY_OK && err != VERIFY_MALFORMED);
	if (!top_of(&top, &p, data + 2))
		return 0;
	claim_set(&c, c.netid, p.tick, &top);
	err = verify_proof(&a, &p, &c, data + 2, bits);
	ASSERT(err == VERIFY_OK || err == VERIFY_PATH);
	ASSERT(err != VERIFY_OK || a.set.cnt <= c.cnt);
	ASSERT(!a.found || (bits == 256 && a.set.cnt == 1));
	return 0;
}
