/* SPDX-License-Identifier: ISC */
/*
 * What goes to apps.  Answers are written at once: for those there is always
 * room.  What an app is asked (ConfirmLoop, Send, Close) waits in the line of
 * its ends until there is room and a free id; each end is in it once.
 */
#include <stdio.h>
#include <string.h>

#include "appd/base64.h"
#include "appd/mux_int.h"
#include "common/assert.h"

/* Of a Send besides the base64, in either form. */
#define SEND_ROOM 320

/* --- answers --- */

static void
answer(struct mux *m, struct mux_app *a, uint8_t type, uint8_t id,
    const void *body, size_t len)
{
	unsigned i = mux_index(m, a);
	uint8_t *at;

	a->busy[id] = false;
	if (a->dead)
		return;
	at = m->ops.room(m->ops.ctx, i, PACKET_HEAD + len, true);
	packet_put_head(at, type, id, len);
	memcpy(at + PACKET_HEAD, body, len);
	m->ops.wrote(m->ops.ctx, i, PACKET_HEAD + len);
}

void
tell_success(struct mux *m, struct mux_app *a, uint8_t id)
{
	answer(m, a, PACKET_SUCCESS, id, "null", 4);
}

void
tell_addr(struct mux *m, struct mux_app *a, uint8_t id,
    const struct app_addr *addr)
{
	char body[128];

	answer(m, a, PACKET_SUCCESS, id, body,
	    app_json_put_addr(body, sizeof(body), addr));
}

void
tell_failure(struct mux *m, struct mux_app *a, uint8_t id, const char *text)
{
	size_t len = strnlen(text, MUX_ANSWER - PACKET_HEAD);

	a->refused++;
	answer(m, a, PACKET_FAILURE, id, text, len);
}

void
tell_twice(struct mux *m, struct mux_app *a, uint8_t id)
{
	tell_failure(m, a, id, "id is in use");
	a->busy[id] = true;
}

/* --- Sends that are not answered yet --- */

void
owe_add(struct mux *m, struct mux_end *e, uint8_t id)
{
	struct mux_app *a = e->app;

	(void)m;
	a->busy[id] = true;
	a->failed[id] = false;
	a->next[id] = MUX_NONE;
	a->end_at[id] = e->tx_all;
	if (e->owed == MUX_NONE)
		e->owed = id;
	else
		a->next[e->owed_last] = id;
	e->owed_last = id;
}

static void
pay(struct mux *m, struct mux_end *e, const char *text)
{
	struct mux_app *a = e->app;
	uint8_t id;

	while (e->owed != MUX_NONE &&
	    (int32_t)(a->end_at[e->owed] - e->tx_done) <= 0) {
		id = (uint8_t)e->owed;
		e->owed = a->next[id];
		if (a->failed[id])
			tell_failure(m, a, id, text);
		else
			tell_success(m, a, id);
	}
}

/* n bytes of the app are off its account: it may send more. */
static void
settle(struct mux *m, struct mux_end *e, uint32_t n)
{
	struct mux_app *a = e->app;

	e->tx_done += n;
	a->tx_bytes -= n;
	if (a->stalled && !a->dead && a->tx_bytes <= MUX_TX_MAX)
		m->ops.resume(m->ops.ctx, mux_index(m, a));
}

void
owe_done(struct mux *m, struct mux_end *e, uint32_t n)
{
	settle(m, e, n);
	pay(m, e, "no listeners");
}

void
owe_fail(struct mux *m, struct mux_end *e, uint32_t n, const char *text)
{
	struct mux_app *a = e->app;
	uint32_t from = e->tx_done, to = from + n;
	uint16_t id;

	if (n == 0)
		return;
	for (id = e->owed; id != MUX_NONE && (int32_t)(from - to) < 0;
	     id = a->next[id]) {
		a->failed[id] = true;
		from = a->end_at[id];
	}
	settle(m, e, n);
	pay(m, e, text);
}

/* --- requests --- */

/* The lowest free id, or MUX_NONE. */
static uint16_t
id_free(const struct mux_app *a)
{
	unsigned i, id;

	for (i = 0; i < 8; i++) {
		if (a->ids[i] == UINT32_MAX)
			continue;
		id = i * 32 + (unsigned)__builtin_ctz(~a->ids[i]);
		return id < PACKET_IDS ? (uint16_t)id : MUX_NONE;
	}
	return MUX_NONE;
}

