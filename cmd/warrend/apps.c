/* SPDX-License-Identifier: ISC */
/*
 * The apps of the configuration, as promised in apps.h.
 *
 *	stopped --start--> starting --spawned--> running --exit--> stopped
 *	                       ^                    |      or failed, or
 *	                       +----- timer ---- backoff <-- by its policy
 *	                            running --stop--> stopping --exit--> stopped
 *
 * A slot is an app's name for appd; it stays the same over a reload.
 */
#include "cmd/warrend/apps.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/ctl_local.h"
#include "cmd/warrend/msg_launch.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS   60000
#define PROVEN_MS        10000 /* up so long: the next pause is the first */
#define PIPE_BYTES       (256 * 1024)
#define STOPPED_FILE     "apps.stopped"

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
	bool again;       /* stopping: to be started after it */
	bool quit;        /* starting: to be stopped once it runs */
	bool by_operator; /* stopped by one: not started by itself */
	pid_t pid;
	uint32_t instance, launch;
	int in, out; /* appd's ends, until the app runs */
	struct app_log *log;
	struct app_lines lines;
	struct event *timer;
	uint32_t backoff_ms, restarts;
	struct mono up;
	char last[160];
};

static struct app apps[CONF_APPS];
static uint32_t next_instance = 1;
static int door = -1;
static bool appd_up;

static void start(struct app *a);

/* --- finding --- */

static struct app *
by_name(const char *name)
{
	size_t i;

	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used && strcmp(apps[i].conf.name, name) == 0)
			return &apps[i];
	return NULL;
}

static struct app *
by_launch(uint32_t id)
{
	size_t i;

	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used && apps[i].state == APP_STARTING &&
		    apps[i].launch == id)
			return &apps[i];
	return NULL;
}

static uint8_t
slot_of(const struct app *a)
{
	return (uint8_t)(a - apps);
}

static struct ipc *
appd_channel(void)
{
	struct proc *p = supervise_find(PROC_APPD, 0);

	return p == NULL ? NULL : p->ch;
}

/* --- what an operator stopped stays stopped, over restarts too --- */

static void
save_stopped(void)
{
	char text[CONF_APPS * 34 + 1];
	size_t i, n = 0;

	text[0] = '\0';
	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used && apps[i].by_operator && !apps[i].leaving)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s\n", apps[i].conf.name);
	if (files_write_small(STOPPED_FILE, text) == -1)
		log_warn("%s: %s", STOPPED_FILE, strerror(errno));
}

static void
read_stopped(void)
{
	char text[CONF_APPS * 34 + 1], *line, *rest = text;
	struct app *a;

	if (files_read_small(STOPPED_FILE, text, sizeof(text)) == -1)
		return;
	while ((line = strsep(&rest, "\n")) != NULL)
		if ((a = by_name(line)) != NULL)
			a->by_operator = true;
}

/* --- users and directories --- */

/* Whom the app becomes.  False with why. */
static bool
find_user(const struct conf_app *c, uid_t *uid, gid_t *gid, char *why,
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

/* The app's own directory, made when it is the default one. */
static bool
prepare_dir(const struct conf_app *c, uid_t uid, gid_t gid, char *dir,
    size_t cap)
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

static void
program_of(const struct conf_app *c, char *path, size_t cap)
{
	if (c->command[0] != '\0')
		(void)strlcpy(path, c->command, cap);
	else
		(void)snprintf(path, cap, "%.180s/%s.v%s",
		    warrend.conf.apps_path, c->name, c->version);
}

/* --- lives --- */

static void
timer_set(struct app *a, uint32_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000) * 1000 };

	(void)evtimer_add(a->timer, &tv);
}

static void
close_ends(struct app *a)
{
	if (a->in != -1)
		(void)close(a->in);
	if (a->out != -1)
		(void)close(a->out);
	a->in = a->out = -1;
}

static void
signal_app(const struct app *a, int sig)
{
	struct msg_launch_kill k = { .pid = (uint32_t)a->pid,
		.signal = (uint8_t)sig,
		.group = true };

	if (a->pid > 0)
		supervise_launch(LAUNCH_KILL, 0, &k, -1, -1);
}

static void
fail(struct app *a, const char *why)
{
	(void)strlcpy(a->last, why, sizeof(a->last));
	log_warn("app %s: %s", a->conf.name, why);
	a->state = APP_FAILED;
}

static void
fail_to_run(struct app *a, const char *path, int error)
{
	char why[sizeof(a->last)];

	(void)snprintf(why, sizeof(why),
	    "failed to run app executable: %.80s: %s", path, strerror(error));
	fail(a, why);
}

