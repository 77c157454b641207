/* SPDX-License-Identifier: ISC */
/*
 * view_json: values in their places, and null for all that is not known.
 */
#include "common/view_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/msg_ctl.h"

#define NOW UINT64_C(1795263807250)

/* Does the value at a dotted path of obj look like want? */
static void
check(json_t *obj, const char *path, const char *want)
{
	char word[64], *got;
	const char *s = path, *dot;
	json_t *v = obj;

	do {
		dot = strchr(s, '.');
		(void)snprintf(word, sizeof(word), "%.*s",
		    dot == NULL ? (int)strlen(s) : (int)(dot - s), s);
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(word))
				     : json_object_get(v, word);
		s = dot == NULL ? NULL : dot + 1;
	} while (s != NULL);
	if (v == NULL)
		fail_msg("%s is missing", path);
	got = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s is not %s", path, got, want);
	free(got);
}

struct row {
	const char *path, *want;
};

static void
check_all(json_t *obj, const struct row *rows)
{
	assert_non_null(obj);
	for (; rows->path != NULL; rows++)
		check(obj, rows->path, rows->want);
	json_decref(obj);
}

#define ID9                                                                    \
	"0909090909090909090909090909090909090909090909090909090909090909"

static void
test_peer_unknown(void **state)
{
	static const struct row rows[] = {
		{ "addr", "null" },
		{ "address", "null" },
		{ "httpPort", "null" },
		{ "wsPort", "null" },
		{ "name", "null" },
		{ "version", "null" },
		{ "region", "null" },
		{ "capabilities", "null" },
		{ "status", "\"OFFLINE\"" },
		{ "inbound", "null" },
		{ "pinned", "false" },
		{ "pingtime", "null" },
		{ "lastSeen", "null" },
		{ "conntime", "null" },
		{ "bytesrecv", "null" },
		{ "bytessent", "null" },
		{ "seq", "null" },
		{ "banscore", "0" },
		{ "addrs", "[]" },
		{ "stun.nat.mapping", "null" },
		{ "stun.nat.filtering", "null" },
		{ "stun.nat.ports", "null" },
		{ "stun.mappings", "[]" },
		{ "last_error", "null" },
		{ NULL, NULL },
	};
	static const struct msg_peer p = { .status = PEER_OFFLINE,
		.rtt_us = MSG_NULL64,
		.last_seen = MSG_NULL64,
		.since = MSG_NULL64,
		.bytes_in = MSG_NULL64,
		.bytes_out = MSG_NULL64,
		.seq = MSG_NULL64 };

	(void)state;
	check_all(view_json_peer(&p, NOW), rows);
}

static void
test_peer(void **state)
{
	static const struct row rows[] = {
		{ "addr", "\"[2001:db8::7]:38080\"" },
		{ "address", "\"[2001:db8::7]\"" },
		{ "httpPort", "38081" },
		{ "wsPort", "null" },
		{ "inbound", "true" },
		{ "role", "\"anchor\"" },
		{ "pingtime", "12500" },
		{ "lastSeen", "\"2026-11-21T12:23:27.250Z\"" },
		{ "conntime", "1795263800" },
		{ "bytesrecv", "0" },
		{ "banscore", "-3" },
		{ "capabilities", "[\"bootstrap\",\"stun\"]" },
		{ "addrs.0.source", "\"stun\"" },
		{ "addrs.0.address", "null" },
		{ "addrs.0.port", "38081" },
		{ "stun.nat.filtering", "\"address-port\"" },
		{ "stun.mappings.0.via", "\"0909090909090909\"" },
		{ "stun.mappings.0.local_port", "null" },
		{ "stun.mappings.0.stale", "true" },
		{ "stun.mappings.0.verified", "false" },
		{ NULL, NULL },
	};
	struct msg_peer p = { .status = PEER_ACTIVE,
		.dir = PEER_DIR_IN,
		.role = PEER_ROLE_ANCHOR,
		.rtt_us = 12500,
		.last_seen = NOW,
		.since = 1795263800123,
		.score = -3,
		.caps = CAP_STUN | CAP_BOOTSTRAP,
		.n_addrs = 1,
		.nat_filtering = NAT_FILTER_ADDRESS_PORT,
		.n_mappings = 1 };

	(void)state;
	(void)naddr_parse(&p.addr, "[2001:db8::7]:38080");
	p.addrs[0] = (struct msg_svc_addr){ .service = SVC_HTTP,
		.source = 2,
		.addr = { .port = 38081 } };
	p.mappings[0] = (struct msg_mapping){ .local_port = MSG_NULL64,
		.since = 5,
		.seen = NOW / 1000 - 181 };
	memset(p.mappings[0].via, 9, 8);
	check_all(view_json_peer(&p, NOW), rows);
}

