/* SPDX-License-Identifier: ISC */
/*
 * sim: the cores of many nodes in one process, on virtual time.
 *
 * One seed, one course: the last line has the hash of all events.  --twice
 * runs it twice and compares.  --goals holds the figures against the rows of
 * the table of targets.  --mode liveness: faults end, and then something must
 * happen; otherwise they go on and nothing bad may.  --shrink looks for a
 * smaller run that fails.  All options are in args.c.
 *
 * Exit status 0: all held; 1: an invariant broke, a goal was missed, or the
 * runs differed; 64: usage.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

#include "tests/sim/args.h"
#include "tests/sim/store/snode.h"

bool scen_goals, scen_liveness;
enum scen_links scen_links;

int64_t
scen_in(double seconds)
{
	return sim_now().us + (int64_t)(seconds * 1e6);
}

void
scen_end(void)
{
	world.quiet = true;
	sim_run(scen_in(15));
	check_delivered(10 * SIM_S);
	check_symmetric();
	check_bans();
	world_print();
}

/* Memory of a simulated node: so many seconds of records, and no more. */
static void
size_tables(struct world_conf *c)
{
	uint16_t recent = 128;

	while (recent < c->rate * 6 && recent < BCAST_RECENT_MAX)
		recent = (uint16_t)(recent * 2);
	c->lim = (struct bcast_limits){ .links = NODE_SLOTS,
		.recent = recent,
		.pending = (uint16_t)(c->rate > 50 ? 1024 : 384),
		.authors = 64,
		.delayed = 16 };
}

static void
setup(const struct args *a, struct world_conf *conf)
{
	*conf = (struct world_conf){ .nodes = (uint32_t)args_nodes(a),
		.rate = args_rate(a),
		.seconds = args_seconds(a),
		.net.hop_us = 300,
		.skew = true };
	scen_goals = a->goals;
	scen_liveness = a->liveness;
	scen_links = a->links;
	fault_conf = a->faults;
	size_tables(conf);
	a->scen->setup(conf);
	if (conf->nodes < args_least_nodes(a) ||
	    (conf->own_nodes && conf->nodes > SNODES))
		args_usage();
}

uint64_t
run_once(const struct args *a)
{
	struct world_conf conf;
	uint64_t hash;

	setup(a, &conf);
	sim_init(a->seed);
	tally_init();
	fault_init();
	if (conf.own_nodes)
		sworld_init(&conf);
	else
		world_init(&conf);
	a->scen->run();
	hash = sim_trace_hash();
	(void)printf("events %llu\n", (unsigned long long)sim_events());
	fault_print();
	if (conf.own_nodes)
		sworld_fini();
	else
		world_fini();
	sim_fini();
	return hash;
}

static double
wall_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	struct rusage ru;
	struct args a;
	uint64_t hash;
	double began = wall_s();
	bool ok;

	if (sodium_init() == -1)
		return EX_UNAVAILABLE;
	args_parse(&a, argc, argv);
	if (a.shrink)
		return shrink(&a);
	(void)printf("scen=%s seed=%llu\n", a.scen->name,
	    (unsigned long long)a.seed);
	hash = run_once(&a);
	tally_print();
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf("wall %.1f s, memory %.0f MB\n", wall_s() - began,
	    (double)ru.ru_maxrss / 1024);
	ok = check_passed() && goals_met();
	if (a.twice && run_once(&a) != hash) {
		(void)printf("BROKEN: two runs of one seed differ\n");
		ok = false;
	}
	(void)printf("trace=%016llx %s\n", (unsigned long long)hash,
	    ok ? "ok" : "FAILED");
	return ok ? 0 : 1;
}
