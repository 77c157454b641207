/* SPDX-License-Identifier: ISC */
/*
 * Records out of requests, as promised in recform.h.
 */
#include "apid/recform.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"

/* What of a wanted record the request said in words. */
enum {
	SAID_SUBJECT = 1,
	SAID_NAME = 2,
	SAID_FLAGS = 4,
	SAID_W = 8,
	SAID_PAYLOAD = 16,
	SAID_AUTHOR = 32
};

static int fail(struct recform *f, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
fail(struct recform *f, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
	return code;
}

/* --- values --- */

int
hex_upto(const json_t *v, uint8_t *out, size_t cap)
{
	const char *s = json_string_value(v), *end;
	size_t n = json_string_length(v), len;

	if (s == NULL || n % 2 != 0 || n / 2 > cap)
		return -1;
	if (n == 0)
		return 0;
	if (sodium_hex2bin(out, cap, s, n, NULL, &len, &end) != 0 ||
	    end != s + n)
		return -1;
	return (int)len;
}

bool
hex_exact(const json_t *v, uint8_t *out, size_t n)
{
	return json_string_length(v) == 2 * n && hex_upto(v, out, n) == (int)n;
}

bool
parse_u64(const json_t *v, uint64_t *out)
{
	const char *s;
	char *end;

	if (json_is_integer(v)) {
		*out = (uint64_t)json_integer_value(v);
		return json_integer_value(v) > 0;
	}
	s = json_string_value(v);
	if (s == NULL || json_string_length(v) > 20 || *s < '1' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return end == s + json_string_length(v) && errno == 0;
}

static const char *const temperatures[] = { "FROZEN", "COLD", "COOL", "WARM",
	"HOT", "VIRAL" };

int
temperature_parse(const char *word)
{
	int i;

	for (i = 0; i < 6; i++)
		if (strcmp(temperatures[i], word) == 0)
			return i * 1000;
	return -1;
}

const char *
temperature_word(int64_t milli)
{
	int64_t i = (milli + 500) / 1000;

	return temperatures[i < 0 ? 0 : i > 5 ? 5 : i];
}

/* --- records --- */

/*
 * Every node's rules but no network's: what breaks these breaks the rules of
 * any charter.  Kinds it does not name are the store's to judge.
 */
static const struct charter *
any_charter(void)
{
	static const uint8_t kinds[] = { 1, 2, 16, 17, 18, 19, 20, 32 };
	static struct charter ch;
	size_t i;

	for (i = 0; ch.n_kinds < sizeof(kinds); i++)
		ch.kinds[ch.n_kinds++] =
		    (struct charter_kind){ .kind = kinds[i],
			    .pmax = CHARTER_PMAX_MAX,
			    .ttl_s = CHARTER_TTL_MAX_S,
			    .w_min = INT32_MIN,
			    .w_max = INT32_MAX };
	return &ch;
}

bool
recform_decode(struct rec *rec, const void *raw, size_t len)
{
	return rec_decode(rec, any_charter(), raw, len) != REC_MALFORMED;
}

/* Raw is set: decode it, hold it to what the words said. */
static int
settle(struct recform *f, const uint8_t netid[32])
{
	switch (rec_decode(&f->rec, any_charter(), f->raw, f->len)) {
	case REC_MALFORMED:
		return fail(f, CALL_MALFORMED, "the record is not canonical");
	case REC_RULE:
		return fail(f, CALL_RULE,
		    "the record breaks the rules of its kind");
	default:
		break;
	}
	rec_key(f->key, &f->rec, netid);
	rec_rid(f->rid, f->rec.body, f->rec.body_len);
	return 0;
}

/*
 * A record's first two bytes, an array of two and a bin of more than 128
 * bytes, tell its hex from its base64.
 */
static bool
decode_bytes(struct recform *f, const json_t *v)
{
	const char *s = json_string_value(v), *end;
	size_t n = json_string_length(v);
	int len;

	if (s != NULL && s[0] == '9') {
		len = hex_upto(v, f->raw, sizeof(f->raw));
		f->len = len > 0 ? (size_t)len : 0;
		return len > 0;
	}
	return s != NULL && n > 0 &&
	    sodium_base642bin(f->raw, sizeof(f->raw), s, n, NULL, &f->len, &end,
		sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    end == s + n;
}

static bool
same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static int
differs(const struct recform *f, const struct rec *want, unsigned said,
    const char **what)
{
	const struct rec *r = &f->rec;
	const struct {
		bool good;
		const char *what;
	} all[] = {
		{ want->kind == 0 || r->kind == want->kind, "kind" },
		{ (said & SAID_SUBJECT) == 0 ||
			same_bytes(r->subject, r->subject_len, want->subject,
			    want->subject_len),
		    "subject" },
		{ (said & SAID_NAME) == 0 ||
			same_bytes(r->name, r->name_len, want->name,
			    want->name_len),
		    "name" },
		{ (said & SAID_FLAGS) == 0 || r->flags == want->flags,
		    "tombstone" },
		{ (said & SAID_W) == 0 || r->w == want->w, "weight" },
		{ (said & SAID_PAYLOAD) == 0 ||
			same_bytes(r->payload, r->payload_len, want->payload,
			    want->payload_len),
		    "payload" },
		{ (said & SAID_AUTHOR) == 0 ||
			memcmp(r->author, want->author, 32) == 0,
		    "author" },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].good) {
			*what = all[i].what;
			return 1;
		}
	}
	return 0;
}

static int
take_record(struct recform *f, const json_t *o, const json_t *record,
    const struct rec *want, unsigned said, const uint8_t netid[32])
{
	const char *what;
	int code;

	if (json_object_get(o, "hlc") != NULL ||
	    json_object_get(o, "sig") != NULL)
		return fail(f, CALL_BAD_PARAMS,
		    "either record, or author, hlc and sig");
	if (!decode_bytes(f, record))
		return fail(f, CALL_MALFORMED,
		    "record must be hex or base64 of at most %d bytes",
		    REC_MAX);
	if ((code = settle(f, netid)) != 0)
		return code;
	if (differs(f, want, said, &what))
		return fail(f, CALL_BAD_PARAMS,
		    "the record has another %s than the request", what);
	return 0;
}

static int
build(struct recform *f, const json_t *o, struct rec *want, unsigned said,
    const uint8_t netid[32])
{
	const json_t *author = json_object_get(o, "author");
	const json_t *hlc = json_object_get(o, "hlc");
	const json_t *sig = json_object_get(o, "sig");
	static uint8_t body[REC_MAX];
	uint8_t key[32], sig_bytes[64];
	struct wr w;

	if (author == NULL && (said & SAID_AUTHOR) == 0)
		return fail(f, CALL_BAD_SIG,
		    "not signed: record, or author, hlc and sig are required");
	if (hlc == NULL || sig == NULL)
		return fail(f, CALL_BAD_SIG,
		    "not signed: record, or author, hlc and sig are required");
	if (author != NULL && !hex_exact(author, key, 32))
		return fail(f, CALL_BAD_PARAMS, "author must be 64 hex digits");
	if (author != NULL && (said & SAID_AUTHOR) != 0 &&
	    memcmp(key, want->author, 32) != 0)
		return fail(f, CALL_BAD_PARAMS,
		    "the author is another than the request names");
	if (author != NULL)
		memcpy(want->author, key, 32);
	if (!parse_u64(hlc, &want->hlc))
		return fail(f, CALL_BAD_PARAMS,
		    "hlc must be a decimal number above 0");
	if (!hex_exact(sig, sig_bytes, 64))
		return fail(f, CALL_BAD_PARAMS, "sig must be 128 hex digits");
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, want);
	if (w.bad || w.len > REC_BODY_MAX)
		return fail(f, CALL_RULE, "the record would be too long");
	f->len = w.len;
	wr_init(&w, f->raw, sizeof(f->raw));
	rec_encode(&w, body, f->len, sig_bytes);
	f->len = w.len;
	return settle(f, netid);
}

