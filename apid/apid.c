/* SPDX-License-Identifier: ISC */
/*
 * apid's shell: messages from the parent and the siblings, and its life.
 * What it does for clients begins in listen.c.
 */
#include "apid/apid.h"

#include <jansson.h>
#include <sodium.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "apid/conn.h"
#include "apid/listen.h"
#include "apid/metrics.h"
#include "apid/out.h"
#include "apid/storelink.h"
#include "common/child.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "common/msg_siblings.h"

static struct ipc *stund, *peerd; /* the store's is storelink.c's */
static bool configured;

#define OWN_FDS 48 /* channels, listeners, and some on their way */

/* --- from the parent --- */

/* This worker's part of what all workers together may do. */
static struct limit_conf
limit_share(const struct msg_apid_config *c)
{
	struct limit_conf l = { .window_ms = c->window_ms,
		.max_requests = c->max_requests,
		.threshold = c->blacklist_threshold,
		.blacklist_ms = c->blacklist_ms };

	if (c->workers > 1 && l.max_requests > 0) {
		l.max_requests /= c->workers;
		if (l.max_requests == 0)
			l.max_requests = 1;
	}
	return l;
}

/*
 * Descriptors come from the store, too, and a channel that cannot take one
 * ends: what connections and we ourselves may need stays free.
 */
static void
share_descriptors(void)
{
	size_t all = child_start()->nofile;
	size_t used = (size_t)apid.conf.conns_max + OWN_FDS;

	out_set_files_max(all > used ? all - used : 1);
}

static void
on_config(struct ipc *ch, const struct ipc_msg *m)
{
	struct limit_conf l;
	uint8_t key[PREFIX_KEY_LEN];

	(void)ch;
	apid.conf = *(const struct msg_apid_config *)m->body;
	apid.http = (struct http_limits){ .header_max = apid.conf.header_max,
		.body_max = apid.conf.body_max };
	l = limit_share(&apid.conf);
	if (configured) {
		limit_configure(&apid.limit, &l);
	} else {
		randombytes_buf(key, sizeof(key));
		limit_init(&apid.limit, &l, key);
	}
	configured = true;
	conn_configure();
	share_descriptors();
}

static void
on_listen(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_apid_listen *l = m->body;
	char addr[NADDR_STR];

	(void)ch;
	if (!listen_add(m->fd[0], l->service))
		fatalx(EX_SOFTWARE, "listener %s: too many",
		    naddr_str(&l->addr, addr));
}

static void
on_node(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	state_set_node(m->body);
}

/* Another worker's ban, or the end of one. */
static void
on_ban(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_apid_ban *b = m->body;
	struct prefix p;
	struct mono now;
	int64_t left_ms;

	(void)ch;
	apid_touch_clock();
	now = apid_time().mono;
	prefix_of(&p, &b->prefix);
	left_ms = b->until > INT64_MAX / 2
	    ? INT64_MAX / 2000
	    : (int64_t)b->until - apid_time().wall.ms;
	limit_ban(&apid.limit, &p,
	    left_ms > 0 ? mono_add_ms(now, left_ms) : now, now);
}

void
apid_report_ban(const struct prefix *p, uint64_t for_ms)
{
	struct msg_apid_ban b = { .until =
				      (uint64_t)apid_time().wall.ms + for_ms };
	char ip[NADDR_STR];

	prefix_to_addr(p, &b.prefix);
	log_debug("blacklisted %s for %llu s", naddr_ip_str(&b.prefix, ip),
	    (unsigned long long)for_ms / 1000);
	if (!ipc_is_full(child_parent()))
		(void)ipc_send(child_parent(), APID_BAN, 0, &b);
}

static const struct ipc_handler handlers[] = {
	{ APID_CONFIG, on_config },
	{ APID_LISTEN, on_listen },
	{ APID_NODE, on_node },
	{ APID_BAN, on_ban },
	{ APID_STATS, metrics_on_stats },
	{ APID_STATS_END, metrics_on_end },
	{ 0, NULL },
};

/* --- from the siblings --- */

static void
on_stun(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	state_set_stun(m->body);
}

static void
on_peer(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	(void)state_put_peer(m->body);
}

static void
on_gone(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	state_drop_peer(((const struct msg_pa_gone *)m->body)->id);
}

static void
on_totals(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	state_set_totals(m->body);
}

static const struct ipc_handler stund_handlers[] = {
	{ SA_STUN, on_stun },
	{ 0, NULL },
};

static const struct ipc_handler peerd_handlers[] = {
	{ PA_PEER, on_peer },
	{ PA_GONE, on_gone },
	{ PA_TOTALS, on_totals },
	{ 0, NULL },
};

/*
 * The sibling died or misbehaved; the parent will hand out a new channel.
 * What it told last stands until then: outside addresses outlive stund.
 */
static void
on_sibling_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("%s: %s", ipc_name(ch), why);
	if (ch == stund)
		stund = NULL;
	else if (ch == peerd)
		peerd = NULL;
	ipc_free(ch);
}

static struct ipc *
sibling(const char *name, const struct msg_table *tables,
    const struct ipc_handler *fns, int fd)
{
	struct ipc_conf ic = { .name = name,
		.tables = tables,
		.handlers = fns,
		.ended = on_sibling_ended };
	struct ipc *ch = ipc_new(child_base(), fd, &ic);

	if (ch == NULL)
		log_warn("%s: no memory for its channel", name);
	return ch;
}

