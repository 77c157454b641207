/* SPDX-License-Identifier: ISC */
/*
 * The overlay core among neighbours that do what they like: each pair of
 * bytes is one step.  The view keeps its bounds, every link that went up
 * goes down once, and dials are answered.
 */
#include "peerd/overlay.h"

#include <string.h>

#include "common/assert.h"
#include "common/bytes.h"

#define LINKS 20
#define DIALS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct overlay ov;
static struct overlay_link links[LINKS];
static uint64_t state;
static bool linked[LINKS], in_view[LINKS];
static uint16_t slots; /* in use */
static unsigned sent;  /* in this step */
static struct {
	uint32_t tag;
	uint8_t why, node;
} dials[DIALS];
static unsigned n_dials;

static struct wire_addr
addr_of(uint8_t node)
{
	struct wire_addr a;

	memset(&a, 0, sizeof(a));
	a.id[0] = node;
	a.addr.fam = NADDR_V4;
	a.addr.ip[0] = 20;
	a.addr.ip[1] = node;
	a.addr.port = 1;
	return a;
}

static uint64_t
rnd(void *ctx)
{
	(void)ctx;
	state = state * UINT64_C(6364136223846793005) + 1;
	return state ^ state >> 29;
}

static bool
pick(void *ctx, enum overlay_pick kind, const uint64_t *groups, size_t n,
    struct overlay_cand *c)
{
	uint64_t r = rnd(ctx);

	(void)groups;
	ASSERT(n <= 64);
	if (r % 3 == 0)
		return false;
	c->at = addr_of((uint8_t)(r >> 8));
	c->has_id = r % 5 != 0;
	c->pinned = kind == OVERLAY_PICK_PINNED;
	c->group = r >> 8 & 0xff;
	return true;
}

static void
dial(void *ctx, uint32_t tag, enum overlay_why why,
    const struct overlay_cand *c)
{
	(void)ctx;
	ASSERT(tag != 0 && n_dials < DIALS);
	dials[n_dials].tag = tag;
	dials[n_dials].why = (uint8_t)why;
	dials[n_dials++].node = c->at.id[0];
	sent++;
}

static void
on_link(unsigned link)
{
	ASSERT(link < LINKS && linked[link]);
	sent++;
	ASSERT(sent < 200); /* no step is loud */
}

static void
close_link(void *ctx, unsigned link)
{
	(void)ctx;
	ASSERT(link < LINKS && linked[link] && !in_view[link]);
	linked[link] = false;
}

static void
send_join(void *ctx, unsigned link, unsigned ttl, const struct wire_addr *node)
{
	(void)ctx;
	(void)node;
	ASSERT(ttl <= WIRE_TTL_MAX);
	on_link(link);
}

static void
send_neighbor(void *ctx, unsigned link, enum wire_want want)
{
	(void)ctx;
	(void)want;
	on_link(link);
}

static void
send_disconnect(void *ctx, unsigned link, enum wire_gone why)
{
	(void)ctx;
	(void)why;
	on_link(link);
}

static void
send_swap(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	(void)node;
	on_link(link);
}

static void
say(void *ctx, unsigned link)
{
	(void)ctx;
	on_link(link);
}

static void
view_up(void *ctx, unsigned link, unsigned slot)
{
	(void)ctx;
	ASSERT(linked[link] && !in_view[link] && slot < OVERLAY_SLOTS);
	ASSERT((slots >> slot & 1) == 0);
	slots = (uint16_t)(slots | 1u << slot);
	in_view[link] = true;
}

static void
view_down(void *ctx, unsigned link, unsigned slot)
{
	(void)ctx;
	ASSERT(in_view[link] && (slots >> slot & 1) == 1);
	slots = (uint16_t)(slots & ~(1u << slot));
	in_view[link] = false;
}

static void
heard_of(void *ctx, unsigned link, const struct wire_addr *node)
{
	(void)ctx;
	(void)node;
	ASSERT(linked[link]);
}

static const struct overlay_ops ops = { pick, dial, close_link, send_join,
	send_neighbor, send_disconnect, send_swap, say, say, view_up, view_down,
	heard_of, rnd };

