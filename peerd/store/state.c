/* SPDX-License-Identifier: ISC */
/*
 * How the database looks after a tick: what apid and warrenctl show.
 */
#include <string.h>

#include "peerd/noderec.h"
#include "peerd/store/bodies.h"
#include "peerd/store/links.h"
#include "peerd/store/store.h"

#define REGIONS_SCAN 4096 /* node records looked at for their regions */

static void
count_kinds(struct msg_db_state *s)
{
	uint8_t prefix[32] = { 0 };
	struct tree_sum sum;
	struct msg_db_kind *k;
	unsigned kind;

	s->n_kinds = 0;
	for (kind = 0; kind < 256; kind++) {
		prefix[0] = (uint8_t)kind;
		mtree_sum(recstore_tree(store.rs), MTREE_CURRENT, prefix, 8,
		    &sum);
		if (sum.cnt == 0 ||
		    s->n_kinds == sizeof(s->kinds) / sizeof(s->kinds[0]))
			continue;
		k = &s->kinds[s->n_kinds++];
		k->kind = (uint8_t)kind;
		k->cnt = sum.cnt;
		k->sum = sum.sum;
	}
}

/* The row of a region, a new one if need be; NULL when there is no room. */
static struct msg_db_region *
region_row(struct msg_db_state *s, const char *region, size_t max)
{
	struct msg_db_region *row;
	size_t i;

	for (i = 0; i < s->n_regions; i++)
		if (strcmp(s->regions[i].region, region) == 0)
			return &s->regions[i];
	if (i >= max)
		return NULL;
	row = &s->regions[s->n_regions++];
	(void)snprintf(row->region, sizeof(row->region), "%s", region);
	row->nodes = 0;
	return row;
}

/* Names are whatever nodes say: those that find no row share the last one. */
static void
add_region(struct msg_db_state *s, const char *region)
{
	const size_t max = sizeof(s->regions) / sizeof(s->regions[0]);
	struct msg_db_region *row =
	    region_row(s, region[0] == '\0' ? "unknown" : region, max - 1);

	if (row == NULL)
		row = region_row(s, "other", max);
	if (row != NULL)
		row->nodes++;
}

/* What nodes say of themselves: shown, not proven. */
static void
count_regions(struct msg_db_state *s)
{
	static const uint8_t prefix[32] = { REC_NODE };
	static struct recstore_rec r;
	static struct tree_sum counted;
	struct tree_sum now;
	uint8_t after[32];
	struct mtree_entry m;
	struct noderec node;
	struct rec rec;
	unsigned n;
	bool begun = false;

	mtree_sum(recstore_tree(store.rs), MTREE_CURRENT, prefix, 8, &now);
	if (memcmp(now.h, counted.h, 32) == 0)
		return; /* the same node records as last time */
	counted = now;
	s->n_regions = 0;
	for (n = 0; n < REGIONS_SCAN; n++) {
		if (mtree_list(recstore_tree(store.rs), MTREE_CURRENT, prefix,
			8, begun ? after : NULL, &m, 1) == 0)
			return;
		begun = true;
		memcpy(after, m.key, 32);
		if (recstore_get(store.rs, m.key, true, &r) == SQL_OK &&
		    r.raw_len > 0 &&
		    rec_decode(&rec, &store.charter, r.raw, r.raw_len) ==
			REC_OK &&
		    (rec.flags & REC_TOMBSTONE) == 0 &&
		    noderec_decode(&node, rec.payload, rec.payload_len) == 0)
			add_region(s, node.region);
	}
}

void
state_refresh(void)
{
	struct msg_db_state *s = &store.state;
	const struct recstore_root *r = recstore_root(store.rs, MSG_NULL64);

	if (r == NULL)
		return;
	s->tick = r->tick;
	s->time = r->tick * store.charter.tick_ms;
	memcpy(s->root, r->root, 32);
	s->cnt = r->top.cnt;
	s->sum = r->top.sum;
	memcpy(s->dbid, recstore_dbid(store.rs), 16);
	s->seq = recstore_seq(store.rs);
	s->bytes = sql_bytes(recstore_sql(store.rs));
	s->admitted = own_is_admitted();
	if (sql_evidence_count(recstore_sql(store.rs), NULL, &s->evidence) !=
	    SQL_OK)
		s->evidence = 0;
	count_kinds(s);
	count_regions(s);
	bodies_state(s);
	links_state(s);
}
