/* SPDX-License-Identifier: ISC */
/*
 * The table of mappings, as promised in mapping.h.  Small and scanned.
 */
#include "stund/mapping.h"

#include <string.h>

#include "common/assert.h"

void
mapping_init(struct mapping_table *t)
{
	memset(t, 0, sizeof(*t));
}

static bool
is_of(const struct mapping *m, const uint8_t *peer, enum naddr_fam fam,
    enum mapping_proto proto)
{
	return m->proto == proto && m->local.fam == fam &&
	    memcmp(m->peer, peer, MAPPING_PEER) == 0;
}

static struct mapping *
find(struct mapping_table *t, const uint8_t *peer, enum naddr_fam fam,
    enum mapping_proto proto)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (is_of(&t->list[i], peer, fam, proto))
			return &t->list[i];
	return NULL;
}

static enum mapping_news
append(struct mapping_table *t, const struct mapping *m, struct wall now)
{
	struct mapping *e;

	if (t->n == MAPPING_MAX) {
		t->refused++;
		return MAPPING_FULL;
	}
	e = &t->list[t->n++];
	*e = *m;
	e->since = e->seen = now;
	e->failures = 0;
	return MAPPING_NEW;
}

enum mapping_news
mapping_report(struct mapping_table *t, const struct mapping *m,
    struct wall now)
{
	struct mapping *e = find(t, m->peer, (enum naddr_fam)m->local.fam,
	    (enum mapping_proto)m->proto);
	bool same;

	ASSERT(m->local.fam != NADDR_NONE);
	if (e == NULL)
		return append(t, m, now);
	same = naddr_equal(&e->mapped, &m->mapped) &&
	    naddr_equal(&e->local, &m->local);
	if (!same)
		e->since = now;
	e->local = m->local;
	e->mapped = m->mapped;
	e->via = m->via;
	e->seen = now;
	e->failures = 0;
	return same ? MAPPING_SAME : MAPPING_CHANGED;
}

bool
mapping_fail(struct mapping_table *t, const uint8_t peer[MAPPING_PEER],
    enum naddr_fam fam, enum mapping_proto proto)
{
	struct mapping *e = find(t, peer, fam, proto);

	if (e == NULL)
		return false;
	if (e->failures < UINT32_MAX)
		e->failures++;
	return true;
}

/* Is seen within ms of now, either way? */
static bool
is_within(const struct mapping *m, struct wall now, int64_t ms)
{
	return m->seen.ms >= now.ms - ms && m->seen.ms <= now.ms + ms;
}

bool
mapping_is_stale(const struct mapping *m, struct wall now)
{
	return !is_within(m, now, MAPPING_STALE_MS);
}

static void
remove_at(struct mapping_table *t, size_t i)
{
	t->n--;
	memmove(&t->list[i], &t->list[i + 1], (t->n - i) * sizeof(t->list[0]));
}

size_t
mapping_expire(struct mapping_table *t, struct wall now)
{
	size_t i = 0, was = t->n;

	while (i < t->n) {
		if (is_within(&t->list[i], now, MAPPING_GONE_MS))
			i++;
		else
			remove_at(t, i);
	}
	return was - t->n;
}

size_t
mapping_drop(struct mapping_table *t, const uint8_t peer[MAPPING_PEER],
    enum naddr_fam fam, enum mapping_proto proto)
{
	struct mapping *e = find(t, peer, fam, proto);

	if (e == NULL)
		return 0;
	remove_at(t, (size_t)(e - t->list));
	return 1;
}

size_t
mapping_drop_peer(struct mapping_table *t, const uint8_t peer[MAPPING_PEER])
{
	size_t i = 0, was = t->n;

	while (i < t->n) {
		if (memcmp(t->list[i].peer, peer, MAPPING_PEER) != 0)
			i++;
		else
			remove_at(t, i);
	}
	return was - t->n;
}

const struct mapping *
mapping_at(const struct mapping_table *t, size_t i)
{
	return i < t->n ? &t->list[i] : NULL;
}
