/* SPDX-License-Identifier: ISC */
/*
 * The life of a connection: begun, one link a peer, watched, ended.  Who may
 * come in is decided in inbound.c.  A connection that ended is freed when the loop
 * turns, so whoever still holds it may look at its state.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/peerd.h"

#define NOTSENT_MAX (64 * 1024)
#define LAG_MS      2000  /* our own loop slept so long: accuse nobody */
#define RESYNC_MS   10000 /* all records again, at most so often */

static uint32_t next_serial = 1;
static struct conns dead = TAILQ_HEAD_INITIALIZER(dead);
static struct event *reaper;
static struct mono last_tick;

/* --- what it runs over --- */

ssize_t
conn_read(struct conn *c, void *p, size_t n)
{
	return c->circuit != NULL ? circuit_read(c->circuit, p, n)
				  : read(c->fd, p, n);
}

ssize_t
conn_write(struct conn *c, const void *p, size_t n)
{
	return c->circuit != NULL ? circuit_write(c->circuit, p, n)
				  : write(c->fd, p, n);
}

void
conn_await_room(struct conn *c)
{
	c->waiting = true;
	if (c->circuit != NULL)
		circuit_await_room(c->circuit);
	else
		(void)event_add(c->ev_write, NULL);
}

/* --- the end of a connection --- */

static void
on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c;

	(void)fd;
	(void)what;
	(void)arg;
	while ((c = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, c, next);
		free(c);
	}
}

/* Out of the list and off the wire; the struct lives until the reaper. */
static void
conn_bury(struct conn *c)
{
	struct mono now = mono_now();

	c->state = CONN_DEAD;
	if (c->ev_read != NULL)
		event_free(c->ev_read);
	if (c->ev_write != NULL)
		event_free(c->ev_write);
	c->ev_read = c->ev_write = NULL;
	if (c->circuit != NULL)
		circuit_left(c->circuit);
	else
		(void)close(c->fd);
	c->circuit = NULL;
	c->fd = -1;
	shake_free(c->shake);
	c->shake = NULL;
	traffic_free(c);
	link_wipe(&c->link);
	TAILQ_REMOVE(&peerd.conns, c, next);
	TAILQ_INSERT_TAIL(&dead, c, next);
	if (reaper == NULL)
		reaper = child_timer(on_reap, NULL);
	child_timer_set(reaper, now, now);
}

static void
say_bye(struct conn *c, enum wire_bye bye)
{
	uint8_t buf[8];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_bye(&w, (uint8_t)bye);
	if (traffic_send(c, LANE_CONTROL, buf, w.len))
		(void)traffic_write(c);
}

/* A link of a peer is gone.  When another took over, nobody need know. */
static void
link_is_down(struct conn *c, const char *why)
{
	char id[9], at[NADDR_STR];

	if (!c->loops) {
		gossip_link_down(c);
		neigh_link_down(c);
	}
	if (!c->announced)
		return;
	flow_link_down(c);
	reserving_link_down(c);
	if (c->loops) {
		misdeed_remember(c);
		log_debug("peer %s: link for loops down: %s",
		    id_short(c->id, id), why);
		return;
	}
	dbchan_link(c, false);
	misdeed_remember(c);
	if (conn_find(c->id) != NULL)
		return;
	channels_link_down(c);
	targets_unlinked(c);
	discover_unlinked(c);
	nodes_unlinked(c);
	if (c->quiet) {
		log_debug("peer %s at %s: quiet link down: %s",
		    id_short(c->id, id), naddr_str(&c->remote, at), why);
		return;
	}
	log_info("peer %s at %s: link down: %s", id_short(c->id, id),
	    naddr_str(&c->remote, at), why);
	child_event("peer", "%s link down: %s", id_short(c->id, id), why);
}

void
conn_end(struct conn *c, enum wire_bye bye, const char *why)
{
	bool was_up = c->state == CONN_UP;

	if (c->state == CONN_DEAD)
		return;
	if (!was_up) {
		conn_shake_failed(c, why);
		return;
	}
	if (!c->bye) {
		/* What waits goes first, since BYE would overtake it. */
		c->bye = true;
		if (!traffic_write(c))
			return;
		say_bye(c, bye);
		if (c->state == CONN_DEAD) /* the write ended it already */
			return;
	}
	conn_bury(c);
	link_is_down(c, why);
}

void
conn_end_all(void)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&peerd.conns)) != NULL)
		conn_end(c, WIRE_BYE_SHUTDOWN, "this node stops");
}

void
conn_shake_failed(struct conn *c, const char *why)
{
	char at[NADDR_STR];

	peerd.n.handshakes_failed++;
	log_debug("handshake %s %s: %s", c->outbound ? "with" : "from",
	    naddr_str(&c->remote, at), why);
	conn_bury(c);
	if (c->outbound) {
		peerd.n.dial_failures++;
		discover_result(&c->why, NULL, why);
	}
}

