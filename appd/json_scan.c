/* SPDX-License-Identifier: ISC */
/*
 * The JSON reader, as promised in json_scan.h.  Grammar of RFC 8259.
 */
#include "appd/json_scan.h"

#include <string.h>

#define KEY_MAX    32 /* bytes of a name that json_key_is() may be asked for */
#define NOT_UTF8   0xfffd
#define CODE_BYTES 4 /* a code point in UTF-8, at most */

void
json_init(struct json *j, const void *text, size_t len)
{
	j->p = text;
	j->left = len;
	j->bad = false;
}

static void
step(struct json *j, size_t n)
{
	j->p += n;
	j->left -= n;
}

static void
skip_space(struct json *j)
{
	while (j->left > 0 &&
	    (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
		step(j, 1);
}

/* The next character that is not space, or NUL at the end. */
static char
next_char(struct json *j)
{
	if (j->bad)
		return '\0';
	skip_space(j);
	return j->left > 0 ? *j->p : '\0';
}

static void
expect(struct json *j, char c)
{
	if (c == '\0' || next_char(j) != c)
		j->bad = true;
	else
		step(j, 1);
}

enum json_kind
json_peek(struct json *j)
{
	switch (next_char(j)) {
	case 'n':
		return JSON_NULL;
	case 't':
	case 'f':
		return JSON_BOOL;
	case '"':
		return JSON_STRING;
	case '[':
		return JSON_ARRAY;
	case '{':
		return JSON_OBJECT;
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return JSON_NUMBER;
	default:
		return JSON_BAD;
	}
}

/* --- strings --- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The four digits of \uXXXX, or -1. */
static int
hex4(const char *p, size_t left)
{
	int v = 0, d, i;

	if (left < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		d = hex_digit(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* Characters of the escape at p, backslash included; 0: there is no such. */
static size_t
escape_len(const char *p, size_t left)
{
	if (left < 2)
		return 0;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return 2;
	case 'u':
		return hex4(p + 2, left - 2) < 0 ? 0 : 6;
	default:
		return 0;
	}
}

void
json_get_str(struct json *j, struct json_str *s)
{
	size_t n;

	s->p = j->p;
	s->len = 0;
	s->escaped = false;
	expect(j, '"');
	if (j->bad)
		return;
	s->p = j->p;
	while (j->left > 0 && *j->p != '"') {
		n = 1;
		if ((unsigned char)*j->p < ' ')
			break;
		if (*j->p == '\\') {
			s->escaped = true;
			n = escape_len(j->p, j->left);
			if (n == 0)
				break;
		}
		step(j, n);
	}
	s->len = (size_t)(j->p - s->p);
	if (j->left == 0 || *j->p != '"') {
		j->bad = true;
		return;
	}
	step(j, 1);
}

/* Write code point c as UTF-8; returns its bytes. */
static size_t
put_code(uint8_t out[CODE_BYTES], uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* \uXXXX, and a second one where it is half of a pair; checked before. */
static size_t
unicode_escape(const char *p, size_t left, uint32_t *code)
{
	int hi = hex4(p + 2, left - 2), lo;

	*code = (uint32_t)hi;
	if (hi < 0xd800 || hi > 0xdfff)
		return 6;
	*code = NOT_UTF8;
	if (hi > 0xdbff || left < 12 || p[6] != '\\' || p[7] != 'u')
		return 6;
	lo = hex4(p + 8, left - 8);
	if (lo < 0xdc00 || lo > 0xdfff)
		return 6;
	*code =
	    0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
	return 12;
}

/* The escape at p, checked before; returns its characters. */
static size_t
one_escape(const char *p, size_t left, uint32_t *code)
{
	static const char short_form[] = "b\bf\fn\nr\rt\t";
	const char *at;

	if (p[1] == 'u')
		return unicode_escape(p, left, code);
	*code = (uint8_t)p[1];
	for (at = short_form; *at != '\0'; at += 2) {
		if (at[0] == p[1])
			*code = (uint8_t)at[1];
	}
	return 2;
}

size_t
json_unescape(const struct json_str *s, void *out, size_t cap)
{
	uint8_t code_text[CODE_BYTES], *dst = out;
	const char *p = s->p;
	size_t left = s->len, len = 0, n, used;
	uint32_t code;

	while (left > 0) {
		if (*p == '\\') {
			used = one_escape(p, left, &code);
			n = put_code(code_text, code);
		} else {
			used = n = 1;
			code_text[0] = (uint8_t)*p;
		}
		if (n > cap - len)
			return SIZE_MAX;
		memcpy(dst + len, code_text, n);
		len += n;
		p += used;
		left -= used;
	}
	return len;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
json_key_is(const struct json_str *key, const char *name)
{
	size_t len = strlen(name), n = key->len, i;
	const char *p = key->p;
	char plain[KEY_MAX];

	if (n == len && memcmp(p, name, n) == 0)
		return true;
	if (key->escaped) {
		n = json_unescape(key, plain, sizeof(plain));
		p = plain;
	}
	if (n != len)
		return false;
	for (i = 0; i < n; i++) {
		if (lower(p[i]) != lower(name[i]))
			return false;
	}
	return true;
}

/* --- everything else --- */

static size_t
digits(struct json *j)
{
	size_t n = 0;

	while (j->left > 0 && *j->p >= '0' && *j->p <= '9') {
		step(j, 1);
		n++;
	}
	return n;
}

void
json_get_number(struct json *j, const char **p, size_t *len)
{
	bool zero;

	*p = j->p;
	*len = 0;
	if (json_peek(j) != JSON_NUMBER) {
		j->bad = true;
		return;
	}
	*p = j->p;
	if (*j->p == '-')
		step(j, 1);
	zero = j->left > 0 && *j->p == '0';
	if (digits(j) != 1 && (zero || j->p[-1] == '-'))
		j->bad = true;
	if (j->left > 0 && *j->p == '.') {
		step(j, 1);
		j->bad |= digits(j) == 0;
	}
	if (j->left > 0 && (*j->p == 'e' || *j->p == 'E')) {
		step(j, 1);
		if (j->left > 0 && (*j->p == '+' || *j->p == '-'))
			step(j, 1);
		j->bad |= digits(j) == 0;
	}
	*len = (size_t)(j->p - *p);
}

static void
word(struct json *j, const char *w)
{
	size_t n = strlen(w);

	if (j->left < n || memcmp(j->p, w, n) != 0)
		j->bad = true;
	else
		step(j, n);
}

/* Read over a value that holds no others. */
static void
skip_leaf(struct json *j)
{
	struct json_str s;
	const char *p;
	size_t n;

	switch (json_peek(j)) {
	case JSON_NULL:
		word(j, "null");
		break;
	case JSON_BOOL:
		word(j, *j->p == 't' ? "true" : "false");
		break;
	case JSON_NUMBER:
		json_get_number(j, &p, &n);
		break;
	case JSON_STRING:
		json_get_str(j, &s);
		break;
	default:
		j->bad = true;
		break;
	}
}

void
json_skip(struct json *j)
{
	size_t n[JSON_DEPTH_MAX], depth = 0;
	char bracket[JSON_DEPTH_MAX];
	struct json_str key;
	bool more;

	for (;;) {
		switch (json_peek(j)) {
		case JSON_ARRAY:
		case JSON_OBJECT:
			if (depth == JSON_DEPTH_MAX) {
				j->bad = true;
				return;
			}
			n[depth] = 0;
			bracket[depth++] = *j->p;
			step(j, 1);
			break;
		default:
			skip_leaf(j);
			break;
		}
		/* Leave what ends here, to the next value or the end. */
		for (more = false; depth > 0 && !more; depth -= !more) {
			more = bracket[depth - 1] == '{'
			    ? json_next_member(j, &n[depth - 1], &key)
			    : json_next_item(j, &n[depth - 1]);
			if (j->bad)
				return;
		}
		if (depth == 0)
			return;
	}
}

void
json_open(struct json *j, char bracket)
{
	expect(j, bracket);
}

/* Past the comma to the next of many, or past the bracket at their end. */
static bool
next_of(struct json *j, size_t *n, char end)
{
	if (j->bad)
		return false;
	if (next_char(j) == end) {
		step(j, 1);
		return false;
	}
	if (*n > 0)
		expect(j, ',');
	++*n;
	return !j->bad;
}

bool
json_next_member(struct json *j, size_t *n, struct json_str *key)
{
	if (!next_of(j, n, '}'))
		return false;
	json_get_str(j, key);
	expect(j, ':');
	return !j->bad;
}

bool
json_next_item(struct json *j, size_t *n)
{
	return next_of(j, n, ']');
}

bool
json_done(struct json *j)
{
	if (!j->bad)
		skip_space(j);
	return !j->bad && j->left == 0;
}

/* --- writing --- */

/* The code point at p and its bytes; NOT_UTF8 and 1 where there is none. */
static size_t
get_code(const char *p, size_t left, uint32_t *code)
{
	static const struct {
		uint8_t mask, lead;
		uint8_t more; /* bytes that follow */
		uint32_t min; /* less would have been shorter */
	} forms[] = {
		{ 0x80, 0x00, 0, 0 },
		{ 0xe0, 0xc0, 1, 0x80 },
		{ 0xf0, 0xe0, 2, 0x800 },
		{ 0xf8, 0xf0, 3, 0x10000 },
	};
	uint8_t c = (uint8_t)*p;
	size_t i, n;
	uint32_t v;

	*code = NOT_UTF8;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if ((c & forms[i].mask) == forms[i].lead)
			break;
	}
	if (i == sizeof(forms) / sizeof(forms[0]) || forms[i].more >= left)
		return 1;
	v = c & (uint8_t)~forms[i].mask;
	for (n = 1; n <= forms[i].more; n++) {
		c = (uint8_t)p[n];
		if ((c & 0xc0) != 0x80)
			return 1;
		v = v << 6 | (c & 0x3f);
	}
	if (v < forms[i].min || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 1;
	*code = v;
	return n;
}

/* Code point c as it stands in a string; returns the characters, up to 6. */
static size_t
put_escaped(char out[6], uint32_t c)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_form[] = "\"\"\\\\\nn\rr\tt";
	const char *at;

	for (at = short_form; *at != '\0'; at += 2) {
		if ((uint8_t)at[0] == c) {
			out[0] = '\\';
			out[1] = at[1];
			return 2;
		}
	}
	out[0] = '\\';
	out[1] = 'u';
	out[2] = hex[c >> 12 & 15];
	out[3] = hex[c >> 8 & 15];
	out[4] = hex[c >> 4 & 15];
	out[5] = hex[c & 15];
	return 6;
}

static bool
needs_escape(uint32_t c)
{
	return c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' ||
	    c == '&' || c == 0x2028 || c == 0x2029;
}

size_t
json_put_str(char *out, size_t cap, const char *text, size_t len)
{
	size_t at = 0, n, used;
	uint32_t code;
	char buf[6];

	if (cap < 2)
		return 0;
	out[at++] = '"';
	cap -= 1; /* room for the other quote is kept */
	for (; len > 0; text += used, len -= used) {
		used = get_code(text, len, &code);
		if (needs_escape(code) || (code == NOT_UTF8 && used == 1)) {
			n = put_escaped(buf, code);
		} else {
			n = used;
			memcpy(buf, text, n);
		}
		if (n > cap - at)
			return 0;
		memcpy(out + at, buf, n);
		at += n;
	}
	out[at++] = '"';
	return at;
}
