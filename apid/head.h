/* SPDX-License-Identifier: ISC */
/*
 * The head of an answer, written fast: a status line, the date of this
 * second, type and length of the body, and what cross-origin readers need.
 */
#ifndef WARREN_HEAD_H
#define WARREN_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct head_in {
	uint16_t status;
	const char *ctype;   /* NULL: JSON */
	size_t ctype_len;    /* 0: strlen */
	const char *headers; /* further lines, or NULL; at most 400 bytes */
	size_t body_len;
	int64_t now_s;          /* unix */
	bool cors;              /* other origins may read it */
	bool close, keep_alive; /* which Connection header, if any */
};

/* Whom browsers may let read us: "*", one origin, or "" for nobody. */
void head_configure(const char *allow_origin);

/* Write it to buf, which has room for OUT_HEAD_MAX.  Returns its length. */
size_t head_write(const struct head_in *h, char *buf);

/* "Not Found" and so on. */
const char *head_reason(uint16_t status);

#endif
