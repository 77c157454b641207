/* SPDX-License-Identifier: ISC */
/*
 * Methods for exchange in bulk: which blocks are here, many metadata or
 * temperatures at once, and nodes that come and go.  A batch sent twice is
 * answered alike and changes nothing: records know their own age.
 */
#include "apid/handlers.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "apid/apid.h"
#include "apid/state.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"

/* --- blocks --- */

struct ids {
	struct call *call;
	size_t n;
	uint8_t id[][32];
};

static void
on_have(void *ctx, const struct store_answer *a)
{
	const struct msg_db_have_is *is = a->body;
	struct jo lists[3], o = jo_new();
	struct ids *ids = ctx;
	struct call *call = ids->call;
	size_t i, which;

	if (a->how != STORE_ANSWER || a->type != DB_HAVE_IS ||
	    is->words.len != ids->n) {
		json_decref(jo_end(&o));
		free(ids);
		h_fail(call, a);
		return;
	}
	for (i = 0; i < 3; i++)
		lists[i] = jo_list();
	for (i = 0; i < ids->n; i++) {
		which = is->words.p[i] == 'h' ? 0
		    : is->words.p[i] == 'u'   ? 2
					      : 1;
		jo_add(&lists[which], jv_hex(ids->id[i], 32));
	}
	jo_put(&o, "available", jo_end(&lists[0]));
	jo_put(&o, "missing", jo_end(&lists[1]));
	jo_put(&o, "unknown", jo_end(&lists[2]));
	free(ids);
	call_reply_json(call, jo_end(&o));
}

void
m_syncrequest(struct call *call)
{
	static struct msg_db_have q;
	const json_t *list = call_param(call, 0);
	size_t n = json_array_size(list), i;
	struct ids *ids;

	if (n == 0 || n > 1000) {
		call_error(call, CALL_BAD_PARAMS,
		    "blockIds must be an array of 1 to 1000");
		return;
	}
	if ((ids = malloc(sizeof(*ids) + n * 32)) == NULL) {
		h_no_memory(call);
		return;
	}
	ids->call = call;
	ids->n = n;
	for (i = 0; i < n; i++) {
		if (!hex_exact(json_array_get(list, i), ids->id[i], 32)) {
			free(ids);
			call_error(call, CALL_BAD_PARAMS,
			    "blockIds must be of 64 hex digits each");
			return;
		}
		memcpy(q.ids[i].id, ids->id[i], 32);
	}
	q.n_ids = (uint16_t)n;
	q.fetch = true;
	if (!h_ask(call, DB_HAVE, &q, on_have, ids))
		free(ids);
}

/* --- records in bulk --- */

typedef int form_fn(struct recform *, const json_t *, const uint8_t *);

/* What a batch is of: the parameters are in this order in both methods. */
enum { P_ITEMS, P_BATCH, P_UPDATES, P_TIME, P_SINCE, P_AFTER };

struct sync {
	const char *type; /* of BatchUpdate's items */
	uint8_t kind;
	form_fn *form;
};

static const struct sync of_metadata = { "METADATA", REC_META, recform_meta };
static const struct sync of_temperature = { "TEMPERATURE", REC_TEMPERATURE,
	recform_temperature };

static void
name_item(struct batch *b, size_t i, const json_t *id)
{
	if (json_is_string(id))
		(void)strlcpy(b->items[i].block, json_string_value(id),
		    sizeof(b->items[i].block));
}

static void
refuse_item(struct batch *b, size_t i, int code, const char *why)
{
	static struct recform f;

	(void)strlcpy(f.why, why, sizeof(f.why));
	batch_set(b, i, code, &f);
}

/* blockId may stand beside data, as BatchUpdate has it. */
static void
take_item(struct batch *b, size_t i, const struct sync *s, const json_t *item,
    const json_t *id)
{
	static struct recform f;
	json_t *o;

	name_item(b, i, id);
	if (!json_is_object(item)) {
		refuse_item(b, i, CALL_BAD_SIG,
		    "not signed: an object with record, or author, hlc, sig");
		return;
	}
	if ((o = json_copy((json_t *)(uintptr_t)item)) == NULL ||
	    (id != NULL && json_object_get(o, "blockId") == NULL &&
		json_object_set(o, "blockId", (json_t *)(uintptr_t)id) == -1)) {
		json_decref(o);
		refuse_item(b, i, CALL_INTERNAL, "Out of memory");
		return;
	}
	if (json_object_get(o, "ifRid") != NULL)
		refuse_item(b, i, CALL_BAD_PARAMS,
		    "ifRid is for single writes only");
	else
		batch_set(b, i, s->form(&f, o, state_node()->netid), &f);
	json_decref(o);
}

static void
take_update(struct batch *b, size_t i, const struct sync *s,
    const json_t *update)
{
	const char *type = json_string_value(json_object_get(update, "type"));
	const json_t *id = json_object_get(update, "blockId");

	if (type != NULL && strcmp(type, s->type) == 0) {
		take_item(b, i, s, json_object_get(update, "data"), id);
		return;
	}
	name_item(b, i, id);
	refuse_item(b, i, CALL_BAD_PARAMS, "type is not this batch's");
}

