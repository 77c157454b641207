/* SPDX-License-Identifier: ISC */
/*
 * The mux: what one app cannot take from the others, and what an app hears
 * when nothing is left.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "appd/base64.h"
#include "tests/unit/muxrig.h"

#define FULL "transport: too many nodes are looked for"

static struct rig_net *net;
static struct rig_node *n0, *n1;
static unsigned x, c;

static int
setup(void **state)
{
	(void)state;
	net = rig_new();
	n0 = &net->node[0];
	n1 = &net->node[1];
	x = rig_start(n0, 0, "greedy", 0);
	c = rig_start(n0, 1, "client", 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(net);
	return 0;
}

/* A CreateLoop to port 10 of the n-th of many nodes. */
static void
dial(unsigned app, uint8_t id, unsigned n)
{
	char body[128];

	(void)snprintf(body, sizeof(body), "{\"pk\":\"%064x\",\"port\":10}",
	    n);
	rig_packet(n0, app, PACKET_CREATE_LOOP, id, body);
}

/* The stream of the app's newest loop. */
static uint32_t
newest(unsigned app)
{
	return TAILQ_LAST(&n0->apps[app].ends, mux_ends)->stream;
}

static void
test_dials(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < MUX_DIALS; i++)
		dial(x, (uint8_t)i, i);
	rig_silent(n0, x);
	assert_int_equal(mux_dials(&n0->m), MUX_DIALS);
	dial(x, 100, MUX_DIALS);
	rig_expect(n0, x, PACKET_FAILURE, 100, FULL);
	assert_int_equal(n0->m.count.dials, 1);
	/* Any number to one that is dialled already. */
	dial(x, 101, 3);
	dial(x, 102, 3);
	rig_silent(n0, x);
	/* The others have places of their own. */
	dial(c, 0, MUX_DIALS);
	rig_silent(n0, c);
}

/* A place is free when the last loop to that node has come about, or not. */
static void
test_dials_again(void **state)
{
	uint32_t first, second;
	unsigned i;

	(void)state;
	for (i = 1; i < MUX_DIALS; i++)
		dial(x, (uint8_t)i, i);
	dial(x, 50, 99);
	first = newest(x);
	dial(x, 51, 99);
	second = newest(x);
	mux_net_refused(&n0->m, first, "transport: timed out");
	rig_expect(n0, x, PACKET_FAILURE, 50, "transport: timed out");
	dial(x, 52, 98);
	rig_expect(n0, x, PACKET_FAILURE, 52, FULL);
	mux_net_opened(&n0->m, second, false, net->now);
	rig_expect(n0, x, PACKET_SUCCESS, 51,
	    "{\"pk\":\"a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
	    "a0a0a0a0a0\",\"port\":18}");
	dial(x, 53, 98);
	rig_silent(n0, x);
	mux_detach(&n0->m, x, net->now);
	assert_int_equal(mux_dials(&n0->m), 0);
}

/* --- ports and memory --- */

#define A "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"

static void
test_no_ports(void **state)
{
	uint16_t port, last = 0;
	unsigned n = 0;

	(void)state;
	while ((port = ports_take(&n0->ports, (uint16_t)x)) != 0)
		last = port, n++;
	assert_int_equal(n, PORT_LAST - PORT_DYNAMIC + 1);
	dial(c, 7, 1);
	rig_expect(n0, c, PACKET_FAILURE, 7, "no free ports");
	assert_int_equal(n0->m.n_ends, 0);
	ports_unref(&n0->ports, last);
	dial(c, 8, 1);
	rig_silent(n0, c); /* it is on its way */
	for (port = PORT_DYNAMIC; port < last; port++)
		ports_unref(&n0->ports, port);
}

/* A Send that cannot be kept fails, and the loop goes on. */
static void
test_no_memory(void **state)
{
	unsigned s = rig_start(n0, 2, "server", 20);
	static const char body[] = "{\"addr\":{\"port\":10,\"remote\":{\"pk\":"
				   "\"" A
				   "\",\"port\":20}},\"payload\":\"AAAA\"}";
	struct packet p;

	(void)state;
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" A "\",\"port\":20}");
	assert_true(rig_take(n0, s, &p));
	rig_packet(n0, s, PACKET_SUCCESS, p.id, "null");
	assert_true(rig_take(n0, c, &p));
	rig_packet(n0, c, PACKET_SEND, 1, body); /* goes past the queue */
	net->no_memory = true;
	rig_packet(n0, c, PACKET_SEND, 2, body);
	rig_expect(n0, c, PACKET_FAILURE, 2, "out of memory");
	net->no_memory = false;
	rig_packet(n0, c, PACKET_SEND, 3, body);
	rig_silent(n0, c);
	while (rig_take(n0, s, &p))
		rig_packet(n0, s, PACKET_SUCCESS, p.id, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 1, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 3, "null");
	assert_int_equal(n0->apps[s].out, 6); /* bytes of two Sends */
}

