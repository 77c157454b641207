/* SPDX-License-Identifier: ISC */
/*
 * A table of strangers, each with one bad habit.  Every one must be counted
 * where the table says, and the node must go on as if nothing had been.
 */
#ifndef WARREN_PEERD_BAD_H
#define WARREN_PEERD_BAD_H

#include "common/hlc.h"
#include "common/mp.h"
#include "peerd/link.h"
#include "peerd/noderec.h"
#include "tests/regress/peerd_rig.h"

/* One stranger: a blocking socket, a key, and a link once it has one. */
struct bad {
	int fd;
	struct rig_node *victim, *other;
	uint8_t id[32], sk[64];
	struct hello theirs;
	struct link link;
};

static int
bad_dial(const struct naddr *to)
{
	struct sockaddr_storage ss;
	struct naddr from = { .fam = NADDR_V4, .ip = { 127, 0, 0, 200 } };
	struct timeval tv = { 4, 0 };
	socklen_t len = naddr_to_sockaddr(&from, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)bind(fd, (struct sockaddr *)&ss, len);
	len = naddr_to_sockaddr(to, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1)
		rig_die("connect");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void
bad_send(struct bad *b, const void *p, size_t len)
{
	(void)send(b->fd, p, len, MSG_NOSIGNAL);
}

/* Exactly len bytes; false at the end or after four seconds. */
static bool
bad_recv(struct bad *b, uint8_t *p, size_t len)
{
	return recv(b->fd, p, len, MSG_WAITALL) == (ssize_t)len;
}

/* True when the node hangs up. */
static bool
bad_closed(struct bad *b)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(b->fd, buf, sizeof(buf), 0)) > 0)
		continue;
	return n == 0 || errno == ECONNRESET;
}

/* --- a handshake with a hello of our choice --- */

struct bad_hello {
	const struct hello *as_is; /* somebody else's, or NULL to make one */
	const uint8_t *id, *sk;    /* whose */
	int64_t from_s, to_s;      /* around now */
	const char *prologue;      /* of another network, or NULL */
};

static void
bad_make_hello(struct hello *he, const struct bad_hello *h,
    const uint8_t noise_pk[32])
{
	uint8_t bytes[HELLO_SIGN_LEN];
	int64_t now = wall_now().ms / 1000;

	memset(he, 0, sizeof(*he));
	he->proto_min = LINK_PROTO_MIN;
	he->proto_max = LINK_PROTO_MAX;
	memcpy(he->identity, h->id, 32);
	he->not_before = (uint64_t)(now + h->from_s);
	he->not_after = (uint64_t)(now + h->to_s);
	hello_sign_bytes(bytes, rig.charter.netid, noise_pk, he->not_before,
	    he->not_after);
	(void)crypto_sign_detached(he->sig, NULL, bytes, sizeof(bytes), h->sk);
}

static bool
bad_shake(struct bad *b, const struct bad_hello *h)
{
	uint8_t prologue[HELLO_PROLOGUE_LEN], s[32], e[32], pk[32];
	uint8_t buf[1024], out[512], hash[NOISE_HASH_LEN];
	struct noise_cipher tx, rx;
	struct noise ns;
	struct hello he;
	struct wr w;
	size_t len;

	hello_prologue(prologue, rig.charter.netid);
	if (h->prologue != NULL)
		prologue[20] ^= 1;
	randombytes_buf(s, 32);
	randombytes_buf(e, 32);
	(void)crypto_scalarmult_base(pk, s);
	noise_init(&ns, NOISE_INITIATOR, s, e, prologue, sizeof(prologue));
	(void)noise_write(&ns, NULL, 0, out + 2, sizeof(out) - 2, &len);
	put_u16(out, (uint16_t)len);
	bad_send(b, out, len + 2);
	if (!bad_recv(b, buf, 2) || !bad_recv(b, buf + 2, get_u16(buf)))
		return false;
	if (noise_read(&ns, buf + 2, get_u16(buf), out, sizeof(out), &len) !=
	    0) {
		bad_send(b, buf, 2 + (size_t)get_u16(buf)); /* an echo */
		return false;
	}
	(void)hello_decode(&b->theirs, out, len);
	if (h->as_is != NULL)
		he = *h->as_is;
	else
		bad_make_hello(&he, h, pk);
	wr_init(&w, buf, sizeof(buf));
	hello_encode(&w, &he);
	(void)noise_write(&ns, buf, w.len, out + 2, sizeof(out) - 2, &len);
	put_u16(out, (uint16_t)len);
	bad_send(b, out, len + 2);
	noise_split(&ns, &tx, &rx, hash);
	link_init(&b->link, &tx, &rx);
	return true;
}

