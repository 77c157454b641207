/* SPDX-License-Identifier: ISC */
/*
 * Records, the unit of the replicated database.
 *
 *   record = [ body:bin, sig:bin(64) ]                   at most 8 KiB
 *   body   = [ 1, kind:u8, subject:bin(1..64), name:bin(0..64),
 *              author:bin(32), hlc:u64, flags:u8, w:i32, payload:bin ]
 *   rid    = BLAKE2b-256(person "WarrenRec1", body)
 *   sig    = Ed25519(author, "warren/rec/1\0" | netid | rid)
 *
 * Only this envelope is read here; what a payload means is for those who
 * show it, so a payload nobody understands still travels.  Every rule is a
 * function of the charter and the record alone, or two nodes would keep
 * different databases.  Pure; tested in tests/unit/rec_test.c against
 * tests/vectors/rec.txt, fuzzed in rec_fuzz.c.
 */
#ifndef WARREN_REC_H
#define WARREN_REC_H

#include "common/bytes.h"
#include "common/charter.h"

#define REC_MAX         8192
#define REC_BODY_MAX    (REC_MAX - 1 - 3 - 66)
#define REC_VERSION     1
#define REC_SUBJECT_MAX 64
#define REC_NAME_MAX    64
#define REC_SIGN_LEN    (13 + 32 + 32)

#define REC_TOMBSTONE 0x01 /* flags: deleted; no payload, w = 0 */

enum rec_kind {
	REC_MEMBER = 1,
	REC_NODE = 2,
	REC_BLOCK = 16,
	REC_LOCATION = 17,
	REC_TEMPERATURE = 18,
	REC_META = 19,
	REC_RATING = 20
};

enum rec_err {
	REC_OK,
	REC_MALFORMED, /* envelope not canonical: nobody honest sends that */
	REC_KIND,      /* the charter has no such kind */
	REC_RULE,      /* breaks the charter's or its kind's rules */
	REC_SIG        /* not signed by its author for this network */
};

struct rec {
	uint8_t kind;
	uint8_t flags;
	uint8_t subject_len, name_len;
	int32_t w;
	uint64_t hlc;
	uint8_t subject[REC_SUBJECT_MAX];
	uint8_t name[REC_NAME_MAX];
	uint8_t author[32];
	const uint8_t *payload; /* lent: lives as long as what was decoded */
	size_t payload_len;
	/* Set by decoding only. */
	const uint8_t *body; /* likewise lent */
	size_t body_len;
	uint8_t sig[64];
};

/* What decides between two versions of one key. */
struct rec_version {
	uint64_t hlc;
	uint8_t rid[32];
};

/* Write the body of *rec; w->bad when it does not fit. */
void rec_encode_body(struct wr *w, const struct rec *rec);

/* Write the record around an encoded body. */
void rec_encode(struct wr *w, const void *body, size_t len,
    const uint8_t sig[64]);

/*
 * Read a record and hold it to the charter.  The signature is only copied:
 * a record that is expired or dominated is dropped before anybody pays for
 * rec_verify().  On REC_KIND and REC_RULE *rec is filled, for the log.
 */
enum rec_err rec_decode(struct rec *rec, const struct charter *ch,
    const void *buf, size_t len);

/* The same for a body without its signature. */
enum rec_err rec_decode_body(struct rec *rec, const struct charter *ch,
    const void *body, size_t len);

/* The rules alone, for a record about to be written: REC_OK or why not. */
enum rec_err rec_check(const struct rec *rec, const struct charter *ch);

void rec_rid(uint8_t rid[32], const void *body, size_t len);

/* The bytes an author signs. */
void rec_sign_bytes(uint8_t out[REC_SIGN_LEN], const uint8_t netid[32],
    const uint8_t rid[32]);

/* Sign with libsodium's 64-byte secret key. */
void rec_sign(uint8_t sig[64], const uint8_t netid[32], const uint8_t rid[32],
    const uint8_t sk[64]);

/* True when rec->sig is the author's over rid.  libsodium's rules decide. */
bool rec_verify(const struct rec *rec, const uint8_t netid[32],
    const uint8_t rid[32]);

/*
 * The tree key: kind | 15 bytes of the subject's hash | 16 bytes of the
 * hash of everything that names the record.  Any kind and any subject is one
 * subtree, which is what makes their sums provable.
 */
void rec_key(uint8_t key[32], const struct rec *rec, const uint8_t netid[32]);

/* True when a replaces b: the later stamp, then the larger rid. */
bool rec_wins(const struct rec_version *a, const struct rec_version *b);

/* For logs: "ok", "malformed", "unknown kind", ... */
const char *rec_err_name(enum rec_err err);

#endif
