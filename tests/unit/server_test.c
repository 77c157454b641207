/* SPDX-License-Identifier: ISC */
/*
 * The STUN server's decisions: a table of sources, of messages, and the
 * promised amplification.
 */
#include "stund/server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#include "common/addr_policy.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t key[RATELIMIT_KEY] = { 1, 2, 3 };
static const uint8_t tid[STUN_TID] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };
static struct stun_server sv;
static uint8_t answer[STUN_OUT_MAX];
static bool on_loopback; /* where ask_at() asks */

static void
start(struct rate net, struct rate all, unsigned allow)
{
	struct stun_server_cfg cfg = STUN_SERVER_DEFAULTS;

	cfg.net = net;
	cfg.all = all;
	cfg.allow = allow;
	stun_server_init(&sv, &cfg, key);
}

static enum stun_verdict
ask_at(const char *src, const uint8_t *buf, size_t len, bool tcp,
    struct mono now, struct wr *out)
{
	struct stun_ask ask = { .buf = buf,
		.len = len,
		.tcp = tcp,
		.loopback = on_loopback };

	assert_int_equal(naddr_parse(&ask.src, src), 0);
	wr_init(out, answer, sizeof(answer));
	return stun_server_answer(&sv, &ask, now, out);
}

static size_t
padded_request(uint8_t buf[STUN_REQUEST_LEN])
{
	struct wr w;

	wr_init(&w, buf, STUN_REQUEST_LEN);
	stun_put_request(&w, tid);
	return w.len;
}

/* clang-format off */
static const struct source_case {
	const char *src;
	bool tcp;
	unsigned allow;
	enum stun_verdict verdict;
} sources[] = {
	{ "8.8.4.4:40000", false, 0, STUN_ANSWERED },
	{ "[2600::1]:40000", false, 0, STUN_ANSWERED },
	{ "192.168.1.2:40000", false, 0, STUN_ANSWERED },
	{ "8.8.4.4:0", false, 0, STUN_DROP_REFLECTOR },
	{ "8.8.4.4:0", true, 0, STUN_DROP_SOURCE },
	{ "8.8.4.4:53", false, 0, STUN_DROP_REFLECTOR },
	{ "8.8.4.4:1023", false, 0, STUN_DROP_REFLECTOR },
	{ "8.8.4.4:1024", false, 0, STUN_ANSWERED },
	{ "8.8.4.4:1900", false, 0, STUN_DROP_REFLECTOR },
	{ "8.8.4.4:5353", false, 0, STUN_DROP_REFLECTOR },
	{ "8.8.4.4:11211", false, 0, STUN_DROP_REFLECTOR },
	{ "8.8.4.4:11211", true, 0, STUN_ANSWERED },
	{ "8.8.4.4:80", true, 0, STUN_ANSWERED },
	{ "127.0.0.1:40000", false, 0, STUN_DROP_SOURCE },
	{ "127.0.0.1:40000", true, 0, STUN_DROP_SOURCE },
	{ "127.0.0.1:40000", false, ADDR_ALLOW_LOOPBACK, STUN_ANSWERED },
	{ "127.0.0.1:53", false, ADDR_ALLOW_LOOPBACK, STUN_ANSWERED },
	{ "[::1]:40000", false, 0, STUN_DROP_SOURCE },
	{ "0.0.0.0:40000", false, 0, STUN_DROP_SOURCE },
	{ "224.0.0.1:40000", false, 0, STUN_DROP_SOURCE },
	{ "255.255.255.255:40000", false, 0, STUN_DROP_SOURCE },
	{ "[ff02::1]:40000", false, 0, STUN_DROP_SOURCE },
	{ "203.0.113.9:40000", false, 0, STUN_DROP_SOURCE },
	{ "203.0.113.9:40000", false, ADDR_ALLOW_RESERVED, STUN_ANSWERED },
	{ "[::ffff:127.0.0.1]:40000", false, 0, STUN_DROP_SOURCE },
	{ "[::ffff:8.8.4.4]:40000", false, 0, STUN_DROP_SOURCE },
	{ "[2002:7f00:1::1]:40000", false, 0, STUN_DROP_SOURCE },
	{ "[64:ff9b::10.0.0.1]:40000", false, 0, STUN_ANSWERED },
	{ "[64:ff9b::127.0.0.1]:40000", false, 0, STUN_DROP_SOURCE },
};

/* To a socket bound to loopback, whatever the policy opens. */
static const struct source_case loopback_sources[] = {
	{ "127.0.0.1:40000", false, 0, STUN_ANSWERED },
	{ "127.0.0.1:53", false, 0, STUN_ANSWERED },
	{ "127.8.9.1:53", true, 0, STUN_ANSWERED },
	{ "[::1]:40000", false, 0, STUN_ANSWERED },
	{ "127.0.0.1:0", false, 0, STUN_DROP_SOURCE },
	{ "8.8.4.4:40000", false, 0, STUN_DROP_SOURCE },
	{ "8.8.4.4:40000", true, 0, STUN_DROP_SOURCE },
	{ "192.168.1.2:40000", false, ADDR_ALLOW_PRIVATE, STUN_DROP_SOURCE },
	{ "203.0.113.9:40000", false, ADDR_ALLOW_RESERVED, STUN_DROP_SOURCE },
	{ "[::ffff:127.0.0.1]:40000", false, 0, STUN_DROP_SOURCE },
};

