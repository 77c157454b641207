/* SPDX-License-Identifier: ISC */
/*
 * The cursor over a statement's words: keywords, and the errors about them.
 * The values are in config_values.c.
 */
#include "cmd/warrend/config_args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
arg_init(struct conf_args *a, struct conf_load *ld, const char *file,
    const struct stmt *st)
{
	memset(a, 0, sizeof(*a));
	a->ld = ld;
	a->c = ld->c;
	a->file = file;
	a->st = st;
	a->next = st->words;
	a->line = st->words->line;
	a->row = CONF_WORDS;
	a->option = st->block;
}

void
arg_error(struct conf_args *a, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (a->bad)
		return;
	a->bad = true;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_error(a->ld, a->file, a->last != NULL ? a->last->line : a->line,
	    "%s", text);
}

bool
arg_end(const struct conf_args *a)
{
	return a->bad || a->next == NULL;
}

static const struct word *
take(struct conf_args *a)
{
	const struct word *w;

	if (arg_end(a))
		return NULL;
	w = a->next;
	a->next = w->next;
	a->last = w;
	return w;
}

void
arg_done(struct conf_args *a)
{
	if (arg_end(a))
		return;
	(void)take(a);
	arg_error(a, "'%s' is one word too many", a->last->text);
}

/* "one of a, b, c", or "'a'" when there is but one. */
static const char *
list_words(const char *const *words, unsigned n, char *buf, size_t cap)
{
	size_t used;
	unsigned i;

	if (n == 1) {
		(void)snprintf(buf, cap, "'%s'", words[0]);
		return buf;
	}
	(void)snprintf(buf, cap, "one of");
	for (i = 0; i < n; i++) {
		used = strlen(buf);
		(void)snprintf(buf + used, cap - used, "%s %s",
		    i > 0 ? "," : "", words[i]);
	}
	return buf;
}

unsigned
arg_choice(struct conf_args *a, const char *const *words, unsigned n)
{
	const struct word *before = a->last, *w = take(a);
	const char *near;
	char list[700];
	unsigned i;

	if (a->bad)
		return n;
	if (w == NULL) {
		arg_error(a, "'%s' wants %s after it",
		    before != NULL ? before->text : "the line",
		    list_words(words, n, list, sizeof(list)));
		return n;
	}
	for (i = 0; i < n && !w->quoted; i++)
		if (strcmp(w->text, words[i]) == 0)
			return i;
	if (w->quoted)
		arg_error(a, "\"%s\": a quoted string is no word to begin with",
		    w->text);
	else if ((near = conf_nearest(w->text, words, n)) != NULL)
		arg_error(a, "unknown word '%s' (did you mean '%s'?)", w->text,
		    near);
	else if (n <= 12)
		arg_error(a, "unknown word '%s' (expected %s)", w->text,
		    list_words(words, n, list, sizeof(list)));
	else
		arg_error(a, "unknown word '%s'", w->text);
	return n;
}

bool
arg_is(struct conf_args *a, const char *keyword)
{
	if (arg_end(a) || a->next->quoted ||
	    strcmp(a->next->text, keyword) != 0)
		return false;
	(void)take(a);
	return true;
}

void
arg_want(struct conf_args *a, const char *keyword)
{
	(void)arg_choice(a, &keyword, 1);
}

const char *
arg_word(struct conf_args *a, const char *what)
{
	const struct word *before = a->last, *w = take(a);

	if (w != NULL)
		return w->text;
	arg_error(a, "'%s' wants %s after it",
	    before != NULL ? before->text : "the line", what);
	return "";
}

struct conf_origin
arg_origin(const struct conf_args *a)
{
	return (struct conf_origin){ a->file, a->line };
}

bool
arg_claim(struct conf_args *a, enum conf_word w)
{
	const struct conf_origin *at = &a->c->origins[w];
	char title[64];

	if (a->bad)
		return false;
	if (a->ld->set_by[w] >= a->ld->rank) {
		arg_error(a, "'%s' is set twice (first at %s:%d)",
		    conf_row_title(w, title), at->file, at->line);
		return false;
	}
	a->ld->set_by[w] = a->ld->rank;
	a->c->origins[w] = arg_origin(a);
	return true;
}

bool
conf_list_begin(struct conf_args *a, bool none)
{
	struct conf_load *ld = a->ld;
	bool was_none = ld->none[a->row];

	if (a->bad)
		return false;
	/* "no" and "on" exclude each other, but a later include may differ. */
	if ((none || was_none || ld->set_by[a->row] == 0) &&
	    !arg_claim(a, a->row))
		return false;
	ld->none[a->row] = none;
	return true;
}

bool
conf_next_option(struct conf_args *a, struct conf_args *option)
{
	const struct stmt *st;

	while ((st = a->option) != NULL) {
		a->option = st->next;
		if (conf_expand(a->ld, a->file, st)) {
			arg_init(option, a->ld, a->file, st);
			return true;
		}
		a->bad = true;
	}
	return false;
}

#define NEAR_LEN 31

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	a = b < a ? b : a;
	return c < a ? c : a;
}

/* Letters to add, drop, change or swap to make b of a. */
static unsigned
distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned d[NEAR_LEN + 1][NEAR_LEN + 1];
	unsigned i, j;

	for (i = 0; i <= na; i++)
		d[i][0] = i;
	for (j = 0; j <= nb; j++)
		d[0][j] = j;
	for (i = 1; i <= na; i++) {
		for (j = 1; j <= nb; j++) {
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
			    d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[na][nb];
}

const char *
conf_nearest(const char *word, const char *const *candidates, unsigned n)
{
	const char *best = NULL;
	unsigned i, dist, best_dist = 3;
	size_t len = strlen(word), cand;

	if (len > NEAR_LEN)
		return NULL;
	for (i = 0; i < n; i++) {
		cand = strlen(candidates[i]);
		if (cand > NEAR_LEN)
			continue;
		dist = distance(word, len, candidates[i], cand);
		/* Half of a short word changed is another word. */
		if (dist < best_dist && dist * 2 <= cand) {
			best = candidates[i];
			best_dist = dist;
		}
	}
	return best;
}
