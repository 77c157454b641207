/* SPDX-License-Identifier: ISC */
/*
 * What apps ask for: warren-app(7), section REQUESTS, with its very texts.
 */
#include <stdio.h>
#include <string.h>

#include "appd/mux_int.h"

/* --- Init --- */

/* The entry that the app may speak for under this name, or -1. */
static int
entry_called(const struct mux *m, const struct mux_app *a, const char *name)
{
	const struct mux_entry *e;
	int i;

	for (i = 0; i < MUX_SLOTS; i++) {
		e = &m->entries[i];
		if (!e->used || strcmp(e->name, name) != 0)
			continue;
		if (a->instance != 0
			? a->slot == i
			: e->by_hand && (e->uid == a->uid || a->uid == 0))
			return i;
	}
	return -1;
}

static void
ask_init(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now)
{
	struct app_init in;
	const struct mux_entry *e;
	char text[64];
	int slot;

	(void)now;
	if (a->inited) {
		tell_failure(m, a, p->id, "app is already initialised");
		return;
	}
	if (app_json_get_init(p->body, p->body_len, &in) != APP_JSON_OK) {
		m->count.malformed++;
		tell_failure(m, a, p->id, "invalid Init payload");
		return;
	}
	if (strcmp(in.protocol, APP_PROTOCOL) != 0) {
		tell_failure(m, a, p->id, "unsupported protocol version");
		return;
	}
	if ((slot = entry_called(m, a, in.name)) == -1) {
		tell_failure(m, a, p->id, "unexpected app");
		return;
	}
	e = &m->entries[slot];
	if (strcmp(in.version, e->version) != 0) {
		tell_failure(m, a, p->id, "unexpected app version");
		return;
	}
	if (!mux_take_port(m, a, e->port)) {
		(void)snprintf(text, sizeof(text), "port %u is already bound",
		    e->port);
		tell_failure(m, a, p->id, text);
		return;
	}
	a->slot = slot;
	a->inited = true;
	tell_success(m, a, p->id);
}

/* --- CreateLoop --- */

/* The app that listens on a port, or NULL. */
static struct mux_app *
listener(const struct mux *m, uint16_t port)
{
	uint16_t i = ports_owner(m->ports, port);

	return i == PORT_NOBODY || !m->apps[i].inited ? NULL : &m->apps[i];
}

/* A second end for the app that listens at to; NULL with *why. */
static struct mux_end *
end_there(struct mux *m, const struct mux_end *e, const char **why)
{
	struct mux_app *b = listener(m, e->remote.port);
	struct app_addr from = { .port = e->port };
	struct mux_end *o;

	memcpy(from.pk, m->conf.id, sizeof(from.pk));
	*why = "confirm: port is not bound";
	if (b == NULL)
		return NULL;
	*why = "confirm: backlog full";
	if (b->n_confirming >= MUX_BACKLOG) {
		m->count.full++;
		return NULL;
	}
	if ((o = end_new(m, b, e->remote.port, &from, why)) == NULL) {
		*why = "confirm: too many loops";
		return NULL;
	}
	ports_ref(m->ports, o->port);
	return o;
}

static void
dial_here(struct mux *m, struct mux_end *e, struct mono now)
{
	const char *why;
	struct mux_end *o = end_there(m, e, &why);

	if (o == NULL) {
		end_refuse(m, e, why);
		return;
	}
	e->other = o;
	o->other = e;
	end_set_state(m, o, END_CONFIRMING, now);
	tell_confirm(m, o);
}

static void
dial_away(struct mux *m, struct mux_end *e)
{
	e->far = true;
	if (!m->ops.net_up(m->ops.ctx)) {
		end_refuse(m, e, "transport: peerd is restarting");
		return;
	}
	if (!net_take_dial(e)) {
		m->count.dials++;
		end_refuse(m, e, "transport: too many nodes are looked for");
		return;
	}
	if (!net_prepare(m, e)) {
		end_refuse(m, e, "too many loops");
		return;
	}
	end_set_stream(m, e, net_mint(m));
	m->ops.open(m->ops.ctx, e->stream, &e->remote, e->port, e->window);
}

static void
ask_create(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now)
{
	struct app_addr to;
	enum app_json err = app_json_get_addr(p->body, p->body_len, &to);
	struct mux_end *e;
	const char *why;
	uint16_t port;

	if (err != APP_JSON_OK) {
		m->count.malformed++;
		tell_failure(m, a, p->id,
		    err == APP_JSON_KEY_LEN || err == APP_JSON_KEY
			? app_json_text(err)
			: "invalid CreateLoop payload");
		return;
	}
	if ((port = ports_take(m->ports, (uint16_t)mux_index(m, a))) == 0) {
		tell_failure(m, a, p->id, "no free ports");
		return;
	}
	if ((e = end_new(m, a, port, &to, &why)) == NULL) {
		ports_unref(m->ports, port);
		tell_failure(m, a, p->id, why);
		return;
	}
	e->id = p->id;
	a->busy[p->id] = true;
	end_set_state(m, e, END_DIALING, now);
	if (mux_is_self(m, to.pk))
		dial_here(m, e, now);
	else
		dial_away(m, e);
}

