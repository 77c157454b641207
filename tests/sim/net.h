/* SPDX-License-Identifier: ISC */
/*
 * The simulated network: where hosts lie, how long bytes travel, and how
 * connections live and die.
 *
 * A connection is a TCP stream with a handshake behind it: what is sent
 * arrives in order, or never.  Lost packets show as stalls: all that follows
 * waits for the retransmission.  A partition or a dead host swallows what is
 * sent; nobody is told.
 *
 * A host has one line up and one down, each with a queue that all its
 * connections share, first come first served:
 *
 *   message -> line up of the sender -> distance -> line down of the receiver
 */
#ifndef WARREN_SIM_NET_H
#define WARREN_SIM_NET_H

#include "tests/sim/sim.h"

#define NET_NIL   UINT32_MAX
#define NET_FRAME 80          /* of TCP, IP and Noise, for each message */
#define NET_ROOM  (64u << 10) /* the kernel keeps so much of a connection */

struct net_conf {
	bool lan;          /* 0.15 ms and 0.1 ms of jitter, else 18 cities */
	double stall;      /* of messages, part that meets a lost packet */
	int64_t hop_us;    /* to read, verify and write a message */
	uint32_t up, down; /* of a host, bytes a second; 0: no limit */
};

/* One end of a connection. */
struct net_end {
	uint32_t node;
	uint16_t link; /* its number there */
	bool open;
	int64_t last_us; /* arrival of the last message to this end */
	int64_t out_us;  /* when all this end wrote is on the line */
};

struct net_conn {
	struct net_end end[2]; /* 0 dialled */
	int64_t lat_us;        /* one way */
	uint16_t gen;
	bool used;
	bool broken; /* bytes were lost: nothing arrives any more */
	uint32_t next_free;
};

/* What the nodes' shell does with events of the network. */
struct net_ops {
	/* A message came, its blob lent. */
	void (*message)(uint32_t node, unsigned link, struct ev *ev);
	/* The other side ended it, or its host did. */
	void (*down)(uint32_t node, unsigned link);
	/*
	 * Somebody connects.  The link's number, or -1 to refuse.
	 */
	int (*accept)(uint32_t node, uint32_t from, uint32_t conn);
	/* A dial of ours ended; conn is NET_NIL when it failed. */
	void (
	    *dialled)(uint32_t node, uint32_t to, uint64_t tag, uint32_t conn);
};

void net_init(uint32_t n, const struct net_conf *conf,
    const struct net_ops *ops);
void net_fini(void);

struct net_conf *net_conf(void);

/* The host is up; or it died, and with rst its kernel says so. */
void net_host_up(uint32_t node);
void net_host_down(uint32_t node, bool rst);
bool net_is_up(uint32_t node);

/* Hosts in different parts do not hear each other.  All begin in part 0. */
void net_part(uint32_t node, uint8_t part);

/* City of a host, 0..17: its group of addresses and its distance. */
unsigned net_city(uint32_t node);
int64_t net_latency(uint32_t a, uint32_t b);

void net_dial(uint32_t node, uint32_t to, uint64_t tag);

/* A connection at once, for scenarios without an overlay. */
uint32_t net_connect(uint32_t a, unsigned link_a, uint32_t b, unsigned link_b);

struct net_conn *net_conn(uint32_t conn);
/* End of the link of that node: 0 or 1. */
unsigned net_side(uint32_t conn, uint32_t node);

/*
 * Send a message of so many bytes from a side.  The event is the caller's to
 * fill (type, n, b, blob, u, arg) and arrives at the other side.  NULL when
 * it is lost; then nothing needs to be filled.
 */
struct ev *net_send(uint32_t conn, unsigned side, size_t bytes);

/* When the kernel takes more from that end; now or before: at once. */
int64_t net_room_us(uint32_t conn, unsigned side);
void net_close(uint32_t conn, unsigned side);

#endif
