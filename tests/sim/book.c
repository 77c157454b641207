/* SPDX-License-Identifier: ISC */
/*
 * A simulated node's address book: far smaller than peerd/abook.c, with the
 * same waiting times.
 */
#include <string.h>

#include "peerd/abook.h"
#include "tests/sim/fault.h"
#include "tests/sim/view_int.h"

#define TRIES     12 /* places looked at for one candidate */
#define RETRY_US  (10 * SIM_S)
#define FAILS_MAX 6 /* ten minutes, and no longer */
#define BOOT_US   (1 * SIM_S)

/* --- who is who --- */

struct wire_addr
view_addr_of(uint32_t node)
{
	uint64_t h = mix64(node + UINT64_C(0x5eed));
	struct wire_addr a;

	memset(&a, 0, sizeof(a));
	memcpy(a.id, &h, 8);
	memcpy(a.id + 8, &node, 4);
	a.addr.fam = NADDR_V4;
	a.addr.port = 38080;
	a.addr.ip[0] = (uint8_t)(11 + h % 80); /* public, in many groups */
	a.addr.ip[1] = (uint8_t)(h >> 8);
	a.addr.ip[2] = (uint8_t)(node >> 8);
	a.addr.ip[3] = (uint8_t)node;
	return a;
}

uint32_t
view_node_of(const struct wire_addr *a)
{
	uint32_t node;

	memcpy(&node, a->id + 8, 4);
	return node;
}

/* --- the book --- */

void
book_learn(struct node *n, uint32_t node)
{
	struct book *bk = n->book;
	struct place *p;
	unsigned i;

	if (node == n->id || node >= world.conf.nodes)
		return;
	for (i = 0; i < BOOK; i++)
		if (bk->places[i].used && bk->places[i].node == node)
			return;
	p = &bk->places[rng_below(&n->rng, BOOK)];
	for (i = 0; i < BOOK && p->used; i++)
		if (!bk->places[i].used)
			p = &bk->places[i];
	memset(p, 0, sizeof(*p));
	p->node = node;
	p->used = true;
}

static struct place *
place_of(struct node *n, uint32_t node)
{
	unsigned i;

	for (i = 0; i < BOOK; i++)
		if (n->book->places[i].used && n->book->places[i].node == node)
			return &n->book->places[i];
	return NULL;
}

/* As peerd/abook.c waits: from the last dial, doubling with each failure. */
void
book_dialled(struct node *n, uint32_t node)
{
	struct place *p = place_of(n, node);

	if (p != NULL)
		p->due_us = sim_now().us + (RETRY_US << p->fails);
}

void
book_tried(struct node *n, uint32_t node, bool good)
{
	struct place *p = place_of(n, node);

	if (p == NULL)
		return;
	if (!good && p->fails < FAILS_MAX) {
		p->due_us += RETRY_US << p->fails;
		p->fails++;
	} else if (good) {
		p->fails = 0;
	}
}

bool
book_is_banned(const struct node *n, uint32_t node)
{
	unsigned i;

	for (i = 0; i < BANS; i++)
		if (n->book->bans[i] == node + 1)
			return true;
	return false;
}

static void
fill_cand(struct overlay_cand *c, uint32_t node)
{
	c->at = view_addr_of(node);
	c->has_id = true;
	c->group = abook_group(&c->at.addr);
}

static bool
pick_boot(struct node *n, struct overlay_cand *c)
{
	unsigned i, at, first = rng_below(&n->rng, NODE_BOOTS);

	for (i = 0; i < NODE_BOOTS; i++) {
		at = (first + i) % NODE_BOOTS;
		if (at == n->id || n->book->boot_us[at] > sim_now().us ||
		    node_link_to(n, at) != -1)
			continue;
		n->book->boot_us[at] = sim_now().us + BOOT_US;
		fill_cand(c, at);
		return true;
	}
	return false;
}

bool
book_pick(void *ctx, enum overlay_pick kind, const uint64_t *groups,
    size_t n_groups, struct overlay_cand *c)
{
	struct node *n = ctx;
	struct place *p;
	unsigned i;

	(void)groups;
	(void)n_groups;
	if (kind == OVERLAY_PICK_BOOT)
		return pick_boot(n, c);
	if (BUGGIFY(book_dry))
		return false;
	if (kind == OVERLAY_PICK_PINNED || kind == OVERLAY_PICK_ANCHOR)
		return false;
	for (i = 0; i < TRIES; i++) {
		p = &n->book->places[rng_below(&n->rng, BOOK)];
		if (!p->used || p->due_us > sim_now().us ||
		    node_link_to(n, p->node) != -1 ||
		    book_is_banned(n, p->node))
			continue;
		fill_cand(c, p->node);
		return true;
	}
	return false;
}

/* --- from one life to the next --- */

/* A node with a disk has its address book on it. */
void
book_reopen(struct book *bk)
{
	struct book old = *bk;
	unsigned i;

	memset(bk, 0, sizeof(*bk));
	for (i = 0; i < BOOK; i++) {
		bk->places[i].node = old.places[i].node;
		bk->places[i].used = old.places[i].used;
	}
}
