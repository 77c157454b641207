/* SPDX-License-Identifier: ISC */
/*
 * A network with trees and all that can go wrong in it, drawn from the seed:
 * slow lines, lost packets, crashes with and without the disk, cuts, dead
 * connections, hung processes, clocks that are set, nodes that say a root
 * which is not theirs and answer no question, and the rare branches of
 * common/buggify.h.
 *
 * In mode liveness some nodes stay as they were hurt, for good: dead, hung or
 * cut off.  Among the others, the core, no fault happens any more; they must
 * come to agree, and what is written then must reach them all.  Healing
 * everything at once would hide a network that waits for one who never comes.
 * In the end the others return, and all must agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/fault.h"
#include "tests/sim/scen/scen.h"

#define BASE      100
#define VERSIONS  3
#define CHAOS_MS  1000
#define RARE      96 /* a node is hurt once in so many seconds, */
#define LEVELS    4  /* or 2, 4, 8 times as often */
#define PARTS     3
#define LIARS     20 /* one in so many lies, in every other seed */
#define CLOCK_MS  3000
#define CALM_MS   200 /* what is left of wrong clocks in the core */
#define HANG_S    15.0
#define RETURN_S  15.0
#define L1_S      120 /* three ticks, what was refused, and as much again */
#define CORE_MIN  50  /* percent of the nodes */
#define APART     100 /* part of the first that is cut off for good */
#define WRITE_S   10.0
#define DELIVER_S 60.0
#define STEP_MS   200

static struct {
	struct rng rng;
	bool calm, parted, frozen; /* frozen: who is not in the core */
	uint32_t level;            /* of chaos */
	uint8_t *core;
} tr;

void
scen_setup_trees(struct world_conf *conf)
{
	conf->overlay = true;
	conf->trees = true;
	conf->hidden = true;
	conf->base = BASE;
	conf->versions = VERSIONS;
	conf->spare = (uint32_t)(WRITE_S * conf->rate * 2);
	conf->lim.recent = 512;
	/* A rare branch may drop what only a sync brings then. */
	fault_conf.buggify = true;
}

static bool
chance(uint32_t one_in)
{
	return rng_below(&tr.rng, one_in) == 0;
}

/* --- the swarm: what this seed's network is like --- */

static void
draw_network(void)
{
	static const uint32_t widths[] = { 64000, 256000, 1250000 };
	struct net_conf *c = net_conf();
	uint32_t width = widths[rng_below(&tr.rng, 3)];
	double stall = 0.03 * rng_real(&tr.rng);

	if (chance(2) && fault_on(FAULT_narrow)) {
		c->up = width;
		c->down = 4 * width;
	}
	if (chance(2) && fault_on(FAULT_stall))
		c->stall = stall;
	tr.level = 1u << rng_below(&tr.rng, LEVELS);
	(void)printf("network: %u bytes/s up, %.1f %% of messages stall, "
		     "chaos %u\n",
	    c->up, 100 * c->stall, tr.level);
}

/* None of the bootstrap nodes: all depend on them at first. */
static void
choose_liars(void)
{
	bool some = chance(2);
	uint32_t i;

	for (i = NODE_BOOTS; some && i < world.conf.nodes; i++)
		if (chance(LIARS) && fault_on(FAULT_lie))
			world.nodes[i].byz = BYZ_LIAR;
}

/* --- faults --- */

static bool
is_frozen(uint64_t node)
{
	return tr.frozen && tr.core[node] == 0;
}

static void
come_back(uint64_t node)
{
	if (!is_frozen(node) && !world.nodes[node].up)
		node_start(&world.nodes[node]);
}

static void
wake(uint64_t node)
{
	struct node *n = &world.nodes[node];

	if (!n->hung || is_frozen(node))
		return;
	n->hung = false;
	if (n->up)
		node_arm(n);
}

static void
crash(struct node *n)
{
	bool lost = chance(4);

	if (!fault_on(FAULT_crash))
		return;
	n->lost = lost && fault_on(FAULT_lost);
	node_crash(n, chance(2));
	sim_call(scen_in(RETURN_S * rng_real(&tr.rng)), come_back, n->id);
}

static void
part(bool on)
{
	uint32_t i, parts = 2 + rng_below(&tr.rng, PARTS - 1);

	if (on && !fault_on(FAULT_part))
		return;
	tr.parted = on;
	for (i = 0; i < world.conf.nodes; i++)
		net_part(i, on ? (uint8_t)rng_below(&tr.rng, parts) : 0);
}

static void
kill_link(struct node *n)
{
	unsigned k = rng_below(&tr.rng, n->n_links);

	if (n->links[k].conn != NET_NIL && fault_on(FAULT_link))
		net_conn(n->links[k].conn)->broken = true;
}

static void
set_clock(struct node *n)
{
	int32_t to = (int32_t)rng_below(&tr.rng, 2 * CLOCK_MS) - CLOCK_MS;

	if (fault_on(FAULT_clock))
		n->wall_skew_ms = to;
}

static void
hang(struct node *n)
{
	if (!fault_on(FAULT_hang))
		return;
	n->hung = true;
	sim_call(scen_in(HANG_S * rng_real(&tr.rng)), wake, n->id);
}

static void
hurt(struct node *n)
{
	if (chance(RARE / tr.level))
		crash(n);
	else if (chance(RARE / 3 / tr.level))
		kill_link(n);
	else if (chance(RARE / tr.level))
		set_clock(n);
	else if (chance(RARE / tr.level))
		hang(n);
}

