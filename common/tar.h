/* SPDX-License-Identifier: ISC */
/*
 * The little of POSIX ustar that a backup needs: plain files, each a header
 * of 512 bytes and its bytes, padded to 512 with zeroes; two empty headers at
 * the end.  Any tar reads it.  Sizes beyond 8 GiB are written in base 256, as
 * GNU and BSD tar do.  Pure; tested in tests/unit/tar_test.c.
 */
#ifndef WARREN_TAR_H
#define WARREN_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK    512
#define TAR_NAME_MAX 99

struct tar_file {
	char name[TAR_NAME_MAX + 1];
	uint64_t size;
	uint64_t mtime; /* unix seconds */
	uint16_t mode;  /* permission bits */
};

/* Write the header; false when the name is empty or too long. */
bool tar_put(uint8_t out[TAR_BLOCK], const struct tar_file *f);

/*
 * Read a header: 1 and *f is filled; 0 at the end of the archive; -1 when it
 * is damaged or anything but a plain file with a clean relative name, that is
 * without "..", "." and empty parts.
 */
int tar_get(struct tar_file *f, const uint8_t in[TAR_BLOCK]);

/* Bytes of padding behind a file of this size. */
static inline size_t
tar_padding(uint64_t size)
{
	return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

#endif
