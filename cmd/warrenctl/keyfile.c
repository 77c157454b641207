/* SPDX-License-Identifier: ISC */
/*
 * Key files, as promised in keyfile.h.
 */
#include "cmd/warrenctl/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/warrenctl/warrenctl.h"

#define SEED_HEX 64

static void
take_seed(struct keyfile *k, uint8_t seed[32])
{
	if (crypto_sign_seed_keypair(k->pk, k->sk, seed) != 0)
		die(EX_SOFTWARE, "cannot derive a key");
	sodium_memzero(seed, 32);
}

void
keyfile_read(struct keyfile *k, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t seed[32];
	char hex[SEED_HEX + 2];
	struct stat st;
	size_t len = 0;

	if (fd == -1 || fstat(fd, &st) == -1)
		die(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if ((st.st_mode & 077) != 0)
		die(EX_NOPERM, "%s: others may read it; run: chmod 600 %s",
		    path, path);
	if (read(fd, hex, sizeof(hex)) < SEED_HEX ||
	    sodium_hex2bin(seed, sizeof(seed), hex, SEED_HEX, NULL, &len,
		NULL) != 0 ||
	    len != sizeof(seed))
		die(EX_DATAERR, "%s: not a key (64 hex digits)", path);
	(void)close(fd);
	sodium_memzero(hex, sizeof(hex));
	take_seed(k, seed);
}

void
keyfile_make(struct keyfile *k, const char *path)
{
	uint8_t seed[32];
	char hex[SEED_HEX + 1];

	randombytes_buf(seed, sizeof(seed));
	(void)sodium_bin2hex(hex, sizeof(hex), seed, sizeof(seed));
	hex[SEED_HEX] = '\n';
	file_make(path, 0600, hex, sizeof(hex));
	sodium_memzero(hex, sizeof(hex));
	take_seed(k, seed);
}

void
keyfile_fini(struct keyfile *k)
{
	sodium_memzero(k->sk, sizeof(k->sk));
}

void
file_make(const char *path, unsigned mode, const void *data, size_t len)
{
	int fd = open(path,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd == -1 && errno == EEXIST)
		die(EX_CANTCREAT, "%s exists already", path);
	if (fd == -1)
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (write(fd, data, len) != (ssize_t)len || fsync(fd) == -1) {
		(void)unlink(path);
		die(EX_IOERR, "%s: cannot be written", path);
	}
	(void)close(fd);
}

size_t
file_read(const char *path, void *buf, size_t cap)
{
	bool in = strcmp(path, "-") == 0;
	int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *p = buf, more;
	size_t n = 0;
	ssize_t got = 1;

	if (fd == -1)
		die(EX_NOINPUT, "%s: %s", path, strerror(errno));
	while (n < cap && (got = read(fd, p + n, cap - n)) > 0)
		n += (size_t)got;
	if (got == -1)
		die(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if (n == cap && read(fd, &more, 1) > 0)
		die(EX_DATAERR, "%s: longer than %zu bytes", path, cap);
	if (!in)
		(void)close(fd);
	return n;
}
