/* SPDX-License-Identifier: ISC */
/*
 * Apps beside the node, over all their lives: started and stopped as
 * warren.conf(5) and the operator say, restarted when they fail, their lines
 * in our log.  appd speaks with them; it gets its ends of their pipes from
 * here.  Tested in tests/regress/app_test.py.
 */
#ifndef WARREN_APPS_H
#define WARREN_APPS_H

#include "cmd/warrend/warrend.h"

#define APPS_IDS 0x40000000u /* ids of requests to the launcher, from here */

/* Before the sandbox: the socket for apps started by hand. */
void apps_open(void);
void apps_close(void);

/* What appd is told before PROC_GO. */
void apps_setup(struct proc *p);
/* appd is ready, or has died. */
void apps_appd_up(void);
void apps_appd_lost(void);
/* After a reload: start, stop and keep as the new configuration says. */
void apps_reconfigure(void);

/* Ask all to leave; true once none is left. */
void apps_stop_all(void);
void apps_kill_all(void);
bool apps_all_gone(void);

/* From the launcher; false when the id or pid is no app's. */
bool apps_spawned(uint32_t id, pid_t pid);
bool apps_failed(uint32_t id, const char *error);
bool apps_exited(pid_t pid, int status);

/* --- app_log.c: lines of apps --- */

struct app_log;

/* Lines of the app called name come from fd.  NULL when memory is out. */
struct app_log *app_log_new(const char *name, int fd);
/* Read what is left, close; what was kept stays in kept. */
void app_log_free(struct app_log *l);

/* The last lines of an app, over its lives. */
struct app_lines {
	char text[16384]; /* lines, each with a newline */
	size_t len;
};

void app_log_keep(struct app_log *l, struct app_lines *kept);

#endif
