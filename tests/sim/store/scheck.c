/* SPDX-License-Identifier: ISC */
/*
 * What must hold of record stores, by the names of the plan.
 */
#include <sodium.h>
#include <string.h>

#include "common/hlc.h"
#include "common/tree_hash.h"
#include "tests/sim/check/check.h"
#include "tests/sim/store/snode.h"

#define RECORDS_MAX 2048
#define META_BASE   4096 /* bytes of a session over nothing */
#define META_EACH   64   /* and for each record there is */
#define BODY_EACH   640
#define BEHIND      2 /* ticks */

static struct mtree_entry all[RECORDS_MAX];

static size_t
list_all(const struct snode *n)
{
	static const uint8_t zero[32];
	size_t cnt = mtree_list(recstore_tree(n->rs), MTREE_CURRENT, zero, 0,
	    NULL, all, RECORDS_MAX);

	if (cnt == RECORDS_MAX)
		sim_die("more records than the checks have room for");
	return cnt;
}

static int64_t
end_ms(uint8_t kind, uint64_t hlc)
{
	return hlc_expiry(hlc, charter_kind(&kit_charter, kind)->ttl_s).ms;
}

/* --- the tree --- */

/* S3: what the tree says is what one built anew says. */
static void
check_tree(const struct snode *n, size_t cnt, struct sn_root *r)
{
	static struct tree_entry e[RECORDS_MAX];
	const struct recstore_root *said = recstore_root(n->rs, MSG_NULL64);
	crypto_generichash_state h;
	struct tree_sum sum;
	size_t i;

	(void)crypto_generichash_init(&h, NULL, 0, 32);
	for (i = 0; i < cnt; i++) {
		memcpy(e[i].key, all[i].key, 32);
		memcpy(e[i].rid, all[i].rid, 32);
		e[i].w = all[i].w;
		(void)crypto_generichash_update(&h, all[i].key, 32);
		(void)crypto_generichash_update(&h, all[i].rid, 32);
	}
	(void)crypto_generichash_final(&h, r->set, 32);
	check_that(tree_of_sorted(&sum, e, cnt), "S3", "keys out of order",
	    n->id);
	tree_root(r->root, kit_charter.netid, recstore_tick(n->rs), &sum);
	check_that(said != NULL && sum.cnt == said->top.cnt &&
		sum.sum == said->top.sum &&
		memcmp(r->root, said->root, 32) == 0,
	    "S3", "the tree is not the one built anew", n->id);
}

/* S1: at one tick, equal sets and equal roots go together. */
static void
check_others(const struct snode *n, const struct sn_root *r)
{
	const struct sn_root *o;
	uint32_t i;

	for (i = 0; i < sw.n; i++) {
		o = &sw.nodes[i].roots[r->tick % SN_ROOTS];
		if (i == n->id || o->tick != r->tick)
			continue;
		check_that((memcmp(o->set, r->set, 32) == 0) ==
			(memcmp(o->root, r->root, 32) == 0),
		    "S1", "sets and roots do not agree", r->tick);
	}
}

/* S6: what a tick counts is genuine, alive, admitted and within quota. */
static void
check_counted(const struct snode *n, size_t cnt)
{
	int64_t t = (int64_t)(recstore_tick(n->rs) * KIT_TICK_MS);
	unsigned ratings[KIT_AUTHORS] = { 0 }, a;
	bool granted[KIT_AUTHORS] = { false }, wrote[KIT_AUTHORS] = { false };
	const struct kit_rec *k;
	size_t i;

	for (i = 0; i < cnt; i++) {
		k = kit_find(all[i].rid);
		check_that(k != NULL, "S6", "nobody signed that", n->id);
		if (k == NULL)
			return;
		check_that(hlc_wall(k->hlc).ms <= t, "S6", "of a later tick",
		    n->id);
		check_that(end_ms(k->kind, k->hlc) > t, "S6", "expired", n->id);
		if (k->kind == REC_MEMBER)
			granted[k->author] = !k->tombstone;
		else
			wrote[k->author] = true;
		ratings[k->author] += k->kind == REC_RATING;
	}
	for (a = 0; a < KIT_AUTHORS; a++) {
		check_that(!wrote[a] || granted[a], "S6",
		    "counted without admission", a);
		check_that(ratings[a] <= KIT_QUOTA, "S6", "over quota", a);
	}
}

void
scheck_settled(struct snode *n)
{
	uint64_t tick = recstore_tick(n->rs);
	struct sn_root *r = &n->roots[tick % SN_ROOTS];
	size_t cnt = list_all(n);

	check_that(r->tick == 0 || tick > r->tick, "S12",
	    "a tick was settled twice", tick);
	check_tree(n, cnt, r);
	r->tick = tick;
	check_counted(n, cnt);
	check_others(n, r);
	sim_trace(get_u64(r->root));
}

void
scheck_opened(struct snode *n, bool differs)
{
	struct sn_root now, *r;

	check_that(!differs && recstore_counts(n->rs)->damaged == 0, "S1",
	    "another root after a restart", n->id);
	now.tick = recstore_tick(n->rs);
	check_tree(n, list_all(n), &now);
	r = &n->roots[now.tick % SN_ROOTS];
	check_that(r->tick != now.tick || memcmp(r->set, now.set, 32) == 0,
	    "S1", "another set after a restart", n->id);
}

/* --- acknowledged writes --- */

