/* SPDX-License-Identifier: ISC */
/*
 * The tables beside the records, row by row, as promised in sql.h.
 */
#include <string.h>

#include "peerd/store/sql_priv.h"

/* --- older --- */

static void
bind_older(sqlite3_stmt *st, const struct sql_older *o)
{
	sql_bind_blob(st, 1, o->key, 32);
	sql_bind_int(st, 2, o->tick);
	sql_bind_blob(st, 3, o->rid, 32);
	(void)sqlite3_bind_int(st, 4, o->w);
	sql_bind_int(st, 5, o->hlc);
	(void)sqlite3_bind_int64(st, 6, o->author);
	sql_bind_int(st, 7, o->tombstone);
}

enum sql_rc
sql_older_put(struct sql *db, const struct sql_older *o)
{
	sqlite3_stmt *st = sql_ready(db, ST_OLDER_PUT);

	bind_older(st, o);
	sql_bind_blob(st, 8, o->body, o->body_len);
	sql_bind_blob(st, 9, o->sig, 64);
	return sql_run(st);
}

enum sql_rc
sql_older_keep(struct sql *db, const struct sql_older *o, uint64_t row)
{
	sqlite3_stmt *st = sql_ready(db, ST_OLDER_KEEP);

	bind_older(st, o);
	sql_bind_int(st, 8, row);
	return sql_run(st);
}

enum sql_rc
sql_older_delete(struct sql *db, const uint8_t key[32], uint64_t tick)
{
	sqlite3_stmt *st = sql_ready(db, ST_OLDER_DELETE);

	sql_bind_blob(st, 1, key, 32);
	sql_bind_int(st, 2, tick);
	return sql_run(st);
}

static bool
read_older(sqlite3_stmt *st, struct sql_older *o)
{
	o->tick = sql_col_u64(st, 1);
	o->w = sqlite3_column_int(st, 3);
	o->hlc = sql_col_u64(st, 4);
	o->author = sqlite3_column_int64(st, 5);
	o->tombstone = sqlite3_column_int(st, 6) != 0;
	return sql_col_bytes(st, 0, o->key, 32) &&
	    sql_col_bytes(st, 2, o->rid, 32);
}

enum sql_rc
sql_older_get(struct sql *db, const uint8_t key[32], uint64_t tick,
    struct sql_older *o)
{
	sqlite3_stmt *st = sql_ready(db, ST_OLDER_GET);
	enum sql_rc rc;

	sql_bind_blob(st, 1, key, 32);
	sql_bind_int(st, 2, tick);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	rc = read_older(st, o) ? SQL_OK : SQL_CORRUPT;
	o->body = NULL;
	if (rc == SQL_OK && sql_col_bytes(st, 8, o->sig, 64)) {
		o->body = sqlite3_column_blob(st, 7);
		o->body_len = (size_t)sqlite3_column_bytes(st, 7);
	}
	return rc; /* sql_ready() resets it */
}

enum sql_rc
sql_older_all(struct sql *db, void (*fn)(void *arg, const struct sql_older *o),
    void *arg)
{
	sqlite3_stmt *st = sql_ready(db, ST_OLDER_ALL);
	struct sql_older o;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		if (read_older(st, &o))
			fn(arg, &o);
	(void)sqlite3_reset(st);
	return sql_rc_of(rc);
}

/* --- author --- */

static enum sql_rc
read_author(sqlite3_stmt *st, struct sql_author *a)
{
	enum sql_rc rc = sql_first(st);

	if (rc != SQL_OK)
		return rc;
	a->id = sqlite3_column_int64(st, 0);
	a->admitted = sqlite3_column_int(st, 2) != 0;
	rc = sql_col_bytes(st, 1, a->pk, 32) ? SQL_OK : SQL_BAD;
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_author_get(struct sql *db, const uint8_t pk[32], bool make,
    struct sql_author *a)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_GET);
	enum sql_rc rc;

	sql_bind_blob(st, 1, pk, 32);
	if ((rc = read_author(st, a)) != SQL_NONE || !make)
		return rc;
	if ((rc = sql_run_key(db, ST_AUTHOR_PUT, pk)) != SQL_OK)
		return rc;
	a->id = sqlite3_last_insert_rowid(db->db);
	a->admitted = false;
	memcpy(a->pk, pk, 32);
	return SQL_OK;
}

enum sql_rc
sql_author_by_id(struct sql *db, int64_t id, struct sql_author *a)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_BY_ID);

	(void)sqlite3_bind_int64(st, 1, id);
	return read_author(st, a);
}

enum sql_rc
sql_author_after(struct sql *db, int64_t id, struct sql_author *a)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_AFTER);

	(void)sqlite3_bind_int64(st, 1, id);
	return read_author(st, a);
}

enum sql_rc
sql_author_admit(struct sql *db, int64_t id, bool admitted)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_ADMIT);

	(void)sqlite3_bind_int64(st, 1, id);
	sql_bind_int(st, 2, admitted);
	return sql_run(st);
}

