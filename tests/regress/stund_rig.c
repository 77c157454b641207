/* SPDX-License-Identifier: ISC */
/*
 * stund without warrend: starts one, plays its parent and its peerd, and does
 * what standard input says.  For tests and benches; see usage().
 *
 *	stund_rig [-D NAME=NUMBER] ... STUND
 *	-> ready pid 71 udp4 40001 tcp4 40002 udp6 40003 tcp6 40004
 *	<- peer alice 127.0.0.1:40001 - out
 *	-> view nats 1 mappings 2
 *	-> mapping udp 127.0.0.1:39000 port 39000 via alice
 *
 * Every answer to a command ends with a line "end CODE TEXT".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "common/msg_proc.h"
#include "common/msg_siblings.h"
#include "common/msg_stund.h"

#define KEPT_MAX 128

struct served {
	struct msg_stund_listen l;
	int fd;
};

struct kept {
	struct msg_stund_socket s;
	int fd; /* -1: free */
};

static struct event_base *base;
static struct ipc *stund, *peerd;
static struct served served[8];
static size_t n_served;
static struct kept kept[KEPT_MAX];
static struct naddr reserved[2][2]; /* by protocol, IPv6 */
static struct event *log_ev;
static const char *stund_path;
static pid_t pid;
static uint32_t generation;
static int fail_sockets; /* refuse this many STUND_SOCKET_GETs */

static struct msg_stund_config conf = { .keepalive_ms = 20000,
	.tcp = true,
	.clients_max = 8,
	.tcp_conns_max = 1024,
	.tcp_idle_ms = 60000,
	.requesters_max = 256 };

static _Noreturn void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: stund_rig [-D NAME=NUMBER] ... [-p PORT] STUND\n"
	    "names: keepalive tcp clients rate burst global conns idle "
	    "requesters\n"
	    "commands: peer NAME UDP TCP in|out, down NAME, stun, check,\n"
	    "  limits, stats, set NAME NUMBER, reload, channel, hangup, fail "
	    "N,\n"
	    "  restart, quit\n");
	exit(64);
}

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "stund_rig: %s: %s\n", what, strerror(errno));
	exit(71);
}

static void
set_conf(const char *name, uint32_t v)
{
	if (strcmp(name, "keepalive") == 0)
		conf.keepalive_ms = v;
	else if (strcmp(name, "tcp") == 0)
		conf.tcp = v != 0;
	else if (strcmp(name, "clients") == 0)
		conf.clients_max = (uint16_t)v;
	else if (strcmp(name, "rate") == 0)
		conf.rate = v;
	else if (strcmp(name, "burst") == 0)
		conf.burst = v;
	else if (strcmp(name, "global") == 0)
		conf.global_rate = v;
	else if (strcmp(name, "conns") == 0)
		conf.tcp_conns_max = v;
	else if (strcmp(name, "idle") == 0)
		conf.tcp_idle_ms = v;
	else if (strcmp(name, "requesters") == 0)
		conf.requesters_max = v;
	else
		usage();
}

/* --- sockets --- */

static void
set_on(int fd, int level, int name)
{
	const int on = 1;

	if (setsockopt(fd, level, name, &on, sizeof(on)) == -1)
		die("setsockopt");
}

/* A socket bound to a; a learns its port. */
static int
bound(struct naddr *a, uint8_t proto, bool share)
{
	int type = proto == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct linger reset = { 1, 0 };
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(a, &ss);
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd == -1)
		die("socket");
	if (a->fam == NADDR_V6)
		set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (proto == PROTO_TCP)
		set_on(fd, SOL_SOCKET, SO_REUSEADDR);
	if (share) {
		set_on(fd, SOL_SOCKET, SO_REUSEPORT);
		if (proto == PROTO_TCP)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
			    sizeof(reset));
	}
	if (bind(fd, (struct sockaddr *)&ss, len) == -1)
		die("bind");
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1 ||
	    naddr_from_sockaddr(a, (struct sockaddr *)&ss) == -1)
		die("getsockname");
	return fd;
}

static void
unblock(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		die("fcntl");
}

static void
serve(const char *ip, uint16_t port, uint8_t proto)
{
	struct served *s = &served[n_served++];
	int size = 1 << 20;

	s->l = (struct msg_stund_listen){ .proto = proto };
	if (naddr_parse_ip(&s->l.addr, ip, port) == -1)
		usage();
	s->l.loopback = !naddr_is_any(&s->l.addr);
	s->fd = bound(&s->l.addr, proto, false);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (proto == PROTO_TCP && listen(s->fd, 1024) == -1)
		die("listen");
	unblock(s->fd);
}

static struct kept *
kept_find(const uint8_t peer[32], uint8_t proto)
{
	size_t i;

	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].fd != -1 && kept[i].s.proto == proto &&
		    memcmp(kept[i].s.peer, peer, 32) == 0)
			return &kept[i];
	return NULL;
}

