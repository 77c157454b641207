/* SPDX-License-Identifier: ISC */
/*
 * Apps after a reload: started, stopped and kept as the new file says.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/apps_int.h"
#include "common/log.h"

/* What a running app would notice. */
static bool
differs(const struct conf_app *a, const struct conf_app *b)
{
	struct conf_app x = *a, y = *b;

	x.at = y.at = (struct conf_origin){ 0 };
	x.autostart = y.autostart = false;
	x.restart = y.restart = 0;
	x.by_hand = y.by_hand = false;
	x.stop_ms = y.stop_ms = 0;
	return strcmp(x.name, y.name) != 0 ||
	    strcmp(x.version, y.version) != 0 ||
	    strcmp(x.command, y.command) != 0 || x.args_len != y.args_len ||
	    memcmp(x.args, y.args, x.args_len) != 0 || x.port != y.port ||
	    strcmp(x.user, y.user) != 0 || strcmp(x.dir, y.dir) != 0 ||
	    x.memory != y.memory || x.files != y.files ||
	    x.processes != y.processes;
}

static const struct conf_app *
conf_by_name(const char *name)
{
	const struct config *c = &warrend.conf;
	unsigned i;

	for (i = 0; i < c->n_apps; i++)
		if (strcmp(c->apps[i].name, name) == 0)
			return &c->apps[i];
	return NULL;
}

/* Stop it and forget it, at once if it does not run. */
static void
dismiss(struct app *a)
{
	a->leaving = true;
	if (a->state == APP_RUNNING || a->state == APP_STARTING) {
		app_stop(a, false);
	} else if (a->state != APP_STOPPING) {
		event_free(a->timer);
		memset(a, 0, sizeof(*a));
	}
}

void
apps_reconfigure(void)
{
	bool changed[CONF_APPS] = { false }, fresh[CONF_APPS] = { false };
	const struct conf_app *c;
	struct proc *p = supervise_find(PROC_APPD, 0);
	struct app *a;
	unsigned i;

	for (i = 0; i < CONF_APPS; i++) {
		if (!apps[i].used)
			continue;
		if ((c = conf_by_name(apps[i].conf.name)) == NULL) {
			dismiss(&apps[i]);
			continue;
		}
		changed[i] = differs(&apps[i].conf, c);
		apps[i].conf = *c;
		apps[i].leaving = false;
	}
	for (i = 0; i < warrend.conf.n_apps; i++) {
		if (app_by_name(warrend.conf.apps[i].name) != NULL)
			continue;
		for (a = apps; a < apps + CONF_APPS && a->used; a++)
			continue;
		if (a == apps + CONF_APPS) {
			log_warn("app %s: no place until those that leave are "
				 "gone; reload again",
			    warrend.conf.apps[i].name);
			continue;
		}
		app_take(&warrend.conf.apps[i]);
		fresh[a - apps] = true;
	}
	if (p != NULL)
		apps_setup(p);
	for (i = 0; i < CONF_APPS; i++) {
		a = &apps[i];
		if (!a->used || a->leaving)
			continue;
		if (changed[i] &&
		    (a->state == APP_RUNNING || a->state == APP_STARTING ||
			a->state == APP_BACKOFF))
			app_stop(a, true);
		else if (fresh[i] && a->conf.autostart && appd_up)
			app_start(a);
	}
	apps_save_stopped();
}
