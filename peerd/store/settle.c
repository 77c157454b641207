/* SPDX-License-Identifier: ISC */
/*
 * Turning a tick: from the records that are stamped up to it, the set that
 * counts.  In this order, because each step looks at what the one before it
 * decided: what expired goes; grants come and go; authors whose admission
 * ended go with all they wrote; what the admitted wrote comes in; what is
 * over quota goes, oldest first.
 *
 * All of it happens in one transaction with the number of the tick.  Memory
 * and the tree change only when that has been committed; the root follows in
 * a transaction of its own.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/hlc.h"
#include "common/log.h"
#include "peerd/store/settle_priv.h"

/* --- 0: damage --- */

/*
 * A row that was found damaged is looked at once more.  If it is lost, its
 * record leaves the tree, too: the root then differs from those of others and
 * a sync brings it back.  A grant goes without a judgement; see there.
 */
static void
mend(struct settle *s)
{
	struct recstore *rs = s->rs;
	const struct recstore_damage *d = rs->damages;
	size_t i;

	/* It failed the last time: the tick is worth more. */
	if (rs->no_mending)
		return;
	for (i = 0; i < rs->n_damages && s->rc == SQL_OK; i++)
		if (!d[i].out && d[i].row != 0 &&
		    recstore_row(rs, d[i].key) == d[i].row &&
		    damage_is_lost(rs, d[i].key)) {
			settle_drop(s, d[i].key);
			settle_lost(s, d[i].row);
		}
}

/* --- 1: expiry --- */

static void
expire_row(struct settle *s, const uint8_t key[32])
{
	uint8_t subject[32];

	if (key[0] == REC_MEMBER && settle_subject_of(s, key, subject))
		settle_subject(s, subject);
	settle_drop(s, key);
	s->expired++;
}

/* A settled version may end while a later one waits for its own tick. */
static void
expire_settled(struct settle *s)
{
	struct recstore *rs = s->rs;
	const struct pend *e;
	struct mtree_entry m;
	uint32_t i;

	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (!e->used || e->tick <= s->tick ||
		    !mtree_get(&rs->tree, MTREE_CURRENT, e->key, &m) ||
		    tick_of_end(rs, e->key[0], m.hlc) > s->tick)
			continue;
		/* This tick may count another, whose row is to stay. */
		if (pends_upto(&rs->pends, e->key, s->tick) == NULL)
			(void)settle_forget_older(s, e->key);
		(void)settle_change(s, e->key, true);
	}
}

static void
expire(struct settle *s)
{
	static uint8_t keys[SETTLE_BATCH][32];
	size_t n, i;

	do {
		if (!settle_check(s,
			sql_expired(s->rs->sql, s->tick, keys, SETTLE_BATCH,
			    &n)))
			return;
		for (i = 0; i < n && s->rc == SQL_OK; i++)
			expire_row(s, keys[i]);
	} while (n == SETTLE_BATCH && s->rc == SQL_OK);
	expire_settled(s);
}

/* --- 4: what was written --- */

/*
 * It may have more keys than before.  Whether this one was in the tree is not
 * asked: that fetches a leaf from afar for each record, while whoever is
 * within quota costs one look at a count, however much came.
 */
static void
note_grown(struct settle *s, int64_t id, uint8_t kind)
{
	struct author_count *seen = &s->seen[((uint64_t)id * 31 + kind) % SEEN];

	if (seen->id == id && seen->kind == kind)
		return;
	seen->id = id;
	seen->kind = kind;
	s->grown = settle_room(s, s->grown, s->n_grown, &s->cap_grown,
	    sizeof(*s->grown));
	if (s->rc != SQL_OK)
		return;
	s->grown[s->n_grown].id = id;
	s->grown[s->n_grown].kind = kind;
	s->n_grown++;
}

/* Its author is not admitted: whatever was written up to now goes. */
static void
drop_held(struct settle *s, const struct pend *e)
{
	const struct pend *newest = pends_newest(&s->rs->pends, e->key);
	int64_t author = e->author;

	if (newest != e) { /* the later one is judged in its own tick */
		(void)settle_forget_older(s, e->key);
		return;
	}
	settle_drop(s, e->key);
	s->unadmitted++;
	(void)settle_check(s, authors_drop(s->rs, author));
}

/* Of an author that is lost nothing counts. */
static bool
who_is(struct settle *s, const struct pend *e, struct sql_author *a)
{
	enum sql_rc rc = authors_by_id(s->rs, e->author, a);

	if (rc != SQL_NONE && rc != SQL_BAD)
		return settle_check(s, rc);
	damage_note(s->rs, e->row, e->key, "its author is not known");
	a->admitted = false;
	return true;
}

