/* SPDX-License-Identifier: ISC */
/*
 * Methods over the settled database: its root, sums of its parts, proofs.
 */
#include "apid/handlers.h"

#include <string.h>

#include "apid/state.h"
#include "common/claim.h"
#include "common/json_obj.h"
#include "common/view_json.h"

/* --- the root --- */

static struct jo
root_object(const struct msg_db_claim *c)
{
	struct jo o = jo_new();

	jo_put(&o, "tick", jv_number(c->tick));
	jo_put(&o, "root", jv_hex(c->root, 32));
	jo_put(&o, "count", jv_number(c->cnt));
	jo_put(&o, "sum", json_integer(c->sum));
	return o;
}

static void
on_hash(void *ctx, const struct store_answer *a)
{
	struct jo o;

	if (a->how != STORE_ANSWER || a->type != DB_CLAIM) {
		h_fail(ctx, a);
		return;
	}
	o = root_object(a->body);
	call_reply_json(ctx, jo_end(&o));
}

static void
ask_root(struct call *call, store_heard *heard)
{
	struct msg_db_claim_get q;

	if (h_tick(call, 0, &q.tick))
		(void)h_ask(call, DB_CLAIM_GET, &q, heard, call);
}

void
m_getdbhash(struct call *call)
{
	ask_root(call, on_hash);
}

static void
on_claim(void *ctx, const struct store_answer *a)
{
	const struct msg_db_claim *m = a->body;
	struct claim c;
	struct jo o;

	if (a->how != STORE_ANSWER || a->type != DB_CLAIM) {
		h_fail(ctx, a);
		return;
	}
	o = root_object(m);
	if (claim_decode(&c, m->claim.p, m->claim.len) == 0) {
		jo_put(&o, "claim", jv_hex(m->claim.p, m->claim.len));
		jo_put(&o, "nodeId", jv_hex(c.node, 32));
		jo_put(&o, "netid", jv_hex(c.netid, 32));
		jo_put(&o, "time", jv_time(c.wall_ms));
		jo_put(&o, "sig", jv_hex(c.sig, 64));
	} else {
		jo_put(&o, "claim", json_null()); /* not signed yet */
	}
	call_reply_json(ctx, jo_end(&o));
}

void
m_getdbclaim(struct call *call)
{
	ask_root(call, on_claim);
}

/* --- sums and proofs --- */

static void
on_proved(void *ctx, const struct store_answer *a)
{
	if (a->how != STORE_ANSWER || a->type != DB_PROVED)
		h_fail(ctx, a);
	else
		call_reply_json(ctx, h_proof(a->body));
}

void
m_getdbsum(struct call *call)
{
	struct msg_db_prove q;
	int bits = h_prefix(call, 0, 1, q.prefix);

	if (bits == -1)
		return;
	q.bits = (uint16_t)bits;
	if (h_tick(call, 2, &q.tick))
		(void)h_ask(call, DB_PROVE, &q, on_proved, call);
}

/* "bits" of a prefix that is given in hex, whole bytes of it. */
static bool
read_bits(struct call *call, struct msg_db_prove *q)
{
	const json_t *bits = call_param(call, 2);
	json_int_t n = json_integer_value(bits);
	int len = hex_upto(call_param(call, 1), q->prefix, 32);

	if (len == -1 || (bits != NULL && (n < 0 || n > 8 * len))) {
		call_error(call, CALL_BAD_PARAMS,
		    "prefix must be hex of at most 32 bytes, and bits within "
		    "it");
		return false;
	}
	q->bits = (uint16_t)(bits == NULL ? 8 * len : n);
	return true;
}

void
m_getproof(struct call *call)
{
	struct msg_db_prove q;

	memset(q.prefix, 0, sizeof(q.prefix));
	if (call_param(call, 0) != NULL) {
		if (!h_hex(call, 0, q.prefix, 32))
			return;
		q.bits = 256;
	} else if (call_param(call, 1) == NULL) {
		call_error(call, CALL_BAD_PARAMS,
		    "key, or prefix and bits are required");
		return;
	} else if (!read_bits(call, &q)) {
		return;
	}
	if (h_tick(call, 3, &q.tick))
		(void)h_ask(call, DB_PROVE, &q, on_proved, call);
}

/* --- the network --- */

void
m_gethealth(struct call *call)
{
	const struct msg_db_state *db = state_db();

	if (db == NULL)
		call_error(call, CALL_BUSY, "the store is away");
	else
		call_reply_json(call, view_json_health(db));
}