/* --- the beginning --- */

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONN_SHAKE)
		shake_read(c);
	else if (c->state == CONN_UP)
		traffic_read(c);
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	c->waiting = false;
	if (c->state == CONN_UP)
		(void)traffic_write(c);
}

static void
tune(int fd)
{
	int one = 1, low = NOTSENT_MAX;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
#ifdef TCP_NOTSENT_LOWAT /* OpenBSD has none: more waits in the kernel */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
#else
	(void)low;
#endif
}

static struct conn *
conn_new(int fd, const struct naddr *remote, const struct dial_why *why)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		if (why != NULL)
			discover_result(why, NULL, "out of memory");
		return NULL;
	}
	c->fd = fd;
	c->slot = GOSSIP_NO_SLOT;
	c->place = NEIGH_NO_PLACE;
	c->serial = next_serial++;
	c->remote = addr_canon(remote);
	c->started = c->last_rx = mono_now();
	if (why != NULL) {
		c->outbound = true;
		c->why = *why;
		c->loops = why->kind == DIAL_LOOP;
	}
	TAILQ_INSERT_TAIL(&peerd.conns, c, next);
	return c;
}

void
conn_start(int fd, const struct naddr *remote, const struct dial_why *why)
{
	struct conn *c = conn_new(fd, remote, why);

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	tune(fd);
	(void)evutil_make_socket_nonblocking(fd);
	c->ev_read =
	    event_new(child_base(), fd, EV_READ | EV_PERSIST, on_read, c);
	c->ev_write = event_new(child_base(), fd, EV_WRITE, on_write, c);
	if (c->ev_read == NULL || c->ev_write == NULL ||
	    event_add(c->ev_read, NULL) == -1 || !shake_start(c))
		conn_shake_failed(c, "cannot start");
}

/* Its events have no descriptor: the circuit makes them active. */
void
conn_start_circuit(struct circuit *ct, struct conn **slot,
    const struct dial_why *why)
{
	static const struct naddr nowhere;
	struct conn *c = conn_new(-1, &nowhere, why);

	if (c == NULL) {
		circuit_left(ct);
		return;
	}
	*slot = c;
	c->circuit = ct;
	c->loops = true;
	c->ev_read = event_new(child_base(), -1, 0, on_read, c);
	c->ev_write = event_new(child_base(), -1, 0, on_write, c);
	if (c->ev_read == NULL || c->ev_write == NULL || !shake_start(c))
		conn_shake_failed(c, "cannot start");
}

void
conn_dialled(int fd, const struct dial_why *why)
{
	if (peerd.stopping || !peerd.running) {
		(void)close(fd);
		return;
	}
	conn_start(fd, &why->addr, why);
}

/* --- a link is up --- */

/*
 * Two links to one peer: true when the new one stays.  With another Noise
 * key than before the peer has started anew, so the old link is dead.  Of
 * two that crossed, the one dialled by the smaller node id stays; both ends
 * see it the same way.
 */
static bool
new_one_stays(const struct conn *old, const struct conn *c)
{
	bool we_are_smaller = memcmp(peerd.node.id, c->id, 32) < 0;

	if (memcmp(old->noise_pk, c->noise_pk, 32) != 0 ||
	    old->outbound == c->outbound)
		return true;
	return c->outbound == we_are_smaller;
}

/* The link of the same sort that its peer has already, or NULL. */
static struct conn *
other_link(const struct conn *c)
{
	struct conn *old;

	for (old = conn_next_any(NULL); old != NULL; old = conn_next_any(old))
		if (old != c && old->state == CONN_UP &&
		    old->loops == c->loops &&
		    (old->circuit == NULL) == (c->circuit == NULL) &&
		    memcmp(old->id, c->id, 32) == 0)
			break;
	return old;
}

/* False when c lost against the old link and was ended. */
static bool
settle_duplicate(struct conn *old, struct conn *c)
{
	char id[9];

	log_debug("peer %s: two links, the %s one stays", id_short(c->id, id),
	    new_one_stays(old, c) ? "new" : "old");
	if (new_one_stays(old, c)) {
		conn_end(old, WIRE_BYE_DUPLICATE, "replaced by another link");
		return true;
	}
	conn_end(c, WIRE_BYE_DUPLICATE, "duplicate link");
	return false;
}

/*
 * Many may have come in before any of their handshakes was over: what the
 * door saw then does not hold now, and they must not take the places of the
 * links we dial.
 */
static bool
is_room(const struct conn *c)
{
	if (c->loops &&
	    (c->circuit != NULL || conn_loop_links() <= LOOP_LINKS_MAX))
		return true;
	if (!c->loops && conn_links(-1) <= peerd.conf.max_peers &&
	    (c->outbound || conn_links(0) <= peerd.conf.max_inbound))
		return true;
	peerd.n.inbound_refused += !c->outbound;
	return false;
}