static bool
bad_link(struct bad *b)
{
	struct bad_hello h = { .id = b->id,
		.sk = b->sk,
		.from_s = -60,
		.to_s = 3600 };

	return bad_shake(b, &h);
}

/* One message in one frame, whatever it is. */
static void
bad_frame(struct bad *b, uint8_t lane, const void *msg, size_t len)
{
	static uint8_t out[LINK_FRAME_MAX];

	out[2] = lane;
	put_u16(out + 3, (uint16_t)len);
	memcpy(out + 5, msg, len);
	put_u16(out, (uint16_t)(3 + len + NOISE_TAG_LEN));
	(void)noise_encrypt(&b->link.tx, out + 2, 3 + len, out + 2);
	bad_send(b, out, 2 + 3 + len + NOISE_TAG_LEN);
}

/* Send a PING and look for its PONG among what comes. */
static bool
bad_still_linked(struct bad *b)
{
	static uint8_t buf[LINK_FRAME_MAX];
	uint8_t ping[24];
	struct link_msg lm;
	struct wire_msg m;
	struct wr w;
	size_t used;
	int frames;

	wr_init(&w, ping, sizeof(ping));
	wire_put_ping(&w, 4711, 0);
	bad_frame(b, LANE_CONTROL, ping, w.len);
	for (frames = 0; frames < 50; frames++) {
		if (!bad_recv(b, buf, 2) ||
		    !bad_recv(b, buf + 2, get_u16(buf)) ||
		    link_feed(&b->link, buf, 2 + (size_t)get_u16(buf), &used) !=
			LINK_GOT)
			return false;
		while (link_next_msg(&b->link, &lm) == LINK_GOT)
			if (wire_decode(&m, lm.lane, lm.p, lm.len) == WIRE_OK &&
			    m.type == WIRE_PONG && m.token == 4711)
				return true;
	}
	return false;
}

/* --- the bad habits: true when the node did what it should --- */

static bool
bad_random(struct bad *b)
{
	uint8_t buf[700];

	randombytes_buf(buf, sizeof(buf));
	bad_send(b, buf, sizeof(buf));
	return bad_closed(b);
}

static bool
bad_http(struct bad *b)
{
	bad_send(b, "GET / HTTP/1.1\r\n\r\n", 18);
	return bad_closed(b);
}

static bool
bad_oversized(struct bad *b)
{
	bad_send(b, "\xff\xff", 2);
	return bad_closed(b);
}

static bool
bad_empty(struct bad *b)
{
	bad_send(b, "\0\0", 2);
	return bad_closed(b);
}

static bool
bad_prologue(struct bad *b)
{
	struct bad_hello h = { .id = b->id,
		.sk = b->sk,
		.from_s = -60,
		.to_s = 3600,
		.prologue = "another" };

	return !bad_shake(b, &h) && bad_closed(b);
}

static bool
bad_truncated(struct bad *b)
{
	bad_send(b, "\0\x20half of it", 12);
	(void)shutdown(b->fd, SHUT_WR);
	return bad_closed(b);
}

static bool
bad_slow(struct bad *b)
{
	bad_send(b, "\0", 1);
	return bad_closed(b); /* the node's patience ends after 1.5 s */
}

/* The genuine hello of another node, under our own Noise key. */
static bool
bad_replayed(struct bad *b)
{
	struct bad spy = { .fd = bad_dial(&b->other->addr) };
	struct bad_hello h = { .as_is = &spy.theirs };
	bool good;

	memcpy(spy.id, b->id, 32);
	memcpy(spy.sk, b->sk, 64);
	good = bad_link(&spy);
	(void)close(spy.fd);
	return good && bad_shake(b, &h) && bad_closed(b);
}

