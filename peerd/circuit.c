/* SPDX-License-Identifier: ISC */
/*
 * The ends of circuits.  Over a circuit two nodes speak as over a socket:
 * the same handshake, certificates, frames and credit, so whoever relays it
 * reads nothing and can alter nothing.  To such a connection a circuit is a
 * socket: circuit_read() and circuit_write() fail and succeed as read(2) and
 * write(2) do on one that does not block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/flow.h"

#define WINDOW STREAM_HOLD

struct circuit {
	bool used, over;
	bool inbound;     /* they asked for it */
	bool full;        /* the connection waits for room */
	uint32_t stream;  /* STREAM_NONE when it has ended */
	struct conn *c;   /* what runs over it, or NULL */
	uint8_t via[32];  /* the node whose link it is on */
	uint8_t node[32]; /* whom we asked for */
	uint8_t *buf;     /* what came and was not read, a ring of WINDOW */
	uint32_t head, len;
	uint32_t owed; /* read, not granted */
	struct mono since;
	uint64_t bytes_in, bytes_out; /* as the relay counts them */
};

static struct circuit circuits[CIRCUITS_MAX];
static uint32_t n_circuits, n_refused;

/* Circuits that others opened; refused for want of a place of that kind. */
struct shares {
	uint32_t in, via, shakes;
};
static struct shares refused;

static struct circuit *
circuit_new(struct conn *via)
{
	size_t i;

	for (i = 0; i < CIRCUITS_MAX && circuits[i].used; i++)
		;
	if (i == CIRCUITS_MAX) {
		n_refused++;
		return NULL;
	}
	memset(&circuits[i], 0, sizeof(circuits[i]));
	circuits[i].used = true;
	circuits[i].stream = STREAM_NONE;
	circuits[i].since = mono_now();
	memcpy(circuits[i].via, via->id, 32);
	n_circuits++;
	return &circuits[i];
}

static void
circuit_free(struct circuit *ct)
{
	free(ct->buf);
	ct->buf = NULL;
	ct->used = false;
	n_circuits--;
}

static struct circuit *
circuit_of(const struct stream *s)
{
	return s->tag == STREAM_NONE ? NULL : &circuits[s->tag];
}

static void
tie(struct circuit *ct, struct stream *s)
{
	ct->stream = flow_index(s);
	s->tag = (uint32_t)(ct - circuits);
}

static struct stream *
stream_of(const struct circuit *ct)
{
	return ct->stream == STREAM_NONE ? NULL : flow_stream(ct->stream);
}

const uint8_t *
circuit_via(const struct circuit *ct)
{
	return ct->via;
}

/* --- as a socket --- */

static void
wake_reader(struct circuit *ct)
{
	if (ct->c != NULL && ct->c->ev_read != NULL)
		event_active(ct->c->ev_read, EV_READ, 1);
}

static void
wake_writer(struct circuit *ct)
{
	if (ct->c != NULL && ct->c->ev_write != NULL)
		event_active(ct->c->ev_write, EV_WRITE, 1);
}

static void
copy_out(struct circuit *ct, uint8_t *p, uint32_t n)
{
	uint32_t first = WINDOW - ct->head < n ? WINDOW - ct->head : n;

	memcpy(p, ct->buf + ct->head, first);
	memcpy(p + first, ct->buf, n - first);
	ct->head = (ct->head + n) % WINDOW;
	ct->len -= n;
	if (ct->len > 0)
		return;
	free(ct->buf);
	ct->buf = NULL;
	ct->head = 0;
}

ssize_t
circuit_read(struct circuit *ct, void *p, size_t n)
{
	struct stream *s = stream_of(ct);

	if (ct->len == 0) {
		errno = EAGAIN;
		return ct->over ? 0 : -1;
	}
	if (n > ct->len)
		n = ct->len;
	copy_out(ct, p, (uint32_t)n);
	ct->owed += (uint32_t)n;
	if (s != NULL && ct->owed >= WINDOW / 4) {
		flow_grant(flow_conn(s), s, ct->owed);
		ct->owed = 0;
	}
	if (ct->len > 0 || ct->over)
		wake_reader(ct);
	return (ssize_t)n;
}

