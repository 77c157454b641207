/* SPDX-License-Identifier: ISC */
/*
 * What sockets.c and dial.c share about sockets already open.
 */
#ifndef WARREN_SOCKETS_H
#define WARREN_SOCKETS_H

#include <stdbool.h>

#include "common/naddr.h"

/* An option that is an int.  0, or -1 with errno. */
int sockets_set_opt(int fd, int level, int name, int value);

/* The local address of a socket.  0, or -1 with errno. */
int sockets_bound_addr(int fd, struct naddr *out);

/*
 * A loopback address that we listen on for links, or NULL.  A node that has
 * one may dial loopback, from that address.
 */
const struct naddr *sockets_loopback_link(uint8_t fam);

/* Does every listener lie on loopback? */
bool sockets_all_loopback(void);

/* --- dial.c --- */

/* An operator wrote this address, or the resolver found it for a name one
 * wrote: peerd may dial it whatever its class. */
void dial_operator_addr(const struct naddr *addr);

/* Classes of address that may be dialled, advertised and believed. */
unsigned dial_allow(void);

#endif
