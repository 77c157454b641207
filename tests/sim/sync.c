/* SPDX-License-Identifier: ISC */
/*
 * Trees, and the shell of anti-entropy, in the words of peerd/store: records
 * wait until their tick settles, roots are told to all neighbours, and whose
 * root differs is asked for a session.  The cores are mtree.h and recon.h.
 *
 * Records are interned: what all nodes share is world.updates.  A node's tree
 * is its own, and so is everything that a session knows.  An entry's weight
 * is the record's number, which the tree's sum makes good use of.
 */
#include <stdlib.h>
#include <string.h>

#include "common/hlc.h"
#include "common/tree_hash.h"
#include "peerd/recon.h"
#include "tests/sim/check/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/node.h"

#define TICK_MS   10000
#define SETTLE_MS 10000
#define JITTER_MS 5000
#define LATE_MS   3000 /* of a tick that settles late */
#define AGAIN_MS  1000
#define STACK     2048
#define WANTS     2048
#define PUSHES    2048
#define ROOTS     8
#define RECS_MAX  160 /* records to a RECS: 48 KiB */
#define RECS_HEAD 16
#define REBUILT   50 /* one tree in so many is built anew to compare */

struct root {
	uint64_t tick, root;
};

/* A link's peer, and what it said. */
struct peer {
	uint64_t id; /* of this link's life; 0: none */
	struct root said;
	struct mono due; /* of a session, or MONO_NEVER */
	bool compared;
	unsigned odd; /* ticks in a row on which it differed */
};

struct push {
	uint64_t peer;
	uint32_t update;
	uint16_t sid;
};

struct sync {
	struct mtree tree;
	struct recon recon;
	struct peer peers[LINKS_MAX];
	struct root roots[ROOTS];
	uint64_t tick, set; /* set: sum of the rids that are settled */
	uint32_t *staged;   /* records of ticks to come */
	size_t n_staged, cap_staged;
	struct mono settle_due, flush_due;
	uint64_t next_id;
	uint16_t sid;
	size_t n_pushes;
	struct push pushes[PUSHES];
	struct recon_range stack[STACK];
	struct recon_want wants[WANTS];
};

static struct sync_cost cost;

/* Of each tick lately, the first set that settled: S1. */
static struct {
	uint64_t tick, set, root;
} settled[64];

const struct sync_cost *
sync_cost(void)
{
	return &cost;
}

static unsigned
link_of(const struct node *n, uint64_t id)
{
	unsigned k;

	for (k = 0; k < n->n_links; k++)
		if (n->sync->peers[k].id == id)
			return k;
	return LINKS_MAX;
}

/* --- pushing --- */

static void
send_recs(struct node *n, unsigned link, const struct push *q, size_t k)
{
	struct ev *ev =
	    node_send(n, link, M_RECS, RECS_HEAD + k * TALLY_RECORD);
	uint32_t *numbers;
	size_t i;

	if (ev == NULL)
		return;
	ev->n = (uint16_t)k;
	ev->blob = (uint32_t)(k * sizeof(*numbers));
	ev->u.p = numbers = sim_blob(ev->blob);
	for (i = 0; i < k; i++)
		numbers[i] = q[i].update;
}

/* In order, until a line is full. */
static void
flush(struct node *n)
{
	struct sync *s = n->sync;
	const struct push *q = s->pushes;
	int64_t room, now = sim_now().us;
	size_t done = 0, k;
	unsigned link;

	s->flush_due = MONO_NEVER;
	while (done < s->n_pushes) {
		link = link_of(n, q[done].peer);
		room = link == LINKS_MAX
		    ? now
		    : net_room_us(n->links[link].conn,
			  net_side(n->links[link].conn, n->id));
		if (room > now) {
			s->flush_due = (struct mono){ node_now(n).us + room -
				now };
			break;
		}
		for (k = 1; k < RECS_MAX && done + k < s->n_pushes &&
		     q[done + k].peer == q[done].peer &&
		     q[done + k].sid == q[done].sid && !BUGGIFY(small_recs);
		     k++)
			continue;
		if (link < LINKS_MAX)
			send_recs(n, link, &q[done], k);
		done += k;
	}
	s->n_pushes -= done;
	memmove(s->pushes, s->pushes + done, s->n_pushes * sizeof(*s->pushes));
}

static void
op_push(void *arg, uint64_t peer, uint16_t sid, const uint8_t key[32])
{
	struct node *n = arg;
	struct sync *s = n->sync;
	struct mtree_entry e;

	if (!mtree_get(&s->tree, MTREE_CURRENT, key, &e))
		return;
	if (s->n_pushes == PUSHES)
		flush(n);
	if (s->n_pushes == PUSHES || BUGGIFY(push_lost)) {
		cost.pushes_lost++; /* the next session finds them */
		return;
	}
	s->pushes[s->n_pushes++] = (struct push){ peer, (uint32_t)e.w, sid };
}

