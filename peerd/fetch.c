/* SPDX-License-Identifier: ISC */
/*
 * A block from several holders, as promised in fetch.h.
 *
 * A chunk belongs to the peer it was asked of last.  When that one is late
 * another may be asked, but what the first still sends is taken: on a slow
 * link everything is late, and throwing it away would never end.
 */
#include "peerd/fetch.h"

#include <string.h>

#include "common/assert.h"
#include "common/mp.h"
#include "peerd/wire.h"

#define RETRY_MS 100 /* a link that took no more */

/* --- messages --- */

uint32_t
fetch_half_len(uint32_t size, unsigned i, unsigned half)
{
	uint32_t len;

	if (i >= blocks_chunks(size) || half > 1)
		return 0;
	len = blocks_chunk_len(size, i);
	if (half == 1)
		return len > FETCH_HALF ? len - FETCH_HALF : 0;
	return len > FETCH_HALF ? FETCH_HALF : len;
}

static void
get_man(struct rd *r, struct fetch_msg *m)
{
	m->size = (uint32_t)mp_rd_uint(r, BLOCK_SIZE_MAX);
	m->bytes = mp_rd_bin(r, 0, BLOCK_CHUNKS_MAX * 32, &m->len);
	m->n = blocks_chunks(m->size);
	r->bad |= m->len != m->n * 32u;
}

static void
get_get(struct rd *r, struct fetch_msg *m)
{
	m->i = (unsigned)mp_rd_uint(r, BLOCK_CHUNKS_MAX - 1);
	m->n = (unsigned)mp_rd_uint(r, BLOCK_CHUNKS_MAX);
	r->bad |= m->n == 0 || m->n > BLOCK_CHUNKS_MAX - m->i;
}

static void
get_chunk(struct rd *r, struct fetch_msg *m)
{
	m->i = (unsigned)mp_rd_uint(r, BLOCK_CHUNKS_MAX - 1);
	m->half = (unsigned)mp_rd_uint(r, 1);
	m->bytes = mp_rd_bin(r, 1, FETCH_HALF, &m->len);
}

bool
fetch_decode(struct fetch_msg *m, const void *msg, size_t len)
{
	static const struct {
		uint8_t type, arity;
		void (*get)(struct rd *r, struct fetch_msg *m);
	} types[] = { { WIRE_GETMAN, 2, NULL }, { WIRE_MAN, 4, get_man },
		{ WIRE_GET, 4, get_get }, { WIRE_CHUNK, 5, get_chunk } };
	uint32_t type = wire_peek(msg, len);
	struct rd r;
	size_t i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			break;
	if (i == sizeof(types) / sizeof(types[0]))
		return false;
	rd_init(&r, msg, len);
	mp_rd_arity(&r, types[i].arity);
	m->type = (uint8_t)mp_rd_uint(&r, UINT8_MAX);
	mp_rd_bin_exact(&r, m->id, 32);
	if (types[i].get != NULL)
		types[i].get(&r, m);
	return rd_done(&r);
}

static void
put_head(struct wr *w, uint32_t arity, unsigned type, const uint8_t id[32])
{
	mp_wr_array(w, arity);
	mp_wr_uint(w, type);
	mp_wr_bin(w, id, 32);
}

void
fetch_put_getman(struct wr *w, const uint8_t id[32])
{
	put_head(w, 2, WIRE_GETMAN, id);
}

void
fetch_put_man(struct wr *w, const uint8_t id[32], const struct manifest *m)
{
	put_head(w, 4, WIRE_MAN, id);
	mp_wr_uint(w, m == NULL ? 0 : m->size);
	if (m == NULL)
		mp_wr_bin(w, "", 0);
	else
		mp_wr_bin(w, m->chunks, blocks_chunks(m->size) * 32u);
}

void
fetch_put_get(struct wr *w, const uint8_t id[32], unsigned first, unsigned n)
{
	put_head(w, 4, WIRE_GET, id);
	mp_wr_uint(w, first);
	mp_wr_uint(w, n);
}

void
fetch_put_chunk(struct wr *w, const uint8_t id[32], unsigned i, unsigned half,
    const void *bytes, size_t len)
{
	put_head(w, 5, WIRE_CHUNK, id);
	mp_wr_uint(w, i);
	mp_wr_uint(w, half);
	mp_wr_bin(w, bytes, len);
}

/* --- peers --- */

static struct fetch_peer *
find(struct fetch *f, uint32_t peer)
{
	struct fetch_peer *p;

	for (p = f->peers; peer != 0 && p < f->peers + FETCH_PEERS_MAX; p++)
		if (p->peer == peer)
			return p;
	return NULL;
}

