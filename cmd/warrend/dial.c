/* SPDX-License-Identifier: ISC */
/*
 * Every outgoing connection of the suite.  A child names an address; the
 * address policy says whether; we connect and pass the descriptor.
 *
 * Links: connected TCP sockets for peerd, of which we keep no copy (it would
 * hide their death).  STUN clients: sockets connected from the reserved
 * ports, of which we do keep a copy, so that a mapping outlives stund.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/warrend/sockets.h"
#include "cmd/warrend/warrend.h"
#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define DIALS_MAX    64
#define KEPT_MAX     128
#define OPERATOR_MAX 256
#define STUN_TCP_MS  10000

/* A connection being made. */
struct dial {
	bool used;
	bool for_stun;
	uint32_t id;         /* of the request */
	uint32_t generation; /* of the child that asked */
	int fd;
	struct event *ev;
	struct naddr local;
	struct msg_stund_socket_get get; /* for_stun */
};

/* A STUN client socket that outlives stund. */
struct kept {
	bool used;
	uint8_t peer[32];
	uint8_t proto;
	struct naddr server, local;
	int fd;
};

static struct dial dials[DIALS_MAX];
static struct kept kept[KEPT_MAX];
static struct naddr operator_addrs[OPERATOR_MAX];
static size_t n_operator; /* ring */
static uint64_t refused_policy, refused_full;

/* Reserved local ports: [proto][0 v4, 1 v6]; 0 until chosen. */
static uint16_t reserved[2][2];
static bool reserved_read;

static bool
is_operator_addr(const struct naddr *addr)
{
	size_t i;

	for (i = 0; i < OPERATOR_MAX && i < n_operator; i++)
		if (naddr_ip_equal(&operator_addrs[i], addr))
			return true;
	return false;
}

void
dial_operator_addr(const struct naddr *addr)
{
	/* Each start of peerd and each answer names the same ones again. */
	if (!is_operator_addr(addr))
		operator_addrs[n_operator++ % OPERATOR_MAX] = *addr;
}

unsigned
dial_allow(void)
{
	unsigned allow = warrend.conf.address_allow;

	if (sockets_loopback_link(NADDR_V4) != NULL ||
	    sockets_loopback_link(NADDR_V6) != NULL)
		allow |= ADDR_ALLOW_LOOPBACK;
	return allow;
}

static bool
may_dial(const struct naddr *addr, bool configured)
{
	enum addr_class class = addr_class(addr);

	if (addr_policy(addr, ADDR_DIAL, dial_allow()))
		return true;
	return configured && addr->port != 0 && class != ADDR_MULTICAST &&
	    class != ADDR_NOWHERE && is_operator_addr(addr);
}

/* Loopback is left from our own loopback address, other nets from any. */
static struct naddr
source_for(const struct naddr *to, uint16_t port)
{
	struct naddr from = { .fam = to->fam };
	const struct naddr *own = sockets_loopback_link(to->fam);

	if (own != NULL && addr_class(to) == ADDR_LOOPBACK)
		from = *own;
	from.port = port;
	return from;
}

static struct dial *
dial_slot(void)
{
	size_t i;

	for (i = 0; i < DIALS_MAX; i++)
		if (!dials[i].used)
			return &dials[i];
	refused_full++;
	return NULL;
}

static void
dial_free(struct dial *d)
{
	if (d->ev != NULL)
		event_free(d->ev);
	if (d->fd != -1)
		(void)close(d->fd);
	memset(d, 0, sizeof(*d));
	d->fd = -1;
}

/* --- answers --- */

static void
link_failed(uint32_t id, const char *error)
{
	struct proc *p = supervise_find(PROC_PEERD, 0);
	struct msg_peerd_failed f;

	(void)strlcpy(f.error, error, sizeof(f.error));
	if (p != NULL)
		(void)ipc_send(p->ch, PEERD_FAILED, id, &f);
}

static void
stun_failed(const struct msg_stund_socket_get *get, uint32_t id,
    const char *error)
{
	struct proc *p = supervise_find(PROC_STUND, 0);
	struct msg_stund_socket_fail f = { .proto = get->proto };

	memcpy(f.peer, get->peer, 32);
	(void)strlcpy(f.error, error, sizeof(f.error));
	if (p != NULL)
		(void)ipc_send(p->ch, STUND_SOCKET_FAIL, id, &f);
}

static struct kept *
kept_find(const uint8_t peer[32], uint8_t proto)
{
	size_t i;

	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].used && kept[i].proto == proto &&
		    memcmp(kept[i].peer, peer, 32) == 0)
			return &kept[i];
	return NULL;
}

static void
kept_drop(struct kept *k)
{
	(void)close(k->fd);
	memset(k, 0, sizeof(*k));
}

