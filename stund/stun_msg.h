/* SPDX-License-Identifier: ISC */
/*
 * STUN messages (RFC 8489): read and written byte by byte, in one pass, with
 * nothing copied and nothing allocated.  Only what Binding needs; credentials
 * are recognised but neither made nor checked.
 *
 * Pure; tested in tests/unit/stun_msg_test.c, fuzzed by
 * tests/fuzz/stun_msg_fuzz.c.
 */
#ifndef WARREN_STUN_MSG_H
#define WARREN_STUN_MSG_H

#include "common/bytes.h"
#include "common/naddr.h"

#define STUN_HDR       20 /* bytes of a header */
#define STUN_TID       12 /* bytes of a transaction id */
#define STUN_COOKIE    0x2112a442u
#define STUN_ATTRS_MAX 16 /* attributes in a message we read */

/* What we send has exactly these sizes; nat-security.md 5 says why. */
#define STUN_REQUEST_LEN    64
#define STUN_SUCCESS4_LEN   32
#define STUN_SUCCESS6_LEN   44
#define STUN_INDICATION_LEN 28
#define STUN_UNKNOWN_LEN(n) (STUN_HDR + 8u + 4u + ((n)*2u + 3u) / 4u * 4u)
#define STUN_OUT_MAX        STUN_REQUEST_LEN

/* Message types: class and method (RFC 8489 section 5). */
#define STUN_BINDING_REQUEST    0x0001
#define STUN_BINDING_INDICATION 0x0011
#define STUN_BINDING_SUCCESS    0x0101
#define STUN_BINDING_ERROR      0x0111

/* Attribute types (RFC 8489 section 18.3). */
#define STUN_MAPPED_ADDRESS     0x0001
#define STUN_USERNAME           0x0006
#define STUN_MESSAGE_INTEGRITY  0x0008
#define STUN_ERROR_CODE         0x0009
#define STUN_UNKNOWN_ATTRIBUTES 0x000a
#define STUN_REALM              0x0014
#define STUN_NONCE              0x0015
#define STUN_INTEGRITY_SHA256   0x001c
#define STUN_PASSWORD_ALGORITHM 0x001d
#define STUN_USERHASH           0x001e
#define STUN_XOR_MAPPED_ADDRESS 0x0020
#define STUN_SOFTWARE           0x8022
#define STUN_FINGERPRINT        0x8028
#define STUN_FILLER             0xf57a /* ours: zeroes, comprehension-optional */

enum stun_err {
	STUN_OK,
	STUN_BAD_SHORT,       /* fewer than 20 bytes */
	STUN_BAD_BITS,        /* one of the top two bits is set */
	STUN_BAD_LENGTH,      /* not a multiple of 4, or not the datagram's */
	STUN_BAD_COOKIE,      /* RFC 3489, or no STUN at all */
	STUN_BAD_ATTR,        /* an attribute reaches beyond the end */
	STUN_BAD_MANY,        /* more than STUN_ATTRS_MAX attributes */
	STUN_BAD_FINGERPRINT, /* wrong, or something follows it */
	STUN_ERRS
};

struct stun_attr {
	uint16_t type;
	uint16_t len;       /* of val, padding not counted */
	const uint8_t *val; /* borrowed from the message */
};

struct stun_msg {
	uint16_t type;
	uint8_t nattrs;
	uint8_t nunknown;
	bool has_fingerprint; /* and it was right */
	const uint8_t *tid;   /* STUN_TID bytes, borrowed */
	struct stun_attr attrs[STUN_ATTRS_MAX];
	uint16_t
	    unknown[STUN_ATTRS_MAX]; /* comprehension-required, not known */
};

/*
 * Does this datagram look like STUN?  The test that separates it from other
 * traffic on a shared port: byte 0 at most 3, magic cookie at offset 4.
 */
bool stun_is_stun(const uint8_t *buf, size_t len);

/*
 * Read the message that fills buf exactly.  Pointers in *m are into buf.
 * Attributes behind an integrity attribute are left out (section 14.5).
 * On error *m is worthless.
 */
enum stun_err stun_parse(struct stun_msg *m, const uint8_t *buf, size_t len);

/* First attribute of a type; NULL when there is none. */
const struct stun_attr *stun_find(const struct stun_msg *m, uint16_t type);

/*
 * The address a success response tells: XOR-MAPPED-ADDRESS, or where there
 * is none the MAPPED-ADDRESS of old servers.  0, or -1 when it is missing,
 * malformed or has port 0.
 */
int stun_get_mapped(const struct stun_msg *m, struct naddr *mapped);

/* ERROR-CODE as 300..699; 0 when missing or out of range. */
unsigned stun_get_error(const struct stun_msg *m);

/*
 * Messages out; each leaves w->bad set when it does not fit.  A request is
 * filled up to STUN_REQUEST_LEN, so that no answer is longer than what asked
 * for it; requests and indications end in a FINGERPRINT.
 */
void stun_put_request(struct wr *w, const uint8_t tid[STUN_TID]);
void stun_put_indication(struct wr *w, const uint8_t tid[STUN_TID]);

/* The answer to m: its sender is seen at mapped, of family V4 or V6. */
void stun_put_success(struct wr *w, const uint8_t tid[STUN_TID],
    const struct naddr *mapped);

/* Error 420 with the n attributes not understood, and no reason phrase. */
void stun_put_unknown(struct wr *w, const uint8_t tid[STUN_TID],
    const uint16_t *unknown, size_t n);

/*
 * Framing on a TCP stream (RFC 8489 section 6.2.2): the length of the message
 * that starts at buf[0], 0 when more bytes are needed to tell or to complete
 * it, -1 when this cannot become one of at most max bytes.  Junk is called
 * junk at its first wrong byte.
 */
int stun_stream_next(const uint8_t *buf, size_t have, size_t max);

/* "ok", "short", ...: for logs and counters. */
const char *stun_err_name(enum stun_err e);

#endif
