/* SPDX-License-Identifier: ISC */
/*
 * Questions to the store, as promised in storelink.h.
 */
#include "apid/storelink.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sysexits.h>
#include <unistd.h>

#include "apid/apid.h"
#include "apid/state.h"
#include "common/child.h"
#include "common/log.h"

#define SLOT_BITS 10
#define QUEUE_MAX (2u << 20) /* bytes: no more questions above this */

/* An open question; its id is its serial above its place. */
struct ask {
	TAILQ_ENTRY(ask) next; /* open ones by time, or the free ones */
	uint32_t serial;
	bool open;
	struct mono due;
	store_heard *heard;
	void *ctx;
};
TAILQ_HEAD(asks, ask);

struct upload {
	uint32_t id;
	uint8_t *body;
	uint32_t size, off;
};

static struct {
	struct ipc *ch;
	struct ask all[STORELINK_MAX];
	struct asks open, free;
	size_t n_open;
	struct event *timer;
	struct upload uploads[STORELINK_UPLOADS]; /* in their order */
	size_t n_uploads;
	uint64_t asked, refused, late;
} sl;

_Static_assert(STORELINK_MAX == 1u << SLOT_BITS, "a place fits an id");

/* --- the table --- */

static uint32_t
id_of(const struct ask *a)
{
	return a->serial << SLOT_BITS | (uint32_t)(a - sl.all);
}

static struct ask *
find(uint32_t id)
{
	struct ask *a = &sl.all[id & (STORELINK_MAX - 1)];

	return a->open && id_of(a) == id ? a : NULL;
}

static void
set_timer(void)
{
	const struct ask *first = TAILQ_FIRST(&sl.open);
	struct mono now = apid_time().mono;

	child_timer_set(sl.timer, first == NULL ? MONO_NEVER : first->due, now);
}

static struct ask *
begin(store_heard *heard, void *ctx)
{
	struct ask *a = TAILQ_FIRST(&sl.free);

	if (sl.ch == NULL || a == NULL || ipc_queued(sl.ch) > QUEUE_MAX) {
		sl.refused++;
		return NULL;
	}
	TAILQ_REMOVE(&sl.free, a, next);
	TAILQ_INSERT_TAIL(&sl.open, a, next);
	a->serial++;
	a->open = true;
	a->due = mono_add_ms(apid_time().mono, STORELINK_MS);
	a->heard = heard;
	a->ctx = ctx;
	sl.asked++;
	if (sl.n_open++ == 0)
		set_timer();
	return a;
}

/* The store keeps a place for what it has begun: tell it to forget. */
static void
abandon(const struct upload *u)
{
	const struct msg_db_block_put wrong = { .size = u->size,
		.off = u->size };

	if (sl.ch != NULL && u->off > 0 && u->off < u->size)
		(void)ipc_send(sl.ch, DB_BLOCK_PUT, u->id, &wrong);
}

static void
drop_upload(uint32_t id)
{
	size_t i;

	for (i = 0; i < sl.n_uploads; i++) {
		if (sl.uploads[i].id != id)
			continue;
		abandon(&sl.uploads[i]);
		free(sl.uploads[i].body);
		sl.n_uploads--;
		memmove(&sl.uploads[i], &sl.uploads[i + 1],
		    (sl.n_uploads - i) * sizeof(sl.uploads[0]));
		return;
	}
}

/* The question is over, whatever heard() asks next. */
static void
end(struct ask *a, const struct store_answer *answer)
{
	TAILQ_REMOVE(&sl.open, a, next);
	drop_upload(id_of(a));
	a->open = false;
	TAILQ_INSERT_TAIL(&sl.free, a, next);
	sl.n_open--;
	a->heard(a->ctx, answer);
}

static void
end_all(void)
{
	static const struct store_answer away = { .how = STORE_AWAY, .fd = -1 };
	struct ask *a;

	/* sl.ch is NULL by now, so nobody adds to the list. */
	while ((a = TAILQ_FIRST(&sl.open)) != NULL)
		end(a, &away);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct store_answer late = { .how = STORE_LATE, .fd = -1 };
	struct ask *a;

	(void)fd;
	(void)what;
	(void)arg;
	apid_touch_clock();
	while ((a = TAILQ_FIRST(&sl.open)) != NULL &&
	    mono_reached(a->due, apid_time().mono)) {
		sl.late++;
		end(a, &late);
	}
	set_timer();
}

/* --- bodies --- */

