/* SPDX-License-Identifier: ISC */
/*
 * SQLite, as promised in sql.h.  WAL, synchronous=FULL, one connection with
 * an exclusive lock, so that no file of shared memory is needed.
 */
#include "peerd/store/sql.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define STATEMENTS(X)                                                          \
  X(BEGIN, "BEGIN IMMEDIATE")                                                  \
  X(COMMIT, "COMMIT")                                                          \
  X(ROLLBACK, "ROLLBACK")                                                      \
  X(REC_GET, "SELECT k,rid,w,hlc,t,e,author,kind,body,sig FROM rec"            \
    " INDEXED BY rec_k WHERE k=?1")                                            \
  X(REC_INSERT, "INSERT INTO rec(k,rid,w,hlc,t,e,author,kind,body,sig)"        \
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")                                 \
  X(REC_UPDATE, "UPDATE rec SET rid=?2,w=?3,hlc=?4,t=?5,e=?6,author=?7,"       \
    "kind=?8,body=?9,sig=?10 WHERE k=?1")                                      \
  X(REC_DELETE, "DELETE FROM rec WHERE k=?1")                                  \
  X(SCAN, "SELECT k,rid,w,hlc,t FROM rec INDEXED BY rec_k ORDER BY k")         \
  X(EXPIRED, "SELECT k FROM rec WHERE e<=?1 LIMIT ?2")                         \
  X(OLDER_PUT, "INSERT OR REPLACE INTO older(k,t,rid,w,hlc,author,tomb)"       \
    " VALUES(?1,?2,?3,?4,?5,?6,?7)")                                           \
  X(OLDER_GET, "SELECT k,t,rid,w,hlc,author,tomb FROM older"                   \
    " WHERE k=?1 AND t<=?2 ORDER BY t DESC LIMIT 1")                           \
  X(OLDER_DELETE, "DELETE FROM older WHERE k=?1 AND t<?2")                     \
  X(OLDER_ALL, "SELECT k,t,rid,w,hlc,author,tomb FROM older ORDER BY k,t")     \
  X(AUTHOR_GET, "SELECT id,pk,admitted FROM author WHERE pk=?1")               \
  X(AUTHOR_BY_ID, "SELECT id,pk,admitted FROM author WHERE id=?1")             \
  X(AUTHOR_PUT, "INSERT INTO author(pk,admitted) VALUES(?1,0)")                \
  X(AUTHOR_ADMIT, "UPDATE author SET admitted=?2 WHERE id=?1")                 \
  X(AUTHOR_DROP, "DELETE FROM author WHERE id=?1 AND admitted=0"               \
    " AND NOT EXISTS(SELECT 1 FROM rec WHERE author=?1)")                      \
  X(AUTHOR_COUNT, "SELECT count(*) FROM rec INDEXED BY rec_author"             \
    " WHERE author=?1 AND kind=?2")                                            \
  X(AUTHOR_KEYS, "SELECT k FROM rec WHERE author=?1 AND kind<>1 AND t<=?3"     \
    " LIMIT ?2")                                                               \
  X(AUTHOR_SURPLUS, "SELECT k FROM rec WHERE author=?1 AND kind=?2 AND"        \
    " (t<=?5 OR EXISTS(SELECT 1 FROM older o WHERE o.k=rec.k AND o.t<=?5))"    \
    " ORDER BY CASE WHEN t<=?5 THEN hlc ELSE (SELECT max(o.hlc) FROM older o"  \
    " WHERE o.k=rec.k AND o.t<=?5) END DESC, rid DESC LIMIT ?4 OFFSET ?3")     \
  X(LOG_PUT, "INSERT INTO log(k) VALUES(?1)")                                  \
  X(LOG_AFTER, "SELECT seq,k FROM log WHERE seq>?1 ORDER BY seq LIMIT ?2")     \
  X(LOG_BOUNDS, "SELECT coalesce(min(seq),0),coalesce(max(seq),0) FROM log")   \
  X(LOG_PRUNE, "DELETE FROM log WHERE seq<?1")                                 \
  X(BODY_GET, "SELECT id,size,since,last,h,d,w,m FROM body WHERE id=?1")       \
  X(BODY_PUT, "INSERT OR REPLACE INTO body(id,size,since,last,h,d,w,m)"        \
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                        \
  X(BODY_DELETE, "DELETE FROM body WHERE id=?1")                               \
  X(BODY_LIST, "SELECT id,size,since,last,h,d,w,m FROM body WHERE id>?1"       \
    " ORDER BY id LIMIT ?2")                                                   \
  X(BODY_TOTALS, "SELECT count(*),coalesce(sum(size),0) FROM body")            \
  X(META_GET, "SELECT v FROM meta WHERE name=?1")                              \
  X(META_PUT, "INSERT OR REPLACE INTO meta(name,v) VALUES(?1,?2)")             \
  X(PAGES, "SELECT page_count*page_size FROM pragma_page_count,"               \
    " pragma_page_size")
/* clang-format on */

enum {
#define X(name, text) ST_##name,
	STATEMENTS(X)
#undef X
	    ST_COUNT
};

static const char *const texts[ST_COUNT] = {
#define X(name, text) text,
	STATEMENTS(X)
#undef X
};

/* rec_k covers what the tree is built from, so that a start reads no bodies.
 * It is not unique: the tree, which knows every key, sees to that. */
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

struct sql {
	sqlite3 *db;
	sqlite3_stmt *st[ST_COUNT];
};

/* --- errors --- */

static enum sql_rc
rc_of(int rc)
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
		[SQL_IO] = "input/output error",
		[SQL_VERSION] = "made by a later version",
	};

	return names[rc];
}

