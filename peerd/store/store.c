/* SPDX-License-Identifier: ISC */
/*
 * The shell of the store: start, the clock of the ticks, the disk's state.
 */
#include "peerd/store/store.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "peerd/store/bodies.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/links.h"
#include "peerd/store/placing.h"

#define RETRY_MS  1000  /* a tick that the disk refused */
#define REOPEN_MS 10000 /* a database that it did not let be opened */

struct store store;

static struct event *tick_timer, *open_timer;
static bool may_open;      /* what keeps it from being opened may pass */
static uint64_t settle_us; /* the last tick took so long */

void
store_disk(enum sql_rc rc, const char *what)
{
	static enum sql_rc said = SQL_OK;
	char now[sizeof(store.problem)] = "";

	/* Once, not by turns for commits and ticks that meet the same. */
	if (rc == SQL_NONE || rc == said)
		return;
	said = rc;
	if (rc != SQL_OK)
		(void)snprintf(now, sizeof(now), "%.60s: %s", what,
		    sql_rc_name(rc));
	if (rc == SQL_OK)
		log_info("database: writing again");
	else
		log_warn("database: %s; reading goes on", now);
	child_event("db", "%s", rc == SQL_OK ? "writing again" : now);
	memcpy(store.problem, now, sizeof(now));
	api_state();
}

/*
 * Rows and pages that cannot be read as they were written.  Reading and
 * writing go on with the others, so this is no matter of store.problem.
 */
void
store_damage(void)
{
	static uint64_t seen;
	const struct recstore_damage *d;
	char hex[65];
	size_t i, n;

	d = recstore_damages(store.rs, &n);
	for (i = 0; i < n; i++) {
		if (d[i].serial <= seen)
			continue;
		log_warn("database: row %llu, key %s: %s%s",
		    (unsigned long long)d[i].row,
		    sodium_bin2hex(hex, sizeof(hex), d[i].key, 32), d[i].why,
		    d[i].out ? "; taken out, to be fetched again"
			     : "; run warrenctl db check");
		child_event("db", "damaged: %s", d[i].why);
	}
	seen = recstore_counts(store.rs)->damaged;
}

/* --- settings --- */

static void
on_config(struct ipc *ch, const struct ipc_msg *m)
{
	char dir[sizeof(store.conf.dir)];

	(void)ch;
	memcpy(dir, store.conf.dir, sizeof(dir));
	store.conf = *(const struct msg_store_config *)m->body;
	if (dir[0] != '\0') /* it was entered at the start */
		memcpy(store.conf.dir, dir, sizeof(dir));
}

static void
on_charter(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_charter *c = m->body;
	enum charter_err err =
	    charter_decode(&store.charter, c->charter.p, c->charter.len);

	(void)ch;
	if (err != CHARTER_OK)
		fatalx(EX_CONFIG, "charter: %s", charter_err_name(err));
	store.has_charter = true;
}

static void
on_node(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	store.node = *(const struct msg_node *)m->body;
	store.has_node = true;
}

static void
go(void)
{
	if (!store.has_charter || !store.has_node || store.conf.dir[0] == '\0')
		fatalx(EX_SOFTWARE,
		    "PROC_GO before charter, node and settings");
}

/* --- opening, in the store's own directory, before the sandbox shuts --- */

static void
open_records(void)
{
	const struct recstore_conf rc = { .charter = &store.charter,
		.sql = { .file = STORE_FILE,
		    .cache_bytes = store.conf.cache_bytes } };
	char why[96], was[sizeof(store.problem)];
	enum sql_rc err;

	err = recstore_open(&store.rs, &rc, wall_now(), &store.differs, why,
	    sizeof(why));
	if (err != SQL_OK) {
		/* The node serves what it can without; a restart would only
		 * meet the same file, or the same disk. */
		may_open = err != SQL_CORRUPT && err != SQL_VERSION;
		memcpy(was, store.problem, sizeof(was));
		(void)snprintf(store.problem, sizeof(store.problem),
		    "cannot open: %s", why);
		if (strcmp(was, store.problem) != 0)
			log_error("database: %s; see warrenctl(8), db-unusable",
			    store.problem);
		return;
	}
	if (store.differs)
		log_error(
		    "database: its root is not the one written when it "
		    "was settled: rows were lost or changed; run warrenctl db "
		    "check");
}

