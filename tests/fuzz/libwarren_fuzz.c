/* SPDX-License-Identifier: ISC */
/*
 * Whatever a node says, libwarren survives it, and every connection and the
 * app come to their end.  Byte 0 says in what steps the bytes come.
 */
#include "appd/libwarren/warren_app.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/assert.h"

#define CONNS_MAX 40
#define BYTES_MAX 9000 /* what any pipe takes at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct warren_conn *conns[CONNS_MAX];
static size_t n_conns;

static void
keep(struct warren_conn *c)
{
	if (c == NULL)
		return;
	if (n_conns == CONNS_MAX)
		warren_close(c);
	else
		conns[n_conns++] = c;
}

/* Read, write, and sometimes close. */
static void
use(size_t i, uint8_t how)
{
	struct warren_addr a;
	char buf[16];
	ssize_t n;

	n = warren_read(conns[i], buf, (size_t)(how % 16) + 1, 0);
	ASSERT(n <= how % 16 + 1);
	ASSERT(n != -1 || errno != 0);
	(void)warren_write(conns[i], "ping", how % 5, 0);
	if (how % 7 == 0)
		(void)warren_conn_fd(conns[i]);
	warren_local_addr(conns[i], &a);
	if (n == 0 || (how % 11 == 0)) {
		warren_close(conns[i]);
		conns[i] = conns[--n_conns];
	}
}

static void
take_all(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void
run(struct warren_app *app, int to_app, int from_app, const uint8_t *data,
    size_t size)
{
	struct warren_addr to = { .pk = { 0x48 }, .port = 10 };
	size_t at = 1, n, i;

	keep(warren_dial_start(app, &to));
	(void)warren_app_fd(app);
	while (at < size) {
		n = (size_t)data[0] + 1 < size - at ? (size_t)data[0] + 1
						    : size - at;
		if (write(to_app, data + at, n) != (ssize_t)n)
			break;
		at += n;
		(void)warren_app_pump(app);
		keep(warren_accept(app, 0));
		while (warren_next_ready(app) != NULL)
			;
		for (i = n_conns; i-- > 0;)
			use(i, (uint8_t)(data[at - 1] + i));
		take_all(from_app);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct warren_app *app = warren_app_new();
	int down[2], up[2];

	if (size == 0 || size > BYTES_MAX) {
		warren_app_free(app);
		return 0;
	}
	ASSERT(app != NULL && pipe(down) == 0 && pipe(up) == 0);
	(void)fcntl(up[0], F_SETFL, O_NONBLOCK);
	ASSERT(write(down[1], "\0\6\xff\0null", 8) == 8);
	ASSERT(warren_app_setup_fds(app, down[0], up[1], "f", "1") == 0);
	n_conns = 0;
	run(app, down[1], up[0], data, size);
	(void)close(down[1]);
	while (n_conns % 2 == 1) /* some are left to the app */
		warren_close(conns[--n_conns]);
	warren_app_free(app);
	(void)close(up[0]);
	return 0;
}
