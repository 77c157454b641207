/* SPDX-License-Identifier: ISC */
/*
 * The shell of the broadcast core: what it asks for, and what comes to it.
 */
#include <string.h>

#include "tests/sim/fault.h"
#include "tests/sim/node_int.h"

#define STORE_MS 400 /* how long a slow store takes */

/* Bytes of messages, as wire.h has them; records count TALLY_RECORD. */
#define IDS_HEAD    8
#define GRAFT_BYTES 3
#define PRUNE_BYTES 6

/* --- what the broadcast core asks for --- */

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
	struct ev *ev =
	    node_send(n, n->slot[slot], type, IDS_HEAD + n_ids * BCAST_ID);

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

void
gossip_judge(struct node *n)
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

const struct bcast_ops gossip_ops = { send_gossip, send_ihave, send_pull,
	send_graft, send_prune, on_score, NULL, rnd };

/* --- messages --- */

/* The store's verdict on a record that was announced or pushed. */
static void
store(struct node *n, uint32_t token, uint32_t update)
{
	struct bcast_msg m = record_message(update);

	if (BUGGIFY(store_busy)) {
		bcast_settle(n->bcast, token, BCAST_BAD, NULL, node_now(n));
	} else if (node_knows(n, update)) {
		bcast_settle(n->bcast, token, BCAST_STALE, NULL, node_now(n));
	} else {
		record_keep(n, update);
		bcast_settle(n->bcast, token, BCAST_GOOD, &m, node_now(n));
	}
}

void
gossip_stored(struct ev *ev)
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

void
gossip_message(struct node *n, unsigned link, struct ev *ev)
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
