/* SPDX-License-Identifier: ISC */
/*
 * The fences around a process: one function a process in sandbox_linux.c and
 * sandbox_openbsd.c, in the same order.  What each process may do is the
 * table in warrend(8).  tests/sandbox/ tries what is forbidden.
 */
#ifndef WARREN_SANDBOX_H
#define WARREN_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/msg_proc.h"

enum sandbox_level { SANDBOX_NONE, SANDBOX_REDUCED, SANDBOX_FULL };

#define SANDBOX_DESC 64

/*
 * Give up root: chroot to root, chdir, drop groups, then gid and uid, and
 * prove that they cannot be had again.  0 or -1 with errno.
 */
int sandbox_drop(const char *root, uint32_t uid, uint32_t gid);

/*
 * Where Landlock is not to be had, and files are to be opened later: make the
 * working directory the root, in a user namespace of our own.  Before any
 * file is opened.  False when it was not needed, or cannot be done; then only
 * the process's user stands between it and other files.
 */
bool sandbox_confine(int landlock_max);

/*
 * Shut the door for this process: no_new_privs, not dumpable, capabilities,
 * rlimits, Landlock up to ABI landlock_max (-1 for the newest), seccomp.
 * Writes what is in force to desc.  Fatal when seccomp cannot be had.
 */
enum sandbox_level sandbox_enter(enum proc_kind kind, uint32_t nofile,
    uint64_t as_bytes, int landlock_max, char desc[SANDBOX_DESC]);

/* The parent's own: after the launcher is forked and all has been opened. */
enum sandbox_level sandbox_parent(char desc[SANDBOX_DESC]);

/* Name of a system call by its number, for the parent's log; "?" if none. */
const char *sandbox_syscall_name(uint32_t arch, int nr, char buf[32]);

#endif
