/* SPDX-License-Identifier: ISC */
/*
 * Relays this node has reserved at for itself: when, where, and renewed while
 * they are wanted.  What it relays for others is in relaying.c.
 */
#include <string.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/flow.h"

#define MINE_MAX   2
#define LOOK_MS    1000
#define NAT_MS     3000  /* linked for so long behind a NAT: reserve */
#define UNSURE_MS  15000 /* nothing known of a NAT */
#define OPEN_MS    60000 /* no NAT seen, yet nobody comes in */
#define ANSWER_MS  10000
#define REFUSED_MS 300000

static struct mono look_due, linked_since;
static bool met_inbound; /* somebody got in by himself */

/* Relays we have reserved at. */
static struct mine {
	uint32_t link; /* serial; 0: free */
	bool granted, asking;
	uint8_t id[32];
	struct mono asked, renew;
	struct mono said, until; /* what the relay said last, and when */
	uint64_t left;
} mine[MINE_MAX];

/* Links that refused us lately. */
static struct {
	uint32_t link;
	struct mono until;
} refusers[16];
static size_t n_refusers;

static struct mine *
mine_on(uint32_t link)
{
	size_t i;

	for (i = 0; i < MINE_MAX; i++)
		if (mine[i].link == link)
			return &mine[i];
	return NULL;
}

static void
mine_lose(struct mine *m)
{
	bool said = m->granted;

	memset(m, 0, sizeof(*m));
	if (said)
		own_changed();
}

void
reserving_granted(struct conn *c, const struct wire_msg *m)
{
	struct mine *mi = mine_on(c->serial);
	struct mono now = mono_now();
	bool is_new;
	char id[9];

	if (c->circuit != NULL) {
		peerd.n.unknown_messages++;
		return;
	}
	if (mi == NULL || !mi->asking) {
		peerd.n.stream_strays++;
		return;
	}
	mi->asking = false;
	/* One that is used up will begin anew; it is no reason to leave. */
	if (m->seconds == 0 || (m->quota == 0 && !mi->granted)) {
		log_debug("relay %s: no reservation: %s", id_short(c->id, id),
		    m->text);
		refusers[n_refusers % 16].link = c->serial;
		refusers[n_refusers++ % 16].until =
		    mono_add_ms(now, REFUSED_MS);
		mine_lose(mi);
		return;
	}
	is_new = !mi->granted;
	mi->granted = true;
	mi->said = now;
	mi->until = mono_add_ms(now, (int64_t)m->seconds * 1000);
	mi->left = m->quota;
	/* A little into the second half, in which it begins anew. */
	mi->renew = mono_add_ms(now, (int64_t)m->seconds * 550);
	if (!is_new)
		return;
	log_info("relay %s: reserved, %llu bytes for %u s", id_short(c->id, id),
	    (unsigned long long)m->quota, m->seconds);
	own_changed();
}

void
reserving_link_up(const struct conn *c)
{
	/* Neighbours on the LAN say nothing about the world. */
	if (!c->outbound && c->circuit == NULL &&
	    (addr_class(&c->remote) == ADDR_GLOBAL ||
		addr_class(&c->remote) == ADDR_RESERVED ||
		own_nat_mapping() == NAT_MAP_NONE ||
		own_nat_mapping() == NAT_MAP_UNKNOWN))
		met_inbound = true;
}

void
reserving_link_down(const struct conn *c)
{
	struct mine *m = mine_on(c->serial);

	if (m != NULL)
		mine_lose(m);
}

size_t
reserving_vias(uint8_t vias[][32], size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < MINE_MAX && n < max; i++)
		if (mine[i].link != 0 && mine[i].granted)
			memcpy(vias[n++], mine[i].id, 32);
	return n;
}

struct conn *
reserving_relay(void)
{
	struct conn *c;
	size_t i;

	for (i = 0; i < MINE_MAX; i++)
		if (mine[i].link != 0 && mine[i].granted &&
		    (c = conn_by_serial(mine[i].link)) != NULL)
			return c;
	return NULL;
}

