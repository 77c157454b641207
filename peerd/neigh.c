/* SPDX-License-Identifier: ISC */
/*
 * Our neighbours: the shell of the overlay core (overlay.h).  It tells the
 * core of links, messages, roots and time, and does what the core wishes:
 * dial by way of discover.c, begin and end gossip on a link, close it.
 *
 * The core must not be called from inside itself, and what it wishes can end
 * links.  So a wish to close, a link that broke meanwhile and a dial that
 * could not begin wait until the outermost call is over; see done().  The
 * wishes themselves are in neigh_wish.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/bytes.h"
#include "common/log.h"
#include "peerd/neigh_int.h"

#define PLACES_MIN 64

struct place *neigh_places;
bool neigh_anchors_due;

static struct overlay overlay;
static struct overlay_link *links;
static unsigned n_places;
static uint32_t failed[OVERLAY_DIALS]; /* dials the core must be told of */
static unsigned n_failed;
static unsigned inside; /* calls of the core we are in */
static struct event *timer;

/* The links we dialled that were up for longest: of this life, and of the
 * one before, which are dialled once each. */
static struct wire_addr anchors[OVERLAY_ANCHORS], saved[OVERLAY_ANCHORS];
static size_t n_anchors, n_saved, next_saved;

/* --- calls of the core --- */

static void
begin(void)
{
	inside++;
}

/* What the core let go of; its place is free before others hear of it. */
static void
close_place(struct place *p)
{
	struct conn *c = p->c;

	memset(p, 0, sizeof(*p));
	if (c == NULL)
		return;
	c->place = NEIGH_NO_PLACE;
	if (c->quiet && c->why.kind == DIAL_FEELER)
		conn_end(c, WIRE_BYE_FEELER, "it was only looked at");
	else
		conn_end(c, WIRE_BYE_IDLE, "no place among the neighbours");
}

static bool
settle_place(unsigned i)
{
	struct place *p = &neigh_places[i];

	if (p->closing)
		close_place(p);
	else if (p->lost) {
		memset(p, 0, sizeof(*p));
		overlay_link_down(&overlay, i, mono_now());
	} else if (p->deaf) {
		p->deaf = false;
		conn_end(p->c, WIRE_BYE_NONE, "it does not read");
	} else
		return false;
	return true;
}

static void
keep_anchors(void)
{
	struct wire_addr now[OVERLAY_ANCHORS];
	size_t n = overlay_anchors(&overlay, now), i;

	/* Who goes last is no reason to forget who was there. */
	for (i = 0; i < n_anchors && n > 0 && n < OVERLAY_ANCHORS; i++)
		if (memcmp(anchors[i].id, now[0].id, 32) != 0)
			now[n++] = anchors[i];
	if (n == 0 || peerd.stopping ||
	    (n == n_anchors && memcmp(now, anchors, n * sizeof(now[0])) == 0))
		return;
	memcpy(anchors, now, n * sizeof(now[0]));
	n_anchors = n;
	keep_dirty(PEERD_FILE_ANCHORS, true);
}

/* A feeler led to nodes that our neighbours did not know. */
static void
tell_healed(void)
{
	static uint64_t told;
	uint64_t healed = overlay_stats(&overlay)->healed;

	if (healed == told)
		return;
	told = healed;
	log_info("another part of the network was found");
	child_event("peer", "another part of the network was found");
}

/* The outermost call is over: do what had to wait. */
static void
done(void)
{
	struct mono now = mono_now();
	bool more = inside == 1;
	unsigned i;

	while (more) {
		more = false;
		for (i = 0; i < n_places; i++)
			more |= settle_place(i);
		while (n_failed > 0) {
			more = true;
			overlay_dial_failed(&overlay, failed[--n_failed], now);
		}
	}
	if (--inside > 0)
		return;
	if (neigh_anchors_due)
		keep_anchors();
	neigh_anchors_due = false;
	tell_healed();
	if (timer != NULL)
		child_timer_set(timer, overlay_due(&overlay), now);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	begin();
	(void)overlay_tick(&overlay, mono_now());
	done();
}

/* --- links --- */

