/* SPDX-License-Identifier: ISC */
/*
 * Who asked our STUN server, as promised in requesters.h.  Entries hang in
 * hash chains, for the look-up per packet, and in one list by age; both by
 * index into a dense array.  Only a newcomer costs a scan.
 */
#include "stund/requesters.h"

#include <sodium.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"

#define NIL UINT16_MAX

static uint64_t
hash_of(const struct requesters *rq, const struct naddr *a, uint8_t proto)
{
	uint8_t text[20], out[crypto_shorthash_BYTES];
	uint64_t h;

	text[0] = a->fam;
	text[1] = proto;
	text[2] = (uint8_t)(a->port >> 8);
	text[3] = (uint8_t)a->port;
	memcpy(text + 4, a->ip, sizeof(a->ip));
	(void)crypto_shorthash(out, text, 4 + naddr_ip_len(a), rq->key);
	memcpy(&h, out, sizeof(h));
	return h;
}

static uint64_t
net_of(const struct requesters *rq, const struct naddr *addr)
{
	struct naddr plain = addr_canon(addr);
	struct naddr net = addr_prefix(&plain, 24, 56);

	return hash_of(rq, &net, 0);
}

void
requesters_init(struct requesters *rq, const uint8_t key[REQUESTERS_KEY])
{
	memset(rq, 0, sizeof(*rq));
	memset(rq->heads, 0xff, sizeof(rq->heads)); /* NIL */
	rq->newest = rq->oldest = NIL;
	rq->max = REQUESTERS_MAX;
	memcpy(rq->key, key, sizeof(rq->key));
}

static uint16_t
head_of(const struct requesters *rq, const struct naddr *a, uint8_t proto)
{
	return (uint16_t)(hash_of(rq, a, proto) & (REQUESTERS_HEADS - 1));
}

static uint16_t
find(const struct requesters *rq, uint16_t head, const struct naddr *addr,
    uint8_t proto)
{
	uint16_t i;

	for (i = rq->heads[head]; i != NIL; i = rq->list[i].next)
		if (rq->list[i].proto == proto &&
		    naddr_equal(&rq->list[i].addr, addr))
			break;
	return i;
}

static void
age_link(struct requesters *rq, uint16_t i)
{
	struct requester *e = &rq->list[i];

	e->newer = NIL;
	e->older = rq->newest;
	if (rq->newest != NIL)
		rq->list[rq->newest].newer = i;
	else
		rq->oldest = i;
	rq->newest = i;
}

static void
age_unlink(struct requesters *rq, uint16_t i)
{
	struct requester *e = &rq->list[i];

	if (e->newer != NIL)
		rq->list[e->newer].older = e->older;
	else
		rq->newest = e->older;
	if (e->older != NIL)
		rq->list[e->older].newer = e->newer;
	else
		rq->oldest = e->newer;
}

/* The place in its chain that names entry i. */
static uint16_t *
chain_ref(struct requesters *rq, uint16_t i)
{
	uint16_t *ref = &rq->heads[rq->list[i].head];

	while (*ref != i) {
		ASSERT(*ref != NIL);
		ref = &rq->list[*ref].next;
	}
	return ref;
}

/* The last entry moves into hole i, and all that named it follow. */
static void
fill_hole(struct requesters *rq, uint16_t i)
{
	uint16_t last = --rq->n;
	struct requester *e = &rq->list[i];

	if (i == last)
		return;
	*chain_ref(rq, last) = i;
	*e = rq->list[last];
	if (e->newer != NIL)
		rq->list[e->newer].older = i;
	else
		rq->newest = i;
	if (e->older != NIL)
		rq->list[e->older].newer = i;
	else
		rq->oldest = i;
}

static void
drop(struct requesters *rq, uint16_t i)
{
	*chain_ref(rq, i) = rq->list[i].next;
	age_unlink(rq, i);
	fill_hole(rq, i);
}

/*
 * Longest silent entry of a network, or of all with net NULL: an unverified
 * one, or where there is none and `force` allows it any.
 */
static uint16_t
victim(const struct requesters *rq, const uint64_t *net, bool force)
{
	uint16_t i, any = NIL;

	for (i = rq->oldest; i != NIL; i = rq->list[i].newer) {
		if (net != NULL && rq->list[i].net != *net)
			continue;
		if (!rq->list[i].authenticated)
			return i;
		if (any == NIL)
			any = i;
	}
	return force ? any : NIL;
}

