/* SPDX-License-Identifier: ISC */
/*
 * HTTP load at a steady rate over kept-alive connections, every answer
 * checked; for tests that kill workers meanwhile.
 *
 *	http_load ADDR PORT PATH RATE SECONDS CONNECTIONS
 *
 * Prints one JSON line: requests sent, answered, failed (the connection was
 * lost with one in flight), refused (connect() said no), wrong (not 200, or
 * not JSON), and the longest time in ms without any answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mono.h"

#define CONNS_MAX 512

enum state { CLOSED, CONNECTING, IDLE, BUSY };

struct conn {
	int fd;
	enum state state;
	char buf[65536];
	size_t len;
};

static struct conn conns[CONNS_MAX];
static int n_conns, ep;
static struct sockaddr_in to;
static char request[512];
static unsigned long sent, answered, failed, refused, wrong;
static struct mono last_answer;
static int64_t gap_us;

static void
conn_close(struct conn *c)
{
	(void)close(c->fd);
	c->fd = -1;
	c->state = CLOSED;
	c->len = 0;
}

static void
conn_open(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT,
		.data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd == -1)
		return;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->state = CONNECTING;
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != EINPROGRESS) {
		refused++;
		conn_close(c);
		return;
	}
	(void)epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static void
conn_lost(struct conn *c)
{
	if (c->state == BUSY)
		failed++;
	conn_close(c);
}

static void
conn_connected(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int err = 0;
	socklen_t len = sizeof(err);

	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err != 0) {
		refused++;
		conn_close(c);
		return;
	}
	c->state = IDLE;
	(void)epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Is a whole answer there?  Checks it. */
static void
conn_parse(struct conn *c)
{
	char *body, *cl;
	size_t want;
	struct mono now;

	c->buf[c->len] = '\0';
	if ((body = strstr(c->buf, "\r\n\r\n")) == NULL)
		return;
	body += 4;
	cl = strcasestr(c->buf, "content-length:");
	want = cl == NULL ? 0 : strtoul(cl + 15, NULL, 10);
	if (c->len < (size_t)(body - c->buf) + want)
		return;
	if (strncmp(c->buf, "HTTP/1.1 200", 12) != 0 || want == 0 ||
	    body[0] != '{' || strchr("}\n", body[want - 1]) == NULL)
		wrong++;
	answered++;
	now = mono_now();
	if (now.us - last_answer.us > gap_us)
		gap_us = now.us - last_answer.us;
	last_answer = now;
	c->len = 0;
	c->state = IDLE;
}

static void
conn_event(struct conn *c, uint32_t events)
{
	ssize_t n;

	if (c->state == CONNECTING) {
		conn_connected(c);
		return;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len, 0);
	if (n > 0) {
		c->len += (size_t)n;
		conn_parse(c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		conn_lost(c);
	}
}

static volatile sig_atomic_t stopped;

static void
on_sigint(int sig)
{
	(void)sig;
	stopped = 1;
}

static bool
send_one(void)
{
	static int next;
	int i;
	struct conn *c;

	for (i = 0; i < n_conns; i++) {
		c = &conns[next++ % n_conns];
		if (c->state == CLOSED)
			conn_open(c);
		if (c->state != IDLE)
			continue;
		if (send(c->fd, request, strlen(request), MSG_NOSIGNAL) !=
		    (ssize_t)strlen(request)) {
			/* It was closed before we asked: nothing in flight. */
			conn_close(c);
			continue;
		}
		c->state = BUSY;
		sent++;
		return true;
	}
	return false;
}

static void
poll_all(int ms)
{
	struct epoll_event ev[64];
	int i, n = epoll_wait(ep, ev, 64, ms);

	for (i = 0; i < n; i++)
		conn_event(ev[i].data.ptr, ev[i].events);
}

int
main(int argc, char **argv)
{
	struct mono start, now, end;
	double rate, due = 0;
	int i;

	if (argc != 7) {
		(void)fprintf(stderr, "usage: http_load addr port path rate "
		    "seconds connections\n");
		return 64;
	}
	to.sin_family = AF_INET;
	(void)inet_pton(AF_INET, argv[1], &to.sin_addr);
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	(void)snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", argv[3]);
	rate = atof(argv[4]);
	n_conns = atoi(argv[6]) < CONNS_MAX ? atoi(argv[6]) : CONNS_MAX;
	for (i = 0; i < n_conns; i++)
		conns[i].fd = -1;
	(void)signal(SIGINT, on_sigint);
	ep = epoll_create1(0);
	start = last_answer = now = mono_now();
	end = mono_add_ms(start, (int64_t)(atof(argv[5]) * 1000));
	while (mono_before(now, end) && !stopped) {
		due = rate * (double)(now.us - start.us) / 1e6;
		if (due > (double)sent + rate) /* never more than 1 s behind */
			start.us = now.us - (int64_t)((double)sent / rate * 1e6);
		for (i = 0; i < 64 && (double)sent < due; i++)
			if (!send_one())
				break;
		poll_all(1);
		now = mono_now();
	}
	for (i = 0; i < 100; i++)
		poll_all(5);
	(void)printf("{\"sent\":%lu,\"answered\":%lu,\"failed\":%lu,"
	    "\"refused\":%lu,\"wrong\":%lu,\"gap_ms\":%lld}\n", sent, answered,
	    failed, refused, wrong, (long long)(gap_us / 1000));
	return 0;
}
