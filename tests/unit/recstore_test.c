/* SPDX-License-Identifier: ISC */
/*
 * The record store over real SQLite files, on virtual time, against a model:
 * an array of all records ever put, from which the settled state of a tick is
 * computed anew each time.  Orders, duplicates, batches, restarts and late
 * arrivals are drawn from a seed that is printed when something differs.
 */
#include "peerd/store/recstore.h"

#include <sqlite3.h>

#include "tests/unit/reckit.h"

#define OUTSIDER (AUTHORS - 1) /* never admitted */

static char dir[64];

static bool
beats(const struct item *a, const struct item *b)
{
	return rec_wins(&(struct rec_version){ a->hlc, { 0 } },
		   &(struct rec_version){ b->hlc, { 0 } }) ||
	    (a->hlc == b->hlc && memcmp(a->rid, b->rid, 32) > 0);
}

static bool
alive(const struct item *it, uint64_t tick)
{
	int64_t t = (int64_t)tick * TICK_MS;
	uint32_t ttl = charter_kind(&ch, it->kind)->ttl_s;

	return hlc_wall(it->hlc).ms <= t && hlc_expiry(it->hlc, ttl).ms > t;
}

/* The winner of its key at that tick? */
static bool
wins(const struct item *it, uint64_t tick)
{
	size_t i;

	for (i = 0; i < n_items; i++)
		if (!items[i].gone && memcmp(items[i].key, it->key, 32) == 0 &&
		    hlc_wall(items[i].hlc).ms <= (int64_t)tick * TICK_MS &&
		    beats(&items[i], it))
			return false;
	return alive(it, tick);
}

static bool
is_member(unsigned author, uint64_t tick)
{
	size_t i;

	for (i = 0; i < n_items; i++)
		if (items[i].kind == REC_MEMBER && wins(&items[i], tick) &&
		    (items[i].flags & REC_TOMBSTONE) == 0) {
			struct rec rec;

			assert_int_equal(
			    rec_decode(&rec, &ch, items[i].raw, items[i].len),
			    REC_OK);
			if (memcmp(rec.subject, pk[author], 32) == 0)
				return true;
		}
	return false;
}

static int
by_key(const void *a, const void *b)
{
	return memcmp(((const struct tree_entry *)a)->key,
	    ((const struct tree_entry *)b)->key, 32);
}

/* How many of the same author and kind, among the winners, are newer. */
static unsigned
rank_of(const struct item *it, const bool *won)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < n_items; i++)
		n += won[i] && items[i].author == it->author &&
		    items[i].kind == it->kind && beats(&items[i], it);
	return n;
}

static void
model(uint64_t tick, struct tree_sum *out)
{
	struct tree_entry *e = calloc(n_items + 1, sizeof(*e));
	bool *won = calloc(n_items + 1, sizeof(*won)), member[AUTHORS];
	size_t i, n = 0;
	unsigned a;

	for (a = 0; a < AUTHORS; a++)
		member[a] = is_member(a, tick);
	for (i = 0; i < n_items; i++)
		if (items[i].kind != REC_MEMBER && !member[items[i].author] &&
		    hlc_wall(items[i].hlc).ms <= (int64_t)tick * TICK_MS)
			items[i].gone = true;
	for (i = 0; i < n_items; i++)
		won[i] = !items[i].gone && wins(&items[i], tick);
	for (i = 0; i < n_items; i++) {
		if (!won[i] ||
		    (items[i].kind == REC_RATING &&
			rank_of(&items[i], won) >= QUOTA))
			continue;
		memcpy(e[n].key, items[i].key, 32);
		memcpy(e[n].rid, items[i].rid, 32);
		e[n++].w = items[i].w;
	}
	qsort(e, n, sizeof(*e), by_key);
	assert_true(tree_of_sorted(out, e, n));
	free(e);
	free(won);
}

/* --- stores --- */

static struct recstore *
open_store(unsigned number, int64_t ms)
{
	char file[96], why[96];
	struct recstore_conf conf = { .charter = &ch,
		.sql = { .file = file, .cache_bytes = 262144 } };
	struct recstore *rs;
	bool differs;

	(void)snprintf(file, sizeof(file), "%s/%u.db", dir, number);
	assert_int_equal(recstore_open(&rs, &conf, (struct wall){ ms },
			     &differs, why, sizeof(why)),
	    SQL_OK);
	assert_false(differs);
	return rs;
}

static uint8_t
put(struct recstore *rs, const struct item *it, int64_t ms)
{
	struct recstore_put p;

	recstore_put(rs, RECSTORE_PEER, it->raw, it->len, (struct wall){ ms },
	    NULL, &p);
	return p.verdict;
}

