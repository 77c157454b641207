/* SPDX-License-Identifier: ISC */
/*
 * The tree against tests/vectors/tree.txt, and against a sorted array that
 * is hashed anew from the definition after every batch.
 */
#include "peerd/mtree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/verify.h"
#include "tests/unit/tree_model.h"
#include "tests/unit/vec.h"

#define FILE_VEC  "tests/vectors/tree.txt"
#define BATCH_MAX 400
#define SEEDS     24

static const unsigned sets[] = { 0, 1, 8, 9, 100, 3000 };
static const char *const asks[] = { "there", "absent", "far", "kind", "nokind",
	"subject", "odd", "all" };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t netid[32] = { 7 };

static size_t
vec(const char *name, const char *field, uint8_t *out, size_t cap)
{
	char full[64];
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
vec_model(struct model *m, unsigned n)
{
	struct mtree_entry e;
	uint32_t i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < n; i++) {
		vec_record(&e, i);
		model_put(m, &e);
	}
}

/* Put all of a model into an empty tree in random batches. */
static void
put_shuffled(struct mtree *t, const struct model *m, uint64_t tick,
    struct rng *rng)
{
	static struct mtree_change batch[BATCH_MAX];
	size_t i, n, left = m->n, *order = malloc((m->n + 1) * sizeof(*order));
	struct model part = { 0 };
	size_t j, k;

	for (i = 0; i < m->n; i++)
		order[i] = i;
	for (i = m->n; i > 1; i--) {
		j = rng_below(rng, (uint32_t)i);
		k = order[i - 1];
		order[i - 1] = order[j];
		order[j] = k;
	}
	while (left > 0) {
		n = 1 + rng_below(rng, BATCH_MAX);
		if (n > left)
			n = left;
		part.n = 0;
		for (i = 0; i < n; i++)
			model_put(&part, &m->e[order[--left]]);
		for (i = 0; i < n; i++)
			batch[i] = (struct mtree_change){ part.e[i], false };
		assert_int_equal(mtree_apply(t, ++tick, batch, n), MTREE_OK);
	}
	model_free(&part);
	free(order);
}

static void
check_asks(const struct mtree *t, const char *name)
{
	uint8_t key[32], bits[2], want[PROOF_MAX], got[PROOF_MAX];
	struct tree_sum s, set;
	char ask[64];
	size_t i, len;
	struct wr w;

	for (i = 0; i < COUNT(asks); i++) {
		(void)snprintf(ask, sizeof(ask), "%s.%s", name, asks[i]);
		assert_int_equal(vec(ask, "ask", key, 32), 32);
		assert_int_equal(vec(ask, "bits", bits, 2), 2);
		len = vec(ask, "proof", want, sizeof(want));
		vec_sum(&set, ask, "set");
		wr_init(&w, got, sizeof(got));
		assert_int_equal(
		    mtree_prove(t, MTREE_CURRENT, key, get_u16(bits), &w),
		    MTREE_OK);
		assert_int_equal(w.len, len);
		assert_memory_equal(got, want, len);
		mtree_sum(t, MTREE_CURRENT, key, get_u16(bits), &s);
		assert_true(sum_equal(&s, &set));
	}
}

static void
test_vectors(void **state)
{
	uint8_t id[32], want[32], root[32];
	struct tree_sum top, got;
	struct rng rng = { 1 };
	struct mtree t, u;
	struct mtree_mem mem;
	struct heap heap;
	struct model m;
	char name[16];
	size_t i;

	(void)state;
	mem = heap_mem(&heap);
	assert_int_equal(vec_get(FILE_VEC, "netid", id, 32), 32);
	for (i = 0; i < COUNT(sets); i++) {
		(void)snprintf(name, sizeof(name), "set%u", sets[i]);
		vec_model(&m, sets[i]);
		vec_sum(&top, name, "top");
		(void)vec(name, "root", want, 32);

		mtree_init(&t, &mem, 0);
		assert_int_equal(model_build(&t, 1000 + sets[i], &m), MTREE_OK);
		mtree_top(&t, MTREE_CURRENT, &got);
		assert_true(sum_equal(&got, &top));
		tree_root(root, id, 1000 + sets[i], &got);
		assert_memory_equal(root, want, 32);
		check_asks(&t, name);

		mtree_init(&u, &mem, 0);
		put_shuffled(&u, &m, 0, &rng);
		mtree_top(&u, MTREE_CURRENT, &got);
		assert_true(sum_equal(&got, &top));
		mtree_fini(&u);
		mtree_fini(&t);
		model_free(&m);
	}
	assert_int_equal(heap.held, 0);
}

