/* SPDX-License-Identifier: ISC */
/*
 * Between sync.c, which has the sessions, and tree.c, which has the tree.
 */
#ifndef WARREN_SIM_SYNC_INT_H
#define WARREN_SIM_SYNC_INT_H

#include "peerd/recon.h"
#include "tests/sim/node.h"

#define SYNC_STACK  2048
#define SYNC_WANTS  2048
#define SYNC_PUSHES 2048
#define SYNC_ROOTS  8

struct root {
	uint64_t tick, root;
};

/* A link's peer, and what it said. */
struct peer {
	uint64_t id; /* of this link's life; 0: none */
	struct root said;
	struct mono due; /* of a session, or MONO_NEVER */
	bool compared;
	unsigned odd; /* ticks in a row on which it differed */
};

struct push {
	uint64_t peer;
	uint32_t update;
	uint16_t sid;
};

struct sync {
	struct mtree tree;
	struct recon recon;
	struct peer peers[LINKS_MAX];
	struct root roots[SYNC_ROOTS];
	uint64_t tick, set; /* set: sum of the rids that are settled */
	uint32_t *staged;   /* records of ticks to come */
	size_t n_staged, cap_staged;
	struct mono settle_due, flush_due;
	uint64_t next_id;
	uint16_t sid;
	uint64_t meta_bytes; /* of our own session, both ways */
	size_t n_pushes;
	struct push pushes[SYNC_PUSHES];
	struct recon_range stack[SYNC_STACK];
	struct recon_want wants[SYNC_WANTS];
};

extern struct sync_cost sync_costs;

/* --- sync.c --- */

/* A tick settled: all neighbours hear of its root. */
void sync_settled(struct node *n);

/* --- tree.c --- */

/* A first life has what all have from the start, unless its disk is empty. */
void tree_start(struct node *n);
void tree_fini(struct sync *s);
void tree_forget_checks(void);

/* Settle when it is time. */
void tree_run(struct node *n);

/* The root of that tick, or NULL. */
const struct root *tree_root_of(const struct sync *s, uint64_t tick);
size_t tree_late(const struct sync *s);

#endif
