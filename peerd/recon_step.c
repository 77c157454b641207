/* SPDX-License-Identifier: ISC */
/*
 * Comparing ranges: what each of them makes us say, as laid down in recon.h.
 * Nothing is remembered between two calls but what recon.c keeps.
 */
#include <string.h>

#include "common/buggify.h"
#include "peerd/recon_priv.h"

#define MS_BITS  40
#define MS_MASK  ((UINT64_C(1) << MS_BITS) - 1)
#define FULL_BIN (RECON_LIST_MAX * RECON_FULL_LEN)

static const struct mtree *
tree(const struct recon_step *st)
{
	return st->rc->conf.tree;
}

static uint64_t
count(const struct recon_step *st, const struct recon_range *r,
    struct tree_sum *sum)
{
	mtree_sum(tree(st), st->ver, r->prefix, r->bits, sum);
	return sum->cnt;
}

static size_t
list(const struct recon_step *st, const struct recon_range *r,
    struct mtree_entry *out, size_t max)
{
	return mtree_list(tree(st), st->ver, r->prefix, r->bits, NULL, out,
	    max);
}

/* No message is honestly answered with more records than RECON_PUSH_MAX. */
static void
push(struct recon_step *st, const uint8_t key[32])
{
	if (st->out > RECON_PUSH_MAX) {
		st->rc->dropped++;
		return;
	}
	st->rc->pushed++;
	st->out += RECON_PUSH_COST;
	st->rc->conf.ops.push(st->rc->conf.ops.arg, st->peer, st->sid, key);
}

/* Items */

struct item {
	uint32_t kid;
	uint64_t ms;
	uint8_t ver;
};

static uint32_t
kid_of(const struct recon_step *st, const uint8_t key[32])
{
	return (uint32_t)recon_hash(st, key, 32) & 0xffffff;
}

static void
item_of(struct item *it, const struct recon_step *st,
    const struct mtree_entry *e)
{
	it->kid = kid_of(st, e->key);
	it->ms = e->hlc >> 16 & MS_MASK;
	it->ver = (uint8_t)recon_hash(st, e->rid, 32);
}

static void
put_kid(struct wr *w, uint32_t kid)
{
	wr_u8(w, (uint8_t)(kid >> 16));
	wr_u16(w, (uint16_t)kid);
}

static uint32_t
get_kid(struct rd *r)
{
	uint32_t high = rd_u8(r);

	return high << 16 | rd_u16(r);
}

static void
put_item(struct wr *w, const struct item *it)
{
	put_kid(w, it->kid);
	wr_u8(w, (uint8_t)(it->ms >> 32));
	wr_u32(w, (uint32_t)it->ms);
	wr_u8(w, it->ver);
}

static void
get_item(struct rd *r, struct item *it)
{
	it->kid = get_kid(r);
	it->ms = (uint64_t)rd_u8(r) << 32;
	it->ms |= rd_u32(r);
	it->ver = rd_u8(r);
}

/* Later than b, seeing that both wrap after 34 years: -1, 0 or 1. */
static int
ms_cmp(uint64_t a, uint64_t b)
{
	uint64_t ahead = (a - b) & MS_MASK;

	if (ahead == 0)
		return 0;
	return ahead < UINT64_C(1) << (MS_BITS - 1) ? 1 : -1;
}

/* Telling */

static void
tell_items(struct recon_step *st, const struct recon_range *r)
{
	uint8_t bin[RECON_LIST * RECON_ITEM_LEN];
	struct mtree_entry e[RECON_LIST];
	struct item it;
	struct wr w;
	size_t i, n;

	n = list(st, r, e, RECON_LIST);
	wr_init(&w, bin, sizeof(bin));
	for (i = 0; i < n; i++) {
		item_of(&it, st, &e[i]);
		put_item(&w, &it);
	}
	recon_add(st, RECON_ITEMS, r, bin, w.len);
}

