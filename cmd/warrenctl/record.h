/* SPDX-License-Identifier: ISC */
/*
 * What the verbs over records share: charters, kinds, subjects, questions.
 */
#ifndef WARREN_CTL_RECORD_H
#define WARREN_CTL_RECORD_H

#include "common/charter.h"
#include "common/rec.h"
#include "common/verify.h"

#include <jansson.h>

/* The charter in the file, or with NULL the running node's.  Exits when there
 * is none. */
void charter_get(struct charter *ch, const char *file);

/* "rating" of 20, "" of a kind without a name. */
const char *kind_name(uint8_t kind);
/* A number or a name; exits when it is neither. */
uint8_t kind_parse(const char *text);

/*
 * Bytes of an argument: hex when it can be, else the text itself; "text:" in
 * front says that it is text.  At most cap of them, or exit.
 */
size_t bytes_parse(const char *what, const char *text, uint8_t *out,
    size_t cap);
void hex_parse(const char *what, const char *text, uint8_t *out, size_t len);

/* Bits of the tree: of a kind, or of a subject of it. */
struct prefix {
	uint8_t at[32];
	unsigned bits;
};
void prefix_of(struct prefix *p, const uint8_t netid[32], uint8_t kind,
    const uint8_t *subject, size_t len);

/* A proof, and what it proves. */
struct proven {
	const char *why; /* NULL: it verifies */
	enum verify_err err;
	struct claim claim;
	struct verify_answer answer;
	uint8_t proof[8192], raw_claim[CLAIM_MAX];
	size_t len, claim_len;
};

/* Have the running node prove what is under bits of at; tick 0 is the last
 * settled one. */
void proof_fetch(struct proven *p, const uint8_t netid[32],
    const uint8_t at[32], unsigned bits, uint64_t tick);

/* How a stamp is drawn: ISO 8601. */
const char *hlc_str(uint64_t hlc, char buf[32]);

/* The object that getrecord of the API shows. */
json_t *record_json(const uint8_t *raw, size_t len, const uint8_t key[32],
    const uint8_t rid[32], int settled);
void record_print(const uint8_t *raw, size_t len, const uint8_t key[32],
    const uint8_t rid[32], int settled);

#endif
