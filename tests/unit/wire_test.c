/* SPDX-License-Identifier: ISC */
/* Link messages: round trips, every cut, wrong lanes, unknown types. */
#include "peerd/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/vec.h"

#define GOSSIP  "\x93\x01\x05\x92\xc4\x01\xaa\xc4\x02\xbb\xcc"
#define CREDIT  "\x93\x40\x03\xcd\x01\x00"
#define PING    "\x93\x41\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x07"
#define PONG    "\x93\x42\x09\x07"
#define BYE     "\x92\x43\xcc\xff"
#define GETADDR "\x92\x45\x40"
#define NOADDR  "\x92\x46\x90"
/* clang-format off */
#define IHAVE   "\x92\x02\xc4\x10" "01234567" "89abcdef"
#define PULL    "\x92\x03\xc4\x08" "01234567"
#define GRAFT   "\x91\x04"
#define PRUNE   "\x92\x05\xce\x00\x09\x27\xc0"
#define ID32    "\xc4\x20" "0123456789abcdef0123456789abcdef"
#define NODE    "\x94" ID32 "\x04\xc4\x04\xc0\x00\x02\x01\xcd\x94\xc0"
#define JOIN    "\x93\x06\x06" NODE
#define NEIGHB  "\x92\x07\x02"
#define DISCON  "\x92\x08\xcc\xff"
#define SWAP    "\x92\x09" NODE
/* clang-format on */
#define FUTURE  "\x93\xcd\x03\xe8\xc0\x81\x01\x02"

#define CASE(name, bytes, lane, rc)                                            \
	{                                                                      \
		name, bytes, sizeof(bytes) - 1, lane, rc                       \
	}

static const struct {
	const char *name;
	const char *bytes;
	size_t len;
	enum lane lane;
	enum wire_rc want;
} cases[] = {
	CASE("gossip", GOSSIP, LANE_GOSSIP, WIRE_OK),
	CASE("gossip on control", GOSSIP, LANE_CONTROL, WIRE_LANE),
	CASE("gossip, no record", "\x93\x01\x05\x90", LANE_GOSSIP,
	    WIRE_MALFORMED),
	CASE("gossip, empty record", "\x93\x01\x05\x91\xc4\x00", LANE_GOSSIP,
	    WIRE_MALFORMED),
	CASE("gossip, hops 256", "\x93\x01\xcd\x01\x00\x91\xc4\x01\x00",
	    LANE_GOSSIP, WIRE_MALFORMED),
	CASE("ihave", IHAVE, LANE_GOSSIP, WIRE_OK),
	CASE("ihave on sync", IHAVE, LANE_SYNC, WIRE_LANE),
	CASE("ihave of nothing", "\x92\x02\xc4\x00", LANE_GOSSIP,
	    WIRE_MALFORMED),
	CASE("ihave, 9 bytes", "\x92\x02\xc4\x09" "012345678", LANE_GOSSIP,
	    WIRE_MALFORMED),
	CASE("pull", PULL, LANE_GOSSIP, WIRE_OK),
	CASE("graft", GRAFT, LANE_GOSSIP, WIRE_OK),
	CASE("graft with more", "\x92\x04\x00", LANE_GOSSIP, WIRE_MALFORMED),
	CASE("prune", PRUNE, LANE_GOSSIP, WIRE_OK),
	CASE("prune for too long", "\x92\x05\xce\x00\x09\x27\xc1",
	    LANE_GOSSIP, WIRE_MALFORMED),
	CASE("join", JOIN, LANE_CONTROL, WIRE_OK),
	CASE("join, ttl 7", "\x93\x06\x07" NODE, LANE_CONTROL,
	    WIRE_MALFORMED),
	CASE("join, no node", "\x93\x06\x06\x90", LANE_CONTROL,
	    WIRE_MALFORMED),
	CASE("neighbor", NEIGHB, LANE_CONTROL, WIRE_OK),
	CASE("neighbor, want 3", "\x92\x07\x03", LANE_CONTROL,
	    WIRE_MALFORMED),
	CASE("disconnect, any reason", DISCON, LANE_CONTROL, WIRE_OK),
	CASE("swap", SWAP, LANE_CONTROL, WIRE_OK),
	CASE("swap on gossip", SWAP, LANE_GOSSIP, WIRE_LANE),
	CASE("credit", CREDIT, LANE_CONTROL, WIRE_OK),
	CASE("credit on bulk", CREDIT, LANE_BULK, WIRE_LANE),
	CASE("credit of nothing", "\x93\x40\x03\x00", LANE_CONTROL,
	    WIRE_MALFORMED),
	CASE("credit for lane 4", "\x93\x40\x04\x01", LANE_CONTROL,
	    WIRE_MALFORMED),
	CASE("credit, long form", "\x93\x40\x03\xcd\x00\x01", LANE_CONTROL,
	    WIRE_MALFORMED),
	CASE("ping", PING, LANE_CONTROL, WIRE_OK),
	CASE("pong", PONG, LANE_CONTROL, WIRE_OK),
	CASE("bye", BYE, LANE_CONTROL, WIRE_OK),
	CASE("getaddr", GETADDR, LANE_CONTROL, WIRE_OK),
	CASE("getaddr 0", "\x92\x45\x00", LANE_CONTROL, WIRE_MALFORMED),
	CASE("getaddr 65", "\x92\x45\x41", LANE_CONTROL, WIRE_MALFORMED),
	CASE("addr, none", NOADDR, LANE_CONTROL, WIRE_OK),
	CASE("byte after", "\x92\x43\x00\x00", LANE_CONTROL, WIRE_MALFORMED),
	CASE("unknown type", FUTURE, LANE_SYNC, WIRE_UNKNOWN),
	CASE("unknown type, byte after", FUTURE "\x00", LANE_SYNC,
	    WIRE_MALFORMED),
	CASE("type too large", "\x91\xce\x00\x01\x00\x00", LANE_SYNC,
	    WIRE_MALFORMED),
	CASE("empty array", "\x90", LANE_CONTROL, WIRE_MALFORMED),
	CASE("no array", "\x01", LANE_CONTROL, WIRE_MALFORMED),
	CASE("nothing", "", LANE_CONTROL, WIRE_MALFORMED),
};