static void
go_up(unsigned link, enum overlay_why why, uint32_t tag, uint8_t node,
    struct mono now)
{
	struct wire_addr a = addr_of(node);

	linked[link] = true;
	overlay_link_up(&ov, link, why, tag, &a, node, now);
}

/* A dial ends: on that link when it is free, else it failed. */
static void
end_dial(unsigned link, uint8_t arg, struct mono now)
{
	unsigned i = n_dials == 0 ? 0 : arg % n_dials;
	uint32_t tag;
	uint8_t why, node;

	if (n_dials == 0)
		return;
	tag = dials[i].tag;
	why = dials[i].why;
	node = dials[i].node;
	dials[i] = dials[--n_dials];
	if (arg >= 128 || linked[link])
		overlay_dial_failed(&ov, tag, now);
	else
		go_up(link, (enum overlay_why)why, tag, node, now);
}

static void
step(uint8_t op, uint8_t arg, struct mono now)
{
	unsigned link = (op >> 3) % LINKS;
	struct wire_addr a = addr_of(arg);

	if (op == 255) {
		if (arg == 0)
			overlay_stop(&ov, now);
		else if (arg == 1)
			overlay_start(&ov, now);
		else if (arg == 2)
			overlay_news(&ov, now);
		else if (arg == 3)
			overlay_set_times(&ov, 0, 1000);
		else
			overlay_set_nodes(&ov, arg, now);
		return;
	}
	if (!linked[link]) {
		if (op % 8 < 4)
			end_dial(link, arg, now);
		else if (arg % 8 < 3)
			go_up(link,
			    (enum overlay_why)(OVERLAY_PINNED + arg % 8), 0,
			    arg, now);
		else
			go_up(link, OVERLAY_THEIRS, 0, arg, now);
		if (linked[link])
			overlay_pin(&ov, link, arg % 16 == 7);
		return;
	}
	overlay_heard(&ov, link, now);
	switch (op % 8) {
	case 0:
		linked[link] = false;
		overlay_link_down(&ov, link, now);
		break;
	case 1:
		(void)overlay_on_join(&ov, link, arg % 7, &a, now);
		break;
	case 2:
	case 3:
		(void)overlay_on_neighbor(&ov, link, arg % 3, now);
		break;
	case 4:
		(void)overlay_on_disconnect(&ov, link, arg, now);
		break;
	case 5:
		if (arg % 2 == 0) /* its own address, as honest ones do */
			a = links[link].node;
		(void)overlay_on_swap(&ov, link, &a, now);
		break;
	case 6:
		overlay_on_root(&ov, link, arg % 4, arg / 4, now);
		break;
	default:
		overlay_own_root(&ov, arg % 4, arg / 4, now);
		break;
	}
}

static void
check(void)
{
	unsigned i, n = 0;

	for (i = 0; i < LINKS; i++) {
		ASSERT((overlay_state(&ov, i) != OVERLAY_NONE) == linked[i]);
		ASSERT((overlay_state(&ov, i) == OVERLAY_ACTIVE) == in_view[i]);
		n += in_view[i];
	}
	ASSERT(overlay_active(&ov) == n);
	ASSERT(n <= OVERLAY_SLOTS);
	ASSERT(n_dials <= OVERLAY_DIALS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mono now = { 1000000000 };
	struct wire_addr self = addr_of(0);
	struct rd r;
	uint8_t op, arg;

	state = 1;
	slots = 0;
	n_dials = 0;
	memset(linked, 0, sizeof(linked));
	memset(in_view, 0, sizeof(in_view));
	overlay_init(&ov, links, LINKS, &self, size % 2 == 0, size % 3 == 0,
	    &ops, NULL);
	overlay_start(&ov, now);
	rd_init(&r, data, size);
	while (r.left >= 2) {
		op = rd_u8(&r);
		arg = rd_u8(&r);
		sent = 0;
		if (op == 254) {
			now.us += (int64_t)arg * 40000;
			(void)overlay_tick(&ov, now);
		} else
			step(op, arg, now);
		check();
	}
	return 0;
}
