/* SPDX-License-Identifier: ISC */
/*
 * Answering: single records, keys under a prefix, and the full check.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peerd/store/recstore_priv.h"

/* May it be shown?  The grant that its author lacked may have come since. */
static bool
is_shown(struct recstore *rs, struct pend *e)
{
	struct sql_author a;

	if (!e->held)
		return true;
	if (authors_by_id(rs, e->author, &a) != SQL_OK ||
	    !authors_has_grant(rs, a.pk, e->tick))
		return false;
	e->held = false;
	rs->pends.held--;
	return true;
}

static void
show(struct recstore_rec *out, const uint8_t *body, size_t len,
    const uint8_t sig[64])
{
	struct wr w;

	wr_init(&w, out->raw, sizeof(out->raw));
	rec_encode(&w, body, len, sig);
	out->raw_len = w.bad ? 0 : w.len;
}

/* An older version; its body only if it is what was written. */
static void
show_older(struct recstore_rec *out, const struct sql_older *o)
{
	uint8_t rid[32];

	memcpy(out->key, o->key, 32);
	memcpy(out->rid, o->rid, 32);
	out->hlc = o->hlc;
	out->raw_len = 0;
	if (o->body == NULL)
		return;
	rec_rid(rid, o->body, o->body_len);
	if (memcmp(rid, o->rid, 32) == 0)
		show(out, o->body, o->body_len, o->sig);
}

enum sql_rc
recstore_get(struct recstore *rs, const uint8_t key[32], bool settled,
    struct recstore_rec *out)
{
	struct pend *e = pends_newest(&rs->pends, key);
	struct mtree_entry m;
	struct sql_rec r;
	enum sql_rc rc;
	const char *why;
	bool in_tree = mtree_get(&rs->tree, MTREE_CURRENT, key, &m);
	struct sql_older o;

	out->raw_len = 0;
	if (settled ? !in_tree : (e != NULL ? !is_shown(rs, e) : !in_tree))
		return SQL_NONE;
	rc = recstore_read(rs, key, &r);
	memcpy(out->key, key, 32);
	if (rc == SQL_OK && settled && memcmp(r.rid, m.rid, 32) != 0) {
		/* A later version took its place on disk. */
		if (sql_older_get(rs->sql, key, rs->tick, &o) == SQL_OK &&
		    memcmp(o.rid, m.rid, 32) == 0)
			show_older(out, &o);
		memcpy(out->rid, m.rid, 32);
		out->hlc = m.hlc;
		out->settled = true;
		return SQL_OK;
	}
	if ((why = damage_of(&r, rc)) != NULL) {
		damage_note(rs, recstore_row(rs, key), key, why);
		return rc == SQL_OK || rc == SQL_NONE ? SQL_BAD : rc;
	}
	memcpy(out->rid, r.rid, 32);
	out->hlc = r.hlc;
	out->settled = in_tree && memcmp(r.rid, m.rid, 32) == 0;
	show(out, r.body, r.body_len, r.sig);
	return SQL_OK;
}

size_t
recstore_versions(struct recstore *rs, const uint8_t key[32],
    struct recstore_rec *out, size_t max)
{
	const struct pend *e = pends_newest(&rs->pends, key);
	uint64_t tick = INT64_MAX;
	struct sql_older o;
	size_t n = 0;

	if (recstore_get(rs, key, false, &out[0]) != SQL_OK ||
	    out[0].raw_len == 0)
		return 0;
	for (n = 1; n < max && e != NULL && e->older; tick = o.tick - 1) {
		if (sql_older_get(rs->sql, key, tick, &o) != SQL_OK)
			break;
		out[n].settled = false;
		show_older(&out[n], &o);
		n += out[n].raw_len > 0;
	}
	return n;
}