/* --- statements --- */

static enum sql_rc
run_text(struct sql *db, const char *text)
{
	return rc_of(sqlite3_exec(db->db, text, NULL, NULL, NULL));
}

static void
bind_blob(sqlite3_stmt *st, int at, const void *p, size_t n)
{
	/* A zero-length blob must not become NULL. */
	(void)sqlite3_bind_blob(st, at, n == 0 ? "" : p, (int)n, SQLITE_STATIC);
}

static void
bind_int(sqlite3_stmt *st, int at, uint64_t v)
{
	(void)sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

static uint64_t
col_u64(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

/* A blob of exactly n bytes; false when the row has something else. */
static bool
col_bytes(sqlite3_stmt *st, int at, void *out, size_t n)
{
	const void *p = sqlite3_column_blob(st, at);

	memset(out, 0, n);
	if (p == NULL || (size_t)sqlite3_column_bytes(st, at) != n)
		return false;
	memcpy(out, p, n);
	return true;
}

/* The statement, ready to be bound. */
static sqlite3_stmt *
ready(struct sql *db, int which)
{
	(void)sqlite3_reset(db->st[which]);
	return db->st[which];
}

/* Run one that gives no rows. */
static enum sql_rc
run(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	(void)sqlite3_reset(st);
	return rc_of(rc);
}

/* The first row; reset it by the next ready(). */
static enum sql_rc
first(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return SQL_OK;
	(void)sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQL_NONE : rc_of(rc);
}

/* The one row of a statement that always gives one. */
static enum sql_rc
two_numbers(sqlite3_stmt *st, uint64_t *a, uint64_t *b)
{
	enum sql_rc rc = first(st);

	if (rc != SQL_OK)
		return rc;
	*a = col_u64(st, 0);
	*b = col_u64(st, 1);
	(void)sqlite3_reset(st);
	return SQL_OK;
}

/* Keys in column col of all rows. */
static enum sql_rc
keys_of(sqlite3_stmt *st, int col, uint8_t (*keys)[32], size_t max, size_t *n)
{
	int rc;

	*n = 0;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max)
		if (col_bytes(st, col, keys[*n], 32))
			(*n)++;
	(void)sqlite3_reset(st);
	return rc_of(rc);
}

/* --- opening --- */

static enum sql_rc
migrate(struct sql *db)
{
	sqlite3_stmt *st;
	int version = -1;
	char text[64];
	enum sql_rc rc;

	if ((rc = rc_of(sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1,
		 &st, NULL))) != SQL_OK)
		return rc;
	if (sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int(st, 0);
	rc = rc_of(sqlite3_finalize(st));
	if (rc != SQL_OK || version == SQL_SCHEMA)
		return rc;
	if (version > SQL_SCHEMA || version < 0)
		return version < 0 ? SQL_CORRUPT : SQL_VERSION;
	/* Each step from its version to the next, all or none of them. */
	if ((rc = run_text(db, "BEGIN IMMEDIATE")) != SQL_OK)
		return rc;
	if (version < 1)
		rc = run_text(db, schema_1);
	(void)snprintf(text, sizeof(text), "PRAGMA user_version=%d; COMMIT",
	    SQL_SCHEMA);
	if (rc == SQL_OK)
		rc = run_text(db, text);
	if (rc != SQL_OK)
		(void)run_text(db, "ROLLBACK");
	return rc;
}

static enum sql_rc
set_up(struct sql *db, const struct sql_conf *conf)
{
	static const char pragmas[] =
	    "PRAGMA locking_mode=EXCLUSIVE;" /* no -shm file, nobody else */
	    "PRAGMA page_size=8192;"
	    "PRAGMA auto_vacuum=INCREMENTAL;"
	    "PRAGMA journal_mode=WAL;"
	    "PRAGMA synchronous=FULL;"
	    "PRAGMA wal_autocheckpoint=4000;"
	    "PRAGMA temp_store=MEMORY;"
	    "PRAGMA mmap_size=0;"
	    "PRAGMA trusted_schema=OFF;"
	    "PRAGMA cell_size_check=ON;";
	char text[64];
	enum sql_rc rc;
	int i;

	(void)sqlite3_extended_result_codes(db->db, 1);
	(void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0,
	    NULL);
	(void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	(void)sqlite3_limit(db->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	(void)sqlite3_limit(db->db, SQLITE_LIMIT_ATTACHED, 0);
	(void)snprintf(text, sizeof(text), "PRAGMA cache_size=-%u",
	    conf->cache_bytes / 1024);
	if ((rc = run_text(db, pragmas)) != SQL_OK ||
	    (rc = run_text(db, text)) != SQL_OK || (rc = migrate(db)) != SQL_OK)
		return rc;
	for (i = 0; i < ST_COUNT; i++) {
		rc = rc_of(sqlite3_prepare_v3(db->db, texts[i], -1,
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
	rc = rc_of(sqlite3_open_v2(conf->file, &db->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW,
	    conf->vfs));
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
	return run(ready(db, ST_BEGIN));
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
	return run(ready(db, ST_COMMIT));
}

void
sql_rollback(struct sql *db)
{
	/* SQLite may have rolled back by itself already. */
	if (sql_in_transaction(db))
		(void)run(ready(db, ST_ROLLBACK));
}

bool
sql_in_transaction(const struct sql *db)
{
	return sqlite3_get_autocommit(db->db) == 0;
}

/* --- rec --- */

static enum sql_rc
read_rec(sqlite3_stmt *st, struct sql_rec *r)
{
	bool has_key = col_bytes(st, 0, r->key, 32);
	bool good = col_bytes(st, 1, r->rid, 32) && has_key;

	r->w = sqlite3_column_int(st, 2);
	r->hlc = col_u64(st, 3);
	r->tick = col_u64(st, 4);
	return good ? SQL_OK : SQL_CORRUPT;
}

enum sql_rc
sql_rec_get(struct sql *db, const uint8_t key[32], struct sql_rec *r)
{
	sqlite3_stmt *st = ready(db, ST_REC_GET);
	enum sql_rc rc;

	bind_blob(st, 1, key, 32);
	if ((rc = first(st)) != SQL_OK || (rc = read_rec(st, r)) != SQL_OK)
		return rc;
	r->expiry = col_u64(st, 5);
	r->author = sqlite3_column_int64(st, 6);
	r->kind = (uint8_t)sqlite3_column_int(st, 7);
	r->body = sqlite3_column_blob(st, 8);
	r->body_len = (size_t)sqlite3_column_bytes(st, 8);
	return col_bytes(st, 9, r->sig, 64) ? SQL_OK : SQL_CORRUPT;
}

static enum sql_rc
write_rec(sqlite3_stmt *st, const struct sql_rec *r)
{
	bind_blob(st, 1, r->key, 32);
	bind_blob(st, 2, r->rid, 32);
	(void)sqlite3_bind_int(st, 3, r->w);
	bind_int(st, 4, r->hlc);
	bind_int(st, 5, r->tick);
	bind_int(st, 6, r->expiry);
	(void)sqlite3_bind_int64(st, 7, r->author);
	bind_int(st, 8, r->kind);
	bind_blob(st, 9, r->body, r->body_len);
	bind_blob(st, 10, r->sig, 64);
	return run(st);
}

enum sql_rc
sql_rec_insert(struct sql *db, const struct sql_rec *r)
{
	return write_rec(ready(db, ST_REC_INSERT), r);
}

enum sql_rc
sql_rec_update(struct sql *db, const struct sql_rec *r)
{
	return write_rec(ready(db, ST_REC_UPDATE), r);
}

static enum sql_rc
run_key(struct sql *db, int which, const uint8_t key[32])
{
	sqlite3_stmt *st = ready(db, which);

	bind_blob(st, 1, key, 32);
	return run(st);
}

enum sql_rc
sql_rec_delete(struct sql *db, const uint8_t key[32])
{
	return run_key(db, ST_REC_DELETE, key);
}

enum sql_rc
sql_scan_begin(struct sql *db)
{
	(void)ready(db, ST_SCAN);
	return SQL_OK;
}

enum sql_rc
sql_scan_next(struct sql *db, struct sql_rec *r)
{
	int rc = sqlite3_step(db->st[ST_SCAN]);

	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQL_NONE : rc_of(rc);
	return read_rec(db->st[ST_SCAN], r);
}

void
sql_scan_end(struct sql *db)
{
	(void)ready(db, ST_SCAN);
}

enum sql_rc
sql_expired(struct sql *db, uint64_t tick, uint8_t (*keys)[32], size_t max,
    size_t *n)
{
	sqlite3_stmt *st = ready(db, ST_EXPIRED);

	bind_int(st, 1, tick);
	bind_int(st, 2, max);
	return keys_of(st, 0, keys, max, n);
}

/* --- older --- */

enum sql_rc
sql_older_put(struct sql *db, const struct sql_older *o)
{
	sqlite3_stmt *st = ready(db, ST_OLDER_PUT);

	bind_blob(st, 1, o->key, 32);
	bind_int(st, 2, o->tick);
	bind_blob(st, 3, o->rid, 32);
	(void)sqlite3_bind_int(st, 4, o->w);
	bind_int(st, 5, o->hlc);
	(void)sqlite3_bind_int64(st, 6, o->author);
	bind_int(st, 7, o->tombstone);
	return run(st);
}

enum sql_rc
sql_older_delete(struct sql *db, const uint8_t key[32], uint64_t tick)
{
	sqlite3_stmt *st = ready(db, ST_OLDER_DELETE);

	bind_blob(st, 1, key, 32);
	bind_int(st, 2, tick);
	return run(st);
}

static bool
read_older(sqlite3_stmt *st, struct sql_older *o)
{
	o->tick = col_u64(st, 1);
	o->w = sqlite3_column_int(st, 3);
	o->hlc = col_u64(st, 4);
	o->author = sqlite3_column_int64(st, 5);
	o->tombstone = sqlite3_column_int(st, 6) != 0;
	return col_bytes(st, 0, o->key, 32) && col_bytes(st, 2, o->rid, 32);
}

enum sql_rc
sql_older_get(struct sql *db, const uint8_t key[32], uint64_t tick,
    struct sql_older *o)
{
	sqlite3_stmt *st = ready(db, ST_OLDER_GET);
	enum sql_rc rc;

	bind_blob(st, 1, key, 32);
	bind_int(st, 2, tick);
	if ((rc = first(st)) != SQL_OK)
		return rc;
	rc = read_older(st, o) ? SQL_OK : SQL_CORRUPT;
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_older_all(struct sql *db, void (*fn)(void *arg, const struct sql_older *o),
    void *arg)
{
	sqlite3_stmt *st = ready(db, ST_OLDER_ALL);
	struct sql_older o;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		if (read_older(st, &o))
			fn(arg, &o);
	(void)sqlite3_reset(st);
	return rc_of(rc);
}

/* --- author --- */

static enum sql_rc
read_author(sqlite3_stmt *st, struct sql_author *a)
{
	enum sql_rc rc = first(st);

	if (rc != SQL_OK)
		return rc;
	a->id = sqlite3_column_int64(st, 0);
	a->admitted = sqlite3_column_int(st, 2) != 0;
	rc = col_bytes(st, 1, a->pk, 32) ? SQL_OK : SQL_CORRUPT;
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_author_get(struct sql *db, const uint8_t pk[32], bool make,
    struct sql_author *a)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_GET);
	enum sql_rc rc;

	bind_blob(st, 1, pk, 32);
	if ((rc = read_author(st, a)) != SQL_NONE || !make)
		return rc;
	if ((rc = run_key(db, ST_AUTHOR_PUT, pk)) != SQL_OK)
		return rc;
	a->id = sqlite3_last_insert_rowid(db->db);
	a->admitted = false;
	memcpy(a->pk, pk, 32);
	return SQL_OK;
}

enum sql_rc
sql_author_by_id(struct sql *db, int64_t id, struct sql_author *a)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_BY_ID);

	(void)sqlite3_bind_int64(st, 1, id);
	return read_author(st, a);
}

enum sql_rc
sql_author_admit(struct sql *db, int64_t id, bool admitted)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_ADMIT);

	(void)sqlite3_bind_int64(st, 1, id);
	bind_int(st, 2, admitted);
	return run(st);
}

enum sql_rc
sql_author_drop(struct sql *db, int64_t id)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_DROP);

	(void)sqlite3_bind_int64(st, 1, id);
	return run(st);
}

