/* SPDX-License-Identifier: ISC */
/*
 * The broadcast core among neighbours that do what they like: each byte or
 * few are one step.  Limits hold after each, handles are forgotten once, and
 * the core comes to rest when nobody talks to it.
 */
#include "peerd/bcast.h"

#include <string.h>

#include "common/assert.h"
#include "common/bytes.h"
#include "peerd/recent.h"

#define LINKS   5
#define RECORDS 64 /* of which a neighbour may know the ids */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;
static int32_t live; /* handles the core holds */
static bool room;

static bool
send_gossip(void *ctx, unsigned link, uint32_t handle, enum bcast_how how)
{
	(void)ctx;
	ASSERT(link < LINKS && handle < 256 && how <= BCAST_OLD);
	return room;
}

static void
send_ids(void *ctx, unsigned link, const uint8_t *ids, size_t n)
{
	(void)ctx;
	ASSERT(link < LINKS && ids != NULL && n >= 1 && n <= BCAST_IDS_MAX);
}

static void
send_graft(void *ctx, unsigned link)
{
	(void)ctx;
	ASSERT(link < LINKS);
}

static void
send_prune(void *ctx, unsigned link, uint32_t backoff_ms)
{
	(void)ctx;
	ASSERT(link < LINKS && backoff_ms <= 600000);
}

static void
score(void *ctx, unsigned link, enum score_event event)
{
	(void)ctx;
	ASSERT(link < LINKS);
	ASSERT(event == SCORE_NO_PULL || event == SCORE_REGRAFT);
}

static void
forget(void *ctx, uint32_t handle)
{
	(void)ctx;
	ASSERT(handle < 256);
	live--;
	ASSERT(live >= 0);
}

static uint64_t
rnd(void *ctx)
{
	(void)ctx;
	state = state * UINT64_C(6364136223846793005) + 1;
	return state ^ state >> 29;
}

static const struct bcast_ops ops = { send_gossip, send_ids, send_ids,
	send_graft, send_prune, score, forget, rnd };

static const uint8_t keys[LINKS][16] = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } };

static const uint8_t *
rid_of(uint8_t n)
{
	static uint8_t rid[32];

	memset(rid, n, sizeof(rid));
	return rid;
}

/* An id of a record it may know, or of none. */
static size_t
ids_of(uint8_t ids[16 * BCAST_ID], unsigned link, uint8_t what, size_t n)
{
	struct recent_ids index;
	uint64_t id;
	size_t i;

	memcpy(index.key, keys[link], 16);
	for (i = 0; i < n; i++) {
		id = what >= RECORDS
		    ? what + i
		    : recent_id(&index, rid_of((uint8_t)(what + i)));
		memcpy(ids + i * BCAST_ID, &id, BCAST_ID);
	}
	return n;
}

struct held {
	uint32_t token;
	uint8_t record;
	bool used;
};

static void
receive(struct bcast *b, unsigned link, uint8_t record, enum bcast_how how,
    struct held *h, struct mono now)
{
	struct bcast_msg m = { rid_of(record), record, record % 3, record };
	uint32_t token;

	if (!bcast_is_up(b, link) ||
	    bcast_receive(b, link, m.rid, how, &token, now) != BCAST_NEW)
		return;
	if (!h->used && record % 2 == 1) { /* verified later */
		*h = (struct held){ token, record, true };
		return;
	}
	live++;
	bcast_settle(b, token, BCAST_GOOD, &m, now);
}

static void
settle(struct bcast *b, struct held *h, uint8_t verdict, struct mono now)
{
	struct bcast_msg m = { rid_of(h->record), h->record, 1, 1 };

	if (!h->used)
		return;
	live += verdict % 3 == BCAST_GOOD;
	bcast_settle(b, h->token, (enum bcast_verdict)(verdict % 3), &m, now);
	h->used = false;
}

static void
step(struct bcast *b, uint8_t op, uint8_t arg, struct held *h, struct mono now)
{
	struct bcast_msg m = { rid_of(arg), arg, arg % 3, arg % 5 };
	uint8_t ids[16 * BCAST_ID];
	unsigned link = (op >> 4) % LINKS;

	switch (op % 16) {
	case 0:
		if (!bcast_is_up(b, link))
			bcast_link_up(b, link, keys[link], arg * 1000u,
			    arg % 2 == 1, now);
		break;
	case 1:
		bcast_link_down(b, link, now);
		break;
	case 2:
	case 3:
	case 4:
		receive(b, link, arg, (enum bcast_how)(op % 16 - 2), h, now);
		break;
	case 5:
		bcast_on_ihave(b, link, ids,
		    ids_of(ids, link, arg, 1 + arg % 16), now);
		break;
	case 6:
		bcast_on_pull(b, link, ids,
		    ids_of(ids, link, arg, 1 + arg % 16), now);
		break;
	case 7:
		bcast_on_graft(b, link, now);
		break;
	case 8:
		bcast_on_prune(b, link, arg * 1000u, now);
		break;
	case 9:
		settle(b, h, arg, now);
		break;
	case 10:
		live++;
		bcast_local(b, &m, now);
		break;
	case 11:
		live++;
		(void)bcast_synced(b, &m, arg % (LINKS + 1), now);
		break;
	case 12:
		bcast_link_poor(b, link, arg % 2 == 1, now);
		break;
	case 13:
		room = arg % 2 == 1;
		break;
	default:
		(void)bcast_tick(b, now);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t mem[8192];
	static const struct bcast_limits lim = { LINKS, 32, 24, 4, 3 };
	static const uint8_t secret[16] = { 's' };
	struct mono now = { 1000000000 }, due;
	struct held h = { 0, 0, false };
	struct bcast *b;
	struct rd r;
	uint8_t op;
	unsigned i;

	ASSERT(bcast_size(&lim) <= sizeof(mem));
	state = 1;
	live = 0;
	room = true;
	b = bcast_init(mem, &lim, secret, &ops, NULL);
	rd_init(&r, data, size);
	while (r.left >= 2) {
		op = rd_u8(&r);
		if (op % 16 == 15) /* time passes */
			now.us += (int64_t)rd_u8(&r) * 50000;
		else
			step(b, op, rd_u8(&r), &h, now);
		ASSERT(bcast_pending(b) <= lim.pending);
		ASSERT(bcast_eager_links(b) <= LINKS);
		ASSERT(live >= 0 && live <= (int32_t)lim.recent);
	}
	/* Left alone it comes to rest. */
	for (i = 0; i < 20000; i++) {
		due = bcast_due(b);
		if (due.us == MONO_NEVER.us)
			break;
		now = mono_before(now, due) ? due : now;
		(void)bcast_tick(b, now);
	}
	ASSERT(bcast_due(b).us == MONO_NEVER.us);
	ASSERT(bcast_pending(b) == 0);
	return 0;
}
