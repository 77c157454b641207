/* SPDX-License-Identifier: ISC */
/*
 * Broadcast: who is sent a new record at once, who only hears that it is
 * there, and what is asked for when it does not come.  A damped Plumtree for
 * one node.
 *
 *   eager link   a new record is pushed on it
 *   lazy link    it is announced now and then by a short id (IHAVE), and the
 *                other side asks for it (PULL) when nothing pushed it in time
 *
 * The published Plumtree never comes to rest while many nodes write at once.
 * Three things damp it: a link is pruned only after ten duplicates in a row;
 * a node prunes at most one link every 1..3 s and keeps two eager ones; and
 * what is missing is pulled without a change to the tree, until the third
 * pull from one neighbour within a minute grafts it.
 *
 * Pruning alone leaves long branches: whose push was first when it mattered
 * stays.  So a lazy neighbour whose announcements run ahead of what the tree
 * brings is grafted, and the branch it replaces brings duplicates and goes.
 *
 * The records are the caller's.  It gives each a handle and gets it back in
 * the calls below.  All memory is one block the caller lends; nothing is
 * allocated later.  Pure; tested in tests/unit/bcast_test.c and
 * bcast_tree_test.c, fuzzed in bcast_fuzz.c, simulated in tests/sim.
 *
 * The life of a record from a link:
 *
 *   GOSSIP --> bcast_receive() -- BCAST_DUP: throw it away
 *                    |
 *                BCAST_NEW: verify and store it, then
 *                    |
 *              bcast_settle(token, BCAST_GOOD | _STALE | _BAD)
 *                    |
 *                  GOOD: pushed and announced from inside that call
 */
#ifndef WARREN_BCAST_H
#define WARREN_BCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"
#include "peerd/score.h"

#define BCAST_ID         8  /* bytes of a short id */
#define BCAST_LINKS_MAX  32 /* one bit each in a word */
#define BCAST_RECENT_MAX 16384
#define BCAST_IDS_MAX    512 /* in one IHAVE or PULL */

#define BCAST_DUPS        10 /* in a row before a link may be pruned */
#define BCAST_EAGER_MIN   2  /* links that stay eager when we prune */
#define BCAST_FANOUT      4  /* lazy links that hear of a record per flush */
#define BCAST_GRAFT_PULLS 3  /* from one link within ... */
#define BCAST_GRAFT_MS    60000
#define BCAST_AHEAD_MS    60    /* on average: such a lazy link is grafted, */
#define BCAST_MOVE_MS     3000  /* one in so long, and up to twice that */
#define BCAST_BACKOFF_MS  10000 /* we ask of whom we prune */
#define BCAST_BACKOFF_MAX 60000 /* we grant to who prunes us */
#define BCAST_GRACE_MS    3000  /* a GRAFT that crossed our PRUNE is no sin */
#define BCAST_ANSWER_MS   10000 /* a PULL not answered by then is one */

#define BCAST_RETELL_MS    5000 /* a new or grafted link hears of so much */
#define BCAST_FLUSH_WAN_MS 50
#define BCAST_FLUSH_LAN_MS 10
#define BCAST_AUTHOR_RATE  10 /* records a second, and how many at once */
#define BCAST_AUTHOR_BURST 500
#define BCAST_LINK_RATE    2000 /* records, and announced ids, a second */

/*
 * Sizes of the tables.  Memory is about 70 bytes for each recent record and
 * 4 more for each of its links.
 */
struct bcast_limits {
	uint16_t links;   /* 1..BCAST_LINKS_MAX; links are 0..links - 1 */
	uint16_t recent;  /* records remembered, a power of two, at least 16 */
	uint16_t pending; /* announced and not here, at least links */
	uint16_t authors; /* rates kept, shared among more authors */
	uint16_t delayed; /* records of authors above their rate */
};

/* What peerd uses: 8192 ids a link, 1.8 MB. */
#define BCAST_LIMITS_DEFAULT                                                   \
	((struct bcast_limits){ 32, 8192, 2048, 1024, 1024 })

