/* SPDX-License-Identifier: ISC */
/*
 * A disk in memory for SQLite that fails as disks do.  What was written and
 * not synced may be lost, kept or torn at the sector when the power goes;
 * writes and syncs fail when told to, and so may the disk be full.  One
 * thread, no locks.  Deterministic: all chances come from the caller's seed.
 *
 * There may be several disks, each with faults of its own: define FAULT_DISKS
 * before including this, and a file named "3/x" lies on disk 3.  Any other
 * name lies on disk 0, which is called fault below.
 */
#ifndef WARREN_TESTS_FAULTVFS_H
#define WARREN_TESTS_FAULTVFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FAULT_DISKS
#define FAULT_DISKS 1
#endif
#define FAULT_FILES  (8 * FAULT_DISKS)
#define FAULT_SECTOR 512

/* A write or truncation that is not on the platter yet. */
struct fault_op {
	struct fault_op *next;
	sqlite3_int64 off; /* of a truncation: the new size */
	int len;           /* -1: truncation */
	uint8_t data[];
};

struct fault_bytes {
	uint8_t *p;
	sqlite3_int64 len, cap;
};

struct fault_disk;

static struct fault_file {
	char name[128];
	bool used;
	struct fault_disk *on;
	struct fault_bytes now, disk; /* as seen, as it would survive */
	struct fault_op *first, **last;
} fault_files[FAULT_FILES];

static struct fault_disk {
	uint64_t seed;
	/* Operations until the power goes; 0: it stays. */
	uint64_t until_crash, ops;
	bool dead;          /* the power is gone: everything fails */
	unsigned full_1000; /* chances of a write to meet a full disk, */
	unsigned io_1000;   /* and of a write or sync to fail */
	uint64_t faults;
} fault_disks[FAULT_DISKS];

#define fault fault_disks[0]

struct fault_handle {
	sqlite3_file base;
	struct fault_file *f;
};

static uint32_t
fault_rng(struct fault_disk *d, uint32_t n)
{
	d->seed = d->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(d->seed >> 33) % n;
}

static struct fault_disk *
fault_disk_of(const char *name)
{
	unsigned i = (unsigned)(name[0] - '0');

	return name[0] != '\0' && name[1] == '/' && i < FAULT_DISKS
	    ? &fault_disks[i]
	    : &fault;
}

static void
fault_grow(struct fault_bytes *b, sqlite3_int64 len)
{
	if (len > b->cap) {
		b->cap = len * 2 + 8192;
		b->p = realloc(b->p, (size_t)b->cap);
		if (b->p == NULL)
			abort();
	}
	if (len > b->len) {
		memset(b->p + b->len, 0, (size_t)(len - b->len));
		b->len = len;
	}
}

static void
fault_apply(struct fault_bytes *b, const struct fault_op *op, int len)
{
	if (op->len == -1) {
		if (op->off < b->len)
			b->len = op->off;
		return;
	}
	fault_grow(b, op->off + len);
	memcpy(b->p + op->off, op->data, (size_t)len);
}

static void
fault_clear(struct fault_file *f)
{
	struct fault_op *op;

	while ((op = f->first) != NULL) {
		f->first = op->next;
		free(op);
	}
	f->last = &f->first;
}

static void
fault_copy(struct fault_bytes *to, const struct fault_bytes *from)
{
	to->len = 0;
	fault_grow(to, from->len);
	if (from->len > 0)
		memcpy(to->p, from->p, (size_t)from->len);
}

static struct fault_file *
fault_find(const char *name, bool make)
{
	struct fault_file *f, *empty = NULL;

	for (f = fault_files; f < fault_files + FAULT_FILES; f++) {
		if (f->used && strcmp(f->name, name) == 0)
			return f;
		if (!f->used && empty == NULL)
			empty = f;
	}
	if (!make || empty == NULL)
		return NULL;
	memset(empty, 0, sizeof(*empty));
	(void)snprintf(empty->name, sizeof(empty->name), "%s", name);
	empty->used = true;
	empty->on = fault_disk_of(name);
	empty->last = &empty->first;
	return empty;
}

