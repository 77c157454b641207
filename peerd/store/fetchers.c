/* SPDX-License-Identifier: ISC */
/*
 * Bodies on their way here: the shell of fetch.h.  A few at a time, of the
 * holders that are linked; the rest waits in line, those a client waits for
 * in front.
 */
#include "peerd/store/fetchers.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "peerd/fetch.h"
#include "peerd/score.h"
#include "peerd/store/bodies.h"
#include "peerd/store/placing.h"

#define GIVE_UP_MS  20000 /* nothing of use came for so long */
#define LOOK_MS     1000  /* whether other holders are there now */
#define TRIED_MAX   32    /* links that will not be asked again */
#define HOLDERS_MAX 64
#define PLACED_MAX  (FETCHERS_MAX - 2)

/* A body on its way. */
static struct fetcher {
	bool used, urgent;
	struct fetch f;
	uint8_t *body;
	struct mono look; /* for holders, next */
	uint32_t tried[TRIED_MAX];
	unsigned n_tried;
} fetchers[FETCHERS_MAX];

static struct wanted {
	uint8_t id[32];
	bool urgent;
} wanted[WANTED_MAX]; /* in order */
static size_t n_wanted;

static struct waiter {
	struct asker a; /* a.ch NULL: free */
	uint8_t id[32];
	uint32_t off;
} waiters[WAITERS_MAX];

static struct event *timer;
static uint64_t wanted_refused, waiters_refused;

static void arm(void);

/* --- holders --- */

static bool
was_tried(const struct fetcher *x, uint32_t link)
{
	unsigned i;

	for (i = 0; i < x->n_tried; i++)
		if (x->tried[i] == link)
			return true;
	return false;
}

static void
add_link(struct fetcher *x, const struct link_peer *p, struct mono now)
{
	if (!was_tried(x, p->link))
		(void)fetch_add_peer(&x->f, p->link, now);
}

/* Ask those who announce it and are linked; seek out one who is not. */
static void
add_holders(struct fetcher *x, struct mono now)
{
	static uint8_t ids[HOLDERS_MAX][32];
	struct link_peer *p;
	unsigned n, i;

	/* A client's block may be younger than the last tick. */
	n = placing_holders(x->f.id, !x->urgent, ids, HOLDERS_MAX);
	for (p = NULL; (p = links_next(p)) != NULL;)
		for (i = 0; i < n; i++)
			if (memcmp(ids[i], p->id, 32) == 0)
				add_link(x, p, now);
	x->look = mono_add_ms(now, LOOK_MS);
	if (fetch_peers(&x->f) > 0 || n == 0)
		return;
	i = randombytes_uniform(n);
	if (memcmp(ids[i], store.node.id, 32) != 0)
		net_reach(ids[i]);
}

/* --- what the core asks for --- */

static bool
op_send(void *arg, uint32_t peer, const void *msg, size_t len)
{
	struct link_peer *p = links_find(peer);

	(void)arg;
	return p != NULL && links_may_send(p) && links_send(p, msg, len);
}

static void
op_gone(void *arg, uint32_t peer, enum fetch_gone why)
{
	static const char *const names[] = {
		[FETCH_BAD] = "sent what the block is not",
		[FETCH_LACKS] = "has it not",
		[FETCH_SILENT] = "is silent",
	};
	struct fetcher *x = arg;
	char hex[65];

	log_debug("block %s: link %u %s",
	    sodium_bin2hex(hex, sizeof(hex), x->f.id, 32), peer, names[why]);
	if (x->n_tried < TRIED_MAX)
		x->tried[x->n_tried++] = peer;
	if (why == FETCH_BAD) {
		store.n.chunks_refused++;
		net_score(peer, SCORE_BAD_CHUNK);
	}
	x->look = mono_now(); /* is there another? */
}

static uint8_t *
op_room(void *arg, uint32_t size)
{
	struct fetcher *x = arg;

	x->body = malloc(size);
	return x->body;
}

/* --- the line --- */

static struct fetcher *
find(const uint8_t id[32])
{
	struct fetcher *x;

	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++)
		if (x->used && memcmp(x->f.id, id, 32) == 0)
			return x;
	return NULL;
}

static struct wanted *
find_wanted(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < n_wanted; i++)
		if (memcmp(wanted[i].id, id, 32) == 0)
			return &wanted[i];
	return NULL;
}

bool
fetchers_is_wanted(const uint8_t id[32])
{
	return find(id) != NULL || find_wanted(id) != NULL;
}

static void
unwant(struct wanted *w)
{
	n_wanted--;
	memmove(w, w + 1, (size_t)(wanted + n_wanted - w) * sizeof(*w));
}

static void
begin(struct fetcher *x, const struct wanted *w, struct mono now)
{
	const struct fetch_ops ops = { .send = op_send,
		.gone = op_gone,
		.room = op_room,
		.arg = x };

	memset(x, 0, sizeof(*x));
	x->used = true;
	x->urgent = w->urgent;
	fetch_init(&x->f, w->id, &ops, now);
	add_holders(x, now);
}

/* The next in line; placement leaves some places to clients. */
static struct wanted *
next_wanted(void)
{
	unsigned placed = 0;
	struct fetcher *x;
	struct wanted *w;

	for (w = wanted; w < wanted + n_wanted; w++)
		if (w->urgent)
			return w;
	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++)
		placed += x->used && !x->urgent;
	return n_wanted > 0 && placed < PLACED_MAX ? wanted : NULL;
}

static void
begin_next(struct mono now)
{
	struct fetcher *x;
	struct wanted *w;

	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++) {
		if (x->used || (w = next_wanted()) == NULL)
			continue;
		begin(x, w, now);
		unwant(w);
	}
}