static void
inside(void)
{
	if (chdir(store.conf.dir) == -1)
		fatal(EX_NOPERM, "store directory %s", store.conf.dir);
	(void)sandbox_confine(child_start()->landlock_max);
	(void)umask(077);
	if (mkdir(BLOCKS_DIR, 0700) == -1 && errno != EEXIST)
		log_warn("%s: %s", BLOCKS_DIR, strerror(errno));
	open_records();
}

/* --- ticks --- */

static void
tick_again(int64_t ms)
{
	struct mono now = mono_now();

	child_timer_set(tick_timer, mono_add_ms(now, ms), now);
}

static void
settled(enum sql_rc rc)
{
	store_disk(rc, "settling a tick");
	store_damage();
	if (rc != SQL_OK)
		return;
	net_hold(!recstore_has_room(store.rs, DB_BATCH_MAX));
	links_tick();
	since_tick();
	state_refresh();
	ctl_tick();
	own_tick();
	placing_tick();
	warmth_tick();
	care_tick();
	net_root();
	api_state();
}

static void
settle(struct wall now)
{
	struct mono from = mono_now();
	enum sql_rc rc = recstore_settle(store.rs, now);

	if (rc == SQL_NONE)
		return;
	settle_us = (uint64_t)(mono_now().us - from.us);
	if (rc == SQL_OK)
		log_debug("tick %llu settled in %llu us, %llu changes",
		    (unsigned long long)recstore_tick(store.rs),
		    (unsigned long long)settle_us,
		    (unsigned long long)recstore_counts(store.rs)
			->settle_changes_last);
	settled(rc);
}

/* Deferred records whose time has come, kept until they are committed. */
struct due {
	uint8_t *bytes; /* (len:u16, record) one after the other */
	size_t len, cap;
};

static void
on_undeferred(void *arg, const void *raw, size_t len)
{
	struct due *d = arg;
	size_t cap = d->cap == 0 ? 65536 : d->cap * 2;
	uint8_t *p = d->bytes;

	if (d->len + 2 + len > d->cap) {
		if ((p = realloc(d->bytes, cap)) == NULL)
			return; /* syncs will carry it */
		d->bytes = p;
		d->cap = cap;
	}
	put_u16(p + d->len, (uint16_t)len);
	memcpy(p + d->len + 2, raw, len);
	d->len += 2 + len;
}

static void
undefer(struct wall now)
{
	struct due d = { NULL, 0, 0 };
	struct msg_db_raw one;
	enum sql_rc rc;
	size_t at;

	(void)recstore_undefer(store.rs, now, on_undeferred, &d);
	rc = recstore_commit(store.rs);
	store_disk(rc, "commit");
	for (at = 0; rc == SQL_OK && at < d.len; at += 2 + one.raw.len) {
		one.raw.len = get_u16(d.bytes + at);
		one.raw.p = d.bytes + at + 2;
		net_fresh(&one, 1);
	}
	free(d.bytes);
}

static void
on_tick_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wall now = wall_now();
	int64_t wait;

	(void)fd;
	(void)what;
	(void)arg;
	writes_commit();
	if (recstore_due(store.rs, now).ms <= now.ms)
		settle(now);
	if (recstore_deferred(store.rs) > 0)
		undefer(now);
	wait = recstore_due(store.rs, now).ms - wall_now().ms;
	if (recstore_deferred(store.rs) > 0 && wait > RETRY_MS)
		wait = RETRY_MS;
	tick_again(wait <= 0 ? RETRY_MS : wait + 1);
}

/* With a database at last. */
static void
work(void)
{
	own_start();
	since_start();
	sync_start();
	bootstrap_start();
	fetchers_start();
	placing_start();
	care_start();
	store_damage();
	inspect_start();
	tick_timer = child_timer(on_tick_timer, NULL);
	state_refresh();
	tick_again(1);
}

static void
open_again(void)
{
	struct mono now = mono_now();

	if (may_open)
		child_timer_set(open_timer, mono_add_ms(now, REOPEN_MS), now);
}

static void
on_open_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	open_records();
	if (store.rs == NULL) {
		open_again();
		return;
	}
	memset(store.problem, 0, sizeof(store.problem));
	log_info("database: open");
	child_event("db", "%s", "open");
	work();
	api_state();
}

static void
ready(void)
{
	writes_start();
	ctl_start();
	backup_start();
	open_timer = child_timer(on_open_timer, NULL);
	if (store.rs != NULL)
		work();
	else
		open_again();
}

static void
stop(void)
{
	if (store.rs != NULL) {
		writes_commit();
		warmth_flush();
		recstore_close(store.rs);
		store.rs = NULL;
	}
	child_exit(0);
}

