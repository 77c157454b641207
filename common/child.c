/* SPDX-License-Identifier: ISC */
/*
 * The life of a child, as drawn in child.h.
 */
#include "common/child.h"

#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/attack.h"
#include "common/compat/compat.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "common/sandbox.h"

#define LOST_WAIT_MS 1000 /* for the next life of a sibling */
#define WORKERS_MAX  64

static struct {
	const struct child_conf *conf;
	struct event_base *base;
	struct ipc *parent;
	struct msg_proc_start start;
	char name[24];
	bool started, gone;
	int code;
	/* Siblings whose channel ended, a bit for each worker. */
	uint64_t lost[PROC_KINDS];
	struct event *lost_timer;
} me;

struct event_base *
child_base(void)
{
	return me.base;
}

struct ipc *
child_parent(void)
{
	return me.parent;
}

const struct msg_proc_start *
child_start(void)
{
	return &me.start;
}

void
child_exit(int code)
{
	me.code = code;
	me.gone = true;
	(void)event_base_loopbreak(me.base);
}

void
child_event(const char *kind, const char *fmt, ...)
{
	struct msg_event e = { .time = (uint64_t)wall_now().ms };
	va_list ap;

	(void)snprintf(e.kind, sizeof(e.kind), "%s", kind);
	(void)snprintf(e.process, sizeof(e.process), "%s", me.name);
	va_start(ap, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	if (!ipc_is_full(me.parent))
		(void)ipc_send(me.parent, PROC_EVENT, 0, &e);
}

void
child_ctl_end(struct ipc *ch, uint32_t id, uint8_t code, const char *fmt, ...)
{
	struct msg_ctl_end end = { .code = code };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(end.text, sizeof(end.text), fmt, ap);
	va_end(ap);
	(void)ipc_send(ch, CTL_END, id, &end);
}

/* --- channels of siblings --- */

static void
on_lost_timer(evutil_socket_t fd, short what, void *arg)
{
	struct msg_proc_lost l;
	unsigned kind, i;

	(void)fd;
	(void)what;
	(void)arg;
	for (kind = 0; kind < PROC_KINDS; kind++)
		for (i = 0; i < WORKERS_MAX; i++) {
			if ((me.lost[kind] & UINT64_C(1) << i) == 0)
				continue;
			l.kind = (uint8_t)kind;
			l.index = (uint8_t)i;
			(void)ipc_send(me.parent, PROC_LOST, 0, &l);
		}
	memset(me.lost, 0, sizeof(me.lost));
}

void
child_channel_lost(enum proc_kind kind, unsigned index)
{
	struct mono now = mono_now();

	if (index >= WORKERS_MAX)
		return;
	me.lost[kind] |= UINT64_C(1) << index;
	child_timer_set(me.lost_timer, mono_add_ms(now, LOST_WAIT_MS), now);
}

static void
on_channel(const struct msg_proc_channel *c, int fd)
{
	me.lost[c->kind] &= ~(UINT64_C(1) << c->index);
	if (me.conf->channel != NULL)
		me.conf->channel((enum proc_kind)c->kind, c->index, fd);
	else
		(void)close(fd);
}

static void
on_pipes(const struct msg_proc_channel *c, int in, int out)
{
	me.lost[c->kind] &= ~(UINT64_C(1) << c->index);
	if (me.conf->pipes != NULL) {
		me.conf->pipes((enum proc_kind)c->kind, c->index, in, out);
		return;
	}
	(void)close(in);
	(void)close(out);
}

/* --- what every child hears --- */

static void
on_start(const struct msg_proc_start *st)
{
	if (me.started || st->kind != me.conf->kind)
		fatalx(EX_SOFTWARE, "PROC_START twice or for another process");
	me.start = *st;
	me.started = true;
	log_set_level((enum log_level)st->log_level);
	if (st->kind == PROC_APID)
		(void)snprintf(me.name, sizeof(me.name), "%s %u", me.conf->name,
		    st->index);
	if (me.conf->start != NULL)
		me.conf->start(st);
}

/*
 * What was needed to start, most of it for the system call filter, is given
 * back.  It would also hide what leaks, until it was used up.
 */
static void
give_back_memory(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

static void
on_go(void)
{
	struct msg_proc_ready r = { .dropped = false };
	const struct msg_proc_start *st = &me.start;

	if (!me.started)
		fatalx(EX_SOFTWARE, "PROC_GO before PROC_START");
	if (me.conf->go != NULL)
		me.conf->go();
	if (st->drop) {
		if (sandbox_drop(st->root, st->uid, st->gid) == -1)
			fatal(EX_NOPERM, "drop privileges to uid %u in %s",
			    st->uid, st->root);
		r.dropped = true;
	}
	if (me.conf->inside != NULL)
		me.conf->inside();
	r.level = (uint8_t)sandbox_enter(me.conf->kind, st->nofile,
	    st->as_bytes, st->landlock_max, r.sandbox);
	give_back_memory();
	(void)ipc_send(me.parent, PROC_READY, 0, &r);
	ipc_set_phase(me.parent, PH_RUN);
	if (me.conf->ready != NULL)
		me.conf->ready();
}

/* One round of counters. */
static struct {
	uint32_t id;
	struct msg_proc_stats s;
} stats;

static void
emit_stat(void *arg, const char *name, uint64_t value)
{
	struct msg_proc_stats *s = &stats.s;
	struct msg_stat *item;

	(void)arg;
	if (s->n_items == sizeof(s->items) / sizeof(s->items[0])) {
		(void)ipc_send(me.parent, PROC_STATS, stats.id, s);
		s->n_items = 0;
	}
	item = &s->items[s->n_items++];
	(void)snprintf(item->name, sizeof(item->name), "%s", name);
	item->value = value;
}

static void
on_stats_get(uint32_t id)
{
	stats.id = id;
	stats.s.n_items = 0;
	if (me.conf->stats != NULL)
		me.conf->stats(emit_stat, NULL);
	if (stats.s.n_items > 0)
		(void)ipc_send(me.parent, PROC_STATS, id, &stats.s);
	(void)ipc_send(me.parent, PROC_STATS_END, id, NULL);
}

static void
emit_limit(void *arg, const char *name, uint64_t used, uint64_t max,
    uint64_t refused)
{
	const uint32_t *id = arg;
	struct msg_limit l = { .used = used, .max = max, .refused = refused };

	(void)snprintf(l.process, sizeof(l.process), "%s", me.name);
	(void)snprintf(l.name, sizeof(l.name), "%s", name);
	(void)ipc_send(me.parent, CTL_LIMIT, *id, &l);
}

static void
on_limits(uint32_t id)
{
	if (me.conf->limits != NULL)
		me.conf->limits(emit_limit, &id);
	emit_limit(&id, "parent channel queue bytes", ipc_queued(me.parent),
	    IPC_HARD_LIMIT, 0);
	child_ctl_end(me.parent, id, 0, "%s", "");
}

/* The same counters, for whoever asks over the control socket. */
static void
send_metrics(struct msg_ctl_metrics *s, uint32_t id)
{
	(void)snprintf(s->process, sizeof(s->process), "%s", me.name);
	(void)ipc_send(me.parent, CTL_METRICS, id, s);
	s->n_items = 0;
}

static struct {
	uint32_t id;
	struct msg_ctl_metrics s;
} shown;

static void
emit_metric(void *arg, const char *name, uint64_t value)
{
	struct msg_ctl_metrics *s = &shown.s;
	struct msg_stat *item;

	(void)arg;
	if (s->n_items == sizeof(s->items) / sizeof(s->items[0]))
		send_metrics(s, shown.id);
	item = &s->items[s->n_items++];
	(void)snprintf(item->name, sizeof(item->name), "%s", name);
	item->value = value;
}

static void
on_metrics(uint32_t id)
{
	shown.id = id;
	shown.s.n_items = 0;
	if (me.conf->stats != NULL)
		me.conf->stats(emit_metric, NULL);
	if (shown.s.n_items > 0)
		send_metrics(&shown.s, id);
	child_ctl_end(me.parent, id, 0, "%s", "");
}

/* Messages that are not the child's own. */
static void
on_other(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_proc_loglevel *l = m->body;

	(void)ch;
	switch (m->type) {
	case PROC_START:
		on_start(m->body);
		break;
	case PROC_GO:
		on_go();
		break;
	case PROC_STOP:
		if (me.conf->stop != NULL)
			me.conf->stop();
		else
			child_exit(0);
		break;
	case PROC_LOGLEVEL:
		log_set_level((enum log_level)l->level);
		break;
	case PROC_CHANNEL:
		on_channel(m->body, m->fd[0]);
		break;
	case PROC_PIPES:
		on_pipes(m->body, m->fd[0], m->fd[1]);
		break;
	case PROC_STATS_GET:
		on_stats_get(m->id);
		break;
	case CTL_SHOW_LIMITS:
		on_limits(m->id);
		break;
	case CTL_SHOW_METRICS:
		on_metrics(m->id);
		break;
#ifdef WARREN_ATTACK
	case PROC_ATTACK:
		attack_run(((const struct msg_proc_attack *)m->body)->what);
		break;
#endif
	default:
		fatalx(EX_SOFTWARE, "no handler for %s", m->def->name);
	}
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	(void)ch;
	if (how != IPC_EOF)
		log_warn("parent: %s", why);
	child_exit(how == IPC_EOF ? 0 : EX_SOFTWARE);
}

/* Before the door closes: what libraries would otherwise open later. */
static void
warm_up(void)
{
	time_t now = time(NULL);
	struct tm tm;

	if (sodium_init() == -1)
		fatalx(EX_OSERR, "libsodium: no random source");
	tzset();
	(void)gmtime_r(&now, &tm);
}

int
child_main(int argc, char **argv, const struct child_conf *conf)
{
	struct ipc_conf ic = { .name = "parent",
		.tables = conf->tables,
		.handlers = conf->handlers,
		.other = on_other,
		.ended = on_ended };
	struct event_config *cfg;

	(void)argc;
	(void)argv;
	if (fcntl(CHILD_IPC_FD, F_GETFD) == -1 ||
	    fcntl(LOG_FD, F_GETFD) == -1) {
		(void)fprintf(stderr,
		    "%s: started by warrend, not by hand; see warrend(8)\n",
		    conf->name);
		return EX_USAGE;
	}
	closefrom(LOG_FD + 1);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Standard error may be a file, of which the sandbox lets nothing be
	 * written: that is an error, not the end. */
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	me.conf = conf;
	(void)snprintf(me.name, sizeof(me.name), "%s", conf->name);
	(void)log_open(LOG_TO_PARENT, me.name, NULL);
	warm_up();
	if ((cfg = event_config_new()) == NULL)
		fatalx(EX_OSERR, "event loop");
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	me.base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (me.base == NULL ||
	    (me.parent = ipc_new(me.base, CHILD_IPC_FD, &ic)) == NULL)
		fatalx(EX_OSERR, "event loop");
	child_timers_init();
	me.lost_timer = child_timer(on_lost_timer, NULL);
	while (!me.gone && event_base_loop(me.base, EVLOOP_ONCE) == 0)
		continue;
	ipc_flush(me.parent);
	return me.code;
}
