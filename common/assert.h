/* SPDX-License-Identifier: ISC */
/*
 * ASSERT answers to us, never to the world: it stays on in release builds,
 * and no byte from a stranger may ever reach one.  The only symbol besides
 * memcpy and libsodium that a pure core may need.
 */
#ifndef WARREN_ASSERT_H
#define WARREN_ASSERT_H

#define ASSERT(cond)                                                           \
	((cond) ? (void)0 : assert_fail(#cond, __FILE__, __LINE__))

/*
 * Where the last words go besides standard error, which may lead nowhere:
 * log_open() names the log.  Until then, and with NULL: nowhere else.
 */
void assert_set_log(void (*say)(const char *text));

/* Say what broke to the log and on standard error, then abort. */
_Noreturn void assert_fail(const char *cond, const char *file, int line);

#endif
