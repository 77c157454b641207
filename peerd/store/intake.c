/* SPDX-License-Identifier: ISC */
/*
 * Taking records in, judged in the order of what it costs: form, rules, age,
 * whether something newer is there, signature, standing of the author; then
 * disk.
 */
#include <stdlib.h>
#include <string.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "peerd/store/recstore_priv.h"

/* A record on its way in. */
struct intake {
	struct recstore *rs;
	enum recstore_from from;
	struct wall now;
	const uint8_t *raw;
	size_t len;
	struct rec rec;
	uint8_t key[32], rid[32];
	uint64_t tick;
	struct sql_author author;
	bool held;
	/* What is held of this key so far. */
	bool has_newest;
	struct rec_version newest;
	uint64_t row; /* of the key on disk; 0: none so far */
};

static uint8_t
judge_form(struct intake *in)
{
	enum rec_err err = rec_decode(&in->rec, in->rs->ch, in->raw, in->len);

	if (err == REC_MALFORMED)
		return DB_MALFORMED;
	if (err != REC_OK || admit_check(&in->rec, in->rs->ch) != REC_OK)
		return DB_RULE;
	rec_rid(in->rid, in->rec.body, in->rec.body_len);
	rec_key(in->key, &in->rec, in->rs->ch->netid);
	return DB_NEW;
}

/* Keep a record of the future until its time has come. */
static void
defer(struct intake *in)
{
	struct recstore *rs = in->rs;
	struct deferred *d = rs->deferred;
	size_t i;

	rs->n.future++;
	for (i = 0; i < RECSTORE_DEFERRED && d[i].raw != NULL; i++)
		continue;
	if (i == RECSTORE_DEFERRED || (d[i].raw = malloc(in->len)) == NULL)
		return;
	memcpy(d[i].raw, in->raw, in->len);
	d[i].len = in->len;
	d[i].hlc = in->rec.hlc;
	rs->n_deferred++;
}

static uint8_t
judge_age(struct intake *in)
{
	struct recstore *rs = in->rs;
	const struct charter_kind *k = charter_kind(rs->ch, in->rec.kind);

	if (hlc_is_future(in->rec.hlc, in->now, rs->ch->future_ms)) {
		if (in->from == RECSTORE_PEER)
			defer(in);
		return DB_FUTURE;
	}
	if (hlc_expiry(in->rec.hlc, k->ttl_s).ms <= in->now.ms ||
	    tick_of_end(rs, in->rec.kind, in->rec.hlc) <= rs->tick)
		return DB_EXPIRED;
	return DB_NEW;
}

static enum sql_rc
begin(struct recstore *rs)
{
	enum sql_rc rc = SQL_OK;

	if (!sql_in_transaction(rs->sql))
		rc = sql_begin(rs->sql);
	if (rc == SQL_OK)
		rs->dirty = true;
	return rc;
}

static void
look_up(struct intake *in)
{
	const struct pend *e = pends_newest(&in->rs->pends, in->key);
	struct mtree_entry m;

	in->has_newest = true;
	if (e != NULL) {
		in->newest.hlc = e->hlc;
		memcpy(in->newest.rid, e->rid, 32);
		in->row = e->row;
	} else if (mtree_get(&in->rs->tree, MTREE_CURRENT, in->key, &m)) {
		in->newest.hlc = m.hlc;
		memcpy(in->newest.rid, m.rid, 32);
		in->row = m.row;
	} else {
		in->has_newest = false;
	}
}

/*
 * Older than what is held, and yet the winner of an earlier tick that is not
 * settled: that tick must count it, though nobody will be shown it.
 */
static bool
counts_for_a_tick(const struct intake *in)
{
	const struct pend *e = pends_upto(&in->rs->pends, in->key, in->tick);
	struct rec_version v = { .hlc = in->rec.hlc }, have;
	struct mtree_entry m;

	memcpy(v.rid, in->rid, 32);
	if (e != NULL) {
		have.hlc = e->hlc;
		memcpy(have.rid, e->rid, 32);
	} else if (mtree_get(&in->rs->tree, MTREE_CURRENT, in->key, &m)) {
		have.hlc = m.hlc;
		memcpy(have.rid, m.rid, 32);
	} else {
		return true;
	}
	return rec_wins(&v, &have);
}

