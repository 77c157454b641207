/* SPDX-License-Identifier: ISC */
/*
 * What goes wrong in a run, all of it in one place, so that it can be counted,
 * switched off by name, and cut to a part of the run: the shrinker's knobs.
 *
 * A scenario asks fault_on() at the moment it would hurt something.  Faults
 * are numbered as they come, from 0, whether or not they are let through.
 * Rare branches inside the code are BUGGIFY points, see common/buggify.h.
 */
#ifndef WARREN_SIM_FAULT_H
#define WARREN_SIM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buggify.h"

/* Name, what it does. */
#define FAULTS(X)                                                              \
	X(crash, "a process or host dies")                                     \
	X(torn, "power goes in the middle of writing")                         \
	X(lost, "a node comes back without what it had")                       \
	X(part, "hosts are cut off from others")                               \
	X(link, "one connection goes dead")                                    \
	X(disk, "a disk is full or fails")                                     \
	X(clock, "a clock is set")                                             \
	X(hang, "a process does nothing for a while")                          \
	X(stall, "packets are lost")                                           \
	X(narrow, "lines are slow")                                            \
	X(lie, "a node is not honest")

enum fault {
#define X(name, what) FAULT_##name,
	FAULTS(X)
#undef X
	    FAULT_N
};

#define FAULT_ALL (FAULT_N + BUGGIFY_N) /* names, faults first */

/* How a run is cut down; zeroed: not at all. */
struct fault_conf {
	bool without[FAULT_ALL];
	uint32_t from, until; /* numbers of the faults that happen; until 0:
	                         all of them */
	bool buggify;
};

extern struct fault_conf fault_conf;

/* Index of that name, or -1. */
int fault_of(const char *name);
const char *fault_name(unsigned index);
const char *fault_what(unsigned index);

/* Forget the counts; draw from the seed which points there are.  All off. */
void fault_init(void);

/* Shall that happen now? */
bool fault_on(enum fault f);

/* Points answer from now on, or do not. */
void fault_buggify(bool on);

/* How often each happened, as "name count" in one line a group. */
void fault_print(void);
uint32_t fault_count(unsigned index);
uint32_t fault_total(void); /* numbers given out */

#endif
