/* SPDX-License-Identifier: ISC */
/*
 * What several unit tests share: "name = hex" vector files, and copies that
 * end at an unreadable page, so that one byte too far is a crash.
 */
#ifndef WARREN_TESTS_VEC_H
#define WARREN_TESTS_VEC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VEC_LINE_MAX 40000

/* Path of a file of the source tree; WARREN_SRC moves its root. */
static inline FILE *
vec_open(const char *file)
{
	const char *root = getenv("WARREN_SRC");
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", root == NULL ? "." : root,
	    file);
	return fopen(path, "r");
}

/* Find "name = hex" in a vector file; its length in bytes, or -1. */
static inline int
vec_get(const char *file, const char *name, uint8_t *out, size_t cap)
{
	static char line[VEC_LINE_MAX];
	size_t len = strlen(name), n = 0;
	FILE *f = vec_open(file);
	unsigned byte;
	const char *p;

	if (f == NULL) {
		fprintf(stderr, "%s: not found; set WARREN_SRC\n", file);
		return -1;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, name, len) != 0 ||
		    strncmp(line + len, " =", 2) != 0)
			continue;
		for (p = line + len + 2; *p == ' '; p++)
			;
		while (n < cap && sscanf(p, "%2x", &byte) == 1) {
			out[n++] = (uint8_t)byte;
			p += 2;
		}
		(void)fclose(f);
		return (int)n;
	}
	(void)fclose(f);
	return -1;
}

/* len bytes of buf, flush against a page that cannot be read. */
struct flush {
	uint8_t *map;
	size_t size;
	uint8_t *at;
};

static inline uint8_t *
flush_copy(struct flush *fl, const void *buf, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	fl->size = (len / page + 2) * page;
	fl->map = mmap(NULL, fl->size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fl->map == MAP_FAILED)
		abort();
	if (mprotect(fl->map + fl->size - page, page, PROT_NONE) != 0)
		abort();
	fl->at = fl->map + fl->size - page - len;
	if (len > 0)
		memcpy(fl->at, buf, len);
	return fl->at;
}

static inline void
flush_free(struct flush *fl)
{
	(void)munmap(fl->map, fl->size);
}

#endif