/*
 * Keys of four manners: spread, in a few subjects, grown from one another
 * by a late bit, and all but equal.
 */
static void
random_key(struct rng *rng, uint8_t key[32], const struct model *m,
    unsigned manner)
{
	unsigned bit;

	rng_fill(rng, key, 32);
	switch (manner) {
	case 1:
		key[0] = (uint8_t)(16 + rng_below(rng, 3));
		memset(key + 1, (int)rng_below(rng, 4), 15);
		break;
	case 2:
		if (m->n == 0)
			break;
		memcpy(key, m->e[rng_below(rng, (uint32_t)m->n)].key, 32);
		bit = rng_below(rng, 256);
		key[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		break;
	case 3:
		memset(key, 0, 32);
		bit = rng_below(rng, 257);
		if (bit < 256)
			key[bit / 8] = (uint8_t)(0x80 >> bit % 8);
		break;
	default:
		break;
	}
}

static size_t
random_batch(struct rng *rng, const struct model *m, struct mtree_change *out,
    size_t n_max, unsigned manner, bool shrink)
{
	struct model part = { 0 };
	struct mtree_entry e = { 0 };
	size_t i, n = rng_below(rng, (uint32_t)n_max + 1);

	while (part.n < n) {
		if (m->n > 0 && rng_below(rng, 3) == 0)
			memcpy(e.key, m->e[rng_below(rng, (uint32_t)m->n)].key,
			    32);
		else
			random_key(rng, e.key, m, manner);
		rng_fill(rng, e.rid, 32);
		e.w = (int32_t)rng_next(rng);
		e.hlc = rng_next(rng);
		model_put(&part, &e);
		n -= rng_below(rng, 8) == 0; /* the key may be there already */
	}
	n = part.n;
	for (i = 0; i < n; i++) {
		out[i].e = part.e[i];
		out[i].del =
		    rng_below(rng, shrink ? 3 : 8) > 0 ? shrink : !shrink;
		if (shrink && m->n > 0 && i % 2 == 0) {
			/* Shrinking has to hit what is there. */
			size_t at = model_place(m, part.e[i].key);

			out[i].del = at < m->n &&
			    memcmp(m->e[at].key, part.e[i].key, 32) == 0;
		}
	}
	model_free(&part);
	return n;
}

static void
model_apply(struct model *m, const struct mtree_change *ch, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (ch[i].del)
			model_del(m, ch[i].e.key);
		else
			model_put(m, &ch[i].e);
	}
}

static void
check_list(const struct mtree *t, enum mtree_ver ver, const struct model *m,
    const uint8_t prefix[32], unsigned bits, size_t page)
{
	struct mtree_entry got[64];
	const uint8_t *after = NULL;
	uint8_t last[32];
	size_t first, n, i, j, k;

	n = model_under(m, prefix, bits, &first);
	for (i = 0;; i += k) {
		k = mtree_list(t, ver, prefix, bits, after, got, page);
		for (j = 0; j < k; j++) {
			assert_true(i + j < n);
			assert_memory_equal(got[j].key, m->e[first + i + j].key,
			    32);
			assert_memory_equal(got[j].rid, m->e[first + i + j].rid,
			    32);
			assert_int_equal(got[j].w, m->e[first + i + j].w);
			assert_true(got[j].hlc == m->e[first + i + j].hlc);
		}
		if (k < page)
			break;
		memcpy(last, got[k - 1].key, 32);
		after = last;
	}
	assert_int_equal(i + k, n);
}