/* The record itself, or what want says with author, hlc and sig. */
static int
take(struct recform *f, const json_t *o, struct rec *want, unsigned said,
    const uint8_t netid[32])
{
	const json_t *record = json_object_get(o, "record");
	const json_t *if_rid = json_object_get(o, "ifRid");

	f->has_if = if_rid != NULL && !json_is_null(if_rid);
	if (f->has_if && !hex_exact(if_rid, f->if_rid, 32))
		return fail(f, CALL_BAD_PARAMS, "ifRid must be 64 hex digits");
	if (record != NULL && !json_is_null(record))
		return take_record(f, o, record, want, said, netid);
	return build(f, o, want, said, netid);
}

/* --- words --- */

/* "tombstone": true takes back what was said; nothing else may be said. */
static int
say_tombstone(struct recform *f, const json_t *o, struct rec *want,
    unsigned *said)
{
	const json_t *v = json_object_get(o, "tombstone");

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return fail(f, CALL_BAD_PARAMS, "tombstone must be a boolean");
	want->flags = json_is_true(v) ? REC_TOMBSTONE : 0;
	*said |= SAID_FLAGS;
	return 0;
}

/* blockId, when required or given. */
static int
say_block(struct recform *f, const json_t *o, struct rec *want, unsigned *said)
{
	const json_t *v = json_object_get(o, "blockId");

	if (v == NULL && json_object_get(o, "record") != NULL)
		return 0;
	if (!hex_exact(v, want->subject, 32))
		return fail(f, CALL_BAD_PARAMS,
		    "blockId must be 64 hex digits");
	want->subject_len = 32;
	*said |= SAID_SUBJECT;
	return 0;
}

