/* SPDX-License-Identifier: ISC */
/*
 * Circuits and reservations, as promised in relay.h.
 */
#include "peerd/relay.h"

#include <string.h>

#include "common/assert.h"

void
relay_init(struct relay *r, struct relay_circuit *circuits,
    struct relay_res *res)
{
	memset(r, 0, sizeof(*r));
	r->circuits = circuits;
	r->res = res;
	bucket_init(&r->free_opens,
	    (struct rate){ .per_s = 2, .burst = RELAY_FREE_BURST });
}

void
relay_configure(struct relay *r, const struct relay_conf *conf)
{
	r->conf = *conf;
	if (r->conf.circuits > RELAY_CIRCUITS_MAX)
		r->conf.circuits = RELAY_CIRCUITS_MAX;
	if (r->conf.reservations > RELAY_RESERVATIONS_MAX)
		r->conf.reservations = RELAY_RESERVATIONS_MAX;
}

/* --- refusing --- */

const char *
relay_refuse(struct relay *r, enum relay_refusal why)
{
#define SAID(name, text) [name] = "relay: " text,
	static const char *const said[] = { RELAY_REFUSALS(SAID) };
#undef SAID

	ASSERT(why < RELAY_REFUSAL_N);
	r->refused++;
	r->refusals[why]++;
	return said[why];
}

const char *
relay_refusal_name(enum relay_refusal why)
{
#define NAME(name, text) [name] = text,
	static const char *const names[] = { RELAY_REFUSALS(NAME) };
#undef NAME

	ASSERT(why < RELAY_REFUSAL_N);
	return names[why];
}

/* --- reservations --- */

static struct relay_res *
res_find(const struct relay *r, const uint8_t id[32])
{
	size_t i;

	if (r->n_res == 0)
		return NULL;
	for (i = 0; i < RELAY_RESERVATIONS_MAX; i++)
		if (r->res[i].used && memcmp(r->res[i].id, id, 32) == 0)
			return &r->res[i];
	return NULL;
}

static struct relay_res *
res_new(struct relay *r)
{
	size_t i;

	if (r->n_res >= r->conf.reservations)
		return NULL;
	for (i = 0; i < RELAY_RESERVATIONS_MAX && r->res[i].used; i++)
		;
	if (i == RELAY_RESERVATIONS_MAX)
		return NULL;
	r->n_res++;
	memset(&r->res[i], 0, sizeof(r->res[i]));
	r->res[i].used = true;
	return &r->res[i];
}

static bool
is_first_half(const struct relay_res *res, struct mono now)
{
	return mono_ms_between(res->since, now) <
	    mono_ms_between(now, res->until);
}

static void
res_begin(const struct relay *r, struct relay_res *res, struct mono now)
{
	res->since = now;
	res->until = mono_add_ms(now, (int64_t)r->conf.seconds * 1000);
	res->left = r->conf.bytes;
}

/*
 * Room for n bytes more, if asking would give it.  In the second half of its
 * time the node would only have to ask, and it asks by a timer of its own,
 * which knows neither when its bytes are gone nor, after a new link, when
 * the half is over: a busy loop would die for nothing.  In the first half
 * this grants nothing, and must not: bytes once in half of the time is what
 * the reservation promises us.
 */
static void
res_refill(const struct relay *r, struct relay_res *res, uint64_t n,
    struct mono now)
{
	if (n > res->left && r->conf.enable && !is_first_half(res, now) &&
	    !mono_reached(res->until, now))
		res_begin(r, res, now);
}

const char *
relay_reserve(struct relay *r, const uint8_t id[32], struct mono now,
    uint64_t *bytes, uint32_t *seconds)
{
	struct relay_res *res = res_find(r, id);

	if (!r->conf.enable)
		return relay_refuse(r, RELAY_NO_OFF);
	if (res == NULL) {
		relay_tick(r, now);
		if ((res = res_new(r)) == NULL)
			return relay_refuse(r, RELAY_NO_PLACE);
		memcpy(res->id, id, 32);
		res_begin(r, res, now);
		r->reserved++;
	} else if (!is_first_half(res, now)) {
		res_begin(r, res, now);
	}
	*bytes = res->left;
	*seconds = (uint32_t)(mono_ms_between(now, res->until) / 1000);
	return NULL;
}

