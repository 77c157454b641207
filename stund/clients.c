/* SPDX-License-Identifier: ISC */
/*
 * Our own mappings: for each peer that is asked, a UDP socket and a TCP
 * connection to its STUN server, both from our reserved ports.  client.h
 * knows when to ask; here are the sockets, which the parent makes and keeps
 * a copy of, so that a mapping outlives us.
 *
 *   STUND_SOCKET_GET -> STUND_SOCKET -> asked, held ----+
 *          ^                                            | peer down
 *          | SP_PEER_UP                                 v
 *        nobody <- STUND_SOCKET_DROP - too long - ORPHAN (peer up: held)
 *                                                       ^
 *                           kept from an earlier life --+
 *
 * Tested through tests/regress/stund_rig.c.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "stund/client.h"
#include "stund/linked.h"
#include "stund/stund.h"

#define HOLDS_MAX  128   /* the parent keeps as many */
#define ORPHAN_MS  60000 /* until a peer is named again after a restart */
#define DOUBT_MS   5000  /* all are asked anew at most so often */
#define GET_MS     30000 /* the parent answers sooner, or never */
#define STREAM_MAX 512   /* bytes of an answer over TCP */
#define READS_MAX  4     /* datagrams in one wakeup */

/* One socket held toward one peer. */
struct hold {
	bool used;
	bool kept;    /* of an earlier life, and not answered in this one */
	bool probing; /* somebody waits for the answer */
	uint8_t proto;
	uint8_t peer[32];
	struct naddr server, local;
	struct client core;
	uint32_t failures; /* of core, seen so far */
	int fd;            /* -1 while there is none */
	struct event *ev;
	uint32_t want_id; /* of a STUND_SOCKET_GET not answered yet, or 0 */
	struct mono want_until;
	struct mono orphan; /* let go then; MONO_NEVER while its peer is up */
	size_t in_len;
	uint8_t in[STREAM_MAX];
};

static struct hold holds[HOLDS_MAX];
static uint32_t last_want;
static uint64_t refused, timeouts;
static struct event *timer;
static struct mono doubted;
static bool run_again; /* run() has more to do than it thinks */

static void run(void);

uint64_t
clients_refused(void)
{
	return refused;
}

uint64_t
clients_timeouts(void)
{
	return timeouts;
}

uint32_t
clients_used(void)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		n += holds[i].used;
	return n;
}

/* --- what is held --- */

static struct hold *
hold_find(const uint8_t peer[32], uint8_t proto)
{
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].used && holds[i].proto == proto &&
		    memcmp(holds[i].peer, peer, 32) == 0)
			return &holds[i];
	return NULL;
}

static void
hold_close(struct hold *h)
{
	if (h->ev != NULL)
		event_free(h->ev);
	if (h->fd != -1)
		(void)close(h->fd);
	h->ev = NULL;
	h->fd = -1;
	h->in_len = 0;
}

static void
probed(struct hold *h)
{
	if (!h->probing)
		return;
	h->probing = false;
	report_probed();
}

/* Eight digits of a key are enough for people. */
static const char *
short_id(const uint8_t id[32], char buf[NODE_ID_HEX])
{
	(void)node_id_hex(id, buf);
	buf[8] = '\0';
	return buf;
}

static void
tell(const struct hold *h, const char *news, const struct naddr *mapped)
{
	char at[NADDR_STR], from[NADDR_STR], id[NODE_ID_HEX];

	(void)naddr_str(mapped, at);
	(void)naddr_str(&h->local, from);
	(void)short_id(h->peer, id);
	log_info("mapping %s: %s %s is %s via %s", news, proto_name(h->proto),
	    from, at, id);
	child_event("stun", "%s mapping %s: %s is %s via %s",
	    proto_name(h->proto), news, from, at, id);
	report_changed();
}

/*
 * One mapping is not what it was, so the NAT may have forgotten them all:
 * ask on every socket now instead of finding out one by one.
 */
