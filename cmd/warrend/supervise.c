/* SPDX-License-Identifier: ISC */
/*
 * Starting children, noticing their death, starting them again.  A child
 * that dies is restarted at once the first time, then after 0.1 s doubling
 * to 5 s; one that had been up for half a second starts from the beginning.
 * More than "supervise restarts N per T" deaths, those before READY counted
 * twice, and the suite exits 70 for the init system.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/apps.h"
#include "cmd/warrend/msg_launch.h"
#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000
#define PROVEN_MS        500   /* up so long: not a crash loop */
#define READY_MAX_MS     10000 /* from spawn to READY */
#define DEATHS_MAX       4096  /* remembered for the window */

static struct ipc *launcher;
static pid_t launcher_pid;
static uint32_t next_id = 1;
static struct mono deaths[DEATHS_MAX];
static size_t n_deaths; /* ring, all time */
static struct event *stop_timer;

static const char *const kind_names[PROC_KINDS] = {
	[PROC_RESOLVER] = "resolver",
	[PROC_STUND] = "stund",
	[PROC_PEERD] = "peerd",
	[PROC_STORE] = "store",
	[PROC_APID] = "apid",
	[PROC_APPD] = "appd",
};

static void proc_spawn(struct proc *p);

static bool
is_up(const struct proc *p)
{
	return p->state == PROC_UP && p->ch != NULL;
}

bool
supervise_hears(const struct proc *p)
{
	return (p->state == PROC_UP || p->state == PROC_STARTING) &&
	    p->ch != NULL;
}

struct proc *
supervise_find(enum proc_kind kind, unsigned index)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].kind == kind &&
		    warrend.procs[i].index == index && is_up(&warrend.procs[i]))
			return &warrend.procs[i];
	return NULL;
}

struct proc *
supervise_by_name(const char *name)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (strcmp(warrend.procs[i].name, name) == 0)
			return &warrend.procs[i];
	return NULL;
}

void
supervise_send_all(enum proc_kind kind, uint16_t type, const void *body)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].kind == kind &&
		    supervise_hears(&warrend.procs[i]))
			(void)ipc_send(warrend.procs[i].ch, type, 0, body);
}

pid_t
supervise_launcher(void)
{
	return launcher_pid;
}

static void
proc_kill(struct proc *p, int sig)
{
	struct msg_launch_kill k = { .pid = (uint32_t)p->pid,
		.signal = (uint8_t)sig };

	if (p->pid > 0)
		(void)ipc_send(launcher, LAUNCH_KILL, 0, &k);
}

void
supervise_condemn(struct proc *p, const char *why)
{
	log_warn("%s pid %d: %s; killed", p->name, (int)p->pid, why);
	p->condemned = true;
	proc_kill(p, SIGKILL);
}

/* --- the end of a life --- */

static void
timer_set(struct proc *p, uint32_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000) * 1000 };

	(void)evtimer_add(p->timer, &tv);
}

static bool
too_many_deaths(struct mono now)
{
	size_t i, seen = 0;
	size_t have = n_deaths < DEATHS_MAX ? n_deaths : DEATHS_MAX;

	for (i = 0; i < have; i++)
		if (mono_ms_between(deaths[i], now) <=
		    (int64_t)warrend.conf.restarts_window_ms)
			seen++;
	return seen > warrend.conf.restarts_max;
}

static void
note_death(struct mono now, bool before_ready)
{
	deaths[n_deaths++ % DEATHS_MAX] = now;
	if (before_ready)
		deaths[n_deaths++ % DEATHS_MAX] = now;
}

static void
describe_exit(int status, char *buf, size_t cap)
{
	if (WIFSIGNALED(status))
		(void)snprintf(buf, cap, "killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(buf, cap, "exited with code %d",
		    WEXITSTATUS(status));
}

static bool
all_gone(void)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].pid != 0)
			return false;
	return apps_all_gone();
}

void
supervise_maybe_done(void)
{
	if (warrend.stopping && all_gone())
		(void)event_base_loopbreak(warrend.base);
}

void
supervise_launch(uint16_t type, uint32_t id, const void *body, int fd0,
    int fd1)
{
	(void)ipc_send_fd(launcher, type, id, body, fd0, fd1);
}

static void
close_channel(struct proc *p)
{
	control_child_lost(p);
	if (p->kind == PROC_APPD)
		apps_appd_lost();
	stats_lost(p);
	resolve_lost(p);
	ipc_free(p->ch);
	p->ch = NULL;
	loghub_detach(p);
}

