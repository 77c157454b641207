/* SPDX-License-Identifier: ISC */
/*
 * libwarren: closing, many loops, full pipes and ids that are all busy,
 * descriptors to poll, and SIGPIPE, against a scripted node.
 */
#include "appd/libwarren/warren_app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "tests/unit/scripted_node.h"

/* --- closing --- */

/* Both ends close at once, and data crosses the Close. */
static void
test_close_races(void **state)
{
	struct warren_conn *c = dialled();

	(void)state;
	say(PACKET_SEND, 1, send_text(11, 10, PING)); /* never read */
	assert_int_equal(warren_app_pump(app), 0);
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	warren_close(c);
	hear(PACKET_SEND, 0, send_text(11, 10, PING));
	hear(PACKET_CLOSE, 1, loop_text(11, 10));
	hear(PACKET_FAILURE, 1, "no listeners");
	say(PACKET_SEND, 2, send_text(11, 10, PING));
	say(PACKET_CLOSE, 3, loop_text(11, 10));
	say(PACKET_FAILURE, 0, "unknown loop"); /* of a loop nobody has */
	say(PACKET_SUCCESS, 1, "null");
	assert_int_equal(warren_app_pump(app), 0);
	hear(PACKET_FAILURE, 2, "no listeners");
	hear(PACKET_SUCCESS, 3, "null");
	/* The same addresses again. */
	warren_close(dialled());
	hear(PACKET_CLOSE, 0, loop_text(11, 10));
	hear_nothing();
}

