/* SPDX-License-Identifier: ISC */
/*
 * Many records in one request, as promised in handlers.h.  They go to the
 * store a message at a time, each after the answer to the one before, so
 * that one long batch does not fill the channel.
 */
#include "apid/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "common/b2.h"
#include "common/compat/compat.h"

#define NAME_MAX_LEN 64 /* of a batch, as the caller names it */

static void send_some(struct batch *b);

struct batch *
batch_new(struct call *call, size_t n, void (*done)(struct batch *b))
{
	struct batch *b = calloc(1, sizeof(*b) + n * sizeof(b->items[0]));

	if (b == NULL) {
		h_no_memory(call);
		return NULL;
	}
	b->call = call;
	b->done = done;
	b->n = n;
	return b;
}

void
batch_free(struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		free(b->items[i].raw);
	json_decref(b->extra);
	free(b);
}

void
batch_set(struct batch *b, size_t i, int code, const struct recform *f)
{
	struct batch_item *it = &b->items[i];

	if (code == 0 && (it->raw = malloc(f->len)) != NULL) {
		memcpy(it->raw, f->raw, f->len);
		it->len = (uint32_t)f->len;
		memcpy(it->key, f->key, 32);
		memcpy(it->rid, f->rid, 32);
		it->hlc = f->rec.hlc;
		return;
	}
	it->bad = true;
	it->code = code == 0 ? CALL_INTERNAL : code;
	(void)strlcpy(it->why, code == 0 ? "Out of memory" : f->why,
	    sizeof(it->why));
}

/* Nothing more comes from the store: the rest was not taken. */
static void
give_up(struct batch *b)
{
	for (; b->at < b->n; b->at++)
		b->items[b->at].verdict = DB_BUSY;
	b->done(b);
}

static void
on_done(void *ctx, const struct store_answer *a)
{
	const struct msg_db_put_done *d = a->body;
	struct batch *b = ctx;
	size_t i = 0;

	if (a->how != STORE_ANSWER || a->type != DB_PUT_DONE ||
	    d->n_verdicts != b->sent || b->call->cancelled) {
		give_up(b);
		return;
	}
	for (; i < d->n_verdicts; b->at++)
		if (!b->items[b->at].bad)
			b->items[b->at].verdict = d->verdicts[i++].verdict;
	send_some(b);
}

/* --- batches sent before --- */

void
batch_name(struct batch *b, const char *name, size_t len)
{
	uint8_t *in, *p;
	size_t i;

	if (b->n == 0 || len > NAME_MAX_LEN ||
	    (p = in = malloc(1 + len + b->n * 33)) == NULL)
		return;
	*p++ = (uint8_t)len;
	memcpy(p, name, len);
	p += len;
	for (i = 0; i < b->n; i++) {
		*p++ = b->items[i].bad;
		memcpy(p, b->items[i].rid, 32); /* zeros of a bad one */
		p += 32;
	}
	b2_256(b->memo, "WarrenBatch1", in, (size_t)(p - in));
	free(in);
	b->named = true;
}

static void
on_remembered(void *ctx, const struct store_answer *a)
{
	(void)ctx;
	(void)a;
}

/* All verdicts are there.  Those that a later try may change are not kept. */
static void
finish(struct batch *b)
{
	static uint8_t words[BATCH_MAX];
	struct msg_db_memo q = { .words = { words, (uint32_t)b->n } };
	bool lasting = b->named && !b->recalled;
	size_t i;

	for (i = 0; i < b->n && lasting; i++) {
		words[i] = b->items[i].verdict;
		lasting = b->items[i].bad ||
		    (words[i] != DB_BUSY && words[i] != DB_DISK);
	}
	if (lasting) {
		memcpy(q.key, b->memo, 32);
		(void)storelink_ask(DB_MEMO, &q, on_remembered, NULL);
	}
	b->done(b);
}

static void
on_memo(void *ctx, const struct store_answer *a)
{
	const struct msg_db_memo *m = a->body;
	struct batch *b = ctx;

	if (b->call->cancelled) {
		give_up(b);
		return;
	}
	if (a->how == STORE_ANSWER && a->type == DB_MEMO &&
	    m->words.len == b->n) {
		b->recalled = true;
		for (; b->at < b->n; b->at++)
			b->items[b->at].verdict = m->words.p[b->at];
	}
	send_some(b);
}

/* --- sending --- */

static void
send_some(struct batch *b)
{
	static struct msg_db_put q;
	size_t i, bytes = 0;

	q.n_records = 0;
	for (i = b->at; i < b->n && q.n_records < DB_BATCH_MAX; i++) {
		struct batch_item *it = &b->items[i];

		if (it->bad)
			continue;
		if (bytes + it->len > DB_PART_MAX)
			break;
		bytes += it->len;
		q.records[q.n_records].raw.p = it->raw;
		q.records[q.n_records++].raw.len = it->len;
	}
	b->sent = q.n_records;
	if (q.n_records == 0)
		finish(b);
	else if (!storelink_ask(DB_PUT, &q, on_done, b))
		give_up(b);
}

void
batch_run(struct batch *b)
{
	struct msg_db_memo q = { .words = { NULL, 0 } };

	memcpy(q.key, b->memo, 32);
	if (!b->named || !storelink_ask(DB_MEMO, &q, on_memo, b))
		send_some(b);
}
