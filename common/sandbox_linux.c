/* SPDX-License-Identifier: ISC */
/*
 * The fences on Linux: rlimits, no capabilities, no_new_privs, Landlock and
 * seccomp, deny by default.  Read it top down: what everybody may call, what
 * each process may call besides, then how it is put in force.  The same
 * story for OpenBSD is in sandbox_openbsd.c.
 *
 * A forbidden call ends the process with SIGSYS after a report on the log
 * descriptor.  The few calls that libraries probe for and can live without
 * get ENOSYS instead; they are listed in soft_calls.
 */
#ifdef __linux__

#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log.h"

/* --- what everybody may call; both spellings, arm64 has only the new --- */

static const char *const base_calls[] = { "read", "write", "readv", "writev",
	"close", "recvmsg", "recvfrom", "epoll_wait", "epoll_pwait",
	"epoll_ctl", "brk", "munmap", "mremap", "madvise", "futex", "getrandom",
	"clock_gettime", "gettimeofday", "time", "timerfd_settime",
	"rt_sigprocmask", "rt_sigreturn", "restart_syscall", "getpid", "gettid",
	"fstat", "getsockopt", "clock_nanosleep", "sysinfo", "exit",
	"exit_group", NULL };

/* Calls that fail softly: libraries ask for them and can do without. */
static const char *const soft_calls[] = { "rseq", "clone3", "statx", "openat2",
	"faccessat2", "close_range", "futex_waitv", "epoll_pwait2", "prctl",
	"set_robust_list", NULL };

/* The store keeps files, all beneath its own directory (Landlock, chroot). */
static const char *const store_calls[] = { "openat", "open", "pread64",
	"pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "unlinkat",
	"rename", "renameat", "renameat2", "mkdir", "mkdirat", "lseek",
	"readlink", "readlinkat", "access", "faccessat", "stat", "lstat",
	"newfstatat", "getcwd", "geteuid", "getuid", "fchmod", "fchown",
	"getdents64", "fstatfs", NULL };

/* The resolver talks to name servers and to nothing else. */
static const char *const resolver_calls[] = { "connect", "bind", "poll",
	"ppoll", "getsockname", "getpeername", "recvmmsg", "sendmmsg", "uname",
	NULL };

/* Sanitizers look at themselves; attack tests run on the plain build. */
#ifdef WARREN_SANITIZE
static const char *const sanitizer_calls[] = { "mmap", "mprotect", "openat",
	"open", "readlink", "readlinkat", "sigaltstack", "sched_getaffinity",
	"sched_yield", "prctl", "newfstatat", "stat", "lstat", "getrlimit",
	"prlimit64", "setrlimit", "clone", "clone3", "wait4", "getuid",
	"geteuid", "getcwd", "pipe2", "nanosleep", "rt_sigaction", "tgkill",
	"set_robust_list", "rseq", "ioctl", "fcntl", "lseek", "access", NULL };
#endif

static scmp_filter_ctx
filter_new(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);

	if (ctx == NULL)
		fatalx(EX_OSERR, "seccomp: cannot make a filter");
	return ctx;
}

/* A rule for a call by name; names another architecture lacks are skipped. */
static void
rule(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n,
    struct scmp_arg_cmp a, struct scmp_arg_cmp b)
{
	struct scmp_arg_cmp args[2] = { a, b };
	int nr = seccomp_syscall_resolve_name(name), rc;

	if (nr == __NR_SCMP_ERROR || nr < 0)
		return;
	rc = seccomp_rule_add_array(ctx, action, nr, n, args);
	if (rc != 0)
		fatalx(EX_OSERR, "seccomp: rule for %s: %s", name,
		    strerror(-rc));
}

/* Conditions on argument n: equal, not equal, these bits of it are so. */
static struct scmp_arg_cmp
condition(unsigned n, enum scmp_compare op, scmp_datum_t a, scmp_datum_t b)
{
	struct scmp_arg_cmp c = { .arg = n,
		.op = op,
		.datum_a = a,
		.datum_b = b };

	return c;
}

static struct scmp_arg_cmp
is(unsigned n, scmp_datum_t value)
{
	return condition(n, SCMP_CMP_EQ, value, 0);
}

static struct scmp_arg_cmp
is_not(unsigned n, scmp_datum_t value)
{
	return condition(n, SCMP_CMP_NE, value, 0);
}

static struct scmp_arg_cmp
has(unsigned n, scmp_datum_t mask, scmp_datum_t bits)
{
	return condition(n, SCMP_CMP_MASKED_EQ, mask, bits);
}

#define NO_ARG                                                                 \
	(struct scmp_arg_cmp)                                                  \
	{                                                                      \
		0                                                              \
	}
