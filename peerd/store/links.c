/* SPDX-License-Identifier: ISC */
/*
 * Who is there, whether their root is ours, and what may be sent to whom.
 */
#include "peerd/store/fetchers.h"

#include <string.h>

#include "common/log.h"
#include "peerd/score.h"

static struct link_peer peers[LINKS_MAX];
static uint32_t numbers[LINKS_MAX]; /* their links, to be looked through */
static size_t n_places;             /* that were ever taken */
static uint64_t refused;

struct link_peer *
links_find(uint32_t link)
{
	size_t i;

	for (i = 0; link != 0 && i < n_places; i++)
		if (numbers[i] == link)
			return &peers[i];
	return NULL;
}

/* The first place that is free, so that few are ever taken. */
static struct link_peer *
place(uint32_t link)
{
	size_t i;

	for (i = 0; i < n_places && numbers[i] != 0; i++)
		continue;
	if (i == LINKS_MAX) {
		refused++;
		return NULL;
	}
	if (i == n_places)
		n_places++;
	numbers[i] = peers[i].link = link;
	return &peers[i];
}

struct link_peer *
links_next(struct link_peer *after)
{
	struct link_peer *p = after == NULL ? peers : after + 1;

	for (; p < peers + n_places; p++)
		if (p->link != 0)
			return p;
	return NULL;
}

static void
forget(struct link_peer *p)
{
	sync_peer_gone(p);
	since_peer_gone(p);
	bootstrap_peer_gone(p);
	serve_peer_gone(p);
	fetchers_peer_gone(p);
	memset(p, 0, sizeof(*p));
	numbers[p - peers] = 0;
}

void
links_peer(const struct msg_ps_peer *q)
{
	struct link_peer *p = links_find(q->link);

	if (p != NULL)
		forget(p);
	if (!q->up || q->link == 0 || (p = place(q->link)) == NULL)
		return;
	memcpy(p->id, q->id, 32);
	p->outbound = q->outbound;
	fetchers_peer_up(p);
}

void
links_reset(void)
{
	struct link_peer *p = NULL;

	while ((p = links_next(p)) != NULL)
		forget(p);
}

/* --- sending --- */

bool
links_may_send(const struct link_peer *p)
{
	return p->in_flight < LINK_WINDOW;
}

bool
links_send(struct link_peer *p, const void *msg, size_t len)
{
	if (!net_message(p->link, msg, len))
		return false;
	p->in_flight += (uint32_t)len;
	return true;
}

/* Records before blocks. */
static void
go_on(struct link_peer *p)
{
	if (links_may_send(p)) {
		since_go_on(p);
		sync_go_on(p);
		bootstrap_go_on(p);
	}
	serve_go_on(p);
	fetchers_go_on();
}

void
links_drained(const struct msg_ps_drained *d)
{
	struct link_peer *p = links_find(d->link);

	if (p == NULL)
		return;
	p->in_flight -= d->bytes < p->in_flight ? d->bytes : p->in_flight;
	go_on(p);
}

void
links_room(void)
{
	struct link_peer *p = NULL;

	while ((p = links_next(p)) != NULL)
		go_on(p);
}

/* --- roots --- */

/*
 * Compare what a peer settled with what we settled for the same tick.  It may
 * be a little ahead of us or behind, so both sides of it look.
 */
static void
compare(struct link_peer *p)
{
	const struct recstore_root *ours =
	    recstore_root(store.rs, p->root.tick);
	bool equal;

	if (!p->has_root)
		return;
	if (ours == NULL) {
		/* Whoever has next to nothing need not wait for a tick. */
		(void)bootstrap_wanted(p);
		return;
	}
	equal = memcmp(ours->root, p->root.root, 32) == 0;
	since_root(p, equal);
	if (equal) {
		p->odd = 0;
	} else {
		p->odd++;
		/* One tick can differ for a record that came late. */
		if (!bootstrap_wanted(p) && !bootstrap_is_theirs(p) &&
		    (!p->compared || p->odd >= 2))
			sync_wanted(p, !p->compared);
	}
	p->compared = true;
}

static void
on_root(struct link_peer *p, const struct wire_root *root)
{
	if (p->has_root && root->tick <= p->root.tick)
		return;
	p->before = p->root;
	p->root = *root;
	p->has_root = true;
	compare(p);
}

void
links_tick(void)
{
	struct link_peer *p = NULL;
	uint64_t tick = recstore_tick(store.rs);

	while ((p = links_next(p)) != NULL)
		if (p->has_root && p->root.tick == tick)
			compare(p); /* it was ahead of us */
}

void
links_message(uint32_t link, const void *msg, size_t len)
{
	struct link_peer *p = links_find(link);
	uint32_t type = wire_peek(msg, len);
	struct wire_msg m;

	if (p == NULL || store.rs == NULL)
		return;
	if (wire_decode(&m, type >= WIRE_GETMAN ? LANE_BULK : LANE_SYNC, msg,
		len) != WIRE_OK) {
		store.n.sync_messages_refused++;
		return;
	}
	switch (m.type) {
	case WIRE_ROOT:
		on_root(p, &m.root);
		break;
	case WIRE_SINCE:
		since_asked(p, &m);
		break;
	case WIRE_FETCH:
		bootstrap_serve(p, &m);
		break;
	case WIRE_FETCHED:
		bootstrap_answer(p, &m);
		break;
	case WIRE_RANGE:
	case WIRE_ITEMS:
	case WIRE_WANT:
	case WIRE_END:
	case WIRE_FULL:
		sync_message(p, msg, len);
		break;
	case WIRE_GETMAN:
	case WIRE_GET:
		serve_message(p, msg, len);
		break;
	case WIRE_MAN:
	case WIRE_CHUNK:
		fetchers_message(p, msg, len);
		break;
	default:
		break;
	}
}

void
links_state(struct msg_db_state *s)
{
	const struct recstore_root *r;
	struct link_peer *p = NULL;

	s->neighbours = s->neighbours_equal = 0;
	while ((p = links_next(p)) != NULL) {
		if (!p->has_root)
			continue;
		s->neighbours++;
		/* Of the newest tick that both have settled. */
		r = recstore_root(store.rs, p->root.tick);
		if (r != NULL)
			s->neighbours_equal +=
			    memcmp(r->root, p->root.root, 32) == 0;
		else if (p->before.tick != 0 &&
		    (r = recstore_root(store.rs, p->before.tick)) != NULL)
			s->neighbours_equal +=
			    memcmp(r->root, p->before.root, 32) == 0;
	}
}

void
links_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < n_places; i++)
		n += numbers[i] != 0;
	emit(arg, "links that are synced", n, LINKS_MAX, refused);
	sync_limits(emit, arg);
	bootstrap_limits(emit, arg);
}
