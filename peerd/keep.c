/* SPDX-License-Identifier: ISC */
/*
 * What outlives us: the address book, bans, peers that warrenctl added, and
 * the anchors among our neighbours.
 * Read once, before the sandbox shuts; written through a descriptor that
 * warrend opens, syncs and renames.  A file is at most FILE_MAX bytes and is
 * believed row by row up to the first malformed one.
 *
 *   peers.added = rows [1, pinned, name:str, host:str, port, key:bin(0|32)]
 *   peers.anchors = rows [1, id:bin(32), ip:bin(4|16), port]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "common/mp.h"
#include "common/write_all.h"
#include "peerd/peerd.h"

#define FILES      4
#define FILE_MAX   (15u << 20) /* the sandbox's FSIZE is 16 MiB */
#define SOON_MS    2000
#define PEER_ROW   256
#define ANCHOR_ROW 64

static const char *const names[FILES] = { "address book", "bans", "added peers",
	"anchors" };

static struct file {
	int given; /* what warrend gave us at start, -1 for none */
	bool dirty, saving;
	struct mono due;
} files[FILES] = { { .given = -1 }, { .given = -1 }, { .given = -1 },
	{ .given = -1 } };

void
keep_give(uint8_t which, int fd)
{
	if (files[which].given != -1)
		(void)close(files[which].given);
	files[which].given = fd;
}

/* --- reading --- */

