/* SPDX-License-Identifier: ISC */
/*
 * The address book: where nodes might be reached, kept so that one who
 * floods it with addresses gains little.  As in Bitcoin, an address first
 * enters a "new" cell, chosen by a keyed hash of who told us and where it
 * lies, and moves to a "tried" cell only when a handshake with it completed.
 * An entry that stands in the way is tested before it is evicted.
 *
 * The caller lends the cells.  It has asked addr_policy() before adding.
 * Pure; tested in tests/unit/abook_test.c, its file fuzzed in abook_fuzz.c.
 */
#ifndef WARREN_ABOOK_H
#define WARREN_ABOOK_H

#include "common/bytes.h"
#include "common/mono.h"
#include "common/naddr.h"

#define ABOOK_NIL         UINT32_MAX
#define ABOOK_CLASHES     8
#define ABOOK_HORIZON_S   (30 * 86400) /* not heard of for so long: worthless */
#define ABOOK_NEW_FAILS   3            /* never reached and failed so often */
#define ABOOK_TRIED_FAILS 10           /* once reached, failed so often ... */
#define ABOOK_TRIED_S     (7 * 86400)  /* ... and not reached for so long */
#define ABOOK_WAIT_MIN_S  10           /* between dials; doubles per failure */
#define ABOOK_WAIT_MAX_S  600

/* Addresses one source may give: at once, and 0.1 a second after that. */
#define ABOOK_SOURCE_BURST 1000

/* Groups that are no prefix: see abook_group(). */
#define ABOOK_GROUP_LAN (UINT64_C(1) << 40)

struct abook_conf {
	uint32_t new_buckets, new_size;
	uint32_t tried_buckets, tried_size;
};

/* 10,240 cells, about 1.2 MB; Bitcoin's 1024x64 and 256x64 work as well. */
#define ABOOK_CONF_DEFAULT ((struct abook_conf){ 256, 32, 64, 32 })

struct abook_entry {
	struct naddr addr;
	bool used;
	bool has_id;   /* id is what a source claimed, or a handshake proved */
	uint8_t fails; /* dials since the last success */
	uint32_t next; /* in the index */
	uint8_t id[32];
	uint64_t source; /* group of who told us first */
	int64_t seen;    /* unix s: last heard of */
	int64_t dialled; /* last attempt, 0: never */
	int64_t good;    /* last completed handshake, 0: never */
};

struct abook_clash {
	struct naddr newcomer, holder;
};

struct abook {
	struct abook_conf conf;
	struct abook_entry *cells; /* new, then tried */
	uint32_t *heads;
	uint32_t n_heads, n_new, n_tried, n_clashes;
	struct abook_clash clashes[ABOOK_CLASHES];
	uint8_t key[16];
};

/* What one link may still tell us; lives with the link. */
struct abook_source {
	uint32_t milli; /* thousandths of an address */
	struct mono last;
};

enum abook_rc {
	ABOOK_ADDED, /* new to us */
	ABOOK_SEEN,  /* known, now fresher */
	ABOOK_TRIED, /* good, and in a tried cell */
	ABOOK_CLASH, /* good, but somebody must be tested first */
	ABOOK_FULL   /* its cell is taken by a better one */
};

struct abook_want {
	const uint64_t *groups; /* of the links we have */
	size_t n_groups;
	uint64_t rnd;  /* 64 random bits */
	bool new_only; /* for feelers */
	/* What else an entry must be; NULL: anything will do. */
	bool (*suits)(void *ctx, const struct abook_entry *e);
	void *ctx;
};

/* Cells a configuration needs; the caller allocates so many entries. */
uint32_t abook_cells(const struct abook_conf *conf);

/* key: 16 random bytes, kept in the file from then on. */
void abook_init(struct abook *ab, const struct abook_conf *conf,
    struct abook_entry *cells, uint32_t *heads, uint32_t n_heads,
    const uint8_t key[16]);

/* IPv4 /16, IPv6 /32; everything private is ABOOK_GROUP_LAN. */
uint64_t abook_group(const struct naddr *addr);

/* The group of what a relay told us or leads to. */
uint64_t abook_group_via(const uint8_t id[32]);

/*
 * Somebody of that group told us of an address; id may be NULL.  Only ever
 * enters "new".
 */
enum abook_rc abook_add(struct abook *ab, const struct naddr *addr,
    const uint8_t *id, uint64_t source, struct wall now);

/* We are about to dial it: starts the waiting time. */
void abook_dialled(struct abook *ab, const struct naddr *addr, struct wall now);

/* A handshake with it completed, and this is who answered. */
enum abook_rc abook_good(struct abook *ab, const struct naddr *addr,
    const uint8_t id[32], struct wall now);

/* A dial failed.  Settles a clash in which it held the cell. */
void abook_failed(struct abook *ab, const struct naddr *addr, struct wall now);

/*
 * An address to dial now, or NULL.  Half from new, half from tried; from a
 * group we have no link into if there is one, and rather one that is not
 * worthless.  Borrowed until the next change.
 */
const struct abook_entry *abook_pick(const struct abook *ab,
    const struct abook_want *want, struct wall now);

/* The holder of a contested cell that should be dialled as a test, or NULL. */
const struct abook_entry *abook_test(const struct abook *ab, struct wall now);

const struct abook_entry *abook_find(const struct abook *ab,
    const struct naddr *addr);

/* True when the entry lies in a tried cell. */
bool abook_is_tried(const struct abook *ab, const struct abook_entry *e);

/* When it may be dialled again, unix s. */
int64_t abook_due(const struct abook_entry *e);

/* All entries: start with NULL, ends with NULL. */
const struct abook_entry *abook_next(const struct abook *ab,
    const struct abook_entry *after);

/*
 * Put back an entry that was saved, into its tried cell if it had one and
 * that is free, else into its new cell, else nowhere.  For abook_load().
 */
void abook_restore(struct abook *ab, const struct abook_entry *e, bool tried);

void abook_source_init(struct abook_source *s, struct mono now);

/* May this source add one more address? */
bool abook_source_take(struct abook_source *s, struct mono now);

/*
 * The file: canonical msgpack, [1, key:bin(16)] and then a row an entry.
 * abook_save() writes rows into w from cell *from on (0 writes the head as
 * well), as many as fit, and returns true when that was all.  ABOOK_ROW_MAX
 * bytes of room make progress.  abook_load() fills a book just initialised;
 * 0, or -1 when it met a malformed row, keeping those before.
 */
#define ABOOK_ROW_MAX 128
bool abook_save(const struct abook *ab, struct wr *w, uint32_t *from);
int abook_load(struct abook *ab, const void *buf, size_t len);

#endif
