/* SPDX-License-Identifier: ISC */
/*
 * What an answer of the DNS says: addresses of a name, and where a service
 * is.  ns_initparse(3) and ns_parserr(3) take the message apart; this file
 * decides which records count.  Bounded in every direction, since the bytes
 * are a stranger's.  Tested in tests/unit/dns_answer_test.c.
 */
#ifndef WARREN_DNS_ANSWER_H
#define WARREN_DNS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "common/naddr.h"

#define DNS_NAME    256 /* text of a name and its NUL */
#define DNS_TARGETS 16  /* of one service */
#define DNS_ADDRS   32  /* in one answer to peerd */
#define DNS_RECORDS 256 /* of one section that are looked at */

struct dns_addrs {
	struct naddr list[DNS_ADDRS];
	unsigned n;
};

struct dns_target {
	char name[DNS_NAME];
	uint16_t priority, weight, port;
};

struct dns_targets {
	struct dns_target list[DNS_TARGETS]; /* best first */
	unsigned n;
};

/* Append, unless it is there already or the list is full. */
void dns_add(struct dns_addrs *out, const struct naddr *addr);

/*
 * Append the A and AAAA records of name, or of what it is an alias for (at
 * most 8 CNAMEs deep), with port.  0, or -1 when the message is malformed.
 */
int dns_answer_addrs(const uint8_t *msg, size_t len, const char *name,
    uint16_t port, struct dns_addrs *out);

/* Addresses of name in the additional section, as sent along with SRV. */
int dns_answer_extra(const uint8_t *msg, size_t len, const char *name,
    uint16_t port, struct dns_addrs *out);

/*
 * The SRV records of name (RFC 2782), sorted by priority, then by weight.  A
 * target "." (not offered here) gives none.  0 or -1.
 */
int dns_answer_srv(const uint8_t *msg, size_t len, const char *name,
    struct dns_targets *out);

#endif
