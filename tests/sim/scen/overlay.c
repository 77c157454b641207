/* SPDX-License-Identifier: ISC */
/*
 * Broadcast over links that the overlay makes, loses and makes again.
 */
#include "tests/sim/scen/scen.h"

#include <stdio.h>

#include "tests/sim/fault.h"

#define SETTLE_S 30.0

/* Nodes a second that still are gentle on three bootstrap nodes. */
static double
join_s(void)
{
	double s = world.conf.nodes / 150.0;

	return s < 10 ? 10 : s;
}

static void
print_views(void)
{
	uint64_t links = 0, six = 0, dialled = 0, up = 0;
	unsigned least = 99, k;
	int64_t wait, sum = 0, longest = 0;
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++) {
		if (!world.nodes[i].up)
			continue;
		up++;
		k = overlay_active(world.nodes[i].overlay);
		links += k;
		six += k >= OVERLAY_DIALLED;
		dialled += overlay_dialled(world.nodes[i].overlay);
		least = k < least ? k : least;
		wait = world.nodes[i].joined_us - world.nodes[i].born_us;
		if (k == 0)
			continue;
		sum += wait;
		longest = wait > longest ? wait : longest;
	}
	(void)printf("views: %llu nodes, %.2f links (%.2f dialled), least %u, "
		     "%.2f %% with six or more\n",
	    (unsigned long long)up, (double)links / (double)up,
	    (double)dialled / (double)up, least,
	    100.0 * (double)six / (double)up);
	(void)printf("first link after %.0f ms on average, %.0f at most\n",
	    (double)sum / 1000.0 / (double)up, (double)longest / 1000.0);
}

static void
print_overlay(void)
{
	struct overlay_stats sum = { 0 };
	const struct overlay_stats *s;
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++) {
		s = overlay_stats(world.nodes[i].overlay);
		sum.ups += s->ups;
		sum.dials += s->dials;
		sum.failed += s->failed;
		sum.refused += s->refused;
		sum.evicted += s->evicted;
		sum.swaps += s->swaps;
		sum.walks += s->walks;
		sum.feelers += s->feelers;
		sum.healed += s->healed;
		sum.silent += s->silent;
		sum.limited += s->limited;
	}
#define P(name) (unsigned long long)sum.name
	(void)printf("overlay: dials %llu failed %llu refused %llu ups %llu "
		     "evicted %llu swaps %llu walks %llu feelers %llu healed "
		     "%llu silent %llu limited %llu\n",
	    P(dials), P(failed), P(refused), P(ups), P(evicted), P(swaps),
	    P(walks), P(feelers), P(healed), P(silent), P(limited));
#undef P
}

/* All join, then time to settle. */
void
scen_join(void)
{
	world_join(join_s());
	check_begin();
	check_connected(true);
	sim_run(scen_in(join_s() + SETTLE_S));
	print_views();
}

static void
end(void)
{
	scen_end();
	print_views();
	print_overlay();
	(void)printf("parts %u, longest without a link %lld ms\n",
	    check_components(), (long long)check_alone_ms());
	check_that(check_components() == 1, "L2", "islands at the end",
	    check_components());
}

/* --- join --- */

void
scen_setup_join(struct world_conf *conf)
{
	conf->overlay = true;
}

void
scen_run_join(void)
{
	scen_join();
	(void)tally_window("all", scen_in(0), scen_in(world.conf.seconds));
	world_load(scen_in(world.conf.seconds));
	sim_run(scen_in(world.conf.seconds));
	end();
	if (!scen_goals)
		return;
	goal_max("7", "components", check_components(), 1);
	goal_max("7", "longest without a link, ms", (double)check_alone_ms(),
	    2000);
}

/* --- crash --- */

void
scen_setup_crash(struct world_conf *conf)
{
	conf->overlay = true;
}

/* One in two hosts says that the process died; the others just vanish. */
static void
crash_some(uint64_t percent)
{
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++)
		if (rng_below(&world.rng, 100) < percent &&
		    fault_on(FAULT_crash))
			node_crash(&world.nodes[i],
			    rng_below(&world.rng, 2) == 0);
}

