/* SPDX-License-Identifier: ISC */
/*
 * What must hold in every scenario, by the names of the plan: safety (S) at
 * each look, liveness (L) at the end.  A broken one is printed once and makes
 * the run fail.
 */
#ifndef WARREN_SIM_CHECK_H
#define WARREN_SIM_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Begin to look at all nodes once a second, from now on. */
void check_begin(void);

/* L2, from now on: live nodes that had 10 s are one component. */
void check_connected(bool on);

/*
 * L3, L4: every update older than grace_us reached every node that has been
 * up since before it was born.  Misses go to the windows as unexplained.
 */
void check_delivered(int64_t grace_us);

/*
 * S11: both ends of a gossip link call it eager, or neither does.  Lets time
 * pass where they do not.
 */
void check_symmetric(void);

/* S10: no honest node was banned by an honest one. */
void check_bans(void);

/* A scenario's own demand. */
void check_that(bool ok, const char *name, const char *what, uint64_t number);

/* Components of live honest nodes now, over links both ends call active. */
uint32_t check_components(void);

/* The longest any honest live node had no active link, in ms. */
int64_t check_alone_ms(void);

bool check_passed(void);

/* What broke first, or NULL, and when. */
const char *check_broken(void);
double check_broken_s(void);

#endif
