/* SPDX-License-Identifier: ISC */
/*
 * Streams on links: the shell of stream.h.  It lends memory to what waits,
 * keeps each link's queue short so that nothing stands long behind a mass of
 * data, and tells whoever a stream belongs to what became of it.
 */
#include "peerd/flow.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"

#define HEADS      4096u
#define LEND_FIRST 4096u
#define SPARES     16     /* buffers of STREAM_HOLD kept for next time */
#define ANSWER_MS  30000  /* a question to the other node */
#define LINGER_MS  300000 /* an end waits for progress: as appd does */
#define SCAN_MS    1000

static const struct flow_ops *const ops[FLOW_KINDS] = {
	[FLOW_LOOP] = &loop_ops,
	[FLOW_CIRCUIT] = &circuit_ops,
	[FLOW_RELAY] = &relay_ops,
};

static struct streams streams;
static struct conn **links; /* of each stream */
static uint8_t *spares[SPARES];
static size_t n_spares, waiting;
static struct mono scan_due;

void
flow_init(void)
{
	struct stream *at = calloc(STREAMS_MAX, sizeof(*at));
	uint32_t *heads = calloc(HEADS, sizeof(*heads));
	uint8_t key[16];

	links = calloc(STREAMS_MAX, sizeof(struct conn *));
	if (at == NULL || heads == NULL || links == NULL)
		fatalx(EX_OSERR, "no memory for streams");
	randombytes_buf(key, sizeof(key));
	streams_init(&streams, at, STREAMS_MAX, heads, HEADS, key);
}

struct stream *
flow_stream(uint32_t index)
{
	return &streams.at[index];
}

uint32_t
flow_index(const struct stream *s)
{
	return stream_index(&streams, s);
}

struct conn *
flow_conn(const struct stream *s)
{
	return links[flow_index(s)];
}

void
flow_link_init(struct conn *c)
{
	stream_link_init(&c->flow, c->serial, c->outbound);
	bucket_init(&c->opens,
	    (struct rate){ .per_s = 500, .burst = STREAMS_LINK_MAX });
	c->flow_since = mono_now();
	c->flow_why = LOOP_END_LOST;
}

/* --- memory of what waits --- */

static uint8_t *
buffer_get(uint32_t cap)
{
	if (cap == STREAM_HOLD && n_spares > 0)
		return spares[--n_spares];
	return malloc(cap);
}

static void
buffer_put(uint8_t *buf, uint32_t cap)
{
	if (buf != NULL && cap == STREAM_HOLD && n_spares < SPARES)
		spares[n_spares++] = buf;
	else
		free(buf);
}

static void
take_back(struct conn *c, struct stream *s)
{
	uint32_t cap = s->cap;

	waiting -= cap;
	buffer_put(stream_lend(&streams, &c->flow, s, NULL, 0), cap);
}

static bool
lend(struct conn *c, struct stream *s, uint32_t n)
{
	uint32_t had = s->cap,
		 cap = had * 2 < LEND_FIRST ? LEND_FIRST : had * 2;
	uint8_t *buf;

	while (cap < s->len + n)
		cap *= 2;
	if (s->len + n > STREAM_HOLD || waiting - had + cap > FLOW_WAITING ||
	    (buf = buffer_get(cap)) == NULL)
		return false;
	buffer_put(stream_lend(&streams, &c->flow, s, buf, cap), had);
	waiting += cap - had;
	return true;
}

static void
drop(struct conn *c, struct stream *s, bool theirs)
{
	take_back(c, s);
	links[flow_index(s)] = NULL;
	stream_free(&streams, &c->flow, s, theirs);
	if (c->flow.n == 0)
		c->flow_since = mono_now();
}

/* --- sending --- */

void
flow_send(struct conn *c, const struct wr *w)
{
	if (c->state != CONN_UP || c->choked)
		return;
	if (w->bad || !traffic_send(c, LANE_BULK, w->p, w->len))
		c->choked = true;
}

