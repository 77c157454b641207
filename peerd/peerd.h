/* SPDX-License-Identifier: ISC */
/*
 * peerd: finds other nodes, keeps encrypted links to them and spreads node
 * records.  Private to this process.
 *
 *            settings, listeners, dialled sockets, signatures, names
 *   warrend ----------------------------------------------> peerd
 *           <----------------------------------------------   |
 *            PEERD_DIAL, _SIGN_*, _RESOLVE, _SAVE             |
 *                                                             |
 *   stund   <- SP_PEER_UP, SP_PEER_DOWN  ---------------------+
 *           -- SP_STUN ---------------------------------------+
 *   apid    <- PA_PEER, PA_GONE, PA_TOTALS -------------------+
 *   appd    <- LOOP_OFFER, LOOP_OPENED, LOOP_DATA ------------+
 *           -- LOOP_OPEN, LOOP_ACCEPT, LOOP_DATA -------------+
 *   store   <- PS_RECORDS, PS_MESSAGE, PS_PEER ---------------+
 *           -- PS_APPLIED, PS_FRESH, PS_MESSAGE, PS_ROOT -----+
 *                                                             |
 *   other peerds == TCP links, LAN datagrams =================+
 *
 *   inbound.c   who may come in        conn.c      a connection's life
 *   shake.c     its handshake          conns.c     which there are
 *   traffic.c   its frames             messages.c  what they say
 *   records.c   records, in and out    gossip.c    who is sent what
 *   dbchan.c    the store
 *   nodes.c     records of others      ownnode.c   our own record
 *   targets.c   configured peers       discover.c  whom to dial besides
 *   addrs.c     addresses swapped      lan.c       multicast
 *   asks.c      questions to warrend   keep.c      files
 *   channels.c  stund and apid         views.c     a node as it is shown
 *   neigh.c     our neighbours         neigh_wish.c  what the overlay wishes
 *   misdeed.c   scores and bans        lookup.c    whom a word means
 *   show.c      control: show          edit.c      control: change
 *   pings.c     control: ping          flow.c      streams of links
 *   loops.c     loops of appd's        route.c     a link to any node
 *   circuit.c   links over relays      relaying.c  what we relay
 *   reserving.c who relays for us      direct.c    from relays to links
 *   clocks.c    is our clock wrong?
 *
 * The pure cores beside them have headers of their own.
 */
#ifndef WARREN_PEERD_H
#define WARREN_PEERD_H

#include <event2/event.h>
#include <sys/queue.h>

#include "common/charter.h"
#include "common/child.h"
#include "common/msg_ctl.h"
#include "common/msg_db.h"
#include "common/msg_peerd.h"
#include "common/msg_siblings.h"
#include "common/ratelimit.h"
#include "common/rec.h"
#include "peerd/abook.h"
#include "peerd/ban.h"
#include "peerd/bcast.h"
#include "peerd/conn.h"
#include "peerd/hello.h"
#include "peerd/known.h"
#include "peerd/link.h"
#include "peerd/overlay.h"
#include "peerd/score.h"
#include "peerd/stream.h"
#include "peerd/wire.h"

#define HANDSHAKES_MAX 128         /* inbound ones under way at a time */
#define QUEUED_MAX     (64u << 20) /* bytes waiting on all links together */
#define DIALS_MAX      16          /* connections being made for us, */
#define LOOP_DIALS_MAX 12          /* and of them for the loops of apps */
#define LOOP_LINKS_MAX 128         /* links that carry loops and nothing else */
#define ASKS_MAX       96          /* questions warrend has not answered */
#define TARGETS_MAX    256         /* configured and added peers */
#define HOLD_S         60          /* a peer that sent us away is left alone */
#define LINK_SHORT_MS  10000       /* a link that ends sooner is a failure */
#define PINGS_MAX      16          /* control requests that ping */

