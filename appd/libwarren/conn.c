/* SPDX-License-Identifier: ISC */
/*
 * libwarren: connections, from beginning to end, the table by which packets
 * find them, and the list of those there is news about.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the table --- */

static struct warren_conn **
bucket_of(struct warren_app *app, const struct app_loop *l)
{
	uint32_t h = l->local.port * 31u + l->remote.port;

	h ^= l->remote.pk[0] | (uint32_t)l->remote.pk[1] << 8;
	return &app->bucket[(h ^ h >> 8) % LIB_BUCKETS];
}

/* The form of an address may leave out our own key, so it does not count. */
static bool
same_loop(const struct app_loop *a, const struct app_loop *b)
{
	return a->local.port == b->local.port &&
	    app_addr_equal(&a->remote, &b->remote);
}

struct warren_conn *
lib_conn_find(struct warren_app *app, const struct app_loop *l)
{
	struct warren_conn *c = app->last;

	if (c != NULL && same_loop(&c->loop, l))
		return c;
	for (c = *bucket_of(app, l); c != NULL; c = c->hash_next) {
		if (same_loop(&c->loop, l)) {
			app->last = c;
			break;
		}
	}
	return c;
}

static void
unhash(struct warren_conn *c)
{
	struct warren_conn **at = bucket_of(c->app, &c->loop);

	if (!c->hashed)
		return;
	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	c->hashed = false;
	if (c->app->last == c)
		c->app->last = NULL;
}

/* --- life --- */

void
lib_forget_news(struct warren_conn *c)
{
	if (c->in_news)
		TAILQ_REMOVE(&c->app->news, c, news);
	c->in_news = false;
}

struct warren_conn *
lib_conn_new(struct warren_app *app)
{
	struct warren_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->app = app;
	c->fd = c->signal.rfd = c->signal.wfd = -1;
	c->window = 1;
	STAILQ_INIT(&c->chunks);
	TAILQ_INSERT_TAIL(&app->conns, c, all);
	return c;
}

void
lib_conn_free(struct warren_conn *c)
{
	struct warren_app *app = c->app;

	lib_stick(c, STUCK_NO);
	while (!STAILQ_EMPTY(&c->chunks))
		lib_chunk_done(c, "no listeners");
	lib_forget(app, c);
	unhash(c);
	lib_forget_news(c);
	if (c->in_backlog) {
		TAILQ_REMOVE(&app->backlog, c, queue);
		app->n_backlog--;
	}
	if (c->in_closing)
		TAILQ_REMOVE(&app->closing, c, queue);
	TAILQ_REMOVE(&app->conns, c, all);
	lib_ready_close_conn(c);
	free(c->why);
	free(c);
}

void
lib_conn_open(struct warren_conn *c)
{
	struct warren_conn **at = bucket_of(c->app, &c->loop);

	c->hash_next = *at;
	*at = c;
	c->hashed = c->owes_close = true;
	c->state = CONN_OPEN;
	lib_news(c);
}

void
lib_conn_end(struct warren_conn *c, enum conn_state state, int err)
{
	if (c->state == CONN_ENDED || c->state == CONN_BROKEN)
		return;
	unhash(c);
	lib_stick(c, STUCK_NO);
	c->state = state;
	c->err = err;
	/* Unless it is everybody's reason, it may soon be overwritten. */
	if (state == CONN_BROKEN && c->app->dead == 0)
		c->why = strdup(c->app->error);
	lib_news(c);
}

int
lib_broken(const struct warren_conn *c)
{
	if (c->why != NULL)
		lib_set_error(c->app, c->why);
	errno = c->err;
	return -1;
}

void
lib_news(struct warren_conn *c)
{
	c->fresh = true;
	if (c->fd != -1) {
		lib_ready_update_conn(c);
	} else if (c->accepted && !c->in_news) {
		c->in_news = true;
		TAILQ_INSERT_TAIL(&c->app->news, c, news);
	}
}

void
lib_stick(struct warren_conn *c, enum conn_stuck why)
{
	if (c->stuck == STUCK_ROOM)
		c->app->n_stuck--;
	if (why == STUCK_ROOM)
		c->app->n_stuck++;
	c->stuck = why;
}

struct warren_conn *
warren_next_ready(struct warren_app *app)
{
	struct warren_conn *c = TAILQ_FIRST(&app->news);

	if (c != NULL) {
		TAILQ_REMOVE(&app->news, c, news);
		c->in_news = false;
	}
	lib_ready_update_app(app);
	return c;
}

void
lib_leave(struct warren_app *app, struct warren_conn *c)
{
	int err = errno;

	lib_flush(app);
	if (c != NULL)
		lib_ready_update_conn(c);
	lib_ready_update_app(app);
	errno = err;
}

void
warren_close(struct warren_conn *c)
{
	struct warren_app *app;

	if (c == NULL)
		return;
	app = c->app;
	if (c->state == CONN_DIALLING && c->asked && app->dead == 0) {
		/* The node may say yes yet: then its loop is closed. */
		c->closing = true;
		c->accepted = false;
		lib_ready_close_conn(c);
		lib_forget_news(c);
	} else if (c->owes_close && app->dead == 0 && !lib_send_close(c)) {
		while (!STAILQ_EMPTY(&c->chunks))
			lib_chunk_done(c, "no listeners");
		lib_conn_end(c, CONN_ENDED, 0);
		c->closing = true;
		c->accepted = false;
		lib_forget(app, c);
		lib_ready_close_conn(c);
		lib_forget_news(c);
		c->in_closing = true;
		TAILQ_INSERT_TAIL(&app->closing, c, queue);
	} else {
		lib_conn_free(c);
	}
	lib_leave(app, NULL);
}

/* --- what is known of it --- */

static void
addr_out(struct warren_addr *out, const struct app_addr *a)
{
	memcpy(out->pk, a->pk, sizeof(out->pk));
	out->port = a->port;
}

void
warren_local_addr(const struct warren_conn *c, struct warren_addr *out)
{
	addr_out(out, &c->loop.local);
}

void
warren_remote_addr(const struct warren_conn *c, struct warren_addr *out)
{
	addr_out(out, &c->loop.remote);
}

int
warren_conn_window(struct warren_conn *c, unsigned n)
{
	if (n == 0 || n > WARREN_WINDOW) {
		errno = EINVAL;
		return -1;
	}
	c->window = (uint8_t)n;
	return 0;
}

void
warren_conn_set_user(struct warren_conn *c, void *user)
{
	c->user = user;
}

void *
warren_conn_user(const struct warren_conn *c)
{
	return c->user;
}
