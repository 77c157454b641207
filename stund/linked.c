/* SPDX-License-Identifier: ISC */
/*
 * The table of linked peers, as promised in linked.h.
 */
#include "stund/linked.h"

#include <string.h>

struct linked linked[LINKED_MAX];

static uint32_t n_linked, arrivals;
static uint32_t by_hash[256]; /* peers with such an IP: most have none */

static uint8_t
hash_ip(const struct naddr *a)
{
	uint8_t h = 0;
	size_t i;

	for (i = 0; i < sizeof(a->ip); i++)
		h = (uint8_t)(h * 31 + a->ip[i]);
	return h;
}

const uint8_t *
linked_at(const struct naddr *ip)
{
	size_t i;

	if (n_linked == 0 || by_hash[hash_ip(ip)] == 0)
		return NULL;
	for (i = 0; i < LINKED_MAX; i++)
		if (linked[i].used && naddr_ip_equal(&linked[i].link, ip))
			return linked[i].id;
	return NULL;
}

struct linked *
linked_find(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < LINKED_MAX; i++)
		if (linked[i].used && memcmp(linked[i].id, id, 32) == 0)
			return &linked[i];
	return NULL;
}

static struct linked *
place_for(const uint8_t id[32])
{
	struct linked *p;

	for (p = linked; p < linked + LINKED_MAX; p++) {
		if (p->used)
			continue;
		memset(p, 0, sizeof(*p));
		p->used = true;
		p->since = arrivals++;
		memcpy(p->id, id, 32);
		n_linked++;
		return p;
	}
	return NULL;
}

/* How many links come from addresses like this one's. */
static uint32_t *
count_of(const struct linked *p)
{
	static uint32_t nowhere;

	if (p->link.fam == NADDR_NONE)
		return &nowhere;
	return &by_hash[hash_ip(&p->link)];
}

struct linked *
linked_set(const struct msg_sp_peer_up *up)
{
	struct linked *p = linked_find(up->peer);

	if (p == NULL && (p = place_for(up->peer)) == NULL)
		return NULL;
	--*count_of(p);
	p->link = up->link;
	++*count_of(p);
	p->server[PROTO_UDP] = up->stun_udp;
	p->server[PROTO_TCP] = up->stun_tcp;
	p->outbound = up->outbound;
	return p;
}

void
linked_forget(struct linked *p)
{
	--*count_of(p);
	p->used = false;
	n_linked--;
}

/* --- whom to ask --- */

static bool
is_better(const struct linked *a, const struct linked *b)
{
	if (a->outbound != b->outbound)
		return a->outbound;
	return a->since < b->since;
}

bool
linked_has_server(const struct linked *p, bool tcp)
{
	return p->server[PROTO_UDP].fam != NADDR_NONE ||
	    (tcp && p->server[PROTO_TCP].fam != NADDR_NONE);
}

void
linked_choose(unsigned n, bool tcp)
{
	struct linked *p, *best;

	for (p = linked; p < linked + LINKED_MAX; p++)
		p->chosen = false;
	for (; n > 0; n--) {
		best = NULL;
		for (p = linked; p < linked + LINKED_MAX; p++)
			if (p->used && !p->chosen &&
			    linked_has_server(p, tcp) &&
			    (best == NULL || is_better(p, best)))
				best = p;
		if (best == NULL)
			break;
		best->chosen = true;
	}
}
