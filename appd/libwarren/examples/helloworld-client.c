/* SPDX-License-Identifier: ISC */
/*
 * helloworld-client: say "ping" to the helloworld-server beside another node
 * and print what it answers.
 *	usage: helloworld-client PK[:PORT]
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <warren_app.h>

#define VERSION     "1.0"
#define SERVER_PORT 10
#define ANSWER_MS   30000

/* 64 hex digits, and a port or port 10. */
static int
get_addr(struct warren_addr *to, const char *arg)
{
	char text[WARREN_ADDR_TEXT + 1];

	if (strchr(arg, ':') != NULL)
		return warren_addr_from_text(to, arg);
	(void)snprintf(text, sizeof(text), "%.65s:%d", arg, SERVER_PORT);
	return warren_addr_from_text(to, text);
}

int
main(int argc, char **argv)
{
	struct warren_app *app;
	struct warren_addr to;
	struct warren_conn *c;
	char buf[4];
	ssize_t n;

	if (argc != 2 || get_addr(&to, argv[1]) == -1) {
		fprintf(stderr, "usage: %s PK[:PORT]\n", argv[0]);
		return EX_USAGE;
	}
	app = warren_app_new();
	if (app == NULL ||
	    warren_app_setup(app, "helloworld-client", VERSION) == -1)
		errx(EX_UNAVAILABLE, "%s", warren_app_error(app));
	c = warren_dial(app, &to, WARREN_DIAL_MS);
	if (c == NULL)
		errx(EX_UNAVAILABLE, "dial: %s", warren_app_error(app));
	if (warren_write(c, "ping", 4, ANSWER_MS) != 4)
		err(EX_IOERR, "write");
	n = warren_read(c, buf, sizeof(buf), ANSWER_MS);
	if (n == -1)
		err(EX_IOERR, "read");
	if (n == 0)
		errx(EX_IOERR, "the server closed without an answer");
	printf("%.*s\n", (int)n, buf);
	warren_close(c);
	warren_app_free(app);
	return EX_OK;
}
