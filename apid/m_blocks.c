/* SPDX-License-Identifier: ISC */
/*
 * Methods over blocks: a body that is announced by its author's record and
 * named by its content, and what else is known of it.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apid/blockview.h"
#include "apid/handlers.h"
#include "apid/state.h"
#include "common/json_obj.h"
#include "peerd/blocks.h"

/* --- metadata --- */

static void
unknown(struct blockview *v)
{
	call_error(v->call, CALL_NOT_FOUND, "no such block is known");
	blockview_free(v);
}

static void
metadata_got(struct blockview *v)
{
	if (!v->known) {
		unknown(v);
		return;
	}
	call_reply_json(v->call, blockview_json(v));
	blockview_free(v);
}

void
m_getblockmetadata(struct call *call)
{
	uint8_t id[32];

	if (h_hex(call, 0, id, 32))
		blockview_get(call, id, h_flag(call, 1), metadata_got);
}

/* --- a body --- */

/* It is not here: who has it? */
static void
elsewhere(struct blockview *v)
{
	json_t *data;

	if (!v->known) {
		unknown(v);
		return;
	}
	data = json_pack("{s:O}", "locations", v->locations);
	call_error_data(v->call, CALL_NOT_FOUND, data,
	    "the block is not held here");
	blockview_free(v);
}

static void
read_block(struct call *call, const struct store_answer *a,
    void (*not_here)(struct call *call))
{
	if (a->how == STORE_FAILED && a->code == DB_F_NOT_FOUND &&
	    !call->cancelled)
		not_here(call);
	else
		h_fail(call, a);
}

static void
find_holders(struct call *call)
{
	uint8_t id[32];

	if (h_hex(call, 0, id, 32))
		blockview_get(call, id, false, elsewhere);
}

static void
on_raw(void *ctx, const struct store_answer *a)
{
	const struct msg_db_block *b = a->body;
	struct call *call = ctx;

	if (a->how == STORE_ANSWER && a->type == DB_BLOCK)
		call->ops->reply_file(call, a->fd, b->size);
	else
		read_block(call, a, find_holders);
}

/* In the JSON dress metadata is gathered first, then the body is read. */
static bool
put_base64(struct sb *sb, int fd, size_t size)
{
	static uint8_t buf[3 * 8192];
	static char text[4 * 8192 + 1];
	size_t have = 0;
	ssize_t n;

	while (size > 0 || have > 0) {
		n = size == 0
		    ? 0
		    : read(fd, buf + have,
			  sizeof(buf) - have < size ? sizeof(buf) - have
						    : size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n < 0 || (n == 0 && size > 0))
			return false;
		have += (size_t)n;
		size -= (size_t)n;
		if (have < sizeof(buf) && size > 0)
			continue;
		(void)sodium_bin2base64(text, sizeof(text), buf, have,
		    sodium_base64_VARIANT_ORIGINAL);
		sb_str(sb, text);
		have = 0;
	}
	return true;
}

static void
on_body(void *ctx, const struct store_answer *a)
{
	const struct msg_db_block *b = a->body;
	struct blockview *v = ctx;
	struct call *call = v->call;
	json_t *meta;
	char id[65];
	struct sb sb;
	bool whole;

	if (a->how != STORE_ANSWER || a->type != DB_BLOCK) {
		if (a->how == STORE_FAILED && a->code == DB_F_NOT_FOUND) {
			elsewhere(v);
			return;
		}
		blockview_free(v);
		h_fail(call, a);
		return;
	}
	meta = blockview_json(v);
	sb_init(&sb, TEXT_ONE_MAX);
	sb_str(&sb, "{\"blockId\":\"");
	sb_str(&sb, sodium_bin2hex(id, sizeof(id), v->id, 32));
	sb_str(&sb, "\",\"data\":\"");
	whole = put_base64(&sb, a->fd, b->size);
	sb_str(&sb, "\",\"metadata\":");
	sb_json(&sb, meta);
	sb_str(&sb, "}");
	(void)close(a->fd);
	json_decref(meta);
	blockview_free(v);
	if (whole) {
		call_reply(call, sb_end(&sb));
		return;
	}
	sb_drop(&sb);
	call_error(call, CALL_DISK, "the block's file cannot be read");
}

static void
view_got(struct blockview *v)
{
	struct msg_db_block_get q = { .fetch = h_flag(v->call, 3) };

	if (!v->known) {
		unknown(v);
		return;
	}
	memcpy(q.id, v->id, 32);
	if (!h_ask(v->call, DB_BLOCK_GET, &q, on_body, v))
		blockview_free(v);
}

