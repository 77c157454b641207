/* SPDX-License-Identifier: ISC */
/*
 * The overlay: what neighbours say.  Who asks is told yes or no at once; what
 * changes a full view comes slowly, whoever asks.  Pure.
 */
#include <string.h>

#include "peerd/overlay_int.h"

#define SAYS_PER_S 5 /* requests of one link */
#define WALKERS    3 /* links a newcomer's JOIN walks on over */
#define SPARES     2 /* links beside the view, when nobody lets us in */

static bool
is_self(const struct overlay *ov, const struct wire_addr *node)
{
	return memcmp(node->id, ov->self.id, 32) == 0;
}

/* --- JOIN --- */

/* Of JOIN, NEIGHBOR and SWAP a link has so many, and the rest is lost. */
static bool
may_say(struct overlay *ov, struct overlay_link *l, struct mono now)
{
	int64_t more = mono_ms_between(l->walked, now) * SAYS_PER_S;

	if (more > 0) {
		l->milli = more > OVERLAY_SAYS * 1000 - (int64_t)l->milli
		    ? OVERLAY_SAYS * 1000
		    : l->milli + (uint32_t)more;
		l->walked = now;
	}
	if (l->milli < 1000) {
		ov->stats.limited++;
		return false;
	}
	l->milli -= 1000;
	return true;
}

/* On to n links at random, neither back nor to the newcomer itself. */
static unsigned
walk_on(struct overlay *ov, unsigned from, unsigned n, unsigned ttl,
    const struct wire_addr *node)
{
	unsigned i, at, sent = 0;
	unsigned first = (unsigned)(ov->ops->rnd(ov->ctx) % ov->n_links);

	for (i = 0; i < ov->n_links && sent < n; i++) {
		at = (first + i) % ov->n_links;
		if (ov->links[at].state != OVERLAY_ACTIVE || at == from ||
		    memcmp(ov->links[at].node.id, node->id, 32) == 0)
			continue;
		ov->ops->send_join(ov->ctx, at, ttl, node);
		ov->stats.walks++;
		sent++;
	}
	return sent;
}

/* A newcomer's first word to us. */
static bool
greet(struct overlay *ov, unsigned link, const struct wire_addr *node,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (memcmp(l->node.id, node->id, 32) != 0)
		return false;
	if (l->greeted) {
		ov->stats.limited++;
		return true;
	}
	l->greeted = true;
	(void)walk_on(ov, link, WALKERS, OVERLAY_TTL - 1, node);
	if (overlay_has_room(ov) && overlay_enter(ov, link, now)) {
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_YES);
		ov->ops->give(ov->ctx, link);
		return true;
	}
	ov->ops->give(ov->ctx, link);
	ov->stats.refused++;
	overlay_send_away(ov, link, WIRE_GONE_FULL, now);
	return true;
}

bool
overlay_on_join(struct overlay *ov, unsigned link, unsigned ttl,
    const struct wire_addr *node, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (l->state == OVERLAY_CONTACT && !l->ours)
		return greet(ov, link, node, now);
	if (l->state != OVERLAY_ACTIVE || !may_say(ov, l, now) ||
	    is_self(ov, node))
		return true;
	ov->ops->heard_of(ov->ctx, link, node);
	if (ttl > OVERLAY_TTL)
		ttl = OVERLAY_TTL;
	if (overlay_wants(ov)) {
		overlay_offer(ov, node, now);
		return true;
	}
	if (ttl > 0 && walk_on(ov, link, 1, ttl - 1, node) == 1)
		return true;
	/* The walk ends here, and nobody had a place: make one. */
	if (overlay_may_churn(ov, now))
		overlay_dial_for_swap(ov, node, now);
	return true;
}

/* --- NEIGHBOR --- */

/* Has this key used up its one HIGH?  If not, it has now. */
static bool
use_high(struct overlay *ov, const uint8_t id[32], struct mono now)
{
	uint64_t who = overlay_who(id);
	struct overlay_hold *h;
	size_t i;

	for (i = 0; i < OVERLAY_HOLDS; i++)
		if (ov->highs[i].who == who &&
		    mono_before(now, ov->highs[i].until))
			return false;
	h = &ov->highs[ov->high_at++ % OVERLAY_HOLDS];
	h->who = who;
	h->until = mono_add_ms(now, OVERLAY_HIGH_MS);
	return true;
}

/*
 * The node at the end of a walk dialled the newcomer, who let it in.  Now
 * one of our own dialled links goes, and the newcomer takes the place that
 * becomes free at its other end: A-B is A-new-B.
 */
static void
make_place(struct overlay *ov, unsigned link, struct mono now)
{
	int v = -1;
	unsigned i, first = (unsigned)(ov->ops->rnd(ov->ctx) % ov->n_links);

	for (i = 0; i < ov->n_links && v == -1; i++) {
		unsigned at = (first + i) % ov->n_links;
		const struct overlay_link *l = &ov->links[at];

		if (l->state == OVERLAY_ACTIVE && l->ours && at != link &&
		    l->has_addr && !l->pinned && !overlay_is_anchor(ov, at))
			v = (int)at;
	}
	if (v == -1 || overlay_dialled(ov) <= OVERLAY_DIALLED)
		return;
	ov->stats.swaps++;
	ov->ops->send_swap(ov->ctx, link, &ov->links[v].node);
	overlay_send_away(ov, (unsigned)v, WIRE_GONE_SWAPPED, now);
}

