/* SPDX-License-Identifier: ISC */
/*
 * Nodes, as promised in node.h: their life, their links, and the shell of
 * the broadcast core.
 */
#include "tests/sim/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hlc.h"
#include "tests/sim/fault.h"

#define FIXED_LINKS   6
#define UPDATES_SPARE 64
#define LATE_MS       500 /* how late a timer may ring, */
#define EARLY_MS      20  /* or how early */
#define STORE_MS      400 /* how long a slow store takes */
#define BASE_MS       3600000
#define WALL_MS       1000 /* wall clocks are wrong by that, or twice */

/* Bytes of messages, as wire.h has them; records count TALLY_RECORD. */
#define IDS_HEAD    8
#define GRAFT_BYTES 3
#define PRUNE_BYTES 6

struct world world;

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

static void judge(struct node *n);

void
node_arm(struct node *n)
{
	struct ev *ev;
	int64_t at;

	if (n->judge)
		judge(n);
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

static void
on_timer(struct ev *ev)
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

/* --- what it has --- */

static size_t
has_size(void)
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

static void
keep(struct node *n, uint32_t update)
{
	uint64_t word;

	n->has[update / 64] |= UINT64_C(1) << (update % 64);
	world.updates[update].got++;
	memcpy(&word, world.updates[update].rid, sizeof(word));
	n->sum += word;
	if (n->sync != NULL)
		sync_stage(n, update);
}

static struct bcast_msg
message_of(uint32_t update)
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
		word = mix64(sim_seed() ^ mix64(((uint64_t)i << 2) + k + 1) >> 1);
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

/* Of an hour ago. */
static void
stamp_base(uint32_t i)
{
	struct node n = { 0 };

	stamp(&n, i);
	world.updates[i].hlc = hlc_from_wall(
	    (struct wall){ WALL_START_MS - BASE_MS + (int64_t)i });
	world.updates[i].born_us = 0;
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
	keep(n, i);
	m = message_of(i);
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
	struct bcast_msg m = message_of(update);
	unsigned slot = n->links[link].slot;

	if (node_knows(n, update))
		return;
	keep(n, update);
	if (!news)
		return;
	(void)bcast_synced(n->bcast, &m,
	    slot < NODE_SLOTS ? slot : BCAST_LINKS_MAX, node_now(n));
	node_arm(n);
}

/* --- what the broadcast core asks for --- */

struct ev *
node_send(struct node *n, unsigned link, enum node_msg type, size_t bytes)
{
	uint32_t conn = n->links[link].conn;
	struct ev *ev;

	if (conn == NET_NIL)
		return NULL;
	world.bytes[type] += bytes;
	ev = net_send(conn, net_side(conn, n->id), bytes);
	if (ev != NULL)
		ev->type = (uint8_t)type;
	return ev;
}

static bool
has_room(const struct node *n, unsigned link)
{
	uint32_t conn = n->links[link].conn;

	return net_room_us(conn, net_side(conn, n->id)) <= sim_now().us &&
	    !BUGGIFY(outbox_full);
}

static bool
send_gossip(void *ctx, unsigned slot, uint32_t handle, enum bcast_how how)
{
	struct node *n = ctx;
	struct tally *t = tally_at(sim_now().us);
	unsigned copies = BUGGIFY(gossip_twice) ? 2 : 1;
	struct ev *ev;

	if (!has_room(n, n->slot[slot]))
		return false;
	while (copies-- > 0) {
		ev = node_send(n, n->slot[slot], M_GOSSIP,
		    IDS_HEAD + TALLY_RECORD);
		if (t != NULL)
			t->payloads++;
		if (ev == NULL)
			continue;
		ev->b = handle;
		ev->arg = how;
	}
	return true;
}

static void
send_ids(struct node *n, unsigned slot, enum node_msg type, const uint8_t *ids,
    size_t n_ids)
{
	struct ev *ev = node_send(n, n->slot[slot], type,
	    IDS_HEAD + n_ids * BCAST_ID);

	if (ev == NULL)
		return;
	ev->n = (uint16_t)n_ids;
	if (n_ids > 2) {
		ev->blob = (uint32_t)(n_ids * BCAST_ID);
		ev->u.p = sim_blob(ev->blob);
	}
	memcpy(n_ids > 2 ? ev->u.p : ev->u.q, ids, n_ids * BCAST_ID);
}

static void
send_ihave(void *ctx, unsigned slot, const uint8_t *ids, size_t n_ids)
{
	struct tally *t = tally_at(sim_now().us);

	if (t != NULL) {
		t->ids += n_ids;
		/* An array, a number, a byte string. */
		t->id_bytes += (n_ids > 31 ? 5u : 4u) + n_ids * BCAST_ID;
	}
	send_ids(ctx, slot, M_IHAVE, ids, n_ids);
}

static void
send_pull(void *ctx, unsigned slot, const uint8_t *ids, size_t n_ids)
{
	struct tally *t = tally_at(sim_now().us);

	if (t != NULL)
		t->pulls += n_ids;
	send_ids(ctx, slot, M_PULL, ids, n_ids);
}

static void
send_graft(void *ctx, unsigned slot)
{
	struct node *n = ctx;
	struct tally *t = tally_at(sim_now().us);

	if (t != NULL)
		t->grafts++;
	(void)node_send(n, n->slot[slot], M_GRAFT, GRAFT_BYTES);
}

static void
send_prune(void *ctx, unsigned slot, uint32_t backoff_ms)
{
	struct node *n = ctx;
	struct tally *t = tally_at(sim_now().us);
	struct ev *ev = node_send(n, n->slot[slot], M_PRUNE, PRUNE_BYTES);

	if (t != NULL)
		t->prunes++;
	if (ev != NULL)
		ev->b = backoff_ms;
}

void
node_score(struct node *n, unsigned link, enum score_event event)
{
	struct node_link *l = &n->links[link];
	enum score_verdict v = score_add(&l->score, event, node_now(n));

	n->judge = true; /* we are inside a core: act later */
	l->poor = v != SCORE_FINE;
	if (v != SCORE_BAN || l->banned)
		return;
	l->banned = true;
	if (n->byz == HONEST && world.nodes[l->peer].byz == HONEST)
		world.banned++;
}

static void
judge(struct node *n)
{
	struct node_link *l;
	unsigned i;

	n->judge = false;
	for (i = 0; i < n->n_links; i++) {
		l = &n->links[i];
		if (l->conn == NET_NIL)
			continue;
		if (l->banned && n->overlay != NULL)
			view_ban(n, i);
		else if (l->slot < NODE_SLOTS)
			bcast_link_poor(n->bcast, l->slot,
			    score_verdict(&l->score, node_now(n)) != SCORE_FINE,
			    node_now(n));
	}
}

static void
on_score(void *ctx, unsigned slot, enum score_event event)
{
	struct node *n = ctx;

	node_score(n, n->slot[slot], event);
}

static uint64_t
rnd(void *ctx)
{
	struct node *n = ctx;

	return rng_next(&n->rng);
}

static const struct bcast_ops bcast_ops = { send_gossip, send_ihave, send_pull,
	send_graft, send_prune, on_score, NULL, rnd };

/* --- messages --- */

/* The store's verdict on a record that was announced or pushed. */
static void
store(struct node *n, uint32_t token, uint32_t update)
{
	struct bcast_msg m = message_of(update);

	if (BUGGIFY(store_busy)) {
		bcast_settle(n->bcast, token, BCAST_BAD, NULL, node_now(n));
	} else if (node_knows(n, update)) {
		bcast_settle(n->bcast, token, BCAST_STALE, NULL, node_now(n));
	} else {
		keep(n, update);
		bcast_settle(n->bcast, token, BCAST_GOOD, &m, node_now(n));
	}
}

static void
on_stored(struct ev *ev)
{
	struct node *n = &world.nodes[ev->a];

	if (!n->up || n->hung || n->life != ev->gen)
		return;
	store(n, (uint32_t)ev->arg, ev->b);
	node_arm(n);
}

static void
store_later(struct node *n, uint32_t token, uint32_t update)
{
	struct ev *ev = sim_add(sim_now().us +
		(int64_t)rng_below(&n->rng, STORE_MS) * SIM_MS,
	    EV_STORED);

	ev->a = n->id;
	ev->b = update;
	ev->gen = (uint16_t)n->life;
	ev->arg = token;
}

static void
on_gossip(struct node *n, unsigned slot, struct ev *ev)
{
	const struct update *u = &world.updates[ev->b];
	enum bcast_rc rc;
	uint32_t token;

	rc = bcast_receive(n->bcast, slot, u->rid, (enum bcast_how)ev->arg,
	    &token, node_now(n));
	/* What was said before it had a link is old news to it. */
	if (n->joined_us <= u->born_us && !u->spam)
		tally_delivery(u->born_us, sim_now().us,
		    rc == BCAST_NEW && !node_has(n, ev->b));
	if (n->sync != NULL)
		sync_body(n, ev->b, false);
	if (rc != BCAST_NEW)
		return;
	if (BUGGIFY(slow_store))
		store_later(n, token, ev->b);
	else
		store(n, token, ev->b);
	score_first_delivery(&n->links[n->slot[slot]].score, node_now(n));
}

static void
on_broadcast(struct node *n, unsigned link, struct ev *ev)
{
	unsigned slot = n->links[link].slot;
	const void *ids = ev->blob > 0 ? ev->u.p : ev->u.q;

	if (slot >= NODE_SLOTS)
		return; /* the link left the view while this was on its way */
	switch (ev->type) {
	case M_GOSSIP:
		on_gossip(n, slot, ev);
		break;
	case M_IHAVE:
		bcast_on_ihave(n->bcast, slot, ids, ev->n, node_now(n));
		break;
	case M_PULL:
		if (n->byz == BYZ_LIAR)
			break;
		bcast_on_pull(n->bcast, slot, ids, ev->n, node_now(n));
		break;
	case M_GRAFT:
		bcast_on_graft(n->bcast, slot, node_now(n));
		break;
	default:
		bcast_on_prune(n->bcast, slot, ev->b, node_now(n));
		break;
	}
}

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
		on_broadcast(n, link, ev);
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

static void
forget_all(struct node *n)
{
	uint32_t i;

	for (i = 0; i < world.n_updates; i++)
		if (node_has(n, i))
			world.updates[i].got--;
	memset(n->has, 0, has_size());
	n->sum = 0;
}

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
		forget_all(n);
	n->hung = false;
	secret[0] = rng_next(&n->rng);
	secret[1] = rng_next(&n->rng);
	n->bcast = bcast_init(n->bcast, &world.conf.lim,
	    (const uint8_t *)secret, &bcast_ops, n);
	net_host_up(n->id);
	if (n->sync != NULL)
		sync_start(n);
	n->lost = false;
	if (world.conf.overlay)
		view_start(n);
	node_arm(n);
}