static void
kept_drop(struct kept *k)
{
	if (k == NULL)
		return;
	(void)close(k->fd);
	k->fd = -1;
}

static void
fail_get(uint32_t id, const struct msg_stund_socket_get *g, int err)
{
	struct msg_stund_socket_fail f = { .proto = g->proto };

	memcpy(f.peer, g->peer, 32);
	(void)strlcpy(f.error, strerror(err), sizeof(f.error));
	(void)printf("failed %s %.32s\n", proto_name(g->proto),
	    (const char *)g->peer);
	(void)ipc_send(stund, STUND_SOCKET_FAIL, id, &f);
}

static void
on_get(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_stund_socket_get *g = m->body;
	bool v6 = g->server.fam == NADDR_V6;
	struct naddr *from = &reserved[g->proto][v6];
	struct kept *k = kept;
	struct sockaddr_storage ss;
	socklen_t len = naddr_to_sockaddr(&g->server, &ss);
	int fd;

	kept_drop(kept_find(g->peer, g->proto));
	if (fail_sockets > 0) {
		fail_sockets--;
		fail_get(m->id, g, ENETUNREACH);
		return;
	}
	if (from->fam == NADDR_NONE)
		(void)naddr_parse_ip(from, v6 ? "::1" : "127.0.0.1", 0);
	fd = bound(from, g->proto, true);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1) {
		fail_get(m->id, g, errno);
		(void)close(fd);
		return;
	}
	unblock(fd);
	while (k->fd != -1)
		k++;
	k->fd = fd;
	k->s = (struct msg_stund_socket){ .proto = g->proto,
		.server = g->server,
		.local = *from,
		.kept = true };
	memcpy(k->s.peer, g->peer, 32);
	k->s.kept = false;
	(void)printf("socket %s %.32s\n", proto_name(g->proto),
	    (const char *)g->peer);
	(void)ipc_send_fd(ch, STUND_SOCKET, m->id, &k->s, dup(fd), -1);
	k->s.kept = true;
}

static void
on_drop(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_stund_socket_drop *d = m->body;

	(void)ch;
	kept_drop(kept_find(d->peer, d->proto));
	(void)printf("drop %s %.32s\n", proto_name(d->proto),
	    (const char *)d->peer);
}

/* --- what stund says --- */

static void
print_view(const char *word, const struct msg_stun_view *v)
{
	const struct msg_mapping *m;
	const struct msg_nat *n;
	char text[NADDR_STR];
	size_t i;

	(void)printf("%s nats %u mappings %u\n", word, v->n_nats,
	    v->n_mappings);
	for (i = 0; i < v->n_nats; i++) {
		n = &v->nats[i];
		(void)printf("nat %s%u %s ports %s networks %u endpoint %s\n",
		    proto_name(n->proto), n->fam, nat_mapping_name(n->mapping),
		    nat_ports_name(n->ports), n->networks,
		    naddr_str(&n->endpoint, text));
	}
	for (i = 0; i < v->n_mappings; i++) {
		m = &v->mappings[i];
		(void)printf("mapping %s %s port %llu via %.32s\n",
		    proto_name(m->proto), naddr_str(&m->mapped, text),
		    (unsigned long long)m->local_port, (const char *)m->via);
	}
}

static void
on_view(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	print_view("view", m->body);
}

static void
on_ready(struct ipc *ch, const struct ipc_msg *m)
{
	static const char *const proto[] = { "udp", "tcp" };
	const struct msg_proc_ready *r = m->body;
	size_t i;

	ipc_set_phase(ch, PH_RUN);
	(void)printf("ready pid %d", (int)pid);
	for (i = 0; i < n_served; i++)
		(void)printf(" %s%u %u", proto[served[i].l.proto],
		    served[i].l.addr.fam, served[i].l.addr.port);
	(void)printf(" sandbox %s\n", r->sandbox);
}

static void
print_stats(const struct msg_proc_stats *s)
{
	size_t i;

	for (i = 0; i < s->n_items; i++)
		(void)printf("stat %s %llu\n", s->items[i].name,
		    (unsigned long long)s->items[i].value);
}

