/* SPDX-License-Identifier: ISC */
/*
 * forward: carry TCP connections over loops, so that ssh, HTTP and whatever
 * speaks TCP reaches a service beside another node.
 *
 *	TCP client --> forward listen ==loop==> forward to --> TCP server
 *
 * One process, one poll loop, any number of connections up to MAX_TUNNELS.
 * Each has a buffer a direction and no more: where one end does not read, the
 * other is not read from, and nobody else waits for it.
 *	usage: forward [-a NAME] [-l SECONDS] listen HOST:PORT PK:PORT
 *	       forward [-a NAME] [-l SECONDS] to HOST:PORT
 */
#include <sys/types.h>

#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <warren_app.h>

#define VERSION     "1.0"
#define MAX_TUNNELS 256
#define BUF_LEN     WARREN_PIECE
#define WINDOW      16 /* packets under way a direction */
#define ROUNDS      8  /* buffers a tunnel moves before others have a turn */

/* Milliseconds. */
#define LINGER_MS 30000 /* for an answer to a client that closed its side */
#define DRAIN_MS  2000  /* for a client to take the last bytes */
#define REDIAL_MS 50    /* after a backlog was full */
#define ACCEPT_MS 1000  /* after there were no descriptors left */

/* One direction of a tunnel. */
struct half {
	size_t at, len; /* what is in buf and not passed on yet */
	bool eof;       /* nothing more will come in */
	char buf[BUF_LEN];
};

enum stage {
	CONNECTING, /* to: TCP is on its way, the loop is there */
	DIALLING,   /* listen: the loop is on its way, TCP is there */
	REDIALLING, /* listen: the other end was too busy; at .redial again */
	OPEN,
	DRAINING /* the loop is over; TCP may still have to take bytes */
};

struct tunnel {
	struct warren_conn *loop;
	int tcp;
	enum stage stage;
	bool again;           /* stopped for the others' sake */
	int64_t give_up;      /* when it ends by itself; 0: never */
	int64_t redial;       /* REDIALLING: when */
	struct half up, down; /* TCP to loop, loop to TCP */
};

