/* SPDX-License-Identifier: ISC */
/*
 * The nodes we know: what each published about itself, how fresh that is,
 * and how it is linked to us.  No rumours of death: a node is gone when its
 * record's lease ran out or it took the record back.
 *
 * The memory is the caller's; when it is full, an OFFLINE node makes room,
 * then the PENDING one not heard of for the longest.  Pure; tested in
 * tests/unit/known_test.c.
 */
#ifndef WARREN_KNOWN_H
#define WARREN_KNOWN_H

#include "common/mono.h"
#include "common/rec.h"
#include "peerd/noderec.h"

#define KNOWN_DEFAULT 1024
#define KNOWN_RAW_MAX 1200 /* bytes of a whole node record */
#define KNOWN_NIL     UINT32_MAX
#define KNOWN_SHARE   4 /* of the table, for nodes of one source */

enum known_link { KNOWN_UNLINKED, KNOWN_DIALLING, KNOWN_LINKED };

/* As the API shows it. */
enum known_status { KNOWN_ACTIVE, KNOWN_PENDING, KNOWN_OFFLINE, KNOWN_N };

enum known_rc {
	KNOWN_NEW,     /* a node not known before */
	KNOWN_NEWER,   /* replaced an older record */
	KNOWN_GONE,    /* a tombstone: the node has left */
	KNOWN_OLD,     /* not newer than what we have */
	KNOWN_EXPIRED, /* its lease is over already */
	KNOWN_BAD,     /* a payload we cannot read; relay it all the same */
	KNOWN_FULL     /* nobody may be forgotten for it */
};

struct known_node {
	uint8_t id[32];
	bool used;
	bool left;        /* took its record back */
	bool held;        /* its record waits for its admission */
	bool unstored;    /* the store has not taken its record so far */
	uint8_t link;     /* enum known_link */
	uint16_t raw_len; /* 0: no record yet */
	uint32_t next;    /* in its bucket, or in the free list */
	struct rec_version version;
	uint64_t source; /* who told us of it first; 0: nobody in particular */
	struct wall received;   /* when that record came */
	struct wall first_seen; /* when we first heard of the node at all */
	struct wall last_seen;  /* a new record or a byte on its link */
	struct naddr observed;  /* its address as we see it on the link */
	uint32_t rtt_us;        /* 0: not measured */
	struct noderec node;
	uint8_t raw[KNOWN_RAW_MAX];
};

struct known {
	struct known_node *nodes;
	uint32_t *buckets;
	uint32_t cap, n_buckets, n, free;
	uint32_t begun; /* places used at least once */
	uint32_t ttl_s;
	uint8_t key[16];
	bool evicted; /* somebody made room; the caller clears it */
	uint64_t evictions;
	uint8_t evicted_id[32];
};

/*
 * Set up over cap nodes and n_buckets bucket heads (a power of two is not
 * needed; about cap is good).  key: 16 random bytes, against chosen ids.
 * ttl_s: life of a kind-2 record in the charter.
 */
void known_init(struct known *kn, struct known_node *nodes, uint32_t cap,
    uint32_t *buckets, uint32_t n_buckets, const uint8_t key[16],
    uint32_t ttl_s);

/* The node of that id, or NULL. */
struct known_node *known_find(const struct known *kn, const uint8_t id[32]);

/*
 * Take in a verified record of kind 2.  raw is the whole record as it
 * travels; rec was decoded from it.  source: a number for whoever told us, 0
 * for none.  Keys cost nothing, so in a full table a source that holds its
 * share already replaces only what it brought itself.
 */
enum known_rc known_put(struct known *kn, const struct rec *rec,
    const uint8_t rid[32], const void *raw, size_t raw_len, uint64_t source,
    struct wall now);

/*
 * The node of that id, made when it is not known yet: links come before
 * records.  NULL when the table is full of nodes that must stay.
 */
struct known_node *known_get(struct known *kn, const uint8_t id[32],
    struct wall now);

/* Forget a node. */
void known_remove(struct known *kn, struct known_node *node);

/* ACTIVE: linked.  PENDING: dialled, or its lease lives.  Else OFFLINE. */
enum known_status known_status(const struct known *kn,
    const struct known_node *node, struct wall now);

/* True when a record is there and its lease has not run out. */
bool known_is_live(const struct known *kn, const struct known_node *node,
    struct wall now);

/* All nodes, in no promised order: start with NULL, ends with NULL. */
struct known_node *known_next(const struct known *kn,
    const struct known_node *after);

/* How many nodes of each status. */
void known_count(const struct known *kn, struct wall now,
    uint32_t count[KNOWN_N]);

/* "ACTIVE", "PENDING", "OFFLINE". */
const char *known_status_name(enum known_status status);

#endif
