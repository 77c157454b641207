/* SPDX-License-Identifier: ISC */
/*
 * The network, as promised in net.h.
 */
#include "tests/sim/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/fault.h"

#define KM_PER_MS    200.0 /* light in fibre */
#define DETOUR       1.3   /* cables are not great circles */
#define LAST_MIN_US  1000
#define LAST_MAX_US  9000
#define CONNS_EACH   64 /* for each host; untouched room is free */
#define LAN_US       150
#define RTO_MIN_US   200000
#define DIAL_FAIL_US 3000000 /* nobody answers */
#define SLOW_US      2000000

static const struct {
	const char *name;
	double lat, lon;
} cities[] = {
	{ "New York", 40.7, -74.0 },
	{ "San Francisco", 37.8, -122.4 },
	{ "Chicago", 41.9, -87.6 },
	{ "Dallas", 32.8, -96.8 },
	{ "Toronto", 43.7, -79.4 },
	{ "Sao Paulo", -23.5, -46.6 },
	{ "London", 51.5, -0.1 },
	{ "Frankfurt", 50.1, 8.7 },
	{ "Paris", 48.9, 2.4 },
	{ "Stockholm", 59.3, 18.1 },
	{ "Warsaw", 52.2, 21.0 },
	{ "Madrid", 40.4, -3.7 },
	{ "Mumbai", 19.1, 72.9 },
	{ "Singapore", 1.4, 103.8 },
	{ "Tokyo", 35.7, 139.7 },
	{ "Hong Kong", 22.3, 114.2 },
	{ "Sydney", -33.9, 151.2 },
	{ "Johannesburg", -26.2, 28.0 },
};

#define CITIES (sizeof(cities) / sizeof(cities[0]))

struct host {
	uint8_t city, part;
	bool up;
	uint16_t last_us;      /* last mile */
	int64_t out_us, in_us; /* when its lines are free */
};

static struct {
	struct net_conf conf;
	struct net_ops ops;
	struct host *hosts;
	uint32_t n;
	struct net_conn *conns;
	uint32_t n_conns, cap, free;
	struct rng rng;
	int64_t between[CITIES][CITIES];
} net;

static double
km(size_t a, size_t b)
{
	const double rad = 3.14159265358979323846 / 180.0;
	double la = cities[a].lat * rad, lb = cities[b].lat * rad;
	double d = (cities[a].lon - cities[b].lon) * rad;
	double c = sin(la) * sin(lb) + cos(la) * cos(lb) * cos(d);

	return 6371.0 * acos(c > 1.0 ? 1.0 : c);
}

static void
measure(void)
{
	size_t a, b;

	for (a = 0; a < CITIES; a++)
		for (b = 0; b < CITIES; b++)
			net.between[a][b] = a == b
			    ? 500
			    : (int64_t)(km(a, b) * DETOUR / KM_PER_MS * 1000);
}

static void on_msg(struct ev *ev);
static void on_dial(struct ev *ev);
static void on_down(struct ev *ev);

void
net_init(uint32_t n, const struct net_conf *conf, const struct net_ops *ops)
{
	uint32_t i;

	memset(&net, 0, sizeof(net));
	net.conf = *conf;
	net.ops = *ops;
	net.n = n;
	net.free = NET_NIL;
	net.hosts = sim_alloc(n, sizeof(*net.hosts));
	net.cap = n * CONNS_EACH;
	net.conns = sim_big(SIM_BIG(net.cap * sizeof(*net.conns)));
	rng_init(&net.rng, sim_seed(), UINT64_C(1) << 40);
	measure();
	for (i = 0; i < n; i++) {
		net.hosts[i].city = (uint8_t)rng_below(&net.rng, CITIES);
		net.hosts[i].last_us = (uint16_t)(LAST_MIN_US +
		    rng_below(&net.rng, LAST_MAX_US - LAST_MIN_US));
	}
	sim_handle(EV_MSG, on_msg);
	sim_handle(EV_DIAL, on_dial);
	sim_handle(EV_DOWN, on_down);
}

void
net_fini(void)
{
	free(net.hosts);
	sim_big_free(net.conns, SIM_BIG(net.cap * sizeof(*net.conns)));
}

struct net_conf *
net_conf(void)
{
	return &net.conf;
}

unsigned
net_city(uint32_t node)
{
	return net.hosts[node].city;
}

int64_t
net_latency(uint32_t a, uint32_t b)
{
	const struct host *x = &net.hosts[a], *y = &net.hosts[b];

	if (net.conf.lan)
		return LAN_US;
	return net.between[x->city][y->city] + x->last_us + y->last_us;
}

