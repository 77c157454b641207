/* SPDX-License-Identifier: ISC */
/*
 * The record store on a disk that loses power at any operation, with writes
 * lost and torn, and on one that fails and fills up.  Whatever was
 * acknowledged is there afterwards, or something newer; the tree is the one
 * whose root was written; and the store goes on.
 *
 * CRASHES (default 300; 2000 in make soak) and SEED say how much and which.
 */
#include "peerd/store/recstore.h"

#include "tests/unit/faultvfs.h"
#include "tests/unit/reckit.h"

#define KEYS 97

static int64_t now_ms;
static struct recstore *rs;

/* The newest acknowledged version of each record we write: by author and
 * target, a small table in place of the real keys. */
static struct known {
	uint8_t key[32];
	uint64_t acked, tried;
	bool used;
} known[AUTHORS][2][KEYS];

static bool
open_on_fault(bool *differs)
{
	const struct recstore_conf conf = {
		.charter = &ch,
		.sql = { .file = "x.db", .vfs = "fault", .cache_bytes = 65536 },
		.hurry_at = 20 /* now on, now off */
	};
	char why[96];

	*differs = false;
	if (recstore_open(&rs, &conf, (struct wall){ now_ms }, differs, why,
		sizeof(why)) != SQL_OK)
		return false;
	assert_int_equal(recstore_counts(rs)->damaged, 0);
	return true;
}

/* A batch of records, acknowledged together or not at all. */
static void
write_batch(void)
{
	struct known *touched[16];
	uint64_t hlcs[16];
	uint8_t verdicts[16];
	unsigned n = 1 + rng(15), i;
	enum sql_rc rc;
	struct recstore_put p;
	struct item *it;

	for (i = 0; i < n; i++) {
		unsigned a = rng(AUTHORS - 1), t = rng(KEYS);
		uint8_t kind = rng(2) ? REC_META : REC_RATING;
		struct known *k = &known[a][kind == REC_META][t];

		n_items = 0;
		it = make(kind, a, t,
		    now_ms - rng(now_ms > START_MS + 1500 ? 1500 : 1), 0,
		    false);
		k->used = true;
		memcpy(k->key, it->key, 32);
		if (it->hlc > k->tried)
			k->tried = it->hlc;
		recstore_put(rs, RECSTORE_PEER, it->raw, it->len,
		    (struct wall){ now_ms }, NULL, &p);
		touched[i] = k;
		hlcs[i] = it->hlc;
		verdicts[i] = p.verdict;
	}
	rc = recstore_commit(rs);
	for (i = 0; i < n; i++) {
		verdicts[i] = recstore_after(verdicts[i], rc);
		if ((verdicts[i] == DB_NEW || verdicts[i] == DB_OLD) &&
		    hlcs[i] > touched[i]->acked)
			touched[i]->acked = hlcs[i];
	}
}

static void
check_known(uint64_t seed, uint64_t round)
{
	static struct recstore_rec r;
	struct known *k = &known[0][0][0];
	enum sql_rc rc;

	for (; k < &known[AUTHORS - 1][0][0]; k++) {
		if (!k->used || k->acked == 0)
			continue;
		rc = recstore_get(rs, k->key, false, &r);
		if (rc != SQL_OK || r.hlc < k->acked || r.hlc > k->tried)
			fail_msg("seed %llu, crash %llu: a record that was "
				 "acknowledged is gone: %s, stamp %llu, "
				 "acknowledged %llu, tried %llu",
			    (unsigned long long)seed, (unsigned long long)round,
			    sql_rc_name(rc), (unsigned long long)r.hlc,
			    (unsigned long long)k->acked,
			    (unsigned long long)k->tried);
	}
}

static uint64_t
env(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v == NULL ? otherwise : strtoull(v, NULL, 10);
}

