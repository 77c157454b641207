/* SPDX-License-Identifier: ISC */
/*
 * Broadcast: what goes out of our own accord.  New records are pushed on
 * eager links and announced on a few lazy ones, drawn anew at each flush:
 * many links with few announcements each find a way round a broken branch
 * sooner than few links with many.  Pure.
 */
#include <sodium.h>
#include <string.h>

#include "peerd/bcast_int.h"

#define BATCH      64  /* ids of one IHAVE: small, for it lies on the stack */
#define RELEASE_MS 100 /* between looks at what is delayed */

struct recent_entry *
bcast_remember(struct bcast *b, const uint8_t rid[32])
{
	const struct recent_entry *gone = recent_oldest(&b->recent);

	if (gone->state == RECENT_LIVE && b->ops->forget != NULL)
		b->ops->forget(b->ctx, gone->handle);
	return recent_add(&b->recent, rid);
}

/* --- pushing --- */

void
bcast_owe(struct bcast *b, struct recent_entry *e, unsigned link,
    struct mono now)
{
	struct bcast_link *l = &b->links[link];

	e->owes |= BIT(link);
	l->owing = true;
	if (b->flush[l->class].us == MONO_NEVER.us)
		b->flush[l->class] = mono_add_ms(now,
		    l->class == LAN ? BCAST_FLUSH_LAN_MS : BCAST_FLUSH_WAN_MS);
}

void
bcast_retell(struct bcast *b, unsigned link, struct mono now)
{
	struct mono since = mono_add_ms(now, -BCAST_RETELL_MS);
	struct recent_entry *e;
	uint32_t seq = b->recent.next, end = seq - b->recent.n / 2;

	/* What is forgotten before it can be asked for is better not told. */
	while (seq != end && (e = recent_at(&b->recent, --seq)) != NULL &&
	    e->state != RECENT_FREE) {
		if (e->state != RECENT_LIVE || (e->has & BIT(link)) != 0)
			continue;
		if (mono_before(e->at, since))
			break;
		bcast_owe(b, e, link, now);
	}
}

/* Nobody is pushed what it pushed or announced itself. */
static void
push(struct bcast *b, struct recent_entry *e, struct mono now)
{
	unsigned i;

	for (i = 0; i < b->lim.links; i++) {
		if (!b->links[i].eager || (e->has & BIT(i)) != 0)
			continue;
		if (bucket_allow(&b->links[i].pushes, now) &&
		    b->ops->send_gossip(b->ctx, i, e->handle, BCAST_PUSH)) {
			e->has |= BIT(i);
			b->stats.pushed++;
		} else
			bcast_owe(b, e, i, now);
	}
}

void
bcast_announce(struct bcast *b, const struct recent_entry *e, struct mono now)
{
	struct bcast_queue *q = &b->news;
	int64_t ms[CLASSES] = { BCAST_FLUSH_WAN_MS, BCAST_FLUSH_LAN_MS };
	uint32_t mask = b->recent.n - 1;
	unsigned c, i;
	bool used[CLASSES] = { false, false };

	q->seqs[q->head++ & mask] = recent_seq(&b->recent, e);
	for (i = 0; i < b->lim.links; i++)
		if (b->links[i].up)
			used[b->links[i].class] = true;
	for (c = 0; c < CLASSES; c++) {
		if (!used[c]) {
			q->tail[c] = q->head;
			continue;
		}
		if (q->head - q->tail[c] > b->recent.n) {
			q->tail[c]++;
			b->stats.dropped++;
		}
		if (b->flush[c].us == MONO_NEVER.us)
			b->flush[c] = mono_add_ms(now, ms[c]);
	}
}

/* --- authors above their rate --- */

/* One place holds the moment at which its bucket is full again. */
static bool
take(struct bcast *b, uint32_t place, struct mono now)
{
	struct bucket k;
	bool ok;

	bucket_init(&k, (struct rate){ BCAST_AUTHOR_RATE, BCAST_AUTHOR_BURST });
	k.full_ns = b->authors[place];
	ok = bucket_allow(&k, now);
	b->authors[place] = k.full_ns;
	return ok;
}

/*
 * An author has two places, which ones is our secret, and is held up when
 * both are empty.  It takes from both, so two give it no more than one; but
 * who shares one with a spammer has the other.
 */
static bool
allow_author(struct bcast *b, uint64_t author, struct mono now)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint32_t h[2], n = b->lim.authors;
	bool first, second;

	(void)crypto_shorthash(out, (const uint8_t *)&author, sizeof(author),
	    b->recent.secret);
	memcpy(h, out, sizeof(h));
	first = take(b, h[0] % n, now);
	if (h[0] % n == h[1] % n)
		return first;
	second = take(b, h[1] % n, now);
	return first || second;
}

/* What we author ourselves shares its rate with nobody. */
static bool
may_send(struct bcast *b, uint64_t author, struct mono now)
{
	return author == b->self ? bucket_allow(&b->own, now)
				 : allow_author(b, author, now);
}

/*
 * A newer version of the same key takes the place of one that waits: within
 * a tick only the last one counts.  With no room it is left to the syncs.
 */
static void
delay(struct bcast *b, const struct recent_entry *e, const struct bcast_msg *m,
    struct mono now)
{
	struct bcast_delayed d = { m->author, m->key,
		recent_seq(&b->recent, e) };
	uint32_t i;

	b->stats.delayed++;
	for (i = 0; i < b->n_delayed; i++)
		if (b->delayed[i].key == m->key &&
		    b->delayed[i].author == m->author) {
			b->delayed[i] = d;
			b->stats.conflated++;
			return;
		}
	if (b->n_delayed == b->lim.delayed) {
		b->stats.dropped++;
		return;
	}
	b->delayed[b->n_delayed++] = d;
	if (b->release.us == MONO_NEVER.us)
		b->release = mono_add_ms(now, RELEASE_MS);
}

