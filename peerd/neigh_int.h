/* SPDX-License-Identifier: ISC */
/*
 * What the two files of the overlay's shell share: neigh.c calls the core,
 * neigh_wish.c is called by it.
 */
#ifndef WARREN_NEIGH_INT_H
#define WARREN_NEIGH_INT_H

#include "peerd/overlay.h"
#include "peerd/peerd.h"

/* A link as the core numbers it. */
struct place {
	struct conn *c; /* NULL: free, or lost */
	bool used;
	bool closing;            /* the core let go of it */
	bool lost;               /* it ended, and the core must be told */
	bool deaf;               /* a message to it could not be queued */
	struct mono given, told; /* some records of nodes, and all of them */
};

extern struct place *neigh_places; /* by the core's numbers */
extern bool neigh_anchors_due;     /* look whether they changed */

/* An anchor of the life before, each once. */
bool neigh_pick_anchor(struct overlay_cand *cand);

/* neigh_wish.c */
extern const struct overlay_ops neigh_ops;

#endif
