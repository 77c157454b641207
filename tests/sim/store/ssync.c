/* SPDX-License-Identifier: ISC */
/*
 * Sync sessions: the shell of recon.h, in the words of peerd/store/sync.c and
 * the comparing of roots in peerd/store/links.c.
 */
#include <sodium.h>
#include <string.h>

#include "tests/sim/check/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/store/snode.h"

#define JITTER_MS    5000
#define STACK        4096
#define WANTS        4096
#define RECS_BYTES   (48u << 10)
#define RECS_RECORDS 64

static struct mono
now_mono(void)
{
	return sim_now();
}

/* --- pushing --- */

static void
flush(struct snode *n)
{
	static struct recstore_rec recs[RECS_RECORDS];
	static uint8_t buf[RECON_MSG_MAX];
	const uint8_t *raws[RECS_RECORDS];
	size_t lens[RECS_RECORDS], k, i, bytes;
	const struct sn_push *q, *first;
	struct wr w;

	while (n->n_pushes > 0) {
		first = &n->pushes[0];
		for (i = k = bytes = 0; i < n->n_pushes && k < RECS_RECORDS &&
		     bytes < RECS_BYTES && (k == 0 || !BUGGIFY(small_recs));
		     i++) {
			q = &n->pushes[i];
			if (q->serial != first->serial || q->sid != first->sid)
				break;
			if (recstore_get(n->rs, q->key, false, &recs[k]) !=
				SQL_OK ||
			    recs[k].raw_len == 0)
				continue;
			raws[k] = recs[k].raw;
			lens[k] = recs[k].raw_len;
			bytes += lens[k++];
		}
		wr_init(&w, buf, sizeof(buf));
		if (k > 0)
			(void)recon_put_recs(&w, first->sid, raws, lens, k);
		if (k > 0 && snode_link_of(n, first->serial) < SNODES)
			snode_send(n, snode_link_of(n, first->serial), buf,
			    w.len);
		n->n_pushes -= i;
		memmove(n->pushes, n->pushes + i,
		    n->n_pushes * sizeof(*n->pushes));
	}
}

static void
op_push(void *arg, uint64_t peer, uint16_t sid, const uint8_t key[32])
{
	struct snode *n = arg;
	struct sn_push *q;

	if (n->n_pushes == SN_PUSHES || BUGGIFY(push_lost))
		return;
	q = &n->pushes[n->n_pushes++];
	q->serial = (uint32_t)peer;
	q->sid = sid;
	memcpy(q->key, key, 32);
}

static void
op_send(void *arg, uint64_t peer, const uint8_t *msg, size_t len)
{
	struct snode *n = arg;
	unsigned link = snode_link_of(n, (uint32_t)peer);

	flush(n);
	if (link == SNODES)
		return;
	if (n->recon.own.on && n->recon.own.peer == peer)
		n->meta_bytes += len;
	snode_send(n, link, msg, len);
}

/* --- which peer is next --- */

static void
want(struct snode *n, uint32_t serial, int64_t ms)
{
	size_t i;

	for (i = 0; i < n->n_queue; i++)
		if (n->queue[i].serial == serial)
			return;
	if (n->n_queue == SN_QUEUE)
		return;
	n->queue[n->n_queue].serial = serial;
	n->queue[n->n_queue++].due = mono_add_ms(now_mono(), ms);
}

static void
op_end(void *arg, uint64_t peer, enum recon_how how, uint32_t retry_s)
{
	struct snode *n = arg;

	scheck_session(n);
	sw.c.done += how == RECON_DONE;
	sw.c.partial += how == RECON_PARTIAL;
	sw.c.refused_sessions += how == RECON_REFUSED;
	sw.c.lost_sessions += how == RECON_LOST || how == RECON_SILENT;
	if (how == RECON_REFUSED)
		want(n, (uint32_t)peer, (int64_t)retry_s * 1000);
	else if (how != RECON_DONE)
		want(n, (uint32_t)peer, 1000);
}

/* Does the other end have a session of its own with us just now? */
static bool
is_both(const struct snode *n, unsigned link)
{
	const struct snode *peer = &sw.nodes[link];

	return peer->up && peer->recon.own.on &&
	    peer->recon.own.peer == peer->links[n->id].serial;
}

