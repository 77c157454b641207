/* SPDX-License-Identifier: ISC */
/*
 * What conn.c (life, states, deadlines) and conn_io.c (bytes in and out)
 * share about a connection; nobody else looks inside one.
 *
 *	IDLE -> HEAD -> BODY -> (answer) -> IDLE
 *	                  |        |
 *	                WAIT     WRITE: the client does not take it all
 *	a refused request ends in LINGER: what still comes is read and dropped,
 *	so that our answer is not torn up by a reset, and then the end
 */
#ifndef WARREN_CONN_PRIV_H
#define WARREN_CONN_PRIV_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "apid/conn.h"
#include "apid/out.h"
#include "common/mono.h"

#define IN_SIZE 4096u        /* of the first read buffer */
#define IN_LONG (128u << 10) /* larger ones share a budget */

enum conn_state {
	C_IDLE, /* between requests, or before the first */
	C_HEAD, /* a head has begun */
	C_BODY,
	C_WAIT,  /* for a handler's late answer */
	C_WRITE, /* for the client to take its answer */
	C_LINGER,
	C_STATES
};

/* What a connection needs only while it is not idle. */
struct work {
	struct work *next; /* in the pool */
	struct http_parse parse;
	struct http_req rq;
	struct out *out;
	struct event *ev_write;
	uint8_t *in; /* small[], or from the heap */
	size_t in_off, in_len, in_cap;
	size_t sent;   /* since the deadline was last moved */
	bool handling; /* rest_handle() is on the stack */
	bool answered, closing, eof;
	uint8_t small[IN_SIZE];
};

struct conn {
	struct event ev;
	TAILQ_ENTRY(conn) next; /* of its state */
	struct work *work;
	struct mono since; /* in this state */
	uint32_t lingered; /* bytes dropped */
	int fd;
	struct naddr from;
	uint8_t service;
	uint8_t state;
};
TAILQ_HEAD(conns, conn);

/* A buffer to read into; NULL: no memory.  conn_work_free() takes NULL. */
struct work *conn_work_new(void);
void conn_work_free(struct work *w);

/* Make its buffer of cap bytes; false when memory or the budget is out. */
bool conn_work_grow(struct work *w, size_t cap);

/* Begin the deadline of a state; an idle list need not be quite in order. */
void conn_set_state(struct conn *c, enum conn_state state);

/* The end: cancels what is pending, frees all. */
void conn_close(struct conn *c);

/* Watch for room to write, with conn_on_write().  0 or -1. */
int conn_want_write(struct conn *c);

/* In conn_io.c: what the loop calls, and what a deadline does. */
void conn_on_read(evutil_socket_t fd, short what, void *arg);
void conn_on_write(evutil_socket_t fd, short what, void *arg);
void conn_expire(struct conn *c);

#endif
