/* SPDX-License-Identifier: ISC */
/*
 * The mux: the reference's session byte for byte, its failures, apps that
 * misbehave or die, and loops between two nodes in random order.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/muxrig.h"

#define A "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
#define B "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"

static struct rig_net *net;
static struct rig_node *n0, *n1;

static int
setup(void **state)
{
	(void)state;
	net = rig_new();
	n0 = &net->node[0];
	n1 = &net->node[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(net);
	return 0;
}

#define S_ADDR "{\"port\":10,\"remote\":{\"pk\":\"" A "\",\"port\":11}}"
#define C_ADDR "{\"port\":11,\"remote\":{\"pk\":\"" A "\",\"port\":10}}"

/* Open a loop between two apps of n0, from c's port 11 to s's port 10. */
static void
open_local(unsigned s, unsigned c)
{
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" A "\",\"port\":10}");
	rig_expect(n0, s, PACKET_CONFIRM_LOOP, 0,
	    "[{\"pk\":\"" A "\",\"port\":10},{\"pk\":\"" A "\",\"port\":11}]");
	rig_silent(n0, c);
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 0, "{\"pk\":\"" A "\",\"port\":11}");
}

/* seed-features.md 1.7, with keys of 64 digits. */
static void
test_session(void **state)
{
	unsigned s = rig_start(n0, 0, "helloworld-server", 10);
	unsigned c = rig_start(n0, 1, "helloworld-client", 0);

	(void)state;
	open_local(s, c);
	rig_packet(n0, c, PACKET_SEND, 0,
	    "{\"addr\":" C_ADDR ",\"payload\":\"cGluZw==\"}");
	rig_expect(n0, s, PACKET_SEND, 0,
	    "{\"addr\":" S_ADDR ",\"payload\":\"cGluZw==\"}");
	rig_silent(n0, c);
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 0, "null");
	rig_packet(n0, s, PACKET_SEND, 0,
	    "{\"addr\":" S_ADDR ",\"payload\":\"cG9uZw==\"}");
	rig_expect(n0, c, PACKET_SEND, 0,
	    "{\"addr\":" C_ADDR ",\"payload\":\"cG9uZw==\"}");
	rig_packet(n0, c, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, s, PACKET_SUCCESS, 0, "null");
	rig_packet(n0, c, PACKET_CLOSE, 0, C_ADDR);
	rig_expect(n0, c, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, s, PACKET_CLOSE, 0, S_ADDR);
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_silent(n0, s);
	rig_silent(n0, c);
	assert_int_equal(n0->m.n_ends, 0);
	assert_int_equal(n0->ports.n, 1); /* the static one */
}

struct failure {
	const char *name;
	uint8_t type;
	const char *body, *text;
};

static const struct failure failures[] = {
	{ "Init again", PACKET_INIT, "{}", "app is already initialised" },
	{ "no key", PACKET_CREATE_LOOP, "{}", "invalid CreateLoop payload" },
	{ "short key", PACKET_CREATE_LOOP, "{\"pk\":\"ab\",\"port\":1}",
	    "Invalid public key length" },
	{ "bad key", PACKET_CREATE_LOOP,
	    "{\"pk\":\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	    "zzzzzzzzzz\",\"port\":1}",
	    "Invalid public key" },
	{ "nobody there", PACKET_CREATE_LOOP, "{\"pk\":\"" A "\",\"port\":999}",
	    "confirm: port is not bound" },
	{ "port 0", PACKET_CREATE_LOOP, "{\"pk\":\"" A "\",\"port\":0}",
	    "confirm: port is not bound" },
	{ "no addr", PACKET_SEND, "{\"payload\":\"cGluZw==\"}",
	    "invalid Send payload" },
	{ "no JSON", PACKET_SEND, "\xff\xff", "invalid Send payload" },
	{ "nothing", PACKET_SEND, "", "invalid Send payload" },
	{ "port nobody has", PACKET_SEND,
	    "{\"addr\":{\"port\":77,\"remote\":{\"pk\":\"" A
	    "\",\"port\":10}},\"payload\":\"cGluZw==\"}",
	    "port is not bound" },
	{ "loop nobody has", PACKET_SEND,
	    "{\"addr\":{\"port\":10,\"remote\":{\"pk\":\"" A
	    "\",\"port\":10}},\"payload\":\"cGluZw==\"}",
	    "unknown loop" },
	{ "ConfirmLoop from an app", PACKET_CONFIRM_LOOP, "[]",
	    "unexpected frame" },
	{ "unknown type", 0x77, "", "unexpected frame" },
};

