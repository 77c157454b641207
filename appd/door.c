/* SPDX-License-Identifier: ISC */
/*
 * apps.sock: an app that somebody starts by hand connects, is checked by who
 * its process belongs to, and gets the two pipes that a launched app finds at
 * descriptors 3 and 4: one byte 0 with both descriptors, the one to read
 * first, or one byte 1 and why not, in words.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appd/appd.h"
#include "common/log.h"

#define TURN_MAX 8 /* accepted in one wakeup */

/* Who is at the other end of fd.  False when the system does not say. */
static bool
who_is(int fd, uint32_t *uid, uint32_t *pid)
{
#ifdef __linux__
	struct ucred c;
	socklen_t len = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) == -1)
		return false;
	*uid = c.uid;
	*pid = (uint32_t)c.pid;
	return true;
#else
	uid_t u;
	gid_t g;

	*pid = 0;
	if (getpeereid(fd, &u, &g) == -1)
		return false;
	*uid = u;
	return true;
#endif
}

static void
refuse(int fd, const char *why)
{
	char text[200] = { 1 };
	size_t n = strlen(why);

	memcpy(text + 1, why, n);
	(void)send(fd, text, n + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	appd.n.app_conns_refused++;
}

/* One byte 0 and the app's ends of the pipes. */
static bool
hand_over(int fd, int read_end, int write_end)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	int fds[2] = { read_end, write_end };
	uint8_t zero = 0;
	struct iovec iov = { &zero, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

static void
admit(int fd, uint32_t uid, uint32_t pid)
{
	int to_app[2] = { -1, -1 }, from_app[2] = { -1, -1 };
	bool handed = false;

	if (pipe2(to_app, O_CLOEXEC) == 0 && pipe2(from_app, O_CLOEXEC) == 0)
		handed = hand_over(fd, to_app[0], from_app[1]);
	if (handed) {
		appd.n.app_conns_by_hand++;
		(void)conns_add(-1, 0, pid, uid, from_app[0], to_app[1]);
		from_app[0] = to_app[1] = -1;
	} else {
		log_warn("apps.sock: %s", strerror(errno));
	}
	for (int i = 0; i < 2; i++) {
		if (to_app[i] != -1)
			(void)close(to_app[i]);
		if (from_app[i] != -1)
			(void)close(from_app[i]);
	}
}

static void
on_knock(evutil_socket_t lfd, short what, void *arg)
{
	const char *why;
	uint32_t uid, pid;
	int i, fd;

	(void)what;
	(void)arg;
	for (i = 0; i < TURN_MAX; i++) {
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1)
			return;
		if (!who_is(fd, &uid, &pid))
			refuse(fd, "cannot tell who you are");
		else if (!mux_admits(&appd.mux, uid))
			refuse(fd, "no app of this user in warren.conf");
		else if ((why = mux_no_place(&appd.mux, uid)) != NULL)
			refuse(fd, why);
		else
			admit(fd, uid, pid);
		(void)close(fd);
	}
}

void
door_open(int fd)
{
	struct event *ev =
	    event_new(child_base(), fd, EV_READ | EV_PERSIST, on_knock, NULL);

	if (ev == NULL || event_add(ev, NULL) == -1)
		log_warn("apps.sock: no memory to listen");
}
