/* SPDX-License-Identifier: ISC */
/*
 * Broadcast, as promised in bcast.h: memory, links and the tree.  Pure.
 */
#include "peerd/bcast.h"

#include <string.h>

#include "common/assert.h"
#include "common/b2.h"
#include "peerd/bcast_int.h"

#define PRUNE_MIN_MS  1000 /* between two prunes of ours ... */
#define PRUNE_MORE_MS 2000 /* ... and up to so much more */
#define TOLD_MS       3000 /* whom we pruned hears of everything so long */
#define DUPS_MAX      1000
#define REFUSE_MS     1000 /* one answer to refused GRAFTs in so long */

/* --- memory --- */

static uint32_t
heads_for(uint32_t n)
{
	uint32_t heads = 16;

	while (heads < n)
		heads *= 2;
	return heads;
}

/*
 * Where the parts of the block lie: each call takes the next n bytes, from a
 * new cache line on, for an entry fills one.
 */
static size_t
part(size_t *at, size_t n)
{
	size_t here = *at;

	*at += (n + 63) & ~(size_t)63;
	return here;
}

struct layout {
	size_t links, entries, heads, ids, rows, row_heads, news, authors,
	    delayed, end;
};

static struct layout
lay_out(const struct bcast_limits *lim)
{
	struct layout l;
	size_t at = 0;

	(void)part(&at, sizeof(struct bcast));
	l.links = part(&at, lim->links * sizeof(struct bcast_link));
	l.entries = part(&at, lim->recent * sizeof(struct recent_entry));
	l.heads = part(&at, lim->recent * sizeof(uint16_t));
	l.ids =
	    part(&at, (size_t)lim->links * lim->recent * 2 * sizeof(uint16_t));
	l.rows = part(&at, lim->pending * sizeof(struct missing_row));
	l.row_heads = part(&at, heads_for(lim->pending) * sizeof(uint16_t));
	l.news = part(&at, lim->recent * sizeof(uint32_t));
	l.authors = part(&at, lim->authors * sizeof(int64_t));
	l.delayed = part(&at, lim->delayed * sizeof(struct bcast_delayed));
	l.end = at;
	return l;
}

size_t
bcast_size(const struct bcast_limits *lim)
{
	return lay_out(lim).end;
}

static void
init_links(struct bcast *b, uint16_t *ids)
{
	size_t i, n = b->lim.recent;

	for (i = 0; i < b->lim.links; i++) {
		memset(&b->links[i], 0, sizeof(b->links[i]));
		b->links[i].index.heads = ids + i * 2 * n;
		b->links[i].index.prevs = ids + (i * 2 + 1) * n;
	}
}

/*
 * What is announced must stay until others had the time to ask for it, so
 * syncs may turn over the ring in four seconds, not faster.
 */
static struct rate
sync_rate(const struct bcast_limits *lim)
{
	uint32_t n = lim->recent / 4;

	if (n > BCAST_LINK_RATE)
		n = BCAST_LINK_RATE;
	return (struct rate){ n, n };
}

struct bcast *
bcast_init(void *mem, const struct bcast_limits *lim, const uint8_t secret[16],
    const struct bcast_ops *ops, void *ctx)
{
	struct layout l = lay_out(lim);
	struct bcast *b = mem;
	char *base = mem;
	size_t i;

	ASSERT(lim->links >= 1 && lim->links <= BCAST_LINKS_MAX);
	ASSERT(lim->pending >= lim->links && lim->authors > 0);
	memset(b, 0, sizeof(*b));
	b->ops = ops;
	b->ctx = ctx;
	b->lim = *lim;
	b->links = (void *)(base + l.links);
	init_links(b, (void *)(base + l.ids));
	recent_init(&b->recent, (void *)(base + l.entries),
	    (void *)(base + l.heads), lim->recent, secret);
	missing_init(&b->missing, (void *)(base + l.rows), lim->pending,
	    (void *)(base + l.row_heads), heads_for(lim->pending),
	    ops->rnd(ctx));
	b->news.seqs = (void *)(base + l.news);
	b->authors = (void *)(base + l.authors);
	for (i = 0; i < lim->authors; i++)
		b->authors[i] = INT64_MIN;
	b->delayed = (void *)(base + l.delayed);
	bucket_init(&b->synced, sync_rate(lim));
	bucket_init(&b->own,
	    (struct rate){ BCAST_AUTHOR_RATE, BCAST_AUTHOR_BURST });
	b->flush[WAN] = b->flush[LAN] = MONO_NEVER;
	b->release = b->ask = MONO_NEVER;
	b->late_us[WAN] = 200000 / 3;
	b->late_us[LAN] = 40000 / 3;
	return b;
}

