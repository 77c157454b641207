/* SPDX-License-Identifier: ISC */
/*
 * Gathering what is known of a block, as promised in blockview.h.
 */
#include "apid/blockview.h"

#include <stdlib.h>
#include <string.h>

#include "apid/state.h"
#include "common/compat/compat.h"
#include "common/hlc.h"
#include "common/json_obj.h"

void
blockview_free(struct blockview *v)
{
	json_decref(v->locations);
	json_decref(v->fields);
	json_decref(v->sources);
	free(v);
}

/* --- one record each --- */

static void
add_block(struct blockview *v, const struct rec *r)
{
	if (!v->known || r->hlc < v->created)
		v->created = r->hlc;
	v->known = true;
	v->size = (uint32_t)r->w;
	v->announcements++;
}

static void
add_location(struct blockview *v, const struct rec *r)
{
	struct jo o = jo_new();

	jo_put(&o, "nodeId", jv_hex(r->author, 32));
	/* What is not UTF-8 is no region either. */
	jo_put(&o, "region",
	    r->payload_len == 0
		? json_null()
		: json_stringn((const char *)r->payload, r->payload_len));
	jo_put(&o, "since", jv_time((uint64_t)hlc_wall(r->hlc).ms));
	if (o.bad) {
		o = jo_new();
		jo_put(&o, "nodeId", jv_hex(r->author, 32));
		jo_put(&o, "region", json_null());
		jo_put(&o, "since", jv_time((uint64_t)hlc_wall(r->hlc).ms));
	}
	(void)json_array_append_new(v->locations, jo_end(&o));
}

static void
add_temperature(struct blockview *v, const struct rec *r)
{
	v->temp_sum += r->w;
	v->temp_n++;
	if (r->hlc > v->temp_last)
		v->temp_last = r->hlc;
}

/* Is what is shown of this field later than this record? */
static bool
is_later(const json_t *source, const struct rec *r, const char *rid)
{
	uint64_t hlc = 0;

	if (source == NULL)
		return false;
	(void)parse_u64(json_object_get(source, "hlc"), &hlc);
	if (hlc != r->hlc)
		return hlc > r->hlc;
	return strcmp(json_string_value(json_object_get(source, "rid")), rid) >
	    0;
}

