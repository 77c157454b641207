/* SPDX-License-Identifier: ISC */
/*
 * The STUN server over TCP.  All whole requests of one read are answered in
 * one write.  A connection owns no buffer: one is lent, of just the size,
 * while a request is incomplete, or while answers wait for a client that
 * does not read them - and then we do not read from it either.
 *
 *            read                 all answered
 *   READING -------> answer, write ------------> READING
 *                          | the socket is full
 *                          v           written
 *                       WRITING ----------------> READING
 *
 * The table is made at start.  Whoever has too many connections open, or
 * completes no request for tcp_idle_ms, is hung up on.  Tested in
 * tests/interop/stun_test.py.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/addr_policy.h"
#include "common/assert.h"
#include "common/log.h"
#include "stund/stund.h"

#define READ_MAX    4096 /* bytes in one wakeup */
#define MESSAGE_MAX 1280
#define ACCEPT_MAX  64    /* in one wakeup */
#define IDLE_MS     60000 /* where the configuration says 0 */
#define NETS        4096  /* counters of connections by network */
#define NET_SHARE   8     /* a network has this part of the table */
#define NET_MIN     8
#define NONE        UINT32_MAX

struct conn {
	struct event ev;
	struct naddr src;
	struct mono done; /* when it was new or last completed a request */
	uint8_t *lent;    /* answers not yet written, then half a request */
	uint32_t sent, answers, len; /* of them: written, in all, with half */
	int fd;
	uint32_t next; /* free ones */
	uint16_t net;  /* index of its counter */
	bool used, loopback, writing;
};

static struct conn *conns;
static uint32_t n_conns, n_used, n_top, first_free;
static uint64_t refused;
static uint16_t nets[NETS];
static uint8_t net_key[crypto_shorthash_KEYBYTES];
static struct event *sweep;
static bool listeners_paused;

static uint8_t in[MESSAGE_MAX + READ_MAX];
static uint8_t out[sizeof(in) / STUN_HDR * STUN_OUT_MAX];

static void on_event(evutil_socket_t fd, short what, void *arg);

uint32_t
serve_tcp_used(void)
{
	return n_used;
}

uint32_t
serve_tcp_max(void)
{
	return n_conns < stund.conf.tcp_conns_max ? n_conns
						  : stund.conf.tcp_conns_max;
}

uint64_t
serve_tcp_refused(void)
{
	return refused;
}

void
serve_tcp_init(uint32_t conns_max)
{
	uint32_t i;

	randombytes_buf(net_key, sizeof(net_key));
	first_free = NONE;
	if (conns_max == 0)
		return;
	if ((conns = calloc(conns_max, sizeof(*conns))) == NULL)
		fatalx(EX_OSERR, "no memory for %u connections", conns_max);
	n_conns = conns_max;
	for (i = conns_max; i-- > 0;) {
		conns[i].next = first_free;
		first_free = i;
	}
}

void
serve_tcp_reconf(void)
{
	if (stund.conf.tcp_conns_max > n_conns)
		log_warn("tcp connections: %u take effect with a restart, "
			 "until then %u",
		    stund.conf.tcp_conns_max, n_conns);
}

/* --- connections --- */

static uint16_t
net_of(const struct naddr *src)
{
	struct naddr plain = addr_canon(src);
	struct naddr net = addr_prefix(&plain, 24, 56);
	uint8_t text[17], hash[crypto_shorthash_BYTES];
	uint16_t slot;

	text[0] = net.fam;
	memcpy(text + 1, net.ip, sizeof(net.ip));
	(void)crypto_shorthash(hash, text, sizeof(text), net_key);
	memcpy(&slot, hash, sizeof(slot));
	return slot % NETS;
}