static void
schedule(struct proc *p, struct mono now)
{
	bool proven =
	    p->state == PROC_UP && mono_ms_between(p->up, now) >= PROVEN_MS;
	uint32_t wait = proven ? 0 : p->backoff_ms;

	p->backoff_ms = proven || p->backoff_ms == 0 ? BACKOFF_FIRST_MS
	    : p->backoff_ms >= BACKOFF_MAX_MS / 2    ? BACKOFF_MAX_MS
						     : p->backoff_ms * 2;
	p->state = PROC_BACKOFF;
	timer_set(p, wait);
}

/* p is gone; status is waitpid()'s. */
static void
on_death(struct proc *p, int status)
{
	struct mono now = mono_now();
	bool before_ready = p->state != PROC_UP;
	char how[64];

	describe_exit(status, how, sizeof(how));
	if (p->ch != NULL) {
		/* What it said last may still lie in the sockets. */
		close_channel(p);
	}
	if (warrend.stopping) {
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			log_info("%s pid %d: %s", p->name, (int)p->pid, how);
		p->pid = 0;
		p->state = PROC_DOWN;
		if (all_gone())
			(void)event_base_loopbreak(warrend.base);
		return;
	}
	log_warn("%s pid %d: %s%s; restarting", p->name, (int)p->pid, how,
	    before_ready ? " before it was ready" : "");
	control_emit("process", "%s pid %d %s", p->name, (int)p->pid, how);
	p->pid = 0;
	note_death(now, before_ready);
	if (too_many_deaths(now)) {
		log_error("%s died too often: more than %u deaths in %u s",
		    p->name, warrend.conf.restarts_max,
		    warrend.conf.restarts_window_ms / 1000);
		p->state = PROC_DOWN;
		if (!warrend.ready)
			notify_failed(EX_SOFTWARE);
		supervise_stop(EX_SOFTWARE);
		return;
	}
	p->restarts++;
	schedule(p, now);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct proc *p = arg;

	(void)fd;
	(void)what;
	if (p->state == PROC_BACKOFF && !warrend.stopping)
		proc_spawn(p);
	else if (p->state == PROC_STARTING)
		supervise_condemn(p, "not ready in time");
}

/* --- channels --- */

/* Who talks to whom. */
struct sibling {
	enum proc_kind upper, lower;
	bool pipes; /* no descriptors pass, but all that apps send */
};

static const struct sibling siblings[] = {
	{ PROC_PEERD, PROC_STUND, false },
	{ PROC_PEERD, PROC_STORE, false },
	{ PROC_STORE, PROC_APID, false },
	{ PROC_STUND, PROC_APID, false },
	{ PROC_PEERD, PROC_APID, false },
	{ PROC_PEERD, PROC_APPD, true },
};

#define SIBLINGS_END (siblings + sizeof(siblings) / sizeof(siblings[0]))

/* What each end gets; of a socket the second is -1. */
static int
make_channel(const struct sibling *s, int up[2], int low[2])
{
	int fd[2];

	if (s->pipes)
		return ipc_pipes(up, low);
	if (ipc_pair(fd) == -1)
		return -1;
	up[0] = fd[0];
	low[0] = fd[1];
	up[1] = low[1] = -1;
	return 0;
}

static void
pair_up(const struct sibling *s, struct proc *upper, struct proc *lower)
{
	struct msg_proc_channel to_upper = { .kind = (uint8_t)lower->kind,
		.index = (uint8_t)lower->index,
		.generation = lower->generation };
	struct msg_proc_channel to_lower = { .kind = (uint8_t)upper->kind,
		.index = (uint8_t)upper->index,
		.generation = upper->generation };
	const uint16_t type = s->pipes ? PROC_PIPES : PROC_CHANNEL;
	int up[2], low[2];

	if (make_channel(s, up, low) == -1) {
		log_warn("%s and %s: no channel: %s", upper->name, lower->name,
		    strerror(errno));
		return;
	}
	(void)ipc_send_fd(upper->ch, type, 0, &to_upper, up[0], up[1]);
	(void)ipc_send_fd(lower->ch, type, 0, &to_lower, low[0], low[1]);
}