static void
add_field(struct blockview *v, const struct rec *r,
    const struct msg_db_record *m)
{
	char name[REC_NAME_MAX + 1];
	struct jo o = jo_new();
	json_t *value, *source, *rid = jv_hex(m->rid, 32);

	memcpy(name, r->name, r->name_len);
	name[r->name_len] = '\0';
	value = json_loadb((const char *)r->payload, r->payload_len,
	    JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (rid == NULL || strlen(name) != r->name_len || value == NULL ||
	    is_later(json_object_get(v->sources, name), r,
		json_string_value(rid))) {
		/* Not ours to show, or older than what is. */
		json_decref(value);
		json_decref(rid);
		json_decref(jo_end(&o));
		return;
	}
	jo_put(&o, "author", jv_hex(r->author, 32));
	jo_put(&o, "hlc", h_hlc(r->hlc));
	jo_put(&o, "rid", rid);
	jo_put(&o, "settled", json_boolean(m->settled));
	source = jo_end(&o);
	/* A name that is not UTF-8 is refused here, and not shown. */
	if (json_object_set_new(v->sources, name, source) == -1 ||
	    json_object_set(v->fields, name, value) == -1)
		(void)json_object_del(v->sources, name);
	json_decref(value);
}

static void
add_record(struct blockview *v, const struct msg_db_record *m)
{
	struct rec r;

	if (!recform_decode(&r, m->raw.p, m->raw.len) ||
	    (r.flags & REC_TOMBSTONE) != 0)
		return;
	switch (r.kind) {
	case REC_BLOCK:
		add_block(v, &r);
		break;
	case REC_LOCATION:
		add_location(v, &r);
		break;
	case REC_TEMPERATURE:
		add_temperature(v, &r);
		break;
	case REC_META:
		add_field(v, &r, m);
		break;
	default:
		break;
	}
}

/* --- asking --- */

static void
note_failure(struct blockview *v, const struct store_answer *a)
{
	v->failed = true;
	v->code = a->how == STORE_FAILED && a->code == DB_F_DISK ? CALL_DISK
								 : CALL_BUSY;
	(void)strlcpy(v->why,
	    a->how == STORE_FAILED     ? a->error
		: a->how == STORE_AWAY ? "the store is away: come again in a "
					 "moment"
				       : "the store took too long",
	    sizeof(v->why));
}

static void
on_part(void *ctx, const struct store_answer *a)
{
	const struct msg_db_records *list = a->body;
	const struct msg_db_have_is *is = a->body;
	struct blockview *v = ctx;
	size_t i;

	if (a->how == STORE_ANSWER && a->type == DB_RECORDS) {
		for (i = 0; i < list->n_records && !v->call->cancelled; i++)
			add_record(v, &list->records[i]);
		v->more = v->more || list->more;
	} else if (a->how == STORE_ANSWER && a->type == DB_HAVE_IS) {
		v->word = is->words.len == 1 ? (char)is->words.p[0] : 'u';
	} else {
		note_failure(v, a);
	}
	if (--v->pending > 0)
		return;
	if (v->failed) {
		call_error(v->call, v->code, "%s", v->why);
		blockview_free(v);
	} else {
		v->then(v);
	}
}

static bool
ask_kind(struct blockview *v, uint8_t kind)
{
	struct msg_db_list q = { .bits = 128, .settled = v->settled };
	struct rec rec = { .kind = kind, .subject_len = 32 };

	memcpy(rec.subject, v->id, 32);
	rec_key(q.prefix, &rec, state_node()->netid);
	memset(q.prefix + 16, 0, 16);
	return storelink_ask(DB_LIST, &q, on_part, v);
}

static bool
ask_have(struct blockview *v)
{
	static struct msg_db_have q;

	q.n_ids = 1;
	q.fetch = false;
	memcpy(q.ids[0].id, v->id, 32);
	return storelink_ask(DB_HAVE, &q, on_part, v);
}

void
blockview_get(struct call *call, const uint8_t id[32], bool settled,
    void (*then)(struct blockview *v))
{
	static const uint8_t kinds[] = { REC_BLOCK, REC_LOCATION,
		REC_TEMPERATURE, REC_META };
	struct blockview *v = calloc(1, sizeof(*v));
	size_t i;

	if (v == NULL) {
		h_no_memory(call);
		return;
	}
	v->call = call;
	v->settled = settled;
	v->then = then;
	memcpy(v->id, id, 32);
	v->locations = json_array();
	v->fields = json_object();
	v->sources = json_object();
	for (i = 0; i < sizeof(kinds) && ask_kind(v, kinds[i]); i++)
		v->pending++;
	if (i == sizeof(kinds) && ask_have(v))
		v->pending++;
	if (v->pending == sizeof(kinds) + 1)
		return;
	/* What was asked is still answered, and ends it then. */
	v->failed = true;
	v->code = CALL_BUSY;
	(void)strlcpy(v->why, "the store is away or busy: come again",
	    sizeof(v->why));
	if (v->pending == 0) {
		call_error(call, v->code, "%s", v->why);
		blockview_free(v);
	}
}

/* --- drawing --- */

static const char *
availability(const struct blockview *v)
{
	if (v->word == 'h')
		return "local";
	return json_array_size(v->locations) > 0 ? "remote" : "orphaned";
}

json_t *
blockview_json(const struct blockview *v)
{
	struct jo o = jo_new(), temp = jo_new(), copies = jo_new();

	jo_put(&temp, "current",
	    v->temp_n == 0 ? json_null()
			   : json_string(temperature_word(
				 v->temp_sum / (int64_t)v->temp_n)));
	jo_put(&temp, "milli",
	    v->temp_n == 0 ? json_null()
			   : json_integer(v->temp_sum / (int64_t)v->temp_n));
	jo_put(&temp, "observers", jv_number(v->temp_n));
	jo_put(&temp, "lastChange",
	    v->temp_n == 0 ? json_null()
			   : jv_time((uint64_t)hlc_wall(v->temp_last).ms));
	jo_put(&copies, "current", jv_number(json_array_size(v->locations)));
	jo_put(&copies, "locations", json_incref(v->locations));
	jo_put(&o, "blockId", jv_hex(v->id, 32));
	jo_put(&o, "size", jv_number(v->size));
	jo_put(&o, "created", jv_time((uint64_t)hlc_wall(v->created).ms));
	jo_put(&o, "announcements", jv_number(v->announcements));
	jo_put(&o, "availability", json_string(availability(v)));
	jo_put(&o, "temperature", jo_end(&temp));
	jo_put(&o, "copies", jo_end(&copies));
	jo_put(&o, "fields", json_incref(v->fields));
	jo_put(&o, "sources", json_incref(v->sources));
	jo_put(&o, "more", json_boolean(v->more));
	return jo_end(&o);
}
