/* SPDX-License-Identifier: ISC */
/*
 * Finding and checking methods, as promised in methods.h, and the handlers
 * that need nobody's answer.
 */
#include "apid/methods.h"

#include <string.h>

#include "apid/apid.h"
#include "apid/handlers.h"
#include "apid/state.h"

const struct method *
method_find(const char *name)
{
	size_t i;

	for (i = 0; i < method_count; i++)
		if (strcmp(method_table[i].name, name) == 0)
			return &method_table[i];
	return NULL;
}

const struct method *
method_at(size_t index)
{
	return index < method_count ? &method_table[index] : NULL;
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
word_fits(const char *word, size_t len, const json_t *v)
{
	static const struct {
		const char *word;
		json_type types[2];
	} all[] = {
		{ "string", { JSON_STRING, JSON_STRING } },
		{ "integer", { JSON_INTEGER, JSON_INTEGER } },
		{ "boolean", { JSON_TRUE, JSON_FALSE } },
		{ "array", { JSON_ARRAY, JSON_ARRAY } },
		{ "object", { JSON_OBJECT, JSON_OBJECT } },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strncmp(all[i].word, word, len) == 0 &&
		    all[i].word[len] == '\0')
			return json_typeof(v) == all[i].types[0] ||
			    json_typeof(v) == all[i].types[1];
	return true; /* any */
}

static bool
type_fits(const char *type, const json_t *v)
{
	size_t len;

	for (;; type += len + 1) {
		len = strcspn(type, "|");
		if (word_fits(type, len, v))
			return true;
		if (type[len] == '\0')
			return false;
	}
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
		if (v == NULL && m->params[i].required) {
			call_error(call, CALL_BAD_PARAMS, "%s is missing",
			    m->params[i].name);
			return false;
		}
	}
	return true;
}

void
method_run(struct call *call)
{
	if (params_fit(call))
		call->method->run(call);
}

/* --- handlers --- */

static void
reply_hot(struct call *call, enum hot which)
{
	struct text *t = state_hot(which, apid_time());

	call_reply(call, t == NULL ? NULL : text_ref(t));
}

void
m_getnodeinfo(struct call *call)
{
	reply_hot(call, HOT_NODEINFO);
}

void
m_getstatus(struct call *call)
{
	state_set_ops(apid.st.ops_ok, apid.st.ops_failed);
	reply_hot(call, HOT_STATUS);
}

void
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

void
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
		sb_str(sb, m->params[i].required ? " " : " [");
		sb_str(sb, m->params[i].name);
		sb_str(sb, m->params[i].required ? "" : "]");
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
		sb_str(sb, "\nAlso: ");
		sb_str(sb, m->rest);
	}
}

void
m_help(struct call *call)
{
	const json_t *name = call_param(call, 0);
	const struct method *m;
	struct text *t;
	struct sb sb;
	size_t i;

	sb_init(&sb, TEXT_ONE_MAX);
	if (name == NULL) {
		for (i = 0; i < method_count; i++) {
			help_usage(&sb, &method_table[i]);
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

/* {}, {"type":T} or {"type":[T, ..]} */
static json_t *
schema_of(const char *type)
{
	json_t *list;
	size_t len = strcspn(type, "|");

	if (strcmp(type, "any") == 0)
		return json_object();
	if (type[len] == '\0')
		return json_pack("{s:s}", "type", type);
	for (list = json_array();; type += len + 1) {
		len = strcspn(type, "|");
		(void)json_array_append_new(list, json_stringn(type, len));
		if (type[len] == '\0')
			return json_pack("{s:o}", "type", list);
	}
}

static json_t *
discover_params(const struct method *m)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; m->params[i].name != NULL; i++)
		(void)json_array_append_new(list,
		    json_pack("{s:s,s:s,s:b,s:o}", "name", m->params[i].name,
			"description", m->params[i].doc, "required",
			(int)m->params[i].required, "schema",
			schema_of(m->params[i].type)));
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

void
m_discover(struct call *call)
{
	const struct msg_node *node = state_node();
	json_t *methods = json_array();
	size_t i;

	for (i = 0; i < method_count; i++)
		(void)json_array_append_new(methods,
		    discover_one(&method_table[i]));
	call_reply_json(call,
	    json_pack("{s:s,s:{s:s,s:s},s:o}", "openrpc", "1.2.6", "info",
		"title", "Warren node API", "version", node->version, "methods",
		methods));
}
