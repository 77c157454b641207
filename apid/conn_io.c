/* SPDX-License-Identifier: ISC */
/*
 * Bytes of a connection, in and out: read, hand whole requests to rest.c one
 * at a time, write the answers in their order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apid/apid.h"
#include "apid/conn_priv.h"
#include "apid/head.h"
#include "common/assert.h"

#define READ_EXTRA     (16u << 10) /* read at most so far ahead */
#define LINGER_BYTES   (8u << 20)  /* more than any body may have */
#define WRITE_PROGRESS (64u << 10) /* bytes that buy a client more time */

static void go_on(struct conn *c);

/* --- writing --- */

/* No more of this client: close, politely if it may still be sending. */
static void
finish(struct conn *c)
{
	struct work *w = c->work;

	if (w->eof || (w->in_off == w->in_len && w->parse.status == 0)) {
		conn_close(c);
		return;
	}
	(void)shutdown(c->fd, SHUT_WR);
	conn_work_free(w);
	c->work = NULL;
	conn_set_state(c, C_LINGER);
	(void)event_add(&c->ev, NULL);
}

void
conn_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	apid_touch_clock();
	go_on(c);
}

/* The socket is full: read no more requests until the client took these. */
static bool
wait_writable(struct conn *c)
{
	struct work *w = c->work;

	if (conn_want_write(c) == -1) {
		conn_close(c);
		return false;
	}
	(void)event_del(&c->ev);
	/* Only a client that takes enough gets more time. */
	if (c->state != C_WRITE || w->sent >= WRITE_PROGRESS) {
		conn_set_state(c, C_WRITE);
		w->sent = 0;
	}
	return true;
}

/* False when the connection waits or is gone. */
static bool
flush(struct conn *c)
{
	struct work *w = c->work;
	size_t n;
	int r;

	if (w->out == NULL)
		return true;
	r = out_write(w->out, c->fd, &n);
	w->sent += n;
	if (r == -1) {
		conn_close(c);
		return false;
	}
	if (r == 0) {
		(void)wait_writable(c);
		return false;
	}
	out_free(w->out);
	w->out = NULL;
	if (c->state == C_WRITE && !w->eof)
		(void)event_add(&c->ev, NULL);
	return true;
}

/* --- answering --- */

static void
count_answer(uint16_t status)
{
	if (status < 400)
		apid.st.answers_2xx++;
	else if (status < 500)
		apid.st.answers_4xx++;
	else
		apid.st.answers_5xx++;
}

static void
drop_body(const struct http_answer *a)
{
	text_unref(a->body);
	if (a->file)
		(void)close(a->fd);
}

/* Queue the answer to the request at the front of the buffer. */
static void
queue_answer(struct conn *c, const struct http_answer *a)
{
	struct work *w = c->work;
	struct head_in h = { .status = a->status,
		.ctype = a->ctype,
		.ctype_len = a->ctype_len,
		.headers = a->headers,
		.body_len = a->file   ? a->file_len
		    : a->body == NULL ? 0
				      : a->body->len,
		.cors = c->service != SVC_METRICS,
		.now_s = apid_time().wall.ms / 1000 };

	if (a->close || w->eof || !w->parse.keep_alive)
		w->closing = true;
	h.close = w->closing;
	h.keep_alive = !w->closing && w->parse.minor == 0;
	count_answer(a->status);
	out_head_end(w->out, head_write(&h, out_head(w->out)));
	if (w->parse.verb == VERB_HEAD)
		drop_body(a);
	else if (a->file)
		out_file(w->out, a->fd, a->file_len);
	else if (a->body != NULL)
		out_text(w->out, a->body);
}

/* The front request is answered: go to the next one behind it. */
static void
consume(struct work *w)
{
	w->in_off += w->parse.used;
	http_parse_init(&w->parse);
	w->rq.pending = NULL;
	w->rq.cancel = NULL;
}

