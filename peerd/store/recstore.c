/* SPDX-License-Identifier: ISC */
/*
 * Opening a store, transactions, the roots of the last ticks.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hlc.h"
#include "peerd/store/recstore_priv.h"

/* --- ticks and stamps --- */

int64_t
tick_time(const struct recstore *rs, uint64_t tick)
{
	return (int64_t)(tick * rs->ch->tick_ms);
}

static uint64_t
tick_not_before(const struct recstore *rs, int64_t ms)
{
	uint64_t t = rs->ch->tick_ms;

	return ms <= 0 ? 0 : ((uint64_t)ms + t - 1) / t;
}

uint64_t
tick_of(const struct recstore *rs, uint64_t hlc)
{
	uint64_t tick = tick_not_before(rs, hlc_wall(hlc).ms);

	/* What comes late enters with the next one: a root once published
	 * never changes. */
	return tick <= rs->tick ? rs->tick + 1 : tick;
}

bool
is_late(const struct recstore *rs, uint64_t hlc)
{
	return tick_not_before(rs, hlc_wall(hlc).ms) <= rs->tick;
}

uint64_t
tick_of_end(const struct recstore *rs, uint8_t kind, uint64_t hlc)
{
	const struct charter_kind *k = charter_kind(rs->ch, kind);
	uint32_t ttl = k == NULL ? 0 : k->ttl_s;

	return tick_not_before(rs, hlc_expiry(hlc, ttl).ms);
}

static uint64_t
latest_due(const struct recstore *rs, struct wall now)
{
	int64_t ms = now.ms - rs->ch->settle_ms;

	return ms <= 0 ? 0 : (uint64_t)ms / rs->ch->tick_ms;
}

struct wall
recstore_due(const struct recstore *rs, struct wall now)
{
	uint64_t next = latest_due(rs, now);

	if (next <= rs->tick)
		next = rs->tick + 1;
	return (struct wall){ tick_time(rs, next) + rs->ch->settle_ms };
}

/* --- memory for the tree --- */

static void *
mem_get(void *arg, size_t len)
{
	(void)arg;
	return malloc(len);
}

static void
mem_put(void *arg, void *p, size_t len)
{
	(void)arg;
	(void)len;
	free(p);
}

/*
 * The root as it was written when the tick was settled.  It is written right
 * after the tick; where the power went between the two, there is none of
 * this tick to compare with.
 */
static bool
is_as_written(struct recstore *rs)
{
	uint8_t want[40];
	struct claim c;
	struct tree_sum top;
	size_t len = sizeof(want);

	mtree_top(&rs->tree, MTREE_CURRENT, &top);
	claim_set(&c, rs->ch->netid, rs->tick, &top);
	if (sql_meta_get(rs->sql, "root", want, &len) != SQL_OK ||
	    len != sizeof(want) || get_u64(want) != rs->tick)
		return true;
	return memcmp(want + 8, c.root, 32) == 0;
}

static void
note_root(struct recstore *rs)
{
	struct recstore_root *r = &rs->roots[rs->tick % RECSTORE_ROOTS];
	struct claim c;

	memset(r, 0, sizeof(*r));
	r->tick = rs->tick;
	mtree_top(&rs->tree, MTREE_CURRENT, &r->top);
	claim_set(&c, rs->ch->netid, rs->tick, &r->top);
	memcpy(r->root, c.root, 32);
}

static enum sql_rc
build(struct recstore *rs, bool *differs)
{
	const struct mtree_mem mem = { mem_get, mem_put, NULL };
	uint64_t first;
	uint8_t buf[8];
	size_t len = sizeof(buf);
	enum sql_rc rc;

	rc = sql_meta_get(rs->sql, "tick", buf, &len);
	if (rc != SQL_OK && rc != SQL_NONE)
		return rc;
	rs->tick = rc == SQL_OK && len == 8 ? get_u64(buf) : 0;
	mtree_init(&rs->tree, &mem, rs->tick);
	if ((rc = sql_log_bounds(rs->sql, &first, &rs->seq)) != SQL_OK)
		return rc;
	rs->seq_committed = rs->seq;
	if ((rc = rebuild(rs)) != SQL_OK)
		return rc;
	/* Where rows had to be left out it is another one, and they are noted. */
	*differs = rs->n.damaged == 0 && !is_as_written(rs);
	note_root(rs);
	return SQL_OK;
}

static enum sql_rc
read_dbid(struct recstore *rs)
{
	size_t len = sizeof(rs->dbid);
	enum sql_rc rc = sql_meta_get(rs->sql, "dbid", rs->dbid, &len);

	if (rc != SQL_NONE)
		return rc;
	randombytes_buf(rs->dbid, sizeof(rs->dbid));
	return sql_meta_put(rs->sql, "dbid", rs->dbid, sizeof(rs->dbid));
}

