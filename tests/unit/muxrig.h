/* SPDX-License-Identifier: ISC */
/*
 * Muxes with apps whose pipes are memory, and a peerd between two of them
 * that delivers when it is told to.
 */
#ifndef WARREN_MUXRIG_H
#define WARREN_MUXRIG_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appd/mux.h"

#define RIG_APPS   8
#define RIG_ENDS   64
#define RIG_LIMIT  (128u << 10) /* of what waits for an app */
#define RIG_EVENTS 4096

enum rig_kind {
	RIG_OPEN,
	RIG_OPENED,
	RIG_REFUSED,
	RIG_OFFER,
	RIG_ACCEPT,
	RIG_DATA,
	RIG_GRANT,
	RIG_CLOSE
};

/* A message on its way between the two nodes. */
struct rig_event {
	enum rig_kind kind;
	unsigned to;     /* which node */
	uint32_t stream; /* as that node calls it */
	struct app_addr addr;
	uint16_t port;
	uint32_t n;
	uint8_t *bytes;
	char text[LOOP_TEXT];
};

struct rig_app {
	uint8_t *out; /* what the mux wrote */
	size_t len, read;
	uint8_t *in; /* what the mux has not taken */
	size_t in_len;
	bool resumed;
	bool gone; /* it sent what is no packet */
};

struct rig_node {
	struct mux m;
	struct mux_app apps[RIG_APPS];
	struct mux_end ends[RIG_ENDS];
	struct mux_end *by_addr[64], *by_stream[64];
	struct ports ports;
	struct rig_app pipes[RIG_APPS];
	struct rig_net *net;
	unsigned index;
	bool net_full;
};

struct rig_net {
	struct rig_node node[2];
	struct rig_event ev[RIG_EVENTS];
	size_t head, tail;
	/* stream of node i -> stream of the other; minted by one of them */
	uint32_t twin[2][4096];
	uint32_t next_ours;
	size_t chunks; /* lent */
	bool no_memory;
	struct mono now;
};

static uint32_t
rig_slot(uint32_t stream)
{
	return (stream & 0x7ff) | (stream >= LOOP_OURS ? 0x800 : 0);
}

static inline struct fifo_chunk *
rig_get(void *ctx)
{
	struct rig_net *net = ctx;

	if (net->no_memory)
		return NULL;
	net->chunks++;
	return malloc(sizeof(struct fifo_chunk));
}

static inline void
rig_put(void *ctx, struct fifo_chunk *c)
{
	struct rig_net *net = ctx;

	net->chunks--;
	free(c);
}

static inline uint8_t *
rig_room(void *ctx, unsigned app, size_t need, bool must)
{
	struct rig_node *nd = ctx;
	struct rig_app *a = &nd->pipes[app];
	size_t waiting = a->len - a->read;

	if (waiting + need > RIG_LIMIT + (must ? MUX_OWED : 0)) {
		assert(!must);
		return NULL;
	}
	a->out = realloc(a->out, a->len + need);
	return a->out + a->len;
}

static inline void
rig_wrote(void *ctx, unsigned app, size_t n)
{
	((struct rig_node *)ctx)->pipes[app].len += n;
}

static inline void
rig_resume(void *ctx, unsigned app)
{
	((struct rig_node *)ctx)->pipes[app].resumed = true;
}

static inline bool
rig_net_up(void *ctx)
{
	return ((struct rig_node *)ctx)->net != NULL;
}

static inline bool
rig_net_full(void *ctx)
{
	return ((struct rig_node *)ctx)->net_full;
}

static inline struct rig_event *
rig_post(struct rig_node *nd, enum rig_kind kind, uint32_t stream)
{
	struct rig_net *net = nd->net;
	struct rig_event *e = &net->ev[net->tail++ % RIG_EVENTS];

	assert(net->tail - net->head <= RIG_EVENTS);
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->to = 1 - nd->index;
	e->stream = net->twin[nd->index][rig_slot(stream)];
	return e;
}

static inline void
rig_open(void *ctx, uint32_t stream, const struct app_addr *to, uint16_t from,
    uint32_t window)
{
	struct rig_node *nd = ctx;
	struct rig_net *net = nd->net;
	uint32_t ours = LOOP_OURS | (net->next_ours++ & 0x7ff);
	struct rig_event *e;

	(void)window;
	net->twin[nd->index][rig_slot(stream)] = ours;
	net->twin[1 - nd->index][rig_slot(ours)] = stream;
	e = rig_post(nd, RIG_OFFER, stream);
	memcpy(e->addr.pk, nd->m.conf.id, 32);
	e->addr.port = from;
	e->port = to->port;
}