static void
settle(struct recstore *rs, int64_t ms, uint64_t seed, unsigned number)
{
	const struct recstore_root *r;
	struct tree_sum want;
	uint64_t tick;

	commit_all(rs);
	if (recstore_due(rs, (struct wall){ ms }).ms > ms)
		return;
	assert_int_equal(recstore_settle(rs, (struct wall){ ms }), SQL_OK);
	tick = recstore_tick(rs);
	assert_int_equal(tick, (uint64_t)(ms - TICK_MS) / TICK_MS);
	r = recstore_root(rs, MSG_NULL64);
	assert_non_null(r);
	model(tick, &want);
	if (memcmp(&want.h, r->top.h, 32) != 0 || want.cnt != r->top.cnt ||
	    want.sum != r->top.sum)
		fail_msg("seed %llu store %u tick %llu: %llu records sum %lld, "
			 "the model has %llu sum %lld",
		    (unsigned long long)seed, number, (unsigned long long)tick,
		    (unsigned long long)r->top.cnt, (long long)r->top.sum,
		    (unsigned long long)want.cnt, (long long)want.sum);
}

/* What happens in a second: new records, in every store's own order. */
static void
write_some(int64_t ms)
{
	unsigned n = rng(12), a;

	while (n-- > 0) {
		a = rng(AUTHORS);
		if (rng(3) == 0)
			(void)make(REC_META, a, rng(9), ms + rng(900), 0,
			    rng(6) == 0);
		else
			(void)make(REC_RATING, a, rng(14), ms + rng(900),
			    (int32_t)rng(201) - 100, false);
	}
	if (rng(9) == 0 && n_items > 0) {
		/* Admission comes and goes, but never the outsider's. */
		a = 1 + rng(AUTHORS - 2);
		(void)make(REC_MEMBER, a, a, ms + rng(900), 0, rng(3) == 0);
	}
}

#define STORES 3

static void
give(struct recstore *rs, size_t from, int64_t ms)
{
	size_t n = n_items - from, i, j, *order;

	order = calloc(n + 1, sizeof(*order));
	for (i = 0; i < n; i++)
		order[i] = from + i;
	for (i = n; i > 1; i--) {
		size_t t = order[i - 1];

		j = rng((uint32_t)i);
		order[i - 1] = order[j];
		order[j] = t;
	}
	for (i = 0; i < n; i++) {
		(void)put(rs, &items[order[i]], ms);
		if (rng(5) == 0)
			commit_all(rs);
		/* Duplicates; what went for good would come back. */
		j = rng((uint32_t)n_items);
		if (rng(5) == 0 && !items[j].gone)
			(void)put(rs, &items[j], ms);
	}
	commit_all(rs);
	free(order);
}

/* Walk over all rows, some steps at a time: how many are damaged. */
static uint64_t
walk(struct recstore *rs, size_t steps)
{
	struct recstore_walk w = { .done = false };

	while (!w.done)
		recstore_walk(rs, &w, steps);
	assert_true(w.rows > 0);
	return recstore_counts(rs)->damaged;
}

static void
run_seed(uint64_t seed, unsigned seconds)
{
	struct recstore *rs[STORES];
	int64_t ms = START_MS;
	unsigned s, i, a;
	char file[128];
	size_t from = 0;

	rng_state = seed * 2 + 1;
	n_items = 0;
	for (s = 0; s < STORES; s++)
		rs[s] = open_store(s, ms);
	for (a = 0; a + 1 < AUTHORS; a++)
		(void)make(REC_MEMBER, a, a, ms + a, 0, false);
	for (i = 0; i < seconds; i++, ms += TICK_MS) {
		from = n_items > 0 && i == 0 ? 0 : n_items;
		write_some(ms);
		for (s = 0; s < STORES; s++) {
			give(rs[s], from, ms + 950);
			if (rng(8) == 0) {
				recstore_close(rs[s]);
				rs[s] = open_store(s, ms + 960);
			}
		}
		for (s = 0; s < STORES; s++)
			settle(rs[s], ms + TICK_MS + 10, seed, s);
		if (rng(8) == 0)
			assert_int_equal(walk(rs[rng(STORES)], 1 + rng(9)), 0);
	}
	for (s = 0; s < STORES; s++) {
		recstore_close(rs[s]);
		(void)snprintf(file, sizeof(file), "%s/%u.db", dir, s);
		(void)unlink(file);
	}
}

static void
test_model(void **state)
{
	const char *many = getenv("SEEDS");
	uint64_t seed, seeds = many == NULL ? 4 : strtoull(many, NULL, 10);

	(void)state;
	make_charter(CHARTER_OPEN);
	for (seed = 1; seed <= seeds; seed++)
		run_seed(seed, 90);
}

/* --- a store that has all from another --- */

/* Of members, over few keys and some ticks ahead: many versions wait. */
static void
write_ahead(int64_t ms)
{
	unsigned n = 4 + rng(8), a, at;

	while (n-- > 0) {
		a = rng(AUTHORS - 1);
		at = rng(3 * TICK_MS);
		if (rng(2) == 0)
			(void)make(REC_META, a, rng(5), ms + at, 0, false);
		else
			(void)make(REC_RATING, a, rng(5), ms + at,
			    (int32_t)rng(201) - 100, false);
	}
}

