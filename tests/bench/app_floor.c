/* SPDX-License-Identifier: ISC */
/*
 * The cheapest node for apps that there can be: pipe, decode,
 * ChaCha20-Poly1305, TCP, decrypt, encode, pipe in one process a side.  It
 * answers rightly and loses nothing, but checks nobody: no ownership, no
 * credit of a loop, no handshake, one fixed key, no sandbox.  All messages
 * that one read brings leave in one frame and one write.
 *
 *	app_floor listen|connect PORT PROGRAM [ARGUMENT ..]	on 127.0.0.1
 *	app_floor hop-listen|hop-connect PORT PROGRAM [ARGUMENT ..]
 *	app_floor local PROGRAM [ARGUMENT ..] -- PROGRAM [ARGUMENT ..]
 *
 * PROGRAM runs with its pipes on descriptors 3 and 4.  With hop- the link is
 * another process, which does no more than pass its bytes on: what is lost by
 * that no node can win back whose network process does not see the apps.
 * With local there are
 * two, and what one sends is encoded for the other at once.
 *
 *	frame   = len:u32 | ciphertext of len bytes, tag included
 *	message = kind:u8 | port:u16 | len:u16 | bytes       several a frame
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appd/app_json.h"
#include "appd/packet.h"
#include "common/bytes.h"
#include "common/compat/compat.h"

#define PIPE_BYTES (256 * 1024) /* as warrend makes them */
#define BUF        (2u << 20)
#define FULL       (256u << 10) /* queued: read no more of what adds to it */
#define FRAME_MAX  65536
#define MSG_HEAD   5
#define TAG        crypto_aead_chacha20poly1305_ietf_ABYTES
#define SERVER     10 /* port of who accepts */

/* A descriptor to read or write, with what waits there. */
struct end {
	int fd;
	uint32_t events; /* that epoll knows of */
	uint8_t *buf;
	size_t off, len;
};

/* An app. */
struct side {
	struct end in, out;
	struct side *other; /* local: the other one */
	uint8_t ids[PACKET_IDS];
	unsigned n_ids;
	bool dials;
};

static struct side sides[2];
static unsigned n_sides;
static struct end tcp_in = { .fd = -1 }, tcp_out = { .fd = -1 };
static uint8_t frame[FRAME_MAX];
static size_t n_frame;
static const uint8_t *plain; /* in what TCP brought: not handed on yet */
static size_t n_plain;
static uint8_t key[32];
static uint64_t nonce_out, nonce_in;
static uint16_t next_port = 11;
static int ep;

/* --- ends --- */

static void
end_init(struct end *e, int fd)
{
	e->fd = fd;
	if ((e->buf = malloc(BUF)) == NULL)
		exit(71);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void
watch(struct end *e, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = e };

	if (e->events == events)
		return;
	(void)epoll_ctl(ep,
	    e->events == 0   ? EPOLL_CTL_ADD
		: events == 0 ? EPOLL_CTL_DEL
			      : EPOLL_CTL_MOD,
	    e->fd, &ev);
	e->events = events;
}

static void
fill(struct end *e)
{
	ssize_t n;

	if (e->off > 0) {
		memmove(e->buf, e->buf + e->off, e->len - e->off);
		e->len -= e->off;
		e->off = 0;
	}
	n = read(e->fd, e->buf + e->len, BUF / 2 - e->len);
	if (n == 0 || (n == -1 && errno != EAGAIN))
		exit(0);
	e->len += n > 0 ? (size_t)n : 0;
}

static void
drain(struct end *e)
{
	ssize_t n = 1;

	while (e->off < e->len && n > 0) {
		n = write(e->fd, e->buf + e->off, e->len - e->off);
		if (n == -1 && errno != EAGAIN)
			exit(0);
		e->off += n > 0 ? (size_t)n : 0;
	}
	if (e->off == e->len)
		e->off = e->len = 0;
}