/* -1 when no descriptor is left. */
static int
give_kept(struct proc *p, uint32_t id, const struct kept *k, bool again)
{
	struct msg_stund_socket s = { .proto = k->proto,
		.server = k->server,
		.local = k->local,
		.kept = again };
	int fd = dup(k->fd);

	memcpy(s.peer, k->peer, 32);
	if (fd == -1)
		return -1;
	(void)ipc_send_fd(p->ch, STUND_SOCKET, id, &s, fd, -1);
	return 0;
}

/* Takes fd. */
static void
stun_done(const struct msg_stund_socket_get *get, uint32_t id,
    const struct naddr *local, int fd)
{
	struct proc *p = supervise_find(PROC_STUND, 0);
	struct kept *k = kept_find(get->peer, get->proto);
	size_t i;

	if (k != NULL)
		kept_drop(k);
	for (i = 0; k == NULL && i < KEPT_MAX; i++)
		if (!kept[i].used)
			k = &kept[i];
	if (k == NULL) {
		refused_full++;
		(void)close(fd);
		stun_failed(get, id, "too many STUN sockets");
		return;
	}
	k->used = true;
	memcpy(k->peer, get->peer, 32);
	k->proto = get->proto;
	k->server = get->server;
	k->local = *local;
	k->fd = fd;
	if (p != NULL && give_kept(p, id, k, false) == -1)
		stun_failed(get, id, strerror(errno));
}

/* --- connecting --- */

static uint32_t
generation_of(enum proc_kind kind)
{
	struct proc *p = supervise_find(kind, 0);

	return p == NULL ? 0 : p->generation;
}

static void
finish(struct dial *d, int err)
{
	struct proc *p = supervise_find(PROC_PEERD, 0);
	struct msg_peerd_dialed ok = { .local = d->local };
	int fd = d->fd;
	enum proc_kind kind = d->for_stun ? PROC_STUND : PROC_PEERD;

	/* Whoever asked may have died since: nobody waits then. */
	if (d->generation != generation_of(kind)) {
		dial_free(d);
		return;
	}
	if (err != 0 && d->for_stun) {
		stun_failed(&d->get, d->id, strerror(err));
	} else if (err != 0) {
		link_failed(d->id, strerror(err));
	} else {
		d->fd = -1;
		(void)sockets_bound_addr(fd, &ok.local);
		if (d->for_stun)
			stun_done(&d->get, d->id, &ok.local, fd);
		else
			(void)ipc_send_fd(p->ch, PEERD_DIALED, d->id, &ok, fd,
			    -1);
	}
	dial_free(d);
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	if ((what & EV_TIMEOUT) != 0)
		err = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	finish(d, err);
}

/* Start connecting d->fd; answers at once or from the event. */
static void
start(struct dial *d, const struct naddr *to, uint32_t timeout_ms)
{
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(to, &ss);
	struct timeval tv = { timeout_ms / 1000,
		(suseconds_t)(timeout_ms % 1000) * 1000 };

	if (connect(d->fd, (const struct sockaddr *)&ss, len) == 0) {
		finish(d, 0);
		return;
	}
	if (errno != EINPROGRESS) {
		finish(d, errno);
		return;
	}
	d->ev = event_new(warrend.base, d->fd, EV_WRITE, on_connected, d);
	if (d->ev == NULL || event_add(d->ev, &tv) == -1)
		finish(d, ENOMEM);
}

