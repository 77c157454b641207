/* SPDX-License-Identifier: ISC */
/*
 * Faults and rare branches, as promised in fault.h.
 */
#include "tests/sim/fault.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

#define POINT_ON 2  /* one point in so many is on in a run, */
#define FIRES    40 /* and then true one time in so many */

struct fault_conf fault_conf;

static const struct {
	const char *name, *what;
} names[FAULT_ALL] = {
#define X(name, what) { #name, what },
	FAULTS(X) BUGGIFY_POINTS(X)
#undef X
};

static struct {
	struct rng rng;
	bool on, points[BUGGIFY_N];
	uint32_t next, counts[FAULT_ALL];
} faults;

int
fault_of(const char *name)
{
	int i;

	for (i = 0; i < FAULT_ALL; i++)
		if (strcmp(names[i].name, name) == 0)
			return i;
	return -1;
}

const char *
fault_name(unsigned index)
{
	return names[index].name;
}

const char *
fault_what(unsigned index)
{
	return names[index].what;
}

void
fault_init(void)
{
	unsigned i;

	memset(&faults, 0, sizeof(faults));
	rng_init(&faults.rng, sim_seed(), UINT64_C(7) << 40);
	for (i = 0; i < BUGGIFY_N; i++)
		faults.points[i] = rng_below(&faults.rng, POINT_ON) == 0 &&
		    !fault_conf.without[FAULT_N + i];
}

void
fault_buggify(bool on)
{
	faults.on = on && fault_conf.buggify;
}

bool
fault_on(enum fault f)
{
	uint32_t number = faults.next++;

	if (fault_conf.without[f] || number < fault_conf.from ||
	    (fault_conf.until != 0 && number >= fault_conf.until))
		return false;
	faults.counts[f]++;
	return true;
}

bool
buggify(enum buggify_point point)
{
	if (!faults.on || !faults.points[point] ||
	    rng_below(&faults.rng, FIRES) != 0)
		return false;
	faults.counts[FAULT_N + point]++;
	return true;
}

uint32_t
fault_count(unsigned index)
{
	return faults.counts[index];
}

uint32_t
fault_total(void)
{
	return faults.next;
}

static void
print(const char *group, unsigned from, unsigned until)
{
	unsigned i;

	(void)printf("%s:", group);
	for (i = from; i < until; i++)
		if (faults.counts[i] > 0)
			(void)printf(" %s %u", names[i].name, faults.counts[i]);
	(void)printf("\n");
}

void
fault_print(void)
{
	if (faults.next > 0)
		print("faults", 0, FAULT_N);
	if (fault_conf.buggify)
		print("rare", FAULT_N, FAULT_ALL);
}
