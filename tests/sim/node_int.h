/* SPDX-License-Identifier: ISC */
/*
 * Between the files of node.h: node.c, records.c, gossip.c, world.c.
 */
#ifndef WARREN_SIM_NODE_INT_H
#define WARREN_SIM_NODE_INT_H

#include "tests/sim/node.h"

/* --- node.c --- */

extern const struct net_ops node_fixed_ops, node_open_ops;
ev_handler node_timer;

/* --- records.c --- */

size_t records_size(void); /* bytes of a node's bits */
void records_forget(struct node *n);
void record_keep(struct node *n, uint32_t update);
struct bcast_msg record_message(uint32_t update);
void record_base(void); /* one more that all have from the start */

/* --- gossip.c --- */

extern const struct bcast_ops gossip_ops;
ev_handler gossip_stored;
void gossip_message(struct node *n, unsigned link, struct ev *ev);
/* Scores changed: who is poor or banned now? */
void gossip_judge(struct node *n);

#endif