void
http_answer(struct http_req *rq, const struct http_answer *a)
{
	struct conn *c = rq->conn;
	struct work *w = c->work;

	ASSERT(!w->answered);
	if (w->out == NULL && (w->out = out_new()) == NULL) {
		drop_body(a);
		rq->cancel = NULL; /* whoever answers needs no word */
		conn_close(c);
		return;
	}
	queue_answer(c, a);
	w->answered = true;
	if (w->handling)
		return;
	consume(w);
	if (!w->eof)
		(void)event_add(&c->ev,
		    NULL); /* settle() may have stopped it */
	go_on(c);
}

/* The connection itself refuses what came; the rest of it is not read. */
static void
refuse(struct conn *c, uint16_t status, const char *why)
{
	struct http_answer a = { .status = status,
		.body = rest_error_text(status, why),
		.close = true };
	struct work *w = c->work;

	if (w->parse.status == 0)
		w->parse.status = status; /* finish() lingers */
	if (status != 413 && status != 408)
		apid.st.parse_errors++;
	queue_answer(c, &a);
}

/* --- reading --- */

/* Split the target; an absolute one loses its scheme and authority. */
static void
set_target(struct http_req *rq, const char *s, size_t n)
{
	const char *q, *slash;

	if (n >= 7 && strncasecmp(s, "http://", 7) == 0) {
		slash = memchr(s + 7, '/', n - 7);
		n = slash == NULL ? 1 : n - (size_t)(slash - s);
		s = slash == NULL ? "/" : slash;
	}
	q = memchr(s, '?', n);
	rq->path = s;
	rq->path_len = q == NULL ? n : (size_t)(q - s);
	rq->query = q == NULL ? s + n : q + 1;
	rq->query_len = q == NULL ? 0 : n - rq->path_len - 1;
}

/* Hand the whole request at the front to rest.c. */
static void
dispatch(struct conn *c)
{
	struct work *w = c->work;
	const struct http_parse *p = &w->parse;
	const char *at = (const char *)w->in + w->in_off;
	struct http_req *rq = &w->rq;

	apid.st.requests++;
	rq->verb = p->verb;
	rq->service = c->service;
	rq->body = at + p->body_off;
	rq->body_len = p->body_len;
	rq->ctype = at + p->ctype.off;
	rq->ctype_len = p->ctype.len;
	rq->accept = at + p->accept.off;
	rq->accept_len = p->accept.len;
	rq->from = c->from;
	rq->conn = c;
	set_target(rq, at + p->target.off, p->target.len);
	w->answered = false;
	w->handling = true;
	rest_handle(rq);
	w->handling = false;
	ASSERT(w->answered || rq->cancel != NULL);
	if (w->answered)
		consume(w);
}

/* Room for more of the request.  False: there is none. */
static bool
make_room(struct work *w)
{
	size_t have = w->in_len - w->in_off, want, cap;

	if (w->in_off > 0) {
		memmove(w->in, w->in + w->in_off, have);
		w->in_len = have;
		w->in_off = 0;
	}
	want = http_parse_wants(&w->parse, have);
	/* A promise of much buys little: a long buffer grows as bytes come. */
	if (want > IN_LONG)
		want = w->in_len < IN_LONG ? IN_LONG - w->in_len : 1;
	if (w->in_cap - w->in_len >= (want > 0 ? want : 1))
		return true;
	cap = w->in_cap * 2;
	while (cap - w->in_len < want)
		cap *= 2;
	return conn_work_grow(w, cap);
}

/* Part of a request is there and no more. */
static bool
read_on(struct conn *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct work *w = c->work;
	size_t have = w->in_len - w->in_off;

	if (http_parse_wants_continue(&w->parse, have)) {
		memcpy(out_head(w->out), line, sizeof(line) - 1);
		out_head_end(w->out, sizeof(line) - 1);
	}
	w->in_len =
	    w->in_off + http_parse_compact(&w->parse, w->in + w->in_off, have);
	if (make_room(w))
		return true;
	refuse(c, 503, "too many long requests at once");
	return false;
}

