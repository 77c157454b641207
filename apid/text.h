/* SPDX-License-Identifier: ISC */
/*
 * Answers as bytes that may be shared: a cached one goes to many connections
 * at once and lives until the slowest of them has it.  The sum of all that
 * live is bounded, so that slow readers cannot pin memory without end; and
 * large ones may take half of it, so that slow readers of those starve each
 * other and nobody else.
 * Touches no socket; tested in tests/unit/state_test.c.
 */
#ifndef WARREN_TEXT_H
#define WARREN_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_LIVE_MAX (64u << 20) /* bytes of all texts of this process */
#define TEXT_ONE_MAX  (16u << 20) /* bytes of one */
#define TEXT_LARGE    (64u << 10) /* larger ones share half of them all */

struct text {
	uint32_t refs;
	uint32_t cap;
	uint32_t len;
	char p[];
};

/* A builder, sticky on failure; .t is NULL until the first byte. */
struct sb {
	struct text *t;
	size_t max; /* of len; beyond it the builder is bad */
	bool bad;
};

struct text *text_ref(struct text *t);
void text_unref(struct text *t); /* NULL is fine */

void sb_init(struct sb *sb, size_t max);
void sb_add(struct sb *sb, const void *src, size_t n);
void sb_str(struct sb *sb, const char *s);
/* Serialise j, compact; NULL spoils the builder. */
void sb_json(struct sb *sb, const json_t *j);
/* s as a JSON string with its quotes. */
void sb_quote(struct sb *sb, const char *s);

/* The text, now the caller's; NULL when it did not fit or memory is out. */
struct text *sb_end(struct sb *sb);
void sb_drop(struct sb *sb);

/* Bytes alive now, and how often one was refused for the bound. */
size_t text_live(void);
uint64_t text_refused(void);

#endif