/* All that a peer is given, in any order. */
static void
copy_all(struct recstore *to, struct recstore *from, int64_t ms)
{
	static const uint8_t zero[32];
	static struct recstore_rec all[RECORDS];
	uint8_t(*keys)[32] = calloc(RECORDS, 32);
	size_t n_keys, n = 0, i;

	assert_non_null(keys);
	n_keys = recstore_keys(from, zero, 0, NULL, false, keys, RECORDS);
	for (i = 0; i < n_keys; i++)
		n += recstore_versions(from, keys[i], all + n,
		    RECSTORE_VERSIONS);
	free(keys);
	for (; n > 0; n--) {
		struct recstore_put p;

		i = rng((uint32_t)n);
		recstore_put(to, RECSTORE_PEER, all[i].raw, all[i].raw_len,
		    (struct wall){ ms }, NULL, &p);
		/* Before its author's grant it is held. */
		assert_true(
		    p.verdict == DB_NEW || p.verdict == DB_NOT_ADMITTED);
		all[i] = all[n - 1];
	}
}

/* It settles what the other settles, from the next tick on. */
static void
test_copy(void **state)
{
	struct recstore *rs, *copy;
	int64_t ms = START_MS;
	char file[128];
	uint64_t seed;
	unsigned i, a;

	(void)state;
	make_charter(CHARTER_OPEN);
	for (seed = 1; seed <= 20; seed++, ms += 100 * TICK_MS) {
		rng_state = seed * 2 + 1;
		n_items = 0;
		rs = open_store(0, ms);
		for (a = 0; a + 1 < AUTHORS; a++)
			assert_int_equal(
			    put(rs, make(REC_MEMBER, a, a, ms + a, 0, false),
				ms),
			    DB_NEW);
		for (i = 0; i < 5 + rng(5); i++, ms += TICK_MS) {
			size_t from = n_items;

			write_ahead(ms);
			give(rs, from, ms + 950);
			settle(rs, ms + TICK_MS + 10, seed, 0);
		}
		if (rng(2) == 0) {
			recstore_close(rs);
			rs = open_store(0, ms + 10);
		}
		copy = open_store(1, ms + 10);
		copy_all(copy, rs, ms + 20);
		for (i = 0; i < 5; i++, ms += TICK_MS) {
			settle(rs, ms + TICK_MS + 10, seed, 0);
			settle(copy, ms + TICK_MS + 10, seed, 1);
		}
		for (a = 0; a < 2; a++) {
			recstore_close(a == 0 ? rs : copy);
			(void)snprintf(file, sizeof(file), "%s/%u.db", dir, a);
			(void)unlink(file);
		}
	}
}

/* --- single cases --- */

static struct recstore *rs1;
static int64_t now1;

static void
begin_one(void)
{
	char file[96];

	make_charter(CHARTER_OPEN);
	(void)snprintf(file, sizeof(file), "%s/9.db", dir);
	(void)unlink(file);
	n_items = 0;
	now1 = START_MS;
	rs1 = open_store(9, now1);
	assert_int_equal(put(rs1, make(REC_MEMBER, 1, 1, now1, 0, false), now1),
	    DB_NEW);
}

static void
pass(unsigned ticks)
{
	while (ticks-- > 0) {
		now1 += TICK_MS;
		settle(rs1, now1 + TICK_MS + 10, 0, 9);
	}
}

static void
test_local_rules(void **state)
{
	struct recstore_put p;
	struct item *it;
	unsigned i;

	(void)state;
	begin_one();
	it = make(REC_RATING, OUTSIDER, 1, now1, 5, false);
	recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now1 }, NULL, &p);
	assert_int_equal(p.verdict, DB_NOT_ADMITTED);
	n_items--;
	/* A pending grant is enough. */
	for (i = 0; i < QUOTA; i++) {
		it = make(REC_RATING, 1, i, now1 + i, 5, false);
		recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len,
		    (struct wall){ now1 + 10 }, NULL, &p);
		assert_int_equal(p.verdict, DB_NEW);
	}
	it = make(REC_RATING, 1, 77, now1 + 20, 5, false);
	recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now1 + 30 }, NULL, &p);
	assert_int_equal(p.verdict, DB_OVER_QUOTA);
	n_items--;
	it = make(REC_META, 1, 3, now1 + 40, 0, false);
	it->raw[it->len - 1] ^= 1;
	recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now1 + 50 }, NULL, &p);
	assert_int_equal(p.verdict, DB_BAD_SIG);
	recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len - 1,
	    (struct wall){ now1 + 50 }, NULL, &p);
	assert_int_equal(p.verdict, DB_MALFORMED);
	n_items--;
	it = make(REC_META, 1, 3, now1 + 61000, 0, false);
	recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now1 }, NULL, &p);
	assert_int_equal(p.verdict, DB_FUTURE);
	n_items--;
	it = make(REC_META, 1, 3, now1 - TTL_S * 1000 - 2000, 0, false);
	recstore_put(rs1, RECSTORE_LOCAL, it->raw, it->len,
	    (struct wall){ now1 }, NULL, &p);
	assert_int_equal(p.verdict, DB_EXPIRED);
	n_items--;
	pass(3);
	recstore_close(rs1);
}

