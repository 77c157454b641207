/* SPDX-License-Identifier: ISC */
/*
 * warrend and an apid worker.  Numbers 64-95.
 */
#ifndef WARREN_MSG_APID_H
#define WARREN_MSG_APID_H

#include "common/msg.h"
#include "common/view.h"

/* clang-format off */
#define MSG_APID_CONFIG(F, T)                                            \
	F(T, U8,   workers, 0, 64)       /* that share the limits */     \
	F(T, U32,  conns_max, 0, 0)      /* of this worker */            \
	F(T, U32,  conns_per_prefix, 0, 0)                               \
	F(T, U32,  header_max, 0, 65536) /* bytes */                     \
	F(T, U32,  body_max, 0, 6291456)                                 \
	F(T, U32,  batch_max, 0, 1000)   /* JSON-RPC requests in one */  \
	F(T, U32,  header_ms, 0, 0)      /* from first byte to end of head */ \
	F(T, U32,  body_ms, 0, 0)                                        \
	F(T, U32,  idle_ms, 0, 0)        /* kept-alive and silent */     \
	F(T, U32,  window_ms, 0, 0)                                      \
	F(T, U32,  max_requests, 0, 0)   /* in a window, 0 any */        \
	F(T, U32,  blacklist_threshold, 0, 0) /* violated windows */     \
	F(T, U32,  blacklist_ms, 0, 0)                                   \
	F(T, STR,  allow_origin, 128, 0) /* "*" or one origin, empty: none */ \
	F(T, BOOL, test_echo, 0, 0)

/* A listening socket. */
#define MSG_APID_LISTEN(F, T)                                            \
	F(T, U8,   service, 0, 15)       /* SVC_HTTP, SVC_METRICS */     \
	F(T, ADDR, addr, 0, 0)

/* A worker blacklisted a prefix; the parent tells all the others. */
#define MSG_APID_BAN(F, T)                                               \
	F(T, ADDR, prefix, 0, 0)                                         \
	F(T, U64,  until, 0, 0)          /* unix ms */

/* Counters of one process, for /metrics. */
#define MSG_APID_STATS(F, T)                                             \
	F(T, STR,  process, 24, 0)                                       \
	F(T, LIST, items, stat, 64)

#define APID_MSGS(X)                                                     \
	X(APID_CONFIG,    64, MSG_DOWN, PH_ANY,   FD_NONE, apid_config)  \
	X(APID_LISTEN,    65, MSG_DOWN, PH_START, FD_ONE,  apid_listen)  \
	X(APID_NODE,      66, MSG_DOWN, PH_ANY,   FD_NONE, node)         \
	X(APID_BAN,       67, MSG_BOTH, PH_RUN,   FD_NONE, apid_ban)     \
	X(APID_STATS_GET, 68, MSG_UP,   PH_RUN,   FD_NONE, none)         \
	X(APID_STATS,     69, MSG_DOWN, PH_RUN,   FD_NONE, apid_stats)   \
	X(APID_STATS_END, 70, MSG_DOWN, PH_RUN,   FD_NONE, none)
/* clang-format on */

enum { APID_MSGS(MSG_ENUM) };

MSG_DECLARE(apid_config, MSG_APID_CONFIG)
MSG_DECLARE(apid_listen, MSG_APID_LISTEN)
MSG_DECLARE(apid_ban, MSG_APID_BAN)
MSG_DECLARE(apid_stats, MSG_APID_STATS)

extern const struct msg_table msgs_apid;

#endif