static inline void
rig_accept(void *ctx, uint32_t stream, uint32_t window)
{
	(void)window;
	(void)rig_post(ctx, RIG_OPENED, stream);
}

static inline void
rig_refuse(void *ctx, uint32_t stream, const char *text)
{
	struct rig_event *e = rig_post(ctx, RIG_REFUSED, stream);

	(void)snprintf(e->text, sizeof(e->text), "%s", text);
}

static inline void
rig_data(void *ctx, uint32_t stream, const uint8_t *p, size_t n)
{
	struct rig_event *e = rig_post(ctx, RIG_DATA, stream);

	assert(n > 0 && n <= LOOP_DATA_MAX);
	e->bytes = malloc(n);
	memcpy(e->bytes, p, n);
	e->n = (uint32_t)n;
}

static inline void
rig_grant(void *ctx, uint32_t stream, uint32_t n)
{
	rig_post(ctx, RIG_GRANT, stream)->n = n;
}

static inline void
rig_close(void *ctx, uint32_t stream, enum loop_end why)
{
	rig_post(ctx, RIG_CLOSE, stream)->n = why;
}

/*
 * Deliver the oldest message.  A real peerd has credit of its own on each hop:
 * here the far window is the only one, and equals LOOP_HOP_WINDOW.
 */
static inline bool
rig_deliver(struct rig_net *net)
{
	struct rig_event *e;
	struct mux *m;
	bool good = true;

	if (net->head == net->tail)
		return false;
	e = &net->ev[net->head++ % RIG_EVENTS];
	m = &net->node[e->to].m;
	switch (e->kind) {
	case RIG_OFFER:
		mux_net_offer(m, e->stream, &e->addr, e->port, false, net->now);
		break;
	case RIG_OPENED:
		mux_net_opened(m, e->stream, false, net->now);
		break;
	case RIG_REFUSED:
		mux_net_refused(m, e->stream, e->text);
		break;
	case RIG_DATA:
		good = mux_net_data(m, e->stream, e->bytes, e->n);
		free(e->bytes);
		break;
	case RIG_GRANT:
		mux_net_grant(m, e->stream, e->n, net->now);
		break;
	case RIG_CLOSE:
		mux_net_closed(m, e->stream, (enum loop_end)e->n);
		break;
	default:
		break;
	}
	assert(good);
	return true;
}

static inline void
rig_settle(struct rig_net *net)
{
	while (rig_deliver(net))
		continue;
}

static inline struct rig_net *
rig_new(void)
{
	static const uint8_t key[16] = "a key of 16 byte";
	struct mux_ops ops = { .room = rig_room,
		.wrote = rig_wrote,
		.resume = rig_resume,
		.net_up = rig_net_up,
		.net_full = rig_net_full,
		.open = rig_open,
		.accept = rig_accept,
		.refuse = rig_refuse,
		.data = rig_data,
		.grant = rig_grant,
		.close = rig_close };
	struct rig_net *net = calloc(1, sizeof(*net));
	struct msg_appd_config c = { .conns_max = RIG_APPS,
		.loops_max = RIG_ENDS,
		.loops_per_app = 24,
		.window = LOOP_HOP_WINDOW,
		.window_max = 4 * LOOP_HOP_WINDOW,
		.app_bytes = 64u << 20,
		.confirm_ms = 20000 };
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct rig_node *nd = &net->node[i];
		struct mux_memory mem = { nd->apps, RIG_APPS, nd->ends,
			RIG_ENDS, nd->by_addr, nd->by_stream, 64, &nd->ports,
			{ rig_get, rig_put, net } };

		nd->net = net;
		nd->index = i;
		ops.ctx = nd;
		mux_init(&nd->m, &mem, &ops, key);
		memset(c.id, 0xa0 + (int)i, sizeof(c.id));
		mux_configure(&nd->m, &c);
	}
	return net;
}

static inline void
rig_free(struct rig_net *net)
{
	unsigned i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < RIG_APPS; j++)
			mux_detach(&net->node[i].m, j, net->now);
	rig_settle(net);
	net->now = mono_add_ms(net->now, MUX_DRAIN_MS + 1);
	for (i = 0; i < 2; i++)
		mux_tick(&net->node[i].m, net->now);
	rig_settle(net);
	for (i = 0; i < 2; i++) {
		assert(net->node[i].m.n_ends == 0);
		assert(net->node[i].m.n_apps == 0);
		assert(net->node[i].ports.n == 0);
		for (j = 0; j < RIG_APPS; j++) {
			free(net->node[i].pipes[j].out);
			free(net->node[i].pipes[j].in);
		}
	}
	assert(net->chunks == 0);
	free(net);
}

