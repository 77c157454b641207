/* SPDX-License-Identifier: ISC */
/*
 * Apps that come and go, their bytes, and time; see mux.h.
 */
#include "appd/mux.h"

#include <string.h>

#include "appd/mux_int.h"
#include "common/assert.h"
#include "common/bytes.h"

void
mux_init(struct mux *m, const struct mux_memory *mem, const struct mux_ops *ops,
    const uint8_t hash_key[16])
{
	memset(m, 0, sizeof(*m));
	m->ops = *ops;
	m->mem = mem->chunks;
	m->apps = mem->apps;
	m->apps_max = mem->apps_max;
	m->ends = mem->ends;
	m->ends_max = mem->ends_max;
	m->by_addr = mem->by_addr;
	m->by_stream = mem->by_stream;
	m->mask = mem->buckets - 1;
	m->ports = mem->ports;
	m->next_stream = 1;
	memcpy(m->hash_key, hash_key, sizeof(m->hash_key));
	TAILQ_INIT(&m->confirming);
	TAILQ_INIT(&m->closed);
	TAILQ_INIT(&m->netline);
	ports_init(m->ports);
}

void
mux_configure(struct mux *m, const struct msg_appd_config *c)
{
	m->conf = *c;
	if (m->conf.conns_max > m->apps_max)
		m->conf.conns_max = (uint16_t)m->apps_max;
	if (m->conf.loops_max > m->ends_max)
		m->conf.loops_max = (uint16_t)m->ends_max;
}

static bool
is_reserved(const struct mux *m, uint16_t port)
{
	unsigned i;

	for (i = 0; i < MUX_SLOTS; i++)
		if (m->entries[i].used && m->entries[i].port == port)
			return true;
	return false;
}

void
mux_set_entry(struct mux *m, unsigned slot, const struct mux_entry *e)
{
	uint16_t old = m->entries[slot].used ? m->entries[slot].port : 0;

	if (e != NULL)
		m->entries[slot] = *e;
	else
		memset(&m->entries[slot], 0, sizeof(m->entries[slot]));
	if (old != 0 && !is_reserved(m, old))
		ports_reserve(m->ports, old, false);
	if (e != NULL && e->port != 0)
		ports_reserve(m->ports, e->port, true);
}

bool
mux_is_entry(const struct mux *m, unsigned slot, const struct mux_entry *e)
{
	const struct mux_entry *old = &m->entries[slot];

	return old->used == e->used && strcmp(old->name, e->name) == 0 &&
	    strcmp(old->version, e->version) == 0 && old->port == e->port &&
	    old->by_hand == e->by_hand && old->uid == e->uid;
}

bool
mux_admits(const struct mux *m, uint32_t uid)
{
	unsigned i;

	for (i = 0; i < MUX_SLOTS; i++)
		if (m->entries[i].used && m->entries[i].by_hand &&
		    (m->entries[i].uid == uid || uid == 0))
			return true;
	return false;
}

const char *
mux_no_place(const struct mux *m, uint32_t uid)
{
	bool there[MUX_SLOTS] = { false };
	unsigned i, kept = 0, mine = 0;
	const struct mux_app *a;

	for (a = m->apps; a < m->apps + m->apps_max; a++) {
		if (a->used && a->instance == 0)
			mine += a->uid == uid;
		else if (a->used && a->slot >= 0)
			there[a->slot] = true;
	}
	for (i = 0; i < MUX_SLOTS; i++)
		kept += m->entries[i].used && !m->entries[i].by_hand &&
		    !there[i];
	if (m->n_apps + kept >= m->conf.conns_max)
		return "too many apps";
	if (mine >= (m->conf.conns_max + 1u) / 2)
		return "too many apps of this user";
	return NULL;
}

unsigned
mux_index(const struct mux *m, const struct mux_app *a)
{
	return (unsigned)(a - m->apps);
}

bool
mux_take_port(struct mux *m, struct mux_app *a, uint16_t port)
{
	if (port == a->port)
		return true;
	if (port != 0 &&
	    !ports_bind(m->ports, port, (uint16_t)mux_index(m, a)))
		return false;
	if (a->port != 0)
		ports_unref(m->ports, a->port);
	a->port = port;
	return true;
}

bool
mux_is_self(const struct mux *m, const uint8_t pk[32])
{
	return memcmp(m->conf.id, pk, 32) == 0;
}

