/* SPDX-License-Identifier: ISC */
/*
 * A network address the size we need: family, bytes, port, and nothing the
 * kernel's structures add.  Pure but for the two functions named sockaddr.
 * Tested in tests/unit/naddr_test.c.
 */
#ifndef WARREN_NADDR_H
#define WARREN_NADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;
struct sockaddr_storage;

enum naddr_fam { NADDR_NONE = 0, NADDR_V4 = 4, NADDR_V6 = 6 };

struct naddr {
	uint8_t fam;    /* enum naddr_fam */
	uint8_t ip[16]; /* network order; the first 4 bytes for IPv4, rest 0 */
	uint16_t port;  /* host order */
};

#define NADDR_STR 56 /* "[v6]:port" and its NUL */

/* Bytes of ip in use: 4, 16, or 0. */
size_t naddr_ip_len(const struct naddr *a);

bool naddr_equal(const struct naddr *a, const struct naddr *b);
bool naddr_ip_equal(const struct naddr *a, const struct naddr *b);
bool naddr_is_any(const struct naddr *a); /* 0.0.0.0 or :: */

/* "192.0.2.1:80", "[2001:db8::1]:80", "-" for none.  Returns buf. */
const char *naddr_str(const struct naddr *a, char buf[NADDR_STR]);

/* The same without port and brackets. */
const char *naddr_ip_str(const struct naddr *a, char buf[NADDR_STR]);

/*
 * Parse an IP literal ("192.0.2.1", "2001:db8::1", "[2001:db8::1]") and set
 * port.  0, or -1 when it is no literal.  No names, no scopes.
 */
int naddr_parse_ip(struct naddr *a, const char *ip, uint16_t port);

/* Parse "ip:port" or "[ip6]:port".  0 or -1. */
int naddr_parse(struct naddr *a, const char *text);

/* To and from the kernel's form.  The first returns the length, 0 for none. */
unsigned naddr_to_sockaddr(const struct naddr *a, struct sockaddr_storage *ss);
int naddr_from_sockaddr(struct naddr *a, const struct sockaddr *sa);

#endif
