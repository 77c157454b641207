/* SPDX-License-Identifier: ISC */
/*
 * Apps beside the node and the loops between them.  warrend knows what it
 * launched, appd what is connected, peerd by which way a loop goes; here the
 * three become one table.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/view_json.h"

static const char *
port_str(uint16_t port, char buf[8])
{
	if (port == 0)
		return "-";
	(void)snprintf(buf, 8, "%u", port);
	return buf;
}

/* --- apps --- */

/* What appd knows of the process that warrend launched. */
static const struct msg_ctl_app_conn *
connection_of(uint32_t pid)
{
	const struct msg_ctl_app_conn *c;
	struct part *at = NULL;

	while ((c = client_next(CTL_APP_CONN, &at)) != NULL)
		if (!c->by_hand && c->pid == pid)
			return c;
	return NULL;
}

static void
print_row(const char *name, const char *state, uint32_t pid, uint16_t port,
    const struct msg_ctl_app_conn *c, uint32_t restarts, uint64_t age,
    const char *last)
{
	char port_s[8], in[24], out[24], age_s[24], pid_s[12] = "-";

	if (pid != 0)
		(void)snprintf(pid_s, sizeof(pid_s), "%u", pid);
	(void)printf("%-20s %-9s %7s %5s %5u %6s %6s %8u  %-9s %s\n", name,
	    state, pid_s, port_str(port, port_s), c == NULL ? 0 : c->loops,
	    text_size(c == NULL ? 0 : c->bytes_in, in),
	    text_size(c == NULL ? 0 : c->bytes_out, out), restarts,
	    pid == 0 ? "-" : text_age(age, age_s), last);
}

static void
print_apps(void)
{
	const struct msg_ctl_app_conn *c;
	const struct msg_ctl_app *a;
	struct part *at = NULL;

	(void)printf("%-20s %-9s %7s %5s %5s %6s %6s %8s  %-9s %s\n", "APP",
	    "STATE", "PID", "PORT", "LOOPS", "IN", "OUT", "RESTARTS", "UP",
	    "ENDED LAST");
	while ((a = client_next(CTL_APP, &at)) != NULL) {
		c = a->pid == 0 ? NULL : connection_of(a->pid);
		print_row(a->name,
		    strcmp(a->state, "running") == 0 && (c == NULL || !c->ready)
			? "no init"
			: a->state,
		    a->pid, a->port, c, a->restarts, a->uptime_s, a->last);
	}
	at = NULL;
	while ((c = client_next(CTL_APP_CONN, &at)) != NULL)
		if (c->by_hand)
			print_row(c->name[0] == '\0' ? "?" : c->name,
			    c->ready ? "by hand" : "no init", c->pid, c->port,
			    c, 0, c->age_s, "");
}

int
act_show_apps(int argc, char **argv)
{
	int code;

	if (argc != 0)
		die(EX_USAGE, "%s takes no argument '%s'", cx.command, argv[0]);
	code = client_ask(CTL_SHOW_APPS, NULL);
	if (cx.json) {
		cx.data = json_object();
		(void)json_object_set_new(cx.data, "apps",
		    json_parts(CTL_APP, &schema_ctl_app));
		(void)json_object_set_new(cx.data, "connected",
		    json_parts(CTL_APP_CONN, &schema_ctl_app_conn));
	} else if (code == 0) {
		print_apps();
	}
	return code;
}

static int
ask_name(uint16_t type, int argc, char **argv)
{
	struct msg_ctl_word w = { .word = "" };

	if (argc != 1)
		die(EX_USAGE, "usage: warrenctl %s NAME", cx.command);
	if (strlcpy(w.word, argv[0], sizeof(w.word)) >= sizeof(w.word))
		die(EX_USAGE, "too long: %s", argv[0]);
	return client_ask(type, &w);
}

int
act_app_start(int argc, char **argv)
{
	return ask_name(CTL_APP_START, argc, argv);
}

int
act_app_stop(int argc, char **argv)
{
	return ask_name(CTL_APP_STOP, argc, argv);
}

int
act_app_restart(int argc, char **argv)
{
	return ask_name(CTL_APP_RESTART, argc, argv);
}

int
act_app_log(int argc, char **argv)
{
	return ask_name(CTL_APP_LOG, argc, argv);
}

/* --- loops --- */

static const struct msg_ctl_loop_path *
path_of(uint32_t loop)
{
	const struct msg_ctl_loop_path *p;
	struct part *at = NULL;

	while (loop != 0 && (p = client_next(CTL_LOOP_PATH, &at)) != NULL)
		if (p->loop == loop)
			return p;
	return NULL;
}

static void
print_way(const struct msg_ctl_loop *l, const struct msg_ctl_loop_path *p)
{
	char via[NODE_ID_HEX];

	if (l->local)
		(void)printf("local");
	else if (l->relayed && p != NULL)
		(void)printf("relay %.8s", node_id_hex(p->via, via));
	else
		(void)printf(l->relayed ? "relay" : "direct");
}

static void
print_loops(void)
{
	char to[NODE_ID_HEX], in[24], out[24], age[24], rtt[24];
	const struct msg_ctl_loop_path *p;
	const struct msg_ctl_loop *l;
	struct part *at = NULL;

	(void)printf("%-20s %5s  %-14s %-10s %6s %6s %6s %-8s %-8s %s\n", "APP",
	    "PORT", "TO", "STATE", "IN", "OUT", "WAIT", "AGE", "RTT", "WAY");
	while ((l = client_next(CTL_LOOP, &at)) != NULL) {
		p = path_of(l->loop);
		(void)printf("%-20s %5u  %.8s:%-5u %-10s %6s %6s ",
		    l->app[0] == '\0' ? "-" : l->app, l->port,
		    node_id_hex(l->node, to), l->remote_port, l->state,
		    text_size(l->bytes_in, in), text_size(l->bytes_out, out));
		(void)printf("%6s %-8s %-8s ", text_size(l->waiting, in),
		    text_age(l->age_s, age),
		    text_rtt(p == NULL ? MSG_NULL64 : p->rtt_us, rtt));
		print_way(l, p);
		(void)printf("\n");
	}
}

/* One object a loop, with what peerd knows of its way. */
static json_t *
loops_json(void)
{
	json_t *list = json_array(), *one;
	const struct msg_ctl_loop_path *p;
	const struct msg_ctl_loop *l;
	struct part *at = NULL;
	char via[NODE_ID_HEX];

	while ((l = client_next(CTL_LOOP, &at)) != NULL) {
		one = view_json_schema(&schema_ctl_loop, l);
		p = path_of(l->loop);
		(void)json_object_set_new(one, "rtt_us",
		    p == NULL || p->rtt_us == MSG_NULL64
			? json_null()
			: json_integer((json_int_t)p->rtt_us));
		(void)json_object_set_new(one, "via",
		    p == NULL || !p->relayed
			? json_null()
			: json_string(node_id_hex(p->via, via)));
		(void)json_array_append_new(list, one);
	}
	return list;
}

int
act_show_loops(int argc, char **argv)
{
	int code;

	if (argc != 0)
		die(EX_USAGE, "show loops takes no argument '%s'", argv[0]);
	code = client_ask(CTL_SHOW_LOOPS, NULL);
	if (code == 0)
		(void)client_ask(CTL_SHOW_LOOP_PATHS, NULL);
	if (cx.json)
		cx.data = loops_json();
	else if (code == 0)
		print_loops();
	return code;
}
