/* SPDX-License-Identifier: ISC */
/*
 * The table of verbs.  Usage, completion and warrenctl(8) follow it; a test
 * holds them together.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"

/* Requests without arguments. */
#define PLAIN(fn, type)                                                        \
	static int fn(int argc, char **argv)                                   \
	{                                                                      \
		if (argc != 0)                                                 \
			die(EX_USAGE, "%s takes no argument '%s'",             \
			    cx.command, argv[0]);                              \
		return client_ask(type, NULL);                                 \
	}

PLAIN(ask_stun, CTL_SHOW_STUN)
PLAIN(ask_listeners, CTL_SHOW_LISTENERS)
PLAIN(ask_processes, CTL_SHOW_PROCESSES)
PLAIN(ask_limits, CTL_SHOW_LIMITS)
PLAIN(ask_config, CTL_SHOW_CONFIG)
PLAIN(ask_bans, CTL_SHOW_BANS)
PLAIN(ask_key, CTL_SHOW_KEY)

static int
ask_status(int argc, char **argv)
{
	int code, stun;

	if (argc != 0)
		die(EX_USAGE, "show status takes no argument '%s'", argv[0]);
	code = client_ask(CTL_SHOW_STATUS, NULL);
	stun = client_ask(CTL_SHOW_STUN, NULL);
	return code != 0 ? code : stun;
}

static int
ask_netcheck(int argc, char **argv)
{
	const struct msg_stun_view *v;
	int code;

	if (argc != 0)
		die(EX_USAGE, "netcheck takes no argument '%s'", argv[0]);
	if (cx.timeout_ms < 10000)
		cx.timeout_ms = 10000; /* real packets to real peers */
	(void)client_ask(CTL_SHOW_KEY, NULL);
	code = client_ask(CTL_NETCHECK, NULL);
	v = client_first(CTL_STUN);
	/* Nobody told us an outside address: the answer is no. */
	return code == 0 && (v == NULL || v->n_mappings == 0) ? EXIT_NO : code;
}

static int
ask_word(uint16_t type, int argc, char **argv, bool needed)
{
	struct msg_ctl_word w = { .word = "" };

	if (argc > 1 || (needed && argc == 0))
		die(EX_USAGE, "usage: warrenctl %s %s", cx.command,
		    needed ? "NAME|KEY|ADDRESS" : "[FILTER]");
	if (argc == 1 &&
	    strlcpy(w.word, argv[0], sizeof(w.word)) >= sizeof(w.word))
		die(EX_USAGE, "too long: %s", argv[0]);
	return client_ask(type, &w);
}

static int
ask_peers(int argc, char **argv)
{
	static const char *const filters[] = { "up", "inbound", "outbound",
		"static", "known", "loops", NULL };
	size_t i;

	for (i = 0; argc == 1 && filters[i] != NULL; i++)
		if (strcmp(argv[0], filters[i]) == 0)
			break;
	if (argc == 1 && filters[i] == NULL)
		die(EX_USAGE, "no filter '%s'; one of: up inbound outbound "
		    "static known loops", argv[0]);
	return ask_word(CTL_SHOW_PEERS, argc, argv, false);
}

static int
ask_peer(int argc, char **argv)
{
	return ask_word(CTL_SHOW_PEER, argc, argv, true);
}