static void
connect_siblings(struct proc *p)
{
	const struct sibling *s;
	struct proc *q;
	unsigned j;

	for (s = siblings; s < SIBLINGS_END; s++) {
		for (j = 0; j < warrend.n_procs; j++) {
			q = &warrend.procs[j];
			if (q == p || !is_up(q))
				continue;
			if (p->kind == s->upper && q->kind == s->lower)
				pair_up(s, p, q);
			else if (p->kind == s->lower && q->kind == s->upper)
				pair_up(s, q, p);
		}
	}
}

/* Two siblings live on without their channel: they get another. */
static void
on_lost(struct proc *p, const struct msg_proc_lost *l)
{
	struct proc *q = supervise_find((enum proc_kind)l->kind, l->index);
	const struct sibling *s;

	for (s = siblings; s < SIBLINGS_END; s++)
		if (q != NULL && q != p && is_up(p) && p->kind == s->upper &&
		    q->kind == s->lower) {
			log_info("%s and %s: a new channel", p->name, q->name);
			pair_up(s, p, q);
			return;
		}
}

static bool
all_up(void)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].state != PROC_UP)
			return false;
	return true;
}

/* The weakest process tells how well the whole suite is fenced in. */
static void
note_reduced(const struct proc *p)
{
	struct msg_node *n = &warrend.node;

	log_info("%s: sandbox reduced: %s (no Landlock here)", p->name,
	    p->ready.sandbox);
	if (strcmp(n->sandbox, "reduced") == 0)
		return;
	(void)strlcpy(n->sandbox, "reduced", sizeof(n->sandbox));
	supervise_send_all(PROC_APID, APID_NODE, n);
}

static void
on_ready(struct proc *p, const struct msg_proc_ready *r)
{
	p->ready = *r;
	p->state = PROC_UP;
	p->up = mono_now();
	p->up_wall = wall_now();
	(void)evtimer_del(p->timer);
	ipc_set_phase(p->ch, PH_RUN);
	if (r->level < 2)
		note_reduced(p);
	/* It was told of the node before anybody was ready. */
	if (p->kind == PROC_APID && strcmp(warrend.node.sandbox, "full") != 0)
		node_send(p);
	log_debug("%s ready: %s", p->name, r->sandbox);
	connect_siblings(p);
	if (p->kind == PROC_APPD)
		apps_appd_up();
	control_emit("process", "%s ready", p->name);
	if (!warrend.ready && all_up()) {
		warrend.ready = true;
		notify_ready();
	}
}

/* Messages that every kind may send; the rest are in children.c. */
static void
on_other(struct ipc *ch, const struct ipc_msg *m)
{
	struct proc *p = ipc_ctx(ch);
	struct msg_event e;

	switch (m->type) {
	case PROC_READY:
		on_ready(p, m->body);
		break;
	case PROC_STATS:
	case PROC_STATS_END:
		stats_from_child(p, m);
		break;
	case PROC_LOST:
		on_lost(p, m->body);
		break;
	case PROC_EVENT:
		e = *(const struct msg_event *)m->body;
		(void)strlcpy(e.process, p->name, sizeof(e.process));
		control_event(&e);
		break;
	default:
		if (m->type >= CTL_HELLO) {
			control_from_child(p, m);
			break;
		}
		supervise_condemn(p, m->def->name);
		break;
	}
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	struct proc *p = ipc_ctx(ch);

	if (how != IPC_EOF && !warrend.stopping) {
		supervise_condemn(p, why);
	} else if (!warrend.stopping) {
		/* It closed its end: it is dying, or it must. */
		proc_kill(p, SIGKILL);
	}
	close_channel(p);
}

/* --- the start of a life --- */

static void
program_of(const struct proc *p, struct msg_launch_spawn *s)
{
	const char *dir = warrend.conf.libexec_dir;

	if (p->kind == PROC_RESOLVER) {
		(void)snprintf(s->path, sizeof(s->path), "/proc/self/exe");
		(void)strlcpy(s->args[0].text, "-x", sizeof(s->args[0].text));
		(void)strlcpy(s->args[1].text, "resolver",
		    sizeof(s->args[1].text));
		s->n_args = 2;
	} else {
		/* In the build tree "stund" is a folder: see build.mk. */
		(void)snprintf(s->path, sizeof(s->path), "%.200s/%s-bin", dir,
		    kind_names[p->kind]);
		if (access(s->path, X_OK) == -1)
			(void)snprintf(s->path, sizeof(s->path), "%.200s/%s",
			    dir, kind_names[p->kind]);
	}
	(void)snprintf(s->title, sizeof(s->title), "warrend: %s", p->name);
}

