/* SPDX-License-Identifier: ISC */
/*
 * Nodes, as promised in node.h: their clocks, their links, their life.
 */
#include "tests/sim/node.h"

#include <string.h>

#include "tests/sim/fault.h"
#include "tests/sim/node_int.h"

#define LATE_MS  500  /* how late a timer may ring, */
#define EARLY_MS 20   /* or how early */
#define WALL_MS  1000 /* wall clocks are wrong by that, or twice */

/* --- time --- */

struct mono
node_now(const struct node *n)
{
	int64_t t = sim_now().us - SIM_START_US;

	return (struct mono){ SIM_START_US + t + n->skew_us +
		t / 1000000 * n->drift_ppm };
}

struct wall
node_wall(const struct node *n)
{
	return (struct wall){ WALL_START_MS +
		(sim_now().us - SIM_START_US) / 1000 + n->wall_skew_ms };
}

/* When its clock will show that. */
static int64_t
true_time(const struct node *n, struct mono local)
{
	struct mono now = node_now(n);
	int64_t left;

	if (local.us == INT64_MAX)
		return INT64_MAX;
	left = local.us > now.us ? local.us - now.us : 0;
	return sim_now().us + left + (n->drift_ppm != 0 && left > 1000000);
}

static struct mono
node_due(const struct node *n)
{
	struct mono due = bcast_due(n->bcast);

	if (n->overlay != NULL)
		due = mono_min(due, overlay_due(n->overlay));
	if (n->sync != NULL)
		due = mono_min(due, sync_due(n));
	return due;
}

void
node_arm(struct node *n)
{
	struct ev *ev;
	int64_t at;

	if (n->judge)
		gossip_judge(n);
	at = true_time(n, node_due(n));
	if (at >= n->armed_us)
		return;
	if (BUGGIFY(late_timer))
		at += rng_below(&n->rng, LATE_MS * 1000);
	else if (BUGGIFY(early_timer) && at > sim_now().us + EARLY_MS * SIM_MS)
		at -= rng_below(&n->rng, EARLY_MS * 1000);
	n->armed_us = at;
	ev = sim_add(at, EV_TIMER);
	ev->a = n->id;
	ev->b = n->life;
}

void
node_timer(struct ev *ev)
{
	struct node *n = &world.nodes[ev->a];

	if (!n->up || n->life != ev->b || n->armed_us != sim_now().us)
		return; /* another one rings for it */
	n->armed_us = INT64_MAX;
	if (n->hung)
		return;
	(void)bcast_tick(n->bcast, node_now(n));
	if (n->overlay != NULL)
		(void)overlay_tick(n->overlay, node_now(n));
	if (n->sync != NULL)
		sync_run(n);
	node_arm(n);
}

/* --- messages --- */

static void
on_message(uint32_t node, unsigned link, struct ev *ev)
{
	struct node *n = &world.nodes[node];

	if (n->hung)
		return;
	if (n->overlay != NULL)
		view_message(n, link, ev);
	if (n->sync != NULL && n->links[link].conn != NET_NIL)
		sync_message(n, link, ev);
	if (ev->type <= M_PRUNE && n->links[link].conn != NET_NIL)
		gossip_message(n, link, ev);
	node_arm(n);
}

static void
on_conn_down(uint32_t node, unsigned link)
{
	struct node *n = &world.nodes[node];

	if (n->overlay != NULL)
		view_down(n, link);
	else {
		node_gossip_down(n, link, n->links[link].slot);
		node_link_free(n, link);
	}
	node_arm(n);
}

static int
refuse(uint32_t node, uint32_t from, uint32_t conn)
{
	(void)node;
	(void)from;
	(void)conn;
	return -1;
}

const struct net_ops node_fixed_ops = { on_message, on_conn_down, refuse,
	NULL };
const struct net_ops node_open_ops = { on_message, on_conn_down, view_accept,
	view_dialled };

/* --- links --- */

