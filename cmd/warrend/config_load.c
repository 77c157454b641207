/* SPDX-License-Identifier: ISC */
/*
 * From files to values: opens a file and what it includes, has it made into
 * statements, and runs them one after another by the table of words.
 */
#include "cmd/warrend/config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_lex.h"

#define DEPTH_MAX 8
#define FILES_MAX 256

void
conf_error(struct conf_load *ld, const char *file, int line, const char *fmt,
    ...)
{
	va_list ap;

	if (ld->n_errors++ == CONF_ERRORS_MAX)
		(void)fprintf(ld->errors, "%s:%d: too many errors\n", file,
		    line);
	if (ld->n_errors > CONF_ERRORS_MAX)
		return;
	(void)fprintf(ld->errors, "%s:%d: ", file, line);
	va_start(ap, fmt);
	(void)vfprintf(ld->errors, fmt, ap);
	va_end(ap);
	(void)fputc('\n', ld->errors);
}

/* Names are few and come again with every reload. */
struct interned {
	struct interned *next;
	char name[];
};

const char *
conf_intern(const char *file)
{
	static struct interned *all;
	struct interned *it;
	size_t len = strlen(file), i;

	for (it = all; it != NULL; it = it->next)
		if (strcmp(it->name, file) == 0)
			return it->name;
	if ((it = malloc(sizeof(*it) + len + 1)) == NULL)
		return "?";
	memcpy(it->name, file, len + 1);
	/* A name with a line end in it would forge lines. */
	for (i = 0; i < len; i++)
		if ((uint8_t)it->name[i] < 0x20)
			it->name[i] = '?';
	it->next = all;
	all = it;
	return it->name;
}

/* --- statements --- */

static void
set_value(struct conf_args *a, const struct conf_row *r)
{
	struct config *c = a->c;
	char *text = (char *)c + r->off;

	switch (r->kind) {
	case K_NUM:
		conf_row_set(r, c, arg_num(a, r->word, r->min, r->max));
		break;
	case K_TIME:
		conf_row_set(r, c, arg_time_ms(a, r->word, r->min, r->max));
		break;
	case K_SIZE:
		conf_row_set(r, c, arg_size(a, r->word, r->min, r->max));
		break;
	case K_RATE:
		conf_row_set(r, c, arg_rate(a, r->word, r->min, r->max));
		break;
	case K_YESNO:
		conf_row_set(r, c, arg_yes_no(a));
		break;
	case K_STR:
		arg_str(a, r->word, text, r->size);
		break;
	case K_PATH:
		arg_path(a, r->word, text, r->size);
		break;
	default:
		r->parse(a);
		break;
	}
}

static void
run_row(struct conf_args *a, enum conf_word w)
{
	const struct conf_row *r = &conf_rows[w];
	char title[64];

	a->row = w;
	if (a->st->has_block && w != W_PEER && w != W_API_HTTP && w != W_APP) {
		arg_error(a, "'%s' takes no block", conf_row_title(w, title));
		return;
	}
	if (r->kind != K_LIST && !arg_claim(a, w))
		return;
	set_value(a, r);
	arg_done(a);
}

/* Each option in the block is a row of the group. */
static void
run_block(struct conf_args *a, const char *group)
{
	const char *names[CONF_WORDS];
	unsigned i, n = conf_row_names(group, names);
	struct conf_args option;

	while (conf_next_option(a, &option)) {
		i = arg_choice(&option, names, n);
		if (!option.bad)
			run_row(&option, conf_row_find(group, names[i]));
	}
}

/* "limit", "timeout", "store" and "apps" have nothing but a block. */
static void
run_group(struct conf_args *a, const char *group)
{
	arg_done(a);
	if (!a->st->has_block)
		arg_error(a, "%s wants a block: { ... }", group);
	else if (!a->bad)
		run_block(a, group);
}

static void run_include(struct conf_args *a);

static void
run_words(struct conf_args *a)
{
	const char *names[CONF_WORDS + 1];
	unsigned n = conf_row_names("", names), i;
	enum conf_word w;
	const char *first;

	names[n++] = "include";
	i = arg_choice(a, names, n);
	if (a->bad)
		return;
	first = names[i];
	if (i == n - 1) {
		run_include(a);
		return;
	}
	if (strcmp(first, "limit") == 0 || strcmp(first, "timeout") == 0 ||
	    strcmp(first, "store") == 0 || strcmp(first, "apps") == 0) {
		run_group(a, first);
		return;
	}
	if (strcmp(first, "relay") == 0) { /* likewise */
		run_group(a, first);
		return;
	}
	if ((w = conf_row_find("", first)) == CONF_WORDS) {
		n = conf_row_names(first, names);
		i = arg_choice(a, names, n);
		if (a->bad)
			return;
		w = conf_row_find(first, names[i]);
	}
	run_row(a, w);
	if (w == W_API_HTTP && a->st->has_block)
		run_block(a, "api http");
}

static void
run_tree(struct conf_load *ld, const char *file, const struct tree *t)
{
	const struct stmt *st;
	struct conf_args a;

	for (st = t->first; st != NULL; st = st->next) {
		if (ld->n_errors > CONF_ERRORS_MAX)
			break;
		switch (st->kind) {
		case STMT_WORDS:
			if (!conf_expand(ld, file, st))
				break;
			arg_init(&a, ld, file, st);
			run_words(&a);
			break;
		case STMT_MACRO:
		case STMT_POISON:
			conf_macro_set(ld, file, st);
			break;
		case STMT_ERROR:
			conf_error(ld, file, st->words->line, "%s",
			    st->words->text);
			break;
		case STMT_SKIP:
			break;
		}
	}
}

