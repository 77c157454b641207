/* SPDX-License-Identifier: ISC */
/*
 * The ban table, as promised in ban.h.  It is short, so looking means going
 * through it.
 */
#include "peerd/ban.h"

#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"
#include "common/mp.h"

void
bans_init(struct bans *b, struct ban *list, uint32_t cap)
{
	memset(list, 0, cap * sizeof(list[0]));
	b->list = list;
	b->cap = cap;
	b->n = 0;
}

struct ban_target
ban_key(const uint8_t key[32])
{
	struct ban_target t;

	memset(&t, 0, sizeof(t));
	memcpy(t.key, key, 32);
	return t;
}

struct ban_target
ban_prefix(const struct naddr *addr, uint8_t bits)
{
	struct naddr plain = addr_canon(addr);
	struct ban_target t;

	memset(&t, 0, sizeof(t));
	if (addr->fam == NADDR_V6 && bits < 128)
		plain = *addr; /* a network, not one address in disguise */
	if (plain.fam == NADDR_V4 && bits > 32)
		bits = 32;
	t.addr = addr_prefix(&plain, bits, bits);
	t.bits = bits;
	return t;
}

struct ban_target
ban_host(const struct naddr *addr)
{
	struct naddr plain = addr_canon(addr);

	return ban_prefix(&plain, plain.fam == NADDR_V4 ? 32 : 64);
}

static bool
same_target(const struct ban_target *a, const struct ban_target *b)
{
	return a->bits == b->bits && naddr_ip_equal(&a->addr, &b->addr) &&
	    memcmp(a->key, b->key, 32) == 0;
}

static struct ban *
find(const struct bans *b, const struct ban_target *target)
{
	uint32_t i;

	for (i = 0; i < b->cap; i++)
		if (b->list[i].used && same_target(&b->list[i].target, target))
			return &b->list[i];
	return NULL;
}

/* A free place, or that of the ban that ends first and is not the operator's. */
static struct ban *
find_room(struct bans *b, int64_t now_s)
{
	struct ban *victim = NULL;
	uint32_t i;

	for (i = 0; i < b->cap; i++) {
		if (!b->list[i].used) {
			b->n++;
			return &b->list[i];
		}
		if (b->list[i].manual && b->list[i].until > now_s)
			continue;
		if (victim == NULL || b->list[i].until < victim->until)
			victim = &b->list[i];
	}
	return victim;
}

static void
fill(struct ban *ban, const struct ban_target *target, int64_t since,
    int64_t until, const char *reason)
{
	struct ban_target copy = *target; /* may point into the ban */
	size_t i;

	memset(ban, 0, sizeof(*ban));
	ban->used = true;
	ban->target = copy;
	ban->since = since;
	ban->until = until;
	/* A question mark for what is not printable ASCII. */
	for (i = 0; i < BAN_REASON_MAX && reason[i] != '\0'; i++)
		ban->reason[i] =
		    reason[i] >= 0x20 && reason[i] <= 0x7e ? reason[i] : '?';
}

const struct ban *
ban_auto(struct bans *b, const struct ban_target *target, const char *reason,
    struct wall now)
{
	struct ban *ban = find(b, target);
	int64_t s = BAN_FIRST_S, now_s = now.ms / 1000;
	uint8_t level = 0;

	if (ban != NULL && ban->manual && ban->until > now_s)
		return ban; /* the operator has spoken */
	if (ban != NULL && ban->until + BAN_MEMORY_S > now_s && !ban->manual)
		level = (uint8_t)(ban->level + 1);
	while (level > 0 && s << level > BAN_LONGEST_S * 2)
		level--;
	s <<= level;
	if (s > BAN_LONGEST_S)
		s = BAN_LONGEST_S;
	if (ban == NULL)
		ban = find_room(b, now_s);
	if (ban == NULL)
		return NULL;
	fill(ban, target, now_s, now_s + s, reason);
	ban->level = level;
	return ban;
}

const struct ban *
ban_manual(struct bans *b, const struct ban_target *target, int64_t s,
    const char *reason, struct wall now)
{
	struct ban *ban = find(b, target);
	int64_t now_s = now.ms / 1000;

	if (ban == NULL)
		ban = find_room(b, now_s);
	if (ban == NULL)
		return NULL;
	fill(ban, target, now_s,
	    s <= 0 || s > BAN_EVER - now_s ? BAN_EVER : now_s + s, reason);
	ban->manual = true;
	return ban;
}

