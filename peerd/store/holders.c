/* SPDX-License-Identifier: ISC */
/*
 * Live nodes, by their records of kind 2 in the settled tree, and which of
 * them announce a block.  Tens of thousands of records are not decoded each
 * tick: those that did not change are kept from the table before.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "peerd/store/bodies.h"
#include "peerd/store/placing.h"

#define NODES_MAX 65536
#define BATCH     256
#define FAR       64 /* times r: nobody so far back is picked */

/* A node record, in the order of the tree. */
struct row {
	uint8_t key[32], rid[32];
	bool stores; /* it is a node's, and that node stores blocks */
	struct place_node node;
};

static struct row *rows;
static size_t n_rows;
static struct place_node *live; /* those that store, by id */
static uint64_t *scores;
static size_t n_live;
static uint8_t seen[32]; /* hash of what the table was made of */
static bool begun;

int64_t
placing_scaled(int64_t ms)
{
	return ms / PLACING_TICK_MS * store.charter.tick_ms;
}

/* --- the table --- */

static void
read_row(struct row *row, const struct row *was)
{
	static struct recstore_rec r;
	struct noderec node;
	struct rec rec;

	row->stores = false;
	if (recstore_get(store.rs, row->key, true, &r) != SQL_OK)
		return;
	if (r.raw_len == 0) {
		/* A newer version is on its way and took its place on disk:
		 * hardly anything else than before. */
		if (was != NULL) {
			row->stores = was->stores;
			row->node = was->node;
		}
		return;
	}
	if (rec_decode(&rec, &store.charter, r.raw, r.raw_len) != REC_OK ||
	    (rec.flags & REC_TOMBSTONE) != 0 ||
	    noderec_decode(&node, rec.payload, rec.payload_len) != 0)
		return;
	place_node_set(&row->node, rec.author, &node);
	row->stores = (node.caps & CAP_STORAGE) != 0;
}

/* The row of this key before; *at moves along, for keys come in order. */
static const struct row *
row_before(size_t *at, const uint8_t key[32])
{
	while (*at < n_rows && memcmp(rows[*at].key, key, 32) < 0)
		(*at)++;
	return *at < n_rows && memcmp(rows[*at].key, key, 32) == 0 ? &rows[*at]
								   : NULL;
}

static size_t
fill(struct row *out, size_t max)
{
	static const uint8_t prefix[32] = { REC_NODE };
	struct mtree_entry e[BATCH];
	const struct row *was;
	size_t n = 0, got, i, at = 0;

	do {
		got = mtree_list(recstore_tree(store.rs), MTREE_CURRENT, prefix,
		    8, n == 0 ? NULL : out[n - 1].key, e,
		    max - n < BATCH ? max - n : BATCH);
		for (i = 0; i < got; i++, n++) {
			was = row_before(&at, e[i].key);
			memset(&out[n], 0, sizeof(out[n]));
			memcpy(out[n].key, e[i].key, 32);
			memcpy(out[n].rid, e[i].rid, 32);
			if (was != NULL && memcmp(was->rid, e[i].rid, 32) == 0)
				out[n] = *was;
			else
				read_row(&out[n], was);
		}
	} while (got == BATCH && n < max);
	return n;
}

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, 32); /* the id comes first */
}

/* Those that store, from the rows; true when they are not as before. */
static bool
choose(void)
{
	struct place_node *now = calloc(n_rows + 1, sizeof(*now));
	uint64_t *room = calloc(n_rows + 1, sizeof(*room));
	size_t i, n = 0;
	bool changed;

	if (now == NULL || room == NULL) {
		free(now);
		free(room);
		return false;
	}
	for (i = 0; i < n_rows; i++)
		if (rows[i].stores)
			now[n++] = rows[i].node;
	if (n > 1)
		qsort(now, n, sizeof(*now), by_id);
	changed =
	    n != n_live || (n > 0 && memcmp(now, live, n * sizeof(*now)) != 0);
	free(live);
	free(scores);
	live = now;
	scores = room;
	n_live = n;
	return changed;
}

bool
holders_refresh(void)
{
	static const uint8_t prefix[32] = { REC_NODE };
	struct tree_sum sum;
	struct row *next;
	size_t max;

	mtree_sum(recstore_tree(store.rs), MTREE_CURRENT, prefix, 8, &sum);
	if (begun && memcmp(sum.h, seen, 32) == 0)
		return false;
	max = sum.cnt < NODES_MAX ? (size_t)sum.cnt : NODES_MAX;
	if ((next = calloc(max + 1, sizeof(*next))) == NULL)
		return false;
	n_rows = fill(next, max);
	free(rows);
	rows = next;
	memcpy(seen, sum.h, 32);
	begun = true;
	return choose();
}

size_t
holders_nodes(void)
{
	return n_live;
}

bool
holders_is_live(const uint8_t id[32])
{
	return n_live > 0 &&
	    bsearch(id, live, n_live, sizeof(*live), by_id) != NULL;
}

unsigned
holders_rank(const uint8_t id[32], unsigned r)
{
	uint32_t out[PLACE_PICK_MAX];
	unsigned n, i;

	if (!holders_is_live(store.node.id))
		return r; /* nobody counts on us */
	n = place_pick(live, n_live, id, r, scores, out);
	for (i = 0; i < n; i++)
		if (memcmp(live[out[i]].id, store.node.id, 32) == 0)
			return i;
	return r;
}

bool
holders_may_rank(const uint8_t id[32], unsigned r)
{
	uint64_t part = UINT64_MAX / (n_live + 1);

	/* Better than ours are n_live * (1 - score) nodes, more or less. */
	return n_live <= FAR * r ||
	    place_score(id, store.node.id) >= UINT64_MAX - part * FAR * r;
}

/* --- who holds --- */

unsigned
placing_holders(const uint8_t id[32], bool settled, uint8_t (*ids)[32],
    unsigned max)
{
	static uint8_t keys[BATCH][32];
	static struct recstore_rec r;
	uint8_t prefix[32];
	struct rec rec;
	size_t n_keys, i;
	unsigned n = 0;

	bodies_prefix(prefix, REC_LOCATION, id);
	n_keys =
	    recstore_keys(store.rs, prefix, 128, NULL, settled, keys, BATCH);
	for (i = 0; i < n_keys && n < max; i++) {
		/* The newest word counts, of a node that stopped holding too. */
		if (recstore_get(store.rs, keys[i], false, &r) != SQL_OK ||
		    rec_decode(&rec, &store.charter, r.raw, r.raw_len) !=
			REC_OK ||
		    (rec.flags & REC_TOMBSTONE) != 0)
			continue;
		memcpy(ids[n++], rec.author, 32);
	}
	return n;
}