static void
test_app_close(void **state)
{
	struct warren_conn *c = dialled(), *d;
	char buf[1];

	(void)state;
	say(PACKET_CONFIRM_LOOP, 1, pair_text(10, 30));
	d = warren_accept(app, 0);
	hear(PACKET_SUCCESS, 1, "null");
	warren_app_close(app);
	hear(PACKET_CLOSE, 0, loop_text(11, 10));
	hear(PACKET_CLOSE, 1, loop_text(10, 30));
	hear_nothing();
	assert_int_equal(read(node.from_app, buf, 1), 0); /* the end */
	warren_app_close(app);
	assert_int_equal(warren_read(c, buf, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(warren_write(d, buf, 1, 0), -1);
	warren_close(d);
}

/* More loops than there are ids for: the Closes wait, and all are said. */
static void
test_many_loops(void **state)
{
	enum { N = 600 };
	static struct warren_conn *c[N];
	unsigned i, closes = 0;

	(void)state;
	for (i = 0; i < N; i++)
		c[i] = accepted((uint16_t)(1000 + i));
	for (i = 0; i < N; i++) {
		say(PACKET_SEND, 3, send_text(10, 1000 + (i * 7) % N, PING));
		assert_int_equal(warren_app_pump(app), 0);
		assert_ptr_equal(warren_next_ready(app), c[(i * 7) % N]);
		assert_null(warren_next_ready(app));
		{
			char buf[8];

			assert_int_equal(
			    warren_read(c[(i * 7) % N], buf, sizeof(buf), 0),
			    4);
		}
		hear(PACKET_SUCCESS, 3, "null");
	}
	for (i = 0; i < N; i++)
		warren_close(c[i]);
	for (i = 0; i < 10 && closes < N; i++) {
		while (hear_any()) {
			assert_int_equal(node.p.type, PACKET_CLOSE);
			say(PACKET_SUCCESS, node.p.id, "null");
			closes++;
		}
		assert_int_equal(warren_app_pump(app), 0);
	}
	assert_int_equal(closes, N);
}

/* --- writing --- */

/* One Send at a time by default; a window lets more go. */
static void
test_window(void **state)
{
	struct warren_conn *c = dialled();
	static char big[3 * WARREN_PIECE];

	(void)state;
	assert_int_equal(warren_conn_window(c, 0), -1);
	assert_int_equal(warren_conn_window(c, WARREN_WINDOW + 1), -1);
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	assert_int_equal(warren_write(c, "ping", 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(warren_flush(c, 0), -1);
	assert_int_equal(errno, EAGAIN);
	hear(PACKET_SEND, 0, send_text(11, 10, PING));
	hear_nothing();
	assert_null(warren_next_ready(app));
	assert_int_equal(warren_write(c, "ping", 4, 0), -1);
	say(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_app_pump(app), 0);
	assert_ptr_equal(warren_next_ready(app), c);
	assert_int_equal(warren_conn_window(c, 2), 0);
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	assert_int_equal(warren_write(c, "pong", 4, 0), 4);
	assert_int_equal(warren_write(c, "ping", 4, 0), -1);
	hear(PACKET_SEND, 0, send_text(11, 10, PING));
	hear(PACKET_SEND, 1, send_text(11, 10, PONG));
	say(PACKET_SUCCESS, 0, "null");
	say(PACKET_SUCCESS, 1, "null");
	/* Pieces, as far as they may go now. */
	assert_int_equal(warren_write(c, big, sizeof(big), 0),
	    2 * WARREN_PIECE);
	assert_int_equal(warren_write(c, "", 0, 0), 0);
	warren_close(c);
}

/* A pipe that is full: the rest goes when it can, unbroken. */
static void
test_full_pipe(void **state)
{
	struct warren_conn *c = dialled();
	static char big[8 * WARREN_PIECE];
	struct pollfd pfd = { .events = POLLIN };
	unsigned sends = 0, i;
	ssize_t n;

	(void)state;
	assert_int_equal(warren_conn_window(c, 64), 0);
	pfd.fd = warren_app_fd(app);
	n = warren_write(c, big, sizeof(big), 0);
	assert_true(n > 0 && n < (ssize_t)sizeof(big));
	assert_int_equal(n % WARREN_PIECE, 0);
	for (i = 0; i < 100 && sends < n / WARREN_PIECE; i++) {
		while (hear_any()) {
			assert_int_equal(node.p.type, PACKET_SEND);
			assert_int_equal(node.p.id, sends);
			sends++;
		}
		if (sends < n / WARREN_PIECE)
			assert_int_equal(poll(&pfd, 1, 1000), 1);
		assert_int_equal(warren_app_pump(app), 0);
	}
	assert_int_equal(sends, n / WARREN_PIECE);
	assert_ptr_equal(warren_next_ready(app), c); /* room again */
	assert_null(warren_next_ready(app));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_true(warren_write(c, big, sizeof(big), 0) > 0);
	warren_close(c);
}

/* Every id is busy: dials and writes wait for one. */
static void
test_ids_out(void **state)
{
	struct warren_conn *c[PACKET_IDS + 2], *d = dialled();
	struct warren_addr to = remote(10);
	unsigned i;

	(void)state;
	for (i = 0; i < PACKET_IDS + 2; i++) {
		c[i] = warren_dial_start(app, &to);
		assert_non_null(c[i]);
	}
	assert_int_equal(warren_write(d, "ping", 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	for (i = 0; i < PACKET_IDS; i++) {
		assert_true(hear_any());
		assert_int_equal(node.p.type, PACKET_CREATE_LOOP);
		assert_int_equal(node.p.id, i);
	}
	hear_nothing();
	warren_close(c[PACKET_IDS + 1]); /* never asked, so never there */
	say(PACKET_FAILURE, 5, "x");
	say(PACKET_FAILURE, 6, "x");
	assert_int_equal(warren_app_pump(app), 0);
	assert_ptr_equal(warren_next_ready(app), c[5]);
	assert_ptr_equal(warren_next_ready(app), c[6]);
	assert_int_equal(warren_dial_done(c[5]), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(warren_dial_done(c[4]), -1);
	assert_int_equal(errno, EAGAIN);
	assert_ptr_equal(warren_next_ready(app), d);
	hear(PACKET_CREATE_LOOP, 5, "{\"pk\":\"" B "\",\"port\":10}");
	assert_int_equal(warren_write(d, "ping", 4, 0), 4);
	hear(PACKET_SEND, 6, send_text(11, 10, PING));
}

/* --- descriptors to poll --- */

static int
readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0);
}

static void
test_app_fd(void **state)
{
	struct warren_conn *c;
	int fd = warren_app_fd(app);
	char buf[4];

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(warren_app_fd(app), fd);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(readable(fd), 0);
	say(PACKET_CONFIRM_LOOP, 0, pair_text(10, 11));
	assert_int_equal(readable(fd), 1);
	assert_int_equal(warren_app_pump(app), 0);
	assert_int_equal(readable(fd), 1); /* one to accept */
	c = warren_accept(app, 0);
	assert_int_equal(readable(fd), 0);
	say(PACKET_SEND, 1, send_text(10, 11, PING));
	assert_int_equal(warren_app_pump(app), 0);
	assert_int_equal(readable(fd), 1);
	assert_ptr_equal(warren_next_ready(app), c);
	assert_int_equal(warren_read(c, buf, 4, 0), 4);
	hear(PACKET_SUCCESS, 0, "null");
	hear_nothing();
	assert_int_equal(readable(fd), 1); /* not through with the news */
	assert_null(warren_next_ready(app));
	hear(PACKET_SUCCESS, 1, "null");
	assert_int_equal(readable(fd), 0);
	node_gone();
	assert_int_equal(readable(fd), 1);
	assert_int_equal(warren_app_pump(app), -1);
	assert_ptr_equal(warren_next_ready(app), c);
	assert_int_equal(readable(fd), 1);
}

static void
test_conn_fd(void **state)
{
	struct warren_conn *c = accepted(11), *d = accepted(12);
	int fd = warren_conn_fd(c);
	char buf[4];

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(warren_conn_fd(c), fd);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(readable(fd), 0);
	/* Found by reading the other connection. */
	say(PACKET_SEND, 1, send_text(10, 11, PING));
	assert_int_equal(warren_read(d, buf, 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(readable(fd), 1);
	assert_null(warren_next_ready(app));
	assert_int_equal(warren_read(c, buf, 2, 0), 2);
	assert_int_equal(readable(fd), 1);
	assert_int_equal(warren_read(c, buf, 2, 0), 2);
	assert_int_equal(readable(fd), 0);
	/* The other's bytes wake it, and there is nothing for it. */
	say(PACKET_SEND, 1, send_text(10, 12, PING));
	assert_int_equal(readable(fd), 1);
	assert_int_equal(warren_read(c, buf, 4, 0), -1);
	assert_int_equal(readable(fd), 0);
	assert_int_equal(warren_read(d, buf, 4, 0), 4);
	/* Room to write, and the end. */
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	assert_int_equal(warren_write(c, "ping", 4, 0), -1);
	assert_int_equal(readable(fd), 0);
	say(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_app_pump(app), 0);
	assert_int_equal(readable(fd), 1);
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	assert_int_equal(readable(fd), 0);
	say(PACKET_CLOSE, 1, loop_text(10, 11));
	assert_int_equal(warren_app_pump(app), 0);
	assert_int_equal(readable(fd), 1);
	assert_int_equal(warren_read(c, buf, 4, 0), 0);
	assert_int_equal(readable(fd), 1);
	warren_close(c);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	warren_close(d);
}

/* The node speaks the later form of addresses, and is answered in it. */
static void
test_loop_form(void **state)
{
#define LOOP                                                                   \
	"{\"local\":{\"pk\":\"" A "\",\"port\":10},\"remote\":{\"pk\":\"" B    \
	"\",\"port\":11}}"
	struct warren_conn *c;
	char buf[4];

	(void)state;
	say(PACKET_CONFIRM_LOOP, 0, LOOP);
	c = warren_accept(app, 0);
	assert_non_null(c);
	hear(PACKET_SUCCESS, 0, "null");
	say(PACKET_SEND, 0, "{\"loop\":" LOOP ",\"payload\":\"" PING "\"}");
	assert_int_equal(warren_read(c, buf, 4, 0), 4);
	hear(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_write(c, "pong", 4, 0), 4);
	hear(PACKET_SEND, 0, "{\"loop\":" LOOP ",\"payload\":\"" PONG "\"}");
	warren_close(c);
	hear(PACKET_CLOSE, 1, LOOP);
}

/* --- SIGPIPE --- */

static volatile sig_atomic_t sigpipes;

static void
on_sigpipe(int sig)
{
	(void)sig;
	sigpipes = sigpipes + 1;
}

static void
test_no_sigpipe(void **state)
{
	struct warren_conn *c = dialled();
	struct sigaction sa = { .sa_handler = on_sigpipe }, old;
	sigset_t set, was;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, &sa, &old), 0);
	(void)close(node.from_app);
	node.from_app = -1;
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	assert_int_equal(warren_app_pump(app), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(sigpipes, 0);
	/* One of the caller's own is still there. */
	(void)end(state);
	(void)begin(state);
	c = dialled();
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &set, &was);
	(void)raise(SIGPIPE);
	(void)close(node.from_app);
	node.from_app = -1;
	(void)warren_write(c, "ping", 4, 0);
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
	assert_int_equal(sigpipes, 1);
	(void)sigaction(SIGPIPE, &old, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_APP(test_close_races),
		WITH_APP(test_app_close),
		WITH_APP(test_many_loops),
		WITH_APP(test_window),
		WITH_APP(test_full_pipe),
		WITH_APP(test_ids_out),
		WITH_APP(test_app_fd),
		WITH_APP(test_conn_fd),
		WITH_APP(test_loop_form),
		WITH_APP(test_no_sigpipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
