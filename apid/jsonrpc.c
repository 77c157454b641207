/* SPDX-License-Identifier: ISC */
/*
 * JSON-RPC, as promised in jsonrpc.h.  Answers of a batch wait in their
 * places until the last is there; a result is spliced in as text and never
 * parsed again.
 */
#include "apid/jsonrpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apid/apid.h"
#include "apid/bound.h"
#include "apid/methods.h"
#include "common/compat/compat.h"

#define MESSAGE_MAX 128

struct item {
	struct call call; /* first: a call is its item */
	struct rpc *rpc;
	const json_t *id; /* NULL: none given */
	bool notify, answered;
	int code; /* 0: result is set */
	struct text *result;
	json_t *data; /* of an error, or NULL */
	char message[MESSAGE_MAX];
};

struct rpc {
	struct rpc_in in;
	json_t *root;
	size_t n, pending;
	size_t bytes; /* of results so far */
	bool batch, data_shape, running, cancelled;
	struct item items[];
};

static void on_reply(struct call *call, struct text *result);
static void on_error(struct call *call, int code, const char *message,
    const json_t *data);
static bool on_admit(struct call *call, uint32_t n);

static const struct caller_ops ops = { .reply = on_reply,
	.error = on_error,
	.admit = on_admit };

/* --- answers --- */

/* HTTP status of one answer, as Bastyon's nodes choose it. */
static uint16_t
bastyon_status(int code)
{
	switch (code) {
	case 0:
		return 200;
	case CALL_INVALID:
		return 400;
	case CALL_NO_METHOD:
		return 404;
	default:
		return 500;
	}
}

static void
put_error(struct sb *sb, const struct item *it)
{
	char num[40];

	(void)snprintf(num, sizeof(num), "{\"code\":%d,\"message\":", it->code);
	sb_str(sb, num);
	sb_quote(sb, it->message);
	if (it->data != NULL) {
		sb_str(sb, ",\"data\":");
		sb_json(sb, it->data);
	}
	sb_str(sb, "}");
}

static void
put_id(struct sb *sb, const json_t *id)
{
	char num[32];

	if (id == NULL) {
		sb_str(sb, "null");
	} else if (json_is_integer(id)) { /* the usual one, without a dump */
		(void)snprintf(num, sizeof(num), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(id));
		sb_str(sb, num);
	} else {
		sb_json(sb, id);
	}
}

static void
put_result(struct sb *sb, const struct item *it)
{
	sb_add(sb, it->result->p, it->result->len);
}

static void
put_jsonrpc2(struct sb *sb, const struct item *it)
{
	if (it->code == 0) {
		sb_str(sb, "{\"jsonrpc\":\"2.0\",\"result\":");
		put_result(sb, it);
	} else {
		sb_str(sb, "{\"jsonrpc\":\"2.0\",\"error\":");
		put_error(sb, it);
	}
	sb_str(sb, ",\"id\":");
	put_id(sb, it->id);
	sb_str(sb, "}");
}

static void
put_bastyon(struct sb *sb, const struct item *it)
{
	sb_str(sb, "{\"result\":");
	if (it->code == 0) {
		put_result(sb, it);
		sb_str(sb, ",\"error\":null");
	} else {
		sb_str(sb, "null,\"error\":");
		put_error(sb, it);
	}
	sb_str(sb, ",\"id\":");
	put_id(sb, it->id);
	sb_str(sb, "}");
}

/* What the proxy's clients expect of /rpc/METHOD. */
static void
put_data(struct sb *sb, const struct item *it)
{
	if (it->code == 0) {
		sb_str(sb, "{\"data\":");
		put_result(sb, it);
	} else {
		sb_str(sb, "{\"error\":");
		put_error(sb, it);
	}
	sb_str(sb, "}");
}

static void
put_item(struct sb *sb, const struct rpc *rpc, const struct item *it)
{
	if (rpc->data_shape)
		put_data(sb, it);
	else if (it->call.flavour == CALL_JSONRPC2)
		put_jsonrpc2(sb, it);
	else
		put_bastyon(sb, it);
}

static struct text *
assemble(const struct rpc *rpc, size_t *answers)
{
	struct sb sb;
	size_t i;

	sb_init(&sb, RPC_ANSWER_MAX + (64u << 10));
	*answers = 0;
	for (i = 0; i < rpc->n; i++) {
		if (rpc->items[i].notify)
			continue;
		if (rpc->batch)
			sb_str(&sb, *answers == 0 ? "[" : ",");
		put_item(&sb, rpc, &rpc->items[i]);
		(*answers)++;
	}
	if (*answers == 0)
		return NULL;
	sb_str(&sb, rpc->batch ? "]\n" : "\n");
	return sb_end(&sb);
}

