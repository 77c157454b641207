/* SPDX-License-Identifier: ISC */
/*
 * All nodes together: their memory, how they are linked, what they are given
 * to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/node_int.h"

#define FIXED_LINKS   6
#define UPDATES_SPARE 64

struct world world;

/* One block for what the cores of all nodes lie in. */
static char *block;
static size_t block_size, block_used;

static void *
take(size_t size)
{
	void *p = block + block_used;

	block_used += (size + 63) & ~(size_t)63;
	if (block_used > block_size)
		sim_die("the block of nodes is too small");
	return p;
}

static void
make(struct node *n, uint32_t id)
{
	n->id = id;
	n->n_links = id < NODE_BOOTS && world.conf.overlay ? LINKS_MAX : LINKS;
	n->links = take(n->n_links * sizeof(*n->links));
	n->bcast = take(bcast_size(&world.conf.lim));
	n->has = take(records_size());
	if (world.conf.overlay)
		view_init(n, take(view_size()));
	if (world.conf.trees)
		sync_init(n, take(sync_size()));
}

void
world_init(const struct world_conf *conf)
{
	uint32_t i;

	memset(&world, 0, sizeof(world));
	world.conf = *conf;
	rng_init(&world.rng, sim_seed(), UINT64_C(1) << 41);
	world.cap_updates =
	    (uint32_t)(conf->rate * (conf->seconds + 30) * 1.2) +
	    UPDATES_SPARE + conf->spare + conf->base;
	world.updates = sim_alloc(world.cap_updates, sizeof(*world.updates));
	net_init(conf->nodes, &conf->net,
	    conf->overlay ? &node_open_ops : &node_fixed_ops);
	sim_handle(EV_TIMER, node_timer);
	sim_handle(EV_STORED, gossip_stored);
	block_used = 0;
	block_size = SIM_BIG(conf->nodes *
		(sizeof(struct node) + LINKS * sizeof(struct node_link) +
		    bcast_size(&conf->lim) + records_size() + view_size() +
		    (conf->trees ? sync_size() : 0) + 512) +
	    NODE_BOOTS * LINKS_MAX * 1024);
	block = sim_big(block_size);
	world.nodes = take(conf->nodes * sizeof(*world.nodes));
	for (i = 0; i < conf->nodes; i++)
		make(&world.nodes[i], i);
	for (i = 0; i < conf->base; i++)
		record_base();
}

void
world_fini(void)
{
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++)
		if (world.nodes[i].sync != NULL)
			sync_fini(&world.nodes[i]);
	sim_big_free(block, block_size);
	free(world.updates);
	net_fini();
}

/* --- fixed links --- */

static void
link_fixed(struct node *a, struct node *b)
{
	uint32_t conn = net_connect(a->id, 0, b->id, 0);
	int la = node_link_new(a, conn, b->id),
	    lb = node_link_new(b, conn, a->id);

	net_conn(conn)->end[0].link = (uint16_t)la;
	net_conn(conn)->end[1].link = (uint16_t)lb;
	node_gossip_up(a, (unsigned)la, (unsigned)la);
	node_gossip_up(b, (unsigned)lb, (unsigned)lb);
	if (a->sync != NULL) {
		sync_link_up(a, (unsigned)la);
		sync_link_up(b, (unsigned)lb);
	}
	node_arm(a);
	node_arm(b);
}

/* Its connection is dead: both ends find out, and one dials again. */
static void
mend(struct node *a, unsigned link)
{
	struct node *b = &world.nodes[a->links[link].peer];
	uint32_t conn = a->links[link].conn;
	unsigned side = net_side(conn, a->id);
	unsigned theirs = net_conn(conn)->end[1 - side].link;

	net_close(conn, side);
	net_close(conn, 1 - side);
	node_gossip_down(a, link, a->links[link].slot);
	node_link_free(a, link);
	node_gossip_down(b, theirs, b->links[theirs].slot);
	node_link_free(b, theirs);
	link_fixed(a, b);
}

void
world_mend(void)
{
	struct node *n;
	uint32_t i;
	unsigned k;

	for (i = 0; i < world.conf.nodes; i++) {
		n = &world.nodes[i];
		for (k = 0; k < n->n_links; k++)
			if (n->links[k].conn != NET_NIL &&
			    net_conn(n->links[k].conn)->broken)
				mend(n, k);
	}
}

void
world_wire(void)
{
	uint32_t n = world.conf.nodes, i, k, tries, to;
	uint8_t *taken = sim_alloc(n, 1);

	for (i = 0; i < n; i++)
		node_start(&world.nodes[i]);
	for (k = 0; k < FIXED_LINKS; k++)
		for (i = 0; i < n; i++)
			for (tries = 0; tries < 200; tries++) {
				to = rng_below(&world.rng, n);
				if (to == i || taken[to] >= FIXED_LINKS ||
				    node_link_to(&world.nodes[i], to) != -1)
					continue;
				taken[to]++;
				link_fixed(&world.nodes[i], &world.nodes[to]);
				break;
			}
	free(taken);
}

/* --- figures --- */

void
world_print(void)
{
	static const char *const names[] = { "firsts", "dups", "pushed",
		"answered", "ids_out", "ids_in", "pulls", "grafts", "moves",
		"prunes", "kept", "refused", "unanswered", "delayed",
		"conflated", "dropped" };
	uint64_t sum[sizeof(struct bcast_stats) / sizeof(uint64_t)] = { 0 };
	uint64_t one[sizeof(sum) / sizeof(sum[0])];
	size_t k, n = sizeof(sum) / sizeof(sum[0]);
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++) {
		memcpy(one, bcast_stats(world.nodes[i].bcast), sizeof(one));
		for (k = 0; k < n; k++)
			sum[k] += one[k];
	}
	(void)printf("core:");
	for (k = 0; k < n; k++)
		(void)printf(" %s %llu", names[k], (unsigned long long)sum[k]);
	(void)printf("\n");
}

/* --- load --- */

static uint64_t load_until;

static void
load_one(uint64_t arg)
{
	double wait = -1.0;
	uint32_t i, tries;

	(void)arg;
	if (sim_now().us >= (int64_t)load_until)
		return;
	for (tries = 0; tries < 100; tries++) {
		i = rng_below(&world.rng, world.conf.nodes);
		if (world.nodes[i].up && world.nodes[i].byz == HONEST &&
		    world.nodes[i].joined_us <= sim_now().us) {
			node_update(&world.nodes[i]);
			break;
		}
	}
	/* Poisson enough: uniform between nothing and twice the mean. */
	wait = 2.0 * rng_real(&world.rng) / world.conf.rate;
	sim_call(sim_now().us + (int64_t)(wait * 1e6), load_one, 0);
}

void
world_load(int64_t until_us)
{
	load_until = (uint64_t)until_us;
	load_one(0);
}

static void
start_one(uint64_t node)
{
	node_start(&world.nodes[node]);
}

void
world_join(double seconds)
{
	uint32_t i, n = world.conf.nodes;

	for (i = 0; i < n; i++)
		sim_call(sim_now().us +
			(i < NODE_BOOTS ? 0
					: (int64_t)(rng_real(&world.rng) *
					      seconds * 1e6)),
		    start_one, i);
	if (!world.conf.trees)
		sim_call(sim_now().us + 10 * SIM_S, view_roots, 1);
}
