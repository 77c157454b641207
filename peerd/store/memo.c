/* SPDX-License-Identifier: ISC */
#include "peerd/store/memo.h"

#include <string.h>

const struct memo *
memos_get(const struct memos *m, const uint8_t key[32], struct mono now)
{
	const struct memo *e;

	for (e = m->all; e < m->all + MEMO_BATCHES; e++)
		if (e->n > 0 && memcmp(e->key, key, 32) == 0)
			return mono_reached(e->until, now) ? NULL : e;
	return NULL;
}

void
memos_put(struct memos *m, const uint8_t key[32], const uint8_t *words,
    size_t n, struct mono now)
{
	struct memo *e;

	if (n == 0 || n > MEMO_WORDS || memos_get(m, key, now) != NULL)
		return;
	/* One that has ended leaves its place: there are never two of a key. */
	for (e = m->all; e < m->all + MEMO_BATCHES; e++)
		if (e->n > 0 && memcmp(e->key, key, 32) == 0)
			e->n = 0;
	e = &m->all[m->next++ % MEMO_BATCHES];
	memcpy(e->key, key, 32);
	e->until = mono_add_ms(now, MEMO_MS);
	e->n = (uint16_t)n;
	memcpy(e->words, words, n);
}
