/* SPDX-License-Identifier: ISC */
/*
 * The address policy.  The special ranges are the IANA special-purpose
 * registries (RFC 6890 and its updates), first match wins.
 */
#include "common/addr_policy.h"

#include <string.h>

struct range {
	uint8_t ip[16];
	uint8_t bits;
	enum addr_class class;
};

/* clang-format off */
static const struct range ranges_v4[] = {
	{ { 0 },                8, ADDR_NOWHERE },
	{ { 10 },               8, ADDR_PRIVATE },
	{ { 100, 64 },         10, ADDR_PRIVATE },   /* RFC 6598 */
	{ { 127 },              8, ADDR_LOOPBACK },
	{ { 169, 254 },        16, ADDR_LINKLOCAL },
	{ { 172, 16 },         12, ADDR_PRIVATE },
	{ { 192, 0, 0 },       24, ADDR_RESERVED },
	{ { 192, 0, 2 },       24, ADDR_RESERVED },  /* TEST-NET-1 */
	{ { 192, 88, 99 },     24, ADDR_RESERVED },
	{ { 192, 168 },        16, ADDR_PRIVATE },
	{ { 198, 18 },         15, ADDR_RESERVED },  /* RFC 2544 */
	{ { 198, 51, 100 },    24, ADDR_RESERVED },  /* TEST-NET-2 */
	{ { 203, 0, 113 },     24, ADDR_RESERVED },  /* TEST-NET-3 */
	{ { 224 },              4, ADDR_MULTICAST },
	{ { 255, 255, 255, 255 }, 32, ADDR_MULTICAST },
	{ { 240 },              4, ADDR_RESERVED },
};

static const struct range ranges_v6[] = {
	{ { 0 },                              128, ADDR_NOWHERE },
	{ { [15] = 1 },                       128, ADDR_LOOPBACK },
	{ { 0x01, 0x00 },                      64, ADDR_RESERVED }, /* discard */
	{ { 0x20, 0x01, 0x00, 0x00 },          32, ADDR_RESERVED }, /* Teredo */
	{ { 0x20, 0x01, 0x00, 0x02 },          48, ADDR_RESERVED },
	{ { 0x20, 0x01, 0x00, 0x10 },          28, ADDR_RESERVED },
	{ { 0x20, 0x01, 0x00, 0x20 },          28, ADDR_RESERVED },
	{ { 0x20, 0x01, 0x0d, 0xb8 },          32, ADDR_RESERVED }, /* docs */
	{ { 0x3f, 0xff, 0x00 },                20, ADDR_RESERVED }, /* docs */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, ADDR_RESERVED },
	{ { 0xfc },                             7, ADDR_PRIVATE },
	{ { 0xfe, 0x80 },                      10, ADDR_LINKLOCAL },
	{ { 0xfe, 0xc0 },                      10, ADDR_RESERVED },
	{ { 0xff },                             8, ADDR_MULTICAST },
	{ { 0x20 },                             3, ADDR_GLOBAL },
	{ { 0 },                                0, ADDR_RESERVED }, /* the rest */
};
/* clang-format on */

#define NRANGES(t) (sizeof(t) / sizeof((t)[0]))

static bool
bits_match(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static enum addr_class
lookup(const uint8_t *ip, const struct range *t, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* Most differ in the first byte: no call for those. */
		if (t[i].bits >= 8 && t[i].ip[0] != ip[0])
			continue;
		if (bits_match(ip, t[i].ip, t[i].bits))
			return t[i].class;
	}
	return ADDR_GLOBAL;
}

struct naddr
addr_canon(const struct naddr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t compat[12];
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t loopback6[16] = { [15] = 1 };
	struct naddr plain = *a;
	size_t at;

	if (a->fam != NADDR_V6 || naddr_is_any(a) ||
	    memcmp(a->ip, loopback6, 16) == 0)
		return plain;
	if (memcmp(a->ip, mapped, 12) == 0 || memcmp(a->ip, compat, 12) == 0 ||
	    memcmp(a->ip, nat64, 12) == 0)
		at = 12;
	else if (a->ip[0] == 0x20 && a->ip[1] == 0x02) /* 6to4 */
		at = 2;
	else
		return plain;
	memset(plain.ip, 0, sizeof(plain.ip));
	memcpy(plain.ip, a->ip + at, 4);
	plain.fam = NADDR_V4;
	return plain;
}

enum addr_class
addr_class(const struct naddr *a)
{
	struct naddr c = addr_canon(a);

	if (c.fam == NADDR_V4)
		return lookup(c.ip, ranges_v4, NRANGES(ranges_v4));
	if (c.fam == NADDR_V6)
		return lookup(c.ip, ranges_v6, NRANGES(ranges_v6));
	return ADDR_NOWHERE;
}

bool
addr_policy(const struct naddr *a, enum addr_use use, unsigned allow)
{
	if (a->port == 0 && (use == ADDR_DIAL || use == ADDR_ANSWER))
		return false;
	switch (addr_class(a)) {
	case ADDR_GLOBAL:
		return true;
	case ADDR_LOOPBACK:
		return use == ADDR_BIND || (allow & ADDR_ALLOW_LOOPBACK) != 0;
	case ADDR_PRIVATE:
		return use == ADDR_BIND || use == ADDR_ANSWER ||
		    (allow & ADDR_ALLOW_PRIVATE) != 0;
	case ADDR_LINKLOCAL:
		return use == ADDR_BIND || use == ADDR_ANSWER;
	case ADDR_RESERVED:
		return use == ADDR_BIND || (allow & ADDR_ALLOW_RESERVED) != 0;
	case ADDR_NOWHERE:
		return use == ADDR_BIND && naddr_is_any(a);
	case ADDR_MULTICAST:
		break;
	}
	return false;
}

bool
addr_port_is_reflector(uint16_t port)
{
	return port < 1024 || port == 1900 || port == 5353 || port == 11211;
}

struct naddr
addr_prefix(const struct naddr *a, unsigned v4_bits, unsigned v6_bits)
{
	struct naddr p = *a;
	unsigned bits = a->fam == NADDR_V4 ? v4_bits : v6_bits;
	size_t i, n = naddr_ip_len(a);

	p.port = 0;
	for (i = 0; i < n; i++) {
		if (bits >= 8) {
			bits -= 8;
			continue;
		}
		p.ip[i] &= (uint8_t)(0xff00u >> bits);
		bits = 0;
	}
	return p;
}

const char *
addr_class_name(enum addr_class c)
{
	static const char *const names[] = { "global", "loopback", "private",
		"link-local", "reserved", "multicast", "unspecified" };

	return names[c];
}
