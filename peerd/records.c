/* SPDX-License-Identifier: ISC */
/*
 * Records on their way between links and the store: form and rules, whether
 * it is the first copy, the signature, then the store in batches, and only
 * when it has committed them are they passed on.  Node records are looked at
 * on the way, for they say whom to dial.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "common/log.h"
#include "peerd/bcast.h"
#include "peerd/peerd.h"

#define BATCHES_MAX   64
#define BATCH_BYTES   (256u << 10)
#define BATCH_WAIT_MS 1
#define HOLD_ABOVE    (4u << 20) /* bytes with the store: grant no more credit */
#define HOLD_BELOW    (2u << 20)

/* A record the store has not answered for. */
struct sent {
	uint32_t handle, token, link;
	uint8_t rid[32];
	uint8_t whose[32]; /* node it admits, or else its author */
	uint64_t author, key;
	uint8_t kind;
	bool is_sync, is_ours;
};

struct batch {
	uint32_t id; /* 0: free */
	uint16_t n;
	uint8_t origin; /* enum ps_origin */
	uint32_t link;  /* of a sync batch */
	size_t bytes;
	struct sent items[DB_BATCH_MAX];
};

static struct batch *batches;
static struct batch *filling; /* not sent yet, or NULL */
static uint32_t next_id;
static size_t with_store; /* bytes */
static bool holding;
static struct event *timer;

/* Records of syncs that are announced: a bootstrap must not turn over all
 * that neighbours remember. */
static struct bucket synced;

/* --- batches --- */

static struct batch *
batch_by_id(uint32_t id)
{
	size_t i;

	for (i = 0; i < BATCHES_MAX; i++)
		if (batches[i].id == id)
			return &batches[i];
	return NULL;
}

static void
check_hold(void)
{
	struct conn *c;

	if (with_store > HOLD_ABOVE)
		holding = true;
	if (!holding || with_store > HOLD_BELOW)
		return;
	holding = false;
	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		traffic_release(c);
}

bool
records_are_held(void)
{
	return holding;
}

static void batch_abandon(struct batch *b);

