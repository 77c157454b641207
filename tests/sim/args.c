/* SPDX-License-Identifier: ISC */
/*
 * The command line, as promised in args.h.
 */
#include "tests/sim/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define NODES_MIN     8 /* or bootstrap nodes are all there is */
#define OWN_NODES_MIN 3 /* of a scenario with nodes of its own */

static const struct scen scens[] = {
#define X(name, help, nodes, rate, seconds)                                    \
	{ #name, help, nodes, rate, seconds, scen_setup_##name,                \
		scen_run_##name },
	SCENS(X)
#undef X
};

#define N_SCENS (sizeof(scens) / sizeof(scens[0]))

static double
number(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0 && v < 1e15))
		args_usage();
	return v;
}

static void
set_scen(struct args *a, const char *text)
{
	size_t i;

	for (i = 0; i < N_SCENS; i++)
		if (strcmp(scens[i].name, text) == 0)
			a->scen = &scens[i];
	if (a->scen == NULL)
		args_usage();
}

static void
set_seed(struct args *a, const char *text)
{
	a->seed = (uint64_t)number(text);
}

static void
set_nodes(struct args *a, const char *text)
{
	a->nodes = number(text);
}

static void
set_rate(struct args *a, const char *text)
{
	a->rate = number(text);
}

static void
set_seconds(struct args *a, const char *text)
{
	a->seconds = number(text);
}

static void
set_mode(struct args *a, const char *text)
{
	if (strcmp(text, "safety") != 0 && strcmp(text, "liveness") != 0)
		args_usage();
	a->liveness = strcmp(text, "liveness") == 0;
}

static void
set_links(struct args *a, const char *text)
{
	if (strcmp(text, "fixed") != 0 && strcmp(text, "overlay") != 0)
		args_usage();
	a->links = strcmp(text, "fixed") == 0 ? LINKS_FIXED : LINKS_OVERLAY;
}

void
args_without(struct args *a, unsigned from, unsigned until)
{
	while (from < until)
		a->faults.without[from++] = true;
}

static void
set_without(struct args *a, const char *text)
{
	char list[512], *name, *next = list;
	int i;

	if (snprintf(list, sizeof(list), "%s", text) >= (int)sizeof(list))
		args_usage();
	while ((name = strsep(&next, ",")) != NULL) {
		if (strcmp(name, "faults") == 0)
			args_without(a, 0, FAULT_N);
		else if (strcmp(name, "rare") == 0)
			args_without(a, FAULT_N, FAULT_ALL);
		else if ((i = fault_of(name)) != -1)
			a->faults.without[i] = true;
		else
			args_usage();
	}
}

static void
set_faults(struct args *a, const char *text)
{
	unsigned from, until;

	if (sscanf(text, "%u-%u", &from, &until) != 2 || from > until)
		args_usage();
	a->faults.from = from;
	a->faults.until = until;
}

static void
set_goals(struct args *a, const char *text)
{
	(void)text;
	a->goals = true;
}

static void
set_twice(struct args *a, const char *text)
{
	(void)text;
	a->twice = true;
}

static void
set_buggify(struct args *a, const char *text)
{
	(void)text;
	a->faults.buggify = true;
}

static void
set_shrink(struct args *a, const char *text)
{
	(void)text;
	a->shrink = true;
}

static void
list_points(struct args *a, const char *text)
{
	unsigned i;

	(void)a;
	(void)text;
	for (i = 0; i < FAULT_ALL; i++)
		(void)printf("%s %-14s %s\n", i < FAULT_N ? "fault" : "rare ",
		    fault_name(i), fault_what(i));
	exit(0);
}

