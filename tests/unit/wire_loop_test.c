/* SPDX-License-Identifier: ISC */
/* Messages of streams: round trips, every cut, every bound. */
#include "peerd/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/vec.h"

/* clang-format off */
#define ID32     "\xc4\x20" "0123456789abcdef0123456789abcdef"
#define OPEN     "\x95\x30\x01\x0a\x0b\xce\x00\x02\x00\x00"
#define RELAY0   "\x94\x31\x03\x90\x00"
#define RELAY2   "\x94\x31\x03\x92" ID32 ID32 "\x05"
#define OPENED   "\x93\x32\x01\x00"
#define REFUSED  "\x94\x33\x01\x02\xa5" "no, I"
#define DATA     "\x93\x34\xce\xff\xff\xff\xff\xc4\x03" "abc"
#define GRANT    "\x93\x35\x01\x01"
#define CLOSE    "\x93\x36\x01\xcc\xff"
#define RESERVE  "\x91\x37"
#define RESERVED "\x94\x38\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xcd\x0e\x10\xa0"
/* clang-format on */

#define CASE(name, bytes, lane, rc)                                            \
	{                                                                      \
		name, bytes, sizeof(bytes) - 1, lane, rc                       \
	}
#define GOOD(name, bytes) CASE(name, bytes, LANE_BULK, WIRE_OK)
#define BAD(name, bytes)  CASE(name, bytes, LANE_BULK, WIRE_MALFORMED)

