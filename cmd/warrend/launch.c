/* SPDX-License-Identifier: ISC */
/*
 * The launcher, as promised in launch.h.  When the parent is gone every child
 * sees its channel close; those that do not leave within half a second are
 * killed, and then the launcher leaves too.
 */
#include "cmd/warrend/launch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/msg_launch.h"
#include "common/compat/compat.h"
#include "common/ipc.h"
#include "common/log.h"

#define KIDS_MAX 128

struct kid {
	pid_t pid; /* 0: free */
	bool app;  /* what it leaves behind in its group goes with it */
	struct event *deadline; /* one-shots only */
};

static struct {
	struct event_base *base;
	struct ipc *parent;
	struct kid kids[KIDS_MAX];
	int app_log; /* came for the app that comes next, or -1 */
} me = { .app_log = -1 };

/* Environment of children: what sanitizers and the loader need, no more. */
static char *kid_env[8];

static void
make_env(void)
{
	static const char *const keep[] = { "PATH", "ASAN_OPTIONS",
		"UBSAN_OPTIONS", "LSAN_OPTIONS", "TZ" };
	static char room[sizeof(keep) / sizeof(keep[0])][512];
	size_t i, n = 0;
	const char *v;

	for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
		if ((v = getenv(keep[i])) == NULL)
			continue;
		(void)snprintf(
		    room[n], sizeof(room[n]), "%s=%s", keep[i], v);
		kid_env[n] = room[n];
		n++;
	}
}

static struct kid *
kid_find(pid_t pid)
{
	size_t i;

	for (i = 0; i < KIDS_MAX; i++)
		if (me.kids[i].pid == pid)
			return &me.kids[i];
	return NULL;
}

static void
kid_limit(int what, rlim_t n)
{
	struct rlimit rl = { n, n };

	if (n > 0)
		(void)setrlimit((__rlimit_resource_t)what, &rl);
}

/* Signals that are for the parent: it tells us what to do. */
static const int ignored[] = { SIGINT, SIGHUP, SIGTERM, SIGPIPE };

/* In the new process: arrange descriptors and become the program. */
static _Noreturn void
kid_exec(const struct msg_launch_spawn *m, int fd0, int fd1, int err)
{
	char title[64], args[8][256];
	char *argv[10] = { title };
	sigset_t none;
	size_t i;
	int e, high0, high1, higherr;

	/* What we ignore would stay ignored across exec. */
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0); /* a terminal's ^C is the parent's alone */
#ifdef PR_SET_PDEATHSIG
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
#endif
	(void)strlcpy(title, m->title, sizeof(title));
	for (i = 0; i < m->n_args; i++) {
		(void)strlcpy(args[i], m->args[i].text, sizeof(args[i]));
		argv[i + 1] = args[i];
	}
	kid_limit(RLIMIT_AS, m->as_bytes);
	kid_limit(RLIMIT_CPU, m->cpu_s);
	/* Away from 3 and 4 first, so that none overwrites another. */
	high0 = fcntl(fd0, F_DUPFD, 10);
	high1 = fcntl(fd1, F_DUPFD, 10);
	higherr = fcntl(err, F_DUPFD_CLOEXEC, 10);
	if (high0 != -1 && high1 != -1 && dup2(high0, 3) != -1 &&
	    dup2(high1, 4) != -1) {
		(void)close(high0);
		(void)close(high1);
		(void)execve(m->path, argv, kid_env);
	}
	e = errno;
	if (write(higherr, &e, sizeof(e)) == -1)
		_exit(EX_OSERR);
	_exit(EX_OSERR);
}

/* --- apps --- */

/* What an app finds in its environment. */
static char *const *
app_env(const struct msg_launch_app *m)
{
	static char home[600], dir[600], sock[300], path[] =
	    "PATH=/usr/local/bin:/usr/bin:/bin";
	static char *env[8];
	size_t n = 0;

	(void)snprintf(home, sizeof(home), "HOME=%s", m->dir);
	(void)snprintf(dir, sizeof(dir), "WARREN_APP_DIR=%s", m->dir);
	(void)snprintf(sock, sizeof(sock), "WARREN_APPS_SOCK=%s", m->socket);
	env[n++] = path;
	env[n++] = home;
	env[n++] = dir;
	if (m->socket[0] != '\0')
		env[n++] = sock;
	env[n] = NULL;
	return env;
}

/* Its own user, no way back, and nothing to gain by exec. */
static bool
app_confine(const struct msg_launch_app *m)
{
	gid_t g = (gid_t)m->gid;
	uid_t u = (uid_t)m->uid;

	if (m->drop &&
	    (setgroups(1, &g) == -1 || setresgid(g, g, g) == -1 ||
		setresuid(u, u, u) == -1))
		return false;
#ifdef PR_SET_NO_NEW_PRIVS
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return false;
#endif
#ifdef PR_SET_PDEATHSIG
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* setuid clears it */
#endif
	return chdir(m->dir) == 0;
}

