/* SPDX-License-Identifier: ISC */
/*
 * What the identity key signs, and for whom.  A child names fields, never
 * bytes: each message is built here under its own prefix, so that nothing a
 * taken-over child asks for can pass as something else.  Each has its rate.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/keys.h"
#include "cmd/warrend/warrend.h"
#include "common/claim.h"
#include "common/hlc.h"
#include "common/log.h"
#include "common/ratelimit.h"
#include "common/rec.h"
#include "peerd/hello.h"

/* A peerd that dies over and over makes a new Noise key each time. */
static const struct rate noise_rate = { .per_s = 2, .burst = 60 };
static const struct rate node_rate = { .per_s = 2, .burst = 60 };
static const struct rate claim_rate = { .per_s = 2, .burst = 20 };
static const struct rate rec_rate = { .per_s = 50, .burst = 500 };
static struct bucket noise_bucket, node_bucket, claim_bucket, rec_bucket;
static bool ready;

/* Stamps only grow: two records with one stamp would contradict each other. */
static uint64_t node_hlc;  /* of the last node record */
static uint64_t store_hlc; /* of what the store says in our name */

static const char too_often[] = "too often";

static bool
within_rate(struct bucket *b)
{
	if (!ready) {
		bucket_init(&noise_bucket, noise_rate);
		bucket_init(&node_bucket, node_rate);
		bucket_init(&claim_bucket, claim_rate);
		bucket_init(&rec_bucket, rec_rate);
		ready = true;
	}
	return bucket_allow(b, mono_now());
}

static void
refuse(struct ipc *ch, uint32_t id, const char *what, const char *why)
{
	struct msg_peerd_failed f;

	/* Each within the rate is worth a line; a flood of them is not. */
	if (why == too_often)
		log_debug("peerd: not signed: %s: %s", what, why);
	else
		log_warn("peerd: not signed: %s: %s", what, why);
	(void)snprintf(f.error, sizeof(f.error), "%s: %s", what, why);
	(void)ipc_send(ch, PEERD_FAILED, id, &f);
}

void
signer_noise(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_sign_noise *q = m->body;
	struct msg_peerd_signed out;
	uint8_t bytes[HELLO_SIGN_LEN];
	uint64_t now = (uint64_t)wall_now().ms / 1000;

	if (!within_rate(&noise_bucket)) {
		refuse(ch, m->id, "link key", too_often);
		return;
	}
	/* Not valid before an hour ago, nor for more than a day from then. */
	if (q->not_before + 3600 < now || q->not_before > now + HELLO_SKEW_S ||
	    q->not_after <= q->not_before ||
	    q->not_after - q->not_before > HELLO_LIFE_MAX_S) {
		refuse(ch, m->id, "link key", "validity out of range");
		return;
	}
	hello_sign_bytes(bytes, warrend.netid, q->key, q->not_before,
	    q->not_after);
	keys_sign(out.sig, bytes, sizeof(bytes));
	(void)ipc_send(ch, PEERD_SIGNED, m->id, &out);
}

/* Why this stamp may not be signed, or NULL. */
static const char *
bad_stamp(uint64_t hlc, uint64_t last)
{
	if (hlc_is_future(hlc, wall_now(), 60000))
		return "stamped in the future";
	if (hlc <= last)
		return "stamp does not grow";
	return NULL;
}

void
signer_node(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_sign_node *q = m->body;
	struct rec rec = { .kind = REC_NODE,
		.subject_len = 32,
		.hlc = q->hlc,
		.flags = q->leave ? REC_TOMBSTONE : 0,
		.payload = q->payload.p,
		.payload_len = q->payload.len };
	struct msg_peerd_signed out;
	uint8_t body[REC_BODY_MAX], rid[32], bytes[REC_SIGN_LEN];
	const char *why = bad_stamp(q->hlc, node_hlc);
	struct wr w;

	if (!within_rate(&node_bucket))
		why = too_often;
	if (q->leave && q->payload.len != 0)
		why = "a farewell carries no payload";
	if (why != NULL) {
		refuse(ch, m->id, "node record", why);
		return;
	}
	memcpy(rec.subject, keys_public(), 32);
	memcpy(rec.author, keys_public(), 32);
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, &rec);
	if (w.bad) {
		refuse(ch, m->id, "node record", "too long");
		return;
	}
	node_hlc = q->hlc;
	rec_rid(rid, body, w.len);
	rec_sign_bytes(bytes, warrend.netid, rid);
	keys_sign(out.sig, bytes, sizeof(bytes));
	(void)ipc_send(ch, PEERD_SIGNED, m->id, &out);
}

