/* SPDX-License-Identifier: ISC */
/*
 * hosts(5), as the resolver needs it: names to addresses, out of text that
 * was read before the sandbox shut.  Pure; tested in tests/unit/hosts_test.c,
 * fuzzed in tests/fuzz/hosts_fuzz.c.
 */
#ifndef WARREN_HOSTS_H
#define WARREN_HOSTS_H

#include <stddef.h>

#include "common/naddr.h"

#define HOSTS_TEXT_MAX (64u << 10) /* read no more than this */
#define HOSTS_LINE_MAX 1024        /* longer lines do not count */

/*
 * Addresses of name, in the order of the text, each once, with port.  Lines
 * that are not "ADDRESS NAME..." in full are passed over; so are scoped
 * addresses.  Case and a final dot of name do not matter.  Returns how many
 * stand in out, at most max.
 */
unsigned hosts_lookup(const char *text, size_t len, const char *name,
    uint16_t port, struct naddr *out, unsigned max);

#endif