/* List from a key that need not be there. */
static void
check_after(const struct mtree *t, enum mtree_ver ver, const struct model *m,
    const uint8_t after[32])
{
	struct mtree_entry got[5];
	uint8_t all[32] = { 0 };
	size_t at = model_place(m, after), i, n;

	if (at < m->n && memcmp(m->e[at].key, after, 32) == 0)
		at++;
	n = mtree_list(t, ver, all, 0, after, got, 5);
	assert_int_equal(n, m->n - at < 5 ? m->n - at : 5);
	for (i = 0; i < n; i++)
		assert_memory_equal(got[i].key, m->e[at + i].key, 32);
}

static void
check_split(const struct mtree *t, enum mtree_ver ver, const struct model *m,
    const uint8_t prefix[32], unsigned bits, size_t max)
{
	struct mtree_range r[MTREE_SPLIT_MAX];
	size_t first, total, i, n, at, under;
	struct tree_sum s;

	total = model_under(m, prefix, bits, &first);
	n = mtree_split(t, ver, prefix, bits, 0, r, max);
	assert_true(n <= max && (n > 0) == (total > 0));
	for (i = 0; i < n; i++) {
		under = model_under(m, r[i].prefix, r[i].bits, &at);
		if (r[i].bits < bits) /* a leaf's keys part above the prefix */
			fail();
		assert_int_equal(at, first);
		assert_int_equal(under, r[i].set.cnt);
		model_top(&s, m->e + at, under, 0);
		assert_true(sum_equal(&s, &r[i].set));
		first += under;
		total -= under;
	}
	assert_int_equal(total, 0);
}

static void
check_proof(const struct mtree *t, enum mtree_ver ver, const struct model *m,
    const uint8_t prefix[32], unsigned bits)
{
	static uint8_t buf[PROOF_MAX];
	struct verify_answer a;
	struct tree_sum top, set;
	struct claim c = { 0 };
	size_t at, n;
	struct wr w;

	assert_true(mtree_tick(t, ver, &c.tick));
	mtree_top(t, ver, &top);
	claim_set(&c, netid, c.tick, &top);
	wr_init(&w, buf, sizeof(buf));
	assert_int_equal(mtree_prove(t, ver, prefix, bits, &w), MTREE_OK);
	assert_int_equal(verify_bytes(&a, buf, w.len, &c, prefix, bits),
	    VERIFY_OK);
	n = model_under(m, prefix, bits, &at);
	model_top(&set, m->e + at, n, 0);
	assert_true(sum_equal(&a.set, &set));
	mtree_sum(t, ver, prefix, bits, &top);
	assert_true(sum_equal(&top, &set));
	assert_int_equal(a.found, bits == 256 && n == 1);
	if (a.found) {
		assert_memory_equal(a.at.rid, m->e[at].rid, 32);
		assert_int_equal(a.at.w, m->e[at].w);
	}
}

/* Everything about one version. */
static void
check_version(const struct mtree *t, enum mtree_ver ver, const struct model *m,
    struct rng *rng, unsigned manner)
{
	struct tree_sum top, want;
	struct mtree_entry e;
	uint8_t key[32] = { 0 };
	unsigned i, bits;

	mtree_top(t, ver, &top);
	model_top(&want, m->e, m->n, 0);
	assert_true(sum_equal(&top, &want));
	check_list(t, ver, m, key, 0, 1 + rng_below(rng, 64));
	check_split(t, ver, m, key, 0, 16);
	check_proof(t, ver, m, key, 0);
	for (i = 0; i < 6; i++) {
		random_key(rng, key, m, i % 2 == 0 ? manner : 2);
		bits = rng_below(rng, i < 3 ? 20 : 257);
		assert_int_equal(mtree_get(t, ver, key, &e), model_has(m, key));
		check_after(t, ver, m, key);
		check_list(t, ver, m, key, bits, 1 + rng_below(rng, 9));
		check_split(t, ver, m, key, bits,
		    1 + rng_below(rng, MTREE_SPLIT_MAX));
		check_proof(t, ver, m, key, bits);
		check_proof(t, ver, m, key, 256);
		if (m->n == 0)
			continue;
		memcpy(key, m->e[rng_below(rng, (uint32_t)m->n)].key, 32);
		assert_true(mtree_get(t, ver, key, &e));
		assert_memory_equal(e.key, key, 32);
		check_after(t, ver, m, key);
		check_proof(t, ver, m, key, 256);
		check_proof(t, ver, m, key, bits);
	}
}

