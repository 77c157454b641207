/* SPDX-License-Identifier: ISC */
/*
 * Broadcast: what was announced and did not come, and what others ask of us.
 * Pure.
 */
#include <string.h>

#include "common/buggify.h"
#include "peerd/bcast_int.h"

#define SHARE     8  /* of the table, for announcements of one link */
#define SHARE_MIN 8  /* rows */
#define ASKS_MAX  64 /* questions in one go */
#define LATE_GAIN 8  /* of the moving average */
#define BLAME_MS  1000
#define AGAIN_MAX 2 /* questions repeated because they announce it anew */

#define AHEAD_GAIN 16
#define AHEAD_US   150000  /* one announcement counts no more, either way */
#define STALE_US   1000000 /* one so late was kept for a new link */
#define AHEAD_LAN  6       /* networks so much nearer than others */

static const struct {
	int64_t min_ms, max_ms;
} waits[CLASSES] = { { 150, 300 }, { 20, 60 } };

/* How long a push may take after an announcement, before we ask. */
static int64_t
wait_ms(const struct bcast *b, unsigned class)
{
	int64_t ms = 3 * b->late_us[class] / 1000;

	if (ms < waits[class].min_ms)
		return waits[class].min_ms;
	return ms > waits[class].max_ms ? waits[class].max_ms : ms;
}

static uint64_t
id_at(const uint8_t *ids, size_t i)
{
	uint64_t id;

	memcpy(&id, ids + i * BCAST_ID, sizeof(id));
	return id;
}

static void
drop_row(struct bcast *b, struct missing_row *row)
{
	b->links[row->link].n_missing--;
	missing_remove(&b->missing, row);
}

/* --- announced --- */

/*
 * Room for one more of that link?  While half of the table is free a link may
 * have more than its share, for a newcomer hears of much at once.  A liar
 * fills that half at most.
 */
static bool
has_share(const struct bcast *b, const struct bcast_link *l)
{
	unsigned share = b->lim.pending / SHARE;

	return b->missing.n < b->lim.pending / 2 ||
	    l->n_missing < (share > SHARE_MIN ? share : SHARE_MIN);
}

/*
 * A link said that it has a record, us before it came here (or after, when
 * negative).  The averages are of the tree as it is: once it changed, all
 * begin anew.
 */
static void
note_ahead(struct bcast *b, unsigned link, int64_t us, struct mono now)
{
	struct bcast_link *l = &b->links[link];
	int64_t least =
	    BCAST_AHEAD_MS * 1000 / (l->class == LAN ? AHEAD_LAN : 1);
	unsigned i;

	us = us > AHEAD_US ? AHEAD_US : us < -AHEAD_US ? -AHEAD_US : us;
	l->ahead_us += (int32_t)((us - l->ahead_us) / AHEAD_GAIN);
	if (l->ahead_us < least || !mono_reached(b->may_move, now) ||
	    !bcast_graft(b, link, now))
		return;
	b->stats.moves++;
	b->may_move = mono_add_ms(now,
	    BCAST_MOVE_MS + (int64_t)(b->ops->rnd(b->ctx) % BCAST_MOVE_MS));
	for (i = 0; i < b->lim.links; i++)
		b->links[i].ahead_us = 0;
}

/* Its announcement of what is here. */
static void
note_behind(struct bcast *b, unsigned link, const struct recent_entry *e,
    struct mono now)
{
	if (e->state == RECENT_LIVE && (e->has & BIT(link)) == 0 &&
	    now.us - e->at.us <= STALE_US)
		note_ahead(b, link, e->at.us - now.us, now);
}

/* The nearer of two that announce at the same time is asked first. */
static struct mono
ask_at(const struct bcast *b, const struct bcast_link *l, struct mono now)
{
	int64_t near_ms = l->rtt_us / 4000;
	int64_t wait = wait_ms(b, l->class);

	return mono_add_ms(now,
	    wait + (near_ms > wait / 4 ? wait / 4 : near_ms));
}

