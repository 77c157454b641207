/* SPDX-License-Identifier: ISC */
/*
 * The overlay: which links carry gossip.  Each node keeps an active view of
 * six links it dialled and up to six it accepted; below nine nodes it is a
 * full mesh.  What the published HyParView lacks is here: a lost link is
 * replaced at once, candidates come from the address book and not from
 * gossiped lists, and two islands find each other by comparing roots.
 *
 *                 up, not in the view            in the view
 *   dialled:  CONTACT --NEIGHBOR--> ASKED --NEIGHBOR(YES)--> ACTIVE
 *   accepted: CONTACT <-NEIGHBOR or JOIN, answered by YES--> ACTIVE
 *                                         or by DISCONNECT(FULL)
 *   feeler:   FEELER, 30 s at most; hidden: HIDDEN, for syncs alone
 *
 *   JOIN       a newcomer to its first contact: takes it in if there is room,
 *              else gives it addresses; walks on so that others hear of it
 *   NEIGHBOR   may I enter your view?  HIGH (fewer than two links) makes a
 *              full node evict an accepted link; LOW does not.  YES: you may
 *   DISCONNECT no, or no more; and why
 *   SWAP       on a link outside the view: I am stuck, take me in the place
 *              of somebody, who may then link to me.  On one inside it: that
 *              node has a place for you
 *
 * No rumours of death travel: a link is dead when its own bytes stop.
 *
 * A link belongs to whoever dialled it: that side closes it when it is sent
 * away, unless it has another use for it.  The accepting side leaves it as a
 * CONTACT, which costs it a place for links but none in the view.
 *
 * The caller lends the links' memory and chooses their numbers.  Pure;
 * tested in tests/unit/overlay_test.c and overlay_dial_test.c, fuzzed in
 * overlay_fuzz.c, simulated in tests/sim.
 */
#ifndef WARREN_OVERLAY_H
#define WARREN_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"
#include "peerd/wire.h"

#define OVERLAY_DIALLED    6
#define OVERLAY_ACCEPTED   6
#define OVERLAY_SLOTS      16 /* of the view, see view_up() */
#define OVERLAY_MESH       9  /* a smaller network is a full mesh */
#define OVERLAY_HIDES      16 /* in a smaller network no link is spared */
#define OVERLAY_TTL        6  /* of a JOIN */
#define OVERLAY_GIVE       16 /* addresses for whom we refuse */
#define OVERLAY_ANCHORS    2
#define OVERLAY_LAN_LINKS  3 /* dialled links into one LAN */
#define OVERLAY_REPLACE_MS 200
#define OVERLAY_HOLD_MS    60000 /* we do not dial whom we were evicted by */
#define OVERLAY_HIGH_MS    10000 /* one HIGH per key and this time */
#define OVERLAY_STUCK_MS   5000
#define OVERLAY_FEELER_MS  60000
#define OVERLAY_ANSWER_MS  5000 /* to NEIGHBOR, JOIN, SWAP */
#define OVERLAY_SILENCE_MS 2000 /* at least: then ping; dead after three */
#define OVERLAY_SHED_MS    5000 /* a view that outgrew its bounds waits */
#define OVERLAY_TELL_MS    1000 /* a feeler stays for addresses */

#define OVERLAY_SAYS   30 /* requests of one link at once */
#define OVERLAY_HOLDS  32
#define OVERLAY_DIALS  8
#define OVERLAY_OFFERS 4

/* Why a link is dialled; the shell hands it back when it is up. */
enum overlay_why {
	OVERLAY_FILL,   /* to be asked into the view */
	OVERLAY_FEELER, /* is it there, and does it know what we know? */
	OVERLAY_HIDDEN, /* for syncs alone; never shown to anybody */
	OVERLAY_THEIRS, /* not dialled: accepted */
	/* Dialled by somebody else's decision, with no tag: */
	OVERLAY_PINNED, /* to be linked always; one of them is in the view */
	OVERLAY_BOOT,   /* asked in, or closed when there is no need */
	OVERLAY_ASIDE   /* for another use; asked in when there is need */
};

/* Where a candidate shall come from. */
enum overlay_pick {
	OVERLAY_PICK_PINNED, /* configured to be linked always */
	OVERLAY_PICK_ANCHOR, /* saved from the life before */
	OVERLAY_PICK_BOOK,   /* the address book, new and tried alike */
	OVERLAY_PICK_NEW,    /* its untried part */
	OVERLAY_PICK_BOOT    /* bootstrap nodes, when nothing else is left */
};

enum overlay_state {
	OVERLAY_NONE,    /* free slot */
	OVERLAY_CONTACT, /* up; nothing agreed */
	OVERLAY_ASKED,   /* we asked to be let in */
	OVERLAY_ACTIVE,  /* in the view: carries gossip */
	OVERLAY_FEELING,
	OVERLAY_SECRET, /* our hidden link */
	OVERLAY_GOING   /* DISCONNECT went out; closed soon */
};

