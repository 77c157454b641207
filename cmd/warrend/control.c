/* SPDX-License-Identifier: ISC */
/*
 * The control sockets.  A request is answered here, or passed to the children
 * that know, and ended when all of them have ended.  The table below says for
 * each request who answers and whether the read-only socket may ask it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/ctl_local.h"
#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define CLIENTS_MAX 32
#define PENDING_MAX 64
#define EACH_MAX    16 /* of them, for one client */

/* Whoever may only look is often everybody, and must not lock operators out:
 * of all places these are open to them. */
#define SHOW_CLIENTS_MAX (CLIENTS_MAX / 2)
#define SHOW_PENDING_MAX (PENDING_MAX / 2)

#define SHOW_LEN_MAX  4096         /* a request on the restricted socket */
#define WRITE_LEN_MAX (256u << 10) /* elsewhere: it may carry records */

struct client {
	struct ipc *ch; /* NULL: free */
	bool restricted;
	bool monitor;
	char kinds[128]; /* words of monitor, or empty for all */
};

/* A request that children are answering. */
struct pending {
	uint32_t id; /* ours; 0: free */
	uint32_t their;
	struct client *client; /* NULL: it is gone */
	bool restricted;       /* it was */
	bool waiting[PROCS_MAX];
	struct msg_ctl_end end; /* the worst so far */
};

static struct client clients[CLIENTS_MAX];
static struct pending pendings[PENDING_MAX];
static uint32_t next_id = 1;
static uint64_t event_seq, events_lost, clients_refused, looks_refused,
    requests_refused;
static struct {
	int fd;
	struct event *ev;
	char path[CONF_PATH];
	bool restricted;
} listeners[CONF_CONTROL];
static size_t n_listeners;

#define TO(kind) (1u << (kind))
#define TO_ALL                                                                 \
	(TO(PROC_STUND) | TO(PROC_PEERD) | TO(PROC_STORE) | TO(PROC_APID) |    \
	    TO(PROC_APPD) | TO(PROC_RESOLVER))

