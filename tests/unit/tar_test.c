/* SPDX-License-Identifier: ISC */
/*
 * ustar headers: what was written is read again, and nothing else is.
 */
#include "common/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void
test_round(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 511, 512, 077777777777ull,
		0100000000000ull, INT64_MAX };
	struct tar_file in = { .name = "store/warren.db",
		.mtime = 1795276660,
		.mode = 0600 },
			out;
	uint8_t block[TAR_BLOCK];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		in.size = sizes[i];
		assert_true(tar_put(block, &in));
		assert_int_equal(tar_get(&out, block), 1);
		assert_string_equal(out.name, in.name);
		assert_true(out.size == in.size && out.mtime == in.mtime &&
		    out.mode == in.mode);
	}
	assert_int_equal(tar_padding(0), 0);
	assert_int_equal(tar_padding(1), 511);
	assert_int_equal(tar_padding(512), 0);
}

static void
test_end(void **state)
{
	static const uint8_t empty[TAR_BLOCK];
	struct tar_file f;

	(void)state;
	assert_int_equal(tar_get(&f, empty), 0);
}

/* Any byte of a header changed is seen: all of them are summed up. */
static void
test_damage(void **state)
{
	struct tar_file in = { .name = "node.key", .size = 65 }, out;
	uint8_t block[TAR_BLOCK];
	size_t i;

	(void)state;
	assert_true(tar_put(block, &in));
	for (i = 0; i < TAR_BLOCK; i++) {
		if (i == 155) /* behind the sum: a blank or a NUL */
			continue;
		block[i] ^= 1;
		assert_int_equal(tar_get(&out, block), -1);
		block[i] ^= 1;
	}
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "/etc/passwd", "../x", "a/../b",
		"a//b", "a/", "./a", "..", "a/." };
	struct tar_file in = { .size = 1 }, out;
	uint8_t block[TAR_BLOCK];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(in.name, bad[i], strlen(bad[i]) + 1);
		assert_true(tar_put(block, &in));
		assert_int_equal(tar_get(&out, block), -1);
	}
	in.name[0] = '\0';
	assert_false(tar_put(block, &in));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
