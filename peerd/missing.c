/* SPDX-License-Identifier: ISC */
/*
 * Announced and not here, as promised in missing.h.  Rows lie dense, so that
 * a look over all of them is short, and are found through chains.
 */
#include "peerd/missing.h"

#include <string.h>

#include "common/assert.h"

#define COVERS_MAX 2 /* then the row is asked for whatever else is */

void
missing_init(struct missing *ms, struct missing_row *rows, uint16_t cap,
    uint16_t *heads, uint32_t n_heads, uint64_t mix)
{
	ASSERT(cap > 0 && cap < MISSING_NIL);
	ASSERT(n_heads > 0 && (n_heads & (n_heads - 1)) == 0);
	memset(ms, 0, sizeof(*ms));
	ms->rows = rows;
	ms->cap = cap;
	ms->heads = heads;
	ms->n_heads = n_heads;
	ms->mix = mix | 1;
	memset(heads, 0xff, n_heads * sizeof(*heads));
}

/* The id is the neighbour's choice, its chain is not. */
static uint16_t *
head_of(const struct missing *ms, unsigned link, uint64_t id)
{
	uint64_t h = (id ^ ((uint64_t)link << 56)) * ms->mix;

	h ^= h >> 32;
	h *= ms->mix;
	return &ms->heads[(h >> 40) & (ms->n_heads - 1)];
}

struct missing_row *
missing_find(const struct missing *ms, unsigned link, uint64_t id)
{
	uint16_t at = *head_of(ms, link, id);

	for (; at != MISSING_NIL; at = ms->rows[at].next)
		if (ms->rows[at].id == id && ms->rows[at].link == link)
			return &ms->rows[at];
	return NULL;
}

struct missing_row *
missing_add(struct missing *ms, unsigned link, uint64_t id, struct mono now,
    struct mono due)
{
	uint16_t *head = head_of(ms, link, id);
	struct missing_row *row;

	if (ms->n == ms->cap)
		return NULL;
	row = &ms->rows[ms->n];
	memset(row, 0, sizeof(*row));
	row->id = id;
	row->link = (uint8_t)link;
	row->since = now;
	row->due = due;
	row->next = *head;
	*head = ms->n++;
	return row;
}

/* What points at row number at. */
static uint16_t *
pointer_to(const struct missing *ms, uint16_t at)
{
	uint16_t *p = head_of(ms, ms->rows[at].link, ms->rows[at].id);

	while (*p != at) {
		ASSERT(*p != MISSING_NIL);
		p = &ms->rows[*p].next;
	}
	return p;
}

void
missing_remove(struct missing *ms, struct missing_row *row)
{
	uint16_t at = (uint16_t)(row - ms->rows), last;

	ASSERT(at < ms->n);
	*pointer_to(ms, at) = row->next;
	last = --ms->n;
	if (last == at)
		return;
	*pointer_to(ms, last) = at;
	*row = ms->rows[last];
}

void
missing_ask(struct missing *ms, struct missing_row *row, struct mono now,
    struct mono due)
{
	row->state = MISSING_ASKED;
	row->asked = now;
	row->due = due;
	row->covers = 0;
	if (++ms->serial == 0) /* 0: covered by nothing */
		ms->serial++;
	row->serial = ms->serial;
}

bool
missing_cover(struct missing *ms, struct missing_row *row, struct mono since,
    int64_t wait_ms)
{
	uint32_t bit = UINT32_C(1) << row->link;
	struct missing_row *q;
	uint16_t i;

	for (i = 0; i < ms->n && row->covered < COVERS_MAX; i++) {
		q = &ms->rows[i];
		if (q->state != MISSING_ASKED || q->link == row->link ||
		    mono_before(q->asked, since) || (q->covers & bit) != 0)
			continue;
		q->covers |= bit;
		row->cover = q->serial;
		row->covered++;
		row->due = mono_add_ms(q->asked, wait_ms);
		return true;
	}
	return false;
}

void
missing_uncover(struct missing *ms, uint16_t serial, struct mono now)
{
	uint16_t i;

	for (i = 0; i < ms->n; i++)
		if (ms->rows[i].state == MISSING_WAIT &&
		    ms->rows[i].cover == serial) {
			ms->rows[i].cover = 0;
			ms->rows[i].due = now;
		}
}
