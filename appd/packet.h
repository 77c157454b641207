/* SPDX-License-Identifier: ISC */
/*
 * The packets that an app and its node exchange over two pipes:
 *
 *   len u16 big-endian | type u8 | id u8 | body          (len = 2 + body)
 *
 * back to back, without magic or checksum.  The wire is Skywire's of 2019 and
 * described in warren-app(7).  Pure: parses where the bytes lie, writes where
 * the caller says.  Tested in tests/unit/app_packet_test.c, fuzzed in
 * tests/fuzz/app_packet_fuzz.c.
 */
#ifndef WARREN_PACKET_H
#define WARREN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEAD     4     /* bytes before the body */
#define PACKET_BODY_MAX 65533 /* bytes of a body */
#define PACKET_MAX      (PACKET_HEAD + PACKET_BODY_MAX)
#define PACKET_IDS      255 /* ids are 0..254; 255 is never used */

/* A packet is a response if its type says so, and a request otherwise. */
enum packet_type {
	PACKET_INIT = 0x00,
	PACKET_CREATE_LOOP = 0x01,
	PACKET_CONFIRM_LOOP = 0x02,
	PACKET_SEND = 0x03,
	PACKET_CLOSE = 0x04,
	PACKET_FAILURE = 0xfe,
	PACKET_SUCCESS = 0xff
};

struct packet {
	uint8_t type; /* an enum packet_type, or one that we do not know */
	uint8_t id;   /* chosen by whoever asks, repeated in the answer */
	const uint8_t *body; /* in the buffer it was read from */
	size_t body_len;     /* 0..PACKET_BODY_MAX */
};

/*
 * The packet at the front of the len bytes of buf.
 *
 * Returns how many bytes it takes, at least PACKET_HEAD, and fills *p, whose
 * body points into buf; 0 when more bytes are needed; -1 when there can be no
 * packet here: its len is 0 or 1.  After -1 the stream has no meaning any
 * more, for nothing in it would tell where the next packet begins.
 */
int packet_next(const uint8_t *buf, size_t len, struct packet *p);

/* True for a packet that answers an earlier one. */
bool packet_is_response(uint8_t type);

/*
 * Write the PACKET_HEAD bytes that go before a body of body_len bytes.
 * body_len is at most PACKET_BODY_MAX; more is cut, so ask before.
 */
void packet_put_head(uint8_t *at, uint8_t type, uint8_t id, size_t body_len);

/*
 * Write a whole packet into the cap bytes of buf; body may lie there already,
 * at buf + PACKET_HEAD.  Returns its bytes, or 0 when it does not fit there
 * or in any packet.
 */
size_t packet_put(uint8_t *buf, size_t cap, uint8_t type, uint8_t id,
    const void *body, size_t body_len);

#endif