static uint8_t *
room(struct end *e, size_t n)
{
	if (BUF - e->len < n) {
		memmove(e->buf, e->buf + e->off, e->len - e->off);
		e->len -= e->off;
		e->off = 0;
	}
	return e->buf + e->len;
}

static bool
is_full(const struct end *e)
{
	return e->len - e->off >= FULL;
}

/* --- to the app --- */

static void
answer(struct side *s, uint8_t id, const char *body, size_t n)
{
	s->out.len += packet_put(room(&s->out, 1024), 1024, PACKET_SUCCESS, id,
	    body, n);
}

static bool
takes(const struct side *s)
{
	return s->n_ids > 0 && !is_full(&s->out);
}

/* A message of the far side, about the loop that the dialling app's port is. */
static void
deliver(struct side *s, uint8_t kind, uint16_t port, const uint8_t *p,
    size_t n)
{
	struct app_loop l = { .local.port = s->dials ? port : SERVER,
		.remote.port = s->dials ? SERVER : port };
	uint8_t *at = room(&s->out, PACKET_MAX);
	char *body = (char *)at + PACKET_HEAD;
	size_t len;

	if (kind == PACKET_SEND)
		len = app_json_put_send(body, PACKET_BODY_MAX, &l,
		    APP_FORM_ADDR, p, n);
	else if (kind == PACKET_CLOSE)
		len = app_json_put_loop(body, 1024, &l, APP_FORM_ADDR);
	else
		len = app_json_put_pair(body, 1024, &l, APP_FORM_ADDR);
	packet_put_head(at, kind, s->ids[--s->n_ids], len);
	s->out.len += PACKET_HEAD + len;
}

/* --- the link --- */

static void
nonce(uint8_t out[12], uint64_t n)
{
	memset(out, 0, 4);
	put_u64(out + 4, n);
}

static void
seal(void)
{
	uint8_t *at, n[12];

	if (n_frame == 0)
		return;
	at = room(&tcp_out, 4 + n_frame + TAG);
	put_u32(at, (uint32_t)(n_frame + TAG));
	nonce(n, nonce_out++);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(at + 4, NULL, frame,
	    n_frame, NULL, 0, NULL, n, key);
	tcp_out.len += 4 + n_frame + TAG;
	n_frame = 0;
}

/* Room for a message in the frame, where its bytes are decoded to. */
static uint8_t *
frame_room(size_t n)
{
	if (n_frame + MSG_HEAD + n > FRAME_MAX)
		seal();
	return frame + n_frame + MSG_HEAD;
}

static void
link_put(struct side *s, uint8_t kind, uint16_t port, const uint8_t *p,
    size_t n)
{
	if (s->other != NULL) {
		deliver(s->other, kind, port, p, n);
		return;
	}
	frame[n_frame] = kind;
	put_u16(frame + n_frame + 1, port);
	put_u16(frame + n_frame + 3, (uint16_t)n);
	n_frame += MSG_HEAD + n;
}

/* Messages of the frame at hand.  False: the app has to take some first. */
static bool
take_messages(struct side *s)
{
	size_t n;

	for (; n_plain > 0; plain += n, n_plain -= n) {
		if (!takes(s))
			return false;
		n = MSG_HEAD + (size_t)get_u16(plain + 3);
		deliver(s, plain[0], get_u16(plain + 1), plain + MSG_HEAD,
		    n - MSG_HEAD);
	}
	return true;
}

static void
take_frames(struct side *s)
{
	struct end *e = &tcp_in;
	uint8_t *p, n[12];
	size_t len;

	while (take_messages(s) && e->len - e->off >= 4) {
		p = e->buf + e->off;
		len = get_u32(p);
		if (e->len - e->off < 4 + len)
			return;
		nonce(n, nonce_in++);
		if (crypto_aead_chacha20poly1305_ietf_decrypt(p + 4, NULL,
			NULL, p + 4, len, NULL, 0, n, key) != 0)
			exit(65);
		plain = p + 4;
		n_plain = len - TAG;
		e->off += 4 + len;
	}
}

