/* SPDX-License-Identifier: ISC */
/*
 * What the three files of the broadcast core share: bcast.c has links and
 * the tree, bcast_send.c pushes and announces, bcast_pull.c asks and answers.
 */
#ifndef WARREN_BCAST_INT_H
#define WARREN_BCAST_INT_H

#include "common/ratelimit.h"
#include "peerd/bcast.h"
#include "peerd/missing.h"
#include "peerd/recent.h"

#define BIT(link) (UINT32_C(1) << (link))

/* Timing classes of links. */
enum { WAN, LAN, CLASSES };

struct bcast_link {
	bool up, eager, poor, owing;
	uint8_t class;
	uint16_t dups;      /* since its last first delivery */
	uint16_t n_missing; /* rows of the table that are its own */
	uint32_t rtt_us;
	int32_t ahead_us;      /* its announcements, of what came; average */
	struct mono no_graft;  /* we were pruned: until then */
	struct mono refuse;    /* we pruned: GRAFTs are refused until then */
	struct mono pruned;    /* when we did */
	struct mono blamed;    /* last time for no answer */
	struct mono pulled[2]; /* the last two questions; 0: none */
	struct bucket pushes, ids; /* out, in */
	struct recent_ids index;
};

/* A record of an author above its rate. */
struct bcast_delayed {
	uint64_t author, key;
	uint32_t seq;
};

/* Announcements to come: numbers of recent entries. */
struct bcast_queue {
	uint32_t *seqs; /* as many as there are recent entries */
	uint32_t head, tail[CLASSES];
};

struct bcast {
	const struct bcast_ops *ops;
	void *ctx;
	struct bcast_limits lim;
	struct bcast_link *links;
	struct recent recent;
	struct missing missing;
	struct bcast_queue news;
	int64_t *authors; /* when their buckets are full, see ratelimit.h */
	struct bcast_delayed *delayed;
	uint32_t n_delayed;
	struct bucket synced, own;
	uint64_t self;            /* author of our own records */
	int64_t late_us[CLASSES]; /* how long pushes lag behind announcements */
	struct mono flush[CLASSES];
	struct mono release; /* look at what is delayed */
	struct mono ask;     /* the first row of missing is due, or before */
	struct mono may_prune, may_move;
	unsigned pruned;  /* the link we pruned last */
	struct mono told; /* until then it hears of everything */
	struct bcast_stats stats;
};

/* --- bcast.c --- */

void bcast_prune(struct bcast *b, unsigned link, uint32_t backoff_ms,
    struct mono now);
/* Ask for it to be eager; false when it is, or must not be now. */
bool bcast_graft(struct bcast *b, unsigned link, struct mono now);

/* --- bcast_send.c --- */

/* A new entry for that hash; hands back the handle of what it replaces. */
struct recent_entry *bcast_remember(struct bcast *b, const uint8_t rid[32]);

/* Push and announce an entry that just became LIVE. */
void bcast_spread(struct bcast *b, struct recent_entry *e,
    const struct bcast_msg *m, struct mono now);

/* Announce it at the next flush. */
void bcast_announce(struct bcast *b, const struct recent_entry *e,
    struct mono now);

/* What a push or an answer could not carry is announced instead. */
void bcast_owe(struct bcast *b, struct recent_entry *e, unsigned link,
    struct mono now);

/*
 * Announce on that link what it missed lately: its tree was broken, or it
 * had no link to us.
 */
void bcast_retell(struct bcast *b, unsigned link, struct mono now);

void bcast_flush(struct bcast *b, unsigned class, struct mono now);
void bcast_release(struct bcast *b, struct mono now);

/* --- bcast_pull.c --- */

/* The record of e is here, over link: nobody is asked for it any more. */
void bcast_arrived(struct bcast *b, struct recent_entry *e, unsigned link,
    enum bcast_how how, struct mono now);

/* A duplicate came over link: was it an answer? */
void bcast_answered(struct bcast *b, const struct recent_entry *e,
    unsigned link, struct mono now);

/* e was BAD: ask the others who have it. */
void bcast_ask_others(struct bcast *b, const struct recent_entry *e,
    struct mono now);

void bcast_drop_missing(struct bcast *b, unsigned link, struct mono now);
void bcast_ask(struct bcast *b, struct mono now);

#endif
