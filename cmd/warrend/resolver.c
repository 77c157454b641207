/* SPDX-License-Identifier: ISC */
/*
 * The resolver, as drawn in resolver.h.  res_nquery() blocks, so there is one
 * question at a time, each with a deadline, and the rest wait their turn.
 * Only UDP: the library's TCP fallback knows no time-out, and an answer that
 * was cut still holds more addresses than anybody dials.
 */
#include "cmd/warrend/resolver.h"

#include <arpa/nameser.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/dns_answer.h"
#include "cmd/warrend/hosts.h"
#include "common/child.h"
#include "common/compat/res.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "common/msg_peerd.h"

#define ANSWER_MAX 4096 /* EDNS0 asks for no more */
#define HOSTS_FILE "/etc/hosts"

struct question {
	uint32_t id;
	struct msg_peerd_resolve ask;
	struct mono due;
};

static struct {
	struct __res_state res;
	char hosts[HOSTS_TEXT_MAX];
	size_t hosts_len;
	struct question queue[RESOLVER_QUEUE]; /* a ring */
	unsigned head, n;
	struct event *turn; /* the next question, once the loop is idle */
	uint8_t msg[ANSWER_MAX];
	uint64_t asked, failed, refused;
} self;

/* --- questions to the DNS --- */

/*
 * Give a query at most half of what is left until due, over all servers and
 * tries, so that the one after it has its chance as well.  The library waits
 * in whole seconds, for each server about equally long.
 */
static void
set_patience(struct mono due)
{
	int64_t left_s = mono_ms_between(mono_now(), due) / 2000;
	int servers = self.res.nscount > 0 ? self.res.nscount : 1;

	self.res.retry = left_s >= 2 * servers ? 2 : 1;
	self.res.retrans = (int)(left_s / (self.res.retry * servers));
	if (self.res.retrans < 1)
		self.res.retrans = 1;
}

/* The length of the answer in self.msg, or 0. */
static size_t
query(const char *name, ns_type type, struct mono due)
{
	int n;

	if (mono_reached(due, mono_now()))
		return 0;
	set_patience(due);
	n = res_nquery(&self.res, name, ns_c_in, (int)type, self.msg,
	    sizeof(self.msg));
	if (n <= 0)
		return 0;
	return (size_t)n < sizeof(self.msg) ? (size_t)n : sizeof(self.msg);
}

/* A literal, the hosts file, or the DNS. */
static void
resolve_host(const char *name, uint16_t port, struct mono due,
    struct dns_addrs *out)
{
	struct naddr found[DNS_ADDRS], literal;
	unsigned i, n;
	size_t len;

	if (naddr_parse_ip(&literal, name, port) == 0) {
		dns_add(out, &literal);
		return;
	}
	n = hosts_lookup(self.hosts, self.hosts_len, name, port, found,
	    DNS_ADDRS);
	for (i = 0; i < n; i++)
		dns_add(out, &found[i]);
	if (n > 0)
		return;
	if ((len = query(name, ns_t_a, due)) > 0)
		(void)dns_answer_addrs(self.msg, len, name, port, out);
	if ((len = query(name, ns_t_aaaa, due)) > 0)
		(void)dns_answer_addrs(self.msg, len, name, port, out);
}

/* SRV and what it points to, or else the plain addresses of the name. */
static void
resolve_seed(const struct msg_peerd_resolve *ask, struct mono due,
    struct dns_addrs *out)
{
	static struct dns_targets targets;
	static struct dns_addrs extra[DNS_TARGETS];
	const struct dns_target *t;
	char service[DNS_NAME];
	unsigned i, j;
	size_t len;

	targets.n = 0;
	(void)snprintf(service, sizeof(service), "_warren._tcp.%s", ask->name);
	if ((len = query(service, ns_t_srv, due)) > 0)
		(void)dns_answer_srv(self.msg, len, service, &targets);
	/* All of this message, before the next one overwrites it. */
	for (i = 0; i < targets.n; i++) {
		t = &targets.list[i];
		extra[i].n = 0;
		(void)dns_answer_extra(self.msg, len, t->name, t->port,
		    &extra[i]);
	}
	for (i = 0; i < targets.n && out->n < DNS_ADDRS; i++) {
		t = &targets.list[i];
		if (extra[i].n == 0)
			resolve_host(t->name, t->port, due, out);
		for (j = 0; j < extra[i].n; j++)
			dns_add(out, &extra[i].list[j]);
	}
	if (out->n == 0)
		resolve_host(ask->name, ask->port, due, out);
}

/* --- answers to the parent --- */

