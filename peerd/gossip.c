/* SPDX-License-Identifier: ISC */
/*
 * The shell of the broadcast core (bcast.h): gives it the links of the view
 * (neigh.c), keeps the records it names by handles, and gathers what goes out
 * on one link into one GOSSIP message.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/bytes.h"
#include "common/log.h"
#include "peerd/bcast.h"
#include "peerd/peerd.h"

#define KEPT_MAX     16384       /* records that may be passed on again */
#define KEPT_BYTES   (32u << 20) /* of them together */
#define QUIET_MS     10 /* a link quiet for so long is sent to at once */
#define QUIET_LAN_MS 2
#define LAN_RTT_US   2000

/* A record that was passed on or may be asked for. */
struct kept {
	uint8_t *raw; /* NULL: free */
	uint32_t len;
	uint32_t next; /* of the free ones */
	uint8_t hops;
};

/* What waits to go out on a link in one message. */
struct outbox {
	struct conn *c; /* NULL: the slot is free */
	uint32_t handles[WIRE_RECORDS_MAX];
	uint16_t n;
	uint8_t hops; /* all of one message have the same */
	size_t bytes;
	struct mono sent, due;
	/* What the core said from inside a call, done when it is over: */
	uint8_t sins[SCORE_EVENTS_N];
	bool full; /* what must not be lost could not be queued */
};

static struct bcast *bcast;
static struct kept kept[KEPT_MAX];
static uint32_t free_kept = GOSSIP_NO_HANDLE, used_kept;
static size_t n_kept, kept_bytes;
static struct outbox boxes[OVERLAY_SLOTS];
static bool judge_soon;
static struct event *timer;

/* --- records by handle --- */

uint32_t
gossip_keep(const uint8_t *raw, size_t len, uint8_t hops)
{
	uint32_t i = free_kept;

	/* Places that were never used are taken last, so that a table which
	 * is mostly empty takes no memory. */
	if (i == GOSSIP_NO_HANDLE)
		i = used_kept;
	if (i == KEPT_MAX || kept_bytes + len > KEPT_BYTES ||
	    (kept[i].raw = malloc(len)) == NULL)
		return GOSSIP_NO_HANDLE;
	if (i == used_kept)
		used_kept++;
	else
		free_kept = kept[i].next;
	memcpy(kept[i].raw, raw, len);
	kept[i].len = (uint32_t)len;
	kept[i].hops = hops;
	kept_bytes += len;
	n_kept++;
	return i;
}

void
gossip_drop(uint32_t handle)
{
	struct kept *k = &kept[handle];

	if (handle >= KEPT_MAX || k->raw == NULL)
		return;
	kept_bytes -= k->len;
	n_kept--;
	free(k->raw);
	k->raw = NULL;
	k->next = free_kept;
	free_kept = handle;
}

const uint8_t *
gossip_raw(uint32_t handle, size_t *len)
{
	*len = kept[handle].len;
	return kept[handle].raw;
}

/* --- sending --- */

static void
arm(struct mono due)
{
	struct mono now = mono_now();

	if (!child_timer_pending(timer) || mono_before(due, now) ||
	    mono_before(due, mono_add_ms(now, QUIET_MS)))
		child_timer_set(timer, due, now);
}

static bool
send_box(struct outbox *box, struct mono now)
{
	static uint8_t buf[WIRE_GOSSIP_MAX];
	struct wire_blob blobs[WIRE_RECORDS_MAX];
	size_t i, n = 0;
	struct wr w;
	bool sent;

	for (i = 0; i < box->n; i++) {
		if (kept[box->handles[i]].raw == NULL)
			continue; /* forgotten meanwhile */
		blobs[n].p = kept[box->handles[i]].raw;
		blobs[n++].len = kept[box->handles[i]].len;
	}
	box->n = 0;
	box->bytes = 0;
	box->sent = now;
	box->due = MONO_NEVER;
	if (n == 0)
		return true;
	wr_init(&w, buf, sizeof(buf));
	wire_put_gossip(&w, box->hops, blobs, n);
	sent = !w.bad && traffic_send(box->c, LANE_GOSSIP, buf, w.len);
	if (sent)
		peerd.n.records_sent += n;
	else
		peerd.n.records_not_sent += n;
	return sent;
}

/* The lane has room for one more message of records? */
static bool
lane_has_room(struct conn *c)
{
	return link_queued(&c->link, LANE_GOSSIP) < GOSSIP_FULL;
}