static void
tell_full(struct recon_step *st, const struct recon_range *r,
    const struct mtree_entry *e, size_t n)
{
	uint8_t bin[FULL_BIN];
	struct wr w;
	size_t i;

	wr_init(&w, bin, sizeof(bin));
	for (i = 0; i < n; i++) {
		wr_bytes(&w, e[i].key, 32);
		wr_bytes(&w, e[i].rid, 32);
	}
	recon_add(st, RECON_FULL, r, bin, w.len);
}

static void
fp_of(uint8_t fp[8], const struct recon_step *st, const struct tree_sum *sum)
{
	put_u64(fp, recon_hash(st, sum->h, 32));
}

/* Is the answer long enough?  The initiator has its window instead. */
static bool
is_spent(const struct recon_step *st)
{
	return !st->initiator &&
	    (st->out > RECON_REPLY_MAX || BUGGIFY(recon_spent));
}

/*
 * Our parts of a range; uncut when the answer is long enough already, which
 * hands the cutting over to them.
 */
static void
tell_parts(struct recon_step *st, const struct recon_range *r)
{
	uint8_t bin[RECON_PARTS * (1 + 32 + 8)];
	struct mtree_range own[RECON_PARTS];
	size_t i, n, max = RECON_PARTS;
	struct recon_part part;
	struct wr w;

	if (is_spent(st))
		max = 1;
	n = mtree_split(tree(st), st->ver, r->prefix, r->bits, RECON_LIST, own,
	    max);
	wr_init(&w, bin, sizeof(bin));
	for (i = 0; i < n; i++) {
		memcpy(part.range.prefix, own[i].prefix, 32);
		part.range.bits = own[i].bits;
		fp_of(part.fp, st, &own[i].set);
		recon_put_part(&w, r, &part);
	}
	recon_add(st, RECON_RANGE, r, bin, w.len);
}

bool
recon_tell(struct recon_step *st, const struct recon_range *r)
{
	struct tree_sum sum;
	uint64_t cnt = count(st, r, &sum);

	if (st->initiator && recon_defer(st, r, cnt))
		return false;
	if (cnt <= RECON_LIST)
		tell_items(st, r);
	else
		tell_parts(st, r);
	return true;
}

void
recon_begin(struct recon_step *st)
{
	struct recon_range all = { .bits = 0 };

	(void)recon_tell(st, &all);
}

/* Being told parts */

/* Is key below, within or above the range?  -1, 0, 1. */
static int
place(const uint8_t key[32], const struct recon_range *r)
{
	unsigned differ = tree_diff_bit(key, r->prefix);

	if (differ >= r->bits)
		return 0;
	return tree_bit(key, differ) == 0 ? -1 : 1;
}

/* How a range of ours lies to the parts. */
enum lie { LIE_GAP, LIE_WITHIN, LIE_AROUND };

static enum lie
lie(const struct recon_range *r, const struct recon_part *parts, size_t n)
{
	const struct recon_range *p;
	size_t i;

	for (i = 0; i < n; i++) {
		p = &parts[i].range;
		if (p->bits <= r->bits && place(r->prefix, p) == 0)
			return LIE_WITHIN;
		if (p->bits > r->bits && place(p->prefix, r) == 0)
			return LIE_AROUND;
	}
	return LIE_GAP;
}

static void
push_leaf(struct recon_step *st, const struct recon_range *r,
    const struct recon_part *parts, size_t n_parts)
{
	struct mtree_entry e[RECON_LIST];
	size_t i, j, n;

	n = list(st, r, e, RECON_LIST);
	for (i = 0; i < n; i++) {
		for (j = 0; j < n_parts; j++)
			if (place(e[i].key, &parts[j].range) == 0)
				break;
		if (j == n_parts)
			push(st, e[i].key);
	}
}

/*
 * Tell of what we have in r beside the parts: descend our own tree to where
 * the parts are, and no further, so nobody can make us walk bit by bit.
 */