/* Does anybody get in by himself?  Asked while there are links. */
static bool
is_hidden(struct mono now)
{
	int64_t age;

	if (met_inbound || linked_since.us == 0)
		return false;
	age = mono_ms_between(linked_since, now);
	switch (own_nat_mapping()) {
	case NAT_MAP_NONE:
		return age > OPEN_MS;
	case NAT_MAP_UNKNOWN:
		return age > UNSURE_MS;
	default:
		return age > NAT_MS;
	}
}

bool
reserving_wanted(void)
{
	struct mono now = mono_now();

	return peerd.conf.relay_reserve == RELAY_RESERVE_YES ||
	    (peerd.conf.relay_reserve == RELAY_RESERVE_AUTO && is_hidden(now));
}

static bool
refused_lately(uint32_t link, struct mono now)
{
	size_t i;

	for (i = 0; i < 16; i++)
		if (refusers[i].link == link &&
		    mono_before(now, refusers[i].until))
			return true;
	return false;
}

static void
ask(struct mine *m, struct conn *c, struct mono now)
{
	uint8_t buf[8];
	struct wr w;

	m->link = c->serial;
	memcpy(m->id, c->id, 32);
	m->asking = true;
	m->asked = now;
	wr_init(&w, buf, sizeof(buf));
	wire_put_reserve(&w);
	flow_send(c, &w);
}

/* Whom we dialled is reachable, and so are others through it. */
static void
ask_somebody(struct mine *m, struct mono now)
{
	struct conn *c;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c)) {
		if (c->state != CONN_UP || !c->outbound ||
		    mine_on(c->serial) != NULL ||
		    refused_lately(c->serial, now))
			continue;
		ask(m, c, now);
		return;
	}
}

static void
look(struct mono now)
{
	bool wanted = reserving_wanted();
	struct conn *c;
	size_t i;

	for (i = 0; i < MINE_MAX; i++) {
		if (mine[i].link != 0 && !wanted) {
			mine_lose(&mine[i]);
		} else if (mine[i].link == 0 && wanted) {
			ask_somebody(&mine[i], now);
		} else if (mine[i].asking &&
		    mono_ms_between(mine[i].asked, now) > ANSWER_MS) {
			mine_lose(&mine[i]);
		} else if (mine[i].granted && !mine[i].asking &&
		    mono_reached(mine[i].renew, now) &&
		    (c = conn_by_serial(mine[i].link)) != NULL) {
			ask(&mine[i], c, now);
		}
	}
}

void
reserving_tick(struct mono now)
{
	if (conn_links(1) == 0)
		linked_since.us = 0;
	else if (linked_since.us == 0)
		linked_since = now;
	if (!mono_reached(look_due, now))
		return;
	look_due = mono_add_ms(now, LOOK_MS);
	look(now);
}

/* --- what is shown --- */

static uint64_t
seconds(int64_t ms)
{
	return ms < 0 ? 0 : (uint64_t)ms / 1000;
}

void
reserving_show(struct ipc *ch, uint32_t id)
{
	struct mono now = mono_now();
	struct msg_ctl_relay_own v;
	size_t i;

	for (i = 0; i < MINE_MAX; i++) {
		if (mine[i].link == 0)
			continue;
		memcpy(v.node, mine[i].id, 32);
		v.granted = mine[i].granted;
		v.bytes_left = v.said_s = v.seconds_left = MSG_NULL64;
		if (v.granted) {
			v.bytes_left = mine[i].left;
			v.said_s = seconds(mono_ms_between(mine[i].said, now));
			v.seconds_left =
			    seconds(mono_ms_between(now, mine[i].until));
		}
		(void)ipc_send(ch, CTL_RELAY_OWN, id, &v);
	}
}

void
reserving_stats(stat_emit emit, void *arg)
{
	uint8_t vias[MINE_MAX][32];

	emit(arg, "relay_own", reserving_vias(vias, MINE_MAX));
}