static void
test_if_rid(void **state)
{
	static const uint8_t none[32];
	struct recstore_put p;
	struct item *a, *b;

	(void)state;
	begin_one();
	a = make(REC_META, 1, 3, now1, 0, false);
	b = make(REC_META, 1, 3, now1 + 5, 0, false);
	recstore_put(rs1, RECSTORE_LOCAL, a->raw, a->len,
	    (struct wall){ now1 + 9 }, b->rid, &p);
	assert_int_equal(p.verdict, DB_CONFLICT);
	recstore_put(rs1, RECSTORE_LOCAL, a->raw, a->len,
	    (struct wall){ now1 + 9 }, none, &p);
	assert_int_equal(p.verdict, DB_NEW);
	recstore_put(rs1, RECSTORE_LOCAL, b->raw, b->len,
	    (struct wall){ now1 + 9 }, none, &p);
	assert_int_equal(p.verdict, DB_CONFLICT);
	recstore_put(rs1, RECSTORE_LOCAL, b->raw, b->len,
	    (struct wall){ now1 + 9 }, a->rid, &p);
	assert_int_equal(p.verdict, DB_NEW);
	pass(2);
	recstore_close(rs1);
}

static void
count_raw(void *arg, const void *raw, size_t len)
{
	(void)raw;
	assert_true(len > 0);
	++*(unsigned *)arg;
}

static void
test_deferred(void **state)
{
	unsigned n = 0;
	struct item *it;

	(void)state;
	begin_one();
	it = make(REC_META, 1, 3, now1 + 70000, 0, false);
	assert_int_equal(put(rs1, it, now1), DB_FUTURE);
	assert_int_equal(recstore_deferred(rs1), 1);
	assert_int_equal(
	    recstore_undefer(rs1, (struct wall){ now1 + 9000 }, count_raw, &n),
	    0);
	assert_int_equal(
	    recstore_undefer(rs1, (struct wall){ now1 + 11000 }, count_raw, &n),
	    1);
	assert_int_equal(n, 1);
	assert_int_equal(recstore_deferred(rs1), 0);
	assert_int_equal(recstore_commit(rs1), SQL_OK);
	recstore_close(rs1);
}

/* A record of a tick that is settled comes in with the next. */
static void
test_late(void **state)
{
	uint8_t before[32];
	struct item *it;

	(void)state;
	begin_one();
	pass(4);
	memcpy(before, recstore_root(rs1, MSG_NULL64)->root, 32);
	it = make(REC_META, 1, 3, now1 - 2500, 0, false);
	assert_int_equal(put(rs1, it, now1 + TICK_MS), DB_NEW);
	assert_int_equal(recstore_commit(rs1), SQL_OK);
	assert_memory_equal(before,
	    recstore_root(rs1, recstore_tick(rs1))->root, 32);
	pass(1);
	assert_memory_not_equal(before, recstore_root(rs1, MSG_NULL64)->root,
	    32);
	recstore_close(rs1);
}

static void
test_reads(void **state)
{
	static struct recstore_rec r;
	static const uint8_t zero[32];
	uint8_t keys[8][32];
	struct item *a, *b;

	(void)state;
	begin_one();
	a = make(REC_META, 1, 3, now1, 0, false);
	assert_int_equal(put(rs1, a, now1), DB_NEW);
	assert_int_equal(recstore_get(rs1, a->key, false, &r), SQL_OK);
	assert_false(r.settled);
	assert_int_equal(r.raw_len, a->len);
	assert_memory_equal(r.raw, a->raw, a->len);
	assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_NONE);
	assert_int_equal(recstore_keys(rs1, zero, 0, NULL, false, keys, 8), 2);
	assert_int_equal(recstore_keys(rs1, zero, 0, NULL, true, keys, 8), 0);
	assert_int_equal(recstore_keys(rs1, a->key, 128, NULL, false, keys, 8),
	    1);
	pass(2);
	assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_OK);
	assert_true(r.settled);
	b = make(REC_META, 1, 3, now1 + 900, 0, false);
	assert_int_equal(put(rs1, b, now1 + 900), DB_NEW);
	assert_int_equal(recstore_get(rs1, a->key, false, &r), SQL_OK);
	assert_memory_equal(r.rid, b->rid, 32);
	assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_OK);
	assert_memory_equal(r.rid, a->rid, 32);
	assert_int_equal(r.raw_len, a->len); /* though its row has another */
	assert_memory_equal(r.raw, a->raw, a->len);
	pass(2);
	assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_OK);
	assert_memory_equal(r.rid, b->rid, 32);
	recstore_close(rs1);
}

static void
expect_versions(const struct item *it, const struct item *newest,
    const struct item *older)
{
	static struct recstore_rec r[RECSTORE_VERSIONS];
	struct sql_older o;

	assert_int_equal(
	    recstore_versions(rs1, it->key, r, RECSTORE_VERSIONS),
	    older == NULL ? 1 : 2);
	assert_memory_equal(r[0].raw, newest->raw, newest->len);
	if (older != NULL)
		assert_memory_equal(r[1].raw, older->raw, older->len);
	else /* nor is anything left behind */
		assert_int_equal(sql_older_get(recstore_sql(rs1), it->key,
				     INT64_MAX, &o),
		    SQL_NONE);
}

