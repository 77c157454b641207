/* SPDX-License-Identifier: ISC */
/*
 * STUN messages: the vectors of RFC 5769, every drop rule, every cut, and
 * what we send.
 */
#include "stund/stun_msg.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#include "stund/crc32.h"
#include "tests/unit/guard.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
/* RFC 5769 section 2.1 */
static const uint8_t rfc5769_request[] = {
	0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42,
	0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
	0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
	0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74,
	0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
	0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36,
	0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
	0x59, 0x20, 0x20, 0x20,
	0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56,
	0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2,
	0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
};

/* RFC 5769 section 2.2 */
static const uint8_t rfc5769_ipv4[] = {
	0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42,
	0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
	0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
	0x74, 0x6f, 0x72, 0x20,
	0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
	0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3,
	0x8c, 0x74, 0x89, 0xf9, 0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7,
	0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};

/* RFC 5769 section 2.3 */
static const uint8_t rfc5769_ipv6[] = {
	0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42,
	0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
	0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
	0x74, 0x6f, 0x72, 0x20,
	0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47,
	0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79,
	0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
	0x00, 0x08, 0x00, 0x14, 0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1,
	0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75, 0xbf, 0xe3, 0xed, 0x41,
	0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};

static const struct vector {
	const char *name;
	const uint8_t *buf;
	size_t len;
	uint16_t type;
	const char *software;
	const char *username; /* NULL: none */
	const char *mapped;   /* NULL: none */
	uint8_t nattrs, nunknown;
} vectors[] = {
	{ "2.1 request", rfc5769_request, sizeof(rfc5769_request),
	    STUN_BINDING_REQUEST, "STUN test client", "evtj:h6vY", NULL, 6, 1 },
	{ "2.2 ipv4", rfc5769_ipv4, sizeof(rfc5769_ipv4),
	    STUN_BINDING_SUCCESS, "test vector", NULL, "192.0.2.1:32853", 4, 0 },
	{ "2.3 ipv6", rfc5769_ipv6, sizeof(rfc5769_ipv6),
	    STUN_BINDING_SUCCESS, "test vector", NULL,
	    "[2001:db8:1234:5678:11:2233:4455:6677]:32853", 4, 0 },
};

static const uint8_t tid[STUN_TID] = { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
	0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae };

#define HDR(type, len) 0x00, type, 0x00, len, 0x21, 0x12, 0xa4, 0x42,          \
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
#define EMPTY 0x80, 0x22, 0x00, 0x00
#define EMPTY8 EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY

static const struct bad_case {
	const char *name;
	enum stun_err err;
	size_t len;
	uint8_t buf[128];
} bad_cases[] = {
	{ "nothing", STUN_BAD_SHORT, 0, { 0 } },
	{ "header cut", STUN_BAD_SHORT, 19, { HDR(1, 0) } },
	{ "bare header", STUN_OK, 20, { HDR(1, 0) } },
	{ "top bit", STUN_BAD_BITS, 20, { 0x80, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 } },
	{ "second bit", STUN_BAD_BITS, 20,
	    { 0x40, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 } },
	{ "length 1", STUN_BAD_LENGTH, 21, { HDR(1, 1) } },
	{ "length 2", STUN_BAD_LENGTH, 22, { HDR(1, 2) } },
	{ "longer than it says", STUN_BAD_LENGTH, 24, { HDR(1, 0) } },
	{ "shorter than it says", STUN_BAD_LENGTH, 20, { HDR(1, 4) } },
	{ "RFC 3489", STUN_BAD_COOKIE, 20, { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43 } },
	{ "attribute over the end", STUN_BAD_ATTR, 24,
	    { HDR(1, 4), 0x80, 0x22, 0, 1 } },
	{ "attribute 65535", STUN_BAD_ATTR, 28,
	    { HDR(1, 8), 0x80, 0x22, 0xff, 0xff, 1, 2, 3, 4 } },
	{ "padding missing", STUN_BAD_ATTR, 32,
	    { HDR(1, 12), 0x80, 0x22, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ "padding there", STUN_OK, 28,
	    { HDR(1, 8), 0x80, 0x22, 0, 1, 'x', 0, 0, 0 } },
	{ "sixteen attributes", STUN_OK, 84, { HDR(1, 64), EMPTY8, EMPTY8 } },
	{ "seventeen attributes", STUN_BAD_MANY, 88,
	    { HDR(1, 68), EMPTY8, EMPTY8, EMPTY } },
	{ "fingerprint wrong", STUN_BAD_FINGERPRINT, 28,
	    { HDR(1, 8), 0x80, 0x28, 0, 4, 1, 2, 3, 4 } },
	{ "fingerprint short", STUN_BAD_FINGERPRINT, 24,
	    { HDR(1, 4), 0x80, 0x28, 0, 0 } },
	{ "fingerprint long", STUN_BAD_FINGERPRINT, 32,
	    { HDR(1, 12), 0x80, 0x28, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 } },
};
/* clang-format on */

static bool
attr_is(const struct stun_msg *m, uint16_t type, const char *text)
{
	const struct stun_attr *at = stun_find(m, type);

	if (text == NULL || at == NULL)
		return text == NULL && at == NULL;
	return at->len == strlen(text) && memcmp(at->val, text, at->len) == 0;
}

static void
test_vectors(void **state)
{
	char buf[NADDR_STR];
	struct naddr mapped;
	struct stun_msg m;
	struct guard g;
	size_t i;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	for (i = 0; i < N(vectors); i++) {
		const struct vector *v = &vectors[i];

		print_message("%s\n", v->name);
		assert_int_equal(
		    stun_parse(&m, guard_put(&g, v->buf, v->len), v->len),
		    STUN_OK);
		assert_int_equal(m.type, v->type);
		assert_memory_equal(m.tid, tid, STUN_TID);
		assert_true(m.has_fingerprint);
		assert_int_equal(m.nattrs, v->nattrs);
		assert_int_equal(m.nunknown, v->nunknown);
		assert_true(attr_is(&m, STUN_SOFTWARE, v->software));
		assert_true(attr_is(&m, STUN_USERNAME, v->username));
		if (v->mapped == NULL) {
			assert_int_equal(stun_get_mapped(&m, &mapped), -1);
			assert_int_equal(m.unknown[0], 0x0024); /* PRIORITY */
			continue;
		}
		assert_int_equal(stun_get_mapped(&m, &mapped), 0);
		assert_string_equal(naddr_str(&mapped, buf), v->mapped);
	}
	guard_close(&g);
}

/* Every prefix is refused, and refused again when its length is mended. */
static void
test_cuts(void **state)
{
	uint8_t copy[128], *at;
	struct stun_msg m;
	struct guard g;
	size_t i, cut;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	for (i = 0; i < N(vectors); i++)
		for (cut = 0; cut < vectors[i].len; cut++) {
			at = guard_put(&g, vectors[i].buf, cut);
			assert_int_not_equal(stun_parse(&m, at, cut), STUN_OK);
			if (cut < STUN_HDR)
				continue;
			memcpy(copy, vectors[i].buf, cut);
			put_u16(copy + 2, (uint16_t)(cut - STUN_HDR));
			at = guard_put(&g, copy, cut);
			/* Between two attributes it is a message again. */
			if (stun_parse(&m, at, cut) == STUN_OK)
				assert_false(m.has_fingerprint);
		}
	guard_close(&g);
}

static void
test_bad(void **state)
{
	enum stun_err err;
	struct stun_msg m;
	struct guard g;
	size_t i;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	for (i = 0; i < N(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];

		err = stun_parse(&m, guard_put(&g, c->buf, c->len), c->len);
		print_message("%s: %s\n", c->name, stun_err_name(err));
		assert_int_equal(err, c->err);
	}
	guard_close(&g);
}

/* One flipped bit anywhere, and the FINGERPRINT or the header notices. */
static void
test_flips(void **state)
{
	uint8_t copy[sizeof(rfc5769_ipv6)];
	struct stun_msg m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(copy) * 8; i++) {
		memcpy(copy, rfc5769_ipv6, sizeof(copy));
		copy[i / 8] ^= (uint8_t)(1u << (i % 8));
		if (stun_parse(&m, copy, sizeof(copy)) == STUN_OK)
			/* The attribute may stop being a FINGERPRINT. */
			assert_false(m.has_fingerprint);
	}
}