static unsigned
slot_of(const struct fetch *f, const struct fetch_peer *p)
{
	return (unsigned)(p - f->peers);
}

bool
fetch_has_peer(const struct fetch *f, uint32_t peer)
{
	unsigned i;

	for (i = 0; i < FETCH_PEERS_MAX; i++)
		if (f->peers[i].peer == peer)
			return true;
	return false;
}

unsigned
fetch_peers(const struct fetch *f)
{
	unsigned i, n = 0;

	for (i = 0; i < FETCH_PEERS_MAX; i++)
		n += f->peers[i].peer != 0;
	return n;
}

static int64_t
wait_ms(const struct fetch_peer *p)
{
	int64_t ms = 3 * p->srtt_us / 1000;

	return ms < FETCH_WAIT_MIN_MS ? FETCH_WAIT_MIN_MS
	    : ms > FETCH_WAIT_MAX_MS  ? FETCH_WAIT_MAX_MS
				      : ms;
}

static void
measured(struct fetch_peer *p, struct mono asked, struct mono now)
{
	int64_t us = now.us - asked.us;

	p->srtt_us = p->srtt_us == 0 ? us : (7 * p->srtt_us + us) / 8;
}

/* Nobody is asked for this chunk now. */
static void
release(struct fetch *f, struct fetch_chunk *c)
{
	if (c->owner != 0)
		f->peers[c->owner - 1].flight--;
	c->owner = 0;
}

/* Forget a slot: it may belong to somebody else at once. */
static void
clear(struct fetch *f, struct fetch_peer *p)
{
	unsigned slot = slot_of(f, p), i, h;
	struct fetch_chunk *c;

	for (i = 0; i < BLOCK_CHUNKS_MAX; i++) {
		c = &f->chunks[i];
		if (c->owner == slot + 1)
			release(f, c);
		c->asked_of &= (uint8_t) ~(1u << slot);
		for (h = 0; h < 2 && !c->done; h++)
			if (c->from[h] == slot + 1)
				c->from[h] = 0;
	}
	memset(p, 0, sizeof(*p));
}

static void
drop(struct fetch *f, struct fetch_peer *p, enum fetch_gone why)
{
	uint32_t peer = p->peer;

	clear(f, p);
	f->ops.gone(f->ops.arg, peer, why);
}

/* --- asking --- */

static bool
send(struct fetch *f, const struct fetch_peer *p, const struct wr *w)
{
	ASSERT(!w->bad);
	return f->ops.send(f->ops.arg, p->peer, w->p, w->len);
}

static void
later(struct fetch *f, struct mono t)
{
	f->due = mono_min(f->due, t);
}

static void
ask_manifest(struct fetch *f, struct mono now)
{
	struct fetch_peer *p;
	uint8_t buf[64];
	struct wr w;

	for (p = f->peers; p < f->peers + FETCH_PEERS_MAX; p++)
		if (p->asked_man)
			return; /* it has time until its wait is over */
	for (p = f->peers; p < f->peers + FETCH_PEERS_MAX; p++) {
		if (p->peer == 0)
			continue;
		wr_init(&w, buf, sizeof(buf));
		fetch_put_getman(&w, f->id);
		if (!send(f, p, &w)) {
			later(f, mono_add_ms(now, RETRY_MS));
			continue;
		}
		p->asked_man = true;
		p->asked = now;
		later(f, mono_add_ms(now, wait_ms(p)));
		return;
	}
}

/* Chunks first..first+n-1 of this peer; false when they could not be. */
static bool
ask_chunks(struct fetch *f, struct fetch_peer *p, unsigned first, unsigned n,
    struct mono now)
{
	struct fetch_chunk *c;
	uint8_t buf[64];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	fetch_put_get(&w, f->id, first, n);
	if (!send(f, p, &w)) {
		later(f, mono_add_ms(now, RETRY_MS));
		return false;
	}
	if (p->flight == 0)
		p->heard = now; /* its clock starts with the first */
	for (c = f->chunks + first; c < f->chunks + first + n; c++) {
		release(f, c);
		if (c->strict)
			c->from[0] = c->from[1] = 0;
		c->owner = (uint8_t)(slot_of(f, p) + 1);
		c->asked_of |= (uint8_t)(1u << slot_of(f, p));
		c->asked = now;
		p->flight++;
	}
	later(f, mono_add_ms(now, wait_ms(p)));
	return true;
}

/* The first run of chunks nobody is asked for, at most max. */
static unsigned
free_run(const struct fetch *f, unsigned max, unsigned *first)
{
	unsigned i, n = 0, all = blocks_chunks(f->man.size);

	for (i = 0; i < all && n < max; i++) {
		if (!f->chunks[i].done && f->chunks[i].owner == 0) {
			if (n++ == 0)
				*first = i;
		} else if (n > 0) {
			break;
		}
	}
	return n;
}

