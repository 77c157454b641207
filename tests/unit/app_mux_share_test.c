/* SPDX-License-Identifier: ISC */
/*
 * The mux: what one app cannot take from the others.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_dials),
		T(test_dials_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