/* DB_NEW, or DB_OLD; *hidden when it only counts for an earlier tick. */
static uint8_t
judge_version(struct intake *in, bool *hidden)
{
	struct rec_version v = { .hlc = in->rec.hlc };

	*hidden = false;
	look_up(in);
	if (!in->has_newest)
		return DB_NEW;
	memcpy(v.rid, in->rid, 32);
	if (rec_wins(&v, &in->newest))
		return DB_NEW;
	*hidden = counts_for_a_tick(in);
	return *hidden ? DB_NEW : DB_OLD;
}

/* --- evidence --- */

static bool
is_equivocation(const struct intake *in)
{
	return in->has_newest && in->rec.hlc == in->newest.hlc &&
	    memcmp(in->rid, in->newest.rid, 32) != 0;
}

/* The one that is held, beside the one that came. */
static enum sql_rc
write_evidence(struct intake *in)
{
	static uint8_t held[REC_MAX];
	struct recstore *rs = in->rs;
	struct sql_evidence e = { .hlc = in->rec.hlc,
		.seen = (uint64_t)in->now.ms,
		.a = held,
		.b = in->raw,
		.b_len = in->len };
	struct sql_rec r;
	enum sql_rc rc;
	struct wr w;

	if ((rc = recstore_read(rs, in->key, &r)) != SQL_OK)
		return rc == SQL_NONE || rc == SQL_BAD ? SQL_OK : rc;
	wr_init(&w, held, sizeof(held));
	rec_encode(&w, r.body, r.body_len, r.sig);
	if (w.bad || memcmp(r.rid, in->newest.rid, 32) != 0)
		return SQL_OK;
	e.a_len = w.len;
	memcpy(e.key, in->key, 32);
	memcpy(e.author, in->rec.author, 32);
	if ((rc = sql_evidence_put(rs->sql, &e)) != SQL_OK)
		return rc;
	return sql_evidence_prune(rs->sql, RECSTORE_EVIDENCE);
}

/*
 * An author contradicts itself.  The rule of rec_wins() still decides; both
 * records are kept, for each is signed.  Only of authors who are admitted,
 * and a few of each: who makes keys for nothing shall not fill the table.
 */
static enum sql_rc
keep_evidence(struct intake *in)
{
	struct recstore *rs = in->rs;
	struct sql_author a;
	uint64_t n = 0;
	enum sql_rc rc;

	rs->n.equivocations++;
	rc = authors_get(rs, in->rec.author, false, &a);
	if (rc != SQL_OK || !a.admitted)
		return rc == SQL_NONE ? SQL_OK : rc;
	if ((rc = sql_evidence_has(rs->sql, in->key, in->rec.hlc)) != SQL_NONE)
		return rc;
	rc = sql_evidence_count(rs->sql, in->rec.author, &n);
	if (rc != SQL_OK || n >= RECSTORE_EVIDENCE_EACH)
		return rc;
	if ((rc = begin(rs)) != SQL_OK)
		return rc;
	return write_evidence(in);
}

static uint8_t
judge_author(struct intake *in)
{
	struct recstore *rs = in->rs;
	const struct charter_kind *k = charter_kind(rs->ch, in->rec.kind);
	enum sql_rc rc;
	uint32_t n;

	/* Whoever makes keys must not make rows: only what is written does. */
	memset(&in->author, 0, sizeof(in->author));
	rc = authors_get(rs, in->rec.author, false, &in->author);
	if (rc != SQL_OK && rc != SQL_NONE)
		return DB_DISK;
	if (in->rec.kind == REC_MEMBER)
		return DB_NEW;
	if (!in->author.admitted &&
	    !authors_has_grant(rs, in->rec.author, in->tick)) {
		if (in->from == RECSTORE_LOCAL)
			return DB_NOT_ADMITTED;
		if (rs->pends.held >= RECSTORE_UNADMITTED) {
			rs->n.unadmitted++;
			return DB_NOT_ADMITTED;
		}
		in->held = true;
		return DB_NEW;
	}
	if (in->from == RECSTORE_PEER || in->has_newest || k->quota == 0)
		return DB_NEW;
	/* A new key would push out the author's own oldest record. */
	if (authors_count(rs, in->author.id, in->rec.kind, &n) != SQL_OK)
		return DB_DISK;
	return n >= k->quota ? DB_OVER_QUOTA : DB_NEW;
}

/* --- writing --- */

