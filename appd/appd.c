/* SPDX-License-Identifier: ISC */
/*
 * The shell of appd: memory, settings from warrend, the one timer.  What it
 * is made of is drawn in appd.h.  Tested in tests/regress/app_test.py.
 */
#include "appd/appd.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"

#define SPARE_MAX  64    /* chunks kept at rest: 2 MiB */
#define CHUNKS_MAX 65536 /* 2 GiB: far above what the windows allow */

struct appd appd;

static struct event *timer;
static int door = -1;
static bool seen[MUX_SLOTS]; /* slots named since the last APPD_APPS_END */

/* --- memory --- */

static struct fifo_chunk *
chunk_get(void *ctx)
{
	struct fifo_chunk *c = appd.spare;

	(void)ctx;
	if (c != NULL) {
		appd.spare = c->next;
		appd.chunks_spare--;
	} else if (appd.chunks >= CHUNKS_MAX ||
	    (c = malloc(sizeof(*c))) == NULL) {
		return NULL;
	}
	if (++appd.chunks > appd.chunks_peak)
		appd.chunks_peak = appd.chunks;
	return c;
}

static void
chunk_put(void *ctx, struct fifo_chunk *c)
{
	(void)ctx;
	appd.chunks--;
	if (appd.chunks_spare >= SPARE_MAX) {
		free(c);
		return;
	}
	c->next = appd.spare;
	appd.spare = c;
	appd.chunks_spare++;
}

/* Of what is sized for the most, only what is used is ever touched. */
static void *
zeroes(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fatalx(EX_OSERR, "out of memory");
	return p;
}

static void
go(void)
{
	struct mux_memory mem = {
		.apps = zeroes(APPD_CONNS, sizeof(struct mux_app)),
		.apps_max = APPD_CONNS,
		.ends = zeroes(APPD_ENDS, sizeof(struct mux_end)),
		.ends_max = APPD_ENDS,
		.by_addr = zeroes(APPD_BUCKETS, sizeof(struct mux_end *)),
		.by_stream = zeroes(APPD_BUCKETS, sizeof(struct mux_end *)),
		.buckets = APPD_BUCKETS,
		.ports = zeroes(1, sizeof(struct ports)),
		.chunks = { chunk_get, chunk_put, NULL },
	};
	struct msg_appd_config conf = appd.mux.conf;
	struct mux_entry entries[MUX_SLOTS];
	uint8_t key[16];
	unsigned i;

	memcpy(entries, appd.mux.entries, sizeof(entries));
	randombytes_buf(key, sizeof(key));
	mux_init(&appd.mux, &mem, &net_ops, key);
	mux_configure(&appd.mux, &conf);
	for (i = 0; i < MUX_SLOTS; i++)
		if (entries[i].used)
			mux_set_entry(&appd.mux, i, &entries[i]);
	conns_start();
}

/* --- time --- */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	mux_tick(&appd.mux, mono_now());
	appd_timer();
}

void
appd_timer(void)
{
	child_timer_set(timer, mux_due(&appd.mux), mono_now());
}

static void
ready(void)
{
	timer = child_timer(on_timer, NULL);
	if (door != -1)
		door_open(door);
}

/* --- settings --- */

static bool
running(void)
{
	return timer != NULL;
}

static void
on_config(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	if (running())
		mux_configure(&appd.mux, m->body);
	else
		appd.mux.conf = *(const struct msg_appd_config *)m->body;
}

/* Apps of a slot have to go: those that came by hand, or all. */
static void
drop_apps(unsigned slot, bool all, const char *why)
{
	const struct mux_app *a = appd.mux.apps;
	unsigned i;

	for (i = 0; i < APPD_CONNS; i++)
		if (a[i].used && a[i].slot == (int)slot &&
		    (all || a[i].instance == 0))
			conns_drop(i, why);
	appd_timer();
}

static void
on_app(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_appd_app *a = m->body;
	struct mux_entry e = { .used = true,
		.port = a->port,
		.by_hand = a->by_hand,
		.uid = a->uid };

	(void)ch;
	if (a->slot >= MUX_SLOTS) {
		fatalx(EX_SOFTWARE, "parent: APPD_APP: no such slot");
		return;
	}
	memcpy(e.name, a->name, sizeof(e.name));
	memcpy(e.version, a->version, sizeof(e.version));
	seen[a->slot] = true;
	if (!running()) {
		appd.mux.entries[a->slot] = e;
		return;
	}
	/* What was launched under the old entry warrend starts anew. */
	if (!mux_is_entry(&appd.mux, a->slot, &e))
		drop_apps(a->slot, false, "its configuration changed");
	mux_set_entry(&appd.mux, a->slot, &e);
}

