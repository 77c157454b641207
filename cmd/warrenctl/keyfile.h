/* SPDX-License-Identifier: ISC */
/*
 * Secret keys of people and scripts: authors of records, roots of networks.
 * A file holds the 32-byte seed as 64 hex digits and a newline, mode 0600:
 * the very form of warrend's node.key.
 */
#ifndef WARREN_KEYFILE_H
#define WARREN_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

struct keyfile {
	uint8_t pk[32];
	uint8_t sk[64];
};

/* Read it, or exit with a clear line. */
void keyfile_read(struct keyfile *k, const char *path);

/* Make a new one; exits when there is such a file already. */
void keyfile_make(struct keyfile *k, const char *path);

/* Wipe the secret half. */
void keyfile_fini(struct keyfile *k);

/*
 * Write a whole new file and fsync it; exits when it exists already or
 * cannot be written.
 */
void file_make(const char *path, unsigned mode, const void *data, size_t len);

/* Read a file of at most cap bytes, "-" for stdin; exits when it cannot. */
size_t file_read(const char *path, void *buf, size_t cap);

#endif
