/* SPDX-License-Identifier: ISC */
/*
 * What children say on their descriptor 4: lines to log, and the last words
 * of one that made a forbidden call.  A child may not flood the log: each
 * has a budget, and what is above it is counted.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/warrend/warrend.h"
#include "common/log.h"
#include "common/sandbox.h"

#define LINES_PER_S 200
#define TURN_LINES  32   /* read in one wakeup */
#define LAST_LINES  1024 /* read when a child's channel is gone */

struct budget {
	struct mono since;
	unsigned lines;
	uint32_t trapped; /* generation that was, so far */
};

static struct budget budgets[PROCS_MAX];

static bool
within_budget(struct proc *p)
{
	struct budget *b = &budgets[p - warrend.procs];
	struct mono now = mono_now();

	if (mono_ms_between(b->since, now) >= 1000) {
		b->since = now;
		b->lines = 0;
	}
	if (b->lines++ < LINES_PER_S)
		return true;
	if (b->lines == LINES_PER_S + 1)
		log_warn("%s logs more than %d lines a second; the rest of "
			 "this second is lost",
		    p->name, LINES_PER_S);
	warrend.log_lost++;
	return false;
}

static void
on_trap(struct proc *p, const struct log_trap *t)
{
	struct budget *b = &budgets[p - warrend.procs];
	char name[32];

	if (b->trapped == p->generation) /* one dies of the first */
		return;
	b->trapped = p->generation;
	log_error("%s pid %d: forbidden system call %s at 0x%llx", p->name,
	    (int)p->pid, sandbox_syscall_name(t->arch, t->nr, name),
	    (unsigned long long)t->where);
	control_emit("process", "%s pid %d forbidden system call %s", p->name,
	    (int)p->pid, name);
}

static void
on_gram(struct proc *p, const uint8_t *gram, size_t n)
{
	struct log_trap t;

	if (n == sizeof(t) && gram[0] == LOG_MARK_TRAP) {
		memcpy(&t, gram, sizeof(t));
		on_trap(p, &t);
		return;
	}
	if (n >= 2 && gram[0] <= LOG_LVL_DEBUG && within_budget(p))
		log_relay((enum log_level)gram[0], p->name,
		    (const char *)gram + 1, n - 1);
}

/* False when nothing more is there. */
static bool
read_one(struct proc *p)
{
	uint8_t gram[LOG_LINE_MAX + 1];
	ssize_t n = recv(p->log_fd, gram, sizeof(gram), MSG_DONTWAIT);

	if (n > 0) {
		on_gram(p, gram, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		(void)event_del(p->log_ev);
	return false;
}

static void
on_log(evutil_socket_t fd, short what, void *arg)
{
	struct proc *p = arg;
	int i;

	(void)fd;
	(void)what;
	for (i = 0; i < TURN_LINES && read_one(p); i++)
		continue;
}

void
loghub_attach(struct proc *p, int fd)
{
	p->log_fd = fd;
	p->log_ev =
	    event_new(warrend.base, fd, EV_READ | EV_PERSIST, on_log, p);
	if (p->log_ev != NULL)
		(void)event_add(p->log_ev, NULL);
}

void
loghub_detach(struct proc *p)
{
	int i;

	if (p->log_fd == -1)
		return;
	/* Last words; one that is not dead yet may go on for ever. */
	for (i = 0; i < LAST_LINES && read_one(p); i++)
		continue;
	event_free(p->log_ev);
	p->log_ev = NULL;
	(void)close(p->log_fd);
	p->log_fd = -1;
}
