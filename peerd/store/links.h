/* SPDX-License-Identifier: ISC */
/*
 * The peers of this node, as the store sees them: whose root is ours, and
 * how much may be sent to each.  Their messages come through peerd, which
 * has checked length, lane and form, and nothing else.
 *
 *   links.c   who is there, roots, windows     sync.c    sessions (recon.h)
 *   since.c   catching up by cursor            bootstrap.c   everything
 */
#ifndef WARREN_STORE_LINKS_H
#define WARREN_STORE_LINKS_H

#include "peerd/store/store.h"
#include "peerd/wire.h"

#define LINKS_MAX   (4096 + 128) /* limit max-peers, and links for loops */
#define LINK_WINDOW (256u << 10) /* bytes given to peerd for one link */

struct link_peer {
	uint32_t link; /* 0: free */
	uint8_t id[32];
	bool outbound;
	uint32_t in_flight; /* bytes with peerd */
	/* Roots: the last it told, and the one before. */
	bool has_root;
	struct wire_root root, before;
	unsigned odd;  /* ticks in a row on which its root was not ours */
	bool compared; /* once, since the link is up */
	bool unknown;  /* it differed then, and no cursor told how */
	/* Sessions of ours that it let run out, in a row; no other before: */
	unsigned silent;
	struct mono sync_from;
};

void links_peer(const struct msg_ps_peer *p);
void links_message(uint32_t link, const void *msg, size_t len);
void links_drained(const struct msg_ps_drained *d);
void links_reset(void); /* the channel to peerd is gone: so are all links */
void links_tick(void);  /* a tick was settled */
void links_state(struct msg_db_state *s);
void links_limits(limit_emit emit, void *arg);

struct link_peer *links_find(uint32_t link);
/* All of them: start with NULL, ends with NULL. */
struct link_peer *links_next(struct link_peer *after);

/* Room in the window?  Then links_send() gives it to peerd. */
bool links_may_send(const struct link_peer *p);
bool links_send(struct link_peer *p, const void *msg, size_t len);
void links_room(void); /* the way to peerd takes messages again */

/* --- sync.c --- */

void sync_start(void);
void sync_peer_gone(const struct link_peer *p);
/* Its root differs, on the first comparison or on two ticks. */
void sync_wanted(struct link_peer *p, bool at_once);
void sync_message(struct link_peer *p, const void *msg, size_t len);
/* Of a link are the records that are put next: its session is alive.  0: of
 * none in particular. */
void sync_arrived(uint32_t link);
void sync_go_on(struct link_peer *p); /* the window has room again */
void sync_limits(limit_emit emit, void *arg);
void sync_key_arrived(const uint8_t key[32], uint64_t hlc, bool news);

/* --- since.c --- */

void since_start(void); /* cursors of earlier lives */
void since_tick(void);  /* keep those that moved */
void since_asked(struct link_peer *p, const struct wire_msg *m);
void since_root(struct link_peer *p, bool equal);
/* A session with it is over: what it settled is here. */
void since_synced(struct link_peer *p);
/* Ask it for what it will settle next.  False: that was done lately. */
bool since_pending(struct link_peer *p);
void since_peer_gone(const struct link_peer *p);
void since_go_on(struct link_peer *p);
void since_limits(limit_emit emit, void *arg);

/* --- bootstrap.c --- */

void bootstrap_start(void);
/* Roots differ: is it a case for fetching everything, and begun? */
bool bootstrap_wanted(struct link_peer *p);
bool bootstrap_is_theirs(const struct link_peer *p);
void bootstrap_serve(struct link_peer *p, const struct wire_msg *m);
void bootstrap_answer(struct link_peer *p, const struct wire_msg *m);
void bootstrap_go_on(struct link_peer *p);
/* What a link brought, before it is stored. */
void bootstrap_records(const struct msg_ps_records *r);
void bootstrap_limits(limit_emit emit, void *arg);
void bootstrap_peer_gone(const struct link_peer *p);

#endif
