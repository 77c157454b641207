/* SPDX-License-Identifier: ISC */
/*
 * app_json: every body of warren-app(7) byte for byte, what is tolerated, and
 * what is not.  Each text lies flush against an unreadable page, and is read
 * again cut at every length.
 */
#include "appd/app_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appd/json_scan.h"
#include "appd/packet.h"
#include "tests/unit/vec.h"

#define A  "4ec47420176680816e0406250e7156465e4531f5b26057c9f6297bb0303558c7"
#define B  "48c941c5015a05c455ff238af2e57fb8f914c399aab604e9abb5b32b91a4c1fe"
#define UP "48C941C5015A05C455FF238AF2E57FB8F914C399AAB604E9ABB5B32B91A4C1FE"
#define AA "{\"pk\":\"" A "\",\"port\":10}"
#define BA "{\"pk\":\"" B "\",\"port\":11}"
#define SEND(payload)                                                          \
	"{\"addr\":{\"port\":10,\"remote\":" BA "},\"payload\":" payload "}"
#define LOOP2 "{\"local\":" AA ",\"remote\":" BA "}"

static uint8_t pk_a[APP_PK_LEN], pk_b[APP_PK_LEN];

static int
setup(void **state)
{
	(void)state;
	return app_pk_get_hex(pk_a, A) | app_pk_get_hex(pk_b, B);
}

/* --- addresses --- */

static void
test_addr_text(void **state)
{
	static const char *const bad[] = { "", A, A ":", A ":65536", A ":01",
		A ":-1", A ":1 ", A "0:1", A ":123456", ":" A, "g" A ":1",
		"zz" B ":10" };
	char text[APP_ADDR_TEXT];
	struct app_addr a, unset = { .port = 0 };
	size_t i;

	(void)state;
	assert_int_equal(app_addr_get_text(&a, A ":65535"), 0);
	assert_memory_equal(a.pk, pk_a, APP_PK_LEN);
	assert_int_equal(a.port, 65535);
	assert_int_equal(app_addr_put_text(text, &a), APP_ADDR_TEXT - 1);
	assert_string_equal(text, A ":65535");
	assert_int_equal(app_addr_get_text(&a, UP ":0"), 0);
	assert_int_equal(app_addr_put_text(text, &a), 66);
	assert_string_equal(text, B ":0");
	assert_false(app_addr_is_unset(&a));
	assert_true(app_addr_is_unset(&unset));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(app_addr_get_text(&a, bad[i]), -1);
}

/* --- one reader a kind of body, with what it should find --- */

static const struct {
	enum app_json want;
	const char *body, *name, *version, *protocol;
} inits[] = {
	{ APP_JSON_OK,
	    "{\"app-name\":\"helloworld\",\"app-version\":\"1.0\","
	    "\"protocol-version\":\"0.0.1\"}",
	    "helloworld", "1.0", "0.0.1" },
	{ APP_JSON_OK,
	    " { \"protocol-VERSION\" : \"0.0.1\" ,\t\"x\":[1,{\"y\":[]}],\n"
	    "\"App-Name\":\"a\\u0062\\/\\\"\\n\",\r\"app-version\":null } ",
	    "ab/\"\n", "", "0.0.1" },
	{ APP_JSON_OK, "{\"app-\\u006eame\":\"\\ud83d\\ude00\\ud83d\"}",
	    "\xf0\x9f\x98\x80\xef\xbf\xbd", "", "" },
	{ APP_JSON_OK, "{\"app-name\":\"a\",\"app-name\":\"b\"}", "b", "", "" },
	{ APP_JSON_OK, "{\"app-name\":\"a\\u0000b\"}", "", "", "" },
	{ APP_JSON_OK, "{\"other\":true}", "", "", "" },
	{ APP_JSON_NONE, "", "", "", "" },
	{ APP_JSON_NONE, " ", "", "", "" },
	{ APP_JSON_NONE, "null", "", "", "" },
	{ APP_JSON_NONE, " { } ", "", "", "" },
	{ APP_JSON_TYPE, "[]", "", "", "" },
	{ APP_JSON_TYPE, "\"\"", "", "", "" },
	{ APP_JSON_TYPE, "{\"app-name\":1}", "", "", "" },
	{ APP_JSON_TYPE, "{\"app-name\":{}}", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\":\"a\"} x", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\":\"a\",}", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\" \"a\"}", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\":\"a\tb\"}", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\":\"\\x\"}", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\":\"\\u12g4\"}", "", "", "" },
	{ APP_JSON_SYNTAX, "{app-name:\"a\"}", "", "", "" },
	{ APP_JSON_SYNTAX, "{\"app-name\":nul}", "", "", "" },
	{ APP_JSON_SYNTAX, "nulls", "", "", "" },
	{ APP_JSON_SYNTAX, "x", "", "", "" },
};

