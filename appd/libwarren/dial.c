/* SPDX-License-Identifier: ISC */
/*
 * libwarren: how connections come about: we dial, or another app does.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <string.h>

struct warren_conn *
warren_dial_start(struct warren_app *app, const struct warren_addr *to)
{
	struct warren_conn *c;

	if (app->dead != 0 || !app->ready) {
		errno = app->dead != 0 ? app->dead : EINVAL;
		return NULL;
	}
	c = lib_conn_new(app);
	if (c == NULL) {
		lib_set_error(app, "out of memory");
		return NULL;
	}
	c->accepted = true;
	memcpy(c->loop.remote.pk, to->pk, APP_PK_LEN);
	c->loop.remote.port = to->port;
	if (!lib_send_create(c))
		lib_stick(c, STUCK_ROOM);
	lib_leave(app, c);
	return c;
}

int
warren_dial_done(struct warren_conn *c)
{
	c->fresh = false;
	lib_ready_update_conn(c);
	switch (c->state) {
	case CONN_DIALLING:
		errno = EAGAIN;
		return -1;
	case CONN_BROKEN:
		return lib_broken(c);
	default:
		return 0;
	}
}

struct warren_conn *
warren_dial(struct warren_app *app, const struct warren_addr *to,
    int timeout_ms)
{
	int64_t deadline = lib_deadline(timeout_ms);
	struct warren_conn *c = warren_dial_start(app, to);
	int err;

	if (c == NULL)
		return NULL;
	while (c->state == CONN_DIALLING) {
		if (lib_wait(app, deadline) == -1 && c->state == CONN_DIALLING)
			break; /* errno says why */
	}
	if (c->state == CONN_OPEN || c->state == CONN_ENDED) {
		lib_forget_news(c); /* the caller knows */
		lib_leave(app, c);
		return c;
	}
	if (c->state == CONN_BROKEN)
		(void)lib_broken(c);
	err = errno;
	warren_close(c);
	errno = err;
	return NULL;
}

struct warren_conn *
warren_accept(struct warren_app *app, int timeout_ms)
{
	int64_t deadline = lib_deadline(timeout_ms);
	struct warren_conn *c;

	while ((c = TAILQ_FIRST(&app->backlog)) == NULL) {
		if (!app->ready && app->dead == 0) {
			errno = EINVAL;
			return NULL;
		}
		if (lib_wait(app, deadline) == -1 &&
		    TAILQ_EMPTY(&app->backlog)) {
			lib_leave(app, NULL);
			return NULL;
		}
	}
	TAILQ_REMOVE(&app->backlog, c, queue);
	app->n_backlog--;
	c->in_backlog = false;
	c->accepted = true;
	c->fresh = false;
	if (!STAILQ_EMPTY(&c->chunks) || c->state != CONN_OPEN)
		lib_news(c);
	lib_leave(app, c);
	return c;
}
