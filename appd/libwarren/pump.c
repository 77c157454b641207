/* SPDX-License-Identifier: ISC */
/*
 * libwarren: bytes from the node and to it.  The only file that reads, writes
 * or waits on the pipes.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What one packet of the node may make us answer at once, and more. */
#define ANSWER_ROOM 1024

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
lib_deadline(int timeout_ms)
{
	if (timeout_ms < 0)
		return LIB_NEVER;
	return timeout_ms == 0 ? LIB_NOW : now_ms() + timeout_ms;
}

int
lib_timeout(int64_t deadline_ms)
{
	int64_t left = deadline_ms - now_ms();

	if (deadline_ms == LIB_NEVER)
		return -1;
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void
lib_set_error(struct warren_app *app, const char *text)
{
	(void)snprintf(app->error, sizeof(app->error), "%s", text);
}

void
lib_die(struct warren_app *app, int err, const char *text)
{
	struct warren_conn *c;

	if (app->dead != 0)
		return;
	app->dead = err;
	lib_set_error(app, text);
	TAILQ_FOREACH(c, &app->conns, all)
		lib_conn_end(c, CONN_BROKEN, err);
}

/* --- descriptors --- */

static int
prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL), fd_flags = fcntl(fd, F_GETFD);

	if (flags == -1 || fd_flags == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC) == -1)
		return -1;
	return 0;
}

int
lib_pipes_open(struct warren_app *app, int rfd, int wfd)
{
	app->rfd = rfd;
	app->wfd = wfd;
	app->in = malloc(LIB_IN_MAX);
	app->out = malloc(LIB_OUT_MAX);
	if (app->in == NULL || app->out == NULL) {
		errno = ENOMEM;
		return -1;
	}
	return prepare(rfd) == -1 || prepare(wfd) == -1 ? -1 : 0;
}

void
lib_pipes_close(struct warren_app *app)
{
	lib_ready_drop_pipes(app);
	if (app->rfd != -1)
		(void)close(app->rfd);
	if (app->wfd != -1)
		(void)close(app->wfd);
	app->rfd = app->wfd = -1;
	free(app->in);
	free(app->out);
	app->in = app->out = NULL;
	app->in_len = app->out_at = app->out_len = 0;
}

/* --- out --- */

uint8_t *
lib_out_room(struct warren_app *app, size_t n, bool spare)
{
	size_t used = app->out_len - app->out_at;
	size_t max = spare ? LIB_OUT_MAX : LIB_OUT_MAX - LIB_OUT_SPARE;

	if (app->dead != 0 || app->out == NULL || used > max || n > max - used)
		return NULL;
	if (n > LIB_OUT_MAX - app->out_len) {
		memmove(app->out, app->out + app->out_at, used);
		app->out_at = 0;
		app->out_len = used;
	}
	return app->out + app->out_len;
}

void
lib_out_add(struct warren_app *app, size_t n)
{
	app->out_len += n;
}

/*
 * write(2), but a reader that is gone is EPIPE and nothing else.  Nobody asks
 * for MSG_NOSIGNAL on a pipe, so the signal is held back and taken off; one
 * that the caller had pending already is left alone.
 */
static ssize_t
write_quietly(int fd, const void *buf, size_t len)
{
	sigset_t sigpipe, old, pending;
	bool was_pending = false;
	int err, sig;
	ssize_t n;

	(void)sigemptyset(&sigpipe);
	(void)sigaddset(&sigpipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
	if (sigismember(&old, SIGPIPE) == 1 && sigpending(&pending) == 0)
		was_pending = sigismember(&pending, SIGPIPE) == 1;
	n = write(fd, buf, len);
	err = errno;
	if (n == -1 && err == EPIPE && !was_pending &&
	    sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
		(void)sigwait(&sigpipe, &sig);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return n;
}

static void read_the_rest(struct warren_app *app);

void
lib_flush(struct warren_app *app)
{
	ssize_t n;

	while (app->dead == 0 && app->out_at < app->out_len) {
		n = write_quietly(app->wfd, app->out + app->out_at,
		    app->out_len - app->out_at);
		if (n > 0) {
			app->out_at += (size_t)n;
		} else if (n == -1 && errno == EINTR) {
			continue;
		} else if (n == -1 && errno == EAGAIN) {
			return;
		} else {
			app->out_at = app->out_len;
			read_the_rest(app);
			lib_die(app, ECONNRESET, "the node is gone");
		}
	}
	app->out_at = app->out_len = 0;
}

/* --- in --- */

/* Serve the packets in app->in, as long as their answers have room. */
static void
parse(struct warren_app *app)
{
	struct packet p;
	size_t at = 0;
	int n = 0;

	while (app->dead == 0 && lib_out_room(app, ANSWER_ROOM, true) != NULL) {
		n = packet_next(app->in + at, app->in_len - at, &p);
		if (n <= 0)
			break;
		at += (size_t)n;
		if (packet_is_response(p.type))
			lib_answered(app, &p);
		else
			lib_serve(app, &p);
	}
	if (n == -1)
		lib_die(app, EPROTO, "the node sent what is no packet");
	if (at > 0) {
		memmove(app->in, app->in + at, app->in_len - at);
		app->in_len -= at;
	}
}

/* One read.  1: bytes, 0: none now, -1: no more for ever. */
static int
read_once(struct warren_app *app)
{
	ssize_t n;

	if (app->in_len == LIB_IN_MAX)
		return 0;
	do {
		n = read(app->rfd, app->in + app->in_len,
		    LIB_IN_MAX - app->in_len);
	} while (n == -1 && errno == EINTR);
	if (n > 0) {
		app->in_len += (size_t)n;
		return 1;
	}
	return n == -1 && errno == EAGAIN ? 0 : -1;
}

/* The node reads no more.  What it had said before still counts. */
static void
read_the_rest(struct warren_app *app)
{
	while (app->dead == 0 && read_once(app) == 1)
		parse(app);
}

int
lib_pump(struct warren_app *app)
{
	int n = 0;

	if (app->dead == 0) {
		lib_flush(app);
		parse(app); /* what had to wait for room */
		n = app->dead == 0 ? read_once(app) : 0;
		parse(app);
		if (n == -1)
			lib_die(app, ECONNRESET, "the node is gone");
		lib_unstick(app);
		lib_flush(app);
	}
	lib_ready_update_app(app);
	if (app->dead != 0) {
		errno = app->dead;
		return -1;
	}
	return n;
}

int
lib_wait(struct warren_app *app, int64_t deadline_ms)
{
	struct pollfd pfd[2] = { { .fd = app->rfd, .events = POLLIN },
		{ .fd = -1, .events = POLLOUT } };
	int n;

	if (app->dead != 0) {
		errno = app->dead;
		return -1;
	}
	if (deadline_ms == LIB_NOW) {
		n = lib_pump(app);
		if (n == 0)
			errno = EAGAIN;
		return n == 1 ? 0 : -1;
	}
	lib_flush(app);
	if (app->out_at < app->out_len)
		pfd[1].fd = app->wfd;
	if (app->in_len == LIB_IN_MAX)
		pfd[0].fd = -1;
	n = poll(pfd, 2, lib_timeout(deadline_ms));
	if (n == -1)
		return -1;
	if (n == 0) {
		errno = ETIMEDOUT;
		lib_set_error(app, "timed out");
		return -1;
	}
	return lib_pump(app) == -1 ? -1 : 0;
}
