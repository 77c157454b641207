/* SPDX-License-Identifier: ISC */
/*
 * Which blocks are ours to hold.  A block is looked at when a record about
 * it was applied, and in a walk over all of them each hour or when nodes
 * came or went.  A new block is fetched at once by those it is placed on;
 * one that has lost copies only after a while, for most nodes that go come
 * back.  When those it is placed on do not take it either, the next in line
 * do.  All of it in slices, so that nobody else waits.
 */
#include "peerd/store/placing.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/bytes.h"
#include "common/log.h"
#include "peerd/store/bodies.h"
#include "peerd/store/fetchers.h"

#define SLICE_US    2000 /* of work in one go */
#define REST_MS     50   /* and then others */
#define CHANGED_MAX 4096 /* blocks to look at for a change */
#define LOG_BATCH   256
#define LOG_MAX     8192 /* changes of a tick looked at; the walk sees all */
#define HOLDERS_MAX 64
#define BACKOFF_MS  10000 /* after a fetch that failed; doubles */
#define BACKOFF_MAX 8     /* times */
#define SLOTS       (2 * LACKING_MAX)
#define AGAIN_MAX   1024 /* keys that no tick counts yet; the walk has others */
#define DROPS       64 /* bodies looked at in a tick when room is short */

/* A block with too few copies, or one that we should hold and do not. */
struct lacking {
	uint8_t id[32];
	bool used, below;
	uint8_t tries;
	uint16_t jitter; /* thousandths */
	struct mono since;
	struct mono due; /* when we fetch it */
};

static struct lacking *lacking; /* open addressing */
static uint8_t slot_key[crypto_shorthash_KEYBYTES];
static size_t n_lacking, n_below;
static uint64_t not_watched, no_room;

static uint8_t (*changed)[32]; /* a ring */
static size_t changed_first, n_changed;
static uint64_t log_seq;
static uint8_t again[AGAIN_MAX][32];
static size_t n_again;

static struct {
	bool on;
	uint8_t after[32];
	struct mono began, next; /* next: when it begins again */
} walk;
static uint8_t drop_after[32];
static struct event *timer;

/* --- the table --- */

/* Anybody may announce ids of his choice: where they fall is our secret. */
static size_t
slot_of(const uint8_t id[32])
{
	uint8_t h[crypto_shorthash_BYTES];

	(void)crypto_shorthash(h, id, 32, slot_key);
	return (size_t)(get_u32(h) % SLOTS);
}

static struct lacking *
lacking_find(const uint8_t id[32])
{
	size_t i;

	for (i = slot_of(id); lacking[i].used; i = (i + 1) % SLOTS)
		if (memcmp(lacking[i].id, id, 32) == 0)
			return &lacking[i];
	return NULL;
}

static struct lacking *
lacking_add(const uint8_t id[32], struct mono now)
{
	struct lacking *l;
	size_t i;

	if (n_lacking == LACKING_MAX) {
		not_watched++;
		return NULL;
	}
	for (i = slot_of(id); lacking[i].used; i = (i + 1) % SLOTS)
		continue;
	l = &lacking[i];
	memset(l, 0, sizeof(*l));
	memcpy(l->id, id, 32);
	l->used = true;
	l->since = now;
	l->due = MONO_NEVER;
	l->jitter = (uint16_t)randombytes_uniform(1000);
	n_lacking++;
	return l;
}

static void
set_below(struct lacking *l, bool below)
{
	n_below = n_below + below - l->below;
	l->below = below;
}

/* Close the gap, so that what was put behind it is still found. */
static void
lacking_remove(struct lacking *l)
{
	size_t hole = (size_t)(l - lacking), i = hole, home;

	set_below(l, false);
	n_lacking--;
	for (;;) {
		lacking[hole].used = false;
		do {
			i = (i + 1) % SLOTS;
			if (!lacking[i].used)
				return;
			home = slot_of(lacking[i].id);
		} while (hole <= i ? hole < home && home <= i
				   : hole < home || home <= i);
		lacking[hole] = lacking[i];
		hole = i;
	}
}

