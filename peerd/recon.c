/* SPDX-License-Identifier: ISC */
/*
 * Sessions of anti-entropy, as promised in recon.h: who may have one, how
 * much it may send, when it is over.
 */
#include "peerd/recon.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"
#include "common/buggify.h"
#include "common/mp.h"
#include "common/rec.h"
#include "peerd/recon_priv.h"

/* Ranges taken from the stack before looking at the window again. */
#define POP_MAX 256

/*
 * Somebody who goes on for so long beyond the rate is told to come back; of
 * what we asked for ourselves, more may arrive at once.
 */
#define FLOW_DEBT_S     4
#define OWN_FLOW_DEBT_S 16

void
recon_init(struct recon *rc, const struct recon_conf *conf, struct mono now)
{
	ASSERT(conf->n_stack > 0 && conf->n_wants >= RECON_WANT_WAYS);
	memset(rc, 0, sizeof(*rc));
	rc->conf = *conf;
	if (rc->conf.rate == 0)
		rc->conf.rate = RECON_RATE;
	bytes_zero(conf->wants, conf->n_wants * sizeof(*conf->wants));
	rc->own_flow.left = rc->reply_flow.left = rc->conf.rate;
	rc->own_flow.last = rc->reply_flow.last = now;
}

/* Flow */

static void
flow_refill(const struct recon *rc, struct recon_flow *f, struct mono now)
{
	int64_t us = now.us - f->last.us, rate = rc->conf.rate;

	if (us <= 0)
		return;
	f->last = now;
	if (us > 60 * 1000000)
		us = 60 * 1000000;
	f->left += us * rate / 1000000;
	if (f->left > rate)
		f->left = rate;
}

/* What is being fetched */

/*
 * All that both sides of two sessions know of a record alike: its kind, and
 * its stamp to the millisecond.  Records of one kind and millisecond share a
 * tag; the worst of it is that some are fetched a session later.
 */
static uint64_t
tag_of(const struct recon *rc, const uint8_t key[32], uint64_t ms)
{
	uint8_t in[1 + 8], h[crypto_shorthash_BYTES];

	in[0] = key[0];
	put_u64(in + 1, ms & ((UINT64_C(1) << 40) - 1));
	(void)crypto_shorthash(h, in, sizeof(in), rc->conf.key);
	return get_u64(h);
}

static struct recon_want *
want_set(const struct recon *rc, uint64_t tag)
{
	return rc->conf.wants +
	    tag % (rc->conf.n_wants / RECON_WANT_WAYS) * RECON_WANT_WAYS;
}

bool
recon_want(struct recon_step *st, const struct recon_range *r, uint64_t ms)
{
	struct recon_want *set, *place = NULL;
	struct recon *rc = st->rc;
	uint64_t tag;
	size_t i;

	if (r->bits < 8) /* of a handful of records: the kind is not known */
		return true;
	tag = tag_of(rc, r->prefix, ms);
	set = want_set(rc, tag);
	for (i = 0; i < RECON_WANT_WAYS; i++) {
		if (set[i].n > 0 && mono_reached(set[i].due, st->now))
			set[i].n = 0;
		if (set[i].n == 0) {
			if (place == NULL)
				place = &set[i];
		} else if (set[i].tag == tag) {
			if (set[i].peer != st->peer) {
				rc->spared++;
				return false;
			}
			place = &set[i];
			break;
		}
	}
	if (place == NULL || BUGGIFY(recon_wants)) {
		rc->dropped++;
		rc->own.partial |= st->initiator;
		return false;
	}
	place->tag = tag;
	place->peer = st->peer;
	place->due = mono_add_ms(st->now, RECON_WANT_MS);
	place->n++;
	return true;
}

void
recon_arrived(struct recon *rc, const uint8_t key[32], uint64_t hlc)
{
	uint64_t tag = tag_of(rc, key, hlc >> 16);
	struct recon_want *set = want_set(rc, tag);
	size_t i;

	for (i = 0; i < RECON_WANT_WAYS; i++)
		if (set[i].n > 0 && set[i].tag == tag) {
			set[i].n--;
			return;
		}
}

