/* SPDX-License-Identifier: ISC */
/*
 * The mux: what a closed loop has left to say.  It waits for a reader who is
 * in no hurry, but not for one who never comes, and not without limit.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "appd/base64.h"
#include "tests/unit/muxrig.h"

#define A "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
#define B "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"

#define PIECE 32768
#define LOOPS 10

static struct rig_net *net;
static struct rig_node *n0, *n1;
static unsigned c; /* of n0, whose loops are from port 11 up */

static int
setup(void **state)
{
	(void)state;
	net = rig_new();
	n0 = &net->node[0];
	n1 = &net->node[1];
	c = rig_start(n0, 1, "client", 10);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(net);
	return 0;
}

/* A loop to port 20 of the app s of nd; node is the digits of its key. */
static void
dial(struct rig_node *nd, unsigned s, const char *node)
{
	char body[128];
	struct packet p;

	(void)snprintf(body, sizeof(body), "{\"pk\":\"%s\",\"port\":20}", node);
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0, body);
	rig_settle(net);
	do
		assert_true(rig_take(nd, s, &p));
	while (p.type != PACKET_CONFIRM_LOOP);
	rig_packet(nd, s, PACKET_SUCCESS, p.id, "null");
	rig_settle(net);
	do
		assert_true(rig_take(n0, c, &p));
	while (p.type != PACKET_SUCCESS);
}

/* The client sends n pieces from a port and closes. */
static void
say_and_close(unsigned port, const char *node, unsigned n)
{
	static const uint8_t bytes[PIECE];
	static char body[PACKET_MAX];
	char loop[128];
	struct packet p;
	size_t len;
	unsigned i;

	(void)snprintf(loop, sizeof(loop),
	    "{\"port\":%u,\"remote\":{\"pk\":\"%s\",\"port\":20}}", port, node);
	len = (size_t)snprintf(body, sizeof(body),
	    "{\"addr\":%s,\"payload\":\"", loop);
	len += base64_encode(body + len, bytes, sizeof(bytes));
	(void)snprintf(body + len, sizeof(body) - len, "\"}");
	for (i = 0; i < n; i++)
		rig_packet(n0, c, PACKET_SEND, (uint8_t)i, body);
	rig_packet(n0, c, PACKET_CLOSE, 254, loop);
	assert_int_equal(n0->pipes[c].in_len, 0);
	while (rig_take(n0, c, &p))
		continue;
	rig_settle(net);
}

/* The app takes a Send and is ready for more; its bytes, or 0 for Close. */
static size_t
take(struct rig_node *nd, unsigned s)
{
	static uint8_t bytes[PACKET_MAX];
	struct app_send sent;
	struct packet p;
	size_t n = 0;

	assert_true(rig_take(nd, s, &p));
	if (p.type == PACKET_SEND) {
		assert_int_equal(app_json_get_send(p.body, p.body_len, &sent),
		    APP_JSON_OK);
		assert_int_equal(app_send_decode(&sent, bytes, &n), 0);
	} else {
		assert_int_equal(p.type, PACKET_CLOSE);
	}
	rig_packet(nd, s, PACKET_SUCCESS, p.id, "null");
	rig_settle(net);
	return n;
}

static void
pass(int64_t ms)
{
	net->now = mono_add_ms(net->now, ms);
	mux_tick(&n0->m, net->now);
	mux_tick(&n1->m, net->now);
	rig_settle(net);
}

/* A reader of this node may rest as long as it likes. */
static void
test_here(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 20);
	size_t n, got = 0;

	(void)state;
	dial(n0, s, A);
	say_and_close(11, A, 10);
	pass(100 * (int64_t)MUX_DRAIN_MS);
	while ((n = take(n0, s)) > 0)
		got += n;
	assert_int_equal(got, 10 * PIECE);
	assert_int_equal(n0->m.n_ends, 0);
	assert_int_equal(n0->m.count.timeouts, 0);
}

/* Unless it is gone. */
static void
test_here_dies(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 20);

	(void)state;
	dial(n0, s, A);
	say_and_close(11, A, 10);
	assert_int_equal(n0->m.n_ends, 2);
	mux_detach(&n0->m, s, net->now);
	assert_int_equal(n0->m.n_ends, 0);
	assert_int_equal(net->chunks, 0);
}

/* One of another node has to take a quarter of its window now and then. */
static void
test_far_slow(void **state)
{
	unsigned s = rig_start(n1, 0, "server", 20), times = 0;
	size_t n, got = 0;

	(void)state;
	dial(n1, s, B);
	say_and_close(11, B, 20);
	assert_int_equal(n0->m.left, 20 * PIECE - LOOP_HOP_WINDOW);
	while ((n = take(n1, s)) > 0) {
		got += n;
		if (++times % 4 == 0)
			pass(MUX_DRAIN_MS - 1);
	}
	assert_int_equal(got, 20 * PIECE);
	assert_int_equal(n0->m.n_ends, 0);
	assert_int_equal(n0->m.left, 0);
	assert_int_equal(n0->m.count.timeouts, 0);
}

static void
test_far_never(void **state)
{
	unsigned s = rig_start(n1, 0, "server", 20);

	(void)state;
	dial(n1, s, B);
	say_and_close(11, B, 20);
	pass(MUX_DRAIN_MS - 1);
	assert_int_equal(n0->m.n_ends, 1);
	pass(1);
	assert_int_equal(n0->m.n_ends, 0);
	assert_int_equal(n0->m.left, 0);
	assert_int_equal(n0->m.count.timeouts, 1);
	assert_int_equal(take(n1, s), PIECE); /* the first was sent long ago */
}

/* Is the loop from this port still being drained? */
static bool
drains(unsigned port)
{
	unsigned i;

	for (i = 0; i < RIG_ENDS; i++)
		if (n0->ends[i].state == END_CLOSED && n0->ends[i].port == port)
			return true;
	return false;
}

/*
 * Many far loops, each with as much left as an app may owe.  There is room
 * for eight of them; the ninth drives out the one that rests for longest,
 * which is not the first: that has moved.
 */
static void
test_far_many(void **state)
{
	unsigned s = rig_start(n1, 0, "server", 20), i;
	unsigned x = rig_start(n0, 2, "other", 0);
	const unsigned each = 240;

	(void)state;
	/* Somebody waits for the client's answer: so it is read on. */
	rig_packet(n0, x, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" A "\",\"port\":10}");
	for (i = 0; i < LOOPS; i++)
		dial(n1, s, B);
	for (i = 0; i < 8; i++)
		say_and_close(12 + i, B, each);
	assert_int_equal(n0->m.count.cut, 0);
	pass(1);
	assert_int_equal(take(n1, s), PIECE); /* of the first */
	say_and_close(12 + 8, B, each);
	assert_int_equal(n0->m.count.cut, 1);
	assert_true(n0->m.left <= MUX_LEFT_MAX);
	assert_true(drains(12));
	assert_false(drains(13));
	assert_true(drains(14));
	assert_true(drains(20));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_here),
		T(test_here_dies),
		T(test_far_slow),
		T(test_far_never),
		T(test_far_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