/* A payload that is text in the request. */
static int
say_text(struct recform *f, const json_t *o, const char *key, struct rec *want,
    unsigned *said)
{
	const json_t *v = json_object_get(o, key);

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_string(v) || json_string_length(v) > REC_BODY_MAX)
		return fail(f, CALL_BAD_PARAMS, "%s must be a short string",
		    key);
	want->payload = (const uint8_t *)json_string_value(v);
	want->payload_len = json_string_length(v);
	*said |= SAID_PAYLOAD;
	return 0;
}

/* A payload in hex, into room. */
static int
say_payload(struct recform *f, const json_t *o, struct rec *want,
    unsigned *said, uint8_t room[REC_BODY_MAX])
{
	const json_t *v = json_object_get(o, "payload");
	int n;

	if (v == NULL || json_is_null(v))
		return 0;
	if ((n = hex_upto(v, room, REC_BODY_MAX)) == -1)
		return fail(f, CALL_BAD_PARAMS,
		    "payload must be hex of at most %d bytes", REC_BODY_MAX);
	want->payload = room;
	want->payload_len = (size_t)n;
	*said |= SAID_PAYLOAD;
	return 0;
}

/* An integer of 32 bits. */
static int
say_w(struct recform *f, const json_t *o, const char *key, struct rec *want,
    unsigned *said)
{
	const json_t *v = json_object_get(o, key);
	json_int_t w = json_integer_value(v);

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || w < INT32_MIN || w > INT32_MAX)
		return fail(f, CALL_BAD_PARAMS, "%s must be an integer", key);
	want->w = (int32_t)w;
	*said |= SAID_W;
	return 0;
}

/* Missing in the request, and no record that would say it. */
static bool
lacks(const json_t *o, const struct rec *want, unsigned said, unsigned bit)
{
	return (said & bit) == 0 && (want->flags & REC_TOMBSTONE) == 0 &&
	    json_object_get(o, "record") == NULL;
}

/* A field in hex of one of two places. */
static int
say_field(struct recform *f, const json_t *o, const char *key, size_t min,
    uint8_t out[64], uint8_t *len, unsigned bit, unsigned *said)
{
	const json_t *v = json_object_get(o, key);
	int n;

	if (v == NULL || json_is_null(v))
		return 0;
	n = hex_upto(v, out, 64);
	if (n < (int)min)
		return fail(f, CALL_BAD_PARAMS,
		    "%s must be hex of %zu to 64 bytes", key, min);
	*len = (uint8_t)n;
	*said |= bit;
	return 0;
}

