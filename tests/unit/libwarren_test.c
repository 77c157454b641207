/* SPDX-License-Identifier: ISC */
/*
 * libwarren against a node that follows a script: the test writes what the
 * node says into one pipe before the library is called, and reads what the
 * library said from the other afterwards.  Nothing runs beside the test, so
 * every step is at its place.
 */
#include "appd/libwarren/warren_app.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "appd/packet.h"

#define A "4ec47420176680816e0406250e7156465e4531f5b26057c9f6297bb0303558c7"
#define B "48c941c5015a05c455ff238af2e57fb8f914c399aab604e9abb5b32b91a4c1fe"
#define INIT                                                                   \
	"{\"app-name\":\"t\",\"app-version\":\"1\",\"protocol-version\":\"0."  \
	"0.1\"}"
#define PONG "cG9uZw=="
#define PING "cGluZw=="

static struct node {
	int to_app, from_app;
	uint8_t buf[4 * PACKET_MAX];
	size_t len, at;
	struct packet p; /* what was heard last */
} node;

static struct warren_app *app;

/* --- the node's side --- */

static void
say_bytes(const void *bytes, size_t len)
{
	assert_int_equal(write(node.to_app, bytes, len), len);
}

static void
say(uint8_t type, uint8_t id, const char *body)
{
	static uint8_t buf[PACKET_MAX];

	say_bytes(buf,
	    packet_put(buf, sizeof(buf), type, id, body, strlen(body)));
}

/* Is there another packet from the app? */
static bool
hear_any(void)
{
	ssize_t got;
	int n;

	if (node.at > 0) {
		memmove(node.buf, node.buf + node.at, node.len - node.at);
		node.len -= node.at;
		node.at = 0;
	}
	got = read(node.from_app, node.buf + node.len,
	    sizeof(node.buf) - node.len);
	if (got > 0)
		node.len += (size_t)got;
	n = packet_next(node.buf, node.len, &node.p);
	assert_int_not_equal(n, -1);
	node.at = (size_t)n;
	return n > 0;
}

static void
hear(uint8_t type, uint8_t id, const char *body)
{
	assert_true(hear_any());
	assert_int_equal(node.p.type, type);
	assert_int_equal(node.p.id, id);
	if (node.p.body_len != strlen(body) ||
	    memcmp(node.p.body, body, strlen(body)) != 0)
		fail_msg("heard \"%.*s\", not \"%s\"", (int)node.p.body_len,
		    (const char *)node.p.body, body);
}

static void
hear_nothing(void)
{
	if (hear_any())
		fail_msg("heard %02x %d \"%.*s\"", node.p.type, node.p.id,
		    (int)node.p.body_len, (const char *)node.p.body);
}

/* {"port":LOCAL,"remote":{"pk":B,"port":REMOTE}} */
static const char *
loop_text(unsigned local, unsigned remote)
{
	static char text[4][256];
	static unsigned turn;
	char *at = text[turn++ % 4];

	(void)snprintf(at, sizeof(text[0]),
	    "{\"port\":%u,\"remote\":{\"pk\":\"" B "\",\"port\":%u}}", local,
	    remote);
	return at;
}

static const char *
send_text(unsigned local, unsigned remote, const char *payload)
{
	static char text[2][PACKET_MAX];
	static unsigned turn;
	char *at = text[turn++ % 2];

	(void)snprintf(at, sizeof(text[0]), "{\"addr\":%s,\"payload\":\"%s\"}",
	    loop_text(local, remote), payload);
	return at;
}

static const char *
pair_text(unsigned local, unsigned remote)
{
	static char text[400];

	(void)snprintf(text, sizeof(text),
	    "[{\"pk\":\"" A "\",\"port\":%u},{\"pk\":\"" B "\",\"port\":%u}]",
	    local, remote);
	return text;
}

/* --- an app that is set up, and one that is not --- */