static enum overlay_why
why_of(const struct conn *c)
{
	const struct target *t;

	if (!c->outbound)
		return OVERLAY_THEIRS;
	switch (c->why.kind) {
	case DIAL_BOOK:
		return OVERLAY_FILL;
	case DIAL_FEELER:
		return OVERLAY_FEELER;
	case DIAL_HIDDEN:
		return OVERLAY_HIDDEN;
	case DIAL_TARGET:
		t = targets_get(c->why.target);
		return t != NULL && targets_is_kept(t) ? OVERLAY_PINNED
						       : OVERLAY_BOOT;
	default:
		return OVERLAY_ASIDE;
	}
}

/* Peers are added and deleted while links to them are up. */
static void
pin(unsigned i)
{
	const struct conn *c = neigh_places[i].c;
	const struct target *t = c == NULL ? NULL : targets_of_id(c->id);

	if (c != NULL && !neigh_places[i].closing)
		overlay_pin(&overlay, i, t != NULL && targets_is_kept(t));
}

void
neigh_link_up(struct conn *c)
{
	struct wire_addr node = { .addr = c->remote };
	unsigned i;

	for (i = 0; i < n_places && neigh_places[i].used; i++)
		continue;
	if (i == n_places) { /* more links than at start; it has its syncs */
		neigh_dial_failed(c->why.tag);
		return;
	}
	memset(&neigh_places[i], 0, sizeof(neigh_places[i]));
	neigh_places[i].used = true;
	neigh_places[i].c = c;
	c->place = (uint16_t)i;
	memcpy(node.id, c->id, 32);
	if (!c->outbound) /* a port it does not listen on */
		memset(&node.addr, 0, sizeof(node.addr));
	begin();
	overlay_link_up(&overlay, i, why_of(c), c->why.tag, &node,
	    abook_group(&c->remote), mono_now());
	c->why.tag = 0;
	pin(i);
	done();
}

void
neigh_link_down(struct conn *c)
{
	struct place *p;

	if (c->place == NEIGH_NO_PLACE) {
		neigh_dial_failed(c->why.tag);
		return;
	}
	p = &neigh_places[c->place];
	c->place = NEIGH_NO_PLACE;
	p->c = NULL;
	p->lost = true;
	begin();
	done();
}

void
neigh_dial_failed(uint32_t tag)
{
	if (tag == 0 || n_failed == OVERLAY_DIALS)
		return;
	failed[n_failed++] = tag;
	begin();
	done();
}

void
neigh_message(struct conn *c, const struct wire_msg *m)
{
	struct mono now = mono_now();
	bool good = true;

	if (c->place == NEIGH_NO_PLACE)
		return;
	begin();
	switch (m->type) {
	case WIRE_JOIN:
		good =
		    overlay_on_join(&overlay, c->place, m->ttl, &m->node, now);
		break;
	case WIRE_NEIGHBOR:
		good = overlay_on_neighbor(&overlay, c->place, m->want, now);
		break;
	case WIRE_DISCONNECT:
		good =
		    overlay_on_disconnect(&overlay, c->place, m->reason, now);
		break;
	default:
		good = overlay_on_swap(&overlay, c->place, &m->node, now);
		break;
	}
	done();
	if (!good)
		misdeed(c, SCORE_MALFORMED);
}

void
neigh_rtt(const struct conn *c)
{
	if (c->place != NEIGH_NO_PLACE)
		overlay_link_rtt(&overlay, c->place, c->rtt_us);
}

/* --- roots --- */

void
neigh_root(const struct conn *c, const struct wire_root *root)
{
	if (c->place == NEIGH_NO_PLACE)
		return;
	begin();
	overlay_on_root(&overlay, c->place, root->tick, get_u64(root->root),
	    mono_now());
	done();
}

void
neigh_own_root(const struct wire_root *root)
{
	begin();
	overlay_own_root(&overlay, root->tick, get_u64(root->root), mono_now());
	done();
}

/* --- anchors --- */

bool
neigh_pick_anchor(struct overlay_cand *cand)
{
	while (next_saved < n_saved) {
		cand->at = saved[next_saved++];
		cand->has_id = true;
		cand->group = abook_group(&cand->at.addr);
		if (discover_may_dial(cand))
			return true;
	}
	return false;
}

bool
neigh_add_anchor(const struct wire_addr *node)
{
	if (n_saved == OVERLAY_ANCHORS)
		return false;
	saved[n_saved++] = *node;
	anchors[n_anchors++] = *node;
	return true;
}

size_t
neigh_anchors(const struct wire_addr **list)
{
	*list = anchors;
	return n_anchors;
}