void
scheck_acked(struct snode *n, const struct kit_rec *rec, bool own)
{
	struct sn_ack *a = &n->acks[rec->key_no];
	struct rec_version v = { .hlc = rec->hlc }, had = { .hlc = a->hlc };

	memcpy(v.rid, rec->rid, 32);
	memcpy(had.rid, a->rid, 32);
	if (own) {
		check_that(rec->hlc > n->last_ack[rec->author], "S8",
		    "a stamp that does not grow", n->id);
		n->last_ack[rec->author] = rec->hlc;
	}
	if (a->set && !rec_wins(&v, &had))
		return;
	a->hlc = rec->hlc;
	memcpy(a->rid, rec->rid, 32);
	a->set = true;
	a->rec = rec;
}

/* Ratings of an author here that are newer than this one. */
static unsigned
newer_ratings(struct snode *n, const struct kit_rec *than)
{
	static const uint8_t ratings[32] = { REC_RATING };
	static uint8_t keys[RECORDS_MAX][32];
	static struct recstore_rec r;
	const struct kit_rec *k;
	unsigned newer = 0;
	size_t i,
	    cnt = recstore_keys(n->rs, ratings, 8, NULL, false, keys,
		RECORDS_MAX);

	for (i = 0; i < cnt; i++)
		if (recstore_get(n->rs, keys[i], false, &r) == SQL_OK &&
		    (k = kit_find(r.rid)) != NULL && k->author == than->author)
			newer += r.hlc > than->hlc ||
			    (r.hlc == than->hlc &&
				memcmp(r.rid, than->rid, 32) > 0);
	return newer;
}

/* S5: there, or superseded, expired, evicted. */
static void
check_ack(struct snode *n, const struct sn_ack *a)
{
	int64_t tick_ms = (int64_t)(recstore_tick(n->rs) * KIT_TICK_MS);
	const struct kit_rec *k = a->rec;
	struct rec_version was = { .hlc = a->hlc }, is;
	static struct recstore_rec r;
	enum sql_rc rc;

	if (k->author >= KIT_STEADY || end_ms(k->kind, k->hlc) <= tick_ms)
		return;
	rc = recstore_get(n->rs, k->key, false, &r);
	check_that(rc == SQL_OK || rc == SQL_NONE, "S5", "it cannot be read",
	    n->id);
	if (rc == SQL_OK) {
		is.hlc = r.hlc;
		memcpy(is.rid, r.rid, 32);
		memcpy(was.rid, a->rid, 32);
		if (!rec_wins(&was, &is))
			return;
	}
	/* What was evicted is forgotten, so that an older one may come. */
	if (k->kind == REC_RATING)
		check_that(newer_ratings(n, k) >= KIT_QUOTA, "S5",
		    "an acknowledged rating is gone", n->id);
	else
		check_that(false, "S5", "an acknowledged record is gone",
		    n->id);
}

/* S6: all that is on disk, settled or not. */
static void
check_disk(struct snode *n)
{
	static const uint8_t zero[32];
	static uint8_t keys[RECORDS_MAX][32];
	static struct recstore_rec r;
	const struct kit_rec *k;
	size_t i,
	    cnt = recstore_keys(n->rs, zero, 0, NULL, false, keys, RECORDS_MAX);

	for (i = 0; i < cnt; i++) {
		if (recstore_get(n->rs, keys[i], false, &r) != SQL_OK) {
			check_that(false, "S6", "a row that cannot be read",
			    n->id);
			continue;
		}
		k = kit_find(r.rid);
		check_that(k != NULL && k->len == r.raw_len &&
			memcmp(k->raw, r.raw, k->len) == 0,
		    "S6", "a row that nobody signed", n->id);
		check_that(hlc_wall(r.hlc).ms <= n->wall_max_ms + KIT_FUTURE_MS,
		    "S6", "a row of the future", n->id);
	}
}

void
scheck_stored(struct snode *n)
{
	uint32_t i;

	for (i = 0; i < KIT_KEYS; i++)
		if (n->acks[i].set)
			check_ack(n, &n->acks[i]);
	check_disk(n);
}

/* --- sessions and roots --- */

/* L5: what a session costs is bounded by what there is to compare. */
void
scheck_session(struct snode *n)
{
	uint64_t most = 0, cnt, bound;
	struct tree_sum top;
	uint32_t i;

	for (i = 0; i < sw.n; i++) {
		if (!sw.nodes[i].up)
			continue;
		mtree_top(recstore_tree(sw.nodes[i].rs), MTREE_CURRENT, &top);
		cnt = top.cnt + recstore_pending(sw.nodes[i].rs);
		most = cnt > most ? cnt : most;
	}
	bound = META_BASE + META_EACH * most;
	if (n->meta_bytes * 1000 / bound > sw.worst_1000)
		sw.worst_1000 = n->meta_bytes * 1000 / bound;
	check_that(n->meta_bytes <= bound, "L5", "a session's bytes",
	    n->meta_bytes);
	check_that(n->body_bytes <= META_BASE + 2 * BODY_EACH * most, "L5",
	    "a session's records", n->body_bytes);
}

bool
scheck_converged(void)
{
	const struct sn_root *first = NULL, *r;
	uint64_t least = UINT64_MAX, most = 0, tick;
	uint32_t i;

	for (i = 0; i < sw.n; i++) {
		if (sw.nodes[i].frozen)
			continue;
		if (!sw.nodes[i].up)
			return false;
		tick = recstore_tick(sw.nodes[i].rs);
		least = tick < least ? tick : least;
		most = tick > most ? tick : most;
	}
	if (most > least + BEHIND)
		return false;
	for (i = 0; i < sw.n; i++) {
		if (sw.nodes[i].frozen)
			continue;
		r = &sw.nodes[i].roots[least % SN_ROOTS];
		if (r->tick != least)
			return false;
		if (first != NULL && memcmp(first->root, r->root, 32) != 0)
			return false;
		first = r;
	}
	return true;
}
