/* SPDX-License-Identifier: ISC */
/*
 * Everything appd hears and says: warrend's settings and pipes, and the loops
 * that peerd carries to other nodes.
 *
 *	warrend (170-189)                              appd
 *	  APPD_CONFIG, APPD_APP .., APPD_APPS_END, APPD_LISTEN+fd ------>
 *	  APPD_PIPES+2 fds   an app was launched ----------------------->
 *	  APPD_GONE          it ended, or must ------------------------->
 *
 *	appd (lower)                                   peerd (upper), 1-31
 *	  LOOP_OPEN  ------------------->   answered by exactly one of
 *	        <------------ LOOP_OPENED, LOOP_REFUSED
 *	        <------------ LOOP_OFFER    answered by exactly one of
 *	  LOOP_ACCEPT, LOOP_REFUSED ---->
 *	  LOOP_DATA  <----------------->    within the credit given
 *	  LOOP_GRANT <----------------->    so many bytes more
 *	  LOOP_CLOSE <----------------->    nothing follows it
 *
 * A loop goes by the id of its messages: appd mints those of LOOP_OPEN, below
 * LOOP_OURS; peerd those of LOOP_OFFER, from LOOP_OURS up.  An id is free
 * again once LOOP_REFUSED has come or LOOP_CLOSE has gone both ways: each end
 * answers the first LOOP_CLOSE with one of its own.  Credit: bytes of payload;
 * at the start peerd may send what LOOP_OPEN or LOOP_ACCEPT said, and appd
 * LOOP_HOP_WINDOW.
 */
#ifndef WARREN_MSG_APPD_H
#define WARREN_MSG_APPD_H

#include "common/msg.h"

#define LOOP_OURS       0x80000000u
#define LOOP_DATA_MAX   49152  /* bytes of payload in one LOOP_DATA */
#define LOOP_HOP_WINDOW 131072 /* what peerd takes of a loop unasked */
#define LOOP_TEXT       128    /* why a loop was refused, with its NUL */

/* Why a loop ended, in LOOP_CLOSE and on the wire between nodes. */
enum loop_end {
	LOOP_END_CLOSED = 0, /* an app closed it, or ended */
	LOOP_END_LOST = 1,   /* the link to the other node is gone */
	LOOP_END_LIMIT = 2,  /* a relay's limit is reached */
	LOOP_END_ERROR = 3,  /* the other node broke the protocol */
	LOOP_ENDS
};

/* clang-format off */
#define MSG_APPD_CONFIG(F, T)                                            \
	F(T, BIN,  id, 32, 0)           /* this node */                  \
	F(T, U16,  conns_max, 0, 0)   /* apps connected at a time */   \
	F(T, U16,  loops_max, 0, 0)     /* of all apps */                \
	F(T, U16,  loops_per_app, 0, 0)                                  \
	F(T, U32,  window, 0, 0)        /* bytes a loop may have on its way to us, at first */ \
	F(T, U32,  window_max, 0, 0)    /* and where it grows to */      \
	F(T, U32,  app_bytes, 0, 0)     /* of windows of one app together */ \
	F(T, U32,  confirm_ms, 0, 0)    /* an app takes so long to confirm */

/* An app of the configuration; slot is its place there. */
#define MSG_APPD_APP(F, T)                                               \
	F(T, U8,   slot, 0, 0)                                           \
	F(T, STR,  name, 33, 0)                                          \
	F(T, STR,  version, 33, 0)                                       \
	F(T, U16,  port, 0, 0)          /* 0: dynamic ones only */       \
	F(T, BOOL, by_hand, 0, 0)       /* may come by the socket */     \
	F(T, U32,  uid, 0, 0)           /* as this user */

/* fd0: appd reads from the app, fd1: it writes to it. */
#define MSG_APPD_PIPES(F, T)                                             \
	F(T, U8,   slot, 0, 0)                                           \
	F(T, U32,  instance, 0, 0)      /* of this launch; never 0 */    \
	F(T, U32,  pid, 0, 0)

#define MSG_APPD_GONE(F, T)                                              \
	F(T, U32,  instance, 0, 0)

