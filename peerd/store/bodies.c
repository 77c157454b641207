/* SPDX-License-Identifier: ISC */
/*
 * Block bodies on disk, as promised in bodies.h.
 */
#include "peerd/store/bodies.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "peerd/blocks.h"

#define PATH_LEN (sizeof(BLOCKS_DIR) + 1 + 2 + 1 + 62 + 5)

/* A body on its way from apid. */
static struct upload {
	struct ipc *ch; /* NULL: free */
	uint32_t id, size, have;
	uint8_t *body;
} uploads[UPLOADS_MAX];

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
	uint8_t prefix[32], key[1][32];
	struct rec rec;

	bodies_prefix(prefix, REC_BLOCK, id);
	if (recstore_keys(store.rs, prefix, 128, NULL, false, key, 1) == 0 ||
	    recstore_get(store.rs, key[0], false, &r) != SQL_OK ||
	    rec_decode(&rec, &store.charter, r.raw, r.raw_len) != REC_OK)
		return false;
	if (size != NULL)
		*size = (uint32_t)rec.w;
	return true;
}

bool
bodies_is_held(const uint8_t id[32])
{
	struct sql_body b;

	return sql_body_get(recstore_sql(store.rs), id, &b) == SQL_OK;
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
	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size != (off_t)b.size) {
		log_warn("block %s: %s", path,
		    fd == -1 ? strerror(errno) : "the file has another size");
		if (fd != -1)
			(void)close(fd);
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
	    : errno == EROFS || errno == EACCES                     ? SQL_READONLY
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

static bool
write_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t did;

	while (n > 0) {
		did = write(fd, p, n);
		if (did == -1 && errno == EINTR)
			continue;
		if (did <= 0)
			return false;
		p += did;
		n -= (size_t)did;
	}
	return true;
}

static enum sql_rc
write_file(const uint8_t id[32], const void *body, uint32_t size)
{
	char path[PATH_LEN], tmp[PATH_LEN], dir[PATH_LEN];
	enum sql_rc rc = SQL_OK;
	int fd;

	dir_of(dir, id);
	path_of(path, id, "");
	path_of(tmp, id, ".new");
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
	if (!write_all(fd, body, size) || fsync(fd) == -1)
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
	return rc;
}

enum sql_rc
bodies_keep(const uint8_t id[32], const void *body, uint32_t size)
{
	uint64_t n, bytes;
	enum sql_rc rc;

	if (bodies_is_held(id))
		return SQL_OK;
	rc = sql_body_totals(recstore_sql(store.rs), &n, &bytes);
	if (rc == SQL_OK && bytes + size > store.conf.bodies_max)
		return SQL_FULL;
	if (rc != SQL_OK || (rc = write_file(id, body, size)) != SQL_OK ||
	    (rc = write_row(id, size)) != SQL_OK) {
		store_disk(rc, "keeping a block");
		return rc;
	}
	(void)own_say(REC_LOCATION, id, 32, false, 0, NULL, 0);
	return SQL_OK;
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
	path_of(path, id, "");
	(void)unlink(path);
	(void)own_say(REC_LOCATION, id, 32, true, 0, NULL, 0);
	return SQL_OK;
}

/* --- requests --- */

static struct upload *
upload_of(const struct asker *a)
{
	struct upload *u;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++)
		if (u->ch == a->ch && u->id == a->id)
			return u;
	return NULL;
}

static void
upload_end(struct upload *u)
{
	free(u->body);
	memset(u, 0, sizeof(*u));
}

void
bodies_forget(const struct ipc *ch)
{
	struct upload *u;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++)
		if (u->ch == ch)
			upload_end(u);
}

static struct upload *
upload_begin(const struct asker *a, uint32_t size)
{
	struct upload *u;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++)
		if (u->ch == NULL)
			break;
	if (u == uploads + UPLOADS_MAX || (u->body = malloc(size)) == NULL)
		return NULL;
	u->ch = a->ch;
	u->id = a->id;
	u->size = size;
	return u;
}

static void
upload_done(const struct asker *a, struct upload *u)
{
	struct manifest m;
	struct msg_db_id out;
	enum sql_rc rc;

	blocks_manifest(&m, u->body, u->size);
	blocks_id(out.id, &m);
	if (!bodies_is_announced(out.id, NULL)) {
		api_fail(a, DB_F_BAD,
		    "no block record announces this body: put that first");
		return;
	}
	rc = bodies_keep(out.id, u->body, u->size);
	if (rc == SQL_OK)
		(void)ipc_send(a->ch, DB_ID, a->id, &out);
	else
		api_fail(a, DB_F_DISK, sql_rc_name(rc));
}

void
bodies_put_part(const struct asker *a, const struct msg_db_block_put *q)
{
	struct upload *u = upload_of(a);

	if (q->size == 0 || q->size > BLOCK_SIZE_MAX) {
		api_fail(a, DB_F_TOO_LARGE, "a block has 1 byte to 4 MiB");
		return;
	}
	if (u == NULL && q->off == 0 && (u = upload_begin(a, q->size)) == NULL) {
		api_fail(a, DB_F_BUSY, "too many bodies at a time");
		return;
	}
	if (u == NULL || q->size != u->size || q->off != u->have ||
	    q->data.len > u->size - u->have) {
		if (u != NULL)
			upload_end(u);
		api_fail(a, DB_F_BAD, "parts of a body out of order");
		return;
	}
	memcpy(u->body + u->have, q->data.p, q->data.len);
	u->have += q->data.len;
	if (u->have < u->size)
		return;
	upload_done(a, u);
	upload_end(u);
}

void
bodies_give(const struct asker *a, const struct msg_db_block_get *q)
{
	struct msg_db_block out;
	int fd;

	memcpy(out.id, q->id, 32);
	fd = bodies_open(q->id, &out.size);
	if (fd == -1) {
		api_fail(a, DB_F_NOT_FOUND, "the block is not held here");
		return;
	}
	store.n.blocks_served++;
	(void)ipc_send_fd(a->ch, DB_BLOCK, a->id, &out, fd, -1);
}

void
bodies_have(const struct asker *a, const struct msg_db_have *q)
{
	static uint8_t words[1000];
	struct msg_db_have_is out = { .words = { words, q->n_ids } };
	size_t i;

	for (i = 0; i < q->n_ids; i++)
		words[i] = bodies_is_held(q->ids[i].id)        ? 'h'
		    : bodies_is_announced(q->ids[i].id, NULL) ? 'm'
							       : 'u';
	(void)ipc_send(a->ch, DB_HAVE_IS, a->id, &out);
}

void
bodies_state(struct msg_db_state *s)
{
	(void)sql_body_totals(
	    recstore_sql(store.rs), &s->bodies, &s->body_bytes);
}
