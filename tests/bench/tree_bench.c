/* SPDX-License-Identifier: ISC */
/*
 * What the tree costs: building, a tick of changes, memory, proofs.
 *
 *   tree_bench [RECORDS [CHANGES]]        (1000000 10000)
 *
 * One line a figure: name, value, unit.  The records are a made-up network's:
 * 2% nodes, 12% blocks with three locations and a temperature each, a fifth
 * metadata, the rest ratings of few subjects by many.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <sodium.h>

#include "common/mono.h"
#include "common/verify.h"
#include "tests/bench/tree_gen.h"

static size_t held;

static void *
get(void *arg, size_t len)
{
	(void)arg;
	held += len;
	return malloc(len);
}

static void
put(void *arg, void *p, size_t len)
{
	(void)arg;
	held -= len;
	free(p);
}

/* VmHWM or VmRSS of this process in bytes. */
static size_t
proc_mem(const char *name)
{
	char line[256];
	size_t kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			kb = strtoul(line + strlen(name) + 1, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return kb * 1024;
}

static double
ms_since(struct mono t)
{
	return (double)(mono_now().us - t.us) / 1000;
}

static void
bench_proofs(const struct mtree *t, const struct gen_set *set)
{
	static uint8_t buf[PROOF_MAX];
	struct verify_answer a;
	struct claim c = { 0 };
	struct tree_sum top;
	struct mono start;
	size_t i, sum = 0, most = 0, n = 0, step;
	struct wr w;
	double ms = 0;

	(void)mtree_tick(t, MTREE_CURRENT, &c.tick);
	mtree_top(t, MTREE_CURRENT, &top);
	claim_set(&c, c.netid, c.tick, &top);
	for (i = 0; i < set->n; i++) {
		wr_init(&w, buf, sizeof(buf));
		if (mtree_prove(t, MTREE_CURRENT, set->e[i].key, 256, &w) !=
		    MTREE_OK)
			errx(EX_SOFTWARE, "no proof");
		sum += w.len;
		most = w.len > most ? w.len : most;
	}
	printf("proof_avg %zu B\nproof_max %zu B\n", sum / set->n, most);
	step = set->n / 20000 + 1;
	for (i = 0; i < set->n; i += step) {
		wr_init(&w, buf, sizeof(buf));
		(void)mtree_prove(t, MTREE_CURRENT, set->e[i].key, 256, &w);
		start = mono_now();
		if (verify_bytes(&a, buf, w.len, &c, set->e[i].key, 256) !=
			VERIFY_OK ||
		    !a.found)
			errx(EX_SOFTWARE, "a proof failed");
		ms += ms_since(start);
		n++;
	}
	printf("proof_verify %.1f us\n", ms * 1000 / (double)n);
	start = mono_now();
	for (i = 0; i < set->n; i += step) {
		wr_init(&w, buf, sizeof(buf));
		(void)mtree_prove(t, MTREE_CURRENT, set->e[i].key, 256, &w);
	}
	printf("proof_make %.1f us\n", ms_since(start) * 1000 / (double)n);
}

static void
bench_claim(void)
{
	struct claim c = { 0 };
	struct mono start;
	uint8_t sk[64];
	int i;

	(void)crypto_sign_keypair(c.node, sk);
	claim_sign(&c, sk);
	start = mono_now();
	for (i = 0; i < 2000; i++)
		if (!claim_verify(&c))
			errx(EX_SOFTWARE, "a claim failed");
	printf("claim_verify %.1f us\n", ms_since(start) * 1000 / 2000);
}

static void
bench_ticks(struct mtree *t, struct gen_set *set, size_t changes)
{
	struct mtree_change *ch = calloc(changes, sizeof(*ch));
	struct mono start;
	double ms, most = 0, sum = 0;
	uint64_t tick = 1;
	size_t n;
	int round;

	if (ch == NULL)
		err(EX_OSERR, "calloc");
	for (round = 0; round < 20; round++) {
		n = gen_changes(set, ch, changes, (uint64_t)round);
		start = mono_now();
		if (mtree_apply(t, ++tick, ch, n) != MTREE_OK)
			errx(EX_SOFTWARE, "apply");
		ms = ms_since(start);
		sum += ms;
		most = ms > most ? ms : most;
	}
	printf("apply_%zu_avg %.1f ms\napply_%zu_max %.1f ms\n", changes,
	    sum / 20, changes, most);
	printf("tree_after_ticks %.1f B/record\n",
	    (double)held / (double)set->n);
	free(ch);
}

int
main(int argc, char **argv)
{
	const struct mtree_mem mem = { get, put, NULL };
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	size_t changes = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
	struct gen_iter it = { 0 };
	struct gen_set set;
	struct mono start;
	struct mtree t;
	size_t before;

	if (sodium_init() < 0 || n == 0 || changes == 0 || changes > n)
		errx(EX_USAGE, "usage: tree_bench [RECORDS [CHANGES]]");
	gen_open(&set, n, 1);
	before = proc_mem("VmRSS");
	mtree_init(&t, &mem, 0);
	it.set = &set;
	start = mono_now();
	if (mtree_build(&t, 1, gen_next, &it) != MTREE_OK)
		errx(EX_SOFTWARE, "build");
	printf("build_%zu %.0f ms\n", n, ms_since(start));
	printf("tree_held %.1f B/record\n", (double)held / (double)n);
	printf("tree_resident %.1f B/record\n",
	    (double)(proc_mem("VmRSS") - before) / (double)n);
	bench_proofs(&t, &set);
	bench_ticks(&t, &set, changes);
	printf("tree_resident_after_ticks %.1f B/record\n",
	    (double)(proc_mem("VmRSS") - before) / (double)n);
	bench_claim();
	mtree_fini(&t);
	gen_close(&set);
	return 0;
}