static void
fill_row(const struct intake *in, struct sql_rec *r)
{
	r->row = in->row;
	memcpy(r->key, in->key, 32);
	memcpy(r->rid, in->rid, 32);
	r->w = in->rec.w;
	r->hlc = in->rec.hlc;
	r->tick = in->tick;
	r->expiry = tick_of_end(in->rs, in->rec.kind, in->rec.hlc);
	r->author = in->author.id;
	r->kind = in->rec.kind;
	r->body = in->rec.body;
	r->body_len = in->rec.body_len;
	memcpy(r->sig, in->rec.sig, 64);
}

/* Is what the disk has of this key a tombstone? */
static enum sql_rc
is_tombstone(struct intake *in, bool *is)
{
	struct sql_rec r;
	struct rec rec;
	enum sql_rc rc = recstore_read(in->rs, in->key, &r);

	*is = rc == SQL_OK &&
	    rec_decode_body(&rec, in->rs->ch, r.body, r.body_len) == REC_OK &&
	    (rec.flags & REC_TOMBSTONE) != 0;
	return rc == SQL_NONE || rc == SQL_BAD ? SQL_OK : rc;
}

/* What a tick stands on, or will, outlives the row it came with. */
static enum sql_rc
keep_older(struct intake *in, bool *kept)
{
	struct recstore *rs = in->rs;
	const struct pend *e = pends_newest(&rs->pends, in->key);
	struct sql_older o = { .author = in->author.id };
	struct mtree_entry m;
	enum sql_rc rc;

	*kept = false;
	memcpy(o.key, in->key, 32);
	if (e != NULL) {
		if (e->tick == in->tick)
			return SQL_OK;
		o.tick = e->tick;
		o.tombstone = e->tombstone;
		o.hlc = e->hlc;
		o.w = e->w;
		memcpy(o.rid, e->rid, 32);
	} else if (mtree_get(&rs->tree, MTREE_CURRENT, in->key, &m)) {
		o.tick = rs->tick;
		o.hlc = m.hlc;
		o.w = m.w;
		memcpy(o.rid, m.rid, 32);
		if (in->rec.kind == REC_MEMBER &&
		    (rc = is_tombstone(in, &o.tombstone)) != SQL_OK)
			return rc;
	} else {
		return SQL_OK;
	}
	*kept = true;
	return sql_older_keep(rs->sql, &o, in->row);
}

static enum sql_rc
write_hidden(struct intake *in)
{
	struct sql_older o = { .author = in->author.id,
		.tick = in->tick,
		.hlc = in->rec.hlc,
		.w = in->rec.w,
		.tombstone = (in->rec.flags & REC_TOMBSTONE) != 0,
		.body = in->rec.body,
		.body_len = in->rec.body_len };

	memcpy(o.key, in->key, 32);
	memcpy(o.rid, in->rid, 32);
	memcpy(o.sig, in->rec.sig, 64);
	return sql_older_put(in->rs->sql, &o);
}

static enum sql_rc
write_newest(struct intake *in, bool *older)
{
	struct sql_rec r;
	enum sql_rc rc;

	fill_row(in, &r);
	*older = false;
	if (in->has_newest) {
		if ((rc = keep_older(in, older)) != SQL_OK)
			return rc;
		/* Its row may be lost. */
		rc = sql_rec_update(in->rs->sql, &r);
		if (rc != SQL_NONE)
			return rc;
	}
	rc = sql_rec_insert(in->rs->sql, &r, &in->row);
	if (rc == SQL_OK)
		authors_counted(in->rs, in->author.id, in->rec.kind, 1);
	return rc;
}

/* In memory, once the disk has it; with older, its key has older versions. */
static bool
remember(struct intake *in, bool older)
{
	struct pends *p = &in->rs->pends;
	struct pend *e = pends_at(p, in->key, in->tick);

	if (!recstore_note_undo(in->rs, e, in->key, in->tick))
		return false;
	if (e == NULL && (e = pends_add(p, in->key, in->tick)) == NULL)
		return false;
	memcpy(e->rid, in->rid, 32);
	e->hlc = in->rec.hlc;
	e->row = in->row;
	e->w = in->rec.w;
	e->author = in->author.id;
	e->tombstone = (in->rec.flags & REC_TOMBSTONE) != 0;
	e->older = e->older || older;
	if (in->held && !e->held)
		p->held++;
	e->held = e->held || in->held;
	if (older)
		pends_newest(p, in->key)->older = true;
	return true;
}