static bool
send_data(struct conn *c, const struct stream *s, const uint8_t *const p[2],
    const uint32_t len[2])
{
	uint8_t head[WIRE_DATA_HEAD];
	struct wire_blob part[3] = { { head, 0 }, { p[0], len[0] },
		{ p[1], len[1] } };
	struct wr w;

	wr_init(&w, head, sizeof(head));
	wire_put_data_head(&w, s->id, (size_t)len[0] + len[1]);
	part[0].len = w.len;
	return traffic_send_parts(c, LANE_BULK, part, 3);
}

static void
send_close(struct conn *c, const struct stream *s, uint8_t why)
{
	uint8_t buf[16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_close(&w, s->id, why);
	flow_send(c, &w);
}

static bool
is_short(const struct conn *c)
{
	return link_queued(&c->link, LANE_BULK) < FLOW_LINK_SHORT;
}

void
flow_pump(struct conn *c)
{
	const uint8_t *p[2];
	uint32_t len[2], n;
	struct stream *s;

	while (c->state == CONN_UP && !c->choked && is_short(c)) {
		s = stream_next(&streams, &c->flow, WIRE_DATA_MAX, &n);
		if (s == NULL)
			return;
		if (n == 0) {
			send_close(c, s, s->why);
			drop(c, s, false);
			continue;
		}
		stream_peek(s, n, p, len);
		if (!send_data(c, s, p, len))
			return; /* memory is short: flow_tick() comes again */
		stream_sent(&streams, &c->flow, s, n);
		if (s->len == 0)
			take_back(c, s);
		if (s->state != STREAM_ENDING)
			ops[s->kind]->gone(c, s, n);
		else
			s->since = mono_now();
	}
}

bool
flow_push(struct conn *c, struct stream *s, const uint8_t *p, uint32_t n)
{
	const uint8_t *const part[2] = { p, NULL };
	const uint32_t len[2] = { n, 0 };

	/* Past the queue, unless somebody else is waiting for his turn. */
	if (c->flow.turn == STREAM_NONE && stream_passes(s, n) && is_short(c) &&
	    send_data(c, s, part, len)) {
		stream_passed(s, n);
		ops[s->kind]->gone(c, s, n);
		return true;
	}
	if (!stream_hold(&streams, &c->flow, s, p, n) &&
	    (!lend(c, s, n) || !stream_hold(&streams, &c->flow, s, p, n)))
		return false;
	flow_pump(c);
	return true;
}

void
flow_grant(struct conn *c, struct stream *s, uint32_t n)
{
	uint8_t buf[24];
	struct wr w;

	if (n == 0 || !stream_grant(s, n))
		return;
	wr_init(&w, buf, sizeof(buf));
	wire_put_grant(&w, s->id, n);
	flow_send(c, &w);
}

/* --- life --- */

struct stream *
flow_ask(struct conn *c, enum flow_kind kind, uint32_t tag, uint32_t open)
{
	struct stream *s = NULL;

	if (c->state == CONN_UP && !c->choked)
		s = stream_ask(&streams, &c->flow, open);
	if (s == NULL) {
		peerd.n.streams_refused++;
		return NULL;
	}
	s->kind = (uint8_t)kind;
	s->tag = tag;
	s->since = mono_now();
	links[flow_index(s)] = c;
	return s;
}

void
flow_accept(struct conn *c, struct stream *s, uint32_t open)
{
	uint8_t buf[24];
	struct wr w;

	stream_accept(s, open);
	s->since = mono_now();
	wr_init(&w, buf, sizeof(buf));
	wire_put_opened(&w, s->id, s->open);
	flow_send(c, &w);
}

static void
say_refused(struct conn *c, uint32_t id, enum wire_refusal code,
    const char *text)
{
	uint8_t buf[WIRE_TEXT_MAX + 16];
	struct wr w;

	peerd.n.streams_refused += code == WIRE_NO_LIMIT;
	wr_init(&w, buf, sizeof(buf));
	wire_put_refused(&w, id, code, text);
	flow_send(c, &w);
}

void
flow_refuse(struct conn *c, struct stream *s, enum wire_refusal code,
    const char *text)
{
	say_refused(c, s->id, code, text);
	drop(c, s, false);
}

void
flow_end(struct conn *c, struct stream *s, uint8_t why)
{
	s->since = mono_now();
	stream_end(&streams, &c->flow, s, why);
	flow_pump(c);
}

/* Whoever it belongs to is told, and it is gone. */
static void
close_by_them(struct conn *c, struct stream *s, uint8_t why)
{
	if (s->state != STREAM_ENDING)
		ops[s->kind]->closed(c, s,
		    why < LOOP_ENDS ? why : LOOP_END_ERROR);
	drop(c, s, true);
}

void
flow_link_down(struct conn *c)
{
	uint32_t i;

	for (i = 0; i < streams.cap && c->flow.n > 0; i++)
		if (links[i] == c)
			close_by_them(c, &streams.at[i], c->flow_why);
}

/* --- their messages --- */

/* A stranger to the table: late, or never heard of. */
static void
stray(struct conn *c, const struct wire_msg *m)
{
	peerd.n.stream_strays++;
	if (!stream_was(&c->flow, m->stream))
		misdeed(c, SCORE_MALFORMED);
	else if (m->type == WIRE_DATA &&
	    !stream_late(&c->flow, (uint32_t)m->data.len))
		misdeed(c, SCORE_CREDIT);
}

static void
on_offer(struct conn *c, const struct wire_msg *m)
{
	struct stream *s;

	switch (stream_offer(&streams, &c->flow, m->stream, m->window, &s)) {
	case STREAM_BAD:
		misdeed(c, SCORE_MALFORMED);
		return;
	case STREAM_FULL:
		say_refused(c, m->stream, WIRE_NO_LIMIT,
		    "transport: too many streams");
		return;
	case STREAM_FINE:
		break;
	}
	links[flow_index(s)] = c;
	s->since = mono_now();
	if (!bucket_allow(&c->opens, s->since)) {
		flow_refuse(c, s, WIRE_NO_LIMIT,
		    "transport: too many streams at once");
		return;
	}
	if (m->type == WIRE_OPEN) {
		s->kind = FLOW_LOOP;
		loops_offer(c, s, m);
	} else if (c->circuit != NULL) {
		flow_refuse(c, s, WIRE_NO_SERVICE,
		    "relay: no circuit through a circuit");
	} else if (m->n_path == 0) {
		s->kind = FLOW_CIRCUIT;
		circuits_offer(c, s);
	} else {
		s->kind = FLOW_RELAY;
		relaying_offer(c, s, m);
	}
}

static void
on_opened(struct conn *c, struct stream *s, const struct wire_msg *m)
{
	if (s->state == STREAM_ENDING)
		return; /* our CLOSE is on its way */
	if (s->state != STREAM_ASKED) {
		misdeed(c, SCORE_MALFORMED);
		return;
	}
	s->since = mono_now();
	stream_opened(&streams, &c->flow, s, m->window);
	ops[s->kind]->opened(c, s);
	flow_pump(c);
}

static void
on_refused(struct conn *c, struct stream *s, const struct wire_msg *m)
{
	if (s->state == STREAM_ASKED) {
		ops[s->kind]->refused(c, s, m->reason, m->text);
	} else if (s->state != STREAM_ENDING) {
		misdeed(c, SCORE_MALFORMED);
		return;
	}
	drop(c, s, true);
}

static void
on_data(struct conn *c, struct stream *s, const struct wire_msg *m)
{
	if (!stream_take(s, (uint32_t)m->data.len))
		misdeed(c, SCORE_CREDIT);
	else if (s->state == STREAM_UP)
		ops[s->kind]->data(c, s, m->data.p, (uint32_t)m->data.len);
}

static void
on_grant(struct conn *c, struct stream *s, const struct wire_msg *m)
{
	if (s->state == STREAM_ASKED) {
		misdeed(c, SCORE_MALFORMED);
		return;
	}
	if (!stream_granted(&streams, &c->flow, s, m->bytes)) {
		misdeed(c, SCORE_CREDIT);
		return;
	}
	if (s->state == STREAM_UP)
		ops[s->kind]->granted(c, s, m->bytes);
	flow_pump(c);
}

void
flow_message(struct conn *c, const struct wire_msg *m)
{
	struct stream *s;

	if (m->type == WIRE_OPEN || m->type == WIRE_RELAY) {
		on_offer(c, m);
		return;
	}
	if (m->type == WIRE_RESERVE) {
		relaying_reserve(c);
		return;
	}
	if (m->type == WIRE_RESERVED) {
		reserving_granted(c, m);
		return;
	}
	if ((s = stream_find(&streams, &c->flow, m->stream)) == NULL) {
		stray(c, m);
		return;
	}
	switch (m->type) {
	case WIRE_OPENED:
		on_opened(c, s, m);
		break;
	case WIRE_REFUSED:
		on_refused(c, s, m);
		break;
	case WIRE_DATA:
		on_data(c, s, m);
		break;
	case WIRE_GRANT:
		on_grant(c, s, m);
		break;
	default:
		close_by_them(c, s, m->reason);
		break;
	}
}

/* --- as time goes by --- */

/* An answer that does not come, an end that does not get through. */
static void
scan(struct mono now)
{
	struct stream *s;
	struct conn *c;
	uint32_t i;
	int64_t age;

	for (i = 0; i < streams.cap; i++) {
		s = &streams.at[i];
		if ((c = links[i]) == NULL)
			continue;
		age = mono_ms_between(s->since, now);
		if (s->state == STREAM_ASKED && age > ANSWER_MS) {
			ops[s->kind]->refused(c, s, WIRE_NO_OTHER,
			    "transport: no answer");
			flow_end(c, s, LOOP_END_CLOSED);
		} else if (s->state == STREAM_ENDING && age > LINGER_MS) {
			send_close(c, s, s->why);
			drop(c, s, false);
		}
	}
}

static bool
is_idle(const struct conn *c, struct mono now)
{
	return c->loops && c->state == CONN_UP && c->flow.n == 0 &&
	    mono_ms_between(c->flow_since, now) > LOOP_IDLE_MS &&
	    !direct_is_needed(c);
}

void
flow_tick(struct mono now)
{
	struct conn *c, *after;

	relaying_tick(now);
	reserving_tick(now);
	direct_tick(now);
	for (c = conn_next_any(NULL); c != NULL; c = after) {
		after = conn_next_any(c);
		if (c->choked && c->state == CONN_UP)
			conn_end(c, WIRE_BYE_NONE, "it does not read");
		else if (is_idle(c, now))
			conn_end(c, WIRE_BYE_IDLE, "no loops");
		else if (c->state == CONN_UP)
			flow_pump(c);
	}
	if (!mono_reached(scan_due, now))
		return;
	scan_due = mono_add_ms(now, SCAN_MS);
	if (streams.used > 0)
		scan(now);
	else if (n_spares > 0)
		free(spares[--n_spares]);
}

void
flow_stats(stat_emit emit, void *arg)
{
	emit(arg, "streams", streams.used);
	emit(arg, "loop_links", conn_loop_links());
	relaying_stats(emit, arg);
	reserving_stats(emit, arg);
	direct_stats(emit, arg);
}

void
flow_limits(limit_emit emit, void *arg)
{
	emit(arg, "streams", streams.used, streams.cap,
	    peerd.n.streams_refused);
	emit(arg, "stream bytes waiting", waiting, FLOW_WAITING, 0);
	emit(arg, "links for loops", conn_loop_links(), LOOP_LINKS_MAX, 0);
	loops_limits(emit, arg);
	circuits_limits(emit, arg);
	relaying_limits(emit, arg);
	route_limits(emit, arg);
}