size_t
recstore_pending_keys(struct recstore *rs, uint32_t *at,
    uint8_t (*keys)[32], size_t max)
{
	struct pend *e;
	size_t n = 0;

	for (; *at < rs->pends.cap && n < max; ++*at) {
		e = &rs->pends.all[*at];
		if (e->used && pends_newest(&rs->pends, e->key) == e &&
		    is_shown(rs, e))
			memcpy(keys[n++], e->key, 32);
	}
	return n;
}

/* --- keys under a prefix --- */

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

/* Keys that only pending versions have, sorted; how many. */
static size_t
pending_keys(struct recstore *rs, const uint8_t prefix[32], unsigned bits,
    const uint8_t *after, uint8_t (**keys)[32])
{
	struct mtree_entry m;
	struct pend *e;
	size_t n = 0, cap = 0;
	uint32_t i;
	void *p;

	*keys = NULL;
	for (i = 0; i < rs->pends.cap; i++) {
		e = &rs->pends.all[i];
		if (!e->used ||
		    !tree_has_prefix(e->key, prefix, bits) ||
		    (after != NULL && memcmp(e->key, after, 32) <= 0) ||
		    pends_newest(&rs->pends, e->key) != e ||
		    mtree_get(&rs->tree, MTREE_CURRENT, e->key, &m) ||
		    !is_shown(rs, e))
			continue;
		if (n == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			if ((p = reallocarray(*keys, cap, 32)) == NULL)
				break;
			*keys = p;
		}
		memcpy((*keys)[n++], e->key, 32);
	}
	if (n > 1)
		qsort(*keys, n, 32, by_bytes);
	return n;
}

size_t
recstore_keys(struct recstore *rs, const uint8_t prefix[32], unsigned bits,
    const uint8_t *after, bool settled, uint8_t (*keys)[32], size_t max)
{
	struct mtree_entry *e = calloc(max, sizeof(*e));
	uint8_t(*extra)[32] = NULL;
	size_t n_e, n_x = 0, i = 0, x = 0, n = 0;

	if (e == NULL)
		return 0;
	n_e = mtree_list(&rs->tree, MTREE_CURRENT, prefix, bits, after, e, max);
	if (!settled)
		n_x = pending_keys(rs, prefix, bits, after, &extra);
	while (n < max && (i < n_e || x < n_x)) {
		if (x == n_x || (i < n_e && memcmp(e[i].key, extra[x], 32) < 0))
			memcpy(keys[n++], e[i++].key, 32);
		else
			memcpy(keys[n++], extra[x++], 32);
	}
	free(e);
	free(extra);
	return n;
}

/* --- the full check --- */

static const char *
bad_row(struct recstore *rs, const struct mtree_entry *m)
{
	struct sql_rec r;
	enum sql_rc rc = recstore_read(rs, m->key, &r);
	const char *why = damage_of_whole(rs, m->key, &r, rc);

	if (why != NULL)
		return why;
	if (memcmp(m->rid, r.rid, 32) != 0)
		return pends_newest(&rs->pends, m->key) != NULL
		    ? NULL /* a later version waits for its tick */
		    : "the tree holds another version";
	return m->w == r.w ? NULL : "the tree holds another weight";
}

void
recstore_check(struct recstore *rs, struct recstore_check *c, size_t max)
{
	static const uint8_t zero[32];
	struct mtree_entry m;
	const char *why;

	for (; max > 0; max--) {
		if (mtree_list(&rs->tree, MTREE_CURRENT, zero, 0,
			c->begun ? c->after : NULL, &m, 1) == 0) {
			c->done = true;
			return;
		}
		c->begun = true;
		memcpy(c->after, m.key, 32);
		c->rows++;
		if ((why = bad_row(rs, &m)) == NULL)
			continue;
		c->bad++;
		damage_note(rs, recstore_row(rs, m.key), m.key, why);
		memcpy(c->bad_key, m.key, 32);
		(void)snprintf(c->why, sizeof(c->why), "%s", why);
		return;
	}
}
