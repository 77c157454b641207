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
		cmocka_unit_test(test_gossip),
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