int
recform_any(struct recform *f, const json_t *o, const uint8_t netid[32])
{
	static uint8_t room[REC_BODY_MAX];
	const json_t *kind = json_object_get(o, "kind");
	struct rec want = { .kind = 0 };
	unsigned said = 0;
	int code;

	if (!json_is_object(o))
		return fail(f, CALL_BAD_PARAMS, "not an object");
	if (kind != NULL && !json_is_null(kind)) {
		if (!json_is_integer(kind) || json_integer_value(kind) < 1 ||
		    json_integer_value(kind) > 255)
			return fail(f, CALL_BAD_PARAMS, "kind must be 1..255");
		want.kind = (uint8_t)json_integer_value(kind);
	}
	if ((code = say_field(f, o, "subject", 1, want.subject,
		 &want.subject_len, SAID_SUBJECT, &said)) != 0 ||
	    (code = say_field(f, o, "name", 0, want.name, &want.name_len,
		 SAID_NAME, &said)) != 0 ||
	    (code = say_tombstone(f, o, &want, &said)) != 0 ||
	    (code = say_w(f, o, "w", &want, &said)) != 0 ||
	    (code = say_payload(f, o, &want, &said, room)) != 0)
		return code;
	if (json_object_get(o, "record") == NULL &&
	    (want.kind == 0 || want.subject_len == 0))
		return fail(f, CALL_BAD_PARAMS,
		    "record, or kind and subject are required");
	return take(f, o, &want, said, netid);
}

int
recform_item(struct recform *f, const json_t *v, const uint8_t netid[32])
{
	static const struct rec anything;

	if (json_is_string(v))
		return take_record(f, NULL, v, &anything, 0, netid);
	if (json_object_get(v, "ifRid") != NULL)
		return fail(f, CALL_BAD_PARAMS,
		    "ifRid is for single writes only");
	return recform_any(f, v, netid);
}

int
recform_temperature(struct recform *f, const json_t *o, const uint8_t netid[32])
{
	const json_t *word = json_object_get(o, "temperature");
	struct rec want = { .kind = REC_TEMPERATURE };
	unsigned said = 0;
	int code;

	if ((code = say_block(f, o, &want, &said)) != 0 ||
	    (code = say_tombstone(f, o, &want, &said)) != 0 ||
	    (code = say_text(f, o, "reason", &want, &said)) != 0)
		return code;
	if (word != NULL && !json_is_null(word)) {
		want.w = json_is_string(word)
		    ? temperature_parse(json_string_value(word))
		    : -1;
		said |= SAID_W;
	}
	if (want.w < 0 || lacks(o, &want, said, SAID_W))
		return fail(f, CALL_BAD_PARAMS,
		    "temperature must be FROZEN, COLD, COOL, WARM, HOT or "
		    "VIRAL");
	return take(f, o, &want, said, netid);
}

int
recform_location(struct recform *f, const json_t *o, const uint8_t netid[32])
{
	const json_t *node = json_object_get(o, "nodeId");
	const json_t *action = json_object_get(o, "action");
	struct rec want = { .kind = REC_LOCATION };
	unsigned said = 0;
	int code;

	if ((code = say_block(f, o, &want, &said)) != 0 ||
	    (code = say_text(f, o, "region", &want, &said)) != 0)
		return code;
	if (node != NULL && !json_is_null(node)) {
		if (!hex_exact(node, want.author, 32))
			return fail(f, CALL_BAD_PARAMS,
			    "nodeId must be 64 hex digits");
		said |= SAID_AUTHOR;
	}
	if (action != NULL && !json_is_null(action)) {
		if (!json_is_string(action) ||
		    (strcmp(json_string_value(action), "add") != 0 &&
			strcmp(json_string_value(action), "remove") != 0))
			return fail(f, CALL_BAD_PARAMS,
			    "action must be add or remove");
		if (json_string_value(action)[0] == 'r')
			want.flags = REC_TOMBSTONE;
		said |= SAID_FLAGS;
	}
	return take(f, o, &want, said, netid);
}

/* Nothing whose text could be written in two ways. */
static bool
is_canonical(const json_t *v)
{
	json_t *o = (json_t *)(uintptr_t)v, *item;
	const char *key;
	size_t i;

	if (json_is_real(v))
		return false;
	for (i = 0; i < json_array_size(v); i++)
		if (!is_canonical(json_array_get(v, i)))
			return false;
	json_object_foreach(o, key, item)
	{
		if (!is_canonical(item))
			return false;
	}
	return true;
}

