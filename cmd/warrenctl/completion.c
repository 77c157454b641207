/* SPDX-License-Identifier: ISC */
/*
 * A completion script for bash, made from the table of verbs; peer names come
 * from the running node.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"

/* The distinct second words behind a first one. */
static void
second_words(const char *first, size_t n)
{
	size_t i;

	for (i = 0; i < n_verbs; i++)
		if (strncmp(verbs[i].words, first, n) == 0 &&
		    verbs[i].words[n] == ' ')
			(void)printf("%s ", verbs[i].words + n + 1);
}

static void
first_words(void)
{
	char last[32] = "", word[32];
	size_t i, n;

	for (i = 0; i < n_verbs; i++) {
		n = strcspn(verbs[i].words, " ");
		(void)snprintf(
		    word, sizeof(word), "%.*s", (int)n, verbs[i].words);
		if (strcmp(word, last) != 0)
			(void)printf("%s ", word);
		(void)strlcpy(last, word, sizeof(last));
	}
}

int
act_completion(int argc, char **argv)
{
	static const char *const groups[] = { "show", "peer", "ban", "key",
		"charter", "record", "db", "app" };
	size_t i;

	if (argc != 1 || strcmp(argv[0], "bash") != 0)
		die(EX_USAGE, "usage: warrenctl completion bash");
	(void)printf("# bash completion for warrenctl(8)\n"
	    "_warrenctl()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	    "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	    "\tcase $prev in\n");
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		(void)printf("\t%s) words='", groups[i]);
		second_words(groups[i], strlen(groups[i]));
		(void)printf("' ;;\n");
	}
	(void)printf("\tlog) words='error warn info debug' ;;\n"
	    "\tmonitor) words='peer stun process config app' ;;\n"
	    "\tcompletion) words='bash' ;;\n"
	    "\tget|proof) words='kind' ;;\n"
	    "\tkind) words='member node block location temperature meta "
	    "rating' ;;\n"
	    "\tping|connect|disconnect|delete) words=$(warrenctl -t 1 show "
	    "peers 2>/dev/null |\n"
	    "\t    awk 'NR > 1 && $1 != \"-\" { print $1 }') ;;\n"
	    "\t*) words='");
	first_words();
	(void)printf("' ;;\n\tesac\n"
	    "\t[ \"$prev\" = peer ] && [ \"${COMP_WORDS[COMP_CWORD-2]}\" = "
	    "show ] &&\n"
	    "\t\twords=$(warrenctl -t 1 show peers 2>/dev/null |\n"
	    "\t\t    awk 'NR > 1 && $1 != \"-\" { print $1 }')\n"
	    "\t[ \"$prev\" = peers ] && [ \"${COMP_WORDS[COMP_CWORD-2]}\" = "
	    "show ] &&\n"
	    "\t\twords='up inbound outbound static known loops'\n"
	    "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	    "}\ncomplete -F _warrenctl warrenctl\n");
	return 0;
}
