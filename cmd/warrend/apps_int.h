/* SPDX-License-Identifier: ISC */
/*
 * What the files of the apps share:
 *
 *	apps.c        their lives
 *	app_home.c    as whom, where and what an app runs
 *	app_door.c    the socket for those started by hand
 *	app_reload.c  after a reload
 *	app_ctl.c     what operators ask
 *	app_log.c     their lines
 *
 * Private to them.
 */
#ifndef WARREN_APPS_INT_H
#define WARREN_APPS_INT_H

#include "cmd/warrend/apps.h"
#include "cmd/warrend/msg_launch.h"

enum app_state {
	APP_STOPPED,
	APP_STARTING, /* the launcher has been asked */
	APP_RUNNING,
	APP_BACKOFF,
	APP_STOPPING,
	APP_FAILED /* it failed and is not to be restarted */
};

struct app {
	bool used;
	bool leaving; /* not configured any more: forgotten when it is gone */
	struct conf_app conf;
	enum app_state state;
	bool again;       /* to be started once it, or its port, is free */
	bool quit;        /* starting: to be stopped once it runs */
	bool by_operator; /* stopped by one: not started by itself */
	pid_t pid;
	uint32_t instance, launch;
	uint16_t port; /* that it was started with */
	int in, out; /* appd's ends, until the app runs */
	struct app_log *log;
	struct app_lines lines;
	struct event *timer;
	uint32_t backoff_ms, restarts;
	struct mono up;
	char last[160];
};

/* --- apps.c --- */

extern struct app apps[CONF_APPS];
extern bool appd_up;

/* The app of that name, or NULL. */
struct app *app_by_name(const char *name);
/* A place for it: there is one.  Fatal without memory. */
void app_take(const struct conf_app *c);
/* At once, or when an app that runs with its port has gone. */
void app_start(struct app *a);
/* Ask it to leave; again: and start it after that. */
void app_stop(struct app *a, bool again);
/* What an operator stopped stays stopped, over restarts too. */
void apps_save_stopped(void);

/* --- app_home.c --- */

/* Whom the app becomes.  False with why. */
bool app_user(const struct conf_app *c, uid_t *uid, gid_t *gid, char *why,
    size_t cap);
/* Its own directory, made when it is the default one.  False with errno. */
bool app_dir(const struct conf_app *c, uid_t uid, gid_t gid, char *dir,
    size_t cap);
void app_program(const struct conf_app *c, char *path, size_t cap);
void app_args(const struct conf_app *c, struct msg_launch_app *m);

/* --- app_door.c --- */

/* Bound and listening; fatal when that cannot be. */
int app_door_open(void);

#endif
