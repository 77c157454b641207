/* SPDX-License-Identifier: ISC */
/*
 * Link messages of streams, as promised in wire.h: loops, circuits and
 * reservations.
 */
#include <string.h>

#include "common/assert.h"
#include "common/mp.h"
#include "peerd/wire.h"

void
wire_put_open(struct wr *w, uint32_t stream, uint16_t port, uint16_t from,
    uint32_t window)
{
	mp_wr_array(w, 5);
	mp_wr_uint(w, WIRE_OPEN);
	mp_wr_uint(w, stream);
	mp_wr_uint(w, port);
	mp_wr_uint(w, from);
	mp_wr_uint(w, window);
}

static void
get_open(struct rd *r, struct wire_msg *m)
{
	m->port = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	m->from = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	m->window = (uint32_t)mp_rd_uint(r, UINT32_MAX);
}

void
wire_put_relay(struct wr *w, uint32_t stream, const uint8_t *path, size_t n,
    uint32_t window)
{
	size_t i;

	ASSERT(n <= WIRE_PATH_MAX);
	mp_wr_array(w, 4);
	mp_wr_uint(w, WIRE_RELAY);
	mp_wr_uint(w, stream);
	mp_wr_array(w, (uint32_t)n);
	for (i = 0; i < n; i++)
		mp_wr_bin(w, path + i * WIRE_KEY_STEP, 32);
	mp_wr_uint(w, window);
}

static void
get_relay(struct rd *r, struct wire_msg *m)
{
	const uint8_t *key;
	uint8_t i;
	size_t len;

	m->n_path = (uint8_t)mp_rd_array(r, WIRE_PATH_MAX);
	for (i = 0; i < m->n_path; i++) {
		key = mp_rd_bin(r, 32, 32, &len);
		if (i == 0)
			m->path = key;
	}
	m->window = (uint32_t)mp_rd_uint(r, UINT32_MAX);
}

void
wire_put_opened(struct wr *w, uint32_t stream, uint32_t window)
{
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_OPENED);
	mp_wr_uint(w, stream);
	mp_wr_uint(w, window);
}

/* Apps are shown these, in JSON and on terminals. */
static bool
is_plain(char c)
{
	return c >= 0x20 && c < 0x7f;
}

static void
put_text(struct wr *w, const char *text)
{
	char plain[WIRE_TEXT_MAX + 1];
	size_t i;

	for (i = 0; i < WIRE_TEXT_MAX && text[i] != '\0'; i++)
		plain[i] = is_plain(text[i]) ? text[i] : '?';
	plain[i] = '\0';
	mp_wr_str(w, plain);
}

static void
get_text(struct rd *r, struct wire_msg *m)
{
	size_t i;

	mp_rd_str(r, m->text, sizeof(m->text));
	for (i = 0; m->text[i] != '\0'; i++)
		if (!is_plain(m->text[i]))
			r->bad = true;
}

void
wire_put_refused(struct wr *w, uint32_t stream, enum wire_refusal code,
    const char *text)
{
	mp_wr_array(w, 4);
	mp_wr_uint(w, WIRE_REFUSED);
	mp_wr_uint(w, stream);
	mp_wr_uint(w, (uint64_t)code);
	put_text(w, text);
}

static void
get_refused(struct rd *r, struct wire_msg *m)
{
	m->reason = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	get_text(r, m);
}

/* The payload follows its head as it is: see mp_wr_bin(). */
void
wire_put_data_head(struct wr *w, uint32_t stream, size_t n)
{
	ASSERT(n >= 1 && n <= WIRE_DATA_MAX);
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_DATA);
	mp_wr_uint(w, stream);
	if (n <= UINT8_MAX) {
		wr_u8(w, 0xc4);
		wr_u8(w, (uint8_t)n);
	} else {
		wr_u8(w, 0xc5);
		wr_u16(w, (uint16_t)n);
	}
}

static void
get_data(struct rd *r, struct wire_msg *m)
{
	m->data.p = mp_rd_bin(r, 1, WIRE_DATA_MAX, &m->data.len);
}

void
wire_put_grant(struct wr *w, uint32_t stream, uint32_t bytes)
{
	ASSERT(bytes > 0);
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_GRANT);
	mp_wr_uint(w, stream);
	mp_wr_uint(w, bytes);
}

static void
get_grant(struct rd *r, struct wire_msg *m)
{
	m->bytes = (uint32_t)mp_rd_uint(r, UINT32_MAX);
	if (m->bytes == 0)
		r->bad = true;
}

void
wire_put_close(struct wr *w, uint32_t stream, uint8_t why)
{
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_CLOSE);
	mp_wr_uint(w, stream);
	mp_wr_uint(w, why);
}

void
wire_put_reserve(struct wr *w)
{
	mp_wr_array(w, 1);
	mp_wr_uint(w, WIRE_RESERVE);
}

void
wire_put_reserved(struct wr *w, uint64_t bytes, uint32_t seconds,
    const char *text)
{
	mp_wr_array(w, 4);
	mp_wr_uint(w, WIRE_RESERVED);
	mp_wr_uint(w, bytes);
	mp_wr_uint(w, seconds);
	put_text(w, text);
}

static void
get_reserved(struct rd *r, struct wire_msg *m)
{
	m->quota = mp_rd_uint(r, UINT64_MAX);
	m->seconds = (uint32_t)mp_rd_uint(r, UINT32_MAX);
	get_text(r, m);
}

void
wire_get_loop(struct rd *r, struct wire_msg *m)
{
	static const uint8_t arity[] = { [WIRE_OPEN - WIRE_OPEN] = 5,
		[WIRE_RELAY - WIRE_OPEN] = 4,
		[WIRE_OPENED - WIRE_OPEN] = 3,
		[WIRE_REFUSED - WIRE_OPEN] = 4,
		[WIRE_DATA - WIRE_OPEN] = 3,
		[WIRE_GRANT - WIRE_OPEN] = 3,
		[WIRE_CLOSE - WIRE_OPEN] = 3,
		[WIRE_RESERVE - WIRE_OPEN] = 1,
		[WIRE_RESERVED - WIRE_OPEN] = 4 };

	mp_rd_arity(r, arity[m->type - WIRE_OPEN]);
	(void)mp_rd_uint(r, m->type);
	if (m->type <= WIRE_CLOSE)
		m->stream = (uint32_t)mp_rd_uint(r, UINT32_MAX);
	switch (m->type) {
	case WIRE_OPEN:
		get_open(r, m);
		break;
	case WIRE_RELAY:
		get_relay(r, m);
		break;
	case WIRE_OPENED:
		m->window = (uint32_t)mp_rd_uint(r, UINT32_MAX);
		break;
	case WIRE_REFUSED:
		get_refused(r, m);
		break;
	case WIRE_DATA:
		get_data(r, m);
		break;
	case WIRE_GRANT:
		get_grant(r, m);
		break;
	case WIRE_CLOSE:
		m->reason = (uint8_t)mp_rd_uint(r, UINT8_MAX);
		break;
	case WIRE_RESERVED:
		get_reserved(r, m);
		break;
	default: /* RESERVE says no more */
		break;
	}
}