static void
tell_gaps(struct recon_step *st, const struct recon_range *r,
    const struct recon_part *parts, size_t n_parts)
{
	struct mtree_range own[2];
	struct recon_range half;
	size_t i, n;

	n = mtree_split(tree(st), st->ver, r->prefix, r->bits, 0, own, 2);
	if (n == 1)
		push_leaf(st, r, parts, n_parts);
	for (i = 0; n == 2 && i < n; i++) {
		memcpy(half.prefix, own[i].prefix, 32);
		half.bits = own[i].bits;
		switch (lie(&half, parts, n_parts)) {
		case LIE_WITHIN:
			break;
		case LIE_AROUND:
			tell_gaps(st, &half, parts, n_parts);
			break;
		case LIE_GAP:
			if (own[i].set.cnt > RECON_LIST)
				(void)recon_tell(st, &half);
			else
				push_leaf(st, &half, NULL, 0);
			break;
		}
	}
}

static bool
on_parts(struct recon_step *st, const struct recon_range *r, const uint8_t *bin,
    size_t len)
{
	struct recon_part parts[RECON_PARTS];
	struct tree_sum all, sum[RECON_PARTS];
	uint64_t in_parts = 0;
	uint8_t fp[8];
	struct rd rd;
	size_t i, n = 0;

	rd_init(&rd, bin, len);
	while (rd.left > 0) {
		if (n == RECON_PARTS || !recon_get_part(&rd, r, &parts[n]))
			return false;
		/* Beginning above all of the one before. */
		if (n > 0 &&
		    place(parts[n].range.prefix, &parts[n - 1].range) <= 0)
			return false;
		n++;
	}
	if (n == 0)
		return false;
	if (is_spent(st)) {
		(void)recon_tell(st, r);
		return true;
	}
	for (i = 0; i < n; i++)
		in_parts += count(st, &parts[i].range, &sum[i]);
	if (count(st, r, &all) > in_parts)
		tell_gaps(st, r, parts, n);
	for (i = 0; i < n; i++) {
		fp_of(fp, st, &sum[i]);
		if (memcmp(fp, parts[i].fp, sizeof(fp)) != 0)
			(void)recon_tell(st, &parts[i].range);
	}
	return true;
}

/* Being told items */

/* What a list makes us ask for. */
struct asking {
	uint8_t ids[RECON_LIST_MAX * RECON_KID_LEN];
	struct wr w;
};

static void
ask(struct asking *a, struct recon_step *st, const struct recon_range *r,
    const struct item *it)
{
	if (recon_want(st, r, it->ms)) {
		put_kid(&a->w, it->kid);
		st->rc->wanted++;
	}
}

/*
 * One record of theirs against ours, NULL when we have none of that name.
 * True when they are the same.
 */
static bool
compare(struct asking *a, struct recon_step *st, const struct recon_range *r,
    const struct item *theirs, const struct mtree_entry *e)
{
	struct item ours;
	int cmp = 1;

	if (e != NULL) {
		item_of(&ours, st, e);
		cmp = ms_cmp(theirs->ms, ours.ms);
		if (cmp == 0 && theirs->ver == ours.ver)
			return true;
	}
	/* Of one millisecond either may win: both travel. */
	if (cmp >= 0)
		ask(a, st, r, theirs);
	if (cmp <= 0)
		push(st, e->key);
	return false;
}

static size_t
find_kid(const struct recon_step *st, const struct mtree_entry *e, size_t n,
    uint32_t kid)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (kid_of(st, e[i].key) == kid)
			break;
	return i;
}