/* clang-format off */
static const struct route {
	uint16_t type;
	bool show;         /* the restricted socket may ask */
	unsigned to;       /* kinds of children that answer */
	ctl_local *local;  /* answered here, before any child */
} routes[] = {
	{ CTL_SHOW_STATUS,     true,  TO(PROC_PEERD) | TO(PROC_STORE),
	    ctl_status },
	{ CTL_CHECK,           true,  TO(PROC_PEERD) | TO(PROC_STORE),
	    ctl_status },
	{ CTL_SHOW_PEERS,      true,  TO(PROC_PEERD), NULL },
	{ CTL_SHOW_PEER,       true,  TO(PROC_PEERD), NULL },
	{ CTL_SHOW_STUN,       true,  TO(PROC_STUND), NULL },
	{ CTL_SHOW_LISTENERS,  true,  0,              ctl_node },
	{ CTL_SHOW_PROCESSES,  true,  0,              ctl_processes },
	{ CTL_SHOW_LIMITS,     true,  TO_ALL,         ctl_limits },
	{ CTL_SHOW_METRICS,    true,  TO_ALL,         ctl_metrics },
	{ CTL_SHOW_CONFIG,     false, 0,              ctl_config },
	{ CTL_SHOW_BANS,       true,  TO(PROC_PEERD), NULL },
	{ CTL_SHOW_KEY,        true,  0,              ctl_node },
	{ CTL_SHOW_CHARTER,    true,  0,              ctl_charter },
	{ CTL_SHOW_DB,         true,  TO(PROC_STORE), NULL },
	{ CTL_DB_CHECK,        false, TO(PROC_STORE), NULL },
	{ CTL_DB_COMPACT,      false, TO(PROC_STORE), NULL },
	{ CTL_BACKUP,          false, TO(PROC_STORE), ctl_backup },
	{ CTL_DB_PUT,          false, TO(PROC_STORE), NULL },
	{ CTL_DB_GET,          true,  TO(PROC_STORE), NULL },
	{ CTL_DB_LIST,         true,  TO(PROC_STORE), NULL },
	{ CTL_DB_PROVE,        true,  TO(PROC_STORE), NULL },
	{ CTL_LIST,            true,  TO(PROC_STORE), NULL },
	{ CTL_BLOCK_PUT,       false, TO(PROC_STORE), NULL },
	{ CTL_BLOCK_GET,       false, TO(PROC_STORE), NULL },
	{ CTL_NETCHECK,        true,  TO(PROC_STUND), NULL },
	/* It would tell of hidden links, and it makes us send. */
	{ CTL_PING,            false, TO(PROC_PEERD), NULL },
	{ CTL_PEER_ADD,        false, TO(PROC_PEERD), ctl_peer_add },
	{ CTL_PEER_DELETE,     false, TO(PROC_PEERD), ctl_peer_delete },
	{ CTL_PEER_CONNECT,    false, TO(PROC_PEERD), NULL },
	{ CTL_PEER_DISCONNECT, false, TO(PROC_PEERD), NULL },
	{ CTL_BAN_ADD,         false, TO(PROC_PEERD), NULL },
	{ CTL_BAN_DELETE,      false, TO(PROC_PEERD), NULL },
	{ CTL_SHOW_APPS,       true,  TO(PROC_APPD),  ctl_apps },
	{ CTL_SHOW_LOOPS,      true,  TO(PROC_APPD),  NULL },
	{ CTL_SHOW_LOOP_PATHS, true,  TO(PROC_PEERD), NULL },
	/* Who speaks with whom through us is theirs, not for anybody. */
	{ CTL_SHOW_RELAY,      false, TO(PROC_PEERD), NULL },
	{ CTL_APP_START,       false, 0,              ctl_app_start },
	{ CTL_APP_STOP,        false, 0,              ctl_app_stop },
	{ CTL_APP_RESTART,     false, 0,              ctl_app_restart },
	{ CTL_APP_LOG,         false, 0,              ctl_app_log },
	{ CTL_RELOAD,          false, 0,              ctl_reload },
	{ CTL_LOG,             false, 0,              ctl_log },
#ifdef WARREN_ATTACK
	{ CTL_ATTACK,          false, 0,              ctl_attack },
#endif
};
/* clang-format on */

static void
send_end(struct ipc *ch, uint32_t id, const struct msg_ctl_end *end)
{
	(void)ipc_send(ch, CTL_END, id, end);
}

static void
refuse(struct ipc *ch, uint32_t id, uint8_t code, const char *text)
{
	struct msg_ctl_end end = { .code = code };

	(void)strlcpy(end.text, text, sizeof(end.text));
	send_end(ch, id, &end);
}

/* --- requests that children answer --- */

static struct pending *
pending_find(uint32_t id)
{
	size_t i;

	for (i = 0; i < PENDING_MAX; i++)
		if (pendings[i].id == id)
			return &pendings[i];
	return NULL;
}

static void
pending_end_if_all(struct pending *q)
{
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++)
		if (q->waiting[i])
			return;
	if (q->client != NULL && q->client->ch != NULL)
		send_end(q->client->ch, q->their, &q->end);
	q->id = 0;
}

static void
note_end(struct pending *q, uint8_t code, const char *text)
{
	if (q->end.code == 0 && (code != 0 || q->end.text[0] == '\0')) {
		q->end.code = code;
		(void)strlcpy(q->end.text, text, sizeof(q->end.text));
	}
}

/* The same message to a child; a descriptor stays ours too. */
static int
pass_on(struct proc *p, const struct ipc_msg *m, uint32_t id)
{
	int fd;

	if (m->fd[0] == -1)
		return ipc_forward(p->ch, m, id);
	fd = fcntl(m->fd[0], F_DUPFD_CLOEXEC, 0);
	return fd == -1 ? -1 : ipc_send_fd(p->ch, m->type, id, m->body, fd, -1);
}