static struct warren_app *app;
static struct tunnel *tunnels[MAX_TUNNELS];
static size_t n_tunnels;
static int listener = -1;
static struct warren_addr remote; /* listen: where loops go */
static struct addrinfo *target;   /* to: where TCP goes */
static int64_t linger_ms = LINGER_MS;
static int64_t accept_after; /* no TCP connection is taken before */

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
set_nonblocking(int fd)
{
	int on = 1;

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* --- a tunnel from its beginning to its end --- */

/* Takes both over; either is closed when there is no room for a tunnel. */
static struct tunnel *
tunnel_new(struct warren_conn *loop, int tcp, enum stage stage)
{
	struct tunnel *t = NULL;

	if (n_tunnels < MAX_TUNNELS)
		t = calloc(1, sizeof(*t));
	if (t == NULL) {
		warren_close(loop);
		(void)close(tcp);
		return NULL;
	}
	t->loop = loop;
	t->tcp = tcp;
	t->stage = stage;
	warren_conn_set_user(loop, t);
	(void)warren_conn_window(loop, WINDOW);
	tunnels[n_tunnels++] = t;
	return t;
}

/* The slot stays, empty, until the end of the round. */
static void
tunnel_free(struct tunnel *t)
{
	size_t i;

	warren_close(t->loop);
	(void)close(t->tcp);
	for (i = 0; i < n_tunnels; i++) {
		if (tunnels[i] == t)
			tunnels[i] = NULL;
	}
	free(t);
}

static void
forget_freed(void)
{
	size_t i, n = 0;

	for (i = 0; i < n_tunnels; i++) {
		if (tunnels[i] != NULL)
			tunnels[n++] = tunnels[i];
	}
	n_tunnels = n;
}

/* --- bytes; these return false when the tunnel is over --- */

/*
 * The loop has ended.  Closing TCP now, with bytes of the client's unread,
 * could cost the client the last of ours, so it has a while to close first.
 */
static bool
start_draining(struct tunnel *t)
{
	warren_close(t->loop);
	t->loop = NULL;
	t->stage = DRAINING;
	t->give_up = now_ms() + DRAIN_MS;
	return shutdown(t->tcp, SHUT_WR) == 0;
}

static bool
drain(struct tunnel *t)
{
	ssize_t n;

	do {
		n = read(t->tcp, t->up.buf, sizeof(t->up.buf));
	} while (n > 0);
	return n == -1 && errno == EAGAIN;
}

/*
 * TCP has come to its end and all of it is on its way.  A server that closes
 * is done, so the loop closes.  A client may have closed one side only and
 * wait for an answer; the protocol has no word for that, so the loop stays
 * until its other end closes, or nothing has come for a while.
 */
static bool
tcp_ended(struct tunnel *t)
{
	if (listener == -1)
		return false;
	t->give_up = now_ms() + linger_ms;
	return true;
}

/* From TCP to the loop.  *moved when there was something to do. */
static bool
move_up(struct tunnel *t, bool *moved)
{
	struct half *h = &t->up;
	ssize_t n;

	if (h->len == 0 && !h->eof) {
		n = read(t->tcp, h->buf, sizeof(h->buf));
		if (n == -1)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0) {
			h->eof = true;
			return tcp_ended(t);
		}
		h->at = 0;
		h->len = (size_t)n;
		*moved = true;
	}
	if (h->len == 0)
		return true;
	n = warren_write(t->loop, h->buf + h->at, h->len, 0);
	if (n == -1)
		return errno == EAGAIN || errno == EPIPE;
	h->at += (size_t)n;
	h->len -= (size_t)n;
	*moved |= n > 0;
	return true;
}

/* From the loop to TCP. */
static bool
move_down(struct tunnel *t, bool *moved)
{
	struct half *h = &t->down;
	ssize_t n;

	if (h->len == 0 && !h->eof) {
		n = warren_read(t->loop, h->buf, sizeof(h->buf), 0);
		if (n == -1)
			return errno == EAGAIN;
		h->eof = n == 0;
		h->at = 0;
		h->len = (size_t)n;
		*moved = true;
		if (n > 0 && t->give_up != 0)
			t->give_up = now_ms() + linger_ms;
	}
	if (h->len > 0) {
		n = write(t->tcp, h->buf + h->at, h->len);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR;
		h->at += (size_t)n;
		h->len -= (size_t)n;
		/* The loop may hold more, of which there is no more news. */
		*moved |= n > 0;
	}
	return h->eof && h->len == 0 ? start_draining(t) : true;
}

static void
serve(struct tunnel *t)
{
	bool moved = true, on = true;
	int i;

	t->again = false;
	for (i = 0; i < ROUNDS && moved && on && t->stage == OPEN; i++) {
		moved = false;
		on = move_down(t, &moved);
		if (on && t->stage == OPEN)
			on = move_up(t, &moved);
	}
	if (on && t->stage == DRAINING)
		on = drain(t);
	if (!on)
		tunnel_free(t);
	else
		t->again = moved && t->stage == OPEN;
}

/* --- beginnings --- */

/* listen: TCP connections become dials. */
static void
accept_tcp(void)
{
	struct warren_conn *c;
	struct tunnel *t;
	int fd;

	while (n_tunnels < MAX_TUNNELS) {
		fd = accept(listener, NULL, NULL);
		if (fd == -1 && errno != EAGAIN && errno != ECONNABORTED) {
			warn("accept");
			accept_after =
			    now_ms() + ACCEPT_MS; /* and not at once again */
		}
		if (fd == -1)
			return;
		set_nonblocking(fd);
		c = warren_dial_start(app, &remote);
		if (c == NULL) {
			(void)close(fd);
			return;
		}
		t = tunnel_new(c, fd, DIALLING);
		if (t != NULL)
			t->give_up = now_ms() + WARREN_DIAL_MS;
	}
}

