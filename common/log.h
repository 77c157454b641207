/* SPDX-License-Identifier: ISC */
/*
 * One line a decision.  The parent writes to syslog, standard error or a
 * file; children write datagrams to descriptor 4, which the parent reads,
 * cleans and writes on.  Levels: warn - someone should act; info - a change
 * of state; debug - anything a stranger can cause, beside a counter.
 * Subject first, no full stop; keys' secrets, tokens and payloads never.
 */
#ifndef WARREN_LOG_H
#define WARREN_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

enum log_dest { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE, LOG_TO_PARENT };

#define LOG_FD       4    /* a child's log socket */
#define LOG_LINE_MAX 1000 /* longer lines are cut */

/* First byte of a datagram on LOG_FD that reports a forbidden call. */
#define LOG_MARK_TRAP 0xfe

/* What a child's SIGSYS handler leaves behind. */
struct log_trap {
	uint8_t mark; /* LOG_MARK_TRAP */
	uint8_t pad[3];
	int32_t nr;     /* of the system call */
	uint32_t arch;  /* AUDIT_ARCH_* */
	uint64_t where; /* instruction address */
};

/*
 * Say where lines go, those of a failed ASSERT too.  name is the process ("warrend", "stund"), borrowed for
 * ever; path only for LOG_TO_FILE (opened for appending, 0640).  0 or -1.
 */
int log_open(enum log_dest dest, const char *name, const char *path);

/* Open the file anew, after somebody renamed it. */
void log_reopen(void);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
const char *log_level_name(enum log_level level);
int log_level_parse(const char *name); /* enum log_level or -1 */

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A line of another process, as the parent got it; cleaned of controls. */
void log_relay(enum log_level level, const char *name, const char *text,
    size_t len);

/* For startup and for a world gone mad: log, then exit with the code. */
_Noreturn void fatal(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* adds errno */
_Noreturn void fatalx(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
