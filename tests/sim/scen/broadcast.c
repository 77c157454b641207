/* SPDX-License-Identifier: ISC */
/*
 * Broadcast over links that stay as they are, or, with --links overlay, over
 * those that the overlay makes, swaps and replaces meanwhile.
 */
#include "tests/sim/scen/scen.h"

#define COLD_S 15.0 /* until the trees have settled */

void
scen_setup_bcast(struct world_conf *conf)
{
	conf->overlay = scen_links == LINKS_OVERLAY;
}

void
scen_wire(void)
{
	if (world.conf.overlay) {
		scen_join();
		return;
	}
	world_wire();
	check_begin();
}

/* Rows 1, 2 and 4. */
static void
goals(const struct tally *cold, const struct tally *warm)
{
	static const struct {
		uint32_t nodes;
		double p50, p99;
	} rows[] = { { 100, 200, 400 }, { 1000, 350, 650 },
		{ 10000, 450, 750 } };
	size_t i;

	goal_max("1", "cold p99.9, ms", tally_percentile(cold, 0.999), 1000);
	goal_max("1", "cold max, ms", (double)cold->max_us / 1000, 2500);
	goal_max("1", "p99.9, ms", tally_percentile(warm, 0.999), 1000);
	goal_max("1", "max, ms", (double)warm->max_us / 1000, 2500);
	goal_max("2", "copies per delivery", tally_rmr(warm), 0.15);
	goal_max("2", "IHAVE bytes, part of payload", tally_ihave(warm), 0.15);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (world.conf.nodes != rows[i].nodes || world.conf.net.lan)
			continue;
		goal_max("4", "p50, ms", tally_percentile(warm, 0.5),
		    rows[i].p50);
		goal_max("4", "p99, ms", tally_percentile(warm, 0.99),
		    rows[i].p99);
	}
}

void
scen_run_bcast(void)
{
	struct tally *cold, *warm;

	scen_wire();
	cold = tally_window("cold", scen_in(0), scen_in(COLD_S));
	warm =
	    tally_window("warm", scen_in(COLD_S), scen_in(world.conf.seconds));
	world_load(scen_in(world.conf.seconds));
	sim_run(scen_in(world.conf.seconds));
	scen_end();
	if (scen_goals && world.conf.net.stall == 0 && !world.conf.net.lan)
		goals(cold, warm);
}

void
scen_setup_lan(struct world_conf *conf)
{
	scen_setup_bcast(conf);
	conf->net.lan = true;
	conf->net.hop_us = 100;
}

void
scen_run_lan(void)
{
	scen_run_bcast();
	if (scen_goals) {
		const struct tally *t = tally_at(scen_in(-20.0));

		if (t == NULL)
			return;
		goal_max("4", "LAN p50, ms", tally_percentile(t, 0.5), 10);
		goal_max("4", "LAN p99, ms", tally_percentile(t, 0.99), 20);
	}
}

void
scen_setup_stall(struct world_conf *conf)
{
	scen_setup_bcast(conf);
	conf->net.stall = 0.01;
}

void
scen_run_stall(void)
{
	const struct tally *t;

	scen_run_bcast();
	t = tally_at(scen_in(-20.0));
	if (scen_goals && t != NULL)
		goal_max("3", "p99.9 with stalls, ms",
		    tally_percentile(t, 0.999), 1200);
}

/* --- one author above its rate --- */

#define SPAM_RATE 1000.0 /* a second: a hundred times BCAST_AUTHOR_RATE */
#define SPAM_S    10.0

void
scen_setup_spam(struct world_conf *conf)
{
	conf->spare = (uint32_t)(SPAM_RATE * SPAM_S) + 1;
	/* What peerd has room for; less, and the burst turns the ring over. */
	conf->lim = BCAST_LIMITS_DEFAULT;
	conf->lim.links = NODE_SLOTS;
	conf->lim.delayed = 64; /* or it is not quiet at the end */
}

static void
spam(uint64_t left)
{
	node_spam(&world.nodes[0]);
	if (left > 1)
		sim_call(scen_in(1 / SPAM_RATE), spam, left - 1);
}

/* Row 19: what the others write is hardly slower for it. */
void
scen_run_spam(void)
{
	struct tally *calm, *wild;
	double t = world.conf.seconds;

	world_wire();
	check_begin();
	calm = tally_window("calm", scen_in(COLD_S), scen_in(t / 2));
	wild = tally_window("wild", scen_in(t / 2), scen_in(t / 2 + SPAM_S));
	(void)tally_window("after", scen_in(t / 2 + SPAM_S), scen_in(t));
	world.nodes[0].byz = BYZ_SPAMMER; /* what it writes counts nothing */
	sim_call(scen_in(t / 2), spam, (uint64_t)(SPAM_RATE * SPAM_S));
	world_load(scen_in(t));
	sim_run(scen_in(t));
	sim_run(scen_in(60)); /* what was delayed comes out slowly */
	scen_end();
	if (!scen_goals)
		return;
	goal_max("19", "p99 against calm",
	    tally_percentile(wild, 0.99) / tally_percentile(calm, 0.99), 1.5);
}