/* Descriptors: 0 is /dev/null already, the others go up and come down. */
static bool
app_descriptors(const int from[3], int err)
{
	int high[3], i;

	for (i = 0; i < 3; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, 16)) == -1)
			return false;
	if (dup2(err, 15) == -1 || fcntl(15, F_SETFD, FD_CLOEXEC) == -1)
		return false;
	if (dup2(high[2], STDOUT_FILENO) == -1 ||
	    dup2(high[2], STDERR_FILENO) == -1 || dup2(high[0], 3) == -1 ||
	    dup2(high[1], 4) == -1)
		return false;
	for (i = 5; i < 15; i++)
		(void)close(i);
	closefrom(16);
	return true;
}

static _Noreturn void
app_exec(const struct msg_launch_app *m, int fd0, int fd1, int err)
{
	static char args[32][256];
	char *argv[34], title[64];
	const int from[3] = { fd0, fd1, me.app_log };
	sigset_t none;
	size_t i;
	int e;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0);
	(void)umask(027);
	(void)strlcpy(title, m->name, sizeof(title));
	argv[0] = title;
	for (i = 0; i < m->n_args; i++) {
		(void)strlcpy(args[i], m->args[i].text, sizeof(args[i]));
		argv[i + 1] = args[i];
	}
	argv[i + 1] = NULL;
	kid_limit(RLIMIT_AS, m->as_bytes);
	kid_limit(RLIMIT_NPROC, m->processes);
	if (app_descriptors(from, err)) {
		err = 15;
		/* Only now: they went by way of higher ones. */
		kid_limit(RLIMIT_NOFILE, m->files);
		if (app_confine(m))
			(void)execve(m->path, argv, app_env(m));
	}
	e = errno;
	if (write(err, &e, sizeof(e)) == -1)
		_exit(EX_OSERR);
	_exit(EX_OSERR);
}

/* One of the two, with its descriptors 3 and 4. */
struct program {
	const struct msg_launch_spawn *child;
	const struct msg_launch_app *app;
	int fd0, fd1;
};

static _Noreturn void
become(const struct program *p, int err)
{
	if (p->app != NULL)
		app_exec(p->app, p->fd0, p->fd1, err);
	kid_exec(p->child, p->fd0, p->fd1, err);
}

/* Fork and wait until the program runs or cannot.  pid, or -1 with errno. */
static pid_t
spawn(const struct program *p)
{
	int err[2], e = 0;
	pid_t pid;
	ssize_t n;

	if (pipe2(err, O_CLOEXEC) == -1)
		return -1;
	if ((pid = fork()) == 0)
		become(p, err[1]);
	(void)close(err[1]);
	if (pid == -1) {
		(void)close(err[0]);
		return -1;
	}
	do
		n = read(err[0], &e, sizeof(e));
	while (n == -1 && errno == EINTR);
	(void)close(err[0]);
	if (n == 0)
		return pid;
	(void)waitpid(pid, NULL, 0);
	errno = e;
	return -1;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct kid *k = arg;

	(void)fd;
	(void)what;
	if (k->pid > 0)
		(void)kill(-k->pid, SIGKILL);
}

static void
on_spawn(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_launch_spawn *s = m->body;
	const struct program p = { s, NULL, m->fd[0], m->fd[1] };
	struct msg_launch_spawned ok;
	struct msg_launch_failed bad;
	struct kid *k = kid_find(0);
	struct timeval tv;
	pid_t pid = -1;

	errno = EAGAIN;
	if (k != NULL)
		pid = spawn(&p);
	if (pid == -1) {
		(void)snprintf(bad.error, sizeof(bad.error), "%.80s: %s",
		    s->path, strerror(errno));
		(void)ipc_send(ch, LAUNCH_FAILED, m->id, &bad);
	} else {
		k->pid = pid;
		ok.pid = (uint32_t)pid;
		(void)ipc_send(ch, LAUNCH_SPAWNED, m->id, &ok);
	}
	if (pid != -1 && s->timeout_ms > 0 &&
	    (k->deadline = evtimer_new(me.base, on_deadline, k)) != NULL) {
		tv.tv_sec = s->timeout_ms / 1000;
		tv.tv_usec = (suseconds_t)(s->timeout_ms % 1000) * 1000;
		(void)evtimer_add(k->deadline, &tv);
	}
	(void)close(m->fd[0]);
	(void)close(m->fd[1]);
}

static void
on_app_log(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	if (me.app_log != -1)
		(void)close(me.app_log);
	me.app_log = m->fd[0];
}

