/* SPDX-License-Identifier: ISC */
/*
 * Scenario store when its faults have ended.
 *
 * First for some nodes only, the core: the others stay dead or cut off, for
 * good as far as the core can tell.  Its roots must become the same, and what
 * is written to it must be in all its databases.  Then the others return, and
 * every honest root must be the same, the network quiet, and in the end, when
 * all records are over, the same again.
 */
#include <stdio.h>

#include "common/hlc.h"
#include "tests/sim/fault.h"
#include "tests/sim/scen/scen.h"
#include "tests/sim/scen/store.h"
#include "tests/sim/store/snode.h"

#define SKEW_MS    200 /* what is left of wrong clocks */
#define REFUSALS_S 60  /* a peer refuses more than three sessions a minute */
#define QUIET_S    20
#define LIES_S     3 /* until the last ones are told */
#define L1_MS      (3 * KIT_TICK_MS + 2 * KIT_SETTLE_MS + REFUSALS_S * 1000 + 25000)
#define CORE_MIN   2
#define WRITES     8
#define APART      100 /* part of the first that is cut off */

static struct rng rng;

static void
heal(struct snode *n)
{
	disk_fault(n->id, KIT_HEALTHY);
	disk_uncut(n->id);
	net_part(n->id, 0);
	n->skew_ms = (int64_t)rng_below(&rng, 2 * SKEW_MS) - SKEW_MS;
	n->tick_us = sim_now().us;
	n->frozen = false;
	if (n->up)
		snode_arm(n);
	else
		snode_start(n);
}

static void
freeze(struct snode *n)
{
	disk_fault(n->id, KIT_HEALTHY);
	disk_uncut(n->id);
	n->frozen = true;
	if (rng_below(&rng, 2) == 0)
		net_part(n->id, (uint8_t)(APART + n->id));
	else if (n->up)
		snode_crash(n, rng_below(&rng, 2) == 0);
}

/* The one that lies is in it or not, as it comes. */
static void
choose_core(void)
{
	uint32_t left = sw.n, i;
	uint32_t size = CORE_MIN + rng_below(&rng, sw.n - CORE_MIN + 1);

	(void)printf("store: the core is %u of %u nodes\n", size, sw.n);
	for (i = 0; i < sw.n; i++, left--) {
		if (rng_below(&rng, left) < size) {
			size--;
			heal(&sw.nodes[i]);
		} else {
			freeze(&sw.nodes[i]);
		}
	}
}

/* All that are not frozen agree, and go on to agree for three ticks. */
static void
converge(const char *who)
{
	int64_t from = sim_now().us, since = INT64_MAX, now = from;

	while (now - from < 2 * L1_MS * SIM_MS &&
	    (since == INT64_MAX || now - since < 3 * KIT_TICK_MS * SIM_MS)) {
		sim_run(now + 200 * SIM_MS);
		now = sim_now().us;
		if (!scheck_converged())
			since = INT64_MAX;
		else if (since == INT64_MAX)
			since = now;
	}
	check_that(since != INT64_MAX && since - from <= L1_MS * SIM_MS, "L1",
	    "honest roots differ after the faults",
	    (uint64_t)(now - from) / 1000);
	(void)printf("store: roots of %s equal %.1f s after the faults\n", who,
	    since == INT64_MAX ? -1.0 : (double)(since - from) / 1e6);
}

static struct snode *
any_of_core(void)
{
	struct snode *n;

	do
		n = &sw.nodes[rng_below(&rng, sw.n)];
	while (n->frozen || !n->up);
	return n;
}

/* L3: what is written to the core is in all its databases. */
static void
demand_progress(void)
{
	struct kit_say say[WRITES];
	static struct recstore_rec r;
	uint64_t misses = 0;
	uint8_t key[32];
	uint32_t i, k;

	for (i = 0; i < WRITES; i++) {
		say[i] = (struct kit_say){ .kind = REC_META,
			.author = (uint8_t)(i % KIT_STEADY),
			.target = (uint8_t)(i / KIT_STEADY) };
		snode_write(any_of_core(), &say[i], 0);
		sim_run(scen_in(1));
	}
	converge("the core, which wrote,");
	for (i = 0; i < WRITES; i++) {
		kit_key(key, &say[i]);
		for (k = 0; k < sw.n; k++)
			misses += !sw.nodes[k].frozen &&
			    (recstore_get(sw.nodes[k].rs, key, false, &r) !=
				    SQL_OK ||
				r.hlc < say[i].hlc);
	}
	check_that(misses == 0, "L3", "the core's records did not reach it",
	    misses);
}

void
store_liveness(void)
{
	struct snode *liar = &sw.nodes[sw.n - 1];
	uint64_t busy;
	uint32_t i;

	rng_init(&rng, sim_seed(), UINT64_C(9) << 40);
	sw.calm = true;
	fault_buggify(false);
	choose_core();
	converge("the core");
	demand_progress();
	for (i = 0; i < sw.n; i++)
		if (sw.nodes[i].frozen)
			heal(&sw.nodes[i]);
	converge("all");
	liar->lying = false;
	/* Its last lies are told, its last sessions over. */
	sim_run(scen_in(LIES_S + 4 * KIT_TICK_MS / 1000 + 25));
	busy = sw.busy;
	sim_run(scen_in(QUIET_S));
	check_that(sw.busy == busy, "L6", "messages in an idle network",
	    sw.busy - busy);
	/* What is left ends everywhere at the same tick. */
	sim_run(scen_in(KIT_TTL_S));
	check_that(scheck_converged(), "L1", "roots differ when all is over",
	    sw.n);
}
