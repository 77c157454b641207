/* SPDX-License-Identifier: ISC */
/*
 * The database file: tables, prepared statements, transactions.  The only
 * file that includes sqlite3.h; what the rows mean is recstore.h.
 *
 *   rec      the newest version of every key, settled or not, in the order
 *            in which the keys came.  Which row a key has only memory knows:
 *            keys are hashes, so an index of them would have another page to
 *            be written for nearly every record
 *   older    versions that a newer one replaced in rec while a tick still
 *            stands or will be settled on them; whole, so that peers who
 *            lack them can be given them
 *   author   public keys by number, and whether they are admitted
 *   log      what was applied, in order, for those who catch up by cursor
 *   body     block bodies held, and how often they were read
 *   evidence pairs of records by which an author contradicts itself
 *   cursor   how far each peer's log is known
 *   meta     the last settled tick and other single values
 *
 * Every failure of the disk ends in one of sql_rc; after any but SQL_OK,
 * SQL_NONE and SQL_BAD the caller rolls back.  Tested in tests/unit/recstore_test.c.
 */
#ifndef WARREN_STORE_SQL_H
#define WARREN_STORE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQL_SCHEMA 4 /* PRAGMA user_version */

struct sql;

enum sql_rc {
	SQL_OK,
	SQL_NONE,     /* no such row */
	SQL_FULL,     /* the disk is full */
	SQL_READONLY, /* the disk does not take writes */
	SQL_CORRUPT,  /* the file is damaged */
	SQL_BAD,      /* this one row is not what was written there */
	SQL_IO,       /* anything else the disk or SQLite refused */
	SQL_VERSION   /* written by a later version of this program */
};

struct sql_conf {
	const char *file;
	const char *vfs;      /* NULL: the system's */
	uint32_t cache_bytes; /* page cache */
};

struct sql_rec {
	uint64_t row; /* its key's own until it is deleted; from 1 */
	uint8_t key[32], rid[32];
	int32_t w;
	uint64_t hlc;
	uint64_t tick;   /* the first tick that counts it */
	uint64_t expiry; /* the first tick that does not any more */
	int64_t author;
	uint8_t kind;
	const uint8_t *body; /* read: borrowed until the next call */
	size_t body_len;
	uint8_t sig[64];
};

struct sql_older {
	uint8_t key[32], rid[32];
	int32_t w;
	uint64_t hlc, tick;
	int64_t author;
	bool tombstone;
	const uint8_t *body; /* read: borrowed until the next call; NULL: of a
	                        file that did not keep it */
	size_t body_len;
	uint8_t sig[64];
};

struct sql_author {
	int64_t id;
	uint8_t pk[32];
	bool admitted;
};

struct sql_body {
	uint8_t id[32];
	uint32_t size;
	uint64_t since, last;            /* unix seconds */
	uint64_t hour, day, week, month; /* reads: temper_pack() */
};

/* Two records of one key and stamp, each signed. */
struct sql_evidence {
	uint64_t id; /* read: in the order they were noted */
	uint8_t key[32], author[32];
	uint64_t hlc, seen;   /* unix ms */
	const uint8_t *a, *b; /* read: borrowed until the next call */
	size_t a_len, b_len;
};

/* All that this peer logged up to seq is here as well. */
struct sql_cursor {
	uint8_t id[32], dbid[16];
	uint64_t seq;
};

/* Open or make the file.  On failure *db is NULL and why says so. */
enum sql_rc sql_open(struct sql **db, const struct sql_conf *conf, char *why,
    size_t cap);
void sql_close(struct sql *db);

/*
 * Many rows are coming, in an order that is not that of their authors or of
 * their ends: a larger cache and a longer log until told otherwise, so that a
 * page of those indexes is written once for many rows.  The memory is given
 * back at the end.  Not inside a transaction; what fails changes speed alone.
 */
void sql_hurry(struct sql *db, bool hurry);

/* For logs, of the last failure. */
const char *sql_error(const struct sql *db);
const char *sql_rc_name(enum sql_rc rc);

enum sql_rc sql_begin(struct sql *db);
enum sql_rc sql_commit(struct sql *db);
void sql_rollback(struct sql *db);
bool sql_in_transaction(const struct sql *db);
/* Did any row change since sql_begin()?  Without one, a commit writes nothing
 * and says nothing about the disk. */
bool sql_has_changed(const struct sql *db);

/* --- rec --- */

/* SQL_BAD when that row is another key's, or a field has a wrong length; what
 * could be read of it is in *r then. */
enum sql_rc sql_rec_get(struct sql *db, uint64_t row, const uint8_t key[32],
    struct sql_rec *r);
/* The first row behind that one, whosever it is. */
enum sql_rc sql_rec_after(struct sql *db, uint64_t row, struct sql_rec *r);
/* *row: the one it got. */
enum sql_rc sql_rec_insert(struct sql *db, const struct sql_rec *r,
    uint64_t *row);
/* Whatever lies there. */
enum sql_rc sql_rec_wipe(struct sql *db, uint64_t row);
/* These touch nothing when that row is another key's; updating says SQL_NONE
 * then. */
enum sql_rc sql_rec_update(struct sql *db, const struct sql_rec *r);
enum sql_rc sql_rec_delete(struct sql *db, uint64_t row, const uint8_t key[32]);

/*
 * All rows as they lie on disk, without bodies, authors and expiry, one a
 * call.  Begin with sql_scan_begin(); SQL_NONE at the end, after which (or to
 * give up) comes sql_scan_end().
 */
enum sql_rc sql_scan_begin(struct sql *db);
enum sql_rc sql_scan_next(struct sql *db, struct sql_rec *r);
void sql_scan_end(struct sql *db);

