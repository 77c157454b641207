/* SPDX-License-Identifier: ISC */
/*
 * The charter: the constants every node of one network shares, signed by the
 * network's root key.  Its hash, the netid, goes into every signature and
 * handshake, so nodes with other rules cannot link.
 *
 *   charter = [ body:bin, sig:bin(64) ]                 at most 16 KiB
 *   body    = [ 1, name:str, root_pk:bin(32), tick_ms, settle_ms, future_ms,
 *               admission, pow_bits, [authority:bin(32) ..],
 *               [[kind, pmax, ttl_s, quota, w_min, w_max] ..], r ]
 *   netid   = BLAKE2b-256(person "WarrenNet1", body)
 *   sig     = Ed25519(root, "warren/charter/1\0" | netid)
 *
 * Pure; tested in tests/unit/charter_test.c, fuzzed in charter_fuzz.c.
 */
#ifndef WARREN_CHARTER_H
#define WARREN_CHARTER_H

#include "common/bytes.h"

#define CHARTER_MAX           16384
#define CHARTER_VERSION       1
#define CHARTER_NAME_MAX      32
#define CHARTER_AUTHORITY_MAX 16
#define CHARTER_KINDS_MAX     32
#define CHARTER_SIGN_LEN      (17 + 32)

/* Ranges that charter_decode() holds every charter to. */
#define CHARTER_TICK_MIN_MS 100
#define CHARTER_TIME_MAX_MS 3600000 /* tick, settle and future alike */
#define CHARTER_POW_MAX     40
#define CHARTER_PMAX_MAX    7680 /* leaves the envelope room in 8 KiB */
#define CHARTER_TTL_MIN_S   60
#define CHARTER_TTL_MAX_S   (10 * 366 * 86400)
#define CHARTER_QUOTA_MAX   (1 << 24)
#define CHARTER_R_MAX       16

/* The row of this kind speaks for every kind above it that has no own row. */
#define CHARTER_KIND_REST 32

enum charter_admission { CHARTER_OPEN = 0, CHARTER_MEMBERS = 1 };

enum charter_err {
	CHARTER_OK,
	CHARTER_MALFORMED, /* not canonical, or too long */
	CHARTER_RANGE,     /* well-formed, but a value out of its range */
	CHARTER_SIG        /* not signed by its own root key */
};

struct charter_kind {
	uint8_t kind;
	uint16_t pmax;        /* bytes of payload at most */
	uint32_t ttl_s;       /* life of a record from its stamp */
	uint32_t quota;       /* records an author may hold; 0: no such limit */
	int32_t w_min, w_max; /* range of the summed number */
};

struct charter {
	char name[CHARTER_NAME_MAX + 1];
	uint8_t root_pk[32];
	uint32_t tick_ms, settle_ms, future_ms;
	uint8_t admission; /* enum charter_admission */
	uint8_t pow_bits;  /* leading zero bits of the stamp when open */
	uint8_t n_authority, n_kinds;
	uint8_t authority[CHARTER_AUTHORITY_MAX][32];
	struct charter_kind kinds[CHARTER_KINDS_MAX]; /* ascending */
	uint8_t r;         /* copies wanted of each block */
	uint8_t netid[32]; /* set by decoding */
};

/* Write the body; w->bad when it does not fit.  netid is not looked at. */
void charter_encode_body(struct wr *w, const struct charter *ch);

/* Write the charter around a body that is already encoded. */
void charter_encode(struct wr *w, const void *body, size_t len,
    const uint8_t sig[64]);

/* Read and check a body alone; sets netid.  Never CHARTER_SIG. */
enum charter_err charter_decode_body(struct charter *ch, const void *body,
    size_t len);

/* Read and check a whole charter, its signature included. */
enum charter_err charter_decode(struct charter *ch, const void *buf,
    size_t len);

void charter_netid(uint8_t netid[32], const void *body, size_t len);

/* The bytes the root key signs. */
void charter_sign_bytes(uint8_t out[CHARTER_SIGN_LEN], const uint8_t netid[32]);

/* The rules of a kind, or NULL when this network has no such kind. */
const struct charter_kind *charter_kind(const struct charter *ch, uint8_t kind);

/* True when pk is one of the authorities. */
bool charter_is_authority(const struct charter *ch, const uint8_t pk[32]);

/* For logs: "ok", "malformed", "out of range", "bad signature". */
const char *charter_err_name(enum charter_err err);

/* The public network's charter, made by tests/vectors/charter_default.py. */
extern const uint8_t charter_default[];
extern const size_t charter_default_len;

#endif
