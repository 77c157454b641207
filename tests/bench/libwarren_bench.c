/* SPDX-License-Identifier: ISC */
/*
 * What libwarren itself costs.  A child plays a node that does as little as
 * one can: it answers every Send with success, and sends ready-made ones.
 * Rates are per CPU second of the app's process, and by the clock.
 *   usage: libwarren_bench [SECONDS-PER-ROW]
 */
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "appd/app_json.h"
#include "appd/libwarren/warren_app.h"
#include "appd/packet.h"
#include "common/assert.h"

#define LOOPS_MAX 16

static double row_s = 1;

/* --- the child: a node --- */

struct fake {
	int rfd, wfd;
	uint8_t in[4 * PACKET_MAX];
	size_t len;
};

static void
put_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t done;

	for (; n > 0; p += done, n -= (size_t)done) {
		done = write(fd, p, n);
		if (done <= 0)
			_exit(0); /* the app is done */
	}
}

static struct app_loop
loop_at(unsigned i)
{
	struct app_loop l = { .local = { .port = 10 } };

	l.remote.pk[0] = 0x48;
	l.remote.port = (uint16_t)(100 + i);
	return l;
}

/* A Send of size bytes on loop i, with the loop's number as its id. */
static size_t
put_send(uint8_t *out, unsigned i, size_t size)
{
	static uint8_t bytes[WARREN_PIECE];
	struct app_loop l = loop_at(i);
	size_t n;

	n = app_json_put_send((char *)out + PACKET_HEAD, PACKET_BODY_MAX, &l,
	    APP_FORM_ADDR, bytes, size);
	packet_put_head(out, PACKET_SEND, (uint8_t)i, n);
	return PACKET_HEAD + n;
}

/* Answer what is asked; on every answer send the next, if any. */
static _Noreturn void
play_node(struct fake *f, unsigned loops, size_t size)
{
	static uint8_t out[4 * PACKET_MAX], sends[LOOPS_MAX][PACKET_MAX];
	size_t send_len[LOOPS_MAX], n = 0, at;
	struct packet p;
	unsigned i;
	ssize_t got;
	int k;

	n = packet_put(out, sizeof(out), PACKET_SUCCESS, 0, "null", 4);
	for (i = 0; i < loops; i++) {
		struct app_loop l = loop_at(i);
		size_t body;

		send_len[i] = put_send(sends[i], i, size);
		body = app_json_put_pair((char *)out + n + PACKET_HEAD, 512, &l,
		    APP_FORM_ADDR);
		packet_put_head(out + n, PACKET_CONFIRM_LOOP, (uint8_t)i, body);
		n += PACKET_HEAD + body;
	}
	for (;;) {
		put_all(f->wfd, out, n);
		n = 0;
		got = read(f->rfd, f->in + f->len, sizeof(f->in) - f->len);
		if (got <= 0)
			_exit(0);
		f->len += (size_t)got;
		for (at = 0; (k = packet_next(f->in + at, f->len - at, &p)) > 0;
		     at += (size_t)k) {
			if (n > sizeof(out) - PACKET_MAX) {
				put_all(f->wfd, out, n);
				n = 0;
			}
			if (p.type == PACKET_SEND) {
				n += packet_put(out + n, sizeof(out) - n,
				    PACKET_SUCCESS, p.id, "null", 4);
			} else if (p.type == PACKET_SUCCESS && size > 0) {
				memcpy(out + n, sends[p.id % loops],
				    send_len[p.id % loops]);
				n += send_len[p.id % loops];
			}
		}
		memmove(f->in, f->in + at, f->len - at);
		f->len -= at;
	}
}

/* --- the parent: an app --- */

