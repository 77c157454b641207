/* SPDX-License-Identifier: ISC */
/*
 * The control channel: warrenctl asks warrend, and warrend passes on to its
 * children what they know better, in the very same messages.  A request is
 * answered by any number of parts with its id and then one CTL_END.
 * Numbers 100-159 and from 192 on.
 */
#ifndef WARREN_MSG_CTL_H
#define WARREN_MSG_CTL_H

#include "common/msg.h"
#include "common/msg_db.h"
#include "common/view.h"

#define CTL_VERSION 1 /* of this channel; CTL_HELLO tells it */

/* clang-format off */
#define MSG_CTL_HELLO(F, T)                                              \
	F(T, U32,  version, 0, 0)                                        \
	F(T, STR,  software, 16, 0)                                      \
	F(T, BOOL, restricted, 0, 0) /* this socket only shows */

/* How a request ended.  code is a sysexits number, 0 for done. */
#define MSG_CTL_END(F, T)                                                \
	F(T, U8,   code, 0, 0)                                           \
	F(T, STR,  text, 256, 0)

/* A word or two: a peer by name, key or address; a filter. */
#define MSG_CTL_WORD(F, T)                                               \
	F(T, STR,  word, 128, 0)

#define MSG_CTL_PING(F, T)                                               \
	F(T, STR,  peer, 128, 0)                                         \
	F(T, U16,  count, 0, 1000)

#define MSG_CTL_PONG(F, T)                                               \
	F(T, U16,  seq, 0, 0)                                            \
	F(T, N64,  rtt_us, 0, 0) /* null: no answer in time */           \
	F(T, ADDR, addr, 0, 0)

#define MSG_CTL_PEER_ADD(F, T)                                           \
	F(T, STR,  host, 128, 0)   /* name or address */                 \
	F(T, U16,  port, 0, 0)                                           \
	F(T, STR,  key, 65, 0)     /* hex, or empty */                   \
	F(T, STR,  name, 32, 0)                                          \
	F(T, BOOL, pinned, 0, 0)

#define MSG_CTL_BAN(F, T)                                                \
	F(T, STR,  what, 72, 0)    /* key in hex, address or prefix */   \
	F(T, U32,  for_s, 0, 0)    /* 0 for ever */                      \
	F(T, STR,  reason, 64, 0)

#define MSG_CTL_LOG(F, T)                                                \
	F(T, U8,   level, 0, 3)                                          \
	F(T, STR,  process, 24, 0) /* empty: all */                      \
	F(T, U32,  for_s, 0, 0)    /* 0: until changed */

#define MSG_CTL_LINE(F, T)                                               \
	F(T, STR,  text, 512, 0)

/* What status adds to the node itself. */
#define MSG_CTL_STATUS(F, T)                                             \
	F(T, U64,  now, 0, 0)      /* unix ms */                         \
	F(T, U32,  peers_up, 0, 0)                                       \
	F(T, U32,  peers_in, 0, 0)                                       \
	F(T, U32,  peers_known, 0, 0)                                    \
	F(T, U32,  peers_max, 0, 0)                                      \
	F(T, U32,  peers_banned, 0, 0)                                   \
	F(T, U32,  loop_links, 0, 0) /* for loops alone: no peers */     \
	F(T, U32,  dialling, 0, 0)                                       \
	F(T, U64,  bytes_in, 0, 0)                                       \
	F(T, U64,  bytes_out, 0, 0)

/* A health problem with a stable code. */
#define MSG_CTL_PROBLEM(F, T)                                            \
	F(T, STR,  code, 32, 0)                                          \
	F(T, STR,  text, 160, 0)                                         \
	F(T, BOOL, critical, 0, 0)                                       \
	F(T, U64,  since, 0, 0)    /* unix ms */

/* A bad row that db check met. */
#define MSG_CTL_DB_BAD(F, T)                                             \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, STR,  why, 64, 0)

#define MSG_CTL_DB_CHECKED(F, T)                                         \
	F(T, U64,  rows, 0, 0)                                           \
	F(T, U64,  bad, 0, 0)                                            \
	F(T, BOOL, file_good, 0, 0)      /* as SQLite sees it */         \
	F(T, STR,  file_error, 96, 0)                                    \
	F(T, BOOL, root_as_written, 0, 0) /* when the store was opened */

