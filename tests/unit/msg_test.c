/* SPDX-License-Identifier: ISC */
/*
 * Every message of every table: what is put is what is got; cut at any
 * length, with a byte more, or with any byte changed it is refused or reads
 * as something in range, and never harms.  Input lies flush against an
 * unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "tests/unit/all_msgs.h"
#include "tests/unit/vec.h"

#define BODY_CAP (512u << 10)

static uint8_t body[BODY_CAP], back[BODY_CAP];
static uint8_t wire[MSG_LEN_MAX + 4], again[MSG_LEN_MAX + 4];

/* Encode def's body; returns the length of the message without its length. */
static size_t
put(const struct msg_def *def, uint8_t *out)
{
	struct wr w;
	size_t room = msg_size(def->body, body);

	assert_true(room <= sizeof(wire));
	wr_init(&w, out, room);
	msg_put(&w, def, 7, body);
	assert_false(w.bad);
	assert_int_equal(get_u32(out), w.len - 4);
	return w.len - 4;
}

static const struct msg_def *
get(size_t t, const void *buf, size_t len)
{
	const struct msg_table one[2] = { all_tables[t], { NULL, 0 } };
	const char *why = NULL;
	const struct msg_def *def;
	uint32_t id;

	def = msg_get(one, buf, len, &id, back, sizeof(back), &why);
	if (def == NULL)
		assert_non_null(why);
	return def;
}

/* Call fn for each message, bodies empty, random and full. */
static void
for_all(void (*fn)(size_t t, const struct msg_def *def, size_t len))
{
	size_t t, i;
	unsigned full;

	for (t = 0; t < n_all_tables; t++) {
		for (i = 0; i < all_tables[t].n; i++) {
			for (full = 0; full < 3; full++) {
				memset(body, 0, sizeof(body));
				fill_body(all_tables[t].defs[i].body, body,
				    full);
				fn(t, &all_tables[t].defs[i],
				    put(&all_tables[t].defs[i], wire));
			}
		}
	}
}

static void
round_trip(size_t t, const struct msg_def *def, size_t len)
{
	size_t n;

	assert_ptr_equal(get(t, wire + 4, len), def);
	memcpy(body, back, def->body->size);
	n = put(def, again);
	assert_int_equal(n, len);
	assert_memory_equal(wire, again, len + 4);
}

static void
test_round_trip(void **state)
{
	(void)state;
	for_all(round_trip);
}

static void
cut(size_t t, const struct msg_def *def, size_t len)
{
	size_t n, step = len > 2000 ? len / 997 : 1;

	for (n = 0; n < len; n += step) {
		struct flush fl;

		if (get(t, flush_copy(&fl, wire + 4, n), n) != NULL)
			fail_msg("%s cut to %zu of %zu", def->name, n, len);
		flush_free(&fl);
	}
	/* One byte more than the message is no message. */
	wire[4 + len] = 0;
	assert_null(get(t, wire + 4, len + 1));
}

static void
test_cut(void **state)
{
	(void)state;
	for_all(cut);
}

/* Any value of any byte: refused, or in range so that it encodes again. */
static void
spoil(size_t t, const struct msg_def *def, size_t len)
{
	size_t i, step = len > 400 ? len / 101 : 1;
	const struct msg_def *d;
	uint8_t was, v;

	for (i = 0; i < len; i += step) {
		was = wire[4 + i];
		for (v = 1; v != 0; v = (uint8_t)(v << 1)) {
			wire[4 + i] = was ^ v;
			d = get(t, wire + 4, len);
			if (d == NULL)
				continue;
			memcpy(body, back, d->body->size);
			(void)put(d, again);
		}
		wire[4 + i] = was;
	}
	(void)def;
}

static void
test_spoiled(void **state)
{
	(void)state;
	for_all(spoil);
}

static void
test_bombs(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[8];
		size_t len;
	} bad[] = {
		{ "nothing", { 0 }, 0 },
		{ "array32 of 40 million", { 0xdd, 2, 0x62, 0x5a, 0, 0 }, 6 },
		{ "map32 of 40 million", { 0xdf, 2, 0x62, 0x5a, 0, 0 }, 6 },
		{ "bin32 of 4 GiB", { 0xc6, 255, 255, 255, 255, 0 }, 6 },
		{ "nested beyond the depth",
		    { 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91 }, 8 },
		{ "the byte msgpack never uses", { 0x93, 0xc1, 0, 0x90 }, 4 },
		{ "two of three", { 0x92, 1, 1 }, 3 },
		{ "a negative type", { 0x93, 0xff, 1, 0x90 }, 4 },
		{ "an unknown type", { 0x93, 0xcd, 0xff, 0xff, 1, 0x90 }, 6 },
		{ "a body that is a map", { 0x93, 2, 1, 0x80 }, 4 },
		{ "something behind it", { 0x93, 2, 1, 0x90, 0 }, 5 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (get(0, bad[i].bytes, bad[i].len) != NULL)
			fail_msg("%s", bad[i].name);
}

/* The same message in the longest form msgpack has; 0 for other fields. */
static size_t
put_long(const struct msg_def *def, uint8_t *out)
{
	const struct fld *f;
	struct blob b;
	struct wr w;

	wr_init(&w, out, sizeof(again));
	wr_u8(&w, 0xdc);
	wr_u16(&w, 3);
	wr_u8(&w, 0xcf);
	wr_u64(&w, def->type);
	wr_u8(&w, 0xcf);
	wr_u64(&w, 7);
	wr_u8(&w, 0xdc);
	wr_u16(&w, (uint16_t)def->body->n);
	for (f = def->body->flds; f < def->body->flds + def->body->n; f++) {
		if (f->kind == FLD_UINT) {
			wr_u8(&w, 0xcf);
			wr_u64(&w, msg_load_uint(body + f->off, f->size));
		} else if (f->kind == FLD_BLOB) {
			memcpy(&b, body + f->off, sizeof(b));
			wr_u8(&w, 0xc6);
			wr_u32(&w, b.len);
			wr_bytes(&w, b.p, b.len);
		} else {
			return 0;
		}
	}
	assert_false(w.bad);
	return w.len;
}

static size_t n_long;

static void
long_form(size_t t, const struct msg_def *def, size_t len)
{
	static uint8_t lengthy[MSG_LEN_MAX + 4]; /* blobs stay in it */
	size_t n = put_long(def, lengthy);

	if (n == 0)
		return;
	n_long++;
	assert_ptr_equal(get(t, lengthy, n), def);
	memcpy(body, back, def->body->size);
	assert_int_equal(put(def, again), len);
	assert_memory_equal(wire, again, len + 4);
}

/* Short forms are read past msgpack-c, long ones by it: to the same end. */
static void
test_long_forms(void **state)
{
	(void)state;
	for_all(long_form);
	assert_true(n_long > 10);
}

static void
test_numbers_are_unique(void **state)
{
	size_t t, i, j;

	(void)state;
	for (t = 0; t < n_all_tables; t++)
		for (i = 0; i < all_tables[t].n; i++)
			for (j = 0; j < i; j++)
				assert_int_not_equal(
				    all_tables[t].defs[i].type,
				    all_tables[t].defs[j].type);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_spoiled),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_long_forms),
		cmocka_unit_test(test_numbers_are_unique),
	};

	all_tables_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