static void
send_out(struct bcast *b, struct recent_entry *e, struct mono now)
{
	if (!e->old)
		push(b, e, now);
	bcast_announce(b, e, now);
}

void
bcast_release(struct bcast *b, struct mono now)
{
	struct recent_entry *e;
	uint32_t i, left = 0;

	for (i = 0; i < b->n_delayed; i++) {
		e = recent_at(&b->recent, b->delayed[i].seq);
		if (e == NULL || e->state != RECENT_LIVE)
			continue; /* forgotten meanwhile */
		if (may_send(b, b->delayed[i].author, now))
			send_out(b, e, now);
		else
			b->delayed[left++] = b->delayed[i];
	}
	b->n_delayed = left;
	b->release = left == 0 ? MONO_NEVER : mono_add_ms(now, RELEASE_MS);
}

void
bcast_spread(struct bcast *b, struct recent_entry *e, const struct bcast_msg *m,
    struct mono now)
{
	e->state = RECENT_LIVE;
	e->handle = m->handle;
	e->at = now;
	if (may_send(b, m->author, now))
		send_out(b, e, now);
	else
		delay(b, e, m, now);
}

/* --- announcing --- */

/*
 * Up to BCAST_FANOUT links of the class, drawn at random, as bits.  One more
 * is whom we pruned just now: until it found another parent it depends on us.
 */
static uint32_t
draw(struct bcast *b, unsigned class, bool lazy_only, struct mono now)
{
	uint8_t set[BCAST_LINKS_MAX];
	unsigned i, j, n = 0;
	uint64_t rnd;
	uint32_t bits = 0;

	for (i = 0; i < b->lim.links; i++)
		if (b->links[i].up && b->links[i].class == class &&
		    !(lazy_only && b->links[i].eager))
			set[n++] = (uint8_t)i;
	rnd = n > BCAST_FANOUT ? b->ops->rnd(b->ctx) : 0;
	for (i = 0; i < n && i < BCAST_FANOUT; i++) {
		j = n > BCAST_FANOUT ? i + (unsigned)(rnd & 0xffff) % (n - i)
				     : i;
		rnd >>= 16;
		bits |= BIT(set[j]);
		set[j] = set[i];
	}
	for (i = 0; i < n && mono_before(now, b->told); i++)
		if (set[i] == b->pruned)
			bits |= BIT(set[i]);
	return bits;
}

struct batch {
	uint8_t ids[BATCH * BCAST_ID];
	size_t n;
};

static void
batch_send(struct bcast *b, struct batch *t, unsigned link)
{
	if (t->n == 0)
		return;
	b->ops->send_ihave(b->ctx, link, t->ids, t->n);
	b->stats.ids_out += t->n;
	t->n = 0;
}

static void
batch_add(struct bcast *b, struct batch *t, unsigned link,
    const struct recent_entry *e)
{
	uint64_t id = recent_id(&b->links[link].index, e->rid);

	memcpy(t->ids + t->n++ * BCAST_ID, &id, BCAST_ID);
	if (t->n == BATCH)
		batch_send(b, t, link);
}

/* What this link is owed, wherever it is in the ring. */
static void
pay(struct bcast *b, struct batch *t, unsigned link)
{
	struct recent_entry *e;
	size_t i;

	for (i = 0; i < b->lim.recent; i++) {
		e = &b->recent.entries[i];
		if ((e->owes & BIT(link)) == 0)
			continue;
		e->owes &= ~BIT(link);
		if (e->state == RECENT_LIVE && (e->has & BIT(link)) == 0)
			batch_add(b, t, link, e);
	}
	b->links[link].owing = false;
}

static void
flush_link(struct bcast *b, unsigned link, bool lazy, bool any)
{
	const struct bcast_queue *q = &b->news;
	const struct recent_entry *e;
	struct batch t;
	uint32_t at;

	t.n = 0;
	for (at = q->tail[b->links[link].class]; at != q->head; at++) {
		e = recent_at(&b->recent, q->seqs[at & (b->recent.n - 1)]);
		if (e == NULL || e->state != RECENT_LIVE ||
		    ((e->has | e->owes) & BIT(link)) != 0)
			continue;
		if (e->old ? any : lazy)
			batch_add(b, &t, link, e);
	}
	if (b->links[link].owing)
		pay(b, &t, link);
	batch_send(b, &t, link);
}

/* Is there something from a sync among the news?  Eager links hear of it. */
static bool
has_old(const struct bcast *b, unsigned class)
{
	const struct bcast_queue *q = &b->news;
	const struct recent_entry *e;
	uint32_t at;

	for (at = q->tail[class]; at != q->head; at++) {
		e = recent_at(&b->recent, q->seqs[at & (b->recent.n - 1)]);
		if (e != NULL && e->old)
			return true;
	}
	return false;
}

void
bcast_flush(struct bcast *b, unsigned class, struct mono now)
{
	uint32_t lazy = draw(b, class, true, now);
	uint32_t any = has_old(b, class) ? draw(b, class, false, now) : 0;
	unsigned i;

	for (i = 0; i < b->lim.links; i++)
		if (b->links[i].up && b->links[i].class == class &&
		    (((lazy | any) & BIT(i)) != 0 || b->links[i].owing))
			flush_link(b, i, (lazy & BIT(i)) != 0,
			    (any & BIT(i)) != 0);
	b->news.tail[class] = b->news.head;
	b->flush[class] = MONO_NEVER;
}
