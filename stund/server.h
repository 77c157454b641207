/* SPDX-License-Identifier: ISC */
/*
 * The STUN server's decision: bytes and a source in, an answer or a reason
 * for silence out.  Stateless but for the budgets; nothing in it grows with
 * what strangers send.  The answer goes to the source and nowhere else, and
 * says nothing but XOR-MAPPED-ADDRESS (nat-security.md 5).
 *
 *   datagram --> STUN? --> well formed? --> Binding request? --> source fit
 *   to be answered? --> all understood? --> within budget? --> answer
 *
 * Pure; tested in tests/unit/server_test.c, fuzzed by
 * tests/fuzz/stun_msg_fuzz.c, timed by tests/bench/stun_server_bench.c.
 */
#ifndef WARREN_SERVER_H
#define WARREN_SERVER_H

#include "common/mono.h"
#include "common/ratelimit.h"
#include "stund/stun_msg.h"

#define STUN_SERVER_SLOTS 4096 /* networks told apart, more or less */

/* One line a verdict: its name here, its name in counters. */
#define STUN_VERDICTS(X)                                                       \
	X(STUN_ANSWERED, "answered")   /* success is in out */                 \
	X(STUN_REFUSED, "refused")     /* error 420 is in out */               \
	X(STUN_NOTED, "indication")    /* valid, and wants no answer */        \
	X(STUN_DROP_ALIEN, "not-stun") /* no STUN header */                    \
	X(STUN_DROP_MALFORMED, "malformed")                                    \
	X(STUN_DROP_TYPE, "type")           /* a response, another method */   \
	X(STUN_DROP_SOURCE, "source")       /* address never to be answered */ \
	X(STUN_DROP_REFLECTOR, "reflector") /* port never to be answered */    \
	X(STUN_DROP_UNKNOWN, "unknown")     /* 420 longer than the request */  \
	X(STUN_DROP_NET_RATE, "net-rate") /* the network's budget is spent */  \
	X(STUN_DROP_RATE, "rate")         /* the socket's budget is spent */

enum stun_verdict {
#define X(id, name) id,
	STUN_VERDICTS(X)
#undef X
	    STUN_VERDICT_COUNT
};

struct stun_server_cfg {
	struct rate net; /* answers per network */
	struct rate all; /* answers in all */
	uint8_t v4_bits; /* what a network is */
	uint8_t v6_bits;
	unsigned allow; /* ADDR_ALLOW_*; LOOPBACK opens any port too */
};

/* 10 a second and 30 at once per /24 or /56, 5000 a second in all. */
#define STUN_SERVER_DEFAULTS                                                   \
	((struct stun_server_cfg){ { 10, 30 }, { 5000, 5000 }, 24, 56, 0 })

struct stun_server {
	struct ratelimit net;
	struct bucket all;
	unsigned allow;
	uint64_t count[STUN_VERDICT_COUNT];
	/* Scratch; on the stack a hardened build clears it for each packet. */
	struct stun_msg msg;
	int64_t slots[STUN_SERVER_SLOTS];
};

struct stun_ask {
	struct naddr src;
	const uint8_t *buf; /* the datagram, or one framed message */
	size_t len;
	bool loopback; /* came to a socket that talks to loopback only */
	bool tcp;      /* the handshake proved the source: nothing to reflect */
};

/* Full budgets, counters at 0.  key is secret. */
void stun_server_init(struct stun_server *sv, const struct stun_server_cfg *cfg,
    const uint8_t key[RATELIMIT_KEY]);

/* Other budgets, full ones; counters and allow stay. */
void stun_server_set_rates(struct stun_server *sv,
    const struct stun_server_cfg *cfg, const uint8_t key[RATELIMIT_KEY]);

/*
 * Decide, and write what there is to send into out (STUN_OUT_MAX bytes are
 * enough; out is untouched otherwise).  Over UDP an error 420 longer than
 * its request becomes silence.  Counts the verdict.
 */
enum stun_verdict stun_server_answer(struct stun_server *sv,
    const struct stun_ask *ask, struct mono now, struct wr *out);

/* Name of a verdict, for counters and the log. */
const char *stun_verdict_name(enum stun_verdict v);

#endif