static void
test_init(void **state)
{
	struct app_init in;
	struct flush fl;
	size_t i, cut, len;

	(void)state;
	for (i = 0; i < sizeof(inits) / sizeof(inits[0]); i++) {
		len = strlen(inits[i].body);
		flush_copy(&fl, inits[i].body, len);
		assert_int_equal(app_json_get_init(fl.at, len, &in),
		    inits[i].want);
		flush_free(&fl);
		if (inits[i].want > APP_JSON_NONE)
			continue;
		assert_string_equal(in.name, inits[i].name);
		assert_string_equal(in.version, inits[i].version);
		assert_string_equal(in.protocol, inits[i].protocol);
		for (cut = 0; inits[i].body[0] == '{' && cut < len; cut++) {
			flush_copy(&fl, inits[i].body, cut);
			assert_int_equal(app_json_get_init(fl.at, cut, &in),
			    cut == 0 ? APP_JSON_NONE : APP_JSON_SYNTAX);
			flush_free(&fl);
		}
	}
}

/* A name at the limit, and one byte longer, which is nobody's. */
static void
test_long_names(void **state)
{
	char body[400], name[APP_TEXT_MAX + 2];
	struct app_init in;
	size_t n;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[APP_TEXT_MAX] = '\0';
	n = app_json_put_init(body, sizeof(body), name, "v", APP_PROTOCOL);
	assert_int_equal(app_json_get_init(body, n, &in), APP_JSON_OK);
	assert_string_equal(in.name, name);
	name[APP_TEXT_MAX] = 'n';
	name[APP_TEXT_MAX + 1] = '\0';
	n = app_json_put_init(body, sizeof(body), name, "v", APP_PROTOCOL);
	assert_int_equal(app_json_get_init(body, n, &in), APP_JSON_OK);
	assert_string_equal(in.name, "");
	assert_string_equal(in.version, "v");
}

