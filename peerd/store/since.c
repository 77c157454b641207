/* SPDX-License-Identifier: ISC */
/*
 * Catching up by cursor.  When the roots of a tick agreed, whatever the peer
 * logged up to the tick before is here as well; should the link be lost, we
 * ask for what it logged since then, instead of comparing trees.  A cursor
 * names the database it belongs to, for a log that was begun anew counts
 * from one again.  Cursors outlive the process: they are written with the
 * tick, after what they stand for.
 *
 * Sessions and fetches bring what a peer has settled.  Whoever was not in step
 * with anybody asks for what waits for its tick as well, or the next ticks
 * would differ.
 */
#include <string.h>

#include "common/log.h"
#include "peerd/recon.h"
#include "peerd/store/batch.h"
#include "peerd/store/links.h"

#define CURSORS_MAX  256
#define SINCE_MAX    20000 /* entries told; more is the tree's business */
#define SINCE_BATCH  100
#define TELLINGS_MAX 128 /* whoever finds no place has the tree */
#define PENDING_ASKS 2   /* between two ticks of ours */

/* Where we stand in a peer's log. */
static struct cursor {
	uint8_t id[32], dbid[16];
	uint64_t seq; /* 0: free */
	bool dirty;   /* not on disk as it is here */
} cursors[CURSORS_MAX];
static size_t next_cursor;

/* A peer that is being told. */
static struct telling {
	uint32_t link; /* 0: free */
	uint16_t sid;
	uint64_t seq, left;
	bool pending; /* not of the log, but what waits for its tick */
	uint32_t at;
} tellings[TELLINGS_MAX];

static unsigned pending_asks;
static bool in_step; /* with somebody, tick by tick, as long as there are links */

static struct cursor *
cursor_of(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < CURSORS_MAX; i++)
		if (cursors[i].seq != 0 && memcmp(cursors[i].id, id, 32) == 0)
			return &cursors[i];
	return NULL;
}

/* A place for one more; whose it was is forgotten, on disk as well. */
static struct cursor *
new_cursor(void)
{
	struct cursor *c = &cursors[next_cursor++ % CURSORS_MAX];

	if (c->seq != 0)
		(void)sql_cursor_delete(recstore_sql(store.rs), c->id);
	memset(c, 0, sizeof(*c));
	return c;
}

static void
move(const struct link_peer *p)
{
	struct cursor *c = cursor_of(p->id);

	if (p->before.seq == 0)
		return;
	if (c == NULL)
		c = new_cursor();
	else if (c->seq == p->before.seq &&
	    memcmp(c->dbid, p->root.dbid, 16) == 0)
		return;
	memcpy(c->id, p->id, 32);
	memcpy(c->dbid, p->root.dbid, 16);
	c->seq = p->before.seq;
	c->dirty = true;
}

/* --- on disk --- */

/* All that moved, in one transaction; what fails is tried with the next tick,
 * and a cursor that lags costs a few records sent twice. */
void
since_tick(void)
{
	struct sql *db = recstore_sql(store.rs);
	enum sql_rc rc = SQL_OK;
	struct sql_cursor row;
	size_t i, n = 0;

	pending_asks = 0;
	for (i = 0; i < CURSORS_MAX; i++)
		n += cursors[i].dirty;
	if (n == 0)
		return;
	writes_commit(); /* a transaction of its own */
	if (sql_begin(db) != SQL_OK)
		return;
	for (i = 0; i < CURSORS_MAX && rc == SQL_OK; i++) {
		if (!cursors[i].dirty)
			continue;
		memcpy(row.id, cursors[i].id, 32);
		memcpy(row.dbid, cursors[i].dbid, 16);
		row.seq = cursors[i].seq;
		rc = sql_cursor_put(db, &row);
	}
	if (rc == SQL_OK)
		rc = sql_commit(db);
	if (rc != SQL_OK) {
		sql_rollback(db);
		return;
	}
	for (i = 0; i < CURSORS_MAX; i++)
		cursors[i].dirty = false;
}

void
since_start(void)
{
	static struct sql_cursor rows[CURSORS_MAX];
	size_t i, n;

	if (sql_cursor_all(recstore_sql(store.rs), rows, CURSORS_MAX, &n) !=
	    SQL_OK)
		return; /* the tree will do */
	for (i = 0; i < n; i++) {
		memcpy(cursors[i].id, rows[i].id, 32);
		memcpy(cursors[i].dbid, rows[i].dbid, 16);
		cursors[i].seq = rows[i].seq;
	}
	next_cursor = n;
}

/* --- asking and telling --- */

static bool
ask(struct link_peer *p, uint64_t seq)
{
	uint8_t buf[64];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_since(&w, 0, p->root.dbid, seq);
	return !w.bad && links_send(p, buf, w.len);
}

