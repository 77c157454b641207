/* SPDX-License-Identifier: ISC */
/*
 * The client as a script: what happens at which second, what it wants done,
 * and the state it is left in.
 */
#include "stund/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define RND  0 /* keepalives exactly at the base */

static struct client cl;
static struct mono now;
static uint8_t tid_seed;

static const uint8_t *
fresh_tid(void)
{
	static uint8_t tid[STUN_TID];

	memset(tid, ++tid_seed, sizeof(tid));
	return tid;
}

static void
begin(bool tcp)
{
	now = (struct mono){ 1000000 };
	client_init(&cl, tcp, 0);
	assert_int_equal(client_tick(&cl, fresh_tid(), now), CLIENT_WAIT);
	assert_true(client_due(&cl).us == INT64_MAX);
	client_socket(&cl, fresh_tid(), now);
	assert_int_equal(cl.state, CLIENT_FIRST);
}

static enum client_act
tick(void)
{
	return client_tick(&cl, fresh_tid(), now);
}

/* Jump to the next deadline and tick once. */
static enum client_act
jump(void)
{
	now = client_due(&cl);
	assert_true(now.us != INT64_MAX);
	return tick();
}

static enum client_act
answer(const char *mapped)
{
	uint8_t buf[STUN_OUT_MAX];
	struct naddr a;
	struct wr w;

	assert_int_equal(naddr_parse(&a, mapped), 0);
	wr_init(&w, buf, sizeof(buf));
	stun_put_success(&w, cl.txn.tid, &a);
	return client_receive(&cl, buf, w.len, RND, now);
}

/* Until something else than a request comes up; how many requests. */
static unsigned
silence(enum client_act *act)
{
	unsigned sends = 0;

	while ((*act = jump()) == CLIENT_SEND)
		sends++;
	return sends;
}

static void
test_hold(void **state)
{
	uint8_t buf[STUN_OUT_MAX];
	struct stun_msg m;
	struct mono since;
	struct wr w;
	unsigned i;

	(void)state;
	begin(false);
	assert_int_equal(jump(), CLIENT_SEND);
	wr_init(&w, buf, sizeof(buf));
	client_put_request(&cl, &w);
	assert_int_equal(w.len, STUN_REQUEST_LEN);
	assert_int_equal(stun_parse(&m, buf, w.len), STUN_OK);
	assert_memory_equal(m.tid, cl.txn.tid, STUN_TID);
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
	for (i = 0; i < 10000; i++) { /* days */
		since = now;
		assert_int_equal(jump(), CLIENT_SEND);
		assert_int_equal(mono_ms_between(since, now), 20000);
		now = mono_add_ms(now, 30);
		assert_int_equal(answer("198.51.100.7:5000"), CLIENT_SAME);
		assert_int_equal(cl.state, CLIENT_HELD);
		assert_int_equal(tick(), CLIENT_WAIT);
	}
}

static void
test_jitter(void **state)
{
	static const struct {
		uint32_t rnd;
		int64_t ms;
	} cases[] = { { 0, 20000 }, { 5000, 25000 }, { 5001, 20000 },
		{ UINT32_MAX, 20000 + UINT32_MAX % 5001 } };
	uint8_t buf[STUN_OUT_MAX];
	struct naddr a;
	struct wr w;
	size_t i;

	(void)state;
	assert_int_equal(naddr_parse(&a, "198.51.100.7:5000"), 0);
	for (i = 0; i < N(cases); i++) {
		begin(false);
		assert_int_equal(jump(), CLIENT_SEND);
		wr_init(&w, buf, sizeof(buf));
		stun_put_success(&w, cl.txn.tid, &a);
		(void)client_receive(&cl, buf, w.len, cases[i].rnd, now);
		assert_int_equal(mono_ms_between(now, client_due(&cl)),
		    cases[i].ms);
	}
}

static void
test_change(void **state)
{
	(void)state;
	begin(false);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5001"), CLIENT_CHANGED);
	/* The NAT forgets within 20 s: ask every 15. */
	assert_int_equal(mono_ms_between(now, client_due(&cl)), 15000);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5001"), CLIENT_SAME);
}

/* Nobody ever answers: 7 requests, then 5, 10, 20 .. 300 s of rest. */
static void
test_backoff(void **state)
{
	static const int64_t rests[] = { 5, 10, 20, 40, 80, 160, 300, 300 };
	enum client_act act;
	struct mono since;
	size_t i;

	(void)state;
	begin(false);
	for (i = 0; i < N(rests); i++) {
		since = now;
		assert_int_equal(silence(&act), i == 0 ? 7 : 6);
		assert_int_equal(act, CLIENT_WAIT);
		assert_int_equal(mono_ms_between(since, now), 39500);
		assert_int_equal(cl.state, CLIENT_BACKOFF);
		assert_int_equal(cl.failures, i + 1);
		assert_int_equal(mono_ms_between(now, client_due(&cl)),
		    rests[i] * 1000);
		assert_int_equal(jump(), CLIENT_SEND);
		assert_int_equal(cl.state, CLIENT_FIRST);
	}
}

