/* SPDX-License-Identifier: ISC */
/*
 * Files of block bodies, as promised in bodyfile.h.
 */
#include "peerd/store/bodyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool
bodyfile_hash(int fd, uint32_t size, struct manifest *man)
{
	static uint8_t chunk[BLOCK_CHUNK];
	ssize_t n = 0;
	unsigned i;
	int err;

	errno = 0;
	man->size = size;
	for (i = 0; i < blocks_chunks(size); i++) {
		size_t len = blocks_chunk_len(size, i);

		if ((n = read(fd, chunk, len)) != (ssize_t)len)
			break;
		blocks_hash_chunk(man->chunks[i], chunk, len);
	}
	err = n < 0 ? errno : EIO; /* shorter than it said */
	(void)close(fd);
	errno = err;
	return i == blocks_chunks(size);
}

bool
bodyfile_is_of(const struct manifest *man, const uint8_t id[32])
{
	uint8_t is[32];

	blocks_id(is, man);
	return memcmp(is, id, 32) == 0;
}

/* The id a name stands for; what follows it is *end. */
static bool
id_of(uint8_t id[32], unsigned dir, const char *name, const char **end)
{
	size_t len;

	id[0] = (uint8_t)dir;
	if (strlen(name) < BODYFILE_NAME ||
	    sodium_hex2bin(id + 1, 31, name, BODYFILE_NAME, NULL, &len, NULL) !=
		0 ||
	    len != 31)
		return false;
	*end = name + BODYFILE_NAME;
	return true;
}

static enum bodyfile
unknown(struct bodyfile_look *look, const char *why)
{
	look->why = why;
	return BODYFILE_UNKNOWN;
}

/* It has no row: is it whole?  Then its commit was lost, or the database. */
static enum bodyfile
look_inside(struct bodyfile_look *look, int fd)
{
	struct manifest man;
	struct stat st;

	if (fstat(fd, &st) == -1) {
		(void)close(fd);
		return unknown(look, strerror(errno));
	}
	if (!S_ISREG(st.st_mode) || st.st_size < 1 ||
	    st.st_size > BLOCK_SIZE_MAX) {
		(void)close(fd);
		return S_ISREG(st.st_mode) ? BODYFILE_REMOVE : BODYFILE_FOREIGN;
	}
	look->read = (uint64_t)st.st_size;
	if (!bodyfile_hash(fd, (uint32_t)st.st_size, &man))
		return unknown(look, strerror(errno));
	look->size = man.size;
	return bodyfile_is_of(&man, look->id) ? BODYFILE_WHOLE
					      : BODYFILE_REMOVE;
}

enum bodyfile
bodyfile_look(struct bodyfile_look *look, struct sql *db, unsigned dir,
    int dirfd, const char *name)
{
	struct sql_body row;
	const char *end;
	enum sql_rc rc;
	int fd;

	memset(look, 0, sizeof(*look));
	if (!id_of(look->id, dir, name, &end))
		return BODYFILE_FOREIGN;
	if (*end != '\0')
		return strcmp(end, BODYFILE_NEW) == 0 ? BODYFILE_REMOVE
						      : BODYFILE_FOREIGN;
	if ((rc = sql_body_get(db, look->id, &row)) == SQL_OK)
		return BODYFILE_HELD;
	if (rc != SQL_NONE)
		return unknown(look, sql_rc_name(rc));
	fd =
	    openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd == -1 ? unknown(look, strerror(errno))
			: look_inside(look, fd);
}