void
node_crash(struct node *n, bool rst)
{
	n->up = false;
	net_host_down(n->id, rst);
}

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
	n->has = take(has_size());
	if (world.conf.overlay)
		view_init(n, take(view_size()));
	if (world.conf.trees)
		sync_init(n, take(sync_size()));
}

void
world_init(const struct world_conf *conf)
{
	static const struct net_ops fixed = { on_message, on_conn_down, refuse,
		NULL };
	static const struct net_ops open = { on_message, on_conn_down,
		view_accept, view_dialled };
	uint32_t i;

	memset(&world, 0, sizeof(world));
	world.conf = *conf;
	rng_init(&world.rng, sim_seed(), UINT64_C(1) << 41);
	world.cap_updates =
	    (uint32_t)(conf->rate * (conf->seconds + 30) * 1.2) +
	    UPDATES_SPARE + conf->spare + conf->base;
	world.updates = sim_alloc(world.cap_updates, sizeof(*world.updates));
	net_init(conf->nodes, &conf->net, conf->overlay ? &open : &fixed);
	sim_handle(EV_TIMER, on_timer);
	sim_handle(EV_STORED, on_stored);
	block_used = 0;
	block_size = SIM_BIG(conf->nodes *
		(sizeof(struct node) + LINKS * sizeof(struct node_link) +
		    bcast_size(&conf->lim) + has_size() + view_size() +
		    (conf->trees ? sync_size() : 0) + 512) +
	    NODE_BOOTS * LINKS_MAX * 1024);
	block = sim_big(block_size);
	world.nodes = take(conf->nodes * sizeof(*world.nodes));
	for (i = 0; i < conf->nodes; i++)
		make(&world.nodes[i], i);
	for (i = 0; i < conf->base; i++)
		stamp_base(update_new(0));
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
		"answered", "ids_out", "ids_in", "pulls", "grafts", "prunes",
		"kept", "refused", "unanswered", "delayed", "conflated",
		"dropped" };
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
