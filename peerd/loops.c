/* SPDX-License-Identifier: ISC */
/*
 * Loops of apps: what appd asks for and is told (msg_appd.h), each a stream
 * to the node at its other end.  What comes from a link goes straight to
 * appd, which has room for all it granted; what comes from appd goes to the
 * link, or waits in its stream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/flow.h"

#define LOOPS_MAX   STREAMS_MAX
#define HEADS       4096u /* a power of two */
#define NONE        UINT32_MAX
#define QUEUE_MAX   (32u << 20) /* bytes for appd: more ends a loop */
#define QUEUE_HARD  (40u << 20) /* room for what must be said even then */
/* Half the window is always more than a message: appd is never without. */
#define GRANT_BATCH (LOOP_HOP_WINDOW / 2)

enum loop_state {
	LOOP_FREE,
	LOOP_ROUTING, /* a way to the node is being looked for */
	LOOP_ASKED,   /* the node was asked */
	LOOP_OFFERED, /* appd was asked */
	LOOP_UP,
	LOOP_OVER /* LOOP_CLOSE went to appd, its own has not come */
};

struct loop {
	uint32_t id;
	uint32_t chain;  /* next of its bucket, or next free */
	uint32_t stream; /* NONE while there is none */
	uint8_t state;   /* enum loop_state */
	uint16_t port, from;
	uint32_t window;
	uint8_t node[32];
};

static struct loop *loops;
static uint32_t heads[HEADS], free_loop, n_loops, n_routing;
static uint32_t next_offer = LOOP_OURS;
static struct ipc *appd;

void
loops_init(void)
{
	uint32_t i;

	if ((loops = calloc(LOOPS_MAX, sizeof(*loops))) == NULL)
		fatalx(EX_OSERR, "no memory for loops");
	for (i = 0; i < HEADS; i++)
		heads[i] = NONE;
	for (i = 0; i < LOOPS_MAX; i++)
		loops[i].chain = i + 1 < LOOPS_MAX ? i + 1 : NONE;
}

/* --- the table --- */

/* Ids are appd's and ours, so nobody chooses them to collide. */
static uint32_t *
bucket(uint32_t id)
{
	return &heads[(id * 2654435761u) >> 20 & (HEADS - 1)];
}

static struct loop *
loop_find(uint32_t id)
{
	uint32_t i = *bucket(id);

	while (i != NONE && loops[i].id != id)
		i = loops[i].chain;
	return i == NONE ? NULL : &loops[i];
}

static struct loop *
loop_new(uint32_t id, const uint8_t node[32])
{
	uint32_t i = free_loop, *head = bucket(id);
	struct loop *l;

	if (i == NONE)
		return NULL;
	l = &loops[i];
	free_loop = l->chain;
	memset(l, 0, sizeof(*l));
	l->id = id;
	l->stream = NONE;
	memcpy(l->node, node, 32);
	l->chain = *head;
	*head = i;
	n_loops++;
	return l;
}

static void
set_state(struct loop *l, enum loop_state state)
{
	n_routing += state == LOOP_ROUTING;
	n_routing -= l->state == LOOP_ROUTING;
	l->state = (uint8_t)state;
}

static void
loop_free(struct loop *l)
{
	uint32_t i = (uint32_t)(l - loops), *at = bucket(l->id);

	while (*at != i)
		at = &loops[*at].chain;
	*at = l->chain;
	set_state(l, LOOP_FREE);
	l->chain = free_loop;
	free_loop = i;
	n_loops--;
}

static void
tie(struct loop *l, struct stream *s)
{
	l->stream = flow_index(s);
	s->tag = (uint32_t)(l - loops);
}

/* The loop of a stream, or NULL when appd is done with it. */
static struct loop *
loop_of(const struct stream *s)
{
	return s->tag == STREAM_NONE ? NULL : &loops[s->tag];
}

/* --- to appd --- */

