/* SPDX-License-Identifier: ISC */
/*
 * Every word of warren.conf(5), in the order config_print() writes them.  The
 * table in config_words.c says for each how it is read, written and applied;
 * parsing, printing, "set twice" and the diff of a reload all follow it.
 */
#ifndef WARREN_CONFIG_WORDS_H
#define WARREN_CONFIG_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_word {
	W_NETWORK,
	W_NODE_NAME,
	W_NODE_KEY,
	W_NODE_REGION,
	W_STATE,
	W_CHROOT,
	W_LIBEXEC,
	W_PID_FILE,
	W_USER_STUND,
	W_USER_PEERD,
	W_USER_STORE,
	W_USER_APID,
	W_USER_APPD,
	W_USER_RESOLVER,
	W_PRIVDROP,
	W_LOG,
	W_CONTROL,
	W_LISTEN_PEER,
	W_STUN_LISTEN,
	W_STUN_RATE,
	W_STUN_KEEPALIVE,
	W_STUN_TCP,
	W_STUN_CLIENTS,
	W_STUN_CONNECTIONS,
	W_STUN_IDLE,
	W_STUN_CLIENT,
	W_BOOTSTRAP,
	W_DNS_SEED,
	W_DNS_SEED_INTERVAL,
	W_DNS_SEED_TIMEOUT,
	W_DNS_SERVER,
	W_MULTICAST,
	W_MULTICAST_INTERVAL,
	W_MULTICAST_TIMEOUT,
	W_PEER,
	W_BAN,
	W_ADDRESS_POLICY,
	W_MAX_PEERS,
	W_MAX_INBOUND,
	W_MAX_OUTBOUND,
	W_MAX_PER_PREFIX,
	W_HANDSHAKES,
	W_KNOWN_NODES,
	W_API_CLIENTS,
	W_API_CLIENTS_PER_PREFIX,
	W_OPEN_FILES,
	W_T_HANDSHAKE,
	W_T_DIAL,
	W_T_PING,
	W_T_DEAD,
	W_T_STOP,
	W_T_SAVE,
	W_T_REFRESH,
	W_T_REPUBLISH,
	W_T_RETRY,
	W_API_HTTP,
	W_API_ALLOW_ORIGIN,
	W_API_WORKERS,
	W_API_HEADER_MAX,
	W_API_BODY_MAX,
	W_API_BATCH_MAX,
	W_API_HEADER_TIMEOUT,
	W_API_BODY_TIMEOUT,
	W_API_IDLE_TIMEOUT,
	W_API_RATE,
	W_API_BLACKLIST,
	W_METRICS,
	W_STORE_BODIES,
	W_STORE_COMMIT,
	W_STORE_CACHE,
	W_STORE_FETCH,
	W_APPS_PATH,
	W_APPS_SOCKET,
	W_APPS_BY_HAND,
	W_APPS_CONNS,
	W_APPS_LOOPS,
	W_APPS_LOOPS_EACH,
	W_APPS_WINDOW,
	W_APPS_WINDOW_MAX,
	W_APPS_MEMORY,
	W_APPS_CONFIRM,
	W_APP,
	W_RELAY_ENABLE,
	W_RELAY_CIRCUITS,
	W_RELAY_PER_PEER,
	W_RELAY_RESERVATIONS,
	W_RELAY_RESERVATION,
	W_RELAY_UNRESERVED,
	W_RELAY_RESERVE,
	W_SUPERVISE,
	CONF_WORDS
};

struct conf_args;
struct conf_out;
struct config;

enum conf_kind {
	K_NUM,   /* a number */
	K_TIME,  /* milliseconds, written 25s */
	K_SIZE,  /* bytes, written 8K */
	K_RATE,  /* written 10/s */
	K_YESNO, /* bool */
	K_STR,   /* empty: not set, not printed */
	K_PATH,  /* absolute; empty: likewise */
	K_OWN,   /* one value of a shape of its own: parse and print */
	K_LIST,  /* may come often: parse and print */
	K_PART   /* set by another word's line; has an origin only */
};