static void
test_fingerprint_last(void **state)
{
	uint8_t buf[STUN_INDICATION_LEN + 4];
	struct stun_msg m;
	struct wr w;

	(void)state;
	wr_init(&w, buf, sizeof(buf));
	stun_put_indication(&w, tid);
	assert_int_equal(stun_parse(&m, buf, w.len), STUN_OK);
	wr_u32(&w, 0x80220000); /* an empty SOFTWARE behind it */
	put_u16(buf + 2, (uint16_t)(w.len - STUN_HDR));
	/* Right but for its place: the checksum covers the new length. */
	put_u32(buf + 24, crc32_of(buf, 20) ^ 0x5354554e);
	assert_int_equal(stun_parse(&m, buf, w.len), STUN_BAD_FINGERPRINT);
}

/* A request with one attribute, at most 20 bytes, and behind it another. */
static size_t
one_attr(uint8_t *buf, uint16_t type, const uint8_t *val, uint16_t len,
    uint16_t behind)
{
	struct wr w;

	wr_init(&w, buf, 64);
	wr_u16(&w, STUN_BINDING_SUCCESS);
	wr_u16(&w, (uint16_t)(8 + len));
	wr_u32(&w, STUN_COOKIE);
	wr_bytes(&w, tid, STUN_TID);
	wr_u16(&w, type);
	wr_u16(&w, len);
	wr_bytes(&w, val, len);
	wr_u16(&w, behind);
	wr_u16(&w, 0);
	return w.len;
}

static void
test_behind_integrity(void **state)
{
	static const struct {
		uint16_t seal, behind;
		uint8_t nattrs, nunknown;
	} cases[] = {
		{ STUN_SOFTWARE, 0x0024, 2, 1 },
		{ STUN_MESSAGE_INTEGRITY, 0x0024, 1, 0 },
		{ STUN_MESSAGE_INTEGRITY, STUN_INTEGRITY_SHA256, 2, 0 },
		{ STUN_INTEGRITY_SHA256, 0x0024, 1, 0 },
		{ STUN_INTEGRITY_SHA256, STUN_MESSAGE_INTEGRITY, 1, 0 },
	};
	static const uint8_t hmac[20];
	struct stun_msg m;
	uint8_t buf[64];
	size_t i, len;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		len = one_attr(buf, cases[i].seal, hmac, 20, cases[i].behind);
		assert_int_equal(stun_parse(&m, buf, len), STUN_OK);
		assert_int_equal(m.nattrs, cases[i].nattrs);
		assert_int_equal(m.nunknown, cases[i].nunknown);
	}
}

/* clang-format off */
static const struct mapped_case {
	const char *name;
	uint16_t type;
	uint16_t len;
	uint8_t val[20];
	const char *mapped; /* NULL: refused */
} mapped_cases[] = {
	{ "plain v4", STUN_MAPPED_ADDRESS, 8,
	    { 0, 1, 0x80, 0x55, 192, 0, 2, 1 }, "192.0.2.1:32853" },
	{ "plain v6", STUN_MAPPED_ADDRESS, 20,
	    { 0, 2, 0x80, 0x55, 0x20, 0x01, 0x0d, 0xb8, [19] = 1 },
	    "[2001:db8::1]:32853" },
	{ "xored v4", STUN_XOR_MAPPED_ADDRESS, 8,
	    { 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43 }, "192.0.2.1:32853" },
	{ "first byte ignored", STUN_XOR_MAPPED_ADDRESS, 8,
	    { 9, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43 }, "192.0.2.1:32853" },
	{ "port 0", STUN_MAPPED_ADDRESS, 8, { 0, 1, 0, 0, 192, 0, 2, 1 }, NULL },
	{ "v4 of v6 length", STUN_MAPPED_ADDRESS, 20, { 0, 1, 1, 1 }, NULL },
	{ "v6 of v4 length", STUN_MAPPED_ADDRESS, 8, { 0, 2, 1, 1 }, NULL },
	{ "family 3", STUN_MAPPED_ADDRESS, 8, { 0, 3, 1, 1 }, NULL },
	{ "empty", STUN_XOR_MAPPED_ADDRESS, 0, { 0 }, NULL },
	{ "too short", STUN_XOR_MAPPED_ADDRESS, 4, { 0, 1, 1, 1 }, NULL },
};
/* clang-format on */

