/* SPDX-License-Identifier: ISC */
/*
 * As whom, where and what an app runs.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/warrend/apps_int.h"
#include "common/compat/compat.h"

bool
app_user(const struct conf_app *c, uid_t *uid, gid_t *gid, char *why,
    size_t cap)
{
	const struct passwd *pw;
	size_t i;

	*uid = geteuid();
	*gid = getegid();
	if (c->user[0] == '\0') {
		if (!warrend.root)
			return true;
		(void)snprintf(why, cap, "as root an app wants a user");
		return false;
	}
	if ((pw = getpwnam(c->user)) == NULL) {
		(void)snprintf(why, cap, "no user %s", c->user);
		return false;
	}
	if (warrend.root && pw->pw_uid == 0) {
		(void)snprintf(why, cap, "not as root");
		return false;
	}
	for (i = 0; warrend.root && i < PROC_KINDS; i++)
		if (warrend.uids[i] != 0 && warrend.uids[i] == pw->pw_uid) {
			(void)snprintf(why, cap, "user %s is the suite's",
			    c->user);
			return false;
		}
	if (!warrend.root && pw->pw_uid != geteuid()) {
		(void)snprintf(why, cap, "cannot become user %s", c->user);
		return false;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return true;
}

bool
app_dir(const struct conf_app *c, uid_t uid, gid_t gid, char *dir, size_t cap)
{
	char path[512];

	if (c->dir[0] != '\0') {
		(void)strlcpy(dir, c->dir, cap);
		return true;
	}
	(void)snprintf(path, sizeof(path), "%s/apps", warrend.conf.state_dir);
	(void)mkdir(path, 0711);
	(void)snprintf(path, sizeof(path), "%s/apps/%s", warrend.conf.state_dir,
	    c->name);
	(void)mkdir(path, 0711);
	(void)snprintf(dir, cap, "%s/apps/%s/v%s", warrend.conf.state_dir,
	    c->name, c->version);
	if (mkdir(dir, 0750) == -1)
		return errno == EEXIST;
	return !warrend.root || lchown(dir, uid, gid) == 0;
}

void
app_program(const struct conf_app *c, char *path, size_t cap)
{
	if (c->command[0] != '\0')
		(void)strlcpy(path, c->command, cap);
	else
		(void)snprintf(path, cap, "%.180s/%s.v%s",
		    warrend.conf.apps_path, c->name, c->version);
}

void
app_args(const struct conf_app *c, struct msg_launch_app *m)
{
	const char *p = c->args;
	unsigned i;

	for (i = 0; i < c->n_args; i++) {
		(void)strlcpy(m->args[i].text, p, sizeof(m->args[i].text));
		p += strlen(p) + 1;
	}
	m->n_args = c->n_args;
}
