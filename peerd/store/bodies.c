/* SPDX-License-Identifier: ISC */
/*
 * Block bodies on disk, as promised in bodies.h.
 */
#include "peerd/store/bodies.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/write_all.h"
#include "peerd/store/bodyfile.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/placing.h"

#define ANNOUNCERS 4 /* looked at; any will do */

#define PATH_LEN (sizeof(BLOCKS_DIR) + 1 + 2 + 1 + 62 + 5)

/* What is held, counted once and kept up to date. */
static struct {
	bool known;
	uint64_t n, bytes;
} held;

static void
count_held(void)
{
	if (!held.known)
		held.known = sql_body_totals(recstore_sql(store.rs), &held.n,
				 &held.bytes) == SQL_OK;
}

static void
path_of(char path[PATH_LEN], const uint8_t id[32], const char *suffix)
{
	char hex[65];

	(void)sodium_bin2hex(hex, sizeof(hex), id, 32);
	(void)snprintf(path, PATH_LEN, "%s/%.2s/%s%s", BLOCKS_DIR, hex, hex + 2,
	    suffix);
}

static void
dir_of(char path[PATH_LEN], const uint8_t id[32])
{
	(void)snprintf(path, PATH_LEN, "%s/%02x", BLOCKS_DIR, id[0]);
}

void
bodies_prefix(uint8_t prefix[32], uint8_t kind, const uint8_t id[32])
{
	struct rec rec = { .kind = kind, .subject_len = 32 };

	memcpy(rec.subject, id, 32);
	rec_key(prefix, &rec, store.charter.netid);
}

bool
bodies_is_announced(const uint8_t id[32], uint32_t *size)
{
	static struct recstore_rec r;
	uint8_t prefix[32], keys[ANNOUNCERS][32];
	struct mtree_entry e[ANNOUNCERS];
	struct rec rec;
	size_t n, i;

	bodies_prefix(prefix, REC_BLOCK, id);
	n = mtree_list(recstore_tree(store.rs), MTREE_CURRENT, prefix, 128,
	    NULL, e, ANNOUNCERS);
	for (i = 0; i < n; i++)
		if (e[i].w > 0) { /* one that is withdrawn weighs nothing */
			if (size != NULL)
				*size = (uint32_t)e[i].w;
			return true;
		}
	/* Not settled: written a moment ago, perhaps.  This is slower. */
	n = recstore_keys(store.rs, prefix, 128, NULL, false, keys, ANNOUNCERS);
	for (i = 0; i < n; i++) {
		if (recstore_get(store.rs, keys[i], false, &r) != SQL_OK ||
		    rec_decode(&rec, &store.charter, r.raw, r.raw_len) !=
			REC_OK ||
		    (rec.flags & REC_TOMBSTONE) != 0)
			continue;
		if (size != NULL)
			*size = (uint32_t)rec.w;
		return true;
	}
	return false;
}

enum sql_rc
bodies_row(const uint8_t id[32])
{
	struct sql_body b;

	return sql_body_get(recstore_sql(store.rs), id, &b);
}

bool
bodies_is_held(const uint8_t id[32])
{
	return bodies_row(id) == SQL_OK;
}

int
bodies_open(const uint8_t id[32], uint32_t *size)
{
	char path[PATH_LEN];
	struct sql_body b;
	struct stat st;
	int fd;

	if (sql_body_get(recstore_sql(store.rs), id, &b) != SQL_OK)
		return -1;
	path_of(path, id, "");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 && errno != ENOENT) { /* too many files, no rights */
		log_warn("block %s: %s", path, strerror(errno));
		return -1;
	}
	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size != (off_t)b.size) {
		if (fd != -1)
			(void)close(fd);
		care_lost(id,
		    fd == -1 ? "its file is gone"
			     : "its file has another size");
		return -1;
	}
	*size = b.size;
	return fd;
}

/* --- keeping --- */

