/* SPDX-License-Identifier: ISC */
/*
 * Verdicts of batches that were named, so that one that is sent again, to
 * whichever worker, is answered as it was the first time.  In memory alone,
 * of a fixed number, for an hour; what is forgotten is answered by what is
 * stored, which is as true.  The name covers all that was in the batch, so
 * nobody can answer for somebody else's.
 * Pure; tested in tests/unit/memo_test.c.
 */
#ifndef WARREN_STORE_MEMO_H
#define WARREN_STORE_MEMO_H

#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"

#define MEMO_WORDS   1000 /* of a batch */
#define MEMO_BATCHES 1024
#define MEMO_MS      3600000

struct memo {
	uint8_t key[32];
	struct mono until;
	uint16_t n; /* 0: free */
	uint8_t words[MEMO_WORDS];
};

/* Zeroed at the start. */
struct memos {
	size_t next; /* the oldest, which goes first */
	struct memo all[MEMO_BATCHES];
};

/* Remember n words, 1..MEMO_WORDS; what is remembered already stays. */
void memos_put(struct memos *m, const uint8_t key[32], const uint8_t *words,
    size_t n, struct mono now);

/* Borrowed until the next change; NULL when it is not known, or not any more. */
const struct memo *memos_get(const struct memos *m, const uint8_t key[32],
    struct mono now);

#endif
