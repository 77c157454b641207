/* SPDX-License-Identifier: ISC */
/*
 * The identity key, as promised in keys.h.  The file holds the 32-byte seed
 * as 64 hex digits and a newline.
 */
#include "cmd/warrend/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"

#define SEED_HEX (crypto_sign_SEEDBYTES * 2)

static uint8_t *secret; /* sodium_malloc'd, no access while idle */
static uint8_t public[crypto_sign_PUBLICKEYBYTES];

static void
take_seed(uint8_t seed[crypto_sign_SEEDBYTES])
{
	if ((secret = sodium_malloc(crypto_sign_SECRETKEYBYTES)) == NULL)
		fatalx(EX_OSERR, "no locked memory for the identity key");
	if (crypto_sign_seed_keypair(public, secret, seed) != 0)
		fatalx(EX_SOFTWARE, "cannot derive the identity key");
	(void)sodium_mprotect_noaccess(secret);
	sodium_memzero(seed, crypto_sign_SEEDBYTES);
}

static void
read_key(int fd, const char *path)
{
	char hex[SEED_HEX + 2];
	uint8_t seed[crypto_sign_SEEDBYTES];
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		fatal(EX_NOPERM, "%s", path);
	if ((st.st_mode & 077) != 0)
		fatalx(EX_NOPERM,
		    "%s: others may read it (mode %04o); run: chmod 600 %s",
		    path, st.st_mode & 07777u, path);
	n = read(fd, hex, sizeof(hex));
	if (n < (ssize_t)SEED_HEX || sodium_hex2bin(seed, sizeof(seed), hex,
	    SEED_HEX, NULL, &len, NULL) != 0 || len != sizeof(seed))
		fatalx(EX_CONFIG, "%s: not a node key (64 hex digits)", path);
	sodium_memzero(hex, sizeof(hex));
	take_seed(seed);
}

/* A file of its own, fsynced, then linked into place: never half a key. */
static void
make_key(const char *path)
{
	char tmp[512], hex[SEED_HEX + 1];
	uint8_t seed[crypto_sign_SEEDBYTES];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		fatal(errno == EACCES || errno == EROFS ? EX_NOPERM :
		                                          EX_CONFIG,
		    "cannot make the node key at %s", path);
	randombytes_buf(seed, sizeof(seed));
	(void)sodium_bin2hex(hex, sizeof(hex), seed, sizeof(seed));
	hex[SEED_HEX] = '\n';
	if (write(fd, hex, sizeof(hex)) != (ssize_t)sizeof(hex) ||
	    fsync(fd) == -1 || link(tmp, path) == -1)
		fatal(EX_IOERR, "%s", path);
	(void)unlink(tmp);
	(void)close(fd);
	sodium_memzero(hex, sizeof(hex));
	take_seed(seed);
}

int
keys_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1 && errno == ENOENT) {
		make_key(path);
		return 1;
	}
	if (fd == -1)
		fatal(EX_NOPERM, "%s", path);
	read_key(fd, path);
	(void)close(fd);
	return 0;
}

const uint8_t *
keys_public(void)
{
	return public;
}

void
keys_sign(uint8_t sig[64], const uint8_t *msg, size_t n)
{
	(void)sodium_mprotect_readonly(secret);
	(void)crypto_sign_detached(sig, NULL, msg, n, secret);
	(void)sodium_mprotect_noaccess(secret);
}