/* --- its life --- */

static void
set_self(void)
{
	struct wire_addr self = { .addr = { .fam = NADDR_NONE } };
	bool dialable = own_link_addr(&self.addr);

	memcpy(self.id, peerd.node.id, 32);
	overlay_set_self(&overlay, &self, dialable);
}

void
neigh_init(void)
{
	struct wire_addr self = { .addr = { .fam = NADDR_NONE } };

	n_places = peerd.conf.max_peers < PLACES_MIN ? PLACES_MIN
						     : peerd.conf.max_peers;
	neigh_places = calloc(n_places, sizeof(*neigh_places));
	links = calloc(n_places, sizeof(*links));
	if (neigh_places == NULL || links == NULL)
		fatalx(EX_OSERR, "no memory for links");
	memcpy(self.id, peerd.node.id, 32);
	overlay_init(&overlay, links, n_places, &self, false, true, &neigh_ops,
	    NULL);
	neigh_config();
}

void
neigh_config(void)
{
	if (n_places > 0)
		overlay_set_times(&overlay, 0,
		    peerd.conf.feeler_ms == 0 ? OVERLAY_FEELER_MS
					      : peerd.conf.feeler_ms);
}

void
neigh_start(void)
{
	timer = child_timer(on_timer, NULL);
	set_self();
	begin();
	overlay_start(&overlay, mono_now());
	done();
}

void
neigh_look(void)
{
	struct mono now = mono_now();
	unsigned i;

	set_self();
	for (i = 0; i < n_places; i++)
		pin(i);
	begin();
	overlay_set_nodes(&overlay, nodes_live() + 1, now);
	overlay_news(&overlay, now);
	done();
}

bool
neigh_is_held(const uint8_t id[32])
{
	return overlay_is_held(&overlay, id, mono_now());
}

bool
neigh_wants(void)
{
	return overlay_wants(&overlay);
}

/* --- how it is shown --- */

enum peer_role
neigh_role(const struct conn *c)
{
	const struct overlay_link *l;

	if (c->place == NEIGH_NO_PLACE)
		return c->outbound ? PEER_ROLE_SYNC : PEER_ROLE_CLIENT;
	l = &links[c->place];
	switch (overlay_state(&overlay, c->place)) {
	case OVERLAY_ACTIVE:
		return l->pinned                            ? PEER_ROLE_PINNED
		    : overlay_is_anchor(&overlay, c->place) ? PEER_ROLE_ANCHOR
							    : PEER_ROLE_ACTIVE;
	case OVERLAY_ASKED:
		return PEER_ROLE_JOINING;
	case OVERLAY_FEELING:
		return PEER_ROLE_FEELER;
	case OVERLAY_SECRET:
		return PEER_ROLE_HIDDEN;
	default:
		return c->outbound ? PEER_ROLE_SYNC : PEER_ROLE_CLIENT;
	}
}

void
neigh_stats(stat_emit emit, void *arg)
{
	const struct overlay_stats *s = overlay_stats(&overlay);

	emit(arg, "view_links", overlay_active(&overlay));
	emit(arg, "view_dialled", overlay_dialled(&overlay));
	emit(arg, "view_ups", s->ups);
	emit(arg, "view_downs", s->downs);
	emit(arg, "view_refused", s->refused);
	emit(arg, "view_evicted", s->evicted);
	emit(arg, "view_swaps", s->swaps);
	emit(arg, "view_shed", s->shed);
	emit(arg, "view_walks", s->walks);
	emit(arg, "view_limited", s->limited);
	emit(arg, "feelers", s->feelers);
	emit(arg, "islands_healed", s->healed);
}

void
neigh_limits(limit_emit emit, void *arg)
{
	const struct overlay_stats *s = overlay_stats(&overlay);
	unsigned active = overlay_active(&overlay);
	unsigned ours = overlay_dialled(&overlay);
	bool mesh = nodes_live() + 1 < OVERLAY_MESH;

	emit(arg, "gossip links, dialled", ours,
	    mesh ? OVERLAY_MESH : OVERLAY_DIALLED, 0);
	emit(arg, "gossip links, accepted", active - ours,
	    mesh ? OVERLAY_MESH : OVERLAY_ACCEPTED, s->refused);
	emit(arg, "requests of a link at once", 0, OVERLAY_SAYS, s->limited);
}