static void
on_app(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_launch_app *a = m->body;
	const struct program p = { NULL, a, m->fd[0], m->fd[1] };
	struct msg_launch_spawned ok;
	struct msg_launch_failed bad;
	struct kid *k = kid_find(0);
	pid_t pid = -1;

	errno = k == NULL ? EAGAIN : EBADF;
	if (k != NULL && me.app_log != -1)
		pid = spawn(&p);
	if (pid == -1) {
		(void)snprintf(bad.error, sizeof(bad.error), "%.80s: %s",
		    a->path, strerror(errno));
		(void)ipc_send(ch, LAUNCH_FAILED, m->id, &bad);
	} else {
		k->pid = pid;
		k->app = true;
		ok.pid = (uint32_t)pid;
		(void)ipc_send(ch, LAUNCH_SPAWNED, m->id, &ok);
	}
	(void)close(m->fd[0]);
	(void)close(m->fd[1]);
	if (me.app_log != -1)
		(void)close(me.app_log);
	me.app_log = -1;
}

static void
on_kill(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_launch_kill *k = m->body;

	(void)ch;
	if (k->pid > 0 && kid_find((pid_t)k->pid) != NULL)
		(void)kill(k->group ? -(pid_t)k->pid : (pid_t)k->pid,
		    k->signal);
}

/*
 * Before an app is reaped its process group still is its own: what it left
 * behind there goes with it.
 */
static void
sweep(void)
{
	siginfo_t si = { .si_pid = 0 };
	const struct kid *k;
	size_t i;

	for (i = 0; i < KIDS_MAX; i++) {
		k = &me.kids[i];
		if (k->pid > 0 && k->app &&
		    waitid(P_PID, (id_t)k->pid, &si,
			WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    si.si_pid == k->pid)
			(void)kill(-k->pid, SIGKILL);
	}
}

static void
reap(void)
{
	struct msg_launch_exit x;
	struct kid *k;
	pid_t pid;
	int status;

	sweep();
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((k = kid_find(pid)) == NULL)
			continue;
		k->pid = 0;
		k->app = false;
		if (k->deadline != NULL)
			event_free(k->deadline);
		k->deadline = NULL;
		x.pid = (uint32_t)pid;
		x.status = status;
		if (me.parent != NULL)
			(void)ipc_send(me.parent, LAUNCH_EXIT, 0, &x);
	}
}

static void
on_sigchld(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	reap();
}

static bool
kids_left(void)
{
	size_t i;

	for (i = 0; i < KIDS_MAX; i++)
		if (me.kids[i].pid > 0)
			return true;
	return false;
}

/* The parent is gone: so is the suite. */
static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	const struct timespec nap = { 0, 20 * 1000 * 1000 };
	size_t i;
	int turn;

	(void)ch;
	(void)how;
	(void)why;
	me.parent = NULL;
	for (turn = 0; turn < 25 && kids_left(); turn++) {
		(void)nanosleep(&nap, NULL);
		reap();
	}
	for (i = 0; i < KIDS_MAX; i++)
		if (me.kids[i].pid > 0)
			(void)kill(me.kids[i].app ? -me.kids[i].pid
						  : me.kids[i].pid,
			    SIGKILL);
	_exit(0);
}

static const struct ipc_handler handlers[] = {
	{ LAUNCH_SPAWN, on_spawn },
	{ LAUNCH_KILL, on_kill },
	{ LAUNCH_APP_LOG, on_app_log },
	{ LAUNCH_APP, on_app },
	{ 0, NULL },
};

static _Noreturn void
launcher(int fd, bool loud)
{
	static const struct msg_table tables[2];
	struct msg_table t[2] = { msgs_launch, tables[0] };
	struct ipc_conf conf = { .name = "parent", .tables = t,
		.handlers = handlers, .ended = on_ended };
	struct event *chld;
	size_t i;

	(void)setpgid(0, 0);
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	setproctitle("launcher");
	if (!loud)
		(void)dup2(STDIN_FILENO, STDERR_FILENO); /* /dev/null */
	make_env();
	/* Nothing of the parent's but the channel and the standard three. */
	if (dup2(fd, 3) == -1)
		_exit(EX_OSERR);
	(void)fcntl(3, F_SETFD, FD_CLOEXEC);
	fd = 3;
	closefrom(4);
	if ((me.base = event_base_new()) == NULL ||
	    (me.parent = ipc_new(me.base, fd, &conf)) == NULL ||
	    (chld = evsignal_new(me.base, SIGCHLD, on_sigchld, NULL)) == NULL)
		_exit(EX_OSERR);
	(void)event_add(chld, NULL);
	(void)event_base_dispatch(me.base);
	_exit(0);
}

pid_t
launch_start(int *fd, bool loud)
{
	int pair[2];
	pid_t pid;

	if (ipc_pair(pair) == -1)
		return -1;
	if ((pid = fork()) == 0) {
		(void)close(pair[0]);
		launcher(pair[1], loud);
	}
	(void)close(pair[1]);
	if (pid == -1)
		(void)close(pair[0]);
	else
		*fd = pair[0];
	return pid;
}
