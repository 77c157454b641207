/* SPDX-License-Identifier: ISC */
/*
 * db verify: do several nodes hold the same records?  Each is asked for its
 * signed word on the root of one settled tick.  Where two differ, they are
 * asked for proofs of the same prefix, of ever more bits, so that what is
 * named in the end is proven by both: the kind, and the smallest range of
 * keys that differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/verify_work.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"

#define DIFFS_MAX 16  /* kinds described for one node */
#define KEY_BITS  128 /* a range is not cut smaller: one subject */
#define ROUNDS    3   /* a tick may go by while we look */

struct diff {
	const struct voter *v;
	uint8_t kind;
	struct tree_sum here, there; /* the whole kind */
	struct prefix at;            /* the smallest range */
	struct tree_sum here_in, there_in;
	uint8_t keys[2 * TREE_BUCKET][32];
	size_t n_keys;
};

static struct diff diffs[VOTERS_MAX * DIFFS_MAX];
static size_t n_diffs;
static struct charter charter;
static uint64_t tick;
static bool compared; /* all who answered, for this tick */

static bool
same(const struct tree_sum *a, const struct tree_sum *b)
{
	return a->cnt == b->cnt && a->sum == b->sum &&
	    memcmp(a->h, b->h, 32) == 0;
}

/* --- the descent --- */

static struct voter *ours, *theirs;
static struct view here, there;

/* Both views of a prefix. */
static enum ask
look(const struct prefix *at)
{
	enum ask how = ours->state = ask_view(ours, at, tick, &here);

	return how == ASK_OK ? ask_view(theirs, at, tick, &there) : how;
}

