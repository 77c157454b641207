/* SPDX-License-Identifier: ISC */
/*
 * Backup of a running node, and putting it back into a stopped one.
 *
 *	backup   we open the archive and pass it to warrend; it puts in the
 *	         key and small files, the store adds the database (tar.h)
 *	restore  all is unpacked beside what is there, synced, and only then
 *	         renamed into place: one that is cut short changes nothing
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/backup.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"
#include "common/tar.h"

#define LONG_MS      3600000 /* a large database takes its time */
#define ENTRIES_MAX  1000000
#define NEW          ".restored"
#define RESTORE_ARGS "FILE|- [config FILE] [force]"

/* --- backup --- */

static int
open_archive(const char *file)
{
	const char *dir = getenv("TMPDIR");
	char tmp[1024];
	int fd;

	if (strcmp(file, "-") != 0) {
		fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd == -1)
			die(EX_CANTCREAT, "%s: %s", file, strerror(errno));
		return fd;
	}
	if (isatty(STDOUT_FILENO))
		die(EX_USAGE, "a backup is no text for a terminal");
	/* Others write into it, and they take plain files alone. */
	(void)snprintf(tmp, sizeof(tmp), "%s/warren-backup.XXXXXX",
	    dir == NULL ? "/tmp" : dir);
	if ((fd = mkostemp(tmp, O_CLOEXEC)) == -1)
		die(EX_CANTCREAT, "%s: %s", tmp, strerror(errno));
	(void)unlink(tmp);
	return fd;
}

static void
copy_out(int fd)
{
	static char buf[64 << 10];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) == -1)
		die(EX_IOERR, "the backup: %s", strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			die(EX_IOERR, "stdout: %s", strerror(errno));
	if (n == -1 || fflush(stdout) != 0)
		die(EX_IOERR, "the backup: %s", strerror(errno));
}

int
act_backup(int argc, char **argv)
{
	struct msg_ctl_backup q = { .bodies = argc == 2 };
	bool out;
	int fd, copy, code;

	if (argc < 1 || argc > 2 ||
	    (argc == 2 && strcmp(argv[1], "bodies") != 0))
		die(EX_USAGE, "usage: warrenctl backup FILE|- [bodies]");
	out = strcmp(argv[0], "-") == 0;
	if (out && cx.json)
		die(EX_USAGE, "stdout is the archive: no -j");
	client_open();
	fd = open_archive(argv[0]);
	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1)
		die(EX_OSERR, "%s", strerror(errno));
	if (cx.timeout_ms < LONG_MS)
		cx.timeout_ms = LONG_MS;
	code = client_ask_fd(CTL_BACKUP, &q, copy);
	if (code != 0 && !out)
		(void)unlink(argv[0]); /* half an archive is none */
	else if (code == 0 && out)
		copy_out(fd);
	(void)close(fd);
	if (out && code == 0)
		cx.answer.end.text[0] = '\0';
	return code;
}

/* --- restore: where to --- */

static struct {
	char state[512], key[512], control[512], user[64];
} conf;

/* The string in quotes behind the words at the start of the line, if any. */
static void
take_quoted(const char *line, const char *words, char *out, size_t cap)
{
	size_t n = strlen(words);
	const char *from, *to;

	if (strncmp(line, words, n) != 0 || line[n] != '"')
		return;
	from = line + n + 1;
	if ((to = strchr(from, '"')) == NULL || (size_t)(to - from) >= cap)
		return;
	memcpy(out, from, (size_t)(to - from));
	out[to - from] = '\0';
}

/* warrend lies beside us, or where the shell finds it. */
static _Noreturn void
run_warrend(const char *file)
{
	char path[1024];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		if ((slash = strrchr(path, '/')) != NULL) {
			(void)strlcpy(slash + 1, "warrend",
			    sizeof(path) - (size_t)(slash + 1 - path));
			if (file != NULL)
				(void)execl(path, "warrend", "-nv", "-f", file,
				    (char *)NULL);
			else
				(void)execl(path, "warrend", "-nv",
				    (char *)NULL);
		}
	}
	if (file != NULL)
		(void)execlp("warrend", "warrend", "-nv", "-f", file,
		    (char *)NULL);
	else
		(void)execlp("warrend", "warrend", "-nv", (char *)NULL);
	_exit(127);
}

