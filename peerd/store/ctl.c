/* SPDX-License-Identifier: ISC */
/*
 * Control requests: show db, db check, compact, and the reads and writes that
 * warrenctl makes.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "peerd/store/bodies.h"

#define CHECK_ROWS    200 /* in one go: under 10 ms */
#define CHECK_REST_MS 1
#define BAD_MAX       100 /* bad rows named in one check */

#define DIVERGED_TICKS 12     /* in a row: more than a session takes */
#define OUTSIDE_MS     600000 /* for finding and settling our own stamp */

static struct {
	struct ipc *ch; /* NULL: no check runs */
	uint32_t id;
	struct recstore_check c;
	uint64_t named, out; /* rows named; of them, taken out before */
} check;
static struct event *check_timer;

/* How much is damaged, what was found last, and what to do; false: nothing. */
static bool
tell_damage(char *text, size_t cap, bool *all_out)
{
	const struct recstore_damage *d;
	size_t i, n = 0, out = 0;

	if (store.rs == NULL ||
	    (d = recstore_damages(store.rs, &n)) == NULL || n == 0)
		return false;
	for (i = 0; i < n; i++)
		out += d[i].out;
	*all_out = out == n;
	(void)snprintf(text, cap,
	    "%u rows damaged, %u taken out; run: warrenctl db check; last: "
	    "%.36s",
	    (unsigned)n, (unsigned)out, d[n - 1].why);
	return true;
}

static void
send_state(struct ipc *ch, uint32_t id)
{
	char text[sizeof(store.state.problem) - 12];
	bool all_out;

	if (store.rs != NULL)
		store.state.pending = recstore_pending(store.rs);
	memcpy(store.state.problem, store.problem, sizeof(store.state.problem));
	if (store.problem[0] == '\0' &&
	    tell_damage(text, sizeof(text), &all_out))
		(void)snprintf(store.state.problem,
		    sizeof(store.state.problem), "db-damaged: %s", text);
	(void)ipc_send(ch, CTL_DB, id, &store.state);
}

void
ctl_show_db(struct ipc *ch, const struct ipc_msg *m)
{
	send_state(ch, m->id);
	child_ctl_end(ch, m->id, 0, "%s", "");
}

/* --- its part of the status --- */

static struct {
	/* unix ms; 0: no */
	uint64_t bad_since, differs_since, diverged_since, stopped_since,
	    damaged_since;
	uint64_t start;
	unsigned diverged; /* ticks in a row */
} health;

void
ctl_tick(void)
{
	const struct msg_db_state *s = &store.state;

	/* Most of whom we hear have another root. */
	if (s->neighbours == 0 || s->neighbours_equal * 2 >= s->neighbours) {
		health.diverged = 0;
		return;
	}
	if (health.diverged++ == 0)
		health.diverged_since = (uint64_t)wall_now().ms;
}

static void
problem(struct ipc *ch, uint32_t id, const char *code, bool critical,
    uint64_t *since, const char *text)
{
	struct msg_ctl_problem p = { .critical = critical };

	if (*since == 0)
		*since = (uint64_t)wall_now().ms;
	p.since = *since;
	(void)snprintf(p.code, sizeof(p.code), "%s", code);
	(void)snprintf(p.text, sizeof(p.text), "%s", text);
	(void)ipc_send(ch, CTL_PROBLEM, id, &p);
}

/*
 * In an open network a node admits itself, which takes some minutes of a slow
 * machine; where an authority must, it is told at once.
 */
static bool
is_outside(uint64_t now)
{
	uint64_t grace = store.charter.admission == CHARTER_OPEN
	    ? OUTSIDE_MS
	    : 3ull * store.charter.tick_ms + store.charter.settle_ms;

	return store.rs != NULL && !store.state.admitted &&
	    now - health.start > grace;
}

static void
disk_problem(struct ipc *ch, uint32_t id)
{
	char text[160];

	if (store.problem[0] == '\0') {
		health.bad_since = 0;
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%s", store.problem,
	    store.rs == NULL ? "" : "; nothing is written");
	problem(ch, id, store.rs == NULL ? "db-unusable" : "db-disk", true,
	    &health.bad_since, text);
}

static void
damage_problem(struct ipc *ch, uint32_t id)
{
	char text[160];
	bool all_out;

	if (!tell_damage(text, sizeof(text), &all_out)) {
		health.damaged_since = 0;
		return;
	}
	problem(ch, id, "db-damaged", !all_out, &health.damaged_since, text);
}

static void
clock_problem(struct ipc *ch, uint32_t id)
{
	char text[160];
	int64_t ms;

	if (!own_is_stopped(&ms)) {
		health.stopped_since = 0;
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "the clock is %.1f s %s those of most nodes dialled; no records "
	    "and claims of this node's until it is right",
	    (double)(ms < 0 ? -ms : ms) / 1000, ms < 0 ? "ahead of" : "behind");
	problem(ch, id, "clock-wrong", true, &health.stopped_since, text);
}

void
ctl_status(struct ipc *ch, const struct ipc_msg *m)
{
	uint64_t now = (uint64_t)wall_now().ms;
	char text[160];

	send_state(ch, m->id);
	disk_problem(ch, m->id);
	damage_problem(ch, m->id);
	clock_problem(ch, m->id);
	if (store.differs)
		problem(ch, m->id, "db-root-differs", true,
		    &health.differs_since,
		    "rows were lost or changed on "
		    "disk; run: warrenctl db check");
	if (health.diverged > DIVERGED_TICKS) {
		(void)snprintf(text, sizeof(text),
		    "%u of %u neighbours have "
		    "another root; run: warrenctl db verify",
		    store.state.neighbours - store.state.neighbours_equal,
		    store.state.neighbours);
		problem(ch, m->id, "db-diverged", false, &health.diverged_since,
		    text);
	}
	if (is_outside(now))
		problem(ch, m->id, "not-admitted", false, &health.start,
		    store.charter.admission == CHARTER_OPEN
			? "this node's admission is not in the database"
			: "no authority admitted this node; see: warrenctl "
			  "record admit");
	child_ctl_end(ch, m->id, 0, "%s", "");
}

