/* SPDX-License-Identifier: ISC */
/*
 * Channels between children, made by the parent and handed out by
 * PROC_CHANNEL or PROC_PIPES.  The first-named is the upper end.  After a
 * channel is new, the end that knows something says all of it again: nothing
 * of an earlier channel counts.
 */
#ifndef WARREN_MSG_SIBLINGS_H
#define WARREN_MSG_SIBLINGS_H

#include "common/msg.h"
#include "common/view.h"

/* clang-format off */

/* peerd (upper) and stund: numbers 1-31. */

/* A peer is linked; its STUN server answers at these ports of its host. */
#define MSG_SP_PEER_UP(F, T)                                             \
	F(T, BIN,  peer, 32, 0)                                          \
	F(T, ADDR, link, 0, 0)      /* where the link comes from or goes */ \
	F(T, ADDR, stun_udp, 0, 0)  /* or none */                        \
	F(T, ADDR, stun_tcp, 0, 0)                                       \
	F(T, BOOL, outbound, 0, 0)  /* we dialled it */

#define MSG_SP_PEER_DOWN(F, T)                                           \
	F(T, BIN,  peer, 32, 0)

#define PEERD_STUND_MSGS(X)                                              \
	X(SP_PEER_UP,    1, MSG_DOWN, PH_ANY, FD_NONE, sp_peer_up)       \
	X(SP_PEER_DOWN,  2, MSG_DOWN, PH_ANY, FD_NONE, sp_peer_down)     \
	X(SP_STUN,       3, MSG_UP,   PH_ANY, FD_NONE, stun_view)

/* stund (upper) and apid: numbers 1-31. */
#define STUND_APID_MSGS(X)                                               \
	X(SA_STUN,       1, MSG_DOWN, PH_ANY, FD_NONE, stun_view)

/* peerd (upper) and apid: numbers 1-31.  All peers, then changes. */
#define MSG_PA_GONE(F, T)                                                \
	F(T, BIN,  id, 32, 0)

#define MSG_PA_TOTALS(F, T)                                              \
	F(T, U32,  peers_up, 0, 0)                                       \
	F(T, U32,  peers_known, 0, 0)                                    \
	F(T, U64,  bytes_in, 0, 0)                                       \
	F(T, U64,  bytes_out, 0, 0)

#define PEERD_APID_MSGS(X)                                               \
	X(PA_PEER,       1, MSG_DOWN, PH_ANY, FD_NONE, peer)             \
	X(PA_GONE,       2, MSG_DOWN, PH_ANY, FD_NONE, pa_gone)          \
	X(PA_TOTALS,     3, MSG_DOWN, PH_ANY, FD_NONE, pa_totals)
/* clang-format on */

enum { PEERD_STUND_MSGS(MSG_ENUM) };
enum { STUND_APID_MSGS(MSG_ENUM) };
enum { PEERD_APID_MSGS(MSG_ENUM) };

MSG_DECLARE(sp_peer_up, MSG_SP_PEER_UP)
MSG_DECLARE(sp_peer_down, MSG_SP_PEER_DOWN)
MSG_DECLARE(pa_gone, MSG_PA_GONE)
MSG_DECLARE(pa_totals, MSG_PA_TOTALS)

extern const struct msg_table msgs_peerd_stund;
extern const struct msg_table msgs_stund_apid;
extern const struct msg_table msgs_peerd_apid;

#endif
