/* SPDX-License-Identifier: ISC */
/*
 * JSON objects of the views, as promised in view_json.h.  struct obj is
 * sticky: a value that could not be had spoils the object it belongs to, and
 * so on outwards, so that nobody is ever shown half of one.
 */
#include "common/view_json.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/addr_policy.h"
#include "common/assert.h"

struct obj {
	json_t *j;
	bool bad;
};

static struct obj
obj_new(void)
{
	json_t *j = json_object();

	return (struct obj){ j, j == NULL };
}

static struct obj
arr_new(void)
{
	json_t *j = json_array();

	return (struct obj){ j, j == NULL };
}

/* Takes v; NULL spoils. */
static void
put(struct obj *o, const char *key, json_t *v)
{
	if (o->bad)
		json_decref(v);
	else if (v == NULL || json_object_set_new_nocheck(o->j, key, v) == -1)
		o->bad = true;
}

static void
add(struct obj *o, json_t *v)
{
	if (o->bad)
		json_decref(v);
	else if (v == NULL || json_array_append_new(o->j, v) == -1)
		o->bad = true;
}

static json_t *
obj_end(struct obj *o)
{
	if (!o->bad)
		return o->j;
	json_decref(o->j);
	return NULL;
}

/* --- values --- */

static json_t *
text(const char *s)
{
	return s == NULL || s[0] == '\0' ? json_null() : json_string(s);
}

/* A word of an enum, whose "unknown" is null. */
static json_t *
word(const char *s)
{
	return strcmp(s, "unknown") == 0 ? json_null() : json_string(s);
}

/* Above 2^63 there is no JSON integer: a decimal string keeps every digit. */
static json_t *
number(uint64_t v)
{
	char buf[24];

	if (v <= INT64_MAX)
		return json_integer((json_int_t)v);
	(void)snprintf(buf, sizeof(buf), "%llu", (unsigned long long)v);
	return json_string(buf);
}

static json_t *
maybe(uint64_t v)
{
	return v == MSG_NULL64 ? json_null() : number(v);
}

static json_t *
tri(int v)
{
	return v < 0 ? json_null() : json_boolean(v);
}

static json_t *
hex(const uint8_t *p, size_t n)
{
	char buf[129], *big;
	json_t *j;

	if (n <= 64)
		return json_string(sodium_bin2hex(buf, sizeof(buf), p, n));
	if ((big = malloc(n * 2 + 1)) == NULL)
		return NULL;
	j = json_string(sodium_bin2hex(big, n * 2 + 1, p, n));
	free(big);
	return j;
}

static json_t *
addr_port(const struct naddr *a)
{
	char buf[NADDR_STR];

	return a->fam == NADDR_NONE ? json_null()
				    : json_string(naddr_str(a, buf));
}

/* The bare address; the any-address says nothing and is null. */
static json_t *
addr_ip(const struct naddr *a)
{
	char buf[NADDR_STR];

	return a->fam == NADDR_NONE || naddr_is_any(a)
	    ? json_null()
	    : json_string(naddr_ip_str(a, buf));
}

/* As it stands in a URL: IPv6 in brackets. */
static json_t *
addr_host(const struct naddr *a)
{
	char ip[NADDR_STR], buf[NADDR_STR + 2];

	if (a->fam != NADDR_V6 || naddr_is_any(a))
		return addr_ip(a);
	(void)snprintf(buf, sizeof(buf), "[%s]", naddr_ip_str(a, ip));
	return json_string(buf);
}

static json_t *
port_of(const struct naddr *a)
{
	return a->fam == NADDR_NONE || a->port == 0 ? json_null()
						    : number(a->port);
}

const char *
view_time_str(uint64_t ms, char buf[VIEW_TIME_STR])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (gmtime_r(&t, &tm) == NULL ||
	    (n = strftime(buf, VIEW_TIME_STR, "%Y-%m-%dT%H:%M:%S", &tm)) == 0) {
		buf[0] = '\0';
		return buf;
	}
	(void)snprintf(buf + n, VIEW_TIME_STR - n, ".%03uZ",
	    (unsigned)(ms % 1000));
	return buf;
}

static json_t *
time_iso(uint64_t ms)
{
	char buf[VIEW_TIME_STR];

	return ms == MSG_NULL64 ? json_null() : text(view_time_str(ms, buf));
}

