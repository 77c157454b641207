/* SPDX-License-Identifier: ISC */
/*
 * libwarren: the descriptors that a caller polls.  Each watches the poller of
 * the pipes, so that it is readable whenever there is work for a pump, and a
 * signal of its own for what a pump has found already.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <unistd.h>

static int
watch_pipes(struct warren_app *app)
{
	int poller;

	if (app->pipes != -1)
		return 0;
	poller = poller_new();
	if (poller == -1)
		return -1;
	if (app->rfd != -1 && poller_watch(poller, app->rfd, false) == -1) {
		(void)close(poller);
		return -1;
	}
	app->pipes = poller;
	app->out_polled = false;
	return 0;
}

/* A poller over the pipes and signal, or -1 with nothing made. */
static int
make(struct warren_app *app, struct signal *signal)
{
	int err, fd;

	if (watch_pipes(app) == -1 || signal_new(signal) == -1)
		return -1;
	fd = poller_new();
	if (fd != -1 && poller_watch(fd, app->pipes, false) == 0 &&
	    poller_watch(fd, signal->rfd, false) == 0)
		return fd;
	err = errno;
	if (fd != -1)
		(void)close(fd);
	signal_free(signal);
	errno = err;
	return -1;
}

int
warren_app_fd(struct warren_app *app)
{
	if (app->fd == -1) {
		app->fd = make(app, &app->signal);
		if (app->fd != -1)
			lib_ready_update_app(app);
	}
	return app->fd;
}

int
warren_conn_fd(struct warren_conn *c)
{
	struct warren_app *app = c->app;

	if (c->fd != -1)
		return c->fd;
	c->fd = make(app, &c->signal);
	if (c->fd == -1)
		return -1;
	if (c->in_news) { /* told by its own descriptor from now on */
		c->in_news = false;
		c->fresh = true;
		TAILQ_REMOVE(&app->news, c, news);
	}
	lib_ready_update_conn(c);
	lib_ready_update_app(app);
	return c->fd;
}

void
lib_ready_update_app(struct warren_app *app)
{
	bool out = app->out_at < app->out_len;

	if (app->pipes != -1 && app->wfd != -1 && out != app->out_polled) {
		if (!out)
			poller_forget(app->pipes, app->wfd, true);
		else if (poller_watch(app->pipes, app->wfd, true) == -1)
			return; /* no memory: asked again by the next call */
		app->out_polled = out;
	}
	signal_set(&app->signal,
	    app->dead != 0 || !TAILQ_EMPTY(&app->news) ||
		!TAILQ_EMPTY(&app->backlog));
}

void
lib_ready_update_conn(struct warren_conn *c)
{
	signal_set(&c->signal,
	    c->fresh || !STAILQ_EMPTY(&c->chunks) || c->state == CONN_ENDED ||
		c->state == CONN_BROKEN);
}

void
lib_ready_drop_pipes(struct warren_app *app)
{
	if (app->pipes == -1 || app->rfd == -1)
		return;
	poller_forget(app->pipes, app->rfd, false);
	if (app->out_polled)
		poller_forget(app->pipes, app->wfd, true);
	app->out_polled = false;
}

void
lib_ready_close_app(struct warren_app *app)
{
	if (app->fd != -1)
		(void)close(app->fd);
	if (app->pipes != -1)
		(void)close(app->pipes);
	app->fd = app->pipes = -1;
	signal_free(&app->signal);
}

void
lib_ready_close_conn(struct warren_conn *c)
{
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
	signal_free(&c->signal);
}
