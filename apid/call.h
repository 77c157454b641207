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
	/* Ours, with the REST status of each in call_status(). */
	CALL_BUSY = -32001, /* come again in a moment */
	CALL_NOT_FOUND = -32004,
	CALL_NO_TICK = -32005,   /* not settled yet, or not kept any more */
	CALL_BODY_SIZE = -32006, /* a block of 0 bytes or beyond 4 MiB */
	CALL_EXPIRED = -32010,   /* from here on: what enum db_verdict says */
	CALL_FUTURE = -32011,
	CALL_NOT_ADMITTED = -32012,
	CALL_OVER_QUOTA = -32013,
	CALL_MALFORMED = -32014,
	CALL_RULE = -32015,
	CALL_BAD_SIG = -32016,
	CALL_DISK = -32017,
	CALL_CONFLICT = -32018,
	CALL_RATE = -32029,     /* the client asks too much */
	CALL_UNKNOWN_PARAM = -8 /* Bastyon only */
};

struct caller_ops {
	/* result is JSON text, now the transport's. */
	void (*reply)(struct call *call, struct text *result);
	/* The answer is a file: the first size bytes of fd, which is taken.
	 * NULL where a caller can only be answered in JSON. */
	void (*reply_file)(struct call *call, int fd, size_t size);
	/* message is borrowed, and data too: an object, or NULL. */
	void (*error)(struct call *call, int code, const char *message,
	    const json_t *data);
	/* May the caller have n more things done?  The limiter decides. */
	bool (*admit)(struct call *call, uint32_t n);
};

struct call {
	const struct caller_ops *ops;
	const struct method *method;
	const json_t *params; /* object, array or NULL; borrowed */
	struct naddr from;
	const uint8_t *key;  /* who authorised it; NULL: nobody */
	const char *session; /* NULL: none */
	enum call_flavour flavour;
	uint16_t status; /* REST's, of a success; 0: 200 */
	bool raw;        /* a body is wanted as it is, not in JSON */
	bool cancelled;
	void *data; /* the handler's own, until it answers */
};

/* Takes result; NULL becomes an internal error (out of memory). */
void call_reply(struct call *call, struct text *result);
void call_reply_json(struct call *call, json_t *result); /* steals */
void call_error(struct call *call, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with more for programs to read; steals data, NULL is fine. */
void call_error_data(struct call *call, int code, json_t *data, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* HTTP status that goes with a code. */
uint16_t call_status(int code);

/* A parameter by its place in the method's list, or NULL. */
const json_t *call_param(const struct call *call, size_t index);

/* All of them as an object, by their names; a new reference, NULL: no
 * memory. */
json_t *call_object(const struct call *call);

#endif
