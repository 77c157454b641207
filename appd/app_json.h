/* SPDX-License-Identifier: ISC */
/*
 * The bodies of app packets: JSON, read in place into structs of fixed size
 * and written compactly, byte for byte as Skywire's node and apps did in 2019
 * (warren-app(7)).
 *
 * What is read may have its keys in any order and letters of either case, may
 * have keys nobody knows, and null for what is not set.  Of a key that comes
 * twice the last counts.  Addresses come in two forms; a reader says which it
 * saw, so that the answers can be of the same:
 *
 *   {"port":L,"remote":{"pk":R,"port":P}}                  under "addr"
 *   {"local":{"pk":K,"port":L},"remote":{"pk":R,"port":P}} under "loop"
 *
 * Pure; tested in tests/unit/app_json_test.c, fuzzed in
 * tests/fuzz/app_json_fuzz.c.
 */
#ifndef WARREN_APP_JSON_H
#define WARREN_APP_JSON_H

#include "appd/app_addr.h"

#define APP_TEXT_MAX    127     /* bytes of a name or version */
#define APP_PROTOCOL    "0.0.1" /* the only protocol version there is */
#define APP_FAILURE_MAX 256     /* what is kept of a failure's text, with NUL */

/* Bytes of payload that fit any Send in either form, and bytes that we send. */
#define APP_PAYLOAD_MAX 48987
#define APP_PIECE_MAX   32768

/* How reading a body went. */
enum app_json {
	APP_JSON_OK,
	APP_JSON_NONE,    /* no body: nothing, null or {}; all is zero */
	APP_JSON_SYNTAX,  /* not JSON, or too deep */
	APP_JSON_TYPE,    /* JSON, but not of the kind that belongs here */
	APP_JSON_KEY_LEN, /* a pk that is not of 64 digits */
	APP_JSON_KEY,     /* a pk with something else than hex digits */
	APP_JSON_PORT,    /* a port that is not one of 0..65535 */
	APP_JSON_PAIR,    /* a pair that is not of two addresses */
	APP_JSON_NO_ADDR  /* a Send that does not say where to */
};

/* Which of the two forms above. */
enum app_form { APP_FORM_ADDR, APP_FORM_LOOP };

/*
 * NUL-terminated.  A text over APP_TEXT_MAX bytes, or with a NUL inside,
 * reads as "", which is nobody's name and no version.
 */
struct app_init {
	char name[APP_TEXT_MAX + 1];
	char version[APP_TEXT_MAX + 1];
	char protocol[APP_TEXT_MAX + 1];
};

struct app_send {
	struct app_loop loop; /* local.pk is zero in APP_FORM_ADDR */
	enum app_form form;
	bool escaped;        /* the payload has backslashes: an odd encoder */
	size_t payload_len;  /* characters of base64, not checked yet */
	const char *payload; /* in the body; NULL where it was null or absent */
};

/* A line for people, such as Skywire's node gave: "Invalid public key". */
const char *app_json_text(enum app_json err);

/* True for a body that says nothing: no bytes, null or {}. */
bool app_json_is_none(const void *body, size_t len);

/*
 * Read the body of a packet.  All but APP_JSON_OK mean that *out is not to
 * be used, except that with APP_JSON_NONE it is all zero.
 *
 * init   0x00, request
 * addr   0x01, request and its success
 * pair   0x02, request: an array of the two, or one object of the second form
 * send   0x03, request; the payload stays where it is, see app_send_decode()
 * loop   0x04, request
 *
 * send has no APP_JSON_NONE: without an address it is APP_JSON_NO_ADDR.
 */
enum app_json app_json_get_init(const void *body, size_t len,
    struct app_init *out);
enum app_json app_json_get_addr(const void *body, size_t len,
    struct app_addr *out);
enum app_json app_json_get_pair(const void *body, size_t len,
    struct app_loop *out, enum app_form *form);
enum app_json app_json_get_send(const void *body, size_t len,
    struct app_send *out);
enum app_json app_json_get_loop(const void *body, size_t len,
    struct app_loop *out, enum app_form *form);

/*
 * Decode what a Send carries into out, which has room for payload_len bytes,
 * or, unless it is escaped, for as many as base64_bytes() says; out may be
 * the very place where s->payload lies, or before it.
 * Returns 0 and the bytes in *len, or -1: it was not base64.
 */
int app_send_decode(const struct app_send *s, uint8_t *out, size_t *len);

/*
 * The text of a failure: the body as it stands, or what is in it when it is
 * one JSON string.  Cut to cap - 1 bytes, control characters made blanks,
 * always NUL-terminated; cap is at least 1.
 */
void app_json_get_failure(const void *body, size_t len, char *out, size_t cap);

/*
 * Write a body into the cap bytes of out, without a NUL.  Returns its bytes,
 * or 0 when it does not fit.  The keys stand in the order of the reference.
 */
size_t app_json_put_init(char *out, size_t cap, const char *name,
    const char *version, const char *protocol);
size_t app_json_put_addr(char *out, size_t cap, const struct app_addr *a);
size_t app_json_put_pair(char *out, size_t cap, const struct app_loop *l,
    enum app_form form);
size_t app_json_put_send(char *out, size_t cap, const struct app_loop *l,
    enum app_form form, const void *payload, size_t payload_len);
size_t app_json_put_loop(char *out, size_t cap, const struct app_loop *l,
    enum app_form form);
/* Four bytes: the success that carries nothing. */
size_t app_json_put_null(char *out, size_t cap);

#endif
