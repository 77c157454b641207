/* SPDX-License-Identifier: ISC */
/*
 * What stund knows, told to whom it concerns: the mappings and the NAT class
 * that follows from them, to peerd and every apid worker on each change and
 * whenever one of them is new, and to warrenctl on request.  Changes are
 * damped (classify.h); that a mapping was merely seen again is told twice a
 * minute.  Tested through tests/regress/stund_rig.c.
 */
#include <string.h>
#include <sysexits.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "stund/stund.h"

#define REFRESH_MS     30000
#define NETCHECK_MS    3000
#define GATHER_MS      300  /* changes within are one */
#define SILENT_MS      3000 /* a new life does not begin with "nothing" */
#define WORKERS_MAX    64
#define WAITERS_MAX    8
#define MAPPINGS_SHOWN 32

/* Somebody who waits for the outcome of CTL_NETCHECK. */
struct waiter {
	struct ipc *ch; /* NULL: free */
	uint32_t id;
	struct mono until;
};

static struct ipc *peerd, *workers[WORKERS_MAX];
static struct waiter waiters[WAITERS_MAX];
static struct event *publisher, *refresher, *checker;
static struct republish damper;
static struct msg_stun_view sent; /* last told */
static bool told; /* not before something is known, or nothing for a while */
static uint64_t changes;

uint64_t
report_changes(void)
{
	return changes;
}

/* --- the view --- */

static void
view_mapping(struct msg_mapping *out, const struct mapping *m)
{
	memset(out, 0, sizeof(*out));
	out->proto = m->proto;
	out->service = SVC_STUN_CLIENT;
	out->mapped = m->mapped;
	out->local_port = m->local.port;
	memcpy(out->via, m->peer, sizeof(out->via));
	out->since = (uint64_t)(m->since.ms / 1000);
	out->seen = (uint64_t)(m->seen.ms / 1000);
	out->verified = -1;
}

/*
 * Several nodes on one host are told apart by their whole addresses; out in
 * the world a network of liars is one voice.
 */
static struct classify_cfg
networks_of(enum naddr_fam fam, enum mapping_proto proto)
{
	struct classify_cfg cfg = CLASSIFY_DEFAULTS;
	const struct mapping *m;
	size_t i;

	cfg.allow = stund_allow();
	if ((cfg.allow & ADDR_ALLOW_LOOPBACK) == 0)
		return cfg;
	for (i = 0; (m = mapping_at(&stund.mappings, i)) != NULL; i++)
		if (m->local.fam == fam && m->proto == proto &&
		    addr_class(&m->via) == ADDR_LOOPBACK) {
			cfg.v4_bits = 32;
			cfg.v6_bits = 128;
		}
	return cfg;
}

static bool
is_asked(enum naddr_fam fam, enum mapping_proto proto)
{
	const struct mapping *m;
	size_t i;

	for (i = 0; (m = mapping_at(&stund.mappings, i)) != NULL; i++)
		if (m->local.fam == fam && m->proto == proto)
			return true;
	return false;
}

static void
view_nat(struct msg_nat *out, enum naddr_fam fam, enum mapping_proto proto,
    struct wall now)
{
	struct classify_cfg cfg = networks_of(fam, proto);
	struct nat_class c = classify(&stund.mappings, &cfg, fam, proto, now);
	const struct naddr *end =
	    classify_advertise(&stund.mappings, &cfg, fam, proto, now);

	memset(out, 0, sizeof(*out));
	out->fam = (uint8_t)fam;
	out->proto = (uint8_t)proto;
	out->mapping = (uint8_t)c.mapping;
	out->filtering = (uint8_t)c.filtering;
	out->ports = (uint8_t)c.ports;
	out->networks = c.networks;
	if (end != NULL)
		out->endpoint = *end;
}

