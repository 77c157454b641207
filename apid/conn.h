/* SPDX-License-Identifier: ISC */
/*
 * One HTTP connection.  Idle, it is an event and a few words; buffers come
 * while a request is being read or an answer is waiting, and go again.
 * Requests of one connection are answered in their order, one at a time.
 * Deadlines are kept by lists in order of time and one sweep a second.
 */
#ifndef WARREN_CONN_H
#define WARREN_CONN_H

#include <event2/event.h>

#include "apid/http_parse.h"
#include "apid/text.h"
#include "common/naddr.h"

struct conn;

/* A request as rest.c sees it.  All pointers live until it is answered. */
struct http_req {
	enum http_verb verb;
	uint8_t service; /* of the listener */
	const char *path;
	size_t path_len;
	const char *query; /* behind the "?", may be empty */
	size_t query_len;
	const char *body;
	size_t body_len;
	const char *ctype;
	size_t ctype_len;
	const char *accept; /* of the Accept header */
	size_t accept_len;
	struct naddr from;
	struct conn *conn;
	/* Set both to answer later; cancel() is called when the client goes. */
	void *pending;
	void (*cancel)(void *pending);
};

struct http_answer {
	uint16_t status;
	const char *ctype; /* NULL: JSON */
	size_t ctype_len;  /* 0: strlen */
	struct text *body; /* taken; NULL: none */
	bool file;         /* the body is the first file_len bytes of: */
	int fd;            /* taken */
	size_t file_len;
	const char *headers; /* further lines with their CRLF, or NULL */
	bool close;          /* the connection is over with this */
};

/* Where requests go: answer now, or set rq->pending and answer later. */
void rest_handle(struct http_req *rq);
/* Body of an error that the connection itself found. */
struct text *rest_error_text(uint16_t status, const char *message);

/* Answer rq, exactly once; rq is gone with it. */
void http_answer(struct http_req *rq, const struct http_answer *a);

/* Once, before the first connection; base lives on. */
void conn_setup(struct event_base *base);

/* Takes fd, which is connected and non-blocking.  -1: no memory. */
int conn_open(int fd, uint8_t service, const struct naddr *from);

/* Called when a connection ends; set by listen.c. */
extern void (*conn_closed)(const struct naddr *from);

/* Limits changed: lines of every answer that follow from them. */
void conn_configure(void);

/* Close whom no answer is due; returns how many are left. */
size_t conn_drain(void);

/* Close all. */
void conn_close_all(void);

size_t conn_count(void);
size_t conn_reading(void); /* that hold a read buffer */

/*
 * Bytes of bodies so long that they share a budget of this process.  What
 * does not fit is refused with 503, so that slow senders of long bodies
 * starve each other and nobody else.
 */
#define CONN_LONG_MAX (96u << 20)
size_t conn_long(void);
uint64_t conn_long_refused(void);

#endif
