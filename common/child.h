/* SPDX-License-Identifier: ISC */
/*
 * What all children have in common: the parent's channel on descriptor 3,
 * the log on 4, the order of start, and the loop.
 *
 *	exec -> close all but 0-4 -> PROC_START and settings -> PROC_GO
 *	     -> child's go() -> chroot, user, rlimits, sandbox -> PROC_READY
 *	     -> child's ready() -> loop until PROC_STOP or the parent is gone
 *
 * No byte from the network is read before ready().
 */
#ifndef WARREN_CHILD_H
#define WARREN_CHILD_H

#include <event2/event.h>

#include "common/ipc.h"
#include "common/msg_proc.h"
#include "common/mono.h"

#define CHILD_IPC_FD 3

/* Handed to stats() and limits(): call it once for each value. */
typedef void (*stat_emit)(void *arg, const char *name, uint64_t value);
typedef void (*limit_emit)(void *arg, const char *name, uint64_t used,
    uint64_t max, uint64_t refused);

struct child_conf {
	const char *name; /* "stund"; workers get "apid 0", "apid 1" */
	enum proc_kind kind;
	const struct msg_table *tables; /* beside msgs_proc, which is added:
	    list msgs_proc first, then the child's own, then { NULL, 0 } */
	const struct ipc_handler *handlers; /* of its own messages */

	/* All may be NULL. */
	void (*start)(const struct msg_proc_start *st); /* first of all */
	void (*go)(void);    /* setup is complete: allocate, check */
	void (*inside)(void); /* in the chroot, as its own user, before the
	    sandbox shuts: open files */
	void (*ready)(void); /* the sandbox is shut: begin */
	void (*stop)(void);  /* leave cleanly; call child_exit() when done */
	/* A sibling's channel, a socket or two pipes; owns what it gets. */
	void (*channel)(enum proc_kind kind, unsigned index, int fd);
	void (*pipes)(enum proc_kind kind, unsigned index, int in, int out);
	void (*stats)(stat_emit emit, void *arg);
	void (*limits)(limit_emit emit, void *arg);
};

/* Run the child; returns its exit code.  Only main() calls it. */
int child_main(int argc, char **argv, const struct child_conf *conf);

struct event_base *child_base(void);
struct ipc *child_parent(void); /* the parent's channel */
const struct msg_proc_start *child_start(void);

/* Leave the loop and exit with code. */
void child_exit(int code);

/* Tell "warrenctl monitor" (and later subscribers) that something happened. */
void child_event(const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A sibling's channel ended.  Most often the sibling died, and its next life
 * brings a new one; where it lives on, a queue was full or a message bad, and
 * in a second the parent is asked for another.  The upper end calls this, so
 * that the parent is asked once.
 */
void child_channel_lost(enum proc_kind kind, unsigned index);

/* Answer a control request: the end of it. */
void child_ctl_end(struct ipc *ch, uint32_t id, uint8_t code, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* --- child_timer.c --- */

/*
 * One-shot timers, made at start, never freed.  Fatal when there are too many
 * or there is no memory.  One that is due at MONO_NEVER is off.
 */
struct event *child_timer(void (*fn)(evutil_socket_t, short, void *),
    void *arg);
void child_timer_set(struct event *ev, struct mono due, struct mono now);
bool child_timer_pending(const struct event *ev);

/* Before the sandbox and the first timer; child_main() does it. */
void child_timers_init(void);

#endif
