/* SPDX-License-Identifier: ISC */
/*
 * What a failed ASSERT does.  Only write() and abort(): the process is
 * broken, so nothing of it is trusted any more.
 */
#include "common/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void
assert_fail(const char *cond, const char *file, int line)
{
	char buf[256];
	int n;

	n = snprintf(buf, sizeof(buf), "assertion failed: %s, %s:%d\n", cond,
	    file, line);
	if (n > 0 && write(STDERR_FILENO, buf,
	    (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1) < 0)
		abort();
	abort();
}
