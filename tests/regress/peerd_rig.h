/* SPDX-License-Identifier: ISC */
/*
 * A parent for peerd processes in a test: it starts any number of nodes on
 * loopback, does for each what warrend would do, and plays their stund and
 * apid (rig_parent.h).  No test sleeps: rig_until() runs the loop until
 * something is true.
 * A header with code, since each test program is built of one file.
 */
#ifndef WARREN_PEERD_RIG_H
#define WARREN_PEERD_RIG_H

#include "tests/regress/rig_parent.h"

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

/* --- waiting --- */

static bool
rig_all_ready(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < RIG_NODES; i++)
		if (rig.nodes[i].used && !rig.nodes[i].exited &&
		    !rig.nodes[i].ready)
			return false;
	return true;
}

static bool
rig_is_linked(struct rig_node *a, struct rig_node *b)
{
	const struct msg_peer *p = rig_peer(a, b->id);

	return p != NULL && p->known && p->status == PEER_ACTIVE;
}

__attribute__((unused)) static bool
rig_pair_linked(void *arg)
{
	struct rig_node **p = arg;

	return rig_is_linked(p[0], p[1]) && rig_is_linked(p[1], p[0]);
}

/* The first has heard of the second, and where it is. */
__attribute__((unused)) static bool
rig_pair_known(void *arg)
{
	struct rig_node **p = arg;
	const struct msg_peer *v = rig_peer(p[0], p[1]->id);

	return v != NULL && v->known && v->n_addrs > 0;
}

static bool
rig_is_time(void *arg)
{
	return mono_reached(*(struct mono *)arg, mono_now());
}

/* Only time goes by: for what is about time. */
__attribute__((unused)) static void
rig_rest(int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);

	(void)rig_until(rig_is_time, &end, ms + 1000);
}

struct rig_want {
	struct rig_node *n;
	const char *name;
	uint64_t least, most;
};

static bool
rig_has_stat(void *arg)
{
	const struct rig_want *w = arg;
	uint64_t v = rig_stat(w->n, w->name);

	return v >= w->least && v <= w->most;
}

/* Until a counter is so large, or is just that. */
__attribute__((unused)) static bool
rig_wait_stat(struct rig_node *n, const char *name, uint64_t least, int64_t ms)
{
	struct rig_want w = { n, name, least, UINT64_MAX };

	return rig_until(rig_has_stat, &w, ms);
}

__attribute__((unused)) static bool
rig_wait_stat_is(struct rig_node *n, const char *name, uint64_t v, int64_t ms)
{
	struct rig_want w = { n, name, v, v };

	return rig_until(rig_has_stat, &w, ms);
}

/* --- the program --- */

static void
rig_init(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (sodium_init() == -1)
		rig_die("libsodium");
	rig.base = event_base_new();
	if (charter_decode(&rig.charter, charter_default,
		charter_default_len) != CHARTER_OK)
		rig_die("charter");
}

/*
 * [-v] [-p PEERD], and [-i FILE] when file is not NULL; then begin.  False
 * when that is not how it is used.
 */
static bool
rig_begin(int argc, char **argv, const char **file)
{
	static char program[512];
	char *slash;
	int c;

	/* <build>/tests/regress/x_rig -> <build>/peerd-bin */
	(void)strlcpy(program, argv[0], sizeof(program));
	for (c = 0; c < 3; c++)
		if ((slash = strrchr(program, '/')) != NULL)
			*slash = '\0';
	(void)strlcat(program, "/peerd-bin", sizeof(program));
	while ((c = getopt(argc, argv, "vp:i:")) != -1) {
		if (c == 'v')
			rig.verbose = true;
		else if (c == 'p')
			(void)strlcpy(program, optarg, sizeof(program));
		else if (c == 'i' && file != NULL)
			*file = optarg;
		else
			return false;
	}
	rig.program = program;
	rig_init();
	return true;
}

/* Stop all nodes and count; what main returns. */
static int
rig_finish(void)
{
	rig_stop_all();
	(void)printf("%u passed, %u failed\n", rig.passed, rig.failed);
	return rig.failed == 0 ? 0 : 1;
}

#endif