static unsigned
n_free(const struct fetch *f)
{
	unsigned i, n = 0;

	for (i = 0; i < blocks_chunks(f->man.size); i++)
		n += !f->chunks[i].done && f->chunks[i].owner == 0;
	return n;
}

/* Each peer gets its part of what is left, so that all end together. */
static void
fill(struct fetch *f, struct fetch_peer *p, struct mono now)
{
	unsigned peers = fetch_peers(f), share, first = 0, n;

	share = (n_free(f) + peers - 1) / peers;
	if (p->strikes > 0) /* it was silent: one, to see whether it lives */
		share = p->flight == 0 && share > 0;
	while (p->flight < FETCH_FLIGHT && share > 0) {
		n = FETCH_FLIGHT - p->flight;
		n = free_run(f, n < share ? n : share, &first);
		if (n == 0 || !ask_chunks(f, p, first, n, now))
			return;
		share -= n;
	}
}

/*
 * A peer with nothing to do takes over the chunk that another was asked for
 * longest ago, once that one is late.
 */
static void
steal(struct fetch *f, struct fetch_peer *p, struct mono now)
{
	struct fetch_chunk *c, *oldest = NULL;
	struct mono late;

	for (c = f->chunks; c < f->chunks + blocks_chunks(f->man.size); c++) {
		if (c->done || c->owner == 0 || c->owner == slot_of(f, p) + 1)
			continue;
		late = mono_add_ms(c->asked, wait_ms(&f->peers[c->owner - 1]));
		later(f, late);
		if (mono_reached(late, now) &&
		    (oldest == NULL || mono_before(c->asked, oldest->asked)))
			oldest = c;
	}
	if (oldest != NULL)
		(void)ask_chunks(f, p, (unsigned)(oldest - f->chunks), 1, now);
}

static void
ask(struct fetch *f, struct mono now)
{
	struct fetch_peer *p;

	if (f->state == FETCH_MANIFEST)
		ask_manifest(f, now);
	if (f->state != FETCH_CHUNKS)
		return;
	for (p = f->peers; p < f->peers + FETCH_PEERS_MAX; p++)
		if (p->peer != 0)
			fill(f, p, now);
	for (p = f->peers; p < f->peers + FETCH_PEERS_MAX; p++)
		if (p->peer != 0 && p->flight == 0)
			steal(f, p, now);
}

/* --- answers --- */

static bool
is_manifest(const struct fetch *f, const struct fetch_msg *m,
    struct manifest *man)
{
	uint8_t id[32];

	man->size = m->size;
	memcpy(man->chunks, m->bytes, m->len);
	blocks_id(id, man);
	return memcmp(id, f->id, 32) == 0;
}

static void
on_man(struct fetch *f, struct fetch_peer *p, const struct fetch_msg *m,
    struct mono now)
{
	if (m->size == 0) {
		drop(f, p, FETCH_LACKS);
		return;
	}
	if (f->state != FETCH_MANIFEST)
		return; /* the second of two */
	if (!is_manifest(f, m, &f->man)) {
		drop(f, p, FETCH_BAD);
		return;
	}
	if (p->asked_man)
		measured(p, p->asked, now);
	p->asked_man = false;
	p->strikes = 0;
	p->heard = f->progress = now;
	f->body = f->ops.room(f->ops.arg, f->man.size);
	f->state = f->body == NULL ? FETCH_FAILED : FETCH_CHUNKS;
}

static bool
is_whole(const struct fetch *f, unsigned i)
{
	const struct fetch_chunk *c = &f->chunks[i];

	return c->from[0] != 0 &&
	    (c->from[1] != 0 || fetch_half_len(f->man.size, i, 1) == 0);
}

/* All of a chunk is here.  Is it the right one, and if not, whose fault? */
static void
on_whole(struct fetch *f, unsigned i)
{
	struct fetch_chunk *c = &f->chunks[i];
	uint8_t a = c->from[0], b = c->from[1] == 0 ? a : c->from[1];

	release(f, c);
	if (blocks_is_chunk(&f->man, i, f->body + (size_t)i * BLOCK_CHUNK,
		blocks_chunk_len(f->man.size, i))) {
		c->done = true;
		if (++f->n_done == blocks_chunks(f->man.size))
			f->state = FETCH_DONE;
		return;
	}
	c->from[0] = c->from[1] = 0;
	c->asked_of = 0;
	if (a == b)
		drop(f, &f->peers[a - 1], FETCH_BAD);
	else
		c->strict = true;
}

