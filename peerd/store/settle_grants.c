/* SPDX-License-Identifier: ISC */
/*
 * Grants that a tick brings or ends, and authors who lost theirs.
 */
#include <string.h>

#include "peerd/store/settle_priv.h"

void
settle_take_grants(struct settle *s)
{
	struct recstore *rs = s->rs;
	const struct pend *e;
	uint8_t subject[32];
	uint32_t i;

	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (e->key[0] != REC_MEMBER || !settle_counts(s, e))
			continue;
		if (settle_over(s, e)) {
			(void)settle_forget_older(s, e->key);
			continue;
		}
		if (settle_subject_of(s, e->key, subject))
			settle_subject(s, subject);
		settle_put(s, e);
	}
}

/*
 * Is a grant what the tick counts of this key?  Changes of this very tick are
 * still pending, all others are in the tree.  Where its row is damaged nobody
 * knows, and all stays as it was so far: much hangs on a grant.
 */
static bool
is_granted_by(struct settle *s, const uint8_t key[32], bool so_far)
{
	const struct pend *e = pends_upto(&s->rs->pends, key, s->tick);
	struct sql_older o;
	struct mtree_entry m;
	struct sql_rec r;
	struct rec rec;
	enum sql_rc rc;

	if (e != NULL)
		return !e->tombstone && !settle_over(s, e);
	if (!mtree_get(&s->rs->tree, MTREE_CURRENT, key, &m) ||
	    tick_of_end(s->rs, REC_MEMBER, m.hlc) <= s->tick)
		return false;
	if (!settle_row(s, key, &r))
		return so_far;
	if (memcmp(r.rid, m.rid, 32) != 0) { /* a later one is pending */
		rc = sql_older_get(s->rs->sql, key, s->tick, &o);
		if (rc != SQL_OK && rc != SQL_NONE)
			settle_fail(s, rc);
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
has_grant_now(struct settle *s, const uint8_t subject[32], bool so_far)
{
	uint8_t keys[CHARTER_AUTHORITY_MAX][32];
	size_t i, n = grant_keys(s, subject, keys);

	for (i = 0; i < n; i++)
		if (is_granted_by(s, keys[i], so_far))
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
	static uint8_t keys[SETTLE_BATCH][32];
	const struct pend *e;
	size_t n, i;

	do {
		if (!settle_check(s,
			sql_author_keys(rs->sql, id, s->tick, keys,
			    SETTLE_BATCH, &n)))
			return;
		for (i = 0; i < n && s->rc == SQL_OK; i++) {
			settle_drop(s, keys[i]);
			s->unadmitted++;
		}
	} while (n == SETTLE_BATCH && s->rc == SQL_OK);
	for (i = 0; i < rs->pends.cap && s->rc == SQL_OK; i++) {
		e = &rs->pends.all[i];
		if (e->used && e->author == id && e->tick > s->tick &&
		    e->key[0] != REC_MEMBER && settle_forget_older(s, e->key))
			(void)settle_change(s, e->key, true);
	}
}

static void
note_welcome(struct settle *s, int64_t id)
{
	s->welcome = settle_room(s, s->welcome, s->n_welcome, &s->cap_welcome,
	    sizeof(*s->welcome));
	if (s->rc == SQL_OK)
		s->welcome[s->n_welcome++] = id;
}

void
settle_judge(struct settle *s)
{
	struct sql_author a;
	bool now;
	size_t i;

	for (i = 0; i < s->n_subjects && s->rc == SQL_OK; i++) {
		if (!settle_check(s,
			authors_get(s->rs, s->subjects[i], true, &a)))
			return;
		now = has_grant_now(s, s->subjects[i], a.admitted);
		if (s->rc != SQL_OK)
			return;
		if (now == a.admitted)
			continue;
		if (!settle_check(s, authors_admit(s->rs, a.id, now)))
			return;
		if (now)
			note_welcome(s, a.id);
		else
			drop_author(s, a.id);
	}
}
