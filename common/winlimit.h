/* SPDX-License-Identifier: ISC */
/*
 * Requests a window, for the API (RateLimitConfig).  A network may make max
 * requests in window_ms, counted from the first one.  Trying for more is a
 * violation, one a window at most; after `violations` of them the network is
 * on the blacklist for blacklist_ms.  A violation is forgotten after the
 * same time.
 *
 * Who is exempt (loopback, static peers) the caller knows.  It must not ask
 * here about a UDP source before that has proved its address, or a forged
 * one would put its victim on the blacklist.
 *
 * Pure; tested in tests/unit/winlimit_test.c.
 */
#ifndef WARREN_WINLIMIT_H
#define WARREN_WINLIMIT_H

#include "common/mono.h"
#include "common/naddr.h"

#define WINLIMIT_KEY  16 /* bytes of a secret, crypto_shorthash_KEYBYTES */
#define WINLIMIT_WAYS 8  /* networks that share one row of the table */

struct winlimit_cfg {
	uint32_t window_ms;    /* default 30000 */
	uint32_t requests_max; /* default 500; 0 = no limit */
	uint32_t violations;   /* default 3; 0 = never blacklist */
	uint32_t blacklist_ms; /* default 3600000 */
	uint8_t v4_bits;       /* default 32 */
	uint8_t v6_bits;       /* default 64 */
};

#define WINLIMIT_DEFAULTS                                                      \
	((struct winlimit_cfg){ 30000, 500, 3, 3600000, 32, 64 })

enum winlimit_answer { WINLIMIT_OK, WINLIMIT_OVER, WINLIMIT_BLACKLISTED };

struct winlimit_entry {
	struct naddr net;      /* fam NADDR_NONE: free */
	uint32_t count;        /* requests in this window */
	uint32_t violations;   /* violated windows not yet forgotten */
	bool violated;         /* this window already counted as one */
	struct mono window;    /* end of this window */
	struct mono forget;    /* when violations go back to 0 */
	struct mono blacklist; /* refused until then */
	struct mono used;      /* last request */
};

struct winlimit {
	struct winlimit_cfg cfg;
	struct winlimit_entry *entries; /* the caller's memory */
	uint32_t rows;
	uint8_t key[WINLIMIT_KEY];
};

/*
 * An empty table in entries[0..n), which must outlive it; n is a multiple of
 * WINLIMIT_WAYS.  key is secret and decides who shares a row.
 */
void winlimit_init(struct winlimit *wl, const struct winlimit_cfg *cfg,
    struct winlimit_entry *entries, size_t n, const uint8_t key[WINLIMIT_KEY]);

/*
 * Ask for cost requests at once: a batch counts as its items.  All are
 * allowed or none, and what is refused is not counted.  *retry_ms says how
 * long to wait before asking again; 0 with WINLIMIT_OK.
 *
 * In a full row the longest unused network off the blacklist makes room for
 * a new one; if all are on it, the one with the least time left.
 */
enum winlimit_answer winlimit_ask(struct winlimit *wl, const struct naddr *from,
    uint32_t cost, struct mono now, int64_t *retry_ms);

/* Forget all about the network of from. */
void winlimit_pardon(struct winlimit *wl, const struct naddr *from);

/* retry_ms as whole seconds for Retry-After (RFC 9110): rounded up. */
int64_t winlimit_retry_s(int64_t retry_ms);

#endif
