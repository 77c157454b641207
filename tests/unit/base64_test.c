/* SPDX-License-Identifier: ISC */
/*
 * base64: the vectors of RFC 4648, every length there and back, in place as
 * well, and every way of not being base64.
 */
#include "appd/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vec.h"

#define LEN_MAX 200

static const struct {
	const char *bytes, *text;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "ping", "cGluZw==" },
	{ "pong", "cG9uZw==" },
	{ "\xfb\xff\xbf\xff\xfe", "+/+///4=" },
};

static void
test_vectors(void **state)
{
	uint8_t bytes[32];
	char text[32];
	size_t i, n, len;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		n = strlen(vectors[i].bytes);
		len = base64_encode(text, (const uint8_t *)vectors[i].bytes, n);
		assert_int_equal(len, strlen(vectors[i].text));
		assert_memory_equal(text, vectors[i].text, len);
		assert_int_equal(base64_decode(bytes, &n, text, len), 0);
		assert_int_equal(n, strlen(vectors[i].bytes));
		assert_memory_equal(bytes, vectors[i].bytes, n);
	}
}

/* Each buffer ends at a page that cannot be touched. */
static void
test_every_length(void **state)
{
	uint8_t bytes[LEN_MAX];
	struct flush in, text, out;
	size_t len, n, chars, i;

	(void)state;
	for (len = 0; len < LEN_MAX; len++) {
		for (i = 0; i < len; i++)
			bytes[i] = (uint8_t)(i * 151 + len * 7);
		chars = BASE64_TEXT_LEN(len);
		flush_copy(&in, bytes, len);
		flush_copy(&text, NULL, 0);
		text.at -= chars;
		assert_int_equal(base64_encode((char *)text.at, in.at, len),
		    chars);
		flush_copy(&out, NULL, 0);
		assert_int_equal(base64_bytes(text.at, chars), len);
		out.at -= len;
		assert_int_equal(base64_decode(out.at, &n, text.at, chars), 0);
		assert_int_equal(n, len);
		assert_memory_equal(out.at, bytes, len);
		/* In place. */
		assert_int_equal(base64_decode(text.at, &n, text.at, chars), 0);
		assert_int_equal(n, len);
		assert_memory_equal(text.at, bytes, len);
		flush_free(&in);
		flush_free(&text);
		flush_free(&out);
	}
}

/* Every character at every place: all but the 64 are refused. */
static void
test_every_character(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char good[] = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk";
	char text[sizeof(good)];
	uint8_t out[sizeof(good)];
	size_t at, n;
	unsigned c;
	bool ours;

	(void)state;
	for (at = 0; at < sizeof(good) - 1; at++) {
		for (c = 0; c < 256; c++) {
			memcpy(text, good, sizeof(good));
			text[at] = (char)c;
			ours = c != 0 && strchr(alphabet, (char)c) != NULL;
			/* Three bits of "d" are in the way of padding. */
			assert_int_equal(
			    base64_decode(out, &n, text, sizeof(good) - 1),
			    ours ? 0 : -1);
		}
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "=", "Zg=", "Zg", "Z",
		"Zg===", "====", "Z===", "Zg=v", "=m9v", "Z=9v",
		"Zh==", "Zm9=", "Zm8=Zm8=", "Zg==Zm9v", "Zm9v\n", "Zm9\nv",
		"Zm 9", "Zm-_", "Zm9vYmFyZm9vYmFy=m9vYmFy", "\"\"\"\"" };
	uint8_t out[32];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n = 7;
		assert_int_equal(base64_decode(out, &n, bad[i], strlen(bad[i])),
		    -1);
		assert_int_equal(n, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