/* --- links --- */

void
bcast_link_key(uint8_t key[16], const void *secret, size_t len)
{
	uint8_t out[B2_LEN];

	b2_256(out, "WarrenIds1", secret, len);
	memcpy(key, out, 16);
}

static struct bcast_link *
link_of(struct bcast *b, unsigned link)
{
	ASSERT(link < b->lim.links);
	return &b->links[link];
}

/* Whoever had the slot before says nothing about who has it now. */
static void
forget_bits(struct bcast *b, unsigned link)
{
	struct recent_entry *e;
	size_t i;

	for (i = 0; i < b->lim.recent; i++) {
		e = &b->recent.entries[i];
		e->has &= ~BIT(link);
		e->gave &= ~BIT(link);
		e->owes &= ~BIT(link);
	}
}

void
bcast_link_up(struct bcast *b, unsigned link, const uint8_t key[16],
    uint32_t rtt_us, bool lan, struct mono now)
{
	struct bcast_link *l = link_of(b, link);
	struct rate rate = { BCAST_LINK_RATE, BCAST_LINK_RATE };
	struct mono past = { 0 };

	ASSERT(!l->up);
	l->up = l->eager = true;
	l->poor = l->owing = false;
	l->class = lan ? LAN : WAN;
	l->dups = l->n_missing = 0;
	l->ahead_us = 0;
	l->rtt_us = rtt_us;
	l->no_graft = l->refuse = l->pruned = past;
	l->pulled[0] = l->pulled[1] = l->blamed = past;
	bucket_init(&l->pushes, rate);
	bucket_init(&l->ids, rate);
	recent_ids_init(&l->index, &b->recent, key);
	forget_bits(b, link);
	bcast_retell(b, link, now);
}

void
bcast_link_down(struct bcast *b, unsigned link, struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	if (!l->up)
		return;
	bcast_drop_missing(b, link, now);
	l->up = l->eager = false;
}

void
bcast_link_rtt(struct bcast *b, unsigned link, uint32_t rtt_us)
{
	link_of(b, link)->rtt_us = rtt_us;
}

void
bcast_link_poor(struct bcast *b, unsigned link, bool poor, struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	if (!l->up)
		return;
	l->poor = poor;
	if (poor && l->eager)
		bcast_prune(b, link, BCAST_BACKOFF_MS, now);
}

bool
bcast_is_up(const struct bcast *b, unsigned link)
{
	return link < b->lim.links && b->links[link].up;
}

bool
bcast_is_eager(const struct bcast *b, unsigned link)
{
	return bcast_is_up(b, link) && b->links[link].eager;
}

unsigned
bcast_eager_links(const struct bcast *b)
{
	unsigned i, n = 0;

	for (i = 0; i < b->lim.links; i++)
		n += bcast_is_eager(b, i);
	return n;
}

unsigned
bcast_link_dups(const struct bcast *b, unsigned link)
{
	return bcast_is_up(b, link) ? b->links[link].dups : 0;
}

/* --- the tree --- */

static void
make_eager(struct bcast_link *l)
{
	l->eager = true;
	l->dups = 0;
	l->refuse = (struct mono){ 0 };
}