static void
on_channel(enum proc_kind kind, unsigned index, int fd)
{
	static struct msg_table stund_tables[2], peerd_tables[2];

	(void)index;
	stund_tables[0] = msgs_stund_apid;
	peerd_tables[0] = msgs_peerd_apid;
	switch (kind) {
	case PROC_STUND:
		ipc_free(stund);
		stund = sibling("stund", stund_tables, stund_handlers, fd);
		break;
	case PROC_PEERD:
		ipc_free(peerd);
		state_clear_peers();
		peerd = sibling("peerd", peerd_tables, peerd_handlers, fd);
		break;
	case PROC_STORE:
		storelink_open(fd);
		break;
	default:
		log_warn("channel to a process of kind %d", (int)kind);
		(void)close(fd);
		break;
	}
}

/* --- its life --- */

/* Before the door shuts: what the libraries would otherwise ask for later. */
static void
go(void)
{
	if (!configured)
		fatalx(EX_SOFTWARE, "PROC_GO before APID_CONFIG");
	json_object_seed(randombytes_random() | 1);
	apid_touch_clock();
	conn_setup(child_base());
	metrics_setup();
	storelink_setup();
	listen_setup(child_base(), child_start()->nofile);
}

static void
ready(void)
{
	listen_start();
}

static void
on_drained(evutil_socket_t fd, short what, void *arg)
{
	static int turns;

	(void)fd;
	(void)what;
	(void)arg;
	if (conn_drain() == 0 || ++turns > 50) {
		conn_close_all();
		child_exit(0);
	}
}

/* Let answers that are on their way arrive, 5 s at most. */
static void
stop(void)
{
	static const struct timeval tick = { 0, 100000 };
	struct event *ev;

	listen_stop();
	if (conn_drain() > 0 &&
	    (ev = event_new(child_base(), -1, EV_PERSIST, on_drained, NULL)) !=
		NULL &&
	    event_add(ev, &tick) == 0)
		return;
	child_exit(0);
}

static void
stats(stat_emit emit, void *arg)
{
	emit(arg, "http_requests", apid.st.requests);
	emit(arg, "http_responses_2xx", apid.st.answers_2xx);
	emit(arg, "http_responses_4xx", apid.st.answers_4xx);
	emit(arg, "http_responses_5xx", apid.st.answers_5xx);
	emit(arg, "http_connections", conn_count());
	emit(arg, "http_refused", apid.st.refused);
	emit(arg, "http_timeouts", apid.st.timeouts);
	emit(arg, "rate_limited", apid.st.rate_limited);
	emit(arg, "rpc_calls", apid.st.rpc_calls);
	emit(arg, "rpc_errors", apid.st.rpc_errors);
	emit(arg, "parse_errors", apid.st.parse_errors);
	emit(arg, "unknown_stats", apid.st.unknown_stats);
	emit(arg, "store_questions", storelink_asked());
	emit(arg, "store_late", storelink_late());
}

static void
limits(limit_emit emit, void *arg)
{
	apid_touch_clock();
	emit(arg, "http connections", conn_count(), listen_conns_max(),
	    apid.st.refused);
	emit(arg, "http connections of one prefix", MSG_NULL64,
	    apid.conf.conns_per_prefix, listen_prefix_refused());
	emit(arg, "http read buffers", conn_reading(), listen_conns_max(), 0);
	emit(arg, "http output queues", out_used(), listen_conns_max(), 0);
	emit(arg, "bytes of long requests", conn_long(), CONN_LONG_MAX,
	    conn_long_refused());
	emit(arg, "questions to the store", storelink_pending(), STORELINK_MAX,
	    storelink_refused());
	emit(arg, "bodies to the store", storelink_uploads(), STORELINK_UPLOADS,
	    0);
	emit(arg, "files being sent", out_files(), out_files_max(), 0);
	emit(arg, "answer bytes", text_live(), TEXT_LIVE_MAX, text_refused());
	emit(arg, "requests in a window", MSG_NULL64,
	    apid.limit.conf.max_requests, apid.st.rate_limited);
	emit(arg, "limiter prefixes", apid.limit.used, LIMIT_SETS * LIMIT_WAYS,
	    apid.limit.evicted);
	emit(arg, "blacklisted prefixes",
	    limit_bans(&apid.limit, apid_time().mono), LIMIT_SETS * LIMIT_WAYS,
	    0);
	emit(arg, "scrapes waiting", metrics_waiting(), METRICS_WAITING_MAX,
	    apid.st.scrapes_refused);
	emit(arg, "peers", state_peers(), STATE_PEERS_MAX,
	    state_peers_refused());
}

int
main(int argc, char **argv)
{
	static struct msg_table tables[4];
	const struct child_conf conf = { .name = "apid",
		.kind = PROC_APID,
		.tables = tables,
		.handlers = handlers,
		.go = go,
		.ready = ready,
		.stop = stop,
		.channel = on_channel,
		.stats = stats,
		.limits = limits };

	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_apid;
	return child_main(argc, argv, &conf);
}
