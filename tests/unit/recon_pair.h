/* SPDX-License-Identifier: ISC */
/*
 * Two nodes that reconcile over a perfect link, for the tests and the bench:
 * the tree is the store, a record is its entry in 76 bytes, and messages
 * travel in lockstep, so that round trips can be counted.
 */
#ifndef WARREN_TESTS_RECON_PAIR_H
#define WARREN_TESTS_RECON_PAIR_H

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "peerd/recon.h"

#define PAIR_REC_LEN 76

struct pair_msg {
	struct pair_msg *next;
	size_t len;
	uint8_t b[];
};

struct pair_node {
	struct recon rc;
	struct mtree tree;
	struct pair_node *other;
	uint64_t id;                    /* as the other knows it */
	struct pair_msg *first, **last; /* on their way to it */
	struct mtree_change *got;       /* records that came */
	size_t n_got, cap_got;
	struct mtree_entry *push; /* to be sent */
	size_t n_push, cap_push;
	uint16_t push_sid;
	uint64_t meta_bytes, rec_bytes, n_recs; /* sent */
	uint64_t by_type[RECON_FULL + 1];
	bool mute; /* the bodies it sends are lost */
	bool ended;
	enum recon_how how;
	uint32_t retry_s;
};

static inline void *
pair_get(void *arg, size_t len)
{
	(void)arg;
	return malloc(len);
}

static inline void
pair_put(void *arg, void *p, size_t len)
{
	(void)arg;
	(void)len;
	free(p);
}

static inline void *
pair_grow(void *at, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return at;
	*cap = *cap == 0 ? 64 : *cap * 2;
	at = realloc(at, *cap * size);
	ASSERT(at != NULL);
	return at;
}

static inline void
pair_post(struct pair_node *to, const void *b, size_t len)
{
	struct pair_msg *m = malloc(sizeof(*m) + len);

	ASSERT(m != NULL && len <= RECON_MSG_MAX);
	m->next = NULL;
	m->len = len;
	memcpy(m->b, b, len);
	*to->last = m;
	to->last = &m->next;
}

static inline void
pair_on_send(void *arg, uint64_t peer, const uint8_t *msg, size_t len)
{
	struct pair_node *n = arg;

	ASSERT(peer == n->other->id);
	n->meta_bytes += len;
	n->by_type[msg[1]] += len; /* types are below 128 */
	pair_post(n->other, msg, len);
}

static inline void
pair_on_push(void *arg, uint64_t peer, uint16_t sid, const uint8_t key[32])
{
	struct pair_node *n = arg;
	struct mtree_entry e;

	ASSERT(peer == n->other->id);
	/* Of either version: the session may be of the previous one. */
	if (!mtree_get(&n->tree, MTREE_CURRENT, key, &e) &&
	    !mtree_get(&n->tree, MTREE_PREVIOUS, key, &e))
		return;
	n->push = pair_grow(n->push, n->n_push, &n->cap_push, sizeof(e));
	n->push[n->n_push++] = e;
	n->push_sid = sid;
}

static inline void
pair_on_record(void *arg, uint64_t peer, const uint8_t *rec, size_t len)
{
	struct pair_node *n = arg;
	struct mtree_change *ch;

	ASSERT(peer == n->other->id);
	if (len != PAIR_REC_LEN)
		return;
	n->got = pair_grow(n->got, n->n_got, &n->cap_got, sizeof(*n->got));
	ch = &n->got[n->n_got++];
	memset(ch, 0, sizeof(*ch));
	memcpy(ch->e.key, rec, 32);
	memcpy(ch->e.rid, rec + 32, 32);
	ch->e.hlc = get_u64(rec + 64);
	ch->e.w = (int32_t)get_u32(rec + 72);
	recon_arrived(&n->rc, ch->e.key, ch->e.hlc);
}

static inline void
pair_on_end(void *arg, uint64_t peer, enum recon_how how, uint32_t retry_s)
{
	struct pair_node *n = arg;

	ASSERT(peer == n->other->id);
	n->ended = true;
	n->how = how;
	n->retry_s = retry_s;
}

static inline void
pair_init(struct pair_node *n, struct pair_node *other, uint64_t id,
    uint32_t n_stack, uint32_t n_wants, uint32_t rate)
{
	const struct mtree_mem mem = { pair_get, pair_put, NULL };
	struct recon_conf conf = { .n_stack = n_stack,
		.n_wants = n_wants,
		.rate = rate };

	memset(n, 0, sizeof(*n));
	mtree_init(&n->tree, &mem, 0);
	n->other = other;
	n->id = id;
	n->last = &n->first;
	conf.tree = &n->tree;
	conf.netid[0] = 5;
	conf.key[0] = (uint8_t)id;
	conf.stack = calloc(n_stack, sizeof(*conf.stack));
	conf.wants = calloc(n_wants, sizeof(*conf.wants));
	ASSERT(conf.stack != NULL && conf.wants != NULL);
	conf.ops = (struct recon_ops){ pair_on_send, pair_on_push,
		pair_on_record, pair_on_end, n };
	recon_init(&n->rc, &conf, (struct mono){ 0 });
}

