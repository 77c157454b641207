/* SPDX-License-Identifier: ISC */
/*
 * hosts(5) text: what counts, what is passed over, and every cut of it flush
 * against the end of its memory.
 */
#include "cmd/warrend/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 4

static const struct {
	const char *name, *text, *ask, *want; /* addresses, blank between */
} cases[] = {
	{ "plain", "192.0.2.1 a\n", "a", "192.0.2.1:9" },
	{ "no line end", "192.0.2.1 a", "a", "192.0.2.1:9" },
	{ "alias", "192.0.2.1\ta b\tc\n", "c", "192.0.2.1:9" },
	{ "case", "192.0.2.1 NaMe.Example\n", "nAmE.eXAMPLE", "192.0.2.1:9" },
	{ "final dot", "192.0.2.1 a.b\n", "a.b.", "192.0.2.1:9" },
	{ "both families", "::1 a\n127.0.0.1 a\n", "a", "[::1]:9 127.0.0.1:9" },
	{ "once each", "::1 a\n::1 a b\n", "a", "[::1]:9" },
	{ "comment", "#192.0.2.1 a\n192.0.2.2 b#a\n192.0.2.3 #a\n", "a", "" },
	{ "DOS line end", "192.0.2.1 a\r\n", "a", "192.0.2.1:9" },
	{ "prefix of a name", "192.0.2.1 aa\n192.0.2.2 a.b\n", "a", "" },
	{ "no address", "a a\n300.1.1.1 a\n1.2.3 a\n/ a\n", "a", "" },
	{ "scoped", "fe80::1%lo0 a\n", "a", "" },
	{ "bracketed", "[::1] a\n", "a", "" },
	{ "name first", "a 192.0.2.1\n", "a", "" },
	{ "at most max", "::1 a\n::2 a\n::3 a\n::4 a\n::5 a\n", "a",
	    "[::1]:9 [::2]:9 [::3]:9 [::4]:9" },
	{ "empty name", "192.0.2.1 \n192.0.2.1 .\n", "", "" },
	{ "dot", "192.0.2.1 .\n", ".", "" },
	{ "empty text", "", "a", "" },
};

static void
lookup(const char *text, size_t len, const char *ask, char *out, size_t cap)
{
	struct naddr list[MAX];
	char buf[NADDR_STR];
	unsigned i, n = hosts_lookup(text, len, ask, 9, list, MAX);

	assert_true(n <= MAX);
	out[0] = '\0';
	for (i = 0; i < n; i++) {
		(void)snprintf(out + strlen(out), cap - strlen(out), "%s%s",
		    i > 0 ? " " : "", naddr_str(&list[i], buf));
	}
}

static void
test_cases(void **state)
{
	char got[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lookup(cases[i].text, strlen(cases[i].text), cases[i].ask, got,
		    sizeof(got));
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: \"%s\", wanted \"%s\"", cases[i].name,
			    got, cases[i].want);
	}
}

static void
test_cut(void **state)
{
	char got[256], *copy;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (len = 0; len < strlen(cases[i].text); len++) {
			copy = malloc(len + 1);
			assert_non_null(copy);
			memcpy(copy, cases[i].text, len);
			copy[len] = 'a'; /* not to be looked at */
			lookup(copy, len, "zz", got, sizeof(got));
			assert_string_equal(got, "");
			free(copy);
		}
	}
}

static void
test_odd_bytes(void **state)
{
	static const char nul[] = "192.0.2.1\0 a\n192.0.2.2 a\0\n";
	static char lng[HOSTS_LINE_MAX + 64];
	char got[256];

	(void)state;
	lookup(nul, sizeof(nul) - 1, "a", got, sizeof(got));
	assert_string_equal(got, "");
	memset(lng, ' ', sizeof(lng));
	memcpy(lng, "192.0.2.1", 9);
	memcpy(lng + HOSTS_LINE_MAX - 1, "a\n192.0.2.2 a\n", 14);
	lookup(lng, HOSTS_LINE_MAX + 13, "a", got, sizeof(got));
	assert_string_equal(got, "192.0.2.1:9 192.0.2.2:9");
	memcpy(lng + HOSTS_LINE_MAX - 1, " a\n192.0.2.2 a\n", 15);
	lookup(lng, HOSTS_LINE_MAX + 14, "a", got, sizeof(got));
	assert_string_equal(got, "192.0.2.2:9");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_odd_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
