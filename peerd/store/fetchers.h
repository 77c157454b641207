/* SPDX-License-Identifier: ISC */
/*
 * Block bodies between nodes.
 *
 *   fetchers.c   bodies on their way here, and who waits for them
 *   serve.c      bodies that others fetch from us
 */
#ifndef WARREN_STORE_FETCHERS_H
#define WARREN_STORE_FETCHERS_H

#include "peerd/blocks.h"
#include "peerd/store/api.h"
#include "peerd/store/links.h"

#define FETCHERS_MAX  8    /* bodies at a time: 32 MiB at most */
#define WANTED_MAX    1024 /* waiting for their turn */
#define WAITERS_MAX   256  /* requests that wait for a body */
#define SERVING_MAX   2048 /* runs of chunks to be sent, of all links */
#define SERVING_EACH  192  /* of one link */
#define MANIFESTS_MAX 64   /* remembered, so that bodies are not read twice */

/* --- fetchers.c --- */

void fetchers_start(void);
void fetchers_message(struct link_peer *p, const void *msg, size_t len);
void fetchers_peer_up(const struct link_peer *p);
void fetchers_peer_gone(const struct link_peer *p);
void fetchers_go_on(void); /* links have room again */

/*
 * Get this body here, a client's before those that placement wants.  False
 * when too many are wanted already.  How it ends is told to placing_fetched()
 * and to all who wait.
 */
bool fetchers_want(const uint8_t id[32], bool urgent);
bool fetchers_is_wanted(const uint8_t id[32]);

/*
 * The request waits until the body is here or cannot be had; then it is
 * answered.  off is for warrenctl, which reads in parts.  False, and not
 * answered, when too many wait.
 */
bool fetchers_wait(const struct asker *a, const uint8_t id[32], uint32_t off);
void fetchers_forget(const struct ipc *ch);

unsigned fetchers_wanted(void); /* on their way and waiting for their turn */
void fetchers_limits(limit_emit emit, void *arg);

/* --- serve.c --- */

void serve_message(struct link_peer *p, const void *msg, size_t len);
void serve_go_on(struct link_peer *p); /* it has room again */
void serve_peer_gone(const struct link_peer *p);
/* The body is not what it was: read it anew. */
void serve_forget(const uint8_t id[32]);
void serve_limits(limit_emit emit, void *arg);

#endif
