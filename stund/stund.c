/* SPDX-License-Identifier: ISC */
/*
 * stund's shell: what comes from the parent, and what the parent may ask.
 * Drawn in stund.h; the work is done in serve_udp.c, serve_tcp.c, clients.c
 * and report.c.
 */
#include "stund/stund.h"

#include <sodium.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/assert.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "stund/linked.h"

#define HOUSEKEEPING_MS 60000

struct stund stund;

static struct event *keeper;
static uint64_t over_rate; /* told in the log so far */

struct instant
instant_now(void)
{
	return (struct instant){ mono_now(), wall_now() };
}

unsigned
stund_allow(void)
{
	unsigned allow = child_start()->allow;
	size_t i;

	for (i = 0; i < stund.n_listeners; i++)
		if (stund.listeners[i].loopback)
			allow |= ADDR_ALLOW_LOOPBACK;
	return allow;
}

void
stund_note(const struct naddr *from, uint8_t proto, struct wall now)
{
	requesters_note(&stund.requesters, from, proto, linked_at(from), now);
}

/* --- settings --- */

static void
apply_rates(void)
{
	struct stun_server_cfg cfg = STUN_SERVER_DEFAULTS;
	uint8_t key[RATELIMIT_KEY];

	cfg.net = (struct rate){ stund.conf.rate, stund.conf.burst };
	cfg.all =
	    (struct rate){ stund.conf.global_rate, stund.conf.global_rate };
	randombytes_buf(key, sizeof(key));
	stun_server_set_rates(&stund.server, &cfg, key);
	sodium_memzero(key, sizeof(key));
	requesters_set_max(&stund.requesters,
	    (uint16_t)stund.conf.requesters_max);
}

static bool
same_rates(const struct msg_stund_config *a, const struct msg_stund_config *b)
{
	return a->rate == b->rate && a->burst == b->burst &&
	    a->global_rate == b->global_rate &&
	    a->requesters_max == b->requesters_max;
}

static void
on_config(struct ipc *ch, const struct ipc_msg *m)
{
	struct msg_stund_config old = stund.conf;

	(void)ch;
	memcpy(&stund.conf, m->body, sizeof(stund.conf));
	stund.configured = true;
	if (!stund.running)
		return;
	/* A reload that changes nothing gives nobody a new budget. */
	if (!same_rates(&old, &stund.conf))
		apply_rates();
	serve_tcp_reconf();
	clients_reconf();
}

static void
on_listen(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_stund_listen *l = m->body;
	struct listener *new;

	(void)ch;
	if (stund.n_listeners == STUND_LISTENERS_MAX)
		fatalx(EX_CONFIG, "more than %d sockets to serve",
		    STUND_LISTENERS_MAX);
	new = &stund.listeners[stund.n_listeners++];
	new->proto = l->proto;
	new->fd = m->fd[0];
	new->addr = l->addr;
	new->loopback = l->loopback;
	if (l->proto == PROTO_TCP)
		serve_tcp_prepare(new);
	else
		serve_udp_prepare(new);
}

static void
on_socket(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	clients_socket(m->id, m->body, m->fd[0]);
}

static void
on_socket_fail(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	clients_socket_failed(m->id, m->body);
}

static void
on_show_stun(struct ipc *ch, const struct ipc_msg *m)
{
	report_show(ch, m->id);
}

static void
on_netcheck(struct ipc *ch, const struct ipc_msg *m)
{
	report_netcheck(ch, m->id);
}

static const struct ipc_handler handlers[] = {
	{ STUND_CONFIG, on_config },
	{ STUND_LISTEN, on_listen },
	{ STUND_SOCKET, on_socket },
	{ STUND_SOCKET_FAIL, on_socket_fail },
	{ CTL_SHOW_STUN, on_show_stun },
	{ CTL_NETCHECK, on_netcheck },
	{ 0, NULL },
};

/* --- life --- */

/* One line a minute at most, however many are turned away. */
static void
on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
	const uint64_t *n = stund.server.count;
	uint64_t over = n[STUN_DROP_NET_RATE] + n[STUN_DROP_RATE];
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	(void)requesters_expire(&stund.requesters, wall_now());
	if (over > over_rate)
		log_info("server: %llu requests over the rate were not "
			 "answered in the last minute",
		    (unsigned long long)(over - over_rate));
	over_rate = over;
	child_timer_set(keeper, mono_add_ms(now, HOUSEKEEPING_MS), now);
}

