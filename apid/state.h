/* SPDX-License-Identifier: ISC */
/*
 * What a worker knows: the node, stund's view, the peers, sums.  And the hot
 * answers made of it, serialised at the first question after a change and
 * shared from then on.  Touches no socket and no clock; tested in
 * tests/unit/state_test.c.
 */
#ifndef WARREN_STATE_H
#define WARREN_STATE_H

#include "apid/text.h"
#include "common/mono.h"
#include "common/msg_db.h"
#include "common/msg_siblings.h"
#include "common/view.h"

#define STATE_PEERS_MAX 4096

enum hot {
	HOT_NODEINFO,
	HOT_STATUS,
	HOT_PEERS, /* all; then those of one status */
	HOT_PEERS_ACTIVE,
	HOT_PEERS_PENDING,
	HOT_PEERS_OFFLINE,
	HOT_COUNT
};

struct state_time {
	struct mono mono;
	struct wall wall;
};

void state_set_node(const struct msg_node *node);
const struct msg_node *state_node(void);

/* stun is NULL when stund is gone: then nothing is known. */
void state_set_stun(const struct msg_stun_view *stun);

/* False when the table is full and the peer is new. */
bool state_put_peer(const struct msg_peer *peer);
void state_drop_peer(const uint8_t id[32]);

/* A new channel to peerd, or none: nothing that was said counts any more. */
void state_clear_peers(void);
size_t state_peers(void);
uint64_t state_peers_refused(void);

void state_set_totals(const struct msg_pa_totals *totals);

/* The store's word at its last tick; NULL: it is away. */
void state_set_db(const struct msg_db_state *db);
const struct msg_db_state *state_db(void);

/* Answers given so far, for operations{} of the status. */
void state_set_ops(uint64_t ok, uint64_t failed);

/*
 * The JSON text of a hot answer, borrowed: take a reference to keep it.
 * NULL when there is no memory for it.  Fields that count seconds are at most
 * one second old; a peer list that took long to make may be up to a second
 * old, so that making it never costs more than a twentieth of the time.
 */
struct text *state_hot(enum hot which, struct state_time now);

/* Times a hot answer was serialised, for tests. */
uint64_t state_encoded(void);

#endif
