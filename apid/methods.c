/* SPDX-License-Identifier: ISC */
/*
 * The methods and their table, as promised in methods.h.  warren-api(7)
 * describes each; tests/regress/http_test.py calls each.
 */
#include "apid/methods.h"

#include <string.h>

#include "apid/apid.h"
#include "apid/state.h"

static void m_getnodeinfo(struct call *call);
static void m_getpeerinfo(struct call *call);
static void m_getstatus(struct call *call);
static void m_gettime(struct call *call);
static void m_help(struct call *call);
static void m_discover(struct call *call);

static const struct method table[] = {
	{ "getnodeinfo", "This node: identity, ports, listeners, STUN data",
	    "object", "The node, as GET /node/info", "/node/info",
	    m_getnodeinfo, { { 0 } } },
	{ "getpeerinfo", "Linked and known nodes with their STUN data", "array",
	    "Peers sorted by nodeId, as GET /node/peers", "/node/peers",
	    m_getpeerinfo,
	    { { "status", "string", "Only these: ACTIVE, PENDING or OFFLINE" },
		{ 0 } } },
	{ "getstatus", "Status word, traffic and NAT of this node", "object",
	    "The status, as GET /node/status", "/node/status", m_getstatus,
	    { { 0 } } },
	{ "gettime", "The node's clock", "object", "{time}: unix seconds", NULL,
	    m_gettime, { { 0 } } },
	{ "help", "The methods, or one of them", "string", "Text for people",
	    NULL, m_help,
	    { { "command", "string", "Explain this method" }, { 0 } } },
	{ "rpc.discover", "This table as an OpenRPC document", "object",
	    "OpenRPC 1.2.6", NULL, m_discover, { { 0 } } },
};

#define COUNT (sizeof(table) / sizeof(table[0]))