/* A socket bound to from; -1 with errno. */
static int
bound_socket(int type, const struct naddr *from, bool share)
{
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(from, &ss);
	struct linger abort_on_close = { 1, 0 };
	int saved;
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (share) {
		(void)sockets_set_opt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		if (type == SOCK_STREAM) {
			(void)sockets_set_opt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
			/* No TIME_WAIT, which would block the reserved port
			 * toward the same server. */
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER,
			    &abort_on_close, sizeof(abort_on_close));
		}
	}
	if (from->fam == NADDR_V6)
		(void)sockets_set_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if ((from->port == 0 && naddr_is_any(from)) ||
	    bind(fd, (const struct sockaddr *)&ss, len) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

void
sockets_dial(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_dial *q = m->body;
	struct naddr from = source_for(&q->addr, 0);
	struct dial *d;
	char text[NADDR_STR];

	(void)ch;
	if (!may_dial(&q->addr, q->configured)) {
		refused_policy++;
		log_debug("dial %s: %s address refused by policy",
		    naddr_str(&q->addr, text),
		    addr_class_name(addr_class(&q->addr)));
		link_failed(m->id, "refused by address policy");
		return;
	}
	if ((d = dial_slot()) == NULL) {
		link_failed(m->id, "too many dials at a time");
		return;
	}
	d->used = true;
	d->id = m->id;
	d->generation = generation_of(PROC_PEERD);
	d->local = from;
	d->fd = bound_socket(SOCK_STREAM, &from, false);
	if (d->fd == -1)
		finish(d, errno);
	else
		start(d, &q->addr, q->timeout_ms);
}

/* --- reserved ports --- */

static void
read_reserved(void)
{
	char buf[128];
	unsigned p[4] = { 0 };

	reserved_read = true;
	if (files_read_small("ports", buf, sizeof(buf)) == 0 &&
	    sscanf(buf, "udp4 %u udp6 %u tcp4 %u tcp6 %u", &p[0], &p[1], &p[2],
		&p[3]) == 4) {
		reserved[PROTO_UDP][0] = (uint16_t)p[0];
		reserved[PROTO_UDP][1] = (uint16_t)p[1];
		reserved[PROTO_TCP][0] = (uint16_t)p[2];
		reserved[PROTO_TCP][1] = (uint16_t)p[3];
	}
}

static void
write_reserved(void)
{
	char buf[128];

	(void)snprintf(buf, sizeof(buf), "udp4 %u udp6 %u tcp4 %u tcp6 %u\n",
	    reserved[PROTO_UDP][0], reserved[PROTO_UDP][1],
	    reserved[PROTO_TCP][0], reserved[PROTO_TCP][1]);
	if (files_write_small("ports", buf) == -1)
		log_warn("cannot remember the STUN ports: %s", strerror(errno));
}

/* A socket from the reserved port of its kind; chooses one the first time. */
static int
reserved_socket(uint8_t proto, const struct naddr *server)
{
	int type = proto == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	uint16_t conf = proto == PROTO_TCP ? warrend.conf.stun_client_port_tcp
					   : warrend.conf.stun_client_port_udp;
	uint16_t *port = &reserved[proto][server->fam == NADDR_V6];
	struct naddr from, got;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	if (!reserved_read)
		read_reserved();
	from = source_for(server, conf != 0 ? conf : *port);
	fd = bound_socket(type, &from, true);
	if (fd == -1 && conf == 0 && errno == EADDRINUSE) {
		log_info("STUN %s port %u is taken by another program; "
			 "choosing anew",
		    proto_name(proto), *port);
		from.port = 0;
		fd = bound_socket(type, &from, true);
	}
	if (fd == -1 || conf != 0)
		return fd;
	if (from.port == 0) {
		/* bound_socket() leaves "any, 0" unbound: bind it now. */
		len = naddr_to_sockaddr(&from, &ss);
		if (naddr_is_any(&from))
			(void)bind(fd, (const struct sockaddr *)&ss, len);
		if (sockets_bound_addr(fd, &got) == 0 && got.port != 0) {
			*port = got.port;
			write_reserved();
		}
	}
	return fd;
}

void
sockets_stun_get(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_stund_socket_get *q = m->body;
	struct kept *old = kept_find(q->peer, q->proto);
	struct dial *d;

	(void)ch;
	if (!may_dial(&q->server, true)) {
		refused_policy++;
		stun_failed(q, m->id, "refused by address policy");
		return;
	}
	if ((d = dial_slot()) == NULL) {
		stun_failed(q, m->id, "too many dials at a time");
		return;
	}
	/* Two sockets of one 4-tuple cannot be: the old one goes first. */
	if (old != NULL)
		kept_drop(old);
	d->used = true;
	d->for_stun = true;
	d->id = m->id;
	d->generation = generation_of(PROC_STUND);
	d->get = *q;
	d->fd = reserved_socket(q->proto, &q->server);
	if (d->fd == -1)
		finish(d, errno);
	else
		start(d, &q->server, STUN_TCP_MS);
}

void
sockets_stun_drop(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_stund_socket_drop *q = m->body;
	struct kept *k = kept_find(q->peer, q->proto);

	(void)ch;
	if (k != NULL)
		kept_drop(k);
}

void
sockets_stun_give_kept(struct proc *p)
{
	size_t i;

	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].used)
			(void)give_kept(p, 0, &kept[i], true);
}

void
sockets_limits(struct ipc *ch, uint32_t id)
{
	struct msg_limit l = { .max = DIALS_MAX };
	size_t i;

	(void)strlcpy(l.process, "warrend", sizeof(l.process));
	(void)strlcpy(l.name, "connections being made", sizeof(l.name));
	for (i = 0; i < DIALS_MAX; i++)
		l.used += dials[i].used;
	l.refused = refused_full + refused_policy;
	(void)ipc_send(ch, CTL_LIMIT, id, &l);
	(void)strlcpy(l.name, "STUN client sockets", sizeof(l.name));
	l.max = KEPT_MAX;
	l.refused = 0;
	for (l.used = 0, i = 0; i < KEPT_MAX; i++)
		l.used += kept[i].used;
	(void)ipc_send(ch, CTL_LIMIT, id, &l);
}
