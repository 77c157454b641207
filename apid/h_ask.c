/* SPDX-License-Identifier: ISC */
/*
 * What handlers that ask the store share, as promised in handlers.h.
 */
#include "apid/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apid/state.h"
#include "common/hlc.h"
#include "common/json_obj.h"

#define AWAY "the store is away: come again in a moment"

bool
h_ask(struct call *call, uint16_t type, const void *body, store_heard *heard,
    void *ctx)
{
	if (storelink_ask(type, body, heard, ctx))
		return true;
	call_error(call, CALL_BUSY, "%s",
	    storelink_is_open() ? "the store is busy: come again in a moment"
				: AWAY);
	return false;
}

void
h_fail(struct call *call, const struct store_answer *a)
{
	static const int codes[] = {
		[DB_F_NOT_FOUND] = CALL_NOT_FOUND,
		[DB_F_BAD] = CALL_BAD_PARAMS,
		[DB_F_NO_TICK] = CALL_NO_TICK,
		[DB_F_BUSY] = CALL_BUSY,
		[DB_F_DISK] = CALL_DISK,
		[DB_F_TOO_LARGE] = CALL_TOO_LARGE,
	};

	if (a->how == STORE_AWAY)
		call_error(call, CALL_BUSY, AWAY);
	else if (a->how == STORE_LATE)
		call_error(call, CALL_BUSY, "the store took too long");
	else if (a->how == STORE_FAILED && a->code > 0 &&
	    a->code <= DB_F_TOO_LARGE)
		call_error(call, codes[a->code], "%s",
		    a->error[0] == '\0' ? "the store refused" : a->error);
	else
		call_error(call, CALL_INTERNAL, "the store's answer is odd");
}

void
h_no_memory(struct call *call)
{
	call_error(call, CALL_INTERNAL, "Out of memory");
}

void
h_refuse(struct call *call, int code, const struct recform *f)
{
	call_error(call, code, "%s", f->why);
}

/* --- verdicts --- */

static const struct {
	int code;
	const char *text;
} verdicts[DB_VERDICTS] = {
	[DB_EXPIRED] = { CALL_EXPIRED, "the record's time is over" },
	[DB_FUTURE] = { CALL_FUTURE,
	    "stamped further ahead than the charter allows: is a clock "
	    "wrong?" },
	[DB_NOT_ADMITTED] = { CALL_NOT_ADMITTED,
	    "its author is not admitted to this network" },
	[DB_OVER_QUOTA] = { CALL_OVER_QUOTA,
	    "its author holds all records of this kind that it may" },
	[DB_BUSY] = { CALL_BUSY, "the store takes no more now" },
	[DB_MALFORMED] = { CALL_MALFORMED, "the record is not canonical" },
	[DB_RULE] = { CALL_RULE, "the record breaks the charter's rules" },
	[DB_BAD_SIG] = { CALL_BAD_SIG,
	    "the signature is not its author's over this record" },
	[DB_DISK] = { CALL_DISK, "the disk refused: nothing was stored" },
	[DB_CONFLICT] = { CALL_CONFLICT,
	    "another version than ifRid names is stored" },
};

int
h_verdict_code(uint8_t verdict)
{
	return verdict < DB_VERDICTS && verdicts[verdict].code != 0
	    ? verdicts[verdict].code
	    : CALL_INTERNAL;
}

const char *
h_verdict_text(uint8_t verdict)
{
	return verdict < DB_VERDICTS && verdicts[verdict].text != NULL
	    ? verdicts[verdict].text
	    : "";
}

/* --- writing one record --- */

struct put {
	struct call *call;
	put_then *then;
	void *ctx;
};

static void
refuse(struct call *call, const struct msg_db_verdict *v)
{
	struct jo o = jo_new();

	jo_put(&o, "verdict", json_string(db_verdict_name(v->verdict)));
	jo_put(&o, "key", jv_hex(v->key, 32));
	jo_put(&o, "rid", jv_hex(v->rid, 32));
	jo_put(&o, "hlc", h_hlc(v->hlc));
	call_error_data(call, h_verdict_code(v->verdict), jo_end(&o), "%s",
	    h_verdict_text(v->verdict));
}

static void
on_put(void *ctx, const struct store_answer *a)
{
	struct put p = *(struct put *)ctx;
	const struct msg_db_put_done *d = a->body;

	free(ctx);
	if (a->how == STORE_ANSWER && a->type == DB_PUT_DONE &&
	    d->n_verdicts == 1) {
		if (d->verdicts[0].verdict <= DB_OLD) {
			p.then(p.call, p.ctx, &d->verdicts[0]);
			return;
		}
		refuse(p.call, &d->verdicts[0]);
	} else {
		h_fail(p.call, a);
	}
	p.then(NULL, p.ctx, NULL);
}