#define ALLOW(ctx, name)        rule(ctx, SCMP_ACT_ALLOW, name, 0, NO_ARG, NO_ARG)
#define ALLOW1(ctx, name, a)    rule(ctx, SCMP_ACT_ALLOW, name, 1, a, NO_ARG)
#define ALLOW2(ctx, name, a, b) rule(ctx, SCMP_ACT_ALLOW, name, 2, a, b)

static void
allow_all(scmp_filter_ctx ctx, const char *const *names)
{
	for (; *names != NULL; names++)
		ALLOW(ctx, *names);
}

static void
allow_fcntl(scmp_filter_ctx ctx, int cmd)
{
	ALLOW1(ctx, "fcntl", is(1, (scmp_datum_t)cmd));
}

static void
allow_setsockopt(scmp_filter_ctx ctx, int level, int name)
{
	ALLOW2(ctx, "setsockopt", is(1, (scmp_datum_t)level),
	    is(2, (scmp_datum_t)name));
}

/*
 * BASE: memory without code, own descriptors, time.  sendto() and its kin
 * must not carry MSG_FASTOPEN, which would connect past Landlock; SIGSYS
 * keeps its handler; a process may only signal itself.
 */
static void
allow_base(scmp_filter_ctx ctx)
{
	const scmp_datum_t exec = PROT_EXEC, fast = MSG_FASTOPEN;
	const char *const *n;
	int nr;

	allow_all(ctx, base_calls);
	ALLOW1(ctx, "mmap", has(2, exec, 0));
	ALLOW1(ctx, "mprotect", has(2, exec, 0));
	ALLOW1(ctx, "sendmsg", has(2, fast, 0));
	ALLOW1(ctx, "sendto", has(3, fast, 0));
	ALLOW1(ctx, "rt_sigaction", is_not(0, SIGSYS));
	ALLOW1(ctx, "tgkill", is(0, (scmp_datum_t)getpid()));
	ALLOW1(ctx, "ioctl", is(1, FIONREAD));
	ALLOW1(ctx, "newfstatat", has(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
	allow_fcntl(ctx, F_GETFL);
	allow_fcntl(ctx, F_SETFL);
	allow_fcntl(ctx, F_GETFD);
	allow_fcntl(ctx, F_SETFD);
	for (n = soft_calls; *n != NULL; n++)
		rule(ctx, SCMP_ACT_ERRNO(ENOSYS), *n, 0, NO_ARG, NO_ARG);
	/* Calls younger than this list: a newer libc may probe for them. */
	for (nr = 451; nr < 512; nr++)
		(void)seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0,
		    NULL);
}

/* --- one function a process --- */

static void
filter_stund(scmp_filter_ctx ctx)
{
	ALLOW(ctx, "accept4");
	ALLOW(ctx, "recvmmsg");
	ALLOW1(ctx, "sendmmsg", has(3, MSG_FASTOPEN, 0));
	allow_setsockopt(ctx, IPPROTO_TCP, TCP_NODELAY);
}

static void
filter_peerd(scmp_filter_ctx ctx)
{
	ALLOW(ctx, "accept4");
	allow_setsockopt(ctx, IPPROTO_TCP, TCP_NODELAY);
	allow_setsockopt(ctx, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
}

static void
filter_store(scmp_filter_ctx ctx)
{
	allow_all(ctx, store_calls);
	allow_fcntl(ctx, F_GETLK);
	allow_fcntl(ctx, F_SETLK);
	allow_fcntl(ctx, F_DUPFD_CLOEXEC);
}

static void
filter_apid(scmp_filter_ctx ctx)
{
	ALLOW(ctx, "accept4");
	ALLOW(ctx, "shutdown");
	ALLOW(ctx, "sendfile"); /* of block bodies the store hands over */
	allow_setsockopt(ctx, IPPROTO_TCP, TCP_NODELAY);
}

/* No socket but the one apps knock at; pipes for those that do. */
static void
filter_appd(scmp_filter_ctx ctx)
{
	ALLOW(ctx, "accept4");
	ALLOW1(ctx, "pipe2", is(1, O_CLOEXEC));
}

static void
filter_resolver(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t i;

	allow_all(ctx, resolver_calls);
	for (i = 0; i < 2; i++)
		ALLOW1(ctx, "socket", is(0, (scmp_datum_t)families[i]));
	allow_setsockopt(ctx, IPPROTO_IP, IP_RECVERR);
	allow_setsockopt(ctx, IPPROTO_IPV6, IPV6_RECVERR);
	/* The resolver library looks whether resolv.conf changed. */
	rule(ctx, SCMP_ACT_ERRNO(ENOENT), "openat", 0, NO_ARG, NO_ARG);
	rule(ctx, SCMP_ACT_ERRNO(ENOENT), "open", 0, NO_ARG, NO_ARG);
	rule(ctx, SCMP_ACT_ERRNO(ENOENT), "stat", 0, NO_ARG, NO_ARG);
	ALLOW1(ctx, "ioctl", is(1, FIONBIO));
}

static void (*const filters[PROC_KINDS])(scmp_filter_ctx) = {
	[PROC_RESOLVER] = filter_resolver,
	[PROC_STUND] = filter_stund,
	[PROC_PEERD] = filter_peerd,
	[PROC_STORE] = filter_store,
	[PROC_APID] = filter_apid,
	[PROC_APPD] = filter_appd,
};

/* --- Landlock, by system call: the C library has no names for it --- */

#define LL_CREATE   444
#define LL_ADD_RULE 445
#define LL_RESTRICT 446

struct ll_attr {
	uint64_t fs, net, scoped;
};

/* struct landlock_path_beneath_attr, packed as the kernel has it. */
struct ll_path {
	uint64_t rights;
	int32_t fd;
} __attribute__((packed));

/* In files: read, write, truncate; in directories: read, make files and
 * directories, and remove files. */
#define LL_STORE                                                               \
	(1u << 1 | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 8 |           \
	    1u << 13 | 1u << 14)

/* The one directory the store may touch is where it stands. */
static void
landlock_own_dir(int ruleset, uint64_t handled)
{
	struct ll_path rule = { .rights = LL_STORE & handled };

	rule.fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.fd == -1 ||
	    syscall(LL_ADD_RULE, ruleset, 1 /* path beneath */, &rule, 0) == -1)
		fatal(EX_OSERR, "landlock: the store's directory");
	(void)close(rule.fd);
}

static int
landlock_abi(int abi_max)
{
	long abi = syscall(LL_CREATE, NULL, 0, 1 /* ask the version */);

	if (abi_max >= 0 && abi > abi_max)
		abi = abi_max;
	return abi <= 0 ? 0 : (int)abi;
}

static bool confined;

bool
sandbox_confine(int landlock_max)
{
	if (landlock_abi(landlock_max) > 0)
		return false;
	confined =
	    unshare(CLONE_NEWUSER) == 0 && chroot(".") == 0 && chdir("/") == 0;
	return confined;
}

/* Landlock rights that each ABI added; all are taken away. */
static int
landlock_enter(enum proc_kind kind, int abi_max)
{
	struct ll_attr attr = { 0 };
	int abi = landlock_abi(abi_max);
	size_t size = sizeof(uint64_t);
	long fd;

	if (abi == 0)
		return 0;
	attr.fs = (1u << 13) - 1; /* ABI 1: thirteen file rights */
	if (abi >= 2)
		attr.fs |= 1u << 13; /* refer */
	if (abi >= 3)
		attr.fs |= 1u << 14; /* truncate */
	if (abi >= 4) {
		attr.net = 1u | 2u; /* bind and connect TCP */
		size = 2 * sizeof(uint64_t);
	}
	if (abi >= 5)
		attr.fs |= 1u << 15; /* ioctl on devices */
	if (abi >= 6) {
		attr.scoped = 1u | 2u; /* abstract sockets, signals */
		size = sizeof(attr);
	}
	if (kind == PROC_RESOLVER)
		attr.net &= ~2u; /* name servers answer over TCP too */
	fd = syscall(LL_CREATE, &attr, size, 0);
	if (fd != -1 && kind == PROC_STORE)
		landlock_own_dir((int)fd, attr.fs);
	if (fd == -1 || syscall(LL_RESTRICT, fd, 0) == -1) {
		log_warn("landlock: %s", strerror(errno));
		abi = 0;
	}
	if (fd != -1)
		(void)close((int)fd);
	return abi;
}

/* --- putting it in force --- */

/* Report the call on the log descriptor, then die of it. */
static void
on_sigsys(int sig, siginfo_t *si, void *ctx)
{
	struct log_trap t;

	(void)ctx;
	memset(&t, 0, sizeof(t));
	t.mark = LOG_MARK_TRAP;
	t.nr = si->si_syscall;
	t.arch = si->si_arch;
	t.where = (uint64_t)(uintptr_t)si->si_call_addr;
	if (write(LOG_FD, &t, sizeof(t)) == -1)
		_exit(EX_SOFTWARE);
	/* SIGSYS cannot be reset to its default in here: the filter forbids
	 * it.  A SIGSYS raised while blocked kills for certain. */
	(void)syscall(SYS_kill, 0, sig);
	_exit(EX_SOFTWARE);
}

static void
catch_sigsys(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys,
		.sa_flags = SA_SIGINFO | (int)SA_RESETHAND };

	(void)sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL) == -1)
		fatal(EX_OSERR, "sigaction SIGSYS");
}

