/* SPDX-License-Identifier: ISC */
/*
 * The STUN server over UDP: datagrams in, answers out, nothing kept.  Under
 * load they come and go in batches; where they come singly, one plain call
 * each is cheaper, so a socket that saw single ones for a while is read that
 * way, with a look for more every few wakeups.  Memory is static and the
 * work of a wakeup bounded.  Tested in tests/interop/stun_test.py.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "common/compat/udp_dst.h"
#include "common/log.h"
#include "stund/stund.h"

#define BATCH       64
#define ROUNDS_MAX  4    /* batches in one wakeup */
#define LEN_MAX     1280 /* longer is no STUN request of any use */
#define SINGLES_MAX 16   /* then read singly */
#define LOOK_EVERY  16   /* wakeups, for more than one */

/*
 * One byte more than LEN_MAX: a datagram cut to that length is no multiple of
 * four, hence malformed, whatever its header says.
 */
static uint8_t in[BATCH][LEN_MAX + 1];
static uint8_t out[BATCH][STUN_OUT_MAX];
static struct sockaddr_storage from[BATCH];
static _Alignas(struct cmsghdr) uint8_t control[BATCH][UDP_DST_SPACE];
static struct iovec in_iov[BATCH], out_iov[BATCH];
static struct mmsghdr rx[BATCH], tx[BATCH];

void
serve_udp_prepare(struct listener *l)
{
	l->any = naddr_is_any(&l->addr);
	if (l->any &&
	    udp_dst_ask(l->fd, l->addr.fam == NADDR_V4 ? AF_INET : AF_INET6) ==
		-1)
		fatal(EX_OSERR, "cannot tell which address is asked");
}

/* Make slot i ready to receive. */
static void
reset(const struct listener *l, size_t i)
{
	struct msghdr *h = &rx[i].msg_hdr;

	h->msg_name = &from[i];
	h->msg_namelen = sizeof(from[i]);
	h->msg_iov = &in_iov[i];
	h->msg_iovlen = 1;
	h->msg_control = l->any ? control[i] : NULL;
	h->msg_controllen = l->any ? sizeof(control[i]) : 0;
	h->msg_flags = 0;
	in_iov[i].iov_base = in[i];
	in_iov[i].iov_len = sizeof(in[i]);
}

/* Decide on datagram i; the length of its answer in out[i], 0 for none. */
static size_t
decide(const struct listener *l, size_t i, size_t len, struct instant now)
{
	struct stun_ask ask = { .buf = in[i],
		.len = len,
		.loopback = l->loopback };
	enum stun_verdict v;
	struct wr w;

	if (naddr_from_sockaddr(&ask.src, (struct sockaddr *)&from[i]) == -1)
		return 0;
	wr_init(&w, out[i], sizeof(out[i]));
	v = stun_server_answer(&stund.server, &ask, now.mono, &w);
	if (v == STUN_ANSWERED)
		stund_note(&ask.src, PROTO_UDP, now.wall);
	return w.len;
}

/* Datagram i goes back to its sender, from the address that was asked. */
static void
address(struct msghdr *h, size_t i, size_t len)
{
	*h = rx[i].msg_hdr;
	h->msg_iov = &out_iov[i];
	out_iov[i].iov_base = out[i];
	out_iov[i].iov_len = len;
	if (h->msg_control != NULL)
		udp_dst_answer(h);
}

/* --- singly --- */

static ssize_t
receive_one(const struct listener *l)
{
	socklen_t len = sizeof(from[0]);

	if (!l->any)
		return recvfrom(l->fd, in[0], sizeof(in[0]), MSG_DONTWAIT,
		    (struct sockaddr *)&from[0], &len);
	reset(l, 0);
	return recvmsg(l->fd, &rx[0].msg_hdr, MSG_DONTWAIT);
}

static ssize_t
send_one(const struct listener *l, size_t len)
{
	struct msghdr h;

	if (!l->any)
		return sendto(l->fd, out[0], len, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (struct sockaddr *)&from[0],
		    l->addr.fam == NADDR_V4 ? sizeof(struct sockaddr_in)
					    : sizeof(struct sockaddr_in6));
	address(&h, 0, len);
	return sendmsg(l->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
serve_one(const struct listener *l, struct instant now)
{
	ssize_t n = receive_one(l);
	size_t len;

	if (n == -1)
		return;
	len = decide(l, 0, (size_t)n, now);
	if (len > 0 && send_one(l, len) == -1)
		stund.send_failed++;
}

/* --- in batches --- */

/* An answer the kernel refuses is skipped; when it is full, all are lost. */
static void
send_batch(const struct listener *l, unsigned n)
{
	unsigned done = 0;
	int r;

	while (done < n) {
		r = sendmmsg(l->fd, tx + done, n - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r > 0) {
			done += (unsigned)r;
			continue;
		}
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1 && (errno == EAGAIN || errno == ENOBUFS)) {
			stund.send_failed += n - done;
			return;
		}
		stund.send_failed++;
		done++;
	}
}

/* How many datagrams came; 0 when there are none. */
static size_t
serve_batch(const struct listener *l, struct instant now)
{
	unsigned answers = 0;
	size_t i, len;
	int n;

	for (i = 0; i < BATCH; i++)
		reset(l, i);
	n = recvmmsg(l->fd, rx, BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	for (i = 0; i < (size_t)n; i++)
		if ((len = decide(l, i, rx[i].msg_len, now)) > 0)
			address(&tx[answers++].msg_hdr, i, len);
	send_batch(l, answers);
	return (size_t)n;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct instant now = instant_now();
	struct listener *l = arg;
	size_t n, round;

	(void)fd;
	(void)what;
	if (l->singles == SINGLES_MAX && ++l->wakeups % LOOK_EVERY != 0) {
		serve_one(l, now);
		return;
	}
	for (round = 0; round < ROUNDS_MAX; round++) {
		n = serve_batch(l, now);
		if (n > 1)
			l->singles = 0;
		else if (n == 1 && round == 0 && l->singles < SINGLES_MAX)
			l->singles++;
		if (n < BATCH)
			break;
	}
}

void
serve_udp_start(struct listener *l)
{
	l->ev = event_new(child_base(), l->fd, EV_READ | EV_PERSIST,
	    on_readable, l);
	if (l->ev == NULL || event_add(l->ev, NULL) == -1)
		fatalx(EX_OSERR, "no memory for a listener");
}
