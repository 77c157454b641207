/* SPDX-License-Identifier: ISC */
/*
 * A cursor over the words of one statement, sticky on failure like the byte
 * cursors: read straight down; the first thing wrong is reported, the rest
 * yields zeroes.
 */
#ifndef WARREN_CONFIG_ARGS_H
#define WARREN_CONFIG_ARGS_H

#include "cmd/warrend/config_load.h"
#include "cmd/warrend/config_tree.h"

struct conf_args {
	struct conf_load *ld;
	struct config *c; /* ld->c, for short */
	const char *file; /* interned */
	int line;         /* of the statement */
	const struct stmt *st;
	const struct word *next;   /* NULL at the end */
	const struct word *last;   /* taken last; NULL at the start */
	enum conf_word row;        /* whose parse() runs */
	const struct stmt *option; /* for conf_next_option() */
	bool bad;
};

#define ARGS_CHOICES 48

/* Start over the words of st, a statement of file. */
void arg_init(struct conf_args *a, struct conf_load *ld, const char *file,
    const struct stmt *st);

/* Report at the word taken last. */
void arg_error(struct conf_args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* No words left, or something was wrong: leave the loop. */
bool arg_end(const struct conf_args *a);

/* Report what is left over. */
void arg_done(struct conf_args *a);

/*
 * Take one of the keywords; returns its index, n when there is none.  Another
 * word is reported with the keyword that is nearest to it.
 */
unsigned arg_choice(struct conf_args *a, const char *const *words, unsigned n);

/* Take the keyword if it is next. */
bool arg_is(struct conf_args *a, const char *keyword);

/* Take the keyword, which must be next. */
void arg_want(struct conf_args *a, const char *keyword);

/* Values.  what names the value in messages: "a time", "port". */
const char *arg_word(struct conf_args *a, const char *what);
void arg_str(struct conf_args *a, const char *what, char *out, size_t cap);
void arg_path(struct conf_args *a, const char *what, char *out, size_t cap);
uint64_t arg_num(struct conf_args *a, const char *what, uint64_t min,
    uint64_t max);
uint64_t arg_size(struct conf_args *a, const char *what, uint64_t min,
    uint64_t max);
uint32_t arg_time_ms(struct conf_args *a, const char *what, uint64_t min,
    uint64_t max);
uint32_t arg_time_s(/* min and max in seconds */
    struct conf_args *a, const char *what, uint64_t min, uint64_t max);
uint32_t arg_rate(struct conf_args *a, const char *what, uint64_t min,
    uint64_t max);
bool arg_yes_no(struct conf_args *a);
uint16_t arg_port(struct conf_args *a);

/* An address literal; with any set, "*" too: 0.0.0.0 and *any. */
struct naddr arg_addr(struct conf_args *a, bool *any);

/* An address literal or a DNS name. */
void arg_host(struct conf_args *a, char *out, size_t cap);
void arg_dns_name(struct conf_args *a, char *out, size_t cap);
void arg_key(struct conf_args *a, uint8_t key[32]);

struct conf_origin arg_origin(const struct conf_args *a);

/*
 * A single value is about to be set: refuse the second time, unless from a
 * later include.  Remembers the origin.
 */
bool arg_claim(struct conf_args *a, enum conf_word w);

/*
 * A line of a list (a->row) is about to be added, or with none set the list
 * to be emptied by "no".  The two exclude each other, unless from a later
 * include.
 */
bool conf_list_begin(struct conf_args *a, bool none);

/*
 * The next option of the statement's block, ready to be read.  One whose
 * macros are missing is left out, and *a becomes bad without another word.
 */
bool conf_next_option(struct conf_args *a, struct conf_args *option);

/* The candidate nearest to word, NULL when none is near. */
const char *conf_nearest(const char *word, const char *const *candidates,
    unsigned n);

/* A time in its largest whole unit, "25s"; a size, "8K". */
const char *conf_time_str(uint64_t ms, char buf[32]);
const char *conf_size_str(uint64_t bytes, char buf[32]);

#endif