static void
op_send(void *arg, uint64_t peer, const uint8_t *msg, size_t len)
{
	struct node *n = arg;
	unsigned link = link_of(n, peer);
	struct ev *ev;

	flush(n);
	if (link == LINKS_MAX)
		return;
	cost.meta_bytes += len;
	if ((ev = node_send(n, link, M_SYNC, len)) == NULL)
		return;
	ev->blob = (uint32_t)len;
	ev->u.p = sim_blob(len);
	memcpy(ev->u.p, msg, len);
}

/* --- which peer is next --- */

static void
want(struct node *n, unsigned link, int64_t ms)
{
	struct peer *p = &n->sync->peers[link];

	if (p->due.us == MONO_NEVER.us)
		p->due = mono_add_ms(node_now(n), ms);
}

static void
op_end(void *arg, uint64_t peer, enum recon_how how, uint32_t retry_s)
{
	struct node *n = arg;
	unsigned link = link_of(n, peer);

	cost.done += how == RECON_DONE;
	cost.partial += how == RECON_PARTIAL;
	cost.refused += how == RECON_REFUSED;
	cost.lost += how == RECON_LOST;
	if (link < LINKS_MAX && how != RECON_DONE)
		want(n, link,
		    how == RECON_REFUSED ? (int64_t)retry_s * 1000 : AGAIN_MS);
}

static void
begin(struct node *n, unsigned link)
{
	struct sync *s = n->sync;
	struct peer *p = &s->peers[link];
	uint64_t tick = p->said.tick < s->tick ? p->said.tick : s->tick;
	uint64_t salt = rng_next(&n->rng);
	enum mtree_ver ver;
	enum recon_rc rc;

	/* The roots may have come to agree while it waited. */
	if (p->odd == 0 || !mtree_find_tick(&s->tree, tick, &ver))
		return;
	rc = recon_start(&s->recon, p->id, ++s->sid, tick,
	    (const uint8_t *)&salt, node_now(n));
	cost.sessions += rc == RECON_OK;
	if (rc == RECON_BUSY)
		want(n, link, AGAIN_MS);
}

static void
begin_due(struct node *n)
{
	struct sync *s = n->sync;
	unsigned k, first = LINKS_MAX;

	for (k = 0; k < n->n_links; k++)
		if (s->peers[k].id != 0 &&
		    mono_reached(s->peers[k].due, node_now(n)) &&
		    (first == LINKS_MAX ||
			mono_before(s->peers[k].due, s->peers[first].due)))
			first = k;
	if (first == LINKS_MAX)
		return;
	s->peers[first].due = MONO_NEVER;
	begin(n, first);
}

/* --- roots --- */

static const struct root *
own_root(const struct sync *s, uint64_t tick)
{
	const struct root *r = &s->roots[tick % ROOTS];

	return r->tick == tick ? r : NULL;
}

/* As peerd/store/links.c: at once on the first look, then after two ticks. */
static void
compare(struct node *n, unsigned link)
{
	struct peer *p = &n->sync->peers[link];
	const struct root *ours = own_root(n->sync, p->said.tick);

	if (p->said.tick == 0 || ours == NULL)
		return;
	if (ours->root == p->said.root)
		p->odd = 0;
	else if (p->odd++, !p->compared)
		want(n, link, 0);
	else if (p->odd >= 2)
		want(n, link, rng_below(&n->rng, JITTER_MS));
	p->compared = true;
}

static void
say_root(struct node *n, unsigned link)
{
	const struct root *r = own_root(n->sync, n->sync->tick);
	struct ev *ev;

	if (r == NULL || n->links[link].conn == NET_NIL ||
	    (ev = node_send(n, link, M_ROOT, 110)) == NULL)
		return;
	ev->u.q[0] = r->tick;
	ev->u.q[1] = r->root;
}

static void
on_root(struct node *n, unsigned link, uint64_t tick, uint64_t root)
{
	struct peer *p = &n->sync->peers[link];

	if (tick <= p->said.tick)
		return;
	p->said = (struct root){ tick, root };
	compare(n, link);
}

/* --- settling --- */

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
	size_t i, n = mtree_list(&s->tree, MTREE_CURRENT, zero, 0, NULL, all,
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
	cost.records = top->cnt;
	sim_trace(r->root);
}

