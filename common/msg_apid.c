/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_apid.h.
 */
#include "common/msg_apid.h"

MSG_DEFINE(apid_config, MSG_APID_CONFIG)
MSG_DEFINE(apid_listen, MSG_APID_LISTEN)
MSG_DEFINE(apid_ban, MSG_APID_BAN)
MSG_DEFINE(apid_stats, MSG_APID_STATS)

static const struct msg_def defs[] = { APID_MSGS(MSG_DEF) };

const struct msg_table msgs_apid = { defs, sizeof(defs) / sizeof(defs[0]) };
