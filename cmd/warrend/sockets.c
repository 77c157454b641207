/* SPDX-License-Identifier: ISC */
/*
 * Every listening socket of the suite.  We open them, keep a copy, and hand
 * duplicates to whichever child serves them, so that no connection attempt
 * is refused while a child is restarted.  Dialling is in dial.c.
 */
#include "cmd/warrend/sockets.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/warrend.h"
#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define BACKLOG    1024
#define UDP_RCVBUF (1 << 20)
#define PAIR_TRIES 32 /* ports looked at for one free in UDP and TCP */
/* A port lent to a connection; Linux keeps TIME_WAIT for 60 s. */
#define LENT_MS     65000
#define LENT_TRY_MS 200
#define PROC_TCP_LISTEN 0x0A /* TCP_LISTEN in /proc/net/tcp */

struct held {
	uint8_t service, proto;
	struct naddr addr; /* really bound */
	int fd;
};

static struct held held[CONF_LISTEN * 8];
static size_t n_held;

struct held_mcast {
	struct msg_peerd_multicast m;
	int fd;
};
static struct held_mcast mcasts[CONF_MCAST * 2];
static size_t n_mcasts;

static const char *
purpose(uint8_t service)
{
	switch (service) {
	case SVC_LINK:
		return "peer links";
	case SVC_HTTP:
		return "HTTP API";
	case SVC_METRICS:
		return "metrics";
	default:
		return "STUN";
	}
}

int
sockets_set_opt(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int
sockets_bound_addr(int fd, struct naddr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		return -1;
	return naddr_from_sockaddr(out, (const struct sockaddr *)&ss);
}

/* A bound socket, listening if TCP.  -1 with errno. */
static int
open_one(uint8_t proto, const struct naddr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(addr, &ss);
	int type = proto == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd, saved;

	fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (addr->fam == NADDR_V6)
		(void)sockets_set_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (proto == PROTO_TCP)
		(void)sockets_set_opt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	else
		(void)sockets_set_opt(fd, SOL_SOCKET, SO_RCVBUF, UDP_RCVBUF);
	if (bind(fd, (const struct sockaddr *)&ss, len) == 0 &&
	    (proto != PROTO_TCP || listen(fd, BACKLOG) == 0))
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

/* One clear line about what is taken and what to do. */
static _Noreturn void
cannot_listen(const struct conf_listen *l, const struct naddr *addr, bool lent)
{
	char text[NADDR_STR];
	int err = errno;
	int code = err == EACCES || err == EPERM ? EX_NOPERM : EX_UNAVAILABLE;

	fatalx(code, "listen %s for %s: %s%s%s:%d", naddr_str(addr, text),
	    purpose(l->service), strerror(err),
	    err != EADDRINUSE ? "; see "
		: lent        ? "; a connection had it all along: reserve the "
				"port as warren.conf(5) says, "
			      : "; stop whatever holds it or set another port, ",
	    l->at.file == NULL ? "default" : l->at.file, l->at.line);
}

/* Does somebody listen on this TCP port, on whatever address? */
static bool
somebody_listens(uint16_t port)
{
	static const char *const tables[] = { "/proc/net/tcp",
		"/proc/net/tcp6" };
	unsigned local, state;
	bool seen = false;
	char line[256];
	size_t i;
	FILE *f;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]) && !seen; i++) {
		if ((f = fopen(tables[i], "re")) == NULL)
			return true; /* cannot tell: do not wait for it */
		while (!seen && fgets(line, sizeof(line), f) != NULL)
			seen = sscanf(line, "%*[^:]: %*[^:]:%4x %*s %2x",
				   &local, &state) == 2 &&
			    local == port && state == PROC_TCP_LISTEN;
		(void)fclose(f);
	}
	return seen;
}

/*
 * open_one() of TCP.  Our ports lie where systems take those of outgoing
 * connections from; one that is lent to a connection is taken with nobody
 * listening there, until the connection is gone and its TIME_WAIT over.  That
 * is waited for; *lent tells whether it was so.
 */
static int
open_tcp(const struct conf_listen *l, const struct naddr *addr, bool *lent)
{
	struct mono began = mono_now();
	char text[NADDR_STR];
	int fd;

	*lent = false;
	while ((fd = open_one(PROTO_TCP, addr)) == -1 && errno == EADDRINUSE) {
		if (addr->port == 0 || somebody_listens(addr->port)) {
			*lent = false;
			errno = EADDRINUSE;
			break;
		}
		if (mono_ms_between(began, mono_now()) >= LENT_MS) {
			errno = EADDRINUSE;
			break;
		}
		if (!*lent)
			log_warn("listen %s for %s: nobody listens there, but "
			    "a connection has the port; waiting up to %d s "
			    "for its end", naddr_str(addr, text),
			    purpose(l->service), LENT_MS / 1000);
		*lent = true;
		(void)poll(NULL, 0, LENT_TRY_MS);
	}
	return fd;
}

