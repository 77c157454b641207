/* SPDX-License-Identifier: ISC */
/*
 * The way of a record from a link or a client to the disk and on, as
 * peerd/records.c and peerd/store/writes.c have it.
 */
#include <stdio.h>
#include <string.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "tests/sim/check/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/store/snode.h"

#define COMMIT_MS 5

/* --- records: what the disk said --- */

static void
tell(struct snode *n, const struct sn_item *it)
{
	struct bcast_msg m = { .rid = it->rid,
		.author = it->author,
		.key = it->key };
	unsigned link = snode_link_of(n, it->from);
	bool good = it->verdict == DB_NEW;

	if (good && (m.handle = sgossip_hold(n, it->raw, it->len)) == SN_HELD)
		good = false;
	if (good && it->is_local)
		bcast_local(n->bcast, &m, sim_now());
	else if (good && it->is_sync)
		(void)bcast_synced(n->bcast, &m,
		    link < SNODES ? link : BCAST_LINKS_MAX, sim_now());
	else if (it->token != SN_NO_TOKEN)
		bcast_settle(n->bcast, it->token,
		    good ? BCAST_GOOD
			: it->verdict == DB_BUSY || it->verdict == DB_DISK
			? BCAST_BAD
			: BCAST_STALE,
		    good ? &m : NULL, sim_now());
	else if (good)
		bcast_local(n->bcast, &m, sim_now());
}

static void
acknowledge(struct snode *n, const struct sn_item *it)
{
	const struct kit_rec *k = kit_find(it->rid);

	sw.c.unacked += it->is_local && it->verdict != DB_NEW;
	sw.c.late += it->verdict == DB_EXPIRED || it->verdict == DB_OLD;
	sw.c.future += it->verdict == DB_FUTURE;
	if (it->verdict != DB_NEW)
		return;
	sw.c.acked += it->is_local;
	sw.c.synced += it->is_sync;
	sw.c.gossiped += !it->is_sync && !it->is_local;
	check_that(k != NULL && k->len == it->len &&
		memcmp(k->raw, it->raw, it->len) == 0,
	    "S6", "a record that nobody signed was stored", n->id);
	if (k != NULL)
		scheck_acked(n, k, it->is_local);
}

/* The last stamps become durable with the records that carry them. */
static bool
save_stamps(struct snode *n)
{
	struct sql *sql = recstore_sql(n->rs);
	char name[16];
	uint8_t buf[8];
	unsigned a;

	for (a = 0; a < KIT_AUTHORS && sql_in_transaction(sql); a++) {
		(void)snprintf(name, sizeof(name), SN_STAMP, a);
		put_u64(buf, n->last[a]);
		if (sql_meta_put(sql, name, buf, sizeof(buf)) != SQL_OK)
			return false;
	}
	return true;
}

void
sin_commit(struct snode *n)
{
	size_t i, count = n->n_inbox;
	struct sn_item *it;
	enum sql_rc rc;
	bool saved;

	n->commit_us = SN_NEVER_US;
	n->n_inbox = 0;
	if (count == 0)
		return;
	for (i = 0; i < count; i++) {
		it = &n->inbox[i];
		recstore_put(n->rs,
		    it->is_local ? RECSTORE_LOCAL : RECSTORE_PEER, it->raw,
		    it->len, snode_wall(n), NULL, &it->put);
		it->verdict = it->put.verdict;
		if (it->verdict == DB_NEW || it->verdict == DB_OLD)
			recon_arrived(&n->recon, it->put.key, it->put.hlc);
	}
	saved = save_stamps(n);
	if (disk_is_dead(n->id))
		sw.c.midcommit++;
	rc = recstore_commit(n->rs);
	if (!saved)
		rc = SQL_IO;
	for (i = 0; i < count; i++) {
		n->inbox[i].verdict = recstore_after(n->inbox[i].verdict, rc);
		sim_trace(n->inbox[i].verdict);
		acknowledge(n, &n->inbox[i]);
		tell(n, &n->inbox[i]);
	}
}

/* --- records: on their way to it --- */

static struct sn_item *
item_new(struct snode *n, const uint8_t *raw, size_t len)
{
	struct sn_item *it = &n->inbox[n->n_inbox];

	if (n->n_inbox == SN_INBOX || len > sizeof(it->raw) ||
	    BUGGIFY(store_busy))
		return NULL;
	n->n_inbox++;
	memset(it, 0, sizeof(*it));
	memcpy(it->raw, raw, len);
	it->len = len;
	it->token = SN_NO_TOKEN;
	if (n->commit_us == SN_NEVER_US)
		n->commit_us = BUGGIFY(small_batch) ? sim_now().us
						    : sim_now().us +
			(1 + rng_below(&n->rng, COMMIT_MS)) * SIM_MS;
	return it;
}

static bool
is_over(const struct snode *n, const struct rec *rec)
{
	const struct charter_kind *k = charter_kind(&kit_charter, rec->kind);

	return hlc_expiry(rec->hlc, k->ttl_s).ms <= snode_wall(n).ms;
}

static bool
read_record(struct rec *rec, const uint8_t *raw, size_t len)
{
	return rec_decode(rec, &kit_charter, raw, len) == REC_OK &&
	    admit_check(rec, &kit_charter) == REC_OK;
}

/* Whoever sent a bad one is told off; here it must not be honest. */
static bool
verify(const struct rec *rec, const uint8_t rid[32], unsigned link)
{
	if (rec_verify(rec, kit_charter.netid, rid))
		return true;
	sw.c.bad_signatures++;
	check_that(link == SNODES || sw.nodes[link].byz, "S10",
	    "an honest node sent a bad signature", link);
	return false;
}