/* --- files --- */

/* Nothing but text: no NULs, no control bytes, not too long. */
static bool
is_text(struct conf_load *ld, const char *file, const char *text, size_t len)
{
	int line = 1;
	size_t i;

	for (i = 0; i < len && i < LEX_FILE_MAX; i++) {
		if (text[i] == '\n') {
			line++;
		} else if (text[i] == '\r') {
			conf_error(ld, file, line,
			    "carriage return: lines must end in \\n alone");
			return false;
		} else if (((uint8_t)text[i] < 0x20 && text[i] != '\t') ||
		    text[i] == 0x7f) {
			conf_error(ld, file, line,
			    "byte 0x%02x: this is no text file",
			    (uint8_t)text[i]);
			return false;
		}
	}
	if (len > LEX_FILE_MAX)
		conf_error(ld, file, line, "file larger than 1M");
	return len <= LEX_FILE_MAX;
}

/* Read in to its end and make statements of it.  False: reported. */
static bool
read_tree(struct conf_load *ld, FILE *in, const char *file, struct tree *t)
{
	char *text = malloc(LEX_FILE_MAX + 1);
	struct lexer lx;
	size_t len;
	bool good;

	if (text == NULL) {
		conf_error(ld, file, 1, "out of memory");
		return false;
	}
	len = fread(text, 1, LEX_FILE_MAX + 1, in);
	if (ferror(in) != 0) {
		conf_error(ld, file, 1, "read: %s", strerror(errno));
		free(text);
		return false;
	}
	good = is_text(ld, file, text, len);
	if (good) {
		lex_init(&lx, ld, t, file, text, len);
		conf_parse_tree(&lx);
	}
	free(text);
	return good;
}

static void
load_stream(struct conf_load *ld, FILE *in, const char *file)
{
	struct tree t = { .first = NULL };
	struct arena *arena = ld->arena;
	unsigned rank = ld->rank;

	ld->rank = ++ld->files;
	ld->arena = &t.arena;
	if (read_tree(ld, in, file, &t))
		run_tree(ld, file, &t);
	else
		ld->include_failed = true;
	ld->arena = arena;
	ld->rank = rank;
	arena_fini(&t.arena);
}

/* Open it as a file that nobody else may write to.  NULL: reported. */
static FILE *
open_file(struct conf_load *ld, const char *path, const char *file)
{
	struct stat st;
	FILE *in;
	int fd;

	/* O_NONBLOCK, lest a pipe with nobody behind it hangs us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1) {
		conf_error(ld, file, 1, "open: %s", strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		conf_error(ld, file, 1, "not a plain file");
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		conf_error(ld, file, 1,
		    "writable by group or others (run: chmod go-w %s)", file);
	else if ((in = fdopen(fd, "r")) == NULL)
		conf_error(ld, file, 1, "open: %s", strerror(errno));
	else
		return in;
	(void)close(fd);
	return NULL;
}

static void
load_path(struct conf_load *ld, const char *path)
{
	const char *file = conf_intern(path);
	FILE *in = open_file(ld, path, file);

	if (in == NULL) {
		ld->include_failed = true;
		return;
	}
	load_stream(ld, in, file);
	(void)fclose(in);
}

static void
include_all(struct conf_args *a, const glob_t *g)
{
	struct conf_load *ld = a->ld;
	size_t i;

	for (i = 0; i < g->gl_pathc && !a->bad; i++) {
		if (ld->files == FILES_MAX)
			arg_error(a, "include: at most %d files", FILES_MAX);
		else if (ld->n_errors <= CONF_ERRORS_MAX)
			load_path(ld, g->gl_pathv[i]);
	}
}

static void
run_include(struct conf_args *a)
{
	struct conf_load *ld = a->ld;
	char pattern[CONF_PATH];
	glob_t g;
	int rc;

	arg_path(a, "include", pattern, sizeof(pattern));
	arg_done(a);
	if (!a->bad && a->st->has_block)
		arg_error(a, "'include' takes no block");
	if (!a->bad && ld->depth == DEPTH_MAX)
		arg_error(a, "include: more than %d deep", DEPTH_MAX);
	if (a->bad) {
		ld->include_failed = true;
		return;
	}
	if (!ld->may_include)
		return;
	rc = glob(pattern, 0, NULL, &g);
	if (rc == 0) {
		ld->depth++;
		include_all(a, &g);
		ld->depth--;
		globfree(&g);
	} else if (rc != GLOB_NOMATCH) {
		arg_error(a, "include: cannot read what matches");
	}
}

static int
finish(struct conf_load *ld)
{
	conf_macros_free(ld);
	if (ld->n_errors == 0)
		conf_settle(ld->c);
	return (int)ld->n_errors;
}

int
config_load(struct config *c, const char *path, bool optional, FILE *errors)
{
	struct conf_load ld = { .c = c, .errors = errors, .may_include = true };

	if (!optional || access(path, F_OK) == 0 || errno != ENOENT)
		load_path(&ld, path);
	return finish(&ld);
}

int
config_load_stream(struct config *c, FILE *in, const char *name, FILE *errors)
{
	struct conf_load ld = { .c = c, .errors = errors };

	load_stream(&ld, in, conf_intern(name));
	return finish(&ld);
}