static int
log_pair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd);
}

static void
say_start(struct proc *p)
{
	struct msg_proc_start st = { .kind = (uint8_t)p->kind,
		.index = (uint8_t)p->index,
		.generation = p->generation,
		.nofile = warrend.conf.open_files,
		.log_level = (uint8_t)log_get_level(),
		.allow = (uint8_t)warrend.conf.address_allow,
		.landlock_max = warrend.conf.landlock_max };
	(void)strlcpy(st.root,
	    p->kind == PROC_STORE ? files_store_dir() : warrend.conf.chroot_dir,
	    sizeof(st.root));
	/* Not getpwnam() here: one that fails for a moment must not leave a
	 * child with the rights of root. */
	if (warrend.root) {
		st.drop = true;
		st.uid = warrend.uids[p->kind];
		st.gid = warrend.gids[p->kind];
	}
	(void)ipc_send(p->ch, PROC_START, 0, &st);
}

static void
proc_spawn(struct proc *p)
{
	static struct msg_launch_spawn s;
	struct ipc_conf conf = { .name = p->name,
		.tables = children_tables(p->kind),
		.handlers = children_handlers(p->kind),
		.other = on_other,
		.ended = on_ended,
		.upper = true,
		.ctx = p };
	int fd[2], logs[2];

	memset(&s, 0, sizeof(s));
	program_of(p, &s);
	if (ipc_pair(fd) == -1)
		fatal(EX_OSERR, "socketpair");
	if (log_pair(logs) == -1)
		fatal(EX_OSERR, "socketpair");
	p->generation++;
	p->condemned = false;
	p->state = PROC_STARTING;
	p->launch = next_id++;
	if ((p->ch = ipc_new(warrend.base, fd[0], &conf)) == NULL)
		fatal(EX_OSERR, "channel to %s", p->name);
	loghub_attach(p, logs[0]);
	(void)ipc_send_fd(launcher, LAUNCH_SPAWN, p->launch, &s, fd[1],
	    logs[1]);
	say_start(p);
	children_setup(p);
	(void)ipc_send(p->ch, PROC_GO, 0, NULL);
	timer_set(p, READY_MAX_MS);
}

static struct proc *
proc_by_launch(uint32_t id)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].launch == id)
			return &warrend.procs[i];
	return NULL;
}

static void
on_spawned(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_launch_spawned *s = m->body;
	struct proc *p = proc_by_launch(m->id);

	(void)ch;
	if (apps_spawned(m->id, (pid_t)s->pid))
		return;
	if (p != NULL)
		p->pid = (pid_t)s->pid;
}

static void
on_failed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_launch_failed *f = m->body;
	struct proc *p = proc_by_launch(m->id);

	(void)ch;
	if (apps_failed(m->id, f->error))
		return;
	if (p == NULL || warrend.stopping)
		return; /* one line is enough */
	log_error("%s: cannot start: %s", p->name, f->error);
	if (!warrend.ready)
		notify_failed(EX_OSERR);
	supervise_stop(EX_OSERR);
}

static void
on_exit_msg(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_launch_exit *x = m->body;
	unsigned i;

	(void)ch;
	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].pid == (pid_t)x->pid) {
			on_death(&warrend.procs[i], x->status);
			return;
		}
	(void)apps_exited((pid_t)x->pid, x->status);
}

static void
on_launcher_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	(void)ch;
	(void)how;
	fatalx(EX_SOFTWARE, "launcher is gone: %s", why);
}

static const struct ipc_handler launch_handlers[] = {
	{ LAUNCH_SPAWNED, on_spawned },
	{ LAUNCH_FAILED, on_failed },
	{ LAUNCH_EXIT, on_exit_msg },
	{ 0, NULL },
};

static void
add(enum proc_kind kind, unsigned index, bool numbered)
{
	struct proc *p = &warrend.procs[warrend.n_procs++];

	p->kind = kind;
	p->index = index;
	p->log_fd = -1;
	if (numbered)
		(void)snprintf(p->name, sizeof(p->name), "%s %u",
		    kind_names[kind], index);
	else
		(void)strlcpy(p->name, kind_names[kind], sizeof(p->name));
	p->timer = evtimer_new(warrend.base, on_timer, p);
	if (p->timer == NULL)
		fatalx(EX_OSERR, "no memory for a timer");
}

