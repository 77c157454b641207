/* SPDX-License-Identifier: ISC */
/*
 * JSON-RPC over one body: 2.0 with its own manners, and the older shape that
 * Bastyon's clients speak (no "jsonrpc":"2.0"), singly and in batches.  Knows
 * nothing of HTTP but the status that goes with an answer.
 * Tested in tests/unit/jsonrpc_test.c, fuzzed in tests/fuzz/jsonrpc_fuzz.c.
 */
#ifndef WARREN_JSONRPC_H
#define WARREN_JSONRPC_H

#include "apid/call.h"

#define RPC_ANSWER_MAX (8u << 20) /* bytes of one answer, batches too */

struct rpc;

struct rpc_in {
	const char *body; /* borrowed for the call of rpc_run() */
	size_t len;
	const char *method; /* from /rpc/METHOD, or NULL */
	uint32_t batch_max;
	struct naddr from;
	void *ctx;
	/* May n more calls be made?  Refused: done() with status 429. */
	bool (*admit)(void *ctx, uint32_t n);
	/*
	 * The answer, exactly once unless cancelled, perhaps before rpc_run()
	 * returns.  body is the receiver's; NULL with 204, 429 and 503.
	 */
	void (*done)(void *ctx, uint16_t status, struct text *body);
};

/*
 * Run what the body asks for.  NULL when done() was called already, else a
 * handle that is good until done() or rpc_cancel().
 */
struct rpc *rpc_run(const struct rpc_in *in);

/* The caller is gone: done() will not be called. */
void rpc_cancel(struct rpc *rpc);

#endif
