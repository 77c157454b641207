/* SPDX-License-Identifier: ISC */
/*
 * The overlay: whom to dial, and what time brings.  Pure.
 */
#include <string.h>

#include "common/assert.h"
#include "peerd/abook.h"
#include "peerd/overlay_int.h"

#define PICKS_MAX      8    /* candidates looked at for one dial */
#define HIGH_AFTER_MS  2000 /* a newcomer says JOIN until then */
#define WAIT_MIN_MS    1000 /* after a refusal, with links enough */
#define WAIT_MAX_MS    240000
#define EMPTY_MS       500 /* when there was nobody to dial */
#define LAG_MS         500 /* of our loop: each such doubles patience once */
#define LAG_BAD_MS     1000
#define HEALTH_MAX     8
#define SHED_NEXT_MS   500
#define FEELER_LIFE_MS 30000

void
overlay_wake(struct overlay *ov, struct mono at)
{
	ov->due = mono_min(ov->due, at);
}

struct mono
overlay_due(const struct overlay *ov)
{
	return ov->due;
}

/* --- dials under way --- */

bool
overlay_take_dial(struct overlay *ov, uint32_t tag, struct overlay_dial *d)
{
	size_t i;

	for (i = 0; tag != 0 && i < OVERLAY_DIALS; i++)
		if (ov->dials[i].tag == tag) {
			*d = ov->dials[i];
			ov->dials[i].tag = 0;
			return true;
		}
	return false;
}

static unsigned
dials(const struct overlay *ov, enum overlay_why why)
{
	unsigned i, n = 0;

	for (i = 0; i < OVERLAY_DIALS; i++)
		n += ov->dials[i].tag != 0 && ov->dials[i].why == why &&
		    !ov->dials[i].swapping;
	return n;
}

/* Linked, being dialled, held, or ourselves. */
static bool
is_out(const struct overlay *ov, const struct overlay_cand *c, struct mono now)
{
	size_t i;

	for (i = 0; i < OVERLAY_DIALS; i++)
		if (ov->dials[i].tag != 0 &&
		    (naddr_equal(&ov->dials[i].node.addr, &c->at.addr) ||
			(c->has_id &&
			    memcmp(ov->dials[i].node.id, c->at.id, 32) == 0)))
			return true;
	return c->has_id &&
	    (memcmp(c->at.id, ov->self.id, 32) == 0 ||
		overlay_find(ov, c->at.id) != -1 ||
		overlay_is_held(ov, c->at.id, now));
}

static bool
dial(struct overlay *ov, enum overlay_why why, const struct overlay_cand *c,
    bool swapping)
{
	struct overlay_dial *d = NULL;
	size_t i;

	for (i = 0; i < OVERLAY_DIALS && d == NULL; i++)
		if (ov->dials[i].tag == 0)
			d = &ov->dials[i];
	if (d == NULL)
		return false;
	if (++ov->next_tag == 0)
		ov->next_tag++;
	d->tag = ov->next_tag;
	d->why = (uint8_t)why;
	d->pinned = c->pinned;
	d->has_id = c->has_id;
	d->swapping = swapping;
	d->node = c->at;
	d->group = c->group;
	ov->stats.dials++;
	ov->ops->dial(ov->ctx, d->tag, why, c);
	return true;
}

void
overlay_dial_failed(struct overlay *ov, uint32_t tag, struct mono now)
{
	struct overlay_dial d;

	if (!overlay_take_dial(ov, tag, &d))
		return;
	ov->stats.failed++;
	if (d.why == OVERLAY_FILL && !d.swapping)
		overlay_refused(ov, now);
}

/* --- candidates --- */