/*
 * The power was gone and is back.  Each write that was not synced happened,
 * or did not, or stopped at a sector; whatever had been synced is there.
 */
static void
fault_power_on_disk(struct fault_disk *d)
{
	struct fault_file *f;
	struct fault_op *op;
	int part;

	for (f = fault_files; f < fault_files + FAULT_FILES; f++) {
		if (!f->used || f->on != d)
			continue;
		for (op = f->first; op != NULL; op = op->next) {
			part = op->len;
			switch (fault_rng(d, 3)) {
			case 0:
				continue;
			case 1:
				if (op->len > FAULT_SECTOR)
					part = (int)fault_rng(d, (uint32_t)op->len /
						   FAULT_SECTOR) *
					    FAULT_SECTOR;
				break;
			default:
				break;
			}
			fault_apply(&f->disk, op, part);
		}
		fault_clear(f);
		fault_copy(&f->now, &f->disk);
	}
	d->dead = false;
	d->until_crash = 0;
}

static inline void
fault_power_on(void)
{
	fault_power_on_disk(&fault);
}

/* Forget all files. */
static void
fault_format(void)
{
	struct fault_file *f;

	for (f = fault_files; f < fault_files + FAULT_FILES; f++) {
		if (!f->used)
			continue;
		fault_clear(f);
		free(f->now.p);
		free(f->disk.p);
		memset(f, 0, sizeof(*f));
	}
}

/* One more operation; SQLITE_OK when it may go on. */
static int
fault_step(struct fault_disk *d, bool writes)
{
	d->ops++;
	if (!d->dead && d->until_crash > 0 && --d->until_crash == 0)
		d->dead = true;
	if (d->dead)
		return SQLITE_IOERR;
	if (writes && fault_rng(d, 1000) < d->full_1000) {
		d->faults++;
		return SQLITE_FULL;
	}
	if (fault_rng(d, 1000) < d->io_1000) {
		d->faults++;
		return SQLITE_IOERR;
	}
	return SQLITE_OK;
}

/* --- a file --- */

static int
fault_close(sqlite3_file *h)
{
	(void)h;
	return SQLITE_OK;
}

