/* SPDX-License-Identifier: ISC */
/*
 * Shared texts and their builder, as promised in text.h.
 */
#include "apid/text.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

#define FIRST_CAP 512

static size_t live;
static uint64_t refused;

size_t
text_live(void)
{
	return live;
}

uint64_t
text_refused(void)
{
	return refused;
}

struct text *
text_ref(struct text *t)
{
	ASSERT(t->refs < UINT32_MAX);
	t->refs++;
	return t;
}

void
text_unref(struct text *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	live -= t->cap;
	free(t);
}

void
sb_init(struct sb *sb, size_t max)
{
	*sb = (struct sb){ .max = max < TEXT_ONE_MAX ? max : TEXT_ONE_MAX };
}

/* Make room for n more bytes, doubling. */
static bool
grow(struct sb *sb, size_t n)
{
	size_t len = sb->t == NULL ? 0 : sb->t->len;
	size_t old = sb->t == NULL ? 0 : sb->t->cap, cap = old;
	struct text *t;

	if (n > sb->max - len)
		return false;
	if (cap == 0)
		cap = FIRST_CAP;
	while (cap < len + n)
		cap *= 2;
	if (cap == old)
		return true;
	if (live + (cap - old) >
	    (cap > TEXT_LARGE ? TEXT_LIVE_MAX / 2 : TEXT_LIVE_MAX)) {
		refused++;
		return false;
	}
	if ((t = realloc(sb->t, sizeof(*t) + cap)) == NULL)
		return false;
	if (sb->t == NULL)
		*t = (struct text){ .refs = 1 };
	t->cap = (uint32_t)cap;
	live += cap - old;
	sb->t = t;
	return true;
}

void
sb_add(struct sb *sb, const void *src, size_t n)
{
	if (sb->bad)
		return;
	if (!grow(sb, n)) {
		sb->bad = true;
		return;
	}
	memcpy(sb->t->p + sb->t->len, src, n);
	sb->t->len += (uint32_t)n;
}

void
sb_str(struct sb *sb, const char *s)
{
	sb_add(sb, s, strlen(s));
}

static int
dump(const char *p, size_t n, void *arg)
{
	struct sb *sb = arg;

	sb_add(sb, p, n);
	return sb->bad ? -1 : 0;
}

void
sb_json(struct sb *sb, const json_t *j)
{
	if (j == NULL ||
	    json_dump_callback(j, dump, sb, JSON_COMPACT | JSON_ENCODE_ANY) !=
		0)
		sb->bad = true;
}

void
sb_quote(struct sb *sb, const char *s)
{
	json_t *j = json_string(s);

	sb_json(sb, j);
	json_decref(j);
}

struct text *
sb_end(struct sb *sb)
{
	struct text *t = sb->t;

	if (!sb->bad && t == NULL) /* empty is a text, too */
		sb->bad = !grow(sb, 0), t = sb->t;
	if (sb->bad) {
		sb_drop(sb);
		return NULL;
	}
	sb->t = NULL;
	return t;
}

void
sb_drop(struct sb *sb)
{
	text_unref(sb->t);
	sb->t = NULL;
}
