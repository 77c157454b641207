/* SPDX-License-Identifier: ISC */
/*
 * Checking proofs, as promised in verify.h.
 */
#include "common/verify.h"

#include <string.h>

#include "common/assert.h"

/*
 * Below every step all keys begin as the question does, up to and including
 * the bit of that step.  How many bits that are at the terminal.
 */
static unsigned
bits_walked(const struct proof *p)
{
	return p->n_steps == 0 ? 0 : p->steps[p->n_steps - 1].bit + 1u;
}

/* What the walk ends in says of the prefix; *node is its own hash. */
static enum verify_err
end_leaf(struct verify_answer *out, struct tree_sum *node,
    const struct proof *p, const uint8_t prefix[32], unsigned bits)
{
	struct tree_entry in[TREE_BUCKET];
	size_t i, n = 0;

	if (p->n_entries == 0 && p->n_steps > 0)
		return VERIFY_PATH; /* only the empty tree has an empty leaf */
	for (i = 0; i < p->n_entries; i++) {
		if (!tree_has_prefix(p->entries[i].key, prefix, bits_walked(p)))
			return VERIFY_PATH;
		if (tree_has_prefix(p->entries[i].key, prefix, bits))
			in[n++] = p->entries[i];
	}
	tree_leaf(node, p->entries, p->n_entries);
	tree_leaf(&out->set, in, n);
	if (bits == TREE_KEY_BITS && n == 1) {
		out->found = true;
		out->at = in[0];
	}
	return VERIFY_OK;
}

static enum verify_err
end_branch(struct verify_answer *out, struct tree_sum *node,
    const struct proof *p, const uint8_t prefix[32], unsigned bits)
{
	unsigned differ = tree_diff_bit(p->prefix, prefix);

	if (differ < bits_walked(p))
		return VERIFY_PATH;
	if (!tree_branch(node, p->bit, p->prefix, &p->left, &p->right))
		return VERIFY_SUM;
	if (differ < bits && differ < p->bit)
		tree_leaf(&out->set, NULL, 0); /* contradicted: nothing here */
	else if (p->bit >= bits)
		out->set = *node; /* all of it, and nothing besides */
	else
		return VERIFY_PATH; /* the answer lies further down */
	return VERIFY_OK;
}

/* From the terminal up to the root; the prefix says which side we came from. */
static enum verify_err
fold(struct tree_sum *node, const struct proof *p, const uint8_t prefix[32],
    unsigned bits)
{
	const struct proof_step *s;
	size_t i;
	bool ok;

	for (i = p->n_steps; i-- > 0;) {
		s = &p->steps[i];
		if (s->bit >= bits)
			return VERIFY_PATH;
		if (tree_bit(prefix, s->bit) == 0)
			ok = tree_branch(node, s->bit, prefix, node,
			    &s->sibling);
		else
			ok = tree_branch(node, s->bit, prefix, &s->sibling,
			    node);
		if (!ok)
			return VERIFY_SUM;
	}
	return VERIFY_OK;
}

static enum verify_err
check(struct verify_answer *out, const struct proof *p,
    const struct claim *root, const uint8_t prefix[32], unsigned bits)
{
	struct tree_sum node;
	enum verify_err err;
	uint8_t r[32];

	if (p->tick != root->tick)
		return VERIFY_TICK;
	if (p->end == PROOF_LEAF)
		err = end_leaf(out, &node, p, prefix, bits);
	else
		err = end_branch(out, &node, p, prefix, bits);
	if (err == VERIFY_OK)
		err = fold(&node, p, prefix, bits);
	if (err != VERIFY_OK)
		return err;
	tree_root(r, root->netid, root->tick, &node);
	if (memcmp(r, root->root, 32) != 0 || node.cnt != root->cnt ||
	    node.sum != root->sum)
		return VERIFY_ROOT;
	return VERIFY_OK;
}

enum verify_err
verify_proof(struct verify_answer *out, const struct proof *p,
    const struct claim *root, const uint8_t prefix[32], unsigned bits)
{
	enum verify_err err;

	ASSERT(bits <= TREE_KEY_BITS);
	memset(out, 0, sizeof(*out));
	err = check(out, p, root, prefix, bits);
	if (err != VERIFY_OK)
		memset(out, 0, sizeof(*out)); /* nothing half proven */
	return err;
}

enum verify_err
verify_bytes(struct verify_answer *out, const void *buf, size_t len,
    const struct claim *root, const uint8_t prefix[32], unsigned bits)
{
	struct proof p;

	if (proof_decode(&p, buf, len) != 0) {
		memset(out, 0, sizeof(*out));
		return VERIFY_MALFORMED;
	}
	return verify_proof(out, &p, root, prefix, bits);
}

enum verify_err
verify_inclusion(const void *buf, size_t len, const struct claim *root,
    const uint8_t key[32], const uint8_t rid[32], int32_t *w)
{
	struct verify_answer a;
	enum verify_err err;

	err = verify_bytes(&a, buf, len, root, key, TREE_KEY_BITS);
	if (err != VERIFY_OK)
		return err;
	if (!a.found || memcmp(a.at.rid, rid, 32) != 0)
		return VERIFY_DIFFERS;
	if (w != NULL)
		*w = a.at.w;
	return VERIFY_OK;
}

enum verify_err
verify_absence(const void *buf, size_t len, const struct claim *root,
    const uint8_t key[32])
{
	struct verify_answer a;
	enum verify_err err;

	err = verify_bytes(&a, buf, len, root, key, TREE_KEY_BITS);
	if (err != VERIFY_OK)
		return err;
	return a.found ? VERIFY_DIFFERS : VERIFY_OK;
}

enum verify_err
verify_sum(const void *buf, size_t len, const struct claim *root,
    const uint8_t prefix[32], unsigned bits, uint64_t *cnt, int64_t *sum)
{
	struct verify_answer a;
	enum verify_err err;

	err = verify_bytes(&a, buf, len, root, prefix, bits);
	if (err != VERIFY_OK)
		return err;
	*cnt = a.set.cnt;
	*sum = a.set.sum;
	return VERIFY_OK;
}

enum verify_err
verify_list(const void *buf, size_t len, const struct claim *root,
    const uint8_t prefix[32], unsigned bits, const struct tree_entry *e,
    size_t n)
{
	struct verify_answer a;
	struct tree_sum said;
	enum verify_err err;

	err = verify_bytes(&a, buf, len, root, prefix, bits);
	if (err != VERIFY_OK)
		return err;
	if (!tree_of_sorted(&said, e, n) || said.cnt != a.set.cnt ||
	    said.sum != a.set.sum || memcmp(said.h, a.set.h, 32) != 0)
		return VERIFY_DIFFERS;
	return VERIFY_OK;
}

const char *
verify_err_name(enum verify_err err)
{
	static const char *const names[] = {
		[VERIFY_OK] = "ok",
		[VERIFY_MALFORMED] = "malformed",
		[VERIFY_TICK] = "of another tick",
		[VERIFY_PATH] = "leads elsewhere",
		[VERIFY_SUM] = "sums overflow",
		[VERIFY_ROOT] = "of another root",
		[VERIFY_DIFFERS] = "differs from what was said",
	};

	return names[err];
}
