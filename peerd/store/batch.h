/* SPDX-License-Identifier: ISC */
/*
 * Records of the store, gathered for one message to a peer.  There is one
 * batch at a time: begun, filled and put without anything in between.
 */
#ifndef WARREN_STORE_BATCH_H
#define WARREN_STORE_BATCH_H

#include "common/bytes.h"
#include "peerd/store/recstore.h"

void batch_begin(void);

/*
 * All that a peer may lack of a key, as recstore_versions() says; nothing, if
 * there is nothing to be shown.  False: there is no room for it, and none of
 * it was taken.  Into an empty batch every key fits.
 */
bool batch_add(struct recstore *rs, const uint8_t key[32]);

size_t batch_count(void); /* records in it */

/* Write it as RECS of that session.  Not when it is empty. */
void batch_put(struct wr *w, uint16_t sid);

#endif
