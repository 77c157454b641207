/* SPDX-License-Identifier: ISC */
/*
 * Checking proofs: those of tests/vectors/tree.txt prove what they say,
 * and with any one bit changed they prove nothing.
 */
#include "common/verify.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/guard.h"
#include "tests/unit/tree_model.h"
#include "tests/unit/vec.h"

#define FILE_VEC "tests/vectors/tree.txt"

static const unsigned sets[] = { 0, 1, 8, 9, 100, 3000 };
static const char *const asks[] = { "there", "absent", "far", "kind", "nokind",
	"subject", "odd", "all" };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One proof of the vectors with its question and its answer. */
struct sample {
	char name[64];
	struct claim claim;
	uint8_t key[32];
	unsigned bits;
	uint8_t buf[PROOF_MAX];
	size_t len;
	struct tree_sum set;
};

static size_t
vec(const char *name, const char *field, uint8_t *out, size_t cap)
{
	char full[80];
	int n;

	(void)snprintf(full, sizeof(full), "%s.%s", name, field);
	n = vec_get(FILE_VEC, full, out, cap);
	if (n < 0)
		fail_msg("no vector %s", full);
	return (size_t)n;
}

static void
vec_sum(struct tree_sum *s, const char *name, const char *field)
{
	uint8_t buf[48];

	assert_int_equal(vec(name, field, buf, sizeof(buf)), 48);
	memcpy(s->h, buf, 32);
	s->cnt = get_u64(buf + 32);
	s->sum = (int64_t)get_u64(buf + 40);
}

static void
load(struct sample *s, unsigned n, const char *ask)
{
	struct tree_sum top;
	uint8_t bits[2];
	char set[16];

	memset(s, 0, sizeof(*s));
	(void)snprintf(set, sizeof(set), "set%u", n);
	(void)snprintf(s->name, sizeof(s->name), "%s.%s", set, ask);
	vec_sum(&top, set, "top");
	s->claim.tick = 1000 + n;
	s->claim.cnt = top.cnt;
	s->claim.sum = top.sum;
	(void)vec(set, "root", s->claim.root, 32);
	assert_int_equal(vec_get(FILE_VEC, "netid", s->claim.netid, 32), 32);
	(void)vec(s->name, "ask", s->key, 32);
	(void)vec(s->name, "bits", bits, 2);
	s->bits = get_u16(bits);
	s->len = vec(s->name, "proof", s->buf, sizeof(s->buf));
	vec_sum(&s->set, s->name, "set");
}

static enum verify_err
check(const struct sample *s, struct verify_answer *a)
{
	return verify_bytes(a, s->buf, s->len, &s->claim, s->key, s->bits);
}

static void
each_sample(void (*fn)(struct sample *))
{
	static struct sample s;
	size_t i, j;

	for (i = 0; i < COUNT(sets); i++) {
		for (j = 0; j < COUNT(asks); j++) {
			load(&s, sets[i], asks[j]);
			fn(&s);
		}
	}
}

static void
proves(struct sample *s)
{
	static uint8_t again[PROOF_MAX];
	static struct proof p;
	struct verify_answer a;
	struct wr w;

	assert_int_equal(check(s, &a), VERIFY_OK);
	assert_true(sum_equal(&a.set, &s->set));
	assert_int_equal(a.found, s->bits == 256 && s->set.cnt == 1);
	if (a.found)
		assert_memory_equal(a.at.key, s->key, 32);
	assert_int_equal(proof_decode(&p, s->buf, s->len), 0);
	wr_init(&w, again, sizeof(again));
	proof_encode(&w, &p);
	assert_int_equal(w.len, s->len);
	assert_memory_equal(again, s->buf, s->len);
}

static void
test_vectors(void **state)
{
	(void)state;
	each_sample(proves);
}

