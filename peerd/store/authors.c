/* SPDX-License-Identifier: ISC */
/*
 * Who writes: numbers for public keys, whether they are admitted, and how
 * many records of a kind each has.  Two small caches spare SQLite the
 * question; both are dropped when a transaction is undone.
 */
#include <string.h>

#include "common/admit.h"
#include "common/bytes.h"
#include "peerd/store/recstore_priv.h"

static struct sql_author *
slot_of(struct recstore *rs, const uint8_t pk[32])
{
	return &rs->authors[get_u64(pk) % AUTHOR_CACHE];
}

enum sql_rc
authors_get(struct recstore *rs, const uint8_t pk[32], bool make,
    struct sql_author *a)
{
	struct sql_author *slot = slot_of(rs, pk);
	enum sql_rc rc;

	if (slot->id != 0 && memcmp(slot->pk, pk, 32) == 0) {
		*a = *slot;
		return SQL_OK;
	}
	if ((rc = sql_author_get(rs->sql, pk, make, a)) == SQL_OK)
		*slot = *a;
	return rc;
}

static struct sql_author *
id_slot(struct recstore *rs, int64_t id)
{
	return &rs->by_id[(uint64_t)id % AUTHOR_CACHE];
}

enum sql_rc
authors_by_id(struct recstore *rs, int64_t id, struct sql_author *a)
{
	struct sql_author *slot = id_slot(rs, id);
	enum sql_rc rc;

	if (slot->id == id) {
		*a = *slot;
		return SQL_OK;
	}
	if ((rc = sql_author_by_id(rs->sql, id, a)) == SQL_OK)
		*slot = *a;
	return rc;
}

enum sql_rc
authors_admit(struct recstore *rs, int64_t id, bool admitted)
{
	size_t i;

	for (i = 0; i < AUTHOR_CACHE; i++)
		if (rs->authors[i].id == id)
			rs->authors[i].admitted = admitted;
	id_slot(rs, id)->id = 0;
	return sql_author_admit(rs->sql, id, admitted);
}

enum sql_rc
authors_drop(struct recstore *rs, int64_t id)
{
	size_t i;

	for (i = 0; i < AUTHOR_CACHE; i++)
		if (rs->authors[i].id == id)
			memset(&rs->authors[i], 0, sizeof(rs->authors[i]));
	id_slot(rs, id)->id = 0;
	return sql_author_drop(rs->sql, id);
}

/* In a network of members a grant can come from any authority. */
static bool
has_member_grant(const struct recstore *rs, const uint8_t pk[32], uint64_t tick)
{
	struct rec rec = { .kind = REC_MEMBER, .subject_len = 32 };
	const struct pend *e;
	uint8_t key[32];
	unsigned i;

	memcpy(rec.subject, pk, 32);
	for (i = 0; i < rs->ch->n_authority; i++) {
		memcpy(rec.author, rs->ch->authority[i], 32);
		rec_key(key, &rec, rs->ch->netid);
		e = pends_upto(&rs->pends, key, tick);
		if (e != NULL && !e->tombstone)
			return true;
	}
	return false;
}

bool
authors_has_grant(const struct recstore *rs, const uint8_t pk[32],
    uint64_t tick)
{
	const struct pend *e;
	uint8_t key[32];

	if (rs->ch->admission == CHARTER_MEMBERS)
		return has_member_grant(rs, pk, tick);
	admit_open_key(key, rs->ch, pk);
	e = pends_upto(&rs->pends, key, tick);
	return e != NULL && !e->tombstone;
}

/* Where a count is or would be.  It has a few places: two that took turns in
 * one would be counted anew, row by row, with every tick. */
static struct author_count *
count_slot(struct recstore *rs, int64_t id, uint8_t kind)
{
	uint64_t h = ((uint64_t)id * 31 + kind) * UINT64_C(0x9e3779b97f4a7c15);
	struct author_count *home = &rs->counts[(h >> 32) % COUNT_CACHE];
	struct author_count *empty = NULL, *c;
	unsigned i;

	for (i = 0; i < COUNT_WAYS; i++) {
		c = &rs->counts[((h >> 32) + i) % COUNT_CACHE];
		if (c->id == id && c->kind == kind)
			return c;
		if (c->id == 0 && empty == NULL)
			empty = c;
	}
	return empty != NULL ? empty : home;
}

enum sql_rc
authors_count(struct recstore *rs, int64_t id, uint8_t kind, uint32_t *n)
{
	struct author_count *c = count_slot(rs, id, kind);
	uint64_t have;
	enum sql_rc rc;

	if (c->id != id || c->kind != kind) {
		rc = sql_author_count(rs->sql, id, kind, &have);
		if (rc != SQL_OK)
			return rc;
		c->id = id;
		c->kind = kind;
		c->n = (uint32_t)have;
	}
	*n = c->n;
	return SQL_OK;
}

void
authors_counted(struct recstore *rs, int64_t id, uint8_t kind, int by)
{
	struct author_count *c = count_slot(rs, id, kind);

	if (c->id == id && c->kind == kind)
		c->n = by < 0 && c->n == 0 ? 0 : (uint32_t)((int64_t)c->n + by);
}

void
authors_forget(struct recstore *rs)
{
	memset(rs->authors, 0, sizeof(rs->authors));
	memset(rs->by_id, 0, sizeof(rs->by_id));
	memset(rs->counts, 0, sizeof(rs->counts));
}

bool
recstore_is_admitted(struct recstore *rs, const uint8_t pk[32])
{
	struct sql_author a;

	if (authors_get(rs, pk, false, &a) == SQL_OK && a.admitted)
		return true;
	return authors_has_grant(rs, pk, UINT64_MAX);
}
