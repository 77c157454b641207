/* SPDX-License-Identifier: ISC */
/*
 * A node as others are shown it: struct msg_peer out of the known table and
 * the link.  What is not known stays null.
 */
#include <string.h>

#include "common/compat/compat.h"
#include "peerd/flow.h"

static void
fill_addrs(const struct noderec *nr, struct msg_peer *v)
{
	struct msg_svc_addr *a;
	size_t i;

	for (i = 0; i < nr->n_addrs; i++) {
		if (nr->addrs[i].proto > 15 || nr->addrs[i].src > 3)
			continue; /* of a later version */
		a = &v->addrs[v->n_addrs++];
		a->service = nr->addrs[i].proto;
		a->source = nr->addrs[i].src;
		a->addr = nr->addrs[i].addr;
	}
}

static int8_t
tri(uint8_t verified)
{
	return verified == NODE_VERIFIED_TRUE ? 1
	    : verified == NODE_VERIFIED_FALSE ? 0
					      : -1;
}

static void
fill_mappings(const struct noderec *nr, struct msg_peer *v)
{
	struct msg_mapping *m;
	size_t i;

	for (i = 0; i < nr->n_stun; i++) {
		const struct node_stun *s = &nr->stun[i];

		if (s->service > 15)
			continue;
		m = &v->mappings[v->n_mappings++];
		m->proto = s->proto;
		m->service = s->service;
		m->mapped = s->addr;
		m->local_port = MSG_NULL64;
		memcpy(m->via, s->via8, sizeof(s->via8));
		m->since = s->since;
		m->seen = s->seen;
		m->verified = tri(s->verified);
	}
}

static void
fill_record(const struct known_node *n, struct msg_peer *v)
{
	const struct noderec *nr = &n->node;

	v->known = n->raw_len > 0;
	if (!v->known)
		return;
	v->seq = n->version.hlc;
	v->caps = nr->caps;
	(void)strlcpy(v->name, nr->name, sizeof(v->name));
	(void)strlcpy(v->agent, nr->agent, sizeof(v->agent));
	(void)strlcpy(v->region, nr->region, sizeof(v->region));
	v->nat_mapping = NAT_MAPPING(nr->nat);
	v->nat_filtering = NAT_FILTERING(nr->nat);
	v->nat_ports = NAT_PORTS(nr->nat);
	fill_addrs(nr, v);
	fill_mappings(nr, v);
}

/* The neighbours know nothing of links for loops. */
static enum peer_role
role_of(const struct conn *c)
{
	return !c->loops         ? neigh_role(c)
	    : c->circuit == NULL ? PEER_ROLE_LOOPS
				 : PEER_ROLE_CIRCUIT;
}

static void
fill_link(const struct conn *c, struct msg_peer *v)
{
	struct score s = c->score;

	v->status = PEER_ACTIVE;
	v->dir = c->outbound ? PEER_DIR_OUT : PEER_DIR_IN;
	v->role = (uint8_t)role_of(c);
	if (c->circuit != NULL)
		memcpy(v->via, circuit_via(c->circuit), 32);
	v->addr = c->remote;
	v->rtt_us = c->rtt_us == 0 ? MSG_NULL64 : c->rtt_us;
	v->since = (uint64_t)c->since.ms;
	v->bytes_in = c->bytes_in;
	v->bytes_out = c->bytes_out;
	v->score = score_points(&s, mono_now());
	if (!v->known)
		v->caps = c->caps;
}

static void
view_init(const uint8_t id[32], struct msg_peer *v)
{
	const struct target *t = targets_of_id(id);

	memset(v, 0, sizeof(*v));
	memcpy(v->id, id, 32);
	v->status = PEER_OFFLINE;
	v->rtt_us = v->last_seen = v->since = MSG_NULL64;
	v->bytes_in = v->bytes_out = v->seq = MSG_NULL64;
	v->pinned = targets_pinned(id);
	if (t == NULL)
		return;
	(void)strlcpy(v->name, t->p.name, sizeof(v->name));
	(void)strlcpy(v->last_error, t->error, sizeof(v->last_error));
}

void
nodes_view(const struct known_node *node, const struct conn *c,
    struct msg_peer *v)
{
	struct wall now = wall_now();

	view_init(node->id, v);
	v->status = (uint8_t)known_status(&peerd.known, node, now);
	if (node->link == KNOWN_UNLINKED && lan_is_silent(node->id))
		v->status = PEER_OFFLINE;
	v->last_seen = (uint64_t)node->last_seen.ms;
	fill_record(node, v);
	if (c != NULL)
		fill_link(c, v);
	else if (!nodes_dial_addr(node, 0, &v->addr))
		memset(&v->addr, 0, sizeof(v->addr));
}

/* A link to a node that the table had no room for. */
void
nodes_view_link(const struct conn *c, struct msg_peer *v)
{
	view_init(c->id, v);
	v->last_seen = (uint64_t)wall_now().ms;
	fill_link(c, v);
}
