/* SPDX-License-Identifier: ISC */
/*
 * How much a JSON text may become.  A value costs the parser dozens of bytes
 * where the text had two, so six megabytes of "0," would be hundreds in
 * memory.  Values are counted before anything is parsed.  Pure; tested in
 * tests/unit/recform_test.c.
 */
#ifndef WARREN_BOUND_H
#define WARREN_BOUND_H

#include <stdbool.h>
#include <stddef.h>

#define BOUND_VALUES 65536 /* members and items of one text */

/*
 * True when the text holds at most BOUND_VALUES values.  Says nothing of
 * whether it is JSON.
 */
bool bound_json(const char *s, size_t n);

#endif
