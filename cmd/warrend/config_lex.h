/* SPDX-License-Identifier: ISC */
/*
 * Bytes of a configuration file to tokens: words, quoted strings, line ends
 * and { } , =.  Comments and continued lines are gone afterwards.  After an
 * error the lexer itself skips to where reading can go on: behind the
 * matching brace inside a block, to the end of the line elsewhere; so no
 * error follows from another.  Fuzzed in tests/fuzz/config_fuzz.c.
 */
#ifndef WARREN_CONFIG_LEX_H
#define WARREN_CONFIG_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/warrend/config_tree.h"

#define LEX_LINE_MAX 4096
#define LEX_FILE_MAX (1u << 20)

enum lex_tok {
	LEX_EOF,
	LEX_WORD,
	LEX_NL,
	LEX_OPEN,
	LEX_CLOSE,
	LEX_COMMA,
	LEX_EQUALS,
	LEX_BAD /* reported already */
};

struct conf_load;

struct lexer {
	struct conf_load *ld;
	struct tree *tree; /* errors go here, words to its arena */
	const char *file;
	const char *p, *end;
	int line;
	bool line_begins;
	int depth;     /* of open braces */
	int open_line; /* of the outermost */
	bool recover;  /* skip before the next token */
	bool reported; /* the LEX_BAD just returned */
	enum lex_tok last;
	int last_line;
	struct word *word; /* of the last LEX_WORD */
};

/* text (len bytes, no control bytes) must outlive the lexer. */
void lex_init(struct lexer *lx, struct conf_load *ld, struct tree *tree,
    const char *file, const char *text, size_t len);

/* The next token.  A line end always stands before LEX_EOF. */
enum lex_tok lex_next(struct lexer *lx);

/* The last token does not fit here: say so, and skip. */
void lex_syntax_error(struct lexer *lx);

#endif
