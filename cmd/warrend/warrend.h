/* SPDX-License-Identifier: ISC */
/*
 * warrend, the parent: opens what needs privilege, starts the children and
 * restarts them, signs, dials, routes control requests.  It never reads a
 * byte from the network.
 *
 *	warren.conf --> parse.y --> struct config
 *	                               |
 *	   launch.c (launcher) <-- supervise.c --> children's channels
 *	                               |    START, settings, sockets, GO
 *	   sockets.c  listeners, dialled links, STUN client sockets
 *	   signer.c   what peerd may have signed        keys.c  the identity
 *	   files.c    what peerd keeps on disk          node.c  who we are
 *	   control.c  warrenctl's sockets, routes       loghub.c  children's lines
 *	   apps.c     programs beside the node          app_log.c their lines
 *	   reload.c   all or nothing                    notify.c  ready signals
 *
 * Private to this program.
 */
#ifndef WARREN_WARREND_H
#define WARREN_WARREND_H

#include <event2/event.h>
#include <sys/types.h>

#include "cmd/warrend/config.h"
#include "common/ipc.h"
#include "common/mono.h"
#include "common/msg_ctl.h"
#include "common/msg_proc.h"
#include "common/version.h"
#include "common/view.h"


enum proc_state {
	PROC_DOWN,
	PROC_STARTING,
	PROC_UP,
	PROC_BACKOFF,
	PROC_STOPPING
};

/* One child of the suite, over all its lives. */
struct proc {
	enum proc_kind kind;
	unsigned index; /* of several workers */
	char name[24];  /* "apid 1" */
	enum proc_state state;
	pid_t pid;       /* 0: none */
	uint32_t launch; /* id of the spawn request under way */
	struct ipc *ch;
	int log_fd;
	struct event *log_ev;
	struct event *timer; /* back-off, or too long without READY */
	uint32_t generation; /* lives so far */
	uint32_t restarts;
	struct mono up;     /* READY since */
	struct wall up_wall;
	uint32_t backoff_ms;
	struct msg_proc_ready ready;
	uint64_t log_lost;
	bool condemned; /* we killed it; its exit says why */
};

#define PROCS_MAX 24

struct warrend {
	struct event_base *base;
	struct config conf;
	char conf_path[CONF_PATH];
	bool conf_optional;
	bool root;       /* uid 0 with the users mapped: drop privileges */
	uid_t uids[PROC_KINDS]; /* root: whom children become, */
	gid_t gids[PROC_KINDS]; /* looked up once, at start */
	bool foreground;
	unsigned verbose;
	struct proc procs[PROCS_MAX];
	unsigned n_procs;
	struct msg_node node; /* who we are, with the listeners really bound */
	uint8_t netid[32];
	const uint8_t *charter;
	size_t charter_len;
	char sandbox[64]; /* the parent's own */
	struct mono started;
	bool stopping, ready;
	int exit_code;
	uint32_t reloads;
	uint64_t log_lost;
};

extern struct warrend warrend;

/* --- supervise.c --- */

/* Exits, saying which, unless the children's programs can be run. */
void supervise_check_programs(void);

/* Make the table of children from the config and start them all. */
void supervise_start(int launcher_fd, pid_t launcher);
/* Ask all to leave, then kill; the loop ends when all are gone. */
void supervise_stop(int exit_code);
/* The running child of this kind (and index), or NULL. */
struct proc *supervise_find(enum proc_kind kind, unsigned index);
struct proc *supervise_by_name(const char *name);
/* Can it be told something?  One that starts hears it after PROC_GO. */
bool supervise_hears(const struct proc *p);
/* Send to every child of the kind that hears. */
void supervise_send_all(enum proc_kind kind, uint16_t type, const void *body);
/* A child sent what the contract forbids: kill it; it will be restarted. */
void supervise_condemn(struct proc *p, const char *why);
/* Fill the view of one process; NULL is warrend itself. */
void supervise_view(const struct proc *p, struct msg_process *out);
pid_t supervise_launcher(void);
/* A request to the launcher on behalf of apps.c; -1 for no descriptor. */
void supervise_launch(uint16_t type, uint32_t id, const void *body, int fd0,
    int fd1);