/* Our own session */

/*
 * Ranges that telling of one may bring back: 16 parts of ours, each cut into
 * 16 of theirs, if they have about as many records as we.
 */
static uint32_t
cost_of(uint64_t cnt)
{
	const uint32_t most = RECON_PARTS * RECON_PARTS;

	return cnt / 4 + 1 < most ? (uint32_t)(cnt / 4 + 1) : most;
}

bool
recon_defer(struct recon_step *st, const struct recon_range *r, uint64_t cnt)
{
	struct recon_session *s = &st->rc->own;
	uint32_t cost = cost_of(cnt);

	bool first = s->unanswered == 0 && st->cost == 0;

	if (st->rc->own_flow.left > 0 && s->unanswered < RECON_WINDOW &&
	    (s->unanswered == 0 || !BUGGIFY(recon_window)) &&
	    (first ||
		s->cost + st->cost + cost + s->n_stack <=
		    st->rc->conf.n_stack)) {
		st->cost += cost;
		return false;
	}
	if (s->n_stack == st->rc->conf.n_stack) {
		st->rc->dropped++;
		s->partial = true;
	} else {
		st->rc->conf.stack[s->n_stack++] = *r;
	}
	return true;
}

void
recon_note_request(struct recon_step *st)
{
	struct recon_session *s = &st->rc->own;

	s->costs[(s->first + s->unanswered) % RECON_WINDOW_MAX] += st->cost;
	s->cost += st->cost;
	st->cost = 0;
	s->unanswered++;
}

static void
note_answer(struct recon_session *s)
{
	s->cost -= s->costs[s->first];
	s->costs[s->first] = 0;
	s->first = (s->first + 1) % RECON_WINDOW_MAX;
	s->unanswered--;
}

static bool
own_step(struct recon *rc, struct recon_step *st, struct mono now)
{
	struct recon_session *s = &rc->own;

	memset(st, 0, sizeof(*st));
	st->rc = rc;
	st->peer = s->peer;
	st->initiator = true;
	st->sid = s->sid;
	st->tick = s->tick;
	memcpy(st->salt, s->salt, sizeof(st->salt));
	recon_session_key(st->key, rc->conf.netid, s->salt);
	st->now = now;
	return mtree_find_tick(rc->conf.tree, s->tick, &st->ver);
}

static void
own_end(struct recon *rc, enum recon_how how, uint32_t retry_s)
{
	uint64_t peer = rc->own.peer;

	rc->own.on = false;
	rc->conf.ops.end(rc->conf.ops.arg, peer, how, retry_s);
}

/*
 * Send what the window and the rate allow, then see whether all is said.
 * Ranges come off the top of the stack: the deepest first keeps it short.
 */
static void
own_go_on(struct recon *rc, struct mono now)
{
	struct recon_session *s = &rc->own;
	struct recon_range r;
	struct recon_step st;
	unsigned i;

	flow_refill(rc, &rc->own_flow, now);
	if (!own_step(rc, &st, now)) {
		own_end(rc, RECON_LOST, 0);
		return;
	}
	while (s->n_stack > 0) {
		st.out = 0;
		for (i = 0; i < POP_MAX && s->n_stack > 0; i++) {
			r = rc->conf.stack[--s->n_stack];
			if (!recon_tell(&st, &r))
				break; /* back on the stack: not now */
		}
		recon_flush(&st);
		rc->own_flow.left -= (int64_t)st.out;
		if (i < POP_MAX)
			break;
	}
	if (s->n_stack == 0 && s->unanswered == 0)
		own_end(rc, s->partial ? RECON_PARTIAL : RECON_DONE, 0);
}

