/* SPDX-License-Identifier: ISC */
/*
 * Bodies of app packets, as promised in app_json.h.  A Send that is written
 * the way we write it, and so every Send of an app with our library, is read
 * by comparing; whatever differs goes the long way, with the same result.
 */
#include "appd/app_json.h"

#include <string.h>

#include "appd/base64.h"
#include "appd/json_scan.h"
#include "common/bytes.h"

/* What goes before and between the values of a Send. */
#define SEND_ADDR  "{\"addr\":{\"port\":"
#define SEND_LOOP  "{\"loop\":{\"local\":{\"pk\":\""
#define LOCAL_PK   "{\"local\":{\"pk\":\""
#define LOCAL_PORT "\",\"port\":"
#define REMOTE_PK  ",\"remote\":{\"pk\":\""
#define LOOP_MID   "}" REMOTE_PK
#define SEND_MID   "}},\"payload\":\""
#define SEND_END   "\"}"

const char *
app_json_text(enum app_json err)
{
	static const char *const text[] = {
		[APP_JSON_OK] = "no error",
		[APP_JSON_NONE] = "the body is empty",
		[APP_JSON_SYNTAX] = "the body is not JSON",
		[APP_JSON_TYPE] = "a value in the body is of the wrong type",
		[APP_JSON_KEY_LEN] = "Invalid public key length",
		[APP_JSON_KEY] = "Invalid public key",
		[APP_JSON_PORT] = "a port is not a number from 0 to 65535",
		[APP_JSON_PAIR] = "the body is not a pair of addresses",
		[APP_JSON_NO_ADDR] = "the address is missing",
	};

	if ((size_t)err >= sizeof(text) / sizeof(text[0]))
		return "unknown error";
	return text[err];
}

/* --- reading, the long way --- */

struct in {
	struct json j;
	enum app_json err;  /* the first thing that was wrong */
	enum app_form form; /* of the loop, as far as seen */
};

static void
in_init(struct in *in, const void *body, size_t len)
{
	json_init(&in->j, body, len);
	in->err = APP_JSON_OK;
	in->form = APP_FORM_ADDR;
}

static void
fail(struct in *in, enum app_json err)
{
	if (in->err == APP_JSON_OK)
		in->err = err;
	in->j.bad = true; /* nothing more is read */
}

static enum app_json
in_end(struct in *in)
{
	if (in->err != APP_JSON_OK)
		return in->err;
	return json_done(&in->j) ? APP_JSON_OK : APP_JSON_SYNTAX;
}

/* True when a value of this kind is next; null is read over. */
static bool
begins(struct in *in, enum json_kind kind)
{
	enum json_kind is = json_peek(&in->j);

	if (is == JSON_NULL)
		json_skip(&in->j);
	else if (is != kind)
		fail(in, is == JSON_BAD ? APP_JSON_SYNTAX : APP_JSON_TYPE);
	return is == kind;
}

static void
get_text(struct in *in, char out[APP_TEXT_MAX + 1])
{
	struct json_str s;
	size_t n;

	if (!begins(in, JSON_STRING))
		return;
	json_get_str(&in->j, &s);
	if (in->j.bad)
		return;
	n = json_unescape(&s, out, APP_TEXT_MAX);
	if (n > APP_TEXT_MAX || memchr(out, '\0', n) != NULL)
		n = 0;
	out[n] = '\0';
}

static void
get_port(struct in *in, uint16_t *port)
{
	const char *p;
	size_t n;

	if (!begins(in, JSON_NUMBER))
		return;
	json_get_number(&in->j, &p, &n);
	if (!in->j.bad && app_port_get(port, p, n) == -1)
		fail(in, APP_JSON_PORT);
}

static void
get_pk(struct in *in, uint8_t pk[APP_PK_LEN])
{
	char hex[APP_PK_HEX];
	struct json_str s;

	if (!begins(in, JSON_STRING))
		return;
	json_get_str(&in->j, &s);
	if (in->j.bad)
		return;
	if (json_unescape(&s, hex, sizeof(hex)) != sizeof(hex))
		fail(in, APP_JSON_KEY_LEN);
	else if (app_pk_get_hex(pk, hex) == -1)
		fail(in, APP_JSON_KEY);
}

/* {"pk":,"port":} */
static void
get_addr(struct in *in, struct app_addr *a)
{
	struct json_str key;
	size_t n = 0;

	if (!begins(in, JSON_OBJECT))
		return;
	json_open(&in->j, '{');
	while (json_next_member(&in->j, &n, &key)) {
		if (json_key_is(&key, "pk"))
			get_pk(in, a->pk);
		else if (json_key_is(&key, "port"))
			get_port(in, &a->port);
		else
			json_skip(&in->j);
	}
}

