/* SPDX-License-Identifier: ISC */
/*
 * The record store: takes records in, settles them tick by tick, keeps the
 * tree over what is settled, and answers what is asked of both.
 *
 *   put --> newest version on disk, remembered as pending --> commit
 *                                                              |
 *   settle(t): what is stamped up to tick t, admitted, within  |
 *   quota and alive goes into the tree; the rest leaves it  <--+
 *
 * The settled state of a tick is a function of the records alone: no order,
 * no batch and no restart shows in it.  Time is handed in; the disk is
 * whatever sql.h opened, so the simulator runs this very file over its own.
 * Nothing that was put is on disk, and nothing may be said of it to anybody,
 * before recstore_commit() returned SQL_OK.  Tested in
 * tests/unit/recstore_test.c.
 */
#ifndef WARREN_STORE_RECSTORE_H
#define WARREN_STORE_RECSTORE_H

#include "common/charter.h"
#include "common/claim.h"
#include "common/mono.h"
#include "common/msg_db.h"
#include "common/rec.h"
#include "peerd/mtree.h"
#include "peerd/store/sql.h"

#define RECSTORE_ROOTS      64     /* settled ticks remembered */
#define RECSTORE_PENDING    262144 /* versions not settled yet */
#define RECSTORE_UNADMITTED 4096   /* of them, by authors not admitted */
#define RECSTORE_DEFERRED   4096   /* records of the future, in memory */
#define RECSTORE_LOG        200000 /* entries of the change log kept */

/* New records within a tick that make the disk's work one of bulk; a tenth of
 * it ends that again. */
#define RECSTORE_HURRY 20000

/* Pairs of records by which authors contradict themselves, kept as evidence:
 * of each author, and in all, where the latest stay. */
#define RECSTORE_EVIDENCE_EACH 4
#define RECSTORE_EVIDENCE      2048

#define RECSTORE_VERSIONS 4 /* of one key, given to peers */

#define RECSTORE_DAMAGES 64 /* damaged rows remembered */

struct recstore;

struct recstore_conf {
	const struct charter *charter; /* lent for its life */
	struct sql_conf sql;
	uint32_t pending_max; /* 0: RECSTORE_PENDING */
	uint32_t hurry_at;    /* 0: RECSTORE_HURRY */
};

/* Where a record comes from decides what is looked at again. */
enum recstore_from {
	RECSTORE_PEER, /* signature verified already */
	RECSTORE_LOCAL /* a client's or our own: signature checked here; an
	                   author who is not admitted or over quota is refused
	                   instead of held */
};

struct recstore_put {
	uint8_t verdict; /* enum db_verdict */
	uint8_t kind;
	uint8_t key[32], rid[32];
	uint64_t hlc;
	uint64_t seq; /* in the change log, when new */
};

struct recstore_root {
	uint64_t tick;
	struct tree_sum top;
	uint8_t root[32];
	bool has_claim;
	struct claim claim; /* ours, signed */
};

/* A record to be shown.  raw_len 0: the version has no body here: it was
 * replaced before files kept them, or is damaged. */
struct recstore_rec {
	uint8_t key[32], rid[32];
	uint64_t hlc;
	bool settled; /* it is what the last settled tick counts */
	size_t raw_len;
	uint8_t raw[REC_MAX];
};

struct recstore_counts {
	uint64_t put_new, put_old, put_refused, future, held, settled, expired,
	    evicted, unadmitted, equivocations, damaged, commits,
	    failed_commits, settle_changes_last, busy; /* no room for it */
};

/* A row that is not what was written. */
struct recstore_damage {
	uint64_t serial; /* ever rising */
	uint64_t row;    /* 0: not one row, but the file */
	uint8_t key[32]; /* zeros: not known */
	char why[64];
	bool out;  /* it was taken out: a sync brings its record back */
	bool told; /* by a full check, since */
};

/*
 * Open the store and build the tree of its last settled tick.  On failure
 * *rs is NULL and why says so.  *differs is set when the tree is not the one
 * whose root was written when it was settled: a row was lost or changed.
 */
enum sql_rc recstore_open(struct recstore **rs,
    const struct recstore_conf *conf, struct wall now, bool *differs, char *why,
    size_t cap);
void recstore_close(struct recstore *rs);

/* --- writing --- */

/*
 * Take one record of len bytes.  Opens a transaction when there is none.
 * out->verdict tells what became of it.  if_rid: NULL, or refuse unless this
 * version (zeros: none) is the one held now.
 */
void recstore_put(struct recstore *rs, enum recstore_from from, const void *raw,
    size_t len, struct wall now, const uint8_t *if_rid,
    struct recstore_put *out);

/* Is there anything to commit? */
bool recstore_is_dirty(const struct recstore *rs);

/*
 * Make all puts since the last commit durable.  SQL_NONE when they left
 * nothing to write: all is well, and the disk was not asked.  On any other
 * failure none of them happened: answer what recstore_after() says for each.
 */
enum sql_rc recstore_commit(struct recstore *rs);

/*
 * What a put's verdict is worth once the commit that it waited for ended with
 * rc.  A failed one took back the record, or the very version, count or grant
 * that the record was held against: DB_OLD, too, would acknowledge something
 * that is on no disk.
 */
