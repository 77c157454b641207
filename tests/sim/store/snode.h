/* SPDX-License-Identifier: ISC */
/*
 * The nodes of scenario `store`: the record store over SQLite on a disk that
 * fails, the sync sessions and the broadcast, and around them what peerd and
 * the store process are in life: links, signatures, batches, roots.
 *
 *   snode.c    clock, ticks, life
 *   slink.c    links and messages
 *   sgossip.c  the broadcast
 *   sin.c      records on their way to the disk
 *   ssync.c    sync sessions, as peerd/store/sync.c drives them
 *   scheck.c   what must hold
 */
#ifndef WARREN_SIM_SNODE_H
#define WARREN_SIM_SNODE_H

#include "peerd/bcast.h"
#include "peerd/recon.h"
#include "peerd/store/recstore.h"
#include "peerd/wire.h"
#include "tests/sim/net.h"
#include "tests/sim/store/kit.h"

#define SNODES      9
#define SN_QUEUE    (SNODES * 2)
#define SN_PUSHES   4096
#define SN_HELD     1024
#define SN_INBOX    512
#define SN_ROOTS    64
#define SN_STAMP    "hlc%u" /* where an author's last stamp is kept */
#define SN_NO_TOKEN UINT32_MAX
#define SN_NEVER_US INT64_MAX

/* What is counted, of all nodes. */
#define SN_COUNTERS(X)                                                         \
	X(writes)                                                              \
	X(acked)                                                               \
	X(unacked)                                                             \
	X(duplicates)                                                          \
	X(gossiped)                                                            \
	X(synced)                                                              \
	X(sessions)                                                            \
	X(done)                                                                \
	X(partial)                                                             \
	X(refused_sessions)                                                    \
	X(lost_sessions)                                                       \
	X(crashes)                                                             \
	X(torn)                                                                \
	X(midcommit)                                                           \
	X(reopen_failed)                                                       \
	X(disk_faults)                                                         \
	X(failed_commits)                                                      \
	X(partitions)                                                          \
	X(cuts)                                                                \
	X(steps)                                                               \
	X(both_sides)                                                          \
	X(rollover)                                                            \
	X(race)                                                                \
	X(late)                                                                \
	X(future)                                                              \
	X(evicted)                                                             \
	X(expired)                                                             \
	X(unadmitted)                                                          \
	X(equivocations)                                                       \
	X(bad_signatures)                                                      \
	X(lies)                                                                \
	X(malformed)

struct sn_counts {
#define X(name) uint64_t name;
	SN_COUNTERS(X)
#undef X
};

/* A message on its way. */
struct sn_msg {
	struct sn_msg *next, *prev;
	size_t len;
	uint8_t b[];
};

struct sn_link {
	uint32_t conn;   /* NET_NIL: none */
	uint32_t serial; /* of this link's life; how the cores know it */
	int64_t heard_us;
	bool dialling;
	bool has_root, compared;
	unsigned odd;
	struct wire_root root;
};

/* A record between the link and the disk. */
struct sn_item {
	uint8_t raw[640];
	size_t len;
	uint8_t rid[32];
	uint64_t author, key;
	uint32_t token, from; /* from: serial of the link, 0: ours */
	bool is_sync, is_local;
	uint8_t verdict;
	struct recstore_put put;
};

/* A record the broadcast may send. */
struct sn_held {
	uint8_t *raw; /* NULL: free */
	size_t len;
};

struct sn_push {
	uint32_t serial;
	uint16_t sid;
	uint8_t key[32];
};

/* The newest version of a key that was acknowledged here. */
struct sn_ack {
	uint64_t hlc;
	uint8_t rid[32];
	bool set;
	const struct kit_rec *rec;
};

/* A settled tick, for the others to compare with. */
struct sn_root {
	uint64_t tick;
	uint8_t set[32], root[32];
};

struct snode {
	uint32_t id, life;
	bool up;
	bool byz;    /* not to be relied on, and */
	bool lying;  /* at it just now */
	bool frozen; /* it stays as it is, up or down */
	int64_t skew_ms, wall_max_ms;
	int64_t armed_us, commit_us, tick_us, look_us;
	struct rng rng;

