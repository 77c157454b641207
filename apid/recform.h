/* SPDX-License-Identifier: ISC */
/*
 * Records as requests bring them.  What is stored is signed by its author,
 * so a request carries either the record itself (`record`, its canonical
 * bytes in hex or base64) or what it says in the words of its method, with
 * `author`, `hlc` and `sig`; from those the record is built anew, byte for
 * byte as the author signed it.  Whatever the words say must then be what the
 * record says.  No signature is checked here: the store does that.
 *
 * Each function reads one JSON object and returns 0, or a code of
 * enum call_code with .why.  Tested in tests/unit/recform_test.c against
 * tests/vectors/rec.txt, fuzzed in tests/fuzz/jsonrpc_fuzz.c.
 */
#ifndef WARREN_RECFORM_H
#define WARREN_RECFORM_H

#include <jansson.h>

#include "apid/call.h"
#include "common/rec.h"

struct recform {
	uint8_t raw[REC_MAX]; /* the record */
	size_t len;
	struct rec rec; /* decoded out of raw */
	uint8_t key[32], rid[32];
	bool has_if; /* only if this version is stored: */
	uint8_t if_rid[32];
	char why[128];
};

/* kind, subject, name, tombstone, w, payload; strings in hex. */
int recform_any(struct recform *f, const json_t *o, const uint8_t netid[32]);

/* An item of a batch: the record as a string, or an object as above.  Only
 * single writes are conditional. */
int recform_item(struct recform *f, const json_t *v, const uint8_t netid[32]);

/* blockId, temperature (a word), reason; tombstone. */
int recform_temperature(struct recform *f, const json_t *o,
    const uint8_t netid[32]);

/* blockId, nodeId, action (add, remove), region. */
int recform_location(struct recform *f, const json_t *o,
    const uint8_t netid[32]);

/* blockId, key, value (JSON) or payload (hex); tombstone. */
int recform_meta(struct recform *f, const json_t *o, const uint8_t netid[32]);

/* target, rating, comment; tombstone. */
int recform_rating(struct recform *f, const json_t *o, const uint8_t netid[32]);

/* The announcement of a block of this id and size: payload (hex). */
int recform_block(struct recform *f, const json_t *o, const uint8_t netid[32],
    const uint8_t id[32], uint32_t size);

/* A node record: payload (hex); or, gone, its tombstone. */
int recform_node(struct recform *f, const json_t *o, const uint8_t netid[32],
    bool gone);

/*
 * Decode a record as it came from the store, for showing.  The charter's
 * rules are the store's business: only the envelope must be right.
 */
bool recform_decode(struct rec *rec, const void *raw, size_t len);

/* --- values --- */

/* Exactly n bytes of hex, either case.  False when it is not that. */
bool hex_exact(const json_t *v, uint8_t *out, size_t n);

/* Up to cap bytes of hex; -1 when it is not hex or too long. */
int hex_upto(const json_t *v, uint8_t *out, size_t cap);

/* A stamp or a tick: a decimal string or an integer above 0. */
bool parse_u64(const json_t *v, uint64_t *out);

/* "WARM" is 3000; -1 for no such word.  The word of an average, rounded. */
int temperature_parse(const char *word);
const char *temperature_word(int64_t milli);

#endif
