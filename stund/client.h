/* SPDX-License-Identifier: ISC */
/*
 * One STUN client: learns from one peer's server how one local socket looks
 * from outside, and keeps that mapping alive.  The same core for UDP and TCP.
 *
 *            start                answer
 *     IDLE --------> FIRST ----------------> HELD <---+
 *                    |  ^                    | |      | keepalive answered
 *           no answer|  |wait over           | +------+
 *                    v  |           no answer|   or broken
 *                   BACKOFF <------------- LOST --------> HELD
 *                            no answer            answer
 *
 * FIRST and LOST ask in full (39.5 s), HELD asks briefly (1.5 s) over UDP.
 * A mapping that had not lasted one keepalive goes to BACKOFF at once, so a
 * server that hangs up after each answer is not dialled in a circle.  Where
 * TCP needs another connection, the client asks for a socket and waits.
 *
 * Pure; tested in tests/unit/client_test.c.
 */
#ifndef WARREN_CLIENT_H
#define WARREN_CLIENT_H

#include "common/mono.h"
#include "common/naddr.h"
#include "stund/txn.h"

#define CLIENT_KEEPALIVE_MS       20000 /* to 1.25 times as much */
#define CLIENT_KEEPALIVE_SHORT_MS 15000 /* once a NAT forgot us */
#define CLIENT_BACKOFF_MIN_MS     5000  /* doubles with each failure */
#define CLIENT_BACKOFF_MAX_MS     300000

enum client_state {
	CLIENT_IDLE,
	CLIENT_FIRST,
	CLIENT_HELD,
	CLIENT_LOST,
	CLIENT_BACKOFF
};

/* What the shell is to do. */
enum client_act {
	CLIENT_WAIT,       /* nothing before client_due() */
	CLIENT_SEND,       /* send client_put_request() */
	CLIENT_NEW,        /* a mapping, where there was none */
	CLIENT_CHANGED,    /* another mapping than before */
	CLIENT_SAME,       /* still the same mapping */
	CLIENT_GONE,       /* the mapping is no longer held; tick again */
	CLIENT_WANT_SOCKET /* TCP: close, connect anew, client_socket() */
};

struct client {
	enum client_state state;
	bool tcp;
	bool has_socket; /* over UDP, once begun, always */
	struct txn txn;
	struct mono due;     /* next keepalive or end of backoff */
	struct mono held;    /* since when the mapping is held */
	struct naddr mapped; /* last mapping learnt, fam NADDR_NONE before */
	uint32_t base_ms;    /* shortest keepalive interval */
	uint32_t backoff_ms; /* the next wait after a failure */
	uint32_t failures;   /* since the last answer */
};

/* Idle.  base_ms 0 means CLIENT_KEEPALIVE_MS. */
void client_init(struct client *cl, bool tcp, uint32_t base_ms);

/*
 * The shell has a connected socket: begin.  Also the answer to
 * CLIENT_WANT_SOCKET.  tid is fresh random, as in client_tick().  After a
 * change of this host's addresses: client_stop(), then this.
 */
void client_socket(struct client *cl, const uint8_t tid[STUN_TID],
    struct mono now);

/* Back to idle; nothing is due, nothing accepted, all backoff forgotten. */
void client_stop(struct client *cl);

/*
 * Advance to now.  tid is fresh random for the transaction that may begin.
 * Answers with one action; call again until it says CLIENT_WAIT.
 */
enum client_act client_tick(struct client *cl, const uint8_t tid[STUN_TID],
    struct mono now);

/*
 * A message from the peer's server arrived on this client's socket: one
 * datagram, or one message of the stream.  rnd is random and spreads the
 * keepalives.  Junk and answers to nothing give CLIENT_WAIT; an error
 * response ends the transaction like silence does, redirects included.
 */
enum client_act client_receive(struct client *cl, const uint8_t *buf,
    size_t len, uint32_t rnd, struct mono now);

/*
 * The socket is dead: connection closed or refused, connect() failed.
 * CLIENT_GONE or CLIENT_WAIT.
 */
enum client_act client_broken(struct client *cl, struct mono now);

/* The request that CLIENT_SEND speaks of, STUN_REQUEST_LEN bytes. */
void client_put_request(const struct client *cl, struct wr *w);

/*
 * Somebody wants to know now: do what is due next at once, be it the next
 * keepalive or the end of a backoff.  False when there is nothing to hurry:
 * idle, or asking already.
 */
bool client_probe(struct client *cl, struct mono now);

/* Another shortest interval; what is due later than it allows comes sooner. */
void client_set_keepalive(struct client *cl, uint32_t base_ms, struct mono now);

/* When client_tick() has work next. */
struct mono client_due(const struct client *cl);

/* "idle", "first", "held", "lost", "backoff". */
const char *client_state_name(enum client_state s);

#endif