/* --- a block --- */

/* Its announcement: size, and when it was first written as far as we know. */
static bool
is_announced(const uint8_t id[32], uint32_t *size, int64_t *age_ms)
{
	struct mtree_entry e[4];
	uint8_t prefix[32];
	size_t n, i;

	bodies_prefix(prefix, REC_BLOCK, id);
	n = mtree_list(recstore_tree(store.rs), MTREE_CURRENT, prefix, 128,
	    NULL, e, 4);
	*age_ms = -1;
	for (i = 0; i < n; i++) {
		if (e[i].w <= 0)
			continue; /* withdrawn by its author */
		*size = (uint32_t)e[i].w;
		if (wall_now().ms - (int64_t)(e[i].hlc >> 16) > *age_ms)
			*age_ms = wall_now().ms - (int64_t)(e[i].hlc >> 16);
	}
	return *age_ms >= 0;
}

/* Live holders; whether we are among them by our own word. */
static unsigned
count_holders(const uint8_t id[32], bool *own)
{
	static uint8_t ids[HOLDERS_MAX][32];
	unsigned n = placing_holders(id, true, ids, HOLDERS_MAX), i, up = 0;

	*own = false;
	for (i = 0; i < n; i++) {
		*own |= memcmp(ids[i], store.node.id, 32) == 0;
		up += holders_is_live(ids[i]);
	}
	return up;
}

/* When we are to fetch it. */
static struct mono
due_of(const struct lacking *l, bool young)
{
	unsigned r = store.charter.r, rank = holders_rank(l->id, 2 * r);
	int64_t delay = placing_scaled(PLACING_REPAIR_MS), wait = 0;

	if (rank >= 2 * r || (rank >= r && !l->below))
		return MONO_NEVER;
	if (rank >= r)
		wait = 2 * delay; /* those before us had their time */
	else if (!young || !l->below)
		wait = delay;
	wait += (wait == 0 ? placing_scaled(PLACING_TICK_MS) / 2 : delay / 10) *
	    l->jitter / 1000;
	return mono_add_ms(l->since, wait);
}

/* Would we take it, if nobody were in a hurry? */
static bool
is_ours(const uint8_t id[32])
{
	return store.conf.fetch && holders_may_rank(id, store.charter.r) &&
	    holders_rank(id, store.charter.r) < store.charter.r;
}

void
placing_look(const uint8_t id[32])
{
	struct lacking *l = lacking_find(id);
	struct mono now = mono_now();
	uint32_t size = 0;
	int64_t age;
	bool announced = is_announced(id, &size, &age);
	enum sql_rc row = bodies_row(id);
	bool held = row == SQL_OK, own;
	bool below = count_holders(id, &own) < store.charter.r;

	if (own && row == SQL_NONE) /* said in another life of this disk */
		(void)own_say(REC_LOCATION, id, 32, true, 0, NULL, 0);
	if (!announced || (!below && (held || !is_ours(id)))) {
		if (l != NULL)
			lacking_remove(l);
		return;
	}
	if (l == NULL && (l = lacking_add(id, now)) == NULL)
		return;
	set_below(l, below);
	if (held || !store.conf.fetch)
		l->due = MONO_NEVER;
	else if (l->tries == 0)
		l->due = due_of(l, age < placing_scaled(PLACING_REPAIR_MS));
}

void
placing_fetched(const uint8_t id[32], bool good)
{
	struct lacking *l = lacking_find(id);

	if (l == NULL)
		return;
	if (good) {
		l->due = MONO_NEVER;
		l->tries = 0;
		return;
	}
	if (l->tries < BACKOFF_MAX)
		l->tries++;
	l->due = mono_add_ms(mono_now(),
	    placing_scaled((int64_t)BACKOFF_MS << l->tries));
}

