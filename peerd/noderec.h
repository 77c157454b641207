/* SPDX-License-Identifier: ISC */
/*
 * What a node publishes about itself: the payload of a record of kind 2.
 *
 *   payload = [ 1, caps:u32,
 *               [[proto:u8, fam:u8, ip:bin, port:u16, src:u8] ..8],
 *               [[proto:u8, service:u8, ip:bin, port:u16, via8:bin(8),
 *                 since, seen, verified:u8] ..8],        times in unix s
 *               nat:u8, region:str, free_gib:u32, [via:bin(32) ..3],
 *               agent:str, name:str ]                 at most 768 bytes
 *
 * Address claims are hints until somebody dialled them.  Pure; tested in
 * tests/unit/noderec_test.c, fuzzed in noderec_fuzz.c.
 */
#ifndef WARREN_NODEREC_H
#define WARREN_NODEREC_H

#include "common/bytes.h"
#include "common/naddr.h"
#include "common/view.h" /* CAP_*, NAT_* */

#define NODEREC_VERSION    1
#define NODEREC_MAX        768
#define NODEREC_ADDRS_MAX  8
#define NODEREC_STUN_MAX   8
#define NODEREC_VIAS_MAX   3
#define NODEREC_REGION_MAX 8
#define NODEREC_AGENT_MAX  15
#define NODEREC_NAME_MAX   31
#define NODEREC_TIME_MAX   ((UINT64_C(1) << 40) - 1) /* unix s */

/* What listens at an advertised address; others may come. */
enum node_proto {
	NODE_LINK = 0, /* peer link, TCP */
	NODE_HTTP = 1,
	NODE_WS = 2,
	NODE_WSUDP = 3,
	NODE_STUN_UDP = 4,
	NODE_STUN_TCP = 5
};

/* Where the node has the address from; others may come. */
enum node_src {
	NODE_SRC_STATIC = 0,
	NODE_SRC_UPNP = 1,
	NODE_SRC_STUN = 2,
	NODE_SRC_RELAY = 3
};

enum node_verified {
	NODE_VERIFIED_UNKNOWN = 0, /* no helper could try */
	NODE_VERIFIED_TRUE = 1,
	NODE_VERIFIED_FALSE = 2
};

/* nat packs enum nat_mapping, nat_filtering and nat_ports of view.h. */
#define NAT_BYTE(mapping, filtering, ports)                                    \
	((uint8_t)((mapping) | (filtering) << 2 | (ports) << 4))
#define NAT_MAPPING(nat)   ((nat)&3)
#define NAT_FILTERING(nat) ((nat) >> 2 & 3)
#define NAT_PORTS(nat)     ((nat) >> 4 & 3)

struct node_addr {
	uint8_t proto;     /* enum node_proto, or one we do not know */
	uint8_t src;       /* enum node_src, likewise */
	struct naddr addr; /* fam NADDR_NONE: the address you reach me at */
};

/* An outside address that a STUN server saw. */
struct node_stun {
	uint8_t proto;    /* 0 UDP, 1 TCP */
	uint8_t service;  /* enum node_proto of what answers there */
	uint8_t verified; /* enum node_verified */
	uint8_t via8[8];  /* first bytes of the observing node's id */
	struct naddr addr;
	uint64_t since, seen; /* unix s: first and last confirmed */
};

struct noderec {
	uint32_t caps;
	uint32_t free_gib;
	uint8_t nat;
	uint8_t n_addrs, n_stun, n_vias;
	struct node_addr addrs[NODEREC_ADDRS_MAX];
	struct node_stun stun[NODEREC_STUN_MAX];
	uint8_t vias[NODEREC_VIAS_MAX][32]; /* nodes that relay for it */
	/* Printable ASCII, so that it can go anywhere unquoted. */
	char region[NODEREC_REGION_MAX + 1];
	char agent[NODEREC_AGENT_MAX + 1]; /* software version */
	char name[NODEREC_NAME_MAX + 1];
};

/*
 * Write the payload.  0, or -1 when it does not fit w or NODEREC_MAX, or
 * when noderec_decode() would refuse it.
 */
int noderec_encode(struct wr *w, const struct noderec *nr);

/* 0, or -1 when the payload is malformed or of another version. */
int noderec_decode(struct noderec *nr, const void *buf, size_t len);

#endif
