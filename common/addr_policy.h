/* SPDX-License-Identifier: ISC */
/*
 * The one place that says which addresses may be dialled, punched,
 * advertised or answered.  An address is brought to its plain form first, so
 * that ::ffff:127.0.0.1 is judged as 127.0.0.1 (CVE-2020-26262 and
 * CVE-2026-27624 are what forgetting that looks like).  Pure; tested in
 * tests/unit/addr_policy_test.c.
 */
#ifndef WARREN_ADDR_POLICY_H
#define WARREN_ADDR_POLICY_H

#include "common/naddr.h"

enum addr_class {
	ADDR_GLOBAL,
	ADDR_LOOPBACK,
	ADDR_PRIVATE,   /* RFC 1918, RFC 4193, RFC 6598 */
	ADDR_LINKLOCAL,
	ADDR_RESERVED,  /* documentation, benchmarking, class E, and the like */
	ADDR_MULTICAST, /* and broadcast */
	ADDR_NOWHERE    /* unspecified, "this network", no address at all */
};

/* What somebody wants to do with an address. */
enum addr_use {
	ADDR_DIAL,      /* connect() to it because a peer or seed named it */
	ADDR_ANSWER,    /* send a reply to a datagram that came from it */
	ADDR_ADVERTISE, /* publish it as ours, or believe one published */
	ADDR_BIND       /* an operator wrote it into the configuration */
};

/* Classes opened beside ADDR_GLOBAL ("address-policy allow ..."). */
#define ADDR_ALLOW_LOOPBACK 0x01 /* set for sockets bound to loopback */
#define ADDR_ALLOW_PRIVATE  0x02
#define ADDR_ALLOW_RESERVED 0x04

/*
 * The plain form: v4-mapped, 6to4 and NAT64 (64:ff9b::/96) addresses become
 * the IPv4 address inside, everything else is copied.  The port stays.
 */
struct naddr addr_canon(const struct naddr *a);

/* Class of the plain form of a. */
enum addr_class addr_class(const struct naddr *a);

/* May a be used so?  A port of 0 is refused for ADDR_DIAL and ADDR_ANSWER. */
bool addr_policy(const struct naddr *a, enum addr_use use, unsigned allow);

/*
 * Ports no answer goes to unless their class was opened, since a spoofed
 * source there would make us hit somebody's service: below 1024, 1900 (SSDP),
 * 5353 (mDNS), 11211 (memcached).
 */
bool addr_port_is_reflector(uint16_t port);

/*
 * The network that a and its neighbours are counted in: keeps the first
 * v4_bits or v6_bits, clears the rest and the port.
 */
struct naddr addr_prefix(const struct naddr *a, unsigned v4_bits,
    unsigned v6_bits);

/* Name of a class, for logs. */
const char *addr_class_name(enum addr_class c);

#endif
