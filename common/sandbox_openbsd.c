/* SPDX-License-Identifier: ISC */
/*
 * The fences on OpenBSD: pledge and unveil, in the order of
 * sandbox_linux.c.  The children's sockets come from the parent, so "inet"
 * is only there for what pledge counts as such on passed descriptors
 * (getsockname, setsockopt); none may open one but the resolver.
 */
#ifdef __OpenBSD__

#include "common/sandbox.h"

#include <sys/resource.h>

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"

static const char *const promises[PROC_KINDS] = {
	[PROC_RESOLVER] = "stdio dns",
	[PROC_STUND] = "stdio inet recvfd",
	[PROC_PEERD] = "stdio inet recvfd",
	[PROC_STORE] = "stdio rpath wpath cpath flock sendfd recvfd",
	[PROC_APID] = "stdio inet recvfd",
	[PROC_APPD] = "stdio unix sendfd recvfd",
};

int
sandbox_drop(const char *root, uint32_t uid, uint32_t gid)
{
	gid_t g = gid;

	if (chroot(root) == -1 || chdir("/") == -1 || setgroups(1, &g) == -1 ||
	    setresgid(g, g, g) == -1 || setresuid(uid, uid, uid) == -1)
		return -1;
	return 0;
}

bool
sandbox_confine(int landlock_max)
{
	(void)landlock_max; /* unveil does it */
	return false;
}

enum sandbox_level
sandbox_enter(enum proc_kind kind, uint32_t nofile, uint64_t as_bytes,
    int landlock_max, char desc[SANDBOX_DESC])
{
	struct rlimit rl = { nofile, nofile };

	(void)as_bytes;
	(void)landlock_max;
	if (nofile > 0 && setrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("setrlimit: %s", strerror(errno));
	/* The resolver reads resolv.conf anew: pledge "dns" lets it. */
	/* The store's working directory is its own. */
	if (kind == PROC_STORE && unveil(".", "rwc") == -1)
		fatal(EX_OSERR, "unveil");
	if (kind != PROC_RESOLVER && unveil(NULL, NULL) == -1)
		fatal(EX_OSERR, "unveil");
	if (pledge(promises[kind], NULL) == -1)
		fatal(EX_OSERR, "pledge");
	(void)snprintf(desc, SANDBOX_DESC, "pledge unveil");
	return SANDBOX_FULL;
}

enum sandbox_level
sandbox_parent(char desc[SANDBOX_DESC])
{
	/*
	 * The parent keeps "proc exec" out: the launcher, forked before,
	 * spawns.  It still makes every socket and every file.
	 */
	if (pledge("stdio rpath wpath cpath fattr chown inet mcast unix "
	    "sendfd recvfd getpw", NULL) == -1)
		fatal(EX_OSERR, "pledge");
	(void)snprintf(desc, SANDBOX_DESC, "pledge");
	return SANDBOX_FULL;
}

const char *
sandbox_syscall_name(uint32_t arch, int nr, char buf[32])
{
	(void)arch;
	(void)snprintf(buf, 32, "call %d", nr);
	return buf;
}

#else
typedef int sandbox_openbsd_is_for_openbsd;
#endif
