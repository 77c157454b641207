/* SPDX-License-Identifier: ISC */
/*
 * A network is cut in two, both halves write, and the cut ends: how long
 * until all trees are one, and what it costs.  Lines have the width that
 * people have at home: 20 Mbit/s up, 100 down.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/fault.h"
#include "tests/sim/scen/scen.h"

#define UP       2500000 /* bytes a second */
#define DOWN     12500000
#define BASE     4000 /* records that all have before */
#define VERSIONS 4
#define SETTLE_S 55.0 /* until it is in the trees, and dead links replaced */
#define LONG_S   400   /* and we give up */
#define CALM_S   240.0 /* views of a young network change for so long */
#define QUIET_S  60.0
#define STEP_MS  200

void
scen_setup_heal(struct world_conf *conf)
{
	conf->overlay = scen_links != LINKS_FIXED;
	conf->trees = true;
	conf->hidden = true;
	conf->base = BASE;
	conf->versions = VERSIONS;
	conf->net.up = UP;
	conf->net.down = DOWN;
	conf->lim.recent = 2048;
	conf->lim.pending = 1024;
}

/* Records that live nodes lack, of those that somebody has. */
static uint64_t
lacking(void)
{
	uint64_t sum = 0;
	uint32_t i, k;

	for (i = 0; i < world.n_updates; i++)
		for (k = 0; k < world.conf.nodes && world.updates[i].newer == 0;
		     k++)
			sum += world.nodes[k].up &&
			    !node_knows(&world.nodes[k], i);
	return sum;
}

static uint64_t
winners(void)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < world.n_updates; i++)
		sum += world.updates[i].newer == 0;
	return sum;
}

static double
until_equal(void)
{
	int64_t from = sim_now().us;

	while (!sync_converged(NULL)) {
		if (sim_now().us - from > LONG_S * SIM_S)
			return LONG_S;
		sim_run(sim_now().us + STEP_MS * SIM_MS);
	}
	return (double)(sim_now().us - from) / 1e6;
}

static void
print_cost(const char *when, const struct sync_cost *a)
{
	const struct sync_cost *b = sync_cost();

#define P(name) (unsigned long long)(b->name - a->name)
	(void)printf("%s: sessions %llu done %llu partial %llu refused %llu "
		     "lost %llu, pushes lost %llu\n",
	    when, P(sessions), P(done), P(partial), P(refused), P(lost),
	    P(pushes_lost));
	(void)printf("%s: %.1f MB of sessions; bodies %llu, in vain %llu; of "
		     "them gossip %llu, in vain %llu\n",
	    when, (double)P(meta_bytes) / 1e6, P(bodies), P(useless),
	    P(gossiped), P(echoes));
#undef P
}

/* Row 10: what an idle node sends, by type. */
static void
print_quiet(const uint64_t before[M_N])
{
	static const char *const names[] = {
#define X(name) #name,
		NODE_MSGS(X)
#undef X
	};
	double each = QUIET_S * world.conf.nodes, sum = 0;
	unsigned i;

	(void)printf("quiet: bytes a second and node:");
	for (i = 0; i < M_N; i++) {
		sum += (double)(world.bytes[i] - before[i]);
		if (world.bytes[i] > before[i])
			(void)printf(" %s %.1f", names[i],
			    (double)(world.bytes[i] - before[i]) / each);
	}
	(void)printf("\n");
	goal_max("10", "idle, bytes a second", sum / each,
	    scen_goals ? 160 : 1000);
}

void
scen_run_heal(void)
{
	double t = world.conf.seconds, took;
	struct sync_cost before;
	uint64_t lack, bytes[M_N];

	scen_wire();
	scen_cut(true);
	world_load(scen_in(t));
	sim_run(scen_in(t + SETTLE_S));
	before = *sync_cost();
	print_cost("cut", &(struct sync_cost){ 0 });
	lack = lacking();
	(void)printf("cut: %u written, each node lacks %.0f of %llu records\n",
	    world.n_updates - BASE, (double)lack / world.conf.nodes,
	    (unsigned long long)winners());
	scen_cut(false);
	check_connected(false);
	if (!world.conf.overlay)
		world_mend();
	took = until_equal();
	print_cost("heal", &before);
	(void)printf("heal: all roots equal after %.1f s\n", took);
	check_that(took < LONG_S, "L1", "roots differ after the cut", 0);
	goal_max("8", "all roots equal, s", took, scen_goals ? 45 : LONG_S);
	goal_max("8", "bodies per record lacked",
	    (double)(sync_cost()->bodies - before.bodies) / (double)lack,
	    scen_goals ? 1.3 : 10);
	check_that(sync_cost()->records == winners(), "S1",
	    "the trees lack records", winners() - sync_cost()->records);
	sim_run(scen_in(CALM_S));
	before = *sync_cost();
	memcpy(bytes, world.bytes, sizeof(bytes));
	sim_run(scen_in(QUIET_S));
	print_quiet(bytes);
	check_that(sync_cost()->sessions == before.sessions, "L6",
	    "sessions in an idle network",
	    sync_cost()->sessions - before.sessions);
	check_that(sync_converged(NULL), "L1", "roots differ again", 0);
	scen_end();
}
