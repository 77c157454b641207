/* SPDX-License-Identifier: ISC */
/*
 * Accepting: the listeners that the parent handed over, shared with the
 * other workers.  Caps on connections, in all and by prefix, stand here.
 */
#ifndef WARREN_LISTEN_H
#define WARREN_LISTEN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes fd.  False (and closed) when there are too many listeners. */
bool listen_add(int fd, uint8_t service);

/* All are there: size the tables for conns_max connections or fd_max. */
void listen_setup(struct event_base *base, uint32_t fd_max);

/* The sandbox is shut: begin to accept. */
void listen_start(void);

/* Accept no more, for good. */
void listen_stop(void);

/* Connections there may be at once. */
size_t listen_conns_max(void);
uint64_t listen_prefix_refused(void);

#endif