/* A version is kept as long as a tick stands on it, whichever came first. */
static void
test_versions(void **state)
{
	unsigned reversed, again;
	struct item *a, *b;

	(void)state;
	for (reversed = 0; reversed < 2; reversed++) {
		begin_one();
		a = make(REC_META, 1, 3, now1 + 100, 0, false);
		b = make(REC_META, 1, 3, now1 + TICK_MS + 100, 0, false);
		assert_int_equal(put(rs1, reversed ? b : a, now1), DB_NEW);
		assert_int_equal(put(rs1, reversed ? a : b, now1), DB_NEW);
		assert_int_equal(put(rs1, a, now1), DB_OLD);
		expect_versions(a, b, a);
		for (again = 0; again < 2; again++) {
			commit_all(rs1);
			recstore_close(rs1);
			rs1 = open_store(9, now1 + TICK_MS + 10);
			expect_versions(a, b, a);
			pass(1);
			if (again == 0)
				expect_versions(a, b, a);
		}
		expect_versions(a, b, NULL);
		recstore_close(rs1);
	}
}

static void
test_pending_keys(void **state)
{
	uint8_t keys[8][32];
	struct item *a, *b;
	uint32_t at = 0;

	(void)state;
	begin_one();
	pass(2);
	assert_int_equal(recstore_pending_keys(rs1, &at, keys, 8), 0);
	a = make(REC_META, 1, 3, now1 + 100, 0, false);
	b = make(REC_META, 1, 3, now1 + TICK_MS + 100, 0, false);
	assert_int_equal(put(rs1, a, now1), DB_NEW);
	assert_int_equal(put(rs1, b, now1), DB_NEW);
	b = make(REC_META, 1, 4, now1 + 100, 0, false);
	assert_int_equal(put(rs1, b, now1), DB_NEW);
	assert_int_equal(put(rs1, make(REC_META, OUTSIDER, 5, now1, 0, false),
			     now1),
	    DB_NOT_ADMITTED); /* held, and shown to nobody */
	at = 0;
	assert_int_equal(recstore_pending_keys(rs1, &at, keys, 1), 1);
	assert_int_equal(recstore_pending_keys(rs1, &at, keys + 1, 8), 1);
	assert_int_equal(recstore_pending_keys(rs1, &at, keys, 8), 0);
	assert_true(memcmp(keys[0], a->key, 32) == 0 ||
	    memcmp(keys[1], a->key, 32) == 0);
	assert_true(memcmp(keys[0], b->key, 32) == 0 ||
	    memcmp(keys[1], b->key, 32) == 0);
	/* Until its author's grant comes, and then at once. */
	at = 0;
	assert_int_equal(recstore_held(rs1), 1);
	assert_int_equal(put(rs1,
			     make(REC_MEMBER, OUTSIDER, OUTSIDER, now1 - 100, 0,
				 false),
			     now1),
	    DB_NEW);
	assert_int_equal(recstore_pending_keys(rs1, &at, keys, 8), 4);
	assert_int_equal(recstore_held(rs1), 0);
	recstore_close(rs1);
}

/* --- damage --- */