static void
run_batches(uint64_t seed, unsigned manner, unsigned rounds)
{
	static struct mtree_change batch[BATCH_MAX];
	struct model m = { 0 }, old = { 0 };
	struct rng rng = { seed };
	struct mtree_mem mem;
	struct tree_sum a, b;
	struct heap heap;
	struct mtree t, fresh;
	uint64_t tick = 5;
	unsigned i;
	size_t n;

	mem = heap_mem(&heap);
	mtree_init(&t, &mem, tick);
	mtree_init(&fresh, &mem, 0);
	for (i = 0; i < rounds; i++) {
		n = random_batch(&rng, &m, batch,
		    rng_below(&rng, 4) == 0 ? BATCH_MAX : 12, manner,
		    i / 12 % 3 == 2);
		model_copy(&old, &m);
		model_apply(&m, batch, n);
		tick += 1 + rng_below(&rng, 2);
		assert_int_equal(mtree_apply(&t, tick, batch, n), MTREE_OK);
		check_version(&t, MTREE_CURRENT, &m, &rng, manner);
		check_version(&t, MTREE_PREVIOUS, &old, &rng, manner);
	}
	assert_int_equal(model_build(&fresh, tick, &m), MTREE_OK);
	mtree_top(&t, MTREE_CURRENT, &a);
	mtree_top(&fresh, MTREE_CURRENT, &b);
	assert_true(sum_equal(&a, &b));
	/* All gone again, and once more so that the past is gone as well. */
	for (i = 0; m.n > 0; i++) {
		n = m.n < BATCH_MAX ? m.n : BATCH_MAX;
		for (size_t j = 0; j < n; j++)
			batch[j] = (struct mtree_change){ m.e[j], true };
		model_apply(&m, batch, n);
		assert_int_equal(mtree_apply(&t, ++tick, batch, n), MTREE_OK);
	}
	check_version(&t, MTREE_CURRENT, &m, &rng, manner);
	mtree_fini(&t);
	mtree_fini(&fresh);
	assert_int_equal(heap.held, 0);
	model_free(&m);
	model_free(&old);
}

static void
test_random_batches(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++)
		run_batches(seed, (unsigned)(seed % 4), 36);
}

/* One set, however it came about: orders, repeats, detours, batch sizes. */
static void
test_order_does_not_matter(void **state)
{
	static struct mtree_change one[1];
	struct tree_sum want, got;
	struct model m, other = { 0 };
	struct rng rng = { 99 };
	struct mtree_mem mem;
	struct heap heap;
	struct mtree t;
	uint64_t tick;
	unsigned run;
	size_t i;

	(void)state;
	mem = heap_mem(&heap);
	vec_model(&m, 700);
	model_top(&want, m.e, m.n, 0);
	for (run = 0; run < 8; run++) {
		mtree_init(&t, &mem, 0);
		put_shuffled(&t, &m, 0, &rng);
		tick = 10000;
		/* Every fifth leaves, an old one comes, all as it was again. */
		for (i = 0; i < m.n; i += 5) {
			one[0] = (struct mtree_change){ m.e[i], true };
			assert_int_equal(mtree_apply(&t, ++tick, one, 1),
			    MTREE_OK);
			one[0].del = false;
			one[0].e.rid[0] ^= 1;
			assert_int_equal(mtree_apply(&t, ++tick, one, 1),
			    MTREE_OK);
		}
		put_shuffled(&t, &m, tick, &rng);
		mtree_top(&t, MTREE_CURRENT, &got);
		assert_true(sum_equal(&got, &want));
		mtree_fini(&t);
	}
	model_free(&m);
	model_free(&other);
}

