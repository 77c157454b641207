/* SPDX-License-Identifier: ISC */
/*
 * The views of view.h as JSON, for the API and for warrenctl -j alike: one
 * encoder, so that both show the very same objects (warren-api(7)).  What is
 * not known is null, never false and never 0.  Touches no clock and no
 * socket; tested in tests/unit/view_json_test.c.
 */
#ifndef WARREN_VIEW_JSON_H
#define WARREN_VIEW_JSON_H

#include <jansson.h>

#include "common/msg_db.h"
#include "common/view.h"

/* A mapping that nobody confirmed for this long is shown as stale. */
#define VIEW_STALE_S 180

/* Sums that no single view holds; MSG_NULL64 where not known. */
struct view_totals {
	uint64_t peers_up;
	uint64_t bytes_in, bytes_out;  /* over peer links, since their start */
	uint64_t ops_ok, ops_failed;   /* answers of the API */
	const struct msg_db_state *db; /* NULL: the store has not spoken */
};

/*
 * Every function returns a new reference, or NULL when there is no memory.
 * now_ms is unix time; stun is NULL while stund has not spoken.
 */

/* getnodeinfo and GET /node/info; db is NULL where nobody knows it. */
json_t *view_json_nodeinfo(const struct msg_node *node,
    const struct msg_stun_view *stun, const struct msg_db_state *db,
    uint64_t now_ms);

/* The replicated database at its last settled tick, and its state here. */
json_t *view_json_db(const struct msg_db_state *db);

/* gethealth: what the settled records say of the whole network. */
json_t *view_json_health(const struct msg_db_state *db);

/* Its listeners: those the public may know of, or for the operator all. */
json_t *view_json_listeners(const struct msg_node *node, bool all);

/* One item of getpeerinfo and GET /node/peers. */
json_t *view_json_peer(const struct msg_peer *peer, uint64_t now_ms);

/* getstatus and GET /node/status. */
json_t *view_json_status(const struct msg_node *node,
    const struct msg_stun_view *stun, const struct view_totals *totals,
    uint64_t now_ms);

/* stun{} of our own node: nat, nats, servers, mappings; also "show stun". */
json_t *view_json_stun(const struct msg_node *node,
    const struct msg_stun_view *stun, uint64_t now_ms);

/*
 * Any message by its schema, keys as the fields are named: BIN and BLOB as
 * hex, ADDR as "ip:port", null for what is not known.
 */
json_t *view_json_schema(const struct schema *schema, const void *body);

/* "2026-11-21T09:40:15.250Z" of unix milliseconds.  Returns buf. */
#define VIEW_TIME_STR 32
const char *view_time_str(uint64_t ms, char buf[VIEW_TIME_STR]);

#endif
