/* SPDX-License-Identifier: ISC */
/*
 * Noise_XX_25519_ChaChaPoly_BLAKE2b (noiseprotocol.org, revision 34): the
 * three handshake messages, each with a payload, and the two ciphers after
 * them.  Keys are passed in; nothing here draws a random number.  Pure;
 * tested in tests/unit/noise_test.c against published vectors, fuzzed in
 * noise_fuzz.c.
 *
 *   initiator                responder
 *      e                 ->                      step 0
 *                        <-  e, ee, s, es        step 1
 *      s, se             ->                      step 2, then split
 */
#ifndef WARREN_NOISE_H
#define WARREN_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_MSG_MAX  65535
#define NOISE_TAG_LEN  16
#define NOISE_HASH_LEN 64
#define NOISE_KEY_LEN  32

/* Bytes each handshake message adds to its payload. */
#define NOISE_MSG0_LEN 32
#define NOISE_MSG1_LEN (32 + 48 + 16)
#define NOISE_MSG2_LEN (48 + 16)

enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

/* One direction after the handshake. */
struct noise_cipher {
	uint8_t k[NOISE_KEY_LEN];
	uint64_t n; /* next nonce; UINT64_MAX is never used */
};

struct noise {
	uint8_t role; /* enum noise_role */
	uint8_t step; /* next message, 0..3 */
	bool failed;  /* nothing works any more */
	bool has_k;
	struct noise_cipher cs;
	uint8_t ck[NOISE_HASH_LEN];
	uint8_t h[NOISE_HASH_LEN];
	uint8_t s_sk[32], s_pk[32]; /* our static key */
	uint8_t e_sk[32], e_pk[32]; /* our key of this handshake */
	uint8_t rs[32], re[32];     /* theirs, once read */
};

/* Start a handshake.  e_sk must be fresh random bytes, used only once. */
void noise_init(struct noise *ns, enum noise_role role, const uint8_t s_sk[32],
    const uint8_t e_sk[32], const void *prologue, size_t prologue_len);

/*
 * Write the next message with payload into out and set *len.  0, or -1 when
 * it is not our turn, it does not fit cap or NOISE_MSG_MAX, or the handshake
 * failed before.
 */
int noise_write(struct noise *ns, const void *payload, size_t payload_len,
    uint8_t *out, size_t cap, size_t *len);

/*
 * Read the next message, put its payload into out (cap bytes) and set *len.
 * 0, or -1 when it is not their turn, cut short, forged, or its payload is
 * longer than cap; the handshake is over then.
 */
int noise_read(struct noise *ns, const uint8_t *msg, size_t msg_len,
    uint8_t *out, size_t cap, size_t *len);

/* True when it is our turn to write. */
bool noise_may_write(const struct noise *ns);

/* True when the three messages are through. */
bool noise_is_done(const struct noise *ns);

/*
 * The ciphers of a finished handshake, and the handshake hash, which names
 * the channel.  Wipes *ns, so read ns->rs before.
 */
void noise_split(struct noise *ns, struct noise_cipher *tx,
    struct noise_cipher *rx, uint8_t hash[NOISE_HASH_LEN]);

/* Forget every secret of a handshake, finished or not. */
void noise_wipe(struct noise *ns);

/*
 * Encrypt len bytes into len + NOISE_TAG_LEN at out, which may be in.
 * 0, or -1 when that is above NOISE_MSG_MAX or the nonces are used up.
 */
int noise_encrypt(struct noise_cipher *cs, const uint8_t *in, size_t len,
    uint8_t *out);

/*
 * Decrypt len bytes into len - NOISE_TAG_LEN at out, which may be in.
 * 0, or -1 when they are too short, forged, or the nonces are used up.
 */
int noise_decrypt(struct noise_cipher *cs, const uint8_t *in, size_t len,
    uint8_t *out);

#endif
