/* SPDX-License-Identifier: ISC */
/*
 * STUN load: sockets (or connections) that each keep a number of Binding
 * requests in flight.  Every answer is checked: type, transaction id and
 * cookie, and that the address in it is the asking socket's.  Shares no code
 * with what it measures but the clock.
 *
 *	stun_load [-bft] [-s SOCKETS] [-k INFLIGHT] [-d SECONDS] [-r RATE]
 *	    HOST PORT
 *
 * -t is TCP, -f fills requests up to 64 bytes as our own clients do, -r caps
 * requests a second over all sockets.  -b looks for answers without ever
 * sleeping: where a sleeping core is woken by an interrupt, as on virtual
 * machines, the server's send() would pay more for that than for all its own
 * work, and any two servers would look alike.  Prints one JSON line: answers, lost
 * (not answered within a second, or at the end of a connection), wrong,
 * seconds, p50_us and p99_us.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/compat/compat.h"
#include "common/mono.h"

#define SOCKETS_MAX  4096
#define INFLIGHT_MAX 64
#define REQUEST_MAX  64
#define ANSWER_MAX   1024
#define COOKIE       0x2112a442u
#define LOST_US      1000000
#define SLOWEST_US   65536

struct slot {
	bool busy;
	uint32_t seq;
	struct mono sent;
};

struct sock {
	int fd;
	uint16_t port;
	uint8_t ip[16];
	size_t ip_len;
	uint32_t seq;
	unsigned busy;
	struct slot slots[INFLIGHT_MAX];
	size_t len; /* TCP: bytes of answers not whole yet */
	uint8_t in[ANSWER_MAX * 8];
};

static struct sock *socks;
static unsigned n_socks = 16, inflight = 16, rate;
static double seconds = 3;
static bool tcp, busy;
static size_t request_len = 20;
static struct sockaddr_storage to;
static socklen_t to_len;
static int ep;
static uint64_t answers, lost, wrong, sent;
static uint32_t late[SLOWEST_US + 1];
static struct mono began;

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "stun_load: %s: %s\n", what, strerror(errno));
	exit(71);
}

static _Noreturn void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: stun_load [-bft] [-s sockets] "
	    "[-k inflight] [-d seconds] [-r rate] host port\n");
	exit(64);
}

/* --- requests --- */

/* Transaction id: which socket, which slot, which of its requests. */
static void
make_request(uint8_t *p, unsigned s, unsigned k, struct mono now)
{
	struct slot *slot = &socks[s].slots[k];

	slot->busy = true;
	slot->seq = ++socks[s].seq;
	slot->sent = now;
	socks[s].busy++;
	sent++;
	memset(p, 0, request_len);
	put_u16(p, 0x0001);
	put_u16(p + 2, (uint16_t)(request_len - 20));
	put_u32(p + 4, COOKIE);
	put_u32(p + 8, s);
	put_u32(p + 12, k);
	put_u32(p + 16, slot->seq);
	if (request_len > 20) { /* one optional attribute of zeroes */
		put_u16(p + 20, 0xf57a);
		put_u16(p + 22, (uint16_t)(request_len - 24));
	}
}

static void
send_stream(struct sock *so, const uint8_t *p, size_t n)
{
	ssize_t r;
	size_t off = 0;

	while (off < n) {
		r = send(so->fd, p + off, n - off, MSG_NOSIGNAL);
		if (r == -1)
			die("send");
		off += (size_t)r;
	}
}

static void
send_datagrams(struct sock *so, uint8_t *p, size_t n)
{
	struct mmsghdr m[INFLIGHT_MAX];
	struct iovec iov[INFLIGHT_MAX];
	unsigned i, done = 0;
	int r;

	if (n == 1) {
		(void)send(so->fd, p, request_len, 0);
		return;
	}
	memset(m, 0, sizeof(m));
	for (i = 0; i < n; i++) {
		iov[i].iov_base = p + i * REQUEST_MAX;
		iov[i].iov_len = request_len;
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < n) {
		r = sendmmsg(so->fd, m + done, (unsigned)n - done, 0);
		if (r <= 0)
			break; /* counted as lost */
		done += (unsigned)r;
	}
}

/* How many requests may go out now? */
static uint64_t
allowed(struct mono now)
{
	double due;

	if (rate == 0)
		return UINT64_MAX;
	due = (double)rate * (double)(now.us - began.us) / 1e6;
	return due > (double)sent ? (uint64_t)due - sent : 0;
}

