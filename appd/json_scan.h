/* SPDX-License-Identifier: ISC */
/*
 * A JSON reader that walks over text in place: no tree, no copy, no
 * recursion.  It goes down like the byte cursors of common/bytes.h: sticky on
 * failure, look at .bad once at the end.  A value that nobody wants is still
 * checked to the last character.  Pure; tested in tests/unit/app_json_test.c,
 * fuzzed in tests/fuzz/app_json_fuzz.c.
 */
#ifndef WARREN_JSON_SCAN_H
#define WARREN_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 32 /* of a value that is skipped */

enum json_kind {
	JSON_BAD, /* nothing there, or no value begins like this */
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	const char *p; /* next character */
	size_t left;   /* characters from p to the end */
	bool bad;      /* what came was not what was asked for */
};

/* A string between its quotes, as it stands in the text. */
struct json_str {
	const char *p;
	size_t len;
	bool escaped; /* there is a backslash in it: see json_unescape() */
};

void json_init(struct json *j, const void *text, size_t len);

/* What the next value is, going by its first character. */
enum json_kind json_peek(struct json *j);

/* Read a string.  Escapes are checked but stay as they are. */
void json_get_str(struct json *j, struct json_str *s);

/* Read any number; *p and *len are its characters. */
void json_get_number(struct json *j, const char **p, size_t *len);

/* Read over one value of any kind, at most JSON_DEPTH_MAX deep. */
void json_skip(struct json *j);

/*
 * Go through an object or an array:
 *
 *	n = 0;
 *	json_open(j, '{');
 *	while (json_next_member(j, &n, &key))
 *		... read exactly one value ...
 *
 * n counts what was begun.  False at the end and on failure.
 */
void json_open(struct json *j, char bracket);
bool json_next_member(struct json *j, size_t *n, struct json_str *key);
bool json_next_item(struct json *j, size_t *n);

/* True when nothing failed and only space is left. */
bool json_done(struct json *j);

/* Is key this name?  Letters of either case are the same, as in Go. */
bool json_key_is(const struct json_str *key, const char *name);

/*
 * Write s as UTF-8 to out, which may be where s is: it never grows.  A lone
 * surrogate becomes U+FFFD.  Returns the bytes written, without a NUL, or
 * SIZE_MAX when there are more than cap.
 */
size_t json_unescape(const struct json_str *s, void *out, size_t cap);

/*
 * Write the len bytes of text as a string with its quotes, escaped as Go's
 * encoder does: also < > &, U+2028, U+2029; what is not UTF-8 becomes U+FFFD.
 * Returns the characters written, or 0 when they do not fit.
 */
size_t json_put_str(char *out, size_t cap, const char *text, size_t len);

#endif
