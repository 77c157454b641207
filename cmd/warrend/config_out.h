/* SPDX-License-Identifier: ISC */
/*
 * Writing a configuration line by line, with or without where each line came
 * from.  Private to config_*.c.
 */
#ifndef WARREN_CONFIG_OUT_H
#define WARREN_CONFIG_OUT_H

#include <stdio.h>

#include "cmd/warrend/config.h"

struct conf_out {
	FILE *out;
	bool origins;
	bool inside; /* a block: indent */
};

#define CONF_QUOTED (2 * CONF_PATH + 3)

/* One line; at NULL: nothing to say about its origin. */
void conf_line(struct conf_out *o, const struct conf_origin *at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* text as a quoted string.  Returns buf. */
const char *conf_quote(const char *text, char buf[CONF_QUOTED]);

/* " port 80" after an address. */
#define CONF_ADDR (NADDR_STR + 16)
const char *conf_addr_str(const struct naddr *a, bool any, char buf[CONF_ADDR]);

#endif
