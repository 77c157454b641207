/* SPDX-License-Identifier: ISC */
/*
 * The shell of the overlay core: dials, messages and roots.  A sync is done
 * in one stroke here; see recon below.
 */
#include <string.h>

#include "peerd/abook.h"
#include "tests/sim/fault.h"
#include "tests/sim/view_int.h"

#define TICK_S     10
#define SETTLE_US  (10 * SIM_S)
#define NEWCOMER_S 30 /* what it learns from syncs then is news to nobody */

/* Bytes of messages, as wire.h has them. */
#define WORD_BYTES 3
#define PING_BYTES 20
#define ADDR_BYTES 48
#define TOLD_BYTES 45 /* an address in ADDR */
#define ASKS       4  /* for addresses, see peerd/discover.c */

/* Three messages of Noise, two of them with a hello. */
#define SHAKE_BYTES (34 + 228 + 196)

/* When peerd asks a silent link; after three of them it is dead. */
#define SILENCE_MS 15000

/* One allocation: the core, its links, the book. */
struct view {
	struct overlay overlay;
	struct book book;
	struct overlay_link links[LINKS_MAX];
};

/* --- what the core asks for --- */

static void
dial(void *ctx, uint32_t tag, enum overlay_why why,
    const struct overlay_cand *cand)
{
	struct node *n = ctx;
	uint32_t to = view_node_of(&cand->at);

	book_dialled(n, to);
	net_dial(n->id, to,
	    (uint64_t)(n->life & 0xffff) << 40 | (uint64_t)why << 32 | tag);
}

static void
close_link(void *ctx, unsigned link)
{
	struct node *n = ctx;
	uint32_t conn = n->links[link].conn;

	net_close(conn, net_side(conn, n->id));
	node_link_free(n, link);
}

static void
send_number(void *ctx, unsigned link, enum node_msg type, size_t bytes,
    uint32_t b, uint64_t arg)
{
	struct ev *ev = node_send(ctx, link, type, bytes);

	if (ev == NULL)
		return;
	ev->b = b;
	ev->arg = arg;
}

static void
send_join(void *ctx, unsigned link, unsigned ttl, const struct wire_addr *node)
{
	send_number(ctx, link, M_JOIN, ADDR_BYTES, view_node_of(node), ttl);
}

static void
send_neighbor(void *ctx, unsigned link, enum wire_want want)
{
	send_number(ctx, link, M_NEIGHBOR, WORD_BYTES, (uint32_t)want, 0);
}

static void
send_disconnect(void *ctx, unsigned link, enum wire_gone why)
{
	send_number(ctx, link, M_DISCONNECT, WORD_BYTES, (uint32_t)why, 0);
}

static void
send_swap(void *ctx, unsigned link, const struct wire_addr *node)
{
	send_number(ctx, link, M_SWAP, ADDR_BYTES, view_node_of(node), 0);
}

static void
ping(void *ctx, unsigned link)
{
	send_number(ctx, link, M_PING, PING_BYTES, 0, 0);
}

/* Its neighbours, then what the book has. */
static void
give(void *ctx, unsigned link)
{
	struct node *n = ctx;
	uint32_t nodes[OVERLAY_GIVE];
	struct ev *ev;
	size_t k = 0;
	unsigned i;

	for (i = 0; i < n->n_links && k < OVERLAY_GIVE / 2; i++)
		if (n->links[i].conn != NET_NIL &&
		    n->links[i].slot < NODE_SLOTS)
			nodes[k++] = n->links[i].peer;
	for (i = 0; i < OVERLAY_GIVE * 2 && k < OVERLAY_GIVE; i++) {
		const struct place *p =
		    &n->book->places[rng_below(&n->rng, BOOK)];

		if (p->used)
			nodes[k++] = p->node;
	}
	while (k < OVERLAY_GIVE)
		nodes[k++] = n->id;
	ev = node_send(n, link, M_ADDR, OVERLAY_GIVE * TALLY_RECORD);
	if (ev == NULL)
		return;
	ev->blob = sizeof(nodes);
	ev->u.p = sim_blob(sizeof(nodes));
	memcpy(ev->u.p, nodes, sizeof(nodes));
}

static void
view_up(void *ctx, unsigned link, unsigned slot)
{
	node_gossip_up(ctx, link, slot);
}

static void
view_gone(void *ctx, unsigned link, unsigned slot)
{
	node_gossip_down(ctx, link, slot);
}

static void
heard_of(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)link;
	book_learn(ctx, view_node_of(node));
}

static uint64_t
rnd(void *ctx)
{
	return rng_next(&((struct node *)ctx)->rng);
}

