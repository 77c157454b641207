/* SPDX-License-Identifier: ISC */
/*
 * Channels, as promised in ipc.h.  Reading: bytes are gathered until a whole
 * message is there, descriptors queue beside them in the order they came.
 * Writing: plain messages are gathered into chunks; one with descriptors
 * starts a chunk of its own, so that its sendmsg() begins with its first
 * byte.
 */
#include "common/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/assert.h"

#define READ_SIZE  (16u << 10)
#define READ_MAX   (128u << 10) /* for a sender who fills what we offer */
#define CHUNK_SIZE (8u << 10)
/* For messages that CHUNK_SIZE cannot hold, and when one is full already:
 * three of the 32 KiB that apps send at a time. */
#define CHUNK_BIG  (100u << 10)
#define PIPE_BYTES (256 << 10) /* in the kernel, each way */
#define FDS_MAX    4  /* queued beside the bytes */
#define TURN_MAX   64 /* messages handled in one wakeup */

struct chunk {
	TAILQ_ENTRY(chunk) next;
	int fd[2];
	size_t off, len, cap;
	bool shut; /* nothing may follow in this chunk */
	uint8_t data[];
};
TAILQ_HEAD(chunks, chunk);

struct ipc {
	struct ipc_conf conf;
	int fd, out_fd; /* of a socket the same, of pipes two */
	enum msg_phase phase;
	struct event *ev_read, *ev_write;
	uint8_t *rbuf; /* bytes taken in, not handled yet */
	size_t rlen, rcap, rwant;
	int fds[FDS_MAX];
	size_t nfds;
	struct chunks out;
	struct chunk *spare; /* an empty one for next time, or NULL */
	size_t queued, queued_fds;
	bool waiting; /* for the socket to take more */
	bool above_high, ended, paused;
	bool full; /* a hard limit was hit: the loop will say so */
	bool busy; /* a handler is running: free later */
	bool doomed;
	void *body; /* room for the largest body */
	size_t body_cap;
};

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);

static void
close_ends(int in, int out)
{
	(void)close(in);
	if (out != in)
		(void)close(out);
}

struct ipc *
ipc_new_pipes(struct event_base *base, int in, int out,
    const struct ipc_conf *conf)
{
	struct ipc *ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL) {
		close_ends(in, out);
		return NULL;
	}
	TAILQ_INIT(&ch->out);
	ch->conf = *conf;
	ch->fd = in;
	ch->out_fd = out;
	ch->phase = PH_START;
	if (ch->conf.high == 0)
		ch->conf.high = IPC_HIGH_DEFAULT;
	if (ch->conf.low == 0)
		ch->conf.low = IPC_LOW_DEFAULT;
	if (ch->conf.len_max == 0)
		ch->conf.len_max = MSG_LEN_MAX;
	if (ch->conf.hard == 0)
		ch->conf.hard = IPC_HARD_LIMIT;
	ch->rwant = READ_SIZE;
	ch->body_cap = msg_body_max(conf->tables);
	if (evutil_make_socket_nonblocking(in) == -1 ||
	    evutil_make_socket_nonblocking(out) == -1 ||
	    (ch->body = calloc(1, ch->body_cap + 1)) == NULL)
		goto fail;
	if (base != NULL) {
		ch->ev_read =
		    event_new(base, in, EV_READ | EV_PERSIST, on_read, ch);
		ch->ev_write = event_new(base, out, EV_WRITE, on_write, ch);
		if (ch->ev_read == NULL || ch->ev_write == NULL ||
		    event_add(ch->ev_read, NULL) == -1)
			goto fail;
	}
	return ch;
fail:
	ipc_free(ch);
	return NULL;
}

struct ipc *
ipc_new(struct event_base *base, int fd, const struct ipc_conf *conf)
{
	return ipc_new_pipes(base, fd, fd, conf);
}

static bool
is_socket(const struct ipc *ch)
{
	return ch->fd == ch->out_fd;
}

static void
close_pair(int fd[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		if (fd[i] != -1)
			(void)close(fd[i]);
		fd[i] = -1;
	}
}

