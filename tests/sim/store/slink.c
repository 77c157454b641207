/* SPDX-License-Identifier: ISC */
/*
 * Links of a node of scenario `store`: a full mesh, dialled anew when one
 * dies, and what comes over them, as peerd decodes it.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check/check.h"
#include "tests/sim/store/snode.h"

#define SILENT_MS (3 * KIT_TICK_MS)
#define REDIAL_MS 1000

/* --- links --- */

unsigned
snode_link_of(const struct snode *n, uint32_t serial)
{
	unsigned k;

	for (k = 0; k < sw.n; k++)
		if (n->links[k].conn != NET_NIL && n->links[k].serial == serial)
			return k;
	return SNODES;
}

static void
trace_bytes(const uint8_t *p, size_t len)
{
	uint64_t h = len;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	sim_trace(h);
}

void
snode_send(struct snode *n, unsigned link, const uint8_t *msg, size_t len)
{
	uint32_t conn = n->links[link].conn;
	struct sn_msg *m;
	struct ev *ev;

	if (conn == NET_NIL)
		return;
	trace_bytes(msg, len);
	sw.busy += wire_peek(msg, len) != WIRE_ROOT;
	if ((ev = net_send(conn, net_side(conn, n->id), len)) == NULL)
		return;
	m = sim_alloc(1, sizeof(*m) + len);
	m->len = len;
	memcpy(m->b, msg, len);
	m->next = sw.msgs;
	if (m->next != NULL)
		m->next->prev = m;
	sw.msgs = m;
	ev->type = (uint8_t)wire_peek(msg, len);
	ev->u.p = m;
}

void
slink_drop(struct sn_msg *m)
{
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		sw.msgs = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	free(m);
}

void
slink_root(struct snode *n, unsigned link)
{
	const struct recstore_root *r = recstore_root(n->rs, MSG_NULL64);
	struct wire_root out = { .wall_ms = snode_wall(n).ms };
	uint8_t buf[WIRE_ROOT_MAX];
	struct wr w;

	if (r == NULL)
		return;
	out.tick = r->tick;
	memcpy(out.root, r->root, 32);
	if (n->lying) {
		randombytes_buf(out.root, 32);
		sw.c.lies++;
	}
	out.cnt = r->top.cnt;
	out.sum = r->top.sum;
	out.seq = recstore_seq(n->rs);
	memcpy(out.dbid, recstore_dbid(n->rs), 16);
	wr_init(&w, buf, sizeof(buf));
	wire_put_root(&w, &out);
	snode_send(n, link, buf, w.len);
}

static void
link_down(struct snode *n, unsigned link)
{
	struct sn_link *l = &n->links[link];

	bcast_link_down(n->bcast, link, sim_now());
	ssync_gone(n, link);
	l->conn = NET_NIL;
}

static void
link_up(struct snode *n, unsigned link, uint32_t conn)
{
	struct sn_link *l = &n->links[link];
	uint32_t lo = n->id < link ? n->id : link, hi = n->id ^ link ^ lo;
	uint32_t secret[3] = { lo, hi, conn };
	uint8_t key[16];

	if (l->conn != NET_NIL) {
		net_close(l->conn, net_side(l->conn, n->id));
		link_down(n, link);
	}
	memset(l, 0, sizeof(*l));
	l->conn = conn;
	l->serial = ++n->serial;
	l->heard_us = sim_now().us;
	bcast_link_key(key, secret, sizeof(secret));
	bcast_link_up(n->bcast, link, key,
	    (uint32_t)(2 * net_latency(n->id, link)), false, sim_now());
	slink_root(n, link);
	snode_arm(n);
}

static int
on_accept(uint32_t node, uint32_t from, uint32_t conn)
{
	struct snode *n = &sw.nodes[node];

	if (!n->up)
		return -1;
	link_up(n, from, conn);
	return (int)from;
}

static void
on_dialled(uint32_t node, uint32_t to, uint64_t tag, uint32_t conn)
{
	struct snode *n = &sw.nodes[node];

	if (n->life != tag) {
		if (conn != NET_NIL)
			net_close(conn, 0);
		return;
	}
	n->links[to].dialling = false;
	if (conn == NET_NIL)
		return;
	net_conn(conn)->end[0].link = (uint16_t)to;
	link_up(n, to, conn);
}

static void
on_down(uint32_t node, unsigned link)
{
	struct snode *n = &sw.nodes[node];

	if (n->up && n->links[link].conn != NET_NIL)
		link_down(n, link);
	snode_arm(n);
}

/* Close what fell silent, dial who is missing: each link is the lower's. */
void
slink_look(struct snode *n)
{
	int64_t now = sim_now().us;
	struct sn_link *l;
	unsigned k;

	for (k = 0; k < sw.n; k++) {
		l = &n->links[k];
		if (k == n->id)
			continue;
		if (l->conn != NET_NIL &&
		    now - l->heard_us > SILENT_MS * SIM_MS) {
			net_close(l->conn, net_side(l->conn, n->id));
			link_down(n, k);
		}
		if (l->conn == NET_NIL && !l->dialling && n->id < k) {
			l->dialling = true;
			net_dial(n->id, k, n->life);
		}
	}
	n->look_us = now + REDIAL_MS * SIM_MS;
}

/* --- messages --- */

static void
on_records(struct snode *n, unsigned link, struct wire_msg *m)
{
	struct wire_blob rec;

	if (m->type == WIRE_RECS)
		recon_heard(&n->recon, n->links[link].serial, sim_now());
	while (wire_next_record(m, &rec)) {
		if (m->type == WIRE_GOSSIP)
			sin_gossip(n, link, m->hops, rec.p, rec.len);
		else
			sin_sync(n, link, rec.p, rec.len);
		if (m->type == WIRE_RECS)
			n->body_bytes += rec.len;
	}
}

static void
dispatch(struct snode *n, unsigned link, const uint8_t *b, size_t len)
{
	uint32_t type = wire_peek(b, len);
	struct wire_msg m;

	if (wire_decode(&m, type < WIRE_ROOT ? LANE_GOSSIP : LANE_SYNC, b,
		len) != WIRE_OK) {
		sw.c.malformed++;
		check_that(sw.nodes[link].byz, "S10",
		    "an honest node sent a malformed message", type);
		return;
	}
	switch (m.type) {
	case WIRE_GOSSIP:
	case WIRE_RECS:
		on_records(n, link, &m);
		break;
	case WIRE_IHAVE:
		bcast_on_ihave(n->bcast, link, m.ids, m.n_ids, sim_now());
		break;
	case WIRE_PULL:
		bcast_on_pull(n->bcast, link, m.ids, m.n_ids, sim_now());
		break;
	case WIRE_GRAFT:
		bcast_on_graft(n->bcast, link, sim_now());
		break;
	case WIRE_PRUNE:
		bcast_on_prune(n->bcast, link, m.backoff_ms, sim_now());
		break;
	case WIRE_ROOT:
		ssync_root(n, link, &m.root);
		break;
	default:
		ssync_message(n, link, b, len);
		break;
	}
}

static void
on_message(uint32_t node, unsigned link, struct ev *ev)
{
	struct snode *n = &sw.nodes[node];
	struct sn_msg *m = ev->u.p;

	if (n->up && n->links[link].conn == ev->a) {
		n->links[link].heard_us = sim_now().us;
		dispatch(n, link, m->b, m->len);
		snode_arm(n);
	}
	slink_drop(m);
}

const struct net_ops slink_ops = { .message = on_message,
	.down = on_down,
	.accept = on_accept,
	.dialled = on_dialled };