/* Is it only that this machine has no IPv6? */
static bool
no_ipv6(const struct naddr *addr, int err)
{
	return addr->fam == NADDR_V6 &&
	    (err == EAFNOSUPPORT || err == EADDRNOTAVAIL);
}

/* Serve it from now on.  Returns the port really bound. */
static uint16_t
keep(const struct conf_listen *l, uint8_t service, uint8_t proto, int fd)
{
	struct naddr addr;
	struct held *h;

	if (n_held == sizeof(held) / sizeof(held[0]) ||
	    sockets_bound_addr(fd, &addr) == -1)
		fatalx(EX_CONFIG, "too many listeners");
	h = &held[n_held++];
	h->service = service;
	h->proto = proto;
	h->fd = fd;
	h->addr = addr;
	node_add_listener(service, proto, &addr, &l->advertise,
	    service == SVC_LINK                                 ? "peerd"
		: service == SVC_HTTP || service == SVC_METRICS ? "apid"
								: "stund");
	return addr.port;
}

/* Returns the port really bound, 0 when skipped for want of IPv6. */
static uint16_t
hold(const struct conf_listen *l, struct naddr addr, bool may_skip)
{
	bool lent;
	int fd = open_tcp(l, &addr, &lent);

	if (fd != -1)
		return keep(l, l->service, PROTO_TCP, fd);
	if (may_skip && no_ipv6(&addr, errno))
		return 0;
	cannot_listen(l, &addr, lent);
}

/*
 * STUN has UDP and TCP on one number.  Where the system chooses it, it looks
 * at UDP alone, and TCP may have lent that number to anybody's connection:
 * then another is asked for, while those refused stay open so that they are
 * not offered again.  Returns as hold().
 */
static uint16_t
hold_stun(const struct conf_listen *l, struct naddr addr, bool may_skip)
{
	int udp[PAIR_TRIES], tries = addr.port == 0 ? PAIR_TRIES : 1;
	int i, n = 0, tcp = -1;
	bool lent = false;
	struct naddr both;

	while (tcp == -1 && n < tries) {
		both = addr;
		if ((udp[n] = open_one(PROTO_UDP, &addr)) == -1) {
			if (n == 0 && may_skip && no_ipv6(&addr, errno))
				return 0;
			break;
		}
		if (sockets_bound_addr(udp[n++], &both) == -1)
			break;
		tcp = addr.port == 0 ? open_one(PROTO_TCP, &both)
				     : open_tcp(l, &both, &lent);
		if (tcp == -1 && errno != EADDRINUSE)
			break;
	}
	if (tcp == -1)
		cannot_listen(l, &both, lent);
	for (i = 0; i < n - 1; i++)
		(void)close(udp[i]);
	(void)keep(l, SVC_STUN_UDP, PROTO_UDP, udp[n - 1]);
	return keep(l, SVC_STUN_TCP, PROTO_TCP, tcp);
}

/* All sockets of one line of the configuration; "*" means both families. */
static void
open_listen(const struct conf_listen *l)
{
	struct naddr addr = l->addr;
	uint16_t port;
	int turn;

	for (turn = 0; turn < (l->both_families ? 2 : 1); turn++) {
		if (l->both_families) {
			memset(addr.ip, 0, sizeof(addr.ip));
			addr.fam = turn == 0 ? NADDR_V4 : NADDR_V6;
		}
		port = l->service == SVC_STUN_UDP
		    ? hold_stun(l, addr, turn == 1)
		    : hold(l, addr, turn == 1);
		if (port != 0)
			addr.port = port;
	}
}