/* Bytes from an app; what is not taken is kept and comes again. */
static inline void
rig_feed(struct rig_node *nd, unsigned app, const void *bytes, size_t n)
{
	struct rig_app *a = &nd->pipes[app];
	ssize_t used;

	if (a->gone)
		return;
	a->in = realloc(a->in, a->in_len + n + 1);
	if (n > 0)
		memcpy(a->in + a->in_len, bytes, n);
	a->in_len += n;
	a->resumed = false;
	used = mux_input(&nd->m, app, a->in, a->in_len, nd->net->now);
	if (used == -1) {
		a->gone = true;
		mux_detach(&nd->m, app, nd->net->now);
		return;
	}
	a->in_len -= (size_t)used;
	memmove(a->in, a->in + used, a->in_len);
}

static inline void
rig_packet(struct rig_node *nd, unsigned app, uint8_t type, uint8_t id,
    const char *body)
{
	uint8_t buf[PACKET_MAX];
	size_t n = packet_put(buf, sizeof(buf), type, id, body, strlen(body));

	assert(n > 0);
	rig_feed(nd, app, buf, n);
}

/* The next packet for an app.  False when there is none. */
static inline bool
rig_next(struct rig_node *nd, unsigned app, struct packet *p)
{
	struct rig_app *a = &nd->pipes[app];
	int n = packet_next(a->out + a->read, a->len - a->read, p);

	assert(n >= 0);
	a->read += (size_t)n;
	return n > 0;
}

/* The same, and the mux hears that there is room again. */
static inline bool
rig_take(struct rig_node *nd, unsigned app, struct packet *p)
{
	static uint8_t copy[PACKET_MAX];
	bool got = rig_next(nd, app, p);

	if (got) {
		/* The next answer may move the buffer. */
		memcpy(copy, p->body, p->body_len);
		p->body = copy;
		mux_drained(&nd->m, app);
	}
	if (nd->pipes[app].resumed)
		rig_feed(nd, app, NULL, 0);
	return got;
}

static inline void
rig_expect(struct rig_node *nd, unsigned app, uint8_t type, uint8_t id,
    const char *body)
{
	struct packet p;

	if (!rig_take(nd, app, &p)) {
		fprintf(stderr, "nothing for app %u, want %02x %s\n", app, type,
		    body);
		abort();
	}
	if (p.type != type || p.id != id || p.body_len != strlen(body) ||
	    memcmp(p.body, body, p.body_len) != 0) {
		fprintf(stderr,
		    "app %u: got %02x %02x %.*s\n  want %02x %02x "
		    "%s\n",
		    app, p.type, p.id, (int)p.body_len, p.body, type, id, body);
		abort();
	}
}

static inline void
rig_silent(struct rig_node *nd, unsigned app)
{
	struct packet p;

	if (rig_next(nd, app, &p)) {
		fprintf(stderr, "app %u: got %02x %02x %.*s, want nothing\n",
		    app, p.type, p.id, (int)p.body_len, p.body);
		abort();
	}
}

/* An app of the configuration that was launched and said Init. */
static inline unsigned
rig_start(struct rig_node *nd, unsigned slot, const char *name, uint16_t port)
{
	struct mux_entry e = { .used = true, .port = port };
	char body[256];
	int app;

	(void)snprintf(e.name, sizeof(e.name), "%s", name);
	(void)snprintf(e.version, sizeof(e.version), "1.0");
	mux_set_entry(&nd->m, slot, &e);
	app = mux_attach(&nd->m, (int)slot, slot + 1, 100 + slot, 0,
	    nd->net->now);
	assert(app >= 0);
	free(nd->pipes[app].out);
	free(nd->pipes[app].in);
	memset(&nd->pipes[app], 0, sizeof(nd->pipes[app]));
	(void)snprintf(body, sizeof(body),
	    "{\"app-name\":\"%s\",\"app-version\":\"1.0\","
	    "\"protocol-version\":\"0.0.1\"}",
	    name);
	rig_packet(nd, (unsigned)app, PACKET_INIT, 0, body);
	rig_expect(nd, (unsigned)app, PACKET_SUCCESS, 0, "null");
	return (unsigned)app;
}

#endif