static void
id_take(struct mux *m, struct mux_app *a, uint16_t id, uint8_t kind,
    struct mux_end *e)
{
	a->ids[id / 32] |= 1u << id % 32;
	a->reqs[id].kind = kind;
	a->reqs[id].end = e;
	if (e != NULL)
		e->asked = id;
	/* Its answer may lie behind what was not read. */
	if (a->stalled)
		m->ops.resume(m->ops.ctx, mux_index(m, a));
}

static void
loop_of(const struct mux *m, const struct mux_end *e, struct app_loop *l)
{
	memcpy(l->local.pk, m->conf.id, APP_PK_LEN);
	l->local.port = e->port;
	l->remote = e->remote;
}

/* Where bytes for the end's app wait, or NULL. */
static struct fifo *
source(struct mux_end *e)
{
	if (e->far)
		return &e->rx;
	return e->other == NULL ? NULL : &e->other->tx;
}

/* A Send of n bytes, which the end's app answers one day. */
static bool
put_send(struct mux *m, struct mux_end *e, const uint8_t *p, size_t n)
{
	struct mux_app *a = e->app;
	unsigned i = mux_index(m, a);
	size_t room = SEND_ROOM + BASE64_TEXT_LEN(n), len;
	uint16_t id = id_free(a);
	struct app_loop l;
	uint8_t *at;

	if (id == MUX_NONE ||
	    (at = m->ops.room(m->ops.ctx, i, room, false)) == NULL)
		return false;
	loop_of(m, e, &l);
	len = app_json_put_send((char *)at + PACKET_HEAD, room - PACKET_HEAD,
	    &l, a->form, p, n);
	ASSERT(len > 0);
	packet_put_head(at, PACKET_SEND, (uint8_t)id, len);
	m->ops.wrote(m->ops.ctx, i, PACKET_HEAD + len);
	id_take(m, a, id, PACKET_SEND, e);
	e->sending = true;
	e->sent = (uint32_t)n;
	e->out += n;
	a->out += n;
	m->count.bytes_out += n;
	return true;
}

bool
tell_data_now(struct mux *m, struct mux_end *e, const uint8_t *p, size_t n)
{
	const struct fifo *f = source(e);

	return e->state == END_OPEN && !e->sending && !e->asking && f != NULL &&
	    f->len == 0 && n <= APP_PIECE_MAX && put_send(m, e, p, n);
}

static bool
put_piece(struct mux *m, struct mux_end *e)
{
	struct fifo *f = source(e);
	struct mux_end *other = e->other;
	const uint8_t *p;
	size_t n;

	p = fifo_peek(f, m->scratch, APP_PIECE_MAX, &n);
	if (!put_send(m, e, p, n))
		return false;
	fifo_drop(f, &m->mem, n);
	/* The last bytes of one who has closed. */
	if (f->len == 0 && other != NULL && other->state == END_CLOSED) {
		e->far_closed = true;
		end_free(m, other);
	}
	return true;
}

/* ConfirmLoop or Close, of which the body is a loop. */
static bool
put_loop(struct mux *m, struct mux_end *e, uint8_t type)
{
	struct mux_app *a = e->app;
	unsigned i = mux_index(m, a);
	uint16_t id = id_free(a);
	struct app_loop l;
	uint8_t *at;
	size_t len;

	if (id == MUX_NONE ||
	    (at = m->ops.room(m->ops.ctx, i, MUX_ANSWER, false)) == NULL)
		return false;
	loop_of(m, e, &l);
	len = type == PACKET_CLOSE ? app_json_put_loop((char *)at + PACKET_HEAD,
					 MUX_ANSWER - PACKET_HEAD, &l, a->form)
				   : app_json_put_pair((char *)at + PACKET_HEAD,
					 MUX_ANSWER - PACKET_HEAD, &l, a->form);
	ASSERT(len > 0);
	packet_put_head(at, type, (uint8_t)id, len);
	m->ops.wrote(m->ops.ctx, i, PACKET_HEAD + len);
	id_take(m, a, id, type, type == PACKET_CLOSE ? NULL : e);
	return true;
}

