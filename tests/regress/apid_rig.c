/* SPDX-License-Identifier: ISC */
/*
 * A parent for one apid worker, and its siblings, for tests that want no more
 * than that: starts it, hands it sockets on 127.0.0.1, a STUN view and three
 * peers, and obeys words on standard input until that closes.
 *
 *	apid_rig APID [KEY=VALUE ...]     keys are fields of APID_CONFIG
 *	-> "http PORT", "metrics PORT", "pid N", "ready"
 *	<- "gone"   peer 1 is forgotten     -> "done"
 *	   "ban A"  blacklist an address    -> "done"
 *	   "stund"  stund's channel closes  -> "done"
 *	   "mute"   no counters from now on -> "done"
 *	   "set K=V" a new configuration    -> "done"
 *	   "limits" -> "limit NAME USED MAX REFUSED" lines, "done"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/msg_apid.h"
#include "common/msg_ctl.h"
#include "common/msg_proc.h"
#include "common/msg_siblings.h"

static struct {
	struct event_base *base;
	struct ipc *apid, *stund, *peerd;
	struct msg_apid_config conf;
	pid_t pid;
	bool mute;
} rig;

static struct msg_table tables[4], stund_tables[2], peerd_tables[2];

static void
die(const char *what)
{
	perror(what);
	exit(EX_OSERR);
}

static void
set(const char *kv)
{
	const struct schema *s = &schema_apid_config;
	const char *eq = strchr(kv, '=');
	uint8_t *at;
	size_t i;

	for (i = 0; eq != NULL && i < s->n; i++) {
		const struct fld *f = &s->flds[i];
		uint32_t v = (uint32_t)strtoul(eq + 1, NULL, 10);
		uint8_t v8 = (uint8_t)v;

		if (strncmp(f->name, kv, (size_t)(eq - kv)) != 0 ||
		    f->name[eq - kv] != '\0')
			continue;
		at = (uint8_t *)&rig.conf + f->off;
		if (f->kind == FLD_STR)
			(void)strlcpy((char *)at, eq + 1, f->size);
		else if (f->size == 1)
			memcpy(at, &v8, 1);
		else
			memcpy(at, &v, 4);
		return;
	}
	(void)fprintf(stderr, "apid_rig: no such key: %s\n", kv);
	exit(EX_USAGE);
}

static int
bound(struct naddr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&in, len) == -1 ||
	    listen(fd, 511) == -1 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) == -1)
		die("listen");
	(void)naddr_parse_ip(a, "127.0.0.1", ntohs(in.sin_port));
	return fd;
}

/* --- what the worker says --- */

static void
on_ready(struct ipc *ch, const struct ipc_msg *m)
{
	(void)m;
	ipc_set_phase(ch, PH_RUN);
}

static void
on_stats_get(struct ipc *ch, const struct ipc_msg *m)
{
	static const struct msg_apid_stats stund = { .process = "stund",
		.n_items = 3,
		.items = { { "stun_requests", 7 }, { "stun_dropped_rate", 2 },
		    { "no_such_counter", 1 } } };
	static const struct msg_apid_stats parent = { .process = "warrend",
		.n_items = 2,
		.items = { { "restarts", 1 }, { "uptime_seconds", 60 } } };

	if (rig.mute)
		return;
	(void)ipc_send(ch, APID_STATS, m->id, &stund);
	(void)ipc_send(ch, APID_STATS, m->id, &parent);
	(void)ipc_send(ch, APID_STATS_END, m->id, NULL);
}

static void
on_ban(struct ipc *ch, const struct ipc_msg *m)
{
	char ip[NADDR_STR];

	(void)ch;
	(void)printf("banned %s\n",
	    naddr_ip_str(&((const struct msg_apid_ban *)m->body)->prefix, ip));
}

static void
on_limit(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_limit *l = m->body;

	(void)ch;
	(void)printf("limit %s: %llu %llu %llu\n", l->name,
	    (unsigned long long)l->used, (unsigned long long)l->max,
	    (unsigned long long)l->refused);
}

static void
on_end(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	(void)m;
	(void)puts("done");
}

static void
on_ignore(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	(void)m;
}

static const struct ipc_handler handlers[] = {
	{ PROC_READY, on_ready },
	{ PROC_EVENT, on_ignore },
	{ APID_STATS_GET, on_stats_get },
	{ APID_BAN, on_ban },
	{ CTL_LIMIT, on_limit },
	{ CTL_END, on_end },
	{ 0, NULL },
};

static const struct ipc_handler none[] = { { 0, NULL } };

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	(void)ch;
	(void)how;
	(void)fprintf(stderr, "apid_rig: channel: %s\n", why);
	(void)event_base_loopbreak(rig.base);
}