static void
on_chunk(struct fetch *f, struct fetch_peer *p, const struct fetch_msg *m,
    struct mono now)
{
	unsigned slot = slot_of(f, p);
	struct fetch_chunk *c;

	if (f->state != FETCH_CHUNKS || m->i >= blocks_chunks(f->man.size)) {
		f->bytes_useless += m->len;
		return;
	}
	c = &f->chunks[m->i];
	if (c->done || c->from[m->half] != 0 ||
	    (c->asked_of & 1u << slot) == 0 ||
	    (c->strict && c->owner != slot + 1)) {
		f->bytes_useless += m->len;
		return;
	}
	if (m->len != fetch_half_len(f->man.size, m->i, m->half)) {
		drop(f, p, FETCH_BAD);
		return;
	}
	memcpy(f->body + (size_t)m->i * BLOCK_CHUNK + m->half * FETCH_HALF,
	    m->bytes, m->len);
	c->from[m->half] = (uint8_t)(slot + 1);
	p->strikes = 0;
	p->heard = f->progress = now;
	if (!is_whole(f, m->i))
		return;
	if (c->owner == slot + 1)
		measured(p, c->asked, now);
	on_whole(f, m->i);
}

void
fetch_input(struct fetch *f, uint32_t peer, const struct fetch_msg *m,
    struct mono now)
{
	struct fetch_peer *p = find(f, peer);

	if (p == NULL || f->state == FETCH_DONE || f->state == FETCH_FAILED ||
	    memcmp(m->id, f->id, 32) != 0)
		return;
	if (m->type == WIRE_MAN)
		on_man(f, p, m, now);
	else if (m->type == WIRE_CHUNK)
		on_chunk(f, p, m, now);
	ask(f, now);
}

/* --- time --- */

/* A wait was in vain: everything asked of it is free for others. */
static void
strike(struct fetch *f, struct fetch_peer *p, struct mono now)
{
	unsigned i;

	if (++p->strikes == FETCH_STRIKES) {
		drop(f, p, FETCH_SILENT);
		return;
	}
	p->heard = now;
	p->asked_man = false;
	for (i = 0; i < BLOCK_CHUNKS_MAX; i++)
		if (f->chunks[i].owner == slot_of(f, p) + 1)
			release(f, &f->chunks[i]);
}

static void
look(struct fetch *f, struct fetch_peer *p, struct mono now)
{
	struct mono late;

	if (p->peer == 0 || (!p->asked_man && p->flight == 0))
		return;
	late = mono_add_ms(p->asked_man ? p->asked : p->heard, wait_ms(p));
	if (mono_reached(late, now))
		strike(f, p, now);
	else
		later(f, late);
}

/* The next peer in line is first next time, so that all are asked. */
static void
turn_peers(struct fetch *f, struct fetch_peer *p)
{
	struct fetch_peer last = *p;
	unsigned i = slot_of(f, p);

	ASSERT(f->state == FETCH_MANIFEST); /* chunks know slots */
	for (; i + 1 < FETCH_PEERS_MAX; i++)
		f->peers[i] = f->peers[i + 1];
	f->peers[i] = last;
}

void
fetch_tick(struct fetch *f, struct mono now)
{
	struct fetch_peer *p;
	bool was;

	f->due = MONO_NEVER;
	if (f->state == FETCH_DONE || f->state == FETCH_FAILED)
		return;
	for (p = f->peers; p < f->peers + FETCH_PEERS_MAX; p++) {
		was = p->asked_man;
		look(f, p, now);
		if (was && !p->asked_man && p->peer != 0 &&
		    f->state == FETCH_MANIFEST) {
			turn_peers(f, p);
			break; /* one is asked at a time */
		}
	}
	ask(f, now);
}

/* --- its life --- */

void
fetch_init(struct fetch *f, const uint8_t id[32], const struct fetch_ops *ops,
    struct mono now)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->id, id, 32);
	f->ops = *ops;
	f->due = MONO_NEVER;
	f->progress = now;
}

bool
fetch_add_peer(struct fetch *f, uint32_t peer, struct mono now)
{
	struct fetch_peer *p;

	ASSERT(peer != 0);
	if (find(f, peer) != NULL)
		return true;
	for (p = f->peers; p < f->peers + FETCH_PEERS_MAX; p++)
		if (p->peer == 0)
			break;
	if (p == f->peers + FETCH_PEERS_MAX)
		return false;
	p->peer = peer;
	p->heard = now;
	later(f, now); /* not at once: more may be added */
	return true;
}

void
fetch_lose_peer(struct fetch *f, uint32_t peer, struct mono now)
{
	struct fetch_peer *p = find(f, peer);

	if (p == NULL)
		return;
	clear(f, p);
	ask(f, now);
}
