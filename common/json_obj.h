/* SPDX-License-Identifier: ISC */
/*
 * Building JSON without a check at every step: struct jo is sticky, a value
 * that could not be had spoils the object it belongs to, and so on outwards,
 * so that nobody is ever shown half of one.  Tested in view_json_test.c.
 */
#ifndef WARREN_JSON_OBJ_H
#define WARREN_JSON_OBJ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/naddr.h"

struct jo {
	json_t *j;
	bool bad;
};

struct jo jo_new(void);  /* an object */
struct jo jo_list(void); /* an array */

/* Take v; NULL spoils. */
void jo_put(struct jo *o, const char *key, json_t *v);
void jo_add(struct jo *o, json_t *v);

/* What was built, a new reference; NULL when spoilt. */
json_t *jo_end(struct jo *o);

/* Values, NULL when there is no memory. */
json_t *jv_text(const char *s); /* null when empty */
json_t *jv_word(const char *s); /* null for "unknown" */
json_t *jv_number(uint64_t v);  /* a decimal string above 2^63 */
json_t *jv_maybe(uint64_t v);   /* null for MSG_NULL64 */
json_t *jv_tri(int v);          /* null below 0 */
json_t *jv_hex(const uint8_t *p, size_t n);
json_t *jv_addr_port(const struct naddr *a); /* "ip:port" or null */
json_t *jv_addr_ip(const struct naddr *a);   /* null for the any-address */
json_t *jv_addr_host(const struct naddr *a); /* as in a URL: "[ip6]" */
json_t *jv_port(const struct naddr *a);      /* null for 0 and no address */
json_t *jv_time(uint64_t ms);                /* ISO 8601, null for MSG_NULL64 */

#endif
