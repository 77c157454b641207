/* SPDX-License-Identifier: ISC */
/*
 * Run a fuzzer's harness over files, for builds without libFuzzer: each file
 * named, and each file in each directory named, once.  Exits 66 when one
 * cannot be read or none was found; a finding aborts.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define FILE_LEN_MAX (1024 * 1024)
#define PATH_LEN_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t nfiles;

static void
replay_file(const char *path)
{
	uint8_t *data;
	size_t len;
	FILE *f;

	f = fopen(path, "rb");
	if (f == NULL)
		err(EX_NOINPUT, "%s", path);
	data = malloc(FILE_LEN_MAX);
	if (data == NULL)
		err(EX_OSERR, "malloc");
	len = fread(data, 1, FILE_LEN_MAX, f);
	if (ferror(f))
		err(EX_NOINPUT, "%s", path);
	(void)fclose(f);
	/* To its exact size, so that a sanitizer sees one byte too far. */
	if (len > 0) {
		data = realloc(data, len);
		if (data == NULL)
			err(EX_OSERR, "realloc");
	}
	(void)LLVMFuzzerTestOneInput(data, len);
	free(data);
	nfiles++;
}

static void
replay_dir(const char *path)
{
	char name[PATH_LEN_MAX];
	struct dirent *e;
	int n;
	DIR *d;

	d = opendir(path);
	if (d == NULL)
		err(EX_NOINPUT, "%s", path);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n = snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (n < 0 || (size_t)n >= sizeof(name))
			errx(EX_NOINPUT, "%s: name too long", path);
		replay_file(name);
	}
	(void)closedir(d);
}

int
main(int argc, char **argv)
{
	struct stat st;
	int i;

	for (i = 1; i < argc; i++) {
		if (stat(argv[i], &st) != 0)
			err(EX_NOINPUT, "%s", argv[i]);
		if (S_ISDIR(st.st_mode))
			replay_dir(argv[i]);
		else
			replay_file(argv[i]);
	}
	printf("%zu inputs replayed\n", nfiles);
	return nfiles > 0 ? EX_OK : EX_NOINPUT;
}
