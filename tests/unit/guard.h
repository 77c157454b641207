/* SPDX-License-Identifier: ISC */
/*
 * Memory that ends at a page nobody may touch, so that a parser which reads
 * one byte too far dies there and then, with or without sanitizers.
 */
#ifndef WARREN_TEST_GUARD_H
#define WARREN_TEST_GUARD_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
	uint8_t *map;
	size_t page; /* usable bytes, in front of the forbidden page */
};

/* 0 or -1. */
static inline int
guard_open(struct guard *g)
{
	g->page = (size_t)sysconf(_SC_PAGESIZE);
	g->map = mmap(NULL, 2 * g->page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->map == MAP_FAILED)
		return -1;
	return mprotect(g->map + g->page, g->page, PROT_NONE);
}

/* The last len bytes in front of the forbidden page, set from src. */
static inline uint8_t *
guard_put(struct guard *g, const void *src, size_t len)
{
	uint8_t *at = g->map + g->page - len;

	if (len > 0)
		memcpy(at, src, len);
	return at;
}

static inline void
guard_close(struct guard *g)
{
	(void)munmap(g->map, 2 * g->page);
}

#endif