static void
take_written(struct settle *s)
{
	struct recstore *rs = s->rs;
	struct sql_author a = { .id = 0 };
	const struct pend *e;
	uint32_t i;

	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (e->key[0] == REC_MEMBER || !settle_counts(s, e))
			continue;
		if (settle_over(s, e)) {
			(void)settle_forget_older(s, e->key);
			continue;
		}
		if (a.id != e->author && !who_is(s, e, &a))
			return;
		if (!a.admitted) {
			drop_held(s, e);
			a.id = 0;
			continue;
		}
		note_grown(s, e->author, e->key[0]);
		settle_put(s, e);
		s->settled++;
	}
}

/* --- 5: quotas --- */

/* The version this tick counts goes; a later one is judged later. */
static void
evict_key(struct settle *s, const uint8_t key[32])
{
	const struct pend *newest = pends_newest(&s->rs->pends, key);

	s->evicted++;
	if (newest == NULL || newest->tick <= s->tick)
		settle_drop(s, key);
	else if (settle_forget_older(s, key))
		(void)settle_change(s, key, true);
}

static void
evict(struct settle *s, const struct author_count *g)
{
	const struct charter_kind *k = charter_kind(s->rs->ch, g->kind);
	static uint8_t keys[SETTLE_BATCH][32];
	size_t i, n;
	uint32_t have;

	if (k == NULL || k->quota == 0 ||
	    !settle_check(s, authors_count(s->rs, g->id, g->kind, &have)) ||
	    have <= k->quota)
		return;
	do {
		if (!settle_check(s,
			sql_author_surplus(s->rs->sql, g->id, g->kind, k->quota,
			    s->tick, keys, SETTLE_BATCH, &n)))
			return;
		for (i = 0; i < n && s->rc == SQL_OK; i++)
			evict_key(s, keys[i]);
	} while (n == SETTLE_BATCH && s->rc == SQL_OK);
}

static int
by_author(const void *pa, const void *pb)
{
	const struct author_count *a = pa, *b = pb;

	return a->id != b->id ? (a->id < b->id ? -1 : 1)
			      : (int)a->kind - (int)b->kind;
}

/* Each author and kind once, however much of it came. */
static void
evict_all(struct settle *s)
{
	size_t i;

	if (s->n_grown > 0)
		qsort(s->grown, s->n_grown, sizeof(*s->grown), by_author);
	for (i = 0; i < s->n_grown && s->rc == SQL_OK; i++)
		if (i == 0 || by_author(&s->grown[i - 1], &s->grown[i]) != 0)
			evict(s, &s->grown[i]);
}

/* --- the tree --- */

static int
by_key(const void *pa, const void *pb)
{
	const struct change *a = pa, *b = pb;
	int c = memcmp(a->c.e.key, b->c.e.key, 32);

	return c != 0 ? c : a->order < b->order ? -1 : 1;
}

/* The changes in order of their keys, one a key; NULL when out of memory. */
static struct mtree_change *
sort_changes(struct settle *s, size_t *n)
{
	struct mtree_change *ch = reallocarray(NULL, s->n + 1, sizeof(*ch));
	size_t i;

	*n = 0;
	if (ch == NULL) {
		settle_fail(s, SQL_IO);
		return NULL;
	}
	if (s->n > 0)
		qsort(s->ch, s->n, sizeof(*s->ch), by_key);
	for (i = 0; i < s->n; i++)
		if (i + 1 == s->n ||
		    memcmp(s->ch[i].c.e.key, s->ch[i + 1].c.e.key, 32) != 0)
			ch[(*n)++] = s->ch[i].c;
	return ch;
}

/*
 * The disk has it, so the tree must follow.  It cannot but for want of
 * memory, and then only a new life can build it from what is committed.
 */
static void
turn_tree(struct settle *s, const struct mtree_change *ch, size_t n)
{
	enum mtree_err err = mtree_apply(&s->rs->tree, s->tick, ch, n);

	if (err != MTREE_OK)
		fatalx(EX_OSERR, "tick %llu: %s", (unsigned long long)s->tick,
		    mtree_err_name(err));
	s->rs->n.settle_changes_last = n;
}

static void
write_tick(struct settle *s)
{
	struct recstore *rs = s->rs;
	uint8_t buf[8];

	put_u64(buf, s->tick);
	if (settle_check(s, sql_meta_put(rs->sql, "tick", buf, sizeof(buf))) &&
	    rs->log_since_prune > RECSTORE_LOG / 100 &&
	    rs->seq > RECSTORE_LOG) {
		(void)settle_check(s,
		    sql_log_prune(rs->sql, rs->seq - RECSTORE_LOG));
		rs->log_since_prune = 0;
	}
}

/* For the next start to compare with.  Without it, it does not compare. */
static void
write_root(struct recstore *rs, const struct claim *c)
{
	uint8_t buf[40];

	put_u64(buf, c->tick);
	memcpy(buf + 8, c->root, 32);
	if (sql_begin(rs->sql) != SQL_OK)
		return;
	if (sql_meta_put(rs->sql, "root", buf, sizeof(buf)) != SQL_OK ||
	    sql_commit(rs->sql) != SQL_OK)
		sql_rollback(rs->sql);
}