static const struct {
	const char *name;
	const char *bytes;
	size_t len;
	enum lane lane;
	enum wire_rc want;
} cases[] = {
	GOOD("open", OPEN),
	CASE("open on control", OPEN, LANE_CONTROL, WIRE_LANE),
	BAD("open, port 65536", "\x95\x30\x01\xce\x00\x01\x00\x00\x0b\x00"),
	BAD("open, no window", "\x94\x30\x01\x0a\x0b"),
	GOOD("relay to the end", RELAY0),
	GOOD("relay by two", RELAY2),
	BAD("relay by three", "\x94\x31\x03\x93" ID32 ID32 ID32 "\x05"),
	BAD("relay, short key", "\x94\x31\x03\x91\xc4\x03" "abc" "\x05"),
	GOOD("opened", OPENED),
	BAD("opened, long form", "\x93\x32\x01\xcc\x00"),
	GOOD("refused", REFUSED),
	BAD("refused, control byte", "\x94\x33\x01\x02\xa2" "a\n"),
	BAD("refused, beyond ASCII", "\x94\x33\x01\x02\xa2\xc3\xa4"),
	GOOD("data", DATA),
	CASE("data on sync", DATA, LANE_SYNC, WIRE_LANE),
	BAD("data of nothing", "\x93\x34\x01\xc4\x00"),
	BAD("data, stream of 64 bits",
	    "\x93\x34\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xc4\x01" "a"),
	GOOD("grant", GRANT),
	BAD("grant of nothing", "\x93\x35\x01\x00"),
	GOOD("close, any reason", CLOSE),
	BAD("close and more", CLOSE "\x00"),
	GOOD("reserve", RESERVE),
	BAD("reserve with more", "\x92\x37\x00"),
	GOOD("reserved", RESERVED),
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

static uint8_t buf[WIRE_DATA_MAX + 100];
static struct wire_msg got;
static struct wr w;

/* What was put must be these bytes and read back well. */
static void
same(const char *bytes, size_t len)
{
	assert_false(w.bad);
	assert_int_equal(w.len, len);
	assert_memory_equal(buf, bytes, len);
	assert_int_equal(wire_decode(&got, LANE_BULK, buf, len), WIRE_OK);
	wr_init(&w, buf, sizeof(buf));
}

#define SAME(bytes) same(bytes, sizeof(bytes) - 1)

static void
test_round_trips(void **state)
{
	static const char path[] = "0123456789abcdef0123456789abcdef" "\xc4\x20"
				   "0123456789abcdef0123456789abcdef";

	(void)state;
	wr_init(&w, buf, sizeof(buf));
	wire_put_open(&w, 1, 10, 11, 131072);
	SAME(OPEN);
	assert_int_equal(got.stream, 1);
	assert_int_equal(got.port, 10);
	assert_int_equal(got.from, 11);
	assert_int_equal(got.window, 131072);
	wire_put_relay(&w, 3, NULL, 0, 0);
	SAME(RELAY0);
	assert_int_equal(got.n_path, 0);
	wire_put_relay(&w, 3, (const uint8_t *)path, 2, 5);
	SAME(RELAY2);
	assert_int_equal(got.n_path, 2);
	assert_memory_equal(got.path, path, sizeof(path) - 1);
	/* What is read can be passed on without its first key. */
	wire_put_relay(&w, 4, got.path + WIRE_KEY_STEP, 1, 5);
	assert_int_equal(wire_decode(&got, LANE_BULK, buf, w.len), WIRE_OK);
	assert_int_equal(got.n_path, 1);
	wr_init(&w, buf, sizeof(buf));
	wire_put_opened(&w, 1, 0);
	SAME(OPENED);
	wire_put_refused(&w, 1, WIRE_NO_LIMIT, "no, I");
	SAME(REFUSED);
	assert_int_equal(got.reason, WIRE_NO_LIMIT);
	assert_string_equal(got.text, "no, I");
	wire_put_grant(&w, 1, 1);
	SAME(GRANT);
	assert_int_equal(got.bytes, 1);
	wire_put_close(&w, 1, 255);
	SAME(CLOSE);
	assert_int_equal(got.reason, 255);
	wire_put_reserve(&w);
	SAME(RESERVE);
	wire_put_reserved(&w, 1ULL << 32, 3600, "");
	SAME(RESERVED);
	assert_true(got.quota == 1ULL << 32);
	assert_int_equal(got.seconds, 3600);
}

/* Text of strangers' making is cut and made plain. */
static void
test_text(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[0] = '\x1b';
	text[1] = '\xe4';
	text[sizeof(text) - 1] = '\0';
	wr_init(&w, buf, sizeof(buf));
	wire_put_refused(&w, 1, WIRE_NO_OTHER, text);
	assert_int_equal(wire_decode(&got, LANE_BULK, buf, w.len), WIRE_OK);
	assert_int_equal(strlen(got.text), WIRE_TEXT_MAX);
	assert_memory_equal(got.text, "??xx", 4);
}

/* A head and its payload, at every length where the form changes. */
static void
test_data(void **state)
{
	static const size_t lens[] = { 1, 255, 256, WIRE_DATA_MAX };
	static const uint32_t ids[] = { 0, 127, 128, 65536, UINT32_MAX };
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (j = 0; j < sizeof(ids) / sizeof(ids[0]); j++) {
			wr_init(&w, buf, sizeof(buf));
			wire_put_data_head(&w, ids[j], lens[i]);
			assert_in_range(w.len, 1, WIRE_DATA_HEAD);
			memset(buf + w.len, 0x5a, lens[i]);
			assert_int_equal(wire_decode(&got, LANE_BULK, buf,
					     w.len + lens[i]),
			    WIRE_OK);
			assert_int_equal(got.stream, ids[j]);
			assert_int_equal(got.data.len, lens[i]);
			assert_ptr_equal(got.data.p, buf + w.len);
		}
	}
	/* One byte more than allowed. */
	wr_init(&w, buf, sizeof(buf));
	wire_put_data_head(&w, 1, WIRE_DATA_MAX);
	put_u16(buf + w.len - 2, WIRE_DATA_MAX + 1);
	assert_int_equal(wire_decode(&got, LANE_BULK, buf,
			     w.len + WIRE_DATA_MAX + 1),
	    WIRE_MALFORMED);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(wire_type_name(WIRE_OPEN), "OPEN");
	assert_string_equal(wire_type_name(WIRE_RESERVED), "RESERVED");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