/* How a record came, or is sent. */
enum bcast_how {
	BCAST_PUSH, /* of the sender's own accord */
	BCAST_PULL, /* asked for; says nothing of the tree */
	BCAST_OLD   /* asked for, and the sender has it from a sync: do not
	               push it on, or healing a partition is a storm */
};

enum bcast_rc {
	BCAST_NEW, /* not seen before: verify, store, then bcast_settle() */
	BCAST_DUP  /* seen, or being verified: nothing to do */
};

enum bcast_verdict {
	BCAST_GOOD,  /* valid and stored */
	BCAST_STALE, /* of no use here (had it, newer known, not admitted):
	                remembered, not passed on */
	BCAST_BAD    /* not valid in this form; another copy might be */
};

/*
 * What the core asks of its shell, from inside the calls below.  None may
 * call back into the core.
 */
struct bcast_ops {
	/*
	 * Send the record.  The shell gathers records of one link into one
	 * GOSSIP: sent at once when the link was quiet for 10 ms (LAN: 2),
	 * else when that time is over or 64 records or 48 KiB are there.
	 * BCAST_PULL and _OLD go out marked, see WIRE_HOPS_*.  False when
	 * the lane is full: the record is announced instead.
	 */
	bool (*send_gossip)(void *ctx, unsigned link, uint32_t handle,
	    enum bcast_how how);
	/*
	 * Short ids of BCAST_ID bytes, at most BCAST_IDS_MAX of them.  This
	 * and what follows must not be lost while the link lives; a shell
	 * that cannot queue it ends the link.
	 */
	void (*send_ihave)(void *ctx, unsigned link, const uint8_t *ids,
	    size_t n_ids);
	void (*send_pull)(void *ctx, unsigned link, const uint8_t *ids,
	    size_t n_ids);
	void (*send_graft)(void *ctx, unsigned link);
	void (*send_prune)(void *ctx, unsigned link, uint32_t backoff_ms);
	/* SCORE_NO_PULL, at most once a second and link, or SCORE_REGRAFT. */
	void (*score)(void *ctx, unsigned link, enum score_event event);
	/* The handle is not used any more.  May be NULL. */
	void (*forget)(void *ctx, uint32_t handle);
	/* 64 random bits. */
	uint64_t (*rnd)(void *ctx);
};

/* Counters; they only grow. */
struct bcast_stats {
	uint64_t firsts;     /* BCAST_NEW */
	uint64_t dups;       /* BCAST_DUP */
	uint64_t pushed;     /* records pushed */
	uint64_t answered;   /* records sent in answer to PULL */
	uint64_t ids_out;    /* announced */
	uint64_t ids_in;     /* heard of */
	uint64_t pulls;      /* ids asked for */
	uint64_t grafts;     /* sent */
	uint64_t moves;      /* of these, to a link that runs ahead */
	uint64_t prunes;     /* sent */
	uint64_t kept;       /* prunes the two eager links forbade */
	uint64_t refused;    /* GRAFTs within the backoff */
	uint64_t unanswered; /* pulls */
	uint64_t delayed;    /* records of authors above their rate */
	uint64_t conflated;  /* of these, replaced by a newer version */
	uint64_t dropped;    /* not announced: a table was full; syncs help */
};

struct bcast;

/* One record as the caller sees it. */
struct bcast_msg {
	const uint8_t *rid; /* 32 bytes, borrowed */
	uint32_t handle;
	uint64_t author; /* any number that names the author */
	uint64_t key;    /* any number that names what a newer version
	                    replaces (the tree key), within this tick */
};

/* Bytes bcast_init() needs, aligned as malloc() does. */
size_t bcast_size(const struct bcast_limits *lim);

/*
 * Set up in mem, which holds bcast_size(lim) bytes and outlives the result.
 * secret: 16 random bytes, never told to anybody.  ops and ctx are borrowed
 * for life.
 */
