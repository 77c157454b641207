/* SPDX-License-Identifier: ISC */
/*
 * Arguments about records and the drawing of them, as promised in record.h.
 */
#include "cmd/warrenctl/record.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/hlc.h"
#include "common/json_obj.h"
#include "common/view_json.h"

static const struct {
	uint8_t kind;
	const char *name;
} kinds[] = {
	{ REC_MEMBER, "member" },
	{ REC_NODE, "node" },
	{ REC_BLOCK, "block" },
	{ REC_LOCATION, "location" },
	{ REC_TEMPERATURE, "temperature" },
	{ REC_META, "meta" },
	{ REC_RATING, "rating" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *
kind_name(uint8_t kind)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "";
}

uint8_t
kind_parse(const char *text)
{
	const char *err;
	long long v;
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, text) == 0)
			return kinds[i].kind;
	v = strtonum(text, 1, UINT8_MAX, &err);
	if (err != NULL)
		die(EX_USAGE,
		    "kind %s: want 1..255, member, node, block, "
		    "location, temperature, meta or rating",
		    text);
	return (uint8_t)v;
}

static bool
is_hex(const char *text, size_t n)
{
	return n > 0 && n % 2 == 0 &&
	    strspn(text, "0123456789abcdefABCDEF") == n;
}

size_t
bytes_parse(const char *what, const char *text, uint8_t *out, size_t cap)
{
	size_t n = strlen(text), len;

	if (is_hex(text, n)) {
		if (n / 2 > cap)
			die(EX_USAGE, "%s: at most %zu bytes", what, cap);
		(void)sodium_hex2bin(out, cap, text, n, NULL, &len, NULL);
		return len;
	}
	if (strncmp(text, "text:", 5) == 0) {
		text += 5;
		n -= 5;
	}
	if (n > cap)
		die(EX_USAGE, "%s: at most %zu bytes", what, cap);
	memcpy(out, text, n);
	return n;
}

void
hex_parse(const char *what, const char *text, uint8_t *out, size_t len)
{
	size_t n = strlen(text);

	if (n != 2 * len || !is_hex(text, n))
		die(EX_USAGE, "%s %s: want %zu hex digits", what, text,
		    2 * len);
	(void)sodium_hex2bin(out, len, text, n, NULL, NULL, NULL);
}

void
prefix_of(struct prefix *p, const uint8_t netid[32], uint8_t kind,
    const uint8_t *subject, size_t len)
{
	struct rec rec = { .kind = kind, .subject_len = (uint8_t)len };

	memset(p->at, 0, sizeof(p->at));
	p->at[0] = kind;
	p->bits = 8;
	if (len == 0)
		return;
	memcpy(rec.subject, subject, len);
	rec_key(p->at, &rec, netid);
	p->bits = 128;
	tree_mask(p->at, p->at, p->bits);
}

/* --- drawing --- */

const char *
hlc_str(uint64_t hlc, char buf[32])
{
	return view_time_str((uint64_t)hlc_wall(hlc).ms, buf);
}

/*
 * The envelope, whatever a charter may say of it: what a node stores has
 * passed its rules.
 */
static bool
envelope(struct rec *rec, const uint8_t *raw, size_t len)
{
	static struct charter any;

	if (any.n_kinds == 0 &&
	    charter_decode(&any, charter_default, charter_default_len) !=
		CHARTER_OK)
		return false;
	return rec_decode(rec, &any, raw, len) != REC_MALFORMED;
}

json_t *
record_json(const uint8_t *raw, size_t len, const uint8_t key[32],
    const uint8_t rid[32], int settled)
{
	struct jo o = jo_new();
	struct rec rec;
	char hlc[24];

	jo_put(&o, "key", jv_hex(key, 32));
	jo_put(&o, "rid", jv_hex(rid, 32));
	jo_put(&o, "settled", jv_tri(settled));
	if (!envelope(&rec, raw, len)) {
		jo_put(&o, "record", json_null());
		return jo_end(&o);
	}
	(void)snprintf(hlc, sizeof(hlc), "%llu", (unsigned long long)rec.hlc);
	jo_put(&o, "kind", jv_number(rec.kind));
	jo_put(&o, "subject", jv_hex(rec.subject, rec.subject_len));
	jo_put(&o, "name", jv_hex(rec.name, rec.name_len));
	jo_put(&o, "author", jv_hex(rec.author, 32));
	jo_put(&o, "hlc", json_string(hlc));
	jo_put(&o, "time", jv_time((uint64_t)hlc_wall(rec.hlc).ms));
	jo_put(&o, "tombstone", json_boolean((rec.flags & REC_TOMBSTONE) != 0));
	jo_put(&o, "w", json_integer(rec.w));
	jo_put(&o, "payload", jv_hex(rec.payload, rec.payload_len));
	jo_put(&o, "sig", jv_hex(rec.sig, 64));
	jo_put(&o, "record", jv_hex(raw, len));
	return jo_end(&o);
}

/* Text as it is when all of it can be printed, else hex. */
static void
print_bytes(const char *label, const uint8_t *p, size_t len)
{
	bool text = len > 0;
	size_t i;

	for (i = 0; i < len && text; i++)
		text = p[i] >= 0x20 && p[i] < 0x7f;
	(void)printf("%-9s ", label);
	if (text)
		(void)printf("\"%.*s\"", (int)len, (const char *)p);
	for (i = 0; i < len && !text; i++)
		(void)printf("%02x", p[i]);
	(void)printf("%s\n", len == 0 ? "-" : "");
}

void
record_print(const uint8_t *raw, size_t len, const uint8_t key[32],
    const uint8_t rid[32], int settled)
{
	char a[NODE_ID_HEX], b[32];
	struct rec rec;

	(void)printf("key       %s\n", node_id_hex(key, a));
	(void)printf("rid       %s%s\n", node_id_hex(rid, a),
	    settled == 0 ? "   (not settled yet)" : "");
	if (!envelope(&rec, raw, len)) {
		(void)printf("a later version took its place on disk\n");
		return;
	}
	(void)printf("kind      %u %s%s\n", rec.kind, kind_name(rec.kind),
	    (rec.flags & REC_TOMBSTONE) != 0 ? "   (tombstone)" : "");
	print_bytes("subject", rec.subject, rec.subject_len);
	print_bytes("name", rec.name, rec.name_len);
	(void)printf("author    %s\n", node_id_hex(rec.author, a));
	(void)printf("stamp     %llu  %s\n", (unsigned long long)rec.hlc,
	    hlc_str(rec.hlc, b));
	(void)printf("weight    %d\n", rec.w);
	print_bytes("payload", rec.payload, rec.payload_len);
}
