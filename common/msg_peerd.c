/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_peerd.h.
 */
#include "common/msg_peerd.h"

MSG_DEFINE(peerd_config, MSG_PEERD_CONFIG)
MSG_DEFINE(peerd_charter, MSG_PEERD_CHARTER)
MSG_DEFINE(peerd_listen, MSG_PEERD_LISTEN)
MSG_DEFINE(peerd_multicast, MSG_PEERD_MULTICAST)
MSG_DEFINE(peerd_peer, MSG_PEERD_PEER)
MSG_DEFINE(peerd_file, MSG_PEERD_FILE)
MSG_DEFINE(peerd_dial, MSG_PEERD_DIAL)
MSG_DEFINE(peerd_dialed, MSG_PEERD_DIALED)
MSG_DEFINE(peerd_failed, MSG_PEERD_FAILED)
MSG_DEFINE(peerd_sign_noise, MSG_PEERD_SIGN_NOISE)
MSG_DEFINE(peerd_sign_node, MSG_PEERD_SIGN_NODE)
MSG_DEFINE(peerd_signed, MSG_PEERD_SIGNED)
MSG_DEFINE(peerd_resolve, MSG_PEERD_RESOLVE)
MSG_DEFINE(addr_item, MSG_ADDR_ITEM)
MSG_DEFINE(peerd_resolved, MSG_PEERD_RESOLVED)
MSG_DEFINE(peerd_local, MSG_PEERD_LOCAL)
MSG_DEFINE(resolver_config, MSG_RESOLVER_CONFIG)

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct msg_def peerd[] = { PEERD_MSGS(MSG_DEF) };
static const struct msg_def resolver[] = { RESOLVER_MSGS(MSG_DEF) };

const struct msg_table msgs_peerd = { peerd, COUNT(peerd) };
const struct msg_table msgs_resolver = { resolver, COUNT(resolver) };
