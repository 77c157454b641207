/* SPDX-License-Identifier: ISC */
/*
 * The shell of relay.h: circuits between two links of ours.  A circuit goes
 * to a node that is linked already; nobody is dialled on behalf of others.
 * Credit passes from end to end, so a relay holds no more than STREAM_HOLD
 * each way.  The relays this node uses itself are in reserving.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/relay.h"

#define LOOK_MS 1000

static struct relay relay;
static struct mono look_due;

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
	if (!relay_carry(&relay, ct, s->tag % 2, n, mono_now())) {
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
		flow_refuse(c, s, WIRE_NO_LIMIT,
		    relay_refuse(&relay, RELAY_NO_STREAMS));
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
		flow_refuse(c, s, WIRE_NO_SERVICE,
		    relay_refuse(&relay, RELAY_NO_OFF));
		return;
	}
	if (next == NULL || memcmp(next->id, c->id, 32) == 0) {
		flow_refuse(c, s, WIRE_NO_ROUTE,
		    relay_refuse(&relay, RELAY_NO_ROUTE));
		return;
	}
	why = relay_open(&relay, c->id, next->id, mono_now(), &ct);
	if (why != NULL)
		flow_refuse(c, s, WIRE_NO_LIMIT, why);
	else
		begin(c, s, m, next, ct);
}

/* --- reservations of others --- */

void
relaying_reserve(struct conn *c)
{
	uint8_t buf[WIRE_TEXT_MAX + 32];
	uint64_t bytes = 0;
	uint32_t seconds = 0;
	const char *why;
	struct wr w;

	if (c->circuit != NULL) {
		peerd.n.unknown_messages++;
		return;
	}
	why = relay_reserve(&relay, c->id, mono_now(), &bytes, &seconds);
	wr_init(&w, buf, sizeof(buf));
	if (why != NULL)
		wire_put_reserved(&w, 0, 0, why);
	else
		wire_put_reserved(&w, bytes, seconds, "");
	flow_send(c, &w);
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
	if (!mono_reached(look_due, now))
		return;
	look_due = mono_add_ms(now, LOOK_MS);
	relay_tick(&relay, now);
}

/* --- what is shown --- */

static void
show_conf(struct ipc *ch, uint32_t id)
{
	static const char *const reserve[] = { "auto", "yes", "no" };
	const struct relay_conf *c = &relay.conf;
	struct msg_ctl_relay v = { .enabled = c->enable,
		.max_circuits = (uint16_t)c->circuits,
		.max_circuits_per_peer = (uint16_t)c->per_peer,
		.max_reservations = (uint16_t)c->reservations,
		.reservation_bytes = c->bytes,
		.reservation_s = c->seconds,
		.unreserved_bytes = c->free_bytes,
		.unreserved_s = c->free_seconds,
		.bytes = relay.bytes,
		.opened = relay.opened,
		.reserved = relay.reserved,
		.cut = relay.cut,
		.refused = relay.refused,
		.reserving = reserving_wanted() };
	enum relay_refusal i;

	for (i = 0; i < RELAY_REFUSAL_N; i++) {
		if (relay.refusals[i] == 0)
			continue;
		v.refusals[v.n_refusals].count = relay.refusals[i];
		(void)strlcpy(v.refusals[v.n_refusals++].reason,
		    relay_refusal_name(i), sizeof(v.refusals[0].reason));
	}
	(void)strlcpy(v.reserve, reserve[peerd.conf.relay_reserve],
	    sizeof(v.reserve));
	(void)ipc_send(ch, CTL_RELAY, id, &v);
}

static uint64_t
seconds_until(struct mono until, struct mono now)
{
	return mono_reached(until, now)
	    ? 0
	    : (uint64_t)mono_ms_between(now, until) / 1000;
}

static void
show_reservation(struct ipc *ch, uint32_t id, const struct relay_res *res,
    struct mono now)
{
	struct msg_ctl_relay_res v = { .bytes_left = res->left,
		.seconds_left = seconds_until(res->until, now),
		.circuits = res->circuits };

	memcpy(v.node, res->id, 32);
	(void)ipc_send(ch, CTL_RELAY_RES, id, &v);
}

static void
show_circuit(struct ipc *ch, uint32_t id, const struct relay_circuit *ct,
    struct mono now)
{
	const struct relay_res *res =
	    ct->res == RELAY_NONE ? NULL : &relay.res[ct->res];
	struct msg_ctl_relay_circuit v = { .bytes_from = ct->bytes[0],
		.bytes_to = ct->bytes[1],
		.age_s = (uint64_t)mono_ms_between(ct->since, now) / 1000,
		.reserved = res != NULL,
		.bytes_left = res == NULL ? ct->left : res->left,
		.seconds_left =
		    seconds_until(res == NULL ? ct->until : res->until, now) };

	memcpy(v.from, ct->from, 32);
	memcpy(v.to, ct->to, 32);
	(void)ipc_send(ch, CTL_RELAY_CIRCUIT, id, &v);
}

/* Both tables are bounded, and so is the answer: some 300 KB. */
void
relaying_show(struct ipc *ch, const struct ipc_msg *m)
{
	struct mono now = mono_now();
	size_t i;

	show_conf(ch, m->id);
	for (i = 0; i < RELAY_RESERVATIONS_MAX && relay.n_res > 0; i++)
		if (relay.res[i].used)
			show_reservation(ch, m->id, &relay.res[i], now);
	for (i = 0; i < RELAY_CIRCUITS_MAX && relay.n_circuits > 0; i++)
		if (relay.circuits[i].used)
			show_circuit(ch, m->id, &relay.circuits[i], now);
	reserving_show(ch, m->id);
	circuits_show(ch, m->id);
	child_ctl_end(ch, m->id, 0, "%s", "");
}

void
relaying_stats(stat_emit emit, void *arg)
{
	emit(arg, "relay_circuits", relay.n_circuits);
	emit(arg, "relay_reservations", relay.n_res);
	emit(arg, "relay_bytes", relay.bytes);
	emit(arg, "relay_opened", relay.opened);
	emit(arg, "relay_refused", relay.refused);
	emit(arg, "relay_cut", relay.cut);
}

void
relaying_limits(limit_emit emit, void *arg)
{
	emit(arg, "relayed circuits", relay.n_circuits, relay.conf.circuits,
	    relay.refused);
	emit(arg, "relay reservations", relay.n_res, relay.conf.reservations,
	    0);
}
