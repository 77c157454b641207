/* SPDX-License-Identifier: ISC */
/*
 * The table of ends, found by address or by stream; and all the ways in which
 * a loop ends.
 */
#include <sodium.h>
#include <string.h>

#include "appd/mux_int.h"
#include "common/assert.h"
#include "common/bytes.h"

/* --- finding --- */

/* Ports and keys come from strangers: the key of the hash is ours alone. */
static struct mux_end **
bucket_of_addr(const struct mux *m, uint16_t port, const struct app_addr *to)
{
	uint8_t in[APP_PK_LEN + 4], h[crypto_shorthash_BYTES];

	memcpy(in, to->pk, APP_PK_LEN);
	put_u16(in + APP_PK_LEN, to->port);
	put_u16(in + APP_PK_LEN + 2, port);
	(void)crypto_shorthash(h, in, sizeof(in), m->hash_key);
	return &m->by_addr[get_u32(h) & m->mask];
}

struct mux_end *
end_find(const struct mux *m, uint16_t port, const struct app_addr *remote)
{
	struct mux_end *e;

	for (e = *bucket_of_addr(m, port, remote); e != NULL; e = e->hash_next)
		if (e->port == port && app_addr_equal(&e->remote, remote))
			return e;
	return NULL;
}

/* Streams are minted in a row, by us or by peerd. */
static struct mux_end **
bucket_of_stream(const struct mux *m, uint32_t stream)
{
	return &m->by_stream[(stream ^ stream >> 20) & m->mask];
}

struct mux_end *
end_of_stream(const struct mux *m, uint32_t stream)
{
	struct mux_end *e;

	for (e = *bucket_of_stream(m, stream); e != NULL; e = e->stream_next)
		if (e->stream == stream)
			return e;
	return NULL;
}

void
end_set_stream(struct mux *m, struct mux_end *e, uint32_t stream)
{
	struct mux_end **at;

	if (e->stream != 0) {
		for (at = bucket_of_stream(m, e->stream); *at != e;)
			at = &(*at)->stream_next;
		*at = e->stream_next;
	}
	e->stream = stream;
	if (stream == 0)
		return;
	at = bucket_of_stream(m, stream);
	e->stream_next = *at;
	*at = e;
}

/* --- beginning --- */

/* The memory of one that ended, else of one that nobody has touched yet. */
static struct mux_end *
end_memory(struct mux *m)
{
	struct mux_end *e = m->spare;

	if (e != NULL)
		m->spare = e->stream_next;
	else if (m->ends_used < m->ends_max)
		e = &m->ends[m->ends_used++];
	return e;
}

/* How many ends have the address; *at is where the next is hung up. */
static unsigned
hung_up(struct mux *m, uint16_t port, const struct app_addr *remote,
    struct mux_end ***at)
{
	unsigned n = 0;

	*at = bucket_of_addr(m, port, remote);
	for (; **at != NULL; *at = &(**at)->hash_next)
		n += (**at)->port == port &&
		    app_addr_equal(&(**at)->remote, remote);
	return n;
}

struct mux_end *
end_new(struct mux *m, struct mux_app *a, uint16_t port,
    const struct app_addr *remote, const char **why)
{
	struct mux_end **at, *e = NULL;
	unsigned before = hung_up(m, port, remote, &at);

	if (before > 1) {
		*why = "loop is already created";
		return NULL;
	}
	if (m->n_ends < m->conf.loops_max &&
	    a->n_ends < m->conf.loops_per_app)
		e = end_memory(m);
	if (e == NULL) {
		*why = "too many loops";
		m->count.full++;
		return NULL;
	}
	memset(e, 0, sizeof(*e));
	e->app = a;
	e->port = port;
	e->remote = *remote;
	e->owed = e->owed_last = e->asked = MUX_NONE;
	e->behind = before > 0;
	*at = e;
	TAILQ_INSERT_TAIL(&a->ends, e, mine);
	a->n_ends++;
	m->n_ends++;
	return e;
}

static void
stop_timing(struct mux *m, struct mux_end *e)
{
	if (e->state == END_CONFIRMING && e->app != NULL && !e->behind)
		e->app->n_confirming--;
	if (!e->timing)
		return;
	e->timing = false;
	if (e->state == END_CONFIRMING)
		TAILQ_REMOVE(&m->confirming, e, timed);
	else
		TAILQ_REMOVE(&m->closed, e, timed);
}

void
end_set_state(struct mux *m, struct mux_end *e, enum mux_state state,
    struct mono now)
{
	stop_timing(m, e);
	e->state = (uint8_t)state;
	e->since = now;
	if (state == END_CONFIRMING) {
		TAILQ_INSERT_TAIL(&m->confirming, e, timed);
		e->app->n_confirming += !e->behind;
		e->timing = true;
	} else if (state == END_CLOSED && e->far) {
		m->left += e->tx.len;
		TAILQ_INSERT_TAIL(&m->closed, e, timed);
		e->timing = true;
	} else if (state == END_OPEN) {
		m->count.opened++;
	}
}

void
end_moved(struct mux *m, struct mux_end *e, uint32_t n, struct mono now)
{
	m->left -= n;
	e->since = now;
	TAILQ_REMOVE(&m->closed, e, timed);
	TAILQ_INSERT_TAIL(&m->closed, e, timed);
}

/* --- ending --- */

