/* SPDX-License-Identifier: ISC */
/*
 * A walk over the rows as they lie on disk, a few at a time.  SQLite has a
 * check of its own, which cannot be cut into slices; this one can, and it
 * knows what a record is.  What it finds is noted as damage.
 */
#include <stdio.h>
#include <string.h>

#include "peerd/store/recstore_priv.h"

#define KEYS   64
#define BODIES 16

/* --- one step in each table: SQL_NONE at its end --- */

static enum sql_rc
step_rec(struct recstore *rs, struct recstore_walk *w)
{
	struct sql_rec r;
	const char *why;
	enum sql_rc rc = sql_rec_after(rs->sql, w->at, &r);

	if (rc != SQL_OK && rc != SQL_BAD)
		return rc;
	w->at = r.row;
	w->rows++;
	why = damage_of_whole(rs, r.key, &r, rc);
	if (why == NULL && recstore_row(rs, r.key) != r.row)
		why = "no key leads to the row";
	if (why != NULL)
		damage_note(rs, r.row, r.key, why);
	return SQL_OK;
}

static enum sql_rc
step_author(struct recstore *rs, struct recstore_walk *w)
{
	struct sql_author a;
	enum sql_rc rc = sql_author_after(rs->sql, (int64_t)w->at, &a);

	if (rc != SQL_OK && rc != SQL_BAD)
		return rc;
	w->at = (uint64_t)a.id;
	w->rows++;
	return rc;
}

static enum sql_rc
step_log(struct recstore *rs, struct recstore_walk *w)
{
	uint8_t keys[KEYS][32];
	uint64_t seqs[KEYS];
	size_t n;
	enum sql_rc rc =
	    sql_log_after(rs->sql, w->at, keys, seqs, KEYS, &n);

	if (rc != SQL_OK)
		return rc;
	if (n == 0)
		return SQL_NONE;
	w->at = seqs[n - 1];
	w->rows += n;
	return SQL_OK;
}

static enum sql_rc
step_body(struct recstore *rs, struct recstore_walk *w)
{
	struct sql_body b[BODIES];
	size_t n;
	enum sql_rc rc = sql_body_list(rs->sql, w->at == 0 ? NULL : w->id, b,
	    BODIES, &n);

	if (rc != SQL_OK)
		return rc;
	if (n == 0)
		return SQL_NONE;
	w->at = 1;
	memcpy(w->id, b[n - 1].id, 32);
	w->rows += n;
	return SQL_OK;
}

static enum sql_rc
step_evidence(struct recstore *rs, struct recstore_walk *w)
{
	struct sql_evidence e;
	enum sql_rc rc = sql_evidence_next(rs->sql, w->at, &e);

	if (rc != SQL_OK && rc != SQL_BAD)
		return rc;
	w->at = e.id;
	w->rows++;
	return rc;
}

/* The others are small, and were read when the file was opened. */
static const struct {
	const char *name;
	enum sql_rc (*step)(struct recstore *rs, struct recstore_walk *w);
} tables[] = {
	{ "rec", step_rec },
	{ "author", step_author },
	{ "log", step_log },
	{ "body", step_body },
	{ "evidence", step_evidence },
};

static void
note_table(struct recstore *rs, const char *table, enum sql_rc rc)
{
	char why[64];

	(void)snprintf(why, sizeof(why), "table %s: %s", table,
	    sql_rc_name(rc));
	damage_note(rs, 0, NULL, why);
}

void
recstore_walk(struct recstore *rs, struct recstore_walk *w, size_t steps)
{
	enum sql_rc rc;

	for (; steps > 0 && !w->done; steps--) {
		rc = tables[w->table].step(rs, w);
		if (rc == SQL_OK)
			continue;
		if (rc != SQL_NONE)
			note_table(rs, tables[w->table].name, rc);
		/* Behind a damaged page there is no telling where to go on. */
		if (rc == SQL_BAD)
			continue;
		w->at = 0;
		w->done = ++w->table == sizeof(tables) / sizeof(tables[0]);
	}
}
