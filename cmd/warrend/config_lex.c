/* SPDX-License-Identifier: ISC */
/*
 * The lexer, as promised in config_lex.h.
 */
#include "cmd/warrend/config_lex.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/config_load.h"

void
lex_init(struct lexer *lx, struct conf_load *ld, struct tree *tree,
    const char *file, const char *text, size_t len)
{
	memset(lx, 0, sizeof(*lx));
	lx->ld = ld;
	lx->tree = tree;
	lx->file = file;
	lx->p = text;
	lx->end = text + len;
	lx->line = 1;
	lx->line_begins = true;
	lx->last = LEX_NL;
}

/* Report, unless what is being skipped is at fault. */
static enum lex_tok
bad(struct lexer *lx, int line, const char *text)
{
	if (!lx->recover) {
		if (!tree_add_error(lx->tree, line, text))
			conf_error(lx->ld, lx->file, line, "%s", text);
		lx->reported = true;
	}
	return LEX_BAD;
}

static const char *
line_end(const struct lexer *lx)
{
	const char *nl = NULL;

	if (lx->p < lx->end)
		nl = memchr(lx->p, '\n', (size_t)(lx->end - lx->p));
	return nl != NULL ? nl : lx->end;
}

/* Over blanks, comments and continued lines.  False when a line is too long
 * or a backslash stands astray. */
static bool
skip_blanks(struct lexer *lx)
{
	while (lx->p < lx->end) {
		if (lx->line_begins) {
			lx->line_begins = false;
			if (line_end(lx) - lx->p > LEX_LINE_MAX) {
				(void)bad(lx, lx->line,
				    "line longer than 4096 bytes");
				lx->p = line_end(lx);
				return false;
			}
		}
		switch (*lx->p) {
		case ' ':
		case '\t':
			lx->p++;
			break;
		case '#':
			lx->p = line_end(lx);
			break;
		case '\\':
			if (lx->end - lx->p < 2 || lx->p[1] != '\n') {
				lx->p++;
				(void)bad(lx, lx->line,
				    "'\\' must be the last byte of its line");
				return false;
			}
			lx->p += 2;
			lx->line++;
			lx->line_begins = true;
			break;
		default:
			return true;
		}
	}
	return true;
}

static bool
is_word_byte(char c)
{
	return (uint8_t)c > 0x20 && (uint8_t)c < 0x7f &&
	    strchr("{},=#\"\\", c) == NULL;
}

static enum lex_tok
make_word(struct lexer *lx, const char *text, size_t len, bool quoted)
{
	struct word *w;

	lx->word = NULL;
	if (lx->recover)
		return LEX_WORD; /* nobody will look at it */
	w = arena_get(&lx->tree->arena, sizeof(*w));
	if (w == NULL ||
	    (w->text = arena_text(&lx->tree->arena, text, len)) == NULL)
		return bad(lx, lx->line, "out of memory");
	w->line = lx->line;
	w->quoted = quoted;
	lx->word = w;
	return LEX_WORD;
}

static enum lex_tok
take_string(struct lexer *lx)
{
	char text[LEX_LINE_MAX];
	size_t n = 0;
	char c;

	for (lx->p++; lx->p < lx->end && *lx->p != '\n'; lx->p++) {
		c = *lx->p;
		if (c == '"') {
			lx->p++;
			return make_word(lx, text, n, true);
		}
		if (c == '\\' && lx->end - lx->p > 1 &&
		    (lx->p[1] == '"' || lx->p[1] == '\\'))
			c = *++lx->p;
		else if ((uint8_t)c >= 0x80)
			return bad(lx, lx->line, "words are plain ASCII");
		text[n++] = c; /* the line is no longer than text */
	}
	return bad(lx, lx->line, "a string must end on its line");
}

static enum lex_tok
take_word(struct lexer *lx)
{
	const char *start = lx->p;

	while (lx->p < lx->end && is_word_byte(*lx->p))
		lx->p++;
	if (lx->p == start) {
		lx->p++;
		return bad(lx, lx->line, "words are plain ASCII");
	}
	return make_word(lx, start, (size_t)(lx->p - start), false);
}

static enum lex_tok
take_end(struct lexer *lx)
{
	if (lx->depth > 0) {
		lx->depth = 0;
		return bad(lx, lx->open_line, "'{' is never closed");
	}
	return lx->last == LEX_NL || lx->last == LEX_EOF ? LEX_EOF : LEX_NL;
}

/* One token as it stands. */
static enum lex_tok
take(struct lexer *lx)
{
	if (!skip_blanks(lx))
		return LEX_BAD;
	lx->last_line = lx->line;
	if (lx->p == lx->end)
		return take_end(lx);
	switch (*lx->p) {
	case '\n':
		lx->p++;
		lx->line++;
		lx->line_begins = true;
		return LEX_NL;
	case '{':
		lx->p++;
		if (lx->depth++ == 0)
			lx->open_line = lx->line;
		return LEX_OPEN;
	case '}':
		lx->p++;
		if (lx->depth > 0)
			lx->depth--;
		return LEX_CLOSE;
	case ',':
		lx->p++;
		return LEX_COMMA;
	case '=':
		lx->p++;
		return LEX_EQUALS;
	case '"':
		return take_string(lx);
	default:
		return take_word(lx);
	}
}

enum lex_tok
lex_next(struct lexer *lx)
{
	enum lex_tok t;

	do {
		t = take(lx);
		if (t != LEX_EOF)
			lx->last = t;
	} while (lx->recover && t != LEX_EOF && (t != LEX_NL || lx->depth > 0));
	if (lx->recover && t == LEX_EOF)
		t = lx->last = LEX_NL;
	lx->recover = false;
	return t;
}

/* What the last token does wrong where it stands. */
static const char *
complaint(const struct lexer *lx)
{
	switch (lx->last) {
	case LEX_OPEN:
		return lx->depth > 1 ? "a block inside a block"
				     : "'{' must follow a word on its line";
	case LEX_CLOSE:
		return "'}' without '{'";
	case LEX_COMMA:
		return "',' stands only between the options in { }";
	case LEX_EQUALS:
		return "'=' stands only between a macro's name and its value";
	case LEX_NL:
		return "the line ends too early";
	default:
		return NULL;
	}
}

void
lex_syntax_error(struct lexer *lx)
{
	const char *text = complaint(lx);
	char buf[LEX_LINE_MAX + 32];
	struct stmt *before = lx->tree->last;

	/* The statement before misses the block that stands here. */
	if (lx->last == LEX_OPEN && lx->depth == 1 && before != NULL &&
	    before->kind == STMT_WORDS)
		before->kind = STMT_SKIP;
	if (text == NULL && lx->word != NULL) {
		(void)snprintf(buf, sizeof(buf), "'%s' is one word too many",
		    lx->word->text);
		text = buf;
	}
	if (!lx->reported && text != NULL)
		(void)bad(lx, lx->last_line, text);
	lx->reported = false;
	lx->recover = lx->last != LEX_NL || lx->depth > 0;
}