/* Clients of this host are trusted not to crowd each other out. */
static bool
may_join(const struct listener *l, uint16_t net)
{
	uint32_t max = serve_tcp_max(), share = max / NET_SHARE;

	if (n_used >= max || first_free == NONE)
		return false;
	if (share < NET_MIN)
		share = NET_MIN;
	return l->loopback || nets[net] < share;
}

static void
lent_free(struct conn *c)
{
	free(c->lent);
	c->lent = NULL;
	c->sent = c->answers = c->len = 0;
}

static void
hang_up(struct conn *c)
{
	uint32_t i = (uint32_t)(c - conns);

	(void)event_del(&c->ev);
	(void)close(c->fd);
	lent_free(c);
	ASSERT(nets[c->net] > 0);
	nets[c->net]--;
	c->used = false;
	c->next = first_free;
	first_free = i;
	n_used--;
}

/* Wait for the other thing: 0, or -1 when there is no memory. */
static int
wait_for(struct conn *c, bool writing)
{
	(void)event_del(&c->ev);
	c->writing = writing;
	(void)event_assign(&c->ev, child_base(), c->fd,
	    (writing ? EV_WRITE : EV_READ) | EV_PERSIST, on_event, c);
	return event_add(&c->ev, NULL);
}

static void
join(const struct listener *l, int fd, const struct naddr *src, uint16_t net,
    struct mono now)
{
	struct conn *c = &conns[first_free];

	first_free = c->next;
	n_used++;
	nets[net]++;
	c->used = true;
	c->fd = fd;
	c->src = *src;
	c->net = net;
	c->loopback = l->loopback;
	c->writing = false;
	c->done = now;
	if ((uint32_t)(c - conns) >= n_top)
		n_top = (uint32_t)(c - conns) + 1;
	(void)event_assign(&c->ev, child_base(), fd, EV_READ | EV_PERSIST,
	    on_event, c);
	if (event_add(&c->ev, NULL) == -1)
		hang_up(c);
}

/* --- answering --- */

/*
 * Keep answers and half a request until the next wakeup.  0, or -1 when
 * there is no memory.
 */
static int
lend(struct conn *c, const uint8_t *answers, size_t n, const uint8_t *half,
    size_t half_len)
{
	lent_free(c);
	if (n + half_len == 0)
		return 0;
	if ((c->lent = malloc(n + half_len)) == NULL)
		return -1;
	memcpy(c->lent, answers, n);
	memcpy(c->lent + n, half, half_len);
	c->answers = (uint32_t)n;
	c->len = (uint32_t)(n + half_len);
	return 0;
}

/*
 * Answer what is whole among the len bytes of in; answers are gathered in w.
 * How many bytes were used, or -1 when this is not a STUN client.
 */
static ssize_t
answer_all(struct conn *c, size_t len, struct instant now, struct wr *w)
{
	struct stun_ask ask = { .src = c->src,
		.tcp = true,
		.loopback = c->loopback };
	enum stun_verdict v;
	size_t off = 0;
	int n;

	while ((n = stun_stream_next(in + off, len - off, MESSAGE_MAX)) > 0) {
		ask.buf = in + off;
		ask.len = (size_t)n;
		off += ask.len;
		v = stun_server_answer(&stund.server, &ask, now.mono, w);
		if (v == STUN_ANSWERED)
			stund_note(&c->src, PROTO_TCP, now.wall);
		if (v == STUN_DROP_ALIEN || v == STUN_DROP_MALFORMED)
			return -1;
	}
	if (n < 0)
		stund.server.count[STUN_DROP_ALIEN]++;
	if (off > 0)
		c->done = now.mono;
	return n < 0 ? -1 : (ssize_t)off;
}

/* How many bytes went out, or -1 when the connection is over. */
static ssize_t
write_some(struct conn *c, const uint8_t *p, size_t len)
{
	/* Not send(): the sandbox looks at its flags, call by call. */
	ssize_t n = write(c->fd, p, len);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}

