/* SPDX-License-Identifier: ISC */
/*
 * A parent for peerd processes in a test: it starts any number of nodes on
 * loopback, does for each what warrend would do, and plays their stund and
 * apid.  No test sleeps: rig_until() runs the loop until something is true.
 * A header with code, since each test program is built of one file.
 */
#ifndef WARREN_PEERD_RIG_H
#define WARREN_PEERD_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/charter.h"
#include "common/compat/compat.h"
#include "common/ipc.h"
#include "common/msg_ctl.h"
#include "common/msg_peerd.h"
#include "common/msg_proc.h"
#include "common/msg_siblings.h"
#include "common/rec.h"
#include "peerd/hello.h"

#define RIG_NODES 16
#define RIG_PEERS 64
#define RIG_STATS 96
#define RIG_TEXTS 64

/* What a control request was answered. */
struct rig_answer {
	bool ended;
	uint8_t code;
	char text[256];
	struct msg_ctl_status status;
	unsigned n_peers, n_pongs, n_bans, n_problems;
	struct msg_peer peer; /* the last one */
	struct msg_ctl_pong pong;
	unsigned n_paths;
	struct msg_ctl_loop_path path;
	struct msg_ctl_relay relay;
	unsigned n_res, n_circuits, n_own, n_links;
	struct msg_ctl_relay_res res; /* of these, too, the last one */
	struct msg_ctl_relay_circuit circuit;
	struct msg_ctl_relay_own own;
	struct msg_ctl_relay_link link;
};

struct rig_node {
	bool used, ready, exited;
	int status; /* as of waitpid() */
	pid_t pid;
	uint8_t id[32], sk[64];
	struct naddr addr; /* of its link listener */
	int listen_fd;
	int lan_fd; /* -1: none */
	struct naddr lan_to;
	struct naddr bootstrap;
	char dir[64]; /* its files */
	struct msg_peerd_config conf;
	bool nat;      /* nobody can dial it */
	struct rig_node *shuns[2]; /* whom it cannot dial, or NULL */
	bool has_store;
	struct ipc *ch, *stund, *apid, *appd;
	void *app; /* of the test that plays appd */
	int log_fd;
	struct event *log_ev;
	struct msg_node view;
	struct msg_peer peers[RIG_PEERS]; /* what apid was told */
	unsigned n_peers;
	struct msg_pa_totals totals;
	struct msg_sp_peer_up up[RIG_PEERS]; /* what stund was told */
	unsigned n_up;
	struct msg_stat stats[RIG_STATS];
	unsigned n_stats;
	bool stats_done;
	struct rig_answer answer;
	unsigned saved[4];
};

struct rig {
	struct event_base *base;
	struct charter charter;
	const char *program;
	bool verbose;
	struct rig_node nodes[RIG_NODES];
	unsigned passed, failed;
};

static struct rig rig;

static void rig_check(bool good, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
rig_check(bool good, const char *fmt, ...)
{
	va_list ap;

	if (good)
		rig.passed++;
	else
		rig.failed++;
	(void)printf("%s ", good ? "ok    " : "FAILED");
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("\n");
	(void)fflush(stdout);
}

static void
rig_die(const char *what)
{
	perror(what);
	exit(70);
}

/* --- the loop --- */

static void
rig_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void
rig_reap(void)
{
	struct rig_node *n;
	size_t i;

	for (i = 0; i < RIG_NODES; i++) {
		n = &rig.nodes[i];
		if (n->pid > 0 && !n->exited &&
		    waitpid(n->pid, &n->status, WNOHANG) == n->pid) {
			n->exited = true;
			n->ready = false;
			if (rig.verbose)
				(void)fprintf(stderr, "node %zu: status %x\n",
				    i, (unsigned)n->status);
		}
	}
}

/* Run the loop until cond() holds; false when ms have passed. */
static bool
rig_until(bool (*cond)(void *arg), void *arg, int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);
	struct timeval tv = { 0, 10000 };
	struct event *tick =
	    event_new(rig.base, -1, EV_PERSIST, rig_on_tick, NULL);
	bool good;

	(void)event_add(tick, &tv);
	while (!(good = cond(arg)) && !mono_reached(end, mono_now())) {
		(void)event_base_loop(rig.base, EVLOOP_ONCE);
		rig_reap();
	}
	event_free(tick);
	return good;
}

/* --- what warrend would do --- */

static struct rig_node *
rig_of(struct ipc *ch)
{
	return ipc_ctx(ch);
}