static bool
op_gossip(void *ctx, unsigned link, uint32_t handle, enum bcast_how how)
{
	struct outbox *box = &boxes[link];
	const struct kept *k = &kept[handle];
	struct mono now = mono_now();
	uint8_t hops = how == BCAST_PUSH ? k->hops
	    : how == BCAST_OLD           ? WIRE_HOPS_OLD
					 : WIRE_HOPS_PULLED;
	int64_t quiet =
	    box->c != NULL && box->c->rtt_us != 0 && box->c->rtt_us < LAN_RTT_US
	    ? QUIET_LAN_MS
	    : QUIET_MS;

	(void)ctx;
	if (box->c == NULL || k->raw == NULL || !lane_has_room(box->c))
		return false;
	if (box->n > 0 &&
	    (box->n == WIRE_RECORDS_MAX || box->hops != hops ||
		box->bytes + k->len + 3 > WIRE_GOSSIP_MAX - 8))
		(void)send_box(box, now);
	box->hops = hops;
	box->handles[box->n++] = handle;
	box->bytes += k->len + 3;
	if (mono_ms_between(box->sent, now) >= quiet)
		return send_box(box, now);
	if (box->n == 1) {
		box->due = mono_add_ms(box->sent, quiet);
		arm(box->due);
	}
	return true;
}

/* What must not be lost while the link lives. */
static void
send_wr(unsigned link, const struct wr *w)
{
	struct conn *c = boxes[link].c;

	if (c == NULL || c->state != CONN_UP)
		return;
	if (w->bad || !traffic_send(c, LANE_GOSSIP, w->p, w->len))
		boxes[link].full = judge_soon = true;
}

static void
op_ihave(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	uint8_t buf[WIRE_IDS_MAX * WIRE_ID + 16];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_ihave(&w, ids, n);
	send_wr(link, &w);
}

static void
op_pull(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	uint8_t buf[WIRE_IDS_MAX * WIRE_ID + 16];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_pull(&w, ids, n);
	send_wr(link, &w);
}

static void
op_graft(void *ctx, unsigned link)
{
	uint8_t buf[16];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_graft(&w);
	send_wr(link, &w);
}

static void
op_prune(void *ctx, unsigned link, uint32_t backoff_ms)
{
	uint8_t buf[16];
	struct wr w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wire_put_prune(&w, backoff_ms);
	send_wr(link, &w);
}

static void
op_score(void *ctx, unsigned link, enum score_event event)
{
	(void)ctx;
	if (boxes[link].sins[event] < UINT8_MAX)
		boxes[link].sins[event]++;
	judge_soon = true;
}

static void
op_forget(void *ctx, uint32_t handle)
{
	(void)ctx;
	gossip_drop(handle);
}

static uint64_t
op_rnd(void *ctx)
{
	uint64_t v;

	(void)ctx;
	randombytes_buf(&v, sizeof(v));
	return v;
}

static const struct bcast_ops ops = {
	.send_gossip = op_gossip,
	.send_ihave = op_ihave,
	.send_pull = op_pull,
	.send_graft = op_graft,
	.send_prune = op_prune,
	.score = op_score,
	.forget = op_forget,
	.rnd = op_rnd,
};

/* --- after the core --- */

/*
 * The core must not be called from inside itself, and whoever is told off may
 * lose its link: so that waits until the core is done.
 */
static void
judge(void)
{
	struct outbox *box;
	struct conn *c;
	unsigned e;

	while (judge_soon) {
		judge_soon = false;
		for (box = boxes; box < boxes + OVERLAY_SLOTS; box++) {
			for (e = 0; e < SCORE_EVENTS_N; e++)
				while (box->sins[e] > 0) {
					box->sins[e]--;
					if ((c = box->c) != NULL)
						misdeed(c, (enum score_event)e);
				}
			if (!box->full)
				continue;
			box->full = false;
			if ((c = box->c) != NULL)
				conn_end(c, WIRE_BYE_NONE,
				    "it does not read gossip");
		}
	}
}

/* --- time --- */

static void
run(struct mono now)
{
	struct mono due = bcast_tick(bcast, now);
	struct outbox *box;

	for (box = boxes; box < boxes + OVERLAY_SLOTS; box++) {
		if (box->c == NULL || box->n == 0)
			continue;
		if (mono_reached(box->due, now))
			(void)send_box(box, now);
		else
			due = mono_min(due, box->due);
	}
	child_timer_set(timer, due, now);
	judge();
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	run(mono_now());
}

/* Something may be due earlier than it was. */
static void
look_again(void)
{
	struct mono due = bcast_due(bcast);

	if (due.us != MONO_NEVER.us)
		arm(due);
	judge();
}

/* --- links --- */

/*
 * Both ends know the keys of the link and nobody else does, so nobody else
 * can make records whose short ids collide on it.
 */
static void
link_key(uint8_t key[16], const struct link *l)
{
	uint8_t in[2 * NOISE_KEY_LEN];
	bool tx_first = memcmp(l->tx.k, l->rx.k, NOISE_KEY_LEN) < 0;

	memcpy(in, tx_first ? l->tx.k : l->rx.k, NOISE_KEY_LEN);
	memcpy(in + NOISE_KEY_LEN, tx_first ? l->rx.k : l->tx.k, NOISE_KEY_LEN);
	bcast_link_key(key, in, sizeof(in));
	sodium_memzero(in, sizeof(in));
}