static void
test_cases(void **state)
{
	struct wire_msg m;
	struct flush fl;
	enum wire_rc rc;
	size_t i, cut;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)flush_copy(&fl, cases[i].bytes, cases[i].len);
		rc = wire_decode(&m, cases[i].lane, fl.at, cases[i].len);
		if (rc != cases[i].want)
			fail_msg("%s: %d", cases[i].name, rc);
		flush_free(&fl);
		if (rc != WIRE_OK)
			continue;
		for (cut = 0; cut < cases[i].len; cut++) {
			(void)flush_copy(&fl, cases[i].bytes, cut);
			rc = wire_decode(&m, cases[i].lane, fl.at, cut);
			if (rc != WIRE_MALFORMED)
				fail_msg("%s cut at %zu", cases[i].name, cut);
			flush_free(&fl);
		}
	}
}

static void
test_small(void **state)
{
	uint8_t buf[64];
	struct wire_msg m;
	struct wr w;

	(void)state;
	wr_init(&w, buf, sizeof(buf));
	wire_put_credit(&w, LANE_BULK, 256);
	assert_int_equal(w.len, sizeof(CREDIT) - 1);
	assert_memory_equal(buf, CREDIT, w.len);
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len), WIRE_OK);
	assert_int_equal(m.lane, LANE_BULK);
	assert_int_equal(m.bytes, 256);
	wr_init(&w, buf, sizeof(buf));
	wire_put_ping(&w, UINT64_MAX, 7);
	assert_memory_equal(buf, PING, w.len);
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len), WIRE_OK);
	assert_true(m.token == UINT64_MAX && m.wall_ms == 7);
	wr_init(&w, buf, sizeof(buf));
	wire_put_pong(&w, 9, 7);
	assert_memory_equal(buf, PONG, w.len);
	wr_init(&w, buf, sizeof(buf));
	wire_put_bye(&w, 255);
	assert_memory_equal(buf, BYE, w.len);
	wr_init(&w, buf, sizeof(buf));
	wire_put_getaddr(&w, 64);
	assert_memory_equal(buf, GETADDR, w.len);
}

static void
test_broadcast(void **state)
{
	uint8_t buf[64];
	struct wire_msg m;
	struct wr w;

	(void)state;
	wr_init(&w, buf, sizeof(buf));
	wire_put_ihave(&w, (const uint8_t *)"0123456789abcdef", 2);
	assert_int_equal(w.len, sizeof(IHAVE) - 1);
	assert_memory_equal(buf, IHAVE, w.len);
	assert_int_equal(wire_decode(&m, LANE_GOSSIP, buf, w.len), WIRE_OK);
	assert_int_equal(m.n_ids, 2);
	assert_memory_equal(m.ids, "0123456789abcdef", 16);
	wr_init(&w, buf, sizeof(buf));
	wire_put_pull(&w, (const uint8_t *)"01234567", 1);
	assert_memory_equal(buf, PULL, w.len);
	wr_init(&w, buf, sizeof(buf));
	wire_put_graft(&w);
	assert_int_equal(w.len, sizeof(GRAFT) - 1);
	assert_memory_equal(buf, GRAFT, w.len);
	wr_init(&w, buf, sizeof(buf));
	wire_put_prune(&w, WIRE_BACKOFF_MAX);
	assert_memory_equal(buf, PRUNE, w.len);
	assert_int_equal(wire_decode(&m, LANE_GOSSIP, buf, w.len), WIRE_OK);
	assert_int_equal(m.backoff_ms, WIRE_BACKOFF_MAX);
}