static void
test_udp_loss(void **state)
{
	enum client_act act;
	struct mono since;

	(void)state;
	begin(false);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
	now = since = client_due(&cl);
	assert_int_equal(silence(&act), 3);
	assert_int_equal(act, CLIENT_GONE);
	assert_int_equal(mono_ms_between(since, now), 1500);
	assert_int_equal(cl.state, CLIENT_LOST);
	/* Over UDP the socket stays; ask anew at once. */
	since = now;
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(mono_ms_between(since, now), 0);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
	/* And when that comes to nothing either, back off from the start. */
	(void)silence(&act);
	assert_int_equal(act, CLIENT_GONE);
	assert_int_equal(silence(&act), 7);
	assert_int_equal(act, CLIENT_WAIT);
	assert_int_equal(cl.state, CLIENT_BACKOFF);
	assert_int_equal(mono_ms_between(now, client_due(&cl)), 5000);
}

static void
test_tcp_loss(void **state)
{
	(void)state;
	begin(true);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
	assert_int_equal(jump(), CLIENT_SEND);
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_SAME);
	assert_int_equal(client_broken(&cl, now), CLIENT_GONE);
	assert_int_equal(client_broken(&cl, now), CLIENT_WAIT); /* told twice */
	assert_int_equal(tick(), CLIENT_WANT_SOCKET);
	assert_int_equal(tick(), CLIENT_WAIT);
	assert_true(client_due(&cl).us == INT64_MAX);
	now = mono_add_ms(now, 80);
	client_socket(&cl, fresh_tid(), now);
	assert_int_equal(tick(), CLIENT_SEND);
	assert_int_equal(tick(), CLIENT_WAIT);
	assert_int_equal(answer("198.51.100.7:5001"), CLIENT_NEW);
	assert_int_equal(cl.state, CLIENT_HELD);
}

static void
test_tcp_silence(void **state)
{
	enum client_act act;
	struct mono since;

	(void)state;
	begin(true);
	since = now;
	assert_int_equal(silence(&act), 1);
	assert_int_equal(act, CLIENT_WAIT);
	assert_int_equal(mono_ms_between(since, now), 39500);
	assert_int_equal(jump(), CLIENT_WANT_SOCKET);
	assert_int_equal(mono_ms_between(since, now), 44500);
	assert_int_equal(client_broken(&cl, now), CLIENT_WAIT); /* refused */
	since = now;
	assert_int_equal(jump(), CLIENT_WANT_SOCKET);
	assert_int_equal(mono_ms_between(since, now), 10000);
}

/* A server that answers and hangs up is not dialled in a circle. */
static void
test_tcp_hangup(void **state)
{
	static const int64_t rests[] = { 5, 10, 20, 40 };
	struct mono since;
	size_t i;

	(void)state;
	begin(true);
	for (i = 0; i < N(rests); i++) {
		assert_int_equal(tick(), CLIENT_SEND);
		assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
		since = now;
		assert_int_equal(client_broken(&cl, now), CLIENT_GONE);
		assert_int_equal(cl.state, CLIENT_BACKOFF);
		assert_int_equal(jump(), CLIENT_WANT_SOCKET);
		assert_int_equal(mono_ms_between(since, now), rests[i] * 1000);
		client_socket(&cl, fresh_tid(), now);
	}
	client_stop(&cl);
	assert_true(client_due(&cl).us == INT64_MAX);
	assert_int_equal(client_broken(&cl, now), CLIENT_WAIT);
}

static enum client_act
receive_attr(uint16_t msg_type, uint16_t type, const uint8_t *val, uint16_t len)
{
	uint8_t buf[64];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wr_u16(&w, msg_type);
	wr_u16(&w, (uint16_t)(4 + len));
	wr_u32(&w, STUN_COOKIE);
	wr_bytes(&w, cl.txn.tid, STUN_TID);
	wr_u16(&w, type);
	wr_u16(&w, len);
	wr_bytes(&w, val, len);
	return client_receive(&cl, buf, w.len, RND, now);
}