/* Items by array, or by an object of them under their block's id. */
static void
take_items(struct batch *b, size_t at, const struct sync *s,
    const json_t *items)
{
	json_t *o = (json_t *)(uintptr_t)items, *item, *id;
	const char *key;
	size_t i;

	for (i = 0; i < json_array_size(o); i++) {
		item = json_array_get(o, i);
		take_item(b, at++, s, item, json_object_get(item, "blockId"));
	}
	json_object_foreach(o, key, item)
	{
		id = json_string(key);
		take_item(b, at++, s, item, id);
		json_decref(id);
	}
}

static json_t *
rejected(const struct batch *b, size_t *applied, size_t *known)
{
	struct jo list = jo_list(), o;
	size_t i;

	*applied = *known = 0;
	for (i = 0; i < b->n; i++) {
		const struct batch_item *it = &b->items[i];

		*applied += !it->bad && it->verdict == DB_NEW;
		*known += !it->bad && it->verdict == DB_OLD;
		if (!it->bad && it->verdict <= DB_OLD)
			continue;
		o = jo_new();
		jo_put(&o, "index", jv_number(i));
		jo_put(&o, "blockId", jv_text(it->block));
		jo_put(&o, "code",
		    json_integer(
			it->bad ? it->code : h_verdict_code(it->verdict)));
		jo_put(&o, "verdict",
		    json_string(
			it->bad ? "refused" : db_verdict_name(it->verdict)));
		jo_put(&o, "error",
		    json_string(
			it->bad ? it->why : h_verdict_text(it->verdict)));
		jo_add(&list, jo_end(&o));
	}
	return jo_end(&list);
}

static void
sync_answer(struct batch *b)
{
	struct call *call = b->call;
	struct jo o = jo_new();
	size_t applied, known;
	json_t *bad = rejected(b, &applied, &known);
	json_t *newer = json_object_get(b->extra, "newer");
	json_t *id = json_object_get(b->extra, "batchId");
	json_t *after = json_object_get(b->extra, "after");

	jo_put(&o, "batchId", id == NULL ? json_null() : json_incref(id));
	jo_put(&o, "applied", jv_number(applied));
	jo_put(&o, "known", jv_number(known));
	jo_put(&o, "rejected", bad);
	jo_put(&o, "newer", newer == NULL ? json_array() : json_incref(newer));
	jo_put(&o, "after", after == NULL ? json_null() : json_incref(after));
	batch_free(b);
	call_reply_json(call, jo_end(&o));
}

/* --- what is newer here --- */

#define NEWER_MAX 256

static void
add_newer(struct batch *b, const struct msg_db_record *r)
{
	json_t *newer = json_object_get(b->extra, "newer");

	(void)json_array_append_new(newer, h_record(r));
}

static void
on_newer(void *ctx, const struct store_answer *a)
{
	const struct msg_db_records *list = a->body;
	struct batch *b = ctx;
	size_t i;

	/* One that went away meanwhile is no loss. */
	if (a->how == STORE_ANSWER && a->type == DB_RECORDS &&
	    list->n_records == 1) {
		for (i = 0; i < b->n; i++)
			if (memcmp(b->items[i].key, list->records[0].key, 32) ==
				0 &&
			    memcmp(b->items[i].rid, list->records[0].rid, 32) ==
				0)
				break;
		if (i == b->n) /* not just what was sent */
			add_newer(b, &list->records[0]);
	}
	if (--b->pending == 0)
		sync_answer(b);
}

/* Of each key that is held in the sent version or a later one, the latter. */
static void
written(struct batch *b)
{
	struct msg_db_get q = { .settled = false };
	size_t i;

	for (i = 0; i < b->n && b->pending < NEWER_MAX; i++) {
		if (b->items[i].bad || b->items[i].verdict != DB_OLD)
			continue;
		memcpy(q.key, b->items[i].key, 32);
		if (!storelink_ask(DB_GET, &q, on_newer, b))
			break;
		b->pending++;
	}
	if (b->pending == 0)
		sync_answer(b);
}

/* --- since: one page of what is here --- */

static void
on_since(void *ctx, const struct store_answer *a)
{
	const struct msg_db_records *list = a->body;
	struct batch *b = ctx;
	uint64_t since = 0;
	struct rec rec;
	size_t i;

	if (a->how != STORE_ANSWER || a->type != DB_RECORDS) {
		struct call *call = b->call;

		batch_free(b);
		h_fail(call, a);
		return;
	}
	(void)parse_u64(json_object_get(b->extra, "since"), &since);
	for (i = 0; i < list->n_records; i++)
		if (recform_decode(&rec, list->records[i].raw.p,
			list->records[i].raw.len) &&
		    rec.hlc > since)
			add_newer(b, &list->records[i]);
	if (list->more && list->n_records > 0)
		(void)json_object_set_new(b->extra, "after",
		    jv_hex(list->records[list->n_records - 1].key, 32));
	batch_run(b);
}

