/* SPDX-License-Identifier: ISC */
/*
 * Schemas and words of the views in view.h.
 */
#include "common/view.h"

#include <sodium.h>
#include <string.h>

MSG_DEFINE(mapping, MSG_MAPPING)
MSG_DEFINE(nat, MSG_NAT)
MSG_DEFINE(listener, MSG_LISTENER)
MSG_DEFINE(stun_view, MSG_STUN_VIEW)
MSG_DEFINE(svc_addr, MSG_SVC_ADDR)
MSG_DEFINE(peer, MSG_PEER)
MSG_DEFINE(node, MSG_NODE)
MSG_DEFINE(process, MSG_PROCESS)
MSG_DEFINE(limit, MSG_LIMIT)
MSG_DEFINE(stat, MSG_STAT)
MSG_DEFINE(banned, MSG_BANNED)
MSG_DEFINE(event, MSG_EVENT)

#define WORD(table, v)                                                         \
	((v) < sizeof(table) / sizeof((table)[0]) ? (table)[v] : "unknown")

const char *
service_name(uint8_t service)
{
	static const char *const words[] = { "link", "http", "ws", "wsudp",
		"stun", "stun", "metrics", "stun-client", "multicast" };

	return WORD(words, service);
}

const char *
proto_name(uint8_t proto)
{
	return proto == PROTO_TCP ? "tcp" : "udp";
}

const char *
nat_mapping_name(uint8_t v)
{
	static const char *const words[] = { "unknown", "none", "independent",
		"dependent" };

	return WORD(words, v);
}

const char *
nat_filtering_name(uint8_t v)
{
	static const char *const words[] = { "unknown", "independent",
		"address", "address-port" };

	return WORD(words, v);
}

const char *
nat_ports_name(uint8_t v)
{
	static const char *const words[] = { "unknown", "preserved", "random",
		"sequential" };

	return WORD(words, v);
}

const char *
peer_role_name(uint8_t v)
{
	static const char *const words[PEER_ROLES] = { "none", "active",
		"anchor", "pinned", "joining", "feeler", "hidden", "sync",
		"client", "loops", "circuit" };

	return v < PEER_ROLES ? words[v] : "unknown";
}

void
view_hide_link(struct msg_peer *v)
{
	v->dir = PEER_DIR_NONE;
	v->role = PEER_ROLE_NONE;
	v->status = v->known ? PEER_PENDING : PEER_OFFLINE;
	v->rtt_us = v->since = v->bytes_in = v->bytes_out = MSG_NULL64;
	v->score = 0;
}

const char *
peer_status_name(uint8_t v)
{
	static const char *const words[] = { "ACTIVE", "PENDING", "OFFLINE" };

	return WORD(words, v);
}

const char *
cap_name(unsigned bit)
{
	static const char *const words[] = { "stun", "storage", "bootstrap",
		"apps", "metadata", "temperature", "routing", "quorum" };

	return bit < sizeof(words) / sizeof(words[0]) ? words[bit] : NULL;
}

const char *
node_id_hex(const uint8_t id[32], char buf[NODE_ID_HEX])
{
	return sodium_bin2hex(buf, NODE_ID_HEX, id, 32);
}

int
node_id_parse(uint8_t id[32], const char *hex)
{
	size_t len;

	if (strlen(hex) != 64 ||
	    sodium_hex2bin(id, 32, hex, 64, NULL, &len, NULL) != 0 || len != 32)
		return -1;
	return 0;
}
