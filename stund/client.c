/* SPDX-License-Identifier: ISC */
/*
 * One STUN client, as promised and drawn in client.h.
 */
#include "stund/client.h"

#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"

void
client_init(struct client *cl, bool tcp, uint32_t base_ms)
{
	memset(cl, 0, sizeof(*cl));
	cl->tcp = tcp;
	cl->base_ms = base_ms == 0 ? CLIENT_KEEPALIVE_MS : base_ms;
	client_stop(cl);
}

void
client_stop(struct client *cl)
{
	cl->state = CLIENT_IDLE;
	cl->has_socket = false;
	cl->mapped = (struct naddr){ .fam = NADDR_NONE };
	cl->due = MONO_NEVER;
	cl->backoff_ms = CLIENT_BACKOFF_MIN_MS;
	cl->failures = 0;
	txn_stop(&cl->txn);
}

static struct txn_plan
plan_of(const struct client *cl, enum client_state s)
{
	if (cl->tcp)
		return TXN_TCP;
	return s == CLIENT_HELD ? TXN_KEEPALIVE : TXN_UDP;
}

static void
ask(struct client *cl, const uint8_t tid[STUN_TID], struct mono now)
{
	cl->due = MONO_NEVER;
	txn_start(&cl->txn, plan_of(cl, cl->state), tid, now);
}

void
client_socket(struct client *cl, const uint8_t tid[STUN_TID], struct mono now)
{
	cl->has_socket = true;
	if (cl->state != CLIENT_LOST)
		cl->state = CLIENT_FIRST;
	ask(cl, tid, now);
}

static void
back_off(struct client *cl, struct mono now)
{
	txn_stop(&cl->txn);
	cl->state = CLIENT_BACKOFF;
	cl->due = mono_add_ms(now, cl->backoff_ms);
	cl->backoff_ms *= 2;
	if (cl->backoff_ms > CLIENT_BACKOFF_MAX_MS)
		cl->backoff_ms = CLIENT_BACKOFF_MAX_MS;
}

/* The transaction came to nothing, or the socket died. */
static enum client_act
fail(struct client *cl, struct mono now)
{
	bool lasted;

	cl->failures++;
	cl->has_socket = !cl->tcp;
	if (cl->state != CLIENT_HELD) {
		back_off(cl, now);
		return CLIENT_WAIT;
	}
	lasted = mono_reached(mono_add_ms(cl->held, cl->base_ms), now);
	if (!lasted) {
		back_off(cl, now);
		return CLIENT_GONE;
	}
	txn_stop(&cl->txn);
	cl->state = CLIENT_LOST;
	cl->backoff_ms = CLIENT_BACKOFF_MIN_MS;
	cl->due = now;
	return CLIENT_GONE;
}

/*
 * A TCP connection whose server no longer answers is as good as dead, and
 * the mapping belongs to the connection: both need a new one.
 */
static enum client_act
begin(struct client *cl, const uint8_t tid[STUN_TID], struct mono now)
{
	if (cl->state == CLIENT_BACKOFF)
		cl->state = CLIENT_FIRST;
	if (!cl->has_socket) {
		cl->due = MONO_NEVER;
		return CLIENT_WANT_SOCKET;
	}
	ask(cl, tid, now);
	return CLIENT_WAIT;
}

enum client_act
client_tick(struct client *cl, const uint8_t tid[STUN_TID], struct mono now)
{
	if (cl->state == CLIENT_IDLE)
		return CLIENT_WAIT;
	if (mono_reached(cl->due, now) &&
	    begin(cl, tid, now) == CLIENT_WANT_SOCKET)
		return CLIENT_WANT_SOCKET;
	switch (txn_tick(&cl->txn, now)) {
	case TXN_SEND:
		return CLIENT_SEND;
	case TXN_FAIL:
		return fail(cl, now);
	case TXN_WAIT:
		break;
	}
	return CLIENT_WAIT;
}

/* Between base and 1.25 times base from now. */
static struct mono
keepalive_at(const struct client *cl, uint32_t rnd, struct mono now)
{
	return mono_add_ms(now, cl->base_ms + rnd % (cl->base_ms / 4 + 1));
}

static enum client_act
learn(struct client *cl, const struct naddr *mapped, uint32_t rnd,
    struct mono now)
{
	enum client_act act = CLIENT_NEW;

	txn_stop(&cl->txn);
	cl->failures = 0;
	if (cl->state == CLIENT_HELD) {
		act = naddr_equal(mapped, &cl->mapped) ? CLIENT_SAME
						       : CLIENT_CHANGED;
		/* The NAT forgot us between two keepalives: ask sooner. */
		if (act == CLIENT_CHANGED && !cl->tcp &&
		    cl->base_ms > CLIENT_KEEPALIVE_SHORT_MS)
			cl->base_ms = CLIENT_KEEPALIVE_SHORT_MS;
	}
	if (act != CLIENT_SAME)
		cl->held = now;
	else
		cl->backoff_ms = CLIENT_BACKOFF_MIN_MS;
	cl->state = CLIENT_HELD;
	cl->mapped = *mapped;
	cl->due = keepalive_at(cl, rnd, now);
	return act;
}

/* What no NAT maps to: the answer is wrong, let the transaction go on. */
static bool
is_nonsense(const struct naddr *mapped)
{
	enum addr_class c = addr_class(mapped);

	return c == ADDR_NOWHERE || c == ADDR_MULTICAST;
}

enum client_act
client_receive(struct client *cl, const uint8_t *buf, size_t len, uint32_t rnd,
    struct mono now)
{
	struct naddr mapped;
	struct stun_msg m;

	if (stun_parse(&m, buf, len) != STUN_OK || !txn_is_answer(&cl->txn, &m))
		return CLIENT_WAIT;
	/* RFC 8489 sections 6.3.3 and 6.3.4. */
	if (m.type == STUN_BINDING_ERROR || m.nunknown > 0)
		return fail(cl, now);
	if (stun_get_mapped(&m, &mapped) != 0 || is_nonsense(&mapped))
		return CLIENT_WAIT;
	return learn(cl, &mapped, rnd, now);
}

enum client_act
client_broken(struct client *cl, struct mono now)
{
	/* Old news: idle, backing off, or about to want another socket. */
	if (cl->state == CLIENT_IDLE || cl->state == CLIENT_BACKOFF ||
	    (!cl->has_socket && cl->due.us != INT64_MAX))
		return CLIENT_WAIT;
	return fail(cl, now);
}

void
client_put_request(const struct client *cl, struct wr *w)
{
	stun_put_request(w, cl->txn.tid);
}

bool
client_probe(struct client *cl, struct mono now)
{
	if (cl->state == CLIENT_IDLE || cl->due.us == MONO_NEVER.us)
		return false;
	cl->due = now;
	return true;
}

void
client_set_keepalive(struct client *cl, uint32_t base_ms, struct mono now)
{
	cl->base_ms = base_ms == 0 ? CLIENT_KEEPALIVE_MS : base_ms;
	if (cl->state == CLIENT_HELD && cl->due.us != MONO_NEVER.us)
		cl->due = mono_min(cl->due, mono_add_ms(now, cl->base_ms));
}

struct mono
client_due(const struct client *cl)
{
	return mono_min(cl->due, txn_due(&cl->txn));
}

const char *
client_state_name(enum client_state s)
{
	static const char *const names[] = { "idle", "first", "held", "lost",
		"backoff" };

	ASSERT(s <= CLIENT_BACKOFF);
	return names[s];
}
