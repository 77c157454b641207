/* SPDX-License-Identifier: ISC */
/*
 * Handlers of methods, and what those that ask the store share.  Each gets a
 * call and answers it once, mostly later.
 *
 *	methods.c    the node, help: what is known here
 *	m_records.c  records, single and in batches, and what they mean
 *	m_blocks.c   blocks: bodies and what is known of them
 *	m_db.c       roots, sums, proofs
 *	m_sync.c     exchange between nodes and clients in bulk
 */
#ifndef WARREN_HANDLERS_H
#define WARREN_HANDLERS_H

#include "apid/methods.h"
#include "apid/recform.h"
#include "apid/storelink.h"

#define HANDLERS(X)                                                            \
	X(getnodeinfo)                                                         \
	X(getpeerinfo)                                                         \
	X(getstatus)                                                           \
	X(gettime)                                                             \
	X(help)                                                                \
	X(discover)                                                            \
	X(getrecord)                                                           \
	X(getrecords)                                                          \
	X(putrecord)                                                           \
	X(putrecords)                                                          \
	X(settemperature)                                                      \
	X(setlocation)                                                         \
	X(setmetadata)                                                         \
	X(rate)                                                                \
	X(getblock)                                                            \
	X(getblockmetadata)                                                    \
	X(putblock)                                                            \
	X(getdbhash)                                                           \
	X(getdbsum)                                                            \
	X(getdbclaim)                                                          \
	X(getproof)                                                            \
	X(gethealth)                                                           \
	X(syncrequest)                                                         \
	X(syncmetadata)                                                        \
	X(synctemperature)                                                     \
	X(announce)                                                            \
	X(disconnect)

#define HANDLER_DECLARE(name) void m_##name(struct call *call);
HANDLERS(HANDLER_DECLARE)

/* --- h_ask.c: asking, and answering what went wrong --- */

/* Ask the store; false when the call was answered with "busy" instead. */
bool h_ask(struct call *call, uint16_t type, const void *body,
    store_heard *heard, void *ctx);

/* The question of this call was not answered as hoped: answer the call. */
void h_fail(struct call *call, const struct store_answer *a);

/* Memory is out, or the like. */
void h_no_memory(struct call *call);

/* A request that recform_*() refused. */
void h_refuse(struct call *call, int code, const struct recform *f);

/* --- writing one record --- */

/*
 * Called once: with the verdict, DB_NEW or DB_OLD, and then the call is the
 * handler's to answer; or with NULL when the call is answered already.
 */
typedef void put_then(struct call *call, void *ctx,
    const struct msg_db_verdict *v);
void h_put(struct call *call, const struct recform *f, put_then *then,
    void *ctx);

/* {key, rid, hlc, verdict, applied}; more may be added. */
json_t *h_written(const struct msg_db_verdict *v);

/* What a verdict other than DB_NEW and DB_OLD means to a caller. */
int h_verdict_code(uint8_t verdict);
const char *h_verdict_text(uint8_t verdict);

/* --- parameters --- */

/* A boolean parameter; absent is false. */
bool h_flag(const struct call *call, size_t index);

/* Exactly n bytes of hex; answers the error. */
bool h_hex(struct call *call, size_t index, uint8_t *out, size_t n);

/* A tick; MSG_NULL64 when absent.  Answers the error. */
bool h_tick(struct call *call, size_t index, uint64_t *tick);

/* Parameters kind and subject as bits of a key; -1: answered. */
int h_prefix(struct call *call, size_t kind, size_t subject,
    uint8_t prefix[32]);

/* --- drawing --- */

/* One record for programs; NULL: no memory. */
json_t *h_record(const struct msg_db_record *r);
/* The decimal string of a stamp: beyond what JavaScript's numbers hold. */
json_t *h_hlc(uint64_t hlc);
/* {tick, root, count, sum, proof, claim} */
json_t *h_proof(const struct msg_db_proved *p);

/* --- batch.c: many records, a verdict each --- */

#define BATCH_MAX 1000

struct batch_item {
	uint8_t *raw; /* NULL: refused before it was sent */
	uint32_t len;
	uint8_t verdict; /* enum db_verdict, once it is said */
	bool bad;        /* refused for .why, with code .code */
	int code;
	char why[96];
	uint8_t key[32], rid[32];
	uint64_t hlc;
	char block[65]; /* what the request calls it */
};

struct batch {
	struct call *call;
	void (*done)(struct batch *b); /* answers the call, then batch_free() */
	size_t n, at, sent;
	bool named, recalled; /* has a memo, and its answer came from that */
	uint8_t memo[32];
	json_t *extra; /* the handler's own */
	size_t pending;
	struct batch_item items[];
};

/* NULL, and the call answered, when there is no memory. */
struct batch *batch_new(struct call *call, size_t n,
    void (*done)(struct batch *b));
void batch_free(struct batch *b);

/* Item i is the record in f, or was refused with code (not 0). */
void batch_set(struct batch *b, size_t i, int code, const struct recform *f);

/*
 * The batch has a name: sent once more with the same items, it gets the same
 * verdicts, on this worker or another.  After the last batch_set().
 */
void batch_name(struct batch *b, const char *name, size_t len);

/* Hand all to the store; done() is called when every verdict is there. */
void batch_run(struct batch *b);

#endif