/* Groups that dialled links lie in; a LAN counts when it has its share. */
static size_t
groups_of(const struct overlay *ov, uint64_t groups[64])
{
	const struct overlay_link *l;
	unsigned i, lan = 0;
	size_t n = 0;

	for (i = 0; i < ov->n_links && n < 64 - OVERLAY_DIALS; i++) {
		l = &ov->links[i];
		if (!l->ours || l->state == OVERLAY_NONE)
			continue;
		if (l->group != ABOOK_GROUP_LAN || ++lan >= OVERLAY_LAN_LINKS)
			groups[n++] = l->group;
	}
	for (i = 0; i < OVERLAY_DIALS; i++)
		if (ov->dials[i].tag != 0 &&
		    ov->dials[i].group != ABOOK_GROUP_LAN)
			groups[n++] = ov->dials[i].group;
	return n;
}

static bool
in_groups(const uint64_t *groups, size_t n, uint64_t group)
{
	while (n > 0)
		if (groups[--n] == group)
			return true;
	return false;
}

/*
 * A candidate of that kind.  Distinct groups are worth waiting for once there
 * are six links; before that any link is better than none.
 */
static bool
pick(struct overlay *ov, enum overlay_pick kind, struct overlay_cand *c,
    struct mono now)
{
	bool strict =
	    overlay_active(ov) >= OVERLAY_DIALLED && !overlay_is_mesh(ov);
	uint64_t groups[64];
	size_t n = groups_of(ov, groups);
	unsigned i;

	for (i = 0; i < PICKS_MAX; i++) {
		memset(c, 0, sizeof(*c));
		if (!ov->ops->pick(ov->ctx, kind, groups, n, c))
			return false;
		if (is_out(ov, c, now))
			continue;
		if (strict && !c->pinned && in_groups(groups, n, c->group))
			continue;
		return true;
	}
	return false;
}

void
overlay_offer(struct overlay *ov, const struct wire_addr *node, struct mono now)
{
	struct overlay_cand *o;

	if (ov->n_offers == OVERLAY_OFFERS) {
		memmove(ov->offers, ov->offers + 1,
		    (OVERLAY_OFFERS - 1) * sizeof(ov->offers[0]));
		ov->n_offers--;
	}
	o = &ov->offers[ov->n_offers++];
	memset(o, 0, sizeof(*o));
	o->at = *node;
	o->has_id = true;
	o->group = abook_group(&node->addr);
	ov->dial_due = mono_min(ov->dial_due, now);
	overlay_wake(ov, now);
}

static bool
take_offer(struct overlay *ov, struct overlay_cand *c, struct mono now)
{
	while (ov->n_offers > 0) {
		*c = ov->offers[--ov->n_offers];
		if (!is_out(ov, c, now))
			return true;
	}
	return false;
}

void
overlay_dial_for_swap(struct overlay *ov, const struct wire_addr *node,
    struct mono now)
{
	struct overlay_cand c;

	memset(&c, 0, sizeof(c));
	c.at = *node;
	c.has_id = true;
	c.group = abook_group(&node->addr);
	if (!is_out(ov, &c, now))
		(void)dial(ov, OVERLAY_FILL, &c, true);
}

/*
 * Pinned peers come first, then the anchors of the last life, then what
 * neighbours offered, then the book.  Bootstrap nodes serve those who have
 * nobody: all newcomers dial them.
 */
static bool
candidate(struct overlay *ov, struct overlay_cand *c, struct mono now)
{
	if (pick(ov, OVERLAY_PICK_PINNED, c, now) ||
	    pick(ov, OVERLAY_PICK_ANCHOR, c, now) || take_offer(ov, c, now) ||
	    pick(ov, OVERLAY_PICK_BOOK, c, now))
		return true;
	return overlay_active(ov) < 2 && dials(ov, OVERLAY_FILL) < 2 &&
	    pick(ov, OVERLAY_PICK_BOOT, c, now);
}

/* --- filling the view --- */