/* Room for a request of c, or NULL: one client may not use up all. */
static struct pending *
pending_slot(const struct client *c)
{
	struct pending *q = pending_find(0);
	unsigned n = 0, looking = 0;
	size_t i;

	for (i = 0; i < PENDING_MAX; i++)
		if (pendings[i].id != 0) {
			n += pendings[i].client == c;
			looking += pendings[i].restricted;
		}
	if (q != NULL && n < EACH_MAX &&
	    (!c->restricted || looking < SHOW_PENDING_MAX))
		return q;
	requests_refused++;
	return NULL;
}

static void
ask_children(struct client *c, const struct ipc_msg *m, unsigned to)
{
	struct pending *q = pending_slot(c);
	struct proc *p;
	unsigned i;

	if (q == NULL) {
		refuse(c->ch, m->id, EX_TEMPFAIL,
		    "too many requests at a time");
		return;
	}
	memset(q, 0, sizeof(*q));
	if (next_id == 0)
		next_id = 1;
	q->id = next_id++;
	q->their = m->id;
	q->client = c;
	q->restricted = c->restricted;
	for (i = 0; i < warrend.n_procs; i++) {
		p = &warrend.procs[i];
		if ((to & TO(p->kind)) == 0)
			continue;
		if (p->state == PROC_UP && p->ch != NULL &&
		    pass_on(p, m, q->id) == 0)
			q->waiting[i] = true;
		else
			note_end(q, EX_TEMPFAIL, "a process is restarting");
	}
	pending_end_if_all(q);
}

/*
 * A hidden link is for operators alone: whoever may only look is shown the
 * node without it.
 */
static void
answer(const struct pending *q, const struct ipc_msg *m)
{
	static struct msg_peer v;

	if (m->type != CTL_PEER || !q->client->restricted) {
		(void)ipc_forward(q->client->ch, m, q->their);
		return;
	}
	v = *(const struct msg_peer *)m->body;
	if (v.role == PEER_ROLE_HIDDEN)
		view_hide_link(&v);
	(void)ipc_send(q->client->ch, CTL_PEER, q->their, &v);
}

void
control_from_child(struct proc *p, const struct ipc_msg *m)
{
	struct pending *q = m->id == 0 ? NULL : pending_find(m->id);
	const struct msg_ctl_end *end = m->body;

	if (q == NULL || !q->waiting[p - warrend.procs])
		return; /* its client is gone, or it answered twice */
	if (m->type != CTL_END) {
		if (q->client != NULL && q->client->ch != NULL)
			answer(q, m);
		return;
	}
	q->waiting[p - warrend.procs] = false;
	note_end(q, end->code, end->text);
	pending_end_if_all(q);
}

void
control_child_lost(struct proc *p)
{
	size_t i;

	for (i = 0; i < PENDING_MAX; i++) {
		if (pendings[i].id == 0 ||
		    !pendings[i].waiting[p - warrend.procs])
			continue;
		pendings[i].waiting[p - warrend.procs] = false;
		note_end(&pendings[i], EX_TEMPFAIL, "a process died meanwhile");
		pending_end_if_all(&pendings[i]);
	}
}

/* --- monitoring --- */

/* Is word among the blank-separated words? */
static bool
has_word(const char *words, const char *word)
{
	size_t n = strlen(word);
	const char *p = words;

	while ((p = strstr(p, word)) != NULL) {
		if ((p == words || p[-1] == ' ') &&
		    (p[n] == ' ' || p[n] == '\0'))
			return true;
		p += n;
	}
	return false;
}

void
control_event(struct msg_event *e)
{
	struct client *c;
	size_t i;

	e->seq = ++event_seq;
	for (i = 0; i < CLIENTS_MAX; i++) {
		c = &clients[i];
		if (c->ch == NULL || !c->monitor ||
		    (c->kinds[0] != '\0' && !has_word(c->kinds, e->kind)))
			continue;
		if (ipc_is_full(c->ch))
			events_lost++;
		else
			(void)ipc_send(c->ch, CTL_EVENT, 0, e);
	}
}