static const struct {
	enum app_json want;
	const char *body;
	const uint8_t *pk;
	uint16_t port;
} addrs[] = {
	{ APP_JSON_OK, AA, pk_a, 10 },
	{ APP_JSON_OK, "{\"port\":65535,\"PK\":\"" UP "\",\"z\":-1.5e+3}", pk_b,
	    65535 },
	{ APP_JSON_OK, "{\"pk\":\"" B "\"}", pk_b, 0 },
	{ APP_JSON_OK, "{\"port\":0}", NULL, 0 },
	{ APP_JSON_OK, "{\"pk\":null,\"port\":null}", NULL, 0 },
	{ APP_JSON_NONE, "", NULL, 0 },
	{ APP_JSON_NONE, "null", NULL, 0 },
	{ APP_JSON_NONE, "{}", NULL, 0 },
	{ APP_JSON_KEY_LEN, "{\"pk\":\"\"}", NULL, 0 },
	{ APP_JSON_KEY_LEN, "{\"pk\":\"02" A "\"}", NULL, 0 },
	{ APP_JSON_KEY_LEN, "{\"pk\":\"ab\"}", NULL, 0 },
	{ APP_JSON_KEY,
	    "{\"pk\":\"g8c941c5015a05c455ff238af2e57fb8f914c399aab604e9abb5b32b"
	    "91a4c1fe\"}",
	    NULL, 0 },
	{ APP_JSON_KEY,
	    "{\"pk\":\"48c941c5015a05c455ff238af2e57fb8f914c399aab604e9abb5b32b"
	    "91a4c1f \"}",
	    NULL, 0 },
	{ APP_JSON_TYPE, "{\"pk\":1}", NULL, 0 },
	{ APP_JSON_TYPE, "{\"port\":\"10\"}", NULL, 0 },
	{ APP_JSON_TYPE, "{\"port\":true}", NULL, 0 },
	{ APP_JSON_TYPE, "[]", NULL, 0 },
	{ APP_JSON_TYPE, "10", NULL, 0 },
	{ APP_JSON_PORT, "{\"port\":65536}", NULL, 0 },
	{ APP_JSON_PORT, "{\"port\":-1}", NULL, 0 },
	{ APP_JSON_PORT, "{\"port\":-0}", NULL, 0 },
	{ APP_JSON_PORT, "{\"port\":10.0}", NULL, 0 },
	{ APP_JSON_PORT, "{\"port\":1e1}", NULL, 0 },
	{ APP_JSON_PORT, "{\"port\":99999999999999999999999}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":010}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":1.}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":1e}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":-}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":+1}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"port\":1]", NULL, 0 },
	{ APP_JSON_SYNTAX, "{,}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"x\":[1 2]}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"x\":[1,]}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"x\":[}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"x\":tru}", NULL, 0 },
	{ APP_JSON_SYNTAX, "{\"x\":{\"y\":1,2}}", NULL, 0 },
};

static void
test_addr(void **state)
{
	static const uint8_t zero[APP_PK_LEN];
	struct app_addr a;
	struct flush fl;
	size_t i, len, cut;

	(void)state;
	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		len = strlen(addrs[i].body);
		flush_copy(&fl, addrs[i].body, len);
		assert_int_equal(app_json_get_addr(fl.at, len, &a),
		    addrs[i].want);
		flush_free(&fl);
		if (addrs[i].want > APP_JSON_NONE)
			continue;
		assert_int_equal(a.port, addrs[i].port);
		assert_memory_equal(a.pk,
		    addrs[i].pk == NULL ? zero : addrs[i].pk, APP_PK_LEN);
		for (cut = 1; addrs[i].body[0] == '{' && cut < len; cut++) {
			flush_copy(&fl, addrs[i].body, cut);
			assert_true(
			    app_json_get_addr(fl.at, cut, &a) > APP_JSON_NONE);
			flush_free(&fl);
		}
	}
	assert_string_equal(app_json_text(APP_JSON_KEY_LEN),
	    "Invalid public key length");
	assert_string_equal(app_json_text(APP_JSON_KEY), "Invalid public key");
}

/* --- loops and pairs --- */

static const struct {
	enum app_json want;
	const char *body;
	enum app_form form;
	bool key; /* of the local end was there */
} pairs[] = {
	{ APP_JSON_OK, "[" AA "," BA "]", APP_FORM_ADDR, true },
	{ APP_JSON_OK, " [ " AA " , " BA " ] ", APP_FORM_ADDR, true },
	{ APP_JSON_OK, LOOP2, APP_FORM_LOOP, true },
	{ APP_JSON_NONE, "null", APP_FORM_ADDR, false },
	{ APP_JSON_NONE, "", APP_FORM_ADDR, false },
	{ APP_JSON_PAIR, "[]", APP_FORM_ADDR, false },
	{ APP_JSON_PAIR, "[" AA "]", APP_FORM_ADDR, false },
	{ APP_JSON_PAIR, "[" AA "," BA "," BA "]", APP_FORM_ADDR, false },
	{ APP_JSON_TYPE, "[1,2]", APP_FORM_ADDR, false },
	{ APP_JSON_TYPE, "\"\"", APP_FORM_ADDR, false },
	{ APP_JSON_SYNTAX, "[" AA "," BA, APP_FORM_ADDR, false },
	{ APP_JSON_SYNTAX, "[" AA "," BA ",]", APP_FORM_ADDR, false },
	{ APP_JSON_SYNTAX, "[", APP_FORM_ADDR, false },
};

