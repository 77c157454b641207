/* SPDX-License-Identifier: ISC */
/*
 * Counting and printing, as promised in tally.h.
 */
#include "tests/sim/tally.h"

#include <stdio.h>
#include <string.h>

#define STEP_US 250 /* of the histogram: 2.5 s in all, the rest is last */

static struct tally windows[TALLY_WINDOWS];
static unsigned n_windows;
static bool missed;

void
tally_init(void)
{
	memset(windows, 0, sizeof(windows));
	n_windows = 0;
	missed = false;
}

struct tally *
tally_window(const char *name, int64_t from_us, int64_t until_us)
{
	struct tally *t = &windows[n_windows++ % TALLY_WINDOWS];

	memset(t, 0, sizeof(*t));
	t->name = name;
	t->from_us = from_us;
	t->until_us = until_us;
	return t;
}

struct tally *
tally_at(int64_t us)
{
	unsigned i;

	for (i = 0; i < n_windows && i < TALLY_WINDOWS; i++)
		if (us >= windows[i].from_us && us < windows[i].until_us)
			return &windows[i];
	return NULL;
}

void
tally_delivery(int64_t born_us, int64_t now_us, bool first)
{
	struct tally *t = tally_at(born_us);
	int64_t late = now_us - born_us;

	if (t == NULL)
		return;
	t->copies++;
	if (!first)
		return;
	t->firsts++;
	if (late > t->max_us)
		t->max_us = late;
	late /= STEP_US;
	t->hist[late > TALLY_MS_MAX ? TALLY_MS_MAX : late]++;
}

double
tally_percentile(const struct tally *t, double part)
{
	uint64_t want = (uint64_t)((double)t->firsts * part), sum = 0;
	size_t i;

	for (i = 0; i < TALLY_MS_MAX; i++) {
		sum += t->hist[i];
		if (sum >= want && sum > 0)
			return (double)(i + 1) * STEP_US / 1000.0;
	}
	return (double)t->max_us / 1000.0;
}

double
tally_rmr(const struct tally *t)
{
	return t->firsts == 0
	    ? 0
	    : (double)(t->copies - t->firsts) / (double)t->firsts;
}

double
tally_ihave(const struct tally *t)
{
	return t->payloads == 0
	    ? 0
	    : (double)t->id_bytes / (double)(t->payloads * TALLY_RECORD);
}

static void
print_window(const struct tally *t)
{
	(void)printf("%s: updates %llu deliveries %llu unexplained %llu\n",
	    t->name, (unsigned long long)t->updates,
	    (unsigned long long)t->firsts, (unsigned long long)t->unexplained);
	if (t->firsts == 0)
		return;
	(void)printf("%s: p50 %.1f p99 %.1f p99.9 %.1f max %.1f ms\n", t->name,
	    tally_percentile(t, 0.5), tally_percentile(t, 0.99),
	    tally_percentile(t, 0.999), (double)t->max_us / 1000.0);
	(void)printf("%s: rmr %.3f ihave %.2f ids/delivery %.1f %% of payload "
		     "bytes, pulls %.3f/delivery grafts %llu prunes %llu\n",
	    t->name, tally_rmr(t), (double)t->ids / (double)t->firsts,
	    100.0 * tally_ihave(t), (double)t->pulls / (double)t->firsts,
	    (unsigned long long)t->grafts, (unsigned long long)t->prunes);
}

void
tally_print(void)
{
	unsigned i;

	for (i = 0; i < n_windows && i < TALLY_WINDOWS; i++)
		print_window(&windows[i]);
}

void
goal_max(const char *row, const char *what, double measured, double max)
{
	(void)printf("goal %-4s %-34s %10.3f  <= %10.3f  %s\n", row, what,
	    measured, max, measured <= max ? "met" : "MISSED");
	if (measured > max)
		missed = true;
}

bool
goals_met(void)
{
	return !missed;
}