static void
make_pipes(int *rfd, int *wfd)
{
	int down[2], up[2];

	assert_int_equal(pipe(down), 0);
	assert_int_equal(pipe(up), 0);
	node.to_app = down[1];
	node.from_app = up[0];
	node.len = node.at = 0;
	(void)fcntl(node.from_app, F_SETFL, O_NONBLOCK);
	*rfd = down[0];
	*wfd = up[1];
	app = warren_app_new();
	assert_non_null(app);
}

static void
node_gone(void)
{
	if (node.to_app != -1)
		(void)close(node.to_app);
	if (node.from_app != -1)
		(void)close(node.from_app);
	node.to_app = node.from_app = -1;
}

static int
begin(void **state)
{
	int rfd, wfd;

	(void)state;
	make_pipes(&rfd, &wfd);
	say(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_app_setup_fds(app, rfd, wfd, "t", "1"), 0);
	hear(PACKET_INIT, 0, INIT);
	hear_nothing();
	assert_true(fcntl(rfd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(wfd, F_GETFD) & FD_CLOEXEC);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	warren_app_free(app);
	app = NULL;
	node_gone();
	return 0;
}

static struct warren_addr
remote(uint16_t port)
{
	struct warren_addr a;
	char text[WARREN_ADDR_TEXT];

	(void)snprintf(text, sizeof(text), B ":%u", port);
	assert_int_equal(warren_addr_from_text(&a, text), 0);
	return a;
}

/* A loop that the app dialled, from its port 11 to port 10. */
static struct warren_conn *
dialled(void)
{
	struct warren_addr to = remote(10);
	struct warren_conn *c;

	say(PACKET_SUCCESS, 0, "{\"pk\":\"" A "\",\"port\":11}");
	c = warren_dial(app, &to, 1000);
	assert_non_null(c);
	hear(PACKET_CREATE_LOOP, 0, "{\"pk\":\"" B "\",\"port\":10}");
	return c;
}

/* A loop that came to the app's port 10. */
static struct warren_conn *
accepted(uint16_t from)
{
	struct warren_conn *c;

	say(PACKET_CONFIRM_LOOP, 0, pair_text(10, from));
	c = warren_accept(app, 1000);
	assert_non_null(c);
	hear(PACKET_SUCCESS, 0, "null");
	return c;
}

/* --- setting up --- */

static void
test_setup_refused(void **state)
{
	static const struct {
		const char *body, *text;
	} cases[] = {
		{ "unexpected app", "unexpected app" },
		{ "\"unexpected app version\"", "unexpected app version" },
	};
	int rfd, wfd;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_pipes(&rfd, &wfd);
		say(PACKET_FAILURE, 0, cases[i].body);
		assert_int_equal(warren_app_setup_fds(app, rfd, wfd, "t", "1"),
		    -1);
		assert_int_equal(errno, EACCES);
		assert_string_equal(warren_app_error(app), cases[i].text);
		assert_int_equal(fcntl(rfd, F_GETFD), -1);
		assert_int_equal(fcntl(wfd, F_GETFD), -1);
		assert_int_equal(warren_app_pump(app), -1);
		(void)end(state);
	}
}

/* The node dies or talks nonsense before it has answered. */
static void
test_setup_dies(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int err;
	} cases[] = {
		{ "", 0, ECONNRESET }, { "\0", 1, ECONNRESET },
		{ "\0\6\xff\0nul", 7, ECONNRESET }, { "\0\0", 2, EPROTO },
		{ "\0\1\xff", 3, EPROTO },
		{ "\0\6\xff\7null", 8, ECONNRESET }, /* no answer of ours */
	};
	int rfd, wfd, from;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_pipes(&rfd, &wfd);
		say_bytes(cases[i].bytes, cases[i].len);
		(void)close(node.to_app);
		node.to_app = -1;
		from = node.from_app;
		assert_int_equal(warren_app_setup_fds(app, rfd, wfd, "t", "1"),
		    -1);
		assert_int_equal(errno, cases[i].err);
		assert_int_equal(from, node.from_app);
		(void)end(state);
	}
	/* Dead before it was asked: no SIGPIPE. */
	make_pipes(&rfd, &wfd);
	node_gone();
	assert_int_equal(warren_app_setup_fds(app, rfd, wfd, "t", "1"), -1);
	assert_int_equal(errno, ECONNRESET);
	(void)end(state);
}

