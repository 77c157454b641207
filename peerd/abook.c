/* SPDX-License-Identifier: ISC */
/*
 * The address book, as promised in abook.h.  A cell's place follows from its
 * address and source alone, so an address has one possible cell in each
 * table and is in the book at most once.
 */
#include "peerd/abook.h"

#include <sodium.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"

/* One source group reaches 1/16 of new, one address group 1/32 of tried. */
#define SOURCE_SHARE 16
#define GROUP_SHARE  32

static uint64_t
keyed(const struct abook *ab, uint8_t use, uint64_t a, uint64_t b)
{
	uint8_t in[17], out[crypto_shorthash_BYTES];

	in[0] = use;
	put_u64(in + 1, a);
	put_u64(in + 9, b);
	(void)crypto_shorthash(out, in, sizeof(in), ab->key);
	return get_u64(out);
}

static uint64_t
addr_hash(const struct abook *ab, const struct naddr *addr)
{
	uint8_t in[19], out[crypto_shorthash_BYTES];

	in[0] = addr->fam;
	memcpy(in + 1, addr->ip, 16);
	put_u16(in + 17, addr->port);
	(void)crypto_shorthash(out, in, sizeof(in), ab->key);
	return get_u64(out);
}

static uint32_t
share(uint32_t buckets, uint32_t parts)
{
	return buckets < parts ? 1 : buckets / parts;
}

static uint32_t
new_cell(const struct abook *ab, const struct naddr *addr, uint64_t source)
{
	const struct abook_conf *c = &ab->conf;
	uint64_t of_source = keyed(ab, 1, abook_group(addr), source) %
	    share(c->new_buckets, SOURCE_SHARE);
	uint64_t bucket = keyed(ab, 2, source, of_source) % c->new_buckets;

	return (uint32_t)(bucket * c->new_size +
	    keyed(ab, 3, bucket, addr_hash(ab, addr)) % c->new_size);
}

static uint32_t
n_new_cells(const struct abook *ab)
{
	return ab->conf.new_buckets * ab->conf.new_size;
}

static uint32_t
tried_cell(const struct abook *ab, const struct naddr *addr)
{
	const struct abook_conf *c = &ab->conf;
	uint64_t of_group =
	    addr_hash(ab, addr) % share(c->tried_buckets, GROUP_SHARE);
	uint64_t bucket =
	    keyed(ab, 4, abook_group(addr), of_group) % c->tried_buckets;

	return n_new_cells(ab) +
	    (uint32_t)(bucket * c->tried_size +
		keyed(ab, 5, bucket, addr_hash(ab, addr)) % c->tried_size);
}

uint32_t
abook_cells(const struct abook_conf *conf)
{
	return conf->new_buckets * conf->new_size +
	    conf->tried_buckets * conf->tried_size;
}

void
abook_init(struct abook *ab, const struct abook_conf *conf,
    struct abook_entry *cells, uint32_t *heads, uint32_t n_heads,
    const uint8_t key[16])
{
	uint32_t i;

	ASSERT(conf->new_buckets > 0 && conf->new_size > 0);
	ASSERT(conf->tried_buckets > 0 && conf->tried_size > 0);
	ASSERT(n_heads > 0);
	memset(ab, 0, sizeof(*ab));
	ab->conf = *conf;
	ab->cells = cells;
	ab->heads = heads;
	ab->n_heads = n_heads;
	memcpy(ab->key, key, 16);
	bytes_zero(cells, abook_cells(conf) * sizeof(cells[0]));
	for (i = 0; i < n_heads; i++)
		heads[i] = ABOOK_NIL;
}

uint64_t
abook_group(const struct naddr *addr)
{
	struct naddr plain = addr_canon(addr);
	enum addr_class class = addr_class(&plain);

	if (class == ADDR_PRIVATE || class == ADDR_LINKLOCAL)
		return ABOOK_GROUP_LAN;
	if (plain.fam == NADDR_V4)
		return (uint64_t)NADDR_V4 << 32 | get_u16(plain.ip);
	return (uint64_t)plain.fam << 32 | get_u32(plain.ip);
}

