/* SPDX-License-Identifier: ISC */
/*
 * Records of simulated nodes: interned, so that a node has one bit for each.
 */
#include <string.h>

#include "common/hlc.h"
#include "tests/sim/node_int.h"

#define BASE_MS 3600000

size_t
records_size(void)
{
	return (world.cap_updates + 63) / 64 * sizeof(uint64_t);
}

bool
node_has(const struct node *n, uint32_t update)
{
	return (n->has[update / 64] >> (update % 64) & 1) != 0;
}

bool
node_knows(const struct node *n, uint32_t update)
{
	uint32_t i;

	for (i = update + 1; i != 0; i = world.updates[i - 1].newer)
		if (node_has(n, i - 1))
			return true;
	return false;
}

void
record_keep(struct node *n, uint32_t update)
{
	uint64_t word;

	n->has[update / 64] |= UINT64_C(1) << (update % 64);
	world.updates[update].got++;
	memcpy(&word, world.updates[update].rid, sizeof(word));
	n->sum += word;
	if (n->sync != NULL)
		sync_stage(n, update);
}

struct bcast_msg
record_message(uint32_t update)
{
	const struct update *u = &world.updates[update];

	return (struct bcast_msg){ u->rid, update, u->author, update };
}

/* What is in its tree key, and what it replaces: now and then our last. */
static void
stamp(struct node *n, uint32_t i)
{
	struct update *u = &world.updates[i], *last;
	uint64_t replaced = 0, word;
	size_t k;

	for (k = 0; k < 4; k++) {
		word =
		    mix64(sim_seed() ^ mix64(((uint64_t)i << 2) + k + 1) >> 1);
		memcpy(u->key + k * 8, &word, 8);
	}
	u->key[0] = (uint8_t)(16 + i % 5); /* one of a few kinds */
	if (n->wrote != 0 && world.conf.versions != 0 &&
	    node_has(n, n->wrote - 1) &&
	    rng_below(&n->rng, world.conf.versions) == 0) {
		last = &world.updates[n->wrote - 1];
		memcpy(u->key, last->key, 32);
		last->newer = i + 1;
		replaced = last->hlc;
	}
	n->hlc = u->hlc = hlc_next(node_wall(n), n->hlc, replaced);
	n->wrote = i + 1;
}

static uint32_t
update_new(uint32_t author)
{
	uint32_t i = world.n_updates++;
	struct update *u = &world.updates[i];
	uint64_t word;
	size_t k;

	if (i >= world.cap_updates)
		sim_die("more updates than was planned for");
	for (k = 0; k < 4; k++) {
		word = mix64(sim_seed() ^ mix64(((uint64_t)i << 2) + k));
		memcpy(u->rid + k * 8, &word, 8);
	}
	u->author = author;
	u->born_us = sim_now().us;
	return i;
}

/* Of an hour ago. */
void
record_base(void)
{
	uint32_t i = update_new(0);
	struct node n = { 0 };

	stamp(&n, i);
	world.updates[i].hlc = hlc_from_wall(
	    (struct wall){ WALL_START_MS - BASE_MS + (int64_t)i });
	world.updates[i].born_us = 0;
}

static void
update(struct node *n, bool spam)
{
	uint32_t i = update_new(n->id);
	struct update *u = &world.updates[i];
	struct bcast_msg m;
	struct tally *t;

	u->spam = spam;
	if (n->sync != NULL)
		stamp(n, i);
	if (!spam && (t = tally_at(u->born_us)) != NULL)
		t->updates++;
	record_keep(n, i);
	m = record_message(i);
	bcast_local(n->bcast, &m, node_now(n));
	node_arm(n);
}

void
node_update(struct node *n)
{
	update(n, false);
}

void
node_spam(struct node *n)
{
	update(n, true);
}

void
node_synced(struct node *n, unsigned link, uint32_t update, bool news)
{
	struct bcast_msg m = record_message(update);
	unsigned slot = n->links[link].slot;

	if (node_knows(n, update))
		return;
	record_keep(n, update);
	if (!news)
		return;
	(void)bcast_synced(n->bcast, &m,
	    slot < NODE_SLOTS ? slot : BCAST_LINKS_MAX, node_now(n));
	node_arm(n);
}

void
records_forget(struct node *n)
{
	uint32_t i;

	for (i = 0; i < world.n_updates; i++)
		if (node_has(n, i))
			world.updates[i].got--;
	memset(n->has, 0, records_size());
	n->sum = 0;
}
