/* SPDX-License-Identifier: ISC */
/*
 * The peers of this node, as the store sees them: whose root is ours, with
 * whom a sync session runs, who is asked for block bodies.  Their messages
 * come through peerd, which has checked nothing but length and lane.
 */
#ifndef WARREN_STORE_LINKS_H
#define WARREN_STORE_LINKS_H

#include "peerd/store/store.h"

#define LINKS_MAX 128

void links_peer(const struct msg_ps_peer *p);
void links_message(uint32_t link, const void *msg, size_t len);
void links_drained(void); /* the channel to peerd takes more again */
void links_reset(void);   /* it is gone: so are all links */
void links_tick(void);    /* a tick was settled */
void links_state(struct msg_db_state *s);

#endif
