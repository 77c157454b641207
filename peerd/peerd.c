/* SPDX-License-Identifier: ISC */
/*
 * The shell of peerd: what warrend says, the order of start, the tables.
 * It has neither socket() nor connect(); every descriptor is handed to it.
 * Tested as a process in tests/regress/peerd_rig.c.
 */
#include "peerd/peerd.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/flow.h"

#define CERT_LIFE_S  HELLO_LIFE_MAX_S
#define CERT_BACK_S  60 /* clocks of others may be behind ours */
#define CERT_AGAIN_S 5  /* warrend would not sign: ask again */

struct peerd peerd;

static struct event *tick_timer, *cert_timer;

const char *
id_short(const uint8_t id[32], char buf[9])
{
	return sodium_bin2hex(buf, 9, id, 4);
}

/* --- settings --- */

static void
on_config(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	peerd.conf = *(const struct msg_peerd_config *)m->body;
	inbound_limits();
	relaying_config();
	neigh_config();
	if (peerd.running)
		discover_soon();
}

static void
on_charter(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_charter *c = m->body;
	enum charter_err err =
	    charter_decode(&peerd.charter, c->charter.p, c->charter.len);

	(void)ch;
	if (err != CHARTER_OK)
		fatalx(EX_CONFIG, "charter: %s", charter_err_name(err));
	peerd.has_charter = true;
}

static void
on_node(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	peerd.node = *(const struct msg_node *)m->body;
	peerd.has_node = true;
	peerd.hello.caps = peerd.node.caps;
	own_changed();
}

static void
on_local(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	own_set_local(m->body);
}

static void
on_listen(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_listen *l = m->body;

	(void)ch;
	if (addr_class(&l->addr) == ADDR_LOOPBACK)
		peerd.allow |= ADDR_ALLOW_LOOPBACK;
	inbound_listen(&l->addr, m->fd[0]);
}

static void
on_multicast(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	lan_socket(m->body, m->fd[0]);
}

static void
on_file(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	keep_give(((const struct msg_peerd_file *)m->body)->which, m->fd[0]);
}

static void
start(const struct msg_proc_start *st)
{
	peerd.allow |= st->allow;
	TAILQ_INIT(&peerd.conns);
	own_init();
}

/* --- memory, before the sandbox shuts --- */

static void *
table(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fatalx(EX_OSERR, "no memory for %zu x %zu bytes", n, size);
	return p;
}

static void
make_tables(void)
{
	struct abook_conf bc = ABOOK_CONF_DEFAULT;
	uint32_t cells = abook_cells(&bc), cap = peerd.conf.known_max;
	const struct charter_kind *kind =
	    charter_kind(&peerd.charter, REC_NODE);
	uint8_t key[16];

	if (cap == 0)
		cap = KNOWN_DEFAULT;
	randombytes_buf(key, sizeof(key));
	known_init(&peerd.known, table(cap, sizeof(struct known_node)), cap,
	    table(cap, sizeof(uint32_t)), cap, key, kind->ttl_s);
	randombytes_buf(key, sizeof(key));
	abook_init(&peerd.book, &bc, table(cells, sizeof(struct abook_entry)),
	    table(cells, sizeof(uint32_t)), cells, key);
	bans_init(&peerd.bans, table(BAN_DEFAULT, sizeof(struct ban)),
	    BAN_DEFAULT);
}

static void
go(void)
{
	if (!peerd.has_charter || !peerd.has_node)
		fatalx(EX_SOFTWARE, "PROC_GO before charter and node");
	if (charter_kind(&peerd.charter, REC_NODE) == NULL)
		fatalx(EX_CONFIG, "charter: no kind for node records");
	if (memcmp(peerd.charter.netid, peerd.node.netid, 32) != 0)
		fatalx(EX_SOFTWARE, "charter and node are of two networks");
	make_tables();
	nodes_init();
	flow_init();
	relaying_init();
	loops_init();
	gossip_init();
	neigh_init();
	records_init();
	keep_load();
	randombytes_buf(peerd.noise_sk, 32);
	(void)crypto_scalarmult_base(peerd.noise_pk, peerd.noise_sk);
}

