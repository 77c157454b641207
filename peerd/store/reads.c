/* SPDX-License-Identifier: ISC */
/*
 * Answering: single records, keys under a prefix, and the full check.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peerd/store/recstore_priv.h"

enum sql_rc
recstore_get(struct recstore *rs, const uint8_t key[32], bool settled,
    struct recstore_rec *out)
{
	const struct pend *e = pends_newest(&rs->pends, key);
	struct mtree_entry m;
	struct sql_rec r;
	enum sql_rc rc;
	const char *why;
	bool in_tree = mtree_get(&rs->tree, MTREE_CURRENT, key, &m);
	struct wr w;

	out->raw_len = 0;
	if (settled ? !in_tree : (e != NULL ? e->held : !in_tree))
		return SQL_NONE;
	rc = recstore_read(rs, key, &r);
	memcpy(out->key, key, 32);
	if (rc == SQL_OK && settled && memcmp(r.rid, m.rid, 32) != 0) {
		/* A later version took its place on disk. */
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
	wr_init(&w, out->raw, sizeof(out->raw));
	rec_encode(&w, r.body, r.body_len, r.sig);
	out->raw_len = w.bad ? 0 : w.len;
	return SQL_OK;
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
	const struct pend *e;
	size_t n = 0, cap = 0;
	uint32_t i;
	void *p;

	*keys = NULL;
	for (i = 0; i < rs->pends.cap; i++) {
		e = &rs->pends.all[i];
		if (!e->used || e->held ||
		    !tree_has_prefix(e->key, prefix, bits) ||
		    (after != NULL && memcmp(e->key, after, 32) <= 0) ||
		    pends_newest(&rs->pends, e->key) != e ||
		    mtree_get(&rs->tree, MTREE_CURRENT, e->key, &m))
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