static void
test_failures(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10);
	const struct failure *f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		f = &failures[i];
		rig_packet(n0, s, f->type, 3, f->body);
		rig_expect(n0, s, PACKET_FAILURE, 3, f->text);
	}
	assert_int_equal(n0->m.n_ends, 0);
	assert_int_equal(n0->ports.n, 1); /* no port leaked */
}

#define INIT(n, v, p)                                                          \
	"{\"app-name\":\"" n "\",\"app-version\":\"" v                         \
	"\",\"protocol-version\":\"" p "\"}"

static void
test_init(void **state)
{
	struct mux_entry e = { .used = true,
		.name = "x",
		.version = "1.0",
		.port = 10,
		.by_hand = true,
		.uid = 7 };
	int a, b, c;

	(void)state;
	mux_set_entry(&n0->m, 0, &e);
	assert_true(mux_admits(&n0->m, 7));
	assert_true(mux_admits(&n0->m, 0));
	assert_false(mux_admits(&n0->m, 8));
	a = mux_attach(&n0->m, -1, 0, 1, 7, net->now);
	rig_packet(n0, 0, PACKET_SEND, 1, "{}");
	rig_expect(n0, 0, PACKET_FAILURE, 1, "app is not initialised");
	rig_packet(n0, 0, PACKET_INIT, 0, "[");
	rig_expect(n0, 0, PACKET_FAILURE, 0, "invalid Init payload");
	rig_packet(n0, 0, PACKET_INIT, 0, INIT("y", "2", "0.0.2"));
	rig_expect(n0, 0, PACKET_FAILURE, 0, "unsupported protocol version");
	rig_packet(n0, 0, PACKET_INIT, 0, INIT("y", "2", "0.0.1"));
	rig_expect(n0, 0, PACKET_FAILURE, 0, "unexpected app");
	rig_packet(n0, 0, PACKET_INIT, 0, INIT("x", "2", "0.0.1"));
	rig_expect(n0, 0, PACKET_FAILURE, 0, "unexpected app version");
	rig_packet(n0, 0, PACKET_INIT, 0, INIT("x", "1.0", "0.0.1"));
	rig_expect(n0, 0, PACKET_SUCCESS, 0, "null");
	/* A second of the same has no port to stand on. */
	b = mux_attach(&n0->m, -1, 0, 2, 7, net->now);
	rig_packet(n0, 1, PACKET_INIT, 0, INIT("x", "1.0", "0.0.1"));
	rig_expect(n0, 1, PACKET_FAILURE, 0, "port 10 is already bound");
	/* Another user has no app at all. */
	c = mux_attach(&n0->m, -1, 0, 3, 8, net->now);
	rig_packet(n0, 2, PACKET_INIT, 0, INIT("x", "1.0", "0.0.1"));
	rig_expect(n0, 2, PACKET_FAILURE, 0, "unexpected app");
	/* The port is free at once when its app is gone. */
	mux_detach(&n0->m, (unsigned)a, net->now);
	rig_packet(n0, 1, PACKET_INIT, 0, INIT("x", "1.0", "0.0.1"));
	rig_expect(n0, 1, PACKET_SUCCESS, 0, "null");
	assert_int_equal(b, 1);
	assert_int_equal(c, 2);
}

