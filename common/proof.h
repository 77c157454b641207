/* SPDX-License-Identifier: ISC */
/*
 * A proof, as it travels: what the tree of one tick holds under a prefix of
 * keys.  A single key is a prefix of 256 bits.  Canonical msgpack (mp.h),
 * nothing behind it:
 *
 *   proof    = [ tick:uint, steps, terminal ]
 *   steps    = [ b:uint, h:bin(32), cnt:uint, sum:int, .. ]
 *              four items a step, from the root downwards, flat; b is the
 *              bit of the branch passed, 0..255 and strictly increasing;
 *              h, cnt, sum are of the child *not* entered
 *   terminal = [ 0, [ K:bin(32), rid:bin(32), w:int, .. ] ]
 *              the whole leaf the walk ends in, three items an entry, flat,
 *              0..8 entries, K strictly ascending, w within 32 bits
 *            | [ 1, b:uint, prefix:bin(b/8 rounded up),
 *                Lh:bin(32), Lcnt:uint, Lsum:int,
 *                Rh:bin(32), Rcnt:uint, Rsum:int ]
 *              the preimage of the branch the walk ends at: b above the last
 *              step's, the bits of prefix beyond b zero
 *
 * cnt is 1..2^64-1, sum and w are signed.  Which child a step entered is not
 * written: it is the bit b of what was asked for.
 *
 * A terminal branch answers twice.  Where its prefix contradicts what was
 * asked for, nothing is there.  Where it has all the bits asked for, it is
 * the node that covers them, and its count and sum are theirs.  Its bare
 * (h, cnt, sum) would not do: nobody could tell it from a node further up,
 * which sums up more than was asked for.
 *
 * At 1M records a proof has 1.2 KB, and 1.5 at most.  Pure; tested in
 * tests/unit/verify_test.c, fuzzed in verify_fuzz.c.
 */
#ifndef WARREN_PROOF_H
#define WARREN_PROOF_H

#include "common/tree_hash.h"

#define PROOF_STEPS_MAX TREE_KEY_BITS
#define PROOF_MAX       16384 /* bytes, were somebody to grind keys that deep */

enum proof_end { PROOF_LEAF = 0, PROOF_BRANCH = 1 };

struct proof_step {
	uint16_t bit;
	struct tree_sum sibling;
};

struct proof {
	uint64_t tick;
	uint16_t n_steps;
	uint8_t end; /* enum proof_end */
	/* PROOF_LEAF */
	uint8_t n_entries;
	struct tree_entry entries[TREE_BUCKET];
	/* PROOF_BRANCH */
	uint16_t bit;
	uint8_t prefix[32]; /* bits beyond bit are zero */
	struct tree_sum left, right;
	struct proof_step steps[PROOF_STEPS_MAX];
};

/* Write it; w->bad when it does not fit. */
void proof_encode(struct wr *w, const struct proof *p);

/*
 * Read it strictly, to the last byte.  0, or -1 when malformed: what comes
 * out obeys every order and range above, but proves nothing yet.
 */
int proof_decode(struct proof *p, const void *buf, size_t len);

#endif