bool
overlay_wants(const struct overlay *ov)
{
	unsigned i, n = overlay_dialled(ov) + dials(ov, OVERLAY_FILL);

	for (i = 0; i < ov->n_links; i++)
		n += ov->links[i].state == OVERLAY_ASKED && ov->links[i].ours &&
		    !ov->links[i].swapping;
	return ov->started &&
	    n < (overlay_is_mesh(ov) ? OVERLAY_MESH : OVERLAY_DIALLED);
}

/* With links enough we wait longer each time; else we go on at once. */
void
overlay_refused(struct overlay *ov, struct mono now)
{
	int64_t wait;

	if (overlay_active(ov) >= OVERLAY_DIALLED) {
		ov->wait_ms = ov->wait_ms == 0 ? WAIT_MIN_MS : ov->wait_ms * 2;
		if (ov->wait_ms > WAIT_MAX_MS)
			ov->wait_ms = WAIT_MAX_MS;
		wait = ov->wait_ms;
	} else
		wait = OVERLAY_REPLACE_MS / 2;
	wait += (int64_t)(ov->ops->rnd(ov->ctx) % (uint64_t)wait);
	ov->dial_due = mono_add_ms(now, wait);
	overlay_wake(ov, ov->dial_due);
}

/*
 * What to say first.  A newcomer says JOIN, which evicts nobody.  Whoever has
 * been without links for a while says HIGH, which does; whoever is stuck with
 * a few asks to stand between two others.
 */
static void
ask(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);
	unsigned active = overlay_active(ov);
	int64_t below =
	    ov->below.us == MONO_NEVER.us ? 0 : mono_ms_between(ov->below, now);

	l->state = OVERLAY_ASKED;
	l->due = mono_add_ms(now, OVERLAY_ANSWER_MS);
	if (l->swapping)
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_LOW);
	else if (active == 0 && ov->dialable && below < HIGH_AFTER_MS)
		ov->ops->send_join(ov->ctx, link, OVERLAY_TTL, &ov->self);
	else if (active < 2)
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_HIGH);
	else if (below >= OVERLAY_STUCK_MS && ov->dialable)
		ov->ops->send_swap(ov->ctx, link, &ov->self);
	else
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_LOW);
}

/* A link beside the view that may be asked in: nearer than any dial. */
static int
beside(const struct overlay *ov, struct mono now)
{
	const struct overlay_link *l;
	unsigned i;

	for (i = 0; i < ov->n_links; i++) {
		l = &ov->links[i];
		if (l->state == OVERLAY_CONTACT && l->keep &&
		    !overlay_is_held(ov, l->node.id, now))
			return (int)i;
	}
	return -1;
}

static void
fill(struct overlay *ov, struct mono now)
{
	struct overlay_cand c;
	int link;

	ov->dial_due = MONO_NEVER;
	while (overlay_wants(ov)) {
		if ((link = beside(ov, now)) != -1) {
			ask(ov, (unsigned)link, now);
			continue;
		}
		if (candidate(ov, &c, now) && dial(ov, OVERLAY_FILL, &c, false))
			continue;
		ov->dial_due = mono_add_ms(now,
		    overlay_active(ov) >= OVERLAY_DIALLED ? WAIT_MIN_MS
							  : EMPTY_MS);
		break;
	}
}

static bool
has_pinned(const struct overlay *ov)
{
	unsigned i;

	for (i = 0; i < ov->n_links; i++)
		if (ov->links[i].pinned &&
		    (ov->links[i].state == OVERLAY_ACTIVE ||
			ov->links[i].state == OVERLAY_ASKED))
			return true;
	return false;
}

