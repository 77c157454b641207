/* SPDX-License-Identifier: ISC */
/*
 * The table of all words.  Bounds here are those of warren.conf(5); where a
 * message to a child has narrower ones, they must agree (config_test.c sends
 * the extremes).
 */
#include "cmd/warrend/config_words.h"

#include <stdio.h>
#include <string.h>

#include "cmd/warrend/config.h"

#define F(field)                                                               \
	.off = offsetof(struct config, field),                                 \
	.size = sizeof(((struct config *)0)->field)

#define LIVE    .restart = false
#define RESTART .restart = true

#define MS_MIN 100
#define HOUR   3600000
#define DAY    86400000
#define MINUTE 60000

/* clang-format off */
const struct conf_row conf_rows[CONF_WORDS] = {
[W_NETWORK] = { "", "network", K_OWN, RESTART,
    .parse = conf_parse_network, .print = conf_print_network },
[W_NODE_NAME] = { "node", "name", K_STR, LIVE, F(node_name) },
[W_NODE_KEY] = { "node", "key", K_PATH, RESTART, F(node_key) },
[W_NODE_REGION] = { "node", "region", K_STR, LIVE, F(region) },
[W_STATE] = { "", "state", K_PATH, RESTART, F(state_dir) },
[W_CHROOT] = { "", "chroot", K_PATH, RESTART, F(chroot_dir) },
[W_LIBEXEC] = { "", "libexec", K_PATH, RESTART, F(libexec_dir) },
[W_PID_FILE] = { "", "pid-file", K_PATH, RESTART, F(pid_file) },
[W_USER_STUND] = { "user", "stund", K_STR, RESTART, F(users[PROC_STUND]) },
[W_USER_PEERD] = { "user", "peerd", K_STR, RESTART, F(users[PROC_PEERD]) },
[W_USER_STORE] = { "user", "store", K_STR, RESTART, F(users[PROC_STORE]) },
[W_USER_APID] = { "user", "apid", K_STR, RESTART, F(users[PROC_APID]) },
[W_USER_APPD] = { "user", "appd", K_STR, RESTART, F(users[PROC_APPD]) },
[W_USER_RESOLVER] = { "user", "resolver", K_STR, RESTART,
    F(users[PROC_RESOLVER]) },
[W_PRIVDROP] = { "", "privdrop", K_OWN, RESTART,
    .parse = conf_parse_privdrop, .print = conf_print_privdrop },
[W_LOG] = { "", "log", K_OWN, LIVE,
    .parse = conf_parse_log, .print = conf_print_log },
[W_CONTROL] = { "", "control", K_LIST, RESTART,
    .parse = conf_parse_control, .print = conf_print_control },

[W_LISTEN_PEER] = { "listen", "peer", K_LIST, RESTART,
    .parse = conf_parse_listen, .print = conf_print_listen_peer },
[W_STUN_LISTEN] = { "stun", "listen", K_LIST, RESTART,
    .parse = conf_parse_listen, .print = conf_print_listen_stun },
[W_STUN_RATE] = { "stun", "rate", K_OWN, LIVE,
    .parse = conf_parse_stun_rate, .print = conf_print_stun_rate },
[W_STUN_KEEPALIVE] = { "stun", "keepalive", K_TIME, LIVE,
    F(stun.keepalive_ms), MS_MIN, 10 * MINUTE },
[W_STUN_TCP] = { "stun", "tcp", K_YESNO, LIVE, F(stun.tcp) },
[W_STUN_CLIENTS] = { "stun", "clients", K_NUM, LIVE,
    F(stun.clients_max), 0, 64 },
[W_STUN_CONNECTIONS] = { "stun", "connections", K_NUM, LIVE,
    F(stun.tcp_conns_max), 0, 65536 },
[W_STUN_IDLE] = { "stun", "idle", K_TIME, LIVE,
    F(stun.tcp_idle_ms), MS_MIN, DAY },
[W_STUN_CLIENT] = { "stun", "client", K_OWN, RESTART,
    .parse = conf_parse_stun_client, .print = conf_print_stun_client },

[W_BOOTSTRAP] = { "", "bootstrap", K_LIST, LIVE,
    .parse = conf_parse_bootstrap, .print = conf_print_bootstrap },
[W_DNS_SEED] = { "dns", "seed", K_LIST, LIVE,
    .parse = conf_parse_seed, .print = conf_print_seed },
[W_DNS_SEED_INTERVAL] = { "dns seed", "interval", K_PART, LIVE,
    F(peer.seed_interval_ms), MS_MIN, 7u * DAY },
[W_DNS_SEED_TIMEOUT] = { "dns seed", "timeout", K_PART, LIVE,
    F(peer.seed_timeout_ms), MS_MIN, MINUTE },
[W_DNS_SERVER] = { "dns", "server", K_LIST, RESTART,
    .parse = conf_parse_server, .print = conf_print_server },
[W_MULTICAST] = { "", "multicast", K_LIST, RESTART,
    .parse = conf_parse_multicast, .print = conf_print_multicast },
[W_MULTICAST_INTERVAL] = { "multicast", "interval", K_PART, LIVE,
    F(peer.multicast_interval_ms), MS_MIN, DAY },
[W_MULTICAST_TIMEOUT] = { "multicast", "timeout", K_PART, LIVE,
    F(peer.multicast_timeout_ms), MS_MIN, DAY },
[W_PEER] = { "", "peer", K_LIST, LIVE,
    .parse = conf_parse_peer, .print = conf_print_peer },
[W_BAN] = { "", "ban", K_LIST, LIVE,
    .parse = conf_parse_ban, .print = conf_print_ban },
[W_ADDRESS_POLICY] = { "address-policy", "allow", K_OWN, RESTART,
    .parse = conf_parse_policy, .print = conf_print_policy },

[W_MAX_PEERS] = { "limit", "max-peers", K_NUM, LIVE,
    F(peer.max_peers), 1, 4096 },
[W_MAX_INBOUND] = { "limit", "max-inbound", K_NUM, LIVE,
    F(peer.max_inbound), 0, 4096 },
[W_MAX_OUTBOUND] = { "limit", "max-outbound", K_NUM, LIVE,
    F(peer.max_outbound), 0, 64 },
[W_MAX_PER_PREFIX] = { "limit", "max-per-prefix", K_NUM, LIVE,
    F(peer.max_per_prefix), 1, 4096 },
[W_HANDSHAKES] = { "limit", "handshakes", K_RATE, LIVE,
    F(peer.handshakes_per_s), 1, 1000000 },
[W_KNOWN_NODES] = { "limit", "known-nodes", K_NUM, LIVE,
    F(peer.known_max), 16, 65536 },
[W_API_CLIENTS] = { "limit", "api-clients", K_NUM, LIVE,
    F(api.conns_max), 1, 1000000 },
[W_API_CLIENTS_PER_PREFIX] = { "limit", "api-clients-per-prefix", K_NUM, LIVE,
    F(api.conns_per_prefix), 1, 1000000 },
[W_OPEN_FILES] = { "limit", "open-files", K_NUM, RESTART,
    F(open_files), 64, 1000000 },

[W_T_HANDSHAKE] = { "timeout", "handshake", K_TIME, LIVE,
    F(peer.handshake_ms), MS_MIN, MINUTE },
[W_T_DIAL] = { "timeout", "dial", K_TIME, LIVE,
    F(peer.dial_ms), MS_MIN, MINUTE },
[W_T_PING] = { "timeout", "ping", K_TIME, LIVE,
    F(peer.ping_ms), MS_MIN, HOUR },
[W_T_DEAD] = { "timeout", "dead", K_TIME, LIVE,
    F(peer.dead_ms), 3 * MS_MIN, DAY },
[W_T_STOP] = { "timeout", "stop", K_TIME, LIVE,
    F(stop_ms), MS_MIN, 10 * MINUTE },
[W_T_SAVE] = { "timeout", "save", K_TIME, LIVE,
    F(peer.save_ms), MS_MIN, DAY },
[W_T_REFRESH] = { "timeout", "refresh", K_TIME, LIVE,
    F(peer.record_refresh_ms), MS_MIN, HOUR },
[W_T_REPUBLISH] = { "timeout", "republish", K_TIME, LIVE,
    F(peer.republish_ms), MS_MIN, HOUR },
[W_T_RETRY] = { "timeout", "retry", K_TIME, LIVE,
    F(peer.retry_ms), MS_MIN, HOUR },

[W_API_HTTP] = { "api", "http", K_LIST, RESTART,
    .parse = conf_parse_listen, .print = conf_print_listen_http },
[W_API_ALLOW_ORIGIN] = { "api http", "allow-origin", K_OWN, LIVE,
    .parse = conf_parse_origin, .print = conf_print_origin },
[W_API_WORKERS] = { "api http", "workers", K_NUM, RESTART,
    F(api_workers), 1, 64 },
[W_API_HEADER_MAX] = { "api http", "header-max", K_SIZE, LIVE,
    F(api.header_max), 512, 65536 },
[W_API_BODY_MAX] = { "api http", "body-max", K_SIZE, LIVE,
    F(api.body_max), 1024, 6u << 20 },
[W_API_BATCH_MAX] = { "api http", "batch-max", K_NUM, LIVE,
    F(api.batch_max), 1, 1000 },
[W_API_HEADER_TIMEOUT] = { "api http", "header-timeout", K_TIME, LIVE,
    F(api.header_ms), MS_MIN, HOUR },
[W_API_BODY_TIMEOUT] = { "api http", "body-timeout", K_TIME, LIVE,
    F(api.body_ms), MS_MIN, HOUR },
[W_API_IDLE_TIMEOUT] = { "api http", "idle-timeout", K_TIME, LIVE,
    F(api.idle_ms), MS_MIN, DAY },
[W_API_RATE] = { "api http", "rate", K_OWN, LIVE,
    .parse = conf_parse_api_rate, .print = conf_print_api_rate },
[W_API_BLACKLIST] = { "api http", "blacklist", K_OWN, LIVE,
    .parse = conf_parse_blacklist, .print = conf_print_blacklist },
[W_METRICS] = { "", "metrics", K_LIST, RESTART,
    .parse = conf_parse_listen, .print = conf_print_listen_metrics },
[W_STORE_BODIES] = { "store", "bodies", K_SIZE, LIVE,
    F(store.bodies_max), 0, UINT64_C(1) << 50 },
[W_STORE_COMMIT] = { "store", "commit", K_TIME, LIVE,
    F(store.commit_ms), 0, 1000 },
[W_STORE_CACHE] = { "store", "cache", K_SIZE, RESTART,
    F(store.cache_bytes), 262144, 1u << 30 },
[W_STORE_FETCH] = { "store", "fetch", K_YESNO, LIVE, F(store.fetch) },
[W_APPS_PATH] = { "apps", "path", K_PATH, LIVE, F(apps_path) },
[W_APPS_SOCKET] = { "apps", "socket", K_PATH, RESTART, F(apps_socket) },
[W_APPS_BY_HAND] = { "apps", "by-hand", K_YESNO, RESTART, F(apps_by_hand) },
[W_APPS_CONNS] = { "apps", "connections", K_NUM, LIVE,
    F(appd.conns_max), 1, 256 },
[W_APPS_LOOPS] = { "apps", "loops", K_NUM, LIVE,
    F(appd.loops_max), 2, 16384 },
[W_APPS_LOOPS_EACH] = { "apps", "loops-per-app", K_NUM, LIVE,
    F(appd.loops_per_app), 1, 16384 },
[W_APPS_WINDOW] = { "apps", "window", K_SIZE, LIVE,
    F(appd.window), 32768, 1u << 20 },
[W_APPS_WINDOW_MAX] = { "apps", "window-max", K_SIZE, LIVE,
    F(appd.window_max), 32768, 16u << 20 },
[W_APPS_MEMORY] = { "apps", "memory", K_SIZE, LIVE,
    F(appd.app_bytes), 1u << 20, 1u << 30 },
[W_APPS_CONFIRM] = { "apps", "confirm", K_TIME, LIVE,
    F(appd.confirm_ms), MS_MIN, 10 * MINUTE },
[W_APP] = { "", "app", K_LIST, LIVE,
    .parse = conf_parse_app, .print = conf_print_app },
[W_RELAY_ENABLE] = { "relay", "enable", K_YESNO, LIVE, F(peer.relay) },
[W_RELAY_CIRCUITS] = { "relay", "circuits", K_NUM, LIVE,
    F(peer.relay_circuits), 0, 1024 },
[W_RELAY_PER_PEER] = { "relay", "circuits-per-peer", K_NUM, LIVE,
    F(peer.relay_per_peer), 1, 1024 },
[W_RELAY_RESERVATIONS] = { "relay", "reservations", K_NUM, LIVE,
    F(peer.relay_reservations), 0, 1024 },
[W_RELAY_RESERVATION] = { "relay", "reservation", K_OWN, LIVE,
    .parse = conf_parse_relay_reservation,
    .print = conf_print_relay_reservation },
[W_RELAY_UNRESERVED] = { "relay", "unreserved", K_OWN, LIVE,
    .parse = conf_parse_relay_unreserved,
    .print = conf_print_relay_unreserved },
[W_RELAY_RESERVE] = { "relay", "reserve", K_OWN, LIVE,
    .parse = conf_parse_relay_reserve, .print = conf_print_relay_reserve },
[W_SUPERVISE] = { "supervise", "restarts", K_OWN, LIVE,
    .parse = conf_parse_supervise, .print = conf_print_supervise },
};
/* clang-format on */

