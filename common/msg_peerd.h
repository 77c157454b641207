/* SPDX-License-Identifier: ISC */
/*
 * warrend and peerd.  Numbers 32-63.
 *
 *	warrend                                        peerd
 *	  PEERD_CONFIG, PEERD_CHARTER, PEERD_NODE -------------------->
 *	  PEERD_LISTEN+fd, PEERD_MULTICAST+fd, PEERD_FILE+fd, PEERD_PEER ->
 *	        <------------ PEERD_DIAL        answered by exactly one of
 *	  PEERD_DIALED+fd, PEERD_FAILED -------------->    (same id)
 *	        <------------ PEERD_SIGN_NOISE, PEERD_SIGN_NODE
 *	  PEERD_SIGNED or PEERD_FAILED --------------->
 *	        <------------ PEERD_RESOLVE
 *	  PEERD_RESOLVED or PEERD_FAILED ------------->
 *	        <------------ PEERD_SAVE, then writes, then PEERD_SAVE_DONE
 *	  PEERD_SAVE_FD+fd, then PEERD_SAVED or PEERD_FAILED ---------->
 */
#ifndef WARREN_MSG_PEERD_H
#define WARREN_MSG_PEERD_H

#include "common/msg.h"
#include "common/view.h"

/* What peerd keeps across restarts, one file each in the state directory. */
enum peerd_file { PEERD_FILE_BOOK, PEERD_FILE_BANS, PEERD_FILE_PEERS };

/* How we came to know a configured peer. */
enum peerd_origin {
	PEERD_PINNED,    /* peer "name" { }: always kept, never auto-banned */
	PEERD_BOOTSTRAP, /* bootstrap HOST: until others are known */
	PEERD_STATIC,    /* bootstrap HOST static: kept connected */
	PEERD_DNS_SEED   /* dns seed NAME */
};

enum resolve_kind { RESOLVE_HOST, RESOLVE_SEED };

/* clang-format off */
#define MSG_PEERD_CONFIG(F, T)                                           \
	F(T, U16,  max_peers, 0, 4096)                                   \
	F(T, U16,  max_inbound, 0, 4096)                                 \
	F(T, U16,  max_outbound, 0, 64)     /* links we try to dial */   \
	F(T, U16,  max_per_prefix, 0, 0)    /* inbound, /24 and /48 */   \
	F(T, U32,  handshakes_per_s, 0, 0)  /* per address */            \
	F(T, U32,  handshake_ms, 0, 0)                                   \
	F(T, U32,  dial_ms, 0, 0)                                        \
	F(T, U32,  ping_ms, 0, 0)           /* idle links are asked */   \
	F(T, U32,  dead_ms, 0, 0)           /* silence that ends a link */ \
	F(T, U32,  known_max, 0, 65536)                                  \
	F(T, U32,  record_refresh_ms, 0, 0) /* of our own node record */ \
	F(T, U32,  republish_ms, 0, 0)      /* token refill on change */ \
	F(T, U32,  multicast_interval_ms, 0, 0)                          \
	F(T, U32,  multicast_timeout_ms, 0, 0)                           \
	F(T, U32,  seed_interval_ms, 0, 0)                               \
	F(T, U32,  seed_timeout_ms, 0, 60000)                            \
	F(T, U32,  save_ms, 0, 0)           /* address book to disk */   \
	F(T, U32,  retry_ms, 0, 0)          /* first back-off of a dial */ \
	F(T, BOOL, relay, 0, 0)             /* for others, within these: */ \
	F(T, U16,  relay_circuits, 0, 1024)                              \
	F(T, U16,  relay_per_peer, 0, 0)    /* circuits one node opens */ \
	F(T, U16,  relay_reservations, 0, 1024)                          \
	F(T, U64,  relay_bytes, 0, 0)       /* of a reservation */       \
	F(T, U32,  relay_s, 0, 0)                                        \
	F(T, U64,  relay_free_bytes, 0, 0)  /* of a circuit without one */ \
	F(T, U32,  relay_free_s, 0, 0)                                   \
	F(T, U8,   relay_reserve, 0, 2)     /* for us: auto, yes, no */