static void
note_root(struct node *n)
{
	static const uint8_t netid[32];
	struct sync *s = n->sync;
	struct root *r = &s->roots[s->tick % ROOTS];
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
	unsigned k;

	if (tick > s->tick) {
		ch = sim_alloc(s->n_staged + 1, sizeof(*ch));
		n_ch = changes(s, ch, (int64_t)tick * TICK_MS);
		if (mtree_apply(&s->tree, tick, ch, n_ch) != MTREE_OK)
			sim_die("a tree refuses its tick");
		free(ch);
		s->tick = tick;
		note_root(n);
		for (k = 0; k < n->n_links; k++)
			say_root(n, k);
		for (k = 0; k < n->n_links; k++)
			if (s->peers[k].id != 0 &&
			    s->peers[k].said.tick == tick)
				compare(n, k); /* it was ahead of us */
		if (n->overlay != NULL)
			view_own_root(n, tick,
			    s->roots[tick % ROOTS].root);
	}
	plan_settle(n);
}

/* --- messages --- */

void
sync_body(struct node *n, uint32_t update, bool session)
{
	bool useless = node_knows(n, update);

	cost.bodies++;
	cost.useless += useless;
	cost.gossiped += !session;
	cost.echoes += !session && useless;
}

static void
on_recs(struct node *n, unsigned link, const struct ev *ev)
{
	const uint32_t *numbers = ev->u.p;
	struct sync *s = n->sync;
	const struct update *u;
	unsigned i;

	recon_heard(&s->recon, s->peers[link].id, node_now(n));
	for (i = 0; i < ev->n && n->links[link].conn != NET_NIL; i++) {
		u = &world.updates[numbers[i]];
		sync_body(n, numbers[i], true);
		recon_arrived(&s->recon, u->key, u->hlc);
		if (!BUGGIFY(store_busy))
			node_synced(n, link, numbers[i], true);
	}
}

void
sync_message(struct node *n, unsigned link, struct ev *ev)
{
	struct sync *s = n->sync;

	switch (ev->type) {
	case M_ROOT:
		on_root(n, link, ev->u.q[0], ev->u.q[1]);
		break;
	case M_RECS:
		on_recs(n, link, ev);
		break;
	case M_SYNC:
		check_that(recon_input(&s->recon, s->peers[link].id, ev->u.p,
			       ev->blob, node_now(n)) != RECON_MALFORMED,
		    "S10", "an honest node sent what nobody honest sends",
		    n->id);
		flush(n);
		break;
	default:
		break;
	}
}

/* --- its life --- */

void
sync_link_up(struct node *n, unsigned link)
{
	struct peer *p = &n->sync->peers[link];

	memset(p, 0, sizeof(*p));
	p->id = ++n->sync->next_id;
	p->due = MONO_NEVER;
	say_root(n, link);
}

void
sync_link_down(struct node *n, unsigned link)
{
	struct peer *p = &n->sync->peers[link];

	if (p->id != 0)
		recon_forget_peer(&n->sync->recon, p->id);
	p->id = 0;
	p->due = MONO_NEVER;
}

struct mono
sync_due(const struct node *n)
{
	const struct sync *s = n->sync;
	struct mono due = mono_min(recon_due(&s->recon), s->settle_due);
	unsigned k;

	for (k = 0; k < n->n_links; k++)
		if (s->peers[k].id != 0)
			due = mono_min(due, s->peers[k].due);
	return mono_min(due, s->flush_due);
}

void
sync_run(struct node *n)
{
	struct mono now = node_now(n);

	if (mono_reached(n->sync->settle_due, now))
		settle(n);
	recon_tick(&n->sync->recon, now);
	begin_due(n);
	flush(n);
}

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

size_t
sync_size(void)
{
	return sizeof(struct sync);
}

void
sync_init(struct node *n, void *at)
{
	n->sync = at;
	memset(&cost, 0, sizeof(cost));
	memset(settled, 0, sizeof(settled));
}

void
sync_fini(struct node *n)
{
	mtree_fini(&n->sync->tree);
	free(n->sync->staged);
	n->sync->staged = NULL;
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

	sync_fini(n);
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
sync_start(struct node *n)
{
	struct sync *s = n->sync;
	struct recon_conf conf = { .tree = &s->tree,
		.stack = s->stack,
		.n_stack = STACK,
		.wants = s->wants,
		.n_wants = WANTS,
		.ops = { .send = op_send,
		    .push = op_push,
		    .end = op_end,
		    .arg = n } };
	uint64_t key[2] = { rng_next(&n->rng), rng_next(&n->rng) };
	unsigned k;

	if (n->life == 1 || n->lost)
		build(n, n->lost);
	memcpy(conf.key, key, sizeof(conf.key));
	recon_init(&s->recon, &conf, node_now(n));
	memset(s->peers, 0, sizeof(s->peers));
	for (k = 0; k < LINKS_MAX; k++)
		s->peers[k].due = MONO_NEVER;
	s->n_pushes = 0;
	s->flush_due = MONO_NEVER;
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
		r = own_root(world.nodes[i].sync, least);
		if (r == NULL || (first != NULL && first->root != r->root))
			return false;
		first = r;
	}
	return true;
}