/* Ask what the first in the line wants asked.  False: not now. */
static bool
put_next(struct mux *m, struct mux_app *a, struct mux_end *e)
{
	const struct fifo *f = source(e);
	bool done, last = false;

	if (e->state == END_CONFIRMING) {
		done = put_loop(m, e, PACKET_CONFIRM_LOOP);
	} else if (f != NULL && f->len > 0) {
		done = put_piece(m, e);
	} else {
		done = put_loop(m, e, PACKET_CLOSE);
		last = true;
	}
	if (!done)
		return false;
	TAILQ_REMOVE(&a->asks, e, ask);
	e->asking = false;
	if (last)
		end_free(m, e);
	return true;
}

void
tell_run(struct mux *m, struct mux_app *a)
{
	struct mux_end *e;

	if (a->dead)
		return;
	while ((e = TAILQ_FIRST(&a->asks)) != NULL)
		if (!put_next(m, a, e))
			break;
}

static void
line_up(struct mux_end *e)
{
	if (e->asking)
		return;
	TAILQ_INSERT_TAIL(&e->app->asks, e, ask);
	e->asking = true;
}

void
tell_next(struct mux *m, struct mux_end *e)
{
	const struct fifo *f = source(e);
	bool bytes = f != NULL && f->len > 0;

	if (e->state != END_OPEN || e->sending || (!bytes && !e->far_closed))
		return;
	line_up(e);
	tell_run(m, e->app);
}

void
tell_confirm(struct mux *m, struct mux_end *e)
{
	if (e->behind)
		return;
	line_up(e);
	tell_run(m, e->app);
}

/* --- their answers --- */

static void
on_confirmed(struct mux *m, struct mux_end *e, struct mono now)
{
	struct mux_end *other = e->other;
	struct app_addr local = { .port = 0 };

	end_set_state(m, e, END_OPEN, now);
	if (e->stream != 0) {
		e->credit = LOOP_HOP_WINDOW;
		m->ops.accept(m->ops.ctx, e->stream, e->window);
	} else if (other != NULL) {
		end_set_state(m, other, END_OPEN, now);
		memcpy(local.pk, m->conf.id, APP_PK_LEN);
		local.port = other->port;
		tell_addr(m, other->app, other->id, &local);
	} else {
		e->far_closed = true;
	}
	tell_next(m, e);
}

static void
on_not_confirmed(struct mux *m, struct mux_end *e, const char *text)
{
	char why[LOOP_TEXT];

	(void)snprintf(why, sizeof(why), "confirm: %.*s",
	    (int)(sizeof(why) - sizeof("confirm: ")), text);
	if (e->stream != 0) {
		m->count.refused++;
		m->ops.refuse(m->ops.ctx, e->stream, why);
	}
	if (e->other != NULL)
		end_refuse(m, e->other, why);
	end_free(m, e);
}

static void
on_sent(struct mux *m, struct mux_end *e, const char *failure, struct mono now)
{
	struct mux_end *other = e->other;

	e->sending = false;
	if (e->far && failure == NULL) {
		net_took(m, e, e->sent);
	} else if (e->far) {
		/* The far app was told that its bytes are on their way: what
		 * is left to say is that the loop is over. */
		end_close(m, e, now);
		return;
	} else if (other != NULL && other->app != NULL) {
		if (failure == NULL) {
			owe_done(m, other, e->sent);
		} else {
			owe_fail(m, other, e->sent, failure);
		}
	}
	tell_next(m, e);
}

void
tell_answered(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now)
{
	char text[APP_FAILURE_MAX];
	bool failed = p->type == PACKET_FAILURE;
	struct mux_req *r;
	struct mux_end *e;

	/* To a question that nobody asked there is no answer. */
	if (p->id >= PACKET_IDS || (a->ids[p->id / 32] >> p->id % 32 & 1) == 0)
		return;
	r = &a->reqs[p->id];
	e = r->end;
	r->end = NULL;
	a->ids[p->id / 32] &= ~(1u << p->id % 32);
	if (failed)
		app_json_get_failure(p->body, p->body_len, text, sizeof(text));
	if (e != NULL) {
		e->asked = MUX_NONE;
		if (r->kind == PACKET_SEND)
			on_sent(m, e, failed ? text : NULL, now);
		else if (failed)
			on_not_confirmed(m, e, text);
		else
			on_confirmed(m, e, now);
	}
	tell_run(m, a); /* an id is free again */
}
