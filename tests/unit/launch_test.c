/* SPDX-License-Identifier: ISC */
/*
 * The launcher with real processes: exit codes, programs that are not there,
 * one-shots killed at their deadline or memory limit, and an end of the
 * parent that leaves nobody behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/warrend/launch.h"
#include "cmd/warrend/msg_launch.h"
#include "common/compat/compat.h"
#include "common/ipc.h"

static struct ipc *ch;
static pid_t launcher;
static struct ipc_msg got;
static struct msg_launch_spawned spawned;
static struct msg_launch_failed failed;
static struct msg_launch_exit exited;

static void
on_any(struct ipc *c, const struct ipc_msg *m)
{
	(void)c;
	got = *m;
	if (m->type == LAUNCH_SPAWNED)
		memcpy(&spawned, m->body, sizeof(spawned));
	else if (m->type == LAUNCH_FAILED)
		memcpy(&failed, m->body, sizeof(failed));
	else if (m->type == LAUNCH_EXIT)
		memcpy(&exited, m->body, sizeof(exited));
}

static void
on_ended(struct ipc *c, enum ipc_end how, const char *why)
{
	(void)c;
	(void)how;
	fail_msg("launcher: %s", why);
}

static int
setup(void **state)
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "launcher", .tables = tables,
		.handlers = none, .other = on_any, .ended = on_ended,
		.upper = true };
	int fd;

	(void)state;
	tables[0] = msgs_launch;
	launcher = launch_start(&fd, true);
	ch = ipc_new(NULL, fd, &conf);
	return launcher == -1 || ch == NULL ? -1 : 0;
}

/* Ask for a program; what comes back first is in got. */
static void
spawn(const char *path, const char *arg1, const char *arg2,
    uint32_t timeout_ms, uint64_t as_bytes)
{
	static struct msg_launch_spawn s;
	int a[2], b[2];

	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.path, path, sizeof(s.path));
	(void)strlcpy(s.title, "test", sizeof(s.title));
	(void)strlcpy(s.args[0].text, arg1, sizeof(s.args[0].text));
	(void)strlcpy(s.args[1].text, arg2, sizeof(s.args[1].text));
	s.n_args = 2;
	s.timeout_ms = timeout_ms;
	s.as_bytes = as_bytes;
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	assert_int_equal(ipc_send_fd(ch, LAUNCH_SPAWN, 7, &s, a[0], b[1]), 0);
	(void)close(a[1]);
	(void)close(b[0]);
	assert_int_equal(ipc_wait(ch, 5000), 1);
}

static void
expect_exit(void)
{
	assert_int_equal(got.type, LAUNCH_SPAWNED);
	assert_int_equal(got.id, 7);
	assert_int_equal(ipc_wait(ch, 10000), 1);
	assert_int_equal(got.type, LAUNCH_EXIT);
	assert_int_equal(exited.pid, spawned.pid);
}

static void
test_exit_code(void **state)
{
	(void)state;
	spawn("/bin/sh", "-c", "exit 3", 0, 0);
	expect_exit();
	assert_true(WIFEXITED(exited.status));
	assert_int_equal(WEXITSTATUS(exited.status), 3);
}

static void
test_no_program(void **state)
{
	(void)state;
	spawn("/nonexistent/program", "", "", 0, 0);
	assert_int_equal(got.type, LAUNCH_FAILED);
	assert_non_null(strstr(failed.error, "/nonexistent/program"));
}

static void
test_deadline(void **state)
{
	(void)state;
	spawn("/bin/sh", "-c", "sleep 100 & wait", 200, 0);
	expect_exit();
	assert_true(WIFSIGNALED(exited.status));
	assert_int_equal(WTERMSIG(exited.status), SIGKILL);
}

static void
test_descriptors(void **state)
{
	(void)state;
	/* 3 and 4 are what was given, and nothing else is open. */
	spawn("/bin/sh", "-c",
	    "[ -p /dev/fd/3 ] && [ -p /dev/fd/4 ] || exit 1;"
	    "for f in /proc/self/fd/*; do case $f in */[0-4]) ;;"
	    "*) [ -e $f ] && exit 2 ;; esac; done; exit 0", 0, 0);
	expect_exit();
	assert_int_equal(exited.status, 0);
}

static void
test_kill(void **state)
{
	struct msg_launch_kill k = { .signal = SIGTERM };

	(void)state;
	spawn("/bin/sh", "-c", "exec sleep 100", 0, 0);
	assert_int_equal(got.type, LAUNCH_SPAWNED);
	k.pid = 1; /* nobody it started: left alone */
	assert_int_equal(ipc_send(ch, LAUNCH_KILL, 0, &k), 0);
	k.pid = spawned.pid;
	assert_int_equal(ipc_send(ch, LAUNCH_KILL, 0, &k), 0);
	assert_int_equal(ipc_wait(ch, 5000), 1);
	assert_int_equal(got.type, LAUNCH_EXIT);
	assert_int_equal(WTERMSIG(exited.status), SIGTERM);
}

static void
test_parent_gone(void **state)
{
	int status;

	(void)state;
	spawn("/bin/sh", "-c", "exec sleep 100", 0, 0);
	assert_int_equal(got.type, LAUNCH_SPAWNED);
	ipc_free(ch);
	assert_int_equal(waitpid(launcher, &status, 0), launcher);
	assert_int_equal(status, 0);
	/* Reaped by whoever inherited it; at least it is no longer running. */
	while (kill((pid_t)spawned.pid, 0) == 0) {
		char path[64], st = 'Z';
		FILE *f;

		(void)snprintf(
		    path, sizeof(path), "/proc/%u/stat", spawned.pid);
		if ((f = fopen(path, "re")) == NULL)
			break;
		if (fscanf(f, "%*d (%*[^)]) %c", &st) != 1)
			st = 'Z';
		(void)fclose(f);
		if (st == 'Z')
			break;
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_code),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_parent_gone),
	};
	extern char **environ;

	compat_setproctitle_init(argc, argv, environ);
	return cmocka_run_group_tests(tests, setup, NULL);
}
