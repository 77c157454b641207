/* SPDX-License-Identifier: ISC */
/*
 * The broadcast of a node of scenario `store`: what the core asks for, in
 * the messages of wire.h, and the records it may still send.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/fault.h"
#include "tests/sim/store/snode.h"

uint32_t
sgossip_hold(struct snode *n, const uint8_t *raw, size_t len)
{
	uint32_t i;

	for (i = 0; i < SN_HELD && n->held[i].raw != NULL; i++)
		continue;
	if (i < SN_HELD) {
		n->held[i].raw = sim_alloc(1, len);
		memcpy(n->held[i].raw, raw, len);
		n->held[i].len = len;
	}
	return i;
}

void
sgossip_unhold(struct snode *n, uint32_t handle)
{
	free(n->held[handle].raw);
	n->held[handle].raw = NULL;
}

static void
op_forget(void *ctx, uint32_t handle)
{
	sgossip_unhold(ctx, handle);
}

static bool
op_gossip(void *ctx, unsigned link, uint32_t handle, enum bcast_how how)
{
	struct snode *n = ctx;
	struct wire_blob one = { n->held[handle].raw, n->held[handle].len };
	uint8_t buf[1024];
	struct wr w;

	if (BUGGIFY(outbox_full))
		return false;
	wr_init(&w, buf, sizeof(buf));
	wire_put_gossip(&w,
	    how == BCAST_OLD        ? WIRE_HOPS_OLD
		: how == BCAST_PULL ? WIRE_HOPS_PULLED
				    : 1,
	    &one, 1);
	snode_send(n, link, buf, w.len);
	return true;
}

static void
op_ihave(void *ctx, unsigned link, const uint8_t *ids, size_t n_ids)
{
	uint8_t buf[WIRE_IDS_MAX * WIRE_ID + 16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_ihave(&w, ids, n_ids);
	snode_send(ctx, link, buf, w.len);
}

static void
op_pull(void *ctx, unsigned link, const uint8_t *ids, size_t n_ids)
{
	uint8_t buf[WIRE_IDS_MAX * WIRE_ID + 16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_pull(&w, ids, n_ids);
	snode_send(ctx, link, buf, w.len);
}

static void
op_graft(void *ctx, unsigned link)
{
	uint8_t buf[16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_graft(&w);
	snode_send(ctx, link, buf, w.len);
}

static void
op_prune(void *ctx, unsigned link, uint32_t backoff_ms)
{
	uint8_t buf[16];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_prune(&w, backoff_ms);
	snode_send(ctx, link, buf, w.len);
}

static void
op_score(void *ctx, unsigned link, enum score_event event)
{
	(void)ctx;
	(void)link;
	(void)event;
}

static uint64_t
op_rnd(void *ctx)
{
	return rng_next(&((struct snode *)ctx)->rng);
}

const struct bcast_ops sgossip_ops = { .send_gossip = op_gossip,
	.send_ihave = op_ihave,
	.send_pull = op_pull,
	.send_graft = op_graft,
	.send_prune = op_prune,
	.score = op_score,
	.forget = op_forget,
	.rnd = op_rnd };

const struct bcast_limits sgossip_limits = { .links = SNODES,
	.recent = 256,
	.pending = 64,
	.authors = 16,
	.delayed = 16 };