bool
bcast_graft(struct bcast *b, unsigned link, struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	if (!l->up || l->eager || l->poor || mono_before(now, l->no_graft))
		return false;
	make_eager(l);
	l->pulled[0] = l->pulled[1] = (struct mono){ 0 };
	b->ops->send_graft(b->ctx, link);
	b->stats.grafts++;
	return true;
}

void
bcast_prune(struct bcast *b, unsigned link, uint32_t backoff_ms,
    struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	l->eager = false;
	l->dups = 0;
	l->pruned = now;
	l->refuse = mono_add_ms(now, backoff_ms);
	b->pruned = link;
	b->told = mono_add_ms(now, TOLD_MS);
	b->ops->send_prune(b->ctx, link, backoff_ms);
	b->stats.prunes++;
}

/*
 * Duplicates say that this link brings nothing first.  Ten in a row, and it
 * goes; but one at a time, or a whole neighbourhood prunes the same message's
 * links at once and the tree never settles.  A lazy link that goes on to push
 * has lost our PRUNE's meaning: it is told again.
 */
static void
maybe_prune(struct bcast *b, unsigned link, struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	if (l->dups < BCAST_DUPS || !mono_reached(b->may_prune, now))
		return;
	if (!l->eager &&
	    mono_before(now, mono_add_ms(l->pruned, BCAST_GRACE_MS)))
		return; /* these were on their way */
	if (l->eager && bcast_eager_links(b) <= BCAST_EAGER_MIN) {
		b->stats.kept++;
		return;
	}
	b->may_prune = mono_add_ms(now,
	    PRUNE_MIN_MS + (int64_t)(b->ops->rnd(b->ctx) % PRUNE_MORE_MS));
	bcast_prune(b, link, BCAST_BACKOFF_MS, now);
}

/*
 * Others pruned all our eager links.  Announcements alone would not do: each
 * neighbour tells four of its own, and now and then all of them pass over us.
 */
static void
graft_any(struct bcast *b, struct mono now)
{
	unsigned n = b->lim.links, i;
	unsigned first = (unsigned)(b->ops->rnd(b->ctx) % n);

	for (i = 0; i < n; i++)
		if (bcast_graft(b, (first + i) % n, now))
			return;
}

void
bcast_on_prune(struct bcast *b, unsigned link, uint32_t backoff_ms,
    struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	if (!l->up)
		return;
	if (backoff_ms > BCAST_BACKOFF_MAX)
		backoff_ms = BCAST_BACKOFF_MAX;
	l->eager = false;
	l->dups = 0;
	l->no_graft = mono_add_ms(now, backoff_ms);
	if (bcast_eager_links(b) == 0)
		graft_any(b, now);
}

/*
 * Refused within the backoff, and said again: the other side believes the
 * link is eager now.  What crossed our PRUNE on its way is no sin.
 */
static void
refuse_graft(struct bcast *b, unsigned link, struct mono now)
{
	struct bcast_link *l = link_of(b, link);
	int64_t left = mono_ms_between(now, l->refuse);

	b->stats.refused++;
	if (mono_reached(mono_add_ms(l->pruned, BCAST_GRACE_MS), now))
		b->ops->score(b->ctx, link, SCORE_REGRAFT);
	b->ops->send_prune(b->ctx, link,
	    left > REFUSE_MS ? (uint32_t)left : REFUSE_MS);
}

void
bcast_on_graft(struct bcast *b, unsigned link, struct mono now)
{
	struct bcast_link *l = link_of(b, link);

	if (!l->up)
		return;
	if (l->poor)
		bcast_prune(b, link, BCAST_BACKOFF_MS, now);
	else if (mono_before(now, l->refuse))
		refuse_graft(b, link, now);
	else {
		make_eager(l);
		bcast_retell(b, link, now);
	}
}

/* --- records --- */

