/* SPDX-License-Identifier: ISC */
/*
 * libwarren: what we ask of the node, and what it answers.  A request has an
 * id from 0 to 254, the lowest that is free, until its answer is here.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <string.h>

#define BODY_ROOM 1024 /* of any request but a Send */
#define SEND_ROOM 512  /* of a Send, without its payload */
#define NO_ID     (-1)

/* The lowest free id, which it stays until lib_ask() takes it. */
static int
free_id(const struct warren_app *app)
{
	int id;

	if (app->asks_busy == PACKET_IDS)
		return NO_ID;
	for (id = 0; app->asks[id].busy; id++)
		;
	return id;
}

/* The n bytes of body behind the room for a head become a request. */
static void
ask(struct warren_app *app, int id, uint8_t type, struct warren_conn *c,
    uint8_t *at, size_t n)
{
	app->asks[id] = (struct ask){ .conn = c, .type = type, .busy = true };
	app->asks_busy++;
	packet_put_head(at, type, (uint8_t)id, n);
	lib_out_add(app, PACKET_HEAD + n);
}

bool
lib_send_init(struct warren_app *app, const char *name, const char *version)
{
	uint8_t *at = lib_out_room(app, BODY_ROOM, false);
	size_t n;

	if (at == NULL)
		return false;
	n = app_json_put_init((char *)at + PACKET_HEAD, BODY_ROOM - PACKET_HEAD,
	    name, version, APP_PROTOCOL);
	if (n == 0)
		return false;
	ask(app, free_id(app), PACKET_INIT, NULL, at, n);
	return true;
}

bool
lib_send_create(struct warren_conn *c)
{
	uint8_t *at = lib_out_room(c->app, BODY_ROOM, false);
	int id = free_id(c->app);
	size_t n;

	if (at == NULL || id == NO_ID)
		return false;
	n = app_json_put_addr((char *)at + PACKET_HEAD, BODY_ROOM - PACKET_HEAD,
	    &c->loop.remote);
	ask(c->app, id, PACKET_CREATE_LOOP, c, at, n);
	c->asked = true;
	return true;
}

/* Its answer says nothing, so nobody waits for it. */
bool
lib_send_close(struct warren_conn *c)
{
	uint8_t *at = lib_out_room(c->app, BODY_ROOM, true);
	int id = free_id(c->app);
	size_t n;

	if (at == NULL || id == NO_ID)
		return false;
	n = app_json_put_loop((char *)at + PACKET_HEAD, BODY_ROOM - PACKET_HEAD,
	    &c->loop, c->form);
	ask(c->app, id, PACKET_CLOSE, NULL, at, n);
	c->owes_close = false;
	return true;
}

bool
lib_send_piece(struct warren_conn *c, const void *bytes, size_t len)
{
	size_t room = SEND_ROOM + (len + 2) / 3 * 4, n;
	uint8_t *at = lib_out_room(c->app, room, false);
	int id = free_id(c->app);

	if (at == NULL || id == NO_ID)
		return false;
	n = app_json_put_send((char *)at + PACKET_HEAD, room - PACKET_HEAD,
	    &c->loop, c->form, bytes, len);
	ask(c->app, id, PACKET_SEND, c, at, n);
	c->in_flight++;
	return true;
}

/* --- answers --- */

/* Nobody waits for this loop any more.  If it is there now, close it. */
static void
given_up(struct warren_conn *c, const struct packet *p)
{
	if (p->type == PACKET_FAILURE ||
	    app_json_get_addr(p->body, p->body_len, &c->loop.local) !=
		APP_JSON_OK) {
		lib_conn_free(c);
		return;
	}
	c->owes_close = true;
	TAILQ_INSERT_TAIL(&c->app->closing, c, queue);
	c->in_closing = true;
}

static void
created(struct warren_conn *c, const struct packet *p)
{
	struct warren_app *app = c->app;
	enum app_json err;

	if (c->closing) {
		given_up(c, p);
		return;
	}
	if (p->type == PACKET_FAILURE) {
		app_json_get_failure(p->body, p->body_len, app->error,
		    sizeof(app->error));
		lib_conn_end(c, CONN_BROKEN, ECONNREFUSED);
		return;
	}
	err = app_json_get_addr(p->body, p->body_len, &c->loop.local);
	if (err != APP_JSON_OK) {
		lib_set_error(app, app_json_text(err));
		lib_conn_end(c, CONN_BROKEN, EPROTO);
		return;
	}
	lib_conn_open(c);
}

/*
 * "no listeners" is the other end's word: it has closed, and what it sent
 * before and then the Close are still to come.  Any other failure is the end.
 */
static void
not_sent(struct warren_conn *c, const struct packet *p)
{
	app_json_get_failure(p->body, p->body_len, c->app->error,
	    sizeof(c->app->error));
	if (strcmp(c->app->error, "no listeners") != 0) {
		lib_conn_end(c, CONN_BROKEN, ECONNRESET);
		return;
	}
	c->deaf = true;
	lib_stick(c, STUCK_NO);
	lib_news(c);
}

static void
sent(struct warren_conn *c, const struct packet *p)
{
	c->in_flight--;
	if (p->type == PACKET_FAILURE && c->state == CONN_OPEN) {
		not_sent(c, p);
	} else if (c->stuck == STUCK_WINDOW ||
	    (c->stuck == STUCK_FLUSH && c->in_flight == 0)) {
		lib_stick(c, STUCK_NO);
		lib_news(c);
	}
}

void
lib_answered(struct warren_app *app, const struct packet *p)
{
	struct ask done;

	if (p->id >= PACKET_IDS || !app->asks[p->id].busy)
		return; /* an answer to nothing is nothing */
	done = app->asks[p->id];
	app->asks[p->id].busy = false;
	app->asks[p->id].conn = NULL;
	app->asks_busy--;
	switch (done.type) {
	case PACKET_INIT:
		if (p->type == PACKET_SUCCESS) {
			app->ready = true;
			break;
		}
		lib_die(app, EACCES, "");
		app_json_get_failure(p->body, p->body_len, app->error,
		    sizeof(app->error));
		break;
	case PACKET_CREATE_LOOP:
		if (done.conn != NULL)
			created(done.conn, p);
		break;
	case PACKET_SEND:
		if (done.conn != NULL)
			sent(done.conn, p);
		break;
	default:
		break;
	}
}

void
lib_forget(struct warren_app *app, const struct warren_conn *c)
{
	size_t id;

	if (c->in_flight == 0 && !c->asked)
		return;
	for (id = 0; id < PACKET_IDS; id++) {
		if (app->asks[id].conn == c)
			app->asks[id].conn = NULL;
	}
}

static void
unstick_one(struct warren_conn *c)
{
	if (c->state == CONN_DIALLING) {
		if (!lib_send_create(c))
			return;
	} else {
		lib_news(c);
	}
	c->stuck = STUCK_NO;
	c->app->n_stuck--;
}

void
lib_unstick(struct warren_app *app)
{
	struct warren_conn *c, *next;

	for (c = TAILQ_FIRST(&app->closing); c != NULL; c = next) {
		next = TAILQ_NEXT(c, queue);
		if (c->owes_close && !lib_send_close(c))
			return;
		lib_conn_free(c);
	}
	if (app->n_stuck == 0 || app->asks_busy == PACKET_IDS ||
	    lib_out_room(app, PACKET_MAX, false) == NULL)
		return;
	TAILQ_FOREACH(c, &app->conns, all) {
		if (c->stuck == STUCK_ROOM)
			unstick_one(c);
	}
}