/* A link over a relay has no address, but says by whom it goes. */
static void
test_circuit(void **state)
{
	static const struct row rows[] = {
		{ "addr", "null" },
		{ "role", "\"circuit\"" },
		{ "via", "\"" ID9 "\"" },
		{ NULL, NULL },
	};
	static const struct row direct[] = {
		{ "role", "\"loops\"" },
		{ "via", "null" },
		{ NULL, NULL },
	};
	struct msg_peer p = { .status = PEER_ACTIVE,
		.role = PEER_ROLE_CIRCUIT };

	(void)state;
	memset(p.via, 9, 32);
	check_all(view_json_peer(&p, NOW), rows);
	p.role = PEER_ROLE_LOOPS;
	check_all(view_json_peer(&p, NOW), direct);
}

/* Every role has a word, and none has another's. */
static void
test_roles(void **state)
{
	unsigned i, k;

	(void)state;
	for (i = 0; i < PEER_ROLES; i++) {
		assert_non_null(peer_role_name((uint8_t)i));
		for (k = 0; k < i; k++)
			assert_string_not_equal(peer_role_name((uint8_t)i),
			    peer_role_name((uint8_t)k));
	}
	assert_string_equal(peer_role_name(PEER_ROLES), "unknown");
}

/* A hidden link leaves no trace when it is hidden. */
static void
test_hidden(void **state)
{
	static const struct row rows[] = {
		{ "status", "\"PENDING\"" },
		{ "inbound", "null" },
		{ "role", "null" },
		{ "pingtime", "null" },
		{ "conntime", "null" },
		{ "bytesrecv", "null" },
		{ "bytessent", "null" },
		{ "banscore", "0" },
		{ "seq", "7" },
		{ NULL, NULL },
	};
	struct msg_peer p = { .status = PEER_ACTIVE,
		.dir = PEER_DIR_OUT,
		.role = PEER_ROLE_HIDDEN,
		.known = true,
		.rtt_us = 12500,
		.last_seen = NOW,
		.since = 1795263800123,
		.bytes_in = 5,
		.bytes_out = 6,
		.seq = 7,
		.score = -3 };

	(void)state;
	view_hide_link(&p);
	check_all(view_json_peer(&p, NOW), rows);
}

static void
test_node(void **state)
{
	static const struct row rows[] = {
		{ "name", "null" },
		{ "version", "\"0.1.0\"" },
		{ "address", "\"198.51.100.4\"" },
		{ "httpPort", "38081" },
		{ "wsPort", "null" },
		{ "uptime_seconds", "100" },
		{ "time", "1795263807" },
		{ "started", "\"2026-11-21T12:21:47.250Z\"" },
		{ "ports.http", "38081" },
		{ "ports.link", "null" },
		{ "ports.stun_udp", "3478" },
		{ "ports.ws", "null" },
		{ "listeners.0.service", "\"http\"" },
		{ "listeners.0.address", "\"0.0.0.0\"" },
		{ "listeners.1.advertise", "\"198.51.100.4:3478\"" },
		{ "stun.servers",
		    "[{\"proto\":\"udp\",\"address\":\"198.51.100.4\","
		    "\"port\":3478}]" },
		{ "stun.nat.mapping", "\"dependent\"" },
		{ "stun.nat.ports", "\"random\"" },
		{ "stun.nat.filtering", "null" },
		{ "stun.nats.0.family", "\"ipv4\"" },
		{ "stun.mappings.0.stale", "false" },
		{ "stun.mappings.0.verified", "null" },
		{ "stun.mappings.0.service", "\"stun-client\"" },
		{ "addressPolicy", "[\"private\"]" },
		{ "testEcho", "false" },
		{ NULL, NULL },
	};
	struct msg_node n = { .version = "0.1.0",
		.started = NOW - 100000,
		.allow = 3,
		.n_listeners = 3 };
	struct msg_stun_view v = { .n_nats = 2, .n_mappings = 1 };
	json_t *j;

	(void)state;
	n.listeners[0] =
	    (struct msg_listener){ .service = SVC_HTTP, .proto = PROTO_TCP };
	(void)naddr_parse(&n.listeners[0].addr, "0.0.0.0:38081");
	n.listeners[1] = (struct msg_listener){ .service = SVC_STUN_UDP };
	(void)naddr_parse(&n.listeners[1].addr, "0.0.0.0:3478");
	(void)naddr_parse(&n.listeners[1].advertise, "198.51.100.4:3478");
	n.listeners[2] = (struct msg_listener){ .service = SVC_METRICS };
	(void)naddr_parse(&n.listeners[2].addr, "127.0.0.1:9");
	v.nats[0] = (struct msg_nat){ .fam = 4,
		.mapping = NAT_MAP_DEPENDENT,
		.ports = NAT_PORTS_RANDOM };
	v.nats[1] = (struct msg_nat){ .fam = 6,
		.mapping = NAT_MAP_NONE,
		.ports = NAT_PORTS_SEQUENTIAL };
	v.mappings[0] = (struct msg_mapping){ .service = SVC_STUN_CLIENT,
		.seen = NOW / 1000 - 180,
		.verified = -1 };
	j = view_json_nodeinfo(&n, &v, NULL, NOW);
	assert_int_equal(json_array_size(json_object_get(j, "listeners")), 2);
	check_all(j, rows);
}

