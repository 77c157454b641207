/* SPDX-License-Identifier: ISC */
/*
 * The table of methods: what the API can do, said once for JSON-RPC, REST,
 * help and rpc.discover.  Handlers live in methods.c and the files of
 * handlers.h; they see struct call and the state, and no transport.
 */
#ifndef WARREN_METHODS_H
#define WARREN_METHODS_H

#include "apid/call.h"

#define METHOD_PARAMS_MAX 12

struct method_param {
	const char *name; /* NULL ends the list */
	const char *type; /* JSON Schema's words, with "|" between; any */
	const char *doc;
	bool required;
};

struct method {
	const char *name;
	const char *summary;
	const char *result_type;
	const char *result_doc;
	/* "GET /blocks/:blockId": a part with a colon is a parameter.  NULL
	 * for none. */
	const char *rest;
	void (*run)(struct call *call);
	struct method_param params[METHOD_PARAMS_MAX + 1];
};

/* In method_table.c. */
extern const struct method method_table[];
extern const size_t method_count;

/* NULL when there is none of that name. */
const struct method *method_find(const char *name);

/* The table, in the order of help; NULL behind its end. */
const struct method *method_at(size_t index);

/* Check call->params against the method's list, then run it. */
void method_run(struct call *call);

#endif
