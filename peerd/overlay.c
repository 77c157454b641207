/* SPDX-License-Identifier: ISC */
/*
 * The overlay, as promised in overlay.h: links, the view and islands.  What
 * neighbours say is in overlay_talk.c, whom to dial and when in
 * overlay_dial.c.  Pure.
 */
#include "peerd/overlay.h"

#include <string.h>

#include "common/assert.h"
#include "peerd/overlay_int.h"

#define CHURN_MS 500 /* at most one forced change in so long */
#define GOING_MS 2000

/* --- small things --- */

uint64_t
overlay_who(const uint8_t id[32])
{
	uint64_t who;

	memcpy(&who, id, sizeof(who));
	return who;
}

struct overlay_link *
overlay_link(struct overlay *ov, unsigned link)
{
	ASSERT(link < ov->n_links);
	return &ov->links[link];
}

int
overlay_find(const struct overlay *ov, const uint8_t id[32])
{
	unsigned i;

	for (i = 0; i < ov->n_links; i++)
		if (ov->links[i].state != OVERLAY_NONE &&
		    memcmp(ov->links[i].node.id, id, 32) == 0)
			return (int)i;
	return -1;
}

static unsigned
count(const struct overlay *ov, int ours)
{
	unsigned i, n = 0;

	for (i = 0; i < ov->n_links; i++)
		n += ov->links[i].state == OVERLAY_ACTIVE &&
		    (ours == -1 || ov->links[i].ours == (ours == 1));
	return n;
}

unsigned
overlay_active(const struct overlay *ov)
{
	return count(ov, -1);
}

unsigned
overlay_dialled(const struct overlay *ov)
{
	return count(ov, 1);
}

bool
overlay_is_mesh(const struct overlay *ov)
{
	return ov->n_nodes < OVERLAY_MESH;
}

bool
overlay_has_room(const struct overlay *ov)
{
	return count(ov, 0) <
	    (overlay_is_mesh(ov) ? OVERLAY_MESH : OVERLAY_ACCEPTED);
}

enum overlay_state
overlay_state(const struct overlay *ov, unsigned link)
{
	return link < ov->n_links ? (enum overlay_state)ov->links[link].state
				  : OVERLAY_NONE;
}

bool
overlay_is_hidden(const struct overlay *ov, unsigned link)
{
	return overlay_state(ov, link) == OVERLAY_SECRET;
}

const struct overlay_stats *
overlay_stats(const struct overlay *ov)
{
	return &ov->stats;
}

/* --- anchors --- */

bool
overlay_is_anchor(const struct overlay *ov, unsigned link)
{
	const struct overlay_link *l = &ov->links[link], *k;
	unsigned i, older = 0;

	if (!l->ours || l->state != OVERLAY_ACTIVE)
		return false;
	for (i = 0; i < ov->n_links; i++) {
		k = &ov->links[i];
		if (k->ours && k->state == OVERLAY_ACTIVE &&
		    (mono_before(k->since, l->since) ||
			(k->since.us == l->since.us && i < link)))
			older++;
	}
	return older < OVERLAY_ANCHORS;
}

size_t
overlay_anchors(const struct overlay *ov,
    struct wire_addr anchors[OVERLAY_ANCHORS])
{
	unsigned i;
	size_t n = 0;

	for (i = 0; i < ov->n_links && n < OVERLAY_ANCHORS; i++)
		if (overlay_is_anchor(ov, i))
			anchors[n++] = ov->links[i].node;
	return n;
}

/* --- into the view and out of it --- */

static int
free_slot(const struct overlay *ov)
{
	uint32_t used = 0;
	unsigned i;

	for (i = 0; i < ov->n_links; i++)
		if (ov->links[i].state == OVERLAY_ACTIVE)
			used |= UINT32_C(1) << ov->links[i].slot;
	for (i = 0; i < OVERLAY_SLOTS; i++)
		if ((used >> i & 1) == 0)
			return (int)i;
	return -1;
}

bool
overlay_enter(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);
	int slot = free_slot(ov);

	if (slot == -1)
		return false;
	l->state = OVERLAY_ACTIVE;
	l->slot = (uint8_t)slot;
	l->since = l->heard = now;
	l->due = MONO_NEVER;
	l->odd = 0;
	ov->stats.ups++;
	ov->ops->view_up(ov->ctx, link, l->slot);
	if (overlay_active(ov) >= OVERLAY_DIALLED)
		ov->below = MONO_NEVER;
	overlay_wake(ov, now);
	return true;
}

