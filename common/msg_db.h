/* SPDX-License-Identifier: ISC */
/*
 * Channels of the store with its siblings, and what warrenctl asks of it.
 *
 *	peerd (upper)                                  store
 *	  PS_RECORDS (verified)  --------------------->
 *	        <------------ PS_APPLIED  a verdict each, after COMMIT
 *	        <------------ PS_FRESH    written here, to be gossiped
 *	  PS_PEER, PS_MESSAGE, PS_CLOCK -------------->
 *	        <------------ PS_MESSAGE  sync and block messages of a link
 *	        <------------ PS_ROOT     a tick is settled
 *	        <------------ PS_REACH    a node that holds what we want
 *
 *	store (upper)                                  apid
 *	  DB_STATE at the start and at each tick ----->
 *	        <------------ DB_PUT      answered by DB_PUT_DONE
 *	        <------------ DB_GET, DB_LIST        by DB_RECORDS
 *	        <------------ DB_PROVE, DB_CLAIM_GET by DB_PROVED, DB_CLAIM
 *	        <------------ DB_BLOCK_PUT, _GET     by DB_ID, DB_BLOCK+fd
 *	        <------------ DB_HAVE                by DB_HAVE_IS
 *	        <------------ DB_MEMO                by DB_MEMO
 *	  or DB_FAILED with the same id
 */
#ifndef WARREN_MSG_DB_H
#define WARREN_MSG_DB_H

#include "common/msg.h"

#define DB_BATCH_MAX 256         /* records in one message */
#define DB_PART_MAX  (512u << 10) /* bytes of records or body in one message */

/* What became of a record. */
enum db_verdict {
	DB_NEW,          /* stored, and newer than what there was */
	DB_OLD,          /* the same or a newer one is there already */
	DB_EXPIRED,      /* its time is over */
	DB_FUTURE,       /* stamped more than the charter allows ahead */
	DB_NOT_ADMITTED, /* its author is no member of this network */
	DB_OVER_QUOTA,   /* the author holds all it may */
	DB_BUSY,         /* the store takes no more now: come again */
	DB_MALFORMED,    /* not canonical */
	DB_RULE,         /* breaks the charter */
	DB_BAD_SIG,
	DB_DISK,         /* not stored: the disk refused */
	DB_CONFLICT,     /* if_rid names another version than is stored */
	DB_VERDICTS
};

/* Where the records of PS_RECORDS come from. */
enum ps_origin { PS_GOSSIP, PS_SYNC };

/* Status codes of DB_FAILED. */
enum db_fail {
	DB_F_NOT_FOUND = 1,
	DB_F_BAD,      /* the request makes no sense */
	DB_F_NO_TICK,  /* that tick is not held any more, or not yet */
	DB_F_BUSY,
	DB_F_DISK,
	DB_F_TOO_LARGE
};

/* clang-format off */
#define MSG_DB_RAW(F, T)                                                 \
	F(T, BLOB, raw, 0, 8192)

#define MSG_PS_RECORDS(F, T)                                             \
	F(T, U8,   origin, 0, 1)                                         \
	F(T, U32,  link, 0, 0)                                           \
	F(T, LIST, records, db_raw, DB_BATCH_MAX)

/* enum db_verdict, a byte each, in the order of the records. */
#define MSG_PS_APPLIED(F, T)                                             \
	F(T, BLOB, verdicts, 0, DB_BATCH_MAX)

#define MSG_PS_PEER(F, T)                                                \
	F(T, U32,  link, 0, 0)      /* serial of the connection */       \
	F(T, BIN,  id, 32, 0)                                            \
	F(T, BOOL, up, 0, 0)                                             \
	F(T, BOOL, outbound, 0, 0)

/* One message of a link (wire.h) that the store sends or answers. */
#define MSG_PS_MESSAGE(F, T)                                             \
	F(T, U32,  link, 0, 0)                                           \
	F(T, BLOB, msg, 0, 65516)

/* A peer did what it should not: enum score_event. */
#define MSG_PS_SCORE(F, T)                                               \
	F(T, U32,  link, 0, 0)                                           \
	F(T, U8,   event, 0, 0)

/* So many bytes of the messages given for this link have left. */
#define MSG_PS_DRAINED(F, T)                                             \
	F(T, U32,  link, 0, 0)                                           \
	F(T, U32,  bytes, 0, 0)

/* A link to this node would be of use. */
#define MSG_PS_REACH(F, T)                                               \
	F(T, BIN,  id, 32, 0)