#define MSG_PEERD_CHARTER(F, T)                                          \
	F(T, BLOB, charter, 0, 16384)

#define MSG_PEERD_LISTEN(F, T)                                           \
	F(T, ADDR, addr, 0, 0)

/* A bound multicast socket of one family, joined to its group. */
#define MSG_PEERD_MULTICAST(F, T)                                        \
	F(T, ADDR, group, 0, 0)    /* with the port to send to */        \
	F(T, STR,  interface, 16, 0)

#define MSG_PEERD_PEER(F, T)                                             \
	F(T, U8,   origin, 0, 3)                                         \
	F(T, STR,  name, 32, 0)                                          \
	F(T, STR,  host, 128, 0)   /* address or DNS name */             \
	F(T, U16,  port, 0, 0)                                           \
	F(T, BOOL, has_key, 0, 0)                                        \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, U32,  retry_ms, 0, 0) /* retryInterval */                   \
	F(T, U32,  max_retries, 0, 0) /* 0 without end */

#define MSG_PEERD_FILE(F, T)                                             \
	F(T, U8,   which, 0, 2)

#define MSG_PEERD_DIAL(F, T)                                             \
	F(T, ADDR, addr, 0, 0)                                           \
	F(T, U32,  timeout_ms, 0, 60000)                                 \
	F(T, BOOL, configured, 0, 0) /* an operator wrote this address */

#define MSG_PEERD_DIALED(F, T)                                           \
	F(T, ADDR, local, 0, 0)

#define MSG_PEERD_FAILED(F, T)                                           \
	F(T, STR,  error, 96, 0)

/* Bind this run's Noise key to our identity, unix seconds. */
#define MSG_PEERD_SIGN_NOISE(F, T)                                       \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, U64,  not_before, 0, 0)                                     \
	F(T, U64,  not_after, 0, 0)

/* Our node record: the parent builds the body around this payload. */
#define MSG_PEERD_SIGN_NODE(F, T)                                        \
	F(T, U64,  hlc, 0, 0)                                            \
	F(T, BOOL, leave, 0, 0)    /* tombstone: the node stops */       \
	F(T, BLOB, payload, 0, 768)

#define MSG_PEERD_SIGNED(F, T)                                           \
	F(T, BIN,  sig, 64, 0)

#define MSG_PEERD_RESOLVE(F, T)                                          \
	F(T, U8,   kind, 0, 1)                                           \
	F(T, STR,  name, 128, 0)                                         \
	F(T, U16,  port, 0, 0)     /* where no SRV says another */       \
	F(T, U32,  timeout_ms, 0, 60000)

#define MSG_ADDR_ITEM(F, T)                                              \
	F(T, ADDR, addr, 0, 0)

#define MSG_PEERD_RESOLVED(F, T)                                         \
	F(T, LIST, addrs, addr_item, 32)

/* Addresses of our own interfaces that the policy lets us advertise. */
#define MSG_PEERD_LOCAL(F, T)                                            \
	F(T, LIST, addrs, addr_item, 16)

