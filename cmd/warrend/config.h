/* SPDX-License-Identifier: ISC */
/*
 * The configuration as parsed: warren.conf(5) tells what each word means.
 *
 *	config_lex.c -> parse.y -> config_load.c -> the table in config_words.c
 *	bytes           words      statements       values: config_args.c,
 *	                                            config_values.c, config_own.c,
 *	                                            config_listen.c, config_peers.c
 *
 * config.c gives defaults and checks what only the whole can tell,
 * config_print.c prints it back and compares two; nobody else writes to it.
 * Tested in tests/unit/config_test.c, fuzzed in tests/fuzz/config_fuzz.c.
 */
#ifndef WARREN_CONFIG_H
#define WARREN_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cmd/warrend/config_words.h"
#include "common/log.h"
#include "common/msg_apid.h"
#include "common/msg_appd.h"
#include "common/msg_peerd.h"
#include "common/msg_proc.h"
#include "common/msg_store.h"
#include "common/msg_stund.h"
#include "common/naddr.h"

#define CONF_PATH    256
#define CONF_LISTEN  16 /* listeners of one kind */
#define CONF_PEERS   64
#define CONF_BANS    64
#define CONF_MCAST   8
#define CONF_DNS     4
#define CONF_CONTROL 4
#define CONF_APPS    64
#define CONF_APP_ARGS 32

/* Where a value came from, for -nv and show config. */
struct conf_origin {
	const char *file; /* interned; NULL: the default */
	int line;
};

/* A socket to serve on. */
struct conf_listen {
	uint8_t service; /* SVC_LINK, SVC_STUN_UDP (both protocols), SVC_HTTP,
	                    SVC_METRICS */
	struct naddr addr; /* any-address allowed; port 0: kernel's choice */
	struct naddr advertise; /* fam 0: none */
	bool both_families;     /* written as "*": 0.0.0.0 and [::] */
	struct conf_origin at;
};

struct conf_control {
	char path[CONF_PATH];
	char group[33]; /* empty: the process's own */
	unsigned mode;
	bool restricted;
	struct conf_origin at;
};

struct conf_multicast {
	char interface[16];
	struct naddr group4, group6; /* with the port */
	struct conf_origin at;
};

struct conf_ban {
	char what[72];
	uint32_t for_s; /* 0 for ever */
	struct conf_origin at;
};

struct conf_peer {
	struct msg_peerd_peer p;
	struct conf_origin at;
};

enum conf_app_restart {
	CONF_APP_NEVER,
	CONF_APP_ON_FAILURE,
	CONF_APP_ALWAYS
};

/* A program beside the node. */
struct conf_app {
	char name[33], version[33];
	char command[CONF_PATH]; /* empty: NAME.vVERSION below apps path */
	char args[512];          /* one behind the other, each with a NUL */
	uint16_t args_len;
	uint8_t n_args;
	uint8_t restart; /* enum conf_app_restart */
	uint16_t port;   /* 0: dynamic ones only */
	char user[33];   /* empty: that of appd's users, or our own */
	char dir[CONF_PATH]; /* empty: one below the state directory */
	bool autostart, by_hand;
	uint64_t memory;    /* rlimits; 0: as we have them */
	uint32_t files, processes;
	uint32_t stop_ms;   /* from SIGTERM to SIGKILL */
	struct conf_origin at;
};

struct config {
	char network[33];          /* name of the charter */
	char charter[CONF_PATH];   /* file, empty: the built-in one */
	char node_name[32];        /* empty: from the key */
	char region[9];
	char node_key[CONF_PATH];  /* default: state/node.key */
	char state_dir[CONF_PATH]; /* /var/lib/warren */
	char chroot_dir[CONF_PATH]; /* /run/warren/empty */
	char libexec_dir[CONF_PATH];
	char pid_file[CONF_PATH];  /* empty: none */
	char users[PROC_KINDS][33]; /* by enum proc_kind */
	bool privdrop_required;

	enum log_dest log_dest;
	char log_file[CONF_PATH];
	enum log_level log_level;

	struct conf_control controls[CONF_CONTROL];
	unsigned n_controls;
	struct conf_listen listens[CONF_LISTEN * 4];
	unsigned n_listens;
	struct conf_peer peers[CONF_PEERS]; /* pinned, bootstrap, seeds */
	unsigned n_peers;
	struct conf_multicast multicasts[CONF_MCAST];
	unsigned n_multicasts;
	struct conf_ban bans[CONF_BANS];
	unsigned n_bans;
	struct naddr dns_servers[CONF_DNS]; /* none: resolv.conf */
	struct conf_origin dns_at[CONF_DNS];
	unsigned n_dns_servers;

	uint16_t stun_client_port_udp; /* 0: chosen once and remembered */
	uint16_t stun_client_port_tcp;
	struct msg_stund_config stun;   /* sent to stund as it is */
	struct msg_peerd_config peer;   /* sent to peerd as it is */
	struct msg_apid_config api;     /* limits of all workers together */
	uint8_t api_workers;
	struct msg_store_config store;  /* .dir is filled when sent */
	struct msg_appd_config appd;    /* .id likewise */
	char apps_path[CONF_PATH];      /* where apps' programs lie */
	char apps_socket[CONF_PATH];    /* for apps started by hand */
	bool apps_by_hand;              /* there is such a socket */
	struct conf_app apps[CONF_APPS];
	unsigned n_apps;

	uint32_t open_files;        /* RLIMIT_NOFILE of the children */
	unsigned address_allow;     /* ADDR_ALLOW_PRIVATE | _RESERVED */
	unsigned restarts_max;      /* supervise restarts N per T */
	uint32_t restarts_window_ms;
	uint32_t stop_ms;           /* drain at most so long, then kill */
	bool test_echo;             /* from the command line */
	int landlock_max;           /* tests; -1: the newest */
	char *text;                 /* the effective config, as -nv prints it;
	                               set by config_check() */
	struct conf_origin origins[CONF_WORDS]; /* of single values, and "no" */
};

/* Every value's default; paths for root or, without, under XDG (operations.md
 * 2.3).  libexec_dir is where this binary lies unless installed. */
void config_defaults(struct config *c, bool root);

/* A macro from the command line ("name=value"); before config_load().  0/-1 */
int config_define(const char *assignment);

/*
 * Read path (and what it includes) into *c, which holds the defaults.  Every
 * error is reported to errors as "file:line: text", one a line, none that only
 * follows from another.  Returns the number of errors.  path may be missing
 * only when optional is set.
 */
int config_load(struct config *c, const char *path, bool optional,
    FILE *errors);

/* The same from a stream called name, where include opens nothing. */
int config_load_stream(struct config *c, FILE *in, const char *name,
    FILE *errors);

/*
 * Checks that need the whole (listeners that collide, ...), errors as above.
 * Only for what was loaded without errors.  Sets c->text when there are none.
 */
int config_check(struct config *c, FILE *errors);

/* Print it so that it parses back to itself, each line with its origin. */
void config_print(const struct config *c, FILE *out);

/*
 * What differs, a line each: "changed stun keepalive", or where it takes a
 * restart "restart needed: listen peer".  Returns true if one does.
 */
bool config_diff(const struct config *old, const struct config *new,
    FILE *out);

/* "never", "on-failure", "always". */
const char *conf_app_restart_name(uint8_t restart);

/* Frees what c holds, not c. */
void config_free(struct config *c);

#endif
