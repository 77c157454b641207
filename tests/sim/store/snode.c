/* SPDX-License-Identifier: ISC */
/*
 * A node of scenario `store`: its clock, its ticks, its life and death.
 */
#include "tests/sim/store/snode.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/node.h"

#define RETRY_MS  200
#define REOPEN_MS 500
#define CACHE     65536
#define PENDING   4096
#define TORN_OPS  12
#define LATE_MS   300

struct sworld sw;

/* --- time --- */

struct wall
snode_wall(const struct snode *n)
{
	return (struct wall){ KIT_START_MS +
		(sim_now().us - SIM_START_US) / 1000 + n->skew_ms };
}

static void
see_wall(struct snode *n)
{
	int64_t ms = snode_wall(n).ms;

	if (ms > n->wall_max_ms)
		n->wall_max_ms = ms;
}

/* --- ticks --- */

static void
tick(struct snode *n)
{
	enum sql_rc rc;
	int64_t wait;
	unsigned k;

	sin_commit(n);
	rc = recstore_settle(n->rs, snode_wall(n));
	if (rc == SQL_OK) {
		scheck_settled(n);
		ssync_tick(n);
		for (k = 0; k < sw.n; k++)
			slink_root(n, k);
	}
	sin_undefer(n);
	wait = recstore_due(n->rs, snode_wall(n)).ms - snode_wall(n).ms + 1;
	if (wait < RETRY_MS || recstore_deferred(n->rs) > 0)
		wait = RETRY_MS;
	/* The clock may be set meanwhile. */
	if (wait > KIT_TICK_MS)
		wait = KIT_TICK_MS;
	n->tick_us = sim_now().us + wait * SIM_MS;
}

/* --- its timer --- */

static int64_t
due_us(const struct snode *n)
{
	struct mono due = mono_min(bcast_due(n->bcast), ssync_due(n));

	due = mono_min(due, (struct mono){ n->commit_us });
	due = mono_min(due, (struct mono){ n->tick_us });
	return mono_min(due, (struct mono){ n->look_us }).us;
}

static void
on_timer(struct ev *ev)
{
	struct snode *n = &sw.nodes[ev->a];
	int64_t now = sim_now().us;

	if (!n->up || n->life != ev->b || n->armed_us != now)
		return;
	n->armed_us = SN_NEVER_US;
	see_wall(n);
	if (n->look_us <= now)
		slink_look(n);
	if (n->commit_us <= now)
		sin_commit(n);
	if (n->tick_us <= now)
		tick(n);
	(void)bcast_tick(n->bcast, sim_now());
	ssync_run(n);
	snode_arm(n);
}

void
snode_arm(struct snode *n)
{
	struct ev *ev;
	int64_t at;

	if (!n->up)
		return;
	if (disk_is_dead(n->id)) {
		sw.c.torn++;
		snode_crash(n, true);
		return;
	}
	at = due_us(n);
	if (BUGGIFY(late_timer))
		at += rng_below(&n->rng, LATE_MS) * SIM_MS;
	if (at < sim_now().us)
		at = sim_now().us;
	if (at >= n->armed_us)
		return;
	n->armed_us = at;
	ev = sim_add(at, EV_TIMER);
	ev->a = n->id;
	ev->b = n->life;
}

/* --- its life --- */

static void
restart(uint64_t node)
{
	if (!sw.nodes[node].up && !sw.nodes[node].frozen)
		snode_start(&sw.nodes[node]);
}

