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
#include "peerd/store/recstore_priv.h"

#define BATCH 512 /* keys asked of the disk at a time */
#define SEEN                                                                   \
	256 /* authors and kinds that are noted once, not again and again */

/* A change of the tree, in the order it was decided: later ones win. */
struct change {
	struct mtree_change c;
	uint32_t order;
	bool gone; /* from the disk, too: no later version is left */
};

struct settle {
	struct recstore *rs;
	uint64_t tick;
	enum sql_rc rc;
	struct change *ch;
	size_t n, cap;
	/* Subjects of grants that came, changed or went. */
	uint8_t (*subjects)[32];
	size_t n_subjects, cap_subjects;
	/* Authors whose admission begins with this tick. */
	int64_t *welcome;
	size_t n_welcome, cap_welcome;
	/* (author, kind) that got anything, and which were noted last. */
	struct author_count *grown, seen[SEEN];
	size_t n_grown, cap_grown;
	uint64_t expired, evicted, unadmitted, settled;
};

static void
fail(struct settle *s, enum sql_rc rc)
{
	if (s->rc == SQL_OK)
		s->rc = rc;
}

static bool
check(struct settle *s, enum sql_rc rc)
{
	if (rc != SQL_OK)
		fail(s, rc);
	return s->rc == SQL_OK;
}

/* Room for one more; the array, or NULL. */
static void *
room(struct settle *s, void *array, size_t n, size_t *cap, size_t size)
{
	void *p;

	if (n < *cap)
		return array;
	p = reallocarray(array, *cap == 0 ? 256 : *cap * 2, size);
	if (p == NULL) {
		fail(s, SQL_IO);
		return array;
	}
	*cap = *cap == 0 ? 256 : *cap * 2;
	return p;
}

static struct change *
add_change(struct settle *s, const uint8_t key[32], bool del)
{
	struct change *c;

	s->ch = room(s, s->ch, s->n, &s->cap, sizeof(*s->ch));
	if (s->rc != SQL_OK)
		return NULL;
	c = &s->ch[s->n];
	memset(c, 0, sizeof(*c));
	memcpy(c->c.e.key, key, 32);
	c->c.del = del;
	c->order = (uint32_t)s->n++;
	return c;
}

static void
change_put(struct settle *s, const struct pend *e)
{
	struct change *c = add_change(s, e->key, false);

	if (c == NULL)
		return;
	memcpy(c->c.e.rid, e->rid, 32);
	c->c.e.hlc = e->hlc;
	c->c.e.row = e->row;
	c->c.e.w = e->w;
}

static void
note_subject(struct settle *s, const uint8_t subject[32])
{
	s->subjects = room(s, s->subjects, s->n_subjects, &s->cap_subjects,
	    sizeof(*s->subjects));
	if (s->rc == SQL_OK)
		memcpy(s->subjects[s->n_subjects++], subject, 32);
}

/* --- what a tick counts of a key --- */

/*
 * The row of a key, where there is one.  Reading may fail, too, and SQLite may
 * have given up the transaction then: nothing may be written after that.
 */
static bool
row_of(struct settle *s, const uint8_t key[32], struct sql_rec *r)
{
	enum sql_rc rc = s->rc == SQL_OK ? recstore_read(s->rs, key, r) : s->rc;

	if (rc != SQL_OK && rc != SQL_NONE)
		fail(s, rc);
	return rc == SQL_OK;
}

/* The subject of a member record, from its body. */
static bool
subject_of(struct settle *s, const uint8_t key[32], uint8_t subject[32])
{
	struct sql_rec r;
	struct rec rec;

	if (!row_of(s, key, &r) ||
	    rec_decode_body(&rec, s->rs->ch, r.body, r.body_len) != REC_OK ||
	    rec.subject_len != 32)
		return false;
	memcpy(subject, rec.subject, 32);
	return true;
}

/* Take a key out, from the disk and from the tree. */
static void
drop_key(struct settle *s, const uint8_t key[32])
{
	struct recstore *rs = s->rs;
	struct change *c;
	struct sql_rec r;

	if (row_of(s, key, &r))
		authors_counted(rs, r.author, r.kind, -1);
	if (s->rc == SQL_OK &&
	    check(s, sql_rec_delete(rs->sql, recstore_row(rs, key), key)) &&
	    check(s, sql_older_delete(rs->sql, key, INT64_MAX)) &&
	    (c = add_change(s, key, true)) != NULL)
		c->gone = true;
}

