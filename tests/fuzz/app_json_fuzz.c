/* SPDX-License-Identifier: ISC */
/*
 * Bodies of app packets.  Byte 0 is the type, the rest the body.  What is
 * read and written again reads the same; a Send read the short way is what
 * the long way finds, and a payload decoded and encoded is the same text.
 */
#include "appd/app_json.h"

#include <stdlib.h>
#include <string.h>

#include "appd/base64.h"
#include "appd/packet.h"
#include "common/assert.h"

#define BODY_MAX 9000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_init(const uint8_t *body, size_t len)
{
	static char text[4 * 6 * APP_TEXT_MAX];
	struct app_init in, again;
	size_t n;

	if (app_json_get_init(body, len, &in) > APP_JSON_NONE)
		return;
	n = app_json_put_init(text, sizeof(text), in.name, in.version,
	    in.protocol);
	ASSERT(n > 0);
	ASSERT(app_json_get_init(text, n, &again) == APP_JSON_OK);
	/* What was no UTF-8 has become three bytes of it, or too long. */
	n = app_json_put_init(text, sizeof(text), again.name, again.version,
	    again.protocol);
	ASSERT(app_json_get_init(text, n, &in) == APP_JSON_OK);
	ASSERT(strcmp(in.name, again.name) == 0);
	ASSERT(strcmp(in.version, again.version) == 0);
	ASSERT(strcmp(in.protocol, again.protocol) == 0);
}

static void
try_addr(const uint8_t *body, size_t len)
{
	struct app_addr a, again;
	char text[256];
	size_t n;

	if (app_json_get_addr(body, len, &a) > APP_JSON_NONE)
		return;
	n = app_json_put_addr(text, sizeof(text), &a);
	ASSERT(app_json_get_addr(text, n, &again) == APP_JSON_OK);
	ASSERT(app_addr_equal(&a, &again));
	ASSERT(app_addr_put_text(text, &a) < APP_ADDR_TEXT);
	ASSERT(app_addr_get_text(&again, text) == 0);
	ASSERT(app_addr_equal(&a, &again));
}

static bool
same(const struct app_loop *a, const struct app_loop *b)
{
	return app_addr_equal(&a->local, &b->local) &&
	    app_addr_equal(&a->remote, &b->remote);
}

static void
try_loops(const uint8_t *body, size_t len)
{
	enum app_form form, form_again;
	struct app_loop l, again;
	char text[512];
	size_t n;

	if (app_json_get_loop(body, len, &l, &form) <= APP_JSON_NONE) {
		if (form == APP_FORM_ADDR)
			memset(l.local.pk, 0, sizeof(l.local.pk));
		n = app_json_put_loop(text, sizeof(text), &l, form);
		ASSERT(app_json_get_loop(text, n, &again, &form_again) ==
		    APP_JSON_OK);
		ASSERT(form == form_again && same(&l, &again));
	}
	if (app_json_get_pair(body, len, &l, &form) <= APP_JSON_NONE) {
		n = app_json_put_pair(text, sizeof(text), &l, form);
		ASSERT(app_json_get_pair(text, n, &again, &form_again) ==
		    APP_JSON_OK);
		ASSERT(same(&l, &again));
	}
}

/* The decoded payload is in bytes; it must come back from what we write. */
static void
send_again(const struct app_send *s, uint8_t *bytes, size_t n)
{
	static char text[BODY_MAX + 512];
	struct app_send again;
	size_t len, m;

	len =
	    app_json_put_send(text, sizeof(text), &s->loop, s->form, bytes, n);
	ASSERT(len > 0);
	ASSERT(app_json_get_send(text, len, &again) == APP_JSON_OK);
	ASSERT(again.form == s->form && same(&again.loop, &s->loop));
	ASSERT(again.payload_len == BASE64_TEXT_LEN(n) && !again.escaped);
	if (!s->escaped)
		ASSERT(again.payload_len == s->payload_len &&
		    (n == 0 ||
			memcmp(again.payload, s->payload, s->payload_len) ==
			    0));
	ASSERT(app_send_decode(&again, (uint8_t *)text, &m) == 0);
	ASSERT(m == n && memcmp(text, bytes, n) == 0);
}

static void
try_send(const uint8_t *body, size_t len)
{
	static char spaced[BODY_MAX + 1];
	static uint8_t bytes[BODY_MAX];
	struct app_send s, slow;
	enum app_json err;
	size_t n;

	if (len > BODY_MAX)
		return;
	err = app_json_get_send(body, len, &s);
	/* A blank in front sends it the long way. */
	spaced[0] = ' ';
	memcpy(spaced + 1, body, len);
	if (err != APP_JSON_OK) {
		ASSERT(app_json_get_send(spaced, len + 1, &slow) == err);
		return;
	}
	ASSERT(s.payload_len <= len);
	if (app_send_decode(&s, bytes, &n) == -1)
		return;
	ASSERT(app_json_get_send(spaced, len + 1, &slow) == APP_JSON_OK);
	ASSERT(slow.form == s.form && same(&slow.loop, &s.loop));
	ASSERT(slow.payload_len == s.payload_len);
	if (s.form == APP_FORM_ADDR)
		memset(s.loop.local.pk, 0, sizeof(s.loop.local.pk));
	send_again(&s, bytes, n);
}

static void
try_failure(const uint8_t *body, size_t len)
{
	char text[APP_FAILURE_MAX];
	size_t i, n;

	app_json_get_failure(body, len, text, sizeof(text));
	n = strlen(text);
	ASSERT(n < sizeof(text));
	for (i = 0; i < n; i++)
		ASSERT((unsigned char)text[i] >= ' ');
	(void)app_json_is_none(body, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const try[])(const uint8_t *, size_t) = {
		[PACKET_INIT] = try_init,
		[PACKET_CREATE_LOOP] = try_addr,
		[PACKET_CONFIRM_LOOP] = try_loops,
		[PACKET_SEND] = try_send,
		[PACKET_CLOSE] = try_loops,
		[PACKET_CLOSE + 1] = try_failure,
	};
	uint8_t *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	ASSERT(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	copy = realloc(copy, size > 1 ? size - 1 : 1);
	ASSERT(copy != NULL);
	try[data[0] % (sizeof(try) / sizeof(try[0]))](copy, size - 1);
	free(copy);
	return 0;
}