static void
go(void)
{
	const struct stun_server_cfg cfg = STUN_SERVER_DEFAULTS;
	uint8_t key[RATELIMIT_KEY];

	if (!stund.configured)
		fatalx(EX_SOFTWARE, "PROC_GO before STUND_CONFIG");
	randombytes_buf(key, sizeof(key));
	stun_server_init(&stund.server, &cfg, key);
	stund.server.allow = child_start()->allow;
	randombytes_buf(key, sizeof(key));
	requesters_init(&stund.requesters, key);
	sodium_memzero(key, sizeof(key));
	apply_rates();
	mapping_init(&stund.mappings);
	keeper = child_timer(on_housekeeping, NULL);
	serve_tcp_init(stund.conf.tcp_conns_max);
	clients_init();
	report_init();
}

static void
ready(void)
{
	size_t i;

	stund.running = true;
	for (i = 0; i < stund.n_listeners; i++) {
		if (stund.listeners[i].proto == PROTO_TCP)
			serve_tcp_start(&stund.listeners[i]);
		else
			serve_udp_start(&stund.listeners[i]);
	}
	clients_start();
	report_start();
	on_housekeeping(-1, 0, NULL);
}

static void
channel(enum proc_kind kind, unsigned index, int fd)
{
	if (kind == PROC_PEERD || kind == PROC_APID)
		report_channel(kind, index, fd);
	else
		(void)close(fd);
}

/* --- what can be asked --- */

static void
stats(stat_emit emit, void *arg)
{
	static const char *const dropped[STUN_VERDICT_COUNT] = {
		[STUN_DROP_ALIEN] = "stun_dropped_not_stun",
		[STUN_DROP_MALFORMED] = "stun_dropped_malformed",
		[STUN_DROP_TYPE] = "stun_dropped_type",
		[STUN_DROP_SOURCE] = "stun_dropped_source",
		[STUN_DROP_REFLECTOR] = "stun_dropped_reflector",
		[STUN_DROP_UNKNOWN] = "stun_dropped_unknown",
		[STUN_DROP_NET_RATE] = "stun_dropped_net_rate",
		[STUN_DROP_RATE] = "stun_dropped_rate",
	};
	const uint64_t *n = stund.server.count;
	uint64_t all = 0;
	size_t i;

	/* Binding requests: what is not is dropped before these are judged. */
	for (i = 0; i < STUN_VERDICT_COUNT; i++)
		if (i != STUN_NOTED && i != STUN_DROP_ALIEN &&
		    i != STUN_DROP_MALFORMED && i != STUN_DROP_TYPE)
			all += n[i];
	emit(arg, "stun_requests", all);
	emit(arg, "stun_answers", n[STUN_ANSWERED] + n[STUN_REFUSED]);
	for (i = 0; i < STUN_VERDICT_COUNT; i++)
		if (dropped[i] != NULL)
			emit(arg, dropped[i], n[i]);
	emit(arg, "stun_dropped_send", stund.send_failed);
	emit(arg, "stun_tcp_connections", serve_tcp_used());
	emit(arg, "stun_tcp_refused", serve_tcp_refused());
	emit(arg, "stun_clients", clients_used());
	emit(arg, "stun_mappings", stund.mappings.n);
	emit(arg, "stun_mapping_changes", report_changes());
	emit(arg, "stun_client_timeouts", clients_timeouts());
	emit(arg, "stun_requesters", stund.requesters.n);
}

/* Networks that have spent some of their budget. */
static uint64_t
networks_counted(void)
{
	int64_t now_ns = mono_now().us * 1000;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < STUN_SERVER_SLOTS; i++)
		n += stund.server.slots[i] > now_ns;
	return n;
}

static void
limits(limit_emit emit, void *arg)
{
	const uint64_t *n = stund.server.count;

	emit(arg, "STUN TCP connections", serve_tcp_used(), serve_tcp_max(),
	    serve_tcp_refused());
	/* One socket a protocol for each peer. */
	emit(arg, "STUN clients", clients_used(),
	    2u * (uint64_t)stund.conf.clients_max, clients_refused());
	emit(arg, "STUN mappings", stund.mappings.n, MAPPING_MAX,
	    stund.mappings.refused);
	emit(arg, "STUN requesters", stund.requesters.n, stund.requesters.max,
	    stund.requesters.evicted);
	emit(arg, "STUN rate-limit table", networks_counted(),
	    STUN_SERVER_SLOTS, n[STUN_DROP_NET_RATE] + n[STUN_DROP_RATE]);
}

int
main(int argc, char **argv)
{
	const struct msg_table tables[] = { msgs_proc, msgs_ctl, msgs_stund,
		{ NULL, 0 } };
	const struct child_conf conf = { .name = "stund",
		.kind = PROC_STUND,
		.tables = tables,
		.handlers = handlers,
		.go = go,
		.ready = ready,
		.channel = channel,
		.stats = stats,
		.limits = limits };

	return child_main(argc, argv, &conf);
}