/* Two pipes and a place for what it prints; the app's ends go in one go. */
static bool
open_pipes(struct app *a, int app[2], int *log_end)
{
	int down[2], up[2] = { -1, -1 }, logs[2] = { -1, -1 };

	if (pipe2(down, O_CLOEXEC) == -1)
		return false;
	if (pipe2(up, O_CLOEXEC) == -1 || pipe2(logs, O_CLOEXEC) == -1) {
		(void)close(down[0]);
		(void)close(down[1]);
		if (up[0] != -1) {
			(void)close(up[0]);
			(void)close(up[1]);
		}
		return false;
	}
#ifdef F_SETPIPE_SZ
	/* Room for several packets: fewer turns for as many bytes. */
	(void)fcntl(down[1], F_SETPIPE_SZ, PIPE_BYTES);
	(void)fcntl(up[1], F_SETPIPE_SZ, PIPE_BYTES);
#endif
	app[0] = down[0];
	app[1] = up[1];
	a->in = up[0];
	a->out = down[1];
	*log_end = logs[1];
	a->log = app_log_new(a->conf.name, logs[0]);
	if (a->log != NULL)
		app_log_keep(a->log, &a->lines);
	return true;
}

static void
fill_args(const struct conf_app *c, struct msg_launch_app *m)
{
	const char *p = c->args;
	unsigned i;

	for (i = 0; i < c->n_args; i++) {
		(void)strlcpy(m->args[i].text, p, sizeof(m->args[i].text));
		p += strlen(p) + 1;
	}
	m->n_args = c->n_args;
}

static void
start(struct app *a)
{
	static struct msg_launch_app m;
	char why[80];
	uid_t uid;
	gid_t gid;
	int app[2], log_end;

	memset(&m, 0, sizeof(m));
	a->by_operator = false;
	if (!find_user(&a->conf, &uid, &gid, why, sizeof(why))) {
		fail(a, why);
		return;
	}
	program_of(&a->conf, m.path, sizeof(m.path));
	if (access(m.path, X_OK) == -1) {
		/* Said at once, to whoever asks; the launcher would find out. */
		fail_to_run(a, m.path, errno);
		return;
	}
	if (!prepare_dir(&a->conf, uid, gid, m.dir, sizeof(m.dir))) {
		(void)snprintf(why, sizeof(why), "its directory: %s",
		    strerror(errno));
		fail(a, why);
		return;
	}
	if (!open_pipes(a, app, &log_end)) {
		fail(a, "no pipes for it");
		return;
	}
	(void)strlcpy(m.name, a->conf.name, sizeof(m.name));
	fill_args(&a->conf, &m);
	if (warrend.conf.apps_by_hand)
		(void)strlcpy(m.socket, warrend.conf.apps_socket,
		    sizeof(m.socket));
	m.drop = warrend.root;
	m.uid = uid;
	m.gid = gid;
	m.as_bytes = a->conf.memory;
	m.files = a->conf.files;
	m.processes = a->conf.processes;
	a->instance = next_instance++;
	a->launch = APPS_IDS | (a->instance & (APPS_IDS - 1));
	a->state = APP_STARTING;
	supervise_launch(LAUNCH_APP_LOG, a->launch, NULL, log_end, -1);
	supervise_launch(LAUNCH_APP, a->launch, &m, app[0], app[1]);
}

bool
apps_spawned(uint32_t id, pid_t pid)
{
	struct app *a = by_launch(id);
	struct msg_appd_pipes p = { .pid = (uint32_t)pid };
	struct ipc *ch = appd_channel();

	if (id < APPS_IDS)
		return false;
	if (a == NULL)
		return true;
	a->pid = pid;
	a->up = mono_now();
	a->state = APP_RUNNING;
	p.slot = slot_of(a);
	p.instance = a->instance;
	if (ch != NULL) {
		(void)ipc_send_fd(ch, APPD_PIPES, 0, &p, a->in, a->out);
		a->in = a->out = -1;
	}
	close_ends(a);
	log_info("app %s pid %d started", a->conf.name, (int)pid);
	control_emit("app", "%s pid %d started", a->conf.name, (int)pid);
	if (a->quit || warrend.stopping) {
		a->quit = false;
		a->state = APP_STOPPING;
		signal_app(a, SIGTERM);
		timer_set(a, a->conf.stop_ms);
	}
	return true;
}