void
overlay_leave(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);
	int64_t soon =
	    (int64_t)(ov->ops->rnd(ov->ctx) % (OVERLAY_REPLACE_MS / 2));

	ov->stats.downs++;
	ov->ops->view_down(ov->ctx, link, l->slot);
	l->state = OVERLAY_CONTACT;
	l->due = MONO_NEVER;
	ov->wait_ms = 0;
	ov->dial_due = mono_min(ov->dial_due, mono_add_ms(now, soon));
	if (ov->below.us == MONO_NEVER.us &&
	    overlay_active(ov) < OVERLAY_DIALLED)
		ov->below = now;
	overlay_wake(ov, ov->dial_due);
}

void
overlay_close(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (l->state == OVERLAY_ACTIVE)
		overlay_leave(ov, link, now);
	l->state = OVERLAY_NONE;
	ov->ops->close(ov->ctx, link);
}

void
overlay_part(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (!l->keep) {
		overlay_close(ov, link, now);
		return;
	}
	if (l->state == OVERLAY_ACTIVE)
		overlay_leave(ov, link, now);
	l->state = OVERLAY_CONTACT;
	l->due = MONO_NEVER;
}

void
overlay_send_away(struct overlay *ov, unsigned link, enum wire_gone why,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	ov->ops->send_disconnect(ov->ctx, link, why);
	if (l->state == OVERLAY_ACTIVE)
		overlay_leave(ov, link, now);
	l->state = OVERLAY_CONTACT;
	l->due = MONO_NEVER;
	if (why != WIRE_GONE_LEAVING && (!l->ours || l->keep))
		return;
	l->state = OVERLAY_GOING;
	l->due = mono_add_ms(now, GOING_MS);
	overlay_wake(ov, l->due);
}

int
overlay_victim(struct overlay *ov, int ours, unsigned except)
{
	uint64_t rnd = ov->ops->rnd(ov->ctx);
	const struct overlay_link *l;
	unsigned i, n = 0;
	int chosen = -1;

	for (i = 0; i < ov->n_links; i++) {
		l = &ov->links[i];
		if (l->state != OVERLAY_ACTIVE || i == except || l->pinned ||
		    (ours != -1 && l->ours != (ours == 1)) ||
		    overlay_is_anchor(ov, i))
			continue;
		n++;
		rnd = rnd * UINT64_C(6364136223846793005) + 1;
		if ((rnd >> 33) % n == 0)
			chosen = (int)i;
	}
	return chosen;
}

/* Changes that others force on us come slowly, whoever asks. */
bool
overlay_may_churn(struct overlay *ov, struct mono now)
{
	if (mono_before(now, ov->churned)) {
		ov->stats.limited++;
		return false;
	}
	ov->churned = mono_add_ms(now, CHURN_MS);
	return true;
}

/* --- holds --- */

void
overlay_hold(struct overlay *ov, const uint8_t id[32], int64_t ms,
    struct mono now)
{
	struct overlay_hold *h = &ov->holds[ov->hold_at++ % OVERLAY_HOLDS];

	h->who = overlay_who(id);
	h->until = mono_add_ms(now, ms);
}

bool
overlay_is_held(const struct overlay *ov, const uint8_t id[32], struct mono now)
{
	uint64_t who = overlay_who(id);
	size_t i;

	for (i = 0; i < OVERLAY_HOLDS; i++)
		if (ov->holds[i].who == who &&
		    mono_before(now, ov->holds[i].until))
			return true;
	return false;
}

/* --- links --- */

void
overlay_init(struct overlay *ov, struct overlay_link *links, unsigned n_links,
    const struct wire_addr *self, bool dialable, bool hidden,
    const struct overlay_ops *ops, void *ctx)
{
	memset(ov, 0, sizeof(*ov));
	memset(links, 0, n_links * sizeof(*links));
	ov->ops = ops;
	ov->ctx = ctx;
	ov->links = links;
	ov->n_links = n_links;
	ov->self = *self;
	ov->dialable = dialable;
	ov->hidden_on = hidden;
	ov->n_nodes = OVERLAY_MESH;
	ov->silence_ms = OVERLAY_SILENCE_MS;
	ov->feeler_ms = OVERLAY_FEELER_MS;
	ov->due = ov->dial_due = ov->below = ov->shed_due = MONO_NEVER;
	ov->feeler_due = ov->hidden_due = MONO_NEVER;
}

void
overlay_set_times(struct overlay *ov, uint32_t silence_ms, uint32_t feeler_ms)
{
	ov->silence_ms = silence_ms;
	ov->feeler_ms = feeler_ms;
}

void
overlay_set_self(struct overlay *ov, const struct wire_addr *self,
    bool dialable)
{
	ov->self = *self;
	ov->dialable = dialable;
}

void
overlay_set_nodes(struct overlay *ov, uint32_t n, struct mono now)
{
	bool was_mesh = overlay_is_mesh(ov);

	ov->n_nodes = n;
	if (ov->started && overlay_is_mesh(ov)) {
		ov->dial_due = mono_min(ov->dial_due, now);
		overlay_wake(ov, now);
	} else if (was_mesh)
		overlay_wake(ov, now); /* the view may be too large now */
}