static void
announced(struct bcast *b, unsigned link, uint64_t id, struct mono now)
{
	struct bcast_link *l = &b->links[link];
	struct recent_entry *e = recent_by_id(&b->recent, &l->index, id);
	struct mono due = ask_at(b, l, now);
	struct missing_row *row;

	row = l->n_missing == 0 ? NULL : missing_find(&b->missing, link, id);
	if (e != NULL) {
		note_behind(b, link, e, now);
		e->has |= BIT(link);
		if (row != NULL) /* its lane is full, and we need it no more */
			drop_row(b, row);
		return;
	}
	if (row != NULL) { /* its lane was full: ask again, but not for ever */
		if (row->state == MISSING_WAIT || row->again >= AGAIN_MAX)
			return;
		row->again++;
		row->state = MISSING_WAIT;
		row->due = due;
	} else if (has_share(b, l) && !BUGGIFY(bcast_missing) &&
	    missing_add(&b->missing, link, id, now, due) != NULL)
		l->n_missing++;
	else
		b->stats.dropped++;
	b->ask = mono_min(b->ask, due);
}

void
bcast_on_ihave(struct bcast *b, unsigned link, const uint8_t *ids, size_t n,
    struct mono now)
{
	struct bcast_link *l = &b->links[link];
	size_t i;

	if (!bcast_is_up(b, link))
		return;
	for (i = 0; i < n && i < BCAST_IDS_MAX; i++) {
		if (!bucket_allow(&l->ids, now)) {
			b->stats.dropped += n - i;
			return;
		}
		b->stats.ids_in++;
		announced(b, link, id_at(ids, i), now);
	}
}

/* --- asked of us --- */

/* Each record at most once for each link: asking again costs us nothing. */
static void
answer(struct bcast *b, unsigned link, uint64_t id, struct mono now)
{
	struct recent_entry *e =
	    recent_by_id(&b->recent, &b->links[link].index, id);

	if (e == NULL || e->state != RECENT_LIVE || (e->gave & BIT(link)) != 0)
		return;
	if (bucket_allow(&b->links[link].pushes, now) &&
	    b->ops->send_gossip(b->ctx, link, e->handle,
		e->old ? BCAST_OLD : BCAST_PULL)) {
		e->gave |= BIT(link);
		e->has |= BIT(link);
		b->stats.answered++;
		return;
	}
	e->has &= ~BIT(link);
	bcast_owe(b, e, link, now);
}

void
bcast_on_pull(struct bcast *b, unsigned link, const uint8_t *ids, size_t n,
    struct mono now)
{
	size_t i;

	if (!bcast_is_up(b, link))
		return;
	for (i = 0; i < n && i < BCAST_IDS_MAX; i++)
		answer(b, link, id_at(ids, i), now);
}

/* --- arrived --- */

/*
 * The third question to one neighbour within a minute that brought what the
 * tree did not: it becomes part of the tree.  Questions that a push overtook
 * do not count, or at 200 records a second each link would be grafted by
 * chance.
 */
static void
maybe_graft(struct bcast *b, unsigned link, struct mono now)
{
	struct bcast_link *l = &b->links[link];
	bool third = l->pulled[1].us != 0 &&
	    mono_before(now, mono_add_ms(l->pulled[1], BCAST_GRAFT_MS));

	l->pulled[1] = l->pulled[0];
	l->pulled[0] = now;
	if (third)
		(void)bcast_graft(b, link, now);
}

/*
 * Every link with rows has its own id for the record.  Whoever announced it
 * has it.  The time by which a push lags behind the first announcement sets
 * how long we wait; an answer to our own question says nothing about that.
 */
void
bcast_arrived(struct bcast *b, struct recent_entry *e, unsigned link,
    enum bcast_how how, struct mono now)
{
	struct mono first = MONO_NEVER;
	struct bcast_link *l;
	struct missing_row *row;
	uint16_t answers = 0;
	unsigned i;

	for (i = 0; i < b->lim.links && b->missing.n > 0; i++) {
		l = &b->links[i];
		if (l->n_missing == 0)
			continue;
		row =
		    missing_find(&b->missing, i, recent_id(&l->index, e->rid));
		if (row == NULL)
			continue;
		e->has |= BIT(i);
		first = mono_min(first, row->since);
		if (how == BCAST_PUSH)
			note_ahead(b, i, now.us - row->since.us, now);
		if (i == link && row->state == MISSING_ASKED)
			answers = row->serial;
		if (i != link && row->state == MISSING_ASKED)
			row->state = MISSING_OWED;
		else
			drop_row(b, row);
	}
	if (answers != 0) {
		missing_uncover(&b->missing, answers, now);
		b->ask = now;
		if (how == BCAST_PULL)
			maybe_graft(b, link, now);
	}
	if (how != BCAST_PUSH || first.us == MONO_NEVER.us)
		return;
	l = &b->links[link];
	b->late_us[l->class] +=
	    (now.us - first.us - b->late_us[l->class]) / LATE_GAIN;
}