/* A loop in either form; false when there was null in its place. */
static bool
get_loop(struct in *in, struct app_loop *l)
{
	struct json_str key;
	size_t n = 0;

	if (!begins(in, JSON_OBJECT))
		return false;
	json_open(&in->j, '{');
	while (json_next_member(&in->j, &n, &key)) {
		if (json_key_is(&key, "port")) {
			get_port(in, &l->local.port);
		} else if (json_key_is(&key, "remote")) {
			get_addr(in, &l->remote);
		} else if (json_key_is(&key, "local")) {
			in->form = APP_FORM_LOOP;
			get_addr(in, &l->local);
		} else {
			json_skip(&in->j);
		}
	}
	return true;
}

bool
app_json_is_none(const void *body, size_t len)
{
	struct json_str key;
	struct json j;
	size_t n = 0;

	json_init(&j, body, len);
	switch (json_peek(&j)) {
	case JSON_BAD:
		return j.left == 0;
	case JSON_NULL:
		json_skip(&j);
		return json_done(&j);
	case JSON_OBJECT:
		json_open(&j, '{');
		return !json_next_member(&j, &n, &key) && json_done(&j);
	default:
		return false;
	}
}

enum app_json
app_json_get_init(const void *body, size_t len, struct app_init *out)
{
	struct json_str key;
	struct in in;
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	if (app_json_is_none(body, len))
		return APP_JSON_NONE;
	in_init(&in, body, len);
	if (!begins(&in, JSON_OBJECT))
		return in_end(&in);
	json_open(&in.j, '{');
	while (json_next_member(&in.j, &n, &key)) {
		if (json_key_is(&key, "app-name"))
			get_text(&in, out->name);
		else if (json_key_is(&key, "app-version"))
			get_text(&in, out->version);
		else if (json_key_is(&key, "protocol-version"))
			get_text(&in, out->protocol);
		else
			json_skip(&in.j);
	}
	return in_end(&in);
}

enum app_json
app_json_get_addr(const void *body, size_t len, struct app_addr *out)
{
	struct in in;

	memset(out, 0, sizeof(*out));
	if (app_json_is_none(body, len))
		return APP_JSON_NONE;
	in_init(&in, body, len);
	get_addr(&in, out);
	return in_end(&in);
}

enum app_json
app_json_get_loop(const void *body, size_t len, struct app_loop *out,
    enum app_form *form)
{
	struct in in;

	memset(out, 0, sizeof(*out));
	*form = APP_FORM_ADDR;
	if (app_json_is_none(body, len))
		return APP_JSON_NONE;
	in_init(&in, body, len);
	(void)get_loop(&in, out);
	*form = in.form;
	return in_end(&in);
}

/* [local,remote] */
static void
get_pair(struct in *in, struct app_loop *l)
{
	size_t n = 0;

	json_open(&in->j, '[');
	while (json_next_item(&in->j, &n)) {
		if (n > 2)
			fail(in, APP_JSON_PAIR);
		else
			get_addr(in, n == 1 ? &l->local : &l->remote);
	}
	if (!in->j.bad && n != 2)
		fail(in, APP_JSON_PAIR);
}

enum app_json
app_json_get_pair(const void *body, size_t len, struct app_loop *out,
    enum app_form *form)
{
	struct in in;

	memset(out, 0, sizeof(*out));
	*form = APP_FORM_ADDR;
	if (app_json_is_none(body, len))
		return APP_JSON_NONE;
	in_init(&in, body, len);
	if (json_peek(&in.j) == JSON_OBJECT)
		(void)get_loop(&in, out);
	else if (begins(&in, JSON_ARRAY))
		get_pair(&in, out);
	*form = in.form;
	return in_end(&in);
}

static void
get_payload(struct in *in, struct app_send *out)
{
	struct json_str s = { NULL, 0, false };

	if (begins(in, JSON_STRING))
		json_get_str(&in->j, &s);
	out->payload = s.p;
	out->payload_len = s.len;
	out->escaped = s.escaped;
}

