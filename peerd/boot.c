/* SPDX-License-Identifier: ISC */
/* Ranges and helpers of a bootstrap, as promised in boot.h. */
#include "peerd/boot.h"

#include <string.h>

#include "common/assert.h"
#include "common/rec.h"
#include "common/tree_hash.h"

#define SPLIT 16 /* ranges a kind of many records is cut into */

/* --- the ranges --- */

static void
add_range(struct boot *b, uint8_t first_byte, uint8_t second, uint16_t bits,
    bool first)
{
	struct boot_task *t = &b->tasks[b->n++];

	ASSERT(b->n <= BOOT_TASKS);
	memset(t, 0, sizeof(*t));
	t->range.prefix[0] = first_byte;
	t->range.prefix[1] = second;
	t->range.bits = bits;
	t->first = first;
}

/* Every key lies in exactly one of these. */
static void
plan(struct boot *b)
{
	static const uint8_t split[] = { REC_BLOCK, REC_LOCATION,
		REC_TEMPERATURE, REC_META, REC_RATING };
	unsigned i, k;

	b->n = b->done = 0;
	add_range(b, REC_MEMBER, 0, 8, true);
	add_range(b, REC_NODE, 0, 8, true);
	add_range(b, 0, 0, 8, false);
	for (k = 3; k < 32; k++) {
		if (memchr(split, (int)k, sizeof(split)) == NULL) {
			add_range(b, (uint8_t)k, 0, 8, false);
			continue;
		}
		for (i = 0; i < SPLIT; i++)
			add_range(b, (uint8_t)k, (uint8_t)(i << 4), 12, false);
	}
	for (k = 32; k < 256; k += 32)
		add_range(b, (uint8_t)k, 0, 3, false);
}

static bool
is_within(const struct wire_range *r, const uint8_t key[32])
{
	return tree_diff_bit(r->prefix, key) >= r->bits;
}

/* --- helpers --- */

static struct boot_helper *
helper_of(struct boot *b, uint32_t link)
{
	unsigned i;

	for (i = 0; i < BOOT_HELPERS; i++)
		if (b->helpers[i].link == link)
			return &b->helpers[i];
	return NULL;
}

bool
boot_is_helper(const struct boot *b, uint32_t link)
{
	unsigned i;

	for (i = 0; b->on && link != 0 && i < BOOT_HELPERS; i++)
		if (b->helpers[i].link == link)
			return true;
	return false;
}

static unsigned
asked_of(const struct boot *b, uint32_t link)
{
	unsigned i, n = 0;

	for (i = 0; i < b->n; i++)
		n +=
		    b->tasks[i].state == BOOT_ASKED && b->tasks[i].link == link;
	return n;
}

static void
window_new(struct boot_helper *h, struct mono now)
{
	h->since = now;
	h->bytes = 0;
}

/* What was asked of it may be asked of others. */
static void
drop(struct boot *b, struct boot_helper *h)
{
	unsigned i;

	for (i = 0; i < b->n; i++)
		if (b->tasks[i].state == BOOT_ASKED &&
		    b->tasks[i].link == h->link)
			b->tasks[i].state = BOOT_WAITING;
	h->link = 0;
}

static struct boot_bar *
bar_of(struct boot *b, const uint8_t id[32])
{
	unsigned i;

	for (i = 0; i < BOOT_BARRED; i++)
		if (b->bars[i].ms != 0 && memcmp(b->bars[i].id, id, 32) == 0)
			return &b->bars[i];
	return NULL;
}

/* One that is only busy may help soon; one that never does, ever later. */
static void
bar(struct boot *b, struct boot_helper *h, struct mono now)
{
	struct boot_bar *x = bar_of(b, h->id);

	if (x == NULL) {
		x = &b->bars[b->next_bar++ % BOOT_BARRED];
		memset(x, 0, sizeof(*x));
		x->ms = BOOT_BAR_MS;
		memcpy(x->id, h->id, 32);
	} else if (x->ms < BOOT_BAR_MAX_MS) {
		x->ms *= 2;
	}
	x->until = mono_add_ms(now, x->ms);
	b->barred++;
	drop(b, h);
}