#define MSG_CTL_CHARTER(F, T)                                            \
	F(T, BLOB, charter, 0, 16384)

/* Part of a body, in order, all with one token that the asker made up.  Each
 * part is answered by CTL_END; the last by CTL_BLOCK_ID before it. */
#define MSG_CTL_BLOCK_PUT(F, T)                                          \
	F(T, U64,  token, 0, 0)                                          \
	F(T, U32,  size, 0, 4194304) /* of the whole */                  \
	F(T, U32,  off, 0, 4194304)                                      \
	F(T, BLOB, data, 0, 131072)

/* What there is from off on, as much as fits: answered by CTL_BLOCK_PART. */
#define MSG_CTL_BLOCK_GET(F, T)                                          \
	F(T, BIN,  id, 32, 0)                                            \
	F(T, BOOL, fetch, 0, 0)     /* from other holders, if need be */ \
	F(T, U32,  off, 0, 4194304)

#define MSG_CTL_BLOCK_PART(F, T)                                         \
	F(T, U32,  size, 0, 4194304) /* of the whole */                  \
	F(T, U32,  off, 0, 4194304)                                      \
	F(T, BLOB, data, 0, 131072)

/* What there is a list of. */
enum ctl_list { CTL_LIST_BODIES, CTL_LIST_EVIDENCE };

/* One page: answered by CTL_BODIES, or by some CTL_EVIDENCE. */
#define MSG_CTL_LIST(F, T)                                               \
	F(T, U8,   what, 0, CTL_LIST_EVIDENCE)                           \
	F(T, U64,  after, 0, 0)     /* .at of the last; bodies: not 0 */ \
	F(T, BIN,  id, 32, 0)       /* bodies: behind this one, then */

#define MSG_CTL_BODY(F, T)                                               \
	F(T, BIN,  id, 32, 0)                                            \
	F(T, U32,  size, 0, 0)                                           \
	F(T, U64,  since, 0, 0)     /* unix ms */                        \
	F(T, U64,  last, 0, 0)      /* read, unix ms; 0: never */        \
	F(T, I32,  weight, 0, 0)    /* as this node said how warm it is */

#define MSG_CTL_BODIES(F, T)                                             \
	F(T, LIST, bodies, ctl_body, 256)                                \
	F(T, BOOL, more, 0, 0)

/* Two records of one author, key and stamp: the one held, and the other. */
#define MSG_CTL_EVIDENCE(F, T)                                           \
	F(T, U64,  at, 0, 0)                                             \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, BIN,  author, 32, 0)                                        \
	F(T, U64,  hlc, 0, 0)                                            \
	F(T, U64,  seen, 0, 0)      /* unix ms */                        \
	F(T, BLOB, a, 0, 8192)                                           \
	F(T, BLOB, b, 0, 8192)

/* The descriptor is a plain file to be filled with a tar archive. */
#define MSG_CTL_BACKUP(F, T)                                             \
	F(T, BOOL, bodies, 0, 0)   /* block bodies too */

/* Counters of one process by their names in metrics.h, in parts. */
#define MSG_CTL_METRICS(F, T)                                            \
	F(T, STR,  process, 24, 0)                                       \
	F(T, LIST, items, stat, 64)

/* An app of the configuration, as warrend runs it. */
#define MSG_CTL_APP(F, T)                                                \
	F(T, STR,  name, 33, 0)                                          \
	F(T, STR,  version, 33, 0)                                       \
	F(T, U16,  port, 0, 0)                                           \
	F(T, STR,  state, 12, 0)   /* running, stopped, ... */           \
	F(T, STR,  user, 33, 0)                                          \
	F(T, U32,  pid, 0, 0)                                            \
	F(T, U32,  restarts, 0, 0)                                       \
	F(T, U64,  uptime_s, 0, 0)                                       \
	F(T, BOOL, autostart, 0, 0)                                      \
	F(T, STR,  restart, 12, 0) /* never, on-failure, always */       \
	F(T, STR,  last, 160, 0)   /* how it ended last */

