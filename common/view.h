/* SPDX-License-Identifier: ISC */
/*
 * What a node knows about itself and others, in the one shape that travels
 * between the processes and out to warrenctl and the API.  A value that is
 * not known is MSG_NULL64, -1 or empty, and null in JSON; it is never shown
 * as false or 0.  view_json.c draws these for people and programs.
 */
#ifndef WARREN_VIEW_H
#define WARREN_VIEW_H

#include "common/msg.h"

enum { PROTO_UDP = 0, PROTO_TCP = 1 };

/* Services a node offers; the wire uses these numbers (warren-protocol(7)). */
enum service {
	SVC_LINK = 0,   /* peer links, TCP */
	SVC_HTTP = 1,
	SVC_WS = 2,
	SVC_WSUDP = 3,
	SVC_STUN_UDP = 4,
	SVC_STUN_TCP = 5,
	SVC_METRICS = 6, /* never advertised */
	SVC_STUN_CLIENT = 7, /* a mapping held by STUN, no service on it yet */
	SVC_MULTICAST = 8 /* never advertised */
};

enum nat_mapping {
	NAT_MAP_UNKNOWN,
	NAT_MAP_NONE,
	NAT_MAP_INDEPENDENT,
	NAT_MAP_DEPENDENT
};
enum nat_filtering {
	NAT_FILTER_UNKNOWN,
	NAT_FILTER_INDEPENDENT,
	NAT_FILTER_ADDRESS,
	NAT_FILTER_ADDRESS_PORT
};
enum nat_ports {
	NAT_PORTS_UNKNOWN,
	NAT_PORTS_PRESERVED,
	NAT_PORTS_RANDOM,
	NAT_PORTS_SEQUENTIAL
};

enum peer_status { PEER_ACTIVE, PEER_PENDING, PEER_OFFLINE };
enum peer_dir { PEER_DIR_NONE, PEER_DIR_IN, PEER_DIR_OUT };

/* What a link is for; dialled or accepted is said by its direction. */
enum peer_role {
	PEER_ROLE_NONE,    /* no link */
	PEER_ROLE_ACTIVE,  /* in the view: carries gossip */
	PEER_ROLE_ANCHOR,  /* likewise, and dialled again after a restart */
	PEER_ROLE_PINNED,  /* likewise, and never sent away for another */
	PEER_ROLE_JOINING, /* asked to be let into the view */
	PEER_ROLE_FEELER,  /* only looks whether the node is there */
	PEER_ROLE_HIDDEN,  /* for syncs alone; only operators are shown it */
	PEER_ROLE_SYNC,    /* dialled, beside the view */
	PEER_ROLE_CLIENT,  /* accepted, beside the view */
	PEER_ROLE_LOOPS,   /* carries loops of apps and nothing else */
	PEER_ROLE_CIRCUIT, /* likewise, over a relay */
	PEER_ROLES
};

/* clang-format off */

/* One outside address, as one peer sees it. */
#define MSG_MAPPING(F, T)                      \
	F(T, U8,   proto, 0, 1)                \
	F(T, U8,   service, 0, 15)             \
	F(T, ADDR, mapped, 0, 0)               \
	F(T, N64,  local_port, 0, 0) /* null: another node's */ \
	F(T, BIN,  via, 32, 0)   /* who told; only 8 bytes for others' */ \
	F(T, N64,  since, 0, 0)  /* unix seconds */ \
	F(T, N64,  seen, 0, 0)                 \
	F(T, TRI,  verified, 0, 0)

/* What comparing the mappings of one family and protocol shows. */
#define MSG_NAT(F, T)                          \
	F(T, U8,   fam, 0, 6)    /* 4 or 6 */  \
	F(T, U8,   proto, 0, 1)                \
	F(T, U8,   mapping, 0, 3)              \
	F(T, U8,   filtering, 0, 3)            \
	F(T, U8,   ports, 0, 3)                \
	F(T, U8,   networks, 0, 0) /* different networks that reported */ \
	F(T, ADDR, endpoint, 0, 0) /* agreed outside address, or none */

/* A socket we serve on. */
#define MSG_LISTENER(F, T)                     \
	F(T, U8,   service, 0, 15)             \
	F(T, U8,   proto, 0, 1)                \
	F(T, ADDR, addr, 0, 0)   /* really bound */ \
	F(T, ADDR, advertise, 0, 0) /* or none */ \
	F(T, STR,  holder, 24, 0)

/* stund's whole knowledge, sent on every change. */
#define MSG_STUN_VIEW(F, T)                    \
	F(T, LIST, nats, nat, 4)               \
	F(T, LIST, mappings, mapping, 32)

/* Where a node can be found. */
#define MSG_SVC_ADDR(F, T)                     \
	F(T, U8,   service, 0, 15)             \
	F(T, U8,   source, 0, 3) /* static, upnp, stun, relay */ \
	F(T, ADDR, addr, 0, 0)   /* family 0: where you reached it */