enum recon_rc
recon_start(struct recon *rc, uint64_t peer, uint16_t sid, uint64_t tick,
    const uint8_t salt[8], struct mono now)
{
	struct recon_session *s = &rc->own;
	struct recon_step st;
	enum mtree_ver ver;

	if (s->on)
		return RECON_BUSY;
	if (!mtree_find_tick(rc->conf.tree, tick, &ver))
		return RECON_NO_TICK;
	memset(s, 0, sizeof(*s));
	s->on = true;
	s->peer = peer;
	s->sid = sid;
	s->tick = tick;
	memcpy(s->salt, salt, sizeof(s->salt));
	s->heard = now;
	s->until = mono_add_ms(now, RECON_LEASE_MS);
	flow_refill(rc, &rc->own_flow, now);
	(void)own_step(rc, &st, now);
	recon_begin(&st);
	recon_flush(&st);
	rc->own_flow.left -= (int64_t)st.out;
	return RECON_OK;
}

static struct mono
end_of(const struct recon_session *s)
{
	return mono_min(mono_add_ms(s->heard, RECON_SILENCE_MS), s->until);
}

bool
recon_is_busy(const struct recon *rc)
{
	return rc->own.on;
}

void
recon_tick(struct recon *rc, struct mono now)
{
	if (!rc->own.on)
		return;
	if (mono_reached(end_of(&rc->own), now))
		own_end(rc, RECON_SILENT, 0);
	else
		own_go_on(rc, now);
}

struct mono
recon_due(const struct recon *rc)
{
	const struct recon_session *s = &rc->own;
	struct mono due = end_of(s);
	int64_t ms;

	if (!s->on)
		return MONO_NEVER;
	if (s->n_stack == 0 || s->unanswered >= RECON_WINDOW)
		return due;
	ms = rc->own_flow.left > 0
	    ? 0
	    : -rc->own_flow.left * 1000 / rc->conf.rate + 1;
	return mono_min(due, mono_add_ms(rc->own_flow.last, ms));
}

void
recon_forget_peer(struct recon *rc, uint64_t peer)
{
	size_t i;

	if (rc->own.on && rc->own.peer == peer)
		rc->own.on = false;
	for (i = 0; i < RECON_RESPONDING; i++)
		if (rc->slots[i].peer == peer)
			rc->slots[i].on = false;
	/* Others may be asked at once for what it was to send. */
	for (i = 0; i < rc->conf.n_wants; i++)
		if (rc->conf.wants[i].peer == peer)
			rc->conf.wants[i].n = 0;
}

/* Sessions of others */

/*
 * Roots are compared tick by tick, and two that differ on two of them make a
 * session: where ticks are short, honest peers begin more in a minute.
 */
static int64_t
start_ms(const struct recon *rc)
{
	int64_t ms = 6 * (int64_t)rc->conf.tick_ms;

	return ms == 0 || ms > RECON_START_MS ? RECON_START_MS : ms;
}

/* Has the peer begun as many sessions as it may in that time? */
static bool
starts_too_often(const struct recon *rc, uint64_t peer, struct mono now)
{
	const struct recon_start *s;
	unsigned i, n = 0;

	for (i = 0; i < RECON_STARTS; i++) {
		s = &rc->starts[i];
		n += s->used && s->peer == peer &&
		    !mono_reached(mono_add_ms(s->at, start_ms(rc)), now);
	}
	return n >= RECON_STARTS_MAX;
}

/*
 * Did both of us begin at once?  One session is enough, as it compares both
 * ways; two would fetch and push all that differs twice.  Both sides know
 * both salts, and the larger wins.
 */
static bool
is_ours(const struct recon *rc, uint64_t peer, const uint8_t salt[8])
{
	return rc->own.on && rc->own.peer == peer &&
	    memcmp(rc->own.salt, salt, sizeof(rc->own.salt)) > 0;
}

static void
note_start(struct recon *rc, uint64_t peer, struct mono now)
{
	rc->starts[rc->next_start] = (struct recon_start){ true, peer, now };
	rc->next_start = (rc->next_start + 1) % RECON_STARTS;
}

static bool
is_taken(const struct recon_slot *s, struct mono now)
{
	return s->on &&
	    !mono_reached(mono_add_ms(s->heard, RECON_SILENCE_MS), now);
}

/* Has it had its place for long, while somebody else found none? */
static bool
is_over(const struct recon *rc, const struct recon_slot *s, struct mono now)
{
	return is_taken(s, now) &&
	    mono_reached(mono_add_ms(s->since, RECON_LEASE_MS), now) &&
	    mono_before(s->since, rc->crowded);
}

