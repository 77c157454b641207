/* SPDX-License-Identifier: ISC */
/*
 * Who this node is: the view that every child and warrenctl gets, with the
 * listeners as they were really bound.
 */
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/keys.h"
#include "cmd/warrend/warrend.h"
#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "common/log.h"

void
node_init(void)
{
	struct msg_node *n = &warrend.node;
	char hex[NODE_ID_HEX];

	memcpy(n->id, keys_public(), 32);
	memcpy(n->netid, warrend.netid, 32);
	(void)strlcpy(n->network, warrend.conf.network, sizeof(n->network));
	if (warrend.conf.node_name[0] != '\0')
		(void)strlcpy(
		    n->name, warrend.conf.node_name, sizeof(n->name));
	else
		(void)snprintf(n->name, sizeof(n->name), "%.8s",
		    node_id_hex(n->id, hex));
	(void)strlcpy(n->version, WARREN_VERSION, sizeof(n->version));
	(void)strlcpy(n->region, warrend.conf.region, sizeof(n->region));
	n->started = (uint64_t)wall_now().ms;
	n->allow = (uint8_t)warrend.conf.address_allow;
	n->test_echo = warrend.conf.test_echo;
	if (warrend.conf.store.fetch)
		n->caps |= CAP_STORAGE; /* others count on us for blocks */
	(void)strlcpy(n->sandbox, "full", sizeof(n->sandbox));
}

void
node_send(struct proc *p)
{
	(void)ipc_send(p->ch,
	    p->kind == PROC_PEERD       ? PEERD_NODE
		: p->kind == PROC_STORE ? STORE_NODE
					: APID_NODE,
	    0, &warrend.node);
}

void
node_add_listener(uint8_t service, uint8_t proto, const struct naddr *addr,
    const struct naddr *advertise, const char *holder)
{
	struct msg_node *n = &warrend.node;
	struct msg_listener *l;

	if (n->n_listeners == sizeof(n->listeners) / sizeof(n->listeners[0]))
		return;
	l = &n->listeners[n->n_listeners++];
	memset(l, 0, sizeof(*l));
	l->service = service;
	l->proto = proto;
	l->addr = *addr;
	l->advertise = *advertise;
	(void)strlcpy(l->holder, holder, sizeof(l->holder));
	if (service == SVC_STUN_UDP)
		n->caps |= CAP_STUN;
}

void
node_send_local(struct proc *p)
{
	struct msg_peerd_local out = { .n_addrs = 0 };
	struct ifaddrs *all, *i;
	struct naddr a;

	if (getifaddrs(&all) == -1)
		return;
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
		    naddr_from_sockaddr(&a, i->ifa_addr) == -1 ||
		    !addr_policy(&a, ADDR_ADVERTISE,
		    warrend.conf.address_allow))
			continue;
		if (out.n_addrs ==
		    sizeof(out.addrs) / sizeof(out.addrs[0]))
			break;
		out.addrs[out.n_addrs++].addr = a;
	}
	freeifaddrs(all);
	(void)ipc_send(p->ch, PEERD_LOCAL, 0, &out);
}