static void
refuse(struct loop *l, const char *text)
{
	struct msg_loop_refused r;

	(void)strlcpy(r.text, text, sizeof(r.text));
	peerd.n.loops_refused++;
	if (appd != NULL)
		(void)ipc_send(appd, LOOP_REFUSED, l->id, &r);
	loop_free(l);
}

static void
say_close(const struct loop *l, uint8_t why)
{
	struct msg_loop_close m = { .why = why };

	if (appd != NULL)
		(void)ipc_send(appd, LOOP_CLOSE, l->id, &m);
}

bool
loops_are_held(void)
{
	return appd != NULL && ipc_is_full(appd);
}

bool
loops_are_served(void)
{
	return appd != NULL;
}

static void
on_drained(struct ipc *ch)
{
	struct conn *c;

	(void)ch;
	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		traffic_release(c);
}

/* --- what a link says --- */

static void
loop_opened(struct conn *c, struct stream *s)
{
	struct msg_loop_opened m = { .relayed = c->circuit != NULL };
	struct loop *l = loop_of(s);

	if (l == NULL)
		return;
	set_state(l, LOOP_UP);
	peerd.n.loops_opened++;
	(void)ipc_send(appd, LOOP_OPENED, l->id, &m);
}

static void
loop_refused(struct conn *c, struct stream *s, uint8_t code, const char *text)
{
	struct loop *l = loop_of(s);

	(void)c;
	(void)code;
	s->tag = STREAM_NONE;
	if (l != NULL)
		refuse(l, text[0] == '\0' ? "transport: refused" : text);
}

static void
loop_data(struct conn *c, struct stream *s, const uint8_t *p, uint32_t n)
{
	struct msg_loop_data m = { .data = { p, n } };
	struct loop *l = loop_of(s);

	if (l == NULL)
		return;
	peerd.n.loop_bytes_in += n;
	/* The hard limit of a queue would end the channel. */
	if (ipc_queued(appd) <= QUEUE_MAX &&
	    ipc_send(appd, LOOP_DATA, l->id, &m) == 0)
		return;
	peerd.n.loops_lost++;
	say_close(l, LOOP_END_ERROR);
	set_state(l, LOOP_OVER);
	l->stream = NONE;
	s->tag = STREAM_NONE;
	flow_end(c, s, LOOP_END_ERROR);
}

static void
loop_granted(struct conn *c, struct stream *s, uint32_t n)
{
	(void)c;
	(void)s;
	(void)n;
}

static void
loop_gone(struct conn *c, struct stream *s, uint32_t n)
{
	struct msg_loop_grant g;
	struct loop *l = loop_of(s);

	(void)c;
	peerd.n.loop_bytes_out += n;
	s->owed += n;
	if (l == NULL || s->owed < GRANT_BATCH)
		return;
	g.n = s->owed;
	s->owed = 0;
	(void)ipc_send(appd, LOOP_GRANT, l->id, &g);
}

static void
loop_closed(struct conn *c, struct stream *s, uint8_t why)
{
	struct loop *l = loop_of(s);

	(void)c;
	s->tag = STREAM_NONE;
	if (l == NULL)
		return;
	peerd.n.loops_lost += why == LOOP_END_LOST;
	l->stream = NONE;
	if (l->state == LOOP_ASKED) {
		refuse(l,
		    why == LOOP_END_LOST ? "transport: link lost"
					 : "transport: closed");
		return;
	}
	say_close(l, why);
	set_state(l, LOOP_OVER);
}

const struct flow_ops loop_ops = { loop_opened, loop_refused, loop_data,
	loop_granted, loop_gone, loop_closed };

void
loops_offer(struct conn *c, struct stream *s, const struct wire_msg *m)
{
	struct msg_loop_offer o = { .from = m->from,
		.port = m->port,
		.relayed = c->circuit != NULL };
	struct loop *l;

	s->tag = STREAM_NONE;
	if (appd == NULL) {
		flow_refuse(c, s, WIRE_NO_SERVICE, "transport: no apps there");
		return;
	}
	do
		next_offer = (next_offer + 1) | LOOP_OURS;
	while (loop_find(next_offer) != NULL);
	if ((l = loop_new(next_offer, c->id)) == NULL) {
		flow_refuse(c, s, WIRE_NO_LIMIT, "transport: too many loops");
		return;
	}
	set_state(l, LOOP_OFFERED);
	tie(l, s);
	peerd.n.loops_offered++;
	memcpy(o.node, c->id, 32);
	(void)ipc_send(appd, LOOP_OFFER, l->id, &o);
}

