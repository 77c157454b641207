/* SPDX-License-Identifier: ISC */
/*
 * A peer link after its handshake: frames, lanes and credit.
 *
 *   frame      = len:u16be | ciphertext of len bytes, tag included
 *   plaintext  = lane:u8 | message ..        at most 65519 bytes
 *   message    = len:u16be | canonical msgpack array (wire.h), 1 byte or more
 *
 * Four lanes share the connection, so that bulk data never holds up control.
 * On each a sender may have at most the lane's window of message bytes (the
 * two length bytes not counted) that the receiver has not granted back with
 * CREDIT.  CREDIT itself travels on control and needs no credit; the link
 * makes and eats it on its own.  More than the window is a protocol error.
 *
 * The link owns no memory.  Queues live in buffers that the shell lends with
 * link_lend() and takes back when they are empty; received bytes stay in the
 * shell's buffer and are decrypted in place.  An idle link is this struct
 * and nothing else.
 *
 * Pure; tested in tests/unit/link_test.c, fuzzed in link_fuzz.c.
 */
#ifndef WARREN_LINK_H
#define WARREN_LINK_H

#include "peerd/noise.h"
#include "peerd/wire.h"

#define LINK_PLAIN_MAX   (NOISE_MSG_MAX - NOISE_TAG_LEN) /* 65519 */
#define LINK_FRAME_MAX   (2 + NOISE_MSG_MAX)             /* with its length */
#define LINK_FRAME_MIN   (2 + NOISE_TAG_LEN + 1 + 2 + 1)
#define LINK_FRAME_FULL  16384 /* no further message joins a frame this long */
#define LINK_MSG_MAX     (LINK_PLAIN_MAX - 3)
#define LINK_CONTROL_MAX 49152 /* longest message on the control lane */
#define LINK_ENTRY_LEN   2     /* queue bytes used besides each message */

enum link_err {
	LINK_FINE,
	LINK_BAD_LENGTH, /* frame too short to hold a message */
	LINK_BAD_CRYPT,  /* not encrypted for us */
	LINK_BAD_LANE,   /* no such lane */
	LINK_BAD_FRAME,  /* message lengths do not fill the frame */
	LINK_BAD_CREDIT, /* they sent past their credit */
	LINK_BAD_GRANT,  /* they granted more than we had sent */
	LINK_WORN_OUT    /* nonces used up */
};

enum link_rc {
	LINK_MORE,  /* nothing (more) there yet */
	LINK_GOT,   /* something was put into the arguments */
	LINK_BROKEN /* protocol error, see link->err; close the connection */
};

/* Messages waiting on a lane, a ring of (len:u16, bytes) in lent memory. */
struct link_queue {
	uint8_t *buf;
	uint32_t cap, head, len;
};

struct link {
	struct noise_cipher tx, rx;
	struct link_queue out[LANE_N];
	uint32_t credit[LANE_N];  /* bytes we may still send */
	uint32_t deficit[LANE_N]; /* round robin: bytes this lane has saved */
	uint32_t open[LANE_N];    /* bytes they may still send */
	uint32_t owed[LANE_N];    /* consumed, not granted yet */
	struct rd in;             /* messages of the frame being read */
	uint8_t in_lane;
	uint8_t turn; /* lane of the round robin */
	bool arrived; /* turn has got its quantum for this visit */
	uint8_t err;  /* enum link_err, sticky */
};

/* A message received; borrowed until the next link_feed(). */
struct link_msg {
	enum lane lane;
	const uint8_t *p;
	size_t len;
};

/* Window of a lane in bytes. */
uint32_t link_window(enum lane lane);

/* Start with the two ciphers of noise_split(), which are copied. */
void link_init(struct link *l, const struct noise_cipher *tx,
    const struct noise_cipher *rx);

/* Forget the keys.  Lent buffers remain the caller's to free. */
void link_wipe(struct link *l);

/*
 * Lend buf (cap bytes) for a lane's queue, moving what is queued into it, and
 * give back the buffer used so far, or NULL.  A buf of NULL takes the memory
 * back.  What is queued must fit cap: see link_queued().
 */
uint8_t *link_lend(struct link *l, enum lane lane, uint8_t *buf, size_t cap);

/*
 * Queue a message of 1..LINK_MSG_MAX bytes (LINK_CONTROL_MAX on control).
 * False when the queue has no room for it: lend more or drop it.
 */
bool link_queue(struct link *l, enum lane lane, const void *msg, size_t len);

/* The same for a message that lies in n parts. */
bool link_queue_parts(struct link *l, enum lane lane,
    const struct wire_blob *part, size_t n);

/* Bytes of queue memory in use on a lane. */
size_t link_queued(const struct link *l, enum lane lane);

/* True when link_next_frame() would write something. */
bool link_wants_write(const struct link *l);

/*
 * Write the next frame into out, which has at least LINK_FRAME_MAX bytes, and
 * set *len.  Control goes first, the rest by deficit round robin.  LINK_MORE
 * when there is nothing to send or no credit to send it.
 */
enum link_rc link_next_frame(struct link *l, uint8_t *out, size_t *len);

/*
 * Bytes of the frame at buf, its length included, when len are there
 * already: 2 while the length itself is missing.  The room a shell needs.
 */
size_t link_frame_len(const uint8_t *buf, size_t len);

/*
 * Take one frame off buf, decrypting it in place.  LINK_GOT: *used bytes are
 * spent, their messages come from link_next_msg() and borrow from buf; ask
 * for all of them before feeding on.  LINK_MORE: incomplete, *used is 0; keep
 * the bytes and come again with more.
 */
enum link_rc link_feed(struct link *l, uint8_t *buf, size_t len, size_t *used);

/*
 * The next message of the frame.  LINK_MORE at its end.  CREDIT is not shown
 * but obeyed.  Each message shown takes from the credit they have, until
 * link_consumed() gives it back.
 */
enum link_rc link_next_msg(struct link *l, struct link_msg *msg);

/*
 * n bytes of messages have left our hands.  They are granted once a quarter
 * of the window has come together.
 */
void link_consumed(struct link *l, enum lane lane, size_t n);

/* For logs: "ok", "frame length", "decryption", ... */
const char *link_err_name(enum link_err err);

#endif