static void
check_loop(const struct app_loop *l, bool key)
{
	static const uint8_t zero[APP_PK_LEN];

	assert_memory_equal(l->local.pk, key ? pk_a : zero, APP_PK_LEN);
	assert_memory_equal(l->remote.pk, pk_b, APP_PK_LEN);
	assert_int_equal(l->local.port, 10);
	assert_int_equal(l->remote.port, 11);
}

static void
test_pair(void **state)
{
	enum app_form form;
	struct app_loop l;
	struct flush fl;
	size_t i, len;
	enum app_json got;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		len = strlen(pairs[i].body);
		flush_copy(&fl, pairs[i].body, len);
		got = app_json_get_pair(fl.at, len, &l, &form);
		flush_free(&fl);
		if (pairs[i].want == APP_JSON_SYNTAX)
			assert_true(got > APP_JSON_NONE);
		else
			assert_int_equal(got, pairs[i].want);
		if (got != APP_JSON_OK)
			continue;
		check_loop(&l, pairs[i].key);
		assert_int_equal(form, pairs[i].form);
	}
}

static void
test_loop(void **state)
{
	static const struct {
		enum app_json want;
		const char *body;
		enum app_form form;
	} loops[] = {
		{ APP_JSON_OK, "{\"port\":10,\"remote\":" BA "}",
		    APP_FORM_ADDR },
		{ APP_JSON_OK, "{\"Remote\":" BA ",\"x\":{},\"PORT\":10}",
		    APP_FORM_ADDR },
		{ APP_JSON_OK, LOOP2, APP_FORM_LOOP },
		{ APP_JSON_NONE, "{}", APP_FORM_ADDR },
		{ APP_JSON_TYPE, "{\"port\":10,\"remote\":[]}", APP_FORM_ADDR },
		{ APP_JSON_TYPE, "3", APP_FORM_ADDR },
	};
	enum app_form form;
	struct app_loop l;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		assert_int_equal(app_json_get_loop(loops[i].body,
				     strlen(loops[i].body), &l, &form),
		    loops[i].want);
		if (loops[i].want != APP_JSON_OK)
			continue;
		assert_int_equal(form, loops[i].form);
		check_loop(&l, form == APP_FORM_LOOP);
	}
	assert_int_equal(app_json_get_loop("{\"remote\":null}", 15, &l, &form),
	    APP_JSON_OK);
	assert_int_equal(l.remote.port, 0);
}

/* --- Send --- */

