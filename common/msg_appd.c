/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_appd.h.
 */
#include "common/msg_appd.h"

MSG_DEFINE(appd_config, MSG_APPD_CONFIG)
MSG_DEFINE(appd_app, MSG_APPD_APP)
MSG_DEFINE(appd_pipes, MSG_APPD_PIPES)
MSG_DEFINE(appd_gone, MSG_APPD_GONE)
MSG_DEFINE(loop_open, MSG_LOOP_OPEN)
MSG_DEFINE(loop_opened, MSG_LOOP_OPENED)
MSG_DEFINE(loop_refused, MSG_LOOP_REFUSED)
MSG_DEFINE(loop_offer, MSG_LOOP_OFFER)
MSG_DEFINE(loop_accept, MSG_LOOP_ACCEPT)
MSG_DEFINE(loop_data, MSG_LOOP_DATA)
MSG_DEFINE(loop_grant, MSG_LOOP_GRANT)
MSG_DEFINE(loop_close, MSG_LOOP_CLOSE)

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct msg_def appd[] = { APPD_MSGS(MSG_DEF) };
static const struct msg_def peerd_appd[] = { PEERD_APPD_MSGS(MSG_DEF) };

const struct msg_table msgs_appd = { appd, COUNT(appd) };
const struct msg_table msgs_peerd_appd = { peerd_appd, COUNT(peerd_appd) };
