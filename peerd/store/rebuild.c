/* SPDX-License-Identifier: ISC */
/*
 * A store begins: the rows, as they lie on disk, become the tree of the last
 * settled tick and the list of what is pending.
 *
 *   rec, in order of coming --> shelves by the first bits of the key
 *                                     |
 *        each sorted by itself, and given back once woven  --> tree
 *
 * So the whole is never sorted at once nor held twice.  The table is read from
 * end to end, bodies included, for that is how a disk reads fastest; there is
 * no index of keys.
 *
 * A damaged row is no reason not to start: it is left out and then deleted,
 * so that the root differs from those of others and a sync brings its record
 * back.  A page that cannot be read at all is one.  Tested in
 * tests/unit/recstore_test.c.
 */
#include <stdlib.h>
#include <string.h>

#include "peerd/store/recstore_priv.h"

/* A kind, and the next four bits of the key. */
#define SHELVES 4096

/* Blocks as large as malloc() takes from the system one by one, and gives
 * back one by one; what is not used of one costs nothing. */
#define BLOCK_ENTRIES 2000

struct block {
	struct block *next;
	size_t n;
	struct mtree_entry e[BLOCK_ENTRIES];
};

/* The first bytes of a key, as a number, decide nearly always. */
struct place {
	uint64_t head;
	const struct mtree_entry *e;
};

struct builder {
	struct recstore *rs;
	struct block *shelves[SHELVES];
	unsigned shelf; /* being woven */
	struct place *sorted;
	size_t n, at, cap;
	struct waste *waste; /* rows to be deleted */
	size_t n_waste, cap_waste;
	enum sql_rc rc;
};

struct waste {
	uint64_t row;
	uint8_t key[32];
	bool last; /* there is no other row of this key */
};

/* --- what is damaged --- */

static void
take_out(struct builder *b, uint64_t row, const uint8_t key[32], bool last,
    const char *why)
{
	size_t cap = b->cap_waste == 0 ? 64 : b->cap_waste * 2;
	struct waste *w = b->waste;

	damage_note(b->rs, row, key, why);
	if (b->n_waste == b->cap_waste) {
		if ((w = reallocarray(w, cap, sizeof(*w))) == NULL)
			return; /* it stays, and is left out again */
		b->waste = w;
		b->cap_waste = cap;
	}
	w += b->n_waste++;
	w->row = row;
	w->last = last;
	memcpy(w->key, key, 32);
}

/* All or none.  A disk that refuses is no reason not to start, either. */
static void
clear_waste(struct builder *b)
{
	struct sql *db = b->rs->sql;
	const struct waste *w = b->waste;
	enum sql_rc rc;
	size_t i;

	if (b->n_waste == 0)
		return;
	rc = sql_begin(db);
	for (i = 0; i < b->n_waste && rc == SQL_OK; i++) {
		rc = sql_rec_wipe(db, w[i].row);
		if (rc == SQL_OK && w[i].last)
			rc = sql_older_delete(db, w[i].key, INT64_MAX);
	}
	if (rc == SQL_OK)
		rc = sql_commit(db);
	if (rc != SQL_OK) {
		sql_rollback(db);
		return;
	}
	for (i = 0; i < b->n_waste; i++)
		damage_set_out(b->rs, w[i].row);
}

/* --- from disk to the shelves --- */

static void
shelve(struct builder *b, const struct mtree_entry *e)
{
	struct block **at = &b->shelves[e->key[0] << 4 | e->key[1] >> 4];
	struct block *new = *at;

	if (new == NULL || new->n == BLOCK_ENTRIES) {
		if ((new = malloc(sizeof(*new))) == NULL) {
			b->rc = SQL_IO;
			return;
		}
		new->next = *at;
		new->n = 0;
		*at = new;
	}
	new->e[new->n++] = *e;
}

/* A row that no settled tick counts yet; its author is looked up later. */
static bool
pend_rec(struct recstore *rs, const struct sql_rec *r)
{
	struct pend *e = pends_add(&rs->pends, r->key, r->tick);

	if (e == NULL)
		return false;
	memcpy(e->rid, r->rid, 32);
	e->hlc = r->hlc;
	e->row = r->row;
	e->w = r->w;
	e->older = true; /* it may have: settling looks */
	return true;
}

/* Has this row another version than that one? */
static bool
row_wins(const struct sql_rec *r, const struct pend *e)
{
	struct rec_version new = { .hlc = r->hlc }, old = { .hlc = e->hlc };

	memcpy(new.rid, r->rid, 32);
	memcpy(old.rid, e->rid, 32);
	return rec_wins(&new, &old);
}

#define TWICE "its key has another row"