static void
admit_all(void)
{
	struct recstore_put p;
	struct item *it;
	unsigned a;

	for (a = 0; a + 1 < AUTHORS; a++) {
		n_items = 0;
		it = make(REC_MEMBER, a, a, now_ms, 0, false);
		recstore_put(rs, RECSTORE_PEER, it->raw, it->len,
		    (struct wall){ now_ms }, NULL, &p);
		assert_int_equal(p.verdict, DB_NEW);
	}
	assert_int_equal(recstore_commit(rs), SQL_OK);
}

static void
begin(uint64_t seed)
{
	bool differs;

	make_charter(CHARTER_OPEN);
	/* Long enough that nothing expires or is evicted meanwhile. */
	ch.kinds[2].ttl_s = ch.kinds[3].ttl_s = 100000;
	ch.kinds[3].quota = 0;
	ch.kinds[0].ttl_s = 100000;
	memset(known, 0, sizeof(known));
	memset(&fault, 0, sizeof(fault));
	fault_format();
	fault.seed = seed;
	rng_state = seed * 2 + 1;
	now_ms = START_MS;
	assert_true(open_on_fault(&differs));
	admit_all();
}

static void
work(unsigned rounds)
{
	while (rounds-- > 0 && !fault.dead) {
		now_ms += 100 + rng(300);
		write_batch();
		(void)recstore_settle(rs, (struct wall){ now_ms });
	}
}

static void
test_crashes(void **state)
{
	uint64_t n = env("CRASHES", 300), seed = env("SEED", 1), i;
	bool differs;

	(void)state;
	begin(seed);
	for (i = 0; i < n; i++) {
		fault.until_crash = 1 + rng(400);
		work(60);
		recstore_close(rs);
		fault_power_on();
		/* Power may go while the store recovers, too. */
		if (rng(4) == 0) {
			fault.until_crash = 1 + rng(12);
			if (open_on_fault(&differs))
				recstore_close(rs);
			fault_power_on();
		}
		now_ms += rng(3000);
		assert_true(open_on_fault(&differs));
		if (differs)
			fail_msg("seed %llu, crash %llu: the root differs",
			    (unsigned long long)seed, (unsigned long long)i);
		check_known(seed, i);
	}
	recstore_close(rs);
	fault_format();
}

/* Errors without a loss of power: refused, and nothing invented. */
static void
test_faults(void **state)
{
	uint64_t n = env("CRASHES", 300), seed = env("SEED", 1), i;
	bool differs;

	(void)state;
	begin(seed + 1000);
	for (i = 0; i < n; i++) {
		fault.full_1000 = rng(3) == 0 ? 30 : 0;
		fault.io_1000 = rng(3) == 0 ? 20 : 0;
		work(10);
		fault.full_1000 = fault.io_1000 = 0;
		work(2);
		check_known(seed, i);
		if (rng(8) != 0)
			continue;
		recstore_close(rs);
		assert_true(open_on_fault(&differs));
		assert_false(differs);
		check_known(seed, i);
	}
	assert_true(fault.faults > n / 4);
	recstore_close(rs);
	fault_format();
}

/*
 * Twice the same record, and an older one of its key, in a commit that fails:
 * the copies were old beside what is not there.
 */
static void
test_copies(void **state)
{
	static struct recstore_rec r;
	struct recstore_put p[3];
	enum sql_rc rc;
	size_t i;

	(void)state;
	begin(1);
	n_items = 0;
	(void)make(REC_META, 1, 1, now_ms + 10, 0, false);
	items[n_items++] = items[0];
	(void)make(REC_META, 1, 1, now_ms + 5, 0, false);
	fault.full_1000 = 1000;
	for (i = 0; i < 3; i++)
		recstore_put(rs, RECSTORE_PEER, items[i].raw, items[i].len,
		    (struct wall){ now_ms }, NULL, &p[i]);
	assert_int_equal(p[0].verdict, DB_NEW);
	assert_int_equal(p[1].verdict, DB_OLD);
	assert_int_equal(p[2].verdict, DB_OLD);
	rc = recstore_commit(rs);
	assert_int_equal(rc, SQL_FULL);
	for (i = 0; i < 3; i++)
		assert_int_equal(recstore_after(p[i].verdict, rc), DB_DISK);
	assert_int_equal(recstore_get(rs, items[0].key, false, &r), SQL_NONE);
	/* The form of a record does not change with the disk. */
	assert_int_equal(recstore_after(DB_BAD_SIG, rc), DB_BAD_SIG);
	fault.full_1000 = 0;
	recstore_close(rs);
	fault_format();
}

