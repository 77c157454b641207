/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_proc.h.
 */
#include "common/msg_proc.h"

MSG_DEFINE(proc_start, MSG_PROC_START)
MSG_DEFINE(proc_ready, MSG_PROC_READY)
MSG_DEFINE(proc_loglevel, MSG_PROC_LOGLEVEL)
MSG_DEFINE(proc_channel, MSG_PROC_CHANNEL)
MSG_DEFINE(proc_lost, MSG_PROC_LOST)
MSG_DEFINE(proc_stats, MSG_PROC_STATS)
MSG_DEFINE(proc_attack, MSG_PROC_ATTACK)

static const struct msg_def defs[] = { PROC_MSGS(MSG_DEF) };

const struct msg_table msgs_proc = { defs, sizeof(defs) / sizeof(defs[0]) };
