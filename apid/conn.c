/* SPDX-License-Identifier: ISC */
/*
 * Connections as promised in conn.h: how they begin and end, their states and
 * the deadlines of those.  conn_io.c moves their bytes.
 */
#include "apid/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "apid/apid.h"
#include "apid/conn_priv.h"
#include "apid/head.h"
#include "common/log.h"

#define SPARE_MAX 16 /* read buffers kept for later */
#define LINGER_MS 2000
#define TOUCH_US  500000 /* an idle list's order is that coarse */

static struct {
	struct event_base *base;
	struct event *sweep;
	struct conns lists[C_STATES];
	struct work *spare;
	size_t n_spare, n_work, n_conns;
	size_t n_long; /* bytes of long buffers */
	uint64_t long_refused;
} all;

void (*conn_closed)(const struct naddr *from);

static void on_sweep(evutil_socket_t fd, short what, void *arg);

/* --- setting up, taking down --- */

void
conn_setup(struct event_base *base)
{
	size_t i;

	all.base = base;
	for (i = 0; i < C_STATES; i++)
		TAILQ_INIT(&all.lists[i]);
	all.sweep = event_new(base, -1, EV_PERSIST, on_sweep, NULL);
	if (all.sweep == NULL)
		fatalx(EX_OSERR, "no memory for a timer");
}

size_t
conn_count(void)
{
	return all.n_conns;
}

size_t
conn_reading(void)
{
	return all.n_work;
}

size_t
conn_long(void)
{
	return all.n_long;
}

uint64_t
conn_long_refused(void)
{
	return all.long_refused;
}

/* What a buffer of that size takes of the budget. */
static size_t
long_bytes(size_t cap)
{
	return cap > IN_LONG ? cap : 0;
}

bool
conn_work_grow(struct work *w, size_t cap)
{
	size_t held = all.n_long - long_bytes(w->in_cap);
	uint8_t *p;

	if (long_bytes(cap) > CONN_LONG_MAX - held) {
		all.long_refused++;
		return false;
	}
	if (w->in == w->small) {
		if ((p = malloc(cap)) != NULL)
			memcpy(p, w->small, w->in_len);
	} else {
		p = realloc(w->in, cap);
	}
	if (p == NULL)
		return false;
	all.n_long = held + long_bytes(cap);
	w->in = p;
	w->in_cap = cap;
	return true;
}

struct work *
conn_work_new(void)
{
	struct work *w = all.spare;

	if (w != NULL) {
		all.spare = w->next;
		all.n_spare--;
	} else if ((w = malloc(sizeof(*w))) == NULL) {
		return NULL;
	}
	memset(w, 0, offsetof(struct work, small));
	w->in = w->small;
	w->in_cap = IN_SIZE;
	all.n_work++;
	return w;
}

void
conn_work_free(struct work *w)
{
	if (w == NULL)
		return;
	out_free(w->out);
	if (w->ev_write != NULL)
		event_free(w->ev_write);
	all.n_long -= long_bytes(w->in_cap);
	if (w->in != w->small)
		free(w->in);
	all.n_work--;
	if (all.n_spare == SPARE_MAX) {
		free(w);
		return;
	}
	w->next = all.spare;
	all.spare = w;
	all.n_spare++;
}

void
conn_set_state(struct conn *c, enum conn_state state)
{
	struct mono now = apid_time().mono;

	if (c->state == state && now.us - c->since.us < TOUCH_US)
		return;
	TAILQ_REMOVE(&all.lists[c->state], c, next);
	c->state = (uint8_t)state;
	c->since = now;
	TAILQ_INSERT_TAIL(&all.lists[state], c, next);
}

int
conn_open(int fd, uint8_t service, const struct naddr *from)
{
	static const struct timeval second = { 1, 0 };
	struct conn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		(void)close(fd);
		return -1;
	}
	c->fd = fd;
	c->service = service;
	c->from = *from;
	c->state = C_IDLE;
	c->since = apid_time().mono;
	if (event_assign(&c->ev, all.base, fd, EV_READ | EV_PERSIST,
		conn_on_read, c) == -1 ||
	    event_add(&c->ev, NULL) == -1) {
		(void)close(fd);
		free(c);
		return -1;
	}
	TAILQ_INSERT_TAIL(&all.lists[C_IDLE], c, next);
	if (all.n_conns++ == 0)
		(void)event_add(all.sweep, &second);
	return 0;
}

void
conn_close(struct conn *c)
{
	struct work *w = c->work;
	struct naddr from = c->from;

	if (w != NULL && w->rq.cancel != NULL)
		w->rq.cancel(w->rq.pending);
	conn_work_free(w);
	(void)event_del(&c->ev);
	(void)close(c->fd);
	TAILQ_REMOVE(&all.lists[c->state], c, next);
	free(c);
	if (--all.n_conns == 0)
		(void)event_del(all.sweep);
	if (conn_closed != NULL)
		conn_closed(&from);
}

void
conn_close_all(void)
{
	struct conn *c;
	size_t i;

	for (i = 0; i < C_STATES; i++)
		while ((c = TAILQ_FIRST(&all.lists[i])) != NULL)
			conn_close(c);
}

size_t
conn_drain(void)
{
	static const uint8_t over[] = { C_IDLE, C_HEAD, C_BODY, C_LINGER };
	struct conn *c;
	size_t i;

	for (i = 0; i < sizeof(over); i++)
		while ((c = TAILQ_FIRST(&all.lists[over[i]])) != NULL)
			conn_close(c);
	return all.n_conns;
}

void
conn_configure(void)
{
	head_configure(apid.conf.allow_origin);
}

int
conn_want_write(struct conn *c)
{
	struct work *w = c->work;

	if (w->ev_write == NULL)
		w->ev_write =
		    event_new(all.base, c->fd, EV_WRITE, conn_on_write, c);
	return w->ev_write == NULL ? -1 : event_add(w->ev_write, NULL);
}

/* --- deadlines --- */

static uint32_t
timeout_ms(enum conn_state state)
{
	switch (state) {
	case C_HEAD:
		return apid.conf.header_ms;
	case C_BODY:
	case C_WRITE:
		return apid.conf.body_ms;
	case C_LINGER:
		return LINGER_MS;
	case C_WAIT:
		return UINT32_MAX; /* the handler has its own */
	default:
		return apid.conf.idle_ms;
	}
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c, *last;
	struct mono now;
	size_t i;

	(void)fd;
	(void)what;
	(void)arg;
	apid_touch_clock();
	now = apid_time().mono;
	for (i = 0; i < C_STATES; i++) {
		last = TAILQ_LAST(&all.lists[i], conns);
		while (last != NULL && (c = TAILQ_FIRST(&all.lists[i])) &&
		    mono_reached(
			mono_add_ms(c->since, timeout_ms((enum conn_state)i)),
			now)) {
			conn_expire(c);
			if (c == last)
				break;
		}
	}
}
