/* SPDX-License-Identifier: ISC */
/*
 * The nodes of a test of peerd processes, what they were told and said, and
 * the loop that runs until something is true.
 */
#ifndef WARREN_RIG_NODE_H
#define WARREN_RIG_NODE_H

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

#endif
