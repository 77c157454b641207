/* SPDX-License-Identifier: ISC */
/*
 * Writing all of a buffer to a file that blocks.
 */
#ifndef WARREN_WRITE_ALL_H
#define WARREN_WRITE_ALL_H

#include <stddef.h>

/*
 * Write len bytes, going on after signals and short writes.  0, or -1 with
 * errno; how much of it was written is not told then.
 */
int write_all(int fd, const void *buf, size_t len);

#endif
