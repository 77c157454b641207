/* SPDX-License-Identifier: ISC */
/*
 * What OpenBSD has and others may lack.  Everything here has the manual page
 * of the same name.
 */
#ifndef WARREN_COMPAT_H
#define WARREN_COMPAT_H

#include <stddef.h>
#include <string.h>
#include <sys/types.h>

#if !HAVE_STRLCPY
size_t strlcpy(char *dst, const char *src, size_t cap);
size_t strlcat(char *dst, const char *src, size_t cap);
#endif
#if !HAVE_STRTONUM
long long strtonum(const char *text, long long min, long long max,
    const char **errstr);
#endif
#if !HAVE_SETPROCTITLE
/* Call once in main() before argv is looked at; then set titles. */
void compat_setproctitle_init(int argc, char **argv, char **env);
void setproctitle(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#else
#define compat_setproctitle_init(argc, argv, env) ((void)0)
#endif
#if !HAVE_CLOSEFROM
void closefrom(int lowest);
#endif
#if !HAVE_GETPEEREID
#include <sys/types.h>
int getpeereid(int fd, uid_t *uid, gid_t *gid);
#endif

/*
 * Send up to n bytes of a file from *off on, and move *off: Linux's
 * sendfile(2), elsewhere by way of a buffer.
 */
ssize_t compat_sendfile(int sock, int file, off_t *off, size_t n);

#endif
