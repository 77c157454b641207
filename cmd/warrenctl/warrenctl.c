/* SPDX-License-Identifier: ISC */
/*
 * main(): options, then the verb, then drawing the answer.  Words may be cut
 * to what is unambiguous: "s p" is "show peers"... if only one fits.
 */
#include "cmd/warrenctl/warrenctl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"

struct ctx cx;

static _Noreturn void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: warrenctl [-jnqvV] [-s socket] [-t seconds] "
	    "[command [argument ...]]\n"
	    "       warrenctl help\n");
	exit(EX_USAGE);
}

static const char *
default_socket(void)
{
	static char path[256];
	const char *env = getenv("WARREN_SOCKET");
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (env != NULL && env[0] == '/')
		return env;
	if (geteuid() != 0 && run != NULL && run[0] == '/') {
		(void)snprintf(path, sizeof(path), "%s/warren/warren.sock", run);
		if (access(path, F_OK) == 0)
			return path;
	}
	return "/run/warren/warren.sock";
}

static void
parse_options(int argc, char **argv)
{
	const char *err;
	int c;

	cx.socket = default_socket();
	cx.timeout_ms = 5000;
	while ((c = getopt(argc, argv, "+jnqs:t:vV")) != -1) {
		switch (c) {
		case 'j':
			cx.json = true;
			break;
		case 'n':
			cx.numeric = true;
			break;
		case 'q':
			cx.quiet = true;
			break;
		case 's':
			cx.socket = optarg;
			break;
		case 't':
			cx.timeout_ms =
			    (int)strtonum(optarg, 1, 3600, &err) * 1000;
			if (err != NULL)
				die(EX_USAGE, "-t %s: %s", optarg, err);
			break;
		case 'v':
			cx.wide = true;
			break;
		case 'V':
			exit(act_version(0, NULL));
		default:
			usage();
		}
	}
}

/* --- which verb --- */

/*
 * How many words of the verb the arguments spell (each may be cut), or 0.
 * *exact: none was cut.
 */
static int
spells(const char *words, int argc, char **argv, bool *exact)
{
	char copy[64];
	char *word, *rest = copy;
	int n = 0;

	(void)strlcpy(copy, words, sizeof(copy));
	*exact = true;
	while ((word = strsep(&rest, " ")) != NULL) {
		if (n == argc || argv[n][0] == '\0' ||
		    strncmp(word, argv[n], strlen(argv[n])) != 0)
			return 0;
		*exact = *exact && strcmp(word, argv[n]) == 0;
		n++;
	}
	return n;
}

static void
list_candidates(int argc, char **argv)
{
	size_t i;
	size_t n = argc > 0 ? strlen(argv[0]) : 0;
	bool any = false;

	for (i = 0; i < n_verbs; i++)
		if (n > 0 && strncmp(verbs[i].words, argv[0], n) == 0)
			any = true;
	(void)fprintf(stderr, "valid commands:\n");
	for (i = 0; i < n_verbs; i++)
		if (!any || strncmp(verbs[i].words, argv[0], n) == 0)
			(void)fprintf(stderr, "  %s %s\n", verbs[i].words,
			    verbs[i].args);
}

static const struct verb *
find_verb(int argc, char **argv, int *used)
{
	const struct verb *found = NULL;
	bool exact, sure = false;
	size_t i;
	int n, matches = 0;

	for (i = 0; i < n_verbs; i++) {
		n = spells(verbs[i].words, argc, argv, &exact);
		if (n == 0 || (sure && !exact))
			continue;
		if (exact && !sure)
			matches = 0;
		sure = sure || exact;
		found = &verbs[i];
		*used = n;
		matches++;
	}
	if (matches == 1)
		return found;
	if (!cx.quiet && !cx.json)
		list_candidates(argc, argv);
	die(EX_USAGE, matches == 0 ? "no such command: %s%s%s" :
	    "ambiguous: %s%s%s", argv[0], argc > 1 ? " " : "",
	    argc > 1 ? argv[1] : "");
}

static const struct verb *
choose(int *argc, char ***argv)
{
	static char show[] = "show", status[] = "status";
	static char *bare[] = { show, status, NULL };
	const struct verb *v;
	int used = 0;

	/* Bare "warrenctl" and bare "show" are "show status". */
	if (*argc == 0 ||
	    (*argc == 1 && strcmp((*argv)[0], "show") == 0)) {
		*argc = 2;
		*argv = bare;
	}
	v = find_verb(*argc, *argv, &used);
	*argc -= used;
	*argv += used;
	(void)strlcpy(cx.command, v->words, sizeof(cx.command));
	return v;
}

int
main(int argc, char **argv)
{
	const struct verb *v;
	int code;

	(void)signal(SIGPIPE, SIG_IGN);
	cx.answer.last = &cx.answer.first;
	parse_options(argc, argv);
	argc -= optind;
	argv += optind;
	v = choose(&argc, &argv);
	if (!v->offline)
		client_open();
	code = v->ask(argc, argv);
	if (cx.quiet)
		return code;
	/* An end with a text is bad news, unless it only says what was done. */
	if (code != 0 && cx.answer.first == NULL && cx.answer.end.text[0])
		die(code, "%s", cx.answer.end.text);
	if (cx.json && v->json != NULL)
		json_print(v->json);
	else if (!cx.json && v->text != NULL)
		v->text();
	if (!cx.json && cx.answer.end.text[0] != '\0')
		(void)fprintf(code == 0 ? stdout : stderr, "%s\n",
		    cx.answer.end.text);
	ipc_free(cx.ch);
	return fflush(stdout) == 0 ? code : EX_IOERR;
}
