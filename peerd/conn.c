/* SPDX-License-Identifier: ISC */
/*
 * The life of a connection: accepted within bounds or dialled, one link a
 * peer, watched, ended.  A connection that ended is freed when the loop
 * turns, so whoever still holds it may look at its state.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/peerd.h"

#define LISTENERS_MAX  16
#define ACCEPTS_MAX    16   /* in one wakeup */
#define RATE_SLOTS     1024 /* addresses whose handshakes are counted */
#define NOTSENT_MAX    (64 * 1024)
#define ACCEPT_REST_MS 1000 /* out of descriptors: wait */
#define LAG_MS         2000 /* our own loop slept so long: accuse nobody */

static struct listener {
	struct naddr addr;
	int fd;
	struct event *ev;
} listeners[LISTENERS_MAX];
static size_t n_listeners;

static struct ratelimit shakes;
static int64_t shake_slots[RATE_SLOTS];
static uint32_t next_serial = 1;
static struct conns dead = TAILQ_HEAD_INITIALIZER(dead);
static struct event *reaper, *rest_timer;
static struct mono last_tick;

/* --- who is there --- */

struct conn *
conn_find(const uint8_t id[32])
{
	struct conn *c;

	TAILQ_FOREACH(c, &peerd.conns, next)
		if (c->state == CONN_UP && memcmp(c->id, id, 32) == 0)
			return c;
	return NULL;
}

struct conn *
conn_by_serial(uint32_t serial)
{
	struct conn *c;

	TAILQ_FOREACH(c, &peerd.conns, next)
		if (c->serial == serial && c->state == CONN_UP)
			return c;
	return NULL;
}

unsigned
conn_links(int outbound)
{
	const struct conn *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &peerd.conns, next)
		n += c->state == CONN_UP &&
		    (outbound < 0 || c->outbound == (outbound == 1));
	return n;
}

unsigned
conn_shaking(void)
{
	const struct conn *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &peerd.conns, next)
		n += c->state == CONN_SHAKE;
	return n;
}

bool
conn_is_dialling(const struct naddr *addr)
{
	const struct conn *c;

	TAILQ_FOREACH(c, &peerd.conns, next)
		if (c->outbound && naddr_equal(&c->why.addr, addr))
			return true;
	return false;
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
	(void)close(c->fd);
	c->fd = -1;
	shake_free(c->shake);
	c->shake = NULL;
	traffic_free(c);
	link_wipe(&c->link);
	TAILQ_REMOVE(&peerd.conns, c, next);
	TAILQ_INSERT_TAIL(&dead, c, next);
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

	if (!c->announced)
		return;
	misdeed_remember(c);
	if (conn_find(c->id) != NULL)
		return;
	channels_link_down(c);
	targets_unlinked(c);
	discover_unlinked(c);
	nodes_unlinked(c);
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
		c->bye = true;
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

/* Takes fd.  why is NULL for one that was accepted. */
static void
conn_start(int fd, const struct naddr *remote, const struct dial_why *why)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		if (why != NULL)
			discover_result(why, NULL, "out of memory");
		return;
	}
	c->fd = fd;
	c->serial = next_serial++;
	c->remote = addr_canon(remote);
	c->started = c->last_rx = mono_now();
	if (why != NULL) {
		c->outbound = true;
		c->why = *why;
	}
	TAILQ_INSERT_TAIL(&peerd.conns, c, next);
	tune(fd);
	(void)evutil_make_socket_nonblocking(fd);
	c->ev_read =
	    event_new(child_base(), fd, EV_READ | EV_PERSIST, on_read, c);
	c->ev_write = event_new(child_base(), fd, EV_WRITE, on_write, c);
	if (c->ev_read == NULL || c->ev_write == NULL ||
	    event_add(c->ev_read, NULL) == -1 || !shake_start(c))
		conn_shake_failed(c, "cannot start");
}

void
conn_dialled(int fd, const struct dial_why *why)
{
	if (peerd.stopping || !peerd.running) {
		(void)close(fd);
		return;
	}
	if (conn_shaking() >= HANDSHAKES_MAX) {
		(void)close(fd);
		discover_result(why, NULL, "too many handshakes");
		return;
	}
	conn_start(fd, &why->addr, why);
}

/* Inbound connections from the network around an address. */
static unsigned
count_prefix(const struct naddr *from)
{
	bool own_host = addr_class(from) == ADDR_LOOPBACK;
	unsigned v4 = own_host ? 32 : 24, v6 = own_host ? 128 : 48, n = 0;
	struct naddr net = addr_prefix(from, v4, v6), other;
	const struct conn *c;

	TAILQ_FOREACH(c, &peerd.conns, next) {
		if (c->outbound)
			continue;
		other = addr_prefix(&c->remote, v4, v6);
		n += naddr_ip_equal(&net, &other);
	}
	return n;
}

/* Why this connection is not taken, or NULL. */
static const char *
refuse_reason(const struct naddr *from)
{
	if (peerd.stopping)
		return "stopping";
	if (ban_find_addr(&peerd.bans, from, wall_now()) != NULL)
		return "banned address";
	if (conn_links(0) >= peerd.conf.max_inbound)
		return "too many inbound links";
	if (conn_links(-1) >= peerd.conf.max_peers)
		return "too many links";
	if (conn_shaking() >= HANDSHAKES_MAX)
		return "too many handshakes";
	if (peerd.conf.max_per_prefix != 0 &&
	    count_prefix(from) >= peerd.conf.max_per_prefix)
		return "too many from its network";
	if (!ratelimit_allow(&shakes, from, mono_now()))
		return "too many handshakes from its address";
	return NULL;
}