enum sql_rc
sql_author_count(struct sql *db, int64_t id, uint8_t kind, uint64_t *n)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_COUNT);
	enum sql_rc rc;

	(void)sqlite3_bind_int64(st, 1, id);
	bind_int(st, 2, kind);
	if ((rc = first(st)) != SQL_OK)
		return rc;
	*n = col_u64(st, 0);
	(void)sqlite3_reset(st);
	return SQL_OK;
}

enum sql_rc
sql_author_keys(struct sql *db, int64_t id, uint64_t tick, uint8_t (*keys)[32],
    size_t max, size_t *n)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_KEYS);

	(void)sqlite3_bind_int64(st, 1, id);
	bind_int(st, 2, max);
	bind_int(st, 3, tick);
	return keys_of(st, 0, keys, max, n);
}

enum sql_rc
sql_author_surplus(struct sql *db, int64_t id, uint8_t kind, uint32_t keep,
    uint64_t tick, uint8_t (*keys)[32], size_t max, size_t *n)
{
	sqlite3_stmt *st = ready(db, ST_AUTHOR_SURPLUS);

	(void)sqlite3_bind_int64(st, 1, id);
	bind_int(st, 2, kind);
	bind_int(st, 3, keep);
	bind_int(st, 4, max);
	bind_int(st, 5, tick);
	return keys_of(st, 0, keys, max, n);
}