static void
batch_send(void)
{
	static struct msg_ps_records out;
	struct batch *b = filling;
	size_t i, len;

	if (b == NULL)
		return;
	filling = NULL;
	out.origin = b->origin;
	out.link = b->link;
	out.n_records = b->n;
	for (i = 0; i < b->n; i++) {
		out.records[i].raw.p = gossip_raw(b->items[i].handle, &len);
		out.records[i].raw.len = (uint32_t)len;
	}
	if (!dbchan_send_records(b->id, &out)) {
		peerd.n.records_no_store += b->n;
		batch_abandon(b);
		check_hold();
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	batch_send();
}

/* The batch that takes one more record of len bytes, or NULL. */
static struct batch *
batch_for(uint8_t origin, uint32_t link, size_t len)
{
	struct mono now = mono_now();

	if (filling != NULL &&
	    (filling->origin != origin ||
		(origin == PS_SYNC && filling->link != link) ||
		filling->n == DB_BATCH_MAX ||
		filling->bytes + len > BATCH_BYTES))
		batch_send();
	if (filling != NULL)
		return filling;
	if ((filling = batch_by_id(0)) == NULL)
		return NULL;
	if (++next_id == 0)
		next_id = 1;
	filling->id = next_id;
	filling->n = 0;
	filling->bytes = 0;
	filling->origin = origin;
	filling->link = link;
	child_timer_set(timer, mono_add_ms(now, BATCH_WAIT_MS), now);
	return filling;
}

/* --- what the store said --- */

static bool
is_over(const struct rec *rec, struct wall now)
{
	const struct charter_kind *k = charter_kind(&peerd.charter, rec->kind);

	return hlc_expiry(rec->hlc, k->ttl_s).ms <= now.ms;
}

static enum bcast_verdict
verdict_of(uint8_t verdict)
{
	switch (verdict) {
	case DB_NEW:
		return BCAST_GOOD;
	case DB_BUSY:
	case DB_DISK:
		return BCAST_BAD; /* another copy may come at a better time */
	default:
		return BCAST_STALE;
	}
}

/*
 * Node records live for an hour and say where nodes are: they are passed on
 * even when the disk of this node does not take them.
 */
static bool
is_good(const struct sent *s, uint8_t verdict)
{
	return verdict == DB_NEW || (s->kind == REC_NODE && verdict == DB_DISK);
}

/* What one that waits is replaced by: only the last version within a tick
 * counts, but that of each tick does. */
static uint64_t
replaced_by(const struct rec *rec)
{
	uint8_t key[32];

	rec_key(key, rec, peerd.charter.netid);
	return get_u64(key + 16) ^ hlc_tick(rec->hlc, peerd.charter.tick_ms);
}

/* What the broadcast wants to know of a record; false for want of room. */
static bool
keep_copy(struct bcast_msg *m, uint8_t rid[32], const struct rec *rec,
    const uint8_t *raw, size_t len, uint8_t hops)
{
	rec_rid(rid, rec->body, rec->body_len);
	m->rid = rid;
	m->author = get_u64(rec->author);
	m->key = replaced_by(rec);
	m->handle = gossip_keep(raw, len, hops);
	return m->handle != GOSSIP_NO_HANDLE;
}

/*
 * All are new in a new network, and a node's record may come before its
 * admission: then the store holds it back, and it is passed on later.
 */
static void
hold_node(const uint8_t id[32])
{
	struct known_node *n = known_find(&peerd.known, id);

	if (n != NULL)
		n->held = true;
}

static void
pass_held_node(const uint8_t id[32])
{
	struct known_node *n = known_find(&peerd.known, id);
	struct bcast_msg m;
	uint8_t rid[32];
	struct rec rec;

	if (n == NULL || !n->held)
		return;
	n->held = false;
	if (rec_decode(&rec, &peerd.charter, n->raw, n->raw_len) == REC_OK &&
	    !is_over(&rec, wall_now()) &&
	    keep_copy(&m, rid, &rec, n->raw, n->raw_len, 1))
		gossip_local(&m);
}

/* Another copy of it is not needed any more. */
static void
note_stored(const struct sent *s)
{
	struct known_node *n = known_find(&peerd.known, s->whose);

	if (n != NULL && memcmp(n->version.rid, s->rid, 32) == 0)
		n->unstored = false;
}

static void
settle(const struct sent *s, uint8_t verdict)
{
	const struct bcast_msg m = { .rid = s->rid,
		.handle = s->handle,
		.author = s->author,
		.key = s->key };
	struct conn *from = conn_by_serial(s->link);
	bool good = is_good(s, verdict);

	if (good && s->kind == REC_MEMBER)
		pass_held_node(s->whose);
	else if (verdict == DB_NOT_ADMITTED && s->kind == REC_NODE)
		hold_node(s->whose);
	if (s->kind == REC_NODE && verdict != DB_BUSY && verdict != DB_DISK)
		note_stored(s);
	if (good && from != NULL && !s->is_ours)
		score_first_delivery(&from->score, mono_now());
	if (good && s->is_ours)
		gossip_local(&m);
	else if (good && s->is_sync && bucket_allow(&synced, mono_now()))
		gossip_synced(&m, from);
	else if (good && s->is_sync)
		gossip_drop(s->handle); /* neighbours have syncs of their own */
	else
		gossip_settle(s->token, good ? BCAST_GOOD : verdict_of(verdict),
		    good ? &m : NULL);
	if (!good)
		gossip_drop(s->handle);
	if (verdict == DB_NEW)
		peerd.n.records_stored++;
}

/* Nobody will answer for it. */
static void
batch_abandon(struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		settle(&b->items[i], DB_DISK);
	with_store -= b->bytes;
	b->id = 0;
}

void
records_applied(uint32_t id, const uint8_t *verdicts, size_t n)
{
	struct batch *b = id == 0 ? NULL : batch_by_id(id);
	size_t i;

	if (b == NULL || b == filling || n != b->n)
		return;
	for (i = 0; i < n; i++)
		settle(&b->items[i], verdicts[i]);
	with_store -= b->bytes;
	b->id = 0;
	check_hold();
}

void
records_store_gone(void)
{
	size_t i;

	filling = NULL;
	for (i = 0; i < BATCHES_MAX; i++)
		if (batches[i].id != 0)
			batch_abandon(&batches[i]);
	check_hold();
}

/* --- taking in --- */

static void
refuse(struct conn *from, const char *why, int event)
{
	peerd.n.records_refused++;
	log_debug("record refused: %s", why);
	if (from != NULL && event >= 0)
		misdeed(from, (enum score_event)event);
}

/* Decode and hold to the rules; false when that was the end of it. */
static bool
read_record(struct rec *rec, struct conn *from, const uint8_t *raw, size_t len)
{
	enum rec_err err = rec_decode(rec, &peerd.charter, raw, len);

	peerd.n.records_seen++;
	if (err == REC_OK)
		err = admit_check(rec, &peerd.charter);
	if (err == REC_MALFORMED)
		refuse(from, rec_err_name(err), SCORE_MALFORMED);
	else if (err == REC_RULE)
		refuse(from, rec_err_name(err), SCORE_CHARTER);
	return err == REC_OK;
}

static void
hand_over(const struct rec *rec, const uint8_t rid[32], const uint8_t *raw,
    size_t len, uint8_t hops, uint32_t token, struct conn *from, bool is_sync)
{
	struct batch *b = batch_for(is_sync ? PS_SYNC : PS_GOSSIP,
	    is_sync && from != NULL ? from->serial : 0, len);
	struct sent *s;
	uint32_t handle;

	handle = b == NULL ? GOSSIP_NO_HANDLE : gossip_keep(raw, len, hops);
	if (handle == GOSSIP_NO_HANDLE) {
		peerd.n.records_no_store++;
		gossip_settle(token, BCAST_BAD, NULL);
		return;
	}
	s = &b->items[b->n++];
	s->handle = handle;
	s->token = token;
	s->link = from == NULL ? 0 : from->serial;
	memcpy(s->rid, rid, 32);
	memcpy(s->whose,
	    rec->kind == REC_MEMBER ? rec->subject : rec->author, 32);
	s->author = get_u64(rec->author);
	s->key = replaced_by(rec);
	s->kind = rec->kind;
	s->is_sync = is_sync;
	s->is_ours = from == NULL;
	b->bytes += len;
	with_store += len;
	check_hold();
}

/* True when the signature is good; else whoever sent it is told off. */
static bool
verify(const struct rec *rec, const uint8_t rid[32], struct conn *from)
{
	peerd.n.signatures++;
	if (rec_verify(rec, peerd.charter.netid, rid))
		return true;
	refuse(from, rec_err_name(REC_SIG), SCORE_BAD_SIG);
	return false;
}

void
records_gossip(struct conn *from, uint8_t hops, const uint8_t *raw, size_t len)
{
	uint8_t rid[32];
	uint32_t token;
	struct rec rec;
	bool news;

	if (!read_record(&rec, from, raw, len))
		return;
	rec_rid(rid, rec.body, rec.body_len);
	if (!gossip_receive(from, rid, hops, &token))
		return;
	if (is_over(&rec, wall_now())) {
		gossip_settle(token, BCAST_STALE, NULL);
		return;
	}
	if (!bucket_allow(&from->intake, mono_now())) {
		refuse(NULL, "too many of this link", -1);
		gossip_settle(token, BCAST_BAD, NULL);
		return;
	}
	news = rec.kind == REC_NODE && nodes_is_news(&rec, rid);
	if (rec.kind == REC_NODE && !news && !nodes_store_lacks(&rec, rid)) {
		gossip_settle(token, BCAST_STALE, NULL);
		return;
	}
	if (!verify(&rec, rid, from)) {
		gossip_settle(token, BCAST_BAD, NULL);
		return;
	}
	if (news)
		nodes_take(&rec, rid, from, raw, len, NULL);
	if (hops < GOSSIP_HOPS_MAX)
		hops++;
	hand_over(&rec, rid, raw, len, hops, token, from, false);
}

void
records_sync(struct conn *from, const uint8_t *raw, size_t len)
{
	uint8_t rid[32];
	struct rec rec;

	if (!read_record(&rec, from, raw, len) || is_over(&rec, wall_now()))
		return;
	rec_rid(rid, rec.body, rec.body_len);
	if (!verify(&rec, rid, from))
		return;
	if (rec.kind == REC_NODE && nodes_is_news(&rec, rid))
		nodes_take(&rec, rid, from, raw, len, NULL);
	hand_over(&rec, rid, raw, len, 0, GOSSIP_NO_TOKEN, from, true);
}

void
records_lan(const uint8_t *raw, size_t len, const struct naddr *lan)
{
	uint8_t rid[32];
	struct rec rec;

	if (!read_record(&rec, NULL, raw, len) || rec.kind != REC_NODE)
		return;
	rec_rid(rid, rec.body, rec.body_len);
	if (is_over(&rec, wall_now()) || !nodes_is_news(&rec, rid) ||
	    !verify(&rec, rid, NULL))
		return;
	nodes_take(&rec, rid, NULL, raw, len, lan);
	hand_over(&rec, rid, raw, len, 0, GOSSIP_NO_TOKEN, NULL, false);
}

void
records_own(const uint8_t *raw, size_t len)
{
	uint8_t rid[32];
	struct rec rec;

	if (rec_decode(&rec, &peerd.charter, raw, len) != REC_OK)
		return;
	rec_rid(rid, rec.body, rec.body_len);
	/* A farewell cannot wait for the disk: the links end with us. */
	if (peerd.stopping)
		records_fresh(raw, len);
	hand_over(&rec, rid, raw, len, 0, GOSSIP_NO_TOKEN, NULL, false);
	batch_send();
}

void
records_fresh(const uint8_t *raw, size_t len)
{
	struct bcast_msg m;
	uint8_t rid[32];
	struct rec rec;

	if (rec_decode(&rec, &peerd.charter, raw, len) != REC_OK)
		return;
	if (keep_copy(&m, rid, &rec, raw, len, 0))
		gossip_local(&m);
	/* Written through the API by somebody else, or our admission. */
	if (rec.kind == REC_NODE && nodes_is_news(&rec, rid))
		nodes_take(&rec, rid, NULL, raw, len, NULL);
	if (rec.kind != REC_MEMBER)
		return;
	if (memcmp(rec.subject, peerd.node.id, 32) == 0)
		own_admitted(raw, len);
	else
		pass_held_node(rec.subject);
}

void
records_init(void)
{
	if ((batches = calloc(BATCHES_MAX, sizeof(*batches))) == NULL)
		fatalx(EX_OSERR, "no memory for records");
}

void
records_start(void)
{
	timer = child_timer(on_timer, NULL);
	bucket_init(&synced, (struct rate){ 200, 1000 });
}

void
records_limits(limit_emit emit, void *arg)
{
	emit(arg, "record bytes with the store", with_store, HOLD_ABOVE,
	    peerd.n.records_no_store);
}