/* Another app's loop and port are not ours to use. */
static void
test_ownership(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10);
	unsigned c = rig_start(n0, 1, "client", 0);
	unsigned x = rig_start(n0, 2, "other", 0);

	(void)state;
	open_local(s, c);
	rig_packet(n0, x, PACKET_SEND, 1,
	    "{\"addr\":" C_ADDR ",\"payload\":\"cGluZw==\"}");
	rig_expect(n0, x, PACKET_FAILURE, 1, "unknown loop");
	rig_packet(n0, x, PACKET_CLOSE, 2, C_ADDR);
	rig_expect(n0, x, PACKET_FAILURE, 2, "unknown loop");
	rig_packet(n0, x, PACKET_CLOSE, 3, S_ADDR);
	rig_expect(n0, x, PACKET_FAILURE, 3, "unknown loop");
	assert_int_equal(n0->m.count.foreign, 3);
	rig_silent(n0, s);
	rig_silent(n0, c);
	/* What is not there is as closed as it can be. */
	rig_packet(n0, x, PACKET_CLOSE, 4,
	    "{\"port\":500,\"remote\":{\"pk\":\"" A "\",\"port\":10}}");
	rig_expect(n0, x, PACKET_SUCCESS, 4, "null");
}

static void
test_refused_by_app(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10);
	unsigned c = rig_start(n0, 1, "client", 0);
	struct packet p;

	(void)state;
	rig_packet(n0, c, PACKET_CREATE_LOOP, 9,
	    "{\"pk\":\"" A "\",\"port\":10}");
	assert_true(rig_take(n0, s, &p));
	rig_packet(n0, s, PACKET_FAILURE, p.id, "loop is already created");
	rig_expect(n0, c, PACKET_FAILURE, 9,
	    "confirm: loop is already created");
	assert_int_equal(n0->ports.n, 1);
	/* Send with a listener that says no: the sender hears its text. */
	open_local(s, c);
	rig_packet(n0, c, PACKET_SEND, 5,
	    "{\"addr\":" C_ADDR ",\"payload\":\"cGluZw==\"}");
	rig_packet(n0, c, PACKET_SEND, 6,
	    "{\"addr\":" C_ADDR ",\"payload\":\"cGluZw==\"}");
	assert_true(rig_take(n0, s, &p));
	rig_packet(n0, s, PACKET_FAILURE, p.id, "no listeners");
	rig_expect(n0, c, PACKET_FAILURE, 5, "no listeners");
	assert_true(rig_take(n0, s, &p)); /* the loop goes on */
	rig_packet(n0, s, PACKET_SUCCESS, p.id, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 6, "null");
}

/* Whoever dies, at every step: the other hears, and all is free. */
static void
test_deaths(void **state)
{
	unsigned step, who, s, c;
	struct packet p;

	(void)state;
	for (step = 0; step < 5; step++) {
		for (who = 0; who < 2; who++) {
			s = rig_start(n0, 0, "server", 10);
			c = rig_start(n0, 1, "client", 0);
			rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
			    "{\"pk\":\"" A "\",\"port\":10}");
			if (step > 0)
				assert_true(rig_take(n0, s, &p));
			if (step > 1)
				rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
			if (step > 2)
				rig_packet(n0, c, PACKET_SEND, 1,
				    "{\"addr\":" C_ADDR
				    ",\"payload\":\"cGluZw==\"}");
			if (step > 3)
				rig_packet(n0, s, PACKET_SEND, 1,
				    "{\"addr\":" S_ADDR
				    ",\"payload\":\"cGluZw==\"}");
			mux_detach(&n0->m, who == 0 ? s : c, net->now);
			if (step == 1 && who == 1)
				rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
			/* The survivor answers all it is asked. */
			while (rig_take(n0, who == 0 ? c : s, &p))
				if (!packet_is_response(p.type))
					rig_packet(n0, who == 0 ? c : s,
					    PACKET_SUCCESS, p.id, "null");
			assert_int_equal(n0->m.n_ends, 0);
			assert_int_equal(n0->ports.n, who == 0 ? 0 : 1);
			mux_detach(&n0->m, who == 0 ? c : s, net->now);
			assert_int_equal(n0->m.n_apps, 0);
			assert_int_equal(net->chunks, 0);
		}
	}
}