static const struct overlay_ops ops = { book_pick, dial, close_link, send_join,
	send_neighbor, send_disconnect, send_swap, give, ping, view_up,
	view_gone, heard_of, rnd };

/* --- life --- */

size_t
view_size(void)
{
	return sizeof(struct view);
}

void
view_init(struct node *n, void *mem)
{
	struct view *v = mem;

	n->overlay = &v->overlay;
	n->book = &v->book;
}

void
view_start(struct node *n)
{
	struct view *v = (struct view *)(void *)n->overlay;
	struct wire_addr self = view_addr_of(n->id);

	if (n->sync != NULL && !n->lost)
		book_reopen(&v->book);
	else
		memset(&v->book, 0, sizeof(v->book));
	overlay_init(&v->overlay, v->links, n->n_links, &self, true,
	    world.conf.hidden, &ops, n);
	overlay_set_times(&v->overlay, SILENCE_MS, OVERLAY_FEELER_MS);
	overlay_set_nodes(&v->overlay, world.conf.nodes, node_now(n));
	overlay_start(&v->overlay, node_now(n));
}

/*
 * What both sides of a new link say first, as peerd/conn.c has it: only
 * counted, for nothing here depends on it.  A feeler does not tell who it is.
 * Books are well filled.
 */
static void
count_hello(enum overlay_why why)
{
	bool feeler = why == OVERLAY_FEELER;
	size_t sides = feeler ? 1 : 2;

	world.bytes[M_HELLO] += SHAKE_BYTES +
	    sides * (TALLY_RECORD + NODE_FRAME) +
	    4 * (PING_BYTES + NODE_FRAME) + WORD_BYTES + NODE_FRAME +
	    ASKS * TOLD_BYTES + NODE_FRAME;
}

static void
link_is_up(struct node *n, unsigned link, enum overlay_why why, uint32_t tag)
{
	uint32_t peer = n->links[link].peer;
	struct wire_addr a = view_addr_of(peer);

	n->book->odd[link] = 0;
	book_learn(n, peer);
	if (why != OVERLAY_THEIRS) {
		book_tried(n, peer, true);
		count_hello(why);
	}
	overlay_link_up(n->overlay, link, why, tag, &a, abook_group(&a.addr),
	    node_now(n));
	if (overlay_state(n->overlay, link) != OVERLAY_NONE)
		overlay_link_rtt(n->overlay, link,
		    (uint32_t)(2 * net_conn(n->links[link].conn)->lat_us));
	if (n->sync != NULL && n->links[link].conn != NET_NIL)
		sync_link_up(n, link);
	node_arm(n);
}

void
view_down(struct node *n, unsigned link)
{
	overlay_link_down(n->overlay, link, node_now(n));
	node_link_free(n, link);
}

void
view_ban(struct node *n, unsigned link)
{
	n->book->bans[n->book->n_bans++ % BANS] = n->links[link].peer + 1;
	net_close(n->links[link].conn, net_side(n->links[link].conn, n->id));
	view_down(n, link);
}

/* A link whose other end is gone, though nobody told us. */
static bool
is_stale(const struct node *n, unsigned link)
{
	const struct net_conn *c = net_conn(n->links[link].conn);

	return c->broken ||
	    !c->end[1 - net_side(n->links[link].conn, n->id)].open;
}

static bool
is_duplicate(struct node *n, uint32_t peer)
{
	int link = node_link_to(n, peer);

	if (link == -1)
		return false;
	if (!is_stale(n, (unsigned)link))
		return true;
	net_close(n->links[link].conn, net_side(n->links[link].conn, n->id));
	view_down(n, (unsigned)link);
	return false;
}

int
view_accept(uint32_t node, uint32_t from, uint32_t conn)
{
	struct node *n = &world.nodes[node];
	int link;

	if (n->hung || BUGGIFY(accept_full))
		return -1;
	if (book_is_banned(n, from) || is_duplicate(n, from))
		return -1;
	link = node_link_new(n, conn, from);
	if (link != -1) {
		net_conn(conn)->end[1].link = (uint16_t)link;
		link_is_up(n, (unsigned)link, OVERLAY_THEIRS, 0);
	}
	return link;
}