static int
by_word(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *
capabilities(uint32_t caps)
{
	const char *words[32] = { NULL };
	struct obj list = arr_new();
	size_t n = 0, i;
	unsigned bit;

	for (bit = 0; bit < 32; bit++)
		if ((caps & 1u << bit) != 0 && cap_name(bit) != NULL)
			words[n++] = cap_name(bit);
	qsort(words, n, sizeof(words[0]), by_word);
	for (i = 0; i < n; i++)
		add(&list, json_string(words[i]));
	return obj_end(&list);
}

static json_t *
policy_words(uint8_t allow)
{
	struct obj list = arr_new();

	if ((allow & ADDR_ALLOW_PRIVATE) != 0)
		add(&list, json_string("private"));
	if ((allow & ADDR_ALLOW_RESERVED) != 0)
		add(&list, json_string("reserved"));
	return obj_end(&list);
}

/* --- stun --- */

static json_t *
nat_words(uint8_t mapping, uint8_t filtering, uint8_t ports)
{
	struct obj o = obj_new();

	put(&o, "mapping", word(nat_mapping_name(mapping)));
	put(&o, "filtering", word(nat_filtering_name(filtering)));
	put(&o, "ports", word(nat_ports_name(ports)));
	return obj_end(&o);
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
	struct obj o = obj_new();

	put(&o, "family",
	    n->fam == 0 ? json_null()
			: json_string(n->fam == NADDR_V6 ? "ipv6" : "ipv4"));
	put(&o, "proto", json_string(proto_name(n->proto)));
	put(&o, "mapping", word(nat_mapping_name(n->mapping)));
	put(&o, "filtering", word(nat_filtering_name(n->filtering)));
	put(&o, "ports", word(nat_ports_name(n->ports)));
	put(&o, "networks", number(n->networks));
	put(&o, "stun_address", addr_ip(&n->endpoint));
	put(&o, "stun_port", port_of(&n->endpoint));
	return obj_end(&o);
}

/* via_len: 32 for our own mappings, 8 for what a node record carries. */
static json_t *
mapping_one(const struct msg_mapping *m, size_t via_len, uint64_t now_ms)
{
	struct obj o = obj_new();
	uint64_t now_s = now_ms / 1000;

	put(&o, "proto", json_string(proto_name(m->proto)));
	put(&o, "service", json_string(service_name(m->service)));
	put(&o, "stun_address", addr_ip(&m->mapped));
	put(&o, "stun_port", port_of(&m->mapped));
	put(&o, "local_port", maybe(m->local_port));
	put(&o, "via",
	    sodium_is_zero(m->via, via_len) ? json_null()
					    : hex(m->via, via_len));
	put(&o, "since", maybe(m->since));
	put(&o, "seen", maybe(m->seen));
	put(&o, "stale",
	    m->seen == MSG_NULL64 ? json_null()
				  : json_boolean(m->seen < now_s &&
					now_s - m->seen > VIEW_STALE_S));
	put(&o, "verified", tri(m->verified));
	return obj_end(&o);
}

static json_t *
mapping_list(const struct msg_mapping *m, size_t n, size_t via_len,
    uint64_t now_ms)
{
	struct obj list = arr_new();
	size_t i;

	for (i = 0; i < n; i++)
		add(&list, mapping_one(&m[i], via_len, now_ms));
	return obj_end(&list);
}

/* STUN servers that others may ask. */
static json_t *
server_list(const struct msg_node *node)
{
	struct obj list = arr_new();
	size_t i;

	for (i = 0; i < node->n_listeners; i++) {
		const struct msg_listener *l = &node->listeners[i];
		const struct naddr *a =
		    l->advertise.fam != NADDR_NONE ? &l->advertise : &l->addr;
		struct obj o;

		if (l->service != SVC_STUN_UDP && l->service != SVC_STUN_TCP)
			continue;
		o = obj_new();
		put(&o, "proto", json_string(proto_name(l->proto)));
		put(&o, "address", addr_ip(a));
		put(&o, "port", port_of(a));
		add(&list, obj_end(&o));
	}
	return obj_end(&list);
}

json_t *
view_json_stun(const struct msg_node *node, const struct msg_stun_view *stun,
    uint64_t now_ms)
{
	struct obj o = obj_new(), nats = arr_new();
	size_t i;

	for (i = 0; stun != NULL && i < stun->n_nats; i++)
		add(&nats, nat_one(&stun->nats[i]));
	put(&o, "nat", nat_overall(stun));
	put(&o, "nats", obj_end(&nats));
	put(&o, "servers", server_list(node));
	put(&o, "mappings",
	    stun == NULL
		? json_array()
		: mapping_list(stun->mappings, stun->n_mappings, 32, now_ms));
	return obj_end(&o);
}

/* --- the node --- */

/* Listeners that are nobody's business are not shown to strangers. */
static bool
is_public(const struct msg_listener *l)
{
	return l->service <= SVC_STUN_TCP;
}

static json_t *
listener_list(const struct msg_node *node)
{
	struct obj list = arr_new();
	size_t i;

	for (i = 0; i < node->n_listeners; i++) {
		const struct msg_listener *l = &node->listeners[i];
		char ip[NADDR_STR];
		struct obj o;

		if (!is_public(l))
			continue;
		o = obj_new();
		put(&o, "service", json_string(service_name(l->service)));
		put(&o, "proto", json_string(proto_name(l->proto)));
		put(&o, "address",
		    l->addr.fam == NADDR_NONE
			? json_null()
			: json_string(naddr_ip_str(&l->addr, ip)));
		put(&o, "port", port_of(&l->addr));
		put(&o, "advertise", addr_port(&l->advertise));
		add(&list, obj_end(&o));
	}
	return obj_end(&list);
}

/* The port a service really has, or null. */
static json_t *
bound_port(const struct msg_node *node, uint8_t service)
{
	size_t i;

	for (i = 0; i < node->n_listeners; i++)
		if (node->listeners[i].service == service)
			return port_of(&node->listeners[i].addr);
	return json_null();
}

static json_t *
port_table(const struct msg_node *node)
{
	struct obj o = obj_new();

	put(&o, "link", bound_port(node, SVC_LINK));
	put(&o, "http", bound_port(node, SVC_HTTP));
	put(&o, "ws", bound_port(node, SVC_WS));
	put(&o, "wsudp", bound_port(node, SVC_WSUDP));
	put(&o, "stun_udp", bound_port(node, SVC_STUN_UDP));
	put(&o, "stun_tcp", bound_port(node, SVC_STUN_TCP));
	return obj_end(&o);
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
			return addr_host(&node->listeners[i].advertise);
	for (i = 0; stun != NULL && i < stun->n_nats; i++)
		if (stun->nats[i].endpoint.fam != NADDR_NONE)
			return addr_host(&stun->nats[i].endpoint);
	return json_null();
}

static uint64_t
uptime_s(const struct msg_node *node, uint64_t now_ms)
{
	return now_ms > node->started ? (now_ms - node->started) / 1000 : 0;
}

json_t *
view_json_nodeinfo(const struct msg_node *node,
    const struct msg_stun_view *stun, uint64_t now_ms)
{
	struct obj o = obj_new();

	put(&o, "nodeId", hex(node->id, 32));
	put(&o, "publicKey", hex(node->id, 32));
	put(&o, "netid", hex(node->netid, 32));
	put(&o, "network", text(node->network));
	put(&o, "name", text(node->name));
	put(&o, "version", text(node->version));
	put(&o, "address", own_address(node, stun));
	put(&o, "httpPort", bound_port(node, SVC_HTTP));
	put(&o, "wsPort", bound_port(node, SVC_WS));
	put(&o, "capabilities", capabilities(node->caps));
	put(&o, "region", text(node->region));
	put(&o, "status", json_string("online"));
	put(&o, "uptime_seconds", number(uptime_s(node, now_ms)));
	put(&o, "time", number(now_ms / 1000));
	put(&o, "started", time_iso(node->started));
	put(&o, "ports", port_table(node));
	put(&o, "listeners", listener_list(node));
	put(&o, "sandbox", text(node->sandbox));
	put(&o, "addressPolicy", policy_words(node->allow));
	put(&o, "testEcho", json_boolean(node->test_echo));
	put(&o, "stun", view_json_stun(node, stun, now_ms));
	return obj_end(&o);
}

json_t *
view_json_status(const struct msg_node *node, const struct msg_stun_view *stun,
    const struct view_totals *totals, uint64_t now_ms)
{
	struct obj o = obj_new(), metrics = obj_new(), band = obj_new();
	struct obj ops = obj_new();

	put(&band, "in", maybe(totals->bytes_in));
	put(&band, "out", maybe(totals->bytes_out));
	put(&ops, "success", maybe(totals->ops_ok));
	put(&ops, "failed", maybe(totals->ops_failed));
	put(&metrics, "uptime", number(uptime_s(node, now_ms)));
	put(&metrics, "peers", maybe(totals->peers_up));
	put(&metrics, "blocks", json_null());
	put(&metrics, "bandwidth", obj_end(&band));
	put(&metrics, "operations", obj_end(&ops));
	put(&o, "status", json_string("online"));
	put(&o, "metrics", obj_end(&metrics));
	put(&o, "nat", nat_overall(stun));
	return obj_end(&o);
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
	struct obj list = arr_new();
	size_t i;

	for (i = 0; i < p->n_addrs; i++) {
		const struct msg_svc_addr *a = &p->addrs[i];
		struct obj o = obj_new();

		put(&o, "service", json_string(service_name(a->service)));
		put(&o, "proto",
		    json_string(proto_name(
			a->service == SVC_WSUDP || a->service == SVC_STUN_UDP
			    ? PROTO_UDP
			    : PROTO_TCP)));
		put(&o, "source", word(source_name(a->source)));
		put(&o, "address", addr_ip(&a->addr));
		put(&o, "port",
		    a->addr.port == 0 ? json_null() : number(a->addr.port));
		add(&list, obj_end(&o));
	}
	return obj_end(&list);
}

static json_t *
service_port(const struct msg_peer *p, uint8_t service)
{
	size_t i;

	for (i = 0; i < p->n_addrs; i++)
		if (p->addrs[i].service == service &&
		    p->addrs[i].addr.port != 0)
			return number(p->addrs[i].addr.port);
	return json_null();
}

static json_t *
peer_stun(const struct msg_peer *p, uint64_t now_ms)
{
	struct obj o = obj_new();

	put(&o, "nat",
	    nat_words(p->nat_mapping, p->nat_filtering, p->nat_ports));
	put(&o, "mappings",
	    mapping_list(p->mappings, p->n_mappings, 8, now_ms));
	return obj_end(&o);
}

json_t *
view_json_peer(const struct msg_peer *p, uint64_t now_ms)
{
	struct obj o = obj_new();

	put(&o, "nodeId", hex(p->id, 32));
	put(&o, "publicKey", hex(p->id, 32));
	put(&o, "addr", addr_port(&p->addr));
	put(&o, "address", addr_host(&p->addr));
	put(&o, "httpPort", service_port(p, SVC_HTTP));
	put(&o, "wsPort", service_port(p, SVC_WS));
	put(&o, "name", text(p->name));
	put(&o, "version", text(p->agent));
	put(&o, "region", text(p->region));
	put(&o, "capabilities",
	    p->known || p->caps != 0 ? capabilities(p->caps) : json_null());
	put(&o, "status", word(peer_status_name(p->status)));
	put(&o, "inbound",
	    p->dir == PEER_DIR_NONE ? json_null()
				    : json_boolean(p->dir == PEER_DIR_IN));
	put(&o, "pinned", json_boolean(p->pinned));
	put(&o, "pingtime", maybe(p->rtt_us));
	put(&o, "lastSeen", time_iso(p->last_seen));
	put(&o, "conntime",
	    p->since == MSG_NULL64 ? json_null() : number(p->since / 1000));
	put(&o, "bytesrecv", maybe(p->bytes_in));
	put(&o, "bytessent", maybe(p->bytes_out));
	put(&o, "banscore", json_integer(p->score));
	put(&o, "seq", maybe(p->seq));
	put(&o, "addrs", addr_list(p));
	put(&o, "stun", peer_stun(p, now_ms));
	put(&o, "last_error", text(p->last_error));
	return obj_end(&o);
}

/* --- any message --- */

static uint64_t
load_uint(const uint8_t *at, size_t size)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (size) {
	case 1:
		return *at;
	case 2:
		memcpy(&v16, at, 2);
		return v16;
	case 4:
		memcpy(&v32, at, 4);
		return v32;
	default:
		memcpy(&v64, at, 8);
		return v64;
	}
}