/* Answer what is there whole.  False when the connection waits or is gone. */
static bool
answer_all(struct conn *c)
{
	struct work *w = c->work;
	enum http_step step;

	while (!w->closing && w->in_off < w->in_len) {
		if (w->out != NULL && !out_has_room(w->out) && !flush(c))
			return false;
		if (w->out == NULL && (w->out = out_new()) == NULL) {
			conn_close(c);
			return false;
		}
		step = http_parse_feed(&w->parse, &apid.http, w->in + w->in_off,
		    w->in_len - w->in_off);
		if (step == HTTP_WHOLE) {
			dispatch(c);
			if (w->rq.cancel != NULL)
				break; /* answered later */
		} else if (step == HTTP_BAD) {
			refuse(c, w->parse.status, w->parse.why);
		} else if (read_on(c)) {
			break;
		}
	}
	return flush(c);
}

/* Which deadline runs now; an idle connection gives its buffers back. */
static void
settle(struct conn *c)
{
	struct work *w = c->work;

	if (w->rq.cancel != NULL) {
		conn_set_state(c, C_WAIT);
		if (w->in_cap == w->in_len || w->eof)
			(void)event_del(&c->ev);
	} else if (w->closing || w->eof) {
		finish(c);
	} else if (w->in_off == w->in_len) {
		conn_work_free(w);
		c->work = NULL;
		conn_set_state(c, C_IDLE);
	} else if (w->parse.head_len > 0) {
		if (c->state != C_BODY)
			conn_set_state(c, C_BODY);
	} else if (c->state != C_HEAD) {
		conn_set_state(c, C_HEAD);
	}
}

static void
go_on(struct conn *c)
{
	if (c->work->out != NULL && !flush(c))
		return;
	if (c->work->rq.cancel != NULL || answer_all(c))
		settle(c);
}

/* --- what the loop calls --- */

static void
linger(struct conn *c)
{
	static uint8_t drop[16384];
	ssize_t n = read(c->fd, drop, sizeof(drop));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->lingered += (uint32_t)n;
	if (n <= 0 || c->lingered > LINGER_BYTES)
		conn_close(c);
}

/* 1 bytes came, 0 none, -1 the connection is gone. */
static int
fill(struct conn *c)
{
	struct work *w = c->work;
	size_t room = w->in_cap - w->in_len;
	ssize_t n;

	if (room > READ_EXTRA && w->parse.chunked)
		room = READ_EXTRA;
	n = read(c->fd, w->in + w->in_len, room);
	if (n > 0) {
		w->in_len += (size_t)n;
		return 1;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* Half-closed while an answer is due: it still gets that. */
	if (n == 0 && w->rq.cancel != NULL) {
		w->eof = true;
		(void)event_del(&c->ev);
		return 0;
	}
	conn_close(c);
	return -1;
}

void
conn_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	int r;

	(void)fd;
	(void)what;
	apid_touch_clock();
	if (c->state == C_LINGER) {
		linger(c);
		return;
	}
	if (c->work == NULL && (c->work = conn_work_new()) == NULL) {
		conn_close(c);
		return;
	}
	if ((r = fill(c)) == -1)
		return;
	if (r == 1 && c->work->rq.cancel == NULL)
		go_on(c);
	else
		settle(c);
}

void
conn_expire(struct conn *c)
{
	struct work *w = c->work;

	if (c->state == C_HEAD || c->state == C_BODY) {
		apid.st.timeouts++;
		if (w->out == NULL && (w->out = out_new()) == NULL) {
			conn_close(c);
			return;
		}
		refuse(c, 408, "request took too long");
		if (flush(c))
			finish(c);
		return;
	}
	if (c->state == C_WRITE)
		apid.st.timeouts++;
	conn_close(c);
}