/* --- log --- */

enum sql_rc
sql_log_put(struct sql *db, const uint8_t key[32], uint64_t *seq)
{
	enum sql_rc rc = run_key(db, ST_LOG_PUT, key);

	*seq = (uint64_t)sqlite3_last_insert_rowid(db->db);
	return rc;
}

enum sql_rc
sql_log_after(struct sql *db, uint64_t seq, uint8_t (*keys)[32], uint64_t *seqs,
    size_t max, size_t *n)
{
	sqlite3_stmt *st = ready(db, ST_LOG_AFTER);
	int rc;

	*n = 0;
	bind_int(st, 1, seq);
	bind_int(st, 2, max);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max) {
		if (!col_bytes(st, 1, keys[*n], 32))
			continue;
		if (seqs != NULL)
			seqs[*n] = col_u64(st, 0);
		(*n)++;
	}
	(void)sqlite3_reset(st);
	return rc_of(rc);
}

enum sql_rc
sql_log_bounds(struct sql *db, uint64_t *first_seq, uint64_t *last_seq)
{
	return two_numbers(ready(db, ST_LOG_BOUNDS), first_seq, last_seq);
}

enum sql_rc
sql_log_prune(struct sql *db, uint64_t before)
{
	sqlite3_stmt *st = ready(db, ST_LOG_PRUNE);

	bind_int(st, 1, before);
	return run(st);
}

