/* SPDX-License-Identifier: ISC */
/*
 * Test builds only (ATTACK=yes): from inside a process, after its door is
 * shut, try what must be forbidden.  tests/sandbox/ asks for each and expects
 * the process to die of SIGSYS with a report, or the call to be denied.
 */
#ifndef WARREN_ATTACK_H
#define WARREN_ATTACK_H

/* X(NAME, word): what can be tried. */
#define ATTACKS(X)                                                             \
	X(ATTACK_OPEN, "open")                                                 \
	X(ATTACK_SOCKET, "socket")                                             \
	X(ATTACK_CONNECT, "connect")                                           \
	X(ATTACK_EXEC, "exec")                                                 \
	X(ATTACK_FORK, "fork")                                                 \
	X(ATTACK_PTRACE, "ptrace")                                             \
	X(ATTACK_MMAP_EXEC, "mmap-exec")                                       \
	X(ATTACK_MPROTECT_EXEC, "mprotect-exec")                               \
	X(ATTACK_KILL_PARENT, "kill-parent")                                   \
	X(ATTACK_READ_KEY, "read-key")                                         \
	X(ATTACK_SIGSYS, "reset-sigsys")                                       \
	X(ATTACK_FASTOPEN, "fastopen")                                         \
	X(ATTACK_ASSERT, "assert") /* no attack: a fault of its own */

#define ATTACK_ENUM(NAME, word) NAME,
enum attack { ATTACKS(ATTACK_ENUM) ATTACK_COUNT };

#ifdef WARREN_ATTACK
/* Try it; logs "attack WORD: denied (errno)" or "attack WORD: SUCCEEDED". */
void attack_run(unsigned what);
#endif

#endif