static struct prefix
child(const uint8_t key[32], unsigned bit, unsigned side)
{
	struct prefix p = { .bits = bit + 1 };

	tree_mask(p.at, key, bit);
	if (side != 0)
		p.at[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	return p;
}

/*
 * The bit at which to part what is under a prefix: where the first of the two
 * trees branches, or where their keys part from each other.  Only a node of
 * more than a bucket is a branch.
 */
static unsigned
parting(const struct prefix *at, uint8_t key[32])
{
	const struct view *v[2] = { &here, &there };
	unsigned bit = TREE_KEY_BITS, d;
	bool have[2];
	int i;

	memcpy(key, at->at, 32);
	for (i = 0; i < 2; i++) {
		have[i] = v[i]->a.set.cnt > TREE_BUCKET &&
		    v[i]->proof.end == PROOF_BRANCH;
		if (have[i] && v[i]->proof.bit < bit) {
			bit = v[i]->proof.bit;
			memcpy(key, v[i]->proof.prefix, 32);
		}
	}
	if (have[0] && have[1]) {
		d = tree_diff_bit(here.proof.prefix, there.proof.prefix);
		if (d < bit)
			bit = d;
	}
	return bit;
}

/* The entry of this key that a view shows; NULL when it shows none. */
static const struct tree_entry *
entry_of(const struct view *v, const uint8_t key[32])
{
	size_t i;

	for (i = 0; v->proof.end == PROOF_LEAF && i < v->proof.n_entries; i++)
		if (memcmp(v->proof.entries[i].key, key, 32) == 0)
			return &v->proof.entries[i];
	return NULL;
}

/* Keys of a that b has not, or with another record unless only is set. */
static void
name_keys(struct diff *d, const struct view *a, const struct view *b, bool only)
{
	const struct tree_entry *e, *o;
	size_t i;

	for (i = 0; a->proof.end == PROOF_LEAF && i < a->proof.n_entries; i++) {
		e = &a->proof.entries[i];
		o = entry_of(b, e->key);
		if (tree_has_prefix(e->key, d->at.at, d->at.bits) &&
		    (o == NULL ||
			(!only &&
			    (o->w != e->w || memcmp(o->rid, e->rid, 32) != 0))))
			memcpy(d->keys[d->n_keys++], e->key, 32);
	}
}

/* d->at differs, and both views of it are there: make it smaller. */
static enum ask
narrow(struct diff *d)
{
	uint8_t key[32];
	struct prefix next;
	enum ask how;
	unsigned bit, side;

	while (here.a.set.cnt > 0 && there.a.set.cnt > 0 &&
	    (here.a.set.cnt > TREE_BUCKET || there.a.set.cnt > TREE_BUCKET) &&
	    d->at.bits < KEY_BITS) {
		bit = parting(&d->at, key);
		if (bit >= KEY_BITS)
			break;
		for (side = 0; side < 2; side++) {
			next = child(key, bit, side);
			if ((how = look(&next)) != ASK_OK)
				return how;
			if (!same(&here.a.set, &there.a.set))
				break;
		}
		if (side == 2) /* two proven nodes differ, and no child does */
			return voter_say(theirs, ASK_LIES,
			    "its proofs contradict "
			    "each other");
		d->at = next;
	}
	d->here_in = here.a.set;
	d->there_in = there.a.set;
	/* Entries are shown of sets that lie within one bucket. */
	if (here.a.set.cnt <= TREE_BUCKET && there.a.set.cnt <= TREE_BUCKET) {
		name_keys(d, &here, &there, false);
		name_keys(d, &there, &here, true);
	}
	return ASK_OK;
}

/* All kinds that differ, beneath the first bits of a key. */
static enum ask
walk_kinds(struct prefix at)
{
	struct prefix next;
	struct diff *d;
	enum ask how = look(&at);
	unsigned side, bit = at.bits;

	if (how != ASK_OK || same(&here.a.set, &there.a.set))
		return how;
	if (at.bits == 8) {
		if (n_diffs == sizeof(diffs) / sizeof(diffs[0]))
			return ASK_OK;
		d = &diffs[n_diffs++];
		memset(d, 0, sizeof(*d));
		d->v = theirs;
		d->kind = at.at[0];
		d->here = here.a.set;
		d->there = there.a.set;
		d->at = at;
		return narrow(d);
	}
	for (side = 0; side < 2; side++) {
		next = child(at.at, bit, side);
		if ((how = walk_kinds(next)) != ASK_OK)
			return how;
	}
	return ASK_OK;
}

/* --- the vote --- */

/* One tick that all who answer have, with their claims of it. */
static enum ask
vote(void)
{
	size_t i, n = 0;

	tick = UINT64_MAX;
	for (i = 0; i < n_voters; i++) {
		memset(&voters[i].claim, 0, sizeof(voters[i].claim));
		voters[i].equal = voters[i].own;
		voters[i].state = ask_claim(&voters[i], &charter, 0);
		voters[i].newest = voters[i].claim.tick;
		if (voters[i].state == ASK_OK && voters[i].newest < tick)
			tick = voters[i].newest;
		n += voters[i].state == ASK_OK;
	}
	if (voters[0].state != ASK_OK || n < 2)
		return ASK_AWAY;
	for (i = 0; i < n_voters; i++)
		if (voters[i].state == ASK_OK && voters[i].newest != tick)
			voters[i].state = ask_claim(&voters[i], &charter, tick);
	return voters[0].state;
}

/* Compare all with ours, and look closer where one differs. */
static enum ask
compare(void)
{
	static const struct prefix all;
	enum ask how = ASK_OK;
	struct voter *v;
	size_t i;

	ours = &voters[0];
	compared = true;
	n_diffs = 0;
	for (i = 1; i < n_voters; i++) {
		v = theirs = &voters[i];
		if (v->state != ASK_OK)
			continue;
		v->equal = memcmp(v->claim.root, ours->claim.root, 32) == 0;
		if (v->equal)
			continue;
		how = walk_kinds(all);
		if (how == ASK_TICK || ours->state != ASK_OK)
			return how;
		v->state = how;
	}
	return ASK_OK;
}

/* --- drawing --- */

static void
print_voter(const struct voter *v)
{
	static const char *const words[] = { "", "NO ANSWER", "OTHER TICKS",
		"NOT PROVEN" };
	char hex[NODE_ID_HEX];

	if (v->state != ASK_OK &&
	    !(v->state == ASK_TICK && !v->equal && v->claim.tick == tick)) {
		(void)printf("%-24s %s: %s\n", v->name, words[v->state],
		    v->why);
		return;
	}
	(void)printf("%-24s %.16s %10llu %14lld  %s\n", v->name,
	    node_id_hex(v->claim.root, hex), (unsigned long long)v->claim.cnt,
	    (long long)v->claim.sum, v->equal ? "equal" : "DIFFERS");
}

static void
print_diff(const struct diff *d)
{
	char hex[NODE_ID_HEX];
	size_t i;

	(void)printf("\n%s, kind %u %s: %llu records, sum %lld; here %llu, "
		     "sum %lld\n",
	    d->v->name, d->kind, kind_name(d->kind),
	    (unsigned long long)d->there.cnt, (long long)d->there.sum,
	    (unsigned long long)d->here.cnt, (long long)d->here.sum);
	node_id_hex(d->at.at, hex);
	hex[(d->at.bits + 3) / 4] = '\0';
	(void)printf("  first in keys %s.. (%u bits): %llu records, sum "
		     "%lld; here %llu, sum %lld\n",
	    hex, d->at.bits, (unsigned long long)d->there_in.cnt,
	    (long long)d->there_in.sum, (unsigned long long)d->here_in.cnt,
	    (long long)d->here_in.sum);
	for (i = 0; i < d->n_keys; i++)
		(void)printf("  %s\n", node_id_hex(d->keys[i], hex));
}

static void
print_all(void)
{
	size_t i;

	(void)printf("tick %llu\n%-24s %-16s %10s %14s\n",
	    (unsigned long long)tick, "NODE", "ROOT", "COUNT", "SUM");
	for (i = 0; i < n_voters; i++)
		print_voter(&voters[i]);
	for (i = 0; i < n_diffs; i++)
		print_diff(&diffs[i]);
}

static json_t *
sum_json(const struct tree_sum *s)
{
	return json_pack("{s:o,s:I}", "count", jv_number(s->cnt), "sum",
	    (json_int_t)s->sum);
}

static json_t *
diff_json(const struct diff *d)
{
	struct jo o = jo_new(), keys = jo_list();
	size_t i;

	jo_put(&o, "node", json_string(d->v->name));
	jo_put(&o, "nodeId", jv_hex(d->v->claim.node, 32));
	jo_put(&o, "kind", jv_number(d->kind));
	jo_put(&o, "name", json_string(kind_name(d->kind)));
	jo_put(&o, "here", sum_json(&d->here));
	jo_put(&o, "there", sum_json(&d->there));
	jo_put(&o, "prefix", jv_hex(d->at.at, (d->at.bits + 7) / 8));
	jo_put(&o, "bits", jv_number(d->at.bits));
	jo_put(&o, "hereIn", sum_json(&d->here_in));
	jo_put(&o, "thereIn", sum_json(&d->there_in));
	for (i = 0; i < d->n_keys; i++)
		jo_add(&keys, jv_hex(d->keys[i], 32));
	jo_put(&o, "keys", jo_end(&keys));
	return jo_end(&o);
}

static json_t *
all_json(void)
{
	static const char *const states[] = { "answered", "away", "other-ticks",
		"not-proven" };
	struct jo o = jo_new(), list = jo_list(), ds = jo_list(), v;
	const struct voter *p;
	size_t i;

	for (i = 0; i < n_voters; i++) {
		p = &voters[i];
		v = jo_new();
		jo_put(&v, "node", json_string(p->name));
		jo_put(&v, "state", json_string(states[p->state]));
		jo_put(&v, "why",
		    p->state == ASK_OK ? json_null() : json_string(p->why));
		jo_put(&v, "equal",
		    p->claim.tick != tick ? json_null()
					  : json_boolean(p->equal));
		if (p->claim.tick != 0) {
			jo_put(&v, "nodeId", jv_hex(p->claim.node, 32));
			jo_put(&v, "root", jv_hex(p->claim.root, 32));
			jo_put(&v, "count", jv_number(p->claim.cnt));
			jo_put(&v, "sum", json_integer(p->claim.sum));
		}
		jo_add(&list, jo_end(&v));
	}
	for (i = 0; i < n_diffs; i++)
		jo_add(&ds, diff_json(&diffs[i]));
	jo_put(&o, "tick", tick == UINT64_MAX ? json_null() : jv_number(tick));
	jo_put(&o, "nodes", jo_end(&list));
	jo_put(&o, "differences", jo_end(&ds));
	return jo_end(&o);
}

/* 1 when one differs or lies; else 69 or 75 when one could not be asked. */
static int
code_of(void)
{
	int code = 0;
	size_t i;

	for (i = 0; i < n_voters; i++) {
		if (voters[i].state == ASK_LIES ||
		    (compared && voters[i].claim.tick == tick &&
			!voters[i].equal))
			return EXIT_NO;
		if (voters[i].state == ASK_AWAY)
			code = EX_UNAVAILABLE;
		else if (voters[i].state == ASK_TICK && code == 0)
			code = EX_TEMPFAIL;
	}
	return code;
}

int
act_db_verify(int argc, char **argv)
{
	enum ask how = ASK_TICK;
	int i;

	charter_get(&charter, NULL);
	voters_choose(argc, argv);
	for (i = 0; i < ROUNDS && how == ASK_TICK; i++)
		if ((how = vote()) == ASK_OK)
			how = compare();
	client_reset();
	if (cx.json)
		cx.data = all_json();
	else if (!cx.quiet)
		print_all();
	return code_of();
}