/* Only warrend reads configurations: it prints what is in force. */
static void
read_config(const char *file)
{
	char line[1024];
	int fd[2], status;
	pid_t pid;
	FILE *f;

	if (pipe(fd) == -1 || (pid = fork()) == -1)
		die(EX_OSERR, "%s", strerror(errno));
	if (pid == 0) {
		(void)dup2(fd[1], STDOUT_FILENO);
		(void)close(fd[0]);
		(void)close(fd[1]);
		run_warrend(file);
	}
	(void)close(fd[1]);
	if ((f = fdopen(fd[0], "r")) == NULL)
		die(EX_OSERR, "%s", strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		take_quoted(line, "state ", conf.state, sizeof(conf.state));
		take_quoted(line, "node key ", conf.key, sizeof(conf.key));
		take_quoted(line, "user store ", conf.user, sizeof(conf.user));
		if (conf.control[0] == '\0')
			take_quoted(line, "control ", conf.control,
			    sizeof(conf.control));
	}
	(void)fclose(f);
	if (waitpid(pid, &status, 0) == -1 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0 || conf.state[0] == '\0' ||
	    conf.key[0] == '\0')
		die(EX_CONFIG,
		    "warrend -nv: the configuration cannot be "
		    "read");
}

static void
must_not_run(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (path[0] == '\0' ||
	    strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
		sizeof(un.sun_path))
		return;
	if (fd != -1 &&
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		die(EX_TEMPFAIL,
		    "warrend is running (it answers on %s); stop "
		    "it first",
		    path);
	if (fd != -1)
		(void)close(fd);
}

/* --- restore: the archive --- */

static struct {
	FILE *f;
	bool force, owned;
	uid_t uid;
	gid_t gid;
	char **paths; /* to be renamed, in the order they came */
	size_t n;
	uint64_t bytes;
	bool has_db;
} rs;

/* Unlink what was unpacked, then exit. */
static _Noreturn void
give_up(int code, const char *what, const char *why)
{
	char tmp[1100];
	size_t i;

	for (i = 0; i < rs.n; i++) {
		(void)snprintf(tmp, sizeof(tmp), "%s" NEW, rs.paths[i]);
		(void)unlink(tmp);
	}
	die(code, "%s: %s; nothing was changed", what, why);
}

static void
make_dir(const char *path, mode_t mode, bool of_store)
{
	if (mkdir(path, mode) == -1 && errno != EEXIST)
		give_up(EX_CANTCREAT, path, strerror(errno));
	if (of_store && rs.owned && chown(path, rs.uid, rs.gid) == -1)
		give_up(EX_NOPERM, path, strerror(errno));
}

static bool
has_dir(const char *name, const char *dir)
{
	return strncmp(name, dir, strlen(dir)) == 0;
}

static bool
is_among(const char *const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* The names that a backup has, and no others. */
static bool
is_ours(const char *name)
{
	static const char *const names[] = { "warren.conf", "charter",
		"node.key", "store/warren.db" };
	static const char *const state[] = { BACKUP_STATE };
	const char *body = name + strlen("store/blocks/");

	if (has_dir(name, "state/"))
		return is_among(state, sizeof(state) / sizeof(state[0]),
		    name + strlen("state/"));
	if (is_among(names, sizeof(names) / sizeof(names[0]), name))
		return true;
	return has_dir(name, "store/blocks/") && strlen(body) == 65 &&
	    body[2] == '/' && strspn(body, "0123456789abcdef") == 2 &&
	    strspn(body + 3, "0123456789abcdef") == 62;
}

/* Where an entry goes; false for one no backup has. */
static bool
place_of(const char *name, char path[1024])
{
	bool small =
	    strcmp(name, "warren.conf") == 0 || strcmp(name, "charter") == 0;
	char *slash;

	if (!is_ours(name))
		return false;
	if (strcmp(name, "node.key") == 0) {
		(void)strlcpy(path, conf.key, 1024);
		return true;
	}
	if (snprintf(path, 1024, "%s/%s%s", conf.state,
		small ? "restored." : "", name) >= 1024 - 16)
		return false;
	if (has_dir(name, "store/blocks/") &&
	    (slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		make_dir(path, 0700, true);
		*slash = '/';
	}
	return true;
}

static void
read_or_give_up(void *buf, size_t len)
{
	if (len > 0 && fread(buf, 1, len, rs.f) != len)
		give_up(EX_DATAERR, "the archive", "ends too early");
}

static void
unpack(const struct tar_file *e, const char *path)
{
	static uint8_t buf[64 << 10];
	char tmp[1100];
	uint64_t left = e->size;
	size_t n;
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s" NEW, path);
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		give_up(EX_CANTCREAT, tmp, strerror(errno));
	if ((rs.paths[rs.n++] = strdup(path)) == NULL)
		give_up(EX_OSERR, "memory", "none left");
	for (; left > 0; left -= n) {
		n = left < sizeof(buf) ? (size_t)left : sizeof(buf);
		read_or_give_up(buf, n);
		if (write(fd, buf, n) != (ssize_t)n)
			give_up(EX_IOERR, tmp, strerror(errno));
	}
	read_or_give_up(buf, tar_padding(e->size));
	if (has_dir(e->name, "store/") && rs.owned &&
	    fchown(fd, rs.uid, rs.gid) == -1)
		give_up(EX_NOPERM, tmp, strerror(errno));
	if (fsync(fd) == -1 || close(fd) == -1)
		give_up(EX_IOERR, tmp, strerror(errno));
	rs.bytes += e->size;
}

static void
unpack_all(void)
{
	uint8_t block[TAR_BLOCK];
	struct tar_file e;
	char path[1024];
	size_t room = 0;
	int rc;

	for (;;) {
		read_or_give_up(block, sizeof(block));
		if ((rc = tar_get(&e, block)) == 0)
			break;
		if (rc == -1 || !place_of(e.name, path))
			give_up(EX_DATAERR, "the archive",
			    "is no backup of ours, or damaged");
		if (!rs.force && access(path, F_OK) == 0)
			give_up(EX_CANTCREAT, path,
			    "exists; with force it is "
			    "replaced");
		if (rs.n == room) {
			room = room == 0 ? 64 : room * 2;
			rs.paths = room > ENTRIES_MAX
			    ? NULL
			    : reallocarray(rs.paths, room, sizeof(char *));
			if (rs.paths == NULL)
				die(EX_OSERR, "too many files");
		}
		unpack(&e, path);
		rs.has_db = rs.has_db || strcmp(e.name, "store/warren.db") == 0;
	}
	if (!rs.has_db)
		give_up(EX_DATAERR, "the archive", "has no database");
}

static void
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd != -1) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

static void
rename_all(void)
{
	char tmp[1100], dir[1024];
	char *slash;
	size_t i;

	/* The log of another database would be taken for this one's. */
	(void)snprintf(tmp, sizeof(tmp), "%s/store/warren.db-wal", conf.state);
	if (unlink(tmp) == -1 && errno != ENOENT)
		give_up(EX_NOPERM, tmp, strerror(errno));
	for (i = 0; i < rs.n; i++) {
		(void)snprintf(tmp, sizeof(tmp), "%s" NEW, rs.paths[i]);
		/* Gone: the archive named it twice, and it is in place. */
		if (rename(tmp, rs.paths[i]) == -1 && errno != ENOENT)
			die(EX_IOERR, "%s: %s; restore again, with force",
			    rs.paths[i], strerror(errno));
		(void)strlcpy(dir, rs.paths[i], sizeof(dir));
		if ((slash = strrchr(dir, '/')) != NULL)
			*slash = '\0';
		sync_dir(dir);
	}
}

static void
make_dirs(void)
{
	const struct passwd *pw =
	    geteuid() == 0 && conf.user[0] != '\0' ? getpwnam(conf.user) : NULL;
	char path[600];

	if (pw != NULL) {
		rs.owned = true;
		rs.uid = pw->pw_uid;
		rs.gid = pw->pw_gid;
	}
	make_dir(conf.state, geteuid() == 0 ? 0711 : 0700, false);
	(void)snprintf(path, sizeof(path), "%s/state", conf.state);
	make_dir(path, 0700, false);
	(void)snprintf(path, sizeof(path), "%s/store", conf.state);
	make_dir(path, 0700, true);
	(void)snprintf(path, sizeof(path), "%s/store/blocks", conf.state);
	make_dir(path, 0700, true);
}

int
act_restore(int argc, char **argv)
{
	const char *file = NULL;
	int i;

	if (argc < 1)
		die(EX_USAGE, "usage: warrenctl restore " RESTORE_ARGS);
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "force") == 0)
			rs.force = true;
		else if (strcmp(argv[i], "config") == 0 && i + 1 < argc)
			file = argv[++i];
		else
			die(EX_USAGE, "usage: warrenctl restore " RESTORE_ARGS);
	}
	read_config(file);
	must_not_run(conf.control);
	rs.f = strcmp(argv[0], "-") == 0 ? stdin : fopen(argv[0], "re");
	if (rs.f == NULL)
		die(EX_NOINPUT, "%s: %s", argv[0], strerror(errno));
	(void)umask(077);
	make_dirs();
	unpack_all();
	rename_all();
	if (cx.json)
		cx.data = json_pack("{s:I,s:I,s:s}", "files", (json_int_t)rs.n,
		    "bytes", (json_int_t)rs.bytes, "state", conf.state);
	else if (!cx.quiet)
		(void)printf("%zu files, %llu bytes, into %s\n", rs.n,
		    (unsigned long long)rs.bytes, conf.state);
	return 0;
}