/* A store belongs to one network. */
static enum sql_rc
check_netid(struct recstore *rs, char *why, size_t cap)
{
	uint8_t netid[32];
	size_t len = sizeof(netid);
	enum sql_rc rc = sql_meta_get(rs->sql, "netid", netid, &len);

	if (rc == SQL_NONE)
		return sql_meta_put(rs->sql, "netid", rs->ch->netid, 32);
	if (rc == SQL_OK &&
	    (len != 32 || memcmp(netid, rs->ch->netid, 32) != 0)) {
		(void)snprintf(why, cap, "it holds another network's records");
		return SQL_VERSION;
	}
	return rc;
}

/*
 * The first tick settled is that of the present: without it, a new store
 * would take all records of the last minutes for late ones.
 */
static void
begin_at(struct recstore *rs, struct wall now)
{
	uint64_t due = latest_due(rs, now);

	if (rs->tick == 0 && due > 0) {
		rs->tick = due - 1;
		mtree_fini(&rs->tree);
		mtree_init(&rs->tree,
		    &(const struct mtree_mem){ mem_get, mem_put, NULL },
		    rs->tick);
		note_root(rs);
	}
}

enum sql_rc
recstore_open(struct recstore **out, const struct recstore_conf *conf,
    struct wall now, bool *differs, char *why, size_t cap)
{
	struct recstore *rs = calloc(1, sizeof(*rs));
	enum sql_rc rc;
	uint64_t seed;

	*out = NULL;
	*differs = false;
	why[0] = '\0';
	if (rs == NULL) {
		(void)snprintf(why, cap, "out of memory");
		return SQL_IO;
	}
	rs->ch = conf->charter;
	rs->hurry_at = conf->hurry_at == 0 ? RECSTORE_HURRY : conf->hurry_at;
	randombytes_buf(&seed, sizeof(seed));
	pends_init(&rs->pends,
	    conf->pending_max == 0 ? RECSTORE_PENDING : conf->pending_max,
	    seed);
	rs->deferred = calloc(RECSTORE_DEFERRED, sizeof(*rs->deferred));
	if (rs->deferred == NULL) {
		recstore_close(rs);
		return SQL_IO;
	}
	if ((rc = sql_open(&rs->sql, &conf->sql, why, cap)) != SQL_OK ||
	    (rc = read_dbid(rs)) != SQL_OK ||
	    (rc = check_netid(rs, why, cap)) != SQL_OK ||
	    (rc = build(rs, differs)) != SQL_OK) {
		if (why[0] == '\0')
			(void)snprintf(why, cap, "%s: %s", sql_rc_name(rc),
			    sql_error(rs->sql));
		recstore_close(rs);
		return rc;
	}
	begin_at(rs, now);
	*out = rs;
	return SQL_OK;
}

void
recstore_close(struct recstore *rs)
{
	size_t i;

	if (rs == NULL)
		return;
	for (i = 0; rs->deferred != NULL && i < RECSTORE_DEFERRED; i++)
		free(rs->deferred[i].raw);
	free(rs->deferred);
	mtree_fini(&rs->tree);
	pends_fini(&rs->pends);
	free(rs->undo);
	if (rs->sql != NULL)
		sql_rollback(rs->sql);
	sql_close(rs->sql);
	free(rs);
}

/* --- rows --- */

uint64_t
recstore_row(const struct recstore *rs, const uint8_t key[32])
{
	const struct pend *e = pends_newest(&rs->pends, key);
	struct mtree_entry m;

	if (e != NULL)
		return e->row;
	return mtree_get(&rs->tree, MTREE_CURRENT, key, &m) ? m.row : 0;
}

enum sql_rc
recstore_read(struct recstore *rs, const uint8_t key[32], struct sql_rec *r)
{
	uint64_t row = recstore_row(rs, key);

	return row == 0 ? SQL_NONE : sql_rec_get(rs->sql, row, key, r);
}

/* --- transactions --- */

/* One step back: the version of that key and tick as it was. */
static void
step_back(struct recstore *rs, const struct undo *u)
{
	struct pend *e = pends_at(&rs->pends, u->was.key, u->was.tick);
	uint32_t next;

	if (e == NULL)
		return;
	rs->pends.held -= e->held;
	if (!u->existed) {
		e->held = false;
		pends_remove_at(&rs->pends, u->was.key, u->was.tick);
		return;
	}
	next = e->next;
	*e = u->was;
	e->next = next;
	rs->pends.held += e->held;
}

