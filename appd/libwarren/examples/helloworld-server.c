/* SPDX-License-Identifier: ISC */
/*
 * helloworld-server: answer every "ping" with "pong", whoever asks.
 *
 * Runs beside a Warren node, launched by it or by hand, and serves as long as
 * the node does.  Which port it has is said in the node's configuration; 10
 * is where helloworld-client looks for it.
 *	usage: helloworld-server
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <warren_app.h>

#define VERSION "1.0"

/* What came on a loop, which is closed when it is at its end. */
static void
serve(struct warren_conn *c)
{
	char buf[64];
	ssize_t n;

	while ((n = warren_read(c, buf, sizeof(buf), 0)) > 0) {
		printf("%.*s\n", (int)n, buf);
		(void)fflush(stdout);
		if (n != 4 || memcmp(buf, "ping", 4) != 0)
			continue;
		/* Who asks faster than it is answered is not served on. */
		if (warren_write(c, "pong", 4, 0) != 4) {
			n = 0;
			break;
		}
	}
	if (n == 0 || errno != EAGAIN)
		warren_close(c);
}

int
main(int argc, char **argv)
{
	struct warren_app *app;
	struct warren_conn *c;
	struct pollfd pfd = { .events = POLLIN };

	if (argc != 1) {
		fprintf(stderr, "usage: %s\n", argv[0]);
		return EX_USAGE;
	}
	app = warren_app_new();
	if (app == NULL ||
	    warren_app_setup(app, "helloworld-server", VERSION) == -1)
		errx(EX_UNAVAILABLE, "%s", warren_app_error(app));
	pfd.fd = warren_app_fd(app);
	if (pfd.fd == -1)
		err(EX_OSERR, "poll");
	while (warren_app_pump(app) == 0) {
		while (warren_accept(app, 0) != NULL)
			;
		while ((c = warren_next_ready(app)) != NULL)
			serve(c);
		if (poll(&pfd, 1, -1) == -1)
			err(EX_OSERR, "poll");
	}
	warnx("%s", warren_app_error(app));
	warren_app_free(app);
	return EX_UNAVAILABLE;
}
