/* SPDX-License-Identifier: ISC */
/*
 * libwarren: what the node asks of us.  Each of its requests is answered
 * once: at once, or, a Send, when the reader has taken what it brought.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appd/base64.h"

void
lib_answer(struct warren_app *app, uint8_t id, const char *failure)
{
	size_t len = failure == NULL ? 4 : strlen(failure), n = 0;
	uint8_t *at = lib_out_room(app, PACKET_HEAD + len, true);

	app->answering[id] = false;
	if (at == NULL)
		return; /* dead: parse() keeps room for every answer */
	n = packet_put(at, PACKET_HEAD + len,
	    failure == NULL ? PACKET_SUCCESS : PACKET_FAILURE, id,
	    failure == NULL ? "null" : failure, len);
	lib_out_add(app, n);
}

void
lib_chunk_done(struct warren_conn *c, const char *failure)
{
	struct chunk *ch = STAILQ_FIRST(&c->chunks);

	STAILQ_REMOVE_HEAD(&c->chunks, next);
	lib_answer(c->app, ch->id, failure);
	free(ch);
}

/* The reader waits for just this: no copy, and the answer at once. */
static bool
serve_direct(struct warren_conn *c, const struct app_send *s, uint8_t id)
{
	struct warren_app *app = c->app;
	size_t n;

	if (app->direct.conn != c || app->direct.len > 0 ||
	    !STAILQ_EMPTY(&c->chunks) || s->escaped ||
	    BASE64_BYTES_MAX(s->payload_len) > app->direct.cap)
		return false;
	if (app_send_decode(s, app->direct.buf, &n) == -1) {
		lib_answer(app, id, "invalid Send payload");
	} else {
		app->direct.len = n;
		lib_answer(app, id, NULL);
	}
	return true;
}

static void
keep_chunk(struct warren_conn *c, const struct app_send *s, uint8_t id)
{
	struct chunk *ch = malloc(sizeof(*ch) +
	    (s->escaped ? s->payload_len : BASE64_BYTES_MAX(s->payload_len)));

	if (ch == NULL) {
		lib_answer(c->app, id, "out of memory");
		return;
	}
	ch->id = id;
	ch->at = 0;
	if (app_send_decode(s, ch->bytes, &ch->len) == -1) {
		free(ch);
		lib_answer(c->app, id, "invalid Send payload");
		return;
	}
	if (ch->len == 0) { /* nothing to take, so it is taken */
		free(ch);
		lib_answer(c->app, id, NULL);
		return;
	}
	STAILQ_INSERT_TAIL(&c->chunks, ch, next);
	lib_news(c);
}

static void
serve_send(struct warren_app *app, const struct packet *p)
{
	struct warren_conn *c;
	struct app_send s;

	if (app_json_get_send(p->body, p->body_len, &s) != APP_JSON_OK) {
		lib_answer(app, p->id, "invalid Send payload");
		return;
	}
	c = lib_conn_find(app, &s.loop);
	if (c == NULL) {
		lib_answer(app, p->id, "no listeners");
		return;
	}
	c->form = s.form;
	if (!serve_direct(c, &s, p->id))
		keep_chunk(c, &s, p->id);
}

static void
serve_confirm(struct warren_app *app, const struct packet *p)
{
	struct warren_conn *c;
	enum app_form form;
	struct app_loop l;

	if (app_json_get_pair(p->body, p->body_len, &l, &form) != APP_JSON_OK) {
		lib_answer(app, p->id, "invalid ConfirmLoop payload");
	} else if (lib_conn_find(app, &l) != NULL) {
		lib_answer(app, p->id, "loop is already created");
	} else if (app->n_backlog == WARREN_BACKLOG) {
		lib_answer(app, p->id, "backlog full");
	} else if ((c = lib_conn_new(app)) == NULL) {
		lib_answer(app, p->id, "out of memory");
	} else {
		c->loop = l;
		c->form = form;
		lib_conn_open(c);
		TAILQ_INSERT_TAIL(&app->backlog, c, queue);
		app->n_backlog++;
		lib_answer(app, p->id, NULL);
	}
}

static void
serve_close(struct warren_app *app, const struct packet *p)
{
	struct warren_conn *c;
	enum app_form form;
	struct app_loop l;

	if (app_json_get_loop(p->body, p->body_len, &l, &form) >
	    APP_JSON_NONE) {
		lib_answer(app, p->id, "invalid Close payload");
		return;
	}
	c = lib_conn_find(app, &l);
	if (c != NULL) {
		c->owes_close = false;
		lib_conn_end(c, CONN_ENDED, 0);
	}
	lib_answer(app, p->id, NULL);
}

void
lib_serve(struct warren_app *app, const struct packet *p)
{
	if (app->answering[p->id]) {
		lib_die(app, EPROTO, "the node used an id twice");
		return;
	}
	app->answering[p->id] = true;
	switch (p->type) {
	case PACKET_SEND:
		serve_send(app, p);
		break;
	case PACKET_CONFIRM_LOOP:
		serve_confirm(app, p);
		break;
	case PACKET_CLOSE:
		serve_close(app, p);
		break;
	default:
		lib_answer(app, p->id, "unexpected frame");
		break;
	}
}
