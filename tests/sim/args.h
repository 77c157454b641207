/* SPDX-License-Identifier: ISC */
/*
 * The command line of sim: one struct, read, printed back, and handed to a
 * run.  The same struct is what the shrinker makes smaller.
 */
#ifndef WARREN_SIM_ARGS_H
#define WARREN_SIM_ARGS_H

#include "tests/sim/fault.h"
#include "tests/sim/scen/scen.h"

struct args {
	const struct scen *scen;
	uint64_t seed;
	double nodes, rate, seconds; /* 0: as the scenario has it */
	bool twice, shrink, goals, liveness;
	enum scen_links links;
	struct fault_conf faults;
};

/* Exits 64 with the usage when it makes no sense. */
void args_parse(struct args *a, int argc, char **argv);
_Noreturn void args_usage(void);

/* The command that repeats it. */
void args_print(const struct args *a);

/* None of the faults and points from..until - 1. */
void args_without(struct args *a, unsigned from, unsigned until);

/* What it lacks, from the scenario. */
double args_nodes(const struct args *a);
double args_rate(const struct args *a);
double args_seconds(const struct args *a);

/* The fewest nodes it can have. */
uint32_t args_least_nodes(const struct args *a);

/* main.c: one run in this process; the hash of its course. */
uint64_t run_once(const struct args *a);

/* shrink.c: exit status. */
int shrink(const struct args *a);

#endif
