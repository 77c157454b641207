/* SPDX-License-Identifier: ISC */
/*
 * One call of a method, whoever makes it and however it came.  A handler sees
 * a struct call and never a transport; it answers now or later, exactly once,
 * by call_reply() or call_error(), and forgets the call with that.  The
 * transport owns the memory and keeps it until the answer, even when its
 * client is gone: then .cancelled is set and the answer goes nowhere.
 */
#ifndef WARREN_CALL_H
#define WARREN_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "apid/text.h"
#include "common/naddr.h"

struct call;
struct method;

/* Which manners the caller expects. */
enum call_flavour { CALL_REST, CALL_JSONRPC2, CALL_BASTYON };

/* JSON-RPC 2.0's numbers, and those of Bastyon's nodes. */
enum call_code {
	CALL_PARSE = -32700,
	CALL_INVALID = -32600,
	CALL_NO_METHOD = -32601,
	CALL_BAD_PARAMS = -32602,
	CALL_INTERNAL = -32603,
	CALL_TOO_LARGE = -32000, /* the answer would be */
	CALL_UNKNOWN_PARAM = -8  /* Bastyon only */
};

struct caller_ops {
	/* result is JSON text, now the transport's. */
	void (*reply)(struct call *call, struct text *result);
	/* message is borrowed. */
	void (*error)(struct call *call, int code, const char *message);
};

struct call {
	const struct caller_ops *ops;
	const struct method *method;
	const json_t *params; /* object, array or NULL; borrowed */
	struct naddr from;
	const uint8_t *key;  /* who authorised it; NULL: nobody */
	const char *session; /* NULL: none */
	enum call_flavour flavour;
	bool cancelled;
	void *data; /* the handler's own, until it answers */
};

/* Takes result; NULL becomes an internal error (out of memory). */
void call_reply(struct call *call, struct text *result);
void call_reply_json(struct call *call, json_t *result); /* steals */
void call_error(struct call *call, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A parameter by its place in the method's list, or NULL. */
const json_t *call_param(const struct call *call, size_t index);

#endif