/* What the clocks of nodes we dialled say of ours. */
#define MSG_PS_CLOCK(F, T)                                               \
	F(T, I64,  behind_ms, 0, 0) /* the median; negative: ahead */    \
	F(T, BOOL, stop, 0, 0)      /* too far off to author anything */

#define MSG_PS_ROOT(F, T)                                                \
	F(T, U64,  tick, 0, 0)                                           \
	F(T, BIN,  root, 32, 0)                                          \
	F(T, U64,  cnt, 0, 0)                                            \
	F(T, I64,  sum, 0, 0)                                            \
	F(T, U64,  seq, 0, 0)       /* last in the change log */         \
	F(T, BIN,  dbid, 16, 0)     /* of this database's life */

#define PEERD_STORE_MSGS(X)                                              \
	X(PS_RECORDS,    1, MSG_DOWN, PH_ANY, FD_NONE, ps_records)       \
	X(PS_APPLIED,    2, MSG_UP,   PH_ANY, FD_NONE, ps_applied)       \
	X(PS_FRESH,      3, MSG_UP,   PH_ANY, FD_NONE, ps_records)       \
	X(PS_PEER,       4, MSG_DOWN, PH_ANY, FD_NONE, ps_peer)          \
	X(PS_MESSAGE,    5, MSG_BOTH, PH_ANY, FD_NONE, ps_message)       \
	X(PS_SCORE,      6, MSG_UP,   PH_ANY, FD_NONE, ps_score)         \
	X(PS_ROOT,       7, MSG_UP,   PH_ANY, FD_NONE, ps_root)          \
	X(PS_DRAINED,    8, MSG_DOWN, PH_ANY, FD_NONE, ps_drained)       \
	X(PS_REACH,      9, MSG_UP,   PH_ANY, FD_NONE, ps_reach)         \
	X(PS_CLOCK,     10, MSG_DOWN, PH_ANY, FD_NONE, ps_clock)

/* A kind's part of the settled database. */
#define MSG_DB_KIND(F, T)                                                \
	F(T, U8,   kind, 0, 0)                                           \
	F(T, U64,  cnt, 0, 0)                                            \
	F(T, I64,  sum, 0, 0)

#define MSG_DB_REGION(F, T)                                              \
	F(T, STR,  region, 9, 0)                                         \
	F(T, U32,  nodes, 0, 0)

/* The database at its last settled tick, and the store's own state. */
#define MSG_DB_STATE(F, T)                                               \
	F(T, U64,  tick, 0, 0)                                           \
	F(T, U64,  time, 0, 0)      /* unix ms that the tick stands for */ \
	F(T, BIN,  root, 32, 0)                                          \
	F(T, U64,  cnt, 0, 0)                                            \
	F(T, I64,  sum, 0, 0)                                            \
	F(T, LIST, kinds, db_kind, 32)                                   \
	F(T, BIN,  dbid, 16, 0)                                          \
	F(T, U64,  seq, 0, 0)                                            \
	F(T, U64,  pending, 0, 0)   /* records not settled yet */        \
	F(T, U64,  bytes, 0, 0)     /* of the database file */           \
	F(T, U64,  bodies, 0, 0)    /* block bodies held */              \
	F(T, U64,  body_bytes, 0, 0)                                     \
	F(T, U64,  below_r, 0, 0)   /* blocks with fewer copies announced */ \
	F(T, U32,  fetching, 0, 0)  /* bodies on their way here */       \
	F(T, U32,  neighbours, 0, 0)       /* whose roots are known */   \
	F(T, U32,  neighbours_equal, 0, 0) /* of them, with our root */  \
	F(T, BOOL, admitted, 0, 0)  /* this node's own records count */  \
	F(T, STR,  problem, 128, 0) /* empty: none */                    \
	F(T, LIST, regions, db_region, 32)                               \
	F(T, U64,  evidence, 0, 0)  /* authors' contradictions kept */

/* Records to be written, each signed by its author. */
#define MSG_DB_PUT(F, T)                                                 \
	F(T, LIST, records, db_raw, DB_BATCH_MAX)                        \
	F(T, BOOL, has_if, 0, 0)    /* only if this version is stored: */ \
	F(T, BIN,  if_rid, 32, 0)   /* zero for none at all */

#define MSG_DB_VERDICT(F, T)                                             \
	F(T, U8,   verdict, 0, DB_VERDICTS - 1)                          \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, BIN,  rid, 32, 0)                                           \
	F(T, U64,  hlc, 0, 0)

