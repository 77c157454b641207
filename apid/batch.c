/* SPDX-License-Identifier: ISC */
/*
 * Many records in one request, as promised in handlers.h.  They go to the
 * store a message at a time, each after the answer to the one before, so
 * that one long batch does not fill the channel.
 */
#include "apid/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"

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
		b->done(b);
	else if (!storelink_ask(DB_PUT, &q, on_done, b))
		give_up(b);
}

void
batch_run(struct batch *b)
{
	send_some(b);
}
