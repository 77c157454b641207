/* SPDX-License-Identifier: ISC */
/*
 * When to send a STUN request, again, and when to give up: RFC 8489 section
 * 6.2.1 over UDP, 6.2.2 over TCP, and a short form for keepalives.  Knows
 * nothing of what is sent but its transaction id.
 * Pure; tested in tests/unit/txn_test.c.
 */
#ifndef WARREN_TXN_H
#define WARREN_TXN_H

#include "common/mono.h"
#include "stund/stun_msg.h"

struct txn_plan {
	uint8_t tries;     /* requests in all */
	uint8_t factor;    /* of the wait, after each request */
	uint32_t first_ms; /* wait after the first request */
	uint32_t last_ms;  /* wait after the last one, before giving up */
};

/* clang-format off */
#define TXN_UDP       ((struct txn_plan){ 7, 2, 500, 16 * 500 }) /* 39.5 s */
#define TXN_KEEPALIVE ((struct txn_plan){ 3, 1, 500, 500 })      /*  1.5 s */
#define TXN_TCP       ((struct txn_plan){ 1, 1, 0, 39500 })      /* Ti */
/* clang-format on */

enum txn_act { TXN_WAIT, TXN_SEND, TXN_FAIL };

struct txn {
	struct txn_plan plan;
	uint8_t tid[STUN_TID];
	struct mono due;  /* next time txn_tick() has work */
	uint32_t wait_ms; /* current interval */
	uint8_t sent;     /* requests sent so far */
	bool running;     /* an answer would be welcome */
};

/* Begin: the first request is due now.  tid is random, from the caller. */
void txn_start(struct txn *t, struct txn_plan plan, const uint8_t tid[STUN_TID],
    struct mono now);

/* End it; whatever still arrives is not ours. */
void txn_stop(struct txn *t);

/*
 * Advance to now: send the request (again), or give up, which ends the
 * transaction.  A late call sends once, not once per missed interval.
 */
enum txn_act txn_tick(struct txn *t, struct mono now);

/* When txn_tick() has work next; MONO_NEVER when it is over. */
struct mono txn_due(const struct txn *t);

/* Is m a response to what we asked?  Constant time in the id. */
bool txn_is_answer(const struct txn *t, const struct stun_msg *m);

#endif