/* --- Send --- */

/* The app's open loop; NULL with *why. */
static struct mux_end *
own_loop(struct mux *m, struct mux_app *a, const struct app_loop *l,
    const char **why)
{
	uint16_t owner = ports_owner(m->ports, l->local.port);
	struct mux_end *e;

	*why = "port is not bound";
	if (owner == PORT_NOBODY)
		return NULL;
	*why = "unknown loop";
	if (owner != mux_index(m, a)) {
		m->count.foreign++;
		return NULL;
	}
	e = end_find(m, l->local.port, &l->remote);
	return e != NULL && e->state == END_OPEN ? e : NULL;
}

/* The far side is not there any more; Close is on its way to the app. */
static bool
nobody_listens(const struct mux_end *e)
{
	return e->far_closed ||
	    (!e->far && (e->other == NULL || e->other->state == END_CLOSED));
}

/* Pass n bytes on, or let them wait.  False: no memory for them. */
static bool
pass_on(struct mux *m, struct mux_end *e, const uint8_t *p, size_t n)
{
	if (e->far && e->tx.len == 0 && e->credit >= n &&
	    !m->ops.net_full(m->ops.ctx)) {
		m->ops.data(m->ops.ctx, e->stream, p, n);
		e->credit -= (uint32_t)n;
		e->tx_all += (uint32_t)n;
		e->app->tx_bytes += (uint32_t)n;
		owe_done(m, e, (uint32_t)n);
		return true;
	}
	if ((e->far || e->tx.len > 0 || !tell_data_now(m, e->other, p, n)) &&
	    !fifo_put(&e->tx, &m->mem, p, n))
		return false;
	e->tx_all += (uint32_t)n;
	e->app->tx_bytes += (uint32_t)n;
	return true;
}

static void
ask_send(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now)
{
	struct app_send s;
	struct mux_end *e;
	const char *why;
	uint8_t *bytes;
	size_t n;

	if (app_json_get_send(p->body, p->body_len, &s) != APP_JSON_OK) {
		m->count.malformed++;
		tell_failure(m, a, p->id, "invalid Send payload");
		return;
	}
	a->form = (uint8_t)s.form;
	if ((e = own_loop(m, a, &s.loop, &why)) == NULL) {
		tell_failure(m, a, p->id, why);
		return;
	}
	/* The body lies in the caller's buffer, which is ours to write to. */
	bytes = (uint8_t *)(uintptr_t)(s.payload != NULL
		? (const uint8_t *)s.payload
		: p->body);
	if (app_send_decode(&s, bytes, &n) == -1) {
		m->count.malformed++;
		tell_failure(m, a, p->id, "invalid Send payload");
		return;
	}
	if (nobody_listens(e)) {
		tell_failure(m, a, p->id, "no listeners");
		return;
	}
	e->in += n;
	a->in += n;
	m->count.bytes_in += n;
	if (n > 0 && !pass_on(m, e, bytes, n)) {
		tell_failure(m, a, p->id, "out of memory");
		return;
	}
	if (e->tx_all == e->tx_done) {
		tell_success(m, a, p->id);
		return;
	}
	owe_add(m, e, p->id);
	if (e->far)
		net_push(m, e, now);
	else
		tell_next(m, e->other);
}

/* --- Close --- */

static void
ask_close(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now)
{
	struct app_loop l;
	enum app_form form;
	struct mux_end *e;
	uint16_t owner;

	if (app_json_get_loop(p->body, p->body_len, &l, &form) != APP_JSON_OK) {
		m->count.malformed++;
		tell_failure(m, a, p->id, "invalid Close payload");
		return;
	}
	a->form = (uint8_t)form;
	owner = ports_owner(m->ports, l.local.port);
	if (owner != PORT_NOBODY && owner != mux_index(m, a)) {
		m->count.foreign++;
		tell_failure(m, a, p->id, "unknown loop");
		return;
	}
	/* One that is not there is as closed as it can be. */
	tell_success(m, a, p->id);
	e = end_find(m, l.local.port, &l.remote);
	if (e != NULL && e->state == END_OPEN)
		end_close(m, e, now);
}

/* --- all of them --- */

static const struct {
	uint8_t type;
	bool first; /* may come before Init */
	void (*fn)(struct mux *m, struct mux_app *a, const struct packet *p,
	    struct mono now);
} asks[] = {
	{ PACKET_INIT, true, ask_init },
	{ PACKET_CREATE_LOOP, false, ask_create },
	{ PACKET_SEND, false, ask_send },
	{ PACKET_CLOSE, false, ask_close },
};

void
ask_handle(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now)
{
	size_t i;

	if (a->busy[p->id]) {
		/* Two answers to one id would tell the app nothing. */
		m->count.malformed++;
		tell_twice(m, a, p->id);
		return;
	}
	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		if (asks[i].type != p->type)
			continue;
		if (a->inited || asks[i].first)
			asks[i].fn(m, a, p, now);
		else
			tell_failure(m, a, p->id, "app is not initialised");
		return;
	}
	m->count.malformed++;
	tell_failure(m, a, p->id, "unexpected frame");
}
