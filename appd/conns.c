/* SPDX-License-Identifier: ISC */
/*
 * The apps' pipes.  What comes is read into one buffer that all share and
 * handled there; only the part of a packet that is not whole yet is kept.
 * What goes is gathered for each app and written at the end of a turn, when
 * all that came in it was handled: sixteen packets for an app are one write,
 * and wake it once.  An app that does not read costs its own queue, which is
 * bounded, and is not read itself once that is full.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "appd/appd.h"
#include "common/log.h"

#define READ_MAX  (256u << 10) /* bytes of one read */
#define OUT_MAX   (256u << 10) /* waiting for one app, answers not counted */
#define LAST_MAX  (1u << 20)   /* in the pipe of an app that is gone */
#define OUT_FIRST 4096         /* room made first, */
#define OUT_KEPT  65536        /* and kept between an app's bursts at most */

struct conn {
	int in, out; /* -1: free */
	struct event *ev_in, *ev_out;
	struct event *ev_gone; /* of out: nobody reads it any more */
	uint8_t *keep; /* read, not handled */
	size_t keep_len;
	uint8_t *buf; /* to be written: from off to end */
	size_t off, end, cap;
	bool dirty;   /* there is something new to write */
	bool resumed; /* what was kept can be handled now */
	bool refused; /* there was no room: say when there is */
	bool paused;  /* not read */
	bool dying;
};

static struct conn conns[APPD_CONNS];
static uint8_t rbuf[PACKET_MAX + READ_MAX + READ_MAX];
static uint8_t nowhere[PACKET_MAX]; /* for whom there is no memory */
static unsigned touched[APPD_CONNS], n_touched;
static struct event *ev_flush; /* at the end of this turn */
static size_t queued;

static void on_in(evutil_socket_t fd, short what, void *arg);
static void on_out(evutil_socket_t fd, short what, void *arg);
static void on_hangup(evutil_socket_t fd, short what, void *arg);
static void on_flush(evutil_socket_t fd, short what, void *arg);

static unsigned
index_of(const struct conn *c)
{
	return (unsigned)(c - conns);
}

/* Look at it again before the turn ends. */
static void
touch(struct conn *c)
{
	unsigned i;

	for (i = 0; i < n_touched; i++)
		if (touched[i] == index_of(c))
			return;
	touched[n_touched++] = index_of(c);
	event_active(ev_flush, EV_WRITE, 1);
}

void
conns_start(void)
{
	unsigned i;

	for (i = 0; i < APPD_CONNS; i++)
		conns[i].in = conns[i].out = -1;
	ev_flush = event_new(child_base(), -1, 0, on_flush, NULL);
	if (ev_flush == NULL)
		fatalx(EX_OSERR, "out of memory");
}

int
conns_add(int slot, uint32_t instance, uint32_t pid, uint32_t uid, int in,
    int out)
{
	int app = mux_attach(&appd.mux, slot, instance, pid, uid, mono_now());
	struct conn *c;

	if (app == -1) {
		(void)close(in);
		(void)close(out);
		appd.n.app_conns_refused++;
		return -1;
	}
	c = &conns[app];
	memset(c, 0, sizeof(*c));
	c->in = in;
	c->out = out;
	(void)evutil_make_socket_nonblocking(in);
	(void)evutil_make_socket_nonblocking(out);
	c->ev_in = event_new(child_base(), in, EV_READ | EV_PERSIST, on_in, c);
	c->ev_out = event_new(child_base(), out, EV_WRITE, on_out, c);
	c->ev_gone = event_new(child_base(), out, EV_READ, on_hangup, c);
	if (c->ev_in == NULL || c->ev_out == NULL || c->ev_gone == NULL ||
	    event_add(c->ev_in, NULL) == -1) {
		conns_drop((unsigned)app, "out of memory");
		return -1;
	}
	return app;
}

static const char *
name_of(unsigned app)
{
	const struct mux_app *a = &appd.mux.apps[app];

	return a->slot < 0 ? "an app" : appd.mux.entries[a->slot].name;
}

void
conns_drop(unsigned app, const char *why)
{
	struct conn *c = &conns[app];

	if (c->in == -1)
		return;
	if (why != NULL)
		log_info("app %s pid %u: %s; disconnected", name_of(app),
		    appd.mux.apps[app].pid, why);
	mux_detach(&appd.mux, app, mono_now());
	if (c->ev_in != NULL)
		event_free(c->ev_in);
	if (c->ev_out != NULL)
		event_free(c->ev_out);
	if (c->ev_gone != NULL)
		event_free(c->ev_gone);
	(void)close(c->in);
	(void)close(c->out);
	queued -= c->end - c->off;
	free(c->keep);
	free(c->buf);
	memset(c, 0, sizeof(*c));
	c->in = c->out = -1;
}

/* --- to the app --- */

static bool
grow(struct conn *c, size_t need)
{
	size_t cap = c->cap == 0 ? OUT_FIRST : c->cap;
	uint8_t *p;

	if (c->off > 0) {
		memmove(c->buf, c->buf + c->off, c->end - c->off);
		c->end -= c->off;
		c->off = 0;
	}
	while (cap < c->end + need)
		cap *= 2;
	if (cap == c->cap)
		return true;
	if ((p = realloc(c->buf, cap)) == NULL)
		return false;
	c->buf = p;
	c->cap = cap;
	return true;
}

