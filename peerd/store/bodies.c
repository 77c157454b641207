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
#include "peerd/store/fetchers.h"
#include "peerd/store/placing.h"

#define ANNOUNCERS     4      /* looked at; any will do */
#define UPLOAD_IDLE_MS 60000  /* then its place may be taken */
#define CTL_PART       131072 /* bytes of a body in one message */

#define PATH_LEN (sizeof(BLOCKS_DIR) + 1 + 2 + 1 + 62 + 5)

/* A body on its way from apid or warrenctl. */
static struct upload {
	struct ipc *ch; /* NULL: free */
	uint32_t id;    /* of apid's request */
	uint64_t token; /* of warrenctl's, whose parts are requests each */
	uint32_t size, have;
	uint8_t *body;
	struct mono last; /* part that came */
} uploads[UPLOADS_MAX];

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
	n = recstore_keys(
	    store.rs, prefix, 128, NULL, false, keys, ANNOUNCERS);
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

int
bodies_open_file(const uint8_t id[32])
{
	char path[PATH_LEN];

	path_of(path, id, "");
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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

/* --- requests --- */

static struct upload *
upload_of(const struct asker *a, uint64_t token)
{
	struct upload *u;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++)
		if (u->ch == a->ch && u->token == token &&
		    u->id == (a->ctl ? 0 : a->id))
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

/* A free place; that of an upload nobody goes on with, if need be. */
static struct upload *
upload_slot(struct mono now)
{
	struct upload *u, *oldest = uploads;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++) {
		if (u->ch == NULL)
			return u;
		if (mono_before(u->last, oldest->last))
			oldest = u;
	}
	if (mono_ms_between(oldest->last, now) < UPLOAD_IDLE_MS)
		return NULL;
	upload_end(oldest);
	return oldest;
}

static struct upload *
upload_begin(const struct asker *a, uint64_t token, uint32_t size)
{
	struct upload *u = upload_slot(mono_now());

	if (u == NULL || (u->body = malloc(size)) == NULL)
		return NULL;
	u->ch = a->ch;
	u->id = a->ctl ? 0 : a->id;
	u->token = token;
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
	if (rc != SQL_OK) {
		api_fail(a, DB_F_DISK, sql_rc_name(rc));
		return;
	}
	(void)ipc_send(a->ch, a->ctl ? CTL_BLOCK_ID : DB_ID, a->id, &out);
	if (a->ctl)
		child_ctl_end(a->ch, a->id, 0, "%s", "");
}

/* One part; q's token is 0 for apid. */
static void
take_part(const struct asker *a, const struct msg_ctl_block_put *q)
{
	struct upload *u = upload_of(a, q->token);

	if (q->size == 0 || q->size > BLOCK_SIZE_MAX) {
		api_fail(a, DB_F_TOO_LARGE, "a block has 1 byte to 4 MiB");
		return;
	}
	if (u == NULL && q->off == 0 &&
	    (u = upload_begin(a, q->token, q->size)) == NULL) {
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
	if (q->data.len > 0)
		memcpy(u->body + u->have, q->data.p, q->data.len);
	u->have += q->data.len;
	u->last = mono_now();
	if (u->have < u->size) {
		if (a->ctl)
			child_ctl_end(a->ch, a->id, 0, "%s", "");
		return;
	}
	upload_done(a, u);
	upload_end(u);
}

void
bodies_put_part(const struct asker *a, const struct msg_db_block_put *q)
{
	const struct msg_ctl_block_put part = { .size = q->size,
		.off = q->off,
		.data = { q->data.p, q->data.len } };

	take_part(a, &part);
}

void
bodies_ctl_put(const struct asker *a, const struct msg_ctl_block_put *q)
{
	take_part(a, q);
}

/* --- reading --- */

/* From off on, as much as one message holds. */
static void
answer_part(const struct asker *a, int fd, uint32_t size, uint32_t off)
{
	static uint8_t data[CTL_PART];
	struct msg_ctl_block_part out = { .size = size, .off = off };
	uint32_t left = off < size ? size - off : 0;
	ssize_t n = pread(fd, data, left < CTL_PART ? left : CTL_PART, off);

	(void)close(fd);
	if (n < 0 || (n == 0 && left > 0)) {
		api_fail(a, DB_F_DISK, "the body cannot be read");
		return;
	}
	out.data.p = data;
	out.data.len = (uint32_t)n;
	(void)ipc_send(a->ch, CTL_BLOCK_PART, a->id, &out);
	child_ctl_end(a->ch, a->id, 0, "%s", "");
}

/* False, and not answered, when it is not here. */
static bool
answer_held(const struct asker *a, const uint8_t id[32], uint32_t off)
{
	struct msg_db_block out;
	int fd;

	memcpy(out.id, id, 32);
	if ((fd = bodies_open(id, &out.size)) == -1)
		return false;
	if (!a->ctl || off == 0) {
		store.n.blocks_read++;
		warmth_read(id);
	}
	if (a->ctl)
		answer_part(a, fd, out.size, off);
	else
		(void)ipc_send_fd(a->ch, DB_BLOCK, a->id, &out, fd, -1);
	return true;
}

void
bodies_answer(const struct asker *a, const uint8_t id[32], uint32_t off)
{
	if (!answer_held(a, id, off))
		api_fail(a, DB_F_NOT_FOUND, "the block is not held here");
}

/* It is here, or can be; else say why not. */
static void
give(const struct asker *a, const uint8_t id[32], bool fetch, uint32_t off)
{
	if (answer_held(a, id, off))
		return;
	if (!fetch)
		api_fail(a, DB_F_NOT_FOUND, "the block is not held here");
	else if (!bodies_is_announced(id, NULL))
		api_fail(a, DB_F_NOT_FOUND, "no record announces this block");
	else if (!fetchers_wait(a, id, off))
		api_fail(a, DB_F_BUSY, "too many requests wait for blocks");
}

void
bodies_give(const struct asker *a, const struct msg_db_block_get *q)
{
	give(a, q->id, q->fetch, 0);
}

void
bodies_ctl_get(const struct asker *a, const struct msg_ctl_block_get *q)
{
	give(a, q->id, q->fetch, q->off);
}

static uint8_t
word_of(const uint8_t id[32], bool fetch)
{
	if (bodies_is_held(id))
		return 'h';
	if (fetchers_is_wanted(id))
		return 'f';
	if (!bodies_is_announced(id, NULL))
		return 'u';
	return fetch && fetchers_want(id, true) ? 'f' : 'm';
}

void
bodies_have(const struct asker *a, const struct msg_db_have *q)
{
	static uint8_t words[1000];
	struct msg_db_have_is out = { .words = { words, q->n_ids } };
	size_t i;

	for (i = 0; i < q->n_ids; i++)
		words[i] = word_of(q->ids[i].id, q->fetch);
	(void)ipc_send(a->ch, DB_HAVE_IS, a->id, &out);
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
