/* SPDX-License-Identifier: ISC */
/*
 * libwarren: loops against a scripted node: the session of warren-app(7) from
 * both sides, flow control, frames in pieces, and what may go wrong.
 */
#include "appd/libwarren/warren_app.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/scripted_node.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
