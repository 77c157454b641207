/* SPDX-License-Identifier: ISC */
/*
 * Bytes on their way to a client: small answers are copied one behind the
 * other, large ones wait by reference, and all of them leave in one write()
 * or writev().  A file goes from the kernel's cache to the socket and never
 * through here.  Queues come from a small pool and go back when they are
 * empty.  Tested through tests/regress/http_test.py and db_api_test.py.
 */
#ifndef WARREN_OUT_H
#define WARREN_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "apid/text.h"

#define OUT_BYTES    (16u << 10)
#define OUT_SEGS     16
#define OUT_COPY_MAX 4096 /* a larger text is not copied */
#define OUT_HEAD_MAX 1024 /* of one answer's head */
#define OUT_FILES    256  /* open in all queues together */

struct out;

struct out *out_new(void); /* NULL: no memory */
void out_free(struct out *o);

/* Is there room for one more answer? */
bool out_has_room(const struct out *o);
bool out_is_empty(const struct out *o);

/* Where a head of at most OUT_HEAD_MAX bytes may be written, then its end. */
char *out_head(struct out *o);
void out_head_end(struct out *o, size_t len);

/* Takes t. */
void out_text(struct out *o, struct text *t);

/* The first len bytes of a file; takes fd. */
void out_file(struct out *o, int fd, size_t len);

/* Files open now.  At out_files_max(), OUT_FILES unless fewer descriptors
 * are left over, more should be refused. */
size_t out_files(void);
size_t out_files_max(void);
void out_set_files_max(size_t max);

/* 1 all is written, 0 the socket is full, -1 with errno.  *n: bytes sent. */
int out_write(struct out *o, int fd, size_t *n);

/* Queues in use and kept for later. */
size_t out_used(void);

#endif
