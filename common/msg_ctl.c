/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_ctl.h.
 */
#include "common/msg_ctl.h"

MSG_DEFINE(ctl_hello, MSG_CTL_HELLO)
MSG_DEFINE(ctl_end, MSG_CTL_END)
MSG_DEFINE(ctl_word, MSG_CTL_WORD)
MSG_DEFINE(ctl_ping, MSG_CTL_PING)
MSG_DEFINE(ctl_pong, MSG_CTL_PONG)
MSG_DEFINE(ctl_peer_add, MSG_CTL_PEER_ADD)
MSG_DEFINE(ctl_ban, MSG_CTL_BAN)
MSG_DEFINE(ctl_log, MSG_CTL_LOG)
MSG_DEFINE(ctl_line, MSG_CTL_LINE)
MSG_DEFINE(ctl_status, MSG_CTL_STATUS)
MSG_DEFINE(ctl_problem, MSG_CTL_PROBLEM)
MSG_DEFINE(requester, MSG_REQUESTER)
MSG_DEFINE(ctl_attack, MSG_CTL_ATTACK)
MSG_DEFINE(ctl_db_bad, MSG_CTL_DB_BAD)
MSG_DEFINE(ctl_db_checked, MSG_CTL_DB_CHECKED)
MSG_DEFINE(ctl_charter, MSG_CTL_CHARTER)
MSG_DEFINE(ctl_list, MSG_CTL_LIST)
MSG_DEFINE(ctl_body, MSG_CTL_BODY)
MSG_DEFINE(ctl_bodies, MSG_CTL_BODIES)
MSG_DEFINE(ctl_evidence, MSG_CTL_EVIDENCE)
MSG_DEFINE(ctl_block_put, MSG_CTL_BLOCK_PUT)
MSG_DEFINE(ctl_block_get, MSG_CTL_BLOCK_GET)
MSG_DEFINE(ctl_block_part, MSG_CTL_BLOCK_PART)
MSG_DEFINE(ctl_backup, MSG_CTL_BACKUP)
MSG_DEFINE(ctl_metrics, MSG_CTL_METRICS)
MSG_DEFINE(ctl_app, MSG_CTL_APP)
MSG_DEFINE(ctl_app_conn, MSG_CTL_APP_CONN)
MSG_DEFINE(ctl_loop, MSG_CTL_LOOP)
MSG_DEFINE(ctl_loop_path, MSG_CTL_LOOP_PATH)
MSG_DEFINE(ctl_refusals, MSG_CTL_REFUSALS)
MSG_DEFINE(ctl_relay, MSG_CTL_RELAY)
MSG_DEFINE(ctl_relay_res, MSG_CTL_RELAY_RES)
MSG_DEFINE(ctl_relay_circuit, MSG_CTL_RELAY_CIRCUIT)
MSG_DEFINE(ctl_relay_own, MSG_CTL_RELAY_OWN)
MSG_DEFINE(ctl_relay_link, MSG_CTL_RELAY_LINK)

static const struct msg_def defs[] = { CTL_MSGS(MSG_DEF) };

const struct msg_table msgs_ctl = { defs, sizeof(defs) / sizeof(defs[0]) };