static uint8_t
write_down(struct intake *in, bool hidden, uint64_t *seq)
{
	struct recstore *rs = in->rs;
	enum sql_rc rc = SQL_OK;
	bool older = false;

	if (in->author.id == 0)
		rc = authors_get(rs, in->rec.author, true, &in->author);
	if (rc == SQL_OK)
		rc = hidden ? write_hidden(in) : write_newest(in, &older);
	if (rc == SQL_OK)
		rc = sql_log_put(rs->sql, in->key, seq);
	if (rc == SQL_OK && remember(in, older || hidden)) {
		rs->seq = *seq;
		rs->log_since_prune++;
		rs->n_new++;
		return DB_NEW;
	}
	return DB_DISK;
}

static bool
if_holds(const struct intake *in, const uint8_t *if_rid)
{
	static const uint8_t none[32];

	if (!in->has_newest)
		return memcmp(if_rid, none, 32) == 0;
	return memcmp(if_rid, in->newest.rid, 32) == 0;
}

static uint8_t
take(struct intake *in, const uint8_t *if_rid, uint64_t *seq)
{
	struct recstore *rs = in->rs;
	uint8_t verdict;
	bool hidden;

	if ((verdict = judge_form(in)) != DB_NEW ||
	    (verdict = judge_age(in)) != DB_NEW)
		return verdict;
	in->tick = tick_of(rs, in->rec.hlc);
	verdict = judge_version(in, &hidden);
	if (verdict != DB_NEW && !is_equivocation(in))
		return verdict;
	if (verdict == DB_NEW && if_rid != NULL && !if_holds(in, if_rid))
		return DB_CONFLICT;
	if (in->from == RECSTORE_LOCAL &&
	    !rec_verify(&in->rec, rs->ch->netid, in->rid))
		return DB_BAD_SIG;
	if (is_equivocation(in) && keep_evidence(in) != SQL_OK)
		return DB_DISK;
	if (verdict != DB_NEW)
		return verdict;
	if (!recstore_has_room(rs, 1)) {
		rs->n.busy++;
		return DB_BUSY;
	}
	if (begin(rs) != SQL_OK)
		return DB_DISK;
	if ((verdict = judge_author(in)) != DB_NEW)
		return verdict;
	return write_down(in, hidden, seq);
}

void
recstore_put(struct recstore *rs, enum recstore_from from, const void *raw,
    size_t len, struct wall now, const uint8_t *if_rid,
    struct recstore_put *out)
{
	struct intake in = { .rs = rs,
		.from = from,
		.now = now,
		.raw = raw,
		.len = len };

	memset(out, 0, sizeof(*out));
	out->verdict = rs->broken ? DB_DISK : take(&in, if_rid, &out->seq);
	/* Half of it may be written, and SQLite may have given up the whole
	 * transaction by itself: nothing of it stands, and its commit says so. */
	if (out->verdict == DB_DISK && !rs->broken) {
		recstore_undo(rs);
		rs->broken = true;
	}
	out->kind = in.rec.kind;
	out->hlc = in.rec.hlc;
	memcpy(out->key, in.key, 32);
	memcpy(out->rid, in.rid, 32);
	if (out->verdict == DB_NEW && in.held) {
		out->verdict = DB_NOT_ADMITTED;
		rs->n.held++;
	}
	if (out->verdict == DB_NEW && is_late(rs, in.rec.hlc))
		rs->n_late++;
	if (out->verdict == DB_NEW)
		rs->n.put_new++;
	else if (out->verdict == DB_OLD)
		rs->n.put_old++;
	else
		rs->n.put_refused++;
}

size_t
recstore_undefer(struct recstore *rs, struct wall now,
    void (*raw_out)(void *arg, const void *raw, size_t len), void *arg)
{
	struct recstore_put put;
	struct deferred d;
	size_t i, n = 0;

	for (i = 0; i < RECSTORE_DEFERRED && rs->n_deferred > 0; i++) {
		d = rs->deferred[i];
		if (d.raw == NULL ||
		    hlc_is_future(d.hlc, now, rs->ch->future_ms))
			continue;
		rs->deferred[i].raw = NULL;
		rs->n_deferred--;
		recstore_put(rs, RECSTORE_PEER, d.raw, d.len, now, NULL, &put);
		if (put.verdict == DB_NEW) {
			raw_out(arg, d.raw, d.len);
			n++;
		}
		free(d.raw);
	}
	return n;
}