/* Data first, then Close. */
static void
test_drain(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10);
	unsigned c = rig_start(n0, 1, "client", 0);
	struct packet p;

	(void)state;
	open_local(s, c);
	rig_packet(n0, c, PACKET_SEND, 1,
	    "{\"addr\":" C_ADDR ",\"payload\":\"YWJj\"}");
	rig_packet(n0, c, PACKET_SEND, 2,
	    "{\"addr\":" C_ADDR ",\"payload\":\"ZGVm\"}");
	rig_packet(n0, c, PACKET_CLOSE, 3, C_ADDR);
	rig_expect(n0, c, PACKET_SUCCESS, 3, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 1, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 2, "null");
	mux_detach(&n0->m, c, net->now);
	rig_expect(n0, s, PACKET_SEND, 0,
	    "{\"addr\":" S_ADDR ",\"payload\":\"YWJj\"}");
	assert_false(rig_next(n0, s, &p));
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, s, PACKET_SEND, 0,
	    "{\"addr\":" S_ADDR ",\"payload\":\"ZGVm\"}");
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, s, PACKET_CLOSE, 0, S_ADDR);
	assert_int_equal(n0->m.n_ends, 0);
	/* An answer to what is over does no harm. */
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_packet(n0, s, PACKET_SUCCESS, 200, "null");
}

/* One who never answers holds up nobody for ever. */
static void
test_confirm_timeout(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10);
	unsigned c = rig_start(n0, 1, "client", 0);

	(void)state;
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" A "\",\"port\":10}");
	net->now = mono_add_ms(net->now, 19999);
	assert_false(mono_reached(mux_due(&n0->m), net->now));
	net->now = mono_add_ms(net->now, 1);
	assert_true(mono_reached(mux_due(&n0->m), net->now));
	mux_tick(&n0->m, net->now);
	rig_expect(n0, c, PACKET_FAILURE, 0,
	    "confirm: the app does not answer");
	/* It says yes after all: the loop is over as soon as it began. */
	rig_expect(n0, s, PACKET_CONFIRM_LOOP, 0,
	    "[{\"pk\":\"" A "\",\"port\":10},{\"pk\":\"" A "\",\"port\":11}]");
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, s, PACKET_CLOSE, 0, S_ADDR);
	assert_int_equal(n0->m.n_ends, 0);
}

/* 10,000 CreateLoops to one who confirms nothing. */
static void
test_flood(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10), i;
	unsigned c = rig_start(n0, 1, "client", 0);
	unsigned x = rig_start(n0, 2, "other", 20);
	struct packet p;
	char text[128];
	unsigned refused = 0;

	(void)state;
	for (i = 0; i < 10000; i++) {
		rig_packet(n0, c, PACKET_CREATE_LOOP, (uint8_t)(i % 255),
		    "{\"pk\":\"" A "\",\"port\":10}");
		while (rig_take(n0, c, &p)) {
			assert_int_equal(p.type, PACKET_FAILURE);
			app_json_get_failure(p.body, p.body_len, text,
			    sizeof(text));
			assert_true(strcmp(text, "too many loops") == 0 ||
			    strcmp(text, "confirm: too many loops") == 0 ||
			    strcmp(text, "id is in use") == 0);
			refused++;
		}
	}
	/* It took its own share of ends, and no more. */
	assert_true(refused >= 9900);
	assert_true(n0->m.n_ends < RIG_ENDS);
	/* Nobody else is affected: they open a loop to themselves. */
	rig_packet(n0, x, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" A "\",\"port\":20}");
	assert_true(rig_take(n0, x, &p));
	mux_detach(&n0->m, c, net->now);
	(void)s;
}

/* An app that sends and never reads: it is not read any more. */
static void
test_never_reads(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10), i;
	size_t before;

	(void)state;
	for (i = 0; i < 20000; i++)
		rig_packet(n0, s, 0x50, (uint8_t)(i % 255), "");
	before = n0->pipes[s].in_len;
	assert_true(
	    n0->pipes[s].len - n0->pipes[s].read <= RIG_LIMIT + MUX_OWED);
	assert_true(before > 0);
}

