/* SPDX-License-Identifier: ISC */
/*
 * Versions of records that no settled tick counts yet, by key and tick.  Of
 * one key there is at most one version for each tick, the winner of those
 * that came.  Grows with what it holds, up to a limit; touches no disk and no
 * clock.  Tested in tests/unit/pend_test.c.
 */
#ifndef WARREN_STORE_PEND_H
#define WARREN_STORE_PEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pend {
	uint8_t key[32], rid[32];
	uint64_t hlc;
	uint64_t tick; /* the first one that will count it */
	uint64_t row;  /* on disk: of its key, whichever version lies there */
	int64_t author;
	int32_t w;
	uint32_t next; /* private: chain of its bucket, or of free ones */
	bool used;
	bool tombstone;
	bool held;  /* its author is not admitted so far */
	bool older; /* its key has rows in the table of older versions */
};

struct pends {
	struct pend *all;
	uint32_t *heads;
	uint32_t cap, n, max;
	uint32_t n_heads; /* a power of two */
	uint32_t free;
	uint32_t held;
	uint64_t seed;
};

/* max: versions at most.  No memory is taken before the first. */
void pends_init(struct pends *p, uint32_t max, uint64_t seed);
void pends_fini(struct pends *p);

/* Of the key, or NULL: the latest version, the one for a tick, the latest of
 * those for this tick or earlier ones. */
struct pend *pends_newest(const struct pends *p, const uint8_t key[32]);
struct pend *pends_at(const struct pends *p, const uint8_t key[32],
    uint64_t tick);
struct pend *pends_upto(const struct pends *p, const uint8_t key[32],
    uint64_t tick);

/* A new one for that key and tick, the rest zero; NULL when full or out of
 * memory.  Pointers into the table do not outlive this. */
struct pend *pends_add(struct pends *p, const uint8_t key[32], uint64_t tick);

/* Forget those of the key that are for this tick or earlier ones. */
void pends_remove(struct pends *p, const uint8_t key[32], uint64_t upto);

/* And the one for exactly that tick. */
void pends_remove_at(struct pends *p, const uint8_t key[32], uint64_t tick);

/* Give back what a busier time needed.  Pointers into the table end with it. */
void pends_trim(struct pends *p);

size_t pends_bytes(const struct pends *p);

#endif
