/* SPDX-License-Identifier: ISC */
/* Charters against the vectors, and every value pushed out of its range. */
#include "common/charter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

#define FILE_VEC "tests/vectors/rec.txt"

static void
one_vector(const char *name)
{
	static uint8_t buf[CHARTER_MAX], want[CHARTER_MAX], got[CHARTER_MAX];
	char full[64];
	struct charter ch;
	struct wr w;
	int n;

	(void)snprintf(full, sizeof(full), "%s.charter", name);
	n = vec_get(FILE_VEC, full, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(charter_decode(&ch, buf, (size_t)n), CHARTER_OK);
	(void)snprintf(full, sizeof(full), "%s.netid", name);
	assert_int_equal(vec_get(FILE_VEC, full, want, sizeof(want)), 32);
	assert_memory_equal(ch.netid, want, 32);
	(void)snprintf(full, sizeof(full), "%s.body", name);
	n = vec_get(FILE_VEC, full, want, sizeof(want));
	wr_init(&w, got, sizeof(got));
	charter_encode_body(&w, &ch);
	assert_int_equal(w.len, n);
	assert_memory_equal(got, want, w.len);
}

static void
test_vectors(void **state)
{
	(void)state;
	one_vector("charter");
	one_vector("members");
}

static void
test_default(void **state)
{
	const struct charter_kind *k;
	struct charter ch;

	(void)state;
	assert_int_equal(
	    charter_decode(&ch, charter_default, charter_default_len),
	    CHARTER_OK);
	assert_string_equal(ch.name, "main");
	assert_int_equal(ch.tick_ms, 10000);
	assert_int_equal(ch.settle_ms, 10000);
	assert_int_equal(ch.future_ms, 60000);
	assert_int_equal(ch.admission, CHARTER_OPEN);
	assert_int_equal(ch.pow_bits, 22);
	assert_int_equal(ch.r, 3);
	assert_false(charter_is_authority(&ch, ch.root_pk));
	k = charter_kind(&ch, 2);
	assert_int_equal(k->pmax, 768);
	assert_int_equal(k->ttl_s, 3600);
	k = charter_kind(&ch, 20);
	assert_int_equal(k->w_min, -100);
	assert_int_equal(charter_kind(&ch, 255)->pmax, 1024);
	assert_null(charter_kind(&ch, 21));
	assert_null(charter_kind(&ch, 0));
}

static void
test_damage(void **state)
{
	static uint8_t buf[CHARTER_MAX];
	struct charter ch;
	struct flush fl;
	size_t i;

	(void)state;
	memcpy(buf, charter_default, charter_default_len);
	for (i = 0; i < charter_default_len; i++) {
		(void)flush_copy(&fl, buf, i);
		assert_int_equal(charter_decode(&ch, fl.at, i),
		    CHARTER_MALFORMED);
		flush_free(&fl);
		buf[i] ^= 0x04;
		assert_int_not_equal(
		    charter_decode(&ch, buf, charter_default_len), CHARTER_OK);
		buf[i] ^= 0x04;
	}
}

/* One change to a good charter, and what must become of it. */
static void
no_name(struct charter *ch)
{
	ch->name[0] = '\0';
}

static void
fast_tick(struct charter *ch)
{
	ch->tick_ms = CHARTER_TICK_MIN_MS - 1;
}

static void
slow_settle(struct charter *ch)
{
	ch->settle_ms = CHARTER_TIME_MAX_MS + 1;
}

static void
odd_admission(struct charter *ch)
{
	ch->admission = 2;
}

static void
members_alone(struct charter *ch)
{
	ch->admission = CHARTER_MEMBERS;
}

static void
hard_stamp(struct charter *ch)
{
	ch->pow_bits = CHARTER_POW_MAX + 1;
}

static void
no_copies(struct charter *ch)
{
	ch->r = 0;
}

static void
twice_a_kind(struct charter *ch)
{
	ch->kinds[1].kind = ch->kinds[0].kind;
}

static void
wide_payload(struct charter *ch)
{
	ch->kinds[3].pmax = CHARTER_PMAX_MAX + 1;
}

static void
w_reversed(struct charter *ch)
{
	ch->kinds[3].w_min = 1;
	ch->kinds[3].w_max = 0;
}

static void
no_nodes(struct charter *ch)
{
	ch->kinds[1].kind = 3;
}

static void
as_it_is(struct charter *ch)
{
	ch->kinds[0].quota = 1;
}

static const struct {
	const char *name;
	void (*change)(struct charter *ch);
	enum charter_err want;
} range_cases[] = {
	{ "in range", as_it_is, CHARTER_OK },
	{ "no name", no_name, CHARTER_RANGE },
	{ "tick too fast", fast_tick, CHARTER_RANGE },
	{ "settle too slow", slow_settle, CHARTER_RANGE },
	{ "admission 2", odd_admission, CHARTER_RANGE },
	{ "members without authority", members_alone, CHARTER_RANGE },
	{ "proof of work too hard", hard_stamp, CHARTER_RANGE },
	{ "r 0", no_copies, CHARTER_RANGE },
	{ "kind named twice", twice_a_kind, CHARTER_RANGE },
	{ "payload over the record", wide_payload, CHARTER_RANGE },
	{ "w range reversed", w_reversed, CHARTER_RANGE },
	{ "no node kind", no_nodes, CHARTER_RANGE },
};

static void
test_ranges(void **state)
{
	static uint8_t buf[CHARTER_MAX];
	struct charter ch, got;
	enum charter_err err;
	struct wr w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(range_cases) / sizeof(range_cases[0]); i++) {
		(void)charter_decode(&ch, charter_default, charter_default_len);
		range_cases[i].change(&ch);
		wr_init(&w, buf, sizeof(buf));
		charter_encode_body(&w, &ch);
		err = charter_decode_body(&got, buf, w.len);
		if (err != range_cases[i].want)
			fail_msg("%s: %s", range_cases[i].name,
			    charter_err_name(err));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_ranges),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
