/* SPDX-License-Identifier: ISC */
/*
 * The mux: entries of the configuration that change while apps of theirs are
 * connected.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/muxrig.h"

static struct rig_net *net;
static struct rig_node *n0;

static int
setup(void **state)
{
	(void)state;
	net = rig_new();
	n0 = &net->node[0];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(net);
	return 0;
}

/* The entry at slot 0 has another port from now on. */
static void
move_to(uint16_t port)
{
	struct mux_entry e = n0->m.entries[0];

	e.port = port;
	mux_set_entry(&n0->m, 0, &e);
}

/* An app gives back the port it has, whatever its entry says by then. */
static void
test_port_moves(void **state)
{
	static const uint16_t to[] = { 0, 10, 20 };
	unsigned a, i;

	(void)state;
	for (i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		a = rig_start(n0, 0, "server", 10);
		assert_int_equal(ports_owner(&n0->ports, 10), a);
		move_to(to[i]);
		assert_int_equal(ports_owner(&n0->ports, 10), a);
		assert_int_equal(ports_owner(&n0->ports, 20), PORT_NOBODY);
		mux_detach(&n0->m, a, net->now);
		assert_int_equal(ports_owner(&n0->ports, 10), PORT_NOBODY);
		assert_int_equal(n0->ports.n, 0);
	}
}

/* The entry is gone, and so is the app thereafter. */
static void
test_entry_goes(void **state)
{
	unsigned a = rig_start(n0, 0, "server", 10);

	(void)state;
	mux_set_entry(&n0->m, 0, NULL);
	mux_detach(&n0->m, a, net->now);
	assert_int_equal(n0->ports.n, 0);
}

/* One that was launched before the reload says Init after it. */
static void
test_late_init(void **state)
{
	struct mux_entry e = { .used = true, .port = 10, .name = "server",
		.version = "1.0" };
	int a;

	(void)state;
	mux_set_entry(&n0->m, 0, &e);
	a = mux_attach(&n0->m, 0, 1, 100, 0, net->now);
	assert_int_equal(ports_owner(&n0->ports, 10), a);
	move_to(20);
	rig_packet(n0, (unsigned)a, PACKET_INIT, 0,
	    "{\"app-name\":\"server\",\"app-version\":\"1.0\","
	    "\"protocol-version\":\"0.0.1\"}");
	rig_expect(n0, (unsigned)a, PACKET_SUCCESS, 0, "null");
	assert_int_equal(ports_owner(&n0->ports, 20), a);
	assert_int_equal(ports_owner(&n0->ports, 10), PORT_NOBODY);
}

/* Whatever an app was let in by counts. */
static void
test_differs(void **state)
{
	const struct mux_entry is = { .used = true, .name = "a",
		.version = "1.0", .port = 10, .by_hand = true, .uid = 1000 };
	struct mux_entry e[6];
	unsigned i;

	(void)state;
	mux_set_entry(&n0->m, 3, &is);
	assert_true(mux_is_entry(&n0->m, 3, &is));
	for (i = 0; i < 6; i++)
		e[i] = is;
	e[0].name[0] = 'b';
	e[1].version[0] = '2';
	e[2].port = 11;
	e[3].by_hand = false;
	e[4].uid = 1001;
	e[5].used = false;
	for (i = 0; i < 6; i++)
		assert_false(mux_is_entry(&n0->m, 3, &e[i]));
	assert_false(mux_is_entry(&n0->m, 4, &is));
	mux_set_entry(&n0->m, 3, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_port_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_entry_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_late_init, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_differs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