static void
rpc_free(struct rpc *rpc)
{
	size_t i;

	for (i = 0; i < rpc->n; i++) {
		text_unref(rpc->items[i].result);
		json_decref(rpc->items[i].data);
	}
	json_decref(rpc->root);
	free(rpc);
}

static void
finish(struct rpc *rpc)
{
	uint16_t status = 200;
	struct text *body;
	size_t answers;

	if (rpc->cancelled) {
		rpc_free(rpc);
		return;
	}
	body = assemble(rpc, &answers);
	if (answers == 0)
		status = 204;
	else if (body == NULL)
		status = 503;
	else if (!rpc->batch && rpc->items[0].call.flavour != CALL_JSONRPC2)
		status = bastyon_status(rpc->items[0].code);
	rpc->in.done(rpc->in.ctx, status, body);
	rpc_free(rpc);
}

static void
answered(struct item *it)
{
	struct rpc *rpc = it->rpc;

	it->answered = true;
	if (--rpc->pending == 0 && !rpc->running)
		finish(rpc);
}

static void
on_error(struct call *call, int code, const char *message, const json_t *data)
{
	struct item *it = (struct item *)(void *)call;

	it->code = code;
	(void)strlcpy(it->message, message, sizeof(it->message));
	it->data = json_incref((json_t *)(uintptr_t)data);
	apid.st.rpc_errors++;
	if (code == CALL_INTERNAL)
		apid.st.ops_failed++;
	answered(it);
}

static void
on_reply(struct call *call, struct text *result)
{
	struct item *it = (struct item *)(void *)call;

	if (result->len > RPC_ANSWER_MAX - it->rpc->bytes) {
		text_unref(result);
		on_error(call, CALL_TOO_LARGE, "Answer too large", NULL);
		return;
	}
	it->rpc->bytes += result->len;
	it->result = result;
	apid.st.ops_ok++;
	answered(it);
}

static bool
on_admit(struct call *call, uint32_t n)
{
	struct rpc *rpc = ((struct item *)(void *)call)->rpc;

	return rpc->in.admit(rpc->in.ctx, n);
}

/* --- requests --- */

static enum call_flavour
flavour_of(const json_t *req)
{
	const char *v = json_string_value(json_object_get(req, "jsonrpc"));

	return v != NULL && strcmp(v, "2.0") == 0 ? CALL_JSONRPC2
						  : CALL_BASTYON;
}

/* "id" and "method" in order?  Answers what is not. */
static const char *
method_name(struct item *it, const json_t *req)
{
	const json_t *method = json_object_get(req, "method");

	if (it->call.flavour == CALL_JSONRPC2 && it->id != NULL &&
	    !json_is_string(it->id) && !json_is_number(it->id) &&
	    !json_is_null(it->id)) {
		it->id = NULL;
		on_error(&it->call, CALL_INVALID,
		    "Id must be a string, a number or null", NULL);
		return NULL;
	}
	if (it->rpc->in.method != NULL)
		return it->rpc->in.method;
	if (method == NULL || json_is_null(method)) {
		on_error(&it->call, CALL_INVALID, "Missing method", NULL);
		return NULL;
	}
	if (!json_is_string(method)) {
		on_error(&it->call, CALL_INVALID, "Method must be a string",
		    NULL);
		return NULL;
	}
	return json_string_value(method);
}

static void
run_item(struct item *it, const json_t *req)
{
	struct call *call = &it->call;
	const char *name;

	apid.st.rpc_calls++;
	if (!json_is_object(req)) {
		it->notify = false;
		on_error(call, CALL_INVALID, "Invalid Request object", NULL);
		return;
	}
	if ((name = method_name(it, req)) == NULL) {
		it->notify = false;
		return;
	}
	call->params =
	    json_object_get(req, it->rpc->data_shape ? "parameters" : "params");
	if (json_is_null(call->params))
		call->params = NULL;
	if (call->params != NULL && !json_is_array(call->params) &&
	    !json_is_object(call->params)) {
		it->notify = false;
		on_error(call, CALL_INVALID,
		    "Params must be an array or object", NULL);
		return;
	}
	if ((call->method = method_find(name)) == NULL) {
		on_error(call, CALL_NO_METHOD, "Method not found", NULL);
		return;
	}
	method_run(call);
}