static int
fault_read(sqlite3_file *h, void *buf, int n, sqlite3_int64 off)
{
	struct fault_file *f = ((struct fault_handle *)h)->f;
	struct fault_bytes *b = &f->now;
	sqlite3_int64 have = off < b->len ? b->len - off : 0;

	if (f->on->dead)
		return SQLITE_IOERR_READ;
	if (have > n)
		have = n;
	if (have > 0)
		memcpy(buf, b->p + off, (size_t)have);
	memset((uint8_t *)buf + have, 0, (size_t)(n - have));
	return have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static struct fault_op *
fault_note(struct fault_file *f, sqlite3_int64 off, int len, const void *data)
{
	size_t bytes = len > 0 ? (size_t)len : 0;
	struct fault_op *op = malloc(sizeof(*op) + bytes);

	if (op == NULL)
		abort();
	op->next = NULL;
	op->off = off;
	op->len = len;
	if (bytes > 0)
		memcpy(op->data, data, bytes);
	*f->last = op;
	f->last = &op->next;
	return op;
}

static int
fault_write(sqlite3_file *h, const void *buf, int n, sqlite3_int64 off)
{
	struct fault_file *f = ((struct fault_handle *)h)->f;
	int rc = fault_step(f->on, true);

	/* The write during which the power goes may have begun. */
	if (rc == SQLITE_OK || (f->on->dead && f->on->until_crash == 0))
		fault_apply(&f->now, fault_note(f, off, n, buf), n);
	return rc;
}

static int
fault_truncate(sqlite3_file *h, sqlite3_int64 size)
{
	struct fault_file *f = ((struct fault_handle *)h)->f;
	int rc = fault_step(f->on, false);

	if (rc == SQLITE_OK)
		fault_apply(&f->now, fault_note(f, size, -1, NULL), -1);
	return rc;
}

static int
fault_sync(sqlite3_file *h, int flags)
{
	struct fault_file *f = ((struct fault_handle *)h)->f;
	int rc = fault_step(f->on, false);

	(void)flags;
	if (rc != SQLITE_OK)
		return rc == SQLITE_FULL ? SQLITE_IOERR_FSYNC : rc;
	fault_copy(&f->disk, &f->now);
	fault_clear(f);
	return SQLITE_OK;
}

static int
fault_size(sqlite3_file *h, sqlite3_int64 *size)
{
	const struct fault_file *f = ((struct fault_handle *)h)->f;

	*size = f->now.len;
	return f->on->dead ? SQLITE_IOERR : SQLITE_OK;
}

static int
fault_lock(sqlite3_file *h, int level)
{
	(void)h;
	(void)level;
	return SQLITE_OK;
}

static int
fault_reserved(sqlite3_file *h, int *out)
{
	(void)h;
	*out = 0;
	return SQLITE_OK;
}

static int
fault_control(sqlite3_file *h, int op, void *arg)
{
	(void)h;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int
fault_sector(sqlite3_file *h)
{
	(void)h;
	return FAULT_SECTOR;
}

static int
fault_traits(sqlite3_file *h)
{
	(void)h;
	return 0; /* no promise beyond the sector */
}

static const sqlite3_io_methods fault_methods = { 1, fault_close, fault_read,
	fault_write, fault_truncate, fault_sync, fault_size, fault_lock,
	fault_lock, fault_reserved, fault_control, fault_sector, fault_traits,
	NULL, NULL, NULL, NULL, NULL, NULL };

/* --- the disk --- */

static int
fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *h, int flags,
    int *out)
{
	struct fault_handle *fh = (struct fault_handle *)h;

	(void)vfs;
	h->pMethods = NULL;
	if (fault_disk_of(name == NULL ? "temp" : name)->dead)
		return SQLITE_CANTOPEN;
	fh->f = fault_find(
	    name == NULL ? "temp" : name, (flags & SQLITE_OPEN_CREATE) != 0);
	if (fh->f == NULL)
		return SQLITE_CANTOPEN;
	h->pMethods = &fault_methods;
	if (out != NULL)
		*out = flags;
	return SQLITE_OK;
}

static int
fault_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	struct fault_file *f = fault_find(name, false);

	(void)vfs;
	(void)sync;
	if (fault_disk_of(name)->dead)
		return SQLITE_IOERR_DELETE;
	if (f == NULL)
		return SQLITE_IOERR_DELETE_NOENT;
	fault_clear(f);
	free(f->now.p);
	free(f->disk.p);
	memset(f, 0, sizeof(*f));
	return SQLITE_OK;
}

static int
fault_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	(void)flags;
	*out = fault_find(name, false) != NULL;
	return SQLITE_OK;
}

static int
fault_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	(void)vfs;
	(void)snprintf(out, (size_t)n, "%s", name);
	return SQLITE_OK;
}

static int
fault_random(sqlite3_vfs *vfs, int n, char *out)
{
	int i;

	(void)vfs;
	for (i = 0; i < n; i++)
		out[i] = (char)fault_rng(&fault, 256);
	return n;
}

static int
fault_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int
fault_time(sqlite3_vfs *vfs, double *out)
{
	(void)vfs;
	*out = 2460000.5;
	return SQLITE_OK;
}

static sqlite3_vfs fault_vfs = { .iVersion = 1,
	.szOsFile = sizeof(struct fault_handle),
	.mxPathname = 128,
	.zName = "fault",
	.xOpen = fault_open,
	.xDelete = fault_delete,
	.xAccess = fault_access,
	.xFullPathname = fault_path,
	.xRandomness = fault_random,
	.xSleep = fault_sleep,
	.xCurrentTime = fault_time };

#endif