bool
fetchers_want(const uint8_t id[32], bool urgent)
{
	struct fetcher *x = find(id);
	struct wanted *w = find_wanted(id);

	if (x != NULL)
		x->urgent |= urgent;
	else if (w != NULL)
		w->urgent |= urgent;
	else if (n_wanted == WANTED_MAX) {
		wanted_refused++;
		return false;
	} else {
		w = &wanted[n_wanted++];
		memcpy(w->id, id, 32);
		w->urgent = urgent;
	}
	arm();
	return true;
}

unsigned
fetchers_wanted(void)
{
	unsigned n = (unsigned)n_wanted, i;

	for (i = 0; i < FETCHERS_MAX; i++)
		n += fetchers[i].used;
	return n;
}

/* --- those who wait --- */

bool
fetchers_wait(const struct asker *a, const uint8_t id[32], uint32_t off)
{
	struct waiter *w;

	for (w = waiters; w < waiters + WAITERS_MAX; w++)
		if (w->a.ch == NULL)
			break;
	if (w == waiters + WAITERS_MAX || !fetchers_want(id, true)) {
		waiters_refused++;
		return false;
	}
	w->a = *a;
	memcpy(w->id, id, 32);
	w->off = off;
	return true;
}

void
fetchers_forget(const struct ipc *ch)
{
	struct waiter *w;

	for (w = waiters; w < waiters + WAITERS_MAX; w++)
		if (w->a.ch == ch)
			w->a.ch = NULL;
}

static void
answer(const struct waiter *w, enum sql_rc rc)
{
	if (rc == SQL_OK)
		bodies_answer(&w->a, w->id, w->off);
	else if (rc == SQL_NONE)
		api_fail(&w->a, DB_F_NOT_FOUND,
		    "no holder of the block could be reached");
	else
		api_fail(&w->a, DB_F_DISK, sql_rc_name(rc));
}

static void
answer_all(const uint8_t id[32], enum sql_rc rc)
{
	struct waiter *w, it;

	for (w = waiters; w < waiters + WAITERS_MAX; w++) {
		if (w->a.ch == NULL || memcmp(w->id, id, 32) != 0)
			continue;
		it = *w;
		w->a.ch = NULL;
		answer(&it, rc);
	}
}

/* --- ends --- */

static void
end(struct fetcher *x, enum sql_rc rc)
{
	uint8_t id[32];

	memcpy(id, x->f.id, 32);
	free(x->body);
	memset(x, 0, sizeof(*x));
	placing_fetched(id, rc == SQL_OK);
	answer_all(id, rc);
}

static void
look(struct fetcher *x, struct mono now)
{
	enum sql_rc rc;

	if (x->f.state == FETCH_DONE) {
		rc = bodies_keep(x->f.id, x->body, x->f.man.size);
		store.n.blocks_fetched += rc == SQL_OK;
		end(x, rc);
	} else if (x->f.state == FETCH_FAILED) {
		end(x, SQL_FULL);
	} else if (mono_ms_between(x->f.progress, now) >= GIVE_UP_MS) {
		store.n.blocks_not_fetched++;
		end(x, SQL_NONE);
	} else if (mono_reached(x->look, now)) {
		add_holders(x, now);
	}
}

/* --- events --- */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();
	struct fetcher *x;

	(void)fd;
	(void)what;
	(void)arg;
	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++) {
		if (x->used)
			look(x, now);
		if (x->used && mono_reached(x->f.due, now))
			fetch_tick(&x->f, now);
	}
	begin_next(now);
	arm();
}

static void
arm(void)
{
	struct mono now = mono_now(), due = MONO_NEVER;
	struct fetcher *x;
	bool room = false;

	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++) {
		room |= !x->used;
		if (x->used)
			due = mono_min(due, mono_min(x->look, x->f.due));
		if (x->used && x->f.state >= FETCH_DONE)
			due = now;
	}
	if (room && next_wanted() != NULL)
		due = now;
	child_timer_set(timer, due, now);
}

void
fetchers_message(struct link_peer *p, const void *msg, size_t len)
{
	struct fetch_msg m;
	struct fetcher *x;

	if (!fetch_decode(&m, msg, len)) {
		store.n.sync_messages_refused++;
		net_score(p->link, SCORE_MALFORMED);
		return;
	}
	if ((x = find(m.id)) == NULL)
		return; /* it came too late */
	fetch_input(&x->f, p->link, &m, mono_now());
	arm();
}

void
fetchers_peer_up(const struct link_peer *p)
{
	struct mono now = mono_now();
	struct fetcher *x;

	(void)p;
	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++)
		if (x->used)
			x->look = now;
	if (timer != NULL)
		arm();
}

void
fetchers_peer_gone(const struct link_peer *p)
{
	struct mono now = mono_now();
	struct fetcher *x;

	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++)
		if (x->used)
			fetch_lose_peer(&x->f, p->link, now);
}

void
fetchers_go_on(void)
{
	struct mono now = mono_now();
	struct fetcher *x;

	for (x = fetchers; x < fetchers + FETCHERS_MAX; x++)
		if (x->used && mono_reached(x->f.due, now))
			fetch_tick(&x->f, now);
}

void
fetchers_start(void)
{
	timer = child_timer(on_timer, NULL);
}

void
fetchers_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < FETCHERS_MAX; i++)
		n += fetchers[i].used;
	emit(arg, "bodies being fetched", n, FETCHERS_MAX, 0);
	emit(arg, "bodies to be fetched", n_wanted, WANTED_MAX, wanted_refused);
	for (n = 0, i = 0; i < WAITERS_MAX; i++)
		n += waiters[i].a.ch != NULL;
	emit(arg, "requests waiting for a body", n, WAITERS_MAX,
	    waiters_refused);
}