static bool
on_items(struct recon_step *st, const struct recon_range *r, const uint8_t *bin,
    size_t len)
{
	bool same = true, met[RECON_LIST] = { false };
	struct mtree_entry e[RECON_LIST];
	struct tree_sum sum;
	struct asking a;
	struct item it;
	struct rd rd;
	size_t i, at, n;

	if (len % RECON_ITEM_LEN != 0)
		return false;
	if (count(st, r, &sum) > RECON_LIST) {
		(void)recon_tell(st, r);
		return true;
	}
	n = list(st, r, e, RECON_LIST);
	wr_init(&a.w, a.ids, sizeof(a.ids));
	rd_init(&rd, bin, len);
	while (rd.left > 0) {
		get_item(&rd, &it);
		at = find_kid(st, e, n, it.kid);
		if (at < n)
			met[at] = true;
		same &= compare(&a, st, r, &it, at < n ? &e[at] : NULL);
	}
	for (i = 0; i < n; i++) {
		if (!met[i]) {
			push(st, e[i].key);
			same = false;
		}
	}
	if (same && n > 0)
		tell_full(st, r, e, n); /* the hashes differed all the same */
	if (a.w.len > 0)
		recon_add(st, RECON_WANT, r, a.ids, a.w.len);
	return true;
}

/* Told whole keys and rids: nothing is left to chance. */
static bool
on_full(struct recon_step *st, const struct recon_range *r, const uint8_t *bin,
    size_t len)
{
	bool met[RECON_LIST] = { false };
	struct mtree_entry e[RECON_LIST];
	struct tree_sum sum;
	struct asking a;
	struct item it = { 0 };
	const uint8_t *at;
	size_t i, j, n;

	if (len % RECON_FULL_LEN != 0)
		return false;
	if (count(st, r, &sum) > RECON_LIST) {
		(void)recon_tell(st, r);
		return true;
	}
	n = list(st, r, e, RECON_LIST);
	wr_init(&a.w, a.ids, sizeof(a.ids));
	for (i = 0; i < len; i += RECON_FULL_LEN) {
		at = bin + i;
		for (j = 0; j < n && memcmp(e[j].key, at, 32) != 0; j++)
			;
		if (j < n) {
			met[j] = true;
			if (memcmp(e[j].rid, at + 32, 32) == 0)
				continue;
			push(st, e[j].key);
		}
		/* Their stamp is not told; a tag of its own will do. */
		it.kid = kid_of(st, at);
		it.ms = get_u64(at + 32) & MS_MASK;
		ask(&a, st, r, &it);
	}
	for (i = 0; i < n; i++)
		if (!met[i])
			push(st, e[i].key);
	if (a.w.len > 0)
		recon_add(st, RECON_WANT, r, a.ids, a.w.len);
	return true;
}

static bool
on_want(struct recon_step *st, const struct recon_range *r, const uint8_t *bin,
    size_t len)
{
	struct mtree_entry e[RECON_LIST];
	bool pushed[RECON_LIST] = { false };
	struct rd rd;
	size_t at, n;

	if (len == 0 || len % RECON_KID_LEN != 0)
		return false;
	/* Ids are told in ranges of so many only. */
	n = list(st, r, e, RECON_LIST);
	rd_init(&rd, bin, len);
	while (rd.left > 0) {
		at = find_kid(st, e, n, get_kid(&rd));
		if (at < n && !pushed[at]) {
			pushed[at] = true;
			push(st, e[at].key);
		}
	}
	return true;
}

static size_t
list_max(enum recon_type type)
{
	switch (type) {
	case RECON_RANGE:
		return RECON_PARTS * (1 + 32 + 8);
	case RECON_ITEMS:
		return RECON_LIST_MAX * RECON_ITEM_LEN;
	case RECON_WANT:
		return RECON_LIST_MAX * RECON_KID_LEN;
	default:
		return RECON_LIST_MAX * RECON_FULL_LEN;
	}
}

bool
recon_on_range(struct recon_step *st, enum recon_type type,
    const struct recon_range *r, const uint8_t *bin, size_t len)
{
	/* More than anybody lists: refused before it costs anything. */
	if (len > list_max(type))
		return false;
	switch (type) {
	case RECON_RANGE:
		return on_parts(st, r, bin, len);
	case RECON_ITEMS:
		return on_items(st, r, bin, len);
	case RECON_FULL:
		return on_full(st, r, bin, len);
	case RECON_WANT:
		return on_want(st, r, bin, len);
	default:
		return false;
	}
}