/* to: loops become TCP connections. */
static void
accept_loop(struct warren_conn *c)
{
	int fd;

	fd = socket(target->ai_family, SOCK_STREAM, 0);
	if (fd == -1) {
		warn("socket");
		warren_close(c);
		return;
	}
	set_nonblocking(fd);
	if (connect(fd, target->ai_addr, target->ai_addrlen) == -1 &&
	    errno != EINPROGRESS) {
		warn("connect");
		warren_close(c);
		(void)close(fd);
		return;
	}
	(void)tunnel_new(c, fd, CONNECTING);
}

static void
connected(struct tunnel *t)
{
	socklen_t len = sizeof(int);
	int error = 0;

	(void)getsockopt(t->tcp, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		warnx("connect: %s", strerror(error));
		tunnel_free(t);
		return;
	}
	t->stage = OPEN;
	serve(t);
}

/* Dial once more for t. */
static void
redial(struct tunnel *t)
{
	t->loop = warren_dial_start(app, &remote);
	if (t->loop == NULL) {
		tunnel_free(t);
		return;
	}
	warren_conn_set_user(t->loop, t);
	(void)warren_conn_window(t->loop, WINDOW);
	t->stage = DIALLING;
}

/*
 * A dial failed.  The one failure that passes by itself is a full backlog:
 * more connections came at once than the other end has places for.
 */
static void
dial_failed(struct tunnel *t)
{
	if (strstr(warren_app_error(app), "backlog full") == NULL) {
		warnx("dial: %s", warren_app_error(app));
		tunnel_free(t);
		return;
	}
	warren_close(t->loop);
	t->loop = NULL;
	t->stage = REDIALLING;
	t->redial = now_ms() + REDIAL_MS;
}

static void
news(struct warren_conn *c)
{
	struct tunnel *t = warren_conn_user(c);

	if (t->stage == DIALLING) {
		if (warren_dial_done(c) == 0) {
			t->stage = OPEN;
			t->give_up = 0;
		} else if (errno != EAGAIN) {
			dial_failed(t);
			return;
		}
	}
	if (t->stage == OPEN)
		serve(t);
}

/* --- the loop --- */

static short
tcp_events(const struct tunnel *t)
{
	short events = 0;

	if (t->stage == CONNECTING || (t->stage == OPEN && t->down.len > 0))
		events |= POLLOUT;
	if (t->stage == DRAINING ||
	    (t->stage == OPEN && t->up.len == 0 && !t->up.eof))
		events |= POLLIN;
	return events;
}