/* --- our certificate --- */

static void
cert_ask(void)
{
	uint64_t from = (uint64_t)wall_now().ms / 1000 - CERT_BACK_S;

	asks_noise(peerd.noise_pk, from, from + CERT_LIFE_S);
	peerd.hello.not_before = from;
	peerd.hello.not_after = from + CERT_LIFE_S;
}

static void
on_cert_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	cert_ask();
}

static void
cert_again(int64_t s)
{
	struct mono now = mono_now();

	child_timer_set(cert_timer, mono_add_ms(now, s * 1000), now);
}

void
peerd_noise_signed(const uint8_t sig[64])
{
	memcpy(peerd.hello.sig, sig, 64);
	cert_again(CERT_LIFE_S / 2);
	if (peerd.running)
		return;
	peerd.running = true;
	inbound_start();
	own_changed();
	lan_start();
	neigh_start();
	discover_start();
}

void
peerd_noise_failed(const char *error)
{
	log_warn("link key not signed: %s; no links until it is", error);
	cert_again(CERT_AGAIN_S);
}

/* --- the clock that drives all deadlines --- */

static int64_t
tick_ms(void)
{
	uint32_t ms = peerd.conf.ping_ms;

	if (peerd.conf.handshake_ms < ms)
		ms = peerd.conf.handshake_ms;
	ms /= 5;
	return ms < 50 ? 50 : ms > 1000 ? 1000 : ms;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	conn_tick(now);
	flow_tick(now);
	nodes_tick(now);
	channels_tick(now);
	keep_tick(now);
	show_tick();
	clocks_tick();
	pings_tick(now);
	child_timer_set(tick_timer, mono_add_ms(now, tick_ms()), now);
}

static void
ready(void)
{
	struct mono now = mono_now();

	peerd.ready = now;
	gossip_start();
	records_start();
	route_init();
	direct_init();
	peerd.hello.proto_min = LINK_PROTO_MIN;
	peerd.hello.proto_max = LINK_PROTO_MAX;
	memcpy(peerd.hello.identity, peerd.node.id, 32);
	cert_timer = child_timer(on_cert_timer, NULL);
	tick_timer = child_timer(on_tick, NULL);
	child_timer_set(tick_timer, mono_add_ms(now, tick_ms()), now);
	cert_ask();
}

/* --- leaving: farewell record, goodbyes, files; at most a second --- */

#define STOP_MAX_MS   1000
#define STOP_CHECK_MS 20

static struct event *stop_timer;
static struct mono stop_due;
static bool said_bye;

static void
on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	if (!said_bye && own_has_left()) {
		said_bye = true;
		gossip_flush();
		conn_end_all();
	}
	if ((said_bye && keep_is_idle()) || mono_reached(stop_due, now)) {
		conn_end_all();
		child_exit(0);
		return;
	}
	child_timer_set(stop_timer, mono_add_ms(now, STOP_CHECK_MS), now);
}

static void
stop(void)
{
	struct mono now = mono_now();

	if (peerd.stopping)
		return;
	peerd.stopping = true;
	stop_due = mono_add_ms(now, STOP_MAX_MS);
	if (!peerd.running) {
		child_exit(0);
		return;
	}
	child_event("peer", "leaving the network");
	own_leave();
	keep_all();
	stop_timer = child_timer(on_stop_timer, NULL);
	child_timer_set(stop_timer, now, now);
}

/* --- counters and limits --- */

static void
stats(stat_emit emit, void *arg)
{
	unsigned in = conn_links(0), out = conn_links(1);

#define X(name) emit(arg, #name, peerd.n.name);
	PEERD_COUNTERS(X)
#undef X
	emit(arg, "links", in + out);
	emit(arg, "links_in", in);
	emit(arg, "links_out", out);
	emit(arg, "known_nodes", peerd.known.n);
	emit(arg, "bans", peerd.bans.n);
	flow_stats(emit, arg);
	gossip_stats(emit, arg);
	neigh_stats(emit, arg);
}