static const struct {
	const char *name;
	enum app_json want;
	const char *body, *payload;
	enum app_form form;
	bool not_base64;
} sends[] = {
	{ "ours", APP_JSON_OK, SEND("\"cGluZw==\""), "ping", APP_FORM_ADDR,
	    false },
	{ "ours, empty", APP_JSON_OK, SEND("\"\""), "", APP_FORM_ADDR, false },
	{ "null", APP_JSON_OK, SEND("null"), "", APP_FORM_ADDR, false },
	{ "ours, loop", APP_JSON_OK,
	    "{\"loop\":" LOOP2 ",\"payload\":\"cGluZw==\"}", "ping",
	    APP_FORM_LOOP, false },
	{ "loop under addr", APP_JSON_OK,
	    "{\"addr\":" LOOP2 ",\"payload\":\"cGluZw==\"}", "ping",
	    APP_FORM_LOOP, false },
	{ "no payload", APP_JSON_OK,
	    "{\"addr\":{\"port\":10,\"remote\":" BA "}}", "", APP_FORM_ADDR,
	    false },
	{ "payload first", APP_JSON_OK,
	    "{\"payload\":\"cGluZw==\",\"addr\":{\"remote\":" BA
	    ",\"port\":10}}",
	    "ping", APP_FORM_ADDR, false },
	{ "space, capitals, unknown keys", APP_JSON_OK,
	    " {\n\"ADDR\": {\"port\" :10, \"remote\":{\"Port\":11,\"pk\":\"" UP
	    "\",\"via\":[null]}},\"Payload\":\"cGluZw==\",\"seq\":12}\n",
	    "ping", APP_FORM_ADDR, false },
	{ "more after payload", APP_JSON_OK, SEND("\"cGluZw==\",\"x\":\"y\""),
	    "ping", APP_FORM_ADDR, false },
	{ "escaped", APP_JSON_OK, SEND("\"\\/\\/+\\u002b\""), "\xff\xff\xbe",
	    APP_FORM_ADDR, false },
	{ "payload twice", APP_JSON_OK, SEND("\"cGluZw==\",\"payload\":null"),
	    "", APP_FORM_ADDR, false },
	{ "not base64", APP_JSON_OK, SEND("\"cGluZw=\""), NULL, APP_FORM_ADDR,
	    true },
	{ "not base64, escaped", APP_JSON_OK, SEND("\"cGluZ\\\"==\""), NULL,
	    APP_FORM_ADDR, true },
	{ "missing", APP_JSON_NO_ADDR, "{\"payload\":\"cGluZw==\"}", NULL,
	    APP_FORM_ADDR, false },
	{ "null address", APP_JSON_NO_ADDR,
	    "{\"addr\":null,\"payload\":\"cGluZw==\"}", NULL, APP_FORM_ADDR,
	    false },
	{ "no body", APP_JSON_NO_ADDR, "", NULL, APP_FORM_ADDR, false },
	{ "null body", APP_JSON_NO_ADDR, "null", NULL, APP_FORM_ADDR, false },
	{ "empty body", APP_JSON_NO_ADDR, "{}", NULL, APP_FORM_ADDR, false },
	{ "address of another kind", APP_JSON_TYPE, "{\"addr\":\"x\"}", NULL,
	    APP_FORM_ADDR, false },
	{ "payload of another kind", APP_JSON_TYPE, SEND("[112]"), NULL,
	    APP_FORM_ADDR, false },
	{ "array", APP_JSON_TYPE, "[]", NULL, APP_FORM_ADDR, false },
	{ "port", APP_JSON_PORT,
	    "{\"addr\":{\"port\":70000,\"remote\":" BA
	    "},\"payload\":\"cGluZw==\"}",
	    NULL, APP_FORM_ADDR, false },
	{ "key", APP_JSON_KEY_LEN,
	    "{\"addr\":{\"port\":1,\"remote\":{\"pk\":\"00\",\"port\":1}},"
	    "\"payload\":\"cGluZw==\"}",
	    NULL, APP_FORM_ADDR, false },
	{ "more after the end", APP_JSON_SYNTAX, SEND("\"cGluZw==\"") "}", NULL,
	    APP_FORM_ADDR, false },
	{ "open end", APP_JSON_SYNTAX, SEND("\"cGluZw==") "", NULL,
	    APP_FORM_ADDR, false },
};