static void
on_yes(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (l->state != OVERLAY_ASKED)
		return; /* late: we gave up meanwhile */
	if (!overlay_enter(ov, link, now)) {
		overlay_send_away(ov, link, WIRE_GONE_FULL, now);
		return;
	}
	ov->wait_ms = 0;
	if (l->swapping)
		make_place(ov, link, now);
}

/* No room, and it has fewer than two links: somebody else goes. */
static bool
evict_for(struct overlay *ov, unsigned link, struct mono now)
{
	int v;

	if (!use_high(ov, ov->links[link].node.id, now) ||
	    !overlay_may_churn(ov, now))
		return false;
	v = overlay_victim(ov, 0, link);
	if (v == -1)
		return false;
	ov->stats.evicted++;
	overlay_send_away(ov, (unsigned)v, WIRE_GONE_EVICTED, now);
	return true;
}

bool
overlay_on_neighbor(struct overlay *ov, unsigned link, unsigned want,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (want == WIRE_WANT_YES) {
		on_yes(ov, link, now);
		return true;
	}
	if (!may_say(ov, l, now))
		return true;
	if (l->state == OVERLAY_ACTIVE) { /* we both asked: both have it */
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_YES);
		return true;
	}
	if (l->state != OVERLAY_CONTACT && l->state != OVERLAY_ASKED &&
	    l->state != OVERLAY_FEELING)
		return true;
	if ((overlay_has_room(ov) ||
		((want == WIRE_WANT_HIGH || l->pinned) &&
		    evict_for(ov, link, now))) &&
	    overlay_enter(ov, link, now)) {
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_YES);
		return true;
	}
	ov->stats.refused++;
	if (want == WIRE_WANT_HIGH) /* LOW has links, and knows others */
		ov->ops->give(ov->ctx, link);
	overlay_send_away(ov, link, WIRE_GONE_FULL, now);
	return true;
}

/* --- DISCONNECT and SWAP --- */

/*
 * Whoever is let in nowhere keeps a link or two beside the view, so that
 * syncs at least go on.
 */
static void
keep_spare(struct overlay *ov, struct overlay_link *l, struct mono now)
{
	unsigned i, n = 0;

	if (overlay_active(ov) >= 2 || ov->below.us == MONO_NEVER.us ||
	    mono_ms_between(ov->below, now) < OVERLAY_STUCK_MS)
		return;
	for (i = 0; i < ov->n_links; i++)
		n += ov->links[i].state == OVERLAY_CONTACT && ov->links[i].keep;
	if (n < SPARES)
		l->keep = l->spare = true;
}

bool
overlay_on_disconnect(struct overlay *ov, unsigned link, unsigned why,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (!l->ours) { /* theirs to close */
		if (l->state == OVERLAY_ACTIVE) {
			overlay_hold(ov, l->node.id, OVERLAY_HOLD_MS, now);
			overlay_leave(ov, link, now);
		}
		return true;
	}
	if (l->state == OVERLAY_ASKED) {
		overlay_refused(ov, now);
		keep_spare(ov, l, now);
	}
	if (l->state == OVERLAY_ACTIVE)
		overlay_hold(ov, l->node.id, OVERLAY_HOLD_MS, now);
	else if (why == WIRE_GONE_FULL)
		overlay_hold(ov, l->node.id, OVERLAY_ANSWER_MS, now);
	if (l->state == OVERLAY_SECRET)
		return true; /* never was in a view */
	overlay_part(ov, link, now);
	return true;
}

/* A stuck node wants to stand between us and somebody who dialled us. */
static void
swap_in(struct overlay *ov, unsigned link, const struct wire_addr *node,
    struct mono now)
{
	int v = overlay_has_room(ov) ? -1 : overlay_victim(ov, 0, link);

	if (!overlay_has_room(ov) && (v == -1 || !overlay_may_churn(ov, now))) {
		ov->stats.refused++;
		ov->ops->give(ov->ctx, link);
		overlay_send_away(ov, link, WIRE_GONE_FULL, now);
		return;
	}
	if (v != -1) {
		ov->stats.swaps++;
		ov->ops->send_swap(ov->ctx, (unsigned)v, node);
		overlay_send_away(ov, (unsigned)v, WIRE_GONE_SWAPPED, now);
	}
	if (overlay_enter(ov, link, now))
		ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_YES);
}

bool
overlay_on_swap(struct overlay *ov, unsigned link, const struct wire_addr *node,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (!may_say(ov, l, now))
		return true;
	if (l->state == OVERLAY_ACTIVE) {
		if (!is_self(ov, node))
			overlay_offer(ov, node, now);
		return true;
	}
	if (l->state != OVERLAY_CONTACT || l->ours)
		return true;
	if (memcmp(l->node.id, node->id, 32) != 0)
		return false;
	swap_in(ov, link, node, now);
	return true;
}