/* As deep as keys can be ground: every proof still fits and verifies. */
static void
test_deepest(void **state)
{
	struct mtree_entry e = { .w = INT32_MIN };
	uint8_t buf[PROOF_MAX];
	struct model m = { 0 };
	struct mtree_mem mem;
	struct heap heap;
	struct mtree t;
	struct rng rng = { 3 };
	unsigned bit, i;
	struct wr w;
	size_t most = 0;

	(void)state;
	mem = heap_mem(&heap);
	for (bit = 0; bit < 256; bit++) {
		memset(e.key, 0, 32);
		e.key[bit / 8] = (uint8_t)(0x80 >> bit % 8);
		rng_fill(&rng, e.rid, 32);
		model_put(&m, &e);
		/* Eight leaves' worth at the bottom make the tree full deep. */
		for (i = 1; bit > 248 && i < 256u >> (bit - 248); i++) {
			e.key[31] = (uint8_t)i;
			model_put(&m, &e);
		}
	}
	memset(e.key, 0, 32);
	model_put(&m, &e);
	mtree_init(&t, &mem, 0);
	assert_int_equal(model_build(&t, 1, &m), MTREE_OK);
	for (i = 0; i < m.n; i++) {
		wr_init(&w, buf, sizeof(buf));
		assert_int_equal(
		    mtree_prove(&t, MTREE_CURRENT, m.e[i].key, 256, &w),
		    MTREE_OK);
		check_proof(&t, MTREE_CURRENT, &m, m.e[i].key, 256);
		if (w.len > most)
			most = w.len;
	}
	assert_true(most > 10000 && most < PROOF_MAX);
	check_version(&t, MTREE_CURRENT, &m, &rng, 3);
	mtree_fini(&t);
	model_free(&m);
}

static void
test_refusals(void **state)
{
	struct mtree_change ch[2] = { 0 };
	struct model_iter it;
	struct mtree_mem mem;
	struct tree_sum top;
	enum mtree_ver ver;
	struct model m;
	struct heap heap;
	struct mtree t;
	uint8_t buf[64];
	uint64_t tick;
	struct wr w;

	(void)state;
	mem = heap_mem(&heap);
	mtree_init(&t, &mem, 7);
	assert_int_equal(heap.held, 0);
	assert_int_equal(mtree_apply(&t, 7, NULL, 0), MTREE_TICK);
	assert_int_equal(mtree_apply(&t, 8, ch, 2), MTREE_ORDER);
	ch[0].e.key[0] = 1;
	assert_int_equal(mtree_apply(&t, 8, ch, 2), MTREE_ORDER);
	assert_false(mtree_tick(&t, MTREE_PREVIOUS, &tick));
	wr_init(&w, buf, sizeof(buf));
	assert_int_equal(mtree_prove(&t, MTREE_PREVIOUS, ch[0].e.key, 256, &w),
	    MTREE_NONE);
	assert_int_equal(mtree_apply(&t, 9, NULL, 0), MTREE_OK);
	assert_true(mtree_find_tick(&t, 9, &ver) && ver == MTREE_CURRENT);
	assert_true(mtree_find_tick(&t, 7, &ver) && ver == MTREE_PREVIOUS);
	assert_false(mtree_find_tick(&t, 8, &ver));

	vec_model(&m, 100);
	assert_int_equal(model_build(&t, 3, &m), MTREE_OK);
	assert_false(mtree_tick(&t, MTREE_PREVIOUS, &tick));
	wr_init(&w, buf, sizeof(buf));
	assert_int_equal(mtree_prove(&t, MTREE_CURRENT, m.e[5].key, 256, &w),
	    MTREE_ROOM);
	it = (struct model_iter){ &m, 0, 50 };
	assert_int_equal(mtree_build(&t, 4, model_next, &it), MTREE_INPUT);
	mtree_top(&t, MTREE_CURRENT, &top);
	assert_int_equal(top.cnt, 0);
	m.e[60] = m.e[59];
	assert_int_equal(model_build(&t, 5, &m), MTREE_ORDER);
	assert_string_equal(mtree_err_name(MTREE_ORDER), "out of order");
	mtree_fini(&t);
	mtree_fini(&t);
	assert_int_equal(heap.held, 0);
	model_free(&m);
}

