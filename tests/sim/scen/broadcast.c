/* SPDX-License-Identifier: ISC */
/*
 * Broadcast over links that stay as they are.
 */
#include "tests/sim/scen/scen.h"

#define COLD_S 15.0 /* until the trees have settled */

void
scen_setup_bcast(struct world_conf *conf)
{
	(void)conf;
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

	world_wire();
	check_begin();
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
