/* SPDX-License-Identifier: ISC */
/*
 * Loops to other nodes: the messages of msg_appd.h, and credit both ways.
 */
#include <stdio.h>
#include <string.h>

#include "appd/mux_int.h"

#define WINDOW_MIN 4096 /* a loop with less would crawl */

uint32_t
net_mint(struct mux *m)
{
	do {
		m->next_stream = (m->next_stream + 1) & (LOOP_OURS - 1);
	} while (
	    m->next_stream == 0 || end_of_stream(m, m->next_stream) != NULL);
	return m->next_stream;
}

/*
 * peerd looks for so many nodes at a time, and dials fewer.  An app that asks
 * for nodes which cannot be reached must not keep these places from others.
 */
bool
net_take_dial(struct mux_end *e)
{
	struct mux_dial *d = e->app->dials, *at = NULL;
	unsigned i;

	for (i = 0; i < MUX_DIALS; i++) {
		if (d[i].n == 0) {
			at = at == NULL ? &d[i] : at;
		} else if (memcmp(d[i].pk, e->remote.pk, APP_PK_LEN) == 0) {
			at = &d[i];
			break;
		}
	}
	if (at == NULL)
		return false;
	memcpy(at->pk, e->remote.pk, APP_PK_LEN);
	at->n++;
	e->dial = (uint8_t)(at - d + 1);
	return true;
}

void
net_drop_dial(struct mux_end *e)
{
	if (e->dial != 0)
		e->app->dials[e->dial - 1].n--;
	e->dial = 0;
}

unsigned
mux_dials(const struct mux *m)
{
	unsigned i, j, n, most = 0;

	for (i = 0; i < m->apps_max; i++) {
		for (j = n = 0; m->apps[i].used && j < MUX_DIALS; j++)
			n += m->apps[i].dials[j].n > 0;
		most = n > most ? n : most;
	}
	return most;
}

bool
net_prepare(struct mux *m, struct mux_end *e)
{
	uint32_t left = m->conf.app_bytes > e->app->windows
	    ? m->conf.app_bytes - e->app->windows
	    : 0;

	e->window = m->conf.window < left ? m->conf.window : left;
	if (e->window < WINDOW_MIN) {
		m->count.full++;
		e->window = 0;
		return false;
	}
	e->app->windows += e->window;
	e->avail = e->window;
	return true;
}

void
net_push(struct mux *m, struct mux_end *e, struct mono now)
{
	const uint8_t *p;
	size_t n, max;

	while (e->tx.len > 0 && e->credit > 0 && e->stream != 0 &&
	    !m->ops.net_full(m->ops.ctx)) {
		max = e->credit < LOOP_DATA_MAX ? e->credit : LOOP_DATA_MAX;
		p = fifo_peek(&e->tx, m->scratch, max, &n);
		m->ops.data(m->ops.ctx, e->stream, p, n);
		fifo_drop(&e->tx, &m->mem, n);
		e->credit -= (uint32_t)n;
		if (e->app != NULL)
			owe_done(m, e, (uint32_t)n);
		else
			end_moved(m, e, (uint32_t)n, now);
	}
	if (e->tx.len > 0 && e->credit > 0 && !e->netting) {
		TAILQ_INSERT_TAIL(&m->netline, e, net);
		e->netting = true;
	}
	if (e->state == END_CLOSED && e->tx.len == 0)
		end_finish(m, e, LOOP_END_CLOSED);
}

void
mux_net_drained(struct mux *m, struct mono now)
{
	struct mux_end *e;

	while ((e = TAILQ_FIRST(&m->netline)) != NULL &&
	    !m->ops.net_full(m->ops.ctx)) {
		TAILQ_REMOVE(&m->netline, e, net);
		e->netting = false;
		net_push(m, e, now);
	}
}

/*
 * Whoever keeps the window busy gets a larger one, as long as all together take
 * up to half of the app's bytes: the other half is for loops to come, since a
 * window never shrinks.
 */
static void
grow(struct mux *m, struct mux_end *e, uint32_t n)
{
	struct mux_app *a = e->app;

	e->grown += n;
	if (e->grown < 2 * e->window || e->window > m->conf.window_max / 2 ||
	    a->windows + e->window > m->conf.app_bytes / 2)
		return;
	e->due += e->window;
	a->windows += e->window;
	e->window *= 2;
	e->grown = 0;
}

