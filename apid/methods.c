/* SPDX-License-Identifier: ISC */
/*
 * The methods and their table, as promised in methods.h.  warren-api(7)
 * describes each; tests/regress/http_test.py calls each.
 */
#include "apid/methods.h"

#include <string.h>

#include "apid/apid.h"
#include "apid/handlers.h"
#include "apid/state.h"

static void m_getnodeinfo(struct call *call);
static void m_getpeerinfo(struct call *call);
static void m_getstatus(struct call *call);
static void m_gettime(struct call *call);
static void m_help(struct call *call);
static void m_discover(struct call *call);

#define OPT(name, type, doc)                                                   \
	{                                                                      \
		name, type, doc, false                                         \
	}
#define REQ(name, type, doc)                                                   \
	{                                                                      \
		name, type, doc, true                                          \
	}

/* Every write carries its author's signature (recform.h). */
#define SIGNED                                                                 \
	OPT("record", "string",                                                  \
	    "The signed record, in hex or base64, instead of its fields"),    \
	    OPT("author", "string", "Its author's key, 64 hex digits"),         \
	    OPT("hlc", "string|integer", "Its stamp: milliseconds * 65536 + n"), \
	    OPT("sig", "string", "Its author's signature, 128 hex digits")

#define IF_RID                                                                 \
	OPT("ifRid", "string",                                                   \
	    "Write only if this version is stored; zeros: none at all")

#define TOMBSTONE                                                              \
	OPT("tombstone", "boolean", "Take back what the author said before")

#define SETTLED                                                                \
	OPT("settled", "boolean", "As of the last settled tick, not the newest")

#define BLOCK_ID                                                               \
	REQ("blockId", "string", "The block's id, 64 hex digits")

#define WRITTEN "{key, rid, hlc, verdict, applied}"

#define PROVED "{tick, root, count, sum, proof, claim}: both in hex"

#define SYNCED "{batchId, applied, known, rejected, newer, after}"

#define SYNC(items, item_type, item_doc)                                       \
	{                                                                      \
		OPT(items, item_type, item_doc),                                \
		    OPT("batchId", "string", "The caller's name for it"),       \
		    OPT("updates", "array", "[{type, blockId, data}]"),         \
		    OPT("timestamp", "integer", "When it was made; not used"),  \
		    OPT("since", "string|integer",                               \
			"Also show what is stamped later: a page of 256"),    \
		    OPT("after", "string", "Key behind which the page begins"), \
		{                                                              \
			0                                                      \
		}                                                              \
	}

