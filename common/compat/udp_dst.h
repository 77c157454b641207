/* SPDX-License-Identifier: ISC */
/*
 * A UDP socket bound to any address hears datagrams sent to each of them, and
 * the answer should come from the one that was asked: a client with a
 * connected socket takes no other.  Systems differ in how that is told.
 */
#ifndef WARREN_UDP_DST_H
#define WARREN_UDP_DST_H

#include <sys/socket.h>

#define UDP_DST_SPACE 64 /* bytes of control data a datagram may bring */

/* Before the sandbox: have the destination told.  fam is AF_*.  0 or -1. */
int udp_dst_ask(int fd, int fam);

/*
 * Turn the control data that came with a datagram into that of its answer,
 * in place.  m->msg_controllen becomes 0 where the system may choose.
 */
void udp_dst_answer(struct msghdr *m);

#endif
