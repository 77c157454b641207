/* SPDX-License-Identifier: ISC */
/*
 * Everything stund does with bytes from strangers: parse, read, frame,
 * answer and take for an answer.  Beside not crashing, it holds us to what
 * stun_msg.h and server.h promise.
 */
#include "common/assert.h"
#include "stund/client.h"
#include "stund/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static volatile uint8_t touched;

static void
check_parse(const uint8_t *data, size_t len)
{
	struct naddr mapped;
	struct stun_msg m;
	size_t i, sum = 0;

	if (stun_parse(&m, data, len) != STUN_OK)
		return;
	ASSERT(m.nattrs <= STUN_ATTRS_MAX && m.nunknown <= m.nattrs);
	for (i = 0; i < m.nattrs; i++) {
		ASSERT(m.attrs[i].val >= data + STUN_HDR + 4);
		ASSERT(m.attrs[i].len <= len - STUN_HDR - 4);
		ASSERT(m.attrs[i].val + m.attrs[i].len <= data + len);
		sum += 4u + m.attrs[i].len;
		if (m.attrs[i].len > 0) /* it must be there to be read */
			touched = m.attrs[i].val[m.attrs[i].len - 1];
	}
	ASSERT(sum <= len - STUN_HDR);
	if (stun_get_mapped(&m, &mapped) == 0)
		ASSERT(mapped.port != 0 && naddr_ip_len(&mapped) != 0);
	i = stun_get_error(&m);
	ASSERT(i == 0 || (i >= 300 && i <= 699));
	ASSERT(stun_stream_next(data, len, len) == (int)len);
}

static void
check_stream(const uint8_t *data, size_t len)
{
	int n, first = stun_stream_next(data, len, 1280);
	size_t have;

	ASSERT(first <= 1280 && first <= (int)len);
	/* What is junk, or whole, in part stays so with more bytes. */
	for (have = 0; have < len && have < 64; have++) {
		n = stun_stream_next(data, have, 1280);
		ASSERT(n == 0 || n == first);
	}
}

static void
check_server(const uint8_t *data, size_t len, bool tcp)
{
	static const uint8_t key[RATELIMIT_KEY];
	static struct stun_server sv;
	static bool ready;
	struct stun_server_cfg cfg = STUN_SERVER_DEFAULTS;
	struct stun_ask ask = { .buf = data, .len = len, .tcp = tcp };
	uint8_t out[STUN_OUT_MAX];
	enum stun_verdict v;
	struct stun_msg m;
	struct wr w;

	if (!ready) {
		cfg.net.per_s = cfg.all.per_s = 0;
		stun_server_init(&sv, &cfg, key);
		ready = true;
	}
	ask.src = (struct naddr){ NADDR_V4, { 8, 8, 4, 4 }, 40000 };
	wr_init(&w, out, sizeof(out));
	v = stun_server_answer(&sv, &ask, (struct mono){ 0 }, &w);
	ASSERT(!w.bad);
	if (v != STUN_ANSWERED && v != STUN_REFUSED) {
		ASSERT(w.len == 0);
		return;
	}
	ASSERT(v == STUN_REFUSED || w.len == STUN_SUCCESS4_LEN);
	ASSERT(v == STUN_ANSWERED || tcp || w.len <= len);
	ASSERT(stun_parse(&m, out, w.len) == STUN_OK);
}

/* The harness knows the transaction id that it lets the client choose. */
static void
check_client(const uint8_t *data, size_t len)
{
	static const uint8_t none[STUN_TID];
	const struct mono now = { 0 };
	struct client cl;

	client_init(&cl, false, 0);
	client_socket(&cl, len >= STUN_HDR ? data + 8 : none, now);
	ASSERT(client_tick(&cl, none, now) == CLIENT_SEND);
	(void)client_receive(&cl, data, len, 7, now);
	ASSERT(cl.state != CLIENT_HELD || cl.mapped.port != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_parse(data, len);
	check_stream(data, len);
	check_server(data, len, false);
	check_server(data, len, true);
	check_client(data, len);
	return 0;
}