static enum app_json
get_any_send(const void *body, size_t len, struct app_send *out)
{
	struct json_str key;
	bool loop_seen = false;
	enum app_json err;
	struct in in;
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	if (app_json_is_none(body, len))
		return APP_JSON_NO_ADDR;
	in_init(&in, body, len);
	if (!begins(&in, JSON_OBJECT))
		return in_end(&in);
	json_open(&in.j, '{');
	while (json_next_member(&in.j, &n, &key)) {
		if (json_key_is(&key, "payload"))
			get_payload(&in, out);
		else if (json_key_is(&key, "addr") || json_key_is(&key, "loop"))
			loop_seen |= get_loop(&in, &out->loop);
		else
			json_skip(&in.j);
	}
	out->form = in.form;
	err = in_end(&in);
	return err == APP_JSON_OK && !loop_seen ? APP_JSON_NO_ADDR : err;
}

/* --- reading by comparing --- */

struct eat {
	const char *p;
	size_t left;
	bool bad;
};

static const char *
eat(struct eat *e, size_t n)
{
	const char *at = e->p;

	if (e->bad || n > e->left) {
		e->bad = true;
		return NULL;
	}
	e->p += n;
	e->left -= n;
	return at;
}

static void
eat_text(struct eat *e, const char *text)
{
	size_t n = strlen(text);
	const char *at = eat(e, n);

	if (at != NULL && memcmp(at, text, n) != 0)
		e->bad = true;
}

static void
eat_pk(struct eat *e, uint8_t pk[APP_PK_LEN])
{
	const char *at = eat(e, APP_PK_HEX);

	if (at != NULL && app_pk_get_hex(pk, at) == -1)
		e->bad = true;
}

static void
eat_port(struct eat *e, uint16_t *port)
{
	const char *at = e->p;
	size_t n = 0;

	while (n < e->left && at[n] >= '0' && at[n] <= '9')
		n++;
	at = eat(e, n);
	if (at == NULL || app_port_get(port, at, n) == -1)
		e->bad = true;
}

/* A Send as app_json_put_send() writes it; false for every other. */
static bool
get_our_send(const char *body, size_t len, struct app_send *out)
{
	struct eat e = { body, len, len < sizeof(SEND_LOOP) };
	const char *quote;

	if (e.bad)
		return false;
	memset(out, 0, sizeof(*out));
	if (body[2] == 'l') { /* {"loop": */
		out->form = APP_FORM_LOOP;
		eat_text(&e, SEND_LOOP);
		eat_pk(&e, out->loop.local.pk);
		eat_text(&e, LOCAL_PORT);
		eat_port(&e, &out->loop.local.port);
		eat_text(&e, LOOP_MID);
	} else {
		out->form = APP_FORM_ADDR;
		eat_text(&e, SEND_ADDR);
		eat_port(&e, &out->loop.local.port);
		eat_text(&e, REMOTE_PK);
	}
	eat_pk(&e, out->loop.remote.pk);
	eat_text(&e, LOCAL_PORT);
	eat_port(&e, &out->loop.remote.port);
	eat_text(&e, SEND_MID);
	if (e.bad)
		return false;
	quote = memchr(e.p, '"', e.left);
	if (quote == NULL ||
	    e.left - (size_t)(quote - e.p) != strlen(SEND_END) ||
	    quote[1] != '}')
		return false;
	out->payload = e.p;
	out->payload_len = (size_t)(quote - e.p);
	return true;
}

/*
 * The short way does not look at the payload but for its end: what does not
 * belong into base64 is found by app_send_decode().  A backslash may belong
 * there, though: some encoders write "/" as "\/".
 */
enum app_json
app_json_get_send(const void *body, size_t len, struct app_send *out)
{
	if (len > 0 && get_our_send(body, len, out) &&
	    memchr(out->payload, '\\', out->payload_len) == NULL)
		return APP_JSON_OK;
	return get_any_send(body, len, out);
}

int
app_send_decode(const struct app_send *s, uint8_t *out, size_t *len)
{
	struct json_str text = { s->payload, s->payload_len, s->escaped };
	size_t n;

	if (!s->escaped)
		return base64_decode(out, len, s->payload, s->payload_len);
	*len = 0;
	n = json_unescape(&text, out, s->payload_len);
	if (n > s->payload_len)
		return -1;
	return base64_decode(out, len, out, n);
}

void
app_json_get_failure(const void *body, size_t len, char *out, size_t cap)
{
	struct json_str s = { body, len, false };
	struct json j;
	size_t n, i;

	json_init(&j, body, len);
	if (json_peek(&j) == JSON_STRING) {
		json_get_str(&j, &s);
		if (!json_done(&j))
			s = (struct json_str){ body, len, false };
	}
	n = SIZE_MAX;
	if (s.escaped)
		n = json_unescape(&s, out, cap - 1);
	if (n == SIZE_MAX) { /* plain, or too long: its beginning as it is */
		n = s.len < cap - 1 ? s.len : cap - 1;
		if (n > 0)
			memcpy(out, s.p, n);
	}
	for (i = 0; i < n; i++) {
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = ' ';
	}
	out[n] = '\0';
}

