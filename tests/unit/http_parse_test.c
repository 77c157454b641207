/* SPDX-License-Identifier: ISC */
/*
 * http_parse: requests whole, one byte at a time, cut at every length, and
 * the ones that must be refused.
 */
#include "apid/http_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct http_limits lim = { .header_max = 1024, .body_max = 64 };

static const struct {
	const char *name, *wire, *target, *body;
	enum http_verb verb;
	bool keep;
} good[] = {
	{ "get", "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "/a?b", "", VERB_GET,
	    true },
	{ "blank lines first", "\r\n\r\nHEAD / HTTP/1.1\r\nhost:x\r\n\r\n", "/",
	    "", VERB_HEAD, true },
	{ "1.0", "GET / HTTP/1.0\r\n\r\n", "/", "", VERB_GET, false },
	{ "1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/",
	    "", VERB_GET, true },
	{ "close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	    "/", "", VERB_GET, false },
	{ "body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3 \r\n\r\nabc",
	    "/", "abc", VERB_POST, true },
	{ "empty body",
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "/", "",
	    VERB_POST, true },
	{ "chunks",
	    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n00\r\nTrailer: 1\r\n\r\n",
	    "/", "abc0123456789", VERB_POST, true },
	{ "no chunk",
	    "POST / HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding:chunked\r\n\r\n0\r\n\r\n",
	    "/", "", VERB_POST, true },
	{ "other", "DELETE /x HTTP/1.1\r\nHost: x\r\n\r\n", "/x", "",
	    VERB_OTHER, true },
};

/* Feed wire in steps of step bytes to a buffer with nothing to spare. */
static enum http_step
feed(struct http_parse *p, const char *wire, size_t n, size_t step,
    uint8_t **out)
{
	enum http_step s = HTTP_MORE;
	size_t fed = 0, len = 0, part;
	uint8_t *buf = NULL, *bigger;

	http_parse_init(p);
	while (s == HTTP_MORE && fed < n) {
		part = n - fed < step ? n - fed : step;
		bigger =
		    malloc(len + part); /* it may move, says the contract */
		assert_non_null(bigger);
		if (len > 0)
			memcpy(bigger, buf, len);
		free(buf);
		buf = bigger;
		memcpy(buf + len, wire + fed, part);
		fed += part;
		len += part;
		s = http_parse_feed(p, &lim, buf, len);
		if (s == HTTP_MORE)
			len = http_parse_compact(p, buf, len);
	}
	*out = buf;
	return s;
}

static void
check_good(size_t i, size_t step)
{
	struct http_parse p;
	uint8_t *buf;

	if (feed(&p, good[i].wire, strlen(good[i].wire), step, &buf) !=
	    HTTP_WHOLE)
		fail_msg("%s: %s", good[i].name, p.why ? p.why : "more");
	assert_int_equal(p.verb, good[i].verb);
	assert_int_equal(p.keep_alive, good[i].keep);
	assert_int_equal(p.target.len, strlen(good[i].target));
	assert_memory_equal(buf + p.target.off, good[i].target, p.target.len);
	assert_int_equal(p.body_len, strlen(good[i].body));
	assert_memory_equal(buf + p.body_off, good[i].body, p.body_len);
	free(buf);
}

static void
test_good(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		check_good(i, 4096);
		check_good(i, 1);
		check_good(i, 7);
	}
}

static void
test_cut(void **state)
{
	struct http_parse p;
	uint8_t *buf;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (n = 0; n < strlen(good[i].wire); n++) {
			assert_int_equal(feed(&p, good[i].wire, n, 4096, &buf),
			    HTTP_MORE);
			free(buf);
		}
	}
}

static void
test_next(void **state)
{
	static const char wire[] = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
				   "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct http_parse p;
	uint8_t *buf;

	(void)state;
	assert_int_equal(feed(&p, wire, sizeof(wire) - 1, 4096, &buf),
	    HTTP_WHOLE);
	assert_int_equal(p.used, (sizeof(wire) - 1) / 2);
	free(buf);
}

#define H "Host: x\r\n"

static const struct {
	const char *name, *wire;
	uint16_t status;
} bad[] = {
	{ "garbage", "\x16\x03\x01", 400 },
	{ "verb", "BREW / HTTP/1.1\r\n" H "\r\n", 501 },
	{ "version", "GET / HTTP/3.0\r\n" H "\r\n", 505 },
	{ "host", "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "hosts", "GET / HTTP/1.1\r\n" H H "\r\n", 400 },
	{ "bare LF", "GET / HTTP/1.1\r\n" H "a: b\n\r\n", 400 },
	{ "fold", "GET / HTTP/1.1\r\n" H "a: b\r\n c\r\n\r\n", 400 },
	{ "fold of framing",
	    "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n",
	    400 },
	{ "space", "POST / HTTP/1.1\r\n" H "Content-Length : 3\r\n\r\nabc",
	    400 },
	{ "TE and CL",
	    "POST / HTTP/1.1\r\n" H
	    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	    400 },
	{ "two CL",
	    "POST / HTTP/1.1\r\n" H
	    "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
	    400 },
	{ "signed CL", "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n",
	    400 },
	{ "long CL", "POST / HTTP/1.1\r\n" H "Content-Length: 65\r\n\r\n",
	    413 },
	{ "no CL", "POST / HTTP/1.1\r\n" H "\r\n", 411 },
	{ "coding", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: br\r\n\r\n",
	    501 },
	{ "long chunk",
	    "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n41\r\n",
	    413 },
	{ "chunk size",
	    "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
	    400 },
	{ "chunk size overflow",
	    "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	    "100000001\r\n",
	    400 },
	{ "trailer fold",
	    "POST / HTTP/1.1\r\n" H
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n x\r\n\r\n",
	    400 },
	{ "expect", "GET / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", 417 },
};

static void
test_bad(void **state)
{
	static const size_t steps[] = { 1, 5, 4096 };
	struct http_parse p;
	uint8_t *buf;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (k = 0; k < 3; k++) {
			enum http_step s = feed(&p, bad[i].wire,
			    strlen(bad[i].wire), steps[k], &buf);

			if (s != HTTP_BAD || p.status != bad[i].status)
				fail_msg("%s: %d %u", bad[i].name, (int)s,
				    p.status);
			free(buf);
		}
	}
}

static void
test_long(void **state)
{
	char wire[4096];
	struct http_parse p;
	uint8_t *buf;

	(void)state;
	memset(wire, 'a', sizeof(wire));
	memcpy(wire, "GET /", 5);
	assert_int_equal(feed(&p, wire, sizeof(wire), 100, &buf), HTTP_BAD);
	assert_int_equal(p.status, 414);
	free(buf);
	memcpy(wire, "GET / HTTP/1.1\r\nA: ", 19);
	assert_int_equal(feed(&p, wire, sizeof(wire), 100, &buf), HTTP_BAD);
	assert_int_equal(p.status, 431);
	free(buf);
}

static void
test_continue(void **state)
{
	static const char wire[] =
	    "POST / HTTP/1.1\r\n" H "Content-Length: 2\r\n"
	    "Expect: 100-continue\r\n\r\n";
	struct http_parse p;
	uint8_t *buf;

	(void)state;
	assert_int_equal(feed(&p, wire, sizeof(wire) - 1, 4096, &buf),
	    HTTP_MORE);
	assert_int_equal(http_parse_wants(&p, sizeof(wire) - 1), 2);
	assert_true(http_parse_wants_continue(&p, sizeof(wire) - 1));
	assert_false(http_parse_wants_continue(&p, sizeof(wire) - 1));
	free(buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_continue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
