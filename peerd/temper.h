/* SPDX-License-Identifier: ISC */
/*
 * How warm a block is: reads counted in an hour, a day, a week and a month,
 * and the level that follows from them.
 *
 *   VIRAL   1000 in an hour
 *   HOT     100 in a day, or 500 in a week
 *   WARM    50 in a week, or 100 in a month
 *   COOL    10 in a month, or 20 in a quarter
 *   COLD    1 in a year
 *   FROZEN  none
 *
 * A level is reached at once at its threshold, and left only when the reads
 * have fallen below 0.8 of it and it has stood for a while, so that a block
 * on the edge does not fill the database with its ups and downs.
 *
 * Each counter is two buckets, this window's and the one before, of which
 * the part that is still within reach is counted: exact to a bucket, and 8
 * bytes instead of a list of times.  Time is passed in, in unix seconds.
 * Pure; tested in tests/unit/temper_test.c.
 */
#ifndef WARREN_TEMPER_H
#define WARREN_TEMPER_H

#include <stdbool.h>
#include <stdint.h>

/* Rising; records say them as 0, 1000, .. 5000, interfaces by name. */
#define TEMPER_LEVELS(X)                                                       \
	X(FROZEN)                                                              \
	X(COLD)                                                                \
	X(COOL)                                                                \
	X(WARM)                                                                \
	X(HOT)                                                                 \
	X(VIRAL)

enum temper_level {
#define X(name) TEMPER_##name,
	TEMPER_LEVELS(X)
#undef X
	    TEMPER_N
};

enum temper_span {
	TEMPER_HOUR,
	TEMPER_DAY,
	TEMPER_WEEK,
	TEMPER_MONTH,
	TEMPER_SPANS
};

#define TEMPER_COOLDOWN_S 3600 /* a level stands so long before it falls */

struct temper {
	uint64_t last;                 /* the last read; 0: never */
	uint32_t cur[TEMPER_SPANS];    /* reads in the window that last is in */
	uint32_t before[TEMPER_SPANS]; /* and in the one before that */
};

/* n reads at now.  A clock that went back counts them at the last time. */
void temper_read(struct temper *t, uint32_t n, uint64_t now);

/* Reads in the last span, as far as the buckets tell. */
uint32_t temper_count(const struct temper *t, enum temper_span span,
    uint64_t now);

/* The level now, where it was `level` since `since`. */
enum temper_level temper_level(const struct temper *t, enum temper_level level,
    uint64_t since, uint64_t now);

/* A counter as one number, for a row, and back. */
uint64_t temper_pack(const struct temper *t, enum temper_span span);
void temper_unpack(struct temper *t, enum temper_span span, uint64_t packed);

/* What a record says, and back: the nearest level at or below. */
int32_t temper_weight(enum temper_level level);
enum temper_level temper_of_weight(int32_t w);

/* "FROZEN", ..., "VIRAL". */
const char *temper_name(enum temper_level level);

#endif
