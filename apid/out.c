/* SPDX-License-Identifier: ISC */
/*
 * Output queues, as promised in out.h.
 */
#include "apid/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/compat/compat.h"

#define SPARE_MAX 16 /* queues kept for later */

struct out {
	struct out *next; /* in the pool */
	struct iovec seg[OUT_SEGS];
	struct text *ref[OUT_SEGS]; /* held for its segment, or NULL */
	int file[OUT_SEGS];         /* the segment is of this file, or -1 */
	off_t at[OUT_SEGS];         /* of the file, already sent */
	size_t first, n;            /* segments: sent, and all */
	size_t len;                 /* of bytes[] in use */
	char bytes[OUT_BYTES];
};

static struct out *spare;
static size_t n_spare, n_used, n_files;
static size_t files_max = OUT_FILES;

struct out *
out_new(void)
{
	struct out *o = spare;

	if (o != NULL) {
		spare = o->next;
		n_spare--;
	} else if ((o = malloc(sizeof(*o))) == NULL) {
		return NULL;
	}
	o->first = o->n = o->len = 0;
	n_used++;
	return o;
}

/* The first segment is over. */
static void
drop_first(struct out *o)
{
	size_t i = o->first++;

	text_unref(o->ref[i]);
	if (o->file[i] != -1) {
		(void)close(o->file[i]);
		n_files--;
	}
}

void
out_free(struct out *o)
{
	if (o == NULL)
		return;
	while (o->first < o->n)
		drop_first(o);
	n_used--;
	if (n_spare == SPARE_MAX) {
		free(o);
		return;
	}
	o->next = spare;
	spare = o;
	n_spare++;
}

size_t
out_used(void)
{
	return n_used;
}

bool
out_has_room(const struct out *o)
{
	return o->n + 2 <= OUT_SEGS &&
	    OUT_BYTES - o->len >= OUT_HEAD_MAX + OUT_COPY_MAX;
}

bool
out_is_empty(const struct out *o)
{
	return o->first == o->n;
}

static void
add(struct out *o, char *at, size_t n, struct text *ref, int file)
{
	ASSERT(o->n < OUT_SEGS);
	o->ref[o->n] = ref;
	o->file[o->n] = file;
	o->at[o->n] = 0;
	o->seg[o->n++] = (struct iovec){ at, n };
}

/* n more bytes at the end of bytes[] are to be sent. */
static void
extend(struct out *o, size_t n)
{
	char *at = o->bytes + o->len;
	struct iovec *last = o->n > o->first ? &o->seg[o->n - 1] : NULL;

	o->len += n;
	if (last != NULL && o->ref[o->n - 1] == NULL &&
	    o->file[o->n - 1] == -1 &&
	    (char *)last->iov_base + last->iov_len == at) {
		last->iov_len += n;
		return;
	}
	add(o, at, n, NULL, -1);
}

char *
out_head(struct out *o)
{
	ASSERT(OUT_BYTES - o->len >= OUT_HEAD_MAX);
	return o->bytes + o->len;
}

void
out_head_end(struct out *o, size_t len)
{
	ASSERT(len <= OUT_HEAD_MAX);
	extend(o, len);
}

void
out_text(struct out *o, struct text *t)
{
	if (t->len <= OUT_COPY_MAX && t->len <= OUT_BYTES - o->len) {
		memcpy(o->bytes + o->len, t->p, t->len);
		extend(o, t->len);
		text_unref(t);
		return;
	}
	add(o, t->p, t->len, t, -1);
}

void
out_file(struct out *o, int fd, size_t len)
{
	add(o, NULL, len, NULL, fd);
	n_files++;
}

size_t
out_files(void)
{
	return n_files;
}

size_t
out_files_max(void)
{
	return files_max;
}

void
out_set_files_max(size_t max)
{
	files_max = max < OUT_FILES ? max : OUT_FILES;
}

/* n bytes are gone. */
static void
advance(struct out *o, size_t n)
{
	struct iovec *v;

	while (o->first < o->n) {
		v = &o->seg[o->first];
		if (n < v->iov_len) {
			if (o->file[o->first] == -1)
				v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= n;
			return;
		}
		n -= v->iov_len;
		drop_first(o);
	}
	o->first = o->n = o->len = 0;
}

/* As much of what comes first as one call takes; as write() answers. */
static ssize_t
write_some(struct out *o, int fd)
{
	size_t first = o->first, n = 0;
	ssize_t r;

	if (o->file[first] != -1) {
		r = compat_sendfile(fd, o->file[first], &o->at[first],
		    o->seg[first].iov_len);
		if (r == 0) { /* shorter than was said: there is no mending */
			errno = EIO;
			return -1;
		}
		return r;
	}
	while (first + n < o->n && o->file[first + n] == -1)
		n++;
	return n == 1 ? write(fd, o->seg[first].iov_base, o->seg[first].iov_len)
		      : writev(fd, o->seg + first, (int)n);
}

int
out_write(struct out *o, int fd, size_t *n)
{
	ssize_t r;

	*n = 0;
	while (o->first < o->n) {
		r = write_some(o, fd);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return errno == EAGAIN ? 0 : -1;
		*n += (size_t)r;
		advance(o, (size_t)r);
	}
	return 1;
}