static void
on_apps_end(struct ipc *ch, const struct ipc_msg *m)
{
	unsigned i;

	(void)ch;
	(void)m;
	for (i = 0; i < MUX_SLOTS && running(); i++) {
		if (seen[i] || !appd.mux.entries[i].used)
			continue;
		drop_apps(i, true, "not in the configuration");
		mux_set_entry(&appd.mux, i, NULL);
	}
	memset(seen, 0, sizeof(seen));
}

static void
on_listen(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	if (door != -1)
		(void)close(door);
	door = m->fd[0];
}

static void
on_pipes(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_appd_pipes *p = m->body;

	(void)ch;
	if (p->slot >= MUX_SLOTS || !appd.mux.entries[p->slot].used) {
		(void)close(m->fd[0]);
		(void)close(m->fd[1]);
		return;
	}
	(void)conns_add(p->slot, p->instance, p->pid, 0, m->fd[0], m->fd[1]);
}

static void
on_gone(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_appd_gone *g = m->body;
	int app = mux_find_instance(&appd.mux, g->instance);

	(void)ch;
	if (app != -1)
		conns_finish((unsigned)app);
}

static void
pipes(enum proc_kind kind, unsigned index, int in, int out)
{
	(void)index;
	if (kind == PROC_PEERD) {
		net_open(in, out);
		return;
	}
	(void)close(in);
	(void)close(out);
}

/* --- counters and limits --- */

static void
stats(stat_emit emit, void *arg)
{
	const struct mux_count *c = &appd.mux.count;

#define X(name) emit(arg, #name, appd.n.name);
	APPD_COUNTERS(X)
#undef X
	emit(arg, "app_conns", appd.mux.n_apps);
	emit(arg, "app_loops", appd.mux.n_ends);
	emit(arg, "app_packets", c->packets);
	emit(arg, "app_malformed", c->malformed);
	emit(arg, "app_foreign", c->foreign);
	emit(arg, "app_loops_opened", c->opened);
	emit(arg, "app_loops_refused", c->refused);
	emit(arg, "app_bytes_in", c->bytes_in);
	emit(arg, "app_bytes_out", c->bytes_out);
	emit(arg, "app_timeouts", c->timeouts);
}

static void
limits(limit_emit emit, void *arg)
{
	const struct mux *m = &appd.mux;

	emit(arg, "apps connected", m->n_apps, m->conf.conns_max,
	    appd.n.app_conns_refused);
	emit(arg, "loops", m->n_ends, m->conf.loops_max, m->count.full);
	emit(arg, "nodes dialled for an app", mux_dials(m), MUX_DIALS,
	    m->count.dials);
	emit(arg, "local ports", m->ports->n, PORT_LAST - PORT_DYNAMIC + 1, 0);
	emit(arg, "bytes of loops waiting", (uint64_t)appd.chunks * FIFO_CHUNK,
	    (uint64_t)CHUNKS_MAX * FIFO_CHUNK, 0);
	emit(arg, "bytes of closed loops", m->left, MUX_LEFT_MAX, m->count.cut);
	emit(arg, "bytes to apps waiting", conns_queued(),
	    (uint64_t)m->conf.conns_max * (512u << 10), 0);
	emit(arg, "peerd channel queue bytes", net_queued(), IPC_HARD_LIMIT, 0);
}

/* clang-format off */
static const struct ipc_handler handlers[] = {
	{ APPD_CONFIG,    on_config },
	{ APPD_APP,       on_app },
	{ APPD_APPS_END,  on_apps_end },
	{ APPD_LISTEN,    on_listen },
	{ APPD_PIPES,     on_pipes },
	{ APPD_GONE,      on_gone },
	{ CTL_SHOW_APPS,  show_apps },
	{ CTL_SHOW_LOOPS, show_loops },
	{ 0,              NULL },
};
/* clang-format on */

int
main(int argc, char **argv)
{
	static struct msg_table tables[4]; /* the last stays { NULL, 0 } */
	const struct child_conf conf = { .name = "appd",
		.kind = PROC_APPD,
		.tables = tables,
		.handlers = handlers,
		.go = go,
		.ready = ready,
		.pipes = pipes,
		.stats = stats,
		.limits = limits };

	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_appd;
	return child_main(argc, argv, &conf);
}
