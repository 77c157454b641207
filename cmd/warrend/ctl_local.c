/* SPDX-License-Identifier: ISC */
/*
 * What warrend itself knows: the node, its processes, the configuration, and
 * how loudly to log.
 */
#include "cmd/warrend/ctl_local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/operator.h"
#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

/* Send a text as lines, and free it. */
static void
send_lines(struct ipc *ch, uint32_t id, char *text)
{
	struct msg_ctl_line l;
	char *line, *rest = text;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0' && rest == NULL)
			break;
		(void)strlcpy(l.text, line, sizeof(l.text));
		for (char *p = l.text; *p != '\0'; p++)
			if ((uint8_t)*p < 0x20)
				*p = ' ';
		(void)ipc_send(ch, CTL_LINE, id, &l);
	}
	free(text);
}

bool
ctl_node(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ipc_send(ch, CTL_NODE, m->id, &warrend.node);
	return true;
}

bool
ctl_charter(struct ipc *ch, const struct ipc_msg *m)
{
	struct msg_ctl_charter c = { .charter = { warrend.charter,
					 (uint32_t)warrend.charter_len } };

	(void)ipc_send(ch, CTL_CHARTER, m->id, &c);
	return true;
}

static void
problem(struct ipc *ch, uint32_t id, bool critical, const char *code,
    const char *text)
{
	struct msg_ctl_problem p = { .critical = critical,
		.since = (uint64_t)wall_now().ms };

	(void)strlcpy(p.code, code, sizeof(p.code));
	(void)strlcpy(p.text, text, sizeof(p.text));
	(void)ipc_send(ch, CTL_PROBLEM, id, &p);
}

static void
problems(struct ipc *ch, uint32_t id)
{
	const struct proc *p;
	char text[160];
	unsigned i;

	for (i = 0; i < warrend.n_procs; i++) {
		p = &warrend.procs[i];
		if (p->state != PROC_UP) {
			(void)snprintf(text, sizeof(text),
			    "%s is not running; see the log", p->name);
			problem(ch, id, true, "process-down", text);
		} else if (p->ready.level < 2) {
			(void)snprintf(text, sizeof(text),
			    "%s runs with a reduced sandbox (%s)", p->name,
			    p->ready.sandbox);
			problem(ch, id, false, "sandbox-reduced", text);
		}
	}
	if (warrend.conf.test_echo)
		problem(ch, id, false, "test-echo",
		    "started with --test-echo, for conformance tests only");
}

bool
ctl_processes(struct ipc *ch, const struct ipc_msg *m)
{
	struct msg_process v;
	unsigned i;

	memset(&v, 0, sizeof(v));
	supervise_view(NULL, &v);
	(void)ipc_send(ch, CTL_PROCESS, m->id, &v);
	(void)strlcpy(v.name, "launcher", sizeof(v.name));
	(void)strlcpy(v.sandbox, "none: it starts the others",
	    sizeof(v.sandbox));
	v.pid = (uint32_t)supervise_launcher();
	(void)ipc_send(ch, CTL_PROCESS, m->id, &v);
	for (i = 0; i < warrend.n_procs; i++) {
		supervise_view(&warrend.procs[i], &v);
		(void)ipc_send(ch, CTL_PROCESS, m->id, &v);
	}
	return true;
}

bool
ctl_status(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ipc_send(ch, CTL_NODE, m->id, &warrend.node);
	(void)ctl_processes(ch, m);
	problems(ch, m->id);
	return true;
}

bool
ctl_limits(struct ipc *ch, const struct ipc_msg *m)
{
	control_limits(ch, m->id);
	sockets_limits(ch, m->id);
	return true;
}

bool
ctl_config(struct ipc *ch, const struct ipc_msg *m)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		return true;
	config_print(&warrend.conf, f);
	(void)fclose(f);
	send_lines(ch, m->id, text);
	return true;
}

bool
ctl_peer_add(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_peer_add *a = m->body;

	(void)ch;
	operator_add_host(a->host, a->name, a->key);
	return true;
}

bool
ctl_peer_delete(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_word *w = m->body;

	(void)ch;
	operator_delete_host(w->word);
	return true;
}

bool
ctl_reload(struct ipc *ch, const struct ipc_msg *m)
{
	struct msg_ctl_end end = { .code = 0 };
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		return true;
	end.code = (uint8_t)reload_config(f);
	(void)fclose(f);
	send_lines(ch, m->id, text);
	(void)strlcpy(end.text,
	    end.code == 0
		? "reloaded"
		: "not reloaded; the running configuration is unchanged",
	    sizeof(end.text));
	(void)ipc_send(ch, CTL_END, m->id, &end);
	return false;
}

/* --- log levels --- */

static struct event *revert_timer;

static void
set_level(const char *process, uint8_t level)
{
	struct msg_proc_loglevel l = { .level = level };
	struct proc *p;
	unsigned i;

	if (process[0] == '\0' || strcmp(process, "warrend") == 0)
		log_set_level((enum log_level)level);
	for (i = 0; i < warrend.n_procs; i++) {
		p = &warrend.procs[i];
		if (supervise_hears(p) &&
		    (process[0] == '\0' ||
			strncmp(p->name, process, strlen(process)) == 0))
			(void)ipc_send(p->ch, PROC_LOGLEVEL, 0, &l);
	}
}

static void
on_revert(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	set_level("", (uint8_t)warrend.conf.log_level);
	log_info("log level back to %s",
	    log_level_name(warrend.conf.log_level));
}

bool
ctl_log(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_log *l = m->body;
	struct timeval tv = { (time_t)l->for_s, 0 };
	struct msg_ctl_end end = { .code = 1 };

	if (l->process[0] != '\0' && strcmp(l->process, "warrend") != 0 &&
	    strcmp(l->process, "apid") != 0 &&
	    supervise_by_name(l->process) == NULL) {
		(void)snprintf(end.text, sizeof(end.text),
		    "no process '%s'; see: warrenctl show processes",
		    l->process);
		(void)ipc_send(ch, CTL_END, m->id, &end);
		return false;
	}
	set_level(l->process, l->level);
	if (revert_timer == NULL)
		revert_timer = evtimer_new(warrend.base, on_revert, NULL);
	if (revert_timer != NULL && l->for_s > 0)
		(void)evtimer_add(revert_timer, &tv);
	else if (revert_timer != NULL)
		(void)evtimer_del(revert_timer);
	log_info("log level %s for %s", log_level_name(l->level),
	    l->process[0] == '\0' ? "all" : l->process);
	return true;
}

#ifdef WARREN_ATTACK
bool
ctl_attack(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_attack *a = m->body;
	struct msg_proc_attack order = { .what = a->what };
	struct proc *p = supervise_by_name(a->process);

	(void)ch;
	if (p != NULL && p->ch != NULL)
		(void)ipc_send(p->ch, PROC_ATTACK, 0, &order);
	return true;
}
#endif