static bool
bad_expired(struct bad *b)
{
	struct bad_hello h = { .id = b->id,
		.sk = b->sk,
		.from_s = -7200,
		.to_s = -3600 };

	return bad_shake(b, &h) && bad_closed(b);
}

static bool
bad_too_long_valid(struct bad *b)
{
	struct bad_hello h = { .id = b->id,
		.sk = b->sk,
		.from_s = -60,
		.to_s = 2 * 86400 };

	return bad_shake(b, &h) && bad_closed(b);
}

/* Somebody who signs with the node's own key is the node itself. */
static bool
bad_self(struct bad *b)
{
	struct bad_hello h = { .id = b->victim->id,
		.sk = b->victim->sk,
		.from_s = -60,
		.to_s = 3600 };

	return bad_shake(b, &h) && bad_closed(b);
}

static bool
bad_mac(struct bad *b)
{
	uint8_t frame[40] = { 0, 38 };

	if (!bad_link(b))
		return false;
	bad_send(b, frame, sizeof(frame));
	return bad_closed(b);
}

static bool
bad_unknown(struct bad *b)
{
	uint8_t msg[16];
	struct wr w;

	wr_init(&w, msg, sizeof(msg));
	mp_wr_array(&w, 2);
	mp_wr_uint(&w, 222);
	mp_wr_uint(&w, 1);
	if (!bad_link(b))
		return false;
	bad_frame(b, LANE_BULK, msg, w.len);
	return bad_still_linked(b);
}

/* Granting back what was never sent. */
static bool
bad_grant(struct bad *b)
{
	uint8_t msg[16];
	struct wr w;

	wr_init(&w, msg, sizeof(msg));
	wire_put_credit(&w, LANE_BULK, 1000);
	if (!bad_link(b))
		return false;
	bad_frame(b, LANE_CONTROL, msg, w.len);
	return bad_closed(b);
}

static bool
bad_lane(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_frame(b, 9, "\x90", 1);
	return bad_closed(b);
}

static bool
bad_message(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_frame(b, LANE_CONTROL, "\x92\x42\x01", 3); /* PONG, cut short */
	return bad_closed(b);
}

/* Our node record, stamped at now + ms, its signature whole or not. */
static void
bad_gossip(struct bad *b, int64_t ms, bool forged)
{
	struct noderec nr = { .caps = 0 };
	struct rec rec = { .kind = REC_NODE, .subject_len = 32 };
	struct wall at = { wall_now().ms + ms };
	uint8_t payload[NODEREC_MAX], body[1024], raw[1200], msg[1300];
	uint8_t rid[32], sig[64];
	struct wire_blob blob = { raw, 0 };
	struct wr p, w, r, g;

	wr_init(&p, payload, sizeof(payload));
	(void)noderec_encode(&p, &nr);
	rec.hlc = hlc_from_wall(at);
	rec.payload = payload;
	rec.payload_len = p.len;
	memcpy(rec.subject, b->id, 32);
	memcpy(rec.author, b->id, 32);
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, &rec);
	rec_rid(rid, body, w.len);
	rec_sign(sig, rig.charter.netid, rid, b->sk);
	sig[3] ^= (uint8_t)forged;
	wr_init(&r, raw, sizeof(raw));
	rec_encode(&r, body, w.len, sig);
	blob.len = r.len;
	wr_init(&g, msg, sizeof(msg));
	wire_put_gossip(&g, 0, &blob, 1);
	bad_frame(b, LANE_GOSSIP, msg, g.len);
}

static bool
bad_forged(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_gossip(b, 0, true);
	return bad_closed(b);
}

/* From next week: of no use, but no crime. */
static bool
bad_future(struct bad *b)
{
	uint64_t stored = rig_stat(b->victim, "records_stored");

	if (!bad_link(b))
		return false;
	bad_gossip(b, 7 * 86400000LL, false);
	return bad_still_linked(b) &&
	    rig_stat(b->victim, "records_stored") == stored;
}

