/* SPDX-License-Identifier: ISC */
/*
 * The resolver: a role of warrend's own binary that turns names into
 * addresses, so that no other process needs a resolver's sockets or parses
 * what the DNS says.
 *
 *	warrend                                        resolver
 *	  RESOLVER_CONFIG  ---------------------------->
 *	  RESOLVER_ASK     ---------------------------->     one at a time,
 *	        <------------ RESOLVER_ANSWER or _FAILED     64 may wait
 */
#ifndef WARREN_RESOLVER_H
#define WARREN_RESOLVER_H

#define RESOLVER_QUEUE 64

/* The whole child; returns its exit code. */
int resolver_main(int argc, char **argv);

#endif