void
ipc_free(struct ipc *ch)
{
	struct chunk *c;

	if (ch == NULL)
		return;
	ch->ended = true;
	if (ch->busy) {
		ch->doomed = true;
		return;
	}
	if (ch->ev_read != NULL)
		event_free(ch->ev_read);
	if (ch->ev_write != NULL)
		event_free(ch->ev_write);
	while ((c = TAILQ_FIRST(&ch->out)) != NULL) {
		TAILQ_REMOVE(&ch->out, c, next);
		close_pair(c->fd);
		free(c);
	}
	free(ch->spare);
	while (ch->nfds > 0)
		(void)close(ch->fds[--ch->nfds]);
	close_ends(ch->fd, ch->out_fd);
	free(ch->rbuf);
	free(ch->body);
	free(ch);
}

void *
ipc_ctx(const struct ipc *ch)
{
	return ch->conf.ctx;
}

const char *
ipc_name(const struct ipc *ch)
{
	return ch->conf.name;
}

int
ipc_fd(const struct ipc *ch)
{
	return ch->fd;
}

void
ipc_set_phase(struct ipc *ch, enum msg_phase phase)
{
	ch->phase = phase;
}

size_t
ipc_queued(const struct ipc *ch)
{
	return ch->queued;
}

bool
ipc_is_full(const struct ipc *ch)
{
	return ch->queued >= ch->conf.high;
}

void
ipc_pause(struct ipc *ch, bool paused)
{
	if (ch->ended || ch->paused == paused || ch->ev_read == NULL)
		return;
	ch->paused = paused;
	if (paused) {
		(void)event_del(ch->ev_read);
	} else {
		(void)event_add(ch->ev_read, NULL);
		event_active(ch->ev_read, EV_READ, 1);
	}
}

/* Say once that the channel is over; the owner frees it. */
static void
finish(struct ipc *ch, enum ipc_end how, const char *why)
{
	bool was_busy = ch->busy;

	if (ch->ended)
		return;
	ch->ended = true;
	if (ch->ev_read != NULL)
		(void)event_del(ch->ev_read);
	if (ch->ev_write != NULL)
		(void)event_del(ch->ev_write);
	ch->busy = true;
	if (ch->conf.ended != NULL)
		ch->conf.ended(ch, how, why);
	ch->busy = was_busy;
	if (ch->doomed && !was_busy)
		ipc_free(ch);
}

/* --- writing --- */

static struct chunk *
chunk_new(struct ipc *ch, size_t cap)
{
	struct chunk *c = ch->spare;

	if (c != NULL && c->cap >= cap) {
		ch->spare = NULL;
	} else {
		if ((c = malloc(sizeof(*c) + cap)) == NULL)
			return NULL;
		c->cap = cap;
	}
	c->off = c->len = 0;
	c->shut = false;
	c->fd[0] = c->fd[1] = -1;
	TAILQ_INSERT_TAIL(&ch->out, c, next);
	return c;
}

/* Written out.  The larger of two is kept, but nothing beyond CHUNK_BIG. */
static void
chunk_done(struct ipc *ch, struct chunk *c)
{
	TAILQ_REMOVE(&ch->out, c, next);
	if (c->cap > CHUNK_BIG ||
	    (ch->spare != NULL && ch->spare->cap >= c->cap)) {
		free(c);
		return;
	}
	free(ch->spare);
	ch->spare = c;
}

/* Room for need bytes: the last chunk if it has some, else a new one. */
static struct chunk *
chunk_for(struct ipc *ch, size_t need, bool own)
{
	struct chunk *c = TAILQ_LAST(&ch->out, chunks);

	if (!own && c != NULL && !c->shut && need <= c->cap - c->len)
		return c;
	if (!own && need <= CHUNK_BIG)
		need = need > CHUNK_SIZE || (c != NULL && !c->shut)
		    ? CHUNK_BIG
		    : CHUNK_SIZE;
	return chunk_new(ch, need);
}

/*
 * Write when this turn's handlers have run, without asking the kernel first:
 * a channel is seldom full.  One that is waits for the kernel's word.
 */
static void
want_write(struct ipc *ch)
{
	if (ch->queued >= ch->conf.high)
		ch->above_high = true;
	if (ch->ev_write != NULL && !ch->ended && !ch->waiting)
		event_active(ch->ev_write, EV_WRITE, 1);
}

/*
 * The other end does not read.  The owner hears of it from the loop: whoever
 * sends does not expect its channel to be gone when it returns.
 */
