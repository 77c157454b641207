/* SPDX-License-Identifier: ISC */
/*
 * warrend and stund.  Numbers 32-63.
 *
 *	warrend                                        stund
 *	  STUND_CONFIG, STUND_LISTEN+fd  -------------->
 *	  STUND_SOCKET+fd (kept ones, before PROC_GO) ->
 *	        <------------ STUND_SOCKET_GET        a client socket, connected
 *	  STUND_SOCKET+fd or STUND_SOCKET_FAIL -------->   (same id)
 *	        <------------ STUND_SOCKET_DROP       close the kept copy
 */
#ifndef WARREN_MSG_STUND_H
#define WARREN_MSG_STUND_H

#include "common/msg.h"

/* clang-format off */
#define MSG_STUND_CONFIG(F, T)                                           \
	F(T, U32,  keepalive_ms, 0, 600000) /* base; up to a quarter more */ \
	F(T, BOOL, tcp, 0, 0)          /* hold TCP mappings too */       \
	F(T, U16,  clients_max, 0, 64) /* peers asked at a time */       \
	F(T, U32,  rate, 0, 0)         /* answers/s per prefix, 0 any */ \
	F(T, U32,  burst, 0, 0)                                          \
	F(T, U32,  global_rate, 0, 0)  /* answers/s in all, 0 any */     \
	F(T, U32,  tcp_conns_max, 0, 65536)                              \
	F(T, U32,  tcp_idle_ms, 0, 0)  /* silent server connections end */ \
	F(T, U32,  requesters_max, 0, 256)

/* A bound server socket: UDP, or TCP listening. */
#define MSG_STUND_LISTEN(F, T)                                           \
	F(T, U8,   proto, 0, 1)                                          \
	F(T, ADDR, addr, 0, 0)                                           \
	F(T, BOOL, loopback, 0, 0)     /* bound to loopback */

/* Ask for a client socket from the reserved port to a peer's server. */
#define MSG_STUND_SOCKET_GET(F, T)                                       \
	F(T, BIN,  peer, 32, 0)                                          \
	F(T, U8,   proto, 0, 1)                                          \
	F(T, ADDR, server, 0, 0)

#define MSG_STUND_SOCKET(F, T)                                           \
	F(T, BIN,  peer, 32, 0)                                          \
	F(T, U8,   proto, 0, 1)                                          \
	F(T, ADDR, server, 0, 0)                                         \
	F(T, ADDR, local, 0, 0)                                          \
	F(T, BOOL, kept, 0, 0)         /* from an earlier life of stund */

#define MSG_STUND_SOCKET_FAIL(F, T)                                      \
	F(T, BIN,  peer, 32, 0)                                          \
	F(T, U8,   proto, 0, 1)                                          \
	F(T, STR,  error, 64, 0)

#define MSG_STUND_SOCKET_DROP(F, T)                                      \
	F(T, BIN,  peer, 32, 0)                                          \
	F(T, U8,   proto, 0, 1)

#define STUND_MSGS(X)                                                    \
	X(STUND_CONFIG,      32, MSG_DOWN, PH_ANY,   FD_NONE, stund_config) \
	X(STUND_LISTEN,      33, MSG_DOWN, PH_START, FD_ONE,  stund_listen) \
	X(STUND_SOCKET_GET,  34, MSG_UP,   PH_RUN,   FD_NONE, stund_socket_get) \
	X(STUND_SOCKET,      35, MSG_DOWN, PH_ANY,   FD_ONE,  stund_socket) \
	X(STUND_SOCKET_FAIL, 36, MSG_DOWN, PH_RUN,   FD_NONE, stund_socket_fail) \
	X(STUND_SOCKET_DROP, 37, MSG_UP,   PH_RUN,   FD_NONE, stund_socket_drop)
/* clang-format on */

enum { STUND_MSGS(MSG_ENUM) };

MSG_DECLARE(stund_config, MSG_STUND_CONFIG)
MSG_DECLARE(stund_listen, MSG_STUND_LISTEN)
MSG_DECLARE(stund_socket_get, MSG_STUND_SOCKET_GET)
MSG_DECLARE(stund_socket, MSG_STUND_SOCKET)
MSG_DECLARE(stund_socket_fail, MSG_STUND_SOCKET_FAIL)
MSG_DECLARE(stund_socket_drop, MSG_STUND_SOCKET_DROP)

extern const struct msg_table msgs_stund;

#endif
