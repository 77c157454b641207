/* SPDX-License-Identifier: ISC */
/*
 * What the three files of the overlay core share: overlay.c has the view,
 * overlay_talk.c what neighbours say, overlay_dial.c whom to dial and what
 * time brings.
 */
#ifndef WARREN_OVERLAY_INT_H
#define WARREN_OVERLAY_INT_H

#include "peerd/overlay.h"

/* --- overlay.c --- */

struct overlay_link *overlay_link(struct overlay *ov, unsigned link);
uint64_t overlay_who(const uint8_t id[32]);
int overlay_find(const struct overlay *ov, const uint8_t id[32]);
bool overlay_is_mesh(const struct overlay *ov);
bool overlay_enter(struct overlay *ov, unsigned link, struct mono now);
/* Out of the view, and beside it; somebody takes its place at once. */
void overlay_leave(struct overlay *ov, unsigned link, struct mono now);
void overlay_close(struct overlay *ov, unsigned link, struct mono now);
/* Room for one more accepted link? */
bool overlay_has_room(const struct overlay *ov);

/* The view has no use for it: close it, or keep it beside the view. */
void overlay_part(struct overlay *ov, unsigned link, struct mono now);

/*
 * Say why.  A link of ours is closed once the other side had time to read
 * it; what they dialled is theirs to close.
 */
void overlay_send_away(struct overlay *ov, unsigned link, enum wire_gone why,
    struct mono now);

/*
 * A link of the view that may go for another, at random; -1: none.  ours: 1
 * dialled, 0 accepted, -1 both.
 */
int overlay_victim(struct overlay *ov, int ours, unsigned except);

/* Changes that others force on us come slowly, whoever asks. */
bool overlay_may_churn(struct overlay *ov, struct mono now);

void overlay_hold(struct overlay *ov, const uint8_t id[32], int64_t ms,
    struct mono now);

/* --- overlay_dial.c --- */

/* Tick no later than that. */
void overlay_wake(struct overlay *ov, struct mono at);

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