void
net_took(struct mux *m, struct mux_end *e, uint32_t n)
{
	e->due += n;
	grow(m, e, n);
	if (e->due < e->window / 4 || e->stream == 0)
		return;
	e->avail += e->due;
	m->ops.grant(m->ops.ctx, e->stream, e->due);
	e->due = 0;
}

void
mux_net_opened(struct mux *m, uint32_t stream, bool relayed, struct mono now)
{
	struct mux_end *e = end_of_stream(m, stream);
	struct app_addr local;

	if (e == NULL || e->state != END_DIALING)
		return; /* closed meanwhile, and peerd was told */
	e->relayed = relayed;
	e->credit = LOOP_HOP_WINDOW;
	net_drop_dial(e);
	end_set_state(m, e, END_OPEN, now);
	memcpy(local.pk, m->conf.id, sizeof(local.pk));
	local.port = e->port;
	tell_addr(m, e->app, e->id, &local);
}

void
mux_net_refused(struct mux *m, uint32_t stream, const char *text)
{
	struct mux_end *e = end_of_stream(m, stream);

	if (e == NULL || e->state != END_DIALING)
		return;
	end_refuse(m, e, text);
}

void
mux_net_offer(struct mux *m, uint32_t stream, const struct app_addr *from,
    uint16_t port, bool relayed, struct mono now)
{
	uint16_t owner = ports_owner(m->ports, port);
	struct mux_app *a = owner == PORT_NOBODY ? NULL : &m->apps[owner];
	const char *why = NULL, *full;
	struct mux_end *e = NULL;
	char text[LOOP_TEXT];

	if (a == NULL || !a->inited)
		why = "confirm: port is not bound";
	else if (a->n_confirming >= MUX_BACKLOG)
		why = "confirm: backlog full";
	else if (mux_is_self(m, from->pk))
		why = "confirm: loop is already created";
	else if ((e = end_new(m, a, port, from, &full)) == NULL) {
		(void)snprintf(text, sizeof(text), "confirm: %s", full);
		why = text;
	}
	if (e != NULL) {
		ports_ref(m->ports, port);
		e->far = true;
		e->relayed = relayed;
		if (!net_prepare(m, e)) {
			why = "confirm: too many loops";
			end_free(m, e);
		}
	}
	if (why != NULL) {
		m->count.refused++;
		m->ops.refuse(m->ops.ctx, stream, why);
		return;
	}
	end_set_stream(m, e, stream);
	end_set_state(m, e, END_CONFIRMING, now);
	tell_confirm(m, e);
}

bool
mux_net_data(struct mux *m, uint32_t stream, const uint8_t *p, size_t n)
{
	struct mux_end *e = end_of_stream(m, stream);

	if (e == NULL || e->state == END_CLOSED)
		return true; /* for somebody who is gone */
	if (e->state != END_OPEN || n > e->avail)
		return false;
	e->avail -= (uint32_t)n;
	if (tell_data_now(m, e, p, n))
		return true;
	if (!fifo_put(&e->rx, &m->mem, p, n)) {
		/* A hole in the stream would be worse than its end. */
		m->ops.close(m->ops.ctx, stream, LOOP_END_ERROR);
		end_set_stream(m, e, 0);
		end_far_gone(m, e);
		return true;
	}
	tell_next(m, e);
	return true;
}

void
mux_net_grant(struct mux *m, uint32_t stream, uint32_t n, struct mono now)
{
	struct mux_end *e = end_of_stream(m, stream);

	if (e == NULL)
		return;
	e->credit = n > UINT32_MAX - e->credit ? UINT32_MAX : e->credit + n;
	net_push(m, e, now);
}

static void
lose(struct mux *m, struct mux_end *e, enum loop_end why)
{
	end_set_stream(m, e, 0);
	if (e->state == END_DIALING)
		end_refuse(m, e,
		    why == LOOP_END_LOST ? "transport: the link was lost"
					 : "transport: closed");
	else
		end_far_gone(m, e);
}

void
mux_net_closed(struct mux *m, uint32_t stream, enum loop_end why)
{
	struct mux_end *e = end_of_stream(m, stream);

	if (e == NULL)
		return; /* the answer to our own */
	m->ops.close(m->ops.ctx, stream, why);
	lose(m, e, why);
}

void
mux_net_lost(struct mux *m)
{
	unsigned i;

	for (i = 0; i < m->ends_used; i++)
		if (m->ends[i].stream != 0)
			lose(m, &m->ends[i], LOOP_END_LOST);
}