static struct ipc *
channel(int fd, const struct msg_table *t, const struct ipc_handler *h)
{
	struct ipc_conf ic = { .name = "apid",
		.tables = t,
		.handlers = h,
		.ended = on_ended,
		.upper = true };
	struct ipc *ch = ipc_new(rig.base, fd, &ic);

	if (ch == NULL)
		die("channel");
	return ch;
}

/* --- the worker's life --- */

static int
spawn(char *path)
{
	char *argv[] = { path, NULL };
	int ipc[2], logs[2];

	if (ipc_pair(ipc) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, logs) == -1 ||
	    (rig.pid = fork()) == -1)
		die("fork");
	if (rig.pid == 0) {
		int hi[2] = { fcntl(ipc[1], F_DUPFD, 10),
			fcntl(logs[1], F_DUPFD, 10) };

		if (dup2(hi[0], 3) == -1 || dup2(hi[1], 4) == -1)
			_exit(EX_OSERR);
		(void)close(hi[0]);
		(void)close(hi[1]);
		/* LeakSanitizer would trace itself, which the sandbox forbids. */
		(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
		(void)execv(path, argv);
		_exit(EX_OSERR);
	}
	(void)close(ipc[1]);
	(void)close(logs[1]);
	if (fork() == 0) { /* the log's reader */
		char line[LOG_LINE_MAX + 1];
		ssize_t n;

		(void)close(ipc[0]);
		(void)close(STDIN_FILENO);
		(void)close(STDOUT_FILENO);
		while ((n = read(logs[0], line, sizeof(line))) > 0)
			(void)fprintf(stderr, "apid: %.*s\n", (int)n - 1,
			    line + 1);
		_exit(0);
	}
	(void)close(logs[0]);
	return ipc[0];
}

static void
node(struct msg_node *n, const struct naddr *http)
{
	memset(n->id, 0xab, 32);
	memset(n->netid, 0xcd, 32);
	(void)strlcpy(n->network, "main", sizeof(n->network));
	(void)strlcpy(n->name, "burrow1", sizeof(n->name));
	(void)strlcpy(n->version, "0.1.0", sizeof(n->version));
	(void)strlcpy(n->sandbox, "none", sizeof(n->sandbox));
	n->started = (uint64_t)wall_now().ms;
	n->caps = CAP_STUN | CAP_BOOTSTRAP;
	n->test_echo = rig.conf.test_echo;
	n->listeners[0] = (struct msg_listener){ .service = SVC_HTTP,
		.proto = PROTO_TCP,
		.addr = *http };
	n->n_listeners = 1;
}

static void
start(char *path)
{
	struct msg_proc_start st = { .kind = PROC_APID,
		.nofile = 4096,
		.log_level = LOG_LVL_DEBUG,
		.landlock_max = -1 };
	struct msg_apid_listen l = { .service = SVC_HTTP };
	struct msg_node n = { .started = 0 };
	struct naddr http;
	int fd;

	rig.apid = channel(spawn(path), tables, handlers);
	(void)ipc_send(rig.apid, PROC_START, 0, &st);
	(void)ipc_send(rig.apid, APID_CONFIG, 0, &rig.conf);
	fd = bound(&l.addr);
	http = l.addr;
	(void)printf("http %u\n", l.addr.port);
	(void)ipc_send_fd(rig.apid, APID_LISTEN, 0, &l, fd, -1);
	l.service = SVC_METRICS;
	fd = bound(&l.addr);
	(void)printf("metrics %u\npid %d\n", l.addr.port, (int)rig.pid);
	(void)ipc_send_fd(rig.apid, APID_LISTEN, 0, &l, fd, -1);
	node(&n, &http);
	(void)ipc_send(rig.apid, APID_NODE, 0, &n);
	(void)ipc_send(rig.apid, PROC_GO, 0, NULL);
	ipc_flush(rig.apid);
	if (ipc_wait(rig.apid, 5000) != 1) /* PROC_READY */
		die("worker");
}

static struct ipc *
sibling(enum proc_kind kind, const struct msg_table *t)
{
	struct msg_proc_channel c = { .kind = (uint8_t)kind };
	int fd[2];

	if (ipc_pair(fd) == -1)
		die("socketpair");
	(void)ipc_send_fd(rig.apid, PROC_CHANNEL, 0, &c, fd[1], -1);
	return channel(fd[0], t, none);
}