bool
net_is_up(uint32_t node)
{
	return net.hosts[node].up;
}

void
net_host_up(uint32_t node)
{
	net.hosts[node].up = true;
	net.hosts[node].out_us = net.hosts[node].in_us = 0;
}

void
net_part(uint32_t node, uint8_t part)
{
	net.hosts[node].part = part;
}

static bool
hears(uint32_t a, uint32_t b)
{
	return net.hosts[a].part == net.hosts[b].part;
}

/* --- connections --- */

struct net_conn *
net_conn(uint32_t conn)
{
	return &net.conns[conn];
}

unsigned
net_side(uint32_t conn, uint32_t node)
{
	return net.conns[conn].end[0].node == node ? 0 : 1;
}

static uint32_t
conn_new(void)
{
	uint32_t i = net.free;

	if (i != NET_NIL) {
		net.free = net.conns[i].next_free;
		return i;
	}
	if (net.n_conns == net.cap)
		sim_die("too many connections at a time");
	memset(&net.conns[net.n_conns], 0, sizeof(*net.conns));
	return net.n_conns++;
}

static void
conn_free(uint32_t i)
{
	struct net_conn *c = &net.conns[i];

	c->gen++;
	c->used = false;
	c->next_free = net.free;
	net.free = i;
}

static uint32_t
conn_make(uint32_t a, uint32_t b)
{
	uint32_t i = conn_new();
	struct net_conn *c = &net.conns[i];
	uint16_t gen = c->gen;

	memset(c, 0, sizeof(*c));
	c->gen = gen;
	c->used = true;
	c->lat_us = net_latency(a, b);
	c->end[0] = (struct net_end){ .node = a, .open = true };
	c->end[1] = (struct net_end){ .node = b, .open = true };
	return i;
}

uint32_t
net_connect(uint32_t a, unsigned link_a, uint32_t b, unsigned link_b)
{
	uint32_t i = conn_make(a, b);

	net.conns[i].end[0].link = (uint16_t)link_a;
	net.conns[i].end[1].link = (uint16_t)link_b;
	return i;
}

void
net_dial(uint32_t node, uint32_t to, uint64_t tag)
{
	int64_t rtt = 2 * net_latency(node, to);
	bool ok = net.hosts[to].up && hears(node, to) && !BUGGIFY(dial_lost);
	struct ev *ev;

	/* TCP, then three messages of Noise XX: the dialler's last word. */
	ev = sim_add(sim_now().us + (ok ? rtt * 5 / 2 + 1000 : DIAL_FAIL_US),
	    EV_DIAL);
	ev->a = node;
	ev->b = to;
	ev->n = ok;
	ev->arg = tag;
}

static void
on_dial(struct ev *ev)
{
	uint32_t from = ev->a, to = ev->b, i;
	int link;

	if (!net.hosts[from].up)
		return;
	if (!ev->n || !net.hosts[to].up || !hears(from, to)) {
		net.ops.dialled(from, to, ev->arg, NET_NIL);
		return;
	}
	i = conn_make(from, to);
	link = net.ops.accept(to, from, i);
	if (link == -1) {
		conn_free(i);
		net.ops.dialled(from, to, ev->arg, NET_NIL);
		return;
	}
	net.conns[i].end[1].link = (uint16_t)link;
	net.ops.dialled(from, to, ev->arg, i);
}

/* --- messages --- */

static int64_t
jitter(const struct net_conn *c)
{
	if (net.conf.lan)
		return (int64_t)rng_below(&net.rng, 100);
	return (int64_t)rng_below(&net.rng, (uint32_t)(c->lat_us / 10 + 500));
}

/* The end of so many bytes on a line that is free at *free_us. */
static int64_t
through(int64_t *free_us, size_t bytes, uint32_t rate)
{
	if (*free_us < sim_now().us)
		*free_us = sim_now().us;
	*free_us += (int64_t)(bytes * 1000000 / rate);
	return *free_us;
}

int64_t
net_room_us(uint32_t conn, unsigned side)
{
	if (net.conf.up == 0)
		return 0;
	return net.conns[conn].end[side].out_us -
	    (int64_t)NET_ROOM * 1000000 / net.conf.up;
}

/* When what leaves then arrives: after all that was sent before. */
static int64_t
arrival(struct net_conn *c, struct net_end *to, int64_t leaves_us)
{
	int64_t at = leaves_us + c->lat_us + jitter(c) + net.conf.hop_us;

	if (BUGGIFY(slow_link))
		at += rng_below(&net.rng, SLOW_US);
	if (net.conf.stall > 0 && rng_real(&net.rng) < net.conf.stall)
		at +=
		    (2 * c->lat_us > RTO_MIN_US ? 2 * c->lat_us : RTO_MIN_US) +
		    2 * c->lat_us;
	if (at <= to->last_us)
		at = to->last_us + 1;
	to->last_us = at;
	return at;
}

