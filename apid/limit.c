/* SPDX-License-Identifier: ISC */
/*
 * The window limiter, as promised in limit.h.
 */
#include "apid/limit.h"

#include <string.h>

void
limit_init(struct limit *l, const struct limit_conf *conf,
    const uint8_t key[PREFIX_KEY_LEN])
{
	memset(l, 0, sizeof(*l));
	memcpy(l->key, key, PREFIX_KEY_LEN);
	l->conf = *conf;
}

void
limit_configure(struct limit *l, const struct limit_conf *conf)
{
	l->conf = *conf;
}

static size_t
set_of(const struct limit *l, const struct prefix *p)
{
	return (size_t)prefix_hash(p, l->key) & (LIMIT_SETS - 1);
}

static size_t
way_of(const struct limit *l, size_t set, const struct prefix *p)
{
	const struct limit_entry *e = l->entries[set];
	size_t i;

	for (i = 0; i < LIMIT_WAYS; i++)
		if (e[i].fam == p->fam && e[i].bits == p->bits)
			break;
	return i;
}

static bool
is_over(const struct limit *l, const struct limit_entry *e, struct mono now)
{
	return mono_reached(mono_add_ms(e->start, l->conf.window_ms), now);
}

/* What would be lost with this entry: little for the idle, most for bans. */
static uint64_t
weight(const struct limit *l, const struct limit_entry *e, struct mono now)
{
	if (e->fam == NADDR_NONE)
		return 0;
	if (mono_before(now, e->banned))
		return UINT64_MAX - 1;
	return 1 + (uint64_t)e->broken * (UINT64_C(1) << 33) +
	    (is_over(l, e, now) ? 0 : e->count);
}

/* The entry of p, made where there is none. */
static struct limit_entry *
entry_for(struct limit *l, const struct prefix *p, struct mono now)
{
	size_t set = set_of(l, p), i = way_of(l, set, p), best = 0;
	struct limit_entry *e = l->entries[set];
	uint64_t w, least = UINT64_MAX;

	if (i < LIMIT_WAYS)
		return &e[i];
	for (i = 0; i < LIMIT_WAYS; i++) {
		if ((w = weight(l, &e[i], now)) < least) {
			least = w;
			best = i;
		}
	}
	if (e[best].fam == NADDR_NONE)
		l->used++;
	else
		l->evicted++;
	e[best] = (struct limit_entry){ .bits = p->bits,
		.fam = p->fam,
		.start = now,
		.banned = now };
	return &e[best];
}

static uint64_t
ms_left(struct mono until, struct mono now)
{
	if (until.us == MONO_NEVER.us)
		return UINT32_MAX;
	return mono_before(now, until)
	    ? (uint64_t)(until.us - now.us + 999) / 1000
	    : 0;
}

/* Close the window if it is over; whole clean windows forgive. */
static void
turn_window(const struct limit *l, struct limit_entry *e, struct mono now)
{
	int64_t windows;

	if (!is_over(l, e, now))
		return;
	windows = l->conf.window_ms == 0
	    ? INT16_MAX
	    : mono_ms_between(e->start, now) / l->conf.window_ms;
	windows -= e->broke; /* the first of them was not clean */
	e->broken = windows >= e->broken
	    ? 0
	    : (uint16_t)(e->broken - (uint16_t)windows);
	e->broke = false;
	e->count = 0;
	e->start = now;
}

enum limit_act
limit_take(struct limit *l, const struct prefix *p, uint32_t n, struct mono now,
    uint64_t *wait_ms)
{
	struct limit_entry *e;

	*wait_ms = 0;
	if (l->conf.max_requests == 0)
		return limit_is_banned(l, p, now, wait_ms) ? LIMIT_BANNED
							   : LIMIT_PASS;
	e = entry_for(l, p, now);
	if (mono_before(now, e->banned)) {
		*wait_ms = ms_left(e->banned, now);
		return LIMIT_BANNED;
	}
	turn_window(l, e, now);
	if (n <= l->conf.max_requests && e->count <= l->conf.max_requests - n) {
		e->count += n;
		return LIMIT_PASS;
	}
	*wait_ms = ms_left(mono_add_ms(e->start, l->conf.window_ms), now);
	if (e->broke)
		return LIMIT_SLOW;
	e->broke = true;
	if (e->broken < UINT16_MAX)
		e->broken++;
	if (l->conf.threshold == 0 || e->broken < l->conf.threshold ||
	    p->loopback)
		return LIMIT_SLOW;
	e->banned = mono_add_ms(now, l->conf.blacklist_ms);
	e->broken = 0;
	*wait_ms = l->conf.blacklist_ms;
	return LIMIT_BLACKEN;
}

bool
limit_is_banned(const struct limit *l, const struct prefix *p, struct mono now,
    uint64_t *wait_ms)
{
	size_t set, i;

	*wait_ms = 0;
	if (l->used == 0)
		return false;
	set = set_of(l, p);
	if ((i = way_of(l, set, p)) == LIMIT_WAYS)
		return false;
	*wait_ms = ms_left(l->entries[set][i].banned, now);
	return *wait_ms > 0;
}

void
limit_ban(struct limit *l, const struct prefix *p, struct mono until,
    struct mono now)
{
	struct limit_entry *e;

	if (p->fam == NADDR_NONE || p->loopback)
		return;
	e = entry_for(l, p, now);
	e->banned = until;
}

uint32_t
limit_bans(const struct limit *l, struct mono now)
{
	uint32_t n = 0;
	size_t s, w;

	for (s = 0; l->used > 0 && s < LIMIT_SETS; s++)
		for (w = 0; w < LIMIT_WAYS; w++)
			n += l->entries[s][w].fam != NADDR_NONE &&
			    mono_before(now, l->entries[s][w].banned);
	return n;
}