/* Change rows behind the store's back: it is closed. */
static void
spoil(const char *sql, const uint8_t *key)
{
	char file[96];
	sqlite3_stmt *st;
	sqlite3 *db;

	(void)snprintf(file, sizeof(file), "%s/9.db", dir);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	if (key != NULL)
		(void)sqlite3_bind_blob(st, 1, key, 32, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	assert_true(sqlite3_changes(db) > 0);
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Open it again, damaged: how much of it is noted. */
static size_t
open_spoilt(void)
{
	char file[96], why[96];
	struct recstore_conf conf = { .charter = &ch,
		.sql = { .file = file, .cache_bytes = 262144 } };
	bool differs;
	size_t n;

	(void)snprintf(file, sizeof(file), "%s/9.db", dir);
	assert_int_equal(recstore_open(&rs1, &conf, (struct wall){ now1 },
			     &differs, why, sizeof(why)),
	    SQL_OK);
	(void)recstore_damages(rs1, &n);
	return n;
}

/* What cannot be read is noted once, with its key, until it is told. */
static void
test_damage(void **state)
{
	static struct recstore_rec r;
	const struct recstore_damage *d;
	struct recstore_check c = { .begun = false };
	struct item *a;
	size_t n;

	(void)state;
	begin_one();
	a = make(REC_META, 1, 3, now1, 0, false);
	assert_int_equal(put(rs1, a, now1), DB_NEW);
	pass(2);
	recstore_close(rs1);
	spoil("UPDATE rec SET sig=substr(sig,1,63) WHERE k=?1", a->key);
	assert_int_equal(open_spoilt(), 0);
	assert_int_equal(recstore_get(rs1, a->key, false, &r), SQL_BAD);
	assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_BAD);
	d = recstore_damages(rs1, &n);
	assert_int_equal(n, 1);
	assert_memory_equal(d[0].key, a->key, 32);
	assert_false(d[0].out);
	while (!c.done)
		recstore_check(rs1, &c, 100);
	assert_int_equal(c.bad, 1);
	assert_int_equal(recstore_counts(rs1)->damaged, 1);
	recstore_damaged(rs1, "a page");
	(void)recstore_damages(rs1, &n);
	assert_int_equal(n, 2);
	recstore_undamaged(rs1);
	(void)recstore_damages(rs1, &n);
	assert_int_equal(n, 0);
	recstore_close(rs1);
}

/* Two rows of the key, one of them of an old version. */
#define TWIN                                                                   \
	"INSERT INTO rec(k,rid,w,hlc,t,e,author,kind,body,sig) SELECT"         \
	" k,zeroblob(32),w,hlc-1,t,e,author,kind,body,sig FROM rec WHERE k=?1"
/* The same, and it came before. */
#define ELDER                                                                  \
	"INSERT INTO rec(id,k,rid,w,hlc,t,e,author,kind,body,sig) SELECT"      \
	" 0,k,zeroblob(32),w,hlc-1,t,e,author,kind,body,sig FROM rec"          \
	" WHERE k=?1"
#define OTHER_AUTHOR "UPDATE rec SET author=999 WHERE k=?1"

static const struct {
	const char *sql;
	unsigned ticks; /* settled before */
	bool lost;      /* until somebody brings it again */
} spoilt[] = {
	{ "UPDATE rec SET rid=substr(rid,1,31) WHERE k=?1", 2, true },
	{ "UPDATE rec SET rid=substr(rid,1,31) WHERE k=?1", 0, true },
	{ "UPDATE rec SET k=substr(k,1,31) WHERE k=?1", 2, true },
	{ "UPDATE rec SET k=substr(k,1,31) WHERE k=?1", 0, true },
	{ "UPDATE rec SET sig=substr(sig,1,63) WHERE k=?1", 0, true },
	{ OTHER_AUTHOR, 0, true },
	{ TWIN, 2, false },
	{ TWIN, 0, false },
	{ ELDER, 2, false },
	{ ELDER, 0, false },
};

/* A bad row is no reason not to start: it goes, and its record comes back. */
static void
test_bad_rows(void **state)
{
	static struct recstore_rec r;
	const struct recstore_damage *d;
	struct recstore_check c;
	struct item *a;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		begin_one();
		pass(2);
		a = make(REC_META, 1, 3, now1, 0, false);
		assert_int_equal(put(rs1, a, now1), DB_NEW);
		(void)make(REC_META, 1, 4, now1, 0, false);
		assert_int_equal(put(rs1, a + 1, now1), DB_NEW);
		assert_int_equal(recstore_commit(rs1), SQL_OK);
		pass(spoilt[i].ticks);
		recstore_close(rs1);
		spoil(spoilt[i].sql, a->key);
		assert_int_equal(open_spoilt(), 1);
		d = recstore_damages(rs1, &n);
		assert_true(d[0].out);
		assert_int_equal(recstore_get(rs1, a->key, false, &r),
		    spoilt[i].lost ? SQL_NONE : SQL_OK);
		assert_int_equal(recstore_get(rs1, a[1].key, false, &r),
		    SQL_OK);
		assert_int_equal(put(rs1, a, now1),
		    spoilt[i].lost ? DB_NEW : DB_OLD);
		pass(2); /* as the model has it */
		assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_OK);
		memset(&c, 0, sizeof(c));
		while (!c.done)
			recstore_check(rs1, &c, 100);
		assert_int_equal(c.bad, 0);
		recstore_close(rs1);
		assert_int_equal(open_spoilt(), 0);
		recstore_close(rs1);
	}
}

/* The next tick, which the model does not know. */
static void
pass_damaged(void)
{
	now1 += TICK_MS;
	(void)recstore_commit(rs1); /* there may be nothing */
	assert_int_equal(
	    recstore_settle(rs1, (struct wall){ now1 + TICK_MS + 10 }), SQL_OK);
}

/* What is found while it runs leaves with the next tick. */
static void
test_mending(void **state)
{
	static struct recstore_rec r;
	static const char *const how[] = {
		"UPDATE rec SET sig=substr(sig,1,63) WHERE k=?1",
		"UPDATE rec SET body=zeroblob(40) WHERE k=?1",
		"UPDATE rec SET body=zeroblob(0) WHERE k=?1",
	};
	struct recstore_check c = { .begun = false };
	struct item *a;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		begin_one();
		a = make(REC_META, 1, 3, now1, 0, false);
		assert_int_equal(put(rs1, a, now1), DB_NEW);
		pass(2);
		recstore_close(rs1);
		spoil(how[i], a->key);
		assert_int_equal(open_spoilt(), 0);
		assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_BAD);
		pass_damaged();
		assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_NONE);
		assert_true(recstore_damages(rs1, &n)->out);
		assert_int_equal(n, 1);
		assert_int_equal(put(rs1, a, now1), DB_NEW);
		pass(1);
		assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_OK);
		(void)recstore_damages(rs1, &n);
		assert_int_equal(n, 0);
		recstore_close(rs1);
	}
	/* A weight that is not the record's: the tree counts it, and nobody
	 * would bring the record again. */
	spoil("UPDATE rec SET w=w+1 WHERE k=?1", a->key);
	assert_int_equal(open_spoilt(), 0);
	while (!c.done)
		recstore_check(rs1, &c, 100);
	pass_damaged();
	assert_false(recstore_damages(rs1, &n)->out);
	assert_int_equal(n, 1);
	recstore_close(rs1);
}