/* --- from the app --- */

static void
on_packet(struct side *s, const struct packet *p)
{
	struct app_addr a = { .port = 0 };
	struct app_send send;
	struct app_loop l;
	enum app_form form;
	char body[128];
	uint8_t *at;
	size_t n;

	switch (p->type) {
	case PACKET_SEND:
		(void)app_json_get_send(p->body, p->body_len, &send);
		at = frame_room(send.payload_len);
		if (app_send_decode(&send, at, &n) == -1)
			exit(65);
		link_put(s, p->type,
		    s->dials ? send.loop.local.port : send.loop.remote.port,
		    at, n);
		answer(s, p->id, "null", 4);
		break;
	case PACKET_CREATE_LOOP:
		a.port = next_port++;
		(void)frame_room(0);
		link_put(s, PACKET_CONFIRM_LOOP, a.port, NULL, 0);
		answer(s, p->id, body,
		    app_json_put_addr(body, sizeof(body), &a));
		break;
	case PACKET_CLOSE:
		(void)app_json_get_loop(p->body, p->body_len, &l, &form);
		(void)frame_room(0);
		link_put(s, PACKET_CLOSE, l.local.port, NULL, 0);
		answer(s, p->id, "null", 4);
		break;
	case PACKET_INIT:
		answer(s, p->id, "null", 4);
		break;
	default:
		s->ids[s->n_ids++] = p->id;
		break;
	}
}

static bool
may_send(const struct side *s)
{
	return s->other != NULL ? takes(s->other) : !is_full(&tcp_out);
}

static void
take_packets(struct side *s)
{
	struct packet p;
	struct end *e = &s->in;
	int n;

	while ((n = packet_next(e->buf + e->off, e->len - e->off, &p)) > 0) {
		if (!packet_is_response(p.type) && !may_send(s))
			break;
		on_packet(s, &p);
		e->off += (size_t)n;
	}
	if (n == -1)
		exit(65);
}

/* --- turns --- */

/* A whole packet is left that could be handled now. */
static bool
is_behind(const struct side *s)
{
	struct packet p;

	return may_send(s) &&
	    packet_next(s->in.buf + s->in.off, s->in.len - s->in.off, &p) > 0;
}

/* Handle what is there and write.  True: writing has made room for more. */
static bool
turn(void)
{
	bool more = false;
	unsigned i;

	for (i = 0; i < n_sides; i++)
		take_packets(&sides[i]);
	if (tcp_in.fd != -1)
		take_frames(&sides[0]);
	seal();
	if (tcp_in.fd != -1)
		drain(&tcp_out);
	for (i = 0; i < n_sides; i++) {
		drain(&sides[i].out);
		more |= n_plain > 0 && takes(&sides[i]);
	}
	for (i = 0; i < n_sides; i++)
		more |= is_behind(&sides[i]);
	return more;
}

static void
watch_all(void)
{
	unsigned i;

	for (i = 0; i < n_sides; i++) {
		watch(&sides[i].out, sides[i].out.len > 0 ? EPOLLOUT : 0);
		watch(&sides[i].in,
		    sides[i].in.len - sides[i].in.off < BUF / 4 ? EPOLLIN : 0);
	}
	if (tcp_in.fd == -1)
		return;
	watch(&tcp_out, tcp_out.len > 0 ? EPOLLOUT : 0);
	/* What is at hand lies in its buffer, which must not move. */
	watch(&tcp_in,
	    n_plain == 0 && tcp_in.len - tcp_in.off < BUF / 4 ? EPOLLIN : 0);
}