ssize_t
circuit_write(struct circuit *ct, const void *p, size_t n)
{
	struct stream *s = stream_of(ct);
	const uint8_t *at = p;
	size_t did = 0, part;

	if (s == NULL) {
		errno = EPIPE;
		return -1;
	}
	while (did < n && s->len < STREAM_HOLD) {
		part = n - did < STREAM_HOLD - s->len ? n - did
						      : STREAM_HOLD - s->len;
		if (part > WIRE_DATA_MAX)
			part = WIRE_DATA_MAX;
		if (!flow_push(flow_conn(s), s, at + did, (uint32_t)part))
			break;
		did += part;
	}
	ct->bytes_out += did;
	if (did > 0)
		return (ssize_t)did;
	errno = EAGAIN;
	return -1;
}

void
circuit_await_room(struct circuit *ct)
{
	const struct stream *s = stream_of(ct);

	if (s != NULL && s->len == STREAM_HOLD)
		ct->full = true;
	else
		wake_writer(ct);
}

/* The connection has ended. */
void
circuit_left(struct circuit *ct)
{
	struct stream *s = stream_of(ct);

	ct->c = NULL;
	if (s != NULL) {
		s->tag = STREAM_NONE;
		flow_end(flow_conn(s), s, LOOP_END_CLOSED);
	}
	circuit_free(ct);
}

/* --- as a stream --- */

static void
circuit_opened(struct conn *c, struct stream *s)
{
	struct dial_why why = { .kind = DIAL_LOOP, .has_key = true };
	struct circuit *ct = circuit_of(s);

	(void)c;
	if (ct == NULL)
		return;
	memcpy(why.key, ct->node, 32);
	conn_start_circuit(ct, &ct->c, &why);
}

static void
circuit_refused(struct conn *c, struct stream *s, uint8_t code,
    const char *text)
{
	struct circuit *ct = circuit_of(s);
	uint8_t node[32];

	(void)c;
	s->tag = STREAM_NONE;
	if (ct == NULL)
		return;
	memcpy(node, ct->node, 32);
	circuit_free(ct);
	route_refused(node, code, text);
}

static void
circuit_data(struct conn *c, struct stream *s, const uint8_t *p, uint32_t n)
{
	struct circuit *ct = circuit_of(s);
	uint32_t at, first;

	if (ct == NULL)
		return;
	/* Credit keeps it within the window; memory may fail. */
	if (n > WINDOW - ct->len ||
	    (ct->buf == NULL && (ct->buf = malloc(WINDOW)) == NULL)) {
		ct->stream = s->tag = STREAM_NONE;
		ct->over = true;
		wake_reader(ct);
		flow_end(c, s, LOOP_END_ERROR);
		return;
	}
	at = (ct->head + ct->len) % WINDOW;
	first = WINDOW - at < n ? WINDOW - at : n;
	memcpy(ct->buf + at, p, first);
	memcpy(ct->buf, p + first, n - first);
	ct->len += n;
	ct->bytes_in += n;
	wake_reader(ct);
}

static void
circuit_granted(struct conn *c, struct stream *s, uint32_t n)
{
	(void)c;
	(void)s;
	(void)n;
}

static void
circuit_gone(struct conn *c, struct stream *s, uint32_t n)
{
	struct circuit *ct = circuit_of(s);

	(void)c;
	(void)n;
	if (ct == NULL || !ct->full)
		return;
	ct->full = false;
	wake_writer(ct);
}

static void
circuit_closed(struct conn *c, struct stream *s, uint8_t why)
{
	struct circuit *ct = circuit_of(s);

	(void)c;
	if (ct == NULL)
		return;
	if (ct->c == NULL) {
		circuit_refused(c, s, WIRE_NO_OTHER, "circuit closed");
		return;
	}
	s->tag = ct->stream = STREAM_NONE;
	ct->over = true;
	ct->c->flow_why =
	    why == LOOP_END_LIMIT ? LOOP_END_LIMIT : LOOP_END_LOST;
	wake_reader(ct);
}

const struct flow_ops circuit_ops = { circuit_opened, circuit_refused,
	circuit_data, circuit_granted, circuit_gone, circuit_closed };

/* What others have opened, by way of this node where it says so. */
static struct shares
shares_of(const uint8_t via[32])
{
	struct shares n = { 0 };
	const struct circuit *ct;

	for (ct = circuits; ct < circuits + CIRCUITS_MAX; ct++) {
		if (!ct->used || !ct->inbound)
			continue;
		n.in++;
		if (memcmp(ct->via, via, 32) != 0)
			continue;
		n.via++;
		n.shakes += ct->c == NULL || ct->c->state != CONN_UP;
	}
	return n;
}

