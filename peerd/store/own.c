/* SPDX-License-Identifier: ISC */
/*
 * What this node says of itself in the database: that it wants to write
 * (its admission, in an open network), and which blocks it holds and how warm
 * they are.  And its claims.  warrend signs each; nothing is stored before.
 * While our clock is wrong by more than half a minute, as those of nodes we
 * dialled tell, none of it is said: the stamps would be wrong, too.  Records
 * of others pass as ever.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "common/log.h"
#include "peerd/store/store.h"

#define ASKS_MAX      256
#define STAMP_TRIES   4000 /* nonces in one go: under a millisecond */
#define STAMP_REST_MS 3
#define SAVE_HLC      "own_hlc"

/* A signature asked for. */
struct ask {
	uint32_t id; /* 0: free */
	bool is_claim;
	struct claim claim;
	struct rec rec;
	uint8_t payload[64];
};

static struct ask asks[ASKS_MAX];
static uint64_t asks_refused;
static uint32_t next_id;
static uint64_t last_hlc;
static struct event *stamp_timer;
static uint64_t next_nonce;
static bool has_nonce, stamping;
static uint8_t nonce[ADMIT_NONCE_LEN];
static struct msg_ps_clock clock_said;

static struct ask *
ask_by_id(uint32_t id)
{
	size_t i;

	for (i = 0; i < ASKS_MAX; i++)
		if (asks[i].id == id)
			return &asks[i];
	return NULL;
}

static struct ask *
ask_new(void)
{
	struct ask *a = ask_by_id(0);

	if (a == NULL) {
		asks_refused++;
		return NULL;
	}
	memset(a, 0, sizeof(*a));
	if (++next_id == 0)
		next_id = 1;
	a->id = next_id;
	return a;
}

/* --- claims --- */

static void
ask_claim(void)
{
	const struct recstore_root *r = recstore_root(store.rs, MSG_NULL64);
	struct msg_store_sign_claim q;
	struct ask *a;

	if (clock_said.stop || r == NULL || r->has_claim ||
	    (a = ask_new()) == NULL)
		return;
	a->is_claim = true;
	claim_set(&a->claim, store.charter.netid, r->tick, &r->top);
	memcpy(a->claim.node, store.node.id, 32);
	a->claim.wall_ms = (uint64_t)wall_now().ms;
	q.tick = a->claim.tick;
	memcpy(q.root, a->claim.root, 32);
	q.cnt = a->claim.cnt;
	q.sum = a->claim.sum;
	q.wall_ms = a->claim.wall_ms;
	(void)ipc_send(child_parent(), STORE_SIGN_CLAIM, a->id, &q);
}

/* --- records --- */

static uint64_t
stamp_now(const uint8_t key[32])
{
	struct mtree_entry m;
	uint64_t had = 0, hlc;

	if (mtree_get(recstore_tree(store.rs), MTREE_CURRENT, key, &m))
		had = m.hlc;
	hlc = hlc_next(wall_now(), last_hlc, had);
	if (hlc != 0)
		last_hlc = hlc;
	return hlc;
}

bool
own_say(uint8_t kind, const uint8_t *subject, size_t subject_len,
    bool tombstone, int32_t w, const void *payload, size_t payload_len)
{
	struct ask *a = store.rs == NULL || clock_said.stop ? NULL : ask_new();
	struct msg_store_sign_rec q = { .kind = kind,
		.tombstone = tombstone,
		.w = w };
	uint8_t key[32];

	if (a == NULL || payload_len > sizeof(a->payload))
		return false;
	a->rec.kind = kind;
	a->rec.flags = tombstone ? REC_TOMBSTONE : 0;
	a->rec.w = w;
	a->rec.subject_len = (uint8_t)subject_len;
	memcpy(a->rec.subject, subject, subject_len);
	memcpy(a->rec.author, store.node.id, 32);
	if (payload_len > 0)
		memcpy(a->payload, payload, payload_len);
	a->rec.payload = a->payload;
	a->rec.payload_len = payload_len;
	rec_key(key, &a->rec, store.charter.netid);
	if ((a->rec.hlc = stamp_now(key)) == 0) {
		a->id = 0;
		return false;
	}
	q.hlc = a->rec.hlc;
	q.subject.p = a->rec.subject;
	q.subject.len = (uint32_t)subject_len;
	q.payload.p = a->payload;
	q.payload.len = (uint32_t)payload_len;
	if (ipc_send(child_parent(), STORE_SIGN_REC, a->id, &q) == 0)
		return true;
	a->id = 0;
	return false;
}

