/* SPDX-License-Identifier: ISC */
/*
 * What the three files of the overlay core share: overlay.c has the view,
 * overlay_talk.c what neighbours say, overlay_dial.c whom to dial and what
 * time brings.
 */
#ifndef WARREN_OVERLAY_INT_H
#define WARREN_OVERLAY_INT_H

#include "peerd/overlay.h"

#define OVERLAY_WALKS 30 /* JOINs of one link at once */

/* --- overlay.c --- */

struct overlay_link *overlay_link(struct overlay *ov, unsigned link);
uint64_t overlay_who(const uint8_t id[32]);
int overlay_find(const struct overlay *ov, const uint8_t id[32]);
bool overlay_is_mesh(const struct overlay *ov);
bool overlay_enter(struct overlay *ov, unsigned link, struct mono now);
void overlay_close(struct overlay *ov, unsigned link, struct mono now);
/* Room for one more accepted link? */
bool overlay_has_room(const struct overlay *ov);

/* Of our dialled links, is it one of the two that are up for longest? */
bool overlay_is_anchor(const struct overlay *ov, unsigned link);

/* Say why, leave the other side the time to read it, then close. */
void overlay_send_away(struct overlay *ov, unsigned link, enum wire_gone why,
    struct mono now);

/* A link of the view that may go for another, at random; -1: none. */
int overlay_victim(struct overlay *ov, bool accepted_only, unsigned except);

/* Changes that others force on us come slowly, whoever asks. */
bool overlay_may_churn(struct overlay *ov, struct mono now);

void overlay_hold(struct overlay *ov, const uint8_t id[32], int64_t ms,
    struct mono now);
bool overlay_is_held(const struct overlay *ov, const uint8_t id[32],
    struct mono now);

/* --- overlay_dial.c --- */

/* Tick no later than that. */
void overlay_wake(struct overlay *ov, struct mono at);

/* Would we dial somebody now, if we knew whom? */
bool overlay_wants(const struct overlay *ov);

/* That node may have a place for us: dial it before any other. */
void overlay_offer(struct overlay *ov, const struct wire_addr *node,
    struct mono now);
void overlay_dial_for_swap(struct overlay *ov, const struct wire_addr *node,
    struct mono now);

/* The dial of that tag is over; false when we know of none. */
bool overlay_take_dial(struct overlay *ov, uint32_t tag,
    struct overlay_dial *d);

/* A dialled link is up: say what it was dialled for. */
void overlay_begin(struct overlay *ov, unsigned link, enum overlay_why why,
    struct mono now);

/* We asked to be let in and were not. */
void overlay_refused(struct overlay *ov, struct mono now);

#endif