/* An app connected to appd. */
#define MSG_CTL_APP_CONN(F, T)                                           \
	F(T, STR,  name, 33, 0)                                          \
	F(T, U32,  pid, 0, 0)                                            \
	F(T, BOOL, by_hand, 0, 0)                                        \
	F(T, BOOL, ready, 0, 0)    /* it said Init */                    \
	F(T, U16,  port, 0, 0)                                           \
	F(T, U32,  loops, 0, 0)                                          \
	F(T, U64,  bytes_in, 0, 0)                                       \
	F(T, U64,  bytes_out, 0, 0)                                      \
	F(T, U64,  refused, 0, 0)                                        \
	F(T, U64,  age_s, 0, 0)

/* One end of a loop. */
#define MSG_CTL_LOOP(F, T)                                               \
	F(T, U32,  loop, 0, 0)     /* appd's and peerd's name, 0 local */ \
	F(T, STR,  app, 33, 0)                                           \
	F(T, STR,  state, 12, 0)                                         \
	F(T, U16,  port, 0, 0)                                           \
	F(T, BIN,  node, 32, 0)                                          \
	F(T, U16,  remote_port, 0, 0)                                    \
	F(T, BOOL, local, 0, 0)                                          \
	F(T, BOOL, relayed, 0, 0)                                        \
	F(T, U64,  bytes_in, 0, 0) /* from the app */                    \
	F(T, U64,  bytes_out, 0, 0)                                      \
	F(T, U64,  waiting, 0, 0)                                        \
	F(T, U64,  age_s, 0, 0)

/* How a loop of peerd's reaches its other end; appd knows the rest. */
#define MSG_CTL_LOOP_PATH(F, T)                                          \
	F(T, U32,  loop, 0, 0)     /* its id between appd and peerd */   \
	F(T, BIN,  node, 32, 0)                                          \
	F(T, N64,  rtt_us, 0, 0)   /* of the link it is on */            \
	F(T, BOOL, relayed, 0, 0)                                        \
	F(T, BIN,  via, 32, 0)     /* the first relay, or zero */

/* How often a relay refused, by one reason. */
#define MSG_CTL_REFUSALS(F, T)                                           \
	F(T, STR,  reason, 48, 0)                                        \
	F(T, U64,  count, 0, 0)

/* What this node may relay for others, and what came of it. */
#define MSG_CTL_RELAY(F, T)                                              \
	F(T, BOOL, enabled, 0, 0)                                        \
	F(T, U16,  max_circuits, 0, 0)                                   \
	F(T, U16,  max_circuits_per_peer, 0, 0)                          \
	F(T, U16,  max_reservations, 0, 0)                               \
	F(T, U64,  reservation_bytes, 0, 0)                              \
	F(T, U32,  reservation_s, 0, 0)                                  \
	F(T, U64,  unreserved_bytes, 0, 0)                               \
	F(T, U32,  unreserved_s, 0, 0)                                   \
	F(T, U64,  bytes, 0, 0)    /* from here on: since the start */   \
	F(T, U64,  opened, 0, 0)                                         \
	F(T, U64,  reserved, 0, 0)                                       \
	F(T, U64,  cut, 0, 0)      /* circuits that met their limit */   \
	F(T, U64,  refused, 0, 0)                                        \
	F(T, LIST, refusals, ctl_refusals, 16)                           \
	F(T, STR,  reserve, 5, 0)  /* for us: auto, yes, no */           \
	F(T, BOOL, reserving, 0, 0) /* that is, now */

/* Somebody has reserved here. */
#define MSG_CTL_RELAY_RES(F, T)                                          \
	F(T, BIN,  node, 32, 0)                                          \
	F(T, U64,  bytes_left, 0, 0)                                     \
	F(T, U64,  seconds_left, 0, 0)                                   \
	F(T, U32,  circuits, 0, 0)

/* A circuit we carry; what is left is of the reservation, if it has one. */
#define MSG_CTL_RELAY_CIRCUIT(F, T)                                      \
	F(T, BIN,  from, 32, 0)                                          \
	F(T, BIN,  to, 32, 0)                                            \
	F(T, U64,  bytes_from, 0, 0)                                     \
	F(T, U64,  bytes_to, 0, 0)                                       \
	F(T, U64,  age_s, 0, 0)                                          \
	F(T, BOOL, reserved, 0, 0)                                       \
	F(T, U64,  bytes_left, 0, 0)                                     \
	F(T, U64,  seconds_left, 0, 0)