uint64_t
abook_group_via(const uint8_t id[32])
{
	return get_u64(id) | UINT64_C(1) << 63;
}

/* The index. */

static uint32_t *
head_of(const struct abook *ab, const struct naddr *addr)
{
	return &ab->heads[addr_hash(ab, addr) % ab->n_heads];
}

static uint32_t
lookup(const struct abook *ab, const struct naddr *addr)
{
	uint32_t i;

	for (i = *head_of(ab, addr); i != ABOOK_NIL; i = ab->cells[i].next)
		if (naddr_equal(&ab->cells[i].addr, addr))
			return i;
	return ABOOK_NIL;
}

static bool
cell_is_tried(const struct abook *ab, uint32_t i)
{
	return i >= n_new_cells(ab);
}

static void
cell_clear(struct abook *ab, uint32_t i)
{
	uint32_t *at = head_of(ab, &ab->cells[i].addr);

	while (*at != i)
		at = &ab->cells[*at].next;
	*at = ab->cells[i].next;
	memset(&ab->cells[i], 0, sizeof(ab->cells[i]));
	if (cell_is_tried(ab, i))
		ab->n_tried--;
	else
		ab->n_new--;
}

/* Put e into cell i, throwing out what is there. */
static void
cell_set(struct abook *ab, uint32_t i, const struct abook_entry *e)
{
	struct abook_entry copy = *e;
	uint32_t *head;

	if (ab->cells[i].used)
		cell_clear(ab, i);
	head = head_of(ab, &copy.addr);
	copy.used = true;
	copy.next = *head;
	ab->cells[i] = copy;
	*head = i;
	if (cell_is_tried(ab, i))
		ab->n_tried++;
	else
		ab->n_new++;
}

/* Not worth its cell when somebody else wants it. */
static bool
is_worthless(const struct abook_entry *e, int64_t now)
{
	if (now - e->seen > ABOOK_HORIZON_S)
		return true;
	if (e->good == 0)
		return e->fails >= ABOOK_NEW_FAILS;
	return e->fails >= ABOOK_TRIED_FAILS && now - e->good > ABOOK_TRIED_S;
}

static void
set_id(struct abook_entry *e, const uint8_t *id)
{
	if (id == NULL)
		return;
	memcpy(e->id, id, 32);
	e->has_id = true;
}

enum abook_rc
abook_add(struct abook *ab, const struct naddr *addr, const uint8_t *id,
    uint64_t source, struct wall now)
{
	struct abook_entry e = { .addr = addr_canon(addr),
		.source = source,
		.seen = now.ms / 1000 };
	uint32_t i;

	if (naddr_ip_len(&e.addr) == 0 || e.addr.port == 0)
		return ABOOK_FULL;
	i = lookup(ab, &e.addr);
	if (i != ABOOK_NIL) {
		ab->cells[i].seen = e.seen;
		if (ab->cells[i].good == 0) /* a proven id is not overruled */
			set_id(&ab->cells[i], id);
		return ABOOK_SEEN;
	}
	i = new_cell(ab, &e.addr, source);
	if (ab->cells[i].used && !is_worthless(&ab->cells[i], e.seen))
		return ABOOK_FULL;
	set_id(&e, id);
	cell_set(ab, i, &e);
	return ABOOK_ADDED;
}

void
abook_dialled(struct abook *ab, const struct naddr *addr, struct wall now)
{
	struct naddr plain = addr_canon(addr);
	uint32_t i = lookup(ab, &plain);

	if (i != ABOOK_NIL)
		ab->cells[i].dialled = now.ms / 1000;
}

/* Back into its new cell; what once worked beats what is there. */
static void
demote(struct abook *ab, uint32_t i)
{
	struct abook_entry e = ab->cells[i];

	cell_clear(ab, i);
	cell_set(ab, new_cell(ab, &e.addr, e.source), &e);
}

/* Into its tried cell, whose holder goes back to new. */
static void
promote(struct abook *ab, uint32_t i)
{
	struct abook_entry e = ab->cells[i];
	uint32_t cell = tried_cell(ab, &e.addr);

	cell_clear(ab, i);
	if (ab->cells[cell].used)
		demote(ab, cell);
	cell_set(ab, cell, &e);
}