static void
on_other(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_requester *r = m->body;
	const struct msg_ctl_end *end = m->body;
	const struct msg_event *e = m->body;
	const struct msg_limit *l = m->body;
	char text[NADDR_STR];

	(void)ch;
	switch (m->type) {
	case CTL_STUN:
		print_view("stun", m->body);
		break;
	case CTL_REQUESTER:
		(void)printf("requester %s %s count %llu %s\n",
		    proto_name(r->proto), naddr_str(&r->addr, text),
		    (unsigned long long)r->count,
		    r->authenticated ? (const char *)r->peer : "-");
		break;
	case CTL_LIMIT:
		(void)printf("limit %llu of %llu refused %llu %s\n",
		    (unsigned long long)l->used, (unsigned long long)l->max,
		    (unsigned long long)l->refused, l->name);
		break;
	case CTL_END:
		(void)printf("end %u %s\n", end->code, end->text);
		break;
	case PROC_STATS:
		print_stats(m->body);
		break;
	case PROC_STATS_END:
		(void)printf("end 0\n");
		break;
	case PROC_EVENT:
		(void)printf("event %s %s\n", e->kind, e->text);
		break;
	default:
		(void)printf("unexpected %s\n", m->def->name);
	}
}

static void
on_log(evutil_socket_t fd, short what, void *arg)
{
	char buf[LOG_LINE_MAX + 1];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)what;
	(void)arg;
	if (n <= 0)
		(void)event_del(log_ev);
	else if ((uint8_t)buf[0] == LOG_MARK_TRAP)
		(void)printf("forbidden call %d\n",
		    ((const struct log_trap *)(const void *)buf)->nr);
	else
		(void)fprintf(stderr, "%s: %.*s\n",
		    log_level_name((enum log_level)buf[0]), (int)n - 1,
		    buf + 1);
}

/* --- starting one --- */

static const struct ipc_handler stund_handlers[] = {
	{ PROC_READY, on_ready },
	{ STUND_SOCKET_GET, on_get },
	{ STUND_SOCKET_DROP, on_drop },
	{ 0, NULL },
};
static const struct ipc_handler peerd_handlers[] = {
	{ SP_STUN, on_view },
	{ 0, NULL },
};

static void
on_stund_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	(void)ch;
	(void)how;
	(void)printf("stund ended: %s\n", why);
	exit(1);
}

static void
on_peerd_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	(void)how;
	(void)printf("channel ended: %s\n", why);
	ipc_free(ch);
	peerd = NULL;
}

static void
open_channel(void)
{
	static struct msg_table tables[2];
	struct ipc_conf c = { .name = "peerd",
		.tables = tables,
		.handlers = peerd_handlers,
		.ended = on_peerd_ended,
		.upper = true };
	struct msg_proc_channel m = { .kind = PROC_PEERD };
	int pair[2];

	tables[0] = msgs_peerd_stund;
	if (ipc_pair(pair) == -1)
		die("socketpair");
	ipc_free(peerd);
	peerd = ipc_new(base, pair[0], &c);
	ipc_set_phase(peerd, PH_RUN);
	(void)ipc_send_fd(stund, PROC_CHANNEL, 0, &m, pair[1], -1);
}

