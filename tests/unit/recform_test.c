/* SPDX-License-Identifier: ISC */
/*
 * recform: from what a request says to the bytes its author signed, against
 * tests/vectors/rec.txt; what contradicts itself is refused.  And bound: how
 * much one JSON text may hold.
 */
#include "apid/recform.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apid/bound.h"
#include "tests/unit/vec.h"

#define VECTORS "tests/vectors/rec.txt"

static uint8_t netid[32];
static struct recform f;

static int
setup(void **state)
{
	(void)state;
	return vec_get(VECTORS, "charter.netid", netid, 32) == 32 ? 0 : -1;
}

/* NAME.field of the vectors, in bytes and in hex. */
static size_t
get(const char *name, const char *field, uint8_t *out, char *hex)
{
	char key[64];
	int n;

	(void)snprintf(key, sizeof(key), "%s.%s", name, field);
	n = vec_get(VECTORS, key, out, REC_MAX);
	assert_true(n >= 0);
	(void)sodium_bin2hex(hex, 2 * REC_MAX + 1, out, (size_t)n);
	return (size_t)n;
}

static uint64_t
be(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* An object of the fields of a vector, as putrecord takes them. */
static json_t *
fields_of(const char *name)
{
	static const char *const hexes[] = { "subject", "name", "author",
		"payload", "sig" };
	static uint8_t raw[REC_MAX];
	static char hex[2 * REC_MAX + 1];
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < 5; i++) {
		(void)get(name, hexes[i], raw, hex);
		(void)json_object_set_new(o, hexes[i], json_string(hex));
	}
	(void)get(name, "kind", raw, hex);
	(void)json_object_set_new(o, "kind", json_integer(raw[0]));
	(void)get(name, "flags", raw, hex);
	(void)json_object_set_new(o, "tombstone", json_boolean(raw[0] & 1));
	(void)get(name, "w", raw, hex);
	(void)json_object_set_new(o, "w",
	    json_integer((int32_t)(uint32_t)be(raw, 4)));
	(void)get(name, "hlc", raw, hex);
	(void)snprintf(hex, sizeof(hex), "%llu",
	    (unsigned long long)be(raw, 8));
	(void)json_object_set_new(o, "hlc", json_string(hex));
	return o;
}

static void
check_is(const char *name)
{
	static uint8_t want[REC_MAX];
	static char hex[2 * REC_MAX + 1];
	size_t n = get(name, "record", want, hex);

	assert_int_equal(f.len, n);
	assert_memory_equal(f.raw, want, n);
	(void)get(name, "key", want, hex);
	assert_memory_equal(f.key, want, 32);
	(void)get(name, "rid", want, hex);
	assert_memory_equal(f.rid, want, 32);
}

static const char *const names[] = { "node", "block", "location", "meta",
	"rating", "rating_gone", "opaque", "longest" };

#define NAMES (sizeof(names) / sizeof(names[0]))

static void
test_fields(void **state)
{
	json_t *o;
	size_t i;

	(void)state;
	for (i = 0; i < NAMES; i++) {
		o = fields_of(names[i]);
		assert_int_equal(recform_any(&f, o, netid), 0);
		check_is(names[i]);
		json_decref(o);
	}
}

/* The record in hex and in base64, alone and beside fields that agree. */
static void
test_record(void **state)
{
	static uint8_t raw[REC_MAX];
	static char hex[2 * REC_MAX + 1];
	json_t *o, *v;
	size_t i, n;

	(void)state;
	for (i = 0; i < NAMES; i++) {
		o = fields_of(names[i]);
		n = get(names[i], "record", raw, hex);
		v = json_string(hex);
		assert_int_equal(recform_item(&f, v, netid), 0);
		check_is(names[i]);
		(void)json_object_set_new(o, "record", v);
		assert_int_equal(recform_any(&f, o, netid), CALL_BAD_PARAMS);
		(void)json_object_del(o, "hlc");
		(void)json_object_del(o, "sig");
		assert_int_equal(recform_any(&f, o, netid), 0);
		check_is(names[i]);
		(void)sodium_bin2base64(hex, sizeof(hex), raw, n,
		    sodium_base64_VARIANT_ORIGINAL);
		(void)json_object_set_new(o, "record", json_string(hex));
		assert_int_equal(recform_any(&f, o, netid), 0);
		check_is(names[i]);
		(void)json_object_set_new(o, "w", json_integer(12345));
		assert_int_equal(recform_any(&f, o, netid), CALL_BAD_PARAMS);
		json_decref(o);
	}
}

