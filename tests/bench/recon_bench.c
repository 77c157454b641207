/* SPDX-License-Identifier: ISC */
/*
 * What anti-entropy costs: metadata bytes and round trips for d differing
 * records among n, half of them newer on one side or the other, a quarter
 * missing on each.  One line a d: bytes a difference, round trips, records
 * sent against records needed.
 *
 *   recon_bench [RECORDS]               (1000000)
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include <sodium.h>

#include "tests/bench/tree_gen.h"
#include "tests/unit/recon_pair.h"

static struct pair_node a, b;

/* The set of one side: what it lacks is left out, what it has newer altered. */
struct side {
	const struct gen_set *set;
	size_t i, step;
	unsigned me;
};

static int
next(void *arg, struct mtree_entry *e)
{
	struct side *s = arg;
	size_t nth;

	for (;; s->i++) {
		if (s->i == s->set->n)
			return 0;
		nth = s->i / s->step;
		/* The differing one of each step, somewhere within it. */
		if (s->i % s->step != gen_mix(nth) % s->step)
			break;
		if (nth % 4 < 2) {
			*e = s->set->e[s->i++];
			if (nth % 2 == s->me) {
				e->hlc += UINT64_C(60000) << 16;
				e->rid[0] ^= 0x55;
			}
			return 1;
		}
		if (nth % 2 == s->me)
			break; /* the other has it not */
	}
	*e = s->set->e[s->i++];
	return 1;
}

static void
run(const struct gen_set *set, size_t d, uint32_t n_stack, uint32_t rate)
{
	struct side sa = { set, 0, set->n / d, 0 };
	struct side sb = { set, 0, set->n / d, 1 };
	const uint8_t salt[8] = { (uint8_t)d, (uint8_t)(d >> 8), 1 };
	struct mono now = { 0 }, start;
	struct tree_sum ta, tb;
	uint64_t meta;
	size_t merged;
	double cpu;
	int rtt;

	pair_init(&a, &b, 1, n_stack, RECON_WANTS * 4, rate);
	pair_init(&b, &a, 2, n_stack, RECON_WANTS * 4, rate);
	if (mtree_build(&a.tree, 1, next, &sa) != MTREE_OK ||
	    mtree_build(&b.tree, 1, next, &sb) != MTREE_OK)
		errx(EX_SOFTWARE, "build");
	start = mono_now();
	if (recon_start(&a.rc, 2, 1, 1, salt, now) != RECON_OK)
		errx(EX_SOFTWARE, "start");
	rtt = pair_run(&a, &b, &now, 100);
	cpu = (double)(mono_now().us - start.us) / 1000;
	meta = a.meta_bytes + b.meta_bytes;
	merged = pair_merge(&a, 2) + pair_merge(&b, 2);
	mtree_top(&a.tree, MTREE_CURRENT, &ta);
	mtree_top(&b.tree, MTREE_CURRENT, &tb);
	printf("recon_d%zu %llu B, %.1f B/diff, %d RTT, %llu records for %zu, "
	       "%.0f ms, %s\n",
	    d, (unsigned long long)meta, (double)meta / (double)d, rtt,
	    (unsigned long long)(a.n_recs + b.n_recs), merged, cpu,
	    memcmp(ta.h, tb.h, 32) == 0 ? "equal" : "NOT EQUAL");
	printf("recon_d%zu_parts %.1f items %.1f want %.1f full %.1f end %.1f "
	       "B/diff, dropped %llu, spared %llu\n",
	    d,
	    (double)(a.by_type[RECON_RANGE] + b.by_type[RECON_RANGE]) /
		(double)d,
	    (double)(a.by_type[RECON_ITEMS] + b.by_type[RECON_ITEMS]) /
		(double)d,
	    (double)(a.by_type[RECON_WANT] + b.by_type[RECON_WANT]) / (double)d,
	    (double)(a.by_type[RECON_FULL] + b.by_type[RECON_FULL]) / (double)d,
	    (double)(a.by_type[RECON_END] + b.by_type[RECON_END]) / (double)d,
	    (unsigned long long)(a.rc.dropped + b.rc.dropped),
	    (unsigned long long)(a.rc.spared + b.rc.spared));
	pair_free(&a);
	pair_free(&b);
}

int
main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, d;
	struct gen_set set;

	if (sodium_init() < 0 || n < 10)
		errx(EX_USAGE, "usage: recon_bench [RECORDS]");
	gen_open(&set, n, 1);
	for (d = 1; d <= n / 10; d *= 10)
		run(&set, d, RECON_STACK, 0);
	/* Without the limits that pace a session: how deep it goes. */
	run(&set, d / 10, 1 << 20, 1U << 31);
	gen_close(&set);
	return 0;
}
