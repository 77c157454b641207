/* SPDX-License-Identifier: ISC */
/*
 * libwarren: the bytes of a connection.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <string.h>

/* What is there already, at most len bytes. */
static size_t
take(struct warren_conn *c, uint8_t *buf, size_t len)
{
	struct chunk *ch;
	size_t done = 0, n;

	while (done < len && (ch = STAILQ_FIRST(&c->chunks)) != NULL) {
		n = ch->len - ch->at;
		if (n > len - done)
			n = len - done;
		memcpy(buf + done, ch->bytes + ch->at, n);
		ch->at += n;
		done += n;
		if (ch->at == ch->len)
			lib_chunk_done(c, NULL);
	}
	return done;
}

/* Let the pump write into buf what comes for c while it waits. */
static size_t
wait_for(struct warren_conn *c, uint8_t *buf, size_t len, int64_t deadline,
    bool *over)
{
	struct warren_app *app = c->app;

	app->direct.conn = c;
	app->direct.buf = buf;
	app->direct.cap = len;
	app->direct.len = 0;
	*over = lib_wait(app, deadline) == -1;
	app->direct.conn = NULL;
	return app->direct.len;
}

ssize_t
warren_read(struct warren_conn *c, void *buf, size_t len, int timeout_ms)
{
	int64_t deadline = lib_deadline(timeout_ms);
	bool over = false;
	size_t n = 0;

	c->fresh = false;
	while (len > 0 && (n = take(c, buf, len)) == 0) {
		if (c->state == CONN_ENDED)
			break;
		if (c->state == CONN_BROKEN)
			over = lib_broken(c) == -1;
		if (c->state == CONN_DIALLING) {
			errno = ENOTCONN;
			over = true;
		}
		if (over) {
			lib_leave(c->app, c);
			return -1;
		}
		n = wait_for(c, buf, len, deadline, &over);
		if (n > 0)
			break;
	}
	lib_leave(c->app, c);
	return (ssize_t)n;
}

/* Why nothing can be written to c, an errno, or 0. */
static int
cannot_write(const struct warren_conn *c)
{
	switch (c->state) {
	case CONN_OPEN:
		return c->deaf ? EPIPE : 0;
	case CONN_BROKEN:
		(void)lib_broken(c);
		return c->err;
	case CONN_DIALLING:
		return ENOTCONN;
	default:
		return EPIPE;
	}
}

/* Hand on as much as may be now. */
static size_t
write_some(struct warren_conn *c, const uint8_t *buf, size_t len)
{
	size_t done = 0, n;

	while (done < len && c->in_flight < c->window) {
		n = len - done < WARREN_PIECE ? len - done : WARREN_PIECE;
		if (!lib_send_piece(c, buf + done, n))
			break;
		done += n;
		lib_flush(c->app);
		if (c->state != CONN_OPEN)
			break;
	}
	return done;
}

ssize_t
warren_write(struct warren_conn *c, const void *buf, size_t len, int timeout_ms)
{
	int64_t deadline = lib_deadline(timeout_ms);
	const uint8_t *p = buf;
	size_t done = 0;
	int err = 0;

	c->fresh = false;
	while (done < len || len == 0) {
		err = cannot_write(c);
		if (err != 0 || len == 0)
			break;
		done += write_some(c, p + done, len - done);
		if (done == len || cannot_write(c) != 0)
			continue;
		if (lib_wait(c->app, deadline) == -1 && cannot_write(c) == 0) {
			err = errno;
			lib_stick(c,
			    c->in_flight >= c->window ? STUCK_WINDOW
						      : STUCK_ROOM);
			break;
		}
	}
	lib_leave(c->app, c);
	if (done > 0 || err == 0)
		return (ssize_t)done;
	errno = err;
	return -1;
}

int
warren_flush(struct warren_conn *c, int timeout_ms)
{
	int64_t deadline = lib_deadline(timeout_ms);

	c->fresh = false;
	while (c->in_flight > 0 && c->state != CONN_BROKEN) {
		if (lib_wait(c->app, deadline) == 0 || c->state == CONN_BROKEN)
			continue;
		if (c->state == CONN_OPEN)
			lib_stick(c, STUCK_FLUSH);
		lib_leave(c->app, c);
		return -1;
	}
	lib_leave(c->app, c);
	if (c->state == CONN_BROKEN)
		return lib_broken(c);
	if (c->deaf) {
		errno = EPIPE;
		return -1;
	}
	return 0;
}