static void
test_send(void **state)
{
	uint8_t out[256], *body;
	struct app_send s;
	struct flush fl;
	size_t i, len, n, cut;

	(void)state;
	for (i = 0; i < sizeof(sends) / sizeof(sends[0]); i++) {
		len = strlen(sends[i].body);
		body = flush_copy(&fl, sends[i].body, len);
		assert_int_equal(app_json_get_send(body, len, &s),
		    sends[i].want);
		if (sends[i].want != APP_JSON_OK) {
			flush_free(&fl);
			continue;
		}
		assert_int_equal(s.form, sends[i].form);
		check_loop(&s.loop, s.form == APP_FORM_LOOP);
		assert_true(s.payload_len <= sizeof(out));
		assert_int_equal(app_send_decode(&s, out, &n),
		    sends[i].not_base64 ? -1 : 0);
		if (!sends[i].not_base64) {
			assert_int_equal(n, strlen(sends[i].payload));
			assert_memory_equal(out, sends[i].payload, n);
			/* And once more where it lies. */
			if (s.payload != NULL) {
				body += s.payload - (const char *)body;
				assert_int_equal(app_send_decode(&s, body, &n),
				    0);
				assert_memory_equal(body, sends[i].payload, n);
			}
		}
		flush_free(&fl);
		for (cut = 0; cut < len; cut++) {
			body = flush_copy(&fl, sends[i].body, cut);
			/* The last one ends in space. */
			if (cut < len - 1)
				assert_int_not_equal(
				    app_json_get_send(body, cut, &s),
				    APP_JSON_OK);
			flush_free(&fl);
		}
	}
}

/* --- writing --- */

static void
test_put(void **state)
{
	struct app_loop l = { { { 0 }, 10 }, { { 0 }, 11 } };
	char out[512];
	size_t n, cap;

	(void)state;
	memcpy(l.local.pk, pk_a, APP_PK_LEN);
	memcpy(l.remote.pk, pk_b, APP_PK_LEN);
#define IS(call, text)                                                         \
	do {                                                                   \
		cap = sizeof(out);                                             \
		n = call;                                                      \
		assert_int_equal(n, strlen(text));                             \
		assert_memory_equal(out, text, n);                             \
		for (cap = 0; cap < strlen(text); cap++)                       \
			assert_int_equal(call, 0);                             \
	} while (0)
	IS(app_json_put_init(out, cap, "helloworld", "1.0", "0.0.1"),
	    inits[0].body);
	IS(app_json_put_addr(out, cap, &l.local), AA);
	IS(app_json_put_pair(out, cap, &l, APP_FORM_ADDR), "[" AA "," BA "]");
	IS(app_json_put_pair(out, cap, &l, APP_FORM_LOOP), LOOP2);
	IS(app_json_put_loop(out, cap, &l, APP_FORM_ADDR),
	    "{\"port\":10,\"remote\":" BA "}");
	IS(app_json_put_loop(out, cap, &l, APP_FORM_LOOP), LOOP2);
	IS(app_json_put_send(out, cap, &l, APP_FORM_ADDR, "ping", 4),
	    SEND("\"cGluZw==\""));
	IS(app_json_put_send(out, cap, &l, APP_FORM_ADDR, "", 0), SEND("\"\""));
	IS(app_json_put_send(out, cap, &l, APP_FORM_ADDR, NULL, 0),
	    SEND("null"));
	IS(app_json_put_send(out, cap, &l, APP_FORM_LOOP, "ping", 4),
	    "{\"loop\":" LOOP2 ",\"payload\":\"cGluZw==\"}");
	IS(app_json_put_null(out, cap), "null");
	assert_int_equal(app_json_put_send(out, sizeof(out), &l, APP_FORM_ADDR,
			     out, SIZE_MAX),
	    0);
}