static void
breaks(struct sample *s)
{
	struct verify_answer a, zero = { 0 };
	size_t i;

	for (i = 0; i < s->len * 8; i++) {
		s->buf[i / 8] ^= (uint8_t)(1 << i % 8);
		if (check(s, &a) == VERIFY_OK)
			fail_msg("%s: bit %zu does not matter", s->name, i);
		assert_memory_equal(&a.set, &zero.set, sizeof(a.set));
		assert_false(a.found);
		s->buf[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < 256; i++) {
		s->claim.root[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(check(s, &a), VERIFY_ROOT);
		s->claim.root[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	s->claim.netid[31] ^= 1;
	assert_int_equal(check(s, &a), VERIFY_ROOT);
	s->claim.netid[31] ^= 1;
	s->claim.tick++;
	assert_int_equal(check(s, &a), VERIFY_TICK);
	s->claim.tick--;
	s->claim.cnt++;
	assert_int_equal(check(s, &a), VERIFY_ROOT);
	s->claim.cnt--;
	s->claim.sum--;
	assert_int_equal(check(s, &a), VERIFY_ROOT);
}

static void
test_every_bit_matters(void **state)
{
	(void)state;
	each_sample(breaks);
}

static void
cuts(struct sample *s)
{
	static struct proof p;
	struct flush fl;
	size_t i;

	for (i = 0; i < s->len; i++) {
		flush_copy(&fl, s->buf, i);
		assert_int_equal(proof_decode(&p, fl.at, i), -1);
		flush_free(&fl);
	}
	s->buf[s->len] = 0;
	assert_int_equal(proof_decode(&p, s->buf, s->len + 1), -1);
}

static void
test_cut_and_longer(void **state)
{
	(void)state;
	each_sample(cuts);
}

/*
 * The sum over more than was asked for, from higher up the same path, must
 * not pass; nor one from further down.
 */
static void
test_other_node_of_the_path(void **state)
{
	static struct sample s;
	struct verify_answer a;
	unsigned bits;

	(void)state;
	load(&s, 3000, "all");
	assert_int_equal(check(&s, &a), VERIFY_OK);
	assert_int_equal(a.set.cnt, 3000);
	/* The root node covers no kind by itself. */
	memset(s.key, 0, 32);
	s.key[0] = 20;
	s.bits = 8;
	assert_int_equal(check(&s, &a), VERIFY_PATH);

	load(&s, 3000, "kind");
	for (bits = 0; bits <= 256; bits++) {
		s.bits = bits;
		if (check(&s, &a) == VERIFY_OK)
			assert_true(sum_equal(&a.set, &s.set));
		else
			assert_true(bits < 8 || bits > 8);
	}
	/* A proof of one key is none of its neighbour in another leaf. */
	load(&s, 3000, "there");
	s.key[0] ^= 0x10;
	assert_int_equal(check(&s, &a), VERIFY_PATH);
}

static void
test_inclusion_and_absence(void **state)
{
	static struct sample s;
	struct verify_answer a;
	uint8_t rid[32];
	int32_t w;

	(void)state;
	load(&s, 100, "there");
	assert_int_equal(check(&s, &a), VERIFY_OK);
	assert_true(a.found);
	assert_int_equal(
	    verify_inclusion(s.buf, s.len, &s.claim, s.key, a.at.rid, &w),
	    VERIFY_OK);
	assert_int_equal(w, a.at.w);
	memcpy(rid, a.at.rid, 32);
	rid[0] ^= 1;
	assert_int_equal(
	    verify_inclusion(s.buf, s.len, &s.claim, s.key, rid, NULL),
	    VERIFY_DIFFERS);
	assert_int_equal(verify_absence(s.buf, s.len, &s.claim, s.key),
	    VERIFY_DIFFERS);

	load(&s, 100, "absent");
	assert_int_equal(verify_absence(s.buf, s.len, &s.claim, s.key),
	    VERIFY_OK);
	assert_int_equal(
	    verify_inclusion(s.buf, s.len, &s.claim, s.key, rid, NULL),
	    VERIFY_DIFFERS);
	load(&s, 3000, "far");
	assert_int_equal(verify_absence(s.buf, s.len, &s.claim, s.key),
	    VERIFY_OK);
	assert_int_equal(verify_absence(s.buf, 3, &s.claim, s.key),
	    VERIFY_MALFORMED);
	assert_string_equal(verify_err_name(VERIFY_ROOT), "of another root");
}

/* A list is complete, or it is refused: one missing, added, or changed. */
static void
list_of(struct sample *s, unsigned n)
{
	static struct tree_entry e[3001];
	struct mtree_entry me;
	struct tree_entry kept;
	struct model m = { 0 };
	size_t first, k, i;
	uint64_t cnt;
	int64_t sum;

	for (i = 0; i < n; i++) {
		vec_record(&me, (uint32_t)i);
		model_put(&m, &me);
	}
	k = model_under(&m, s->key, s->bits, &first);
	for (i = 0; i < k; i++) {
		memcpy(e[i].key, m.e[first + i].key, 32);
		memcpy(e[i].rid, m.e[first + i].rid, 32);
		e[i].w = m.e[first + i].w;
	}
	assert_int_equal(
	    verify_list(s->buf, s->len, &s->claim, s->key, s->bits, e, k),
	    VERIFY_OK);
	assert_int_equal(
	    verify_sum(s->buf, s->len, &s->claim, s->key, s->bits, &cnt, &sum),
	    VERIFY_OK);
	assert_true(cnt == k && sum == s->set.sum);
	e[k] = (struct tree_entry){ .key = { 255, 255 } };
	assert_int_equal(
	    verify_list(s->buf, s->len, &s->claim, s->key, s->bits, e, k + 1),
	    VERIFY_DIFFERS);
	if (k > 0) {
		assert_int_equal(verify_list(s->buf, s->len, &s->claim, s->key,
				     s->bits, e, k - 1),
		    VERIFY_DIFFERS);
		e[k / 2].w++;
		assert_int_equal(verify_list(s->buf, s->len, &s->claim, s->key,
				     s->bits, e, k),
		    VERIFY_DIFFERS);
		e[k / 2].w--;
	}
	if (k > 1) {
		kept = e[0];
		e[0] = e[1];
		e[1] = kept;
		assert_int_equal(verify_list(s->buf, s->len, &s->claim, s->key,
				     s->bits, e, k),
		    VERIFY_DIFFERS);
	}
	model_free(&m);
}

static void
test_complete_lists(void **state)
{
	static struct sample s;
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(sets); i++) {
		for (j = 0; j < COUNT(asks); j++) {
			load(&s, sets[i], asks[j]);
			list_of(&s, sets[i]);
		}
	}
}

/* Counts and sums that run over are refused, not wrapped. */
static void
test_overflow(void **state)
{
	static struct proof p;
	struct verify_answer a;
	struct claim c = { .tick = 1 };
	uint8_t key[32] = { 0 };
	int64_t sum = INT64_MIN;
	uint64_t cnt = 1;

	(void)state;
	p.tick = 1;
	p.end = PROOF_BRANCH;
	p.bit = 4;
	p.left = (struct tree_sum){ .cnt = UINT64_MAX };
	p.right = (struct tree_sum){ .cnt = 1 };
	assert_int_equal(verify_proof(&a, &p, &c, key, 0), VERIFY_SUM);
	p.left = (struct tree_sum){ .cnt = 1, .sum = INT64_MAX };
	p.right = (struct tree_sum){ .cnt = 1, .sum = 1 };
	assert_int_equal(verify_proof(&a, &p, &c, key, 0), VERIFY_SUM);
	p.right.sum = 0;
	assert_int_equal(verify_proof(&a, &p, &c, key, 0), VERIFY_ROOT);
	p.n_steps = 1;
	p.steps[0].sibling = p.left;
	assert_int_equal(verify_proof(&a, &p, &c, key, 1), VERIFY_SUM);

	assert_false(tree_add_sum(&sum, -1));
	assert_true(sum == INT64_MIN && tree_add_sum(&sum, INT64_MAX));
	assert_true(sum == -1);
	assert_false(tree_add_count(&cnt, UINT64_MAX));
	assert_true(cnt == 1);
}

/*
 * Of a root that a liar made up himself: what folds up to it and yet cannot
 * be a tree is refused before it is believed.
 */
static void
test_impossible_trees(void **state)
{
	static struct proof p;
	struct verify_answer a;
	struct claim c = { 0 };
	uint8_t key[32] = { 0x80 };
	struct tree_sum end, top;

	(void)state;
	/* A branch under 1... whose keys begin with 0. */
	p.tick = 1;
	p.n_steps = 1;
	p.steps[0].sibling.cnt = 9;
	p.end = PROOF_BRANCH;
	p.bit = 9;
	p.left.cnt = p.right.cnt = 9;
	assert_true(tree_branch(&end, p.bit, p.prefix, &p.left, &p.right));
	assert_true(tree_branch(&top, 0, key, &p.steps[0].sibling, &end));
	claim_set(&c, c.netid, 1, &top);
	assert_int_equal(verify_proof(&a, &p, &c, key, 8), VERIFY_PATH);
	p.prefix[0] = 0x80;
	assert_true(tree_branch(&end, p.bit, p.prefix, &p.left, &p.right));
	assert_true(tree_branch(&top, 0, key, &p.steps[0].sibling, &end));
	claim_set(&c, c.netid, 1, &top);
	assert_int_equal(verify_proof(&a, &p, &c, key, 8), VERIFY_OK);
	assert_int_equal(a.set.cnt, 18);
	/* A leaf likewise, and one with nothing in it below a branch. */
	p.end = PROOF_LEAF;
	p.n_entries = 1;
	p.entries[0].key[0] = 0x7f;
	tree_leaf(&end, p.entries, 1);
	assert_true(tree_branch(&top, 0, key, &p.steps[0].sibling, &end));
	claim_set(&c, c.netid, 1, &top);
	assert_int_equal(verify_proof(&a, &p, &c, key, 8), VERIFY_PATH);
	p.n_entries = 0;
	tree_leaf(&end, p.entries, 0);
	assert_true(tree_branch(&top, 0, key, &p.steps[0].sibling, &end));
	claim_set(&c, c.netid, 1, &top);
	assert_int_equal(verify_proof(&a, &p, &c, key, 8), VERIFY_PATH);
	/* A step beyond what was asked for. */
	assert_int_equal(verify_proof(&a, &p, &c, key, 0), VERIFY_PATH);
}

static void
test_bits(void **state)
{
	struct rng rng = { 8 };
	uint8_t a[32], b[32], m[32];
	unsigned i, j, bit;

	(void)state;
	for (i = 0; i < 2000; i++) {
		rng_fill(&rng, a, 32);
		memcpy(b, a, 32);
		assert_int_equal(tree_diff_bit(a, b), 256);
		assert_true(tree_has_prefix(a, b, 256));
		bit = rng_below(&rng, 256);
		b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_int_equal(tree_diff_bit(a, b), bit);
		assert_int_equal(tree_bit(a, bit) + tree_bit(b, bit), 1);
		assert_true(tree_has_prefix(a, b, bit));
		assert_false(tree_has_prefix(a, b, bit + 1));
		tree_mask(m, a, bit);
		assert_true(tree_has_prefix(m, a, bit));
		for (j = bit; j < 256; j++)
			assert_int_equal(tree_bit(m, j), 0);
		tree_mask(b, b, bit);
		assert_memory_equal(m, b, 32);
		tree_mask(m, a, 256);
		assert_memory_equal(m, a, 32);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_bit_matters),
		cmocka_unit_test(test_cut_and_longer),
		cmocka_unit_test(test_other_node_of_the_path),
		cmocka_unit_test(test_inclusion_and_absence),
		cmocka_unit_test(test_complete_lists),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_impossible_trees),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
