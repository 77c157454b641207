/* SPDX-License-Identifier: ISC */
/*
 * What a failed ASSERT does.  One write to standard error, one line to the
 * log, and abort(): the process is broken, so nothing else of it is trusted
 * any more.  Tested in tests/unit/assert_test.c.
 */
#include "common/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*say_log)(const char *text);

void
assert_set_log(void (*say)(const char *text))
{
	say_log = say;
}

_Noreturn void
assert_fail(const char *cond, const char *file, int line)
{
	void (*say)(const char *text) = say_log;
	char buf[256];
	size_t n;

	say_log = NULL; /* the log may fail in the same way */
	(void)snprintf(buf, sizeof(buf) - 1, "assertion failed: %s, %s:%d",
	    cond, file, line);
	if (say != NULL)
		say(buf);
	n = strlen(buf);
	buf[n] = '\n';
	if (write(STDERR_FILENO, buf, n + 1) == -1)
		abort();
	abort();
}