static int
open_mcast(const struct conf_multicast *c, const struct naddr *group,
    unsigned ifindex)
{
	struct naddr any = { .fam = group->fam, .port = group->port };
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(&any, &ss);
	struct ip_mreqn m4 = { .imr_ifindex = (int)ifindex };
	struct ipv6_mreq m6 = { .ipv6mr_interface = ifindex };
	int fd =
	    socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	/* Several nodes of one host hear the same group. */
	(void)sockets_set_opt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (group->fam == NADDR_V4) {
		memcpy(&m4.imr_multiaddr, group->ip, 4);
		if (bind(fd, (const struct sockaddr *)&ss, len) == 0 &&
		    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4,
			sizeof(m4)) == 0 &&
		    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m4,
			sizeof(m4)) == 0 &&
		    sockets_set_opt(fd, IPPROTO_IP, IP_MULTICAST_TTL, 1) == 0)
			return fd;
	} else {
		(void)sockets_set_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		memcpy(&m6.ipv6mr_multiaddr, group->ip, 16);
		if (bind(fd, (const struct sockaddr *)&ss, len) == 0 &&
		    setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m6,
			sizeof(m6)) == 0 &&
		    sockets_set_opt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF,
			(int)ifindex) == 0)
			return fd;
	}
	log_warn("multicast on %s: %s", c->interface, strerror(errno));
	(void)close(fd);
	return -1;
}

static void
open_multicast(const struct conf_multicast *c)
{
	const struct naddr *groups[2] = { &c->group4, &c->group6 };
	static const struct naddr none;
	unsigned ifindex = if_nametoindex(c->interface);
	struct held_mcast *h;
	int i, fd;

	if (ifindex == 0)
		fatalx(EX_CONFIG, "multicast on %s: no such interface",
		    c->interface);
	for (i = 0; i < 2; i++) {
		if (groups[i]->fam == NADDR_NONE ||
		    (fd = open_mcast(c, groups[i], ifindex)) == -1)
			continue;
		h = &mcasts[n_mcasts++];
		h->fd = fd;
		h->m.group = *groups[i];
		(void)strlcpy(h->m.interface, c->interface,
		    sizeof(h->m.interface));
		node_add_listener(SVC_MULTICAST, PROTO_UDP, groups[i], &none,
		    "peerd");
	}
}

void
sockets_open(void)
{
	unsigned i;

	for (i = 0; i < warrend.conf.n_listens; i++)
		open_listen(&warrend.conf.listens[i]);
	for (i = 0; i < warrend.conf.n_multicasts; i++)
		open_multicast(&warrend.conf.multicasts[i]);
}

/* A duplicate for a child; fatal at the descriptor limit only at start. */
static int
copy(int fd)
{
	int d = dup(fd);

	if (d == -1)
		fatal(EX_OSERR, "dup");
	return d;
}

static void
give_stund(struct proc *p, const struct held *h)
{
	struct msg_stund_listen l = { .proto = h->proto,
		.addr = h->addr,
		.loopback = addr_class(&h->addr) == ADDR_LOOPBACK };

	(void)ipc_send_fd(p->ch, STUND_LISTEN, 0, &l, copy(h->fd), -1);
}

static void
give_peerd(struct proc *p, const struct held *h)
{
	struct msg_peerd_listen l = { .addr = h->addr };

	(void)ipc_send_fd(p->ch, PEERD_LISTEN, 0, &l, copy(h->fd), -1);
}

static void
give_apid(struct proc *p, const struct held *h)
{
	struct msg_apid_listen l = { .service = h->service, .addr = h->addr };

	/* One worker answers scrapes, for all. */
	if (h->service == SVC_METRICS && p->index != 0)
		return;
	(void)ipc_send_fd(p->ch, APID_LISTEN, 0, &l, copy(h->fd), -1);
}

void
sockets_give(struct proc *p)
{
	size_t i;
	uint8_t s;

	for (i = 0; i < n_held; i++) {
		s = held[i].service;
		if (p->kind == PROC_STUND &&
		    (s == SVC_STUN_UDP || s == SVC_STUN_TCP))
			give_stund(p, &held[i]);
		else if (p->kind == PROC_PEERD && s == SVC_LINK)
			give_peerd(p, &held[i]);
		else if (p->kind == PROC_APID &&
		    (s == SVC_HTTP || s == SVC_METRICS))
			give_apid(p, &held[i]);
	}
	for (i = 0; p->kind == PROC_PEERD && i < n_mcasts; i++)
		(void)ipc_send_fd(p->ch, PEERD_MULTICAST, 0, &mcasts[i].m,
		    copy(mcasts[i].fd), -1);
}

const struct naddr *
sockets_loopback_link(uint8_t fam)
{
	size_t i;

	for (i = 0; i < n_held; i++)
		if (held[i].service == SVC_LINK && held[i].addr.fam == fam &&
		    addr_class(&held[i].addr) == ADDR_LOOPBACK)
			return &held[i].addr;
	return NULL;
}

bool
sockets_all_loopback(void)
{
	size_t i;

	for (i = 0; i < n_held; i++)
		if (addr_class(&held[i].addr) != ADDR_LOOPBACK)
			return false;
	return true;
}
