/* SPDX-License-Identifier: ISC */
/*
 * What a taken-over process would try; built with ATTACK=yes only.  Each
 * goes by system call, past whatever the C library would do first.
 */
#include "common/attack.h"

#ifdef WARREN_ATTACK

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/log.h"

static const char *const words[] = {
#define ATTACK_WORD(NAME, word) word,
	ATTACKS(ATTACK_WORD)
};

static long
try_connect(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(9) };

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return syscall(SYS_connect, 0, &sin, sizeof(sin));
}

static long
try_mprotect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return syscall(SYS_mprotect, p, 4096, PROT_READ | PROT_EXEC);
}

static long
try_sigsys(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} sa = { 0 };

	return syscall(SYS_rt_sigaction, SIGSYS, &sa, NULL, 8);
}

static long
try_exec(void)
{
	static const char *const argv[] = { "sh", NULL };

	return syscall(SYS_execve, "/bin/sh", argv, argv + 1);
}

static long
try_fastopen(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(9) };

	return syscall(SYS_sendto, 0, "x", 1, MSG_FASTOPEN, &sin, sizeof(sin));
}

static long
attack_try(enum attack what)
{
	switch (what) {
	case ATTACK_OPEN:
		return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
	case ATTACK_READ_KEY:
		return syscall(SYS_openat, AT_FDCWD,
		    "/var/lib/warren/node.key", O_RDONLY);
	case ATTACK_SOCKET:
		return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	case ATTACK_CONNECT:
		return try_connect();
	case ATTACK_EXEC:
		return try_exec();
	case ATTACK_FORK:
		return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	case ATTACK_PTRACE:
		return syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0);
	case ATTACK_MMAP_EXEC:
		return syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	case ATTACK_MPROTECT_EXEC:
		return try_mprotect();
	case ATTACK_KILL_PARENT:
		return syscall(SYS_kill, getppid(), SIGKILL);
	case ATTACK_SIGSYS:
		return try_sigsys();
	case ATTACK_FASTOPEN:
		return try_fastopen();
	case ATTACK_ASSERT:
		ASSERT(what != ATTACK_ASSERT);
		break;
	case ATTACK_COUNT:
		break;
	}
	errno = EINVAL;
	return -1;
}

void
attack_run(unsigned what)
{
	if (what >= ATTACK_COUNT)
		return;
	if (attack_try((enum attack)what) == -1)
		log_error(
		    "attack %s: denied (%s)", words[what], strerror(errno));
	else
		log_error("attack %s: SUCCEEDED", words[what]);
}

#else
typedef int attack_is_for_test_builds;
#endif