static void
channel(enum proc_kind kind, unsigned index, int fd)
{
	if (kind == PROC_PEERD)
		net_open(fd);
	else if (kind == PROC_APID && index < APIDS_MAX)
		api_open(index, fd);
	else
		(void)close(fd);
}

/* --- counters and limits --- */

static void
stats(stat_emit emit, void *arg)
{
	const struct recstore_counts *c;

#define X(name) emit(arg, #name, store.n.name);
	STORE_COUNTERS(X)
#undef X
	if (store.rs == NULL)
		return;
	c = recstore_counts(store.rs);
	emit(arg, "db_records", store.state.cnt);
	emit(arg, "db_pending", recstore_pending(store.rs));
	emit(arg, "db_tick", recstore_tick(store.rs));
	emit(arg, "db_bytes", store.state.bytes);
	emit(arg, "db_put_new", c->put_new);
	emit(arg, "db_put_old", c->put_old);
	emit(arg, "db_put_refused", c->put_refused);
	emit(arg, "db_future", c->future);
	emit(arg, "db_expired", c->expired);
	emit(arg, "db_evicted", c->evicted);
	emit(arg, "db_equivocations", c->equivocations);
	emit(arg, "db_damaged", c->damaged);
	emit(arg, "db_settle_us", settle_us);
	emit(arg, "db_commits", c->commits);
	emit(arg, "db_commits_failed", c->failed_commits);
	emit(arg, "blocks_held", store.state.bodies);
	emit(arg, "block_bytes_held", store.state.body_bytes);
	emit(arg, "blocks_below_r", placing_below());
	emit(arg, "blocks_fetching", fetchers_wanted());
}

static void
limits(limit_emit emit, void *arg)
{
	const struct recstore_counts *c;

	emit(arg, "writes waiting for a commit", writes_waiting(), WRITES_MAX,
	    0);
	if (store.rs == NULL)
		return;
	c = recstore_counts(store.rs);
	emit(arg, "records not settled", recstore_pending(store.rs),
	    recstore_pending_max(store.rs), c->busy);
	emit(arg, "records of the future", recstore_deferred(store.rs),
	    RECSTORE_DEFERRED, c->future);
	emit(arg, "records held for admission", recstore_held(store.rs),
	    RECSTORE_UNADMITTED, c->unadmitted);
	emit(arg, "proofs of contradictions", store.state.evidence,
	    RECSTORE_EVIDENCE, 0);
	emit(arg, "block body bytes", store.state.body_bytes,
	    store.conf.bodies_max, 0);
	fetchers_limits(emit, arg);
	serve_limits(emit, arg);
	placing_limits(emit, arg);
	links_limits(emit, arg);
	uploads_limits(emit, arg);
	own_limits(emit, arg);
	since_limits(emit, arg);
	warmth_limits(emit, arg);
}

/* clang-format off */
static const struct ipc_handler handlers[] = {
	{ STORE_CONFIG,   on_config },
	{ STORE_CHARTER,  on_charter },
	{ STORE_NODE,     on_node },
	{ STORE_SIGNED,   own_signed },
	{ STORE_FAILED,   own_failed },
	{ CTL_SHOW_STATUS, ctl_status },
	{ CTL_CHECK,      ctl_status },
	{ CTL_SHOW_DB,    ctl_show_db },
	{ CTL_DB_CHECK,   ctl_db_check },
	{ CTL_DB_COMPACT, ctl_db_compact },
	{ CTL_BACKUP,     ctl_backup },
	{ CTL_DB_PUT,     ctl_db_put },
	{ CTL_DB_GET,     ctl_db_get },
	{ CTL_DB_LIST,    ctl_db_list },
	{ CTL_DB_PROVE,   ctl_db_prove },
	{ CTL_LIST,       ctl_list },
	{ CTL_BLOCK_PUT,  ctl_block_put },
	{ CTL_BLOCK_GET,  ctl_block_get },
	{ 0,              NULL },
};
/* clang-format on */

int
main(int argc, char **argv)
{
	static struct msg_table tables[4]; /* the last stays { NULL, 0 } */
	const struct child_conf conf = { .name = "store",
		.kind = PROC_STORE,
		.tables = tables,
		.handlers = handlers,
		.go = go,
		.inside = inside,
		.ready = ready,
		.stop = stop,
		.channel = channel,
		.stats = stats,
		.limits = limits };

	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_store;
	return child_main(argc, argv, &conf);
}
