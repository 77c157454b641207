/* SPDX-License-Identifier: ISC */
/*
 * The queue of chunks, as promised in fifo.h.
 */
#include "appd/fifo.h"

#include <string.h>

#include "common/assert.h"

/* Room for n more bytes in the last chunk. */
static bool
fits(const struct fifo *f, size_t n)
{
	return f->tail != NULL && n <= FIFO_CHUNK - f->tail->end;
}

/* n empty chunks in a row, or NULL. */
static struct fifo_chunk *
take(const struct fifo_mem *mem, size_t n)
{
	struct fifo_chunk *c, *list = NULL;

	while (n-- > 0) {
		if ((c = mem->get(mem->ctx)) == NULL) {
			while ((c = list) != NULL) {
				list = c->next;
				mem->put(mem->ctx, c);
			}
			return NULL;
		}
		c->off = c->end = 0;
		c->next = list;
		list = c;
	}
	return list;
}

bool
fifo_put(struct fifo *f, const struct fifo_mem *mem, const void *p, size_t n)
{
	const uint8_t *from = p;
	struct fifo_chunk *fresh;
	size_t part;

	if (n == 0)
		return true;
	/* A Send that does not fit the last chunk begins one of its own, so
	 * that it can be read in one piece. */
	if (!fits(f, n)) {
		fresh = take(mem, (n + FIFO_CHUNK - 1) / FIFO_CHUNK);
		if (fresh == NULL)
			return false;
		if (f->tail != NULL)
			f->tail->next = fresh;
		else
			f->head = fresh;
		f->tail = fresh;
	}
	f->len += (uint32_t)n;
	for (;;) {
		part = FIFO_CHUNK - f->tail->end;
		if (part > n)
			part = n;
		memcpy(f->tail->data + f->tail->end, from, part);
		f->tail->end += (uint32_t)part;
		from += part;
		if ((n -= part) == 0)
			break;
		f->tail = f->tail->next;
	}
	return true;
}

const uint8_t *
fifo_peek(const struct fifo *f, uint8_t *scratch, size_t max, size_t *n)
{
	const struct fifo_chunk *c = f->head;
	size_t have = 0, part;

	*n = max < f->len ? max : f->len;
	if (c == NULL || *n <= c->end - c->off)
		return c == NULL ? scratch : c->data + c->off;
	for (; have < *n; c = c->next) {
		part = c->end - c->off;
		if (part > *n - have)
			part = *n - have;
		memcpy(scratch + have, c->data + c->off, part);
		have += part;
	}
	return scratch;
}

void
fifo_drop(struct fifo *f, const struct fifo_mem *mem, size_t n)
{
	struct fifo_chunk *c;
	size_t part;

	ASSERT(n <= f->len);
	f->len -= (uint32_t)n;
	while ((c = f->head) != NULL && (n > 0 || c->off == c->end)) {
		part = c->end - c->off;
		if (part > n)
			part = n;
		c->off += (uint32_t)part;
		n -= part;
		if (c->off < c->end)
			break;
		if ((f->head = c->next) == NULL)
			f->tail = NULL;
		mem->put(mem->ctx, c);
	}
}

void
fifo_clear(struct fifo *f, const struct fifo_mem *mem)
{
	fifo_drop(f, mem, f->len);
}
