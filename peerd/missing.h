/* SPDX-License-Identifier: ISC */
/*
 * Records that neighbours announced and that are not here.  Each row is one
 * announcement: one link's short id.  Two links call one record by different
 * ids, so rows of one record are known to belong together only when it
 * comes.  Until then a row that is due while another link was just asked for
 * something is held back, one row a link for each question: most likely it
 * is the same record ("covered").
 *
 * The memory is the caller's.  Pure; tested through tests/unit/bcast_test.c.
 */
#ifndef WARREN_MISSING_H
#define WARREN_MISSING_H

#include "common/mono.h"

#define MISSING_NIL UINT16_MAX

enum missing_state {
	MISSING_WAIT,  /* a push may bring it */
	MISSING_ASKED, /* PULL went out */
	MISSING_OWED /* asked for, came from elsewhere; still to be answered */
};

struct missing_row {
	uint64_t id;
	struct mono due;   /* WAIT: ask; else: no answer will come */
	struct mono since; /* announced */
	struct mono asked;
	uint32_t covers;        /* links of which this question covers a row */
	uint16_t serial, cover; /* of a question; of that which covers us */
	uint16_t next;
	uint8_t link;
	uint8_t state;   /* enum missing_state */
	uint8_t covered; /* how often: two times are enough */
	uint8_t again;   /* how often the question was repeated */
};

struct missing {
	struct missing_row *rows;
	uint16_t *heads;
	uint16_t n, cap, serial;
	uint32_t n_heads; /* a power of two */
	uint64_t mix;     /* secret, odd */
};

/* heads: n_heads of them, a power of two.  mix: random bits. */
void missing_init(struct missing *ms, struct missing_row *rows, uint16_t cap,
    uint16_t *heads, uint32_t n_heads, uint64_t mix);

/* That link's row, or NULL.  Good until the next change. */
struct missing_row *missing_find(const struct missing *ms, unsigned link,
    uint64_t id);

/* A new row, WAIT; NULL when the table is full. */
struct missing_row *missing_add(struct missing *ms, unsigned link, uint64_t id,
    struct mono now, struct mono due);

/* The last row takes the place of the one removed. */
void missing_remove(struct missing *ms, struct missing_row *row);

/* The row was asked for: from now on it may cover others. */
void missing_ask(struct missing *ms, struct missing_row *row, struct mono now,
    struct mono due);

/*
 * Is there a question to another link, asked after since, that may stand for
 * this row as well?  Then the row is due when that question is wait_ms old.
 */
bool missing_cover(struct missing *ms, struct missing_row *row,
    struct mono since, int64_t wait_ms);

/* The question of that serial was answered: rows it covered are due now. */
void missing_uncover(struct missing *ms, uint16_t serial, struct mono now);

#endif
