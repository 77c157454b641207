/* SPDX-License-Identifier: ISC */
/*
 * The apps of the configuration and their lives, as promised in apps.h.
 *
 *	stopped --start--> starting --spawned--> running --exit--> stopped
 *	                       ^                    |      or failed, or
 *	                       +----- timer ---- backoff <-- by its policy
 *	                            running --stop--> stopping --exit--> stopped
 *
 * A slot is an app's name for appd; it stays the same over a reload.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/apps_int.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS   60000
#define PROVEN_MS        10000 /* up so long: the next pause is the first */
#define PIPE_BYTES       (256 * 1024)
#define STOPPED_FILE     "apps.stopped"

struct app apps[CONF_APPS];
bool appd_up;

static uint32_t next_instance = 1;
static int door = -1;

/* --- finding --- */

struct app *
app_by_name(const char *name)
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

/* --- what operators stopped --- */

void
apps_save_stopped(void)
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
		if ((a = app_by_name(line)) != NULL)
			a->by_operator = true;
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

/* After a reload its port may be another's, which is still stopping. */
static bool
is_port_taken(const struct app *a)
{
	const struct app *b;

	for (b = apps; b < apps + CONF_APPS; b++)
		if (b->used && b != a && a->conf.port != 0 &&
		    b->port == a->conf.port &&
		    (b->state == APP_STARTING || b->state == APP_RUNNING ||
			b->state == APP_STOPPING))
			return true;
	return false;
}

/* Those that waited for whoever has just gone. */
static void
start_waiting(void)
{
	struct app *a;

	for (a = apps; a < apps + CONF_APPS; a++)
		if (a->used && a->again && a->state == APP_STOPPED &&
		    !a->leaving && appd_up)
			app_start(a);
}

void
app_start(struct app *a)
{
	static struct msg_launch_app m;
	char why[80];
	uid_t uid;
	gid_t gid;
	int app[2], log_end;

	memset(&m, 0, sizeof(m));
	a->by_operator = false;
	if ((a->again = is_port_taken(a))) {
		a->state = APP_STOPPED;
		return;
	}
	if (!app_user(&a->conf, &uid, &gid, why, sizeof(why))) {
		fail(a, why);
		return;
	}
	app_program(&a->conf, m.path, sizeof(m.path));
	if (access(m.path, X_OK) == -1) {
		/* Said at once, to whoever asks; the launcher would find out. */
		fail_to_run(a, m.path, errno);
		return;
	}
	if (!app_dir(&a->conf, uid, gid, m.dir, sizeof(m.dir))) {
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
	app_args(&a->conf, &m);
	if (warrend.conf.apps_by_hand)
		(void)strlcpy(m.socket, warrend.conf.apps_socket,
		    sizeof(m.socket));
	m.drop = warrend.root;
	m.uid = uid;
	m.gid = gid;
	m.as_bytes = a->conf.memory;
	m.files = a->conf.files;
	m.processes = a->conf.processes;
	a->port = a->conf.port;
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
	if (warrend.stopping || asked)
		return;
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
	start_waiting();
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
	else
		start_waiting();
	return true;
}

void
app_stop(struct app *a, bool again)
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
			app_start(a);
		break;
	case APP_STOPPING:
		break;
	default:
		if (again && appd_up)
			app_start(a);
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
			app_start(a);
		else
			timer_set(a, a->backoff_ms);
	}
}

/* --- the configuration --- */

void
app_take(const struct conf_app *c)
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
		    app_user(&apps[i].conf, &uid, &gid, why, sizeof(why));
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
			app_start(a);
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
			app_stop(&apps[i], true);
}

/* --- the whole --- */

void
apps_open(void)
{
	unsigned i;

	for (i = 0; i < warrend.conf.n_apps; i++)
		app_take(&warrend.conf.apps[i]);
	read_stopped();
	if (warrend.conf.apps_by_hand)
		door = app_door_open();
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
			app_stop(&apps[i], false);
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
