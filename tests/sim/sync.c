/* SPDX-License-Identifier: ISC */
/*
 * The shell of anti-entropy, in the words of peerd/store/sync.c and links.c:
 * roots are told to all neighbours, whose root differs is asked for a
 * session, and what a session pushes goes out as the line allows.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/sync_int.h"

#define JITTER_MS 5000
#define LATE_MAX  16
#define AGAIN_MS  1000
#define RECS_MAX  160 /* records to a RECS: 48 KiB */
#define RECS_HEAD 16
#define META_BASE 4096 /* bytes of a session over nothing */
#define META_EACH 64   /* and for each record there is */

struct sync_cost sync_costs;

const struct sync_cost *
sync_cost(void)
{
	return &sync_costs;
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
			s->flush_due =
			    (struct mono){ node_now(n).us + room - now };
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
	if (s->n_pushes == SYNC_PUSHES)
		flush(n);
	if (s->n_pushes == SYNC_PUSHES || BUGGIFY(push_lost)) {
		sync_costs.pushes_lost++; /* the next session finds them */
		return;
	}
	s->pushes[s->n_pushes++] = (struct push){ peer, (uint32_t)e.w, sid };
}

static void
count_meta(struct node *n, uint64_t peer, size_t len)
{
	struct sync *s = n->sync;

	if (s->recon.own.on && s->recon.own.peer == peer)
		s->meta_bytes += len;
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
	sync_costs.meta_bytes += len;
	count_meta(n, peer, len);
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

	/* L5: what a session costs is bounded by what there is to compare. */
	check_that(n->sync->meta_bytes <=
		META_BASE + META_EACH * (uint64_t)world.n_updates,
	    "L5", "a session's bytes", n->sync->meta_bytes);

	sync_costs.done += how == RECON_DONE;
	sync_costs.partial += how == RECON_PARTIAL;
	sync_costs.refused += how == RECON_REFUSED;
	sync_costs.lost += how == RECON_LOST || how == RECON_SILENT;
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
	/* As peerd/store/sync.c: what came late would come once more. */
	if (tree_late(s) > LATE_MAX) {
		want(n, link,
		    mono_ms_between(node_now(n), s->settle_due) +
			(int64_t)rng_below(&n->rng, JITTER_MS));
		return;
	}
	s->meta_bytes = s->recon.own.on ? s->meta_bytes : 0;
	rc = recon_start(&s->recon, p->id, ++s->sid, tick,
	    (const uint8_t *)&salt, node_now(n));
	sync_costs.sessions += rc == RECON_OK;
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

/* As peerd/store/links.c: at once on the first look, then after two ticks. */
static void
compare(struct node *n, unsigned link)
{
	struct peer *p = &n->sync->peers[link];
	const struct root *ours = tree_root_of(n->sync, p->said.tick);

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
	const struct root *r = tree_root_of(n->sync, n->sync->tick);
	struct ev *ev;

	if (r == NULL || n->links[link].conn == NET_NIL ||
	    (ev = node_send(n, link, M_ROOT, NODE_ROOT)) == NULL)
		return;
	ev->u.q[0] = r->tick;
	ev->u.q[1] = n->byz == HONEST ? r->root : rng_next(&n->rng);
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

void
sync_settled(struct node *n)
{
	struct sync *s = n->sync;
	unsigned k;

	for (k = 0; k < n->n_links; k++)
		say_root(n, k);
	for (k = 0; k < n->n_links; k++)
		if (s->peers[k].id != 0 && s->peers[k].said.tick == s->tick)
			compare(n, k); /* it was ahead of us */
	if (n->overlay != NULL)
		view_own_root(n, s->tick, tree_root_of(s, s->tick)->root);
}

/* --- messages --- */

void
sync_body(struct node *n, uint32_t update, bool session)
{
	bool useless = node_knows(n, update);

	sync_costs.bodies++;
	sync_costs.useless += useless;
	sync_costs.gossiped += !session;
	sync_costs.echoes += !session && useless;
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
		if (!node_knows(n, numbers[i]))
			recon_gained(&s->recon, s->peers[link].id);
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
		count_meta(n, s->peers[link].id, ev->blob);
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

	tree_run(n);
	recon_tick(&n->sync->recon, now);
	begin_due(n);
	flush(n);
}

size_t
sync_size(void)
{
	return sizeof(struct sync);
}

void
sync_init(struct node *n, void *at)
{
	n->sync = at;
	memset(&sync_costs, 0, sizeof(sync_costs));
	tree_forget_checks();
}

void
sync_fini(struct node *n)
{
	tree_fini(n->sync);
}

void
sync_start(struct node *n)
{
	struct sync *s = n->sync;
	struct recon_conf conf = { .tree = &s->tree,
		.stack = s->stack,
		.n_stack = SYNC_STACK,
		.wants = s->wants,
		.n_wants = SYNC_WANTS,
		.ops = { .send = op_send,
		    .push = op_push,
		    .end = op_end,
		    .arg = n } };
	uint64_t key[2] = { rng_next(&n->rng), rng_next(&n->rng) };
	unsigned k;

	memcpy(conf.key, key, sizeof(conf.key));
	recon_init(&s->recon, &conf, node_now(n));
	memset(s->peers, 0, sizeof(s->peers));
	for (k = 0; k < LINKS_MAX; k++)
		s->peers[k].due = MONO_NEVER;
	s->n_pushes = 0;
	s->flush_due = MONO_NEVER;
	tree_start(n);
}
