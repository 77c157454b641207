/* SPDX-License-Identifier: ISC */
/*
 * A node of scenario `store`: its life, its links, and the way of a record
 * from a link or a client to the disk and on, as peerd/records.c and
 * peerd/store/writes.c have it.
 */
#include "tests/sim/store/snode.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "tests/sim/check/check.h"
#include "tests/sim/node.h"

#define COMMIT_MS 5
#define SILENT_MS (3 * KIT_TICK_MS)
#define REDIAL_MS 1000
#define RETRY_MS  200
#define REOPEN_MS 500
#define NEVER_US  INT64_MAX
#define CACHE     65536
#define PENDING   4096
#define TORN_OPS  12

struct sworld sw;

/* --- time --- */

struct wall
snode_wall(const struct snode *n)
{
	return (struct wall){ KIT_START_MS +
		(sim_now().us - SIM_START_US) / 1000 + n->skew_ms };
}

static void
see_wall(struct snode *n)
{
	int64_t ms = snode_wall(n).ms;

	if (ms > n->wall_max_ms)
		n->wall_max_ms = ms;
}

/* --- links --- */

unsigned
snode_link_of(const struct snode *n, uint32_t serial)
{
	unsigned k;

	for (k = 0; k < sw.n; k++)
		if (n->links[k].conn != NET_NIL && n->links[k].serial == serial)
			return k;
	return SNODES;
}

static void
trace_bytes(const uint8_t *p, size_t len)
{
	uint64_t h = len;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	sim_trace(h);
}

void
snode_send(struct snode *n, unsigned link, const uint8_t *msg, size_t len)
{
	uint32_t conn = n->links[link].conn;
	struct sn_msg *m;
	struct ev *ev;

	if (conn == NET_NIL)
		return;
	trace_bytes(msg, len);
	sw.busy += wire_peek(msg, len) != WIRE_ROOT;
	if ((ev = net_send(conn, net_side(conn, n->id))) == NULL)
		return;
	m = sim_alloc(1, sizeof(*m) + len);
	m->len = len;
	memcpy(m->b, msg, len);
	m->next = sw.msgs;
	if (m->next != NULL)
		m->next->prev = m;
	sw.msgs = m;
	ev->type = (uint8_t)wire_peek(msg, len);
	ev->u.p = m;
}

static void
drop_msg(struct sn_msg *m)
{
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		sw.msgs = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	free(m);
}

static void
send_root(struct snode *n, unsigned link)
{
	const struct recstore_root *r = recstore_root(n->rs, MSG_NULL64);
	struct wire_root out = { .wall_ms = snode_wall(n).ms };
	uint8_t buf[WIRE_ROOT_MAX];
	struct wr w;

	if (r == NULL)
		return;
	out.tick = r->tick;
	memcpy(out.root, r->root, 32);
	if (n->lying) {
		randombytes_buf(out.root, 32);
		sw.c.lies++;
	}
	out.cnt = r->top.cnt;
	out.sum = r->top.sum;
	out.seq = recstore_seq(n->rs);
	memcpy(out.dbid, recstore_dbid(n->rs), 16);
	wr_init(&w, buf, sizeof(buf));
	wire_put_root(&w, &out);
	snode_send(n, link, buf, w.len);
}

static void
link_down(struct snode *n, unsigned link)
{
	struct sn_link *l = &n->links[link];

	bcast_link_down(n->bcast, link, sim_now());
	ssync_gone(n, link);
	l->conn = NET_NIL;
}

static void
link_up(struct snode *n, unsigned link, uint32_t conn)
{
	struct sn_link *l = &n->links[link];
	uint32_t lo = n->id < link ? n->id : link, hi = n->id ^ link ^ lo;
	uint32_t secret[3] = { lo, hi, conn };
	uint8_t key[16];

	if (l->conn != NET_NIL) {
		net_close(l->conn, net_side(l->conn, n->id));
		link_down(n, link);
	}
	memset(l, 0, sizeof(*l));
	l->conn = conn;
	l->serial = ++n->serial;
	l->heard_us = sim_now().us;
	bcast_link_key(key, secret, sizeof(secret));
	bcast_link_up(n->bcast, link, key,
	    (uint32_t)(2 * net_latency(n->id, link)), false, sim_now());
	send_root(n, link);
	snode_arm(n);
}