static void
write_own(const struct ask *a, const uint8_t sig[64])
{
	static uint8_t body[REC_BODY_MAX], raw[REC_MAX];
	uint8_t stamp[8];
	struct msg_db_raw one;
	struct wr b, w;

	wr_init(&b, body, sizeof(body));
	rec_encode_body(&b, &a->rec);
	wr_init(&w, raw, sizeof(raw));
	rec_encode(&w, body, b.len, sig);
	if (b.bad || w.bad)
		return;
	one.raw.p = raw;
	one.raw.len = (uint32_t)w.len;
	writes_take(WRITE_OWN, NULL, 0, &one, 1, NULL);
	/* The stamp becomes durable with the record that carries it: a later
	 * life must not use it again, whatever the clock says then. */
	put_u64(stamp, last_hlc);
	if (sql_in_transaction(recstore_sql(store.rs)))
		(void)sql_meta_put(recstore_sql(store.rs), SAVE_HLC, stamp,
		    sizeof(stamp));
}

void
own_signed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_store_signed *s = m->body;
	struct ask *a = m->id == 0 ? NULL : ask_by_id(m->id);

	(void)ch;
	if (a == NULL || store.rs == NULL)
		return;
	a->id = 0;
	if (a->is_claim) {
		memcpy(a->claim.sig, s->sig, 64);
		recstore_claimed(store.rs, &a->claim);
	} else {
		write_own(a, s->sig);
	}
}

void
own_failed(struct ipc *ch, const struct ipc_msg *m)
{
	struct ask *a = m->id == 0 ? NULL : ask_by_id(m->id);

	(void)ch;
	if (a != NULL)
		a->id = 0;
}

/* --- admission --- */

bool
own_is_admitted(void)
{
	return store.rs != NULL &&
	    recstore_is_admitted(store.rs, store.node.id);
}

/* Our own admission is there, and will be for long enough. */
static bool
has_own_admission(void)
{
	const struct charter_kind *k = charter_kind(&store.charter, REC_MEMBER);
	static struct recstore_rec r;
	uint8_t key[32];

	admit_open_key(key, &store.charter, store.node.id);
	if (k == NULL || recstore_get(store.rs, key, false, &r) != SQL_OK)
		return k == NULL;
	return hlc_expiry(r.hlc, k->ttl_s).ms - wall_now().ms >
	    (int64_t)k->ttl_s * 1000 / 3;
}

static void
on_stamp(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	if (!has_nonce)
		has_nonce = admit_stamp_search(&store.charter, store.node.id,
		    &next_nonce, STAMP_TRIES, nonce);
	if (!has_nonce) {
		child_timer_set(stamp_timer, mono_add_ms(now, STAMP_REST_MS),
		    now);
		return;
	}
	stamping = false;
	if (own_say(REC_MEMBER, store.node.id, 32, false, 0, nonce,
		sizeof(nonce)))
		log_info("asking for admission to network %s with a stamp of "
			 "%u bits",
		    store.node.network, store.charter.pow_bits);
}

static void
seek_admission(void)
{
	struct mono now = mono_now();

	if (clock_said.stop || store.charter.admission != CHARTER_OPEN ||
	    stamping || has_own_admission())
		return;
	stamping = true;
	child_timer_set(stamp_timer, now, now);
}

void
own_clock(const struct msg_ps_clock *c)
{
	bool was = clock_said.stop;
	double s = (double)c->behind_ms / 1000;

	clock_said = *c;
	if (c->stop == was)
		return;
	if (c->stop)
		log_warn("the clock is %.1f s %s those of most nodes dialled: "
			 "own records and claims wait until it is right",
		    s < 0 ? -s : s, s < 0 ? "ahead of" : "behind");
	else
		log_info("the clock is right again: own records and claims "
			 "go on");
	child_event("db", "%s",
	    c->stop ? "stopped by a wrong clock" : "the clock is right again");
}

bool
own_is_stopped(int64_t *behind_ms)
{
	*behind_ms = clock_said.behind_ms;
	return clock_said.stop;
}

void
own_tick(void)
{
	ask_claim();
	seek_admission();
}

void
own_start(void)
{
	uint8_t buf[8];
	size_t len = sizeof(buf);

	stamp_timer = child_timer(on_stamp, NULL);
	randombytes_buf(&next_nonce, sizeof(next_nonce));
	if (sql_meta_get(recstore_sql(store.rs), SAVE_HLC, buf, &len) ==
		SQL_OK &&
	    len == 8)
		last_hlc = get_u64(buf);
	own_tick();
	if (store.charter.admission == CHARTER_MEMBERS && !own_is_admitted())
		log_warn("this node is no member of network %s: an authority "
			 "must admit it, see warrenctl(8), record admit",
		    store.node.network);
}

void
own_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < ASKS_MAX; i++)
		n += asks[i].id != 0;
	emit(arg, "signatures asked for", n, ASKS_MAX, asks_refused);
}