static int64_t
load_int(const uint8_t *at, size_t size)
{
	int32_t v32;
	int64_t v64;

	if (size == 4) {
		memcpy(&v32, at, 4);
		return v32;
	}
	memcpy(&v64, at, 8);
	return v64;
}

static json_t *
field_list(const struct fld *f, const uint8_t *body)
{
	struct obj list = arr_new();
	uint16_t n;
	size_t i;

	memcpy(&n, body + f->count_off, sizeof(n));
	for (i = 0; i < n && i < f->max; i++)
		add(&list,
		    view_json_schema(f->item,
			body + f->off + i * f->item->size));
	return obj_end(&list);
}

static json_t *
field(const struct fld *f, const uint8_t *body)
{
	const uint8_t *at = body + f->off;
	struct blob blob;
	struct naddr addr;

	switch (f->kind) {
	case FLD_BOOL:
		return json_boolean(*at);
	case FLD_TRI:
		return tri((int8_t)*at);
	case FLD_UINT:
		return number(load_uint(at, f->size));
	case FLD_N64:
		return maybe(load_uint(at, 8));
	case FLD_INT:
		return json_integer(load_int(at, f->size));
	case FLD_STR:
		return json_string((const char *)at);
	case FLD_BIN:
		return hex(at, f->size);
	case FLD_BLOB:
		memcpy(&blob, at, sizeof(blob));
		return blob.len == 0 ? json_string("") : hex(blob.p, blob.len);
	case FLD_ADDR:
		memcpy(&addr, at, sizeof(addr));
		return addr_port(&addr);
	case FLD_LIST:
		return field_list(f, body);
	}
	return NULL;
}

json_t *
view_json_schema(const struct schema *schema, const void *body)
{
	struct obj o = obj_new();
	size_t i;

	for (i = 0; i < schema->n; i++)
		put(&o, schema->flds[i].name, field(&schema->flds[i], body));
	return obj_end(&o);
}