/* Cut at every length: refused, whatever it is taken for. */
static void
test_cut(void **state)
{
	static uint8_t raw[REC_MAX];
	static char hex[2 * REC_MAX + 1];
	size_t n = get("rating", "record", raw, hex), i;
	json_t *v;

	(void)state;
	for (i = 0; i < 2 * n; i++) {
		v = json_stringn(hex, i);
		assert_int_equal(recform_item(&f, v, netid), CALL_MALFORMED);
		json_decref(v);
	}
}

/* --- what methods say --- */

#define ID "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
#define A1 "1111111111111111111111111111111111111111111111111111111111111111"
#define SIG                                                                    \
	"22222222222222222222222222222222222222222222222222222222222222222222" \
	"222222222222222222222222222222222222222222222222222222222222"
#define BY "\"author\":\"" A1 "\",\"hlc\":\"65536\",\"sig\":\"" SIG "\""

typedef int form(struct recform *, const json_t *, const uint8_t *);

static int
node(struct recform *out, const json_t *o, const uint8_t *net)
{
	return recform_node(out, o, net, false);
}

static int
leave(struct recform *out, const json_t *o, const uint8_t *net)
{
	return recform_node(out, o, net, true);
}

static const struct {
	form *fn;
	const char *text;
	int code;
	uint8_t kind, flags;
	int32_t w;
	const char *payload;
} cases[] = {
	{ recform_temperature,
	    "{\"blockId\":\"" ID "\",\"temperature\":\"WARM\"," BY "}", 0, 18,
	    0, 3000, "" },
	{ recform_temperature,
	    "{\"blockId\":\"" ID "\",\"temperature\":\"FROZEN\","
	    "\"reason\":\"x\"," BY "}",
	    0, 18, 0, 0, "x" },
	{ recform_temperature,
	    "{\"blockId\":\"" ID "\",\"tombstone\":true," BY "}", 0, 18, 1, 0,
	    "" },
	{ recform_temperature, "{\"blockId\":\"" ID "\"," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_temperature,
	    "{\"blockId\":\"" ID "\",\"temperature\":\"HOTTER\"," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_temperature, "{\"temperature\":\"HOT\"," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_temperature,
	    "{\"blockId\":\"" ID "\",\"temperature\":\"HOT\"}", CALL_BAD_SIG, 0,
	    0, 0, NULL },
	{ recform_location, "{\"blockId\":\"" ID "\"," BY "}", 0, 17, 0, 0,
	    "" },
	{ recform_location,
	    "{\"blockId\":\"" ID "\",\"nodeId\":\"" A1
	    "\",\"action\":\"remove\"," BY "}",
	    0, 17, 1, 0, "" },
	{ recform_location,
	    "{\"blockId\":\"" ID "\",\"nodeId\":\"" ID "\"," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_location,
	    "{\"blockId\":\"" ID
	    "\",\"action\":\"remove\",\"region\":\"eu\"," BY "}",
	    CALL_RULE, 0, 0, 0, NULL },
	{ recform_meta,
	    "{\"blockId\":\"" ID "\",\"key\":\"k\",\"value\":{\"b\":[1, 2],"
	    "\"a\":\"\\u00e9/\"}," BY "}",
	    0, 19, 0, 0, "{\"a\":\"\xc3\xa9/\",\"b\":[1,2]}" },
	{ recform_meta,
	    "{\"blockId\":\"" ID "\",\"key\":\"k\",\"value\":1.5," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_meta,
	    "{\"blockId\":\"" ID "\",\"key\":\"\",\"payload\":\"7b7d\"," BY "}",
	    0, 19, 0, 0, "{}" },
	{ recform_meta, "{\"blockId\":\"" ID "\",\"value\":1," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_rating, "{\"target\":\"00\",\"rating\":-100," BY "}", 0, 20,
	    0, -100, "" },
	{ recform_rating, "{\"target\":\"00\",\"rating\":101," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_rating, "{\"target\":\"\",\"rating\":1," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ node, "{\"payload\":\"c0\"," BY "}", 0, 2, 0, 0, "\xc0" },
	{ node, "{\"nodeId\":\"" ID "\",\"payload\":\"c0\"," BY "}",
	    CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ node, "{}", CALL_BAD_SIG, 0, 0, 0, NULL },
	{ leave, "{" BY "}", 0, 2, 1, 0, "" },
	{ recform_any, "{\"kind\":2,\"subject\":\"" ID "\"," BY "}", CALL_RULE,
	    0, 0, 0, NULL },
	{ recform_any, "[]", CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_item, "7", CALL_BAD_PARAMS, 0, 0, 0, NULL },
	{ recform_item, "{\"ifRid\":\"" ID "\"}", CALL_BAD_PARAMS, 0, 0, 0,
	    NULL },
};