/* --- fetching what is due --- */

static void
fetch_due(struct lacking *l, struct mono now)
{
	uint32_t size = 0;
	int64_t age;

	if (bodies_is_held(l->id) || !is_announced(l->id, &size, &age)) {
		l->due = MONO_NEVER;
	} else if (size > bodies_room()) {
		no_room++;
		placing_fetched(l->id, false); /* later, as if it failed */
	} else if (fetchers_want(l->id, false)) {
		l->due = MONO_NEVER; /* placing_fetched() goes on */
	} else {
		l->due = mono_add_ms(now, 1000);
	}
}

static void
fetch_all_due(struct mono now)
{
	size_t i;

	for (i = 0; i < SLOTS && n_lacking > 0; i++)
		if (lacking[i].used && mono_reached(lacking[i].due, now))
			fetch_due(&lacking[i], now);
}

/* --- changes --- */

static void
note(const uint8_t id[32])
{
	size_t i;

	if (n_changed == CHANGED_MAX)
		return; /* the walk finds it */
	for (i = n_changed > 16 ? n_changed - 16 : 0; i < n_changed; i++)
		if (memcmp(changed[(changed_first + i) % CHANGED_MAX], id,
			32) == 0)
			return;
	memcpy(changed[(changed_first + n_changed++) % CHANGED_MAX], id, 32);
}

/* A record of a block or of a location: which block is it about?  What it
 * says is seen in the settled state alone, so it may be too soon to look. */
static void
note_key(const uint8_t key[32])
{
	static struct recstore_rec r;
	struct rec rec;

	if (key[0] != REC_BLOCK && key[0] != REC_LOCATION)
		return;
	if (recstore_get(store.rs, key, false, &r) == SQL_OK &&
	    rec_decode(&rec, &store.charter, r.raw, r.raw_len) == REC_OK &&
	    rec.subject_len == 32) {
		note(rec.subject);
		if (!r.settled && n_again < AGAIN_MAX)
			memcpy(again[n_again++], key, 32);
	}
}

static void
note_again(void)
{
	static uint8_t keys[AGAIN_MAX][32];
	size_t n = n_again, i;

	memcpy(keys, again, n * 32);
	n_again = 0;
	for (i = 0; i < n; i++)
		note_key(keys[i]);
}

/*
 * What was logged up to the tick before this: nearly all of it is settled now.
 * A tick is turned a little late, and what was stamped in that little while
 * belongs to the next.
 */
static void
read_log(void)
{
	static uint64_t before;
	static uint8_t keys[LOG_BATCH][32];
	uint64_t seqs[LOG_BATCH], until = before;
	size_t n, i, all;

	note_again();
	before = recstore_seq(store.rs);
	if (until > log_seq + LOG_MAX)
		log_seq = until - LOG_MAX;
	for (all = 0; log_seq < until && all < LOG_MAX; all += n) {
		if (sql_log_after(recstore_sql(store.rs), log_seq, keys, seqs,
			LOG_BATCH, &n) != SQL_OK ||
		    n == 0)
			return;
		for (i = 0; i < n && log_seq < until; i++) {
			note_key(keys[i]);
			log_seq = seqs[i];
		}
	}
}

/* --- the walk --- */

static void
walk_begin(struct mono now)
{
	walk.on = true;
	walk.began = now;
	memset(walk.after, 0, sizeof(walk.after));
	walk.next = mono_add_ms(now, placing_scaled(PLACING_WALK_MS));
}

/* The next block in the tree; false at the end. */
static bool
walk_step(void)
{
	static const uint8_t prefix[32] = { REC_BLOCK };
	static struct recstore_rec r;
	struct mtree_entry e;
	struct rec rec;

	if (mtree_list(recstore_tree(store.rs), MTREE_CURRENT, prefix, 8,
		walk.after, &e, 1) == 0)
		return false;
	/* All announcements of a block share 16 bytes: on to the next. */
	memcpy(walk.after, e.key, 16);
	memset(walk.after + 16, 0xff, 16);
	if (recstore_get(store.rs, e.key, false, &r) == SQL_OK &&
	    rec_decode(&rec, &store.charter, r.raw, r.raw_len) == REC_OK &&
	    rec.subject_len == 32)
		placing_look(rec.subject);
	return true;
}

