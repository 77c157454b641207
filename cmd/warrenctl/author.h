/* SPDX-License-Identifier: ISC */
/*
 * Signing records, for the verbs that write them.
 */
#ifndef WARREN_CTL_AUTHOR_H
#define WARREN_CTL_AUTHOR_H

#include "cmd/warrenctl/keyfile.h"
#include "cmd/warrenctl/record.h"

struct authored {
	uint8_t raw[REC_MAX];
	size_t len;
	uint8_t key[32], rid[32];
	uint64_t hlc;
};

/*
 * Fill in the author, and the stamp unless there is one: now, but later than
 * the version it replaces (0: none).  Exits when the charter refuses it.
 */
void author_sign(struct authored *a, struct rec *rec, const struct charter *ch,
    const struct keyfile *k, uint64_t replaced);

#endif