static void
clash_drop(struct abook *ab, uint32_t at)
{
	ab->clashes[at] = ab->clashes[--ab->n_clashes];
}

/* The clash that addr holds a cell in, or n_clashes. */
static uint32_t
clash_find(const struct abook *ab, const struct naddr *addr)
{
	uint32_t i;

	for (i = 0; i < ab->n_clashes; i++)
		if (naddr_equal(&ab->clashes[i].holder, addr))
			break;
	return i;
}

static enum abook_rc
challenge(struct abook *ab, uint32_t newcomer, uint32_t holder)
{
	struct abook_clash *c;

	if (ab->n_clashes < ABOOK_CLASHES &&
	    clash_find(ab, &ab->cells[holder].addr) == ab->n_clashes) {
		c = &ab->clashes[ab->n_clashes++];
		c->newcomer = ab->cells[newcomer].addr;
		c->holder = ab->cells[holder].addr;
	}
	return ABOOK_CLASH;
}

enum abook_rc
abook_good(struct abook *ab, const struct naddr *addr, const uint8_t id[32],
    struct wall now)
{
	struct naddr plain = addr_canon(addr);
	struct abook_entry *e;
	uint32_t i, cell, at;

	if (lookup(ab, &plain) == ABOOK_NIL)
		(void)abook_add(ab, &plain, id, abook_group(&plain), now);
	i = lookup(ab, &plain);
	if (i == ABOOK_NIL)
		return ABOOK_FULL;
	e = &ab->cells[i];
	e->seen = e->good = now.ms / 1000;
	e->fails = 0;
	set_id(e, id);
	if (cell_is_tried(ab, i)) {
		at = clash_find(ab, &plain);
		if (at < ab->n_clashes)
			clash_drop(ab, at); /* it has proved itself */
		return ABOOK_TRIED;
	}
	cell = tried_cell(ab, &plain);
	if (ab->cells[cell].used && !is_worthless(&ab->cells[cell], e->good))
		return challenge(ab, i, cell);
	promote(ab, i);
	return ABOOK_TRIED;
}

void
abook_failed(struct abook *ab, const struct naddr *addr, struct wall now)
{
	struct naddr plain = addr_canon(addr), newcomer;
	uint32_t i = lookup(ab, &plain), at;

	if (i == ABOOK_NIL)
		return;
	ab->cells[i].dialled = now.ms / 1000;
	if (ab->cells[i].fails < UINT8_MAX)
		ab->cells[i].fails++;
	at = clash_find(ab, &plain);
	if (at == ab->n_clashes)
		return;
	newcomer = ab->clashes[at].newcomer;
	clash_drop(ab, at);
	i = lookup(ab, &newcomer);
	if (i != ABOOK_NIL && !cell_is_tried(ab, i))
		promote(ab, i);
}

int64_t
abook_due(const struct abook_entry *e)
{
	int64_t wait = ABOOK_WAIT_MIN_S;
	unsigned i;

	if (e->dialled == 0)
		return 0;
	for (i = 0; i < e->fails && wait < ABOOK_WAIT_MAX_S; i++)
		wait *= 2;
	return e->dialled + (wait < ABOOK_WAIT_MAX_S ? wait : ABOOK_WAIT_MAX_S);
}

/* How choosy a search is; each pass asks for less. */
enum pass { PASS_NEW_GROUP, PASS_WORTHY, PASS_ANY, PASS_N };

/* A dial in the future means that the clock was set back: no reason to wait. */
static bool
is_due(const struct abook_entry *e, int64_t now)
{
	return abook_due(e) <= now || e->dialled > now;
}

static bool
suits(const struct abook_entry *e, const struct abook_want *want,
    enum pass pass, int64_t now)
{
	uint64_t group;
	size_t i;

	if (!e->used || !is_due(e, now))
		return false;
	if (pass < PASS_ANY && is_worthless(e, now))
		return false;
	group = abook_group(&e->addr);
	for (i = 0; pass == PASS_NEW_GROUP && i < want->n_groups; i++)
		if (want->groups[i] == group)
			return false;
	return want->suits == NULL || want->suits(want->ctx, e);
}

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	uint32_t t;

	while (b != 0) {
		t = a % b;
		a = b;
		b = t;
	}
	return a;
}