static bool
open_store(struct snode *n)
{
	char file[] = "0/x.db", why[96];
	const struct recstore_conf conf = { .charter = &kit_charter,
		.sql = { .file = file, .vfs = "fault", .cache_bytes = CACHE },
		.pending_max = PENDING };
	bool differs, torn;
	enum sql_rc rc;

	file[0] = (char)('0' + n->id);
	/* Power may go while the store recovers, too. */
	torn = !sw.calm && rng_below(&n->rng, 4) == 0;
	if (torn)
		disk_cut(n->id, 1 + rng_below(&n->rng, TORN_OPS));
	rc = recstore_open(&n->rs, &conf, snode_wall(n), &differs, why,
	    sizeof(why));
	if (rc == SQL_OK && !disk_is_dead(n->id)) {
		disk_uncut(n->id);
		scheck_opened(n, differs);
		return true;
	}
	sw.c.reopen_failed++;
	check_that(!sw.calm && (torn || rc != SQL_CORRUPT), "S5",
	    "the store does not open", n->id);
	recstore_close(n->rs);
	n->rs = NULL;
	if (disk_is_dead(n->id))
		disk_revive(n->id, true);
	return false;
}

void
snode_start(struct snode *n)
{
	uint8_t secret[16];
	unsigned k;

	n->life++;
	see_wall(n);
	if (!open_store(n)) {
		sim_call(sim_now().us + REOPEN_MS * SIM_MS, restart, n->id);
		return;
	}
	sin_load_stamps(n);
	randombytes_buf(secret, sizeof(secret));
	n->bcast =
	    bcast_init(n->bcast_mem, &sgossip_limits, secret, &sgossip_ops, n);
	ssync_start(n);
	for (k = 0; k < SNODES; k++) {
		memset(&n->links[k], 0, sizeof(n->links[k]));
		n->links[k].conn = NET_NIL;
	}
	n->n_inbox = 0;
	n->armed_us = n->commit_us = SN_NEVER_US;
	n->tick_us = n->look_us = sim_now().us;
	n->up = true;
	net_host_up(n->id);
	scheck_stored(n);
	snode_arm(n);
}

static void
leave(struct snode *n)
{
	const struct recstore_counts *c = recstore_counts(n->rs);
	uint32_t i;

	sw.c.evicted += c->evicted;
	sw.c.expired += c->expired;
	sw.c.unadmitted += c->unadmitted;
	sw.c.equivocations += c->equivocations;
	sw.c.failed_commits += c->failed_commits;
	recstore_close(n->rs);
	n->rs = NULL;
	n->up = false;
	for (i = 0; i < SN_HELD; i++)
		sgossip_unhold(n, i);
}

void
snode_crash(struct snode *n, bool lost)
{
	sw.c.crashes++;
	disk_cut(n->id, 0); /* what it holds in memory goes nowhere */
	net_host_down(n->id, rng_below(&n->rng, 2) == 0);
	leave(n);
	disk_revive(n->id, lost);
	sim_call(sim_now().us + (500 + rng_below(&n->rng, 8000)) * SIM_MS,
	    restart, n->id);
}

void
sworld_init(const struct world_conf *wc)
{
	uint32_t n = wc->nodes;
	struct net_conf conf = { .hop_us = 300, .stall = 0.01 };
	uint32_t i;

	world.conf = *wc;
	memset(&sw, 0, sizeof(sw));
	sw.n = n;
	sw.nodes = sim_alloc(n, sizeof(*sw.nodes));
	kit_init(sim_seed());
	disks_init(sim_seed());
	net_init(n, &conf, &slink_ops);
	sim_handle(EV_TIMER, on_timer);
	for (i = 0; i < n; i++) {
		sw.nodes[i].id = i;
		sw.nodes[i].bcast_mem =
		    sim_alloc(1, bcast_size(&sgossip_limits));
		rng_init(&sw.nodes[i].rng, sim_seed(), i);
	}
}

void
sworld_fini(void)
{
	uint32_t i;

	for (i = 0; i < sw.n; i++) {
		if (sw.nodes[i].up)
			leave(&sw.nodes[i]);
		free(sw.nodes[i].bcast_mem);
		free(sw.nodes[i].stack);
		free(sw.nodes[i].wants);
	}
	while (sw.msgs != NULL)
		slink_drop(sw.msgs);
	free(sw.nodes);
	disks_fini();
	net_fini();
	kit_fini();
}