static void
on_rest_over(evutil_socket_t fd, short what, void *arg)
{
	size_t i;

	(void)fd;
	(void)what;
	(void)arg;
	for (i = 0; i < n_listeners; i++)
		(void)event_add(listeners[i].ev, NULL);
}

/* No descriptors left: accepting again at once would only spin. */
static void
rest(void)
{
	struct mono now = mono_now();
	size_t i;

	log_warn("accept: %s; no new links for a second", strerror(errno));
	for (i = 0; i < n_listeners; i++)
		(void)event_del(listeners[i].ev);
	child_timer_set(rest_timer, mono_add_ms(now, ACCEPT_REST_MS), now);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_storage ss;
	struct naddr from;
	char text[NADDR_STR];
	const char *why;
	socklen_t len;
	int i, cfd;

	(void)what;
	(void)arg;
	for (i = 0; i < ACCEPTS_MAX; i++) {
		len = sizeof(ss);
		cfd = accept4(fd, (struct sockaddr *)&ss, &len,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (cfd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM)
				rest();
			return;
		}
		if (naddr_from_sockaddr(&from, (struct sockaddr *)&ss) == -1) {
			(void)close(cfd);
			continue;
		}
		from = addr_canon(&from);
		if ((why = refuse_reason(&from)) != NULL) {
			peerd.n.inbound_refused++;
			log_debug("connection from %s refused: %s",
			    naddr_str(&from, text), why);
			(void)close(cfd);
			continue;
		}
		conn_start(cfd, &from, NULL);
	}
}

void
conn_listen(const struct naddr *addr, int fd)
{
	struct listener *l = &listeners[n_listeners];

	if (n_listeners == LISTENERS_MAX)
		fatalx(EX_CONFIG, "more than %d link listeners", LISTENERS_MAX);
	l->addr = *addr;
	l->fd = fd;
	(void)evutil_make_socket_nonblocking(fd);
	n_listeners++;
}

void
conn_listen_limits(void)
{
	struct rate r = { .per_s = peerd.conf.handshakes_per_s,
		.burst = peerd.conf.handshakes_per_s };
	uint8_t key[RATELIMIT_KEY];

	randombytes_buf(key, sizeof(key));
	ratelimit_init(&shakes, r, 32, 64, shake_slots, RATE_SLOTS, key);
}

void
conn_listen_start(void)
{
	size_t i;

	reaper = child_timer(on_reap, NULL);
	rest_timer = child_timer(on_rest_over, NULL);
	for (i = 0; i < n_listeners; i++) {
		listeners[i].ev = event_new(child_base(), listeners[i].fd,
		    EV_READ | EV_PERSIST, on_accept, NULL);
		if (listeners[i].ev == NULL)
			fatalx(EX_OSERR, "no memory for a listener");
		(void)event_add(listeners[i].ev, NULL);
	}
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

/* False when c lost against another link and was ended. */
static bool
settle_duplicate(struct conn *c)
{
	struct conn *old;
	char id[9];

	TAILQ_FOREACH(old, &peerd.conns, next)
		if (old != c && old->state == CONN_UP &&
		    memcmp(old->id, c->id, 32) == 0)
			break;
	if (old == NULL)
		return true;
	log_debug("peer %s: two links, the %s one stays", id_short(c->id, id),
	    new_one_stays(old, c) ? "new" : "old");
	if (new_one_stays(old, c)) {
		conn_end(old, WIRE_BYE_DUPLICATE, "replaced by another link");
		return true;
	}
	conn_end(c, WIRE_BYE_DUPLICATE, "duplicate link");
	return false;
}

static void
link_is_up(struct conn *c)
{
	char id[9], at[NADDR_STR];

	c->announced = true;
	c->node = nodes_get(c->id);
	if (c->node != NULL) {
		c->node->link = KNOWN_LINKED;
		c->node->observed = c->remote;
		c->node->last_seen = c->since;
	}
	misdeed_recall(c);
	log_info("peer %s at %s: link up, %s", id_short(c->id, id),
	    naddr_str(&c->remote, at), c->outbound ? "dialled" : "accepted");
	child_event("peer", "%s link up, %s %s", id_short(c->id, id),
	    c->outbound ? "dialled" : "accepted from",
	    naddr_str(&c->remote, at));
	channels_link_up(c);
	if (c->node != NULL)
		channels_peer(c->node);
	nodes_send_all(c);
	traffic_ping(c, 0);
	discover_linked(c);
}

void
conn_shaken(struct conn *c, const struct noise_cipher *tx,
    const struct noise_cipher *rx)
{
	struct mono now = mono_now();

	peerd.n.handshakes_ok++;
	c->state = CONN_UP;
	c->since = wall_now();
	c->last_rx = c->synced = now;
	link_init(&c->link, tx, rx);
	score_init(&c->score, now);
	abook_source_init(&c->source, now);
	bucket_init(&c->relay, (struct rate){ 2000, 4000 });
	bucket_init(&c->intake, (struct rate){ 500, 2000 });
	if (c->outbound)
		discover_result(&c->why, c->id, NULL);
	if (c->why.kind == DIAL_FEELER && c->outbound) {
		conn_end(c, WIRE_BYE_FEELER, "feeler");
		return;
	}
	if (!settle_duplicate(c))
		return;
	if (conn_links(-1) > peerd.conf.max_peers) {
		conn_end(c, WIRE_BYE_FULL, "no room for another link");
		return;
	}
	link_is_up(c);
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