/* We have reserved there, or have asked to. */
#define MSG_CTL_RELAY_OWN(F, T)                                          \
	F(T, BIN,  node, 32, 0)                                          \
	F(T, BOOL, granted, 0, 0)                                        \
	F(T, N64,  bytes_left, 0, 0) /* as it said last */               \
	F(T, N64,  said_s, 0, 0)   /* ago */                             \
	F(T, N64,  seconds_left, 0, 0)

/* A circuit that ends here. */
#define MSG_CTL_RELAY_LINK(F, T)                                         \
	F(T, BIN,  via, 32, 0)     /* the first relay */                 \
	F(T, BIN,  node, 32, 0)    /* zero: not known yet */             \
	F(T, BOOL, up, 0, 0)       /* the handshake over it is done */   \
	F(T, BOOL, inbound, 0, 0)                                        \
	F(T, U64,  bytes_in, 0, 0)                                       \
	F(T, U64,  bytes_out, 0, 0)                                      \
	F(T, U64,  age_s, 0, 0)                                          \
	F(T, U32,  loops, 0, 0)                                          \
	F(T, BOOL, direct, 0, 0)   /* there is a direct link besides */  \
	F(T, U32,  tries, 0, 0)    /* at one */                          \
	F(T, N64,  next_s, 0, 0)                                         \
	F(T, STR,  error, 64, 0)   /* of the last one */

