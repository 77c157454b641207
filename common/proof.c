/* SPDX-License-Identifier: ISC */
/*
 * Proofs to bytes and back, as promised in proof.h.
 */
#include "common/proof.h"

#include <string.h>

#include "common/mp.h"

static void
put_sum(struct wr *w, const struct tree_sum *s)
{
	mp_wr_bin(w, s->h, 32);
	mp_wr_uint(w, s->cnt);
	mp_wr_int(w, s->sum);
}

void
proof_encode(struct wr *w, const struct proof *p)
{
	size_t i;

	mp_wr_array(w, 3);
	mp_wr_uint(w, p->tick);
	mp_wr_array(w, p->n_steps * 4u);
	for (i = 0; i < p->n_steps; i++) {
		mp_wr_uint(w, p->steps[i].bit);
		put_sum(w, &p->steps[i].sibling);
	}
	if (p->end == PROOF_LEAF) {
		mp_wr_array(w, 2);
		mp_wr_uint(w, PROOF_LEAF);
		mp_wr_array(w, p->n_entries * 3u);
		for (i = 0; i < p->n_entries; i++) {
			mp_wr_bin(w, p->entries[i].key, 32);
			mp_wr_bin(w, p->entries[i].rid, 32);
			mp_wr_int(w, p->entries[i].w);
		}
		return;
	}
	mp_wr_array(w, 9);
	mp_wr_uint(w, PROOF_BRANCH);
	mp_wr_uint(w, p->bit);
	mp_wr_bin(w, p->prefix, (p->bit + 7u) / 8);
	put_sum(w, &p->left);
	put_sum(w, &p->right);
}

static void
get_sum(struct rd *r, struct tree_sum *s)
{
	mp_rd_bin_exact(r, s->h, 32);
	s->cnt = mp_rd_uint(r, UINT64_MAX);
	s->sum = mp_rd_int(r, INT64_MIN, INT64_MAX);
	if (s->cnt == 0)
		r->bad = true; /* no node of a tree is empty */
}

/* The bit of the next branch on the way down: above the last one. */
static uint16_t
get_bit(struct rd *r, const struct proof *p)
{
	uint16_t bit = (uint16_t)mp_rd_uint(r, TREE_KEY_BITS - 1);

	if (p->n_steps > 0 && bit <= p->steps[p->n_steps - 1].bit)
		r->bad = true;
	return bit;
}

static void
get_steps(struct rd *r, struct proof *p)
{
	uint32_t n = mp_rd_array(r, PROOF_STEPS_MAX * 4);
	struct proof_step *s;

	if (n % 4 != 0)
		r->bad = true;
	while (!r->bad && p->n_steps < n / 4) {
		s = &p->steps[p->n_steps];
		s->bit = get_bit(r, p);
		get_sum(r, &s->sibling);
		p->n_steps++;
	}
}

static void
get_leaf(struct rd *r, struct proof *p)
{
	uint32_t n = mp_rd_array(r, TREE_BUCKET * 3);
	struct tree_entry *e;

	if (n % 3 != 0)
		r->bad = true;
	while (!r->bad && p->n_entries < n / 3) {
		e = &p->entries[p->n_entries];
		mp_rd_bin_exact(r, e->key, 32);
		mp_rd_bin_exact(r, e->rid, 32);
		e->w = (int32_t)mp_rd_int(r, INT32_MIN, INT32_MAX);
		if (p->n_entries > 0 && memcmp(e[-1].key, e->key, 32) >= 0)
			r->bad = true;
		p->n_entries++;
	}
}

static void
get_branch(struct rd *r, struct proof *p)
{
	uint8_t masked[32];
	const uint8_t *at;
	size_t len;

	p->bit = get_bit(r, p);
	len = (p->bit + 7u) / 8;
	at = mp_rd_bin(r, len, len, &len);
	if (at != NULL && len > 0)
		memcpy(p->prefix, at, len);
	tree_mask(masked, p->prefix, p->bit);
	if (memcmp(masked, p->prefix, 32) != 0)
		r->bad = true;
	get_sum(r, &p->left);
	get_sum(r, &p->right);
}

int
proof_decode(struct proof *p, const void *buf, size_t len)
{
	struct rd r;
	uint32_t n;

	memset(p, 0, sizeof(*p));
	if (len > PROOF_MAX)
		return -1;
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 3);
	p->tick = mp_rd_uint(&r, UINT64_MAX);
	get_steps(&r, p);
	n = mp_rd_array(&r, 9);
	p->end = (uint8_t)mp_rd_uint(&r, PROOF_BRANCH);
	if (n == 2 && p->end == PROOF_LEAF)
		get_leaf(&r, p);
	else if (n == 9 && p->end == PROOF_BRANCH)
		get_branch(&r, p);
	else
		r.bad = true;
	return rd_done(&r) ? 0 : -1;
}
