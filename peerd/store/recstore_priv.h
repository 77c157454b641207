/* SPDX-License-Identifier: ISC */
/*
 * The inside of a record store, shared by
 *
 *   recstore.c   opening, roots, transactions   intake.c  taking records in
 *   rebuild.c    the tree from the disk         settle.c  turning the tick
 *   damage.c     rows that are not as written   walk.c    looking for them
 *   authors.c    who is admitted, how much of   reads.c   answering
 *                what each has
 *
 * and by nobody else.
 */
#ifndef WARREN_STORE_RECSTORE_PRIV_H
#define WARREN_STORE_RECSTORE_PRIV_H

#include "peerd/store/pend.h"
#include "peerd/store/recstore.h"

#define AUTHOR_CACHE 1024
#define COUNT_CACHE  4096
#define COUNT_WAYS   4

struct deferred {
	uint64_t hlc;
	uint8_t *raw; /* NULL: free */
	size_t len;
};

/* How many records of a kind an author has, settled or not. */
struct author_count {
	int64_t id; /* 0: free */
	uint8_t kind;
	uint32_t n;
};

/* A version in memory as it was before a put that is not committed. */
struct undo {
	bool existed;
	struct pend was; /* key and tick are always set */
};

struct recstore {
	const struct charter *ch;
	struct sql *sql;
	struct mtree tree;
	struct pends pends;
	uint64_t tick; /* the last settled */
	uint64_t seq;  /* the last in the change log */
	uint64_t seq_committed;
	struct undo *undo; /* since the last commit */
	size_t n_undo, cap_undo;
	uint8_t dbid[16];
	bool dirty;
	bool broken; /* a put failed: the next commit fails, too */
	struct recstore_root roots[RECSTORE_ROOTS]; /* by tick modulo */
	struct deferred *deferred;
	size_t n_deferred;
	struct sql_author authors[AUTHOR_CACHE]; /* by key; id 0: free */
	struct sql_author by_id[AUTHOR_CACHE];   /* by number, likewise */
	struct author_count counts[COUNT_CACHE];
	uint32_t log_since_prune;
	uint32_t hurry_at, n_new; /* new records since the last tick */
	uint32_t n_late; /* of them, those of ticks that were settled */
	struct recstore_damage damages[RECSTORE_DAMAGES];
	size_t n_damages;
	bool no_mending; /* the disk refused it */
	struct recstore_counts n;
};

/* Milliseconds that a tick stands for, and the first tick that a stamp or an
 * end of life belongs to. */
int64_t tick_time(const struct recstore *rs, uint64_t tick);
uint64_t tick_of(const struct recstore *rs, uint64_t hlc);
bool is_late(const struct recstore *rs, uint64_t hlc); /* its tick is settled */
/* The first tick that does not count a record of this stamp any more. */
uint64_t tick_of_end(const struct recstore *rs, uint8_t kind, uint64_t hlc);

/* --- recstore.c --- */

/* The row of a key on disk; 0: nothing is held of it. */
uint64_t recstore_row(const struct recstore *rs, const uint8_t key[32]);
/* What lies there.  SQL_NONE when nothing is held, or the row is lost. */
enum sql_rc recstore_read(struct recstore *rs, const uint8_t key[32],
    struct sql_rec *r);

/* Forget all that was put since the last commit. */
void recstore_undo(struct recstore *rs);
/* Remember a version (NULL: there is none) before it is changed. */
bool recstore_note_undo(struct recstore *rs, const struct pend *e,
    const uint8_t key[32], uint64_t tick);

/* --- rebuild.c --- */

/* The tree of the last settled tick, and what is pending, from the disk. */
enum sql_rc rebuild(struct recstore *rs);

/* --- damage.c --- */

/* Remember a damaged row; key: NULL when it cannot be read. */
void damage_note(struct recstore *rs, uint64_t row, const uint8_t *key,
    const char *why);
/* That row is not on disk any more; and of those, their records which a tick
 * brought back are forgotten. */
void damage_set_out(struct recstore *rs, uint64_t row);
void damage_settled(struct recstore *rs);
/* Is there nothing of use in the row of that key, on a second look? */
bool damage_is_lost(struct recstore *rs, const uint8_t key[32]);
/* What is wrong with a row and the record in it. */
const char *damage_of_whole(const struct recstore *rs, const uint8_t key[32],
    const struct sql_rec *r, enum sql_rc rc);
/* What is wrong with a row as it was read; NULL: it is whole. */
const char *damage_of(const struct sql_rec *r, enum sql_rc rc);

/* --- authors.c --- */

/* Borrowed from a cache: use it before the next call. */
enum sql_rc authors_get(struct recstore *rs, const uint8_t pk[32], bool make,
    struct sql_author *a);
enum sql_rc authors_by_id(struct recstore *rs, int64_t id,
    struct sql_author *a);
enum sql_rc authors_admit(struct recstore *rs, int64_t id, bool admitted);
/* Forget it, unless it is admitted or has records. */
enum sql_rc authors_drop(struct recstore *rs, int64_t id);
/* Is a grant for this author pending that counts for that tick? */
bool authors_has_grant(const struct recstore *rs, const uint8_t pk[32],
    uint64_t tick);
enum sql_rc authors_count(struct recstore *rs, int64_t id, uint8_t kind,
    uint32_t *n);
/* One more, or one less. */
void authors_counted(struct recstore *rs, int64_t id, uint8_t kind, int by);
void authors_forget(struct recstore *rs); /* the caches */

#endif
