/* SPDX-License-Identifier: ISC */
/*
 * Records against tests/vectors/rec.txt, which an independent script wrote,
 * and against every cut, every flipped byte and every broken rule.
 */
#include "common/rec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

#define FILE_VEC "tests/vectors/rec.txt"

static struct charter ch;

static const char *const names[] = { "node", "block", "location", "meta",
	"rating", "rating_gone", "opaque", "longest" };
#define N_NAMES (sizeof(names) / sizeof(names[0]))

static size_t
vec(const char *name, const char *field, uint8_t *out, size_t cap)
{
	char full[64];
	int n;

	(void)snprintf(full, sizeof(full), "%s.%s", name, field);
	n = vec_get(FILE_VEC, full, out, cap);
	if (n < 0)
		fail_msg("no vector %s", full);
	return (size_t)n;
}

static int
setup(void **state)
{
	static uint8_t buf[CHARTER_MAX];
	int n = vec_get(FILE_VEC, "charter.charter", buf, sizeof(buf));

	(void)state;
	if (n < 0 || sodium_init() < 0)
		return -1;
	return charter_decode(&ch, buf, (size_t)n) == CHARTER_OK ? 0 : -1;
}

/* A record's fields as the vector file tells them. */
static void
fields(struct rec *rec, const char *name, uint8_t *payload, size_t cap)
{
	uint8_t b[8];

	memset(rec, 0, sizeof(*rec));
	(void)vec(name, "kind", &rec->kind, 1);
	(void)vec(name, "flags", &rec->flags, 1);
	rec->subject_len = (uint8_t)vec(name, "subject", rec->subject, 64);
	rec->name_len = (uint8_t)vec(name, "name", rec->name, 64);
	(void)vec(name, "author", rec->author, 32);
	(void)vec(name, "hlc", b, 8);
	rec->hlc = get_u64(b);
	(void)vec(name, "w", b, 4);
	rec->w = (int32_t)get_u32(b);
	rec->payload = payload;
	rec->payload_len = vec(name, "payload", payload, cap);
}

static void
test_encode(void **state)
{
	static uint8_t payload[REC_MAX], want[REC_MAX], got[REC_MAX];
	uint8_t sk[64], rid[32], sig[64], key[32];
	struct rec rec;
	struct wr w;
	size_t i, n;

	(void)state;
	for (i = 0; i < N_NAMES; i++) {
		fields(&rec, names[i], payload, sizeof(payload));
		assert_int_equal(rec_check(&rec, &ch), REC_OK);
		wr_init(&w, got, sizeof(got));
		rec_encode_body(&w, &rec);
		n = vec(names[i], "body", want, sizeof(want));
		assert_false(w.bad);
		assert_int_equal(w.len, n);
		assert_memory_equal(got, want, n);
		rec_rid(rid, got, n);
		(void)vec(names[i], "rid", want, 32);
		assert_memory_equal(rid, want, 32);
		rec_key(key, &rec, ch.netid);
		(void)vec(names[i], "key", want, 32);
		assert_memory_equal(key, want, 32);
		(void)vec(names[i], "sk", sk, 64);
		rec_sign(sig, ch.netid, rid, sk);
		(void)vec(names[i], "sig", want, 64);
		assert_memory_equal(sig, want, 64);
	}
}

static void
test_decode(void **state)
{
	static uint8_t buf[REC_MAX], body[REC_MAX], again[REC_MAX];
	static uint8_t payload[REC_MAX];
	uint8_t rid[32], other[32] = { 1 };
	struct flush fl;
	struct rec rec, want;
	struct wr w;
	size_t i, n;

	(void)state;
	for (i = 0; i < N_NAMES; i++) {
		n = vec(names[i], "record", buf, sizeof(buf));
		(void)flush_copy(&fl, buf, n);
		assert_int_equal(rec_decode(&rec, &ch, fl.at, n), REC_OK);
		fields(&want, names[i], payload, sizeof(payload));
		assert_int_equal(rec.hlc, want.hlc);
		assert_int_equal(rec.w, want.w);
		assert_int_equal(rec.payload_len, want.payload_len);
		(void)vec(names[i], "body", body, sizeof(body));
		assert_memory_equal(rec.body, body, rec.body_len);
		rec_rid(rid, rec.body, rec.body_len);
		assert_true(rec_verify(&rec, ch.netid, rid));
		assert_false(rec_verify(&rec, other, rid));
		wr_init(&w, again, sizeof(again));
		rec_encode(&w, rec.body, rec.body_len, rec.sig);
		assert_int_equal(w.len, n);
		assert_memory_equal(again, buf, n);
		flush_free(&fl);
	}
}

