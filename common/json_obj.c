/* SPDX-License-Identifier: ISC */
/*
 * Objects and values, as promised in json_obj.h.
 */
#include "common/json_obj.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/msg.h"
#include "common/view_json.h"

struct jo
jo_new(void)
{
	json_t *j = json_object();

	return (struct jo){ j, j == NULL };
}

struct jo
jo_list(void)
{
	json_t *j = json_array();

	return (struct jo){ j, j == NULL };
}

void
jo_put(struct jo *o, const char *key, json_t *v)
{
	if (o->bad)
		json_decref(v);
	else if (v == NULL || json_object_set_new_nocheck(o->j, key, v) == -1)
		o->bad = true;
}

void
jo_add(struct jo *o, json_t *v)
{
	if (o->bad)
		json_decref(v);
	else if (v == NULL || json_array_append_new(o->j, v) == -1)
		o->bad = true;
}

json_t *
jo_end(struct jo *o)
{
	if (!o->bad)
		return o->j;
	json_decref(o->j);
	return NULL;
}

/* --- values --- */

json_t *
jv_text(const char *s)
{
	return s == NULL || s[0] == '\0' ? json_null() : json_string(s);
}

json_t *
jv_word(const char *s)
{
	return strcmp(s, "unknown") == 0 ? json_null() : json_string(s);
}

/* Above 2^63 there is no JSON integer: a decimal string keeps every digit. */
json_t *
jv_number(uint64_t v)
{
	char buf[24];

	if (v <= INT64_MAX)
		return json_integer((json_int_t)v);
	(void)snprintf(buf, sizeof(buf), "%llu", (unsigned long long)v);
	return json_string(buf);
}

json_t *
jv_maybe(uint64_t v)
{
	return v == MSG_NULL64 ? json_null() : jv_number(v);
}

json_t *
jv_tri(int v)
{
	return v < 0 ? json_null() : json_boolean(v);
}

json_t *
jv_hex(const uint8_t *p, size_t n)
{
	char buf[129], *big;
	json_t *j;

	if (n <= 64)
		return json_string(sodium_bin2hex(buf, sizeof(buf), p, n));
	if ((big = malloc(n * 2 + 1)) == NULL)
		return NULL;
	j = json_string(sodium_bin2hex(big, n * 2 + 1, p, n));
	free(big);
	return j;
}

json_t *
jv_addr_port(const struct naddr *a)
{
	char buf[NADDR_STR];

	return a->fam == NADDR_NONE ? json_null()
				    : json_string(naddr_str(a, buf));
}

json_t *
jv_addr_ip(const struct naddr *a)
{
	char buf[NADDR_STR];

	return a->fam == NADDR_NONE || naddr_is_any(a)
	    ? json_null()
	    : json_string(naddr_ip_str(a, buf));
}

json_t *
jv_addr_host(const struct naddr *a)
{
	char ip[NADDR_STR], buf[NADDR_STR + 2];

	if (a->fam != NADDR_V6 || naddr_is_any(a))
		return jv_addr_ip(a);
	(void)snprintf(buf, sizeof(buf), "[%s]", naddr_ip_str(a, ip));
	return json_string(buf);
}

json_t *
jv_port(const struct naddr *a)
{
	return a->fam == NADDR_NONE || a->port == 0 ? json_null()
						    : jv_number(a->port);
}

const char *
view_time_str(uint64_t ms, char buf[VIEW_TIME_STR])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (gmtime_r(&t, &tm) == NULL ||
	    (n = strftime(buf, VIEW_TIME_STR, "%Y-%m-%dT%H:%M:%S", &tm)) == 0) {
		buf[0] = '\0';
		return buf;
	}
	(void)snprintf(buf + n, VIEW_TIME_STR - n, ".%03uZ",
	    (unsigned)(ms % 1000));
	return buf;
}

json_t *
jv_time(uint64_t ms)
{
	char buf[VIEW_TIME_STR];

	return ms == MSG_NULL64 ? json_null() : jv_text(view_time_str(ms, buf));
}
