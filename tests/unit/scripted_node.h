/* SPDX-License-Identifier: ISC */
/*
 * A node that follows a script, for the tests of libwarren: the test writes
 * what the node says into one pipe before the library is called, and reads
 * what the library said from the other afterwards.  Nothing runs beside the
 * test, so every step is at its place.
 */
#ifndef WARREN_TESTS_SCRIPTED_NODE_H
#define WARREN_TESTS_SCRIPTED_NODE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "appd/libwarren/warren_app.h"
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

static inline void
say_bytes(const void *bytes, size_t len)
{
	assert_int_equal(write(node.to_app, bytes, len), len);
}

static inline void
say(uint8_t type, uint8_t id, const char *body)
{
	static uint8_t buf[PACKET_MAX];

	say_bytes(buf,
	    packet_put(buf, sizeof(buf), type, id, body, strlen(body)));
}

/* Is there another packet from the app? */
static inline bool
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

static inline void
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

static inline void
hear_nothing(void)
{
	if (hear_any())
		fail_msg("heard %02x %d \"%.*s\"", node.p.type, node.p.id,
		    (int)node.p.body_len, (const char *)node.p.body);
}

/* {"port":LOCAL,"remote":{"pk":B,"port":REMOTE}} */
static inline const char *
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

static inline const char *
send_text(unsigned local, unsigned remote, const char *payload)
{
	static char text[2][PACKET_MAX];
	static unsigned turn;
	char *at = text[turn++ % 2];

	(void)snprintf(at, sizeof(text[0]), "{\"addr\":%s,\"payload\":\"%s\"}",
	    loop_text(local, remote), payload);
	return at;
}

static inline const char *
pair_text(unsigned local, unsigned remote)
{
	static char text[400];

	(void)snprintf(text, sizeof(text),
	    "[{\"pk\":\"" A "\",\"port\":%u},{\"pk\":\"" B "\",\"port\":%u}]",
	    local, remote);
	return text;
}

/* --- an app that is set up, and one that is not --- */

static inline void
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

static inline void
node_gone(void)
{
	if (node.to_app != -1)
		(void)close(node.to_app);
	if (node.from_app != -1)
		(void)close(node.from_app);
	node.to_app = node.from_app = -1;
}

static inline int
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

static inline int
end(void **state)
{
	(void)state;
	warren_app_free(app);
	app = NULL;
	node_gone();
	return 0;
}

static inline struct warren_addr
remote(uint16_t port)
{
	struct warren_addr a;
	char text[WARREN_ADDR_TEXT];

	(void)snprintf(text, sizeof(text), B ":%u", port);
	assert_int_equal(warren_addr_from_text(&a, text), 0);
	return a;
}

/* A loop that the app dialled, from its port 11 to port 10. */
static inline struct warren_conn *
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
static inline struct warren_conn *
accepted(uint16_t from)
{
	struct warren_conn *c;

	say(PACKET_CONFIRM_LOOP, 0, pair_text(10, from));
	c = warren_accept(app, 1000);
	assert_non_null(c);
	hear(PACKET_SUCCESS, 0, "null");
	return c;
}

#define WITH_APP(f) cmocka_unit_test_setup_teardown(f, begin, end)

#endif