void
overlay_begin(struct overlay *ov, unsigned link, enum overlay_why why,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);
	bool wanted =
	    overlay_wants(ov) && !overlay_is_held(ov, l->node.id, now);

	switch (why) {
	case OVERLAY_FILL:
		ask(ov, link, now);
		break;
	case OVERLAY_FEELER:
		ov->stats.feelers++;
		l->state = OVERLAY_FEELING;
		l->due = mono_add_ms(now, FEELER_LIFE_MS);
		break;
	case OVERLAY_HIDDEN:
		l->state = OVERLAY_SECRET;
		break;
	case OVERLAY_PINNED:
		l->keep = l->pinned = true;
		if (wanted || !has_pinned(ov))
			ask(ov, link, now);
		break;
	case OVERLAY_BOOT:
		if (wanted)
			ask(ov, link, now);
		else
			overlay_close(ov, link, now);
		break;
	case OVERLAY_ASIDE:
		l->keep = true;
		if (wanted)
			ask(ov, link, now);
		break;
	case OVERLAY_THEIRS:
		break;
	}
	overlay_wake(ov, l->due);
}

/* --- feelers and the hidden link --- */

static void
feel(struct overlay *ov, struct mono now)
{
	struct overlay_cand c;

	ov->feeler_due = mono_add_ms(now, ov->feeler_ms);
	if (overlay_is_mesh(ov))
		return;
	if (pick(ov, OVERLAY_PICK_NEW, &c, now) ||
	    pick(ov, OVERLAY_PICK_BOOK, &c, now))
		(void)dial(ov, OVERLAY_FEELER, &c, false);
}

/*
 * Two nodes have one link.  In a small network hidden links would go to the
 * few whom not everybody has as a neighbour, and could leave a node with
 * links from all others and too few neighbours.
 */
static void
hide(struct overlay *ov, struct mono now)
{
	bool small = ov->n_nodes < OVERLAY_HIDES;
	struct overlay_cand c;
	unsigned i;

	ov->hidden_due = mono_add_ms(now, ov->feeler_ms);
	for (i = 0; i < ov->n_links; i++)
		if (ov->links[i].state == OVERLAY_SECRET) {
			if (small)
				overlay_close(ov, i, now);
			return;
		}
	if (!small && overlay_active(ov) >= OVERLAY_DIALLED &&
	    pick(ov, OVERLAY_PICK_BOOK, &c, now))
		(void)dial(ov, OVERLAY_HIDDEN, &c, false);
}

/* --- time --- */

void
overlay_start(struct overlay *ov, struct mono now)
{
	ov->started = true;
	ov->dial_due = ov->below = now;
	ov->feeler_due =
	    mono_add_ms(now, (int64_t)(ov->ops->rnd(ov->ctx) % ov->feeler_ms));
	if (ov->hidden_on)
		ov->hidden_due = mono_add_ms(now, ov->feeler_ms);
	overlay_wake(ov, now);
}

/* How long a link may be silent, given how well we are ourselves. */
static int64_t
idle_ms(const struct overlay *ov, const struct overlay_link *l)
{
	int64_t ms = 4 * (int64_t)l->rtt_us / 1000;
	int64_t health = 1 + ov->lag_ms / LAG_MS;

	if (ms < ov->silence_ms)
		ms = ov->silence_ms;
	return ms * (health > HEALTH_MAX ? HEALTH_MAX : health);
}

/* A node that lags has not heard anybody: it accuses nobody. */
static void
look_at_myself(struct overlay *ov, struct mono now)
{
	int64_t late =
	    ov->due.us == MONO_NEVER.us ? 0 : mono_ms_between(ov->due, now);
	unsigned i;

	ov->lag_ms -= ov->lag_ms / 8;
	if (late > (int64_t)ov->lag_ms)
		ov->lag_ms = late > 60000 ? 60000 : (uint32_t)late;
	for (i = 0; late >= LAG_BAD_MS && i < ov->n_links; i++)
		ov->links[i].heard = now;
}

static void
look_at_silence(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = &ov->links[link];
	int64_t idle = idle_ms(ov, l);

	if (ov->silence_ms == 0)
		return;
	if (mono_reached(mono_add_ms(l->heard, 3 * idle), now)) {
		ov->stats.silent++;
		overlay_close(ov, link, now);
		return;
	}
	if (mono_reached(mono_add_ms(l->heard, idle), now) &&
	    mono_reached(mono_add_ms(l->pinged, idle), now)) {
		l->pinged = now;
		ov->ops->ping(ov->ctx, link);
	}
}