static const struct option {
	const char *name, *value, *what;
	void (*set)(struct args *a, const char *text);
} options[] = {
	{ "--scen", "X", "one of those below", set_scen },
	{ "--seed", "S", "the same seed, the same course (1)", set_seed },
	{ "--nodes", "N", "how many", set_nodes },
	{ "--rate", "R", "records written in a second", set_rate },
	{ "--seconds", "T", "of load", set_seconds },
	{ "--mode", "M", "safety, or liveness: faults end", set_mode },
	{ "--links", "L", "fixed or overlay", set_links },
	{ "--without", "A,B,..", "no such faults; all: faults, rare",
	    set_without },
	{ "--faults", "I-J", "only those with these numbers", set_faults },
	{ "--buggify", NULL, "rare branches in any scenario", set_buggify },
	{ "--goals", NULL, "hold figures against the targets", set_goals },
	{ "--twice", NULL, "run twice and compare", set_twice },
	{ "--shrink", NULL, "look for a smaller run that fails", set_shrink },
	{ "--points", NULL, "list faults and rare branches", list_points },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

void
args_usage(void)
{
	size_t i;

	(void)fprintf(stderr, "usage: sim --scen X [option ...]\n");
	for (i = 0; i < N_OPTIONS; i++)
		(void)fprintf(stderr, "  %-10s %-7s %s\n", options[i].name,
		    options[i].value == NULL ? "" : options[i].value,
		    options[i].what);
	(void)fprintf(stderr, "scenarios:\n");
	for (i = 0; i < N_SCENS; i++)
		(void)fprintf(stderr, "  %-10s %s\n", scens[i].name,
		    scens[i].help);
	exit(EX_USAGE);
}

static const struct option *
option_of(const char *name)
{
	size_t i;

	for (i = 0; i < N_OPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	args_usage();
}

void
args_parse(struct args *a, int argc, char **argv)
{
	const struct option *o;
	int i;

	memset(a, 0, sizeof(*a));
	a->seed = 1;
	for (i = 1; i < argc; i++) {
		o = option_of(argv[i]);
		if (o->value != NULL && ++i == argc)
			args_usage();
		o->set(a, argv[i]);
	}
	if (a->scen == NULL)
		args_usage();
}

double
args_nodes(const struct args *a)
{
	return a->nodes != 0 ? a->nodes : a->scen->nodes;
}

double
args_rate(const struct args *a)
{
	return a->rate != 0 ? a->rate : a->scen->rate;
}

double
args_seconds(const struct args *a)
{
	return a->seconds != 0 ? a->seconds : a->scen->seconds;
}

uint32_t
args_least_nodes(const struct args *a)
{
	struct world_conf c = { .nodes = NODES_MIN };

	a->scen->setup(&c);
	return c.own_nodes ? OWN_NODES_MIN : NODES_MIN;
}

static void
print_name(const char *name, bool *first)
{
	(void)printf("%s%s", *first ? " --without " : ",", name);
	*first = false;
}

static void
print_without(const bool *without, unsigned from, unsigned until,
    const char *all, bool *first)
{
	unsigned i, n = 0;

	for (i = from; i < until; i++)
		n += without[i];
	if (n == until - from)
		print_name(all, first);
	for (i = from; n < until - from && i < until; i++)
		if (without[i])
			print_name(fault_name(i), first);
}

void
args_print(const struct args *a)
{
	bool first = true;

	(void)printf("sim --scen %s --seed %llu --nodes %g --rate %g "
		     "--seconds %g%s",
	    a->scen->name, (unsigned long long)a->seed, args_nodes(a),
	    args_rate(a), args_seconds(a),
	    a->liveness ? " --mode liveness" : "");
	if (a->links != LINKS_ANY)
		(void)printf(" --links %s",
		    a->links == LINKS_FIXED ? "fixed" : "overlay");
	if (a->goals)
		(void)printf(" --goals");
	if (a->faults.buggify)
		(void)printf(" --buggify");
	if (a->faults.until != 0)
		(void)printf(" --faults %u-%u", a->faults.from,
		    a->faults.until);
	print_without(a->faults.without, 0, FAULT_N, "faults", &first);
	print_without(a->faults.without, FAULT_N, FAULT_ALL, "rare", &first);
	(void)printf("\n");
}