/* --- body --- */

static bool
read_body(sqlite3_stmt *st, struct sql_body *b)
{
	b->size = (uint32_t)sqlite3_column_int64(st, 1);
	b->since = col_u64(st, 2);
	b->last = col_u64(st, 3);
	b->hour = col_u64(st, 4);
	b->day = col_u64(st, 5);
	b->week = col_u64(st, 6);
	b->month = col_u64(st, 7);
	return col_bytes(st, 0, b->id, 32);
}

enum sql_rc
sql_body_get(struct sql *db, const uint8_t id[32], struct sql_body *b)
{
	sqlite3_stmt *st = ready(db, ST_BODY_GET);
	enum sql_rc rc;

	bind_blob(st, 1, id, 32);
	if ((rc = first(st)) != SQL_OK)
		return rc;
	rc = read_body(st, b) ? SQL_OK : SQL_CORRUPT;
	(void)sqlite3_reset(st);
	return rc;
}

enum sql_rc
sql_body_put(struct sql *db, const struct sql_body *b)
{
	sqlite3_stmt *st = ready(db, ST_BODY_PUT);

	bind_blob(st, 1, b->id, 32);
	bind_int(st, 2, b->size);
	bind_int(st, 3, b->since);
	bind_int(st, 4, b->last);
	bind_int(st, 5, b->hour);
	bind_int(st, 6, b->day);
	bind_int(st, 7, b->week);
	bind_int(st, 8, b->month);
	return run(st);
}

