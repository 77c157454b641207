/* SPDX-License-Identifier: ISC */
/*
 * Verbs with arguments, and those that draw as they go.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/attack.h"
#include "common/compat/compat.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/version.h"

static _Noreturn void
bad_usage(const char *args)
{
	die(EX_USAGE, "usage: warrenctl %s %s", cx.command, args);
}

static void
copy_arg(char *to, size_t cap, const char *from)
{
	if (strlcpy(to, from, cap) >= cap)
		die(EX_USAGE, "longer than %zu bytes: %s", cap - 1, from);
}

int
parse_duration(const char *text, uint32_t *seconds)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	unsigned long unit = 1;

	if (end == text || text[0] == '-')
		return -1;
	switch (*end) {
	case 'd':
		unit = 86400;
		break;
	case 'h':
		unit = 3600;
		break;
	case 'm':
		unit = 60;
		break;
	case 's':
	case '\0':
		break;
	default:
		return -1;
	}
	if ((*end != '\0' && end[1] != '\0') || v > UINT32_MAX / unit)
		return -1;
	*seconds = (uint32_t)(v * unit);
	return 0;
}

static int
ask_word(uint16_t type, int argc, char **argv, const char *args)
{
	struct msg_ctl_word w = { .word = "" };

	if (argc != 1)
		bad_usage(args);
	copy_arg(w.word, sizeof(w.word), argv[0]);
	return client_ask(type, &w);
}

#define WHO "NAME|KEY|ADDRESS"

int
act_peer_delete(int argc, char **argv)
{
	return ask_word(CTL_PEER_DELETE, argc, argv, WHO);
}

int
act_peer_connect(int argc, char **argv)
{
	return ask_word(CTL_PEER_CONNECT, argc, argv, WHO);
}

int
act_peer_disconnect(int argc, char **argv)
{
	return ask_word(CTL_PEER_DISCONNECT, argc, argv, WHO);
}

int
act_ban_delete(int argc, char **argv)
{
	return ask_word(CTL_BAN_DELETE, argc, argv, "KEY|ADDRESS|PREFIX");
}

static uint16_t
parse_port(const char *text)
{
	const char *err;
	long long v = strtonum(text, 1, UINT16_MAX, &err);

	if (err != NULL)
		die(EX_USAGE, "port %s: %s", text, err);
	return (uint16_t)v;
}

int
act_peer_add(int argc, char **argv)
{
	static const char args[] =
	    "HOST [port P] [key K] [name N] [static]";
	struct msg_ctl_peer_add a = { .port = 38080 };
	uint8_t id[32];
	int i;

	if (argc < 1)
		bad_usage(args);
	copy_arg(a.host, sizeof(a.host), argv[0]);
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "static") == 0) {
			a.pinned = true;
			continue;
		}
		if (i + 1 == argc)
			bad_usage(args);
		if (strcmp(argv[i], "port") == 0)
			a.port = parse_port(argv[++i]);
		else if (strcmp(argv[i], "key") == 0)
			copy_arg(a.key, sizeof(a.key), argv[++i]);
		else if (strcmp(argv[i], "name") == 0)
			copy_arg(a.name, sizeof(a.name), argv[++i]);
		else
			bad_usage(args);
	}
	if (a.key[0] != '\0' && node_id_parse(id, a.key) == -1)
		die(EX_USAGE, "key %s: want 64 hex digits", a.key);
	return client_ask(CTL_PEER_ADD, &a);
}

int
act_ban_add(int argc, char **argv)
{
	static const char args[] =
	    "KEY|ADDRESS|PREFIX [for T] [reason TEXT]";
	struct msg_ctl_ban b = { .for_s = 0 };
	int i;

	if (argc < 1 || argc % 2 == 0)
		bad_usage(args);
	copy_arg(b.what, sizeof(b.what), argv[0]);
	for (i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "reason") == 0)
			copy_arg(b.reason, sizeof(b.reason), argv[i + 1]);
		else if (strcmp(argv[i], "for") != 0)
			bad_usage(args);
		else if (parse_duration(argv[i + 1], &b.for_s) == -1)
			die(EX_USAGE, "for %s: want 90s, 10m, 6h or 7d",
			    argv[i + 1]);
	}
	return client_ask(CTL_BAN_ADD, &b);
}

int
act_log(int argc, char **argv)
{
	static const char args[] = "error|warn|info|debug [PROCESS] [for T]";
	struct msg_ctl_log l = { .level = 0 };
	int level, i = 1;

	if (argc < 1)
		bad_usage(args);
	/* The words of older habits: brief and verbose. */
	level = strcmp(argv[0], "brief") == 0 ? LOG_LVL_INFO :
	    strcmp(argv[0], "verbose") == 0   ? LOG_LVL_DEBUG :
	                                        log_level_parse(argv[0]);
	if (level == -1)
		bad_usage(args);
	l.level = (uint8_t)level;
	if (i < argc && strcmp(argv[i], "for") != 0)
		copy_arg(l.process, sizeof(l.process), argv[i++]);
	if (i + 2 == argc && strcmp(argv[i], "for") == 0) {
		if (parse_duration(argv[i + 1], &l.for_s) == -1)
			die(EX_USAGE, "for %s: want 90s, 10m, 6h or 7d",
			    argv[i + 1]);
		i += 2;
	}
	if (i != argc)
		bad_usage(args);
	return client_ask(CTL_LOG, &l);
}

int
act_reload(int argc, char **argv)
{
	(void)argv;
	if (argc != 0)
		bad_usage("");
	return client_ask(CTL_RELOAD, NULL);
}

/* --- ping --- */

static unsigned pongs, lost;

