/* SPDX-License-Identifier: ISC */
/*
 * The handshake of a connection (warren-protocol(7), "Handshake").  Reads no
 * byte past its own messages, so a stranger costs us one struct shake and at
 * most 1 KiB of reading; conn_tick() ends who takes too long.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "peerd/peerd.h"

#define SHAKE_IN_MAX  (2 + NOISE_MSG1_LEN + HELLO_MAX)
#define SHAKE_OUT_MAX SHAKE_IN_MAX

struct shake {
	struct noise noise;
	struct hello theirs;
	size_t len; /* bytes of the message coming in */
	uint8_t buf[SHAKE_IN_MAX];
};

void
shake_free(struct shake *s)
{
	if (s == NULL)
		return;
	noise_wipe(&s->noise);
	free(s);
}

/* Send our next message.  A new socket has room for it, or is no good. */
static bool
send_next(struct conn *c, const void *payload, size_t payload_len)
{
	uint8_t out[SHAKE_OUT_MAX];
	size_t len;
	ssize_t n;

	if (noise_write(&c->shake->noise, payload, payload_len, out + 2,
		sizeof(out) - 2, &len) != 0)
		return false;
	put_u16(out, (uint16_t)len);
	n = conn_write(c, out, 2 + len);
	if (n != (ssize_t)(2 + len))
		return false;
	peerd.n.bytes_out += (uint64_t)n;
	return true;
}

static bool
send_hello(struct conn *c)
{
	struct hello he = peerd.hello;
	uint8_t buf[HELLO_MAX];
	struct wr w;

	if (c->loops)
		he.caps |= HELLO_LOOPS;
	wr_init(&w, buf, sizeof(buf));
	hello_encode(&w, &he);
	return !w.bad && send_next(c, buf, w.len);
}

bool
shake_start(struct conn *c)
{
	uint8_t prologue[HELLO_PROLOGUE_LEN], e_sk[32];

	if ((c->shake = calloc(1, sizeof(*c->shake))) == NULL)
		return false;
	hello_prologue(prologue, peerd.charter.netid);
	randombytes_buf(e_sk, sizeof(e_sk));
	noise_init(&c->shake->noise,
	    c->outbound ? NOISE_INITIATOR : NOISE_RESPONDER, peerd.noise_sk,
	    e_sk, prologue, sizeof(prologue));
	sodium_memzero(e_sk, sizeof(e_sk));
	return !c->outbound || send_next(c, NULL, 0);
}

/* Why we will not be linked to them, or NULL. */
static const char *
judge(struct conn *c)
{
	const struct hello *he = &c->shake->theirs;
	enum hello_err err = hello_verify(he, peerd.charter.netid,
	    c->shake->noise.rs, wall_now());

	if (err != HELLO_OK)
		return hello_err_name(err);
	if (hello_agree(&peerd.hello, he) == 0)
		return "no common protocol version";
	if (memcmp(he->identity, peerd.node.id, 32) == 0)
		return SHAKE_SELF;
	if (c->why.has_key && memcmp(he->identity, c->why.key, 32) != 0)
		return "another key than the pinned one";
	if (ban_find_key(&peerd.bans, he->identity, wall_now()) != NULL)
		return "banned key";
	if (!c->outbound && discover_is_unwelcome(he->identity))
		return "sent away a moment ago";
	return NULL;
}

static void
finish(struct conn *c)
{
	struct shake *s = c->shake;
	struct noise_cipher tx, rx;
	uint8_t hash[NOISE_HASH_LEN];

	memcpy(c->id, s->theirs.identity, 32);
	memcpy(c->noise_pk, s->noise.rs, 32);
	c->caps = s->theirs.caps & ~HELLO_LOOPS;
	if (!c->outbound && (s->theirs.caps & HELLO_LOOPS) != 0)
		c->loops = true;
	noise_split(&s->noise, &tx, &rx, hash);
	shake_free(s);
	c->shake = NULL;
	conn_shaken(c, &tx, &rx);
	sodium_memzero(&tx, sizeof(tx));
	sodium_memzero(&rx, sizeof(rx));
}

/* A whole message lies in the buffer.  NULL, or why this is the end. */
static const char *
take_message(struct conn *c)
{
	struct shake *s = c->shake;
	uint8_t payload[HELLO_MAX];
	bool hello = s->noise.step > 0;
	const char *why;
	size_t len;

	if (noise_read(&s->noise, s->buf + 2, s->len - 2, payload,
		hello ? sizeof(payload) : 0, &len) != 0)
		return hello ? "decryption" : "first message";
	s->len = 0;
	if (!hello) {
		return send_hello(c) ? NULL : "cannot send";
	}
	if (hello_decode(&s->theirs, payload, len) != HELLO_OK)
		return "malformed hello";
	if ((why = judge(c)) != NULL)
		return why;
	return c->outbound && !send_hello(c) ? "cannot send" : NULL;
}

/* Bytes of the message coming in, as far as is known. */
static size_t
wanted(const struct shake *s)
{
	return s->len < 2 ? 2 : 2 + (size_t)get_u16(s->buf);
}

static size_t
longest(const struct shake *s)
{
	static const size_t max[] = { NOISE_MSG0_LEN,
		NOISE_MSG1_LEN + HELLO_MAX, NOISE_MSG2_LEN + HELLO_MAX };

	return 2 + max[s->noise.step];
}

void
shake_read(struct conn *c)
{
	struct shake *s = c->shake;
	const char *why;
	ssize_t n;

	while (!noise_is_done(&s->noise)) {
		n = conn_read(c, s->buf + s->len, wanted(s) - s->len);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_shake_failed(c,
			    n == 0 ? "closed" : strerror(errno));
			return;
		}
		s->len += (size_t)n;
		peerd.n.bytes_in += (uint64_t)n;
		if (wanted(s) > longest(s)) {
			conn_shake_failed(c, "message too long");
			return;
		}
		if (s->len < 3 || s->len < wanted(s)) {
			if (s->len == 2 && wanted(s) == 2) {
				conn_shake_failed(c, "empty message");
				return;
			}
			continue;
		}
		if ((why = take_message(c)) != NULL) {
			conn_shake_failed(c, why);
			return;
		}
	}
	finish(c);
}
