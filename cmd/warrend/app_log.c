/* SPDX-License-Identifier: ISC */
/*
 * What apps print: cut into lines, within a budget, into our log under the
 * app's name; the last of it is kept for "warrenctl app log".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/warrend/apps.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define LINES_PER_S 100
#define LINE_MAX_   500 /* longer ones are cut into several */
#define TURN_READS  16

struct app_log {
	char name[64];
	int fd;
	struct event *ev;
	struct app_lines *kept;
	char line[LINE_MAX_];
	size_t len;
	struct mono since;
	unsigned lines; /* since then */
};

/* Make room at the end by forgetting whole lines at the front. */
static void
remember(struct app_lines *k, const char *text, size_t len)
{
	char *nl;
	size_t drop;

	while (k->len + len + 1 > sizeof(k->text)) {
		nl = memchr(k->text, '\n', k->len);
		drop = nl == NULL ? k->len : (size_t)(nl - k->text) + 1;
		k->len -= drop;
		memmove(k->text, k->text + drop, k->len);
	}
	memcpy(k->text + k->len, text, len);
	k->len += len;
	k->text[k->len++] = '\n';
}

static bool
within_budget(struct app_log *l)
{
	struct mono now = mono_now();

	if (mono_ms_between(l->since, now) >= 1000) {
		l->since = now;
		l->lines = 0;
	}
	if (l->lines++ < LINES_PER_S)
		return true;
	if (l->lines == LINES_PER_S + 1)
		log_warn("%s prints more than %d lines a second; the rest of "
			 "this second is lost",
		    l->name, LINES_PER_S);
	warrend.log_lost++;
	return false;
}

static void
end_line(struct app_log *l)
{
	size_t i;

	if (l->len == 0)
		return;
	for (i = 0; i < l->len; i++)
		if ((uint8_t)l->line[i] < 0x20 || (uint8_t)l->line[i] > 0x7e)
			l->line[i] = '?'; /* nothing for the terminal */
	if (within_budget(l)) {
		log_relay(LOG_LVL_INFO, l->name, l->line, l->len);
		if (l->kept != NULL)
			remember(l->kept, l->line, l->len);
	}
	l->len = 0;
}

static void
take(struct app_log *l, const char *p, size_t n)
{
	for (; n > 0; p++, n--) {
		if (*p == '\n') {
			end_line(l);
			continue;
		}
		l->line[l->len++] = *p;
		if (l->len == sizeof(l->line))
			end_line(l);
	}
}

/* False when nothing more is there. */
static bool
read_one(struct app_log *l)
{
	char buf[4096];
	ssize_t n = read(l->fd, buf, sizeof(buf));

	if (n > 0) {
		take(l, buf, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		(void)event_del(l->ev);
	return false;
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	int i;

	(void)fd;
	(void)what;
	for (i = 0; i < TURN_READS && read_one(arg); i++)
		continue;
}

struct app_log *
app_log_new(const char *name, int fd)
{
	struct app_log *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return NULL;
	}
	(void)snprintf(l->name, sizeof(l->name), "app %s", name);
	l->fd = fd;
	(void)evutil_make_socket_nonblocking(fd);
	l->ev = event_new(warrend.base, fd, EV_READ | EV_PERSIST, on_read, l);
	if (l->ev == NULL || event_add(l->ev, NULL) == -1) {
		app_log_free(l);
		return NULL;
	}
	return l;
}

void
app_log_keep(struct app_log *l, struct app_lines *kept)
{
	l->kept = kept;
}

void
app_log_free(struct app_log *l)
{
	int i;

	if (l == NULL)
		return;
	for (i = 0; i < TURN_READS && l->ev != NULL && read_one(l); i++)
		continue;
	end_line(l);
	if (l->ev != NULL)
		event_free(l->ev);
	(void)close(l->fd);
	free(l);
}