static void
view_make(struct msg_stun_view *v)
{
	static const enum naddr_fam fams[] = { NADDR_V4, NADDR_V6 };
	static const enum mapping_proto protos[] = { MAPPING_UDP, MAPPING_TCP };
	struct wall now = wall_now();
	const struct mapping *m;
	size_t i;

	memset(v, 0, sizeof(*v));
	(void)mapping_expire(&stund.mappings, now);
	for (i = 0; i < 4; i++)
		if (is_asked(fams[i / 2], protos[i % 2]))
			view_nat(&v->nats[v->n_nats++], fams[i / 2],
			    protos[i % 2], now);
	for (i = 0; (m = mapping_at(&stund.mappings, i)) != NULL; i++)
		if (v->n_mappings < MAPPINGS_SHOWN)
			view_mapping(&v->mappings[v->n_mappings++], m);
}

static bool
view_equal(const struct msg_stun_view *a, const struct msg_stun_view *b)
{
	return memcmp(a, b, sizeof(*a)) == 0; /* both were zeroed first */
}

/* --- to siblings --- */

/* Whoever does not read has an old view until it does: see drained(). */
static void
send_view(struct ipc *ch, uint16_t type)
{
	if (ch != NULL && told && !ipc_is_full(ch))
		(void)ipc_send(ch, type, 0, &sent);
}

static void
send_all(void)
{
	size_t i;

	send_view(peerd, SP_STUN);
	for (i = 0; i < WORKERS_MAX; i++)
		send_view(workers[i], SA_STUN);
}

/* Tell what is wanted as soon as the damper allows. */
static void
publish(void)
{
	struct mono now = mono_now();
	bool allowed = republish_tick(&damper, now);

	if (allowed || !told) {
		told = true;
		view_make(&sent);
		send_all();
		return;
	}
	child_timer_set(publisher, republish_due(&damper), now);
}

static void
on_publish(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	publish();
}

/*
 * What changes together is told together, hence the timer: a new peer brings
 * a mapping of each protocol, one that goes takes them along, and each telling
 * costs one of the damper's three.
 */
void
report_changed(void)
{
	struct mono now = mono_now();

	changes++;
	republish_want(&damper);
	if (stund.running && (!told || !child_timer_pending(publisher)))
		child_timer_set(publisher, mono_add_ms(now, GATHER_MS), now);
}

/* What nobody announced: seen again, or gone stale. */
static void
on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();
	struct msg_stun_view v;

	(void)fd;
	(void)what;
	(void)arg;
	view_make(&v);
	if (!view_equal(&v, &sent)) {
		sent = v;
		send_all();
	}
	child_timer_set(refresher, mono_add_ms(now, REFRESH_MS), now);
}

static void
drained(struct ipc *ch)
{
	send_view(ch, ch == peerd ? SP_STUN : SA_STUN);
}

static void
ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	size_t i;

	if (how != IPC_EOF)
		log_warn("%s: %s", ipc_name(ch), why);
	for (i = 0; i < WORKERS_MAX; i++)
		if (workers[i] == ch) {
			workers[i] = NULL;
			child_channel_lost(PROC_APID, (unsigned)i);
		}
	if (peerd == ch) {
		peerd = NULL;
		clients_forget_peers();
	}
	ipc_free(ch);
}

static void
on_peer_up(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	clients_peer_up(m->body);
}

static void
on_peer_down(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_sp_peer_down *d = m->body;

	(void)ch;
	clients_peer_down(d->peer);
}

static const struct ipc_handler peerd_handlers[] = {
	{ SP_PEER_UP, on_peer_up },
	{ SP_PEER_DOWN, on_peer_down },
	{ 0, NULL },
};
static const struct ipc_handler no_handlers[] = { { 0, NULL } };

/* tables outlive the channel. */
static struct ipc *
channel_new(const char *name, const struct msg_table *tables,
    const struct ipc_handler *handlers, bool upper, int fd)
{
	struct ipc_conf c = { .name = name,
		.tables = tables,
		.handlers = handlers,
		.ended = ended,
		.drained = drained,
		.upper = upper };
	struct ipc *ch = ipc_new(child_base(), fd, &c);

	if (ch == NULL)
		log_warn("%s: no memory for a channel", name);
	else
		ipc_set_phase(ch, PH_RUN);
	return ch;
}