static bool
is_over(struct mono began)
{
	return mono_now().us - began.us >= SLICE_US;
}

static void
arm(struct mono now)
{
	if (n_changed > 0 || walk.on)
		child_timer_set(timer, mono_add_ms(now, REST_MS), now);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono began = mono_now();
	uint8_t id[32];

	(void)fd;
	(void)what;
	(void)arg;
	while (n_changed > 0 && !is_over(began)) {
		memcpy(id, changed[changed_first], 32);
		changed_first = (changed_first + 1) % CHANGED_MAX;
		n_changed--;
		placing_look(id);
	}
	while (walk.on && !is_over(began))
		walk.on = walk_step();
	fetch_all_due(began);
	arm(mono_now());
}

/* --- when room is short --- */

/* Is it one that others hold, and that is not ours to hold? */
static bool
is_surplus(const uint8_t id[32])
{
	unsigned r = store.charter.r, copies;
	uint32_t size;
	int64_t age;
	bool own;

	if (!is_announced(id, &size, &age))
		return true; /* no record speaks of it any more */
	copies = count_holders(id, &own);
	return copies >= r + (own && holders_is_live(store.node.id)) &&
	    holders_rank(id, r) >= r;
}

static void
drop_surplus(void)
{
	static struct sql_body b[DROPS];
	uint64_t young_s = (uint64_t)placing_scaled(PLACING_REPAIR_MS) / 1000;
	uint64_t now_s = (uint64_t)wall_now().ms / 1000;
	size_t n, i;

	if (bodies_room() >= store.conf.bodies_max / 10)
		return;
	if (sql_body_list(recstore_sql(store.rs), drop_after, b, DROPS, &n) !=
	    SQL_OK)
		return;
	for (i = 0; i < n; i++) {
		memcpy(drop_after, b[i].id, 32);
		/* One just put may wait for its announcement to settle. */
		if (b[i].since + young_s < now_s && is_surplus(b[i].id) &&
		    bodies_drop(b[i].id) == SQL_OK)
			store.n.blocks_dropped++;
	}
	if (n < DROPS)
		memset(drop_after, 0, sizeof(drop_after));
}

/* --- its life --- */

void
placing_tick(void)
{
	struct mono now = mono_now();

	read_log();
	/* In a large network somebody comes or goes all the time: a walk under
	 * way goes on, and the next waits a sixth of its hour. */
	if (holders_refresh())
		walk.next = mono_min(walk.next,
		    mono_add_ms(walk.began,
			placing_scaled(PLACING_WALK_MS / 6)));
	if (!walk.on && mono_reached(walk.next, now))
		walk_begin(now);
	drop_surplus();
	fetch_all_due(now);
	arm(now);
}

void
placing_start(void)
{
	if ((lacking = calloc(SLOTS, sizeof(*lacking))) == NULL ||
	    (changed = calloc(CHANGED_MAX, sizeof(*changed))) == NULL)
		fatalx(EX_OSERR, "no memory for placing");
	randombytes_buf(slot_key, sizeof(slot_key));
	log_seq = recstore_seq(store.rs);
	timer = child_timer(on_timer, NULL);
	walk.next = mono_add_ms(mono_now(), placing_scaled(PLACING_TICK_MS));
	(void)holders_refresh();
}

uint64_t
placing_below(void)
{
	return n_below;
}

void
placing_limits(limit_emit emit, void *arg)
{
	emit(arg, "blocks lacking copies", n_lacking, LACKING_MAX, not_watched);
	emit(arg, "blocks not taken for want of room", 0, 0, no_room);
}
