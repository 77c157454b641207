/* SPDX-License-Identifier: ISC */
/*
 * Frames of a link; what they say goes to messages.c.  One wakeup reads at most one buffer and
 * writes at most one batch; an idle link holds no buffer at all, since queue
 * memory is lent while something waits and taken back when it is gone.  One
 * such buffer is kept for the next link, so that streams need no allocator.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/peerd.h"

#define WRITE_BATCH   (64u * 1024)
#define QUEUE_FIRST   4096u
#define CONTROL_QUEUE (128u * 1024) /* a peer that does not read */
#define GOSSIP_QUEUE  (512u * 1024)
#define BULK_QUEUE    (2048u * 1024)
#define BULK_FIRST    (192u * 1024) /* what streams of a link fill at most */

/* One read and one write at a time in this process: the loop has no threads. */
static uint8_t in[2 * LINK_FRAME_MAX];
static uint8_t out[WRITE_BATCH + LINK_FRAME_MAX];

/* For the next bulk queue and the next full socket, or NULL. */
static uint8_t *spare, *spare_out;

/* --- queues --- */

static size_t
lane_cap_max(enum lane lane)
{
	return lane == LANE_CONTROL ? CONTROL_QUEUE
	    : lane == LANE_BULK     ? BULK_QUEUE
				    : GOSSIP_QUEUE;
}

/* Room for len more bytes on a lane.  False when it has enough already. */
static bool
lend_more(struct conn *c, enum lane lane, size_t len)
{
	size_t had = c->link.out[lane].cap, max = lane_cap_max(lane);
	size_t need = link_queued(&c->link, lane) + LINK_ENTRY_LEN + len;
	size_t first = lane == LANE_BULK ? BULK_FIRST : QUEUE_FIRST;
	size_t cap = had * 2 < first ? first : had * 2;
	uint8_t *buf = NULL;

	if (cap < need)
		cap = need;
	if (cap > max)
		cap = max;
	if (need > cap || peerd.queued - had + cap > QUEUED_MAX)
		return false;
	if (cap == BULK_FIRST) {
		buf = spare;
		spare = NULL;
	}
	if (buf == NULL && (buf = malloc(cap)) == NULL)
		return false;
	free(link_lend(&c->link, lane, buf, cap));
	peerd.queued += cap - had;
	return true;
}

static void
take_back(struct conn *c, enum lane lane)
{
	size_t cap = c->link.out[lane].cap;
	uint8_t *buf;

	peerd.queued -= cap;
	c->link.out[lane].len = 0;
	buf = link_lend(&c->link, lane, NULL, 0);
	if (cap == BULK_FIRST && spare == NULL)
		spare = buf;
	else
		free(buf);
}

/* Room for what a socket does not take; all are of one size. */
static bool
wbuf_get(struct conn *c)
{
	if (c->wbuf == NULL) {
		c->wbuf = spare_out != NULL ? spare_out : malloc(sizeof(out));
		spare_out = NULL;
	}
	return c->wbuf != NULL;
}

static void
wbuf_put(struct conn *c)
{
	if (spare_out == NULL)
		spare_out = c->wbuf;
	else
		free(c->wbuf);
	c->wbuf = NULL;
}

void
traffic_free(struct conn *c)
{
	enum lane i;

	for (i = 0; i < LANE_N; i++)
		take_back(c, i);
	free(c->rbuf);
	wbuf_put(c);
	c->rbuf = NULL;
	c->rlen = c->rcap = c->wlen = 0;
}

/*
 * Write when this turn's handlers have run; a socket that was full is waited
 * for.  What traffic_write() itself brings about goes in the next turn.
 */
static void
want_write(struct conn *c)
{
	if (c->ev_write != NULL && !c->waiting && !c->writing &&
	    link_wants_write(&c->link))
		event_active(c->ev_write, EV_WRITE, 1);
}

