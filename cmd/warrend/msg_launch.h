/* SPDX-License-Identifier: ISC */
/*
 * warrend and its launcher.
 */
#ifndef WARREN_MSG_LAUNCH_H
#define WARREN_MSG_LAUNCH_H

#include "common/msg.h"

/* clang-format off */
#define MSG_LAUNCH_ARG(F, T)                                             \
	F(T, STR,  text, 256, 0)

/* Run a program with two descriptors as its 3 and 4. */
#define MSG_LAUNCH_SPAWN(F, T)                                           \
	F(T, STR,  path, 256, 0)                                         \
	F(T, STR,  title, 64, 0)      /* argv[0], as ps shows it */      \
	F(T, LIST, args, launch_arg, 8)                                  \
	F(T, U32,  timeout_ms, 0, 0)  /* one-shot: killed after it, 0 never */ \
	F(T, U64,  as_bytes, 0, 0)    /* one-shot: RLIMIT_AS, 0 none */  \
	F(T, U32,  cpu_s, 0, 0)       /* one-shot: RLIMIT_CPU, 0 none */

/*
 * Run an app: the two descriptors become its 3 and 4, the one that came with
 * LAUNCH_APP_LOG just before its standard output and error.  It gets a process
 * group of its own, which is killed as a whole when it ends.
 */
#define MSG_LAUNCH_APP(F, T)                                             \
	F(T, STR,  path, 256, 0)                                         \
	F(T, STR,  name, 33, 0)       /* argv[0] */                      \
	F(T, LIST, args, launch_arg, 32)                                 \
	F(T, STR,  dir, 512, 0)       /* where it stands, and its HOME */ \
	F(T, STR,  socket, 256, 0)    /* WARREN_APPS_SOCK, empty none */ \
	F(T, BOOL, drop, 0, 0)        /* change the user */              \
	F(T, U32,  uid, 0, 0)                                            \
	F(T, U32,  gid, 0, 0)                                            \
	F(T, U64,  as_bytes, 0, 0)    /* rlimits, 0: as they are */      \
	F(T, U32,  files, 0, 0)                                          \
	F(T, U32,  processes, 0, 0)

#define MSG_LAUNCH_SPAWNED(F, T)                                         \
	F(T, U32,  pid, 0, 0)

#define MSG_LAUNCH_FAILED(F, T)                                          \
	F(T, STR,  error, 128, 0)

/* A child ended; status as waitpid() tells it. */
#define MSG_LAUNCH_EXIT(F, T)                                            \
	F(T, U32,  pid, 0, 0)                                            \
	F(T, I32,  status, 0, 0)

/* Signal a child that has not been reaped, so never somebody else. */
#define MSG_LAUNCH_KILL(F, T)                                            \
	F(T, U32,  pid, 0, 0)                                            \
	F(T, U8,   signal, 0, 64)                                        \
	F(T, BOOL, group, 0, 0)       /* its whole process group */

#define LAUNCH_MSGS(X)                                                   \
	X(LAUNCH_SPAWN,   1, MSG_DOWN, PH_ANY, FD_TWO,  launch_spawn)    \
	X(LAUNCH_SPAWNED, 2, MSG_UP,   PH_ANY, FD_NONE, launch_spawned)  \
	X(LAUNCH_FAILED,  3, MSG_UP,   PH_ANY, FD_NONE, launch_failed)   \
	X(LAUNCH_EXIT,    4, MSG_UP,   PH_ANY, FD_NONE, launch_exit)     \
	X(LAUNCH_KILL,    5, MSG_DOWN, PH_ANY, FD_NONE, launch_kill)     \
	X(LAUNCH_APP_LOG, 6, MSG_DOWN, PH_ANY, FD_ONE,  none)            \
	X(LAUNCH_APP,     7, MSG_DOWN, PH_ANY, FD_TWO,  launch_app)
/* clang-format on */

enum { LAUNCH_MSGS(MSG_ENUM) };

MSG_DECLARE(launch_arg, MSG_LAUNCH_ARG)
MSG_DECLARE(launch_spawn, MSG_LAUNCH_SPAWN)
MSG_DECLARE(launch_app, MSG_LAUNCH_APP)
MSG_DECLARE(launch_spawned, MSG_LAUNCH_SPAWNED)
MSG_DECLARE(launch_failed, MSG_LAUNCH_FAILED)
MSG_DECLARE(launch_exit, MSG_LAUNCH_EXIT)
MSG_DECLARE(launch_kill, MSG_LAUNCH_KILL)

extern const struct msg_table msgs_launch;

#endif