static void
test_junk(void **state)
{
	static const uint8_t zero[] = { 0, 0, 0, 0 }, one[] = { 0, 1, 0 };
	unsigned s = rig_start(n0, 0, "server", 10);
	unsigned c = rig_start(n0, 1, "client", 0);

	(void)state;
	open_local(s, c);
	rig_feed(n0, c, zero, sizeof(zero));
	assert_true(n0->pipes[c].gone);
	rig_expect(n0, s, PACKET_CLOSE, 0, S_ADDR);
	c = rig_start(n0, 1, "client", 0);
	rig_feed(n0, c, one, sizeof(one));
	assert_true(n0->pipes[c].gone);
	assert_int_equal(n0->m.count.malformed, 2);
}

/* The later form of addresses is answered in kind. */
static void
test_loop_form(void **state)
{
	unsigned s = rig_start(n0, 0, "server", 10);
	unsigned c = rig_start(n0, 1, "client", 0);

	(void)state;
	open_local(s, c);
	rig_packet(n0, c, PACKET_SEND, 1,
	    "{\"loop\":{\"local\":{\"pk\":\"" A "\",\"port\":11},\"remote\":"
	    "{\"pk\":\"" A "\",\"port\":10}},\"payload\":\"cGluZw==\"}");
	rig_expect(n0, s, PACKET_SEND, 0,
	    "{\"addr\":" S_ADDR ",\"payload\":\"cGluZw==\"}");
	rig_packet(n0, s, PACKET_SUCCESS, 0, "null");
	rig_expect(n0, c, PACKET_SUCCESS, 1, "null");
	rig_packet(n0, s, PACKET_SEND, 1,
	    "{\"addr\":" S_ADDR ",\"payload\":\"cG9uZw==\"}");
	rig_expect(n0, c, PACKET_SEND, 0,
	    "{\"loop\":{\"local\":{\"pk\":\"" A "\",\"port\":11},\"remote\":"
	    "{\"pk\":\"" A "\",\"port\":10}},\"payload\":\"cG9uZw==\"}");
}

/* --- two nodes --- */

#define NS "{\"port\":10,\"remote\":{\"pk\":\"" A "\",\"port\":10}}"
#define NC "{\"port\":10,\"remote\":{\"pk\":\"" B "\",\"port\":10}}"

static void
open_far(unsigned s, unsigned c)
{
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" B "\",\"port\":10}");
	rig_settle(net);
	rig_expect(n1, s, PACKET_CONFIRM_LOOP, 0,
	    "[{\"pk\":\"" B "\",\"port\":10},{\"pk\":\"" A "\",\"port\":10}]");
	rig_packet(n1, s, PACKET_SUCCESS, 0, "null");
	rig_settle(net);
	rig_expect(n0, c, PACKET_SUCCESS, 0, "{\"pk\":\"" A "\",\"port\":10}");
}

static void
test_far_session(void **state)
{
	unsigned s = rig_start(n1, 0, "server", 10);
	unsigned c = rig_start(n0, 0, "client", 0);

	(void)state;
	open_far(s, c);
	rig_packet(n0, c, PACKET_SEND, 0,
	    "{\"addr\":" NC ",\"payload\":\"cGluZw==\"}");
	rig_expect(n0, c, PACKET_SUCCESS, 0, "null");
	rig_settle(net);
	rig_expect(n1, s, PACKET_SEND, 0,
	    "{\"addr\":" NS ",\"payload\":\"cGluZw==\"}");
	rig_packet(n1, s, PACKET_SUCCESS, 0, "null");
	rig_packet(n0, c, PACKET_CLOSE, 0, NC);
	rig_expect(n0, c, PACKET_SUCCESS, 0, "null");
	rig_settle(net);
	rig_expect(n1, s, PACKET_CLOSE, 0, NS);
	assert_int_equal(n0->m.n_ends + n1->m.n_ends, 0);
	/* Nobody there. */
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" B "\",\"port\":99}");
	rig_settle(net);
	rig_expect(n0, c, PACKET_FAILURE, 0, "confirm: port is not bound");
	assert_int_equal(n0->ports.n, 0);
}

