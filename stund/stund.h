/* SPDX-License-Identifier: ISC */
/*
 * stund: answers STUN requests, and holds our own mappings by asking the
 * servers of connected peers.  Owns no file, opens no socket.
 *
 *                 STUND_CONFIG, STUND_LISTEN+fd
 *   warrend ----------------------------------------> stund.c
 *      ^ |   STUND_SOCKET+fd, STUND_SOCKET_FAIL          |
 *      | +-----------------------------------+           |
 *      |  STUND_SOCKET_GET, STUND_SOCKET_DROP|           |
 *      +--------------------------------+    |           |
 *                                       |    v           v
 *   peerd -- SP_PEER_UP, SP_PEER_DOWN -> clients.c    serve_udp.c <- strangers
 *      ^                      linked.h <-+ client.h   serve_tcp.c <- strangers
 *      |                                 v               | server.h
 *      +--- SP_STUN ----------------- report.c           v
 *   apid <- SA_STUN ------------------+ mapping.h   requesters.h
 *   warrenctl <- CTL_STUN, CTL_REQUESTER (through warrend)
 *
 * The files named *.h above are pure cores beside this shell.
 */
#ifndef WARREN_STUND_H
#define WARREN_STUND_H

#include "common/child.h"
#include "common/msg_siblings.h"
#include "common/msg_stund.h"
#include "stund/classify.h"
#include "stund/mapping.h"
#include "stund/requesters.h"
#include "stund/server.h"

#define STUND_LISTENERS_MAX 64

/* A socket strangers talk to. */
struct listener {
	uint8_t proto;
	int fd;
	struct naddr addr;
	bool loopback;    /* talks to loopback only */
	bool any;         /* UDP bound to any address: see udp_dst.h */
	uint8_t singles;  /* UDP wakeups in a row with one datagram */
	uint8_t wakeups;  /* UDP, to look for more now and then */
	struct event *ev; /* readable */
};

struct stund {
	bool configured, running;
	struct msg_stund_config conf;
	struct stun_server server; /* one budget for all sockets */
	struct requesters requesters;
	struct mapping_table mappings;
	size_t n_listeners;
	struct listener listeners[STUND_LISTENERS_MAX];
	uint64_t send_failed; /* answers the kernel did not take */
};

extern struct stund stund;

/* What one wakeup knows of the time. */
struct instant {
	struct mono mono;
	struct wall wall;
};

struct instant instant_now(void);

/* Somebody was answered: remember who asked. */
void stund_note(const struct naddr *from, uint8_t proto, struct wall now);

/* Classes of addresses that may be used beside the global ones. */
unsigned stund_allow(void);

/* --- serve_udp.c --- */

/* Before the sandbox: prepare the socket. */
void serve_udp_prepare(struct listener *l);

/* Begin to answer. */
void serve_udp_start(struct listener *l);

/* --- serve_tcp.c --- */

/* Room for conns connections; fatal when there is none.  Then, each socket. */
void serve_tcp_init(uint32_t conns);
void serve_tcp_prepare(struct listener *l);
void serve_tcp_start(struct listener *l);

/* After the configuration changed. */
void serve_tcp_reconf(void);

uint32_t serve_tcp_used(void);
uint32_t serve_tcp_max(void);
uint64_t serve_tcp_refused(void);

/* --- clients.c --- */

void clients_init(void);
void clients_start(void);
void clients_reconf(void);

/* The parent's answers, and sockets kept from an earlier life.  Takes fd. */
void clients_socket(uint32_t id, const struct msg_stund_socket *s, int fd);
void clients_socket_failed(uint32_t id, const struct msg_stund_socket_fail *f);

void clients_peer_up(const struct msg_sp_peer_up *p);
void clients_peer_down(const uint8_t id[32]);

/* A new channel to peerd, or none: peers have a while to be named again. */
void clients_forget_peers(void);

/* Ask all servers now. */
void clients_probe(void);

/* Is an answer to that still awaited? */
bool clients_are_probing(void);

uint32_t clients_used(void);
uint64_t clients_refused(void);  /* peers over clients_max */
uint64_t clients_timeouts(void); /* questions that came to nothing */

/* --- report.c --- */

void report_init(void);
void report_start(void);

/* A mapping is new, other than before, or lost. */
void report_changed(void);

/* A probed client has its answer, or none will come. */
void report_probed(void);

/* A sibling's channel; takes fd. */
void report_channel(enum proc_kind kind, unsigned index, int fd);

void report_show(struct ipc *ch, uint32_t id);     /* CTL_SHOW_STUN */
void report_netcheck(struct ipc *ch, uint32_t id); /* CTL_NETCHECK */

uint64_t report_changes(void); /* mappings new, changed or lost */

#endif
