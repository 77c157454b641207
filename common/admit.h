/* SPDX-License-Identifier: ISC */
/*
 * Who may write: the rules of member records (kind 1), which admit authors.
 *
 *   open      anybody who spent some work: the record is the author's own,
 *             about itself, and its payload is a nonce of 8 bytes such that
 *               BLAKE2b-256(person "WarrenPow1", netid | author | nonce)
 *             begins with the charter's pow_bits zero bits
 *   members   whoever an authority of the charter names as the subject
 *
 * A tombstone takes the admission back.  The name is empty and w is 0.  Each
 * rule is a function of charter and record alone.  Pure; tested in
 * tests/unit/admit_test.c.
 */
#ifndef WARREN_ADMIT_H
#define WARREN_ADMIT_H

#include "common/rec.h"

#define ADMIT_NONCE_LEN 8

/* REC_OK, or REC_RULE when a member record breaks the rules above.  Records
 * of other kinds are REC_OK. */
enum rec_err admit_check(const struct rec *rec, const struct charter *ch);

/* Does this nonce carry enough work? */
bool admit_stamp_ok(const struct charter *ch, const uint8_t author[32],
    const uint8_t nonce[ADMIT_NONCE_LEN]);

/*
 * Look for a stamp: try at most tries nonces from *next on.  True and nonce
 * is set when one was found; else *next is where to go on.
 */
bool admit_stamp_search(const struct charter *ch, const uint8_t author[32],
    uint64_t *next, uint64_t tries, uint8_t nonce[ADMIT_NONCE_LEN]);

/* The key of the record that admits an author in an open network. */
void admit_open_key(uint8_t key[32], const struct charter *ch,
    const uint8_t author[32]);

#endif
