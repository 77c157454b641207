/* SPDX-License-Identifier: ISC */
/*
 * Answers for programs: one object a command.  "data" is the very object the
 * API serves; what only the CLI knows stands beside it.  Keys are only ever
 * added; a removal would need "v": 2.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/mono.h"
#include "common/view_json.h"

static uint64_t
now_ms(void)
{
	return (uint64_t)wall_now().ms;
}

static void
put_time(json_t *o)
{
	char buf[VIEW_TIME_STR];

	(void)json_object_set_new(
	    o, "time", json_string(view_time_str(now_ms(), buf)));
}

static void
print_and_free(json_t *o)
{
	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)printf("\n");
	json_decref(o);
}

void
json_print(json_t *(*data)(json_t *envelope))
{
	json_t *o = json_object(), *d;

	(void)json_object_set_new(o, "v", json_integer(1));
	(void)json_object_set_new(o, "command", json_string(cx.command));
	put_time(o);
	d = data(o);
	(void)json_object_set_new(o, "data", d == NULL ? json_null() : d);
	if (cx.answer.end.code != 0)
		(void)json_object_set_new(o, "error",
		    json_pack("{s:i,s:s}", "code", cx.answer.end.code, "text",
		        cx.answer.end.text));
	print_and_free(o);
}

static const char *
code_name(int code)
{
	switch (code) {
	case EX_USAGE:
		return "usage";
	case EX_UNAVAILABLE:
		return "unavailable";
	case EX_SOFTWARE:
		return "internal";
	case EX_TEMPFAIL:
		return "busy";
	case EX_PROTOCOL:
		return "version";
	case EX_NOPERM:
		return "not-permitted";
	case EX_CONFIG:
		return "config";
	case EX_DATAERR:
		return "data";
	case EX_NOINPUT:
		return "no-input";
	case EX_CANTCREAT:
		return "cannot-create";
	case EX_IOERR:
		return "io";
	default:
		return "no";
	}
}

void
json_die(int code, const char *text)
{
	print_and_free(json_pack("{s:i,s:{s:i,s:s,s:s}}", "v", 1, "error",
	    "code", code, "name", code_name(code), "text", text));
	exit(code);
}

void
json_event(const struct msg_event *e)
{
	json_t *o = view_json_schema(&schema_event, e);

	(void)json_object_set_new(o, "v", json_integer(1));
	print_and_free(o);
	if (fflush(stdout) != 0)
		exit(0);
}

json_t *
json_parts(uint16_t type, const struct schema *s)
{
	json_t *list = json_array();
	struct part *at = NULL;
	const void *body;

	while ((body = client_next(type, &at)) != NULL)
		(void)json_array_append_new(list, view_json_schema(s, body));
	return list;
}

json_t *
json_status(json_t *envelope)
{
	static const char *const words[] = { "ok", "degraded", "critical" };
	const struct msg_ctl_status *s = client_first(CTL_STATUS);
	const struct msg_node *n = client_first(CTL_NODE);
	const struct msg_db_state *db = client_first(CTL_DB);

	(void)json_object_set_new(
	    envelope, "health", json_string(words[health_of()]));
	(void)json_object_set_new(
	    envelope, "problems", json_parts(CTL_PROBLEM, &schema_ctl_problem));
	(void)json_object_set_new(
	    envelope, "processes", json_parts(CTL_PROCESS, &schema_process));
	(void)json_object_set_new(envelope, "database", db == NULL ?
	    json_null() : json_db(db));
	(void)json_object_set_new(envelope, "peers", s == NULL ? json_null() :
	    view_json_schema(&schema_ctl_status, s));
	if (n == NULL)
		return NULL;
	return view_json_nodeinfo(n, client_first(CTL_STUN), NULL, now_ms());
}

json_t *
json_peers(json_t *envelope)
{
	json_t *list = json_array();
	const struct msg_peer *p;
	struct part *at = NULL;

	(void)envelope;
	while ((p = client_next(CTL_PEER, &at)) != NULL)
		(void)json_array_append_new(
		    list, view_json_peer(p, now_ms()));
	return list;
}

json_t *
json_peer(json_t *envelope)
{
	const struct msg_peer *p = client_first(CTL_PEER);

	(void)envelope;
	return p == NULL ? NULL : view_json_peer(p, now_ms());
}

json_t *
json_stun(json_t *envelope)
{
	static const struct msg_node nobody;
	const struct msg_node *n = client_first(CTL_NODE);

	(void)json_object_set_new(envelope, "requesters",
	    json_parts(CTL_REQUESTER, &schema_requester));
	return view_json_stun(
	    n == NULL ? &nobody : n, client_first(CTL_STUN), now_ms());
}

json_t *
json_listeners(json_t *envelope)
{
	const struct msg_node *n = client_first(CTL_NODE);

	(void)envelope;
	return n == NULL ? NULL : view_json_listeners(n, true);
}

json_t *
json_processes(json_t *envelope)
{
	(void)envelope;
	return json_parts(CTL_PROCESS, &schema_process);
}

json_t *
json_limits(json_t *envelope)
{
	(void)envelope;
	return json_parts(CTL_LIMIT, &schema_limit);
}

json_t *
json_lines(json_t *envelope)
{
	json_t *list = json_array();
	const struct msg_ctl_line *l;
	struct part *at = NULL;

	(void)envelope;
	while ((l = client_next(CTL_LINE, &at)) != NULL)
		(void)json_array_append_new(list, json_string(l->text));
	return list;
}

json_t *
json_bans(json_t *envelope)
{
	(void)envelope;
	return json_parts(CTL_BANNED, &schema_banned);
}

json_t *
json_key(json_t *envelope)
{
	const struct msg_node *n = client_first(CTL_NODE);
	char id[NODE_ID_HEX], net[NODE_ID_HEX];

	(void)envelope;
	if (n == NULL)
		return NULL;
	return json_pack("{s:s,s:s,s:s}", "nodeId", node_id_hex(n->id, id),
	    "network", n->network, "netid", node_id_hex(n->netid, net));
}

json_t *
json_pongs(json_t *envelope)
{
	(void)envelope;
	return json_parts(CTL_PONG, &schema_ctl_pong);
}

json_t *
json_done(json_t *envelope)
{
	(void)envelope;
	return json_pack("{s:b,s:s}", "done", cx.answer.end.code == 0, "text",
	    cx.answer.end.text);
}

json_t *
json_made(json_t *envelope)
{
	(void)envelope;
	return cx.data;
}