static void
init_item(struct rpc *rpc, struct item *it, const json_t *req)
{
	it->rpc = rpc;
	it->call.ops = &ops;
	it->call.from = rpc->in.from;
	it->call.flavour =
	    json_is_object(req) ? flavour_of(req) : CALL_JSONRPC2;
	it->id = json_object_get(req, "id");
	it->notify = it->call.flavour == CALL_JSONRPC2 && it->id == NULL &&
	    json_is_object(req);
}

/* One answer for the body as a whole: it could not be taken apart. */
static struct rpc *
refuse(const struct rpc_in *in, json_t *root, enum call_flavour flavour,
    int code, const char *message)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc) + sizeof(rpc->items[0]));

	if (code == CALL_PARSE)
		apid.st.parse_errors++;
	if (rpc == NULL) {
		json_decref(root);
		in->done(in->ctx, 503, NULL);
		return NULL;
	}
	rpc->in = *in;
	rpc->root = root;
	rpc->n = rpc->pending = 1;
	rpc->items[0].rpc = rpc;
	rpc->items[0].call.flavour = flavour;
	on_error(&rpc->items[0].call, code, message, NULL);
	return NULL;
}

/* Bytes that are no JSON can still show which manners they meant. */
static enum call_flavour
guess_flavour(const struct rpc_in *in)
{
	return memmem(in->body, in->len, "\"jsonrpc\"", 9) != NULL
	    ? CALL_JSONRPC2
	    : CALL_BASTYON;
}

static struct rpc *
run_all(const struct rpc_in *in, json_t *root, size_t n)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc) + n * sizeof(rpc->items[0]));
	size_t i;

	if (rpc == NULL) {
		json_decref(root);
		in->done(in->ctx, 503, NULL);
		return NULL;
	}
	rpc->in = *in;
	rpc->root = root;
	rpc->n = rpc->pending = n;
	rpc->batch = json_is_array(root);
	rpc->running = true;
	rpc->data_shape = in->method != NULL && !rpc->batch &&
	    json_object_get(root, "jsonrpc") == NULL &&
	    json_object_get(root, "id") == NULL &&
	    json_object_get(root, "params") == NULL;
	for (i = 0; i < n; i++) {
		const json_t *req = rpc->batch ? json_array_get(root, i) : root;

		init_item(rpc, &rpc->items[i], req);
		run_item(&rpc->items[i], req);
	}
	rpc->running = false;
	if (rpc->pending > 0)
		return rpc;
	finish(rpc);
	return NULL;
}

static json_t *
parse(const struct rpc_in *in)
{
	/* /rpc/METHOD needs no body. */
	if (in->len == 0 && in->method != NULL)
		return json_object();
	return json_loadb(in->body, in->len,
	    JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
}

struct rpc *
rpc_run(const struct rpc_in *in)
{
	enum call_flavour flavour;
	char message[MESSAGE_MAX];
	json_t *root;
	size_t n = 1;

	if (!bound_json(in->body, in->len))
		return refuse(in, NULL, guess_flavour(in), CALL_INVALID,
		    "Too many values in one request");
	root = parse(in);
	if (root == NULL)
		return refuse(in, NULL, guess_flavour(in), CALL_PARSE,
		    "Parse error");
	if (!json_is_array(root) && !json_is_object(root))
		return refuse(in, root, CALL_BASTYON, CALL_PARSE,
		    "Top-level object parse error");
	if (json_is_array(root)) {
		n = json_array_size(root);
		flavour = n == 0 ? CALL_JSONRPC2
				 : flavour_of(json_array_get(root, 0));
		if (n == 0)
			return refuse(in, root, flavour, CALL_INVALID,
			    "Invalid Request: empty batch");
		if (n > in->batch_max) {
			(void)snprintf(message, sizeof(message),
			    "Batch of %zu requests, at most %u are taken", n,
			    in->batch_max);
			return refuse(in, root, flavour, CALL_INVALID, message);
		}
		if (n > 1 && !in->admit(in->ctx, (uint32_t)n - 1)) {
			json_decref(root);
			in->done(in->ctx, 429, NULL);
			return NULL;
		}
	}
	return run_all(in, root, n);
}

void
rpc_cancel(struct rpc *rpc)
{
	size_t i;

	rpc->cancelled = true;
	for (i = 0; i < rpc->n; i++)
		rpc->items[i].call.cancelled = true;
}