/* Memory fails at the first, second, ... allocation of a batch. */
static void
test_no_memory(void **state)
{
	static struct mtree_change batch[BATCH_MAX];
	struct model m, now = { 0 };
	struct rng rng = { 11 };
	struct mtree_mem mem;
	enum mtree_err err;
	uint64_t now_tick = 2, tick;
	struct heap heap;
	struct mtree t;
	long fuse;
	size_t i, n = 0;

	(void)state;
	mem = heap_mem(&heap);
	vec_model(&m, 3000);
	for (fuse = 0;; fuse++) {
		mtree_init(&t, &mem, 0);
		heap.fuse = fuse;
		err = model_build(&t, 1, &m);
		heap.fuse = -1;
		if (err == MTREE_OK)
			break;
		assert_int_equal(err, MTREE_NOMEM);
		assert_int_equal(heap.held, 0);
	}
	assert_true(fuse > 20);
	for (i = 0; i < m.n && n < BATCH_MAX; i += 1 + rng_below(&rng, 4)) {
		batch[n] = (struct mtree_change){ m.e[i], false };
		batch[n++].e.w ^= 1;
	}
	model_copy(&now, &m);
	assert_int_equal(mtree_apply(&t, 2, NULL, 0), MTREE_OK);
	for (fuse = 0;; fuse++) {
		heap.fuse = fuse;
		err = mtree_apply(&t, ++now_tick, batch, n);
		heap.fuse = -1;
		if (err == MTREE_OK)
			break;
		assert_int_equal(err, MTREE_NOMEM);
		check_version(&t, MTREE_CURRENT, &m, &rng, 2);
		assert_false(mtree_tick(&t, MTREE_PREVIOUS, &tick));
		/* A previous one, that its memory is freed once only. */
		if (fuse % 2 == 0)
			assert_int_equal(mtree_apply(&t, ++now_tick, NULL, 0),
			    MTREE_OK);
	}
	assert_true(fuse > 3);
	model_apply(&now, batch, n);
	check_version(&t, MTREE_CURRENT, &now, &rng, 2);
	check_version(&t, MTREE_PREVIOUS, &m, &rng, 2);
	mtree_fini(&t);
	assert_int_equal(heap.held, 0);
	model_free(&m);
	model_free(&now);
}

/* Ten thousand batches of the same size of set take no more memory. */
static void
test_memory_is_reused(void **state)
{
	struct mtree_change ch[2] = { 0 };
	struct rng rng = { 5 };
	struct mtree_mem mem;
	struct heap heap;
	struct model m;
	struct mtree t;
	uint64_t tick = 1;
	size_t early = 0;
	unsigned i, at;

	(void)state;
	mem = heap_mem(&heap);
	vec_model(&m, 3000);
	mtree_init(&t, &mem, 0);
	assert_int_equal(model_build(&t, tick, &m), MTREE_OK);
	for (i = 0; i < 10000; i++) {
		at = rng_below(&rng, 3000);
		ch[0].e = m.e[at];
		ch[0].e.w = (int32_t)rng_next(&rng);
		ch[0].del = i % 2 == 0;
		assert_int_equal(mtree_apply(&t, ++tick, ch, 1), MTREE_OK);
		ch[0].del = false;
		assert_int_equal(mtree_apply(&t, ++tick, ch, 1), MTREE_OK);
		if (i == 1000)
			early = heap.held;
	}
	assert_int_equal(t.bytes, heap.held);
	assert_true(heap.held <= early);
	mtree_fini(&t);
	model_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_random_batches),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_deepest),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_memory_is_reused),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("mtree", tests, NULL, NULL);
}