/* Counters, by the name they have in stats. */
#define PEERD_COUNTERS(X)                                                      \
	X(handshakes_ok)                                                       \
	X(handshakes_failed)                                                   \
	X(bytes_in)                                                            \
	X(bytes_out)                                                           \
	X(frames_in)                                                           \
	X(frames_out)                                                          \
	X(records_seen)                                                        \
	X(records_stored)                                                      \
	X(records_refused)                                                     \
	X(records_sent)                                                        \
	X(records_not_sent)                                                    \
	X(records_no_store)                                                    \
	X(signatures)                                                          \
	X(sync_not_sent)                                                       \
	X(unknown_messages)                                                    \
	X(protocol_errors)                                                     \
	X(dials)                                                               \
	X(dial_failures)                                                       \
	X(inbound_refused)                                                     \
	X(loops_opened)                                                        \
	X(loops_offered)                                                       \
	X(loops_refused)                                                       \
	X(loops_lost)                                                          \
	X(loop_bytes_in)                                                       \
	X(loop_bytes_out)                                                      \
	X(streams_refused)                                                     \
	X(stream_strays)                                                       \
	X(datagrams_in)                                                        \
	X(datagrams_out)                                                       \
	X(datagrams_refused)

struct peerd {
	struct msg_peerd_config conf;
	struct msg_node node;
	struct charter charter;
	bool has_charter, has_node;
	bool running; /* the sandbox is shut and our Noise key is signed */
	bool stopping;
	unsigned allow; /* ADDR_ALLOW_* */
	uint8_t noise_sk[32], noise_pk[32];
	struct hello hello; /* ours */
	struct conns conns;
	size_t queued; /* lent to links */
	struct known known;
	struct abook book;
	struct bans bans;
	struct mono ready;
	struct {
#define X(name) uint64_t name;
		PEERD_COUNTERS(X)
#undef X
	} n;
};

extern struct peerd peerd;

/* First eight digits of an id.  Returns buf. */
const char *id_short(const uint8_t id[32], char buf[9]);

/* --- inbound.c --- */

void inbound_listen(const struct naddr *addr, int fd); /* takes fd */
void inbound_start(void);
void inbound_limits(void); /* after the configuration changed */

/* --- gossip.c: the shell of bcast.h --- */

#define GOSSIP_NO_HANDLE UINT32_MAX
#define GOSSIP_NO_TOKEN  UINT32_MAX
#define GOSSIP_NO_SLOT   UINT8_MAX
#define GOSSIP_HOPS_MAX  200
#define GOSSIP_FULL      (384u << 10) /* bytes waiting: records are announced
                                         instead */

void gossip_init(void);
void gossip_start(void);
void gossip_link_up(struct conn *c, unsigned slot);
void gossip_link_down(struct conn *c);
void gossip_link_rtt(const struct conn *c);
void gossip_flush(void); /* send what waits, now */
/* Keep a copy of a record; GOSSIP_NO_HANDLE when there is no room. */
uint32_t gossip_keep(const uint8_t *raw, size_t len, uint8_t hops);
void gossip_drop(uint32_t handle); /* any value */
const uint8_t *gossip_raw(uint32_t handle, size_t *len);
/* False when it was seen before.  The token goes to gossip_settle(). */
bool gossip_receive(struct conn *c, const uint8_t rid[32], uint8_t hops,
    uint32_t *token);
void gossip_settle(uint32_t token, enum bcast_verdict verdict,
    const struct bcast_msg *m);
void gossip_local(const struct bcast_msg *m); /* came over no link */
void gossip_synced(const struct bcast_msg *m, const struct conn *from);
void gossip_message(struct conn *c, const struct wire_msg *m);
void gossip_stats(stat_emit emit, void *arg);
void gossip_limits(limit_emit emit, void *arg);

/* --- records.c --- */

void records_init(void);
void records_start(void);
/* A record came by GOSSIP, by RECS, over the LAN. */
void records_gossip(struct conn *from, uint8_t hops, const uint8_t *raw,
    size_t len);
void records_sync(struct conn *from, const uint8_t *raw, size_t len);
void records_lan(const uint8_t *raw, size_t len, const struct naddr *lan);
void records_own(const uint8_t *raw, size_t len);   /* our node record */
void records_fresh(const uint8_t *raw, size_t len); /* the store wrote it */
void records_applied(uint32_t id, const uint8_t *verdicts, size_t n);
void records_store_gone(void);
bool records_are_held(void); /* the store is behind: grant no credit */
void records_limits(limit_emit emit, void *arg);