uint8_t *
conns_room(void *ctx, unsigned app, size_t need, bool must)
{
	struct conn *c = &conns[app];

	(void)ctx;
	if (!must && c->end - c->off + need > OUT_MAX) {
		c->refused = true;
		return NULL;
	}
	if (c->cap - c->end >= need || grow(c, need))
		return c->buf + c->end;
	if (!must) {
		c->refused = true;
		return NULL;
	}
	/* An answer that cannot be given: the app would wait for ever. */
	c->dying = true;
	touch(c);
	return nowhere;
}

void
conns_wrote(void *ctx, unsigned app, size_t n)
{
	struct conn *c = &conns[app];

	(void)ctx;
	if (c->dying)
		return;
	c->end += n;
	queued += n;
	if (!c->dirty)
		touch(c);
	c->dirty = true;
}

/* False: the app is gone. */
static bool
write_out(struct conn *c)
{
	ssize_t n;

	while (c->off < c->end) {
		n = write(c->out, c->buf + c->off, c->end - c->off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			(void)event_add(c->ev_out, NULL);
			return true;
		}
		if (n == -1) {
			appd.n.app_lost++;
			conns_finish(index_of(c));
			return false;
		}
		c->off += (size_t)n;
		queued -= (size_t)n;
	}
	c->off = c->end = 0;
	if (c->cap > OUT_KEPT) {
		free(c->buf);
		c->buf = NULL;
		c->cap = 0;
	}
	return true;
}

/* Write, and say so if somebody waited for room.  False: the app is gone. */
static bool
write_more(struct conn *c)
{
	if (!write_out(c))
		return false;
	if (c->refused && c->end - c->off < OUT_MAX / 2) {
		c->refused = false;
		mux_drained(&appd.mux, index_of(c));
	}
	return true;
}

static void
on_out(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	(void)write_more(c);
}

/* --- from the app --- */

/*
 * An app that ends while it is not read would never be heard of: its end of
 * in is not looked at, and nothing may be there to write.  But out, which
 * never has anything to read, becomes readable once nobody holds its far end.
 */
static void
set_paused(struct conn *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	(void)(paused ? event_del(c->ev_in) : event_add(c->ev_in, NULL));
	(void)(paused ? event_add(c->ev_gone, NULL) : event_del(c->ev_gone));
}

static void
on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	appd.n.app_lost++;
	conns_finish(index_of(c));
}

static bool
keep(struct conn *c, const uint8_t *p, size_t n)
{
	uint8_t *room;

	if (n == 0) {
		free(c->keep);
		c->keep = NULL;
		c->keep_len = 0;
		return true;
	}
	if ((room = malloc(n)) == NULL)
		return false;
	memcpy(room, p, n);
	free(c->keep);
	c->keep = room;
	c->keep_len = n;
	return true;
}

/* Handle the first len bytes of rbuf. */
static void
handle(struct conn *c, size_t len)
{
	unsigned app = index_of(c);
	ssize_t used = mux_input(&appd.mux, app, rbuf, len, mono_now());

	if (c->in == -1)
		return;
	if (used == -1) {
		conns_drop(app, "sent what is no packet");
		return;
	}
	if (!keep(c, rbuf + used, len - (size_t)used)) {
		conns_drop(app, "out of memory");
		return;
	}
	set_paused(c, appd.mux.apps[app].stalled);
}

/* One read, and what came is handled.  As read() says it. */
static ssize_t
read_in(struct conn *c)
{
	size_t have = c->keep_len;
	ssize_t n;

	if (have > 0)
		memcpy(rbuf, c->keep, have);
	n = read(c->in, rbuf + have, READ_MAX);
	if (n > 0)
		handle(c, have + (size_t)n);
	return n;
}

static void
on_in(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n;

	(void)fd;
	(void)what;
	n = read_in(c);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		conns_drop(index_of(c), NULL);
	appd_timer();
}

void
conns_finish(unsigned app)
{
	struct conn *c = &conns[app];
	size_t len = c->keep_len, got = 0;
	ssize_t n = 1;

	if (c->in == -1)
		return;
	mux_parting(&appd.mux, app);
	if (len > 0)
		memcpy(rbuf, c->keep, len);
	handle(c, len);
	/* Another process may hold its end and go on writing: that is no app
	 * of ours. */
	while (c->in != -1 && n > 0 && got < LAST_MAX)
		if ((n = read_in(c)) > 0)
			got += (size_t)n;
	conns_drop(app, NULL);
	appd_timer();
}

void
conns_resume(void *ctx, unsigned app)
{
	(void)ctx;
	if (!conns[app].resumed)
		touch(&conns[app]);
	conns[app].resumed = true;
}

static void
look_at(struct conn *c)
{
	size_t len = c->keep_len;

	if (c->in == -1)
		return;
	if (c->dying) {
		conns_drop(index_of(c), "out of memory");
		return;
	}
	if (c->dirty) {
		c->dirty = false;
		if (!event_pending(c->ev_out, EV_WRITE, NULL) &&
		    !write_more(c))
			return;
	}
	if (!c->resumed)
		return;
	c->resumed = false;
	if (len > 0)
		memcpy(rbuf, c->keep, len);
	handle(c, len);
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	unsigned i, turns;
	struct conn *c;

	(void)fd;
	(void)what;
	(void)arg;
	/* Handling may touch others; what it leaves over the loop takes up. */
	for (turns = 0; n_touched > 0 && turns < 4 * APPD_CONNS; turns++) {
		c = &conns[touched[0]];
		for (i = 1; i < n_touched; i++)
			touched[i - 1] = touched[i];
		n_touched--;
		look_at(c);
	}
	if (n_touched > 0)
		event_active(ev_flush, EV_WRITE, 1);
}

size_t
conns_queued(void)
{
	return queued;
}