static void
doubt_all(void)
{
	struct mono now = mono_now();
	size_t i;

	if (!mono_reached(mono_add_ms(doubted, DOUBT_MS), now))
		return;
	doubted = now;
	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].used)
			(void)client_probe(&holds[i].core, now);
	run_again = true;
}

/* What this socket showed no longer holds. */
static void
unlearn(struct hold *h)
{
	if (h->local.fam != NADDR_NONE &&
	    mapping_drop(&stund.mappings, h->peer, (enum naddr_fam)h->local.fam,
		(enum mapping_proto)h->proto) > 0) {
		tell(h, "lost", &h->core.mapped);
		doubt_all();
	}
}

static void
learn(struct hold *h, struct wall now)
{
	struct mapping m = { .proto = h->proto,
		.local = h->local,
		.mapped = h->core.mapped,
		.via = h->server };

	h->kept = false;
	memcpy(m.peer, h->peer, sizeof(m.peer));
	switch (mapping_report(&stund.mappings, &m, now)) {
	case MAPPING_NEW:
		tell(h, "new", &m.mapped);
		break;
	case MAPPING_CHANGED:
		tell(h, "changed", &m.mapped);
		doubt_all();
		break;
	case MAPPING_SAME:
	case MAPPING_FULL:
		break;
	}
	probed(h);
}

/* Let go for good; the parent too. */
static void
hold_drop(struct hold *h)
{
	struct msg_stund_socket_drop d = { .proto = h->proto };

	unlearn(h);
	hold_close(h);
	memcpy(d.peer, h->peer, 32);
	(void)ipc_send(child_parent(), STUND_SOCKET_DROP, 0, &d);
	probed(h);
	h->used = false;
}

/* A free place; the orphan nearest its end makes room. */
static struct hold *
hold_slot(void)
{
	struct hold *h, *oldest = NULL;
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++) {
		h = &holds[i];
		if (!h->used)
			return h;
		if (h->orphan.us != MONO_NEVER.us &&
		    (oldest == NULL || mono_before(h->orphan, oldest->orphan)))
			oldest = h;
	}
	if (oldest != NULL)
		hold_drop(oldest);
	return oldest;
}

static struct hold *
hold_new(const uint8_t peer[32], uint8_t proto, const struct naddr *server)
{
	struct hold *h = hold_slot();

	if (h == NULL)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->used = true;
	h->proto = proto;
	h->server = *server;
	h->fd = -1;
	h->orphan = MONO_NEVER;
	memcpy(h->peer, peer, 32);
	client_init(&h->core, proto == PROTO_TCP, stund.conf.keepalive_ms);
	return h;
}

/* --- asking --- */

static void
want_socket(struct hold *h, struct mono now)
{
	struct msg_stund_socket_get g = { .proto = h->proto,
		.server = h->server };

	hold_close(h);
	memcpy(g.peer, h->peer, 32);
	if (++last_want == 0)
		last_want = 1;
	h->want_id = last_want;
	h->want_until = mono_add_ms(now, GET_MS);
	(void)ipc_send(child_parent(), STUND_SOCKET_GET, h->want_id, &g);
}

/* What core said, and what it has come to. */
static void
heed(struct hold *h, enum client_act act, struct instant now)
{
	bool failed = h->core.failures > h->failures;

	h->failures = h->core.failures;
	if (act == CLIENT_NEW || act == CLIENT_CHANGED || act == CLIENT_SAME)
		learn(h, now.wall);
	if (!failed)
		return;
	timeouts++;
	probed(h);
	if (act == CLIENT_GONE)
		(void)mapping_fail(&stund.mappings, h->peer,
		    (enum naddr_fam)h->local.fam, (enum mapping_proto)h->proto);
	/* A connection takes its mapping along.  A UDP socket is asked on for
	 * a while; then our own address may have changed: take another. */
	if (h->proto == PROTO_TCP || h->core.state == CLIENT_BACKOFF) {
		unlearn(h);
		hold_close(h);
	}
}

