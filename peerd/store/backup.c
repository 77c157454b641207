/* SPDX-License-Identifier: ISC */
/*
 * Our part of a backup: a copy of the database, consistent though writing
 * goes on, then block bodies when they are wanted, into a descriptor that
 * came from warrenctl by way of warrend, who wrote the first entries.  Little
 * by little on a timer, as ticks and commits must not wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/tar.h"
#include "peerd/store/bodies.h"
#include "peerd/store/store.h"

#define COPY_FILE  "backup.db"
#define COPY_PAGES 256        /* in one go: 2 MiB */
#define PART       (1u << 20) /* of a file, in one go */
#define REST_MS    1

enum phase { IDLE, COPY, STREAM };

static struct {
	enum phase phase;
	struct ipc *ch;
	uint32_t id;
	int to; /* the archive */
	bool bodies;
	struct sql_copy *copy;
	int from; /* the file being put in */
	uint64_t left, size;
	bool begun; /* bodies: last is set */
	uint8_t last[32];
	uint64_t files;
} job = { .to = -1, .from = -1 };

static struct event *timer;

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

static void
finish(uint8_t code, const char *text)
{
	off_t size = lseek(job.to, 0, SEEK_CUR);

	if (job.copy != NULL)
		sql_copy_end(job.copy);
	job.copy = NULL;
	close_fd(&job.from);
	close_fd(&job.to);
	(void)unlink(COPY_FILE);
	job.phase = IDLE;
	if (code == 0)
		child_ctl_end(job.ch, job.id, 0,
		    "%lld bytes, the database and %llu bodies", (long long)size,
		    (unsigned long long)job.files - 1);
	else
		child_ctl_end(job.ch, job.id, code, "backup: %s", text);
	log_info("backup %s", code == 0 ? "made" : text);
}

static bool
write_all(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	ssize_t n;

	while (len > 0) {
		n = write(job.to, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Begin with a file, which is ours now: its header, its bytes in parts. */
static bool
begin_file(const char *name, int fd)
{
	struct tar_file f = { .mode = 0600,
		.mtime = (uint64_t)wall_now().ms / 1000 };
	uint8_t block[TAR_BLOCK];
	struct stat st;

	close_fd(&job.from);
	job.from = fd;
	if (job.from == -1 || fstat(job.from, &st) == -1)
		return false;
	job.left = job.size = f.size = (uint64_t)st.st_size;
	job.files++;
	(void)snprintf(f.name, sizeof(f.name), "%s", name);
	return tar_put(block, &f) && write_all(block, TAR_BLOCK);
}

/* The next body that is there to be read; false when none is left. */
static bool
next_body(bool *good)
{
	char hex[65], name[TAR_NAME_MAX];
	struct sql_body b;
	size_t n = 0;
	uint32_t size;
	int fd;

	*good = true;
	while (job.bodies &&
	    sql_body_list(recstore_sql(store.rs), job.begun ? job.last : NULL,
		&b, 1, &n) == SQL_OK &&
	    n == 1) {
		job.begun = true;
		memcpy(job.last, b.id, 32);
		if ((fd = bodies_open(b.id, &size)) == -1)
			continue; /* told in the log, and not here any more */
		(void)sodium_bin2hex(hex, sizeof(hex), b.id, 32);
		(void)snprintf(name, sizeof(name), "store/%s/%.2s/%s",
		    BLOCKS_DIR, hex, hex + 2);
		*good = begin_file(name, fd);
		return true;
	}
	return false;
}

static void
copy_on(void)
{
	enum sql_rc rc;

	writes_commit();
	rc = sql_copy_step(job.copy, COPY_PAGES);
	if (rc == SQL_NONE)
		return;
	if (rc == SQL_OK)
		rc = sql_copy_end(job.copy);
	else
		(void)sql_copy_end(job.copy);
	job.copy = NULL;
	job.phase = STREAM;
	if (rc != SQL_OK)
		finish(EX_IOERR, sql_rc_name(rc));
	else if (!begin_file("store/" STORE_FILE,
		     open(COPY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)))
		finish(EX_IOERR, strerror(errno));
}

static void
stream_on(void)
{
	static uint8_t buf[PART];
	static const uint8_t zero[TAR_BLOCK * 2];
	size_t want = job.left < PART ? (size_t)job.left : PART;
	ssize_t n = want == 0 ? 0 : read(job.from, buf, want);
	bool good = true;

	if (n < 0 || (n == 0 && want > 0) || !write_all(buf, (size_t)n)) {
		finish(EX_IOERR,
		    n < 0 ? strerror(errno)
			  : "a file became "
			    "shorter, or the archive cannot be written");
		return;
	}
	job.left -= (uint64_t)n;
	if (job.left > 0)
		return;
	if (!write_all(zero, tar_padding(job.size))) {
		finish(EX_IOERR, strerror(errno));
	} else if (next_body(&good)) {
		if (!good)
			finish(EX_IOERR, strerror(errno));
	} else if (!write_all(zero, sizeof(zero)) || fsync(job.to) == -1) {
		finish(EX_IOERR, strerror(errno));
	} else {
		finish(0, "");
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	if (job.phase == COPY)
		copy_on();
	else if (job.phase == STREAM)
		stream_on();
	if (job.phase != IDLE)
		child_timer_set(timer, mono_add_ms(now, REST_MS), now);
}

void
ctl_backup(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_backup *q = m->body;
	struct mono now = mono_now();
	enum sql_rc rc;

	if (store.rs == NULL || job.phase != IDLE) {
		(void)close(m->fd[0]);
		child_ctl_end(ch, m->id,
		    store.rs == NULL ? EX_IOERR : EX_TEMPFAIL, "%s",
		    store.rs == NULL ? store.problem : "a backup is running");
		return;
	}
	memset(&job, 0, sizeof(job));
	job.from = -1;
	job.to = m->fd[0];
	job.ch = ch;
	job.id = m->id;
	job.bodies = q->bodies;
	job.phase = COPY;
	(void)unlink(COPY_FILE);
	rc = sql_copy_begin(&job.copy, recstore_sql(store.rs), COPY_FILE, NULL);
	if (rc != SQL_OK)
		finish(EX_IOERR, sql_rc_name(rc));
	else
		child_timer_set(timer, now, now);
}

void
backup_start(void)
{
	timer = child_timer(on_timer, NULL);
	(void)unlink(COPY_FILE); /* one that was cut short */
}
