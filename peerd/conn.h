/* SPDX-License-Identifier: ISC */
/*
 * A connection to another peerd: what is known of it, its life, its handshake,
 * its frames and what they say.  Private to peerd; peerd.h has the drawing.
 */
#ifndef WARREN_CONN_H
#define WARREN_CONN_H

#include <event2/event.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/mono.h"
#include "common/naddr.h"
#include "common/ratelimit.h"
#include "peerd/abook.h"
#include "peerd/known.h"
#include "peerd/link.h"
#include "peerd/noise.h"
#include "peerd/retry.h"
#include "peerd/score.h"
#include "peerd/stream.h"
#include "peerd/wire.h"

/* Why a connection is made; travels from the decision to the result. */
enum dial_kind {
	DIAL_TARGET, /* somebody wrote it down */
	DIAL_BOOK,   /* for the view */
	DIAL_FEELER,
	DIAL_HIDDEN,
	DIAL_CTL, /* asked for by an operator, or by the store */
	DIAL_LOOP /* for loops of apps, and for nothing else */
};

struct dial_why {
	uint8_t kind; /* enum dial_kind */
	bool configured;
	bool has_key; /* only this node may answer */
	bool has_id;  /* this node is expected to answer */
	uint8_t key[32];
	struct naddr addr;
	uint32_t target; /* serial, 0 for none */
	uint32_t ctl_id; /* who wants to hear of the outcome, 0 for nobody */
	uint32_t tag;    /* of the overlay's dial, 0 for none */
};

enum conn_state { CONN_SHAKE, CONN_UP, CONN_DEAD };

struct shake;
struct circuit;

/* One connection to another peerd, by TCP or over a circuit. */
struct conn {
	TAILQ_ENTRY(conn) next;
	uint32_t serial;
	int fd;
	uint8_t state; /* enum conn_state */
	bool outbound;
	bool loops;   /* it carries loops and nothing else */
	bool waiting; /* for the socket to take more */
	bool writing; /* traffic_write() is at it */
	struct circuit *circuit; /* instead of fd, or NULL */
	struct event *ev_read, *ev_write;
	struct naddr remote; /* plain form */
	struct dial_why why; /* outbound */
	struct mono started, last_rx;
	struct shake *shake; /* while CONN_SHAKE */

	/* From here on: while CONN_UP. */
	uint8_t id[32], noise_pk[32];
	uint32_t caps;
	struct wall since;
	struct known_node *node; /* NULL when the table is full */
	struct link link;
	uint8_t *rbuf; /* an incomplete frame, NULL while there is none */
	size_t rlen, rcap;
	uint8_t *wbuf; /* what the socket did not take, likewise */
	size_t woff, wlen;
	struct stream_link flow;
	struct bucket opens;    /* streams they may open */
	bool choked;            /* it did not take what it must: end it */
	struct mono flow_since; /* when the last stream ended */
	uint8_t flow_why;       /* what its loops hear when it ends */
	struct retry direct;    /* over a circuit: for a link without */
	char direct_error[64];  /* why the last try came to nothing */
	uint64_t bytes_in, bytes_out;
	bool ping_out;
	uint64_t ping_token;
	struct mono pinged;
	uint32_t rtt_us;
	bool has_clock;
	int64_t clock_off_ms; /* their wall clock less ours */
	uint8_t root[WIRE_ROOT_MAX]; /* the last ROOT, as it came */
	size_t root_len;             /* 0: none yet */
	struct score score;
	struct abook_source source;
	struct bucket relay, intake;
	bool behind;        /* it missed records: send all again later */
	struct mono synced; /* when all were sent last */
	struct mono addr_answered;
	bool stun_said; /* stund was told of it, and of these addresses */
	struct naddr stun_udp, stun_tcp;
	bool bye;       /* nothing more to say */
	bool announced; /* others were told that it is up */
	bool quiet;     /* feeler or hidden: others are not told of it */
	uint8_t slot;   /* of the broadcast, or GOSSIP_NO_SLOT */
	uint16_t place; /* among the neighbours, or NEIGH_NO_PLACE */
	uint32_t from_store; /* bytes of its messages that have not left */
	size_t held[LANE_N]; /* consumed, but not granted while the store is
	    behind */
};
TAILQ_HEAD(conns, conn);

/* --- conn.c --- */

/* Takes fd.  why is NULL for one that was accepted. */
void conn_start(int fd, const struct naddr *remote, const struct dial_why *why);

/* Over a circuit; *slot is where it knows its connection.  why as above. */
void conn_start_circuit(struct circuit *ct, struct conn **slot,
    const struct dial_why *why);

/* read(2) and write(2), whatever it runs over; and wait for room. */
ssize_t conn_read(struct conn *c, void *p, size_t n);
ssize_t conn_write(struct conn *c, const void *p, size_t n);
void conn_await_room(struct conn *c);

/* A descriptor warrend connected for us; takes it. */
void conn_dialled(int fd, const struct dial_why *why);

/* The handshake is over, one way or the other. */
void conn_shaken(struct conn *c, const struct noise_cipher *tx,
    const struct noise_cipher *rx);
void conn_shake_failed(struct conn *c, const char *why);

/* Say BYE where possible and end it; c stays valid until the loop turns. */
void conn_end(struct conn *c, enum wire_bye bye, const char *why);

/* A quiet link is one like others now. */
void conn_show(struct conn *c);
void conn_tick(struct mono now); /* deadlines and keepalive */
void conn_end_all(void);

/* --- conns.c --- */

/*
 * All connections but those for loops alone: start with NULL, ends with
 * NULL.  Only streams, and what is shown to operators, know of the others.
 */
struct conn *conn_next(const struct conn *after);
struct conn *conn_next_any(const struct conn *after);
struct conn *conn_find(const uint8_t id[32]); /* linked, or NULL */
/* Likewise, as others are told: quiet links are not there. */
struct conn *conn_find_shown(const uint8_t id[32]);
/* The best link to a node for its loops, or NULL. */
struct conn *conn_find_any(const uint8_t id[32]);
struct conn *conn_find_direct(const uint8_t id[32]); /* no circuit */
struct conn *conn_find_circuit(const uint8_t id[32]);
unsigned conn_loop_links(void);
struct conn *conn_by_serial(uint32_t serial);
unsigned conn_links(int outbound); /* up: 1 dialled, 0 accepted, -1 both */
unsigned conn_quiet(void);         /* of them, those others are not told of */
unsigned conn_shaking(void);       /* inbound */
bool conn_is_dialling(const struct naddr *addr);

/* --- shake.c --- */

/* Why a handshake with ourselves fails. */
#define SHAKE_SELF "that is this node itself"

/* Begin; false when there is no memory or the socket failed. */
bool shake_start(struct conn *c);
void shake_read(struct conn *c); /* ends in one of conn_shake*() */
void shake_free(struct shake *s);

/* --- traffic.c --- */

void traffic_read(struct conn *c);
/* False when the connection broke; it is ended then. */
bool traffic_write(struct conn *c);
void traffic_free(struct conn *c);

/* Queue a message.  False when the queue is full. */
bool traffic_send(struct conn *c, enum lane lane, const void *msg, size_t len);
bool traffic_send_parts(struct conn *c, enum lane lane,
    const struct wire_blob *part, size_t n);
/* What must arrive or the link is of no use. */
void traffic_send_control(struct conn *c, const struct wr *w);
void traffic_ping(struct conn *c, uint64_t token);

/* The store or appd took enough to go on: grant what was held back. */
void traffic_release(struct conn *c);

/* --- messages.c --- */

void messages_take(struct conn *c, const struct link_msg *lm);

#endif