static void
ask_since(struct call *call, struct batch *b, const struct sync *s)
{
	struct msg_db_list q = { .bits = 8, .limit = DB_BATCH_MAX };

	q.prefix[0] = s->kind;
	q.has_after = call_param(call, P_AFTER) != NULL;
	if (q.has_after && !hex_exact(call_param(call, P_AFTER), q.after, 32)) {
		batch_free(b);
		call_error(call, CALL_BAD_PARAMS,
		    "after must be 64 hex digits");
	} else if (!h_ask(call, DB_LIST, &q, on_since, b)) {
		batch_free(b);
	}
}

/* --- both --- */

static bool
size_fits(struct call *call, size_t n, bool since)
{
	if (n > BATCH_MAX || (n == 0 && !since)) {
		call_error(call, CALL_BAD_PARAMS, "a batch has 1 to %d updates",
		    BATCH_MAX);
		return false;
	}
	if (n > 1 && !call->ops->admit(call, (uint32_t)n - 1)) {
		call_error(call, CALL_RATE, "too many requests");
		return false;
	}
	return true;
}

static size_t
count_of(const json_t *v)
{
	return json_is_object(v) ? json_object_size(v) : json_array_size(v);
}

static void
sync_records(struct call *call, const struct sync *s)
{
	const json_t *items = call_param(call, P_ITEMS);
	const json_t *updates = call_param(call, P_UPDATES);
	const json_t *since = call_param(call, P_SINCE);
	json_t *id = (json_t *)(uintptr_t)call_param(call, P_BATCH);
	size_t n = count_of(items), m = json_array_size(updates), i;
	struct batch *b;
	uint64_t stamp;

	if (json_string_length(id) > 64) {
		call_error(call, CALL_BAD_PARAMS,
		    "batchId must be a string of at most 64 bytes");
		return;
	}
	if (since != NULL && !parse_u64(since, &stamp)) {
		call_error(call, CALL_BAD_PARAMS,
		    "since must be a stamp: a decimal number above 0");
		return;
	}
	if (!size_fits(call, n + m, since != NULL) ||
	    (b = batch_new(call, n + m, written)) == NULL)
		return;
	b->extra = json_pack("{s:[],s:O*,s:O*}", "newer", "batchId", id,
	    "since", since);
	take_items(b, 0, s, items);
	for (i = 0; i < m; i++)
		take_update(b, n + i, s, json_array_get(updates, i));
	if (json_is_string(id))
		batch_name(b, json_string_value(id), json_string_length(id));
	if (since != NULL)
		ask_since(call, b, s);
	else
		batch_run(b);
}

void
m_syncmetadata(struct call *call)
{
	sync_records(call, &of_metadata);
}

void
m_synctemperature(struct call *call)
{
	sync_records(call, &of_temperature);
}

/* --- nodes --- */

struct node {
	uint8_t id[32];
};

static void
node_done(struct call *call, void *ctx, const struct msg_db_verdict *v,
    bool gone)
{
	struct text *peers = state_hot(HOT_PEERS_ACTIVE, apid_time());
	char hex[65];
	struct sb sb;

	sb_init(&sb, TEXT_ONE_MAX);
	sb_str(&sb, "{\"nodeId\":\"");
	sb_str(&sb,
	    sodium_bin2hex(hex, sizeof(hex), ((struct node *)ctx)->id, 32));
	sb_str(&sb, "\",\"verdict\":");
	sb_quote(&sb, db_verdict_name(v->verdict));
	if (gone) {
		sb_str(&sb, ",\"status\":\"OFFLINE\"}");
	} else {
		sb_str(&sb, ",\"peers\":");
		if (peers != NULL)
			sb_add(&sb, peers->p, peers->len);
		else
			sb_str(&sb, "[]");
		sb_str(&sb, "}");
		call->status = v->verdict == DB_NEW ? 201 : 200;
	}
	call_reply(call, sb_end(&sb));
}

static void
announced(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	if (v != NULL)
		node_done(call, ctx, v, false);
	free(ctx);
}

static void
left(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	if (v != NULL)
		node_done(call, ctx, v, true);
	free(ctx);
}

static void
put_node(struct call *call, bool gone)
{
	static struct recform f;
	struct node *n = malloc(sizeof(*n));
	json_t *o = call_object(call);
	int code;

	if (o == NULL || n == NULL) {
		json_decref(o);
		free(n);
		h_no_memory(call);
		return;
	}
	code = recform_node(&f, o, state_node()->netid, gone);
	json_decref(o);
	if (code != 0) {
		free(n);
		h_refuse(call, code, &f);
		return;
	}
	memcpy(n->id, f.rec.author, 32);
	h_put(call, &f, gone ? left : announced, n);
}

void
m_announce(struct call *call)
{
	put_node(call, false);
}

void
m_disconnect(struct call *call)
{
	put_node(call, true);
}
