/* SPDX-License-Identifier: ISC */
/*
 * Reads of bodies, and what follows from them.  They are counted in memory
 * and written down at each tick; a level that rose is said at once, one that
 * fell in the pass over all bodies each hour, which also says our locations
 * and temperatures anew before they expire.
 */
#include <string.h>

#include "common/log.h"
#include "peerd/store/bodies.h"
#include "peerd/store/placing.h"
#include "peerd/temper.h"

#define READS_MAX   1024        /* bodies read between two ticks */
#define PASS_BODIES 256         /* looked at in a tick */
#define SAYS_MAX    40          /* records in a tick: signatures have a rate */
#define REFRESH_S   (3 * 86400) /* of seven days */
#define FRESH_TICKS 3           /* what was just said is not settled yet */

static struct {
	uint8_t id[32];
	uint32_t n;
} reads[READS_MAX];
static size_t n_reads;

static struct {
	bool on;
	uint8_t after[32];
	struct mono next;
	/* As of the last tick. */
	bool admitted, stopped;
} pass;
static unsigned says;

/* --- rows --- */

static void
get_counts(struct temper *t, const struct sql_body *b)
{
	t->last = b->last;
	temper_unpack(t, TEMPER_HOUR, b->hour);
	temper_unpack(t, TEMPER_DAY, b->day);
	temper_unpack(t, TEMPER_WEEK, b->week);
	temper_unpack(t, TEMPER_MONTH, b->month);
}

static void
set_counts(struct sql_body *b, const struct temper *t)
{
	b->last = t->last;
	b->hour = temper_pack(t, TEMPER_HOUR);
	b->day = temper_pack(t, TEMPER_DAY);
	b->week = temper_pack(t, TEMPER_WEEK);
	b->month = temper_pack(t, TEMPER_MONTH);
}

/* --- what we said of it --- */

static bool
own_entry(uint8_t kind, const uint8_t id[32], struct mtree_entry *e)
{
	struct rec rec = { .kind = kind, .subject_len = 32 };
	uint8_t key[32];

	memcpy(rec.subject, id, 32);
	memcpy(rec.author, store.node.id, 32);
	rec_key(key, &rec, store.charter.netid);
	return mtree_get(recstore_tree(store.rs), MTREE_CURRENT, key, e);
}

static void
say(uint8_t kind, const uint8_t id[32], int32_t w)
{
	if (own_say(kind, id, 32, false, w, NULL, 0))
		says++;
}

static uint64_t
stamp_s(const struct mtree_entry *e)
{
	return (e->hlc >> 16) / 1000;
}

static void
look_temperature(const struct sql_body *b, uint64_t now)
{
	enum temper_level was = TEMPER_FROZEN, is;
	struct mtree_entry e = { .w = 0 };
	struct temper t;
	bool said = own_entry(REC_TEMPERATURE, b->id, &e);

	if (said)
		was = temper_of_weight(e.w);
	get_counts(&t, b);
	is = temper_level(&t, was, stamp_s(&e), now);
	/* Of what is frozen no record needs to speak. */
	if (is != was ||
	    (said && is != TEMPER_FROZEN && now > stamp_s(&e) + REFRESH_S))
		say(REC_TEMPERATURE, b->id, temper_weight(is));
}

static void
look_location(const struct sql_body *b, uint64_t now)
{
	struct mtree_entry e;

	if (b->since + FRESH_TICKS * store.charter.tick_ms / 1000 + 1 > now)
		return;
	if (!own_entry(REC_LOCATION, b->id, &e) ||
	    now > stamp_s(&e) + REFRESH_S)
		say(REC_LOCATION, b->id, 0);
}

/* --- reads --- */

void
warmth_read(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < n_reads; i++)
		if (memcmp(reads[i].id, id, 32) == 0)
			break;
	if (i == READS_MAX) {
		warmth_flush();
		i = 0;
	}
	if (i == n_reads) {
		memcpy(reads[i].id, id, 32);
		reads[i].n = 0;
		n_reads++;
	}
	reads[i].n++;
}

static enum sql_rc
write_counts(uint64_t now)
{
	struct sql *db = recstore_sql(store.rs);
	struct sql_body b;
	struct temper t;
	enum sql_rc rc = SQL_OK;
	size_t i;

	for (i = 0; i < n_reads && rc == SQL_OK; i++) {
		rc = sql_body_get(db, reads[i].id, &b);
		if (rc == SQL_NONE) {
			reads[i].n = 0; /* dropped meanwhile */
			rc = SQL_OK;
			continue;
		}
		if (rc != SQL_OK)
			break;
		get_counts(&t, &b);
		temper_read(&t, reads[i].n, now);
		set_counts(&b, &t);
		rc = sql_body_put(db, &b);
	}
	return rc;
}

void
warmth_flush(void)
{
	uint64_t now = (uint64_t)wall_now().ms / 1000;
	struct sql *db = recstore_sql(store.rs);
	struct sql_body b;
	enum sql_rc rc;
	size_t i;

	if (n_reads == 0)
		return;
	writes_commit(); /* a transaction of its own */
	rc = sql_begin(db);
	if (rc == SQL_OK && (rc = write_counts(now)) == SQL_OK)
		rc = sql_commit(db);
	if (rc != SQL_OK) {
		sql_rollback(db);
		store_disk(rc, "counting reads");
	}
	for (i = 0; i < n_reads && rc == SQL_OK; i++)
		if (reads[i].n > 0 && says < SAYS_MAX &&
		    sql_body_get(db, reads[i].id, &b) == SQL_OK)
			look_temperature(&b, now);
	n_reads = 0; /* a disk that fails loses counts, not blocks */
}

/* --- the pass --- */

static void
pass_slice(uint64_t now)
{
	static struct sql_body b[PASS_BODIES];
	size_t n, i;

	if (sql_body_list(recstore_sql(store.rs), pass.after, b, PASS_BODIES,
		&n) != SQL_OK)
		return;
	for (i = 0; i < n && says < SAYS_MAX; i++) {
		look_location(&b[i], now);
		look_temperature(&b[i], now);
		memcpy(pass.after, b[i].id, 32);
	}
	if (i == n && n < PASS_BODIES)
		pass.on = false;
}

void
warmth_tick(void)
{
	int64_t behind_ms;
	bool admitted = own_is_admitted(), stopped = own_is_stopped(&behind_ms);
	struct mono now = mono_now();

	says = 0;
	warmth_flush();
	/* What was said before others listened is said again. */
	if (admitted && !pass.admitted)
		pass.next = now;
	pass.admitted = admitted;
	/* And what the clock forbade, once no row is too young for it. */
	if (pass.stopped && !stopped)
		pass.next = mono_add_ms(now,
		    (FRESH_TICKS + 1) * (int64_t)store.charter.tick_ms + 2000);
	pass.stopped = stopped;
	if (admitted && !pass.on && mono_reached(pass.next, now)) {
		pass.on = true;
		memset(pass.after, 0, sizeof(pass.after));
		pass.next = mono_add_ms(now, placing_scaled(WARMTH_PASS_MS));
	}
	if (pass.on)
		pass_slice((uint64_t)wall_now().ms / 1000);
}

void
warmth_limits(limit_emit emit, void *arg)
{
	emit(arg, "bodies read since the last tick", n_reads, READS_MAX, 0);
}