static void
test_setup_arguments(void **state)
{
	struct warren_addr to = { .port = 1 };
	int rfd, wfd;
	char name[129];

	(void)state;
	memset(name, 'n', 128);
	name[128] = '\0';
	make_pipes(&rfd, &wfd);
	assert_null(warren_dial(app, &to, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(warren_accept(app, 0));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(warren_app_pump(app), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(warren_app_setup_fds(app, rfd, wfd, name, "1"), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fcntl(rfd, F_GETFD), -1);
	assert_int_equal(warren_app_setup_fds(app, -1, -1, "t", "1"), -1);
	assert_int_equal(errno, EINVAL);
	(void)end(state);
	warren_app_free(NULL);
	warren_close(NULL);
}

static void
test_setup_twice(void **state)
{
	struct warren_addr a;

	(void)state;
	assert_int_equal(warren_app_setup_fds(app, dup(0), dup(0), "t", "1"),
	    -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(warren_app_pump(app), 0);
	memset(&a, 1, sizeof(a));
	warren_app_addr(app, &a);
	assert_int_equal(a.port, 0);
	assert_int_equal(a.pk[31], 0);
}

/* The socket's handshake: granted, refused, and everything in between. */
static void
socket_case(const void *bytes, size_t len, int n_fds, int err, const char *text)
{
	union {
		struct cmsghdr hdr;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3], listener, s, rfd, wfd, i;
	struct cmsghdr *cm;
	pid_t pid;

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path),
	    "/tmp/libwarren-test.%ld", (long)getpid());
	(void)unlink(sun.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sun, sizeof(sun)),
	    0);
	assert_int_equal(listen(listener, 1), 0);
	make_pipes(&rfd, &wfd);
	say(PACKET_SUCCESS, 0, "null");
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) { /* the node's door, which knows one client */
		s = accept(listener, NULL, NULL);
		memcpy(&iov.iov_base, &bytes, sizeof(bytes));
		iov.iov_len = len;
		fds[0] = rfd;
		fds[1] = wfd;
		fds[2] = wfd;
		if (n_fds > 0) {
			msg.msg_control = control.bytes;
			msg.msg_controllen =
			    CMSG_SPACE((size_t)n_fds * sizeof(int));
			cm = CMSG_FIRSTHDR(&msg);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
			memcpy(CMSG_DATA(cm), fds, (size_t)n_fds * sizeof(int));
		}
		_exit(len > 0 && sendmsg(s, &msg, 0) == -1);
	}
	(void)close(rfd);
	(void)close(wfd);
	i = warren_app_setup_socket(app, sun.sun_path, "t", "1");
	if (err == 0) {
		assert_int_equal(i, 0);
		hear(PACKET_INIT, 0, INIT);
	} else {
		assert_int_equal(i, -1);
		assert_int_equal(errno, err);
		if (text != NULL)
			assert_string_equal(warren_app_error(app), text);
	}
	(void)end(NULL);
	(void)close(listener);
	(void)unlink(sun.sun_path);
}