/*
 * The connection is over.  One kept from an earlier life may have stood amid
 * an answer: that is nobody's fault, so make another at once.
 */
static void
broken(struct hold *h, struct instant now)
{
	if (h->kept) {
		h->kept = false;
		client_stop(&h->core);
		want_socket(h, now.mono);
		return;
	}
	heed(h, client_broken(&h->core, now.mono), now);
}

static void
send_request(struct hold *h, struct instant now)
{
	uint8_t buf[STUN_OUT_MAX];
	struct wr w;

	if (h->fd == -1) {
		if (h->want_id == 0)
			want_socket(h, now.mono);
		return;
	}
	wr_init(&w, buf, sizeof(buf));
	client_put_request(&h->core, &w);
	/* Over UDP whatever goes wrong is like a packet lost. */
	if (send(h->fd, buf, w.len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		(ssize_t)w.len &&
	    h->proto == PROTO_TCP)
		broken(h, now);
}

/* Whatever is due. */
static void
tick(struct hold *h, struct instant now)
{
	uint8_t tid[STUN_TID];
	enum client_act act;

	do {
		randombytes_buf(tid, sizeof(tid));
		act = client_tick(&h->core, tid, now.mono);
		if (act == CLIENT_SEND)
			send_request(h, now);
		else if (act == CLIENT_WANT_SOCKET)
			want_socket(h, now.mono);
		else
			heed(h, act, now);
	} while (act != CLIENT_WAIT);
}

/* --- hearing --- */

static void
read_datagrams(struct hold *h, struct instant now)
{
	uint8_t buf[STREAM_MAX];
	uint32_t rnd;
	ssize_t n;
	int i;

	for (i = 0; i < READS_MAX; i++) {
		n = recv(h->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			return;
		/* "Refused" may be forged: time will tell. */
		if (n == -1)
			continue;
		rnd = randombytes_random();
		heed(h, client_receive(&h->core, buf, (size_t)n, rnd, now.mono),
		    now);
		if (h->fd == -1)
			return;
	}
}

/* The messages in h->in.  False when these are no STUN messages. */
static bool
read_messages(struct hold *h, struct instant now)
{
	size_t off = 0;
	int n;

	while ((n = stun_stream_next(h->in + off, h->in_len - off,
		    sizeof(h->in))) > 0) {
		heed(h,
		    client_receive(&h->core, h->in + off, (size_t)n,
			randombytes_random(), now.mono),
		    now);
		if (h->fd == -1)
			return true; /* and h->in is void */
		off += (size_t)n;
	}
	h->in_len -= off;
	memmove(h->in, h->in + off, h->in_len);
	return n == 0;
}

static void
read_stream(struct hold *h, struct instant now)
{
	ssize_t n = recv(h->fd, h->in + h->in_len, sizeof(h->in) - h->in_len,
	    MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		h->in_len += (size_t)n;
		if (read_messages(h, now))
			return;
	}
	broken(h, now);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct instant now = instant_now();
	struct hold *h = arg;

	(void)fd;
	(void)what;
	if (h->proto == PROTO_TCP)
		read_stream(h, now);
	else
		read_datagrams(h, now);
	run();
}

/* Begin on the socket we have; after the sandbox is shut. */
static void
begin(struct hold *h, struct mono now)
{
	uint8_t tid[STUN_TID];

	h->ev = event_new(child_base(), h->fd, EV_READ | EV_PERSIST,
	    on_readable, h);
	if (h->ev == NULL || event_add(h->ev, NULL) == -1) {
		hold_close(h);
		return;
	}
	randombytes_buf(tid, sizeof(tid));
	client_socket(&h->core, tid, now);
}

/* The parent has no socket for us: back off as if it had died. */
static void
no_socket(struct hold *h, struct instant now)
{
	uint8_t tid[STUN_TID] = { 0 };

	h->want_id = 0;
	if (h->core.state == CLIENT_IDLE)
		client_socket(&h->core, tid, now.mono);
	heed(h, client_broken(&h->core, now.mono), now);
}

/* --- whom to ask --- */

/* Is h what p wants for this protocol? */
static bool
fits(const struct hold *h, const struct linked *p)
{
	return p->chosen && naddr_equal(&h->server, &p->server[h->proto]) &&
	    (h->proto == PROTO_UDP || stund.conf.tcp);
}

static void
ask(struct linked *p, uint8_t proto, struct mono now)
{
	struct hold *h = hold_find(p->id, proto);

	if (p->server[proto].fam == NADDR_NONE ||
	    (proto == PROTO_TCP && !stund.conf.tcp))
		return;
	if (h != NULL) {
		h->orphan = MONO_NEVER;
		return;
	}
	if ((h = hold_new(p->id, proto, &p->server[proto])) == NULL) {
		refused++;
		return;
	}
	want_socket(h, now);
}

/* No more orphans than clients: those nearest their end go. */
static void
trim_orphans(void)
{
	struct hold *h, *oldest;
	uint32_t n;
	size_t i;

	for (;;) {
		oldest = NULL;
		for (n = 0, i = 0; i < HOLDS_MAX; i++) {
			h = &holds[i];
			if (!h->used || h->orphan.us == MONO_NEVER.us)
				continue;
			n++;
			if (oldest == NULL ||
			    mono_before(h->orphan, oldest->orphan))
				oldest = h;
		}
		if (n <= 2u * stund.conf.clients_max)
			return;
		hold_drop(oldest);
	}
}

static void
rebalance(void)
{
	struct mono now = mono_now();
	struct linked *p;
	size_t i;

	linked_choose(stund.conf.clients_max, stund.conf.tcp);
	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].used && (p = linked_find(holds[i].peer)) != NULL &&
		    !fits(&holds[i], p))
			hold_drop(&holds[i]);
	for (i = 0; i < LINKED_MAX; i++) {
		if (!linked[i].used || !linked[i].chosen)
			continue;
		ask(&linked[i], PROTO_UDP, now);
		ask(&linked[i], PROTO_TCP, now);
	}
	trim_orphans();
	run();
}