/* An app has ended: while stopping, it may have been the last. */
void supervise_maybe_done(void);

/* --- children.c: what each kind is told before PROC_GO, and its handlers --- */

void children_setup(struct proc *p);
const struct msg_table *children_tables(enum proc_kind kind);
const struct ipc_handler *children_handlers(enum proc_kind kind);
/* After a reload: the settings that may change while running. */
void children_reconfigure(void);

/* --- sockets.c --- */

/* Open every listener.  Fatal with a clear line when one is taken. */
void sockets_open(void);
void sockets_give(struct proc *p); /* listeners of this child, dup'd */
/* Connect for peerd; answers PEERD_DIALED or PEERD_FAILED with id. */
void sockets_dial(struct ipc *ch, const struct ipc_msg *m);
/* STUN client sockets from the reserved ports. */
void sockets_stun_get(struct ipc *ch, const struct ipc_msg *m);
void sockets_stun_drop(struct ipc *ch, const struct ipc_msg *m);
void sockets_stun_give_kept(struct proc *p);
void sockets_limits(struct ipc *ch, uint32_t id);

/* --- signer.c --- */

void signer_noise(struct ipc *ch, const struct ipc_msg *m);
void signer_node(struct ipc *ch, const struct ipc_msg *m);
void signer_claim(struct ipc *ch, const struct ipc_msg *m);
void signer_record(struct ipc *ch, const struct ipc_msg *m);

/* --- files.c: what peerd keeps --- */

void files_give(struct proc *p);
void files_save(struct ipc *ch, const struct ipc_msg *m);
void files_save_done(struct ipc *ch, const struct ipc_msg *m);
/* A small file of the parent's own in the state directory. */
int files_read_small(const char *name, char *buf, size_t cap);
int files_write_small(const char *name, const char *text);
void files_prepare_dirs(void);
const char *files_store_dir(void); /* the store's own, its chroot as root */

/* --- resolve.c: questions from peerd to the resolver child --- */

void resolve_ask(struct ipc *ch, const struct ipc_msg *m);
void resolve_answer(struct ipc *ch, const struct ipc_msg *m);
void resolve_failed(struct ipc *ch, const struct ipc_msg *m);
void resolve_lost(struct proc *p); /* the resolver or the asker died */

/* --- node.c --- */

void node_init(void);
void node_send(struct proc *p);
void node_add_listener(uint8_t service, uint8_t proto,
    const struct naddr *addr, const struct naddr *advertise,
    const char *holder);
/* Our interfaces' addresses that may be advertised; sent to peerd. */
void node_send_local(struct proc *p);

/* --- control.c --- */

void control_open(void);
void control_close(void);
/* A part or end of an answer from a child; passed on to whoever asked. */
void control_from_child(struct proc *p, const struct ipc_msg *m);
void control_child_lost(struct proc *p);
void control_event(struct msg_event *e); /* to all who monitor */
void control_emit(const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* --- stats.c: counters of all, for /metrics --- */

void stats_get(struct ipc *ch, const struct ipc_msg *m);
void stats_from_child(struct proc *p, const struct ipc_msg *m);
void stats_lost(struct proc *p);

/* --- loghub.c --- */

void loghub_attach(struct proc *p, int fd);
void loghub_detach(struct proc *p);

/* --- reload.c --- */

/* Read the config anew and apply it, all or nothing.  Lines for people go to
 * out; returns a sysexits code. */
int reload_config(FILE *out);

/* --- notify.c --- */

void notify_init(const char *ready_file, int ready_fd, int parent_fd);
void notify_ready(void);
void notify_stopping(void);
void notify_reloading(bool begin);
void notify_failed(int code);

/* --- resolver.c --- */

int resolver_main(int argc, char **argv);

#endif