static void
give_up(struct ipc *ch)
{
	ch->full = true;
	if (ch->ev_write != NULL)
		event_active(ch->ev_write, EV_WRITE, 1);
}

int
ipc_send_fd(struct ipc *ch, uint16_t type, uint32_t id, const void *body,
    int fd0, int fd1)
{
	const struct msg_def *def = msg_find(ch->conf.tables, type);
	int fds = (fd0 != -1) + (fd1 != -1);
	struct chunk *c;
	struct wr w;
	size_t need;
	int fd[2] = { fd0, fd1 };

	ASSERT(def != NULL);
	ASSERT((def->dir & (ch->conf.upper ? MSG_DOWN : MSG_UP)) != 0);
	ASSERT((int)def->fds == fds);
	ASSERT(fds == 0 || is_socket(ch));
	if (ch->ended || ch->full) {
		close_pair(fd);
		return -1;
	}
	need = msg_size(def->body, body);
	if (ch->queued + need > ch->conf.hard ||
	    ch->queued_fds + (size_t)fds > IPC_FDS_LIMIT) {
		close_pair(fd);
		give_up(ch);
		return -1;
	}
	if ((c = chunk_for(ch, need, fds > 0)) == NULL) {
		close_pair(fd);
		return -1;
	}
	wr_init(&w, c->data + c->len, c->cap - c->len);
	msg_put(&w, def, id, body);
	ASSERT(!w.bad && w.len - 4 <= MSG_LEN_MAX);
	c->len += w.len;
	c->fd[0] = fd0;
	c->fd[1] = fd1;
	c->shut = fds > 0;
	ch->queued += w.len;
	ch->queued_fds += (size_t)fds;
	want_write(ch);
	return 0;
}

int
ipc_send(struct ipc *ch, uint16_t type, uint32_t id, const void *body)
{
	return ipc_send_fd(ch, type, id, body, -1, -1);
}

int
ipc_forward(struct ipc *ch, const struct ipc_msg *m, uint32_t id)
{
	return ipc_send(ch, m->type, id, m->body);
}

static size_t
n_fds(const struct chunk *c)
{
	return c->fd[0] == -1 ? 0 : c->fd[1] == -1 ? 1 : 2;
}

static ssize_t
send_chunk(struct ipc *ch, struct chunk *c)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { c->data + c->off, c->len - c->off };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t n = n_fds(c);
	struct cmsghdr *cm;

	if (!is_socket(ch))
		return write(ch->out_fd, iov.iov_base, iov.iov_len);
	if (n > 0) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), c->fd, n * sizeof(int));
	}
	return sendmsg(ch->fd, &m, MSG_NOSIGNAL);
}

/* As much as the socket takes.  0, or -1 with errno. */
static int
write_some(struct ipc *ch)
{
	struct chunk *c;
	ssize_t n;

	while ((c = TAILQ_FIRST(&ch->out)) != NULL) {
		if ((n = send_chunk(ch, c)) == -1) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
		}
		ch->queued_fds -= n_fds(c);
		close_pair(c->fd);
		c->off += (size_t)n;
		ch->queued -= (size_t)n;
		if (c->off == c->len)
			chunk_done(ch, c);
	}
	return 0;
}

/* Say that the queue is low again.  False when the channel is gone. */
static bool
tell_drained(struct ipc *ch)
{
	bool was_busy = ch->busy;

	if (!ch->above_high || ch->queued > ch->conf.low)
		return true;
	ch->above_high = false;
	if (ch->conf.drained == NULL)
		return true;
	ch->busy = ch->waiting = true; /* what it sends goes next turn */
	ch->conf.drained(ch);
	ch->busy = was_busy;
	ch->waiting = false;
	if (ch->doomed && !was_busy) {
		ipc_free(ch);
		return false;
	}
	return !ch->ended;
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct ipc *ch = arg;

	(void)fd;
	(void)what;
	ch->waiting = false;
	if (ch->full) {
		finish(ch, IPC_FULL, "it does not read");
		return;
	}
	if (write_some(ch) == -1) {
		finish(ch, errno == EPIPE ? IPC_EOF : IPC_ERROR,
		    strerror(errno));
		return;
	}
	if (!tell_drained(ch) || TAILQ_EMPTY(&ch->out))
		return;
	ch->waiting = true;
	(void)event_add(ch->ev_write, NULL);
}