static void
orphan(const uint8_t peer[32], int64_t ms)
{
	struct mono until = mono_add_ms(mono_now(), ms);
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].used && memcmp(holds[i].peer, peer, 32) == 0)
			holds[i].orphan = mono_min(holds[i].orphan, until);
}

/* --- time --- */

static void
hold_run(struct hold *h, struct instant now)
{
	if (mono_reached(h->orphan, now.mono)) {
		hold_drop(h);
		return;
	}
	if (h->want_id != 0 && mono_reached(h->want_until, now.mono))
		no_socket(h, now);
	tick(h, now);
}

static struct mono
hold_due(const struct hold *h)
{
	struct mono due = mono_min(h->orphan, client_due(&h->core));

	return h->want_id == 0 ? due : mono_min(due, h->want_until);
}

/* Do what is due everywhere and sleep until the next. */
static void
run(void)
{
	struct instant now = instant_now();
	struct mono due = MONO_NEVER;
	size_t i;

	if (!stund.running)
		return;
	for (i = 0; i < HOLDS_MAX; i++) {
		if (holds[i].used)
			hold_run(&holds[i], now);
		if (holds[i].used)
			due = mono_min(due, hold_due(&holds[i]));
	}
	if (run_again)
		due = now.mono;
	run_again = false;
	child_timer_set(timer, due, now.mono);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	run();
}

/* --- from outside --- */

void
clients_init(void)
{
	timer = child_timer(on_timer, NULL);
}

/* Kept sockets are asked at once: their mappings may be about to end. */
void
clients_start(void)
{
	struct mono now = mono_now();
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++) {
		if (!holds[i].used)
			continue;
		holds[i].orphan = mono_add_ms(now, ORPHAN_MS);
		client_init(&holds[i].core, holds[i].proto == PROTO_TCP,
		    stund.conf.keepalive_ms);
		begin(&holds[i], now);
	}
	run();
}

