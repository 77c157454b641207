/* SPDX-License-Identifier: ISC */
/*
 * The state directory.  peerd never opens a file: it gets what it kept
 * before as a read-only descriptor, and to keep something new it is given a
 * temporary file, which we fsync and rename when it says it is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/warrend/warrend.h"
#include "common/log.h"

static const char *const names[] = { "peers.book", "bans", "peers.added",
	"peers.anchors" };

#define FILES 4

static bool open_now[FILES]; /* a temporary file is with peerd */
static int kept_fd[FILES] = { -1, -1, -1, -1 }; /* our copy, for fsync */

static const char *
path_of(const char *name, const char *suffix)
{
	static char path[CONF_PATH + 64];

	(void)snprintf(path, sizeof(path), "%s/state/%s%s",
	    warrend.conf.state_dir, name, suffix);
	return path;
}

static void
make_dir(const char *path, mode_t mode)
{
	char part[CONF_PATH];
	char *p;
	struct stat st;

	(void)snprintf(part, sizeof(part), "%s", path);
	/* Parents first, as mkdir -p, and no wider than 0755. */
	for (p = part + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(part, 0755);
		*p = '/';
	}
	if (mkdir(path, mode) == 0 || errno == EEXIST) {
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return;
		errno = ENOTDIR;
	}
	fatal(errno == EACCES || errno == EROFS ? EX_NOPERM : EX_OSERR,
	    "cannot make the directory %s", path);
}

void
files_prepare_dirs(void)
{
	char path[CONF_PATH + 16];

	make_dir(warrend.conf.state_dir, warrend.root ? 0711 : 0700);
	(void)snprintf(path, sizeof(path), "%s/state", warrend.conf.state_dir);
	make_dir(path, 0700);
	if (access(path, W_OK) == -1)
		fatal(EX_NOPERM, "cannot write to %s", path);
	make_dir(files_store_dir(), 0700);
	if (!warrend.root)
		return;
	make_dir(warrend.conf.chroot_dir, 0555);
	if (chown(files_store_dir(), warrend.uids[PROC_STORE],
		warrend.gids[PROC_STORE]) == -1)
		fatal(EX_NOPERM, "chown %s", files_store_dir());
}

const char *
files_store_dir(void)
{
	static char path[CONF_PATH + 8];

	(void)snprintf(path, sizeof(path), "%s/store", warrend.conf.state_dir);
	return path;
}

void
files_give(struct proc *p)
{
	struct msg_peerd_file f;
	int fd, i;

	for (i = 0; i < FILES; i++) {
		fd = open(path_of(names[i], ""),
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd == -1) {
			if (errno != ENOENT)
				log_warn("%s: %s", path_of(names[i], ""),
				    strerror(errno));
			continue;
		}
		f.which = (uint8_t)i;
		(void)ipc_send_fd(p->ch, PEERD_FILE, 0, &f, fd, -1);
	}
}

static void
fail(struct ipc *ch, uint32_t id, const char *what, int err)
{
	struct msg_peerd_failed f;

	(void)snprintf(
	    f.error, sizeof(f.error), "%.40s: %s", what, strerror(err));
	(void)ipc_send(ch, PEERD_FAILED, id, &f);
}

static void
drop_kept(int which)
{
	if (kept_fd[which] != -1)
		(void)close(kept_fd[which]);
	kept_fd[which] = -1;
	open_now[which] = false;
}

void
files_save(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;
	int fd;

	drop_kept(f->which);
	fd = open(path_of(names[f->which], ".new"),
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || (kept_fd[f->which] = dup(fd)) == -1) {
		log_warn("%s: %s", path_of(names[f->which], ".new"),
		    strerror(errno));
		if (fd != -1)
			(void)close(fd);
		fail(ch, m->id, names[f->which], errno);
		return;
	}
	(void)fcntl(kept_fd[f->which], F_SETFD, FD_CLOEXEC);
	open_now[f->which] = true;
	(void)ipc_send_fd(ch, PEERD_SAVE_FD, m->id, f, fd, -1);
}

static int
commit(int which)
{
	char from[CONF_PATH + 64];
	char dir[CONF_PATH + 16];
	int fd, rc;

	(void)snprintf(from, sizeof(from), "%s", path_of(names[which], ".new"));
	if (fsync(kept_fd[which]) == -1 ||
	    rename(from, path_of(names[which], "")) == -1)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/state", warrend.conf.state_dir);
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

void
files_save_done(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;

	if (!open_now[f->which]) {
		fail(ch, m->id, "save", EINVAL);
		return;
	}
	if (commit(f->which) == -1) {
		log_warn("%s: %s", path_of(names[f->which], ""),
		    strerror(errno));
		fail(ch, m->id, names[f->which], errno);
	} else {
		(void)ipc_send(ch, PEERD_SAVED, m->id, f);
	}
	drop_kept(f->which);
}

int
files_read_small(const char *name, char *buf, size_t cap)
{
	int fd = open(path_of(name, ""), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, buf, cap - 1);
	(void)close(fd);
	if (n < 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

int
files_write_small(const char *name, const char *text)
{
	char tmp[CONF_PATH + 64];
	int fd, rc = -1;

	(void)snprintf(tmp, sizeof(tmp), "%s", path_of(name, ".new"));
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return -1;
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	    fsync(fd) == 0)
		rc = rename(tmp, path_of(name, ""));
	(void)close(fd);
	return rc;
}