/* Of two rows of a key that wait for their ticks, the later version stays. */
static void
on_pending(struct builder *b, const struct sql_rec *r)
{
	const struct pend *e = pends_newest(&b->rs->pends, r->key);

	if (e != NULL && !row_wins(r, e)) {
		take_out(b, r->row, r->key, false, TWICE);
		return;
	}
	if (e != NULL) {
		take_out(b, e->row, r->key, false, TWICE);
		pends_remove(&b->rs->pends, r->key, UINT64_MAX);
	}
	if (!pend_rec(b->rs, r))
		b->rc = SQL_IO;
}

static void
on_rec(struct builder *b, const struct sql_rec *r)
{
	struct mtree_entry e = { .hlc = r->hlc, .row = r->row, .w = r->w };

	if (r->tick > b->rs->tick) {
		on_pending(b, r);
		return;
	}
	memcpy(e.key, r->key, 32);
	memcpy(e.rid, r->rid, 32);
	shelve(b, &e);
}

static void
read_recs(struct builder *b)
{
	struct sql *db = b->rs->sql;
	struct sql_rec r;
	enum sql_rc rc = sql_scan_begin(db);

	while (rc == SQL_OK && b->rc == SQL_OK) {
		if ((rc = sql_scan_next(db, &r)) == SQL_OK)
			on_rec(b, &r);
		if (rc == SQL_BAD) {
			take_out(b, r.row, r.key, false, damage_of(&r, rc));
			rc = SQL_OK;
		}
	}
	if (rc != SQL_OK && rc != SQL_NONE)
		b->rc = rc;
	sql_scan_end(db);
}

static bool
pend_older(struct recstore *rs, const struct sql_older *o, uint64_t row)
{
	struct pend *e = pends_add(&rs->pends, o->key, o->tick);

	if (e == NULL)
		return false;
	memcpy(e->rid, o->rid, 32);
	e->hlc = o->hlc;
	e->row = row;
	e->w = o->w;
	e->author = o->author;
	e->tombstone = o->tombstone;
	e->older = true;
	return true;
}

/*
 * An older version counts where the one in rec is pending: for the settled
 * tick, and then it is the last of those, or for one to come.  What is older
 * than a settled row has been superseded.
 */
static void
on_older(void *arg, const struct sql_older *o)
{
	struct builder *b = arg;
	const struct pend *newest = pends_newest(&b->rs->pends, o->key);
	struct mtree_entry e = { .hlc = o->hlc, .w = o->w };
	struct block **at = &b->shelves[o->key[0] << 4 | o->key[1] >> 4];
	struct mtree_entry *last;

	if (newest == NULL || b->rc != SQL_OK)
		return;
	e.row = newest->row;
	if (o->tick > b->rs->tick) {
		if (!pend_older(b->rs, o, e.row))
			b->rc = SQL_IO;
		return;
	}
	memcpy(e.key, o->key, 32);
	memcpy(e.rid, o->rid, 32);
	last = *at == NULL ? NULL : &(*at)->e[(*at)->n - 1];
	if (last != NULL && memcmp(last->key, e.key, 32) == 0)
		*last = e; /* they come in order of ticks */
	else
		shelve(b, &e);
}

/* --- from the shelves to the tree --- */

static int
by_key(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	return memcmp(a->e->key, b->e->key, 32);
}

static void
clear_shelf(struct block **shelf)
{
	struct block *next;

	for (; *shelf != NULL; *shelf = next) {
		next = (*shelf)->next;
		free(*shelf);
	}
}

/* The entries of the present shelf, in order. */
static void
sort_shelf(struct builder *b)
{
	const struct block *k;
	size_t n = 0, i;
	void *p;

	for (k = b->shelves[b->shelf]; k != NULL; k = k->next)
		n += k->n;
	if (n > b->cap) {
		p = reallocarray(b->sorted, n, sizeof(*b->sorted));
		if (p == NULL) {
			b->rc = SQL_IO;
			return;
		}
		b->sorted = p;
		b->cap = n;
	}
	b->n = b->at = 0;
	for (k = b->shelves[b->shelf]; k != NULL; k = k->next)
		for (i = 0; i < k->n; i++) {
			b->sorted[b->n].head = get_u64(k->e[i].key);
			b->sorted[b->n++].e = &k->e[i];
		}
	if (n > 1)
		qsort(b->sorted, n, sizeof(*b->sorted), by_key);
}

/* Two rows of one key: that of what is pending stays, or the later version. */
static void
choose(struct builder *b, struct mtree_entry *e,
    const struct mtree_entry *other)
{
	const struct pend *p = pends_newest(&b->rs->pends, e->key);
	uint64_t stays = p == NULL ? 0 : p->row;
	struct rec_version v = { .hlc = e->hlc }, w = { .hlc = other->hlc };
	struct mtree_entry loser = *other;

	memcpy(v.rid, e->rid, 32);
	memcpy(w.rid, other->rid, 32);
	if (e->row != stays && (other->row == stays || rec_wins(&w, &v))) {
		loser = *e;
		*e = *other;
	}
	if (loser.row != e->row && loser.row != stays)
		take_out(b, loser.row, loser.key, false, TWICE);
}