static enum sql_rc
rc_of_errno(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SQL_FULL
	    : errno == EROFS || errno == EACCES ? SQL_READONLY
						: SQL_IO;
}

static bool
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd != -1 && fsync(fd) == 0;

	if (fd != -1)
		(void)close(fd);
	return good;
}

static enum sql_rc
write_file(const uint8_t id[32], const void *body, uint32_t size)
{
	char path[PATH_LEN], tmp[PATH_LEN], dir[PATH_LEN];
	enum sql_rc rc = SQL_OK;
	int fd;

	dir_of(dir, id);
	path_of(path, id, "");
	path_of(tmp, id, BODYFILE_NEW);
	if (mkdir(dir, 0700) == 0) {
		if (!sync_dir(BLOCKS_DIR))
			return rc_of_errno();
	} else if (errno != EEXIST) {
		return rc_of_errno();
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return rc_of_errno();
	if (write_all(fd, body, size) == -1 || fsync(fd) == -1)
		rc = rc_of_errno();
	(void)close(fd);
	if (rc == SQL_OK && (rename(tmp, path) == -1 || !sync_dir(dir)))
		rc = rc_of_errno();
	if (rc != SQL_OK)
		(void)unlink(tmp);
	return rc;
}

static enum sql_rc
write_row(const uint8_t id[32], uint32_t size)
{
	struct sql *db = recstore_sql(store.rs);
	struct sql_body b = { .size = size,
		.since = (uint64_t)wall_now().ms / 1000 };
	enum sql_rc rc;

	writes_commit(); /* a transaction of its own */
	memcpy(b.id, id, 32);
	if ((rc = sql_begin(db)) != SQL_OK)
		return rc;
	if ((rc = sql_body_put(db, &b)) == SQL_OK)
		rc = sql_commit(db);
	if (rc != SQL_OK)
		sql_rollback(db);
	held.known = held.known && rc == SQL_OK;
	held.n++;
	held.bytes += size;
	return rc;
}

uint64_t
bodies_room(void)
{
	count_held();
	return held.known && held.bytes < store.conf.bodies_max
	    ? store.conf.bodies_max - held.bytes
	    : 0;
}

enum sql_rc
bodies_keep(const uint8_t id[32], const void *body, uint32_t size)
{
	enum sql_rc rc;

	if (bodies_is_held(id))
		return SQL_OK;
	if (size > bodies_room())
		return SQL_FULL;
	if ((rc = write_file(id, body, size)) != SQL_OK ||
	    (rc = write_row(id, size)) != SQL_OK) {
		store_disk(rc, "keeping a block");
		return rc;
	}
	(void)own_say(REC_LOCATION, id, 32, false, 0, NULL, 0);
	return SQL_OK;
}

enum sql_rc
bodies_adopt(const uint8_t id[32], uint32_t size)
{
	enum sql_rc rc = write_row(id, size);

	if (rc == SQL_OK)
		(void)own_say(REC_LOCATION, id, 32, false, 0, NULL, 0);
	return rc;
}

enum sql_rc
bodies_drop(const uint8_t id[32])
{
	struct sql *db = recstore_sql(store.rs);
	char path[PATH_LEN];
	enum sql_rc rc;

	writes_commit();
	if ((rc = sql_begin(db)) != SQL_OK)
		return rc;
	if ((rc = sql_body_delete(db, id)) == SQL_OK)
		rc = sql_commit(db);
	if (rc != SQL_OK) {
		sql_rollback(db);
		return rc;
	}
	held.known = false; /* rare enough to be counted anew */
	path_of(path, id, "");
	(void)unlink(path);
	serve_forget(id);
	(void)own_say(REC_LOCATION, id, 32, true, 0, NULL, 0);
	return SQL_OK;
}

void
bodies_state(struct msg_db_state *s)
{
	count_held();
	s->bodies = held.n;
	s->body_bytes = held.bytes;
	s->below_r = placing_below();
	s->fetching = fetchers_wanted();
}
