/* SPDX-License-Identifier: ISC */
/*
 * Files of earlier schemas, made by the very statements that made them then,
 * are brought to the present one: all of it or nothing, wherever the power
 * goes meanwhile, and nothing that was in them is lost.
 */
#include "peerd/store/recstore.h"

#include "tests/unit/faultvfs.h"
#include "tests/unit/reckit.h"

#define RATINGS 40

/* As they were released; never to be edited. */
static const char old_1[] =
    "CREATE TABLE rec(id INTEGER PRIMARY KEY, k BLOB NOT NULL,"
    " rid BLOB NOT NULL, w INTEGER NOT NULL, hlc INTEGER NOT NULL,"
    " t INTEGER NOT NULL, e INTEGER NOT NULL, author INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, body BLOB NOT NULL, sig BLOB NOT NULL);"
    "CREATE INDEX rec_k ON rec(k,rid,w,hlc,t);"
    "CREATE INDEX rec_e ON rec(e);"
    "CREATE INDEX rec_author ON rec(author,kind,hlc);"
    "CREATE TABLE older(k BLOB NOT NULL, t INTEGER NOT NULL,"
    " rid BLOB NOT NULL, w INTEGER NOT NULL, hlc INTEGER NOT NULL,"
    " author INTEGER NOT NULL, tomb INTEGER NOT NULL, PRIMARY KEY(k,t))"
    " WITHOUT ROWID;"
    "CREATE TABLE author(id INTEGER PRIMARY KEY, pk BLOB NOT NULL UNIQUE,"
    " admitted INTEGER NOT NULL);"
    "CREATE TABLE log(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " k BLOB NOT NULL);"
    "CREATE TABLE body(id BLOB PRIMARY KEY, size INTEGER NOT NULL,"
    " since INTEGER NOT NULL, last INTEGER NOT NULL, h INTEGER NOT NULL,"
    " d INTEGER NOT NULL, w INTEGER NOT NULL, m INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, v BLOB NOT NULL)"
    " WITHOUT ROWID;";

static const char old_2[] =
    "CREATE TABLE evidence(id INTEGER PRIMARY KEY, k BLOB NOT NULL,"
    " hlc INTEGER NOT NULL, author BLOB NOT NULL, seen INTEGER NOT NULL,"
    " a BLOB NOT NULL, b BLOB NOT NULL, UNIQUE(k,hlc));"
    "CREATE INDEX evidence_author ON evidence(author);"
    "CREATE TABLE cursor(id BLOB PRIMARY KEY, dbid BLOB NOT NULL,"
    " seq INTEGER NOT NULL) WITHOUT ROWID;";

static const char old_3[] = "DROP INDEX rec_k;";

/* Opened as the store of that time opened it. */
static const char old_pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
				  "PRAGMA page_size=8192;"
				  "PRAGMA auto_vacuum=INCREMENTAL;"
				  "PRAGMA journal_mode=WAL;"
				  "PRAGMA synchronous=FULL;";

static const char copy_rows[] = "INSERT INTO rec SELECT * FROM new.rec;"
				"INSERT INTO older SELECT k,t,rid,w,hlc,author,"
				"tomb FROM new.older;"
				"INSERT INTO author SELECT * FROM new.author;"
				"INSERT INTO log SELECT * FROM new.log;"
				"INSERT INTO meta SELECT * FROM new.meta;";

static int64_t now_ms;
static struct recstore *rs;
static struct recstore_root before; /* what the file's last tick says */
static size_t pending;

static bool
open_file(const char *file)
{
	const struct recstore_conf conf = { .charter = &ch,
		.sql = { .file = file, .vfs = "fault", .cache_bytes = 65536 } };
	bool differs = false;
	char why[96];
	enum sql_rc rc = recstore_open(&rs, &conf, (struct wall){ now_ms },
	    &differs, why, sizeof(why));

	assert_false(differs);
	return rc == SQL_OK;
}

static void
put(const struct item *it)
{
	struct recstore_put p;

	recstore_put(rs, RECSTORE_PEER, it->raw, it->len,
	    (struct wall){ now_ms }, NULL, &p);
	assert_int_equal(p.verdict, DB_NEW);
}

static void
pass_tick(void)
{
	commit_all(rs);
	now_ms += TICK_MS;
	assert_int_equal(recstore_settle(rs, (struct wall){ now_ms + TICK_MS }),
	    SQL_OK);
}

/* Settled ones, some with a newer version pending, and new ones pending. */
static void
fill(void)
{
	unsigned i;

	put(make(REC_MEMBER, 1, 1, now_ms, 0, false));
	for (i = 0; i < RATINGS; i++)
		put(make(REC_META, 1, i, now_ms, 0, false));
	pass_tick();
	pass_tick();
	now_ms += 3 * TICK_MS;
	for (i = 0; i < RATINGS / 4; i++)
		put(make(REC_META, 1, i, now_ms, 0, false));
	for (i = 0; i < RATINGS / 4; i++)
		put(make(REC_META, 1, 1000 + i, now_ms, 0, false));
	assert_int_equal(recstore_commit(rs), SQL_OK);
	before = *recstore_root(rs, MSG_NULL64);
	pending = recstore_pending(rs);
	assert_int_equal(before.top.cnt, RATINGS + 1);
	assert_int_equal(pending, RATINGS / 2);
}

static sqlite3 *
raw_open(const char *file)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(file, &db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			     "fault"),
	    SQLITE_OK);
	return db;
}

static void
raw_exec(sqlite3 *db, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

static int
raw_int(sqlite3 *db, const char *text)
{
	sqlite3_stmt *st;
	int n = -1;

	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL),
	    SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int(st, 0);
	(void)sqlite3_finalize(st);
	return n;
}