/* It is gone: again, later, or not at all? */
static void
after(struct app *a, bool failed)
{
	bool proven = mono_ms_between(a->up, mono_now()) >= PROVEN_MS;
	bool asked = a->state == APP_STOPPING;

	a->pid = 0;
	a->state = failed && !asked ? APP_FAILED : APP_STOPPED;
	if (a->leaving) {
		struct ipc *ch = appd_channel();

		event_free(a->timer);
		memset(a, 0, sizeof(*a));
		if (ch != NULL)
			apps_setup(supervise_find(PROC_APPD, 0));
		return;
	}
	if (warrend.stopping)
		return;
	if (asked) {
		if (a->again && appd_up)
			start(a);
		a->again = a->again && !appd_up;
		return;
	}
	if (a->conf.restart == CONF_APP_NEVER ||
	    (a->conf.restart == CONF_APP_ON_FAILURE && !failed))
		return;
	if (proven || a->backoff_ms == 0)
		a->backoff_ms = BACKOFF_FIRST_MS;
	else
		a->backoff_ms = a->backoff_ms >= BACKOFF_MAX_MS / 2
		    ? BACKOFF_MAX_MS
		    : a->backoff_ms * 2;
	a->restarts++;
	a->state = APP_BACKOFF;
	timer_set(a, a->backoff_ms);
}

bool
apps_failed(uint32_t id, const char *error)
{
	struct app *a = by_launch(id);

	if (id < APPS_IDS)
		return false;
	if (a == NULL)
		return true;
	close_ends(a);
	app_log_free(a->log);
	a->log = NULL;
	a->quit = false;
	a->up = mono_now();
	(void)snprintf(a->last, sizeof(a->last),
	    "failed to run app executable: %s", error);
	log_warn("app %s: %s", a->conf.name, a->last);
	after(a, true);
	return true;
}

bool
apps_exited(pid_t pid, int status)
{
	struct msg_appd_gone g;
	struct app *a = NULL;
	struct ipc *ch = appd_channel();
	bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	size_t i;

	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used && apps[i].pid == pid)
			a = &apps[i];
	if (a == NULL)
		return false;
	g.instance = a->instance;
	if (ch != NULL)
		(void)ipc_send(ch, APPD_GONE, 0, &g);
	app_log_free(a->log); /* its last words */
	a->log = NULL;
	(void)evtimer_del(a->timer);
	if (WIFSIGNALED(status))
		(void)snprintf(a->last, sizeof(a->last),
		    "killed by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		(void)snprintf(a->last, sizeof(a->last), "exited with code %d",
		    WEXITSTATUS(status));
	if (failed && a->state != APP_STOPPING)
		log_warn("app %s pid %d: %s", a->conf.name, (int)pid, a->last);
	else
		log_info("app %s pid %d: %s", a->conf.name, (int)pid, a->last);
	control_emit("app", "%s pid %d %s", a->conf.name, (int)pid, a->last);
	after(a, failed);
	if (warrend.stopping)
		supervise_maybe_done();
	return true;
}

static void
stop(struct app *a, bool again)
{
	a->again = again;
	switch (a->state) {
	case APP_RUNNING:
		a->state = APP_STOPPING;
		signal_app(a, SIGTERM);
		timer_set(a, a->conf.stop_ms);
		break;
	case APP_STARTING:
		a->quit = true;
		break;
	case APP_BACKOFF:
		(void)evtimer_del(a->timer);
		a->state = APP_STOPPED;
		if (again && appd_up)
			start(a);
		break;
	case APP_STOPPING:
		break;
	default:
		if (again && appd_up)
			start(a);
		break;
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct app *a = arg;

	(void)fd;
	(void)what;
	if (a->state == APP_STOPPING) {
		log_warn("app %s pid %d: did not stop in time; killed",
		    a->conf.name, (int)a->pid);
		signal_app(a, SIGKILL);
	} else if (a->state == APP_BACKOFF && !warrend.stopping) {
		if (appd_up)
			start(a);
		else
			timer_set(a, a->backoff_ms);
	}
}

/* --- the configuration --- */

static void
take(const struct conf_app *c)
{
	struct app *a = apps;

	while (a->used)
		a++;
	memset(a, 0, sizeof(*a));
	a->in = a->out = -1;
	a->conf = *c;
	a->timer = evtimer_new(warrend.base, on_timer, a);
	if (a->timer == NULL)
		fatalx(EX_OSERR, "no memory for a timer");
	a->used = true;
}

void
apps_setup(struct proc *p)
{
	struct msg_appd_config c = warrend.conf.appd;
	struct msg_appd_app m;
	char why[80];
	uid_t uid;
	gid_t gid;
	size_t i;

	memcpy(c.id, warrend.node.id, sizeof(c.id));
	(void)ipc_send(p->ch, APPD_CONFIG, 0, &c);
	for (i = 0; i < CONF_APPS; i++) {
		if (!apps[i].used || apps[i].leaving)
			continue;
		memset(&m, 0, sizeof(m));
		m.slot = (uint8_t)i;
		(void)strlcpy(m.name, apps[i].conf.name, sizeof(m.name));
		(void)strlcpy(m.version, apps[i].conf.version,
		    sizeof(m.version));
		m.port = apps[i].conf.port;
		m.by_hand = apps[i].conf.by_hand &&
		    find_user(&apps[i].conf, &uid, &gid, why, sizeof(why));
		m.uid = m.by_hand ? uid : 0;
		(void)ipc_send(p->ch, APPD_APP, 0, &m);
	}
	(void)ipc_send(p->ch, APPD_APPS_END, 0, NULL);
	if (p->state == PROC_STARTING && door != -1)
		(void)ipc_send_fd(p->ch, APPD_LISTEN, 0, NULL,
		    fcntl(door, F_DUPFD_CLOEXEC, 0), -1);
}

void
apps_appd_up(void)
{
	size_t i;

	appd_up = true;
	for (i = 0; i < CONF_APPS; i++) {
		struct app *a = &apps[i];

		if (!a->used || a->state != APP_STOPPED)
			continue;
		if (a->again ||
		    (a->conf.autostart && !a->by_operator && a->restarts == 0 &&
			a->up.us == 0))
			start(a);
		a->again = false;
	}
}

/* Their pipes lead nowhere now: they are started anew with appd. */
void
apps_appd_lost(void)
{
	size_t i;

	appd_up = false;
	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used &&
		    (apps[i].state == APP_RUNNING ||
			apps[i].state == APP_STARTING))
			stop(&apps[i], true);
}

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
		stop(a, false);
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
		if (by_name(warrend.conf.apps[i].name) != NULL)
			continue;
		for (a = apps; a < apps + CONF_APPS && a->used; a++)
			continue;
		if (a == apps + CONF_APPS) {
			log_warn("app %s: no place until those that leave are "
				 "gone; reload again",
			    warrend.conf.apps[i].name);
			continue;
		}
		take(&warrend.conf.apps[i]);
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
			stop(a, true);
		else if (fresh[i] && a->conf.autostart && appd_up)
			start(a);
	}
	save_stopped();
}

