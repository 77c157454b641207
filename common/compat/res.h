/* SPDX-License-Identifier: ISC */
/*
 * Name servers of a resolver state: every C library keeps the IPv6 ones
 * somewhere else.
 */
#ifndef WARREN_COMPAT_RES_H
#define WARREN_COMPAT_RES_H

#include <netinet/in.h>
#include <resolv.h>
#include <sys/types.h>

#include "common/naddr.h"

/*
 * Ask these n servers instead of the system's; what does not fit (MAXNS, or
 * IPv6 where the library has no place for it) is left out.  Returns how many
 * are in use.
 */
unsigned compat_res_servers(res_state res, const struct naddr *servers,
    unsigned n);

#endif