int
node_link_new(struct node *n, uint32_t conn, uint32_t peer)
{
	unsigned i;

	for (i = 0; i < n->n_links; i++)
		if (n->links[i].conn == NET_NIL) {
			memset(&n->links[i], 0, sizeof(n->links[i]));
			n->links[i].conn = conn;
			n->links[i].peer = peer;
			n->links[i].slot = NODE_SLOTS;
			score_init(&n->links[i].score, node_now(n));
			return (int)i;
		}
	return -1;
}

void
node_link_free(struct node *n, unsigned link)
{
	if (n->sync != NULL)
		sync_link_down(n, link);
	n->links[link].conn = NET_NIL;
}

int
node_link_to(const struct node *n, uint32_t peer)
{
	unsigned i;

	for (i = 0; i < n->n_links; i++)
		if (n->links[i].conn != NET_NIL && n->links[i].peer == peer)
			return (int)i;
	return -1;
}

struct ev *
node_send(struct node *n, unsigned link, enum node_msg type, size_t bytes)
{
	uint32_t conn = n->links[link].conn;
	struct ev *ev;

	if (conn == NET_NIL)
		return NULL;
	world.bytes[type] += bytes + NODE_FRAME;
	ev = net_send(conn, net_side(conn, n->id), bytes);
	if (ev != NULL)
		ev->type = (uint8_t)type;
	return ev;
}

void
node_gossip_up(struct node *n, unsigned link, unsigned slot)
{
	uint32_t conn = n->links[link].conn;
	uint64_t key[2];

	/* Both sides make the same; nobody else knows the seed. */
	key[0] =
	    mix64(sim_seed() ^ ((uint64_t)conn << 20) ^ net_conn(conn)->gen);
	key[1] = mix64(key[0]);
	n->links[link].slot = (uint8_t)slot;
	n->links[link].since_us = sim_now().us;
	if (n->joined_us == INT64_MAX)
		n->joined_us = sim_now().us;
	n->slot[slot] = (uint16_t)link;
	bcast_link_up(n->bcast, slot, (const uint8_t *)key,
	    (uint32_t)(2 * net_conn(conn)->lat_us), world.conf.net.lan,
	    node_now(n));
}

void
node_gossip_down(struct node *n, unsigned link, unsigned slot)
{
	if (slot >= NODE_SLOTS)
		return;
	bcast_link_down(n->bcast, slot, node_now(n));
	n->links[link].slot = NODE_SLOTS;
}

/* --- life --- */

void
node_start(struct node *n)
{
	uint64_t secret[2];
	unsigned i;

	n->life++;
	n->up = true;
	n->armed_us = INT64_MAX;
	n->born_us = sim_now().us;
	n->joined_us = INT64_MAX;
	n->alone_us = sim_now().us;
	rng_init(&n->rng, sim_seed(), ((uint64_t)n->life << 24) + n->id);
	if (world.conf.skew) {
		n->skew_us = (int64_t)rng_below(&n->rng, 180 * 1000000);
		n->drift_ppm = (int32_t)rng_below(&n->rng, 401) - 200;
	}
	if (world.conf.trees && n->life == 1)
		n->wall_skew_ms =
		    (int32_t)rng_below(&n->rng, 2 * WALL_MS) - WALL_MS;
	for (i = 0; i < n->n_links; i++)
		n->links[i].conn = NET_NIL;
	/* Where there are trees, there is a disk. */
	if (n->sync == NULL || n->lost)
		records_forget(n);
	n->hung = false;
	secret[0] = rng_next(&n->rng);
	secret[1] = rng_next(&n->rng);
	n->bcast = bcast_init(n->bcast, &world.conf.lim,
	    (const uint8_t *)secret, &gossip_ops, n);
	net_host_up(n->id);
	if (n->sync != NULL)
		sync_start(n);
	if (world.conf.overlay)
		view_start(n);
	n->lost = false;
	node_arm(n);
}

void
node_crash(struct node *n, bool rst)
{
	n->up = false;
	net_host_down(n->id, rst);
}