/*
 * A node to dial.  group: abook_group() of the address, or of the relay.
 * pinned: links of its kind are never evicted.
 */
struct overlay_cand {
	struct wire_addr at;
	bool has_id; /* at.id is known */
	bool pinned;
	uint64_t group;
};

struct overlay_ops {
	/*
	 * A candidate of that kind: not ourselves, not linked, not banned, its
	 * waiting time over, and rather of none of these n groups.  False when
	 * there is none now.
	 */
	bool (*pick)(void *ctx, enum overlay_pick kind, const uint64_t *groups,
	    size_t n, struct overlay_cand *cand);
	/*
	 * Connect and shake hands.  Ends in exactly one overlay_link_up() or
	 * overlay_dial_failed() with this tag, within 10 s.
	 */
	void (*dial)(void *ctx, uint32_t tag, enum overlay_why why,
	    const struct overlay_cand *cand);
	/* End the link.  overlay_link_down() is not called for it. */
	void (*close)(void *ctx, unsigned link);
	/* Messages, see wire_put_join() and its neighbours. */
	void (*send_join)(void *ctx, unsigned link, unsigned ttl,
	    const struct wire_addr *node);
	void (*send_neighbor)(void *ctx, unsigned link, enum wire_want want);
	void (*send_disconnect)(void *ctx, unsigned link, enum wire_gone why);
	void (
	    *send_swap)(void *ctx, unsigned link, const struct wire_addr *node);
	/* Send up to OVERLAY_GIVE signed node records (else ADDR). */
	void (*give)(void *ctx, unsigned link);
	void (*ping)(void *ctx, unsigned link);
	/*
	 * The link entered or left the view: begin or end gossip on it.  slot
	 * 0..OVERLAY_SLOTS - 1 is free for bcast to use as its link.
	 */
	void (*view_up)(void *ctx, unsigned link, unsigned slot);
	void (*view_down)(void *ctx, unsigned link, unsigned slot);
	/* An address a neighbour told us: for the book, if policy lets it. */
	void (
	    *heard_of)(void *ctx, unsigned link, const struct wire_addr *node);
	uint64_t (*rnd)(void *ctx); /* 64 random bits */
};

struct overlay_link {
	uint8_t state; /* enum overlay_state */
	uint8_t slot;  /* while ACTIVE */
	uint8_t asked; /* what we asked for, see overlay.c */
	bool ours;     /* dialled */
	bool pinned, has_addr;
	bool keep;     /* not closed when the view has no use for it */
	bool spare;    /* kept only until there are links enough */
	bool greeted;  /* its JOIN was walked on */
	bool swapping; /* dialled for a walk: make room by a swap */
	uint8_t odd;   /* ticks in a row on which a feeler's root differed */
	struct wire_addr node;
	uint64_t group;
	uint64_t tick, root; /* what it said last */
	uint64_t judged;     /* tick on which it was compared */
	struct mono since, heard, pinged, due;
	uint32_t rtt_us;
	uint32_t milli; /* requests it may send, in thousandths */
	struct mono walked;
};

struct overlay_dial {
	uint32_t tag; /* 0: free */
	uint8_t why;
	bool pinned, has_id, swapping;
	struct wire_addr node;
	uint64_t group;
};

struct overlay_hold {
	uint64_t who; /* first bytes of the id */
	struct mono until;
};

/* Counters; they only grow. */
struct overlay_stats {
	uint64_t ups, downs; /* of the view */
	uint64_t dials, failed;
	uint64_t refused; /* NEIGHBORs we had no room for */
	uint64_t evicted; /* links, for a HIGH */
	uint64_t swaps;
	uint64_t shed;  /* links above the view's bounds */
	uint64_t walks; /* forwarded */
	uint64_t feelers, healed;
	uint64_t silent;  /* links that died of silence */
	uint64_t limited; /* requests above their rate */
};

struct overlay {
	const struct overlay_ops *ops;
	void *ctx;
	struct overlay_link *links;
	unsigned n_links;
	struct wire_addr self;
	bool dialable; /* others can reach self.addr */
	bool started, hidden_on;
	uint32_t n_nodes; /* known in the network */
	uint32_t next_tag;
	uint64_t tick, root; /* our own */
	struct overlay_dial dials[OVERLAY_DIALS];
	struct overlay_hold holds[OVERLAY_HOLDS]; /* whom we do not dial */
	struct overlay_hold highs[OVERLAY_HOLDS]; /* whom we evicted for */
	unsigned hold_at, high_at;
	struct overlay_cand offers[OVERLAY_OFFERS];
	unsigned n_offers;
	struct mono due;      /* overlay_tick() has work */
	struct mono dial_due; /* next look for a candidate */
	struct mono below;    /* since when fewer than six links */
	struct mono feeler_due, hidden_due, churned;
	struct mono shed_due; /* more links than a view shall have */
	uint32_t silence_ms, feeler_ms;
	uint32_t wait_ms; /* between dials that were refused */
	uint32_t lag_ms;  /* of our own loop, decaying */
	struct overlay_stats stats;
};