/* Nobody else hears of it: gossip and sync have links of their own. */
static void
loop_link_is_up(struct conn *c)
{
	char id[9], at[NADDR_STR];

	misdeed_recall(c);
	log_debug("peer %s at %s: link for loops up, %s",
	    id_short(c->id, id), naddr_str(&c->remote, at),
	    c->outbound ? "dialled" : "accepted");
	traffic_ping(c, 0);
}

/* Tell all who need to know of a link. */
static void
announce(struct conn *c)
{
	char id[9], at[NADDR_STR];

	if (c->node != NULL) {
		c->node->link = KNOWN_LINKED;
		c->node->observed = c->remote;
		c->node->last_seen = c->since;
	}
	log_info("peer %s at %s: link up, %s", id_short(c->id, id),
	    naddr_str(&c->remote, at), c->outbound ? "dialled" : "accepted");
	child_event("peer", "%s link up, %s %s", id_short(c->id, id),
	    c->outbound ? "dialled" : "accepted from",
	    naddr_str(&c->remote, at));
	channels_link_up(c);
	if (c->node != NULL)
		channels_peer(c->node);
}

/* It shall compare roots and go: who we are is of no use to the other side. */
static bool
is_feeler(const struct conn *c)
{
	return c->quiet && c->why.kind == DIAL_FEELER;
}

void
conn_show(struct conn *c)
{
	if (c->quiet) {
		if (is_feeler(c))
			nodes_send_own(c);
		c->quiet = false;
		announce(c);
	} else if (c->node != NULL)
		channels_peer(c->node);
}

/* The overlay comes last, since it may have no use for the link. */
static void
link_is_up(struct conn *c)
{
	char id[9], at[NADDR_STR];

	c->announced = true;
	if (c->loops) {
		loop_link_is_up(c);
		return;
	}
	c->node = nodes_get(c->id);
	misdeed_recall(c);
	if (c->quiet)
		log_debug("peer %s at %s: quiet link up", id_short(c->id, id),
		    naddr_str(&c->remote, at));
	else
		announce(c);
	dbchan_link(c, true);
	if (!is_feeler(c))
		nodes_send_own(c);
	traffic_ping(c, 0);
	if (c->state != CONN_UP)
		return;
	discover_linked(c);
	neigh_link_up(c);
}

void
conn_shaken(struct conn *c, const struct noise_cipher *tx,
    const struct noise_cipher *rx)
{
	struct mono now = mono_now();
	struct conn *old;

	peerd.n.handshakes_ok++;
	c->state = CONN_UP;
	c->since = wall_now();
	c->last_rx = c->synced = now;
	link_init(&c->link, tx, rx);
	score_init(&c->score, now);
	abook_source_init(&c->source, now);
	bucket_init(&c->relay, (struct rate){ 2000, 4000 });
	bucket_init(&c->intake, (struct rate){ 500, 2000 });
	flow_link_init(c);
	c->quiet = c->outbound &&
	    (c->why.kind == DIAL_FEELER || c->why.kind == DIAL_HIDDEN);
	if (c->outbound)
		discover_result(&c->why, c->id, NULL);
	/* One that takes over needs no room of its own. */
	old = other_link(c);
	if (old != NULL && !settle_duplicate(old, c))
		return;
	if (old == NULL && !is_room(c)) {
		conn_end(c, WIRE_BYE_FULL, "no room for another link");
		return;
	}
	link_is_up(c);
	if (c->state != CONN_UP)
		return;
	if (c->quiet)
		return; /* not for long, or not for this */
	reserving_link_up(c);
	direct_link_up(c);
	route_linked(c);
}

/* --- watching --- */

static void
watch(struct conn *c, struct mono now)
{
	int64_t quiet = mono_ms_between(c->last_rx, now);

	if (c->state == CONN_SHAKE) {
		if (mono_ms_between(c->started, now) >
		    (int64_t)peerd.conf.handshake_ms)
			conn_shake_failed(c, "timed out");
		return;
	}
	if (c->behind && link_queued(&c->link, LANE_GOSSIP) == 0 &&
	    mono_ms_between(c->synced, now) > RESYNC_MS)
		nodes_send_again(c);
	if (quiet > (int64_t)peerd.conf.dead_ms) {
		c->bye = true; /* nobody would hear it */
		conn_end(c, WIRE_BYE_NONE, "silent for too long");
	} else if (quiet > (int64_t)peerd.conf.ping_ms &&
	    (!c->ping_out ||
		mono_ms_between(c->pinged, now) >
		    (int64_t)peerd.conf.ping_ms)) {
		traffic_ping(c, 0);
	}
}

void
conn_tick(struct mono now)
{
	int64_t lag = last_tick.us == 0 ? 0 : mono_ms_between(last_tick, now);
	struct conn *c, *after;

	last_tick = now;
	for (c = TAILQ_FIRST(&peerd.conns); c != NULL; c = after) {
		after = TAILQ_NEXT(c, next);
		/* We slept, not they: what they sent still waits for us. */
		if (lag > LAG_MS)
			c->last_rx = c->started = now;
		watch(c, now);
	}
}