/* --- the store's --- */

static void
refuse_store(struct ipc *ch, uint32_t id, const char *what, const char *why)
{
	struct msg_store_failed f;

	if (why == too_often)
		log_debug("store: not signed: %s: %s", what, why);
	else
		log_warn("store: not signed: %s: %s", what, why);
	(void)snprintf(f.error, sizeof(f.error), "%s: %s", what, why);
	(void)ipc_send(ch, STORE_FAILED, id, &f);
}

static void
claim_of(struct claim *c, const struct msg_store_sign_claim *q)
{
	memset(c, 0, sizeof(*c));
	memcpy(c->netid, warrend.netid, 32);
	memcpy(c->node, keys_public(), 32);
	memcpy(c->root, q->root, 32);
	c->tick = q->tick;
	c->cnt = q->cnt;
	c->sum = q->sum;
	c->wall_ms = q->wall_ms;
}

/*
 * Two different claims for one tick are proof of a lie, so whatever the store
 * asks, the second is not signed; the same one over again is.
 */
void
signer_claim(struct ipc *ch, const struct ipc_msg *m)
{
	static struct claim last;
	const struct msg_store_sign_claim *q = m->body;
	uint8_t bytes[CLAIM_SIGN_MAX];
	struct msg_store_signed out;
	const char *why = NULL;
	struct claim c;

	claim_of(&c, q);
	if (!within_rate(&claim_bucket))
		why = too_often;
	else if (c.tick < last.tick)
		why = "older than what was claimed already";
	else if (c.tick == last.tick &&
	    (memcmp(c.root, last.root, 32) != 0 || c.cnt != last.cnt ||
		c.sum != last.sum))
		why = "differs from what was claimed for this tick";
	if (why != NULL) {
		refuse_store(ch, m->id, "claim", why);
		return;
	}
	last = c;
	keys_sign(out.sig, bytes, claim_sign_bytes(bytes, &c));
	(void)ipc_send(ch, STORE_SIGNED, m->id, &out);
}

/* What a store may say in this node's name. */
static bool
is_for_store(uint8_t kind)
{
	return kind == REC_MEMBER || kind == REC_LOCATION ||
	    kind == REC_TEMPERATURE;
}

void
signer_record(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_store_sign_rec *q = m->body;
	struct rec rec = { .kind = q->kind,
		.subject_len = (uint8_t)q->subject.len,
		.hlc = q->hlc,
		.w = q->w,
		.flags = q->tombstone ? REC_TOMBSTONE : 0,
		.payload = q->payload.p,
		.payload_len = q->payload.len };
	struct msg_store_signed out;
	uint8_t body[REC_BODY_MAX], rid[32], bytes[REC_SIGN_LEN];
	const char *why = NULL;
	struct wr w;

	if (!within_rate(&rec_bucket))
		why = too_often;
	else if (!is_for_store(q->kind) || q->subject.len == 0)
		why = "not the store's to say";
	else
		why = bad_stamp(q->hlc, store_hlc);
	if (why == NULL) {
		memcpy(rec.subject, q->subject.p, q->subject.len);
		memcpy(rec.author, keys_public(), 32);
		wr_init(&w, body, sizeof(body));
		rec_encode_body(&w, &rec);
		why = w.bad ? "too long" : NULL;
	}
	if (why != NULL) {
		refuse_store(ch, m->id, "record", why);
		return;
	}
	store_hlc = q->hlc;
	rec_rid(rid, body, w.len);
	rec_sign_bytes(bytes, warrend.netid, rid);
	keys_sign(out.sig, bytes, sizeof(bytes));
	(void)ipc_send(ch, STORE_SIGNED, m->id, &out);
}