/* What nobody reads is found by a walk over all rows. */
static void
test_walk(void **state)
{
	static const struct {
		const char *sql, *why;
	} how[] = {
		{ "UPDATE rec SET sig=substr(sig,1,63) WHERE k=?1", "length" },
		{ "UPDATE rec SET sig=zeroblob(64) WHERE k=?1", "signature" },
		{ "UPDATE rec SET body=zeroblob(40) WHERE k=?1", "hash" },
		{ "UPDATE rec SET w=w+1 WHERE k=?1", "weight" },
		{ "UPDATE rec SET k=zeroblob(32) WHERE k=?1", "another key" },
		{ "UPDATE author SET pk=substr(pk,1,31)", "table author" },
	};
	const struct recstore_damage *d;
	struct item *a;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		begin_one();
		a = make(REC_META, 1, 3, now1, 0, false);
		assert_int_equal(put(rs1, a, now1), DB_NEW);
		pass(2);
		assert_int_equal(walk(rs1, 1), 0);
		recstore_close(rs1);
		spoil(how[i].sql, strchr(how[i].sql, '?') == NULL ? NULL
								  : a->key);
		assert_int_equal(open_spoilt(), 0);
		assert_int_equal(walk(rs1, 1 + i % 3), 1);
		d = recstore_damages(rs1, &n);
		assert_int_equal(n, 1);
		assert_non_null(strstr(d[0].why, how[i].why));
		recstore_close(rs1);
	}
}

/* A damaged row that a tick meets does not stop it. */
static void
test_damaged_expiry(void **state)
{
	struct item *a;

	(void)state;
	begin_one();
	a = make(REC_META, 1, 3, now1, 0, false);
	assert_int_equal(put(rs1, a, now1), DB_NEW);
	pass(2);
	recstore_close(rs1);
	spoil("UPDATE rec SET sig=substr(sig,1,63) WHERE k=?1", a->key);
	assert_int_equal(open_spoilt(), 0);
	pass(TTL_S + 2);
	assert_int_equal(recstore_counts(rs1)->expired, 1);
	assert_int_equal(recstore_counts(rs1)->damaged, 1);
	recstore_close(rs1);
}

/* With a damaged grant the author's records stay. */
static void
test_damaged_grant(void **state)
{
	static struct recstore_rec r;
	struct item *grant, *a;
	unsigned i;

	(void)state;
	begin_one();
	grant = &items[0];
	a = make(REC_META, 1, 3, now1, 0, false);
	assert_int_equal(put(rs1, a, now1), DB_NEW);
	pass(2);
	recstore_close(rs1);
	spoil("UPDATE rec SET body=zeroblob(40) WHERE k=?1", grant->key);
	assert_int_equal(open_spoilt(), 0);
	assert_int_equal(recstore_get(rs1, grant->key, true, &r), SQL_BAD);
	for (i = 0; i < 3; i++)
		pass_damaged();
	assert_int_equal(recstore_get(rs1, grant->key, true, &r), SQL_NONE);
	assert_int_equal(recstore_get(rs1, a->key, true, &r), SQL_OK);
	assert_true(recstore_is_admitted(rs1, pk[1]));
	assert_int_equal(put(rs1, grant, now1), DB_NEW);
	pass(2);
	recstore_close(rs1);
}

/* An outsider's records take no room for long. */
static void
test_held(void **state)
{
	unsigned i, n = 0;

	(void)state;
	begin_one();
	for (i = 0; i < 50; i++)
		n += put(rs1, make(REC_RATING, OUTSIDER, i, now1 + i, 1, false),
			 now1 + 50) == DB_NOT_ADMITTED;
	assert_int_equal(n, 50);
	assert_int_equal(recstore_pending(rs1), 51);
	pass(2);
	assert_int_equal(recstore_pending(rs1), 0);
	assert_int_equal(recstore_counts(rs1)->unadmitted, 50);
	recstore_close(rs1);
}

static void
test_members(void **state)
{
	struct item *it;

	(void)state;
	begin_one();
	recstore_close(rs1);
	make_charter(CHARTER_MEMBERS);
	n_items = 0;
	{
		char file[96];

		(void)snprintf(file, sizeof(file), "%s/9.db", dir);
		(void)unlink(file);
	}
	rs1 = open_store(9, now1);
	/* Nobody admits himself. */
	it = make(REC_MEMBER, 2, 2, now1, 0, false);
	assert_int_equal(put(rs1, it, now1), DB_RULE);
	n_items--;
	assert_int_equal(put(rs1, make(REC_MEMBER, 0, 2, now1, 0, false), now1),
	    DB_NEW);
	assert_int_equal(
	    put(rs1, make(REC_META, 2, 5, now1 + 1, 0, false), now1 + 1),
	    DB_NEW);
	pass(2);
	assert_int_equal(recstore_root(rs1, MSG_NULL64)->top.cnt, 2);
	assert_int_equal(
	    put(rs1, make(REC_MEMBER, 0, 2, now1 + 5, 0, true), now1 + 5),
	    DB_NEW);
	pass(2);
	assert_int_equal(recstore_root(rs1, MSG_NULL64)->top.cnt, 1);
	recstore_close(rs1);
}

