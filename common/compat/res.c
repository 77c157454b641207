/* SPDX-License-Identifier: ISC */
/*
 * Name servers of a resolver state, as promised in res.h.  glibc takes an
 * IPv6 server from nsaddrs[], allocated for res_nclose() to free, wherever
 * the IPv4 entry of the same number has no family.  Its own nscount at 0 makes
 * it copy the list anew.
 */
#include "common/compat/res.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool
set_v6(res_state res, unsigned at, const struct sockaddr_storage *ss)
{
#ifdef __GLIBC__
	struct sockaddr_in6 *sin6 = res->_u._ext.nsaddrs[at];

	if (sin6 == NULL && (sin6 = malloc(sizeof(*sin6))) == NULL)
		return false;
	memcpy(sin6, ss, sizeof(*sin6));
	res->_u._ext.nsaddrs[at] = sin6;
	memset(&res->nsaddr_list[at], 0, sizeof(res->nsaddr_list[at]));
	return true;
#else
	(void)res;
	(void)at;
	(void)ss;
	return false;
#endif
}

unsigned
compat_res_servers(res_state res, const struct naddr *servers, unsigned n)
{
	struct sockaddr_storage ss;
	unsigned i, used = 0;

	for (i = 0; i < n && used < MAXNS; i++) {
		(void)naddr_to_sockaddr(&servers[i], &ss);
		if (servers[i].fam == NADDR_V4)
			memcpy(&res->nsaddr_list[used++], &ss,
			    sizeof(res->nsaddr_list[0]));
		else if (servers[i].fam == NADDR_V6 && set_v6(res, used, &ss))
			used++;
	}
	if (used > 0)
		res->nscount = (int)used;
#ifdef __GLIBC__
	if (used > 0)
		res->_u._ext.nscount = 0;
#endif
	return used;
}
