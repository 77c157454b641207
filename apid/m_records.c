/* SPDX-License-Identifier: ISC */
/*
 * Methods over records: reading and writing them as they are, and by what
 * they mean: temperatures, locations, metadata, ratings.
 */
#include "apid/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "apid/state.h"
#include "common/hlc.h"
#include "common/json_obj.h"

/* --- reading --- */

/* Which key: the first parameter, or kind, subject, name and author. */
static bool
read_key(struct call *call, uint8_t key[32])
{
	static const char need[] = "key, or kind, subject and author";
	json_t *o = call_object(call);
	const json_t *kind = json_object_get(o, "kind");
	struct rec rec = { .kind = 0 };
	int subject, name = 0;
	bool good;

	if (json_object_get(o, "key") != NULL) {
		json_decref(o);
		return h_hex(call, 0, key, 32);
	}
	if (kind != NULL && json_integer_value(kind) > 0 &&
	    json_integer_value(kind) < 256)
		rec.kind = (uint8_t)json_integer_value(kind);
	subject = hex_upto(json_object_get(o, "subject"), rec.subject,
	    REC_SUBJECT_MAX);
	if (json_object_get(o, "name") != NULL)
		name = hex_upto(json_object_get(o, "name"), rec.name,
		    REC_NAME_MAX);
	good = rec.kind != 0 && subject > 0 && name >= 0 &&
	    hex_exact(json_object_get(o, "author"), rec.author, 32);
	json_decref(o);
	if (!good) {
		call_error(call, CALL_BAD_PARAMS, "%s are required", need);
		return false;
	}
	rec.subject_len = (uint8_t)subject;
	rec.name_len = (uint8_t)name;
	rec_key(key, &rec, state_node()->netid);
	return true;
}

struct reading {
	struct call *call;
	bool prove;
	uint8_t key[32];
	json_t *record;
};

static void
on_record_proof(void *ctx, const struct store_answer *a)
{
	struct reading *r = ctx;
	json_t *o = r->record;

	if (a->how == STORE_ANSWER && a->type == DB_PROVED) {
		if (json_object_set_new(o, "proof", h_proof(a->body)) == -1) {
			json_decref(o);
			o = NULL;
		}
		call_reply_json(r->call, o);
	} else {
		json_decref(o);
		h_fail(r->call, a);
	}
	free(r);
}

static void
on_record(void *ctx, const struct store_answer *a)
{
	const struct msg_db_records *list = a->body;
	struct msg_db_prove q = { .bits = 256, .tick = MSG_NULL64 };
	struct reading *r = ctx;

	if (a->how != STORE_ANSWER || a->type != DB_RECORDS ||
	    list->n_records != 1) {
		h_fail(r->call, a);
		free(r);
		return;
	}
	r->record = h_record(&list->records[0]);
	if (!r->prove || r->record == NULL || r->call->cancelled) {
		call_reply_json(r->call, r->record);
		free(r);
		return;
	}
	memcpy(q.prefix, r->key, 32);
	if (!h_ask(r->call, DB_PROVE, &q, on_record_proof, r)) {
		json_decref(r->record);
		free(r);
	}
}

void
m_getrecord(struct call *call)
{
	struct msg_db_get q;
	struct reading *r;

	if (!read_key(call, q.key))
		return;
	if ((r = calloc(1, sizeof(*r))) == NULL) {
		h_no_memory(call);
		return;
	}
	r->call = call;
	r->prove = h_flag(call, 2);
	q.settled = h_flag(call, 1) || r->prove;
	memcpy(r->key, q.key, 32);
	if (!h_ask(call, DB_GET, &q, on_record, r))
		free(r);
}

static void
on_records(void *ctx, const struct store_answer *a)
{
	const struct msg_db_records *list = a->body;
	struct jo o = jo_new(), all = jo_list();
	struct call *call = ctx;
	size_t i;

	if (a->how != STORE_ANSWER || a->type != DB_RECORDS) {
		json_decref(jo_end(&o));
		json_decref(jo_end(&all));
		h_fail(call, a);
		return;
	}
	for (i = 0; i < list->n_records; i++)
		jo_add(&all, h_record(&list->records[i]));
	jo_put(&o, "records", jo_end(&all));
	jo_put(&o, "more", json_boolean(list->more));
	jo_put(&o, "after",
	    i == 0 ? json_null() : jv_hex(list->records[i - 1].key, 32));
	call_reply_json(call, jo_end(&o));
}

