/* SPDX-License-Identifier: ISC */
/*
 * Scenarios: a table, each a set-up and a course.  To add one: a line in
 * SCENS, and its two functions in a file here.
 */
#ifndef WARREN_SIM_SCEN_H
#define WARREN_SIM_SCEN_H

#include "tests/sim/check/check.h"
#include "tests/sim/node.h"

/* Name, what it shows, nodes, updates a second, seconds of load. */
#define SCENS(X)                                                               \
	X(bcast, "random sources on fixed links, from a cold start", 1000, 20, \
	    60)                                                                \
	X(lan, "the same in one LAN", 1000, 20, 60)                            \
	X(stall, "1 % of messages meet a lost packet", 1000, 20, 60)           \
	X(join, "all join through three bootstraps", 1000, 5, 60)              \
	X(crash, "30 % die at once", 1000, 20, 60)                             \
	X(churn, "10 % a minute die and come back", 1000, 20, 120)             \
	X(part, "two halves cut off for a minute, then healed", 300, 5, 60)    \
	X(byz, "liars, flappers and hogs, 1 % each", 300, 20, 60)              \
	X(spam, "one author at a hundred times its rate", 300, 20, 60)         \
	X(heal, "two halves write apart, then trees bring them together",      \
	    1000, 40, 60)                                                      \
	X(trees, "the same with all that can go wrong", 40, 8, 90)             \
	X(store, "records on failing disks, brought together by syncs", 5, 6,  \
	    120)

struct scen {
	const char *name, *help;
	double nodes, rate, seconds;
	void (*setup)(struct world_conf *conf);
	void (*run)(void);
};

#define X(name, help, nodes, rate, seconds)                                    \
	void scen_setup_##name(struct world_conf *conf);                       \
	void scen_run_##name(void);
SCENS(X)
#undef X

/* Which links, where a scenario can have either: --links. */
enum scen_links { LINKS_ANY, LINKS_FIXED, LINKS_OVERLAY };
extern enum scen_links scen_links;

/* Rows of the table of targets are held against the figures. */
extern bool scen_goals;

/* Faults end at half time, and then all must agree. */
extern bool scen_liveness;

/* Virtual seconds from now. */
int64_t scen_in(double seconds);

/* All join through the bootstrap nodes, and have time to settle. */
void scen_join(void);

/* Links as the scenario has them, and the checks begin. */
void scen_wire(void);

/* Every other node is cut off from the others; or no more. */
void scen_cut(bool on);

/* The end of every course: quiet for 15 s, then what must hold. */
void scen_end(void);

#endif
