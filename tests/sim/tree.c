/* SPDX-License-Identifier: ISC */
/*
 * Trees of simulated nodes: records wait until their tick settles, and then
 * they are in the tree of mtree.h.
 *
 * Records are interned: what all nodes share is world.updates.  A node's tree
 * is its own.  An entry's weight is the record's number, which the tree's sum
 * makes good use of.
 */
#include <stdlib.h>
#include <string.h>

#include "common/hlc.h"
#include "common/tree_hash.h"
#include "tests/sim/check/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/sync_int.h"

#define TICK_MS   10000
#define SETTLE_MS 10000
#define LATE_MS   3000 /* of a tick that settles late */
#define REBUILT   50   /* one tree in so many is built anew to compare */

/* Of each tick lately, the first set that settled: S1. */
static struct {
	uint64_t tick, set, root;
} settled[64];

void
tree_forget_checks(void)
{
	memset(settled, 0, sizeof(settled));
}

const struct root *
tree_root_of(const struct sync *s, uint64_t tick)
{
	const struct root *r = &s->roots[tick % SYNC_ROOTS];

	return r->tick == tick ? r : NULL;
}

void
sync_stage(struct node *n, uint32_t update)
{
	struct sync *s = n->sync;
	const struct update *u = &world.updates[update];

	if (s->n_staged == s->cap_staged) {
		s->cap_staged = s->cap_staged == 0 ? 64 : s->cap_staged * 2;
		s->staged =
		    realloc(s->staged, s->cap_staged * sizeof(*s->staged));
		if (s->staged == NULL)
			sim_die("out of memory");
	}
	s->staged[s->n_staged++] = update;
	recon_arrived(&s->recon, u->key, u->hlc);
}

static int
by_key(const void *a, const void *b)
{
	const struct update *x = &world.updates[*(const uint32_t *)a];
	const struct update *y = &world.updates[*(const uint32_t *)b];
	int cmp = memcmp(x->key, y->key, 32);

	if (cmp != 0)
		return cmp;
	return x->hlc < y->hlc ? -1 : x->hlc > y->hlc;
}

static struct mtree_entry
entry_of(uint32_t update)
{
	const struct update *u = &world.updates[update];
	struct mtree_entry e = { .hlc = u->hlc, .w = (int32_t)update };

	memcpy(e.key, u->key, 32);
	memcpy(e.rid, u->rid, 32);
	return e;
}

/* The winners among what is due, in order; the rest stays staged. */
static size_t
changes(struct sync *s, struct mtree_change *ch, int64_t until_ms)
{
	size_t i, n = 0, left = 0;
	struct mtree_entry had;

	if (s->n_staged > 0)
		qsort(s->staged, s->n_staged, sizeof(*s->staged), by_key);
	for (i = 0; i < s->n_staged; i++) {
		uint32_t u = s->staged[i];

		if (hlc_wall(world.updates[u].hlc).ms > until_ms) {
			s->staged[left++] = u;
			continue;
		}
		if (n > 0 &&
		    memcmp(ch[n - 1].e.key, world.updates[u].key, 32) == 0)
			n--;
		ch[n++] = (struct mtree_change){ .e = entry_of(u) };
	}
	s->n_staged = left;
	for (i = 0; i < n; i++) {
		bool has =
		    mtree_get(&s->tree, MTREE_CURRENT, ch[i].e.key, &had);

		check_that(!has || had.hlc < ch[i].e.hlc, "S7",
		    "an older version came back", (uint64_t)ch[i].e.w);
		s->set += get_u64(ch[i].e.rid);
		if (has)
			s->set -= get_u64(had.rid);
	}
	return n;
}

/* S3: what the tree says is what one built anew says. */
static void
check_rebuilt(const struct sync *s, const struct tree_sum *top)
{
	static const uint8_t zero[32];
	struct mtree_entry *all = sim_alloc(top->cnt + 1, sizeof(*all));
	struct tree_entry *e = sim_alloc(top->cnt + 1, sizeof(*e));
	size_t i,
	    n = mtree_list(&s->tree, MTREE_CURRENT, zero, 0, NULL, all,
		top->cnt + 1);
	struct tree_sum sum;
	uint64_t set = 0;

	for (i = 0; i < n; i++) {
		memcpy(e[i].key, all[i].key, 32);
		memcpy(e[i].rid, all[i].rid, 32);
		e[i].w = all[i].w;
		set += get_u64(all[i].rid);
	}
	check_that(tree_of_sorted(&sum, e, n) && sum.cnt == top->cnt &&
		sum.sum == top->sum && memcmp(sum.h, top->h, 32) == 0 &&
		set == s->set,
	    "S3", "the tree is not the one built anew", n);
	free(all);
	free(e);
}

/* S1: at one tick, equal sets and equal roots go together. */
static void
check_settled(struct node *n, const struct root *r, const struct tree_sum *top)
{
	struct sync *s = n->sync;
	size_t i = r->tick % (sizeof(settled) / sizeof(settled[0]));

	if (settled[i].tick != r->tick) {
		settled[i].tick = r->tick;
		settled[i].set = s->set;
		settled[i].root = r->root;
	}
	check_that((settled[i].set == s->set) == (settled[i].root == r->root),
	    "S1", "sets and roots do not agree", n->id);
	if ((n->id + r->tick) % REBUILT == 0)
		check_rebuilt(s, top);
	sync_costs.records = top->cnt;
	sim_trace(r->root);
}

