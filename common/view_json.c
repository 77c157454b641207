/* SPDX-License-Identifier: ISC */
/*
 * JSON objects of the views, as promised in view_json.h.
 */
#include "common/view_json.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/json_obj.h"
#include "common/rec.h"

static int
by_word(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *
capabilities(uint32_t caps)
{
	const char *words[32] = { NULL };
	struct jo list = jo_list();
	size_t n = 0, i;
	unsigned bit;

	for (bit = 0; bit < 32; bit++)
		if ((caps & 1u << bit) != 0 && cap_name(bit) != NULL)
			words[n++] = cap_name(bit);
	qsort(words, n, sizeof(words[0]), by_word);
	for (i = 0; i < n; i++)
		jo_add(&list, json_string(words[i]));
	return jo_end(&list);
}

static json_t *
policy_words(uint8_t allow)
{
	struct jo list = jo_list();

	if ((allow & ADDR_ALLOW_PRIVATE) != 0)
		jo_add(&list, json_string("private"));
	if ((allow & ADDR_ALLOW_RESERVED) != 0)
		jo_add(&list, json_string("reserved"));
	return jo_end(&list);
}

/* --- stun --- */

static json_t *
nat_words(uint8_t mapping, uint8_t filtering, uint8_t ports)
{
	struct jo o = jo_new();

	jo_put(&o, "mapping", jv_word(nat_mapping_name(mapping)));
	jo_put(&o, "filtering", jv_word(nat_filtering_name(filtering)));
	jo_put(&o, "ports", jv_word(nat_ports_name(ports)));
	return jo_end(&o);
}

/* One word for all families and protocols: the least favourable known. */
static json_t *
nat_overall(const struct msg_stun_view *stun)
{
	uint8_t m = NAT_MAP_UNKNOWN, f = NAT_FILTER_UNKNOWN;
	uint8_t p = NAT_PORTS_UNKNOWN;
	size_t i;

	for (i = 0; stun != NULL && i < stun->n_nats; i++) {
		const struct msg_nat *n = &stun->nats[i];

		if (n->mapping > m)
			m = n->mapping;
		if (n->filtering > f)
			f = n->filtering;
		/* random is worse than sequential, though it comes first */
		if (n->ports > p && p != NAT_PORTS_RANDOM)
			p = n->ports;
		if (n->ports == NAT_PORTS_RANDOM)
			p = NAT_PORTS_RANDOM;
	}
	return nat_words(m, f, p);
}

static json_t *
nat_one(const struct msg_nat *n)
{
	struct jo o = jo_new();

	jo_put(&o, "family",
	    n->fam == 0 ? json_null()
			: json_string(n->fam == NADDR_V6 ? "ipv6" : "ipv4"));
	jo_put(&o, "proto", json_string(proto_name(n->proto)));
	jo_put(&o, "mapping", jv_word(nat_mapping_name(n->mapping)));
	jo_put(&o, "filtering", jv_word(nat_filtering_name(n->filtering)));
	jo_put(&o, "ports", jv_word(nat_ports_name(n->ports)));
	jo_put(&o, "networks", jv_number(n->networks));
	jo_put(&o, "stun_address", jv_addr_ip(&n->endpoint));
	jo_put(&o, "stun_port", jv_port(&n->endpoint));
	return jo_end(&o);
}

/* via_len: 32 for our own mappings, 8 for what a node record carries. */
static json_t *
mapping_one(const struct msg_mapping *m, size_t via_len, uint64_t now_ms)
{
	struct jo o = jo_new();
	uint64_t now_s = now_ms / 1000;

	jo_put(&o, "proto", json_string(proto_name(m->proto)));
	jo_put(&o, "service", json_string(service_name(m->service)));
	jo_put(&o, "stun_address", jv_addr_ip(&m->mapped));
	jo_put(&o, "stun_port", jv_port(&m->mapped));
	jo_put(&o, "local_port", jv_maybe(m->local_port));
	jo_put(&o, "via",
	    sodium_is_zero(m->via, via_len) ? json_null()
					    : jv_hex(m->via, via_len));
	jo_put(&o, "since", jv_maybe(m->since));
	jo_put(&o, "seen", jv_maybe(m->seen));
	jo_put(&o, "stale",
	    m->seen == MSG_NULL64 ? json_null()
				  : json_boolean(m->seen < now_s &&
					now_s - m->seen > VIEW_STALE_S));
	jo_put(&o, "verified", jv_tri(m->verified));
	return jo_end(&o);
}

static json_t *
mapping_list(const struct msg_mapping *m, size_t n, size_t via_len,
    uint64_t now_ms)
{
	struct jo list = jo_list();
	size_t i;

	for (i = 0; i < n; i++)
		jo_add(&list, mapping_one(&m[i], via_len, now_ms));
	return jo_end(&list);
}

/* STUN servers that others may ask. */
static json_t *
server_list(const struct msg_node *node)
{
	struct jo list = jo_list();
	size_t i;

	for (i = 0; i < node->n_listeners; i++) {
		const struct msg_listener *l = &node->listeners[i];
		const struct naddr *a =
		    l->advertise.fam != NADDR_NONE ? &l->advertise : &l->addr;
		struct jo o;

		if (l->service != SVC_STUN_UDP && l->service != SVC_STUN_TCP)
			continue;
		o = jo_new();
		jo_put(&o, "proto", json_string(proto_name(l->proto)));
		jo_put(&o, "address", jv_addr_ip(a));
		jo_put(&o, "port", jv_port(a));
		jo_add(&list, jo_end(&o));
	}
	return jo_end(&list);
}

json_t *
view_json_stun(const struct msg_node *node, const struct msg_stun_view *stun,
    uint64_t now_ms)
{
	struct jo o = jo_new(), nats = jo_list();
	size_t i;

	for (i = 0; stun != NULL && i < stun->n_nats; i++)
		jo_add(&nats, nat_one(&stun->nats[i]));
	jo_put(&o, "nat", nat_overall(stun));
	jo_put(&o, "nats", jo_end(&nats));
	jo_put(&o, "servers", server_list(node));
	jo_put(&o, "mappings",
	    stun == NULL
		? json_array()
		: mapping_list(stun->mappings, stun->n_mappings, 32, now_ms));
	return jo_end(&o);
}

/* --- the node --- */

/* Listeners that are nobody's business are not shown to strangers. */
static bool
is_public(const struct msg_listener *l)
{
	return l->service <= SVC_STUN_TCP;
}

json_t *
view_json_listeners(const struct msg_node *node, bool all)
{
	struct jo list = jo_list();
	size_t i;

	for (i = 0; i < node->n_listeners; i++) {
		const struct msg_listener *l = &node->listeners[i];
		char ip[NADDR_STR];
		struct jo o;

		if (!all && !is_public(l))
			continue;
		o = jo_new();
		jo_put(&o, "service", json_string(service_name(l->service)));
		jo_put(&o, "proto", json_string(proto_name(l->proto)));
		jo_put(&o, "address",
		    l->addr.fam == NADDR_NONE
			? json_null()
			: json_string(naddr_ip_str(&l->addr, ip)));
		jo_put(&o, "port", jv_port(&l->addr));
		jo_put(&o, "advertise", jv_addr_port(&l->advertise));
		jo_add(&list, jo_end(&o));
	}
	return jo_end(&list);
}

/* The port a service really has, or null. */
static json_t *
bound_port(const struct msg_node *node, uint8_t service)
{
	size_t i;

	for (i = 0; i < node->n_listeners; i++)
		if (node->listeners[i].service == service)
			return jv_port(&node->listeners[i].addr);
	return json_null();
}

/* The port strangers reach a service at: advertised, else bound, or null. */
static json_t *
reach_port(const struct msg_node *node, uint8_t service)
{
	size_t i;

	for (i = 0; i < node->n_listeners; i++)
		if (node->listeners[i].service == service &&
		    node->listeners[i].advertise.port != 0)
			return jv_number(node->listeners[i].advertise.port);
	return bound_port(node, service);
}

static json_t *
port_table(const struct msg_node *node)
{
	struct jo o = jo_new();

	jo_put(&o, "link", bound_port(node, SVC_LINK));
	jo_put(&o, "http", bound_port(node, SVC_HTTP));
	jo_put(&o, "ws", bound_port(node, SVC_WS));
	jo_put(&o, "wsudp", bound_port(node, SVC_WSUDP));
	jo_put(&o, "stun_udp", bound_port(node, SVC_STUN_UDP));
	jo_put(&o, "stun_tcp", bound_port(node, SVC_STUN_TCP));
	return jo_end(&o);
}

/* Where strangers find us: what we advertise, else what peers see. */
static json_t *
own_address(const struct msg_node *node, const struct msg_stun_view *stun)
{
	size_t i;

	for (i = 0; i < node->n_listeners; i++)
		if (is_public(&node->listeners[i]) &&
		    node->listeners[i].advertise.fam != NADDR_NONE &&
		    !naddr_is_any(&node->listeners[i].advertise))
			return jv_addr_host(&node->listeners[i].advertise);
	for (i = 0; stun != NULL && i < stun->n_nats; i++)
		if (stun->nats[i].endpoint.fam != NADDR_NONE)
			return jv_addr_host(&stun->nats[i].endpoint);
	return json_null();
}

static uint64_t
uptime_s(const struct msg_node *node, uint64_t now_ms)
{
	return now_ms > node->started ? (now_ms - node->started) / 1000 : 0;
}

json_t *
view_json_nodeinfo(const struct msg_node *node,
    const struct msg_stun_view *stun, const struct msg_db_state *db,
    uint64_t now_ms)
{
	struct jo o = jo_new();

	jo_put(&o, "nodeId", jv_hex(node->id, 32));
	jo_put(&o, "publicKey", jv_hex(node->id, 32));
	jo_put(&o, "netid", jv_hex(node->netid, 32));
	jo_put(&o, "network", jv_text(node->network));
	jo_put(&o, "name", jv_text(node->name));
	jo_put(&o, "version", jv_text(node->version));
	jo_put(&o, "address", own_address(node, stun));
	jo_put(&o, "httpPort", reach_port(node, SVC_HTTP));
	jo_put(&o, "wsPort", reach_port(node, SVC_WS));
	jo_put(&o, "capabilities", capabilities(node->caps));
	jo_put(&o, "region", jv_text(node->region));
	jo_put(&o, "status", json_string("online"));
	jo_put(&o, "uptime_seconds", jv_number(uptime_s(node, now_ms)));
	jo_put(&o, "time", jv_number(now_ms / 1000));
	jo_put(&o, "started", jv_time(node->started));
	jo_put(&o, "ports", port_table(node));
	jo_put(&o, "listeners", view_json_listeners(node, false));
	jo_put(&o, "sandbox", jv_text(node->sandbox));
	jo_put(&o, "addressPolicy", policy_words(node->allow));
	jo_put(&o, "testEcho", json_boolean(node->test_echo));
	jo_put(&o, "stun", view_json_stun(node, stun, now_ms));
	jo_put(&o, "db", db == NULL ? json_null() : view_json_db(db));
	return jo_end(&o);
}

/* --- the database --- */

static json_t *
kind_list(const struct msg_db_state *db)
{
	struct jo list = jo_list(), o;
	size_t i;

	for (i = 0; i < db->n_kinds; i++) {
		o = jo_new();
		jo_put(&o, "kind", jv_number(db->kinds[i].kind));
		jo_put(&o, "count", jv_number(db->kinds[i].cnt));
		jo_put(&o, "sum", json_integer(db->kinds[i].sum));
		jo_add(&list, jo_end(&o));
	}
	return jo_end(&list);
}

json_t *
view_json_db(const struct msg_db_state *db)
{
	struct jo o = jo_new();

	jo_put(&o, "tick", jv_number(db->tick));
	jo_put(&o, "time", db->tick == 0 ? json_null() : jv_time(db->time));
	jo_put(&o, "root", jv_hex(db->root, 32));
	jo_put(&o, "count", jv_number(db->cnt));
	jo_put(&o, "sum", json_integer(db->sum));
	jo_put(&o, "kinds", kind_list(db));
	jo_put(&o, "seq", jv_number(db->seq));
	jo_put(&o, "dbid", jv_hex(db->dbid, 16));
	jo_put(&o, "pending", jv_number(db->pending));
	jo_put(&o, "bytes", jv_number(db->bytes));
	jo_put(&o, "blocks", jv_number(db->bodies));
	jo_put(&o, "blockBytes", jv_number(db->body_bytes));
	jo_put(&o, "fetching", jv_number(db->fetching));
	jo_put(&o, "neighbours", jv_number(db->neighbours));
	jo_put(&o, "neighboursEqual", jv_number(db->neighbours_equal));
	jo_put(&o, "admitted", json_boolean(db->admitted));
	jo_put(&o, "problem", jv_text(db->problem));
	return jo_end(&o);
}

static const struct msg_db_kind *
find_kind(const struct msg_db_state *db, uint8_t kind)
{
	static const struct msg_db_kind none = { .cnt = 0 };
	size_t i;

	for (i = 0; i < db->n_kinds; i++)
		if (db->kinds[i].kind == kind)
			return &db->kinds[i];
	return &none;
}

static json_t *
region_table(const struct msg_db_state *db)
{
	struct jo o = jo_new();
	size_t i;

	for (i = 0; i < db->n_regions; i++)
		jo_put(&o, db->regions[i].region,
		    jv_number(db->regions[i].nodes));
	return jo_end(&o);
}

/* a / b with two decimals; 0 where there is nothing to divide by. */
static json_t *
mean(uint64_t a, uint64_t b)
{
	double v = b == 0 ? 0 : (double)a / (double)b;

	return json_real((double)(uint64_t)(v * 100 + 0.5) / 100);
}

json_t *
view_json_health(const struct msg_db_state *db)
{
	const struct msg_db_kind *blocks = find_kind(db, REC_BLOCK);
	uint64_t nodes = find_kind(db, REC_NODE)->cnt;
	struct jo o = jo_new();

	jo_put(&o, "tick", jv_number(db->tick));
	/* Whoever says this is one. */
	jo_put(&o, "activeNodes", jv_number(nodes == 0 ? 1 : nodes));
	jo_put(&o, "totalBlocks", jv_number(blocks->cnt));
	jo_put(&o, "totalBytes", json_integer(blocks->sum));
	jo_put(&o, "averageRedundancy",
	    mean(find_kind(db, REC_LOCATION)->cnt, blocks->cnt));
	jo_put(&o, "blocksBelowTarget", jv_number(db->below_r));
	jo_put(&o, "regionDistribution", region_table(db));
	return jo_end(&o);
}

json_t *
view_json_status(const struct msg_node *node, const struct msg_stun_view *stun,
    const struct view_totals *totals, uint64_t now_ms)
{
	struct jo o = jo_new(), metrics = jo_new(), band = jo_new();
	struct jo ops = jo_new();

	jo_put(&band, "in", jv_maybe(totals->bytes_in));
	jo_put(&band, "out", jv_maybe(totals->bytes_out));
	jo_put(&ops, "success", jv_maybe(totals->ops_ok));
	jo_put(&ops, "failed", jv_maybe(totals->ops_failed));
	jo_put(&metrics, "uptime", jv_number(uptime_s(node, now_ms)));
	jo_put(&metrics, "peers", jv_maybe(totals->peers_up));
	jo_put(&metrics, "blocks",
	    totals->db == NULL ? json_null() : jv_number(totals->db->bodies));
	jo_put(&metrics, "bandwidth", jo_end(&band));
	jo_put(&metrics, "operations", jo_end(&ops));
	jo_put(&o, "status", json_string("online"));
	jo_put(&o, "metrics", jo_end(&metrics));
	jo_put(&o, "health",
	    totals->db == NULL ? json_null() : view_json_health(totals->db));
	jo_put(&o, "db",
	    totals->db == NULL ? json_null() : view_json_db(totals->db));
	jo_put(&o, "nat", nat_overall(stun));
	return jo_end(&o);
}

/* --- a peer --- */

static const char *
source_name(uint8_t source)
{
	static const char *const words[] = { "static", "upnp", "stun",
		"relay" };

	return source < 4 ? words[source] : "unknown";
}

static json_t *
addr_list(const struct msg_peer *p)
{
	struct jo list = jo_list();
	size_t i;

	for (i = 0; i < p->n_addrs; i++) {
		const struct msg_svc_addr *a = &p->addrs[i];
		struct jo o = jo_new();

		jo_put(&o, "service", json_string(service_name(a->service)));
		jo_put(&o, "proto",
		    json_string(proto_name(
			a->service == SVC_WSUDP || a->service == SVC_STUN_UDP
			    ? PROTO_UDP
			    : PROTO_TCP)));
		jo_put(&o, "source", jv_word(source_name(a->source)));
		jo_put(&o, "address", jv_addr_ip(&a->addr));
		jo_put(&o, "port",
		    a->addr.port == 0 ? json_null() : jv_number(a->addr.port));
		jo_add(&list, jo_end(&o));
	}
	return jo_end(&list);
}

static json_t *
service_port(const struct msg_peer *p, uint8_t service)
{
	size_t i;

	for (i = 0; i < p->n_addrs; i++)
		if (p->addrs[i].service == service &&
		    p->addrs[i].addr.port != 0)
			return jv_number(p->addrs[i].addr.port);
	return json_null();
}

static json_t *
peer_stun(const struct msg_peer *p, uint64_t now_ms)
{
	struct jo o = jo_new();

	jo_put(&o, "nat",
	    nat_words(p->nat_mapping, p->nat_filtering, p->nat_ports));
	jo_put(&o, "mappings",
	    mapping_list(p->mappings, p->n_mappings, 8, now_ms));
	return jo_end(&o);
}

json_t *
view_json_peer(const struct msg_peer *p, uint64_t now_ms)
{
	struct jo o = jo_new();

	jo_put(&o, "nodeId", jv_hex(p->id, 32));
	jo_put(&o, "publicKey", jv_hex(p->id, 32));
	jo_put(&o, "addr", jv_addr_port(&p->addr));
	jo_put(&o, "address", jv_addr_host(&p->addr));
	jo_put(&o, "httpPort", service_port(p, SVC_HTTP));
	jo_put(&o, "wsPort", service_port(p, SVC_WS));
	jo_put(&o, "name", jv_text(p->name));
	jo_put(&o, "version", jv_text(p->agent));
	jo_put(&o, "region", jv_text(p->region));
	jo_put(&o, "capabilities",
	    p->known || p->caps != 0 ? capabilities(p->caps) : json_null());
	jo_put(&o, "status", jv_word(peer_status_name(p->status)));
	jo_put(&o, "inbound",
	    p->dir == PEER_DIR_NONE ? json_null()
				    : json_boolean(p->dir == PEER_DIR_IN));
	jo_put(&o, "role",
	    p->role == PEER_ROLE_NONE ? json_null()
				      : jv_word(peer_role_name(p->role)));
	jo_put(&o, "via",
	    p->role == PEER_ROLE_CIRCUIT ? jv_hex(p->via, 32) : json_null());
	jo_put(&o, "pinned", json_boolean(p->pinned));
	jo_put(&o, "pingtime", jv_maybe(p->rtt_us));
	jo_put(&o, "lastSeen", jv_time(p->last_seen));
	jo_put(&o, "conntime",
	    p->since == MSG_NULL64 ? json_null() : jv_number(p->since / 1000));
	jo_put(&o, "bytesrecv", jv_maybe(p->bytes_in));
	jo_put(&o, "bytessent", jv_maybe(p->bytes_out));
	jo_put(&o, "banscore", json_integer(p->score));
	jo_put(&o, "seq", jv_maybe(p->seq));
	jo_put(&o, "addrs", addr_list(p));
	jo_put(&o, "stun", peer_stun(p, now_ms));
	jo_put(&o, "last_error", jv_text(p->last_error));
	return jo_end(&o);
}