void
h_put(struct call *call, const struct recform *f, put_then *then, void *ctx)
{
	static struct msg_db_put q;
	struct put *p = malloc(sizeof(*p));

	if (p == NULL) {
		h_no_memory(call);
		then(NULL, ctx, NULL);
		return;
	}
	*p = (struct put){ call, then, ctx };
	q.n_records = 1;
	q.records[0].raw.p = f->raw;
	q.records[0].raw.len = (uint32_t)f->len;
	q.has_if = f->has_if;
	if (f->has_if)
		memcpy(q.if_rid, f->if_rid, 32);
	if (!h_ask(call, DB_PUT, &q, on_put, p)) {
		free(p);
		then(NULL, ctx, NULL);
	}
}

json_t *
h_written(const struct msg_db_verdict *v)
{
	struct jo o = jo_new();

	jo_put(&o, "key", jv_hex(v->key, 32));
	jo_put(&o, "rid", jv_hex(v->rid, 32));
	jo_put(&o, "hlc", h_hlc(v->hlc));
	jo_put(&o, "verdict", json_string(db_verdict_name(v->verdict)));
	jo_put(&o, "applied", json_boolean(v->verdict == DB_NEW));
	return jo_end(&o);
}

/* --- parameters --- */

bool
h_flag(const struct call *call, size_t index)
{
	return json_is_true(call_param(call, index));
}

bool
h_hex(struct call *call, size_t index, uint8_t *out, size_t n)
{
	if (hex_exact(call_param(call, index), out, n))
		return true;
	call_error(call, CALL_BAD_PARAMS, "%s must be %zu hex digits",
	    call->method->params[index].name, 2 * n);
	return false;
}

bool
h_tick(struct call *call, size_t index, uint64_t *tick)
{
	const json_t *v = call_param(call, index);

	*tick = MSG_NULL64;
	if (v == NULL || parse_u64(v, tick))
		return true;
	call_error(call, CALL_BAD_PARAMS, "tick must be above 0");
	return false;
}

/* --- drawing --- */

json_t *
h_hlc(uint64_t hlc)
{
	char num[24];

	(void)snprintf(num, sizeof(num), "%llu", (unsigned long long)hlc);
	return json_string(num);
}

json_t *
h_record(const struct msg_db_record *r)
{
	struct jo o = jo_new();
	struct rec rec;

	jo_put(&o, "key", jv_hex(r->key, 32));
	jo_put(&o, "rid", jv_hex(r->rid, 32));
	jo_put(&o, "settled", json_boolean(r->settled));
	if (!recform_decode(&rec, r->raw.p, r->raw.len)) {
		/* Counted, but a later version took its place on disk. */
		jo_put(&o, "record", json_null());
		return jo_end(&o);
	}
	jo_put(&o, "kind", jv_number(rec.kind));
	jo_put(&o, "subject", jv_hex(rec.subject, rec.subject_len));
	jo_put(&o, "name", jv_hex(rec.name, rec.name_len));
	jo_put(&o, "author", jv_hex(rec.author, 32));
	jo_put(&o, "hlc", h_hlc(rec.hlc));
	jo_put(&o, "time", jv_time((uint64_t)hlc_wall(rec.hlc).ms));
	jo_put(&o, "tombstone", json_boolean((rec.flags & REC_TOMBSTONE) != 0));
	jo_put(&o, "w", json_integer(rec.w));
	jo_put(&o, "payload", jv_hex(rec.payload, rec.payload_len));
	jo_put(&o, "sig", jv_hex(rec.sig, 64));
	jo_put(&o, "record", jv_hex(r->raw.p, r->raw.len));
	return jo_end(&o);
}

json_t *
h_proof(const struct msg_db_proved *p)
{
	struct jo o = jo_new();

	jo_put(&o, "tick", jv_number(p->tick));
	jo_put(&o, "root", jv_hex(p->root, 32));
	jo_put(&o, "count", jv_number(p->cnt));
	jo_put(&o, "sum", json_integer(p->sum));
	jo_put(&o, "proof", jv_hex(p->proof.p, p->proof.len));
	jo_put(&o, "claim",
	    p->claim.len == 0 ? json_null() : jv_hex(p->claim.p, p->claim.len));
	return jo_end(&o);
}