bool
traffic_send_parts(struct conn *c, enum lane lane,
    const struct wire_blob *part, size_t n)
{
	size_t len = 0, i;

	if (c->state != CONN_UP)
		return false;
	for (i = 0; i < n; i++)
		len += part[i].len;
	if (!link_queue_parts(&c->link, lane, part, n) &&
	    (!lend_more(c, lane, len) ||
		!link_queue_parts(&c->link, lane, part, n)))
		return false;
	want_write(c);
	return true;
}

bool
traffic_send(struct conn *c, enum lane lane, const void *msg, size_t len)
{
	const struct wire_blob whole = { msg, len };

	return traffic_send_parts(c, lane, &whole, 1);
}

void
traffic_send_control(struct conn *c, const struct wr *w)
{
	if (!w->bad && !traffic_send(c, LANE_CONTROL, w->p, w->len) &&
	    c->state == CONN_UP)
		conn_end(c, WIRE_BYE_NONE, "it does not read");
}

void
traffic_ping(struct conn *c, uint64_t token)
{
	uint8_t buf[24];
	struct wr w;

	if (token == 0) {
		randombytes_buf(&token, sizeof(token));
		c->ping_token = token;
		c->pinged = mono_now();
		c->ping_out = true;
	}
	wr_init(&w, buf, sizeof(buf));
	wire_put_ping(&w, token, wall_now().ms);
	traffic_send_control(c, &w);
}

/* --- writing --- */

/* Hand n bytes at p to the socket, keep what it does not take. */
static bool
push(struct conn *c, const uint8_t *p, size_t n)
{
	ssize_t did = conn_write(c, p, n);

	if (did == -1 && errno != EAGAIN && errno != EINTR) {
		c->bye = true;
		conn_end(c, WIRE_BYE_NONE, strerror(errno));
		return false;
	}
	if (did < 0)
		did = 0;
	c->bytes_out += (uint64_t)did;
	peerd.n.bytes_out += (uint64_t)did;
	if ((size_t)did == n)
		return true;
	c->wlen = n - (size_t)did;
	c->woff = 0;
	if (!wbuf_get(c)) {
		c->bye = true;
		conn_end(c, WIRE_BYE_NONE, "out of memory");
		return false;
	}
	memcpy(c->wbuf, p + did, c->wlen);
	return true;
}

/* What was kept before.  True when nothing is left of it. */
static bool
push_rest(struct conn *c)
{
	ssize_t did;

	if (c->wlen == 0)
		return true;
	did = conn_write(c, c->wbuf + c->woff, c->wlen - c->woff);
	if (did == -1 && errno != EAGAIN && errno != EINTR) {
		c->bye = true;
		conn_end(c, WIRE_BYE_NONE, strerror(errno));
		return false;
	}
	if (did > 0) {
		c->woff += (size_t)did;
		c->bytes_out += (uint64_t)did;
		peerd.n.bytes_out += (uint64_t)did;
	}
	if (c->woff < c->wlen)
		return false;
	c->wlen = 0;
	return true;
}

/* Frames until the batch is full.  Returns its length. */
static size_t
gather(struct conn *c)
{
	size_t n = 0, len;

	while (n < WRITE_BATCH &&
	    link_next_frame(&c->link, out + n, &len) == LINK_GOT) {
		n += len;
		peerd.n.frames_out++;
	}
	return n;
}

static void
take_back_empty(struct conn *c)
{
	enum lane i;

	for (i = 0; i < LANE_N; i++)
		if (c->link.out[i].cap > 0 && link_queued(&c->link, i) == 0)
			take_back(c, i);
	if (c->wbuf != NULL && c->wlen == 0 && !link_wants_write(&c->link))
		wbuf_put(c);
}

/* A batch, as far as the socket takes it.  False when that was the end. */
static bool
write_batch(struct conn *c)
{
	size_t n;

	if (push_rest(c) && c->state == CONN_UP) {
		n = gather(c);
		if (n > 0 && !push(c, out, n))
			return false;
	}
	return c->state == CONN_UP;
}

bool
traffic_write(struct conn *c)
{
	if (!write_batch(c))
		return false;
	c->writing = true;
	flow_pump(c);
	dbchan_drained(c);
	c->writing = false;
	if (c->state != CONN_UP)
		return false;
	take_back_empty(c);
	if (c->wlen > 0 || link_wants_write(&c->link))
		conn_await_room(c);
	return true;
}