enum sql_rc
sql_body_delete(struct sql *db, const uint8_t id[32])
{
	return run_key(db, ST_BODY_DELETE, id);
}

enum sql_rc
sql_body_list(struct sql *db, const uint8_t *after, struct sql_body *out,
    size_t max, size_t *n)
{
	sqlite3_stmt *st = ready(db, ST_BODY_LIST);
	int rc;

	*n = 0;
	bind_blob(st, 1, after, after == NULL ? 0 : 32);
	bind_int(st, 2, max);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < max)
		if (read_body(st, &out[*n]))
			(*n)++;
	(void)sqlite3_reset(st);
	return rc_of(rc);
}

enum sql_rc
sql_body_totals(struct sql *db, uint64_t *n, uint64_t *bytes)
{
	return two_numbers(ready(db, ST_BODY_TOTALS), n, bytes);
}

/* --- meta --- */

enum sql_rc
sql_meta_get(struct sql *db, const char *name, void *out, size_t *len)
{
	sqlite3_stmt *st = ready(db, ST_META_GET);
	enum sql_rc rc;
	size_t n;

	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	if ((rc = first(st)) != SQL_OK)
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
	sqlite3_stmt *st = ready(db, ST_META_PUT);

	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	bind_blob(st, 2, val, len);
	return run(st);
}

/* --- care --- */

enum sql_rc
sql_check(struct sql *db, char *why, size_t cap)
{
	sqlite3_stmt *st;
	const char *text = NULL;
	enum sql_rc rc;

	rc = rc_of(sqlite3_prepare_v2(db->db, "PRAGMA integrity_check(1)", -1,
	    &st, NULL));
	if (rc != SQL_OK)
		return rc;
	if (sqlite3_step(st) == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(st, 0);
	if (text == NULL || strcmp(text, "ok") != 0) {
		(void)snprintf(why, cap, "%s",
		    text == NULL ? sql_error(db) : text);
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
	sqlite3_stmt *st = ready(db, ST_PAGES);
	uint64_t n = 0;

	if (first(st) == SQL_OK)
		n = col_u64(st, 0);
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
	rc = rc_of(sqlite3_open_v2(file, &c->to,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_NOFOLLOW,
	    vfs));
	if (rc == SQL_OK) {
		/* One file and no log beside it: it will be shipped. */
		(void)sqlite3_exec(c->to, "PRAGMA journal_mode=OFF", NULL, NULL,
		    NULL);
		c->b = sqlite3_backup_init(c->to, "main", db->db, "main");
		rc = c->b == NULL ? rc_of(sqlite3_errcode(c->to)) : SQL_OK;
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
	return rc_of(rc);
}

enum sql_rc
sql_copy_end(struct sql_copy *c)
{
	enum sql_rc rc =
	    c->b == NULL ? SQL_OK : rc_of(sqlite3_backup_finish(c->b));

	if (sqlite3_close(c->to) != SQLITE_OK && rc == SQL_OK)
		rc = SQL_IO;
	free(c);
	return rc;
}