static bool
is_barred(struct boot *b, const uint8_t id[32], struct mono now)
{
	const struct boot_bar *x = bar_of(b, id);

	return x != NULL && !mono_reached(x->until, now);
}

static bool
has_helper(const struct boot *b)
{
	unsigned i;

	for (i = 0; i < BOOT_HELPERS; i++)
		if (b->helpers[i].link != 0)
			return true;
	return false;
}

/* --- offers --- */

static bool
has_much_more(uint64_t claim, uint64_t have)
{
	return claim >= BOOT_MANY && claim / BOOT_MUCH_MORE >= have;
}

/*
 * What we have is the only count that nobody else can raise by a word.
 */
static bool
is_growing(struct boot *b, uint64_t have, struct mono now)
{
	if (have >= b->grown + BOOT_GROW) {
		b->grown = have;
		b->grew = now;
	}
	return !mono_reached(mono_add_ms(b->grew, BOOT_GROW_MS), now);
}

bool
boot_offer(struct boot *b, uint32_t link, const uint8_t id[32], uint64_t claim,
    uint64_t have, struct mono now)
{
	struct boot_helper *h;
	bool growing = is_growing(b, have, now);

	if (!has_much_more(claim, b->on ? b->had : have) ||
	    is_barred(b, id, now))
		return false;
	if (boot_is_helper(b, link))
		return true;
	if (!b->on) {
		plan(b);
		memset(b->helpers, 0, sizeof(b->helpers));
		b->on = growing = true;
		b->began = b->ticked = b->grew = now;
		b->had = b->grown = have;
	}
	if ((h = helper_of(b, 0)) == NULL)
		return growing;
	memset(h, 0, sizeof(*h));
	h->link = link;
	memcpy(h->id, id, 32);
	h->claim = claim;
	window_new(h, now);
	return true;
}

/* --- who is asked for what --- */

/*
 * The one that takes its helper longest, or NULL.  How long a range takes
 * depends on the line, so it is no misdeed; but whoever is slow waits longer
 * before it takes ranges over in turn, or two would do so for ever.
 */
static struct boot_task *
rob(struct boot *b, const struct boot_helper *thief, bool firsts,
    struct mono now)
{
	int64_t ms = thief->slow ? 4 * BOOT_ROB_MS : BOOT_ROB_MS;
	struct boot_task *t, *longest = NULL;
	struct boot_helper *h;

	for (t = b->tasks; t < b->tasks + b->n; t++)
		if (t->state == BOOT_ASKED && t->first == firsts &&
		    t->link != thief->link &&
		    mono_reached(mono_add_ms(t->asked, ms), now) &&
		    (longest == NULL || mono_before(t->asked, longest->asked)))
			longest = t;
	if (longest == NULL)
		return NULL;
	if ((h = helper_of(b, longest->link)) != NULL)
		h->slow = true;
	longest->state = BOOT_WAITING;
	return longest;
}

struct boot_task *
boot_next(struct boot *b, uint32_t link, struct mono now)
{
	struct boot_helper *h = helper_of(b, link);
	bool firsts = false;
	unsigned i;

	if (!b->on || link == 0 || h == NULL || asked_of(b, link) >= BOOT_EACH)
		return NULL;
	for (i = 0; i < b->n; i++)
		firsts = firsts ||
		    (b->tasks[i].first && b->tasks[i].state != BOOT_DONE);
	for (i = 0; i < b->n; i++)
		if (b->tasks[i].state == BOOT_WAITING &&
		    b->tasks[i].first == firsts)
			return &b->tasks[i];
	return rob(b, h, firsts, now);
}

uint16_t
boot_next_sid(const struct boot *b)
{
	return (uint16_t)(b->next_sid + 1);
}

void
boot_asked(struct boot *b, struct boot_task *t, uint32_t link, struct mono now)
{
	/* Parts of one range are held without a break, and never told twice. */
	if (t->link != link) {
		t->asked = now;
		t->has_seen = false;
	}
	if (t->has_after &&
	    (!t->has_seen || memcmp(t->seen, t->after, 32) < 0)) {
		t->has_seen = true;
		memcpy(t->seen, t->after, 32);
	}
	t->sid = ++b->next_sid;
	t->state = BOOT_ASKED;
	t->link = link;
}