void
scen_run_crash(void)
{
	struct tally *at, *after;
	double t = world.conf.seconds / 2;

	scen_join();
	(void)tally_window("before", scen_in(t / 2), scen_in(t));
	at = tally_window("at", scen_in(t), scen_in(t + 10));
	(void)tally_window("+10", scen_in(t + 10), scen_in(t + 30));
	after = tally_window("+30", scen_in(t + 30),
	    scen_in(world.conf.seconds + 15));
	world_load(scen_in(world.conf.seconds + 15));
	sim_call(scen_in(t), crash_some, 30);
	sim_run(scen_in(world.conf.seconds + 15));
	end();
	if (!scen_goals)
		return;
	goal_max("5", "never delivered",
	    (double)(at->unexplained + after->unexplained), 0);
	goal_max("5", "max at the crash, ms", (double)at->max_us / 1000, 2500);
	goal_max("5", "copies per delivery, +30 s", tally_rmr(after), 0.25);
}

/* --- churn --- */

void
scen_setup_churn(struct world_conf *conf)
{
	conf->overlay = true;
}

static void
revive(uint64_t node)
{
	if (!world.nodes[node].up)
		node_start(&world.nodes[node]);
}

/* One node dies; it comes back in 5..25 s.  Then the next. */
static void
churn_one(uint64_t until_us)
{
	uint32_t i =
	    NODE_BOOTS + rng_below(&world.rng, world.conf.nodes - NODE_BOOTS);
	double gap = 600.0 / world.conf.nodes; /* 10 % in 60 s */

	if (sim_now().us >= (int64_t)until_us)
		return;
	if (world.nodes[i].up && fault_on(FAULT_crash)) {
		node_crash(&world.nodes[i], rng_below(&world.rng, 2) == 0);
		sim_call(scen_in(5 + 20 * rng_real(&world.rng)), revive, i);
	}
	sim_call(scen_in(2 * gap * rng_real(&world.rng)), churn_one, until_us);
}

void
scen_run_churn(void)
{
	double t = world.conf.seconds;
	struct tally *w;

	scen_join();
	w = tally_window("churn", scen_in(15), scen_in(t));
	churn_one((uint64_t)scen_in(t));
	world_load(scen_in(t));
	sim_run(scen_in(t));
	end();
	if (!scen_goals)
		return;
	goal_max("6", "never delivered", (double)w->unexplained, 0);
	goal_max("6", "p99.9 under churn, ms", tally_percentile(w, 0.999),
	    1200);
	goal_max("6", "copies per delivery", tally_rmr(w), 0.6);
}

/* --- partition --- */

void
scen_setup_part(struct world_conf *conf)
{
	conf->overlay = true;
	conf->recon = true;
	conf->hidden = true;
}

void
scen_cut(bool on)
{
	uint32_t i;

	if (on)
		on = fault_on(FAULT_part);
	for (i = 0; i < world.conf.nodes; i++)
		net_part(i, on && i % 2 == 1 ? 1 : 0);
	check_connected(!on);
}

static void
no_check(uint64_t arg)
{
	(void)arg;
	check_connected(false);
}

void
scen_run_part(void)
{
	double t = world.conf.seconds;
	struct tally *w;
	int64_t healed;

	scen_join();
	w = tally_window("cut", scen_in(0), scen_in(t));
	world_load(scen_in(t));
	scen_cut(true);
	sim_run(scen_in(t));
	scen_cut(false);
	no_check(0);
	healed = sim_now().us;
	while (check_components() > 1 && sim_now().us < healed + 180 * SIM_S)
		sim_run(scen_in(1));
	(void)printf("one part again after %.0f s\n",
	    (double)(sim_now().us - healed) / 1e6);
	check_that(check_components() == 1, "L7", "islands did not merge",
	    check_components());
	check_connected(true);
	sim_run(scen_in(90));
	end();
	(void)w;
}