static void
begin(struct snode *n, unsigned link)
{
	struct sn_link *l = &n->links[link];
	uint64_t tick = recstore_tick(n->rs);
	enum mtree_ver ver;
	enum recon_rc rc;
	uint8_t salt[8];

	/* The roots may have come to agree while it waited. */
	if (l->odd == 0)
		return;
	if (l->root.tick < tick)
		tick = l->root.tick;
	if (!mtree_find_tick(recstore_tree(n->rs), tick, &ver))
		return;
	randombytes_buf(salt, sizeof(salt));
	n->meta_bytes = n->body_bytes = 0;
	rc =
	    recon_start(&n->recon, l->serial, ++n->sid, tick, salt, now_mono());
	if (rc == RECON_OK) {
		sw.c.sessions++;
		sw.c.both_sides += is_both(n, link);
	} else if (rc == RECON_BUSY) {
		want(n, l->serial, 1000);
	}
}

static void
begin_due(struct snode *n)
{
	uint32_t serial;
	unsigned link;
	size_t i;

	for (i = 0; i < n->n_queue; i++) {
		if (!mono_reached(n->queue[i].due, now_mono()))
			continue;
		serial = n->queue[i].serial;
		n->queue[i] = n->queue[--n->n_queue];
		link = snode_link_of(n, serial);
		if (link < SNODES)
			begin(n, link);
		return; /* one session at a time is ours */
	}
}

struct mono
ssync_due(const struct snode *n)
{
	struct mono due = recon_due(&n->recon);
	size_t i;

	for (i = 0; i < n->n_queue; i++)
		due = mono_min(due, n->queue[i].due);
	return due;
}

void
ssync_run(struct snode *n)
{
	recon_tick(&n->recon, now_mono());
	begin_due(n);
	flush(n);
}

/* --- roots --- */

static void
compare(struct snode *n, unsigned link)
{
	struct sn_link *l = &n->links[link];
	const struct recstore_root *ours;

	if (!l->has_root || (ours = recstore_root(n->rs, l->root.tick)) == NULL)
		return;
	if (memcmp(ours->root, l->root.root, 32) == 0) {
		l->odd = 0;
	} else {
		l->odd++;
		if (!l->compared)
			want(n, l->serial, 0);
		else if (l->odd >= 2)
			want(n, l->serial, rng_below(&n->rng, JITTER_MS));
	}
	l->compared = true;
}

void
ssync_root(struct snode *n, unsigned link, const struct wire_root *r)
{
	struct sn_link *l = &n->links[link];

	if (l->has_root && r->tick <= l->root.tick)
		return;
	l->root = *r;
	l->has_root = true;
	compare(n, link);
}

void
ssync_tick(struct snode *n)
{
	unsigned k;

	sw.c.rollover += n->recon.own.on;
	for (k = 0; k < sw.n; k++)
		if (n->links[k].conn != NET_NIL && n->links[k].has_root &&
		    n->links[k].root.tick == recstore_tick(n->rs))
			compare(n, k);
}

/* --- messages and life --- */

void
ssync_message(struct snode *n, unsigned link, const uint8_t *msg, size_t len)
{
	uint32_t serial = n->links[link].serial;
	enum recon_rc rc;

	if (n->recon.own.on && n->recon.own.peer == serial)
		n->meta_bytes += len;
	rc = recon_input(&n->recon, serial, msg, len, now_mono());
	if (rc == RECON_MALFORMED) {
		sw.c.malformed++;
		check_that(sw.nodes[link].byz, "S10",
		    "an honest node sent what nobody honest sends", msg[1]);
	}
	flush(n);
}

void
ssync_gone(struct snode *n, unsigned link)
{
	uint32_t serial = n->links[link].serial;
	size_t i;

	recon_forget_peer(&n->recon, serial);
	for (i = 0; i < n->n_queue; i++)
		if (n->queue[i].serial == serial) {
			n->queue[i] = n->queue[--n->n_queue];
			break;
		}
}

void
ssync_start(struct snode *n)
{
	struct recon_conf conf = { .tree = recstore_tree(n->rs),
		.n_stack = STACK,
		.n_wants = WANTS,
		.ops = { .send = op_send,
		    .push = op_push,
		    .end = op_end,
		    .arg = n } };

	memcpy(conf.netid, kit_charter.netid, 32);
	randombytes_buf(conf.key, sizeof(conf.key));
	randombytes_buf(&n->sid, sizeof(n->sid));
	if (n->stack == NULL) {
		n->stack = sim_alloc(STACK, sizeof(*n->stack));
		n->wants = sim_alloc(WANTS, sizeof(*n->wants));
	}
	conf.stack = n->stack;
	conf.wants = n->wants;
	n->n_pushes = n->n_queue = 0;
	recon_init(&n->recon, &conf, now_mono());
}
