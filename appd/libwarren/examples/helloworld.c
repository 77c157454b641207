/* SPDX-License-Identifier: ISC */
/*
 * helloworld: both sides of the ping-pong in one program, as simple as can
 * be: one loop at a time, and waiting in every call.  Skywire's first example
 * had this shape.
 *	usage: helloworld          serve
 *	       helloworld PK       ping the app at port 10 beside node PK
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <warren_app.h>

#define VERSION     "1.0"
#define SERVER_PORT 10

static int
client(struct warren_app *app, const struct warren_addr *to)
{
	struct warren_conn *c = warren_dial(app, to, WARREN_DIAL_MS);
	char buf[4];
	ssize_t n;

	if (c == NULL)
		errx(EX_UNAVAILABLE, "dial: %s", warren_app_error(app));
	if (warren_write(c, "ping", 4, WARREN_WAIT) != 4)
		err(EX_IOERR, "write");
	n = warren_read(c, buf, sizeof(buf), WARREN_WAIT);
	if (n <= 0)
		errx(EX_IOERR, "no answer: %s", warren_app_error(app));
	printf("%.*s\n", (int)n, buf);
	warren_close(c);
	return EX_OK;
}

static int
server(struct warren_app *app)
{
	char text[WARREN_ADDR_TEXT], buf[4];
	struct warren_conn *c;
	struct warren_addr from;
	ssize_t n;

	while ((c = warren_accept(app, WARREN_WAIT)) != NULL) {
		warren_remote_addr(c, &from);
		(void)warren_addr_to_text(text, &from);
		n = warren_read(c, buf, sizeof(buf), WARREN_WAIT);
		printf("%s from %s\n", n == 4 ? "ping" : "nothing", text);
		(void)fflush(stdout);
		if (n == 4 && memcmp(buf, "ping", 4) == 0)
			(void)warren_write(c, "pong", 4, WARREN_WAIT);
		warren_close(c);
	}
	warnx("%s", warren_app_error(app));
	return EX_UNAVAILABLE;
}

int
main(int argc, char **argv)
{
	struct warren_app *app;
	char text[WARREN_ADDR_TEXT + 1];
	struct warren_addr to;
	int rc;

	if (argc > 1)
		(void)snprintf(text, sizeof(text), "%.65s:%d", argv[1],
		    SERVER_PORT);
	if (argc > 2 || (argc == 2 && warren_addr_from_text(&to, text) == -1)) {
		fprintf(stderr, "usage: %s [PK]\n", argv[0]);
		return EX_USAGE;
	}
	app = warren_app_new();
	if (app == NULL || warren_app_setup(app, "helloworld", VERSION) == -1)
		errx(EX_UNAVAILABLE, "%s", warren_app_error(app));
	rc = argc == 2 ? client(app, &to) : server(app);
	warren_app_free(app);
	return rc;
}