static bool
net_is_full(const struct requesters *rq, uint64_t net)
{
	uint16_t i, n = 0;

	for (i = 0; i < rq->n; i++)
		n = (uint16_t)(n + (rq->list[i].net == net));
	return n >= REQUESTERS_NET_MAX;
}

/* Room for one more of this network; false when it must not come in. */
static bool
make_room(struct requesters *rq, uint64_t net, bool verified)
{
	uint16_t i;

	if (rq->max == 0)
		return false;
	if (net_is_full(rq, net))
		i = victim(rq, &net, verified);
	else if (rq->n >= rq->max)
		i = victim(rq, NULL, verified);
	else
		return true;
	if (i == NIL)
		return false;
	drop(rq, i);
	rq->evicted++;
	return true;
}

void
requesters_set_max(struct requesters *rq, uint16_t max)
{
	rq->max = max < REQUESTERS_MAX ? max : REQUESTERS_MAX;
	while (rq->n > rq->max) {
		drop(rq, victim(rq, NULL, true));
		rq->evicted++;
	}
}

static void
authenticate(struct requester *e, const uint8_t *peer)
{
	if (e->authenticated)
		return;
	e->authenticated = true;
	memcpy(e->peer, peer, sizeof(e->peer));
}

static struct requester *
add(struct requesters *rq, uint16_t head, const struct naddr *addr,
    uint8_t proto, bool verified, struct wall now)
{
	uint64_t net = net_of(rq, addr);
	struct requester *e;

	if (!make_room(rq, net, verified))
		return NULL;
	e = &rq->list[rq->n];
	memset(e, 0, sizeof(*e));
	e->addr = *addr;
	e->proto = proto;
	e->first = now;
	e->net = net;
	e->head = head;
	e->next = rq->heads[head];
	rq->heads[head] = rq->n;
	age_link(rq, rq->n);
	rq->n++;
	return e;
}

void
requesters_note(struct requesters *rq, const struct naddr *addr, uint8_t proto,
    const uint8_t *peer, struct wall now)
{
	uint16_t head = head_of(rq, addr, proto);
	uint16_t i = find(rq, head, addr, proto);
	struct requester *e;

	if (i != NIL) {
		e = &rq->list[i];
		age_unlink(rq, i);
		age_link(rq, i);
	} else {
		e = add(rq, head, addr, proto, peer != NULL, now);
	}
	if (e == NULL)
		return;
	e->last = now;
	e->count++;
	if (peer != NULL)
		authenticate(e, peer);
}

void
requesters_link_up(struct requesters *rq, const struct naddr *ip,
    const uint8_t peer[REQUESTERS_PEER])
{
	uint16_t i;

	for (i = 0; i < rq->n; i++)
		if (naddr_ip_equal(&rq->list[i].addr, ip))
			authenticate(&rq->list[i], peer);
}

void
requesters_link_down(struct requesters *rq, const uint8_t peer[REQUESTERS_PEER],
    struct wall now)
{
	struct requester *e;
	uint16_t i;

	for (i = 0; i < rq->n; i++) {
		e = &rq->list[i];
		if (!e->authenticated ||
		    memcmp(e->peer, peer, sizeof(e->peer)) != 0)
			continue;
		e->authenticated = false;
		memset(e->peer, 0, sizeof(e->peer));
		e->last = now;
	}
}

size_t
requesters_expire(struct requesters *rq, struct wall now)
{
	uint16_t i = 0, was = rq->n;
	const struct requester *e;

	while (i < rq->n) {
		e = &rq->list[i];
		/* A clock set back since makes it old, too. */
		if (e->authenticated ||
		    (e->last.ms > now.ms - REQUESTERS_TTL_MS &&
			e->last.ms < now.ms + REQUESTERS_TTL_MS))
			i++;
		else
			drop(rq, i);
	}
	return (size_t)(was - rq->n);
}

const struct requester *
requesters_next(const struct requesters *rq, const struct requester *at)
{
	uint16_t i = at == NULL ? rq->newest : at->older;

	return i == NIL ? NULL : &rq->list[i];
}