/* Fill the free slots of one socket. */
static void
ask(unsigned s, struct mono now)
{
	static uint8_t buf[INFLIGHT_MAX][REQUEST_MAX];
	static uint8_t stream[INFLIGHT_MAX * REQUEST_MAX];
	uint64_t may = allowed(now);
	struct sock *so = &socks[s];
	size_t n = 0;
	unsigned k;

	for (k = 0; k < inflight && so->busy < inflight && n < may; k++) {
		if (so->slots[k].busy)
			continue;
		make_request(tcp ? stream + n * request_len : buf[n], s, k,
		    now);
		n++;
	}
	if (n == 0)
		return;
	if (tcp)
		send_stream(so, stream, n * request_len);
	else
		send_datagrams(so, buf[0], n);
}

/* --- answers --- */

static bool
is_own(const struct sock *so, const uint8_t *val, size_t len,
    const uint8_t *pad)
{
	uint8_t ip[16];
	size_t i;

	if (len != 4 + so->ip_len || val[1] != (so->ip_len == 4 ? 1 : 2))
		return false;
	for (i = 0; i < so->ip_len; i++)
		ip[i] = val[4 + i] ^ pad[i];
	return memcmp(ip, so->ip, so->ip_len) == 0 &&
	    (get_u16(val + 2) ^ get_u16(pad)) == so->port;
}

/* Every address told must be ours, and there must be one. */
static bool
tells_own(const struct sock *so, const uint8_t *p, size_t len)
{
	static const uint8_t none[16];
	unsigned found = 0;
	uint16_t type, n;
	size_t at = 20;

	while (at + 4 <= len) {
		type = get_u16(p + at);
		n = get_u16(p + at + 2);
		if (n > len - at - 4)
			return false;
		if (type == 0x0001 || type == 0x0020 || type == 0x8020) {
			if (!is_own(so, p + at + 4, n,
				type == 0x0001 ? none : p + 4))
				return false;
			found++;
		}
		at += 4 + (n + 3u) / 4u * 4u;
	}
	return found > 0 && at == len;
}

static void
answered(struct sock *so, const uint8_t *p, size_t len, struct mono now)
{
	struct slot *slot;
	int64_t us;

	if (len < 20 || get_u16(p) != 0x0101 || get_u32(p + 4) != COOKIE ||
	    get_u32(p + 8) != (uint32_t)(so - socks) ||
	    get_u32(p + 12) >= inflight || !tells_own(so, p, len)) {
		wrong++;
		return;
	}
	slot = &so->slots[get_u32(p + 12)];
	if (!slot->busy || slot->seq != get_u32(p + 16)) {
		wrong++; /* twice, or after it was given up */
		return;
	}
	slot->busy = false;
	so->busy--;
	us = now.us - slot->sent.us;
	late[us < SLOWEST_US ? us : SLOWEST_US]++;
	answers++;
}