/* --- authors who contradict themselves --- */

/* Another record of the same key and stamp. */
static struct item *
twin(const struct item *a, unsigned target)
{
	return make_at(a->kind, a->author, target, 0, a->hlc, 0, false);
}

static uint64_t
evidence(const uint8_t *author)
{
	uint64_t n = 99;

	assert_int_equal(sql_evidence_count(recstore_sql(rs1), author, &n),
	    SQL_OK);
	return n;
}

/* Put two that contradict each other; both verdicts are good ones. */
static void
contradict(unsigned author, unsigned target)
{
	struct item *a = make(REC_META, author, target, now1, 0, false);
	struct item *b = twin(a, target);

	(void)put(rs1, a, now1);
	(void)put(rs1, b, now1);
	assert_int_equal(recstore_commit(rs1), SQL_OK);
}

static void
test_evidence(void **state)
{
	struct sql_evidence e;
	struct recstore_put p;
	struct item *a, *b;
	unsigned i;
	bool a_wins;

	(void)state;
	begin_one();
	pass(2);
	a = make(REC_META, 1, 3, now1, 0, false);
	b = twin(a, 3);
	a_wins = memcmp(a->rid, b->rid, 32) > 0;
	assert_memory_equal(a->key, b->key, 32);
	assert_int_equal(put(rs1, a, now1), DB_NEW);
	b->raw[b->len - 1] ^= 1;
	recstore_put(rs1, RECSTORE_LOCAL, b->raw, b->len, (struct wall){ now1 },
	    NULL, &p);
	assert_int_equal(p.verdict, DB_BAD_SIG);
	assert_int_equal(evidence(NULL), 0);
	b->raw[b->len - 1] ^= 1;
	assert_int_equal(put(rs1, b, now1 + 7), a_wins ? DB_OLD : DB_NEW);
	assert_int_equal(evidence(pk[1]), 1);
	/* Whoever sends them again adds nothing. */
	(void)put(rs1, a, now1 + 8);
	(void)put(rs1, b, now1 + 8);
	assert_int_equal(evidence(NULL), 1);
	assert_int_equal(recstore_commit(rs1), SQL_OK);
	recstore_close(rs1);

	rs1 = open_store(9, now1);
	assert_int_equal(sql_evidence_next(recstore_sql(rs1), 0, &e), SQL_OK);
	assert_memory_equal(e.key, a->key, 32);
	assert_memory_equal(e.author, pk[1], 32);
	assert_int_equal(e.hlc, a->hlc);
	assert_int_equal(e.seen, now1 + 7);
	assert_int_equal(e.a_len, a->len);
	assert_memory_equal(e.a, a->raw, a->len);
	assert_int_equal(e.b_len, b->len);
	assert_memory_equal(e.b, b->raw, b->len);
	assert_int_equal(sql_evidence_next(recstore_sql(rs1), e.id, &e),
	    SQL_NONE);
	for (i = 0; i < 2 * RECSTORE_EVIDENCE_EACH; i++)
		contradict(1, 10 + i);
	assert_int_equal(evidence(pk[1]), RECSTORE_EVIDENCE_EACH);
	contradict(OUTSIDER, 90);
	assert_int_equal(evidence(pk[OUTSIDER]), 0);
	pass(2);
	recstore_close(rs1);
}

/* The latest stay; their numbers go on. */
static void
test_evidence_bound(void **state)
{
	struct sql_evidence e = { .a = (const uint8_t *)"a",
		.b = (const uint8_t *)"b",
		.a_len = 1,
		.b_len = 1 };
	struct sql *db;
	unsigned i;

	(void)state;
	begin_one();
	db = recstore_sql(rs1);
	for (i = 0; i < 10; i++) {
		e.hlc = i;
		assert_int_equal(sql_evidence_put(db, &e), SQL_OK);
		assert_int_equal(sql_evidence_prune(db, 4), SQL_OK);
	}
	assert_int_equal(evidence(NULL), 4);
	assert_int_equal(sql_evidence_next(db, 0, &e), SQL_OK);
	assert_int_equal(e.hlc, 6);
	assert_int_equal(recstore_commit(rs1), SQL_OK);
	recstore_close(rs1);
}

static int
set_up(void **state)
{
	unsigned a;

	(void)state;
	if (sodium_init() == -1)
		return -1;
	for (a = 0; a < AUTHORS; a++)
		(void)crypto_sign_keypair(pk[a], sk[a]);
	items = calloc(RECORDS, sizeof(*items));
	(void)snprintf(dir, sizeof(dir), "/tmp/recstore_test.XXXXXX");
	return items == NULL || mkdtemp(dir) == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	char cmd[96];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	free(items);
	return system(cmd) == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_rules),
		cmocka_unit_test(test_if_rid),
		cmocka_unit_test(test_deferred),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_pending_keys),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bad_rows),
		cmocka_unit_test(test_mending),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_damaged_expiry),
		cmocka_unit_test(test_damaged_grant),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_evidence_bound),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
