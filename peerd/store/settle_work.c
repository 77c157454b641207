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

bool
settle_row(struct settle *s, const uint8_t key[32], struct sql_rec *r)
{
	enum sql_rc rc = s->rc == SQL_OK ? recstore_read(s->rs, key, r) : s->rc;

	if (rc != SQL_OK && rc != SQL_NONE)
		settle_fail(s, rc);
	return rc == SQL_OK;
}

bool
settle_subject_of(struct settle *s, const uint8_t key[32], uint8_t subject[32])
{
	struct sql_rec r;
	struct rec rec;

	if (!settle_row(s, key, &r) ||
	    rec_decode_body(&rec, s->rs->ch, r.body, r.body_len) != REC_OK ||
	    rec.subject_len != 32)
		return false;
	memcpy(subject, rec.subject, 32);
	return true;
}

void
settle_drop(struct settle *s, const uint8_t key[32])
{
	struct recstore *rs = s->rs;
	struct change *c;
	struct sql_rec r;

	if (settle_row(s, key, &r))
		authors_counted(rs, r.author, r.kind, -1);
	if (s->rc == SQL_OK &&
	    settle_check(s,
		sql_rec_delete(rs->sql, recstore_row(rs, key), key)) &&
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
