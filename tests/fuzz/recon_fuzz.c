/* SPDX-License-Identifier: ISC */
/*
 * Messages of anti-entropy from strangers, to a node with a few hundred
 * records and a session of its own under way: each two bytes of length and
 * a message, the lowest bit of the length telling from which of two peers.
 * What is sent in return stays within bounds and is itself well-formed.
 */
#include "peerd/recon.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/b2.h"
#include "common/mp.h"

#define RECORDS 600
#define STACK   64
#define WANTS   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sent, pushed;

static void *
get(void *arg, size_t len)
{
	(void)arg;
	return malloc(len);
}

static void
put(void *arg, void *p, size_t len)
{
	(void)arg;
	(void)len;
	free(p);
}

static void
on_send(void *arg, uint64_t peer, const uint8_t *msg, size_t len)
{
	(void)arg;
	ASSERT(peer < 2 && len <= RECON_MSG_MAX);
	ASSERT(mp_scan(msg, len, 2));
	sent += len;
}

static void
on_push(void *arg, uint64_t peer, uint16_t sid, const uint8_t key[32])
{
	struct mtree_entry e;
	const struct mtree *t = arg;

	(void)peer;
	(void)sid;
	ASSERT(mtree_get(t, MTREE_CURRENT, key, &e) ||
	    mtree_get(t, MTREE_PREVIOUS, key, &e));
	pushed++;
}

static void
on_record(void *arg, uint64_t peer, const uint8_t *rec, size_t len)
{
	(void)arg;
	(void)peer;
	ASSERT(rec != NULL && len > 0);
}

static void
on_end(void *arg, uint64_t peer, enum recon_how how, uint32_t retry_s)
{
	(void)arg;
	(void)how;
	(void)retry_s;
	ASSERT(peer == 0);
}

/* Records of three kinds and a few subjects, in order of their number. */
static void
grow(struct mtree *t)
{
	const struct mtree_mem mem = { get, put, NULL };
	struct mtree_change ch = { .del = false };
	uint8_t n[4], h[B2_LEN];
	uint32_t i;

	mtree_init(t, &mem, 0);
	for (i = 0; i < RECORDS; i++) {
		put_u32(n, i);
		b2_256(h, "WarrenFuzz1", n, 4);
		memcpy(ch.e.key, h, 32);
		ch.e.key[0] = (uint8_t)(17 + i % 3);
		if (i % 2 == 0)
			memset(ch.e.key + 1, (int)(i % 5), 15);
		b2_256(ch.e.rid, "WarrenFuzz2", n, 4);
		ch.e.hlc = (UINT64_C(1700000000000) + i) << 16;
		ch.e.w = (int32_t)i;
		ASSERT(mtree_apply(t, i + 1, &ch, 1) == MTREE_OK);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct recon_range stack[STACK];
	static struct recon_want wants[WANTS];
	static const uint8_t salt[8] = { 1 };
	static struct mtree tree;
	static struct recon rc;
	struct recon_conf conf = { .tree = &tree,
		.stack = stack,
		.n_stack = STACK,
		.wants = wants,
		.n_wants = WANTS };
	struct mono now = { 1000000 };
	struct rd r;
	const uint8_t *msg;
	size_t len;

	if (tree.bytes == 0)
		grow(&tree);
	conf.ops =
	    (struct recon_ops){ on_send, on_push, on_record, on_end, &tree };
	recon_init(&rc, &conf, now);
	ASSERT(recon_start(&rc, 0, 1, RECORDS, salt, now) == RECON_OK);
	rd_init(&r, data, size);
	while (r.left >= 2) {
		len = rd_u16(&r);
		if (len / 2 > r.left)
			break;
		msg = rd_take(&r, len / 2);
		sent = pushed = 0;
		(void)recon_input(&rc, len & 1, msg, len / 2, now);
		ASSERT(sent <= RECON_REPLY_MAX + 4 * RECON_MSG_MAX);
		ASSERT(pushed <= (len + 2) * RECORDS);
		now = mono_add_ms(now, 700);
		recon_tick(&rc, now);
		ASSERT(rc.own.n_stack <= STACK);
		ASSERT(!rc.own.on || rc.own.unanswered <= RECON_WINDOW_MAX);
	}
	return 0;
}