bool
ban_lift(struct bans *b, const struct ban_target *target)
{
	struct ban *ban = find(b, target);

	if (ban == NULL)
		return false;
	memset(ban, 0, sizeof(*ban));
	b->n--;
	return true;
}

static bool
in_force(const struct ban *ban, struct wall now)
{
	return ban->used && ban->until > now.ms / 1000;
}

const struct ban *
ban_find_key(const struct bans *b, const uint8_t key[32], struct wall now)
{
	struct ban_target t = ban_key(key);
	const struct ban *ban = find(b, &t);

	return ban != NULL && in_force(ban, now) ? ban : NULL;
}

static bool
holds(const struct ban_target *t, const struct naddr *addr)
{
	struct naddr net = addr_prefix(addr, t->bits, t->bits);

	return addr->fam != NADDR_NONE && naddr_ip_equal(&net, &t->addr);
}

const struct ban *
ban_find_addr(const struct bans *b, const struct naddr *addr, struct wall now)
{
	struct naddr plain = addr_canon(addr);
	const struct ban *ban;
	uint32_t i;

	for (i = 0; i < b->cap; i++) {
		ban = &b->list[i];
		if (in_force(ban, now) &&
		    (holds(&ban->target, &plain) || holds(&ban->target, addr)))
			return ban;
	}
	return NULL;
}

const struct ban *
ban_next(const struct bans *b, const struct ban *after, struct wall now)
{
	uint32_t i = after == NULL ? 0 : (uint32_t)(after - b->list) + 1;

	for (; i < b->cap; i++)
		if (in_force(&b->list[i], now))
			return &b->list[i];
	return NULL;
}

/* Row: [key:bin(32), fam, ip:bin, bits, since, until, level, manual, reason] */
static void
put_row(struct wr *w, const struct ban *ban)
{
	const struct naddr *addr = &ban->target.addr;

	mp_wr_array(w, 9);
	mp_wr_bin(w, ban->target.key, 32);
	mp_wr_uint(w, addr->fam);
	mp_wr_bin(w, addr->ip, naddr_ip_len(addr));
	mp_wr_uint(w, ban->target.bits);
	mp_wr_uint(w, (uint64_t)ban->since);
	mp_wr_uint(w, (uint64_t)ban->until);
	mp_wr_uint(w, ban->level);
	mp_wr_uint(w, ban->manual);
	mp_wr_str(w, ban->reason);
}

static void
get_row(struct rd *r, struct ban *ban)
{
	struct ban_target t = { 0 };
	char reason[BAN_REASON_MAX + 1];
	int64_t since, until;
	uint8_t level;
	bool manual;

	mp_rd_arity(r, 9);
	mp_rd_bin_exact(r, t.key, 32);
	t.addr.fam = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	if (t.addr.fam != NADDR_NONE && naddr_ip_len(&t.addr) == 0)
		r->bad = true;
	mp_rd_bin_exact(r, t.addr.ip, naddr_ip_len(&t.addr));
	t.bits = (uint8_t)mp_rd_uint(r, naddr_ip_len(&t.addr) * 8);
	since = (int64_t)mp_rd_uint(r, BAN_EVER);
	until = (int64_t)mp_rd_uint(r, BAN_EVER);
	level = (uint8_t)mp_rd_uint(r, 8);
	manual = mp_rd_uint(r, 1) == 1;
	mp_rd_str(r, reason, sizeof(reason));
	if (t.addr.fam != NADDR_NONE && t.bits == 0)
		r->bad = true;
	fill(ban, &t, since, until, reason);
	ban->level = level;
	ban->manual = manual;
}

void
bans_save(const struct bans *b, struct wr *w)
{
	uint32_t i;

	for (i = 0; i < b->cap; i++)
		if (b->list[i].used)
			put_row(w, &b->list[i]);
}

int
bans_load(struct bans *b, const void *buf, size_t len)
{
	struct ban ban, *at;
	struct rd r;

	rd_init(&r, buf, len);
	while (r.left > 0) {
		get_row(&r, &ban);
		if (r.bad)
			return -1;
		if (ban.target.addr.fam != NADDR_NONE)
			ban.target.addr = addr_prefix(&ban.target.addr,
			    ban.target.bits, ban.target.bits);
		at = find(b, &ban.target);
		if (at == NULL)
			at = find_room(b, 0);
		if (at != NULL)
			*at = ban;
	}
	return 0;
}