/* --- what comes --- */

static struct boot_task *
task_with(struct boot *b, uint32_t link, const uint8_t key[32])
{
	struct boot_task *t;

	for (t = b->tasks; t < b->tasks + b->n; t++)
		if (t->state == BOOT_ASKED && t->link == link &&
		    is_within(&t->range, key))
			return t;
	return NULL;
}

void
boot_record(struct boot *b, uint32_t link, const uint8_t key[32], size_t len)
{
	struct boot_helper *h = link == 0 ? NULL : helper_of(b, link);
	struct boot_task *t;

	if (!b->on || h == NULL || (t = task_with(b, link, key)) == NULL)
		return;
	/* Streams are in order: what comes twice is told from what is new. */
	if (t->has_seen && memcmp(key, t->seen, 32) <= 0)
		return;
	t->has_seen = true;
	memcpy(t->seen, key, 32);
	h->brought++;
	h->bytes += len;
}

void
boot_answer(struct boot *b, uint32_t link, uint16_t sid, bool more,
    const uint8_t after[32], struct mono now)
{
	struct boot_helper *h = link == 0 ? NULL : helper_of(b, link);
	struct boot_task *t;

	if (!b->on || h == NULL)
		return;
	for (t = b->tasks; t < b->tasks + b->n; t++)
		if (t->state == BOOT_ASKED && t->link == link && t->sid == sid)
			break;
	if (t == b->tasks + b->n)
		return; /* nothing it was asked, or another has it now */
	if (!more) {
		t->state = BOOT_DONE;
		b->done++;
		window_new(h, now);
		return;
	}
	/* A part ends in its range, and behind the part before. */
	if (!is_within(&t->range, after) ||
	    (t->has_after && memcmp(after, t->after, 32) <= 0)) {
		bar(b, h, now);
		return;
	}
	t->state = BOOT_WAITING;
	t->has_after = true;
	memcpy(t->after, after, 32);
}

void
boot_gone(struct boot *b, uint32_t link)
{
	struct boot_helper *h = link == 0 ? NULL : helper_of(b, link);

	if (h != NULL)
		drop(b, h);
}

/* --- time --- */

/* So much time was ours, not theirs. */
static void
excuse(struct boot *b, int64_t ms)
{
	unsigned i;

	for (i = 0; i < BOOT_HELPERS; i++)
		b->helpers[i].since = mono_add_ms(b->helpers[i].since, ms);
	for (i = 0; i < b->n; i++)
		b->tasks[i].asked = mono_add_ms(b->tasks[i].asked, ms);
	b->grew = mono_add_ms(b->grew, ms);
}

static void
judge(struct boot *b, struct boot_helper *h, struct mono now)
{
	if (asked_of(b, h->link) == 0) {
		window_new(h, now);
		return;
	}
	if (!mono_reached(mono_add_ms(h->since, BOOT_WINDOW_MS), now))
		return;
	if (h->bytes < BOOT_MIN_BYTES)
		bar(b, h, now);
	else
		window_new(h, now);
}

void
boot_tick(struct boot *b, bool held, struct mono now)
{
	int64_t gone = mono_ms_between(b->ticked, now);
	unsigned i;

	b->ticked = now;
	if (!b->on)
		return;
	if (held || gone > 2 * BOOT_TICK_MS)
		excuse(b, gone);
	for (i = 0; i < BOOT_HELPERS; i++)
		if (b->helpers[i].link != 0)
			judge(b, &b->helpers[i], now);
	/* Whoever tells a root next begins it anew. */
	b->on = has_helper(b);
}

bool
boot_finish(struct boot *b, uint64_t have, struct mono now)
{
	struct boot_helper *h;

	if (!b->on || b->done < b->n)
		return false;
	/* There is nothing more, they say, and yet they claim much more. */
	for (h = b->helpers; h < b->helpers + BOOT_HELPERS; h++)
		if (h->link != 0 && has_much_more(h->claim, have) &&
		    h->brought < h->claim / BOOT_SHARE)
			bar(b, h, now);
	b->on = false;
	return true;
}