#define MSG_LOOP_OPEN(F, T)                                              \
	F(T, BIN,  node, 32, 0)                                          \
	F(T, U16,  port, 0, 0)          /* there */                      \
	F(T, U16,  from, 0, 0)          /* ours */                       \
	F(T, U32,  window, 0, 0)        /* bytes they may send at first */

#define MSG_LOOP_OPENED(F, T)                                            \
	F(T, BOOL, relayed, 0, 0)

#define MSG_LOOP_REFUSED(F, T)                                           \
	F(T, STR,  text, LOOP_TEXT, 0)  /* as the app shall read it */

#define MSG_LOOP_OFFER(F, T)                                             \
	F(T, BIN,  node, 32, 0)         /* authenticated */              \
	F(T, U16,  from, 0, 0)          /* its port there */             \
	F(T, U16,  port, 0, 0)          /* ours */                       \
	F(T, BOOL, relayed, 0, 0)

#define MSG_LOOP_ACCEPT(F, T)                                            \
	F(T, U32,  window, 0, 0)        /* as in LOOP_OPEN */

#define MSG_LOOP_DATA(F, T)                                              \
	F(T, BLOB, data, 0, LOOP_DATA_MAX)

#define MSG_LOOP_GRANT(F, T)                                             \
	F(T, U32,  n, 0, 0)

#define MSG_LOOP_CLOSE(F, T)                                             \
	F(T, U8,   why, 0, LOOP_ENDS - 1)

#define APPD_MSGS(X)                                                     \
	X(APPD_CONFIG,   170, MSG_DOWN, PH_ANY,   FD_NONE, appd_config)  \
	X(APPD_APP,      171, MSG_DOWN, PH_ANY,   FD_NONE, appd_app)     \
	X(APPD_APPS_END, 172, MSG_DOWN, PH_ANY,   FD_NONE, none)         \
	X(APPD_LISTEN,   173, MSG_DOWN, PH_START, FD_ONE,  none)         \
	X(APPD_PIPES,    174, MSG_DOWN, PH_RUN,   FD_TWO,  appd_pipes)   \
	X(APPD_GONE,     175, MSG_DOWN, PH_RUN,   FD_NONE, appd_gone)

#define PEERD_APPD_MSGS(X)                                               \
	X(LOOP_OPEN,     1, MSG_UP,   PH_ANY, FD_NONE, loop_open)        \
	X(LOOP_OPENED,   2, MSG_DOWN, PH_ANY, FD_NONE, loop_opened)      \
	X(LOOP_OFFER,    3, MSG_DOWN, PH_ANY, FD_NONE, loop_offer)       \
	X(LOOP_ACCEPT,   4, MSG_UP,   PH_ANY, FD_NONE, loop_accept)      \
	X(LOOP_REFUSED,  5, MSG_BOTH, PH_ANY, FD_NONE, loop_refused)     \
	X(LOOP_DATA,     6, MSG_BOTH, PH_ANY, FD_NONE, loop_data)        \
	X(LOOP_GRANT,    7, MSG_BOTH, PH_ANY, FD_NONE, loop_grant)       \
	X(LOOP_CLOSE,    8, MSG_BOTH, PH_ANY, FD_NONE, loop_close)
/* clang-format on */

enum { APPD_MSGS(MSG_ENUM) };
enum { PEERD_APPD_MSGS(MSG_ENUM) };

MSG_DECLARE(appd_config, MSG_APPD_CONFIG)
MSG_DECLARE(appd_app, MSG_APPD_APP)
MSG_DECLARE(appd_pipes, MSG_APPD_PIPES)
MSG_DECLARE(appd_gone, MSG_APPD_GONE)
MSG_DECLARE(loop_open, MSG_LOOP_OPEN)
MSG_DECLARE(loop_opened, MSG_LOOP_OPENED)
MSG_DECLARE(loop_refused, MSG_LOOP_REFUSED)
MSG_DECLARE(loop_offer, MSG_LOOP_OFFER)
MSG_DECLARE(loop_accept, MSG_LOOP_ACCEPT)
MSG_DECLARE(loop_data, MSG_LOOP_DATA)
MSG_DECLARE(loop_grant, MSG_LOOP_GRANT)
MSG_DECLARE(loop_close, MSG_LOOP_CLOSE)

extern const struct msg_table msgs_appd;
extern const struct msg_table msgs_peerd_appd;

#endif
