/* SPDX-License-Identifier: ISC */
/*
 * Addresses of apps, as promised in app_addr.h.
 */
#include "appd/app_addr.h"

#include <string.h>

#define PORT_DIGITS 5

/* The value of a hex digit and 16, so that 0 is every other character. */
static const uint8_t hex_value[256] = {
	['0'] = 16,
	['1'] = 17,
	['2'] = 18,
	['3'] = 19,
	['4'] = 20,
	['5'] = 21,
	['6'] = 22,
	['7'] = 23,
	['8'] = 24,
	['9'] = 25,
	['a'] = 26,
	['b'] = 27,
	['c'] = 28,
	['d'] = 29,
	['e'] = 30,
	['f'] = 31,
	['A'] = 26,
	['B'] = 27,
	['C'] = 28,
	['D'] = 29,
	['E'] = 30,
	['F'] = 31,
};

void
app_pk_put_hex(char out[APP_PK_HEX], const uint8_t pk[APP_PK_LEN])
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < APP_PK_LEN; i++) {
		out[2 * i] = hex[pk[i] >> 4];
		out[2 * i + 1] = hex[pk[i] & 15];
	}
}

int
app_pk_get_hex(uint8_t pk[APP_PK_LEN], const char hex[APP_PK_HEX])
{
	uint8_t hi, lo, ok = 16;
	size_t i;

	for (i = 0; i < APP_PK_LEN; i++) {
		hi = hex_value[(uint8_t)hex[2 * i]];
		lo = hex_value[(uint8_t)hex[2 * i + 1]];
		ok &= hi & lo;
		pk[i] = (uint8_t)(hi << 4 | (lo & 15));
	}
	return ok == 16 ? 0 : -1;
}

size_t
app_port_put(char out[5], uint16_t port)
{
	char buf[PORT_DIGITS];
	size_t n = 0, i;

	do {
		buf[n++] = (char)('0' + port % 10);
		port /= 10;
	} while (port > 0);
	for (i = 0; i < n; i++)
		out[i] = buf[n - 1 - i];
	return n;
}

int
app_port_get(uint16_t *port, const char *p, size_t len)
{
	uint32_t v = 0;
	size_t i;

	if (len == 0 || len > PORT_DIGITS || (len > 1 && p[0] == '0'))
		return -1;
	for (i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (uint32_t)(p[i] - '0');
	}
	if (v > UINT16_MAX)
		return -1;
	*port = (uint16_t)v;
	return 0;
}

size_t
app_addr_put_text(char out[APP_ADDR_TEXT], const struct app_addr *a)
{
	size_t n = APP_PK_HEX;

	app_pk_put_hex(out, a->pk);
	out[n++] = ':';
	n += app_port_put(out + n, a->port);
	out[n] = '\0';
	return n;
}

int
app_addr_get_text(struct app_addr *a, const char *text)
{
	size_t len = strnlen(text, APP_ADDR_TEXT);

	if (len <= APP_PK_HEX || text[APP_PK_HEX] != ':' ||
	    app_pk_get_hex(a->pk, text) == -1)
		return -1;
	return app_port_get(&a->port, text + APP_PK_HEX + 1,
	    len - APP_PK_HEX - 1);
}

bool
app_addr_is_unset(const struct app_addr *a)
{
	static const struct app_addr unset;

	return app_addr_equal(a, &unset);
}

bool
app_addr_equal(const struct app_addr *a, const struct app_addr *b)
{
	return a->port == b->port && memcmp(a->pk, b->pk, APP_PK_LEN) == 0;
}