/* No tick stands on the older versions of this key any more. */
static bool
forget_older(struct settle *s, const uint8_t key[32])
{
	return check(s, sql_older_delete(s->rs->sql, key, s->tick + 1));
}

/* --- 1: expiry --- */

static void
expire_row(struct settle *s, const uint8_t key[32])
{
	uint8_t subject[32];

	if (key[0] == REC_MEMBER && subject_of(s, key, subject))
		note_subject(s, subject);
	drop_key(s, key);
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
			(void)forget_older(s, e->key);
		(void)add_change(s, e->key, true);
	}
}

static void
expire(struct settle *s)
{
	static uint8_t keys[BATCH][32];
	size_t n, i;

	do {
		if (!check(s,
			sql_expired(s->rs->sql, s->tick, keys, BATCH, &n)))
			return;
		for (i = 0; i < n && s->rc == SQL_OK; i++)
			expire_row(s, keys[i]);
	} while (n == BATCH && s->rc == SQL_OK);
	expire_settled(s);
}

/* --- 2 and 3: grants, and those who lost theirs --- */

/* Is e what the tick counts of its key, and not over already? */
static bool
is_counted(const struct settle *s, const struct pend *e)
{
	return e->used && e->tick <= s->tick &&
	    pends_upto(&s->rs->pends, e->key, s->tick) == e;
}

static bool
is_over(const struct settle *s, const struct pend *e)
{
	return tick_of_end(s->rs, e->key[0], e->hlc) <= s->tick;
}

static void
take_grants(struct settle *s)
{
	struct recstore *rs = s->rs;
	const struct pend *e;
	uint8_t subject[32];
	uint32_t i;

	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (e->key[0] != REC_MEMBER || !is_counted(s, e))
			continue;
		if (is_over(s, e)) {
			(void)forget_older(s, e->key);
			continue;
		}
		if (subject_of(s, e->key, subject))
			note_subject(s, subject);
		change_put(s, e);
	}
}

/*
 * Is a grant what the tick counts of this key?  Changes of this very tick are
 * still pending, all others are in the tree.
 */
static bool
is_granted_by(struct settle *s, const uint8_t key[32])
{
	const struct pend *e = pends_upto(&s->rs->pends, key, s->tick);
	struct sql_older o;
	struct mtree_entry m;
	struct sql_rec r;
	struct rec rec;
	enum sql_rc rc;

	if (e != NULL)
		return !e->tombstone && !is_over(s, e);
	if (!mtree_get(&s->rs->tree, MTREE_CURRENT, key, &m) ||
	    tick_of_end(s->rs, REC_MEMBER, m.hlc) <= s->tick ||
	    !row_of(s, key, &r))
		return false;
	if (memcmp(r.rid, m.rid, 32) != 0) { /* a later one is pending */
		rc = sql_older_get(s->rs->sql, key, s->tick, &o);
		if (rc != SQL_OK && rc != SQL_NONE)
			fail(s, rc);
		return rc == SQL_OK && !o.tombstone;
	}
	return rec_decode_body(&rec, s->rs->ch, r.body, r.body_len) == REC_OK &&
	    (rec.flags & REC_TOMBSTONE) == 0;
}

/* The keys of all member records that could be about a subject. */
static size_t
grant_keys(const struct settle *s, const uint8_t subject[32],
    uint8_t keys[CHARTER_AUTHORITY_MAX][32])
{
	const struct charter *ch = s->rs->ch;
	struct rec rec = { .kind = REC_MEMBER, .subject_len = 32 };
	size_t i, n = ch->admission == CHARTER_MEMBERS ? ch->n_authority : 1;

	memcpy(rec.subject, subject, 32);
	for (i = 0; i < n; i++) {
		memcpy(rec.author,
		    ch->admission == CHARTER_MEMBERS ? ch->authority[i]
						     : subject,
		    32);
		rec_key(keys[i], &rec, ch->netid);
	}
	return n;
}

static bool
has_grant_now(struct settle *s, const uint8_t subject[32])
{
	uint8_t keys[CHARTER_AUTHORITY_MAX][32];
	size_t i, n = grant_keys(s, subject, keys);

	for (i = 0; i < n; i++)
		if (is_granted_by(s, keys[i]))
			return true;
	return false;
}

/*
 * All that the author wrote up to this tick goes.  What is stamped later is
 * judged later: a new grant may have come with it.
 */