/* --- writing --- */

static void
put_text(struct wr *w, const char *text)
{
	wr_bytes(w, text, strlen(text));
}

static void
put_pk(struct wr *w, const uint8_t pk[APP_PK_LEN])
{
	uint8_t *at = wr_room(w, APP_PK_HEX);

	if (at != NULL)
		app_pk_put_hex((char *)at, pk);
}

static void
put_port(struct wr *w, uint16_t port)
{
	char text[5];

	wr_bytes(w, text, app_port_put(text, port));
}

/* pk","port":N -- what follows the opening quote, up to the number. */
static void
put_pk_port(struct wr *w, const struct app_addr *a)
{
	put_pk(w, a->pk);
	put_text(w, LOCAL_PORT);
	put_port(w, a->port);
}

/* A loop without the two braces that end it. */
static void
put_loop(struct wr *w, const struct app_loop *l, enum app_form form)
{
	if (form == APP_FORM_LOOP) {
		put_text(w, LOCAL_PK);
		put_pk_port(w, &l->local);
		put_text(w, LOOP_MID);
	} else {
		put_text(w, "{\"port\":");
		put_port(w, l->local.port);
		put_text(w, REMOTE_PK);
	}
	put_pk_port(w, &l->remote);
}

static size_t
put_end(const struct wr *w)
{
	return w->bad ? 0 : w->len;
}

static void
put_str(struct wr *w, const char *text)
{
	size_t n;

	n = w->bad ? 0
		   : json_put_str((char *)w->p + w->len, w->cap - w->len, text,
			 strlen(text));
	if (n == 0)
		w->bad = true;
	else
		w->len += n;
}

size_t
app_json_put_init(char *out, size_t cap, const char *name, const char *version,
    const char *protocol)
{
	struct wr w;

	wr_init(&w, out, cap);
	put_text(&w, "{\"app-name\":");
	put_str(&w, name);
	put_text(&w, ",\"app-version\":");
	put_str(&w, version);
	put_text(&w, ",\"protocol-version\":");
	put_str(&w, protocol);
	put_text(&w, "}");
	return put_end(&w);
}

size_t
app_json_put_addr(char *out, size_t cap, const struct app_addr *a)
{
	struct wr w;

	wr_init(&w, out, cap);
	put_text(&w, "{\"pk\":\"");
	put_pk_port(&w, a);
	put_text(&w, "}");
	return put_end(&w);
}

size_t
app_json_put_pair(char *out, size_t cap, const struct app_loop *l,
    enum app_form form)
{
	struct wr w;

	if (form == APP_FORM_LOOP)
		return app_json_put_loop(out, cap, l, form);
	wr_init(&w, out, cap);
	put_text(&w, "[{\"pk\":\"");
	put_pk_port(&w, &l->local);
	put_text(&w, "},{\"pk\":\"");
	put_pk_port(&w, &l->remote);
	put_text(&w, "}]");
	return put_end(&w);
}

size_t
app_json_put_loop(char *out, size_t cap, const struct app_loop *l,
    enum app_form form)
{
	struct wr w;

	wr_init(&w, out, cap);
	put_loop(&w, l, form);
	put_text(&w, "}}");
	return put_end(&w);
}

size_t
app_json_put_send(char *out, size_t cap, const struct app_loop *l,
    enum app_form form, const void *payload, size_t payload_len)
{
	struct wr w;
	uint8_t *at;

	wr_init(&w, out, cap);
	put_text(&w, form == APP_FORM_LOOP ? "{\"loop\":" : "{\"addr\":");
	put_loop(&w, l, form);
	if (payload == NULL) {
		put_text(&w, "}},\"payload\":null}");
		return put_end(&w);
	}
	if (payload_len > cap) /* so that no sum can be too large */
		return 0;
	put_text(&w, SEND_MID);
	at = wr_room(&w, BASE64_TEXT_LEN(payload_len));
	if (at != NULL)
		(void)base64_encode((char *)at, payload, payload_len);
	put_text(&w, SEND_END);
	return put_end(&w);
}

size_t
app_json_put_null(char *out, size_t cap)
{
	struct wr w;

	wr_init(&w, out, cap);
	put_text(&w, "null");
	return put_end(&w);
}