/* --- what appd says --- */

static void
ask(struct loop *l, struct conn *c)
{
	struct stream *s =
	    flow_ask(c, FLOW_LOOP, (uint32_t)(l - loops), l->window);
	uint8_t buf[32];
	struct wr w;

	if (s == NULL) {
		refuse(l, "transport: too many loops");
		return;
	}
	set_state(l, LOOP_ASKED);
	tie(l, s);
	wr_init(&w, buf, sizeof(buf));
	wire_put_open(&w, s->id, l->port, l->from, s->open);
	flow_send(c, &w);
}

static void
on_open(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_open *q = m->body;
	struct msg_loop_refused full = { "transport: too many loops" };
	struct loop *l;
	struct conn *c;

	if (m->id >= LOOP_OURS || loop_find(m->id) != NULL) {
		log_warn("appd: loop id %u is in use", m->id);
		return;
	}
	if ((l = loop_new(m->id, q->node)) == NULL) {
		peerd.n.loops_refused++;
		(void)ipc_send(ch, LOOP_REFUSED, m->id, &full);
		return;
	}
	l->port = q->port;
	l->from = q->from;
	l->window = q->window;
	if (memcmp(q->node, peerd.node.id, 32) == 0) {
		refuse(l, "transport: that is this node itself");
		return;
	}
	if ((c = conn_find_any(q->node)) != NULL) {
		ask(l, c);
		return;
	}
	if (!route_begin(q->node))
		refuse(l, "transport: too many nodes are looked for");
	else
		set_state(l, LOOP_ROUTING);
}

void
loops_reached(struct conn *c)
{
	uint32_t i;

	for (i = 0; i < LOOPS_MAX && n_routing > 0; i++)
		if (loops[i].state == LOOP_ROUTING &&
		    memcmp(loops[i].node, c->id, 32) == 0)
			ask(&loops[i], c);
}

void
loops_unreached(const uint8_t node[32], const char *text)
{
	uint32_t i;

	for (i = 0; i < LOOPS_MAX && n_routing > 0; i++)
		if (loops[i].state == LOOP_ROUTING &&
		    memcmp(loops[i].node, node, 32) == 0)
			refuse(&loops[i], text);
}

static struct stream *
stream_of(const struct loop *l)
{
	return l->stream == NONE ? NULL : flow_stream(l->stream);
}

static void
on_accept(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_accept *a = m->body;
	struct loop *l = loop_find(m->id);
	struct stream *s;

	(void)ch;
	if (l == NULL || l->state != LOOP_OFFERED)
		return; /* it went away meanwhile */
	s = stream_of(l);
	set_state(l, LOOP_UP);
	flow_accept(flow_conn(s), s, a->window);
}

static void
on_refused(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_refused *r = m->body;
	struct loop *l = loop_find(m->id);
	struct stream *s;

	(void)ch;
	if (l == NULL || (l->state != LOOP_OFFERED && l->state != LOOP_OVER))
		return;
	if ((s = stream_of(l)) != NULL)
		flow_refuse(flow_conn(s), s, WIRE_NO_OTHER, r->text);
	loop_free(l);
}

/* appd has sent past what it was granted, or memory is short. */
static void
break_off(struct loop *l, struct stream *s)
{
	peerd.n.loops_lost++;
	say_close(l, LOOP_END_ERROR);
	set_state(l, LOOP_OVER);
	l->stream = NONE;
	s->tag = STREAM_NONE;
	flow_end(flow_conn(s), s, LOOP_END_ERROR);
}

