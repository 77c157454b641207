/* SPDX-License-Identifier: ISC */
/*
 * Files of block bodies as they lie in blocks/: what a name stands for, what
 * a file holds, and what is to become of one that is found at the start.
 * Nothing here depends on the running store.  Tested in
 * tests/unit/bodyfile_test.c.
 */
#ifndef WARREN_STORE_BODYFILE_H
#define WARREN_STORE_BODYFILE_H

#include "peerd/blocks.h"
#include "peerd/store/sql.h"

#define BODYFILE_NAME 62     /* hex digits of an id behind its folder's two */
#define BODYFILE_NEW  ".new" /* behind them while it is being written */

/* A file in a folder of blocks/. */
enum bodyfile {
	BODYFILE_HELD,    /* it has a row */
	BODYFILE_WHOLE,   /* it has none, and is what its name says */
	BODYFILE_REMOVE,  /* half written, or read whole and something else */
	BODYFILE_UNKNOWN, /* the row or the file cannot be read: leave it */
	BODYFILE_FOREIGN  /* no name of ours: leave it */
};

struct bodyfile_look {
	uint8_t id[32];
	uint32_t size;   /* of one that is whole */
	uint64_t read;   /* bytes */
	const char *why; /* it is unknown; lives until the next call */
};

/* The manifest of the body that fd holds; false, with errno, when it cannot
 * be read to its end.  Closes fd. */
bool bodyfile_hash(int fd, uint32_t size, struct manifest *man);
bool bodyfile_is_of(const struct manifest *man, const uint8_t id[32]);

/*
 * Look at one file of folder number dir, open as dirfd.  A body is removed
 * only when the database knows that it has no row for it and every byte was
 * read: a disk that refuses just now says nothing about what lies on it.
 */
enum bodyfile bodyfile_look(struct bodyfile_look *look, struct sql *db,
    unsigned dir, int dirfd, const char *name);

#endif