static void
rig_fail(struct ipc *ch, uint32_t id, const char *why)
{
	struct msg_peerd_failed f;

	(void)strlcpy(f.error, why, sizeof(f.error));
	(void)ipc_send(ch, PEERD_FAILED, id, &f);
}

/* The node whose listener this is, or NULL. */
static struct rig_node *
rig_at(const struct naddr *addr)
{
	size_t i;

	for (i = 0; i < RIG_NODES; i++)
		if (rig.nodes[i].used && naddr_equal(&rig.nodes[i].addr, addr))
			return &rig.nodes[i];
	return NULL;
}

static bool
rig_is_cut(const struct rig_node *from, const struct rig_node *to)
{
	return to != NULL &&
	    (to->nat || from->shuns[0] == to || from->shuns[1] == to);
}

static void
rig_on_dial(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_dial *q = m->body;
	struct msg_peerd_dialed ok = { .local = rig_of(ch)->addr };
	struct naddr from = rig_of(ch)->addr;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (rig_is_cut(rig_of(ch), rig_at(&q->addr))) {
		(void)close(fd);
		rig_fail(ch, m->id, "connection timed out");
		return;
	}
	/* Loopback connects or fails at once: no need to wait for it. */
	from.port = 0;
	len = naddr_to_sockaddr(&from, &ss);
	if (addr_class(&q->addr) != ADDR_LOOPBACK ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1) {
		(void)close(fd);
		rig_fail(ch, m->id, "refused by address policy");
		return;
	}
	len = naddr_to_sockaddr(&q->addr, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1) {
		(void)close(fd);
		rig_fail(ch, m->id, strerror(errno));
		return;
	}
	(void)ipc_send_fd(ch, PEERD_DIALED, m->id, &ok, fd, -1);
}

static void
rig_on_sign_noise(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_sign_noise *q = m->body;
	struct msg_peerd_signed out;
	uint8_t bytes[HELLO_SIGN_LEN];

	hello_sign_bytes(bytes, rig.charter.netid, q->key, q->not_before,
	    q->not_after);
	(void)crypto_sign_detached(out.sig, NULL, bytes, sizeof(bytes),
	    rig_of(ch)->sk);
	(void)ipc_send(ch, PEERD_SIGNED, m->id, &out);
}

static void
rig_on_sign_node(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_sign_node *q = m->body;
	struct rec rec = { .kind = REC_NODE,
		.subject_len = 32,
		.hlc = q->hlc,
		.flags = q->leave ? REC_TOMBSTONE : 0,
		.payload = q->payload.p,
		.payload_len = q->payload.len };
	struct msg_peerd_signed out;
	uint8_t body[REC_BODY_MAX], rid[32];
	struct wr w;

	memcpy(rec.subject, rig_of(ch)->id, 32);
	memcpy(rec.author, rig_of(ch)->id, 32);
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, &rec);
	rec_rid(rid, body, w.len);
	rec_sign(out.sig, rig.charter.netid, rid, rig_of(ch)->sk);
	(void)ipc_send(ch, PEERD_SIGNED, m->id, &out);
}

static void
rig_on_resolve(struct ipc *ch, const struct ipc_msg *m)
{
	rig_fail(ch, m->id, "no such name");
}

static const char *
rig_path(const struct rig_node *n, unsigned which, const char *suffix)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%u%s", n->dir, which, suffix);
	return path;
}

static void
rig_on_save(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;
	int fd = open(rig_path(rig_of(ch), f->which, ".new"),
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1)
		rig_fail(ch, m->id, strerror(errno));
	else
		(void)ipc_send_fd(ch, PEERD_SAVE_FD, m->id, f, fd, -1);
}

static void
rig_on_save_done(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;
	char from[128];

	(void)strlcpy(from, rig_path(rig_of(ch), f->which, ".new"),
	    sizeof(from));
	(void)rename(from, rig_path(rig_of(ch), f->which, ""));
	rig_of(ch)->saved[f->which]++;
	(void)ipc_send(ch, PEERD_SAVED, m->id, f);
}

static void
rig_on_stats(struct rig_node *n, const struct msg_proc_stats *s)
{
	unsigned i;

	for (i = 0; i < s->n_items && n->n_stats < RIG_STATS; i++)
		n->stats[n->n_stats++] = s->items[i];
}

static void
rig_on_end(struct rig_node *n, const struct msg_ctl_end *e)
{
	n->answer.ended = true;
	n->answer.code = e->code;
	(void)strlcpy(n->answer.text, e->text, sizeof(n->answer.text));
}