static void
test_far_lost(void **state)
{
	unsigned s = rig_start(n1, 0, "server", 10);
	unsigned c = rig_start(n0, 0, "client", 0);

	(void)state;
	open_far(s, c);
	rig_packet(n0, c, PACKET_CREATE_LOOP, 1,
	    "{\"pk\":\"" B "\",\"port\":10}");
	mux_net_lost(&n0->m);
	rig_expect(n0, c, PACKET_CLOSE, 0, NC);
	rig_expect(n0, c, PACKET_FAILURE, 1, "transport: the link was lost");
	assert_int_equal(n0->m.n_ends, 0);
	rig_settle(net);
	mux_net_lost(&n1->m);
	assert_int_equal(n1->m.n_ends, 1); /* its app was asked to confirm */
}

/* --- random --- */

static uint32_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

#define LOOPS 6

/* A loop as its two apps see it: what was sent, what has come. */
struct tape {
	unsigned node, app; /* of this end */
	struct app_loop l;
	bool open, over;
	uint32_t sent, got; /* bytes; the n-th byte is n * 7 */
	uint32_t sends;     /* under way */
};

static struct tape tapes[2][LOOPS]; /* two ends each */
static unsigned n_tapes;
static uint8_t next_id[2][RIG_APPS];

static struct tape *
tape_of(unsigned node, unsigned app, const struct app_loop *l)
{
	unsigned i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < n_tapes; j++)
			if (tapes[i][j].open && tapes[i][j].node == node &&
			    tapes[i][j].app == app &&
			    tapes[i][j].l.local.port == l->local.port &&
			    app_addr_equal(&tapes[i][j].l.remote, &l->remote))
				return &tapes[i][j];
	return NULL;
}

static void
random_send(struct tape *t)
{
	static char body[PACKET_MAX];
	static uint8_t bytes[40000];
	uint32_t i, n = rnd(3) == 0 ? rnd(sizeof(bytes)) + 1 : rnd(300) + 1;
	struct rig_node *nd = &net->node[t->node];
	struct mux_app *a = &nd->apps[t->app];
	uint8_t id = next_id[t->node][t->app];

	if (a->busy[id] || nd->pipes[t->app].in_len > 0)
		return;
	next_id[t->node][t->app] = (uint8_t)((id + 1) % 255);
	for (i = 0; i < n; i++)
		bytes[i] = (uint8_t)((t->sent + i) * 7);
	body[app_json_put_send(body, sizeof(body), &t->l, APP_FORM_ADDR, bytes,
	    n)] = '\0';
	t->sent += n;
	rig_packet(nd, t->app, PACKET_SEND, id, body);
}

