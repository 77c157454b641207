/* SPDX-License-Identifier: ISC */
/*
 * What two nodes tell each other inside the handshake (Noise messages 1 and
 * 2, counted from 0): protocol versions, capabilities, and the certificate
 * by which the node's identity key vouches for the Noise key of this run.
 *
 *   hello = [ proto_min, proto_max, caps, identity:bin(32),
 *             not_before, not_after, sig:bin(64) ]        times in unix s
 *   sig   = Ed25519(identity, "warren/noise/1\0" | netid | x25519 key |
 *                   not_before:u64be | not_after:u64be)
 *
 * Pure; tested in tests/unit/hello_test.c, fuzzed in hello_fuzz.c.
 */
#ifndef WARREN_HELLO_H
#define WARREN_HELLO_H

#include "common/bytes.h"
#include "common/mono.h"

#define HELLO_MAX          160 /* bytes of an encoded hello at most */
#define HELLO_SIGN_LEN     (15 + 32 + 32 + 8 + 8)
#define HELLO_PROLOGUE_LEN (14 + 32)
#define HELLO_LIFE_MAX_S   86400
#define HELLO_SKEW_S       60 /* what two clocks may be apart */

#define LINK_PROTO_MIN 1 /* what this program speaks */
#define LINK_PROTO_MAX 1

/* In caps of a dialler's hello: this link shall carry loops, nothing else. */
#define HELLO_LOOPS 0x80000000u

enum hello_err {
	HELLO_OK,
	HELLO_MALFORMED,
	HELLO_TIME, /* expired, not yet valid, or valid for too long */
	HELLO_SIG   /* the identity did not sign this Noise key */
};

struct hello {
	uint16_t proto_min, proto_max; /* 1 <= min <= max */
	uint32_t caps;                 /* as in noderec.h */
	uint8_t identity[32];          /* Ed25519: the node id */
	uint64_t not_before, not_after;
	uint8_t sig[64];
};

void hello_encode(struct wr *w, const struct hello *he);

/* HELLO_OK or HELLO_MALFORMED; nothing is believed yet. */
enum hello_err hello_decode(struct hello *he, const void *buf, size_t len);

/*
 * Check the times and the signature over noise_pk, the static key that the
 * handshake proved.
 */
enum hello_err hello_verify(const struct hello *he, const uint8_t netid[32],
    const uint8_t noise_pk[32], struct wall now);

/* The bytes the identity key signs. */
void hello_sign_bytes(uint8_t out[HELLO_SIGN_LEN], const uint8_t netid[32],
    const uint8_t noise_pk[32], uint64_t not_before, uint64_t not_after);

/* The Noise prologue: "warren/link/1\0" | netid. */
void hello_prologue(uint8_t out[HELLO_PROLOGUE_LEN], const uint8_t netid[32]);

/* The highest version both speak, or 0 for none. */
uint16_t hello_agree(const struct hello *a, const struct hello *b);

/* For logs: "ok", "malformed", "certificate time", "certificate signature" */
const char *hello_err_name(enum hello_err err);

#endif
