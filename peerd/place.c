/* SPDX-License-Identifier: ISC */
/*
 * Rendezvous hashing, as laid down in place.h.
 */
#include "peerd/place.h"

#include <string.h>

#include "common/assert.h"
#include "common/b2.h"
#include "common/bytes.h"

/* What speaks against a node, least first. */
enum clash { CLASH_NONE, CLASH_REGION, CLASH_GROUP, CLASH_PICKED };

uint64_t
place_group(const struct naddr *a)
{
	/* The family keeps 10.1 apart from a01::. */
	switch (a->fam) {
	case NADDR_V4:
		return (uint64_t)NADDR_V4 << 32 | get_u16(a->ip);
	case NADDR_V6:
		return (uint64_t)NADDR_V6 << 32 | get_u32(a->ip);
	default:
		return 0;
	}
}

void
place_node_set(struct place_node *pn, const uint8_t id[32],
    const struct noderec *nr)
{
	size_t i;

	memset(pn, 0, sizeof(*pn));
	memcpy(pn->id, id, 32);
	memcpy(pn->region, nr->region, sizeof(pn->region));
	/* The first that can be dialled: the one that was checked most. */
	for (i = 0; i < nr->n_addrs && pn->group == 0; i++)
		if (nr->addrs[i].proto == NODE_LINK)
			pn->group = place_group(&nr->addrs[i].addr);
}

uint64_t
place_score(const uint8_t block[32], const uint8_t node[32])
{
	uint8_t in[64], hash[B2_LEN];

	memcpy(in, block, 32);
	memcpy(in + 32, node, 32);
	b2_256(hash, "WarrenPlace1", in, sizeof(in));
	return get_u64(hash);
}

static enum clash
clash_of(const struct place_node *nodes, uint32_t i, const uint32_t *picked,
    unsigned n_picked)
{
	const struct place_node *a = &nodes[i], *b;
	enum clash worst = CLASH_NONE;
	unsigned k;

	for (k = 0; k < n_picked; k++) {
		b = &nodes[picked[k]];
		if (picked[k] == i)
			return CLASH_PICKED;
		if (a->group == b->group)
			worst = CLASH_GROUP;
		else if (worst == CLASH_NONE && a->region[0] != '\0' &&
		    strcmp(a->region, b->region) == 0)
			worst = CLASH_REGION;
	}
	return worst;
}

static bool
is_better(const struct place_node *nodes, const uint64_t *scores, uint32_t a,
    uint32_t b)
{
	if (scores[a] != scores[b])
		return scores[a] > scores[b];
	return memcmp(nodes[a].id, nodes[b].id, 32) > 0;
}

unsigned
place_pick(const struct place_node *nodes, size_t n, const uint8_t block[32],
    unsigned r, uint64_t *scores, uint32_t *out)
{
	enum clash clash, least;
	uint32_t i, best = 0;
	unsigned picked;

	ASSERT(r <= PLACE_PICK_MAX && n < UINT32_MAX);
	for (i = 0; i < n; i++)
		scores[i] = place_score(block, nodes[i].id);
	for (picked = 0; picked < r && picked < n; picked++) {
		least = CLASH_PICKED;
		for (i = 0; i < n; i++) {
			clash = clash_of(nodes, i, out, picked);
			if (clash == CLASH_PICKED || clash > least ||
			    (clash == least &&
				!is_better(nodes, scores, i, best)))
				continue;
			least = clash;
			best = i;
		}
		out[picked] = best;
	}
	return picked;
}