static void
rig_on_relay(struct rig_answer *a, const struct ipc_msg *m)
{
	switch (m->type) {
	case CTL_RELAY:
		a->relay = *(const struct msg_ctl_relay *)m->body;
		break;
	case CTL_RELAY_RES:
		a->res = *(const struct msg_ctl_relay_res *)m->body;
		a->n_res++;
		break;
	case CTL_RELAY_CIRCUIT:
		a->circuit = *(const struct msg_ctl_relay_circuit *)m->body;
		a->n_circuits++;
		break;
	case CTL_RELAY_OWN:
		a->own = *(const struct msg_ctl_relay_own *)m->body;
		a->n_own++;
		break;
	default:
		a->link = *(const struct msg_ctl_relay_link *)m->body;
		a->n_links++;
		break;
	}
}

static void
rig_on_other(struct ipc *ch, const struct ipc_msg *m)
{
	struct rig_node *n = rig_of(ch);

	switch (m->type) {
	case PROC_READY:
		n->ready = true;
		ipc_set_phase(ch, PH_RUN);
		break;
	case PROC_STATS:
		rig_on_stats(n, m->body);
		break;
	case PROC_STATS_END:
		n->stats_done = true;
		break;
	case CTL_END:
		rig_on_end(n, m->body);
		break;
	case CTL_STATUS:
		n->answer.status = *(const struct msg_ctl_status *)m->body;
		break;
	case CTL_PEER:
		n->answer.peer = *(const struct msg_peer *)m->body;
		n->answer.n_peers++;
		break;
	case CTL_PONG:
		n->answer.pong = *(const struct msg_ctl_pong *)m->body;
		n->answer.n_pongs++;
		break;
	case CTL_LOOP_PATH:
		n->answer.path = *(const struct msg_ctl_loop_path *)m->body;
		n->answer.n_paths++;
		break;
	case CTL_RELAY:
	case CTL_RELAY_RES:
	case CTL_RELAY_CIRCUIT:
	case CTL_RELAY_OWN:
	case CTL_RELAY_LINK:
		rig_on_relay(&n->answer, m);
		break;
	case CTL_BANNED:
		n->answer.n_bans++;
		break;
	case CTL_PROBLEM:
		n->answer.n_problems++;
		break;
	default:
		break;
	}
}

static void
rig_on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	struct rig_node *n = rig_of(ch);

	if (how != IPC_EOF)
		rig_check(false, "node sent junk: %s", why);
	if (n->ch == ch) /* else it was that of an earlier life */
		n->ch = NULL;
	ipc_free(ch);
}

static const struct ipc_handler rig_handlers[] = {
	{ PEERD_DIAL, rig_on_dial },
	{ PEERD_SIGN_NOISE, rig_on_sign_noise },
	{ PEERD_SIGN_NODE, rig_on_sign_node },
	{ PEERD_RESOLVE, rig_on_resolve },
	{ PEERD_SAVE, rig_on_save },
	{ PEERD_SAVE_DONE, rig_on_save_done },
	{ 0, NULL },
};

/* --- what stund and apid would do --- */

static void
rig_on_stund(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_sp_peer_up *up = m->body;
	struct rig_node *n = rig_of(ch);
	unsigned i;

	for (i = 0; i < n->n_up && memcmp(n->up[i].peer, up->peer, 32) != 0;
	     i++)
		continue;
	if (m->type == SP_PEER_UP && i < RIG_PEERS) {
		n->up[i] = *up;
		n->n_up += i == n->n_up;
	} else if (m->type == SP_PEER_DOWN && i < n->n_up) {
		n->up[i] = n->up[--n->n_up];
	}
}

static struct msg_peer *
rig_peer(struct rig_node *n, const uint8_t id[32])
{
	unsigned i;

	for (i = 0; i < n->n_peers; i++)
		if (memcmp(n->peers[i].id, id, 32) == 0)
			return &n->peers[i];
	return NULL;
}

static void
rig_on_apid(struct ipc *ch, const struct ipc_msg *m)
{
	struct rig_node *n = rig_of(ch);
	const struct msg_peer *v = m->body;
	const struct msg_pa_gone *g = m->body;
	struct msg_peer *p;

	if (m->type == PA_TOTALS) {
		n->totals = *(const struct msg_pa_totals *)m->body;
	} else if (m->type == PA_GONE) {
		if ((p = rig_peer(n, g->id)) != NULL)
			*p = n->peers[--n->n_peers];
	} else {
		p = rig_peer(n, v->id);
		if (p == NULL && n->n_peers < RIG_PEERS)
			p = &n->peers[n->n_peers++];
		if (p != NULL)
			*p = *v;
	}
}