void
view_dialled(uint32_t node, uint32_t to, uint64_t tag, uint32_t conn)
{
	struct node *n = &world.nodes[node];
	int link = -1;

	if (!n->up || (n->life & 0xffff) != (tag >> 40 & 0xffff)) {
		if (conn != NET_NIL)
			net_close(conn, 0);
		return;
	}
	if (conn != NET_NIL && !n->hung && !is_duplicate(n, to))
		link = node_link_new(n, conn, to);
	if (link == -1) {
		book_tried(n, to, conn != NET_NIL);
		if (conn != NET_NIL)
			net_close(conn, 0);
		overlay_dial_failed(n->overlay, (uint32_t)tag, node_now(n));
		node_arm(n);
		return;
	}
	net_conn(conn)->end[0].link = (uint16_t)link;
	link_is_up(n, (unsigned)link, (enum overlay_why)(tag >> 32 & 0xff),
	    (uint32_t)tag);
}

/* --- roots, and a sync in one stroke --- */

/*
 * Stands for the tree's root at a tick: the sum of what the node has and was
 * born before the tick's records settled.
 */
static uint64_t
root_of(const struct node *n)
{
	int64_t settled = sim_now().us - SETTLE_US;
	uint64_t sum = n->sum, word;
	uint32_t i = world.n_updates;

	while (i > 0 && world.updates[i - 1].born_us > settled) {
		i--;
		if (!node_has(n, i))
			continue;
		memcpy(&word, world.updates[i].rid, sizeof(word));
		sum -= word;
	}
	return sum;
}

static void
say_root(struct node *n, unsigned link)
{
	struct ev *ev = node_send(n, link, M_ROOT, NODE_ROOT);

	if (ev == NULL)
		return;
	ev->n = 2;
	ev->u.q[0] = n->book->tick;
	ev->u.q[1] = n->book->root;
}

void
view_own_root(struct node *n, uint64_t tick, uint64_t root)
{
	overlay_own_root(n->overlay, tick, root, node_now(n));
}

void
view_roots(uint64_t tick)
{
	struct node *n;
	unsigned k;
	uint32_t i;

	for (i = 0; i < world.conf.nodes; i++) {
		n = &world.nodes[i];
		if (!n->up)
			continue;
		n->book->tick = tick;
		n->book->root = root_of(n);
		for (k = 0; k < n->n_links; k++)
			if (n->links[k].conn != NET_NIL)
				say_root(n, k);
		overlay_own_root(n->overlay, tick, n->book->root, node_now(n));
		node_arm(n);
	}
	sim_call(sim_now().us + TICK_S * SIM_S, view_roots, tick + 1);
}

/*
 * What a session does, without its bytes: after two ticks on which the
 * neighbour's root differed, all it has and we lack is here.
 */
static void
recon(struct node *n, unsigned link, struct ev *ev)
{
	const struct node *peer = &world.nodes[n->links[link].peer];
	bool news = sim_now().us - n->born_us > NEWCOMER_S * SIM_S;
	uint32_t i;

	if (ev->u.q[0] != n->book->tick || ev->u.q[1] == n->book->root) {
		n->book->odd[link] = 0;
		return;
	}
	if (++n->book->odd[link] < 2)
		return;
	n->book->odd[link] = 0;
	for (i = 0; i < world.n_updates; i++)
		if (node_has(peer, i) && !node_has(n, i))
			node_synced(n, link, i, news);
}

static void
on_root(struct node *n, unsigned link, struct ev *ev)
{
	bool active = n->links[link].slot < NODE_SLOTS;

	overlay_on_root(n->overlay, link, ev->u.q[0], ev->u.q[1], node_now(n));
	if (world.conf.recon && active && n->links[link].conn != NET_NIL)
		recon(n, link, ev);
}

/* --- messages --- */

static void
on_addr(struct node *n, const struct ev *ev)
{
	const uint32_t *nodes = ev->u.p;
	unsigned i;

	for (i = 0; i < OVERLAY_GIVE; i++)
		book_learn(n, nodes[i]);
}

void
view_message(struct node *n, unsigned link, struct ev *ev)
{
	struct mono now = node_now(n);
	struct wire_addr a;

	overlay_heard(n->overlay, link, now);
	switch (ev->type) {
	case M_JOIN:
		a = view_addr_of(ev->b);
		(void)overlay_on_join(n->overlay, link, (unsigned)ev->arg, &a,
		    now);
		break;
	case M_NEIGHBOR:
		(void)overlay_on_neighbor(n->overlay, link, ev->b, now);
		break;
	case M_DISCONNECT:
		(void)overlay_on_disconnect(n->overlay, link, ev->b, now);
		break;
	case M_SWAP:
		a = view_addr_of(ev->b);
		(void)overlay_on_swap(n->overlay, link, &a, now);
		break;
	case M_PING:
		(void)node_send(n, link, M_PONG, PING_BYTES);
		break;
	case M_ADDR:
		on_addr(n, ev);
		break;
	case M_ROOT:
		on_root(n, link, ev);
		break;
	default:
		break;
	}
}
