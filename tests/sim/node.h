/* SPDX-License-Identifier: ISC */
/*
 * The simulated nodes: each is a struct of cores, and this is the shell
 * around them.  Where peerd has sockets and a store, there is net.h and a row
 * of bits; the cores are the very ones.
 *
 *   node.c    clocks, links, life
 *   records.c what they have
 *   gossip.c  the shell of the broadcast
 *   view.c    the shell of the overlay
 *   book.c    whom they have heard of
 *   sync.c    the shell of the sessions that bring trees together
 *   tree.c    trees, and how they settle
 *   world.c   all of them together
 *
 * To add a core: a field in struct node, its messages in NODE_MSGS with a
 * handler each in a file of its own, its due time in node_due().
 */
#ifndef WARREN_SIM_NODE_H
#define WARREN_SIM_NODE_H

#include "peerd/bcast.h"
#include "peerd/overlay.h"
#include "peerd/score.h"
#include "tests/sim/net.h"
#include "tests/sim/sim.h"
#include "tests/sim/tally.h"

#define NODE_SLOTS OVERLAY_SLOTS /* links that carry gossip */
#define LINKS      24            /* of a node */
#define LINKS_MAX  96            /* of one that all newcomers dial */
#define NODE_FRAME 21            /* bytes of link.h about each message */
#define NODE_ROOT  79            /* of a ROOT; of a million records 83 */
#define NODE_BOOTS 3             /* the first nodes, for others to begin at */

/*
 * Messages, by the bytes of their body as wire.h has it.  How many words
 * travel: those of node.c's handler.
 */
#define NODE_MSGS(X)                                                           \
	X(GOSSIP)                                                              \
	X(IHAVE)                                                               \
	X(PULL)                                                                \
	X(GRAFT)                                                               \
	X(PRUNE)                                                               \
	X(JOIN)                                                                \
	X(NEIGHBOR)                                                            \
	X(DISCONNECT)                                                          \
	X(SWAP)                                                                \
	X(PING)                                                                \
	X(PONG)                                                                \
	X(ADDR)                                                                \
	X(ROOT)                                                                \
	X(SYNC)                                                                \
	X(RECS)                                                                \
	X(HELLO)

enum node_msg {
#define X(name) M_##name,
	NODE_MSGS(X)
#undef X
	    M_N
};

/* What a node may be that is not honest; see scen/byz.c. */
enum byz { HONEST, BYZ_LIAR, BYZ_FLAPPER, BYZ_HOG, BYZ_SPAMMER };

struct node_link {
	uint32_t conn; /* NET_NIL: free */
	uint32_t peer;
	uint8_t slot; /* in the view, or NODE_SLOTS */
	bool banned, poor;
	int64_t since_us; /* in the view */
	struct score score;
};

struct node {
	uint32_t id;
	uint32_t life; /* how often it was born; 0: never yet */
	bool up;
	bool hung;   /* up, and does nothing any more */
	bool lost;   /* of its next life: the disk is empty */
	bool judge;  /* a score changed: see who is poor or banned */
	uint8_t byz; /* enum byz */
	int64_t skew_us;
	int32_t drift_ppm;
	int32_t wall_skew_ms;
	int64_t armed_us; /* its timer event, or INT64_MAX */
	int64_t born_us;
	int64_t joined_us; /* its first link; INT64_MAX while there was none */
	int64_t alone_us;  /* since when it has no active link, or INT64_MAX */
	struct rng rng;
	struct bcast *bcast;
	struct overlay *overlay; /* NULL: links are fixed */
	struct sync *sync;       /* NULL: it has no tree */
	uint16_t n_links;
	struct node_link *links;
	uint16_t slot[NODE_SLOTS]; /* link of a slot */
	struct book *book;
	uint64_t *has;  /* records, one bit each */
	uint32_t wrote; /* its own latest record, plus one */
	uint64_t hlc;   /* and the stamp of that */
	uint64_t sum;   /* of the records it has: stands for its root */
};

struct world_conf {
	uint32_t nodes;
	uint32_t spare; /* updates beside those of the load */
	double rate;    /* updates a second, from random sources */
	double seconds;
	bool overlay;      /* joins and views, else fixed random links */
	bool recon;        /* neighbours repair each other in one stroke */
	bool trees;        /* or by comparing trees, see sync.c */
	uint32_t base;     /* records that all have from the start */
	uint32_t versions; /* one write in so many replaces the last; 0: none */
	bool hidden;       /* links for syncs alone */
	bool skew;         /* clocks are wrong by up to 90 s and 200 ppm */
	bool own_nodes;    /* the scenario has nodes of its own, see store/ */
	struct net_conf net;
	struct bcast_limits lim;
};