struct conf_row {
	const char *group; /* "" for a line's first word; "limit", ... */
	const char *word;
	enum conf_kind kind;
	bool restart;     /* a change takes effect only with a restart */
	size_t off, size; /* in struct config; K_OWN to K_PART: none */
	uint64_t min, max;
	void (*parse)(struct conf_args *a);
	void (*print)(const struct config *c, struct conf_out *o);
};

extern const struct conf_row conf_rows[CONF_WORDS];

/* The row of a word in a group, or CONF_WORDS. */
enum conf_word conf_row_find(const char *group, const char *word);

/* The words of a group; with "", the first words of all lines.  Returns n. */
unsigned conf_row_names(const char *group, const char *names[CONF_WORDS]);

/* "stun keepalive", "limit max-peers": how a row is called in messages. */
const char *conf_row_title(enum conf_word w, char buf[64]);

/* Integers of 1, 2 or 4 bytes in struct config. */
uint64_t conf_row_value(const struct conf_row *r, const struct config *c);
void conf_row_set(const struct conf_row *r, struct config *c, uint64_t v);

/* The rows of more than a plain value; config_own.c, config_listen.c,
 * config_peers.c. */
void conf_parse_network(struct conf_args *a);
void conf_parse_privdrop(struct conf_args *a);
void conf_parse_log(struct conf_args *a);
void conf_parse_stun_rate(struct conf_args *a);
void conf_parse_stun_client(struct conf_args *a);
void conf_parse_policy(struct conf_args *a);
void conf_parse_origin(struct conf_args *a);
void conf_parse_api_rate(struct conf_args *a);
void conf_parse_blacklist(struct conf_args *a);
void conf_parse_supervise(struct conf_args *a);
void conf_print_network(const struct config *c, struct conf_out *o);
void conf_print_privdrop(const struct config *c, struct conf_out *o);
void conf_print_log(const struct config *c, struct conf_out *o);
void conf_print_stun_rate(const struct config *c, struct conf_out *o);
void conf_print_stun_client(const struct config *c, struct conf_out *o);
void conf_print_policy(const struct config *c, struct conf_out *o);
void conf_print_origin(const struct config *c, struct conf_out *o);
void conf_print_api_rate(const struct config *c, struct conf_out *o);
void conf_print_blacklist(const struct config *c, struct conf_out *o);
void conf_print_supervise(const struct config *c, struct conf_out *o);

/* config_relay.c */
void conf_parse_relay_reservation(struct conf_args *a);
void conf_parse_relay_unreserved(struct conf_args *a);
void conf_parse_relay_reserve(struct conf_args *a);
void conf_print_relay_reservation(const struct config *c, struct conf_out *o);
void conf_print_relay_unreserved(const struct config *c, struct conf_out *o);
void conf_print_relay_reserve(const struct config *c, struct conf_out *o);

void conf_parse_control(struct conf_args *a);
void conf_parse_listen(struct conf_args *a);
void conf_parse_bootstrap(struct conf_args *a);
void conf_parse_seed(struct conf_args *a);
void conf_parse_server(struct conf_args *a);
void conf_parse_multicast(struct conf_args *a);
void conf_parse_peer(struct conf_args *a);
void conf_parse_ban(struct conf_args *a);
void conf_parse_app(struct conf_args *a);
void conf_print_control(const struct config *c, struct conf_out *o);
void conf_print_listen_peer(const struct config *c, struct conf_out *o);
void conf_print_listen_stun(const struct config *c, struct conf_out *o);
void conf_print_listen_http(const struct config *c, struct conf_out *o);
void conf_print_listen_metrics(const struct config *c, struct conf_out *o);
void conf_print_bootstrap(const struct config *c, struct conf_out *o);
void conf_print_seed(const struct config *c, struct conf_out *o);
void conf_print_server(const struct config *c, struct conf_out *o);
void conf_print_multicast(const struct config *c, struct conf_out *o);
void conf_print_peer(const struct config *c, struct conf_out *o);
void conf_print_ban(const struct config *c, struct conf_out *o);
void conf_print_app(const struct config *c, struct conf_out *o);

#endif