void
bcast_answered(struct bcast *b, const struct recent_entry *e, unsigned link,
    struct mono now)
{
	struct bcast_link *l = &b->links[link];
	struct missing_row *row;
	uint16_t serial;

	if (l->n_missing == 0)
		return;
	row = missing_find(&b->missing, link, recent_id(&l->index, e->rid));
	if (row == NULL)
		return;
	serial = row->serial;
	drop_row(b, row);
	if (serial != 0) {
		missing_uncover(&b->missing, serial, now);
		b->ask = now;
	}
}

void
bcast_ask_others(struct bcast *b, const struct recent_entry *e, struct mono now)
{
	struct bcast_link *l;
	unsigned i;

	for (i = 0; i < b->lim.links; i++) {
		l = &b->links[i];
		if (!l->up || i == e->from || (e->has & BIT(i)) == 0 ||
		    !has_share(b, l))
			continue;
		if (missing_add(&b->missing, i, recent_id(&l->index, e->rid),
			now, now) != NULL) {
			l->n_missing++;
			b->ask = now;
		}
	}
}

void
bcast_drop_missing(struct bcast *b, unsigned link, struct mono now)
{
	struct missing_row *row;
	uint16_t i = 0, serial;

	while (i < b->missing.n) {
		row = &b->missing.rows[i];
		if (row->link != link) {
			i++;
			continue;
		}
		serial = row->state == MISSING_ASKED ? row->serial : 0;
		drop_row(b, row); /* another row may lie here now */
		if (serial != 0)
			missing_uncover(&b->missing, serial, now);
		b->ask = now;
	}
}

/* --- asking --- */

struct asks {
	struct {
		uint64_t id;
		uint8_t link;
	} v[ASKS_MAX];
	size_t n;
};

static void
send_asks(struct bcast *b, const struct asks *a)
{
	uint8_t ids[ASKS_MAX * BCAST_ID];
	unsigned link;
	size_t i, n;

	for (link = 0; link < b->lim.links && a->n > 0; link++) {
		n = 0;
		for (i = 0; i < a->n; i++)
			if (a->v[i].link == link)
				memcpy(ids + n++ * BCAST_ID, &a->v[i].id,
				    BCAST_ID);
		if (n > 0)
			b->ops->send_pull(b->ctx, link, ids, n);
	}
}

static void
ask_for(struct bcast *b, struct missing_row *row, struct asks *a,
    struct mono now)
{
	missing_ask(&b->missing, row, now, mono_add_ms(now, BCAST_ANSWER_MS));
	a->v[a->n].id = row->id;
	a->v[a->n++].link = row->link;
	b->stats.pulls++;
}

/*
 * Blamed once a second at most: one message may have asked for many, and an
 * honest neighbour that just forgot a whole batch is no liar.
 */
static void
no_answer(struct bcast *b, struct missing_row *row, struct mono now)
{
	struct bcast_link *l = &b->links[row->link];

	b->stats.unanswered++;
	if (l->blamed.us == 0 ||
	    mono_reached(mono_add_ms(l->blamed, BLAME_MS), now)) {
		l->blamed = now;
		b->ops->score(b->ctx, row->link, SCORE_NO_PULL);
	}
	drop_row(b, row);
}

/* One due row; false when there is none. */
static bool
ask_one(struct bcast *b, struct asks *a, struct mono now)
{
	struct missing_row *row, *best = NULL;
	struct mono next = MONO_NEVER;
	int64_t wait;
	uint16_t i;

	for (i = 0; i < b->missing.n; i++) {
		row = &b->missing.rows[i];
		if (!mono_reached(row->due, now))
			next = mono_min(next, row->due);
		else if (best == NULL || mono_before(row->due, best->due))
			best = row;
	}
	b->ask = next;
	if (best == NULL)
		return false;
	if (best->state != MISSING_WAIT) {
		no_answer(b, best, now);
		return true;
	}
	wait = wait_ms(b, b->links[best->link].class);
	if (!missing_cover(&b->missing, best, mono_add_ms(now, -wait), wait))
		ask_for(b, best, a, now);
	return true;
}

void
bcast_ask(struct bcast *b, struct mono now)
{
	struct asks a;

	a.n = 0;
	while (ask_one(b, &a, now))
		if (a.n == ASKS_MAX) {
			b->ask = now; /* the rest in the next tick */
			break;
		}
	send_asks(b, &a);
}