static void
run_stund(int ipc_fd, int log_fd)
{
	int a = fcntl(ipc_fd, F_DUPFD, 10), b = fcntl(log_fd, F_DUPFD, 10);

	(void)dup2(a, 3);
	(void)dup2(b, LOG_FD);
	/* LeakSanitizer would trace itself, which the sandbox forbids. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	(void)execl(stund_path, "stund", (char *)NULL);
	_exit(127);
}

static void
start(void)
{
	static struct msg_table tables[4];
	struct ipc_conf c = { .name = "stund",
		.tables = tables,
		.handlers = stund_handlers,
		.other = on_other,
		.ended = on_stund_ended,
		.upper = true };
	struct msg_proc_start st = { .kind = PROC_STUND,
		.generation = generation++,
		.nofile = 8192,
		.log_level = LOG_LVL_DEBUG,
		.landlock_max = -1 };
	int pair[2], lp[2];
	size_t i;

	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_stund;
	if (ipc_pair(pair) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lp) == -1)
		die("socketpair");
	if ((pid = fork()) == -1)
		die("fork");
	if (pid == 0)
		run_stund(pair[1], lp[1]);
	(void)close(pair[1]);
	(void)close(lp[1]);
	log_ev = event_new(base, lp[0], EV_READ | EV_PERSIST, on_log, NULL);
	(void)event_add(log_ev, NULL);
	stund = ipc_new(base, pair[0], &c);
	(void)ipc_send(stund, PROC_START, 0, &st);
	(void)ipc_send(stund, STUND_CONFIG, 0, &conf);
	for (i = 0; i < n_served; i++)
		(void)ipc_send_fd(stund, STUND_LISTEN, 0, &served[i].l,
		    dup(served[i].fd), -1);
	for (i = 0; i < KEPT_MAX; i++)
		if (kept[i].fd != -1)
			(void)ipc_send_fd(stund, STUND_SOCKET, 0, &kept[i].s,
			    dup(kept[i].fd), -1);
	(void)ipc_send(stund, PROC_GO, 0, NULL);
}

static void
stop(int sig)
{
	int status;

	(void)kill(pid, sig);
	ipc_free(stund);
	ipc_free(peerd);
	stund = peerd = NULL;
	(void)waitpid(pid, &status, 0);
}

/* --- commands --- */

static void
name_id(uint8_t id[32], const char *name)
{
	memset(id, 0, 32);
	memcpy(id, name, strnlen(name, 31));
}

static void
peer_up(const char *name, const char *udp, const char *tcp, const char *dir)
{
	struct msg_sp_peer_up up = { .outbound = strcmp(dir, "out") == 0 };

	name_id(up.peer, name);
	if (strcmp(udp, "-") != 0)
		(void)naddr_parse(&up.stun_udp, udp);
	if (strcmp(tcp, "-") != 0)
		(void)naddr_parse(&up.stun_tcp, tcp);
	up.link = up.stun_udp.fam != NADDR_NONE ? up.stun_udp : up.stun_tcp;
	(void)ipc_send(peerd, SP_PEER_UP, 0, &up);
}

static void
command(int argc, char **argv)
{
	const char *c = argv[0];
	struct msg_sp_peer_down down;
	const char *err;

	if (strcmp(c, "peer") == 0 && argc == 5) {
		peer_up(argv[1], argv[2], argv[3], argv[4]);
	} else if (strcmp(c, "down") == 0 && argc == 2) {
		name_id(down.peer, argv[1]);
		(void)ipc_send(peerd, SP_PEER_DOWN, 0, &down);
	} else if (strcmp(c, "stun") == 0) {
		(void)ipc_send(stund, CTL_SHOW_STUN, 1, NULL);
	} else if (strcmp(c, "check") == 0) {
		(void)ipc_send(stund, CTL_NETCHECK, 2, NULL);
	} else if (strcmp(c, "limits") == 0) {
		(void)ipc_send(stund, CTL_SHOW_LIMITS, 3, NULL);
	} else if (strcmp(c, "stats") == 0) {
		(void)ipc_send(stund, PROC_STATS_GET, 4, NULL);
	} else if (strcmp(c, "set") == 0 && argc == 3) {
		set_conf(argv[1],
		    (uint32_t)strtonum(argv[2], 0, UINT32_MAX, &err));
	} else if (strcmp(c, "reload") == 0) {
		(void)ipc_send(stund, STUND_CONFIG, 0, &conf);
	} else if (strcmp(c, "channel") == 0) {
		open_channel();
	} else if (strcmp(c, "hangup") == 0) {
		ipc_free(peerd);
		peerd = NULL;
	} else if (strcmp(c, "fail") == 0 && argc == 2) {
		fail_sockets = (int)strtonum(argv[1], 0, INT_MAX, &err);
	} else if (strcmp(c, "restart") == 0) {
		stop(SIGKILL);
		start();
		open_channel();
	} else if (strcmp(c, "quit") == 0) {
		stop(SIGTERM);
		exit(0);
	} else {
		(void)printf("what? %s\n", c);
	}
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	static char buf[1024];
	static size_t len;
	ssize_t n = read(fd, buf + len, sizeof(buf) - 1 - len);
	char *line, *end, *word, *last, *argv[8];
	int argc;

	(void)what;
	(void)arg;
	if (n <= 0) {
		stop(SIGTERM);
		exit(0);
	}
	len += (size_t)n;
	buf[len] = '\0';
	for (line = buf; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		argc = 0;
		for (word = strtok_r(line, " ", &last);
		     word != NULL && argc < 8;
		     word = strtok_r(NULL, " ", &last))
			argv[argc++] = word;
		if (argc > 0)
			command(argc, argv);
	}
	len -= (size_t)(line - buf);
	memmove(buf, line, len);
}

int
main(int argc, char **argv)
{
	const char *err = NULL;
	uint16_t port = 0;
	struct event *ev;
	char *eq;
	size_t i;
	int ch;

	while ((ch = getopt(argc, argv, "D:p:")) != -1) {
		if (ch == 'D' && (eq = strchr(optarg, '=')) != NULL) {
			*eq = '\0';
			set_conf(optarg,
			    (uint32_t)strtonum(eq + 1, 0, UINT32_MAX, &err));
		} else if (ch == 'p') {
			port = (uint16_t)strtonum(optarg, 0, UINT16_MAX, &err);
		} else {
			usage();
		}
		if (err != NULL)
			usage();
	}
	if (argc - optind != 1)
		usage();
	stund_path = argv[optind];
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < KEPT_MAX; i++)
		kept[i].fd = -1;
	base = event_base_new();
	serve("127.0.0.1", port, PROTO_UDP);
	serve("127.0.0.1", port, PROTO_TCP);
	serve("::1", port, PROTO_UDP);
	serve("::1", port, PROTO_TCP);
	start();
	open_channel();
	ev = event_new(base, 0, EV_READ | EV_PERSIST, on_input, NULL);
	(void)event_add(ev, NULL);
	return event_base_dispatch(base);
}