static inline void
pair_free(struct pair_node *n)
{
	struct pair_msg *m;

	while ((m = n->first) != NULL) {
		n->first = m->next;
		free(m);
	}
	mtree_fini(&n->tree);
	free(n->rc.conf.stack);
	free(n->rc.conf.wants);
	free(n->got);
	free(n->push);
}

/* Bodies of what was pushed, as the shell would send them. */
static inline void
pair_send_recs(struct pair_node *n)
{
	static uint8_t out[RECON_MSG_MAX], bodies[1024][PAIR_REC_LEN];
	const uint8_t *recs[1024];
	size_t lens[1024], at = 0, k, i;
	struct wr w;

	while (!n->mute && at < n->n_push) {
		for (k = 0; k < 1024 && at + k < n->n_push; k++) {
			memcpy(bodies[k], n->push[at + k].key, 32);
			memcpy(bodies[k] + 32, n->push[at + k].rid, 32);
			put_u64(bodies[k] + 64, n->push[at + k].hlc);
			put_u32(bodies[k] + 72, (uint32_t)n->push[at + k].w);
			recs[k] = bodies[k];
			lens[k] = PAIR_REC_LEN;
		}
		wr_init(&w, out, sizeof(out));
		i = recon_put_recs(&w, n->push_sid, recs, lens, k);
		ASSERT(i > 0 && !w.bad);
		at += i;
		n->n_recs += i;
		n->rec_bytes += w.len;
		pair_post(n->other, out, w.len);
	}
	n->n_push = 0;
}

/* Deliver what was under way at the call; false: nothing was. */
static inline bool
pair_deliver(struct pair_node *to, struct mono now)
{
	struct pair_msg *m = to->first, *next;
	enum recon_rc rc;
	bool any = m != NULL;

	to->first = NULL;
	to->last = &to->first;
	for (; m != NULL; m = next) {
		next = m->next;
		rc = recon_input(&to->rc, to->other->id, m->b, m->len, now);
		ASSERT(rc != RECON_MALFORMED);
		free(m);
	}
	pair_send_recs(to);
	return any;
}

/*
 * Run until the link is silent; round trips of it, or -1 after so many that
 * something must be wrong.  ms is the time of each trip.
 */
static inline int
pair_run(struct pair_node *a, struct pair_node *b, struct mono *now, int64_t ms)
{
	int rtt;
	bool busy = true;

	for (rtt = 0; busy && rtt < 10000; rtt++) {
		*now = mono_add_ms(*now, ms);
		busy = pair_deliver(b, *now);
		busy |= pair_deliver(a, *now);
		if (mono_reached(recon_due(&a->rc), *now))
			recon_tick(&a->rc, *now);
		busy |= a->rc.own.on;
		pair_send_recs(a);
	}
	return rtt < 10000 ? rtt - 1 : -1;
}

static inline int
pair_cmp(const void *x, const void *y)
{
	const struct mtree_entry *a = &((const struct mtree_change *)x)->e;
	const struct mtree_entry *b = &((const struct mtree_change *)y)->e;
	int c = memcmp(a->key, b->key, 32);

	if (c != 0)
		return c;
	/* The winner last. */
	if (a->hlc != b->hlc)
		return a->hlc < b->hlc ? -1 : 1;
	return memcmp(a->rid, b->rid, 32);
}

/* Merge what came into the tree, as of tick; how many were new or newer. */
static inline size_t
pair_merge(struct pair_node *n, uint64_t tick)
{
	struct mtree_change old;
	size_t i, k = 0;

	if (n->n_got > 0)
		qsort(n->got, n->n_got, sizeof(*n->got), pair_cmp);
	memset(&old, 0, sizeof(old));
	for (i = 0; i < n->n_got; i++) {
		if (i + 1 < n->n_got &&
		    memcmp(n->got[i].e.key, n->got[i + 1].e.key, 32) == 0)
			continue;
		if (mtree_get(&n->tree, MTREE_CURRENT, n->got[i].e.key,
			&old.e) &&
		    pair_cmp(&old, &n->got[i]) >= 0)
			continue;
		n->got[k++] = n->got[i];
	}
	ASSERT(mtree_apply(&n->tree, tick, n->got, k) == MTREE_OK);
	n->n_got = 0;
	return k;
}

#endif