static int
next_entry(void *arg, struct mtree_entry *e)
{
	struct builder *b = arg;

	while (b->at == b->n && b->rc == SQL_OK) {
		clear_shelf(&b->shelves[b->shelf]);
		if (++b->shelf == SHELVES)
			return 0;
		sort_shelf(b);
	}
	if (b->rc != SQL_OK)
		return -1;
	*e = *b->sorted[b->at++].e;
	while (b->at < b->n &&
	    memcmp(b->sorted[b->at].e->key, e->key, 32) == 0)
		choose(b, e, b->sorted[b->at++].e);
	return 1;
}

static void
weave(struct builder *b)
{
	enum mtree_err err;

	sort_shelf(b);
	err = mtree_build(&b->rs->tree, b->rs->tick, next_entry, b);
	if (b->rc == SQL_OK && err != MTREE_OK)
		b->rc = err == MTREE_ORDER ? SQL_CORRUPT : SQL_IO;
}

/* --- what is pending --- */

/* Is it any use?  Its row or its author may be lost. */
static const char *
why_lost(struct builder *b, struct pend *e, enum sql_rc *rc)
{
	struct recstore *rs = b->rs;
	struct sql_author a;
	struct sql_rec r;
	struct rec rec;

	*rc = sql_rec_get(rs->sql, e->row, e->key, &r);
	if (*rc != SQL_OK)
		return damage_of(&r, *rc);
	e->author = r.author;
	e->tombstone =
	    rec_decode_body(&rec, rs->ch, r.body, r.body_len) == REC_OK &&
	    (rec.flags & REC_TOMBSTONE) != 0;
	*rc = authors_by_id(rs, e->author, &a);
	return *rc == SQL_OK ? NULL : "its author is not known";
}

/* Authors and flags, which reading all rows left out. */
static void
complete_pending(struct builder *b)
{
	struct recstore *rs = b->rs;
	const char *why;
	uint8_t key[32];
	enum sql_rc rc;
	uint32_t i;

	for (i = 0; i < rs->pends.cap && b->rc == SQL_OK; i++) {
		struct pend *e = &rs->pends.all[i];

		if (!e->used || (why = why_lost(b, e, &rc)) == NULL)
			continue;
		if (rc != SQL_NONE && rc != SQL_BAD) {
			b->rc = rc;
			return;
		}
		memcpy(key, e->key, 32);
		take_out(b, e->row, key, true, why);
		pends_remove(&rs->pends, key, UINT64_MAX);
	}
}

/* Who waits for a grant.  Nobody grants an author that is not known. */
static enum sql_rc
hold_pending(struct recstore *rs)
{
	struct sql_author a;
	enum sql_rc rc;
	uint32_t i;

	for (i = 0; i < rs->pends.cap; i++) {
		struct pend *e = &rs->pends.all[i];

		if (!e->used)
			continue;
		rc = authors_by_id(rs, e->author, &a);
		if (rc != SQL_OK && rc != SQL_NONE && rc != SQL_BAD)
			return rc;
		e->held = e->key[0] != REC_MEMBER &&
		    (rc != SQL_OK ||
			(!a.admitted && !authors_has_grant(rs, a.pk, e->tick)));
		rs->pends.held += e->held;
	}
	return SQL_OK;
}

/* A settled row beside the one that waits for its tick. */
static void
find_twins(struct builder *b)
{
	struct recstore *rs = b->rs;
	const struct pend *e;
	struct mtree_entry m;
	uint32_t i;

	for (i = 0; i < rs->pends.cap; i++) {
		e = &rs->pends.all[i];
		if (e->used &&
		    mtree_get(&rs->tree, MTREE_CURRENT, e->key, &m) &&
		    m.row != e->row)
			take_out(b, m.row, e->key, false, TWICE);
	}
}

enum sql_rc
rebuild(struct recstore *rs)
{
	struct builder *b = calloc(1, sizeof(*b));
	enum sql_rc rc;

	if (b == NULL)
		return SQL_IO;
	b->rs = rs;
	read_recs(b);
	complete_pending(b);
	if (b->rc == SQL_OK &&
	    (rc = sql_older_all(rs->sql, on_older, b)) != SQL_OK)
		b->rc = rc;
	if (b->rc == SQL_OK)
		weave(b);
	for (b->shelf = 0; b->shelf < SHELVES; b->shelf++)
		clear_shelf(&b->shelves[b->shelf]);
	rc = b->rc != SQL_OK ? b->rc : hold_pending(rs);
	if (rc == SQL_OK) {
		find_twins(b);
		clear_waste(b);
	}
	free(b->waste);
	free(b->sorted);
	free(b);
	return rc;
}