/* On the first root of a link: does its log go on where we stood? */
static void
ask_log(struct link_peer *p)
{
	const struct cursor *c = cursor_of(p->id);

	p->unknown = c == NULL || memcmp(c->dbid, p->root.dbid, 16) != 0 ||
	    p->root.seq < c->seq || p->root.seq - c->seq > SINCE_MAX;
	if (!p->unknown && p->root.seq > c->seq && ask(p, c->seq))
		store.n.sync_cursors_asked++;
}

bool
since_pending(struct link_peer *p)
{
	if (pending_asks == PENDING_ASKS)
		return false;
	pending_asks++;
	p->unknown = false;
	log_debug("sync: link %u is asked for what waits for its tick",
	    p->link);
	(void)ask(p, WIRE_SINCE_TICK);
	return true;
}

void
since_synced(struct link_peer *p)
{
	if (p->unknown)
		(void)since_pending(p);
}

void
since_root(struct link_peer *p, bool equal)
{
	if (!equal) {
		if (!p->compared)
			ask_log(p);
		return;
	}
	p->unknown = false;
	if (p->compared) {
		in_step = true;
		move(p);
	} else if (!in_step) {
		(void)since_pending(p);
	}
}

void
since_asked(struct link_peer *p, const struct wire_msg *m)
{
	bool pending = m->seq == WIRE_SINCE_TICK;
	struct telling *t, *slot = NULL;
	uint64_t first, last = 0;

	if (memcmp(m->dbid, recstore_dbid(store.rs), 16) != 0)
		return; /* the tree will do */
	if (!pending &&
	    (sql_log_bounds(recstore_sql(store.rs), &first, &last) != SQL_OK ||
		m->seq + 1 < first || m->seq >= last ||
		last - m->seq > SINCE_MAX))
		return;
	for (t = tellings; t < tellings + TELLINGS_MAX; t++) {
		if (t->link == p->link)
			return; /* one at a time */
		if (t->link == 0)
			slot = t;
	}
	if (slot == NULL)
		return;
	memset(slot, 0, sizeof(*slot));
	slot->link = p->link;
	slot->sid = m->sid;
	slot->pending = pending;
	slot->seq = m->seq;
	slot->left = pending ? 0 : last - m->seq;
	since_go_on(p);
}

/* What comes next of the log, or of what waits for its tick. */
static size_t
next_keys(const struct telling *t, uint8_t (*keys)[32], uint64_t *seqs)
{
	uint32_t at = t->at;
	size_t n = 0, i;

	if (!t->pending)
		return t->left > 0 &&
			sql_log_after(recstore_sql(store.rs), t->seq, keys,
			    seqs, SINCE_BATCH, &n) == SQL_OK
		    ? n
		    : 0;
	for (i = 0; i < SINCE_BATCH &&
	     recstore_pending_keys(store.rs, &at, &keys[i], 1) == 1; i++)
		seqs[i] = at;
	return i;
}

/* One message of records; false when there are no more. */
static bool
tell(struct link_peer *p, struct telling *t)
{
	static uint8_t keys[SINCE_BATCH][32], buf[RECON_MSG_MAX];
	uint64_t seqs[SINCE_BATCH];
	size_t n = next_keys(t, keys, seqs), i;
	struct wr w;

	batch_begin();
	for (i = 0; i < n && batch_add(store.rs, keys[i]); i++) {
		if (t->pending) {
			t->at = (uint32_t)seqs[i];
			continue;
		}
		t->seq = seqs[i];
		t->left -= t->left > 0;
	}
	if (batch_count() == 0)
		return n > 0;
	wr_init(&w, buf, sizeof(buf));
	batch_put(&w, t->sid);
	store.n.sync_records_out += batch_count();
	return !w.bad && links_send(p, buf, w.len);
}

void
since_go_on(struct link_peer *p)
{
	struct telling *t;

	for (t = tellings; t < tellings + TELLINGS_MAX; t++) {
		if (t->link != p->link)
			continue;
		while (links_may_send(p))
			if (!tell(p, t)) {
				t->link = 0;
				return;
			}
		return;
	}
}

void
since_peer_gone(const struct link_peer *p)
{
	struct link_peer *other = links_next(NULL);
	struct telling *t;

	if (other == p)
		other = links_next(other);
	in_step = in_step && other != NULL;
	for (t = tellings; t < tellings + TELLINGS_MAX; t++)
		if (t->link == p->link)
			t->link = 0;
}

void
since_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < CURSORS_MAX; i++)
		n += cursors[i].seq != 0;
	emit(arg, "peers whose log is followed", n, CURSORS_MAX, 0);
	for (n = 0, i = 0; i < TELLINGS_MAX; i++)
		n += tellings[i].link != 0;
	emit(arg, "peers told of our log", n, TELLINGS_MAX, 0);
}
