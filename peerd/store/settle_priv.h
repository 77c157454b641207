/* SPDX-License-Identifier: ISC */
/*
 * What the files of a tick share:
 *
 *	settle.c         the steps in their order, the tree, the root
 *	settle_grants.c  grants, and authors who lost theirs
 *	settle_work.c    what all steps do
 *
 * A step that fails leaves its reason in rc, and those after it do nothing.
 * Private to them.
 */
#ifndef WARREN_SETTLE_PRIV_H
#define WARREN_SETTLE_PRIV_H

#include "peerd/store/recstore_priv.h"

#define SETTLE_BATCH 512 /* keys asked of the disk at a time */
#define SEEN         256 /* authors and kinds that are noted once */

/* A change of the tree, in the order it was decided: later ones win. */
struct change {
	struct mtree_change c;
	uint32_t order;
	bool gone; /* from the disk, too: no later version is left */
};

struct settle {
	struct recstore *rs;
	uint64_t tick;
	enum sql_rc rc;
	struct change *ch;
	size_t n, cap;
	/* Subjects of grants that came, changed or went. */
	uint8_t (*subjects)[32];
	size_t n_subjects, cap_subjects;
	/* Authors whose admission begins with this tick. */
	int64_t *welcome;
	size_t n_welcome, cap_welcome;
	/* (author, kind) that got anything, and which were noted last. */
	struct author_count *grown, seen[SEEN];
	size_t n_grown, cap_grown;
	/* Rows that went without being read, for they are damaged. */
	uint64_t *lost;
	size_t n_lost, cap_lost;
	uint64_t expired, evicted, unadmitted, settled;
};

/* --- settle_work.c --- */

/* The first reason counts. */
void settle_fail(struct settle *s, enum sql_rc rc);
/* True as long as nothing failed. */
bool settle_check(struct settle *s, enum sql_rc rc);

/* Room for one more; the array, moved perhaps.  Sets s->rc without memory. */
void *settle_room(struct settle *s, void *array, size_t n, size_t *cap,
    size_t size);

/* A change of the tree, to be filled; NULL without memory. */
struct change *settle_change(struct settle *s, const uint8_t key[32], bool del);
/* e comes into the tree. */
void settle_put(struct settle *s, const struct pend *e);
/* A grant of this subject came, changed or went. */
void settle_subject(struct settle *s, const uint8_t subject[32]);

/*
 * The row of a key, where there is one and it is whole; if not, that is noted.
 * Reading may fail, too, and SQLite may have given up the transaction then:
 * nothing may be written after that.
 */
bool settle_row(struct settle *s, const uint8_t key[32], struct sql_rec *r);
/* The subject of a member record, from its body. */
bool settle_subject_of(struct settle *s, const uint8_t key[32],
    uint8_t subject[32]);

/* Take a key out, from the disk and from the tree. */
void settle_drop(struct settle *s, const uint8_t key[32]);
/* A damaged row leaves, so whose it was is not sure: count anew. */
void settle_lost(struct settle *s, uint64_t row);
/* No tick stands on the older versions of this key any more. */
bool settle_forget_older(struct settle *s, const uint8_t key[32]);

/* Is e what the tick counts of its key?  Is its time over by then? */
bool settle_counts(const struct settle *s, const struct pend *e);
bool settle_over(const struct settle *s, const struct pend *e);

/* --- settle_grants.c --- */

/* Grants that the tick counts go into the tree; their subjects are noted. */
void settle_take_grants(struct settle *s);
/* Admit the subjects noted, or drop all they wrote up to this tick. */
void settle_judge(struct settle *s);

#endif