#define HDR(type1, type2, len) type1, type2, 0, len, 0x21, 0x12, 0xa4, 0x42,   \
	9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0

static const struct message_case {
	const char *name;
	enum stun_verdict udp, tcp;
	size_t len, answer_len, tcp_answer_len;
	uint8_t buf[64];
} messages[] = {
	{ "bare request", STUN_ANSWERED, STUN_ANSWERED, 20, 32, 32,
	    { HDR(0, 1, 0) } },
	{ "indication", STUN_NOTED, STUN_NOTED, 20, 0, 0, { HDR(0, 0x11, 0) } },
	{ "success", STUN_DROP_TYPE, STUN_DROP_TYPE, 20, 0, 0,
	    { HDR(1, 1, 0) } },
	{ "error", STUN_DROP_TYPE, STUN_DROP_TYPE, 20, 0, 0,
	    { HDR(1, 0x11, 0) } },
	{ "TURN Allocate", STUN_DROP_TYPE, STUN_DROP_TYPE, 20, 0, 0,
	    { HDR(0, 3, 0) } },
	{ "RFC 3489", STUN_DROP_ALIEN, STUN_DROP_ALIEN, 20, 0, 0,
	    { 0, 1, 0, 0, 1, 2, 3, 4 } },
	{ "empty", STUN_DROP_ALIEN, STUN_DROP_ALIEN, 0, 0, 0, { 0 } },
	{ "wrong length", STUN_DROP_MALFORMED, STUN_DROP_MALFORMED, 24, 0, 0,
	    { HDR(0, 1, 0) } },
	{ "wrong fingerprint", STUN_DROP_MALFORMED, STUN_DROP_MALFORMED, 28, 0,
	    0, { HDR(0, 1, 8), 0x80, 0x28, 0, 4, 1, 2, 3, 4 } },
	{ "CHANGE-REQUEST, short", STUN_DROP_UNKNOWN, STUN_REFUSED, 28, 0, 36,
	    { HDR(0, 1, 8), 0, 3, 0, 4, 0, 0, 0, 6 } },
	{ "CHANGE-REQUEST, 32", STUN_DROP_UNKNOWN, STUN_REFUSED, 32, 0, 36,
	    { HDR(0, 1, 12), 0, 3, 0, 8 } },
	{ "CHANGE-REQUEST, 36", STUN_REFUSED, STUN_REFUSED, 36, 36, 36,
	    { HDR(0, 1, 16), 0, 3, 0, 12 } },
	{ "RESPONSE-ADDRESS, 36", STUN_REFUSED, STUN_REFUSED, 36, 36, 36,
	    { HDR(0, 1, 16), 0, 2, 0, 12 } },
};
/* clang-format on */

static void
test_sources(void **state)
{
	uint8_t req[STUN_REQUEST_LEN];
	size_t i, len = padded_request(req);
	const struct mono now = { 0 };
	enum stun_verdict v;
	struct naddr src, back;
	struct stun_msg m;
	struct wr out;

	(void)state;
	for (i = 0; i < N(sources); i++) {
		const struct source_case *c = &sources[i];

		start((struct rate){ 0, 0 }, (struct rate){ 0, 0 }, c->allow);
		v = ask_at(c->src, req, len, c->tcp, now, &out);
		print_message("%s: %s\n", c->src, stun_verdict_name(v));
		assert_int_equal(v, c->verdict);
		assert_int_equal(sv.count[v], 1);
		if (v != STUN_ANSWERED) {
			assert_int_equal(out.len, 0);
			continue;
		}
		assert_int_equal(stun_parse(&m, out.p, out.len), STUN_OK);
		assert_memory_equal(m.tid, tid, STUN_TID);
		assert_int_equal(stun_get_mapped(&m, &back), 0);
		assert_int_equal(naddr_parse(&src, c->src), 0);
		assert_true(naddr_equal(&src, &back));
		assert_int_equal(out.len, src.fam == NADDR_V4 ? 32 : 44);
	}
}

static void
test_loopback_sources(void **state)
{
	const struct mono now = { 0 };
	uint8_t req[STUN_REQUEST_LEN];
	size_t i, len = padded_request(req);
	const struct source_case *c;
	struct wr out;

	(void)state;
	on_loopback = true;
	for (i = 0; i < N(loopback_sources); i++) {
		c = &loopback_sources[i];
		start((struct rate){ 0, 0 }, (struct rate){ 0, 0 }, c->allow);
		print_message("%s\n", c->src);
		assert_int_equal(ask_at(c->src, req, len, c->tcp, now, &out),
		    c->verdict);
	}
	on_loopback = false;
}