static double
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
cpu_s(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static char buf[WARREN_PIECE];

static size_t
do_write(struct warren_conn **c, unsigned loops, size_t size)
{
	size_t done = 0;
	unsigned i;

	for (i = 0; i < loops; i++)
		done += (size_t)warren_write(c[i], buf, size, WARREN_WAIT);
	return done / size;
}

static size_t
do_read(struct warren_conn **c, unsigned loops, size_t size)
{
	unsigned i;
	size_t at;
	ssize_t n;

	for (i = 0; i < loops; i++) {
		for (at = 0; at < size; at += (size_t)n) {
			n = warren_read(c[i], buf, size - at, WARREN_WAIT);
			if (n <= 0)
				errx(EX_SOFTWARE, "read");
		}
	}
	return loops;
}

/* The node's next comes with our answer, so this is one way and back. */
static size_t
do_echo(struct warren_conn **c, unsigned loops, size_t size)
{
	(void)do_read(c, loops, size);
	return do_write(c, loops, size);
}

/* The same as an event loop does it. */
static size_t
do_event(struct warren_conn **c, unsigned loops, size_t size)
{
	struct warren_app *app = warren_conn_user(c[0]);
	struct pollfd pfd = { .fd = warren_app_fd(app), .events = POLLIN };
	struct warren_conn *ready;
	size_t n = 0;

	(void)loops;
	if (poll(&pfd, 1, -1) == -1 || warren_app_pump(app) == -1)
		err(EX_SOFTWARE, "poll");
	while ((ready = warren_next_ready(app)) != NULL) {
		while (warren_read(ready, buf, size, 0) > 0)
			n += warren_write(ready, buf, size, 0) > 0;
	}
	return n;
}

typedef size_t step_fn(struct warren_conn **c, unsigned loops, size_t size);

static void
row(const char *name, step_fn *step, unsigned loops, unsigned window,
    size_t size, bool sends)
{
	struct warren_conn *c[LOOPS_MAX];
	struct warren_app *app = warren_app_new();
	double wall, cpu, t;
	static struct fake f;
	int down[2], up[2];
	size_t n = 0;
	unsigned i;
	pid_t pid;

	if (app == NULL || pipe(down) == -1 || pipe(up) == -1)
		err(EX_OSERR, "pipe");
	pid = fork();
	if (pid == -1)
		err(EX_OSERR, "fork");
	if (pid == 0) {
		(void)close(down[0]);
		(void)close(up[1]);
		f.rfd = up[0];
		f.wfd = down[1];
		play_node(&f, loops, sends ? size : 0);
	}
	(void)close(down[1]);
	(void)close(up[0]);
	if (warren_app_setup_fds(app, down[0], up[1], "bench", "1") == -1)
		errx(EX_SOFTWARE, "%s", warren_app_error(app));
	for (i = 0; i < loops; i++) {
		c[i] = warren_accept(app, 5000);
		ASSERT(c[i] != NULL);
		ASSERT(warren_conn_window(c[i], window) == 0);
		warren_conn_set_user(c[i], app);
	}
	t = now_s();
	cpu = cpu_s();
	do {
		n += step(c, loops, size);
		wall = now_s() - t;
	} while (wall < row_s);
	cpu = cpu_s() - cpu;
	printf("%-6s %5zu bytes %2u loops window %2u  %8.0f/s %7.1f MB/s"
	       "  per CPU s %8.0f %7.1f MB\n",
	    name, size, loops, window, (double)n / wall,
	    (double)(n * size) / wall / 1e6, (double)n / cpu,
	    (double)(n * size) / cpu / 1e6);
	warren_app_free(app);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		row_s = strtod(argv[1], NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	row("write", do_write, 1, 1, WARREN_PIECE, false);
	row("write", do_write, 1, 16, WARREN_PIECE, false);
	row("write", do_write, 16, 1, WARREN_PIECE, false);
	row("write", do_write, 1, 64, 1024, false);
	row("write", do_write, 16, 16, 1024, false);
	row("read", do_read, 1, 1, WARREN_PIECE, true);
	row("read", do_read, 16, 1, WARREN_PIECE, true);
	row("read", do_read, 16, 1, 1024, true);
	row("echo", do_echo, 1, 1, 64, true);
	row("echo", do_echo, 16, 1, 64, true);
	row("event", do_event, 1, 2, 64, true);
	row("event", do_event, 16, 2, 64, true);
	return 0;
}
