/* SPDX-License-Identifier: ISC */
/*
 * libwarren: how the two pipes are come by.  A launched app has them as
 * descriptors 3 and 4; any other asks at the node's socket, which sends one
 * byte 0 with the two, or one byte 1 and the reason why not.
 */
#include "appd/libwarren/lib.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REASON_MAX 200 /* bytes that the node says when it refuses */
#define GRANTED    0   /* the first byte of its answer */

static bool
is_pipe(int fd, int access_mode)
{
	struct stat st;
	int flags;

	flags = fcntl(fd, F_GETFL);
	return flags != -1 && (flags & O_ACCMODE) == access_mode &&
	    fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

bool
lib_was_launched(void)
{
	return is_pipe(WARREN_FD_READ, O_RDONLY) &&
	    is_pipe(WARREN_FD_WRITE, O_WRONLY);
}

static int
reach(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd == -1)
		return -1;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* A socket that is full would block: then it is too busy for us. */
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1) {
		err = errno;
		(void)close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* Take the descriptors out of msg: how many there are, at most two. */
static size_t
take_fds(struct msghdr *msg, int fds[2])
{
	struct cmsghdr *cm;
	size_t n = 0, i, k;
	int fd;

	for (cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		k = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < k; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			    sizeof(fd));
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
			if (n < 2)
				fds[n++] = fd;
			else
				(void)close(fd);
		}
	}
	return n;
}

/* One read of the answer, descriptors and all. */
static ssize_t
receive(int sock, uint8_t *buf, size_t len, int fds[2], size_t *n_fds)
{
	union {
		struct cmsghdr hdr;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	*n_fds = 0;
#ifdef MSG_CMSG_CLOEXEC
	n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
#else
	n = recvmsg(sock, &msg, 0);
#endif
	if (n > 0)
		*n_fds = take_fds(&msg, fds);
	/* Cut short, so not what was promised. */
	while ((msg.msg_flags & MSG_CTRUNC) != 0 && *n_fds > 0)
		(void)close(fds[--*n_fds]);
	return n;
}

/* The whole answer up to its end; the first read brings the descriptors. */
static ssize_t
read_answer(int sock, int64_t deadline_ms, uint8_t *buf, size_t len, int fds[2],
    size_t *n_fds)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	size_t got = 0, more_fds;
	int none[2], n_poll;
	ssize_t n;

	*n_fds = 0;
	do {
		n_poll = poll(&pfd, 1, lib_timeout(deadline_ms));
		if (n_poll <= 0) {
			if (n_poll == 0)
				errno = ETIMEDOUT;
			return -1;
		}
		n = got == 0
		    ? receive(sock, buf, len, fds, n_fds)
		    : receive(sock, buf + got, len - got, none, &more_fds);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n == -1)
			return -1;
		got += (size_t)n;
		if (got > 0 && buf[0] == GRANTED)
			break;
	} while (n != 0 && got < len);
	return (ssize_t)got;
}

int
lib_ask_pipes(const char *path, int64_t deadline_ms, int fds[2],
    char text[LIB_ERROR_MAX])
{
	uint8_t buf[1 + REASON_MAX];
	int sock, err = EPROTO;
	size_t n_fds = 0;
	ssize_t n;

	sock = reach(path);
	if (sock == -1) {
		err = errno;
		(void)snprintf(text, LIB_ERROR_MAX, "%s: %s", path,
		    strerror(err));
		errno = err;
		return -1;
	}
	n = read_answer(sock, deadline_ms, buf, sizeof(buf), fds, &n_fds);
	if (n == -1)
		err = errno;
	(void)close(sock);
	if (n == 1 && buf[0] == GRANTED && n_fds == 2)
		return 0;
	while (n_fds > 0)
		(void)close(fds[--n_fds]);
	if (n > 0 && buf[0] != GRANTED) {
		err = EACCES;
		app_json_get_failure(buf + 1, (size_t)n - 1, text,
		    LIB_ERROR_MAX);
	} else {
		(void)snprintf(text, LIB_ERROR_MAX, "%s: %s", path,
		    err == EPROTO ? "no pipes came" : strerror(err));
	}
	errno = err;
	return -1;
}