static void
test_messages(void **state)
{
	const struct mono now = { 0 };
	enum stun_verdict v;
	struct wr out;
	size_t i;

	(void)state;
	start((struct rate){ 0, 0 }, (struct rate){ 0, 0 }, 0);
	for (i = 0; i < N(messages); i++) {
		const struct message_case *c = &messages[i];

		v = ask_at("8.8.4.4:40000", c->buf, c->len, false, now, &out);
		print_message("%s: %s\n", c->name, stun_verdict_name(v));
		assert_int_equal(v, c->udp);
		assert_int_equal(out.len, c->answer_len);
		v = ask_at("8.8.4.4:40000", c->buf, c->len, true, now, &out);
		assert_int_equal(v, c->tcp);
		assert_int_equal(out.len, c->tcp_answer_len);
		assert_false(out.bad);
	}
}

/*
 * The table we publish: answer bytes per request byte.  A bare request is
 * the worst there is; our own clients pay more than they get.
 */
static void
test_amplification(void **state)
{
	static const struct {
		const char *name, *src;
		bool bare;
		unsigned percent_max;
	} cases[] = {
		{ "bare, v4", "8.8.4.4:40000", true, 160 },
		{ "bare, v6", "[2600::1]:40000", true, 220 },
		{ "padded, v4", "8.8.4.4:40000", false, 50 },
		{ "padded, v6", "[2600::1]:40000", false, 69 },
	};
	static const uint8_t bare[] = { HDR(0, 1, 0) };
	uint8_t req[STUN_REQUEST_LEN];
	const struct mono now = { 0 };
	struct wr out;
	size_t i, len;

	(void)state;
	(void)padded_request(req);
	start((struct rate){ 0, 0 }, (struct rate){ 0, 0 }, 0);
	for (i = 0; i < N(cases); i++) {
		len = cases[i].bare ? sizeof(bare) : sizeof(req);
		assert_int_equal(ask_at(cases[i].src,
				     cases[i].bare ? bare : req, len, false,
				     now, &out),
		    STUN_ANSWERED);
		print_message("%s: %zu / %zu\n", cases[i].name, out.len, len);
		assert_true(out.len * 100 <= len * cases[i].percent_max);
	}
}

/* A flood from one network: 30 at once, then 10 a second, others unhurt. */
static void
test_flood(void **state)
{
	struct stun_server_cfg cfg = STUN_SERVER_DEFAULTS;
	uint8_t req[STUN_REQUEST_LEN];
	size_t len = padded_request(req);
	struct mono now = { 0 };
	struct wr out;
	unsigned i;

	(void)state;
	stun_server_init(&sv, &cfg, key);
	for (i = 0; i < 100000; i++) { /* ten seconds */
		now.us = (int64_t)i * 100;
		(void)ask_at("8.8.4.4:40000", req, len, false, now, &out);
		assert_int_equal(out.len > 0 ? 32 : 0, out.len);
	}
	assert_int_equal(sv.count[STUN_ANSWERED], 129);
	assert_int_equal(sv.count[STUN_DROP_NET_RATE], 100000 - 129);
	assert_int_equal(ask_at("8.8.5.4:40000", req, len, false, now, &out),
	    STUN_ANSWERED);
}

/* A flood from everywhere: the socket's own budget. */
static void
test_global(void **state)
{
	uint8_t req[STUN_REQUEST_LEN];
	struct stun_ask ask = { .buf = req, .len = padded_request(req) };
	struct wr out;
	unsigned i;

	(void)state;
	start((struct rate){ 0, 0 }, (struct rate){ 5000, 5000 }, 0);
	ask.src = (struct naddr){ .fam = NADDR_V4, .port = 40000 };
	for (i = 0; i < 100000; i++) { /* one second */
		ask.src.ip[0] = 20;
		put_u16(ask.src.ip + 1, (uint16_t)i);
		wr_init(&out, answer, sizeof(answer));
		(void)stun_server_answer(&sv, &ask,
		    (struct mono){ (int64_t)i * 10 }, &out);
	}
	assert_int_equal(sv.count[STUN_ANSWERED], 9999);
	assert_int_equal(sv.count[STUN_DROP_RATE], 100000 - 9999);
}

/* Junk, indications and sources never answered cost no budget. */
static void
test_junk_is_free(void **state)
{
	uint8_t req[STUN_REQUEST_LEN];
	size_t i, len = padded_request(req);
	const struct mono now = { 0 };
	struct wr out;

	(void)state;
	start((struct rate){ 1, 1 }, (struct rate){ 1, 1 }, 0);
	for (i = 0; i < N(messages); i++)
		if (messages[i].udp != STUN_ANSWERED &&
		    messages[i].udp != STUN_REFUSED)
			(void)ask_at("8.8.4.4:40000", messages[i].buf,
			    messages[i].len, false, now, &out);
	(void)ask_at("8.8.4.4:53", req, len, false, now, &out);
	assert_int_equal(ask_at("8.8.4.4:40000", req, len, false, now, &out),
	    STUN_ANSWERED);
	assert_int_equal(ask_at("8.8.4.4:40000", req, len, false, now, &out),
	    STUN_DROP_NET_RATE);
	assert_int_equal(ask_at("8.9.4.4:40000", req, len, false, now, &out),
	    STUN_DROP_RATE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_loopback_sources),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_amplification),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_global),
		cmocka_unit_test(test_junk_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
