/* SPDX-License-Identifier: ISC */
/*
 * libwarren on the BSDs: pollers are kqueues, which can be watched by others
 * in turn, and signals are pipes with a byte in them.
 */
#ifndef __linux__

#include "appd/libwarren/lib.h"

#include <sys/event.h>
#include <sys/time.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
poller_new(void)
{
	int fd = kqueue();

	if (fd != -1)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int
change(int poller, int fd, bool for_writing, unsigned short flags)
{
	struct kevent ev;

	memset(&ev, 0, sizeof(ev));
	EV_SET(&ev, fd, for_writing ? EVFILT_WRITE : EVFILT_READ, flags, 0, 0,
	    0);
	return kevent(poller, &ev, 1, NULL, 0, NULL);
}

int
poller_watch(int poller, int fd, bool for_writing)
{
	return change(poller, fd, for_writing, EV_ADD);
}

void
poller_forget(int poller, int fd, bool for_writing)
{
	(void)change(poller, fd, for_writing, EV_DELETE);
}

int
signal_new(struct signal *s)
{
	int fds[2], i;

	s->set = false;
	s->rfd = s->wfd = -1;
	if (pipe(fds) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	s->rfd = fds[0];
	s->wfd = fds[1];
	return 0;
}

void
signal_free(struct signal *s)
{
	if (s->rfd != -1) {
		(void)close(s->rfd);
		(void)close(s->wfd);
	}
	s->rfd = s->wfd = -1;
	s->set = false;
}

void
signal_set(struct signal *s, bool set)
{
	char byte = 0;

	if (s->rfd == -1 || s->set == set)
		return;
	if ((set ? write(s->wfd, &byte, 1) : read(s->rfd, &byte, 1)) == 1)
		s->set = set;
}

#else
typedef int poller_kqueue_is_for_the_bsds;
#endif