static void
test_socket(void **state)
{
	char path[200];

	(void)state;
	socket_case("\0", 1, 2, 0, NULL);
	socket_case("\0", 1, 1, EPROTO, NULL);
	socket_case("\0", 1, 3, EPROTO, NULL);
	socket_case("\0", 1, 0, EPROTO, NULL);
	socket_case("", 0, 0, EPROTO, NULL);
	socket_case("\1not in the configuration", 25, 0, EACCES,
	    "not in the configuration");
	socket_case("\1", 1, 2, EACCES, "");
	app = warren_app_new();
	assert_int_equal(
	    warren_app_setup_socket(app, "/nonexistent/s", "t", "1"), -1);
	assert_int_equal(errno, ENOENT);
	warren_app_free(app);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	app = warren_app_new();
	assert_int_equal(warren_app_setup_socket(app, path, "t", "1"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	warren_app_free(app);
	app = NULL;
}

/* --- the session of warren-app(7), from both of its apps --- */

static void
test_session_client(void **state)
{
	struct warren_conn *c = dialled();
	struct warren_addr a;
	char buf[4], text[WARREN_ADDR_TEXT];

	(void)state;
	warren_local_addr(c, &a);
	(void)warren_addr_to_text(text, &a);
	assert_string_equal(text, A ":11");
	warren_remote_addr(c, &a);
	(void)warren_addr_to_text(text, &a);
	assert_string_equal(text, B ":10");
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	hear(PACKET_SEND, 0, send_text(11, 10, PING));
	say(PACKET_SUCCESS, 0, "null");
	say(PACKET_SEND, 0, send_text(11, 10, PONG));
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), 4);
	assert_memory_equal(buf, "pong", 4);
	hear(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_flush(c, 1000), 0);
	warren_close(c);
	hear(PACKET_CLOSE, 0, loop_text(11, 10));
	hear_nothing();
}

static void
test_session_server(void **state)
{
	struct warren_conn *c = accepted(11);
	char buf[64];

	(void)state;
	say(PACKET_SEND, 0, send_text(10, 11, PING));
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), 4);
	assert_memory_equal(buf, "ping", 4);
	hear(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_write(c, "pong", 4, 1000), 4);
	hear(PACKET_SEND, 0, send_text(10, 11, PONG));
	say(PACKET_SUCCESS, 0, "null");
	say(PACKET_CLOSE, 0, loop_text(10, 11));
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), 0);
	hear(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_read(c, buf, sizeof(buf), 0), 0);
	assert_int_equal(warren_write(c, "x", 1, 0), -1);
	assert_int_equal(errno, EPIPE);
	warren_close(c); /* the node knows already */
	hear_nothing();
}

