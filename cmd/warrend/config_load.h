/* SPDX-License-Identifier: ISC */
/*
 * What the files that read a configuration share: where errors go, and which
 * values have been set by which file.  Private to config_*.c and parse.y.
 */
#ifndef WARREN_CONFIG_LOAD_H
#define WARREN_CONFIG_LOAD_H

#include <stdio.h>

#include "cmd/warrend/config.h"

#define CONF_ERRORS_MAX 100 /* more are not printed */

struct arena;
struct conf_macro;
struct stmt;

struct conf_load {
	struct config *c;
	FILE *errors;
	unsigned n_errors;
	struct arena *arena; /* of the statements being run */
	struct conf_macro *macros;
	bool may_include;
	bool include_failed;         /* macros may be missing for that reason */
	unsigned depth;              /* of includes */
	unsigned files;              /* read so far: rank of the next one */
	unsigned rank;               /* of the file being read, from 1 */
	unsigned set_by[CONF_WORDS]; /* rank of the file that set it, or 0 */
	bool none[CONF_WORDS];       /* a list that was set to "no" */
};

/* Report "file:line: text" and count it. */
void conf_error(struct conf_load *ld, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Put the macros' values in a statement's words.  False: leave it out. */
bool conf_expand(struct conf_load *ld, const char *file, const struct stmt *st);

/* Take a macro from a statement of the kind for it; STMT_POISON too. */
void conf_macro_set(struct conf_load *ld, const char *file,
    const struct stmt *st);
void conf_macros_free(struct conf_load *ld);

/* What follows from other values, once all are read. */
void conf_settle(struct config *c);

/* The one copy of a file's name, kept for ever. */
const char *conf_intern(const char *file);

#endif