/* The peer makes room, and does not come back at once. */
static void
send_away(struct recon *rc, struct recon_slot *s, struct mono now)
{
	unsigned i;

	s->on = false;
	for (i = 0; i < RECON_STARTS_MAX; i++)
		note_start(rc, s->peer, now);
}

/* A place for the session of peer: its own, or a free one; else false. */
static bool
admit(struct recon *rc, uint64_t peer, uint16_t sid, const uint8_t salt[8],
    struct mono now)
{
	struct recon_slot *free = NULL, *s;
	size_t i;

	for (i = 0; i < RECON_RESPONDING; i++) {
		s = &rc->slots[i];
		if (s->peer == peer && is_over(rc, s, now)) {
			send_away(rc, s, now);
			return false;
		}
		if (s->on && s->peer == peer && s->sid == sid) {
			s->heard = now;
			return true;
		}
		if (s->peer != peer && is_taken(s, now))
			continue;
		/* A peer has one session, and a new one ends its last. */
		if (free == NULL || (s->on && s->peer == peer))
			free = s;
	}
	if (free == NULL)
		rc->crowded = now;
	if (free == NULL || starts_too_often(rc, peer, now) ||
	    is_ours(rc, peer, salt) || BUGGIFY(recon_refuse))
		return false;
	if (!is_taken(free, now) || free->peer != peer)
		free->since = now;
	*free = (struct recon_slot){ true, sid, peer, now, free->since };
	note_start(rc, peer, now);
	return true;
}

/* Messages */

/* All ranges of a list, one after another; false: malformed. */
static bool
each_range(struct recon_step *st, enum recon_type type, struct rd *r)
{
	uint32_t i, n = mp_rd_array(r, RECON_MSG_MAX);
	struct recon_range range;
	const uint8_t *bin;
	size_t len;

	if (n == 0 || n % 3 != 0)
		return false;
	for (i = 0; i < n / 3; i++) {
		bin = recon_get_range(r, &range, RECON_MSG_MAX, &len);
		if (r->bad || !recon_on_range(st, type, &range, bin, len))
			return false;
	}
	return rd_done(r);
}

/* A request: we answer, and forget. */
static enum recon_rc
on_request(struct recon *rc, uint64_t peer, enum recon_type type, uint16_t sid,
    struct rd *r, size_t len, struct mono now)
{
	struct recon_step st = { .rc = rc, .peer = peer, .sid = sid };

	st.tick = mp_rd_uint(r, UINT64_MAX);
	mp_rd_bin_exact(r, st.salt, sizeof(st.salt));
	if (r->bad)
		return RECON_MALFORMED;
	st.now = now;
	flow_refill(rc, &rc->reply_flow, now);
	if (rc->reply_flow.left < -FLOW_DEBT_S * (int64_t)rc->conf.rate ||
	    !admit(rc, peer, sid, st.salt, now) ||
	    !mtree_find_tick(rc->conf.tree, st.tick, &st.ver)) {
		rc->refused++;
		recon_send_end(rc, peer, sid, RECON_BUSY_S);
		return RECON_BUSY;
	}
	recon_session_key(st.key, rc->conf.netid, st.salt);
	if (!each_range(&st, type, r)) {
		recon_discard(rc);
		return RECON_MALFORMED;
	}
	recon_flush(&st);
	rc->reply_flow.left -= (int64_t)(st.out + len);
	recon_send_end(rc, peer, sid, 0);
	return RECON_OK;
}

/* An answer within our own session. */
static enum recon_rc
on_answer(struct recon *rc, enum recon_type type, struct rd *r, struct mono now)
{
	struct recon_step st;
	bool ok;

	if (rc->own.unanswered == 0)
		return RECON_MALFORMED; /* an answer to nothing */
	rc->own.heard = now;
	if (!own_step(rc, &st, now) ||
	    rc->own_flow.left < -OWN_FLOW_DEBT_S * (int64_t)rc->conf.rate) {
		own_end(rc, RECON_LOST, 0);
		return RECON_OK;
	}
	ok = each_range(&st, type, r);
	if (!ok) {
		recon_discard(rc);
		return RECON_MALFORMED;
	}
	recon_flush(&st);
	rc->own_flow.left -= (int64_t)st.out;
	return RECON_OK;
}

