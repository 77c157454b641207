/* SPDX-License-Identifier: ISC */
/*
 * The shape of warren.conf(5): lines of words, macros, and blocks of options
 * after a line's words.  What the words mean is the table in config_words.c,
 * since a table knows what else might have stood in a wrong word's place.
 * For byacc and bison -y alike; no conflicts.
 */
%{
#include <stddef.h>

#include "cmd/warrend/config_lex.h"
#include "cmd/warrend/config_load.h"
#include "cmd/warrend/config_tree.h"

static struct lexer *lexer;

static int yylex(void);
static void yyerror(const char *unused);
static struct stmt *stmt_new(enum stmt_kind kind, struct word *w);
static struct stmt *stmt_macro(struct word *name, struct word *value);
static struct stmt *stmt_word(struct stmt *st, struct word *w);
static struct stmt *stmt_option(struct stmt *block, struct stmt *option);
static struct stmt *stmt_block(struct stmt *st, struct stmt *block);
%}

%union {
	struct word *word;
	struct stmt *stmt;
}

%token <word> WORD
%token BAD
%type <stmt> line words block items

%%

file	: /* empty */
	| file '\n'
	| file line '\n'	{ tree_add(lexer->tree, $2); }
	| file error '\n'	{ yyerrok; }
	;

line	: words
	| words '{' block '}'	{ $$ = stmt_block($1, $3); }
	| WORD '=' WORD		{ $$ = stmt_macro($1, $3); }
	| WORD '=' error	{ $$ = stmt_new(STMT_POISON, $1); yyerrok; }
	;

words	: WORD			{ $$ = stmt_new(STMT_WORDS, $1); }
	| words WORD		{ $$ = stmt_word($1, $2); }
	;

block	: items
	| items words		{ $$ = stmt_option($1, $2); }
	;

items	: /* empty */		{ $$ = stmt_new(STMT_WORDS, NULL); }
	| items sep
	| items words sep	{ $$ = stmt_option($1, $2); }
	;

sep	: ','
	| '\n'
	;

%%

static int
yylex(void)
{
	/* clang-format off */
	static const int tokens[] = {
		[LEX_EOF] = 0, [LEX_WORD] = WORD, [LEX_NL] = '\n',
		[LEX_OPEN] = '{', [LEX_CLOSE] = '}', [LEX_COMMA] = ',',
		[LEX_EQUALS] = '=', [LEX_BAD] = BAD
	};
	/* clang-format on */
	enum lex_tok t = lex_next(lexer);

	yylval.word = lexer->word;
	return tokens[t];
}

static void
yyerror(const char *unused)
{
	(void)unused;
	lex_syntax_error(lexer);
}

/* Where memory is out, a statement is NULL and stays so. */
static struct stmt *
stmt_new(enum stmt_kind kind, struct word *w)
{
	struct stmt *st = arena_get(&lexer->tree->arena, sizeof(*st));

	if (st == NULL) {
		conf_error(lexer->ld, lexer->file, lexer->line, "out of memory");
		return NULL;
	}
	st->kind = kind;
	st->words = st->last_word = w;
	return st;
}

static struct stmt *
stmt_word(struct stmt *st, struct word *w)
{
	if (st == NULL || w == NULL)
		return NULL;
	st->last_word->next = w;
	st->last_word = w;
	return st;
}

/*
 * Known at once, even if more on its line is wrong: what uses the macro is
 * not to suffer for it.
 */
static struct stmt *
stmt_macro(struct word *name, struct word *value)
{
	tree_add(lexer->tree, stmt_word(stmt_new(STMT_MACRO, name), value));
	return NULL;
}

/* The options are gathered in a statement without words. */
static struct stmt *
stmt_option(struct stmt *block, struct stmt *option)
{
	if (block == NULL || option == NULL)
		return NULL;
	if (block->last_option == NULL)
		block->block = option;
	else
		block->last_option->next = option;
	block->last_option = option;
	return block;
}

static struct stmt *
stmt_block(struct stmt *st, struct stmt *block)
{
	if (st == NULL || block == NULL)
		return NULL;
	st->has_block = true;
	st->block = block->block;
	return st;
}

void
conf_parse_tree(struct lexer *lx)
{
	lexer = lx;
	(void)yyparse();
	lexer = NULL;
}