/* The whole file in memory the caller frees; NULL with errno. */
static uint8_t *
read_all(int fd, size_t *len)
{
	struct stat st;
	uint8_t *buf;
	ssize_t n;

	*len = 0;
	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size < 0 || st.st_size > (off_t)FILE_MAX) {
		errno = EFBIG;
		return NULL;
	}
	if ((buf = malloc((size_t)st.st_size + 1)) == NULL)
		return NULL;
	while (*len < (size_t)st.st_size) {
		n = read(fd, buf + *len, (size_t)st.st_size - *len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	return buf;
}

static bool
get_peer(struct rd *r, struct msg_peerd_peer *p)
{
	const uint8_t *key;
	size_t len;

	memset(p, 0, sizeof(*p));
	mp_rd_arity(r, 6);
	(void)mp_rd_uint(r, 1);
	p->origin = mp_rd_uint(r, 1) == 1 ? PEERD_PINNED : PEERD_STATIC;
	mp_rd_str(r, p->name, sizeof(p->name));
	mp_rd_str(r, p->host, sizeof(p->host));
	p->port = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	key = mp_rd_bin(r, 0, 32, &len);
	if (r->bad || (len != 0 && len != 32) || p->port == 0 ||
	    p->host[0] == '\0')
		return false;
	p->has_key = len == 32;
	if (p->has_key)
		memcpy(p->key, key, 32);
	return true;
}

static int
load_peers(const uint8_t *buf, size_t len)
{
	struct msg_peerd_peer p;
	struct rd r;

	rd_init(&r, buf, len);
	while (r.left > 0) {
		if (!get_peer(&r, &p))
			return -1;
		(void)targets_add(&p);
	}
	return 0;
}

static bool
get_anchor(struct rd *r, struct wire_addr *a)
{
	const uint8_t *id, *ip;
	size_t len;

	memset(a, 0, sizeof(*a));
	mp_rd_arity(r, 4);
	(void)mp_rd_uint(r, 1);
	id = mp_rd_bin(r, 32, 32, &len);
	ip = mp_rd_bin(r, 4, 16, &len);
	a->addr.port = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	if (r->bad || (len != 4 && len != 16) || a->addr.port == 0)
		return false;
	memcpy(a->id, id, 32);
	memcpy(a->addr.ip, ip, len);
	a->addr.fam = len == 4 ? NADDR_V4 : NADDR_V6;
	return true;
}

static int
load_anchors(const uint8_t *buf, size_t len)
{
	struct wire_addr a;
	struct rd r;

	rd_init(&r, buf, len);
	while (r.left > 0)
		if (!get_anchor(&r, &a) || !neigh_add_anchor(&a))
			return -1;
	return 0;
}

static int
load(uint8_t which, const uint8_t *buf, size_t len)
{
	switch (which) {
	case PEERD_FILE_BOOK:
		return abook_load(&peerd.book, buf, len);
	case PEERD_FILE_BANS:
		return bans_load(&peerd.bans, buf, len);
	case PEERD_FILE_PEERS:
		return load_peers(buf, len);
	default:
		return load_anchors(buf, len);
	}
}

void
keep_load(void)
{
	uint8_t i, *buf;
	size_t len;

	for (i = 0; i < FILES; i++) {
		if (files[i].given == -1)
			continue;
		buf = read_all(files[i].given, &len);
		(void)close(files[i].given);
		files[i].given = -1;
		if (buf == NULL)
			log_warn("%s: not read: %s", names[i], strerror(errno));
		else if (load(i, buf, len) == -1)
			log_warn("%s: malformed; kept what came before",
			    names[i]);
		free(buf);
		files[i].dirty = false;
	}
}

/* --- writing --- */

void
keep_dirty(uint8_t which, bool soon)
{
	struct file *f = &files[which];
	struct mono due = mono_add_ms(mono_now(),
	    soon ? SOON_MS : (int64_t)peerd.conf.save_ms);

	if (!f->dirty || mono_before(due, f->due))
		f->due = due;
	f->dirty = true;
}

static void
save(uint8_t which)
{
	struct file *f = &files[which];

	f->saving = asks_save(which);
	f->dirty = !f->saving;
}

void
keep_tick(struct mono now)
{
	uint8_t i;

	for (i = 0; i < FILES; i++)
		if (files[i].dirty && !files[i].saving &&
		    mono_reached(files[i].due, now))
			save(i);
}

void
keep_all(void)
{
	uint8_t i;

	for (i = 0; i < FILES; i++)
		if (files[i].dirty && !files[i].saving)
			save(i);
}

bool
keep_is_idle(void)
{
	uint8_t i;

	for (i = 0; i < FILES; i++)
		if (files[i].saving)
			return false;
	return true;
}

static int
write_book(int fd)
{
	static uint8_t page[64 * 1024];
	uint32_t from = 0;
	bool all;
	struct wr w;

	do {
		wr_init(&w, page, sizeof(page));
		all = abook_save(&peerd.book, &w, &from);
		if (write_all(fd, page, w.len) == -1)
			return -1;
	} while (!all);
	return 0;
}

static void
put_peers(struct wr *w)
{
	const struct target *t = NULL;

	while ((t = targets_next(t)) != NULL) {
		if (!t->added)
			continue;
		mp_wr_array(w, 6);
		mp_wr_uint(w, 1);
		mp_wr_uint(w, t->p.origin == PEERD_PINNED);
		mp_wr_str(w, t->p.name);
		mp_wr_str(w, t->p.host);
		mp_wr_uint(w, t->p.port);
		mp_wr_bin(w, t->p.key, t->p.has_key ? 32 : 0);
	}
}

static void
put_anchors(struct wr *w)
{
	const struct wire_addr *a;
	size_t n = neigh_anchors(&a), i;

	for (i = 0; i < n; i++) {
		mp_wr_array(w, 4);
		mp_wr_uint(w, 1);
		mp_wr_bin(w, a[i].id, 32);
		mp_wr_bin(w, a[i].addr.ip, naddr_ip_len(&a[i].addr));
		mp_wr_uint(w, a[i].addr.port);
	}
}

static int
write_rows(int fd, size_t cap, void (*put)(struct wr *w))
{
	uint8_t *buf = malloc(cap);
	struct wr w;
	int rc = -1;

	if (buf == NULL)
		return -1;
	wr_init(&w, buf, cap);
	put(&w);
	if (!w.bad)
		rc = write_all(fd, buf, w.len);
	free(buf);
	return rc;
}

static void
put_bans(struct wr *w)
{
	bans_save(&peerd.bans, w);
}

static int
write_file(uint8_t which, int fd)
{
	switch (which) {
	case PEERD_FILE_BOOK:
		return write_book(fd);
	case PEERD_FILE_BANS:
		return write_rows(fd, (size_t)peerd.bans.cap * BAN_ROW_MAX + 1,
		    put_bans);
	case PEERD_FILE_PEERS:
		return write_rows(fd, TARGETS_MAX * PEER_ROW, put_peers);
	default:
		return write_rows(fd, OVERLAY_ANCHORS * ANCHOR_ROW,
		    put_anchors);
	}
}

bool
keep_save_fd(uint8_t which, uint32_t id, int fd)
{
	struct msg_peerd_file q = { .which = which };
	int rc = write_file(which, fd);

	if (rc == -1) /* what we could not write is left; the old one stays */
		keep_result(which, strerror(errno));
	else
		(void)ipc_send(child_parent(), PEERD_SAVE_DONE, id, &q);
	(void)close(fd);
	return rc == 0;
}

void
keep_result(uint8_t which, const char *error)
{
	files[which].saving = false;
	if (error == NULL)
		return;
	log_warn("%s: not saved: %s", names[which], error);
	if (!peerd.stopping)
		keep_dirty(which, false);
}
