/* SPDX-License-Identifier: ISC */
/*
 * One broadcast core and all it sends, in a log, for its two tests: records
 * are numbers, links have made-up keys, a clock jumps.
 */
#ifndef WARREN_TESTS_BCAST_KIT_H
#define WARREN_TESTS_BCAST_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/bcast.h"
#include "peerd/recent.h"

#define LINKS 8
#define LOG   4096

enum op { PUSH, IHAVE, PULL, GRAFT, PRUNE, SCORE, FORGET };

static struct {
	enum op op;
	unsigned link;
	uint64_t v;
	uint8_t how;
} was[LOG];
static size_t n_was;
static bool lane_full;
static uint64_t seed;
static struct bcast *b;
static void *mem;
static struct mono now;

static inline void
put(enum op op, unsigned link, uint64_t v, uint8_t how)
{
	if (n_was < LOG) {
		was[n_was].op = op;
		was[n_was].link = link;
		was[n_was].v = v;
		was[n_was++].how = how;
	}
}

static inline bool
send_gossip(void *ctx, unsigned link, uint32_t handle, enum bcast_how how)
{
	(void)ctx;
	if (!lane_full)
		put(PUSH, link, handle, (uint8_t)how);
	return !lane_full;
}

static inline void
put_ids(enum op op, unsigned link, const uint8_t *ids, size_t n)
{
	uint64_t id;
	size_t i;

	assert_true(n >= 1 && n <= BCAST_IDS_MAX);
	for (i = 0; i < n; i++) {
		memcpy(&id, ids + i * BCAST_ID, BCAST_ID);
		put(op, link, id, 0);
	}
}

static inline void
send_ihave(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	(void)ctx;
	put_ids(IHAVE, link, ids, n);
}

static inline void
send_pull(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	(void)ctx;
	put_ids(PULL, link, ids, n);
}

static inline void
send_graft(void *ctx, unsigned link)
{
	(void)ctx;
	put(GRAFT, link, 0, 0);
}

static inline void
send_prune(void *ctx, unsigned link, uint32_t backoff_ms)
{
	(void)ctx;
	put(PRUNE, link, backoff_ms, 0);
}

static inline void
score(void *ctx, unsigned link, enum score_event event)
{
	(void)ctx;
	put(SCORE, link, (uint64_t)event, 0);
}

static inline void
forget(void *ctx, uint32_t handle)
{
	(void)ctx;
	put(FORGET, 0, handle, 0);
}

static inline uint64_t
rnd(void *ctx)
{
	(void)ctx;
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return seed ^ seed >> 31;
}

static const struct bcast_ops ops = { send_gossip, send_ihave, send_pull,
	send_graft, send_prune, score, forget, rnd };

static inline size_t
count(enum op op, int link)
{
	size_t i, n = 0;

	for (i = 0; i < n_was; i++)
		n += was[i].op == op &&
		    (link == -1 || was[i].link == (unsigned)link);
	return n;
}

static inline void
key_of(unsigned link, uint8_t key[16])
{
	memset(key, 0, 16);
	key[0] = (uint8_t)(link + 1);
}

static inline void
up(unsigned link, bool lan)
{
	uint8_t key[16];

	key_of(link, key);
	bcast_link_up(b, link, key, 40000, lan, now);
}

static inline const uint8_t *
rid_of(uint32_t i)
{
	static uint8_t rid[32];

	memset(rid, 0, sizeof(rid));
	memcpy(rid, &i, 4);
	return rid;
}

/* The short id of record i on a link, as its other end makes it. */
static inline uint64_t
id_of(unsigned link, uint32_t i)
{
	struct recent_ids ids;

	key_of(link, ids.key);
	return recent_id(&ids, rid_of(i));
}

static inline struct bcast_msg
msg(uint32_t i)
{
	return (struct bcast_msg){ rid_of(i), i, 7000 + i, i };
}

static inline void
begin(unsigned links, uint16_t pending)
{
	struct bcast_limits lim = { LINKS, 64, pending, 16, 4 };
	static const uint8_t secret[16] = { 's' };
	unsigned i;

	free(mem);
	mem = malloc(bcast_size(&lim));
	assert_non_null(mem);
	memset(mem, 0xa5, bcast_size(&lim));
	seed = 42;
	now.us = 1000000000;
	n_was = 0;
	lane_full = false;
	b = bcast_init(mem, &lim, secret, &ops, NULL);
	for (i = 0; i < links; i++)
		up(i, false);
}

static inline int
setup(void **state)
{
	(void)state;
	begin(4, 64);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	free(mem);
	mem = NULL;
	return 0;
}

static inline void
pass(int64_t ms)
{
	struct mono end = mono_add_ms(now, ms), due;

	while (due = bcast_due(b), mono_reached(due, end)) {
		if (mono_before(now, due))
			now = due;
		if (bcast_tick(b, now).us == due.us && due.us <= now.us)
			fail_msg("a tick that changes nothing is due again");
	}
	now = end;
	(void)bcast_tick(b, now);
}

/* Record i comes over link and is found good. */
static inline enum bcast_rc
take(unsigned link, uint32_t i, enum bcast_how how)
{
	struct bcast_msg m = msg(i);
	enum bcast_rc rc;
	uint32_t token;

	rc = bcast_receive(b, link, m.rid, how, &token, now);
	if (rc == BCAST_NEW)
		bcast_settle(b, token, BCAST_GOOD, &m, now);
	return rc;
}

static inline void
announce(unsigned link, uint32_t i)
{
	uint64_t id = id_of(link, i);

	bcast_on_ihave(b, link, (const uint8_t *)&id, 1, now);
}

static inline void
ask(unsigned link, uint32_t i)
{
	uint64_t id = id_of(link, i);

	bcast_on_pull(b, link, (const uint8_t *)&id, 1, now);
}

#endif
