/* SPDX-License-Identifier: ISC */
/*
 * The timers of a child, as promised in child.h.  They share one timer
 * descriptor: were they given to the event loop, each of its waits would set
 * a kernel timer and clear it again, which costs half a microsecond where a
 * STUN answer costs eight.  A child has a handful of them, so a plain list
 * will do.  Where there are no timer descriptors the event loop has them.
 */
#include "common/child.h"

#include <sysexits.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif

#include "common/assert.h"
#include "common/log.h"

#define TIMERS_MAX 16

static struct {
	struct event *ev;
	struct mono due;
} timers[TIMERS_MAX];

static size_t n_timers;
static struct mono armed = { INT64_MAX }; /* when alarm_ev fires */
static struct event *alarm_ev;            /* NULL: none here */

#ifdef __linux__
static void
arm(struct mono due, struct mono now)
{
	int64_t us = due.us - now.us;
	struct itimerspec when = { { 0, 0 }, { 0, 0 } };

	if (us < 1)
		us = 1; /* 0 would disarm it */
	if (due.us != MONO_NEVER.us) {
		when.it_value.tv_sec = (time_t)(us / 1000000);
		when.it_value.tv_nsec = (long)(us % 1000000) * 1000;
	}
	if (timerfd_settime(event_get_fd(alarm_ev), 0, &when, NULL) == -1)
		fatal(EX_OSERR, "timerfd_settime");
	armed = due;
}

/* To arm it again also takes back that it is readable. */
static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now(), next = MONO_NEVER;
	size_t i;

	(void)fd;
	(void)what;
	(void)arg;
	for (i = 0; i < n_timers; i++) {
		if (mono_reached(timers[i].due, now)) {
			timers[i].due = MONO_NEVER;
			event_active(timers[i].ev, EV_TIMEOUT, 1);
		}
		next = mono_min(next, timers[i].due);
	}
	arm(next, now);
}

static void
alarm_open(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd == -1)
		return;
	alarm_ev =
	    event_new(child_base(), fd, EV_READ | EV_PERSIST, on_alarm, NULL);
	if (alarm_ev == NULL || event_add(alarm_ev, NULL) == -1)
		fatalx(EX_OSERR, "no memory for a timer");
}
#else
static void
arm(struct mono due, struct mono now)
{
	(void)due;
	(void)now;
}

static void
alarm_open(void)
{
}
#endif

static size_t
index_of(const struct event *ev)
{
	size_t i;

	for (i = 0; i < n_timers; i++)
		if (timers[i].ev == ev)
			return i;
	fatalx(EX_SOFTWARE, "no timer of ours");
}

void
child_timers_init(void)
{
	alarm_open();
}

struct event *
child_timer(void (*fn)(evutil_socket_t, short, void *), void *arg)
{
	struct event *ev = evtimer_new(child_base(), fn, arg);

	if (ev == NULL || n_timers == TIMERS_MAX)
		fatalx(EX_OSERR, "no memory for a timer");
	timers[n_timers].due = MONO_NEVER;
	timers[n_timers++].ev = ev;
	return ev;
}

/* Timers of the event loop itself. */
static void
loop_timer_set(struct event *ev, struct mono due, struct mono now)
{
	int64_t us = due.us - now.us;
	struct timeval tv;

	if (due.us == MONO_NEVER.us)
		return;
	if (us < 0)
		us = 0;
	tv.tv_sec = (time_t)(us / 1000000);
	tv.tv_usec = (suseconds_t)(us % 1000000);
	(void)evtimer_add(ev, &tv);
}

void
child_timer_set(struct event *ev, struct mono due, struct mono now)
{
	/* It may be about to run for the time it was set to before. */
	(void)evtimer_del(ev);
	if (alarm_ev == NULL) {
		loop_timer_set(ev, due, now);
		return;
	}
	timers[index_of(ev)].due = due;
	/* An alarm that comes too early finds nothing due and is set anew. */
	if (mono_before(due, armed))
		arm(due, now);
}

bool
child_timer_pending(const struct event *ev)
{
	return timers[index_of(ev)].due.us != MONO_NEVER.us ||
	    evtimer_pending(ev, NULL);
}
