/* SPDX-License-Identifier: ISC */
/*
 * What warrenctl shows of apps and loops.
 */
#include <string.h>

#include "appd/appd.h"
#include "common/compat/compat.h"

static const char *
name_of(const struct mux_app *a)
{
	return a == NULL || a->slot < 0 ? "" : appd.mux.entries[a->slot].name;
}

static uint64_t
age_s(struct mono since)
{
	return (uint64_t)mono_ms_between(since, mono_now()) / 1000;
}

void
show_apps(struct ipc *ch, const struct ipc_msg *m)
{
	const struct mux_app *a;
	struct msg_ctl_app_conn c;
	unsigned i;

	for (i = 0; i < APPD_CONNS; i++) {
		a = &appd.mux.apps[i];
		if (!a->used)
			continue;
		memset(&c, 0, sizeof(c));
		(void)strlcpy(c.name, name_of(a), sizeof(c.name));
		c.pid = a->pid;
		c.by_hand = a->instance == 0;
		c.ready = a->inited;
		c.port = a->port;
		c.loops = a->n_ends;
		c.bytes_in = a->in;
		c.bytes_out = a->out;
		c.refused = a->refused;
		c.age_s = age_s(a->since);
		(void)ipc_send(ch, CTL_APP_CONN, m->id, &c);
	}
	child_ctl_end(ch, m->id, 0, "%s", "");
}

static const char *
state_of(const struct mux_end *e)
{
	static const char *const names[] = {
		[END_FREE] = "free",
		[END_DIALING] = "dialing",
		[END_CONFIRMING] = "confirming",
		[END_OPEN] = "open",
		[END_CLOSED] = "closing",
	};

	return e->far_closed && e->state == END_OPEN ? "closing"
						     : names[e->state];
}

void
show_loops(struct ipc *ch, const struct ipc_msg *m)
{
	const struct mux_end *e;
	struct msg_ctl_loop l;
	unsigned i;

	for (i = 0; i < appd.mux.ends_used; i++) {
		e = &appd.mux.ends[i];
		if (e->state == END_FREE)
			continue;
		memset(&l, 0, sizeof(l));
		l.loop = e->stream;
		(void)strlcpy(l.app, name_of(e->app), sizeof(l.app));
		(void)strlcpy(l.state, state_of(e), sizeof(l.state));
		l.port = e->port;
		memcpy(l.node, e->remote.pk, sizeof(l.node));
		l.remote_port = e->remote.port;
		l.local = !e->far;
		l.relayed = e->relayed;
		l.bytes_in = e->in;
		l.bytes_out = e->out;
		l.waiting = (uint64_t)e->tx.len + e->rx.len;
		l.age_s = age_s(e->since);
		(void)ipc_send(ch, CTL_LOOP, m->id, &l);
	}
	child_ctl_end(ch, m->id, 0, "%s", "");
}