void
ipc_flush(struct ipc *ch)
{
	if (!ch->ended)
		(void)write_some(ch);
}

/* --- reading --- */

/* Queue what came in m's control part.  False when it was cut or too much. */
static bool
take_fds(struct ipc *ch, struct msghdr *m)
{
	bool good = (m->msg_flags & MSG_CTRUNC) == 0;
	struct cmsghdr *cm;
	size_t i, n;
	int fd;

	for (cm = CMSG_FIRSTHDR(m); cm != NULL; cm = CMSG_NXTHDR(m, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			    sizeof(int));
			if (ch->nfds < FDS_MAX) {
				ch->fds[ch->nfds++] = fd;
			} else {
				(void)close(fd);
				good = false;
			}
		}
	}
	return good;
}

/* Room for the message at the front, or one read more. */
static bool
grow(struct ipc *ch)
{
	size_t need = 0;
	uint8_t *p;

	if (ch->rlen >= 4)
		need = (size_t)get_u32(ch->rbuf) + 4;
	if (need < ch->rlen + READ_SIZE)
		need = ch->rlen + READ_SIZE;
	if (need < ch->rwant)
		need = ch->rwant;
	if (need <= ch->rcap)
		return true;
	if ((p = realloc(ch->rbuf, need)) == NULL)
		return false;
	ch->rbuf = p;
	ch->rcap = need;
	return true;
}

/* As read(2) says it.  *good: of descriptors what may come has come. */
static ssize_t
read_bytes(struct ipc *ch, uint8_t *p, size_t len, bool *good)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { p, len };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control) };
	ssize_t n;

	*good = true;
	if (!is_socket(ch))
		return read(ch->fd, p, len);
	if ((n = recvmsg(ch->fd, &m, MSG_CMSG_CLOEXEC)) > 0)
		*good = take_fds(ch, &m);
	return n;
}

/* 1 bytes came, 0 nothing there, -1 the channel has ended. */
static int
read_some(struct ipc *ch)
{
	size_t room;
	ssize_t n;
	bool good;

	if (!grow(ch)) {
		errno = ENOMEM;
		finish(ch, IPC_ERROR, "out of memory");
		return -1;
	}
	room = ch->rcap - ch->rlen;
	n = read_bytes(ch, ch->rbuf + ch->rlen, room, &good);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		finish(ch, n == 0 || errno == ECONNRESET ? IPC_EOF : IPC_ERROR,
		    n == 0 ? "closed" : strerror(errno));
		return -1;
	}
	/* Who fills all there is has more to say, or has had his say. */
	if ((size_t)n == room && ch->rwant < READ_MAX)
		ch->rwant *= 2;
	else if ((size_t)n < ch->rwant / 8 && ch->rwant > READ_SIZE)
		ch->rwant /= 2;
	ch->rlen += (size_t)n;
	if (!good) {
		finish(ch, IPC_JUNK, "too many descriptors");
		return -1;
	}
	return 1;
}

/* Why the gate is shut for this message, or NULL when it is open. */
static const char *
gate(const struct ipc *ch, const struct msg_def *def)
{
	if ((def->dir & (ch->conf.upper ? MSG_UP : MSG_DOWN)) == 0)
		return "wrong direction";
	if ((def->phase & ch->phase) == 0)
		return "out of turn";
	if (ch->nfds < (size_t)def->fds)
		return "descriptor missing";
	return NULL;
}

static void
run_handler(struct ipc *ch, struct ipc_msg *m)
{
	const struct ipc_handler *h;

	for (h = ch->conf.handlers; h->fn != NULL; h++) {
		if (h->type == m->type) {
			h->fn(ch, m);
			return;
		}
	}
	if (ch->conf.other != NULL) {
		ch->conf.other(ch, m);
		return;
	}
	close_pair(m->fd);
	finish(ch, IPC_JUNK, "no handler");
}

/* One whole message of len bytes at raw. */
static void
handle(struct ipc *ch, const uint8_t *raw, size_t len)
{
	struct ipc_msg m = { .fd = { -1, -1 }, .raw = raw, .raw_len = len };
	const char *why;
	size_t i;

	m.def = msg_get(ch->conf.tables, raw, len, &m.id, ch->body,
	    ch->body_cap, &why);
	if (m.def == NULL || (why = gate(ch, m.def)) != NULL) {
		finish(ch, IPC_JUNK, why);
		return;
	}
	for (i = 0; i < (size_t)m.def->fds; i++)
		m.fd[i] = ch->fds[i];
	ch->nfds -= i;
	memmove(ch->fds, ch->fds + i, ch->nfds * sizeof(ch->fds[0]));
	m.type = m.def->type;
	m.body = ch->body;
	run_handler(ch, &m);
}