/* kind, subject: the prefix of their keys; -1 and answered when bad. */
static int
read_prefix(struct call *call, const json_t *kind, const json_t *subject,
    uint8_t prefix[32])
{
	struct rec rec = { .kind = 0 };
	int n;

	memset(prefix, 0, 32);
	if (kind == NULL && subject == NULL)
		return 0;
	if (kind == NULL || json_integer_value(kind) < 1 ||
	    json_integer_value(kind) > 255) {
		call_error(call, CALL_BAD_PARAMS, "kind must be 1..255");
		return -1;
	}
	rec.kind = (uint8_t)json_integer_value(kind);
	prefix[0] = rec.kind;
	if (subject == NULL)
		return 8;
	if ((n = hex_upto(subject, rec.subject, REC_SUBJECT_MAX)) < 1) {
		call_error(call, CALL_BAD_PARAMS,
		    "subject must be hex of 1 to 64 bytes");
		return -1;
	}
	rec.subject_len = (uint8_t)n;
	rec_key(prefix, &rec, state_node()->netid);
	memset(prefix + 16, 0, 16);
	return 128;
}

int
h_prefix(struct call *call, size_t kind, size_t subject, uint8_t prefix[32])
{
	return read_prefix(call, call_param(call, kind),
	    call_param(call, subject), prefix);
}

void
m_getrecords(struct call *call)
{
	const json_t *limit = call_param(call, 3);
	struct msg_db_list q = { .limit = 100 };
	int bits = h_prefix(call, 0, 1, q.prefix);

	if (bits == -1)
		return;
	q.bits = (uint16_t)bits;
	q.has_after = call_param(call, 2) != NULL;
	if (q.has_after && !h_hex(call, 2, q.after, 32))
		return;
	if (limit != NULL &&
	    (json_integer_value(limit) < 1 ||
		json_integer_value(limit) > DB_BATCH_MAX)) {
		call_error(call, CALL_BAD_PARAMS, "limit must be 1..%d",
		    DB_BATCH_MAX);
		return;
	}
	if (limit != NULL)
		q.limit = (uint16_t)json_integer_value(limit);
	q.settled = h_flag(call, 4);
	(void)h_ask(call, DB_LIST, &q, on_records, call);
}

/* --- writing --- */

static void
written(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	(void)ctx;
	if (v == NULL)
		return;
	call->status = v->verdict == DB_NEW ? 201 : 200;
	call_reply_json(call, h_written(v));
}

/* Read the call by one of recform's functions. */
static bool
read_form(struct call *call, struct recform *f,
    int (*form)(struct recform *, const json_t *, const uint8_t *))
{
	json_t *o = call_object(call);
	int code;

	if (o == NULL) {
		h_no_memory(call);
		return false;
	}
	code = form(f, o, state_node()->netid);
	json_decref(o);
	if (code != 0)
		h_refuse(call, code, f);
	return code == 0;
}

void
m_putrecord(struct call *call)
{
	static struct recform f;

	if (read_form(call, &f, recform_any))
		h_put(call, &f, written, NULL);
}

void
m_rate(struct call *call)
{
	static struct recform f;

	if (read_form(call, &f, recform_rating))
		h_put(call, &f, written, NULL);
}

void
m_setmetadata(struct call *call)
{
	static struct recform f;

	if (read_form(call, &f, recform_meta))
		h_put(call, &f, written, NULL);
}

/* --- a batch --- */

static json_t *
draw_item(const struct batch_item *it)
{
	struct jo o = jo_new();
	const char *why = it->bad ? it->why : h_verdict_text(it->verdict);

	jo_put(&o, "verdict",
	    json_string(it->bad ? "refused" : db_verdict_name(it->verdict)));
	if (!it->bad) {
		jo_put(&o, "key", jv_hex(it->key, 32));
		jo_put(&o, "rid", jv_hex(it->rid, 32));
		jo_put(&o, "hlc", h_hlc(it->hlc));
	}
	if (it->bad || it->verdict > DB_OLD) {
		jo_put(&o, "code",
		    json_integer(
			it->bad ? it->code : h_verdict_code(it->verdict)));
		jo_put(&o, "error", json_string(why));
	}
	return jo_end(&o);
}