/* clang-format off */
static const struct odd_case {
	const char *name;
	uint16_t msg_type, type, len;
	uint8_t val[8];
	enum client_act act;
	enum client_state state;
} odd_cases[] = {
	{ "MAPPED-ADDRESS will do", STUN_BINDING_SUCCESS, STUN_MAPPED_ADDRESS,
	    8, { 0, 1, 1, 1, 8, 8, 8, 8 }, CLIENT_NEW, CLIENT_HELD },
	{ "no address", STUN_BINDING_SUCCESS, STUN_SOFTWARE, 0, { 0 },
	    CLIENT_WAIT, CLIENT_FIRST },
	{ "port 0", STUN_BINDING_SUCCESS, STUN_MAPPED_ADDRESS, 8,
	    { 0, 1, 0, 0, 8, 8, 8, 8 }, CLIENT_WAIT, CLIENT_FIRST },
	{ "0.0.0.0", STUN_BINDING_SUCCESS, STUN_MAPPED_ADDRESS, 8,
	    { 0, 1, 1, 1, 0, 0, 0, 0 }, CLIENT_WAIT, CLIENT_FIRST },
	{ "multicast", STUN_BINDING_SUCCESS, STUN_MAPPED_ADDRESS, 8,
	    { 0, 1, 1, 1, 224, 0, 0, 1 }, CLIENT_WAIT, CLIENT_FIRST },
	{ "must understand more", STUN_BINDING_SUCCESS, 0x0024, 4, { 0 },
	    CLIENT_WAIT, CLIENT_BACKOFF },
	{ "error 500", STUN_BINDING_ERROR, STUN_ERROR_CODE, 4, { 0, 0, 5, 0 },
	    CLIENT_WAIT, CLIENT_BACKOFF },
	{ "try alternate", STUN_BINDING_ERROR, STUN_ERROR_CODE, 4,
	    { 0, 0, 3, 0 }, CLIENT_WAIT, CLIENT_BACKOFF },
	{ "a request", STUN_BINDING_REQUEST, STUN_SOFTWARE, 0, { 0 },
	    CLIENT_WAIT, CLIENT_FIRST },
};
/* clang-format on */

static void
test_odd_answers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(odd_cases); i++) {
		const struct odd_case *c = &odd_cases[i];

		print_message("%s\n", c->name);
		begin(false);
		assert_int_equal(jump(), CLIENT_SEND);
		assert_int_equal(
		    receive_attr(c->msg_type, c->type, c->val, c->len), c->act);
		assert_int_equal(cl.state, c->state);
	}
}

/* First answer wins; a late or a forged one changes nothing. */
static void
test_strangers(void **state)
{
	(void)state;
	begin(false);
	assert_int_equal(jump(), CLIENT_SEND);
	cl.txn.tid[0] ^= 1;
	assert_int_equal(answer("198.51.100.7:5000"), CLIENT_NEW);
	assert_int_equal(answer("203.0.113.66:6666"), CLIENT_WAIT);
	assert_int_equal(cl.mapped.port, 5000);
	assert_int_equal(
	    client_receive(&cl, (const uint8_t *)"junk", 4, RND, now),
	    CLIENT_WAIT);
	assert_string_equal(client_state_name(cl.state), "held");
}

/* Somebody asks for news: what is due later comes now. */
static void
test_probe(void **state)
{
	enum client_act act;

	(void)state;
	client_init(&cl, false, 0);
	assert_false(client_probe(&cl, now)); /* idle */
	begin(false);
	assert_false(client_probe(&cl, now)); /* asking already */
	assert_int_equal(tick(), CLIENT_SEND);
	assert_int_equal(answer("8.8.8.8:5000"), CLIENT_NEW);
	assert_int_equal(tick(), CLIENT_WAIT);
	assert_true(client_probe(&cl, now));
	assert_int_equal(tick(), CLIENT_SEND);
	assert_false(client_probe(&cl, now));
	assert_int_equal(answer("8.8.8.8:5000"), CLIENT_SAME);
	begin(true);
	(void)silence(&act);
	assert_int_equal(cl.state, CLIENT_BACKOFF);
	assert_true(client_probe(&cl, now));
	assert_int_equal(tick(), CLIENT_WANT_SOCKET);
	assert_false(client_probe(&cl, now)); /* waiting for the socket */
}

static void
test_set_keepalive(void **state)
{
	(void)state;
	begin(false);
	client_set_keepalive(&cl, 5000, now);
	assert_int_equal(tick(), CLIENT_SEND);
	assert_int_equal(answer("8.8.8.8:5000"), CLIENT_NEW);
	assert_int_equal(mono_ms_between(now, client_due(&cl)), 5000);
	client_set_keepalive(&cl, 60000, now); /* from the next one on */
	assert_int_equal(mono_ms_between(now, client_due(&cl)), 5000);
	client_set_keepalive(&cl, 1000, now);
	assert_int_equal(mono_ms_between(now, client_due(&cl)), 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_udp_loss),
		cmocka_unit_test(test_tcp_loss),
		cmocka_unit_test(test_tcp_silence),
		cmocka_unit_test(test_tcp_hangup),
		cmocka_unit_test(test_odd_answers),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_set_keepalive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
