/* SPDX-License-Identifier: ISC */
/*
 * What is counted while a scenario runs, in windows of virtual time, and how
 * it is printed: one line a measure.
 */
#ifndef WARREN_SIM_TALLY_H
#define WARREN_SIM_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#define TALLY_WINDOWS 8
#define TALLY_MS_MAX  10000
#define TALLY_RECORD  300 /* bytes of one record on the wire */

struct tally {
	const char *name;
	int64_t from_us, until_us;
	uint64_t updates;
	uint64_t firsts, copies; /* of records born in the window */
	uint64_t ids, id_bytes;  /* announced in the window */
	uint64_t payloads;       /* sent in the window */
	uint64_t pulls, grafts, prunes;
	uint32_t hist[TALLY_MS_MAX + 1]; /* delays of firsts, 0.25 ms each */
	int64_t max_us;
	uint64_t unexplained; /* nodes that were up and never got it */
};

void tally_init(void);

/* A window: records born in it, and what is sent in it. */
struct tally *tally_window(const char *name, int64_t from_us, int64_t until_us);

/* The window of a time, or NULL. */
struct tally *tally_at(int64_t us);

void tally_delivery(int64_t born_us, int64_t now_us, bool first);

/* Delay in milliseconds that this part of the deliveries stayed within. */
double tally_percentile(const struct tally *t, double part);
double tally_rmr(const struct tally *t);
double tally_ihave(const struct tally *t); /* bytes, part of payload bytes */

void tally_print(void);

/* Measures against goals: prints, and remembers a miss. */
void goal_max(const char *row, const char *what, double measured, double max);
bool goals_met(void);

#endif