/*
 * Walk n cells from a random start in random strides.  Steps of one would
 * favour whoever sits behind a gap, and an attacker can look for gaps.
 */
static const struct abook_entry *
search(const struct abook_entry *cells, uint32_t n,
    const struct abook_want *want, enum pass pass, int64_t now)
{
	uint32_t at = (uint32_t)((want->rnd >> 1 & 0x7fffffff) % n);
	uint32_t stride = (uint32_t)(want->rnd >> 32) % n;
	uint32_t i;

	while (gcd(stride, n) != 1)
		stride = (stride + 1) % n;
	for (i = 0; i < n; i++) {
		if (suits(&cells[at], want, pass, now))
			return &cells[at];
		at = (uint32_t)(((uint64_t)at + stride) % n);
	}
	return NULL;
}

const struct abook_entry *
abook_pick(const struct abook *ab, const struct abook_want *want,
    struct wall now)
{
	uint32_t n[2] = { n_new_cells(ab),
		ab->conf.tried_buckets * ab->conf.tried_size };
	const struct abook_entry *cells[2] = { ab->cells, ab->cells + n[0] };
	unsigned coin = want->new_only ? 0 : want->rnd & 1, k;
	const struct abook_entry *e;
	enum pass pass;

	for (pass = PASS_NEW_GROUP; pass < PASS_N; pass++) {
		for (k = 0; k < (want->new_only ? 1u : 2u); k++) {
			e = search(cells[coin ^ k], n[coin ^ k], want, pass,
			    now.ms / 1000);
			if (e != NULL)
				return e;
		}
	}
	return NULL;
}

const struct abook_entry *
abook_test(const struct abook *ab, struct wall now)
{
	const struct abook_entry *e;
	uint32_t i;

	for (i = 0; i < ab->n_clashes; i++) {
		e = abook_find(ab, &ab->clashes[i].holder);
		if (e != NULL && is_due(e, now.ms / 1000))
			return e;
	}
	return NULL;
}

const struct abook_entry *
abook_find(const struct abook *ab, const struct naddr *addr)
{
	struct naddr plain = addr_canon(addr);
	uint32_t i = lookup(ab, &plain);

	return i == ABOOK_NIL ? NULL : &ab->cells[i];
}

bool
abook_is_tried(const struct abook *ab, const struct abook_entry *e)
{
	return cell_is_tried(ab, (uint32_t)(e - ab->cells));
}

const struct abook_entry *
abook_next(const struct abook *ab, const struct abook_entry *after)
{
	uint32_t n = abook_cells(&ab->conf);
	uint32_t i = after == NULL ? 0 : (uint32_t)(after - ab->cells) + 1;

	for (; i < n; i++)
		if (ab->cells[i].used)
			return &ab->cells[i];
	return NULL;
}

void
abook_source_init(struct abook_source *s, struct mono now)
{
	s->milli = ABOOK_SOURCE_BURST * 1000;
	s->last = now;
}

bool
abook_source_take(struct abook_source *s, struct mono now)
{
	int64_t gained = mono_ms_between(s->last, now) / 10;

	if (gained > 0) {
		s->last = mono_add_ms(s->last, gained * 10);
		if (gained > ABOOK_SOURCE_BURST * 1000 - s->milli)
			gained = ABOOK_SOURCE_BURST * 1000 - s->milli;
		s->milli += (uint32_t)gained;
	}
	if (s->milli < 1000)
		return false;
	s->milli -= 1000;
	return true;
}

void
abook_restore(struct abook *ab, const struct abook_entry *e, bool tried)
{
	uint32_t cell = tried_cell(ab, &e->addr);

	if (lookup(ab, &e->addr) != ABOOK_NIL)
		return;
	if (!tried || ab->cells[cell].used)
		cell = new_cell(ab, &e->addr, e->source);
	if (!ab->cells[cell].used)
		cell_set(ab, cell, e);
}