static void
hear_datagrams(struct sock *so, struct mono now)
{
	static uint8_t buf[INFLIGHT_MAX][ANSWER_MAX];
	struct mmsghdr m[INFLIGHT_MAX];
	struct iovec iov[INFLIGHT_MAX];
	ssize_t one;
	int i, n;

	if (inflight == 1) {
		one = recv(so->fd, buf[0], ANSWER_MAX, MSG_DONTWAIT);
		if (one > 0)
			answered(so, buf[0], (size_t)one, now);
		return;
	}
	memset(m, 0, sizeof(m));
	for (i = 0; i < INFLIGHT_MAX; i++) {
		iov[i].iov_base = buf[i];
		iov[i].iov_len = ANSWER_MAX;
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(so->fd, m, INFLIGHT_MAX, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++)
		answered(so, buf[i], m[i].msg_len, now);
}

static void
hear_stream(struct sock *so, struct mono now)
{
	ssize_t n = recv(so->fd, so->in + so->len, sizeof(so->in) - so->len,
	    MSG_DONTWAIT);
	size_t at = 0, len;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("connection lost");
	so->len += (size_t)n;
	while (so->len - at >= 20) {
		len = 20 + (size_t)get_u16(so->in + at + 2);
		if (so->len - at < len)
			break;
		answered(so, so->in + at, len, now);
		at += len;
	}
	so->len -= at;
	memmove(so->in, so->in + at, so->len);
}

static void
give_up_late(struct mono now)
{
	unsigned s, k;

	for (s = 0; s < n_socks; s++)
		for (k = 0; k < inflight; k++)
			if (socks[s].slots[k].busy &&
			    now.us - socks[s].slots[k].sent.us > LOST_US) {
				socks[s].slots[k].busy = false;
				socks[s].busy--;
				lost++;
			}
}

/* --- the run --- */

static void
open_one(unsigned s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = s };
	struct sock *so = &socks[s];
	struct sockaddr_in6 own;
	struct sockaddr_in own4;
	socklen_t len = sizeof(own);
	int one = 1, size = 1 << 20;

	so->fd = socket(to.ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (so->fd == -1 ||
	    connect(so->fd, (struct sockaddr *)&to, to_len) == -1)
		die("connect");
	(void)setsockopt(so->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(so->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (getsockname(so->fd, (struct sockaddr *)&own, &len) == -1)
		die("getsockname");
	if (to.ss_family == AF_INET) {
		memcpy(&own4, &own, sizeof(own4));
		so->port = ntohs(own4.sin_port);
		so->ip_len = 4;
		memcpy(so->ip, &own4.sin_addr, 4);
	} else {
		so->port = ntohs(own.sin6_port);
		so->ip_len = 16;
		memcpy(so->ip, &own.sin6_addr, 16);
	}
	if (epoll_ctl(ep, EPOLL_CTL_ADD, so->fd, &ev) == -1)
		die("epoll_ctl");
}

static void
hear(int wait_ms, bool go_on)
{
	struct epoll_event ev[256];
	int i, n = epoll_wait(ep, ev, 256, wait_ms);
	struct mono now;

	for (i = 0; i < n; i++) {
		now = mono_now();
		if (tcp)
			hear_stream(&socks[ev[i].data.u32], now);
		else
			hear_datagrams(&socks[ev[i].data.u32], now);
		if (go_on)
			ask(ev[i].data.u32, now);
	}
}

static volatile sig_atomic_t stopped; /* SIGINT: end and count */

static void
on_sigint(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
run(void)
{
	struct mono end, now, look;
	unsigned s;

	(void)signal(SIGINT, on_sigint);
	began = now = look = mono_now();
	end = mono_add_ms(began, (int64_t)(seconds * 1000));
	for (s = 0; s < n_socks; s++)
		ask(s, now);
	while (mono_before(now, end) && !stopped) {
		hear(busy ? 0 : rate == 0 ? 100 : 1, true);
		now = mono_now();
		if (rate != 0 || now.us - look.us > 100000) {
			give_up_late(now);
			for (s = 0; s < n_socks; s++)
				ask(s, now);
			look = now;
		}
	}
	seconds = (double)(now.us - began.us) / 1e6;
}

/* What is still in flight has a second to come in. */
static void
finish(void)
{
	struct mono now = mono_now(), end = mono_add_ms(now, 1000);
	unsigned s, left = 1;

	while (left > 0 && mono_before(now, end)) {
		hear(10, false);
		now = mono_now();
		for (left = s = 0; s < n_socks; s++)
			left += socks[s].busy;
	}
	lost += left;
}

static uint32_t
percentile(double part)
{
	uint64_t n = 0, want = (uint64_t)((double)answers * part);
	uint32_t us;

	for (us = 0; us < SLOWEST_US; us++)
		if ((n += late[us]) > want)
			break;
	return us;
}

static unsigned
number(const char *text, unsigned max)
{
	const char *err;
	long long n = strtonum(text, 1, max, &err);

	if (err != NULL)
		usage();
	return (unsigned)n;
}

static void
set_target(const char *host, unsigned port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port) };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, host, &sin.sin_addr) == 1) {
		to_len = sizeof(sin);
		memcpy(&to, &sin, to_len);
	} else if (inet_pton(AF_INET6, host, &sin6.sin6_addr) == 1) {
		to_len = sizeof(sin6);
		memcpy(&to, &sin6, to_len);
	} else {
		usage();
	}
}

int
main(int argc, char **argv)
{
	unsigned s;
	int ch;

	while ((ch = getopt(argc, argv, "bfts:k:d:r:")) != -1) {
		switch (ch) {
		case 'b':
			busy = true;
			break;
		case 't':
			tcp = true;
			break;
		case 'f':
			request_len = REQUEST_MAX;
			break;
		case 's':
			n_socks = number(optarg, SOCKETS_MAX);
			break;
		case 'k':
			inflight = number(optarg, INFLIGHT_MAX);
			break;
		case 'd':
			seconds = number(optarg, 3600);
			break;
		case 'r':
			rate = number(optarg, 10000000);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2)
		usage();
	set_target(argv[optind], number(argv[optind + 1], 65535));
	socks = calloc(n_socks, sizeof(*socks));
	if (socks == NULL || (ep = epoll_create1(0)) == -1)
		die("setup");
	for (s = 0; s < n_socks; s++)
		open_one(s);
	run();
	finish();
	(void)printf("{\"answers\":%llu,\"lost\":%llu,\"wrong\":%llu,"
		     "\"seconds\":%.3f,\"p50_us\":%u,\"p99_us\":%u}\n",
	    (unsigned long long)answers, (unsigned long long)lost,
	    (unsigned long long)wrong, seconds, percentile(0.5),
	    percentile(0.99));
	return lost + wrong == 0 ? 0 : 1;
}