/* --- dbchan.c: the channel to the store --- */

#define DBCHAN_QUEUE (4u << 20)

void dbchan_open(int fd);
bool dbchan_send_records(uint32_t id, const struct msg_ps_records *r);
bool dbchan_message(const struct conn *c, const void *msg, size_t len);
void dbchan_link(struct conn *c, bool up);
void dbchan_root(struct conn *c, const void *msg, size_t len); /* a ROOT came */
void dbchan_drained(struct conn *c); /* look whether it is */
void dbchan_clock(int64_t behind_ms, bool stop);

/* --- nodes.c --- */

void nodes_init(void);
/* Newer than what we have, alive and not of the future. */
bool nodes_is_news(const struct rec *rec, const uint8_t rid[32]);
/* It is no news, but the store may have use for it. */
bool nodes_store_lacks(const struct rec *rec, const uint8_t rid[32]);
/* A node record that is news, its signature good.  from: the link it came
 * over, or NULL; lan: its source, or NULL. */
void nodes_take(const struct rec *rec, const uint8_t rid[32],
    struct conn *from, const uint8_t *raw, size_t len,
    const struct naddr *lan);
/* Our own record; all that are alive; at most max of them, taken in turn. */
void nodes_send_own(struct conn *c);
void nodes_send_all(struct conn *c);
void nodes_send_some(struct conn *c, size_t max);
void nodes_send_again(struct conn *c); /* it missed some */
struct known_node *nodes_get(const uint8_t id[32]);
void nodes_unlinked(struct conn *c);
void nodes_tick(struct mono now);

/* The address behind an advertised one, given where the node was reached. */
bool nodes_resolve(struct naddr *out, const struct node_addr *a,
    const struct naddr *at);
/* The nth address to dial a node at; false when there are no more. */
bool nodes_dial_addr(const struct known_node *node, unsigned nth,
    struct naddr *out);

/* views.c: c may be NULL. */
void nodes_view(const struct known_node *node, const struct conn *c,
    struct msg_peer *v);
void nodes_view_link(const struct conn *c, struct msg_peer *v);
uint32_t nodes_index(const struct known_node *node);
uint32_t nodes_live(void);

/* --- ownnode.c --- */

void own_init(void);
void own_set_local(const struct msg_peerd_local *l);
void own_set_stun(const struct msg_stun_view *v);
uint8_t own_nat_mapping(void); /* enum nat_mapping of view.h */
void own_changed(void); /* look whether there is something to publish */
void own_signed(const uint8_t sig[64]);
void own_not_signed(const char *error);
bool own_is_news(uint64_t hlc);
/* Where our record says that others can link to us; false: nowhere. */
bool own_link_addr(struct naddr *addr);
void own_seen(uint64_t hlc); /* a record of ours came back, verified */
void own_leave(void);
/* Our admission, new: say it all again, for more will listen now. */
void own_admitted(const uint8_t *raw, size_t len);
/* The admission of this run; 0 bytes when it is of an earlier one. */
size_t own_admission(const uint8_t **raw);
/* Our signed record, or 0 bytes while there is none. */
size_t own_record(const uint8_t **raw);
bool own_has_left(void); /* the farewell was sent, or never will be */

/* --- asks.c --- */

void asks_noise(const uint8_t pk[32], uint64_t not_before, uint64_t not_after);
bool asks_node(uint64_t hlc, bool leave, const void *payload, size_t len);
bool asks_dial(const struct dial_why *why);
bool asks_resolve(uint32_t target, uint8_t kind, const char *name,
    uint16_t port);
