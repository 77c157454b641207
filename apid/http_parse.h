/* SPDX-License-Identifier: ISC */
/*
 * One HTTP/1.x request out of a buffer (RFC 9112).  The head is looked over
 * line by line as it comes and given to the parser library (llhttp, or its
 * forerunner http-parser) once it is whole; what either library lets pass is
 * judged here again, so that both builds refuse the same.  The body is
 * decoded in place.  No bytes are copied out: spans are offsets into the
 * buffer, which may move between calls.
 * Pure but for the library; tested in tests/unit/http_parse_test.c and fuzzed
 * in tests/fuzz/http_fuzz.c.
 */
#ifndef WARREN_HTTP_PARSE_H
#define WARREN_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_TARGET_MAX 2048 /* bytes of a request target */

enum http_verb {
	VERB_OTHER, /* a method we have no use for, well-formed */
	VERB_GET,
	VERB_HEAD,
	VERB_POST,
	VERB_OPTIONS
};

struct span {
	uint32_t off, len; /* len 0: absent or empty */
};

struct http_limits {
	uint32_t header_max; /* bytes of the head */
	uint32_t body_max;   /* bytes of the body, decoded */
};

enum http_step {
	HTTP_MORE,  /* feed again when more bytes are there */
	HTTP_WHOLE, /* one request; the next begins at .used */
	HTTP_BAD    /* .status and .why say what to answer before closing */
};

struct http_parse {
	/* Of the head, once head_len is not 0. */
	enum http_verb verb;
	uint8_t minor; /* of HTTP/1.x */
	bool keep_alive;
	bool expect; /* 100-continue */
	bool chunked;
	struct span target, origin, ctype, accept;

	uint32_t head_len; /* 0: the head is not whole yet */
	uint32_t body_off, body_len;
	uint32_t used; /* of the buffer, when HTTP_WHOLE */

	uint16_t status; /* when HTTP_BAD */
	const char *why;

	/* How far we are; nobody else's business. */
	uint32_t scan, line;
	uint32_t want; /* of the body or the chunk, still to come */
	uint32_t src;  /* next undecoded byte */
	uint32_t ext;  /* bytes of chunk lines and trailers so far */
	uint8_t chunk; /* state of the chunked decoder */
	bool request_line;
};

/* Begin a request at the start of a buffer. */
void http_parse_init(struct http_parse *p);

/* The same buffer as before with more bytes behind, len in all. */
enum http_step http_parse_feed(struct http_parse *p,
    const struct http_limits *lim, uint8_t *buf, size_t len);

/*
 * True once, when the client waits for "100 Continue" before it sends a body
 * that is still missing.
 */
bool http_parse_wants_continue(struct http_parse *p, size_t len);

/*
 * After HTTP_MORE: close the gap that decoding chunks left behind the body.
 * Returns the bytes now in the buffer, to be fed on from there.
 */
size_t http_parse_compact(struct http_parse *p, uint8_t *buf, size_t len);

/* Bytes of a body of known length that are missing; 0 when not known. */
size_t http_parse_wants(const struct http_parse *p, size_t len);

#endif
