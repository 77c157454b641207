/* SPDX-License-Identifier: ISC */
/*
 * Rows that are not what was written: which they are, for whoever asks, until
 * their records are there again or a full check finds nothing.
 */
#include <stdio.h>
#include <string.h>

#include "peerd/store/recstore_priv.h"

static const uint8_t no_key[32];

static bool
is_noted(const struct recstore *rs, uint64_t row, const uint8_t key[32])
{
	const struct recstore_damage *d = rs->damages;
	size_t i;

	for (i = 0; i < rs->n_damages; i++)
		if (!d[i].out && d[i].row == row &&
		    memcmp(d[i].key, key, 32) == 0)
			return true;
	return false;
}

static void
forget(struct recstore *rs, size_t i)
{
	rs->damages[i] = rs->damages[--rs->n_damages];
}

void
damage_note(struct recstore *rs, uint64_t row, const uint8_t *key,
    const char *why)
{
	struct recstore_damage *d;

	if (key == NULL)
		key = no_key;
	if (is_noted(rs, row, key))
		return;
	rs->n.damaged++;
	if (rs->n_damages == RECSTORE_DAMAGES)
		return;
	d = &rs->damages[rs->n_damages++];
	memset(d, 0, sizeof(*d));
	d->serial = rs->n.damaged;
	d->row = row;
	memcpy(d->key, key, 32);
	(void)snprintf(d->why, sizeof(d->why), "%s", why);
}

void
damage_set_out(struct recstore *rs, uint64_t row)
{
	size_t i;

	for (i = 0; i < rs->n_damages; i++)
		if (rs->damages[i].row == row)
			rs->damages[i].out = true;
}

void
damage_settled(struct recstore *rs)
{
	const struct recstore_damage *d = rs->damages;
	struct mtree_entry m;
	size_t i;

	for (i = 0; i < rs->n_damages;)
		if (d[i].out &&
		    mtree_get(&rs->tree, MTREE_CURRENT, d[i].key, &m))
			forget(rs, i);
		else
			i++;
}

const char *
damage_of(const struct sql_rec *r, enum sql_rc rc)
{
	uint8_t rid[32];

	switch (rc) {
	case SQL_OK:
		break;
	case SQL_NONE:
		return "the row is gone";
	case SQL_BAD:
		return "the row has another key, or a field of a wrong length";
	default:
		return sql_rc_name(rc);
	}
	rec_rid(rid, r->body, r->body_len);
	return memcmp(rid, r->rid, 32) == 0
	    ? NULL
	    : "the body does not match its hash";
}

/* What makes it no record of that key: its body, key, signature. */
static const char *
damage_of_record(const struct recstore *rs, const uint8_t key[32],
    const struct sql_rec *r, struct rec *rec)
{
	uint8_t is[32];

	if (rec_decode_body(rec, rs->ch, r->body, r->body_len) != REC_OK)
		return "the body is no record";
	rec_key(is, rec, rs->ch->netid);
	if (memcmp(is, key, 32) != 0)
		return "the body belongs to another key";
	memcpy(rec->sig, r->sig, 64);
	return rec_verify(rec, rs->ch->netid, r->rid)
	    ? NULL
	    : "the signature does not verify";
}

bool
damage_is_lost(struct recstore *rs, const uint8_t key[32])
{
	struct sql_rec r;
	struct rec rec;
	enum sql_rc rc = recstore_read(rs, key, &r);

	if (rc != SQL_OK)
		return rc == SQL_NONE || rc == SQL_BAD;
	return damage_of(&r, rc) != NULL ||
	    damage_of_record(rs, key, &r, &rec) != NULL;
}

const char *
damage_of_whole(const struct recstore *rs, const uint8_t key[32],
    const struct sql_rec *r, enum sql_rc rc)
{
	struct rec rec;
	const char *why = damage_of(r, rc);

	if (why == NULL)
		why = damage_of_record(rs, key, r, &rec);
	if (why == NULL && (rec.w != r->w || rec.hlc != r->hlc))
		why = "the row says another weight or stamp than its body";
	return why;
}

/* --- for the shell --- */

const struct recstore_damage *
recstore_damages(const struct recstore *rs, size_t *n)
{
	*n = rs->n_damages;
	return rs->damages;
}

void
recstore_damaged(struct recstore *rs, const char *why)
{
	damage_note(rs, 0, NULL, why);
}

void
recstore_undamaged(struct recstore *rs)
{
	rs->n_damages = 0;
}

size_t
recstore_tell_out(struct recstore *rs, struct recstore_damage *out, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < rs->n_damages;)
		if (rs->damages[i].out && rs->damages[i].told) {
			forget(rs, i);
		} else {
			if (rs->damages[i].out && n < max) {
				rs->damages[i].told = true;
				out[n++] = rs->damages[i];
			}
			i++;
		}
	return n;
}
