/* SPDX-License-Identifier: ISC */
/*
 * An appd for tests of peerd: it opens loops, answers offers by the number
 * of the port, and sends and checks bytes that anybody can compute.
 *
 *   port 1    nobody listens: refused
 *   port 10   sends back what it gets
 *   port 20   sends as much as the loop's opener does, checks, then waits
 *   port 30   takes it and never grants anything
 *   port 40   never answers
 */
#ifndef WARREN_LOOPS_APP_H
#define WARREN_LOOPS_APP_H

#include "common/msg_appd.h"
#include "common/msg_db.h"
#include "tests/regress/peerd_rig.h"

#define APP_LOOPS  1200
#define APP_WINDOW (256u << 10)

struct app_loop {
	bool used, ours, opened, refused, over, relayed;
	bool echo, mute; /* sends back; never grants */
	uint32_t id;     /* on its channel */
	uint16_t seed;   /* the opener's port: names its bytes */
	uint16_t port;
	uint8_t why; /* of LOOP_CLOSE */
	char text[LOOP_TEXT];
	uint32_t credit;        /* we may send */
	uint32_t owed;          /* taken, not granted */
	uint64_t in, out, want; /* bytes; want: to send in all */
	bool wrong;             /* a byte was not what it should be */
	struct mono over_at;
};

struct app {
	struct rig_node *n;
	uint32_t next_id;
	unsigned strays; /* messages about loops we do not know */
	bool lazy;       /* reads nothing: the channel is paused */
	struct app_loop loops[APP_LOOPS];
};

/* --- bytes --- */

static uint8_t
app_byte(const struct app_loop *l, bool by_opener, uint64_t at)
{
	uint32_t x = (uint32_t)at * 2654435761u + l->seed * 97u + by_opener;

	return (uint8_t)(x >> 24);
}

static void
app_check(struct app_loop *l, const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (p[i] != app_byte(l, !l->ours, l->in + i))
			l->wrong = true;
}

/* --- the table --- */

static struct app_loop *
app_find(struct app *a, uint32_t id)
{
	size_t i;

	for (i = 0; i < APP_LOOPS; i++)
		if (a->loops[i].used && a->loops[i].id == id)
			return &a->loops[i];
	return NULL;
}

static struct app_loop *
app_new(struct app *a, uint32_t id)
{
	struct app_loop *l = a->loops;

	while (l->used)
		l++;
	memset(l, 0, sizeof(*l));
	l->used = true;
	l->id = id;
	return l;
}

/* --- what it does --- */

static void
app_send_bytes(struct app *a, struct app_loop *l, const uint8_t *p, uint32_t n)
{
	struct msg_loop_data d = { .data = { p, n } };

	l->credit -= n;
	l->out += n;
	(void)ipc_send(a->n->appd, LOOP_DATA, l->id, &d);
}

/* As much of what is wanted as credit allows. */
static void
app_fill(struct app *a, struct app_loop *l)
{
	static uint8_t buf[LOOP_DATA_MAX];
	uint32_t n, i;

	while (l->opened && !l->over && l->out < l->want && l->credit > 0) {
		n = 1 + randombytes_uniform(sizeof(buf));
		if (n > l->credit)
			n = l->credit;
		if (n > l->want - l->out)
			n = (uint32_t)(l->want - l->out);
		for (i = 0; i < n; i++)
			buf[i] = app_byte(l, l->ours, l->out + i);
		app_send_bytes(a, l, buf, n);
	}
}

static struct app_loop *
app_open(struct app *a, const uint8_t node[32], uint16_t port, uint16_t from,
    uint64_t want)
{
	struct msg_loop_open o = { .port = port,
		.from = from,
		.window = APP_WINDOW };
	struct app_loop *l = app_new(a, ++a->next_id);

	memcpy(o.node, node, 32);
	l->ours = true;
	l->port = port;
	l->seed = from;
	l->want = want;
	(void)ipc_send(a->n->appd, LOOP_OPEN, l->id, &o);
	return l;
}

static void
app_close(struct app *a, struct app_loop *l)
{
	struct msg_loop_close c = { .why = LOOP_END_CLOSED };

	l->over = true;
	if (a->n->appd != NULL)
		(void)ipc_send(a->n->appd, LOOP_CLOSE, l->id, &c);
}

static void
app_on_offer(struct app *a, uint32_t id, const struct msg_loop_offer *o)
{
	struct msg_loop_refused no = { "no listener on port 1" };
	struct msg_loop_accept yes = { .window = APP_WINDOW };
	struct app_loop *l;

	if (o->port == 1) {
		(void)ipc_send(a->n->appd, LOOP_REFUSED, id, &no);
		return;
	}
	l = app_new(a, id);
	l->port = o->port;
	l->seed = o->from;
	l->relayed = o->relayed;
	if (o->port == 40)
		return;
	l->opened = true;
	l->credit = LOOP_HOP_WINDOW;
	l->echo = o->port == 10;
	l->mute = o->port == 30;
	l->want = o->port == 20 ? 8u << 20 : 0;
	(void)ipc_send(a->n->appd, LOOP_ACCEPT, id, &yes);
	app_fill(a, l);
}