static void
limits(limit_emit emit, void *arg)
{
	const struct abook_conf *bc = &peerd.book.conf;

	emit(arg, "inbound links", conn_links(0), peerd.conf.max_inbound,
	    peerd.n.inbound_refused);
	emit(arg, "outbound links", conn_links(1), peerd.conf.max_outbound, 0);
	emit(arg, "handshakes under way", conn_shaking(), HANDSHAKES_MAX, 0);
	emit(arg, "dials under way", asks_dials(), DIALS_MAX, 0);
	emit(arg, "of them for loops", asks_loop_dials(), LOOP_DIALS_MAX, 0);
	emit(arg, "known nodes", peerd.known.n, peerd.known.cap,
	    peerd.known.evictions);
	emit(arg, "address book, new", peerd.book.n_new,
	    (uint64_t)bc->new_buckets * bc->new_size, 0);
	emit(arg, "address book, tried", peerd.book.n_tried,
	    (uint64_t)bc->tried_buckets * bc->tried_size, 0);
	emit(arg, "bans", peerd.bans.n, peerd.bans.cap, 0);
	emit(arg, "link queue bytes", peerd.queued, QUEUED_MAX,
	    peerd.n.records_not_sent);
	flow_limits(emit, arg);
	neigh_limits(emit, arg);
	gossip_limits(emit, arg);
	records_limits(emit, arg);
	emit(arg, "pings pending", pings_pending(), PINGS_MAX, 0);
}

/* clang-format off */
static const struct ipc_handler handlers[] = {
	{ PEERD_CONFIG,        on_config },
	{ PEERD_CHARTER,       on_charter },
	{ PEERD_NODE,          on_node },
	{ PEERD_LISTEN,        on_listen },
	{ PEERD_MULTICAST,     on_multicast },
	{ PEERD_FILE,          on_file },
	{ PEERD_PEER,          targets_on_peer },
	{ PEERD_PEERS_END,     targets_on_end },
	{ PEERD_LOCAL,         on_local },
	{ PEERD_DIALED,        asks_on_dialed },
	{ PEERD_FAILED,        asks_on_failed },
	{ PEERD_SIGNED,        asks_on_signed },
	{ PEERD_RESOLVED,      asks_on_resolved },
	{ PEERD_SAVE_FD,       asks_on_save_fd },
	{ PEERD_SAVED,         asks_on_saved },
	{ CTL_SHOW_STATUS,     show_status },
	{ CTL_CHECK,           show_status },
	{ CTL_SHOW_PEERS,      show_peers },
	{ CTL_SHOW_PEER,       show_peer },
	{ CTL_SHOW_BANS,       show_bans },
	{ CTL_PING,            pings_ask },
	{ CTL_PEER_ADD,        edit_peer_add },
	{ CTL_PEER_DELETE,     edit_peer_delete },
	{ CTL_PEER_CONNECT,    edit_peer_connect },
	{ CTL_PEER_DISCONNECT, edit_peer_disconnect },
	{ CTL_BAN_ADD,         edit_ban_add },
	{ CTL_BAN_DELETE,      edit_ban_delete },
	{ CTL_SHOW_LOOP_PATHS, loops_show_paths },
	{ CTL_SHOW_RELAY,      relaying_show },
	{ 0,                   NULL },
};
/* clang-format on */

int
main(int argc, char **argv)
{
	static struct msg_table tables[4]; /* the last stays { NULL, 0 } */
	const struct child_conf conf = { .name = "peerd",
		.kind = PROC_PEERD,
		.tables = tables,
		.handlers = handlers,
		.start = start,
		.go = go,
		.ready = ready,
		.stop = stop,
		.channel = channels_open,
		.pipes = channels_open_pipes,
		.stats = stats,
		.limits = limits };

	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_peerd;
	return child_main(argc, argv, &conf);
}