struct bcast *bcast_init(void *mem, const struct bcast_limits *lim,
    const uint8_t secret[16], const struct bcast_ops *ops, void *ctx);

/*
 * The key of a link's short ids: the first 16 bytes of BLAKE2b-256, person
 * "WarrenIds1", of the link's two transport keys, the smaller first: a secret
 * of its two ends, which the hash of the handshake is not.
 */
void bcast_link_key(uint8_t key[16], const void *secret, size_t len);

/*
 * A gossip link begins, in a slot that is free.  It starts eager, on both
 * sides.  key: both sides have it and nobody else, from the handshake.  lan:
 * the timing of a local network (round trip below 2 ms).
 */
void bcast_link_up(struct bcast *b, unsigned link, const uint8_t key[16],
    uint32_t rtt_us, bool lan, struct mono now);

/* It ended.  The slot is free; what it owed us is asked of others. */
void bcast_link_down(struct bcast *b, unsigned link, struct mono now);

void bcast_link_rtt(struct bcast *b, unsigned link, uint32_t rtt_us);

/* Score below 0: the link is lazy for as long as it is poor. */
void bcast_link_poor(struct bcast *b, unsigned link, bool poor,
    struct mono now);

/*
 * A record we made ourselves, valid and stored: push and announce it.  Its
 * author is us, and always the same.
 */
void bcast_local(struct bcast *b, const struct bcast_msg *m, struct mono now);

/*
 * A record that came by another way than a gossip link, or was STALE and has
 * turned out good: it is as new.
 */
void bcast_beside(struct bcast *b, const struct bcast_msg *m, struct mono now);

/*
 * A valid record we stored from a sync with the peer of that link, or of no
 * gossip link (from = BCAST_LINKS_MAX).  It is announced, at most 2000 and a
 * quarter of the recent ones a second, and not pushed.  False when it will
 * not even be announced; syncs carry it then.
 */
bool bcast_synced(struct bcast *b, const struct bcast_msg *m, unsigned from,
    struct mono now);

/*
 * A record came, and this is its hash.  On BCAST_NEW *token is what
 * bcast_settle() wants; copies that come before that are duplicates.
 */
enum bcast_rc bcast_receive(struct bcast *b, unsigned link,
    const uint8_t rid[32], enum bcast_how how, uint32_t *token,
    struct mono now);

/*
 * The record of that token was looked at.  GOOD: m is kept and passed on.
 * STALE: m is not used and may be NULL.  BAD: likewise, and the record is
 * asked of others who have it.  A token too old is ignored, and m's handle
 * forgotten at once.
 */
void bcast_settle(struct bcast *b, uint32_t token, enum bcast_verdict verdict,
    const struct bcast_msg *m, struct mono now);

/*
 * Messages of a gossip link.  ids: n short ids as they came; what is too
 * much for the link's share is ignored.
 */
void bcast_on_ihave(struct bcast *b, unsigned link, const uint8_t *ids,
    size_t n, struct mono now);
void bcast_on_pull(struct bcast *b, unsigned link, const uint8_t *ids, size_t n,
    struct mono now);
void bcast_on_graft(struct bcast *b, unsigned link, struct mono now);
void bcast_on_prune(struct bcast *b, unsigned link, uint32_t backoff_ms,
    struct mono now);

/*
 * When bcast_tick() has work, or MONO_NEVER.  Any call above may bring it
 * forward.  May be too early, never too late.
 */
struct mono bcast_due(const struct bcast *b);

/* Advance to now; returns bcast_due().  Being late costs nothing but time. */
struct mono bcast_tick(struct bcast *b, struct mono now);

bool bcast_is_up(const struct bcast *b, unsigned link);
bool bcast_is_eager(const struct bcast *b, unsigned link);
unsigned bcast_eager_links(const struct bcast *b);
/* Duplicates on that link since its last first delivery. */
unsigned bcast_link_dups(const struct bcast *b, unsigned link);
unsigned bcast_pending(const struct bcast *b);
const struct bcast_stats *bcast_stats(const struct bcast *b);

#endif
