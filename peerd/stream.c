/* SPDX-License-Identifier: ISC */
/*
 * Streams, as promised in stream.h.
 */
#include "peerd/stream.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"
#include "common/bytes.h"

void
streams_init(struct streams *ss, struct stream *at, uint32_t cap,
    uint32_t *heads, uint32_t n_heads, const uint8_t key[16])
{
	uint32_t i;

	ASSERT(n_heads > 0 && (n_heads & (n_heads - 1)) == 0);
	memset(ss, 0, sizeof(*ss));
	ss->at = at;
	ss->cap = cap;
	ss->heads = heads;
	ss->mask = n_heads - 1;
	memcpy(ss->key, key, sizeof(ss->key));
	for (i = 0; i < n_heads; i++)
		heads[i] = STREAM_NONE;
	for (i = 0; i < cap; i++) {
		at[i].state = STREAM_FREE;
		at[i].chain = i + 1 < cap ? i + 1 : STREAM_NONE;
	}
}

void
stream_link_init(struct stream_link *sl, uint32_t serial, bool dialled)
{
	memset(sl, 0, sizeof(*sl));
	sl->serial = serial;
	sl->dialled = dialled;
	sl->next_id = dialled ? 1 : 2;
	sl->turn = STREAM_NONE;
}

uint32_t
stream_index(const struct streams *ss, const struct stream *s)
{
	return (uint32_t)(s - ss->at);
}

/* --- the table --- */

static uint32_t *
bucket(const struct streams *ss, uint32_t link, uint32_t id)
{
	uint8_t in[8], out[8];

	put_u32(in, link);
	put_u32(in + 4, id);
	(void)crypto_shorthash(out, in, sizeof(in), ss->key);
	return &ss->heads[get_u32(out) & ss->mask];
}

struct stream *
stream_find(const struct streams *ss, const struct stream_link *sl, uint32_t id)
{
	uint32_t i = *bucket(ss, sl->serial, id);

	while (i != STREAM_NONE &&
	    (ss->at[i].id != id || ss->at[i].link != sl->serial))
		i = ss->at[i].chain;
	return i == STREAM_NONE ? NULL : &ss->at[i];
}

static struct stream *
add(struct streams *ss, struct stream_link *sl, uint32_t id)
{
	uint32_t i = ss->free, *head = bucket(ss, sl->serial, id);
	struct stream *s;

	if (i == STREAM_NONE || ss->used == ss->cap ||
	    sl->n == STREAMS_LINK_MAX)
		return NULL;
	s = &ss->at[i];
	ss->free = s->chain;
	memset(s, 0, sizeof(*s));
	s->link = sl->serial;
	s->id = id;
	s->tag = STREAM_NONE;
	s->chain = *head;
	*head = i;
	ss->used++;
	sl->n++;
	return s;
}

struct stream *
stream_ask(struct streams *ss, struct stream_link *sl, uint32_t open)
{
	struct stream *s;

	/* A link that lives so long has to begin anew. */
	if (sl->next_id > UINT32_MAX - 2 ||
	    (s = add(ss, sl, sl->next_id)) == NULL)
		return NULL;
	sl->next_id += 2;
	s->state = STREAM_ASKED;
	s->open = open < STREAM_CREDIT_MAX ? open : STREAM_CREDIT_MAX;
	return s;
}

/* The dialler's are odd, the others even, from 1 and 2 on. */
static bool
is_ours(const struct stream_link *sl, uint32_t id)
{
	return (id % 2 == 1) == sl->dialled;
}

bool
stream_was(const struct stream_link *sl, uint32_t id)
{
	if (id == 0)
		return false;
	return is_ours(sl, id) ? id < sl->next_id : id <= sl->last_id;
}

enum stream_rc
stream_offer(struct streams *ss, struct stream_link *sl, uint32_t id,
    uint32_t credit, struct stream **s)
{
	if (id == 0 || is_ours(sl, id) || id <= sl->last_id)
		return STREAM_BAD;
	sl->last_id = id;
	if ((*s = add(ss, sl, id)) == NULL)
		return STREAM_FULL;
	(*s)->state = STREAM_OFFERED;
	(*s)->credit = credit < STREAM_CREDIT_MAX ? credit : STREAM_CREDIT_MAX;
	return STREAM_FINE;
}

/* --- the ring of those that can send --- */

static bool
can_send(const struct stream *s)
{
	if (s->state == STREAM_ENDING && s->len == 0)
		return true; /* its CLOSE */
	return s->len > 0 && s->credit > 0 &&
	    (s->state == STREAM_UP || s->state == STREAM_ENDING);
}

static void
ring_in(struct streams *ss, struct stream_link *sl, struct stream *s)
{
	uint32_t i = stream_index(ss, s);
	struct stream *turn, *last;

	s->ready = true;
	if (sl->turn == STREAM_NONE) {
		s->prev = s->next = sl->turn = i;
		return;
	}
	turn = &ss->at[sl->turn];
	last = &ss->at[turn->prev];
	s->next = sl->turn;
	s->prev = turn->prev;
	last->next = i;
	turn->prev = i;
}

static void
ring_out(struct streams *ss, struct stream_link *sl, struct stream *s)
{
	uint32_t i = stream_index(ss, s);

	s->ready = false;
	if (s->next == i) {
		sl->turn = STREAM_NONE;
		return;
	}
	ss->at[s->prev].next = s->next;
	ss->at[s->next].prev = s->prev;
	if (sl->turn == i)
		sl->turn = s->next;
}