/* clang-format off */
static const struct method table[] = {
	/* --- the node --- */
	{ "getnodeinfo", "This node: identity, ports, database, STUN data",
	    "object", "The node", "GET /node/info", m_getnodeinfo,
	    { { 0 } } },
	{ "getpeerinfo", "Linked and known nodes with their STUN data",
	    "array", "Peers sorted by nodeId", "GET /node/peers",
	    m_getpeerinfo,
	    { OPT("status", "string", "Only these: ACTIVE, PENDING or OFFLINE"),
	      { 0 } } },
	{ "getstatus", "Status word, traffic, health and NAT of this node",
	    "object", "The status", "GET /node/status", m_getstatus,
	    { { 0 } } },
	{ "gethealth", "What the settled records say of the whole network",
	    "object", "{activeNodes, totalBlocks, averageRedundancy, "
	    "regionDistribution, ..}", "GET /node/health", m_gethealth,
	    { { 0 } } },
	{ "gettime", "The node's clock", "object", "{time}: unix seconds",
	    NULL, m_gettime, { { 0 } } },

	/* --- records --- */
	{ "getrecord", "One record, by its key or by what names it",
	    "object", "The record; with proof, also what proves it", NULL,
	    m_getrecord,
	    { OPT("key", "string", "Its key, 64 hex digits"), SETTLED,
	      OPT("proof", "boolean", "Also prove it; implies settled"),
	      OPT("kind", "integer", "Instead of the key: its kind"),
	      OPT("subject", "string", "its subject, in hex"),
	      OPT("name", "string", "its name, in hex"),
	      OPT("author", "string", "and its author, 64 hex digits"),
	      { 0 } } },
	{ "getrecords", "Records of a kind, or of a kind and subject",
	    "object", "{records, more, after}: the next page is behind after",
	    NULL, m_getrecords,
	    { OPT("kind", "integer", "Their kind, 1..255"),
	      OPT("subject", "string", "Their subject, in hex"),
	      OPT("after", "string", "Key behind which to begin"),
	      OPT("limit", "integer", "At most so many, 1..256"), SETTLED,
	      { 0 } } },
	{ "putrecord", "Store a signed record", "object", WRITTEN, NULL,
	    m_putrecord,
	    { SIGNED, IF_RID,
	      OPT("kind", "integer", "Its kind, 1..255"),
	      OPT("subject", "string", "Its subject, in hex"),
	      OPT("name", "string", "Its name, in hex"),
	      OPT("w", "integer", "Its number, summed in the tree"),
	      OPT("payload", "string", "Its payload, in hex"), TOMBSTONE,
	      { 0 } } },
	{ "putrecords", "Store up to 1000 signed records", "object",
	    "{applied, results}: a verdict each", NULL, m_putrecords,
	    { REQ("records", "array",
		"Records in hex or base64, or objects as of putrecord"),
	      { 0 } } },

	/* --- blocks --- */
	{ "getblock", "A block with its metadata", "object",
	    "{blockId, data, metadata}: data in base64",
	    "GET /blocks/:blockId", m_getblock,
	    { BLOCK_ID, SETTLED,
	      OPT("raw", "boolean", "REST only: the body as it is"),
	      { 0 } } },
	{ "putblock", "Announce and store a block", "object",
	    WRITTEN " and blockId, size", "POST /blocks", m_putblock,
	    { REQ("data", "string", "Its body in base64, up to 4 MiB"),
	      SIGNED, IF_RID,
	      OPT("payload", "string", "Payload of the announcement, in hex"),
	      { 0 } } },
	{ "getblockmetadata", "What is known of a block", "object",
	    "{blockId, size, created, temperature, copies, fields, ..}",
	    "GET /blocks/:blockId/metadata", m_getblockmetadata,
	    { BLOCK_ID, SETTLED, { 0 } } },
	{ "setmetadata", "Set a field of a block's metadata", "object",
	    WRITTEN, "POST /blocks/:blockId/metadata", m_setmetadata,
	    { OPT("blockId", "string", "The block's id, 64 hex digits"),
	      OPT("key", "string", "The field's name, at most 64 bytes"),
	      OPT("value", "any", "Its value: any JSON without fractions"),
	      OPT("payload", "string", "Instead of value: its text, in hex"),
	      TOMBSTONE, SIGNED, IF_RID, { 0 } } },
	{ "settemperature", "Say how warm a block is", "object",
	    WRITTEN " and blockId, temperature, lastChange",
	    "POST /blocks/:blockId/temperature", m_settemperature,
	    { OPT("blockId", "string", "The block's id, 64 hex digits"),
	      OPT("temperature", "string",
		"FROZEN, COLD, COOL, WARM, HOT or VIRAL"),
	      OPT("reason", "string", "At most 32 bytes"), TOMBSTONE, SIGNED,
	      IF_RID, { 0 } } },
	{ "setlocation", "Say that a node holds a block, or does no more",
	    "object", WRITTEN " and blockId, nodeId, action",
	    "POST /blocks/:blockId/location", m_setlocation,
	    { OPT("blockId", "string", "The block's id, 64 hex digits"),
	      OPT("nodeId", "string", "The holder, who is the author"),
	      OPT("action", "string", "add, or remove"),
	      OPT("region", "string", "Where that is, at most 64 bytes"),
	      SIGNED, IF_RID, { 0 } } },
	{ "rate", "Rate anything", "object", WRITTEN, NULL, m_rate,
	    { OPT("target", "string", "What is rated: 1 to 64 bytes, in hex"),
	      OPT("rating", "integer", "-100..100"),
	      OPT("comment", "string", "At most 256 bytes"), TOMBSTONE, SIGNED,
	      IF_RID, { 0 } } },

	/* --- exchange --- */
	{ "syncrequest", "Which of these blocks are here?", "object",
	    "{available, missing, unknown}: missing ones are fetched",
	    "POST /sync/request", m_syncrequest,
	    { REQ("blockIds", "array", "Up to 1000 ids of blocks"),
	      { 0 } } },
	{ "syncmetadata", "Many fields of metadata at once", "object", SYNCED,
	    "POST /sync/metadata", m_syncmetadata,
	    SYNC("metadata", "array", "Objects as of setmetadata") },
	{ "synctemperature", "Many temperatures at once", "object", SYNCED,
	    "POST /sync/temperature", m_synctemperature,
	    SYNC("temperatures", "array|object",
		"Objects as of settemperature, or such by their blockId") },
	{ "announce", "A node announces itself", "object", "{nodeId, peers}",
	    "POST /peers/announce", m_announce,
	    { SIGNED, IF_RID,
	      OPT("nodeId", "string", "The node, who is the author"),
	      OPT("payload", "string", "Of its node record, in hex"),
	      { 0 } } },
	{ "disconnect", "A node takes its announcement back", "object",
	    "{nodeId, status}", "POST /peers/disconnect", m_disconnect,
	    { SIGNED, IF_RID,
	      OPT("nodeId", "string", "The node, who is the author"),
	      OPT("reason", "string", "For people; not stored"), { 0 } } },

	/* --- the database --- */
	{ "getdbhash", "Root of the settled database", "object",
	    "{tick, root, count, sum}", NULL, m_getdbhash,
	    { OPT("tick", "string|integer", "One of the last 64"), { 0 } } },
	{ "getdbsum", "Count and sum of a kind, or of a subject of a kind",
	    "object", PROVED, NULL, m_getdbsum,
	    { OPT("kind", "integer", "1..255; none: of all records"),
	      OPT("subject", "string", "Only of this subject, in hex"),
	      OPT("tick", "string|integer", "One of the last two"), { 0 } } },
	{ "getdbclaim", "This node's signed word on the root", "object",
	    "{tick, root, count, sum, claim, nodeId, netid, time, sig}",
	    NULL, m_getdbclaim,
	    { OPT("tick", "string|integer", "One of the last 64"), { 0 } } },
	{ "getproof", "Prove what is under a key or a prefix, or that nothing "
	    "is", "object", PROVED, NULL, m_getproof,
	    { OPT("key", "string", "64 hex digits"),
	      OPT("prefix", "string", "Instead of the key: up to 32 bytes"),
	      OPT("bits", "integer", "So many bits of it"),
	      OPT("tick", "string|integer", "One of the last two"), { 0 } } },

	/* --- the API itself --- */
	{ "help", "The methods, or one of them", "string", "Text for people",
	    NULL, m_help,
	    { OPT("command", "string", "Explain this method"), { 0 } } },
	{ "rpc.discover", "This table as an OpenRPC document", "object",
	    "OpenRPC 1.2.6", NULL, m_discover, { { 0 } } },
};
/* clang-format on */

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