/* At most max keys that expire with this tick or did before; *n of them. */
enum sql_rc sql_expired(struct sql *db, uint64_t tick, uint8_t (*keys)[32],
    size_t max, size_t *n);

/* --- older --- */

enum sql_rc sql_older_put(struct sql *db, const struct sql_older *o);
/* With body and signature from that row, if it is that version's still. */
enum sql_rc sql_older_keep(struct sql *db, const struct sql_older *o,
    uint64_t row);
/* The latest of this key that is of this tick or an earlier one. */
enum sql_rc sql_older_get(struct sql *db, const uint8_t key[32], uint64_t tick,
    struct sql_older *o);
/* Those of this key and of ticks before this one. */
enum sql_rc sql_older_delete(struct sql *db, const uint8_t key[32],
    uint64_t tick);
/* All, each handed to fn in order of key and tick; without bodies. */
enum sql_rc sql_older_all(struct sql *db,
    void (*fn)(void *arg, const struct sql_older *o), void *arg);

/* --- author --- */

/* Find it, or make it when asked to. */
enum sql_rc sql_author_get(struct sql *db, const uint8_t pk[32], bool make,
    struct sql_author *a);
enum sql_rc sql_author_by_id(struct sql *db, int64_t id, struct sql_author *a);
/* The first behind that number. */
enum sql_rc sql_author_after(struct sql *db, int64_t id, struct sql_author *a);
enum sql_rc sql_author_admit(struct sql *db, int64_t id, bool admitted);
/* Forget it, if it is not admitted and has no records. */
enum sql_rc sql_author_drop(struct sql *db, int64_t id);
enum sql_rc sql_author_count(struct sql *db, int64_t id, uint8_t kind,
    uint64_t *n);
/* Of what a tick counts, at most max keys of all kinds but the first, or
 * those of one kind beyond the keep newest; *n of them. */
enum sql_rc sql_author_keys(struct sql *db, int64_t id, uint64_t tick,
    uint8_t (*keys)[32], size_t max, size_t *n);
enum sql_rc sql_author_surplus(struct sql *db, int64_t id, uint8_t kind,
    uint32_t keep, uint64_t tick, uint8_t (*keys)[32], size_t max, size_t *n);

/* --- log --- */

enum sql_rc sql_log_put(struct sql *db, const uint8_t key[32], uint64_t *seq);
/* At most max entries after seq; seqs[] may be NULL. */
enum sql_rc sql_log_after(struct sql *db, uint64_t seq, uint8_t (*keys)[32],
    uint64_t *seqs, size_t max, size_t *n);
enum sql_rc sql_log_bounds(struct sql *db, uint64_t *first, uint64_t *last);
enum sql_rc sql_log_prune(struct sql *db, uint64_t before);

/* --- body --- */

enum sql_rc sql_body_get(struct sql *db, const uint8_t id[32],
    struct sql_body *b);
enum sql_rc sql_body_put(struct sql *db, const struct sql_body *b);
enum sql_rc sql_body_delete(struct sql *db, const uint8_t id[32]);
/* At most max, whose ids come after this one (NULL: from the first). */
enum sql_rc sql_body_list(struct sql *db, const uint8_t *after,
    struct sql_body *out, size_t max, size_t *n);
enum sql_rc sql_body_totals(struct sql *db, uint64_t *n, uint64_t *bytes);

/* --- evidence --- */

/* SQL_OK when there is some of this key and stamp. */
enum sql_rc sql_evidence_has(struct sql *db, const uint8_t key[32],
    uint64_t hlc);
enum sql_rc sql_evidence_put(struct sql *db, const struct sql_evidence *e);
/* How much there is of an author; with NULL, of all. */
enum sql_rc sql_evidence_count(struct sql *db, const uint8_t *author,
    uint64_t *n);
/* Forget all but the keep latest. */
enum sql_rc sql_evidence_prune(struct sql *db, uint64_t keep);
/* The first behind this id; 0: of all. */
enum sql_rc sql_evidence_next(struct sql *db, uint64_t after,
    struct sql_evidence *e);

/* --- cursor --- */

enum sql_rc sql_cursor_put(struct sql *db, const struct sql_cursor *c);
enum sql_rc sql_cursor_delete(struct sql *db, const uint8_t id[32]);
enum sql_rc sql_cursor_all(struct sql *db, struct sql_cursor *out, size_t max,
    size_t *n);

/* --- meta --- */

/* *len in: room, out: bytes. */
enum sql_rc sql_meta_get(struct sql *db, const char *name, void *out,
    size_t *len);
enum sql_rc sql_meta_put(struct sql *db, const char *name, const void *val,
    size_t len);

/* --- care --- */

/* SQLite's own check of the whole file; why gets its first complaint. */
enum sql_rc sql_check(struct sql *db, char *why, size_t cap);
/* Give free pages back to the disk.  Not inside a transaction. */
enum sql_rc sql_compact(struct sql *db);
/* Bytes of the database as it lies on disk, without its log. */
uint64_t sql_bytes(struct sql *db);
/*
 * Copy the whole, consistent, into a new file beside it, in steps; what is
 * written meanwhile is in the copy.  A step is made outside transactions:
 * SQL_NONE while there is more to do, then SQL_OK.  The end says whether the
 * copy is good.
 */
struct sql_copy;
enum sql_rc sql_copy_begin(struct sql_copy **copy, struct sql *db,
    const char *file, const char *vfs);
enum sql_rc sql_copy_step(struct sql_copy *copy, int pages);
enum sql_rc sql_copy_end(struct sql_copy *copy);

#endif
