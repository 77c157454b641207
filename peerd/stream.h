/* SPDX-License-Identifier: ISC */
/*
 * Streams in the bulk lane of peer links: loops between apps, and the
 * circuits of relays.
 *
 * A stream goes by an id of its link: odd ones are opened by who dialled the
 * link, even ones by who accepted it, each larger than the one before, so
 * none comes again.  Each end may send as many bytes as the other has
 * granted, from one end of the stream to the other, whatever lies between.
 * What may not leave yet waits in the stream, at most STREAM_HOLD bytes of
 * memory that the shell lends while there is something; streams of a link
 * that can send take turns of STREAM_SLICE.  A stream that has ended may
 * still be sent what had been granted: that much is forgiven, no more.
 *
 * Pure; tested in tests/unit/stream_test.c, fuzzed in stream_fuzz.c.
 */
#ifndef WARREN_STREAM_H
#define WARREN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"

#define STREAMS_MAX       4096 /* on all links */
#define STREAMS_LINK_MAX  1024 /* on one */
#define STREAM_HOLD       (128u << 10)
#define STREAM_SLICE      (32u << 10) /* what apps send at a time */
#define STREAM_CREDIT_MAX (1u << 30) /* granted and not used, at most */
#define STREAM_NONE       UINT32_MAX

enum stream_state {
	STREAM_FREE,
	STREAM_ASKED,   /* by us, not answered */
	STREAM_OFFERED, /* by them, likewise */
	STREAM_UP,
	STREAM_ENDING /* by us: CLOSE goes when nothing waits */
};

enum stream_rc {
	STREAM_FINE,
	STREAM_FULL, /* no place in the table */
	STREAM_BAD   /* not an id they may use now */
};

struct stream {
	uint32_t link, id;
	uint32_t chain;      /* next of its bucket, or next free */
	uint32_t prev, next; /* in the ring of those that can send */
	bool ready;          /* it is in that ring */
	uint8_t state;       /* enum stream_state */
	uint8_t why;         /* STREAM_ENDING: what CLOSE will say */
	uint32_t credit;     /* bytes we may send */
	uint32_t open;       /* bytes they may send */
	uint8_t *buf;        /* what waits: a ring in lent memory */
	uint32_t cap, head, len;
	/* The shell's own. */
	uint8_t kind;
	uint32_t tag;
	uint32_t owed;     /* bytes gone, not granted to who feeds it */
	struct mono since; /* of its state */
};

struct streams {
	struct stream *at;
	uint32_t cap, used, free;
	uint32_t *heads, mask; /* buckets */
	uint8_t key[16];
};

/* What streams have to do with a link. */
struct stream_link {
	uint32_t serial;  /* of the link */
	uint32_t next_id; /* of ours */
	uint32_t last_id; /* of theirs so far */
	uint32_t n;       /* streams, either side's */
	uint32_t turn;    /* who may send next, or STREAM_NONE */
	bool dialled;     /* by us */
	uint64_t late;    /* bytes they may send on streams that ended */
};

/*
 * An empty table in at[0..cap) with heads[0..n_heads), a power of two.  key
 * is secret, so that nobody can choose ids that share a bucket.
 */
void streams_init(struct streams *ss, struct stream *at, uint32_t cap,
    uint32_t *heads, uint32_t n_heads, const uint8_t key[16]);

void stream_link_init(struct stream_link *sl, uint32_t serial, bool dialled);

/*
 * A stream of ours, STREAM_ASKED; once it is up they may send open bytes.
 * NULL when the table or the link is full.
 */
struct stream *stream_ask(struct streams *ss, struct stream_link *sl,
    uint32_t open);

/* They ask for one and let us send credit bytes.  *s only when STREAM_FINE. */
enum stream_rc stream_offer(struct streams *ss, struct stream_link *sl,
    uint32_t id, uint32_t credit, struct stream **s);

/* The stream by this id, or NULL. */
struct stream *stream_find(const struct streams *ss,
    const struct stream_link *sl, uint32_t id);

/* True when there has been a stream of this id on the link. */
bool stream_was(const struct stream_link *sl, uint32_t id);

/* Our question was answered, or we answer theirs: it is up. */
void stream_opened(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint32_t credit);
void stream_accept(struct stream *s, uint32_t open);

/* They sent n bytes.  False when they had not been granted so many. */
bool stream_take(struct stream *s, uint32_t n);

/* They sent n bytes on a stream that has ended.  False: likewise. */
bool stream_late(struct stream_link *sl, uint32_t n);

/* They granted n bytes, or we grant them.  False beyond STREAM_CREDIT_MAX. */
bool stream_granted(struct streams *ss, struct stream_link *sl,
    struct stream *s, uint32_t n);
bool stream_grant(struct stream *s, uint32_t n);

/* True when n bytes may go to the link past the queue; then say so. */
bool stream_passes(const struct stream *s, uint32_t n);
void stream_passed(struct stream *s, uint32_t n);

/*
 * Lend buf for what waits, moving it there, and return the buffer used so
 * far, or NULL.  A buf of NULL takes the memory back, and what waits with it.
 */
uint8_t *stream_lend(struct streams *ss, struct stream_link *sl,
    struct stream *s, uint8_t *buf, uint32_t cap);

/* n bytes wait now.  False when the memory lent has no room for them. */
bool stream_hold(struct streams *ss, struct stream_link *sl, struct stream *s,
    const uint8_t *p, uint32_t n);

/*
 * Whose turn it is, and how many bytes it may send: at most max, never more
 * than STREAM_SLICE.  0: send CLOSE and free it.  NULL when nobody can.
 */
struct stream *stream_next(struct streams *ss, struct stream_link *sl,
    uint32_t max, uint32_t *n);

/* The first n bytes that wait, in two parts; the second may be empty. */
void stream_peek(const struct stream *s, uint32_t n, const uint8_t *part[2],
    uint32_t len[2]);

/* They are with the link now, and it is the next one's turn. */
void stream_sent(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint32_t n);

/* End it when nothing waits any more. */
void stream_end(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint8_t why);

/*
 * Out of the table.  The lent memory is back already.  theirs: they ended
 * it, so nothing more will come.
 */
void stream_free(struct streams *ss, struct stream_link *sl, struct stream *s,
    bool theirs);

uint32_t stream_index(const struct streams *ss, const struct stream *s);

#endif