#define PEERD_MSGS(X)                                                    \
	X(PEERD_CONFIG,     32, MSG_DOWN, PH_ANY,   FD_NONE, peerd_config) \
	X(PEERD_CHARTER,    33, MSG_DOWN, PH_START, FD_NONE, peerd_charter) \
	X(PEERD_NODE,       34, MSG_DOWN, PH_ANY,   FD_NONE, node)       \
	X(PEERD_LISTEN,     35, MSG_DOWN, PH_START, FD_ONE,  peerd_listen) \
	X(PEERD_MULTICAST,  36, MSG_DOWN, PH_START, FD_ONE,  peerd_multicast) \
	X(PEERD_FILE,       37, MSG_DOWN, PH_START, FD_ONE,  peerd_file) \
	X(PEERD_PEER,       38, MSG_DOWN, PH_ANY,   FD_NONE, peerd_peer) \
	X(PEERD_PEERS_END,  39, MSG_DOWN, PH_ANY,   FD_NONE, none)       \
	X(PEERD_LOCAL,      40, MSG_DOWN, PH_ANY,   FD_NONE, peerd_local) \
	X(PEERD_DIAL,       41, MSG_UP,   PH_RUN,   FD_NONE, peerd_dial) \
	X(PEERD_DIALED,     42, MSG_DOWN, PH_RUN,   FD_ONE,  peerd_dialed) \
	X(PEERD_FAILED,     43, MSG_DOWN, PH_RUN,   FD_NONE, peerd_failed) \
	X(PEERD_SIGN_NOISE, 44, MSG_UP,   PH_RUN,   FD_NONE, peerd_sign_noise) \
	X(PEERD_SIGN_NODE,  45, MSG_UP,   PH_RUN,   FD_NONE, peerd_sign_node) \
	X(PEERD_SIGNED,     46, MSG_DOWN, PH_RUN,   FD_NONE, peerd_signed) \
	X(PEERD_RESOLVE,    47, MSG_UP,   PH_RUN,   FD_NONE, peerd_resolve) \
	X(PEERD_RESOLVED,   48, MSG_DOWN, PH_RUN,   FD_NONE, peerd_resolved) \
	X(PEERD_SAVE,       49, MSG_UP,   PH_RUN,   FD_NONE, peerd_file) \
	X(PEERD_SAVE_FD,    50, MSG_DOWN, PH_RUN,   FD_ONE,  peerd_file) \
	X(PEERD_SAVE_DONE,  51, MSG_UP,   PH_RUN,   FD_NONE, peerd_file) \
	X(PEERD_SAVED,      52, MSG_DOWN, PH_RUN,   FD_NONE, peerd_file)

/* Name servers to ask; none: those of the system. */
#define MSG_RESOLVER_CONFIG(F, T)                                        \
	F(T, LIST, servers, addr_item, 4)

/* warrend and its resolver: numbers 32-63 as well. */
#define RESOLVER_MSGS(X)                                                 \
	X(RESOLVER_CONFIG,  35, MSG_DOWN, PH_START, FD_NONE, resolver_config) \
	X(RESOLVER_ASK,     32, MSG_DOWN, PH_RUN,   FD_NONE, peerd_resolve) \
	X(RESOLVER_ANSWER,  33, MSG_UP,   PH_RUN,   FD_NONE, peerd_resolved) \
	X(RESOLVER_FAILED,  34, MSG_UP,   PH_RUN,   FD_NONE, peerd_failed)
/* clang-format on */

enum { PEERD_MSGS(MSG_ENUM) };
enum { RESOLVER_MSGS(MSG_ENUM) };

MSG_DECLARE(peerd_config, MSG_PEERD_CONFIG)
MSG_DECLARE(peerd_charter, MSG_PEERD_CHARTER)
MSG_DECLARE(peerd_listen, MSG_PEERD_LISTEN)
MSG_DECLARE(peerd_multicast, MSG_PEERD_MULTICAST)
MSG_DECLARE(peerd_peer, MSG_PEERD_PEER)
MSG_DECLARE(peerd_file, MSG_PEERD_FILE)
MSG_DECLARE(peerd_dial, MSG_PEERD_DIAL)
MSG_DECLARE(peerd_dialed, MSG_PEERD_DIALED)
MSG_DECLARE(peerd_failed, MSG_PEERD_FAILED)
MSG_DECLARE(peerd_sign_noise, MSG_PEERD_SIGN_NOISE)
MSG_DECLARE(peerd_sign_node, MSG_PEERD_SIGN_NODE)
MSG_DECLARE(peerd_signed, MSG_PEERD_SIGNED)
MSG_DECLARE(peerd_resolve, MSG_PEERD_RESOLVE)
MSG_DECLARE(addr_item, MSG_ADDR_ITEM)
MSG_DECLARE(peerd_resolved, MSG_PEERD_RESOLVED)
MSG_DECLARE(peerd_local, MSG_PEERD_LOCAL)
MSG_DECLARE(resolver_config, MSG_RESOLVER_CONFIG)

extern const struct msg_table msgs_peerd;
extern const struct msg_table msgs_resolver;

#endif
