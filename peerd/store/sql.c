/* SPDX-License-Identifier: ISC */
/*
 * SQLite, as promised in sql.h.  WAL, synchronous=FULL, one connection with
 * an exclusive lock, so that no file of shared memory is needed.
 */
#include "peerd/store/sql_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pages in the log before they move into the file: 32 MB, so that the commit
 * that moves them makes nobody wait; and while there is a hurry. */
#define CALM_LOG    4000
#define HURRY_LOG   16000
#define HURRY_CACHE (32u << 20)

#define AUTO_VACUUM 2 /* PRAGMA auto_vacuum: incremental */

static const char *const texts[ST_COUNT] = {
#define X(name, text) text,
	STATEMENTS(X)
#undef X
};

/* Keys are not unique here: the tree, which knows every key, sees to that. */
static const char schema_1[] =
    "CREATE TABLE rec(id INTEGER PRIMARY KEY, k BLOB NOT NULL,"
    " rid BLOB NOT NULL, w INTEGER NOT NULL, hlc INTEGER NOT NULL,"
    " t INTEGER NOT NULL, e INTEGER NOT NULL, author INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, body BLOB NOT NULL, sig BLOB NOT NULL);"
    "CREATE INDEX rec_k ON rec(k,rid,w,hlc,t);"
    "CREATE INDEX rec_e ON rec(e);"
    "CREATE INDEX rec_author ON rec(author,kind,hlc);"
    "CREATE TABLE older(k BLOB NOT NULL, t INTEGER NOT NULL,"
    " rid BLOB NOT NULL, w INTEGER NOT NULL, hlc INTEGER NOT NULL,"
    " author INTEGER NOT NULL, tomb INTEGER NOT NULL, PRIMARY KEY(k,t))"
    " WITHOUT ROWID;"
    "CREATE TABLE author(id INTEGER PRIMARY KEY, pk BLOB NOT NULL UNIQUE,"
    " admitted INTEGER NOT NULL);"
    "CREATE TABLE log(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " k BLOB NOT NULL);"
    "CREATE TABLE body(id BLOB PRIMARY KEY, size INTEGER NOT NULL,"
    " since INTEGER NOT NULL, last INTEGER NOT NULL, h INTEGER NOT NULL,"
    " d INTEGER NOT NULL, w INTEGER NOT NULL, m INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, v BLOB NOT NULL)"
    " WITHOUT ROWID;";

/* An author is named by its key here: its number may be given away. */
static const char schema_2[] =
    "CREATE TABLE evidence(id INTEGER PRIMARY KEY, k BLOB NOT NULL,"
    " hlc INTEGER NOT NULL, author BLOB NOT NULL, seen INTEGER NOT NULL,"
    " a BLOB NOT NULL, b BLOB NOT NULL, UNIQUE(k,hlc));"
    "CREATE INDEX evidence_author ON evidence(author);"
    "CREATE TABLE cursor(id BLOB PRIMARY KEY, dbid BLOB NOT NULL,"
    " seq INTEGER NOT NULL) WITHOUT ROWID;";

/* Until then rec_k led from a key to its row; now memory does. */
static const char schema_3[] = "DROP INDEX rec_k;";

/* Until then an older version was known by its name and weight alone. */
static const char schema_4[] = "ALTER TABLE older ADD COLUMN body BLOB;"
			       "ALTER TABLE older ADD COLUMN sig BLOB;";

/* --- errors --- */

enum sql_rc
sql_rc_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return SQL_OK;
	case SQLITE_FULL:
		return SQL_FULL;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return SQL_READONLY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return SQL_CORRUPT;
	default:
		return SQL_IO;
	}
}

const char *
sql_error(const struct sql *db)
{
	return sqlite3_errmsg(db->db);
}

const char *
sql_rc_name(enum sql_rc rc)
{
	static const char *const names[] = {
		[SQL_OK] = "ok",
		[SQL_NONE] = "no such row",
		[SQL_FULL] = "disk full",
		[SQL_READONLY] = "read-only",
		[SQL_CORRUPT] = "corrupt",
		[SQL_BAD] = "a damaged row",
		[SQL_IO] = "input/output error",
		[SQL_VERSION] = "made by a later version",
	};

	return names[rc];
}

/* --- statements --- */

static enum sql_rc
run_text(struct sql *db, const char *text)
{
	return sql_rc_of(sqlite3_exec(db->db, text, NULL, NULL, NULL));
}