/* Drop the first n bytes; give back a buffer that has become too large. */
static void
consume(struct ipc *ch, size_t n)
{
	ch->rlen -= n;
	memmove(ch->rbuf, ch->rbuf + n, ch->rlen);
	if (ch->rlen == 0 && ch->rcap > ch->rwant) {
		free(ch->rbuf);
		ch->rbuf = NULL;
		ch->rcap = 0;
	}
}

/* n messages in off bytes were handled and the channel lives on. */
static int
handled(struct ipc *ch, size_t off, int n)
{
	if (off > 0)
		consume(ch, off);
	if (ch->rlen > 0 || ch->nfds == 0)
		return n;
	finish(ch, IPC_JUNK, "descriptor without a message");
	return -1;
}

/*
 * Handle whole messages, at most max of them.  Returns how many, or -1 when
 * the channel ended (and may be gone).
 */
static int
handle_all(struct ipc *ch, int max)
{
	size_t off = 0, len;
	int n = 0;

	ch->busy = true; /* a handler that frees ch only dooms it */
	while (n < max && !ch->paused && !ch->ended && ch->rlen - off >= 4) {
		len = get_u32(ch->rbuf + off);
		if (len > ch->conf.len_max) {
			finish(ch, IPC_JUNK, "message too long");
			break;
		}
		if (ch->rlen - off - 4 < len)
			break;
		handle(ch, ch->rbuf + off + 4, len);
		off += 4 + len;
		n++;
	}
	ch->busy = false;
	if (ch->doomed)
		ipc_free(ch);
	else if (!ch->ended)
		return handled(ch, off, n);
	return -1;
}

/* Does something lie there that handle_all() would take up? */
static bool
is_whole(const struct ipc *ch)
{
	size_t len;

	if (ch->rlen < 4)
		return false;
	len = get_u32(ch->rbuf);
	return len > ch->conf.len_max || ch->rlen - 4 >= len;
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct ipc *ch = arg;

	(void)fd;
	(void)what;
	/* What the last turn left over comes first: whoever sends faster than
	 * we handle shall fill the socket, not our memory. */
	if (!is_whole(ch) && read_some(ch) == -1)
		return;
	if (handle_all(ch, TURN_MAX) == TURN_MAX && is_whole(ch))
		event_active(ch->ev_read, EV_READ, 1);
}

int
ipc_wait(struct ipc *ch, int timeout_ms)
{
	struct pollfd p = { .fd = ch->fd };
	int n, r;

	ASSERT(is_socket(ch));
	for (;;) {
		if ((n = handle_all(ch, 1)) != 0)
			return n;
		p.events = POLLIN;
		if (!TAILQ_EMPTY(&ch->out)) {
			if (write_some(ch) == -1)
				return -1;
			if (!TAILQ_EMPTY(&ch->out))
				p.events |= POLLOUT;
		}
		r = poll(&p, 1, timeout_ms);
		if (r == 0)
			return 0;
		if (r == -1 && errno != EINTR)
			return -1;
		if (r > 0 && (p.revents & (POLLIN | POLLHUP)) != 0 &&
		    read_some(ch) == -1)
			return -1;
	}
}

int
ipc_pair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
}

int
ipc_pipes(int upper[2], int lower[2])
{
	int down[2], up[2];

	if (pipe2(down, O_CLOEXEC) == -1)
		return -1;
	if (pipe2(up, O_CLOEXEC) == -1) {
		close_pair(down);
		return -1;
	}
#ifdef F_SETPIPE_SZ /* elsewhere they grow by themselves */
	(void)fcntl(down[1], F_SETPIPE_SZ, PIPE_BYTES);
	(void)fcntl(up[1], F_SETPIPE_SZ, PIPE_BYTES);
#endif
	upper[0] = up[0];
	upper[1] = down[1];
	lower[0] = down[0];
	lower[1] = up[1];
	return 0;
}
