/* SPDX-License-Identifier: ISC */
/*
 * Files in blocks/ as they are met at the start, real ones, beside a database
 * that answers, that is damaged, and whose disk is gone.  What must never
 * happen: a body that was acknowledged is removed because of a disk that
 * refused just then.
 */
#include "peerd/store/bodyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "tests/unit/faultvfs.h"

#define DIR_NO 0xab
#define SIZE   70000 /* two chunks */

static char dir[64];
static int dir_fd;
static struct sql *db;
static uint8_t body[SIZE];
static unsigned n_bodies;

/* A name in the folder that says this id. */
static const char *
name_of(const uint8_t id[32])
{
	static char hex[65];

	(void)sodium_bin2hex(hex, sizeof(hex), id, 32);
	return hex + 2;
}

static void
write_file(const char *name, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, body, len), len);
	assert_int_equal(close(fd), 0);
}

static void
lengthen(const char *name, off_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY);

	assert_true(fd != -1);
	assert_int_equal(ftruncate(fd, len), 0);
	assert_int_equal(close(fd), 0);
}

/* Another body whose id lies in this folder, and its file. */
static void
make_body(uint8_t id[32])
{
	struct manifest man;

	do {
		put_u32(body, ++n_bodies);
		blocks_manifest(&man, body, sizeof(body));
		blocks_id(id, &man);
	} while (id[0] != DIR_NO);
	write_file(name_of(id), sizeof(body));
}

static enum bodyfile
look_at(const char *name, struct bodyfile_look *look)
{
	return bodyfile_look(look, db, DIR_NO, dir_fd, name);
}

static void
open_db(void)
{
	const struct sql_conf conf = { .file = "x.db",
		.vfs = "fault",
		.cache_bytes = 65536 };
	char why[96];

	assert_int_equal(sql_open(&db, &conf, why, sizeof(why)), SQL_OK);
}

static void
hold(const uint8_t id[32])
{
	struct sql_body b = { .size = SIZE };

	memcpy(b.id, id, 32);
	assert_int_equal(sql_begin(db), SQL_OK);
	assert_int_equal(sql_body_put(db, &b), SQL_OK);
	assert_int_equal(sql_commit(db), SQL_OK);
}

static void
test_good_disk(void **state)
{
	struct bodyfile_look look;
	uint8_t id[32];

	(void)state;
	make_body(id);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_WHOLE);
	assert_int_equal(look.size, SIZE);
	assert_int_equal(look.read, SIZE);
	assert_memory_equal(look.id, id, 32);
	hold(id);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_HELD);
	assert_int_equal(look.read, 0); /* the scrub does that */
	/* Half of it, none of it, more than any body has. */
	make_body(id);
	write_file(name_of(id), SIZE / 2);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_REMOVE);
	write_file(name_of(id), 0);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_REMOVE);
	lengthen(name_of(id), BLOCK_SIZE_MAX + 1);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_REMOVE);
}

static void
test_names(void **state)
{
	/* clang-format off */
	static const struct {
		const char *more;
		enum bodyfile is;
	} cases[] = {
		{ ".new", BODYFILE_REMOVE }, /* the power went in the middle */
		{ ".bak", BODYFILE_FOREIGN },
		{ ".newer", BODYFILE_FOREIGN },
		{ "0", BODYFILE_FOREIGN },
	};
	/* clang-format on */
	struct bodyfile_look look;
	char name[80];
	uint8_t id[32];
	size_t i;

	(void)state;
	make_body(id);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", name_of(id),
		    cases[i].more);
		write_file(name, 1);
		assert_int_equal(look_at(name, &look), cases[i].is);
	}
	(void)snprintf(name, sizeof(name), "%s", name_of(id));
	name[61] = 'x';
	write_file(name, 1);
	assert_int_equal(look_at(name, &look), BODYFILE_FOREIGN);
	name[61] = '\0';
	write_file(name, 1);
	assert_int_equal(look_at(name, &look), BODYFILE_FOREIGN);
	/* A folder by such a name is not ours either. */
	memset(id, DIR_NO, 32);
	assert_int_equal(mkdirat(dir_fd, name_of(id), 0700), 0);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_FOREIGN);
}

/* The row cannot be read: whatever the file holds, it stays. */
static void
expect_unknown(const char *why)
{
	struct bodyfile_look look;
	uint8_t id[32];

	make_body(id);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_UNKNOWN);
	assert_string_equal(look.why, why);
	write_file(name_of(id), SIZE / 2);
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_UNKNOWN);
	assert_string_equal(look.why, why);
}

static void
test_dead_disk(void **state)
{
	(void)state;
	fault.dead = true;
	expect_unknown("input/output error");
	fault.dead = false;
}

/* Every page but the first, which has the schema, is spoilt. */
static void
test_damaged_table(void **state)
{
	struct fault_file *f = fault_find("x.db", false);

	(void)state;
	assert_non_null(f);
	sql_close(db); /* all of its log is in the file now */
	assert_true(f->now.len > 8192);
	memset(f->now.p + 8192, 0xff, (size_t)f->now.len - 8192);
	open_db();
	expect_unknown("corrupt");
}

/* No descriptor is left: the file may be all that is right with the world. */
static void
test_unreadable_file(void **state)
{
	struct rlimit was, none;
	struct bodyfile_look look;
	enum bodyfile is;
	uint8_t id[32];

	(void)state;
	make_body(id);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	is = look_at(name_of(id), &look);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(is, BODYFILE_UNKNOWN);
	assert_string_equal(look.why, strerror(EMFILE));
	assert_int_equal(look_at(name_of(id), &look), BODYFILE_WHOLE);
}

static int
set_up(void **state)
{
	(void)state;
	fault_format();
	memset(&fault, 0, sizeof(fault));
	(void)snprintf(dir, sizeof(dir), "/tmp/warren-bodyfile.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	open_db();
	return dir_fd == -1 ? -1 : 0;
}

static int
tear_down(void **state)
{
	char text[96];

	(void)state;
	sql_close(db);
	fault_format();
	(void)close(dir_fd);
	(void)snprintf(text, sizeof(text), "rm -rf %s", dir);
	return system(text);
}

static int
begin(void **state)
{
	(void)state;
	return sodium_init() == -1 ||
		sqlite3_vfs_register(&fault_vfs, 0) != SQLITE_OK
	    ? -1
	    : 0;
}

int
main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good_disk, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dead_disk, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_table, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_unreadable_file, set_up,
		    tear_down),
	};
	/* clang-format on */

	return cmocka_run_group_tests(tests, begin, NULL);
}