static void
drop_author(struct settle *s, int64_t id)
{
	struct recstore *rs = s->rs;
	static uint8_t keys[BATCH][32];
	const struct pend *e;
	size_t n, i;

	do {
		if (!check(s,
			sql_author_keys(rs->sql, id, s->tick, keys, BATCH, &n)))
			return;
		for (i = 0; i < n && s->rc == SQL_OK; i++) {
			drop_key(s, keys[i]);
			s->unadmitted++;
		}
	} while (n == BATCH && s->rc == SQL_OK);
	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (e->used && e->author == id && e->tick > s->tick &&
		    e->key[0] != REC_MEMBER && forget_older(s, e->key))
			(void)add_change(s, e->key, true);
	}
}

static void
note_welcome(struct settle *s, int64_t id)
{
	s->welcome = room(s, s->welcome, s->n_welcome, &s->cap_welcome,
	    sizeof(*s->welcome));
	if (s->rc == SQL_OK)
		s->welcome[s->n_welcome++] = id;
}

static void
judge_subjects(struct settle *s)
{
	struct sql_author a;
	bool now;
	size_t i;

	for (i = 0; i < s->n_subjects && s->rc == SQL_OK; i++) {
		if (!check(s, authors_get(s->rs, s->subjects[i], true, &a)))
			return;
		now = has_grant_now(s, s->subjects[i]);
		if (s->rc != SQL_OK)
			return;
		if (now == a.admitted)
			continue;
		if (!check(s, authors_admit(s->rs, a.id, now)))
			return;
		if (now)
			note_welcome(s, a.id);
		else
			drop_author(s, a.id);
	}
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
	s->grown =
	    room(s, s->grown, s->n_grown, &s->cap_grown, sizeof(*s->grown));
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
		(void)forget_older(s, e->key);
		return;
	}
	drop_key(s, e->key);
	s->unadmitted++;
	(void)check(s, authors_drop(s->rs, author));
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
		if (e->key[0] == REC_MEMBER || !is_counted(s, e))
			continue;
		if (is_over(s, e)) {
			(void)forget_older(s, e->key);
			continue;
		}
		if (a.id != e->author &&
		    !check(s, authors_by_id(rs, e->author, &a)))
			return;
		if (!a.admitted) {
			drop_held(s, e);
			a.id = 0;
			continue;
		}
		note_grown(s, e->author, e->key[0]);
		change_put(s, e);
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
		drop_key(s, key);
	else if (forget_older(s, key))
		(void)add_change(s, key, true);
}

static void
evict(struct settle *s, const struct author_count *g)
{
	const struct charter_kind *k = charter_kind(s->rs->ch, g->kind);
	static uint8_t keys[BATCH][32];
	size_t i, n;
	uint32_t have;

	if (k == NULL || k->quota == 0 ||
	    !check(s, authors_count(s->rs, g->id, g->kind, &have)) ||
	    have <= k->quota)
		return;
	do {
		if (!check(s,
			sql_author_surplus(s->rs->sql, g->id, g->kind, k->quota,
			    s->tick, keys, BATCH, &n)))
			return;
		for (i = 0; i < n && s->rc == SQL_OK; i++)
			evict_key(s, keys[i]);
	} while (n == BATCH && s->rc == SQL_OK);
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
		fail(s, SQL_IO);
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
	if (check(s, sql_meta_put(rs->sql, "tick", buf, sizeof(buf))) &&
	    rs->log_since_prune > RECSTORE_LOG / 100 &&
	    rs->seq > RECSTORE_LOG) {
		(void)check(s, sql_log_prune(rs->sql, rs->seq - RECSTORE_LOG));
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
		if ((newest == e && !e->older) || !is_counted(s, e))
			continue;
		(void)check(s,
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
	expire(s);
	take_grants(s);
	judge_subjects(s);
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

	turn_tree(s, ch, n);
	rs->tick = s->tick;
	rs->n_late = 0;
	forget_settled(s);
	pends_trim(&rs->pends);
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
	if (check(&s, sql_begin(rs->sql))) {
		run(&s);
		if (s.rc == SQL_OK)
			ch = sort_changes(&s, &n);
		if (s.rc == SQL_OK)
			(void)check(&s, sql_commit(rs->sql));
		if (s.rc == SQL_OK)
			follow(&s, ch, n);
		else
			recstore_undo(rs);
	}
	free(ch);
	free(s.ch);
	free(s.subjects);
	free(s.welcome);
	free(s.grown);
	return s.rc;
}