/* Rows of older versions that no tick to come will look at. */
static void
clear_older(struct settle *s)
{
	struct recstore *rs = s->rs;
	const struct pend *e, *newest;
	uint32_t i;

	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (!e->used || e->tick > s->tick)
			continue;
		newest = pends_newest(&rs->pends, e->key);
		if ((newest == e && !e->older) || !settle_counts(s, e))
			continue;
		(void)settle_check(s,
		    sql_older_delete(rs->sql, e->key,
			newest == e ? INT64_MAX : e->tick));
	}
}

/* --- after the commit --- */

static bool
is_welcome(const struct settle *s, int64_t author)
{
	size_t i;

	for (i = 0; i < s->n_welcome; i++)
		if (s->welcome[i] == author)
			return true;
	return false;
}

/*
 * What is pending still, and for whom.  Nothing is read from the disk here:
 * it could refuse, and what was committed is not to be decided anew.
 */
static void
forget_settled(struct settle *s)
{
	struct recstore *rs = s->rs;
	uint8_t key[32];
	uint32_t i;

	for (i = 0; i < rs->pends.cap; i++)
		while (
		    rs->pends.all[i].used && rs->pends.all[i].tick <= s->tick) {
			memcpy(key, rs->pends.all[i].key, 32);
			pends_remove(&rs->pends, key, s->tick);
		}
	/* What was dropped altogether has no later version either. */
	for (i = 0; i < s->n; i++)
		if (s->ch[i].gone)
			pends_remove(&rs->pends, s->ch[i].c.e.key, UINT64_MAX);
	/* A grant made those welcome who had come before it. */
	for (i = 0; i < rs->pends.cap && s->n_welcome > 0; i++) {
		struct pend *e = &rs->pends.all[i];

		if (e->used && e->held && is_welcome(s, e->author)) {
			e->held = false;
			rs->pends.held--;
		}
	}
}

static void
count(struct settle *s)
{
	struct recstore_counts *n = &s->rs->n;

	n->settled += s->settled;
	n->expired += s->expired;
	n->evicted += s->evicted;
	n->unadmitted += s->unadmitted;
}

static void
run(struct settle *s)
{
	mend(s);
	expire(s);
	settle_take_grants(s);
	settle_judge(s);
	take_written(s);
	evict_all(s);
	clear_older(s);
	if (s->rc == SQL_OK)
		write_tick(s);
}

static void
note_root(struct recstore *rs, struct claim *c)
{
	struct recstore_root *r = &rs->roots[rs->tick % RECSTORE_ROOTS];

	memset(r, 0, sizeof(*r));
	r->tick = rs->tick;
	mtree_top(&rs->tree, MTREE_CURRENT, &r->top);
	claim_set(c, rs->ch->netid, rs->tick, &r->top);
	memcpy(r->root, c->root, 32);
}

/* It is durable: now all that is in memory follows. */
static void
follow(struct settle *s, const struct mtree_change *ch, size_t n)
{
	struct recstore *rs = s->rs;
	struct claim c;
	size_t i;

	for (i = 0; i < s->n_lost; i++)
		damage_set_out(rs, s->lost[i]);
	rs->no_mending = false;
	turn_tree(s, ch, n);
	rs->tick = s->tick;
	rs->n_late = 0;
	forget_settled(s);
	pends_trim(&rs->pends);
	damage_settled(rs);
	note_root(rs, &c);
	write_root(rs, &c);
	count(s);
	if (rs->n_new < rs->hurry_at / 10)
		sql_hurry(rs->sql, false);
	rs->n_new = 0;
}

enum sql_rc
recstore_settle(struct recstore *rs, struct wall now)
{
	struct settle s = { .rs = rs, .rc = SQL_OK };
	struct wall due = recstore_due(rs, now);
	struct mtree_change *ch = NULL;
	size_t n = 0;

	/* What was put before belongs to its own commit and its answers. */
	if (due.ms > now.ms || recstore_is_dirty(rs))
		return SQL_NONE;
	s.tick = (uint64_t)(due.ms - rs->ch->settle_ms) / rs->ch->tick_ms;
	if (settle_check(&s, sql_begin(rs->sql))) {
		run(&s);
		if (s.rc == SQL_OK)
			ch = sort_changes(&s, &n);
		if (s.rc == SQL_OK)
			(void)settle_check(&s, sql_commit(rs->sql));
		if (s.rc == SQL_OK)
			follow(&s, ch, n);
		else
			recstore_undo(rs);
	}
	if (s.rc == SQL_CORRUPT) {
		rs->no_mending = true;
		damage_note(rs, 0, NULL, "a page that a tick needs is damaged");
	}
	free(ch);
	free(s.ch);
	free(s.subjects);
	free(s.welcome);
	free(s.grown);
	free(s.lost);
	return s.rc;
}