static void
on_chaos(uint64_t arg)
{
	uint32_t i;

	(void)arg;
	if (tr.calm)
		return;
	for (i = 0; i < world.conf.nodes; i++)
		if (world.nodes[i].up && !world.nodes[i].hung)
			hurt(&world.nodes[i]);
	if (chance(15))
		part(!tr.parted);
	sim_call(sim_now().us + CHAOS_MS * SIM_MS, on_chaos, 0);
}

/* --- liveness --- */

static bool
in_core(const struct node *n)
{
	return tr.core[n->id] != 0;
}

/* Dead, hung or alone, for good. */
static void
freeze(struct node *n)
{
	switch (rng_below(&tr.rng, 3)) {
	case 0:
		if (n->up)
			node_crash(n, false);
		break;
	case 1:
		n->hung = true;
		break;
	default:
		net_part(n->id, (uint8_t)(APART + n->id % APART));
		break;
	}
}

static void
heal(struct node *n)
{
	net_part(n->id, 0);
	n->wall_skew_ms = (int32_t)rng_below(&tr.rng, 2 * CALM_MS) - CALM_MS;
	wake(n->id);
	come_back(n->id);
}

static void
choose_core(void)
{
	uint32_t percent = CORE_MIN + rng_below(&tr.rng, 100 - CORE_MIN), i,
		 size = 0;

	for (i = 0; i < world.conf.nodes; i++) {
		tr.core[i] = rng_below(&tr.rng, 100) < percent;
		size += tr.core[i];
	}
	tr.frozen = true;
	for (i = 0; i < world.conf.nodes; i++) {
		if (tr.core[i])
			heal(&world.nodes[i]);
		else
			freeze(&world.nodes[i]);
	}
	(void)printf("core: %u of %u nodes\n", size, world.conf.nodes);
}

static double
until_equal(bool (*counts)(const struct node *n))
{
	int64_t from = sim_now().us;

	while (!sync_converged(counts)) {
		if (sim_now().us - from > L1_S * SIM_S)
			return L1_S;
		sim_run(sim_now().us + STEP_MS * SIM_MS);
	}
	return (double)(sim_now().us - from) / 1e6;
}

static void
demand_equal(const char *who, bool (*counts)(const struct node *n))
{
	double took = until_equal(counts);

	(void)printf("%s: roots equal after %.1f s\n", who, took);
	check_that(took < L1_S, "L1", "roots differ without faults",
	    (uint64_t)took);
}

/* L3 of the core: what it writes now, all of it has in a minute. */
static void
demand_progress(void)
{
	uint32_t i, k, from = world.n_updates, writes;
	uint64_t misses = 0;

	writes = (uint32_t)(WRITE_S * world.conf.rate);
	for (i = 0; i < writes; i++) {
		k = rng_below(&tr.rng, world.conf.nodes);
		if (tr.core[k] && world.nodes[k].up)
			node_update(&world.nodes[k]);
		sim_run(scen_in(1 / world.conf.rate));
	}
	sim_run(scen_in(DELIVER_S));
	for (i = from; i < world.n_updates; i++)
		for (k = 0; k < world.conf.nodes; k++)
			misses += tr.core[k] && !node_knows(&world.nodes[k], i);
	(void)printf("core: %u records written, %llu missing\n",
	    world.n_updates - from, (unsigned long long)misses);
	check_that(misses == 0, "L3", "the core's records did not reach it",
	    misses);
}

static void
all_return(void)
{
	uint32_t i;

	tr.frozen = false;
	for (i = 0; i < world.conf.nodes; i++) {
		world.nodes[i].byz = HONEST;
		if (!tr.core[i])
			heal(&world.nodes[i]);
	}
}

static void
liveness(void)
{
	uint64_t sessions;

	tr.calm = true;
	fault_buggify(false);
	choose_core();
	demand_equal("core", in_core);
	demand_progress();
	all_return();
	sim_run(scen_in(1));
	demand_equal("all", NULL);
	sim_run(scen_in(60)); /* sessions that were refused come again */
	sessions = sync_cost()->sessions;
	sim_run(scen_in(30));
	check_that(sync_cost()->sessions == sessions, "L6",
	    "sessions in an idle network", sync_cost()->sessions - sessions);
	check_that(sync_converged(NULL), "L1", "roots differ again", 0);
}

/* --- the course --- */

void
scen_run_trees(void)
{
	double t = world.conf.seconds;
	const struct sync_cost *c = sync_cost();

	memset(&tr, 0, sizeof(tr));
	tr.core = sim_alloc(world.conf.nodes, 1);
	rng_init(&tr.rng, sim_seed(), UINT64_C(8) << 40);
	draw_network();
	scen_join();
	check_connected(false);
	fault_buggify(true);
	choose_liars();
	world_load(scen_in(t));
	on_chaos(0);
	sim_run(scen_in(t));
	if (scen_liveness)
		liveness();
	(void)printf("trees: sessions %llu done %llu partial %llu refused %llu "
		     "broken_off %llu, %llu records, %u bans\n",
	    (unsigned long long)c->sessions, (unsigned long long)c->done,
	    (unsigned long long)c->partial, (unsigned long long)c->refused,
	    (unsigned long long)c->lost, (unsigned long long)c->records,
	    world.banned);
	world_print();
	check_bans();
	free(tr.core);
}