#define CTL_MSGS(X)                                                      \
	X(CTL_HELLO,        100, MSG_UP,   PH_ANY, FD_NONE, ctl_hello)   \
	X(CTL_END,          101, MSG_UP,   PH_ANY, FD_NONE, ctl_end)     \
	X(CTL_SHOW_STATUS,  102, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_PEERS,   103, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_SHOW_PEER,    104, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_SHOW_STUN,    105, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_LISTENERS, 106, MSG_DOWN, PH_ANY, FD_NONE, none)      \
	X(CTL_SHOW_PROCESSES, 107, MSG_DOWN, PH_ANY, FD_NONE, none)      \
	X(CTL_SHOW_LIMITS,  108, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_CONFIG,  109, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_BANS,    110, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_LIST,         111, MSG_DOWN, PH_ANY, FD_NONE, ctl_list)    \
	X(CTL_CHECK,        112, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_NETCHECK,     113, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_PING,         114, MSG_DOWN, PH_ANY, FD_NONE, ctl_ping)    \
	X(CTL_PEER_ADD,     115, MSG_DOWN, PH_ANY, FD_NONE, ctl_peer_add) \
	X(CTL_PEER_DELETE,  116, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_PEER_CONNECT, 117, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_PEER_DISCONNECT, 118, MSG_DOWN, PH_ANY, FD_NONE, ctl_word) \
	X(CTL_BAN_ADD,      119, MSG_DOWN, PH_ANY, FD_NONE, ctl_ban)     \
	X(CTL_BAN_DELETE,   120, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_RELOAD,       121, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_LOG,          122, MSG_DOWN, PH_ANY, FD_NONE, ctl_log)     \
	X(CTL_MONITOR,      123, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_SHOW_KEY,     124, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_DB,      125, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_DB_CHECK,     126, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_DB_COMPACT,   127, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_CHARTER, 128, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_BACKUP,       129, MSG_DOWN, PH_ANY, FD_ONE,  ctl_backup)  \
	X(CTL_DB_PUT,       144, MSG_DOWN, PH_ANY, FD_NONE, db_put)      \
	X(CTL_DB_GET,       145, MSG_DOWN, PH_ANY, FD_NONE, db_get)      \
	X(CTL_DB_LIST,      146, MSG_DOWN, PH_ANY, FD_NONE, db_list)     \
	X(CTL_DB_PROVE,     147, MSG_DOWN, PH_ANY, FD_NONE, db_prove)    \
	X(CTL_NODE,         130, MSG_UP,   PH_ANY, FD_NONE, node)        \
	X(CTL_STATUS,       131, MSG_UP,   PH_ANY, FD_NONE, ctl_status)  \
	X(CTL_PROBLEM,      132, MSG_UP,   PH_ANY, FD_NONE, ctl_problem) \
	X(CTL_PEER,         133, MSG_UP,   PH_ANY, FD_NONE, peer)        \
	X(CTL_STUN,         134, MSG_UP,   PH_ANY, FD_NONE, stun_view)   \
	X(CTL_PROCESS,      135, MSG_UP,   PH_ANY, FD_NONE, process)     \
	X(CTL_LIMIT,        136, MSG_UP,   PH_ANY, FD_NONE, limit)       \
	X(CTL_LINE,         137, MSG_UP,   PH_ANY, FD_NONE, ctl_line)    \
	X(CTL_BANNED,       138, MSG_UP,   PH_ANY, FD_NONE, banned)      \
	X(CTL_PONG,         139, MSG_UP,   PH_ANY, FD_NONE, ctl_pong)    \
	X(CTL_EVENT,        140, MSG_UP,   PH_ANY, FD_NONE, event)       \
	X(CTL_REQUESTER,    141, MSG_UP,   PH_ANY, FD_NONE, requester)   \
	X(CTL_DB,           142, MSG_UP,   PH_ANY, FD_NONE, db_state)    \
	X(CTL_DB_BAD,       143, MSG_UP,   PH_ANY, FD_NONE, ctl_db_bad)  \
	X(CTL_DB_CHECKED,   148, MSG_UP,   PH_ANY, FD_NONE, ctl_db_checked) \
	X(CTL_DB_PUT_DONE,  149, MSG_UP,   PH_ANY, FD_NONE, db_put_done) \
	X(CTL_DB_RECORDS,   151, MSG_UP,   PH_ANY, FD_NONE, db_records)  \
	X(CTL_DB_PROVED,    152, MSG_UP,   PH_ANY, FD_NONE, db_proved)   \
	X(CTL_CHARTER,      153, MSG_UP,   PH_ANY, FD_NONE, ctl_charter) \
	X(CTL_BLOCK_PUT,    154, MSG_DOWN, PH_ANY, FD_NONE, ctl_block_put) \
	X(CTL_BLOCK_GET,    155, MSG_DOWN, PH_ANY, FD_NONE, ctl_block_get) \
	X(CTL_BLOCK_ID,     156, MSG_UP,   PH_ANY, FD_NONE, db_id)       \
	X(CTL_BLOCK_PART,   157, MSG_UP,   PH_ANY, FD_NONE, ctl_block_part) \
	X(CTL_SHOW_METRICS, 203, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_METRICS,      204, MSG_UP,   PH_ANY, FD_NONE, ctl_metrics) \
	X(CTL_SHOW_APPS,    194, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_SHOW_LOOPS,   195, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_APP_START,    196, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_APP_STOP,     197, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_APP_RESTART,  198, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_APP_LOG,      199, MSG_DOWN, PH_ANY, FD_NONE, ctl_word)    \
	X(CTL_APP,          200, MSG_UP,   PH_ANY, FD_NONE, ctl_app)     \
	X(CTL_APP_CONN,     201, MSG_UP,   PH_ANY, FD_NONE, ctl_app_conn) \
	X(CTL_LOOP,         202, MSG_UP,   PH_ANY, FD_NONE, ctl_loop)    \
	X(CTL_SHOW_LOOP_PATHS, 192, MSG_DOWN, PH_ANY, FD_NONE, none)     \
	X(CTL_LOOP_PATH,    193, MSG_UP,   PH_ANY, FD_NONE, ctl_loop_path) \
	X(CTL_SHOW_RELAY,   205, MSG_DOWN, PH_ANY, FD_NONE, none)        \
	X(CTL_RELAY,        206, MSG_UP,   PH_ANY, FD_NONE, ctl_relay)   \
	X(CTL_RELAY_RES,    207, MSG_UP,   PH_ANY, FD_NONE, ctl_relay_res) \
	X(CTL_RELAY_CIRCUIT, 208, MSG_UP,  PH_ANY, FD_NONE, ctl_relay_circuit) \
	X(CTL_RELAY_OWN,    209, MSG_UP,   PH_ANY, FD_NONE, ctl_relay_own) \
	X(CTL_RELAY_LINK,   210, MSG_UP,   PH_ANY, FD_NONE, ctl_relay_link) \
	X(CTL_BODIES,       158, MSG_UP,   PH_ANY, FD_NONE, ctl_bodies)  \
	X(CTL_EVIDENCE,     159, MSG_UP,   PH_ANY, FD_NONE, ctl_evidence) \
	CTL_MSGS_ATTACK(X)

