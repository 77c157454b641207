/* SPDX-License-Identifier: ISC */
/*
 * How long the STUN server core thinks about a request, limits on, without
 * the network: nanoseconds a packet for each kind, the best of five runs.
 * Raised limits still cost the full look-up.
 */
#include <stdio.h>
#include <string.h>

#include "common/mono.h"
#include "stund/server.h"

#define ROUNDS  2000000
#define SOURCES 4096

struct bench_case {
	const char *name;
	struct rate net;
	bool bare; /* a header alone instead of our padded request */
	bool v6;
};

static struct stun_server sv;
static struct naddr srcs[SOURCES];

static void
make_sources(bool v6)
{
	uint32_t i, n;

	for (i = 0; i < SOURCES; i++) {
		n = i * 2654435761u;
		memset(&srcs[i], 0, sizeof(srcs[i]));
		srcs[i].fam = v6 ? NADDR_V6 : NADDR_V4;
		put_u32(srcs[i].ip,
		    v6 ? 0x26000000 | (n >> 12) : 0x50000000 | (n >> 8));
		srcs[i].port = (uint16_t)(20000 + i);
	}
}

static size_t
make_request(uint8_t *buf, size_t cap, bool bare)
{
	static const uint8_t tid[STUN_TID] = { 1, 2, 3 };
	struct wr w;

	wr_init(&w, buf, cap);
	stun_put_request(&w, tid);
	if (bare) {
		put_u16(buf + 2, 0);
		return STUN_HDR;
	}
	return w.len;
}

static double
run(const struct bench_case *c)
{
	static const uint8_t key[RATELIMIT_KEY] = { 7 };
	struct stun_server_cfg cfg = STUN_SERVER_DEFAULTS;
	uint8_t req[STUN_OUT_MAX], ans[STUN_OUT_MAX];
	struct mono from, to, now;
	struct stun_ask ask = { .buf = req };
	struct wr out;
	long i;

	cfg.net = c->net;
	cfg.all = (struct rate){ 100000000, 100000000 };
	stun_server_init(&sv, &cfg, key);
	ask.len = make_request(req, sizeof(req), c->bare);
	from = now = mono_now();
	for (i = 0; i < ROUNDS; i++) {
		now.us++;
		ask.src = srcs[i % SOURCES];
		wr_init(&out, ans, sizeof(ans));
		(void)stun_server_answer(&sv, &ask, now, &out);
	}
	to = mono_now();
	return (double)(to.us - from.us) * 1000.0 / ROUNDS;
}

int
main(void)
{
	static const struct bench_case cases[] = {
		{ "padded request, v4", { 1000000, 1000000 }, false, false },
		{ "padded request, v6", { 1000000, 1000000 }, false, true },
		{ "bare request, v4", { 1000000, 1000000 }, true, false },
		{ "over the limit, v4", { 1, 1 }, false, false },
	};
	double best, t;
	size_t i, k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_sources(cases[i].v6);
		best = run(&cases[i]);
		for (k = 0; k < 4; k++)
			if ((t = run(&cases[i])) < best)
				best = t;
		printf("%-20s %6.1f ns\n", cases[i].name, best);
	}
	return 0;
}