#define MSG_DB_PUT_DONE(F, T)                                            \
	F(T, LIST, verdicts, db_verdict, DB_BATCH_MAX)

#define MSG_DB_GET(F, T)                                                 \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, BOOL, settled, 0, 0)

/* Records whose key begins with these bits, in order of their keys. */
#define MSG_DB_LIST(F, T)                                                \
	F(T, BIN,  prefix, 32, 0)                                        \
	F(T, U16,  bits, 0, 256)                                         \
	F(T, BOOL, has_after, 0, 0)                                      \
	F(T, BIN,  after, 32, 0)    /* only keys behind this one */      \
	F(T, U16,  limit, 0, DB_BATCH_MAX)                               \
	F(T, BOOL, settled, 0, 0)

#define MSG_DB_RECORD(F, T)                                              \
	F(T, BLOB, raw, 0, 8192)                                         \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, BIN,  rid, 32, 0)                                           \
	F(T, BOOL, settled, 0, 0)

#define MSG_DB_RECORDS(F, T)                                             \
	F(T, LIST, records, db_record, DB_BATCH_MAX)                     \
	F(T, BOOL, more, 0, 0)

/* A proof for a key (256 bits) or a prefix under the root of a tick. */
#define MSG_DB_PROVE(F, T)                                               \
	F(T, BIN,  prefix, 32, 0)                                        \
	F(T, U16,  bits, 0, 256)                                         \
	F(T, N64,  tick, 0, 0)      /* null: the last settled one */

#define MSG_DB_PROVED(F, T)                                              \
	F(T, U64,  tick, 0, 0)                                           \
	F(T, BIN,  root, 32, 0)                                          \
	F(T, U64,  cnt, 0, 0)       /* beneath the prefix */             \
	F(T, I64,  sum, 0, 0)                                            \
	F(T, BLOB, proof, 0, 8192)                                       \
	F(T, BLOB, claim, 0, 512)   /* empty while it is not signed yet */

#define MSG_DB_CLAIM_GET(F, T)                                           \
	F(T, N64,  tick, 0, 0)

#define MSG_DB_CLAIM(F, T)                                               \
	F(T, U64,  tick, 0, 0)                                           \
	F(T, BIN,  root, 32, 0)                                          \
	F(T, U64,  cnt, 0, 0)                                            \
	F(T, I64,  sum, 0, 0)                                            \
	F(T, BLOB, claim, 0, 512)

/* Part of a body, in order; the last one gets the answer. */
#define MSG_DB_BLOCK_PUT(F, T)                                           \
	F(T, U32,  size, 0, 4194304) /* of the whole */                  \
	F(T, U32,  off, 0, 4194304)                                      \
	F(T, BLOB, data, 0, 524288)

#define MSG_DB_ID(F, T)                                                  \
	F(T, BIN,  id, 32, 0)

#define MSG_DB_BLOCK_GET(F, T)                                           \
	F(T, BIN,  id, 32, 0)                                            \
	F(T, BOOL, fetch, 0, 0)     /* from other holders, if need be */

/* The body, readable from the descriptor's start. */
#define MSG_DB_BLOCK(F, T)                                               \
	F(T, BIN,  id, 32, 0)                                            \
	F(T, U32,  size, 0, 0)

/* Which of these blocks are held here? */
#define MSG_DB_HAVE(F, T)                                                \
	F(T, LIST, ids, db_id, 1000)                                     \
	F(T, BOOL, fetch, 0, 0)     /* the missing ones, if they exist */

/* 'h' held, 'm' known but not held, 'f' being fetched, 'u' unknown. */
#define MSG_DB_HAVE_IS(F, T)                                             \
	F(T, BLOB, words, 0, 1000)

/* What became of a batch of that name before, a byte an item.  Asked with no
 * words; told with words they are remembered.  Answered alike: empty means
 * that it is not known. */
#define MSG_DB_MEMO(F, T)                                                \
	F(T, BIN,  key, 32, 0)                                           \
	F(T, BLOB, words, 0, 1000)

#define MSG_DB_FAILED(F, T)                                              \
	F(T, U8,   code, 0, 0)      /* enum db_fail */                   \
	F(T, STR,  error, 128, 0)

