/* SPDX-License-Identifier: ISC */
/*
 * Invariants, as promised in check.h.
 */
#include "tests/sim/check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/node.h"

#define SETTLE_US (10 * SIM_S) /* L2 */
#define YOUNG_US  (3 * SIM_S)  /* a link about which words may travel */

static struct {
	const char *failed; /* what broke first, or NULL */
	double failed_s;
	bool connected;
	int64_t split_us; /* since when there are islands, or INT64_MAX */
	int64_t alone_us; /* longest without a link */
	uint32_t *root;
	uint8_t *seen;
} check;

void
check_that(bool ok, const char *name, const char *what, uint64_t number)
{
	if (ok)
		return;
	if (check.failed == NULL) {
		check.failed_s = (double)(sim_now().us - SIM_START_US) / 1e6;
		(void)printf("BROKEN %s at %.3f s: %s (%llu)\n", name,
		    check.failed_s, what, (unsigned long long)number);
		check.failed = what;
	}
}

const char *
check_broken(void)
{
	return check.failed;
}

double
check_broken_s(void)
{
	return check.failed_s;
}

bool
check_passed(void)
{
	return check.failed == NULL;
}

/* --- components --- */

static uint32_t
find(uint32_t i)
{
	while (check.root[i] != i) {
		check.root[i] = check.root[check.root[i]];
		i = check.root[i];
	}
	return i;
}

/* Is the other end there, and of the same mind? */
static bool
is_mutual(const struct node *n, unsigned link)
{
	const struct node_link *l = &n->links[link];
	const struct net_conn *c = net_conn(l->conn);
	unsigned side = net_side(l->conn, n->id);
	const struct node *peer = &world.nodes[l->peer];

	return !c->broken && c->end[1 - side].open && peer->up &&
	    peer->links[c->end[1 - side].link].slot < NODE_SLOTS;
}

static bool
counts(const struct node *n)
{
	return n->up && n->byz == HONEST;
}

uint32_t
check_components(void)
{
	uint32_t i, parts = 0, n = world.conf.nodes;
	struct node *a;
	unsigned k;

	if (check.root == NULL) {
		check.root = sim_alloc(n, sizeof(*check.root));
		check.seen = sim_alloc(n, 1);
	}
	for (i = 0; i < n; i++)
		check.root[i] = i;
	for (i = 0; i < n; i++) {
		a = &world.nodes[i];
		for (k = 0; counts(a) && k < a->n_links; k++)
			if (a->links[k].conn != NET_NIL &&
			    a->links[k].slot < NODE_SLOTS &&
			    counts(&world.nodes[a->links[k].peer]) &&
			    is_mutual(a, k))
				check.root[find(i)] = find(a->links[k].peer);
	}
	/* A part of newcomers alone does not count yet. */
	memset(check.seen, 0, n);
	for (i = 0; i < n; i++)
		if (counts(&world.nodes[i]) && !check.seen[find(i)] &&
		    sim_now().us - world.nodes[i].born_us > SETTLE_US) {
			check.seen[find(i)] = 1;
			parts++;
		}
	return parts;
}

void
check_connected(bool on)
{
	check.connected = on;
	check.split_us = INT64_MAX;
}

static void
look_at_parts(void)
{
	uint32_t parts = check_components();
	int64_t now = sim_now().us;

	if (parts <= 1)
		check.split_us = INT64_MAX;
	else if (check.split_us == INT64_MAX)
		check.split_us = now;
	check_that(parts <= 1 || now - check.split_us <= SETTLE_US, "L2",
	    "live nodes are not connected", parts);
}

/* --- each second --- */

static unsigned
active_links(const struct node *n)
{
	unsigned k, links = 0;

	for (k = 0; k < n->n_links; k++)
		links += n->links[k].conn != NET_NIL &&
		    n->links[k].slot < NODE_SLOTS;
	return links;
}

