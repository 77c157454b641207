/* SPDX-License-Identifier: ISC */
/*
 * Stand-ins for what the C library may lack.
 */
#include "common/compat/compat.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif
#include <unistd.h>

#if !HAVE_STRLCPY
size_t
strlcpy(char *dst, const char *src, size_t cap)
{
	size_t len = strlen(src), n;

	if (cap > 0) {
		n = len < cap - 1 ? len : cap - 1;
		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}

size_t
strlcat(char *dst, const char *src, size_t cap)
{
	size_t used = strnlen(dst, cap);

	if (used == cap)
		return cap + strlen(src);
	return used + strlcpy(dst + used, src, cap - used);
}
#endif

#if !HAVE_STRTONUM
long long
strtonum(
    const char *text, long long min, long long max, const char **errstr)
{
	const char *why = NULL;
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || min > max)
		why = "invalid";
	else if (v < min || (v == LLONG_MIN && errno == ERANGE))
		why = "too small";
	else if (v > max || (v == LLONG_MAX && errno == ERANGE))
		why = "too large";
	if (errstr != NULL)
		*errstr = why;
	return why == NULL ? v : 0;
}
#endif

#if !HAVE_SETPROCTITLE
/*
 * Linux shows the memory that argv and environ start in.  The environment is
 * moved away first, so that the title may take its place too.  As with the
 * BSDs' own, the program's name goes in front.
 */
static char *title_at, title_name[32];
static size_t title_cap;

void
compat_setproctitle_init(int argc, char **argv, char **env)
{
	char *end = argv[0];
	int i;

	for (i = 0; i < argc; i++)
		if (argv[i] == end)
			end += strlen(argv[i]) + 1;
	for (i = 0; env[i] != NULL; i++)
		if (env[i] == end)
			end += strlen(env[i]) + 1;
	for (i = 0; env[i] != NULL; i++)
		if ((env[i] = strdup(env[i])) == NULL)
			return;
	(void)snprintf(title_name, sizeof(title_name), "%s",
	    strrchr(argv[0], '/') == NULL ? argv[0] :
	                                    strrchr(argv[0], '/') + 1);
	title_at = argv[0];
	title_cap = (size_t)(end - argv[0]);
}

void
setproctitle(const char *fmt, ...)
{
	char text[128];
	va_list ap;

	if (title_cap < 2)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(title_at, 0, title_cap);
	(void)snprintf(title_at, title_cap - 1, "%s: %s", title_name, text);
}
#endif

#if !HAVE_CLOSEFROM
void
closefrom(int lowest)
{
	long max = sysconf(_SC_OPEN_MAX);
	int fd;

	for (fd = lowest; fd < (max > 0 ? max : 1024); fd++)
		(void)close(fd);
}
#endif

#ifdef __linux__
ssize_t
compat_sendfile(int sock, int file, off_t *off, size_t n)
{
	return sendfile(sock, file, off, n);
}
#else
ssize_t
compat_sendfile(int sock, int file, off_t *off, size_t n)
{
	static char buf[65536];
	ssize_t r = pread(file, buf, n < sizeof(buf) ? n : sizeof(buf), *off);

	if (r > 0 && (r = write(sock, buf, (size_t)r)) > 0)
		*off += r;
	return r;
}
#endif