static void
batch_written(struct batch *b)
{
	struct jo o = jo_new(), list = jo_list();
	struct call *call = b->call;
	size_t i, applied = 0;

	for (i = 0; i < b->n; i++) {
		applied += !b->items[i].bad && b->items[i].verdict == DB_NEW;
		jo_add(&list, draw_item(&b->items[i]));
	}
	batch_free(b);
	jo_put(&o, "applied", jv_number(applied));
	jo_put(&o, "results", jo_end(&list));
	call_reply_json(call, jo_end(&o));
}

void
m_putrecords(struct call *call)
{
	static struct recform f;
	const json_t *list = call_param(call, 0), *item;
	size_t n = json_array_size(list), i;
	struct batch *b;
	int code;

	if (n == 0 || n > BATCH_MAX) {
		call_error(call, CALL_BAD_PARAMS,
		    "records must be an array of 1 to %d", BATCH_MAX);
		return;
	}
	if (!call->ops->admit(call, (uint32_t)n - 1)) {
		call_error(call, CALL_RATE, "too many requests");
		return;
	}
	if ((b = batch_new(call, n, batch_written)) == NULL)
		return;
	for (i = 0; i < n; i++) {
		item = json_array_get(list, i);
		code = recform_item(&f, item, state_node()->netid);
		batch_set(b, i, code, &f);
	}
	batch_run(b);
}

/* --- words about a block, which must be known --- */

struct about {
	struct call *call;
	struct recform f;
	put_then *then;
};

static void
about_done(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	struct about *ab = ctx;

	if (v != NULL)
		ab->then(call, ab, v);
	free(ab);
}

static void
on_known(void *ctx, const struct store_answer *a)
{
	const struct msg_db_have_is *is = a->body;
	struct about *ab = ctx;

	if (a->how != STORE_ANSWER || a->type != DB_HAVE_IS ||
	    is->words.len != 1) {
		h_fail(ab->call, a);
		free(ab);
	} else if (is->words.p[0] == 'u') {
		call_error(ab->call, CALL_NOT_FOUND, "no such block is known");
		free(ab);
	} else {
		h_put(ab->call, &ab->f, about_done, ab);
	}
}

static void
about_block(struct call *call,
    int (*form)(struct recform *, const json_t *, const uint8_t *),
    put_then *then)
{
	static struct msg_db_have q;
	struct about *ab = calloc(1, sizeof(*ab));

	if (ab == NULL) {
		h_no_memory(call);
		return;
	}
	ab->call = call;
	ab->then = then;
	if (!read_form(call, &ab->f, form)) {
		free(ab);
		return;
	}
	q.n_ids = 1;
	q.fetch = false;
	memcpy(q.ids[0].id, ab->f.rec.subject, 32);
	/* rec.payload lies in ab->f.raw, which moves no more. */
	if (!h_ask(call, DB_HAVE, &q, on_known, ab))
		free(ab);
}

static json_t *
about_answer(const struct about *ab, const struct msg_db_verdict *v)
{
	json_t *j = h_written(v);

	if (j != NULL &&
	    json_object_set_new(j, "blockId", jv_hex(ab->f.rec.subject, 32)) ==
		-1) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static void
temperature_set(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	const struct about *ab = ctx;
	struct jo o = { about_answer(ab, v), false };
	bool gone = (ab->f.rec.flags & REC_TOMBSTONE) != 0;

	o.bad = o.j == NULL;
	jo_put(&o, "temperature",
	    gone ? json_null() : json_string(temperature_word(ab->f.rec.w)));
	jo_put(&o, "lastChange", jv_time((uint64_t)hlc_wall(ab->f.rec.hlc).ms));
	call_reply_json(call, jo_end(&o));
}

void
m_settemperature(struct call *call)
{
	about_block(call, recform_temperature, temperature_set);
}

static void
location_set(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	const struct about *ab = ctx;
	struct jo o = { about_answer(ab, v), false };
	bool gone = (ab->f.rec.flags & REC_TOMBSTONE) != 0;

	o.bad = o.j == NULL;
	jo_put(&o, "nodeId", jv_hex(ab->f.rec.author, 32));
	jo_put(&o, "action", json_string(gone ? "remove" : "add"));
	call_reply_json(call, jo_end(&o));
}

void
m_setlocation(struct call *call)
{
	about_block(call, recform_location, location_set);
}
