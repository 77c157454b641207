/* SPDX-License-Identifier: ISC */
/*
 * ustar headers, as promised in tar.h.
 */
#include "common/tar.h"

#include <stdio.h>
#include <string.h>

#include "common/bytes.h"

/* Where the fields lie: IEEE Std 1003.1, pax, "ustar Interchange Format". */
enum {
	AT_NAME = 0,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_SUM = 148,
	AT_TYPE = 156,
	AT_MAGIC = 257,
	AT_PREFIX = 345
};

#define LONG_FIELD 12
#define OCTAL_MAX  077777777777ull /* of 11 digits */

static void
put_octal(uint8_t *at, int digits, uint64_t v)
{
	char buf[24];

	(void)snprintf(buf, sizeof(buf), "%0*llo", digits,
	    (unsigned long long)v);
	memcpy(at, buf, (size_t)digits);
}

static void
put_long(uint8_t *at, uint64_t v)
{
	if (v <= OCTAL_MAX) {
		put_octal(at, LONG_FIELD - 1, v);
		return;
	}
	at[0] = 0x80;
	put_u64(at + LONG_FIELD - 8, v);
}

/* The sum of all bytes, those of the sum itself taken as blanks. */
static unsigned
sum_of(const uint8_t in[TAR_BLOCK])
{
	unsigned sum = 0;
	size_t i;

	for (i = 0; i < TAR_BLOCK; i++)
		sum += i >= AT_SUM && i < AT_SUM + 8 ? ' ' : in[i];
	return sum;
}

bool
tar_put(uint8_t out[TAR_BLOCK], const struct tar_file *f)
{
	size_t n = strlen(f->name);

	if (n == 0 || n > TAR_NAME_MAX)
		return false;
	memset(out, 0, TAR_BLOCK);
	memcpy(out + AT_NAME, f->name, n);
	put_octal(out + AT_MODE, 7, f->mode & 07777u);
	put_octal(out + AT_UID, 7, 0);
	put_octal(out + AT_GID, 7, 0);
	put_long(out + AT_SIZE, f->size);
	put_long(out + AT_MTIME, f->mtime);
	out[AT_TYPE] = '0';
	memcpy(out + AT_MAGIC, "ustar\00000", 8);
	put_octal(out + AT_SUM, 6, sum_of(out));
	out[AT_SUM + 7] = ' ';
	return true;
}

/* Octal digits up to a blank or a NUL. */
static bool
get_octal(const uint8_t *at, size_t len, uint64_t *v)
{
	size_t i = 0;

	*v = 0;
	while (i < len && at[i] == ' ')
		i++;
	for (; i < len && at[i] >= '0' && at[i] <= '7'; i++)
		*v = *v << 3 | (uint64_t)(at[i] - '0');
	return i == len || at[i] == ' ' || at[i] == '\0';
}

static bool
get_long(const uint8_t *at, uint64_t *v)
{
	static const uint8_t high[LONG_FIELD - 8] = { 0x80 };

	if (at[0] < 0x80)
		return get_octal(at, LONG_FIELD, v);
	*v = get_u64(at + LONG_FIELD - 8);
	return memcmp(at, high, sizeof(high)) == 0 && *v <= INT64_MAX;
}

static bool
is_clean(const char *name)
{
	const char *p = name;
	size_t n;

	for (;; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (p[n] == '\0')
			return true;
	}
}

int
tar_get(struct tar_file *f, const uint8_t in[TAR_BLOCK])
{
	static const uint8_t empty[TAR_BLOCK];
	uint64_t sum, mode;

	memset(f, 0, sizeof(*f));
	if (memcmp(in, empty, TAR_BLOCK) == 0)
		return 0;
	if (!get_octal(in + AT_SUM, 8, &sum) || sum != sum_of(in) ||
	    memcmp(in + AT_MAGIC, "ustar", 5) != 0 ||
	    (in[AT_TYPE] != '0' && in[AT_TYPE] != '\0') ||
	    in[AT_PREFIX] != '\0')
		return -1;
	memcpy(f->name, in + AT_NAME, TAR_NAME_MAX);
	if (in[AT_NAME + TAR_NAME_MAX] != '\0' || !is_clean(f->name) ||
	    !get_long(in + AT_SIZE, &f->size) ||
	    !get_long(in + AT_MTIME, &f->mtime) ||
	    !get_octal(in + AT_MODE, 8, &mode))
		return -1;
	f->mode = (uint16_t)(mode & 07777u);
	return 1;
}