void
clients_reconf(void)
{
	struct mono now = mono_now();
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].used)
			client_set_keepalive(&holds[i].core,
			    stund.conf.keepalive_ms, now);
	rebalance();
}

/* A socket nobody waits for any more; the parent forgets it, too. */
static void
give_back(const struct msg_stund_socket *s, int fd)
{
	struct msg_stund_socket_drop d = { .proto = s->proto };

	(void)close(fd);
	if (hold_find(s->peer, s->proto) != NULL)
		return; /* its newer question made the parent forget already */
	memcpy(d.peer, s->peer, 32);
	(void)ipc_send(child_parent(), STUND_SOCKET_DROP, 0, &d);
}

static void
take_kept(const struct msg_stund_socket *s, int fd)
{
	struct hold *h = hold_find(s->peer, s->proto);

	if (h != NULL || s->local.fam == NADDR_NONE ||
	    (h = hold_new(s->peer, s->proto, &s->server)) == NULL) {
		(void)close(fd);
		return;
	}
	h->kept = true;
	h->local = s->local;
	h->fd = fd;
}

void
clients_socket(uint32_t id, const struct msg_stund_socket *s, int fd)
{
	struct hold *h;

	if (!stund.running) {
		take_kept(s, fd);
		return;
	}
	h = hold_find(s->peer, s->proto);
	if (h == NULL || h->want_id == 0 || h->want_id != id ||
	    s->local.fam == NADDR_NONE) {
		give_back(s, fd);
		return;
	}
	h->want_id = 0;
	hold_close(h);
	if (h->local.fam != NADDR_NONE && h->local.fam != s->local.fam)
		unlearn(h);
	h->local = s->local;
	h->fd = fd;
	begin(h, mono_now());
	run();
}

void
clients_socket_failed(uint32_t id, const struct msg_stund_socket_fail *f)
{
	struct hold *h = hold_find(f->peer, f->proto);
	char peer[NODE_ID_HEX];

	if (h == NULL || h->want_id == 0 || h->want_id != id)
		return;
	log_debug("client %s of %s: %s", proto_name(f->proto),
	    short_id(f->peer, peer), f->error);
	no_socket(h, instant_now());
	run();
}

void
clients_peer_up(const struct msg_sp_peer_up *up)
{
	struct linked *p = linked_set(up);

	if (p == NULL) {
		refused++;
		return;
	}
	requesters_link_up(&stund.requesters, &p->link, p->id);
	rebalance();
	if (!p->chosen && linked_has_server(p, stund.conf.tcp))
		refused++;
}

static void
forget(struct linked *p, int64_t ms)
{
	requesters_link_down(&stund.requesters, p->id, wall_now());
	linked_forget(p);
	orphan(p->id, ms);
}

void
clients_peer_down(const uint8_t id[32])
{
	struct linked *p = linked_find(id);

	if (p == NULL)
		return;
	/* It may be back in a moment: hold for two keepalives. */
	forget(p,
	    2 *
		(int64_t)(stund.conf.keepalive_ms == 0
			? CLIENT_KEEPALIVE_MS
			: stund.conf.keepalive_ms));
	rebalance();
}

void
clients_forget_peers(void)
{
	size_t i;

	for (i = 0; i < LINKED_MAX; i++)
		if (linked[i].used)
			forget(&linked[i], ORPHAN_MS);
	run();
}

void
clients_probe(void)
{
	struct mono now = mono_now();
	struct hold *h;
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++) {
		h = &holds[i];
		if (!h->used)
			continue;
		(void)client_probe(&h->core, now);
		h->probing = true;
	}
	run();
}

bool
clients_are_probing(void)
{
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].used && holds[i].probing)
			return true;
	return false;
}
