/* SPDX-License-Identifier: ISC */
/*
 * Counters of all processes in one answer: an apid worker asks, we ask
 * everybody, pass on what comes, add our own, and end when all have ended.
 * One round at a time, and it ends before the scraper gives up: a process
 * that does not answer is left out.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/ctl_local.h"
#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define ROUND_MS 1000 /* shorter than the scraper waits: metrics.h */

static struct {
	bool running;
	uint32_t round; /* id of what we ask, so that late answers are known */
	bool waiting[PROCS_MAX];
	uint32_t asker; /* id of the scrape that waits */
	struct event *deadline;
} now_asking;

static struct proc *
asker(void)
{
	return supervise_find(PROC_APID, 0);
}

static void
pass_on(const struct msg_apid_stats *s)
{
	struct proc *a = asker();

	if (a != NULL)
		(void)ipc_send(a->ch, APID_STATS, now_asking.asker, s);
}

static void
put(struct msg_stat *i, const char *name, uint64_t value)
{
	memset(i, 0, sizeof(*i));
	(void)strlcpy(i->name, name, sizeof(i->name));
	i->value = value;
}

#define OWN 4

static void
own_counters(struct msg_stat out[OWN])
{
	uint64_t restarts = 0;
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		restarts += warrend.procs[i].restarts;
	put(&out[0], "restarts", restarts);
	put(&out[1], "uptime_seconds",
	    (uint64_t)mono_ms_between(warrend.started, mono_now()) / 1000);
	put(&out[2], "config_reloads", warrend.reloads);
	put(&out[3], "log_lines_lost", warrend.log_lost);
}

static void
pass_on_own(void)
{
	static struct msg_apid_stats s;

	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.process, "warrend", sizeof(s.process));
	own_counters(s.items);
	s.n_items = OWN;
	pass_on(&s);
}

bool
ctl_metrics(struct ipc *ch, const struct ipc_msg *m)
{
	static struct msg_ctl_metrics s;

	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.process, "warrend", sizeof(s.process));
	own_counters(s.items);
	s.n_items = OWN;
	(void)ipc_send(ch, CTL_METRICS, m->id, &s);
	return true;
}

static void
end_round(void)
{
	struct proc *a = asker();

	now_asking.running = false;
	if (now_asking.deadline != NULL)
		(void)evtimer_del(now_asking.deadline);
	if (a != NULL)
		(void)ipc_send(a->ch, APID_STATS_END, now_asking.asker, NULL);
}

static void
end_if_all(void)
{
	size_t i;

	for (i = 0; i < warrend.n_procs; i++)
		if (now_asking.waiting[i])
			return;
	end_round();
}

/* Whoever has not answered is left out. */
static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (now_asking.running)
		end_round();
}

static void
set_deadline(void)
{
	struct timeval tv = { ROUND_MS / 1000, ROUND_MS % 1000 * 1000 };

	if (now_asking.deadline == NULL)
		now_asking.deadline =
		    evtimer_new(warrend.base, on_deadline, NULL);
	if (now_asking.deadline != NULL)
		(void)evtimer_add(now_asking.deadline, &tv);
}

void
stats_get(struct ipc *ch, const struct ipc_msg *m)
{
	unsigned i;
	struct proc *p;

	if (now_asking.running || ipc_ctx(ch) != asker())
		return;
	now_asking.asker = m->id;
	now_asking.running = true;
	now_asking.round++;
	set_deadline();
	pass_on_own();
	for (i = 0; i < warrend.n_procs; i++) {
		p = &warrend.procs[i];
		now_asking.waiting[i] = p->state == PROC_UP && p->ch != NULL &&
		    ipc_send(p->ch, PROC_STATS_GET, now_asking.round, NULL) ==
			0;
	}
	end_if_all();
}

void
stats_from_child(struct proc *p, const struct ipc_msg *m)
{
	static struct msg_apid_stats s;
	const struct msg_proc_stats *from = m->body;

	if (!now_asking.running || m->id != now_asking.round ||
	    !now_asking.waiting[p - warrend.procs])
		return;
	if (m->type == PROC_STATS_END) {
		now_asking.waiting[p - warrend.procs] = false;
		end_if_all();
		return;
	}
	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.process, p->name, sizeof(s.process));
	memcpy(s.items, from->items, sizeof(s.items));
	s.n_items = from->n_items;
	pass_on(&s);
}

void
stats_lost(struct proc *p)
{
	if (!now_asking.running)
		return;
	/* A new asker must not hear what the one that died had asked. */
	if (p->kind == PROC_APID && p->index == 0) {
		now_asking.running = false;
		return;
	}
	now_asking.waiting[p - warrend.procs] = false;
	end_if_all();
}