static void
settle(struct streams *ss, struct stream_link *sl, struct stream *s)
{
	bool can = can_send(s);

	if (can && !s->ready)
		ring_in(ss, sl, s);
	else if (!can && s->ready)
		ring_out(ss, sl, s);
}

/* --- life --- */

void
stream_opened(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint32_t credit)
{
	ASSERT(s->state == STREAM_ASKED);
	s->state = STREAM_UP;
	s->credit = credit < STREAM_CREDIT_MAX ? credit : STREAM_CREDIT_MAX;
	settle(ss, sl, s);
}

void
stream_accept(struct stream *s, uint32_t open)
{
	ASSERT(s->state == STREAM_OFFERED && s->len == 0);
	s->state = STREAM_UP;
	s->open = open < STREAM_CREDIT_MAX ? open : STREAM_CREDIT_MAX;
}

void
stream_end(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint8_t why)
{
	/* What they never opened to us will not be sent. */
	if (s->state != STREAM_UP && s->state != STREAM_ENDING)
		s->len = 0;
	s->state = STREAM_ENDING;
	s->why = why;
	settle(ss, sl, s);
}

void
stream_free(struct streams *ss, struct stream_link *sl, struct stream *s,
    bool theirs)
{
	uint32_t i = stream_index(ss, s), *at = bucket(ss, s->link, s->id);

	ASSERT(s->state != STREAM_FREE && s->buf == NULL);
	if (s->ready)
		ring_out(ss, sl, s);
	while (*at != i)
		at = &ss->at[*at].chain;
	*at = s->chain;
	if (!theirs)
		sl->late += s->open;
	s->state = STREAM_FREE;
	s->chain = ss->free;
	ss->free = i;
	ss->used--;
	sl->n--;
}

/* --- credit --- */

bool
stream_take(struct stream *s, uint32_t n)
{
	if ((s->state != STREAM_UP && s->state != STREAM_ENDING) || n > s->open)
		return false;
	s->open -= n;
	return true;
}

bool
stream_late(struct stream_link *sl, uint32_t n)
{
	if (n > sl->late)
		return false;
	sl->late -= n;
	return true;
}

bool
stream_granted(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint32_t n)
{
	if (n > STREAM_CREDIT_MAX - s->credit)
		return false;
	s->credit += n;
	settle(ss, sl, s);
	return true;
}

bool
stream_grant(struct stream *s, uint32_t n)
{
	if (n > STREAM_CREDIT_MAX - s->open)
		return false;
	s->open += n;
	return true;
}

/* --- what waits --- */

bool
stream_passes(const struct stream *s, uint32_t n)
{
	return s->state == STREAM_UP && s->len == 0 && n <= s->credit;
}

void
stream_passed(struct stream *s, uint32_t n)
{
	ASSERT(stream_passes(s, n));
	s->credit -= n;
}

void
stream_peek(const struct stream *s, uint32_t n, const uint8_t *part[2],
    uint32_t len[2])
{
	ASSERT(n <= s->len);
	part[0] = s->buf + s->head;
	len[0] = s->cap - s->head < n ? s->cap - s->head : n;
	part[1] = s->buf;
	len[1] = n - len[0];
}

uint8_t *
stream_lend(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint8_t *buf, uint32_t cap)
{
	uint8_t *before = s->buf;
	const uint8_t *part[2];
	uint32_t len[2];

	if (buf == NULL) {
		cap = s->len = 0;
	} else if (s->len > 0) {
		ASSERT(s->len <= cap);
		stream_peek(s, s->len, part, len);
		memcpy(buf, part[0], len[0]);
		memcpy(buf + len[0], part[1], len[1]);
	}
	s->buf = buf;
	s->cap = cap;
	s->head = 0;
	settle(ss, sl, s);
	return before;
}

bool
stream_hold(struct streams *ss, struct stream_link *sl, struct stream *s,
    const uint8_t *p, uint32_t n)
{
	uint32_t at, first;

	if (n > s->cap - s->len)
		return false;
	at = (s->head + s->len) % (s->cap == 0 ? 1 : s->cap);
	first = s->cap - at < n ? s->cap - at : n;
	if (n > 0) {
		memcpy(s->buf + at, p, first);
		memcpy(s->buf, p + first, n - first);
	}
	s->len += n;
	settle(ss, sl, s);
	return true;
}

struct stream *
stream_next(struct streams *ss, struct stream_link *sl, uint32_t max,
    uint32_t *n)
{
	struct stream *s;

	if (sl->turn == STREAM_NONE)
		return NULL;
	s = &ss->at[sl->turn];
	*n = s->len < s->credit ? s->len : s->credit;
	if (*n > STREAM_SLICE)
		*n = STREAM_SLICE;
	if (*n > max)
		*n = max;
	return s;
}

void
stream_sent(struct streams *ss, struct stream_link *sl, struct stream *s,
    uint32_t n)
{
	ASSERT(n <= s->len && n <= s->credit);
	s->len -= n;
	s->credit -= n;
	s->head = s->len == 0 ? 0 : (s->head + n) % s->cap;
	if (s->ready && sl->turn == stream_index(ss, s))
		sl->turn = s->next;
	settle(ss, sl, s);
}
