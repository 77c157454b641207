/* SPDX-License-Identifier: ISC */
/*
 * The shell of relay.h: circuits between two links of ours, and the relays
 * this node has reserved at for itself.  A circuit goes to a node that is
 * linked already; nobody is dialled on behalf of others.  Credit passes from
 * end to end, so a relay holds no more than STREAM_HOLD each way.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/relay.h"

#define MINE_MAX   2
#define LOOK_MS    1000
#define NAT_MS     3000  /* linked for so long behind a NAT: reserve */
#define UNSURE_MS  15000 /* nothing known of a NAT */
#define OPEN_MS    60000 /* no NAT seen, yet nobody comes in */
#define ANSWER_MS  10000
#define REFUSED_MS 300000

static struct relay relay;
static struct mono look_due, linked_since;
static bool met_inbound;

/* Relays we have reserved at. */
static struct mine {
	uint32_t link; /* serial; 0: free */
	bool granted, asking;
	uint8_t id[32];
	struct mono asked, renew;
} mine[MINE_MAX];

/* Links that refused us lately. */
static struct {
	uint32_t link;
	struct mono until;
} refusers[16];
static size_t n_refusers;

void
relaying_init(void)
{
	struct relay_circuit *circuits =
	    calloc(RELAY_CIRCUITS_MAX, sizeof(*circuits));
	struct relay_res *res = calloc(RELAY_RESERVATIONS_MAX, sizeof(*res));

	if (circuits == NULL || res == NULL)
		fatalx(EX_OSERR, "no memory for relays");
	relay_init(&relay, circuits, res);
	relaying_config();
}

void
relaying_config(void)
{
	const struct msg_peerd_config *c = &peerd.conf;
	const struct relay_conf rc = { .enable = c->relay,
		.circuits = c->relay_circuits,
		.per_peer = c->relay_per_peer,
		.reservations = c->relay_reservations,
		.bytes = c->relay_bytes,
		.seconds = c->relay_s,
		.free_bytes = c->relay_free_bytes,
		.free_seconds = c->relay_free_s };

	if (relay.circuits != NULL)
		relay_configure(&relay, &rc);
}

/* --- circuits of others --- */

/* A stream's tag is the place of its circuit and its side of it. */
static struct relay_circuit *
circuit_of(const struct stream *s)
{
	return s->tag == STREAM_NONE ? NULL : &relay.circuits[s->tag / 2];
}

static struct stream *
other_side(const struct relay_circuit *ct, const struct stream *s)
{
	return flow_stream(ct->side[1 - s->tag % 2]);
}

static void
tie(struct relay_circuit *ct, unsigned side, struct stream *s)
{
	ct->side[side] = flow_index(s);
	s->tag = (uint32_t)(ct - relay.circuits) * 2 + side;
}

static void
end_side(struct stream *s, uint8_t why)
{
	s->tag = STREAM_NONE;
	flow_end(flow_conn(s), s, why);
}

static void
end_both(struct relay_circuit *ct, uint8_t why)
{
	struct stream *a = flow_stream(ct->side[0]);
	struct stream *b = flow_stream(ct->side[1]);

	relay_close(&relay, ct);
	end_side(a, why);
	end_side(b, why);
}

static void
relay_opened(struct conn *c, struct stream *s)
{
	struct relay_circuit *ct = circuit_of(s);
	struct stream *asker;

	(void)c;
	if (ct == NULL)
		return;
	asker = other_side(ct, s);
	flow_accept(flow_conn(asker), asker,
	    s->credit < STREAM_HOLD ? s->credit : STREAM_HOLD);
}

static void
relay_refused(struct conn *c, struct stream *s, uint8_t code, const char *text)
{
	struct relay_circuit *ct = circuit_of(s);
	struct stream *asker;

	(void)c;
	if (ct == NULL)
		return;
	asker = other_side(ct, s);
	s->tag = asker->tag = STREAM_NONE;
	relay_close(&relay, ct);
	flow_refuse(flow_conn(asker), asker, (enum wire_refusal)code, text);
}

static void
relay_data(struct conn *c, struct stream *s, const uint8_t *p, uint32_t n)
{
	struct relay_circuit *ct = circuit_of(s);
	struct stream *to;

	(void)c;
	if (ct == NULL)
		return;
	if (!relay_carry(&relay, ct, n, mono_now())) {
		end_both(ct, LOOP_END_LIMIT);
		return;
	}
	to = other_side(ct, s);
	if (!flow_push(flow_conn(to), to, p, n))
		end_both(ct, LOOP_END_ERROR);
}

static void
relay_granted(struct conn *c, struct stream *s, uint32_t n)
{
	struct relay_circuit *ct = circuit_of(s);
	struct stream *from;

	(void)c;
	if (ct == NULL)
		return;
	from = other_side(ct, s);
	flow_grant(flow_conn(from), from, n);
}

static void
relay_gone(struct conn *c, struct stream *s, uint32_t n)
{
	(void)c;
	(void)s;
	(void)n;
}

static void
relay_closed(struct conn *c, struct stream *s, uint8_t why)
{
	struct relay_circuit *ct = circuit_of(s);
	struct stream *other;

	(void)c;
	if (ct == NULL)
		return;
	other = other_side(ct, s);
	s->tag = STREAM_NONE;
	relay_close(&relay, ct);
	end_side(other, why);
}

const struct flow_ops relay_ops = { relay_opened, relay_refused, relay_data,
	relay_granted, relay_gone, relay_closed };