enum sql_rc
sql_author_drop(struct sql *db, int64_t id)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_DROP);

	(void)sqlite3_bind_int64(st, 1, id);
	return sql_run(st);
}

enum sql_rc
sql_author_count(struct sql *db, int64_t id, uint8_t kind, uint64_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_COUNT);
	enum sql_rc rc;

	(void)sqlite3_bind_int64(st, 1, id);
	sql_bind_int(st, 2, kind);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	*n = sql_col_u64(st, 0);
	(void)sqlite3_reset(st);
	return SQL_OK;
}

enum sql_rc
sql_author_keys(struct sql *db, int64_t id, uint64_t tick, uint8_t (*keys)[32],
    size_t max, size_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_KEYS);

	(void)sqlite3_bind_int64(st, 1, id);
	sql_bind_int(st, 2, max);
	sql_bind_int(st, 3, tick);
	return sql_keys_of(st, 0, keys, max, n);
}

enum sql_rc
sql_author_surplus(struct sql *db, int64_t id, uint8_t kind, uint32_t keep,
    uint64_t tick, uint8_t (*keys)[32], size_t max, size_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_AUTHOR_SURPLUS);

	(void)sqlite3_bind_int64(st, 1, id);
	sql_bind_int(st, 2, kind);
	sql_bind_int(st, 3, keep);
	sql_bind_int(st, 4, max);
	sql_bind_int(st, 5, tick);
	return sql_keys_of(st, 0, keys, max, n);
}

/* --- log --- */

enum sql_rc
sql_log_put(struct sql *db, const uint8_t key[32], uint64_t *seq)
{
	enum sql_rc rc = sql_run_key(db, ST_LOG_PUT, key);

	*seq = (uint64_t)sqlite3_last_insert_rowid(db->db);
	return rc;
}

enum sql_rc
sql_log_after(struct sql *db, uint64_t seq, uint8_t (*keys)[32], uint64_t *seqs,
    size_t max, size_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_LOG_AFTER);
	int rc;

	*n = 0;
	sql_bind_int(st, 1, seq);
	sql_bind_int(st, 2, max);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max) {
		if (!sql_col_bytes(st, 1, keys[*n], 32))
			continue;
		if (seqs != NULL)
			seqs[*n] = sql_col_u64(st, 0);
		(*n)++;
	}
	(void)sqlite3_reset(st);
	return sql_rc_of(rc);
}

enum sql_rc
sql_log_bounds(struct sql *db, uint64_t *first_seq, uint64_t *last_seq)
{
	return sql_two_numbers(sql_ready(db, ST_LOG_BOUNDS), first_seq,
	    last_seq);
}

enum sql_rc
sql_log_prune(struct sql *db, uint64_t before)
{
	sqlite3_stmt *st = sql_ready(db, ST_LOG_PRUNE);

	sql_bind_int(st, 1, before);
	return sql_run(st);
}

/* --- body --- */

static bool
read_body(sqlite3_stmt *st, struct sql_body *b)
{
	b->size = (uint32_t)sqlite3_column_int64(st, 1);
	b->since = sql_col_u64(st, 2);
	b->last = sql_col_u64(st, 3);
	b->hour = sql_col_u64(st, 4);
	b->day = sql_col_u64(st, 5);
	b->week = sql_col_u64(st, 6);
	b->month = sql_col_u64(st, 7);
	return sql_col_bytes(st, 0, b->id, 32);
}

enum sql_rc
sql_body_get(struct sql *db, const uint8_t id[32], struct sql_body *b)
{
	sqlite3_stmt *st = sql_ready(db, ST_BODY_GET);
	enum sql_rc rc;

	sql_bind_blob(st, 1, id, 32);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	rc = read_body(st, b) ? SQL_OK : SQL_CORRUPT;
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_body_put(struct sql *db, const struct sql_body *b)
{
	sqlite3_stmt *st = sql_ready(db, ST_BODY_PUT);

	sql_bind_blob(st, 1, b->id, 32);
	sql_bind_int(st, 2, b->size);
	sql_bind_int(st, 3, b->since);
	sql_bind_int(st, 4, b->last);
	sql_bind_int(st, 5, b->hour);
	sql_bind_int(st, 6, b->day);
	sql_bind_int(st, 7, b->week);
	sql_bind_int(st, 8, b->month);
	return sql_run(st);
}

enum sql_rc
sql_body_delete(struct sql *db, const uint8_t id[32])
{
	return sql_run_key(db, ST_BODY_DELETE, id);
}

enum sql_rc
sql_body_list(struct sql *db, const uint8_t *after, struct sql_body *out,
    size_t max, size_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_BODY_LIST);
	int rc;

	*n = 0;
	sql_bind_blob(st, 1, after, after == NULL ? 0 : 32);
	sql_bind_int(st, 2, max);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max)
		if (read_body(st, &out[*n]))
			(*n)++;
	(void)sqlite3_reset(st);
	return sql_rc_of(rc);
}