/* As many parts as the channel takes now, one body after the other. */
static void
pump(void)
{
	struct msg_db_block_put part;
	size_t i;

	for (i = 0; i < sl.n_uploads; i++) {
		struct upload *u = &sl.uploads[i];

		while (u->off < u->size) {
			if (sl.ch == NULL || ipc_is_full(sl.ch))
				return;
			part.size = u->size;
			part.off = u->off;
			part.data.p = u->body + u->off;
			part.data.len = u->size - u->off < DB_PART_MAX
			    ? u->size - u->off
			    : DB_PART_MAX;
			u->off += part.data.len;
			(void)ipc_send(sl.ch, DB_BLOCK_PUT, u->id, &part);
		}
	}
}

bool
storelink_upload(uint8_t *body, uint32_t size, store_heard *heard, void *ctx)
{
	struct ask *a = NULL;

	if (sl.n_uploads == STORELINK_UPLOADS)
		sl.refused++;
	else
		a = begin(heard, ctx);
	if (a == NULL) {
		free(body);
		return false;
	}
	sl.uploads[sl.n_uploads++] =
	    (struct upload){ .id = id_of(a), .body = body, .size = size };
	pump();
	return true;
}

bool
storelink_ask(uint16_t type, const void *body, store_heard *heard, void *ctx)
{
	struct ask *a = begin(heard, ctx);

	if (a == NULL)
		return false;
	/* Should it fail, the channel's end follows, and with it the answer. */
	(void)ipc_send(sl.ch, type, id_of(a), body);
	return true;
}

/* --- what the store says --- */

static void
on_state(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	state_set_db(m->body);
}

static void
on_answer(struct ipc *ch, const struct ipc_msg *m)
{
	struct store_answer s = { .how = STORE_ANSWER,
		.type = m->type,
		.body = m->body,
		.fd = m->fd[0] };
	struct ask *a = find(m->id);

	(void)ch;
	if (a != NULL) {
		apid_touch_clock();
		end(a, &s);
	} else if (m->fd[0] != -1) { /* too late for whoever asked */
		(void)close(m->fd[0]);
	}
}

static void
on_failed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_db_failed *f = m->body;
	struct store_answer s = { .how = STORE_FAILED,
		.fd = -1,
		.code = f->code,
		.error = f->error };
	struct ask *a = find(m->id);

	(void)ch;
	if (a == NULL)
		return;
	apid_touch_clock();
	end(a, &s);
}

static const struct ipc_handler handlers[] = {
	{ DB_STATE, on_state },
	{ DB_PUT_DONE, on_answer },
	{ DB_RECORDS, on_answer },
	{ DB_PROVED, on_answer },
	{ DB_CLAIM, on_answer },
	{ DB_ID, on_answer },
	{ DB_BLOCK, on_answer },
	{ DB_HAVE_IS, on_answer },
	{ DB_MEMO, on_answer },
	{ DB_FAILED, on_failed },
	{ 0, NULL },
};

/* What it told counts no more: a database nobody can ask is not known. */
static void
lost(void)
{
	sl.ch = NULL;
	apid_touch_clock();
	state_set_db(NULL);
	end_all();
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("store: %s", why);
	if (ch == sl.ch)
		lost();
	ipc_free(ch);
}

static void
on_drained(struct ipc *ch)
{
	(void)ch;
	pump();
}

/* --- its life --- */

void
storelink_setup(void)
{
	size_t i;

	TAILQ_INIT(&sl.open);
	TAILQ_INIT(&sl.free);
	for (i = 0; i < STORELINK_MAX; i++)
		TAILQ_INSERT_TAIL(&sl.free, &sl.all[i], next);
	sl.timer = child_timer(on_timer, NULL);
}

void
storelink_open(int fd)
{
	static struct msg_table tables[2];
	struct ipc_conf ic = { .name = "store",
		.tables = tables,
		.handlers = handlers,
		.ended = on_ended,
		.drained = on_drained };
	struct ipc *old = sl.ch;

	tables[0] = msgs_store_apid;
	if (old != NULL) {
		lost();
		ipc_free(old);
	}
	if ((sl.ch = ipc_new(child_base(), fd, &ic)) == NULL)
		log_warn("store: no memory for its channel");
}

bool
storelink_is_open(void)
{
	return sl.ch != NULL;
}

size_t
storelink_pending(void)
{
	return sl.n_open;
}

size_t
storelink_uploads(void)
{
	return sl.n_uploads;
}

uint64_t
storelink_refused(void)
{
	return sl.refused;
}

uint64_t
storelink_late(void)
{
	return sl.late;
}

uint64_t
storelink_asked(void)
{
	return sl.asked;
}