bool asks_save(uint8_t which);
unsigned asks_dials(void);
unsigned asks_loop_dials(void);
bool asks_is_dialling(const struct naddr *addr, const uint8_t *id);
void asks_on_dialed(struct ipc *ch, const struct ipc_msg *m);
void asks_on_failed(struct ipc *ch, const struct ipc_msg *m);
void asks_on_signed(struct ipc *ch, const struct ipc_msg *m);
void asks_on_resolved(struct ipc *ch, const struct ipc_msg *m);
void asks_on_save_fd(struct ipc *ch, const struct ipc_msg *m);
void asks_on_saved(struct ipc *ch, const struct ipc_msg *m);

/* --- peerd.c --- */

void peerd_noise_signed(const uint8_t sig[64]);
void peerd_noise_failed(const char *error);

/* --- targets.c --- */

enum target_state { TARGET_IDLE, TARGET_RESOLVING, TARGET_DIALLING };

struct target {
	uint32_t serial; /* 0: free */
	struct msg_peerd_peer p;
	bool added;    /* by warrenctl, not by warren.conf */
	uint32_t mark; /* the list of peers that named it last */
	uint8_t state; /* enum target_state */
	bool has_id;
	uint8_t id[32]; /* who answered */
	struct naddr addrs[32];
	uint8_t n_addrs, next_addr;
	unsigned fails; /* in this round */
	unsigned alone; /* tries without a link, before those of a round */
	struct mono due;
	char error[64]; /* why the last dial failed */
	char said[64];  /* the last such that the log has */
};

void targets_on_peer(struct ipc *ch, const struct ipc_msg *m);
void targets_on_end(struct ipc *ch, const struct ipc_msg *m);
struct target *targets_add(const struct msg_peerd_peer *p); /* by warrenctl */
void targets_delete(struct target *t);
struct target *targets_get(uint32_t serial);
/* Kept connected come what may, not only while others are wanted. */
bool targets_is_kept(const struct target *t);
struct target *targets_next(const struct target *after);
/* Who it is, as far as is known, or NULL. */
const uint8_t *targets_id(const struct target *t);
struct target *targets_of_id(const uint8_t id[32]);
struct target *targets_find(const char *word); /* name or HOST[:PORT] */
bool targets_pinned(const uint8_t id[32]);
void targets_tick(struct mono now);
void targets_resolved(uint32_t serial, const struct msg_peerd_resolved *r);
void targets_failed(uint32_t serial, const char *error);
void targets_linked(uint32_t serial, const uint8_t id[32]);
void targets_unlinked(const struct conn *c);
void targets_wake(struct target *t);

/* --- discover.c --- */

void discover_start(void);
void discover_soon(void); /* something changed: look again */
/* For the overlay: somebody to dial, and the dial itself; see overlay.h. */
bool discover_pick(enum overlay_pick kind, const uint64_t *groups, size_t n,
    struct overlay_cand *cand);
bool discover_may_dial(const struct overlay_cand *cand);
bool discover_dial(uint32_t tag, enum overlay_why what,
    const struct overlay_cand *cand);
bool discover_wants_more(void);
void discover_result(const struct dial_why *why, const uint8_t *id,
    const char *error);
void discover_linked(struct conn *c);
void discover_unlinked(const struct conn *c);
void discover_forget(uint32_t index); /* a known node's place is taken anew */
/* Leave a node alone for s seconds; ours: we sent it away, and do not let it in
 * either.  One that sent us away may come back by itself. */
void discover_hold(const uint8_t id[32], int64_t s, bool ours);
bool discover_is_unwelcome(const uint8_t id[32]); /* held by us */
void discover_release(const uint8_t id[32]);
bool discover_is_held(const uint8_t id[32]);
bool discover_is_self(const struct naddr *a);

/* --- addrs.c --- */

void addrs_asked(struct conn *c, unsigned n);        /* GETADDR */
void addrs_told(struct conn *c, struct wire_msg *m); /* ADDR */
/* One address from a link, for the book; false when it told enough. */
bool addrs_learn(struct conn *c, const struct wire_addr *a);

/* --- neigh.c: the shell of overlay.h --- */

#define NEIGH_NO_PLACE UINT16_MAX

