/* SPDX-License-Identifier: ISC */
/*
 * The table of mappings: for each peer asked, family and protocol, which
 * local endpoint of ours that peer's STUN server saw as which outside one.
 * Order is that of first appearance and stays so.
 * Pure; tested in tests/unit/mapping_test.c.
 */
#ifndef WARREN_MAPPING_H
#define WARREN_MAPPING_H

#include <stddef.h>

#include "common/mono.h"
#include "common/naddr.h"

#define MAPPING_MAX                                                            \
	64                                /* 8 peers, 2 families, 2 protocols,
                                             and as much again */
#define MAPPING_STALE_MS (3 * 60 * 1000)  /* shown as stale, not counted */
#define MAPPING_GONE_MS  (60 * 60 * 1000) /* forgotten; the record's lease */
#define MAPPING_PEER     32               /* bytes of a node id */

enum mapping_proto { MAPPING_UDP, MAPPING_TCP };

struct mapping {
	uint8_t proto;       /* enum mapping_proto */
	struct naddr local;  /* our socket */
	struct naddr mapped; /* how via saw it */
	struct naddr via;    /* the server asked */
	uint8_t peer[MAPPING_PEER];
	struct wall since; /* mapped has this value since */
	struct wall seen;  /* last confirmed */
	uint32_t failures; /* lost keepalives since then */
};

struct mapping_table {
	size_t n;
	uint32_t refused; /* no room, counted for status */
	struct mapping list[MAPPING_MAX];
};

enum mapping_news { MAPPING_NEW, MAPPING_CHANGED, MAPPING_SAME, MAPPING_FULL };

void mapping_init(struct mapping_table *t);

/*
 * A peer reported: set or refresh the entry of (peer, family of local,
 * proto).  since, seen and failures of *m are ignored.  CHANGED when mapped
 * or local differ from before.
 */
enum mapping_news mapping_report(struct mapping_table *t,
    const struct mapping *m, struct wall now);

/* A keepalive got no answer.  False when there is no such entry. */
bool mapping_fail(struct mapping_table *t, const uint8_t peer[MAPPING_PEER],
    enum naddr_fam fam, enum mapping_proto proto);

/* Not confirmed for MAPPING_STALE_MS, or from a clock set back since. */
bool mapping_is_stale(const struct mapping *m, struct wall now);

/* Forget entries not confirmed for MAPPING_GONE_MS.  Returns how many. */
size_t mapping_expire(struct mapping_table *t, struct wall now);

/* Forget one, or all of a peer.  Returns how many. */
size_t mapping_drop(struct mapping_table *t, const uint8_t peer[MAPPING_PEER],
    enum naddr_fam fam, enum mapping_proto proto);
size_t mapping_drop_peer(struct mapping_table *t,
    const uint8_t peer[MAPPING_PEER]);

/* The i-th entry, NULL behind the last.  Borrowed until the next change. */
const struct mapping *mapping_at(const struct mapping_table *t, size_t i);

#endif
