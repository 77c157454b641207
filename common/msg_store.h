/* SPDX-License-Identifier: ISC */
/*
 * warrend and the store.  Numbers 160-191.
 *
 *	warrend                                        store
 *	  STORE_CONFIG, PEERD_CHARTER's twin, STORE_NODE -------------->
 *	        <------------ STORE_SIGN_CLAIM, STORE_SIGN_REC
 *	  STORE_SIGNED or STORE_FAILED --------------->    (same id)
 */
#ifndef WARREN_MSG_STORE_H
#define WARREN_MSG_STORE_H

#include "common/msg.h"
#include "common/msg_peerd.h"
#include "common/view.h"

/* clang-format off */
#define MSG_STORE_CONFIG(F, T)                                           \
	F(T, STR,  dir, 256, 0)         /* the store's own directory */  \
	F(T, U64,  bodies_max, 0, 0)    /* bytes of block bodies held */ \
	F(T, U32,  commit_ms, 0, 1000)  /* writes wait so long for company */ \
	F(T, U32,  cache_bytes, 0, 0)   /* SQLite's page cache */        \
	F(T, BOOL, fetch, 0, 0)         /* hold what placement gives us */

/* What this node says of the database at a settled tick. */
#define MSG_STORE_SIGN_CLAIM(F, T)                                       \
	F(T, U64,  tick, 0, 0)                                           \
	F(T, BIN,  root, 32, 0)                                          \
	F(T, U64,  cnt, 0, 0)                                            \
	F(T, I64,  sum, 0, 0)                                            \
	F(T, U64,  wall_ms, 0, 0)

/* A record of our own; the parent builds the body around these fields. */
#define MSG_STORE_SIGN_REC(F, T)                                         \
	F(T, U8,   kind, 0, 0)     /* member, location or temperature */ \
	F(T, BLOB, subject, 0, 64)                                       \
	F(T, U64,  hlc, 0, 0)                                            \
	F(T, BOOL, tombstone, 0, 0)                                      \
	F(T, I32,  w, 0, 0)                                              \
	F(T, BLOB, payload, 0, 64)

#define MSG_STORE_SIGNED(F, T)                                           \
	F(T, BIN,  sig, 64, 0)

#define MSG_STORE_FAILED(F, T)                                           \
	F(T, STR,  error, 96, 0)

#define STORE_MSGS(X)                                                    \
	X(STORE_CONFIG,     160, MSG_DOWN, PH_ANY,   FD_NONE, store_config) \
	X(STORE_CHARTER,    161, MSG_DOWN, PH_START, FD_NONE, peerd_charter) \
	X(STORE_NODE,       162, MSG_DOWN, PH_ANY,   FD_NONE, node)      \
	X(STORE_SIGN_CLAIM, 163, MSG_UP,   PH_RUN,   FD_NONE, store_sign_claim) \
	X(STORE_SIGN_REC,   164, MSG_UP,   PH_RUN,   FD_NONE, store_sign_rec) \
	X(STORE_SIGNED,     165, MSG_DOWN, PH_RUN,   FD_NONE, store_signed) \
	X(STORE_FAILED,     166, MSG_DOWN, PH_RUN,   FD_NONE, store_failed)
/* clang-format on */

enum { STORE_MSGS(MSG_ENUM) };

MSG_DECLARE(store_config, MSG_STORE_CONFIG)
MSG_DECLARE(store_sign_claim, MSG_STORE_SIGN_CLAIM)
MSG_DECLARE(store_sign_rec, MSG_STORE_SIGN_REC)
MSG_DECLARE(store_signed, MSG_STORE_SIGNED)
MSG_DECLARE(store_failed, MSG_STORE_FAILED)

extern const struct msg_table msgs_store;

#endif