static int
on_accept(uint32_t node, uint32_t from, uint32_t conn)
{
	struct snode *n = &sw.nodes[node];

	if (!n->up)
		return -1;
	link_up(n, from, conn);
	return (int)from;
}

static void
on_dialled(uint32_t node, uint32_t to, uint64_t tag, uint32_t conn)
{
	struct snode *n = &sw.nodes[node];

	if (n->life != tag) {
		if (conn != NET_NIL)
			net_close(conn, 0);
		return;
	}
	n->links[to].dialling = false;
	if (conn == NET_NIL)
		return;
	net_conn(conn)->end[0].link = (uint16_t)to;
	link_up(n, to, conn);
}

static void
on_down(uint32_t node, unsigned link)
{
	struct snode *n = &sw.nodes[node];

	if (n->up && n->links[link].conn != NET_NIL)
		link_down(n, link);
	snode_arm(n);
}

/* Close what fell silent, dial who is missing: each link is the lower's. */
static void
look_at_links(struct snode *n)
{
	int64_t now = sim_now().us;
	struct sn_link *l;
	unsigned k;

	for (k = 0; k < sw.n; k++) {
		l = &n->links[k];
		if (k == n->id)
			continue;
		if (l->conn != NET_NIL &&
		    now - l->heard_us > SILENT_MS * SIM_MS) {
			net_close(l->conn, net_side(l->conn, n->id));
			link_down(n, k);
		}
		if (l->conn == NET_NIL && !l->dialling && n->id < k) {
			l->dialling = true;
			net_dial(n->id, k, n->life);
		}
	}
	n->look_us = now + REDIAL_MS * SIM_MS;
}

/* --- the broadcast --- */

static uint32_t
hold(struct snode *n, const uint8_t *raw, size_t len)
{
	uint32_t i;

	for (i = 0; i < SN_HELD && n->held[i].raw != NULL; i++)
		continue;
	if (i < SN_HELD) {
		n->held[i].raw = sim_alloc(1, len);
		memcpy(n->held[i].raw, raw, len);
		n->held[i].len = len;
	}
	return i;
}

static void
unhold(struct snode *n, uint32_t handle)
{
	free(n->held[handle].raw);
	n->held[handle].raw = NULL;
}

static void
op_forget(void *ctx, uint32_t handle)
{
	unhold(ctx, handle);
}

static bool
op_gossip(void *ctx, unsigned link, uint32_t handle, enum bcast_how how)
{
	struct snode *n = ctx;
	struct wire_blob one = { n->held[handle].raw, n->held[handle].len };
	uint8_t buf[1024];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_gossip(&w,
	    how == BCAST_OLD        ? WIRE_HOPS_OLD
		: how == BCAST_PULL ? WIRE_HOPS_PULLED
				    : 1,
	    &one, 1);
	snode_send(n, link, buf, w.len);
	return true;
}

