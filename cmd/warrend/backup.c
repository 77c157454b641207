/* SPDX-License-Identifier: ISC */
/*
 * Our part of a backup: warrenctl opens a file and passes it; we put in what
 * is ours, key and small files, and hand the descriptor on to the store, which
 * adds the database and ends the archive.  The name of the archive never
 * reaches us, and the file must be a plain one: a pipe could make us wait.
 *
 * The archive has the node's key, and the group of the control socket may
 * steer the node but not become it: only root, or whoever we run as, gets one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/ctl_local.h"
#include "cmd/warrend/warrend.h"
#include "common/backup.h"
#include "common/compat/compat.h"
#include "common/log.h"
#include "common/tar.h"
#include "common/write_all.h"

#define FILE_MAX (16u << 20) /* none of ours is larger */

static int
put_header(int fd, const char *name, uint64_t size)
{
	struct tar_file f = { .size = size,
		.mode = 0600,
		.mtime = (uint64_t)wall_now().ms / 1000 };
	uint8_t block[TAR_BLOCK];

	(void)strlcpy(f.name, name, sizeof(f.name));
	return tar_put(block, &f) ? write_all(fd, block, TAR_BLOCK) : -1;
}

static int
put_bytes(int fd, const char *name, const void *data, size_t len)
{
	static const uint8_t zero[TAR_BLOCK];

	return put_header(fd, name, len) == -1 ||
		write_all(fd, data, len) == -1 ||
		write_all(fd, zero, tar_padding(len)) == -1
	    ? -1
	    : 0;
}

/* Exactly size bytes, for so many the header says. */
static int
copy_bytes(int to, int from, uint64_t size)
{
	static uint8_t buf[64 << 10];
	static const uint8_t zero[TAR_BLOCK];
	size_t pad = tar_padding(size);
	ssize_t n;

	while (size > 0) {
		n = read(from, buf,
		    size < sizeof(buf) ? (size_t)size : sizeof(buf));
		if (n <= 0 || write_all(to, buf, (size_t)n) == -1)
			return -1;
		size -= (uint64_t)n;
	}
	return write_all(to, zero, pad);
}

/* A file that is not there is left out. */
static int
put_file(int fd, const char *name, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int rc = 0;

	if (from == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(from, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)FILE_MAX)
		rc = -1;
	else if (put_header(fd, name, (uint64_t)st.st_size) == -1 ||
	    copy_bytes(fd, from, (uint64_t)st.st_size) == -1)
		rc = -1;
	(void)close(from);
	return rc;
}

static int
put_ours(int fd)
{
	static const char *const state[] = { BACKUP_STATE };
	char path[CONF_PATH + 64], name[32];
	size_t i;

	if (put_file(fd, "warren.conf", warrend.conf_path) == -1 ||
	    put_bytes(fd, "charter", warrend.charter, warrend.charter_len) ==
		-1 ||
	    put_file(fd, "node.key", warrend.conf.node_key) == -1)
		return -1;
	for (i = 0; i < sizeof(state) / sizeof(state[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/state/%s",
		    warrend.conf.state_dir, state[i]);
		(void)snprintf(name, sizeof(name), "state/%s", state[i]);
		if (put_file(fd, name, path) == -1)
			return -1;
	}
	return 0;
}

/* Could whoever asks read our files without us? */
static bool
may_see_the_key(struct ipc *ch)
{
	uid_t uid;
	gid_t gid;

	return getpeereid(ipc_fd(ch), &uid, &gid) == 0 &&
	    (uid == 0 || uid == geteuid());
}

bool
ctl_backup(struct ipc *ch, const struct ipc_msg *m)
{
	struct msg_ctl_end end = { .code = EX_IOERR };
	struct stat st;

	if (!may_see_the_key(ch)) {
		end.code = EX_NOPERM;
		(void)strlcpy(end.text,
		    "a backup holds the node's key: only "
		    "root may take one",
		    sizeof(end.text));
	} else if (fstat(m->fd[0], &st) == -1 || !S_ISREG(st.st_mode)) {
		end.code = EX_USAGE;
		(void)strlcpy(end.text, "a backup goes into a plain file",
		    sizeof(end.text));
	} else if (put_ours(m->fd[0]) == -1) {
		(void)snprintf(end.text, sizeof(end.text), "backup: %s",
		    strerror(errno));
	} else {
		return true;
	}
	(void)ipc_send(ch, CTL_END, m->id, &end);
	return false;
}
