/* SPDX-License-Identifier: ISC */
/*
 * sim: the cores of many nodes in one process, on virtual time.
 *
 *   usage: sim [--seed S] --scen X [--nodes N] [--rate R] [--seconds T]
 *              [--mode safety|liveness] [--goals] [--twice]
 *
 * One seed, one course: the last line has the hash of all events.  --twice
 * runs it twice and compares.  --goals holds the figures against the rows of
 * the table of targets.  --mode is of scenario store: faults all the time, or
 * until half time, and then all must come to agree.  Exit status 0: all held; 1: an invariant broke, a
 * goal was missed, or the runs differed; 64: usage.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

#include "tests/sim/scen/scen.h"
#include "tests/sim/store/snode.h"

static const struct scen scens[] = {
#define X(name, help, nodes, rate, seconds)                                    \
	{ #name, help, nodes, rate, seconds, scen_setup_##name,                \
		scen_run_##name },
	SCENS(X)
#undef X
};

#define N_SCENS (sizeof(scens) / sizeof(scens[0]))

bool scen_goals, scen_liveness;

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

static void
usage(void)
{
	size_t i;

	(void)fprintf(stderr,
	    "usage: sim [--seed S] --scen X [--nodes N] "
	    "[--rate R] [--seconds T] [--mode safety|liveness] "
	    "[--goals] [--twice]\n");
	for (i = 0; i < N_SCENS; i++)
		(void)fprintf(stderr, "  %-10s %s\n", scens[i].name,
		    scens[i].help);
	exit(EX_USAGE);
}

struct args {
	const struct scen *scen;
	uint64_t seed;
	double nodes, rate, seconds;
	bool twice;
};

static const struct scen *
scen_of(const char *name)
{
	size_t i;

	for (i = 0; i < N_SCENS; i++)
		if (strcmp(scens[i].name, name) == 0)
			return &scens[i];
	usage();
	return NULL;
}

static double
number(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0 && v < 1e15))
		usage();
	return v;
}

static bool
is_liveness(const char *mode)
{
	if (strcmp(mode, "safety") != 0 && strcmp(mode, "liveness") != 0)
		usage();
	return strcmp(mode, "liveness") == 0;
}

static void
parse(struct args *a, int argc, char **argv)
{
	int i;

	memset(a, 0, sizeof(*a));
	a->seed = 1;
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--goals") == 0)
			scen_goals = true;
		else if (strcmp(argv[i], "--twice") == 0)
			a->twice = true;
		else if (i + 1 == argc)
			usage();
		else if (strcmp(argv[i], "--scen") == 0)
			a->scen = scen_of(argv[++i]);
		else if (strcmp(argv[i], "--mode") == 0)
			scen_liveness = is_liveness(argv[++i]);
		else if (strcmp(argv[i], "--seed") == 0)
			a->seed = (uint64_t)number(argv[++i]);
		else if (strcmp(argv[i], "--nodes") == 0)
			a->nodes = number(argv[++i]);
		else if (strcmp(argv[i], "--rate") == 0)
			a->rate = number(argv[++i]);
		else if (strcmp(argv[i], "--seconds") == 0)
			a->seconds = number(argv[++i]);
		else
			usage();
	}
	if (a->scen == NULL)
		usage();
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

static uint64_t
run(const struct args *a)
{
	struct world_conf conf = { 0 };
	uint64_t hash;

	conf.nodes = (uint32_t)(a->nodes != 0 ? a->nodes : a->scen->nodes);
	conf.rate = a->rate != 0 ? a->rate : a->scen->rate;
	conf.seconds = a->seconds != 0 ? a->seconds : a->scen->seconds;
	conf.net.hop_us = 300;
	conf.skew = true;
	size_tables(&conf);
	a->scen->setup(&conf);
	if (conf.nodes < (conf.own_nodes ? 3 : 8) ||
	    (conf.own_nodes && conf.nodes > SNODES))
		usage();
	sim_init(a->seed);
	tally_init();
	if (conf.own_nodes)
		sworld_init(&conf);
	else
		world_init(&conf);
	a->scen->run();
	hash = sim_trace_hash();
	(void)printf("events %llu\n", (unsigned long long)sim_events());
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
	parse(&a, argc, argv);
	(void)printf("scen=%s seed=%llu\n", a.scen->name,
	    (unsigned long long)a.seed);
	hash = run(&a);
	tally_print();
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf("wall %.1f s, memory %.0f MB\n", wall_s() - began,
	    (double)ru.ru_maxrss / 1024);
	ok = check_passed() && goals_met();
	if (a.twice && run(&a) != hash) {
		(void)printf("BROKEN: two runs of one seed differ\n");
		ok = false;
	}
	(void)printf("trace=%016llx %s\n", (unsigned long long)hash,
	    ok ? "ok" : "FAILED");
	return ok ? 0 : 1;
}