static void
test_words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *o = json_loads(cases[i].text, JSON_DECODE_ANY, NULL);
		int code;

		assert_non_null(o);
		code = cases[i].fn(&f, o, netid);
		if (code != cases[i].code)
			fail_msg("case %zu: %d, %s", i, code, f.why);
		json_decref(o);
		if (code != 0)
			continue;
		assert_int_equal(f.rec.kind, cases[i].kind);
		assert_int_equal(f.rec.flags, cases[i].flags);
		assert_int_equal(f.rec.w, cases[i].w);
		assert_int_equal(f.rec.payload_len, strlen(cases[i].payload));
		assert_memory_equal(f.rec.payload, cases[i].payload,
		    f.rec.payload_len);
		assert_int_equal(f.rec.hlc, 65536);
	}
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t v;
	} all[] = {
		{ "1", true, 1 },
		{ "\"1\"", true, 1 },
		{ "\"18446744073709551615\"", true, UINT64_MAX },
		{ "\"18446744073709551616\"", false, 0 },
		{ "\"99999999999999999999\"", false, 0 },
		{ "\"100000000000000000000\"", false, 0 },
		{ "0", false, 0 },
		{ "-1", false, 0 },
		{ "\"0\"", false, 0 },
		{ "\"01\"", false, 0 },
		{ "\" 1\"", false, 0 },
		{ "\"+1\"", false, 0 },
		{ "\"1 \"", false, 0 },
		{ "\"1\\u0000\"", false, 0 },
		{ "\"\"", false, 0 },
		{ "1.0", false, 0 },
		{ "null", false, 0 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		json_t *j = json_loads(all[i].text,
		    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		assert_non_null(j);
		if (parse_u64(j, &v) != all[i].good)
			fail_msg("%s", all[i].text);
		if (all[i].good)
			assert_true(v == all[i].v);
		json_decref(j);
	}
	assert_string_equal(temperature_word(3499), "WARM");
	assert_string_equal(temperature_word(3500), "HOT");
	assert_string_equal(temperature_word(99999), "VIRAL");
	assert_string_equal(temperature_word(-99999), "FROZEN");
	assert_int_equal(temperature_parse("COOL"), 2000);
	assert_int_equal(temperature_parse("cool"), -1);
}

/* --- bound --- */

static bool
bounded(const char *s, size_t n)
{
	struct flush fl;
	bool r = bound_json((const char *)flush_copy(&fl, s, n), n);

	flush_free(&fl);
	return r;
}

static void
test_bound(void **state)
{
	static char big[3 * BOUND_VALUES];
	size_t i;

	(void)state;
	assert_true(bounded("", 0));
	assert_true(bounded("{}", 2));
	assert_true(bounded("\"", 1));
	assert_true(bounded("\"\\", 2));
	for (i = 0; i < BOUND_VALUES; i++)
		big[i] = ',';
	assert_true(bounded(big, BOUND_VALUES));
	big[BOUND_VALUES] = '[';
	assert_false(bounded(big, BOUND_VALUES + 1));
	/* Within a string they are no values, and quotes may be escaped. */
	memset(big, ',', sizeof(big));
	big[0] = '"';
	assert_true(bounded(big, sizeof(big)));
	big[8] = '\\';
	big[9] = '"';
	assert_true(bounded(big, sizeof(big)));
	big[7] = '\\';
	assert_false(bounded(big, sizeof(big)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