static void
peerd_new(int fd)
{
	static struct msg_table tables[2]; /* the second ends the list */

	tables[0] = msgs_peerd_stund;
	ipc_free(peerd);
	clients_forget_peers();
	peerd = channel_new("peerd", tables, peerd_handlers, false, fd);
	send_view(peerd, SP_STUN);
}

static void
worker_new(unsigned index, int fd)
{
	static struct msg_table tables[2];
	struct ipc **w = &workers[index % WORKERS_MAX];

	tables[0] = msgs_stund_apid;
	ipc_free(*w);
	*w = channel_new("apid", tables, no_handlers, true, fd);
	send_view(*w, SA_STUN);
}

void
report_channel(enum proc_kind kind, unsigned index, int fd)
{
	if (kind == PROC_PEERD)
		peerd_new(fd);
	else
		worker_new(index, fd);
}

/* --- to warrenctl --- */

static void
show_view(struct ipc *ch, uint32_t id)
{
	struct msg_stun_view v;

	view_make(&v);
	(void)ipc_send(ch, CTL_STUN, id, &v);
}

static void
show_requester(struct ipc *ch, uint32_t id, const struct requester *r)
{
	struct msg_requester m = { .addr = r->addr,
		.proto = r->proto,
		.first = (uint64_t)r->first.ms,
		.last = (uint64_t)r->last.ms,
		.count = r->count,
		.authenticated = r->authenticated };

	memcpy(m.peer, r->peer, sizeof(m.peer));
	(void)ipc_send(ch, CTL_REQUESTER, id, &m);
}

void
report_show(struct ipc *ch, uint32_t id)
{
	const struct requester *r = NULL;

	(void)requesters_expire(&stund.requesters, wall_now());
	show_view(ch, id);
	while ((r = requesters_next(&stund.requesters, r)) != NULL)
		show_requester(ch, id, r);
	child_ctl_end(ch, id, 0, "%s", "");
}

static void
waiter_answer(struct waiter *w)
{
	show_view(w->ch, w->id);
	child_ctl_end(w->ch, w->id, 0, "%s", "");
	w->ch = NULL;
}

/* Answer those whose time is up, or all when nothing is awaited. */
static void
check_waiters(void)
{
	bool all = !clients_are_probing();
	struct mono now = mono_now(), due = MONO_NEVER;
	size_t i;

	for (i = 0; i < WAITERS_MAX; i++) {
		if (waiters[i].ch == NULL)
			continue;
		if (all || mono_reached(waiters[i].until, now))
			waiter_answer(&waiters[i]);
		else
			due = mono_min(due, waiters[i].until);
	}
	child_timer_set(checker, due, now);
}

static void
on_check(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	check_waiters();
}

void
report_probed(void)
{
	check_waiters();
}

void
report_netcheck(struct ipc *ch, uint32_t id)
{
	size_t i;

	for (i = 0; i < WAITERS_MAX; i++)
		if (waiters[i].ch == NULL)
			break;
	if (i == WAITERS_MAX) {
		child_ctl_end(ch, id, EX_TEMPFAIL, "too many checks at a time");
		return;
	}
	clients_probe();
	waiters[i].ch = ch;
	waiters[i].id = id;
	waiters[i].until = mono_add_ms(mono_now(), NETCHECK_MS);
	check_waiters();
}

void
report_init(void)
{
	republish_init(&damper);
	publisher = child_timer(on_publish, NULL);
	refresher = child_timer(on_refresh, NULL);
	checker = child_timer(on_check, NULL);
}

void
report_start(void)
{
	struct mono now = mono_now();

	on_refresh(-1, 0, NULL);
	child_timer_set(publisher, mono_add_ms(now, SILENT_MS), now);
}