/* One peer, linked or known. */
#define MSG_PEER(F, T)                         \
	F(T, BIN,  id, 32, 0)                  \
	F(T, STR,  name, 32, 0)                \
	F(T, STR,  agent, 16, 0)  /* software version */ \
	F(T, STR,  region, 9, 0)               \
	F(T, U32,  caps, 0, 0)                 \
	F(T, U8,   status, 0, 2)               \
	F(T, U8,   dir, 0, 2)                  \
	F(T, U8,   role, 0, 10)                \
	F(T, BIN,  via, 32, 0)    /* of a circuit: the first relay */ \
	F(T, BOOL, pinned, 0, 0)               \
	F(T, BOOL, known, 0, 0)   /* a node record is held */ \
	F(T, ADDR, addr, 0, 0)    /* of the link, or the best to dial */ \
	F(T, N64,  rtt_us, 0, 0)               \
	F(T, N64,  last_seen, 0, 0) /* unix ms */ \
	F(T, N64,  since, 0, 0)   /* link up, unix ms */ \
	F(T, N64,  bytes_in, 0, 0)             \
	F(T, N64,  bytes_out, 0, 0)            \
	F(T, N64,  seq, 0, 0)     /* hlc of the node record */ \
	F(T, I32,  score, 0, 0)                \
	F(T, U8,   nat_mapping, 0, 3)          \
	F(T, U8,   nat_filtering, 0, 3)        \
	F(T, U8,   nat_ports, 0, 3)            \
	F(T, LIST, addrs, svc_addr, 8)         \
	F(T, LIST, mappings, mapping, 8)       \
	F(T, STR,  last_error, 64, 0)

/* Who and what this node is. */
#define MSG_NODE(F, T)                         \
	F(T, BIN,  id, 32, 0)                  \
	F(T, BIN,  netid, 32, 0)               \
	F(T, STR,  network, 33, 0)             \
	F(T, STR,  name, 32, 0)                \
	F(T, STR,  version, 16, 0)             \
	F(T, STR,  region, 9, 0)               \
	F(T, U32,  caps, 0, 0)                 \
	F(T, U64,  started, 0, 0) /* unix ms */ \
	F(T, U8,   allow, 0, 7)   /* address policy opened */ \
	F(T, BOOL, test_echo, 0, 0)            \
	F(T, STR,  sandbox, 16, 0) /* weakest level in force: full, reduced, none */ \
	F(T, LIST, listeners, listener, 24)

/* One process of the suite. */
#define MSG_PROCESS(F, T)                      \
	F(T, STR,  name, 24, 0)                \
	F(T, U32,  pid, 0, 0)                  \
	F(T, STR,  user, 33, 0)                \
	F(T, U64,  uptime_s, 0, 0)             \
	F(T, U32,  restarts, 0, 0)             \
	F(T, STR,  state, 12, 0) /* starting, up, backoff */ \
	F(T, STR,  sandbox, 64, 0) /* "seccomp landlock:7 chroot" */ \
	F(T, STR,  uid, 24, 0)   /* "dropped" or "not dropped" */

/* One bounded thing: a queue, a table, a rate. */
#define MSG_LIMIT(F, T)                        \
	F(T, STR,  process, 24, 0)             \
	F(T, STR,  name, 40, 0)                \
	F(T, N64,  used, 0, 0)                 \
	F(T, U64,  max, 0, 0)                  \
	F(T, U64,  refused, 0, 0)

#define MSG_STAT(F, T)                         \
	F(T, STR,  name, 48, 0)                \
	F(T, U64,  value, 0, 0)

#define MSG_BANNED(F, T)                       \
	F(T, STR,  what, 72, 0)  /* key in hex, or prefix */ \
	F(T, U64,  until, 0, 0)  /* unix ms, 0 for ever */ \
	F(T, BOOL, manual, 0, 0)               \
	F(T, STR,  reason, 64, 0)

/* Something happened: for "monitor", and later WebSocket and long polling. */
#define MSG_EVENT(F, T)                        \
	F(T, U64,  seq, 0, 0)    /* given by the parent */ \
	F(T, U64,  time, 0, 0)   /* unix ms */ \
	F(T, STR,  process, 24, 0)             \
	F(T, STR,  kind, 24, 0)  /* peer, stun, process, config, log */ \
	F(T, STR,  text, 256, 0)

/* clang-format on */

MSG_DECLARE(mapping, MSG_MAPPING)
MSG_DECLARE(nat, MSG_NAT)
MSG_DECLARE(listener, MSG_LISTENER)
MSG_DECLARE(stun_view, MSG_STUN_VIEW)
MSG_DECLARE(svc_addr, MSG_SVC_ADDR)
MSG_DECLARE(peer, MSG_PEER)
MSG_DECLARE(node, MSG_NODE)
MSG_DECLARE(process, MSG_PROCESS)
MSG_DECLARE(limit, MSG_LIMIT)
MSG_DECLARE(stat, MSG_STAT)
MSG_DECLARE(banned, MSG_BANNED)
MSG_DECLARE(event, MSG_EVENT)

/* Words for the enums above, as they stand in JSON and tables. */
const char *service_name(uint8_t service);
const char *proto_name(uint8_t proto);
const char *nat_mapping_name(uint8_t v);   /* "unknown" for unknown */
const char *nat_filtering_name(uint8_t v);
const char *nat_ports_name(uint8_t v);
const char *peer_status_name(uint8_t v);   /* ACTIVE, PENDING, OFFLINE */
const char *peer_role_name(uint8_t v);     /* active, anchor, feeler .. */

/* Show the node as if we had no link to it. */
void view_hide_link(struct msg_peer *v);

/* Capability bits of a node record. */
#define CAP_STUN        0x01u
#define CAP_STORAGE     0x02u
#define CAP_BOOTSTRAP   0x04u
#define CAP_APPS        0x08u
#define CAP_METADATA    0x10u
#define CAP_TEMPERATURE 0x20u
#define CAP_ROUTING     0x40u
#define CAP_QUORUM      0x80u
const char *cap_name(unsigned bit); /* bit number 0..31, NULL if unnamed */

#define NODE_ID_HEX 65 /* 64 digits and a NUL */
const char *node_id_hex(const uint8_t id[32], char buf[NODE_ID_HEX]);
/* 64 hex digits of either case.  0 or -1. */
int node_id_parse(uint8_t id[32], const char *hex);

#endif
