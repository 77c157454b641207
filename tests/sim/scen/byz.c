/* SPDX-License-Identifier: ISC */
/*
 * One node in a hundred of each hostile kind, among honest ones.  They run
 * the same cores, and besides:
 *
 *   liar      announces records that are not, and answers no question
 *   flapper   grafts and prunes each of its links five times a second
 *   hog       dials whom it can, says HIGH, and sends JOINs of anybody
 *
 * At first they behave; the two windows show what they cost the others.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/fault.h"
#include "tests/sim/scen/scen.h"

#define ACT_MS  100
#define LIES    8 /* a link, each time */
#define JOINS   4
#define CALM_S  30.0
#define WARM_S  15.0
#define PERCENT 1
#define KINDS   3   /* liar, flapper, hog */
#define SLOWER  1.5 /* row 19 */

void
scen_setup_byz(struct world_conf *conf)
{
	conf->overlay = true;
	conf->seconds += CALM_S;
}

static void
lie(struct node *n, unsigned link)
{
	struct ev *ev = node_send(n, link, M_IHAVE, LIES * BCAST_ID);
	uint64_t *ids;
	unsigned i;

	if (ev == NULL)
		return;
	ids = sim_blob(LIES * BCAST_ID);
	for (i = 0; i < LIES; i++)
		ids[i] = rng_next(&n->rng);
	ev->n = LIES;
	ev->blob = LIES * BCAST_ID;
	ev->u.p = ids;
}

static void
flap(struct node *n, unsigned link)
{
	enum node_msg type = rng_below(&n->rng, 2) == 0 ? M_GRAFT : M_PRUNE;
	struct ev *ev = node_send(n, link, type, 6);

	if (ev != NULL)
		ev->b = 60000; /* of a PRUNE */
}

static void
hog(struct node *n, unsigned link)
{
	struct ev *ev;
	unsigned i;

	for (i = 0; i < JOINS; i++) {
		ev = node_send(n, link, M_JOIN, 60);
		if (ev == NULL)
			return;
		ev->b = rng_below(&n->rng, world.conf.nodes);
		ev->arg = OVERLAY_TTL;
	}
	ev = node_send(n, link, M_NEIGHBOR, 4);
	if (ev != NULL)
		ev->b = WIRE_WANT_HIGH;
}

static void
act(uint64_t node)
{
	struct node *n = &world.nodes[node];
	unsigned k;

	for (k = 0; n->up && k < n->n_links; k++) {
		if (n->links[k].conn == NET_NIL)
			continue;
		if (n->byz == BYZ_HOG)
			hog(n, k);
		else if (n->links[k].slot >= NODE_SLOTS)
			continue;
		else if (n->byz == BYZ_LIAR)
			lie(n, k);
		else if (n->byz == BYZ_FLAPPER)
			flap(n, k);
	}
	if (n->byz ==
	    BYZ_HOG) /* a link of its own, tag 0: no dial of the core */
		net_dial(n->id, rng_below(&n->rng, world.conf.nodes),
		    (uint64_t)(n->life & 0xffff) << 40);
	if (!world.quiet)
		sim_call(sim_now().us + ACT_MS * SIM_MS, act, node);
}

/* Every hundredth of each kind, none of the bootstrap nodes. */
static void
turn(uint64_t arg)
{
	uint32_t i, each = world.conf.nodes * PERCENT / 100, k;

	(void)arg;
	for (i = 0; i < KINDS * each; i++) {
		k = NODE_BOOTS + i;
		if (!fault_on(FAULT_lie))
			continue;
		world.nodes[k].byz = (uint8_t)(1 + i % KINDS);
		act(k);
	}
}

static unsigned
shunned(enum byz kind)
{
	const struct node *n;
	unsigned links = 0, k;
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++) {
		n = &world.nodes[i];
		for (k = 0; n->byz == (uint8_t)kind && k < n->n_links; k++)
			links += n->links[k].conn != NET_NIL &&
			    n->links[k].slot < NODE_SLOTS &&
			    world.nodes[n->links[k].peer].byz == HONEST;
	}
	return links;
}

void
scen_run_byz(void)
{
	double s = world.conf.nodes / 150.0 + 40, t = world.conf.seconds;
	struct tally *calm, *wild;

	world_join(world.conf.nodes / 150.0 + 10);
	check_begin();
	check_connected(true);
	sim_run(scen_in(s));
	calm = tally_window("calm", scen_in(WARM_S), scen_in(CALM_S));
	wild = tally_window("wild", scen_in(CALM_S), scen_in(t));
	world_load(scen_in(t));
	sim_call(scen_in(CALM_S), turn, 0);
	sim_run(scen_in(t));
	(void)printf("links of hostile nodes into honest views: liars %u "
		     "flappers %u hogs %u\n",
	    shunned(BYZ_LIAR), shunned(BYZ_FLAPPER), shunned(BYZ_HOG));
	scen_end();
	check_that(check_components() == 1, "L2", "honest nodes are apart",
	    check_components());
	if (!scen_goals)
		return;
	goal_max("19", "p99 against calm",
	    tally_percentile(wild, 0.99) / tally_percentile(calm, 0.99),
	    SLOWER);
	goal_max("19", "honest nodes banned", world.banned, 0);
}