/* The JSON text of value, as its author must have signed it. */
static int
say_value(struct recform *f, const json_t *o, struct rec *want, unsigned *said,
    uint8_t room[REC_BODY_MAX])
{
	const json_t *v = json_object_get(o, "value");
	size_t n;

	if (v == NULL || (*said & SAID_PAYLOAD) != 0)
		return 0;
	if (!is_canonical(v))
		return fail(f, CALL_BAD_PARAMS,
		    "value must hold no fractions: give them as text");
	n = json_dumpb(v, (char *)room, REC_BODY_MAX,
	    JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (n == 0 || n > REC_BODY_MAX)
		return fail(f, CALL_RULE, "value is too long");
	want->payload = room;
	want->payload_len = n;
	*said |= SAID_PAYLOAD;
	return 0;
}

int
recform_meta(struct recform *f, const json_t *o, const uint8_t netid[32])
{
	static uint8_t room[REC_BODY_MAX];
	const json_t *key = json_object_get(o, "key");
	struct rec want = { .kind = REC_META };
	unsigned said = 0;
	int code;

	if ((code = say_block(f, o, &want, &said)) != 0 ||
	    (code = say_tombstone(f, o, &want, &said)) != 0 ||
	    (code = say_payload(f, o, &want, &said, room)) != 0 ||
	    (code = say_value(f, o, &want, &said, room)) != 0)
		return code;
	if (key != NULL && !json_is_null(key)) {
		if (!json_is_string(key) ||
		    json_string_length(key) > REC_NAME_MAX)
			return fail(f, CALL_BAD_PARAMS,
			    "key must be a string of at most 64 bytes");
		want.name_len = (uint8_t)json_string_length(key);
		memcpy(want.name, json_string_value(key), want.name_len);
		said |= SAID_NAME;
	}
	if ((said & SAID_NAME) == 0 && json_object_get(o, "record") == NULL)
		return fail(f, CALL_BAD_PARAMS, "key is missing");
	if (lacks(o, &want, said, SAID_PAYLOAD))
		return fail(f, CALL_BAD_PARAMS, "value is missing");
	return take(f, o, &want, said, netid);
}

int
recform_rating(struct recform *f, const json_t *o, const uint8_t netid[32])
{
	struct rec want = { .kind = REC_RATING };
	unsigned said = 0;
	int code;

	if ((code = say_field(f, o, "target", 1, want.subject,
		 &want.subject_len, SAID_SUBJECT, &said)) != 0 ||
	    (code = say_tombstone(f, o, &want, &said)) != 0 ||
	    (code = say_w(f, o, "rating", &want, &said)) != 0 ||
	    (code = say_text(f, o, "comment", &want, &said)) != 0)
		return code;
	if ((said & SAID_SUBJECT) == 0 && json_object_get(o, "record") == NULL)
		return fail(f, CALL_BAD_PARAMS, "target is missing");
	if (want.w < -100 || want.w > 100 || lacks(o, &want, said, SAID_W))
		return fail(f, CALL_BAD_PARAMS, "rating must be -100..100");
	return take(f, o, &want, said, netid);
}

int
recform_block(struct recform *f, const json_t *o, const uint8_t netid[32],
    const uint8_t id[32], uint32_t size)
{
	static uint8_t room[REC_BODY_MAX];
	struct rec want = { .kind = REC_BLOCK,
		.subject_len = 32,
		.w = (int32_t)size };
	unsigned said = SAID_SUBJECT | SAID_W | SAID_FLAGS;
	int code;

	memcpy(want.subject, id, 32);
	if ((code = say_payload(f, o, &want, &said, room)) != 0)
		return code;
	return take(f, o, &want, said, netid);
}

int
recform_node(struct recform *f, const json_t *o, const uint8_t netid[32],
    bool gone)
{
	static uint8_t room[REC_BODY_MAX];
	const json_t *node = json_object_get(o, "nodeId");
	struct rec want = { .kind = REC_NODE,
		.flags = gone ? REC_TOMBSTONE : 0,
		.subject_len = 32 };
	unsigned said = SAID_FLAGS;
	int code;

	if (!gone && (code = say_payload(f, o, &want, &said, room)) != 0)
		return code;
	if (node == NULL || json_is_null(node))
		node = json_object_get(o, "author");
	if (node != NULL && !json_is_null(node)) {
		if (!hex_exact(node, want.author, 32))
			return fail(f, CALL_BAD_PARAMS,
			    "nodeId must be 64 hex digits");
		memcpy(want.subject, want.author, 32);
		said |= SAID_AUTHOR | SAID_SUBJECT;
	}
	return take(f, o, &want, said, netid);
}