static void
hand_over(struct snode *n, const struct rec *rec, const uint8_t rid[32],
    const uint8_t *raw, size_t len, uint32_t token, uint32_t from, bool is_sync)
{
	struct sn_item *it = item_new(n, raw, len);
	uint8_t key[32];

	if (it == NULL) {
		if (token != SN_NO_TOKEN)
			bcast_settle(n->bcast, token, BCAST_BAD, NULL,
			    sim_now());
		return;
	}
	rec_key(key, rec, kit_charter.netid);
	memcpy(it->rid, rid, 32);
	it->author = get_u64(rec->author);
	it->key = get_u64(key + 16);
	it->token = token;
	it->from = from;
	it->is_sync = is_sync;
}

void
sin_gossip(struct snode *n, unsigned link, uint8_t hops, const uint8_t *raw,
    size_t len)
{
	enum bcast_how how = hops == WIRE_HOPS_OLD ? BCAST_OLD
	    : hops == WIRE_HOPS_PULLED             ? BCAST_PULL
						   : BCAST_PUSH;
	uint8_t rid[32];
	uint32_t token;
	struct rec rec;

	if (!read_record(&rec, raw, len))
		return;
	rec_rid(rid, rec.body, rec.body_len);
	if (bcast_receive(n->bcast, link, rid, how, &token, sim_now()) !=
	    BCAST_NEW)
		return;
	if (is_over(n, &rec))
		bcast_settle(n->bcast, token, BCAST_STALE, NULL, sim_now());
	else if (!verify(&rec, rid, link))
		bcast_settle(n->bcast, token, BCAST_BAD, NULL, sim_now());
	else
		hand_over(n, &rec, rid, raw, len, token, n->links[link].serial,
		    false);
}

void
sin_sync(struct snode *n, unsigned link, const uint8_t *raw, size_t len)
{
	uint8_t rid[32];
	struct rec rec;

	if (!read_record(&rec, raw, len) || is_over(n, &rec))
		return;
	rec_rid(rid, rec.body, rec.body_len);
	if (verify(&rec, rid, link))
		hand_over(n, &rec, rid, raw, len, SN_NO_TOKEN,
		    n->links[link].serial, true);
}

void
snode_offer(struct snode *n, const uint8_t *raw, size_t len)
{
	uint8_t rid[32];
	struct rec rec;

	if (!read_record(&rec, raw, len) || is_over(n, &rec))
		return;
	rec_rid(rid, rec.body, rec.body_len);
	if (verify(&rec, rid, SNODES))
		hand_over(n, &rec, rid, raw, len, SN_NO_TOKEN, 0, false);
	snode_arm(n);
}

void
snode_write(struct snode *n, struct kit_say *say, int64_t back_ms)
{
	static struct recstore_rec had;
	const struct kit_rec *k;
	struct wall now = snode_wall(n);
	struct sn_item *it;
	uint64_t *last = &n->last[say->author];
	uint8_t key[32];
	bool has;

	kit_key(key, say);
	has = recstore_get(n->rs, key, false, &had) == SQL_OK;
	if (back_ms != 0) {
		now.ms -= back_ms;
		say->hlc = hlc_from_wall(now) + rng_below(&n->rng, 1000);
	} else {
		say->hlc = *last = hlc_next(now, *last, has ? had.hlc : 0);
	}
	k = kit_write(say);
	sw.c.writes++;
	if ((it = item_new(n, k->raw, k->len)) == NULL)
		return;
	memcpy(it->rid, k->rid, 32);
	it->author = say->author;
	it->key = get_u64(k->key + 16);
	/* Only a stamp of our own making promises to grow. */
	it->is_local = back_ms == 0;
	snode_arm(n);
}

/* --- records of the future, whose time has come --- */

struct undeferred {
	struct snode *n;
	struct sn_item items[32];
	size_t n_items;
};

static void
on_undeferred(void *arg, const void *raw, size_t len)
{
	struct undeferred *u = arg;
	struct sn_item *it;
	struct rec rec;
	uint8_t key[32];

	if (u->n_items == 32 || !read_record(&rec, raw, len))
		return;
	it = &u->items[u->n_items++];
	memset(it, 0, sizeof(*it));
	memcpy(it->raw, raw, len);
	it->len = len;
	rec_rid(it->rid, rec.body, rec.body_len);
	rec_key(key, &rec, kit_charter.netid);
	it->author = get_u64(rec.author);
	it->key = get_u64(key + 16);
	it->token = SN_NO_TOKEN;
}

void
sin_undefer(struct snode *n)
{
	static struct undeferred u;
	enum sql_rc rc;
	size_t i;

	u.n_items = 0;
	if (recstore_deferred(n->rs) == 0)
		return;
	(void)recstore_undefer(n->rs, snode_wall(n), on_undeferred, &u);
	rc = recstore_commit(n->rs);
	for (i = 0; i < u.n_items; i++) {
		u.items[i].verdict = rc == SQL_OK ? DB_NEW : DB_DISK;
		acknowledge(n, &u.items[i]);
		tell(n, &u.items[i]);
	}
}

/* --- stamps, after a crash --- */

void
sin_load_stamps(struct snode *n)
{
	char name[16];
	uint8_t buf[8];
	size_t len;
	unsigned a;

	memset(n->last, 0, sizeof(n->last));
	for (a = 0; a < KIT_AUTHORS; a++) {
		(void)snprintf(name, sizeof(name), SN_STAMP, a);
		len = sizeof(buf);
		if (sql_meta_get(recstore_sql(n->rs), name, buf, &len) ==
			SQL_OK &&
		    len == 8)
			n->last[a] = get_u64(buf);
	}
}
