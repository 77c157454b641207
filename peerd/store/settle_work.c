/* SPDX-License-Identifier: ISC */
/*
 * What all steps of a tick do: note a change, look at a row, take out a key.
 */
#include <stdlib.h>
#include <string.h>

#include "peerd/store/settle_priv.h"

void
settle_fail(struct settle *s, enum sql_rc rc)
{
	if (s->rc == SQL_OK)
		s->rc = rc;
}

bool
settle_check(struct settle *s, enum sql_rc rc)
{
	if (rc != SQL_OK)
		settle_fail(s, rc);
	return s->rc == SQL_OK;
}

void *
settle_room(struct settle *s, void *array, size_t n, size_t *cap, size_t size)
{
	void *p;

	if (n < *cap)
		return array;
	p = reallocarray(array, *cap == 0 ? 256 : *cap * 2, size);
	if (p == NULL) {
		settle_fail(s, SQL_IO);
		return array;
	}
	*cap = *cap == 0 ? 256 : *cap * 2;
	return p;
}

struct change *
settle_change(struct settle *s, const uint8_t key[32], bool del)
{
	struct change *c;

	s->ch = settle_room(s, s->ch, s->n, &s->cap, sizeof(*s->ch));
	if (s->rc != SQL_OK)
		return NULL;
	c = &s->ch[s->n];
	memset(c, 0, sizeof(*c));
	memcpy(c->c.e.key, key, 32);
	c->c.del = del;
	c->order = (uint32_t)s->n++;
	return c;
}

void
settle_put(struct settle *s, const struct pend *e)
{
	struct change *c = settle_change(s, e->key, false);

	if (c == NULL)
		return;
	memcpy(c->c.e.rid, e->rid, 32);
	c->c.e.hlc = e->hlc;
	c->c.e.row = e->row;
	c->c.e.w = e->w;
}

void
settle_subject(struct settle *s, const uint8_t subject[32])
{
	s->subjects = settle_room(s, s->subjects, s->n_subjects,
	    &s->cap_subjects, sizeof(*s->subjects));
	if (s->rc == SQL_OK)
		memcpy(s->subjects[s->n_subjects++], subject, 32);
}

/* A damaged row does not hold up the tick. */
static enum sql_rc
read_row(struct settle *s, const uint8_t key[32], struct sql_rec *r)
{
	enum sql_rc rc = s->rc == SQL_OK ? recstore_read(s->rs, key, r) : s->rc;

	if (rc == SQL_BAD)
		damage_note(s->rs, recstore_row(s->rs, key), key,
		    damage_of(r, rc));
	else if (rc != SQL_OK && rc != SQL_NONE)
		settle_fail(s, rc);
	return rc;
}

bool
settle_row(struct settle *s, const uint8_t key[32], struct sql_rec *r)
{
	return read_row(s, key, r) == SQL_OK;
}

/* In an open network a grant is of its author's own. */
static bool
author_of(struct settle *s, const struct sql_rec *r, uint8_t subject[32])
{
	struct sql_author a;

	if (s->rs->ch->admission != CHARTER_OPEN ||
	    authors_by_id(s->rs, r->author, &a) != SQL_OK)
		return false;
	memcpy(subject, a.pk, 32);
	return true;
}

bool
settle_subject_of(struct settle *s, const uint8_t key[32], uint8_t subject[32])
{
	struct sql_rec r;
	struct rec rec;
	enum sql_rc rc = read_row(s, key, &r);

	if (rc != SQL_OK && rc != SQL_BAD)
		return false;
	if (r.body_len == 0 ||
	    rec_decode_body(&rec, s->rs->ch, r.body, r.body_len) != REC_OK ||
	    rec.subject_len != 32)
		return author_of(s, &r, subject);
	memcpy(subject, rec.subject, 32);
	return true;
}

void
settle_lost(struct settle *s, uint64_t row)
{
	authors_forget(s->rs);
	s->lost = settle_room(s, s->lost, s->n_lost, &s->cap_lost,
	    sizeof(*s->lost));
	if (s->rc == SQL_OK)
		s->lost[s->n_lost++] = row;
}

void
settle_drop(struct settle *s, const uint8_t key[32])
{
	struct recstore *rs = s->rs;
	uint64_t row = recstore_row(rs, key);
	struct change *c;
	struct sql_rec r;

	if (settle_row(s, key, &r))
		authors_counted(rs, r.author, r.kind, -1);
	else
		settle_lost(s, row);
	/* By its number: a damaged row may have lost its key. */
	if (s->rc == SQL_OK && settle_check(s, sql_rec_wipe(rs->sql, row)) &&
	    settle_check(s, sql_older_delete(rs->sql, key, INT64_MAX)) &&
	    (c = settle_change(s, key, true)) != NULL)
		c->gone = true;
}

bool
settle_forget_older(struct settle *s, const uint8_t key[32])
{
	return settle_check(s, sql_older_delete(s->rs->sql, key, s->tick + 1));
}

bool
settle_counts(const struct settle *s, const struct pend *e)
{
	return e->used && e->tick <= s->tick &&
	    pends_upto(&s->rs->pends, e->key, s->tick) == e;
}

bool
settle_over(const struct settle *s, const struct pend *e)
{
	return tick_of_end(s->rs, e->key[0], e->hlc) <= s->tick;
}