/*
 * Set up over n_links links, all free.  self: our id and, when others can
 * reach us, our address (dialable).  hidden: keep a hidden link.  ops and ctx
 * are borrowed for life.
 */
void overlay_init(struct overlay *ov, struct overlay_link *links,
    unsigned n_links, const struct wire_addr *self, bool dialable, bool hidden,
    const struct overlay_ops *ops, void *ctx);

/*
 * Other times than the default ones: silence until a link is asked, which is
 * dead after three of them, 0 when the caller sees to that; and the pause
 * between feelers, and between looks for a hidden link.
 */
void overlay_set_times(struct overlay *ov, uint32_t silence_ms,
    uint32_t feeler_ms);

/* Begin to dial. */
void overlay_start(struct overlay *ov, struct mono now);

/* Our outside address changed, or we learnt whether it can be dialled. */
void overlay_set_self(struct overlay *ov, const struct wire_addr *self,
    bool dialable);

/* How many nodes are known, ourselves included. */
void overlay_set_nodes(struct overlay *ov, uint32_t n, struct mono now);

/* pick() may have somebody now for whom it had nobody before. */
void overlay_news(struct overlay *ov, struct mono now);

/*
 * A link's handshake is over.  link: a free number below n_links.  why and
 * tag as given to dial(), or one of the others and 0.  node: who it is; its
 * address has fam NADDR_NONE when it cannot be dialled there.  The caller has
 * settled duplicate links to one node before.
 */
void overlay_link_up(struct overlay *ov, unsigned link, enum overlay_why why,
    uint32_t tag, const struct wire_addr *node, uint64_t group,
    struct mono now);
void overlay_dial_failed(struct overlay *ov, uint32_t tag, struct mono now);

/* Is that link to a pinned node, whoever dialled?  It is let in and stays. */
void overlay_pin(struct overlay *ov, unsigned link, bool pinned);

/* The link ended, for any reason but our close(). */
void overlay_link_down(struct overlay *ov, unsigned link, struct mono now);

/* Any bytes came on it. */
void overlay_heard(struct overlay *ov, unsigned link, struct mono now);
void overlay_link_rtt(struct overlay *ov, unsigned link, uint32_t rtt_us);

/*
 * Messages, decoded.  False when it breaks the protocol (a newcomer that
 * gives another id than its own): the caller scores it.
 */
bool overlay_on_join(struct overlay *ov, unsigned link, unsigned ttl,
    const struct wire_addr *node, struct mono now);
bool overlay_on_neighbor(struct overlay *ov, unsigned link, unsigned want,
    struct mono now);
bool overlay_on_disconnect(struct overlay *ov, unsigned link, unsigned why,
    struct mono now);
bool overlay_on_swap(struct overlay *ov, unsigned link,
    const struct wire_addr *node, struct mono now);

/*
 * Roots, once per settled tick (from 1 on): the first eight bytes, as a number.  A
 * feeler whose root differs on two ticks while our neighbours agree with us
 * leads to another island, and takes the place of an active link.
 */
void overlay_own_root(struct overlay *ov, uint64_t tick, uint64_t root,
    struct mono now);
void overlay_on_root(struct overlay *ov, unsigned link, uint64_t tick,
    uint64_t root, struct mono now);

/* When overlay_tick() has work.  Calls above may bring it forward. */
struct mono overlay_due(const struct overlay *ov);

/*
 * Advance to now; returns overlay_due().  How late it is called shows how
 * well we are: a node that lags waits longer before it calls a link dead.
 */
struct mono overlay_tick(struct overlay *ov, struct mono now);

/* Leave: DISCONNECT on every link of the view; they close. */
void overlay_stop(struct overlay *ov, struct mono now);

enum overlay_state overlay_state(const struct overlay *ov, unsigned link);
unsigned overlay_active(const struct overlay *ov);  /* links in the view */
unsigned overlay_dialled(const struct overlay *ov); /* of them dialled */
/* Sent away by it a short while ago: not to be dialled for the view. */
bool overlay_is_held(const struct overlay *ov, const uint8_t id[32],
    struct mono now);
/* Would we dial somebody for the view now, if we knew whom? */
bool overlay_wants(const struct overlay *ov);
/* Of our dialled links, is it one of the two that are up for longest? */
bool overlay_is_anchor(const struct overlay *ov, unsigned link);
/* Our hidden link must never be shown in the API. */
bool overlay_is_hidden(const struct overlay *ov, unsigned link);

/*
 * The dialled links of the view that are up for longest, to be saved and
 * returned by pick(OVERLAY_PICK_ANCHOR) in the next life.  How many.
 */
size_t overlay_anchors(const struct overlay *ov,
    struct wire_addr anchors[OVERLAY_ANCHORS]);

const struct overlay_stats *overlay_stats(const struct overlay *ov);

#endif
