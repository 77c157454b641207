/* SPDX-License-Identifier: ISC */
/*
 * The peers we are linked with, as peerd tells, and which of them are asked
 * for our mappings: those that we dialled first, for nobody forces those on
 * us, then the oldest.  A fixed table; tested through
 * tests/regress/stund_rig.c.
 */
#ifndef WARREN_LINKED_H
#define WARREN_LINKED_H

#include "common/msg_siblings.h"
#include "common/naddr.h"
#include "common/view.h"

#define LINKED_MAX 1024

struct linked {
	bool used, chosen;
	bool outbound;  /* we dialled it */
	uint32_t since; /* order of arrival */
	uint8_t id[32];
	struct naddr link;
	struct naddr server[2]; /* by protocol */
};

extern struct linked linked[LINKED_MAX];

/* The peer of that id, or NULL. */
struct linked *linked_find(const uint8_t id[32]);

/* What peerd tells of a peer, new or known.  NULL: the table is full. */
struct linked *linked_set(const struct msg_sp_peer_up *up);

void linked_forget(struct linked *p);

/*
 * The id of a peer whose link comes from this address, or NULL.  Called for
 * every packet answered: one look, unless it may be a peer.
 */
const uint8_t *linked_at(const struct naddr *ip);

/* Is there anything to ask of it?  tcp: its server over TCP counts. */
bool linked_has_server(const struct linked *p, bool tcp);

/* Choose the n best of those that have a server. */
void linked_choose(unsigned n, bool tcp);

#endif