/* --- windows --- */

#define B "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"

/* The app takes what there is, and says yes to all. */
static void
take_all(struct rig_node *nd, unsigned app)
{
	struct packet p;

	while (rig_take(nd, app, &p))
		if (!packet_is_response(p.type))
			rig_packet(nd, app, PACKET_SUCCESS, p.id, "null");
	rig_settle(net);
}

static void
open_far(unsigned s)
{
	rig_packet(n0, c, PACKET_CREATE_LOOP, 200,
	    "{\"pk\":\"" B "\",\"port\":20}");
	rig_settle(net);
	take_all(n1, s);
	take_all(n0, c);
}

static void
send_far(unsigned port)
{
	static const uint8_t bytes[APP_PIECE_MAX];
	static char body[PACKET_MAX];
	size_t n = (size_t)snprintf(body, sizeof(body),
	    "{\"addr\":{\"port\":%u,\"remote\":{\"pk\":\"" B
	    "\",\"port\":20}},\"payload\":\"",
	    port);

	n += base64_encode(body + n, bytes, sizeof(bytes));
	(void)snprintf(body + n, sizeof(body) - n, "\"}");
	rig_packet(n0, c, PACKET_SEND, 1, body);
	rig_settle(net);
	take_all(n0, c);
}

/* Two busy loops grow, and leave room for as many again. */
static void
test_windows(void **state)
{
	struct msg_appd_config conf = n1->m.conf;
	unsigned s = rig_start(n1, 0, "server", 20), i;

	(void)state;
	conf.app_bytes = 8 * LOOP_HOP_WINDOW;
	mux_configure(&n1->m, &conf);
	open_far(s);
	open_far(s);
	assert_int_equal(n1->apps[s].n_ends, 2);
	for (i = 0; i < 100; i++) {
		send_far(10);
		send_far(11);
		take_all(n1, s);
	}
	assert_int_equal(n1->apps[s].windows, conf.app_bytes / 2);
	for (i = 0; i < 4; i++)
		open_far(s);
	assert_int_equal(n1->apps[s].n_ends, 6);
	assert_int_equal(n1->apps[s].windows, conf.app_bytes);
}

/* Nobody who comes by hand takes the places of the others. */
static void
test_places(void **state)
{
	const struct mux_entry launched = { .used = true };
	const struct mux_entry by_hand = { .used = true, .by_hand = true };
	struct mux *m = &n0->m;
	unsigned i;

	(void)state;
	m->conf.conns_max = 8; /* x and c are there, launched */
	mux_set_entry(m, 2, &launched);
	mux_set_entry(m, 3, &by_hand);
	for (i = 0; i < 4; i++) {
		assert_null(mux_no_place(m, 1000));
		(void)mux_attach(m, -1, 0, 200 + i, 1000, net->now);
	}
	assert_string_equal(mux_no_place(m, 1000),
	    "too many apps of this user");
	assert_null(mux_no_place(m, 1001));
	(void)mux_attach(m, -1, 0, 204, 1001, net->now);
	/* One place is left, for the one that is to be launched. */
	assert_string_equal(mux_no_place(m, 1001), "too many apps");
	(void)mux_attach(m, 2, 7, 205, 0, net->now);
	assert_string_equal(mux_no_place(m, 1001), "too many apps");
	mux_detach(m, 7, net->now);
	/* One that is launched and may come by hand, too, keeps no other's. */
	(void)mux_attach(m, 3, 8, 206, 0, net->now);
	mux_detach(m, 6, net->now);
	assert_string_equal(mux_no_place(m, 1001), "too many apps");
	mux_detach(m, 7, net->now);
	(void)mux_attach(m, -1, 0, 204, 1001, net->now);
	mux_set_entry(m, 2, NULL);
	assert_null(mux_no_place(m, 1001));
	for (i = 2; i < 7; i++)
		mux_detach(m, i, net->now);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_dials),
		T(test_dials_again),
		T(test_windows),
		T(test_places),
		T(test_no_ports),
		T(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