enum bcast_rc
bcast_receive(struct bcast *b, unsigned link, const uint8_t rid[32],
    enum bcast_how how, uint32_t *token, struct mono now)
{
	struct bcast_link *l = link_of(b, link);
	struct recent_entry *e = recent_find(&b->recent, rid);

	ASSERT(l->up);
	if (e != NULL) {
		b->stats.dups++;
		e->has |= BIT(link);
		bcast_answered(b, e, link, now);
		if (how == BCAST_PUSH) {
			if (l->dups < DUPS_MAX)
				l->dups++;
			maybe_prune(b, link, now);
		}
		return BCAST_DUP;
	}
	b->stats.firsts++;
	*token = b->recent.next;
	e = bcast_remember(b, rid);
	e->from = (uint8_t)link;
	e->old = how == BCAST_OLD;
	e->has = BIT(link);
	if (how == BCAST_PUSH)
		l->dups = 0;
	bcast_arrived(b, e, link, how, now);
	return BCAST_NEW;
}

void
bcast_settle(struct bcast *b, uint32_t token, enum bcast_verdict verdict,
    const struct bcast_msg *m, struct mono now)
{
	struct recent_entry *e = recent_at(&b->recent, token);

	if (e == NULL || e->state != RECENT_HELD) {
		if (verdict == BCAST_GOOD && b->ops->forget != NULL)
			b->ops->forget(b->ctx, m->handle);
		return;
	}
	switch (verdict) {
	case BCAST_GOOD:
		bcast_spread(b, e, m, now);
		break;
	case BCAST_STALE:
		e->state = RECENT_STALE;
		break;
	case BCAST_BAD:
		e->state = RECENT_BAD;
		bcast_ask_others(b, e, now);
		break;
	}
}

void
bcast_local(struct bcast *b, const struct bcast_msg *m, struct mono now)
{
	if (recent_find(&b->recent, m->rid) != NULL) {
		if (b->ops->forget != NULL)
			b->ops->forget(b->ctx, m->handle);
		return;
	}
	b->self = m->author;
	bcast_spread(b, bcast_remember(b, m->rid), m, now);
}

void
bcast_beside(struct bcast *b, const struct bcast_msg *m, struct mono now)
{
	struct recent_entry *e = recent_find(&b->recent, m->rid);

	if (e == NULL)
		bcast_spread(b, bcast_remember(b, m->rid), m, now);
	else if (e->state == RECENT_STALE)
		bcast_spread(b, e, m, now);
	else if (b->ops->forget != NULL)
		b->ops->forget(b->ctx, m->handle);
}

bool
bcast_synced(struct bcast *b, const struct bcast_msg *m, unsigned from,
    struct mono now)
{
	struct recent_entry *e = recent_find(&b->recent, m->rid);
	bool known = e != NULL, room = false;

	if (!known && (room = bucket_allow(&b->synced, now))) {
		e = bcast_remember(b, m->rid);
		e->old = true;
		bcast_arrived(b, e, from, BCAST_OLD, now);
		bcast_spread(b, e, m, now);
	} else if (b->ops->forget != NULL)
		b->ops->forget(b->ctx, m->handle);
	if (e != NULL && from < b->lim.links)
		e->has |= BIT(from);
	return known || room;
}

/* --- time --- */

struct mono
bcast_due(const struct bcast *b)
{
	struct mono due = mono_min(b->ask, b->release);

	return mono_min(due, mono_min(b->flush[WAN], b->flush[LAN]));
}

struct mono
bcast_tick(struct bcast *b, struct mono now)
{
	unsigned c;

	for (c = 0; c < CLASSES; c++)
		if (mono_reached(b->flush[c], now))
			bcast_flush(b, c, now);
	if (mono_reached(b->release, now))
		bcast_release(b, now);
	if (mono_reached(b->ask, now))
		bcast_ask(b, now);
	return bcast_due(b);
}

unsigned
bcast_pending(const struct bcast *b)
{
	return b->missing.n;
}

const struct bcast_stats *
bcast_stats(const struct bcast *b)
{
	return &b->stats;
}
