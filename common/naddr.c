/* SPDX-License-Identifier: ISC */
/*
 * Network addresses, as promised in naddr.h.  inet_pton and inet_ntop do the
 * text; both are pure.
 */
#include "common/naddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

size_t
naddr_ip_len(const struct naddr *a)
{
	return a->fam == NADDR_V4 ? 4 : a->fam == NADDR_V6 ? 16 : 0;
}

bool
naddr_ip_equal(const struct naddr *a, const struct naddr *b)
{
	return a->fam == b->fam &&
	    memcmp(a->ip, b->ip, naddr_ip_len(a)) == 0;
}

bool
naddr_equal(const struct naddr *a, const struct naddr *b)
{
	return naddr_ip_equal(a, b) && a->port == b->port;
}

bool
naddr_is_any(const struct naddr *a)
{
	static const uint8_t zero[16];

	return a->fam != NADDR_NONE &&
	    memcmp(a->ip, zero, naddr_ip_len(a)) == 0;
}

const char *
naddr_ip_str(const struct naddr *a, char buf[NADDR_STR])
{
	int af = a->fam == NADDR_V4 ? AF_INET : AF_INET6;

	if (a->fam == NADDR_NONE || inet_ntop(af, a->ip, buf, NADDR_STR) == NULL)
		(void)snprintf(buf, NADDR_STR, "-");
	return buf;
}

const char *
naddr_str(const struct naddr *a, char buf[NADDR_STR])
{
	char ip[NADDR_STR];

	if (a->fam == NADDR_NONE)
		(void)snprintf(buf, NADDR_STR, "-");
	else
		(void)snprintf(buf, NADDR_STR,
		    a->fam == NADDR_V6 ? "[%.45s]:%u" : "%.45s:%u",
		    naddr_ip_str(a, ip), a->port);
	return buf;
}

int
naddr_parse_ip(struct naddr *a, const char *ip, uint16_t port)
{
	char buf[NADDR_STR];
	size_t n = strlen(ip);

	memset(a, 0, sizeof(*a));
	if (n >= sizeof(buf))
		return -1;
	memcpy(buf, ip, n + 1);
	if (n > 2 && buf[0] == '[' && buf[n - 1] == ']') {
		buf[n - 1] = '\0';
		if (inet_pton(AF_INET6, buf + 1, a->ip) != 1)
			return -1;
		a->fam = NADDR_V6;
	} else if (inet_pton(AF_INET, buf, a->ip) == 1) {
		a->fam = NADDR_V4;
	} else if (inet_pton(AF_INET6, buf, a->ip) == 1) {
		a->fam = NADDR_V6;
	} else {
		return -1;
	}
	a->port = port;
	return 0;
}

int
naddr_parse(struct naddr *a, const char *text)
{
	char buf[NADDR_STR];
	const char *colon = strrchr(text, ':');
	uint32_t port = 0;
	const char *p;
	size_t n;

	memset(a, 0, sizeof(*a));
	if (colon == NULL || colon[1] == '\0')
		return -1;
	n = (size_t)(colon - text);
	if (n == 0 || n >= sizeof(buf))
		return -1;
	for (p = colon + 1; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || p - colon > 5)
			return -1;
		port = port * 10 + (uint32_t)(*p - '0');
	}
	if (port > UINT16_MAX)
		return -1;
	memcpy(buf, text, n);
	buf[n] = '\0';
	/* A bare "::1:80" would be ambiguous: IPv6 wants its brackets. */
	if (strchr(buf, ':') != NULL && buf[0] != '[')
		return -1;
	return naddr_parse_ip(a, buf, (uint16_t)port);
}

unsigned
naddr_to_sockaddr(const struct naddr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	memset(ss, 0, sizeof(*ss));
	if (a->fam == NADDR_V4) {
		sin.sin_port = htons(a->port);
		memcpy(&sin.sin_addr, a->ip, 4);
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (a->fam == NADDR_V6) {
		sin6.sin6_port = htons(a->port);
		memcpy(&sin6.sin6_addr, a->ip, 16);
		memcpy(ss, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}

int
naddr_from_sockaddr(struct naddr *a, const struct sockaddr *sa)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		a->fam = NADDR_V4;
		a->port = ntohs(sin.sin_port);
		memcpy(a->ip, &sin.sin_addr, 4);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&sin6, sa, sizeof(sin6));
		a->fam = NADDR_V6;
		a->port = ntohs(sin6.sin6_port);
		memcpy(a->ip, &sin6.sin6_addr, 16);
		return 0;
	}
	return -1;
}
