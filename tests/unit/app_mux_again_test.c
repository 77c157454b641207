/* SPDX-License-Identifier: ISC */
/*
 * The mux: a port that is used again before the far app heard that the loop
 * before it is over.  The lowest free port is taken, so this is every quick
 * client's case.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/muxrig.h"

#define A "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
#define B "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"

/* A loop from the client's port to port 10 of the server, as each has it. */
struct names {
	const char *dial, *got, *pair, *client, *server;
};

static const struct names here = {
	"{\"pk\":\"" A "\",\"port\":10}",
	"{\"pk\":\"" A "\",\"port\":11}",
	"[{\"pk\":\"" A "\",\"port\":10},{\"pk\":\"" A "\",\"port\":11}]",
	"{\"port\":11,\"remote\":{\"pk\":\"" A "\",\"port\":10}}",
	"{\"port\":10,\"remote\":{\"pk\":\"" A "\",\"port\":11}}",
};

static const struct names there = {
	"{\"pk\":\"" B "\",\"port\":10}",
	"{\"pk\":\"" A "\",\"port\":10}",
	"[{\"pk\":\"" B "\",\"port\":10},{\"pk\":\"" A "\",\"port\":10}]",
	"{\"port\":10,\"remote\":{\"pk\":\"" B "\",\"port\":10}}",
	"{\"port\":10,\"remote\":{\"pk\":\"" A "\",\"port\":10}}",
};

static struct rig_net *net;
static struct rig_node *cn, *sn; /* of the client, of the server */
static const struct names *is;
static unsigned c, s;

static void
begin(bool far)
{
	net = rig_new();
	cn = &net->node[0];
	sn = &net->node[far ? 1 : 0];
	is = far ? &there : &here;
	s = rig_start(sn, 0, "server", 10);
	c = rig_start(cn, 1, "client", 0);
}

static int
setup_here(void **state)
{
	(void)state;
	begin(false);
	return 0;
}

static int
setup_there(void **state)
{
	(void)state;
	begin(true);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(net);
	return 0;
}

static void
from_client(uint8_t type, uint8_t id, const char *body)
{
	rig_packet(cn, c, type, id, body);
	rig_settle(net);
}

static void
from_server(uint8_t type, uint8_t id)
{
	rig_packet(sn, s, type, id, "null");
	rig_settle(net);
}

static void
send_abc(uint8_t id)
{
	char body[256];

	(void)snprintf(body, sizeof(body), "{\"addr\":%s,\"payload\":\"YWJj\"}",
	    is->client);
	from_client(PACKET_SEND, id, body);
}

/*
 * A loop that the client closed while the server has yet to answer a Send,
 * and a second from the same port.
 */
static void
dial_again(void)
{
	struct packet p;

	from_client(PACKET_CREATE_LOOP, 0, is->dial);
	rig_expect(sn, s, PACKET_CONFIRM_LOOP, 0, is->pair);
	from_server(PACKET_SUCCESS, 0);
	rig_expect(cn, c, PACKET_SUCCESS, 0, is->got);
	send_abc(1);
	assert_true(rig_take(sn, s, &p));
	assert_int_equal(p.type, PACKET_SEND);
	from_client(PACKET_CLOSE, 2, is->client);
	assert_true(rig_take(cn, c, &p)); /* of the Send and of the Close */
	assert_true(rig_take(cn, c, &p));
	from_client(PACKET_CREATE_LOOP, 3, is->dial);
	rig_silent(cn, c);
	rig_silent(sn, s);
}

/* The server hears of the end of the first. */
static void
first_ends(void)
{
	from_server(PACKET_SUCCESS, 0);
	rig_expect(sn, s, PACKET_CLOSE, 0, is->server);
}

/* Close, and only then ConfirmLoop: an address is one loop at a time. */
static void
test_order(void **state)
{
	struct packet p;

	(void)state;
	dial_again();
	first_ends();
	rig_expect(sn, s, PACKET_CONFIRM_LOOP, 1, is->pair);
	from_server(PACKET_SUCCESS, 0);
	from_server(PACKET_SUCCESS, 1);
	rig_expect(cn, c, PACKET_SUCCESS, 3, is->got);
	/* It is a loop as any other. */
	send_abc(4);
	assert_true(rig_take(sn, s, &p));
	assert_int_equal(p.type, PACKET_SEND);
	from_server(PACKET_SUCCESS, p.id);
	rig_expect(cn, c, PACKET_SUCCESS, 4, "null");
	assert_int_equal(sn->m.apps[s].n_confirming, 0);
}

/* The server itself may close the first. */
static void
test_server_closes(void **state)
{
	(void)state;
	dial_again();
	rig_packet(sn, s, PACKET_CLOSE, 7, is->server);
	rig_settle(net);
	rig_expect(sn, s, PACKET_SUCCESS, 7, "null");
	rig_expect(sn, s, PACKET_CONFIRM_LOOP, 1, is->pair);
	from_server(PACKET_SUCCESS, 1);
	rig_expect(cn, c, PACKET_SUCCESS, 3, is->got);
}

static void
test_timeout(void **state)
{
	(void)state;
	dial_again();
	net->now = mono_add_ms(net->now, 20000);
	mux_tick(&sn->m, net->now);
	rig_settle(net);
	rig_expect(cn, c, PACKET_FAILURE, 3,
	    "confirm: the app does not answer");
	first_ends();
	rig_silent(sn, s);
	assert_int_equal(cn->m.n_ends + sn->m.n_ends, 0);
}

static void
test_client_dies(void **state)
{
	(void)state;
	dial_again();
	mux_detach(&cn->m, c, net->now);
	rig_settle(net);
	first_ends();
	rig_silent(sn, s);
	assert_int_equal(cn->m.n_ends + sn->m.n_ends, 0);
}

static void
test_server_dies(void **state)
{
	(void)state;
	dial_again();
	mux_detach(&sn->m, s, net->now);
	rig_settle(net);
	rig_expect(cn, c, PACKET_FAILURE, 3, "confirm: the app has ended");
	assert_int_equal(cn->m.n_ends + sn->m.n_ends, 0);
}

/* A node that dials a third time from one port is none of ours. */
static void
test_one_waits(void **state)
{
	struct app_addr from = { .port = 10 };
	const struct rig_event *e;

	(void)state;
	dial_again();
	memcpy(from.pk, cn->m.conf.id, sizeof(from.pk));
	mux_net_offer(&sn->m, LOOP_OURS | 5, &from, 10, false, net->now);
	assert_int_equal(net->tail - net->head, 1);
	e = &net->ev[net->head % RIG_EVENTS];
	assert_int_equal(e->kind, RIG_REFUSED);
	assert_string_equal(e->text, "confirm: loop is already created");
	net->head++;
}

#define HERE(name)  cmocka_unit_test_setup_teardown(name, setup_here, teardown)
#define THERE(name) cmocka_unit_test_setup_teardown(name, setup_there, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = { HERE(test_order), THERE(test_order),
		HERE(test_server_closes), THERE(test_server_closes),
		HERE(test_timeout), THERE(test_timeout), HERE(test_client_dies),
		THERE(test_client_dies), HERE(test_server_dies),
		THERE(test_server_dies), THERE(test_one_waits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