/* The answer waits for the reader, and for all of its bytes. */
static void
test_flow_control(void **state)
{
	struct warren_conn *c = accepted(11);
	char buf[4];

	(void)state;
	say(PACKET_SEND, 7, send_text(10, 11, PING));
	assert_int_equal(warren_app_pump(app), 0);
	hear_nothing();
	assert_int_equal(warren_read(c, buf, 1, 0), 1);
	assert_int_equal(warren_read(c, buf + 1, 2, 0), 2);
	hear_nothing();
	assert_int_equal(warren_read(c, buf + 3, 1, 0), 1);
	assert_memory_equal(buf, "ping", 4);
	hear(PACKET_SUCCESS, 7, "null");
	assert_int_equal(warren_read(c, buf, 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(warren_read(c, buf, 4, 10), -1);
	assert_int_equal(errno, ETIMEDOUT);
	/* Nothing in it, so nothing to wait for. */
	say(PACKET_SEND, 8, send_text(10, 11, ""));
	assert_int_equal(warren_read(c, buf, 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	hear(PACKET_SUCCESS, 8, "null");
	/* Two at once, and both fit. */
	say(PACKET_SEND, 9, send_text(10, 11, PING));
	say(PACKET_SEND, 10, send_text(10, 11, PONG));
	assert_int_equal(warren_app_pump(app), 0);
	{
		char both[9];

		assert_int_equal(warren_read(c, both, sizeof(both), 0), 8);
		assert_memory_equal(both, "pingpong", 8);
	}
	hear(PACKET_SUCCESS, 9, "null");
	hear(PACKET_SUCCESS, 10, "null");
	warren_close(c);
}

/* The node's packets may come in any pieces. */
static void
test_byte_by_byte(void **state)
{
	static uint8_t bytes[4096];
	struct warren_conn *c;
	size_t len = 0, i;
	const char *body;
	char buf[8];
	size_t got = 0;
	ssize_t n;

	(void)state;
	body = pair_text(10, 11);
	len += packet_put(bytes, sizeof(bytes), PACKET_CONFIRM_LOOP, 0, body,
	    strlen(body));
	body = send_text(10, 11, PING);
	len += packet_put(bytes + len, sizeof(bytes) - len, PACKET_SEND, 1,
	    body, strlen(body));
	body = send_text(10, 11, PONG);
	len += packet_put(bytes + len, sizeof(bytes) - len, PACKET_SEND, 2,
	    body, strlen(body));
	body = loop_text(10, 11);
	len += packet_put(bytes + len, sizeof(bytes) - len, PACKET_CLOSE, 3,
	    body, strlen(body));
	for (i = 0, c = NULL; i < len; i++) {
		say_bytes(bytes + i, 1);
		if (c == NULL)
			c = warren_accept(app, 0);
		if (c == NULL)
			continue;
		n = warren_read(c, buf + got, sizeof(buf) - got, 0);
		if (n == 0 && got == sizeof(buf))
			continue;
		if (n == -1)
			assert_int_equal(errno, EAGAIN);
		else
			got += (size_t)n;
	}
	assert_int_equal(got, 8);
	assert_memory_equal(buf, "pingpong", 8);
	assert_int_equal(warren_read(c, buf, 1, 0), 0);
	for (i = 0; i < 4; i++)
		hear(PACKET_SUCCESS, (uint8_t)i, "null");
	warren_close(c);
	hear_nothing();
}

/* What was sent before the end is read before the end. */
static void
test_data_then_end(void **state)
{
	struct warren_conn *c = accepted(11);
	char buf[8];

	(void)state;
	say(PACKET_SEND, 1, send_text(10, 11, PING));
	say(PACKET_CLOSE, 2, loop_text(10, 11));
	assert_int_equal(warren_app_pump(app), 0);
	hear(PACKET_SUCCESS, 2, "null");
	assert_ptr_equal(warren_next_ready(app), c);
	assert_int_equal(warren_read(c, buf, sizeof(buf), 0), 4);
	hear(PACKET_SUCCESS, 1, "null");
	assert_int_equal(warren_read(c, buf, sizeof(buf), 0), 0);
	warren_close(c);
	/* And with the node itself gone. */
	c = accepted(11);
	say(PACKET_SEND, 1, send_text(10, 11, PING));
	node_gone();
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), 4);
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(warren_write(c, "x", 1, 1000), -1);
	assert_int_equal(errno, ECONNRESET);
	warren_close(c);
	assert_null(warren_accept(app, 1000));
	assert_int_equal(errno, ECONNRESET);
}

/* --- failures --- */

static void
test_dial_refused(void **state)
{
	struct warren_addr to = remote(10);

	(void)state;
	say(PACKET_FAILURE, 0, "confirm: port is not bound");
	assert_null(warren_dial(app, &to, 1000));
	assert_int_equal(errno, ECONNREFUSED);
	assert_string_equal(warren_app_error(app),
	    "confirm: port is not bound");
	hear(PACKET_CREATE_LOOP, 0, "{\"pk\":\"" B "\",\"port\":10}");
	/* Two at once, and each has its own reason. */
	{
		struct warren_conn *c = warren_dial_start(app, &to);
		struct warren_conn *d = warren_dial_start(app, &to);

		hear(PACKET_CREATE_LOOP, 0, "{\"pk\":\"" B "\",\"port\":10}");
		hear(PACKET_CREATE_LOOP, 1, "{\"pk\":\"" B "\",\"port\":10}");
		say(PACKET_FAILURE, 0, "confirm: backlog full");
		say(PACKET_FAILURE, 1, "route setup: no nodes");
		assert_int_equal(warren_app_pump(app), 0);
		assert_int_equal(warren_dial_done(c), -1);
		assert_string_equal(warren_app_error(app),
		    "confirm: backlog full");
		assert_int_equal(warren_dial_done(d), -1);
		assert_string_equal(warren_app_error(app),
		    "route setup: no nodes");
		warren_close(c);
		warren_close(d);
	}
	/* A success that says nothing. */
	say(PACKET_SUCCESS, 0, "null");
	assert_null(warren_dial(app, &to, 1000));
	assert_int_equal(errno, EPROTO);
	hear(PACKET_CREATE_LOOP, 0, "{\"pk\":\"" B "\",\"port\":10}");
	/* Not in time; the loop comes afterwards and is closed. */
	assert_null(warren_dial(app, &to, 10));
	assert_int_equal(errno, ETIMEDOUT);
	hear(PACKET_CREATE_LOOP, 0, "{\"pk\":\"" B "\",\"port\":10}");
	hear_nothing();
	say(PACKET_SUCCESS, 0, "{\"pk\":\"" A "\",\"port\":12}");
	assert_int_equal(warren_app_pump(app), 0);
	hear(PACKET_CLOSE, 0, loop_text(12, 10));
	say(PACKET_SUCCESS, 0, "null");
	assert_int_equal(warren_app_pump(app), 0);
	/* Not in time, and refused afterwards. */
	assert_null(warren_dial(app, &to, 0));
	assert_int_equal(errno, EAGAIN);
	say(PACKET_FAILURE, 0, "x");
	assert_int_equal(warren_app_pump(app), 0);
	hear(PACKET_CREATE_LOOP, 0, "{\"pk\":\"" B "\",\"port\":10}");
	hear_nothing();
	/* The node dies meanwhile. */
	node_gone();
	assert_null(warren_dial(app, &to, 1000));
	assert_int_equal(errno, ECONNRESET);
}

static void
test_send_refused(void **state)
{
	struct warren_conn *c = dialled();
	char buf[4];

	(void)state;
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	hear(PACKET_SEND, 0, send_text(11, 10, PING));
	say(PACKET_FAILURE, 0, "unknown loop");
	assert_int_equal(warren_write(c, "ping", 4, 1000), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_string_equal(warren_app_error(app), "unknown loop");
	assert_int_equal(warren_read(c, buf, 4, 1000), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(warren_flush(c, 1000), -1);
	warren_close(c); /* so that the node forgets it as well */
	hear(PACKET_CLOSE, 0, loop_text(11, 10));
}

/* The other end closed while we wrote: what it said before is still read. */
static void
test_no_listeners(void **state)
{
	struct warren_conn *c = dialled();
	char buf[8];

	(void)state;
	assert_int_equal(warren_write(c, "ping", 4, 0), 4);
	assert_int_equal(warren_write(c, "ping", 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	say(PACKET_FAILURE, 0, "no listeners");
	assert_int_equal(warren_app_pump(app), 0);
	assert_ptr_equal(warren_next_ready(app), c);
	assert_int_equal(warren_write(c, "ping", 4, 1000), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(warren_flush(c, 1000), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(warren_read(c, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, EAGAIN);
	say(PACKET_SEND, 1, send_text(11, 10, PONG));
	say(PACKET_CLOSE, 2, loop_text(11, 10));
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), 4);
	assert_memory_equal(buf, "pong", 4);
	assert_int_equal(warren_read(c, buf, sizeof(buf), 1000), 0);
	warren_close(c);
}

/* What the node may ask, and what it is answered. */
static void
test_odd_requests(void **state)
{
	struct warren_conn *c = accepted(11);
	char buf[4];

	(void)state;
	say(PACKET_SEND, 1, "{\"payload\":\"" PING "\"}");
	say(PACKET_SEND, 2, send_text(10, 12, PING));
	say(PACKET_SEND, 3, send_text(10, 11, "cGluZw="));
	say(PACKET_CONFIRM_LOOP, 4, pair_text(10, 11));
	say(PACKET_CONFIRM_LOOP, 5, "[]");
	say(PACKET_INIT, 6, INIT);
	say(PACKET_CREATE_LOOP, 7, "{}");
	say(0x77, 8, "");
	say(PACKET_CLOSE, 9, loop_text(10, 12));
	say(PACKET_CLOSE, 10, "null");
	say(PACKET_CLOSE, 11, "{\"port\":true}");
	say(PACKET_SUCCESS, 200, "null");
	say(PACKET_FAILURE, 255, "what?");
	assert_int_equal(warren_read(c, buf, 4, 0), -1);
	assert_int_equal(errno, EAGAIN);
	hear(PACKET_FAILURE, 1, "invalid Send payload");
	hear(PACKET_FAILURE, 2, "no listeners");
	hear(PACKET_FAILURE, 3, "invalid Send payload");
	hear(PACKET_FAILURE, 4, "loop is already created");
	hear(PACKET_FAILURE, 5, "invalid ConfirmLoop payload");
	hear(PACKET_FAILURE, 6, "unexpected frame");
	hear(PACKET_FAILURE, 7, "unexpected frame");
	hear(PACKET_FAILURE, 8, "unexpected frame");
	hear(PACKET_SUCCESS, 9, "null");
	hear(PACKET_SUCCESS, 10, "null");
	hear(PACKET_FAILURE, 11, "invalid Close payload");
	hear_nothing();
	warren_close(c);
}

static void
test_id_twice(void **state)
{
	struct warren_conn *c = accepted(11);
	char buf[8];

	(void)state;
	say(PACKET_SEND, 1, send_text(10, 11, PING));
	say(PACKET_SEND, 1, send_text(10, 11, PING));
	assert_int_equal(warren_app_pump(app), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(warren_read(c, buf, sizeof(buf), 0), 4);
	assert_int_equal(warren_read(c, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, EPROTO);
}

static void
test_backlog(void **state)
{
	struct warren_conn *c;
	unsigned i;

	(void)state;
	for (i = 0; i <= WARREN_BACKLOG; i++)
		say(PACKET_CONFIRM_LOOP, (uint8_t)i, pair_text(10, 20 + i));
	assert_int_equal(warren_app_pump(app), 0);
	for (i = 0; i < WARREN_BACKLOG; i++)
		hear(PACKET_SUCCESS, (uint8_t)i, "null");
	hear(PACKET_FAILURE, WARREN_BACKLOG, "backlog full");
	/* One that ended while it waited is accepted, and at its end. */
	say(PACKET_CLOSE, 0, loop_text(10, 20));
	for (i = 0; i < WARREN_BACKLOG; i++) {
		struct warren_addr a;
		char buf[1];

		c = warren_accept(app, 0);
		assert_non_null(c);
		warren_remote_addr(c, &a);
		assert_int_equal(a.port, 20 + i);
		if (i == 0)
			assert_int_equal(warren_read(c, buf, 1, 0), 0);
	}
	assert_null(warren_accept(app, 0));
	assert_int_equal(errno, EAGAIN);
	say(PACKET_CONFIRM_LOOP, 0, pair_text(10, 40));
	assert_non_null(warren_accept(app, 0));
}

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
	assert_int_equal(readable(fd), 0);
	assert_int_equal(warren_read(c, buf, 4, 0), 4);
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

#define WITH_APP(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup_refused),
		cmocka_unit_test(test_setup_dies),
		cmocka_unit_test(test_setup_arguments),
		cmocka_unit_test(test_socket),
		WITH_APP(test_setup_twice),
		WITH_APP(test_session_client),
		WITH_APP(test_session_server),
		WITH_APP(test_flow_control),
		WITH_APP(test_byte_by_byte),
		WITH_APP(test_data_then_end),
		WITH_APP(test_dial_refused),
		WITH_APP(test_send_refused),
		WITH_APP(test_no_listeners),
		WITH_APP(test_odd_requests),
		WITH_APP(test_id_twice),
		WITH_APP(test_backlog),
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