static void
on_data(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_data *d = m->body;
	struct loop *l = loop_find(m->id);
	struct stream *s = l == NULL ? NULL : stream_of(l);

	(void)ch;
	if (s == NULL || l->state != LOOP_UP || d->data.len == 0)
		return;
	if (s->len + s->owed + d->data.len > LOOP_HOP_WINDOW ||
	    !flow_push(flow_conn(s), s, d->data.p, d->data.len))
		break_off(l, s);
}

static void
on_grant(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_grant *g = m->body;
	struct loop *l = loop_find(m->id);
	struct stream *s = l == NULL ? NULL : stream_of(l);

	(void)ch;
	if (s != NULL && (l->state == LOOP_UP || l->state == LOOP_ASKED))
		flow_grant(flow_conn(s), s, g->n);
}

static void
on_close(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_close *q = m->body;
	struct loop *l = loop_find(m->id);
	struct stream *s;

	(void)ch;
	if (l == NULL)
		return;
	if (l->state != LOOP_OVER)
		say_close(l, q->why);
	if ((s = stream_of(l)) != NULL) {
		s->tag = STREAM_NONE;
		flow_end(flow_conn(s), s, q->why);
	}
	loop_free(l);
}

/* --- the channel --- */

/* Every loop ends, as if its app had closed it. */
static void
appd_gone(void)
{
	struct stream *s;
	uint32_t i;

	for (i = 0; i < LOOPS_MAX && n_loops > 0; i++) {
		if (loops[i].state == LOOP_FREE)
			continue;
		if ((s = stream_of(&loops[i])) != NULL) {
			s->tag = STREAM_NONE;
			flow_end(flow_conn(s), s, LOOP_END_CLOSED);
		}
		loop_free(&loops[i]);
	}
	on_drained(NULL); /* nobody is behind any more */
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("channel to appd: %s", why);
	if (appd == ch) {
		appd = NULL;
		appd_gone();
		child_channel_lost(PROC_APPD, 0);
	}
	ipc_free(ch);
}

static const struct ipc_handler handlers[] = {
	{ LOOP_DATA, on_data },
	{ LOOP_GRANT, on_grant },
	{ LOOP_OPEN, on_open },
	{ LOOP_CLOSE, on_close },
	{ LOOP_ACCEPT, on_accept },
	{ LOOP_REFUSED, on_refused },
	{ 0, NULL },
};

void
loops_open_channel(int in, int out)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "appd",
		.tables = tables,
		.handlers = handlers,
		.ended = on_ended,
		.drained = on_drained,
		.upper = true,
		.hard = QUEUE_HARD };

	tables[0] = msgs_peerd_appd;
	if (appd != NULL) {
		ipc_free(appd);
		appd = NULL;
		appd_gone();
	}
	if ((appd = ipc_new_pipes(child_base(), in, out, &conf)) != NULL)
		ipc_set_phase(appd, PH_RUN);
}

/* --- what is shown --- */

void
loops_show_paths(struct ipc *ch, const struct ipc_msg *m)
{
	struct msg_ctl_loop_path p;
	const struct stream *s;
	const struct conn *c;
	uint32_t i;

	for (i = 0; i < LOOPS_MAX; i++) {
		if (loops[i].state != LOOP_UP)
			continue;
		s = stream_of(&loops[i]);
		c = flow_conn(s);
		memset(&p, 0, sizeof(p));
		p.loop = loops[i].id;
		memcpy(p.node, loops[i].node, 32);
		p.rtt_us = c->rtt_us == 0 ? MSG_NULL64 : c->rtt_us;
		p.relayed = c->circuit != NULL;
		if (c->circuit != NULL)
			memcpy(p.via, circuit_via(c->circuit), 32);
		(void)ipc_send(ch, CTL_LOOP_PATH, m->id, &p);
	}
	child_ctl_end(ch, m->id, 0, "%s", "");
}

void
loops_limits(limit_emit emit, void *arg)
{
	emit(arg, "loops", n_loops, LOOPS_MAX, peerd.n.loops_refused);
	emit(arg, "bytes for appd", appd == NULL ? 0 : ipc_queued(appd),
	    QUEUE_MAX, 0);
}
