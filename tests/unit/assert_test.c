/* SPDX-License-Identifier: ISC */
/*
 * A failed ASSERT: what it says and where, to the log of a child and to a log
 * file, with standard error closed; and that it aborts.
 */
#include "common/assert.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

#define WORDS "assertion failed: pigs == 4, "

/* In a new process: quietly, without a core file. */
static _Noreturn void
fail_with(enum log_dest dest, const char *path)
{
	const struct rlimit none = { 0, 0 };
	int pigs = 3;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)close(STDERR_FILENO);
	if (log_open(dest, "farm", path) == -1)
		_exit(1);
	ASSERT(pigs == 4);
	_exit(2);
}

static void
assert_aborts(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* A datagram of level error, as loghub.c takes them. */
static void
test_parent(void **state)
{
	char gram[LOG_LINE_MAX + 2];
	int fd[2];
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	if ((pid = fork()) == 0) {
		(void)dup2(fd[1], LOG_FD);
		fail_with(LOG_TO_PARENT, NULL);
	}
	assert_int_not_equal(pid, -1);
	assert_aborts(pid);
	n = recv(fd[0], gram, sizeof(gram) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	gram[n] = '\0';
	assert_int_equal(gram[0], LOG_LVL_ERROR);
	assert_int_equal(strncmp(gram + 1, WORDS, strlen(WORDS)), 0);
	assert_null(strchr(gram + 1, '\n'));
	/* Once is enough. */
	assert_int_equal(recv(fd[0], gram, sizeof(gram), MSG_DONTWAIT), -1);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static void
test_file(void **state)
{
	char path[] = "/tmp/assert_test.XXXXXX", text[512];
	int fd = mkstemp(path);
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_not_equal(fd, -1);
	if ((pid = fork()) == 0)
		fail_with(LOG_TO_FILE, path);
	assert_int_not_equal(pid, -1);
	assert_aborts(pid);
	n = read(fd, text, sizeof(text) - 1);
	(void)unlink(path);
	(void)close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, " farm error: " WORDS));
}

/* Where standard error is the log, the line is not said twice. */
static void
test_stderr(void **state)
{
	char text[512];
	int fd[2];
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	if ((pid = fork()) == 0) {
		const struct rlimit none = { 0, 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)dup2(fd[1], STDERR_FILENO);
		(void)log_open(LOG_TO_STDERR, "farm", NULL);
		ASSERT(fd[0] == -1);
		_exit(2);
	}
	(void)close(fd[1]);
	assert_int_not_equal(pid, -1);
	assert_aborts(pid);
	n = read(fd[0], text, sizeof(text) - 1);
	(void)close(fd[0]);
	assert_true(n > 0);
	text[n] = '\0';
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	assert_ptr_equal(strstr(text, "assertion failed: fd[0] == -1, "),
	    text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parent),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