void
overlay_news(struct overlay *ov, struct mono now)
{
	if (!ov->started || overlay_active(ov) >= OVERLAY_DIALLED)
		return;
	ov->dial_due = mono_min(ov->dial_due, now);
	overlay_wake(ov, now);
}

void
overlay_link_up(struct overlay *ov, unsigned link, enum overlay_why why,
    uint32_t tag, const struct wire_addr *node, uint64_t group, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);
	struct overlay_dial d;

	ASSERT(l->state == OVERLAY_NONE);
	memset(l, 0, sizeof(*l));
	l->state = OVERLAY_CONTACT;
	l->ours = why != OVERLAY_THEIRS;
	l->node = *node;
	l->has_addr = naddr_ip_len(&node->addr) != 0;
	l->group = group;
	l->since = l->heard = l->walked = l->pinged = now;
	l->milli = OVERLAY_SAYS * 1000;
	l->due = MONO_NEVER;
	overlay_wake(ov, now);
	if (overlay_take_dial(ov, tag, &d)) {
		l->pinned = d.pinned;
		l->swapping = d.swapping;
	} else if (why < OVERLAY_PINNED)
		return;
	if (l->ours)
		overlay_begin(ov, link, why, now);
}

void
overlay_pin(struct overlay *ov, unsigned link, bool pinned)
{
	overlay_link(ov, link)->pinned = pinned;
}

void
overlay_link_down(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (l->state == OVERLAY_ASKED)
		overlay_refused(ov, now);
	if (l->state == OVERLAY_ACTIVE)
		overlay_leave(ov, link, now);
	l->state = OVERLAY_NONE;
}

void
overlay_heard(struct overlay *ov, unsigned link, struct mono now)
{
	overlay_link(ov, link)->heard = now;
}

void
overlay_link_rtt(struct overlay *ov, unsigned link, uint32_t rtt_us)
{
	overlay_link(ov, link)->rtt_us = rtt_us;
}

/* --- islands --- */

/* Do most neighbours say what we say, for this tick? */
static bool
is_agreed(const struct overlay *ov)
{
	unsigned i, same = 0, other = 0;

	for (i = 0; i < ov->n_links; i++)
		if (ov->links[i].state == OVERLAY_ACTIVE &&
		    ov->links[i].tick == ov->tick) {
			same += ov->links[i].root == ov->root;
			other += ov->links[i].root != ov->root;
		}
	return same > other;
}

/* Another part of the network lies behind this feeler: keep it. */
static void
heal(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);
	int v = overlay_active(ov) < OVERLAY_DIALLED
	    ? -1
	    : overlay_victim(ov, -1, link);

	ov->stats.healed++;
	if (v != -1)
		overlay_send_away(ov, (unsigned)v, WIRE_GONE_ISLAND, now);
	l->state = OVERLAY_ASKED;
	l->due = mono_add_ms(now, OVERLAY_ANSWER_MS);
	ov->ops->send_neighbor(ov->ctx, link, WIRE_WANT_HIGH);
}

/*
 * Each tick is judged once, when both sides have said what they have.  What
 * our neighbours say of it may come later.
 */
static void
judge(struct overlay *ov, unsigned link, struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	if (l->state != OVERLAY_FEELING || l->tick != ov->tick)
		return;
	if (l->judged != ov->tick) {
		l->judged = ov->tick;
		if (l->root == ov->root) {
			l->odd = 0;
			l->due =
			    mono_min(l->due, mono_add_ms(now, OVERLAY_TELL_MS));
			overlay_wake(ov, l->due);
		} else
			l->odd++;
	}
	if (l->odd >= 2 && is_agreed(ov))
		heal(ov, link, now);
}

static void
judge_all(struct overlay *ov, struct mono now)
{
	unsigned i;

	for (i = 0; i < ov->n_links; i++)
		judge(ov, i, now);
}

void
overlay_own_root(struct overlay *ov, uint64_t tick, uint64_t root,
    struct mono now)
{
	ov->tick = tick;
	ov->root = root;
	judge_all(ov, now);
}

void
overlay_on_root(struct overlay *ov, unsigned link, uint64_t tick, uint64_t root,
    struct mono now)
{
	struct overlay_link *l = overlay_link(ov, link);

	l->tick = tick;
	l->root = root;
	if (l->state == OVERLAY_ACTIVE)
		judge_all(ov, now);
	else
		judge(ov, link, now);
}

void
overlay_stop(struct overlay *ov, struct mono now)
{
	unsigned i;

	ov->started = false;
	for (i = 0; i < ov->n_links; i++)
		if (ov->links[i].state == OVERLAY_ACTIVE)
			overlay_send_away(ov, i, WIRE_GONE_LEAVING, now);
}