void
relay_tick(struct relay *r, struct mono now)
{
	size_t i;

	for (i = 0; i < RELAY_RESERVATIONS_MAX && r->n_res > 0; i++) {
		if (!r->res[i].used || r->res[i].circuits > 0 ||
		    !mono_reached(r->res[i].until, now))
			continue;
		r->res[i].used = false;
		r->n_res--;
	}
}

/* --- circuits --- */

static uint32_t
opened_by(const struct relay *r, const uint8_t id[32])
{
	uint32_t i, n = 0;

	for (i = 0; i < RELAY_CIRCUITS_MAX; i++)
		n += r->circuits[i].used &&
		    memcmp(r->circuits[i].from, id, 32) == 0;
	return n;
}

/* The reservation a circuit between the two can use, the target's first. */
static struct relay_res *
res_for(const struct relay *r, const uint8_t from[32], const uint8_t to[32],
    struct mono now)
{
	struct relay_res *res = res_find(r, to);

	if (res == NULL || mono_reached(res->until, now))
		res = res_find(r, from);
	return res == NULL || mono_reached(res->until, now) ? NULL : res;
}

/* RELAY_REFUSAL_N: it may. */
static enum relay_refusal
refusal(struct relay *r, const uint8_t from[32], const struct relay_res *res,
    struct mono now)
{
	if (!r->conf.enable)
		return RELAY_NO_OFF;
	if (r->n_circuits >= r->conf.circuits)
		return RELAY_NO_CIRCUITS;
	if (opened_by(r, from) >= r->conf.per_peer)
		return RELAY_NO_PER_PEER;
	if (res != NULL && res->left == 0)
		return RELAY_NO_QUOTA;
	if (res == NULL && r->conf.free_bytes == 0)
		return RELAY_NO_RESERVATION;
	if (res == NULL && !bucket_allow(&r->free_opens, now))
		return RELAY_NO_BURST;
	return RELAY_REFUSAL_N;
}

const char *
relay_open(struct relay *r, const uint8_t from[32], const uint8_t to[32],
    struct mono now, struct relay_circuit **out)
{
	struct relay_res *res = res_for(r, from, to, now);
	enum relay_refusal why;
	struct relay_circuit *c;
	size_t i;

	if (res != NULL)
		res_refill(r, res, 1, now);
	why = refusal(r, from, res, now);
	if (why != RELAY_REFUSAL_N)
		return relay_refuse(r, why);
	for (i = 0; i < RELAY_CIRCUITS_MAX && r->circuits[i].used; i++)
		;
	ASSERT(i < RELAY_CIRCUITS_MAX);
	c = &r->circuits[i];
	memset(c, 0, sizeof(*c));
	c->used = true;
	c->since = now;
	memcpy(c->from, from, 32);
	memcpy(c->to, to, 32);
	c->res = RELAY_NONE;
	c->until = MONO_NEVER;
	if (res != NULL) {
		c->res = (uint32_t)(res - r->res);
		res->circuits++;
	} else {
		c->left = r->conf.free_bytes;
		c->until =
		    mono_add_ms(now, (int64_t)r->conf.free_seconds * 1000);
	}
	r->n_circuits++;
	r->opened++;
	*out = c;
	return NULL;
}

bool
relay_is_over(const struct relay *r, const struct relay_circuit *c,
    struct mono now)
{
	return mono_reached(
	    c->res == RELAY_NONE ? c->until : r->res[c->res].until, now);
}

bool
relay_carry(struct relay *r, struct relay_circuit *c, unsigned side, uint32_t n,
    struct mono now)
{
	uint64_t *left = c->res == RELAY_NONE ? &c->left : &r->res[c->res].left;

	if (c->res != RELAY_NONE)
		res_refill(r, &r->res[c->res], n, now);
	if (relay_is_over(r, c, now) || n > *left) {
		*left = n > *left ? 0 : *left;
		r->cut++;
		return false;
	}
	*left -= n;
	c->bytes[side] += n;
	r->bytes += n;
	return true;
}

void
relay_close(struct relay *r, struct relay_circuit *c)
{
	ASSERT(c->used && r->n_circuits > 0);
	c->used = false;
	r->n_circuits--;
	if (c->res != RELAY_NONE)
		r->res[c->res].circuits--;
}
