/* SPDX-License-Identifier: ISC */
/*
 * The shrinker: given a run that fails, look for a smaller one that fails the
 * same way.  Whole classes of faults are switched off, then the numbers of
 * the faults are cut from both ends, then come nodes, seconds and rate.  Each
 * try is a process of its own, so that an assertion counts as a failure too.
 *
 * Another number of nodes makes another course, in which the flaw may hide:
 * then a few seeds are tried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/args.h"

#define TRIES_MAX 400
#define TRY_S     120 /* a run that takes longer tells us nothing */
#define SEEDS     6
#define WHAT      64

struct verdict {
	char what[WHAT]; /* "": all held */
	uint32_t counts[FAULT_ALL], total;
	double at_s;
};

static struct {
	struct verdict *shared; /* the child writes it */
	struct verdict best;
	struct args smallest;
	unsigned tries;
} sh;

static void
child(const struct args *a)
{
	unsigned i;

	(void)alarm(TRY_S);
	if (freopen("/dev/null", "w", stdout) == NULL ||
	    freopen("/dev/null", "w", stderr) == NULL)
		_exit(70);
	(void)run_once(a);
	for (i = 0; i < FAULT_ALL; i++)
		sh.shared->counts[i] = fault_count(i);
	sh.shared->total = fault_total();
	if (!check_passed()) {
		(void)snprintf(sh.shared->what, WHAT, "%s", check_broken());
		sh.shared->at_s = check_broken_s();
	} else if (!goals_met()) {
		(void)snprintf(sh.shared->what, WHAT, "a goal");
	}
	_exit(0);
}

static void
try_run(const struct args *a, struct verdict *v)
{
	pid_t pid;
	int status;

	memset(sh.shared, 0, sizeof(*sh.shared));
	(void)fflush(stdout);
	if ((pid = fork()) == 0)
		child(a);
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		sim_die("no process");
	*v = *sh.shared;
	sh.tries++;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		v->what[0] = '\0';
	else if (WIFSIGNALED(status))
		(void)snprintf(v->what, WHAT, "signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		(void)snprintf(v->what, WHAT, "exit %d", WEXITSTATUS(status));
}

/* Does it fail as the first one did?  Then it is the smallest so far. */
static bool
fails(const struct args *a)
{
	struct verdict v;

	if (sh.tries >= TRIES_MAX)
		return false;
	try_run(a, &v);
	if (strcmp(v.what, sh.best.what) != 0)
		return false;
	sh.smallest = *a;
	sh.best = v;
	(void)printf("%3u  ", sh.tries);
	args_print(a);
	return true;
}

static bool
drop_group(unsigned from, unsigned until)
{
	struct args a = sh.smallest;
	uint32_t sum = 0;
	unsigned i;

	for (i = from; i < until; i++)
		sum += sh.best.counts[i];
	args_without(&a, from, until);
	return sum > 0 && fails(&a);
}

static bool
drop_classes(void)
{
	bool any = drop_group(0, FAULT_N);
	struct args a;
	unsigned i;

	any |= drop_group(FAULT_N, FAULT_ALL);
	for (i = 0; i < FAULT_ALL; i++) {
		if (sh.best.counts[i] == 0)
			continue;
		a = sh.smallest;
		a.faults.without[i] = true;
		any |= fails(&a);
	}
	return any;
}

static bool
with_range(uint32_t from, uint32_t until)
{
	struct args a = sh.smallest;

	a.faults.from = from;
	a.faults.until = until;
	return fails(&a);
}

/* Cut the numbers from both ends, by halves of what is left to try. */
static bool
drop_numbers(void)
{
	uint32_t from = sh.smallest.faults.from, step;
	uint32_t until = sh.smallest.faults.until;
	bool any = false;
	uint32_t left = 0;
	unsigned i;

	for (i = 0; i < FAULT_N; i++)
		left += sh.best.counts[i];
	if (left == 0)
		return false;
	if (until == 0 || until > sh.best.total)
		until = sh.best.total;
	for (step = (until - from) / 2; step > 0; step /= 2)
		while (until - from > step && with_range(from, until - step)) {
			until -= step;
			any = true;
		}
	for (step = (until - from) / 2; step > 0; step /= 2)
		while (until - from > step && with_range(from + step, until)) {
			from += step;
			any = true;
		}
	return any;
}

static bool
with_nodes(double nodes)
{
	uint64_t first = sh.smallest.seed, k;
	struct args a;

	for (k = 0; k < SEEDS; k++) {
		a = sh.smallest;
		a.nodes = nodes;
		a.seed = first + k;
		if (k > 0) /* numbers mean nothing in another course */
			a.faults.from = a.faults.until = 0;
		if (fails(&a))
			return true;
	}
	return false;
}

static bool
drop_nodes(void)
{
	uint32_t least = args_least_nodes(&sh.smallest);
	uint32_t n = (uint32_t)args_nodes(&sh.smallest), step;
	bool any = false;

	for (step = (n - least + 1) / 2; n > least && step > 0; step /= 2)
		while (n >= least + step && with_nodes(n - step)) {
			n -= step;
			any = true;
		}
	return any;
}

static bool
drop_seconds(void)
{
	static const double parts[] = { 0.25, 0.5, 0.75 };
	struct args a;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		a = sh.smallest;
		a.seconds = (double)(long)(args_seconds(&a) * parts[i]);
		if (a.seconds >= 1 && fails(&a))
			return true;
	}
	return false;
}

static bool
drop_rate(void)
{
	struct args a = sh.smallest;

	a.rate = args_rate(&a) / 2;
	return a.rate >= 0.5 && fails(&a);
}

int
shrink(const struct args *given)
{
	bool smaller;

	sh.shared = mmap(NULL, sizeof(*sh.shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh.shared == MAP_FAILED)
		sim_die("out of memory");
	sh.smallest = *given;
	sh.smallest.shrink = sh.smallest.twice = false;
	try_run(&sh.smallest, &sh.best);
	if (sh.best.what[0] == '\0') {
		(void)printf("it does not fail\n");
		return 0;
	}
	(void)printf("fails with %s at %.1f s\n", sh.best.what, sh.best.at_s);
	do {
		smaller = drop_classes();
		smaller |= drop_numbers();
		smaller |= drop_nodes();
		smaller |= drop_seconds();
		smaller |= drop_rate();
	} while (smaller);
	(void)printf("smallest of %u tries, %s at %.1f s, of %u faults:\n",
	    sh.tries, sh.best.what, sh.best.at_s, sh.best.total);
	args_print(&sh.smallest);
	return 1;
}
