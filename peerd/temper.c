/* SPDX-License-Identifier: ISC */
/*
 * Reads and levels, as promised in temper.h.
 */
#include "peerd/temper.h"

#define FULL   1000 /* thousandths of a threshold that raise a level */
#define HOLD   800  /* and that keep it */
#define YEAR_S (365u * 86400)
#define STEP   1000 /* of a record's number, from level to level */

static const uint32_t span_s[TEMPER_SPANS] = { [TEMPER_HOUR] = 3600,
	[TEMPER_DAY] = 86400,
	[TEMPER_WEEK] = 7 * 86400,
	[TEMPER_MONTH] = 30 * 86400 };

/* Any one of a level's rows will do. */
static const struct row {
	enum temper_level level;
	enum temper_span span;
	uint32_t reads;
} rows[] = {
	{ TEMPER_VIRAL, TEMPER_HOUR, 1000 },
	{ TEMPER_HOT, TEMPER_DAY, 100 },
	{ TEMPER_HOT, TEMPER_WEEK, 500 },
	{ TEMPER_WARM, TEMPER_WEEK, 50 },
	{ TEMPER_WARM, TEMPER_MONTH, 100 },
	{ TEMPER_COOL, TEMPER_MONTH, 10 },
};

#define COOL_QUARTER 20

/* Both buckets as they are seen at now. */
static void
turn(const struct temper *t, enum temper_span span, uint64_t now, uint32_t *cur,
    uint32_t *before)
{
	uint64_t was = t->last / span_s[span], is = now / span_s[span];

	*cur = *before = 0;
	if (is <= was) {
		*cur = t->cur[span];
		*before = t->before[span];
	} else if (is == was + 1) {
		*before = t->cur[span];
	}
}

static uint32_t
add(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void
temper_read(struct temper *t, uint32_t n, uint64_t now)
{
	uint32_t cur, before;
	enum temper_span s;

	if (n == 0)
		return;
	if (now < t->last)
		now = t->last;
	for (s = 0; s < TEMPER_SPANS; s++) {
		turn(t, s, now, &cur, &before);
		t->cur[s] = add(cur, n);
		t->before[s] = before;
	}
	t->last = now;
}

uint32_t
temper_count(const struct temper *t, enum temper_span span, uint64_t now)
{
	uint64_t len = span_s[span];
	uint32_t cur, before;

	if (now < t->last)
		now = t->last;
	turn(t, span, now, &cur, &before);
	/* Of the window before, what is not yet a span ago. */
	return add(cur, (uint32_t)(before * (len - now % len) / len));
}

/* This month's bucket and the last reach back less than a quarter. */
static uint32_t
quarter(const struct temper *t, uint64_t now)
{
	uint32_t cur, before;

	turn(t, TEMPER_MONTH, now, &cur, &before);
	return add(cur, before);
}

static bool
meets(uint32_t count, uint32_t reads, uint32_t milli)
{
	return (uint64_t)count * FULL >= (uint64_t)reads * milli;
}

/* The highest level of which this part of a threshold is met. */
static enum temper_level
reached(const struct temper *t, uint64_t now, uint32_t milli)
{
	unsigned i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (meets(temper_count(t, rows[i].span, now), rows[i].reads,
			milli))
			return rows[i].level;
	if (meets(quarter(t, now), COOL_QUARTER, milli))
		return TEMPER_COOL;
	return t->last != 0 && now - t->last < YEAR_S ? TEMPER_COLD
						      : TEMPER_FROZEN;
}

enum temper_level
temper_level(const struct temper *t, enum temper_level level, uint64_t since,
    uint64_t now)
{
	enum temper_level up, hold;

	if (now < t->last)
		now = t->last;
	up = reached(t, now, FULL);
	if (up >= level)
		return up;
	hold = reached(t, now, HOLD);
	if (hold >= level || now < since || now - since < TEMPER_COOLDOWN_S)
		return level;
	return hold;
}

uint64_t
temper_pack(const struct temper *t, enum temper_span span)
{
	/* A row's number is signed: the older bucket does without its top. */
	return (uint64_t)(t->before[span] & INT32_MAX) << 32 | t->cur[span];
}

void
temper_unpack(struct temper *t, enum temper_span span, uint64_t packed)
{
	t->cur[span] = (uint32_t)packed;
	t->before[span] = (uint32_t)(packed >> 32);
}

int32_t
temper_weight(enum temper_level level)
{
	return (int32_t)level * STEP;
}

enum temper_level
temper_of_weight(int32_t w)
{
	if (w < 0)
		return TEMPER_FROZEN;
	return w / STEP >= TEMPER_N ? TEMPER_N - 1
				    : (enum temper_level)(w / STEP);
}

const char *
temper_name(enum temper_level level)
{
	static const char *const names[] = {
#define X(name) #name,
		TEMPER_LEVELS(X)
#undef X
	};

	return level < TEMPER_N ? names[level] : "?";
}