static void
each_pong(struct ctx *c, uint16_t type, const void *body)
{
	const struct msg_ctl_pong *p = body;
	char addr[NADDR_STR];

	(void)c;
	if (type != CTL_PONG)
		return;
	if (p->rtt_us == MSG_NULL64) {
		lost++;
		if (!cx.quiet)
			(void)printf("no answer: seq %u\n", p->seq);
	} else {
		pongs++;
		if (!cx.quiet)
			(void)printf("from %s: seq %u time %.2f ms\n",
			    naddr_str(&p->addr, addr), p->seq,
			    (double)p->rtt_us / 1000);
	}
	(void)fflush(stdout);
}

int
act_ping(int argc, char **argv)
{
	struct msg_ctl_ping p = { .count = 3 };
	const char *err = NULL;
	int code;

	if ((argc != 1 && argc != 3) ||
	    (argc == 3 && strcmp(argv[1], "count") != 0))
		bad_usage("PEER [count N]");
	copy_arg(p.peer, sizeof(p.peer), argv[0]);
	if (argc == 3)
		p.count = (uint16_t)strtonum(argv[2], 1, 1000, &err);
	if (err != NULL)
		die(EX_USAGE, "count %s: %s", argv[2], err);
	cx.timeout_ms += p.count * 1000 + 6000;
	if (!cx.json)
		cx.each = each_pong;
	code = client_ask(CTL_PING, &p);
	if (code != 0)
		die(code, "%s", cx.answer.end.text);
	if (!cx.json && pongs == 0)
		return EXIT_NO;
	return 0;
}

/* --- monitor --- */

static void
each_event(struct ctx *c, uint16_t type, const void *body)
{
	const struct msg_event *e = body;
	time_t t = (time_t)(e->time / 1000);
	char when[16];
	struct tm tm;

	(void)c;
	if (type != CTL_EVENT)
		return;
	if (cx.json) {
		json_event(e);
		return;
	}
	(void)gmtime_r(&t, &tm);
	(void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
	if (printf("%s %-8s %-10s %s\n", when, e->kind, e->process, e->text) <
	    0)
		exit(0);
	if (fflush(stdout) != 0)
		exit(0); /* whoever read us is gone */
}

int
act_monitor(int argc, char **argv)
{
	struct msg_ctl_word w = { .word = "" };
	int i;

	for (i = 0; i < argc; i++) {
		if (i > 0)
			(void)strlcat(w.word, " ", sizeof(w.word));
		if (strlcat(w.word, argv[i], sizeof(w.word)) >=
		    sizeof(w.word))
			bad_usage("[KIND ...]");
	}
	cx.each = each_event;
	(void)ipc_send(cx.ch, CTL_MONITOR, ++cx.next_id, &w);
	while (ipc_wait(cx.ch, -1) >= 0)
		continue;
	return 0;
}

/* --- check: the manners of monitoring plugins --- */

int
act_check(int argc, char **argv)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
	const struct msg_ctl_status *s;
	const struct msg_db_state *db;
	const struct msg_ctl_problem *p;
	struct part *at = NULL;
	int worst, code;

	(void)argv;
	if (argc != 0)
		bad_usage("");
	code = client_ask(CTL_CHECK, NULL);
	s = client_first(CTL_STATUS);
	db = client_first(CTL_DB);
	worst = health_of();
	if (code != 0 && worst < 2)
		worst = 2;
	if (cx.quiet)
		return worst;
	if (cx.json) {
		json_print(json_status);
		return worst;
	}
	(void)printf("WARREN %s", words[worst]);
	while ((p = client_next(CTL_PROBLEM, &at)) != NULL)
		(void)printf(" - %s: %s", p->code, p->text);
	if (code != 0)
		(void)printf(" - %s", cx.answer.end.text);
	if (s != NULL)
		(void)printf(" | peers=%u;;;0;%u known=%u", s->peers_up,
		    s->peers_max, s->peers_known);
	if (s != NULL && db != NULL)
		(void)printf(" records=%llu", (unsigned long long)db->cnt);
	(void)printf("\n");
	cx.answer.end.text[0] = '\0';
	return worst;
}

/* --- without a daemon --- */

int
act_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)printf("warrenctl %s\n", WARREN_VERSION);
	return 0;
}

int
act_help(int argc, char **argv)
{
	size_t i;
	bool any = false;

	for (i = 0; i < n_verbs; i++) {
		if (argc > 0 &&
		    strncmp(verbs[i].words, argv[0], strlen(argv[0])) != 0)
			continue;
		any = true;
		(void)printf("%-16s %s\n", verbs[i].words, verbs[i].help);
		if (argc > 0 && verbs[i].args[0] != '\0')
			(void)printf("                 %s %s\n",
			    verbs[i].words, verbs[i].args);
	}
	if (!any)
		die(EX_USAGE, "no such command: %s", argv[0]);
	if (argc == 0)
		(void)printf("\nSee warrenctl(8).\n");
	return 0;
}

#ifdef WARREN_ATTACK
int
act_attack(int argc, char **argv)
{
	static const char *const words[] = {
#define ATTACK_WORD(NAME, word) word,
		ATTACKS(ATTACK_WORD)
	};
	struct msg_ctl_attack a = { .what = 0 };

	if (argc != 2)
		bad_usage("PROCESS WHAT");
	copy_arg(a.process, sizeof(a.process), argv[0]);
	while (a.what < ATTACK_COUNT && strcmp(words[a.what], argv[1]) != 0)
		a.what++;
	if (a.what == ATTACK_COUNT)
		die(EX_USAGE, "no attack '%s'", argv[1]);
	return client_ask(CTL_ATTACK, &a);
}
#endif