static bool
is_lost(struct net_conn *c)
{
	if (!hears(c->end[0].node, c->end[1].node) ||
	    !net.hosts[c->end[0].node].up || !net.hosts[c->end[1].node].up)
		c->broken = true;
	return c->broken;
}

struct ev *
net_send(uint32_t conn, unsigned side, size_t bytes)
{
	struct net_conn *c = &net.conns[conn];
	struct net_end *to = &c->end[1 - side], *from = &c->end[side];
	int64_t leaves_us = sim_now().us;
	struct ev *ev;

	bytes += NET_FRAME;
	if (net.conf.up > 0)
		from->out_us = leaves_us =
		    through(&net.hosts[from->node].out_us, bytes, net.conf.up);
	if (is_lost(c) || !to->open)
		return NULL;
	ev = sim_add(arrival(c, to, leaves_us), EV_MSG);
	ev->a = conn;
	ev->gen = c->gen;
	ev->side = (uint8_t)(1 - side);
	ev->size = (uint32_t)bytes;
	return ev;
}

/* It reached the receiver's line down, and waits when that is busy. */
static bool
waits(struct ev *ev, uint32_t node)
{
	struct host *h = &net.hosts[node];
	uint32_t size = ev->size;
	struct ev *later;

	/* What ends a connection comes after what was said on it. */
	if (net.conf.down == 0 || (size == 0 && ev->kind == EV_MSG) ||
	    (ev->kind == EV_DOWN && (ev->n > 0 || h->in_us <= sim_now().us)))
		return false;
	ev->size = 0;
	ev->n = ev->kind == EV_DOWN ? 1 : ev->n; /* once is enough */
	later = sim_add(through(&h->in_us, size, net.conf.down),
	    (enum ev_kind)ev->kind);
	*later = *ev;
	return true;
}

static void
on_msg(struct ev *ev)
{
	struct net_conn *c = &net.conns[ev->a];
	struct net_end *to = &c->end[ev->side];

	if (c->gen == ev->gen && to->open && !is_lost(c)) {
		if (waits(ev, to->node))
			return;
		net.ops.message(to->node, to->link, ev);
	}
	if (ev->blob > 0)
		sim_blob_free(ev->u.p, ev->blob);
}

static void
end_closed(uint32_t conn, unsigned side)
{
	net.conns[conn].end[side].open = false;
	if (!net.conns[conn].end[1 - side].open)
		conn_free(conn);
}

/* The end comes after what is still in the queue. */
static int64_t
last_word(const struct net_conn *c, unsigned side)
{
	int64_t now = sim_now().us;

	return c->end[side].out_us > now ? c->end[side].out_us : now;
}

void
net_close(uint32_t conn, unsigned side)
{
	struct net_conn *c = &net.conns[conn];
	struct ev *ev;

	if (!c->end[side].open)
		return;
	if (c->end[1 - side].open && !is_lost(c)) {
		ev = sim_add(arrival(c, &c->end[1 - side], last_word(c, side)),
		    EV_DOWN);
		ev->a = conn;
		ev->gen = c->gen;
		ev->side = (uint8_t)(1 - side);
	}
	end_closed(conn, side);
}

static void
on_down(struct ev *ev)
{
	struct net_conn *c = &net.conns[ev->a];
	struct net_end to;

	if (c->gen != ev->gen || !c->end[ev->side].open ||
	    waits(ev, c->end[ev->side].node))
		return;
	to = c->end[ev->side];
	end_closed(ev->a, ev->side);
	net.ops.down(to.node, to.link);
}

void
net_host_down(uint32_t node, bool rst)
{
	struct net_conn *c;
	struct ev *ev;
	uint32_t i;
	unsigned s;

	for (i = 0; i < net.n_conns; i++) {
		c = &net.conns[i];
		if (!c->used)
			continue;
		for (s = 0; s < 2; s++) {
			if (c->end[s].node != node || !c->end[s].open)
				continue;
			if (rst && c->end[1 - s].open && !is_lost(c)) {
				ev = sim_add(
				    arrival(c, &c->end[1 - s], sim_now().us),
				    EV_DOWN);
				ev->a = i;
				ev->gen = c->gen;
				ev->side = (uint8_t)(1 - s);
			}
			end_closed(i, s);
			break;
		}
	}
	net.hosts[node].up = false;
}
