/* SPDX-License-Identifier: ISC */
/*
 * A channel between two processes of the suite, or between warrend and a
 * control client: a Unix stream socket, or two pipes, under a libevent loop.
 *
 * The frame is a big-endian u32 length and one msgpack array [type, id, body]
 * (msg.h).  Descriptors ride the first byte of their message, always
 * close-on-exec.  Before a handler sees a message, the channel has checked
 * its type, direction, phase, descriptors and every value of its body.
 * Tested in tests/unit/ipc_test.c.
 */
#ifndef WARREN_IPC_H
#define WARREN_IPC_H

#include <event2/event.h>

#include "common/msg.h"

struct ipc;

struct ipc_msg {
	uint16_t type;
	uint32_t id;      /* minted by whoever asked */
	int fd[2];        /* owned by the handler; -1 where none came */
	const void *body; /* the struct of this type; lives for the call */
	const uint8_t *raw; /* the message as it came, for passing it on */
	size_t raw_len;
	const struct msg_def *def;
};

/* A type without a handler that passes the gate is an error of the sender. */
struct ipc_handler {
	uint16_t type;
	void (*fn)(struct ipc *ch, const struct ipc_msg *m);
};

enum ipc_end {
	IPC_EOF,  /* the other end closed or died */
	IPC_JUNK, /* it sent what the contract does not allow */
	IPC_FULL, /* it does not read: a hard limit of the queue is reached */
	IPC_ERROR /* errno says which */
};

struct ipc_conf {
	const char *name;               /* for logs: "stund", "control" */
	const struct msg_table *tables; /* ends with { NULL, 0 } */
	const struct ipc_handler *handlers; /* ends with { 0, NULL } */
	/* Called for what handlers do not name; may be NULL. */
	void (*other)(struct ipc *ch, const struct ipc_msg *m);
	/* The channel ended; free it here or later, but do free it. */
	void (*ended)(struct ipc *ch, enum ipc_end how, const char *why);
	/* The queue fell below the low mark after having been above high. */
	void (*drained)(struct ipc *ch);
	bool upper;         /* we are the upper end: we send MSG_DOWN */
	size_t high, low;   /* water marks in bytes, 0 for the defaults */
	size_t len_max;     /* of a message taken in, 0 for MSG_LEN_MAX */
	size_t hard;        /* queue beyond this ends it, 0: IPC_HARD_LIMIT */
	void *ctx;
};

#define IPC_HIGH_DEFAULT (256u << 10)
#define IPC_LOW_DEFAULT  (64u << 10)
#define IPC_HARD_LIMIT   (8u << 20) /* unless conf.hard says otherwise */
#define IPC_FDS_LIMIT    512        /* likewise, of descriptors in the queue */

/* Takes fd, sets it non-blocking.  conf is copied.  NULL with errno. */
struct ipc *ipc_new(
    struct event_base *base, int fd, const struct ipc_conf *conf);

/*
 * Likewise over two pipes, which cost a third of what a socket does and pass
 * no descriptors.  The process must ignore SIGPIPE.
 */
struct ipc *ipc_new_pipes(struct event_base *base, int in, int out,
    const struct ipc_conf *conf);

/* Closes the descriptors and whatever was queued.  NULL is fine. */
void ipc_free(struct ipc *ch);

void *ipc_ctx(const struct ipc *ch);
const char *ipc_name(const struct ipc *ch);
int ipc_fd(const struct ipc *ch);

/* Setup is over: messages of PH_START are junk from now on. */
void ipc_set_phase(struct ipc *ch, enum msg_phase phase);

/*
 * Queue a message; body is the struct of its type.  What is queued leaves
 * when the handlers of this turn of the loop have run, in as few writes as
 * there can be.  ipc_send_fd() also owns the descriptors, even when it fails.
 * 0, or -1 when the channel is ending.
 */
int ipc_send(struct ipc *ch, uint16_t type, uint32_t id, const void *body);
int ipc_send_fd(struct ipc *ch, uint16_t type, uint32_t id, const void *body,
    int fd0, int fd1);

/* Pass a message on as it came, under another id. */
int ipc_forward(struct ipc *ch, const struct ipc_msg *m, uint32_t id);

/* Bytes waiting; above the high mark producers should stop. */
size_t ipc_queued(const struct ipc *ch);
bool ipc_is_full(const struct ipc *ch);

/* Stop or go on reading (backpressure from us to the other end). */
void ipc_pause(struct ipc *ch, bool paused);

/* Write out what is queued now, as far as the socket takes it. */
void ipc_flush(struct ipc *ch);

/*
 * Blocking use, for clients and for a child before its loop runs: wait for
 * one message at most timeout_ms (-1 for ever) and dispatch it.  1 when one
 * was handled, 0 on time-out, -1 when the channel ended.
 */
int ipc_wait(struct ipc *ch, int timeout_ms);

/* A connected pair of stream sockets, close-on-exec.  0 or -1 with errno. */
int ipc_pair(int fd[2]);

/* Two pipes, of each end what it reads from and what it writes to. */
int ipc_pipes(int upper[2], int lower[2]);

#endif
