/* SPDX-License-Identifier: ISC */
/*
 * Accepting, as promised in listen.h.
 */
#include "apid/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "apid/apid.h"
#include "apid/conn.h"
#include "common/log.h"

#define LISTENERS_MAX 24
#define ACCEPT_TURN   16  /* connections taken in one wakeup */
#define PAUSE_MS      100 /* when descriptors or memory are out */

struct listener {
	struct event *ev;
	int fd;
	uint8_t service;
};

static struct listener listeners[LISTENERS_MAX];
static size_t n_listeners;
static struct event_base *loop;
static struct event *resume;
static struct prefix_count by_prefix;
static uint64_t prefix_refused;
static bool accepting, stopped;

static void on_accept(evutil_socket_t fd, short what, void *arg);

bool
listen_add(int fd, uint8_t service)
{
	int on = 1;

	if (n_listeners == LISTENERS_MAX ||
	    evutil_make_socket_nonblocking(fd) == -1) {
		(void)close(fd);
		return false;
	}
	/* Connections inherit it; later there is no setsockopt(). */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	listeners[n_listeners++] = (struct listener){ NULL, fd, service };
	return true;
}

static void
set_accepting(bool on)
{
	size_t i;

	if (accepting == on)
		return;
	accepting = on;
	for (i = 0; i < n_listeners; i++) {
		if (on)
			(void)event_add(listeners[i].ev, NULL);
		else
			(void)event_del(listeners[i].ev);
	}
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (!stopped && conn_count() < listen_conns_max())
		set_accepting(true);
}

static void
on_closed(const struct naddr *from)
{
	struct prefix p;

	prefix_of(&p, from);
	prefix_drop(&by_prefix, &p);
	if (!accepting && !stopped && !evtimer_pending(resume, NULL))
		set_accepting(true);
}

void
listen_setup(struct event_base *base, uint32_t fd_max)
{
	size_t n = apid.conf.conns_max;
	size_t i;

	loop = base;
	if (fd_max > n && fd_max <= 1u << 20)
		n = fd_max; /* room for a reload that raises the cap */
	by_prefix.cap = prefix_slots(n > 16 ? n : 16);
	by_prefix.slots = calloc(by_prefix.cap, sizeof(by_prefix.slots[0]));
	randombytes_buf(by_prefix.key, sizeof(by_prefix.key));
	resume = evtimer_new(base, on_resume, NULL);
	if (by_prefix.slots == NULL || resume == NULL)
		fatalx(EX_OSERR, "no memory for %zu connections", n);
	for (i = 0; i < n_listeners; i++) {
		listeners[i].ev = event_new(base, listeners[i].fd,
		    EV_READ | EV_PERSIST, on_accept, &listeners[i]);
		if (listeners[i].ev == NULL)
			fatalx(EX_OSERR, "no memory for a listener");
	}
	conn_closed = on_closed;
}

void
listen_start(void)
{
	set_accepting(true);
}

void
listen_stop(void)
{
	size_t i;

	stopped = true;
	set_accepting(false);
	for (i = 0; i < n_listeners; i++) {
		event_free(listeners[i].ev);
		(void)close(listeners[i].fd);
	}
	n_listeners = 0;
}

size_t
listen_conns_max(void)
{
	size_t cap = by_prefix.cap / 2;

	return apid.conf.conns_max < cap ? apid.conf.conns_max : cap;
}

uint64_t
listen_prefix_refused(void)
{
	return prefix_refused;
}

/* A new connection: may it stay? */
static void
admit(int fd, uint8_t service, const struct naddr *from)
{
	struct prefix p;
	uint64_t wait_ms;

	prefix_of(&p, from);
	if (service != SVC_METRICS &&
	    limit_is_banned(&apid.limit, &p, apid_time().mono, &wait_ms)) {
		apid.st.refused++;
		(void)close(fd);
		return;
	}
	if (!prefix_take(&by_prefix, &p, apid.conf.conns_per_prefix)) {
		apid.st.refused++;
		prefix_refused++;
		(void)close(fd);
		return;
	}
	if (conn_open(fd, service, from) == -1)
		prefix_drop(&by_prefix, &p);
}

static void
pause_accepting(void)
{
	static const struct timeval tv = { 0, PAUSE_MS * 1000 };

	log_debug("accept: %s", strerror(errno));
	set_accepting(false);
	(void)evtimer_add(resume, &tv);
}

static void
on_accept(evutil_socket_t lfd, short what, void *arg)
{
	const struct listener *l = arg;
	struct sockaddr_storage ss;
	struct naddr from;
	socklen_t len;
	int i, fd;

	(void)what;
	apid_touch_clock();
	for (i = 0; i < ACCEPT_TURN; i++) {
		if (conn_count() >= listen_conns_max()) {
			set_accepting(false); /* until one closes */
			return;
		}
		len = sizeof(ss);
		fd = accept4(lfd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && errno == EAGAIN)
			return; /* another worker was faster */
		if (fd == -1 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd == -1) {
			pause_accepting();
			return;
		}
		if (naddr_from_sockaddr(&from, (struct sockaddr *)&ss) == -1)
			from = (struct naddr){ .fam = NADDR_NONE };
		admit(fd, l->service, &from);
	}
}
