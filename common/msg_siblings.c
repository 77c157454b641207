/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_siblings.h.
 */
#include "common/msg_siblings.h"

MSG_DEFINE(sp_peer_up, MSG_SP_PEER_UP)
MSG_DEFINE(sp_peer_down, MSG_SP_PEER_DOWN)
MSG_DEFINE(pa_gone, MSG_PA_GONE)
MSG_DEFINE(pa_totals, MSG_PA_TOTALS)

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct msg_def peerd_stund[] = { PEERD_STUND_MSGS(MSG_DEF) };
static const struct msg_def stund_apid[] = { STUND_APID_MSGS(MSG_DEF) };
static const struct msg_def peerd_apid[] = { PEERD_APID_MSGS(MSG_DEF) };

const struct msg_table msgs_peerd_stund = { peerd_stund, COUNT(peerd_stund) };
const struct msg_table msgs_stund_apid = { stund_apid, COUNT(stund_apid) };
const struct msg_table msgs_peerd_apid = { peerd_apid, COUNT(peerd_apid) };