/* A record, interned: nodes hold bits and numbers. */
struct update {
	uint8_t rid[32];
	uint32_t author;
	int64_t born_us;
	uint32_t got; /* nodes that have it */
	bool spam;    /* of an author above its rate: may wait for a sync */
	/* With trees: */
	uint8_t key[32];
	uint64_t hlc;
	uint32_t newer; /* the version that replaced it, plus one */
};

struct world {
	struct world_conf conf;
	struct node *nodes;
	struct update *updates;
	uint32_t n_updates, cap_updates;
	struct rng rng;
	bool quiet;          /* no further updates */
	uint32_t banned;     /* honest links banned by honest nodes */
	uint64_t bytes[M_N]; /* sent, by type of message */
};

extern struct world world;

void world_init(const struct world_conf *conf);
void world_fini(void);

/* Every node up, linked to six others at random, each accepting six. */
void world_wire(void);

/* Fixed links that died in a cut are made anew. */
void world_mend(void);

/* Every node starts within that time, knowing the bootstrap nodes alone. */
void world_join(double seconds);

/* What all cores counted, as one line. */
void world_print(void);

/* Updates at the rate, from now until until_us, each at a random live node. */
void world_load(int64_t until_us);

void node_start(struct node *n);
void node_crash(struct node *n, bool rst);
void node_update(struct node *n);
void node_spam(struct node *n); /* likewise, and nobody counts it */

/*
 * The record of that number is here, from a sync with link's peer; announce
 * it when it is news.
 */
void node_synced(struct node *n, unsigned link, uint32_t update, bool news);
bool node_has(const struct node *n, uint32_t update);
/* Or one that replaced it. */
bool node_knows(const struct node *n, uint32_t update);

/* Its own idea of time. */
struct mono node_now(const struct node *n);

/* After any call into its cores: have its timer ring in time. */
void node_arm(struct node *n);

/* A message of so many bytes, to be filled; NULL when it is lost. */
struct ev *node_send(struct node *n, unsigned link, enum node_msg type,
    size_t bytes);
void node_score(struct node *n, unsigned link, enum score_event event);

/* A gossip link begins or ends. */
void node_gossip_up(struct node *n, unsigned link, unsigned slot);
void node_gossip_down(struct node *n, unsigned link, unsigned slot);

/* A free link number, or -1; and giving it back. */
int node_link_new(struct node *n, uint32_t conn, uint32_t peer);
void node_link_free(struct node *n, unsigned link);

/* The link to that node, or -1. */
int node_link_to(const struct node *n, uint32_t peer);

/* --- view.c: the overlay's shell --- */

size_t view_size(void); /* bytes view_init() wants */
void view_init(struct node *n, void *mem);
void view_start(struct node *n);
void view_message(struct node *n, unsigned link, struct ev *ev);
void view_down(struct node *n, unsigned link);
void view_ban(struct node *n, unsigned link);
int view_accept(uint32_t node, uint32_t from, uint32_t conn);
void view_dialled(uint32_t node, uint32_t to, uint64_t tag, uint32_t conn);
void view_roots(uint64_t tick);
/* Our own tree settled. */
void view_own_root(struct node *n, uint64_t tick, uint64_t root);

/* --- sync.c: trees, and the shell of anti-entropy --- */

#define WALL_START_MS INT64_C(1700000000000)

struct wall node_wall(const struct node *n);

size_t sync_size(void); /* bytes sync_init() wants */
void sync_init(struct node *n, void *mem);
void sync_fini(struct node *n);
void sync_start(struct node *n);
void sync_stage(struct node *n, uint32_t update); /* it is on its disk */
/* It came, by a session or by gossip. */
void sync_body(struct node *n, uint32_t update, bool session);
void sync_link_up(struct node *n, unsigned link);
void sync_link_down(struct node *n, unsigned link);
void sync_message(struct node *n, unsigned link, struct ev *ev);
void sync_run(struct node *n);
struct mono sync_due(const struct node *n);

/* Have these nodes settled a tick of late with one root?  NULL: all live. */
bool sync_converged(bool (*counts)(const struct node *n));

/* What sessions cost so far, of all nodes; since the last call of it. */
struct sync_cost {
	uint64_t sessions, done, partial, refused, lost;
	uint64_t meta_bytes;
	uint64_t bodies, useless;  /* records that came; it had them */
	uint64_t gossiped, echoes; /* of them by gossip */
	uint64_t pushes_lost;
	uint64_t records; /* in the tree of the last that settled */
};
const struct sync_cost *sync_cost(void);

#endif
