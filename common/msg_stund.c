/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_stund.h.
 */
#include "common/msg_stund.h"

MSG_DEFINE(stund_config, MSG_STUND_CONFIG)
MSG_DEFINE(stund_listen, MSG_STUND_LISTEN)
MSG_DEFINE(stund_socket_get, MSG_STUND_SOCKET_GET)
MSG_DEFINE(stund_socket, MSG_STUND_SOCKET)
MSG_DEFINE(stund_socket_fail, MSG_STUND_SOCKET_FAIL)
MSG_DEFINE(stund_socket_drop, MSG_STUND_SOCKET_DROP)

static const struct msg_def defs[] = { STUND_MSGS(MSG_DEF) };

const struct msg_table msgs_stund = { defs, sizeof(defs) / sizeof(defs[0]) };
