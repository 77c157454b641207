/* SPDX-License-Identifier: ISC */
/*
 * libwarren: getting at the pipes and being let in, against a scripted node
 * that refuses, talks nonsense, or dies at every byte of a session.
 */
#include "appd/libwarren/warren_app.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/scripted_node.h"

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

/* A node that dies after every byte of a session, and what was read by then. */
static void
test_dies_everywhere(void **state)
{
	static uint8_t bytes[2048];
	struct warren_addr to = remote(10);
	struct warren_conn *c;
	size_t len = 0, cut, got;
	int rfd, wfd;
	ssize_t n;
	char buf[3];
	bool up;

#define ADD(type, id, body)                                                    \
	len += packet_put(bytes + len, sizeof(bytes) - len, type, id, body,    \
	    strlen(body))
	(void)state;
	ADD(PACKET_SUCCESS, 0, "null");
	ADD(PACKET_SUCCESS, 0, "{\"pk\":\"" A "\",\"port\":11}");
	ADD(PACKET_SUCCESS, 0, "null");
	ADD(PACKET_SEND, 0, send_text(11, 10, PONG));
	ADD(PACKET_CLOSE, 1, loop_text(11, 10));
	for (cut = 0; cut <= len; cut++) {
		make_pipes(&rfd, &wfd);
		say_bytes(bytes, cut < 8 ? cut : 8); /* nothing unasked */
		if (cut < 8)
			node_gone();
		up = warren_app_setup_fds(app, rfd, wfd, "t", "1") == 0;
		if (cut >= 8) {
			say_bytes(bytes + 8, cut - 8);
			(void)close(node.to_app);
			node.to_app = -1;
		}
		c = warren_dial(app, &to, 1000);
		assert_true(up || c == NULL);
		if (c == NULL)
			assert_true(errno == ECONNRESET || cut == 0);
		got = 0;
		if (c != NULL) {
			(void)warren_write(c, "ping", 4, 1000);
			while ((n = warren_read(c, buf, sizeof(buf), 1000)) > 0)
				got += (size_t)n;
			assert_true(got == 0 || got == 4);
			/* The end was said only by the last byte. */
			assert_int_equal(n, cut == len ? 0 : -1);
			if (n == -1)
				assert_int_equal(errno, ECONNRESET);
		}
		assert_true(c != NULL || cut < 8 + 87);
		warren_close(c);
		(void)end(state);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup_refused),
		cmocka_unit_test(test_setup_dies),
		cmocka_unit_test(test_setup_arguments),
		WITH_APP(test_setup_twice),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_dies_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
