/* SPDX-License-Identifier: ISC */
/*
 * Peers and their roots.
 */
#include "peerd/store/links.h"

#include <string.h>

#include "peerd/wire.h"

static struct link_peer {
	uint32_t link; /* 0: free */
	uint8_t id[32];
	bool outbound;
	bool has_root;
	uint64_t tick; /* of the last root it told */
	uint8_t root[32];
} peers[LINKS_MAX];

static struct link_peer *
find(uint32_t link)
{
	size_t i;

	for (i = 0; i < LINKS_MAX; i++)
		if (peers[i].link == link)
			return &peers[i];
	return NULL;
}

void
links_peer(const struct msg_ps_peer *p)
{
	struct link_peer *l = p->link == 0 ? NULL : find(p->link);

	if (!p->up) {
		if (l != NULL)
			memset(l, 0, sizeof(*l));
		return;
	}
	if (l == NULL && (l = find(0)) == NULL)
		return;
	memset(l, 0, sizeof(*l));
	l->link = p->link;
	memcpy(l->id, p->id, 32);
	l->outbound = p->outbound;
}

static void
on_root(struct link_peer *p, const struct wire_root *root)
{
	p->has_root = true;
	p->tick = root->tick;
	memcpy(p->root, root->root, 32);
}

void
links_message(uint32_t link, const void *msg, size_t len)
{
	struct link_peer *p = link == 0 ? NULL : find(link);
	enum lane lane = wire_peek(msg, len) >= WIRE_GETMAN ? LANE_BULK
							    : LANE_SYNC;
	struct wire_msg m;

	if (p == NULL || wire_decode(&m, lane, msg, len) != WIRE_OK)
		return;
	if (m.type == WIRE_ROOT)
		on_root(p, &m.root);
}

void
links_drained(void)
{
}

void
links_reset(void)
{
	memset(peers, 0, sizeof(peers));
}

void
links_tick(void)
{
}

void
links_state(struct msg_db_state *s)
{
	const struct recstore_root *r;
	size_t i;

	s->neighbours = s->neighbours_equal = 0;
	for (i = 0; i < LINKS_MAX; i++) {
		if (peers[i].link == 0 || !peers[i].has_root)
			continue;
		s->neighbours++;
		r = recstore_root(store.rs, peers[i].tick);
		s->neighbours_equal += r != NULL &&
		    memcmp(r->root, peers[i].root, 32) == 0;
	}
}
