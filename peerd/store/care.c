/* SPDX-License-Identifier: ISC */
/*
 * Care of the files: at the start, folder by folder, what was left half
 * written is removed and rows are held against files; after that a few
 * megabytes a minute are read and hashed, for disks forget.  What is damaged
 * is withdrawn and fetched again.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "peerd/store/bodies.h"
#include "peerd/store/bodyfile.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/placing.h"

#define DIRS        256
#define DIR_REST_MS 5
#define FILE_BYTES  4096 /* what a look at a file costs at least */
#define ROWS        64
#define SCRUB_BYTES BLOCK_SIZE_MAX /* read at a time, and one body more */
#define SCRUB_TICKS 6              /* and then a rest: a minute */

static struct {
	unsigned dir; /* the next; DIRS: all were seen */
	DIR *d;       /* it, while it is being read */
	uint64_t adopted, removed, lost, kept;
	enum sql_rc refused; /* a row was refused for this reason */
	struct event *timer;
} start;
static uint8_t scrub_after[32];

/* --- damage --- */

void
care_lost(const uint8_t id[32], const char *why)
{
	char hex[65];

	/* Once: its row is gone after this. */
	log_warn("block %s: %s; forgotten, to be fetched again",
	    sodium_bin2hex(hex, sizeof(hex), id, 32), why);
	store.n.blocks_damaged++;
	serve_forget(id);
	if (bodies_drop(id) == SQL_OK && store.conf.fetch)
		(void)fetchers_want(id, false);
}

bool
care_manifest(const uint8_t id[32], struct manifest *man)
{
	uint32_t size;
	int fd = bodies_open(id, &size);

	if (fd == -1)
		return false;
	if (!bodyfile_hash(fd, size, man)) {
		care_lost(id, "its file cannot be read");
		return false;
	}
	if (bodyfile_is_of(man, id))
		return true;
	care_lost(id, "its file has changed");
	return false;
}

/* --- at the start --- */

/*
 * It could not be told whether a file is one of ours, or it could not be given
 * its row: it stays, and the next start looks again.
 */
static void
keep_file(const struct bodyfile_look *look, const char *why)
{
	char hex[65];

	if (start.kept++ == 0)
		log_warn("block %s: %s; its file stays as it is",
		    sodium_bin2hex(hex, sizeof(hex), look->id, 32), why);
}

/* A disk that refused one row is not asked for the next. */
static void
adopt(const struct bodyfile_look *look)
{
	if (start.refused == SQL_OK)
		start.refused = bodies_adopt(look->id, look->size);
	if (start.refused == SQL_OK)
		start.adopted++;
	else
		keep_file(look, sql_rc_name(start.refused));
}

static void
sweep_file(const char *name, uint64_t *bytes)
{
	struct bodyfile_look look;
	int in = dirfd(start.d);

	switch (
	    bodyfile_look(&look, recstore_sql(store.rs), start.dir, in, name)) {
	case BODYFILE_WHOLE:
		adopt(&look);
		break;
	case BODYFILE_UNKNOWN:
		keep_file(&look, look.why);
		break;
	case BODYFILE_REMOVE:
		if (unlinkat(in, name, 0) == 0)
			start.removed++;
		break;
	case BODYFILE_HELD:
	case BODYFILE_FOREIGN:
		break;
	}
	*bytes += look.read + FILE_BYTES;
}

/* False when there is more to do, for this was enough in one go: the folder
 * stays open, so that no file is read twice. */
static bool
sweep_files(void)
{
	char path[sizeof(BLOCKS_DIR) + 3];
	const struct dirent *e;
	uint64_t bytes = 0;

	(void)snprintf(path, sizeof(path), "%s/%02x", BLOCKS_DIR, start.dir);
	if (start.d == NULL && (start.d = opendir(path)) == NULL)
		return true;
	while (bytes < BLOCK_SIZE_MAX) {
		if ((e = readdir(start.d)) == NULL) {
			(void)closedir(start.d);
			start.d = NULL;
			return true;
		}
		if (e->d_name[0] != '.')
			sweep_file(e->d_name, &bytes);
	}
	return false;
}

/* Rows without a file, or with one of another size. */
static void
sweep_rows(unsigned dir)
{
	static struct sql_body b[ROWS];
	uint8_t after[32];
	uint64_t before = store.n.blocks_damaged;
	uint32_t size;
	size_t n, i;
	int fd;

	/* The last id before this folder's first. */
	memset(after, 0xff, sizeof(after));
	after[0] = (uint8_t)(dir - 1);
	if (dir == 0)
		memset(after, 0, sizeof(after));
	do {
		if (sql_body_list(recstore_sql(store.rs), after, b, ROWS, &n) !=
		    SQL_OK)
			return;
		for (i = 0; i < n && b[i].id[0] == dir; i++) {
			memcpy(after, b[i].id, 32);
			if ((fd = bodies_open(b[i].id, &size)) != -1)
				(void)close(fd);
		}
	} while (i == ROWS);
	start.lost += store.n.blocks_damaged - before;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	if (store.rs == NULL || start.dir == DIRS)
		return;
	if (sweep_files()) {
		sweep_rows(start.dir);
		start.dir++;
	}
	if (start.dir < DIRS) {
		child_timer_set(start.timer, mono_add_ms(now, DIR_REST_MS),
		    now);
		return;
	}
	if (start.adopted + start.removed + start.lost > 0)
		log_info("blocks: %llu bodies without a row taken in, %llu "
			 "left-over files removed, %llu bodies lost",
		    (unsigned long long)start.adopted,
		    (unsigned long long)start.removed,
		    (unsigned long long)start.lost);
	if (start.kept > 0)
		log_warn("blocks: %llu files stay without being held; see "
			 "warren-store(8)",
		    (unsigned long long)start.kept);
}

void
care_start(void)
{
	struct mono now = mono_now();

	start.timer = child_timer(on_timer, NULL);
	child_timer_set(start.timer, now, now);
}

/* --- the scrub --- */

void
care_tick(void)
{
	static struct sql_body b[ROWS];
	struct manifest man;
	static unsigned ticks;
	uint64_t bytes = 0;
	size_t n, i;

	if (start.dir < DIRS || ++ticks % SCRUB_TICKS != 0 ||
	    sql_body_list(recstore_sql(store.rs), scrub_after, b, ROWS, &n) !=
		SQL_OK)
		return;
	for (i = 0; i < n && bytes < SCRUB_BYTES; i++) {
		memcpy(scrub_after, b[i].id, 32);
		bytes += b[i].size;
		(void)care_manifest(b[i].id, &man);
	}
	if (i == n && n < ROWS)
		memset(scrub_after, 0, sizeof(scrub_after));
}
