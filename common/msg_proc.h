/* SPDX-License-Identifier: ISC */
/*
 * What every child hears from the parent and says to it, whatever its job.
 * Each parent channel carries this table, the control requests that are
 * passed on (msg_ctl.h) and the child's own.  Numbers 1-31.
 *
 *	parent                                         child
 *	  PROC_START, own settings, sockets  ----------->  opens nothing itself
 *	  PROC_GO                            ----------->  chroot, uid, sandbox
 *	            <-----------  PROC_READY                from here: PH_RUN
 *	  PROC_CHANNEL+fd, PROC_STOP, ...    ----------->
 *	  PROC_PIPES+2 fds                   ----------->
 *	            <-----------  PROC_EVENT, PROC_STATS, PROC_LOST
 */
#ifndef WARREN_MSG_PROC_H
#define WARREN_MSG_PROC_H

#include "common/msg.h"
#include "common/view.h"

/* The processes of the suite. */
enum proc_kind {
	PROC_PARENT,
	PROC_LAUNCHER,
	PROC_RESOLVER,
	PROC_STUND,
	PROC_PEERD,
	PROC_STORE,
	PROC_APID,
	PROC_APPD,
	PROC_KINDS
};

/* clang-format off */
#define MSG_PROC_START(F, T)                                             \
	F(T, U8,   kind, 0, PROC_KINDS - 1)                              \
	F(T, U8,   index, 0, 63)      /* which of several workers */     \
	F(T, U32,  generation, 0, 0)  /* lives of this process so far */ \
	F(T, BOOL, drop, 0, 0)        /* chroot and change the user */   \
	F(T, U32,  uid, 0, 0)                                            \
	F(T, U32,  gid, 0, 0)                                            \
	F(T, STR,  root, 256, 0)      /* empty directory to chroot to */ \
	F(T, U32,  nofile, 0, 0)      /* RLIMIT_NOFILE */                \
	F(T, U64,  as_bytes, 0, 0)    /* RLIMIT_AS, 0 for none */        \
	F(T, U8,   log_level, 0, 3)                                      \
	F(T, U8,   allow, 0, 7)       /* ADDR_ALLOW_* */                 \
	F(T, I32,  landlock_max, 0, 0) /* tests: highest ABI to use, -1 any */

#define MSG_PROC_READY(F, T)                                             \
	F(T, STR,  sandbox, 64, 0)    /* for show processes */           \
	F(T, BOOL, dropped, 0, 0)     /* runs as a user of its own */    \
	F(T, U8,   level, 0, 2)       /* 0 none, 1 reduced, 2 full */

#define MSG_PROC_LOGLEVEL(F, T)                                          \
	F(T, U8,   level, 0, 3)

/*
 * A new channel to a sibling; an older one to the same is closed first.  A
 * socket, or with PROC_PIPES two pipes: what to read from, what to write to.
 */
#define MSG_PROC_CHANNEL(F, T)                                           \
	F(T, U8,   kind, 0, PROC_KINDS - 1)                              \
	F(T, U8,   index, 0, 63)                                         \
	F(T, U32,  generation, 0, 0)

/* The channel to that sibling ended, and a while later there was no other. */
#define MSG_PROC_LOST(F, T)                                              \
	F(T, U8,   kind, 0, PROC_KINDS - 1)                              \
	F(T, U8,   index, 0, 63)

/* Counters by their metric name (metrics.h), in parts of at most 64. */
#define MSG_PROC_STATS(F, T)                                             \
	F(T, LIST, items, stat, 64)

#define MSG_PROC_ATTACK(F, T)                                            \
	F(T, U8,   what, 0, 0)

#define PROC_MSGS(X)                                                     \
	X(PROC_START,     1, MSG_DOWN, PH_START, FD_NONE, proc_start)    \
	X(PROC_GO,        2, MSG_DOWN, PH_START, FD_NONE, none)          \
	X(PROC_READY,     3, MSG_UP,   PH_START, FD_NONE, proc_ready)    \
	X(PROC_STOP,      4, MSG_DOWN, PH_ANY,   FD_NONE, none)          \
	X(PROC_LOGLEVEL,  5, MSG_DOWN, PH_RUN,   FD_NONE, proc_loglevel) \
	X(PROC_CHANNEL,   6, MSG_DOWN, PH_RUN,   FD_ONE,  proc_channel)  \
	X(PROC_STATS_GET, 7, MSG_DOWN, PH_RUN,   FD_NONE, none)          \
	X(PROC_STATS,     8, MSG_UP,   PH_RUN,   FD_NONE, proc_stats)    \
	X(PROC_STATS_END, 9, MSG_UP,   PH_RUN,   FD_NONE, none)          \
	X(PROC_EVENT,    10, MSG_UP,   PH_RUN,   FD_NONE, event)         \
	X(PROC_LOST,     12, MSG_UP,   PH_RUN,   FD_NONE, proc_lost)     \
	X(PROC_PIPES,    13, MSG_DOWN, PH_RUN,   FD_TWO,  proc_channel)  \
	PROC_MSGS_ATTACK(X)

/* Only test builds can be told to misbehave. */
#ifdef WARREN_ATTACK
#define PROC_MSGS_ATTACK(X)                                              \
	X(PROC_ATTACK,   11, MSG_DOWN, PH_RUN,   FD_NONE, proc_attack)
#else
#define PROC_MSGS_ATTACK(X)
#endif
/* clang-format on */

enum { PROC_MSGS(MSG_ENUM) };

MSG_DECLARE(proc_start, MSG_PROC_START)
MSG_DECLARE(proc_ready, MSG_PROC_READY)
MSG_DECLARE(proc_loglevel, MSG_PROC_LOGLEVEL)
MSG_DECLARE(proc_channel, MSG_PROC_CHANNEL)
MSG_DECLARE(proc_lost, MSG_PROC_LOST)
MSG_DECLARE(proc_stats, MSG_PROC_STATS)
MSG_DECLARE(proc_attack, MSG_PROC_ATTACK)

extern const struct msg_table msgs_proc;

#endif