static void
app_on_data(struct app *a, struct app_loop *l, const struct msg_loop_data *d)
{
	struct msg_loop_grant g;

	if (l->port == 20 || l->port == 30)
		app_check(l, d->data.p, d->data.len);
	l->in += d->data.len;
	if (l->mute || l->over)
		return;
	l->owed += d->data.len;
	if (l->owed >= APP_WINDOW / 4) {
		g.n = l->owed;
		l->owed = 0;
		(void)ipc_send(a->n->appd, LOOP_GRANT, l->id, &g);
	}
	if (l->echo && d->data.len <= l->credit)
		app_send_bytes(a, l, d->data.p, d->data.len);
}

static void
app_on_close(struct app *a, struct app_loop *l, uint8_t why)
{
	l->why = why;
	l->over_at = mono_now();
	if (!l->over)
		app_close(a, l);
	if (!l->ours)
		l->used = false;
}

static void
app_on_message(struct ipc *ch, const struct ipc_msg *m)
{
	struct app *a = rig_of(ch)->app;
	struct app_loop *l = app_find(a, m->id);
	const struct msg_loop_refused *r = m->body;
	const struct msg_loop_grant *g = m->body;
	const struct msg_loop_close *c = m->body;
	const struct msg_loop_opened *o = m->body;

	if (m->type == LOOP_OFFER) {
		app_on_offer(a, m->id, m->body);
		return;
	}
	if (l == NULL) {
		a->strays += m->type != LOOP_CLOSE; /* may cross a refusal */
		return;
	}
	switch (m->type) {
	case LOOP_OPENED:
		l->opened = true;
		l->relayed = o->relayed;
		l->credit = LOOP_HOP_WINDOW;
		app_fill(a, l);
		break;
	case LOOP_REFUSED:
		l->refused = l->over = true;
		(void)strlcpy(l->text, r->text, sizeof(l->text));
		break;
	case LOOP_DATA:
		app_on_data(a, l, m->body);
		break;
	case LOOP_GRANT:
		l->credit += g->n;
		app_fill(a, l);
		break;
	case LOOP_CLOSE:
		app_on_close(a, l, c->why);
		break;
	default:
		break;
	}
}

/* A store that finds everything new, so that records are passed on. */
static void
app_on_store(struct ipc *ch, const struct ipc_msg *m)
{
	static const uint8_t all_new[DB_BATCH_MAX];
	const struct msg_ps_records *r = m->body;
	struct msg_ps_applied a = { .verdicts = { all_new, 0 } };

	if (m->type != PS_RECORDS)
		return;
	a.verdicts.len = r->n_records;
	(void)ipc_send(ch, PS_APPLIED, m->id, &a);
}

/* An appd comes to a node. */
static struct app *
app_start(struct rig_node *n)
{
	struct app *a = n->app;

	if (a == NULL && (a = calloc(1, sizeof(*a))) == NULL)
		rig_die("calloc");
	memset(a, 0, sizeof(*a));
	a->n = n;
	n->app = a;
	if (!n->has_store)
		(void)rig_sibling(n, PROC_STORE, &msgs_peerd_store,
		    app_on_store);
	n->has_store = true;
	n->appd = rig_sibling(n, PROC_APPD, &msgs_peerd_appd, app_on_message);
	return a;
}

__attribute__((unused)) static void
app_stop(struct app *a)
{
	ipc_free(a->n->appd);
	a->n->appd = NULL;
}

/* --- conditions --- */

static bool
is_answered(void *arg)
{
	const struct app_loop *l = arg;

	return l->opened || l->refused;
}

static bool
is_over(void *arg)
{
	return ((struct app_loop *)arg)->over;
}

static bool
has_echo(void *arg)
{
	const struct app_loop *l = arg;

	return l->in == l->out || l->over;
}

/* The other end of a loop by its seed, or NULL. */
static struct app_loop *
far_end(struct app *a, uint16_t seed)
{
	size_t i;

	for (i = 0; i < APP_LOOPS; i++)
		if (a->loops[i].used && !a->loops[i].ours &&
		    a->loops[i].seed == seed)
			return &a->loops[i];
	return NULL;
}

/* Open, wait for the answer, and forget it: what was said. */
__attribute__((unused)) static const char *
answer(struct app *a, const uint8_t id[32], uint16_t port, int64_t ms)
{
	struct app_loop *l = app_open(a, id, port, 9, 0);

	if (!rig_until(is_answered, l, ms))
		return "no answer";
	if (l->refused) {
		l->used = false;
		return l->text;
	}
	app_close(a, l);
	return "opened";
}

static void
ping(struct app *a, struct app_loop *l, uint32_t n)
{
	static uint8_t zeros[LOOP_DATA_MAX];

	app_send_bytes(a, l, zeros, n);
	(void)rig_until(has_echo, l, 3000);
}

#endif