/*
 * Who is behind a circuit shows only after the handshake, so a neighbour can
 * open any number in the names of others.  He must not take all: some places
 * are for those who come by way of somebody else, and some for our own.
 */
static bool
may_come(const struct conn *via)
{
	const struct shares n = shares_of(via->id);
	const bool in = n.in < CIRCUITS_IN, by = n.via < CIRCUITS_VIA,
		   shakes = n.shakes < CIRCUITS_SHAKES;

	refused.in += !in;
	refused.via += !by;
	refused.shakes += !shakes;
	return in && by && shakes;
}

void
circuits_offer(struct conn *c, struct stream *s)
{
	struct circuit *ct;

	s->tag = STREAM_NONE;
	if (!loops_are_served()) {
		flow_refuse(c, s, WIRE_NO_SERVICE, "no apps there");
		return;
	}
	if (!may_come(c) || (ct = circuit_new(c)) == NULL) {
		flow_refuse(c, s, WIRE_NO_LIMIT, "too many circuits there");
		return;
	}
	ct->inbound = true;
	tie(ct, s);
	flow_accept(c, s, WINDOW);
	conn_start_circuit(ct, &ct->c, NULL);
}

bool
circuit_open(struct conn *via, const uint8_t *path, size_t n,
    const uint8_t node[32])
{
	uint8_t buf[16 + WIRE_PATH_MAX * WIRE_KEY_STEP];
	struct circuit *ct = circuit_new(via);
	struct stream *s;
	struct wr w;

	if (ct == NULL)
		return false;
	s = flow_ask(via, FLOW_CIRCUIT, (uint32_t)(ct - circuits), WINDOW);
	if (s == NULL) {
		circuit_free(ct);
		return false;
	}
	tie(ct, s);
	memcpy(ct->node, node, 32);
	wr_init(&w, buf, sizeof(buf));
	wire_put_relay(&w, s->id, path, n, WINDOW);
	flow_send(via, &w);
	return true;
}

/* --- what is shown --- */

/* Why it goes by a relay, and for how long yet. */
static void
show_direct(const struct conn *c, struct msg_ctl_relay_link *v)
{
	int64_t ms = mono_ms_between(mono_now(), c->direct.due);

	v->loops = c->flow.n;
	v->direct = conn_find_direct(c->id) != NULL;
	v->tries = c->direct.tries;
	if (!v->direct)
		v->next_s = ms < 0 ? 0 : (uint64_t)ms / 1000;
	(void)strlcpy(v->error, c->direct_error, sizeof(v->error));
}

static void
show_one(struct ipc *ch, uint32_t id, const struct circuit *ct)
{
	struct msg_ctl_relay_link v = { .inbound = ct->inbound,
		.up = ct->c != NULL && ct->c->state == CONN_UP,
		.bytes_in = ct->bytes_in,
		.bytes_out = ct->bytes_out,
		.age_s =
		    (uint64_t)mono_ms_between(ct->since, mono_now()) / 1000,
		.next_s = MSG_NULL64 };

	memcpy(v.via, ct->via, 32);
	memcpy(v.node, v.up ? ct->c->id : ct->node, 32);
	if (v.up)
		show_direct(ct->c, &v);
	(void)ipc_send(ch, CTL_RELAY_LINK, id, &v);
}

void
circuits_show(struct ipc *ch, uint32_t id)
{
	size_t i;

	for (i = 0; i < CIRCUITS_MAX; i++)
		if (circuits[i].used)
			show_one(ch, id, &circuits[i]);
}

void
circuits_limits(limit_emit emit, void *arg)
{
	struct shares n, most = { 0 };
	size_t i;

	for (i = 0; i < CIRCUITS_MAX; i++) {
		if (!circuits[i].used || !circuits[i].inbound)
			continue;
		n = shares_of(circuits[i].via);
		most.in = n.in;
		most.via = n.via > most.via ? n.via : most.via;
		most.shakes = n.shakes > most.shakes ? n.shakes : most.shakes;
	}
	emit(arg, "relayed links", n_circuits, CIRCUITS_MAX, n_refused);
	emit(arg, "relayed links accepted", most.in, CIRCUITS_IN,
	    refused.in);
	emit(arg, "relayed links of a neighbour", most.via, CIRCUITS_VIA,
	    refused.via);
	emit(arg, "relayed handshakes of a neighbour", most.shakes,
	    CIRCUITS_SHAKES, refused.shakes);
}