/* --- db check --- */

static void
check_end(void)
{
	struct msg_ctl_db_checked done = { .rows = check.c.rows,
		.bad = check.c.bad + check.out };
	char why[96] = "";
	enum sql_rc rc = sql_check(recstore_sql(store.rs), why, sizeof(why));

	done.file_good = rc == SQL_OK;
	memcpy(done.file_error, why, sizeof(done.file_error));
	done.root_as_written = !store.differs;
	(void)ipc_send(check.ch, CTL_DB_CHECKED, check.id, &done);
	child_ctl_end(check.ch, check.id,
	    done.bad == 0 && rc == SQL_OK && !store.differs ? 0 : 1, "%s", "");
	if (rc != SQL_OK)
		recstore_damaged(store.rs, why);
	else if (done.bad == 0)
		recstore_undamaged(store.rs);
	store_damage();
	if (done.bad > 0 || rc != SQL_OK)
		log_warn("database: check found %llu bad rows of %llu%s%s",
		    (unsigned long long)done.bad,
		    (unsigned long long)check.c.rows,
		    rc == SQL_OK ? "" : ", file: ", why);
	check.ch = NULL;
}

static void
name_bad(const uint8_t key[32], const char why[64])
{
	struct msg_ctl_db_bad bad;

	if (check.named++ >= BAD_MAX)
		return;
	memcpy(bad.key, key, 32);
	memcpy(bad.why, why, sizeof(bad.why));
	(void)ipc_send(check.ch, CTL_DB_BAD, check.id, &bad);
}

/* Rows that are not there any more, for they were damaged. */
static void
name_out(void)
{
	static struct recstore_damage d[RECSTORE_DAMAGES];
	size_t i, n = recstore_tell_out(store.rs, d, RECSTORE_DAMAGES);

	for (i = 0; i < n; i++)
		name_bad(d[i].key, d[i].why);
	check.out = n;
}

static void
on_check_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();
	uint64_t bad = check.c.bad;

	(void)fd;
	(void)what;
	(void)arg;
	if (check.ch == NULL || store.rs == NULL)
		return;
	recstore_check(store.rs, &check.c, CHECK_ROWS);
	if (check.c.bad > bad)
		name_bad(check.c.bad_key, check.c.why);
	if (check.c.done)
		check_end();
	else
		child_timer_set(check_timer, mono_add_ms(now, CHECK_REST_MS),
		    now);
}

static bool
is_open(struct ipc *ch, uint32_t id)
{
	if (store.rs != NULL)
		return true;
	child_ctl_end(ch, id, EX_IOERR, "database: %s", store.problem);
	return false;
}

void
ctl_db_check(struct ipc *ch, const struct ipc_msg *m)
{
	struct mono now = mono_now();

	if (!is_open(ch, m->id))
		return;
	if (check.ch != NULL) {
		child_ctl_end(ch, m->id, EX_TEMPFAIL, "a check is running");
		return;
	}
	memset(&check, 0, sizeof(check));
	check.ch = ch;
	check.id = m->id;
	name_out();
	child_timer_set(check_timer, now, now);
}

void
ctl_start(void)
{
	check_timer = child_timer(on_check_timer, NULL);
	health.start = (uint64_t)wall_now().ms;
}

/* --- compact --- */

void
ctl_db_compact(struct ipc *ch, const struct ipc_msg *m)
{
	uint64_t before;
	enum sql_rc rc;

	if (!is_open(ch, m->id))
		return;
	writes_commit();
	before = sql_bytes(recstore_sql(store.rs));
	rc = sql_compact(recstore_sql(store.rs));
	/* With nothing to give back, nothing was written: a good end is no
	 * proof that the disk takes writes again. */
	if (rc != SQL_OK)
		store_disk(rc, "compacting");
	if (rc != SQL_OK)
		child_ctl_end(ch, m->id, EX_IOERR, "%s", sql_rc_name(rc));
	else
		child_ctl_end(ch, m->id, 0, "%llu bytes, were %llu",
		    (unsigned long long)sql_bytes(recstore_sql(store.rs)),
		    (unsigned long long)before);
}

/* --- reading and writing --- */

void
ctl_db_put(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_db_put *q = m->body;

	writes_take(WRITE_CTL, ch, m->id, q->records, q->n_records,
	    q->has_if ? q->if_rid : NULL);
}

void
ctl_db_get(struct ipc *ch, const struct ipc_msg *m)
{
	api_get(&(const struct asker){ ch, m->id, true }, m->body);
}

void
ctl_db_list(struct ipc *ch, const struct ipc_msg *m)
{
	api_list(&(const struct asker){ ch, m->id, true }, m->body);
}

void
ctl_db_prove(struct ipc *ch, const struct ipc_msg *m)
{
	api_prove(&(const struct asker){ ch, m->id, true }, m->body);
}

/* --- block bodies --- */

void
ctl_block_put(struct ipc *ch, const struct ipc_msg *m)
{
	const struct asker a = { ch, m->id, true };

	if (is_open(ch, m->id))
		bodies_ctl_put(&a, m->body);
}

void
ctl_block_get(struct ipc *ch, const struct ipc_msg *m)
{
	const struct asker a = { ch, m->id, true };

	if (is_open(ch, m->id))
		bodies_ctl_get(&a, m->body);
}