void neigh_init(void);
void neigh_config(void); /* it changed */
void neigh_start(void);
void neigh_look(void); /* there may be more to dial, or more nodes */
bool neigh_wants(void);
bool neigh_is_held(const uint8_t id[32]); /* its view sent us away */
void neigh_link_up(struct conn *c); /* may end it */
void neigh_link_down(struct conn *c);
void neigh_dial_failed(uint32_t tag); /* 0: it was none of the overlay's */
void neigh_message(struct conn *c, const struct wire_msg *m);
void neigh_rtt(const struct conn *c);
void neigh_root(const struct conn *c, const struct wire_root *root);
void neigh_own_root(const struct wire_root *root);
/* Anchors: one of the file, false when there is no room; and those to save. */
bool neigh_add_anchor(const struct wire_addr *node);
size_t neigh_anchors(const struct wire_addr **list);
enum peer_role neigh_role(const struct conn *c);
void neigh_stats(stat_emit emit, void *arg);
void neigh_limits(limit_emit emit, void *arg);

/* --- lan.c --- */

void lan_socket(const struct msg_peerd_multicast *m, int fd); /* takes fd */
void lan_start(void);
void lan_record_changed(void);
/* Heard of over the LAN alone, and silent for too long. */
bool lan_is_silent(const uint8_t id[32]);
void lan_heard_elsewhere(const uint8_t id[32]);

/* --- keep.c --- */

void keep_give(uint8_t which, int fd); /* takes fd */
void keep_load(void);
void keep_dirty(uint8_t which, bool soon);
void keep_tick(struct mono now);
/* Write the file; takes fd.  False when that failed. */
bool keep_save_fd(uint8_t which, uint32_t id, int fd);
void keep_result(uint8_t which, const char *error);
void keep_all(void); /* we are leaving: save what changed */
bool keep_is_idle(void);

/* --- channels.c --- */

void channels_open(enum proc_kind kind, unsigned index, int fd);
void channels_open_pipes(enum proc_kind kind, unsigned index, int in, int out);
void channels_peer(const struct known_node *node);
void channels_gone(const uint8_t id[32]);
void channels_link_up(struct conn *c);
void channels_link_down(const struct conn *c);
void channels_tick(struct mono now);

/* --- clocks.c --- */

/* How far our clock is behind most others'; true when that is worth a word. */
bool clocks_skew(int64_t *ms);
void clocks_tick(void);
void clocks_tell(void); /* the store is new here */

/* --- misdeed.c --- */

void misdeed(struct conn *c, enum score_event event);
void misdeed_remember(struct conn *c); /* the link ends */
void misdeed_recall(struct conn *c);   /* the link begins */
void misdeed_ban_links(void);          /* end links to who is banned now */

/* --- show.c --- */

void show_status(struct ipc *ch, const struct ipc_msg *m);
void show_peers(struct ipc *ch, const struct ipc_msg *m);
void show_peer(struct ipc *ch, const struct ipc_msg *m);
void show_bans(struct ipc *ch, const struct ipc_msg *m);
void show_tick(void);

/* --- pings.c --- */

void pings_ask(struct ipc *ch, const struct ipc_msg *m);
void pings_tick(struct mono now);
/* A PONG came; true when a control request had asked for it. */
bool pings_pong(const struct conn *c, uint64_t token, struct mono now);
unsigned pings_pending(void);

/* --- lookup.c --- */

/*
 * Whom an operator means: a name, a key or at least four digits of it, or an
 * address.  0 and *id, or -1 with *why naming the trouble.
 */
int lookup_peer(const char *word, uint8_t id[32], const char **why);

/* --- edit.c --- */

void edit_peer_add(struct ipc *ch, const struct ipc_msg *m);
void edit_peer_delete(struct ipc *ch, const struct ipc_msg *m);
void edit_peer_connect(struct ipc *ch, const struct ipc_msg *m);
void edit_peer_disconnect(struct ipc *ch, const struct ipc_msg *m);
void edit_ban_add(struct ipc *ch, const struct ipc_msg *m);
void edit_ban_delete(struct ipc *ch, const struct ipc_msg *m);
/* "key in hex, address or prefix" of a ban.  buf has 72 bytes. */
const char *edit_ban_text(const struct ban *ban, char buf[72]);

#endif