#define STORE_APID_MSGS(X)                                               \
	X(DB_STATE,      1, MSG_DOWN, PH_ANY, FD_NONE, db_state)         \
	X(DB_PUT,        2, MSG_UP,   PH_ANY, FD_NONE, db_put)           \
	X(DB_PUT_DONE,   3, MSG_DOWN, PH_ANY, FD_NONE, db_put_done)      \
	X(DB_GET,        4, MSG_UP,   PH_ANY, FD_NONE, db_get)           \
	X(DB_LIST,       5, MSG_UP,   PH_ANY, FD_NONE, db_list)          \
	X(DB_RECORDS,    6, MSG_DOWN, PH_ANY, FD_NONE, db_records)       \
	X(DB_PROVE,      7, MSG_UP,   PH_ANY, FD_NONE, db_prove)         \
	X(DB_PROVED,     8, MSG_DOWN, PH_ANY, FD_NONE, db_proved)        \
	X(DB_CLAIM_GET,  9, MSG_UP,   PH_ANY, FD_NONE, db_claim_get)     \
	X(DB_CLAIM,     10, MSG_DOWN, PH_ANY, FD_NONE, db_claim)         \
	X(DB_BLOCK_PUT, 11, MSG_UP,   PH_ANY, FD_NONE, db_block_put)     \
	X(DB_ID,        12, MSG_DOWN, PH_ANY, FD_NONE, db_id)            \
	X(DB_BLOCK_GET, 13, MSG_UP,   PH_ANY, FD_NONE, db_block_get)     \
	X(DB_BLOCK,     14, MSG_DOWN, PH_ANY, FD_ONE,  db_block)         \
	X(DB_HAVE,      15, MSG_UP,   PH_ANY, FD_NONE, db_have)          \
	X(DB_HAVE_IS,   16, MSG_DOWN, PH_ANY, FD_NONE, db_have_is)       \
	X(DB_FAILED,    17, MSG_DOWN, PH_ANY, FD_NONE, db_failed)        \
	X(DB_MEMO,      18, MSG_BOTH, PH_ANY, FD_NONE, db_memo)
/* clang-format on */

enum { PEERD_STORE_MSGS(MSG_ENUM) };
enum { STORE_APID_MSGS(MSG_ENUM) };

MSG_DECLARE(db_raw, MSG_DB_RAW)
MSG_DECLARE(ps_records, MSG_PS_RECORDS)
MSG_DECLARE(ps_applied, MSG_PS_APPLIED)
MSG_DECLARE(ps_peer, MSG_PS_PEER)
MSG_DECLARE(ps_message, MSG_PS_MESSAGE)
MSG_DECLARE(ps_score, MSG_PS_SCORE)
MSG_DECLARE(ps_clock, MSG_PS_CLOCK)
MSG_DECLARE(ps_root, MSG_PS_ROOT)
MSG_DECLARE(ps_drained, MSG_PS_DRAINED)
MSG_DECLARE(ps_reach, MSG_PS_REACH)
MSG_DECLARE(db_kind, MSG_DB_KIND)
MSG_DECLARE(db_region, MSG_DB_REGION)
MSG_DECLARE(db_state, MSG_DB_STATE)
MSG_DECLARE(db_put, MSG_DB_PUT)
MSG_DECLARE(db_verdict, MSG_DB_VERDICT)
MSG_DECLARE(db_put_done, MSG_DB_PUT_DONE)
MSG_DECLARE(db_get, MSG_DB_GET)
MSG_DECLARE(db_list, MSG_DB_LIST)
MSG_DECLARE(db_record, MSG_DB_RECORD)
MSG_DECLARE(db_records, MSG_DB_RECORDS)
MSG_DECLARE(db_prove, MSG_DB_PROVE)
MSG_DECLARE(db_proved, MSG_DB_PROVED)
MSG_DECLARE(db_claim_get, MSG_DB_CLAIM_GET)
MSG_DECLARE(db_claim, MSG_DB_CLAIM)
MSG_DECLARE(db_block_put, MSG_DB_BLOCK_PUT)
MSG_DECLARE(db_id, MSG_DB_ID)
MSG_DECLARE(db_block_get, MSG_DB_BLOCK_GET)
MSG_DECLARE(db_block, MSG_DB_BLOCK)
MSG_DECLARE(db_have, MSG_DB_HAVE)
MSG_DECLARE(db_have_is, MSG_DB_HAVE_IS)
MSG_DECLARE(db_memo, MSG_DB_MEMO)
MSG_DECLARE(db_failed, MSG_DB_FAILED)

/* "new", "old", "not admitted", ...: for people and JSON. */
const char *db_verdict_name(uint8_t verdict);

extern const struct msg_table msgs_peerd_store;
extern const struct msg_table msgs_store_apid;

#endif
