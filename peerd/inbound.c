/* SPDX-License-Identifier: ISC */
/*
 * Who may come in: listeners, and what is refused at the door before a byte
 * is read.  Limits hold per address, per network, and in all.
 */
#include <errno.h>
#include <sodium.h>
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
#define ACCEPT_REST_MS 1000 /* out of descriptors: wait */

static struct listener {
	struct naddr addr;
	int fd;
	struct event *ev;
} listeners[LISTENERS_MAX];
static size_t n_listeners;

static struct ratelimit shakes;
static int64_t shake_slots[RATE_SLOTS];
static struct event *rest_timer;

/* Inbound connections from the network around an address. */
static unsigned
count_prefix(const struct naddr *from)
{
	bool own_host = addr_class(from) == ADDR_LOOPBACK;
	unsigned v4 = own_host ? 32 : 24, v6 = own_host ? 128 : 48, n = 0;
	struct naddr net = addr_prefix(from, v4, v6), other;
	const struct conn *c;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c)) {
		if (c->outbound || c->circuit != NULL)
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

	/* A stranger can bring this about: counted, not warned of. */
	peerd.n.inbound_refused++;
	log_debug("accept: %s; no new links for a second", strerror(errno));
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
inbound_listen(const struct naddr *addr, int fd)
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
inbound_limits(void)
{
	struct rate r = { .per_s = peerd.conf.handshakes_per_s,
		.burst = peerd.conf.handshakes_per_s };
	uint8_t key[RATELIMIT_KEY];

	randombytes_buf(key, sizeof(key));
	ratelimit_init(&shakes, r, 32, 64, shake_slots, RATE_SLOTS, key);
}

void
inbound_start(void)
{
	size_t i;

	rest_timer = child_timer(on_rest_over, NULL);
	for (i = 0; i < n_listeners; i++) {
		listeners[i].ev = event_new(child_base(), listeners[i].fd,
		    EV_READ | EV_PERSIST, on_accept, NULL);
		if (listeners[i].ev == NULL)
			fatalx(EX_OSERR, "no memory for a listener");
		(void)event_add(listeners[i].ev, NULL);
	}
}
