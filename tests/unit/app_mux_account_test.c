/* SPDX-License-Identifier: ISC */
/*
 * The mux: what an app may owe.  Sends that nobody takes up are on its
 * account, and when it is full the app is not read; and nobody waits for ever.
 */
#include "appd/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "appd/base64.h"
#include "tests/unit/muxrig.h"

#define A "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"

#define S_ADDR "{\"port\":10,\"remote\":{\"pk\":\"" A "\",\"port\":11}}"
#define C_ADDR "{\"port\":11,\"remote\":{\"pk\":\"" A "\",\"port\":10}}"

#define PIECE 32768

static struct rig_net *net;
static struct rig_node *n0;
static unsigned s, c;           /* a loop from c's port 11 to s's port 10 */
static char send_c[PACKET_MAX]; /* a Send of PIECE bytes on it, */
static char send_s[PACKET_MAX]; /* and the other way */

static void
make_send(char body[PACKET_MAX], const char *addr)
{
	static const uint8_t bytes[PIECE];
	size_t n = (size_t)snprintf(body, PACKET_MAX,
	    "{\"addr\":%s,\"payload\":\"", addr);

	n += base64_encode(body + n, bytes, sizeof(bytes));
	(void)snprintf(body + n, PACKET_MAX - n, "\"}");
}

static int
setup(void **state)
{
	struct packet p;

	(void)state;
	net = rig_new();
	n0 = &net->node[0];
	s = rig_start(n0, 0, "server", 10);
	c = rig_start(n0, 1, "client", 0);
	rig_packet(n0, c, PACKET_CREATE_LOOP, 0,
	    "{\"pk\":\"" A "\",\"port\":10}");
	assert_true(rig_take(n0, s, &p));
	rig_packet(n0, s, PACKET_SUCCESS, p.id, "null");
	assert_true(rig_take(n0, c, &p));
	make_send(send_c, C_ADDR);
	make_send(send_s, S_ADDR);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(net);
	return 0;
}

/* Sends that nobody takes up fill the sender's account, not memory. */
static void
test_fills(void **state)
{
	size_t taken = 0, answers = 0;
	struct packet p;
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		rig_packet(n0, c, PACKET_SEND, (uint8_t)i, send_c);
	assert_true(n0->apps[c].stalled);
	assert_true(n0->apps[c].tx_bytes <= MUX_TX_MAX + PIECE);
	assert_true(n0->pipes[c].in_len > 0);
	while (rig_take(n0, s, &p)) {
		assert_int_equal(p.type, PACKET_SEND);
		taken++;
		rig_packet(n0, s, PACKET_SUCCESS, p.id, "null");
		while (rig_take(n0, c, &p)) {
			assert_int_equal(p.type, PACKET_SUCCESS);
			assert_int_equal(p.id, answers); /* in order */
			answers++;
		}
	}
	assert_int_equal(taken, 100);
	assert_int_equal(answers, 100);
	assert_int_equal(n0->apps[c].tx_bytes, 0);
	assert_int_equal(net->chunks, 0);
}

/* One that dies with a full account: what it wrote goes out nevertheless. */
static void
test_last_words(void **state)
{
	size_t taken = 0;
	struct packet p;
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		rig_packet(n0, c, PACKET_SEND, (uint8_t)i, send_c);
	assert_true(n0->pipes[c].in_len > 0);
	mux_parting(&n0->m, c);
	rig_feed(n0, c, NULL, 0);
	assert_int_equal(n0->pipes[c].in_len, 0);
	mux_detach(&n0->m, c, net->now);
	while (rig_take(n0, s, &p) && p.type == PACKET_SEND) {
		taken++;
		rig_packet(n0, s, PACKET_SUCCESS, p.id, "null");
	}
	assert_int_equal(taken, 100);
	assert_int_equal(p.type, PACKET_CLOSE);
	rig_silent(n0, c); /* nobody is there to be answered */
	assert_int_equal(net->chunks, 0);
}

/* Answer the oldest thing an app has to read, if it is a request. */
static bool
answer_one(unsigned app, size_t *answers)
{
	struct packet p;

	if (!rig_take(n0, app, &p))
		return false;
	if (p.type == PACKET_SEND)
		rig_packet(n0, app, PACKET_SUCCESS, p.id, "null");
	else
		*answers += p.type == PACKET_SUCCESS;
	return true;
}

/*
 * Both ends fill their accounts, and only then answer: what each waits for
 * lies behind what the other has sent.
 */
static void
test_both_ways(void **state)
{
	bool more = true;
	size_t answers = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++) {
		rig_packet(n0, c, PACKET_SEND, (uint8_t)i, send_c);
		rig_packet(n0, s, PACKET_SEND, (uint8_t)i, send_s);
	}
	assert_true(n0->apps[c].tx_bytes > MUX_TX_MAX);
	assert_true(n0->apps[s].tx_bytes > MUX_TX_MAX);
	while (more) {
		more = answer_one(s, &answers);
		more |= answer_one(c, &answers);
	}
	assert_int_equal(answers, 200);
	assert_int_equal(n0->apps[c].tx_bytes, 0);
	assert_int_equal(n0->apps[s].tx_bytes, 0);
	assert_int_equal(net->chunks, 0);
}

/*
 * The same, but one of them has not read its answers either, so that there is
 * no room for more.  When it reads at last it is read again, though it owes
 * too much: what the other waits for may lie there.
 */
static void
test_room_again(void **state)
{
	struct rig_app *pipe = &n0->pipes[c];
	struct packet p;
	unsigned i;

	(void)state;
	rig_packet(n0, s, PACKET_SEND, 1, send_s);
	for (i = 1; i < 60; i++)
		rig_packet(n0, c, PACKET_SEND, (uint8_t)i, send_c);
	assert_true(n0->apps[c].tx_bytes > MUX_TX_MAX);
	for (i = 0; i < 100000 && !n0->apps[c].stalled; i++)
		rig_packet(n0, c, 0x77, 200, "");
	assert_true(n0->apps[c].stalled);
	pipe->resumed = false;
	while (rig_next(n0, c, &p))
		continue;
	mux_drained(&n0->m, c);
	assert_true(pipe->resumed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fills),
		T(test_last_words),
		T(test_both_ways),
		T(test_room_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
