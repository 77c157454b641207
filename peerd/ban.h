/* SPDX-License-Identifier: ISC */
/*
 * Bans, of keys and of address prefixes.  A ban by score lasts an hour and
 * twice as long each time it is earned again, up to a day; what was earned is
 * remembered for a day after it ended.  A ban by the operator lasts as long
 * as he said and is never dropped to make room.  Links are banned, records
 * never: the database stays identical.  Pure; tested in
 * tests/unit/ban_test.c, its file fuzzed in ban_fuzz.c.
 */
#ifndef WARREN_BAN_H
#define WARREN_BAN_H

#include "common/bytes.h"
#include "common/mono.h"
#include "common/naddr.h"

#define BAN_DEFAULT    1024
#define BAN_FIRST_S    3600
#define BAN_LONGEST_S  86400
#define BAN_MEMORY_S   86400
#define BAN_REASON_MAX 63
#define BAN_EVER       (INT64_MAX / 1000) /* unix s */

/* What is banned: a key when addr.fam is NADDR_NONE, else a prefix. */
struct ban_target {
	uint8_t key[32];
	struct naddr addr;
	uint8_t bits; /* of the prefix, 1..32 or 1..128 */
};

struct ban {
	struct ban_target target;
	int64_t since, until; /* unix s; BAN_EVER: no end */
	uint8_t level;        /* how often it was doubled */
	bool manual;
	bool used;
	char reason[BAN_REASON_MAX + 1]; /* printable ASCII */
};

struct bans {
	struct ban *list; /* the caller's */
	uint32_t cap, n;
};

void bans_init(struct bans *b, struct ban *list, uint32_t cap);

struct ban_target ban_key(const uint8_t key[32]);

/*
 * The prefix around an address.  A single IPv6 address that hides an IPv4 one
 * is banned as that.
 */
struct ban_target ban_prefix(const struct naddr *addr, uint8_t bits);

/* What a score bans: one IPv4 address, or an IPv6 /64. */
struct ban_target ban_host(const struct naddr *addr);

/*
 * Ban by score.  Doubles when the same target was banned before.  Returns the
 * ban, or NULL when the table is full of manual ones.
 */
const struct ban *ban_auto(struct bans *b, const struct ban_target *target,
    const char *reason, struct wall now);

/*
 * Ban by the operator, for s seconds or for ever when s is 0.  Replaces what
 * was there.  NULL when the table is full of manual bans.
 */
const struct ban *ban_manual(struct bans *b, const struct ban_target *target,
    int64_t s, const char *reason, struct wall now);

/* Lift a ban of exactly this target.  False when there is none. */
bool ban_lift(struct bans *b, const struct ban_target *target);

/* The ban in force against a key, or NULL. */
const struct ban *ban_find_key(const struct bans *b, const uint8_t key[32],
    struct wall now);

/* The ban in force whose prefix holds this address, or NULL. */
const struct ban *ban_find_addr(const struct bans *b, const struct naddr *addr,
    struct wall now);

/* Bans in force: start with NULL, ends with NULL. */
const struct ban *ban_next(const struct bans *b, const struct ban *after,
    struct wall now);

/*
 * The file: canonical msgpack rows, one after another.  bans_save() writes
 * all of it, w->bad when it does not fit (BAN_ROW_MAX a ban is enough).
 * bans_load() adds what it reads to an empty table; -1 when it had to stop
 * at a malformed row, keeping those before, 0 at a clean end.
 */
#define BAN_ROW_MAX 160
void bans_save(const struct bans *b, struct wr *w);
int bans_load(struct bans *b, const void *buf, size_t len);

#endif