static void
check_send(struct tape *t, const struct packet *p)
{
	static uint8_t bytes[PACKET_MAX];
	struct app_send s;
	size_t i, n;

	assert_int_equal(app_json_get_send(p->body, p->body_len, &s), 0);
	assert_int_equal(app_send_decode(&s, bytes, &n), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(bytes[i], (uint8_t)((t->got + i) * 7));
	t->got += (uint32_t)n;
}

/* An app takes its next packet, and answers it. */
static bool
random_take(unsigned node, unsigned app)
{
	struct rig_node *nd = &net->node[node];
	struct packet p;
	struct app_loop l;
	enum app_form form;
	struct app_send s;
	struct tape *t;

	if (!rig_take(nd, app, &p))
		return false;
	if (p.type == PACKET_FAILURE) {
		/* Only after the other side has closed. */
		return true;
	}
	if (p.type == PACKET_SEND) {
		assert_int_equal(app_json_get_send(p.body, p.body_len, &s), 0);
		t = tape_of(node, app, &s.loop);
		if (t != NULL)
			check_send(t, &p);
	} else if (p.type == PACKET_CLOSE) {
		assert_int_equal(
		    app_json_get_loop(p.body, p.body_len, &l, &form), 0);
		if ((t = tape_of(node, app, &l)) != NULL)
			t->over = true, t->open = false;
	}
	if (!packet_is_response(p.type))
		rig_packet(nd, app, PACKET_SUCCESS, p.id, "null");
	return true;
}

static void
random_loops(unsigned s0, unsigned c0, unsigned s1)
{
	char body[256];
	struct packet p;
	unsigned i, node, server;
	struct app_addr got;

	n_tapes = 0;
	for (i = 0; i < LOOPS; i++) {
		node = i % 2; /* to ourselves, to the other */
		server = node == 0 ? s0 : s1;
		(void)snprintf(body, sizeof(body),
		    "{\"pk\":\"%s\",\"port\":10}", node == 0 ? A : B);
		rig_packet(n0, c0, PACKET_CREATE_LOOP, 0, body);
		rig_settle(net);
		assert_true(rig_take(&net->node[node], server, &p));
		assert_int_equal(p.type, PACKET_CONFIRM_LOOP);
		rig_packet(&net->node[node], server, PACKET_SUCCESS, p.id,
		    "null");
		rig_settle(net);
		assert_true(rig_take(n0, c0, &p));
		assert_int_equal(app_json_get_addr(p.body, p.body_len, &got),
		    0);
		memset(&tapes[0][i], 0, sizeof(tapes[0][i]));
		memset(&tapes[1][i], 0, sizeof(tapes[1][i]));
		tapes[0][i].open = tapes[1][i].open = true;
		tapes[0][i].app = c0;
		tapes[1][i].app = server;
		tapes[1][i].node = node;
		tapes[0][i].l.local = tapes[1][i].l.remote = got;
		memset(tapes[1][i].l.local.pk, 0xa0 + (int)node, 32);
		tapes[1][i].l.local.port = 10;
		tapes[0][i].l.remote = tapes[1][i].l.local;
		n_tapes = i + 1;
	}
}

static void
run_random(uint32_t s)
{
	unsigned s0, c0, s1, i, step;
	bool more;
	struct tape *t;

	seed = s;
	net = rig_new();
	n0 = &net->node[0];
	n1 = &net->node[1];
	memset(next_id, 0, sizeof(next_id));
	s0 = rig_start(n0, 0, "server", 10);
	c0 = rig_start(n0, 1, "client", 0);
	s1 = rig_start(n1, 0, "server", 10);
	random_loops(s0, c0, s1);
	for (step = 0; step < 400; step++) {
		t = &tapes[rnd(2)][rnd(LOOPS)];
		switch (rnd(8)) {
		case 0:
		case 1:
		case 2:
			if (t->open)
				random_send(t);
			break;
		case 3:
			(void)rig_deliver(net);
			break;
		case 4:
			(void)random_take(0, s0);
			break;
		case 5:
			(void)random_take(0, c0);
			break;
		case 6:
			(void)random_take(1, s1);
			break;
		case 7:
			i = rnd(2);
			net->node[i].net_full = rnd(2) == 0;
			if (!net->node[i].net_full)
				mux_net_drained(&net->node[i].m, net->now);
			break;
		}
	}
	/* Everybody reads: all that was sent has come, in order. */
	n0->net_full = n1->net_full = false;
	do {
		mux_net_drained(&n0->m, net->now);
		mux_net_drained(&n1->m, net->now);
		more = random_take(0, s0);
		more |= random_take(0, c0);
		more |= random_take(1, s1);
		more |= rig_deliver(net);
	} while (more);
	for (i = 0; i < LOOPS; i++) {
		assert_int_equal(tapes[0][i].sent, tapes[1][i].got);
		assert_int_equal(tapes[1][i].sent, tapes[0][i].got);
	}
	assert_int_equal(n0->apps[c0].tx_bytes, 0);
	assert_int_equal(n0->apps[s0].tx_bytes, 0);
	assert_int_equal(net->chunks, 0);
	rig_free(net);
	net = NULL;
}

static void
test_random(void **state)
{
	const char *n = getenv("SEEDS");
	uint32_t s, seeds = n != NULL ? (uint32_t)strtoul(n, NULL, 10) : 60;

	(void)state;
	for (s = 1; s <= seeds; s++)
		run_random(s * 2654435761u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_session),
		T(test_failures),
		T(test_init),
		T(test_ownership),
		T(test_refused_by_app),
		T(test_deaths),
		T(test_drain),
		T(test_confirm_timeout),
		T(test_flood),
		T(test_never_reads),
		T(test_junk),
		T(test_loop_form),
		T(test_far_session),
		T(test_far_lost),
		cmocka_unit_test(test_random),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