/* --- reading --- */

/*
 * What the link found wrong.  Length and encryption can be upset by whoever
 * sits on the path, so only what was encrypted counts against the peer.
 */
static void
on_broken(struct conn *c)
{
	enum link_err err = (enum link_err)c->link.err;

	peerd.n.protocol_errors++;
	log_debug("peer: link broken: %s", link_err_name(err));
	if (err == LINK_BAD_CREDIT || err == LINK_BAD_GRANT)
		misdeed(c, SCORE_CREDIT);
	else if (err == LINK_BAD_LANE || err == LINK_BAD_FRAME)
		misdeed(c, SCORE_MALFORMED);
	if (c->state == CONN_UP) {
		c->bye = true;
		conn_end(c, WIRE_BYE_PROTOCOL, link_err_name(err));
	}
}

/*
 * Grant what was read, unless the store or appd is behind: then the peer
 * shall feel it, and what it sends waits in its own memory.
 */
static bool
is_held(enum lane lane)
{
	return (lane != LANE_CONTROL && records_are_held()) ||
	    (lane == LANE_BULK && loops_are_held());
}

static void
consumed(struct conn *c, enum lane lane, size_t n)
{
	if (is_held(lane))
		c->held[lane] += n;
	else
		link_consumed(&c->link, lane, n);
}

void
traffic_release(struct conn *c)
{
	enum lane i;

	if (c->state != CONN_UP)
		return;
	for (i = 0; i < LANE_N; i++) {
		if (c->held[i] == 0 || is_held(i))
			continue;
		link_consumed(&c->link, i, c->held[i]);
		c->held[i] = 0;
	}
	want_write(c);
}

/* All messages of one frame. */
static bool
take_frame(struct conn *c)
{
	struct link_msg m;
	enum link_rc rc;

	peerd.n.frames_in++;
	while ((rc = link_next_msg(&c->link, &m)) == LINK_GOT) {
		messages_take(c, &m);
		if (c->state != CONN_UP)
			return false;
		consumed(c, m.lane, m.len);
	}
	if (rc == LINK_BROKEN)
		on_broken(c);
	return c->state == CONN_UP;
}

/* Keep an incomplete frame until its rest comes. */
static void
keep_rest(struct conn *c, const uint8_t *p, size_t len)
{
	c->rlen = len;
	if (len > 0 && len <= c->rcap) {
		memcpy(c->rbuf, p, len);
		return;
	}
	free(c->rbuf);
	c->rbuf = NULL;
	c->rcap = 0;
	if (len == 0)
		return;
	if ((c->rbuf = malloc(len)) == NULL) {
		c->rlen = 0;
		conn_end(c, WIRE_BYE_NONE, "out of memory");
		return;
	}
	c->rcap = len;
	memcpy(c->rbuf, p, len);
}

/* Whole frames of the len bytes in the buffer. */
static void
take_frames(struct conn *c, size_t len)
{
	enum link_rc rc;
	size_t off = 0, used;

	while ((rc = link_feed(&c->link, in + off, len - off, &used)) ==
	    LINK_GOT) {
		off += used;
		if (!take_frame(c))
			return;
	}
	if (rc == LINK_BROKEN) {
		on_broken(c);
		return;
	}
	keep_rest(c, in + off, len - off);
	want_write(c);
}

void
traffic_read(struct conn *c)
{
	size_t had = c->rlen;
	ssize_t n;

	if (had > 0)
		memcpy(in, c->rbuf, had);
	n = conn_read(c, in + had, sizeof(in) - had);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->bye = true;
		conn_end(c, WIRE_BYE_NONE,
		    n == 0 ? "closed by the peer" : strerror(errno));
		return;
	}
	c->bytes_in += (uint64_t)n;
	peerd.n.bytes_in += (uint64_t)n;
	c->last_rx = mono_now();
	if (c->node != NULL && !c->quiet)
		c->node->last_seen = wall_now();
	take_frames(c, had + (size_t)n);
}