static void
test_status(void **state)
{
	static const struct row rows[] = {
		{ "status", "\"online\"" },
		{ "metrics.uptime", "0" },
		{ "metrics.peers", "null" },
		{ "metrics.blocks", "null" },
		{ "metrics.bandwidth", "{\"in\":null,\"out\":7}" },
		{ "metrics.operations", "{\"success\":1,\"failed\":0}" },
		{ "nat.mapping", "null" },
		{ NULL, NULL },
	};
	static const struct msg_node n = { .started = NOW + 5 };
	static const struct view_totals t = { .peers_up = MSG_NULL64,
		.bytes_in = MSG_NULL64,
		.bytes_out = 7,
		.ops_ok = 1 };

	(void)state;
	check_all(view_json_status(&n, NULL, &t, NOW), rows);
}

/* 7 copies of 3 blocks; a database that was never settled has no time. */
static void
test_db(void **state)
{
	static const struct row health[] = {
		{ "activeNodes", "1" },
		{ "totalBlocks", "3" },
		{ "totalBytes", "300" },
		{ "averageRedundancy", "2.3300000000000001" },
		{ "blocksBelowTarget", "2" },
		{ "regionDistribution", "{\"eu\":4}" },
		{ NULL, NULL },
	};
	static const struct row rows[] = {
		{ "tick", "0" },
		{ "time", "null" },
		{ "neighboursEqual", "5" },
		{ "problem", "null" },
		{ "blocks", "9" },
		{ "sum", "-5" },
		{ NULL, NULL },
	};
	static const struct row none[] = {
		{ "averageRedundancy", "0.0" },
		{ "regionDistribution", "{}" },
		{ NULL, NULL },
	};
	static const struct msg_db_state empty;
	static const struct msg_db_state db = { .n_kinds = 2,
		.kinds = { { 16, 3, 300 }, { 17, 7, 0 } },
		.sum = -5,
		.below_r = 2,
		.bodies = 9,
		.neighbours_equal = 5,
		.n_regions = 1,
		.regions = { { "eu", 4 } } };

	(void)state;
	check_all(view_json_health(&db), health);
	check_all(view_json_health(&empty), none);
	check_all(view_json_db(&db), rows);
}

static void
test_schema(void **state)
{
	static const struct row limit[] = {
		{ "process", "\"stund\"" },
		{ "used", "null" },
		{ "max", "5" },
		{ "refused", "\"18446744073709551614\"" },
		{ NULL, NULL },
	};
	static const struct row view[] = {
		{ "nats.0.endpoint", "null" },
		{ "mappings.0.mapped", "\"192.0.2.1:5\"" },
		{ "mappings.0.verified", "true" },
		{ NULL, NULL },
	};
	static const struct msg_limit l = { .process = "stund",
		.used = MSG_NULL64,
		.max = 5,
		.refused = UINT64_MAX - 1 };
	struct msg_stun_view v = { .n_nats = 1, .n_mappings = 1 };

	(void)state;
	check_all(view_json_schema(&schema_limit, &l), limit);
	v.mappings[0].verified = 1;
	(void)naddr_parse(&v.mappings[0].mapped, "192.0.2.1:5");
	check_all(view_json_schema(&schema_stun_view, &v), view);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_unknown),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_circuit),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_db),
		cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
