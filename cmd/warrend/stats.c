/* SPDX-License-Identifier: ISC */
/*
 * Counters of all processes in one answer: an apid worker asks, we ask
 * everybody, pass on what comes, add our own, and end when all have ended.
 * One round at a time; whoever asks meanwhile gets the round that runs.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

static struct {
	bool running;
	uint32_t round; /* id of what we ask, so that late answers are known */
	bool waiting[PROCS_MAX];
	uint32_t askers[4]; /* ids of the scrapes that wait */
	size_t n_askers;
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
	size_t i;

	for (i = 0; a != NULL && i < now_asking.n_askers; i++)
		(void)ipc_send(a->ch, APID_STATS, now_asking.askers[i], s);
}

static void
put(struct msg_apid_stats *s, const char *name, uint64_t value)
{
	struct msg_stat *i = &s->items[s->n_items++];

	(void)strlcpy(i->name, name, sizeof(i->name));
	i->value = value;
}

static void
own_counters(void)
{
	static struct msg_apid_stats s;
	uint64_t restarts = 0;
	unsigned i;

	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.process, "warrend", sizeof(s.process));
	for (i = 0; i < warrend.n_procs; i++)
		restarts += warrend.procs[i].restarts;
	put(&s, "restarts", restarts);
	put(&s, "uptime_seconds",
	    (uint64_t)mono_ms_between(warrend.started, mono_now()) / 1000);
	put(&s, "config_reloads", warrend.reloads);
	put(&s, "log_lines_lost", warrend.log_lost);
	pass_on(&s);
}

static void
end_if_all(void)
{
	struct proc *a = asker();
	size_t i;

	for (i = 0; i < warrend.n_procs; i++)
		if (now_asking.waiting[i])
			return;
	now_asking.running = false;
	for (i = 0; a != NULL && i < now_asking.n_askers; i++)
		(void)ipc_send(
		    a->ch, APID_STATS_END, now_asking.askers[i], NULL);
	now_asking.n_askers = 0;
}

void
stats_get(struct ipc *ch, const struct ipc_msg *m)
{
	unsigned i;
	struct proc *p;

	(void)ch;
	if (now_asking.running || now_asking.n_askers > 0)
		return; /* the scraper coalesces; its deadline does the rest */
	now_asking.askers[now_asking.n_askers++] = m->id;
	now_asking.running = true;
	now_asking.round++;
	own_counters();
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

	if (!now_asking.running)
		return;
	if (m->type == PROC_STATS_END) {
		if (m->id != now_asking.round)
			return;
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
	size_t i = (size_t)(p - warrend.procs);

	if (p->kind == PROC_APID && p->index == 0)
		now_asking.n_askers = 0; /* whoever asked is gone */
	if (!now_asking.running)
		return;
	now_asking.waiting[i] = false;
	end_if_all();
}