static void
limit(int what, rlim_t n)
{
	struct rlimit rl = { n, n };

	if (setrlimit((__rlimit_resource_t)what, &rl) == -1)
		fatal(EX_OSERR, "setrlimit");
}

#define BOOK_MAX_BYTES (16u << 20) /* of a file peerd writes */

static void
set_rlimits(enum proc_kind kind, uint32_t nofile, uint64_t as_bytes)
{
	struct rlimit rl;

	limit(RLIMIT_CORE, 0);
	if (kind != PROC_STORE)
		limit(RLIMIT_FSIZE, kind == PROC_PEERD ? BOOK_MAX_BYTES : 0);
	limit(RLIMIT_NPROC, 0);
	if (nofile > 0 && getrlimit(RLIMIT_NOFILE, &rl) == 0)
		limit(RLIMIT_NOFILE,
		    nofile < rl.rlim_max ? nofile : rl.rlim_max);
#ifndef WARREN_SANITIZE
	if (as_bytes > 0)
		limit(RLIMIT_AS, as_bytes);
#else
	(void)as_bytes;
#endif
}

static void
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };
	int cap;

	for (cap = 0; cap < 64; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) == -1)
		fatal(EX_OSERR, "capset");
}

static void
load_filter(scmp_filter_ctx ctx)
{
	int rc = seccomp_load(ctx);

	if (rc != 0)
		fatalx(EX_OSERR, "seccomp: %s; this kernel cannot fence us in",
		    strerror(-rc));
	seccomp_release(ctx);
}

