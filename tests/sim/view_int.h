/* SPDX-License-Identifier: ISC */
/*
 * Between view.c, the overlay's shell, and book.c, whom a node has heard of.
 */
#ifndef WARREN_SIM_VIEW_INT_H
#define WARREN_SIM_VIEW_INT_H

#include "tests/sim/node.h"

#define BOOK 64 /* addresses a simulated node remembers */
#define BANS 16

struct place {
	uint32_t node;
	bool used;
	uint8_t fails;
	int64_t due_us;
};

struct book {
	struct place places[BOOK];
	int64_t boot_us[NODE_BOOTS];
	uint8_t odd[LINKS_MAX]; /* ticks on which a neighbour's root differed */
	uint64_t tick, root;
	uint32_t bans[BANS]; /* whom it banned, plus one */
	unsigned n_bans;
};

/* A node's address, and whose an address is. */
struct wire_addr view_addr_of(uint32_t node);
uint32_t view_node_of(const struct wire_addr *a);

/* That node is there, somebody said. */
void book_learn(struct node *n, uint32_t node);
/* It is dialled now; and how that ended. */
void book_dialled(struct node *n, uint32_t node);
void book_tried(struct node *n, uint32_t node, bool good);
bool book_is_banned(const struct node *n, uint32_t node);
/* As overlay_ops has it. */
bool book_pick(void *ctx, enum overlay_pick kind, const uint64_t *groups,
    size_t n_groups, struct overlay_cand *c);
/* After a restart: whom it knew, and nothing else. */
void book_reopen(struct book *bk);

#endif