static void
note_root(struct node *n)
{
	static const uint8_t netid[32];
	struct sync *s = n->sync;
	struct root *r = &s->roots[s->tick % SYNC_ROOTS];
	struct tree_sum top;
	uint8_t root[32];

	mtree_top(&s->tree, MTREE_CURRENT, &top);
	tree_root(root, netid, s->tick, &top);
	r->tick = s->tick;
	r->root = get_u64(root);
	check_settled(n, r, &top);
}

static uint64_t
tick_of(const struct node *n)
{
	return (uint64_t)((node_wall(n).ms - SETTLE_MS) / TICK_MS);
}

/* Records of settled ticks that came since. */
size_t
tree_late(const struct sync *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n_staged; i++)
		n += hlc_wall(world.updates[s->staged[i]].hlc).ms <=
		    (int64_t)s->tick * TICK_MS;
	return n;
}

static void
plan_settle(struct node *n)
{
	struct sync *s = n->sync;
	int64_t next = (int64_t)(s->tick + 1) * TICK_MS + SETTLE_MS;
	int64_t wait = next - node_wall(n).ms + 1;

	/* The clock may be set meanwhile. */
	if (wait > TICK_MS)
		wait = TICK_MS;
	if (BUGGIFY(late_settle))
		wait += rng_below(&n->rng, LATE_MS);
	s->settle_due = mono_add_ms(node_now(n), wait < 1 ? 1 : wait);
}

static void
settle(struct node *n)
{
	struct sync *s = n->sync;
	uint64_t tick = tick_of(n);
	struct mtree_change *ch;
	size_t n_ch;

	if (tick > s->tick) {
		ch = sim_alloc(s->n_staged + 1, sizeof(*ch));
		n_ch = changes(s, ch, (int64_t)tick * TICK_MS);
		if (mtree_apply(&s->tree, tick, ch, n_ch) != MTREE_OK)
			sim_die("a tree refuses its tick");
		free(ch);
		s->tick = tick;
		note_root(n);
		sync_settled(n);
	}
	plan_settle(n);
}

void
tree_run(struct node *n)
{
	if (mono_reached(n->sync->settle_due, node_now(n)))
		settle(n);
}

/* --- its life --- */

static void *
mem_get(void *arg, size_t len)
{
	(void)arg;
	return malloc(len);
}

static void
mem_put(void *arg, void *p, size_t len)
{
	(void)arg;
	(void)len;
	free(p);
}

static const struct mtree_mem mem = { mem_get, mem_put, NULL };

void
tree_fini(struct sync *s)
{
	mtree_fini(&s->tree);
	free(s->staged);
	s->staged = NULL;
}

/* What all have from the start, in order of key. */
struct base {
	uint32_t *order;
	uint32_t next;
};

static int
next_base(void *arg, struct mtree_entry *e)
{
	struct base *b = arg;

	if (b->next == world.conf.base)
		return 0;
	*e = entry_of(b->order[b->next++]);
	return 1;
}

static void
build(struct node *n, bool empty)
{
	struct base b = { sim_alloc(world.conf.base + 1, sizeof(uint32_t)), 0 };
	struct sync *s = n->sync;
	uint32_t i;

	tree_fini(s);
	s->n_staged = s->cap_staged = 0;
	s->set = 0;
	s->tick = tick_of(n);
	mtree_init(&s->tree, &mem, s->tick);
	for (i = 0; i < world.conf.base; i++) {
		b.order[i] = i;
		if (empty)
			continue;
		n->has[i / 64] |= UINT64_C(1) << (i % 64);
		world.updates[i].got++;
		s->set += get_u64(world.updates[i].rid);
	}
	qsort(b.order, world.conf.base, sizeof(*b.order), by_key);
	if (empty)
		b.next = world.conf.base;
	if (mtree_build(&s->tree, s->tick, next_base, &b) != MTREE_OK)
		sim_die("a tree cannot be built");
	free(b.order);
}

void
tree_start(struct node *n)
{
	if (n->life == 1 || n->lost)
		build(n, n->lost);
	note_root(n);
	plan_settle(n);
}

/* --- do they agree? --- */

static bool
is_live(const struct node *n)
{
	return n->up;
}

bool
sync_converged(bool (*counts)(const struct node *n))
{
	uint64_t least = UINT64_MAX;
	const struct root *r, *first = NULL;
	uint32_t i;

	if (counts == NULL)
		counts = is_live;
	for (i = 0; i < world.conf.nodes; i++)
		if (counts(&world.nodes[i]) &&
		    world.nodes[i].sync->tick < least)
			least = world.nodes[i].sync->tick;
	for (i = 0; i < world.conf.nodes; i++) {
		if (!counts(&world.nodes[i]))
			continue;
		r = tree_root_of(world.nodes[i].sync, least);
		if (r == NULL || (first != NULL && first->root != r->root))
			return false;
		first = r;
	}
	return true;
}