void
gossip_link_up(struct conn *c, unsigned slot)
{
	struct mono now = mono_now();
	uint8_t key[16];

	memset(&boxes[slot], 0, sizeof(boxes[slot]));
	boxes[slot].c = c;
	boxes[slot].due = MONO_NEVER;
	c->slot = (uint8_t)slot;
	link_key(key, &c->link);
	bcast_link_up(bcast, slot, key, c->rtt_us,
	    c->rtt_us != 0 && c->rtt_us < LAN_RTT_US, now);
	sodium_memzero(key, sizeof(key));
	look_again();
}

void
gossip_link_down(struct conn *c)
{
	if (c->slot == GOSSIP_NO_SLOT)
		return;
	boxes[c->slot].c = NULL;
	boxes[c->slot].n = 0;
	bcast_link_down(bcast, c->slot, mono_now());
	c->slot = GOSSIP_NO_SLOT;
	look_again();
}

void
gossip_link_rtt(const struct conn *c)
{
	if (c->slot != GOSSIP_NO_SLOT)
		bcast_link_rtt(bcast, c->slot, c->rtt_us);
}

void
gossip_flush(void)
{
	struct mono now = mono_now();
	struct outbox *box;

	for (box = boxes; box < boxes + OVERLAY_SLOTS; box++)
		if (box->c != NULL && box->n > 0)
			(void)send_box(box, now);
}

/* --- records --- */

bool
gossip_receive(struct conn *c, const uint8_t rid[32], uint8_t hops,
    uint32_t *token)
{
	enum bcast_how how = hops == WIRE_HOPS_OLD ? BCAST_OLD
	    : hops == WIRE_HOPS_PULLED             ? BCAST_PULL
						   : BCAST_PUSH;

	*token = GOSSIP_NO_TOKEN;
	if (c->slot == GOSSIP_NO_SLOT)
		return true;
	return bcast_receive(bcast, c->slot, rid, how, token, mono_now()) ==
	    BCAST_NEW;
}

void
gossip_settle(uint32_t token, enum bcast_verdict verdict,
    const struct bcast_msg *m)
{
	if (token != GOSSIP_NO_TOKEN)
		bcast_settle(bcast, token, verdict, m, mono_now());
	else if (verdict == BCAST_GOOD)
		bcast_beside(bcast, m, mono_now());
	look_again();
}

void
gossip_local(const struct bcast_msg *m)
{
	if (m->author == get_u64(peerd.node.id))
		bcast_local(bcast, m, mono_now());
	else
		bcast_beside(bcast, m, mono_now());
	look_again();
}

void
gossip_synced(const struct bcast_msg *m, const struct conn *from)
{
	unsigned slot = from == NULL || from->slot == GOSSIP_NO_SLOT
	    ? OVERLAY_SLOTS
	    : from->slot;

	if (!bcast_synced(bcast, m, slot, mono_now()))
		gossip_drop(m->handle);
	look_again();
}

void
gossip_message(struct conn *c, const struct wire_msg *m)
{
	struct mono now = mono_now();

	if (c->slot == GOSSIP_NO_SLOT)
		return;
	switch (m->type) {
	case WIRE_IHAVE:
		bcast_on_ihave(bcast, c->slot, m->ids, m->n_ids, now);
		break;
	case WIRE_PULL:
		bcast_on_pull(bcast, c->slot, m->ids, m->n_ids, now);
		break;
	case WIRE_GRAFT:
		bcast_on_graft(bcast, c->slot, now);
		break;
	default:
		bcast_on_prune(bcast, c->slot, m->backoff_ms, now);
		break;
	}
	look_again();
}

/* --- its life --- */

void
gossip_init(void)
{
	struct bcast_limits lim = BCAST_LIMITS_DEFAULT;
	uint8_t secret[16];
	void *mem;

	lim.links = OVERLAY_SLOTS;
	randombytes_buf(secret, sizeof(secret));
	if ((mem = calloc(1, bcast_size(&lim))) == NULL)
		fatalx(EX_OSERR, "no memory for gossip");
	bcast = bcast_init(mem, &lim, secret, &ops, NULL);
}

void
gossip_start(void)
{
	timer = child_timer(on_timer, NULL);
}

void
gossip_stats(stat_emit emit, void *arg)
{
	const struct bcast_stats *s = bcast_stats(bcast);

	emit(arg, "gossip_first", s->firsts);
	emit(arg, "gossip_duplicate", s->dups);
	emit(arg, "gossip_pulls", s->pulls);
	emit(arg, "gossip_ids_in", s->ids_in);
	emit(arg, "gossip_ids_out", s->ids_out);
	emit(arg, "gossip_grafts", s->grafts - s->moves);
	emit(arg, "gossip_moves", s->moves);
	emit(arg, "gossip_prunes", s->prunes);
	emit(arg, "gossip_eager", bcast_eager_links(bcast));
}

void
gossip_limits(limit_emit emit, void *arg)
{
	const struct bcast_limits lim = BCAST_LIMITS_DEFAULT;

	emit(arg, "records kept for neighbours", n_kept, KEPT_MAX,
	    bcast_stats(bcast)->dropped);
	emit(arg, "bytes of them", kept_bytes, KEPT_BYTES, 0);
	emit(arg, "records announced, not here", bcast_pending(bcast),
	    lim.pending, 0);
}
