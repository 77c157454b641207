/* SPDX-License-Identifier: ISC */
/*
 * The launcher: a small process forked from warrend before any filter is
 * shut, because filters are inherited and only ever narrow.  It forks and
 * executes what the parent asks for, reaps it, and kills by pid only what it
 * has not reaped.  It reads nothing but the parent's messages.
 */
#ifndef WARREN_LAUNCH_H
#define WARREN_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Fork the launcher; returns its pid and sets *fd to our end of its channel.
 * Unless loud, it and its children have /dev/null for standard error.  -1
 * with errno.  Call before the event loop exists.
 */
pid_t launch_start(int *fd, bool loud);

#endif