static void
clear_tx(struct mux *m, struct mux_end *e)
{
	if (e->state == END_CLOSED && e->far)
		m->left -= e->tx.len;
	fifo_clear(&e->tx, &m->mem);
}

/* The address is free: whoever waited for that is next. */
static void
step_up(struct mux *m, struct mux_app *a, uint16_t port,
    const struct app_addr *remote)
{
	struct mux_end *e = end_find(m, port, remote);

	if (e == NULL || !e->behind)
		return;
	e->behind = false;
	a->n_confirming++;
	tell_confirm(m, e);
}

/* Its app is done with it: the address is free, nothing is asked any more. */
static void
leave_app(struct mux *m, struct mux_end *e)
{
	struct mux_app *a = e->app;
	struct mux_end **at;

	if (a == NULL)
		return;
	stop_timing(m, e);
	for (at = bucket_of_addr(m, e->port, &e->remote); *at != e;)
		at = &(*at)->hash_next;
	*at = e->hash_next;
	if (e->asking)
		TAILQ_REMOVE(&a->asks, e, ask);
	e->asking = false;
	if (e->asked != MUX_NONE)
		a->reqs[e->asked].end = NULL;
	e->asked = MUX_NONE;
	/* What it sent is on its way: as good as delivered, to the app. */
	owe_done(m, e, e->tx_all - e->tx_done);
	TAILQ_REMOVE(&a->ends, e, mine);
	a->n_ends--;
	a->windows -= e->window;
	ports_unref(m->ports, e->port);
	net_drop_dial(e);
	e->app = NULL;
	fifo_clear(&e->rx, &m->mem);
	step_up(m, a, e->port, &e->remote);
}

void
end_free(struct mux *m, struct mux_end *e)
{
	leave_app(m, e);
	stop_timing(m, e);
	end_set_stream(m, e, 0);
	if (e->netting)
		TAILQ_REMOVE(&m->netline, e, net);
	if (e->other != NULL)
		e->other->other = NULL;
	clear_tx(m, e);
	fifo_clear(&e->rx, &m->mem);
	memset(e, 0, sizeof(*e));
	e->stream_next = m->spare;
	m->spare = e;
	m->n_ends--;
}

void
end_finish(struct mux *m, struct mux_end *e, enum loop_end why)
{
	struct mux_end *other = e->other;

	if (e->stream != 0)
		m->ops.close(m->ops.ctx, e->stream, why);
	end_free(m, e);
	if (other != NULL)
		end_far_gone(m, other);
}

/* The loop never was open, and its app ends. */
static void
close_early(struct mux *m, struct mux_end *e)
{
	struct mux_end *other = e->other;

	if (e->state == END_CONFIRMING && other != NULL)
		end_refuse(m, other, "confirm: the app has ended");
	else if (e->state == END_CONFIRMING && e->stream != 0)
		m->ops.refuse(m->ops.ctx, e->stream,
		    "confirm: the app has ended");
	else if (e->stream != 0)
		m->ops.close(m->ops.ctx, e->stream, LOOP_END_CLOSED);
	else if (other != NULL)
		end_far_gone(m, other); /* hears Close if it confirms */
	end_free(m, e);
}

/* What the far side has not taken yet it will never take. */
static void
drop_tx(struct mux *m, struct mux_end *e)
{
	clear_tx(m, e);
	if (e->app != NULL)
		owe_fail(m, e, e->tx_all - e->tx_done, "no listeners");
}

/*
 * Whoever takes nothing must not fill the memory with what was meant for him:
 * of the closed ones that which has not moved for longest goes first.  None
 * alone has too much (MUX_TX_IDS).
 */
static void
make_room(struct mux *m)
{
	while (m->left > MUX_LEFT_MAX) {
		m->count.cut++;
		end_finish(m, TAILQ_FIRST(&m->closed), LOOP_END_CLOSED);
	}
}

void
end_close(struct mux *m, struct mux_end *e, struct mono now)
{
	struct mux_end *other = e->other;

	if (e->state != END_OPEN) {
		close_early(m, e);
		return;
	}
	leave_app(m, e);
	if (other != NULL)
		drop_tx(m, other);
	if (e->tx.len == 0 || (e->far ? e->stream == 0 : other == NULL)) {
		end_finish(m, e, LOOP_END_CLOSED);
		return;
	}
	end_set_state(m, e, END_CLOSED, now);
	if (!e->far)
		return;
	net_push(m, e, now);
	make_room(m);
}

void
end_far_gone(struct mux *m, struct mux_end *e)
{
	e->far_closed = true;
	drop_tx(m, e);
	if (e->state == END_CLOSED || e->behind)
		end_free(m, e);
	else
		tell_next(m, e);
}

void
end_give_up(struct mux *m, struct mux_end *e)
{
	static const char why[] = "confirm: the app does not answer";

	TAILQ_REMOVE(&m->confirming, e, timed);
	e->timing = false;
	e->far_closed = true;
	if (e->other != NULL)
		end_refuse(m, e->other, why);
	if (e->stream != 0)
		m->ops.refuse(m->ops.ctx, e->stream, why);
	end_set_stream(m, e, 0);
	if (e->behind)
		end_free(m, e); /* its app never heard of it */
}

void
end_refuse(struct mux *m, struct mux_end *e, const char *text)
{
	struct mux_app *a = e->app;
	uint8_t id = e->id;

	m->count.refused++;
	end_free(m, e);
	tell_failure(m, a, id, text);
}