static void
test_overlay(void **state)
{
	struct wire_addr a = { 0 };
	uint8_t buf[64];
	struct wire_msg m;
	struct wr w;

	(void)state;
	memcpy(a.id, "0123456789abcdef0123456789abcdef", 32);
	assert_int_equal(naddr_parse(&a.addr, "192.0.2.1:38080"), 0);
	wr_init(&w, buf, sizeof(buf));
	wire_put_join(&w, 6, &a);
	assert_int_equal(w.len, sizeof(JOIN) - 1);
	assert_memory_equal(buf, JOIN, w.len);
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len), WIRE_OK);
	assert_int_equal(m.ttl, 6);
	assert_memory_equal(m.node.id, a.id, 32);
	assert_true(naddr_equal(&m.node.addr, &a.addr));
	wr_init(&w, buf, sizeof(buf));
	wire_put_swap(&w, &a);
	assert_memory_equal(buf, SWAP, w.len);
	wr_init(&w, buf, sizeof(buf));
	wire_put_neighbor(&w, WIRE_WANT_YES);
	assert_memory_equal(buf, NEIGHB, w.len);
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len), WIRE_OK);
	assert_int_equal(m.want, WIRE_WANT_YES);
	wr_init(&w, buf, sizeof(buf));
	wire_put_disconnect(&w, WIRE_GONE_SWAPPED);
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len), WIRE_OK);
	assert_int_equal(m.reason, WIRE_GONE_SWAPPED);
}

static void
test_gossip(void **state)
{
	static uint8_t buf[WIRE_GOSSIP_MAX + 100], body[8192];
	struct wire_blob recs[WIRE_RECORDS_MAX], got;
	struct wire_msg m;
	struct wr w;
	size_t i;

	(void)state;
	for (i = 0; i < WIRE_RECORDS_MAX; i++) {
		recs[i].p = body + i;
		recs[i].len = 700 + i;
		body[i] = (uint8_t)i;
	}
	wr_init(&w, buf, sizeof(buf));
	wire_put_gossip(&w, 255, recs, WIRE_RECORDS_MAX);
	assert_false(w.bad);
	assert_int_equal(wire_decode(&m, LANE_GOSSIP, buf, w.len), WIRE_OK);
	assert_int_equal(m.hops, 255);
	for (i = 0; wire_next_record(&m, &got); i++) {
		assert_int_equal(got.len, 700 + i);
		assert_int_equal(got.p[0], i);
	}
	assert_int_equal(i, WIRE_RECORDS_MAX);
	/* Six full records fit 48 KiB no more. */
	for (i = 0; i < 6; i++)
		recs[i] = (struct wire_blob){ body, 8192 };
	wr_init(&w, buf, sizeof(buf));
	wire_put_gossip(&w, 0, recs, 6);
	assert_int_equal(wire_decode(&m, LANE_GOSSIP, buf, w.len),
	    WIRE_MALFORMED);
}

static void
test_addr(void **state)
{
	uint8_t buf[8192];
	struct wire_addr in[WIRE_ADDRS_MAX], out;
	struct wire_msg m;
	struct wr w;
	size_t i;

	(void)state;
	memset(in, 0, sizeof(in));
	for (i = 0; i < WIRE_ADDRS_MAX; i++) {
		in[i].id[0] = (uint8_t)i;
		assert_int_equal(
		    naddr_parse(&in[i].addr,
			i % 2 == 0 ? "192.0.2.7:38080" : "[2001:db8::9]:1"),
		    0);
	}
	wr_init(&w, buf, sizeof(buf));
	wire_put_addr(&w, in, WIRE_ADDRS_MAX);
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len), WIRE_OK);
	for (i = 0; wire_next_addr(&m, &out); i++) {
		assert_memory_equal(out.id, in[i].id, 32);
		assert_true(naddr_equal(&out.addr, &in[i].addr));
	}
	assert_int_equal(i, WIRE_ADDRS_MAX);
	buf[w.len - 1] = 0; /* port */
	assert_int_equal(wire_decode(&m, LANE_CONTROL, buf, w.len),
	    WIRE_MALFORMED);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(wire_type_name(WIRE_GOSSIP), "GOSSIP");
	assert_string_equal(wire_type_name(70), "ADDR");
	assert_null(wire_type_name(68));
	assert_string_equal(lane_name(LANE_BULK), "bulk");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_broadcast),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_gossip),
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
