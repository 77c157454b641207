/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_launch.h.
 */
#include "cmd/warrend/msg_launch.h"

MSG_DEFINE(launch_arg, MSG_LAUNCH_ARG)
MSG_DEFINE(launch_spawn, MSG_LAUNCH_SPAWN)
MSG_DEFINE(launch_app, MSG_LAUNCH_APP)
MSG_DEFINE(launch_spawned, MSG_LAUNCH_SPAWNED)
MSG_DEFINE(launch_failed, MSG_LAUNCH_FAILED)
MSG_DEFINE(launch_exit, MSG_LAUNCH_EXIT)
MSG_DEFINE(launch_kill, MSG_LAUNCH_KILL)

static const struct msg_def defs[] = { LAUNCH_MSGS(MSG_DEF) };

const struct msg_table msgs_launch = { defs, sizeof(defs) / sizeof(defs[0]) };