void
control_emit(const char *kind, const char *fmt, ...)
{
	struct msg_event e = { .time = (uint64_t)wall_now().ms };
	va_list ap;

	(void)strlcpy(e.process, "warrend", sizeof(e.process));
	(void)strlcpy(e.kind, kind, sizeof(e.kind));
	va_start(ap, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	control_event(&e);
}

/* --- clients --- */

static void
handle(struct ipc *ch, const struct ipc_msg *m)
{
	struct client *c = ipc_ctx(ch);
	const struct msg_ctl_word *w = m->body;
	size_t i;

	/* It asks and does not read: no more until it has. */
	if (ipc_is_full(ch))
		ipc_pause(ch, true);
	if (m->type == CTL_MONITOR) {
		c->monitor = true;
		(void)strlcpy(c->kinds, w->word, sizeof(c->kinds));
		return;
	}
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (routes[i].type == m->type)
			break;
	if (i == sizeof(routes) / sizeof(routes[0])) {
		refuse(ch, m->id, EX_PROTOCOL, "no such request");
		return;
	}
	if (c->restricted && !routes[i].show) {
		refuse(ch, m->id, EX_NOPERM, "this socket only shows");
		return;
	}
	if (routes[i].local != NULL && !routes[i].local(ch, m))
		return;
	if (routes[i].to != 0)
		ask_children(c, m, routes[i].to);
	else
		refuse(ch, m->id, 0, "");
}

/* Whatever becomes of a request, its descriptor is closed here. */
static void
on_request(struct ipc *ch, const struct ipc_msg *m)
{
	int fd = m->fd[0];

	handle(ch, m);
	if (fd != -1)
		(void)close(fd);
}

static void
on_client_drained(struct ipc *ch)
{
	ipc_pause(ch, false);
}

static void
on_client_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	struct client *c = ipc_ctx(ch);
	size_t i;

	if (how == IPC_JUNK)
		log_info("control client: %s; disconnected", why);
	for (i = 0; i < PENDING_MAX; i++)
		if (pendings[i].client == c)
			pendings[i].client = NULL;
	c->ch = NULL;
	ipc_free(ch);
}

/* A place for a client, or NULL. */
static struct client *
client_slot(bool restricted)
{
	struct client *c = NULL;
	unsigned looking = 0;
	size_t i;

	for (i = CLIENTS_MAX; i-- > 0;)
		if (clients[i].ch == NULL)
			c = &clients[i];
		else
			looking += clients[i].restricted;
	if (c != NULL && (!restricted || looking < SHOW_CLIENTS_MAX))
		return c;
	clients_refused++;
	looks_refused += restricted;
	return NULL;
}

static const struct ipc_handler no_handlers[] = { { 0, NULL } };

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "control",
		.tables = tables,
		.handlers = no_handlers,
		.other = on_request,
		.ended = on_client_ended,
		.drained = on_client_drained,
		.len_max = SHOW_LEN_MAX };
	struct msg_ctl_hello hello = { .version = CTL_VERSION,
		.restricted = *(const bool *)arg };
	struct client *c;
	int cfd;

	(void)what;
	tables[0] = msgs_ctl;
	cfd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (cfd == -1)
		return;
	if ((c = client_slot(hello.restricted)) == NULL) {
		(void)close(cfd);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->restricted = hello.restricted;
	if (!c->restricted)
		conf.len_max = WRITE_LEN_MAX;
	conf.ctx = c;
	if ((c->ch = ipc_new(warrend.base, cfd, &conf)) == NULL)
		return;
	ipc_set_phase(c->ch, PH_RUN);
	(void)strlcpy(hello.software, WARREN_VERSION, sizeof(hello.software));
	(void)ipc_send(c->ch, CTL_HELLO, 0, &hello);
}

/* --- sockets --- */

/* Is somebody answering there?  Then another warrend runs. */
static bool
is_alive(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive;

	if (fd == -1)
		return false;
	alive = connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0;
	(void)close(fd);
	return alive;
}