static void
rig_on_sibling_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	struct rig_node *n = rig_of(ch);

	if (how != IPC_EOF)
		rig_check(false, "sibling channel: %s", why);
	if (n->stund == ch)
		n->stund = NULL;
	if (n->apid == ch)
		n->apid = NULL;
	if (n->appd == ch)
		n->appd = NULL;
	ipc_free(ch);
}

static struct ipc *
rig_sibling(struct rig_node *n, enum proc_kind kind,
    const struct msg_table *table,
    void (*other)(struct ipc *, const struct ipc_msg *))
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	static struct msg_table tables[PROC_KINDS][2];
	struct msg_proc_channel c = { .kind = (uint8_t)kind };
	struct ipc_conf conf = { .name = "sibling",
		.tables = tables[kind],
		.handlers = none,
		.other = other,
		.ended = rig_on_sibling_ended,
		.ctx = n };
	struct ipc *ch;
	int fd[2];

	tables[kind][0] = *table;
	if (ipc_pair(fd) == -1)
		rig_die("socketpair");
	if ((ch = ipc_new(rig.base, fd[0], &conf)) == NULL)
		rig_die("sibling");
	ipc_set_phase(ch, PH_RUN);
	(void)ipc_send_fd(n->ch, PROC_CHANNEL, 0, &c, fd[1], -1);
	return ch;
}

/* Its stund and apid, once it is ready. */
static void
rig_siblings(struct rig_node *n)
{
	if (n->ch == NULL)
		return;
	n->stund = rig_sibling(n, PROC_STUND, &msgs_peerd_stund, rig_on_stund);
	n->apid = rig_sibling(n, PROC_APID, &msgs_peerd_apid, rig_on_apid);
}

/* --- nodes --- */

static int
rig_bound(int type, const struct naddr *want, struct naddr *got)
{
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(want, &ss);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&ss, len) == -1)
		rig_die("bind");
	len = sizeof(ss);
	(void)getsockname(fd, (struct sockaddr *)&ss, &len);
	(void)naddr_from_sockaddr(got, (struct sockaddr *)&ss);
	return fd;
}

static void
rig_listener(struct msg_node *v, uint8_t service, const struct naddr *addr,
    uint16_t port)
{
	struct msg_listener *l = &v->listeners[v->n_listeners++];

	l->service = service;
	l->proto = service == SVC_STUN_UDP ? PROTO_UDP : PROTO_TCP;
	l->addr = *addr;
	l->addr.port = port;
}

static const struct msg_peerd_config rig_conf = { .max_peers = 128,
	.max_inbound = 64,
	.max_outbound = 6,
	.max_per_prefix = 64,
	.handshakes_per_s = 20,
	.handshake_ms = 1500,
	.dial_ms = 3000,
	.ping_ms = 1000,
	.dead_ms = 5000,
	.known_max = 256,
	.record_refresh_ms = 1200000,
	.republish_ms = 10000,
	.multicast_interval_ms = 1000,
	.multicast_timeout_ms = 3000,
	.seed_interval_ms = 5000,
	.save_ms = 1000,
	.retry_ms = 300,
	.relay_circuits = 128,
	.relay_per_peer = 8,
	.relay_reservations = 64,
	.relay_bytes = 1 << 30,
	.relay_s = 3600,
	.relay_free_bytes = 1 << 20,
	.relay_free_s = 120,
	.relay_reserve = 2 };