/* --- the whole --- */

/* What lies at the path is ours to remove unless somebody listens there. */
static void
make_room(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd != -1 &&
	    connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0)
		fatalx(EX_UNAVAILABLE,
		    "apps socket %s: another warrend listens there",
		    un->sun_path);
	if (fd != -1)
		(void)close(fd);
	(void)unlink(un->sun_path);
}

static void
open_door(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = warrend.conf.apps_socket;
	mode_t old;

	if (strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path))
		fatalx(EX_CONFIG, "apps socket %s: path too long", path);
	make_room(&un);
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* All may knock: appd looks at who it is. */
	old = umask(0111);
	if (door == -1 ||
	    bind(door, (const struct sockaddr *)&un, sizeof(un)) == -1 ||
	    listen(door, 16) == -1)
		fatal(EX_UNAVAILABLE, "apps socket %s", path);
	(void)umask(old);
}

void
apps_open(void)
{
	unsigned i;

	for (i = 0; i < warrend.conf.n_apps; i++)
		take(&warrend.conf.apps[i]);
	read_stopped();
	if (warrend.conf.apps_by_hand)
		open_door();
}

void
apps_close(void)
{
	if (door != -1)
		(void)unlink(warrend.conf.apps_socket);
}

void
apps_stop_all(void)
{
	size_t i;

	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used)
			stop(&apps[i], false);
}

void
apps_kill_all(void)
{
	size_t i;

	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used)
			signal_app(&apps[i], SIGKILL);
}

bool
apps_all_gone(void)
{
	size_t i;

	for (i = 0; i < CONF_APPS; i++)
		if (apps[i].used && apps[i].pid != 0)
			return false;
	return true;
}

/* --- control requests --- */

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
	struct app *a = by_name(name);

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
		stop(a, true);
	save_stopped();
	if (a->state == APP_FAILED)
		return end(ch, m->id, 1, "%s", a->last);
	return end(ch, m->id, 0, "started");
}

bool
ctl_app_stop(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	struct app *a = by_name(name);

	if (a == NULL)
		return end(ch, m->id, 1, "unknown app");
	a->by_operator = true;
	save_stopped();
	stop(a, false);
	return end(ch, m->id, 0, "stopped");
}

bool
ctl_app_restart(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	struct app *a = by_name(name);

	if (a == NULL || a->leaving)
		return end(ch, m->id, 1, "unknown app");
	a->by_operator = false;
	a->backoff_ms = 0;
	save_stopped();
	stop(a, true);
	return end(ch, m->id, 0, "restarted");
}

bool
ctl_app_log(struct ipc *ch, const struct ipc_msg *m)
{
	const char *name = ((const struct msg_ctl_word *)m->body)->word;
	const struct app *a = by_name(name);
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
