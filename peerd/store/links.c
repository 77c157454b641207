/* SPDX-License-Identifier: ISC */
/*
 * Peers and their roots.
 */
#include "peerd/store/links.h"

#include <string.h>

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

void
links_message(uint32_t link, const void *msg, size_t len)
{
	(void)link;
	(void)msg;
	(void)len;
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
