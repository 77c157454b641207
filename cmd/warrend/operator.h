/* SPDX-License-Identifier: ISC */
/*
 * Hosts that an operator named, in the configuration or by "warrenctl peer
 * add".  Only their addresses may be dialled whatever the address policy
 * says of their class; peerd's word alone is not enough for that.
 */
#ifndef WARREN_OPERATOR_H
#define WARREN_OPERATOR_H

#include <stdbool.h>

/* Trust a host name or address for this run. */
void operator_trust_host(const char *host);

/*
 * The same, remembered across restarts, with the name and key that were given
 * for the peer (either may be empty); and forgotten again by any of the three.
 * Addresses already found for the host stay trusted until warrend restarts.
 */
void operator_add_host(const char *host, const char *alias, const char *key);
void operator_delete_host(const char *word);

/* Read what operator_add_host() remembered. */
void operator_read(void);

bool operator_knows_host(const char *host);

#endif