int
sandbox_drop(const char *root, uint32_t uid, uint32_t gid)
{
	if (chroot(root) == -1 || chdir("/") == -1)
		return -1;
	if (setgroups(1, &(gid_t){ gid }) == -1 || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid) == -1)
		return -1;
	if (setuid(0) == 0 || setgid(0) == 0) {
		errno = EPERM; /* it could be had again: not dropped */
		return -1;
	}
	return 0;
}

enum sandbox_level
sandbox_enter(enum proc_kind kind, uint32_t nofile, uint64_t as_bytes,
    int landlock_max, char desc[SANDBOX_DESC])
{
	scmp_filter_ctx ctx;
	int abi;

	set_rlimits(kind, nofile, as_bytes);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	drop_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal(EX_OSERR, "no_new_privs");
	abi = landlock_enter(kind, landlock_max);
	catch_sigsys();
	ctx = filter_new();
	allow_base(ctx);
	filters[kind](ctx);
#ifdef WARREN_SANITIZE
	allow_all(ctx, sanitizer_calls);
#endif
	load_filter(ctx);
	(void)snprintf(desc, SANDBOX_DESC,
	    abi > 0        ? "seccomp landlock:%d"
		: confined ? "seccomp userns chroot"
			   : "seccomp",
	    abi);
	return abi > 0 ? SANDBOX_FULL : SANDBOX_REDUCED;
}

/* What not even the parent ever needs. */
static const char *const parent_denied[] = { "ptrace", "process_vm_readv",
	"process_vm_writev", "bpf", "io_uring_setup", "io_uring_enter",
	"io_uring_register", "keyctl", "add_key", "request_key", "mount",
	"umount2", "move_mount", "fsmount", "kexec_load", "kexec_file_load",
	"perf_event_open", "userfaultfd", "init_module", "finit_module",
	"delete_module", "reboot", "swapon", "swapoff", "pivot_root", NULL };

enum sandbox_level
sandbox_parent(char desc[SANDBOX_DESC])
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	const char *const *n;

	if (ctx == NULL)
		fatalx(EX_OSERR, "seccomp: cannot make a filter");
	for (n = parent_denied; *n != NULL; n++)
		rule(ctx, SCMP_ACT_ERRNO(EPERM), *n, 0, NO_ARG, NO_ARG);
#ifndef WARREN_SANITIZE
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	limit(RLIMIT_CORE, 0);
#endif
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal(EX_OSERR, "no_new_privs");
	load_filter(ctx);
	(void)snprintf(desc, SANDBOX_DESC, "seccomp deny-list");
	return SANDBOX_FULL;
}

const char *
sandbox_syscall_name(uint32_t arch, int nr, char buf[32])
{
	char *name = seccomp_syscall_resolve_num_arch(arch, nr);

	if (name == NULL)
		(void)snprintf(buf, 32, "call %d", nr);
	else
		(void)strlcpy(buf, name, 32);
	free(name);
	return buf;
}

#else
typedef int sandbox_linux_is_for_linux;
#endif