/* Prepare a node at 127.0.0.<host>: key, listener, directory. */
static struct rig_node *
rig_node_new(unsigned host)
{
	struct naddr want = { .fam = NADDR_V4,
		.ip = { 127, 0, 0, (uint8_t)host } };
	struct rig_node *n = rig.nodes;
	char hex[9];

	while (n->used)
		n++;
	memset(n, 0, sizeof(*n));
	n->used = true;
	n->conf = rig_conf;
	n->lan_fd = -1;
	(void)crypto_sign_keypair(n->id, n->sk);
	n->listen_fd = rig_bound(SOCK_STREAM, &want, &n->addr);
	(void)listen(n->listen_fd, 64);
	(void)strlcpy(n->dir, "/tmp/peerd_rig.XXXXXX", sizeof(n->dir));
	if (mkdtemp(n->dir) == NULL)
		rig_die("mkdtemp");
	memcpy(n->view.id, n->id, 32);
	memcpy(n->view.netid, rig.charter.netid, 32);
	(void)strlcpy(n->view.network, rig.charter.name, 33);
	(void)strlcpy(n->view.version, "0.0.1", sizeof(n->view.version));
	(void)snprintf(n->view.name, sizeof(n->view.name), "node%u", host);
	n->view.caps = CAP_STUN;
	rig_listener(&n->view, SVC_LINK, &n->addr, n->addr.port);
	rig_listener(&n->view, SVC_STUN_UDP, &n->addr, 3478);
	rig_listener(&n->view, SVC_STUN_TCP, &n->addr, 3478);
	if (rig.verbose)
		(void)fprintf(stderr, "node %u is %s\n", host,
		    sodium_bin2hex(hex, 9, n->id, 4));
	return n;
}

/* Two datagram sockets that play a multicast group of two. */
__attribute__((unused)) static void
rig_lan(struct rig_node *a, struct rig_node *b)
{
	struct naddr at = a->addr;

	at.port = 0;
	a->lan_fd = rig_bound(SOCK_DGRAM, &at, &b->lan_to);
	at = b->addr;
	at.port = 0;
	b->lan_fd = rig_bound(SOCK_DGRAM, &at, &a->lan_to);
}

static void
rig_on_log(evutil_socket_t fd, short what, void *arg)
{
	struct rig_node *n = arg;
	char buf[1100];
	ssize_t len = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	(void)what;
	if (len <= 0) {
		if (len == 0)
			(void)event_del(n->log_ev);
		return;
	}
	buf[len] = '\0';
	if ((uint8_t)buf[0] == 0xfe)
		rig_check(false, "node made a forbidden call");
	if (rig.verbose || buf[0] <= 0)
		(void)fprintf(stderr, "%s [%d] %s\n", n->view.name, buf[0],
		    buf + 1);
}

static void
rig_send_settings(struct rig_node *n, uint16_t max_inbound)
{
	n->conf.max_inbound = max_inbound;
	(void)ipc_send(n->ch, PEERD_CONFIG, 0, &n->conf);
}

static void
rig_send_config(struct rig_node *n)
{
	struct msg_peerd_charter ch = { .charter = { charter_default,
					    (uint32_t)charter_default_len } };

	rig_send_settings(n, 64);
	(void)ipc_send(n->ch, PEERD_CHARTER, 0, &ch);
	(void)ipc_send(n->ch, PEERD_NODE, 0, &n->view);
}

static void
rig_send_files(struct rig_node *n)
{
	struct msg_peerd_file f;
	unsigned i;
	int fd;

	for (i = 0; i < 4; i++) {
		fd = open(rig_path(n, i, ""), O_RDONLY | O_CLOEXEC);
		f.which = (uint8_t)i;
		if (fd != -1)
			(void)ipc_send_fd(n->ch, PEERD_FILE, 0, &f, fd, -1);
	}
}

static void
rig_send_setup(struct rig_node *n)
{
	struct msg_proc_start st = { .kind = PROC_PEERD,
		.nofile = 1024,
		.log_level = 3,
		.landlock_max = -1 };
	struct msg_peerd_listen l = { .addr = n->addr };
	struct msg_peerd_multicast mc = { .group = n->lan_to };
	struct msg_peerd_peer p = { .origin = PEERD_BOOTSTRAP,
		.port = n->bootstrap.port,
		.retry_ms = 300 };

	(void)ipc_send(n->ch, PROC_START, 0, &st);
	rig_send_config(n);
	(void)ipc_send_fd(n->ch, PEERD_LISTEN, 0, &l, dup(n->listen_fd), -1);
	if (n->lan_fd != -1)
		(void)ipc_send_fd(n->ch, PEERD_MULTICAST, 0, &mc,
		    dup(n->lan_fd), -1);
	rig_send_files(n);
	if (n->bootstrap.fam != NADDR_NONE) {
		(void)naddr_ip_str(&n->bootstrap, p.host);
		(void)ipc_send(n->ch, PEERD_PEER, 0, &p);
	}
	(void)ipc_send(n->ch, PEERD_PEERS_END, 0, NULL);
	(void)ipc_send(n->ch, PROC_GO, 0, NULL);
}