/* No cut of a record is one, nor is a record with a byte after it. */
static void
test_cuts(void **state)
{
	static uint8_t buf[REC_MAX];
	struct flush fl;
	struct rec rec;
	size_t n, cut;

	(void)state;
	n = vec("block", "record", buf, sizeof(buf));
	for (cut = 0; cut < n; cut++) {
		(void)flush_copy(&fl, buf, cut);
		assert_int_equal(rec_decode(&rec, &ch, fl.at, cut),
		    REC_MALFORMED);
		flush_free(&fl);
	}
	assert_int_equal(rec_decode(&rec, &ch, buf, n + 1), REC_MALFORMED);
}

/* A flipped bit anywhere is refused, or changes rid, or breaks the sig. */
static void
test_flips(void **state)
{
	static uint8_t buf[REC_MAX];
	uint8_t rid[32];
	struct rec rec;
	size_t n, i;

	(void)state;
	n = vec("rating", "record", buf, sizeof(buf));
	for (i = 0; i < n * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1u << i % 8);
		if (rec_decode(&rec, &ch, buf, n) == REC_OK) {
			rec_rid(rid, rec.body, rec.body_len);
			assert_false(rec_verify(&rec, ch.netid, rid));
		}
		buf[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

struct rule_case {
	const char *name;
	uint8_t kind, flags, subject_len, name_len;
	int32_t w;
	size_t payload_len;
	enum rec_err want;
};

static const struct rule_case rule_cases[] = {
	{ "plain rating", 20, 0, 32, 0, 100, 256, REC_OK },
	{ "rating too high", 20, 0, 32, 0, 101, 0, REC_RULE },
	{ "rating too low", 20, 0, 32, 0, -101, 0, REC_RULE },
	{ "rating payload too long", 20, 0, 32, 0, 0, 257, REC_RULE },
	{ "rating with a name", 20, 0, 32, 1, 0, 0, REC_RULE },
	{ "tombstone", 20, 1, 32, 0, 0, 0, REC_OK },
	{ "tombstone with w", 20, 1, 32, 0, 1, 0, REC_RULE },
	{ "tombstone with payload", 20, 1, 32, 0, 0, 1, REC_RULE },
	{ "unknown flag", 20, 2, 32, 0, 0, 0, REC_RULE },
	{ "kind 0", 0, 0, 32, 0, 0, 0, REC_KIND },
	{ "kind 3", 3, 0, 32, 0, 0, 0, REC_KIND },
	{ "kind 31", 31, 0, 32, 0, 0, 0, REC_KIND },
	{ "opaque 32", 32, 0, 1, 64, 0, 1024, REC_OK },
	{ "opaque 255", 255, 0, 64, 0, 0, 1024, REC_OK },
	{ "opaque with w", 200, 0, 64, 0, 1, 0, REC_RULE },
	{ "opaque too long", 200, 0, 64, 0, 0, 1025, REC_RULE },
	{ "node of another", 2, 0, 32, 0, 0, 10, REC_RULE },
	{ "block id too short", 16, 0, 31, 0, 1, 10, REC_RULE },
	{ "negative block size", 16, 0, 32, 0, -1, 10, REC_RULE },
	{ "no subject", 19, 0, 0, 1, 0, 10, REC_MALFORMED },
	{ "longest meta", 19, 0, 64, 64, 0, 4096, REC_OK },
};

static void
test_rules(void **state)
{
	static uint8_t payload[REC_MAX], body[REC_MAX];
	const struct rule_case *c;
	struct rec rec, got;
	enum rec_err err;
	struct wr w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rule_cases) / sizeof(rule_cases[0]); i++) {
		c = &rule_cases[i];
		memset(&rec, 0, sizeof(rec));
		rec.kind = c->kind;
		rec.flags = c->flags;
		rec.subject_len = c->subject_len;
		rec.name_len = c->name_len;
		rec.author[0] = 1;
		rec.hlc = 1;
		rec.w = c->w;
		rec.payload = payload;
		rec.payload_len = c->payload_len;
		wr_init(&w, body, sizeof(body));
		rec_encode_body(&w, &rec);
		err = rec_decode_body(&got, &ch, body, w.len);
		if (err != c->want)
			fail_msg("%s: %s", c->name, rec_err_name(err));
	}
}

static void
test_wins(void **state)
{
	struct rec_version a = { 5, { 1 } }, b = { 5, { 2 } };

	(void)state;
	assert_true(rec_wins(&b, &a));
	assert_false(rec_wins(&a, &b));
	assert_false(rec_wins(&a, &a));
	a.hlc = 6;
	assert_true(rec_wins(&a, &b));
	assert_false(rec_wins(&b, &a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_wins),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