static enum recon_rc
on_end(struct recon *rc, uint64_t peer, uint16_t sid, struct rd *r,
    struct mono now)
{
	uint32_t retry_s = (uint32_t)mp_rd_uint(r, 86400);
	struct recon_session *s = &rc->own;

	if (!rd_done(r))
		return RECON_MALFORMED;
	if (!s->on || s->peer != peer || s->sid != sid)
		return RECON_STALE;
	if (s->unanswered == 0)
		return RECON_MALFORMED; /* an answer to nothing */
	s->heard = now;
	note_answer(s);
	if (retry_s > 0)
		own_end(rc, RECON_REFUSED, retry_s);
	else
		own_go_on(rc, now);
	return RECON_OK;
}

static enum recon_rc
on_recs(struct recon *rc, uint64_t peer, struct rd *r)
{
	struct rd look = *r;
	const uint8_t *rec;
	uint32_t i, n;
	size_t len;

	/* All of it is well-formed before any of it is taken in. */
	n = mp_rd_array(&look, RECON_MSG_MAX);
	for (i = 0; i < n; i++)
		(void)mp_rd_bin(&look, 1, REC_MAX, &len);
	if (n == 0 || !rd_done(&look))
		return RECON_MALFORMED;
	(void)mp_rd_array(r, RECON_MSG_MAX);
	for (i = 0; i < n; i++) {
		rec = mp_rd_bin(r, 1, REC_MAX, &len);
		rc->conf.ops.got(rc->conf.ops.arg, peer, rec, len);
	}
	return RECON_OK;
}

enum recon_rc
recon_input(struct recon *rc, uint64_t peer, const void *msg, size_t len,
    struct mono now)
{
	struct recon_session *s = &rc->own;
	enum recon_type type;
	uint32_t arity;
	uint16_t sid;
	struct rd r;
	bool ours;

	if (len > RECON_MSG_MAX)
		return RECON_MALFORMED;
	rc->got_bytes += len;
	rd_init(&r, msg, len);
	arity = mp_rd_array(&r, 5);
	type = (enum recon_type)mp_rd_uint(&r, RECON_FULL);
	sid = (uint16_t)mp_rd_uint(&r, UINT16_MAX);
	if (r.bad || (arity != 3 && arity != 5))
		return RECON_MALFORMED;
	ours = s->on && s->peer == peer && s->sid == sid;
	if (ours && arity == 3) {
		flow_refill(rc, &rc->own_flow, now);
		rc->own_flow.left -= (int64_t)len;
	}
	switch (type) {
	case RECON_RANGE:
	case RECON_ITEMS:
	case RECON_WANT:
	case RECON_FULL:
		if (arity == 5)
			return on_request(rc, peer, type, sid, &r, len, now);
		return ours ? on_answer(rc, type, &r, now) : RECON_STALE;
	case RECON_RECS:
		return arity == 3 ? on_recs(rc, peer, &r) : RECON_MALFORMED;
	case RECON_END:
		return arity == 3 ? on_end(rc, peer, sid, &r, now)
				  : RECON_MALFORMED;
	default:
		return RECON_MALFORMED;
	}
}

void
recon_heard(struct recon *rc, uint64_t peer, struct mono now)
{
	struct recon_session *s = &rc->own;
	enum mtree_ver ver;

	/* Of a tree that has gone, no answer can be of use. */
	if (s->on && s->peer == peer &&
	    mtree_find_tick(rc->conf.tree, s->tick, &ver))
		s->heard = now;
}

/* Words are cheap; this was a record that we lacked. */
void
recon_gained(struct recon *rc, uint64_t peer)
{
	struct recon_session *s = &rc->own;

	if (s->on && s->peer == peer)
		s->until = mono_min(mono_add_ms(s->until, RECON_GAIN_MS),
		    mono_add_ms(s->heard, RECON_LEASE_MS));
}
