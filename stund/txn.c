/* SPDX-License-Identifier: ISC */
/*
 * STUN transactions, as promised in txn.h.
 */
#include "stund/txn.h"

#include <sodium.h>
#include <string.h>

void
txn_start(struct txn *t, struct txn_plan plan, const uint8_t tid[STUN_TID],
    struct mono now)
{
	t->plan = plan;
	memcpy(t->tid, tid, sizeof(t->tid));
	t->due = now;
	t->wait_ms = plan.first_ms;
	t->sent = 0;
	t->running = true;
}

void
txn_stop(struct txn *t)
{
	t->running = false;
	t->due = MONO_NEVER;
}

enum txn_act
txn_tick(struct txn *t, struct mono now)
{
	if (!t->running || !mono_reached(t->due, now))
		return TXN_WAIT;
	if (t->sent == t->plan.tries) {
		txn_stop(t);
		return TXN_FAIL;
	}
	t->sent++;
	if (t->sent == t->plan.tries)
		t->wait_ms = t->plan.last_ms;
	t->due = mono_add_ms(now, t->wait_ms);
	t->wait_ms *= t->plan.factor;
	return TXN_SEND;
}

struct mono
txn_due(const struct txn *t)
{
	return t->running ? t->due : MONO_NEVER;
}

bool
txn_is_answer(const struct txn *t, const struct stun_msg *m)
{
	return t->running && t->sent > 0 &&
	    (m->type == STUN_BINDING_SUCCESS ||
		m->type == STUN_BINDING_ERROR) &&
	    sodium_memcmp(t->tid, m->tid, STUN_TID) == 0;
}
