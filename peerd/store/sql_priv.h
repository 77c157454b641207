/* SPDX-License-Identifier: ISC */
/*
 * Between the two files that include sqlite3.h: sql.c, which opens, commits
 * and keeps the records, and sql_rows.c, which has all the other tables.
 * Nobody else looks here.
 */
#ifndef WARREN_STORE_SQL_PRIV_H
#define WARREN_STORE_SQL_PRIV_H

#include <sqlite3.h>

#include "peerd/store/sql.h"

/* clang-format off */
#define STATEMENTS(X)                                                          \
  X(BEGIN, "BEGIN IMMEDIATE")                                                  \
  X(COMMIT, "COMMIT")                                                          \
  X(ROLLBACK, "ROLLBACK")                                                      \
  X(REC_GET, "SELECT id,k,rid,w,hlc,t,e,author,kind,body,sig FROM rec"         \
    " WHERE id=?1")                                                            \
  X(REC_AFTER, "SELECT id,k,rid,w,hlc,t,e,author,kind,body,sig FROM rec"       \
    " WHERE id>?1 ORDER BY id LIMIT 1")                                        \
  X(REC_INSERT, "INSERT INTO rec(k,rid,w,hlc,t,e,author,kind,body,sig)"        \
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")                                 \
  X(REC_UPDATE, "UPDATE rec SET rid=?2,w=?3,hlc=?4,t=?5,e=?6,author=?7,"       \
    "kind=?8,body=?9,sig=?10 WHERE id=?11 AND k=?1")                           \
  X(REC_DELETE, "DELETE FROM rec WHERE id=?1 AND k=?2")                        \
  X(REC_WIPE, "DELETE FROM rec WHERE id=?1")                                   \
  X(SCAN, "SELECT id,k,rid,w,hlc,t FROM rec NOT INDEXED ORDER BY id")          \
  X(EXPIRED, "SELECT k FROM rec WHERE e<=?1 LIMIT ?2")                         \
  X(OLDER_PUT, "INSERT OR REPLACE INTO older(k,t,rid,w,hlc,author,tomb,body,"  \
    "sig) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                 \
  X(OLDER_KEEP, "INSERT OR REPLACE INTO older(k,t,rid,w,hlc,author,tomb,body," \
    "sig) SELECT ?1,?2,?3,?4,?5,?6,?7,r.body,r.sig FROM (SELECT 1)"            \
    " LEFT JOIN rec r ON r.id=?8 AND r.k=?1 AND r.rid=?3")                     \
  X(OLDER_GET, "SELECT k,t,rid,w,hlc,author,tomb,body,sig FROM older"          \
    " WHERE k=?1 AND t<=?2 ORDER BY t DESC LIMIT 1")                           \
  X(OLDER_DELETE, "DELETE FROM older WHERE k=?1 AND t<?2")                     \
  X(OLDER_ALL, "SELECT k,t,rid,w,hlc,author,tomb FROM older ORDER BY k,t")     \
  X(AUTHOR_GET, "SELECT id,pk,admitted FROM author WHERE pk=?1")               \
  X(AUTHOR_BY_ID, "SELECT id,pk,admitted FROM author WHERE id=?1")             \
  X(AUTHOR_AFTER, "SELECT id,pk,admitted FROM author WHERE id>?1"              \
    " ORDER BY id LIMIT 1")                                                    \
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
  X(EVIDENCE_HAS, "SELECT 1 FROM evidence WHERE k=?1 AND hlc=?2")              \
  X(EVIDENCE_PUT, "INSERT INTO evidence(k,hlc,author,seen,a,b)"                \
    " VALUES(?1,?2,?3,?4,?5,?6)")                                              \
  X(EVIDENCE_OF, "SELECT count(*),0 FROM evidence WHERE author=?1")            \
  X(EVIDENCE_TOTAL, "SELECT count(*),0 FROM evidence")                         \
  X(EVIDENCE_PRUNE, "DELETE FROM evidence WHERE id<="                          \
    "(SELECT max(id) FROM evidence)-?1")                                       \
  X(EVIDENCE_NEXT, "SELECT id,k,hlc,author,seen,a,b FROM evidence WHERE id>?1" \
    " ORDER BY id LIMIT 1")                                                    \
  X(CURSOR_PUT, "INSERT OR REPLACE INTO cursor(id,dbid,seq) VALUES(?1,?2,?3)") \
  X(CURSOR_ALL, "SELECT id,dbid,seq FROM cursor LIMIT ?1")                     \
  X(CURSOR_DELETE, "DELETE FROM cursor WHERE id=?1")                           \
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

struct sql {
	sqlite3 *db;
	sqlite3_stmt *st[ST_COUNT];
	uint32_t cache_bytes;
	bool hurry;
	int changes; /* rows ever, when the transaction began */
};

enum sql_rc sql_rc_of(int rc); /* of what SQLite said */

/* The statement, ready to be bound. */
sqlite3_stmt *sql_ready(struct sql *db, int which);

/* p lives until the statement has run; of n 0 it may be NULL. */
void sql_bind_blob(sqlite3_stmt *st, int at, const void *p, size_t n);
void sql_bind_int(sqlite3_stmt *st, int at, uint64_t v);

/* Run one that gives no rows, bound or with a key to be bound. */
enum sql_rc sql_run(sqlite3_stmt *st);
enum sql_rc sql_run_key(struct sql *db, int which, const uint8_t key[32]);

/* The first row; reset it by the next sql_ready(). */
enum sql_rc sql_first(sqlite3_stmt *st);

uint64_t sql_col_u64(sqlite3_stmt *st, int at);
/* A blob of exactly n bytes; false when the row has something else. */
bool sql_col_bytes(sqlite3_stmt *st, int at, void *out, size_t n);

/* The one row of a statement that always gives one. */
enum sql_rc sql_two_numbers(sqlite3_stmt *st, uint64_t *a, uint64_t *b);

/* Keys in column col of all rows. */
enum sql_rc sql_keys_of(sqlite3_stmt *st, int col, uint8_t (*keys)[32],
    size_t max, size_t *n);

#endif