/* clang-format off */
const struct verb verbs[] = {
	{ "show status", "", "the node at a glance, its health first",
	    false, true, ask_status, text_status, json_status },
	{ "show peers", "[up|inbound|outbound|static|known|loops]",
	    "linked and known nodes, and every link",
	    false, true, ask_peers, text_peers, json_peers },
	{ "show peer", "NAME|KEY|ADDRESS", "one peer in depth",
	    false, true, ask_peer, text_peer, json_peer },
	{ "show stun", "", "outside addresses, by whom they were told",
	    false, true, ask_stun, text_stun, json_stun },
	{ "show nat", "", "what kind of NAT stands before this node",
	    false, true, ask_stun, text_nat, json_stun },
	{ "show listeners", "", "sockets served, and by which process",
	    false, true, ask_listeners, text_listeners, json_listeners },
	{ "show processes", "", "pid, user, uptime, restarts, sandbox in force",
	    false, true, ask_processes, text_processes, json_processes },
	{ "show limits", "", "every bound: used, limit, refused",
	    false, true, ask_limits, text_limits, json_limits },
	{ "show metrics", "", "the counters of all processes, as OpenMetrics",
	    false, true, act_show_metrics, NULL, json_made },
	{ "show config", "", "the configuration in force and its origin",
	    false, false, ask_config, text_lines, json_lines },
	{ "show bans", "", "who is banned, until when, why",
	    false, true, ask_bans, text_bans, json_bans },
	{ "show db", "", "the database: tick, root, records by kind",
	    false, true, act_show_db, NULL, json_made },
	{ "show blocks", "", "block bodies held here",
	    false, true, act_show_blocks, NULL, json_made },
	{ "show health", "", "nodes, blocks and copies of the whole network",
	    false, true, act_show_health, NULL, json_made },
	{ "show apps", "", "apps of the configuration and those connected",
	    false, true, act_show_apps, NULL, json_made },
	{ "show loops", "", "byte streams of apps: bytes, age, way",
	    false, true, act_show_loops, NULL, json_made },
	{ "show relay", "", "what is relayed for others, and for this node",
	    false, false, act_show_relay, NULL, json_made },
	{ "check", "", "one line and an exit code, for monitoring",
	    false, true, act_check, NULL, NULL },
	{ "netcheck", "", "ask our STUN servers now, from the real sockets",
	    false, true, ask_netcheck, text_nat, json_stun },
	{ "ping", "PEER [count N]", "round trips over the peer link",
	    false, true, act_ping, NULL, json_pongs },
	{ "peer add", "HOST [port P] [key K] [name N] [static]",
	    "connect to a node from now on",
	    false, false, act_peer_add, NULL, json_done },
	{ "peer delete", "NAME|KEY|ADDRESS", "forget a peer added so",
	    false, false, act_peer_delete, NULL, json_done },
	{ "peer connect", "NAME|KEY|ADDRESS", "dial a known node now",
	    false, false, act_peer_connect, NULL, json_done },
	{ "peer disconnect", "NAME|KEY|ADDRESS", "end a link",
	    false, false, act_peer_disconnect, NULL, json_done },
	{ "ban add", "KEY|ADDRESS|PREFIX [for T] [reason TEXT]",
	    "refuse a node or network",
	    false, false, act_ban_add, NULL, json_done },
	{ "ban delete", "KEY|ADDRESS|PREFIX", "lift a ban",
	    false, false, act_ban_delete, NULL, json_done },
	{ "unban", "KEY|ADDRESS|PREFIX", "lift a ban",
	    false, false, act_ban_delete, NULL, json_done },
	{ "charter new", "FILE name NAME [tick T] [settle T] [future T] "
	    "[admission open [bits N] | members] [authority KEY] ... [r N] "
	    "[key FILE]", "found a network of one's own",
	    true, true, act_charter_new, NULL, json_made },
	{ "charter show", "[FILE]", "the rules of this network, or of a file",
	    true, true, act_charter_show, NULL, json_made },
	{ "record key", "FILE", "make the key of an author, or show it",
	    true, true, act_record_key, NULL, json_made },
	{ "record sign", "key FILE kind K subject HEX|TEXT [name TEXT] [w N] "
	    "[payload HEX|@FILE] [tombstone] [hlc N] [charter FILE]",
	    "a record, signed, in hex",
	    true, true, act_record_sign, NULL, json_made },
	{ "record admit", "key FILE [member KEY] [revoke] [charter FILE]",
	    "the record that admits an author",
	    true, true, act_record_admit, NULL, json_made },
	{ "put", "RECORD ... | -", "store records, in hex, a line each on stdin",
	    false, false, act_put, NULL, json_made },
	{ "get", "KEY | kind K [subject S] [after KEY] [limit N] [settled]",
	    "read records",
	    false, true, act_get, NULL, json_made },
	{ "rate", "TARGET N key FILE", "sign and store a rating",
	    false, false, act_rate, NULL, json_made },
	{ "proof", "KEY | kind K [subject S] [tick T]",
	    "have it proved, and verify that",
	    false, true, act_proof, NULL, json_made },
	{ "block put", "FILE|- [key FILE]", "store a body, and announce it by key",
	    false, false, act_block_put, NULL, json_made },
	{ "block get", "ID FILE|- [fetch]", "read a body, and verify it",
	    false, false, act_block_get, NULL, json_made },
	{ "db evidence", "", "records by which authors contradict themselves",
	    false, true, act_db_evidence, NULL, json_made },
	{ "db check", "", "verify every row of the database",
	    false, false, act_db_check, NULL, json_made },
	{ "db compact", "", "give free space back to the disk",
	    false, false, act_db_compact, NULL, json_done },
	{ "db verify", "[peers N | NODE ...]",
	    "do other nodes have the same records?",
	    false, true, act_db_verify, NULL, json_made },
	{ "backup", "FILE|- [bodies]",
	    "key, small files and database into a tar archive",
	    false, false, act_backup, NULL, json_done },
	{ "restore", "FILE|- [config FILE] [force]",
	    "put a backup into a node that does not run",
	    true, true, act_restore, NULL, json_made },
	{ "app list", "", "the same as show apps",
	    false, true, act_show_apps, NULL, json_made },
	{ "app start", "NAME", "start an app of the configuration",
	    false, false, act_app_start, NULL, json_done },
	{ "app stop", "NAME", "stop it, and keep it stopped",
	    false, false, act_app_stop, NULL, json_done },
	{ "app restart", "NAME", "stop it and start it again",
	    false, false, act_app_restart, NULL, json_done },
	{ "app log", "NAME", "what it printed last",
	    false, false, act_app_log, text_lines, json_lines },
	{ "reload", "", "read the configuration anew, all or nothing",
	    false, false, act_reload, text_lines, json_lines },
	{ "log", "error|warn|info|debug [PROCESS] [for T]",
	    "log more or less, for a while",
	    false, false, act_log, NULL, json_done },
	{ "monitor", "[peer|stun|process|config|app] ...",
	    "a line for every event, until ^C",
	    false, true, act_monitor, NULL, NULL },
	{ "key show", "", "the node's public key and its network",
	    false, true, ask_key, text_key, json_key },
	{ "completion", "bash", "a completion script for the shell",
	    true, true, act_completion, NULL, NULL },
	{ "help", "[COMMAND]", "what there is", true, true, act_help, NULL, NULL },
	{ "version", "", "of this program", true, true, act_version, NULL, NULL },
#ifdef WARREN_ATTACK
	{ "attack", "PROCESS WHAT", "test builds: try what is forbidden",
	    false, false, act_attack, NULL, NULL },
#endif
};
/* clang-format on */

const size_t n_verbs = sizeof(verbs) / sizeof(verbs[0]);