void
sql_bind_blob(sqlite3_stmt *st, int at, const void *p, size_t n)
{
	/* A zero-length blob must not become NULL. */
	(void)sqlite3_bind_blob(st, at, n == 0 ? "" : p, (int)n, SQLITE_STATIC);
}

void
sql_bind_int(sqlite3_stmt *st, int at, uint64_t v)
{
	(void)sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

uint64_t
sql_col_u64(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

bool
sql_col_bytes(sqlite3_stmt *st, int at, void *out, size_t n)
{
	const void *p = sqlite3_column_blob(st, at);

	memset(out, 0, n);
	if (p == NULL || (size_t)sqlite3_column_bytes(st, at) != n)
		return false;
	memcpy(out, p, n);
	return true;
}

sqlite3_stmt *
sql_ready(struct sql *db, int which)
{
	(void)sqlite3_reset(db->st[which]);
	return db->st[which];
}

enum sql_rc
sql_run(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	(void)sqlite3_reset(st);
	return sql_rc_of(rc);
}

enum sql_rc
sql_first(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return SQL_OK;
	(void)sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQL_NONE : sql_rc_of(rc);
}

enum sql_rc
sql_two_numbers(sqlite3_stmt *st, uint64_t *a, uint64_t *b)
{
	enum sql_rc rc = sql_first(st);

	if (rc != SQL_OK)
		return rc;
	*a = sql_col_u64(st, 0);
	*b = sql_col_u64(st, 1);
	(void)sqlite3_reset(st);
	return SQL_OK;
}

enum sql_rc
sql_run_key(struct sql *db, int which, const uint8_t key[32])
{
	sqlite3_stmt *st = sql_ready(db, which);

	sql_bind_blob(st, 1, key, 32);
	return sql_run(st);
}

enum sql_rc
sql_keys_of(sqlite3_stmt *st, int col, uint8_t (*keys)[32], size_t max,
    size_t *n)
{
	int rc;

	*n = 0;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max)
		if (sql_col_bytes(st, col, keys[*n], 32))
			(*n)++;
	(void)sqlite3_reset(st);
	return sql_rc_of(rc);
}

/* --- opening --- */

static enum sql_rc
migrate(struct sql *db)
{
	sqlite3_stmt *st;
	int version = -1;
	char text[64];
	enum sql_rc rc;

	if ((rc = sql_rc_of(sqlite3_prepare_v2(db->db, "PRAGMA user_version",
		 -1, &st, NULL))) != SQL_OK)
		return rc;
	if (sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int(st, 0);
	rc = sql_rc_of(sqlite3_finalize(st));
	if (rc != SQL_OK || version == SQL_SCHEMA)
		return rc;
	if (version > SQL_SCHEMA || version < 0)
		return version < 0 ? SQL_CORRUPT : SQL_VERSION;
	/* Each step from its version to the next, all or none of them. */
	if ((rc = run_text(db, "BEGIN IMMEDIATE")) != SQL_OK)
		return rc;
	if (version < 1)
		rc = run_text(db, schema_1);
	if (version < 2 && rc == SQL_OK)
		rc = run_text(db, schema_2);
	if (version < 3 && rc == SQL_OK)
		rc = run_text(db, schema_3);
	if (version < 4 && rc == SQL_OK)
		rc = run_text(db, schema_4);
	(void)snprintf(text, sizeof(text), "PRAGMA user_version=%d; COMMIT",
	    SQL_SCHEMA);
	if (rc == SQL_OK)
		rc = run_text(db, text);
	if (rc != SQL_OK)
		(void)run_text(db, "ROLLBACK");
	return rc;
}

static enum sql_rc
set_pace(struct sql *db)
{
	uint32_t cache = db->cache_bytes;
	char text[96];

	if (db->hurry && cache < HURRY_CACHE)
		cache = HURRY_CACHE;
	(void)snprintf(text, sizeof(text),
	    "PRAGMA cache_size=-%u; PRAGMA wal_autocheckpoint=%d", cache / 1024,
	    db->hurry ? HURRY_LOG : CALM_LOG);
	return run_text(db, text);
}

/*
 * A new file learns that it may give pages back.  Saying so to one that knows
 * is a write, and a full disk must not keep it from being read.
 */
static enum sql_rc
may_shrink(struct sql *db)
{
	sqlite3_stmt *st;
	bool knows = false;
	enum sql_rc rc;

	if ((rc = sql_rc_of(sqlite3_prepare_v2(db->db, "PRAGMA auto_vacuum", -1,
		 &st, NULL))) != SQL_OK)
		return rc;
	if (sqlite3_step(st) == SQLITE_ROW)
		knows = sqlite3_column_int(st, 0) == AUTO_VACUUM;
	if ((rc = sql_rc_of(sqlite3_finalize(st))) != SQL_OK || knows)
		return rc;
	return run_text(db, "PRAGMA auto_vacuum=INCREMENTAL");
}

static enum sql_rc
set_up(struct sql *db, const struct sql_conf *conf)
{
	static const char before[] =
	    "PRAGMA locking_mode=EXCLUSIVE;" /* no -shm file, nobody else */
	    "PRAGMA page_size=8192;";
	static const char pragmas[] = "PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL;"
				      "PRAGMA journal_size_limit=33554432;"
				      "PRAGMA temp_store=MEMORY;"
				      "PRAGMA mmap_size=0;"
				      "PRAGMA trusted_schema=OFF;"
				      "PRAGMA cell_size_check=ON;";
	enum sql_rc rc;
	int i;

	(void)sqlite3_extended_result_codes(db->db, 1);
	(void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0,
	    NULL);
	(void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	(void)sqlite3_limit(db->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	(void)sqlite3_limit(db->db, SQLITE_LIMIT_ATTACHED, 0);
	db->cache_bytes = conf->cache_bytes;
	if ((rc = run_text(db, before)) != SQL_OK ||
	    (rc = may_shrink(db)) != SQL_OK ||
	    (rc = run_text(db, pragmas)) != SQL_OK ||
	    (rc = set_pace(db)) != SQL_OK || (rc = migrate(db)) != SQL_OK)
		return rc;
	for (i = 0; i < ST_COUNT; i++) {
		rc = sql_rc_of(sqlite3_prepare_v3(db->db, texts[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &db->st[i], NULL));
		if (rc != SQL_OK)
			return rc;
	}
	return SQL_OK;
}

enum sql_rc
sql_open(struct sql **out, const struct sql_conf *conf, char *why, size_t cap)
{
	struct sql *db = calloc(1, sizeof(*db));
	enum sql_rc rc = SQL_IO;

	*out = NULL;
	if (db == NULL) {
		(void)snprintf(why, cap, "out of memory");
		return SQL_IO;
	}
	rc = sql_rc_of(sqlite3_open_v2(conf->file, &db->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW,
	    conf->vfs));
	/* SQLite would make do with reading, and then fail at the lock. */
	if (rc == SQL_OK && sqlite3_db_readonly(db->db, "main") == 1) {
		(void)snprintf(why, cap, "%s", sql_rc_name(SQL_READONLY));
		sql_close(db);
		return SQL_READONLY;
	}
	if (rc == SQL_OK)
		rc = set_up(db, conf);
	if (rc != SQL_OK) {
		(void)snprintf(why, cap, "%s: %s", sql_rc_name(rc),
		    db->db == NULL ? "out of memory" : sql_error(db));
		sql_close(db);
		return rc;
	}
	*out = db;
	return SQL_OK;
}

void
sql_close(struct sql *db)
{
	int i;

	if (db == NULL)
		return;
	for (i = 0; i < ST_COUNT; i++)
		(void)sqlite3_finalize(db->st[i]);
	(void)sqlite3_close(db->db);
	free(db);
}

/* --- transactions --- */

enum sql_rc
sql_begin(struct sql *db)
{
	db->changes = sqlite3_total_changes(db->db);
	return sql_run(sql_ready(db, ST_BEGIN));
}

/*
 * Whoever reads one row leaves its statement standing on it.  While one
 * stands, SQLite moves nothing out of its log into the file, compacts nothing
 * and copies nothing.  A scan is left alone: its reader is still at it.
 */
static void
let_go(struct sql *db)
{
	size_t i;

	for (i = 0; i < ST_COUNT; i++)
		if (i != ST_SCAN && db->st[i] != NULL &&
		    sqlite3_stmt_busy(db->st[i]))
			(void)sqlite3_reset(db->st[i]);
}

enum sql_rc
sql_commit(struct sql *db)
{
	let_go(db);
	return sql_run(sql_ready(db, ST_COMMIT));
}

void
sql_hurry(struct sql *db, bool hurry)
{
	if (db->hurry == hurry || sql_in_transaction(db))
		return;
	db->hurry = hurry;
	(void)set_pace(db);
	if (!hurry)
		(void)sqlite3_db_release_memory(db->db);
}

void
sql_rollback(struct sql *db)
{
	/* SQLite may have rolled back by itself already. */
	if (sql_in_transaction(db))
		(void)sql_run(sql_ready(db, ST_ROLLBACK));
}

bool
sql_in_transaction(const struct sql *db)
{
	return sqlite3_get_autocommit(db->db) == 0;
}

bool
sql_has_changed(const struct sql *db)
{
	return sqlite3_total_changes(db->db) != db->changes;
}

/* --- rec --- */

static enum sql_rc
read_rec(sqlite3_stmt *st, struct sql_rec *r)
{
	bool has_key = sql_col_bytes(st, 1, r->key, 32);
	bool good = sql_col_bytes(st, 2, r->rid, 32) && has_key;

	r->row = sql_col_u64(st, 0);
	r->w = sqlite3_column_int(st, 3);
	r->hlc = sql_col_u64(st, 4);
	r->tick = sql_col_u64(st, 5);
	return good && r->row != 0 ? SQL_OK : SQL_BAD;
}

/* The row that a statement of all columns stands on. */
static enum sql_rc
read_whole(sqlite3_stmt *st, struct sql_rec *r)
{
	enum sql_rc rc = read_rec(st, r);

	r->expiry = sql_col_u64(st, 6);
	r->author = sqlite3_column_int64(st, 7);
	r->kind = (uint8_t)sqlite3_column_int(st, 8);
	r->body = sqlite3_column_blob(st, 9);
	r->body_len = (size_t)sqlite3_column_bytes(st, 9);
	return sql_col_bytes(st, 10, r->sig, 64) ? rc : SQL_BAD;
}

enum sql_rc
sql_rec_get(struct sql *db, uint64_t row, const uint8_t key[32],
    struct sql_rec *r)
{
	sqlite3_stmt *st = sql_ready(db, ST_REC_GET);
	enum sql_rc rc;

	sql_bind_int(st, 1, row);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	rc = read_whole(st, r);
	return memcmp(r->key, key, 32) == 0 ? rc : SQL_BAD;
}

enum sql_rc
sql_rec_after(struct sql *db, uint64_t row, struct sql_rec *r)
{
	sqlite3_stmt *st = sql_ready(db, ST_REC_AFTER);
	enum sql_rc rc;

	sql_bind_int(st, 1, row);
	if ((rc = sql_first(st)) != SQL_OK)
		return rc;
	return read_whole(st, r);
}

static enum sql_rc
write_rec(sqlite3_stmt *st, const struct sql_rec *r)
{
	sql_bind_blob(st, 1, r->key, 32);
	sql_bind_blob(st, 2, r->rid, 32);
	(void)sqlite3_bind_int(st, 3, r->w);
	sql_bind_int(st, 4, r->hlc);
	sql_bind_int(st, 5, r->tick);
	sql_bind_int(st, 6, r->expiry);
	(void)sqlite3_bind_int64(st, 7, r->author);
	sql_bind_int(st, 8, r->kind);
	sql_bind_blob(st, 9, r->body, r->body_len);
	sql_bind_blob(st, 10, r->sig, 64);
	return sql_run(st);
}

enum sql_rc
sql_rec_insert(struct sql *db, const struct sql_rec *r, uint64_t *row)
{
	enum sql_rc rc = write_rec(sql_ready(db, ST_REC_INSERT), r);

	*row = (uint64_t)sqlite3_last_insert_rowid(db->db);
	return rc;
}

enum sql_rc
sql_rec_update(struct sql *db, const struct sql_rec *r)
{
	sqlite3_stmt *st = sql_ready(db, ST_REC_UPDATE);

	enum sql_rc rc;

	sql_bind_int(st, 11, r->row);
	rc = write_rec(st, r);
	return rc == SQL_OK && sqlite3_changes(db->db) == 0 ? SQL_NONE : rc;
}

enum sql_rc
sql_rec_delete(struct sql *db, uint64_t row, const uint8_t key[32])
{
	sqlite3_stmt *st = sql_ready(db, ST_REC_DELETE);

	sql_bind_int(st, 1, row);
	sql_bind_blob(st, 2, key, 32);
	return sql_run(st);
}

enum sql_rc
sql_rec_wipe(struct sql *db, uint64_t row)
{
	sqlite3_stmt *st = sql_ready(db, ST_REC_WIPE);

	sql_bind_int(st, 1, row);
	return sql_run(st);
}

enum sql_rc
sql_scan_begin(struct sql *db)
{
	(void)sql_ready(db, ST_SCAN);
	return SQL_OK;
}

enum sql_rc
sql_scan_next(struct sql *db, struct sql_rec *r)
{
	int rc = sqlite3_step(db->st[ST_SCAN]);

	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQL_NONE : sql_rc_of(rc);
	return read_rec(db->st[ST_SCAN], r);
}

void
sql_scan_end(struct sql *db)
{
	(void)sql_ready(db, ST_SCAN);
}

enum sql_rc
sql_expired(struct sql *db, uint64_t tick, uint8_t (*keys)[32], size_t max,
    size_t *n)
{
	sqlite3_stmt *st = sql_ready(db, ST_EXPIRED);

	sql_bind_int(st, 1, tick);
	sql_bind_int(st, 2, max);
	return sql_keys_of(st, 0, keys, max, n);
}

/* --- care --- */

/* One line of ASCII, which may go into a message and a log; without SQLite's
 * headline, which names a database that we have one of. */
static void
plain(char *out, size_t cap, const char *text)
{
	static const char headline[] = "*** in database main ***\n";
	char *p;

	if (strncmp(text, headline, sizeof(headline) - 1) == 0)
		text += sizeof(headline) - 1;
	(void)snprintf(out, cap, "%s", text);
	for (p = out; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = ' ';
}

enum sql_rc
sql_check(struct sql *db, char *why, size_t cap)
{
	sqlite3_stmt *st;
	const char *text = NULL;
	enum sql_rc rc;

	rc = sql_rc_of(sqlite3_prepare_v2(db->db, "PRAGMA integrity_check(1)",
	    -1, &st, NULL));
	if (rc != SQL_OK)
		return rc;
	if (sqlite3_step(st) == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(st, 0);
	if (text == NULL || strcmp(text, "ok") != 0) {
		plain(why, cap, text == NULL ? sql_error(db) : text);
		rc = SQL_CORRUPT;
	}
	(void)sqlite3_finalize(st);
	return rc;
}

enum sql_rc
sql_compact(struct sql *db)
{
	enum sql_rc rc;

	let_go(db);
	rc = run_text(db, "PRAGMA incremental_vacuum");
	return rc != SQL_OK ? rc
			    : run_text(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

uint64_t
sql_bytes(struct sql *db)
{
	sqlite3_stmt *st = sql_ready(db, ST_PAGES);
	uint64_t n = 0;

	if (sql_first(st) == SQL_OK)
		n = sql_col_u64(st, 0);
	(void)sqlite3_reset(st);
	return n;
}

struct sql_copy {
	struct sql *from;
	sqlite3 *to;
	sqlite3_backup *b;
};

enum sql_rc
sql_copy_begin(struct sql_copy **copy, struct sql *db, const char *file,
    const char *vfs)
{
	struct sql_copy *c = calloc(1, sizeof(*c));
	enum sql_rc rc;

	*copy = NULL;
	if (c == NULL)
		return SQL_IO;
	c->from = db;
	rc = sql_rc_of(sqlite3_open_v2(file, &c->to,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_NOFOLLOW,
	    vfs));
	if (rc == SQL_OK) {
		/* One file and no log beside it: it will be shipped. */
		(void)sqlite3_exec(c->to, "PRAGMA journal_mode=OFF", NULL, NULL,
		    NULL);
		c->b = sqlite3_backup_init(c->to, "main", db->db, "main");
		rc = c->b == NULL ? sql_rc_of(sqlite3_errcode(c->to)) : SQL_OK;
	}
	if (rc != SQL_OK)
		(void)sql_copy_end(c);
	else
		*copy = c;
	return rc;
}

enum sql_rc
sql_copy_step(struct sql_copy *c, int pages)
{
	int rc;

	let_go(c->from);
	rc = sqlite3_backup_step(c->b, pages);
	if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return SQL_NONE;
	return sql_rc_of(rc);
}

enum sql_rc
sql_copy_end(struct sql_copy *c)
{
	enum sql_rc rc =
	    c->b == NULL ? SQL_OK : sql_rc_of(sqlite3_backup_finish(c->b));

	if (sqlite3_close(c->to) != SQLITE_OK && rc == SQL_OK)
		rc = SQL_IO;
	free(c);
	return rc;
}