	struct recstore *rs;
	struct recon recon;
	struct bcast *bcast;
	void *bcast_mem;
	struct recon_range *stack;
	struct recon_want *wants;

	struct sn_link links[SNODES];
	uint32_t serial;
	struct sn_item inbox[SN_INBOX];
	size_t n_inbox;
	struct sn_held held[SN_HELD];

	struct sn_push pushes[SN_PUSHES];
	size_t n_pushes;
	uint16_t sid;
	struct {
		uint32_t serial;
		struct mono due;
	} queue[SN_QUEUE];
	size_t n_queue;
	uint64_t meta_bytes, body_bytes; /* of our own session */

	uint64_t last[KIT_AUTHORS]; /* stamps given by this node */
	uint64_t last_ack[KIT_AUTHORS];
	struct sn_ack acks[KIT_KEYS];
	struct sn_root roots[SN_ROOTS];
};

struct sworld {
	struct snode *nodes;
	uint32_t n;
	struct sn_counts c;
	struct sn_msg *msgs;
	uint64_t busy;       /* messages beside ROOT, of all nodes */
	bool calm;           /* disks and power are healthy */
	uint64_t worst_1000; /* session bytes against their bound */
};

extern struct sworld sw;

struct world_conf;
void sworld_init(const struct world_conf *conf);
void sworld_fini(void);

struct wall snode_wall(const struct snode *n);
void snode_start(struct snode *n);
/* lost: what the disk had not synced is lost or torn, else the process died
 * and the system lives on. */
void snode_crash(struct snode *n, bool lost);
void snode_arm(struct snode *n);

/* A client's write at this node; back_ms: its stamp lies so far back. */
void snode_write(struct snode *n, struct kit_say *say, int64_t back_ms);

/* A record as if it came from somewhere. */
void snode_offer(struct snode *n, const uint8_t *raw, size_t len);

void snode_send(struct snode *n, unsigned link, const uint8_t *msg, size_t len);
unsigned snode_link_of(const struct snode *n, uint32_t serial); /* or SNODES */

/* --- slink.c --- */

extern const struct net_ops slink_ops;

/* Say the last tick's root. */
void slink_root(struct snode *n, unsigned link);
/* Close what fell silent, dial who is missing. */
void slink_look(struct snode *n);
void slink_drop(struct sn_msg *m);

/* --- sgossip.c --- */

extern const struct bcast_ops sgossip_ops;
extern const struct bcast_limits sgossip_limits;

/* A place for a record the broadcast may send; SN_HELD: there is none. */
uint32_t sgossip_hold(struct snode *n, const uint8_t *raw, size_t len);
void sgossip_unhold(struct snode *n, uint32_t handle);

/* --- sin.c --- */

void sin_gossip(struct snode *n, unsigned link, uint8_t hops,
    const uint8_t *raw, size_t len);
void sin_sync(struct snode *n, unsigned link, const uint8_t *raw, size_t len);
/* Everything in the inbox goes to the disk, and its senders hear of it. */
void sin_commit(struct snode *n);
/* Records of the future whose time has come. */
void sin_undefer(struct snode *n);
/* The last stamps of a former life. */
void sin_load_stamps(struct snode *n);

/* --- ssync.c --- */

void ssync_start(struct snode *n);
void ssync_message(struct snode *n, unsigned link, const uint8_t *msg,
    size_t len);
void ssync_root(struct snode *n, unsigned link, const struct wire_root *r);
void ssync_tick(struct snode *n); /* one was settled */
void ssync_gone(struct snode *n, unsigned link);
void ssync_run(struct snode *n);
struct mono ssync_due(const struct snode *n);

/* --- scheck.c --- */

void scheck_settled(struct snode *n);
void scheck_opened(struct snode *n, bool differs);
void scheck_acked(struct snode *n, const struct kit_rec *rec, bool own);
void scheck_stored(struct snode *n); /* S5, S6 */
/* Have all that are not frozen settled a tick of late with one root? */
bool scheck_converged(void);
void scheck_session(struct snode *n);

#endif