void
m_getblock(struct call *call)
{
	struct msg_db_block_get q = { .fetch = h_flag(call, 3) };

	if (!h_hex(call, 0, q.id, 32))
		return;
	if (call->ops->reply_file != NULL && (call->raw || h_flag(call, 2)))
		(void)h_ask(call, DB_BLOCK_GET, &q, on_raw, call);
	else
		blockview_get(call, q.id, h_flag(call, 1), view_got);
}

/* --- putting one --- */

struct upload {
	struct call *call;
	uint8_t *body;
	uint32_t size;
	uint8_t id[32];
	struct recform f;
	struct msg_db_verdict verdict;
};

/* Whole bodies are held until the store has them: few at a time. */
static size_t n_uploads;

static struct upload *
upload_new(struct call *call)
{
	struct upload *u;

	if (n_uploads == STORELINK_UPLOADS) {
		call_error(call, CALL_BUSY, "too many bodies at a time");
		return NULL;
	}
	if ((u = calloc(1, sizeof(*u))) == NULL) {
		h_no_memory(call);
		return NULL;
	}
	n_uploads++;
	u->call = call;
	return u;
}

static void
upload_free(struct upload *u)
{
	n_uploads--;
	free(u->body);
	free(u);
}

static void
on_kept(void *ctx, const struct store_answer *a)
{
	const struct msg_db_id *id = a->body;
	struct upload *u = ctx;
	struct call *call = u->call;
	struct jo o;

	if (a->how != STORE_ANSWER || a->type != DB_ID ||
	    memcmp(id->id, u->id, 32) != 0) {
		upload_free(u);
		if (a->how == STORE_FAILED && a->code == DB_F_DISK)
			call_error(call, CALL_DISK,
			    "announced, but the body was not kept: %s",
			    a->error);
		else
			h_fail(call, a);
		return;
	}
	o.j = h_written(&u->verdict);
	o.bad = o.j == NULL;
	jo_put(&o, "blockId", jv_hex(u->id, 32));
	jo_put(&o, "size", jv_number(u->size));
	call->status = u->verdict.verdict == DB_NEW ? 201 : 200;
	upload_free(u);
	call_reply_json(call, jo_end(&o));
}

static void
announced(struct call *call, void *ctx, const struct msg_db_verdict *v)
{
	struct upload *u = ctx;
	uint8_t *body = u->body;

	if (v == NULL) {
		upload_free(u);
		return;
	}
	u->verdict = *v;
	u->body = NULL; /* from here on it is the link's */
	if (storelink_upload(body, u->size, on_kept, u))
		return;
	upload_free(u);
	call_error(call, CALL_BUSY,
	    "announced, but too many bodies are on their way: send it again");
}

/* Decode the body; false and answered when it is none. */
static bool
read_body(struct call *call, struct upload *u)
{
	const json_t *data = call_param(call, 0);
	const char *s = json_string_value(data), *end;
	size_t n = json_string_length(data), len = 0;

	if (n > (BLOCK_SIZE_MAX + 2) / 3 * 4) {
		call_error(call, CALL_BODY_SIZE, "a block has at most 4 MiB");
		return false;
	}
	if ((u->body = malloc(n / 4 * 3 + 3)) == NULL) {
		h_no_memory(call);
		return false;
	}
	if (sodium_base642bin(u->body, n / 4 * 3 + 3, s, n, NULL, &len, &end,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    end != s + n) {
		call_error(call, CALL_BAD_PARAMS,
		    "data must be base64 with its padding");
		return false;
	}
	if (len == 0 || len > BLOCK_SIZE_MAX) {
		call_error(call, CALL_BODY_SIZE, "a block has 1 byte to 4 MiB");
		return false;
	}
	u->size = (uint32_t)len;
	return true;
}

void
m_putblock(struct call *call)
{
	struct upload *u = upload_new(call);
	struct manifest m;
	json_t *o;
	int code;

	if (u == NULL)
		return;
	if (!read_body(call, u)) {
		upload_free(u);
		return;
	}
	blocks_manifest(&m, u->body, u->size);
	blocks_id(u->id, &m);
	o = call_object(call);
	code = recform_block(&u->f, o, state_node()->netid, u->id, u->size);
	json_decref(o);
	if (code != 0) {
		h_refuse(call, code, &u->f);
		upload_free(u);
		return;
	}
	h_put(call, &u->f, announced, u);
}