enum conf_word
conf_row_find(const char *group, const char *word)
{
	unsigned i;

	for (i = 0; i < CONF_WORDS; i++)
		if (conf_rows[i].kind != K_PART &&
		    strcmp(conf_rows[i].group, group) == 0 &&
		    strcmp(conf_rows[i].word, word) == 0)
			return (enum conf_word)i;
	return CONF_WORDS;
}

static bool
is_listed(const char *const *names, unsigned n, const char *name)
{
	while (n > 0)
		if (strcmp(names[--n], name) == 0)
			return true;
	return false;
}

unsigned
conf_row_names(const char *group, const char *names[CONF_WORDS])
{
	const struct conf_row *r;
	const char *name;
	unsigned n = 0;

	for (r = conf_rows; r < conf_rows + CONF_WORDS; r++) {
		name = r->word;
		if (strcmp(r->group, group) != 0) {
			/* A group's name is itself a first word. */
			if (group[0] != '\0' || strchr(r->group, ' ') != NULL)
				continue;
			name = r->group;
		}
		if (r->kind != K_PART && !is_listed(names, n, name))
			names[n++] = name;
	}
	return n;
}

const char *
conf_row_title(enum conf_word w, char buf[64])
{
	const struct conf_row *r = &conf_rows[w];

	(void)snprintf(buf, 64, "%s%s%s", r->group,
	    r->group[0] != '\0' ? " " : "", r->word);
	return buf;
}

uint64_t
conf_row_value(const struct conf_row *r, const struct config *c)
{
	return msg_load_uint((const char *)c + r->off, r->size);
}

void
conf_row_set(const struct conf_row *r, struct config *c, uint64_t v)
{
	msg_store_uint((char *)c + r->off, r->size, v);
}