static void
op_ihave(void *ctx, unsigned link, const uint8_t *ids, size_t n_ids)
{
	uint8_t buf[WIRE_IDS_MAX * WIRE_ID + 16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_ihave(&w, ids, n_ids);
	snode_send(ctx, link, buf, w.len);
}

static void
op_pull(void *ctx, unsigned link, const uint8_t *ids, size_t n_ids)
{
	uint8_t buf[WIRE_IDS_MAX * WIRE_ID + 16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_pull(&w, ids, n_ids);
	snode_send(ctx, link, buf, w.len);
}

static void
op_graft(void *ctx, unsigned link)
{
	uint8_t buf[16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_graft(&w);
	snode_send(ctx, link, buf, w.len);
}

static void
op_prune(void *ctx, unsigned link, uint32_t backoff_ms)
{
	uint8_t buf[16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_prune(&w, backoff_ms);
	snode_send(ctx, link, buf, w.len);
}

static void
op_score(void *ctx, unsigned link, enum score_event event)
{
	(void)ctx;
	(void)link;
	(void)event;
}

static uint64_t
op_rnd(void *ctx)
{
	return rng_next(&((struct snode *)ctx)->rng);
}

static const struct bcast_ops ops = { .send_gossip = op_gossip,
	.send_ihave = op_ihave,
	.send_pull = op_pull,
	.send_graft = op_graft,
	.send_prune = op_prune,
	.score = op_score,
	.forget = op_forget,
	.rnd = op_rnd };

static const struct bcast_limits limits = { .links = SNODES,
	.recent = 256,
	.pending = 64,
	.authors = 16,
	.delayed = 16 };

/* --- records: what the disk said --- */

static void
tell(struct snode *n, const struct sn_item *it)
{
	struct bcast_msg m = { .rid = it->rid,
		.author = it->author,
		.key = it->key };
	unsigned link = snode_link_of(n, it->from);
	bool good = it->verdict == DB_NEW;

	if (good && (m.handle = hold(n, it->raw, it->len)) == SN_HELD)
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

static void
commit(struct snode *n)
{
	size_t i, count = n->n_inbox;
	struct sn_item *it;
	bool saved;

	n->commit_us = NEVER_US;
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
	if (recstore_commit(n->rs) != SQL_OK || !saved)
		for (i = 0; i < count; i++)
			if (n->inbox[i].verdict == DB_NEW ||
			    n->inbox[i].verdict == DB_NOT_ADMITTED)
				n->inbox[i].verdict = DB_DISK;
	for (i = 0; i < count; i++) {
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

	if (n->n_inbox == SN_INBOX || len > sizeof(it->raw))
		return NULL;
	n->n_inbox++;
	memset(it, 0, sizeof(*it));
	memcpy(it->raw, raw, len);
	it->len = len;
	it->token = SN_NO_TOKEN;
	if (n->commit_us == NEVER_US)
		n->commit_us =
		    sim_now().us + (1 + rng_below(&n->rng, COMMIT_MS)) * SIM_MS;
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

static void
take_gossip(struct snode *n, unsigned link, uint8_t hops, const uint8_t *raw,
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

static void
take_sync(struct snode *n, unsigned link, const uint8_t *raw, size_t len)
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

/* --- messages --- */

static void
on_records(struct snode *n, unsigned link, struct wire_msg *m)
{
	struct wire_blob rec;

	if (m->type == WIRE_RECS)
		recon_heard(&n->recon, n->links[link].serial, sim_now());
	while (wire_next_record(m, &rec)) {
		if (m->type == WIRE_GOSSIP)
			take_gossip(n, link, m->hops, rec.p, rec.len);
		else
			take_sync(n, link, rec.p, rec.len);
		if (m->type == WIRE_RECS)
			n->body_bytes += rec.len;
	}
}

static void
dispatch(struct snode *n, unsigned link, const uint8_t *b, size_t len)
{
	uint32_t type = wire_peek(b, len);
	struct wire_msg m;

	if (wire_decode(&m, type < WIRE_ROOT ? LANE_GOSSIP : LANE_SYNC, b,
		len) != WIRE_OK) {
		sw.c.malformed++;
		check_that(sw.nodes[link].byz, "S10",
		    "an honest node sent a malformed message", type);
		return;
	}
	switch (m.type) {
	case WIRE_GOSSIP:
	case WIRE_RECS:
		on_records(n, link, &m);
		break;
	case WIRE_IHAVE:
		bcast_on_ihave(n->bcast, link, m.ids, m.n_ids, sim_now());
		break;
	case WIRE_PULL:
		bcast_on_pull(n->bcast, link, m.ids, m.n_ids, sim_now());
		break;
	case WIRE_GRAFT:
		bcast_on_graft(n->bcast, link, sim_now());
		break;
	case WIRE_PRUNE:
		bcast_on_prune(n->bcast, link, m.backoff_ms, sim_now());
		break;
	case WIRE_ROOT:
		ssync_root(n, link, &m.root);
		break;
	default:
		ssync_message(n, link, b, len);
		break;
	}
}

static void
on_message(uint32_t node, unsigned link, struct ev *ev)
{
	struct snode *n = &sw.nodes[node];
	struct sn_msg *m = ev->u.p;

	if (n->up && n->links[link].conn == ev->a) {
		n->links[link].heard_us = sim_now().us;
		dispatch(n, link, m->b, m->len);
		snode_arm(n);
	}
	drop_msg(m);
}

static const struct net_ops net_ops = { .message = on_message,
	.down = on_down,
	.accept = on_accept,
	.dialled = on_dialled };

/* --- ticks --- */

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

static void
undefer(struct snode *n)
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

static void
tick(struct snode *n)
{
	enum sql_rc rc;
	int64_t wait;
	unsigned k;

	commit(n);
	rc = recstore_settle(n->rs, snode_wall(n));
	if (rc == SQL_OK) {
		scheck_settled(n);
		ssync_tick(n);
		for (k = 0; k < sw.n; k++)
			send_root(n, k);
	}
	undefer(n);
	wait = recstore_due(n->rs, snode_wall(n)).ms - snode_wall(n).ms + 1;
	if (wait < RETRY_MS || recstore_deferred(n->rs) > 0)
		wait = RETRY_MS;
	/* The clock may be set meanwhile. */
	if (wait > KIT_TICK_MS)
		wait = KIT_TICK_MS;
	n->tick_us = sim_now().us + wait * SIM_MS;
}

/* --- its timer --- */

static int64_t
due_us(const struct snode *n)
{
	struct mono due = mono_min(bcast_due(n->bcast), ssync_due(n));

	due = mono_min(due, (struct mono){ n->commit_us });
	due = mono_min(due, (struct mono){ n->tick_us });
	return mono_min(due, (struct mono){ n->look_us }).us;
}

static void
on_timer(struct ev *ev)
{
	struct snode *n = &sw.nodes[ev->a];
	int64_t now = sim_now().us;

	if (!n->up || n->life != ev->b || n->armed_us != now)
		return;
	n->armed_us = NEVER_US;
	see_wall(n);
	if (n->look_us <= now)
		look_at_links(n);
	if (n->commit_us <= now)
		commit(n);
	if (n->tick_us <= now)
		tick(n);
	(void)bcast_tick(n->bcast, sim_now());
	ssync_run(n);
	snode_arm(n);
}

void
snode_arm(struct snode *n)
{
	struct ev *ev;
	int64_t at;

	if (!n->up)
		return;
	if (disk_is_dead(n->id)) {
		sw.c.torn++;
		snode_crash(n, true);
		return;
	}
	at = due_us(n);
	if (at < sim_now().us)
		at = sim_now().us;
	if (at >= n->armed_us)
		return;
	n->armed_us = at;
	ev = sim_add(at, EV_TIMER);
	ev->a = n->id;
	ev->b = n->life;
}

/* --- its life --- */

static void
restart(uint64_t node)
{
	if (!sw.nodes[node].up)
		snode_start(&sw.nodes[node]);
}

static void
load_stamps(struct snode *n)
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

static bool
open_store(struct snode *n)
{
	char file[] = "0/x.db", why[96];
	const struct recstore_conf conf = { .charter = &kit_charter,
		.sql = { .file = file, .vfs = "fault", .cache_bytes = CACHE },
		.pending_max = PENDING };
	bool differs, torn;
	enum sql_rc rc;

	file[0] = (char)('0' + n->id);
	/* Power may go while the store recovers, too. */
	torn = !sw.calm && rng_below(&n->rng, 4) == 0;
	if (torn)
		disk_cut(n->id, 1 + rng_below(&n->rng, TORN_OPS));
	rc = recstore_open(&n->rs, &conf, snode_wall(n), &differs, why,
	    sizeof(why));
	if (rc == SQL_OK && !disk_is_dead(n->id)) {
		disk_uncut(n->id);
		scheck_opened(n, differs);
		return true;
	}
	sw.c.reopen_failed++;
	check_that(!sw.calm && (torn || rc != SQL_CORRUPT), "S5",
	    "the store does not open", n->id);
	recstore_close(n->rs);
	n->rs = NULL;
	if (disk_is_dead(n->id))
		disk_revive(n->id, true);
	return false;
}

void
snode_start(struct snode *n)
{
	uint8_t secret[16];
	unsigned k;

	n->life++;
	see_wall(n);
	if (!open_store(n)) {
		sim_call(sim_now().us + REOPEN_MS * SIM_MS, restart, n->id);
		return;
	}
	load_stamps(n);
	randombytes_buf(secret, sizeof(secret));
	n->bcast = bcast_init(n->bcast_mem, &limits, secret, &ops, n);
	ssync_start(n);
	for (k = 0; k < SNODES; k++) {
		memset(&n->links[k], 0, sizeof(n->links[k]));
		n->links[k].conn = NET_NIL;
	}
	n->n_inbox = 0;
	n->armed_us = n->commit_us = NEVER_US;
	n->tick_us = n->look_us = sim_now().us;
	n->up = true;
	net_host_up(n->id);
	scheck_stored(n);
	snode_arm(n);
}

static void
leave(struct snode *n)
{
	const struct recstore_counts *c = recstore_counts(n->rs);
	uint32_t i;

	sw.c.evicted += c->evicted;
	sw.c.expired += c->expired;
	sw.c.unadmitted += c->unadmitted;
	sw.c.equivocations += c->equivocations;
	sw.c.failed_commits += c->failed_commits;
	recstore_close(n->rs);
	n->rs = NULL;
	n->up = false;
	for (i = 0; i < SN_HELD; i++)
		unhold(n, i);
}

void
snode_crash(struct snode *n, bool lost)
{
	sw.c.crashes++;
	disk_cut(n->id, 0); /* what it holds in memory goes nowhere */
	net_host_down(n->id, rng_below(&n->rng, 2) == 0);
	leave(n);
	disk_revive(n->id, lost);
	sim_call(sim_now().us + (500 + rng_below(&n->rng, 8000)) * SIM_MS,
	    restart, n->id);
}

void
sworld_init(const struct world_conf *wc)
{
	uint32_t n = wc->nodes;
	struct net_conf conf = { .hop_us = 300, .stall = 0.01 };
	uint32_t i;

	world.conf = *wc;
	memset(&sw, 0, sizeof(sw));
	sw.n = n;
	sw.nodes = sim_alloc(n, sizeof(*sw.nodes));
	kit_init(sim_seed());
	disks_init(sim_seed());
	net_init(n, &conf, &net_ops);
	sim_handle(EV_TIMER, on_timer);
	for (i = 0; i < n; i++) {
		sw.nodes[i].id = i;
		sw.nodes[i].bcast_mem = sim_alloc(1, bcast_size(&limits));
		rng_init(&sw.nodes[i].rng, sim_seed(), i);
	}
}

void
sworld_fini(void)
{
	uint32_t i;

	for (i = 0; i < sw.n; i++) {
		if (sw.nodes[i].up)
			leave(&sw.nodes[i]);
		free(sw.nodes[i].bcast_mem);
		free(sw.nodes[i].stack);
		free(sw.nodes[i].wants);
	}
	while (sw.msgs != NULL)
		drop_msg(sw.msgs);
	free(sw.nodes);
	disks_fini();
	net_fini();
	kit_fini();
}