/*
 * The disk may refuse to be read as well just now, so what is in memory goes
 * back by itself.  The tree has not moved: it turns only after a commit.
 */
void
recstore_undo(struct recstore *rs)
{
	sql_rollback(rs->sql);
	while (rs->n_undo > 0)
		step_back(rs, &rs->undo[--rs->n_undo]);
	rs->seq = rs->seq_committed;
	rs->dirty = false;
	authors_forget(rs);
}

bool
recstore_note_undo(struct recstore *rs, const struct pend *e,
    const uint8_t key[32], uint64_t tick)
{
	struct undo *u = rs->undo;
	size_t cap = rs->cap_undo == 0 ? 256 : rs->cap_undo * 2;

	if (rs->n_undo == rs->cap_undo) {
		if ((u = reallocarray(u, cap, sizeof(*u))) == NULL)
			return false;
		rs->undo = u;
		rs->cap_undo = cap;
	}
	u = &rs->undo[rs->n_undo++];
	memset(u, 0, sizeof(*u));
	u->existed = e != NULL;
	if (e != NULL)
		u->was = *e;
	memcpy(u->was.key, key, 32);
	u->was.tick = tick;
	return true;
}

bool
recstore_is_dirty(const struct recstore *rs)
{
	return rs->dirty || rs->broken;
}

enum sql_rc
recstore_commit(struct recstore *rs)
{
	enum sql_rc rc;
	bool wrote;

	if (rs->broken) {
		rs->broken = false;
		rs->n.failed_commits++;
		return SQL_IO;
	}
	if (!rs->dirty)
		return SQL_NONE;
	wrote = sql_has_changed(rs->sql);
	rc = sql_in_transaction(rs->sql) ? sql_commit(rs->sql) : SQL_IO;
	rs->dirty = false;
	if (rc == SQL_OK) {
		rs->n.commits += wrote;
		rs->n_undo = 0;
		rs->seq_committed = rs->seq;
		if (rs->n_new >= rs->hurry_at)
			sql_hurry(rs->sql, true);
		return wrote ? SQL_OK : SQL_NONE;
	}
	rs->n.failed_commits++;
	recstore_undo(rs);
	return rc;
}

uint8_t
recstore_after(uint8_t verdict, enum sql_rc rc)
{
	if (rc == SQL_OK || rc == SQL_NONE)
		return verdict;
	switch (verdict) {
	case DB_NEW:
	case DB_OLD:
	case DB_NOT_ADMITTED:
	case DB_OVER_QUOTA:
	case DB_CONFLICT:
		return DB_DISK;
	default: /* of the record alone, or of the moment */
		return verdict;
	}
}

/* --- what it is --- */

uint64_t
recstore_tick(const struct recstore *rs)
{
	return rs->tick;
}

const struct recstore_root *
recstore_root(const struct recstore *rs, uint64_t tick)
{
	const struct recstore_root *r;

	if (tick == MSG_NULL64)
		tick = rs->tick;
	r = &rs->roots[tick % RECSTORE_ROOTS];
	return r->tick == tick && tick != 0 ? r : NULL;
}

void
recstore_claimed(struct recstore *rs, const struct claim *c)
{
	struct recstore_root *r = &rs->roots[c->tick % RECSTORE_ROOTS];

	if (r->tick != c->tick || memcmp(r->root, c->root, 32) != 0)
		return;
	r->claim = *c;
	r->has_claim = true;
}

const struct mtree *
recstore_tree(const struct recstore *rs)
{
	return &rs->tree;
}

struct sql *
recstore_sql(struct recstore *rs)
{
	return rs->sql;
}

const uint8_t *
recstore_dbid(const struct recstore *rs)
{
	return rs->dbid;
}

uint64_t
recstore_seq(const struct recstore *rs)
{
	return rs->seq;
}

size_t
recstore_pending(const struct recstore *rs)
{
	return rs->pends.n;
}

size_t
recstore_late(const struct recstore *rs)
{
	return rs->n_late;
}

size_t
recstore_pending_max(const struct recstore *rs)
{
	return rs->pends.max;
}

size_t
recstore_deferred(const struct recstore *rs)
{
	return rs->n_deferred;
}

size_t
recstore_memory(const struct recstore *rs)
{
	return rs->tree.bytes + pends_bytes(&rs->pends) + sizeof(*rs);
}

uint32_t
recstore_held(const struct recstore *rs)
{
	return rs->pends.held;
}

const struct recstore_counts *
recstore_counts(const struct recstore *rs)
{
	return &rs->n;
}

bool
recstore_has_room(const struct recstore *rs, size_t n)
{
	return rs->pends.n + n <= rs->pends.max;
}