uint8_t recstore_after(uint8_t verdict, enum sql_rc rc);

/* Room for n more records?  If not, stop reading those who bring them. */
bool recstore_has_room(const struct recstore *rs, size_t n);

/* Deferred records whose time has come; at most max.  Puts them; out[] are
 * the verdicts, raw_out(arg, raw, len) is handed each that was new. */
size_t recstore_undefer(struct recstore *rs, struct wall now,
    void (*raw_out)(void *arg, const void *raw, size_t len), void *arg);

/* --- ticks --- */

/* When the next tick can be settled: its time and the charter's settle. */
struct wall recstore_due(const struct recstore *rs, struct wall now);

/*
 * Settle the latest tick that is due at now, skipping those that nobody
 * settled in time.  Commits.  SQL_NONE when none is due.
 */
enum sql_rc recstore_settle(struct recstore *rs, struct wall now);

uint64_t recstore_tick(const struct recstore *rs); /* the last settled */
/* Of a tick, or NULL; NULL64 for the last. */
const struct recstore_root *recstore_root(const struct recstore *rs,
    uint64_t tick);
/* Our signature over a tick's claim came. */
void recstore_claimed(struct recstore *rs, const struct claim *c);

/* --- reading --- */

const struct mtree *recstore_tree(const struct recstore *rs);

/* The newest version, or the settled one.  SQL_NONE, or SQL_BAD when the row
 * is damaged; that, and a failure of the disk, is noted as damage. */
enum sql_rc recstore_get(struct recstore *rs, const uint8_t key[32],
    bool settled, struct recstore_rec *out);

/*
 * All versions of a key that a peer may lack: the newest, and those before it
 * that the last tick counts or one to come will; the latest first, at most
 * max of them.  None when the newest cannot be read or is not to be shown.
 */
size_t recstore_versions(struct recstore *rs, const uint8_t key[32],
    struct recstore_rec *out, size_t max);

/*
 * Keys of which a version waits for its tick, from place *at on (0 to begin
 * with), which moves; what comes meanwhile may be missed.  0: no more.
 */
size_t recstore_pending_keys(struct recstore *rs, uint32_t *at,
    uint8_t (*keys)[32], size_t max);

/*
 * Keys under a prefix, newest versions, after *after (NULL: from the start),
 * in order: settled and pending ones alike, or settled ones alone.
 */
size_t recstore_keys(struct recstore *rs, const uint8_t prefix[32],
    unsigned bits, const uint8_t *after, bool settled, uint8_t (*keys)[32],
    size_t max);

/* Does the author's word count: now, or as of the next tick? */
bool recstore_is_admitted(struct recstore *rs, const uint8_t pk[32]);

struct sql *recstore_sql(struct recstore *rs);
const uint8_t *recstore_dbid(const struct recstore *rs); /* 16 bytes */
uint64_t recstore_seq(const struct recstore *rs);
size_t recstore_pending(const struct recstore *rs);
size_t recstore_pending_max(const struct recstore *rs);
/* Records of settled ticks that came since: the next tick has them. */
size_t recstore_late(const struct recstore *rs);
size_t recstore_deferred(const struct recstore *rs);
size_t recstore_memory(const struct recstore *rs); /* of tree and tables */
const struct recstore_counts *recstore_counts(const struct recstore *rs);
/* Records whose authors are not admitted so far. */
uint32_t recstore_held(const struct recstore *rs);

/* --- damage --- */

/*
 * What was found to be damaged, the oldest first, but no more than
 * RECSTORE_DAMAGES at a time; counts.damaged has them all.  Borrowed until
 * the next call of anything that writes or reads.
 */
const struct recstore_damage *recstore_damages(const struct recstore *rs,
    size_t *n);
/* The file itself is, as somebody else found. */
void recstore_damaged(struct recstore *rs, const char *why);
/* A full check found nothing. */
void recstore_undamaged(struct recstore *rs);
/* For a full check: rows that are out and were not told yet.  Those that an
 * earlier one told are forgotten. */
size_t recstore_tell_out(struct recstore *rs, struct recstore_damage *out,
    size_t max);

/* --- care --- */

/* A walk over all rows in slices; zeroed to begin with. */
struct recstore_walk {
	unsigned table;
	uint64_t at;    /* the last row seen of it */
	uint8_t id[32]; /* where rows have no number */
	uint64_t rows;
	bool done;
};

/*
 * So many steps further: of records one row each, its body, key and signature
 * verified; of other tables a few rows, which need only be readable.  What is
 * wrong is noted as damage.
 */
void recstore_walk(struct recstore *rs, struct recstore_walk *w, size_t steps);

/* A slice of a full check; see recstore_check(). */
struct recstore_check {
	uint8_t after[32];
	bool begun, done;
	uint64_t rows, bad;
	uint8_t bad_key[32]; /* of the last bad row */
	char why[64];        /* what was wrong with it */
};

/*
 * Look at the next max records: body against hash, key and signature, row
 * against tree.  Stops after each bad one so that it can be named.  c->done
 * when all were seen.
 */
void recstore_check(struct recstore *rs, struct recstore_check *c, size_t max);

#endif
