/* SPDX-License-Identifier: ISC */
/*
 * libwarren on Linux: pollers are epoll descriptors, which can be watched by
 * others in turn, and signals are eventfds.
 */
#ifdef __linux__

#include "appd/libwarren/lib.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <unistd.h>

int
poller_new(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

int
poller_watch(int poller, int fd, bool for_writing)
{
	struct epoll_event ev = { .events = for_writing ? EPOLLOUT : EPOLLIN };

	return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev);
}

void
poller_forget(int poller, int fd, bool for_writing)
{
	struct epoll_event ev = { 0 };

	(void)for_writing;
	(void)epoll_ctl(poller, EPOLL_CTL_DEL, fd, &ev);
}

int
signal_new(struct signal *s)
{
	s->set = false;
	s->rfd = s->wfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->rfd == -1 ? -1 : 0;
}

void
signal_free(struct signal *s)
{
	if (s->rfd != -1)
		(void)close(s->rfd);
	s->rfd = s->wfd = -1;
	s->set = false;
}

void
signal_set(struct signal *s, bool set)
{
	eventfd_t v;

	if (s->rfd == -1 || s->set == set)
		return;
	s->set = set;
	if (set)
		(void)eventfd_write(s->wfd, 1);
	else
		(void)eventfd_read(s->rfd, &v);
}

#else
typedef int poller_linux_is_for_linux;
#endif