int
mux_attach(struct mux *m, int slot, uint32_t instance, uint32_t pid,
    uint32_t uid, struct mono now)
{
	struct mux_app *a;
	unsigned i;

	if (m->n_apps >= m->conf.conns_max)
		return -1;
	for (i = 0; m->apps[i].used; i++)
		continue;
	a = &m->apps[i];
	memset(a, 0, sizeof(*a));
	a->used = true;
	a->slot = slot;
	a->instance = instance;
	a->pid = pid;
	a->uid = uid;
	a->since = now;
	TAILQ_INIT(&a->ends);
	TAILQ_INIT(&a->asks);
	m->n_apps++;
	/* A launched app holds its port from the start, so that none started
	 * by hand takes it away. */
	if (slot >= 0)
		(void)mux_take_port(m, a, m->entries[slot].port);
	return (int)i;
}

void
mux_parting(struct mux *m, unsigned app)
{
	m->apps[app].dead = true;
}

void
mux_detach(struct mux *m, unsigned app, struct mono now)
{
	struct mux_app *a = &m->apps[app];
	struct mux_end *end;

	if (!a->used)
		return;
	a->inited = false;
	a->dead = true;
	while ((end = TAILQ_FIRST(&a->ends)) != NULL)
		end_close(m, end, now);
	(void)mux_take_port(m, a, 0);
	ASSERT(a->n_ends == 0 && TAILQ_EMPTY(&a->asks));
	a->used = false;
	m->n_apps--;
}

int
mux_find_instance(const struct mux *m, uint32_t instance)
{
	unsigned i;

	for (i = 0; i < m->apps_max && instance != 0; i++)
		if (m->apps[i].used && m->apps[i].instance == instance)
			return (int)i;
	return -1;
}

/* Is something of ours for the app to answer? */
static bool
is_asked(const struct mux_app *a)
{
	unsigned i;

	for (i = 0; i < sizeof(a->ids) / sizeof(a->ids[0]); i++)
		if (a->ids[i] != 0)
			return true;
	return false;
}

/* May another packet of this app be handled? */
static bool
may_go_on(struct mux *m, struct mux_app *a)
{
	if (a->dead) /* what it wrote before is all there will be */
		return true;
	a->stalled = a->tx_bytes > MUX_TX_IDS ||
	    (a->tx_bytes > MUX_TX_MAX && !is_asked(a)) ||
	    m->ops.room(m->ops.ctx, mux_index(m, a), MUX_ANSWER, false) == NULL;
	return !a->stalled;
}

ssize_t
mux_input(struct mux *m, unsigned app, uint8_t *buf, size_t len,
    struct mono now)
{
	struct mux_app *a = &m->apps[app];
	struct packet p;
	size_t off = 0;
	int n;

	while (may_go_on(m, a)) {
		if ((n = packet_next(buf + off, len - off, &p)) == 0)
			break;
		if (n == -1) {
			m->count.malformed++;
			return -1;
		}
		m->count.packets++;
		off += (size_t)n;
		if (packet_is_response(p.type))
			tell_answered(m, a, &p, now);
		else
			ask_handle(m, a, &p, now);
	}
	return (ssize_t)off;
}

void
mux_drained(struct mux *m, unsigned app)
{
	struct mux_app *a = &m->apps[app];

	if (!a->used)
		return;
	tell_run(m, a);
	if (a->stalled) /* it may have been for want of this room */
		m->ops.resume(m->ops.ctx, app);
}

/* --- time --- */

static struct mono
sooner(struct mono t, const struct mux_end *e, uint32_t ms)
{
	struct mono due;

	if (e == NULL)
		return t;
	due = mono_add_ms(e->since, ms);
	return mono_reached(due, t) ? due : t;
}

struct mono
mux_due(const struct mux *m)
{
	struct mono t = MONO_NEVER;

	t = sooner(t, TAILQ_FIRST(&m->confirming), m->conf.confirm_ms);
	return sooner(t, TAILQ_FIRST(&m->closed), MUX_DRAIN_MS);
}

void
mux_tick(struct mux *m, struct mono now)
{
	struct mux_end *e;

	while ((e = TAILQ_FIRST(&m->confirming)) != NULL &&
	    mono_reached(mono_add_ms(e->since, m->conf.confirm_ms), now)) {
		m->count.timeouts++;
		end_give_up(m, e);
	}
	while ((e = TAILQ_FIRST(&m->closed)) != NULL &&
	    mono_reached(mono_add_ms(e->since, MUX_DRAIN_MS), now)) {
		m->count.timeouts++;
		end_finish(m, e, LOOP_END_CLOSED);
	}
}