/* Descriptors 3 and 4, as child.h wants them. */
static pid_t
rig_spawn(int ipc_fd, int log_fd)
{
	pid_t pid = fork();
	int a, b;

	if (pid != 0)
		return pid;
	a = fcntl(ipc_fd, F_DUPFD, 10);
	b = fcntl(log_fd, F_DUPFD, 10);
	(void)dup2(a, 3);
	(void)dup2(b, 4);
	/* LeakSanitizer would trace itself, which the sandbox forbids. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	(void)execl(rig.program, "peerd", (char *)NULL);
	_exit(127);
}

/* A life of the node begins. */
static void
rig_start(struct rig_node *n)
{
	static struct msg_table tables[4];
	struct ipc_conf conf = { .name = "peerd",
		.tables = tables,
		.handlers = rig_handlers,
		.other = rig_on_other,
		.ended = rig_on_ended,
		.upper = true,
		.ctx = n };
	int fd[2], logs[2];

	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_peerd;
	if (ipc_pair(fd) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, logs) == -1)
		rig_die("socketpair");
	n->ready = n->exited = n->has_store = false;
	n->n_peers = n->n_up = 0;
	n->pid = rig_spawn(fd[1], logs[1]);
	(void)close(fd[1]);
	(void)close(logs[1]);
	if (n->log_ev != NULL) {
		event_free(n->log_ev);
		(void)close(n->log_fd);
	}
	n->log_fd = logs[0];
	n->log_ev =
	    event_new(rig.base, logs[0], EV_READ | EV_PERSIST, rig_on_log, n);
	(void)event_add(n->log_ev, NULL);
	if ((n->ch = ipc_new(rig.base, fd[0], &conf)) == NULL)
		rig_die("ipc");
	rig_send_setup(n);
}

static bool
rig_has_exited(void *arg)
{
	const struct rig_node *n = arg;

	return n->exited && n->ch == NULL;
}

static void
rig_kill(struct rig_node *n)
{
	(void)kill(n->pid, SIGKILL);
	(void)rig_until(rig_has_exited, n, 5000);
}

static void
rig_stop_all(void)
{
	struct rig_node *n;
	unsigned i;
	char cmd[96];

	for (i = 0; i < RIG_NODES; i++) {
		n = &rig.nodes[i];
		if (n->pid > 0 && !n->exited && n->ch != NULL)
			(void)ipc_send(n->ch, PROC_STOP, 0, NULL);
	}
	for (i = 0; i < RIG_NODES; i++) {
		n = &rig.nodes[i];
		if (n->pid <= 0)
			continue;
		if (!n->exited && !rig_until(rig_has_exited, n, 3000))
			rig_kill(n);
		for (unsigned k = 0; k < 4; k++) {
			(void)unlink(rig_path(n, k, ""));
			(void)unlink(rig_path(n, k, ".new"));
		}
		(void)snprintf(cmd, sizeof(cmd), "%s", n->dir);
		(void)rmdir(cmd);
	}
}

static bool
rig_stats_done(void *arg)
{
	return ((struct rig_node *)arg)->stats_done;
}

/* A counter of a node, asked now. */
static uint64_t
rig_stat(struct rig_node *n, const char *name)
{
	unsigned i;

	n->n_stats = 0;
	n->stats_done = false;
	if (n->ch == NULL)
		return 0;
	(void)ipc_send(n->ch, PROC_STATS_GET, 0, NULL);
	(void)rig_until(rig_stats_done, n, 3000);
	for (i = 0; i < n->n_stats; i++)
		if (strcmp(n->stats[i].name, name) == 0)
			return n->stats[i].value;
	rig_check(false, "no counter %s", name);
	return 0;
}

static bool
rig_answered(void *arg)
{
	return ((struct rig_node *)arg)->answer.ended;
}

/* Ask and wait for the end. */
__attribute__((unused)) static const struct rig_answer *
rig_ask(struct rig_node *n, uint16_t type, const void *body)
{
	static uint32_t id = 1000;

	memset(&n->answer, 0, sizeof(n->answer));
	(void)ipc_send(n->ch, type, id++, body);
	(void)rig_until(rig_answered, n, 8000);
	return &n->answer;
}

static void
rig_init(const char *program)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (sodium_init() == -1)
		rig_die("libsodium");
	rig.base = event_base_new();
	rig.program = program;
	if (charter_decode(&rig.charter, charter_default,
		charter_default_len) != CHARTER_OK)
		rig_die("charter");
}

#endif