static bool
bad_garbled_record(struct bad *b)
{
	uint8_t msg[32];
	struct wire_blob blob = { (const uint8_t *)"no record", 9 };
	struct wr w;

	if (!bad_link(b))
		return false;
	wr_init(&w, msg, sizeof(msg));
	wire_put_gossip(&w, 0, &blob, 1);
	bad_frame(b, LANE_GOSSIP, msg, w.len);
	return bad_closed(b);
}

static const struct {
	const char *name;
	bool (*run)(struct bad *b);
	const char *counter; /* that must have grown */
} bad_habits[] = {
	{ "random bytes", bad_random, "handshakes_failed" },
	{ "HTTP on the link port", bad_http, "handshakes_failed" },
	{ "oversized length", bad_oversized, "handshakes_failed" },
	{ "empty first message", bad_empty, "handshakes_failed" },
	{ "another network's prologue", bad_prologue, "handshakes_failed" },
	{ "truncated handshake", bad_truncated, "handshakes_failed" },
	{ "slow handshake", bad_slow, "handshakes_failed" },
	{ "replayed hello", bad_replayed, "handshakes_failed" },
	{ "expired hello", bad_expired, "handshakes_failed" },
	{ "hello valid for two days", bad_too_long_valid, "handshakes_failed" },
	{ "the node's own identity", bad_self, "handshakes_failed" },
	{ "bad frame MAC", bad_mac, "protocol_errors" },
	{ "unknown message", bad_unknown, "unknown_messages" },
	{ "credit violation", bad_grant, "bans" },
	{ "unknown lane", bad_lane, "bans" },
	{ "malformed message", bad_message, "bans" },
	{ "forged record", bad_forged, "bans" },
	{ "record from next week", bad_future, "records_seen" },
	{ "garbled record", bad_garbled_record, "records_refused" },
};

#define CROWD 5

/* All come in before any is linked: no more than max-inbound are in the end. */
__attribute__((unused)) static void
rig_crowd(struct rig_node *n)
{
	uint64_t in = rig_stat(n, "links_in"), refused;
	struct bad b[CROWD];
	size_t i;

	rig_rest(1000);
	rig_send_settings(n, (uint16_t)(in + 2));
	refused = rig_stat(n, "inbound_refused");
	for (i = 0; i < CROWD; i++) {
		memset(&b[i], 0, sizeof(b[i]));
		b[i].victim = n;
		(void)crypto_sign_keypair(b[i].id, b[i].sk);
		b[i].fd = bad_dial(&n->addr);
	}
	(void)rig_stat(n, "links_in"); /* it has accepted them by now */
	for (i = 0; i < CROWD; i++)
		(void)bad_link(&b[i]);
	(void)rig_stat(n, "links_in");
	rig_check(rig_stat(n, "links_in") == in + 2 &&
		rig_stat(n, "inbound_refused") == refused + CROWD - 2,
	    "a crowd gets in as far as there is room: %llu, refused %llu",
	    (unsigned long long)(rig_stat(n, "links_in") - in),
	    (unsigned long long)(rig_stat(n, "inbound_refused") - refused));
	for (i = 0; i < CROWD; i++)
		(void)close(b[i].fd);
	rig_send_settings(n, 64);
}

__attribute__((unused)) static void
rig_bad_inputs(struct rig_node *n, struct rig_node *other)
{
	uint64_t before, after;
	struct bad b;
	size_t i;
	bool good;

	for (i = 0; i < sizeof(bad_habits) / sizeof(bad_habits[0]); i++) {
		/* Handshakes of one address are counted: take turns. */
		rig_rest(120);
		memset(&b, 0, sizeof(b));
		b.victim = n;
		b.other = other;
		before = rig_stat(n, bad_habits[i].counter);
		(void)crypto_sign_keypair(b.id, b.sk);
		b.fd = bad_dial(&n->addr);
		good = bad_habits[i].run(&b);
		(void)close(b.fd);
		after = rig_stat(n, bad_habits[i].counter);
		rig_check(good && after > before, "%s: %s %llu -> %llu",
		    bad_habits[i].name, bad_habits[i].counter,
		    (unsigned long long)before, (unsigned long long)after);
	}
}

#endif