const struct method *
method_find(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const struct method *
method_by_path(const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (table[i].rest != NULL && strlen(table[i].rest) == len &&
		    memcmp(table[i].rest, path, len) == 0)
			return &table[i];
	return NULL;
}

const struct method *
method_at(size_t index)
{
	return index < COUNT ? &table[index] : NULL;
}

/* --- parameters --- */

static size_t
params_count(const struct method *m)
{
	size_t n = 0;

	while (m->params[n].name != NULL)
		n++;
	return n;
}

static bool
has_param(const struct method *m, const char *name)
{
	size_t i;

	for (i = 0; m->params[i].name != NULL; i++)
		if (strcmp(m->params[i].name, name) == 0)
			return true;
	return false;
}

static bool
type_fits(const char *type, const json_t *v)
{
	return strcmp(type, "string") == 0 ? json_is_string(v)
					   : json_is_integer(v);
}

/* The first key that the method does not have, or NULL. */
static const char *
unknown_key(const struct method *m, const json_t *params)
{
	json_t *o = json_incref((json_t *)(uintptr_t)params);
	const char *key, *found = NULL;
	json_t *v;

	json_object_foreach(o, key, v)
	{
		if (!has_param(m, key)) {
			found = key;
			break;
		}
	}
	json_decref(o);
	return found;
}

/* Answer the error and return false when the parameters do not fit. */
static bool
params_fit(struct call *call)
{
	const struct method *m = call->method;
	size_t i, n = params_count(m);
	const char *key;
	const json_t *v;

	if (json_is_array(call->params) && json_array_size(call->params) > n) {
		call_error(call, CALL_BAD_PARAMS,
		    "%s takes at most %zu parameters", m->name, n);
		return false;
	}
	if (json_is_object(call->params) &&
	    (key = unknown_key(m, call->params)) != NULL) {
		call_error(call,
		    call->flavour == CALL_BASTYON ? CALL_UNKNOWN_PARAM
						  : CALL_BAD_PARAMS,
		    "Unknown named parameter %.64s", key);
		return false;
	}
	for (i = 0; i < n; i++) {
		v = call_param(call, i);
		if (v != NULL && !type_fits(m->params[i].type, v)) {
			call_error(call, CALL_BAD_PARAMS, "%s must be a %s",
			    m->params[i].name, m->params[i].type);
			return false;
		}
	}
	return true;
}

void
method_run(struct call *call)
{
	if (call->params == NULL || params_fit(call))
		call->method->run(call);
}

/* --- handlers --- */

static void
reply_hot(struct call *call, enum hot which)
{
	struct text *t = state_hot(which, apid_time());

	call_reply(call, t == NULL ? NULL : text_ref(t));
}

static void
m_getnodeinfo(struct call *call)
{
	reply_hot(call, HOT_NODEINFO);
}

static void
m_getstatus(struct call *call)
{
	state_set_ops(apid.st.ops_ok, apid.st.ops_failed);
	reply_hot(call, HOT_STATUS);
}

static void
m_getpeerinfo(struct call *call)
{
	static const char *const words[] = { "ACTIVE", "PENDING", "OFFLINE" };
	const json_t *status = call_param(call, 0);
	size_t i;

	if (status == NULL) {
		reply_hot(call, HOT_PEERS);
		return;
	}
	for (i = 0; i < 3; i++) {
		if (strcmp(json_string_value(status), words[i]) == 0) {
			reply_hot(call,
			    (enum hot)((size_t)HOT_PEERS_ACTIVE + i));
			return;
		}
	}
	call_error(call, CALL_BAD_PARAMS,
	    "status must be ACTIVE, PENDING or OFFLINE");
}

static void
m_gettime(struct call *call)
{
	call_reply_json(call,
	    json_pack("{s:I}", "time",
		(json_int_t)(apid_time().wall.ms / 1000)));
}

static void
help_usage(struct sb *sb, const struct method *m)
{
	size_t i;

	sb_str(sb, m->name);
	for (i = 0; m->params[i].name != NULL; i++) {
		sb_str(sb, " [");
		sb_str(sb, m->params[i].name);
		sb_str(sb, "]");
	}
}

static void
help_one(struct sb *sb, const struct method *m)
{
	size_t i;

	help_usage(sb, m);
	sb_str(sb, "\n");
	sb_str(sb, m->summary);
	for (i = 0; m->params[i].name != NULL; i++) {
		sb_str(sb, "\n  ");
		sb_str(sb, m->params[i].name);
		sb_str(sb, " (");
		sb_str(sb, m->params[i].type);
		sb_str(sb, "): ");
		sb_str(sb, m->params[i].doc);
	}
	sb_str(sb, "\nResult (");
	sb_str(sb, m->result_type);
	sb_str(sb, "): ");
	sb_str(sb, m->result_doc);
	if (m->rest != NULL) {
		sb_str(sb, "\nAlso: GET ");
		sb_str(sb, m->rest);
	}
}

static void
m_help(struct call *call)
{
	const json_t *name = call_param(call, 0);
	const struct method *m;
	struct text *t;
	struct sb sb;
	size_t i;

	sb_init(&sb, TEXT_ONE_MAX);
	if (name == NULL) {
		for (i = 0; i < COUNT; i++) {
			help_usage(&sb, &table[i]);
			sb_str(&sb, "\n");
		}
	} else if ((m = method_find(json_string_value(name))) != NULL) {
		help_one(&sb, m);
	} else {
		sb_str(&sb, "help: unknown command");
	}
	if ((t = sb_end(&sb)) == NULL) {
		call_reply(call, NULL);
		return;
	}
	call_reply_json(call, json_stringn(t->p, t->len));
	text_unref(t);
}

/* --- rpc.discover --- */

static json_t *
discover_params(const struct method *m)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; m->params[i].name != NULL; i++)
		(void)json_array_append_new(list,
		    json_pack("{s:s,s:s,s:b,s:{s:s}}", "name",
			m->params[i].name, "description", m->params[i].doc,
			"required", 0, "schema", "type", m->params[i].type));
	return list;
}

static json_t *
discover_one(const struct method *m)
{
	return json_pack("{s:s,s:s,s:o,s:{s:s,s:s,s:{s:s}}}", "name", m->name,
	    "summary", m->summary, "params", discover_params(m), "result",
	    "name", "result", "description", m->result_doc, "schema", "type",
	    m->result_type);
}

static void
m_discover(struct call *call)
{
	const struct msg_node *node = state_node();
	json_t *methods = json_array();
	size_t i;

	for (i = 0; i < COUNT; i++)
		(void)json_array_append_new(methods, discover_one(&table[i]));
	call_reply_json(call,
	    json_pack("{s:s,s:{s:s,s:s},s:o}", "openrpc", "1.2.6", "info",
		"title", "Warren node API", "version", node->version, "methods",
		methods));
}