/* old.db: what the store holds, in a file of that schema. */
static void
make_old(int version)
{
	char text[64];
	sqlite3 *db;

	make_charter(CHARTER_OPEN);
	memset(&fault, 0, sizeof(fault));
	fault_format();
	fault.seed = 7;
	rng_state = 3;
	n_items = 0;
	now_ms = START_MS;
	assert_true(open_file("new.db"));
	fill();
	recstore_close(rs);
	db = raw_open("old.db");
	raw_exec(db, old_pragmas);
	raw_exec(db, "BEGIN");
	raw_exec(db, old_1);
	if (version > 1)
		raw_exec(db, old_2);
	if (version > 2)
		raw_exec(db, old_3);
	(void)snprintf(text, sizeof(text), "PRAGMA user_version=%d; COMMIT",
	    version);
	raw_exec(db, text);
	raw_exec(db, "ATTACH 'new.db' AS new");
	raw_exec(db, copy_rows);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Everything is there, and goes on. */
static void
check_new(void)
{
	static struct recstore_rec r;
	struct recstore_check c = { .begun = false };
	const struct recstore_root *root = recstore_root(rs, MSG_NULL64);
	struct mtree_entry m;
	char why[64] = "";
	size_t i;

	assert_int_equal(root->tick, before.tick);
	assert_memory_equal(root->root, before.root, 32);
	assert_int_equal(recstore_pending(rs), pending);
	assert_int_equal(sql_check(recstore_sql(rs), why, sizeof(why)), SQL_OK);
	while (!c.done)
		recstore_check(rs, &c, 7);
	assert_int_equal(c.bad, 0);
	assert_int_equal(c.rows, before.top.cnt);
	/* The tree knows the rows, of those that wait to be replaced, too. */
	for (i = 0; i <= RATINGS; i++) {
		assert_true(mtree_get(recstore_tree(rs), MTREE_CURRENT,
		    items[i].key, &m));
		assert_int_not_equal(m.row, 0);
	}
	/* Of each key its latest version, which is the last one made. */
	for (i = n_items - RATINGS / 2; i < n_items; i++) {
		assert_int_equal(recstore_get(rs, items[i].key, false, &r),
		    SQL_OK);
		assert_memory_equal(r.rid, items[i].rid, 32);
		assert_int_equal(r.raw_len, items[i].len);
		assert_memory_equal(r.raw, items[i].raw, r.raw_len);
	}
	now_ms += TICK_MS;
	assert_int_equal(recstore_settle(rs, (struct wall){ now_ms + TICK_MS }),
	    SQL_OK);
	assert_int_equal(recstore_root(rs, MSG_NULL64)->top.cnt,
	    before.top.cnt + RATINGS / 4);
	now_ms -= TICK_MS;
}

static void
test_versions(void **state)
{
	sqlite3 *db;
	int version;

	(void)state;
	for (version = 1; version < SQL_SCHEMA; version++) {
		make_old(version);
		assert_true(open_file("old.db"));
		check_new();
		recstore_close(rs);
		db = raw_open("old.db");
		raw_exec(db, "PRAGMA locking_mode=EXCLUSIVE");
		assert_int_equal(raw_int(db, "PRAGMA user_version"),
		    SQL_SCHEMA);
		assert_int_equal(raw_int(db,
				     "SELECT count(*) FROM sqlite_schema"
				     " WHERE name='rec_k'"),
		    0);
		assert_int_equal(sqlite3_close(db), SQLITE_OK);
	}
}

/* A later version's file is not touched. */
static void
test_later(void **state)
{
	char text[64];
	sqlite3 *db;

	(void)state;
	make_old(2);
	db = raw_open("old.db");
	raw_exec(db, "PRAGMA locking_mode=EXCLUSIVE");
	(void)snprintf(text, sizeof(text), "PRAGMA user_version=%d",
	    SQL_SCHEMA + 1);
	raw_exec(db, text);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_false(open_file("old.db"));
	db = raw_open("old.db");
	raw_exec(db, "PRAGMA locking_mode=EXCLUSIVE");
	assert_int_equal(raw_int(db,
			     "SELECT count(*) FROM sqlite_schema"
			     " WHERE name='rec_k'"),
	    1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The schema says of itself what it is, whatever became of the power. */
static int
version_on_disk(void)
{
	sqlite3 *db = raw_open("old.db");
	int version, index;

	raw_exec(db, "PRAGMA locking_mode=EXCLUSIVE");
	version = raw_int(db, "PRAGMA user_version");
	index = raw_int(db,
	    "SELECT count(*) FROM sqlite_schema WHERE name='rec_k'");
	assert_int_equal(index, version < 3);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return version;
}

static void
test_crashes(void **state)
{
	unsigned ops, was = 0, is = 0;
	bool opened = false;

	(void)state;
	for (ops = 1; !opened; ops++) {
		make_old(1 + (int)(ops % 2));
		fault.until_crash = ops;
		if ((opened = open_file("old.db") && !fault.dead) || rs != NULL)
			recstore_close(rs);
		fault_power_on();
		if (version_on_disk() == SQL_SCHEMA)
			is++;
		else
			was++;
		assert_true(open_file("old.db"));
		check_new();
		recstore_close(rs);
	}
	/* It went before the commit, and after it. */
	assert_true(was > 2);
	assert_true(is > 0);
	fault_format();
}

static int
set_up(void **state)
{
	unsigned a;

	(void)state;
	if (sodium_init() == -1 ||
	    sqlite3_vfs_register(&fault_vfs, 0) != SQLITE_OK)
		return -1;
	for (a = 0; a < AUTHORS; a++)
		(void)crypto_sign_keypair(pk[a], sk[a]);
	items = calloc(RECORDS, sizeof(*items));
	return items == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(items);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_crashes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
