/* SPDX-License-Identifier: ISC */
/*
 * What the overlay core wishes, done: the operations of overlay.h.  None of
 * them ends a link or calls the core; see neigh.c.
 */
#include <sodium.h>
#include <string.h>

#include "peerd/neigh_int.h"

#define GIVE_EVERY_MS 30000 /* records of nodes, to one link */

static bool
op_pick(void *ctx, enum overlay_pick kind, const uint64_t *groups, size_t n,
    struct overlay_cand *cand)
{
	(void)ctx;
	return kind == OVERLAY_PICK_ANCHOR
	    ? neigh_pick_anchor(cand)
	    : discover_pick(kind, groups, n, cand);
}

static void
op_dial(void *ctx, uint32_t tag, enum overlay_why why,
    const struct overlay_cand *cand)
{
	(void)ctx;
	if (!discover_dial(tag, why, cand))
		neigh_dial_failed(tag);
}

static void
op_close(void *ctx, unsigned link)
{
	(void)ctx;
	neigh_places[link].closing = true;
}

static void
send_wr(unsigned link, const struct wr *w)
{
	struct place *p = &neigh_places[link];

	if (p->c != NULL &&
	    (w->bad || !traffic_send(p->c, LANE_CONTROL, w->p, w->len)))
		p->deaf = p->c->state == CONN_UP;
}

static void
op_join(void *ctx, unsigned link, unsigned ttl, const struct wire_addr *node)
{
	uint8_t buf[80];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_join(&w, ttl, node);
	send_wr(link, &w);
}

static void
op_neighbor(void *ctx, unsigned link, enum wire_want want)
{
	uint8_t buf[8];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_neighbor(&w, want);
	send_wr(link, &w);
}

static void
op_disconnect(void *ctx, unsigned link, enum wire_gone why)
{
	uint8_t buf[8];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_disconnect(&w, why);
	send_wr(link, &w);
}

static void
op_swap(void *ctx, unsigned link, const struct wire_addr *node)
{
	uint8_t buf[80];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_swap(&w, node);
	send_wr(link, &w);
}

/* Whoever goes in and out of the view shall not have all of them each time. */
static bool
is_time(struct mono *last)
{
	struct mono now = mono_now();

	if (last->us != 0 && mono_ms_between(*last, now) < GIVE_EVERY_MS)
		return false;
	*last = now;
	return true;
}

/* Node records are signed addresses. */
static void
op_give(void *ctx, unsigned link)
{
	struct place *p = &neigh_places[link];

	(void)ctx;
	if (p->c != NULL && is_time(&p->given))
		nodes_send_some(p->c, OVERLAY_GIVE);
}

/* Silence is watched in conn.c, on all links alike. */
static void
op_ping(void *ctx, unsigned link)
{
	(void)ctx;
	(void)link;
}

static void
op_view_up(void *ctx, unsigned link, unsigned slot)
{
	struct conn *c = neigh_places[link].c;

	(void)ctx;
	neigh_anchors_due = true;
	if (c == NULL)
		return;
	gossip_link_up(c, slot);
	if (c->state != CONN_UP)
		return;
	conn_show(c);
	if (is_time(&neigh_places[link].told))
		nodes_send_all(c);
}

static void
op_view_down(void *ctx, unsigned link, unsigned slot)
{
	struct conn *c = neigh_places[link].c;

	(void)ctx;
	(void)slot;
	neigh_anchors_due = true;
	if (c == NULL)
		return;
	gossip_link_down(c);
	if (c->state == CONN_UP && c->node != NULL)
		channels_peer(c->node);
}

static void
op_heard_of(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	if (neigh_places[link].c != NULL)
		(void)addrs_learn(neigh_places[link].c, node);
}

static uint64_t
op_rnd(void *ctx)
{
	uint64_t v;

	(void)ctx;
	randombytes_buf(&v, sizeof(v));
	return v;
}

const struct overlay_ops neigh_ops = {
	.pick = op_pick,
	.dial = op_dial,
	.close = op_close,
	.send_join = op_join,
	.send_neighbor = op_neighbor,
	.send_disconnect = op_disconnect,
	.send_swap = op_swap,
	.give = op_give,
	.ping = op_ping,
	.view_up = op_view_up,
	.view_down = op_view_down,
	.heard_of = op_heard_of,
	.rnd = op_rnd,
};
