/* SPDX-License-Identifier: ISC */
/*
 * Addresses of apps: a node's public key and a port of sixteen bits, as text
 * <pk>:<port>; and loops, which have one at each end.  Pure; tested in
 * tests/unit/app_json_test.c.
 */
#ifndef WARREN_APP_ADDR_H
#define WARREN_APP_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APP_PK_LEN    32
#define APP_PK_HEX    64
#define APP_ADDR_TEXT 71 /* <pk>:<port> at its longest, with the NUL */

struct app_addr {
	uint8_t pk[APP_PK_LEN]; /* Ed25519; all zero: not set */
	uint16_t port;
};

struct app_loop {
	struct app_addr local;  /* the end of whoever holds the loop */
	struct app_addr remote; /* the other end */
};

/* Write the 64 lower-case digits of pk, without a NUL. */
void app_pk_put_hex(char out[APP_PK_HEX], const uint8_t pk[APP_PK_LEN]);

/* Read 64 digits of either case; -1 when one of them is none. */
int app_pk_get_hex(uint8_t pk[APP_PK_LEN], const char hex[APP_PK_HEX]);

/* Write <pk>:<port> with its NUL; returns its characters. */
size_t app_addr_put_text(char out[APP_ADDR_TEXT], const struct app_addr *a);

/* Read <pk>:<port>, whole; -1 when it is anything else. */
int app_addr_get_text(struct app_addr *a, const char *text);

/* True for the address that was never set: no key and port 0. */
bool app_addr_is_unset(const struct app_addr *a);
bool app_addr_equal(const struct app_addr *a, const struct app_addr *b);

/* Write 0..65535 in decimal, without a NUL; returns its digits, 1 to 5. */
size_t app_port_put(char out[5], uint16_t port);

/*
 * Read len characters as a port in the one form that we write: no sign, no
 * leading zeros, at most 65535.  Returns -1 for anything else.
 */
int app_port_get(uint16_t *port, const char *p, size_t len);

#endif
