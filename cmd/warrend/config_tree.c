/* SPDX-License-Identifier: ISC */
/*
 * The arena that a configuration's statements live in, and their list.
 */
#include "cmd/warrend/config_tree.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (16u << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

void *
arena_get(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks;
	size_t cap;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (c == NULL || n > c->cap - c->used) {
		cap = n > CHUNK_SIZE ? n : CHUNK_SIZE;
		if ((c = malloc(sizeof(*c) + cap)) == NULL)
			return NULL;
		c->next = a->chunks;
		c->used = 0;
		c->cap = cap;
		a->chunks = c;
	}
	p = c->data + c->used;
	c->used += n;
	memset(p, 0, n);
	return p;
}

char *
arena_text(struct arena *a, const char *text, size_t n)
{
	char *p = arena_get(a, n + 1);

	if (p != NULL)
		memcpy(p, text, n);
	return p;
}

void
arena_fini(struct arena *a)
{
	struct arena_chunk *c;

	while ((c = a->chunks) != NULL) {
		a->chunks = c->next;
		free(c);
	}
}

void
tree_add(struct tree *t, struct stmt *st)
{
	if (st == NULL)
		return;
	if (t->last == NULL)
		t->first = st;
	else
		t->last->next = st;
	t->last = st;
}

bool
tree_add_error(struct tree *t, int line, const char *text)
{
	struct stmt *st = arena_get(&t->arena, sizeof(*st));
	struct word *w = arena_get(&t->arena, sizeof(*w));

	if (st == NULL || w == NULL ||
	    (w->text = arena_text(&t->arena, text, strlen(text))) == NULL)
		return false;
	w->line = line;
	st->kind = STMT_ERROR;
	st->words = w;
	tree_add(t, st);
	return true;
}
