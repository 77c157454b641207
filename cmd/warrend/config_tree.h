/* SPDX-License-Identifier: ISC */
/*
 * A configuration file as statements: words, perhaps with a block of options.
 * The lexer (config_lex.c) makes words of bytes, the grammar (parse.y) makes
 * statements of words; what they mean is not known here.  All of it lives in
 * the tree's arena and goes with it.
 */
#ifndef WARREN_CONFIG_TREE_H
#define WARREN_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
};

/* n zeroed bytes, aligned for any type; NULL when memory is out. */
void *arena_get(struct arena *a, size_t n);

/* A copy of n bytes and a NUL; NULL likewise. */
char *arena_text(struct arena *a, const char *text, size_t n);

void arena_fini(struct arena *a);

struct word {
	const char *text;
	int line;
	bool quoted; /* never a keyword, and macros do not expand in it */
	struct word *next;
};

enum stmt_kind {
	STMT_WORDS,
	STMT_MACRO,  /* words: its name and its value */
	STMT_POISON, /* a macro whose value could not be read: its name */
	STMT_ERROR,  /* words: what is wrong with the file's shape here */
	STMT_SKIP    /* what an error was about */
};

struct stmt {
	enum stmt_kind kind;
	struct word *words, *last_word;
	bool has_block;
	struct stmt *block, *last_option;
	struct stmt *next;
};

struct tree {
	struct arena arena;
	struct stmt *first, *last;
};

/* Append st, if it is not NULL. */
void tree_add(struct tree *t, struct stmt *st);

/* Append an error of the file's shape, so that it is told in its turn among
 * those of meaning.  False when memory is out. */
bool tree_add_error(struct tree *t, int line, const char *text);

struct lexer;

/* Read all of lx into its tree, errors included. */
void conf_parse_tree(struct lexer *lx);

#endif