/* One address that asked our STUN server. */
#define MSG_REQUESTER(F, T)                                              \
	F(T, ADDR, addr, 0, 0)                                           \
	F(T, U8,   proto, 0, 1)                                          \
	F(T, U64,  first, 0, 0)    /* unix ms */                         \
	F(T, U64,  last, 0, 0)                                           \
	F(T, U64,  count, 0, 0)                                          \
	F(T, BOOL, authenticated, 0, 0)                                  \
	F(T, BIN,  peer, 32, 0)    /* zero unless authenticated */

#define MSG_CTL_ATTACK(F, T)                                             \
	F(T, STR,  process, 24, 0)                                       \
	F(T, U8,   what, 0, 0)

#ifdef WARREN_ATTACK
#define CTL_MSGS_ATTACK(X)                                               \
	X(CTL_ATTACK,       150, MSG_DOWN, PH_ANY, FD_NONE, ctl_attack)
#else
#define CTL_MSGS_ATTACK(X)
#endif
/* clang-format on */

enum { CTL_MSGS(MSG_ENUM) };

MSG_DECLARE(ctl_hello, MSG_CTL_HELLO)
MSG_DECLARE(ctl_end, MSG_CTL_END)
MSG_DECLARE(ctl_word, MSG_CTL_WORD)
MSG_DECLARE(ctl_ping, MSG_CTL_PING)
MSG_DECLARE(ctl_pong, MSG_CTL_PONG)
MSG_DECLARE(ctl_peer_add, MSG_CTL_PEER_ADD)
MSG_DECLARE(ctl_ban, MSG_CTL_BAN)
MSG_DECLARE(ctl_log, MSG_CTL_LOG)
MSG_DECLARE(ctl_line, MSG_CTL_LINE)
MSG_DECLARE(ctl_status, MSG_CTL_STATUS)
MSG_DECLARE(ctl_problem, MSG_CTL_PROBLEM)
MSG_DECLARE(requester, MSG_REQUESTER)
MSG_DECLARE(ctl_attack, MSG_CTL_ATTACK)
MSG_DECLARE(ctl_db_bad, MSG_CTL_DB_BAD)
MSG_DECLARE(ctl_db_checked, MSG_CTL_DB_CHECKED)
MSG_DECLARE(ctl_charter, MSG_CTL_CHARTER)
MSG_DECLARE(ctl_block_put, MSG_CTL_BLOCK_PUT)
MSG_DECLARE(ctl_block_get, MSG_CTL_BLOCK_GET)
MSG_DECLARE(ctl_block_part, MSG_CTL_BLOCK_PART)
MSG_DECLARE(ctl_backup, MSG_CTL_BACKUP)
MSG_DECLARE(ctl_metrics, MSG_CTL_METRICS)
MSG_DECLARE(ctl_app, MSG_CTL_APP)
MSG_DECLARE(ctl_app_conn, MSG_CTL_APP_CONN)
MSG_DECLARE(ctl_loop, MSG_CTL_LOOP)
MSG_DECLARE(ctl_loop_path, MSG_CTL_LOOP_PATH)
MSG_DECLARE(ctl_refusals, MSG_CTL_REFUSALS)
MSG_DECLARE(ctl_relay, MSG_CTL_RELAY)
MSG_DECLARE(ctl_relay_res, MSG_CTL_RELAY_RES)
MSG_DECLARE(ctl_relay_circuit, MSG_CTL_RELAY_CIRCUIT)
MSG_DECLARE(ctl_relay_own, MSG_CTL_RELAY_OWN)
MSG_DECLARE(ctl_relay_link, MSG_CTL_RELAY_LINK)
MSG_DECLARE(ctl_list, MSG_CTL_LIST)
MSG_DECLARE(ctl_body, MSG_CTL_BODY)
MSG_DECLARE(ctl_bodies, MSG_CTL_BODIES)
MSG_DECLARE(ctl_evidence, MSG_CTL_EVIDENCE)

extern const struct msg_table msgs_ctl;

#endif
