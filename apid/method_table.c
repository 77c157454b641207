/* SPDX-License-Identifier: ISC */
/*
 * The table of methods.  warren-api(7) describes each, and a test holds the
 * two together; tests/regress/http_test.py and db_api_test.py call each.
 */
#include "apid/handlers.h"

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
	OPT("record", "string",                                                \
	    "The signed record, in hex or base64, instead of its fields"),     \
	    OPT("author", "string", "Its author's key, 64 hex digits"),        \
	    OPT("hlc", "string|integer",                                       \
		"Its stamp: milliseconds * 65536 + n"),                        \
	    OPT("sig", "string", "Its author's signature, 128 hex digits")

#define IF_RID                                                                 \
	OPT("ifRid", "string",                                                 \
	    "Write only if this version is stored; zeros: none at all")

#define TOMBSTONE                                                              \
	OPT("tombstone", "boolean", "Take back what the author said before")

#define SETTLED                                                                \
	OPT("settled", "boolean", "As of the last settled tick, not the newest")

#define BLOCK_ID REQ("blockId", "string", "The block's id, 64 hex digits")

#define WRITTEN "{key, rid, hlc, verdict, applied}"

#define PROVED "{tick, root, count, sum, proof, claim}: both in hex"

#define SYNCED "{batchId, applied, known, rejected, newer, after}"

#define SYNC(items, item_type, item_doc)                                       \
	{                                                                      \
		OPT(items, item_type, item_doc),                               \
		    OPT("batchId", "string", "The caller's name for it"),      \
		    OPT("updates", "array", "[{type, blockId, data}]"),        \
		    OPT("timestamp", "integer", "When it was made; not used"), \
		    OPT("since", "string|integer",                             \
			"Also show what is stamped later: a page of 256"),     \
		    OPT("after", "string",                                     \
			"Key behind which the page begins"),                   \
		{                                                              \
			0                                                      \
		}                                                              \
	}

/* clang-format off */
const struct method method_table[] = {
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
	      OPT("fetch", "boolean", "From another holder, if need be"),
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

const size_t method_count = sizeof(method_table) / sizeof(method_table[0]);
