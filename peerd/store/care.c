/* SPDX-License-Identifier: ISC */
/*
 * Care of the files: at the start, folder by folder, what was left half
 * written is removed and rows are held against files; after that a few
 * megabytes a minute are read and hashed, for disks forget.  What is damaged
 * is withdrawn and fetched again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "peerd/store/bodies.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/placing.h"

#define DIRS        256
#define DIR_REST_MS 5
#define ROWS        64
#define SCRUB_BYTES BLOCK_SIZE_MAX /* read at a time, and one body more */
#define SCRUB_TICKS 6              /* and then a rest: a minute */
#define NAME_LEN    62

static struct {
	unsigned dir; /* the next; DIRS: all were seen */
	uint64_t adopted, removed, lost;
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

/* Hash what is there; false when it cannot be read.  Closes fd. */
static bool
hash_file(int fd, uint32_t size, struct manifest *man)
{
	static uint8_t chunk[BLOCK_CHUNK];
	bool good = true;
	unsigned i;

	man->size = size;
	for (i = 0; i < blocks_chunks(size) && good; i++) {
		size_t len = blocks_chunk_len(size, i);

		good = read(fd, chunk, len) == (ssize_t)len;
		blocks_hash_chunk(man->chunks[i], chunk, len);
	}
	(void)close(fd);
	return good;
}

static bool
is_of(const struct manifest *man, const uint8_t id[32])
{
	uint8_t is[32];

	blocks_id(is, man);
	return memcmp(is, id, 32) == 0;
}

bool
care_manifest(const uint8_t id[32], struct manifest *man)
{
	uint32_t size;
	int fd = bodies_open(id, &size);

	if (fd == -1)
		return false;
	if (!hash_file(fd, size, man)) {
		care_lost(id, "its file cannot be read");
		return false;
	}
	if (is_of(man, id))
		return true;
	care_lost(id, "its file has changed");
	return false;
}

/* --- at the start --- */

/* The id a file name stands for; false when it is none of ours. */
static bool
id_of(uint8_t id[32], unsigned dir, const char *name)
{
	size_t len;

	id[0] = (uint8_t)dir;
	return strlen(name) == NAME_LEN &&
	    sodium_hex2bin(id + 1, 31, name, NAME_LEN, NULL, &len, NULL) == 0 &&
	    len == 31;
}

/*
 * A file without a row is kept when it is whole: its commit was lost, or the
 * database was.
 */
static bool
adopt(const uint8_t id[32], uint64_t *bytes)
{
	struct manifest man;
	struct stat st;
	int fd = bodies_open_file(id);

	if (fd == -1)
		return false;
	if (fstat(fd, &st) == -1 || st.st_size < 1 ||
	    st.st_size > BLOCK_SIZE_MAX) {
		(void)close(fd);
		return false;
	}
	*bytes += (uint64_t)st.st_size;
	if (!hash_file(fd, (uint32_t)st.st_size, &man) || !is_of(&man, id) ||
	    bodies_adopt(id, man.size) != SQL_OK)
		return false;
	start.adopted++;
	return true;
}

/* False when there is more to do, for this was enough in one go. */
static bool
sweep_files(unsigned dir)
{
	char path[sizeof(BLOCKS_DIR) + 3];
	const struct dirent *e;
	uint64_t bytes = 0;
	uint8_t id[32];
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%02x", BLOCKS_DIR, dir);
	if ((d = opendir(path)) == NULL)
		return true;
	while (bytes < BLOCK_SIZE_MAX && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' ||
		    (id_of(id, dir, e->d_name) &&
			(bodies_is_held(id) || adopt(id, &bytes))))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0)
			start.removed++;
	}
	(void)closedir(d);
	return bytes < BLOCK_SIZE_MAX;
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
	if (sweep_files(start.dir)) {
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