/* The largest payload fits a packet in either form, whatever the ports. */
static void
test_payload_max(void **state)
{
	struct app_loop l = { { { 0 }, 65535 }, { { 0 }, 65535 } };
	char *out = malloc(PACKET_BODY_MAX), *payload;
	struct app_send s;
	size_t n;

	(void)state;
	payload = calloc(1, APP_PAYLOAD_MAX + 3);
	assert_non_null(out);
	assert_non_null(payload);
	n = app_json_put_send(out, PACKET_BODY_MAX, &l, APP_FORM_LOOP, payload,
	    APP_PAYLOAD_MAX);
	assert_in_range(n, PACKET_BODY_MAX - 3, PACKET_BODY_MAX);
	assert_int_equal(app_json_get_send(out, n, &s), APP_JSON_OK);
	assert_int_equal(app_send_decode(&s, (uint8_t *)out, &n), 0);
	assert_int_equal(n, APP_PAYLOAD_MAX);
	assert_int_equal(app_json_put_send(out, PACKET_BODY_MAX, &l,
			     APP_FORM_LOOP, payload, APP_PAYLOAD_MAX + 1),
	    0);
	free(out);
	free(payload);
}

/* What Go's encoder escapes, and how. */
static void
test_put_str(void **state)
{
	static const struct {
		const char *text, *want;
	} strs[] = {
		{ "", "\"\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "<&>", "\"\\u003c\\u0026\\u003e\"" },
		{ "\b\f\n\r\t\x1f\x7f",
		    "\"\\u0008\\u000c\\n\\r\\t\\u001f\x7f\"" },
		{ "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
		    "\"\\u2028\\u2029\xe2\x80\xaa\"" },
		{ "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
		{ "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
		{ "\xff\xc3", "\"\\ufffd\\ufffd\"" },
		{ "\xc0\xaf", "\"\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	};
	char out[64];
	size_t i, n, cap;

	(void)state;
	for (i = 0; i < sizeof(strs) / sizeof(strs[0]); i++) {
		n = json_put_str(out, sizeof(out), strs[i].text,
		    strlen(strs[i].text));
		assert_int_equal(n, strlen(strs[i].want));
		assert_memory_equal(out, strs[i].want, n);
		for (cap = 0; cap < n; cap++)
			assert_int_equal(json_put_str(out, cap, strs[i].text,
					     strlen(strs[i].text)),
			    0);
	}
}

/* --- the rest --- */

static void
test_none(void **state)
{
	static const char *const none[] = { "", " ", "null", " null\n", "{}",
		"\t{ } " },
				 *const some[] = { "{", "nul", "null null",
					 "{}{}", "[]", "0", "\"\"", "{\"a\":1}",
					 "x", "}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_true(app_json_is_none(none[i], strlen(none[i])));
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		assert_false(app_json_is_none(some[i], strlen(some[i])));
}

static void
test_failure(void **state)
{
	static const struct {
		const char *body, *want;
	} texts[] = {
		{ "unknown loop", "unknown loop" },
		{ "\"unknown loop\"", "unknown loop" },
		{ "\"a\\u0021\\n\"", "a! " },
		{ "\"open", "\"open" },
		{ "\"two\" words", "\"two\" words" },
		{ "tab\there\x7f", "tab here " },
		{ "", "" },
		{ "null", "null" },
		{ "sixteen characters and more", "sixteen charact" },
		{ "\"sixteen characters \\n\"", "sixteen charact" },
	};
	char out[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		app_json_get_failure(texts[i].body, strlen(texts[i].body), out,
		    sizeof(out));
		assert_string_equal(out, texts[i].want);
	}
	app_json_get_failure("x", 1, out, 1);
	assert_string_equal(out, "");
}

/* As deep as is read, and one deeper. */
static void
test_depth(void **state)
{
	char body[256];
	struct app_addr a;
	size_t depth, n, i;

	(void)state;
	for (depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		n = 0;
		memcpy(body, "{\"x\":", 5);
		n += 5;
		for (i = 0; i < depth; i++)
			body[n++] = '[';
		for (i = 0; i < depth; i++)
			body[n++] = ']';
		body[n++] = '}';
		assert_int_equal(app_json_get_addr(body, n, &a),
		    depth == JSON_DEPTH_MAX ? APP_JSON_OK : APP_JSON_SYNTAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_text),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_payload_max),
		cmocka_unit_test(test_put_str),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