/*
 * What there was nothing to write for says nothing about the disk: a store
 * that reports it full must not take that for its having room again.
 */
static void
test_nothing_written(void **state)
{
	struct recstore_put p;
	struct item *it;
	uint64_t commits;

	(void)state;
	begin(2);
	n_items = 0;
	it = make(REC_META, 1, 1, now_ms, 0, false);
	recstore_put(rs, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now_ms }, NULL, &p);
	assert_int_equal(p.verdict, DB_NEW);
	assert_int_equal(recstore_commit(rs), SQL_OK);
	commits = recstore_counts(rs)->commits;
	fault.full_1000 = 1000;
	assert_int_equal(recstore_commit(rs), SQL_NONE);
	/* There already. */
	recstore_put(rs, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now_ms }, NULL, &p);
	assert_int_equal(p.verdict, DB_OLD);
	assert_int_equal(recstore_commit(rs), SQL_NONE);
	/* Refused after a transaction was begun. */
	it = make(REC_META, AUTHORS - 1, 1, now_ms, 0, false);
	recstore_put(rs, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now_ms }, NULL, &p);
	assert_int_equal(p.verdict, DB_NOT_ADMITTED);
	assert_true(sql_in_transaction(recstore_sql(rs)));
	assert_int_equal(recstore_commit(rs), SQL_NONE);
	assert_int_equal(recstore_counts(rs)->commits, commits);
	assert_int_equal(recstore_after(DB_NOT_ADMITTED, SQL_NONE),
	    DB_NOT_ADMITTED);
	/* And one that is to be written meets the full disk. */
	it = make(REC_META, 1, 2, now_ms, 0, false);
	recstore_put(rs, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now_ms }, NULL, &p);
	assert_int_equal(recstore_commit(rs), SQL_FULL);
	fault.full_1000 = 0;
	recstore_close(rs);
	fault_format();
}

/* What cannot be written can be read: the store opens on a full disk. */
static void
test_full_at_start(void **state)
{
	static struct recstore_rec r;
	struct recstore_put p;
	struct item *it;
	bool differs;

	(void)state;
	begin(3);
	n_items = 0;
	it = make(REC_META, 1, 1, now_ms, 0, false);
	recstore_put(rs, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now_ms }, NULL, &p);
	assert_int_equal(recstore_commit(rs), SQL_OK);
	recstore_close(rs);
	fault.full_1000 = 1000;
	assert_true(open_on_fault(&differs));
	assert_false(differs);
	assert_int_equal(recstore_get(rs, it->key, false, &r), SQL_OK);
	now_ms += 3 * TICK_MS;
	assert_int_equal(recstore_settle(rs, (struct wall){ now_ms }),
	    SQL_FULL);
	fault.full_1000 = 0;
	assert_int_equal(recstore_settle(rs, (struct wall){ now_ms }), SQL_OK);
	recstore_close(rs);
	fault_format();
}

/* A new file is told once that it may give pages back, and keeps it. */
static void
test_may_shrink(void **state)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	(void)state;
	begin(4);
	recstore_close(rs);
	assert_int_equal(
	    sqlite3_open_v2("x.db", &db, SQLITE_OPEN_READWRITE, "fault"),
	    SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "PRAGMA auto_vacuum", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0), 2);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_nothing_written),
		cmocka_unit_test(test_full_at_start),
		cmocka_unit_test(test_may_shrink),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