/* len bytes wait in in[]: answer, and keep what is left over. */
static int
serve(struct conn *c, size_t len)
{
	struct instant now = instant_now();
	ssize_t used, sent = 0;
	size_t rest;
	struct wr w;

	wr_init(&w, out, sizeof(out));
	used = answer_all(c, len, now, &w);
	ASSERT(!w.bad);
	if (w.len > 0)
		sent = write_some(c, out, w.len);
	if (used == -1 || sent == -1)
		return -1;
	rest = w.len - (size_t)sent;
	if (lend(c, out + sent, rest, in + used, len - (size_t)used) == -1)
		return -1;
	return rest > 0 ? wait_for(c, true) : 0;
}

static int
on_readable(struct conn *c)
{
	size_t had = c->len - c->answers;
	ssize_t n;

	ASSERT(had < MESSAGE_MAX);
	if (had > 0)
		memcpy(in, c->lent + c->answers, had);
	n = recv(c->fd, in + had, READ_MAX, MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n == 0 ? -1 : serve(c, had + (size_t)n);
}

static int
on_writable(struct conn *c)
{
	ssize_t n = write_some(c, c->lent + c->sent, c->answers - c->sent);

	if (n == -1)
		return -1;
	c->sent += (uint32_t)n;
	if (c->sent < c->answers)
		return 0;
	if (c->answers == c->len)
		lent_free(c);
	return wait_for(c, false);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if ((c->writing ? on_writable(c) : on_readable(c)) == -1)
		hang_up(c);
}

/* --- accepting --- */

/* No descriptor or memory is left: look again with the next sweep. */
static void
pause_listeners(bool pause)
{
	size_t i;

	listeners_paused = pause;
	for (i = 0; i < stund.n_listeners; i++) {
		if (stund.listeners[i].proto != PROTO_TCP)
			continue;
		if (pause)
			(void)event_del(stund.listeners[i].ev);
		else
			(void)event_add(stund.listeners[i].ev, NULL);
	}
}

/* False when there is nothing more to accept. */
static bool
accept_one(struct listener *l, struct mono now)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct naddr src;
	uint16_t net;
	int fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			refused++;
			pause_listeners(true);
			return false;
		}
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (naddr_from_sockaddr(&src, (struct sockaddr *)&ss) == -1 ||
	    !may_join(l, net = net_of(&src))) {
		refused++;
		(void)close(fd);
		return true;
	}
	join(l, fd, &src, net, now);
	return true;
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();
	struct listener *l = arg;
	int n;

	(void)fd;
	(void)what;
	for (n = 0; n < ACCEPT_MAX; n++)
		if (!accept_one(l, now))
			break;
}

/* Once a second: hang up on the silent. */
static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	int64_t idle_ms =
	    stund.conf.tcp_idle_ms == 0 ? IDLE_MS : stund.conf.tcp_idle_ms;
	struct mono now = mono_now();
	uint32_t i;

	(void)fd;
	(void)what;
	(void)arg;
	for (i = 0; i < n_top; i++)
		if (conns[i].used &&
		    mono_ms_between(conns[i].done, now) >= idle_ms)
			hang_up(&conns[i]);
	while (n_top > 0 && !conns[n_top - 1].used)
		n_top--;
	if (listeners_paused)
		pause_listeners(false);
	child_timer_set(sweep, mono_add_ms(now, 1000), now);
}

void
serve_tcp_prepare(struct listener *l)
{
	const int on = 1;

	/* Connections inherit it: a call less for each of them. */
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
serve_tcp_start(struct listener *l)
{
	l->ev = event_new(child_base(), l->fd, EV_READ | EV_PERSIST,
	    on_acceptable, l);
	if (l->ev == NULL || event_add(l->ev, NULL) == -1)
		fatalx(EX_OSERR, "no memory for a listener");
	if (sweep == NULL) {
		sweep = child_timer(on_sweep, NULL);
		on_sweep(-1, 0, NULL);
	}
}
