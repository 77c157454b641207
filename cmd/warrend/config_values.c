/* SPDX-License-Identifier: ISC */
/*
 * Values of a configuration: numbers with their units, paths, addresses,
 * names and keys; each reports what is wrong with it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "common/view.h"

#define DIGITS_MAX 10 /* with the largest unit below 2^64 */

/* Decimal digits at the front of text; NULL if none or too many. */
static const char *
take_digits(const char *text, uint64_t *v)
{
	const char *p;

	*v = 0;
	for (p = text; *p >= '0' && *p <= '9'; p++) {
		if (p - text == DIGITS_MAX)
			return NULL;
		*v = *v * 10 + (uint64_t)(*p - '0');
	}
	return p == text ? NULL : p;
}

uint64_t
arg_num(struct conf_args *a, const char *what, uint64_t min, uint64_t max)
{
	const char *text = arg_word(a, "a number");
	const char *end;
	uint64_t v;

	if (a->bad)
		return 0;
	if ((end = take_digits(text, &v)) == NULL || *end != '\0')
		arg_error(a, "%s: '%s' is no number", what, text);
	else if (v < min || v > max)
		arg_error(a, "%s: %s is not within %" PRIu64 "..%" PRIu64, what,
		    text, min, max);
	return a->bad ? 0 : v;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* The unit called name, or NULL. */
static const struct unit *
find_unit(const struct unit *units, const char *name)
{
	for (; units->name != NULL; units++)
		if (strcmp(units->name, name) == 0)
			return units;
	return NULL;
}

static const struct unit time_units[] = { { "ms", 1 }, { "s", 1000 },
	{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit size_units[] = { { "", 1 }, { "K", 1u << 10 },
	{ "M", 1u << 20 }, { "G", 1u << 30 }, { NULL, 0 } };

/* The largest unit that v is a whole number of. */
static const char *
unit_str(const struct unit *units, uint64_t v, char buf[32])
{
	const struct unit *u, *best = units;

	for (u = units; u->name != NULL; u++)
		if (v % u->factor == 0 && v >= u->factor)
			best = u;
	(void)snprintf(buf, 32, "%" PRIu64 "%s", v / best->factor, best->name);
	return buf;
}

const char *
conf_time_str(uint64_t ms, char buf[32])
{
	return ms == 0 ? "0s" : unit_str(time_units, ms, buf);
}

const char *
conf_size_str(uint64_t bytes, char buf[32])
{
	return unit_str(size_units, bytes, buf);
}

/* The value of text in units, or an error that calls it a what. */
static uint64_t
with_unit(struct conf_args *a, const struct unit *units, const char *what,
    const char *wanted, uint64_t min, uint64_t max)
{
	const char *text = arg_word(a, wanted), *end;
	const struct unit *u;
	char lo[32], hi[32];
	uint64_t v;

	if (a->bad)
		return 0;
	if ((end = take_digits(text, &v)) == NULL ||
	    (u = find_unit(units, end)) == NULL) {
		arg_error(a, "%s: '%s' is not %s", what, text, wanted);
		return 0;
	}
	v *= u->factor;
	if (v < min || v > max)
		arg_error(a, "%s: %s is not within %s..%s", what, text,
		    units == time_units ? conf_time_str(min, lo)
					: conf_size_str(min, lo),
		    units == time_units ? conf_time_str(max, hi)
					: conf_size_str(max, hi));
	return a->bad ? 0 : v;
}

uint64_t
arg_size(struct conf_args *a, const char *what, uint64_t min, uint64_t max)
{
	return with_unit(a, size_units, what, "a size such as 8K, 1M or 2G",
	    min, max);
}

uint32_t
arg_time_ms(struct conf_args *a, const char *what, uint64_t min, uint64_t max)
{
	return (uint32_t)with_unit(a, time_units, what,
	    "a time such as 500ms, 25s, 10m, 6h or 7d", min, max);
}

uint32_t
arg_time_s(struct conf_args *a, const char *what, uint64_t min, uint64_t max)
{
	return (uint32_t)(with_unit(a, time_units, what,
			      "a time such as 25s, 10m, 6h or 7d", min * 1000,
			      max * 1000) /
	    1000);
}

uint32_t
arg_rate(struct conf_args *a, const char *what, uint64_t min, uint64_t max)
{
	const char *text = arg_word(a, "a rate such as 10/s"), *end;
	uint64_t v;

	if (a->bad)
		return 0;
	if ((end = take_digits(text, &v)) == NULL || strcmp(end, "/s") != 0)
		arg_error(a, "%s: '%s' is not a rate such as 10/s", what, text);
	else if (v < min || v > max)
		arg_error(a,
		    "%s: %s is not within %" PRIu64 "/s..%" PRIu64 "/s", what,
		    text, min, max);
	return a->bad ? 0 : (uint32_t)v;
}

bool
arg_yes_no(struct conf_args *a)
{
	static const char *const words[] = { "yes", "no" };

	return arg_choice(a, words, 2) == 0;
}

void
arg_str(struct conf_args *a, const char *what, char *out, size_t cap)
{
	const char *text = arg_word(a, what), *p;
	size_t len = strlen(text);

	if (a->bad)
		return;
	for (p = text; *p != '\0'; p++) {
		if ((uint8_t)*p < 0x20 || (uint8_t)*p > 0x7e) {
			arg_error(a, "%s: only printable ASCII", what);
			return;
		}
	}
	if (len == 0)
		arg_error(a, "%s is empty", what);
	else if (len >= cap)
		arg_error(a, "%s is longer than %zu bytes", what, cap - 1);
	else
		memcpy(out, text, len + 1);
}

void
arg_path(struct conf_args *a, const char *what, char *out, size_t cap)
{
	arg_str(a, what, out, cap);
	if (!a->bad && out[0] != '/')
		arg_error(a, "%s: '%s' is not an absolute path", what, out);
}

uint16_t
arg_port(struct conf_args *a)
{
	return (uint16_t)arg_num(a, "port", 0, UINT16_MAX);
}

struct naddr
arg_addr(struct conf_args *a, bool *any)
{
	const char *text = arg_word(a, "an address");
	struct naddr addr = { .fam = NADDR_NONE };

	if (a->bad)
		return addr;
	if (any != NULL && strcmp(text, "*") == 0) {
		*any = true;
		addr.fam = NADDR_V4;
	} else if (naddr_parse_ip(&addr, text, 0) == -1) {
		arg_error(a, "'%s' is no IPv4 or IPv6 address", text);
	}
	return addr;
}

static bool
is_digits(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* Labels of 1 to 63 letters, digits, '-' and '_', the last no number. */
static bool
is_dns_name(const char *name)
{
	const char *label = name, *dot;
	size_t n;

	for (;;) {
		dot = strchr(label, '.');
		n = dot != NULL ? (size_t)(dot - label) : strlen(label);
		if (n == 0 || n > 63 ||
		    strspn(label,
			"abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != n)
			return false;
		if (dot == NULL || dot[1] == '\0')
			break;
		label = dot + 1;
	}
	return !is_digits(label);
}

void
arg_dns_name(struct conf_args *a, char *out, size_t cap)
{
	arg_str(a, "a DNS name", out, cap);
	if (!a->bad && !is_dns_name(out))
		arg_error(a, "'%s' is no DNS name", out);
}

void
arg_host(struct conf_args *a, char *out, size_t cap)
{
	struct naddr addr;

	arg_str(a, "an address or DNS name", out, cap);
	if (!a->bad && naddr_parse_ip(&addr, out, 0) == -1 && !is_dns_name(out))
		arg_error(a, "'%s' is no address and no DNS name", out);
}

void
arg_key(struct conf_args *a, uint8_t key[32])
{
	const char *text = arg_word(a, "a key of 64 hex digits");

	if (!a->bad && node_id_parse(key, text) == -1)
		arg_error(a, "'%s' is no key of 64 hex digits", text);
}