static void
make_parent_dir(const char *path)
{
	char dir[CONF_PATH];
	char *slash;

	(void)strlcpy(dir, path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return;
	*slash = '\0';
	(void)mkdir(dir, 0755);
}

static void
set_rights(const struct conf_control *c)
{
	const struct group *gr;

	if (c->group[0] != '\0') {
		if ((gr = getgrnam(c->group)) == NULL)
			log_warn("control %s: no group %s; see warren.conf(5)",
			    c->path, c->group);
		else if (chown(c->path, (uid_t)-1, gr->gr_gid) == -1)
			log_warn("control %s: group %s: %s", c->path, c->group,
			    strerror(errno));
	}
	if (chmod(c->path, c->mode) == -1)
		log_warn("control %s: %s", c->path, strerror(errno));
}

static void
open_control(const struct conf_control *c)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;
	int code;

	if (strlcpy(un.sun_path, c->path, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path))
		fatalx(EX_CONFIG, "control %s: path longer than %zu", c->path,
		    sizeof(un.sun_path) - 1);
	if (is_alive(&un))
		fatalx(EX_UNAVAILABLE,
		    "control %s: another warrend is already running", c->path);
	make_parent_dir(c->path);
	(void)unlink(c->path);
	old = umask(0177);
	if (fd == -1 ||
	    bind(fd, (const struct sockaddr *)&un, sizeof(un)) == -1 ||
	    listen(fd, 16) == -1) {
		code = errno == EACCES || errno == EROFS ? EX_NOPERM
							 : EX_UNAVAILABLE;
		fatal(code, "control %s", c->path);
	}
	(void)umask(old);
	set_rights(c);
	listeners[n_listeners].fd = fd;
	listeners[n_listeners].restricted = c->restricted;
	(void)strlcpy(listeners[n_listeners].path, c->path, CONF_PATH);
	listeners[n_listeners].ev =
	    event_new(warrend.base, fd, EV_READ | EV_PERSIST, on_accept,
		&listeners[n_listeners].restricted);
	if (listeners[n_listeners].ev == NULL)
		fatalx(EX_OSERR, "control %s: no memory", c->path);
	(void)event_add(listeners[n_listeners].ev, NULL);
	n_listeners++;
}

void
control_open(void)
{
	unsigned i;

	for (i = 0; i < warrend.conf.n_controls; i++)
		open_control(&warrend.conf.controls[i]);
}

void
control_close(void)
{
	size_t i;

	for (i = 0; i < n_listeners; i++) {
		event_free(listeners[i].ev);
		(void)close(listeners[i].fd);
		(void)unlink(listeners[i].path);
	}
	n_listeners = 0;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].ch != NULL)
			ipc_flush(clients[i].ch);
		ipc_free(clients[i].ch);
		clients[i].ch = NULL;
	}
}

void
control_limits(struct ipc *ch, uint32_t id)
{
	struct msg_limit l = { .max = CLIENTS_MAX, .refused = clients_refused };
	unsigned looking = 0;
	size_t i;

	(void)strlcpy(l.process, "warrend", sizeof(l.process));
	(void)strlcpy(l.name, "control clients", sizeof(l.name));
	for (i = 0; i < CLIENTS_MAX; i++)
		if (clients[i].ch != NULL) {
			l.used++;
			looking += clients[i].restricted;
		}
	(void)ipc_send(ch, CTL_LIMIT, id, &l);
	(void)strlcpy(l.name, "of them restricted", sizeof(l.name));
	l.used = looking;
	l.max = SHOW_CLIENTS_MAX;
	l.refused = looks_refused;
	(void)ipc_send(ch, CTL_LIMIT, id, &l);
	(void)strlcpy(l.name, "control requests", sizeof(l.name));
	l.max = PENDING_MAX;
	l.refused = requests_refused;
	for (l.used = 0, i = 0; i < PENDING_MAX; i++)
		l.used += pendings[i].id != 0;
	(void)ipc_send(ch, CTL_LIMIT, id, &l);
	(void)strlcpy(l.name, "events lost to slow monitors", sizeof(l.name));
	l.used = 0;
	l.max = IPC_HIGH_DEFAULT;
	l.refused = events_lost;
	(void)ipc_send(ch, CTL_LIMIT, id, &l);
}