enum sql_rc
sql_body_totals(struct sql *db, uint64_t *n, uint64_t *bytes)
{
	return sql_two_numbers(sql_ready(db, ST_BODY_TOTALS), n, bytes);
}

/* --- evidence --- */

enum sql_rc
sql_evidence_has(struct sql *db, const uint8_t key[32], uint64_t hlc)
{
	sqlite3_stmt *st = sql_ready(db, ST_EVIDENCE_HAS);
	enum sql_rc rc;

	sql_bind_blob(st, 1, key, 32);
	sql_bind_int(st, 2, hlc);
	rc = sql_first(st);
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_evidence_put(struct sql *db, const struct sql_evidence *e)
{
	sqlite3_stmt *st = sql_ready(db, ST_EVIDENCE_PUT);

	sql_bind_blob(st, 1, e->key, 32);
	sql_bind_int(st, 2, e->hlc);
	sql_bind_blob(st, 3, e->author, 32);
	sql_bind_int(st, 4, e->seen);
	sql_bind_blob(st, 5, e->a, e->a_len);
	sql_bind_blob(st, 6, e->b, e->b_len);
	return sql_run(st);
}

enum sql_rc
sql_evidence_count(struct sql *db, const uint8_t *author, uint64_t *n)
{
	sqlite3_stmt *st =
	    sql_ready(db, author == NULL ? ST_EVIDENCE_TOTAL : ST_EVIDENCE_OF);
	uint64_t zero;

	if (author != NULL)
		sql_bind_blob(st, 1, author, 32);
	return sql_two_numbers(st, n, &zero);
}

enum sql_rc
sql_evidence_prune(struct sql *db, uint64_t keep)
{
	sqlite3_stmt *st = sql_ready(db, ST_EVIDENCE_PRUNE);

	sql_bind_int(st, 1, keep);
	return sql_run(st);
}

enum sql_rc
sql_evidence_next(struct sql *db, uint64_t after, struct sql_evidence *e)
{
	sqlite3_stmt *st = sql_ready(db, ST_EVIDENCE_NEXT);
	enum sql_rc rc;

	sql_bind_int(st, 1, after);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	e->id = sql_col_u64(st, 0);
	e->hlc = sql_col_u64(st, 2);
	e->seen = sql_col_u64(st, 4);
	e->a = sqlite3_column_blob(st, 5);
	e->a_len = (size_t)sqlite3_column_bytes(st, 5);
	e->b = sqlite3_column_blob(st, 6);
	e->b_len = (size_t)sqlite3_column_bytes(st, 6);
	return sql_col_bytes(st, 1, e->key, 32) &&
		sql_col_bytes(st, 3, e->author, 32)
	    ? SQL_OK
	    : SQL_BAD;
}

/* --- cursor --- */

enum sql_rc
sql_cursor_put(struct sql *db, const struct sql_cursor *c)
{
	sqlite3_stmt *st = sql_ready(db, ST_CURSOR_PUT);

	sql_bind_blob(st, 1, c->id, 32);
	sql_bind_blob(st, 2, c->dbid, 16);
	sql_bind_int(st, 3, c->seq);
	return sql_run(st);
}

enum sql_rc
sql_cursor_delete(struct sql *db, const uint8_t id[32])
{
	return sql_run_key(db, ST_CURSOR_DELETE, id);
}

enum sql_rc
sql_cursor_all(struct sql *db, struct sql_cursor *out, size_t max, size_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_CURSOR_ALL);
	int rc;

	*n = 0;
	sql_bind_int(st, 1, max);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max) {
		out[*n].seq = sql_col_u64(st, 2);
		if (sql_col_bytes(st, 0, out[*n].id, 32) &&
		    sql_col_bytes(st, 1, out[*n].dbid, 16))
			(*n)++;
	}
	(void)sqlite3_reset(st);
	return sql_rc_of(rc);
}

/* --- meta --- */

enum sql_rc
sql_meta_get(struct sql *db, const char *name, void *out, size_t *len)
{
	sqlite3_stmt *st = sql_ready(db, ST_META_GET);
	enum sql_rc rc;
	size_t n;

	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	n = (size_t)sqlite3_column_bytes(st, 0);
	if (n > *len || (n > 0 && sqlite3_column_blob(st, 0) == NULL)) {
		rc = SQL_CORRUPT;
	} else if (n > 0) {
		memcpy(out, sqlite3_column_blob(st, 0), n);
	}
	*len = n;
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_meta_put(struct sql *db, const char *name, const void *val, size_t len)
{
	sqlite3_stmt *st = sql_ready(db, ST_META_PUT);

	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sql_bind_blob(st, 2, val, len);
	return sql_run(st);
}