static void
views(void)
{
	struct msg_stun_view v = { .n_nats = 1, .n_mappings = 1 };
	struct msg_pa_totals t = { .peers_up = 1,
		.peers_known = 3,
		.bytes_in = 1000,
		.bytes_out = 2000 };
	uint64_t now_s = (uint64_t)wall_now().ms / 1000;
	uint8_t i;

	v.nats[0] = (struct msg_nat){ .fam = 4,
		.mapping = NAT_MAP_INDEPENDENT,
		.networks = 2 };
	(void)naddr_parse(&v.nats[0].endpoint, "198.51.100.4:61022");
	v.mappings[0] = (struct msg_mapping){ .service = SVC_STUN_CLIENT,
		.mapped = v.nats[0].endpoint,
		.local_port = 40000,
		.since = now_s,
		.seen = now_s,
		.verified = -1 };
	memset(v.mappings[0].via, 0x11, 32);
	(void)ipc_send(rig.stund, SA_STUN, 0, &v);
	for (i = 0; i < 3; i++) {
		struct msg_peer p = { .status = i,
			.known = true,
			.rtt_us = MSG_NULL64,
			.last_seen = MSG_NULL64,
			.since = MSG_NULL64,
			.bytes_in = MSG_NULL64,
			.bytes_out = MSG_NULL64,
			.seq = MSG_NULL64 };

		memset(p.id, 3 - i, 32);
		(void)naddr_parse_ip(&p.addr, "203.0.113.9", 38080);
		p.dir = i == 0 ? PEER_DIR_OUT : PEER_DIR_NONE;
		(void)ipc_send(rig.peerd, PA_PEER, 0, &p);
	}
	(void)ipc_send(rig.peerd, PA_TOTALS, 0, &t);
}

/* --- words on standard input --- */

static void
obey(const char *word)
{
	struct msg_pa_gone gone;
	struct msg_apid_ban ban = { .until = UINT64_MAX };

	if (strcmp(word, "gone") == 0) {
		memset(gone.id, 1, 32);
		(void)ipc_send(rig.peerd, PA_GONE, 0, &gone);
		ipc_flush(rig.peerd);
	} else if (strncmp(word, "ban ", 4) == 0) {
		(void)naddr_parse_ip(&ban.prefix, word + 4, 0);
		(void)ipc_send(rig.apid, APID_BAN, 0, &ban);
	} else if (strcmp(word, "stund") == 0) {
		ipc_free(rig.stund);
		rig.stund = NULL;
	} else if (strcmp(word, "mute") == 0) {
		rig.mute = true;
	} else if (strncmp(word, "set ", 4) == 0) {
		set(word + 4);
		(void)ipc_send(rig.apid, APID_CONFIG, 0, &rig.conf);
	} else if (strcmp(word, "limits") == 0) {
		(void)ipc_send(rig.apid, CTL_SHOW_LIMITS, 1, NULL);
		return; /* on_end() says done */
	} else {
		(void)puts("what?");
	}
	ipc_flush(rig.apid);
	(void)puts("done");
}

static void
on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char line[256];
	ssize_t n = read(fd, line, sizeof(line) - 1);
	char *nl;

	(void)what;
	(void)arg;
	if (n <= 0) {
		(void)event_base_loopbreak(rig.base);
		return;
	}
	line[n] = '\0';
	if ((nl = strchr(line, '\n')) != NULL)
		*nl = '\0';
	obey(line);
}

int
main(int argc, char **argv)
{
	struct event *ev;
	int i, status;

	rig.conf = (struct msg_apid_config){ .workers = 1,
		.conns_max = 1024,
		.conns_per_prefix = 1024,
		.header_max = 8192,
		.body_max = 65536,
		.batch_max = 100,
		.header_ms = 10000,
		.body_ms = 10000,
		.idle_ms = 60000,
		.window_ms = 30000,
		.allow_origin = "*" };
	if (argc < 2)
		return EX_USAGE;
	for (i = 2; i < argc; i++)
		set(argv[i]);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_apid;
	stund_tables[0] = msgs_stund_apid;
	peerd_tables[0] = msgs_peerd_apid;
	if ((rig.base = event_base_new()) == NULL)
		die("event loop");
	start(argv[1]);
	rig.stund = sibling(PROC_STUND, stund_tables);
	rig.peerd = sibling(PROC_PEERD, peerd_tables);
	views();
	ev = event_new(rig.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin,
	    NULL);
	if (ev == NULL || event_add(ev, NULL) == -1)
		die("standard input");
	(void)puts("ready");
	(void)event_base_dispatch(rig.base);
	(void)ipc_send(rig.apid, PROC_STOP, 0, NULL);
	ipc_flush(rig.apid);
	if (waitpid(rig.pid, &status, 0) == -1)
		die("waitpid");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