void
supervise_check_programs(void)
{
	static struct msg_launch_spawn s;
	struct proc p = { .kind = PROC_STUND };

	for (; p.kind < PROC_KINDS; p.kind++) {
		program_of(&p, &s);
		if (access(s.path, X_OK) == -1)
			fatal(EX_OSERR, "%s: cannot run %s",
			    kind_names[p.kind], s.path);
	}
}

void
supervise_start(int launcher_fd, pid_t pid)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "launcher",
		.tables = tables,
		.handlers = launch_handlers,
		.ended = on_launcher_ended,
		.upper = true };
	unsigned i;

	tables[0] = msgs_launch;
	launcher_pid = pid;
	launcher = ipc_new(warrend.base, launcher_fd, &conf);
	if (launcher == NULL)
		fatal(EX_OSERR, "channel to the launcher");
	add(PROC_RESOLVER, 0, false);
	add(PROC_STUND, 0, false);
	add(PROC_STORE, 0, false);
	add(PROC_PEERD, 0, false);
	add(PROC_APPD, 0, false);
	for (i = 0; i < warrend.conf.api_workers && warrend.n_procs < PROCS_MAX;
	     i++)
		add(PROC_APID, i, true);
	for (i = 0; i < warrend.n_procs; i++)
		proc_spawn(&warrend.procs[i]);
}

static void
on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	unsigned i;

	(void)fd;
	(void)what;
	(void)arg;
	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].pid != 0)
			supervise_condemn(&warrend.procs[i],
			    "did not stop in time");
	apps_kill_all();
}

void
supervise_stop(int exit_code)
{
	struct timeval tv = { warrend.conf.stop_ms / 1000,
		(suseconds_t)(warrend.conf.stop_ms % 1000) * 1000 };
	unsigned i;

	if (warrend.stopping) { /* asked twice: at once */
		on_stop_timer(-1, 0, NULL);
		return;
	}
	warrend.stopping = true;
	warrend.exit_code = exit_code;
	notify_stopping();
	apps_stop_all();
	for (i = 0; i < warrend.n_procs; i++)
		if (warrend.procs[i].ch != NULL)
			(void)ipc_send(warrend.procs[i].ch, PROC_STOP, 0, NULL);
	if (all_gone()) {
		(void)event_base_loopbreak(warrend.base);
		return;
	}
	stop_timer = evtimer_new(warrend.base, on_stop_timer, NULL);
	if (stop_timer != NULL)
		(void)evtimer_add(stop_timer, &tv);
}

static void
view_own_user(struct msg_process *out)
{
	const struct passwd *pw = getpwuid(geteuid());

	(void)strlcpy(out->user, pw == NULL ? "?" : pw->pw_name,
	    sizeof(out->user));
	(void)strlcpy(out->uid, "not dropped", sizeof(out->uid));
}

static void
view_parent(struct msg_process *out)
{
	(void)strlcpy(out->name, "warrend", sizeof(out->name));
	(void)strlcpy(out->state, "up", sizeof(out->state));
	(void)strlcpy(out->sandbox, warrend.sandbox, sizeof(out->sandbox));
	out->pid = (uint32_t)getpid();
	out->uptime_s =
	    (uint64_t)mono_ms_between(warrend.started, mono_now()) / 1000;
	view_own_user(out);
	if (warrend.root)
		(void)strlcpy(out->uid, "root", sizeof(out->uid));
}

void
supervise_view(const struct proc *p, struct msg_process *out)
{
	static const char *const states[] = { "down", "starting", "up",
		"backoff", "stopping" };

	memset(out, 0, sizeof(*out));
	if (p == NULL) {
		view_parent(out);
		return;
	}
	(void)strlcpy(out->name, p->name, sizeof(out->name));
	(void)strlcpy(out->state, states[p->state], sizeof(out->state));
	out->pid = (uint32_t)p->pid;
	out->restarts = p->restarts;
	if (p->state == PROC_UP)
		out->uptime_s =
		    (uint64_t)mono_ms_between(p->up, mono_now()) / 1000;
	if (p->ready.dropped) {
		(void)strlcpy(out->user, warrend.conf.users[p->kind],
		    sizeof(out->user));
		(void)strlcpy(out->uid, "dropped", sizeof(out->uid));
		(void)snprintf(out->sandbox, sizeof(out->sandbox),
		    "%.50s chroot", p->ready.sandbox);
		return;
	}
	view_own_user(out);
	(void)strlcpy(out->sandbox, p->ready.sandbox, sizeof(out->sandbox));
}
