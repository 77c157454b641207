/* SPDX-License-Identifier: ISC */
/*
 * What operators ask of apps: warrenctl(8), app and show apps.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/warrend/apps_int.h"
#include "cmd/warrend/ctl_local.h"
#include "common/compat/compat.h"

static bool end(struct ipc *ch, uint32_t id, uint8_t code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The end of an answer; false, as ctl_local has it. */
static bool
end(struct ipc *ch, uint32_t id, uint8_t code, const char *fmt, ...)
{
	struct msg_ctl_end e = { .code = code };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	(void)ipc_send(ch, CTL_END, id, &e);
	return false;
}

bool
ctl_apps(struct ipc *ch, const struct ipc_msg *m)
{
	static const char *const names[] = { "stopped", "starting", "running",
		"backoff", "stopping", "failed" };
	const struct app *a;
	struct msg_ctl_app v;
	size_t i;

	for (i = 0; i < CONF_APPS; i++) {
		a = &apps[i];
		if (!a->used)
			continue;
		memset(&v, 0, sizeof(v));
		(void)strlcpy(v.name, a->conf.name, sizeof(v.name));
		(void)strlcpy(v.version, a->conf.version, sizeof(v.version));
		(void)strlcpy(v.state, names[a->state], sizeof(v.state));
		(void)strlcpy(v.user, a->conf.user, sizeof(v.user));
		(void)strlcpy(v.restart, conf_app_restart_name(a->conf.restart),
		    sizeof(v.restart));
		(void)strlcpy(v.last, a->last, sizeof(v.last));
		v.port = a->conf.port;
		v.pid = (uint32_t)a->pid;
		v.restarts = a->restarts;
		v.autostart = a->conf.autostart && !a->by_operator;
		if (a->pid != 0)
			v.uptime_s =
			    (uint64_t)mono_ms_between(a->up, mono_now()) / 1000;
		(void)ipc_send(ch, CTL_APP, m->id, &v);
	}
	return true;
}

bool
ctl_app_start(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	struct app *a = app_by_name(name);

	if (a == NULL || a->leaving)
		return end(ch, m->id, 1, "unknown app");
	if (a->state == APP_RUNNING || a->state == APP_STARTING)
		return end(ch, m->id, 1, "App %s is already started", name);
	if (!appd_up)
		return end(ch, m->id, EX_TEMPFAIL, "appd is restarting");
	a->by_operator = false;
	a->backoff_ms = 0;
	if (a->state == APP_STOPPING)
		a->again = true;
	else
		app_stop(a, true);
	apps_save_stopped();
	if (a->state == APP_FAILED)
		return end(ch, m->id, 1, "%s", a->last);
	if (a->state == APP_STOPPED && a->again)
		return end(ch, m->id, 0, "starts when port %u is free",
		    a->conf.port);
	return end(ch, m->id, 0, "started");
}

bool
ctl_app_stop(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	struct app *a = app_by_name(name);

	if (a == NULL)
		return end(ch, m->id, 1, "unknown app");
	a->by_operator = true;
	apps_save_stopped();
	app_stop(a, false);
	return end(ch, m->id, 0, "stopped");
}

bool
ctl_app_restart(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	struct app *a = app_by_name(name);

	if (a == NULL || a->leaving)
		return end(ch, m->id, 1, "unknown app");
	a->by_operator = false;
	a->backoff_ms = 0;
	apps_save_stopped();
	app_stop(a, true);
	return end(ch, m->id, 0, "restarted");
}

bool
ctl_app_log(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	const struct app *a = app_by_name(name);
	struct msg_ctl_line l;
	const char *p, *nl, *stop_at;

	if (a == NULL)
		return end(ch, m->id, 1, "unknown app");
	stop_at = a->lines.text + a->lines.len;
	for (p = a->lines.text; p < stop_at; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(stop_at - p));
		if (nl == NULL)
			break;
		(void)snprintf(l.text, sizeof(l.text), "%.*s", (int)(nl - p),
		    p);
		(void)ipc_send(ch, CTL_LINE, m->id, &l);
	}
	return true;
}