static void
test_mapped(void **state)
{
	char text[NADDR_STR];
	struct naddr mapped;
	struct stun_msg m;
	uint8_t buf[64];
	struct guard g;
	size_t i, len;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	for (i = 0; i < N(mapped_cases); i++) {
		const struct mapped_case *c = &mapped_cases[i];

		print_message("%s\n", c->name);
		len = one_attr(buf, c->type, c->val, c->len, STUN_SOFTWARE);
		assert_int_equal(stun_parse(&m, guard_put(&g, buf, len), len),
		    STUN_OK);
		assert_int_equal(stun_get_mapped(&m, &mapped),
		    c->mapped == NULL ? -1 : 0);
		if (c->mapped != NULL)
			assert_string_equal(naddr_str(&mapped, text),
			    c->mapped);
	}
	guard_close(&g);
}

/* The checksum a bit at a time, as ISO 3309 puts it. */
static uint32_t
crc_by_bits(const uint8_t *p, size_t n)
{
	uint32_t crc = 0xffffffff;
	unsigned bit;
	size_t i;

	for (i = 0; i < n; i++) {
		crc ^= p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void
test_crc(void **state)
{
	uint8_t buf[300];
	size_t i;

	(void)state;
	assert_int_equal(crc32_of((const uint8_t *)"123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_of(NULL, 0), 0);
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 167 + (i >> 3));
	for (i = 0; i <= 256; i++)
		assert_int_equal(crc32_of(buf + i % 9, i),
		    crc_by_bits(buf + i % 9, i));
}

static void
test_put_request(void **state)
{
	uint8_t buf[STUN_OUT_MAX];
	struct stun_msg m;
	struct wr w;
	size_t cap;

	(void)state;
	for (cap = 0; cap < STUN_REQUEST_LEN; cap++) {
		wr_init(&w, buf, cap);
		stun_put_request(&w, tid);
		assert_true(w.bad);
	}
	wr_init(&w, buf, sizeof(buf));
	stun_put_request(&w, tid);
	assert_false(w.bad);
	assert_int_equal(w.len, 64);
	assert_int_equal(stun_parse(&m, buf, w.len), STUN_OK);
	assert_int_equal(m.type, STUN_BINDING_REQUEST);
	assert_true(m.has_fingerprint);
	assert_int_equal(m.nunknown, 0); /* nobody must understand the filler */
	assert_true(stun_is_stun(buf, w.len));
}

static void
test_put_success(void **state)
{
	static const struct {
		const char *addr;
		size_t len;
	} cases[] = { { "192.0.2.1:32853", 32 },
		{ "[2001:db8:1234:5678:11:2233:4455:6677]:32853", 44 } };
	uint8_t buf[STUN_OUT_MAX];
	struct naddr a, back;
	struct stun_msg m;
	struct wr w;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(naddr_parse(&a, cases[i].addr), 0);
		wr_init(&w, buf, cases[i].len - 1);
		stun_put_success(&w, tid, &a);
		assert_true(w.bad);
		wr_init(&w, buf, sizeof(buf));
		stun_put_success(&w, tid, &a);
		assert_int_equal(w.len, cases[i].len);
		assert_int_equal(stun_parse(&m, buf, w.len), STUN_OK);
		assert_int_equal(m.nattrs, 1);
		assert_int_equal(stun_get_mapped(&m, &back), 0);
		assert_true(naddr_equal(&a, &back));
		/* The very bytes of the vector's attribute. */
		assert_memory_equal(buf + 20, vectors[i + 1].buf + 36,
		    cases[i].len - 20);
	}
}

static void
test_put_unknown(void **state)
{
	uint16_t types[STUN_ATTRS_MAX];
	const struct stun_attr *at;
	uint8_t buf[128];
	struct stun_msg m;
	struct wr w;
	size_t i, n;

	(void)state;
	for (i = 0; i < STUN_ATTRS_MAX; i++)
		types[i] = (uint16_t)(0x0100 + i);
	for (n = 1; n <= STUN_ATTRS_MAX; n++) {
		wr_init(&w, buf, sizeof(buf));
		stun_put_unknown(&w, tid, types, n);
		assert_int_equal(w.len, STUN_UNKNOWN_LEN(n));
		assert_int_equal(stun_parse(&m, buf, w.len), STUN_OK);
		assert_int_equal(m.type, STUN_BINDING_ERROR);
		assert_int_equal(stun_get_error(&m), 420);
		at = stun_find(&m, STUN_UNKNOWN_ATTRIBUTES);
		assert_non_null(at);
		assert_int_equal(at->len, 2 * n);
		for (i = 0; i < n; i++)
			assert_int_equal(get_u16(at->val + 2 * i), types[i]);
	}
}

static void
test_error_code(void **state)
{
	static const struct {
		uint16_t len;
		uint8_t val[4];
		unsigned code;
	} cases[] = {
		{ 4, { 0, 0, 4, 20 }, 420 },
		{ 4, { 0, 0, 0xf3, 0 }, 300 }, /* reserved bits ignored */
		{ 4, { 0, 0, 6, 99 }, 699 },
		{ 4, { 0, 0, 2, 0 }, 0 },
		{ 4, { 0, 0, 7, 0 }, 0 },
		{ 4, { 0, 0, 4, 100 }, 0 },
		{ 0, { 0 }, 0 },
	};
	struct stun_msg m;
	uint8_t buf[64];
	size_t i, len;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		len = one_attr(buf, STUN_ERROR_CODE, cases[i].val, cases[i].len,
		    STUN_SOFTWARE);
		assert_int_equal(stun_parse(&m, buf, len), STUN_OK);
		assert_int_equal(stun_get_error(&m), cases[i].code);
	}
}

/* One byte at a time: need more until it is whole, then its length. */
static void
test_stream(void **state)
{
	struct guard g;
	size_t i, n, len;
	int want;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	for (i = 0; i < N(vectors); i++) {
		len = vectors[i].len;
		for (n = 0; n <= len; n++) {
			want = n < len ? 0 : (int)len;
			assert_int_equal(
			    stun_stream_next(guard_put(&g, vectors[i].buf, n),
				n, 128),
			    want);
		}
		assert_int_equal(stun_stream_next(vectors[i].buf, len, len - 1),
		    -1);
	}
	guard_close(&g);
}

static void
test_stream_junk(void **state)
{
	static const struct {
		const char *name;
		uint8_t buf[20];
		size_t at; /* bytes it takes to be found out */
	} cases[] = {
		{ "GET", { 'G', 'E', 'T', ' ' }, 1 },
		{ "TLS", { 0x16, 3, 1, 2 }, 4 },
		{ "odd length", { 0, 1, 0, 3 }, 4 },
		{ "too long", { 0, 1, 1, 0 }, 4 },
		{ "cookie 1", { 0, 1, 0, 0, 0x20 }, 5 },
		{ "cookie 4", { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x41 }, 8 },
	};
	struct guard g;
	size_t i, n;

	(void)state;
	assert_int_equal(guard_open(&g), 0);
	for (i = 0; i < N(cases); i++)
		for (n = 0; n <= sizeof(cases[i].buf); n++)
			assert_int_equal(
			    stun_stream_next(guard_put(&g, cases[i].buf, n), n,
				128),
			    n < cases[i].at ? 0 : -1);
	guard_close(&g);
}

static void
test_is_stun(void **state)
{
	uint8_t copy[sizeof(rfc5769_request)];
	size_t i;

	(void)state;
	memcpy(copy, rfc5769_request, sizeof(copy));
	for (i = 0; i < sizeof(copy); i++)
		assert_int_equal(stun_is_stun(copy, i), i >= STUN_HDR);
	copy[0] = 4;
	assert_false(stun_is_stun(copy, sizeof(copy)));
	copy[0] = 3;
	assert_true(stun_is_stun(copy, sizeof(copy)));
	copy[7] ^= 1;
	assert_false(stun_is_stun(copy, sizeof(copy)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_fingerprint_last),
		cmocka_unit_test(test_behind_integrity),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_put_request),
		cmocka_unit_test(test_put_success),
		cmocka_unit_test(test_put_unknown),
		cmocka_unit_test(test_error_code),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_junk),
		cmocka_unit_test(test_is_stun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