static void
fail(uint32_t id, const char *error)
{
	struct msg_peerd_failed f = { .error = "" };

	self.failed++;
	(void)snprintf(f.error, sizeof(f.error), "%s", error);
	(void)ipc_send(child_parent(), RESOLVER_FAILED, id, &f);
}

static void
answer(const struct question *q)
{
	static struct msg_peerd_resolved r;
	struct dns_addrs found = { .n = 0 };
	unsigned i;

	if (mono_reached(q->due, mono_now())) {
		fail(q->id, "timed out behind other questions");
		return;
	}
	if (q->ask.kind == RESOLVE_SEED)
		resolve_seed(&q->ask, q->due, &found);
	else
		resolve_host(q->ask.name, q->ask.port, q->due, &found);
	if (found.n == 0) {
		fail(q->id,
		    mono_reached(q->due, mono_now()) ? "timed out"
						     : "no address");
		return;
	}
	memset(&r, 0, sizeof(r));
	for (i = 0; i < found.n; i++)
		r.addrs[i].addr = found.list[i];
	r.n_addrs = (uint16_t)found.n;
	(void)ipc_send(child_parent(), RESOLVER_ANSWER, q->id, &r);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct mono now;

	(void)fd;
	(void)what;
	(void)arg;
	if (self.n == 0)
		return;
	answer(&self.queue[self.head]);
	self.head = (self.head + 1) % RESOLVER_QUEUE;
	self.n--;
	/* What was answered goes out before the next question blocks us. */
	ipc_flush(child_parent());
	now = mono_now();
	if (self.n > 0)
		child_timer_set(self.turn, now, now);
}

static void
on_ask(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_resolve *ask = m->body;
	struct mono now = mono_now();
	struct question *q;

	(void)ch;
	self.asked++;
	if (self.n == RESOLVER_QUEUE) {
		self.refused++;
		fail(m->id, "too many questions");
		return;
	}
	q = &self.queue[(self.head + self.n++) % RESOLVER_QUEUE];
	q->id = m->id;
	q->ask = *ask;
	q->due = mono_add_ms(now, ask->timeout_ms);
	if (self.n == 1)
		child_timer_set(self.turn, now, now);
}

static void
on_config(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_resolver_config *c = m->body;
	struct naddr servers[4] = { { 0 } };
	unsigned i, n;

	(void)ch;
	for (i = 0; i < c->n_servers; i++)
		servers[i] = c->servers[i].addr;
	n = compat_res_servers(&self.res, servers, i);
	if (n < i)
		log_warn("name servers: only %u of %u can be used", n, i);
}

/* --- the life of the child --- */

static void
read_hosts(void)
{
	int fd = open(HOSTS_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd == -1)
		return;
	while (n > 0 && self.hosts_len < sizeof(self.hosts)) {
		n = read(fd, self.hosts + self.hosts_len,
		    sizeof(self.hosts) - self.hosts_len);
		if (n > 0)
			self.hosts_len += (size_t)n;
	}
	(void)close(fd);
	if (self.hosts_len == sizeof(self.hosts))
		log_warn("%s: only the first %u bytes count", HOSTS_FILE,
		    HOSTS_TEXT_MAX);
}

/* Before RESOLVER_CONFIG, which replaces what resolv.conf said. */
static void
start(const struct msg_proc_start *st)
{
	(void)st;
	if (res_ninit(&self.res) == -1)
		fatalx(EX_OSERR, "resolver library");
	self.res.options &= ~(unsigned long)RES_USEVC;
	self.res.options |= RES_IGNTC | RES_USE_EDNS0;
}

static void
go(void)
{
	read_hosts();
	self.turn = child_timer(on_turn, NULL);
}

static void
stats(stat_emit emit, void *arg)
{
	emit(arg, "warren_resolver_questions_total", self.asked);
	emit(arg, "warren_resolver_failures_total", self.failed);
}

static void
limits(limit_emit emit, void *arg)
{
	emit(arg, "questions waiting", self.n, RESOLVER_QUEUE, self.refused);
}

int
resolver_main(int argc, char **argv)
{
	static const struct ipc_handler handlers[] = {
		{ RESOLVER_CONFIG, on_config },
		{ RESOLVER_ASK, on_ask },
		{ 0, NULL },
	};
	const struct msg_table tables[] = { msgs_proc, msgs_ctl, msgs_resolver,
		{ NULL, 0 } };
	const struct child_conf conf = { .name = "resolver",
		.kind = PROC_RESOLVER,
		.tables = tables,
		.handlers = handlers,
		.start = start,
		.go = go,
		.stats = stats,
		.limits = limits };

	return child_main(argc, argv, &conf);
}