static void
look_at_link(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = &ov->links[link];

	switch (l->state) {
	case OVERLAY_ACTIVE:
	case OVERLAY_SECRET:
		look_at_silence(ov, link, now);
		return;
	case OVERLAY_NONE:
	case OVERLAY_CONTACT:
		return;
	default:
		break;
	}
	if (!mono_reached(l->due, now))
		return;
	if (l->state == OVERLAY_ASKED)
		overlay_refused(ov, now);
	if (l->state == OVERLAY_GOING)
		overlay_close(ov, link, now);
	else
		overlay_part(ov, link, now);
}

/*
 * More links than a view shall have: the network was a mesh when they came
 * up, or a pinned one was let in.  They go one by one, none before it is
 * clear that they are too many.
 */
static void
shed(struct overlay *ov, struct mono now)
{
	unsigned dialled = overlay_dialled(ov);
	bool ours = dialled > OVERLAY_DIALLED;
	int v;

	if (overlay_is_mesh(ov) ||
	    (!ours && overlay_active(ov) - dialled <= OVERLAY_ACCEPTED)) {
		ov->shed_due = MONO_NEVER;
		return;
	}
	if (ov->shed_due.us == MONO_NEVER.us)
		ov->shed_due = mono_add_ms(now, OVERLAY_SHED_MS);
	if (!mono_reached(ov->shed_due, now))
		return;
	ov->shed_due = mono_add_ms(now, SHED_NEXT_MS);
	if ((v = overlay_victim(ov, ours, ov->n_links)) == -1)
		return;
	ov->stats.shed++;
	overlay_send_away(ov, (unsigned)v, WIRE_GONE_FULL, now);
}

/* There are links enough: spares have served. */
static void
close_spares(struct overlay *ov, struct mono now)
{
	unsigned i;

	for (i = 0; overlay_active(ov) >= 2 && i < ov->n_links; i++)
		if (ov->links[i].spare && ov->links[i].state == OVERLAY_CONTACT)
			overlay_close(ov, i, now);
}

/* When that link needs a look again. */
static struct mono
link_due(const struct overlay *ov, const struct overlay_link *l)
{
	struct mono from;

	if (l->state == OVERLAY_ACTIVE || l->state == OVERLAY_SECRET) {
		if (ov->silence_ms == 0)
			return MONO_NEVER;
		from = mono_before(l->heard, l->pinged) ? l->pinged : l->heard;
		return mono_add_ms(from, idle_ms(ov, l));
	}
	return l->state == OVERLAY_NONE ? MONO_NEVER : l->due;
}

static struct mono
next_due(const struct overlay *ov)
{
	struct mono due =
	    mono_min(mono_min(ov->feeler_due, ov->hidden_due), ov->shed_due);
	unsigned i;

	for (i = 0; i < ov->n_links; i++)
		due = mono_min(due, link_due(ov, &ov->links[i]));
	return mono_min(due, ov->dial_due);
}

struct mono
overlay_tick(struct overlay *ov, struct mono now)
{
	unsigned i;

	look_at_myself(ov, now);
	if (!ov->started) {
		ov->dial_due = ov->feeler_due = ov->hidden_due = MONO_NEVER;
		ov->n_offers = 0;
	}
	for (i = 0; i < ov->n_links; i++)
		look_at_link(ov, i, now);
	shed(ov, now);
	close_spares(ov, now);
	if (mono_reached(ov->dial_due, now) || ov->n_offers > 0)
		fill(ov, now);
	if (mono_reached(ov->feeler_due, now))
		feel(ov, now);
	if (mono_reached(ov->hidden_due, now))
		hide(ov, now);
	ov->due = next_due(ov);
	return ov->due;
}