/* S9: tables within their sizes, views within theirs. */
static void
look_at(struct node *n)
{
	unsigned links = active_links(n);
	int64_t now = sim_now().us;

	check_that(bcast_pending(n->bcast) <= world.conf.lim.pending, "S9",
	    "pending above its cap", n->id);
	check_that(links <= OVERLAY_SLOTS, "S9", "view above its cap", n->id);
	if (n->overlay != NULL)
		check_that(overlay_active(n->overlay) == links, "S9",
		    "view and links disagree", n->id);
	if (links > 0)
		n->alone_us = INT64_MAX;
	else if (n->alone_us == INT64_MAX)
		n->alone_us = now;
	if (n->alone_us != INT64_MAX && now - n->alone_us > check.alone_us &&
	    now - n->born_us > SETTLE_US)
		check.alone_us = now - n->alone_us;
}

int64_t
check_alone_ms(void)
{
	return check.alone_us / 1000;
}

static void
look(uint64_t arg)
{
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++)
		if (counts(&world.nodes[i]))
			look_at(&world.nodes[i]);
	if (check.connected)
		look_at_parts();
	sim_call(sim_now().us + SIM_S, look, arg);
}

void
check_begin(void)
{
	free(check.root);
	free(check.seen);
	memset(&check, 0, sizeof(check));
	check.split_us = INT64_MAX;
	look(0);
}

/* --- at the end --- */

/* Or did all who had it die before they could say it? */
static bool
survived(uint32_t update)
{
	uint32_t k;

	for (k = 0; k < world.conf.nodes; k++)
		if (counts(&world.nodes[k]) &&
		    node_knows(&world.nodes[k], update))
			return true;
	return false;
}

void
check_delivered(int64_t grace_us)
{
	const struct update *u;
	const struct node *n;
	struct tally *t;
	uint64_t misses = 0;
	uint32_t i, k;

	for (i = 0; i < world.n_updates; i++) {
		u = &world.updates[i];
		if (u->spam || u->born_us + grace_us > sim_now().us ||
		    !survived(i))
			continue;
		for (k = 0; k < world.conf.nodes; k++) {
			n = &world.nodes[k];
			if (!counts(n) || n->born_us >= u->born_us ||
			    node_knows(n, i))
				continue;
			misses++;
			if (getenv("SIM_MISSES") != NULL)
				(void)printf("miss: update %u at node %u, "
					     "born %.3f s before it\n",
				    i, k,
				    (double)(u->born_us - n->born_us) / 1e6);
			if ((t = tally_at(u->born_us)) != NULL)
				t->unexplained++;
		}
	}
	check_that(misses == 0, "L3", "updates did not reach live nodes",
	    misses);
}

static uint64_t
odd_links(void)
{
	const struct net_conn *c;
	const struct node *n, *peer;
	uint64_t odd = 0;
	unsigned k, slot, side;
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++) {
		n = &world.nodes[i];
		for (k = 0; counts(n) && k < n->n_links; k++) {
			if (n->links[k].conn == NET_NIL ||
			    n->links[k].slot >= NODE_SLOTS || !is_mutual(n, k))
				continue;
			c = net_conn(n->links[k].conn);
			side = net_side(n->links[k].conn, i);
			peer = &world.nodes[n->links[k].peer];
			slot = peer->links[c->end[1 - side].link].slot;
			odd += counts(peer) &&
			    bcast_is_eager(n->bcast, n->links[k].slot) !=
				bcast_is_eager(peer->bcast, slot);
		}
	}
	return odd;
}

/* A GRAFT or PRUNE may be on its way: odd is what stays odd. */
void
check_symmetric(void)
{
	uint64_t odd = odd_links();
	unsigned looks;

	for (looks = 0; odd > 0 && looks < 5; looks++) {
		sim_run(sim_now().us + 2 * SIM_S);
		odd = odd_links();
	}
	check_that(odd == 0, "S11", "links eager on one side alone", odd);
}

void
check_bans(void)
{
	check_that(world.banned == 0, "S10", "honest nodes banned honest ones",
	    world.banned);
}