static void
start(struct side *s, char **argv)
{
	int down[2], up[2];
	unsigned i;

	if (pipe(down) == -1 || pipe(up) == -1)
		exit(71);
	(void)fcntl(down[1], F_SETPIPE_SZ, PIPE_BYTES);
	(void)fcntl(up[1], F_SETPIPE_SZ, PIPE_BYTES);
	if (fork() == 0) {
		int r = fcntl(down[0], F_DUPFD, 100);
		int w = fcntl(up[1], F_DUPFD, 100);

		(void)dup2(r, 3);
		(void)dup2(w, 4);
		closefrom(5);
		(void)execv(argv[0], argv);
		_exit(127);
	}
	(void)close(down[0]);
	(void)close(up[1]);
	end_init(&s->in, up[0]);
	end_init(&s->out, down[1]);
	for (i = 0; i < PACKET_IDS; i++)
		s->ids[s->n_ids++] = (uint8_t)i;
	n_sides++;
}

static void
carry(struct end *from, struct end *to)
{
	if (from->len == 0)
		fill(from);
	to->len = from->len;
	memcpy(to->buf, from->buf, from->len);
	from->len = 0;
	drain(to);
}

/* Between the link and the process that knows the apps. */
static void
hop(int fd, int link_fd)
{
	struct end e[4];
	struct epoll_event ev[4];
	int i, n;

	end_init(&e[0], fd);
	end_init(&e[1], dup(link_fd));
	end_init(&e[2], link_fd);
	end_init(&e[3], dup(fd));
	for (i = 0; i < 4; i++)
		e[i].events = 0;
	ep = epoll_create1(EPOLL_CLOEXEC);
	for (;;) {
		for (i = 0; i < 4; i += 2) {
			e[i].off = 0;
			watch(&e[i], e[i + 1].len == 0 ? EPOLLIN : 0);
			watch(&e[i + 1], e[i + 1].len > 0 ? EPOLLOUT : 0);
		}
		n = epoll_wait(ep, ev, 4, -1);
		while (n-- > 0) {
			i = (int)((struct end *)ev[n].data.ptr - e);
			if (i % 2 == 0)
				carry(&e[i], &e[i + 1]);
			else
				drain(&e[i]);
		}
	}
}

static void
connect_link(bool listens, bool hops, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), lfd, one = 1, i, pair[2];

	if (listens) {
		lfd = fd;
		(void)setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one,
		    sizeof(one));
		if (bind(lfd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
		    listen(lfd, 1) == -1)
			exit(69);
		fd = accept(lfd, NULL, NULL);
		(void)close(lfd);
	} else {
		for (i = 0; i < 100 && connect(fd, (struct sockaddr *)&a,
					   sizeof(a)) == -1; i++)
			(void)usleep(50000);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (hops) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
			exit(71);
		if (fork() == 0) {
			(void)close(sides[0].in.fd);
			(void)close(sides[0].out.fd);
			(void)close(pair[0]);
			hop(pair[1], fd);
		}
		(void)close(pair[1]);
		(void)close(fd);
		fd = pair[0];
	}
	end_init(&tcp_in, fd);
	end_init(&tcp_out, dup(fd));
}

int
main(int argc, char **argv)
{
	struct epoll_event ev[8];
	bool hops;
	int i, n;

	if (argc < 3 || sodium_init() == -1)
		return 64;
	if (strcmp(argv[1], "local") == 0) {
		for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
			continue;
		argv[i] = NULL;
		start(&sides[0], argv + 2);
		start(&sides[1], argv + i + 1);
		sides[0].other = &sides[1];
		sides[1].other = &sides[0];
		sides[1].dials = true;
	} else {
		hops = strncmp(argv[1], "hop-", 4) == 0;
		sides[0].dials = strstr(argv[1], "connect") != NULL;
		start(&sides[0], argv + 3);
		connect_link(!sides[0].dials, hops, (uint16_t)atoi(argv[2]));
	}
	ep = epoll_create1(EPOLL_CLOEXEC);
	for (;;) {
		while (turn())
			continue;
		watch_all();
		n = epoll_wait(ep, ev, 8, -1);
		for (i = 0; i < n; i++)
			if ((ev[i].events & (EPOLLIN | EPOLLHUP)) != 0)
				fill(ev[i].data.ptr);
	}
}