/* Ask the next node, and tie the two together. */
static void
begin(struct conn *c, struct stream *s, const struct wire_msg *m,
    struct conn *next, struct relay_circuit *ct)
{
	uint8_t buf[16 + WIRE_PATH_MAX * WIRE_KEY_STEP];
	uint32_t window = m->window < STREAM_HOLD ? m->window : STREAM_HOLD;
	struct stream *to = flow_ask(next, FLOW_RELAY, STREAM_NONE, window);
	struct wr w;

	if (to == NULL) {
		relay_close(&relay, ct);
		flow_refuse(c, s, WIRE_NO_LIMIT, "relay: too many streams");
		return;
	}
	tie(ct, 0, s);
	tie(ct, 1, to);
	wr_init(&w, buf, sizeof(buf));
	wire_put_relay(&w, to->id, m->path + WIRE_KEY_STEP,
	    (size_t)m->n_path - 1, window);
	flow_send(next, &w);
}

void
relaying_offer(struct conn *c, struct stream *s, const struct wire_msg *m)
{
	struct conn *next = conn_find_direct(m->path);
	struct relay_circuit *ct;
	const char *why;

	s->tag = STREAM_NONE;
	if (!relay.conf.enable) {
		flow_refuse(c, s, WIRE_NO_SERVICE, "relay: switched off");
		return;
	}
	if (next == NULL || memcmp(next->id, c->id, 32) == 0) {
		flow_refuse(c, s, WIRE_NO_ROUTE,
		    "relay: not linked to that node");
		return;
	}
	why = relay_open(&relay, c->id, next->id, mono_now(), &ct);
	if (why != NULL)
		flow_refuse(c, s, WIRE_NO_LIMIT, why);
	else
		begin(c, s, m, next, ct);
}

/* --- reservations, theirs and ours --- */

static void
on_reserve(struct conn *c)
{
	uint8_t buf[WIRE_TEXT_MAX + 32];
	uint64_t bytes = 0;
	uint32_t seconds = 0;
	const char *why;
	struct wr w;

	why = relay_reserve(&relay, c->id, mono_now(), &bytes, &seconds);
	wr_init(&w, buf, sizeof(buf));
	if (why != NULL)
		wire_put_reserved(&w, 0, 0, why);
	else
		wire_put_reserved(&w, bytes, seconds, "");
	flow_send(c, &w);
}

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

static void
on_reserved(struct conn *c, const struct wire_msg *m)
{
	struct mine *mi = mine_on(c->serial);
	struct mono now = mono_now();
	bool is_new;
	char id[9];

	if (mi == NULL || !mi->asking) {
		peerd.n.stream_strays++;
		return;
	}
	mi->asking = false;
	if (m->quota == 0 || m->seconds == 0) {
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
	/* A little into the second half, in which it begins anew. */
	mi->renew = mono_add_ms(now, (int64_t)m->seconds * 550);
	if (!is_new)
		return;
	log_info("relay %s: reserved, %llu bytes for %u s", id_short(c->id, id),
	    (unsigned long long)m->quota, m->seconds);
	own_changed();
}

void
relaying_message(struct conn *c, const struct wire_msg *m)
{
	if (c->circuit != NULL)
		peerd.n.unknown_messages++;
	else if (m->type == WIRE_RESERVE)
		on_reserve(c);
	else
		on_reserved(c, m);
}

void
relaying_link_up(const struct conn *c)
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
relaying_link_down(const struct conn *c)
{
	struct mine *m = mine_on(c->serial);

	if (m != NULL)
		mine_lose(m);
}

size_t
relaying_vias(uint8_t vias[][32], size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < MINE_MAX && n < max; i++)
		if (mine[i].link != 0 && mine[i].granted)
			memcpy(vias[n++], mine[i].id, 32);
	return n;
}

struct conn *
relaying_own_relay(void)
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

static bool
wants_relays(struct mono now)
{
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
	bool wanted = wants_relays(now);
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
relaying_tick(struct mono now)
{
	size_t i;

	for (i = 0; i < RELAY_CIRCUITS_MAX && relay.n_circuits > 0; i++)
		if (relay.circuits[i].used &&
		    relay_is_over(&relay, &relay.circuits[i], now)) {
			relay.cut++;
			end_both(&relay.circuits[i], LOOP_END_LIMIT);
		}
	if (conn_links(1) == 0)
		linked_since.us = 0;
	else if (linked_since.us == 0)
		linked_since = now;
	if (!mono_reached(look_due, now))
		return;
	look_due = mono_add_ms(now, LOOK_MS);
	relay_tick(&relay, now);
	look(now);
}

/* --- what is shown --- */

void
relaying_stats(stat_emit emit, void *arg)
{
	uint8_t vias[MINE_MAX][32];

	emit(arg, "relay_circuits", relay.n_circuits);
	emit(arg, "relay_reservations", relay.n_res);
	emit(arg, "relay_bytes", relay.bytes);
	emit(arg, "relay_opened", relay.opened);
	emit(arg, "relay_refused", relay.refused);
	emit(arg, "relay_cut", relay.cut);
	emit(arg, "relay_own", relaying_vias(vias, MINE_MAX));
}

void
relaying_limits(limit_emit emit, void *arg)
{
	emit(arg, "relayed circuits", relay.n_circuits, relay.conf.circuits,
	    relay.refused);
	emit(arg, "relay reservations", relay.n_res, relay.conf.reservations,
	    0);
}