/* The sooner of two points in time, of which 0 is never. */
static int64_t
sooner(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* Fill pfd with what is waited for; returns how long, in ms. */
static int
what_to_wait_for(struct pollfd *pfd)
{
	int64_t due = 0, now = now_ms();
	const struct tunnel *t;
	size_t i;

	pfd[0] = (struct pollfd){ .fd = warren_app_fd(app), .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (accept_after > now)
		due = accept_after;
	else if (n_tunnels < MAX_TUNNELS)
		pfd[1].fd = listener;
	for (i = 0; i < n_tunnels; i++) {
		t = tunnels[i];
		pfd[2 + i] =
		    (struct pollfd){ .fd = t->tcp, .events = tcp_events(t) };
		if (pfd[2 + i].events == 0) /* not even for its death */
			pfd[2 + i].fd = -1;
		due = sooner(due, t->give_up);
		if (t->stage == REDIALLING)
			due = sooner(due, t->redial);
		if (t->again)
			due = now;
	}
	if (due == 0)
		return -1;
	return due <= now ? 0 : (int)(due - now);
}

static void
serve_tcp(struct tunnel *t, short revents, int64_t now)
{
	if (t->give_up != 0 && now >= t->give_up)
		tunnel_free(t);
	else if (t->stage == REDIALLING && now >= t->redial)
		redial(t);
	else if (revents != 0 && t->stage == CONNECTING)
		connected(t);
	else if (revents != 0 || t->again)
		serve(t);
}

static void
run(void)
{
	static struct pollfd pfd[2 + MAX_TUNNELS];
	struct warren_conn *c;
	size_t i, n;
	int64_t now;
	int timeout;

	while (warren_app_pump(app) == 0) {
		while ((c = warren_accept(app, 0)) != NULL) {
			if (target != NULL)
				accept_loop(c);
			else
				warren_close(c); /* nobody is to come here */
		}
		while ((c = warren_next_ready(app)) != NULL)
			news(c);
		forget_freed();
		timeout = what_to_wait_for(pfd);
		n = n_tunnels;
		if (poll(pfd, 2 + n, timeout) == -1 && errno != EINTR)
			err(EX_OSERR, "poll");
		now = now_ms();
		for (i = 0; i < n; i++)
			serve_tcp(tunnels[i], pfd[2 + i].revents, now);
		if (pfd[1].revents != 0)
			accept_tcp();
	}
}

/* --- the beginning --- */

/* HOST:PORT, with an IPv6 address in brackets. */
static struct addrinfo *
resolve(const char *arg, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = flags };
	const char *colon = strrchr(arg, ':');
	struct addrinfo *ai = NULL;
	char host[256];
	size_t len;
	int rc;

	len = colon == NULL ? sizeof(host) : (size_t)(colon - arg);
	if (len >= 2 && arg[0] == '[' && arg[len - 1] == ']') {
		arg++;
		len -= 2;
	}
	if (len >= sizeof(host))
		errx(EX_USAGE, "%s: not HOST:PORT", arg);
	memcpy(host, arg, len);
	host[len] = '\0';
	rc = getaddrinfo(host, colon + 1, &hints, &ai);
	if (rc != 0)
		errx(EX_NOHOST, "%s: %s", host, gai_strerror(rc));
	return ai;
}

static int
listen_on(const char *arg)
{
	struct addrinfo *ai = resolve(arg, AI_PASSIVE);
	int fd = socket(ai->ai_family, SOCK_STREAM, 0), on = 1;

	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, SOMAXCONN) == -1)
		err(EX_OSERR, "%s", arg);
	set_nonblocking(fd);
	freeaddrinfo(ai);
	return fd;
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: forward [-a NAME] [-l SECONDS] listen HOST:PORT PK:PORT\n"
	    "       forward [-a NAME] [-l SECONDS] to HOST:PORT\n");
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	const char *name = NULL;
	char *end;
	int ch;

	while ((ch = getopt(argc, argv, "a:l:")) != -1) {
		switch (ch) {
		case 'a':
			name = optarg;
			break;
		case 'l':
			linger_ms = strtol(optarg, &end, 10) * 1000;
			if (*optarg == '\0' || *end != '\0' ||
			    linger_ms < 1000 || linger_ms > 86400 * 1000)
				usage();
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 3 && strcmp(argv[0], "listen") == 0 &&
	    warren_addr_from_text(&remote, argv[2]) == 0)
		listener = listen_on(argv[1]);
	else if (argc == 2 && strcmp(argv[0], "to") == 0)
		target = resolve(argv[1], 0);
	else
		usage();
	if (name == NULL)
		name = target != NULL ? "forward" : "forward-client";
	/* Writing to a TCP connection that is gone is an error, no more. */
	(void)signal(SIGPIPE, SIG_IGN);
	app = warren_app_new();
	if (app == NULL || warren_app_setup(app, name, VERSION) == -1)
		errx(EX_UNAVAILABLE, "%s", warren_app_error(app));
	if (warren_app_fd(app) == -1)
		err(EX_OSERR, "poll");
	run();
	warnx("%s", warren_app_error(app));
	return EX_UNAVAILABLE;
}
