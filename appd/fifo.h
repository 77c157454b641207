/* SPDX-License-Identifier: ISC */
/*
 * Bytes of a loop that wait: a queue of chunks.  The chunks come from and go
 * back to whoever lends them, so that a loop at rest holds none.  Pure;
 * tested in tests/unit/app_ports_test.c.
 */
#ifndef WARREN_FIFO_H
#define WARREN_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIFO_CHUNK 32768 /* bytes in one: a Send's worth */

struct fifo_chunk {
	struct fifo_chunk *next;
	uint32_t off, end;
	uint8_t data[FIFO_CHUNK];
};

/* Where chunks come from; get() may say NULL. */
struct fifo_mem {
	struct fifo_chunk *(*get)(void *ctx);
	void (*put)(void *ctx, struct fifo_chunk *c);
	void *ctx;
};

struct fifo {
	struct fifo_chunk *head, *tail;
	uint32_t len; /* bytes in it */
};

/* Append n bytes.  False, with nothing appended, when there is no memory. */
bool fifo_put(struct fifo *f, const struct fifo_mem *mem, const void *p,
    size_t n);

/*
 * The first at most max bytes in one piece: *n of them, where they lie, or
 * gathered at scratch (max bytes) when they lie in several chunks.
 */
const uint8_t *fifo_peek(const struct fifo *f, uint8_t *scratch, size_t max,
    size_t *n);

/* Drop the first n bytes, at most len. */
void fifo_drop(struct fifo *f, const struct fifo_mem *mem, size_t n);

/* Drop all. */
void fifo_clear(struct fifo *f, const struct fifo_mem *mem);

#endif
