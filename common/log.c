/* SPDX-License-Identifier: ISC */
/*
 * Logging, as promised in log.h.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"

static enum log_dest log_dest = LOG_TO_STDERR;
static enum log_level log_level = LOG_LVL_INFO;
static const char *log_name = "warren";
static const char *log_path;
static int log_fd = STDERR_FILENO;

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static void write_line(enum log_level level, const char *name,
    const char *text);

static void
say_assert(const char *text)
{
	write_line(LOG_LVL_ERROR, log_name, text);
}

int
log_open(enum log_dest dest, const char *name, const char *path)
{
	int fd = STDERR_FILENO;

	if (dest == LOG_TO_FILE) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
		    0640);
		if (fd == -1)
			return -1;
	} else if (dest == LOG_TO_PARENT) {
		fd = LOG_FD;
	} else if (dest == LOG_TO_SYSLOG) {
		openlog("warren", LOG_NDELAY, LOG_DAEMON);
	}
	if (log_dest == LOG_TO_FILE)
		(void)close(log_fd);
	log_dest = dest;
	log_name = name;
	log_path = path;
	log_fd = fd;
	assert_set_log(dest == LOG_TO_STDERR ? NULL : say_assert);
	return 0;
}

void
log_reopen(void)
{
	if (log_dest == LOG_TO_FILE)
		(void)log_open(LOG_TO_FILE, log_name, log_path);
}

void
log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level
log_get_level(void)
{
	return log_level;
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

int
log_level_parse(const char *name)
{
	int i;

	for (i = 0; i <= LOG_LVL_DEBUG; i++)
		if (strcmp(name, level_names[i]) == 0)
			return i;
	return -1;
}

static void
write_stream(enum log_level level, const char *name, const char *text)
{
	char line[LOG_LINE_MAX + 128], when[32];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	(void)gmtime_r(&now, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	n = snprintf(line, sizeof(line), "%s %s %s: %s\n", when, name,
	    level_names[level], text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	if (write(log_fd, line, (size_t)n) == -1)
		return; /* nobody left to tell */
}

static void
write_line(enum log_level level, const char *name, const char *text)
{
	static const int prio[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	char gram[LOG_LINE_MAX + 1];
	size_t n;

	switch (log_dest) {
	case LOG_TO_SYSLOG:
		syslog(prio[level], "%s: %s", name, text);
		break;
	case LOG_TO_PARENT:
		n = strlen(text);
		gram[0] = (char)level;
		memcpy(gram + 1, text, n);
		/* A full socket loses lines rather than stop the process. */
		if (send(log_fd, gram, n + 1, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		    -1)
			return;
		break;
	default:
		write_stream(level, name, text);
		break;
	}
}

static void vlog(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
vlog(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];
	int saved = errno;

	if (level > log_level)
		return;
	if (vsnprintf(text, sizeof(text), fmt, ap) >= 0)
		write_line(level, log_name, text);
	errno = saved;
}

void
log_relay(enum log_level level, const char *name, const char *text, size_t len)
{
	char clean[LOG_LINE_MAX];
	size_t i;

	if (len > sizeof(clean) - 1)
		len = sizeof(clean) - 1;
	for (i = 0; i < len; i++)
		clean[i] = (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? '?' :
		                                                       text[i];
	clean[len] = '\0';
	if (level <= LOG_LVL_DEBUG)
		write_line(level, name, clean);
}

#define LOG_FN(fn, level)                                                      \
	void fn(const char *fmt, ...)                                          \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, fmt);                                             \
		vlog(level, fmt, ap);                                          \
		va_end(ap);                                                    \
	}

LOG_FN(log_error, LOG_LVL_ERROR)
LOG_FN(log_warn, LOG_LVL_WARN)
LOG_FN(log_info, LOG_LVL_INFO)
LOG_FN(log_debug, LOG_LVL_DEBUG)

void
fatal(int code, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s: %s", text, strerror(err));
	exit(code);
}

void
fatalx(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_ERROR, fmt, ap);
	va_end(ap);
	exit(code);
}
